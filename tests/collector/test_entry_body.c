/* Request bodies that become entries, those that do not, and input that means harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "event_text.h"
#include "gen.h"

#define T0 INT64_C(1772359200000000) /* 2026-03-01T10:00:00Z */

static const char service_line[] = "{\"type\":\"service\",\"service\":\"shop\",\"version\":{\"json\":\"/"
				   "v\"},\"agents\":[\"a1\"],\"endpoints\":[{\"id\":\"v\"}]}";

/* -- bodies -- */

static void bodies_become_entries(void **state)
{
	/* clang-format off */
	static const struct {
		const char *says;
		enum entry_kind kind;
		const char *body, *id, *want;
	} cases[] = {
		{ "a deploy gets its id and time", ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\"}", "d-1",
			"{\"type\":\"deploy\",\"id\":\"d-1\",\"at\":1772359200000000,\"service\":\"shop\",\"version\":\"v2\"}" },
		{ "an id of its own", ENTRY_DEPLOY, "{\"id\":\"mine\",\"service\":\"shop\",\"version\":\"v2\"}", "",
			"{\"type\":\"deploy\",\"id\":\"mine\",\"at\":1772359200000000,\"service\":\"shop\",\"version\":\"v2\"}" },
		{ "a time of its own", ENTRY_DEPLOY, "{\"type\":\"deploy\",\"service\":\"shop\",\"version\":\"v2\",\"at\":\"2026-03-01T09:00:00Z\"}", "d",
			"{\"type\":\"deploy\",\"id\":\"d\",\"at\":1772355600000000,\"service\":\"shop\",\"version\":\"v2\"}" },
		{ "30 s in the future is what clocks differ: now, and flagged", ENTRY_DEPLOY,
			"{\"service\":\"shop\",\"version\":\"v2\",\"live_at\":1772359230000000,\"started_at\":1772359100000000}", "d",
			"{\"type\":\"deploy\",\"id\":\"d\",\"at\":1772359200000000,\"service\":\"shop\",\"version\":\"v2\","
			"\"live_at\":1772359200000000,\"started_at\":1772359100000000,\"clamped\":[\"live_at\"]}" },
		{ "a patch", ENTRY_DEPLOY_PATCH, "{\"aborted\":true}", "d",
			"{\"type\":\"deploy_patch\",\"id\":\"d\",\"at\":1772359200000000,\"aborted\":true}" },
		{ "a purge", ENTRY_PURGE, "{\"service\":\"shop\",\"patterns\":[\"/*\"]}", "p",
			"{\"type\":\"purge\",\"id\":\"p\",\"at\":1772359200000000,\"service\":\"shop\",\"patterns\":[\"/*\"]}" },
		{ "a purge's end", ENTRY_PURGE_PATCH, "{\"completed_at\":\"2026-03-01T09:00:00Z\"}", "p",
			"{\"type\":\"purge_patch\",\"id\":\"p\",\"at\":1772359200000000,\"completed_at\":\"2026-03-01T09:00:00Z\"}" },
		{ "inner layers need no id", ENTRY_PODS, "{\"service\":\"shop\",\"pods\":[{\"name\":\"p1\",\"ready\":false}]}", "",
			"{\"type\":\"pods\",\"at\":1772359200000000,\"service\":\"shop\",\"pods\":[{\"name\":\"p1\",\"ready\":false}]}" },
	};
	/* clang-format on */
	struct entry_reader *r = entry_reader_new();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out;
		struct err err = { 0 };
		buf_init(&out, 4096);
		if (entry_from_body(
			    r, cases[i].kind, str_of(cases[i].body), str_of(cases[i].id), T0, &out, &err) < 0)
			fail_msg("%s: %s", cases[i].says, err.text);
		if (!str_is(buf_str(&out), cases[i].want))
			fail_msg("%s: got\n%s\nwant\n%s", cases[i].says, out.p, cases[i].want);
		/* and what came out is an entry */
		struct entry e = {
			.position = 1, .received_at_us = T0, .kind = cases[i].kind, .bytes = buf_str(&out)
		};
		survives_an_export(r, &e, cases[i].says);
		buf_fini(&out);
	}
	entry_reader_free(r);
}

