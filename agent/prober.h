/* prober.h - the fetch thread: takes assignments from the box, keeps their schedule, fetches, and puts sealed
 * batches into the spool. A batch is one service's results, sealed at BATCH_OBS_MAX of them or PROBER_SEAL_US
 * after its first, whichever comes first; numbers start at 1 and have no holes.
 *
 * Any one other thread may call what is below. The thread borrows shared->spool and shared->assignments until
 * prober_stop(), copies what it needs of the configuration, and adds to shared->held_back. */
#ifndef AGENT_PROBER_H
#define AGENT_PROBER_H

#include "agent/agent.h"

#define PROBER_SEAL_US (250 * US_PER_MS)

struct prober;

/* ERR_SYNTAX: allow_networks or allow_hosts do not parse. ERR_IO: no epoll or no thread. */
MUST_USE int prober_start(struct agent_shared *shared, struct prober **ret, struct err *err);
/* New caps, allowed networks and hosts, User-Agent, from conf (borrowed for the call). The phases of the
 * schedule stay. On failure the old ones stay in force. */
MUST_USE int prober_reload(struct prober *p, const struct agent_conf *conf, struct err *err);
/* Ends the thread: what is under way is given up, without a result; what was collected goes to the spool
 * first. NULL is fine. */
void prober_stop(struct prober *p);

struct prober_stats {
	uint64_t started, finished, failed,
		results; /* probes since start; results are what went to the spool */
	uint64_t batches, held_back;
	size_t inflight, endpoints;
	size_t refused; /* endpoints assigned that this agent may not or cannot probe; the log names each once
			 */
};
void prober_stats(struct prober *p, struct prober_stats *ret);

#endif
