/* test_vendors.c - who answered, where, and what each tier said; the configured place; what goes into an
 * observation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/cdn/read.h"
#include "base/places.h"
#include "tests/cdn/support.h"

#define FASTLY     "X-Served-By: cache-iad-kiad7000130-IAD, cache-fra-etou8220141-FRA\n"
#define CLOUDFRONT "X-Amz-Cf-Pop: FRA2-C2\nVia: 1.1 0123456789abcdef.cloudfront.net (CloudFront)\n"

/* Of stacked CDNs the outermost names the answer. */
static const struct {
	const char *says, *headers, *vendor;
} claims[] = {
	{ "Cloudflare over Vercel", "CF-Ray: 1-LHR\nX-Vercel-Id: fra1::a-1-b", "cloudflare" },
	{ "Vercel over Netlify", "X-Vercel-Id: fra1::a-1-b\nServer: Netlify", "vercel" },
	{ "Netlify over Fastly", "X-NF-Request-ID: 1\n" FASTLY "X-Cache: HIT, HIT", "netlify" },
	{ "Netlify by its name in Cache-Status", "Cache-Status: \"Netlify Edge\"; hit", "netlify" },
	{ "Fastly over CloudFront: the last word is Fastly's",
		FASTLY CLOUDFRONT "X-Cache: Miss from cloudfront, HIT, HIT", "fastly" },
	{ "CloudFront over Fastly: the last word is CloudFront's",
		FASTLY CLOUDFRONT "X-Cache: HIT, HIT, Miss from cloudfront", "cloudfront" },
	{ "Fastly without a word", FASTLY, "fastly" },
	{ "a last X-Served-By of the customer's own is no Fastly",
		"X-Served-By: cache-fra1-FRA, web-1\nX-Cache: HIT", "generic" },
	{ "a node's site is written in capitals", "X-Served-By: cache-fra1-fra\nX-Cache: HIT", "generic" },
	{ "CloudFront by its Via", "Via: 1.1 abc.cloudfront.net (CloudFront)", "cloudfront" },
	{ "CloudFront by any header of its own", "X-Amz-Cf-Id: abc==", "cloudfront" },
	{ "CloudFront over Imperva", CLOUDFRONT "X-Iinfo: 1-2-3 NNNN", "cloudfront" },
	{ "Akamai over Azure",
		"Akamai-GRN: 0.17d62c17.1.a\nX-MSEdge-Ref: Ref A: 1 Ref B: SIN30EDGE0113 Ref C: 2",
		"akamai" },
	{ "Akamai by the machine in X-Cache", "X-Cache: TCP_HIT from a1-2-3-4.deploy.example (x)", "akamai" },
	{ "a host that only looks like one", "X-Cache: HIT from a1-2-3.example", "generic" },
	{ "nor this one", "X-Cache: HIT from a1234-2-3-4.example", "generic" },
	{ "Azure Front Door", "X-Azure-Ref: x", "azure-frontdoor" },
	{ "Bunny", "Server: BunnyCDN-DE1-755", "bunny" },
	{ "KeyCDN needs its server; X-Edge-Location alone is anybody's", "X-Edge-Location: defr", "generic" },
	{ "KeyCDN", "Server: keycdn-engine\nX-Edge-Location: defr", "keycdn" },
	{ "Incapsula is Imperva", "X-CDN: Incapsula", "imperva" },
	{ "another X-CDN is not", "X-CDN: Served-By-Zenedge", "none" },
	{ "Tencent", "X-NWS-LOG-UUID: 1", "tencent" },
	{ "EdgeOne", "EO-LOG-UUID: 1", "tencent-edgeone" },
	{ "Gcore by its front node", "X-ID-FE: fr5-hw-edge-gc28", "gcore" },
	{ "Google: the last member of Via", "Via: 1.1 varnish, 1.1 google", "google" },
	{ "the last one counts: Varnish", "Via: 1.1 google, 1.1 varnish", "varnish" },
	{ "Via before Server", "Via: 1.1 varnish\nServer: ATS/9.2.13", "varnish" },
	{ "a last member of no known make leaves it to Server",
		"Via: 1.1 varnish, 1.1 vegur\nServer: ATS/9.2.13", "ats" },
	{ "and to headers of one's own after that", "Via: 1.1 vegur\nServer: nginx\nX-Varnish: 5",
		"varnish" },
	{ "Varnish named in the comment", "Via: 1.1 host1 (Varnish/7.1)", "varnish" },
	{ "Squid", "Via: 1.1 host1:3128 (squid/4.10)", "squid" },
	{ "Istio's Envoy", "Server: istio-envoy", "envoy" },
	{ "Envoy where Server passes through", "Server: gunicorn\nX-Envoy-Upstream-Service-Time: 1",
		"envoy" },
	{ "a header that merely begins so is not of the family", "X-Envoy-: 1", "none" },
	{ "Souin before Varnish", "Cache-Status: Souin; hit\nX-Varnish: 5", "souin" },
	{ "nginx as a server names no cache", "Server: nginx\nAge: 4", "none" },
	{ "Apache Traffic Server without a version", "Server: ATS", "ats" },
	{ "a server that only begins with the same letters", "Server: ATSomething", "none" },
	{ "no header at all", "", "none" },
};

