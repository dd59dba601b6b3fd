/* tidemark verify: the decision, each exit code, and answers that make no sense. */
#include "collector/ctl/verify.h"
#include "verify_fixture.h"

/* -- every exit code -- */

/* clang-format off: one case, one sentence */
static const struct {
	const char *says;
	const char *services, *list[2], *deploy[4]; /* answers, in order */
	const char *args[4];                        /* besides verify shop --version v2 --timeout 300ms */
	int code;
	const char *want[4];
} cases[] = {
	{ "it converges, then it is verified", SERVICES, { FOUND }, { CONVERGING, CONVERGING, VERIFIED },
		{ "--timeout", "30s" }, 0,
		{ "shop v2 converging: 33 %, 2 of 6 cells converged, 1 not fresh\n",
			"VERIFIED shop v2: 6 of 6 cells serve it, half of them between 2.5s and 3s, the last "
			"between 40s and 42s\n" } },
	{ "it is verified already", SERVICES, { FOUND }, { VERIFIED }, { NULL }, 0, { "VERIFIED shop v2" } },
	{ "it is announced a little later", SERVICES, { NONE, FOUND }, { PENDING, VERIFIED },
		{ "--timeout", "30s" }, 0, { "waiting for the deploy to be announced", "VERIFIED shop v2" } },

	{ "it fails while we look: the stale cells are named, and what to do", SERVICES, { FOUND },
		{ CONVERGING, FAILED }, { "--timeout", "30s" }, 1,
		{ "FAILED shop v2: 4 of 6 cells serve v1\n",
			"version-json  self:nrt  stale  v1      v2      42s  57s\n",
			"next: have what is stale purged at those edges, then tell it and look again:\n",
			"      tidemark purge shop --vendor self '/version?format=json' --completed\n      "
			"tidemark verify shop --version v2\n" } },
	{ "our time is up and a wrong version is seen", SERVICES, { FOUND }, { CONVERGING }, { NULL }, 1,
		{ "FAILED shop v2: after 0s it is converging, 33 % converged, 2 of 6 cells\n",
			"self:nrt  stale" } },
	{ "it had failed before, and still is wrong at the end", SERVICES, { FOUND }, { FAILED }, { NULL }, 1,
		{ "shop v2 failed, looking again: 33 %",
			"FAILED shop v2: after 0s it is failed, 33 % converged" } },
	{ "it had failed before, and a purge has healed it since", SERVICES, { FOUND },
		{ FAILED, FAILED, HEALED }, { "--timeout", "30s" }, 0,
		{ "looking again", "VERIFIED shop v2: 6 of 6 cells serve it",
			"The deploy's own verdict stays failed: 4 of 6 cells serve v1\n" } },

	{ "our time is up and only data is missing", SERVICES, { FOUND }, { THIN }, { NULL }, 3,
		{ "INCONCLUSIVE shop v2: after 0s it is converging, 100 % converged, 2 of 2 cells, and 2 "
		  "known were not seen\n",
			"  not seen since the deploy: /version at self:sin, /b at self:sin\nnext: are the "
			"agents there? tidemark agents\n" } },
	{ "it never went live", SERVICES, { FOUND }, { PENDING }, { NULL }, 3,
		{ "INCONCLUSIVE shop v2",
			"next: say when the origin serves it: tidemark deploy --live d_1\n" } },
	{ "the verdict is inconclusive", SERVICES, { FOUND }, { CONVERGING, INCONCLUSIVE },
		{ "--timeout", "30s" }, 3, { "INCONCLUSIVE shop v2: coverage is 50 %\n", "self:sin" } },
	{ "it was inconclusive before, and still is", SERVICES, { FOUND }, { INCONCLUSIVE }, { NULL }, 3,
		{ "looking again", "INCONCLUSIVE shop v2: after 0s" } },
	{ "nobody announced it", SERVICES, { NONE }, { NULL }, { NULL }, 3,
		{ "INCONCLUSIVE shop v2: no such deploy was announced within 0s\n",
			"next: announce it: tidemark deploy shop --version v2 --live-at now\n" } },

	{ "a newer deploy went live first", SERVICES, { FOUND }, { CONVERGING, SUPERSEDED },
		{ "--timeout", "30s" }, 4,
		{ "SUPERSEDED shop v2: v3 went live first\n",
			"next: see what went out since: tidemark status shop\n" } },
	{ "it was cancelled", SERVICES, { FOUND }, { PENDING, ABORTED }, { "--timeout", "30s" }, 4,
		{ "ABORTED shop v2: cancelled\n" } },

	{ "less is asked for than the service does", SERVICES, { FOUND }, { CONVERGING },
		{ "--require", "30%" }, 0,
		{ "VERIFIED shop v2: 2 of 6 cells serve it", "That is the share asked for (30 %)" } },
	{ "the same where too little is seen", SERVICES, { FOUND }, { THIN }, { "--require", "30%" }, 3,
		{ "INCONCLUSIVE" } },
	{ "nor does what is not live yet pass", SERVICES, { FOUND }, { PENDING }, { "--require", "0%" }, 3,
		{ "INCONCLUSIVE" } },
	{ "more is asked for than the service does", SERVICES, { FOUND }, { RELAPSING },
		{ "--require", "100%" }, 1,
		{ "FAILED shop v2: after 0s it is verified, 95 % converged, 5 of 6 cells\n" } },
};

