/* burst.c - see burst.h */
#include "collector/burst.h"

bool burst_is_on(const struct burst_facts *f, int64_t for_us, int64_t now_us, int64_t *ret_until_us,
	int64_t *ret_next_us)
{
	bool open = f->has_deploy && !verdict_is_final(f->verdict);
	int64_t until_us = INT64_MIN;
	*ret_next_us = INT64_MAX;
	if (for_us <= 0)
		return false;
	if (open) {
		int64_t begin_us = f->live_at_us != TIME_NONE ? f->live_at_us : f->started_at_us;
		/* Before the new version is live, a probe on an idle edge would refill it with the old copy:
		 * stay gentle, whatever else asks for a burst. */
		if (begin_us > now_us) {
			*ret_next_us = begin_us;
			return false;
		}
		until_us = begin_us + for_us;
	}
	if (f->purged_at_us != TIME_NONE && f->purged_at_us <= now_us) {
		bool may_turn = now_us < f->purged_at_us + BURST_SETTLE_US;
		if (open || !f->settled || may_turn)
			until_us = MAX(until_us, f->purged_at_us + for_us);
	}
	if (until_us <= now_us)
		return false;
	*ret_until_us = until_us;
	return true;
}

uint32_t burst_interval_ms(const struct service_conf *s, size_t n_probes)
{
	int64_t needed_us = (int64_t)((double)n_probes / s->burst.max_rate * (double)US_PER_S);
	int64_t interval_us = s->burst.interval_us;
	while (interval_us < needed_us && interval_us < s->interval_us)
		interval_us += MAX(interval_us / 10, US_PER_MS);
	return interval_us < s->interval_us ? (uint32_t)(interval_us / US_PER_MS) : 0;
}
