/* export, run as it is; and that the replay of a live run's export says what the live run said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/engine/view.h"
#include "collector/entry_json.h"
#include "collector/export.h"
#include "collector/replay.h"
#include "command_fixture.h"
#include "gen.h"

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

/* -- a live run, its export, and the replay of that -- */

struct live {
	struct store *st;
	struct engine *engine;
	struct entry_reader *reader;
	struct err err;
};

static void on_transition(void *ctx, const struct transition *t)
{
	struct live *l = ctx;
	if (store_put_transition(l->st, t, &l->err) < 0)
		fail_msg("%s", l->err.text);
}

static void on_deploy(void *ctx, const struct deploy_change *c)
{
	struct live *l = ctx;
	if (store_put_verdict(l->st, c, &l->err) < 0)
		fail_msg("%s", l->err.text);
}

/* As the writer does it: append, commit, fold. What came about is put with the same group here, to keep the
 * test short. */
static void live_entry(struct live *l, struct entry *e, int64_t now_us)
{
	struct event ev;
	bool duplicate;
	e->received_at_us = now_us;
	int rc = store_begin(l->st, &l->err);
	if (rc == 0)
		rc = store_append(l->st, e, &duplicate, &l->err);
	if (rc == 0)
		rc = entry_to_event(l->reader, e, &ev, &l->err);
	if (rc == 0)
		rc = engine_fold(l->engine, &ev, &l->err);
	if (rc == 0)
		rc = store_mark_alive(l->st, now_us, &l->err);
	if (rc == 0) {
		engine_advance(l->engine, now_us);
		rc = store_commit(l->st, &l->err);
	}
	if (rc < 0)
		fail_msg("%s", l->err.text);
}

static void live_json(struct live *l, enum entry_kind kind, const char *json, int64_t now_us)
{
	struct entry e = { .kind = kind,
		.service = kind == ENTRY_AGENT || kind == ENTRY_COLLECTOR ? STR_NONE : STR("shop"),
		.bytes = str_of(json) };
	live_entry(l, &e, now_us);
}

/* One agent's results of one interval: 20 endpoints at two edges, with failures, reuse, tiers and what else
 * there is. */
static void live_batch(struct live *l, struct batch_builder *b, struct gen *g, const char *agent,
	uint64_t number, const char *version, int64_t now_us)
{
	struct buf sealed;
	struct entry e = { .kind = ENTRY_BATCH,
		.service = STR("shop"),
		.agent = str_of(agent),
		.region = STR("eu"),
		.epoch = 9,
		.number = number,
		.clock_offset_us = 12345678,
		.clock_uncertainty_us = 250 };
	bool full = false;
	batch_builder_start(b, STR("shop"), 3);
	for (unsigned i = 0; i < 20; i++) {
		struct obs o;
		char id[16];
		obs_init(&o);
		snprintf(id, sizeof(id), "v%u", i);
		o.endpoint = batch_builder_intern(b, str_of(id), OBS_NAME_MAX, &full);
		o.observed_at_us =
			(now_us - 12345678) / 1000 * 1000 - (int64_t)gen_below(g, 5000000) / 1000 * 1000;
		if (gen_often(g, 10)) {
			o.fail = gen_often(g, 50) ? FAIL_TIMEOUT : FAIL_HTTP;
			o.status = o.fail == FAIL_HTTP ? 503 : 0;
		} else {
			bool behind = i < 2 || gen_often(g, 5);
			o.edge = batch_builder_intern(
				b, gen_often(g, 50) ? STR("self:fra") : STR("self:lhr"), OBS_NAME_MAX, &full);
			o.version = batch_builder_intern(
				b, behind ? STR("v1") : str_of(version), OBS_VERSION_MAX, &full);
			o.status = 200;
			o.n_tiers = 2;
			o.tiers[0] = gen_often(g, 50) ? CACHE_HIT : CACHE_MISS;
			o.tiers[1] = CACHE_HIT;
			o.tier_kinds[1] = TIER_INNER;
			o.age_s = (int32_t)gen_below(g, 100);
			o.ttl_s = 100;
		}
		batch_builder_add(b, &o);
	}
	buf_init(&sealed, 1 << 20);
	assert_int_equal(batch_seal(batch_builder_peek(b), &sealed, &e.raw_size, &l->err), 0);
	e.bytes = buf_str(&sealed);
	live_entry(l, &e, now_us);
	buf_fini(&sealed);
}

