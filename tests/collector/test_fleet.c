/* Who is connected, what the journal still has to hear of it, and how a service's entry reads. Pipes are
 * numbers here, and parked Watches any pointer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/entry_json.h"
#include "collector/fleet.h"
#include "collector/services.h"

#define NOW INT64_C(1772359200000000) /* 2026-03-01T10:00:00Z */

static const unsigned char key[HELLO_TOKEN_BYTES] = { 1, 2, 3 };

static struct agent_record record_of(const char *name, const char *region)
{
	return (struct agent_record){ .name = str_of(name),
		.region = str_of(region),
		.token = sha256_of((struct str){ (const char *)key, sizeof(key) }) };
}

static struct wire_hello hello_from(const char *name)
{
	return (struct wire_hello){ .protocol = PROTOCOL_VERSION,
		.agent = str_of(name),
		.token = { (const char *)key, sizeof(key) },
		.software = STR("tidemark-agent 9"),
		.region = STR("told"),
		.sent_wall_us = NOW };
}

static void put(struct fleet *f, const char *name, const char *region, bool revoked)
{
	struct agent_record r = record_of(name, region);
	void *parked;
	r.revoked = revoked;
	fleet_put(f, &r, &parked);
}

static enum denial say_hello(struct fleet *f, uint32_t pipe, const char *name, void **ret_parked)
{
	struct fleet_agent agent;
	struct wire_hello h = hello_from(name);
	return fleet_hello(f, pipe, &h, NOW, 0, &agent, ret_parked);
}

static void welcome(struct fleet *f, uint32_t pipe, const char *name)
{
	void *parked;
	fleet_pipe_added(f, pipe, 0);
	assert_int_equal(say_hello(f, pipe, name, &parked), DENIAL_COUNT);
	assert_null(parked);
}

static void drop(void *msg)
{
	(*(int *)msg)++;
}

/* "fra-1 connected", one line each, in the order they are told. */
static void expect_news(struct fleet *f, const char *want)
{
	static const char *const words[] = { "connected", "disconnected", "drained", "revoked", "enrolled" };
	struct fleet_news n;
	struct buf got;
	buf_init(&got, 4096);
	buf_add_str(&got, STR(""));
	while (fleet_take_news(f, &n)) {
		buf_addf(&got, "%.*s %s%s\n", STR_ARG(n.name), words[n.state],
			n.clock_suspect ? " suspect" : "");
		free((char *)n.software.p);
	}
	if (!str_is(buf_str(&got), want))
		fail_msg("got:\n%swant:\n%s", got.p, want);
	buf_fini(&got);
}

static void test_coming_and_going_between_two_looks_is_no_news(void **state)
{
	struct fleet *f = fleet_new();
	(void)state;
	put(f, "fra-1", "eu", false);
	expect_news(f, "fra-1 enrolled\n"); /* listed, as never seen */
	put(f, "fra-1", "eu", false);
	expect_news(f, "");
	welcome(f, 1, "fra-1");
	expect_news(f, "fra-1 connected\n");
	assert_null(fleet_pipe_gone(f, 1));
	welcome(f, 2, "fra-1"); /* back before anybody looked */
	expect_news(f, "");
	assert_null(fleet_pipe_gone(f, 2));
	expect_news(f, "fra-1 disconnected\n");
	assert_null(fleet_pipe_gone(f, 2)); /* once more changes nothing */
	expect_news(f, "");
	put(f, "fra-1", "eu", true);
	expect_news(f, "fra-1 revoked\n");
	fleet_free(f, drop);
}

static void expect_parked(struct fleet *f, const struct fleet_parked *p, void *old)
{
	enum denial why;
	void *got;
	assert_int_equal(fleet_park(f, p, fleet_pushes(f), &got, &why), PARKING_HELD);
	assert_ptr_equal(got, old);
}

