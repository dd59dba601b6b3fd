/* Retention: what goes, what stays, and that a batch's identity outlives its data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store_fixture.h"

#define DAY US_PER_DAY

static const struct store_retention keep = {
	.observations_us = 2 * DAY, .events_us = 30 * DAY, .transitions_us = 10 * DAY
};

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	fixture_open(f);
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

static int prune(struct store *st, int64_t now_us)
{
	struct err err = { 0 };
	bool more = true;
	int steps = 0;
	for (; more; steps++) {
		assert_true(steps < 1000); /* it comes to an end */
		OK(store_prune(st, &keep, now_us, &more, &err));
	}
	return steps;
}

static bool is_duplicate(struct store *st, uint64_t number, const char *salt)
{
	struct err err = { 0 };
	bool duplicate = false;
	struct entry e = entry_batch("a1", number, salt);
	OK(store_begin(st, &err));
	OK(store_append(st, &e, &duplicate, &err));
	store_rollback(st);
	return duplicate;
}

static void nothing_goes_that_a_fold_from_the_older_snapshot_needs(void **state)
{
	struct fixture *f = *state;
	for (uint64_t i = 1; i <= 10; i++)
		put_batch(f->st, i, T0 + (int64_t)i);
	int64_t now_us = T0 + 5 * DAY; /* all of them are old */
	prune(f->st, now_us);
	assert_int_equal(store_count(f->st, "batches"), 10); /* no snapshot */
	put_snapshot(f->st, 8, "");
	prune(f->st, now_us);
	assert_int_equal(store_count(f->st, "batches"), 10); /* one could turn out unreadable */
	put_snapshot(f->st, 9, "");
	prune(f->st, now_us);
	assert_int_equal(store_count(f->st, "batches"), 2); /* 9 and 10: after the older one */
	put_snapshot(f->st, 10, "");
	prune(f->st, now_us);
	assert_int_equal(store_count(f->st, "batches"), 1);
}

static void only_what_is_old_goes(void **state)
{
	struct fixture *f = *state;
	for (uint64_t i = 1; i <= 6; i++)
		put_batch(f->st, i, T0 + (int64_t)i * DAY);
	put_snapshot(f->st, 5, "");
	put_snapshot(f->st, 6, "");
	prune(f->st, T0 + 6 * DAY);
	assert_int_equal(store_count(f->st, "batches"), 3); /* 4, 5 and 6 are within two days */
}

static void a_pruned_batch_is_still_a_duplicate(void **state)
{
	struct fixture *f = *state;
	static const uint64_t order[] = { 1, 2, 9, 3, 5, 4, 8, 20, 7 }; /* newest first, the backlog behind */
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		put_batch(f->st, order[i], T0 + (int64_t)i);
	put_batch(f->st, 100, T0 + 5 * DAY);
	put_snapshot(f->st, 9, "");
	put_snapshot(f->st, 10, "");
	prune(f->st, T0 + 5 * DAY);
	assert_int_equal(store_count(f->st, "batches"), 1);
	assert_int_equal(store_count(f->st, "ranges"), 3); /* 1-5, 7-9, 20 */
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		assert_true(is_duplicate(f->st, order[i], ""));
	static const uint64_t others[] = { 0, 6, 10, 19, 21 };
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(is_duplicate(f->st, others[i], ""));
	/* With the data the means to compare went: the number alone says it was here. */
	assert_true(is_duplicate(f->st, 3, "with other contents"));
	fixture_close(f);
	fixture_open(f);
	assert_true(is_duplicate(f->st, 20, ""));
	put_batch(f->st, 6, T0 + 5 * DAY); /* fills the gap */
	put_snapshot(f->st, 11, "");
	put_snapshot(f->st, 11, "");
	put_batch(f->st, 101, T0 + 10 * DAY);
	put_snapshot(f->st, 12, "");
	prune(f->st, T0 + 10 * DAY);
	assert_int_equal(store_count(f->st, "ranges"), 3); /* 1-9, 20, 100 */
	assert_true(is_duplicate(f->st, 6, ""));
}

static void identities_are_forgotten_after_thirty_days(void **state)
{
	struct fixture *f = *state;
	put_batch(f->st, 1, T0);
	put_batch(f->st, 3, T0 + 20 * DAY);
	put_snapshot(f->st, 1, "");
	put_snapshot(f->st, 2, "");
	prune(f->st, T0 + 23 * DAY);
	put_batch(f->st, 4, T0 + 23 * DAY);
	put_snapshot(f->st, 3, "");
	prune(f->st, T0 + 29 * DAY);
	assert_int_equal(store_count(f->st, "ranges"), 2);
	prune(f->st, T0 + 31 * DAY);
	assert_int_equal(store_count(f->st, "ranges"), 1);
	assert_false(is_duplicate(f->st, 1, ""));
	assert_true(is_duplicate(f->st, 3, ""));
}

