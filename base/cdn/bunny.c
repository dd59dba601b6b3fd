/* bunny.c - Source: recorded answers. "Server: BunnyCDN-DE1-1047" is a country (UK, not GB), a number, and
 * the machine; no IATA code. CDN-CachedAt is local time of the machine, so it gives no age. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("server", "^BunnyCDN"), MARK("cdn-pullzone", NULL), MARKS_END };

static void bunny_read(const struct headers *h, struct edge_info *e)
{
	struct str server, node = STR_NONE;
	if (headers_get(h, "server", &server) && str_starts_nocase(server, "BunnyCDN-")) {
		node = str_from(server, sizeof("BunnyCDN-") - 1);
		ptrdiff_t dash = str_rfind(node, '-');
		pop_set(e, dash < 0 ? node : str_first(node, (size_t)dash), "server");
	}
	edge_from_word(h, e, "cdn-cache", CACHE_UNKNOWN, node);
}

const struct vendor vendor_bunny = { .name = "bunny", .marks = marks, .read = bunny_read };
