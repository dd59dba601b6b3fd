/* burst.h - when a service is probed more often than usual, and how often. Pure. Times: microseconds on the
 * collector's clock. */
#ifndef COLLECTOR_BURST_H
#define COLLECTOR_BURST_H

#include "collector/collector_conf.h"
#include "collector/engine/engine.h"

#define BURST_SETTLE_US (30 * US_PER_S) /* after a purge, cells that are fresh already may still turn */

struct burst_facts { /* what the engine knows of one service */
	bool has_deploy;
	enum verdict verdict;              /* of the newest deploy */
	int64_t started_at_us, live_at_us; /* TIME_NONE: nobody says */
	int64_t purged_at_us;              /* request of the newest purge; TIME_NONE: none */
	bool settled;                      /* every cell is fresh */
};

enum burst_pace { BURST_NONE, BURST_GENTLE, BURST_FULL };
#define BURST_GENTLY 10 /* so many times slower than full, while the newest deploy is not live yet */

/* Which burst is on at now, and until when at the latest? *ret_next_us: when it changes by itself (INT64_MAX:
 * on news only). */
enum burst_pace burst_pace_at(const struct burst_facts *f, int64_t for_us, int64_t now_us,
	int64_t *ret_until_us, int64_t *ret_next_us);

/* Pause between two probes of an endpoint during a burst, so that n_probes (agents x endpoints) together stay
 * under max_rate (gently: under its tenth); 0 when that is no more often than the configured interval.
 * Rounded up in steps of 10 %, so that one more agent does not give all others new assignments. */
uint32_t burst_interval_ms(const struct service_conf *s, enum burst_pace pace, size_t n_probes);

#endif
