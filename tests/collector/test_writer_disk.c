/* The writer when the disk will not: full, gone, failing. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "writer_fixture.h"

static void test_a_full_disk_refuses_and_comes_back_by_itself(void **state)
{
	struct fixture *f = *state;
	struct writer_options quick = { .retry_us = 20 * US_PER_MS, .outage_us = 1 };
	struct writer *w = writer_up(f, &quick);
	struct err err = { 0 };
	writer_start(w);
	struct order *before = order_batch(1, 1);
	assert_int_equal(push_and_wait(w, before), 0);
	disk_left(0);
	struct order *lost = order_batch(2, 2), *owed = order_entry(ENTRY_SERVICE, "{\"service\":\"shop\"}");
	owed->work.owed = true;
	push(w, owed);
	EVENTUALLY(writer_health(w, &err) < 0);
	assert_int_equal(err.code, ERR_FULL);
	assert_non_null(strstr(err.text, "no space left"));
	assert_int_equal(writer_push(w, &lost->work, &err), ERR_FULL);
	assert_false(atomic_load(&owed->done)); /* kept, while what somebody else can send again is refused */
	int64_t now_us = state_of(w).now_us;
	pause_ms(100); /* time itself stands still: not a wait for something to happen, but that it does not
			*/
	assert_int_equal(state_of(w).now_us, now_us);
	disk_left(-1);
	EVENTUALLY(writer_health(w, &err) == 0);
	EVENTUALLY(atomic_load(&owed->done));
	assert_int_equal(owed->rc, 0);
	assert_int_equal(push_and_wait(w, lost), 0);
	struct fake_state s = state_of(w);
	assert_int_equal(s.n_batches, 2);
	assert_int_equal(s.n_collector, 2); /* the start, and that the time in between counts for nobody */
	assert_true(s.down_since_us <= now_us + US_PER_S && s.down_since_us >= before->received_at_us);
	struct hub_stats stats;
	writer_stats(w, &stats);
	assert_true(stats.commit_errors >= 1);
	order_free(before);
	order_free(lost);
	order_free(owed);
	writer_close(w);
}

static void test_a_batch_under_way_when_the_disk_fills_is_refused(void **state)
{
	struct fixture *f = *state;
	struct writer_options quick = { .retry_us = 20 * US_PER_MS };
	struct writer *w = writer_up(f, &quick);
	writer_start(w);
	struct order *o = order_batch(1, 1);
	EVENTUALLY(({
		struct hub_stats s;
		writer_stats(w, &s);
		s.commits > 0;
	}));
	disk_left(0);
	struct err err;
	if (writer_push(w, &o->work, &err) == 0) {
		EVENTUALLY(atomic_load(&o->done));
		assert_int_equal(o->rc, ERR_FULL);
	}
	disk_left(-1);
	EVENTUALLY(writer_health(w, &err) == 0);
	assert_int_equal(stored(f, "batches"), 0);
	atomic_store(&o->done, false);
	assert_int_equal(push_and_wait(w, o), 0);
	assert_int_equal(stored(f, "batches"), 1);
	order_free(o);
	writer_close(w);
}

static void test_a_database_moved_away_takes_nothing_until_it_is_back(void **state)
{
	struct fixture *f = *state;
	struct writer_options quick = { .retry_us = 20 * US_PER_MS };
	struct writer *w = writer_up(f, &quick);
	struct order *kept = order_batch(1, 1), *lost = order_batch(2, 2);
	struct err err = { 0 };
	char aside[sizeof(f->path) + 8];
	(void)snprintf(aside, sizeof(aside), "%s.aside", f->path);
	writer_start(w);
	assert_int_equal(push_and_wait(w, kept), 0);
	assert_int_equal(rename(f->path, aside), 0);
	assert_int_equal(push_and_wait(w, lost), ERR_IO);
	assert_non_null(strstr(lost->err.text, "moved, deleted or replaced; put it back, or restart"));
	assert_int_equal(writer_health(w, &err), ERR_IO);
	assert_string_equal(err.text, lost->err.text);
	assert_int_equal(state_of(w).n_batches, 1);
	assert_int_equal(rename(aside, f->path), 0);
	EVENTUALLY(writer_health(w, &err) == 0); /* by itself */
	atomic_store(&lost->done, false);
	assert_int_equal(push_and_wait(w, lost), 0);
	assert_int_equal(stored(f, "batches"), 2);
	order_free(kept);
	order_free(lost);
	writer_close(w);
}

static void test_a_failing_fsync_ends_the_process(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork();
	if (pid == 0) {
		log_init("child", LOG_ERROR, LOG_TEXT);
		struct writer *w = writer_up(f, NULL);
		struct hub_stats s = { 0 };
		struct order *o = order_batch(1, 1);
		writer_start(w);
		while (s.commits == 0)
			writer_stats(w, &s);
		fault_after(1, FAULT_SYNC);
		push(w, o);
		for (int64_t until_us = clock_boot_us() + 20 * US_PER_S; clock_boot_us() < until_us;)
			pause_ms(1);
		_exit(atomic_load(&o->done) ? 1 : 2);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 74);
	struct writer *w = writer_up(f, NULL); /* and the next one starts */
	writer_start(w);
	struct order *o = order_batch(1, 1);
	(void)push_and_wait(w, o); /* stored then or now; either is right */
	assert_int_equal(stored(f, "batches"), 1);
	order_free(o);
	writer_close(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		DISK(test_a_failing_fsync_ends_the_process),
		DISK(test_a_full_disk_refuses_and_comes_back_by_itself),
		DISK(test_a_database_moved_away_takes_nothing_until_it_is_back),
		DISK(test_a_batch_under_way_when_the_disk_fills_is_refused),
	};
	writer_fixture_begin("test_writer_disk");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
