/* hub_run.h - starting and stopping the collector's threads; for main() and tests. What the threads hand each
 * other is in hub.h. */
#ifndef COLLECTOR_HUB_RUN_H
#define COLLECTOR_HUB_RUN_H

#include "collector/collector_conf.h"
#include "collector/hub.h"

/* Takes a reference of conf. Reads the journal, listens for agents; signals should be blocked already, for
 * the threads. */
MUST_USE int hub_start(struct collector_conf *conf, struct hub **ret, struct err *err);
/* Drains: nothing more is taken, what was taken is committed, a snapshot is written. http must be stopped
 * between the two. */
void hub_drain(struct hub *h);
void hub_stop(struct hub *h); /* NULL is fine */

struct collector_conf *hub_conf(struct hub *h);      /* a reference, of what is in force */
const char *hub_agents_address(const struct hub *h); /* as bound */
/* Called after each reload that succeeded, by whoever asked for it. */
void hub_on_reload(struct hub *h, void (*reloaded)(void *ctx, const struct collector_conf *c), void *ctx);

#endif
