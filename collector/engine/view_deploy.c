/* Deploys as JSON: verdict, propagation, what is not fresh and what to do next. Nothing here writes to the
 * engine. */
#include <stdlib.h>

#include "collector/engine/view_internal.h"

#define NOT_FRESH_MAX  100
#define UNOBSERVED_MAX 1000

static const char *const live_names[] = { NULL, "declared", "observed", "assumed" };
static const char *const quantile_keys[QUANTILES] = { "t50_s", "t90_s", "t95_s", "t99_s", "t100_s" };

static bool is_tracked(const struct service *s, const struct deploy *d)
{
	return s->tracked == d;
}

/* -- propagation -- */

static void add_quantiles(const struct deploy *d, const struct curve *c, struct buf *out)
{
	for (size_t q = 0; q < QUANTILES; q++) {
		int64_t t[2];
		curve_quantile(c, d->retired, q, t);
		buf_add_key(out, quantile_keys[q]);
		if (t[0] == TIME_NONE || t[1] == TIME_NONE) {
			buf_addf(out, "null");
			continue;
		}
		buf_add_char(out, '[');
		buf_add_seconds(out, t[0]);
		buf_add_char(out, ',');
		buf_add_seconds(out, t[1]);
		buf_add_char(out, ']');
	}
}

static void add_curve(const struct deploy *d, const struct curve *c, struct buf *out)
{
	json_count(out, "known", c->kind == CURVE_ALL && d->n_known ? d->n_known : c->known);
	json_count(out, "observed", c->observed);
	json_count(out, "converged", c->converged);
	json_share(out, "converged_share", deploy_share(c));
	if (c->kind == CURVE_ALL)
		json_share(out, "coverage", deploy_coverage(d));
	else if (c->w_known)
		json_share(out, "coverage", (double)c->w_known_observed / (double)c->w_known);
	add_quantiles(d, c, out);
}

struct group {
	struct str name;
	const struct curve *curve;
};

static int group_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct group *)a)->name, ((const struct group *)b)->name);
}

static void add_groups(const struct engine *e, const struct deploy *d, enum curve_kind kind, struct buf *out)
{
	struct group *groups = mem_new_array(d->n_curves, sizeof(*groups));
	size_t n = 0;
	for (size_t i = 0; i < d->n_curves; i++) {
		const struct curve *c = &d->curves[i];
		if (c->kind == kind && (c->known || c->observed))
			groups[n++] = (struct group){ names_get(&e->names, c->name), c };
	}
	qsort(groups, n, sizeof(*groups), group_cmp);
	buf_add_char(out, '{');
	for (size_t i = 0; i < n; i++) {
		json_comma(out);
		buf_add_json(out, groups[i].name);
		buf_addf(out, ":{");
		add_curve(d, groups[i].curve, out);
		buf_add_char(out, '}');
	}
	buf_add_char(out, '}');
	free(groups);
}

static void add_propagation(const struct engine *e, const struct deploy *d, bool groups, struct buf *out)
{
	buf_add_key(out, "propagation");
	buf_add_char(out, '{');
	add_curve(d, &d->curves[0], out);
	if (groups) {
		buf_add_key(out, "by");
		buf_add_char(out, '{');
		buf_add_key(out, "endpoint");
		add_groups(e, d, CURVE_ENDPOINT, out);
		buf_add_key(out, "vendor");
		add_groups(e, d, CURVE_VENDOR, out);
		buf_add_key(out, "region");
		add_groups(e, d, CURVE_REGION, out);
		buf_add_char(out, '}');
	}
	buf_add_char(out, '}');
}

int view_propagation(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	const struct deploy *d = deploy_find(e, id, NULL);
	if (d == NULL)
		return err_set(err, ERR_NOT_FOUND, "no deploy '%.*s'", STR_ARG(id));
	const struct curve *c = &d->curves[0];
	uint64_t early = 0, late = 0;
	buf_add_char(out, '{');
	json_text(out, "id", str_of(d->id));
	buf_add_key(out, "points");
	buf_add_char(out, '[');
	for (size_t i = 0; i < MAX(c->earliest.n, c->latest.n) && c->w_observed; i++) {
		uint64_t e_add = i < c->earliest.n ? c->earliest.bins[i] : 0,
			 l_add = i < c->latest.n ? c->latest.bins[i] : 0;
		early += e_add, late += l_add;
		if (e_add == 0 && l_add == 0 && i != 0)
			continue;
		json_comma(out);
		buf_add_char(out, '{');
		json_seconds(out, "t_s", hist_time(i));
		json_share(out, "earliest", (double)early / (double)c->w_observed);
		json_share(out, "latest", (double)late / (double)c->w_observed);
		buf_add_char(out, '}');
	}
	buf_addf(out, "]}");
	return buf_failed(out) ? err_set(err, ERR_TOO_BIG, "the curve does not fit %zu bytes", out->cap) : 0;
}

