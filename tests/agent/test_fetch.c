/* Fetching: what a good answer becomes, which request goes out, connections, redirects, targets. */
#include <curl/curl.h>

#include "tests/agent/fetch_fixture.h"

static struct http_fake *server;
static struct netpolicy *open_policy;

/* --- the server --- */

static bool say_body(struct http_fake_conn *c, const char *headers, const void *body, size_t n)
{
	char head[1024];
	(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n", n, headers);
	return http_fake_say(c, head) && http_fake_send(c, body, n);
}

static void put_le(unsigned char *out, uint32_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)(v >> (8 * i));
}

/* RFC 1952 around one stored block of RFC 1951. */
static size_t gzip(const char *text, unsigned char *out)
{
	static const unsigned char head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1 };
	size_t n = strlen(text), at = sizeof(head);
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned char)text[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
	}
	memcpy(out, head, at);
	put_le(out + at, (uint32_t)n, 2);
	put_le(out + at + 2, ~(uint32_t)n, 2);
	memcpy(out + at + 4, text, n);
	put_le(out + at + 4 + n, ~crc, 4);
	put_le(out + at + 8 + n, (uint32_t)n, 4);
	return at + 12 + n;
}

static bool answer(struct http_fake_conn *c, const char *path, const char *request)
{
	static const char json[] = "{\"version\":\"v7\",\"build\":{\"number\":1.10}}";
	unsigned char packed[256];
	char text[512];
	if (strcmp(path, "/version") == 0 || strncmp(path, "/version?", 9) == 0)
		return say_body(c,
			"X-Version: from-header\r\nETag: \"e1\"\r\nAge: 12\r\nX-Cache: HIT\r\nX-Pop: fra\r\n"
			"Cache-Control: max-age=60\r\nLast-Modified: Sun, 01 Mar 2026 10:00:00 GMT\r\n",
			json, sizeof(json) - 1);
	if (strcmp(path, "/bare") == 0)
		return say_body(c, "", json, sizeof(json) - 1);
	if (strcmp(path, "/gzip") == 0)
		return say_body(c, "Content-Encoding: gzip\r\n", packed, gzip(json, packed));
	if (strcmp(path, "/text") == 0)
		return say_body(c, "", "build=abc123\n", 13);
	if (strcmp(path, "/503") == 0)
		return http_fake_say(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nX-Pop: "
					"fra\r\nAge: 3\r\n\r\nfail");
	if (strcmp(path, "/404") == 0)
		return http_fake_say(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	if (strcmp(path, "/hints") == 0)
		return http_fake_say(c,
			"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nX-Pop: lhr\r\n"
			"Content-Length: 16\r\n\r\n{\"version\":\"v8\"}");
	if (strcmp(path, "/chunked") == 0)
		return http_fake_say(c,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Version\r\n\r\n"
			"8\r\n{\"versio\r\n8\r\nn\":\"v9\"}\r\n0\r\nX-Version: trailer\r\n\r\n");
	if (strcmp(path, "/moved") == 0)
		return http_fake_say(
			c, "HTTP/1.1 302 Found\r\nLocation: /version\r\nContent-Length: 0\r\n\r\n");
	if (strcmp(path, "/loop") == 0)
		return http_fake_say(c, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n");
	if (strcmp(path, "/to-metadata") == 0)
		return http_fake_say(c,
			"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\n"
			"Content-Length: 0\r\n\r\n");
	if (strcmp(path, "/to-file") == 0)
		return http_fake_say(
			c, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
	if (strcmp(path, "/to-name") == 0) {
		(void)snprintf(text, sizeof(text),
			"HTTP/1.1 302 Found\r\nLocation: http://other.test:%d/version\r\n"
			"Content-Length: 0\r\n\r\n",
			http_fake_port(c->server));
		return http_fake_say(c, text);
	}
	if (strcmp(path, "/close") == 0) {
		(void)say_body(c, "Connection: close\r\n", json, sizeof(json) - 1);
		return false;
	}
	return http_fake_say(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static int setup(void **state)
{
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

/* --- tests --- */

static void a_good_answer_becomes_an_observation(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	int64_t before = clock_boot_us();
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/version"),
		.extract = EXTRACT_JSON,
		.extract_arg = STR("/version"),
		.pop_header = STR("X-Pop"),
		.path = PATH_ORIGIN,
		.fresh_connection = true };
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_OK, "good");
	assert_string_equal(s.version, "v7");
	assert_string_equal(s.edge, "self:fra");
	assert_string_equal(s.ip, "127.0.0.1");
	assert_string_equal(s.etag, "\"e1\"");
	assert_int_equal(s.obs.status, 200);
	assert_int_equal(s.obs.path, PATH_ORIGIN);
	assert_int_equal(s.obs.age_s, 12);
	assert_in_range(s.obs.ttl_s, 40, 60);
	assert_int_equal(s.obs.n_tiers, 1);
	assert_int_equal(s.obs.tiers[0], CACHE_HIT);
	assert_int_equal(s.obs.flags, 0);
	assert_in_range(s.obs.observed_at_us, before, clock_boot_us());
	assert_int_equal(s.obs.timing.dns_us, -1); /* an address: nothing was looked up */
	assert_int_equal(s.obs.timing.tls_us, -1);
	assert_true(s.obs.timing.connect_us >= 0);
	assert_true(s.obs.timing.ttfb_us > 0 && s.obs.timing.total_us >= s.obs.timing.ttfb_us);
	assert_true(str_starts(str_of(s.headers), "HTTP/1.1 200 OK\r\n"));
	assert_true(str_ends(str_of(s.headers), "\r\n\r\n"));
	fetch_free(f);
}

static void every_kind_of_version(void **state)
{
	static const struct {
		const char *says, *path;
		enum extract_kind kind;
		const char *arg, *want;
		enum obs_fail fail;
	} cases[] = {
		{ "a pointer", "/version", EXTRACT_JSON, "/version", "v7", FAIL_OK },
		{ "a number as it is spelled", "/version", EXTRACT_JSON, "/build/number", "1.10", FAIL_OK },
		{ "a header", "/version", EXTRACT_HEADER, "x-version", "from-header", FAIL_OK },
		{ "the ETag", "/version", EXTRACT_ETAG, "", "\"e1\"", FAIL_OK },
		{ "Last-Modified", "/version", EXTRACT_LAST_MODIFIED, "", "Sun, 01 Mar 2026 10:00:00 GMT",
			FAIL_OK },
		{ "an expression", "/text", EXTRACT_REGEX, "build=([a-z0-9]+)", "abc123", FAIL_OK },
		{ "a digest", "/text", EXTRACT_SHA256, "",
			"744746e2c3a6ca0adf6e559936ec742aad910ad8e8fad58d92587e44fffd03ac", FAIL_OK },
		{ "packed bodies are unpacked first", "/gzip", EXTRACT_JSON, "/version", "v7", FAIL_OK },
		{ "chunked ones are put together", "/chunked", EXTRACT_JSON, "/version", "v9", FAIL_OK },
		{ "a trailer is no header", "/chunked", EXTRACT_HEADER, "X-Version", "", FAIL_NO_VERSION },
		{ "an interim answer is not the answer", "/hints", EXTRACT_JSON, "/version", "v8", FAIL_OK },
		{ "no such member", "/version", EXTRACT_JSON, "/nope", "", FAIL_NO_VERSION },
		{ "no JSON", "/text", EXTRACT_JSON, "/version", "", FAIL_NO_VERSION },
		{ "an error is no answer to look into", "/503", EXTRACT_REGEX, "(f...)", "", FAIL_HTTP },
		{ "not found", "/404", EXTRACT_SHA256, "", "", FAIL_HTTP },
	};
	struct fetch *f = fetch_with(open_policy, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char url[128];
		struct seen s;
		struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, cases[i].path),
			.extract = cases[i].kind,
			.extract_arg = str_of(cases[i].arg) };
		fetch_one(f, &e, 5000, &s);
		assert_fail(s, cases[i].fail, cases[i].says);
		if (strcmp(s.version, cases[i].want) != 0)
			fail_msg("%s: got '%s'", cases[i].says, s.version);
		if (cases[i].fail != FAIL_OK && s.why[0] == '\0')
			fail_msg("%s: no reason is given", cases[i].says);
	}
	fetch_free(f);
}

static void an_error_still_names_its_edge(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/503"),
		.extract = EXTRACT_ETAG,
		.pop_header = STR("X-Pop"),
		.pop_vendor = STR("acme") };
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_HTTP, "503");
	assert_int_equal(s.obs.status, 503);
	assert_string_equal(s.edge, "acme:fra");
	assert_int_equal(s.obs.age_s, 3);
	fetch_free(f);
}

