/* fake_engine.c - see fake_engine.h */
#include <stdlib.h>

#include "fake_engine.h"

#define NAMES_MAX 64

struct fake_name {
	char name[64], region[64], service[64];
	bool connected, removed;
};
struct engine {
	struct fake_state s;
	int64_t due_us; /* INT64_MAX: none */
	uint32_t seq;
	struct fake_name agents[NAMES_MAX], services[NAMES_MAX], deploys[NAMES_MAX], purges[NAMES_MAX];
	size_t n_agents, n_services, n_deploys, n_purges;
	int64_t started_at_us, live_at_us, purged_at_us;
	struct engine_sink sink;
};

#define X(id, name, says) name,
static const char *const state_names[] = { CELL_STATES(X) };
static const char *const verdict_names[] = { VERDICTS(X) };
#undef X

const char *cell_state_name(enum cell_state s)
{
	return state_names[s];
}

bool cell_state_from(struct str name, enum cell_state *ret)
{
	for (int i = 0; i < CELL_STATE_COUNT; i++)
		if (str_is(name, state_names[i])) {
			*ret = (enum cell_state)i;
			return true;
		}
	return false;
}

const char *verdict_name(enum verdict v)
{
	return verdict_names[v];
}

bool verdict_is_final(enum verdict v)
{
	return v != VERDICT_PENDING && v != VERDICT_CONVERGING;
}

struct fake_state fake_engine_state(const struct engine *e)
{
	return e->s;
}

struct engine *engine_new(const struct engine_sink *sink)
{
	struct engine *e = mem_new(sizeof(*e));
	e->due_us = INT64_MAX;
	e->s.down_since_us = e->live_at_us = e->started_at_us = e->purged_at_us = TIME_NONE;
	if (sink)
		e->sink = *sink;
	return e;
}

void engine_free(struct engine *e)
{
	free(e);
}

static void mix(struct engine *e, uint64_t v)
{
	e->s.hash = (e->s.hash ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	e->s.hash ^= e->s.hash >> 29;
}

void engine_advance(struct engine *e, int64_t now_us)
{
	if (now_us >= e->due_us) {
		struct transition t = { .key = { e->s.position, e->seq++ },
			.at_us = e->due_us,
			.service = STR("shop"),
			.endpoint = STR("version"),
			.edge = STR("self:fra"),
			.from = CELL_FRESH,
			.to = CELL_SILENT };
		struct transition version = t; /* of another cell: told, not stored */
		version.edge = STR("self:ams");
		version.to = version.from;
		mix(e, (uint64_t)e->due_us);
		e->s.n_fired++;
		e->due_us = INT64_MAX;
		if (e->sink.on_version)
			e->sink.on_version(e->sink.ctx, &version);
		if (e->sink.on_transition)
			e->sink.on_transition(e->sink.ctx, &t);
	}
	e->s.now_us = MAX(e->s.now_us, now_us);
}

int64_t engine_next_due_us(const struct engine *e)
{
	return e->due_us;
}

int64_t engine_now_us(const struct engine *e)
{
	return e->s.now_us;
}

int64_t engine_position(const struct engine *e)
{
	return e->s.position;
}

static void name_copy(char *to, size_t size, struct str s)
{
	INVARIANT(s.n < size);
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}

static struct fake_name *name_in(struct fake_name *list, size_t *n, struct str name)
{
	for (size_t i = 0; i < *n; i++)
		if (str_is(name, list[i].name))
			return &list[i];
	INVARIANT(*n < NAMES_MAX);
	name_copy(list[*n].name, sizeof(list[*n].name), name);
	return &list[(*n)++];
}

static bool knows(const struct fake_name *list, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_is(name, list[i].name) && !list[i].removed)
			return true;
	return false;
}

