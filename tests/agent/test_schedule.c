/* When which endpoint is probed: phases, bursts, caps, and sets that change. Time is moved by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/schedule.h"

#define T0 (1000 * US_PER_H) /* some boot time */

static struct schedule_item item(const char *name, int64_t interval_us)
{
	const struct str parts[] = { STR("agent"), str_of(name) };
	return (struct schedule_item){
		.key = schedule_hash(parts, 2),
		.host = 1,
		.interval_us = interval_us,
		.user = (void *)(uintptr_t)name,
	};
}

/* Runs from one moment to another, each probe over at once; counts the starts of one item (NULL: of all). */
static size_t run(struct schedule *s, int64_t *now, int64_t until, const void *who, int64_t *ret_last)
{
	struct schedule_start st;
	size_t n = 0;
	for (;;) {
		while (schedule_take(s, *now, &st)) {
			if (who == NULL || st.user == who) {
				n++;
				if (ret_last)
					*ret_last = *now;
			}
			schedule_done(s, st.ticket);
		}
		int64_t next = schedule_next_us(s, *now);
		if (next >= until) {
			*now = until;
			return n;
		}
		assert_true(next > *now); /* never spins */
		*now = next;
	}
}

static void each_item_once_an_interval_and_spread(void **state)
{
	enum { N = 1000, BUCKETS = 10 };
	static struct schedule_item items[N];
	static char names[N][16];
	size_t per_bucket[BUCKETS] = { 0 }, n = 0;
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	struct schedule_start st;
	int64_t now = T0;
	for (int i = 0; i < N; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "e%d", i);
		items[i] = item(names[i], 30 * US_PER_S);
	}
	schedule_set(s, items, N, now);
	assert_int_equal(schedule_count(s), N);
	assert_int_equal(
		run(s, &now, T0 + SCHEDULE_FIRST_US, NULL, NULL), N); /* everybody soon a first time */
	now = T0 + 30 * US_PER_S;
	while (schedule_take(s, now, &st)) /* what was due meanwhile */
		schedule_done(s, st.ticket);
	int64_t from = now;
	while (schedule_next_us(s, now) <= from + 30 * US_PER_S) {
		now = schedule_next_us(s, now);
		while (schedule_take(s, now, &st)) {
			per_bucket[MIN((now - from) / (3 * US_PER_S), (int64_t)BUCKETS - 1)]++;
			n++;
			schedule_done(s, st.ticket);
		}
	}
	assert_int_equal(n, N);
	for (int i = 0; i < BUCKETS; i++)
		assert_in_range(per_bucket[i], 60, 140); /* 100 give or take: never in step */
	assert_int_equal(schedule_held_back(s), 0);
	schedule_free(s);
}

static void phases_do_not_depend_on_the_start(void **state)
{
	struct schedule_item a = item("one", 30 * US_PER_S);
	int64_t last[2];
	for (int i = 0; i < 2; i++) {
		struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
		int64_t now = T0 + i * 7 * US_PER_S;
		schedule_set(s, &a, 1, now);
		assert_true(run(s, &now, T0 + US_PER_H, NULL, &last[i]) >= 119);
		schedule_free(s);
	}
	assert_int_equal(last[0], last[1]);
}

static void a_changed_set_keeps_the_phases_of_those_who_stay(void **state)
{
	struct schedule_item all[3] = { item("stays", 10 * US_PER_S), item("goes", 10 * US_PER_S),
		item("comes", 10 * US_PER_S) };
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	int64_t now = T0, before = 0, after = 0;
	schedule_set(s, all, 2, now);
	assert_in_range(run(s, &now, T0 + US_PER_MIN, all[0].user, &before), 6, 7);
	struct schedule_item next[2] = { all[2], all[0] };
	schedule_set(s, next, 2, now);
	int64_t from = now;
	assert_int_equal(run(s, &now, from + US_PER_MIN, all[0].user, &after), 6);
	assert_int_equal((after - before) % (10 * US_PER_S), 0);
	assert_int_equal(run(s, &now, now + US_PER_MIN, all[1].user, NULL), 0);
	schedule_set(s, NULL, 0, now);
	assert_int_equal(schedule_next_us(s, now), SCHEDULE_NEVER);
	schedule_free(s);
}

