/* The collector from the wire to the store and back, with a real nng client over loopback: who is let in,
 * what an Ack means, what a Watch is told. The engine is a fake one at link time (fake_engine.h): what it
 * makes of it is tested elsewhere. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "collector/entry_json.h"
#include "collector/hub_run.h"
#include "fake_engine.h"
#include "wire_client.h"

struct world {
	char dir[64], conf[128], store[160];
	struct hub *hub;
	char token[TOKEN_TEXT_MAX];
	unsigned char key[HELLO_TOKEN_BYTES];
};

#define SERVICE                                                                                              \
	"  - name: shop\n    version: {json: /version}\n    interval: 10s\n    burst: {interval: 1s, for: "  \
	"1m, max_rate: 2/s}\n"                                                                               \
	"    endpoints: [{url: 'https://shop.example/version'}]\n"

static void conf_write(struct world *w, const char *services)
{
	FILE *f = fopen(w->conf, "we");
	assert_non_null(f);
	assert_true(fprintf(f,
			    "listen: {http: '127.0.0.1:0', agents: 'tcp://127.0.0.1:0'}\nstore: "
			    "'sqlite:%s'\nservices:\n%s",
			    w->store, services) > 0);
	assert_int_equal(fclose(f), 0);
}

static void hub_up(struct world *w)
{
	struct collector_conf *c;
	struct err err = { 0 };
	if (collector_conf_load(w->conf, &c, &err) < 0 || hub_start(c, &w->hub, &err) < 0)
		fail_msg("%s", err.text);
	collector_conf_unref(c);
}

static int world_start(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	struct err err = { 0 };
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/test-hub-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->conf, sizeof(w->conf), "%s/collector.yaml", w->dir);
	(void)snprintf(w->store, sizeof(w->store), "%s/tidemark.db", w->dir);
	conf_write(w, SERVICE);
	hub_up(w);
	if (hub_agent_enroll(w->hub, STR("fra-1"), STR("eu-central"), w->token, &err) < 0)
		fail_msg("%s", err.text);
	token_bytes(w->token, w->key);
	*state = w;
	return 0;
}

static int world_end(void **state)
{
	struct world *w = *state;
	hub_stop(w->hub);
	DIR *d = opendir(w->dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[512];
		(void)snprintf(path, sizeof(path), "%s/%s", w->dir, e->d_name);
		(void)unlink(path);
	}
	(void)closedir(d);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

static int64_t stored(struct world *w, const char *what)
{
	struct store *st;
	struct err err;
	if (hub_open_store(w->hub, &st, &err) < 0)
		fail_msg("%s", err.text);
	int64_t n = store_count(st, what);
	store_close(st);
	return n;
}

/* Waits for what must come by itself; the condition is looked at again and again until a deadline. */
#define EVENTUALLY(cond)                                                                                     \
	do {                                                                                                 \
		int64_t until_us = clock_boot_us() + 10 * US_PER_S;                                          \
		while (!(cond) && clock_boot_us() < until_us)                                                \
			usleep(2000);                                                                        \
		if (!(cond))                                                                                 \
			fail_msg("still not so after 10 s: %s", #cond);                                      \
	} while (0)

static struct client *dial(struct world *w)
{
	return client_dial(hub_agents_address(w->hub));
}

static void expect_denied(const struct wire_msg *m, const char *reason)
{
	assert_int_equal(m->kind, WIRE_DENIED);
	if (!str_is(m->denied.reason, reason))
		fail_msg("denied for %.*s, want %s", STR_ARG(m->denied.reason), reason);
	assert_true(m->denied.text.n > 0);
}

static void ask_denied(struct client *c, const struct wire_msg *m, const char *reason)
{
	struct wire_msg answer;
	assert_true(client_ask(c, 0, m, &answer));
	expect_denied(&answer, reason);
	wire_free(&answer);
}

static struct client *dial_and_hello(struct world *w)
{
	struct client *c = dial(w);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	assert_true(client_ask(c, 0, &m, &answer));
	assert_int_equal(answer.kind, WIRE_WELCOME);
	wire_free(&answer);
	return c;
}

static void upload(
	struct client *c, size_t line, uint64_t epoch, uint64_t number, uint64_t salt, struct wire_msg *ret)
{
	size_t n;
	uint32_t raw_size;
	char *body = sealed_batch("shop", salt, 3, &n, &raw_size);
	struct wire_msg m = upload_of(epoch, number, (struct str){ body, n }, raw_size);
	assert_true(client_ask(c, line, &m, ret));
	free(body);
}

/* -- who is let in -- */

static void test_nothing_before_hello(void **state)
{
	struct world *w = *state;
	struct client *c = dial(w);
	struct wire_msg answer;
	upload(c, 0, 1, 1, 1, &answer);
	expect_denied(&answer, "hello_first");
	wire_free(&answer);
	struct wire_msg watch = { .kind = WIRE_WATCH };
	ask_denied(c, &watch, "hello_first");
	assert_int_equal(stored(w, "batches"), 0);
	client_hang_up(c);
}

static void test_a_token_proves_who_it_is(void **state)
{
	struct world *w = *state;
	struct client *c = dial(w);
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
	struct client *c = dial(w);
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
	hub_up(w);
	client_hang_up(dial_and_hello(w));
}

static void test_the_newest_connection_wins(void **state)
{
	struct world *w = *state;
	struct client *older = dial_and_hello(w);
	struct wire_msg hello = hello_of("fra-1", w->key), answer;
	assert_true(client_ask(older, 0, &hello, &answer));
	struct wire_msg watch = { .kind = WIRE_WATCH,
		.watch = { .generation = answer.assignments.generation } };
	wire_free(&answer);
	client_send(older, 1, &watch);
	struct client *newer = dial_and_hello(w);
	/* the older one is told, also on the Watch that was parked or came too late */
	assert_true(client_finish(older, 1, CLIENT_WAIT_MS, &answer));
	expect_denied(&answer, "replaced");
	wire_free(&answer);
	upload(older, 0, 1, 1, 1, &answer);
	expect_denied(&answer, "replaced");
	wire_free(&answer);
	upload(newer, 0, 1, 1, 1, &answer);
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
	struct client *c = dial_and_hello(w);
	for (uint64_t number = 1; number <= 20; number++) {
		struct wire_msg answer;
		int64_t before_us = clock_wall_us();
		upload(c, 0, 5, number, number, &answer);
		assert_int_equal(answer.kind, WIRE_ACK);
		assert_int_equal(answer.ack.epoch, 5);
		assert_int_equal(answer.ack.number, number);
		assert_int_equal(answer.ack.refused.n, 0);
		assert_true(answer.clock.there && answer.clock.received_us >= before_us &&
			    answer.clock.sent_us >= answer.clock.received_us);
		wire_free(&answer);
		assert_int_equal(
			stored(w, "batches"), number); /* another connection to the file sees it already */
	}
	assert_int_equal(stored(w, "results"), 60);
	assert_int_equal(fake_engine_state(hub_read(w->hub)).n_results, 60);
	hub_read_done(w->hub);
	client_hang_up(c);
}

static void test_sent_again_counts_once(void **state)
{
	struct world *w = *state;
	struct client *c = dial_and_hello(w);
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
	assert_int_equal(stored(w, "batches"), 1);
	struct hub_stats s;
	hub_stats(w->hub, &s);
	assert_int_equal(s.duplicates, 2);
	assert_int_equal(s.results, 3);
	client_hang_up(c);
}

static void test_the_same_number_with_other_bytes_is_a_conflict(void **state)
{
	struct world *w = *state;
	struct client *c = dial_and_hello(w);
	struct wire_msg answer;
	upload(c, 0, 5, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_ACK);
	wire_free(&answer);
	upload(c, 0, 5, 1, 2, &answer);
	expect_denied(&answer, "identity_conflict");
	wire_free(&answer);
	struct hub_stats s;
	hub_stats(w->hub, &s);
	assert_int_equal(s.conflicts, 1);
	upload(c, 0, 6, 1, 2, &answer); /* another run of the agent: another batch */
	assert_int_equal(answer.kind, WIRE_ACK);
	wire_free(&answer);
	assert_int_equal(stored(w, "batches"), 2);
	client_hang_up(c);
}

static void test_many_at_once_are_all_answered(void **state)
{
	struct world *w = *state;
	struct client *c = dial_and_hello(w);
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
	assert_int_equal(stored(w, "batches"), number);
	client_hang_up(c);
}

static void test_a_draining_collector_is_busy(void **state)
{
	struct world *w = *state;
	struct client *c = dial_and_hello(w);
	struct wire_msg answer;
	hub_drain(w->hub);
	upload(c, 0, 5, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_BUSY);
	assert_true(answer.busy.retry_after_ms > 0);
	wire_free(&answer);
	struct err err;
	assert_int_equal(hub_ready(w->hub, &err), ERR_BUSY);
	assert_int_equal(hub_submit(w->hub, ENTRY_DEPLOY, STR("shop"), STR("{}"), US_PER_S, &err), ERR_BUSY);
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
	struct client *c = dial_and_hello(w);
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
	assert_int_equal(stored(w, "batches"), 0);
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
	struct client *c = dial_and_hello(w);
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
	upload(c, 0, 5, 1, 1, &answer);
	assert_int_equal(answer.kind, WIRE_ACK);
	wire_free(&answer);
	client_hang_up(c);
}

static void test_over_a_mebibyte_is_not_read(void **state)
{
	struct world *w = *state;
	struct client *c = dial_and_hello(w);
	char *big = mem_new(2 * WIRE_MESSAGE_MAX);
	struct wire_msg answer;
	client_start(c, 0, (struct str){ big, 2 * WIRE_MESSAGE_MAX });
	assert_false(client_finish(c, 0, 3000, &answer)); /* nng closes the pipe; the client dials again */
	free(big);
	struct wire_msg m = hello_of("fra-1", w->key);
	assert_true(client_ask(c, 0, &m, &answer));
	assert_int_equal(answer.kind, WIRE_WELCOME);
	wire_free(&answer);
	client_hang_up(c);
}

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
	struct client *c = dial(w);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	assert_true(client_ask(c, 0, &m, &answer));
	assert_int_equal(answer.assignments.services[0].burst_interval_ms, 0);
	struct wire_msg watch = { .kind = WIRE_WATCH,
		.watch = { .generation = answer.assignments.generation } };
	wire_free(&answer);
	client_send(c, 1, &watch);
	submit(w, ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v2\",\"id\":\"d1\"}", 0);
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
	struct client *c = dial_and_hello(w);
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
		usleep(20000);
	}
	assert_true(clock_wall_us() >= live_us);
	client_hang_up(c);
}