static void bad_bodies_name_the_json_pointer(void **state)
{
	/* clang-format off */
	static const struct {
		enum entry_kind kind;
		const char *body, *id, *want;
	} cases[] = {
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"versoin\":\"v2\"}", "d", "/version: missing" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"\"}", "d", "/version: is empty" },
		{ ENTRY_DEPLOY, "{\"service\":\"\",\"version\":\"v2\"}", "d", "/service: is empty" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"revison\":\"x\"}", "d",
			"/revison: unknown key, did you mean \"revision\"?" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"colour\":\"red\"}", "d", "/colour: unknown key" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"clamped\":[]}", "d", "/clamped: unknown key" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"received_at\":5}", "d", "/received_at: unknown key" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"live_at\":12.5}", "d",
			"/live_at: want a time (RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds), got 12.5" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"at\":true}", "d",
			"/at: want a time (RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds), got true" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"aliases\":[\"a\",7]}", "d", "/aliases/1: want text, got 7" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"values\":{\"a~/b\":[]}}", "d",
			"/values/a~0~1b: want text, got a list" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"id\":\"x\"}", "d", "/id: is not the one in the address, 'd'" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\"}", "", "/id: missing" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"type\":\"purge\"}", "d", "/type: want \"deploy\", got \"purge\"" },
		{ ENTRY_DEPLOY, "[]", "d", "want a JSON object" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"service\":\"other\"}", "d",
			"not JSON: at byte 27: duplicate object key near '\"service\"'" },
		{ ENTRY_DEPLOY_PATCH, "{\"live_ta\":5}", "d", "says nothing: want \"live_at\", or \"aborted\": true" },
		{ ENTRY_DEPLOY_PATCH, "{\"live_at\":5,\"abortd\":true}", "d", "/abortd: unknown key, did you mean \"aborted\"?" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"live_at\":1772359231000000}", "d",
			"/live_at: is 31 s in the future; leave it out and send it when the origin serves the version" },
		{ ENTRY_DEPLOY_PATCH, "{\"live_at\":\"2026-03-01T11:00:00Z\"}", "d",
			"/live_at: is 3600 s in the future; leave it out and send it when the origin serves the version" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"started_at\":1772359999000000}", "d",
			"/started_at: is 799 s in the future; leave it out and send it when it has happened" },
		{ ENTRY_PURGE_PATCH, "{\"completed_at\":1772359999000000}", "p",
			"/completed_at: is 799 s in the future; leave it out and send it when it has happened" },
		{ ENTRY_PURGE, "{\"service\":\"shop\"}", "p",
			"does not say what was purged: want \"patterns\", \"tags\", or \"everything\": true" },
		{ ENTRY_MESH, "{\"service\":\"shop\",\"routes\":[{\"wieght\":3}]}", "",
			"/routes/0/wieght: unknown key, did you mean \"weight\"?" },
		{ ENTRY_ROLLOUT, "{\"service\":\"shop\",\"phase\":[]}", "", "/phase: want text, got a list" },
	};
	/* clang-format on */
	struct entry_reader *r = entry_reader_new();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out;
		struct err err = { 0 };
		buf_init(&out, 4096);
		if (entry_from_body(r, cases[i].kind, str_of(cases[i].body), str_of(cases[i].id), T0, &out,
			    &err) == 0)
			fail_msg("%s: is taken", cases[i].body);
		if (strcmp(err.text, cases[i].want) != 0)
			fail_msg("%s: got\n%s\nwant\n%s", cases[i].body, err.text, cases[i].want);
		assert_int_equal(out.n, 0);
		buf_fini(&out);
	}
	entry_reader_free(r);
}

/* -- hostile -- */

static void try_line(struct entry_reader *r, struct str line)
{
	struct event ev;
	struct err err = { 0 };
	char *exact = str_dup(line); /* ends where it ends: reading past it is seen */
	char *heap = malloc(line.n ? line.n : 1);
	assert_non_null(heap);
	memcpy(heap, exact, line.n);
	free(exact);
	int rc = entry_from_line(r, (struct str){ heap, line.n }, 1, T0, &ev, &err);
	assert_true(rc == 0 || err.text[0] != '\0');
	free(heap);
}

