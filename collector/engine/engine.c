/* The fold: time first, then the entry, then what follows from both. */
#include <stdlib.h>

#include "collector/engine/why.h"

struct engine *engine_new(const struct engine_sink *sink)
{
	struct engine *e = mem_new(sizeof(*e));
	if (sink)
		e->sink = *sink;
	e->next_serial = 1;
	names_init(&e->names);
	e->scratch = scratch_new();
	return e;
}

void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < e->n_services; i++)
		service_free(e->services[i]);
	for (size_t i = 0; i < e->n_agents; i++)
		free(e->agents[i].software);
	names_fini(&e->names);
	index_fini(&e->ix_agents);
	free(e->services), free(e->agents), free(e->heap), free(e->vendors);
	scratch_free(e->scratch);
	free(e);
}

char *text_dup(struct str s)
{
	return s.n ? str_dup(s) : NULL;
}

struct out_key engine_next_key(struct engine *e)
{
	return (struct out_key){ e->position, e->seq++ };
}

int64_t engine_now_us(const struct engine *e)
{
	return e->now_us;
}

int64_t engine_position(const struct engine *e)
{
	return e->position;
}

int64_t engine_next_due_us(const struct engine *e)
{
	return e->n_heap ? e->heap[0].due_us : INT64_MAX;
}

bool time_is_sane(int64_t at_us)
{
	return at_us == TIME_NONE || (at_us > -US_PER_DAY && at_us < INT64_C(253402300800) * US_PER_S);
}

/* -- agents -- */

uint64_t agent_key(const void *pool, uint32_t i)
{
	return ((const struct agent *)pool + i)->name;
}

uint32_t agent_get(struct engine *e, struct str name)
{
	uint32_t id = names_put(&e->names, name);
	uint32_t i = index_get(&e->ix_agents, id, e->agents, agent_key);
	if (i != NONE32)
		return i;
	e->agents = pool_room(e->agents, e->n_agents, &e->cap_agents, sizeof(*e->agents));
	i = (uint32_t)e->n_agents++;
	e->agents[i] = (struct agent){
		.name = id, .told = AGENT_TOLD_COUNT, .told_us = TIME_NONE, .report_us = TIME_NONE
	};
	index_put(&e->ix_agents, i, e->agents, agent_key);
	return i;
}

static void agent_fold(struct engine *e, const struct ev_agent *ev)
{
	uint32_t i = agent_get(e, ev->agent); /* first: it may move them */
	struct agent *a = &e->agents[i];
	a->told = (uint8_t)ev->state;
	a->told_us = e->now_us;
	if (ev->region.n)
		a->region = names_put(&e->names, ev->region);
	if (ev->software.n) {
		free(a->software);
		a->software = text_dup(ev->software);
	}
	if (ev->has_location) {
		a->has_location = true;
		a->latitude = ev->latitude, a->longitude = ev->longitude;
	}
	a->clock_suspect = ev->clock_suspect;
}

/* -- purges: kept as told -- */

static struct purge *purge_find(const struct engine *e, struct str id)
{
	for (size_t i = 0; id.n && i < e->n_services; i++)
		for (size_t j = e->services[i]->n_purges; j-- > 0;)
			if (str_is(id, e->services[i]->purges[j].id))
				return &e->services[i]->purges[j];
	return NULL;
}

static int purge_check(const struct engine *e, const struct ev_purge *ev, struct err *err)
{
	if (service_find(e, ev->service, NULL) == NULL)
		return err_set(err, ERR_NOT_FOUND, "no service '%.*s'", STR_ARG(ev->service));
	if (ev->id.n == 0)
		return err_set(err, ERR_NONSENSE, "a purge needs an id");
	if (purge_find(e, ev->id))
		return err_set(err, ERR_EXISTS, "purge '%.*s' is there already", STR_ARG(ev->id));
	if (!time_is_sane(ev->requested_at_us) || !time_is_sane(ev->completed_at_us))
		return err_set(err, ERR_NONSENSE, "requested_at or completed_at is out of range");
	return 0;
}

