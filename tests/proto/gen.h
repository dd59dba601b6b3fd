/* gen.h - random batches and messages for the tests, the same ones at every run. */
#ifndef TESTS_PROTO_GEN_H
#define TESTS_PROTO_GEN_H

#include "proto/batch.h"
#include "proto/wire.h"

struct gen {
	uint64_t state;
};

/* xorshift64*: enough to be different, and the same on every machine. */
static inline uint64_t gen_u64(struct gen *g)
{
	g->state ^= g->state >> 12;
	g->state ^= g->state << 25;
	g->state ^= g->state >> 27;
	return g->state * UINT64_C(2685821657736338717);
}

static inline uint64_t gen_below(struct gen *g, uint64_t n)
{
	return n ? gen_u64(g) % n : 0;
}

static inline bool gen_often(struct gen *g, unsigned percent)
{
	return gen_below(g, 100) < percent;
}

/* Anything that batch_check() lets pass, extremes included. Strings stay valid until the builder starts anew.
 */
const struct batch *gen_wild_batch(struct gen *g, struct batch_builder *b, size_t n_obs);
/* What an agent really sees: a few endpoints through two edges, kept connections, one version. */
const struct batch *gen_real_batch(struct gen *g, struct batch_builder *b, size_t n_obs);

#endif
