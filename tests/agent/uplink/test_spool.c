/* What the spool has shown survives kill -9; what it had to lose is counted; a disk that refuses does not
 * stop the agent. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/spool.h"
#include "base/clock.h"
#include "proto/limits.h"
#include "temp_dir.h"

#define EPOCH UINT64_C(0xfedcba9876543210)
static const struct spool_limits roomy = { .max_bytes = 256 << 20, .max_age_us = 72 * US_PER_H };

static int setup(void **state)
{
	*state = (void *)(uintptr_t)temp_dir_new();
	return 0;
}

static int teardown(void **state)
{
	temp_dir_remove(*state);
	return 0;
}

static struct spool *open_ok(const char *dir, const struct spool_limits *limits)
{
	struct spool *sp;
	struct err err;
	if (spool_open(dir, limits, &sp, &err) < 0)
		fail_msg("does not open: %s", err.text);
	return sp;
}

/* The body of batch `number`: n bytes that no other batch has. */
static void body_of(uint64_t number, size_t n, struct buf *out)
{
	buf_clear(out);
	buf_addf(out, "batch %" PRIu64 ":", number);
	for (uint64_t x = number * 2654435761u; out->n < n;
		x = x * 6364136223846793005u + 1442695040888963407u)
		buf_add_char(out, (char)(x >> 56));
}

static void put(struct spool *sp, uint64_t number, size_t n)
{
	struct buf body;
	struct err err;
	buf_init(&body, BATCH_PACKED_MAX);
	body_of(number, n, &body);
	struct spool_batch b = { .epoch = EPOCH,
		.number = number,
		.raw_size = (uint32_t)n + 1,
		.n_results = 10,
		.boot_id = clock_boot_id(),
		.sealed_boot_us = clock_boot_us(),
		.sealed_wall_us = (int64_t)number * US_PER_S,
		.body = buf_str(&body) };
	assert_int_equal(spool_put(sp, &b, &err), 0);
	buf_fini(&body);
}

static void flush_ok(struct spool *sp)
{
	struct err err;
	if (spool_flush(sp, 20 * US_PER_S, &err) < 0)
		fail_msg("does not flush: %s", err.text);
}

/* Reads all from one end to the other; numbers[] gets what was there. */
static size_t read_all(struct spool *sp, enum spool_way way, uint64_t *numbers, size_t room)
{
	struct spool_batch b;
	struct buf body, want;
	struct err err;
	size_t n = 0;
	int64_t at = way == SPOOL_NEWER ? 0 : spool_end(sp);
	buf_init(&body, BATCH_PACKED_MAX);
	buf_init(&want, BATCH_PACKED_MAX);
	int rc;
	while ((rc = spool_next(sp, way, at, &b, &body, &err)) == 0) {
		assert_true(way == SPOOL_NEWER ? b.position > at : b.position < at);
		at = b.position;
		body_of(b.number, b.body.n, &want);
		assert_true(str_eq(b.body, buf_str(&want)));
		assert_true(b.epoch == EPOCH && b.n_results == 10 && b.raw_size == b.body.n + 1);
		assert_true(b.boot_id == clock_boot_id() && b.sealed_wall_us == (int64_t)b.number * US_PER_S);
		assert_true(n < room);
		numbers[n++] = b.number;
	}
	assert_int_equal(rc, ERR_NOT_FOUND);
	buf_fini(&body);
	buf_fini(&want);
	return n;
}

static void test_what_goes_in_comes_out_both_ways(void **state)
{
	static const size_t sizes[] = { 20, 100, 5000, 100000, BATCH_PACKED_MAX };
	struct spool *sp = open_ok(*state, &roomy);
	uint64_t numbers[8];
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 8), 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		put(sp, i + 1, sizes[i]);
	flush_ok(sp);
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 8), 5);
	assert_true(numbers[0] == 1 && numbers[4] == 5);
	assert_int_equal(read_all(sp, SPOOL_OLDER, numbers, 8), 5);
	assert_true(numbers[0] == 5 && numbers[4] == 1);
	struct spool_stats s;
	spool_stats(sp, &s);
	assert_true(s.batches == 5 && s.bytes > 1000000 && s.lost_results == 0 && !s.disk_failing);
	spool_close(sp);
}