static int list_entries(void *ctx, const struct entry *e)
{
	buf_addf(ctx, "%" PRId64 ":%s ", e->position, entry_kind_name(e->kind));
	return 0;
}

static void an_export_still_knows_what_is_served(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct buf got;
	buf_init(&got, 4096);
	put_event(f->st, ENTRY_SERVICE, "shop", T0);          /* 1: replaced by 3 */
	put_event(f->st, ENTRY_SERVICE, "other", T0);         /* 2: the newest of its service */
	put_event(f->st, ENTRY_SERVICE, "shop", T0 + 1);      /* 3 */
	put_event(f->st, ENTRY_DEPLOY, "shop", T0 + 2);       /* 4: two newer ones */
	put_event(f->st, ENTRY_DEPLOY_PATCH, "shop", T0 + 2); /* 5: of it */
	put_event(f->st, ENTRY_DEPLOY, "shop", T0 + 3);       /* 6 */
	put_event(f->st, ENTRY_AGENT, "", T0 + 3);            /* 7 */
	put_event(f->st, ENTRY_DEPLOY, "shop", T0 + 4);       /* 8 */
	put_event(f->st, ENTRY_DEPLOY_PATCH, "shop", T0 + 4); /* 9 */
	put_event(f->st, ENTRY_PURGE, "shop", T0 + 4);        /* 10 */
	put_event(f->st, ENTRY_AGENT, "", T0 + 40 * DAY);     /* 11: not old */
	put_snapshot(f->st, 11, "");
	put_event(f->st, ENTRY_CLOCK, "", T0 + 40 * DAY); /* 12 */
	put_snapshot(f->st, 12, "");
	prune(f->st, T0 + 41 * DAY);
	OK(store_each_entry(f->st, 0, list_entries, &got, &err));
	assert_string_equal(got.p, "2:service 3:service 6:deploy 8:deploy 9:deploy_patch 11:agent 12:clock ");
	/* when a newer deploy comes, the next sweep takes the oldest of the three */
	put_event(f->st, ENTRY_DEPLOY, "shop", T0 + 42 * DAY);
	prune(f->st, T0 + 42 * DAY);
	buf_clear(&got);
	OK(store_each_entry(f->st, 0, list_entries, &got, &err));
	assert_string_equal(
		got.p, "2:service 3:service 8:deploy 9:deploy_patch 11:agent 12:clock 13:deploy ");
	buf_fini(&got);
}

static void positions_go_on_where_everything_was_pruned(void **state)
{
	struct fixture *f = *state;
	for (uint64_t i = 1; i <= 5; i++)
		put_batch(f->st, i, T0);
	put_snapshot(f->st, 5, "older");
	put_snapshot(f->st, 5, "the same position: replaces it");
	assert_int_equal(store_count(f->st, "snapshots"), 1);
	put_event(f->st, ENTRY_CLOCK, "", T0);
	put_snapshot(f->st, 6, "");
	put_event(f->st, ENTRY_CLOCK, "", T0 + DAY);
	put_snapshot(f->st, 7, "");
	prune(f->st, T0 + 400 * DAY);
	assert_int_equal(store_count(f->st, "entries"), 1); /* 7 is after the older snapshot */
	put_event(f->st, ENTRY_CLOCK, "", T0 + 2 * DAY);
	put_snapshot(f->st, 8, "");
	prune(f->st, T0 + 400 * DAY);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(put_batch(f->st, 9, T0 + 3 * DAY), 9);
}

static void transitions_and_verdicts_go_by_their_own_time(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	put_batch(f->st, 1, T0);
	put_batch(f->st, 2, T0);
	OK(store_begin(f->st, &err));
	for (uint32_t i = 0; i < 600; i++) {
		struct transition t = { .key = { 1 + i / 300, i },
			.at_us = T0 + (i / 300) * 20 * DAY,
			.service = STR("shop"),
			.endpoint = STR("v"),
			.edge = STR("self:fra") };
		struct deploy_change c = {
			.key = t.key, .at_us = t.at_us, .id = STR("d"), .service = STR("shop")
		};
		OK(store_put_transition(f->st, &t, &err));
		OK(store_put_verdict(f->st, &c, &err));
	}
	OK(store_commit(f->st, &err));
	put_snapshot(f->st, 1, "");
	put_snapshot(f->st, 2, "");
	prune(f->st, T0 + 9 * DAY);
	assert_int_equal(store_count(f->st, "transitions"), 600);
	prune(f->st, T0 + 25 * DAY);
	assert_int_equal(store_count(f->st, "transitions"), 300);
	assert_int_equal(store_count(f->st, "verdicts"), 300);
	prune(f->st, T0 + 100 * DAY); /* those at position 2 are not covered: a fold may put them out again */
	assert_int_equal(store_count(f->st, "transitions"), 300);
}

