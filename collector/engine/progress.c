/* How far the tracked deploy has come at each cell, and the sums over all of them. What is said of one cell
 * is computed from its runs; only the difference reaches the sums. */
#include <stdlib.h>

#include "collector/engine/engine_internal.h"

struct progress {
	bool observed, converged, wrong;
	int64_t fresh_us, not_fresh_us;
};

struct walk { /* the run of fresh answers so far */
	uint64_t n;
	int64_t first_us, last_us;
};

static void walk_fresh(struct walk *w, const struct run *r, int64_t from_us)
{
	if (r->last_us < from_us)
		return;
	if (w->n == 0)
		w->first_us = MAX(r->first_us, from_us);
	w->n += run_count_from(r, from_us);
	w->last_us = r->last_us;
}

/* Converged: the first of at least three fresh answers over two intervals. What is old before live_at does
 * not count against it; what is not fresh after it starts it anew. */
static struct progress progress_of(struct engine *e, struct service *s, const struct cell *c)
{
	const struct deploy *d = s->tracked;
	struct progress p = { .fresh_us = TIME_NONE, .not_fresh_us = TIME_NONE };
	struct walk w = { 0 };
	const struct trouble *t = c->trouble;
	for (size_t i = 0; i < c->runs.n; i++) {
		const struct run *r = &runs_of(&c->runs)[i];
		bool serves = value_serves_tracked(s, r->value), live = r->last_us >= d->live_us;
		struct judgement j = { .label = LABEL_UNKNOWN };
		if (!serves && live)
			value_judge(s, r->value, r->last_us, &j);
		if (r->after_break && w.n) {
			p.not_fresh_us =
				MAX(w.last_us, t && t->broke_us < r->first_us ? t->broke_us : w.last_us);
			w.n = 0;
		}
		if (serves ||
			j.label == LABEL_FRESH) { /* or of a newer deploy that is rolling out: acceptable */
			if (r->last_us < d->started_us)
				continue;
			walk_fresh(&w, r, serves ? d->started_us : d->live_us);
			p.observed = true, p.wrong = false;
		} else if (live) {
			w.n = 0;
			p.observed = p.wrong = true;
			p.not_fresh_us = r->last_us;
		} else if (w.n == 0) {
			p.not_fresh_us = r->last_us;
		}
	}
	if (t && t->broken) {
		w.n = 0;
		p.not_fresh_us = MAX(p.not_fresh_us, t->broke_us);
	}
	if (t && t->http_error_us >= d->live_us)
		p.observed = true; /* the edge answered, though not with a version */
	p.converged =
		w.n >= CONVERGED_COUNT && w.last_us - w.first_us >= CONVERGED_INTERVALS * s->interval_us;
	if (w.n)
		p.fresh_us = w.first_us;
	return p;
}

/* -- sums -- */

static void curve_count(struct curve *v, const struct cell *c, int sign)
{
	uint64_t w = c->weight;
	uint32_t one = 1;
	if (sign < 0)
		w = 0 - w, one = 0 - one; /* unsigned: adding it takes back */
	if (c->flags & CELL_KNOWN)
		v->known += one, v->w_known += w;
	if ((c->flags & CELL_KNOWN) && (c->flags & CELL_OBSERVED))
		v->known_observed += one, v->w_known_observed += w;
	if (c->flags & CELL_OBSERVED)
		v->observed += one, v->w_observed += w;
	if (!(c->flags & CELL_CONVERGED))
		return;
	v->converged += one, v->w_converged += w;
	if (sign > 0) {
		hist_add(&v->earliest, c->early, c->weight);
		hist_add(&v->latest, c->late, c->weight);
	} else {
		hist_take(&v->earliest, c->early, c->weight);
		hist_take(&v->latest, c->late, c->weight);
	}
}

static uint32_t vendor_name(struct engine *e, uint32_t edge)
{
	e->vendors = mem_grow(e->vendors, &e->cap_vendors, e->names.n, sizeof(*e->vendors));
	if (e->vendors[edge] == 0)
		e->vendors[edge] = names_put(&e->names, edge_vendor(names_get(&e->names, edge))) + 1;
	return e->vendors[edge] - 1;
}

static void cell_count(struct engine *e, struct service *s, const struct cell *c, int sign)
{
	struct deploy *d = s->tracked;
	curve_count(curve_get(d, CURVE_ALL, 0), c, sign);
	curve_count(curve_get(d, CURVE_ENDPOINT, s->endpoints[c->endpoint].id), c, sign);
	curve_count(curve_get(d, CURVE_VENDOR, vendor_name(e, c->edge)), c, sign);
	curve_count(curve_get(d, CURVE_REGION, c->region), c, sign);
}

void progress_refresh(struct engine *e, struct service *s, uint32_t cell)
{
	struct cell *c = &s->cells[cell];
	if (s->tracked == NULL || !endpoint_judges(s, c->endpoint))
		return;
	struct progress p = progress_of(e, s, c);
	uint8_t flags = c->flags & (uint8_t) ~(CELL_OBSERVED | CELL_CONVERGED | CELL_WRONG);
	flags |= (p.observed ? CELL_OBSERVED : 0) | (p.converged ? CELL_CONVERGED : 0) |
		 (p.wrong ? CELL_WRONG : 0);
	if (p.converged)
		flags &= (uint8_t)~CELL_TOLERATED;
	bool counted = (flags ^ c->flags) & (CELL_OBSERVED | CELL_CONVERGED);
	int64_t live_us = s->tracked->live_us;
	uint16_t early = 0, late = 0;
	if (p.converged) {
		early = (uint16_t)(p.not_fresh_us == TIME_NONE ? 0
							       : hist_bin(p.not_fresh_us - live_us, false));
		late = (uint16_t)hist_bin(p.fresh_us - live_us, true);
	}
	bool moved = early != c->early || late != c->late;
	if (counted || moved)
		cell_count(e, s, c, -1);
	c->flags = flags, c->early = early, c->late = late;
	if (counted || moved) {
		cell_count(e, s, c, 1);
		s->check_verdict = s->progress = true;
	}
}