static void test_too_big_is_refused(void **state)
{
	struct spool *sp = open_ok(*state, &roomy);
	struct err err;
	char *big = mem_new(BATCH_PACKED_MAX + 1);
	struct spool_batch b = { .epoch = EPOCH, .number = 1, .body = { big, BATCH_PACKED_MAX + 1 } };
	assert_int_equal(spool_put(sp, &b, &err), ERR_TOO_BIG);
	free(big);
	spool_close(sp);
}

static int64_t position_of(struct spool *sp, uint64_t number)
{
	struct spool_batch b = { 0 };
	struct buf body;
	buf_init(&body, BATCH_PACKED_MAX);
	for (int64_t at = 0; spool_next(sp, SPOOL_NEWER, at, &b, &body, NULL) == 0; at = b.position)
		if (b.number == number)
			break;
	buf_fini(&body);
	assert_true(b.number == number);
	return b.position;
}

static void test_acknowledged_is_gone_after_a_restart(void **state)
{
	uint64_t numbers[8];
	struct spool *sp = open_ok(*state, &roomy);
	for (uint64_t i = 1; i <= 4; i++)
		put(sp, i, 200);
	flush_ok(sp);
	spool_drop(sp, position_of(sp, 2));
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 8), 3); /* at once, though not yet deleted */
	spool_close(sp);
	sp = open_ok(*state, &roomy);
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 8), 3);
	assert_true(numbers[0] == 1 && numbers[1] == 3 && numbers[2] == 4);
	put(sp, 5, 200);
	flush_ok(sp);
	assert_int_equal(read_all(sp, SPOOL_OLDER, numbers, 8), 4);
	assert_true(numbers[0] == 5); /* positions go on rising */
	spool_close(sp);
}

static void test_close_writes_what_is_queued(void **state)
{
	uint64_t numbers[64];
	struct spool *sp = open_ok(*state, &roomy);
	for (uint64_t i = 1; i <= 50; i++)
		put(sp, i, 100);
	spool_close(sp);
	sp = open_ok(*state, &roomy);
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 64), 50);
	spool_close(sp);
}

static void test_over_its_size_the_oldest_go_and_are_counted(void **state)
{
	struct spool_limits tight = { .max_bytes = 100 * 1024, .max_age_us = US_PER_H };
	uint64_t numbers[64];
	struct spool_stats s;
	struct spool *sp = open_ok(*state, &tight);
	for (uint64_t i = 1; i <= 30; i++)
		put(sp, i, 10 * 1024);
	flush_ok(sp);
	size_t n = read_all(sp, SPOOL_NEWER, numbers, 64);
	assert_int_equal(n, 9); /* 9 times 10 KiB and its bookkeeping; a tenth does not fit */
	assert_true(numbers[0] == 22 && numbers[8] == 30);
	spool_stats(sp, &s);
	assert_true(s.batches == 9 && s.bytes <= 100 * 1024);
	assert_int_equal(s.lost_results, 21 * 10);
	assert_true(s.lost_from_us == 1 * US_PER_S && s.lost_to_us == 21 * US_PER_S);
	spool_close(sp);

	sp = open_ok(*state, &tight); /* the count survives */
	spool_stats(sp, &s);
	assert_int_equal(s.lost_results, 21 * 10);
	put(sp, 31, 10 * 1024);
	flush_ok(sp);
	spool_stats(sp, &s);
	assert_int_equal(s.lost_results, 22 * 10);
	assert_true(s.lost_from_us == 1 * US_PER_S && s.lost_to_us == 22 * US_PER_S);

	struct spool_limits tighter = { .max_bytes = 30 * 1024, .max_age_us = US_PER_H };
	spool_set_limits(sp, &tighter); /* a reload */
	WAIT_FOR("the new limit holds", (spool_stats(sp, &s), s.batches == 2));
	assert_int_equal(s.lost_results, 29 * 10);
	spool_close(sp);
}

