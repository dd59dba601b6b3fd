/* spool.h - sealed batches on disk until the collector says they are durable there. SQLite in WAL mode,
 * synchronous=FULL.
 *
 * Any thread may call anything. spool_put() only copies into a bounded queue and never waits for the disk, so
 * that fsync does not stretch the times of the probes that are under way; a thread of the spool's own commits
 * what is queued in groups. spool_next() shows a batch only once it is committed. Should the disk refuse
 * (full, read-only), batches stay in the queue and are shown from there: sending from memory is better than
 * losing.
 *
 * Bounded: over max_bytes or max_age_us the oldest batches go, are counted in results, and leave their range
 * behind. The count survives restarts. Loss is never silent. */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

#include "base/buf.h"

#define SPOOL_QUEUE_BYTES                                                                                    \
	(8 * 1024 * 1024) /* waiting for the disk; over it the oldest of them are lost, and counted */

struct spool;

struct spool_limits {
	int64_t max_bytes; /* of sealed batches, 64 bytes of bookkeeping each included */
	int64_t max_age_us;
};

struct spool_batch {
	int64_t position; /* given by spool_put(); rises */
	uint64_t epoch, number;
	uint32_t raw_size; /* as batch_seal() said */
	uint32_t n_results;
	uint64_t boot_id; /* which boot the two below belong to */
	int64_t sealed_boot_us, sealed_wall_us;
	struct str body; /* sealed bytes */
};

struct spool_stats {
	uint64_t batches, bytes; /* not yet acknowledged, queue included */
	uint64_t lost_results;   /* since the file was made */
	int64_t lost_from_us,
		lost_to_us; /* sealed_wall_us of the first and last batch lost; 0 when none was */
	bool disk_failing;
	struct err disk_err; /* why, when disk_failing */
};

/* Makes dir when its parent exists. ERR_BUSY: another process has it. ERR_CORRUPT: spool_set_aside() and open
 * again. */
MUST_USE int spool_open(
	const char *dir, const struct spool_limits *limits, struct spool **ret, struct err *err);
/* Commits what is queued, if the disk lets it, and ends the thread. NULL is fine. */
void spool_close(struct spool *sp);
/* Renames a damaged file, for somebody to look at; the next spool_open() starts empty. */
MUST_USE int spool_set_aside(const char *dir, struct err *err);
void spool_set_limits(struct spool *sp, const struct spool_limits *limits);

/* Borrows b for the call. ERR_TOO_BIG: over BATCH_PACKED_MAX, not taken. */
MUST_USE int spool_put(struct spool *sp, const struct spool_batch *b, struct err *err);
/* Returns when everything put before is on disk, or after timeout_us: ERR_TIMEOUT, or what the disk said. */
MUST_USE int spool_flush(struct spool *sp, int64_t timeout_us, struct err *err);

/* The batch next to `position` that is still here, newer or older than it. Its bytes go to body, ret->body
 * borrows them. ERR_NOT_FOUND: there is none. */
enum spool_way { SPOOL_NEWER, SPOOL_OLDER };
MUST_USE int spool_next(struct spool *sp, enum spool_way way, int64_t position, struct spool_batch *ret,
	struct buf *body, struct err *err);
/* Just behind the newest batch that spool_next() shows: all of those are older than this, all that come later
 * are not. */
int64_t spool_end(struct spool *sp);
/* The collector has it. Deleted with the next group: should we be killed before, it is sent again, which is
 * harmless. */
void spool_drop(struct spool *sp, int64_t position);

void spool_stats(struct spool *sp, struct spool_stats *ret);
/* An eventfd, readable when there is something new for spool_next(); read it to arm it again. */
int spool_fd(const struct spool *sp);

#endif
