/* schedule.h - when which endpoint is probed. Pure: time is an argument (boot-time clock, microseconds). One
 * thread.
 *
 * Every item has a slot in each interval, k * interval + phase, its phase drawn by hash: never in step with
 * others, the same after a restart, and untouched when the set changes around it. A new item is probed for
 * the first time within SCHEDULE_FIRST_US, spread by the same hash. While a burst is on the slots are those
 * of the burst's interval.
 *
 * Caps: probes a second to one host and in all (token buckets of one second's worth), and probes under way.
 * What a cap holds back waits its turn, first come first served, and is counted; slots that pass meanwhile
 * are not made up for, but counted. */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include "base/str.h"

#define SCHEDULE_FIRST_US (10 * US_PER_S)
#define SCHEDULE_NEVER    INT64_MAX

struct schedule;

struct schedule_limits { /* 0: no such cap */
	double max_rate, max_rate_per_host;
	size_t max_inflight;
};

struct schedule_item {
	uint64_t key; /* who it is: a hash of agent, service and endpoint; gives the phase; unique in a set */
	uint64_t host;             /* hash of where it goes: items of one host share a bucket */
	int64_t interval_us;       /* over 0 */
	int64_t burst_interval_us; /* 0: no burst */
	int64_t burst_until_us;
	void *user; /* given back by schedule_take() */
};

struct schedule *schedule_new(const struct schedule_limits *limits);
void schedule_free(struct schedule *s); /* NULL is fine */
void schedule_set_limits(struct schedule *s, const struct schedule_limits *limits, int64_t now_us);

/* From now on these and no others. Items whose key was there before keep their place, what they have under
 * way and, unless the interval changed, their next slot. Of a key that comes twice one is left out. */
void schedule_set(struct schedule *s, const struct schedule_item *items, size_t n, int64_t now_us);

/* The next item that may start now: true, and it counts as under way until schedule_done() of its ticket. */
struct schedule_start {
	void *user;
	uint64_t ticket;
	int64_t due_us; /* the slot; earlier than now when a cap held it back */
	bool burst;
};
bool schedule_take(struct schedule *s, int64_t now_us, struct schedule_start *ret);
/* Fine also when its item has left the set meanwhile. */
void schedule_done(struct schedule *s, uint64_t ticket);
/* When schedule_take() could next say yes, unless something is done first; SCHEDULE_NEVER when nothing waits
 * for time. */
int64_t schedule_next_us(const struct schedule *s, int64_t now_us);

uint64_t schedule_held_back(
	const struct schedule *s); /* probes a cap delayed or left out, since schedule_new() */
size_t schedule_inflight(const struct schedule *s);
size_t schedule_count(const struct schedule *s);

/* FNV-1a of the parts with a separator, then mixed so that near names land far apart. */
uint64_t schedule_hash(const struct str *parts, size_t n);

#endif
