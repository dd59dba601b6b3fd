/* What people see: tables that fit, numbers that do not flatter, and text from outside that stays text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/ctl/cells.h"
#include "collector/ctl/term.h"

static const struct term plain = { .width = 80, .utf8 = true };
static const struct term ascii = { .width = 80 };

static void long_text_loses_its_middle(void **state)
{
	static const struct {
		const char *text;
		size_t width;
		const char *want, *want_ascii;
	} cases[] = {
		{ "abc", 3, "abc", "abc" },
		{ "abcdefgh", 5, "ab\xE2\x80\xA6gh", "ab..h" },
		{ "/version?format=json", 12, "/versi\xE2\x80\xA6=json", "/vers..=json" },
		{ "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 3, "\xC3\xA9\xE2\x80\xA6\xC3\xA9", "\xC3\xA9.." },
		{ "abc", 1, "a", "a" },
		{ "abc", 0, "", "" },
	};
	struct buf b;
	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&b), text_add_cut(&plain, &b, str_of(cases[i].text), cases[i].width);
		assert_true(str_is(buf_str(&b), cases[i].want));
		buf_clear(&b), text_add_cut(&ascii, &b, str_of(cases[i].text), cases[i].width);
		if (!str_is(buf_str(&b), cases[i].want_ascii))
			fail_msg("%s in %zu: %.*s", cases[i].text, cases[i].width, STR_ARG(buf_str(&b)));
	}
	buf_fini(&b);
}

static void shares_do_not_flatter(void **state)
{
	static const struct {
		double share;
		const char *want;
	} cases[] = { { 0, "0 %" }, { 1, "100 %" }, { 0.999, "99 %" }, { 0.9999999, "99 %" },
		{ 0.001, "<1 %" }, { 0.335, "33 %" }, { 0.29, "29 %" }, { -1, "-" } };
	struct buf b;
	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&b), text_add_percent(&b, cases[i].share);
		assert_string_equal(b.p, cases[i].want);
	}
	buf_clear(&b), text_add_bar(&ascii, &b, 0.999, 10);
	assert_string_equal(b.p, "[#########.]");
	buf_clear(&b), text_add_bar(&ascii, &b, 1, 4);
	assert_string_equal(b.p, "[####]");
	buf_clear(&b), text_add_bar(&ascii, &b, -1, 4);
	assert_string_equal(b.p, "[....]");
	buf_fini(&b);
}

static void times_in_words(void **state)
{
	static const struct {
		double seconds;
		const char *want;
	} cases[] = { { 0, "0s" }, { 0.25, "0.2s" }, { 1.5, "1.5s" }, { 90, "1m30s" }, { 14400.7, "4h" },
		{ -1, "-" }, { 1e300, "-" } };
	struct buf b;
	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&b), text_add_seconds(&b, cases[i].seconds);
		if (!str_is(buf_str(&b), cases[i].want))
			fail_msg("%g: %s", cases[i].seconds, b.p);
	}
	static const struct {
		const char *time;
		int64_t now_s;
		const char *want;
	} agos[] = { { "1970-01-01T00:01:40Z", 103, "3s ago" }, { "1970-01-01T00:01:40Z", 99, "0s ago" },
		{ "1970-01-01T00:00:00Z", 7199, "119m ago" }, { "1970-01-01T00:00:00Z", 7200, "2h ago" },
		{ "1970-01-01T00:00:00Z", 5 * 86400, "5d ago" }, { "", 0, "-" }, { "soon", 0, "-" } };
	for (size_t i = 0; i < ARRAY_LEN(agos); i++) {
		buf_clear(&b), text_add_ago(&b, str_of(agos[i].time), agos[i].now_s * US_PER_S);
		assert_string_equal(b.p, agos[i].want);
	}
	buf_fini(&b);
}

static void check_width(const char *text, size_t width)
{
	struct str rest = str_of(text), line;
	while (str_cut(&rest, '\n', &line))
		if (text_width(line) > width)
			fail_msg("%zu columns, %zu allowed: %.*s", text_width(line), width, STR_ARG(line));
}

static json_t *cells_sample(void)
{
	return json_loads("[{\"service\":\"shop\",\"endpoint\":\"https://api.example.com/a/very/long/path/"
			  "version?format=json&x=1\","
			  "\"edge\":\"cloudfront:FRA56-P3\",\"state\":\"stale\",\"version\":"
			  "\"3f2a9c1d8e7b6a5f4d3c2b1a0f9e8d7c6b5a4f3e\","
			  "\"expected\":\"v2\",\"staleness_s\":14400,\"age_s\":86399},"
			  "{\"service\":\"shop\",\"endpoint\":\"v\",\"edge\":\"self:\\u001b[31mfra\\nx\","
			  "\"state\":\"never_seen\","
			  "\"version\":null,\"expected\":\"v2\",\"staleness_s\":null,\"age_s\":null}]",
		0, NULL);
}

static void cells_fit_eighty_columns(void **state)
{
	struct buf b;
	json_t *cells = cells_sample();
	buf_init(&b, 100000);
	cells_table(&plain, cells, SIZE_MAX, "", &b);
	check_width(b.p, 80);
	assert_non_null(strstr(b.p, "ENDPOINT"));
	assert_null(strstr(b.p, "SERVICE")); /* there is but one */
	assert_non_null(strstr(b.p, "4h"));
	assert_non_null(strstr(b.p, "23h59m59s"));
	assert_null(strchr(b.p, '\033')); /* what an edge calls itself cannot colour our table */
	assert_non_null(strstr(b.p, "never_seen"));
	buf_clear(&b);
	cells_table(&plain, cells, 1, "  ", &b);
	assert_non_null(strstr(b.p, "  ... and 1 more\n"));
	check_width(b.p, 80);
	buf_clear(&b);
	struct term wide = plain;
	wide.width = 1000;
	cells_table(&wide, cells, SIZE_MAX, "", &b);
	assert_non_null(strstr(b.p, "https://api.example.com/a/very/long/path/version?format=json&x=1"));
	json_object_set_new(json_array_get(cells, 1), "service", json_string("pay"));
	buf_clear(&b);
	cells_table(&plain, cells, SIZE_MAX, "", &b);
	assert_non_null(strstr(b.p, "SERVICE"));
	assert_null(strstr(b.p, "ERROR")); /* nothing fails */
	json_object_set_new(json_array_get(cells, 1), "error",
		json_pack("{s:s,s:i,s:s}", "kind", "http", "status", 503, "since", "2026-03-01T10:00:10Z"));
	buf_clear(&b);
	cells_table(&wide, cells, SIZE_MAX, "", &b);
	assert_non_null(strstr(b.p, "ERROR"));
	assert_non_null(strstr(b.p, "http 503  2026-03-01T10:00:10Z"));
	json_object_set_new(json_array_get(cells, 1), "error",
		json_pack("{s:s,s:n,s:n}", "kind", "timeout", "status", "since"));
	buf_clear(&b);
	cells_table(&plain, cells, SIZE_MAX, "", &b);
	assert_non_null(strstr(b.p, "timeout"));
	check_width(b.p, 80);
	json_decref(cells);
	buf_fini(&b);
}

static void colours_are_put_back(void **state)
{
	struct term color = plain;
	struct buf b;
	buf_init(&b, 1000);
	color.color = true;
	term_add(&color, &b, STYLE_BAD, STR("stale\033[0m"));
	assert_string_equal(b.p, "\033[31mstale\\x1b[0m\033[0m");
	buf_clear(&b), term_add(&plain, &b, STYLE_BAD, STR("stale"));
	assert_string_equal(b.p, "stale");
	assert_int_equal(state_style(STR("fresh")), STYLE_GOOD);
	assert_int_equal(state_style(STR("stale")), STYLE_BAD);
	assert_int_equal(state_style(STR("silent")), STYLE_WARN);
	assert_int_equal(state_style(STR("")), STYLE_DIM);
	assert_int_equal(verdict_style(STR("verified")), STYLE_GOOD);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_text_loses_its_middle),
		cmocka_unit_test(shares_do_not_flatter),
		cmocka_unit_test(times_in_words),
		cmocka_unit_test(cells_fit_eighty_columns),
		cmocka_unit_test(colours_are_put_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
