/* A service's configuration, and the one place where things leave its pools: service_sweep() and a new
 * configuration both renumber what is left. */
#include <stdlib.h>

#include "collector/engine/engine_internal.h"

uint64_t cell_key(const void *pool, uint32_t i)
{
	const struct cell *c = (const struct cell *)pool + i;
	return key_of_pair(c->endpoint, c->edge);
}

uint64_t route_key(const void *pool, uint32_t i)
{
	const struct route *r = (const struct route *)pool + i;
	return key_of_pair(r->endpoint, r->member);
}

uint64_t value_key(const void *pool, uint32_t i)
{
	const struct value *v = (const struct value *)pool + i;
	return key_of_pair(v->endpoint, v->text);
}

uint64_t member_key(const void *pool, uint32_t i)
{
	return ((const struct member *)pool + i)->agent;
}

void cell_fini(struct cell *c)
{
	runs_fini(&c->runs);
	if (c->trouble)
		free(c->trouble->draws);
	free(c->trouble);
	c->trouble = NULL;
}

void endpoint_fini(struct endpoint *ep)
{
	free(ep->url);
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
		free(s->inner[i].type), free(s->inner[i].json);
	names_fini(&s->texts);
	index_fini(&s->ix_values), index_fini(&s->ix_members), index_fini(&s->ix_routes),
		index_fini(&s->ix_cells);
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
	for (uint32_t i = 0; name != NONE32 && i < s->n_endpoints; i++)
		if (s->endpoints[i].id == name)
			return i;
	return NONE32;
}

/* -- renumbering -- */

struct keep { /* new index of each, NONE32: it goes */
	uint32_t *endpoint, *cell, *route, *link, *value;
};

static void keep_value(const struct service *s, struct keep *k, uint32_t value)
{
	if (value != NONE32 && k->endpoint[s->values[value].endpoint] != NONE32)
		k->value[value] = 0;
}

static void keep_runs(const struct service *s, struct keep *k, const struct runs *r)
{
	for (size_t i = 0; i < r->n; i++)
		keep_value(s, k, runs_of(r)[i].value);
}

/* Values are many where a version is a digest of something that changes all the time; only those in use stay.
 */
static void keep_values(const struct service *s, struct keep *k)
{
	for (size_t i = 0; i < s->n_values; i++)
		k->value[i] = NONE32;
	for (size_t i = 0; i < s->n_endpoints; i++) {
		keep_runs(s, k, &s->endpoints[i].origin);
		keep_runs(s, k, &s->endpoints[i].through);
	}
	for (size_t i = 0; i < s->n_cells; i++) {
		const struct cell *c = &s->cells[i];
		if (k->cell[i] == NONE32)
			continue;
		keep_runs(s, k, &c->runs);
		const struct draws *d = c->trouble ? c->trouble->draws : NULL;
		for (size_t j = 0; d && j < d->n; j++)
			keep_value(s, k, d->v[j].value);
		for (size_t j = 0; d && j < d->n_nodes; j++)
			for (size_t o = 0; o < OBJECTS_PER_NODE; o++)
				keep_value(s, k, d->nodes[j].value[o]);
	}
	uint32_t n = 0;
	for (size_t i = 0; i < s->n_values; i++)
		if (k->value[i] == 0)
			k->value[i] = n++;
}

static void renumber_runs(const struct keep *k, struct runs *r)
{
	for (size_t i = 0; i < r->n; i++)
		runs_at(r)[i].value = k->value[runs_at(r)[i].value];
}

static void renumber_cells(struct service *s, const struct keep *k)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_cells; i++) {
		struct cell *c = &s->cells[i];
		if (k->cell[i] == NONE32) {
			s->n_state[c->state]--;
			cell_fini(c);
			continue;
		}
		c->endpoint = k->endpoint[c->endpoint];
		c->links = NONE32;
		renumber_runs(k, &c->runs);
		struct draws *d = c->trouble ? c->trouble->draws : NULL;
		for (size_t j = 0; d && j < d->n; j++)
			if (d->v[j].value != NONE32)
				d->v[j].value = k->value[d->v[j].value];
		for (size_t j = 0; d && j < d->n_nodes; j++)
			for (size_t o = 0; o < OBJECTS_PER_NODE; o++)
				if (d->nodes[j].value[o] != NONE32)
					d->nodes[j].value[o] = k->value[d->nodes[j].value[o]];
		s->cells[n++] = *c;
	}
	s->n_cells = n;
}

