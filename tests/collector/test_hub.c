/* The collector from the wire to the store, with a real nng client over loopback: who is let in, what an Ack
 * means, and what hostile bytes come to. The engine is a fake one at link time (fake_engine.h): what it makes
 * of it is tested elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "fake_engine.h"
#include "world.h"

/* -- who is let in -- */

static void test_nothing_before_hello(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial(w);
	struct wire_msg answer;
	world_upload(c, 0, 1, 1, 1, &answer);
	expect_denied(&answer, "hello_first");
	wire_free(&answer);
	struct wire_msg watch = { .kind = WIRE_WATCH };
	ask_denied(c, &watch, "hello_first");
	assert_int_equal(world_stored(w, "batches"), 0);
	client_hang_up(c);
}

static void test_a_token_proves_who_it_is(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial(w);
	unsigned char wrong[HELLO_TOKEN_BYTES];
	memcpy(wrong, w->key, sizeof(wrong));
	wrong[31] ^= 1;
	struct wire_msg m = hello_of("fra-1", wrong);
	ask_denied(c, &m, "bad_token");
	m.hello.token.n = 0;
	ask_denied(c, &m, "bad_token");
	m = hello_of("nrt-1", w->key);
	ask_denied(c, &m, "unknown_agent");
	m = hello_of("fra-1", w->key);
	m.hello.protocol = PROTOCOL_VERSION + 1;
	ask_denied(c, &m, "protocol");
	/* refused four times, and the connection is still good */
	struct wire_msg answer;
	m = hello_of("fra-1", w->key);
	assert_true(client_ask(c, 0, &m, &answer));
	assert_int_equal(answer.kind, WIRE_WELCOME);
	assert_int_equal(answer.welcome.protocol, PROTOCOL_VERSION);
	assert_true(answer.welcome.has_assignments);
	assert_int_equal(answer.assignments.n_services, 1);
	assert_true(str_is(answer.assignments.services[0].name, "shop"));
	assert_true(str_is(answer.assignments.services[0].endpoints[0].url, "https://shop.example/version"));
	uint64_t generation = answer.assignments.generation;
	wire_free(&answer);
	/* who has them already is told nothing */
	m.hello.generation = generation;
	assert_true(client_ask(c, 0, &m, &answer));
	assert_false(answer.welcome.has_assignments);
	wire_free(&answer);
	client_hang_up(c);
}

static void test_rotating_leaves_two_tokens_valid_and_revoking_none(void **state)
{
	struct world *w = *state;
	char second[TOKEN_TEXT_MAX], third[TOKEN_TEXT_MAX];
	unsigned char key2[HELLO_TOKEN_BYTES], key3[HELLO_TOKEN_BYTES];
	struct client *c = world_dial(w);
	struct err err;
	assert_int_equal(hub_agent_rotate(w->hub, STR("fra-1"), second, &err), 0);
	token_bytes(second, key2);
	const unsigned char *both[] = { w->key, key2 };
	for (size_t i = 0; i < 2; i++) {
		struct wire_msg m = hello_of("fra-1", both[i]), answer;
		assert_true(client_ask(c, 0, &m, &answer));
		assert_int_equal(answer.kind, WIRE_WELCOME);
		wire_free(&answer);
	}
	assert_int_equal(hub_agent_rotate(w->hub, STR("fra-1"), third, &err), 0);
	token_bytes(third, key3);
	struct wire_msg m = hello_of("fra-1", w->key);
	ask_denied(c, &m, "bad_token");
	m = hello_of("fra-1", key3);
	struct wire_msg answer;
	assert_true(client_ask(c, 0, &m, &answer));
	/* a Watch that is parked hears of the end at once */
	struct wire_msg watch = { .kind = WIRE_WATCH,
		.watch = { .generation = answer.assignments.generation } };
	wire_free(&answer);
	client_send(c, 1, &watch);
	EVENTUALLY(({
		struct hub_stats s;
		hub_stats(w->hub, &s);
		s.agents_connected == 1;
	}));
	assert_int_equal(hub_agent_revoke(w->hub, STR("fra-1"), &err), 0);
	assert_true(client_finish(c, 1, CLIENT_WAIT_MS, &answer));
	expect_denied(&answer, "revoked");
	wire_free(&answer);
	ask_denied(c, &watch, "revoked");
	ask_denied(c, &m, "revoked");
	assert_int_equal(hub_agent_revoke(w->hub, STR("fra-1"), &err), ERR_NOT_FOUND);
	/* and may be enrolled anew, with a token that nobody had before */
	assert_int_equal(hub_agent_enroll(w->hub, STR("fra-1"), STR("eu"), third, &err), 0);
	ask_denied(c, &m, "bad_token");
	client_hang_up(c);
}

