/* What is durable when somebody hears "done", and that a restart comes to the same state, to the bit. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "writer_fixture.h"

static int fold_entry(void *ctx, const struct entry *e)
{
	void **both = ctx;
	struct event ev;
	struct err err;
	if (entry_to_event(both[1], e, &ev, &err) < 0)
		fail_msg("%s", err.text);
	(void)engine_fold(both[0], &ev, &err); /* what was refused live is refused here */
	return 0;
}

/* Everything from the first entry on, without snapshots, and on to where time has durably come. */
static struct fake_state fold_whole(struct fixture *f)
{
	struct engine *e = engine_new(NULL);
	struct entry_reader *r = entry_reader_new();
	struct store *st = fixture_reader(f);
	void *both[] = { e, r };
	struct err err;
	assert_int_equal(store_each_entry(st, 0, fold_entry, both, &err), 0);
	engine_advance(e, store_alive_at_us(st));
	struct fake_state s = fake_engine_state(e);
	store_close(st);
	entry_reader_free(r);
	engine_free(e);
	return s;
}

/* What a writer that has just come up from its snapshot would be at that same moment. */
static struct fake_state state_up(struct fixture *f)
{
	struct writer *w = writer_up(f, NULL);
	struct engine *e;
	struct buf bytes;
	struct err err;
	buf_init(&bytes, 1024 * 1024);
	engine_save(writer_read(w), &bytes);
	writer_read_done(w);
	assert_int_equal(engine_load(buf_str(&bytes), NULL, &e, &err), 0);
	engine_advance(e, store_alive_at_us(writer_store(w)));
	struct fake_state s = fake_engine_state(e);
	engine_free(e);
	buf_fini(&bytes);
	writer_close(w);
	return s;
}

static void expect_same_state(struct fixture *f)
{
	struct fake_state whole = fold_whole(f), up = state_up(f);
	assert_int_equal(up.position, whole.position);
	assert_int_equal(up.n_results, whole.n_results);
	assert_int_equal(up.n_fired, whole.n_fired);
	assert_int_equal(up.hash, whole.hash);
	/* by key: deriving them again wrote none twice. What the last moment put out rides with the next
	 * start's first group */
	assert_in_range(stored(f, "transitions"), whole.n_fired > 0 ? whole.n_fired - 1 : 0, whole.n_fired);
}

/* Comes up, tells the journal so, and goes down again. */
static void start_and_stop(struct fixture *f)
{
	struct writer *w = writer_up(f, NULL);
	uint64_t n = state_of(w).n_collector;
	writer_start(w);
	EVENTUALLY(state_of(w).n_collector == n + 1);
	writer_close(w);
}

static void test_a_restart_comes_to_the_same_state(void **state)
{
	struct fixture *f = *state;
	struct writer_options often = { .snapshot_every = 7 };
	uint64_t number = 0;
	for (int run = 0; run < 4; run++) {
		struct writer *w = writer_up(f, &often);
		writer_start(w);
		for (int i = 0; i < 25; i++) {
			/* what its pusher unsealed is folded as it is, and must be what the store's bytes say
			 */
			struct order *o = number % 2 ? order_batch_unsealed(number + 1, number + 1)
						     : order_batch(number + 1, number + 1);
			number++;
			assert_int_equal(push_and_wait(w, o), 0);
			order_free(o);
		}
		EVENTUALLY(state_of(w).n_fired > (uint64_t)run);
		struct fake_state live = state_of(w);
		writer_close(w);
		assert_int_equal(fold_whole(f).n_results, live.n_results);
		expect_same_state(f);
		start_and_stop(f);
		expect_same_state(f);
	}
	assert_true(stored(f, "snapshots") > 0);
}

enum { KILL_BATCHES = 1500, KILL_ROUNDS = 12 };

static void run_until_killed(struct fixture *f, atomic_bool *acked)
{
	struct writer_options often = { .snapshot_every = 50 };
	struct writer *w = writer_up(f, &often);
	static struct order *under_way[64];
	writer_start(w);
	for (size_t next = 0; next < KILL_BATCHES;) {
		for (size_t i = 0; i < ARRAY_LEN(under_way) && next < KILL_BATCHES; i++) {
			if (under_way[i] && !atomic_load(&under_way[i]->done))
				continue;
			if (under_way[i]) {
				if (under_way[i]->rc < 0)
					_exit(3); /* nothing is refused here */
				order_free(under_way[i]);
			}
			under_way[i] = NULL;
			/* like an agent: what was acknowledged is gone from the spool, a few are sent again
			 * all the same */
			while (next < KILL_BATCHES && atomic_load(&acked[next]) && next % 10 != 0)
				next++;
			if (next == KILL_BATCHES)
				break;
			under_way[i] = order_batch(next + 1, next + 1);
			under_way[i]->told = &acked[next++];
			push(w, under_way[i]);
		}
	}
	writer_stop(w);
	writer_close(w);
}

static int64_t count_acked(const atomic_bool *acked)
{
	int64_t n = 0;
	for (size_t i = 0; i < KILL_BATCHES; i++)
		n += atomic_load(&acked[i]);
	return n;
}

/* Somewhere in this round's share of what is left; the machine may be fast or slow. */
static void wait_for_acked(const atomic_bool *acked, int64_t before, int round)
{
	int64_t share = (KILL_BATCHES - before) / (KILL_ROUNDS + 1 - round);
	int64_t wanted = before + (int64_t)(random_u64() % (uint64_t)(share + 1));
	int64_t until_us = clock_boot_us() + 20 * US_PER_S;
	while (count_acked(acked) < wanted && clock_boot_us() < until_us)
		pause_ms(1);
}

static void test_killed_again_and_again_nothing_acknowledged_is_lost_or_twice(void **state)
{
	struct fixture *f = *state;
	atomic_bool *acked = mmap(NULL, KILL_BATCHES * sizeof(*acked), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(acked != MAP_FAILED);
	size_t n_killed = 0;
	int64_t n_acked = 0;
	for (int round = 0; round <= KILL_ROUNDS; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			log_init("child", LOG_ERROR, LOG_TEXT);
			run_until_killed(f, acked);
			_exit(0);
		}
		if (round < KILL_ROUNDS) {
			wait_for_acked(acked, n_acked, round);
			(void)kill(pid, SIGKILL);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		n_killed += WIFSIGNALED(status);
		if (round == KILL_ROUNDS && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			fail_msg("the last one ended with %d", status);
		n_acked = count_acked(acked);
		int64_t n_stored = access(f->path, F_OK) == 0 && n_acked > 0 ? stored(f, "batches") : 0;
		if (n_stored < n_acked)
			fail_msg("round %d: %" PRId64 " acknowledged, %" PRId64 " stored", round, n_acked,
				n_stored);
	}
	assert_true(n_killed > 0);
	assert_int_equal(stored(f, "batches"), KILL_BATCHES);
	assert_int_equal(stored(f, "results"), 3 * KILL_BATCHES);
	struct fake_state whole = fold_whole(f);
	assert_int_equal(whole.n_batches, KILL_BATCHES);
	assert_int_equal(whole.n_results, 3 * KILL_BATCHES);
	expect_same_state(f);
	start_and_stop(f);
	expect_same_state(f);
	assert_int_equal(munmap(acked, KILL_BATCHES * sizeof(*acked)), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		DISK(test_killed_again_and_again_nothing_acknowledged_is_lost_or_twice),
		DISK(test_a_restart_comes_to_the_same_state),
	};
	writer_fixture_begin("test_writer_restart");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