static void sets_changed_every_second_double_nothing(void **state)
{
	struct schedule_item a = item("one", 10 * US_PER_S);
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	int64_t now = T0;
	size_t n = 0;
	for (int i = 0; i < 600; i++) {
		schedule_set(s, &a, 1, now);
		n += run(s, &now, now + US_PER_S, NULL, NULL);
	}
	assert_in_range(n, 60, 61);
	schedule_free(s);
}

static void a_key_that_comes_twice_is_probed_once(void **state)
{
	struct schedule_item twice[2] = { item("one", 10 * US_PER_S), item("one", 10 * US_PER_S) };
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	schedule_set(s, twice, 2, T0);
	assert_int_equal(schedule_count(s), 1);
	schedule_free(s);
}

static void a_burst_raises_the_rate_and_ends_by_itself(void **state)
{
	struct schedule_item a = item("one", 30 * US_PER_S);
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	struct schedule_start st;
	int64_t now = T0;
	schedule_set(s, &a, 1, now);
	(void)run(s, &now, T0 + US_PER_MIN, NULL, NULL);
	a.burst_interval_us = US_PER_S;
	a.burst_until_us = now + 20 * US_PER_S;
	schedule_set(s, &a, 1, now);
	assert_true(schedule_next_us(s, now) <= now + US_PER_S); /* at once, not after the old slot */
	now = schedule_next_us(s, now);
	assert_true(schedule_take(s, now, &st));
	assert_true(st.burst);
	schedule_done(s, st.ticket);
	assert_in_range(run(s, &now, a.burst_until_us, NULL, NULL), 18, 20);
	int64_t from = now;
	assert_in_range(run(s, &now, from + 5 * US_PER_MIN, NULL, NULL), 10, 11);
	while (!schedule_take(s, now, &st))
		now = schedule_next_us(s, now);
	assert_false(st.burst);
	schedule_done(s, st.ticket);
	a.burst_until_us = now + US_PER_H; /* on again, and called off */
	schedule_set(s, &a, 1, now);
	assert_in_range(run(s, &now, now + 10 * US_PER_S, NULL, NULL), 9, 11);
	a.burst_interval_us = 0;
	schedule_set(s, &a, 1, now);
	assert_in_range(run(s, &now, now + US_PER_MIN, NULL, NULL), 2,
		3); /* the third was due as it was called off */
	schedule_free(s);
}

static void a_burst_slower_than_the_interval_is_none(void **state)
{
	struct schedule_item a = item("one", 5 * US_PER_S);
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	int64_t now = T0;
	a.burst_interval_us = 60 * US_PER_S;
	a.burst_until_us = T0 + US_PER_H;
	schedule_set(s, &a, 1, now);
	assert_in_range(run(s, &now, T0 + US_PER_MIN, NULL, NULL), 12, 13);
	schedule_free(s);
}

static void make(struct schedule_item *items, char (*names)[16], size_t n, int64_t interval_us, size_t hosts)
{
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "e%zu", i);
		items[i] = item(names[i], interval_us);
		items[i].host = i % hosts;
	}
}

