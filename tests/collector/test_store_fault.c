/* What the store promises when the system does not keep its own: a group is whole or absent, nothing
 * acknowledged is lost, and it goes on when the system does. Every call that can fail gets its turn. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "faulty_vfs.h"
#include "store_fixture.h"

#define TURNS_MAX 5000

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fault_after(0, 0);
	disk_left(-1);
	fixture_end(*state);
	free(*state);
	return 0;
}

static void fresh(struct fixture *f)
{
	fixture_end(f);
	fixture_start(f);
}

/* A group as the writer makes it: numbers first .. first + 2, and one of each that is derived. */
static int write_group(struct store *st, uint64_t first, struct err *err)
{
	struct transition t = { .key = { (int64_t)first, 0 },
		.at_us = T0,
		.service = STR("shop"),
		.endpoint = STR("v"),
		.edge = STR("self:fra"),
		.version = STR("v1"),
		.expected = STR("v2") };
	struct deploy_change c = { .key = t.key, .at_us = T0, .id = STR("d1"), .service = STR("shop") };
	static const char snapshot[20000] = "large enough to take several pages";
	bool duplicate;
	int rc = store_begin(st, err);
	if (rc == 0)
		rc = store_put_snapshot(
			st, store_last_position(st), T0, (struct str){ snapshot, sizeof(snapshot) }, err);
	for (uint64_t i = 0; i < 3 && rc == 0; i++) {
		struct entry e = entry_batch(i == 2 ? "new agent" : "a1", first + i, "");
		rc = store_append(st, &e, &duplicate, err);
	}
	if (rc == 0)
		rc = store_put_transition(st, &t, err);
	if (rc == 0)
		rc = store_put_verdict(st, &c, err);
	if (rc == 0)
		rc = store_mark_alive(st, T0 + (int64_t)first, err);
	if (rc == 0)
		rc = store_commit(st, err);
	return rc;
}

static void group_ok(struct store *st, uint64_t first)
{
	struct err err = { 0 };
	if (write_group(st, first, &err) < 0)
		fail_msg("the group of %" PRIu64 " does not go in: %s", first, err.text);
}

/* Groups are whole: three entries each with everything that came with them. Returns how many. */
static int64_t whole_groups(struct store *st)
{
	int64_t entries = store_count(st, "entries"), n = store_count(st, "transitions");
	assert_int_equal(entries, 3 * n);
	assert_int_equal(store_count(st, "verdicts"), n);
	assert_int_equal(store_last_position(st), entries);
	assert_true(store_alive_at_us(st) == (n ? T0 + 1 + 10 * (n - 1) : TIME_NONE));
	return n;
}

static void a_group_is_whole_or_absent_whatever_call_fails(void **state)
{
	struct fixture *f = *state;
	static const unsigned kinds[] = { FAULT_WRITE, FAULT_SYNC,
		FAULT_READ | FAULT_OPEN | FAULT_TRUNCATE | FAULT_SHM };
	int turns = 0;
	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		for (int k = 1;; k++) {
			struct err err = { 0 };
			assert_true(k < TURNS_MAX);
			fresh(f);
			fixture_open(f);
			group_ok(f->st, 1);
			fixture_close(f);
			fixture_open(f); /* a cold cache: there is something to read */
			fault_after(k, kinds[kind]);
			int rc = write_group(f->st, 11, &err);
			bool done = !fault_fired();
			fault_after(0, 0);
			if (done) {
				assert_int_equal(rc, 0);
				break;
			}
			turns++;
			if (rc < 0) {
				assert_int_equal(rc, ERR_IO);
				assert_int_equal(whole_groups(f->st), 1); /* gone, for this connection */
			}
			assert_int_equal(store_must_close(f->st), rc < 0 && kinds[kind] == FAULT_SYNC);
			if (store_must_close(f->st)) {
				assert_int_equal(store_begin(f->st, &err), ERR_IO);
				assert_string_equal(strchr(err.text, ':'),
					": an fsync failed; nothing more is written until it is opened anew");
			} else if (rc < 0) {
				group_ok(f->st, 11); /* the system is well again: the same group goes in */
			}
			bool in_doubt = rc < 0 && kinds[kind] == FAULT_SYNC;
			fixture_close(f);
			fixture_open(f);
			int64_t n = whole_groups(f->st);
			/* what was acknowledged is there; after a failed fsync nobody was told, so either
			 * will do */
			assert_true(n == 2 || (in_doubt && n == 1));
			group_ok(f->st, n == 2 ? 21 : 11);
		}
	}
	assert_true(turns > 20); /* or the faults are not where we think */
}

