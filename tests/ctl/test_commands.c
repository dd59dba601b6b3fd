/* deploy, purge, agents, status, edges: what they send, what they show, how they fail. */
#include "ctl_test.h"
#include "tests/ctl/lists.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "collector/ctl/term.h"

/* clang-format off: one answer, one line; one case, one sentence */
#define DEPLOY                                                                                               \
	"{\"id\":\"d_1\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"converging\",\"reason\":"     \
	"null,"                                                                                              \
	"\"live_at\":\"2026-03-01T10:00:00Z\",\"propagation\":{}}"
#define PENDING                                                                                              \
	"{\"id\":\"d_1\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"pending\",\"live_at\":null}"
#define PURGE                                                                                                \
	"{\"id\":\"p_1\",\"service\":\"shop\",\"vendor\":\"self\",\"patterns\":[\"/"                         \
	"a\"],\"completed_at\":\"2026-03-01T10:00:00Z\"}"
#define ENROLLED                                                                                             \
	"{\"name\":\"fra-1\",\"region\":\"eu\",\"token\":\"tmk_"                                             \
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFG\"}"
#define CONFLICT                                                                                             \
	"{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,\"detail\":\"agent 'fra-1' is "     \
	"enrolled already\"}"
#define CELL(endpoint, edge, state, version)                                                                 \
	"{\"service\":\"shop\",\"endpoint\":\"" endpoint "\",\"edge\":\"" edge "\",\"state\":\"" state       \
	"\",\"version\":\"" version                                                                          \
	"\",\"expected\":\"v2\",\"staleness_s\":null,\"age_s\":3,\"last_seen\":\"2026-03-01T10:00:00Z\"}"

/* -- deploys and purges -- */

static const struct {
	const char *says;
	const char *args[14];
	const char *method, *path, *answer, *body, *want;
} told[] = {
	{ "a deploy", { "deploy", "shop", "--version", "v2" }, "POST", "/api/v1/deploys", PENDING,
		"{\"service\":\"shop\",\"version\":\"v2\"}",
		"shop v2 is pending\nid d_1\nsay when the origin serves it: tidemark deploy --live d_1\n" },
	{ "with all there is to say",
		{ "deploy", "--alias", "1.2", "shop", "--version=v2", "--source", "ci", "--revision", "3f2a",
			"--alias=latest", "--started-at=2026-03-01T09:59:00Z",
			"--live-at=2026-03-01T12:00:00+02:00" },
		"POST", "/api/v1/deploys", DEPLOY,
		"{\"service\":\"shop\",\"version\":\"v2\",\"source\":\"ci\",\"revision\":\"3f2a\","
		"\"aliases\":[\"1.2\",\"latest\"],"
		"\"started_at\":\"2026-03-01T09:59:00Z\",\"live_at\":\"2026-03-01T10:00:00Z\"}",
		"shop v2 is converging, live since 2026-03-01T10:00:00Z\nid d_1\nfollow it: tidemark verify "
		"shop --version v2\n" },
	{ "live at a time", { "deploy", "--live", "d_1", "--live-at", "1772359200000000" }, "PATCH",
		"/api/v1/deploys/d_1", DEPLOY, "{\"live_at\":\"2026-03-01T10:00:00Z\"}",
		"shop v2 is converging" },
	{ "aborted", { "deploy", "--abort", "d/1?" }, "PATCH", "/api/v1/deploys/d%2F1%3F",
		"{\"id\":\"d_1\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"aborted\"}",
		"{\"aborted\":true}", "shop v2 is aborted\nid d_1\n" },
	{ "a purge", { "purge", "shop", "--vendor", "self", "/version", "/static/*" }, "POST",
		"/api/v1/purges", PURGE,
		"{\"service\":\"shop\",\"vendor\":\"self\",\"patterns\":[\"/version\",\"/static/*\"]}",
		"purge of shop at self is noted, completed\nid p_1\n" },
	{ "of tags, softly, in a zone",
		{ "purge", "shop", "--tag", "a", "--tag", "b", "--soft", "--zone", "E2", "--vendor", "fastly",
			"--source", "me" },
		"POST", "/api/v1/purges", PURGE,
		"{\"service\":\"shop\",\"vendor\":\"fastly\",\"zone\":\"E2\",\"source\":\"me\",\"tags\":["
		"\"a\",\"b\"],\"soft\":true}",
		"id p_1" },
	{ "of everything", { "purge", "shop", "--vendor", "self", "--everything" }, "POST", "/api/v1/purges",
		PURGE, "{\"service\":\"shop\",\"vendor\":\"self\",\"everything\":true}", "id p_1" },
	{ "a pattern that looks like an option",
		{ "purge", "shop", "--vendor", "self", "--", "--everything" }, "POST", "/api/v1/purges",
		PURGE, "{\"service\":\"shop\",\"vendor\":\"self\",\"patterns\":[\"--everything\"]}",
		"id p_1" },
};
/* clang-format on */

