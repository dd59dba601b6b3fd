/* google.c - Google Cloud CDN and Media CDN. Source: Google Cloud documentation, "Custom headers". "Via: 1.1
 * google" proves a Google front end, no cache; only an Age above 0 proves a copy. Places are shown by headers
 * the operator names himself. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("via", "google"), MARKS_END };

static void google_read(const struct headers *h, struct edge_info *e)
{
	if (e->age_s > 0)
		e->cache_source = "age";
	tier_add(e, TIER_EDGE, e->age_s > 0 ? CACHE_HIT : CACHE_UNKNOWN, STR_NONE);
}

const struct vendor vendor_google = {
	.name = "google", .marks = marks, .software = SOFTWARE_GOOGLE, .read = google_read
};
