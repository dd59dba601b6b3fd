/* The store's promises, but for faults (test_store_fault.c) and retention (test_store_prune.c). */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "store_fixture.h"

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

#define OK(call)                                                                                             \
	do {                                                                                                 \
		if ((call) < 0)                                                                              \
			fail_msg("%s: %s", #call, err.text);                                                 \
	} while (0)

/* -- the journal -- */

struct seen {
	size_t n;
	int64_t positions[1200];
	struct entry last;
	char bytes[64], service[64], agent[64], region[64];
	int stop_after;
};

static int on_entry(void *ctx, const struct entry *e)
{
	struct seen *s = ctx;
	assert_true(s->n < ARRAY_LEN(s->positions));
	s->positions[s->n++] = e->position;
	s->last = *e;
	snprintf(s->bytes, sizeof(s->bytes), "%.*s", STR_ARG(e->bytes));
	snprintf(s->service, sizeof(s->service), "%.*s", STR_ARG(e->service));
	snprintf(s->agent, sizeof(s->agent), "%.*s", STR_ARG(e->agent));
	snprintf(s->region, sizeof(s->region), "%.*s", STR_ARG(e->region));
	return s->stop_after && (int)s->n == s->stop_after ? 77 : 0;
}

static void what_was_appended_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct seen seen = { 0 };
	bool duplicate = true;
	fixture_open(f);
	struct entry batch = entry_batch("a1", 1, "x"),
		     deploy = entry_event(ENTRY_DEPLOY, "shop", "{\"type\":\"deploy\"}");
	struct entry agent = entry_event(ENTRY_AGENT, "", "{\"type\":\"agent\"}");
	OK(store_begin(f->st, &err));
	OK(store_append(f->st, &deploy, &duplicate, &err));
	OK(store_append(f->st, &agent, &duplicate, &err));
	OK(store_append(f->st, &batch, &duplicate, &err));
	OK(store_commit(f->st, &err));
	assert_int_equal(deploy.position, 1);
	assert_int_equal(batch.position, 3);
	fixture_close(f);

	struct store *r = fixture_reader(f);
	assert_int_equal(store_each_entry(r, 0, on_entry, &seen, &err), 0);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.last.kind, ENTRY_BATCH);
	assert_string_equal(seen.bytes, "batch a1 1 x");
	assert_string_equal(seen.service, "shop");
	assert_string_equal(seen.agent, "a1");
	assert_string_equal(seen.region, "eu");
	assert_true(seen.last.epoch == batch.epoch && seen.last.number == 1 && seen.last.raw_size == 1234);
	assert_true(seen.last.clock_offset_us == -5 && seen.last.clock_uncertainty_us == 7);
	assert_true(seen.last.received_at_us == T0);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(store_each_entry(r, 1, on_entry, &seen, &err), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(store_count(r, "entries"), 3);
	assert_int_equal(store_count(r, "batches"), 1);
	assert_int_equal(store_count(r, "nonsense"), -1);
	assert_int_equal(store_last_position(r), 3);
	assert_true(store_last_received_us(r) == T0);
	store_close(r);
}

static void a_walk_goes_over_pages_and_may_be_ended(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct seen *seen = mem_new(sizeof(*seen));
	bool duplicate;
	fixture_open(f);
	OK(store_begin(f->st, &err));
	for (uint64_t i = 1; i <= 1000; i++) {
		struct entry e = entry_batch("a1", i, "");
		OK(store_append(f->st, &e, &duplicate, &err));
	}
	OK(store_commit(f->st, &err));
	assert_int_equal(store_each_entry(f->st, 0, on_entry, seen, &err), 0);
	assert_int_equal(seen->n, 1000);
	for (size_t i = 0; i < seen->n; i++)
		assert_int_equal(seen->positions[i], i + 1);
	memset(seen, 0, sizeof(*seen));
	seen->stop_after = 300;
	assert_int_equal(store_each_entry(f->st, 0, on_entry, seen, &err), 77);
	assert_int_equal(seen->n, 300);
	free(seen);
}

