/* Is the way to the collector open? A network that swallows what it is given tells nobody: TCP sends again at growing
 * pauses, and takes as long again as the fault lasted to notice that it is over; an attempt to connect does the same. So
 * while an answer is due and nothing is heard, and while a dial comes to nothing, a connection is made beside, and
 * closed again: the kernel over there answers it however busy the collector is, and however slow its disk.
 *
 * A connection whose way is shut is given up. A dial that began while it was shut is begun anew once it is open. But a
 * dial whose way is open is left alone: it waits for its turn with a collector that has a thousand to greet, and who
 * hangs up and comes again only makes that line longer. */
#include "agent/uplink_impl.h"
#include "base/clock.h"

#define QUIET_US     (2 * US_PER_S)  /* and two round trips: nothing is heard for so long */
#define QUIET_MAX_US (16 * US_PER_S) /* between two looks at the way to one who is busy */
#define DIAL_US      (4 * US_PER_S)  /* a dial that is not over by then */
#define CONNECT_US   (3 * US_PER_S)  /* and two round trips: shut, if it takes longer */
#define SHUT_MAX_US  (15 * US_PER_S) /* between two looks at a way that is shut; at first there is no pause */
#define SHUT_PART    32              /* later this part of the time it has been shut */
#define PATIENCE_US  (20 * US_PER_S) /* with a dial whose way is open: its own pause may have grown long */
#define ROUND_TRIP_MAX_US (10 * US_PER_S)
#define NO_THREAD_US (10 * US_PER_S)

void path_reset(struct uplink *u)
{
	reach_drop(u->path);
	u->path = NULL;
	u->quiet_us = QUIET_US;
	u->path_was_shut = u->path_is_open = false;
	u->path_at_us = 0;
}

void path_begin_anew(struct uplink *u, int64_t now_us)
{
	u->path_is_open = true;
	u->path_at_us = now_us + jittered(2 * PATIENCE_US);
}

/* A slower one counts at once, a faster one little by little: patience is what a bad link needs. What is over
 * ROUND_TRIP_MAX_US was no link's pace, but a fault's end. */
void path_heard(struct uplink *u, int64_t round_trip_us)
{
	if (round_trip_us <= ROUND_TRIP_MAX_US)
		u->round_trip_us = MAX(round_trip_us, u->round_trip_us - u->round_trip_us / 4);
}

void path_answered(struct uplink *u)
{
	u->quiet_us = QUIET_US;
}

int64_t path_due_us(const struct uplink *u)
{
	if (u->path)
		return INT64_MAX; /* a look that ends wakes us */
	if (u->state == UPLINK_DOWN)
		return MAX(u->dialed_us + (u->path_was_shut ? 0 : DIAL_US), u->path_at_us);
	int64_t since_us = uploads_unanswered_since_us(u);
	if (u->state != UPLINK_UP || since_us == INT64_MAX)
		return INT64_MAX;
	return MAX(MAX(since_us, u->heard_us) + u->quiet_us + 2 * u->round_trip_us, u->path_at_us);
}

static void start_look(struct uplink *u, int64_t now_us)
{
	u->path = reach_start(
		u->shared->conf, REACH_CONNECT, CONNECT_US + 2 * u->round_trip_us, u->wake_fd);
	if (u->path == NULL)
		u->path_at_us = now_us + NO_THREAD_US;
	else
		COUNT(u, looks);
}

enum path_says path_look(struct uplink *u, int64_t now_us)
{
	enum reach got;
	struct err why;
	if (now_us >= path_due_us(u))
		start_look(u, now_us);
	if (u->path == NULL || !reach_take(u->path, &got, &why))
		return PATH_NOTHING;
	reach_drop(u->path);
	u->path = NULL;
	if (u->state == UPLINK_UP) {
		u->quiet_us = MIN(u->quiet_us * 2, QUIET_MAX_US);
		return got == REACH_OK ? PATH_NOTHING : PATH_SHUT;
	}
	if (u->state != UPLINK_DOWN)
		return PATH_NOTHING;
	if (got == REACH_OK) {
		bool again = u->path_was_shut || u->path_is_open;
		u->path_is_open = true;
		u->path_at_us = now_us + jittered(PATIENCE_US);
		return again ? PATH_OPEN_AGAIN : PATH_NOTHING;
	}
	u->path_was_shut = true;
	u->path_at_us = now_us + jittered(MIN((now_us - u->down_since_us) / SHUT_PART, SHUT_MAX_US));
	return PATH_NOTHING;
}
