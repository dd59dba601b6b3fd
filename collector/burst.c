/* burst.c - see burst.h */
#include "collector/burst.h"

enum burst_pace burst_pace_at(const struct burst_facts *f, int64_t for_us, int64_t now_us,
	int64_t *ret_until_us, int64_t *ret_next_us)
{
	bool open = f->has_deploy && !verdict_is_final(f->verdict);
	bool live = open && f->live_at_us != TIME_NONE && f->live_at_us <= now_us;
	int64_t until_us = INT64_MIN;
	*ret_next_us = INT64_MAX;
	if (for_us <= 0)
		return BURST_NONE;
	if (open && !live && f->live_at_us != TIME_NONE)
		*ret_next_us = f->live_at_us;
	if (open)
		until_us = (live ? f->live_at_us : f->started_at_us) + for_us;
	if (f->purged_at_us != TIME_NONE && f->purged_at_us <= now_us) {
		bool may_turn = now_us < f->purged_at_us + BURST_SETTLE_US;
		if (open || !f->settled || may_turn)
			until_us = MAX(until_us, f->purged_at_us + for_us);
	}
	if (until_us <= now_us)
		return BURST_NONE;
	*ret_until_us = until_us;
	/* Before the new version is live, a probe on an idle edge refills it with the old copy, and one on an
	 * edge that was just purged all the more so: gently, whatever else asks for a burst. */
	return open && !live ? BURST_GENTLE : BURST_FULL;
}

uint32_t burst_interval_ms(const struct service_conf *s, enum burst_pace pace, size_t n_probes)
{
	int64_t slower = pace == BURST_GENTLE ? BURST_GENTLY : 1;
	int64_t needed_us = (int64_t)((double)n_probes / s->burst.max_rate * (double)US_PER_S) * slower;
	int64_t interval_us = s->burst.interval_us * slower;
	while (interval_us < needed_us && interval_us < s->interval_us)
		interval_us += MAX(interval_us / 10, US_PER_MS);
	return pace != BURST_NONE && interval_us < s->interval_us ? (uint32_t)(interval_us / US_PER_MS) : 0;
}
