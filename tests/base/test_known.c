/* A name that nobody goes by: which one was meant, or which there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/known.h"

static void says(void **state)
{
	static const struct {
		const char *says, *word, *names[16], *want;
		bool found;
	} cases[] = {
		{ "one of them", "shop", { "blog", "shop" }, NULL, true },
		{ "nearly one of them", "shpo", { "blog", "shop" }, "; did you mean 'shop'?", false },
		{ "like none of them", "frobnicate", { "blog", "shop" }, "; there are blog, shop", false },
		{ "the only one", "frobnicate", { "shop" }, "; there is only shop", false },
		{ "none at all", "shop", { NULL }, "; there is none", false },
		{ "its environment forgotten", "shop", { "blog", "shop@production" },
			"; did you mean 'shop@production'?", false },
		{ "several environments", "shop", { "shop@production", "shop@staging" },
			"; there are shop@production, shop@staging", false },
		{ "told twice", "frobnicate", { "shop", "shop" }, "; there is only shop", false },
		{ "many", "frobnicate",
			{ "a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8", "i9", "j0", "k1", "l2", "m3",
				"n4" },
			"; there are a1, b2, c3, d4, e5, f6, g7, h8, i9, j0, k1, l2 and 2 more", false },
		{ "nothing asked for", "", { "blog" }, "; there is only blog", false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];
		struct known k = known_start(str_of(cases[i].word));
		for (size_t j = 0; j < ARRAY_LEN(cases[i].names) && cases[i].names[j]; j++)
			known_add(&k, str_of(cases[i].names[j]));
		if (k.found != cases[i].found)
			fail_msg("%s: found=%d", cases[i].says, k.found);
		if (!k.found && strcmp(known_says(&k, text, sizeof(text)), cases[i].want) != 0)
			fail_msg("%s: got '%s'", cases[i].says, text);
		known_end(&k);
	}
}

static void a_small_room_is_enough(void **state)
{
	char text[24];
	(void)state;
	struct known k = known_start(STR("frobnicate"));
	for (int i = 0; i < 14; i++) {
		char name[32];
		snprintf(name, sizeof(name), "some-long-name-%d", i);
		known_add(&k, str_of(name));
	}
	assert_string_equal(known_says(&k, text, sizeof(text)), "; there are some-long-n");
	known_end(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(says),
		cmocka_unit_test(a_small_room_is_enough) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
