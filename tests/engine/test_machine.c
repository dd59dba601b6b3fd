/* The verdict's state machine, every pair of state and event; and the small parts under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "collector/engine/engine_internal.h"

#define P VERDICT_PENDING
#define C VERDICT_CONVERGING
#define V VERDICT_VERIFIED
#define F VERDICT_FAILED
#define I VERDICT_INCONCLUSIVE
#define S VERDICT_SUPERSEDED
#define A VERDICT_ABORTED

/* Rows: from; columns in the order of enum verdict_event. */
static const enum verdict table[VERDICT_COUNT][VERDICT_EVENT_COUNT] = {
	/*                          live newer cancelled fresh wrong data relapse explained */
	[VERDICT_PENDING] = { C, S, A, P, P, P, P, P },
	[VERDICT_CONVERGING] = { C, S, A, V, F, I, C, C },
	[VERDICT_VERIFIED] = { V, V, V, V, V, V, F, V },
	[VERDICT_FAILED] = { F, F, F, F, F, F, F, V },
	[VERDICT_INCONCLUSIVE] = { I, I, I, I, I, I, I, I },
	[VERDICT_SUPERSEDED] = { S, S, S, S, S, S, S, S },
	[VERDICT_ABORTED] = { A, A, A, A, A, A, A, A },
};

static void every_pair_of_state_and_event(void **state)
{
	(void)state;
	for (enum verdict from = 0; from < VERDICT_COUNT; from++)
		for (enum verdict_event on = 0; on < VERDICT_EVENT_COUNT; on++)
			if (verdict_after(from, on) != table[from][on])
				fail_msg("%s on event %d becomes %s, not %s", verdict_name(from), on,
					verdict_name(verdict_after(from, on)), verdict_name(table[from][on]));
}

static void only_pending_and_converging_are_open(void **state)
{
	(void)state;
	for (enum verdict v = 0; v < VERDICT_COUNT; v++)
		assert_int_equal(verdict_is_final(v), v != VERDICT_PENDING && v != VERDICT_CONVERGING);
}

static void names_of_states_go_both_ways(void **state)
{
	(void)state;
	enum cell_state s;
	for (enum cell_state i = 0; i < CELL_STATE_COUNT; i++) {
		assert_true(cell_state_from(str_of(cell_state_name(i)), &s));
		assert_int_equal(s, i);
	}
	assert_false(cell_state_from(STR("fresher"), &s));
}

/* -- runs -- */

static void runs_are(const struct runs *r, const char *want)
{
	struct buf got;
	buf_init(&got, 4096);
	for (size_t i = 0; i < r->n; i++) {
		const struct run *v = &runs_of(r)[i];
		buf_addf(&got, "%s%u:%" PRId64 "-%" PRId64 "x%u%s", i ? " " : "", v->value, v->first_us,
			v->last_us, v->n, v->after_break ? "!" : "");
	}
	assert_string_equal(got.n ? got.p : "", want);
	buf_fini(&got);
}

