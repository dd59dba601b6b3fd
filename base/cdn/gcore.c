/* gcore.c - Source: Gcore documentation, "CDN response headers". X-ID is the machine ("m9-up-e245"), its
 * first part the site; no IATA code. Cache is the word, and X-Cached-Since stands in for Age. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("x-cached-since", NULL), MARK("x-id-fe", NULL), MARKS_END };

static void gcore_read(const struct headers *h, struct edge_info *e)
{
	static const char *const names[] = { "x-id", "x-node" };
	struct str node = STR_NONE;
	for (size_t i = 0; i < ARRAY_LEN(names) && node.n == 0; i++) {
		if (!headers_get_last(h, names[i], &node))
			continue;
		ptrdiff_t dash = str_find(node, '-');
		pop_set(e, dash < 0 ? node : str_first(node, (size_t)dash), names[i]);
	}
	edge_from_word(h, e, "cache", CACHE_NONE, node);
}

const struct vendor vendor_gcore = { .name = "gcore", .marks = marks, .read = gcore_read };