static void without_any_cdn_the_machine_is_the_edge(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/bare"),
		.extract = EXTRACT_JSON,
		.extract_arg = STR("/version") };
	fetch_one(f, &e, 5000, &s);
	assert_string_equal(s.edge, "direct:127.0.0.1");
	assert_int_equal(s.obs.age_s, OBS_AGE_NONE);
	assert_int_equal(s.obs.ttl_s, OBS_TTL_NONE);
	e.url = url_of(url, sizeof(url), server, "/version"); /* a cache of unknown make that names no PoP */
	fetch_one(f, &e, 5000, &s);
	assert_int_equal(s.obs.tiers[0], CACHE_HIT);
	assert_string_equal(s.edge, "direct:127.0.0.1");
	fetch_free(f);
}

static void the_request_is_a_users(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128], got[4096];
	struct seen s;
	struct assign_header headers[] = {
		{ STR("Accept-Encoding"), STR("br"), STR_NONE },
		{ STR("X-Tenant"), STR("blue"), STR_NONE },
		{ STR("X-Empty"), STR(""), STR_NONE },
		{ STR("User-Agent"), STR("mine"), STR_NONE },
		{ STR("X-Secret"), STR(""), STR("TIDEMARK_TEST_SECRET") },
	};
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/version?format=json"),
		.extract = EXTRACT_ETAG };
	fetch_one(f, &e, 5000, &s);
	http_fake_last(server, got, sizeof(got));
	assert_true(str_starts(str_of(got), "GET /version?format=json HTTP/1.1\r\n")); /* no cache buster */
	assert_non_null(strstr(got, "\r\nAccept-Encoding: gzip, br\r\n"));
	assert_non_null(strstr(got, "\r\nUser-Agent: tidemark-agent/test\r\n"));
	assert_null(strcasestr(got, "no-cache"));
	assert_null(strcasestr(got, "pragma"));
	assert_int_equal(setenv("TIDEMARK_TEST_SECRET", "told nobody", 1), 0);
	e.headers = headers;
	e.n_headers = ARRAY_LEN(headers);
	fetch_one(f, &e, 5000, &s);
	http_fake_last(server, got, sizeof(got));
	assert_non_null(strstr(got, "\r\nAccept-Encoding: br\r\n"));
	assert_null(strstr(got, "gzip"));
	assert_non_null(strstr(got, "\r\nX-Tenant: blue\r\n"));
	assert_non_null(strstr(got, "\r\nX-Empty:\r\n"));
	assert_non_null(strstr(got, "\r\nX-Secret: told nobody\r\n")); /* of our own environment */
	assert_non_null(strstr(got, "\r\nUser-Agent: mine\r\n"));
	e.n_headers = 0; /* nothing of one target stays for the next on the same handle */
	fetch_one(f, &e, 5000, &s);
	http_fake_last(server, got, sizeof(got));
	assert_null(strstr(got, "X-Tenant"));
	assert_non_null(strstr(got, "\r\nUser-Agent: tidemark-agent/test\r\n"));
	fetch_free(f);
}

