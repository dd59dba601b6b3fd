/* Expressions: what they match, what is refused and why, and that nobody can make them slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <regex.h>
#include <time.h>

#include "base/pattern.h"

static struct pattern *compile(const char *expression)
{
	struct pattern *p = NULL;
	struct err err;
	if (pattern_new(str_of(expression), &p, &err) < 0)
		fail_msg("'%s': %s", expression, err.text);
	return p;
}

static void what_they_match(void **state)
{
	static const struct {
		const char *says, *expression, *text, *want; /* want NULL: no match */
	} cases[] = {
		{ "plain bytes", "abc", "xxabcxx", "abc" },
		{ "the leftmost", "b+", "abbabbb", "bb" },
		{ "greedy", "a.*b", "xaxxbxxbx", "axxbxxb" },
		{ "as few as possible", "a.*?b", "xaxxbxxbx", "axxb" },
		{ "a group", "v=([0-9]+)", "a v=12 b", "12" },
		{ "the first group of two", "([a-z]+)-([0-9]+)", "rel-7", "rel" },
		{ "a group only for grouping", "(?:v|rel)-([0-9]+)", "rel-7", "7" },
		{ "the first alternative, as in Perl", "a|ab", "ab", "a" },
		{ "alternatives that fail are left", "(?:a|ab)c", "abc", "abc" },
		{ "three alternatives", "x(one|two|three)y", "xthreey", "three" },
		{ "an empty alternative", "a(|b)c", "ac", "" },
		{ "star takes none", "ab*c", "ac", "ac" },
		{ "plus takes one", "ab+c", "ac", NULL },
		{ "question mark", "colou?r", "color", "color" },
		{ "lazy plus", "<(.+?)>", "<a><b>", "a" },
		{ "lazy question mark", "a??b", "ab", "ab" },
		{ "exactly", "a{3}", "aaaa", "aaa" },
		{ "at least", "a{2,}", "xaaaa", "aaaa" },
		{ "at least, but fewer there", "a{3,}", "aa", NULL },
		{ "from to", "a{2,3}", "aaaa", "aaa" },
		{ "from to, as few as possible", "a{2,3}?", "aaaa", "aa" },
		{ "none at all", "xa{0}y", "xy", "xy" },
		{ "a repeated group keeps its last", "(?:x(a|b))+", "xaxb", "b" },
		{ "a group that took no part", "a(b)?c", "ac", NULL },
		{ "a set", "[abc]+", "xxcabxx", "cab" },
		{ "a range", "[0-9a-f]{7}", "g1234567890", "1234567" },
		{ "an inverted set", "[^ ]+", "  word  ", "word" },
		{ "a bracket first in a set", "[]x]+", "a]x]", "]x]" },
		{ "a dash at the end of a set", "[a-]+", "b-a-b", "-a-" },
		{ "a named class", "[[:digit:].]+", "v1.2.3-x", "1.2.3" },
		{ "digits", "\\d+\\.\\d+", "v1.25", "1.25" },
		{ "words", "\\w+", "--rel_1--", "rel_1" },
		{ "blanks", "a\\s+b", "a \t b", "a \t b" },
		{ "no digits", "\\D+", "12ab34", "ab" },
		{ "classes in a set", "[\\d.]+", "v1.2", "1.2" },
		{ "escaped punctuation", "\\(\\d\\)\\.\\{\\}", "(1).{}", "(1).{}" },
		{ "a tab", "a\\tb", "a\tb", "a\tb" },
		{ "a dot does not pass a line's end", "a.b", "a\nb", NULL },
		{ "nor does an inverted set", "a[^x]b", "a\nb", NULL },
		{ "a line's start", "^v(.)", "av1\nv2", "2" },
		{ "a line's end", "(.)$", "ab\ncd", "b" },
		{ "a line's end of Windows", "=(\\w+)$", "v=1\r\nw=2", "1" },
		{ "an empty line", "^$", "a\n\nb", "" },
		{ "the start is the text's too", "^a", "ab", "a" },
		{ "the empty text", "x*", "", "" },
		{ "nothing there", "x", "", NULL },
		{ "an anchor in the middle never holds", "a^b", "ab", NULL },
		{ "bytes above 127", "\xC3\xA9+", "caf\xC3\xA9", "\xC3\xA9" },
		{ "loops of nothing end", "(?:a*)*b", "aab", "aab" },
		{ "and so do these", "(?:a*|b*)*c", "abac", "abac" },
		{ "as in real life", "\"version\"\\s*:\\s*\"([^\"]+)\"",
			"{\"name\":\"x\",\"version\" : \"1.2.3\"}", "1.2.3" },
		{ "as in real pages", "<meta name=\"build\" content=\"(.+?)\">",
			"<meta name=\"build\" content=\"a1b2\"><meta name=\"x\" content=\"y\">", "a1b2" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pattern *p = compile(cases[i].expression);
		struct str got = STR_NONE;
		bool found = pattern_search(p, str_of(cases[i].text), &got);
		if (found != (cases[i].want != NULL) || (found && !str_is(got, cases[i].want)))
			fail_msg("%s: '%s' in '%s' is %s'%.*s'", cases[i].says, cases[i].expression,
				cases[i].text, found ? "" : "not found ", STR_ARG(got));
		pattern_free(p);
	}
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *says, *expression;
	} cases[] = {
		{ "nothing", "" },
		{ "an open group", "(a" },
		{ "a group closed twice", "a)" },
		{ "an open set", "[a" },
		{ "an open class", "[[:alpha:" },
		{ "a class nobody knows", "[[:vowel:]]" },
		{ "nothing to repeat", "*a" },
		{ "nothing to repeat behind a bar", "a|+" },
		{ "an open repeat", "a{2" },
		{ "a repeat without a number", "a{x}" },
		{ "a repeat that runs backwards", "a{3,2}" },
		{ "a repeat beyond all bounds", "a{99999999999}" },
		{ "a range that runs backwards", "[z-a]" },
		{ "a range to a class", "[a-\\d]" },
		{ "a backslash at the end", "a\\" },
		{ "a back reference", "(a)\\1" },
		{ "a word's edge", "\\bx" },
		{ "looking ahead", "a(?=b)" },
		{ "too much unrolled", "(?:(?:a{100}){100}){100}" },
		{ "too deep", "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pattern *p = NULL;
		struct err err = { 0 };
		if (pattern_new(str_of(cases[i].expression), &p, &err) >= 0 || p != NULL ||
			err.text[0] == '\0')
			fail_msg("%s was taken", cases[i].says);
	}
}