static void renumber_rest(struct service *s, const struct keep *k)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_routes; i++) {
		struct route r = s->routes[i];
		if (k->route[i] == NONE32)
			continue;
		r.endpoint = k->endpoint[r.endpoint];
		r.cell = r.cell == NONE32 ? NONE32 : k->cell[r.cell];
		r.link = r.cell == NONE32 ? NONE32 : k->link[r.link];
		r.n_links = 0;
		s->routes[n++] = r;
	}
	s->n_routes = n;
	n = 0;
	for (size_t i = 0; i < s->n_links; i++) {
		struct link l = s->links[i];
		if (k->link[i] == NONE32)
			continue;
		l.cell = k->cell[l.cell], l.route = k->route[l.route];
		s->links[n++] = l;
	}
	s->n_links = n;
	struct names texts;
	names_init(&texts);
	for (size_t i = 0; i < s->n_values; i++)
		if (k->value[i] != NONE32) {
			struct value *v = &s->values[i];
			s->values[k->value[i]] = (struct value){
				.endpoint = k->endpoint[v->endpoint],
				.text = names_put(&texts, names_get(&s->texts, v->text)),
				.uncached_edge = v->uncached_edge,
			};
		}
	n = 0;
	for (size_t i = 0; i < s->n_values; i++)
		n += k->value[i] != NONE32;
	s->n_values = n;
	names_fini(&s->texts);
	s->texts = texts;
	for (size_t i = 0; i < s->n_deploys; i++) {
		struct deploy *d = s->deploys[i];
		size_t kept = 0;
		for (size_t j = 0; j < d->n_known; j++)
			if (k->cell[d->known[j].cell] != NONE32)
				d->known[kept++] =
					(struct known_cell){ k->cell[d->known[j].cell], d->known[j].weight };
		d->n_known = kept;
	}
}

/* Lists and indexes from the pools alone; also after a load. */
void service_reindex(struct service *s)
{
	index_clear(&s->ix_cells), index_clear(&s->ix_routes), index_clear(&s->ix_values),
		index_clear(&s->ix_members);
	for (uint32_t i = 0; i < s->n_members; i++) {
		s->members[i].routes = NONE32;
		index_put(&s->ix_members, i, s->members, member_key);
	}
	for (uint32_t i = 0; i < s->n_cells; i++) {
		s->cells[i].links = NONE32;
		index_put(&s->ix_cells, i, s->cells, cell_key);
	}
	for (uint32_t i = 0; i < s->n_values; i++)
		index_put(&s->ix_values, i, s->values, value_key);
	for (uint32_t i = 0; i < s->n_routes; i++) {
		struct route *r = &s->routes[i];
		r->links = NONE32, r->n_links = 0;
		r->next_in_member = s->members[r->member].routes;
		s->members[r->member].routes = i;
		index_put(&s->ix_routes, i, s->routes, route_key);
	}
	for (uint32_t i = 0; i < s->n_links; i++) {
		struct link *l = &s->links[i];
		l->next_in_cell = s->cells[l->cell].links;
		s->cells[l->cell].links = i;
		l->next_in_route = s->routes[l->route].links;
		s->routes[l->route].links = i;
		s->routes[l->route].n_links++;
	}
	s->n_order = 0;
}

static uint32_t *keep_all(size_t n)
{
	uint32_t *map = mem_new_array(n, sizeof(*map));
	for (size_t i = 0; i < n; i++)
		map[i] = (uint32_t)i;
	return map;
}

static void keep_count(uint32_t *map, size_t n)
{
	uint32_t next = 0;
	for (size_t i = 0; i < n; i++)
		if (map[i] != NONE32)
			map[i] = next++;
}

/* endpoint_map takes old indexes to new ones, as s->endpoints already has them or will have them. */
static void service_renumber(
	struct engine *e, struct service *s, uint32_t *endpoint_map, int64_t forget_before_us)
{
	struct keep k = { .endpoint = endpoint_map,
		.cell = keep_all(s->n_cells),
		.route = keep_all(s->n_routes),
		.link = keep_all(s->n_links),
		.value = keep_all(s->n_values) };
	bool decided = s->tracked == NULL || verdict_is_final((enum verdict)s->tracked->verdict);
	for (size_t i = 0; i < s->n_cells; i++) {
		const struct cell *c = &s->cells[i];
		bool forgotten = c->seen_us < forget_before_us && (decided || !(c->flags & (CELL_KNOWN | CELL_OBSERVED)));
		if (k.endpoint[c->endpoint] == NONE32 || forgotten)
			k.cell[i] = NONE32;
	}
	for (size_t i = 0; i < s->n_routes; i++)
		if (k.endpoint[s->routes[i].endpoint] == NONE32 || s->routes[i].report_us < forget_before_us)
			k.route[i] = NONE32;
	for (size_t i = 0; i < s->n_links; i++)
		if (k.cell[s->links[i].cell] == NONE32 || k.route[s->links[i].route] == NONE32)
			k.link[i] = NONE32;
	keep_count(k.cell, s->n_cells), keep_count(k.route, s->n_routes), keep_count(k.link, s->n_links);
	keep_values(s, &k);
	for (size_t i = 0; i < s->n_endpoints; i++) {
		renumber_runs(&k, &s->endpoints[i].origin);
		renumber_runs(&k, &s->endpoints[i].through);
	}
	renumber_cells(s, &k);
	renumber_rest(s, &k);
	service_reindex(s);
	service_order(e, s);
	s->sweep_values_at = MAX((size_t)4096, 2 * s->n_values);
	free(k.cell), free(k.route), free(k.link), free(k.value);
}

