/* An uplink against a collector that does what collectors may do: deny, talk nonsense, fall silent. */
#include <stdio.h>

#include "uplink_world.h"

static struct fake_seen seen[FAKE_SEEN_MAX];

static void test_denied_waits_and_tries_again(void **state)
{
	struct world *w = *state;
	fake_on_hello(w->fake, FAKE_BAD_TOKEN);
	put(w);
	start_uplink(w);
	WAIT_FOR("denied more than once", stats_of(w).denied >= 3);
	struct uplink_stats s = stats_of(w);
	assert_string_equal(s.denial, "bad_token");
	assert_true(s.state != UPLINK_UP && s.sent == 0);
	assert_int_equal(fake_counts(w->fake).connections, 1); /* no storm of connections */
	fake_on_hello(w->fake, FAKE_WELCOME);
	WAIT_FOR("acknowledged", stats_of(w).acknowledged == 1);
	assert_string_equal(stats_of(w).denial, "");
}

static void test_replaced_comes_back(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_REPLACED);
	put(w);
	WAIT_FOR("acknowledged in the end", stats_of(w).acknowledged == 1);
	assert_int_equal(fake_counts(w->fake).hellos, 2);
}

static void test_a_conflicting_identity_stays_and_blocks_nobody(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_CONFLICT);
	put(w);
	WAIT_FOR("denied", stats_of(w).denied == 1);
	fake_on_upload(w->fake, FAKE_ACK);
	put(w);
	WAIT_FOR("the next is acknowledged", stats_of(w).acknowledged == 1);
	WAIT_FOR("and gone", spooled(w) == 1);
	assert_true(stats_of(w).state == UPLINK_UP);
	struct spool_batch b;
	struct buf body;
	buf_init(&body, BATCH_PACKED_MAX);
	assert_int_equal(spool_next(w->shared.spool, SPOOL_NEWER, 0, &b, &body, NULL), 0);
	assert_int_equal(b.number, 1); /* never dropped silently */
	buf_fini(&body);
}

static void test_refused_for_good_is_given_up(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_REFUSE);
	put(w);
	WAIT_FOR("given up", stats_of(w).refused == 1);
	WAIT_FOR("gone", spooled(w) == 0);
	assert_int_equal(fake_counts(w->fake).uploads, 1);
}

static void test_nonsense_answers_are_survived(void **state)
{
	static const struct {
		const char *says;
		enum fake_upload how;
	} cases[] = {
		{ "bytes that do not decode", FAKE_GARBAGE },
		{ "an Ack of another batch", FAKE_ACK_ANOTHER },
	};
	struct world *w = *state;
	start_uplink(w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		wait_up(w);
		fake_on_upload(w->fake, cases[i].how);
		put(w);
		WAIT_FOR(cases[i].says, stats_of(w).acknowledged == i + 1);
	}
	assert_int_equal(fake_counts(w->fake).first_not_hello, 0);
}

/* ---- silence ---- */

static void test_a_mute_collector_is_dialed_again(void **state)
{
	struct world *w = *state;
	fake_on_hello(w->fake, FAKE_MUTE);
	uplink_test_timeouts(100 * US_PER_MS, 10 * US_PER_S, 10 * US_PER_S);
	start_uplink(w);
	WAIT_FOR("another connection", fake_counts(w->fake).connections >= 2);
	fake_on_hello(w->fake, FAKE_WELCOME);
	wait_up(w);
	usual_timeouts();
}

static void test_a_silent_upload_while_the_rest_is_alive_is_sent_again(void **state)
{
	struct world *w = *state;
	uplink_test_timeouts(10 * US_PER_S, 600 * US_PER_MS, 10 * US_PER_S);
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_SILENT);
	put(w);
	WAIT_FOR("it came", fake_counts(w->fake).uploads == 1);
	fake_assign(w->fake, 2); /* the watch is answered meanwhile: the connection is good */
	WAIT_FOR("watching on", fake_counts(w->fake).watches == 2);
	fake_on_upload(w->fake, FAKE_ACK);
	temp_wait_ms(300);
	fake_assign(w->fake, 3);
	WAIT_FOR("acknowledged", stats_of(w).acknowledged == 1);
	assert_int_equal(fake_counts(w->fake).connections, 1);
	assert_int_equal(check_bodies(w, seen, FAKE_SEEN_MAX), 2);
	usual_timeouts();
}

static void test_silence_all_over_ends_the_connection(void **state)
{
	struct world *w = *state;
	uplink_test_timeouts(10 * US_PER_S, 200 * US_PER_MS, 300 * US_PER_MS);
	start_uplink(w);
	wait_up(w);
	fake_on_upload(
		w->fake, FAKE_SILENT); /* as behind a dead NAT entry: no event from the network at all */
	put(w);
	WAIT_FOR("another connection", fake_counts(w->fake).connections >= 2);
	fake_on_upload(w->fake, FAKE_ACK);
	uplink_test_timeouts(10 * US_PER_S, 10 * US_PER_S, 10 * US_PER_S);
	WAIT_FOR("acknowledged", stats_of(w).acknowledged == 1);
	assert_true(stats_of(w).timeouts >= 1);
	assert_int_equal(fake_counts(w->fake).first_not_hello, 0);
	check_bodies(w, seen, FAKE_SEEN_MAX);
	usual_timeouts();
}

/* It connects, so the collector is there, busy or behind a slow disk: it is waited for, and looked at ever more rarely.
 * (What comes of a way that is shut, tests/e2e/link.sh shows: that takes a network.) */
static void test_who_can_be_reached_is_waited_for(void **state)
{
	struct world *w = *state;
	start_uplink(w);
	wait_up(w);
	fake_on_upload(w->fake, FAKE_SILENT);
	put(w);
	WAIT_FOR("looked", stats_of(w).looks >= 1);
	int64_t first_us = clock_boot_us();
	WAIT_FOR("looked again", stats_of(w).looks >= 2);
	assert_true(clock_boot_us() - first_us > 1500 * US_PER_MS);
	struct fake_counts c = fake_counts(w->fake);
	assert_true(c.connections == 1 && c.uploads == 1 && c.hellos == 1);
	assert_true(stats_of(w).state == UPLINK_UP && spooled(w) == 1);
	fake_on_upload(w->fake, FAKE_ACK);
	put(w);
	WAIT_FOR("the next is acknowledged", stats_of(w).acknowledged == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_denied_waits_and_tries_again),
		TEST(test_replaced_comes_back),
		TEST(test_a_conflicting_identity_stays_and_blocks_nobody),
		TEST(test_refused_for_good_is_given_up),
		TEST(test_nonsense_answers_are_survived),
		TEST(test_a_mute_collector_is_dialed_again),
		TEST(test_a_silent_upload_while_the_rest_is_alive_is_sent_again),
		TEST(test_silence_all_over_ends_the_connection),
		TEST(test_who_can_be_reached_is_waited_for),
	};
	log_init("test", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