static void kept_and_fresh_connections(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/version"),
		.extract = EXTRACT_ETAG };
	size_t before = http_fake_connections(server);
	for (int i = 0; i < 5; i++) {
		fetch_one(f, &e, 5000, &s);
		assert_fail(s, FAIL_OK, "kept");
		assert_int_equal(s.obs.flags & OBS_REUSED, i == 0 ? 0 : OBS_REUSED);
		if (i > 0) { /* these did not happen, which is not the same as 0 us */
			assert_int_equal(s.obs.timing.connect_us, -1);
			assert_int_equal(s.obs.timing.dns_us, -1);
		}
		assert_true(s.obs.timing.ttfb_us > 0);
		assert_string_equal(s.ip, "127.0.0.1");
	}
	assert_int_equal(http_fake_connections(server) - before, 1);
	e.fresh_connection = true;
	for (int i = 0; i < 3; i++) {
		fetch_one(f, &e, 5000, &s);
		assert_int_equal(s.obs.flags & OBS_REUSED, 0);
		assert_true(s.obs.timing.connect_us >= 0);
	}
	assert_int_equal(http_fake_connections(server) - before, 4);
	e.fresh_connection = false; /* the server closes: the next one notices and connects anew */
	e.url = url_of(url, sizeof(url), server, "/close");
	for (int i = 0; i < 3; i++) {
		fetch_one(f, &e, 5000, &s);
		assert_int_equal(s.obs.status, 200);
	}
	fetch_free(f);
}