static void runs_take_observations_in_any_order(void **state)
{
	(void)state;
	static const struct {
		const char *says;
		int times[8], values[8];
		const char *want;
	} cases[] = {
		{ "in order", { 1, 2, 3, 4 }, { 1, 1, 2, 2 }, "1:1-2x2 2:3-4x2" },
		{ "an older of the same value lengthens the run", { 3, 1, 2 }, { 1, 1, 1 }, "1:1-3x3" },
		{ "between two runs, of the first's value", { 1, 5, 3 }, { 1, 2, 1 }, "1:1-3x2 2:5-5x1" },
		{ "between two runs, of the second's value", { 1, 5, 3 }, { 1, 2, 2 }, "1:1-1x1 2:3-5x2" },
		{ "between two runs, of its own value", { 1, 5, 3 }, { 1, 2, 3 }, "1:1-1x1 3:3-3x1 2:5-5x1" },
		{ "inside a run, of its value", { 1, 5, 3 }, { 1, 1, 1 }, "1:1-5x3" },
		{ "inside a run, of another value: it becomes two", { 10, 20, 30, 40, 25 }, { 1, 1, 1, 1, 2 },
			"1:10-20x2 2:25-25x1 1:30-40x2" },
		{ "inside a run of two", { 10, 40, 25 }, { 1, 1, 2 }, "1:10-10x1 2:25-25x1 1:40-40x1" },
		{ "before all", { 10, 20, 5 }, { 1, 2, 3 }, "3:5-5x1 1:10-10x1 2:20-20x1" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct runs r;
		runs_init(&r);
		for (size_t j = 0; j < 8 && cases[i].times[j]; j++)
			assert_true(runs_add(&r, (uint32_t)cases[i].values[j], cases[i].times[j], false));
		print_message("%s\n", cases[i].says);
		runs_are(&r, cases[i].want);
		runs_fini(&r);
	}
}

static void runs_are_capped_and_forget_the_oldest(void **state)
{
	(void)state;
	struct runs r;
	runs_init(&r);
	for (int64_t t = 1; t <= 1000; t++)
		assert_true(runs_add(&r, (uint32_t)(t % 2), t * 10, false));
	assert_int_equal(r.n, RUNS_MAX);
	assert_int_equal(runs_of(&r)[RUNS_MAX - 1].last_us, 10000);
	assert_int_equal(runs_of(&r)[0].first_us, 10000 - 10 * (RUNS_MAX - 1));
	assert_false(runs_add(&r, 7, 5, false)); /* older than all that is kept */
	assert_true(runs_add(&r, 7, 9995, false));
	assert_int_equal(r.n, RUNS_MAX);
	for (size_t i = 1; i < r.n; i++)
		assert_true(runs_of(&r)[i - 1].last_us <= runs_of(&r)[i].first_us);
	runs_fini(&r);
}

static void runs_never_overlap_whatever_comes(void **state)
{
	(void)state;
	uint64_t dice = 88172645463325252u;
	for (int round = 0; round < 2000; round++) {
		struct runs r;
		runs_init(&r);
		uint32_t n = 0;
		for (int k = 0; k < 40; k++) {
			dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
			n += runs_add(&r, (uint32_t)(dice >> 8) % 3, (int64_t)(dice % 50), dice >> 60 == 0);
			uint32_t sum = 0;
			for (size_t i = 0; i < r.n; i++) {
				const struct run *v = &runs_of(&r)[i];
				assert_true(v->n >= 1 && v->first_us <= v->last_us);
				assert_true(i == 0 || v[-1].last_us <= v->first_us);
				sum += v->n;
			}
			assert_true(sum <= n);
			if (r.n < RUNS_MAX - 2 && n < RUNS_MAX - 2)
				assert_int_equal(sum, n); /* none is lost or made up */
		}
		runs_fini(&r);
	}
}

/* -- histogram -- */

static void histogram_bounds_stay_bounds(void **state)
{
	(void)state;
	for (int64_t s = 0; s < 4000000; s += s < 5000 ? 1 : 997) {
		int64_t us = s * US_PER_S;
		assert_true(hist_time(hist_bin(us, false)) <= us);
		assert_true(hist_time(hist_bin(us, true)) >= us);
		if (s <= 1024) { /* whole seconds are exact for a quarter of an hour */
			assert_int_equal(hist_time(hist_bin(us, false)), us);
			assert_int_equal(hist_time(hist_bin(us, true)), us);
		} else {
			assert_true(
				hist_time(hist_bin(us, true)) - hist_time(hist_bin(us, false)) <= us / 100);
		}
	}
	assert_int_equal(hist_bin(-5, false), 0);
	assert_int_equal(hist_bin(1, true), 1);
	assert_int_equal(hist_bin(1, false), 0);
	(void)hist_bin(INT64_MAX, true); /* the last bin takes all */
}

static void histogram_can_be_taken_back(void **state)
{
	(void)state;
	struct hist h = { 0 };
	hist_add(&h, 5, 3), hist_add(&h, 900, 4), hist_add(&h, 5, 1);
	hist_take(&h, 5, 3), hist_take(&h, 900, 4), hist_take(&h, 5, 1);
	for (size_t i = 0; i < h.n; i++)
		assert_int_equal(h.bins[i], 0);
	hist_fini(&h);
}

static void wilson_as_in_the_books(void **state)
{
	(void)state;
	static const struct {
		uint32_t k, n;
		double low, high;
	} cases[] = { { 0, 0, 0, 1 }, { 0, 10, 0, 0.2775 }, { 10, 10, 0.7225, 1 }, { 1, 2, 0.0945, 0.9055 },
		{ 10, 100, 0.0552, 0.1744 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		double low, high;
		wilson95(cases[i].k, cases[i].n, &low, &high);
		assert_true(low > cases[i].low - 1e-4 && low < cases[i].low + 1e-4);
		assert_true(high > cases[i].high - 1e-4 && high < cases[i].high + 1e-4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_state_and_event),
		cmocka_unit_test(only_pending_and_converging_are_open),
		cmocka_unit_test(names_of_states_go_both_ways),
		cmocka_unit_test(runs_take_observations_in_any_order),
		cmocka_unit_test(runs_are_capped_and_forget_the_oldest),
		cmocka_unit_test(runs_never_overlap_whatever_comes),
		cmocka_unit_test(histogram_bounds_stay_bounds),
		cmocka_unit_test(histogram_can_be_taken_back),
		cmocka_unit_test(wilson_as_in_the_books),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
