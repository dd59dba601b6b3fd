#include "agent/clockmap.h"

#define PARKED_US    US_PER_S /* kept longer over there, the two clocks' rates begin to count */
#define PLAUSIBLE_US (60 * US_PER_S)

void clockmap_add(struct clockmap *m, int64_t t1_us, int64_t t2_us, int64_t t3_us, int64_t t4_us)
{
	int64_t kept_us = t3_us - t2_us, round_us = t4_us - t1_us - kept_us;
	if (kept_us < 0 || kept_us > PARKED_US || t4_us < t1_us || t4_us - t1_us > PLAUSIBLE_US ||
		round_us < 0)
		return;
	struct clock_sample s = {
		.at_us = t4_us,
		.offset_us = ((t2_us - t1_us) + (t3_us - t4_us)) / 2,
		.uncertainty_us = (round_us + 1) / 2,
	};
	struct clock_sample *slot = &m->best[(uint64_t)t4_us / (uint64_t)US_PER_MIN % CLOCKMAP_MINUTES];
	bool other_minute = slot->at_us == 0 || slot->at_us / US_PER_MIN != t4_us / US_PER_MIN;
	if (other_minute || s.uncertainty_us <= slot->uncertainty_us)
		*slot = s;
}

bool clockmap_get(
	const struct clockmap *m, int64_t now_us, int64_t *ret_offset_us, int64_t *ret_uncertainty_us)
{
	const struct clock_sample *best = NULL;
	for (size_t i = 0; i < CLOCKMAP_MINUTES; i++) {
		const struct clock_sample *s = &m->best[i];
		if (s->at_us == 0 || now_us - s->at_us > CLOCKMAP_MINUTES * US_PER_MIN)
			continue;
		if (best == NULL || s->uncertainty_us < best->uncertainty_us)
			best = s;
	}
	if (best == NULL)
		return false;
	*ret_offset_us = best->offset_us;
	*ret_uncertainty_us = best->uncertainty_us;
	return true;
}
