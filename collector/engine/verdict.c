/* The verdict of a deploy: its steps, what it takes, and relapses. */
#include <stdlib.h>

#include "collector/engine/why.h"

#define X(id, name, says) name,
static const char *const verdict_names[] = { VERDICTS(X) };
#undef X

const char *verdict_name(enum verdict v)
{
	return v < VERDICT_COUNT ? verdict_names[v] : "unknown";
}

bool verdict_is_final(enum verdict v)
{
	return v != VERDICT_PENDING && v != VERDICT_CONVERGING;
}

/* A pair that is not listed leaves it as it is. */
static const struct {
	enum verdict from;
	enum verdict_event on;
	enum verdict to;
} steps[] = {
	{ VERDICT_PENDING, EVENT_WENT_LIVE, VERDICT_CONVERGING },
	{ VERDICT_PENDING, EVENT_NEWER_LIVE, VERDICT_SUPERSEDED },
	{ VERDICT_PENDING, EVENT_CANCELLED, VERDICT_ABORTED },
	{ VERDICT_CONVERGING, EVENT_ALL_FRESH, VERDICT_VERIFIED },
	{ VERDICT_CONVERGING, EVENT_TIME_UP_WRONG, VERDICT_FAILED },
	{ VERDICT_CONVERGING, EVENT_TIME_UP_DATA, VERDICT_INCONCLUSIVE },
	{ VERDICT_CONVERGING, EVENT_NEWER_LIVE, VERDICT_SUPERSEDED },
	{ VERDICT_CONVERGING, EVENT_CANCELLED, VERDICT_ABORTED },
	{ VERDICT_VERIFIED, EVENT_RELAPSED,
		VERDICT_FAILED }, /* within watch: a cache behind an edge still had the old copy */
	{ VERDICT_FAILED, EVENT_EXPLAINED, VERDICT_VERIFIED }, /* it was the next deploy, told late */
};

enum verdict verdict_after(enum verdict from, enum verdict_event on)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (steps[i].from == from && steps[i].on == on)
			return steps[i].to;
	return from;
}

/* Kept: what explains it then stays said, also after the last cell came right. */
static void deploy_note_cause(struct engine *e, struct service *s, struct deploy *d)
{
	struct why_view w;
	struct why_deploy y;
	service_order(e, s);
	why_open(e, s, &w);
	why_of_deploy(&w, &y);
	why_close(&w);
	d->cause = (uint8_t)y.cause;
	d->n_not_fresh_then = y.not_fresh;
	memcpy(d->causes, y.causes, sizeof(y.causes));
}

void deploy_step(
	struct engine *e, uint32_t service, struct deploy *d, enum verdict_event on, struct str reason)
{
	enum verdict from = (enum verdict)d->verdict, to = verdict_after(from, on);
	if (to == from)
		return;
	struct service *s = e->services[service];
	if ((to == VERDICT_FAILED || to == VERDICT_INCONCLUSIVE) && s->tracked == d)
		deploy_note_cause(e, s, d);
	d->verdict = (uint8_t)to;
	d->decided_us = verdict_is_final(to) ? e->now_us : TIME_NONE;
	if (verdict_is_final(to) && d->n_known) { /* it was never tracked, and will not be missed */
		d->curves[0].known = (uint32_t)d->n_known;
		free(d->known);
		d->known = NULL, d->n_known = 0;
	}
	free(d->reason);
	d->reason = text_dup(reason);
	s->progress = true;
	struct deploy_change c = { engine_next_key(e), e->now_us, str_of(d->id), service_name(e, s),
		str_of(d->version), from, to, reason };
	if (e->sink.on_deploy)
		e->sink.on_deploy(e->sink.ctx, &c);
	if (to == VERDICT_FAILED)
		incident_failed(e, service, d, reason);
	else if (to == VERDICT_VERIFIED)
		incidents_resolve(e, service, d);
	incident_look(e, service);
}

double deploy_share(const struct curve *c)
{
	return c->w_observed ? (double)c->w_converged / (double)c->w_observed : 0;
}

double deploy_coverage(const struct deploy *d)
{
	const struct curve *c = &d->curves[0];
	if (c->w_known)
		return (double)c->w_known_observed / (double)c->w_known;
	/* without a past: the assigned agents x endpoints that have answered since, against all assigned */
	double pairs = (double)d->n_assigned * (double)d->n_endpoints;
	return pairs > 0 ? (double)d->n_answered / pairs : 0;
}

/* Counted anew when the deploy or the configuration is new; observations add to it one by one. */
void deploy_count_pairs(struct service *s)
{
	struct deploy *d = s->tracked;
	uint32_t agents = 0;
	d->n_answered = d->n_endpoints = 0;
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		d->n_endpoints += endpoint_judges(s, i);
	for (size_t i = 0; i < s->n_members; i++)
		agents += s->members[i].routes != NONE32 && s->members[i].report_us >= d->started_us;
	for (size_t i = 0; i < s->n_routes; i++) {
		const struct route *r = &s->routes[i];
		d->n_answered += s->members[r->member].assigned && r->reached_us >= d->started_us &&
				 endpoint_judges(s, r->endpoint);
	}
	d->n_assigned = s->n_assigned ? (uint32_t)s->n_assigned : agents;
}

