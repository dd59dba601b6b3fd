/* hub.h - what the collector's threads hand each other. The only header http/ needs from the rest of the collector.
 *
 *   main    starts and stops the rest; reloads
 *   recv    owns the nng socket; decodes and checks; never blocks: a full queue answers Busy
 *   writer  owns the writing store and, under the lock, the engine: appends, commits, folds, then acknowledges and tells
 *   http    libmicrohttpd; reads the engine under the read lock; SQL goes to a worker with a read-only store and a deadline
 *
 * Nothing is dropped in silence. */
#ifndef COLLECTOR_HUB_H
#define COLLECTOR_HUB_H

#include "collector/engine/view.h"
#include "collector/store.h"

struct hub;

/* -- reading the engine: short, no I/O while held -- */
const struct engine *hub_read(struct hub *h);
void hub_read_done(struct hub *h);

/* -- telling the journal: blocks until the entry is durable and folded, or refused. Any thread but writer and recv --
 * json is what entry_from_body() made. ERR_NOT_FOUND, ERR_EXISTS, ERR_NONSENSE: the engine refuses it, nothing was written.
 * ERR_FULL, ERR_IO, ERR_TIMEOUT: not durable; try again. */
MUST_USE int hub_submit(struct hub *h, enum entry_kind kind, struct str service, struct str json, int64_t timeout_us, struct err *err);

/* -- changes, told by the writer after the fold, outside the lock, in order -- */
#define CHANGES(X) X(CELL, "cell") X(DEPLOY, "deploy") X(PURGE, "purge") X(AGENT, "agent") X(SERVICE, "service") X(NOTICE, "notice") X(INCIDENT, "incident")
#define X(id, name) CHANGE_##id,
enum change_kind { CHANGES(X) CHANGE_COUNT };
#undef X
const char *change_kind_name(enum change_kind k);
struct change {
	enum change_kind kind;
	struct out_key key;   /* the event's id on the stream: "position.seq" */
	struct str service;
	struct str id;        /* of a deploy; empty else */
	struct str json;      /* one object, as view.h writes it */
};
/* At most one listener; must not block. NULL ends it (returns only when no call is under way). */
void hub_listen(struct hub *h, void (*on_changes)(void *ctx, const struct change *c, size_t n), void *ctx);

/* -- agents' credentials -- */
/* Makes an agent, or gives an enrolled one a new token beside the old (rotate). token is shown once and kept hashed. */
MUST_USE int hub_agent_enroll(struct hub *h, struct str name, struct str region, char token[TOKEN_TEXT_MAX], struct err *err); /* ERR_EXISTS */
MUST_USE int hub_agent_rotate(struct hub *h, struct str name, char token[TOKEN_TEXT_MAX], struct err *err);                    /* ERR_NOT_FOUND */
MUST_USE int hub_agent_revoke(struct hub *h, struct str name, struct err *err);

/* -- operations -- */
MUST_USE int hub_reload(struct hub *h, struct err *err); /* a bad file keeps the old configuration */
/* 0 when everything needed to take results works; else why not, in one sentence. */
MUST_USE int hub_ready(struct hub *h, struct err *err);
/* Read-only store for a worker; the caller closes it. */
MUST_USE int hub_open_store(struct hub *h, struct store **ret, struct err *err);

struct hub_stats { /* since start, unless it says otherwise */
	int64_t started_at_us;
	uint64_t entries, batches, duplicates, conflicts, results, refused_messages, busy_answers, denied;
	uint64_t handshakes_failed, agent_connections_refused, agent_connections_crowded_out;
	size_t agent_connections; /* now, greeted or not */
	uint64_t commits, commit_errors, snapshots;
	int64_t commit_last_us, commit_max_us;
	size_t queue_batches, queue_bytes;   /* now */
	size_t agents_connected;             /* now */
	uint64_t agent_lost_results;         /* sum of what agents' spools had to drop */
	uint64_t agent_held_back;            /* sum of the probes that agents' own caps held back */
	uint64_t agent_refused;              /* endpoints that agents do not probe; now */
	int64_t disk_bytes;                  /* now */
	bool last_reload_ok;
	int64_t last_reload_at_us;
	int64_t last_snapshot_at_us, journal_position;
};
void hub_stats(struct hub *h, struct hub_stats *ret);
/* Members of this agent's object: what it does not do of what it was asked for. See fleet_shortfall_json(). */
void hub_agent_shortfall(struct hub *h, struct str name, struct buf *out);

#endif
