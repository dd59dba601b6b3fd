/* test_httpcache.c - RFC 9111, 9211 and 9213 without any vendor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/cdn/read.h"
#include "tests/cdn/support.h"

#define NO_AGE OBS_AGE_NONE
#define NO_TTL CDN_TTL_NONE
#define DATE   "Date: Sun, 06 Nov 1994 08:49:37 GMT\n"

static const struct {
	const char *says, *headers;
	int64_t age_s;
	const char *source;
} ages[] = {
	{ "Age", "Age: 35", 35, NULL },
	{ "no header", "Server: x", NO_AGE, NULL },
	{ "Age 0 is an answer", "Age: 0", 0, NULL },
	{ "of a list the first member counts (RFC 9111, 5.1)", "Age: 5, 7", 5, NULL },
	{ "of two lines too", "Age: 5\nAge: 7", 5, NULL },
	{ "what is no number is ignored", "Age: soon", NO_AGE, NULL },
	{ "a negative Age is ignored", "Age: -5", NO_AGE, NULL },
	{ "a fraction is ignored", "Age: 1.5", NO_AGE, NULL },
	{ "an empty Age is ignored", "Age:", NO_AGE, NULL },
	{ "what does not fit is the largest number (RFC 9111, 1.2.2)", "Age: 99999999999999999999999999",
		INT64_MAX, NULL },
	{ "more than 32 bits are kept", "Age: 4294967296", INT64_C(4294967296), NULL },
	{ "X-Age stands in for Age", "X-Age: 23532508", 23532508, "x-age" },
	{ "and only where there is none", "X-Age: 7\nAge: 6", 6, NULL },
	{ "Date - X-Cached-Since", DATE "X-Cached-Since: 1994-11-06T08:47:37+00:00", 120, "x-cached-since" },
	{ "with another offset", DATE "X-Cached-Since: 1994-11-06T10:47:37+02:00", 120, "x-cached-since" },
	{ "never below 0", DATE "X-Cached-Since: 1994-11-06T09:00:00+00:00", 0, "x-cached-since" },
	{ "X-Cached-Since without Date tells nothing", "X-Cached-Since: 1994-11-06T08:47:37+00:00", NO_AGE,
		NULL },
	{ "X-Cached-Since that is no time", DATE "X-Cached-Since: 784111657000000", NO_AGE, NULL },
};

static void test_age(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		struct case_headers c;
		struct edge_info e;
		edge_read(ages[i].headers, &c, &e);
		if (e.age_s != ages[i].age_s || !str_eq(str_of(e.age_source), str_of(ages[i].source)))
			fail_msg("%s: %" PRId64 " by %s", ages[i].says, e.age_s,
				e.age_source ? e.age_source : "Age");
	}
}

static const struct {
	const char *says, *headers;
	int64_t ttl_s;
	const char *source;
	int64_t browser_s;
} lifetimes[] = {
	{ "nothing is said", "Age: 5", NO_TTL, NULL, NO_TTL },
	{ "max-age - Age", "Cache-Control: max-age=60\nAge: 5", 55, "max-age", 55 },
	{ "no Age counts as 0", "Cache-Control: max-age=60", 60, "max-age", 60 },
	{ "past its life: negative, but a browser's share is not", "Cache-Control: max-age=60\nAge: 100", -40,
		"max-age", 0 },
	{ "a stand-in for Age counts here, a browser does not know it",
		"Cache-Control: max-age=60\nX-Age: 10", 50, "max-age", 60 },
	{ "s-maxage before max-age; a browser obeys max-age",
		"Cache-Control: max-age=60, s-maxage=600\nAge: 5", 595, "s-maxage", 55 },
	{ "no-cache: 0, whatever the Age", "Cache-Control: no-cache, max-age=60\nAge: 5", 0, "no-cache", 0 },
	{ "no-cache with an argument is about fields, not about life",
		"Cache-Control: no-cache=\"Set-Cookie\", max-age=60", 60, "max-age", 60 },
	{ "a name ends where no token can go on", "Cache-Control: no-cache max-age=60", 0, "no-cache", 0 },
	{ "no-store, also beside max-age", "Cache-Control: max-age=60, no-store", NO_TTL, "no-store/private",
		0 },
	{ "private: not in shared caches; a browser may", "Cache-Control: private, max-age=60", NO_TTL,
		"no-store/private", 60 },
	{ "private with an argument is about fields", "Cache-Control: private=\"X-A\", max-age=60", 60,
		"max-age", 60 },
	{ "private counts before no-cache", "Cache-Control: no-cache, private", NO_TTL, "no-store/private",
		0 },
	{ "any case", "CACHE-CONTROL: Max-Age=60", 60, "max-age", 60 },
	{ "several lines are one list", "Cache-Control: no-cache\nCache-Control: max-age=604804, public", 0,
		"no-cache", 0 },
	{ "of two the first counts", "Cache-Control: max-age=60, max-age=70", 60, "max-age", 60 },
	{ "a quoted number is a number", "Cache-Control: max-age=\"60\"", 60, "max-age", 60 },
	{ "what is no whole number is stale", "Cache-Control: max-age=soon\nAge: 5", -5, "max-age", 0 },
	{ "so is a negative one", "Cache-Control: max-age=-1", 0, "max-age", 0 },
	{ "and a fraction", "Cache-Control: max-age=1.5", 0, "max-age", 0 },
	{ "and nothing", "Cache-Control: max-age=", 0, "max-age", 0 },
	{ "a bare max-age too", "Cache-Control: max-age", 0, "max-age", 0 },
	{ "what does not fit is the largest number", "Cache-Control: max-age=99999999999999999999", INT64_MAX,
		"max-age", INT64_MAX },
	{ "0 minus the largest Age", "Cache-Control: max-age=0\nAge: 99999999999999999999", -INT64_MAX,
		"max-age", 0 },
	{ "s-max-age and maxage are unknown", "Cache-Control: s-max-age=14400, maxage=5", NO_TTL, NULL,
		NO_TTL },
	{ "so are stale-while-revalidate and immutable",
		"Cache-Control: stale-while-revalidate=60, immutable", NO_TTL, NULL, NO_TTL },
	{ "Pragma and Surrogate-Control tell no lifetime", "Pragma: no-cache\nSurrogate-Control: max-age=5",
		NO_TTL, NULL, NO_TTL },
	{ "a comma in quotes parts nothing", "Cache-Control: ext=\"a, no-store\", max-age=60", 60, "max-age",
		60 },
	{ "Expires - Date - Age", DATE "Expires: Sun, 06 Nov 1994 08:51:37 GMT\nAge: 20", 100, "expires",
		100 },
	{ "max-age before Expires", DATE "Expires: Sun, 06 Nov 1994 08:51:37 GMT\nCache-Control: max-age=7",
		7, "max-age", 7 },
	{ "a Cache-Control without a lifetime leaves it to Expires",
		DATE "Expires: Sun, 06 Nov 1994 08:51:37 GMT\nCache-Control: public", 120, "expires", 120 },
	{ "Expires in the past: lifetime 0", DATE "Expires: Thu, 01 Jan 1970 00:00:00 GMT\nAge: 3", -3,
		"expires", 0 },
	{ "Expires that cannot be read: lifetime 0", DATE "Expires: 0", 0, "expires", 0 },
	{ "the two older forms of dates",
		"Date: Sunday, 06-Nov-94 08:49:37 GMT\nExpires: Sun Nov  6 08:49:47 1994", 10, "expires",
		10 },
	{ "no Date: Expires tells nothing", "Expires: Sun, 06 Nov 1994 08:51:37 GMT", NO_TTL, NULL, NO_TTL },
	{ "nor beside a Date that cannot be read", "Date: now\nExpires: Sun, 06 Nov 1994 08:51:37 GMT",
		NO_TTL, NULL, NO_TTL },
	{ "ttl of Cache-Status before everything", "Cache-Status: X; hit; ttl=30\nCache-Control: no-store",
		30, "cache-status", 0 },
	{ "of its last member only", "Cache-Status: A; hit; ttl=30, B; fwd=miss", NO_TTL, NULL, NO_TTL },
	{ "it may be negative", "Cache-Status: X; hit; ttl=-412", -412, "cache-status", NO_TTL },
	{ "and is cut to 64 bits", "Cache-Status: X; hit; ttl=-99999999999999999999", -INT64_MAX,
		"cache-status", NO_TTL },
	{ "a ttl that is no number is none", "Cache-Status: X; hit; ttl=soon\nCache-Control: max-age=5", 5,
		"max-age", 5 },
	{ "Vercel writes Cache-Control anew", "Server: Vercel\nCache-Control: max-age=60", NO_TTL,
		"rewritten-by-cdn", 60 },
	{ "so does Netlify, and its Expires counts where there is none",
		"Server: Netlify\n" DATE "Expires: Sun, 06 Nov 1994 08:51:37 GMT", 120, "expires", 120 },
};

static void test_lifetime(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lifetimes); i++) {
		struct case_headers c;
		struct edge_info e;
		edge_read(lifetimes[i].headers, &c, &e);
		if (e.ttl_s != lifetimes[i].ttl_s ||
			!str_eq(str_of(e.ttl_source), str_of(lifetimes[i].source)))
			fail_msg("%s: ttl %" PRId64 " by %s", lifetimes[i].says, e.ttl_s,
				e.ttl_source ? e.ttl_source : "nothing");
		if (e.browser_ttl_s != lifetimes[i].browser_s)
			fail_msg("%s: browser %" PRId64, lifetimes[i].says, e.browser_ttl_s);
	}
}

static const struct {
	const char *says, *value;
	const char *members; /* "name:STATUS name:STATUS", as sent */
} statuses[] = {
	{ "a hit", "ExampleCache; hit", "ExampleCache:HIT" },
	{ "a quoted name, spaces and all", "\"Netlify Edge\"; hit", "Netlify Edge:HIT" },
	{ "a hit past its life is stale", "X; hit; ttl=-412", "X:STALE" },
	{ "a hit of just now", "X; hit; ttl=0", "X:HIT" },
	{ "hit and fwd=stale at once (Souin)", "X; hit; fwd=stale", "X:STALE" },
	{ "revalidated", "X; fwd=stale; fwd-status=304", "X:REVALIDATED" },
	{ "a stale copy, a whole new one", "X; fwd=stale; fwd-status=200; stored", "X:EXPIRED" },
	{ "fwd=stale alone", "X; fwd=stale", "X:EXPIRED" },
	{ "bypass", "X; fwd=bypass", "X:BYPASS" },
	{ "all kinds of miss",
		"A; fwd=miss, B; fwd=uri-miss, C; fwd=vary-miss, D; fwd=request, E; fwd=method, F; "
		"fwd=partial",
		"A:MISS B:MISS C:MISS D:MISS E:MISS F:MISS" },
	{ "origin-first", "Origin; hit, Edge; fwd=miss; collapsed", "Origin:HIT Edge:MISS" },
	{ "hit=?0 is no hit", "X; hit=?0; fwd=miss", "X:MISS" },
	{ "hit=?1 is one", "X; hit=?1", "X:HIT" },
	{ "no parameter tells nothing", "X", "X:UNKNOWN" },
	{ "unknown parameters are left out", "X; colour=blue; hit", "X:HIT" },
	{ "a key in quotes may hold anything", "X; key=\"a, b; fwd=miss\"; hit", "X:HIT" },
	{ "a key without quotes (Souin)", "X; hit; key=GET-http-app.lab:18080-/x?a=b; detail=DEFAULT",
		"X:HIT" },
	{ "a comma where a semicolon belongs (Netlify)", "\"Netlify Edge\"; hit, fwd=stale",
		"Netlify Edge:STALE" },
	{ "and again", "X, fwd=stale, fwd-status=304, Y; hit", "X:REVALIDATED Y:HIT" },
	{ "nginx's variable in a header called so", "HIT", "HIT:HIT" },
	{ "spaces where none belong", "X ;  hit ; ttl = 5", "X:HIT" },
};