static void the_rate_in_all_is_capped_fairly_and_counted(void **state)
{
	enum { N = 100 };
	static struct schedule_item items[N];
	static char names[N][16];
	size_t count[N] = { 0 }, total = 0;
	struct schedule *s = schedule_new(&(struct schedule_limits){ .max_rate = 10 });
	struct schedule_start st;
	int64_t now = T0, until = T0 + 5 * US_PER_MIN;
	make(items, names, N, US_PER_S, 7); /* wants 100 a second */
	schedule_set(s, items, N, now);
	while (now < until) {
		while (schedule_take(s, now, &st)) {
			count[strtoul((const char *)st.user + 1, NULL, 10)]++;
			total++;
			schedule_done(s, st.ticket);
		}
		now = schedule_next_us(s, now);
	}
	assert_in_range(total, 3000 - 10, 3000 + 12); /* the bucket's one second's worth on top */
	for (int i = 0; i < N; i++)
		assert_in_range(count[i], 28, 32); /* nobody starves */
	assert_in_range(
		schedule_held_back(s), 26000, 30000); /* of the 30000 slots, all but those run in time */
	schedule_free(s);
}

static void the_rate_to_one_host_is_capped_and_others_are_not(void **state)
{
	enum { N = 40 };
	static struct schedule_item items[N + 1];
	static char names[N][16];
	struct schedule *s = schedule_new(&(struct schedule_limits){ .max_rate_per_host = 5 });
	int64_t now = T0;
	make(items, names, N, US_PER_S, 1);
	items[N] = item("other", US_PER_S);
	items[N].host = 99;
	schedule_set(s, items, N + 1, now);
	assert_in_range(run(s, &now, T0 + US_PER_MIN, items[N].user, NULL), 60, 61);
	int64_t from = now;
	size_t all = run(s, &now, from + US_PER_MIN, NULL, NULL);
	assert_in_range(all, 60 + 300 - 6, 60 + 300 + 6);
	assert_true(schedule_held_back(s) > 3000);
	schedule_free(s);
}

static void a_rate_below_one_a_second_holds_too(void **state)
{
	enum { N = 10 };
	static struct schedule_item items[N];
	static char names[N][16];
	struct schedule *s = schedule_new(&(struct schedule_limits){ .max_rate = 0.5 });
	int64_t now = T0;
	make(items, names, N, US_PER_S, 1);
	schedule_set(s, items, N, now);
	assert_in_range(run(s, &now, T0 + 100 * US_PER_S, NULL, NULL), 49, 51);
	schedule_free(s);
}

static void raised_caps_free_those_who_wait(void **state)
{
	enum { N = 200 };
	static struct schedule_item items[N];
	static char names[N][16];
	struct schedule *s = schedule_new(&(struct schedule_limits){ .max_rate = 0.1 });
	int64_t now = T0;
	make(items, names, N, 10 * US_PER_S, 1);
	schedule_set(s, items, N, now);
	(void)run(s, &now, T0 + US_PER_MIN, NULL, NULL); /* their turns now lie up to half an hour ahead */
	schedule_set_limits(s, &(struct schedule_limits){ .max_rate = 1000 }, now);
	assert_true(run(s, &now, now + 12 * US_PER_S, NULL, NULL) >= N);
	schedule_free(s);
}

static void no_more_under_way_than_the_cap_and_first_come_first_served(void **state)
{
	enum { N = 10, CAP = 3 };
	static struct schedule_item items[N];
	static char names[N][16];
	struct schedule *s = schedule_new(&(struct schedule_limits){ .max_inflight = CAP });
	struct schedule_start st[N];
	int64_t now = T0 + SCHEDULE_FIRST_US, last_due = 0;
	size_t n = 0;
	make(items, names, N, US_PER_MIN, 1);
	schedule_set(s, items, N, T0);
	while (schedule_take(s, now, &st[n]))
		n++;
	assert_int_equal(n, CAP);
	assert_int_equal(schedule_inflight(s), CAP);
	assert_int_equal(
		schedule_next_us(s, now), SCHEDULE_NEVER); /* only an end helps: nobody spins meanwhile */
	for (size_t i = 0; i < N - CAP; i++) {
		schedule_done(s, st[i].ticket);
		now += US_PER_S;
		assert_true(schedule_take(s, now, &st[n]));
		assert_true(st[n].due_us >= last_due);
		last_due = st[n].due_us;
		n++;
		assert_false(schedule_take(s, now, &st[0]));
	}
	assert_int_equal(schedule_held_back(s), N - CAP);
	schedule_free(s);
}

