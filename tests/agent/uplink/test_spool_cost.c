/* What a batch costs does not depend on how many wait: an agent whose collector was away for an hour works as
 * one that never missed it. Steps are counted, not timed, wherever they can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "agent/spool_db.h"
#include "agent/spool_queue.h"
#include "base/clock.h"
#include "proto/limits.h"
#include "temp_dir.h"

static int64_t cpu_us(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static struct spool_batch batch_at(int64_t position)
{
	return (struct spool_batch){ .position = position,
		.epoch = 1,
		.number = (uint64_t)position,
		.raw_size = 200,
		.n_results = 10,
		.boot_id = clock_boot_id(),
		.sealed_boot_us = clock_boot_us(),
		.sealed_wall_us = clock_wall_us(),
		.body = STR("sealed bytes of a batch as small as one of a quiet service") };
}

/* ---- the file ---- */

static void test_no_statement_scans_the_batches(void **state)
{
	const char *dir = temp_dir_new();
	char path[4096];
	struct spool_db *db;
	sqlite3 *sql;
	size_t n_searches = 0;
	(void)state;
	assert_int_equal(spool_db_open(dir, &db, NULL), 0);
	spool_db_close(db);
	snprintf(path, sizeof(path), "%s/spool.db", dir);
	assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
	for (size_t i = 0; spool_db_test_sql(i); i++) {
		char text[2048];
		sqlite3_stmt *st;
		const char *asked = spool_db_test_sql(i);
		snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", asked);
		if (strstr(asked, "count(*)")) /* once, when the file is opened */
			continue;
		assert_int_equal(sqlite3_prepare_v2(sql, text, -1, &st, NULL), SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW) {
			const char *step = (const char *)sqlite3_column_text(st, 3);
			if (strstr(step, "SCAN batches") || strstr(step, "B-TREE"))
				fail_msg("%s: %s", asked, step);
			n_searches += strstr(step, "SEARCH batches") != NULL;
		}
		sqlite3_finalize(st);
	}
	assert_true(n_searches >= 4); /* delete, oldest, newer, older */
	sqlite3_close(sql);
	temp_dir_remove(dir);
}

/* A group of one batch in and one out, and what the uplink asks for meanwhile: in SQLite's steps. */
static int64_t steps_of_a_group(struct spool_db *db, int64_t position, const struct spool_limits *limits)
{
	struct spool_batch b = batch_at(position), got;
	struct spool_lost none = { 0 };
	struct buf body;
	buf_init(&body, BATCH_PACKED_MAX);
	(void)spool_db_test_steps(db);
	assert_int_equal(spool_db_begin(db, NULL), 0);
	assert_int_equal(spool_db_insert(db, &b, NULL), 0);
	assert_int_equal(spool_db_lose(db, &none, NULL), 0);
	assert_int_equal(spool_db_trim(db, limits, NULL), 0);
	assert_int_equal(spool_db_commit(db, NULL), 0);
	assert_int_equal(spool_db_next(db, SPOOL_NEWER, position - 1, &got, &body, NULL), 0);
	assert_int_equal(spool_db_next(db, SPOOL_OLDER, position, &got, &body, NULL), 0);
	assert_int_equal(spool_db_next(db, SPOOL_OLDER, position / 2 + 1, &got, &body, NULL), 0);
	assert_int_equal(spool_db_begin(db, NULL), 0);
	assert_int_equal(spool_db_delete(db, position, NULL), 0);
	assert_int_equal(spool_db_trim(db, limits, NULL), 0);
	assert_int_equal(spool_db_commit(db, NULL), 0);
	buf_fini(&body);
	return spool_db_test_steps(db);
}

