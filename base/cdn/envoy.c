/* envoy.c - Envoy and Istio. Source: Envoy documentation, "HTTP header manipulation". A proxy; its cache
 * filter was never meant for production, so no cache was asked. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("server", "envoy"), MARK("x-envoy-", NULL), MARKS_END };

static void envoy_read(const struct headers *h, struct edge_info *e)
{
	tier_add(e, TIER_EDGE, CACHE_NONE, STR_NONE);
}

const struct vendor vendor_envoy = {
	.name = "envoy", .marks = marks, .software = SOFTWARE_ENVOY, .read = envoy_read
};
