/* Strings with a length: cutting, finding, comparing, numbers, UTF-8; and which word was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/nearest.h"
#include "base/str.h"

static void the_empty_string_is_safe_everywhere(void **state)
{
	struct str none = STR_NONE, head = STR("x");
	assert_true(str_eq(none, STR("")));
	assert_true(str_eq_nocase(none, STR("")));
	assert_int_equal(str_cmp(none, STR("")), 0);
	assert_true(str_starts(none, "") && str_ends(none, "") && str_contains_nocase(none, ""));
	assert_false(str_starts(none, "a") || str_ends(none, "a") || str_contains_nocase(none, "a"));
	assert_int_equal(str_trim(none).n, 0);
	assert_int_equal(str_from(none, 3).n, 0);
	assert_int_equal(str_first(none, 3).n, 0);
	assert_int_equal(str_find(none, 'a'), -1);
	assert_int_equal(str_rfind(none, 'a'), -1);
	assert_false(str_cut(&none, ',', &head));
	assert_true(str_is(head, "x")); /* untouched */
	assert_true(str_is_utf8(none));
	assert_int_equal(str_hash(none), UINT64_C(0xcbf29ce484222325));
	assert_true(str_is(str_of(NULL), ""));
	char *z = str_dup(none);
	assert_string_equal(z, "");
	free(z);
}

static void comparing(void **state)
{
	assert_true(str_eq_nocase(STR("Cache-STATUS"), STR("cache-status")));
	assert_false(str_eq_nocase(STR("\xC3\x84"), STR("\xC3\xA4"))); /* ASCII only */
	assert_false(str_eq_nocase(STR("[\\]"), STR("{|}"))); /* neighbours of letters are not letters */
	assert_true(str_starts_nocase(STR("Content-Type: x"), "CONTENT-type"));
	assert_false(str_starts_nocase(STR("Con"), "Content"));
	assert_true(str_contains_nocase(STR("max-age=5, No-Store"), "no-store"));
	assert_false(str_contains_nocase(STR("no-stor"), "no-store"));
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("ab"), STR("a")) > 0);
	assert_true(str_cmp(STR("a"), STR("a\0")) < 0);
	assert_true(str_cmp(STR("\xFF"), STR("a")) > 0); /* bytes, not signed chars */
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_true(str_hash(STR("a")) == UINT64_C(0xaf63dc4c8601ec8c)); /* FNV-1a's own test vector */
	assert_true(str_hash(STR("foobar")) == UINT64_C(0x85944171f73967e8));
}