/* -- one deploy -- */

struct tally { /* of the tracked deploy's cells */
	size_t not_fresh, failing, stale, unobserved;
};

static struct tally tally_cells(const struct service *s, const struct deploy *d)
{
	struct tally t = { 0 };
	if (!is_tracked(s, d)) {
		t.not_fresh = d->n_not_fresh;
		t.unobserved = d->curves[0].known - d->curves[0].known_observed;
		return t;
	}
	for (size_t i = 0; i < s->n_cells; i++) {
		const struct cell *c = &s->cells[i];
		if (!endpoint_judges(s, c->endpoint))
			continue;
		t.not_fresh += cell_is_not_fresh(c);
		t.failing += c->state == CELL_FAILING;
		t.stale += c->state == CELL_STALE;
		t.unobserved += (c->flags & CELL_KNOWN) && !(c->flags & CELL_OBSERVED);
	}
	return t;
}

static void add_cells(const struct why_view *w, const struct deploy *d, struct buf *out)
{
	const struct engine *e = w->e;
	const struct service *s = w->s;
	size_t n = 0;
	bool tracked = is_tracked(s, d);
	buf_add_key(out, "unobserved");
	buf_add_char(out, '[');
	for (size_t i = 0; i < s->n_order && tracked && n < UNOBSERVED_MAX; i++) {
		const struct cell *c = &s->cells[s->order[i]];
		if (!endpoint_judges(s, c->endpoint) || !(c->flags & CELL_KNOWN) ||
			(c->flags & CELL_OBSERVED))
			continue;
		json_comma(out);
		buf_add_char(out, '{');
		json_text(out, "endpoint", names_get(&e->names, s->endpoints[c->endpoint].id));
		json_text(out, "edge", names_get(&e->names, c->edge));
		buf_add_char(out, '}');
		n++;
	}
	buf_add_char(out, ']');
	buf_add_key(out, "not_fresh");
	buf_add_char(out, '[');
	n = 0;
	for (size_t i = 0; i < s->n_order && tracked && n < NOT_FRESH_MAX; i++) {
		const struct cell *c = &s->cells[s->order[i]];
		if (!endpoint_judges(s, c->endpoint) || !cell_is_not_fresh(c))
			continue;
		json_comma(out);
		view_cell_object(w, c, true, out);
		n++;
	}
	buf_add_char(out, ']');
}

static void add_advisory(struct buf *out, const char *code, struct str endpoint, const char *text)
{
	json_comma(out);
	buf_add_char(out, '{');
	json_text(out, "code", str_of(code));
	if (endpoint.n)
		json_text(out, "endpoint", endpoint);
	json_text(out, "text", str_of(text));
	buf_add_char(out, '}');
}

static void add_endpoint_advisory(struct buf *out, struct str endpoint, bool unchanged)
{
	if (unchanged)
		add_advisory(out, "version_unchanged", endpoint,
			"its right value is the same before and after this deploy, so it proves nothing "
			"about it");
	else
		add_advisory(out, "informs_only", endpoint,
			"its right value is not known: it is learned from converged origin answers");
}

/* No purge reaches a user's own cache. */
static void add_browser_tail(const struct engine *e, const struct endpoint *ep, struct buf *out)
{
	struct buf text;
	buf_init(&text, 256);
	buf_addf(&text,
		"Cache-Control lets a browser keep an answer for up to %" PRId64
		" s more: no purge reaches it",
		(ep->browser_us - e->now_us) / US_PER_S);
	json_comma(out);
	buf_add_char(out, '{');
	json_text(out, "code", STR("browser_tail"));
	json_text(out, "endpoint", names_get(&e->names, ep->id));
	json_text(out, "text", buf_str(&text));
	buf_add_char(out, '}');
	buf_fini(&text);
}

