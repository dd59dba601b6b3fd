/* tencent.c - Tencent Cloud CDN and EdgeOne. Source: Tencent Cloud CDN documentation, "X-Cache-Lookup";
 * recorded answers. Several X-Cache-Lookup lines are the layers of one machine, so one tier. "Hit From
 * Upstream" means it went upstream: a miss. "Hit From Inner Cluster" stands beside hits and misses alike. No
 * header names the place. */
#include "base/cdn/read.h"

static const struct mark tencent_marks[] = { MARK("x-nws-", NULL), MARKS_END };
static const struct mark edgeone_marks[] = { MARK("eo-", NULL), MARK("server", "^TencentEdgeOne"),
	MARKS_END };

static enum cache_status lookup_status(const struct headers *h, bool *ret_said)
{
	bool miss = false, refresh = false, direct = false, hit = false;
	struct str line;
	*ret_said = false;
	for (size_t at = 0; headers_next_member(h, "x-cache-lookup", &at, &line);) {
		*ret_said = true;
		miss = miss || text_has(line, "Cache Miss") || text_has(line, "Hit From Upstream");
		refresh = refresh || text_has(line, "Refresh Hit");
		direct = direct || text_has(line, "Return Directly");
		hit = hit || text_has(line, "Hit");
	}
	return miss      ? CACHE_MISS
	       : refresh ? CACHE_REVALIDATED
	       : direct  ? CACHE_GENERATED
	       : hit     ? CACHE_HIT
			 : CACHE_UNKNOWN;
}

static void tencent_read(const struct headers *h, struct edge_info *e)
{
	bool said;
	tier_add(e, TIER_EDGE, lookup_status(h, &said), STR_NONE);
	e->cache_source = said ? "x-cache-lookup" : NULL;
}

static void edgeone_read(const struct headers *h, struct edge_info *e)
{
	edge_from_word(h, e, "eo-cache-status", CACHE_UNKNOWN, STR_NONE);
}

const struct vendor vendor_tencent = { .name = "tencent", .marks = tencent_marks, .read = tencent_read };
const struct vendor vendor_edgeone = {
	.name = "tencent-edgeone", .marks = edgeone_marks, .read = edgeone_read
};
