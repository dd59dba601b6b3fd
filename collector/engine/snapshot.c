/* The whole state as bytes, and back. One visitor walks it for both, so that they cannot drift apart. What
 * follows from the rest (indexes, order, sums over cells, the heap) is not written but made again. Bytes are
 * hostile until checked: a checksum for accidents, and a bound for every count, index and time. */
#include <stdlib.h>

#include "collector/engine/visit.h"
#include "collector/engine/why.h"

#define SNAPSHOT_MAGIC "tidemark snapshot"
/* 1: nothing about a cell's newest failure; 2: nothing that causes rest on, inner layers as JSON only;
 * 3: no host, node, revision and weight of them; 4: no incidents */
#define SNAPSHOT_VERSION 5

static void visit_runs(struct visit *v, struct runs *r, size_t n_values)
{
	size_t n = r->n;
	int64_t before_us = INT64_MIN;
	visit_count(v, &n, RUNS_MAX);
	if (v->load) {
		runs_init(r);
		runs_reserve(r, n);
		r->n = (uint8_t)n;
	}
	for (size_t i = 0; i < n; i++) {
		struct run *run = &runs_at(r)[i];
		VISIT_TIME(v, run->first_us);
		VISIT_TIME(v, run->last_us);
		VISIT_BELOW(v, run->value, n_values);
		VISIT(v, run->n);
		VISIT(v, run->after_break);
		v->bad |= run->n == 0 || run->first_us > run->last_us || run->first_us < before_us ||
			  run->first_us == TIME_NONE;
		before_us = run->last_us;
	}
}

/* -- the parts of a service -- */

static void visit_endpoint(struct visit *v, struct endpoint *ep, const struct sizes *z)
{
	VISIT_BELOW(v, ep->id, z->names);
	visit_text(v, &ep->url);
	VISIT_BELOW(v, ep->match, MATCH_PREFIX + 1);
	VISIT(v, ep->learned);
	visit_runs(v, &ep->origin, z->values);
	visit_runs(v, &ep->through, z->values);
	ep->browser_us = v->load ? TIME_NONE : ep->browser_us;
	if (v->version < 3)
		return;
	visit_text(v, &ep->cdn_vendor), visit_text(v, &ep->cdn_zone);
	VISIT_TIME(v, ep->browser_us);
	visit_count(v, &ep->n_behind, BEHIND_MAX);
	VISIT_BELOW(v, ep->next_behind, BEHIND_MAX);
	if (v->load)
		ep->behind = mem_grow(NULL, &ep->cap_behind, ep->n_behind, sizeof(*ep->behind));
	for (size_t i = 0; i < ep->n_behind && !v->bad; i++) {
		VISIT_BELOW(v, ep->behind[i].edge, z->names);
		VISIT_TIME(v, ep->behind[i].at_us);
		VISIT_TIME(v, ep->behind[i].cached_us);
	}
}

static void visit_draws(struct visit *v, struct draws *d, const struct sizes *z)
{
	visit_count(v, &d->n, DRAWS_MAX);
	visit_count(v, &d->n_nodes, NODES_MAX);
	VISIT_BELOW(v, d->next, DRAWS_MAX);
	VISIT_BELOW(v, d->next_node, NODES_MAX);
	if (v->load) {
		d->v = mem_grow(NULL, &d->cap, d->n, sizeof(*d->v));
		d->nodes = mem_grow(NULL, &d->cap_nodes, d->n_nodes, sizeof(*d->nodes));
	}
	for (size_t i = 0; i < d->n && !v->bad; i++) {
		VISIT_TIME(v, d->v[i].at_us);
		VISIT_BELOW_OR_NONE(v, d->v[i].value, z->values);
	}
	for (size_t i = 0; i < d->n_nodes && !v->bad; i++) {
		struct node_objects *o = &d->nodes[i];
		visit_u64(v, &o->node);
		VISIT_BELOW(v, o->next, OBJECTS_PER_NODE);
		for (size_t j = 0; j < OBJECTS_PER_NODE; j++) {
			VISIT_TIME(v, o->cached_at_us[j]);
			VISIT_BELOW_OR_NONE(v, o->value[j], z->values);
		}
	}
}

