/* generic.c - a cache of unknown maker that says a word or names a place, nginx with $upstream_cache_status
 * among them; and none: not even that. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("cache-status", NULL), MARK("x-cache", NULL),
	MARK("x-cache-status", NULL), MARK("x-proxy-cache", NULL), MARK("pop", NULL),
	MARK("x-edge-location", NULL), MARKS_END };

static void generic_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	struct str place;
	if (plain_word_is_nearest(h) && plain_words_read(h, e))
		return; /* all else is of caches behind it */
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	if (headers_get_last(h, "pop", &place))
		pop_set(e, place, "pop");
	if (e->pop.n == 0 && headers_get_last(h, "x-edge-location", &place))
		pop_set(e, place, "x-edge-location");
	if (e->pop.n == 0)
		pop_set(e, word_host(list_nearest(&words, 0)), "x-cache");
	if (cache_status_read(h, e, NULL))
		e->used |= USED_X_CACHE | USED_PLAIN; /* the same caches once more */
	else if (!x_cache_read(h, e, &words, 0) && !plain_words_read(h, e))
		tier_add(e, TIER_EDGE, CACHE_UNKNOWN, e->pop);
}

static void none_read(const struct headers *h, struct edge_info *e)
{
}

const struct vendor vendor_generic = { .name = "generic", .marks = marks, .read = generic_read };
const struct vendor vendor_none = {
	.name = "none", .marks = (const struct mark[]){ MARKS_END }, .read = none_read
};
