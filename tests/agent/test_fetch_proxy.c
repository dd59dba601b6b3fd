/* Fetching through a proxy: who is asked for what, what the proxy gets to see, what is known of the edge
 * then. */
#include "tests/agent/fetch_fixture.h"

#include <unistd.h>

static struct http_fake *server, *tls_server, *proxy;
static char ca_file[] = "/tmp/tidemark-test-ca-XXXXXX";
static char proxy_url[64];

static bool answer(struct http_fake_conn *c, const char *path, const char *request)
{
	if (strstr(path, "/moved") != NULL)
		return http_fake_say(
			c, "HTTP/1.1 302 Found\r\nLocation: /version\r\nContent-Length: 0\r\n\r\n");
	return http_fake_say(
		c, "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 16\r\n\r\n{\"version\":\"v7\"}");
}

/* --- the proxy --- */

/* Every name leads to our servers: 443 to the one that speaks TLS. "no.test" it will not go to; "locked.test"
 * not without its password. */
static bool proxied(struct http_fake_conn *c, const char *path, const char *request)
{
	bool connect = strncmp(request, "CONNECT ", 8) == 0;
	if (strstr(path, "no.test"))
		return http_fake_say(
			c, "HTTP/1.1 403 Forbidden\r\nX-Pop: PROXY\r\nContent-Length: 0\r\n\r\n");
	if (strstr(path, "locked.test") && !strstr(request, "Proxy-Authorization: Basic dTpwOnE=\r\n"))
		return http_fake_say(
			c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
	if (!connect)
		return answer(c, path, request);
	if (http_fake_say(c, "HTTP/1.1 200 Connection established\r\nX-Pop: PROXY\r\n\r\n"))
		http_fake_tunnel(c->fd, http_fake_port(strstr(path, ":443") ? tls_server : server));
	return false;
}

/* --- the tests --- */

static struct netpolicy *by_proxy(const char *networks, const char *auth)
{
	struct netpolicy *p = NULL;
	struct str net = str_of(networks);
	struct err err;
	assert_int_equal(netpolicy_new(&net, networks ? 1 : 0, NULL, 0, &p, &err), 0);
	if (netpolicy_set_proxy(p, str_of(proxy_url), str_of(auth), &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static void get(const struct netpolicy *p, const struct assign_endpoint *e, struct seen *s)
{
	struct fetch *f = fetch_with(p, ca_file);
	struct target *t = NULL;
	struct err err;
	if (target_new(e, 8000, p, "tidemark-agent/test", &t, &err) < 0)
		fail_msg("%s", err.text);
	memset(s, 0, sizeof(*s));
	fetch_start(f, t, false, s);
	target_unref(t);
	turn_until(f, s);
	fetch_free(f);
}

/* What the proxy was asked last, in its first line. */
static void assert_asked(const char *line)
{
	char got[4096];
	http_fake_last(proxy, got, sizeof(got));
	if (strncmp(got, line, strlen(line)) != 0)
		fail_msg("'%s' instead of '%s'", got, line);
}

static void http_is_asked_of_the_proxy(void **state)
{
	struct netpolicy *p = by_proxy("127.0.0.0/8", NULL);
	struct seen s;
	struct assign_endpoint e = { .url = STR("http://shop.example/version"),
		.extract = EXTRACT_JSON,
		.extract_arg = STR("/version") };
	get(p, &e, &s);
	assert_fail(s, FAIL_OK, "a name that only the proxy can look up");
	assert_string_equal(s.version, "v7");
	assert_asked("GET http://shop.example/version HTTP/1.1\r\n");
	assert_string_equal(s.ip, ""); /* whose address that is, nobody knows */
	assert_null(strstr(s.edge, "127.0.0.1"));
	e.url = STR("http://shop.example/moved");
	e.redirects = 1;
	get(p, &e, &s);
	assert_fail(s, FAIL_OK, "a redirect, through the proxy too");
	assert_asked("GET http://shop.example/version HTTP/1.1\r\n");
	netpolicy_free(p);
}

static void https_is_a_tunnel_that_the_proxy_cannot_look_into(void **state)
{
	struct netpolicy *p = by_proxy("127.0.0.0/8", "u:p:q");
	struct assign_header secret = { .name = STR("Authorization"), .value = STR("Bearer sesame") };
	char got[4096];
	struct seen s;
	struct assign_endpoint e = { .url = STR("https://localhost/version"),
		.extract = EXTRACT_JSON,
		.extract_arg = STR("/version"),
		.headers = &secret,
		.n_headers = 1 };
	get(p, &e, &s);
	assert_fail(s, FAIL_OK, "through a tunnel");
	assert_string_equal(s.version, "v7");
	assert_int_equal(s.obs.status, 200);
	assert_null(strstr(s.headers, "PROXY")); /* the answer to CONNECT is not the edge's */
	assert_string_equal(s.ip, "");
	assert_asked("CONNECT localhost:443 HTTP/1.1\r\n");
	http_fake_last(proxy, got, sizeof(got));
	assert_null(strstr(got, "sesame"));
	http_fake_last(tls_server, got, sizeof(got));
	assert_non_null(strstr(got, "Authorization: Bearer sesame\r\n"));
	assert_null(strstr(got, "Proxy-Authorization")); /* nor does the edge hear the proxy's password */
	netpolicy_free(p);
}

static void a_pin_is_a_tunnel_to_its_address(void **state)
{
	struct netpolicy *p = by_proxy("127.0.0.0/8", NULL);
	struct seen s;
	get(p,
		&(struct assign_endpoint){ .url = STR("http://shop.example/version"),
			.extract = EXTRACT_ETAG,
			.address = STR("1.1.1.7") },
		&s);
	assert_fail(s, FAIL_OK, "an IPv4 address");
	assert_asked("CONNECT 1.1.1.7:80 HTTP/1.1\r\n");
	assert_string_equal(s.ip, "1.1.1.7"); /* on the proxy's word */
	get(p,
		&(struct assign_endpoint){ .url = STR("https://localhost/version"),
			.extract = EXTRACT_ETAG,
			.address = STR("2606:4700::7") },
		&s);
	assert_fail(s, FAIL_OK, "an IPv6 address");
	assert_asked("CONNECT [2606:4700::7]:443 HTTP/1.1\r\n");
	assert_string_equal(s.ip, "2606:4700::7");
	get(p,
		&(struct assign_endpoint){ .url = STR("http://shop.example/version"),
			.extract = EXTRACT_ETAG,
			.connect_to = STR("origin.example:8080") },
		&s);
	assert_fail(s, FAIL_OK, "past the CDN");
	assert_asked("CONNECT origin.example:8080 HTTP/1.1\r\n");
	netpolicy_free(p);
}

static void what_a_proxy_will_not_do_is_told(void **state)
{
	static const struct {
		const char *says, *url, *auth, *why;
		enum obs_fail fail;
		int status;
	} cases[] = {
		{ "no tunnel to there", "https://no.test/", NULL, "403", FAIL_CONNECT, 0 },
		{ "a request it refuses is an answer like any other", "http://no.test/", NULL, "403",
			FAIL_HTTP, 403 },
		{ "no tunnel without its password", "https://locked.test/", NULL, "407", FAIL_CONNECT, 0 },
		{ "nor with a wrong one", "https://locked.test/", "u:p", "407", FAIL_CONNECT, 0 },
		{ "no request without it", "http://locked.test/", NULL, "407", FAIL_HTTP, 407 },
		{ "its password may have a colon", "http://locked.test/", "u:p:q", "", FAIL_OK, 200 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netpolicy *p = by_proxy("127.0.0.0/8", cases[i].auth);
		struct seen s;
		get(p, &(struct assign_endpoint){ .url = str_of(cases[i].url), .extract = EXTRACT_ETAG }, &s);
		assert_fail(s, cases[i].fail, cases[i].says);
		assert_int_equal(s.obs.status, cases[i].status);
		if (strstr(s.why, cases[i].why) == NULL)
			fail_msg("%s: '%s' does not say %s", cases[i].says, s.why, cases[i].why);
		assert_string_equal(s.ip, "");
		netpolicy_free(p);
	}
}

static void the_proxy_itself_is_judged_and_so_is_every_address_written_down(void **state)
{
	static const struct {
		const char *says, *url, *pin, *connect_to;
		int ip_version;
	} cases[] = {
		{ "metadata in the URL", "http://169.254.169.254/latest/", NULL, NULL, 0 },
		{ "a private address in the URL", "http://10.0.0.1/", NULL, NULL, 0 },
		{ "loopback, wrapped in IPv6", "http://[::ffff:127.0.0.1]/", NULL, NULL, 0 },
		{ "a private pin", "http://shop.example/", "10.0.0.1", NULL, 0 },
		{ "a private origin", "http://shop.example/", NULL, "[fd00::1]:80", 0 },
		{ "a family, where the proxy does the lookup", "http://shop.example/", NULL, NULL, 6 },
	};
	struct netpolicy *closed = by_proxy(NULL, NULL);
	struct seen s;
	size_t before = http_fake_connections(proxy);
	get(closed,
		&(struct assign_endpoint){
			.url = STR("http://shop.example/version"), .extract = EXTRACT_ETAG },
		&s);
	assert_fail(s, FAIL_REFUSED, "a proxy on loopback that allow_networks does not list");
	assert_non_null(strstr(s.why, "probe_proxy 127.0.0.1 is a loopback address"));
	assert_string_equal(s.ip, "");
	assert_int_equal(http_fake_connections(proxy), before);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct assign_endpoint e = { .url = str_of(cases[i].url),
			.extract = EXTRACT_ETAG,
			.address = str_of(cases[i].pin),
			.connect_to = str_of(cases[i].connect_to),
			.ip_version = cases[i].ip_version };
		struct target *t = NULL;
		struct err err = { 0 };
		if (target_new(&e, 1000, closed, "x", &t, &err) == 0)
			fail_msg("%s was let through", cases[i].says);
		assert_non_null(strstr(err.text, cases[i].ip_version ? "probe_proxy" : "allow_networks"));
	}
	netpolicy_free(closed);
}

static void the_environment_has_no_say(void **state)
{
	struct netpolicy *p = by_proxy("127.0.0.0/8", NULL), *open = netpolicy_new_open();
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/version"),
		.extract = EXTRACT_ETAG };
	assert_int_equal(setenv("no_proxy", "*", 1) | setenv("http_proxy", proxy_url, 1), 0);
	size_t before = http_fake_requests(proxy);
	get(open, &e, &s);
	assert_fail(s, FAIL_OK, "http_proxy is set, probe_proxy is not");
	assert_string_equal(s.ip, "127.0.0.1");
	assert_int_equal(http_fake_requests(proxy), before);
	get(p, &e, &s);
	assert_fail(s, FAIL_OK, "no_proxy is set, and probe_proxy is");
	assert_int_equal(http_fake_requests(proxy), before + 1);
	assert_int_equal(unsetenv("no_proxy") | unsetenv("http_proxy"), 0);
	netpolicy_free(p);
	netpolicy_free(open);
}

static void a_new_proxy_holds_for_the_next_fetch(void **state)
{
	struct netpolicy *p = by_proxy("127.0.0.0/8", NULL), *open = netpolicy_new_open();
	struct fetch *f = fetch_with(open, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/version"),
		.extract = EXTRACT_ETAG };
	const struct netpolicy *const policies[] = { open, p, open };
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) { /* never over what was kept from the way before */
		size_t before = http_fake_requests(proxy);
		fetch_set_policy(f, policies[i]);
		fetch_one(f, &e, 5000, &s);
		assert_fail(s, FAIL_OK, "after a change");
		assert_int_equal(http_fake_requests(proxy) - before, policies[i] == p);
	}
	fetch_free(f);
	netpolicy_free(p);
	netpolicy_free(open);
}

static void proxies_that_are_none(void **state)
{
	static const char *const bad[] = { "", "proxy", "proxy:3128", "http://proxy", "http://:3128",
		"http://proxy:0", "http://proxy:70000", "http://proxy:3128/", "http://proxy/x:3128",
		"http://u:p@proxy:3128", "socks5://proxy:1080", "socks4://proxy:1080", "ftp://proxy:21",
		"http://::1:3128", "http://pro xy:3128" };
	static const char *const good[] = { "http://proxy.test:3128", "https://proxy.test:443",
		"socks5h://10.0.0.5:1080", "http://[fd00::5]:3128" };
	static const char *const hosts[] = { "proxy.test", "proxy.test", "10.0.0.5", "fd00::5" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct netpolicy *p = netpolicy_new_open();
		struct err err;
		if (netpolicy_set_proxy(p, str_of(bad[i]), STR_NONE, &err) != ERR_SYNTAX)
			fail_msg("'%s' was taken for a proxy", bad[i]);
		netpolicy_free(p);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct netpolicy *p = netpolicy_new_open();
		struct err err;
		if (netpolicy_set_proxy(p, str_of(good[i]), STR_NONE, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(netpolicy_proxy_host(p), hosts[i]);
		netpolicy_free(p);
	}
}

static int setup(void **state)
{
	int fd = mkstemp(ca_file);
	assert_true(fd >= 0 && write(fd, http_fake_ca_pem, strlen(http_fake_ca_pem)) > 0);
	(void)close(fd);
	server = http_fake_start(answer);
	tls_server = http_fake_start_tls(answer);
	proxy = http_fake_start(proxied);
	(void)snprintf(proxy_url, sizeof(proxy_url), "http://127.0.0.1:%d", http_fake_port(proxy));
	return 0;
}

static int teardown(void **state)
{
	http_fake_stop(proxy);
	http_fake_stop(server);
	http_fake_stop(tls_server);
	(void)unlink(ca_file);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_is_asked_of_the_proxy),
		cmocka_unit_test(https_is_a_tunnel_that_the_proxy_cannot_look_into),
		cmocka_unit_test(a_pin_is_a_tunnel_to_its_address),
		cmocka_unit_test(what_a_proxy_will_not_do_is_told),
		cmocka_unit_test(the_proxy_itself_is_judged_and_so_is_every_address_written_down),
		cmocka_unit_test(the_environment_has_no_say),
		cmocka_unit_test(a_new_proxy_holds_for_the_next_fetch),
		cmocka_unit_test(proxies_that_are_none),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