static void what_happened_is_told(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, told[i].method, told[i].path, 201, told[i].answer);
		run_client(&r, f, false, NULL, told[i].args);
		if (r.code != 0)
			fail_msg("%s: exit %d, %s", told[i].says, r.code, r.err.p);
		if (!fake_got_body(f, told[i].method, told[i].path, told[i].body))
			fail_msg("%s: sent\n%s", told[i].says, fake_requests(f));
		must_contain(told[i].says, r.out.p, told[i].want);
		assert_int_equal(fake_count(f, "Idempotency-Key: tidemark-"), 1);
		assert_int_equal(fake_count(f, "Content-Type: application/json\r\n"), 1);
		run_fini(&r);
		fake_stop(f);
	}
}

static void now_is_now(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "POST", "/api/v1/deploys", 201, DEPLOY);
	fake_answer(f, "PATCH", "/api/v1/deploys/d_1", 200, DEPLOY);
	fake_answer(f, "POST", "/api/v1/purges", 201, PURGE);
	run_client(&r, f, false, NULL, ARGS("deploy", "shop", "--version", "v2", "--live-at", "now"));
	assert_int_equal(r.code, 0);
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("deploy", "--live", "d_1"));
	assert_int_equal(r.code, 0);
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("purge", "shop", "--vendor", "self", "/", "--completed"));
	assert_int_equal(r.code, 0);
	run_fini(&r);
	assert_int_equal(fake_count(f, "\"live_at\":\"20"), 2);
	const char *requested = strstr(fake_requests(f), "\"requested_at\":\""), *completed;
	assert_non_null(requested);
	completed = strstr(requested, "\"completed_at\":\"");
	assert_non_null(completed); /* the same moment: a purge cannot end before it began */
	assert_memory_equal(
		requested + strlen("\"requested_at\":\""), completed + strlen("\"completed_at\":\""), 20);
	fake_stop(f);
}

static void what_got_no_answer_is_sent_again_with_the_same_key(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "POST", "/api/v1/deploys", 0, "");
	fake_answer(f, "POST", "/api/v1/deploys", 503,
		"{\"title\":\"Service Unavailable\",\"detail\":\"the disk is full\"}");
	fake_answer(f, "POST", "/api/v1/deploys", 201, DEPLOY);
	run_client(&r, f, false, NULL, ARGS("deploy", "shop", "--version", "v2"));
	assert_int_equal(r.code, 0);
	assert_int_equal(fake_count(f, "POST /api/v1/deploys"), 3);
	const char *key = strstr(fake_requests(f), "Idempotency-Key: ");
	char line[128];
	snprintf(line, sizeof(line), "%.*s", (int)(strchr(key, '\r') - key), key);
	assert_int_equal(fake_count(f, line), 3);
	run_fini(&r);
	fake_stop(f);

	f = fake_start();
	fake_answer(f, "POST", "/api/v1/deploys", 503,
		"{\"title\":\"Service Unavailable\",\"detail\":\"the disk is full\"}");
	run_client(&r, f, false, NULL, ARGS("deploy", "shop", "--version", "v2"));
	assert_int_equal(r.code, 5);
	assert_string_equal(r.err.p, "tidemark: Service Unavailable: the disk is full (HTTP 503)\n");
	assert_int_equal(fake_count(f, "POST /api/v1/deploys"), 3); /* and no more */
	run_fini(&r);
	fake_stop(f);
}

