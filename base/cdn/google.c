/* google.c - Google Cloud CDN and Media CDN. Source: Google Cloud documentation, "Custom headers". "Via: 1.1 google" proves a
 * Google front end, no cache; only an Age above 0 proves a copy. Places are shown by headers the operator names himself. */
#include "base/cdn/read.h"

static const struct mark marks[] = { { "via", "google" }, { NULL, NULL } };

static bool claims(const struct headers *h)
{
	return software_of(h) == SOFTWARE_GOOGLE;
}

static void google_read(const struct headers *h, struct edge_info *e)
{
	if (e->age_s > 0)
		e->cache_source = "age";
	tier_add(e, TIER_EDGE, e->age_s > 0 ? CACHE_HIT : CACHE_UNKNOWN, STR_NONE);
}

const struct vendor vendor_google = { .name = "google", .marks = marks, .claims = claims, .read = google_read };
