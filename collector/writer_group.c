/* writer_group.c - see writer.h: one group of works, from BEGIN to the answers. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/writer_impl.h"

#define FOLD_SLICE 16 /* entries folded under one hold of the lock: readers get in between */

/* -- when the store refuses -- */

void set_failing(struct writer *w, const struct err *why)
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
		w->next_retry_us = clock_boot_us() + w->o.retry_us;
	if (began) {
		w->failing_since_us = clock_boot_us();
		log_error("store_refuses",
			"err=\"%s\" nothing is acknowledged, agents keep their results; trying again",
			why->text);
	}
	if (ended)
		log_info("store_takes", "after_s=%" PRId64 " acknowledging again",
			(clock_boot_us() - w->failing_since_us) / US_PER_S);
}

/* -- one group -- */

bool changes_what_is_accepted(const struct work *w)
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

bool snapshot_is_due(const struct writer *w, bool now)
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
		if (work->batch)
			entry_batch_event(&work->entry, work->batch, &ev);
		else
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

void writer_tell(struct writer *w)
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

void refuse(struct work *work, int rc, const struct err *err)
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
	writer_tell(w);
	w->outs_since_us = outs_unstored(w->outs) > 0 ? clock_boot_us() : INT64_MAX;
}

/* For whoever asks meanwhile: a disk may let a call wait for as long as it likes. */
static void note_group(struct writer *w, int64_t since_us)
{
	pthread_mutex_lock(&w->lock);
	w->group_since_us = since_us;
	pthread_mutex_unlock(&w->lock);
}

/* Writes, folds, answers. Everything in g->list is done or kept afterwards. */
void run_group(struct writer *w, struct group *g, bool last)
{
	struct err err = { 0 };
	int64_t began_us = clock_boot_us();
	bool snapshot = snapshot_is_due(w, last);
	w->group_began_us = began_us;
	g->now_us = writer_now(w);
	note_group(w, began_us);
	int rc = write_group(w, g, snapshot, &err);
	note_group(w, 0);
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
