/* Patterns with '*': what they match and what they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/glob.h"

static void what_a_star_stands_for(void **state)
{
	static const struct {
		const char *says, *glob, *text;
		bool any_case, matches;
	} cases[] = {
		{ "the same bytes", "/version", "/version", false, true },
		{ "a byte more in the text", "/version", "/version1", false, false },
		{ "a byte more in the pattern", "/version1", "/version", false, false },
		{ "nothing and nothing", "", "", false, true },
		{ "nothing matches only nothing", "", "a", false, false },
		{ "a star alone is everything", "*", "/a/b?c=d", false, true },
		{ "and nothing", "*", "", false, true },
		{ "a star at the end", "/api/*", "/api/v1/x", false, true },
		{ "which may stand for nothing", "/api/*", "/api/", false, true },
		{ "but not for the byte before it", "/api/*", "/api", false, false },
		{ "a star in front", "*.example.com", "a.b.example.com", false, true },
		{ "a star in front needs the rest", "*.example.com", "example.com", false, false },
		{ "a star in the middle takes slashes too", "/a*z", "/a/b/c/z", false, true },
		{ "the last of several ends is found", "*ab", "abaab", false, true },
		{ "stars next to each other are one", "a**b", "ab", false, true },
		{ "each star has its own part", "a*b*c", "a1b2b3c", false, true },
		{ "and the parts keep their order", "a*b*c", "acb", false, false },
		{ "letters are as they are", "/A", "/a", false, false },
		{ "unless either case will do", "/A*Z", "/aBz", true, true },
		{ "other bytes have no case", "[", "{", true, false },
		{ "a question mark is itself", "/a?b", "/axb", false, false },
		{ "a bracket is itself", "/[ab]", "/a", false, false },
		{ "a backslash is itself", "\\*", "\\x", false, true },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (glob_matches(str_of(cases[i].glob), str_of(cases[i].text), cases[i].any_case) !=
			cases[i].matches)
			fail_msg("%s: '%s' and '%s'", cases[i].says, cases[i].glob, cases[i].text);
	assert_true(glob_matches((struct str){ "a\0*", 3 }, (struct str){ "a\0b", 3 }, false));
	assert_false(glob_matches((struct str){ "a\0*", 3 }, (struct str){ "a", 1 }, false));
}

/* A matcher that goes back to every star would need longer than the universe lasts. */
static void many_stars_end(void **state)
{
	char glob[129], text[4096];
	(void)state;
	for (size_t i = 0; i < 128; i += 2)
		memcpy(glob + i, "*a", 2);
	glob[128] = 'b';
	memset(text, 'a', sizeof(text));
	assert_false(glob_matches((struct str){ glob, 129 }, (struct str){ text, sizeof(text) }, false));
	assert_true(glob_matches((struct str){ glob, 128 }, (struct str){ text, sizeof(text) }, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_a_star_stands_for),
		cmocka_unit_test(many_stars_end) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
