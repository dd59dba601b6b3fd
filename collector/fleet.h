/* fleet.h - who the agents are and how they are connected: credentials, pipes, parked Watches, and what the
 * journal is still to be told of them. Any thread; every call is short and does no I/O. Agents are never
 * forgotten while the collector runs, so their names and regions stay valid for as long as the fleet does. */
#ifndef COLLECTOR_FLEET_H
#define COLLECTOR_FLEET_H

#include "collector/collector_conf.h"
#include "proto/wire.h"

#define FLEET_SILENT_US (90 * US_PER_S) /* a Watch comes every WATCH_PARK_MS: over this the pipe is dead */
#define FLEET_MUTE_US   (20 * US_PER_S) /* connected, and never said Hello */

struct fleet;
struct fleet_agent { /* borrowed for as long as the fleet lives */
	struct str name, region;
};

struct fleet *fleet_new(void);
/* drop gets every Watch that is still parked. */
void fleet_free(struct fleet *f, void (*drop)(void *msg));

/* -- credentials -- */
/* As the store has it, or has it now. A revoked agent's connection is refused from here on. ret_parked: its
 * parked Watch, to be answered by the caller, or NULL. */
void fleet_put(struct fleet *f, const struct agent_record *r, void **ret_parked);
/* The static fleet of the configuration, instead of the one before. A store's record of the same name loses.
 */
void fleet_set_static(struct fleet *f, const struct collector_conf *c);
/* False: not enrolled. *ret_static: by configuration. */
bool fleet_find(struct fleet *f, struct str name, struct agent_record *ret, bool *ret_static);
/* Enrolled and not revoked, by name; ends and returns what each() returned when that is not 0. each() must
 * not call back. */
int fleet_each(
	struct fleet *f, int (*each)(void *ctx, const struct fleet_agent *a, bool connected), void *ctx);

/* Rises when an agent is enrolled, revoked or moves to another region: who probes what may be different. */
uint64_t fleet_version(struct fleet *f);

/* -- pipes -- */
void fleet_pipe_added(struct fleet *f, uint32_t pipe, int64_t boot_us);
/* Returns its parked Watch, or NULL. */
void *fleet_pipe_gone(struct fleet *f, uint32_t pipe);
/* Binds the pipe, or says why not. DENIAL_COUNT: welcome. ret_parked: the Watch of the connection it
 * replaces, which the caller answers `replaced`. */
enum denial fleet_hello(struct fleet *f, uint32_t pipe, const struct wire_hello *h, int64_t received_us,
	int64_t boot_us, struct fleet_agent *ret, void **ret_parked);
/* Whose is it? DENIAL_COUNT: an agent's that may speak. */
enum denial fleet_message(struct fleet *f, uint32_t pipe, int64_t boot_us, struct fleet_agent *ret);
/* What an Upload tells beside results. True: it is news. */
bool fleet_upload(struct fleet *f, uint32_t pipe, const struct wire_upload *u, bool clock_suspect);
/* What a Watch tells beside what the agent has. True: it is news. */
bool fleet_watch(struct fleet *f, uint32_t pipe, bool leaving, const struct wire_shortfall *s);
/* Adds `,"held_back":N,"refused":N,"refusals":[{"service","endpoint","why"},..]`, as the agent said last. */
void fleet_shortfall_json(struct fleet *f, struct str name, struct buf *out);
/* A pipe to be closed: dead, mute. False: none. It is no longer there afterwards; *ret_parked is NULL or its
 * Watch. */
bool fleet_take_dead(struct fleet *f, int64_t boot_us, uint32_t *ret_pipe, void **ret_parked);

/* -- parked Watches -- */
struct fleet_parked {
	uint32_t pipe;
	struct fleet_agent agent;
	void *msg;
	uint64_t generation; /* what the agent has */
	int64_t received_us; /* collector's wall clock, for the answer */
	int64_t deadline_boot_us;
};
/* How often fleet_take_parked() was called: read it before deciding that there is nothing to tell. */
uint64_t fleet_pushes(struct fleet *f);
enum fleet_parking {
	PARKING_HELD,  /* p->msg is the fleet's now; *ret_old: the Watch that was parked there before, or NULL
			*/
	PARKING_STALE, /* others were told something meanwhile: look again */
	PARKING_DENIED, /* revoked, replaced meanwhile: *ret_denial */
	PARKING_GONE,   /* the pipe is */
};
enum fleet_parking fleet_park(struct fleet *f, const struct fleet_parked *p, uint64_t pushes, void **ret_old,
	enum denial *ret_denial);
bool fleet_take_due(struct fleet *f, int64_t boot_us, struct fleet_parked *ret);
/* All of them, oldest first; free() the array. */
size_t fleet_take_parked(struct fleet *f, struct fleet_parked **ret);
int64_t fleet_next_deadline(struct fleet *f); /* boot time; INT64_MAX: nobody waits */

/* -- what the journal is to be told -- */
struct fleet_news {
	struct str name, region, software; /* software: copied, free() software.p */
	enum agent_told state;
	bool has_location, clock_suspect;
	double latitude, longitude;
};
/* One agent whose state differs from what the journal has; from then on the journal counts as told. Coming
 * and going between two calls is no news. */
bool fleet_take_news(struct fleet *f, struct fleet_news *ret);
/* At start: the journal's last word on this agent is that it is connected. */
void fleet_was_connected(struct fleet *f, struct str name, struct str region);
/* The same for one that is not: it has been told of, and no more is to be said until it comes. */
void fleet_was_known(struct fleet *f, struct str name, bool revoked);
/* Some time later: those of them that have not said Hello are news, as gone. */
void fleet_forget_absent(struct fleet *f);

struct fleet_counts {
	size_t enrolled, connected, pipes, parked;
	uint64_t lost_results, held_back; /* summed over agents; held_back over their runs, too */
	uint64_t refused;                 /* endpoints, now */
};
void fleet_counts(struct fleet *f, struct fleet_counts *ret);

#endif