static void test_who_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		struct case_headers c;
		struct edge_info e;
		edge_read(claims[i].headers, &c, &e);
		if (!str_is(e.vendor, claims[i].vendor))
			fail_msg("%s: %.*s", claims[i].says, STR_ARG(e.vendor));
		assert_true((e.n_tiers == 0) == str_is(e.vendor, "none"));
	}
}

static const struct {
	const char *says, *headers, *tiers;
} chains[] = {
	{ "a word missing on the right of a longer list of names", FASTLY "X-Cache: HIT",
		"edge:HIT:cache-fra-etou8220141-FRA shield:UNKNOWN:cache-iad-kiad7000130-IAD" },
	{ "no word at all", FASTLY "Age: 5",
		"edge:UNKNOWN:cache-fra-etou8220141-FRA shield:UNKNOWN:cache-iad-kiad7000130-IAD" },
	{ "three nodes: all further ones are shields",
		"X-Served-By: cache-a1-IAD, cache-b1-IAD, cache-c1-FRA\nX-Cache: HIT, MISS, MISS",
		"edge:MISS:cache-c1-FRA shield:MISS:cache-b1-IAD shield:HIT:cache-a1-IAD" },
	{ "Cloudflare over Fastly: inner, as it is another vendor",
		"CF-Ray: 1-LHR\n" FASTLY "X-Cache: MISS, HIT",
		"edge:NONE:LHR inner:HIT:cache-fra-etou8220141-FRA inner:MISS:cache-iad-kiad7000130-IAD" },
	{ "Cloudflare over CloudFront",
		"CF-Ray: 1-LHR\nCF-Cache-Status: MISS\nX-Cache: Hit from cloudfront\nX-Amz-Cf-Pop: LHR3-C1",
		"edge:MISS:LHR inner:HIT:LHR3-C1" },
	{ "Cloudflare over Vercel",
		"CF-Ray: 1-LHR\nCF-Cache-Status: DYNAMIC\nX-Vercel-Cache: HIT\nX-Vercel-Id: lhr1::a-1-b",
		"edge:DYNAMIC:LHR inner:HIT:lhr1" },
	{ "Cloudflare over Netlify",
		"CF-Ray: 1-LHR\nCF-Cache-Status: MISS\nCache-Status: \"Netlify Durable\"; fwd=miss, "
		"\"Netlify Edge\"; hit",
		"edge:MISS:LHR inner:HIT:- inner:MISS:-" },
	{ "Cloudflare over Varnish", "CF-Ray: 1-LHR\nCF-Cache-Status: MISS\nVia: 1.1 varnish\nX-Varnish: 2 1",
		"edge:MISS:LHR inner:HIT:-" },
	{ "Cloudflare over nginx", "CF-Ray: 1-LHR\nCF-Cache-Status: MISS\nX-Proxy-Cache: HIT",
		"edge:MISS:LHR inner:HIT:-" },
	{ "Cloudflare over Traffic Server",
		"CF-Ray: 1-LHR\nCF-Cache-Status: MISS\nVia: http/1.1 t1:80 (ApacheTrafficServer/9 [cHs f ])",
		"edge:MISS:LHR inner:HIT:t1" },
	{ "X-Proxy-Cache beside X-Cache is no tier", "X-Cache: HIT\nX-Proxy-Cache: MISS", "edge:HIT:-" },
	{ "a stacked CDN that tells no status is no tier", "CF-Ray: 1-LHR\nVia: 1.1 google\nX-Iinfo: 1",
		"edge:NONE:LHR" },
	{ "CloudFront twice, one pop",
		"Via: 1.1 a.cloudfront.net (CloudFront), 1.1 b.cloudfront.net (CloudFront)\nX-Amz-Cf-Pop: "
		"FRA2-C2\nX-Cache: Miss from cloudfront",
		"edge:MISS:FRA2-C2 inner:UNKNOWN:-" },
	{ "Azure: the region's cache hit", "X-Azure-Ref: 2\nX-Cache: TCP_REMOTE_HIT",
		"edge:MISS:- shield:HIT:-" },
	{ "Akamai over a cache that says a word", "X-Akamai-Transformed: 9\nX-Cache: HIT",
		"edge:UNKNOWN:- inner:HIT:-" },
	{ "Akamai: a parent, and a cache behind it",
		"X-Cache: HIT from web1, TCP_MISS from a1-2-3-4.x (y)\nX-Cache-Remote: TCP_HIT from "
		"a5-6-7-8.x (y)",
		"edge:MISS:a1-2-3-4 shield:HIT:a5-6-7-8 inner:HIT:web1" },
	{ "StackPath: a word for each site", "X-HW: 1.a.se2.t,1.b.at2.r\nX-Cache: MISS, HIT",
		"edge:HIT:a.se2 shield:MISS:b.at2" },
	{ "Alibaba: letters where X-Cache is missing",
		"EagleId: 1\nVia: c1.l2x[1,200-0,M], c2.l2x[1,0], c3.cn9[0,200-0,H], c4.cn9[0,0]",
		"edge:HIT:c4.cn9 shield:MISS:c2.l2x" },
	{ "Alibaba: brackets that never close",
		"EagleId: 1\nX-Cache: HIT\nVia: c1.l2x[1,200-0,M], c4.cn9[0,0",
		"edge:HIT:c4.cn9 shield:MISS:c1.l2x" },
	{ "ATS: the whole chain by its codes",
		"Via: http/1.1 a (ApacheTrafficServer/9 [cHs f ]), http/1.1 b (ApacheTrafficServer/9 [cMs f "
		"])",
		"edge:MISS:b inner:HIT:a" },
	{ "Wikimedia's newest form", "Server: ATS/9\nX-Cache: cp2016 hit/1, cp4017 pass, cp4009 hit/1079439",
		"edge:HIT:cp4009 inner:BYPASS:cp4017 inner:HIT:cp2016" },
	{ "no more tiers than an observation holds, the nearest ones",
		"X-Cache: MISS, MISS, MISS, MISS, HIT, MISS, HIT",
		"edge:HIT:- inner:MISS:- inner:HIT:- inner:MISS:- inner:MISS:- inner:MISS:-" },
};