static void one_endpoint_never_runs_twice_at_once(void **state)
{
	struct schedule_item a = item("one", US_PER_S);
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	struct schedule_start st, other;
	int64_t now = T0;
	schedule_set(s, &a, 1, now);
	now = schedule_next_us(s, now);
	assert_true(schedule_take(s, now, &st));
	for (int i = 0; i < 5; i++) {
		now = schedule_next_us(s, now);
		assert_false(schedule_take(s, now, &other));
	}
	assert_int_equal(schedule_held_back(s), 5); /* slots lost while it ran */
	schedule_set(s, &a, 1, now);                /* a new set does not make it forget */
	now = schedule_next_us(s, now);
	assert_false(schedule_take(s, now, &other));
	schedule_done(s, st.ticket);
	now = schedule_next_us(s, now);
	assert_true(schedule_take(s, now, &st));
	schedule_set(s, NULL, 0, now); /* and it may leave while it runs */
	schedule_done(s, st.ticket);
	assert_int_equal(schedule_inflight(s), 0);
	schedule_free(s);
}

static void tickets_survive_a_set_that_moves_everybody(void **state)
{
	enum { N = 20 };
	static struct schedule_item items[N];
	static char names[N][16];
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	struct schedule_start st[N];
	int64_t now = T0 + SCHEDULE_FIRST_US;
	make(items, names, N, US_PER_MIN, 1);
	schedule_set(s, items, N, T0);
	for (int i = 0; i < N; i++)
		assert_true(schedule_take(s, now, &st[i]));
	schedule_set(s, items + N / 2, N / 2, now); /* half of them leave */
	for (int i = 0; i < N; i++)
		schedule_done(s, st[i].ticket);
	assert_int_equal(schedule_inflight(s), 0);
	assert_int_equal(run(s, &now, now + US_PER_MIN, NULL, NULL), N / 2);
	assert_int_equal(schedule_held_back(s), 0);
	schedule_free(s);
}

static void a_suspended_machine_catches_up_with_one_probe_not_many(void **state)
{
	struct schedule_item a = item("one", US_PER_S);
	struct schedule *s = schedule_new(&(struct schedule_limits){ 0 });
	struct schedule_start st;
	int64_t now = T0;
	schedule_set(s, &a, 1, now);
	(void)run(s, &now, T0 + 10 * US_PER_S, NULL, NULL);
	now += US_PER_H;
	assert_true(schedule_take(s, now, &st));
	schedule_done(s, st.ticket);
	assert_false(schedule_take(s, now, &st));
	assert_int_equal(schedule_held_back(s), 0); /* no cap of ours did this */
	schedule_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_item_once_an_interval_and_spread),
		cmocka_unit_test(phases_do_not_depend_on_the_start),
		cmocka_unit_test(a_changed_set_keeps_the_phases_of_those_who_stay),
		cmocka_unit_test(sets_changed_every_second_double_nothing),
		cmocka_unit_test(a_key_that_comes_twice_is_probed_once),
		cmocka_unit_test(a_burst_raises_the_rate_and_ends_by_itself),
		cmocka_unit_test(a_burst_slower_than_the_interval_is_none),
		cmocka_unit_test(the_rate_in_all_is_capped_fairly_and_counted),
		cmocka_unit_test(the_rate_to_one_host_is_capped_and_others_are_not),
		cmocka_unit_test(a_rate_below_one_a_second_holds_too),
		cmocka_unit_test(raised_caps_free_those_who_wait),
		cmocka_unit_test(no_more_under_way_than_the_cap_and_first_come_first_served),
		cmocka_unit_test(one_endpoint_never_runs_twice_at_once),
		cmocka_unit_test(tickets_survive_a_set_that_moves_everybody),
		cmocka_unit_test(a_suspended_machine_catches_up_with_one_probe_not_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
