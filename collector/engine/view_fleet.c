/* Services, purges, agents and counts. */
#include <stdlib.h>

#include "collector/engine/view_internal.h"

const struct deploy *service_last_deploy(const struct service *s)
{
	const struct deploy *last = NULL;
	for (size_t i = 0; i < s->n_deploys; i++)
		if (last == NULL || s->deploys[i]->started_us >= last->started_us)
			last = s->deploys[i];
	return last;
}

const struct deploy *service_rolling(const struct service *s)
{
	const struct deploy *last = NULL;
	for (size_t i = 0; i < s->n_deploys; i++)
		if (s->deploys[i]->verdict == VERDICT_PENDING &&
			(last == NULL || s->deploys[i]->started_us >= last->started_us))
			last = s->deploys[i];
	return last;
}

/* -- services -- */

static void add_deploy_ref(struct buf *out, const char *key, const struct deploy *d, bool live)
{
	buf_add_key(out, key);
	if (d == NULL) {
		buf_addf(out, "null");
		return;
	}
	buf_add_char(out, '{');
	json_text(out, "version", str_of(d->version));
	json_text(out, "deploy", str_of(d->id));
	json_time(out, "started_at", d->started_us);
	if (live)
		json_time(out, "live_at", d->live_us);
	buf_add_char(out, '}');
}

static void add_service(const struct engine *e, const struct service *s, struct buf *out)
{
	const struct deploy *last = service_last_deploy(s);
	buf_add_char(out, '{');
	json_text(out, "name", service_name(e, s));
	buf_add_key(out, "endpoints");
	buf_add_char(out, '[');
	for (size_t i = 0; i < s->n_endpoints; i++) {
		json_comma(out);
		buf_add_char(out, '{');
		json_text(out, "id", names_get(&e->names, s->endpoints[i].id));
		json_text(out, "url", str_of(s->endpoints[i].url));
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
	json_seconds(out, "interval_s", s->interval_us);
	add_deploy_ref(out, "current", ledger_current(s), true);
	add_deploy_ref(out, "rolling", service_rolling(s), false);
	buf_add_key(out, "cells");
	buf_add_char(out, '{');
	for (size_t i = 0; i < CELL_STATE_COUNT; i++)
		if (s->n_state[i])
			json_count(out, cell_state_name((enum cell_state)i), s->n_state[i]);
	buf_add_char(out, '}');
	json_text_or_null(
		out, "verdict", last ? str_of(verdict_name((enum verdict)last->verdict)) : STR_NONE);
	json_text_or_null(out, "verdict_version", last ? str_of(last->version) : STR_NONE);
	json_count(out, "agents", s->n_members);
	buf_add_char(out, '}');
}

void view_services(const struct engine *e, struct buf *out)
{
	size_t n;
	uint32_t *services = services_by_name(e, &n);
	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		json_comma(out);
		add_service(e, e->services[services[i]], out);
	}
	buf_add_char(out, ']');
	free(services);
}

size_t view_service_count(const struct engine *e)
{
	size_t n = 0;
	for (size_t i = 0; i < e->n_services; i++)
		n += !e->services[i]->removed;
	return n;
}

void view_service_counts(const struct engine *e, size_t i, struct service_counts *ret)
{
	size_t at = 0;
	while (e->services[at]->removed || i-- > 0)
		at++;
	const struct service *s = e->services[at];
	const struct deploy *current = ledger_current(s), *last = service_last_deploy(s);
	*ret = (struct service_counts){ .name = service_name(e, s), .converged_share = -1 };
	memcpy(ret->cells, s->n_state, sizeof(ret->cells));
	for (size_t c = 0; c < s->n_cells; c++) {
		const struct cell *cell = &s->cells[c];
		struct judgement j;
		if (cell->state != CELL_STALE || cell->runs.n == 0)
			continue;
		const struct run *r = &runs_of(&cell->runs)[cell->runs.n - 1];
		value_look(s, r->value, r->last_us, &j);
		if (j.label == LABEL_STALE)
			ret->max_staleness_us = MAX(ret->max_staleness_us, r->last_us - j.stale_since_us);
	}
	for (size_t d = 0; d < s->n_deploys; d++)
		if (incident_is_open(s->deploys[d]))
			ret->incidents[s->deploys[d]->incident->severity]++;
	if (current)
		ret->version = str_of(current->version);
	if (last) {
		ret->has_deploy = true;
		ret->verdict = (enum verdict)last->verdict;
		ret->converged_share = deploy_share(&last->curves[0]);
	}
}

/* -- purges -- */

static void add_texts(struct buf *out, const char *key, char *const *v, size_t n)
{
	buf_add_key(out, key);
	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		json_comma(out);
		buf_add_json(out, str_of(v[i]));
	}
	buf_add_char(out, ']');
}

