/* tidemark verify: what is shown on a terminal, in a pipe and to machines. */
#include <jansson.h>

#include "verify_fixture.h"

/* -- terminals and machines -- */

#define CURVE                                                                                                \
	"{\"id\":\"d_1\",\"points\":[{\"t_s\":0,\"earliest\":0,\"latest\":0},{\"t_s\":3,\"earliest\":0.2,"   \
	"\"latest\":0.1},"                                                                                   \
	"{\"t_s\":10,\"earliest\":0.4,\"latest\":0.333}]}"

static void run_on_terminal(struct run *r, const char *const *env, const char *const *more)
{
	struct fake *f = fake_start();
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/deploys", 200, NONE);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, CONVERGING);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, CONVERGING);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, VERIFIED);
	fake_answer(f, "GET", "/api/v1/deploys/d_1/propagation", 200, CURVE);
	run_verify(r, f, true, env, more);
	fake_stop(f);
}

static void a_terminal_gets_a_block_that_is_redrawn(void **state)
{
	struct run r;
	run_on_terminal(&r, NULL, ARGS("--timeout", "30s"));
	assert_int_equal(r.code, 0);
	must_contain("a bar", r.out.p,
		"[\xE2\x96\x88\xE2\x96\x88\xE2\x96\x88\xE2\x96\x88\xE2\x96\x88\xE2\x96\x88\xE2\x96\x88\xE2"
		"\x96\x91");
	must_contain("a share", r.out.p, "] 33 %");
	must_contain("cells", r.out.p, "2 of 6 cells converged");
	must_contain("a curve", r.out.p, "\xE2\x96\x81");
	must_contain("with its length", r.out.p, " over 10s, half after 3s");
	must_contain("what is not fresh", r.out.p, "self:nrt");
	must_contain("in colour", r.out.p, "\033[31mstale");
	/* waiting is one line, the block five: head, cells, curve, table's head, one cell */
	must_contain("the line of waiting is taken off", r.out.p, "\033[1A\r\033[J");
	must_contain("the block is taken off", r.out.p, "\033[5A\r\033[J");
	const char *end = strstr(r.out.p, "VERIFIED");
	assert_non_null(end);
	must_not_contain("the end is not drawn over", end, "A\r");
	run_fini(&r);

	run_on_terminal(&r, ARGS("NO_COLOR=1"), ARGS("--timeout", "30s"));
	must_not_contain("NO_COLOR is heard", r.out.p, "\033[31m");
	must_contain("but the block is redrawn all the same", r.out.p, "\033[5A");
	run_fini(&r);
	run_on_terminal(&r, NULL, ARGS("--timeout", "30s", "--no-color"));
	must_not_contain("as is --no-color", r.out.p, "\033[31m");
	run_fini(&r);
	run_on_terminal(&r, ARGS("LANG=C"), ARGS("--timeout", "30s"));
	must_contain("without UTF-8 a bar of ASCII", r.out.p, "[#######.................] 33 %");
	must_not_contain("and nothing else", r.out.p, "\xE2");
	run_fini(&r);
	run_on_terminal(&r, ARGS("TERM=dumb"), ARGS("--timeout", "30s"));
	must_not_contain("a dumb terminal gets lines", r.out.p, "\033");
	must_contain("of text", r.out.p, "+");
	run_fini(&r);
}

