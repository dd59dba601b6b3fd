/* engine.h - what tidemark knows, as a pure fold over the journal: state = fold(snapshot, entries after it).
 * design/analysis words: ledger, cell states, convergence, propagation, verdicts. No clock, file, socket,
 * thread or log: a test reads `nm -u` against an allow-list. The caller serialises access. Work per
 * observation is O(1) amortised.
 *
 * Time comes with the entries: before an entry, every timer due by its received_at fires (a collector entry:
 * every timer due by its down_since; the rest move by the time it was down). Between entries engine_advance()
 * does the same. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/buf.h"
#include "collector/engine/event.h"

#define CELL_STATES(X)                                                                                       \
	X(NEVER_SEEN, "never_seen", "assigned, nothing came yet")                                            \
	X(SILENT, "silent", "its agents report nothing")                                                     \
	X(MOVED, "moved", "its agents are answered by other edges now")                                      \
	X(FAILING, "failing", "every agent's last three probes failed")                                      \
	X(FRESH, "fresh", "serves the deployed version")                                                     \
	X(STALE, "stale", "still serves an older version")                                                   \
	X(MIXED, "mixed", "answers old and new in turn")                                                     \
	X(AHEAD, "ahead", "serves a version that has not started")                                           \
	X(UNKNOWN, "unknown", "serves a version that no deploy names")
#define X(id, name, says) CELL_##id,
enum cell_state { CELL_STATES(X) CELL_STATE_COUNT };
#undef X
const char *cell_state_name(enum cell_state s);
bool cell_state_from(struct str name, enum cell_state *ret);

#define VERDICTS(X)                                                                                          \
	X(PENDING, "pending", "not live yet")                                                                \
	X(CONVERGING, "converging", "live; edges are coming along")                                          \
	X(VERIFIED, "verified", "every observed cell serves it")                                             \
	X(FAILED, "failed", "a wrong version or errors were seen at the deadline, or after")                 \
	X(INCONCLUSIVE, "inconclusive", "data or time is missing")                                           \
	X(SUPERSEDED, "superseded", "a newer deploy went live first")                                        \
	X(ABORTED, "aborted", "it was cancelled or rolled back before it was live")
#define X(id, name, says) VERDICT_##id,
enum verdict { VERDICTS(X) VERDICT_COUNT };
#undef X
const char *verdict_name(enum verdict v);
bool verdict_is_final(
	enum verdict v); /* pending and converging are not; verified may still fail within watch */

/* Put out while folding; each is keyed by (position, seq), so that deriving it again writes and sends nothing
 * twice. */
struct out_key {
	int64_t position; /* of the last entry folded when it came about (timers fire after the entry before
			     them) */
	uint32_t seq;     /* 0, 1, ... since that entry */
};
struct transition {
	struct out_key key;
	int64_t at_us; /* observed_at of what showed it, or the timer's due time */
	bool late;     /* from late data: corrects history, tells nobody */
	struct str service, endpoint, edge;
	enum cell_state from, to;
	struct str version, expected; /* empty when not known */
};
struct deploy_change {
	struct out_key key;
	int64_t at_us;
	struct str id, service, version;
	enum verdict from, to;
	struct str reason; /* one sentence */
};
struct notice { /* undeclared deploy: an unknown version at the origin, or uncached at several edges. Once per
		   version */
	struct out_key key;
	int64_t at_us;
	struct str service, kind, version, text;
};
/* How broad it is: the greater of the share of cells, and of regions half of whose cells are wrong. */
#define SEVERITIES(X)                                                                                        \
	X(MINOR, "minor", "less than a tenth")                                                               \
	X(MAJOR, "major", "less than half")                                                                  \
	X(CRITICAL, "critical", "half or more")
#define INCIDENT_EVENTS(X)                                                                                   \
	X(OPENED, "opened", "the deploy failed, or a cell was wrong for too long")                           \
	X(ESCALATED, "escalated", "it became broader")                                                       \
	X(CAUSE, "cause", "another cause explains most of it now")                                           \
	X(RESOLVED, "resolved", "every observed cell serves what it should")                                 \
	X(REOPENED, "reopened", "it came back")
#define X(id, name, says) SEVERITY_##id,
enum severity { SEVERITIES(X) SEVERITY_COUNT };
#undef X
#define X(id, name, says) INCIDENT_##id,
enum incident_event { INCIDENT_EVENTS(X) INCIDENT_EVENT_COUNT };
#undef X
const char *severity_name(enum severity s);
const char *incident_event_name(enum incident_event ev);
struct incident_change { /* once per change of state; none for late data */
	struct out_key key;
	int64_t at_us;
	struct str service, deploy, version; /* deploy: its id; there is one incident of each at most */
	enum incident_event event;
	enum severity severity;
	uint32_t not_fresh, cells;
	struct str text; /* sentences: why it was opened, and the cause's */
};
struct engine_sink { /* called from inside engine_fold() and engine_advance(); strings are borrowed for the
			call. Any may be NULL */
	void *ctx;
	void (*on_transition)(void *ctx, const struct transition *t);
	void (*on_deploy)(void *ctx, const struct deploy_change *c);
	void (*on_notice)(void *ctx, const struct notice *n);
	/* a cell came to serve another version while its state stayed, as an edge does that keeps up with a
	 * rollout: from equals to. Told to those who watch, not kept: its key has no place of its own. Not of
	 * mixed cells */
	void (*on_version)(void *ctx, const struct transition *t);
	/* curves moved without a change of verdict; at most once per fold and deploy */
	void (*on_progress)(void *ctx, struct str deploy_id);
	void (*on_incident)(void *ctx, const struct incident_change *c);
};

struct engine;
struct engine *engine_new(const struct engine_sink *sink); /* sink is copied; NULL: nobody listens */
void engine_free(struct engine *e);
/* Refuses what contradicts the state (a deploy of an unknown service, a patch of an unknown deploy): the
 * state is as before and time has advanced. Observations of unknown services or endpoints are counted and
 * dropped, not refused. */
MUST_USE int engine_fold(struct engine *e, const struct event *ev, struct err *err);
void engine_advance(struct engine *e, int64_t now_us);
int64_t engine_next_due_us(const struct engine *e); /* INT64_MAX: no timer */
int64_t engine_now_us(const struct engine *e);      /* how far time has come */
int64_t engine_position(const struct engine *e);    /* of the last entry folded; 0 before the first */

/* The whole state as bytes, and back: load(save(e)) continues exactly as e would. ERR_UNSUPPORTED: another
 * version's. */
void engine_save(const struct engine *e, struct buf *out);
MUST_USE int engine_load(
	struct str bytes, const struct engine_sink *sink, struct engine **ret, struct err *err);

/* Would this fold be refused? For HTTP, which must answer before the journal has it. */
MUST_USE int engine_would_accept(const struct engine *e, const struct event *ev, struct err *err);

#endif
