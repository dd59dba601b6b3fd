/* The writer with a real store and a fake engine: groups, order, the bounds of the queue, and what is told.
 */
#include <stdio.h>

#include "writer_fixture.h"

/* -- groups -- */

static void test_a_lone_batch_does_not_wait_for_others(void **state)
{
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	writer_start(w);
	struct order *o = order_batch(1, 1);
	assert_int_equal(push_and_wait(w, o), 0);
	assert_false(o->duplicate);
	assert_int_equal(stored(f, "batches"), 1);
	order_free(o);
	writer_close(w);
}

static void test_many_share_a_commit_and_keep_their_order(void **state)
{
	enum { N = 500 };
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	struct order *all[N];
	struct hub_stats s;
	for (size_t i = 0; i < N; i++)
		push(w, all[i] = order_batch(i + 1, i + 1));
	writer_start(w);
	for (size_t i = 0; i < N; i++) {
		EVENTUALLY(atomic_load(&all[i]->done));
		assert_int_equal(all[i]->rc, 0);
		assert_true(i == 0 || all[i]->work.entry.position == all[i - 1]->work.entry.position + 1);
		assert_true(i == 0 || all[i]->received_at_us >= all[i - 1]->received_at_us);
	}
	writer_stats(w, &s);
	assert_int_equal(s.batches, N);
	assert_int_equal(s.results, 3 * N);
	assert_in_range(s.commits, 2, 10);
	assert_int_equal(stored(f, "batches"), N);
	for (size_t i = 0; i < N; i++)
		order_free(all[i]);
	writer_close(w);
}

static void test_duplicates_and_conflicts_in_one_group(void **state)
{
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	struct order *first = order_batch(1, 1), *same = order_batch(1, 1), *other = order_batch(1, 2),
		     *next = order_batch(2, 3);
	struct order *all[] = { first, same, other, next };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		push(w, all[i]);
	writer_start(w);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		EVENTUALLY(atomic_load(&all[i]->done));
	assert_true(first->rc == 0 && !first->duplicate);
	assert_true(same->rc == 0 && same->duplicate);
	assert_int_equal(other->rc, ERR_EXISTS);
	assert_true(next->rc == 0 && !next->duplicate);
	assert_int_equal(stored(f, "batches"), 2);
	assert_int_equal(state_of(w).n_batches, 2);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		order_free(all[i]);
	writer_close(w);
}

static void test_the_queue_is_bounded_and_what_is_owed_is_taken(void **state)
{
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	struct order **all = mem_new_array(WRITER_QUEUE_MAX + 2, sizeof(*all));
	size_t n = 0;
	struct err err;
	for (;; n++) {
		all[n] = order_batch(n + 1, n + 1);
		if (writer_push(w, &all[n]->work, &err) < 0)
			break;
		assert_true(n < WRITER_QUEUE_MAX);
	}
	assert_int_equal(n, WRITER_QUEUE_MAX);
	assert_int_equal(err.code, ERR_BUSY);
	order_free(all[n]);
	all[n] = order_entry(ENTRY_SERVICE, "{\"type\":\"service\",\"service\":\"shop\"}");
	all[n]->work.owed = true;
	push(w, all[n++]);
	writer_start(w);
	for (size_t i = 0; i < n; i++) {
		EVENTUALLY(atomic_load(&all[i]->done));
		assert_int_equal(all[i]->rc, 0);
		order_free(all[i]);
	}
	assert_int_equal(stored(f, "batches"), WRITER_QUEUE_MAX);
	free(all);
	writer_close(w);
}

