/* cdn77.c - Source: recorded answers. X-77-POP is a city and a country ("frankfurtDE"). Its age is in X-Age.
 */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("server", "^CDN77"), MARK("x-77-", NULL), MARKS_END };

static void cdn77_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	struct str place, word;
	if (headers_get_last(h, "x-77-pop", &place))
		pop_set(e, place, "x-77-pop");
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	if (headers_get_last(h, "x-77-cache", &word) && word.n > 0) {
		edge_from_word(h, e, "x-77-cache", CACHE_UNKNOWN, e->pop);
		x_cache_read(h, e, &words, 1); /* the nearest word says the same once more */
	} else if (!x_cache_read(h, e, &words, 0)) {
		tier_add(e, TIER_EDGE, CACHE_UNKNOWN, e->pop);
	}
}

const struct vendor vendor_cdn77 = { .name = "cdn77", .marks = marks, .read = cdn77_read };
