/* What is asked for by a name that nobody goes by, and how what is found is shown. */
#include "tests/ctl/ctl_test.h"
#include "tests/ctl/lists.h"

static void a_verdict_on_another_version_says_which(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200,
		"{\"items\":[{\"name\":\"shop\",\"current\":{\"version\":\"v2\"},\"cells\":{},\"verdict\":"
		"\"pending\","
		"\"verdict_version\":\"v3\",\"agents\":6}],\"next\":null}");
	fake_answer(f, "GET", "/api/v1/deploys", 200, DEPLOYS);
	fake_answer(f, "GET", "/api/v1/agents", 200, AGENTS);
	run_client(&r, f, false, NULL, ARGS("status"));
	must_contain("the new one is pending, not the one that is right", r.out.p, "v3 pending  0 ");
	run_fini(&r);
	fake_stop(f);
}

static void edges_of_nothing_say_so(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/cells", 200, "{\"items\":[],\"next\":null}");
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	run_client(&r, f, false, NULL, ARGS("edges", "shop", "--state", "stale"));
	assert_int_equal(r.code, 0);
	assert_string_equal(r.out.p, "no cell is like that\n");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("edges", "shop"));
	assert_string_equal(r.out.p, "no cells yet: no agent has reported a result\n");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("edges", "shop", "-o", "json"));
	assert_string_equal(r.out.p, "[]\n");
	run_fini(&r);
	fake_stop(f);
}

static void a_filter_nothing_goes_by_is_wrong_usage(void **state)
{
	static const struct {
		const char *says, *args[6], *want;
	} cases[] = {
		{ "a service", { "edges", "shpo" }, "did you mean 'shop'?" },
		{ "a state", { "edges", "--state", "stal" },
			"edges: no state 'stal'; did you mean 'stale'?" },
		{ "a state like none", { "edges", "--state", "frobnicate" },
			"edges: no state 'frobnicate'; there are never_seen, silent, moved, failing, fresh, "
			"stale" },
		{ "an endpoint", { "edges", "shop", "--endpoint", "versoin" },
			"edges: no endpoint 'versoin'; did you mean 'version'?" },
		{ "an endpoint of another service", { "edges", "pay", "--endpoint", "version" },
			"edges: no endpoint 'version'; there is none" },
		{ "a region", { "edges", "--region", "mars" },
			"edges: no agent's region is 'mars'; there are eu, ap" },
		{ "a vendor", { "edges", "--vendor", "slef" },
			"edges: no edge seen so far is of vendor 'slef'; did you mean 'self'?" },
		{ "an edge", { "edges", "--edge", "self:far" },
			"edges: no edge was seen so far by the name 'self:far'; did you mean 'self:fra'?" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, "GET", "/api/v1/cells", 200, "{\"items\":[],\"next\":null}");
		fake_answer(f, "GET", "/api/v1/cells", 200,
			"{\"items\":[{\"vendor\":\"self\",\"edge\":\"self:fra\"}],\"next\":null}");
		fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
		fake_answer(f, "GET", "/api/v1/agents", 200, AGENTS);
		run_client(&r, f, false, NULL, cases[i].args);
		if (r.code != 2)
			fail_msg("%s: exit %d %s%s", cases[i].says, r.code, r.out.p, r.err.p);
		must_contain(cases[i].says, r.err.p, cases[i].want);
		run_fini(&r);
		fake_stop(f);
	}
}

#define EVIDENCE                                                                                             \
	"{\"service\":\"shop\",\"endpoint\":\"a/b\",\"edge\":\"fastly:FRA\",\"evidence\":[{\"at\":"          \
	"\"2026-03-01T10:00:00Z\",\"agent\":\"fra-1\",\"version\":\"v1\",\"status\":200,\"vendor\":"         \
	"\"fastly\",\"told\":[{\"what\":\"pop\",\"header\":\"x-served-by\",\"value\":\"FRA\"},{\"what\":"    \
	"\"ttl_s\",\"header\":\"cache-control\",\"value\":48,\"because\":\"max-age\"},{\"what\":\"cache\","  \
	"\"header\":\"x-cache\",\"value\":\"hit\"}],\"headers\":[\"HTTP/1.1 200 OK\",\"X-Served-By: "        \
	"cache-fra-1-FRA\",\"X-Cache: MISS\",\"x-cache: HIT\",\"Cache-Control: max-age=60\",\"X-Bad: "       \
	"\\u001b[31m\"]}]}"