static void test_too_old_is_lost_by_the_right_clock(void **state)
{
	const int64_t day = US_PER_DAY;
	const struct {
		const char *says;
		uint64_t boot_id;
		int64_t boot_us, wall_us;
		bool kept;
	} cases[] = {
		{ "just sealed", clock_boot_id(), clock_boot_us(), clock_wall_us(), true },
		{ "old by this boot's clock", clock_boot_id(), clock_boot_us() - 4 * day, clock_wall_us(),
			false },
		{ "this boot's, sealed before the wall clock was set right", clock_boot_id(), clock_boot_us(),
			0, true },
		{ "of an earlier boot, recent", 1, clock_boot_us() + 9 * day, clock_wall_us() - day, true },
		{ "of an earlier boot, old by the wall clock", 1, clock_boot_us(), clock_wall_us() - 4 * day,
			false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct spool *sp = open_ok(*state, &roomy);
		struct spool_stats s;
		struct spool_batch b = { .epoch = EPOCH,
			.number = i,
			.raw_size = 1,
			.n_results = 1,
			.boot_id = cases[i].boot_id,
			.sealed_boot_us = cases[i].boot_us,
			.sealed_wall_us = cases[i].wall_us,
			.body = STR("x") };
		assert_int_equal(spool_put(sp, &b, NULL), 0);
		flush_ok(sp);
		spool_stats(sp, &s);
		if (s.batches != cases[i].kept || s.lost_results != !cases[i].kept)
			fail_msg("%s: %" PRIu64 " batches, %" PRIu64 " lost", cases[i].says, s.batches,
				s.lost_results);
		spool_close(sp);
		temp_dir_remove(*state);
		*state = (void *)(uintptr_t)temp_dir_new();
	}
}

static void test_one_agent_for_one_directory(void **state)
{
	struct spool *sp = open_ok(*state, &roomy), *second = NULL;
	struct err err;
	assert_int_equal(spool_open(*state, &roomy, &second, &err), ERR_BUSY);
	assert_non_null(strstr(err.text, "in use by another process"));
	assert_null(second);
	spool_close(sp);
	spool_close(open_ok(*state, &roomy));
}

static void test_a_damaged_file_is_set_aside(void **state)
{
	struct spool *sp = open_ok(*state, &roomy);
	struct err err;
	char noise[20000];
	uint64_t numbers[4];
	put(sp, 1, 5000);
	spool_close(sp);
	memset(noise, 0x5A, sizeof(noise));
	temp_file_write(*state, "spool.db", noise, sizeof(noise));
	assert_int_equal(spool_open(*state, &roomy, &sp, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, "spool.db"));
	assert_int_equal(spool_set_aside(*state, &err), 0);
	assert_true(temp_file_exists(*state, "spool.damaged-"));
	sp = open_ok(*state, &roomy);
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 4), 0);
	put(sp, 2, 100);
	flush_ok(sp);
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 4), 1);
	spool_close(sp);
}

static void test_a_directory_that_cannot_be(void **state)
{
	struct spool *sp = NULL;
	struct err err;
	assert_int_equal(spool_open("/proc/no/such/place", &roomy, &sp, &err), ERR_IO);
	assert_non_null(strstr(err.text, "/proc/no/such/place"));
	assert_null(sp);
}

/* Whoever works back from the end and on from the end has seen all: nothing turns up behind their back, on
 * the older side. */