static void a_group_is_there_after_its_commit_and_not_before(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	bool duplicate;
	fixture_open(f);
	struct store *r = fixture_reader(f);
	struct entry a = entry_batch("a1", 1, ""), b = entry_batch("a1", 2, ""), c = entry_batch("a2", 1, "");
	OK(store_begin(f->st, &err));
	OK(store_append(f->st, &a, &duplicate, &err));
	assert_int_equal(store_count(r, "entries"), 0);
	OK(store_commit(f->st, &err));
	assert_int_equal(store_count(r, "entries"), 1);

	OK(store_begin(f->st, &err));
	OK(store_append(f->st, &b, &duplicate, &err));
	OK(store_append(f->st, &c, &duplicate, &err));
	assert_int_equal(c.position, 3);
	store_rollback(f->st);
	assert_int_equal(store_count(r, "entries"), 1);
	assert_int_equal(store_last_position(f->st), 1);
	/* the positions of what was rolled back, and the names that came with it, are free again */
	OK(store_begin(f->st, &err));
	OK(store_append(f->st, &c, &duplicate, &err));
	assert_int_equal(c.position, 2);
	OK(store_commit(f->st, &err));
	struct seen seen = { 0 };
	assert_int_equal(store_each_entry(r, 1, on_entry, &seen, &err), 0);
	assert_string_equal(seen.agent, "a2");

	OK(store_begin(f->st, &err));
	OK(store_append(f->st, &b, &duplicate, &err));
	fixture_close(f); /* an open group is rolled back */
	assert_int_equal(store_count(r, "entries"), 2);
	store_close(r);
}

static void outside_a_group_nothing_is_written(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	bool duplicate;
	fixture_open(f);
	struct entry a = entry_batch("a1", 1, "");
	assert_int_equal(store_append(f->st, &a, &duplicate, &err), ERR_IO);
	assert_int_equal(store_commit(f->st, &err), ERR_IO);
	assert_string_equal(err.text, "no group is open: an earlier failure ended it, nothing was kept");
	assert_int_equal(store_mark_alive(f->st, T0, &err), ERR_IO);
	OK(store_begin(f->st, &err));
	assert_int_equal(store_begin(f->st, &err), ERR_NONSENSE);
}

static void received_at_never_falls(void **state)
{
	struct fixture *f = *state;
	fixture_open(f);
	put_batch(f->st, 1, T0 + 10);
	struct entry e = entry_batch("a1", 2, "");
	struct err err = { 0 };
	bool duplicate;
	e.received_at_us = T0 + 5; /* the machine's clock was set back */
	OK(store_begin(f->st, &err));
	OK(store_append(f->st, &e, &duplicate, &err));
	OK(store_commit(f->st, &err));
	assert_true(e.received_at_us == T0 + 10);
	fixture_close(f);
	fixture_open(f);
	assert_true(store_last_received_us(f->st) == T0 + 10);
	assert_int_equal(put_batch(f->st, 3, T0 + 11), 3);
}

/* -- identities -- */

static void the_same_batch_again_is_a_duplicate_and_another_a_conflict(void **state)
{
	static const struct {
		const char *says;
		const char *agent;
		uint64_t number;
		const char *salt;
		int rc;
		bool duplicate;
	} cases[] = {
		{ "the first", "a1", 1, "x", 0, false },
		{ "resent after a lost acknowledgement", "a1", 1, "x", 0, true },
		{ "the same number with other contents", "a1", 1, "y", ERR_EXISTS, false },
		{ "another agent's number 1", "a2", 1, "x", 0, false },
		{ "the newest first, after a cut", "a1", 9, "x", 0, false },
		{ "then the backlog", "a1", 2, "x", 0, false },
		{ "number 0", "a1", 0, "x", 0, false },
		{ "the largest there is", "a1", INT64_MAX, "x", 0, false },
	};
	struct fixture *f = *state;
	struct err err = { 0 };
	fixture_open(f);
	OK(store_begin(f->st, &err));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool duplicate = false;
		struct entry e = entry_batch(cases[i].agent, cases[i].number, cases[i].salt);
		int rc = store_append(f->st, &e, &duplicate, &err);
		if (rc != cases[i].rc || duplicate != cases[i].duplicate)
			fail_msg("%s: rc %d, duplicate %d", cases[i].says, rc, duplicate);
		assert_int_equal(e.position == 0, rc < 0 || duplicate);
	}
	OK(store_commit(f->st, &err)); /* a conflict ended nothing */
	assert_int_equal(store_count(f->st, "batches"), 6);
	struct entry other = entry_batch("a1", 1, "y");
	bool duplicate;
	OK(store_begin(f->st, &err));
	assert_int_equal(store_append(f->st, &other, &duplicate, &err), ERR_EXISTS);
	assert_string_equal(err.text,
		"agent 'a1' sent batch 1 of epoch fedcba9876543210 again with other contents: is its "
		"machine a copy of another, or its disk restored?");
	struct entry nobody = entry_batch("", 1, "");
	assert_int_equal(store_append(f->st, &nobody, &duplicate, &err), ERR_NONSENSE);
}

