/* bursts.h - looks at each service in turn and decides whether it is probed more often now. Its owner's
 * thread only. */
#ifndef COLLECTOR_BURSTS_H
#define COLLECTOR_BURSTS_H

#include "collector/assign_out.h"
#include "collector/burst.h"
#include "collector/fleet.h"

/* What the engine knows of a service; read from its views. */
void burst_facts_read(const struct engine *e, struct str service, struct burst_facts *ret);
/* The burst of this service now, for the agents that are connected. *ret_next_us: when to look again
 * (INT64_MAX: on news). */
struct assign_burst burst_of(const struct service_conf *s, const struct burst_facts *facts, struct fleet *f,
	int64_t now_us, int64_t *ret_next_us);

#endif