/* clang-format on */

static void every_exit_code_has_its_story(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake *f = fake_start();
		struct run r;
		const char *more[5] = { 0 };
		fake_answer(f, "GET", "/api/v1/services", 200, cases[i].services);
		for (size_t k = 0; k < 2 && cases[i].list[k]; k++)
			fake_answer(f, "GET", "/api/v1/deploys", 200, cases[i].list[k]);
		for (size_t k = 0; k < 4 && cases[i].deploy[k]; k++)
			fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, cases[i].deploy[k]);
		memcpy(more, cases[i].args, sizeof(cases[i].args));
		run_verify(&r, f, false, NULL, more);
		if (r.code != cases[i].code)
			fail_msg("%s: exit %d, wanted %d\n%s%s", cases[i].says, r.code, cases[i].code,
				r.out.p, r.err.p);
		for (size_t k = 0; k < 4 && cases[i].want[k]; k++)
			must_contain(cases[i].says, r.out.p, cases[i].want[k]);
		must_not_contain(cases[i].says, r.out.p, "\033"); /* a pipe is no terminal */
		must_not_contain(cases[i].says, r.out.p, "\r");
		run_fini(&r);
		fake_stop(f);
	}
}

static void a_superseded_deploy_gives_way_to_its_successor_of_the_same_version(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND_NEW);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, SUPERSEDED);
	fake_answer(f, "GET", "/api/v1/deploys/d_2", 200,
		DEPLOY("d_2", "verified", "null", 6, 6, 6, 1.0, 1.0, "", ""));
	run_verify(&r, f, false, NULL, ARGS("--timeout", "30s"));
	assert_int_equal(r.code, 0);
	run_fini(&r);
	fake_stop(f);
}

static void what_is_asked_is_asked_right(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, CONVERGING);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, VERIFIED);
	run_client(&r, f, false, (const char *const[]){ "TIDEMARK_TOKEN=tmk_abc", NULL },
		ARGS("--no-color", "verify", "--version=v2+b 1", "pay@staging", "--timeout", "30s"));
	assert_int_equal(r.code, 0);
	assert_int_equal(
		fake_count(f,
			"GET /api/v1/deploys?limit=1&service=pay%40staging&version=v2%2Bb%201 HTTP/1.1\r\n"),
		1);
	assert_int_equal(fake_count(f, "GET /api/v1/deploys/d_1 HTTP/1.1\r\n"), 1); /* first what is so */
	assert_int_equal(
		fake_count(f, "GET /api/v1/deploys/d_1?wait=1000ms HTTP/1.1\r\n"), 1); /* then what will be */
	assert_int_equal(fake_count(f, "Authorization: Bearer tmk_abc\r\n"), 4);
	run_fini(&r);
	fake_stop(f);
}

/* -- out of reach, or not what it should be -- */

