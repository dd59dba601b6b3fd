/* replay, run as it is: lines in, a document out, errors with their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "collector/replay.h"
#include "command_fixture.h"

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

/* Two edges; v1 everywhere, then v2 goes live and lhr keeps the old one. A line each 10 s and edge. */
static void write_story(struct fixture *f, struct buf *out, int from, int to)
{
	(void)f;
	if (from == 0) {
		buf_addf(out, "{\"type\":\"service\",\"service\":\"shop\",\"interval\":\"10s\",\"verify\":{"
			      "\"timeout\":\"1m\",\"watch\":\"1m\"},"
			      "\"agents\":[\"a1\"],\"endpoints\":[{\"id\":\"v\",\"url\":\"https://"
			      "shop.example/version\"}]}\n");
		buf_addf(out, "\n");
		buf_addf(out,
			"{\"type\":\"deploy\",\"at\":%" PRId64
			",\"service\":\"shop\",\"version\":\"v1\",\"live_at\":%" PRId64 "}\n",
			T0, T0);
	}
	for (int i = from; i < to; i++) {
		int64_t now = T0 + i * 10 * US_PER_S;
		if (i == 12)
			buf_addf(out,
				"{\"type\":\"deploy\",\"id\":\"second\",\"at\":%" PRId64
				",\"service\":\"shop\",\"version\":\"v2\",\"live_at\":%" PRId64 "}\n",
				now, now);
		buf_addf(out,
			"{\"type\":\"observation\",\"at\":%" PRId64
			",\"endpoint\":\"v\",\"agent\":\"a1\",\"region\":\"eu\",\"edge\":\"self:fra\","
			"\"version\":\"%s\"}\n",
			now + 1000000, i < 12 ? "v1" : "v2");
		buf_addf(out,
			"{\"type\":\"observation\",\"at\":%" PRId64
			",\"endpoint\":\"v\",\"agent\":\"a1\",\"region\":\"eu\",\"edge\":\"self:lhr\","
			"\"version\":\"v1\"}\n",
			now + 2000000);
	}
}

static void a_story_becomes_one_document(void **state)
{
	struct fixture *f = *state;
	struct buf story;
	buf_init(&story, 1 << 20);
	write_story(f, &story, 0, 24);
	struct ran ran = run(f, replay_main, "replay --transitions -", story.p);
	json_t *doc = document(&ran);
	assert_int_equal(json_array_size(json_object_get(doc, "deploys")), 2);
	assert_string_equal(at(doc, "deploys", 0, "id"), "deploy-1");
	assert_string_equal(at(doc, "deploys", 0, "verdict"), "verified");
	assert_string_equal(at(doc, "deploys", 1, "id"), "second");
	assert_string_equal(at(doc, "deploys", 1, "verdict"), "failed");
	assert_int_equal(json_array_size(json_object_get(doc, "cells")), 2);
	assert_string_equal(at(doc, "cells", 0, "state"), "fresh");
	assert_string_equal(at(doc, "cells", 1, "state"), "stale");
	assert_string_equal(at(doc, "cells", 1, "expected"), "v2");
	assert_true(json_array_size(json_object_get(doc, "transitions")) >= 3);
	assert_true(json_array_size(json_object_get(doc, "verdicts")) >= 3);
	assert_true(json_is_array(json_object_get(doc, "notices")));
	json_decref(doc);
	ran_fini(&ran);

	/* the lists only when asked for; the same in two files; the same again */
	struct ran plain = run(f, replay_main, "replay -", story.p);
	doc = document(&plain);
	assert_null(json_object_get(doc, "transitions"));
	json_decref(doc);
	buf_clear(&story);
	write_story(f, &story, 0, 10);
	put_file(path_in(f, "a.jsonl"), &story);
	buf_clear(&story);
	write_story(f, &story, 10, 24);
	put_file(path_in(f, "b.jsonl"), &story);
	char args[400];
	snprintf(args, sizeof(args), "replay %s %s", path_in(f, "a.jsonl"), path_in(f, "b.jsonl"));
	struct ran split = run(f, replay_main, args, NULL);
	assert_string_equal(split.out.p, plain.out.p);
	ran_fini(&plain);
	ran_fini(&split);
	buf_fini(&story);
}

static void as_of_a_moment(void **state)
{
	/* clang-format off */
	static const struct {
		const char *says, *time, *verdict, *lhr;
		size_t n_deploys;
	} cases[] = {
		{ "before the second deploy", "2026-03-01T10:01:30Z", "(absent)", "fresh", 1 },
		{ "while it converges", "2026-03-01T10:02:40Z", "converging", "stale", 2 },
		{ "past its deadline", "2026-03-01T10:03:30Z", "failed", "stale", 2 },
		{ "long after the last line: the agent fell silent", "2026-03-01T12:00:00Z", "failed", "silent", 2 },
	};
	/* clang-format on */
	struct fixture *f = *state;
	struct buf story;
	buf_init(&story, 1 << 20);
	write_story(f, &story, 0, 24);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char args[100];
		snprintf(args, sizeof(args), "replay --at %s -", cases[i].time);
		struct ran ran = run(f, replay_main, args, story.p);
		json_t *doc = document(&ran);
		const json_t *when = json_object_get(doc, "at");
		if (strcmp(at(doc, "deploys", 1, "verdict"), cases[i].verdict) != 0 ||
			strcmp(at(doc, "cells", 1, "state"), cases[i].lhr) != 0 ||
			json_array_size(json_object_get(doc, "deploys")) != cases[i].n_deploys)
			fail_msg("%s: got %s", cases[i].says, ran.out.p);
		assert_string_equal(json_string_value(when), cases[i].time);
		json_decref(doc);
		ran_fini(&ran);
	}
	buf_fini(&story);
}

