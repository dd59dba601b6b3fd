/* An uplink and its collector, while all is well or soon will be: what goes out, in which order, once; what
 * comes in. */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "uplink_world.h"

static struct fake_seen seen[FAKE_SEEN_MAX];

static void test_hello_says_who_we_are(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	struct fake_counts c = fake_counts(w->fake);
	assert_int_equal(c.hellos, 1);
	assert_string_equal(c.hello_agent, "fra-1");
	assert_string_equal(c.hello_region, "eu-central");
	assert_true(c.token_is_right && c.hello_epoch == 4711 && c.hello_generation == 0);
	assert_int_equal(c.first_not_hello, 0);
}

static void test_spooled_is_sent_and_leaves_when_acknowledged(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	for (int i = 0; i < 30; i++)
		put(w);
	WAIT_FOR("all acknowledged", stats_of(w).acknowledged == 30);
	WAIT_FOR("the spool is empty", spooled(w) == 0);
	assert_int_equal(check_bodies(w, seen, FAKE_SEEN_MAX), 30); /* each once */
	for (size_t i = 0; i < 30; i++)
		assert_true(seen[i].epoch == 4711 && seen[i].number == i + 1); /* in order */
}

static void test_after_a_cut_the_newest_go_first(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < 40; i++)
		put(w);
	start_uplink(w);
	wait_up(w);
	put(w); /* live: does not wait for the 40 */
	WAIT_FOR("all acknowledged", stats_of(w).acknowledged == 41);
	size_t n = check_bodies(w, seen, FAKE_SEEN_MAX), live_at = n;
	uint64_t last = 41;
	assert_int_equal(n, 41);
	for (size_t i = 0; i < n; i++) {
		if (seen[i].number == 41) {
			live_at = i;
			continue;
		}
		assert_true(seen[i].number < last);
		last = seen[i].number;
	}
	assert_true(live_at < 30);
	/* at a bounded rate */
	assert_true(seen[n - 1].at_boot_us - seen[0].at_boot_us > 40 * US_PER_S / BACKLOG_PER_S / 3);
}

static void test_busy_is_waited_out_with_the_same_bytes(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_BUSY);
	put(w);
	put(w);
	WAIT_FOR("it came three times", fake_counts(w->fake).uploads >= 6);
	assert_int_equal(spooled(w), 2);
	assert_true(stats_of(w).state == UPLINK_UP && stats_of(w).busy >= 4);
	size_t n = check_bodies(w, seen, FAKE_SEEN_MAX);
	int64_t first_us = 0, second_us = 0;
	for (size_t i = 0; i < n && !second_us; i++) {
		if (seen[i].number == 1 && first_us)
			second_us = seen[i].at_boot_us;
		else if (seen[i].number == 1)
			first_us = seen[i].at_boot_us;
	}
	assert_true(second_us - first_us >= 70 * US_PER_MS); /* told 150 ms, give or take the jitter */
	fake_on_upload(w->fake, FAKE_ACK);
	WAIT_FOR("both acknowledged", stats_of(w).acknowledged == 2);
	WAIT_FOR("the spool is empty", spooled(w) == 0);
}

static void test_a_lost_connection_loses_nothing(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_SILENT);
	put(w);
	put(w);
	WAIT_FOR("both came", fake_counts(w->fake).uploads == 2);
	fake_on_upload(w->fake, FAKE_ACK);
	fake_kick(w->fake);
	WAIT_FOR("both acknowledged", stats_of(w).acknowledged == 2);
	struct fake_counts c = fake_counts(w->fake);
	assert_true(c.hellos >= 2 && c.connections >= 2); /* a new connection says Hello anew */
	assert_int_equal(c.first_not_hello, 0);
	assert_true(check_bodies(w, seen, FAKE_SEEN_MAX) >= 4);
	assert_int_equal(c.hello_generation, 1); /* and what it has */
}

static void test_a_collector_that_restarts(void **state)
{
	struct world *w = *state;
	char url[128];
	start_uplink(w);
	wait_up(w);
	snprintf(url, sizeof(url), "%s", fake_url(w->fake));
	fake_stop(w->fake);
	w->fake = NULL;
	WAIT_FOR("noticed", stats_of(w).state != UPLINK_UP);
	for (int i = 0; i < 5; i++)
		put(w);
	w->fake = fake_start(url, NULL, NULL);
	WAIT_FOR("all acknowledged", stats_of(w).acknowledged == 5);
	assert_int_equal(fake_counts(w->fake).first_not_hello, 0);
}

static void test_hello_first_is_said_and_all_is_sent_again(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_HELLO_FIRST);
	put(w);
	WAIT_FOR("acknowledged", stats_of(w).acknowledged == 1);
	struct fake_counts c = fake_counts(w->fake);
	assert_true(c.hellos == 2 && c.connections == 1 && c.uploads == 2);
}

