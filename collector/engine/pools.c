/* The pools of a service: their keys, the one place where things leave them, and the order that lists have. A
 * new configuration and a sweep both renumber what is left. */
#include <stdlib.h>

#include "collector/engine/why.h"

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

uint64_t endpoint_key(const void *pool, uint32_t i)
{
	return ((const struct endpoint *)pool + i)->id;
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
	for (size_t i = 0; i < s->n_drawlogs; i++)
		for (size_t j = 0; j < s->drawlogs[i].n; j++)
			keep_value(s, k, s->drawlogs[i].v[j].value);
	for (size_t i = 0; i < s->n_cells; i++) {
		const struct cell *c = &s->cells[i];
		if (k->cell[i] == NONE32)
			continue;
		keep_runs(s, k, &c->runs);
		if (c->trouble && c->trouble->wrong.at_us != TIME_NONE)
			keep_value(s, k, c->trouble->wrong.value);
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

static void renumber_drawlogs(struct service *s, const struct keep *k)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_drawlogs; i++) {
		struct drawlog l = s->drawlogs[i];
		if (k->endpoint[l.endpoint] == NONE32) {
			free(l.v);
			continue;
		}
		l.endpoint = k->endpoint[l.endpoint];
		for (size_t j = 0; j < l.n; j++)
			if (l.v[j].value != NONE32)
				l.v[j].value = k->value[l.v[j].value];
		s->drawlogs[n++] = l;
	}
	s->n_drawlogs = n;
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
		if (c->trouble && c->trouble->wrong.at_us != TIME_NONE)
			c->trouble->wrong.value = k->value[c->trouble->wrong.value];
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
				.etag = { v->etag[0], v->etag[1] },
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
		index_clear(&s->ix_members), index_clear(&s->ix_endpoints);
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		index_put(&s->ix_endpoints, i, s->endpoints, endpoint_key);
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
	index_clear(&s->ix_drawlogs);
	for (uint32_t i = 0; i < s->n_drawlogs; i++)
		index_put(&s->ix_drawlogs, i, s->drawlogs, drawlog_key);
	for (uint32_t i = 0; i < s->n_routes; i++) {
		struct route *r = &s->routes[i];
		r->links = NONE32;
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
void service_renumber(struct engine *e, struct service *s, uint32_t *endpoint_map, int64_t forget_before_us)
{
	struct keep k = { .endpoint = endpoint_map,
		.cell = keep_all(s->n_cells),
		.route = keep_all(s->n_routes),
		.link = keep_all(s->n_links),
		.value = keep_all(s->n_values) };
	bool decided = s->tracked == NULL || verdict_is_final((enum verdict)s->tracked->verdict);
	for (size_t i = 0; i < s->n_cells; i++) {
		const struct cell *c = &s->cells[i];
		bool forgotten = c->seen_us < forget_before_us &&
				 (decided || !(c->flags & (CELL_KNOWN | CELL_OBSERVED)));
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
	renumber_drawlogs(s, &k);
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

/* Where in the first n of the order does this cell belong? */
static size_t order_place(const struct engine *e, const struct service *s, size_t n, uint32_t cell)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (order_cmp(e, s, s->order[mid], cell) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* New cells are sorted, then put in from the last to the first: what is there moves once, few are compared.
 */
void service_order(struct engine *e, struct service *s)
{
	size_t n = s->n_cells, old = s->n_order, fresh = n - old;
	if (fresh == 0)
		return;
	s->order = mem_grow(s->order, &s->cap_order, n, sizeof(*s->order));
	uint32_t *v = mem_new_array(fresh, sizeof(*v)), *spare = mem_new_array(fresh, sizeof(*spare));
	for (size_t i = 0; i < fresh; i++)
		v[i] = (uint32_t)(old + i);
	order_sort(e, s, v, spare, fresh);
	for (size_t left = old; fresh > 0; fresh--) {
		size_t at = order_place(e, s, left, v[fresh - 1]);
		memmove(s->order + at + fresh, s->order + at, (left - at) * sizeof(*v));
		s->order[at + fresh - 1] = v[fresh - 1];
		left = at;
	}
	free(v), free(spare);
	s->n_order = n;
}
