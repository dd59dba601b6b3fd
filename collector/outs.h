/* outs.h - what the engine puts out while it folds, kept until it is stored and told: transitions and
 * verdicts go into the store with the next group (by key, so that putting them twice is harmless), and
 * everything goes to the listener as JSON. The writer's; one thread. */
#ifndef COLLECTOR_OUTS_H
#define COLLECTOR_OUTS_H

#include "collector/hub.h"

struct outs;
struct outs *outs_new(void);
void outs_free(struct outs *o);
struct engine_sink outs_sink(struct outs *o);
/* An entry was folded: deploys, purges, agents and services are news by themselves. ev is borrowed for the
 * call. */
void outs_entry(struct outs *o, const struct event *ev);

/* The headers that came along; outs_entry() does it too. For entries that are folded again at a start, and
 * are no news. */
void outs_evidence(struct outs *o, const struct event *ev);

size_t outs_unstored(const struct outs *o);
/* Inside a group. After its commit: outs_stored(). */
MUST_USE int outs_store(struct outs *o, struct store *st, struct err *err);
void outs_stored(struct outs *o);

typedef void (*changes_fn)(void *ctx, const struct change *c, size_t n);
/* Tells what was not told yet; tell may be NULL: nobody listens. Curves that moved wait for
 * outs_tell_progress. */
void outs_tell(struct outs *o, const struct engine *e, changes_fn tell, void *ctx);
/* Has any curve moved since? At most this often, the caller decides. */
bool outs_progress(const struct outs *o);
void outs_tell_progress(struct outs *o, const struct engine *e, changes_fn tell, void *ctx);

#endif
