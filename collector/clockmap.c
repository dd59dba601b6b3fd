/* clockmap.c - see clockmap.h */
#include "collector/clockmap.h"

#define SUSPECT_US    (2 * US_PER_S)
#define TRIP_MAX_US   (60 * US_PER_S) /* an Upload older than its own timeout was given up by its agent */
#define TRIP_GUESS_US (500 * US_PER_MS)
#define TIME_LIMIT_US (INT64_C(1) << 55) /* the year 3111: sums of a few of these stay in range */

static bool is_sane(int64_t us)
{
	return us > -TIME_LIMIT_US && us < TIME_LIMIT_US;
}

static int64_t magnitude(int64_t us)
{
	return us < 0 ? -us : us;
}

void clockmap_of(
	const struct wire_upload *u, const struct batch *b, int64_t received_us, struct clockmap *ret)
{
	bool boot_said = u->sent_boot_us > 0 && is_sane(u->sent_boot_us);
	bool wall_said = u->sent_wall_us > 0 && is_sane(u->sent_wall_us);
	int64_t one_way_us =
		boot_said ? received_us - u->sent_boot_us : 0; /* offset, as if the trip took no time */
	int64_t trip_us = boot_said && u->has_offset && is_sane(u->clock_offset_us)
				  ? one_way_us - u->clock_offset_us
				  : -1;
	int64_t told_us = u->clock_uncertainty_us < (uint64_t)TRIP_MAX_US ? (int64_t)u->clock_uncertainty_us
									  : TRIP_MAX_US;
	bool trusted = trip_us >= -told_us - US_PER_S && trip_us <= TRIP_MAX_US && boot_said && u->has_offset;
	int64_t wall_ahead_us = 0;

	if (wall_said)
		wall_ahead_us =
			u->sent_wall_us - (trusted ? u->sent_boot_us + u->clock_offset_us : received_us);
	if (trusted && u->boot_id == b->boot_id) {
		ret->offset_us = u->clock_offset_us;
		ret->uncertainty_us = told_us;
	} else if (boot_said && u->boot_id == b->boot_id) {
		ret->offset_us = one_way_us;
		ret->uncertainty_us = TRIP_GUESS_US;
	} else {
		ret->offset_us = is_sane(b->sealed_wall_us) && is_sane(b->sealed_boot_us)
					 ? b->sealed_wall_us - b->sealed_boot_us - wall_ahead_us
					 : received_us; /* pulled back below: the newest counts as of now */
		ret->uncertainty_us =
			TRIP_GUESS_US + magnitude(wall_ahead_us); /* it may have been right back then */
	}
	int64_t newest_us = INT64_MIN;
	for (size_t i = 0; i < b->n_obs; i++)
		newest_us = MAX(newest_us, b->obs[i].observed_at_us);
	if (b->n_obs > 0 && newest_us > received_us - ret->offset_us) {
		int64_t early_us = newest_us - (received_us - ret->offset_us);
		ret->offset_us -= early_us;
		ret->uncertainty_us += MIN(early_us, TRIP_MAX_US);
	}
	ret->suspect = wall_said && magnitude(wall_ahead_us) > SUSPECT_US;
}
