/* Who may do what: loopback without tokens, scopes with them, and where the server agrees to listen. */
#include "tests/http/cases.h"

static void no_tokens(void **state)
{
	static const struct api_case cases[] = {
		{ "by its name", "GET", "/api/v1/services", "Host: localhost:8470\r\n", NULL, 200, NULL },
		{ "by IPv6", "GET", "/api/v1/services", "Host: [::1]:8470\r\n", NULL, 200, NULL },
		{ "all of 127/8 is this machine", "GET", "/api/v1/services", "Host: 127.8.9.1\r\n", NULL, 200,
			NULL },
		{ "DNS rebinding: another name with our address", "GET", "/api/v1/services",
			"Host: evil.example\r\n", NULL, 421, "foreign_host" },
		{ "a name that begins like ours", "GET", "/api/v1/services",
			"Host: localhost.evil.example\r\n", NULL, 421, NULL },
		{ "an address that begins like ours", "GET", "/api/v1/services",
			"Host: 127.0.0.1.evil.example\r\n", NULL, 421, NULL },
		{ "health tells nothing about anybody", "GET", "/healthz", "Host: evil.example\r\n", NULL,
			200, "ok" },
		{ "a page of another origin writes", "POST", "/-/reload",
			"Host: localhost:1\r\nOrigin: http://evil.example\r\n", NULL, 403, "foreign_origin" },
		{ "a page from a file writes", "POST", "/-/reload", "Host: localhost:1\r\nOrigin: null\r\n",
			NULL, 403, "foreign_origin" },
		{ "another port is another origin", "POST", "/-/reload",
			"Host: localhost:1\r\nOrigin: http://localhost:2\r\n", NULL, 403, NULL },
		{ "the browser says it comes from elsewhere", "POST", "/-/reload",
			"Host: localhost:1\r\nSec-Fetch-Site: cross-site\r\n", NULL, 403, NULL },
		{ "our own page writes", "POST", "/-/reload",
			"Host: localhost:1\r\nOrigin: http://localhost:1\r\n", NULL, 200, NULL },
		{ "curl writes", "POST", "/-/reload", NULL, NULL, 200, NULL },
		{ "a page of another origin reads, and cannot see it", "GET", "/api/v1/services",
			"Host: localhost:1\r\nOrigin: http://evil.example\r\n", NULL, 200, NULL },
	};
	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
	struct answer a = client_do(port, "GET", "/api/v1/services",
		"Host: localhost:1\r\nOrigin: http://evil.example\r\n", NULL);
	assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "");
	assert_string_equal(answer_header(&a, "Cross-Origin-Resource-Policy"), "same-origin");
	answer_fini(&a);
}

static struct http_token token(const char *name, const char *text, unsigned scopes)
{
	return (struct http_token){ .name = str_of(name), .hash = sha256_of(str_of(text)), .scopes = scopes };
}

static int setup_tokens(void **state)
{
	(void)state;
	struct http_token tokens[] = { token("reader", "rrr", SCOPE_READ), token("ci", "ddd", SCOPE_DEPLOY),
		token("boss", "aaa", SCOPE_ADMIN), token("odd", "ooo", SCOPE_READ | SCOPE_DEPLOY) };
	server_start((struct http_options){ .tokens = tokens, .n_tokens = ARRAY_LEN(tokens) });
	return 0;
}

