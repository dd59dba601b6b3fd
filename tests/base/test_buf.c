/* Buffers: capped from birth, the first error kept, and the only way a string enters JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

static void a_buffer_grows_to_its_cap_and_no_further(void **state)
{
	struct buf b;
	buf_init(&b, 5);
	assert_int_equal(buf_str(&b).n, 0);
	buf_add(&b, "abc", 3);
	buf_addf(&b, "%d", 42);
	assert_false(buf_failed(&b));
	assert_string_equal(b.p, "abc42");
	buf_add_char(&b, 'x');
	assert_true(buf_failed(&b));
	assert_string_equal(b.p, "abc42");
	buf_clear(&b);
	assert_false(buf_failed(&b));
	buf_addf(&b, "%s", "123456");
	assert_true(buf_failed(&b));
	buf_addf(&b, "1"); /* would fit, but the first error is kept: no holes */
	assert_int_equal(b.n, 0);
	buf_fini(&b), buf_fini(&b);

	struct buf zeroed = { 0 };
	buf_add(&zeroed, NULL, 0);
	assert_false(buf_failed(&zeroed));
	buf_add_char(&zeroed, 'x');
	assert_true(buf_failed(&zeroed));
	buf_fini(&zeroed);
}

static void a_cap_without_end_does_not_wrap(void **state)
{
	struct buf b;
	buf_init(&b, SIZE_MAX);
	buf_add(&b, "a", 1);
	buf_add(&b, "b", SIZE_MAX - 1); /* more than there is room for: refused before anything is touched */
	assert_true(buf_failed(&b));
	buf_fini(&b);
}

static void formatting_longer_than_the_small_buffer(void **state)
{
	struct buf b;
	buf_init(&b, 5000);
	buf_addf(&b, "<");
	buf_addf(&b, "%0999d", 7);
	buf_addf(&b, "%*s>", 255, "x");
	assert_int_equal(b.n, 1 + 999 + 256);
	assert_int_equal(strlen(b.p), b.n);
	assert_true(b.p[999] == '7' && b.p[b.n - 1] == '>');
	buf_addf(&b, "%5000s", "");
	assert_true(buf_failed(&b));
	buf_fini(&b);
}

static void taking_leaves_it_empty(void **state)
{
	struct buf b;
	size_t n = 9;
	buf_init(&b, 10);
	char *p = buf_take(&b, &n);
	assert_string_equal(p, "");
	assert_int_equal(n, 0);
	free(p);
	buf_addf(&b, "abc");
	p = buf_take(&b, NULL);
	assert_string_equal(p, "abc");
	assert_int_equal(b.n, 0);
	buf_addf(&b, "0123456789");
	assert_false(buf_failed(&b)); /* the cap is still the old one */
	free(p);
	buf_fini(&b);
}

