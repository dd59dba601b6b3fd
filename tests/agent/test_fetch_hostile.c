/* Servers that mean harm, or are broken: each ends as an observation that says how, in bounded time and
 * memory. */
#include "tests/agent/fetch_fixture.h"

#include <sys/resource.h>

static struct http_fake *server;
static struct netpolicy *open_policy;
static char big[65536]; /* of 'y' */

/* Gzip of zeros without end (RFC 1951, fixed codes): after one literal 0 again and again "258 bytes from 1
 * byte back", 13 bits each, so that 13 bytes make 2 KiB. */
static void send_zip_bomb(struct http_fake_conn *c)
{
	static const unsigned char head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255 };
	unsigned char bits[13 * 512];
	size_t at = 0;
	uint64_t word = 0x3 | 0x0C << 3; /* last block, fixed codes; literal 0 is 00110000 */
	int n = 11;
	for (size_t code = 0; at < sizeof(bits); code++) {
		word |= UINT64_C(0xA3)
			<< n; /* length 285 is 11000101, first bit lowest; distance 0 is 00000 */
		for (n += 13; n >= 8 && at < sizeof(bits); n -= 8, word >>= 8)
			bits[at++] = (unsigned char)word;
	}
	/* what was begun before the first code shifts all by 11 bits; the pattern of 13 bytes repeats from
	 * byte 13 on */
	bool alive =
		http_fake_say(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n") &&
		http_fake_send(c, head, sizeof(head)) && http_fake_send(c, bits, sizeof(bits));
	for (int i = 0; alive && i < 1000; i++) /* a gigabyte, if anybody takes it */
		alive = http_fake_send(c, bits + 13, sizeof(bits) - 13);
}

