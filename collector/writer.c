/* writer.c - see writer.h */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/entry_json.h"
#include "collector/writer.h"

#define SNAPSHOT_BYTES (1024 * 1024 * 1024)
#define FOLD_SLICE     16             /* entries folded under one hold of the lock: readers get in between */
#define OUTAGE_US      (5 * US_PER_S) /* shorter ones fit into the lateness that agents' spools have anyway */
#define PRUNE_US       (60 * US_PER_S)
#define PRUNE_STEP_US  (200 * US_PER_MS)
#define CHECKPOINT_US  (300 * US_PER_S)
#define DISK_US        (10 * US_PER_S)

struct list {
	struct work *head, **tail;
	size_t n, bytes;
};

struct writer {
	struct writer_options o;
	struct store *store;
	struct entry_reader *reader;
	struct outs *outs;
	pthread_t thread;
	bool running;

	pthread_rwlock_t engine_lock;
	struct engine *engine;

	pthread_mutex_t
		listen_lock; /* held while telling: hub_listen(NULL) returns only when no call is under way */
	changes_fn tell;
	void *tell_ctx;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t wake;
	struct list queue;
	size_t n_at_once;
	int64_t first_us; /* when the queue's oldest came, boot time */
	bool stopping, woken;
	bool failing; /* the store takes nothing */
	struct err why;
	struct store_retention retention;
	struct hub_stats stats;

	/* the thread's own; boot times unless they say otherwise */
	struct list kept; /* owed, and refused by the store so far */
	int64_t time_us;  /* wall: the journal's time has come this far; never falls */
	int64_t alive_us; /* wall: durably noted */
	int64_t failing_since_us;
	int64_t next_alive_us, next_retry_us, next_prune_us, next_checkpoint_us, next_disk_us,
		next_progress_us;
	int64_t outs_since_us; /* INT64_MAX: nothing to store */
	int64_t snapshot_at_us, snapshot_position;
};

/* -- lists -- */

static void list_init(struct list *l)
{
	*l = (struct list){ .tail = &l->head };
}

static void list_add(struct list *l, struct work *w)
{
	w->next = NULL;
	*l->tail = w;
	l->tail = &w->next;
	l->n++;
	l->bytes += w->bytes;
}

static struct work *list_take(struct list *l)
{
	struct work *w = l->head;
	if (!w)
		return NULL;
	l->head = w->next;
	if (!l->head)
		l->tail = &l->head;
	l->n--;
	l->bytes -= w->bytes;
	return w;
}

/* Puts all of b in front of a; b is empty afterwards. */
static void list_put_back(struct list *a, struct list *b)
{
	if (!b->head)
		return;
	*b->tail = a->head;
	if (!a->head)
		a->tail = b->tail;
	a->head = b->head;
	a->n += b->n;
	a->bytes += b->bytes;
	list_init(b);
}

/* -- coming up -- */

static int64_t now_of(struct writer *w)
{
	w->time_us = MAX(w->time_us, clock_wall_us());
	return w->time_us;
}

struct replay {
	struct writer *w;
	uint64_t n, n_refused;
};

static int replay_entry(void *ctx, const struct entry *e)
{
	struct replay *r = ctx;
	struct event ev;
	struct err err = { 0 };
	int rc = entry_to_event(r->w->reader, e, &ev, &err);
	if (rc == 0)
		rc = engine_fold(r->w->engine, &ev, &err);
	if (rc < 0) {
		/* It was refused in the same way when it came; only a changed program or disk makes this
		 * news. */
		r->n_refused++;
		log_debug("entry_refused", "position=%" PRId64 " kind=%s err=\"%s\"", e->position,
			entry_kind_name(e->kind), err.text);
	}
	r->n++;
	return 0;
}

static int load_snapshot(struct writer *w, const struct engine_sink *sink, struct err *err)
{
	struct buf bytes;
	int rc = ERR_NOT_FOUND;
	buf_init(&bytes, SNAPSHOT_BYTES);
	for (size_t nth = 0; nth < 2; nth++) {
		struct err why = { 0 };
		buf_clear(&bytes);
		rc = store_snapshot_nth(w->store, nth, &bytes, &w->snapshot_position, &why);
		if (rc == 0)
			rc = engine_load(buf_str(&bytes), sink, &w->engine, &why);
		if (rc == 0 || (rc == ERR_NOT_FOUND && nth == 0))
			break;
		log_warn("snapshot_not_loaded",
			"nth=%zu err=\"%s\" trying an older one, or the whole journal", nth, why.text);
	}
	buf_fini(&bytes);
	if (rc < 0) {
		w->snapshot_position = 0;
		w->engine = engine_new(sink);
	}
	(void)err; /* an older snapshot or none: always a way on */
	return 0;
}