/* -- what is wrong is said before anything is sent -- */

static void bad_command_lines_send_nothing(void **state)
{
	static const struct {
		const char *says, *args[8], *want;
	} bad[] = {
		{ "no service", { "deploy", "--version", "v2" }, "deploy: SERVICE is missing" },
		{ "no version", { "deploy", "shop" }, "deploy: --version V is missing" },
		{ "live and abort", { "deploy", "--live", "a", "--abort", "b" },
			"--live or --abort, not both" },
		{ "a service beside an id", { "deploy", "shop", "--live", "d_1" },
			"name the deploy by its id" },
		{ "aborted, yet live", { "deploy", "--abort", "d_1", "--live-at", "now" },
			"leave --live-at out" },
		{ "bytes that are no text", { "deploy", "shop", "--version", "v\xFF" }, "not UTF-8" },
		{ "no vendor", { "purge", "shop", "/a" }, "purge: --vendor V is missing" },
		{ "nothing purged", { "purge", "shop", "--vendor", "self" }, "what was purged?" },
		{ "no service to purge", { "purge", "--vendor", "self" }, "something is missing" },
		{ "no such verb", { "agents", "delete", "x" },
			"'delete' is none of list, enroll, rotate, revoke" },
		{ "a verb misspelt", { "agents", "revok", "x" }, "did you mean 'revoke'?" },
		{ "nobody to enroll", { "agents", "enroll" }, "enroll wants the agent's NAME" },
		{ "a list of one", { "agents", "list", "fra-1" }, "list takes no name" },
		{ "a region for nobody", { "agents", "rotate", "a", "--region", "eu" },
			"--region is for enroll" },
		{ "two services", { "status", "a", "b" }, "'b' is one too many" },
		{ "no such output", { "status", "-o", "yaml" }, "'yaml' is none of text|json" },
		{ "no changes wanted", { "watch", "--events", "0" }, "wants a number from 1 on" },
		{ "no such command", { "edgse" }, "unknown command 'edgse'; did you mean 'edges'?" },
		{ "no such command at all", { "frobnicate" },
			"unknown command 'frobnicate'; `tidemark --help` lists them" },
		{ "a token file that is not there", { "status", "--token-file", "/nowhere" },
			"--token-file /nowhere: No such file" },
		{ "an empty one", { "status", "--token-file", "/dev/null" },
			"--token-file /dev/null: its first line is empty" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct fake *f = fake_start();
		struct run r;
		run_client(&r, f, false, NULL, bad[i].args);
		if (r.code != 2)
			fail_msg("%s: exit %d, %s%s", bad[i].says, r.code, r.out.p, r.err.p);
		must_contain(bad[i].says, r.err.p, bad[i].want);
		assert_string_equal(fake_requests(f), "");
		run_fini(&r);
		fake_stop(f);
	}
}

static void no_address_no_token_that_makes_no_sense(void **state)
{
	static const struct {
		const char *env, *want;
		int code;
	} bad[] = {
		{ "TIDEMARK_SERVER=127.0.0.1:8470",
			"the collector's address is '127.0.0.1:8470': want http://HOST:PORT", 2 },
		{ "TIDEMARK_SERVER=file:///etc/passwd", "want http://HOST:PORT", 2 },
		{ "TIDEMARK_SERVER=http://", "the collector's address is 'http://'", 2 },
		{ "TIDEMARK_SERVER=http://[::1", "cannot reach", 5 },
		{ "TIDEMARK_TOKEN=a b", "the token holds a space", 2 },
		{ "TIDEMARK_TOKEN=a\r\nX-Evil: 1", "the token holds a space", 2 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct run r;
		run_client(&r, NULL, false, (const char *const[]){ bad[i].env, NULL }, ARGS("status"));
		if (r.code != bad[i].code)
			fail_msg("%s: exit %d, %s", bad[i].env, r.code, r.err.p);
		must_contain(bad[i].env, r.err.p, bad[i].want);
		run_fini(&r);
	}
}

/* -- agents -- */

static void tokens_are_shown_once_and_alone(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "POST", "/api/v1/agents", 201, ENROLLED);
	fake_answer(f, "POST", "/api/v1/agents", 409, CONFLICT);
	fake_answer(f, "POST", "/api/v1/agents/fra-1/rotate", 200, ENROLLED);
	fake_answer(f, "DELETE", "/api/v1/agents/..", 204, "");
	run_client(&r, f, false, NULL, ARGS("agents", "enroll", "fra-1", "--region", "eu"));
	assert_int_equal(r.code, 0);
	assert_string_equal(r.out.p, "tmk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG\n");
	must_contain("the rest is for the person", r.err.p, "This token is shown once.");
	assert_true(fake_got_body(f, "POST", "/api/v1/agents", "{\"name\":\"fra-1\",\"region\":\"eu\"}"));
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("agents", "enroll", "fra-1", "-o", "json"));
	assert_int_equal(r.code, 1);
	must_contain("title, detail, and what to do", r.err.p,
		"tidemark: Conflict: agent 'fra-1' is enrolled already (HTTP 409)\nA new token beside the "
		"old: "
		"tidemark agents rotate fra-1\n");
	assert_string_equal(r.out.p, "");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("agents", "rotate", "fra-1", "-o", "json"));
	assert_int_equal(r.code, 0);
	must_contain("JSON", r.out.p, "\"token\": \"tmk_0123456789");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("agents", "revoke", ".."));
	assert_int_equal(r.code, 0);
	must_contain("revoked", r.out.p, "agent '..' is revoked");
	run_fini(&r);
	fake_stop(f);
}