static void test_a_reload_reaches_a_parked_watch_and_a_bad_file_nobody(void **state)
{
	struct world *w = *state;
	struct client *c = dial(w);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	struct err err = { 0 };
	struct hub_stats s;
	assert_true(client_ask(c, 0, &m, &answer));
	struct wire_msg watch = { .kind = WIRE_WATCH,
		.watch = { .generation = answer.assignments.generation } };
	wire_free(&answer);
	client_send(c, 1, &watch);
	conf_write(w, "  - name: shop\n    nonsense: 1\n");
	assert_true(hub_reload(w->hub, &err) < 0);
	assert_non_null(strstr(err.text, "collector.yaml:5:5: unknown key 'nonsense'"));
	hub_stats(w->hub, &s);
	assert_false(s.last_reload_ok);
	conf_write(w, SERVICE
		"  - name: blog\n    version: etag\n    endpoints: [{url: 'https://blog.example/'}]\n");
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
	hub_up(w);
	struct client *c =
		dial_and_hello(w); /* behind it, in order: nothing about services is still under way */
	EVENTUALLY(kinds_stored(w).n[ENTRY_AGENT] == 1);
	struct kinds k = kinds_stored(w);
	assert_int_equal(k.n[ENTRY_SERVICE], 2);
	assert_int_equal(k.n[ENTRY_COLLECTOR], 2);
	client_hang_up(c);
	hub_stop(w->hub);
	conf_write(w, "");
	hub_up(w);
	EVENTUALLY(kinds_stored(w).n[ENTRY_SERVICE] == 3); /* removed */
}