static void opening_may_fail_anywhere_and_be_tried_again(void **state)
{
	struct fixture *f = *state;
	int turns = 0;
	for (int k = 1;; k++) {
		struct err err = { 0 };
		assert_true(k < TURNS_MAX);
		fresh(f);
		fault_after(k, FAULT_ANY);
		int rc = store_open(f->path, STORE_WRITE, &f->st, &err);
		bool done = !fault_fired();
		fault_after(0, 0);
		if (rc < 0) {
			assert_null(f->st);
			assert_true(err.text[0] != '\0' && rc != ERR_CORRUPT);
			fixture_open(f);
		}
		if (!store_must_close(f->st))
			group_ok(f->st, 1);
		if (done)
			break;
		turns++;
	}
	assert_true(turns > 20);
}

static void pruning_may_fail_anywhere_and_loses_no_identity(void **state)
{
	struct fixture *f = *state;
	static const struct store_retention keep = { US_PER_H, US_PER_H, US_PER_H };
	int turns = 0;
	for (int k = 1;; k++) {
		struct err err = { 0 };
		bool more, duplicate;
		assert_true(k < TURNS_MAX);
		fresh(f);
		fixture_open(f);
		for (uint64_t i = 1; i <= 20; i++)
			put_batch(f->st, i, T0);
		put_snapshot(f->st, 18, "");
		put_snapshot(f->st, 20, "");
		fixture_close(f);
		fixture_open(f);
		fault_after(k, FAULT_ANY);
		int rc = store_prune(f->st, &keep, T0 + US_PER_DAY, &more, &err);
		bool done = !fault_fired();
		fault_after(0, 0);
		fixture_close(f);
		fixture_open(f);
		int64_t left = store_count(f->st, "batches");
		assert_true(left == 20 || left == 2);
		if (rc == 0)
			assert_int_equal(left, 2);
		assert_int_equal(store_begin(f->st, &err), 0);
		for (uint64_t i = 1; i <= 20; i++) {
			struct entry e = entry_batch("a1", i, "");
			duplicate = false;
			assert_int_equal(store_append(f->st, &e, &duplicate, &err), 0);
			assert_true(duplicate);
		}
		store_rollback(f->st);
		if (done)
			break;
		turns++;
	}
	assert_true(turns > 10);
}

static void reading_may_fail_anywhere_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	fixture_open(f);
	for (uint64_t g = 0; g < 30; g++)
		group_ok(f->st, 1 + 10 * g);
	fixture_close(f);
	int turns = 0;
	for (int k = 1;; k++) {
		struct store *r = NULL;
		struct buf bytes;
		int64_t position;
		assert_true(k < TURNS_MAX);
		buf_init(&bytes, 100000);
		fault_after(k, FAULT_ANY);
		int rc = store_open(f->path, STORE_READ, &r, &err);
		if (rc == 0)
			rc = store_snapshot(r, &bytes, &position, &err);
		bool done = !fault_fired();
		fault_after(0, 0);
		assert_true(rc == 0 || rc == ERR_IO);
		assert_true(rc < 0 || (bytes.n == 20000 && position == 87));
		store_close(r);
		buf_fini(&bytes);
		if (done) {
			assert_int_equal(rc, 0);
			break;
		}
		turns++;
	}
	assert_true(turns > 5);
}

static void a_full_disk_refuses_whole_groups_and_goes_on_with_space(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	int full = 0, fitted = 0;
	for (int64_t left = 0; left <= 160 * 1024; left += 4096 + 512) {
		fresh(f);
		fixture_open(f);
		group_ok(f->st, 1);
		disk_left(left);
		int rc = write_group(f->st, 11, &err);
		if (rc < 0) {
			assert_int_equal(rc, ERR_FULL);
			assert_non_null(strstr(err.text, "no space left for '"));
			assert_false(store_must_close(f->st));
			assert_int_equal(write_group(f->st, 11, &err), ERR_FULL); /* still */
			assert_int_equal(whole_groups(f->st), 1);
			full++;
		} else {
			fitted++;
		}
		disk_left(-1);
		if (rc < 0)
			group_ok(f->st, 11);
		fixture_close(f);
		fixture_open(f);
		assert_int_equal(whole_groups(f->st), 2);
	}
	assert_true(full > 3 && fitted > 3);
}

/* The WAL is moved into the database right after a commit. Should that fail, the commit stands all the same.
 */