static void visit_trouble(struct visit *v, struct cell *c, const struct sizes *z)
{
	bool has = c->trouble != NULL;
	VISIT(v, has);
	if (!has)
		return;
	struct trouble *t = cell_trouble(c);
	VISIT_TIME(v, t->err5_us[0]);
	VISIT_TIME(v, t->err5_us[1]);
	VISIT_TIME(v, t->http_error_us);
	VISIT_BELOW_OR_NONE(v, t->http_agents[0], z->agents);
	VISIT_BELOW_OR_NONE(v, t->http_agents[1], z->agents);
	VISIT_TIME(v, t->broke_us);
	VISIT(v, t->broken);
	if (v->version > 1) {
		VISIT_BELOW(v, t->error_fail, OBS_FAIL_COUNT);
		VISIT(v, t->error_status);
		VISIT_TIME(v, t->error_us);
		VISIT_TIME(v, t->error_since_us);
	}
	if (v->version > 4)
		VISIT_TIME(v, t->odd_since_us);
	bool wrong = t->wrong.at_us != TIME_NONE;
	if (v->version > 2)
		VISIT(v, wrong);
	else
		wrong = false;
	if (wrong) {
		VISIT_TIME(v, t->wrong.at_us);
		VISIT_BELOW(v, t->wrong.value, z->values);
		VISIT(v, t->wrong.age_s);
		VISIT(v, t->wrong.ttl_s);
		VISIT(v, t->wrong.tiers);
		v->bad |= (t->wrong.tiers & 7) > OBS_TIERS_MAX || t->wrong.at_us == TIME_NONE;
	}
	bool draws = t->draws != NULL;
	VISIT(v, draws);
	if (!draws)
		return;
	if (v->load)
		t->draws = mem_new(sizeof(*t->draws));
	visit_draws(v, t->draws, z);
}

static void visit_cell(struct visit *v, struct cell *c, const struct sizes *z)
{
	VISIT_BELOW(v, c->endpoint, z->endpoints);
	VISIT_BELOW(v, c->edge, z->names);
	VISIT_BELOW(v, c->region, z->names);
	visit_runs(v, &c->runs, z->values);
	VISIT_BELOW(v, c->state, CELL_STATE_COUNT);
	VISIT(v, c->flags);
	visit_trouble(v, c, z);
	VISIT_TIME(v, c->report_us);
	VISIT_TIME(v, c->seen_us);
	VISIT_TIME(v, c->first_seen_us);
	VISIT_TIME_OR_MAX(v, c->armed_us);
	VISIT(v, c->age_s);
	VISIT(v, c->ttl_s);
	VISIT(v, c->tiers);
	VISIT_BELOW(v, c->weight, WEIGHT_ONE + 1);
	VISIT_BELOW(v, c->early, HIST_BINS);
	VISIT_BELOW(v, c->late, HIST_BINS);
	if (v->version > 2)
		VISIT(v, c->fill_s);
	v->bad |= (c->tiers & 7) > OBS_TIERS_MAX || c->report_us == TIME_NONE;
}

static void visit_route(struct visit *v, struct route *r, const struct sizes *z)
{
	VISIT_BELOW(v, r->endpoint, z->endpoints);
	VISIT_BELOW(v, r->member, z->members);
	VISIT_BELOW_OR_NONE(v, r->cell, z->cells);
	VISIT_BELOW_OR_NONE(v, r->link, z->links);
	VISIT_TIME(v, r->report_us);
	VISIT_TIME(v, r->reached_us);
	v->bad |= (r->cell == NONE32) != (r->link == NONE32);
}