/* -- what is derived -- */

static int count_transitions(void *ctx, const struct transition *t)
{
	struct buf *b = ctx;
	buf_addf(b, "%" PRId64 ".%u %.*s %.*s %.*s %s>%s %.*s/%.*s%s\n", t->key.position, t->key.seq,
		STR_ARG(t->service), STR_ARG(t->endpoint), STR_ARG(t->edge), cell_state_name(t->from),
		cell_state_name(t->to), STR_ARG(t->version), STR_ARG(t->expected), t->late ? " late" : "");
	return 0;
}

static struct transition transition(
	int64_t position, uint32_t seq, int64_t at_us, const char *endpoint, const char *edge)
{
	return (struct transition){ .key = { position, seq },
		.at_us = at_us,
		.service = STR("shop"),
		.endpoint = str_of(endpoint),
		.edge = str_of(edge),
		.from = CELL_FRESH,
		.to = CELL_STALE,
		.version = STR("v1"),
		.expected = STR("v2"),
		.late = seq == 1 };
}

struct found_evidence {
	size_t n;
	char text[512];
};

static int note_evidence(void *ctx, const struct cell_evidence *ev)
{
	struct found_evidence *f = ctx;
	size_t at = strlen(f->text);
	snprintf(f->text + at, sizeof(f->text) - at, "%s%.*s %d %.*s by %.*s", f->n++ ? " | " : "",
		STR_ARG(ev->version), ev->status, STR_ARG(ev->block), STR_ARG(ev->agent));
	return 0;
}

static void a_transition_keeps_the_headers_that_belong_to_it(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	fixture_open(f);
	static const struct {
		const char *edge, *version, *block, *agent;
		int status;
		int64_t at_us;
	} blocks[] = {
		{ "self:fra", "v1", "old", "a1", 200, T0 },
		{ "self:fra", "v1", "newer", "a2", 200, T0 + 10 },
		{ "self:fra", "v1", "late", "a3", 200, T0 + 5 },
		{ "self:fra", "v2", "other", "a1", 200, T0 + 11 },
		{ "self:fra", "", "broken", "a1", 503, T0 + 12 },
		{ "self:lhr", "v1", "elsewhere", "a1", 200, T0 + 13 },
	};
	static const struct {
		const char *says, *edge, *version;
		enum cell_state to;
		const char *want;
	} cases[] = {
		{ "the newest of its version; what came late is older", "self:fra", "v1", CELL_STALE,
			"v1 200 newer by a2" },
		{ "of the version it changed to", "self:fra", "v2", CELL_FRESH, "v2 200 other by a1" },
		{ "one that fails: the error, not what it served before", "self:fra", "v2", CELL_FAILING,
			" 503 broken by a1" },
		{ "another edge's", "self:lhr", "v1", CELL_STALE, "v1 200 elsewhere by a1" },
		{ "no headers of that version came", "self:lhr", "v9", CELL_STALE, "" },
		{ "an edge that never had any", "self:syd", "v1", CELL_STALE, "" },
	};
	OK(store_begin(f->st, &err));
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		struct cell_evidence ev = { STR("shop"), STR("v"), str_of(blocks[i].edge),
			str_of(blocks[i].version), str_of(blocks[i].agent), str_of(blocks[i].block),
			blocks[i].status, blocks[i].at_us };
		OK(store_put_evidence(f->st, &ev, &err));
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct transition t = transition(1, (uint32_t)i, T0 + 20, "v", cases[i].edge);
		struct found_evidence found = { 0 };
		t.version = str_of(cases[i].version);
		t.to = cases[i].to;
		OK(store_put_transition(f->st, &t, &err));
		OK(store_put_transition(f->st, &t, &err)); /* derived again: the same once */
		OK(store_transition_evidence(f->st, &t, note_evidence, &found, &err));
		if (strcmp(found.text, cases[i].want) != 0)
			fail_msg("%s: got '%s', want '%s'", cases[i].says, found.text, cases[i].want);
	}
	OK(store_commit(f->st, &err));
	struct found_evidence all = { 0 }, one = { 0 }, none = { 0 };
	OK(store_each_evidence(f->st, STR("shop"), STR("v"), STR("self:fra"), 10, note_evidence, &all, &err));
	assert_string_equal(all.text, " 503 broken by a1 | v2 200 other by a1 | v1 200 newer by a2");
	OK(store_each_evidence(f->st, STR("shop"), STR("v"), STR("self:fra"), 1, note_evidence, &one, &err));
	assert_int_equal(one.n, 1);
	OK(store_each_evidence(
		f->st, STR("shop"), STR("w"), STR("self:fra"), 10, note_evidence, &none, &err));
	assert_int_equal(none.n, 0);
}