static void add_purge(const struct engine *e, const struct service *s, const struct purge *p, struct buf *out)
{
	buf_add_char(out, '{');
	json_text(out, "id", str_of(p->id));
	json_text(out, "service", service_name(e, s));
	json_text_or_null(out, "vendor", str_of(p->vendor));
	json_text_or_null(out, "zone", str_of(p->zone));
	json_time(out, "requested_at", p->requested_us);
	json_time(out, "completed_at", p->completed_us);
	json_time(out, "received_at", p->recorded_us);
	add_texts(out, "patterns", p->patterns, p->n_patterns);
	add_texts(out, "tags", p->tags, p->n_tags);
	json_bool(out, "soft", p->soft);
	json_bool(out, "everything", p->everything);
	json_bool(out, "in_future", p->in_future);
	json_text_or_null(out, "source", str_of(p->source));
	buf_add_char(out, '}');
}

struct purge_ref {
	const struct service *s;
	const struct purge *p;
};

static int purge_cmp(const void *a, const void *b)
{
	const struct purge_ref *x = a, *y = b;
	if (x->p->requested_us != y->p->requested_us)
		return x->p->requested_us > y->p->requested_us ? -1 : 1;
	return str_cmp(str_of(y->p->id), str_of(x->p->id));
}

void view_purges(const struct engine *e, struct str service, size_t limit, struct buf *out)
{
	size_t n = 0, total = 0;
	for (size_t i = 0; i < e->n_services; i++)
		total += e->services[i]->n_purges;
	struct purge_ref *all = mem_new_array(total, sizeof(*all));
	for (size_t i = 0; i < e->n_services; i++) {
		const struct service *s = e->services[i];
		for (size_t j = 0; j < s->n_purges && (service.n == 0 || str_eq(service_name(e, s), service));
			j++)
			all[n++] = (struct purge_ref){ s, &s->purges[j] };
	}
	qsort(all, n, sizeof(*all), purge_cmp);
	buf_add_char(out, '[');
	for (size_t i = 0; i < n && (limit == 0 || i < limit); i++) {
		json_comma(out);
		add_purge(e, all[i].s, all[i].p, out);
	}
	buf_add_char(out, ']');
	free(all);
}

/* -- agents -- */

/* The longest interval this agent is asked for: what "late" and "silent" are measured by. */
static int64_t agent_interval(const struct engine *e, uint32_t agent)
{
	int64_t interval = 0;
	for (size_t i = 0; i < e->n_services; i++) {
		const struct service *s = e->services[i];
		if (!s->removed && index_get(&s->ix_members, agent, s->members, member_key) != NONE32)
			interval = MAX(interval, s->interval_us);
	}
	return interval ? interval : US_PER_MIN;
}

static const char *agent_state(const struct engine *e, uint32_t i)
{
	const struct agent *a = &e->agents[i];
	int64_t interval = agent_interval(e, i);
	if (a->told == AGENT_REVOKED)
		return "revoked";
	if (a->told == AGENT_DRAINED && a->report_us <= a->told_us)
		return "drained";
	if (a->report_us == TIME_NONE)
		return "never_seen";
	if (engine_due(e, a->report_us, SILENT_INTERVALS * interval) <= e->now_us)
		return "silent";
	if (a->told == AGENT_DISCONNECTED || engine_due(e, a->report_us, 2 * interval) <= e->now_us)
		return "late";
	return "connected";
}

static void add_agent(const struct engine *e, uint32_t i, struct buf *out)
{
	const struct agent *a = &e->agents[i];
	buf_add_char(out, '{');
	json_text(out, "name", names_get(&e->names, a->name));
	json_text_or_null(out, "region", names_get(&e->names, a->region));
	json_text(out, "state", str_of(agent_state(e, i)));
	json_bool(out, "connected", a->told == AGENT_CONNECTED);
	json_bool(out, "blind", a->blind);
	json_time(out, "last_seen",
		MAX(a->told == AGENT_REVOKED || a->told == AGENT_ENROLLED ? TIME_NONE : a->told_us,
			a->report_us));
	json_time(out, "last_result", a->report_us);
	buf_add_key(out, "location");
	if (a->has_location)
		buf_addf(out, "[%.6g,%.6g]", a->latitude, a->longitude);
	else
		buf_addf(out, "null");
	json_text_or_null(out, "software", str_of(a->software));
	json_bool(out, "clock_suspect", a->clock_suspect);
	json_count(out, "results", a->results);
	buf_add_char(out, '}');
}

struct agent_ref {
	struct str name;
	uint32_t i;
};

static int agent_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct agent_ref *)a)->name, ((const struct agent_ref *)b)->name);
}

void view_agents(const struct engine *e, struct buf *out)
{
	struct agent_ref *all = mem_new_array(e->n_agents, sizeof(*all));
	for (uint32_t i = 0; i < e->n_agents; i++)
		all[i] = (struct agent_ref){ names_get(&e->names, e->agents[i].name), i };
	qsort(all, e->n_agents, sizeof(*all), agent_cmp);
	buf_add_char(out, '[');
	for (size_t i = 0; i < e->n_agents; i++) {
		json_comma(out);
		add_agent(e, all[i].i, out);
	}
	buf_add_char(out, ']');
	free(all);
}