/* Against the C library, on small texts and expressions that mean the same in both: does it match at all, and
 * where is the first match's beginning? (The end may differ: POSIX wants the longest.) */
static void agrees_with_the_c_library(void **state)
{
	static const char *const pieces[] = { "a", "b", ".", "[ab]", "[^a]", "(a|b)", "(ab|ba)", "a*", "b+",
		"(a|bb)*", "(ab)?", "a{2}", "(a|b){1,2}", "^", "$", "|" };
	uint64_t seed = 7;
	int compared = 0;
	for (int round = 0; round < 20000; round++) {
		char expression[128] = "", text[16] = "";
		regex_t re;
		regmatch_t m;
		struct str got;
		struct pattern *p = NULL;
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		uint64_t r = seed >> 20;
		for (uint64_t i = 0, n = 1 + r % 4; i < n; i++) {
			r = r * UINT64_C(6364136223846793005) + 1442695040888963407u;
			size_t at = strlen(expression);
			(void)snprintf(expression + at, sizeof(expression) - at, "%s",
				pieces[(r >> 33) % ARRAY_LEN(pieces)]);
		}
		for (uint64_t i = 0, n = (r >> 13) % 8; i < n; i++) {
			r = r * UINT64_C(6364136223846793005) + 1442695040888963407u;
			text[i] = "aab\n"[(r >> 33) % 4];
		}
		char plain[256]; /* the same without captures, so that the whole match is what is found */
		size_t n = 0;
		for (const char *c = expression; *c; c++)
			n += (size_t)snprintf(plain + n, sizeof(plain) - n, *c == '(' ? "(?:" : "%c", *c);
		if (pattern_new((struct str){ plain, n }, &p, NULL) < 0)
			continue; /* such as '^*', which POSIX leaves open */
		if (regcomp(&re, expression, REG_EXTENDED | REG_NEWLINE) == 0) {
			bool want = regexec(&re, text, 1, &m, 0) == 0,
			     have = pattern_search(p, str_of(text), &got);
			if (want != have || (want && got.p - text != m.rm_so))
				fail_msg("'%s' in '%s': %d at %d, the C library says %d at %d", plain, text,
					have, have ? (int)(got.p - text) : -1, want,
					want ? (int)m.rm_so : -1);
			compared++;
			regfree(&re);
		}
		pattern_free(p);
	}
	assert_true(compared > 10000);
}

static void nobody_can_make_them_slow(void **state)
{
	static const char *const expressions[] = { "(a|b)*a(a|b){12}c", ".*a.{200}c", "((a*)*)*c",
		"(?:a|a)*(?:a|a)*(?:a|a)*c", ".*version: ([0-9]+)", "(x+x+)+y", "(?:(?:(?:a?){20}){10})c",
		"a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaaaaaaaaac" };
	enum { N = 16 * 1024 };
	char *text = malloc(N);
	uint64_t r = 1;
	assert_non_null(text);
	for (size_t i = 0; i < N; i++) {
		r = r * UINT64_C(6364136223846793005) + 1442695040888963407u;
		text[i] = r >> 40 & 1 ? 'a' : 'b';
	}
	for (size_t i = 0; i < ARRAY_LEN(expressions); i++) {
		struct pattern *p = compile(expressions[i]);
		struct str got;
		clock_t began = clock();
		assert_false(pattern_search(p, (struct str){ text, N }, &got));
		double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
		if (seconds > 10) /* a fraction of a second without the sanitizers; the C library takes
				     minutes for the first */
			fail_msg("'%s' took %.1f s", expressions[i], seconds);
		pattern_free(p);
	}
	free(text);
}

static void a_nul_is_a_byte(void **state)
{
	struct pattern *p = compile("b.c(\\d)");
	struct str got;
	assert_true(pattern_search(p, STR("a\0b\0c7"), &got));
	assert_true(str_is(got, "7"));
	assert_true(pattern_has_group(p));
	pattern_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_they_match),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(nobody_can_make_them_slow),
		cmocka_unit_test(a_nul_is_a_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
