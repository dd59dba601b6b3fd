#include "uplink_world.h"

#include <stdio.h>
#include <stdlib.h>

/* A request that is under way when its connection closes is now and then lost by nng 1.5.2 itself
 * (nanomsg/nng#1713), and so is a listener that closes while connections come or go. What is ours is asked of
 * nng in exchange_start() and fake_start(); the hub's tests, which close all, look for leaks of messages. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:exchange_start\nleak:libnng.so.1\n";
}

struct agent_conf *conf_for(const char *url, const char *dir, const char *more)
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

void start_uplink(struct world *w)
{
	struct err err;
	w->shared.conf = w->conf;
	if (uplink_start(&w->shared, w->assign_path, &w->uplink, &err) < 0)
		fail_msg("%s", err.text);
}

struct world *world_new(const char *cert, const char *key, const char *more)
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

int setup(void **state)
{
	*state = world_new(NULL, NULL, "");
	return 0;
}

int teardown(void **state)
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

void put(struct world *w)
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

struct uplink_stats stats_of(struct world *w)
{
	struct uplink_stats s;
	uplink_stats(w->uplink, &s);
	return s;
}

uint64_t spooled(struct world *w)
{
	struct spool_stats s;
	spool_stats(w->shared.spool, &s);
	return s.batches;
}

void wait_up(struct world *w)
{
	WAIT_FOR("up", stats_of(w).state == UPLINK_UP);
}

size_t check_bodies(struct world *w, struct fake_seen *seen, size_t room)
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

void usual_timeouts(void)
{
	uplink_test_timeouts(HELLO_TIMEOUT_MS * US_PER_MS, UPLOAD_TIMEOUT_MS * US_PER_MS, WATCH_TIMEOUT_MS * US_PER_MS);
}