static void add_advisories(
	const struct engine *e, const struct service *s, const struct deploy *d, struct buf *out)
{
	buf_add_key(out, "advisories");
	buf_add_char(out, '[');
	for (uint32_t i = 0; i < s->n_endpoints && is_tracked(s, d); i++)
		if (!endpoint_judges(s, i))
			add_endpoint_advisory(
				out, names_get(&e->names, s->endpoints[i].id), s->endpoints[i].unchanged);
	for (size_t i = 0; i < d->n_advisories && !is_tracked(s, d); i++)
		add_endpoint_advisory(
			out, names_get(&e->names, d->advisories[i].endpoint), d->advisories[i].unchanged);
	for (uint32_t i = 0; i < s->n_endpoints && is_tracked(s, d); i++)
		if (s->endpoints[i].browser_us > e->now_us)
			add_browser_tail(e, &s->endpoints[i], out);
	if (d->in_future)
		add_advisory(out, "time_in_future", STR_NONE,
			"started_at or live_at lay in the future when it was told");
	buf_add_char(out, ']');
}

static void add_next(const struct engine *e, const struct service *s, const struct deploy *d,
	const struct tally *t, struct buf *out)
{
	struct buf say;
	struct str name = service_name(e, s);
	buf_init(&say, 4096);
	switch ((enum verdict)d->verdict) {
	case VERDICT_PENDING:
		buf_addf(&say, "tidemark deploy --live %s", d->id); /* once all of the origin serves it */
		break;
	case VERDICT_CONVERGING:
		buf_addf(&say, "tidemark verify %.*s --version %s", STR_ARG(name), d->version);
		break;
	case VERDICT_FAILED:
		buf_addf(&say, "tidemark edges %.*s", STR_ARG(name));
		break;
	case VERDICT_INCONCLUSIVE:
		if (t->unobserved || d->curves[0].observed == 0)
			buf_addf(&say, "tidemark agents list");
		else
			buf_addf(&say, "tidemark edges %.*s", STR_ARG(name));
		break;
	case VERDICT_ABORTED:
		if (t->stale)
			buf_addf(&say, "tidemark edges %.*s", STR_ARG(name));
		break;
	default:
		break;
	}
	buf_add_key(out, "next");
	buf_add_char(out, '[');
	if (say.n)
		buf_add_json(out, buf_str(&say));
	buf_add_char(out, ']');
	buf_fini(&say);
}

static void add_head(const struct engine *e, const struct service *s, const struct deploy *d, struct buf *out)
{
	json_text(out, "id", str_of(d->id));
	json_text(out, "service", service_name(e, s));
	json_text(out, "version", str_of(d->version));
	json_text(out, "verdict", str_of(verdict_name((enum verdict)d->verdict)));
	json_text_or_null(out, "reason", str_of(d->reason));
	json_time(out, "started_at", d->started_us);
	json_time(out, "live_at", d->live_us);
	json_text_or_null(out, "live_source", str_of(live_names[d->live_source]));
	json_time(out, "decided_at", d->decided_us);
	/* it had its time: what its verdict says is no longer asked of the edges */
	json_bool(out, "version_unchanged",
		deploy_is_unchanged(s, d)); /* nothing tells it from the one before */
	json_bool(out, "overtaken",
		d->live_us != TIME_NONE && d->live_us <= e->now_us && ledger_current(s) != d);
}

static void add_tail(const struct deploy *d, struct buf *out)
{
	json_time(out, "received_at", d->recorded_us);
	json_text_or_null(out, "source", str_of(d->source));
	json_text_or_null(out, "revision", str_of(d->revision));
	json_text_or_null(out, "digest", str_of(d->digest));
}

void view_deploy_object(const struct engine *e, uint32_t service, const struct deploy *d, struct buf *out)
{
	const struct service *s = e->services[service];
	struct tally t = tally_cells(s, d);
	struct why_view w;
	why_open(e, s, &w);
	buf_add_char(out, '{');
	add_head(e, s, d, out);
	why_deploy_add(&w, d, out);
	add_propagation(e, d, true, out);
	add_cells(&w, d, out);
	why_close(&w);
	add_advisories(e, s, d, out);
	add_next(e, s, d, &t, out);
	add_tail(d, out);
	buf_add_char(out, '}');
}

