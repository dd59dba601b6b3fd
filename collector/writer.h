/* writer.h - the one thread that owns the writing store and, under a lock, the engine: takes work from a
 * bounded queue, appends it in groups, commits, folds, then says done and tells the changes. Nothing is
 * acknowledged before its COMMIT.
 *
 * Time: received_at is given here and never falls. Timers of the engine fire only up to a moment that a
 * committed group has noted (store_mark_alive), so that a restart fires exactly the same ones again, and what
 * came about is keyed the same.
 *
 * A full or read-only disk: work is refused with the reason, and the writer tries again by itself. When it
 * works again the journal gets a collector entry, as after a restart: time without a journal counts against
 * nobody. A failing fsync ends the process: what the disk holds is unknown from then on. */
#ifndef COLLECTOR_WRITER_H
#define COLLECTOR_WRITER_H

#include "collector/hub.h"
#include "collector/outs.h"

#define WRITER_QUEUE_MAX   4096               /* works of agents waiting */
#define WRITER_QUEUE_BYTES (64 * 1024 * 1024) /* and their bytes */
#define WRITER_GROUP_MAX   256                /* works of one commit */
#define WRITER_GROUP_BYTES (8 * 1024 * 1024)
#define WRITER_PACE_US                                                                                       \
	(5 * US_PER_MS) /* between the beginnings of two commits: one batch is durable at once, many share   \
			 */
#define WRITER_RETRY_US       US_PER_S       /* while the store refuses */
#define WRITER_OUTAGE_US      (5 * US_PER_S) /* shorter ones fit into the lateness that spools have anyway */
#define WRITER_ALIVE_US       (5 * US_PER_S) /* an idle collector notes this often that it is there */
#define WRITER_STUCK_US (10 * US_PER_S) /* a group that takes longer: not ready */
#define WRITER_FLUSH_US       (200 * US_PER_MS) /* transitions wait this long for a group to ride in */
#define WRITER_PROGRESS_US    US_PER_S
#define WRITER_SNAPSHOT_US    (60 * US_PER_S)
#define WRITER_SNAPSHOT_EVERY 50000 /* entries */

enum work_kind {
	WORK_ENTRY,  /* append entry */
	WORK_RECORD, /* put record */
};
struct work {
	enum work_kind kind;
	struct entry entry; /* received_at and position are given by the writer; strings belong to who made
			       the work */
	struct agent_record record;
	/* Of ENTRY_BATCH, by who unsealed it to check it: folded as it is, once. NULL: entry.bytes are
	 * unsealed again. Is the work's, as entry's strings are; its bytes count where the queue's do. */
	struct batch *batch;
	size_t batch_bytes;
	uint32_t n_results;
	bool checked; /* refused, and not written, when the engine would not accept it */
	bool at_once; /* somebody waits: does not wait for more to come */
	bool owed;    /* is never refused: kept until the store takes it */
	/* Called once, by the writer: 0 when durable and folded; ERR_EXISTS: that batch number came with
	 * other bytes; ERR_FULL, ERR_IO, ERR_BUSY: not durable, try again; the engine's refusals. The work is
	 * theirs again. */
	void (*done)(struct work *w, int rc, bool duplicate, const struct err *err);
	/* below: writer.c's */
	struct work *next;
	size_t bytes;
	int rc;
	bool duplicate, appended;
};

struct writer_options {
	const char *store; /* uri */
	struct store_retention retention;
	void *ctx;
	/* An entry that the collector itself owes the journal, made when the writer has room; NULL: none. May
	 * be NULL. */
	struct work *(*owed)(void *ctx);
	/* An entry was folded and is durable. By the writer, outside the lock; may be NULL. */
	void (*folded)(void *ctx, enum entry_kind kind, struct str service);
	int64_t snapshot_us, snapshot_every, retry_us, outage_us; /* 0: as defined above */
};

struct writer;
/* Opens the store and brings the engine to where the journal is: snapshot, then every entry after it. */
MUST_USE int writer_open(const struct writer_options *o, struct writer **ret, struct err *err);
void writer_start(struct writer *w);
/* Takes what is queued to the end, writes a snapshot, ends the thread. */
void writer_stop(struct writer *w);
void writer_close(struct writer *w); /* NULL is fine */

/* Takes w. ERR_BUSY: the queue is full; ERR_FULL, ERR_IO: the store takes nothing now. owed works are always
 * taken. */
MUST_USE int writer_push(struct writer *w, struct work *work, struct err *err);
/* Takes it out again when it was not begun: true, and done() will not be called. */
bool writer_cancel(struct writer *w, struct work *work);
void writer_wake(struct writer *w); /* there may be something owed */
void writer_set_retention(struct writer *w, const struct store_retention *r);

const struct engine *writer_read(struct writer *w);
void writer_read_done(struct writer *w);
void writer_listen(struct writer *w, changes_fn tell, void *ctx);
/* 0: the store takes entries. */
MUST_USE int writer_health(struct writer *w, struct err *err);
void writer_stats(struct writer *w, struct hub_stats *ret); /* its part of it */

/* Before writer_start, while nobody else has the store: */
struct store *writer_store(struct writer *w);

#endif
