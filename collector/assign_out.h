/* assign_out.h - which agent probes what. Pure: the same configuration, agent and bursts give the same
 * assignments, and the same generation: an agent that has them already, from before a restart of either side,
 * is told nothing. */
#ifndef COLLECTOR_ASSIGN_OUT_H
#define COLLECTOR_ASSIGN_OUT_H

#include "collector/collector_conf.h"

struct assign_burst {         /* of the service with the same index in the configuration */
	uint32_t interval_ms; /* 0: none is on */
	int64_t until_us;     /* collector's wall clock */
};
struct assign_out {
	struct assignments a; /* strings are the configuration's */
	struct assign_service *services;
	struct assign_endpoint *endpoints;
};
/* bursts may be NULL: none. Never 0, the generation: that means "none yet". */
void assign_out_init(struct assign_out *o, const struct collector_conf *c, const struct assign_burst *bursts,
	int64_t now_us, struct str agent, struct str region);
void assign_out_fini(struct assign_out *o);
/* How many probes in an interval this agent makes of s: its endpoints, once for each address that is listed,
 * for IPv4 and IPv6 where both are asked for, and past the CDN. What an agent finds by itself (addresses:
 * all) is not known here: it shares the endpoint's burst. */
size_t assign_count(const struct service_conf *s, struct str agent, struct str region);
size_t assign_count_all(const struct service_conf *s); /* by an agent that does all of it */

#endif
