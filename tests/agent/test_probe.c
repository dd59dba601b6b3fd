/* `tidemark-agent probe`: what a person at a shell sees, what a script reads, and the exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "tests/agent/http_fake.h"

static struct http_fake *server;

static bool answer(struct http_fake_conn *c, const char *path, const char *request)
{
	if (strcmp(path, "/version") == 0)
		return http_fake_say(c, "HTTP/1.1 200 OK\r\nX-Cache: Hit from cloudfront\r\nX-Amz-Cf-Pop: "
					"FRA56-P3\r\nX-Amz-Cf-Id: x\r\n"
					"Age: 3700\r\nCache-Control: public, max-age=7200\r\nETag: "
					"\"e1\"\r\nContent-Length: 16\r\n\r\n"
					"{\"version\":\"v7\"}");
	if (strcmp(path, "/evil") == 0)
		return http_fake_say(c,
			"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"version\":\"a\\u001b[31mred\\n\"}");
	if (strcmp(path, "/moved") == 0)
		return http_fake_say(
			c, "HTTP/1.1 302 Found\r\nLocation: /version\r\nContent-Length: 0\r\n\r\n");
	return http_fake_say(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

/* Runs the program; an argument that begins with a slash is a path of the server. Returns the exit status.
 * The server's threads run while this forks, so the child may do nothing but become the program. */
static int run(const char *const *args, char *out, size_t n_out, char *err, size_t n_err)
{
	char *argv[16] = { (char *)(uintptr_t)TIDEMARK_AGENT, (char *)(uintptr_t) "probe" }, url[16][128];
	int status;
	FILE *o = tmpfile(), *e = tmpfile();
	assert_true(o != NULL && e != NULL);
	for (size_t i = 0; args[i]; i++) {
		bool ours = args[i][0] == '/';
		(void)snprintf(url[i], sizeof(url[i]), "http://127.0.0.1:%d%s", http_fake_port(server),
			ours ? args[i] : "");
		argv[i + 2] = ours ? url[i] : (char *)(uintptr_t)args[i];
	}
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fileno(o), STDOUT_FILENO);
		(void)dup2(fileno(e), STDERR_FILENO);
		execv(TIDEMARK_AGENT, argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rewind(o);
	rewind(e);
	out[fread(out, 1, n_out - 1, o)] = '\0';
	err[fread(err, 1, n_err - 1, e)] = '\0';
	(void)fclose(o);
	(void)fclose(e);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static char out[32768], err[8192];
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL }, out, sizeof(out), err, sizeof(err))

#define assert_has(text, what)                                                                               \
	do {                                                                                                 \
		if (strstr(text, what) == NULL)                                                              \
			fail_msg("'%s' is not in:\n%s", what, text);                                         \
	} while (0)

static void what_a_person_sees(void **state)
{
	assert_int_equal(RUN("/version"), 0);
	assert_has(out, "version  v7\n");
	assert_has(out, "status   200; ");
	assert_has(out, "edge     cloudfront:FRA56-P3 (Frankfurt, DE)\n");
	assert_has(out, "cache    edge hit");
	assert_has(out, "age      1h1m40s");
	assert_has(out, "ttl      58m20s left");
	assert_has(out, "address  127.0.0.1\n");
	assert_string_equal(err, "");
}

