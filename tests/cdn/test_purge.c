/* Which URLs a purge covers, by each vendor's own rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cdn/purge.h"

#define V  "https://shop.example/version"
#define VQ "https://shop.example/version?format=json"

static void what_a_pattern_covers(void **state)
{
	static const struct {
		const char *says, *vendor, *pattern, *url;
		enum purge_match covers;
		const char *why;
	} cases[] = {
		{ "CloudFront: the path itself", "cloudfront", "/version", V, PURGE_YES, NULL },
		{ "CloudFront: the first slash may be left out", "cloudfront", "version", V, PURGE_YES, NULL },
		{ "CloudFront: also before a wildcard", "cloudfront", "ver*", VQ, PURGE_YES, NULL },
		{ "CloudFront: and the query counts as ever", "cloudfront", "version", VQ, PURGE_NO,
			"the query string is part of the cache key, and the pattern has none" },
		{ "CloudFront: what looks like a host is a path", "cloudfront", "h/version", V, PURGE_NO, NULL },
		{ "CloudFront: query strings are other objects", "cloudfront", "/version", VQ, PURGE_NO,
			"query" },
		{ "CloudFront: named with its query", "cloudfront", "/version?format=json", VQ, PURGE_YES,
			NULL },
		{ "CloudFront: another query", "cloudfront", "/version?format=xml", VQ, PURGE_NO, NULL },
		{ "CloudFront: path* takes the bare path", "cloudfront", "/version*", V, PURGE_YES, NULL },
		{ "CloudFront: and every query", "cloudfront", "/version*", VQ, PURGE_YES, NULL },
		{ "CloudFront: and what begins so", "cloudfront", "/version*", "https://h/version2/x",
			PURGE_YES, NULL },
		{ "CloudFront: /api/* is not /api", "cloudfront", "/api/*", "https://h/api", PURGE_NO, NULL },
		{ "CloudFront: nor /api?x", "cloudfront", "/api/*", "https://h/api?x", PURGE_NO, NULL },
		{ "CloudFront: /api/* is all below", "cloudfront", "/api/*", "https://h/api/a/b?c", PURGE_YES,
			NULL },
		{ "CloudFront: '*' elsewhere is no wildcard", "cloudfront", "/*/version",
			"https://h/a/version", PURGE_NO, "last character" },
		{ "CloudFront: case counts", "cloudfront", "/Version", V, PURGE_NO, "case" },
		{ "CloudFront: everything", "cloudfront", "/*", VQ, PURGE_YES, NULL },
		{ "CloudFront: '?' sent as %3F never matched", "cloudfront", "/version%3Fformat=json", VQ,
			PURGE_NO, NULL },
		{ "CloudFront: / and /index.html are two", "cloudfront", "/", "https://h/index.html",
			PURGE_NO, NULL },
		{ "CloudFront: / is the bare host", "cloudfront", "/", "https://h", PURGE_YES, NULL },
		{ "Cloudflare: the whole URL", "cloudflare", VQ, VQ, PURGE_YES, NULL },
		{ "Cloudflare: without its query it is another", "cloudflare", V, VQ, PURGE_NO, "query" },
		{ "Cloudflare: http is another", "cloudflare", "http://shop.example/version", V, PURGE_NO,
			"https" },
		{ "Cloudflare: hosts have no case", "cloudflare", "https://SHOP.example/version", V,
			PURGE_YES, NULL },
		{ "Cloudflare: no wildcard in a URL", "cloudflare", "https://shop.example/*", V, PURGE_NO,
			"wildcard" },
		{ "Cloudflare: a prefix", "cloudflare", "shop.example/api", "https://shop.example/api/v1?x",
			PURGE_YES, NULL },
		{ "Cloudflare: a prefix ends at a segment", "cloudflare", "shop.example/api",
			"https://shop.example/apis", PURGE_NO, "prefix" },
		{ "Cloudflare: a host", "cloudflare", "shop.example", VQ, PURGE_YES, NULL },
		{ "Cloudflare: another host", "cloudflare", "www.shop.example", VQ, PURGE_NO, "host" },
		{ "Fastly: the URL with its query", "fastly", VQ, VQ, PURGE_YES, NULL },
		{ "Fastly: each query is another object", "fastly", V, VQ, PURGE_NO, "query" },
		{ "Akamai: the URL with its query", "akamai", V, VQ, PURGE_NO, "query" },
		{ "Google: query variants go with the path", "google", "/version", VQ, PURGE_YES, NULL },
		{ "Google: '*' only behind a slash", "google", "/ver*", V, PURGE_NO, "slash" },
		{ "Google: everything", "google", "/*", VQ, PURGE_YES, NULL },
		{ "Azure: neither case nor query count", "azure", "/VERSION", VQ, PURGE_YES, NULL },
		{ "Azure: a directory", "azure-frontdoor", "/API/*", "https://h/api/x", PURGE_YES, NULL },
		{ "Netlify: the whole query string is the key", "netlify", "/version", VQ, PURGE_NO,
			"query" },
		{ "Bunny: a trailing slash is a prefix", "bunny", "https://shop.example/api/",
			"https://shop.example/api/x", PURGE_YES, NULL },
		{ "Bunny: a trailing '*' too", "bunny", "https://shop.example/ver*", V, PURGE_YES, NULL },
		{ "Bunny: a query is another object", "bunny", V, VQ, PURGE_NO, "query" },
		{ "Tencent: a directory", "tencent", "https://shop.example/api/",
			"https://shop.example/api/x", PURGE_YES, NULL },
		{ "Alibaba: a regular expression cannot be judged", "alibaba", "https://shop.example/.*", V,
			PURGE_UNKNOWN, NULL },
		{ "self-run: the key has its query", "self", "/version", VQ, PURGE_NO, "query" },
		{ "self-run: a wildcard anywhere", "varnish", "/*sion?*", VQ, PURGE_YES, NULL },
		{ "self-run: a ban by regular expression cannot be judged", "varnish", "^/ver", V,
			PURGE_UNKNOWN, NULL },
		{ "nobody knows this vendor: exact, or by wildcard", "acme", "/ver*", V, PURGE_YES, NULL },
		{ "an empty pattern covers nothing", "cloudfront", "", V, PURGE_NO, NULL },
		{ "a fragment is never sent", "cloudfront", "/version", V "#top", PURGE_YES, NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct purge_target t = { .url = str_of(cases[i].url) };
		const char *why = NULL;
		enum purge_match m =
			purge_pattern_matches(str_of(cases[i].vendor), str_of(cases[i].pattern), &t, &why);
		if (m != cases[i].covers || (cases[i].why && !strstr(why, cases[i].why)))
			fail_msg("%s: %d, %s", cases[i].says, (int)m, why ? why : "");
		/* what we say would cover it must do so */
		struct buf would;
		buf_init(&would, 1024);
		purge_pattern_for(str_of(cases[i].vendor), &t, &would);
		if (purge_pattern_matches(str_of(cases[i].vendor), buf_str(&would), &t, NULL) == PURGE_NO)
			fail_msg("%s: %.*s was said to cover it", cases[i].says, STR_ARG(buf_str(&would)));
		buf_fini(&would);
	}
}

