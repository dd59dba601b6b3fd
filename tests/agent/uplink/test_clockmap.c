/* The agent's boot-time clock against the collector's: which exchange counts, and which cannot be true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/clockmap.h"

#define AHEAD INT64_C(1764000000000000)

/* An exchange at t1 whose way there took `there` and whose way back took `back`, kept in between. */
static void exchange(struct clockmap *m, int64_t t1, int64_t there, int64_t kept, int64_t back)
{
	clockmap_add(m, t1, t1 + there + AHEAD, t1 + there + kept + AHEAD, t1 + there + kept + back);
}

static void test_which_exchange_counts(void **state)
{
	static const struct {
		const char *says;
		struct {
			int64_t t1, there, kept, back;
		} x[3];
		int64_t now, off, uncertainty; /* uncertainty -1: not known */
	} cases[] = {
		{ "none yet", { { 0 } }, 1000, 0, -1 },
		{ "an even way is exact", { { 5000, 300, 0, 300 } }, 6000, 0, 300 },
		{ "an uneven way is off by less than its uncertainty", { { 5000, 900, 10, 100 } }, 7000, 400,
			500 },
		{ "the shorter round trip counts",
			{ { 5000, 900, 0, 100 }, { 9000, 50, 0, 50 }, { 20000, 400, 0, 0 } }, 30000, 0, 50 },
		{ "also from minutes ago", { { 5000, 50, 0, 50 }, { 9 * US_PER_MIN, 400, 0, 0 } },
			9 * US_PER_MIN + 500, 0, 50 },
		{ "but not from over 10 minutes ago", { { 5000, 50, 0, 50 }, { 9 * US_PER_MIN, 400, 0, 0 } },
			11 * US_PER_MIN, 200, 200 },
		{ "all too old", { { 5000, 50, 0, 50 } }, 11 * US_PER_MIN, 0, -1 },
		{ "a commit's wait is taken out", { { 5000, 100, 50000, 100 } }, 60000, 0, 100 },
		{ "a parked Watch does not count", { { 5000, 1, 25 * US_PER_S, 1 } }, 30 * US_PER_S, 0, -1 },
		{ "sent before it was received", { { 5000, 100, -50, 100 } }, 60000, 0, -1 },
		{ "kept longer than it took in all", { { 5000, 10, 500, -100 } }, 60000, 0, -1 },
		{ "an answer a minute late", { { 5000, US_PER_MIN, 0, 0 } }, 2 * US_PER_MIN, 30 * US_PER_S,
			30 * US_PER_S },
		{ "an answer later than that", { { 5000, US_PER_MIN, 0, 1 } }, 2 * US_PER_MIN, 0, -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct clockmap m = { 0 };
		int64_t off = 0, uncertainty = -1;
		for (size_t k = 0; k < 3; k++)
			if (cases[i].x[k].t1)
				exchange(&m, cases[i].x[k].t1, cases[i].x[k].there, cases[i].x[k].kept,
					cases[i].x[k].back);
		bool known = clockmap_get(&m, cases[i].now, &off, &uncertainty);
		if (known != (cases[i].uncertainty >= 0) || uncertainty != cases[i].uncertainty ||
			(known && off - AHEAD != cases[i].off))
			fail_msg("%s: known %d, off by %lld, uncertainty %lld", cases[i].says, known,
				(long long)(off - AHEAD), (long long)uncertainty);
	}
}

static void test_a_minute_keeps_its_best(void **state)
{
	struct clockmap m = { 0 };
	int64_t off, uncertainty;
	for (int64_t minute = 1; minute < 100; minute++) {
		exchange(&m, minute * US_PER_MIN, 500, 0, 500);
		exchange(&m, minute * US_PER_MIN + US_PER_S, 20 + minute, 0, 20 + minute);
		exchange(&m, minute * US_PER_MIN + 2 * US_PER_S, 900, 0, 900);
	}
	assert_true(clockmap_get(&m, 99 * US_PER_MIN + 3 * US_PER_S, &off, &uncertainty));
	assert_true(off == AHEAD && uncertainty == 20 + 90); /* of minutes 90 to 99 the first */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_exchange_counts),
		cmocka_unit_test(test_a_minute_keeps_its_best),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
