/* Cells as JSON, and the helpers that every view uses. Readers may be many at once: nothing here writes to
 * the engine. */
#include <stdlib.h>

#include "collector/engine/view_internal.h"

void json_text(struct buf *out, const char *key, struct str s)
{
	buf_add_key(out, key);
	buf_add_json(out, s);
}

void json_text_or_null(struct buf *out, const char *key, struct str s)
{
	buf_add_key(out, key);
	buf_add_json_or_null(out, s);
}

void json_time(struct buf *out, const char *key, int64_t at_us)
{
	buf_add_key(out, key);
	buf_add_json_time(out, at_us);
}

void json_seconds(struct buf *out, const char *key, int64_t us)
{
	buf_add_key(out, key);
	if (us == TIME_NONE)
		buf_addf(out, "null");
	else
		buf_add_seconds(out, us);
}

void json_count(struct buf *out, const char *key, uint64_t n)
{
	buf_add_key(out, key);
	buf_addf(out, "%" PRIu64, n);
}

void json_bool(struct buf *out, const char *key, bool yes)
{
	buf_add_key(out, key);
	buf_addf(out, "%s", yes ? "true" : "false");
}

void json_share(struct buf *out, const char *key, double share)
{
	buf_add_key(out, key);
	buf_addf(out, "%.6g", share);
}

void json_comma(struct buf *out)
{
	char last = out->n ? out->p[out->n - 1] : '[';
	if (last != '[' && last != '{' && last != ':')
		buf_add_char(out, ',');
}

/* -- one cell -- */

static const struct run *cell_last(const struct cell *c)
{
	return c->runs.n ? &runs_of(&c->runs)[c->runs.n - 1] : NULL;
}

/* Staleness is that of the newest answer that was stale: of a stale cell the last, of a mixed one the last
 * old one. */
static void add_staleness(const struct service *s, const struct cell *c, struct buf *out)
{
	struct judgement j = { .label = LABEL_UNKNOWN };
	int64_t staleness = c->state == CELL_FRESH ? 0 : TIME_NONE, since = TIME_NONE;
	bool stale = false;
	for (size_t i = c->runs.n; i-- > 0 && !stale && (c->state == CELL_STALE || c->state == CELL_MIXED);) {
		const struct run *r = &runs_of(&c->runs)[i];
		value_look(s, r->value, r->last_us, &j);
		stale = j.label == LABEL_STALE;
		if (stale)
			staleness = r->last_us - j.stale_since_us, since = j.stale_since_us;
	}
	json_seconds(out, "staleness_s", staleness);
	json_time(out, "stale_since", since);
	buf_add_key(out, "behind");
	if (stale || c->state == CELL_FRESH)
		buf_addf(out, "%u", stale ? j.behind : 0);
	else
		buf_addf(out, "null");
}

static void add_cache(const struct cell *c, int64_t eta_us, struct buf *out)
{
	const struct run *last = cell_last(c);
	bool stale = c->state == CELL_STALE || c->state == CELL_MIXED;
	if (eta_us == TIME_NONE && last && stale && c->ttl_s != OBS_TTL_NONE && c->ttl_s > 0)
		eta_us = last->last_us + c->ttl_s * US_PER_S;
	json_time(out, "cached_at",
		last && c->age_s != OBS_AGE_NONE ? last->last_us - c->age_s * US_PER_S : TIME_NONE);
	json_seconds(out, "age_s", c->age_s == OBS_AGE_NONE ? TIME_NONE : c->age_s * US_PER_S);
	json_seconds(out, "ttl_s", c->ttl_s == OBS_TTL_NONE ? TIME_NONE : c->ttl_s * US_PER_S);
	/* a cache that tells its time to live tells when it will ask again; a purge on its way has its window
	 */
	json_time(out, "eta", eta_us);
	uint32_t n = c->tiers & 7;
	json_text_or_null(out, "cache",
		n ? str_of(cache_status_name((enum cache_status)(c->tiers >> 3 & 15))) : STR_NONE);
	buf_add_key(out, "tiers");
	buf_add_char(out, '[');
	for (uint32_t i = 0; i < n; i++) {
		json_comma(out);
		buf_add_json(
			out, str_of(cache_status_name((enum cache_status)(c->tiers >> (3 + 4 * i) & 15))));
	}
	buf_add_char(out, ']');
}