static bool answer(struct http_fake_conn *c, const char *path, const char *request)
{
	if (strcmp(path, "/mute") == 0) {
		(void)http_fake_wait_gone(c, 20000);
	} else if (strcmp(path, "/drip") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
		while (!http_fake_wait_gone(c, 20) && http_fake_say(c, "x"))
			;
	} else if (strcmp(path, "/drip-headers") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nX-Slow: ");
		while (!http_fake_wait_gone(c, 20) && http_fake_say(c, "x"))
			;
	} else if (strcmp(path, "/endless-headers") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\n");
		while (http_fake_say(c, "X-More: and more\r\n"))
			;
	} else if (strcmp(path, "/wide-headers") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\n");
		while (http_fake_say(c, "X-Wide: ") && http_fake_send(c, big, 16384) &&
			http_fake_say(c, "\r\n"))
			;
	} else if (strcmp(path, "/endless-line") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nX-Line: ");
		while (http_fake_send(c, big, sizeof(big)))
			;
	} else if (strcmp(path, "/endless-interim") == 0) {
		while (http_fake_say(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"))
			;
	} else if (strcmp(path, "/endless-body") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nX-Cache: HIT\r\nConnection: close\r\n\r\n");
		while (http_fake_send(c, big, sizeof(big)))
			;
	} else if (strcmp(path, "/endless-chunks") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		while (http_fake_say(c, "10000\r\n") && http_fake_send(c, big, 65536) &&
			http_fake_say(c, "\r\n"))
			;
	} else if (strcmp(path, "/bomb") == 0) {
		send_zip_bomb(c);
	} else if (strcmp(path, "/broken-gzip") == 0) {
		(void)http_fake_say(c,
			"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\nnot gzip...");
	} else if (strcmp(path, "/odd-coding") == 0) {
		(void)http_fake_say(
			c, "HTTP/1.1 200 OK\r\nContent-Encoding: rot13\r\nContent-Length: 3\r\n\r\nabc");
	} else if (strcmp(path, "/reset") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Pop: fra\r\n\r\nhalf");
		http_fake_reset(c);
	} else if (strcmp(path, "/reset-at-once") == 0) {
		http_fake_reset(c);
	} else if (strcmp(path, "/short") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort");
	} else if (strcmp(path, "/negative-length") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc");
	} else if (strcmp(path, "/huge-length") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc");
	} else if (strcmp(path, "/bad-chunk") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n");
	} else if (strcmp(path, "/noise") == 0) {
		(void)http_fake_say(c, "SSH-2.0-OpenSSH_9.2\r\n");
	} else if (strcmp(path, "/nothing") == 0) {
		return false;
	} else if (strcmp(path, "/big-version") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10485762\r\n\r\n\"");
		for (int i = 0; i < 160 && http_fake_send(c, big, sizeof(big)); i++)
			;
		(void)http_fake_say(c, "\"");
	} else if (strcmp(path, "/nul") == 0) {
		static const char body[] =
			"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nX-Pop: f\0ra\r\n\r\n{\"v\":\"a\0b\"}..";
		(void)http_fake_send(c, body, sizeof(body) - 1);
	} else if (strcmp(path, "/nul-text") == 0) {
		static const char body[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na\0b v=7\0z";
		(void)http_fake_send(c, body, sizeof(body) - 1);
	} else if (strcmp(path, "/odd-status") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 999 Whatever\r\nContent-Length: 0\r\n\r\n");
	} else if (strcmp(path, "/no-location") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
	} else if (strcmp(path, "/odd-bytes") == 0) {
		(void)http_fake_say(c, "HTTP/1.1 200 OK\r\nETag: \"\xFF\xFE\"\r\nAge: "
				       "99999999999999999999\r\nX-Cache: \x01\x02\r\n"
				       "Content-Length: 0\r\n\r\n");
	}
	return false;
}

static int setup(void **state)
{
	memset(big, 'y', sizeof(big));
	server = http_fake_start(answer);
	open_policy = netpolicy_new_open();
	return 0;
}

static int teardown(void **state)
{
	http_fake_stop(server);
	netpolicy_free(open_policy);
	return 0;
}

static void each_ends_as_an_observation(void **state)
{
	static const struct {
		const char *says, *path;
		enum obs_fail fail;
		int status;
	} cases[] = {
		{ "never a byte", "/mute", FAIL_TIMEOUT, 0 },
		{ "a body by drops", "/drip", FAIL_TIMEOUT, 200 },
		{ "headers by drops", "/drip-headers", FAIL_TIMEOUT, 0 },
		{ "headers without end", "/endless-headers", FAIL_TOO_BIG, 0 },
		{ "few headers, but wide ones", "/wide-headers", FAIL_TOO_BIG, 0 },
		{ "one header without end", "/endless-line", FAIL_TOO_BIG, 0 },
		{ "interim answers without end", "/endless-interim", FAIL_TOO_BIG, 0 },
		{ "a body without end", "/endless-body", FAIL_TOO_BIG, 200 },
		{ "chunks without end", "/endless-chunks", FAIL_TOO_BIG, 200 },
		{ "a gigabyte packed into a megabyte", "/bomb", FAIL_TOO_BIG, 200 },
		{ "a coding that breaks", "/broken-gzip", FAIL_PROTOCOL, 200 },
		{ "a coding nobody asked for", "/odd-coding", FAIL_PROTOCOL, 200 },
		{ "cut off in the middle by force", "/reset", FAIL_RESET, 200 },
		{ "cut off before the answer", "/reset-at-once", FAIL_RESET, 0 },
		{ "shorter than it said", "/short", FAIL_RESET, 200 },
		{ "a length that makes no sense", "/negative-length", FAIL_PROTOCOL, 0 },
		{ "chunks that make no sense", "/bad-chunk", FAIL_RESET, 200 },
		{ "not HTTP", "/noise", FAIL_PROTOCOL, 0 },
		{ "closed without a word", "/nothing", FAIL_RESET, 0 },
		{ "10 MB of version, the cap being 1 MiB", "/big-version", FAIL_TOO_BIG, 200 },
		{ "a status nobody knows", "/odd-status", FAIL_HTTP, 999 },
		{ "a redirect to nowhere", "/no-location", FAIL_REDIRECT, 302 },
	};
	struct fetch *f = fetch_with(open_policy, NULL);
	struct rusage before, after;
	(void)getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char url[128];
		struct seen s;
		struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, cases[i].path),
			.extract = EXTRACT_JSON,
			.extract_arg = STR(""),
			.redirects = 3,
			.pop_header = STR("X-Pop") };
		fetch_one(f, &e, 500, &s);
		assert_fail(s, cases[i].fail, cases[i].says);
		if (s.obs.status != cases[i].status)
			fail_msg("%s: status %d", cases[i].says, s.obs.status);
		if (s.why[0] == '\0' || s.version[0] != '\0')
			fail_msg("%s: '%s', version '%s'", cases[i].says, s.why, s.version);
		if (s.obs.timing.total_us > 5 * US_PER_S)
			fail_msg("%s: took %d us", cases[i].says, s.obs.timing.total_us);
	}
	(void)getrusage(RUSAGE_SELF, &after);
	assert_true(
		after.ru_maxrss - before.ru_maxrss < 256 * 1024); /* KiB; the sanitizer's share included */
	fetch_free(f);
}