static void test_chains(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		struct case_headers c;
		struct edge_info e;
		struct buf text;
		buf_init(&text, 4096);
		edge_read(chains[i].headers, &c, &e);
		tiers_print(&e, &text);
		if (!str_is(buf_str(&text), chains[i].tiers))
			fail_msg("%s: %s", chains[i].says, text.p);
		buf_fini(&text);
	}
}

static void test_words(void **state)
{
	(void)state;
	static const struct {
		const char *words;
		enum cache_status status;
	} cases[] = {
		{ "HIT|Hit|hit from "
		  "host|PRERENDER|TCP_HIT|TCP_MEM_HIT|TCP_IMS_HIT|TCP_NEGATIVE_HIT|HIT-CLUSTER|hit/12|Hit "
		  "(1)",
			CACHE_HIT },
		{ "MISS|TCP_MISS|SCARCE|miss from x|MISS TCP_MISS dirn:-2:-2", CACHE_MISS },
		{ "EXPIRED|TCP_REFRESH_MISS|MISS TCP_REFRESH_MISS dirn:-2", CACHE_EXPIRED },
		{ "REVALIDATED|RefreshHit from cloudfront|TCP_REFRESH_HIT|REVALIDATE", CACHE_REVALIDATED },
		{ "STALE|TCP_REFRESH_FAIL_HIT|HitStale|grace", CACHE_STALE },
		{ "UPDATING", CACHE_UPDATING },
		{ "BYPASS|pass|IGNORED|PRIVATE_NOSTORE|CONFIG_NOCACHE|NotCacheable from child",
			CACHE_BYPASS },
		{ "DYNAMIC", CACHE_DYNAMIC },
		{ "GENERATED|int|LambdaGeneratedResponse from "
		  "cloudfront|FunctionGeneratedResponse|Constructed|Redirect",
			CACHE_GENERATED },
		{ "ERROR|Error from cloudfront|TCP_DENIED|TCP_COOKIE_DENY", CACHE_ERROR },
		{ "NONE", CACHE_NONE },
		{ "UNKNOWN|N/A|ORIGIN|hits|mission|LimitExceeded|-|\"HIT\"", CACHE_UNKNOWN },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str rest = str_of(cases[i].words), word;
		while (str_cut(&rest, '|', &word))
			if (cache_word(word) != cases[i].status)
				fail_msg("%.*s: %s", STR_ARG(word), cache_status_name(cache_word(word)));
	}
	assert_int_equal(cache_word(STR_NONE), CACHE_UNKNOWN);
}