static void sizes_are_capped(void **state)
{
	struct entry_reader *r = entry_reader_new();
	struct event ev;
	struct err err = { 0 };
	struct buf line;
	buf_init(&line, 2 * ENTRY_LINE_MAX);
	for (size_t i = 0; i < ENTRY_LINE_MAX + 1; i++)
		buf_add_char(&line, '[');
	assert_int_equal(entry_from_line(r, buf_str(&line), 1, T0, &ev, &err), ERR_TOO_BIG);
	assert_string_equal(err.text, "1048577 bytes of JSON, limit is 1048576");
	line.n--;
	assert_int_equal(entry_from_line(r, buf_str(&line), 1, T0, &ev, &err), ERR_TOO_BIG);
	assert_string_equal(err.text, "JSON is nested deeper than 16 levels");

	buf_clear(&line);
	buf_addf(&line, "{\"type\":\"deploy\",\"service\":\"s\",\"version\":\"");
	for (int i = 0; i < OBS_VERSION_MAX + 1; i++)
		buf_add_char(&line, 'v');
	buf_addf(&line, "\"}");
	assert_int_equal(entry_from_line(r, buf_str(&line), 1, T0, &ev, &err), ERR_TOO_BIG);
	assert_string_equal(err.text, "deploy: \"version\": has 257 bytes, limit is 256");

	buf_clear(&line);
	buf_addf(&line, "{\"type\":\"service\",\"service\":\"s\",\"agents\":[\"a\"");
	for (int i = 0; i < ENTRY_ITEMS_MAX; i++)
		buf_addf(&line, ",\"a\"");
	buf_addf(&line, "]}");
	assert_int_equal(entry_from_line(r, buf_str(&line), 1, T0, &ev, &err), ERR_TOO_BIG);
	assert_string_equal(err.text, "service: \"agents\": has 20001 members, limit is 20000");
	buf_fini(&line);
	entry_reader_free(r);
}

static void nothing_that_is_cut_or_garbled_crashes(void **state)
{
	static const char *const lines[] = { service_line,
		"{\"type\":\"observation\",\"at\":1772359200000000,\"endpoint\":\"v\",\"agent\":\"a1\","
		"\"cache\":[\"hit\",\"miss\"],\"tiers\":[\"edge\","
		"\"inner\"],\"headers\":[[\"age\",\"5\"],[\"x-cache\",\"HIT\"]],\"flags\":[\"cut\"],"
		"\"epoch\":\"0f\",\"ttl_s\":-3,\"evidence\":\"\\u00e9\"}",
		"{\"type\":\"deploy\",\"service\":\"shop\",\"version\":\"v2\",\"aliases\":[\"a\"],\"values\":"
		"{\"v\":\"x\"},\"live_at\":\"2027-01-01T00:00:00Z\"}",
		"{\"type\":\"purge\",\"service\":\"shop\",\"patterns\":[\"/*\"],\"tags\":[],\"soft\":false}",
		"{\"type\":\"agent\",\"agent\":\"a\",\"location\":[1.5,-2e1]}",
		"{\"type\":\"mesh\",\"service\":\"shop\",\"routes\":[{\"subset\":\"v2\",\"weight\":90.5}]}" };
	struct gen g = { 77 };
	struct entry_reader *r = entry_reader_new();
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct str line = str_of(lines[i]);
		for (size_t n = 0; n <= line.n; n++)
			try_line(r, str_first(line, n));
		for (int round = 0; round < 3000; round++) {
			char *text = str_dup(line);
			for (size_t k = 1 + gen_below(&g, 3); k > 0; k--)
				text[gen_below(&g, line.n)] =
					(char)(gen_often(&g, 50) ? "\"{}[]:,\\0-9e.tn "[gen_below(&g, 17)]
								 : (int)gen_below(&g, 256));
			try_line(r, (struct str){ text, line.n });
			free(text);
		}
	}
	entry_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_become_entries),
		cmocka_unit_test(bad_bodies_name_the_json_pointer),
		cmocka_unit_test(sizes_are_capped),
		cmocka_unit_test(nothing_that_is_cut_or_garbled_crashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
