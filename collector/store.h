/* store.h - the journal on disk and what is derived from it; the only door to a database. store_sqlite.c is the embedded default.
 * One thread owns a writing store (all writes and all checkpoints go through that one connection); any thread may open its own
 * read-only store. Entries are safe on disk once store_commit() has returned 0, and not before. Times: microseconds. */
#ifndef COLLECTOR_STORE_H
#define COLLECTOR_STORE_H

#include "base/buf.h"
#include "base/sha256.h"
#include "collector/engine/engine.h"

/* ENTRY_BATCH's bytes are a sealed batch; every other kind's are the JSON object that replay reads (entry_json.h).
 * The order is on disk: kinds are only ever added at the end. */
#define ENTRY_KINDS(X)                                                                  \
	X(SERVICE, "service") X(DEPLOY, "deploy") X(DEPLOY_PATCH, "deploy_patch") X(PURGE, "purge") \
	X(PURGE_PATCH, "purge_patch") X(BATCH, "batch") X(AGENT, "agent") X(MESH, "mesh")        \
	X(ROLLOUT, "rollout") X(PODS, "pods") X(COLLECTOR, "collector") X(CLOCK, "clock") X(OBSERVATION, "observation")
#define X(id, name) ENTRY_##id,
enum entry_kind { ENTRY_KINDS(X) ENTRY_KIND_COUNT };
#undef X
const char *entry_kind_name(enum entry_kind k);
bool entry_kind_from(struct str name, enum entry_kind *ret);

struct entry {
	int64_t position;       /* given by store_append */
	int64_t received_at_us;
	enum entry_kind kind;
	struct str service;     /* empty where it concerns none */
	struct str bytes;
	/* ENTRY_BATCH only */
	struct str agent, region;
	uint64_t epoch, number;
	uint32_t raw_size;
	int64_t clock_offset_us; /* already decided: added to every observed_at */
	int64_t clock_uncertainty_us;
};

struct store;
enum store_mode { STORE_WRITE, STORE_READ };
/* uri: "sqlite:PATH" or a path. Creates and migrates when writing. ERR_CORRUPT: damaged or another program's, and what to
 * do. ERR_BUSY: another collector writes to it. ERR_UNSUPPORTED: a newer schema. ERR_NOT_FOUND: reading, and no file. */
MUST_USE int store_open(const char *uri, enum store_mode mode, struct store **ret, struct err *err);
void store_close(struct store *st); /* NULL is fine; an open group is rolled back */
/* An fsync failed: what the disk holds is unknown and nothing more will be written. Close, exit, start again: agents send
 * again what was not acknowledged. Every other ERR_IO and ERR_FULL may pass by itself. */
bool store_must_close(const struct store *st);

/* -- the writer -- */
MUST_USE int store_begin(struct store *st, struct err *err);
/* Appends to the open group and sets e->position; e->received_at_us is raised to the largest so far, since it never falls.
 * A batch seen before with the same bytes: 0, *ret_duplicate true, nothing appended (e is as it was). With other bytes:
 * ERR_EXISTS, and the group goes on. Any other error: the whole group is gone; begin it again later. */
MUST_USE int store_append(struct store *st, struct entry *e, bool *ret_duplicate, struct err *err);
MUST_USE int store_mark_alive(struct store *st, int64_t now_us, struct err *err); /* inside a group: time has durably come this far */
MUST_USE int store_commit(struct store *st, struct err *err);
void store_rollback(struct store *st);
/* Inside a group; the same key again is harmless. */
MUST_USE int store_put_transition(struct store *st, const struct transition *t, struct err *err);
/* Headers as they came, of one answer of a cell (at most OBS_EVIDENCE_MAX bytes; the agent has struck secrets out). The newest of
 * each version and status is kept as long as batches are; a transition put after it keeps a copy of the one it belongs to. */
struct cell_evidence {
	struct str service, endpoint, edge, version, agent, block;
	int status;
	int64_t at_us; /* observed */
};
MUST_USE int store_put_evidence(struct store *st, const struct cell_evidence *ev, struct err *err);
MUST_USE int store_put_verdict(struct store *st, const struct deploy_change *c, struct err *err);
MUST_USE int store_put_snapshot(struct store *st, int64_t position, int64_t now_us, struct str bytes, struct err *err);
/* Deletes a small step of what is older and covered by the older of two snapshots; *ret_more: call again. In the open
 * group, or in one of its own. Of each service the newest configuration and the last two deploys stay. */
