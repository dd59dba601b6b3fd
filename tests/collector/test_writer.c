/* The writer with a real store and a fake engine: what is durable when somebody hears "done", what happens
 * when the disk will not, and that a restart comes to the same state, to the bit. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/entry_json.h"
#include "collector/writer.h"
#include "fake_engine.h"
#include "faulty_vfs.h"
#include "store_fixture.h"
#include "wire_client.h"

#define EVENTUALLY(cond)                                                                                     \
	do {                                                                                                 \
		int64_t until_us = clock_boot_us() + 20 * US_PER_S;                                          \
		while (!(cond) && clock_boot_us() < until_us)                                                \
			pause_ms(1);                                                                         \
		if (!(cond))                                                                                 \
			fail_msg("still not so after 20 s: %s", #cond);                                      \
	} while (0)

struct order { /* one work, and what became of it */
	struct work work;
	atomic_bool done;
	int rc;
	bool duplicate;
	struct err err;
	int64_t received_at_us;
	char *bytes;
	atomic_bool *told; /* also set when it was stored; may be shared with another process */
};

static void order_done(struct work *w, int rc, bool duplicate, const struct err *err)
{
	struct order *o = (struct order *)w;
	o->rc = rc;
	o->duplicate = duplicate;
	o->received_at_us = w->entry.received_at_us;
	if (err)
		o->err = *err;
	if (rc == 0 && o->told)
		atomic_store(o->told, true);
	atomic_store(&o->done, true);
}

static int64_t boot_us,
	wall_us; /* when all batches are sealed: the same number is the same bytes, in every process */

static struct order *order_batch(uint64_t number, uint64_t salt)
{
	struct order *o = mem_new(sizeof(*o));
	size_t n;
	o->work.kind = WORK_ENTRY;
	o->work.done = order_done;
	o->work.n_results = 3;
	o->work.entry = (struct entry){ .kind = ENTRY_BATCH,
		.service = STR("shop"),
		.agent = STR("fra-1"),
		.region = STR("eu"),
		.epoch = 9,
		.number = number,
		.clock_offset_us = wall_us - boot_us };
	o->bytes = sealed_batch_at("shop", salt, 3, boot_us, wall_us, &n, &o->work.entry.raw_size);
	o->work.entry.bytes = (struct str){ o->bytes, n };
	return o;
}

static struct order *order_entry(enum entry_kind kind, const char *json)
{
	struct order *o = mem_new(sizeof(*o));
	o->work.kind = WORK_ENTRY;
	o->work.done = order_done;
	o->work.at_once = true;
	o->bytes = mem_strdup(json);
	o->work.entry = (struct entry){ .kind = kind, .service = STR("shop"), .bytes = str_of(o->bytes) };
	return o;
}

static void order_free(struct order *o)
{
	free(o->bytes);
	free(o);
}

static struct writer *writer_up(struct fixture *f, const struct writer_options *like)
{
	struct writer_options o = like ? *like : (struct writer_options){ 0 };
	struct writer *w;
	struct err err = { 0 };
	o.store = f->path;
	o.retention = (struct store_retention){ 48 * US_PER_H, 30 * US_PER_DAY, 30 * US_PER_DAY };
	if (writer_open(&o, &w, &err) < 0)
		fail_msg("%s", err.text);
	return w;
}

static void push(struct writer *w, struct order *o)
{
	struct err err = { 0 };
	if (writer_push(w, &o->work, &err) < 0)
		fail_msg("%s", err.text);
}

static int push_and_wait(struct writer *w, struct order *o)
{
	push(w, o);
	EVENTUALLY(atomic_load(&o->done));
	return o->rc;
}

static int64_t stored(struct fixture *f, const char *what)
{
	struct store *st = fixture_reader(f);
	int64_t n = store_count(st, what);
	store_close(st);
	return n;
}

static struct fake_state state_of(struct writer *w)
{
	struct fake_state s = fake_engine_state(writer_read(w));
	writer_read_done(w);
	return s;
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	disk_left(-1);
	clock_test_clear();
	fixture_end(*state);
	free(*state);
	return 0;
}

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

/* -- the disk -- */

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

/* -- restarts -- */

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
			struct order *o = order_batch(number + 1, number + 1);
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

static void test_killed_again_and_again_nothing_acknowledged_is_lost_or_twice(void **state)
{
	struct fixture *f = *state;
	atomic_bool *acked = mmap(NULL, KILL_BATCHES * sizeof(*acked), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(acked != MAP_FAILED);
	size_t n_killed = 0;
	for (int round = 0; round <= KILL_ROUNDS; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			log_init("child", LOG_ERROR, LOG_TEXT);
			run_until_killed(f, acked);
			_exit(0);
		}
		if (round < KILL_ROUNDS) {
			pause_ms(20 + (int)(random_u64() % 100)); /* any moment will do */
			(void)kill(pid, SIGKILL);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		n_killed += WIFSIGNALED(status);
		if (round == KILL_ROUNDS && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			fail_msg("the last one ended with %d", status);
		int64_t n_acked = 0;
		for (size_t i = 0; i < KILL_BATCHES; i++)
			n_acked += atomic_load(&acked[i]);
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
#define DISK(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		DISK(test_killed_again_and_again_nothing_acknowledged_is_lost_or_twice),
		DISK(test_a_failing_fsync_ends_the_process),
		DISK(test_a_lone_batch_does_not_wait_for_others),
		DISK(test_many_share_a_commit_and_keep_their_order),
		DISK(test_duplicates_and_conflicts_in_one_group),
		DISK(test_the_queue_is_bounded_and_what_is_owed_is_taken),
		DISK(test_a_large_queue_is_bounded_by_its_bytes_too),
		DISK(test_an_entry_is_checked_against_all_before_it),
		DISK(test_received_at_never_falls),
		DISK(test_changes_are_told_after_the_fold_in_order),
		DISK(test_a_full_disk_refuses_and_comes_back_by_itself),
		DISK(test_a_batch_under_way_when_the_disk_fills_is_refused),
		DISK(test_a_restart_comes_to_the_same_state),
	};
	boot_us = clock_boot_us();
	wall_us = clock_wall_us();
	faulty_vfs_register();
	log_init("test_writer", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