static void transitions_are_found_by_cell_and_time(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct buf got;
	fixture_open(f);
	buf_init(&got, 4096);
	const struct transition all[] = { transition(1, 0, T0, "v", "self:fra"),
		transition(1, 1, T0 + 5, "v", "self:lhr"), transition(2, 0, T0 + 3, "w", "self:fra"),
		transition(3, 0, T0 + 9, "v", "self:fra") };
	OK(store_begin(f->st, &err));
	for (int again = 0; again < 2; again++) /* deriving them again writes nothing twice */
		for (size_t i = 0; i < ARRAY_LEN(all); i++)
			OK(store_put_transition(f->st, &all[i], &err));
	OK(store_commit(f->st, &err));
	assert_int_equal(store_count(f->st, "transitions"), 4);

	/* clang-format off */
	const struct {
		const char *says, *service, *endpoint, *edge;
		int64_t from_us, to_us;
		size_t limit;
		const char *want;
	} cases[] = {
		{ "a cell", "shop", "v", "self:fra", T0, T0 + 10, 0,
			"1.0 shop v self:fra fresh>stale v1/v2\n3.0 shop v self:fra fresh>stale v1/v2\n" },
		{ "up to, and not with, the end", "shop", "v", "self:fra", T0, T0 + 9, 0, "1.0 shop v self:fra fresh>stale v1/v2\n" },
		{ "at most one", "shop", "v", "self:fra", T0, T0 + 10, 1, "1.0 shop v self:fra fresh>stale v1/v2\n" },
		{ "an edge, by time", "", "", "self:fra", T0 + 1, T0 + 10, 0,
			"2.0 shop w self:fra fresh>stale v1/v2\n3.0 shop v self:fra fresh>stale v1/v2\n" },
		{ "late ones say so", "shop", "", "self:lhr", T0, T0 + 10, 0, "1.1 shop v self:lhr fresh>stale v1/v2 late\n" },
		{ "an endpoint nobody knows", "shop", "nope", "", T0, T0 + 10, 0, "" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&got);
		OK(store_each_transition(f->st, str_of(cases[i].service), str_of(cases[i].endpoint),
			str_of(cases[i].edge), cases[i].from_us, cases[i].to_us, cases[i].limit,
			count_transitions, &got, &err));
		if (!str_is(buf_str(&got), cases[i].want))
			fail_msg("%s: got\n%.*s", cases[i].says, STR_ARG(buf_str(&got)));
	}
	buf_fini(&got);
}

static int on_verdict(void *ctx, const struct deploy_change *c)
{
	buf_addf(ctx, "%" PRId64 ".%u %.*s %.*s %.*s %s>%s: %.*s\n", c->key.position, c->key.seq,
		STR_ARG(c->id), STR_ARG(c->service), STR_ARG(c->version), verdict_name(c->from),
		verdict_name(c->to), STR_ARG(c->reason));
	return 0;
}

static void verdicts_are_kept_once(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct buf got;
	fixture_open(f);
	buf_init(&got, 4096);
	const struct deploy_change c = { .key = { 5, 2 },
		.at_us = T0,
		.id = STR("d1"),
		.service = STR("shop"),
		.version = STR("v2"),
		.from = VERDICT_CONVERGING,
		.to = VERDICT_VERIFIED,
		.reason = STR("all 4 cells") };
	OK(store_begin(f->st, &err));
	OK(store_put_verdict(f->st, &c, &err));
	OK(store_put_verdict(f->st, &c, &err));
	OK(store_commit(f->st, &err));
	OK(store_each_verdict(f->st, 0, on_verdict, &got, &err));
	assert_string_equal(got.p, "5.2 d1 shop v2 converging>verified: all 4 cells\n");
	buf_clear(&got);
	OK(store_each_verdict(f->st, 5, on_verdict, &got, &err));
	assert_int_equal(got.n, 0);
	buf_fini(&got);
}