static void cutting(void **state)
{
	static const struct {
		const char *says, *text, *parts[5];
		size_t n;
	} cases[] = {
		{ "one part", "a", { "a" }, 1 },
		{ "two", "a,b", { "a", "b" }, 2 },
		{ "a separator at the end makes an empty last part", "a,", { "a", "" }, 2 },
		{ "and at the start an empty first", ",a", { "", "a" }, 2 },
		{ "nothing but separators", ",,", { "", "", "" }, 3 },
		{ "an empty string that is there is one empty part", "", { "" }, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str rest = str_of(cases[i].text), part;
		size_t n = 0;
		while (str_cut(&rest, ',', &part)) {
			if (n >= cases[i].n || !str_is(part, cases[i].parts[n]))
				fail_msg("%s: part %zu is '%.*s'", cases[i].says, n, STR_ARG(part));
			n++;
		}
		if (n != cases[i].n)
			fail_msg("%s: %zu parts", cases[i].says, n);
	}
	assert_true(str_is(str_trim(STR(" \t\r\na b\n\r\t ")), "a b"));
	assert_true(str_is(str_trim(STR(" \t ")), ""));
	assert_true(str_is(str_from(STR("abc"), 1), "bc"));
	assert_true(str_is(str_from(STR("abc"), 4), ""));
	assert_true(str_is(str_first(STR("abc"), 9), "abc"));
	assert_int_equal(str_find(STR("a:b:c"), ':'), 1);
	assert_int_equal(str_rfind(STR("a:b:c"), ':'), 3);
}

static void utf8(void **state)
{
	static const struct {
		const char *says, *bytes;
		bool ok;
	} cases[] = {
		{ "ASCII", "abc~", true },
		{ "two bytes, smallest", "\xC2\x80", true },
		{ "two bytes, largest", "\xDF\xBF", true },
		{ "three bytes, smallest", "\xE0\xA0\x80", true },
		{ "just below the surrogates", "\xED\x9F\xBF", true },
		{ "three bytes, largest", "\xEF\xBF\xBF", true },
		{ "four bytes, smallest", "\xF0\x90\x80\x80", true },
		{ "the last code point", "\xF4\x8F\xBF\xBF", true },
		{ "past the last code point", "\xF4\x90\x80\x80", false },
		{ "a surrogate", "\xED\xA0\x80", false },
		{ "an overlong slash in two bytes", "\xC0\xAF", false },
		{ "in three", "\xE0\x80\xAF", false },
		{ "in four", "\xF0\x80\x80\xAF", false },
		{ "a continuation alone", "\x80", false },
		{ "a lead alone", "\xC3", false },
		{ "cut after two of three", "\xE2\x82", false },
		{ "cut after three of four", "\xF0\x9F\x98", false },
		{ "a lead where a continuation belongs", "\xE2\xC3\xA9", false },
		{ "five-byte forms of old", "\xF8\x88\x80\x80\x80", false },
		{ "bytes that never occur", "\xFE\xFF", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (str_is_utf8(str_of(cases[i].bytes)) != cases[i].ok)
			fail_msg("%s", cases[i].says);
	assert_false(str_is_utf8(STR("a\0b"))); /* NUL ends a string for half of the world */
}

static void whole_numbers(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t want;
	} cases[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "42", 0, 42 },
		{ "-7", 0, -7 },
		{ "007", 0, 7 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", ERR_TOO_BIG, 0 },
		{ "-9223372036854775809", ERR_TOO_BIG, 0 },
		{ "18446744073709551616", ERR_TOO_BIG, 0 },
		{ "99999999999999999999999999", ERR_TOO_BIG, 0 },
		{ "", ERR_SYNTAX, 0 },
		{ "-", ERR_SYNTAX, 0 },
		{ "+1", ERR_SYNTAX, 0 },
		{ " 1", ERR_SYNTAX, 0 },
		{ "1 ", ERR_SYNTAX, 0 },
		{ "1.0", ERR_SYNTAX, 0 },
		{ "0x10", ERR_SYNTAX, 0 },
		{ "--1", ERR_SYNTAX, 0 },
		{ "1e3", ERR_SYNTAX, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t v = 77;
		struct err err = { 0 };
		int rc = str_to_i64(str_of(cases[i].text), &v, &err);
		if (rc != cases[i].rc || v != (rc == 0 ? cases[i].want : 77))
			fail_msg("'%s': rc %d, value %" PRId64, cases[i].text, rc, v);
		if (rc < 0 && (err.code != rc || strstr(err.text, cases[i].text) == NULL))
			fail_msg("'%s': the sentence is '%s'", cases[i].text, err.text);
	}
}

static void fractions(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		double want;
	} cases[] = {
		{ "0", true, 0 }, { "1.5", true, 1.5 }, { "-.25", true, -0.25 }, { "1e3", true, 1000 },
		{ "", false, 0 }, { ".", false, 0 }, { "-", false, 0 }, { "nan", false, 0 },
		{ "inf", false, 0 }, { "-inf", false, 0 }, { "-nan", false, 0 }, { "1e999", false, 0 },
		{ "0x10", false, 0 }, { "-0x1p3", false, 0 }, { "1,5", false, 0 }, { " 1", false, 0 },
		{ "1 ", false, 0 }, { "1.5x", false, 0 }, { "- 1", false, 0 }, { "--1", false, 0 },
		{ "1111111111111111111111111111111111111111111111111111111111111111", false,
			0 }, /* over the cap */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		double v = 77;
		int rc = str_to_double(str_of(cases[i].text), &v, NULL);
		if ((rc == 0) != cases[i].ok || v != (rc == 0 ? cases[i].want : 77))
			fail_msg("'%s': rc %d, value %g", cases[i].text, rc, v);
	}
	double v = 77;
	assert_true(
		str_to_double(STR("1\0"), &v, NULL) < 0); /* strtod would stop at the NUL and be content */
}

static void the_nearest_word(void **state)
{
	static const char *const known[] = { "interval", "timeout", "endpoints", "for", "name", "on", NULL };
	static const struct {
		const char *says, *word, *want;
	} cases[] = {
		{ "a letter too many", "intervall", "interval" },
		{ "a letter missing", "timout", "timeout" },
		{ "two swapped", "nmae", "name" },
		{ "another one", "nane", "name" },
		{ "capitals are other letters, but few", "Name", "name" },
		{ "nothing in common", "verbose", NULL },
		{ "a short word must be nearly right", "xyz", NULL },
		{ "one letter is near nothing", "x", NULL },
		{ "nothing at all", "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct nearest n = nearest_to(str_of(cases[i].word));
		for (size_t j = 0; known[j] != NULL; j++)
			nearest_try(&n, known[j]);
		if (!str_eq(str_of(n.best), str_of(cases[i].want)))
			fail_msg("%s: '%s' gives '%s'", cases[i].says, cases[i].word,
				n.best ? n.best : "nothing");
	}
	assert_int_equal(edit_distance(STR("kitten"), STR("sitting")), 3);
	assert_int_equal(edit_distance(STR(""), STR("abc")), 3);
	assert_int_equal(edit_distance(STR("ab"), STR("ba")), 1);
	char big[65] = { 0 };
	memset(big, 'x', 64);
	assert_int_equal(edit_distance(str_of(big), STR("x")), 63);
	assert_true(edit_distance((struct str){ big, 65 }, STR("x")) == SIZE_MAX);
}

static void errors_are_sentences(void **state)
{
	struct err err;
	char big[2 * ERR_TEXT_MAX];
	assert_int_equal(err_set(&err, ERR_IO, "no %s", "disk"), ERR_IO);
	assert_int_equal(err.code, ERR_IO);
	err_add(&err, "%s:%d", "a.yaml", 3);
	assert_string_equal(err.text, "a.yaml:3: no disk");
	err_set(&err, ERR_NET, "gave up: %s", err.text); /* a sentence around the sentence that is there */
	assert_string_equal(err.text, "gave up: a.yaml:3: no disk");
	assert_int_equal(err_set(NULL, ERR_FULL, "x"), ERR_FULL);
	err_add(NULL, "x");
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_add(&err, "%s", big);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_string_equal(err_name(0), "ok");
	assert_string_equal(err_name(ERR_TIMEOUT), "timeout");
	assert_string_equal(err_name(-999), "unknown");
	assert_string_equal(err_name(3), "unknown");
	assert_string_equal(err_name(INT32_MIN), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_empty_string_is_safe_everywhere),
		cmocka_unit_test(comparing),
		cmocka_unit_test(cutting),
		cmocka_unit_test(utf8),
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(fractions),
		cmocka_unit_test(the_nearest_word),
		cmocka_unit_test(errors_are_sentences),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