int engine_would_accept(const struct engine *e, const struct event *ev, struct err *err)
{
	if (ev->kind == EV_DEPLOY && !knows(e->services, e->n_services, ev->deploy.service))
		return err_set(err, ERR_NOT_FOUND, "no such service");
	if (ev->kind == EV_DEPLOY && knows(e->deploys, e->n_deploys, ev->deploy.id))
		return err_set(err, ERR_EXISTS, "that deploy is there already");
	if (ev->kind == EV_DEPLOY_PATCH && !knows(e->deploys, e->n_deploys, ev->deploy_patch.id))
		return err_set(err, ERR_NOT_FOUND, "no such deploy");
	return 0;
}

static void fold_batch(struct engine *e, const struct event *ev)
{
	e->s.n_batches++;
	e->s.n_results += ev->observations.batch->n_obs;
	for (size_t i = 0; i < ev->observations.batch->n_obs; i++)
		mix(e, (uint64_t)ev->observations.batch->obs[i].observed_at_us);
	mix(e, str_hash(ev->observations.batch->agent) ^ ev->observations.batch->number);
	if (e->due_us == INT64_MAX)
		e->due_us = ev->received_at_us + FAKE_TIMER_US;
}

static void fold_agent(struct engine *e, const struct ev_agent *a)
{
	struct fake_name *n = name_in(e->agents, &e->n_agents, a->agent);
	name_copy(n->region, sizeof(n->region), a->region);
	n->connected = a->state == AGENT_CONNECTED;
	mix(e, (uint64_t)a->state + 17);
}

int engine_fold(struct engine *e, const struct event *ev, struct err *err)
{
	bool down = ev->kind == EV_COLLECTOR && ev->collector.down_since_us != TIME_NONE;
	int64_t was_due_us;
	INVARIANT(ev->position > e->s.position && ev->received_at_us >= e->s.now_us);
	engine_advance(e, down ? ev->collector.down_since_us : ev->received_at_us);
	was_due_us = e->due_us;
	if (down &&
		was_due_us != INT64_MAX) /* what was not due yet moves by the time that counts for nobody */
		e->due_us = was_due_us + ev->received_at_us - ev->collector.down_since_us;
	int rc = engine_would_accept(e, ev, err);
	e->s.now_us = ev->received_at_us;
	if (rc < 0)
		return rc;
	e->s.position = ev->position;
	e->seq = 0;
	e->s.n_entries++;
	mix(e, (uint64_t)ev->position);
	mix(e, (uint64_t)ev->received_at_us);
	mix(e, (uint64_t)ev->kind);
	switch (ev->kind) {
	case EV_OBSERVATIONS:
		fold_batch(e, ev);
		break;
	case EV_AGENT:
		fold_agent(e, &ev->agent);
		break;
	case EV_SERVICE:
		name_in(e->services, &e->n_services, ev->service.name)->removed = ev->service.removed;
		mix(e, ev->service.n_agents);
		break;
	case EV_DEPLOY:
		name_copy(name_in(e->deploys, &e->n_deploys, ev->deploy.id)->service, 64, ev->deploy.service);
		e->started_at_us = ev->deploy.started_at_us;
		e->live_at_us = ev->deploy.live_at_us;
		break;
	case EV_DEPLOY_PATCH:
		if (ev->deploy_patch.live_at_us != TIME_NONE)
			e->live_at_us = ev->deploy_patch.live_at_us;
		break;
	case EV_PURGE:
		name_copy(name_in(e->purges, &e->n_purges, ev->purge.id)->service, 64, ev->purge.service);
		e->purged_at_us = ev->purge.requested_at_us;
		break;
	case EV_COLLECTOR:
		e->s.n_collector++;
		e->s.down_since_us = ev->collector.down_since_us;
		break;
	default:
		break;
	}
	return 0;
}

void engine_save(const struct engine *e, struct buf *out)
{
	buf_add(out, e, sizeof(*e));
}

