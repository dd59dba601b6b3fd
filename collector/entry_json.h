/* entry_json.h - journal entries as JSON (replay's JSON Lines, POST bodies) to engine events, and back for export.
 * jansson inside. Shared by the live fold, restart, replay and HTTP: the same code on the same entries. */
#ifndef COLLECTOR_ENTRY_JSON_H
#define COLLECTOR_ENTRY_JSON_H

#include "collector/store.h"
#include "proto/batch.h"

/* Turns entries into events; keeps the memory of the last event until the next call. One thread. */
struct entry_reader;
struct entry_reader *entry_reader_new(void);
void entry_reader_free(struct entry_reader *r);

/* A stored entry (JSON or sealed batch) to the event the engine folds. ret borrows from r and e until the next call. */
MUST_USE int entry_to_event(struct entry_reader *r, const struct entry *e, struct event *ret, struct err *err);
/* One line of replay input. default_received_us: the largest time so far (analysis section 10); position is given on.
 * Lines without ids get "deploy-N", "purge-N". Errors name the field: `observation: "age_s": want a whole number, got "x"`. */
MUST_USE int entry_from_line(struct entry_reader *r, struct str line, int64_t position, int64_t default_received_us,
	struct event *ret, struct err *err);
/* The same entry as lines of replay input, '\n' behind each: one for JSON entries, one per observation for a batch.
 * Times in epoch microseconds, so that replay gives exactly the same. */
MUST_USE int entry_to_lines(struct entry_reader *r, const struct entry *e, struct buf *out, struct err *err);

/* A request body checked and completed (id, at, defaults) into the JSON a journal entry holds. kind: ENTRY_DEPLOY, _PURGE, their
 * patches, _MESH, _ROLLOUT, _PODS. now_us is what "at" is when the body does not say. Errors name the JSON pointer. */
MUST_USE int entry_from_body(struct entry_reader *r, enum entry_kind kind, struct str body, struct str id, int64_t now_us, struct buf *out_json,
	struct err *err);

#endif
