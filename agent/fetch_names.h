/* fetch_names.h - who may look a name up now. A lookup cannot be stopped and may hang; so that the names of a
 * dead resolver hold up nobody else, those that failed last share FETCH_SUSPECTS_MAX of the places, those not
 * tried yet FETCH_UNKNOWN_MAX, and what is left is for names that resolved last time. A name that hangs has
 * one place. Private to fetch*.c. */
#ifndef AGENT_FETCH_NAMES_H
#define AGENT_FETCH_NAMES_H

#include "base/str.h"

#define FETCH_SUSPECTS_MAX 12
#define FETCH_UNKNOWN_MAX  12
#define FETCH_DOUBTFUL_MAX 24 /* of either */
#define FETCH_PER_NAME_MAX 4
#define FETCH_HANGS_US     US_PER_S /* a lookup that takes longer is no reason to begin another of its name */
#define FETCH_NAMES_MAX    4096     /* remembered: a power of two; beyond, one is forgotten for another */

enum name_state { NAME_UNKNOWN, NAME_GOOD, NAME_SUSPECT };

struct name_entry {
	uint64_t hash;
	uint8_t state, under_way, began_as[3];
	int64_t oldest_us; /* when the first of those under way began */
};

struct fetch_names {
	struct name_entry *entries; /* by hash, the next free place after it */
	size_t under_way[3];        /* by the state they began in */
	size_t all;                 /* FETCH_LOOKUPS_MAX at most */
	size_t n;
};

void names_fini(struct fetch_names *n);
bool names_may(struct fetch_names *n, uint64_t hash, size_t most, int64_t now_us);
void names_begin(struct fetch_names *n, uint64_t hash, int64_t now_us);
/* What became of it; it counts no more. */
void names_end(struct fetch_names *n, uint64_t hash, bool good);
/* It was given up and goes on all the same: it counts until names_end(), and is suspect from now on. */
void names_suspect(struct fetch_names *n, uint64_t hash);

#endif