int engine_load(struct str bytes, const struct engine_sink *sink, struct engine **ret, struct err *err)
{
	if (bytes.n != sizeof(struct engine))
		return err_set(err, ERR_UNSUPPORTED, "not a snapshot of this version");
	*ret = mem_new(sizeof(**ret));
	memcpy(*ret, bytes.p, bytes.n);
	(*ret)->sink = sink ? *sink : (struct engine_sink){ 0 };
	return 0;
}

/* -- views: as much of them as the collector itself reads -- */

int view_cell(const struct engine *e, struct str service, struct str endpoint, struct str edge,
	struct buf *out, struct err *err)
{
	(void)e, (void)err;
	buf_addf(out, "{\"service\":\"%.*s\",\"endpoint\":\"%.*s\",\"edge\":\"%.*s\"}", STR_ARG(service),
		STR_ARG(endpoint), STR_ARG(edge));
	return 0;
}

int view_deploy(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	if (!knows(e->deploys, e->n_deploys, id))
		return err_set(err, ERR_NOT_FOUND, "no such deploy");
	for (size_t i = 0; i < e->n_deploys; i++)
		if (str_is(id, e->deploys[i].name))
			buf_addf(out, "{\"id\":\"%s\",\"service\":\"%s\"}", e->deploys[i].name,
				e->deploys[i].service);
	return 0;
}

static void add_time(struct buf *out, const char *key, int64_t at_us)
{
	buf_add_key(out, key);
	buf_add_json_time(out, at_us);
}

void view_deploys(const struct engine *e, struct str service, struct str version, struct str after,
	size_t limit, struct buf *out, struct buf *ret_next)
{
	(void)version, (void)after, (void)limit, (void)ret_next;
	buf_addf(out, "[");
	for (size_t i = e->n_deploys; i-- > 0;) {
		if (!str_is(service, e->deploys[i].service))
			continue;
		buf_addf(out, "{\"id\":\"%s\"", e->deploys[i].name);
		add_time(out, "started_at", e->started_at_us);
		add_time(out, "live_at", e->live_at_us);
		buf_addf(out, "}");
		break;
	}
	buf_addf(out, "]");
}

void view_purges(const struct engine *e, struct str service, size_t limit, struct buf *out)
{
	(void)limit;
	buf_addf(out, "[");
	for (size_t i = e->n_purges; i-- > 0;) {
		if (service.n > 0 && !str_is(service, e->purges[i].service))
			continue;
		buf_addf(out, "{\"id\":\"%s\",\"service\":\"%s\"", e->purges[i].name, e->purges[i].service);
		add_time(out, "requested_at", e->purged_at_us);
		buf_addf(out, "}");
		break;
	}
	buf_addf(out, "]");
}

static void view_names(const struct fake_name *list, size_t n, struct buf *out)
{
	buf_addf(out, "[");
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%s{\"name\":\"%s\",\"region\":\"%s\",\"connected\":%s}", i ? "," : "",
			list[i].name, list[i].region, list[i].connected ? "true" : "false");
	buf_addf(out, "]");
}

void view_services(const struct engine *e, struct buf *out)
{
	view_names(e->services, e->n_services, out);
}

void view_agents(const struct engine *e, struct buf *out)
{
	view_names(e->agents, e->n_agents, out);
}

void view_all(const struct engine *e, struct buf *out)
{
	buf_addf(out, "{\"hash\":\"%016" PRIx64 "\"}", e->s.hash);
}

int view_verdict(const struct engine *e, struct str id, enum verdict *ret, struct err *err)
{
	if (!knows(e->deploys, e->n_deploys, id))
		return err_set(err, ERR_NOT_FOUND, "no such deploy");
	*ret = VERDICT_CONVERGING;
	return 0;
}

size_t view_service_count(const struct engine *e)
{
	return e->n_services;
}

void view_service_counts(const struct engine *e, size_t i, struct service_counts *ret)
{
	*ret = (struct service_counts){ .name = str_of(e->services[i].name) };
}

int view_incident(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	(void)e, (void)out;
	return err_set(err, ERR_NOT_FOUND, "no incident '%.*s'", STR_ARG(id));
}