static void test_what_lies_too_long_is_backlog_and_sent_once(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	for (int i = 0; i < 20; i++) {
		char body[32];
		int n = snprintf(body, sizeof(body), "body of %" PRIu64, ++w->number);
		struct spool_batch b = { .epoch = 4711,
			.number = w->number,
			.raw_size = 9,
			.n_results = 3,
			.boot_id = clock_boot_id(),
			.sealed_boot_us = clock_boot_us() - 2 * LIVE_LAG_US,
			.body = { body, (size_t)n } };
		assert_int_equal(spool_put(w->shared.spool, &b, NULL), 0);
	}
	put(w);
	WAIT_FOR("all acknowledged", stats_of(w).acknowledged == 21);
	assert_int_equal(check_bodies(w, seen, FAKE_SEEN_MAX), 21);
	assert_int_equal(spooled(w), 0);
}

/* ---- assignments, clock, drain ---- */

static struct assign_set *taken(struct world *w)
{
	struct assign_set *s = NULL;
	struct pollfd p = { .fd = assign_box_fd(w->shared.assignments), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 10000), 1);
	s = assign_box_take(w->shared.assignments);
	assert_non_null(s);
	return s;
}

static void test_assignments_come_at_once_and_are_kept(void **state)
{
	struct world *w = *state;
	struct assign_set *s, *kept;
	start_uplink(w);
	s = taken(w);
	assert_true(s->a.generation == 1 && s->a.n_services == 1 && str_is(s->a.services[0].name, "shop"));
	assign_set_unref(s);
	WAIT_FOR("a Watch is parked", fake_counts(w->fake).watches == 1);
	int64_t told_us = clock_boot_us();
	fake_assign(w->fake, 2);
	s = taken(w);
	assert_true(clock_boot_us() - told_us < US_PER_S); /* well under a second, as promised */
	assert_int_equal(s->a.generation, 2);
	assign_set_unref(s);
	assert_int_equal(assign_load(w->assign_path, &kept, NULL), 0);
	assert_int_equal(kept->a.generation, 2);
	assign_set_unref(kept);
	WAIT_FOR("watching on", fake_counts(w->fake).watches == 2);
	assert_int_equal(fake_counts(w->fake).watch_generation, 2);

	uplink_stop(w->uplink);
	w->uplink = NULL;
	start_uplink(w);
	s = taken(w); /* a new run asks for all of it: a burst may be on, and the file knows of none */
	assert_int_equal(s->a.generation, 2);
	assign_set_unref(s);
}

static void test_the_clocks_meet(void **state)
{
	struct world *w = *state;
	const int64_t ahead_us = INT64_C(1764000000000000);
	fake_ahead_us(w->fake, ahead_us);
	start_uplink(w);
	wait_up(w);
	put(w);
	WAIT_FOR("acknowledged", stats_of(w).acknowledged == 1);
	check_bodies(w, seen, 1);
	assert_true(seen[0].has_offset); /* Hello and Welcome were an exchange already */
	struct uplink_stats s = stats_of(w);
	assert_true(s.clock_known);
	assert_true(llabs(s.clock_offset_us - ahead_us) <= s.clock_uncertainty_us + 1);
	assert_true(llabs(seen[0].clock_offset_us - ahead_us) < US_PER_S);
}

static void test_what_is_not_probed_is_told(void **state)
{
	struct world *w = *state;
	struct shortfall s = { 0 };
	start_uplink(w);
	WAIT_FOR("a Watch is parked", fake_counts(w->fake).watches >= 1);
	for (int i = 0; i < 20; i++)
		shortfall_add(&s, STR("shop"), STR("version"), "host is not among this agent's allow_hosts");
	shortfall_put(&w->shared.shortfall, &s);
	atomic_store(&w->shared.held_back, 7);
	WAIT_FOR("told", fake_counts(w->fake).refused == 20);
	assert_int_equal(fake_counts(w->fake).held_back, 7);
	assert_string_equal(fake_counts(w->fake).refused_endpoint, "version");
	assert_true(stats_of(w).state == UPLINK_UP && fake_counts(w->fake).connections == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hello_says_who_we_are),
		TEST(test_spooled_is_sent_and_leaves_when_acknowledged),
		TEST(test_after_a_cut_the_newest_go_first),
		TEST(test_busy_is_waited_out_with_the_same_bytes),
		TEST(test_a_lost_connection_loses_nothing),
		TEST(test_a_collector_that_restarts),
		TEST(test_hello_first_is_said_and_all_is_sent_again),
		TEST(test_what_lies_too_long_is_backlog_and_sent_once),
		TEST(test_assignments_come_at_once_and_are_kept),
		TEST(test_the_clocks_meet),
		TEST(test_what_is_not_probed_is_told),
	};
	log_init("test", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