static void test_credentials_survive_a_restart(void **state)
{
	struct world *w = *state;
	struct err err;
	char token[TOKEN_TEXT_MAX];
	assert_int_equal(hub_agent_enroll(w->hub, STR("fra-1"), STR(""), token, &err), ERR_EXISTS);
	assert_int_equal(hub_agent_enroll(w->hub, STR("no good"), STR(""), token, &err), ERR_SYNTAX);
	hub_stop(w->hub);
	world_up(w);
	client_hang_up(world_dial_and_hello(w));
}

static void test_the_newest_connection_wins(void **state)
{
	struct world *w = *state;
	struct client *older = world_dial_and_hello(w);
	struct wire_msg hello = hello_of("fra-1", w->key), answer;
	assert_true(client_ask(older, 0, &hello, &answer));
	struct wire_msg watch = { .kind = WIRE_WATCH,
		.watch = { .generation = answer.assignments.generation } };
	wire_free(&answer);
	client_send(older, 1, &watch);
	struct client *newer = world_dial_and_hello(w);
	/* the older one is told, also on the Watch that was parked or came too late */
	assert_true(client_finish(older, 1, CLIENT_WAIT_MS, &answer));
	expect_denied(&answer, "replaced");
	wire_free(&answer);
	world_upload(older, 0, 1, 1, 1, &answer);
	expect_denied(&answer, "replaced");
	wire_free(&answer);
	world_upload(newer, 0, 1, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_ACK);
	wire_free(&answer);
	struct hub_stats s;
	hub_stats(w->hub, &s);
	assert_int_equal(s.agents_connected, 1);
	client_hang_up(older);
	client_hang_up(newer);
}

/* -- what an Ack means -- */

static void test_an_ack_comes_after_the_commit(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	for (uint64_t number = 1; number <= 20; number++) {
		struct wire_msg answer;
		int64_t before_us = clock_wall_us();
		world_upload(c, 0, 5, number, number, &answer);
		assert_int_equal(answer.kind, WIRE_ACK);
		assert_int_equal(answer.ack.epoch, 5);
		assert_int_equal(answer.ack.number, number);
		assert_int_equal(answer.ack.refused.n, 0);
		assert_true(answer.clock.there && answer.clock.received_us >= before_us &&
			    answer.clock.sent_us >= answer.clock.received_us);
		wire_free(&answer);
		assert_int_equal(world_stored(w, "batches"),
			number); /* another connection to the file sees it already */
	}
	assert_int_equal(world_stored(w, "results"), 60);
	assert_int_equal(fake_engine_state(hub_read(w->hub)).n_results, 60);
	hub_read_done(w->hub);
	client_hang_up(c);
}