static void a_failing_checkpoint_takes_no_commit_back(void **state)
{
	struct fixture *f = *state;
	int64_t seen_failing = 0;
	for (int k = 1; k <= 40; k++) {
		struct err err = { 0 };
		uint64_t committed = 0;
		fresh(f);
		fixture_open(f);
		for (uint64_t g = 0; g < 30; g++) { /* too few for it to happen by itself */
			group_ok(f->st, 1 + 10 * g);
			committed++;
		}
		fault_after(k, FAULT_WRITE | FAULT_SYNC);
		int rc = store_checkpoint(f->st, &err);
		bool done = !fault_fired();
		fault_after(0, 0);
		seen_failing += rc < 0;
		if (rc < 0)
			assert_int_equal(rc, ERR_IO);
		fixture_close(f);
		fixture_open(f);
		assert_int_equal(whole_groups(f->st), committed);
		if (done)
			break;
	}
	assert_true(seen_failing > 3);
}

/* The same by itself, after the commit that made the WAL long: the commit says yes, and nothing is begun
 * after it. */
static void a_failing_fsync_behind_a_commit_is_told_at_the_next(void **state)
{
	struct fixture *f = *state;
	static const char large[5 << 20];
	int behind = 0;
	for (int k = 1;; k++) {
		struct err err = { 0 };
		bool duplicate;
		struct entry e = entry_event(ENTRY_MESH, "shop", "");
		assert_true(k < TURNS_MAX);
		fresh(f);
		fixture_open(f);
		assert_int_equal(store_begin(f->st, &err), 0);
		e.bytes = (struct str){ large, sizeof(large) };
		assert_int_equal(store_append(f->st, &e, &duplicate, &err), 0);
		fault_after(k, FAULT_SYNC);
		int rc = store_commit(f->st, &err);
		bool done = !fault_fired();
		fault_after(0, 0);
		if (done)
			break;
		assert_true(store_must_close(f->st));
		assert_int_equal(store_begin(f->st, &err), ERR_IO);
		behind += rc == 0;
		fixture_close(f);
		fixture_open(f);
		if (rc == 0)
			assert_int_equal(store_count(f->st, "entries"), 1);
	}
	assert_true(behind > 0);
}

/* -- kill -9 -- */

/* Writes groups for ever; tells the pipe the number of each that is committed. */
static void write_until_killed(const char *path, int pipe_fd)
{
	struct store *st = NULL;
	struct err err = { 0 };
	if (store_open(path, STORE_WRITE, &st, &err) < 0)
		_exit(3);
	for (uint64_t g = (uint64_t)store_count(st, "transitions");; g++) {
		if (write_group(st, 1 + 10 * g, &err) < 0)
			_exit(4);
		if (write(pipe_fd, &g, sizeof(g)) != sizeof(g))
			_exit(5);
	}
}

static void kill_9_loses_nothing_that_was_acknowledged(void **state)
{
	struct fixture *f = *state;
	int64_t acked = 0;
	for (int round = 0; round < 15; round++) {
		int fds[2];
		uint64_t g = 0;
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		pid_t child = fork();
		if (child == 0) {
			close(fds[0]);
			write_until_killed(f->path, fds[1]);
		}
		close(fds[1]);
		/* killed at once behind some acknowledgement, that is in the middle of the next group */
		for (int n = 0; n < 1 + round * 3; n++) {
			assert_int_equal(read(fds[0], &g, sizeof(g)), sizeof(g));
			acked = (int64_t)g + 1;
		}
		assert_int_equal(kill(child, SIGKILL), 0);
		while (read(fds[0], &g, sizeof(g)) == sizeof(g))
			acked = (int64_t)g + 1;
		close(fds[0]);
		int status = 0;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		fixture_open(f); /* the lock went with its holder */
		int64_t n = whole_groups(f->st);
		if (n < acked)
			fail_msg("round %d: %" PRId64 " groups acknowledged, %" PRId64 " there", round, acked,
				n);
		/* what an agent would send again is known */
		bool duplicate = false;
		struct err err = { 0 };
		struct entry e = entry_batch("a1", 1 + 10 * (uint64_t)(acked - 1), "");
		assert_int_equal(store_begin(f->st, &err), 0);
		assert_int_equal(store_append(f->st, &e, &duplicate, &err), 0);
		assert_true(duplicate);
		fixture_close(f);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_group_is_whole_or_absent_whatever_call_fails),
		TEST(opening_may_fail_anywhere_and_be_tried_again),
		TEST(pruning_may_fail_anywhere_and_loses_no_identity),
		TEST(reading_may_fail_anywhere_and_says_so),
		TEST(a_full_disk_refuses_whole_groups_and_goes_on_with_space),
		TEST(a_failing_checkpoint_takes_no_commit_back),
		TEST(a_failing_fsync_behind_a_commit_is_told_at_the_next),
		TEST(kill_9_loses_nothing_that_was_acknowledged),
	};
	faulty_vfs_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
