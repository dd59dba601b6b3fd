/* What a parked Watch is told and when, and what the journal is told of agents and services. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "collector/entry_json.h"
#include "world.h"

/* -- Watch -- */

static void submit(struct world *w, enum entry_kind kind, const char *json, int want)
{
	struct err err = { 0 };
	struct entry_reader *r = entry_reader_new();
	struct buf entry;
	buf_init(&entry, ENTRY_LINE_MAX);
	if (entry_from_body(r, kind, str_of(json), STR_NONE, clock_wall_us(), &entry, &err) < 0)
		fail_msg("%s", err.text);
	int rc = hub_submit(w->hub, kind, STR("shop"), buf_str(&entry), 10 * US_PER_S, &err);
	if (rc != want)
		fail_msg("%s: %d %s", json, rc, err.text);
	buf_fini(&entry);
	entry_reader_free(r);
}

static void test_a_deploy_reaches_a_parked_watch(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial(w);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	assert_true(client_ask(c, 0, &m, &answer));
	assert_int_equal(answer.assignments.services[0].burst_interval_ms, 0);
	struct wire_msg watch = { .kind = WIRE_WATCH,
		.watch = { .generation = answer.assignments.generation } };
	wire_free(&answer);
	client_send(c, 1, &watch);
	char deploy[128];
	(void)snprintf(deploy, sizeof(deploy),
		"{\"service\":\"shop\",\"version\":\"v2\",\"id\":\"d1\",\"live_at\":%" PRId64 "}",
		clock_wall_us());
	submit(w, ENTRY_DEPLOY, deploy, 0);
	assert_true(client_finish(c, 1, CLIENT_WAIT_MS, &answer));
	assert_int_equal(answer.kind, WIRE_ASSIGNMENTS);
	assert_false(answer.assignments.unchanged);
	assert_true(answer.assignments.generation != watch.watch.generation);
	assert_int_equal(answer.assignments.services[0].interval_ms, 10000);
	assert_int_equal(answer.assignments.services[0].burst_interval_ms, 1000);
	assert_in_range(answer.assignments.services[0].burst_left_ms, 50000, 60001);
	assert_true(answer.clock.there);
	wire_free(&answer);
	client_hang_up(c);
}

static void test_a_purge_before_the_new_version_is_live_stays_gentle(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	char deploy[256], at[TIME_TEXT_MAX];
	int64_t live_us = clock_wall_us() + 1500 * US_PER_MS;
	(void)snprintf(deploy, sizeof(deploy),
		"{\"type\":\"deploy\",\"service\":\"shop\",\"version\":\"v2\",\"id\":\"d1\",\"at\":%" PRId64
		",\"live_at\":\"%s\"}",
		clock_wall_us(), time_format(live_us, at));
	struct err err = { 0 };
	if (hub_submit(w->hub, ENTRY_DEPLOY, STR("shop"), str_of(deploy), 10 * US_PER_S, &err) < 0)
		fail_msg("%s", err.text);
	submit(w, ENTRY_PURGE, "{\"service\":\"shop\",\"patterns\":[\"/*\"],\"id\":\"p1\"}", 0);
	/* each Hello tells what is so now; before live_at there is no burst, after it there is */
	for (;;) {
		struct wire_msg m = hello_of("fra-1", w->key), answer;
		assert_true(client_ask(c, 0, &m, &answer));
		uint32_t interval_ms = answer.assignments.services[0].burst_interval_ms;
		wire_free(&answer);
		if (interval_ms > 0)
			break;
		assert_true(clock_wall_us() < live_us + 10 * US_PER_S);
		pause_ms(20);
	}
	assert_true(clock_wall_us() >= live_us);
	client_hang_up(c);
}