static void visit_link(struct visit *v, struct link *l, const struct sizes *z)
{
	VISIT_BELOW(v, l->cell, z->cells);
	VISIT_BELOW(v, l->route, z->routes);
	VISIT_TIME(v, l->last_us);
	for (size_t i = 0; i < ARRAY_LEN(l->recent); i++)
		VISIT(v, l->recent[i]);
	uint32_t now = l->n_now, before = l->n_before, fails = l->fails; /* older engines counted further */
	VISIT(v, now);
	VISIT(v, before);
	VISIT(v, l->bucket);
	VISIT(v, fails);
	l->n_now = MIN(now, LINK_COUNT_MAX), l->n_before = MIN(before, LINK_COUNT_MAX);
	l->fails = MIN(fails, FAILING_COUNT) & 3;
}

static void visit_hist(struct visit *v, struct hist *h)
{
	size_t used = 0, at = 0;
	for (size_t i = 0; i < h->n; i++)
		used += h->bins[i] != 0;
	visit_count(v, &used, 100000);
	for (size_t i = 0; i < used && !v->bad; i++, at++) {
		uint64_t weight = 0;
		while (!v->load && h->bins[at] == 0)
			at++;
		VISIT_BELOW(v, at, 100000);
		if (!v->load)
			weight = h->bins[at];
		visit_u64(v, &weight);
		if (v->load && !v->bad)
			hist_add(h, at, weight);
	}
}

static void visit_curve(struct visit *v, struct curve *c, const struct sizes *z)
{
	VISIT_BELOW(v, c->kind, CURVE_REGION + 1);
	VISIT_BELOW(v, c->name, z->names);
	VISIT(v, c->known);
	VISIT(v, c->known_observed);
	VISIT(v, c->observed);
	VISIT(v, c->converged);
	visit_u64(v, &c->w_known);
	visit_u64(v, &c->w_known_observed);
	visit_u64(v, &c->w_observed);
	visit_u64(v, &c->w_converged);
	visit_hist(v, &c->earliest);
	visit_hist(v, &c->latest);
	for (size_t q = 0; q < QUANTILES; q++) {
		VISIT_TIME(v, c->t_us[q][0]);
		VISIT_TIME(v, c->t_us[q][1]);
	}
}

static void visit_values_of(struct visit *v, struct deploy_value **values, size_t *n, const struct sizes *z)
{
	visit_count(v, n, 100000);
	if (v->load)
		*values = mem_new_array(*n, sizeof(**values));
	for (size_t i = 0; i < *n; i++) {
		VISIT_BELOW(v, (*values)[i].endpoint, z->names);
		visit_text(v, &(*values)[i].text);
	}
}

static void visit_incident(struct visit *v, struct deploy *d)
{
	bool has = d->incident != NULL;
	VISIT(v, has);
	if (!has)
		return;
	if (v->load)
		d->incident = mem_new(sizeof(*d->incident));
	struct incident *in = d->incident;
	VISIT_TIME(v, in->opened_us);
	VISIT_TIME(v, in->resolved_us);
	VISIT_TIME(v, in->cause_us);
	VISIT_BELOW(v, in->severity, SEVERITY_COUNT);
	VISIT_BELOW(v, in->cause, CAUSE_COUNT);
	VISIT(v, in->bad);
	VISIT(v, in->all);
	VISIT(v, in->worst);
	VISIT(v, in->n_dropped);
	visit_text(v, &in->next);
	visit_count(v, &in->n_steps, INCIDENT_STEPS_MAX);
	for (size_t i = 0; i < in->n_steps && !v->bad; i++) {
		struct incident_step *step = &in->steps[i];
		VISIT_TIME(v, step->at_us);
		VISIT_BELOW(v, step->event, INCIDENT_EVENT_COUNT);
		VISIT_BELOW(v, step->severity, SEVERITY_COUNT);
		VISIT_BELOW(v, step->cause, CAUSE_COUNT);
		VISIT(v, step->bad);
		VISIT(v, step->all);
		visit_text(v, &step->text);
	}
	v->bad |= in->n_steps == 0 || in->opened_us == TIME_NONE;
}

