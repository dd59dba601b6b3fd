/* nearest.h - which word did they mean? For unknown keys and options. Pure. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/str.h"

/* Feed it every known word; best is the nearest one, NULL when none is near enough to be meant. */
struct nearest {
	struct str word;
	const char *best;
	size_t distance;
};
struct nearest nearest_to(struct str word);
void nearest_try(struct nearest *n, const char *known);
/* Letters to insert, drop, replace or swap with their neighbour; words over 64 bytes are infinitely far. */
size_t edit_distance(struct str a, struct str b);

#endif