static void a_pin_goes_elsewhere_and_keeps_the_name(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char to[64], got[4096];
	struct seen s;
	struct http_fake *other = http_fake_start(answer);
	struct assign_endpoint e = { .url = STR("http://www.example.com/version"),
		.extract = EXTRACT_ETAG,
		.connect_to = str_of(to) };
	struct http_fake *const servers[] = { server, other, server };
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) { /* never over the other pin's kept connection */
		size_t before = http_fake_requests(servers[i]);
		(void)snprintf(to, sizeof(to), "127.0.0.1:%d", http_fake_port(servers[i]));
		e.connect_to = str_of(to);
		fetch_one(f, &e, 5000, &s);
		assert_fail(s, FAIL_OK, "pinned");
		assert_int_equal(http_fake_requests(servers[i]) - before, 1);
		http_fake_last(servers[i], got, sizeof(got));
		assert_non_null(strstr(got, "\r\nHost: www.example.com\r\n"));
	}
	fetch_free(f);
	http_fake_stop(other);
}

static void redirects(void **state)
{
	static const struct {
		const char *says, *path;
		uint32_t redirects;
		enum obs_fail fail;
		int status;
		const char *version;
	} cases[] = {
		{ "not followed unless asked", "/moved", 0, FAIL_REDIRECT, 302, "" },
		{ "followed on the same host when asked", "/moved", 1, FAIL_OK, 200, "v7" },
		{ "a loop ends", "/loop", 3, FAIL_REDIRECT, 302, "" },
		{ "never to another host, metadata least of all", "/to-metadata", 5, FAIL_REDIRECT, 302, "" },
		{ "never to another name of the same machine", "/to-name", 5, FAIL_REDIRECT, 302, "" },
		{ "never out of HTTP", "/to-file", 5, FAIL_REDIRECT, 302, "" },
	};
	struct fetch *f = fetch_with(open_policy, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char url[128];
		struct seen s;
		size_t before = http_fake_requests(server);
		struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, cases[i].path),
			.extract = EXTRACT_JSON,
			.extract_arg = STR("/version"),
			.redirects = cases[i].redirects };
		fetch_one(f, &e, 5000, &s);
		assert_fail(s, cases[i].fail, cases[i].says);
		assert_int_equal(s.obs.status, cases[i].status);
		assert_string_equal(s.version, cases[i].version);
		assert_true(s.obs.timing.total_us >= s.obs.timing.ttfb_us);
		assert_true(http_fake_requests(server) - before <= 1 + cases[i].redirects);
	}
	fetch_free(f);
}

