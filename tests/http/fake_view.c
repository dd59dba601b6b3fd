/* fake_view.c - engine.h and view.h over the fake world. */
#include "tests/http/fake_world.h"

#define X(id, name, says) name,
static const char *const cell_states[] = { CELL_STATES(X) };
static const char *const verdicts[] = { VERDICTS(X) };
#undef X

const char *cell_state_name(enum cell_state s)
{
	return cell_states[s];
}

bool cell_state_from(struct str name, enum cell_state *ret)
{
	for (size_t i = 0; i < CELL_STATE_COUNT; i++)
		if (str_is(name, cell_states[i])) {
			*ret = (enum cell_state)i;
			return true;
		}
	return false;
}

const char *verdict_name(enum verdict v)
{
	return verdicts[v];
}

bool verdict_is_final(enum verdict v)
{
	return v != VERDICT_PENDING && v != VERDICT_CONVERGING;
}

int64_t engine_position(const struct engine *e)
{
	return e->position;
}

static void add_cell(struct buf *b, const struct fake_cell *c)
{
	buf_addf(b, "{\"service\":");
	buf_add_json(b, str_of(c->service));
	buf_add_key(b, "endpoint");
	buf_add_json(b, str_of(c->endpoint));
	buf_add_key(b, "edge");
	buf_add_json(b, str_of(c->edge));
	buf_add_key(b, "state");
	buf_add_json(b, str_of(cell_states[c->state]));
	buf_add_key(b, "vendor");
	buf_add_json(b, str_of(c->vendor));
	buf_add_char(b, '}');
}

static bool match(struct str want, const char *have)
{
	return want.n == 0 || str_is(want, have);
}

int view_cells(const struct engine *e, const struct cell_filter *f, struct buf *out, struct buf *ret_next,
	struct err *err)
{
	int64_t from = 0;
	size_t n = 0;
	if (f->after.n && str_to_i64(f->after, &from, NULL) < 0)
		return err_set(err, ERR_SYNTAX, "not one of ours");
	buf_add_char(out, '[');
	for (size_t i = (size_t)from; i < e->n_cells; i++) {
		const struct fake_cell *c = &e->cells[i];
		if (!match(f->service, c->service) || !match(f->endpoint, c->endpoint) ||
			!match(f->edge, c->edge) || !match(f->vendor, c->vendor) ||
			!match(f->region, c->region) || !match(f->state, cell_states[c->state]))
			continue;
		if (f->limit && n == f->limit) {
			buf_addf(ret_next, "%zu", i);
			break;
		}
		if (n++)
			buf_add_char(out, ',');
		add_cell(out, c);
	}
	buf_add_char(out, ']');
	return 0;
}

int view_cell(const struct engine *e, struct str service, struct str endpoint, struct str edge,
	struct buf *out, struct err *err)
{
	for (size_t i = 0; i < e->n_cells; i++)
		if (str_is(service, e->cells[i].service) && str_is(endpoint, e->cells[i].endpoint) &&
			str_is(edge, e->cells[i].edge)) {
			add_cell(out, &e->cells[i]);
			return 0;
		}
	return err_set(err, ERR_NOT_FOUND, "no such cell");
}

static const struct fake_deploy *find_deploy(const struct engine *e, struct str id)
{
	for (size_t i = 0; i < e->n_deploys; i++)
		if (str_is(id, e->deploys[i].id))
			return &e->deploys[i];
	return NULL;
}

static void add_deploy(struct buf *b, const struct fake_deploy *d)
{
	buf_addf(b, "{\"id\":\"%s\",\"service\":\"%s\",\"version\":\"%s\",\"verdict\":\"%s\"}", d->id,
		d->service, d->version, verdicts[d->verdict]);
}

int view_deploy(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	const struct fake_deploy *d = find_deploy(e, id);
	if (!d)
		return err_set(err, ERR_NOT_FOUND, "no deploy has the id '%.*s'", STR_ARG(id));
	add_deploy(out, d);
	return 0;
}

void view_deploys(const struct engine *e, struct str service, struct str version, struct str after,
	size_t limit, struct buf *out, struct buf *ret_next)
{
	bool started = after.n == 0;
	size_t n = 0;
	const char *last = "";
	buf_add_char(out, '[');
	for (size_t i = e->n_deploys; i > 0; i--) {
		const struct fake_deploy *d = &e->deploys[i - 1];
		if (!started) {
			started = str_is(after, d->id);
			continue;
		}
		if (!match(service, d->service) || !match(version, d->version))
			continue;
		if (n == limit) {
			buf_add_str(ret_next, str_of(last));
			break;
		}
		if (n++)
			buf_add_char(out, ',');
		add_deploy(out, d);
		last = d->id;
	}
	buf_add_char(out, ']');
}

int view_propagation(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	if (!find_deploy(e, id))
		return err_set(err, ERR_NOT_FOUND, "no deploy has the id '%.*s'", STR_ARG(id));
	buf_addf(out, "{\"id\":\"%.*s\",\"points\":[]}", STR_ARG(id));
	return 0;
}

void view_services(const struct engine *e, struct buf *out)
{
	(void)e;
	buf_addf(out, "[{\"name\":\"shop\",\"endpoints\":["
		      "{\"id\":\"v\",\"url\":\"https://shop.example/version\"},"
		      "{\"id\":\"j\",\"url\":\"https://shop.example/version?format=json\"},"
		      "{\"id\":\"root\",\"url\":\"https://"
		      "www.shop.example\"}],\"cells\":{\"fresh\":2}},{\"name\":\"blog@staging\",\"cells\":{"
		      "\"fresh\":1}}]");
}

