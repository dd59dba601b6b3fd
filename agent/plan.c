#include "agent/plan.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t key_of(
	const struct plan_rules *rules, const struct assign_service *s, const struct assign_endpoint *e)
{
	char way[32];
	(void)snprintf(way, sizeof(way), "%u/%d", e->path, e->ip_version);
	/* an endpoint is probed several ways at once, each with its own slots: past the CDN, on IPv4 and
	 * IPv6, at a pinned edge */
	const struct str parts[] = { str_of(rules->agent), s->name, e->id, str_of(way), e->connect_to };
	return schedule_hash(parts, ARRAY_LEN(parts));
}

static int by_key(const void *a, const void *b)
{
	const struct plan_endpoint *x = a, *y = b;
	return (x->key > y->key) - (x->key < y->key);
}

static int endpoint_make(struct plan_endpoint *e, const struct plan_rules *rules,
	const struct assign_service *from, const struct assign_endpoint *what, struct err *err)
{
	int rc;
	if (what->id.n == 0 || what->id.n > OBS_NAME_MAX)
		return err_set(err, ERR_SYNTAX, "an endpoint's id of %zu bytes", what->id.n);
	if (from->name.n == 0 || from->name.n > OBS_NAME_MAX)
		return err_set(err, ERR_SYNTAX, "a service's name of %zu bytes", from->name.n);
	rc = target_new(what, from->timeout_ms, rules->policy, rules->user_agent, &e->target, err);
	if (rc < 0)
		return rc;
	e->magic = PLAN_ENDPOINT_MAGIC;
	e->id = str_dup(what->id);
	e->key = key_of(rules, from, what);
	return 0;
}

static void service_add(struct plan *p, const struct plan_rules *rules, const struct assign_service *from)
{
	struct plan_service *s = &p->services[p->n_services++];
	s->name = str_dup(from->name);
	for (size_t i = 0; i < from->n_endpoints; i++) {
		struct plan_endpoint *e = &p->endpoints[p->n_endpoints];
		struct err err;
		if (endpoint_make(e, rules, from, &from->endpoints[i], &err) < 0) {
			p->refused++;
			rules->refused(rules->arg, from->name, from->endpoints[i].id, &err);
			continue;
		}
		e->plan = p;
		e->service = s;
		p->n_endpoints++;
	}
}

static void evidence_keep(struct plan *p, const struct plan *before)
{
	for (size_t i = 0; before && before->n_endpoints > 0 && i < p->n_endpoints; i++) {
		const struct plan_endpoint *was = bsearch(&p->endpoints[i], before->endpoints,
			before->n_endpoints, sizeof(*before->endpoints), by_key);
		if (was)
			p->endpoints[i].evidence = was->evidence;
	}
}

static void items_make(struct plan *p, const struct assignments *a)
{
	for (size_t i = 0; i < p->n_endpoints; i++) {
		struct plan_endpoint *e = &p->endpoints[i];
		const struct assign_service *s = &a->services[e->service - p->services];
		struct str host = str_of(e->target->connect_host);
		p->items[i] = (struct schedule_item){
			.key = e->key,
			.host = schedule_hash(&host, 1),
			.interval_us = MAX(s->interval_ms * US_PER_MS, PLAN_INTERVAL_MIN_US),
			.user = e,
		};
		if (s->burst_interval_ms > 0 && s->burst_left_ms > 0) {
			p->items[i].burst_interval_us =
				MAX(s->burst_interval_ms * US_PER_MS, PLAN_INTERVAL_MIN_US);
			p->items[i].burst_until_us = p->set->received_boot_us + s->burst_left_ms * US_PER_MS;
		}
	}
}

struct plan *plan_new(struct assign_set *set, const struct plan_rules *rules, const struct plan *before)
{
	struct plan *p = mem_new(sizeof(*p));
	size_t n = 0;
	p->set = assign_set_ref(set);
	for (size_t i = 0; i < set->a.n_services; i++)
		n += set->a.services[i].n_endpoints;
	p->services = mem_new_array(set->a.n_services, sizeof(*p->services));
	p->endpoints = mem_new_array(n, sizeof(*p->endpoints));
	p->items = mem_new_array(n, sizeof(*p->items));
	for (size_t i = 0; i < set->a.n_services; i++)
		service_add(p, rules, &set->a.services[i]);
	qsort(p->endpoints, p->n_endpoints, sizeof(*p->endpoints), by_key); /* nobody points at them yet */
	evidence_keep(p, before);
	items_make(p, &set->a);
	return p;
}

void plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_endpoints; i++) {
		p->endpoints[i].magic = 0;
		target_unref(p->endpoints[i].target);
		free(p->endpoints[i].id);
	}
	for (size_t i = 0; i < p->n_services; i++) {
		free(p->services[i].name);
		batch_builder_free(p->services[i].builder);
	}
	assign_set_unref(p->set);
	free(p->endpoints);
	free(p->services);
	free(p->items);
	free(p);
}