static void test_nothing_new_turns_up_below_the_end(void **state)
{
	static uint64_t numbers[2000];
	struct spool *sp = open_ok(*state, &roomy);
	uint64_t number = 0;
	for (int round = 0; round < 50; round++) {
		struct spool_batch b;
		struct buf body;
		size_t before = 0, after = 0;
		for (int i = 0; i < 5; i++)
			put(sp, ++number, 100); /* waits for the disk */
		int64_t end = spool_end(sp);
		buf_init(&body, BATCH_PACKED_MAX);
		for (int64_t at = end; spool_next(sp, SPOOL_OLDER, at, &b, &body, NULL) == 0; at = b.position)
			before++;
		flush_ok(sp);
		for (int64_t at = end; spool_next(sp, SPOOL_OLDER, at, &b, &body, NULL) == 0; at = b.position)
			after++;
		assert_int_equal(before, after);
		for (int64_t at = end - 1; spool_next(sp, SPOOL_NEWER, at, &b, &body, NULL) == 0;
			at = b.position)
			after++;
		assert_int_equal(after, number);
		buf_fini(&body);
	}
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, ARRAY_LEN(numbers)), number);
	spool_close(sp);
}

/* ---- kill -9 ---- */

/* Puts batches for ever, and tells which of them the spool has shown; every fourth is acknowledged. */
static void child_puts(const char *dir, int tell, uint64_t first)
{
	struct spool *sp;
	struct buf body;
	struct spool_batch b;
	int64_t at;
	if (spool_open(dir, &roomy, &sp, NULL) < 0)
		_exit(3);
	at = spool_end(sp) - 1;
	buf_init(&body, BATCH_PACKED_MAX);
	for (uint64_t number = first;; number++) {
		put(sp, number, 50 + number * 37 % 3000);
		while (spool_next(sp, SPOOL_NEWER, at, &b, &body, NULL) == 0) {
			at = b.position;
			if (b.number % 4 == 0)
				spool_drop(sp, at);
			else if (write(tell, &b.number, sizeof(b.number)) != sizeof(b.number))
				_exit(4);
		}
	}
}

static void test_kill_9_loses_nothing_that_was_shown(void **state)
{
	static uint64_t shown[400000], there[400000];
	size_t n_shown = 0;
	uint64_t first = 1;
	for (int round = 0; round < 8; round++) {
		int fds[2], status;
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			close(fds[0]);
			child_puts(*state, fds[1], first);
		}
		close(fds[1]);
		uint64_t number;
		for (int seen = 0;
			seen < 40 + round * 97 && read(fds[0], &number, sizeof(number)) == sizeof(number);
			seen++)
			shown[n_shown++] = number;
		kill(pid, SIGKILL);
		while (read(fds[0], &number, sizeof(number)) == sizeof(number))
			shown[n_shown++] = number; /* what it still said before it died */
		close(fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		first = shown[n_shown - 1] + 1000000;

		struct spool *sp = open_ok(*state, &roomy);
		size_t n_there = read_all(sp, SPOOL_NEWER, there, ARRAY_LEN(there)), k = 0;
		for (size_t i = 0; i < n_shown; i++) { /* both rise */
			while (k < n_there && there[k] < shown[i])
				k++;
			if (k == n_there || there[k] != shown[i])
				fail_msg("batch %" PRIu64 " was shown and is gone after kill -9", shown[i]);
		}
		spool_close(sp);
	}
	assert_true(n_shown > 1000);
}

/* ---- two threads ---- */

struct feeder {
	struct spool *sp;
	uint64_t n;
};

static void *feed(void *arg)
{
	struct feeder *f = arg;
	for (uint64_t i = 1; i <= f->n; i++)
		put(f->sp, i, 60);
	return NULL;
}

static void test_one_puts_another_takes(void **state)
{
	struct feeder f = { open_ok(*state, &roomy), 3000 };
	pthread_t thread;
	struct spool_batch b;
	struct buf body;
	struct spool_stats s;
	uint64_t taken = 0;
	int64_t at = 0;
	buf_init(&body, BATCH_PACKED_MAX);
	assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
	for (int i = 0; taken < f.n; i++) {
		if (spool_next(f.sp, SPOOL_NEWER, at, &b, &body, NULL) < 0) {
			assert_true(i < 20000);
			temp_wait_ms(1);
			continue;
		}
		assert_int_equal(b.number, ++taken); /* in order, none twice, none missing */
		at = b.position;
		spool_drop(f.sp, at);
	}
	pthread_join(thread, NULL);
	flush_ok(f.sp);
	WAIT_FOR("the acknowledged are deleted", (spool_stats(f.sp, &s), s.bytes == 0));
	assert_true(s.batches == 0 && s.lost_results == 0);
	spool_close(f.sp);
	buf_fini(&body);
}

