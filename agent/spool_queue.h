/* spool_queue.h - what the spool keeps in memory: batches that wait for the disk, and positions that were
 * acknowledged and not yet deleted. Nothing here costs more for a batch when there are many. Pure; the spool
 * has the lock. All zeros is an empty one of either. */
#ifndef AGENT_SPOOL_QUEUE_H
#define AGENT_SPOOL_QUEUE_H

#include "agent/spool.h"

/* ---- batches, oldest first; positions rise without being dense ---- */

struct queued {
	struct spool_batch b; /* its body is below */
	char bytes[];
};
struct queued *queued_new(const struct spool_batch *b); /* a copy; free() it */

struct spool_queue {
	struct queue_slot {
		int64_t position;
		struct queued *e; /* NULL: taken out of the middle */
	} * slots;
	size_t head, tail,
		cap;     /* slots[head] to slots[tail - 1] are in use; the first and the last never empty */
	size_t n, bytes; /* batches, and what the limits count of them */
};
/* Takes e. Its position is above all others, or, what comes back, below. */
void spool_queue_push(struct spool_queue *q, struct queued *e);
struct queued *spool_queue_pop(struct spool_queue *q);                    /* the oldest; NULL: empty */
struct queued *spool_queue_take(struct spool_queue *q, int64_t position); /* NULL: not here */
/* The one next to position; NULL: none. Stays in the queue. */
struct queued *spool_queue_next(const struct spool_queue *q, enum spool_way way, int64_t position);
void spool_queue_fini(struct spool_queue *q);

/* ---- positions, in the order they came, each once ---- */

struct spool_drops {
	int64_t *at; /* in order */
	size_t n, cap;
	int64_t *table; /* the same, hashed; 0: free */
	size_t n_table; /* a power of two, at least twice n; 0: none yet */
};
bool spool_drops_has(const struct spool_drops *d, int64_t position);
bool spool_drops_add(struct spool_drops *d, int64_t position); /* over 0; false: it was there */
void spool_drops_forget(struct spool_drops *d, size_t n);      /* the first n */
void spool_drops_fini(struct spool_drops *d);

#endif
