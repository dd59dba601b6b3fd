/* recv.h - the collector's end of the wire: the agents' port, a raw REP socket behind it, threads that decode, check and
 * hand over. They never wait for the disk: a full queue is answered Busy. Refused agents get an answer, never
 * a closed pipe (they would be back several times a second). Whose message it is, the pipe says, bound by
 * Hello; nothing in a later message can change it. */
#ifndef COLLECTOR_RECV_H
#define COLLECTOR_RECV_H

#include "collector/agent_port.h"
#include "collector/assign_out.h"
#include "collector/fleet.h"
#include "collector/writer.h"

#define RECV_THREADS 2

struct recv_options {
	const struct collector_conf *conf; /* read during recv_start() only */
	struct fleet *fleet;
	struct writer *writer;
	void *ctx;
	/* What this agent is to probe now. o's strings are of *ret_conf, which the caller gives back with
	 * collector_conf_unref(). */
	void (*assign)(void *ctx, const struct fleet_agent *a, struct assign_out *o,
		struct collector_conf **ret_conf);
	/* An agent came, left or changed. Any thread, must not wait. */
	void (*fleet_changed)(void *ctx);
};

struct recv;
MUST_USE int recv_start(const struct recv_options *o, struct recv **ret, struct err *err);
const char *recv_address(const struct recv *r); /* as bound: port 0 became a port */
/* From now on every Upload is answered Busy: somebody else may take it, or we, after the restart. */
void recv_drain(struct recv *r);
void recv_stop(struct recv *r); /* no thread of it runs afterwards; NULL is fine */
/* A new certificate for connections to come. */
MUST_USE int recv_set_tls(struct recv *r, const struct collector_conf *c, struct err *err);

/* Assignments or bursts changed: parked Watches whose agent they concern are answered now. */
void recv_push(struct recv *r);
/* Answers Watches that waited long enough and closes dead pipes. Returns the boot time at which to call
 * again. */
int64_t recv_tick(struct recv *r);
/* This parked Watch's agent may not speak any more. Takes msg, which may be NULL. */
void recv_deny(struct recv *r, void *msg, enum denial why);

struct recv_counts {
	uint64_t refused_messages, busy_answers, denied;
	struct agent_port_counts port;
};
void recv_counts(struct recv *r, struct recv_counts *ret);

#endif