static void test_a_large_queue_is_bounded_by_its_bytes_too(void **state)
{
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	struct order *huge[100];
	char *bytes = mem_new(1024 * 1024);
	struct err err;
	size_t n = 0;
	for (; n < ARRAY_LEN(huge); n++) {
		huge[n] = order_batch(n + 1, n + 1);
		huge[n]->work.entry.bytes = (struct str){ bytes, 1024 * 1024 };
		if (writer_push(w, &huge[n]->work, &err) < 0)
			break;
	}
	assert_in_range(n, 60, 64);
	assert_int_equal(err.code, ERR_BUSY);
	for (size_t i = 0; i <= n; i++) {
		assert_int_equal(writer_cancel(w, &huge[i]->work), i < n);
		assert_false(atomic_load(&huge[i]->done));
		order_free(huge[i]);
	}
	free(bytes);
	writer_close(w);
}

static void test_a_large_queue_counts_what_was_unsealed(void **state)
{
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	struct order *huge[100];
	struct err err;
	size_t n = 0;
	for (; n < ARRAY_LEN(huge); n++) {
		huge[n] = order_batch_unsealed(n + 1, n + 1);
		assert_true(huge[n]->work.batch_bytes > 3 * sizeof(struct obs));
		huge[n]->work.batch_bytes = 1024 * 1024;
		if (writer_push(w, &huge[n]->work, &err) < 0)
			break;
	}
	assert_in_range(n, 60, 64);
	assert_int_equal(err.code, ERR_BUSY);
	for (size_t i = 0; i <= n; i++) {
		assert_int_equal(writer_cancel(w, &huge[i]->work), i < n);
		order_free(huge[i]);
	}
	writer_close(w);
}

static void test_an_entry_is_checked_against_all_before_it(void **state)
{
	static const struct {
		enum entry_kind kind;
		const char *says, *json;
		int want;
	} cases[] = {
		{ ENTRY_DEPLOY, "before its service",
			"{\"service\":\"shop\",\"version\":\"v1\",\"id\":\"d0\"}", ERR_NOT_FOUND },
		{ ENTRY_SERVICE, "the service", "{\"service\":\"shop\"}", 0 },
		{ ENTRY_DEPLOY, "behind it", "{\"service\":\"shop\",\"version\":\"v1\",\"id\":\"d1\"}", 0 },
		{ ENTRY_DEPLOY, "again", "{\"service\":\"shop\",\"version\":\"v1\",\"id\":\"d1\"}",
			ERR_EXISTS },
		{ ENTRY_DEPLOY_PATCH, "its patch", "{\"id\":\"d1\",\"aborted\":true}", 0 },
		{ ENTRY_DEPLOY_PATCH, "a patch of another", "{\"id\":\"d2\",\"aborted\":true}",
			ERR_NOT_FOUND },
	};
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	struct order *all[ARRAY_LEN(cases)];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) { /* all in the queue before the first is looked at */
		all[i] = order_entry(cases[i].kind, cases[i].json);
		all[i]->work.checked = cases[i].kind != ENTRY_SERVICE;
		push(w, all[i]);
	}
	writer_start(w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		EVENTUALLY(atomic_load(&all[i]->done));
		if (all[i]->rc != cases[i].want)
			fail_msg("%s: %d (%s)", cases[i].says, all[i]->rc, all[i]->err.text);
		assert_true(cases[i].want == 0 || all[i]->err.text[0] != '\0');
		order_free(all[i]);
	}
	assert_int_equal(
		stored(f, "entries"), 4); /* with the collector's own; what was refused was not written */
	writer_close(w);
}

static void test_received_at_never_falls(void **state)
{
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	int64_t ahead_us = clock_wall_us() + 10 * US_PER_S;
	writer_start(w);
	clock_test_set(ahead_us, clock_boot_us());
	struct order *before = order_batch(1, 1), *after = order_batch(2, 2);
	before->work.at_once = after->work.at_once = true;
	assert_int_equal(push_and_wait(w, before), 0);
	clock_test_set(ahead_us - US_PER_H, clock_boot_us()); /* somebody set the clock back */
	push(w, after);
	clock_test_clear();
	EVENTUALLY(atomic_load(&after->done));
	assert_int_equal(after->rc, 0);
	assert_true(after->received_at_us >= before->received_at_us);
	order_free(before);
	order_free(after);
	writer_close(w);
}

/* -- what is told -- */

