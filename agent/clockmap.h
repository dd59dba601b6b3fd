/* clockmap.h - how this machine's boot-time clock maps to the collector's, from the four timestamps of every
 * exchange (NTP, RFC 5905 section 8). The exchange with the smallest round trip of the last 10 minutes
 * counts. Pure. */
#ifndef AGENT_CLOCKMAP_H
#define AGENT_CLOCKMAP_H

#include "base/util.h"

#define CLOCKMAP_MINUTES 10

struct clockmap {
	struct clock_sample {
		int64_t at_us; /* boot-time clock; 0: none */
		int64_t offset_us, uncertainty_us;
	} best[CLOCKMAP_MINUTES]; /* of each minute */
};

/* t1, t4: sent and received here; t2, t3: received and sent there. What cannot be true, or was parked, is not
 * counted. */
void clockmap_add(struct clockmap *m, int64_t t1_us, int64_t t2_us, int64_t t3_us, int64_t t4_us);
/* collector's = boot + offset. False: no exchange in the last 10 minutes. */
bool clockmap_get(
	const struct clockmap *m, int64_t now_us, int64_t *ret_offset_us, int64_t *ret_uncertainty_us);

#endif
