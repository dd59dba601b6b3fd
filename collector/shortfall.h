/* shortfall.h - what one agent says it does not do of what it was asked for: as it said last, and how it
 * reads in JSON. Pure but for memory. */
#ifndef COLLECTOR_SHORTFALL_H
#define COLLECTOR_SHORTFALL_H

#include "proto/wire.h"

struct shortfall {
	uint64_t held_back; /* since its run began */
	uint32_t refused;
	char *refusals; /* JSON, without the brackets; NULL: none */
};
/* What its spool had to drop, since the agent was enrolled. */
struct lost {
	uint64_t results;
	int64_t from_us, to_us; /* when they were observed, by the agent's clock; nothing where results is 0 */
};
/* Takes the agent's new word, and brings the fleet's sums up to date. */
void shortfall_keep(
	struct shortfall *to, const struct wire_shortfall *s, uint64_t *sum_held_back, uint64_t *sum_refused);
void shortfall_fini(struct shortfall *s);
/* Members of an object, each after a comma. NULL: an agent that said nothing yet. */
void shortfall_json(const struct shortfall *s, const struct lost *l, struct buf *out);

#endif
