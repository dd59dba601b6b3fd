/* What an answer's headers make of an observation; and that a failure keeps what was heard before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/answer.h"

static struct target *target(void)
{
	struct netpolicy *open = netpolicy_new_open();
	struct assign_endpoint e = {
		.url = STR("https://www.example.com/"), .extract = EXTRACT_HEADER, .extract_arg = STR("X-V")
	};
	struct target *t = NULL;
	assert_int_equal(target_new(&e, 1000, open, "ua", &t, NULL), 0);
	netpolicy_free(open);
	return t;
}

static void which_edge_it_was(void **state)
{
	static const struct {
		const char *says, *headers, *ip, *edge;
	} cases[] = {
		{ "CloudFront names its PoP",
			"X-Cache: Hit from cloudfront\r\nX-Amz-Cf-Pop: FRA56-P3\r\nX-Amz-Cf-Id: abc\r\n",
			"192.0.2.7", "cloudfront:FRA56-P3" },
		{ "Cloudflare by its ray", "CF-RAY: 8c1f0a2b3c4d5e6f-LHR\r\nServer: cloudflare\r\n",
			"192.0.2.7", "cloudflare:LHR" },
		{ "no CDN at all: the machine", "Server: nginx\r\n", "192.0.2.7", "direct:192.0.2.7" },
		{ "a cache of unknown make that names no place is the same machine",
			"X-Cache: HIT\r\nAge: 4\r\n", "192.0.2.7", "direct:192.0.2.7" },
		{ "a Varnish of one's own", "Via: 1.1 varnish (Varnish/7.1)\r\nX-Varnish: 5 2\r\n",
			"192.0.2.7", "varnish:192.0.2.7" },
		{ "on IPv6", "Server: nginx\r\n", "2001:db8::7", "direct:2001:db8::7" },
		{ "nobody knows where it came from", "Server: nginx\r\n", "", "" },
	};
	struct target *t = target();
	static struct answer a;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char block[512];
		(void)snprintf(block, sizeof(block), "HTTP/1.1 200 OK\r\nX-V: 1\r\n%s\r\n", cases[i].headers);
		struct transfer tr = {
			.headers = str_of(block), .body = { "", 0 }, .ip = str_of(cases[i].ip)
		};
		answer_read(&a, t, &tr);
		if (a.obs.fail != FAIL_OK || !str_is(a.edge, cases[i].edge))
			fail_msg("%s: %.*s %s", cases[i].says, STR_ARG(a.edge), a.why.text);
	}
	target_unref(t);
}

static void another_edge_than_the_one_meant_is_no_observation_of_it(void **state)
{
	static const struct {
		const char *says, *pin, *ip;
		enum obs_fail fail;
	} cases[] = {
		{ "the one that was meant", "192.0.2.7", "192.0.2.7", FAIL_OK },
		{ "the same, written otherwise", "2001:db8:0:0::7", "2001:db8::7", FAIL_OK },
		{ "another one", "192.0.2.7", "192.0.2.8", FAIL_OTHER },
		{ "through a proxy nobody sees who answered", "192.0.2.7", "", FAIL_OK },
	};
	struct netpolicy *open = netpolicy_new_open();
	static struct answer a;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct assign_endpoint e = { .url = STR("https://www.example.com/"),
			.extract = EXTRACT_HEADER,
			.extract_arg = STR("X-V"),
			.address = str_of(cases[i].pin) };
		struct transfer tr = { .headers = STR("HTTP/1.1 200 OK\r\nX-V: 1\r\nX-Pop: fra\r\n\r\n"),
			.body = { "", 0 },
			.ip = str_of(cases[i].ip) };
		struct target *t = NULL;
		assert_int_equal(target_new(&e, 1000, open, "ua", &t, NULL), 0);
		answer_read(&a, t, &tr);
		if (a.obs.fail != cases[i].fail || (a.version.n > 0) != (cases[i].fail == FAIL_OK) ||
			(a.obs.fail != FAIL_OK && (a.edge.n > 0 || a.headers.n > 0 || a.obs.status != 0)))
			fail_msg("%s: %s", cases[i].says, a.why.text);
		target_unref(t);
	}
	netpolicy_free(open);
}

static void ages_and_lives_are_clamped(void **state)
{
	static const char block[] = "HTTP/1.1 200 OK\r\nX-V: 1\r\nX-Cache: HIT\r\nAge: "
				    "2147483648\r\nCache-Control: max-age=99999999999\r\n\r\n";
	struct transfer tr = { .headers = str_of(block), .body = { "", 0 }, .ip = STR("192.0.2.7") };
	static struct answer a;
	struct target *t = target();
	answer_read(&a, t, &tr);
	assert_true(a.obs.age_s >= OBS_AGE_NONE);
	assert_true(a.obs.ttl_s >= OBS_TTL_NONE);
	tr.headers = STR(
		"HTTP/1.1 200 OK\r\nX-V: 1\r\nX-Cache: HIT\r\nAge: 100\r\nCache-Control: max-age=60\r\n\r\n");
	answer_read(&a, t, &tr);
	assert_int_equal(a.obs.ttl_s, -40); /* served past its life is not the same as unknown */
	target_unref(t);
}

static void one_answer_leaves_nothing_to_the_next(void **state)
{
	struct transfer good = {
		.headers = STR("HTTP/1.1 200 OK\r\nX-V: 1\r\nETag: e\r\nX-Cache: HIT\r\nAge: 3\r\n\r\n"),
		.body = { "", 0 },
		.ip = STR("192.0.2.7"),
		.reused = true,
		.burst = true
	};
	struct transfer none = { .fail = FAIL_TIMEOUT, .why = "too slow", .body = { "", 0 } };
	static struct answer a;
	struct target *t = target();
	answer_read(&a, t, &good);
	assert_int_equal(a.obs.flags, OBS_REUSED | OBS_BURST);
	assert_true(str_is(a.etag, "e") && str_is(a.version, "1") && a.obs.age_s == 3);
	answer_read(&a, t, &none);
	assert_int_equal(a.obs.fail, FAIL_TIMEOUT);
	assert_int_equal(a.obs.status, 0);
	assert_int_equal(a.obs.age_s, OBS_AGE_NONE);
	assert_int_equal(a.obs.n_tiers, 0);
	assert_int_equal(a.edge.n + a.node.n + a.version.n + a.etag.n + a.headers.n + a.ip.n, 0);
	assert_string_equal(a.why.text, "too slow");
	target_unref(t);
}

static void headers_that_are_none(void **state)
{
	struct transfer tr = {
		.headers = STR("nonsense\r\n\r\n"), .body = { "", 0 }, .ip = STR("192.0.2.7")
	};
	static struct answer a;
	struct target *t = target();
	answer_read(&a, t, &tr);
	assert_int_equal(a.obs.fail, FAIL_PROTOCOL);
	assert_true(a.why.text[0] != '\0');
	target_unref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_edge_it_was),
		cmocka_unit_test(another_edge_than_the_one_meant_is_no_observation_of_it),
		cmocka_unit_test(ages_and_lives_are_clamped),
		cmocka_unit_test(one_answer_leaves_nothing_to_the_next),
		cmocka_unit_test(headers_that_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
