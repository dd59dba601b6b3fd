/* cloudfront.c - Source: Amazon CloudFront Developer Guide, "Response headers" and "Standard log fields"
 * (edge locations). Two hops (API Gateway, Amplify) give two Via members and two pops, the last being the
 * outer one; X-Cache is the outer hop's. The regional cache behind an edge shows itself in no header, so a
 * Miss may have been answered there. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("x-amz-cf-", NULL), MARK("x-cache", "from cloudfront"),
	MARK("via", "(CloudFront)"), MARKS_END };

static void cloudfront_read(const struct headers *h, struct edge_info *e)
{
	struct list pops, words, via, others = { .n = 0 };
	struct str own[LIST_MAX];
	size_t n_own = 0, n_via = 0;
	list_read(h, "x-amz-cf-pop", ENCLOSING_QUOTES, &pops);
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	list_read(h, "via", ENCLOSING_ALL, &via);
	pop_set(e, list_nearest(&pops, 0), "x-amz-cf-pop");
	for (size_t i = 0; i < via.n; i++)
		n_via += text_has(list_nearest(&via, i), "(CloudFront)");
	/* Words of other caches stand in the same list; both kinds keep their order. */
	for (size_t i = words.n; i > 0; i--) {
		struct str word = list_nearest(&words, i - 1);
		if (text_has(word, "from cloudfront"))
			own[n_own++] = word;
		else
			others.at[others.n++] = word;
	}
	others.last = others.n ? others.n - 1 : 0;
	size_t hops = MAX(MAX(n_via, pops.n), MAX(n_own, 1));
	if (n_own > 0)
		e->cache_source = "x-cache";
	for (size_t i = 0; i < hops; i++)
		tier_add_word(e, i == 0 ? TIER_EDGE : TIER_INNER, i < n_own ? own[n_own - 1 - i] : STR_NONE,
			list_nearest(&pops, i));
	tiers_tell(e, 1, n_own > 1 ? "x-cache" : n_via > 1 ? "via" : "x-amz-cf-pop");
	x_cache_read(h, e, &others, 0);
}

const struct vendor vendor_cloudfront = {
	.name = "cloudfront", .marks = marks, .read = cloudfront_read, .pops_are_iata = true
};
