/* Where an agent may go: whatever a name leads to, at every hop, and to nobody else with an endpoint's
 * headers. */
#include "tests/agent/fetch_fixture.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdatomic.h>

static struct http_fake *server, *stranger;
static atomic_int turned; /* lookups of turning.test so far */

/* libcurl's lookups come through here: names of our own, everything else does not resolve. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	static const struct {
		const char *name, *ip;
	} names[] = { { "private.test", "10.0.0.1" }, { "carrier.test", "100.64.0.1" },
		{ "metadata.test", "169.254.169.254" }, { "loopback.test", "127.0.0.1" },
		{ "here.test", "127.0.0.1" }, { "other.test", "127.0.0.1" },
		{ "turning.test", "127.0.0.1" } };
	const char *ip = NULL;
	int64_t port = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(node, names[i].name) == 0)
			ip = names[i].ip;
	if (strcmp(node, "turning.test") == 0 && atomic_fetch_add(&turned, 1) > 0)
		ip = "169.254.169.254"; /* a resolver that has something else to say the second time */
	if (ip == NULL)
		return EAI_NONAME;
	struct addrinfo *ai = calloc(1, sizeof(*ai) + sizeof(struct sockaddr_in));
	struct sockaddr_in *at = (struct sockaddr_in *)(void *)(ai + 1);
	at->sin_family = AF_INET;
	if (service && str_to_i64(str_of(service), &port, NULL) == 0)
		at->sin_port = htons((uint16_t)port);
	(void)inet_pton(AF_INET, ip, &at->sin_addr);
	*ai = (struct addrinfo){ .ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_addr = (struct sockaddr *)at,
		.ai_addrlen = sizeof(*at) };
	*ret = ai;
	return 0;
}

void freeaddrinfo(struct addrinfo *ai)
{
	free(ai);
}

/* "/moved" leads on to "/version"; "/to?URL" to that URL. */
static bool answer(struct http_fake_conn *c, const char *path, const char *request)
{
	char text[512];
	const char *to = strncmp(path, "/to?", 4) == 0 ? path + 4
			 : strcmp(path, "/moved") == 0 ? "/version"
						       : NULL;
	if (to == NULL)
		return http_fake_say(c, "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 0\r\n\r\n");
	(void)snprintf(
		text, sizeof(text), "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", to);
	return http_fake_say(c, text);
}

static struct netpolicy *policy_of(const char *network, const char *host)
{
	struct str net = str_of(network), name = str_of(host);
	struct netpolicy *p = NULL;
	assert_int_equal(netpolicy_new(&net, network ? 1 : 0, &name, host ? 1 : 0, &p, NULL), 0);
	return p;
}

static void an_allowed_name_with_an_address_that_is_not(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
		{ "private.test", "10.0.0.1 is a private address" },
		{ "carrier.test", "100.64.0.1 is a carrier's private address" },
		{ "metadata.test", "169.254.169.254 is a link-local address" },
		{ "loopback.test", "127.0.0.1 is a loopback address" },
	};
	struct netpolicy *p = policy_of(NULL, "*.test");
	struct fetch *f = fetch_with(p, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char url[64];
		struct seen s;
		(void)snprintf(url, sizeof(url), "http://%s:%d/", cases[i].name, http_fake_port(server));
		fetch_one(f, &(struct assign_endpoint){ .url = str_of(url), .extract = EXTRACT_ETAG }, 5000,
			&s);
		assert_fail(s, FAIL_REFUSED, cases[i].name);
		if (strstr(s.why, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].name, s.why);
	}
	fetch_free(f);
	netpolicy_free(p);
}

static void every_hop_is_judged_anew(void **state)
{
	struct netpolicy *p = policy_of("127.0.0.0/8", NULL);
	struct fetch *f = fetch_with(p, NULL);
	char url[64];
	struct seen s;
	struct assign_endpoint e = { .extract = EXTRACT_ETAG, .redirects = 2, .fresh_connection = true };
	size_t before = http_fake_requests(server);
	(void)snprintf(url, sizeof(url), "http://here.test:%d/moved", http_fake_port(server));
	e.url = str_of(url);
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_OK, "a name that stays where it is");
	assert_int_equal(http_fake_requests(server) - before, 2);
	(void)snprintf(url, sizeof(url), "http://turning.test:%d/moved", http_fake_port(server));
	e.url = str_of(url);
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_REFUSED, "the same name leads to metadata at the second hop");
	assert_non_null(strstr(s.why, "169.254.169.254"));
	assert_int_equal(atomic_load(&turned), 2);
	assert_int_equal(http_fake_requests(server) - before, 3);
	fetch_free(f);
	netpolicy_free(p);
}

