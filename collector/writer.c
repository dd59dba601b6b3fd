/* writer.c - see writer.h: the queue, the thread, house-keeping. */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/writer_impl.h"

#define PRUNE_US      (60 * US_PER_S)
#define PRUNE_STEP_US (200 * US_PER_MS)
#define CHECKPOINT_US (300 * US_PER_S)
#define DISK_US       (10 * US_PER_S)
#define CLOCK_LOG_US  (10 * US_PER_MIN)

/* -- lists -- */

void list_init(struct list *l)
{
	*l = (struct list){ .tail = &l->head };
}

void list_add(struct list *l, struct work *w)
{
	w->next = NULL;
	*l->tail = w;
	l->tail = &w->next;
	l->n++;
	l->bytes += w->bytes;
}

struct work *list_take(struct list *l)
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
void list_put_back(struct list *a, struct list *b)
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
	if (w->time_us > clock_wall_us() + US_PER_MIN && boot_us >= w->next_clock_log_us) {
		log_warn("clock_behind",
			"by_s=%" PRId64
			" the journal's time stands still until this machine's clock is there",
			(w->time_us - clock_wall_us()) / US_PER_S);
		w->next_clock_log_us = boot_us + CLOCK_LOG_US;
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

static bool is_large(const struct writer *w)
{
	return w->n_at_once > 0 || w->queue.n >= WRITER_GROUP_MAX / 4 ||
	       w->queue.bytes >= WRITER_GROUP_BYTES / 4;
}

static bool is_ripe(const struct writer *w, int64_t boot_us)
{
	return w->stopping || w->woken || is_large(w) ||
	       (w->queue.n > 0 && boot_us >= w->group_began_us + WRITER_PACE_US);
}

static void wait_for_work(struct writer *w)
{
	int64_t boot_us = clock_boot_us(), until_us = next_moment(w, boot_us);
	pthread_mutex_lock(&w->lock);
	while (!is_ripe(w, boot_us) && boot_us < until_us) {
		int64_t left_us = until_us - boot_us;
		if (w->queue.n > 0)
			left_us = MIN(left_us, w->group_began_us + WRITER_PACE_US - boot_us);
		left_us = MIN(left_us, US_PER_H);
		struct timespec at = clock_deadline(left_us);
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
		if (boot_us - w->failing_since_us > w->o.outage_us &&
			!(w->kept.head && w->kept.head->entry.kind == ENTRY_COLLECTOR))
			owe_collector_entry(w, w->alive_us);
	}
	fill_group(w, &g);
	int64_t now_us = writer_now(w);
	bool due = engine_next_due_us(w->engine) <= now_us || boot_us >= w->next_alive_us ||
		   snapshot_is_due(w, last) ||
		   (w->outs_since_us != INT64_MAX && boot_us >= w->outs_since_us + WRITER_FLUSH_US);
	if (g.list.n > 0 || due || w->failing || last)
		run_group(w, &g, last);
	else if (outs_progress(w->outs))
		writer_tell(w);
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
	return sizeof(*w) + w->entry.bytes.n + w->batch_bytes + 256;
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
		list_add(&w->queue, work);
		w->n_at_once += work->at_once;
		/* Once awake, the writer knows when to look again by itself; waking it for each would cost
		 * more than the work. */
		if (w->queue.n == 1 || is_large(w))
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
	int64_t waited_us = w->group_since_us ? clock_boot_us() - w->group_since_us : 0;
	if (w->failing)
		rc = err_set(err, w->why.code, "%s", w->why.text);
	else if (waited_us >= WRITER_STUCK_US)
		rc = err_set(err, ERR_TIMEOUT, "the disk has not answered for %" PRId64 " s; agents keep their results until it does",
			waited_us / US_PER_S);
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