static void visit_deploy(struct visit *v, struct deploy *d, bool tracked, const struct sizes *z)
{
	VISIT(v, d->serial);
	visit_text(v, &d->id), visit_text(v, &d->version), visit_text(v, &d->source);
	visit_text(v, &d->revision), visit_text(v, &d->digest), visit_text(v, &d->reason);
	visit_texts(v, &d->aliases, &d->n_aliases);
	visit_values_of(v, &d->values, &d->n_values, z);
	visit_values_of(v, &d->learned, &d->n_learned, z);
	if (v->load)
		d->cap_learned = d->n_learned;
	VISIT_TIME(v, d->recorded_us);
	VISIT_TIME(v, d->started_us);
	VISIT_TIME(v, d->told_live_us);
	VISIT_TIME(v, d->live_us);
	VISIT_TIME_OR_MAX(v, d->end_us);
	VISIT_TIME(v, d->decided_us);
	VISIT_BELOW(v, d->live_source, LIVE_ASSUMED + 1);
	VISIT_BELOW(v, d->verdict, VERDICT_COUNT);
	VISIT(v, d->in_future);
	VISIT(v, d->left);
	VISIT(v, d->retired);
	visit_count(v, &d->n_known, z->cells);
	if (v->load)
		d->known = mem_new_array(d->n_known, sizeof(*d->known));
	for (size_t i = 0; i < d->n_known; i++) {
		VISIT_BELOW(v, d->known[i].cell, z->cells);
		VISIT_BELOW(v, d->known[i].weight, WEIGHT_ONE + 1);
	}
	size_t n_curves = tracked ? 0 : d->n_curves; /* those of the tracked one follow from its cells */
	visit_count(v, &n_curves, 100000);
	if (v->load) {
		(void)curve_get(d, CURVE_ALL, 0);
		d->curves = mem_grow(d->curves, &d->cap_curves, MAX(n_curves, (size_t)1), sizeof(*d->curves));
		d->n_curves = MAX(n_curves, (size_t)1);
	}
	for (size_t i = 0; i < n_curves; i++)
		visit_curve(v, &d->curves[i], z);
	VISIT(v, d->n_assigned);
	VISIT(v, d->n_endpoints);
	VISIT(v, d->n_answered);
	VISIT(v, d->relapse_cells);
	VISIT(v, d->relapse_agent);
	VISIT(v, d->n_not_fresh);
	if (v->version > 2) {
		size_t n = CAUSE_COUNT;
		VISIT_BELOW(v, d->cause, CAUSE_COUNT);
		VISIT(v, d->n_not_fresh_then);
		visit_count(v, &n, DEPLOY_CAUSES_MAX);
		for (size_t i = 0; i < n; i++)
			VISIT(v, d->causes[i]);
	}
	if (v->version > 4)
		visit_incident(v, d);
	visit_count(v, &d->n_advisories, 100000);
	if (v->load)
		d->advisories = mem_new_array(d->n_advisories, sizeof(*d->advisories));
	for (size_t i = 0; i < d->n_advisories; i++) {
		VISIT_BELOW(v, d->advisories[i].endpoint, z->names);
		VISIT(v, d->advisories[i].unchanged);
	}
	v->bad |= d->id == NULL || d->version == NULL || d->started_us == TIME_NONE ||
		  d->end_us == TIME_NONE || d->curves[0].kind != CURVE_ALL ||
		  (d->verdict == VERDICT_CONVERGING && d->live_us == TIME_NONE) ||
		  (d->verdict == VERDICT_VERIFIED && d->decided_us == TIME_NONE);
}