static void the_last_two_snapshots_are_kept(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct buf got;
	int64_t position = -1;
	fixture_open(f);
	buf_init(&got, 100);
	assert_int_equal(store_snapshot(f->st, &got, &position, &err), ERR_NOT_FOUND);
	assert_int_equal(position, -1);
	for (uint64_t i = 1; i <= 3; i++)
		put_batch(f->st, i, T0);
	put_snapshot(f->st, 1, "one");
	put_snapshot(f->st, 2, "two");
	put_snapshot(f->st, 3, "three");
	assert_int_equal(store_count(f->st, "snapshots"), 2);
	OK(store_snapshot(f->st, &got, &position, &err));
	assert_string_equal(got.p, "three");
	assert_int_equal(position, 3);
	OK(store_snapshot_nth(f->st, 1, &got, &position, &err));
	assert_string_equal(got.p, "two");
	assert_int_equal(store_snapshot_nth(f->st, 2, &got, &position, &err), ERR_NOT_FOUND);
	buf_fini(&got);
	buf_init(&got, 3);
	assert_int_equal(store_snapshot(f->st, &got, &position, &err), ERR_TOO_BIG);
	buf_fini(&got);
	OK(store_begin(f->st, &err));
	assert_int_equal(store_put_snapshot(f->st, 4, T0, STR("of what is not there"), &err), ERR_NONSENSE);
}

static void time_is_marked_with_the_group(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	fixture_open(f);
	assert_true(store_alive_at_us(f->st) == TIME_NONE);
	for (int i = 0; i < 2; i++) {
		OK(store_begin(f->st, &err));
		OK(store_mark_alive(f->st, T0 + i, &err));
		OK(store_commit(f->st, &err));
	}
	OK(store_begin(f->st, &err));
	OK(store_mark_alive(f->st, T0 + 100, &err));
	store_rollback(f->st);
	assert_true(store_alive_at_us(f->st) == T0 + 1);
}

static int on_agent(void *ctx, const struct agent_record *a)
{
	buf_addf(ctx, "%.*s %.*s %02x %s%02x %s\n", STR_ARG(a->name), STR_ARG(a->region), a->token.b[0],
		a->has_old ? "old " : "", a->has_old ? a->token_old.b[31] : 0,
		a->revoked ? "revoked" : "valid");
	return 0;
}

static void agents_are_kept_with_two_tokens(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct buf got;
	fixture_open(f);
	buf_init(&got, 4096);
	struct agent_record b = {
		.name = STR("b"), .region = STR("us"), .token.b = { 0xbb }, .enrolled_at_us = T0
	};
	struct agent_record a = {
		.name = STR("a"), .region = STR("eu"), .token.b = { 0xa1 }, .enrolled_at_us = T0
	};
	OK(store_put_agent(f->st, &b, &err));
	OK(store_put_agent(f->st, &a, &err));
	a.has_old = true;
	a.token_old.b[31] = 0x0d;
	a.token.b[0] = 0xa2;
	OK(store_begin(f->st, &err)); /* in a group, or by itself */
	OK(store_put_agent(f->st, &a, &err));
	b.revoked = true;
	OK(store_put_agent(f->st, &b, &err));
	OK(store_commit(f->st, &err));
	OK(store_each_agent(f->st, on_agent, &got, &err));
	assert_string_equal(got.p, "a eu a2 old 0d valid\nb us bb 00 revoked\n");
	buf_fini(&got);
}

/* -- reading by time -- */