static void evidence_shows_which_header_told_what(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/cells", 200,
		"{\"items\":[{\"service\":\"shop\",\"endpoint\":\"a/b\",\"edge\":\"fastly:FRA\",\"state\":"
		"\"stale\"},{\"service\":\"shop\",\"endpoint\":\"w\",\"edge\":\"gone:1\",\"state\":\"fresh\"}"
		"],"
		"\"next\":null}");
	fake_answer(f, "GET", "/api/v1/cells/a%2Fb/fastly%3AFRA/evidence", 200, EVIDENCE);
	fake_answer(f, "GET", "/api/v1/cells/w/gone%3A1/evidence", 404,
		"{\"type\":\"x\",\"title\":\"not_found\",\"status\":404,\"detail\":\"no such cell\"}");
	run_client(&r, f, false, NULL, ARGS("edges", "shop", "--evidence"));
	assert_int_equal(r.code, 0);
	must_contain("whose it is", r.out.p, "a/b at fastly:FRA of shop, stale\n");
	must_contain("when and who", r.out.p,
		"  2026-03-01T10:00:00Z  seen by fra-1, status 200, version v1\n    HTTP/1.1 200 OK\n");
	must_contain("the place", r.out.p, "    X-Served-By: cache-fra-1-FRA   <- pop FRA\n");
	must_contain("the nearest of two lines told it", r.out.p,
		"    X-Cache: MISS\n    x-cache: HIT   <- cache hit\n");
	must_contain("the rule", r.out.p, "    Cache-Control: max-age=60   <- ttl_s 48 (max-age)\n");
	assert_null(strchr(r.out.p, 27)); /* no stranger writes to the terminal */
	must_contain("a cell that is gone meanwhile", r.out.p,
		"w at gone:1 of shop, fresh\n  no headers were kept\n");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("edges", "shop", "--evidence", "-o", "json"));
	must_contain("in JSON as they came", r.out.p, "\"evidence\"");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("edges", "shop"));
	assert_null(strstr(r.out.p, "X-Served-By"));
	run_fini(&r);
	fake_stop(f);
}

static void a_service_nobody_watches_is_wrong_usage_everywhere(void **state)
{
	static const char *const args[][8] = { { "deploy", "shpo", "--version", "v2" },
		{ "purge", "shpo", "--vendor", "self", "/" } };
	for (size_t i = 0; i < ARRAY_LEN(args); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, "POST", "*", 422,
			"{\"title\":\"Unprocessable "
			"Content\",\"code\":\"unknown_service\",\"detail\":\"/service: no "
			"service 'shpo' is watched here; did you mean 'shop'?\"}");
		run_client(&r, f, false, NULL, args[i]);
		assert_int_equal(r.code, 2);
		must_contain("which was meant", r.err.p, "did you mean 'shop'?");
		run_fini(&r);
		fake_stop(f);
	}
}

static void numbers_are_shown_as_they_were_meant(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/cells", 200,
		"{\"items\":[{\"service\":\"shop\",\"edge\":\"self:fra\",\"state\":\"fresh\",\"staleness_s\":"
		"0,\"ttl_s\":0.3}],"
		"\"next\":null}");
	run_client(&r, f, false, NULL, ARGS("edges", "-o", "json"));
	must_contain("without noise", r.out.p, "\"ttl_s\": 0.3");
	must_not_contain("without noise", r.out.p, "0.29");
	must_not_contain("without noise", r.out.p, "0.30");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("edges"));
	must_not_contain("what is fresh is stale for no time at all", r.out.p, "0s");
	run_fini(&r);
	fake_stop(f);
}