static void visit_settings(struct visit *v, struct service *s)
{
	visit_duration(v, &s->interval_us);
	visit_duration(v, &s->window_us);
	visit_duration(v, &s->timeout_us);
	visit_duration(v, &s->watch_us);
	visit_duration(v, &s->grace_us);
	VISIT(v, s->min_agents);
	visit_double(v, &s->require);
	visit_double(v, &s->min_coverage);
	VISIT(v, s->has_origin);
	VISIT(v, s->sweep_values_at);
	VISIT_TIME(v, s->sweep_due_us);
	s->alert_us = v->load ? 5 * US_PER_MIN : s->alert_us;
	s->incident_due_us = v->load ? INT64_MAX : s->incident_due_us;
	if (v->version > 4) {
		visit_duration(v, &s->alert_us);
		VISIT_TIME_OR_MAX(v, s->incident_due_us);
	}
	v->bad |= s->interval_us <= 0;
}

static void visit_value(struct visit *v, struct value *x, const struct sizes *z)
{
	VISIT_BELOW(v, x->endpoint, z->endpoints);
	VISIT_BELOW(v, x->text, z->texts);
	VISIT_BELOW(v, x->uncached_edge, z->names);
	if (v->version > 2) {
		VISIT(v, x->etag[0]);
		VISIT(v, x->etag[1]);
	}
}

static void visit_member(struct visit *v, struct member *m, const struct sizes *z)
{
	VISIT_BELOW(v, m->agent, z->agents);
	VISIT(v, m->assigned);
	VISIT_TIME(v, m->report_us);
	VISIT_TIME(v, m->through_us);
}

static void visit_pools(struct visit *v, struct service *s, struct sizes *z)
{
	visit_count(v, &s->n_endpoints, 1000000);
	visit_count(v, &s->n_values, NONE32 - 1);
	visit_count(v, &s->n_members, NONE32 - 1);
	visit_count(v, &s->n_routes, NONE32 - 1);
	visit_count(v, &s->n_cells, NONE32 - 1);
	visit_count(v, &s->n_links, NONE32 - 1);
	z->endpoints = s->n_endpoints, z->values = s->n_values, z->members = s->n_members;
	z->routes = s->n_routes, z->cells = s->n_cells, z->links = s->n_links;
	if (v->load)
		names_init(&s->texts);
	visit_names(v, &s->texts);
	z->texts = s->texts.n;
	size_t unused = 0;
	VISIT_POOL(v, s->endpoints, s->n_endpoints, unused, visit_endpoint(v, &s->endpoints[i_], z));
	VISIT_POOL(v, s->values, s->n_values, s->cap_values, visit_value(v, &s->values[i_], z));
	VISIT_POOL(v, s->members, s->n_members, s->cap_members, visit_member(v, &s->members[i_], z));
	VISIT_POOL(v, s->routes, s->n_routes, s->cap_routes, visit_route(v, &s->routes[i_], z));
	VISIT_POOL(v, s->cells, s->n_cells, s->cap_cells, visit_cell(v, &s->cells[i_], z));
	VISIT_POOL(v, s->links, s->n_links, s->cap_links, visit_link(v, &s->links[i_], z));
	(void)unused;
	if (v->version > 2)
		visit_drawlogs(v, s, z);
	for (uint32_t i = 0; i < s->n_routes && !v->bad; i++)
		if (s->routes[i].link != NONE32)
			v->bad |= s->links[s->routes[i].link].route != i ||
				  s->links[s->routes[i].link].cell != s->routes[i].cell;
}