static int come_up(struct writer *w, struct err *err)
{
	struct engine_sink sink = outs_sink(w->outs);
	struct replay r = { .w = w };
	int64_t began_us = clock_boot_us();
	int rc = load_snapshot(w, &sink, err);
	if (rc == 0)
		rc = store_each_entry(w->store, w->snapshot_position, replay_entry, &r, err);
	if (rc < 0)
		return rc;
	int64_t alive_us = store_alive_at_us(w->store), last_us = store_last_received_us(w->store);
	w->alive_us = alive_us == TIME_NONE ? last_us : MAX(alive_us, last_us);
	w->time_us = w->alive_us == TIME_NONE ? 0 : w->alive_us;
	if (w->time_us > clock_wall_us() + US_PER_MIN)
		log_warn("clock_behind",
			"by_s=%" PRId64
			" the journal's time stands still until this machine's clock is there",
			(w->time_us - clock_wall_us()) / US_PER_S);
	log_info("journal_read",
		"snapshot=%" PRId64 " entries=%" PRIu64 " refused=%" PRIu64 " position=%" PRId64
		" ms=%" PRId64,
		w->snapshot_position, r.n, r.n_refused, store_last_position(w->store),
		(clock_boot_us() - began_us) / US_PER_MS);
	outs_tell(w->outs, w->engine, NULL, NULL); /* nobody listens yet */
	return 0;
}

static void entry_work_done(struct work *w, int rc, bool duplicate, const struct err *err)
{
	if (rc < 0)
		log_error("entry_lost", "kind=%s err=\"%s\"", entry_kind_name(w->entry.kind), err->text);
	free((char *)w->entry.bytes.p);
	free(w);
}

/* The collector was away: the time since its last sign counts against nobody. */
static void owe_collector_entry(struct writer *w, int64_t down_since_us)
{
	struct work *work = mem_new(sizeof(*work));
	struct list front;
	struct buf json;
	buf_init(&json, 256);
	buf_addf(&json, "{\"type\":\"collector\",\"at\":%" PRId64, clock_wall_us());
	if (down_since_us != TIME_NONE)
		buf_addf(&json, ",\"down_since\":%" PRId64, down_since_us);
	buf_addf(&json, "}");
	work->entry.kind = ENTRY_COLLECTOR;
	work->entry.bytes.p = buf_take(&json, &work->entry.bytes.n);
	work->owed = true;
	work->done = entry_work_done;
	list_init(&front);
	list_add(&front, work);
	list_put_back(&w->kept, &front);
}