static void a_collector_out_of_reach_is_told_with_its_cure(void **state)
{
	struct run r;
	run_client(&r, NULL, false, NULL,
		ARGS("verify", "shop", "--version", "v2", "--server", "http://127.0.0.1:1"));
	assert_int_equal(r.code, 5);
	must_contain("the address", r.err.p, "cannot reach http://127.0.0.1:1: ");
	must_contain("the cure", r.err.p,
		"is the collector running there? --server or TIDEMARK_SERVER names another\n");
	assert_string_equal(r.out.p, "");
	run_fini(&r);
}

static void a_collector_that_restarts_is_waited_for(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, CONVERGING);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 0, "");
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 503,
		"{\"title\":\"Service Unavailable\",\"detail\":\"starting\"}");
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, VERIFIED);
	run_verify(&r, f, false, NULL, ARGS("--timeout", "30s"));
	if (r.code != 0)
		fail_msg("exit %d\n%s%s", r.code, r.out.p, r.err.p);
	run_fini(&r);
	fake_stop(f);

	f = fake_start(); /* and when it does not come back in time: 5 */
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, CONVERGING);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 0, "");
	run_verify(&r, f, false, NULL, ARGS("--timeout", "1500ms"));
	assert_int_equal(r.code, 5);
	must_contain("why", r.err.p, "cannot reach http://127.0.0.1:");
	run_fini(&r);
	fake_stop(f);
}

static void a_forgotten_deploy_is_looked_for_again(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND_NEW);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 404,
		"{\"title\":\"Not Found\",\"detail\":\"no deploy has this id\"}");
	fake_answer(f, "GET", "/api/v1/deploys/d_2", 200,
		DEPLOY("d_2", "verified", "null", 6, 6, 6, 1.0, 1.0, "", ""));
	run_verify(&r, f, false, NULL, ARGS("--timeout", "30s"));
	assert_int_equal(r.code, 0);
	run_fini(&r);
	fake_stop(f);
}

static void answers_that_make_no_sense_are_5(void **state)
{
	static const struct {
		const char *says, *services, *list, *deploy, *want;
	} bad[] = {
		{ "a page of HTML", "<html>It works!</html>", NULL, NULL,
			"something that is not JSON (line 1" },
		{ "JSON of another kind", "[1,2]", NULL, NULL, "something that is no list" },
		{ "nothing", "", NULL, NULL, "answered nothing" },
		{ "JSON cut off", "{\"items\":[{\"name\":\"sho", NULL, NULL, "not JSON" },
		{ "a list of deploys that is an object", SERVICES, "{\"items\":{}}", NULL,
			"no list of deploys" },
		{ "a deploy without an id", SERVICES, "{\"items\":[{\"version\":\"v2\"}]}", NULL,
			"a deploy without an id" },
		{ "a deploy whose id is a number", SERVICES, "{\"items\":[{\"id\":7}]}", NULL,
			"a deploy without an id" },
		{ "a deploy that is a list", SERVICES, FOUND, "[]", "'id' is missing" },
		{ "a deploy without a verdict", SERVICES, FOUND, "{\"id\":\"d_1\"}", "'verdict' is missing" },
		{ "a verdict of another version", SERVICES, FOUND,
			"{\"id\":\"d_1\",\"verdict\":\"splendid\"}", "not known to tidemark" },
		{ "a deploy that says one thing twice", SERVICES, FOUND,
			"{\"id\":\"d_1\",\"id\":\"d_2\",\"verdict\":\"verified\"}", "not JSON" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, "GET", "/api/v1/services", 200, bad[i].services);
		if (bad[i].list)
			fake_answer(f, "GET", "/api/v1/deploys", 200, bad[i].list);
		if (bad[i].deploy)
			fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, bad[i].deploy);
		run_verify(&r, f, false, NULL, ARGS("--timeout", "30s"));
		if (r.code != 5)
			fail_msg("%s: exit %d\n%s%s", bad[i].says, r.code, r.out.p, r.err.p);
		must_contain(bad[i].says, r.err.p, bad[i].want);
		run_fini(&r);
		fake_stop(f);
	}
}