static void scopes(void **state)
{
	static const struct {
		const char *method, *target, *body;
		int open, read, deploy, admin; /* status without a token, and with one of each scope */
	} rows[] = {
		{ "GET", "/api/v1/services", NULL, 401, 200, 200, 200 },
		{ "GET", "/api/v1/cells", NULL, 401, 200, 200, 200 },
		{ "GET", "/api/v1/cells/v/self:edge-lhr", NULL, 401, 200, 200, 200 },
		{ "GET", "/api/v1/cells/v/self:edge-lhr/history", NULL, 401, 200, 200, 200 },
		{ "GET", "/api/v1/deploys", NULL, 401, 200, 200, 200 },
		{ "POST", "/api/v1/deploys", "{}", 401, 403, 422, 422 },
		{ "GET", "/api/v1/deploys/d_1", NULL, 401, 404, 404, 404 },
		{ "PATCH", "/api/v1/deploys/d_1", "{}", 401, 403, 404, 404 },
		{ "GET", "/api/v1/deploys/d_1/propagation", NULL, 401, 404, 404, 404 },
		{ "GET", "/api/v1/deploys/d_1/cells", NULL, 401, 404, 404, 404 },
		{ "GET", "/api/v1/purges", NULL, 401, 200, 200, 200 },
		{ "POST", "/api/v1/purges", "[]", 401, 403, 400, 400 },
		{ "GET", "/api/v1/purges/p_1", NULL, 401, 404, 404, 404 },
		{ "PATCH", "/api/v1/purges/p_1", "{}", 401, 403, 404, 404 },
		{ "POST", "/api/v1/events", "{}", 401, 403, 422, 422 },
		{ "GET", "/api/v1/agents", NULL, 401, 200, 200, 200 },
		{ "POST", "/api/v1/agents", "{}", 401, 403, 403, 422 },
		{ "DELETE", "/api/v1/agents/x", NULL, 401, 403, 403, 404 },
		{ "POST", "/api/v1/agents/x/rotate", NULL, 401, 403, 403, 404 },
		{ "HEAD", "/api/v1/stream", NULL, 401, 200, 200, 200 },
		{ "GET", "/api/v2/summary.json", NULL, 401, 200, 200, 200 },
		{ "GET", "/api/v2/status.json", NULL, 401, 200, 200, 200 },
		{ "GET", "/api/v2/components.json", NULL, 401, 200, 200, 200 },
		{ "GET", "/api/v2/incidents.json", NULL, 401, 200, 200, 200 },
		{ "GET", "/metrics", NULL, 401, 200, 200, 200 },
		{ "POST", "/-/reload", NULL, 401, 403, 403, 200 },
		{ "GET", "/healthz", NULL, 200, 200, 200, 200 },
		{ "GET", "/-/healthy", NULL, 200, 200, 200, 200 },
		{ "GET", "/readyz", NULL, 200, 200, 200, 200 },
		{ "GET", "/-/ready", NULL, 200, 200, 200, 200 },
		{ "GET", "/openapi.yaml", NULL, 200, 200, 200, 200 },
		{ "GET", "/", NULL, 200, 200, 200, 200 },
	};
	static const char *const headers[] = { "", "Authorization: Bearer rrr\r\n",
		"Authorization: bearer ddd\r\n", "Authorization: Bearer aaa\r\n" };
	(void)state;
	failures = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const int want[] = { rows[i].open, rows[i].read, rows[i].deploy, rows[i].admin };
		for (size_t k = 0; k < ARRAY_LEN(want); k++) {
			struct answer a =
				client_do(port, rows[i].method, rows[i].target, headers[k], rows[i].body);
			if (a.status != want[k]) {
				print_error("%s %s with '%s': want %d, got %d\n", rows[i].method,
					rows[i].target, headers[k], want[k], a.status);
				failures++;
			}
			answer_fini(&a);
		}
	}
	assert_int_equal(failures, 0);
}

static void bearer(void **state)
{
	static const struct {
		const char *says, *target, *header;
		int status;
		const char *challenge;
	} cases[] = {
		{ "no token", "/metrics", "", 401, "Bearer realm=\"tidemark\", scope=\"read\"" },
		{ "a token nobody gave", "/metrics", "Authorization: Bearer nope\r\n", 401,
			"Bearer realm=\"tidemark\", scope=\"read\", error=\"invalid_token\"" },
		{ "another scheme", "/metrics", "Authorization: Basic cnJyOnJycg==\r\n", 401,
			"Bearer realm=\"tidemark\", scope=\"read\"" },
		{ "no token behind the word", "/metrics", "Authorization: Bearer \r\n", 401, NULL },
		{ "a token of less", "/-/reload", "Authorization: Bearer ddd\r\n", 403,
			"Bearer realm=\"tidemark\", scope=\"admin\", error=\"insufficient_scope\"" },
		{ "the host does not matter with tokens", "/metrics",
			"Host: tidemark.example\r\nAuthorization: Bearer rrr\r\n", 200, "" },
		{ "several scopes in one token", "/metrics", "Authorization: Bearer ooo\r\n", 200, "" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *method = strcmp(cases[i].target, "/-/reload") == 0 ? "POST" : "GET";
		struct answer a = client_do(port, method, cases[i].target, cases[i].header, NULL);
		if (a.status != cases[i].status ||
			(cases[i].challenge &&
				strcmp(answer_header(&a, "WWW-Authenticate"), cases[i].challenge) != 0))
			fail_msg("%s: got %d, '%s'", cases[i].says, a.status,
				answer_header(&a, "WWW-Authenticate"));
		answer_fini(&a);
	}
}

static void reload_changes_tokens(void **state)
{
	(void)state;
	struct http_token fresh[] = { token("new", "nnn", SCOPE_READ) };
	struct answer a = get("/api/v2/status.json");
	assert_int_equal(a.status, 401);
	answer_fini(&a);
	http_set_options(server, &(struct http_options){ .tokens = fresh,
					 .n_tokens = 1,
					 .open_status = true,
					 .page_title = STR("Shop status") });
	a = client_do(port, "GET", "/metrics", "Authorization: Bearer rrr\r\n", NULL);
	assert_int_equal(a.status, 401); /* the old one is worth nothing */
	answer_fini(&a);
	a = client_do(port, "GET", "/metrics", "Authorization: Bearer nnn\r\n", NULL);
	assert_int_equal(a.status, 200);
	answer_fini(&a);
	a = get("/api/v2/status.json");
	assert_int_equal(a.status, 200);
	assert_true(answer_says(&a, "\"Shop status\""));
	assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "*");
	answer_fini(&a);
	http_set_options(server, &(struct http_options){ .draft_incidents = true });
	a = client_do(port, "GET", "/api/v2/incidents.json", "", NULL);
	assert_true(a.status == 200 && answer_says(&a, "\"incidents\":[]"));
	answer_fini(&a);
	http_set_options(server, &(struct http_options){ 0 });
	a = client_do(port, "GET", "/api/v2/incidents.json", "", NULL);
	assert_true(a.status == 200 && answer_says(&a, "\"impact\":\"major\""));
	answer_fini(&a);
	a = get("/metrics");
	assert_int_equal(a.status, 200); /* loopback without tokens */
	answer_fini(&a);
}

