#include "agent/plan.h"

#include <stdio.h>
#include <stdlib.h>

#define NEVER_US (365 * US_PER_DAY) /* between two slots outside a burst */

static uint64_t key_of(
	const struct plan_rules *rules, const struct assign_service *s, const struct assign_endpoint *e)
{
	char way[32];
	/* an address is the same edge whichever question found it */
	(void)snprintf(way, sizeof(way), "%u/%d", e->path, e->address.n ? 0 : e->ip_version);
	/* an endpoint is probed several ways at once, each with its own slots: past the CDN, on IPv4 and
	 * IPv6, at a pinned edge */
	const struct str parts[] = { str_of(rules->agent), s->name, e->id, str_of(way), e->connect_to,
		e->address };
	return schedule_hash(parts, ARRAY_LEN(parts) - (e->address.n == 0));
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

/* Takes what endpoint_make() made. */
static void endpoint_add(
	struct plan *p, const struct plan_endpoint *made, size_t service, bool all, bool burst_only)
{
	p->endpoints = mem_grow(p->endpoints, &p->cap_endpoints, p->n_endpoints + 1, sizeof(*p->endpoints));
	struct plan_endpoint *e = &p->endpoints[p->n_endpoints++];
	*e = *made;
	e->plan = p;
	e->service = &p->services[service];
	e->burst_share = 1;
	e->burst_only = burst_only;
	e->all = all;
}

static void refuse(struct plan *p, const struct plan_rules *rules, const struct assign_service *from,
	const struct assign_endpoint *what, const struct err *why)
{
	p->refused++;
	rules->refused(rules->arg, from->name, what->id, why);
}

/* One endpoint for each of the addresses. They have passed as a name already, and are judged when they
 * connect. */
static void pins_add(struct plan *p, const struct plan_rules *rules, size_t service,
	const struct assign_endpoint *what, const struct addresses *at, bool burst_only)
{
	const struct assign_service *from = &p->set->a.services[service];
	for (size_t i = 0; i < at->n; i++) {
		struct assign_endpoint pinned = *what;
		struct plan_endpoint made = { 0 };
		struct err err = { 0 };
		pinned.addresses = ADDRESSES_ALL;
		pinned.address = str_of(at->ip[i]);
		int rc = p->n_endpoints < PLAN_ENDPOINTS_MAX
				 ? endpoint_make(&made, rules, from, &pinned, &err)
				 : err_set(&err, ERR_TOO_BIG, "over %d endpoints, addresses included",
					   PLAN_ENDPOINTS_MAX);
		if (rc == 0) {
			endpoint_add(p, &made, service, what->addresses == ADDRESSES_ALL, burst_only);
		} else if (!burst_only) {
			refuse(p, rules, from, what, &err);
			return; /* one word about it, not one for each address */
		}
	}
}

/* However many ways there are to an endpoint, together they are probed as often as one: the burst's budget is
 * the fleet's, and whoever divided it knows nothing of what was found here. Half of it is for where users go
 * now, where edges of earlier are looked at too. */
static void burst_divide(struct plan *p, size_t first)
{
	uint32_t now = 0, earlier = 0;
	for (size_t i = first; i < p->n_endpoints; i++)
		p->endpoints[i].burst_only ? earlier++ : now++;
	for (size_t i = first; i < p->n_endpoints; i++)
		p->endpoints[i].burst_share = earlier == 0                 ? now
					      : p->endpoints[i].burst_only ? 2 * earlier
									   : 2 * now;
}

static void ways_add(struct plan *p, const struct plan_rules *rules, size_t service,
	const struct assign_endpoint *what, bool burst)
{
	const struct assign_service *from = &p->set->a.services[service];
	struct plan_endpoint made = { 0 };
	struct addresses found = { .n = 0 }, earlier;
	struct err err = { 0 };
	size_t first = p->n_endpoints;
	bool good = false;
	if (endpoint_make(&made, rules, from, what, &err) < 0) {
		refuse(p, rules, from, what, &err);
		return;
	}
	struct str name = str_of(made.target->name);
	if (name.n > 0 && what->addresses == ADDRESSES_ALL) {
		good = address_book_get(rules->book, name, what->ip_version, rules->now_us, &found);
		pins_add(p, rules, service, what, &found, false);
	}
	if (name.n > 0 && burst) {
		address_book_learned(rules->book, name, what->ip_version, &found, rules->now_us, &earlier);
		pins_add(p, rules, service, what, &earlier, true);
	}
	/* Also beside addresses of earlier: that the name does not resolve is a result too. */
	if (!good || found.n == 0) {
		endpoint_add(p, &made, service, what->addresses == ADDRESSES_ALL, false);
	} else {
		target_unref(made.target);
		free(made.id);
	}
	burst_divide(p, first);
}

static void service_add(struct plan *p, const struct plan_rules *rules, size_t service)
{
	const struct assign_service *from = &p->set->a.services[service];
	int64_t until_us = p->set->received_boot_us + from->burst_left_ms * US_PER_MS;
	bool burst = from->burst_interval_ms > 0 && from->burst_left_ms > 0 && until_us > rules->now_us;
	p->services[p->n_services++].name = str_dup(from->name);
	p->bursting |= burst;
	for (size_t i = 0; i < from->n_endpoints; i++)
		ways_add(p, rules, service, &from->endpoints[i], burst);
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

static int64_t interval_of(const struct assign_service *s)
{
	return MAX(s->interval_ms * US_PER_MS, PLAN_INTERVAL_MIN_US);
}

static void items_make(struct plan *p, const struct assignments *a)
{
	for (size_t i = 0; i < p->n_endpoints; i++) {
		struct plan_endpoint *e = &p->endpoints[i];
		const struct assign_service *s = &a->services[e->service - p->services];
		struct str host = str_of(e->target->rate_host);
		p->items[i] = (struct schedule_item){
			.key = e->key,
			.host = schedule_hash(&host, 1),
			.interval_us = e->burst_only ? NEVER_US : interval_of(s),
			.user = e,
		};
		if (s->burst_interval_ms > 0 && s->burst_left_ms > 0) {
			p->items[i].burst_interval_us =
				MAX(s->burst_interval_ms * US_PER_MS, PLAN_INTERVAL_MIN_US) * e->burst_share;
			p->items[i].burst_until_us = p->set->received_boot_us + s->burst_left_ms * US_PER_MS;
		}
	}
}

struct plan *plan_new(struct assign_set *set, const struct plan_rules *rules, const struct plan *before)
{
	struct plan *p = mem_new(sizeof(*p));
	p->set = assign_set_ref(set);
	p->services = mem_new_array(set->a.n_services, sizeof(*p->services));
	for (size_t i = 0; i < set->a.n_services; i++)
		service_add(p, rules, i);
	p->items = mem_new_array(p->n_endpoints, sizeof(*p->items));
	if (p->n_endpoints > 0) /* nobody points at them yet */
		qsort(p->endpoints, p->n_endpoints, sizeof(*p->endpoints), by_key);
	evidence_keep(p, before);
	items_make(p, &set->a);
	return p;
}

void plan_want(const struct plan *p, struct address_book *book)
{
	for (size_t i = 0; i < p->n_endpoints; i++) {
		const struct plan_endpoint *e = &p->endpoints[i];
		if (e->all && e->target->name)
			address_book_want(book, str_of(e->target->name),
				interval_of(&p->set->a.services[e->service - p->services]));
	}
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
