/* spool_db.h - the spool's file; the only place in the agent that speaks SQL. One thread at a time (spool.c
 * has the lock). */
#ifndef AGENT_SPOOL_DB_H
#define AGENT_SPOOL_DB_H

#include "agent/spool.h"

struct spool_lost { /* sealed_wall_us of the first and last batch; 0 when results is 0 */
	uint64_t results;
	int64_t from_us, to_us;
};
void spool_lost_add(struct spool_lost *l, uint64_t results, int64_t from_us, int64_t to_us);

struct spool_db;
MUST_USE int spool_db_open(const char *dir, struct spool_db **ret, struct err *err);
void spool_db_close(struct spool_db *db);

/* What the file holds, as of the last commit. */
struct spool_count {
	uint64_t batches, bytes;
	struct spool_lost lost;
	int64_t last_position; /* 0: empty */
};
struct spool_count spool_db_count(const struct spool_db *db);

/* One group: begin, any of the others, commit. After an error the group is gone: begin again. */
MUST_USE int spool_db_begin(struct spool_db *db, struct err *err);
MUST_USE int spool_db_insert(struct spool_db *db, const struct spool_batch *b, struct err *err);
MUST_USE int spool_db_delete(struct spool_db *db, int64_t position, struct err *err); /* not there: fine */
MUST_USE int spool_db_lose(struct spool_db *db, const struct spool_lost *lost, struct err *err);
/* Deletes the oldest batches over the limits and counts them as lost. */
MUST_USE int spool_db_trim(struct spool_db *db, const struct spool_limits *limits, struct err *err);
MUST_USE int spool_db_commit(struct spool_db *db, struct err *err);
void spool_db_rollback(struct spool_db *db);

MUST_USE int spool_db_next(struct spool_db *db, enum spool_way way, int64_t position, struct spool_batch *ret,
	struct buf *body, struct err *err);
/* Gives a little of what is free in the file back to the system. */
void spool_db_shrink(struct spool_db *db);

/* Tests only: the i-th statement's text (NULL: there are no more), and what all of them together took since
 * this was asked last, in SQLite's own steps. */
const char *spool_db_test_sql(size_t i);
int64_t spool_db_test_steps(struct spool_db *db);

#define SPOOL_ROW_BYTES 64 /* bookkeeping of one batch, as the limits count it */

#endif