static void test_sent_again_counts_once(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	size_t n;
	uint32_t raw_size;
	char *body = sealed_batch("shop", 1, 3, &n, &raw_size);
	for (int i = 0; i < 3; i++) {
		struct wire_msg m = upload_of(5, 1, (struct str){ body, n }, raw_size), answer;
		assert_true(client_ask(c, 0, &m, &answer));
		assert_int_equal(answer.kind, WIRE_ACK);
		wire_free(&answer);
	}
	free(body);
	assert_int_equal(world_stored(w, "batches"), 1);
	struct hub_stats s;
	hub_stats(w->hub, &s);
	assert_int_equal(s.duplicates, 2);
	assert_int_equal(s.results, 3);
	client_hang_up(c);
}

static void test_the_same_number_with_other_bytes_is_a_conflict(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	struct wire_msg answer;
	world_upload(c, 0, 5, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_ACK);
	wire_free(&answer);
	world_upload(c, 0, 5, 1, 2, &answer);
	expect_denied(&answer, "identity_conflict");
	wire_free(&answer);
	struct hub_stats s;
	hub_stats(w->hub, &s);
	assert_int_equal(s.conflicts, 1);
	world_upload(c, 0, 6, 1, 2, &answer); /* another run of the agent: another batch */
	assert_int_equal(answer.kind, WIRE_ACK);
	wire_free(&answer);
	assert_int_equal(world_stored(w, "batches"), 2);
	client_hang_up(c);
}

static void test_many_at_once_are_all_answered(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	uint64_t number = 0;
	for (int round = 0; round < 30; round++) {
		char *bodies[CLIENT_LINES];
		uint64_t first = number + 1;
		for (size_t i = 0; i < CLIENT_LINES; i++) {
			size_t n;
			uint32_t raw_size;
			number++;
			bodies[i] = sealed_batch("shop", number, 2, &n, &raw_size);
			struct wire_msg m = upload_of(5, number, (struct str){ bodies[i], n }, raw_size);
			client_send(c, i, &m);
		}
		for (size_t i = 0; i < CLIENT_LINES; i++) {
			struct wire_msg answer;
			assert_true(client_finish(c, i, CLIENT_WAIT_MS, &answer));
			assert_int_equal(answer.kind, WIRE_ACK);
			assert_int_equal(answer.ack.number, first + i); /* each line its own answer */
			wire_free(&answer);
			free(bodies[i]);
		}
	}
	assert_int_equal(world_stored(w, "batches"), number);
	client_hang_up(c);
}

static void test_a_draining_collector_is_busy(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	struct wire_msg answer;
	hub_drain(w->hub);
	world_upload(c, 0, 5, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_BUSY);
	assert_true(answer.busy.retry_after_ms > 0);
	wire_free(&answer);
	struct err err;
	assert_int_equal(hub_ready(w->hub, &err), ERR_BUSY);
	assert_int_equal(hub_submit(w->hub, ENTRY_DEPLOY, STR("shop"), STR("{}"), US_PER_S, &err), ERR_BUSY);
	client_hang_up(c);
}

static void test_a_database_moved_away_is_not_ready_and_acknowledges_nothing(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	struct wire_msg answer;
	struct err err = { 0 };
	char aside[sizeof(w->store) + 8];
	(void)snprintf(aside, sizeof(aside), "%s.aside", w->store);
	EVENTUALLY(hub_ready(w->hub, &err) == 0);
	assert_int_equal(rename(w->store, aside), 0);
	world_upload(c, 0, 5, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_BUSY);
	wire_free(&answer);
	assert_int_equal(hub_ready(w->hub, &err), ERR_IO);
	assert_non_null(strstr(err.text, "moved, deleted or replaced; put it back, or restart"));
	assert_int_equal(rename(aside, w->store), 0);
	EVENTUALLY(hub_ready(w->hub, &err) == 0);
	world_upload(c, 0, 5, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_ACK);
	wire_free(&answer);
	assert_int_equal(world_stored(w, "batches"), 1);
	client_hang_up(c);
}

/* -- hostile bytes -- */