static void test_cache_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		struct header one = { STR("Cache-Status"), str_of(statuses[i].value) };
		struct headers h = { .h = &one, .n = 1, .received_at_us = TIME_NONE };
		struct cache_status_member m;
		struct buf text;
		buf_init(&text, 4096);
		for (size_t at = 0; cache_status_next(&h, &at, &m);) {
			buf_addf(&text, "%s%.*s:", text.n ? " " : "", STR_ARG(m.name));
			for (const char *c = cache_status_name(cache_status_word(&m)); *c; c++)
				buf_add_char(&text, (char)(*c - 32));
		}
		if (!str_is(buf_str(&text), statuses[i].members))
			fail_msg("%s: %s", statuses[i].says, text.p);
		buf_fini(&text);
	}
}

static const struct {
	const char *says, *headers, *source;
	int64_t ttl_s;
} targeted[] = {
	{ "the vendor's own field first",
		"Cloudflare-CDN-Cache-Control: max-age=300\nCDN-Cache-Control: max-age=600",
		"cloudflare-cdn-cache-control", 300 },
	{ "then the one for all CDNs, less Age", "CDN-Cache-Control: max-age=600\nAge: 100",
		"cdn-cache-control", 500 },
	{ "an empty field falls back", "Cloudflare-CDN-Cache-Control:\nCDN-Cache-Control: max-age=600",
		"cdn-cache-control", 600 },
	{ "an invalid one too", "Cloudflare-CDN-Cache-Control: max-age=, x\nCDN-Cache-Control: max-age=600",
		"cdn-cache-control", 600 },
	{ "no-store makes max-age inoperative", "CDN-Cache-Control: max-age=600, no-store",
		"cdn-cache-control", 0 },
	{ "of two keys the last counts: it is a Dictionary", "CDN-Cache-Control: max-age=600, max-age=60",
		"cdn-cache-control", 60 },
	{ "another vendor's field is not for this one", "Netlify-CDN-Cache-Control: max-age=600", NULL,
		NO_TTL },
};

static void test_targeted_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(targeted); i++) {
		struct case_headers c;
		struct edge_info e;
		struct buf text;
		buf_init(&text, 4096);
		buf_addf(&text, "CF-Ray: 9a74d8542989b239-ATL\nCache-Control: max-age=5\n%s",
			targeted[i].headers);
		edge_read(text.p, &c, &e);
		if (!str_eq(str_of(e.targeted_source), str_of(targeted[i].source)) ||
			e.targeted_ttl_s != targeted[i].ttl_s)
			fail_msg("%s: %" PRId64 " by %s", targeted[i].says, e.targeted_ttl_s,
				e.targeted_source ? e.targeted_source : "nothing");
		if (!str_is(str_of(e.ttl_source), "max-age"))
			fail_msg("%s: the visible lifetime comes by %s", targeted[i].says, e.ttl_source);
		buf_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_cache_status),
		cmocka_unit_test(test_targeted_fields),
	};
	return cmocka_run_group_tests_name("httpcache", tests, NULL, NULL);
}