static void test_who_replaces_whom(void **state)
{
	struct fleet *f = fleet_new();
	struct fleet_agent agent;
	struct fleet_counts counts;
	int msg = 0;
	void *parked;
	(void)state;
	put(f, "fra-1", "eu", false);
	welcome(f, 1, "fra-1");
	struct fleet_parked p = { .pipe = 1, .msg = &msg, .deadline_boot_us = 5 };
	expect_parked(f, &p, NULL);
	fleet_pipe_added(f, 2, 0);
	assert_int_equal(say_hello(f, 2, "fra-1", &parked), DENIAL_COUNT);
	assert_ptr_equal(parked, &msg); /* to be answered */
	assert_int_equal(fleet_message(f, 1, 0, &agent), DENIED_REPLACED);
	assert_int_equal(fleet_message(f, 2, 0, &agent), DENIAL_COUNT);
	/* nothing more is parked for the older one, also when its message was taken before it was replaced */
	void *old;
	enum denial why;
	assert_int_equal(fleet_park(f, &p, 0, &old, &why), PARKING_DENIED);
	assert_int_equal(why, DENIED_REPLACED);
	p.pipe = 77;
	assert_int_equal(fleet_park(f, &p, 0, &old, &why), PARKING_GONE);
	fleet_counts(f, &counts);
	assert_int_equal(counts.connected, 1);
	assert_int_equal(counts.pipes, 2);
	assert_null(fleet_pipe_gone(f, 1)); /* the older one's end is not the agent's */
	expect_news(f, "fra-1 connected\n");
	/* saying Hello again on the same connection replaces nobody */
	assert_int_equal(say_hello(f, 2, "fra-1", &parked), DENIAL_COUNT);
	assert_int_equal(fleet_message(f, 2, 0, &agent), DENIAL_COUNT);
	/* a connection that becomes another agent's: the former one left */
	put(f, "nrt-1", "ap", false);
	assert_int_equal(say_hello(f, 2, "nrt-1", &parked), DENIAL_COUNT);
	fleet_counts(f, &counts);
	assert_int_equal(counts.connected, 1);
	assert_int_equal(fleet_message(f, 2, 0, &agent), DENIAL_COUNT);
	assert_true(str_is(agent.name, "nrt-1"));
	fleet_free(f, drop);
}

static void test_a_hello_that_comes_after_its_pipes_end_binds_nothing(void **state)
{
	struct fleet *f = fleet_new();
	struct fleet_counts counts;
	void *parked;
	(void)state;
	put(f, "fra-1", "eu", false);
	fleet_pipe_added(f, 1, 0);
	assert_null(fleet_pipe_gone(f, 1));
	assert_int_equal(say_hello(f, 1, "fra-1", &parked), DENIED_HELLO_FIRST);
	fleet_counts(f, &counts);
	assert_int_equal(counts.connected, 0);
	expect_news(f, "fra-1 enrolled\n"); /* and not connected */
	fleet_free(f, drop);
}

static void test_parked_watches_come_due_in_order(void **state)
{
	struct fleet *f = fleet_new();
	struct fleet_parked p;
	int msgs[4] = { 0 };
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		char name[] = { 'a', (char)('0' + i), '\0' };
		put(f, name, "eu", false);
		welcome(f, i, name);
		p = (struct fleet_parked){
			.pipe = i, .msg = &msgs[i], .generation = i, .deadline_boot_us = 100 + i
		};
		expect_parked(f, &p, NULL);
	}
	p.msg = &p;
	p.deadline_boot_us = 200; /* the same agent again: the former Watch was given up */
	expect_parked(f, &p, &msgs[3]);
	assert_int_equal(fleet_next_deadline(f), 100);
	assert_false(fleet_take_due(f, 99, &p));
	assert_true(fleet_take_due(f, 101, &p) && p.msg == &msgs[0]);
	assert_ptr_equal(fleet_pipe_gone(f, 2), &msgs[2]);
	assert_true(fleet_take_due(f, 101, &p) && p.msg == &msgs[1] && p.generation == 1);
	assert_false(fleet_take_due(f, 101, &p));
	struct fleet_parked *all;
	assert_int_equal(fleet_take_parked(f, &all), 1);
	assert_int_equal(all[0].deadline_boot_us, 200);
	free(all);
	assert_int_equal(fleet_next_deadline(f), INT64_MAX);
	p = (struct fleet_parked){ .pipe = 0, .msg = &msgs[0] };
	void *old;
	enum denial why;
	/* all were told something between the look and the parking: look again */
	assert_int_equal(fleet_park(f, &p, fleet_pushes(f) - 1, &old, &why), PARKING_STALE);
	expect_parked(f, &p, NULL);
	fleet_free(f, drop);
	assert_int_equal(msgs[0], 1); /* what is still parked is given back at the end */
}