static void test_agents_come_and_go_in_the_journal(void **state)
{
	struct world *w = *state;
	struct client *c = dial_and_hello(w);
	EVENTUALLY(kinds_stored(w).n[ENTRY_AGENT] == 1);
	struct kinds k = kinds_stored(w);
	assert_non_null(strstr(
		k.last_agent, "\"agent\":\"fra-1\",\"region\":\"eu-central\",\"state\":\"connected\""));
	assert_non_null(strstr(k.last_agent, "\"clock_suspect\":false"));
	client_hang_up(c);
	EVENTUALLY(kinds_stored(w).n[ENTRY_AGENT] == 2);
	k = kinds_stored(w);
	assert_non_null(strstr(k.last_agent, "\"state\":\"disconnected\""));
}

static void test_a_wrong_wall_clock_is_marked_and_does_no_harm(void **state)
{
	struct world *w = *state;
	struct client *c = dial(w);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	m.hello.sent_wall_us += US_PER_H;
	assert_true(client_ask(c, 0, &m, &answer));
	wire_free(&answer);
	EVENTUALLY(kinds_stored(w).n[ENTRY_AGENT] == 1);
	assert_non_null(strstr(kinds_stored(w).last_agent, "\"clock_suspect\":true"));
	/* once it is right, that is news too */
	upload(c, 0, 5, 1, 1, &answer);
	wire_free(&answer);
	EVENTUALLY(kinds_stored(w).n[ENTRY_AGENT] == 2);
	assert_non_null(strstr(kinds_stored(w).last_agent, "\"clock_suspect\":false"));
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
		WORLD(test_what_can_never_be_stored_is_refused_for_good),
		WORLD(test_garbage_is_answered_and_the_connection_lives),
		WORLD(test_over_a_mebibyte_is_not_read),
		WORLD(test_a_deploy_reaches_a_parked_watch),
		WORLD(test_a_purge_before_the_new_version_is_live_stays_gentle),
		WORLD(test_a_reload_reaches_a_parked_watch_and_a_bad_file_nobody),
		WORLD(test_entries_are_checked_against_all_that_came_before),
		WORLD(test_a_restart_tells_the_journal_only_what_changed),
		WORLD(test_agents_come_and_go_in_the_journal),
		WORLD(test_a_wrong_wall_clock_is_marked_and_does_no_harm),
	};
	log_init("test_hub", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