static bool enough_agents(const struct engine *e, const struct service *s)
{
	int64_t n = 0;
	for (size_t i = 0; i < s->n_members && n < s->min_agents; i++)
		n += s->members[i].through_us != TIME_NONE &&
		     engine_due(e, s->members[i].through_us, s->window_us) > e->now_us;
	return n >= s->min_agents;
}

static bool share_is_enough(const struct service *s, const struct curve *c)
{
	return c->w_observed && (double)c->w_converged >= s->require * (double)c->w_observed;
}

/* Is a right value still to be learned that the origin path will tell? Until then its endpoint is not
 * observed, and a deploy does not pass for lack of it. Without an origin path such an endpoint only informs.
 */
static const struct endpoint *still_learning(const struct service *s)
{
	for (size_t i = 0; s->has_origin && i < s->n_endpoints; i++)
		if (s->endpoints[i].informs)
			return &s->endpoints[i];
	return NULL;
}

/* Weight of cells that positive evidence keeps from being right: a wrong version seen, or HTTP errors that
 * two agents or more saw. Names up to three of them. */
static uint64_t wrong_weight(struct engine *e, struct service *s, uint64_t *ret_errors, struct buf *names)
{
	uint64_t wrong = 0, errors = 0;
	uint32_t seen_by[2] = { NONE32, NONE32 }, named = 0;
	for (size_t i = 0; i < s->n_order; i++) {
		const struct cell *c = &s->cells[s->order[i]];
		const struct trouble *t = c->trouble;
		if (!endpoint_judges(s, c->endpoint) || !(c->flags & CELL_OBSERVED) ||
			(c->flags & CELL_CONVERGED))
			continue;
		bool is_wrong =
			(c->flags & CELL_WRONG) || (c->state == CELL_MIXED && cell_mixes_versions(e, s, c));
		bool is_error =
			t && t->http_error_us >= s->tracked->live_us &&
			(t->broken || c->state == CELL_FAILING || c->state == CELL_MIXED || c->runs.n == 0);
		if (!is_wrong && !is_error)
			continue;
		if (is_wrong)
			wrong += c->weight;
		else
			errors += c->weight;
		for (size_t a = 0; is_error && a < 2; a++) {
			if (seen_by[0] == NONE32)
				seen_by[0] = t->http_agents[a];
			else if (t->http_agents[a] != NONE32 && t->http_agents[a] != seen_by[0])
				seen_by[1] = t->http_agents[a];
		}
		if (named++ < 3)
			buf_addf(names, "%s%.*s at %.*s", named > 1 ? ", " : "",
				STR_ARG(names_get(&e->names, s->endpoints[c->endpoint].id)),
				STR_ARG(names_get(&e->names, c->edge)));
	}
	if (named > 3)
		buf_addf(names, " and %u more", named - 3);
	*ret_errors = seen_by[1] != NONE32 ? errors : 0;
	return wrong;
}

/* Does no endpoint tell it from the deploy before, as when the same version is deployed again? */
bool deploy_is_unchanged(const struct service *s, const struct deploy *d)
{
	size_t unchanged = 0, n = s->tracked == d ? s->n_endpoints : d->n_advisories;
	if (d->n_endpoints || (s->tracked != d && !d->retired))
		return false;
	for (size_t i = 0; i < n; i++)
		unchanged += s->tracked == d ? s->endpoints[i].unchanged : d->advisories[i].unchanged;
	return n > 0 && unchanged == n;
}

static void reason_for_data(
	const struct engine *e, const struct service *s, const struct deploy *d, struct buf *why)
{
	const struct curve *c = &d->curves[0];
	if (deploy_is_unchanged(s, d))
		buf_addf(why, "version_unchanged: the right value of every endpoint is the same before and "
			      "after, so "
			      "nothing the edges serve tells this deploy from the one before");
	else if (c->observed == 0)
		buf_addf(why, "nothing was observed since it started");
	else if (!share_is_enough(s, c))
		buf_addf(why,
			"%u of %u observed cells have not converged, and no wrong version is seen there: "
			"more time is needed",
			c->observed - c->converged, c->observed);
	else if (deploy_coverage(d) < s->min_coverage && c->w_known)
		buf_addf(why, "%u of %u known cells were not observed: coverage %.1f %% is below %.1f %%",
			c->known - c->known_observed, c->known, 100 * deploy_coverage(d),
			100 * s->min_coverage);
	else if (deploy_coverage(d) < s->min_coverage)
		buf_addf(why,
			"%u of %u assigned pairs of agent and endpoint have answered: coverage %.1f %% is "
			"below %.1f %%",
			d->n_answered, d->n_assigned * d->n_endpoints, 100 * deploy_coverage(d),
			100 * s->min_coverage);
	else if (still_learning(s))
		buf_addf(why, "the right value of %.*s is still to be learned from the origin",
			STR_ARG(names_get(&e->names, still_learning(s)->id)));
	else
		buf_addf(why, "fewer than %" PRId64 " agents reported lately", s->min_agents);
}