static void test_dead_and_mute_pipes_are_found(void **state)
{
	struct fleet *f = fleet_new();
	struct fleet_agent agent;
	uint32_t pipe;
	void *parked;
	(void)state;
	put(f, "fra-1", "eu", false);
	welcome(f, 1, "fra-1");
	fleet_pipe_added(f, 2, 0); /* says nothing */
	assert_false(fleet_take_dead(f, FLEET_MUTE_US - 1, &pipe, &parked));
	assert_true(fleet_take_dead(f, FLEET_MUTE_US, &pipe, &parked) && pipe == 2);
	assert_int_equal(fleet_message(f, 1, 50 * US_PER_S, &agent), DENIAL_COUNT);
	assert_false(fleet_take_dead(f, 50 * US_PER_S + FLEET_SILENT_US - 1, &pipe, &parked));
	assert_true(fleet_take_dead(f, 50 * US_PER_S + FLEET_SILENT_US, &pipe, &parked) && pipe == 1);
	expect_news(f, "fra-1 disconnected\n");
	fleet_free(f, drop);
}

static void test_after_a_restart_those_who_do_not_come_back_are_gone(void **state)
{
	struct fleet *f = fleet_new();
	(void)state;
	put(f, "fra-1", "eu", false);
	put(f, "nrt-1", "ap", false);
	fleet_was_connected(f, STR("fra-1"), STR("eu"));
	fleet_was_connected(f, STR("nrt-1"), STR("ap"));
	fleet_was_connected(f, STR("not-enrolled-any-more"), STR(""));
	expect_news(f, "");
	welcome(f, 1, "fra-1");
	expect_news(f, ""); /* the journal knows already */
	fleet_forget_absent(f);
	struct fleet_news n;
	size_t n_gone = 0;
	while (fleet_take_news(f, &n)) {
		assert_int_equal(n.state, AGENT_DISCONNECTED);
		assert_false(str_is(n.name, "fra-1"));
		free((char *)n.software.p);
		n_gone++;
	}
	assert_int_equal(n_gone, 2);
	fleet_free(f, drop);
}

static void test_a_region_told_by_the_agent_fills_in_for_one_not_given(void **state)
{
	struct fleet *f = fleet_new();
	struct fleet_agent agent;
	(void)state;
	put(f, "fra-1", "", false);
	put(f, "nrt-1", "ap", false);
	welcome(f, 1, "fra-1");
	welcome(f, 2, "nrt-1");
	assert_int_equal(fleet_message(f, 1, 0, &agent), DENIAL_COUNT);
	assert_true(str_is(agent.region, "told"));
	assert_int_equal(fleet_message(f, 2, 0, &agent), DENIAL_COUNT);
	assert_true(str_is(agent.region, "ap"));
	fleet_free(f, drop);
}

