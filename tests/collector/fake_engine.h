/* fake_engine.h - takes the place of the engine at link time: its state is a hash over everything it was told
 * and every timer that fired, so that two that were told the same are told apart from two that were not, to
 * the bit. Each batch sets a timer FAKE_TIMER_US later, which puts out a transition when it fires; deploys
 * are converging until somebody says otherwise. */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "collector/engine/view.h"

#define FAKE_TIMER_US (300 * US_PER_MS)

struct fake_state {
	uint64_t hash;
	uint64_t n_entries, n_batches, n_results, n_fired, n_collector;
	int64_t now_us, position, down_since_us;
};
struct fake_state fake_engine_state(const struct engine *e);

#endif