static void half_an_answer_still_names_its_edge(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/reset"),
		.extract = EXTRACT_JSON,
		.extract_arg = STR(""),
		.pop_header = STR("X-Pop") };
	fetch_one(f, &e, 2000, &s);
	assert_fail(s, FAIL_RESET, "reset");
	assert_string_equal(s.edge, "self:fra");
	fetch_free(f);
}

static void a_huge_length_is_not_believed(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/huge-length"),
		.extract = EXTRACT_SHA256 };
	fetch_one(f, &e, 2000,
		&s); /* libcurl reads to the end instead; whatever it becomes, it ends and is bounded */
	assert_true(s.obs.timing.total_us < 3 * US_PER_S);
	fetch_free(f);
}

static void big_versions_are_cut_where_the_body_may_be_big(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/big-version"),
		.extract = EXTRACT_JSON,
		.extract_arg = STR(""),
		.max_body = TARGET_BODY_MAX };
	fetch_one(f, &e, 20000, &s);
	assert_fail(s, FAIL_OK, "10 MB of version");
	assert_int_equal(strlen(s.version), OBS_VERSION_MAX);
	assert_int_equal(s.obs.flags & OBS_CUT, OBS_CUT);
	fetch_free(f);
}

static void a_small_cap_counts_to_the_byte(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/nul-text"),
		.extract = EXTRACT_REGEX,
		.extract_arg = STR("v=([0-9])"),
		.max_body = 9 };
	fetch_one(f, &e, 2000, &s);
	assert_fail(s, FAIL_OK, "as long as may be, NULs counted and not in the way");
	assert_string_equal(s.version, "7");
	e.max_body = 8;
	fetch_one(f, &e, 2000, &s);
	assert_fail(s, FAIL_TOO_BIG, "one byte more");
	fetch_free(f);
}

static void nuls_and_odd_bytes_do_not_crash(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/nul"),
		.extract = EXTRACT_JSON,
		.extract_arg = STR("/v"),
		.pop_header = STR("X-Pop") };
	fetch_one(f, &e, 2000, &s);
	assert_true(s.obs.fail != FAIL_OK); /* a NUL in a header or in JSON is neither HTTP nor JSON */
	assert_true(s.version[0] == '\0');
	e.url = url_of(url, sizeof(url), server, "/odd-bytes");
	e.extract = EXTRACT_ETAG;
	e.extract_arg = STR_NONE;
	fetch_one(f, &e, 2000, &s);
	assert_fail(s, FAIL_OK, "odd bytes");
	assert_string_equal(s.version, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
	assert_true(s.obs.age_s >= OBS_AGE_NONE);
	fetch_free(f);
}

static void giving_up_in_the_middle_leaves_nothing(void **state)
{
	static struct seen s[4];
	struct fetch *f = fetch_with(open_policy, NULL);
	static const char *const paths[] = { "/mute", "/drip", "/endless-body", "/drip-headers" };
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char url[128];
		struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, paths[i]),
			.extract = EXTRACT_SHA256,
			.max_body = TARGET_BODY_MAX };
		struct target *t = target_of(&e, 10000);
		fetch_start(f, t, false, &s[i]);
		target_unref(t);
	}
	for (int i = 0; i < 5; i++)
		fetch_turn(f, US_PER_MS);
	fetch_free(f); /* the leak checker has the last word */
	assert_false(s[0].done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_ends_as_an_observation),
		cmocka_unit_test(half_an_answer_still_names_its_edge),
		cmocka_unit_test(a_huge_length_is_not_believed),
		cmocka_unit_test(big_versions_are_cut_where_the_body_may_be_big),
		cmocka_unit_test(a_small_cap_counts_to_the_byte),
		cmocka_unit_test(nuls_and_odd_bytes_do_not_crash),
		cmocka_unit_test(giving_up_in_the_middle_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
