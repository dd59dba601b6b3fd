/* An agent that stops: what is left goes out, and nobody waits for what will not come. */
#include <stdio.h>

#include "uplink_world.h"

static struct fake_seen seen[FAKE_SEEN_MAX];

static void test_drain_sends_all_there_is(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < 200; i++) {
		char body[32];
		int n = snprintf(body, sizeof(body), "body of %" PRIu64, ++w->number);
		struct spool_batch b = { .epoch = 4711,
			.number = w->number,
			.raw_size = 9,
			.n_results = 3,
			.boot_id = clock_boot_id(),
			.sealed_boot_us = clock_boot_us(),
			.body = { body, (size_t)n } };
		assert_int_equal(spool_put(w->shared.spool, &b, NULL), 0);
	}
	assert_int_equal(spool_flush(w->shared.spool, 10 * US_PER_S, NULL), 0);
	start_uplink(w);
	wait_up(w);
	put(w);
	int64_t before_us = clock_boot_us();
	assert_true(uplink_drain(w->uplink, 10 * US_PER_S));
	assert_true(clock_boot_us() - before_us <
		    200 * US_PER_S / BACKLOG_PER_S); /* the bound on its rate is off */
	assert_int_equal(check_bodies(w, seen, FAKE_SEEN_MAX), 201);
	assert_int_equal(spooled(w), 0);
}

static void test_drain_does_not_wait_for_nobody(void **state)
{
	struct world *w = *state;
	fake_on_hello(w->fake, FAKE_MUTE);
	start_uplink(w);
	put(w);
	int64_t before_us = clock_boot_us();
	assert_false(uplink_drain(w->uplink, 10 * US_PER_S));
	assert_true(clock_boot_us() - before_us < 5 * US_PER_S);
	assert_int_equal(spooled(w), 1);
}

static void test_drain_dials_once_more(void **state)
{
	struct world *w = *state;
	char url[128];
	agent_conf_free(w->conf);
	w->conf = conf_for(fake_url(w->fake), w->dir, "log: {level: error}\n");
	w->conf->reconnect_max_us = 10 * US_PER_MIN;
	start_uplink(w);
	wait_up(w);
	snprintf(url, sizeof(url), "%s", fake_url(w->fake));
	fake_stop(w->fake);
	w->fake = NULL;
	WAIT_FOR("noticed", stats_of(w).state != UPLINK_UP);
	put(w);
	w->fake = fake_start(url, NULL, NULL);
	assert_true(uplink_drain(w->uplink, 10 * US_PER_S));
	assert_int_equal(fake_counts(w->fake).hellos, 1);
	assert_int_equal(spooled(w), 0);
}

static void test_drain_gives_up_in_time(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_SILENT);
	put(w);
	int64_t before_us = clock_boot_us();
	assert_false(uplink_drain(w->uplink, 300 * US_PER_MS));
	assert_true(clock_boot_us() - before_us < 5 * US_PER_S);
	assert_int_equal(spooled(w), 1);
}

static void test_goodbye_is_said(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	WAIT_FOR("a Watch is parked", fake_counts(w->fake).watches >= 1);
	assert_int_equal(fake_counts(w->fake).leaving, 0);
	assert_true(uplink_leave(w->uplink, 10 * US_PER_S));
	assert_int_equal(fake_counts(w->fake).leaving, 1);
}

static void test_goodbye_to_nobody_takes_no_time(void **state)
{
	struct world *w = *state;
	fake_on_hello(w->fake, FAKE_MUTE);
	start_uplink(w);
	int64_t before_us = clock_boot_us();
	assert_false(uplink_leave(w->uplink, 10 * US_PER_S));
	assert_true(clock_boot_us() - before_us < 5 * US_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_drain_sends_all_there_is),
		TEST(test_drain_does_not_wait_for_nobody),
		TEST(test_drain_dials_once_more),
		TEST(test_drain_gives_up_in_time),
		TEST(test_goodbye_is_said),
		TEST(test_goodbye_to_nobody_takes_no_time),
	};
	log_init("test", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