static void live_run(struct fixture *f, struct buf *ret_view)
{
	struct live l = { 0 };
	struct gen g = { 42 };
	struct batch_builder *b = batch_builder_new();
	struct buf service;
	fixture_open(f);
	l.st = f->st;
	l.reader = entry_reader_new();
	l.engine = engine_new(
		&(struct engine_sink){ .ctx = &l, .on_transition = on_transition, .on_deploy = on_deploy });
	buf_init(&service, 1 << 16);
	buf_addf(&service, "{\"type\":\"service\",\"service\":\"shop\",\"interval\":10,\"verify\":{"
			   "\"timeout\":60,\"watch\":60},\"agents\":[\"a1\",\"a2\"],"
			   "\"endpoints\":[{\"id\":\"v0\",\"url\":\"https://x/0\"}");
	for (int i = 1; i < 20; i++)
		buf_addf(&service, ",{\"id\":\"v%d\",\"url\":\"https://x/%d\"}", i, i);
	buf_addf(&service, "]}");
	live_json(&l, ENTRY_COLLECTOR, "{\"type\":\"collector\"}", T0);
	live_json(&l, ENTRY_SERVICE, service.p, T0 + 1);
	live_json(&l, ENTRY_AGENT,
		"{\"type\":\"agent\",\"agent\":\"a1\",\"region\":\"eu\",\"state\":\"connected\"}", T0 + 2);
	live_json(&l, ENTRY_DEPLOY,
		"{\"type\":\"deploy\",\"id\":\"d1\",\"service\":\"shop\",\"version\":\"v1\",\"live_at\":"
		"\"2026-03-01T10:00:00Z\"}",
		T0 + 3);
	for (uint64_t i = 1; i <= 60; i++) {
		int64_t now_us = T0 + (int64_t)i * 10 * US_PER_S;
		if (i == 15)
			live_json(&l, ENTRY_DEPLOY,
				"{\"type\":\"deploy\",\"id\":\"d2\",\"service\":\"shop\",\"version\":\"v2\"}",
				now_us);
		if (i == 16)
			live_json(&l, ENTRY_DEPLOY_PATCH,
				"{\"type\":\"deploy_patch\",\"id\":\"d2\",\"live_at\":1772359360000000}",
				now_us);
		if (i == 17)
			live_json(&l, ENTRY_PURGE,
				"{\"type\":\"purge\",\"id\":\"p\",\"service\":\"shop\",\"vendor\":\"self\","
				"\"patterns\":[\"/0\"]}",
				now_us);
		if (i == 18)
			live_json(&l, ENTRY_MESH,
				"{\"service\":\"shop\",\"type\":\"mesh\",\"routes\":[{\"weight\":10}]}",
				now_us);
		if (i == 40)
			live_json(&l, ENTRY_COLLECTOR,
				"{\"type\":\"collector\",\"down_since\":1772359592000000}", now_us);
		live_batch(&l, b, &g, "a1", i, i < 15 ? "v1" : "v2", now_us + 100);
		if (i % 3)
			live_batch(&l, b, &g, "a2", i, i < 15 ? "v1" : "v2", now_us + 200);
	}
	int64_t end_us = T0 + 700 * US_PER_S; /* quiet at the end: timers alone */
	assert_int_equal(store_begin(l.st, &l.err), 0);
	engine_advance(l.engine, end_us);
	assert_int_equal(store_mark_alive(l.st, end_us, &l.err), 0);
	assert_int_equal(store_commit(l.st, &l.err), 0);
	view_all(l.engine, ret_view);
	engine_free(l.engine);
	entry_reader_free(l.reader);
	batch_builder_free(b);
	buf_fini(&service);
}