struct store_retention {
	int64_t observations_us, events_us, transitions_us;
};
MUST_USE int store_prune(struct store *st, const struct store_retention *r, int64_t now_us, bool *ret_more, struct err *err);
/* Moves the WAL into the database and empties it, as far as readers let it; outside a group. */
MUST_USE int store_checkpoint(struct store *st, struct err *err);

/* -- agents' credentials: two valid tokens at a time, hashed; in the open group, or in one of its own -- */
struct agent_record {
	struct str name, region;
	struct sha256 token, token_old;
	bool has_old, revoked;
	int64_t enrolled_at_us;
};
MUST_USE int store_put_agent(struct store *st, const struct agent_record *a, struct err *err);
MUST_USE int store_each_agent(struct store *st, int (*each)(void *ctx, const struct agent_record *a), void *ctx, struct err *err);

/* -- reading -- */
MUST_USE int store_snapshot(struct store *st, struct buf *ret_bytes, int64_t *ret_position, struct err *err); /* ERR_NOT_FOUND */
/* nth 0 is the newest; two are kept, for when the newest cannot be loaded. */
MUST_USE int store_snapshot_nth(struct store *st, size_t nth, struct buf *ret_bytes, int64_t *ret_position, struct err *err);
int64_t store_alive_at_us(struct store *st); /* TIME_NONE: never */
int64_t store_last_position(struct store *st);
int64_t store_last_received_us(struct store *st); /* TIME_NONE: empty */
/* Entries with position > after, in order; each() returning nonzero ends it and is returned. Borrowed for the call. */
MUST_USE int store_each_entry(struct store *st, int64_t after, int (*each)(void *ctx, const struct entry *e), void *ctx, struct err *err);
/* The newest entry of this kind of each service, in order. */
MUST_USE int store_each_newest(struct store *st, enum entry_kind kind, int (*each)(void *ctx, const struct entry *e), void *ctx,
	struct err *err);
/* Batches of a service with received_at in [from, to), for a cell's history. */
MUST_USE int store_each_batch(struct store *st, struct str service, int64_t from_us, int64_t to_us,
	int (*each)(void *ctx, const struct entry *e), void *ctx, struct err *err);
/* By time; empty names match all, limit 0 is none. Borrowed for the call, which must be quick: it is inside a read. */
MUST_USE int store_each_transition(struct store *st, struct str service, struct str endpoint, struct str edge, int64_t from_us, int64_t to_us,
	size_t limit, int (*each)(void *ctx, const struct transition *t), void *ctx, struct err *err);
/* What belongs to a transition: one or none. May be called inside store_each_transition's each(). */
MUST_USE int store_transition_evidence(struct store *st, const struct transition *t,
	int (*each)(void *ctx, const struct cell_evidence *ev), void *ctx, struct err *err);
/* What a cell answered last, of each version and status, newest first. */
MUST_USE int store_each_evidence(struct store *st, struct str service, struct str endpoint, struct str edge, size_t limit,
	int (*each)(void *ctx, const struct cell_evidence *ev), void *ctx, struct err *err);
/* Changes of verdict with position > after, in order of position and seq. */
MUST_USE int store_each_verdict(struct store *st, int64_t after, int (*each)(void *ctx, const struct deploy_change *c), void *ctx,
	struct err *err);
void store_set_deadline(struct store *st, int64_t boot_deadline_us); /* read statements give up after it: ERR_TIMEOUT */
/* Walks the whole database; a sentence for each thing that is wrong, at most twenty. ERR_CORRUPT, and what to do. */
MUST_USE int store_check(struct store *st, void (*each)(void *ctx, struct str complaint), void *ctx, struct err *err);
/* A copy, durable on return: the state of one moment, whoever writes meanwhile. ERR_EXISTS: a file `to` is there, and stays. */
MUST_USE int store_backup(struct store *st, const char *to, struct err *err);
/* "batches", "entries", "transitions", "verdicts", "snapshots", "agents", "evidence", "transition_evidence", "ranges" (of pruned batches), and "results", which unpacks every batch: for tests
 * and checks, as all of them walk a table. -1: not known, or not readable. */
int64_t store_count(struct store *st, const char *what);
int64_t store_disk_bytes(struct store *st);              /* database and WAL */

#endif