/* A city is shown where that cuts nothing; what is only a hint never is. */
#define PLACED(endpoint, edge, place)                                                                        \
	"{\"service\":\"shop\",\"endpoint\":\"" endpoint "\",\"edge\":\"" edge                               \
	"\",\"state\":\"fresh\",\"version\":\"v2\",\"expected\":\"v2\",\"staleness_s\":null,\"age_s\":3,"    \
	"\"place\":" place "}"
#define FRANKFURT "{\"city\":\"Frankfurt\",\"country\":\"DE\",\"lat\":50.04,\"lon\":8.56,\"from\":\"header\"}"
#define HINT      "{\"city\":null,\"country\":null,\"lat\":52.52,\"lon\":13.40,\"from\":\"agent\"}"

static void a_city_is_shown_where_there_is_room(void **state)
{
	static const struct {
		const char *says, *items, *want, *want_not;
	} cases[] = {
		{ "the edge's city beside it", PLACED("version", "cloudfront:FRA56-P4", FRANKFURT),
			"version   cloudfront:FRA56-P4  Frankfurt, DE  fresh  v2      v2      -    3s\n",
			NULL },
		{ "none for an edge of no known place",
			PLACED("version", "fastly:FRA", FRANKFURT) "," PLACED("version", "self:x", HINT),
			"version   self:x      -              fresh  v2", "52" },
		{ "no column where there are only hints", PLACED("version", "self:x", HINT), "self:x  fresh",
			"PLACE" },
		{ "nor where it would cut the others",
			PLACED("a-name-that-is-very-long", "cloudfront:FRA56-P4", FRANKFURT),
			"a-name-that-is-very-long  cloudfront:FRA56-P4  fresh", "Frankfurt" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake *f = fake_start();
		struct run r;
		struct buf answer;
		buf_init(&answer, 4096);
		buf_addf(&answer, "{\"items\":[%s],\"next\":null}", cases[i].items);
		fake_answer(f, "GET", "/api/v1/cells", 200, answer.p);
		run_client(&r, f, false, NULL, ARGS("edges"));
		assert_int_equal(r.code, 0);
		must_contain(cases[i].says, r.out.p, cases[i].want);
		if (cases[i].want_not)
			must_not_contain(cases[i].says, r.out.p, cases[i].want_not);
		run_fini(&r);
		fake_stop(f); /* its thread may still read the answer */
		buf_fini(&answer);
	}
}

static void what_an_agent_does_not_do_is_shown(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/agents", 200,
		"{\"items\":[{\"name\":\"fra-1\",\"state\":\"connected\",\"held_back\":12,\"refused\":1,"
		"\"refusals\":[{"
		"\"service\":\"shop\",\"endpoint\":\"version\",\"why\":\"10.0.0.5 is "
		"private\"}],\"clock_suspect\":true},"
		"{\"name\":\"nrt-1\",\"state\":\"connected\",\"held_back\":0,\"refused\":0,\"refusals\":[]}],"
		"\"next\":null}");
	run_client(&r, f, false, NULL, ARGS("agents"));
	assert_int_equal(r.code, 0);
	must_contain("the note", r.out.p, "clock off, 12 held back, 1 refused\n");
	must_contain("and why", r.out.p, "\n\nfra-1 does not probe shop version: 10.0.0.5 is private\n");
	must_not_contain("nothing of who does all", r.out.p, "0 held back");
	run_fini(&r);
	fake_stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verdict_on_another_version_says_which),
		cmocka_unit_test(edges_of_nothing_say_so),
		cmocka_unit_test(a_filter_nothing_goes_by_is_wrong_usage),
		cmocka_unit_test(evidence_shows_which_header_told_what),
		cmocka_unit_test(a_service_nobody_watches_is_wrong_usage_everywhere),
		cmocka_unit_test(a_city_is_shown_where_there_is_room),
		cmocka_unit_test(what_an_agent_does_not_do_is_shown),
		cmocka_unit_test(numbers_are_shown_as_they_were_meant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
