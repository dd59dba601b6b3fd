#include "agent/spool.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/spool_db.h"
#include "agent/spool_queue.h"
#include "base/clock.h"
#include "proto/limits.h"

#define DROPS_PER_GROUP 64    /* so many acknowledged are worth a commit of their own */
#define DROPS_MAX       65536 /* behind a disk that refuses; over it a few are sent again, which is harmless */
#define DROPS_WAIT_US   US_PER_S
#define RETRY_US        US_PER_S /* after the disk said no */
#define TRIM_EVERY_US   (30 * US_PER_S)
#define GROUP_BYTES     (2 * 1024 * 1024)

struct spool {
	/* the file: the writer thread, and spool_next() */
	pthread_mutex_t db_lock; /* taken before lock where both are */
	struct spool_db *db;

	/* everything below: under lock, which nobody keeps while the disk works */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* something to write, something written, or stop */
	struct spool_queue waiting,
		writing; /* writing: the group the writer thread has in hand; only it touches the members */
	int64_t next_position;
	struct spool_drops drops; /* acknowledged, not yet deleted */
	size_t n_drops_on_disk;   /* of them: of what the file holds */
	int64_t drops_since_us;
	struct spool_lost lost; /* by the queue's bound, not yet counted in the file */
	struct spool_count on_disk;
	struct spool_limits limits;
	bool limits_changed;
	int64_t retry_at_us, trimmed_at_us;
	bool disk_failing, stop;
	struct err disk_err;

	int fd;
	pthread_t thread;
};

static void announce(struct spool *sp)
{
	uint64_t one = 1;
	ssize_t n = write(sp->fd, &one, sizeof(one));
	(void)n; /* full means that it is readable already */
}

/* ---- writer thread ---- */

/* One group into the file. The members of writing and drops are ours to read without the lock. */
static int write_group(struct spool *sp, const int64_t *drops, size_t n_drops, const struct spool_lost *lost,
	const struct spool_limits *limits, struct err *err)
{
	int rc = spool_db_begin(sp->db, err);
	for (size_t i = 0; rc == 0 && i < n_drops; i++)
		rc = spool_db_delete(sp->db, drops[i], err);
	for (size_t i = sp->writing.head; rc == 0 && i < sp->writing.tail; i++)
		rc = spool_db_insert(sp->db, &sp->writing.slots[i].e->b, err); /* none was taken out */
	if (rc == 0)
		rc = spool_db_lose(sp->db, lost, err);
	if (rc == 0)
		rc = spool_db_trim(sp->db, limits, err);
	if (rc == 0)
		rc = spool_db_commit(sp->db, err);
	if (rc < 0)
		spool_db_rollback(sp->db);
	return rc;
}

/* Under lock: when should the writer thread act at the latest? INT64_MIN: now. */
static int64_t due_at_us(const struct spool *sp)
{
	int64_t due = sp->trimmed_at_us + TRIM_EVERY_US;
	if (sp->waiting.n || sp->limits_changed || sp->drops.n >= DROPS_PER_GROUP)
		due = INT64_MIN;
	else if (sp->drops.n)
		due = MIN(due, sp->drops_since_us + DROPS_WAIT_US);
	return sp->disk_failing ? MAX(due, sp->retry_at_us) : due;
}

static void take_group(struct spool *sp)
{
	while (sp->waiting.n && sp->writing.bytes < GROUP_BYTES)
		spool_queue_push(&sp->writing, spool_queue_pop(&sp->waiting));
}

/* Under lock: the group did not get written; it goes back to the front of the queue, but for what was
 * acknowledged since. */
static void give_group_back(struct spool *sp)
{
	int64_t end = INT64_MAX;
	for (struct queued *e; (e = spool_queue_next(&sp->writing, SPOOL_OLDER, end)); end = e->b.position) {
		if (spool_drops_has(&sp->drops, e->b.position))
			continue;
		INVARIANT(spool_queue_take(&sp->writing, e->b.position) == e);
		spool_queue_push(&sp->waiting, e);
	}
	spool_queue_fini(&sp->writing);
}

static void keep_queue_bounded(struct spool *sp)
{
	while (sp->waiting.bytes + sp->writing.bytes > SPOOL_QUEUE_BYTES && sp->waiting.n > 1) {
		struct queued *e = spool_queue_pop(&sp->waiting);
		spool_lost_add(&sp->lost, e->b.n_results, e->b.sealed_wall_us, e->b.sealed_wall_us);
		free(e);
	}
}

