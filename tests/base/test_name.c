/* What may be called what: agents, regions, services, environments, endpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/name.h"

static void names(void **state)
{
	static const struct {
		const char *says, *name;
		bool fine;
	} cases[] = {
		{ "a word", "shop", true },
		{ "all there may be", "Shop-api_2.eu", true },
		{ "a digit first", "1st", true },
		{ "one letter", "a", true },
		{ "64 bytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true },
		{ "65 bytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
		{ "nothing", "", false },
		{ "a hidden file", ".shop", false },
		{ "the folder above", "..", false },
		{ "an option", "-shop", false },
		{ "an underscore first", "_shop", false },
		{ "a space", "my shop", false },
		{ "a path", "a/b", false },
		{ "what stands between service and environment", "shop@eu", false },
		{ "a letter of another alphabet", "caf\xc3\xa9", false },
		{ "a control character", "a\n", false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (name_is_fine(str_of(cases[i].name)) != cases[i].fine)
			fail_msg("%s: '%s'", cases[i].says, cases[i].name);
	assert_false(name_is_fine((struct str){ "a\0b", 3 }));
}

static void variables(void **state)
{
	static const struct {
		const char *says, *name;
		bool fine;
	} cases[] = {
		{ "as a shell writes them", "POP_1", true },
		{ "small letters", "pop", true },
		{ "an underscore first", "_POP", true },
		{ "a digit first", "1POP", false },
		{ "nothing", "", false },
		{ "a dash", "MY-POP", false },
		{ "with its value", "POP=1", false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (name_is_variable(str_of(cases[i].name)) != cases[i].fine)
			fail_msg("%s: '%s'", cases[i].says, cases[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names), cmocka_unit_test(variables) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