static void what_the_answer_warns_of_is_on_stderr(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "POST", "/api/v1/purges", 201,
		"{\"id\":\"p_1\",\"service\":\"shop\",\"vendor\":\"self\",\"completed_at\":null,"
		"\"warnings\":[\"'nopath' matches none of shop's 3 endpoints\",7,\"a\\u001bb\"]}");
	run_client(&r, f, false, NULL, ARGS("purge", "shop", "--vendor", "self", "nopath"));
	assert_int_equal(r.code, 0);
	assert_string_equal(r.out.p, "purge of shop at self is noted\nid p_1\n");
	must_contain("the warning", r.err.p,
		"tidemark: warning: 'nopath' matches none of shop's 3 endpoints\ntidemark: warning: a");
	assert_null(strchr(r.err.p, '\033'));
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("purge", "shop", "--vendor", "self", "nopath", "-o", "json"));
	assert_int_equal(r.code, 0);
	must_contain("also beside JSON", r.err.p, "tidemark: warning: 'nopath' matches none");
	run_fini(&r);
	fake_stop(f);
}

static void agents_are_listed(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/agents", 200, AGENTS);
	run_client(&r, f, false, NULL, ARGS("agents"));
	assert_int_equal(r.code, 0);
	must_contain("a head", r.out.p, "AGENT  REGION  STATE      LAST RESULT  RESULTS  SOFTWARE");
	must_contain("one that is fine", r.out.p, "fra-1  eu      connected  -            1234");
	must_contain("one that is not", r.out.p, "nrt-1  ap      silent");
	must_contain("and whose clock is off", r.out.p, "clock off");
	assert_null(strstr(r.out.p, " \n")); /* no line ends in blanks */
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("agents", "list", "-o", "json"));
	json_t *list = json_loads(r.out.p, 0, NULL);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	run_fini(&r);
	fake_stop(f);

	f = fake_start();
	fake_answer(f, "GET", "/api/v1/agents", 200, "{\"items\":[],\"next\":null}");
	run_client(&r, f, false, NULL, ARGS("agents"));
	must_contain(
		"nobody, and what to do", r.out.p, "no agents yet; enroll one: tidemark agents enroll NAME");
	run_fini(&r);
	fake_stop(f);
}

/* -- status and edges -- */