static void test_places_and_iata(void **state)
{
	(void)state;
	static const struct {
		const char *says, *headers, *pop, *iata;
	} cases[] = {
		{ "behind the last dash of CF-Ray", "CF-Ray: 9a74-d854-LHR", "LHR", "LHR" },
		{ "a CF-Ray without a place", "CF-Ray: 9a74", "", "" },
		{ "CloudFront: whole, the letters are IATA", "X-Amz-Cf-Pop: TXL50-P4", "TXL50-P4", "TXL" },
		{ "a city's code counts (Tokyo)", "X-Served-By: cache-tyo1-TYO", "TYO", "TYO" },
		{ "a vendor's own code does not (Ashburn)", "X-Served-By: cache-wdc1-WDC", "WDC", "" },
		{ "Vercel writes it small", "X-Vercel-Id: hkg1::a-1-b", "hkg1", "HKG" },
		{ "Vercel's id without a place", "X-Vercel-Id: a-1-b", "", "" },
		{ "Azure: Ref B", "X-MSEdge-Ref: Ref A: 1 Ref B: STOEDGE0417 Ref C: 2", "STOEDGE0417",
			"STO" },
		{ "Azure: an old reference that is not base64",
			"X-Azure-Ref: 0NGlUYgAAAADpVziXMDlkTKGri!!0oPwCQVRMMzMxMDAwMTEwMDMxADJk", "", "" },
		{ "Azure: one that ends before its NUL",
			"X-Azure-Ref: 0NGlUYgAAAADpVziXMDlkTKGriNM0oPwCQVRMMzMxMDAw", "", "" },
		{ "Azure: one that is too short", "X-Azure-Ref: 0NGlUYgAAAADpVz", "", "" },
		{ "Edgecast's sites only look like IATA codes", "Server: ECS (arn/45E8)", "arn", "" },
		{ "Akamai: address", "Akamai-Server-IP: 23.44.214.23", "a23-44-214-23", "" },
		{ "Akamai: the same, little-endian in hex", "Akamai-GRN: 0.17d62c17.1720670453.c346c4c3",
			"a23-44-214-23", "" },
		{ "Akamai: no address", "Akamai-Server-IP: 23.44.214.256\nAkamai-GRN: 0.17d62g17.1.c", "",
			"" },
		{ "Akamai: too many parts", "Akamai-Server-IP: 1.2.3.4.5", "", "" },
		{ "POP before X-Edge-Location before a host",
			"X-Cache: HIT from h1\nX-Edge-Location: e1\nPOP: p1", "p1", "" },
		{ "X-Edge-Location before a host", "X-Cache: HIT from h1\nX-Edge-Location: Los Angeles, US",
			"Los Angeles, US", "" },
		{ "a host, without its port", "X-Cache: HIT from h1:3128", "h1", "" },
		{ "UTF-8 is a name", "X-Cache: HIT\nPOP: M\xc3\xbcnchen", "M\xc3\xbcnchen", "" },
		{ "what is not UTF-8 was not said", "X-Cache: HIT\nPOP: M\xfcnchen", "", "" },
		{ "nor is a control character", "X-Cache: HIT\nPOP: a\x1b[2Jb", "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct case_headers c;
		struct edge_info e;
		edge_read(cases[i].headers, &c, &e);
		if (!str_is(e.pop, cases[i].pop) || !str_is(str_of(e.iata), cases[i].iata))
			fail_msg("%s: pop '%.*s' iata '%s'", cases[i].says, STR_ARG(e.pop), e.iata);
	}
}

static void test_iata_codes(void **state)
{
	(void)state;
	static const char *const known[] = { "AAA", "FRA", "LHR", "NRT", "TYO", "STO", "LON", "ZZV" };
	static const char *const unknown[] = { "WDC", "QWJ", "ZZZ", "fra", "F1A", "\0\0\0", "[[[",
		"\xff\xff\xff" };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!place_is_iata(known[i]))
			fail_msg("%s is a code", known[i]);
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		if (place_is_iata(unknown[i]))
			fail_msg("%s is none", unknown[i]);
}

