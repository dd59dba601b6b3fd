/* vercel.c - Source: Vercel documentation, "Response headers" and "Cache status". X-Vercel-Id lists the place
 * that answered first; what stands behind it are the regions where a function ran, which are no caches. The
 * visible Cache-Control is written anew by Vercel, so it tells no lifetime. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("x-vercel-id", NULL), MARK("server", "^Vercel"), MARKS_END };

static void vercel_read(const struct headers *h, struct edge_info *e)
{
	pop_set(e, vercel_pop(h), "x-vercel-id");
	edge_from_word(h, e, "x-vercel-cache", CACHE_UNKNOWN, e->pop);
}

const struct vendor vendor_vercel = {
	.name = "vercel", .marks = marks, .read = vercel_read, .pops_are_iata = true, .hides_lifetime = true
};