static struct collector_conf *conf_of(const char *text)
{
	struct collector_conf *c;
	struct err err;
	if (collector_conf_parse(str_of(text), "c.yaml", &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static void test_a_static_fleet_follows_the_configuration(void **state)
{
	/* the token of 32 zero bytes */
	struct collector_conf *with = conf_of("agents: [{name: in-1, region: dc, token: "
					      "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]\n");
	struct collector_conf *without = conf_of("");
	struct fleet *f = fleet_new();
	struct fleet_agent agent;
	struct agent_record r;
	struct wire_hello h = hello_from("in-1");
	unsigned char zeros[HELLO_TOKEN_BYTES] = { 0 };
	bool is_static;
	void *parked;
	(void)state;
	h.token.p = (const char *)zeros;
	fleet_pipe_added(f, 1, 0);
	assert_int_equal(fleet_hello(f, 1, &h, NOW, 0, &agent, &parked), DENIED_UNKNOWN_AGENT);
	fleet_set_static(f, with);
	assert_int_equal(fleet_hello(f, 1, &h, NOW, 0, &agent, &parked), DENIAL_COUNT);
	assert_true(fleet_find(f, STR("in-1"), &r, &is_static) && is_static && str_is(r.region, "dc"));
	fleet_set_static(f, with); /* read again: nothing happens to it */
	assert_int_equal(fleet_message(f, 1, 0, &agent), DENIAL_COUNT);
	fleet_set_static(f, without);
	assert_int_equal(fleet_message(f, 1, 0, &agent), DENIED_UNKNOWN_AGENT);
	assert_false(fleet_find(f, STR("in-1"), &r, &is_static));
	collector_conf_unref(with);
	collector_conf_unref(without);
	fleet_free(f, drop);
}

static void test_who_says_goodbye_is_drained_and_not_missed(void **state)
{
	static const struct wire_shortfall nothing;
	struct fleet *f = fleet_new();
	(void)state;
	put(f, "fra-1", "eu", false);
	welcome(f, 1, "fra-1");
	expect_news(f, "fra-1 connected\n");
	assert_true(fleet_watch(f, 1, true, &nothing));
	expect_news(f, "fra-1 drained\n");
	assert_null(fleet_pipe_gone(f, 1)); /* as it said */
	expect_news(f, "");
	welcome(f, 2, "fra-1");
	expect_news(f, "fra-1 connected\n");
	assert_false(fleet_watch(f, 2, false, &nothing));
	assert_null(fleet_pipe_gone(f, 2));
	expect_news(f, "fra-1 disconnected\n");
	fleet_free(f, drop);
}

static void test_what_agents_do_not_do_is_kept_and_summed(void **state)
{
	struct fleet *f = fleet_new();
	struct fleet_counts counts;
	struct wire_shortfall s = { .there = true,
		.held_back = 10,
		.refused = 2,
		.refusals = { { STR("shop"), STR("v"), STR("not \"allowed\"") } },
		.n_refusals = 1 };
	struct buf got;
	(void)state;
	buf_init(&got, 4096);
	put(f, "fra-1", "eu", false);
	welcome(f, 1, "fra-1");
	fleet_shortfall_json(f, STR("fra-1"), &got);
	assert_true(str_is(buf_str(&got), ",\"held_back\":0,\"refused\":0,\"refusals\":[],\"lost\":null"));
	(void)fleet_watch(f, 1, false, &s);
	buf_clear(&got);
	fleet_shortfall_json(f, STR("fra-1"), &got);
	assert_true(
		str_is(buf_str(&got), ",\"held_back\":10,\"refused\":2,\"refusals\":[{\"service\":\"shop\","
				      "\"endpoint\":\"v\",\"why\":\"not \\\"allowed\\\"\"}],\"lost\":null"));
	struct wire_upload u = { .lost_results = 20, .lost_from_us = INT64_C(1772359200000000), .lost_to_us = INT64_C(1772359260000000) };
	(void)fleet_upload(f, 1, &u, false);
	u.lost_results = 21;
	(void)fleet_upload(f, 1, &u, false); /* its word is of all it ever lost */
	buf_clear(&got);
	fleet_shortfall_json(f, STR("fra-1"), &got);
	assert_true(str_ends(buf_str(&got), ",\"lost\":{\"results\":21,\"from\":\"2026-03-01T10:00:00Z\",\"to\":\"2026-03-01T10:01:00Z\"}"));
	fleet_counts(f, &counts);
	assert_int_equal(counts.lost_results, 21);
	s.held_back = 4; /* it started anew */
	s.refused = 1;
	(void)fleet_watch(f, 1, false, &s);
	fleet_counts(f, &counts);
	assert_true(counts.held_back == 14 && counts.refused == 1);
	buf_fini(&got);
	fleet_free(f, drop);
}

static void test_the_configurations_agents_are_listed_too(void **state)
{
	struct collector_conf *with = conf_of("agents:\n- {name: in-1, region: dc, token: "
					      "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}\n");
	struct collector_conf *without = conf_of("");
	struct fleet *f = fleet_new();
	(void)state;
	fleet_set_static(f, with);
	expect_news(f, "in-1 enrolled\n");
	fleet_set_static(f, with);
	expect_news(f, "");
	fleet_set_static(f, without);
	expect_news(f, "in-1 revoked\n");
	fleet_set_static(f, with);
	expect_news(f, "in-1 enrolled\n");
	fleet_free(f, drop);

	f = fleet_new(); /* after a restart: the journal knows it */
	fleet_set_static(f, with);
	fleet_was_known(f, STR("in-1"), false);
	expect_news(f, "");
	fleet_free(f, drop);
	collector_conf_unref(with);
	collector_conf_unref(without);
}

/* -- the entry of a service -- */

static void test_a_services_entry_reads_back_as_configured(void **state)
{
	struct collector_conf *c = conf_of(
		"services:\n"
		"- name: shop\n  environment: eu\n  version: {json: /v, match: prefix}\n  interval: 250ms\n"
		"  origin: {connect_to: 'o:1'}\n"
		"  verify: {timeout: 90s, require: 99.5%, min_coverage: 80%, min_agents: 2, watch: 0s, "
		"rollout_grace: 1m}\n"
		"  endpoints:\n  - url: https://a.example/\"v\"?x=%C3%A4\n  - {url: 'https://a.example/w', "
		"version: etag}\n");
	const struct str agents[] = { STR("fra-1"), STR("nrt-1") };
	struct entry_reader *r = entry_reader_new();
	struct event ev;
	struct err err = { 0 };
	struct buf json;
	(void)state;
	buf_init(&json, ENTRY_LINE_MAX);
	service_entry(&c->services[0], agents, ARRAY_LEN(agents), &json);
	struct entry e = {
		.position = 1, .received_at_us = NOW, .kind = ENTRY_SERVICE, .bytes = buf_str(&json)
	};
	if (entry_to_event(r, &e, &ev, &err) < 0)
		fail_msg("%s\n%s", err.text, json.p);
	assert_int_equal(ev.kind, EV_SERVICE);
	const struct ev_service *s = &ev.service;
	assert_true(str_is(s->name, "shop@eu") && !s->removed && s->has_origin);
	assert_int_equal(s->interval_us, 250 * US_PER_MS);
	assert_int_equal(s->timeout_us, 90 * US_PER_S);
	assert_int_equal(s->watch_us, 0);
	assert_int_equal(s->rollout_grace_us, 60 * US_PER_S);
	assert_int_equal(s->min_agents, 2);
	assert_true(s->require > 0.99499 && s->require < 0.99501 && s->min_coverage > 0.79999 &&
		    s->min_coverage < 0.80001);
	assert_int_equal(s->n_endpoints, 2);
	assert_true(str_is(s->endpoints[0].url, "https://a.example/\"v\"?x=%C3%A4"));
	assert_true(s->endpoints[0].match == MATCH_PREFIX && !s->endpoints[0].learned);
	assert_true(s->endpoints[1].learned);
	assert_int_equal(s->n_agents, 2);
	assert_true(str_is(s->agents[1], "nrt-1"));
	buf_fini(&json);
	entry_reader_free(r);
	collector_conf_unref(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coming_and_going_between_two_looks_is_no_news),
		cmocka_unit_test(test_who_replaces_whom),
		cmocka_unit_test(test_a_hello_that_comes_after_its_pipes_end_binds_nothing),
		cmocka_unit_test(test_parked_watches_come_due_in_order),
		cmocka_unit_test(test_dead_and_mute_pipes_are_found),
		cmocka_unit_test(test_after_a_restart_those_who_do_not_come_back_are_gone),
		cmocka_unit_test(test_a_region_told_by_the_agent_fills_in_for_one_not_given),
		cmocka_unit_test(test_a_static_fleet_follows_the_configuration),
		cmocka_unit_test(test_who_says_goodbye_is_drained_and_not_missed),
		cmocka_unit_test(test_what_agents_do_not_do_is_kept_and_summed),
		cmocka_unit_test(test_the_configurations_agents_are_listed_too),
		cmocka_unit_test(test_a_services_entry_reads_back_as_configured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