void view_deploy_summary(const struct engine *e, uint32_t service, const struct deploy *d, struct buf *out)
{
	buf_add_char(out, '{');
	add_head(e, e->services[service], d, out);
	add_propagation(e, d, false, out);
	add_tail(d, out);
	buf_add_char(out, '}');
}

int view_deploy(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	uint32_t service;
	const struct deploy *d = deploy_find(e, id, &service);
	if (d == NULL)
		return err_set(err, ERR_NOT_FOUND, "no deploy '%.*s'", STR_ARG(id));
	view_deploy_object(e, service, d, out);
	return buf_failed(out) ? err_set(err, ERR_TOO_BIG, "the deploy does not fit %zu bytes", out->cap) : 0;
}

int view_verdict(const struct engine *e, struct str id, enum verdict *ret, struct err *err)
{
	const struct deploy *d = deploy_find(e, id, NULL);
	if (d == NULL)
		return err_set(err, ERR_NOT_FOUND, "no deploy '%.*s'", STR_ARG(id));
	*ret = (enum verdict)d->verdict;
	return 0;
}

/* -- many -- */

struct deploy_ref {
	const struct deploy *d;
	uint32_t service;
};

static int deploy_cmp(const void *a, const void *b)
{
	const struct deploy *x = ((const struct deploy_ref *)a)->d, *y = ((const struct deploy_ref *)b)->d;
	if (x->started_us != y->started_us)
		return x->started_us < y->started_us ? -1 : 1;
	return x->serial < y->serial ? -1 : 1;
}

static struct deploy_ref *deploys_sorted(const struct engine *e, size_t *ret_n)
{
	size_t n = 0;
	for (size_t i = 0; i < e->n_services; i++)
		n += e->services[i]->n_deploys;
	struct deploy_ref *all = mem_new_array(n, sizeof(*all));
	n = 0;
	for (uint32_t i = 0; i < e->n_services; i++)
		for (size_t j = 0; j < e->services[i]->n_deploys; j++)
			all[n++] = (struct deploy_ref){ e->services[i]->deploys[j], i };
	qsort(all, n, sizeof(*all), deploy_cmp);
	*ret_n = n;
	return all;
}

/* Is the version asked for this deploy's, by any of its names? */
static bool deploy_is_called(const struct deploy *d, struct str version)
{
	if (version.n == 0 || str_is(version, d->version))
		return true;
	for (size_t i = 0; i < d->n_aliases; i++)
		if (str_is(version, d->aliases[i]))
			return true;
	return false;
}

void view_deploys(const struct engine *e, struct str service, struct str version, struct str after,
	size_t limit, struct buf *out, struct buf *ret_next)
{
	size_t n, given = 0;
	struct deploy_ref *all = deploys_sorted(e, &n);
	const struct deploy *last = NULL;
	bool found = after.n == 0, full = false;
	buf_add_char(out, '[');
	for (size_t i = n; i-- > 0 && !full;) {
		const struct deploy_ref *r = &all[i];
		if (!found) {
			found = str_is(after, r->d->id);
			continue;
		}
		if ((service.n && !str_eq(service_name(e, e->services[r->service]), service)) ||
			!deploy_is_called(r->d, version))
			continue;
		if (limit && given == limit) {
			full = true; /* one more: there is a next page */
			break;
		}
		json_comma(out);
		view_deploy_summary(e, r->service, r->d, out);
		last = r->d;
		given++;
	}
	buf_add_char(out, ']');
	if (ret_next)
		buf_clear(ret_next);
	if (ret_next && full && last)
		buf_addf(ret_next, "%s", last->id);
	free(all);
}

void view_all(const struct engine *e, struct buf *out)
{
	size_t n;
	struct deploy_ref *all = deploys_sorted(e, &n);
	buf_add_char(out, '{');
	json_time(out, "at", e->now_us);
	buf_add_key(out, "deploys");
	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		json_comma(out);
		view_deploy_object(e, all[i].service, all[i].d, out);
	}
	buf_add_char(out, ']');
	free(all);
	buf_add_key(out, "cells");
	view_every_cell(e, out);
	buf_add_key(out, "services");
	view_services(e, out);
	buf_add_key(out, "incidents");
	view_incidents(e, &(struct incident_filter){ 0 }, out);
	buf_add_char(out, '}');
}