void service_sweep(struct engine *e, uint32_t service, bool forget_cells)
{
	struct service *s = e->services[service];
	uint32_t *same = keep_all(s->n_endpoints);
	service_renumber(e, s, same, forget_cells ? e->now_us - FORGET_US : INT64_MIN);
	free(same);
	if (forget_cells) {
		s->sweep_due_us = e->now_us + SWEEP_US;
		if (s->tracked)
			progress_sum(e, s);
	}
	timers_rebuild(e);
}

/* -- order -- */

static int order_cmp(const struct engine *e, const struct service *s, uint32_t a, uint32_t b)
{
	const struct cell *x = &s->cells[a], *y = &s->cells[b];
	uint32_t ex = s->endpoints[x->endpoint].id, ey = s->endpoints[y->endpoint].id;
	int c = ex == ey ? 0 : str_cmp(names_get(&e->names, ex), names_get(&e->names, ey));
	return c ? c : str_cmp(names_get(&e->names, x->edge), names_get(&e->names, y->edge));
}

static void order_sort(
	const struct engine *e, const struct service *s, uint32_t *v, uint32_t *spare, size_t n)
{
	if (n < 2)
		return;
	size_t half = n / 2, i = 0, j = half;
	order_sort(e, s, v, spare, half);
	order_sort(e, s, v + half, spare, n - half);
	if (order_cmp(e, s, v[half - 1], v[half]) <= 0)
		return;
	memcpy(spare, v, n * sizeof(*v));
	for (size_t at = 0; at < n; at++)
		v[at] = j >= n || (i < half && order_cmp(e, s, spare[i], spare[j]) <= 0) ? spare[i++]
											 : spare[j++];
}

/* New cells behind the sorted ones are sorted and merged in: linear once a fold, and only when cells are new.
 */
void service_order(struct engine *e, struct service *s)
{
	size_t n = s->n_cells, old = s->n_order;
	if (old == n)
		return;
	s->order = mem_grow(s->order, &s->cap_order, n, sizeof(*s->order));
	uint32_t *spare = mem_new_array(n, sizeof(*spare));
	for (size_t i = old; i < n; i++)
		s->order[i] = (uint32_t)i;
	order_sort(e, s, s->order + old, spare, n - old);
	memcpy(spare, s->order, n * sizeof(*spare));
	for (size_t at = 0, i = 0, j = old; at < n; at++)
		s->order[at] = j >= n || (i < old && order_cmp(e, s, spare[i], spare[j]) <= 0) ? spare[i++]
											       : spare[j++];
	free(spare);
	s->n_order = n;
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
		.name = id, .gen = 1, .sweep_values_at = 4096, .sweep_due_us = e->now_us + SWEEP_US
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
		if (old != NONE32 && str_eq(text_str(s->endpoints[old].url), in->url)) {
			eps[i].origin = s->endpoints[old].origin, eps[i].through = s->endpoints[old].through;
			runs_init(&s->endpoints[old].origin), runs_init(&s->endpoints[old].through);
			map[old] = i;
			moved |= old != i;
		} else {
			runs_init(&eps[i].origin), runs_init(&eps[i].through);
		}
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
	}
	free(map);
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
	s->min_agents = ev->min_agents;
	s->require = ev->require, s->min_coverage = ev->min_coverage;
	s->has_origin = ev->has_origin;
	free(s->assigned);
	s->assigned = mem_new_array(ev->n_agents, sizeof(*s->assigned));
	s->n_assigned = ev->n_agents;
	for (size_t a = 0; a < ev->n_agents; a++)
		s->assigned[a] = names_put(&e->names, ev->agents[a]);
	service_endpoints(e, i, ev);
	ledger_rebuild(e, i);
	for (size_t d = 0; d < s->n_deploys; d++)
		deploy_arm(e, i, s->deploys[d]);
	s->check_live = s->check_verdict = true;
}