static void status_is_one_screen(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/deploys", 200, DEPLOYS);
	fake_answer(f, "GET", "/api/v1/agents", 200, AGENTS);
	run_client(&r, f, false, NULL, ARGS("status"));
	assert_int_equal(r.code, 0);
	must_contain("services", r.out.p, "SERVICE  VERSION  LIVE");
	must_contain("counts", r.out.p, "failed   16     1      1      6\n");
	must_contain("one without a deploy", r.out.p, "pay      -        -");
	must_contain("deploys", r.out.p, "d_2     shop     v2       failed   88 %");
	must_contain("agents", r.out.p, "agents: 1 of 2 connected; nrt-1 silent\n");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("status", "shop", "-o", "json"));
	json_t *all = json_loads(r.out.p, 0, NULL);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(json_object_get(all, "deploys"), 0), "id")),
		"d_2");
	assert_int_equal(json_array_size(json_object_get(all, "services")), 1);
	json_decref(all);
	run_fini(&r);
	assert_int_equal(fake_count(f, "GET /api/v1/deploys?limit=5&service=shop "), 1);
	run_client(&r, f, false, NULL, ARGS("status", "shopp"));
	assert_int_equal(r.code, 2);
	must_contain("a service nobody knows", r.err.p, "did you mean 'shop'?");
	run_fini(&r);
	fake_stop(f);
}

static void edges_are_read_page_by_page(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/cells", 200,
		"{\"items\":[" CELL("/version", "self:fra", "fresh", "v2") "],\"next\":\"a&b\"}");
	fake_answer(f, "GET", "/api/v1/cells", 200,
		"{\"items\":[" CELL("/version", "self:nrt", "stale", "v1") "],\"next\":null}");
	run_client(&r, f, false, NULL,
		ARGS("edges", "shop", "--state", "stale", "--vendor", "self", "--region", "eu", "--endpoint",
			"/v", "--edge", "self:fra"));
	assert_int_equal(r.code, 0);
	must_contain("the first page", r.out.p, "/version  self:fra  fresh  v2      v2      -    3s\n");
	must_contain("the second", r.out.p, "/version  self:nrt  stale  v1      v2      -    3s\n");
	assert_int_equal(fake_count(f, "GET "
				       "/api/v1/"
				       "cells?limit=1000&service=shop&state=stale&endpoint=%2Fv&vendor=self&"
				       "region=eu&edge=self%3Afra "),
		1);
	assert_int_equal(fake_count(f, "&edge=self%3Afra&cursor=a%26b "), 1);
	run_fini(&r);
	fake_stop(f);

	f = fake_start(); /* a cursor that leads to itself must not be followed for ever */
	fake_answer(f, "GET", "/api/v1/cells", 200, "{\"items\":[],\"next\":\"x\"}");
	run_client(&r, f, false, NULL, ARGS("edges"));
	assert_int_equal(r.code, 5);
	assert_int_equal(fake_count(f, "GET /api/v1/cells"), 2);
	run_fini(&r);
	fake_stop(f);
}

static void tables_fit_the_terminal(void **state)
{
	static const struct {
		const char *says, *env, *arg;
		bool tty;
		size_t width;
	} cases[] = {
		{ "a pipe is taken for 80 columns", NULL, NULL, false, 80 },
		{ "or as many as COLUMNS says", "COLUMNS=60", NULL, false, 60 },
		{ "a terminal has its own", "COLUMNS=60", NULL, true, 80 },
		{ "--wide cuts nothing", NULL, "--wide", false, 200 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, "GET", "/api/v1/cells", 200,
			"{\"items\":[" CELL("https://api.example.com/some/long/path/version?format=json",
				"cloudfront:FRA56-P3", "never_seen",
				"3f2a9c1d8e7b6a5f4d3c2b1a0f9e8d7c6b5a4f3e") "],\"next\":null}");
		run_client(&r, f, cases[i].tty,
			cases[i].env ? (const char *const[]){ cases[i].env, NULL } : NULL,
			ARGS("edges", "--no-color", cases[i].arg));
		struct str rest = buf_str(&r.out), line;
		size_t widest = 0;
		while (str_cut(&rest, '\n', &line))
			widest = MAX(widest, text_width(str_trim(line)));
		if (widest > cases[i].width || (cases[i].width == 200 && widest < 120))
			fail_msg("%s: %zu columns\n%s", cases[i].says, widest, r.out.p);
		run_fini(&r);
		fake_stop(f);
	}
}