static void what_a_script_reads(void **state)
{
	json_error_t why;
	assert_int_equal(RUN("-o", "json", "--etag", "/version"), 0);
	json_t *j = json_loads(out, 0, &why);
	if (j == NULL)
		fail_msg("%s in %s", why.text, out);
	assert_string_equal(json_string_value(json_object_get(j, "version")), "\"e1\"");
	assert_string_equal(json_string_value(json_object_get(j, "edge")), "cloudfront:FRA56-P3");
	assert_string_equal(json_string_value(json_object_get(j, "vendor")), "cloudfront");
	assert_string_equal(json_string_value(json_object_get(j, "result")), "ok");
	assert_int_equal(json_integer_value(json_object_get(j, "status")), 200);
	assert_int_equal(json_integer_value(json_object_get(j, "age_s")), 3700);
	assert_int_equal(json_array_size(json_object_get(j, "tiers")), 1);
	assert_int_equal(json_array_size(json_object_get(j, "headers")), 7);
	json_t *place = json_object_get(j, "place");
	assert_string_equal(json_string_value(json_object_get(place, "city")), "Frankfurt");
	assert_string_equal(json_string_value(json_object_get(place, "country")), "DE");
	assert_true(json_real_value(json_object_get(place, "lat")) > 50.0);
	assert_true(json_real_value(json_object_get(place, "lon")) > 8.0);
	assert_true(json_is_null(json_object_get(j, "error")));
	assert_true(json_is_null(json_object_get(json_object_get(j, "timing_us"), "tls")));
	assert_true(json_integer_value(json_object_get(json_object_get(j, "timing_us"), "total")) > 0);
	json_decref(j);
	assert_int_equal(RUN("-o", "json", "/404"), 1);
	assert_has(out, "\"place\":null"); /* no header names a PoP */
}

static void several_at_once_in_their_order(void **state)
{
	assert_int_equal(RUN("/404", "/version"), 1);
	const char *first = strstr(out, "/404"), *second = strstr(out, "/version");
	assert_true(first && second && first < second);
	assert_has(out, "error    http: status 404");
	assert_has(out, "version  v7");
}