struct heard {
	size_t n[CHANGE_COUNT], n_calls;
	struct out_key last;
	bool rising;
	char text[CHANGE_COUNT][256], service[CHANGE_COUNT][64];
};

static void hear(void *ctx, const struct change *c, size_t n)
{
	struct heard *h = ctx;
	h->n_calls++;
	for (size_t i = 0; i < n; i++) {
		h->n[c[i].kind]++;
		if (c[i].key.position < h->last.position ||
			(c[i].key.position == h->last.position && c[i].key.seq <= h->last.seq &&
				h->n_calls > 1))
			h->rising = false;
		h->last = c[i].key;
		(void)snprintf(h->text[c[i].kind], sizeof(h->text[0]), "%.*s", STR_ARG(c[i].json));
		(void)snprintf(h->service[c[i].kind], sizeof(h->service[0]), "%.*s", STR_ARG(c[i].service));
	}
}

static void test_changes_are_told_after_the_fold_in_order(void **state)
{
	struct fixture *f = *state;
	struct writer *w = writer_up(f, NULL);
	struct heard h = { .rising = true };
	static const struct {
		enum entry_kind kind;
		const char *json;
	} entries[] = {
		{ ENTRY_SERVICE, "{\"service\":\"shop\"}" },
		{ ENTRY_AGENT, "{\"agent\":\"fra-1\",\"region\":\"eu\",\"state\":\"connected\"}" },
		{ ENTRY_DEPLOY, "{\"service\":\"shop\",\"version\":\"v1\",\"id\":\"d1\"}" },
		{ ENTRY_PURGE, "{\"service\":\"shop\",\"id\":\"p1\",\"patterns\":[\"/*\"]}" },
		{ ENTRY_DEPLOY_PATCH, "{\"id\":\"d1\",\"aborted\":true}" },
	};
	writer_listen(w, hear, &h);
	writer_start(w);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		struct order *o = order_entry(entries[i].kind, entries[i].json);
		assert_int_equal(push_and_wait(w, o), 0);
		order_free(o);
	}
	struct order *batch = order_batch(1, 1);
	assert_int_equal(push_and_wait(w, batch), 0);
	order_free(batch);
	EVENTUALLY(state_of(w).n_fired == 1); /* the fake engine's timer: by itself, without another entry */
	writer_stop(w);
	writer_listen(w, NULL, NULL);
	assert_true(h.rising);
	assert_int_equal(h.n[CHANGE_SERVICE], 1);
	assert_int_equal(h.n[CHANGE_AGENT], 1);
	assert_int_equal(h.n[CHANGE_DEPLOY], 2);
	assert_string_equal(h.service[CHANGE_DEPLOY], "shop"); /* which the patch does not say */
	assert_int_equal(h.n[CHANGE_PURGE], 1);
	assert_int_equal(h.n[CHANGE_CELL], 2); /* one went silent, one came to another version */
	assert_string_equal(h.text[CHANGE_DEPLOY], "{\"id\":\"d1\",\"service\":\"shop\"}");
	assert_non_null(strstr(h.text[CHANGE_AGENT], "\"name\":\"fra-1\""));
	assert_non_null(strstr(h.text[CHANGE_CELL], "\"edge\":\"self:fra\""));
	assert_int_equal(stored(f, "transitions"), 1); /* the other is none */
	writer_close(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		DISK(test_a_lone_batch_does_not_wait_for_others),
		DISK(test_many_share_a_commit_and_keep_their_order),
		DISK(test_duplicates_and_conflicts_in_one_group),
		DISK(test_the_queue_is_bounded_and_what_is_owed_is_taken),
		DISK(test_a_large_queue_is_bounded_by_its_bytes_too),
		DISK(test_a_large_queue_counts_what_was_unsealed),
		DISK(test_an_entry_is_checked_against_all_before_it),
		DISK(test_received_at_never_falls),
		DISK(test_changes_are_told_after_the_fold_in_order),
	};
	writer_fixture_begin("test_writer");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