void progress_sum(struct engine *e, struct service *s)
{
	curves_clear(s->tracked);
	for (size_t i = 0; i < s->n_cells; i++)
		if (endpoint_judges(s, s->cells[i].endpoint))
			cell_count(e, s, &s->cells[i], 1);
}

/* All anew; who is known, tolerated or relapsed stays. */
void progress_restart(struct engine *e, uint32_t service)
{
	struct service *s = e->services[service];
	curves_clear(s->tracked);
	deploy_count_pairs(s);
	for (uint32_t i = 0; i < s->n_cells; i++) {
		struct cell *c = &s->cells[i];
		c->flags &= CELL_KNOWN | CELL_TOLERATED | CELL_RELAPSE1;
		c->early = c->late = 0;
		if (!endpoint_judges(s, c->endpoint))
			continue;
		if (c->flags & CELL_KNOWN)
			cell_count(e, s, c, 1);
		progress_refresh(e, s, i);
	}
	s->check_verdict = s->progress = true;
}

void progress_start(struct engine *e, uint32_t service, struct deploy *d)
{
	struct service *s = e->services[service];
	for (size_t i = 0; i < s->n_cells; i++) {
		struct cell *c = &s->cells[i];
		c->flags = 0;
		c->weight = WEIGHT_ONE;
		if (c->trouble)
			c->trouble->http_agents[0] = c->trouble->http_agents[1] = NONE32;
	}
	for (size_t i = 0; i < d->n_known; i++) {
		s->cells[d->known[i].cell].flags = CELL_KNOWN;
		s->cells[d->known[i].cell].weight = d->known[i].weight;
	}
	free(d->known);
	d->known = NULL, d->n_known = 0;
	progress_restart(e, service);
}

void progress_note_advisories(struct service *s)
{
	struct deploy *d = s->tracked;
	free(d->advisories);
	d->n_advisories = 0;
	d->advisories = mem_new_array(s->n_endpoints, sizeof(*d->advisories));
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		if (!endpoint_judges(s, i))
			d->advisories[d->n_advisories++] =
				(struct advisory){ s->endpoints[i].id, s->endpoints[i].unchanged };
}

/* Another deploy is current: the curves are closed, their quantiles kept. */
void progress_retire(struct engine *e, struct service *s, struct deploy *d)
{
	for (size_t i = 0; i < d->n_curves; i++) {
		struct curve *c = &d->curves[i];
		for (size_t q = 0; q < QUANTILES; q++)
			curve_quantile(c, false, q, c->t_us[q]);
		if (c->kind != CURVE_ALL)
			curve_fini(c);
	}
	index_fini(&d->ix_curves);
	d->n_not_fresh = d->n_curves ? d->curves[0].observed - d->curves[0].converged : 0;
	d->retired = true;
	for (size_t i = 0; i < s->n_cells; i++)
		s->cells[i].flags = 0;
}

/* -- the denominator -- */

static bool cell_known_before(const struct cell *c, int64_t started_us)
{
	if (c->first_seen_us >= started_us)
		return false;
	if (c->seen_us < started_us)
		return c->seen_us >= started_us - KNOWN_US;
	for (size_t i = 0; i < c->runs.n; i++) {
		const struct run *r = &runs_of(&c->runs)[i];
		if (r->first_us < started_us && r->last_us >= started_us - KNOWN_US)
			return true;
	}
	return false;
}

static uint64_t route_count(const struct engine *e, const struct service *s, uint32_t route)
{
	uint64_t n = 0;
	for (uint32_t i = s->routes[route].links; i != NONE32; i = s->links[i].next_in_route)
		n += link_count(&s->links[i], e->now_us);
	return n;
}

/* The share of its agents' answers that came from here: a PoP glimpsed once weighs little. */
static uint32_t cell_weight(const struct engine *e, const struct service *s, const struct cell *c)
{
	uint64_t here = 0, all = 0;
	for (uint32_t i = c->links; i != NONE32; i = s->links[i].next_in_cell) {
		uint32_t n = link_count(&s->links[i], e->now_us);
		here += n;
		all += n ? route_count(e, s, s->links[i].route) : 0;
	}
	uint64_t w = all ? here * WEIGHT_ONE / all : 1;
	return w ? (uint32_t)MIN(w, (uint64_t)WEIGHT_ONE) : 1;
}

void progress_note_known(struct engine *e, struct service *s, struct deploy *d)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_cells; i++)
		n += cell_known_before(&s->cells[i], d->started_us);
	d->known = mem_new_array(n, sizeof(*d->known));
	for (uint32_t i = 0; i < s->n_cells; i++)
		if (cell_known_before(&s->cells[i], d->started_us))
			d->known[d->n_known++] = (struct known_cell){ i, cell_weight(e, s, &s->cells[i]) };
}