static void test_the_configured_place_wins(void **state)
{
	(void)state;
	static const struct {
		const char *says, *headers, *vendor, *edge, *tiers;
	} cases[] = {
		{ "one's own nginx", "X-Edge: fra\nX-Cache-Status: HIT", NULL, "self:fra", "edge:HIT:fra" },
		{ "no word", "X-Edge: fra", NULL, "self:fra", "edge:UNKNOWN:fra" },
		{ "two caches in a row: the last line is the nearest",
			"X-Edge: shield\nX-Cache: HIT\nx-edge: fra\nX-Cache: MISS", NULL, "self:fra",
			"edge:MISS:fra inner:HIT:-" },
		{ "in one line too", "X-Edge: shield, fra\nX-Cache: HIT, MISS", NULL, "self:fra",
			"edge:MISS:fra inner:HIT:-" },
		{ "one's own Varnish that shows X-Varnish only",
			"X-Edge: fra\nVia: 1.1 varnish\nX-Varnish: 2 1", NULL, "self:fra", "edge:HIT:fra" },
		{ "one's own nginx in front of one's own Varnish",
			"X-Edge: fra\nVia: 1.1 varnish\nX-Varnish: 2 1\nX-Cache-Status: MISS", NULL,
			"self:fra", "edge:MISS:fra inner:HIT:-" },
		{ "RFC 9211", "X-Edge: fra\nCache-Status: shield; hit, edge; fwd=miss", NULL, "self:fra",
			"edge:MISS:fra inner:HIT:-" },
		{ "a vendor by configuration", "X-Edge: FRA3\nVia: 1.1 google\nAge: 5", "google",
			"google:FRA3", "edge:HIT:FRA3" },
		{ "self, spelled out", "X-Edge: fra\nX-Cache: HIT", "self", "self:fra", "edge:HIT:fra" },
		{ "wins over what a CDN says of itself", "X-Edge: x1\nCF-Ray: 1-LHR\nCF-Cache-Status: HIT",
			"cloudflare", "cloudflare:x1", "edge:HIT:x1" },
		{ "the header is not there: as if nothing were configured", "CF-Ray: 1-LHR", NULL,
			"cloudflare:LHR", "edge:NONE:LHR" },
		{ "an empty one neither", "X-Edge:\nCF-Ray: 1-LHR", NULL, "cloudflare:LHR", "edge:NONE:LHR" },
		{ "nor one that is no clean name", "X-Edge: a\tb\x01\nCF-Ray: 1-LHR", "x", "cloudflare:LHR",
			"edge:NONE:LHR" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct case_headers c;
		struct edge_info e;
		struct buf text;
		char edge[64];
		struct cdn_options options = { STR("X-Edge"), str_of(cases[i].vendor) };
		buf_init(&text, 4096);
		headers_from(cases[i].headers, &c);
		cdn_read(&c.h, &options, &e);
		tiers_print(&e, &text);
		if (strcmp(cdn_edge_name(&e, edge, sizeof(edge)), cases[i].edge) != 0 ||
			!str_is(buf_str(&text), cases[i].tiers))
			fail_msg("%s: %s %s", cases[i].says, edge, text.p);
		buf_fini(&text);
	}
}

static void test_edge_name(void **state)
{
	(void)state;
	struct case_headers c;
	struct edge_info e;
	char text[64];
	edge_read("CF-Ray: 1-LHR", &c, &e);
	assert_string_equal(cdn_edge_name(&e, text, sizeof(text)), "cloudflare:LHR");
	assert_string_equal(cdn_edge_name(&e, text, 6), "cloud");
	assert_string_equal(cdn_edge_name(&e, text, 0), "");
	edge_read("Server: Netlify", &c, &e);
	assert_string_equal(cdn_edge_name(&e, text, sizeof(text)), "netlify");
	edge_read("Server: nginx", &c, &e);
	assert_string_equal(cdn_edge_name(&e, text, sizeof(text)), "");
}

static void test_observations_are_clamped(void **state)
{
	(void)state;
	static const struct {
		const char *says, *headers;
		int32_t age_s, ttl_s, browser_s;
	} cases[] = {
		{ "as they are", "X-Cache: HIT\nAge: 5\nCache-Control: max-age=3", 5, -2, 0 },
		{ "not said", "X-Cache: HIT", OBS_AGE_NONE, OBS_TTL_NONE, OBS_TTL_NONE },
		{ "too large", "X-Cache: HIT\nCache-Control: max-age=99999999999", OBS_AGE_NONE, INT32_MAX,
			INT32_MAX },
		{ "too small, and still not 'not said'",
			"X-Cache: HIT\nAge: 99999999999\nCache-Control: max-age=0", INT32_MAX, INT32_MIN + 1,
			0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct case_headers c;
		struct edge_info e;
		struct obs o;
		edge_read(cases[i].headers, &c, &e);
		obs_init(&o);
		cdn_fill_obs(&e, &o);
		if (o.age_s != cases[i].age_s || o.ttl_s != cases[i].ttl_s ||
			o.browser_ttl_s != cases[i].browser_s)
			fail_msg("%s: %d %d %d", cases[i].says, o.age_s, o.ttl_s, o.browser_ttl_s);
		assert_int_equal(o.n_tiers, 1);
		assert_int_equal(o.tiers[0], CACHE_HIT);
		assert_int_equal(o.tier_kinds[0], TIER_EDGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_answered),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_places_and_iata),
		cmocka_unit_test(test_iata_codes),
		cmocka_unit_test(test_the_configured_place_wins),
		cmocka_unit_test(test_edge_name),
		cmocka_unit_test(test_observations_are_clamped),
	};
	return cmocka_run_group_tests_name("vendors", tests, NULL, NULL);
}