static void an_origin_header_makes_another_key_at_cloudflare(void **state)
{
	struct purge_target t = { .url = STR(V), .origin = STR("https://app.example") };
	const char *why;
	assert_int_equal(purge_pattern_matches(STR("cloudflare"), STR(V), &t, &why), PURGE_NO);
	assert_non_null(strstr(why, "Origin"));
}

static void windows(void **state)
{
	static const struct {
		const char *vendor;
		int64_t seconds;
	} cases[] = { { "cloudfront", 900 }, { "azure", 600 }, { "tencent", 300 }, { "google", 60 },
		{ "cloudflare", 30 }, { "fastly", 30 }, { "akamai", 30 }, { "self", 10 }, { "nginx", 10 },
		{ "acme", 300 }, { "azure-frontdoor", 600 }, { "tencent-edgeone", 300 }, { "azurelike", 300 },
		{ "CloudFront", 900 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(purge_window_us(str_of(cases[i].vendor)), cases[i].seconds * US_PER_S);
}

static void a_command_is_safe_to_paste(void **state)
{
	struct buf out;
	buf_init(&out, 4096);
	purge_command(STR("cloudfront"), STR("E1"), STR("/a'; rm -rf ~; '*"), &out);
	assert_true(str_is(buf_str(&out), "aws cloudfront create-invalidation --distribution-id 'E1' --paths "
					  "'/a'\\''; rm -rf ~; '\\''*'"));
	buf_clear(&out);
	purge_command(STR("cloudfront"), STR_NONE, STR("/a"), &out);
	assert_true(str_is(buf_str(&out),
		"aws cloudfront create-invalidation --distribution-id DISTRIBUTION_ID --paths '/a'"));
	buf_clear(&out);
	purge_command(STR("self"), STR_NONE, STR("https://h/a"), &out);
	assert_true(str_is(buf_str(&out), "curl -X PURGE 'https://h/a'"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_pattern_covers),
		cmocka_unit_test(an_origin_header_makes_another_key_at_cloudflare),
		cmocka_unit_test(windows),
		cmocka_unit_test(a_command_is_safe_to_paste),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
