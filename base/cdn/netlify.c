/* netlify.c - Source: Netlify documentation, "Caching overview", and its use of RFC 9211. "Netlify Edge" is
 * the edge, "Netlify Durable" a second tier that all edges share. No header names the place. Before 2023
 * there was Age alone. The visible Cache-Control is meant for browsers. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("server", "^Netlify"), MARK("x-nf-request-id", NULL),
	MARK("cache-status", "Netlify "), MARKS_END };

static bool claims(const struct headers *h)
{
	static const struct mark own[] = { MARK("server", "^Netlify"), MARK("x-nf-request-id", NULL),
		MARKS_END };
	struct cache_status_member m;
	if (headers_match(h, own))
		return true;
	for (size_t at = 0; cache_status_next(h, &at, &m);)
		if (str_starts_nocase(m.name, "Netlify"))
			return true;
	return false;
}

static void netlify_read(const struct headers *h, struct edge_info *e)
{
	if (cache_status_read(h, e, "Netlify"))
		return;
	if (e->age_s > 0)
		e->cache_source = "age";
	tier_add(e, TIER_EDGE, e->age_s > 0 ? CACHE_HIT : CACHE_UNKNOWN, STR_NONE);
}

const struct vendor vendor_netlify = {
	.name = "netlify", .marks = marks, .claims = claims, .read = netlify_read, .hides_lifetime = true
};