static void every_failure_has_its_cure(void **state)
{
	static const struct {
		const char *says, *args[4], *error, *cure;
		int status;
	} cases[] = {
		{ "not found", { "/404" }, "http: status 404", "the path", 1 },
		{ "a redirect", { "/moved" }, "redirect: status 302 to /version", "--redirects 1", 1 },
		{ "no such member, and it was asked for", { "--json=/nope", "/version" },
			"no_version: ", "--help", 1 },
		{ "a dead port", { "http://127.0.0.1:1/" }, "connect: ", "firewall", 1 },
		{ "a private address an agent would refuse", { "--public-only", "/version" },
			"refused: 127.0.0.1 is a loopback", "allow_networks", 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = run(cases[i].args, out, sizeof(out), err, sizeof(err));
		if (status != cases[i].status || !strstr(out, cases[i].error) || !strstr(out, cases[i].cure))
			fail_msg("%s: status %d\n%s%s", cases[i].says, status, out, err);
	}
	assert_int_equal(RUN("--redirects", "1", "/moved"), 0);
	assert_int_equal(RUN("--allow-private", "/version"), 0);
}

static void usage_says_what_is_wrong(void **state)
{
	static const struct {
		const char *says, *args[6], *error;
	} cases[] = {
		{ "no URL", { NULL }, "no URL" },
		{ "no scheme", { "example.com/version" }, "did you mean https://" },
		{ "a file", { "file:///etc/passwd" }, "neither http:// nor https://" },
		{ "an unknown option", { "--frobnicate", "/version" }, "--help" },
		{ "an unknown format", { "-o", "yaml", "/version" }, "expected text or json" },
		{ "a bad time", { "--timeout", "5", "/version" }, "5" },
		{ "a time out of range", { "--timeout", "1h", "/version" }, "100ms to 2m" },
		{ "a number that is none", { "--redirects", "many", "/version" }, "many" },
		{ "two ways to find a version", { "--etag", "--sha256", "/version" }, "more than one way" },
		{ "a header without a colon", { "-H", "Accept", "/version" }, "NAME: VALUE" },
		{ "an expression that does not compile", { "--regex", "(", "/version" }, "at byte 2" },
		{ "a pin without a port", { "--connect-to", "127.0.0.1", "/version" }, "HOST:PORT" },
		{ "an address that is a name", { "--address", "localhost", "/version" }, "IPv4 or IPv6" },
		{ "all addresses and one of them", { "--resolve-all", "--address", "::1", "/version" },
			"one of them" },
		{ "two places at once", { "--address", "::1", "--connect-to", "o:1", "/version" },
			"one of them" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = run(cases[i].args, out, sizeof(out), err, sizeof(err));
		if (status != 2 || !strstr(err, cases[i].error) || out[0] != '\0')
			fail_msg("%s: status %d\n%s%s", cases[i].says, status, out, err);
	}
	assert_int_equal(RUN("--help"), 0);
	assert_has(out, "every address is allowed");
}

static void hostile_text_does_not_reach_the_terminal(void **state)
{
	assert_int_equal(RUN("/evil"), 0);
	assert_null(strchr(out, '\x1b'));
	assert_has(out, "\\x1b[31mred");
}

static void the_request_it_sends(void **state)
{
	char got[4096], to[64], url[64];
	(void)snprintf(url, sizeof(url), "http://edge.invalid:%d/version", http_fake_port(server));
	assert_int_equal(RUN("--address", "127.0.0.1", url), 0); /* the name is not looked up */
	http_fake_last(server, got, sizeof(got));
	assert_has(got, "Host: edge.invalid:");
	(void)snprintf(to, sizeof(to), "127.0.0.1:%d", http_fake_port(server));
	assert_int_equal(
		RUN("-H", "X-Tenant: blue", "--connect-to", to, "http://www.example.com/version"), 0);
	http_fake_last(server, got, sizeof(got));
	assert_has(got, "GET /version HTTP/1.1\r\n");
	assert_has(got, "Host: www.example.com\r\n");
	assert_has(got, "X-Tenant: blue\r\n");
	assert_has(got, "User-Agent: " AGENT_USER_AGENT "\r\n");
}

static void every_address_has_a_line(void **state)
{
	char url[64];
	(void)snprintf(url, sizeof(url), "http://localhost:%d/version", http_fake_port(server));
	assert_int_equal(RUN("-4", "--resolve-all", url), 0);
	assert_has(out, "127.0.0.1 ");
	assert_has(out, "  v7  cloudfront:FRA56-P3  hit  age 3700s\n");
	assert_true(strchr(out, '\n') == out + strlen(out) - 1); /* one address, one line */
	assert_int_equal(RUN("-o", "json", "-4", "--resolve-all", url), 0);
	assert_has(out, "\"ip\":\"127.0.0.1\"");
	assert_int_equal(RUN("--resolve-all", "http://nowhere.invalid/"), 1);
	assert_has(out, "error    dns: ");
}

/* Who is asked for http://shop.example/version answers: our server, taken for a proxy. */
static void through_a_proxy(void **state)
{
	char proxy[64], with_user[80], got[4096];
	(void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", http_fake_port(server));
	(void)snprintf(with_user, sizeof(with_user), "http://u:p@127.0.0.1:%d", http_fake_port(server));
	(void)RUN("--proxy", proxy, "--proxy-user", "u:p", "http://shop.example/version");
	http_fake_last(server, got, sizeof(got));
	assert_has(got, "GET http://shop.example/version HTTP/1.1\r\n");
	assert_has(got, "Proxy-Authorization: Basic dTpw\r\n");
	assert_int_equal(RUN("--proxy", with_user, "http://shop.example/version"), 2);
	assert_has(err, "--proxy-user");
	assert_int_equal(RUN("--proxy", "ftp://127.0.0.1:21", "http://shop.example/version"), 2);
	assert_has(err, "tidemark-agent probe: --proxy: ");
	assert_int_equal(RUN("--proxy-user", "u:p", "http://shop.example/version"), 2);
	assert_has(err, "--proxy-user without --proxy");
	assert_int_equal(RUN("--proxy", "socks5h://127.0.0.1:1", "http://shop.example/version"), 1);
	assert_has(out, "error    connect: ");
	assert_int_equal(RUN("--public-only", "--proxy", proxy, "http://shop.example/version"), 1);
	assert_has(out, "error    refused: ");
}

static int setup(void **state)
{
	server = http_fake_start(answer);
	return 0;
}

static int teardown(void **state)
{
	http_fake_stop(server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_person_sees),
		cmocka_unit_test(what_a_script_reads),
		cmocka_unit_test(several_at_once_in_their_order),
		cmocka_unit_test(every_failure_has_its_cure),
		cmocka_unit_test(usage_says_what_is_wrong),
		cmocka_unit_test(hostile_text_does_not_reach_the_terminal),
		cmocka_unit_test(the_request_it_sends),
		cmocka_unit_test(every_address_has_a_line),
		cmocka_unit_test(through_a_proxy),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