static void bad_input_is_named_by_file_and_line(void **state)
{
	static const char start[] =
		"{\"type\":\"service\",\"service\":\"shop\",\"endpoints\":[{\"id\":\"v\"}]}\n"
		"{\"type\":\"clock\",\"at\":1772359200000000}\n";
	/* clang-format off */
	static const struct {
		const char *says, *args, *rest;
		int status;
		const char *err;
	} cases[] = {
		{ "a field", "replay -", "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"age_s\":\"x\"}\n", 1,
			"stdin:3: observation: \"age_s\": want a whole number, got \"x\"\n" },
		{ "a last line without an end", "replay -", "{", 1, "stdin:3: not JSON: at byte 1: string or '}' expected near end of file\n" },
		{ "what the engine refuses", "replay -", "{\"type\":\"deploy_patch\",\"id\":\"nope\",\"aborted\":true}\n", 1, "stdin:3: " },
		{ "nothing behind it is folded", "replay -", "[]\n[]\n", 1, "stdin:3: want a JSON object\n" },
		{ "unless it is to keep going", "replay --keep-going -", "[]\n\n5\n", 0,
			"stdin:3: want a JSON object\nstdin:5: not JSON: at byte 1: '[' or '{' expected near '5'\nreplay: 2 bad lines left out\n" },
		{ "a line cannot forge another", "replay -", "{\"type\":\"\033[31m\\u009b\\n\"}\n", 1,
			"stdin:3: not JSON: at byte 9: control character 0x1b near '\"'\n" },
		{ "what the live run refused too has no effect, and is no error", "replay -",
			"{\"type\":\"deploy_patch\",\"position\":9,\"id\":\"nope\",\"aborted\":true}\n", 0, "stdin:3: without effect, as it was live: " },
		{ "a file that is not there", "replay /nonexistent.jsonl", "", 1, "/nonexistent.jsonl: cannot open: No such file or directory\n" },
		{ "a directory", "replay /tmp", "", 1, "/tmp: cannot read: Is a directory\n" },
		{ "no file", "replay --transitions", "", 2, "replay: no FILE; - is standard input\n" },
		{ "no time", "replay --at noon -", "", 2, "replay: --at: 'noon' is no time" },
		{ "no such option", "replay --fast -", "", 2, "replay: unknown argument '--fast'; --help shows" },
	};
	/* clang-format on */
	struct fixture *f = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char input[1000];
		snprintf(input, sizeof(input), "%s%s", start, cases[i].rest);
		struct ran ran = run(f, replay_main, cases[i].args, input);
		if (ran.status != cases[i].status || !str_starts(buf_str(&ran.err), cases[i].err))
			fail_msg("%s: status %d, said\n%s", cases[i].says, ran.status, ran.err.p);
		assert_int_equal(ran.out.n > 0, ran.status == 0);
		ran_fini(&ran);
	}
}

static void a_line_over_the_cap_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct buf input;
	buf_init(&input, 8 << 20);
	buf_addf(&input, "{\"type\":\"clock\",\"at\":5}\n");
	for (int i = 0; i < 3 << 20; i++)
		buf_add_char(&input, ' ');
	buf_addf(&input, "\n{\"type\":\"clock\",\"at\":7000000}\n");
	struct ran ran = run(f, replay_main, "replay --keep-going -", input.p);
	json_t *doc = document(&ran);
	assert_string_equal(ran.err.p, "stdin:2: line is over 1048576 bytes\nreplay: 1 bad lines left out\n");
	assert_string_equal(json_string_value(json_object_get(doc, "at")), "1970-01-01T00:00:07Z");
	json_decref(doc);
	ran_fini(&ran);
	buf_fini(&input);
}

/* Lines before the first time told came when that one came: a service at the epoch would be silent since
 * 1970. */
static void lines_without_a_time_wait_for_the_first_one(void **state)
{
	struct fixture *f = *state;
	struct ran ran = run(f, replay_main, "replay --transitions -",
		"{\"type\":\"service\",\"service\":\"shop\",\"agents\":[\"a1\"],\"endpoints\":[{\"id\":\"v\"}"
		"]}\n"
		"{\"type\":\"deploy\",\"service\":\"shop\",\"version\":\"v1\"}\n"
		"{\"type\":\"agent\",\"at\":\"2026-03-01T10:00:00Z\",\"agent\":\"a1\",\"region\":\"eu\"}\n");
	json_t *doc = document(&ran);
	assert_string_equal(at(doc, "deploys", 0, "id"), "deploy-1"); /* read once */
	assert_string_equal(at(doc, "deploys", 0, "started_at"), "2026-03-01T10:00:00Z");
	assert_int_equal(json_array_size(json_object_get(doc, "deploys")), 1);
	json_decref(doc);
	ran_fini(&ran);
	/* and where no line tells one, there is a document all the same */
	ran = run(f, replay_main, "replay -",
		"{\"type\":\"service\",\"service\":\"shop\",\"endpoints\":[{\"id\":\"v\"}]}\n");
	doc = document(&ran);
	assert_int_equal(json_array_size(json_object_get(doc, "services")), 1);
	json_decref(doc);
	ran_fini(&ran);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_story_becomes_one_document),
		TEST(as_of_a_moment),
		TEST(bad_input_is_named_by_file_and_line),
		TEST(a_line_over_the_cap_is_passed_over),
		TEST(lines_without_a_time_wait_for_the_first_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
