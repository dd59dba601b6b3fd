/* entry_json.h - journal entries as JSON (replay's JSON Lines, POST bodies) to engine events, and back for export.
 * jansson inside. Shared by the live fold, restart, replay and HTTP: the same code on the same entries.
 *
 * A journal entry that is no batch is one JSON object, and so is a line of replay. Every object may have "type", "at",
 * "received_at" and "position". Times are RFC 3339 or epoch microseconds, durations "15m" or a number of seconds, shares
 * "95%" or 0.95; null is the same as absent. Fields by type, * = must be there, [] = default:
 *
 *   service       *service, removed [false], interval [30s], endpoints [{*id, url, version, match, learned}], version (for all
 *                 endpoints), origin (true or an object) [false], agents [names], rollout_grace [5m],
 *                 verify {timeout [15m], require [100%], min_coverage [90%], min_agents [1], watch [30m], alert_after [5m]}
 *                 version: {match: exact|prefix, json|header|regex: text} or "etag", "last_modified", "sha256"
 *   deploy        *service, *version, id, started_at [at, or live_at where that is earlier], live_at, aliases [texts],
 *                 values {endpoint: value}, source, revision, digest
 *   deploy_patch  *id, live_at, aborted [false]
 *   purge         *service, id, vendor, zone, patterns [texts], tags [texts], everything, soft, source, requested_at [at],
 *                 completed_at
 *   purge_patch   *id, *completed_at
 *   observation   *endpoint, *agent, service [the only one that has the endpoint], region, path edge|origin [edge], edge,
 *                 node, ip, status, version, fail, cache [words, nearest first], tiers [edge|shield|inner, as many], age_s,
 *                 ttl_s, browser_ttl_s, etag, evidence, flags [reused, burst, cut], dns_us .. total_us, headers
 *                 [[name, value], ...] to be read for whatever is not said otherwise, clock_uncertainty_us, generation,
 *                 epoch (16 hex digits), number
 *   agent         *agent, region, state connected|disconnected|drained|revoked [connected], software,
 *                 location [latitude, longitude], clock_suspect [false]
 *   mesh          *service, *routes [{subset, version, weight, ready}]     \
 *   rollout       *service, *phase, controller, weight, since, reason, ... | kept as told
 *   pods          *service, *pods [{name, version, digest, ready, ...}]    /
 *   collector     down_since
 *   clock         nothing more */
#ifndef COLLECTOR_ENTRY_JSON_H
#define COLLECTOR_ENTRY_JSON_H

#include "collector/store.h"
#include "proto/batch.h"

#define ENTRY_LINE_MAX  (1024 * 1024) /* bytes of one line, entry or body */
#define ENTRY_DEPTH_MAX 16
#define ENTRY_CLOCKS_DIFFER_US (30 * US_PER_S)
#define ENTRY_ITEMS_MAX 20000         /* of any list in it: a service names the agents assigned to it */

/* Turns entries into events; keeps the memory of the last event until the next call. One thread. */
struct entry_reader;
struct entry_reader *entry_reader_new(void);
void entry_reader_free(struct entry_reader *r);

/* A stored entry (JSON or sealed batch) to the event the engine folds. ret borrows from r and e until the next call. */
MUST_USE int entry_to_event(struct entry_reader *r, const struct entry *e, struct event *ret, struct err *err);
/* The same of a batch that was unsealed already: b's times become the collector's, so once only. ret borrows from e and b. */
void entry_batch_event(const struct entry *e, struct batch *b, struct event *ret);
/* One line of replay input. default_received_us: the largest time so far (analysis section 10); position is given on.
 * received_at never falls: an earlier one counts as the default. Keys it does not know are passed over.
 * Lines without ids get "deploy-N", "purge-N". Errors name the field: `observation: "age_s": want a whole number, got "x"`. */
MUST_USE int entry_from_line(struct entry_reader *r, struct str line, int64_t position, int64_t default_received_us,
	struct event *ret, struct err *err);
/* "position" of the last line read, 0 where it had none. Neighbouring observations with one position were one batch. */
int64_t entry_line_position(const struct entry_reader *r);
/* The same entry as lines of replay input, '\n' behind each: one for JSON entries, one per observation for a batch.
 * Times in epoch microseconds, so that replay gives exactly the same. */
MUST_USE int entry_to_lines(struct entry_reader *r, const struct entry *e, struct buf *out, struct err *err);

/* A request body checked and completed (id, at, defaults) into the JSON a journal entry holds. kind: ENTRY_DEPLOY, _PURGE, their
 * patches, _MESH, _ROLLOUT, _PODS. now_us is what "at" is when the body does not say. Times in the future are refused, but
 * for what clocks differ: those are brought back to now_us and listed in "clamped". id is the path's or a fresh one; empty: the body's, which must then have one where one is
 * needed. Unknown keys are refused. Errors name the JSON pointer: `/live_at: want a time, got 12.5`. */
MUST_USE int entry_from_body(struct entry_reader *r, enum entry_kind kind, struct str body, struct str id, int64_t now_us,
	struct buf *out_json, struct err *err);

#endif
