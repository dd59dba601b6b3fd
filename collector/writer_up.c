/* writer_up.c - see writer.h: from the file to an engine that is where the journal is. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/writer_impl.h"

int64_t writer_now(struct writer *w)
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
	if (rc == 0)
		outs_evidence(r->w->outs, &ev);
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
		log_debug("collector_entry_lost", "err=\"%s\" the next start owes it again", err->text);
	free((char *)w->entry.bytes.p);
	free(w);
}

/* The collector was away: the time since its last sign counts against nobody. */
void owe_collector_entry(struct writer *w, int64_t down_since_us)
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
	w->o.retry_us = o->retry_us ? o->retry_us : WRITER_RETRY_US;
	w->o.outage_us = o->outage_us ? o->outage_us : WRITER_OUTAGE_US;
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