static void test_a_reload_reaches_a_parked_watch_and_a_bad_file_nobody(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial(w);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	struct err err = { 0 };
	struct hub_stats s;
	assert_true(client_ask(c, 0, &m, &answer));
	struct wire_msg watch = { .kind = WIRE_WATCH,
		.watch = { .generation = answer.assignments.generation } };
	wire_free(&answer);
	client_send(c, 1, &watch);
	world_conf(w, "  - name: shop\n    nonsense: 1\n", NULL);
	assert_true(hub_reload(w->hub, &err) < 0);
	assert_non_null(strstr(err.text, "collector.yaml:5:5: unknown key 'nonsense'"));
	hub_stats(w->hub, &s);
	assert_false(s.last_reload_ok);
	world_conf(w,
		WORLD_SERVICE
		"  - name: blog\n    version: etag\n    endpoints: [{url: 'https://blog.example/'}]\n",
		NULL);
	if (hub_reload(w->hub, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(client_finish(c, 1, CLIENT_WAIT_MS, &answer));
	assert_int_equal(answer.kind, WIRE_ASSIGNMENTS);
	assert_int_equal(answer.assignments.n_services, 2);
	wire_free(&answer);
	hub_stats(w->hub, &s);
	assert_true(s.last_reload_ok);
	client_hang_up(c);
}

/* -- what the journal is told -- */

static void test_entries_are_checked_against_all_that_came_before(void **state)
{
	struct world *w = *state;
	submit(w, ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"id\":\"d1\"}", 0);
	submit(w, ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"id\":\"d1\"}", ERR_EXISTS);
	submit(w, ENTRY_DEPLOY, "{\"service\":\"nowhere\",\"version\":\"v2\",\"id\":\"d2\"}", ERR_NOT_FOUND);
	submit(w, ENTRY_DEPLOY_PATCH, "{\"id\":\"d1\",\"aborted\":true}", 0);
	submit(w, ENTRY_DEPLOY_PATCH, "{\"id\":\"d9\",\"aborted\":true}", ERR_NOT_FOUND);
}

struct kinds {
	size_t n[ENTRY_KIND_COUNT];
	char last_agent[256];
};

static int count_kind(void *ctx, const struct entry *e)
{
	struct kinds *k = ctx;
	k->n[e->kind]++;
	if (e->kind == ENTRY_AGENT)
		(void)snprintf(k->last_agent, sizeof(k->last_agent), "%.*s", STR_ARG(e->bytes));
	return 0;
}

static struct kinds kinds_stored(struct world *w)
{
	struct kinds k = { 0 };
	struct store *st;
	struct err err;
	assert_int_equal(hub_open_store(w->hub, &st, &err), 0);
	assert_int_equal(store_each_entry(st, 0, count_kind, &k, &err), 0);
	store_close(st);
	return k;
}

static void test_a_restart_tells_the_journal_only_what_changed(void **state)
{
	struct world *w = *state;
	/* shop without agents, then with fra-1 */
	EVENTUALLY(kinds_stored(w).n[ENTRY_SERVICE] == 2);
	hub_stop(w->hub);
	world_up(w);
	struct client *c =
		world_dial_and_hello(w); /* behind it, in order: nothing about services is still under way */
	EVENTUALLY(strstr(kinds_stored(w).last_agent, "\"state\":\"connected\"") != NULL);
	struct kinds k = kinds_stored(w);
	assert_int_equal(k.n[ENTRY_AGENT], 2); /* enrolled, once; connected */
	assert_int_equal(k.n[ENTRY_SERVICE], 2);
	assert_int_equal(k.n[ENTRY_COLLECTOR], 2);
	client_hang_up(c);
	hub_stop(w->hub);
	world_conf(w, "", NULL);
	world_up(w);
	EVENTUALLY(kinds_stored(w).n[ENTRY_SERVICE] == 3); /* removed */
}

static void test_agents_come_and_go_in_the_journal(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	EVENTUALLY(strstr(kinds_stored(w).last_agent, "\"state\":\"connected\"") != NULL);
	struct kinds k = kinds_stored(w);
	assert_non_null(strstr(
		k.last_agent, "\"agent\":\"fra-1\",\"region\":\"eu-central\",\"state\":\"connected\""));
	assert_non_null(strstr(k.last_agent, "\"clock_suspect\":false"));
	client_hang_up(c);
	EVENTUALLY(strstr(kinds_stored(w).last_agent, "\"state\":\"disconnected\"") != NULL);
	k = kinds_stored(w);
	assert_non_null(strstr(k.last_agent, "\"state\":\"disconnected\""));
}

static void test_a_wrong_wall_clock_is_marked_and_does_no_harm(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial(w);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	m.hello.sent_wall_us += US_PER_H;
	assert_true(client_ask(c, 0, &m, &answer));
	wire_free(&answer);
	EVENTUALLY(strstr(kinds_stored(w).last_agent, "\"state\":\"connected\"") != NULL);
	assert_non_null(strstr(kinds_stored(w).last_agent, "\"clock_suspect\":true"));
	/* once it is right, that is news too */
	world_upload(c, 0, 5, 1, 1, &answer);
	wire_free(&answer);
	EVENTUALLY(strstr(kinds_stored(w).last_agent, "\"clock_suspect\":false") != NULL);
	client_hang_up(c);
}

int main(void)
{
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_start, world_end)
	static const struct CMUnitTest tests[] = {
		WORLD(test_a_deploy_reaches_a_parked_watch),
		WORLD(test_a_purge_before_the_new_version_is_live_stays_gentle),
		WORLD(test_a_reload_reaches_a_parked_watch_and_a_bad_file_nobody),
		WORLD(test_entries_are_checked_against_all_that_came_before),
		WORLD(test_a_restart_tells_the_journal_only_what_changed),
		WORLD(test_agents_come_and_go_in_the_journal),
		WORLD(test_a_wrong_wall_clock_is_marked_and_does_no_harm),
	};
	log_init("test_hub_watch", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
