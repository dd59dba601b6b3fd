/* cloudflare.c - Source: Cloudflare documentation, "Cache responses" and "CF-Ray". The suffix of CF-Ray is
 * the data centre that took the request. No CF-Cache-Status at all: a Worker, a rule or a block answered, the
 * cache was not asked. Tiered Cache shows itself in no header. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("cf-ray", NULL), MARK("server", "^cloudflare"), MARKS_END };

static void cloudflare_read(const struct headers *h, struct edge_info *e)
{
	struct str ray;
	if (headers_get_last(h, "cf-ray", &ray)) {
		ptrdiff_t dash = str_rfind(ray, '-');
		if (dash >= 0)
			pop_set(e, str_from(ray, (size_t)dash + 1), "cf-ray");
	}
	edge_from_word(h, e, "cf-cache-status", CACHE_NONE, e->pop);
}

const struct vendor vendor_cloudflare = {
	.name = "cloudflare", .marks = marks, .read = cloudflare_read, .pops_are_iata = true
};
