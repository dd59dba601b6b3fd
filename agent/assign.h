/* assign.h - what this agent is to probe: from the collector to the disk (a restart without a collector
 * probes on) and from the uplink's thread to the fetch thread. A set is immutable and counted; nobody locks
 * to read it. */
#ifndef AGENT_ASSIGN_H
#define AGENT_ASSIGN_H

#include "proto/wire.h"

struct assign_set {
	struct assignments a;     /* read only */
	int64_t received_boot_us; /* burst_left_ms of every service counts from here */
	/* below: assign.c's */
	struct wire_msg msg;
	_Atomic int refs;
};

/* A deep copy, counted once. unchanged is false in it. */
MUST_USE struct assign_set *assign_set_new(const struct assignments *a, int64_t received_boot_us);
struct assign_set *assign_set_ref(struct assign_set *s);
void assign_set_unref(struct assign_set *s); /* NULL is fine */

/* The file is replaced whole (fsync, rename) or not at all. */
MUST_USE int assign_save(const char *path, const struct assign_set *s, struct err *err);
/* ERR_NOT_FOUND: no file yet. ERR_CORRUPT: damaged, the sentence says what to do; the agent starts without
 * assignments. Bursts are left out: they were over long before anybody restarts. */
MUST_USE int assign_load(const char *path, struct assign_set **ret, struct err *err);

/* Holds the newest set for the one thread that takes it. Any number of threads may put. */
struct assign_box;
struct assign_box *assign_box_new(void);
void assign_box_free(struct assign_box *box); /* NULL is fine */
void assign_box_put(struct assign_box *box,
	struct assign_set *s); /* takes the reference; an older one not yet taken is let go */
struct assign_set *assign_box_take(
	struct assign_box *box);                 /* the reference is the caller's; NULL: nothing new */
int assign_box_fd(const struct assign_box *box); /* eventfd: readable after a put, until the take */

#endif