static void an_endpoints_headers_go_to_nobody_else(void **state)
{
	static const char *const names[] = { "Authorization", "Cookie", "X-Fleet-Key" };
	static const char *const to[] = { "http://other.test:%d/version", "http://here.test:%d/version",
		"https://here.test:%d/version", "//other.test:%d/version", "http://127.0.0.1:%d/version",
		"http://here.test@other.test:%d/version" };
	struct assign_header headers[ARRAY_LEN(names)];
	struct netpolicy *p = policy_of("127.0.0.0/8", NULL);
	struct fetch *f = fetch_with(p, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		headers[i] = (struct assign_header){ .name = str_of(names[i]), .value = STR("sesame") };
	for (size_t i = 0; i < ARRAY_LEN(to);
		i++) { /* the stranger is on another port, so even the same host is another */
		char url[256], got[4096], where[128];
		struct seen s;
		int n = snprintf(url, sizeof(url), "http://here.test:%d/to?", http_fake_port(server));
		const char *port = strstr(to[i], "%d");
		(void)snprintf(where, sizeof(where), "%.*s%d%s", (int)(port - to[i]), to[i],
			http_fake_port(stranger), port + 2);
		(void)snprintf(url + n, sizeof(url) - (size_t)n, "%s", where);
		struct assign_endpoint e = { .url = str_of(url),
			.extract = EXTRACT_ETAG,
			.redirects = 5,
			.headers = headers,
			.n_headers = ARRAY_LEN(headers) };
		fetch_one(f, &e, 5000, &s);
		assert_fail(s, FAIL_REDIRECT, where);
		http_fake_last(server, got, sizeof(got));
		assert_non_null(strstr(got, "Cookie: sesame\r\n")); /* where they belong they were sent */
	}
	assert_int_equal(http_fake_connections(stranger), 0);
	fetch_free(f);
	netpolicy_free(p);
}

static void an_address_that_is_listed_is_a_host_to_be_allowed(void **state)
{
	static const struct {
		const char *says, *network, *hosts, *address;
		enum assign_addresses choice;
		bool ok;
	} cases[] = {
		{ "no allow_hosts: any, judged when it connects", NULL, NULL, "1.1.1.1", 0, true },
		{ "allow_hosts, and the address is no such host", NULL, "shop.example", "1.1.1.1", 0, false },
		{ "nor is it in another network", "10.0.0.0/8", "shop.example", "1.1.1.1", 0, false },
		{ "but in this one", "1.1.1.0/24", "shop.example", "1.1.1.1", 0, true },
		{ "a private one that is listed", "10.0.0.0/8", "shop.example", "10.0.0.1", 0, true },
		{ "what the allowed name led to here", NULL, "shop.example", "1.1.1.1", ADDRESSES_ALL, true },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netpolicy *p = policy_of(cases[i].network, cases[i].hosts);
		struct target *t = NULL;
		struct err err = { 0 };
		struct assign_endpoint e = { .url = STR("http://shop.example/"),
			.extract = EXTRACT_ETAG,
			.address = str_of(cases[i].address),
			.addresses = cases[i].choice };
		int rc = target_new(&e, 1000, p, "x", &t, &err);
		if (rc != (cases[i].ok ? 0 : ERR_DENIED))
			fail_msg("%s: %s", cases[i].says, rc ? err.text : "let through");
		target_unref(t);
		netpolicy_free(p);
	}
}

static int setup(void **state)
{
	server = http_fake_start(answer);
	stranger = http_fake_start(answer);
	return 0;
}

static int teardown(void **state)
{
	http_fake_stop(server);
	http_fake_stop(stranger);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allowed_name_with_an_address_that_is_not),
		cmocka_unit_test(every_hop_is_judged_anew),
		cmocka_unit_test(an_endpoints_headers_go_to_nobody_else),
		cmocka_unit_test(an_address_that_is_listed_is_a_host_to_be_allowed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
