/* writer_impl.h - what the files of the writer share: writer_up.c comes up, writer_group.c writes and folds,
 * writer.c waits, keeps house and is asked. Nobody else includes it. */
#ifndef COLLECTOR_WRITER_IMPL_H
#define COLLECTOR_WRITER_IMPL_H

#include <pthread.h>

#include "collector/entry_json.h"
#include "collector/writer.h"

#define SNAPSHOT_BYTES (1024 * 1024 * 1024)

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
	bool stopping, woken;
	int64_t group_since_us; /* boot; one is being written since then; 0: none is */
	bool failing; /* the store takes nothing */
	struct err why;
	struct store_retention retention;
	struct hub_stats stats;

	/* the thread's own; boot times unless they say otherwise */
	struct list kept; /* owed, and refused by the store so far */
	int64_t time_us;  /* wall: the journal's time has come this far; never falls */
	int64_t alive_us; /* wall: durably noted */
	int64_t failing_since_us, group_began_us, next_clock_log_us;
	int64_t next_alive_us, next_retry_us, next_prune_us, next_checkpoint_us, next_disk_us,
		next_progress_us;
	int64_t outs_since_us; /* INT64_MAX: nothing to store */
	int64_t snapshot_at_us, snapshot_position;
};

struct group {
	struct list list;
	int64_t now_us;
	struct err err; /* of the one checked work, or the last conflict */
};

void list_init(struct list *l);
void list_add(struct list *l, struct work *w);
struct work *list_take(struct list *l);             /* NULL: empty */
void list_put_back(struct list *a, struct list *b); /* all of b in front of a; b is empty afterwards */

int64_t writer_now(struct writer *w); /* the journal's time: wall, never falls */
/* The collector was away: the time since its last sign counts against nobody. In front of everything else
 * owed. */
void owe_collector_entry(struct writer *w, int64_t down_since_us);
void refuse(struct work *work, int rc, const struct err *err);
/* why NULL: it works. Ends the process after a failed fsync. */
void set_failing(struct writer *w, const struct err *why);
bool snapshot_is_due(const struct writer *w, bool now);
bool changes_what_is_accepted(const struct work *w);
/* Writes, folds, answers; everything in g->list is done or kept afterwards. last: with a snapshot. */
void run_group(struct writer *w, struct group *g, bool last);
void writer_tell(struct writer *w);

#endif