static void visit_deploys(struct visit *v, struct service *s, const struct sizes *z)
{
	uint32_t tracked = 0;
	for (uint32_t i = 0; i < s->n_deploys; i++)
		tracked = s->deploys[i] == s->tracked ? i + 1 : tracked;
	visit_count(v, &s->n_deploys, DEPLOYS_MAX + PENDING_MAX);
	if (v->load)
		s->deploys = mem_new_array(s->n_deploys, sizeof(struct deploy *)),
		s->cap_deploys = s->n_deploys;
	for (size_t i = 0; i < s->n_deploys && v->load; i++)
		s->deploys[i] = mem_new(sizeof(struct deploy));
	for (size_t i = 0; i < s->n_deploys && !v->bad; i++)
		visit_deploy(v, s->deploys[i], s->deploys[i] == s->tracked, z);
	VISIT_BELOW(v, tracked, s->n_deploys + 1);
	if (v->load && !v->bad && tracked) {
		s->tracked = s->deploys[tracked - 1];
		v->bad |= s->tracked->live_us == TIME_NONE || s->tracked->left || s->tracked->retired;
	}
}

static void visit_service(struct visit *v, struct service *s, struct sizes z)
{
	VISIT_BELOW(v, s->name, z.names);
	VISIT(v, s->removed);
	if (s->removed)
		return;
	visit_settings(v, s);
	size_t unused = 0;
	visit_count(v, &s->n_assigned, NONE32 - 1);
	VISIT_POOL(v, s->assigned, s->n_assigned, unused, VISIT_BELOW(v, s->assigned[i_], z.names));
	visit_pools(v, s, &z);
	visit_deploys(v, s, &z);
	visit_count(v, &s->n_purges, PURGES_MAX);
	VISIT_POOL(v, s->purges, s->n_purges, s->cap_purges, visit_purge(v, &s->purges[i_]));
	visit_count(v, &s->n_inner, 16);
	VISIT_POOL(v, s->inner, s->n_inner, s->cap_inner, visit_inner(v, &s->inner[i_]));
	visit_count(v, &s->n_noticed, NOTICED_MAX);
	VISIT_POOL(v, s->noticed, s->n_noticed, s->cap_noticed, VISIT_BELOW(v, s->noticed[i_], z.names));
	(void)unused;
}

static void visit_agent(struct visit *v, struct agent *a, const struct sizes *z)
{
	VISIT_BELOW(v, a->name, z->names);
	VISIT_BELOW(v, a->region, z->names);
	visit_text(v, &a->software);
	VISIT_BELOW(v, a->told, AGENT_TOLD_COUNT + 1);
	if (v->version == 1 && a->told == AGENT_ENROLLED)
		a->told = AGENT_TOLD_COUNT; /* nobody could be told enrolled then: 4 was "nothing was told" */
	VISIT(v, a->has_location);
	VISIT(v, a->clock_suspect);
	visit_double(v, &a->latitude);
	visit_double(v, &a->longitude);
	VISIT_TIME(v, a->told_us);
	VISIT_TIME(v, a->report_us);
	visit_u64(v, &a->results);
	VISIT(v, a->streak);
	visit_u64(v, &a->place);
	VISIT(v, a->failed);
	VISIT(v, a->blind);
}

static void visit_engine(struct visit *v, struct engine *e)
{
	struct sizes z = { 0 };
	VISIT_TIME(v, e->now_us);
	VISIT(v, e->position);
	VISIT(v, e->seq);
	VISIT(v, e->next_serial);
	visit_u64(v, &e->dropped);
	visit_count(v, &e->n_downs, DOWNS_MAX);
	for (size_t i = 0; i < e->n_downs; i++) {
		VISIT_TIME(v, e->downs[i].from_us);
		VISIT_TIME(v, e->downs[i].to_us);
		v->bad |= e->downs[i].from_us == TIME_NONE || e->downs[i].from_us > e->downs[i].to_us;
	}
	visit_names(v, &e->names);
	visit_count(v, &e->n_agents, NONE32 - 1);
	z.names = e->names.n, z.agents = e->n_agents;
	VISIT_POOL(v, e->agents, e->n_agents, e->cap_agents, visit_agent(v, &e->agents[i_], &z));
	visit_count(v, &e->n_services, 1 << 20);
	if (v->load)
		e->services = mem_new_array(e->n_services, sizeof(struct service *)),
		e->cap_services = e->n_services;
	for (size_t i = 0; i < e->n_services && v->load; i++) {
		e->services[i] = mem_new(sizeof(struct service));
		e->services[i]->removed = true;
	}
	for (size_t i = 0; i < e->n_services && !v->bad; i++)
		visit_service(v, e->services[i], z);
	v->bad |= e->now_us == TIME_NONE;
}

