/* A service's configuration. */
#include <stdlib.h>

#include "collector/engine/why.h"

void cell_fini(struct cell *c)
{
	runs_fini(&c->runs);
	if (c->trouble)
		draws_free(c->trouble->draws);
	free(c->trouble);
	c->trouble = NULL;
}

void endpoint_fini(struct endpoint *ep)
{
	free(ep->url), free(ep->cdn_vendor), free(ep->cdn_zone), free(ep->behind);
	runs_fini(&ep->origin), runs_fini(&ep->through);
}

static void texts_free(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void purge_fini(struct purge *p)
{
	free(p->id), free(p->vendor), free(p->zone), free(p->source);
	texts_free(p->patterns, p->n_patterns);
	texts_free(p->tags, p->n_tags);
	free(p->covers);
}

void service_empty(struct service *s)
{
	for (size_t i = 0; i < s->n_cells; i++)
		cell_fini(&s->cells[i]);
	for (size_t i = 0; i < s->n_endpoints; i++)
		endpoint_fini(&s->endpoints[i]);
	for (size_t i = 0; i < s->n_deploys; i++)
		deploy_free(s->deploys[i]);
	for (size_t i = 0; i < s->n_purges; i++)
		purge_fini(&s->purges[i]);
	for (size_t i = 0; i < s->n_inner; i++)
		inner_fini(&s->inner[i]);
	names_fini(&s->texts);
	drawlogs_free(s);
	index_fini(&s->ix_endpoints), index_fini(&s->ix_values), index_fini(&s->ix_members),
		index_fini(&s->ix_routes), index_fini(&s->ix_cells);
	free(s->assigned), free(s->endpoints), free(s->values), free(s->members), free(s->routes),
		free(s->cells);
	free(s->links), free(s->order), free(s->deploys), free(s->ledger), free(s->purges), free(s->inner);
	free(s->noticed);
	*s = (struct service){ .name = s->name, .removed = true };
}

void service_free(struct service *s)
{
	if (s)
		service_empty(s);
	free(s);
}

struct str service_name(const struct engine *e, const struct service *s)
{
	return names_get(&e->names, s->name);
}

struct service *service_find(const struct engine *e, struct str name, uint32_t *ret_index)
{
	uint32_t id = names_find(&e->names, name);
	for (uint32_t i = 0; id != NONE32 && i < e->n_services; i++)
		if (e->services[i]->name == id && !e->services[i]->removed) {
			if (ret_index)
				*ret_index = i;
			return e->services[i];
		}
	return NULL;
}

uint32_t endpoint_find(const struct engine *e, const struct service *s, struct str id)
{
	uint32_t name = names_find(&e->names, id);
	return name == NONE32 ? NONE32 : index_get(&s->ix_endpoints, name, s->endpoints, endpoint_key);
}

void member_assign(const struct engine *e, const struct service *s, struct member *m)
{
	m->assigned = s->n_assigned == 0; /* nobody says: whoever reports */
	for (size_t i = 0; i < s->n_assigned && !m->assigned; i++)
		m->assigned = s->assigned[i] == e->agents[m->agent].name;
}

/* -- configuration -- */

int service_check(const struct ev_service *ev, struct err *err)
{
	if (ev->name.n == 0 || ev->name.n > OBS_NAME_MAX)
		return err_set(err, ERR_NONSENSE, "service: a name of 1 to %d bytes is needed", OBS_NAME_MAX);
	if (ev->removed)
		return 0;
	if (ev->interval_us <= 0)
		return err_set(
			err, ERR_NONSENSE, "service %.*s: the interval must be above 0", STR_ARG(ev->name));
	if (!(ev->require >= 0 && ev->require <= 1) || !(ev->min_coverage >= 0 && ev->min_coverage <= 1))
		return err_set(err, ERR_NONSENSE,
			"service %.*s: require and min_coverage are shares from 0 to 1", STR_ARG(ev->name));
	for (size_t i = 0; i < ev->n_endpoints; i++) {
		if (ev->endpoints[i].id.n == 0 || ev->endpoints[i].id.n > OBS_NAME_MAX)
			return err_set(err, ERR_NONSENSE,
				"service %.*s: endpoint %zu needs an id of 1 to %d bytes", STR_ARG(ev->name),
				i, OBS_NAME_MAX);
		for (size_t j = 0; j < i; j++)
			if (str_eq(ev->endpoints[i].id, ev->endpoints[j].id))
				return err_set(err, ERR_EXISTS,
					"service %.*s: endpoint '%.*s' is there twice", STR_ARG(ev->name),
					STR_ARG(ev->endpoints[i].id));
	}
	return 0;
}

static int64_t duration_capped(int64_t us)
{
	return MIN(MAX(us, INT64_C(0)), DURATION_MAX_US);
}

static struct service *service_new(struct engine *e, struct str name, uint32_t *ret_index)
{
	uint32_t id = names_put(&e->names, name), i = 0;
	while (i < e->n_services && e->services[i]->name != id)
		i++;
	if (i == e->n_services) {
		e->services =
			mem_grow(e->services, &e->cap_services, e->n_services + 1, sizeof(*e->services));
		e->services[e->n_services++] = mem_new(sizeof(struct service));
	}
	struct service *s = e->services[i];
	*s = (struct service){
		.name = id, .gen = 1, .sweep_values_at = 4096, .sweep_due_us = e->now_us + SWEEP_US, .incident_due_us = INT64_MAX
	};
	names_init(&s->texts);
	timer_push(e, TIMER_SWEEP, i, 0, s->sweep_due_us);
	*ret_index = i;
	return s;
}

static void service_endpoints(struct engine *e, uint32_t service, const struct ev_service *ev)
{
	struct service *s = e->services[service];
	struct endpoint *eps = mem_new_array(ev->n_endpoints, sizeof(*eps));
	uint32_t *map = mem_new_array(s->n_endpoints, sizeof(*map));
	bool gone = false, moved = s->n_endpoints != ev->n_endpoints;
	for (size_t i = 0; i < s->n_endpoints; i++)
		map[i] = NONE32;
	for (uint32_t i = 0; i < ev->n_endpoints; i++) {
		const struct ev_endpoint *in = &ev->endpoints[i];
		uint32_t old = endpoint_find(e, s, in->id);
		/* another URL is another cache key: what was seen at the old one says nothing about it */
		if (old != NONE32 && str_eq(str_of(s->endpoints[old].url), in->url)) {
			eps[i].origin = s->endpoints[old].origin, eps[i].through = s->endpoints[old].through;
			runs_init(&s->endpoints[old].origin), runs_init(&s->endpoints[old].through);
			eps[i].behind = s->endpoints[old].behind;
			eps[i].n_behind = s->endpoints[old].n_behind;
			eps[i].cap_behind = s->endpoints[old].cap_behind;
			eps[i].next_behind = s->endpoints[old].next_behind;
			eps[i].browser_us = s->endpoints[old].browser_us;
			s->endpoints[old].behind = NULL;
			map[old] = i;
			moved |= old != i;
		} else {
			runs_init(&eps[i].origin), runs_init(&eps[i].through);
			eps[i].browser_us = TIME_NONE;
		}
		eps[i].cdn_vendor = text_dup(in->cdn_vendor);
		eps[i].cdn_zone = text_dup(in->cdn_zone);
		eps[i].id = names_put(&e->names, in->id);
		eps[i].url = text_dup(in->url);
		eps[i].match = (uint8_t)in->match;
		eps[i].learned = in->learned;
	}
	for (size_t i = 0; i < s->n_endpoints; i++) {
		gone |= map[i] == NONE32;
		endpoint_fini(&s->endpoints[i]);
	}
	free(s->endpoints);
	s->endpoints = eps;
	s->n_endpoints = ev->n_endpoints;
	if (gone || moved) {
		service_renumber(e, s, map, INT64_MIN);
		timers_rebuild(e);
	} else {
		service_reindex(s);
		service_order(e, s);
	}
	free(map);
	for (size_t i = 0; i < s->n_purges; i++)
		purge_match_all(s, &s->purges[i]);
}

void service_fold(struct engine *e, const struct ev_service *ev)
{
	uint32_t i;
	struct service *s = service_find(e, ev->name, &i);
	if (ev->removed) {
		if (s)
			service_empty(s);
		return;
	}
	if (s == NULL)
		s = service_new(e, ev->name, &i);
	s->interval_us = MAX(duration_capped(ev->interval_us), INT64_C(1));
	s->window_us = MAX(WINDOW_MIN_US, WINDOW_INTERVALS * s->interval_us);
	s->timeout_us = duration_capped(ev->timeout_us);
	s->watch_us = duration_capped(ev->watch_us);
	s->grace_us = duration_capped(ev->rollout_grace_us);
	s->alert_us = duration_capped(ev->alert_after_us);
	s->min_agents = ev->min_agents;
	s->require = ev->require, s->min_coverage = ev->min_coverage;
	s->has_origin = ev->has_origin;
	free(s->assigned);
	s->assigned = mem_new_array(ev->n_agents, sizeof(*s->assigned));
	s->n_assigned = ev->n_agents;
	for (size_t a = 0; a < ev->n_agents; a++)
		s->assigned[a] = names_put(&e->names, ev->agents[a]);
	for (size_t m = 0; m < s->n_members; m++)
		member_assign(e, s, &s->members[m]);
	service_endpoints(e, i, ev);
	ledger_rebuild(e, i);
	for (size_t d = 0; d < s->n_deploys; d++)
		deploy_arm(e, i, s->deploys[d]);
	s->check_live = s->check_verdict = true;
}