/* Why it does not answer as it should, where its state hangs on that. */
static void add_error(const struct engine *e, const struct service *s, const struct cell *c, struct buf *out)
{
	const struct trouble *t = c->trouble;
	bool matters = c->state == CELL_FAILING || c->state == CELL_NEVER_SEEN ||
		       (c->state == CELL_MIXED && t && t->error_us >= e->now_us - s->window_us);
	buf_add_key(out, "error");
	if (!matters || t == NULL || t->error_us == TIME_NONE) {
		buf_addf(out, "null");
		return;
	}
	buf_add_char(out, '{');
	json_text(out, "kind", str_of(obs_fail_name((enum obs_fail)t->error_fail)));
	buf_add_key(out, "status");
	if (t->error_status > 0)
		buf_addf(out, "%d", t->error_status);
	else
		buf_addf(out, "null");
	json_time(out, "at", t->error_us);
	json_time(out, "since", t->error_since_us);
	buf_add_char(out, '}');
}

/* Agents that feed the cell now, or did when it was last fed; and their regions. */
static void add_agents(const struct engine *e, const struct service *s, const struct cell *c, struct buf *out)
{
	uint32_t regions[32];
	size_t n = 0;
	buf_add_key(out, "agents");
	buf_add_char(out, '[');
	for (uint32_t i = c->links; i != NONE32; i = s->links[i].next_in_cell) {
		const struct link *l = &s->links[i];
		const struct agent *a = &e->agents[s->members[s->routes[l->route].member].agent];
		if (l->last_us < c->report_us - s->window_us)
			continue;
		json_comma(out);
		buf_add_json(out, names_get(&e->names, a->name));
		size_t at = 0;
		while (at < n && regions[at] != a->region)
			at++;
		if (at == n && n < ARRAY_LEN(regions))
			regions[n++] = a->region;
	}
	buf_addf(out, "]");
	buf_add_key(out, "regions");
	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++)
		if (regions[i]) {
			json_comma(out);
			buf_add_json(out, names_get(&e->names, regions[i]));
		}
	buf_add_char(out, ']');
}

static void add_share(const struct engine *e, const struct service *s, const struct cell *c, struct buf *out)
{
	struct share all[8];
	uint32_t total;
	size_t n = draws_shares(c, e->now_us - s->window_us, all, ARRAY_LEN(all), &total);
	if (c->state != CELL_MIXED || n == 0)
		return;
	buf_add_key(out, "share");
	buf_add_char(out, '{');
	json_count(out, "draws", total);
	buf_add_key(out, "versions");
	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		json_comma(out);
		buf_add_char(out, '{');
		json_text_or_null(out, "version",
			all[i].value == NONE32 ? STR_NONE
					       : names_get(&s->texts, s->values[all[i].value].text));
		json_bool(out, "error", all[i].value == NONE32);
		json_count(out, "draws", all[i].n);
		json_share(out, "share", all[i].share);
		json_share(out, "low", all[i].low);
		json_share(out, "high", all[i].high);
		buf_add_char(out, '}');
	}
	buf_addf(out, "]}");
}