/* Called and returns with the lock held; lets go of it while the disk works. */
static void write_once(struct spool *sp)
{
	struct err err = { 0 };
	pthread_mutex_unlock(&sp->lock);
	pthread_mutex_lock(
		&sp->db_lock); /* first: spool_next() must not look while a group is in neither place */
	pthread_mutex_lock(&sp->lock);
	take_group(sp);
	size_t n_drops = sp->drops.n;
	struct spool_lost lost = sp->lost;
	struct spool_limits limits = sp->limits;
	int64_t *drops =
		mem_new_array(n_drops, sizeof(*drops)); /* the array may move while the lock is open */
	if (n_drops)
		memcpy(drops, sp->drops.at, n_drops * sizeof(*drops));
	sp->limits_changed = false;
	pthread_mutex_unlock(&sp->lock);

	int rc = write_group(sp, drops, n_drops, &lost, &limits, &err);
	if (rc == 0 && n_drops)
		spool_db_shrink(sp->db);
	struct spool_count count = spool_db_count(sp->db);
	free(drops);

	pthread_mutex_lock(&sp->lock); /* before db_lock goes: spool_next() must not see a batch in neither
					  place, or in both */
	if (rc == 0) {
		spool_queue_fini(&sp->writing);
		spool_drops_forget(&sp->drops, n_drops);
		sp->drops_since_us = clock_boot_us();
		sp->lost.results -= lost.results; /* what came meanwhile waits for the next group */
		sp->on_disk = count;
		sp->n_drops_on_disk = 0;
		for (size_t i = 0; i < sp->drops.n; i++) /* came while the disk worked: a few */
			sp->n_drops_on_disk += sp->drops.at[i] <= count.last_position;
	} else {
		give_group_back(sp);
		keep_queue_bounded(sp);
		sp->disk_err = err;
		sp->retry_at_us = clock_boot_us() + RETRY_US;
	}
	sp->disk_failing = rc < 0;
	sp->trimmed_at_us = clock_boot_us();
	pthread_mutex_unlock(&sp->db_lock);
	announce(sp);
	pthread_cond_broadcast(&sp->changed);
}

static void wait_until(struct spool *sp, int64_t boot_us)
{
	struct timespec at = clock_deadline(MIN(boot_us - clock_boot_us(), 60 * US_PER_S));
	pthread_cond_timedwait(&sp->changed, &sp->lock, &at);
}

static void *writer_main(void *arg)
{
	struct spool *sp = arg;
	pthread_mutex_lock(&sp->lock);
	for (;;) {
		int64_t due = due_at_us(sp);
		bool last = sp->stop;
		if (last && sp->waiting.n == 0 && sp->drops.n == 0 && sp->lost.results == 0)
			break;
		if (last || due <= clock_boot_us()) {
			write_once(sp);
			if (last && sp->disk_failing)
				break;
		} else {
			wait_until(sp, due);
		}
	}
	pthread_mutex_unlock(&sp->lock);
	return NULL;
}

/* ---- what others call ---- */

static void init_locks(struct spool *sp)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&sp->lock, NULL);
	pthread_mutex_init(&sp->db_lock, NULL);
	pthread_cond_init(&sp->changed, &attr);
	pthread_condattr_destroy(&attr);
}

int spool_open(const char *dir, const struct spool_limits *limits, struct spool **ret, struct err *err)
{
	struct spool_db *db;
	int rc = spool_db_open(dir, &db, err);
	if (rc < 0)
		return rc;
	struct spool *sp = mem_new(sizeof(*sp));
	sp->db = db;
	sp->limits = *limits;
	sp->limits_changed = true;
	sp->on_disk = spool_db_count(db);
	sp->next_position = sp->on_disk.last_position + 1;
	sp->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	init_locks(sp);
	if (sp->fd < 0 || pthread_create(&sp->thread, NULL, writer_main, sp) != 0) {
		rc = err_set(err, ERR_IO, "spool: no thread or eventfd: %s", strerror(errno));
		if (sp->fd >= 0)
			close(sp->fd);
		spool_db_close(db);
		free(sp);
		return rc;
	}
	*ret = sp;
	return 0;
}

void spool_close(struct spool *sp)
{
	if (sp == NULL)
		return;
	pthread_mutex_lock(&sp->lock);
	sp->stop = true;
	pthread_cond_broadcast(&sp->changed);
	pthread_mutex_unlock(&sp->lock);
	pthread_join(sp->thread, NULL);
	spool_db_close(sp->db);
	spool_queue_fini(&sp->waiting);
	spool_queue_fini(&sp->writing);
	pthread_cond_destroy(&sp->changed);
	pthread_mutex_destroy(&sp->lock);
	pthread_mutex_destroy(&sp->db_lock);
	close(sp->fd);
	spool_drops_fini(&sp->drops);
	free(sp);
}

int spool_set_aside(const char *dir, struct err *err)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	int64_t now_s = clock_wall_us() / US_PER_S;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char from[4096], to[4096];
		snprintf(from, sizeof(from), "%s/spool.db%s", dir, suffixes[i]);
		snprintf(to, sizeof(to), "%s/spool.damaged-%" PRId64 ".db%s", dir, now_s, suffixes[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			return err_set(err, ERR_IO, "spool: cannot rename %s: %s", from, strerror(errno));
	}
	return 0;
}

void spool_set_limits(struct spool *sp, const struct spool_limits *limits)
{
	pthread_mutex_lock(&sp->lock);
	sp->limits = *limits;
	sp->limits_changed = true;
	pthread_cond_broadcast(&sp->changed);
	pthread_mutex_unlock(&sp->lock);
}

