/* imperva.c - Imperva, earlier Incapsula. Source: recorded answers. X-Iinfo tells of connections and blocks;
 * no source decodes a cache word in it, so the status stays unknown. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("x-iinfo", NULL), MARK("x-cdn", "Imperva"),
	MARK("x-cdn", "Incapsula"), MARKS_END };

static void imperva_read(const struct headers *h, struct edge_info *e)
{
	tier_add(e, TIER_EDGE, CACHE_UNKNOWN, STR_NONE);
}

const struct vendor vendor_imperva = { .name = "imperva", .marks = marks, .read = imperva_read };