static void a_token_comes_from_a_file_and_beats_the_environment(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	char path[] = "/tmp/tidemark-token-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, "tmk_file \nmore\n", 15) == 15);
	close(fd);
	fake_answer(f, "GET", "/api/v1/agents", 200, AGENTS);
	run_client(&r, f, false, (const char *const[]){ "TIDEMARK_TOKEN=tmk_env", NULL },
		ARGS("agents", "--token-file", path));
	assert_int_equal(r.code, 0);
	assert_int_equal(fake_count(f, "Authorization: Bearer tmk_file\r\n"), 1);
	assert_int_equal(fake_count(f, "tmk_env"), 0);
	run_fini(&r);
	fake_stop(f);
	unlink(path);
}

static void answers_that_are_no_http_are_survived(void **state)
{
	static const char *const raw[] = { "", "SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{\"items\":",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\nthis is no gzip",
		"HTTP/1.1 999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"items\":[\"\xFF\xFE\"],\"next\":null}" };
	for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, "GET", "*", -1, raw[i]);
		run_client(&r, f, false, NULL, ARGS("agents"));
		if (r.code != 5)
			fail_msg("answer %zu: exit %d\n%s%s", i, r.code, r.out.p, r.err.p);
		assert_true(r.err.n > 10);
		run_fini(&r);
		fake_stop(f);
	}
}

static void must_fit(const char *says, struct str rest)
{
	for (struct str line; str_cut(&rest, '\n', &line);)
		if (line.n > 80)
			fail_msg("%s: wider than a terminal: %.*s", says, STR_ARG(line));
}

static void help_is_for_every_command(void **state)
{
	static const char *const commands[] = { "deploy", "purge", "verify", "status", "edges", "agents",
		"watch" };
	struct run r;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		char usage[64];
		snprintf(usage, sizeof(usage), "usage: tidemark %s ", commands[i]);
		run_client(&r, NULL, false, NULL, ARGS(commands[i], "--help"));
		assert_int_equal(r.code, 0);
		must_contain(commands[i], r.out.p, usage);
		must_contain(commands[i], r.out.p, "--server URL");
		must_fit(commands[i], buf_str(&r.out));
		run_fini(&r);
		run_client(&r, NULL, false, NULL, ARGS("--help"));
		assert_int_equal(r.code, 0);
		must_contain("the list", r.out.p, commands[i]);
		run_fini(&r);
	}
	run_client(&r, NULL, false, NULL, ARGS("--version"));
	assert_string_equal(r.out.p, "tidemark " TIDEMARK_VERSION "\n");
	run_fini(&r);
	run_client(&r, NULL, false, NULL, ARGS(NULL));
	assert_int_equal(r.code, 2);
	run_fini(&r);
}

/* A token that is shown once and then lost in a full disk must not look like a success. */
static void an_answer_nobody_has_is_no_success(void **state)
{
	static const char *const lines[] = { TIDEMARK_PROGRAM " --version >/dev/full 2>/dev/null",
		TIDEMARK_PROGRAM " --help >/dev/full 2>/dev/null" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		int status = system(lines[i]);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != 1)
			fail_msg("%s: exit %d", lines[i], WEXITSTATUS(status));
	}
	assert_int_equal(system(TIDEMARK_PROGRAM " --version >/dev/null"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_happened_is_told),
		cmocka_unit_test(now_is_now),
		cmocka_unit_test(what_got_no_answer_is_sent_again_with_the_same_key),
		cmocka_unit_test(bad_command_lines_send_nothing),
		cmocka_unit_test(no_address_no_token_that_makes_no_sense),
		cmocka_unit_test(tokens_are_shown_once_and_alone),
		cmocka_unit_test(agents_are_listed),
		cmocka_unit_test(what_the_answer_warns_of_is_on_stderr),
		cmocka_unit_test(status_is_one_screen),
		cmocka_unit_test(edges_are_read_page_by_page),
		cmocka_unit_test(tables_fit_the_terminal),
		cmocka_unit_test(a_token_comes_from_a_file_and_beats_the_environment),
		cmocka_unit_test(answers_that_are_no_http_are_survived),
		cmocka_unit_test(help_is_for_every_command),
		cmocka_unit_test(an_answer_nobody_has_is_no_success),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