static char **texts_dup(const struct str *v, size_t n)
{
	char **copy = mem_new_array(n, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = str_dup(v[i]);
	return copy;
}

static void purge_fold(struct engine *e, const struct ev_purge *ev)
{
	struct service *s = service_find(e, ev->service, NULL);
	if (s->n_purges == PURGES_MAX) {
		purge_fini(&s->purges[0]);
		memmove(s->purges, s->purges + 1, --s->n_purges * sizeof(*s->purges));
	}
	s->purges = mem_grow(s->purges, &s->cap_purges, s->n_purges + 1, sizeof(*s->purges));
	struct purge *p = &s->purges[s->n_purges++];
	int64_t requested = ev->requested_at_us == TIME_NONE ? e->now_us : ev->requested_at_us;
	*p = (struct purge){
		.id = text_dup(ev->id),
		.vendor = text_dup(ev->vendor),
		.zone = text_dup(ev->zone),
		.source = text_dup(ev->source),
		.recorded_us = e->now_us,
		.requested_us = MIN(requested, e->now_us),
		.completed_us = MIN(ev->completed_at_us, e->now_us), /* TIME_NONE is below everything */
		.patterns = texts_dup(ev->patterns, ev->n_patterns),
		.n_patterns = ev->n_patterns,
		.tags = texts_dup(ev->tags, ev->n_tags),
		.n_tags = ev->n_tags,
		.soft = ev->soft,
		.everything = ev->everything,
		.in_future = requested > e->now_us || ev->completed_at_us > e->now_us,
	};
	purge_match_all(s, p);
}

/* -- the fold -- */

int engine_would_accept(const struct engine *e, const struct event *ev, struct err *err)
{
	if (ev->received_at_us == TIME_NONE || !time_is_sane(ev->received_at_us))
		return err_set(err, ERR_NONSENSE, "received_at is out of range");
	switch (ev->kind) {
	case EV_SERVICE:
		return service_check(&ev->service, err);
	case EV_DEPLOY:
		return deploy_check(e, &ev->deploy, err);
	case EV_DEPLOY_PATCH:
		return deploy_patch_check(e, &ev->deploy_patch, ev->received_at_us, err);
	case EV_PURGE:
		return purge_check(e, &ev->purge, err);
	case EV_PURGE_PATCH:
		if (purge_find(e, ev->purge_patch.id) == NULL)
			return err_set(err, ERR_NOT_FOUND, "no purge '%.*s'", STR_ARG(ev->purge_patch.id));
		return 0;
	case EV_AGENT:
		if (ev->agent.agent.n == 0)
			return err_set(err, ERR_NONSENSE, "an agent needs a name");
		return 0;
	case EV_INNER:
		return inner_check(e, &ev->inner, err);
	case EV_OBSERVATIONS:
	case EV_CLOCK:
		return 0;
	case EV_COLLECTOR:
		if (!time_is_sane(ev->collector.down_since_us))
			return err_set(err, ERR_NONSENSE, "down_since is out of range");
		return 0;
	}
	return err_set(err, ERR_UNSUPPORTED, "no entry is of kind %d", (int)ev->kind);
}

static void engine_apply(struct engine *e, const struct event *ev)
{
	switch (ev->kind) {
	case EV_SERVICE:
		service_fold(e, &ev->service);
		break;
	case EV_DEPLOY:
		deploy_fold(e, &ev->deploy);
		break;
	case EV_DEPLOY_PATCH:
		deploy_patch_fold(e, &ev->deploy_patch, ev->at_us);
		break;
	case EV_PURGE:
		purge_fold(e, &ev->purge);
		break;
	case EV_PURGE_PATCH:
		purge_find(e, ev->purge_patch.id)->completed_us =
			MIN(ev->purge_patch.completed_at_us, e->now_us);
		break;
	case EV_OBSERVATIONS:
		observe_fold(e, &ev->observations);
		break;
	case EV_AGENT:
		agent_fold(e, &ev->agent);
		break;
	case EV_INNER:
		inner_fold(e, &ev->inner, ev->at_us);
		break;
	case EV_COLLECTOR:
	case EV_CLOCK:
		break;
	}
}

/* What an entry or a timer set off: what the origin taught, then the verdict, then who went live by it. */
void engine_settle(struct engine *e, uint32_t service)
{
	struct service *s = e->services[service];
	if (s->removed)
		return;
	service_order(e, s);
	while (s->check_live || s->check_verdict) {
		bool live = s->check_live;
		s->check_live = false;
		if (live && ledger_learn(s))
			ledger_rebuild(e, service);
		s->check_verdict = false;
		deploy_evaluate(e, service);
		for (size_t i = 0; live && i < s->n_deploys; i++)
			if (s->deploys[i]->verdict == VERDICT_PENDING)
				deploy_try_live(e, service, s->deploys[i]);
	}
}

static void engine_tell_progress(struct engine *e)
{
	for (size_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		if (s->progress && s->tracked && e->sink.on_progress)
			e->sink.on_progress(e->sink.ctx, str_of(s->tracked->id));
		s->progress = false;
	}
}

int engine_fold(struct engine *e, const struct event *ev, struct err *err)
{
	bool sane = time_is_sane(ev->received_at_us); /* else it is refused below */
	if (sane && ev->kind == EV_COLLECTOR && ev->collector.down_since_us != TIME_NONE &&
		time_is_sane(ev->collector.down_since_us))
		engine_down(e, ev->collector.down_since_us, ev->received_at_us);
	else if (sane)
		engine_advance_to(e, ev->received_at_us);
	int rc = engine_would_accept(e, ev, err);
	if (rc == 0) {
		e->position = ev->position;
		e->seq = 0;
		engine_apply(e, ev);
		for (uint32_t i = 0; i < e->n_services; i++)
			engine_settle(e, i);
	}
	engine_tell_progress(e);
	return rc;
}

void engine_advance(struct engine *e, int64_t now_us)
{
	engine_advance_to(e, now_us);
	engine_tell_progress(e);
}
