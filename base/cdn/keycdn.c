/* keycdn.c - Source: KeyCDN documentation, "X-Cache" and "X-Edge-Location" (country and city, no IATA code).
 * Others use X-Edge-Location too, so the Server is what proves it. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("server", "^keycdn"), MARKS_END };

static void keycdn_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	struct str place;
	if (headers_get_last(h, "x-edge-location", &place))
		pop_set(e, place, "x-edge-location");
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	if (!x_cache_read(h, e, &words, 0))
		tier_add(e, TIER_EDGE, CACHE_UNKNOWN, e->pop);
}

const struct vendor vendor_keycdn = { .name = "keycdn", .marks = marks, .read = keycdn_read };