static void same_list(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
	for (size_t i = 0; i < MAX(json_array_size(x), json_array_size(y)); i++) {
		if (json_equal(json_array_get(x, i), json_array_get(y, i)))
			continue;
		char *p = json_dumps(json_array_get(x, i), JSON_ENCODE_ANY),
		     *q = json_dumps(json_array_get(y, i), JSON_ENCODE_ANY);
		fail_msg("%s %zu: live\n%s\nreplayed\n%s", key, i, p, q);
	}
}

static void by_key(json_t *list)
{
	/* the live store gives transitions by time, replay in the order they came about: compare as sets, by
	 * key */
	size_t n = json_array_size(list);
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0; k--) {
			json_t *a = json_array_get(list, k - 1), *b = json_array_get(list, k);
			int64_t pa = json_integer_value(json_object_get(a, "position")),
				pb = json_integer_value(json_object_get(b, "position"));
			int64_t sa = json_integer_value(json_object_get(a, "seq")),
				sb = json_integer_value(json_object_get(b, "seq"));
			if (pa < pb || (pa == pb && sa <= sb))
				break;
			json_incref(a);
			json_incref(b);
			json_array_set_new(list, k - 1, b);
			json_array_set_new(list, k, a);
		}
}

static void export_and_replay_say_what_the_live_run_said(void **state)
{
	struct fixture *f = *state;
	struct buf live;
	char args[300];
	buf_init(&live, 64 << 20);
	live_run(f, &live);
	assert_true(store_count(f->st, "transitions") > 100); /* a run in which much happened */
	assert_true(store_count(f->st, "verdicts") > 3);
	assert_int_equal(store_count(f->st, "results"), 100 * 20);

	snprintf(args, sizeof(args), "export --store sqlite:%s",
		f->path); /* beside the writer, which is still open */
	struct ran exported = run(f, export_main, args, NULL);
	assert_int_equal(exported.status, 0);
	assert_int_equal(exported.err.n, 0);
	snprintf(args, sizeof(args), "export --transitions --store %s", f->path);
	struct ran stored = run(f, export_main, args, NULL);
	put_file(path_in(f, "journal.jsonl"), &exported.out);
	snprintf(args, sizeof(args), "replay --transitions %s", path_in(f, "journal.jsonl"));
	struct ran replayed = run(f, replay_main, args, NULL);
	assert_int_equal(replayed.err.n, 0);

	json_t *was = json_loadb(live.p, live.n, 0, NULL), *derived = document(&stored),
	       *doc = document(&replayed);
	assert_non_null(was);
	same_list(was, doc, "deploys");
	same_list(was, doc, "cells");
	same_list(was, doc, "services");
	by_key(json_object_get(derived, "transitions"));
	same_list(derived, doc, "transitions");
	same_list(derived, doc, "verdicts");
	assert_true(json_equal(json_object_get(was, "at"), json_object_get(doc, "at")));
	json_decref(was);
	json_decref(derived);
	json_decref(doc);
	ran_fini(&exported);
	ran_fini(&stored);
	ran_fini(&replayed);
	buf_fini(&live);
}

/* -- export -- */

