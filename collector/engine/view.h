/* view.h - the engine's state as JSON, for the API, the stream, replay and tests: one shape everywhere. Pure.
 * Every writer adds one complete JSON value. Times RFC 3339, durations in seconds, shares 0..1. */
#ifndef ENGINE_VIEW_H
#define ENGINE_VIEW_H

#include "collector/engine/engine.h"

struct cell_filter { /* empty fields match all */
	struct str service, endpoint, vendor, region, state, edge;
	struct str after; /* opaque cursor of the page before; empty: from the start */
	size_t limit;     /* 0: no limit */
	bool why;         /* each with its whole "why", not the cause's name alone */
};
/* clang-format off */
/* [ {"service","endpoint","edge","vendor","pop","place":{"city","country","lat","lon","from":"header|agent"}|null,
 *    "state","version","expected","staleness_s","stale_since","behind","cause",
 *    "error":{"kind","status","at","since"}|null,"cached_at","age_s","ttl_s","eta","cache",
 *    "tiers":[words, nearest first],"last_seen","first_seen","agents":[names],"regions":[...],"converged",
 *    "share":{"draws","versions":[{"version","error","draws","share","low","high"}]}|absent}, ... ]
 * in the order service, endpoint, edge. Staleness is as of when it was seen last. share: of a mixed cell, with
 * its 95 % interval. *ret_next is empty on the last page, else the cursor, at most 1 KiB. */
/* clang-format on */
MUST_USE int view_cells(const struct engine *e, const struct cell_filter *f, struct buf *out,
	struct buf *ret_next, struct err *err);
/* One cell's object; ERR_NOT_FOUND. */
MUST_USE int view_cell(const struct engine *e, struct str service, struct str endpoint, struct str edge,
	struct buf *out, struct err *err);
/* clang-format off */
/* {"id","service","version","verdict","reason","cause","causes":{},"unexplained","layers":{"edge":"pass",..},
 *  "started_at","live_at","live_source","decided_at","version_unchanged","overtaken",
 *  "propagation":{"known","observed","converged","converged_share","coverage","t50_s":[lo,hi],"t90_s","t95_s",
 *    "t99_s","t100_s","by":{"endpoint":{..},"vendor":{..},"region":{..}}},
 *  "unobserved":[{endpoint,edge}..],"not_fresh":[cells..at most 100],
 *  "advisories":[{"code","endpoint"?,"text"}..],"next":[..],"source","revision","digest"}
 * T is of the observed cells' weight; lists of cells are of the current deploy only, later its sums remain. */
/* clang-format on */
MUST_USE int view_deploy(const struct engine *e, struct str id, struct buf *out, struct err *err);
/* [ deploy summaries, newest first ]: service and version empty match all. */
void view_deploys(const struct engine *e, struct str service, struct str version, struct str after,
	size_t limit, struct buf *out, struct buf *ret_next);
/* {"id","points":[{"t_s","earliest","latest"},..]}: both curves of analysis section 5, seconds since live_at.
 */
MUST_USE int view_propagation(const struct engine *e, struct str id, struct buf *out, struct err *err);
/* clang-format off */
/* [ {"name","endpoints":[{"id","url"}],"interval_s","current":{version,deploy,live_at}|null,"rolling":{..}|null,
 *    "cells":{state:count},"verdict","verdict_version","agents":n} ] */
/* clang-format on */
void view_services(const struct engine *e, struct buf *out);
void view_purges(const struct engine *e, struct str service, size_t limit, struct buf *out);
struct incident_filter { /* zeroes: all */
	struct str service;
	bool open, resolved;
};
/* clang-format off */
/* [ {"id","service","deploy","version","state":"open|resolved","severity":"minor|major|critical","opened_at","updated_at",
 *    "resolved_at","cause","layer","not_fresh","worst","cells","next",
 *    "events":[{"at","event","severity","cause","not_fresh","cells","text"}..],"events_dropped"} ], newest first */
/* clang-format on */
void view_incidents(const struct engine *e, const struct incident_filter *f, struct buf *out);
/* One of them, by its id or its deploy's; ERR_NOT_FOUND. */
MUST_USE int view_incident(const struct engine *e, struct str id, struct buf *out, struct err *err);
/* clang-format off */
/* [ {"name","region","state":"connected|late|silent|never_seen|drained|revoked","connected","last_seen",
 *    "last_result","location":[lat,lon]|null,"software","clock_suspect","results"} ] */
/* clang-format on */
void view_agents(const struct engine *e, struct buf *out);
/* Replay's document: {"at","deploys":[..],"cells":[..],"services":[..],"incidents":[..]}; deploys oldest first. */
void view_all(const struct engine *e, struct buf *out);

/* A deploy's verdict without JSON, for waits and exit codes. ERR_NOT_FOUND. */
MUST_USE int view_verdict(const struct engine *e, struct str id, enum verdict *ret, struct err *err);
/* Counts for /metrics and the status page. */
struct service_counts {
	struct str name; /* borrowed until the next fold */
	size_t cells[CELL_STATE_COUNT];
	int64_t max_staleness_us;
	struct str version;     /* current; may be empty */
	double converged_share; /* of the last deploy; -1 without one */
	enum verdict verdict;   /* of the last deploy */
	bool has_deploy;
	size_t incidents[SEVERITY_COUNT]; /* open ones */
};
size_t view_service_count(const struct engine *e);
void view_service_counts(const struct engine *e, size_t i, struct service_counts *ret);

#endif