static void which_redirects_may_be_followed(void **state)
{
	static const struct {
		const char *says, *from, *to;
		bool ok;
	} cases[] = {
		{ "another path", "https://a.test/x", "https://a.test/y", true },
		{ "the host in another case", "https://a.test/x", "https://A.TEST/y", true },
		{ "the port spelled out", "https://a.test/x", "https://a.test:443/y", true },
		{ "up to https", "http://a.test/x", "https://a.test/x", true },
		{ "never down", "https://a.test/x", "http://a.test/x", false },
		{ "another host", "https://a.test/x", "https://b.test/x", false },
		{ "a subdomain is another host", "https://a.test/x", "https://w.a.test/x", false },
		{ "another port is another server", "https://a.test/x", "https://a.test:8443/x", false },
		{ "up, but on another port", "http://a.test:8080/x", "https://a.test/x", false },
		{ "another protocol", "https://a.test/x", "ftp://a.test/x", false },
		{ "no URL", "https://a.test/x", "https://", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (target_may_redirect(cases[i].from, cases[i].to) != cases[i].ok)
			fail_msg("%s: %s to %s", cases[i].says, cases[i].from, cases[i].to);
}

static void many_at_once(void **state)
{
	enum { N = 200 };
	static struct seen all[N];
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	memset(all, 0, sizeof(all));
	for (int i = 0; i < N; i++) {
		struct assign_endpoint e = { .url = url_of(
						     url, sizeof(url), server, i % 2 ? "/version" : "/gzip"),
			.extract = EXTRACT_JSON,
			.extract_arg = STR("/version"),
			.fresh_connection = i % 3 == 0 };
		struct target *t = target_of(&e, 10000);
		fetch_start(f, t, i % 2 == 0, &all[i]);
		target_unref(t);
	}
	for (int i = 0; i < N; i++) {
		turn_until(f, &all[i]);
		assert_fail(all[i], FAIL_OK, "one of many");
		assert_string_equal(all[i].version, "v7");
		assert_int_equal(all[i].obs.flags & OBS_BURST, i % 2 == 0 ? OBS_BURST : 0);
	}
	assert_int_equal(fetch_inflight(f), 0);
	fetch_free(f);
}

static void targets_that_cannot_be(void **state)
{
	static struct assign_header bad_name = { .name = STR("X Y"), .value = STR("v") },
				    split = { .name = STR("X"), .value = STR("a\r\nHost: evil") },
				    unlisted = { .name = STR("X-Secret"), .agent_env = STR("PATH") },
				    unset = { .name = STR("X-Secret"),
					    .agent_env = STR("TIDEMARK_TEST_UNSET") },
				    framing = { .name = STR("Content-Length"), .value = STR("5") };
	struct str host = STR("*.example.com");
	struct netpolicy *p;
	const struct {
		const char *says;
		struct assign_endpoint e;
		int want;
	} cases[] = {
		{ "no URL", { .url = STR("") }, ERR_SYNTAX },
		{ "a word", { .url = STR("version") }, ERR_SYNTAX },
		{ "a file", { .url = STR("file:///etc/passwd") }, ERR_DENIED },
		{ "another protocol", { .url = STR("ftp://a.example.com/") }, ERR_DENIED },
		{ "credentials in the URL", { .url = STR("https://u:p@a.example.com/") }, ERR_DENIED },
		{ "a host that is not allowed", { .url = STR("https://evil.test/") }, ERR_DENIED },
		{ "a line break in the URL", { .url = STR("https://a.example.com/\r\nX: y") }, ERR_SYNTAX },
		{ "a header name with a blank",
			{ .url = STR("https://a.example.com/"), .headers = &bad_name, .n_headers = 1 },
			ERR_SYNTAX },
		{ "a header that would be two",
			{ .url = STR("https://a.example.com/"), .headers = &split, .n_headers = 1 },
			ERR_SYNTAX },
		{ "a variable this agent has, and does not allow to be sent",
			{ .url = STR("https://a.example.com/"), .headers = &unlisted, .n_headers = 1 },
			ERR_DENIED },
		{ "a header whose value this agent was not given",
			{ .url = STR("https://a.example.com/"), .headers = &unset, .n_headers = 1 },
			ERR_NOT_FOUND },
		{ "a header that frames",
			{ .url = STR("https://a.example.com/"), .headers = &framing, .n_headers = 1 },
			ERR_DENIED },
		{ "a pin without a port",
			{ .url = STR("https://a.example.com/"), .connect_to = STR("b.example.com") },
			ERR_SYNTAX },
		{ "a pin whose port is none",
			{ .url = STR("https://a.example.com/"), .connect_to = STR("b.example.com:0") },
			ERR_SYNTAX },
		{ "a pin to IPv6 without brackets",
			{ .url = STR("https://a.example.com/"), .connect_to = STR("::1:80") }, ERR_SYNTAX },
		{ "a pin that is not allowed",
			{ .url = STR("https://a.example.com/"), .connect_to = STR("192.0.2.1:80") },
			ERR_DENIED },
		{ "a pointer that is none", { .url = STR("https://a.example.com/"), .extract_arg = STR("x") },
			ERR_SYNTAX },
	};
	assert_int_equal(netpolicy_new(NULL, 0, &host, 1, &p, NULL), 0);
	assert_int_equal(netpolicy_add_env(p, STR("TIDEMARK_TEST_UNSET"), NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct target *t = NULL;
		struct err err = { 0 };
		int rc = target_new(&cases[i].e, 1000, p, "ua", &t, &err);
		if (rc != cases[i].want || t != NULL || err.text[0] == '\0')
			fail_msg("%s: %d '%s'", cases[i].says, rc, err.text);
	}
	netpolicy_free(p);
}

/* A variable's value goes out as the header, if this agent's own configuration lists the variable by its
 * whole name; nothing else that is open opens this. */
static void a_variable_is_sent_only_where_its_name_is_listed(void **state)
{
	static const struct {
		const char *says, *listed, *name;
		bool sent;
	} cases[] = {
		{ "listed", "TIDEMARK_TEST_KEY", "TIDEMARK_TEST_KEY", true },
		{ "none is listed", NULL, "TIDEMARK_TEST_KEY", false },
		{ "another is", "TIDEMARK_TEST_OTHER", "TIDEMARK_TEST_KEY", false },
		{ "the beginning of its name is", "TIDEMARK_TEST", "TIDEMARK_TEST_KEY", false },
		{ "what begins like it is", "TIDEMARK_TEST_KEY_2", "TIDEMARK_TEST_KEY", false },
		{ "in other letters", "tidemark_test_key", "TIDEMARK_TEST_KEY", false },
		{ "a star is no pattern here", "*", "TIDEMARK_TEST_KEY", false },
	};
	(void)state;
	assert_int_equal(setenv("TIDEMARK_TEST_KEY", "swordfish", 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct assign_header h = { .name = STR("X-Key"), .agent_env = str_of(cases[i].name) };
		struct assign_endpoint e = {
			.url = STR("https://a.example.com/"), .headers = &h, .n_headers = 1
		};
		struct netpolicy *p = netpolicy_new_open();
		struct target *t = NULL;
		struct err err = { 0 };
		bool found = false;
		if (cases[i].listed)
			assert_int_equal(netpolicy_add_env(p, str_of(cases[i].listed), NULL), 0);
		int rc = target_new(&e, 1000, p, "ua", &t, &err);
		for (struct curl_slist *l = t ? t->headers : NULL; l; l = l->next)
			found |= strcmp(l->data, "X-Key: swordfish") == 0;
		if (rc != (cases[i].sent ? 0 : ERR_DENIED) || found != cases[i].sent)
			fail_msg("%s: %d '%s'", cases[i].says, rc, err.text);
		if (rc < 0)
			assert_string_equal(err.text,
				"header 'X-Key': TIDEMARK_TEST_KEY is not among this agent's allow_env");
		target_unref(t);
		netpolicy_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_answer_becomes_an_observation),
		cmocka_unit_test(every_kind_of_version),
		cmocka_unit_test(an_error_still_names_its_edge),
		cmocka_unit_test(without_any_cdn_the_machine_is_the_edge),
		cmocka_unit_test(the_request_is_a_users),
		cmocka_unit_test(kept_and_fresh_connections),
		cmocka_unit_test(a_pin_goes_elsewhere_and_keeps_the_name),
		cmocka_unit_test(redirects),
		cmocka_unit_test(which_redirects_may_be_followed),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(targets_that_cannot_be),
		cmocka_unit_test(a_variable_is_sent_only_where_its_name_is_listed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