static void json_strings(void **state)
{
	static const struct {
		const char *says;
		struct str in;
		const char *want;
	} cases[] = {
		{ "nothing", { NULL, 0 }, "\"\"" },
		{ "plain", { "abc", 3 }, "\"abc\"" },
		{ "a quote and a backslash", { "a\"b\\c", 5 }, "\"a\\\"b\\\\c\"" },
		{ "a line end", { "a\nb", 3 }, "\"a\\nb\"" },
		{ "control characters", { "\x01\x1f\t\r", 4 }, "\"\\u0001\\u001f\\u0009\\u000d\"" },
		{ "a NUL does not end it", { "a\0b", 3 }, "\"a\\u0000b\"" },
		{ "DEL is legal", { "\x7f", 1 }, "\"\x7f\"" },
		{ "well-formed UTF-8 stays", { "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9 },
			"\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"" },
		{ "a broken byte becomes U+FFFD", { "a\xFFz", 3 }, "\"a\xEF\xBF\xBDz\"" },
		{ "a cut character does not take the quote along", { "a\xE2\x82", 3 },
			"\"a\xEF\xBF\xBD\xEF\xBF\xBD\"" },
		{ "a surrogate is three broken bytes", { "\xED\xA0\x80", 3 },
			"\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
		{ "broken, then whole again", { "\xC3\xC3\xA9", 3 }, "\"\xEF\xBF\xBD\xC3\xA9\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;
		buf_init(&b, 1000);
		buf_add_json(&b, cases[i].in);
		if (!str_is(buf_str(&b), cases[i].want))
			fail_msg("%s: got %.*s", cases[i].says, STR_ARG(buf_str(&b)));
		assert_true(str_is_utf8(buf_str(&b)));
		buf_fini(&b);
	}
}

static void every_byte_pair_is_one_json_string(void **state)
{
	struct buf b;
	buf_init(&b, 100);
	for (unsigned v = 0; v < 65536; v++) {
		char in[2] = { (char)(v >> 8), (char)v };
		buf_clear(&b);
		buf_add_json(&b, (struct str){ in, 2 });
		bool escaped = false;
		for (size_t i = 1; i + 1 < b.n; i++) {
			if ((unsigned char)b.p[i] < 0x20 || (b.p[i] == '"' && !escaped))
				fail_msg("bytes %04x give %s", v, b.p);
			escaped = b.p[i] == '\\' && !escaped;
		}
		if (escaped || b.p[b.n - 1] != '"' || !str_is_utf8(buf_str(&b)))
			fail_msg("bytes %04x give %s", v, b.p);
	}
	buf_fini(&b);
}

static void keys_put_their_commas(void **state)
{
	struct buf b;
	buf_init(&b, 1000);
	buf_addf(&b, "{");
	buf_add_key(&b, "a");
	buf_add_json(&b, STR("x{"));
	buf_add_key(&b, "b");
	buf_addf(&b, "{");
	buf_add_key(&b, "c");
	buf_add_json_or_null(&b, STR(""));
	buf_addf(&b, "}");
	buf_add_key(&b, "d");
	buf_addf(&b, "[");
	buf_addf(&b, "{");
	buf_add_key(&b, "e");
	buf_add_json_or_null(&b, STR("y"));
	buf_addf(&b, "}]}");
	assert_string_equal(b.p, "{\"a\":\"x{\",\"b\":{\"c\":null},\"d\":[{\"e\":\"y\"}]}");
	buf_fini(&b);
}

static void times_and_seconds(void **state)
{
	static const struct {
		int64_t us;
		const char *want;
	} seconds[] = {
		{ 0, "0" },
		{ US_PER_S, "1" },
		{ 4 * US_PER_H, "14400" },
		{ 250 * US_PER_MS, "0.25" },
		{ 1, "0.000001" },
		{ -1, "-0.000001" },
		{ -1500000, "-1.5" },
		{ INT64_MAX, "9223372036854.775807" },
		{ INT64_MIN, "-9223372036854.775808" },
	};
	struct buf b;
	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
		buf_clear(&b);
		buf_add_seconds(&b, seconds[i].us);
		assert_string_equal(b.p, seconds[i].want);
	}
	buf_clear(&b);
	buf_add_json_time(&b, TIME_NONE);
	buf_add_json_time(&b, 0);
	buf_add_json_time(&b, 1500000);
	buf_add_json_time(&b, -1);
	assert_string_equal(b.p,
		"null\"1970-01-01T00:00:00Z\"\"1970-01-01T00:00:01.500Z\"\"1969-12-31T23:59:59.999999Z\"");
	buf_fini(&b);
}

static void arrays_grow_zeroed(void **state)
{
	size_t cap = 0;
	int *a = mem_grow(NULL, &cap, 3, sizeof(int));
	assert_true(cap >= 3);
	for (size_t i = 0; i < cap; i++)
		assert_int_equal(a[i], 0);
	memset(a, 0xFF, cap * sizeof(int));
	size_t before = cap;
	a = mem_grow(a, &cap, before + 1, sizeof(int));
	assert_true(cap > before);
	assert_int_equal(a[before - 1], -1);
	for (size_t i = before; i < cap; i++)
		assert_int_equal(a[i], 0);
	int *same = mem_grow(a, &cap, 1, sizeof(int));
	assert_ptr_equal(same, a);
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_grows_to_its_cap_and_no_further),
		cmocka_unit_test(a_cap_without_end_does_not_wrap),
		cmocka_unit_test(formatting_longer_than_the_small_buffer),
		cmocka_unit_test(taking_leaves_it_empty),
		cmocka_unit_test(json_strings),
		cmocka_unit_test(every_byte_pair_is_one_json_string),
		cmocka_unit_test(keys_put_their_commas),
		cmocka_unit_test(times_and_seconds),
		cmocka_unit_test(arrays_grow_zeroed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