void view_purges(const struct engine *e, struct str service, size_t limit, struct buf *out)
{
	size_t n = 0;
	buf_add_char(out, '[');
	for (size_t i = e->n_purges; i > 0 && (limit == 0 || n < limit); i--) {
		const struct fake_purge *p = &e->purges[i - 1];
		if (!match(service, p->service))
			continue;
		if (n++)
			buf_add_char(out, ',');
		buf_addf(out, "{\"id\":\"%s\",\"service\":\"%s\",\"completed\":%s}", p->id, p->service,
			p->completed ? "true" : "false");
	}
	buf_add_char(out, ']');
}

void view_agents(const struct engine *e, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < e->n_agents; i++)
		buf_addf(out,
			"%s{\"name\":\"%s\",\"region\":\"%s\",\"gaps\":{\"state\":\"silent\"},\"state\":\"%"
			"s\"}",
			i ? "," : "", e->agents[i].name, e->agents[i].region,
			e->agents[i].revoked ? "revoked" : "connected");
	buf_add_char(out, ']');
}

int view_verdict(const struct engine *e, struct str id, enum verdict *ret, struct err *err)
{
	const struct fake_deploy *d = find_deploy(e, id);
	if (!d)
		return err_set(err, ERR_NOT_FOUND, "no deploy has the id '%.*s'", STR_ARG(id));
	*ret = d->verdict;
	return 0;
}

size_t view_service_count(const struct engine *e)
{
	(void)e;
	return 2;
}

void view_service_counts(const struct engine *e, size_t i, struct service_counts *ret)
{
	static const char *const names[] = { "shop", "blog@staging" };
	*ret = (struct service_counts){ .name = str_of(names[i]), .converged_share = -1 };
	for (size_t k = 0; k < e->n_cells; k++)
		if (strcmp(e->cells[k].service, names[i]) == 0)
			ret->cells[e->cells[k].state]++;
	for (size_t k = 0; k < e->n_deploys; k++)
		if (strcmp(e->deploys[k].service, names[i]) == 0) {
			ret->has_deploy = true;
			ret->verdict = e->deploys[k].verdict;
			ret->version = str_of(e->deploys[k].version);
			ret->converged_share = 0.75;
		}
	ret->max_staleness_us = 2500 * US_PER_MS;
}

const char *severity_name(enum severity s)
{
	static const char *const names[] = { "minor", "major", "critical" };
	return names[s];
}

/* One open, and one that is over. */
static const char *const incidents[] = {
	"{\"id\":\"i_2\",\"service\":\"shop\",\"deploy\":\"d_2\",\"version\":\"v2\",\"state\":\"open\",\"severity\":\"major\","
	"\"opened_at\":\"2026-03-01T10:00:00Z\",\"updated_at\":\"2026-03-01T10:01:00Z\",\"resolved_at\":null,"
	"\"cause\":\"shield_stale\",\"layer\":\"shield\",\"not_fresh\":2,\"worst\":2,\"cells\":4,\"next\":null,\"events\":["
	"{\"at\":\"2026-03-01T10:00:00Z\",\"event\":\"opened\",\"severity\":\"minor\",\"cause\":null,\"not_fresh\":1,\"cells\":4,\"text\":\"1 of 4\"},"
	"{\"at\":\"2026-03-01T10:01:00Z\",\"event\":\"escalated\",\"severity\":\"major\",\"cause\":\"shield_stale\",\"not_fresh\":2,\"cells\":4,\"text\":\"a \\\"tier\\\"\"}],"
	"\"events_dropped\":0}",
	"{\"id\":\"i_1\",\"service\":\"blog@staging\",\"deploy\":\"d_1\",\"version\":\"v1\",\"state\":\"resolved\",\"severity\":\"critical\","
	"\"opened_at\":\"2026-02-01T10:00:00Z\",\"updated_at\":\"2026-02-01T11:00:00Z\",\"resolved_at\":\"2026-02-01T11:00:00Z\","
	"\"cause\":\"ttl_wait\",\"layer\":\"edge\",\"not_fresh\":0,\"worst\":9,\"cells\":9,\"next\":null,\"events\":["
	"{\"at\":\"2026-02-01T11:00:00Z\",\"event\":\"resolved\",\"severity\":\"critical\",\"cause\":\"ttl_wait\",\"not_fresh\":0,\"cells\":9,\"text\":\"over\"}],"
	"\"events_dropped\":0}",
};

void view_incidents(const struct engine *e, const struct incident_filter *f, struct buf *out)
{
	size_t n = 0;
	(void)e;
	buf_add_char(out, '[');
	for (size_t i = 0; i < ARRAY_LEN(incidents); i++) {
		if ((f->open && i != 0) || (f->resolved && i != 1) ||
			(f->service.n && !str_is(f->service, i ? "blog@staging" : "shop")))
			continue;
		buf_addf(out, "%s%s", n++ ? "," : "", incidents[i]);
	}
	buf_add_char(out, ']');
}

int view_incident(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	(void)e;
	if (!str_is(id, "i_2"))
		return err_set(err, ERR_NOT_FOUND, "no incident '%.*s'", STR_ARG(id));
	buf_addf(out, "%s", incidents[0]);
	return 0;
}
