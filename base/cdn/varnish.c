/* varnish.c - self-run Varnish. Source: Varnish documentation, "X-Varnish" (a second id is the request that
 * filled the copy). X-Cache is written by the site's own VCL. Wikimedia names its machines in it. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("via", "varnish"), MARK("server", "^Varnish"),
	MARK("x-varnish", NULL), MARKS_END };

static void varnish_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	pop_set(e, wikimedia_pop(h), "x-cache");
	if (x_cache_is_squids(h, &words) && x_varnish_read(h, e))
		return; /* Squid is behind it */
	if (words.n == 0 && plain_word_is_last(h, SOFTWARE_VARNISH) && plain_words_read(h, e)) {
		/* VCL's word, which may know more than the number of ids does: grace, pass. */
		e->used |= USED_X_VARNISH;
		return;
	}
	if (!x_cache_read(h, e, &words, 0) && !cache_status_read(h, e, NULL) && !x_varnish_read(h, e) &&
		!plain_words_read(h, e))
		tier_add(e, TIER_EDGE, CACHE_UNKNOWN, e->pop);
}

const struct vendor vendor_varnish = {
	.name = "varnish", .marks = marks, .software = SOFTWARE_VARNISH, .read = varnish_read
};