static void deploy_deadline(struct engine *e, uint32_t service, struct deploy *d)
{
	struct service *s = e->services[service];
	const struct curve *c = &d->curves[0];
	struct buf why, names;
	uint64_t errors, wrong;
	char layer[320];
	buf_init(&why, 4096), buf_init(&names, 3000);
	service_order(e, s);
	wrong = wrong_weight(e, s, &errors, &names);
	/* were all others right, would the share still be below what is required? */
	if (c->w_observed && (double)(c->w_observed - wrong - errors) < s->require * (double)c->w_observed) {
		buf_addf(&why, "%u of %u observed cells do not serve %s: %s", c->observed - c->converged,
			c->observed, d->version, names.n ? names.p : "");
		deploy_step(e, service, d, EVENT_TIME_UP_WRONG, buf_str(&why));
	} else if (layers_fail(e, s, d, layer, sizeof(layer))) {
		buf_addf(&why, "%u of %u observed cells serve %s, but %s", c->converged, c->observed,
			d->version, layer);
		deploy_step(e, service, d, EVENT_TIME_UP_WRONG, buf_str(&why));
	} else {
		reason_for_data(e, s, d, &why);
		deploy_step(e, service, d, EVENT_TIME_UP_DATA, buf_str(&why));
	}
	buf_fini(&why), buf_fini(&names);
}

/* Asked at every fold while a layer is all that is in the way. */
bool deploy_inner_fails(const struct engine *e, struct service *s)
{
	char text[320];
	if (s->n_inner && (s->layers_gen != s->gen || s->layers_serial != s->inner_serial)) {
		s->layers_failing = layers_fail(e, s, s->tracked, text, sizeof(text));
		s->layers_gen = s->gen;
		s->layers_serial = s->inner_serial;
	}
	return s->n_inner && s->layers_failing;
}

bool deploy_is_everywhere(const struct engine *e, const struct service *s)
{
	return share_is_enough(s, &s->tracked->curves[0]) && deploy_coverage(s->tracked) >= s->min_coverage &&
	       enough_agents(e, s) && still_learning(s) == NULL;
}

void deploy_evaluate(struct engine *e, uint32_t service)
{
	struct service *s = e->services[service];
	struct deploy *d = s->tracked;
	if (d == NULL)
		return;
	const struct curve *c = &d->curves[0];
	if (d->verdict != VERDICT_CONVERGING)
		return;
	if (deploy_is_everywhere(e, s) && !deploy_inner_fails(e, s)) {
		struct buf why;
		buf_init(&why, 1024);
		buf_addf(&why, "%u of %u observed cells serve %s; coverage %.1f %%", c->converged,
			c->observed, d->version, 100 * deploy_coverage(d));
		for (size_t i = 0; i < s->n_cells; i++)
			if ((s->cells[i].flags & CELL_OBSERVED) && !(s->cells[i].flags & CELL_CONVERGED))
				s->cells[i].flags |= CELL_TOLERATED;
		deploy_step(e, service, d, EVENT_ALL_FRESH, buf_str(&why));
		buf_fini(&why);
	} else if (engine_due(e, d->live_us, s->timeout_us) <= e->now_us) {
		deploy_deadline(e, service, d);
	}
}

/* A not-fresh observation after the deploy was verified: two of a cell, or one at each of two cells, are a
 * relapse. HTTP errors count once two agents have seen them. */
void deploy_relapse(struct engine *e, uint32_t service, struct cell *c, bool http_error, uint32_t agent)
{
	struct service *s = e->services[service];
	struct deploy *d = s->tracked;
	if (d == NULL || d->verdict != VERDICT_VERIFIED || (c->flags & CELL_TOLERATED) ||
		!endpoint_judges(s, c->endpoint) || engine_due(e, d->decided_us, s->watch_us) < e->now_us)
		return;
	if (http_error && (d->relapse_agent == 0 || d->relapse_agent == agent + 1)) {
		d->relapse_agent = agent + 1;
		return;
	}
	bool again = c->flags & CELL_RELAPSE1;
	if (!again)
		d->relapse_cells++;
	c->flags |= CELL_RELAPSE1;
	if (!again && d->relapse_cells < 2)
		return;
	struct buf why;
	buf_init(&why, 2048);
	buf_addf(&why, "relapsed after it was verified: %.*s at %.*s %s",
		STR_ARG(names_get(&e->names, s->endpoints[c->endpoint].id)),
		STR_ARG(names_get(&e->names, c->edge)),
		http_error ? "answers with errors" : "does not serve it any more");
	deploy_step(e, service, d, EVENT_RELAPSED, buf_str(&why));
	buf_fini(&why);
}
