/* uplink.h - the thread that talks to the collector: Hello on every new connection, upload of what is
 * spooled, and a Watch that the collector parks until it has news. Denied and Busy are waited out; whatever
 * went wrong is tried again, with pauses that grow and are never the same for two agents.
 *
 * What was sealed since the connection came up goes out in order; what lay there before goes newest first, at
 * a bounded rate. A batch leaves the spool when the collector says that it is durable. Any thread may call
 * what is below. */
#ifndef AGENT_UPLINK_H
#define AGENT_UPLINK_H

#include "agent/agent.h"

#define UPLOADS_AT_ONCE 8               /* unacknowledged; one at a time would wait for a group commit each */
#define BACKLOG_PER_S   50              /* batches */
#define LIVE_LAG_US     (15 * US_PER_S) /* over it what waits has become a backlog, and the newest goes first */

struct uplink;

/* Keeps assignments in assign_path and puts them into shared->assignments; borrows shared and its conf until
 * uplink_stop(). */
MUST_USE int uplink_start(
	struct agent_shared *shared, const char *assign_path, struct uplink **ret, struct err *err);
/* Sends what is spooled, as fast as it is acknowledged, for no longer than timeout_us, and waits no longer
 * than a second for a connection. True: all of it is acknowledged. */
bool uplink_drain(struct uplink *u, int64_t timeout_us);
/* Tells the collector, if there is one, that this agent stops in order and is not missed. For no longer than
 * timeout_us. True: it knows. */
bool uplink_leave(struct uplink *u, int64_t timeout_us);
void uplink_stop(struct uplink *u); /* NULL is fine */

/* Tests only, before uplink_start(): how long an answer may take, instead of what proto/limits.h says. */
void uplink_test_timeouts(int64_t hello_us, int64_t upload_us, int64_t watch_us);
/* and how soon a lost connection is looked into; jittered */
void uplink_test_lost(int64_t lost_us);

enum uplink_state { UPLINK_DOWN, UPLINK_HELLO, UPLINK_UP, UPLINK_HELD };

struct uplink_stats {
	enum uplink_state state;
	uint64_t connections, looks, welcomes, denied, busy, timeouts, sent, acknowledged, refused, generation;
	char denial[64];      /* the last one's reason; "" once welcome */
	char down_reason[32]; /* what the log said last of why there is no connection; "" once welcome */
	int64_t down_for_us;  /* as it said then */
	uint64_t down_told;   /* how often it said so since the connection was lost */
	bool clock_known;
	int64_t clock_offset_us, clock_uncertainty_us;
};
void uplink_stats(struct uplink *u, struct uplink_stats *ret);

#endif