int writer_open(const struct writer_options *o, struct writer **ret, struct err *err)
{
	struct writer *w = mem_new(sizeof(*w));
	pthread_condattr_t ca;
	pthread_rwlockattr_t ra;
	w->o = *o;
	w->o.snapshot_us = o->snapshot_us ? o->snapshot_us : WRITER_SNAPSHOT_US;
	w->o.snapshot_every = o->snapshot_every ? o->snapshot_every : WRITER_SNAPSHOT_EVERY;
	w->retention = o->retention;
	w->outs_since_us = INT64_MAX;
	list_init(&w->queue);
	list_init(&w->kept);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_rwlockattr_init(&ra);
	/* Readers come and go all the time; without this the writer might never get in. */
	pthread_rwlockattr_setkind_np(&ra, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	INVARIANT(pthread_mutex_init(&w->lock, NULL) == 0 && pthread_cond_init(&w->wake, &ca) == 0);
	INVARIANT(pthread_mutex_init(&w->listen_lock, NULL) == 0 &&
		  pthread_rwlock_init(&w->engine_lock, &ra) == 0);
	pthread_condattr_destroy(&ca);
	pthread_rwlockattr_destroy(&ra);
	w->reader = entry_reader_new();
	w->outs = outs_new();
	int rc = store_open(o->store, STORE_WRITE, &w->store, err);
	if (rc == 0)
		rc = come_up(w, err);
	if (rc < 0) {
		writer_close(w);
		return rc;
	}
	owe_collector_entry(w, w->alive_us);
	w->stats.started_at_us = clock_wall_us();
	w->stats.journal_position = store_last_position(w->store);
	w->stats.disk_bytes = store_disk_bytes(w->store);
	w->snapshot_at_us = clock_boot_us();
	*ret = w;
	return 0;
}

struct store *writer_store(struct writer *w)
{
	INVARIANT(!w->running);
	return w->store;
}

/* -- when the store refuses -- */

static void set_failing(struct writer *w, const struct err *why)
{
	bool began = false, ended = false;
	if (store_must_close(w->store)) {
		/* The kernel may have thrown the dirty pages away; a later fsync would succeed and mean
		 * nothing. */
		log_error("fsync_failed",
			"err=\"%s\" ending; nothing acknowledged is affected as far as the disk kept it: "
			"check "
			"the disk, then start again, agents send the rest again",
			why ? why->text : "");
		_exit(74); /* EX_IOERR */
	}
	pthread_mutex_lock(&w->lock);
	if (why && !w->failing)
		began = true;
	else if (!why && w->failing)
		ended = true;
	w->failing = why != NULL;
	if (why) {
		w->why = *why;
		w->stats.commit_errors++;
	}
	pthread_mutex_unlock(&w->lock);
	if (why)
		w->next_retry_us = clock_boot_us() + WRITER_RETRY_US;
	if (began) {
		w->failing_since_us = clock_boot_us();
		log_error("store_refuses",
			"err=\"%s\" nothing is acknowledged, agents keep their results; trying again every "
			"second",
			why->text);
	}
	if (ended)
		log_info("store_takes", "after_s=%" PRId64 " acknowledging again",
			(clock_boot_us() - w->failing_since_us) / US_PER_S);
	if (w->o.store_state && (began || ended))
		w->o.store_state(w->o.ctx, why);
}

/* -- one group -- */

struct group {
	struct list list;
	struct list later; /* what did not fit behind an entry that must be folded first */
	int64_t now_us;
	struct err err;
};

static bool changes_what_is_accepted(const struct work *w)
{
	return w->kind == WORK_ENTRY && w->entry.kind != ENTRY_BATCH && w->entry.kind != ENTRY_AGENT;
}

/* The engine refuses what contradicts its state; it is asked before the journal has the entry. */
static int check_work(struct writer *w, struct work *work, struct err *err)
{
	struct event ev;
	int rc = entry_to_event(w->reader, &work->entry, &ev, err);
	return rc < 0 ? rc : engine_would_accept(w->engine, &ev, err);
}

static int append_work(struct writer *w, struct group *g, struct work *work, struct err *err)
{
	struct err why = { 0 };
	if (work->kind == WORK_RECORD)
		return store_put_agent(w->store, &work->record, err);
	work->entry.received_at_us = g->now_us;
	if (work->checked) {
		work->entry.position = store_last_position(w->store) + 1;
		work->rc = check_work(w, work, &why);
		if (work->rc < 0) {
			g->err = why; /* one checked work a group: its sentence has no rival */
			return 0;
		}
	}
	int rc = store_append(w->store, &work->entry, &work->duplicate, err);
	if (rc == ERR_EXISTS) {
		work->rc = rc;
		g->err = *err;
		log_error("identity_conflict", "agent=%.*s number=%" PRIu64 " err=\"%s\" refused",
			STR_ARG(work->entry.agent), work->entry.number, err->text);
		return 0;
	}
	work->appended = rc == 0 && !work->duplicate;
	return rc;
}

static bool snapshot_is_due(const struct writer *w, bool now)
{
	int64_t entries = engine_position(w->engine) - w->snapshot_position;
	return entries > 0 && (now || entries >= w->o.snapshot_every ||
				      clock_boot_us() - w->snapshot_at_us >= w->o.snapshot_us);
}

/* Of the state before this group's entries: everything that led to it is committed, or will be with the same
 * group. */
static int put_snapshot(struct writer *w, int64_t now_us, struct err *err)
{
	struct buf bytes;
	buf_init(&bytes, SNAPSHOT_BYTES);
	engine_save(w->engine, &bytes);
	int rc = buf_failed(&bytes) ? err_set(err, ERR_TOO_BIG, "a snapshot is over %d bytes", SNAPSHOT_BYTES)
				    : store_put_snapshot(w->store, engine_position(w->engine), now_us,
					      buf_str(&bytes), err);
	buf_fini(&bytes);
	return rc;
}

static int write_group(struct writer *w, struct group *g, bool snapshot, struct err *err)
{
	int rc = store_begin(w->store, err);
	if (rc == 0)
		rc = outs_store(w->outs, w->store, err);
	if (rc == 0 && snapshot)
		rc = put_snapshot(w, g->now_us, err);
	for (struct work *work = g->list.head; work && rc == 0; work = work->next)
		rc = append_work(w, g, work, err);
	if (rc == 0)
		rc = store_mark_alive(w->store, g->now_us, err);
	if (rc == 0)
		rc = store_commit(w->store, err);
	if (rc < 0)
		store_rollback(w->store);
	return rc;
}

static void fold_group(struct writer *w, struct group *g)
{
	struct work *work = g->list.head;
	pthread_rwlock_wrlock(&w->engine_lock);
	for (int n = 1; work; work = work->next, n++) {
		struct event ev;
		struct err err = { 0 };
		if (!work->appended)
			continue;
		if (n % FOLD_SLICE == 0) {
			pthread_rwlock_unlock(&w->engine_lock);
			pthread_rwlock_wrlock(&w->engine_lock);
		}
		work->rc = entry_to_event(w->reader, &work->entry, &ev, &err);
		if (work->rc == 0)
			work->rc = engine_fold(w->engine, &ev, &err);
		if (work->rc == 0)
			outs_entry(w->outs, &ev);
		else
			log_warn("entry_refused",
				"position=%" PRId64 " kind=%s err=\"%s\" kept in the journal, without effect",
				work->entry.position, entry_kind_name(work->entry.kind), err.text);
		if (work->rc < 0 && work->checked)
			g->err = err;
	}
	engine_advance(w->engine, g->now_us);
	pthread_rwlock_unlock(&w->engine_lock);
}

static void tell(struct writer *w)
{
	int64_t boot_us = clock_boot_us();
	bool progress = outs_progress(w->outs) && boot_us >= w->next_progress_us;
	pthread_mutex_lock(&w->listen_lock);
	/* Reading without the lock is fine: nobody but this thread changes the engine. */
	outs_tell(w->outs, w->engine, w->tell, w->tell_ctx);
	if (progress) {
		outs_tell_progress(w->outs, w->engine, w->tell, w->tell_ctx);
		w->next_progress_us = boot_us + WRITER_PROGRESS_US;
	}
	pthread_mutex_unlock(&w->listen_lock);
}

static void count_group(struct writer *w, const struct group *g, bool snapshot, int64_t took_us)
{
	pthread_mutex_lock(&w->lock);
	struct hub_stats *s = &w->stats;
	for (const struct work *work = g->list.head; work; work = work->next) {
		s->conflicts += work->rc == ERR_EXISTS && work->entry.kind == ENTRY_BATCH;
		s->duplicates += work->duplicate;
		if (!work->appended)
			continue;
		s->entries++;
		s->batches += work->entry.kind == ENTRY_BATCH;
		s->results += work->n_results;
	}
	s->commits++;
	s->snapshots += snapshot;
	if (snapshot)
		s->last_snapshot_at_us = g->now_us;
	s->commit_last_us = took_us;
	s->commit_max_us = MAX(s->commit_max_us, took_us);
	s->journal_position = store_last_position(w->store);
	pthread_mutex_unlock(&w->lock);
}

static void refuse(struct work *work, int rc, const struct err *err)
{
	work->done(work, rc, false, err);
}

/* The store would not: owed works stay, the rest hears why. */
static void group_failed(struct writer *w, struct group *g, const struct err *why)
{
	struct list keep;
	struct work *work;
	list_init(&keep);
	set_failing(w, why);
	while ((work = list_take(&g->list))) {
		work->rc = 0;
		work->duplicate = work->appended = false;
		if (work->owed)
			list_add(&keep, work);
		else
			refuse(work, why->code, why);
	}
	list_put_back(&w->kept, &keep);
}

static void group_done(struct writer *w, struct group *g)
{
	struct work *work;
	fold_group(w, g);
	while ((work = list_take(&g->list))) {
		enum entry_kind kind = work->entry.kind;
		bool folded = work->appended && work->rc == 0 && w->o.folded != NULL;
		if (folded)
			w->o.folded(w->o.ctx, kind, work->entry.service);
		work->done(work, work->rc, work->duplicate, &g->err);
	}
	tell(w);
	w->outs_since_us = outs_unstored(w->outs) > 0 ? clock_boot_us() : INT64_MAX;
}

/* Writes, folds, answers. Everything in g->list is done or kept afterwards. */
static void run_group(struct writer *w, struct group *g, bool last)
{
	struct err err = { 0 };
	int64_t began_us = clock_boot_us();
	bool snapshot = snapshot_is_due(w, last);
	g->now_us = now_of(w);
	int rc = write_group(w, g, snapshot, &err);
	if (rc < 0) {
		group_failed(w, g, &err);
		return;
	}
	w->alive_us = g->now_us;
	w->next_alive_us = clock_boot_us() + WRITER_ALIVE_US;
	outs_stored(w->outs);
	if (snapshot) {
		w->snapshot_position = engine_position(w->engine);
		w->snapshot_at_us = clock_boot_us();
	}
	count_group(w, g, snapshot, clock_boot_us() - began_us);
	set_failing(w, NULL);
	group_done(w, g);
}

/* -- house-keeping, between groups -- */

static void prune(struct writer *w, int64_t boot_us)
{
	struct err err = { 0 };
	bool more = false;
	if (boot_us < w->next_prune_us)
		return;
	pthread_mutex_lock(&w->lock);
	struct store_retention r = w->retention;
	pthread_mutex_unlock(&w->lock);
	int rc = store_prune(w->store, &r, w->time_us, &more, &err);
	if (rc < 0) {
		log_warn("prune_failed", "err=\"%s\" trying again later", err.text);
		if (store_must_close(w->store))
			set_failing(w, &err);
	}
	w->next_prune_us = boot_us + (more ? PRUNE_STEP_US : PRUNE_US);
}

static void keep_house(struct writer *w)
{
	struct err err = { 0 };
	int64_t boot_us = clock_boot_us();
	if (boot_us >= w->next_disk_us) {
		pthread_mutex_lock(&w->lock);
		w->stats.disk_bytes = store_disk_bytes(w->store);
		pthread_mutex_unlock(&w->lock);
		w->next_disk_us = boot_us + DISK_US;
	}
	if (w->failing)
		return;
	prune(w, boot_us);
	if (boot_us >= w->next_checkpoint_us) {
		if (w->next_checkpoint_us > 0 && store_checkpoint(w->store, &err) < 0) {
			log_warn("checkpoint_failed", "err=\"%s\" trying again later", err.text);
			if (store_must_close(w->store))
				set_failing(w, &err);
		}
		w->next_checkpoint_us = boot_us + CHECKPOINT_US;
	}
}

/* -- the thread -- */

/* The earliest moment at which something is to be done without new work. */
static int64_t next_moment(const struct writer *w, int64_t boot_us)
{
	int64_t at = MIN(w->next_disk_us, MIN(w->next_prune_us, w->next_checkpoint_us));
	if (w->failing)
		return MIN(w->next_disk_us, w->next_retry_us);
	at = MIN(at, w->next_alive_us);
	if (w->outs_since_us != INT64_MAX)
		at = MIN(at, w->outs_since_us + WRITER_FLUSH_US);
	if (outs_progress(w->outs))
		at = MIN(at, w->next_progress_us);
	int64_t due_us = engine_next_due_us(w->engine);
	if (due_us != INT64_MAX) {
		/* Timers come in swarms; a group for each would be an fsync for each. */
		int64_t in_us = MAX(due_us - MAX(w->time_us, clock_wall_us()), WRITER_FLUSH_US / 2);
		at = MIN(at, boot_us + MIN(in_us, WRITER_ALIVE_US));
	}
	return at;
}

static bool is_ripe(const struct writer *w, int64_t boot_us)
{
	return w->stopping || w->woken || w->n_at_once > 0 || w->queue.n >= WRITER_GROUP_MAX / 4 ||
	       w->queue.bytes >= WRITER_GROUP_BYTES / 4 ||
	       (w->queue.n > 0 && boot_us >= w->first_us + WRITER_GROUP_US);
}

static void wait_for_work(struct writer *w)
{
	int64_t boot_us = clock_boot_us(), until_us = next_moment(w, boot_us);
	pthread_mutex_lock(&w->lock);
	while (!is_ripe(w, boot_us) && boot_us < until_us) {
		struct timespec at;
		int64_t left_us = until_us - boot_us;
		if (w->queue.n > 0)
			left_us = MIN(left_us, w->first_us + WRITER_GROUP_US - boot_us);
		left_us = MIN(left_us, US_PER_H);
		clock_gettime(CLOCK_MONOTONIC, &at);
		at.tv_sec += left_us / US_PER_S;
		at.tv_nsec += left_us % US_PER_S * 1000;
		if (at.tv_nsec >= 1000000000) {
			at.tv_sec++;
			at.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&w->wake, &w->lock, &at);
		boot_us = clock_boot_us();
	}
	w->woken = false;
	pthread_mutex_unlock(&w->lock);
}

/* What is owed comes first, then the queue, up to a commit's worth. An entry that is checked must see all
 * before it folded, so it is never behind one that changes what is accepted. */
static void fill_group(struct writer *w, struct group *g)
{
	bool changes = false, full = false;
	struct work *work;
	list_init(&g->list);
	while (g->list.n < WRITER_GROUP_MAX && (work = list_take(&w->kept))) {
		list_add(&g->list, work);
		changes = changes || changes_what_is_accepted(work);
	}
	while (g->list.n < WRITER_GROUP_MAX && w->o.owed && (work = w->o.owed(w->o.ctx)))
		list_add(&g->list, work);
	pthread_mutex_lock(&w->lock);
	while (!full && g->list.n < WRITER_GROUP_MAX && g->list.bytes < WRITER_GROUP_BYTES && w->queue.head) {
		work = w->queue.head;
		full = work->checked && changes;
		if (full)
			break;
		(void)list_take(&w->queue);
		w->n_at_once -= work->at_once;
		changes = changes || changes_what_is_accepted(work);
		list_add(&g->list, work);
	}
	if (w->queue.n > 0 && !full)
		w->first_us = clock_boot_us() - WRITER_GROUP_US;
	pthread_mutex_unlock(&w->lock);
}

/* While the store refuses, nothing that somebody waits for is kept waiting. */
static void refuse_queue(struct writer *w)
{
	struct list refused;
	struct work *work;
	list_init(&refused);
	pthread_mutex_lock(&w->lock);
	struct err why = w->why;
	while ((work = list_take(&w->queue)))
		list_add(work->owed ? &w->kept : &refused, work);
	w->n_at_once = 0;
	pthread_mutex_unlock(&w->lock);
	while ((work = list_take(&refused)))
		refuse(work, why.code, &why);
}

static void step(struct writer *w, bool last)
{
	struct group g = { 0 };
	int64_t boot_us = clock_boot_us();
	if (w->failing) {
		refuse_queue(w);
		if (boot_us < w->next_retry_us && !last)
			return;
		if (boot_us - w->failing_since_us > OUTAGE_US &&
			!(w->kept.head && w->kept.head->entry.kind == ENTRY_COLLECTOR))
			owe_collector_entry(w, w->alive_us);
	}
	fill_group(w, &g);
	int64_t now_us = now_of(w);
	bool due = engine_next_due_us(w->engine) <= now_us || boot_us >= w->next_alive_us ||
		   snapshot_is_due(w, last) ||
		   (w->outs_since_us != INT64_MAX && boot_us >= w->outs_since_us + WRITER_FLUSH_US);
	if (g.list.n > 0 || due || w->failing || last)
		run_group(w, &g, last);
	else if (outs_progress(w->outs))
		tell(w);
	keep_house(w);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	bool stopping = false;
	while (!stopping) {
		wait_for_work(w);
		step(w, false);
		pthread_mutex_lock(&w->lock);
		stopping = w->stopping && w->queue.n == 0;
		pthread_mutex_unlock(&w->lock);
	}
	/* Two more: the first stores what the last fold put out and takes the snapshot, the second what its
	 * timers did. */
	step(w, true);
	if (outs_unstored(w->outs) > 0)
		step(w, true);
	refuse_queue(w);
	return NULL;
}

void writer_start(struct writer *w)
{
	INVARIANT(!w->running && pthread_create(&w->thread, NULL, writer_main, w) == 0);
	w->running = true;
}

void writer_stop(struct writer *w)
{
	if (!w->running)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	INVARIANT(pthread_join(w->thread, NULL) == 0);
	w->running = false;
}

static void drop_kept(struct writer *w)
{
	struct err err = { .code = ERR_IO, .text = "the collector ends, and the store still refuses" };
	struct work *work;
	while ((work = list_take(&w->kept)))
		refuse(work, ERR_IO, &err);
}

void writer_close(struct writer *w)
{
	if (!w)
		return;
	writer_stop(w);
	drop_kept(w);
	INVARIANT(w->queue.n == 0);
	engine_free(w->engine);
	outs_free(w->outs);
	entry_reader_free(w->reader);
	store_close(w->store);
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->listen_lock);
	pthread_rwlock_destroy(&w->engine_lock);
	pthread_cond_destroy(&w->wake);
	free(w);
}

