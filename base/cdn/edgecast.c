/* edgecast.c - Edgecast, later Verizon and Edgio. Source: recorded answers. "Server: ECS (nyb/1D11)" is site
 * and machine; some sites happen to look like IATA codes (oxr), none is meant as one. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("server", "^ECS ("), MARK("server", "^ECAcc ("), MARKS_END };

static void edgecast_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	struct str server, node = STR_NONE;
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	if (headers_get(h, "server", &server)) {
		ptrdiff_t open = str_find(server, '('), close = str_rfind(server, ')');
		if (open >= 0)
			node = str_from(
				close > open ? str_first(server, (size_t)close) : server, (size_t)open + 1);
		ptrdiff_t slash = str_find(node, '/');
		pop_set(e, slash < 0 ? node : str_first(node, (size_t)slash), "server");
	}
	if (words.n > 0)
		e->cache_source = "x-cache";
	tier_add_word(e, TIER_EDGE, list_nearest(&words, 0), node);
	x_cache_read(h, e, &words, 1);
}

const struct vendor vendor_edgecast = { .name = "edgecast", .marks = marks, .read = edgecast_read };