/* -- both directions -- */

void engine_save(const struct engine *e, struct buf *out)
{
	size_t from = out->n;
	buf_addf(out, "%s %d\n", SNAPSHOT_MAGIC, SNAPSHOT_VERSION);
	/* saving reads only; the visitor is the same for both, so it cannot say so */
	struct visit v = { .out = out, .version = SNAPSHOT_VERSION };
	visit_engine(&v, (struct engine *)(uintptr_t)e);
	INVARIANT(!v.bad); /* else what we hold breaks what we promise */
	if (buf_failed(out))
		return;
	uint64_t sum = str_hash((struct str){ out->p + from, out->n - from });
	uint8_t bytes[8];
	for (size_t i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(sum >> (8 * i));
	buf_add(out, bytes, sizeof(bytes));
}

/* Older engines did not note since when a cell is not fresh: since its newest answer is what it is, or its newest report. */
static void note_odd_cells(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_services; i++)
		for (size_t k = 0; k < e->services[i]->n_cells; k++) {
			struct cell *c = &e->services[i]->cells[k];
			bool answers = c->state != CELL_FAILING && c->runs.n > 0;
			incident_cell(e, i, c, answers ? runs_of(&c->runs)[c->runs.n - 1].first_us : c->report_us);
		}
}

static void engine_derive(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_agents; i++)
		index_put(&e->ix_agents, i, e->agents, agent_key);
	for (size_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		if (s->removed)
			continue;
		for (size_t c = 0; c < s->n_cells; c++)
			s->n_state[s->cells[c].state]++;
		service_reindex(s);
		service_order(e, s);
		for (size_t p = 0; p < s->n_purges; p++)
			purge_match_all(s, &s->purges[p]);
		ledger_derive(s);
		if (s->tracked)
			progress_sum(e, s);
	}
	timers_rebuild(e);
}

int engine_load(struct str bytes, const struct engine_sink *sink, struct engine **ret, struct err *err)
{
	struct str body = str_first(bytes, bytes.n < 8 ? 0 : bytes.n - 8), head;
	int64_t version;
	uint64_t sum = 0;
	if (!str_starts(bytes, SNAPSHOT_MAGIC " "))
		return err_set(err, ERR_CORRUPT, "these bytes are no snapshot of the engine");
	struct str rest = str_from(body, strlen(SNAPSHOT_MAGIC " "));
	if (!str_cut(&rest, '\n', &head) || str_to_i64(head, &version, NULL) < 0)
		return err_set(err, ERR_CORRUPT, "the snapshot does not say its version");
	if (version < 1 || version > SNAPSHOT_VERSION)
		return err_set(err, ERR_UNSUPPORTED, "the snapshot is of version %" PRId64 ", this is %d",
			version, SNAPSHOT_VERSION);
	for (size_t i = 0; i < 8; i++)
		sum |= (uint64_t)(uint8_t)bytes.p[body.n + i] << (8 * i);
	if (sum != str_hash(body))
		return err_set(
			err, ERR_CORRUPT, "the snapshot's checksum does not fit its %zu bytes", bytes.n);
	struct engine *e = engine_new(sink);
	struct visit v = { .load = true, .version = version, .in = rest };
	visit_engine(&v, e);
	if (v.bad || v.in.n) {
		size_t at = bytes.n - 8 - v.in.n;
		engine_free(e);
		return err_set(err, ERR_CORRUPT, "the snapshot makes no sense near byte %zu", at);
	}
	engine_derive(e);
	if (version < 5)
		note_odd_cells(e);
	*ret = e;
	return 0;
}