static void test_what_can_never_be_stored_is_refused_for_good(void **state)
{
	static const struct {
		const char *says;
		uint32_t raw_size;
		size_t cut;
		uint64_t number;
	} cases[] = {
		{ "half a batch", 0, 10, 1 },
		{ "a lie about its size", 999999, 0, 2 },
		{ "a number beyond all numbers", 0, 0, UINT64_MAX },
	};
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	size_t n;
	uint32_t raw_size;
	char *body = sealed_batch("shop", 1, 3, &n, &raw_size);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wire_msg answer,
			m = upload_of(5, cases[i].number, (struct str){ body, n - cases[i].cut },
				cases[i].raw_size ? cases[i].raw_size : raw_size);
		assert_true(client_ask(c, 0, &m, &answer));
		if (answer.kind != WIRE_ACK || answer.ack.refused.n == 0)
			fail_msg("%s: was not refused", cases[i].says);
		assert_int_equal(answer.ack.number, cases[i].number);
		wire_free(&answer);
	}
	free(body);
	assert_int_equal(world_stored(w, "batches"), 0);
	client_hang_up(c);
}

static void test_garbage_is_answered_and_the_connection_lives(void **state)
{
	static const struct {
		const char *says;
		struct str bytes;
	} cases[] = {
		{ "nothing", { "", 0 } },
		{ "noise", { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12 } },
		{ "a length that lies", { "\x12\xff\xff\xff\x7f", 5 } },
		{ "text", { "GET / HTTP/1.1\r\n\r\n", 18 } },
	};
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wire_msg answer;
		client_start(c, 0, cases[i].bytes);
		if (!client_finish(c, 0, CLIENT_WAIT_MS, &answer))
			fail_msg("%s: no answer", cases[i].says);
		expect_denied(&answer, "malformed");
		wire_free(&answer);
	}
	/* the collector's own words are nothing an agent may say */
	struct wire_msg ack = { .kind = WIRE_ACK, .ack = { 1, 1, STR("") } };
	ask_denied(c, &ack, "malformed");
	struct wire_msg answer;
	world_upload(c, 0, 5, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_ACK);
	wire_free(&answer);
	client_hang_up(c);
}

static void test_over_a_mebibyte_is_not_read(void **state)
{
	struct world *w = *state;
	struct client *c = world_dial_and_hello(w);
	char *big = mem_new(2 * WIRE_MESSAGE_MAX);
	struct wire_msg answer;
	client_start(c, 0, (struct str){ big, 2 * WIRE_MESSAGE_MAX });
	assert_false(client_finish(c, 0, 3000, &answer)); /* nng closes the pipe; the client dials again */
	free(big);
	struct wire_msg m = hello_of("fra-1", w->key);
	bool answered = false; /* what goes into the dying pipe is lost with it */
	EVENTUALLY(answered || (answered = client_ask(c, 0, &m, &answer)));
	assert_int_equal(answer.kind, WIRE_WELCOME);
	wire_free(&answer);
	client_hang_up(c);
}

int main(void)
{
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_start, world_end)
	static const struct CMUnitTest tests[] = {
		WORLD(test_nothing_before_hello),
		WORLD(test_a_token_proves_who_it_is),
		WORLD(test_rotating_leaves_two_tokens_valid_and_revoking_none),
		WORLD(test_credentials_survive_a_restart),
		WORLD(test_the_newest_connection_wins),
		WORLD(test_an_ack_comes_after_the_commit),
		WORLD(test_sent_again_counts_once),
		WORLD(test_the_same_number_with_other_bytes_is_a_conflict),
		WORLD(test_many_at_once_are_all_answered),
		WORLD(test_a_draining_collector_is_busy),
		WORLD(test_a_database_moved_away_is_not_ready_and_acknowledges_nothing),
		WORLD(test_what_can_never_be_stored_is_refused_for_good),
		WORLD(test_garbage_is_answered_and_the_connection_lives),
		WORLD(test_over_a_mebibyte_is_not_read),
	};
	log_init("test_hub", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
