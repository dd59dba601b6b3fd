/* plan.h - one set of assignments made ready: a target for each endpoint this agent may probe, a batch in the
 * making for each service. Owned by the fetch thread. An older plan lives on until what was under way in it
 * has ended. */
#ifndef AGENT_PLAN_H
#define AGENT_PLAN_H

#include "agent/addresses.h"
#include "agent/assign.h"
#include "agent/evidence.h"
#include "agent/schedule.h"
#include "agent/target.h"
#include "proto/batch.h"

#define PLAN_ENDPOINTS_MAX   8000             /* each address that the agent found itself is one more */
#define PLAN_INTERVAL_MIN_US (10 * US_PER_MS) /* against nonsense; the caps are what protects others */

struct plan_service {
	char *name;
	struct batch_builder *builder; /* NULL: no result yet */
	int64_t first_us;              /* when the first result came that is not sealed; boot-time clock */
};

struct plan_endpoint {
	uint32_t magic;
	struct plan *plan;
	struct plan_service *service;
	struct target *target;
	char *id;
	uint64_t key, ticket;
	uint32_t burst_share; /* so many burst intervals between two of its probes in a burst */
	bool all;             /* its name's addresses are all asked for */
	bool burst_only;      /* an edge of earlier today, looked at again while a burst is on */
	struct evidence evidence;
};
#define PLAN_ENDPOINT_MAGIC 0xe4d00c01u

struct plan {
	struct assign_set *set;
	struct plan_service *services;
	size_t n_services;
	struct plan_endpoint *endpoints; /* in order of their keys */
	struct schedule_item *items;     /* one for each; user is the endpoint */
	size_t n_endpoints, cap_endpoints;
	size_t refused, inflight;
	bool bursting; /* of a service of it a burst was on when it was made */
	struct plan *older;
};

struct plan_rules {
	const char *agent, *user_agent;
	const struct netpolicy *policy;
	const struct address_book *book;
	int64_t now_us;
	/* called for every endpoint that is left out, with the reason */
	void (*refused)(void *arg, struct str service, struct str endpoint, const struct err *why);
	void *arg;
};

/* Takes a reference of its own to set. What `before` (may be NULL) knew of an endpoint's evidence is kept. */
/* Every name whose addresses all are to be probed, as it stands in the set. */
void plan_want(const struct plan *p, struct address_book *book);
struct plan *plan_new(struct assign_set *set, const struct plan_rules *rules, const struct plan *before);
void plan_free(struct plan *p); /* NULL is fine; nothing of it is under way any more */

#endif