static void batches_of_a_service_by_time(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	fixture_open(f);
	for (uint64_t i = 1; i <= 50; i++) {
		put_batch(f->st, i, T0 + (int64_t)i * US_PER_S);
		put_event(f->st, ENTRY_AGENT, "shop", T0 + (int64_t)i * US_PER_S);
		if (i % 10 == 0) {
			struct entry e = entry_batch("a2", i, "");
			bool duplicate;
			e.service = STR("other");
			OK(store_begin(f->st, &err));
			OK(store_append(f->st, &e, &duplicate, &err));
			OK(store_commit(f->st, &err));
		}
	}
	const struct {
		const char *says, *service;
		int64_t from_s, to_s;
		size_t n;
	} cases[] = {
		{ "all", "shop", 0, 1000, 50 },
		{ "from is in, to is not", "shop", 10, 20, 10 },
		{ "one moment", "shop", 10, 11, 1 },
		{ "before the first", "shop", -100, 1, 0 },
		{ "after the last", "shop", 51, 1000, 0 },
		{ "the other service", "other", 10, 31, 3 },
		{ "a service nobody knows", "nope", 0, 1000, 0 },
		{ "from after to", "shop", 20, 10, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct seen *seen = mem_new(sizeof(*seen));
		OK(store_each_batch(f->st, str_of(cases[i].service), T0 + cases[i].from_s * US_PER_S,
			T0 + cases[i].to_s * US_PER_S, on_entry, seen, &err));
		if (seen->n != cases[i].n)
			fail_msg("%s: %zu batches, want %zu", cases[i].says, seen->n, cases[i].n);
		free(seen);
	}
}

static void a_reader_gives_up_after_its_deadline(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct seen *seen = mem_new(sizeof(*seen));
	bool duplicate;
	fixture_open(f);
	OK(store_begin(f->st, &err));
	for (uint64_t i = 1; i <= 1000; i++) {
		struct entry e = entry_batch("a1", i, "");
		OK(store_append(f->st, &e, &duplicate, &err));
	}
	OK(store_commit(f->st, &err));
	struct store *r = fixture_reader(f);
	store_set_deadline(r, clock_boot_us() - 1);
	assert_int_equal(store_each_entry(r, 0, on_entry, seen, &err), ERR_TIMEOUT);
	store_set_deadline(r, 0); /* the same store reads on with another deadline */
	memset(seen, 0, sizeof(*seen));
	OK(store_each_entry(r, 0, on_entry, seen, &err));
	assert_int_equal(seen->n, 1000);
	store_close(r);
	free(seen);
}

static int append_behind(void *ctx, const struct entry *e)
{
	struct fixture *f = ctx;
	if (e->position == 1) {
		for (uint64_t i = 301; i <= 400; i++)
			put_batch(f->st, i, T0);
		struct err err = { 0 };
		OK(store_checkpoint(f->st, &err));
		struct stat wal;
		char name[160];
		snprintf(name, sizeof(name), "%s-wal", f->path);
		/* the walk holds no read transaction while it hands entries on: everything could be moved */
		assert_int_equal(stat(name, &wal), 0);
		assert_int_equal(wal.st_size, 0);
	}
	return e->position == 400 ? 42 : 0;
}

static void a_slow_reader_does_not_keep_the_wal_from_shrinking(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	bool duplicate;
	fixture_open(f);
	OK(store_begin(f->st, &err));
	for (uint64_t i = 1; i <= 300; i++) {
		struct entry e = entry_batch("a1", i, "");
		OK(store_append(f->st, &e, &duplicate, &err));
	}
	OK(store_commit(f->st, &err));
	struct store *r = fixture_reader(f);
	assert_int_equal(
		store_each_entry(r, 0, append_behind, f, &err), 42); /* and sees what came meanwhile */
	assert_true(store_disk_bytes(r) > 0);
	store_close(r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_appended_is_read_back),
		TEST(a_walk_goes_over_pages_and_may_be_ended),
		TEST(a_group_is_there_after_its_commit_and_not_before),
		TEST(outside_a_group_nothing_is_written),
		TEST(received_at_never_falls),
		TEST(the_same_batch_again_is_a_duplicate_and_another_a_conflict),
		TEST(a_transition_keeps_the_headers_that_belong_to_it),
		TEST(transitions_are_found_by_cell_and_time),
		TEST(verdicts_are_kept_once),
		TEST(the_last_two_snapshots_are_kept),
		TEST(time_is_marked_with_the_group),
		TEST(agents_are_kept_with_two_tokens),
		TEST(batches_of_a_service_by_time),
		TEST(a_reader_gives_up_after_its_deadline),
		TEST(a_slow_reader_does_not_keep_the_wal_from_shrinking),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
