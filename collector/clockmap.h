/* clockmap.h - how an agent's boot-time clock maps to the collector's. Pure. Microseconds. */
#ifndef COLLECTOR_CLOCKMAP_H
#define COLLECTOR_CLOCKMAP_H

#include "base/obs.h"
#include "proto/wire.h"

struct clockmap {
	int64_t offset_us; /* collector = boot + offset */
	int64_t uncertainty_us;
	bool suspect; /* the agent's wall clock is more than 2 s off */
};
/* What the agent worked out from four timestamps counts, where it is about the boot in which the batch was
 * sealed and agrees with when this message came. Else the one-way trip of this message stands in; for a batch
 * of an earlier boot, its sealed (boot, wall) pair, corrected by how wrong the wall clock is now. Nothing is
 * mapped to after its receipt. */
void clockmap_of(
	const struct wire_upload *u, const struct batch *b, int64_t received_us, struct clockmap *ret);

#endif
