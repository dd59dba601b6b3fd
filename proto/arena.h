/* arena.h - memory that is taken piece by piece and given back all at once, up to a cap. Past the cap it
 * returns NULL: what a peer sends can make a decoder fail, never make it grow. Also an allocator for
 * protobuf-c. Pure but for memory. */
#ifndef PROTO_ARENA_H
#define PROTO_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include "base/str.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks; /* the newest first */
	size_t used;       /* bytes asked for since the last reset, rounded up, chunk headers included */
	size_t high_water; /* largest `used` ever */
	size_t cap;
	bool exceeded;         /* the cap was hit since the last reset */
	ProtobufCAllocator pb; /* for protobuf-c: free is a no-op */
};

void arena_init(struct arena *a, size_t cap); /* must not move afterwards: pb points into it */
void arena_fini(struct arena *a);
void arena_reset(struct arena *a); /* everything is free again; one chunk is kept for the next use */
void *arena_alloc(struct arena *a, size_t n);              /* 16-aligned, not zeroed; NULL past the cap */
void *arena_array(struct arena *a, size_t n, size_t size); /* zeroed; NULL past the cap, a lying n included */
bool arena_copy(struct arena *a, struct str s, struct str *ret); /* NUL behind it; false past the cap */

#endif
