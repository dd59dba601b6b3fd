/* An uplink against a collector that does what collectors may do: acknowledge, be busy, deny, fall silent, go
 * away. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <mbedtls/certs.h>

#include "agent/uplink.h"
#include "base/clock.h"
#include "fake_collector.h"
#include "temp_dir.h"

/* A request that is under way when its connection closes is now and then lost by nng 1.5.2 itself
 * (nanomsg/nng#1713). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:exchange_start\n";
}

#define TOKEN_OF_ZEROS "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

struct world {
	const char *dir;
	struct fake *fake;
	struct agent_conf *conf;
	struct agent_shared shared;
	struct uplink *uplink;
	char assign_path[4096];
	uint64_t number;
};

static struct agent_conf *conf_for(const char *url, const char *dir, const char *more)
{
	struct agent_conf *c;
	struct err err;
	struct buf text;
	buf_init(&text, 65536);
	buf_addf(&text,
		"name: fra-1\nregion: eu-central\ncollector: %s\ntoken: %s\nreconnect_max: 1s\nspool: {dir: "
		"%s}\n%s",
		url, TOKEN_OF_ZEROS, dir, more);
	if (agent_conf_parse(buf_str(&text), "agent.yaml", &c, &err) < 0)
		fail_msg("%s", err.text);
	buf_fini(&text);
	return c;
}

static void start_uplink(struct world *w)
{
	struct err err;
	w->shared.conf = w->conf;
	if (uplink_start(&w->shared, w->assign_path, &w->uplink, &err) < 0)
		fail_msg("%s", err.text);
}

static struct world *world_new(const char *cert, const char *key, const char *more)
{
	static const struct spool_limits roomy = { .max_bytes = 64 << 20, .max_age_us = US_PER_H };
	struct world *w = mem_new(sizeof(*w));
	w->dir = temp_dir_new();
	snprintf(w->assign_path, sizeof(w->assign_path), "%s/assignments", w->dir);
	w->fake = fake_start(cert ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0", cert, key);
	w->conf = conf_for(fake_url(w->fake), w->dir, more);
	w->shared.epoch = 4711;
	w->shared.assignments = assign_box_new();
	assert_int_equal(spool_open(w->dir, &roomy, &w->shared.spool, NULL), 0);
	return w;
}

static int setup(void **state)
{
	*state = world_new(NULL, NULL, "");
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	uplink_stop(w->uplink);
	if (w->fake)
		fake_stop(w->fake);
	spool_close(w->shared.spool);
	assign_box_free(w->shared.assignments);
	agent_conf_free(w->conf);
	temp_dir_remove(w->dir);
	free(w);
	return 0;
}

static void put(struct world *w)
{
	char body[32];
	int n = snprintf(body, sizeof(body), "body of %" PRIu64, ++w->number);
	struct spool_batch b = { .epoch = w->shared.epoch,
		.number = w->number,
		.raw_size = 100,
		.n_results = 3,
		.boot_id = clock_boot_id(),
		.sealed_boot_us = clock_boot_us(),
		.sealed_wall_us = clock_wall_us(),
		.body = { body, (size_t)n } };
	assert_int_equal(spool_put(w->shared.spool, &b, NULL), 0);
	assert_int_equal(spool_flush(w->shared.spool, 10 * US_PER_S, NULL), 0);
}

static struct uplink_stats stats_of(struct world *w)
{
	struct uplink_stats s;
	uplink_stats(w->uplink, &s);
	return s;
}

static uint64_t spooled(struct world *w)
{
	struct spool_stats s;
	spool_stats(w->shared.spool, &s);
	return s.batches;
}

static void wait_up(struct world *w)
{
	WAIT_FOR("up", stats_of(w).state == UPLINK_UP);
}

/* Every body is the one its number had, however often it came. */
static size_t check_bodies(struct world *w, struct fake_seen *seen, size_t room)
{
	size_t n = fake_uploads(w->fake, seen, room);
	for (size_t i = 0; i < n; i++) {
		char want[64];
		int len = snprintf(want, sizeof(want), "body of %" PRIu64, seen[i].number);
		assert_int_equal(seen[i].body_n, len);
		assert_memory_equal(seen[i].body, want, (size_t)len);
	}
	return n;
}

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

static void usual_timeouts(void)
{
	uplink_test_timeouts(10 * US_PER_S, UPLOAD_TIMEOUT_MS * US_PER_MS, WATCH_TIMEOUT_MS * US_PER_MS);
}

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

/* ---- TLS ---- */

static void test_tls(void **state)
{
	const char *dir = temp_dir_new();
	char more[8192], ca[4096];
	/* the certificate for "localhost" that mbedTLS brings along, and who signed it */
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	temp_file_write(dir, "ca.pem", mbedtls_test_cas_pem, strlen(mbedtls_test_cas_pem));
	const struct {
		const char *says, *server_name, *ca;
		bool up;
	} cases[] = {
		{ "the right name, a known signer", "localhost", ca, true },
		{ "another name", "collector.example.com", ca, false },
		{ "no name given: that of the address, which the certificate has not", NULL, ca, false },
		{ "an unknown signer", "localhost", NULL, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(more, sizeof(more), "tls:\n  %s%s\n  %s%s\n", cases[i].ca ? "ca: " : "",
			cases[i].ca ? cases[i].ca : "", cases[i].server_name ? "server_name: " : "",
			cases[i].server_name ? cases[i].server_name : "");
		struct world *w = world_new(mbedtls_test_srv_crt, mbedtls_test_srv_key, more);
		start_uplink(w);
		put(w);
		if (cases[i].up) {
			WAIT_FOR(cases[i].says, stats_of(w).acknowledged == 1);
		} else {
			for (int ms = 0; ms < 700 && stats_of(w).state != UPLINK_HELLO; ms++)
				temp_wait_ms(1);
			if (stats_of(w).sent || fake_counts(w->fake).hellos)
				fail_msg("%s: the token went out", cases[i].says);
			assert_int_equal(spooled(w), 1);
		}
		void *done = w;
		teardown(&done);
	}
	temp_dir_remove(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
		TEST(test_denied_waits_and_tries_again),
		TEST(test_replaced_comes_back),
		TEST(test_a_conflicting_identity_stays_and_blocks_nobody),
		TEST(test_refused_for_good_is_given_up),
		TEST(test_nonsense_answers_are_survived),
		TEST(test_a_mute_collector_is_dialed_again),
		TEST(test_a_silent_upload_while_the_rest_is_alive_is_sent_again),
		TEST(test_silence_all_over_ends_the_connection),
		TEST(test_what_lies_too_long_is_backlog_and_sent_once),
		TEST(test_assignments_come_at_once_and_are_kept),
		TEST(test_the_clocks_meet),
		TEST(test_drain_sends_all_there_is),
		TEST(test_drain_does_not_wait_for_nobody),
		TEST(test_drain_dials_once_more),
		TEST(test_drain_gives_up_in_time),
		cmocka_unit_test(test_tls),
	};
	log_init("test", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