static size_t count_of(const struct buf *text, const char *what)
{
	size_t n = 0;
	for (const char *p = text->p; p && (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void export_can_leave_out(void **state)
{
	struct fixture *f = *state;
	struct buf live;
	char args[300];
	buf_init(&live, 64 << 20);
	live_run(f, &live);
	const struct {
		const char *says, *args;
		size_t observations, deploys, clocks;
	} cases[] = {
		{ "all", "", 2000, 2, 1 },
		{ "what was observed before a time", "--from 2026-03-01T10:09:00Z", 11 * 20, 2, 1 },
		{ "this service", "--service shop", 2000, 2, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(args, sizeof(args), "export %s --store %s", cases[i].args, f->path);
		struct ran ran = run(f, export_main, args, NULL);
		if (ran.status != 0 ||
			count_of(&ran.out, "\"type\":\"observation\"") != cases[i].observations ||
			count_of(&ran.out, "\"type\":\"deploy\"") != cases[i].deploys ||
			count_of(&ran.out, "\"type\":\"clock\"") != cases[i].clocks)
			fail_msg("%s: status %d, %zu observations %s", cases[i].says, ran.status,
				count_of(&ran.out, "\"type\":\"observation\""), ran.err.p);
		ran_fini(&ran);
	}
	buf_fini(&live);
}

static void a_service_nobody_knows_is_no_empty_journal(void **state)
{
	static const struct {
		const char *args, *want;
	} cases[] = {
		{ "export --service shpo --store %s",
			"export: the journal knows no service 'shpo'; did you mean 'shop'?\n" },
		{ "export --transitions --service frobnicate --store %s",
			"export: the journal knows no service 'frobnicate'; there is only shop\n" },
	};
	struct fixture *f = *state;
	struct buf live;
	buf_init(&live, 64 << 20);
	live_run(f, &live);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char args[300];
		snprintf(args, sizeof(args),
			i == 0 ? "export --service shpo --store %s"
			       : "export --transitions --service frobnicate --store %s",
			f->path);
		struct ran ran = run(f, export_main, args, NULL);
		assert_int_equal(ran.status, 1);
		assert_int_equal(ran.out.n, 0);
		assert_string_equal(ran.err.p, cases[i].want);
		ran_fini(&ran);
	}
	buf_fini(&live);
}

static void export_takes_its_store_from_the_configuration(void **state)
{
	struct fixture *f = *state;
	struct buf yaml;
	char args[300];
	fixture_open(f);
	put_event(f->st, ENTRY_CLOCK, "", T0);
	buf_init(&yaml, 1000);
	buf_addf(&yaml, "store: \"sqlite:%s\"\n", f->path);
	put_file(path_in(f, "collector.yaml"), &yaml);
	snprintf(args, sizeof(args), "export --config %s", path_in(f, "collector.yaml"));
	struct ran ran = run(f, export_main, args, NULL);
	assert_string_equal(ran.out.p,
		"{\"type\":\"clock\",\"received_at\":1772359200000000,\"position\":1,\"some\":\"json\"}\n"
		"{\"type\":\"clock\",\"at\":1772359200000000}\n");
	assert_int_equal(ran.status, 0);
	ran_fini(&ran);
	buf_fini(&yaml);
}

static void export_says_why_not(void **state)
{
	struct fixture *f = *state;
	/* clang-format off */
	static const struct {
		const char *args;
		int status;
		const char *err;
	} cases[] = {
		{ "export", 2, "export: want one of --config FILE and --store URI, and nothing besides\n" },
		{ "export --store a --config b", 2, "export: want one of" },
		{ "export --store a more", 2, "export: want one of" },
		{ "export --from yesterday --store a", 2, "export: --from: 'yesterday' is no time" },
		{ "export --store /nonexistent.db", 1, "export: cannot open '/nonexistent.db': No such file or directory\n" },
		{ "export --config /nonexistent.yaml", 1, "export: " },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ran ran = run(f, export_main, cases[i].args, NULL);
		if (ran.status != cases[i].status || !str_starts(buf_str(&ran.err), cases[i].err))
			fail_msg("%s: status %d, said\n%s", cases[i].args, ran.status, ran.err.p);
		assert_int_equal(ran.out.n, 0);
		ran_fini(&ran);
	}
	/* an entry that cannot be read is left out, said, and makes the status 1; what follows is there */
	char args[300];
	fixture_open(f);
	put_batch(f->st, 1, T0); /* made-up bytes */
	put_event(f->st, ENTRY_CLOCK, "", T0);
	snprintf(args, sizeof(args), "export --store %s", f->path);
	struct ran ran = run(f, export_main, args, NULL);
	assert_int_equal(ran.status, 1);
	assert_int_equal(count_of(&ran.out, "\n"), 2);
	assert_true(str_starts(buf_str(&ran.err), "export: left out: entry 1: batch 1 of 'a1': "));
	ran_fini(&ran);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(export_and_replay_say_what_the_live_run_said),
		TEST(export_can_leave_out),
		TEST(a_service_nobody_knows_is_no_empty_journal),
		TEST(export_takes_its_store_from_the_configuration),
		TEST(export_says_why_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
