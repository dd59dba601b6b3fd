/* plan.h - one set of assignments made ready: a target for each endpoint this agent may probe, a batch in the
 * making for each service. Owned by the fetch thread. An older plan lives on until what was under way in it
 * has ended. */
#ifndef AGENT_PLAN_H
#define AGENT_PLAN_H

#include "agent/assign.h"
#include "agent/evidence.h"
#include "agent/schedule.h"
#include "agent/target.h"
#include "proto/batch.h"

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
	struct evidence evidence;
};
#define PLAN_ENDPOINT_MAGIC 0xe4d00c01u

struct plan {
	struct assign_set *set;
	struct plan_service *services;
	size_t n_services;
	struct plan_endpoint *endpoints; /* in order of their keys */
	struct schedule_item *items;     /* one for each; user is the endpoint */
	size_t n_endpoints;
	size_t refused, inflight;
	struct plan *older;
};

struct plan_rules {
	const char *agent, *user_agent;
	const struct netpolicy *policy;
	/* called for every endpoint that is left out, with the reason */
	void (*refused)(void *arg, struct str service, struct str endpoint, const struct err *why);
	void *arg;
};

/* Takes a reference of its own to set. What `before` (may be NULL) knew of an endpoint's evidence is kept. */
struct plan *plan_new(struct assign_set *set, const struct plan_rules *rules, const struct plan *before);
void plan_free(struct plan *p); /* NULL is fine; nothing of it is under way any more */

#endif