static void the_next_step_can_be_pasted(void **state)
{
	static const struct {
		const char *says, *deploy, *want;
	} steps[] = {
		{ "several endpoints of one vendor, each once",
			DEPLOY("d_1", "converging", "null", 6, 6, 2, 0.333, 1.0,
				"{\"endpoint\":\"a\",\"vendor\":\"self\",\"state\":\"stale\"},{\"endpoint\":"
				"\"a\",\"vendor\":\"self\","
				"\"state\":\"stale\"},{\"endpoint\":\"root\",\"vendor\":\"fastly\",\"state\":"
				"\"stale\"},"
				"{\"endpoint\":\"version-json\",\"vendor\":\"self\",\"state\":\"stale\"}",
				""),
			"      tidemark purge shop --vendor self /a '/version?format=json' --completed\n" },
		{ "a url without a path",
			DEPLOY("d_1", "converging", "null", 6, 6, 2, 0.333, 1.0,
				"{\"endpoint\":\"root\",\"vendor\":\"self\",\"state\":\"stale\"}", ""),
			"      tidemark purge shop --vendor self / --completed\n" },
		{ "what an endpoint is called cannot run anything",
			DEPLOY("d_1", "converging", "null", 6, 6, 2, 0.333, 1.0,
				"{\"endpoint\":\"evil\",\"vendor\":\"self;reboot\",\"state\":\"stale\"}", ""),
			"      tidemark purge shop --vendor 'self;reboot' '/a'\\''$(reboot)\\x1b' "
			"--completed\n" },
		{ "an endpoint nobody told us of",
			DEPLOY("d_1", "converging", "null", 6, 6, 2, 0.333, 1.0,
				"{\"endpoint\":\"odd\",\"vendor\":\"\",\"state\":\"stale\"}", ""),
			"      tidemark purge shop --vendor VENDOR PATTERN... --completed\n" },
		{ "where the cause is known, the collector knows better",
			"{\"id\":\"d_1\",\"verdict\":\"converging\",\"cause\":\"shield_stale\",\"next\":["
			"\"purge the shield\",{\"text\":"
			"\"then look\"}],\"not_fresh\":[{\"state\":\"stale\"}]}",
			"next: purge the shield\n      then look\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
		fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
		fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, steps[i].deploy);
		run_verify(&r, f, false, NULL, ARGS("--timeout", "0s"));
		assert_int_equal(r.code, 1);
		must_contain(steps[i].says, r.out.p, steps[i].want);
		run_fini(&r);
		fake_stop(f);
	}
}

static void machines_get_one_json_document(void **state)
{
	static const struct {
		const char *says, *list, *deploy, *want[4];
		int code;
	} docs[] = {
		{ "verified", FOUND, VERIFIED,
			{ "\"result\": \"verified\"", "\"exit\": 0", "\"recheck\": false",
				"\"id\": \"d_1\"" },
			0 },
		{ "failed at the deadline", FOUND, CONVERGING,
			{ "\"result\": \"failed\"", "\"exit\": 1", "\"not_fresh\": [", NULL }, 1 },
		{ "nothing announced", NONE, NULL,
			{ "\"result\": \"no_deploy\"", "\"exit\": 3", "\"deploy\": null", NULL }, 3 },
		{ "aborted", FOUND, ABORTED, { "\"result\": \"aborted\"", "\"exit\": 4", NULL }, 4 },
	};
	for (size_t i = 0; i < ARRAY_LEN(docs); i++)
		for (int tty = 0; tty < 2; tty++) {
			struct fake *f = fake_start();
			struct run r;
			fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
			fake_answer(f, "GET", "/api/v1/deploys", 200, docs[i].list);
			if (docs[i].deploy)
				fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, docs[i].deploy);
			run_verify(&r, f, tty, NULL, ARGS("-o", "json"));
			assert_int_equal(r.code, docs[i].code);
			for (size_t k = 0; k < 4 && docs[i].want[k]; k++)
				must_contain(docs[i].says, r.out.p, docs[i].want[k]);
			json_t *parsed = json_loads(r.out.p, JSON_REJECT_DUPLICATES, NULL);
			assert_non_null(parsed); /* nothing but the document, also on a terminal */
			json_decref(parsed);
			run_fini(&r);
			fake_stop(f);
		}
}

static void what_edges_say_cannot_speak_for_us(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/deploys", 200, FOUND);
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200,
		DEPLOY("d_1", "failed", "\"\\u001b[2J\\nVERIFIED\"", 6, 6, 2, 0.333, 1.0,
			"{\"endpoint\":\"v\",\"edge\":\"self:\\u001b]0;owned\\u0007\\r\\nVERIFIED\","
			"\"state\":\"stale\",\"version\":\"\\u009b31m\"}",
			""));
	run_verify(&r, f, false, NULL, ARGS("--wide"));
	assert_int_equal(r.code, 1);
	must_contain("the edge", r.out.p, "self:\\x1b]0;owned\\x07\\x0d\\nVERIFIED");
	must_contain("the version", r.out.p, "\\xc2\\x9b31m");
	must_not_contain("no line of its own", r.out.p, "\nVERIFIED");
	must_not_contain("no escape", r.out.p, "\033");
	run_fini(&r);
	fake_stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_gets_a_block_that_is_redrawn),
		cmocka_unit_test(the_next_step_can_be_pasted),
		cmocka_unit_test(machines_get_one_json_document),
		cmocka_unit_test(what_edges_say_cannot_speak_for_us),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