int spool_put(struct spool *sp, const struct spool_batch *b, struct err *err)
{
	if (b->body.n > BATCH_PACKED_MAX)
		return err_set(err, ERR_TOO_BIG, "spool: a batch of %zu bytes, limit is %d", b->body.n,
			BATCH_PACKED_MAX);
	struct queued *e = queued_new(b);
	pthread_mutex_lock(&sp->lock);
	e->b.position = sp->next_position++;
	spool_queue_push(&sp->waiting, e);
	keep_queue_bounded(sp);
	if (sp->disk_failing)
		announce(sp); /* it may be sent from here */
	pthread_cond_broadcast(&sp->changed);
	pthread_mutex_unlock(&sp->lock);
	return 0;
}

int spool_flush(struct spool *sp, int64_t timeout_us, struct err *err)
{
	int64_t until_us = clock_boot_us() + timeout_us;
	int rc = 0;
	pthread_mutex_lock(&sp->lock);
	while (sp->waiting.n || sp->writing.n) {
		if (clock_boot_us() >= until_us) {
			rc = sp->disk_failing
				     ? err_set(err, sp->disk_err.code, "%s", sp->disk_err.text)
				     : err_set(err, ERR_TIMEOUT, "spool: the disk did not answer in time");
			break;
		}
		wait_until(sp, until_us);
	}
	pthread_mutex_unlock(&sp->lock);
	return rc;
}

static bool copy_from_queue(
	struct spool *sp, enum spool_way way, int64_t position, struct spool_batch *ret, struct buf *body)
{
	pthread_mutex_lock(&sp->lock);
	/* looked into only while the disk refuses; its positions are above all of the file's */
	struct queued *e = sp->disk_failing ? spool_queue_next(&sp->waiting, way, position) : NULL;
	if (e) {
		buf_clear(body);
		buf_add(body, e->b.body.p, e->b.body.n);
		*ret = e->b;
		ret->body = buf_str(body);
	}
	pthread_mutex_unlock(&sp->lock);
	return e != NULL;
}

static int copy_from_disk(struct spool *sp, enum spool_way way, int64_t position, struct spool_batch *ret,
	struct buf *body, struct err *err)
{
	bool dropped = true;
	while (dropped) {
		struct spool_batch b;
		int rc = spool_db_next(sp->db, way, position, &b, body, err);
		if (rc < 0)
			return rc;
		position = b.position;
		pthread_mutex_lock(&sp->lock);
		dropped = spool_drops_has(&sp->drops, position);
		pthread_mutex_unlock(&sp->lock);
		if (!dropped)
			*ret = b;
	}
	return 0;
}

int spool_next(struct spool *sp, enum spool_way way, int64_t position, struct spool_batch *ret,
	struct buf *body, struct err *err)
{
	int rc = 0;
	pthread_mutex_lock(&sp->db_lock); /* nothing moves from the queue to the file meanwhile */
	if (way == SPOOL_NEWER || !copy_from_queue(sp, way, position, ret, body))
		rc = copy_from_disk(sp, way, position, ret, body, err);
	if (rc == ERR_NOT_FOUND && way == SPOOL_NEWER && copy_from_queue(sp, way, position, ret, body))
		rc = 0;
	pthread_mutex_unlock(&sp->db_lock);
	return rc;
}

int64_t spool_end(struct spool *sp)
{
	pthread_mutex_lock(&sp->lock);
	/* what waits for the disk has a position already, but is not seen yet: it is newer than the end */
	int64_t end = sp->disk_failing ? sp->next_position : sp->on_disk.last_position + 1;
	pthread_mutex_unlock(&sp->lock);
	return end;
}

void spool_drop(struct spool *sp, int64_t position)
{
	pthread_mutex_lock(&sp->lock);
	/* what never got to the disk needs no deleting there */
	struct queued *e = sp->disk_failing ? spool_queue_take(&sp->waiting, position) : NULL;
	if (sp->drops.n == 0)
		sp->drops_since_us = clock_boot_us();
	if (e == NULL && sp->drops.n < DROPS_MAX && spool_drops_add(&sp->drops, position))
		sp->n_drops_on_disk += position <= sp->on_disk.last_position;
	free(e);
	pthread_cond_broadcast(&sp->changed);
	pthread_mutex_unlock(&sp->lock);
}

void spool_stats(struct spool *sp, struct spool_stats *ret)
{
	pthread_mutex_lock(&sp->lock);
	struct spool_lost lost = sp->on_disk.lost;
	spool_lost_add(&lost, sp->lost.results, sp->lost.from_us, sp->lost.to_us);
	uint64_t deleted_soon = sp->n_drops_on_disk; /* acknowledged, and still in the file */
	*ret = (struct spool_stats){
		.batches = sp->on_disk.batches - MIN(deleted_soon, sp->on_disk.batches) + sp->waiting.n +
			   sp->writing.n,
		.bytes = sp->on_disk.bytes + sp->waiting.bytes + sp->writing.bytes,
		.lost_results = lost.results,
		.lost_from_us = lost.from_us,
		.lost_to_us = lost.to_us,
		.disk_failing = sp->disk_failing,
		.disk_err = sp->disk_err,
	};
	pthread_mutex_unlock(&sp->lock);
}

int spool_fd(const struct spool *sp)
{
	return sp->fd;
}