static void wild_numbers_are_survived(void **state)
{
	static const char *const deploys[] = {
		"{\"id\":\"d_1\",\"verdict\":\"verified\"}",
		"{\"id\":\"d_1\",\"verdict\":\"verified\",\"propagation\":7,\"not_fresh\":\"x\",\"next\":{"
		"\"a\":1}}",
		"{\"id\":\"d_1\",\"verdict\":\"verified\",\"reason\":[],\"propagation\":{\"known\":-5,"
		"\"observed\":1e300,"
		"\"converged\":\"many\",\"converged_share\":1e300,\"coverage\":null,\"t50_s\":[1e300,-7],"
		"\"t100_s\":[\"a\"]},"
		"\"not_fresh\":[7,null,{\"staleness_s\":1e300,\"age_s\":-9e99,\"endpoint\":{},\"edge\":\"\"}]"
		"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(deploys); i++)
		for (int tty = 0; tty < 2; tty++) {
			struct fake *f = fake_start();
			struct run r;
			fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
			fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
			fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, deploys[i]);
			run_verify(&r, f, tty, NULL, ARGS("--timeout", "30s"));
			if (r.code != 0)
				fail_msg("%s: exit %d\n%s%s", deploys[i], r.code, r.out.p, r.err.p);
			run_fini(&r);
			fake_stop(f);
		}
}

static void refusals_are_usage_never_a_failed_deploy(void **state)
{
	static const struct {
		int status;
		const char *body, *want;
		int code;
	} refusals[] = {
		{ 401, "{\"title\":\"Unauthorized\",\"status\":401,\"detail\":\"no token\"}",
			"Unauthorized: no token (HTTP 401); --token-file or TIDEMARK_TOKEN gives a token",
			2 },
		{ 403, "{\"title\":\"Forbidden\",\"detail\":\"the token may not read\"}",
			"Forbidden: the token may not read (HTTP 403)", 2 },
		{ 400, "{\"title\":\"Bad Request\",\"detail\":\"unknown parameter\"}",
			"Bad Request: unknown parameter (HTTP 400)", 2 },
		{ 404, "", "answered HTTP 404 without saying why: is it a tidemark collector?", 5 },
		{ 302, "", "a redirect: give the address it leads to", 5 },
		{ 502, "<html>", "answered HTTP 502 without saying why", 5 },
	};
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, "GET", "/api/v1/services", refusals[i].status, refusals[i].body);
		run_verify(&r, f, false, NULL, ARGS("--timeout", "30s"));
		if (r.code != refusals[i].code)
			fail_msg("HTTP %d: exit %d\n%s", refusals[i].status, r.code, r.err.p);
		must_contain("refusal", r.err.p, refusals[i].want);
		run_fini(&r);
		fake_stop(f);
	}
}

static void a_wrong_command_line_is_2(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	run_client(&r, f, false, NULL, ARGS("verify", "shpo", "--version", "v2"));
	assert_int_equal(r.code, 2);
	must_contain("a service nobody knows", r.err.p,
		"the collector watches no service 'shpo'; did you mean 'shop'?");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("verify", "warehouse", "--version", "v2"));
	assert_int_equal(r.code, 2);
	must_contain("nor anything near", r.err.p, "no service 'warehouse'; it watches shop, pay@staging");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("verify", "shop"));
	assert_int_equal(r.code, 2);
	must_contain("no version", r.err.p, "verify: --version V is missing");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("verify", "--version", "v2"));
	assert_int_equal(r.code, 2);
	run_fini(&r);
	run_client(
		&r, f, false, NULL, ARGS("verify", "shop", "--version", " ")); /* it would wait for nothing */
	assert_int_equal(r.code, 2);
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("verify", "shop", "pay", "--version", "v2"));
	assert_int_equal(r.code, 2);
	must_contain("two services", r.err.p, "'pay' is one too many");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("verify", "shop", "--version", "v\xFF"));
	assert_int_equal(r.code, 2);
	run_fini(&r);
	fake_stop(f);
}

/* -- the decision alone -- */

