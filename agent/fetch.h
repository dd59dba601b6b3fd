/* fetch.h - one thread's fetching: libcurl's multi interface on epoll. Targets in, answers out by callback.
 *
 * One thread owns a fetch; only what it watches may be rung from others. A few libcurl handles rotate over
 * all targets (the last one used is the first one used again: warm memory), however many targets there are.
 * Bounded per fetch: time (target), decoded body (target), header bytes and lines, redirects; in all:
 * FETCH_LOOKUPS_MAX names looked up at a time, because libcurl starts a thread for each. Who waits for a
 * lookup until its time is up failed by DNS. */
#ifndef AGENT_FETCH_H
#define AGENT_FETCH_H

#include "agent/addresses.h"
#include "agent/answer.h"

#define FETCH_LOOKUPS_MAX      32
#define FETCH_LOOK_UPS_MAX     8               /* of them by fetch_look_up() */
#define FETCH_LOOKUP_LINGER_US (10 * US_PER_S) /* a lookup given up counts for so long yet */
#define FETCH_HEADER_BYTES_MAX (64 * 1024)     /* of one fetch, interim answers included */
#define FETCH_KEPT_MAX         4096            /* kept connections */
#define FETCH_KEPT_LIFE_S      300 /* after this a kept connection is made anew: routes and addresses move */
#define FETCH_DNS_LIFE_S       60  /* for targets that keep connections; a fresh one looks up every time */

struct fetch;

/* a and its strings are borrowed for the call. May call fetch_start(). */
typedef void fetch_done_fn(void *arg, void *user, const struct answer *a);

/* What fetch_look_up() came to; found->n 0: it failed. Borrowed for the call. */
typedef void fetch_found_fn(void *arg, struct str name, const struct addresses *found);

struct fetch_conf {
	const struct netpolicy *policy; /* borrowed, until fetch_set_policy() */
	const char *ca_file;            /* NULL: libcurl's */
	fetch_done_fn *done;
	fetch_found_fn *found; /* NULL: nobody will ask */
	void *arg;
};

MUST_USE int fetch_new(const struct fetch_conf *conf, struct fetch **ret, struct err *err);
/* What is under way ends without a call. NULL is fine. */
void fetch_free(struct fetch *f);
/* From now on; kept connections are judged again before they are used. */
void fetch_set_policy(struct fetch *f, const struct netpolicy *policy);

/* Starts now, or as soon as fewer names are being looked up; its time runs from now in either case. Takes a
 * reference of its own to t. done is called once, from fetch_turn(), never from here. */
void fetch_start(struct fetch *f, struct target *t, bool burst, void *user);
size_t fetch_inflight(const struct fetch *f);

/* Every address of name. found is called once, from fetch_turn(); how long it takes is the resolver's to say.
 * False: too many lookups are under way, ask again later. */
bool fetch_look_up(struct fetch *f, const char *name);

/* ready(arg) is called from fetch_turn() whenever fd is readable. At most FETCH_WATCHES_MAX. */
#define FETCH_WATCHES_MAX 4
MUST_USE int fetch_watch(struct fetch *f, int fd, void (*ready)(void *arg), void *arg, struct err *err);

/* One turn: waits until something happens, at most wait_us (negative: without end), and sees to it. */
void fetch_turn(struct fetch *f, int64_t wait_us);

#endif