static void test_the_file_takes_the_same_steps_however_many_wait(void **state)
{
	static const int64_t pending[] = { 10, 5000, 50000 };
	static const struct spool_limits roomy = { .max_bytes = 256 << 20, .max_age_us = US_PER_H };
	const char *dir = temp_dir_new();
	struct spool_db *db;
	int64_t position = 0, first = 0;
	(void)state;
	assert_int_equal(spool_db_open(dir, &db, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(pending); i++) {
		assert_int_equal(spool_db_begin(db, NULL), 0);
		while (position < pending[i]) {
			struct spool_batch b = batch_at(++position);
			assert_int_equal(spool_db_insert(db, &b, NULL), 0);
		}
		assert_int_equal(spool_db_commit(db, NULL), 0);
		int64_t steps = steps_of_a_group(db, position + 1, &roomy);
		print_message("%" PRId64 " pending: %" PRId64 " steps\n", position, steps);
		if (i == 0)
			first = steps;
		assert_int_equal(steps, first);
	}
	spool_db_close(db);
	temp_dir_remove(dir);
}

/* ---- memory ---- */

/* Against an array that is walked: everything that can be asked, at random. */
static void test_the_queue_is_what_a_plain_list_would_be(void **state)
{
	static bool there[4000];
	struct spool_queue q = { 0 };
	int64_t first = 2000, end = 2000; /* positions used so far: [first, end) */
	uint64_t x = 88172645463325252u;
	size_t n = 0;
	(void)state;
	for (int i = 0; i < 30000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		int64_t at = first + (int64_t)((x >> 8) % (uint64_t)(end - first + 2)) - 1;
		struct queued *e = NULL;
		if (x % 8 < 3 && end < 4000) {
			struct spool_batch b = batch_at(end);
			spool_queue_push(&q, queued_new(&b));
			there[end++] = true, n++;
		} else if (x % 8 == 3 && n > 0 && first > 0) {
			struct spool_batch b = batch_at(--first);
			spool_queue_push(&q, queued_new(&b));
			there[first] = true, n++;
		} else if (x % 8 == 4) {
			e = spool_queue_pop(&q);
			int64_t oldest = first;
			while (oldest < end && !there[oldest])
				oldest++;
			assert_true((e == NULL) == (oldest == end));
			if (e)
				assert_int_equal(e->b.position, oldest);
		} else if (x % 8 == 5) {
			e = spool_queue_take(&q, at);
			assert_true((e != NULL) == (at >= first && at < end && there[at]));
		} else {
			int64_t newer = MIN(MAX(at + 1, first), end), older = MAX(MIN(at, end), first) - 1;
			while (newer < end && !there[newer])
				newer++;
			while (older >= first && !there[older])
				older--;
			const struct queued *up = spool_queue_next(&q, SPOOL_NEWER, at),
					    *down = spool_queue_next(&q, SPOOL_OLDER, at);
			assert_int_equal(up ? up->b.position : end, newer);
			assert_int_equal(down ? down->b.position : first - 1, older);
		}
		if (e)
			there[e->b.position] = false, n--;
		free(e);
		assert_int_equal(q.n, n);
		assert_true((q.bytes == 0) == (n == 0));
	}
	spool_queue_fini(&q);
	assert_null(spool_queue_pop(&q));
}

static void test_what_was_acknowledged_is_known_once_and_in_order(void **state)
{
	struct spool_drops d = { 0 };
	(void)state;
	assert_false(spool_drops_has(&d, 1));
	for (int64_t p = 1; p <= 1000; p++)
		assert_true(spool_drops_add(&d, p * 64)); /* what a bad hash would throw together */
	for (int64_t p = 1; p <= 1000; p++)
		assert_false(spool_drops_add(&d, p * 64));
	spool_drops_forget(&d, 400);
	assert_int_equal(d.n, 600);
	for (int64_t p = 1; p <= 1000; p++) {
		assert_int_equal(spool_drops_has(&d, p * 64), p > 400);
		assert_false(spool_drops_has(&d, p * 64 + 1));
		if (p > 400)
			assert_int_equal(d.at[p - 401], p * 64);
	}
	spool_drops_forget(&d, 600);
	assert_false(spool_drops_has(&d, 64000));
	spool_drops_fini(&d);
}

/* Walked, each of these would be some thousand million steps: tens of seconds. */
static void test_memory_does_not_get_slower_with_what_is_in_it(void **state)
{
	enum { N = 60000 };
	struct spool_drops d = { 0 };
	struct spool_queue q = { 0 };
	(void)state;
	int64_t before_us = cpu_us();
	for (int64_t p = 1; p <= N; p++)
		assert_true(spool_drops_add(&d, p));
	for (int64_t p = 1; p <= N; p++)
		assert_true(spool_drops_has(&d, p) && !spool_drops_has(&d, N + p));
	int64_t drops_us = cpu_us() - before_us;

	before_us = cpu_us();
	for (int64_t p = 1; p <= N; p++) {
		struct spool_batch b = batch_at(p);
		spool_queue_push(&q, queued_new(&b));
	}
	int64_t at = INT64_MAX;
	for (int i = 0; i < N; i++) { /* newest first, each acknowledged when the next is on its way */
		struct queued *e = spool_queue_next(&q, SPOOL_OLDER, at);
		assert_non_null(e);
		if (i > 0)
			free(spool_queue_take(&q, at));
		at = e->b.position;
	}
	int64_t queue_us = cpu_us() - before_us;
	print_message("%d of each: drops %" PRId64 " us, queue %" PRId64 " us\n", N, drops_us, queue_us);
	assert_true(drops_us < 3 * US_PER_S && queue_us < 3 * US_PER_S);
	spool_queue_fini(&q);
	spool_drops_fini(&d);
}

/* ---- all of it ---- */

/* CPU of 500 batches put, looked up, told about and acknowledged, while so many others wait. */
static int64_t cpu_of_500(struct spool *sp, int64_t *at)
{
	struct spool_batch b, in = batch_at(0);
	struct spool_stats s;
	struct buf body;
	buf_init(&body, BATCH_PACKED_MAX);
	int64_t before_us = cpu_us();
	for (int i = 0; i < 500; i++)
		assert_int_equal(spool_put(sp, &in, NULL), 0);
	assert_int_equal(spool_flush(sp, 30 * US_PER_S, NULL), 0);
	for (int i = 0; i < 500; i++) {
		assert_int_equal(spool_next(sp, SPOOL_NEWER, *at, &b, &body, NULL), 0);
		*at = b.position;
		spool_stats(sp, &s);
		spool_drop(sp, b.position);
	}
	buf_fini(&body);
	return cpu_us() - before_us;
}

static void test_a_batch_costs_the_same_however_many_wait(void **state)
{
	static const uint64_t pending[] = { 0, 5000, 50000 };
	static const struct spool_limits roomy = { .max_bytes = 256 << 20, .max_age_us = US_PER_H };
	const char *dir = temp_dir_new();
	struct spool *sp;
	struct spool_stats s;
	int64_t first_us = 0;
	(void)state;
	assert_int_equal(spool_open(dir, &roomy, &sp, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(pending); i++) {
		struct spool_batch in = batch_at(0);
		for (spool_stats(sp, &s); s.batches < pending[i]; spool_stats(sp, &s)) {
			for (uint64_t k = s.batches; k < pending[i]; k++)
				assert_int_equal(spool_put(sp, &in, NULL), 0);
			assert_int_equal(spool_flush(sp, 60 * US_PER_S, NULL), 0);
		}
		int64_t at = spool_end(sp) - 1, us = cpu_of_500(sp, &at);
		print_message("%" PRIu64 " pending: %.1f us of CPU a batch\n", pending[i], (double)us / 500);
		WAIT_FOR("what was acknowledged is deleted", (spool_stats(sp, &s), s.batches == pending[i]));
		assert_int_equal(s.lost_results, 0);
		if (i == 0)
			first_us = us;
		assert_true(us < 5 * first_us + US_PER_S); /* walking 50000 would be hundreds of times it */
	}
	spool_close(sp);
	temp_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_statement_scans_the_batches),
		cmocka_unit_test(test_the_file_takes_the_same_steps_however_many_wait),
		cmocka_unit_test(test_the_queue_is_what_a_plain_list_would_be),
		cmocka_unit_test(test_what_was_acknowledged_is_known_once_and_in_order),
		cmocka_unit_test(test_memory_does_not_get_slower_with_what_is_in_it),
		cmocka_unit_test(test_a_batch_costs_the_same_however_many_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