static void evidence_goes_with_its_transition(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	put_batch(f->st, 1, T0);
	put_batch(f->st, 2, T0);
	OK(store_begin(f->st, &err));
	for (uint32_t i = 0; i < 600; i++) {
		char version[16];
		snprintf(version, sizeof(version), "v%u", i);
		struct cell_evidence ev = { .service = STR("shop"),
			.endpoint = STR("v"),
			.edge = STR("self:fra"),
			.version = str_of(version),
			.block = STR("HTTP/1.1 200 OK"),
			.status = 200,
			.at_us = T0 + (i / 300) * 20 * DAY };
		struct transition t = { .key = { 1, i },
			.at_us = ev.at_us,
			.service = ev.service,
			.endpoint = ev.endpoint,
			.edge = ev.edge,
			.version = ev.version };
		OK(store_put_evidence(f->st, &ev, &err));
		OK(store_put_transition(f->st, &t, &err));
	}
	OK(store_commit(f->st, &err));
	put_snapshot(f->st, 1, "");
	put_snapshot(f->st, 2, "");
	prune(f->st, T0 + 1 * DAY);
	assert_int_equal(store_count(f->st, "evidence"), 600);
	prune(f->st, T0 + 9 * DAY); /* of cells: as long as batches are kept */
	assert_int_equal(store_count(f->st, "evidence"), 300);
	assert_int_equal(store_count(f->st, "transition_evidence"), 600);
	prune(f->st, T0 + 25 * DAY); /* of transitions: as long as these are */
	assert_int_equal(store_count(f->st, "evidence"), 0);
	assert_int_equal(store_count(f->st, "transitions"), 300);
	assert_int_equal(store_count(f->st, "transition_evidence"), 300);
}

static void it_goes_in_small_steps_and_gives_the_space_back(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	static char bytes[3000];
	bool duplicate, more = false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i % 26);
	OK(store_begin(f->st, &err));
	for (uint64_t i = 1; i <= 3000; i++) {
		struct entry e = entry_batch("a1", i, "");
		e.bytes = (struct str){ bytes, sizeof(bytes) };
		OK(store_append(f->st, &e, &duplicate, &err));
	}
	OK(store_commit(f->st, &err));
	put_snapshot(f->st, 2999, "");
	put_snapshot(f->st, 3000, "");
	OK(store_checkpoint(f->st, &err));
	int64_t before = store_disk_bytes(f->st);
	OK(store_prune(f->st, &keep, T0 + 5 * DAY, &more, &err));
	assert_true(more);
	assert_true(store_count(f->st, "batches") > 2000);
	/* in a group of the caller's: nothing is gone before that is committed, nor when it is not */
	OK(store_begin(f->st, &err));
	OK(store_prune(f->st, &keep, T0 + 5 * DAY, &more, &err));
	int64_t left = store_count(f->st, "batches");
	store_rollback(f->st);
	assert_true(store_count(f->st, "batches") > left);
	assert_true(prune(f->st, T0 + 5 * DAY) > 10);
	assert_int_equal(store_count(f->st, "batches"), 1);
	assert_int_equal(store_count(f->st, "ranges"), 1);
	OK(store_checkpoint(f->st, &err));
	int64_t after = store_disk_bytes(f->st);
	if (after > before / 2)
		fail_msg("%" PRId64 " bytes before, %" PRId64 " after", before, after);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_goes_that_a_fold_from_the_older_snapshot_needs),
		TEST(only_what_is_old_goes),
		TEST(a_pruned_batch_is_still_a_duplicate),
		TEST(identities_are_forgotten_after_thirty_days),
		TEST(an_export_still_knows_what_is_served),
		TEST(positions_go_on_where_everything_was_pruned),
		TEST(transitions_and_verdicts_go_by_their_own_time),
		TEST(evidence_goes_with_its_transition),
		TEST(it_goes_in_small_steps_and_gives_the_space_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
