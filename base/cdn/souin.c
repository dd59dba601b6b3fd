/* souin.c - the cache of Caddy and others. Source: RFC 9211 and Souin's documentation. It writes a key
 * without quotes, and "hit" beside "fwd=stale". */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("cache-status", "Souin"), MARKS_END };

static void souin_read(const struct headers *h, struct edge_info *e)
{
	cache_status_read(h, e, NULL);
}

const struct vendor vendor_souin = {
	.name = "souin", .marks = marks, .software = SOFTWARE_SOUIN, .read = souin_read
};