void view_cell_object(const struct why_view *w, const struct cell *c, bool with_why, struct buf *out)
{
	const struct engine *e = w->e;
	const struct service *s = w->s;
	struct why y;
	bool known = why_cell(w, c, &y);
	struct str edge = names_get(&e->names, c->edge), vendor = edge_vendor(edge);
	const struct run *last = cell_last(c);
	buf_add_char(out, '{');
	json_text(out, "service", service_name(e, s));
	json_text(out, "endpoint", names_get(&e->names, s->endpoints[c->endpoint].id));
	json_text(out, "edge", edge);
	json_text(out, "vendor", vendor);
	json_text_or_null(out, "pop", str_from(edge, vendor.n + 1));
	view_cell_place(e, s, c, out);
	json_text(out, "state", str_of(cell_state_name((enum cell_state)c->state)));
	json_text_or_null(
		out, "version", last ? names_get(&s->texts, s->values[last->value].text) : STR_NONE);
	json_text_or_null(out, "expected", service_expected(s, c->endpoint));
	add_staleness(s, c, out);
	json_text_or_null(out, "cause", known ? str_of(cause_name(y.cause)) : STR_NONE);
	if (with_why) {
		buf_add_key(out, "why");
		if (known)
			why_add(w, c, &y, out);
		else
			buf_addf(out, "null");
	}
	add_error(e, s, c, out);
	add_cache(c, known ? y.eta_us : TIME_NONE, out);
	json_time(out, "last_seen", c->seen_us);
	json_time(out, "first_seen", c->first_seen_us);
	add_agents(e, s, c, out);
	json_bool(out, "converged", c->flags & CELL_CONVERGED);
	add_share(e, s, c, out);
	buf_add_char(out, '}');
}

/* -- many -- */

uint32_t *services_by_name(const struct engine *e, size_t *ret_n)
{
	uint32_t *v = mem_new_array(e->n_services, sizeof(*v));
	size_t n = 0;
	for (uint32_t i = 0; i < e->n_services; i++) {
		if (e->services[i]->removed)
			continue;
		size_t at = n++;
		for (; at > 0 &&
			str_cmp(service_name(e, e->services[i]), service_name(e, e->services[v[at - 1]])) < 0;
			at--)
			v[at] = v[at - 1];
		v[at] = i;
	}
	*ret_n = n;
	return v;
}

static bool has_region(const struct engine *e, const struct service *s, const struct cell *c, uint32_t region)
{
	if (c->region == region)
		return true;
	for (uint32_t i = c->links; i != NONE32; i = s->links[i].next_in_cell)
		if (e->agents[s->members[s->routes[s->links[i].route].member].agent].region == region)
			return true;
	return false;
}

/* A cursor names the last cell of a page by the engine's own numbers for its three names; they never change.
 */
struct cursor {
	struct str service, endpoint, edge;
};

static int cursor_read(const struct engine *e, struct str text, struct cursor *ret, struct err *err)
{
	struct str part, *to[] = { &ret->service, &ret->endpoint, &ret->edge };
	struct str left = text;
	for (size_t i = 0; i < 3; i++) {
		int64_t id;
		if (!str_cut(&left, '.', &part) || str_to_i64(part, &id, NULL) < 0 || id < 0 ||
			(size_t)id >= e->names.n)
			return err_set(err, ERR_SYNTAX, "'%.*s' is no cursor of this list", STR_ARG(text));
		*to[i] = names_get(&e->names, (uint32_t)id);
	}
	return left.n ? err_set(err, ERR_SYNTAX, "'%.*s' is no cursor of this list", STR_ARG(text)) : 0;
}

static int cell_cmp_names(const struct engine *e, const struct service *s, const struct cell *c,
	struct str endpoint, struct str edge)
{
	int by = str_cmp(names_get(&e->names, s->endpoints[c->endpoint].id), endpoint);
	return by ? by : str_cmp(names_get(&e->names, c->edge), edge);
}