static void where_it_listens(void **state)
{
	static const struct {
		const char *says, *listen;
		unsigned tokens;
		const char *sentence; /* NULL: it starts */
	} cases[] = {
		{ "loopback without tokens", "127.0.0.1:0", 0, NULL },
		{ "IPv6 loopback without tokens", "[::1]:0", 0, NULL },
		{ "its name", "localhost:0", 0, NULL },
		{ "everywhere without tokens", "0.0.0.0:0", 0, "loopback only" },
		{ "everywhere in IPv6 without tokens", "[::]:0", 0, "loopback only" },
		{ "no host without tokens", ":0", 0, "loopback only" },
		{ "everywhere with a token", "0.0.0.0:0", 1, NULL },
		{ "no port", "127.0.0.1", 0, "has no port" },
		{ "an empty port", "127.0.0.1:", 0, "listen address '127.0.0.1:'" },
		{ "a port that is no number", "127.0.0.1:http", 0, "listen address" },
		{ "an address that is not ours", "192.0.2.1:0", 1, "cannot listen on 192.0.2.1:0" },
	};
	struct http_token t[] = { token("x", "x", SCOPE_READ) };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http *h = NULL;
		struct err err = { 0 };
		struct http_options o = {
			.listen = str_of(cases[i].listen), .tokens = t, .n_tokens = cases[i].tokens
		};
		int rc = http_start(fake_hub_new(), &o, &h, &err);
		if ((rc == 0) != (cases[i].sentence == NULL) ||
			(rc < 0 && !strstr(err.text, cases[i].sentence)))
			fail_msg("%s: %d %s", cases[i].says, rc, err.text);
		http_stop(h);
		fake_hub_free();
	}
	server_start((struct http_options){ 0 });
	char taken[32];
	struct http *h = NULL;
	struct err err = { 0 };
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", port);
	assert_int_equal(
		http_start(fake_hub(), &(struct http_options){ .listen = str_of(taken) }, &h, &err), ERR_IO);
	assert_non_null(strstr(err.text, "in use"));
	teardown(NULL);

	/* tokens that vanish in a reload do not open an address that others reach */
	server_start((struct http_options){ .listen = STR("0.0.0.0:0"), .tokens = t, .n_tokens = 1 });
	http_set_options(server, &(struct http_options){ 0 });
	struct answer a = get("/api/v1/services");
	assert_int_equal(a.status, 403);
	assert_true(answer_says(&a, "no_token_configured"));
	answer_fini(&a);
	teardown(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_tokens, setup, teardown),
		cmocka_unit_test_setup_teardown(scopes, setup_tokens, teardown),
		cmocka_unit_test_setup_teardown(bearer, setup_tokens, teardown),
		cmocka_unit_test_setup_teardown(reload_changes_tokens, setup_tokens, teardown),
		cmocka_unit_test(where_it_listens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