/* -- for the other threads -- */

static size_t work_bytes(const struct work *w)
{
	return sizeof(*w) + w->entry.bytes.n + 256;
}

int writer_push(struct writer *w, struct work *work, struct err *err)
{
	int rc = 0;
	work->bytes = work_bytes(work);
	pthread_mutex_lock(&w->lock);
	if (work->owed)
		rc = 0;
	else if (w->stopping)
		rc = err_set(err, ERR_BUSY, "the collector is stopping");
	else if (w->failing)
		rc = err_set(err, w->why.code, "%s", w->why.text);
	else if (w->queue.n >= WRITER_QUEUE_MAX || w->queue.bytes + work->bytes > WRITER_QUEUE_BYTES)
		rc = err_set(err, ERR_BUSY, "%zu entries with %zu bytes are waiting for the disk already",
			w->queue.n, w->queue.bytes);
	if (rc == 0) {
		if (w->queue.n == 0)
			w->first_us = clock_boot_us();
		list_add(&w->queue, work);
		w->n_at_once += work->at_once;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

bool writer_cancel(struct writer *w, struct work *work)
{
	bool found = false;
	pthread_mutex_lock(&w->lock);
	for (struct work **at = &w->queue.head; *at && !found; at = &(*at)->next) {
		if (*at != work)
			continue;
		*at = work->next;
		if (!*at)
			w->queue.tail = at;
		w->queue.n--;
		w->queue.bytes -= work->bytes;
		w->n_at_once -= work->at_once;
		found = true;
		break;
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

void writer_wake(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->woken = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void writer_set_retention(struct writer *w, const struct store_retention *r)
{
	pthread_mutex_lock(&w->lock);
	w->retention = *r;
	pthread_mutex_unlock(&w->lock);
}

const struct engine *writer_read(struct writer *w)
{
	pthread_rwlock_rdlock(&w->engine_lock);
	return w->engine;
}

void writer_read_done(struct writer *w)
{
	pthread_rwlock_unlock(&w->engine_lock);
}

void writer_listen(struct writer *w, changes_fn fn, void *ctx)
{
	pthread_mutex_lock(&w->listen_lock);
	w->tell = fn;
	w->tell_ctx = ctx;
	pthread_mutex_unlock(&w->listen_lock);
}

int writer_health(struct writer *w, struct err *err)
{
	int rc = 0;
	pthread_mutex_lock(&w->lock);
	if (w->failing)
		rc = err_set(err, w->why.code, "%s", w->why.text);
	else if (w->stopping)
		rc = err_set(err, ERR_BUSY, "the collector is stopping");
	pthread_mutex_unlock(&w->lock);
	return rc;
}

void writer_stats(struct writer *w, struct hub_stats *ret)
{
	pthread_mutex_lock(&w->lock);
	*ret = w->stats;
	ret->queue_batches = w->queue.n;
	ret->queue_bytes = w->queue.bytes;
	pthread_mutex_unlock(&w->lock);
}