/* Where in the order the cells behind these names begin. */
static size_t order_after(
	const struct engine *e, const struct service *s, struct str endpoint, struct str edge)
{
	size_t low = 0, high = s->n_order;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (cell_cmp_names(e, s, &s->cells[s->order[mid]], endpoint, edge) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct wanted { /* a filter as numbers */
	uint32_t endpoint, region, edge;
	int state;
	struct str vendor;
};

static int filter_read(
	const struct engine *e, const struct cell_filter *f, struct wanted *ret, struct err *err)
{
	enum cell_state state;
	*ret = (struct wanted){ names_find(&e->names, f->endpoint), names_find(&e->names, f->region),
		names_find(&e->names, f->edge), -1, f->vendor };
	if (f->state.n && !cell_state_from(f->state, &state))
		return err_set(err, ERR_NONSENSE, "no cell state is called '%.*s'", STR_ARG(f->state));
	if (f->state.n)
		ret->state = (int)state;
	return 0;
}

static bool cell_matches(
	const struct engine *e, const struct service *s, const struct cell *c, const struct wanted *w)
{
	return (w->endpoint == 0 || s->endpoints[c->endpoint].id == w->endpoint) &&
	       (w->edge == 0 || c->edge == w->edge) && (w->state < 0 || c->state == w->state) &&
	       (w->region == 0 || has_region(e, s, c, w->region)) &&
	       (w->vendor.n == 0 || str_eq(edge_vendor(names_get(&e->names, c->edge)), w->vendor));
}

static void add_matching(const struct engine *e, const struct cell_filter *f, const struct wanted *want,
	const struct cursor *after, struct buf *out, struct buf *ret_next)
{
	size_t n = 0, n_services;
	uint32_t *services = services_by_name(e, &n_services);
	bool full = false;
	buf_add_char(out, '[');
	for (size_t i = 0; i < n_services && !full; i++) {
		const struct service *s = e->services[services[i]];
		int by = f->after.n ? str_cmp(service_name(e, s), after->service) : 1;
		if (by < 0 || (f->service.n && !str_eq(service_name(e, s), f->service)))
			continue;
		size_t at = by == 0 ? order_after(e, s, after->endpoint, after->edge) : 0;
		const struct cell *last = NULL;
		struct why_view w;
		why_open(e, s, &w);
		for (; at < s->n_order && !full; at++) {
			const struct cell *c = &s->cells[s->order[at]];
			if (!cell_matches(e, s, c, want))
				continue;
			if (f->limit && n == f->limit) {
				full = true; /* one more: there is a next page */
				break;
			}
			json_comma(out);
			view_cell_object(&w, c, f->why, out);
			last = c;
			n++;
		}
		why_close(&w);
		if (last && ret_next) {
			buf_clear(ret_next);
			buf_addf(ret_next, "%u.%u.%u", s->name, s->endpoints[last->endpoint].id, last->edge);
		}
	}
	buf_add_char(out, ']');
	if (!full && ret_next)
		buf_clear(ret_next);
	free(services);
}

int view_cells(const struct engine *e, const struct cell_filter *f, struct buf *out, struct buf *ret_next,
	struct err *err)
{
	struct cursor after = { 0 };
	struct wanted want;
	int rc = filter_read(e, f, &want, err);
	if (rc == 0 && f->after.n)
		rc = cursor_read(e, f->after, &after, err);
	if (rc < 0)
		return rc;
	add_matching(e, f, &want, &after, out, ret_next);
	return buf_failed(out) ? err_set(err, ERR_TOO_BIG, "the cells do not fit %zu bytes", out->cap) : 0;
}

void view_every_cell(const struct engine *e, struct buf *out)
{
	struct cell_filter every = { 0 };
	struct wanted want = { .state = -1 };
	struct cursor start = { 0 };
	add_matching(e, &every, &want, &start, out, NULL);
}

int view_cell(const struct engine *e, struct str service, struct str endpoint, struct str edge,
	struct buf *out, struct err *err)
{
	const struct service *s = service_find(e, service, NULL);
	uint32_t ep = s ? endpoint_find(e, s, endpoint) : NONE32, name = names_find(&e->names, edge),
		 i = NONE32;
	if (ep != NONE32 && name != NONE32)
		i = index_get(&s->ix_cells, key_of_pair(ep, name), s->cells, cell_key);
	if (i == NONE32)
		return err_set(err, ERR_NOT_FOUND, "no cell of '%.*s' for '%.*s' at '%.*s'", STR_ARG(service),
			STR_ARG(endpoint), STR_ARG(edge));
	struct why_view w;
	why_open(e, s, &w);
	view_cell_object(&w, &s->cells[i], true, out);
	why_close(&w);
	return buf_failed(out) ? err_set(err, ERR_TOO_BIG, "the cell does not fit %zu bytes", out->cap) : 0;
}