/* ---- full disk ---- */

static void fill_disk(const char *dir)
{
	char path[4096], block[4096];
	snprintf(path, sizeof(path), "%s/ballast", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	memset(block, 'x', sizeof(block));
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

static void test_a_full_disk_stops_nothing(void **state)
{
	const char *dir = *state;
	if (mount("tmpfs", dir, "tmpfs", 0, "size=2m") < 0) {
		print_message("no right to mount a small file system here: %s\n", strerror(errno));
		skip();
	}
	static uint64_t numbers[4096];
	char ballast[4096];
	struct spool_stats s;
	struct spool *sp = open_ok(dir, &roomy);
	put(sp, 1, 1000);
	flush_ok(sp);
	fill_disk(dir);
	uint64_t n = 1;
	do {
		put(sp, ++n, 20000);
		temp_wait_ms(1);
		spool_stats(sp, &s);
	} while (!s.disk_failing && n < 1000);
	assert_true(s.disk_failing);
	assert_int_equal(s.disk_err.code, ERR_FULL);

	/* everything is still shown, from disk and from memory, in order, and can be acknowledged */
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 4096), n);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(numbers[i], i + 1);
	assert_int_equal(read_all(sp, SPOOL_OLDER, numbers, 4096), n);
	assert_int_equal(numbers[0], n);
	struct buf body;
	struct spool_batch b;
	buf_init(&body, BATCH_PACKED_MAX);
	assert_int_equal(spool_next(sp, SPOOL_OLDER, spool_end(sp), &b, &body, NULL), 0);
	spool_drop(sp, b.position);
	buf_fini(&body);
	assert_int_equal(read_all(sp, SPOOL_NEWER, numbers, 4096), n - 1);

	/* over the queue's bound the oldest in it are lost, and counted */
	spool_stats(sp, &s);
	assert_int_equal(s.lost_results, 0);
	for (size_t bytes = 0; bytes < SPOOL_QUEUE_BYTES; bytes += 500000)
		put(sp, ++n, 500000);
	spool_stats(sp, &s);
	assert_true(s.lost_results > 0 && s.lost_results % 10 == 0);
	assert_int_equal(s.batches + s.lost_results / 10, n - 1);
	uint64_t lost = s.lost_results;

	/* space again: what is left gets written, the count with it, once */
	snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	assert_int_equal(unlink(ballast), 0);
	char remount[] = "size=64m";
	assert_int_equal(mount("tmpfs", dir, "tmpfs", MS_REMOUNT, remount), 0);
	WAIT_FOR("the disk takes it all", (spool_stats(sp, &s), !s.disk_failing));
	flush_ok(sp);
	spool_close(sp);
	sp = open_ok(dir, &roomy);
	spool_stats(sp, &s);
	assert_int_equal(s.lost_results, lost);
	assert_int_equal(s.batches + lost / 10, n - 1);
	spool_close(sp);
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_goes_in_comes_out_both_ways),
		TEST(test_too_big_is_refused),
		TEST(test_acknowledged_is_gone_after_a_restart),
		TEST(test_close_writes_what_is_queued),
		TEST(test_over_its_size_the_oldest_go_and_are_counted),
		TEST(test_too_old_is_lost_by_the_right_clock),
		TEST(test_one_agent_for_one_directory),
		TEST(test_a_damaged_file_is_set_aside),
		TEST(test_a_directory_that_cannot_be),
		TEST(test_nothing_new_turns_up_below_the_end),
		TEST(test_kill_9_loses_nothing_that_was_shown),
		TEST(test_one_puts_another_takes),
		TEST(test_a_full_disk_stops_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