static void the_decision_is_a_table(void **state)
{
	static const struct {
		const char *says, *verdict;
		double share, coverage;
		bool wrong, recheck, time_is_up;
		double require;
		enum verify_step want;
	} rows[] = {
		{ "on its way", "converging", 0.5, 1, true, false, false, -1, VERIFY_WAIT },
		{ "all converged, the verdict is the collector's", "converging", 1, 1, false, false, false,
			-1, VERIFY_WAIT },
		{ "verified is verified", "verified", 1, 1, false, false, false, -1, VERIFY_PASSED },
		{ "also with a cell that relapsed within what the service allows", "verified", 0.9, 1, true,
			false, false, -1, VERIFY_PASSED },
		{ "but not for who asks for more", "verified", 0.9, 1, true, false, false, 1, VERIFY_WAIT },
		{ "which fails in the end", "verified", 0.9, 1, true, false, true, 1, VERIFY_FAILED },
		{ "failed is failed", "failed", 0.5, 1, true, false, false, -1, VERIFY_FAILED },
		{ "unless the share that is asked for is reached", "failed", 0.5, 1, true, false, false, 0.5,
			VERIFY_PASSED },
		{ "inconclusive is inconclusive", "inconclusive", 1, 0.5, false, false, false, -1,
			VERIFY_INCONCLUSIVE },
		{ "looked at again: still wrong", "failed", 0.5, 1, true, true, false, -1, VERIFY_WAIT },
		{ "looked at again: right now", "failed", 1, 1, false, true, false, -1, VERIFY_PASSED },
		{ "looked at again: right where it is seen, but too little is", "failed", 1, 0.5, false, true,
			false, -1, VERIFY_WAIT },
		{ "and at the end no data is no pass", "failed", 1, 0.5, false, true, true, -1,
			VERIFY_INCONCLUSIVE },
		{ "never fresh for lack of data", "inconclusive", -1, -1, false, true, true, 0,
			VERIFY_INCONCLUSIVE },
		{ "pending is not live", "pending", 1, 1, false, false, true, 0.1, VERIFY_INCONCLUSIVE },
		{ "superseded", "superseded", 1, 1, false, true, true, 0, VERIFY_SUPERSEDED },
		{ "aborted", "aborted", 1, 1, false, false, false, -1, VERIFY_SUPERSEDED },
	};
	static const char *const decided[] = { "verified", "failed", "inconclusive" };
	for (size_t i = 0; i < 2 * ARRAY_LEN(decided); i++) {
		struct deploy_seen old = { .verdict = str_of(decided[i / 2]),
			.share = 1,
			.coverage = 1,
			.observed = 6,
			.known = 6,
			.is_final = true,
			.overtaken = true };
		if (verify_decide(&old, i % 2 == 1, -1, false) != VERIFY_SUPERSEDED)
			fail_msg("%s once, but another deploy is current by now: over at once",
				decided[i / 2]);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct deploy_seen d = { .verdict = str_of(rows[i].verdict),
			.share = rows[i].share,
			.coverage = rows[i].coverage,
			.observed = rows[i].coverage > 0 ? 6 : 0,
			.known = 6,
			.wrong_seen = rows[i].wrong };
		d.is_final =
			strcmp(rows[i].verdict, "pending") != 0 && strcmp(rows[i].verdict, "converging") != 0;
		enum verify_step got =
			verify_decide(&d, rows[i].recheck, rows[i].require, rows[i].time_is_up);
		if (got != rows[i].want)
			fail_msg("%s: %d, wanted %d", rows[i].says, got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_decision_is_a_table),
		cmocka_unit_test(every_exit_code_has_its_story),
		cmocka_unit_test(a_superseded_deploy_gives_way_to_its_successor_of_the_same_version),
		cmocka_unit_test(what_is_asked_is_asked_right),
		cmocka_unit_test(a_collector_out_of_reach_is_told_with_its_cure),
		cmocka_unit_test(a_collector_that_restarts_is_waited_for),
		cmocka_unit_test(a_forgotten_deploy_is_looked_for_again),
		cmocka_unit_test(answers_that_make_no_sense_are_5),
		cmocka_unit_test(wild_numbers_are_survived),
		cmocka_unit_test(refusals_are_usage_never_a_failed_deploy),
		cmocka_unit_test(a_wrong_command_line_is_2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
