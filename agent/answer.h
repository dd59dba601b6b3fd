/* answer.h - what came back from one fetch, made into an observation: the version, which edge answered,
 * through which tiers, how old, for how long yet. Pure. The strings are borrowed from what went in, or lie in
 * the struct itself. */
#ifndef AGENT_ANSWER_H
#define AGENT_ANSWER_H

#include "agent/target.h"

/* What the transfer did, as libcurl told it. */
struct transfer {
	enum obs_fail fail;       /* FAIL_OK: an answer came, whole */
	const char *why;          /* sentence for a failure; may be NULL */
	int64_t observed_boot_us; /* first byte of the answer, or the moment of failure */
	int64_t observed_wall_us; /* the same moment, for Date arithmetic */
	struct obs_timing timing;
	struct str headers; /* raw block of the last answer, empty when there was none; whole unless fail says
			       too_big */
	struct str body;    /* decoded; body.p[body.n] is a NUL */
	struct str ip;      /* who answered, or was tried last; may be empty */
	bool reused, burst;
};

struct answer {
	struct obs obs; /* all but its dictionary indexes, which are the strings below */
	struct str edge, node, ip, version, etag;
	struct str headers; /* raw block: the evidence, not yet struck out */
	struct edge_info cdn;
	struct extracted extracted; /* version borrows it */
	char edge_text[OBS_NAME_MAX];
	struct err why; /* when obs.fail is not FAIL_OK */
};

/* An edge nobody names is the machine that answered, where that is one's own and no network's:
 * "direct:192.0.2.7" without a known cache, "varnish:192.0.2.7" and the like with one. So every service has
 * cells. */
void answer_read(struct answer *a, const struct target *t, const struct transfer *tr);

#endif
