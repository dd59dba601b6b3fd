/* Deploys: being told of them, and going live. */
#include <stdlib.h>

#include "collector/engine/why.h"

void deploy_free(struct deploy *d)
{
	if (d == NULL)
		return;
	free(d->id), free(d->version), free(d->source), free(d->revision), free(d->digest), free(d->reason);
	for (size_t i = 0; i < d->n_aliases; i++)
		free(d->aliases[i]);
	for (size_t i = 0; i < d->n_values; i++)
		free(d->values[i].text);
	for (size_t i = 0; i < d->n_learned; i++)
		free(d->learned[i].text);
	for (size_t i = 0; i < d->n_curves; i++)
		curve_fini(&d->curves[i]);
	index_fini(&d->ix_curves);
	incident_free(d->incident);
	free(d->advisories);
	free(d->aliases), free(d->values), free(d->learned), free(d->known), free(d->curves);
	free(d);
}

struct deploy *deploy_find(const struct engine *e, struct str id, uint32_t *ret_service)
{
	for (uint32_t i = 0; id.n && i < e->n_services; i++)
		for (size_t j = e->services[i]->n_deploys; j-- > 0;)
			if (str_is(id, e->services[i]->deploys[j]->id)) {
				if (ret_service)
					*ret_service = i;
				return e->services[i]->deploys[j];
			}
	return NULL;
}

/* -- being told -- */

int deploy_check(const struct engine *e, const struct ev_deploy *ev, struct err *err)
{
	const struct service *s = service_find(e, ev->service, NULL);
	size_t pending = 0;
	if (s == NULL)
		return err_set(err, ERR_NOT_FOUND, "no service '%.*s'", STR_ARG(ev->service));
	if (ev->id.n == 0 || ev->version.n == 0)
		return err_set(err, ERR_NONSENSE, "a deploy needs an id and a version");
	if (deploy_find(e, ev->id, NULL))
		return err_set(err, ERR_EXISTS, "deploy '%.*s' is there already", STR_ARG(ev->id));
	if (!time_is_sane(ev->started_at_us) || !time_is_sane(ev->live_at_us))
		return err_set(err, ERR_NONSENSE, "started_at or live_at is out of range");
	for (size_t i = 0; i < ev->n_values; i++)
		if (endpoint_find(e, s, ev->values[i].endpoint) == NONE32)
			return err_set(err, ERR_NOT_FOUND, "values: service '%.*s' has no endpoint '%.*s'",
				STR_ARG(ev->service), STR_ARG(ev->values[i].endpoint));
	for (size_t i = 0; i < s->n_deploys; i++)
		pending += s->deploys[i]->verdict == VERDICT_PENDING;
	if (pending >= PENDING_MAX)
		return err_set(err, ERR_TOO_BIG, "%zu deploys of '%.*s' are not live yet, limit is %d",
			pending, STR_ARG(ev->service), PENDING_MAX);
	return 0;
}

int deploy_patch_check(
	const struct engine *e, const struct ev_deploy_patch *ev, int64_t received_us, struct err *err)
{
	const struct deploy *d = deploy_find(e, ev->id, NULL);
	if (d == NULL)
		return err_set(err, ERR_NOT_FOUND, "no deploy '%.*s'", STR_ARG(ev->id));
	if (!time_is_sane(ev->live_at_us))
		return err_set(err, ERR_NONSENSE, "live_at is out of range");
	if (ev->aborted && (d->verdict == VERDICT_VERIFIED || d->verdict == VERDICT_SUPERSEDED))
		return err_set(err, ERR_NONSENSE,
			"deploy '%s' is %s: to go back, deploy the old version again", d->id,
			verdict_name(d->verdict));
	if (ev->live_at_us != TIME_NONE && d->verdict == VERDICT_ABORTED)
		return err_set(err, ERR_NONSENSE, "deploy '%s' was aborted", d->id);
	if (ev->live_at_us != TIME_NONE && d->live_us != TIME_NONE &&
		ev->live_at_us > MAX(e->now_us, received_us) + CLOCKS_APART_US)
		return err_set(err, ERR_NONSENSE,
			"deploy '%s' is live already: live_at can be corrected to a time that has come, not "
			"put off",
			d->id);
	return 0;
}

/* The oldest settled deploys go when there are too many; the ledger then no longer knows their versions. Those with an open
 * incident go last. */
static void deploys_prune(struct service *s)
{
	for (int open = 0; open < 2; open++)
		for (size_t i = 0; s->n_deploys >= DEPLOYS_MAX && i < s->n_deploys; i++) {
			struct deploy *d = s->deploys[i];
			if (!verdict_is_final((enum verdict)d->verdict) || d == ledger_current(s) ||
				d == s->tracked || (incident_is_open(d) && !open))
				continue;
			deploy_free(d);
			memmove(&s->deploys[i], &s->deploys[i + 1],
				(s->n_deploys - i - 1) * sizeof(struct deploy *));
			s->n_deploys--;
			i--;
		}
}

/* A deploy told only after it began, as pipelines do that tell when they are done: its first answers looked
 * like a relapse of the one before. Where they were all there was to it, that verdict is taken back. */
static void deploy_explains(struct engine *e, uint32_t service, const struct deploy *told)
{
	struct service *s = e->services[service];
	struct deploy *d = s->tracked;
	struct judgement j;
	struct buf why;
	if (d == NULL || d == told || d->verdict != VERDICT_FAILED || d->relapse_cells == 0 ||
		d->relapse_agent != 0 || d->decided_us < told->started_us)
		return;
	for (size_t i = 0; i < s->n_cells; i++) {
		const struct cell *c = &s->cells[i];
		for (size_t k = 0; (c->flags & CELL_RELAPSE1) && k < c->runs.n; k++) {
			const struct run *r = &runs_of(&c->runs)[k];
			if (r->last_us < told->started_us)
				continue;
			value_look(s, r->value, r->last_us, &j);
			if (j.label == LABEL_STALE || j.label == LABEL_UNKNOWN)
				return;
		}
	}
	for (size_t i = 0; i < s->n_cells; i++)
		s->cells[i].flags &= (uint8_t)~CELL_RELAPSE1;
	d->relapse_cells = 0;
	d->cause = CAUSE_NONE;
	d->n_not_fresh_then = 0;
	memset(d->causes, 0, sizeof(d->causes));
	buf_init(&why, 1024);
	buf_addf(&why, "no relapse: what was seen is %s, whose deploy was told after it had begun",
		told->version);
	deploy_step(e, service, d, EVENT_EXPLAINED, buf_str(&why));
	buf_fini(&why);
}

void deploy_fold(struct engine *e, const struct ev_deploy *ev)
{
	uint32_t service;
	struct service *s = service_find(e, ev->service, &service);
	struct deploy *d = mem_new(sizeof(*d));
	deploys_prune(s);
	*d = (struct deploy){
		.serial = e->next_serial++,
		.id = text_dup(ev->id),
		.version = text_dup(str_trim(ev->version)),
		.source = text_dup(ev->source),
		.revision = text_dup(ev->revision),
		.digest = text_dup(ev->digest),
		.aliases = mem_new_array(ev->n_aliases, sizeof(char *)),
		.values = mem_new_array(ev->n_values, sizeof(*d->values)),
		.recorded_us = e->now_us,
		.started_us = ev->started_at_us == TIME_NONE ? e->now_us : ev->started_at_us,
		.told_live_us = ev->live_at_us,
		.live_us = TIME_NONE,
		.end_us = INT64_MAX,
		.decided_us = TIME_NONE,
	};
	if (ev->live_at_us != TIME_NONE)
		d->started_us = MIN(d->started_us, ev->live_at_us);
	d->in_future =
		d->started_us > e->now_us || (ev->live_at_us != TIME_NONE && ev->live_at_us > e->now_us);
	for (size_t i = 0; i < ev->n_aliases; i++)
		if (ev->aliases[i].n)
			d->aliases[d->n_aliases++] = text_dup(ev->aliases[i]);
	for (size_t i = 0; i < ev->n_values; i++)
		d->values[d->n_values++] =
			(struct deploy_value){ names_put(&e->names, ev->values[i].endpoint),
				text_dup(ev->values[i].value) };
	(void)curve_get(d, CURVE_ALL, 0);
	s->deploys = mem_grow(s->deploys, &s->cap_deploys, s->n_deploys + 1, sizeof(struct deploy *));
	s->deploys[s->n_deploys++] = d;
	progress_note_known(e, s, d);
	ledger_rebuild(e, service); /* its version is acceptable from now on */
	deploy_explains(e, service, d);
	deploy_arm(e, service, d);
	deploy_try_live(e, service, d);
}

/* -- going live -- */

static bool deploy_older(const struct deploy *a, const struct deploy *b)
{
	return a->started_us != b->started_us ? a->started_us < b->started_us : a->serial < b->serial;
}

/* After the ledger changed: who went live, and who was overtaken. */
static void deploys_overtake(struct engine *e, uint32_t service, struct deploy *current)
{
	struct service *s = e->services[service];
	bool left = false;
	struct buf why;
	buf_init(&why, 2048);
	buf_addf(&why, "%s went live first", current->version);
	for (size_t i = 0; i < s->n_deploys; i++) {
		struct deploy *d = s->deploys[i];
		if (d == current || verdict_is_final((enum verdict)d->verdict))
			continue;
		bool waits = d->told_live_us != TIME_NONE && d->told_live_us > e->now_us;
		if (d->live_us == TIME_NONE && !waits && deploy_older(d, current)) {
			d->left = left = true;
			d->end_us = MAX(current->live_us, d->started_us);
			deploy_step(e, service, d, EVENT_NEWER_LIVE, buf_str(&why));
		} else if (d->live_us != TIME_NONE) {
			deploy_step(e, service, d, EVENT_NEWER_LIVE, buf_str(&why));
		}
	}
	buf_fini(&why);
	if (left)
		ledger_rebuild(e, service);
}

static void deploy_go_live(
	struct engine *e, uint32_t service, struct deploy *d, int64_t live_us, enum live_source source)
{
	struct service *s = e->services[service];
	d->live_us = live_us;
	d->live_source = (uint8_t)source;
	d->started_us = MIN(d->started_us, live_us);
	if (d->left && d->verdict == VERDICT_SUPERSEDED)
		d->left = false; /* it went live after all, and is told so now */
	ledger_rebuild(e, service);
	struct deploy *current = s->ledger[s->n_ledger - 1];
	if (current == d)
		deploy_step(e, service, d, EVENT_WENT_LIVE, STR_NONE);
	deploys_overtake(e, service, current);
	deploy_arm(e, service, d);
	s->check_verdict = s->check_live = true;
}

void deploy_try_live(struct engine *e, uint32_t service, struct deploy *d)
{
	struct service *s = e->services[service];
	int64_t live;
	if (d->left || d->live_us != TIME_NONE)
		return;
	if (d->told_live_us != TIME_NONE) {
		if (d->told_live_us <= e->now_us)
			deploy_go_live(e, service, d, d->told_live_us, LIVE_DECLARED);
	} else if (ledger_observed_live(s, d, &live)) {
		deploy_go_live(e, service, d, live, LIVE_OBSERVED);
	} else if (engine_due(e, d->started_us, s->grace_us) <= e->now_us) {
		/* nobody said, nothing showed: it is taken to have been live from its start */
		deploy_go_live(e, service, d, d->started_us, LIVE_ASSUMED);
	}
}

void deploy_arm(struct engine *e, uint32_t service, struct deploy *d)
{
	const struct service *s = e->services[service];
	if (d->verdict == VERDICT_CONVERGING)
		timer_push(e, TIMER_DEADLINE, service, d->serial, engine_due(e, d->live_us, s->timeout_us));
	if (d->left || d->live_us != TIME_NONE)
		return;
	timer_push(e, TIMER_LIVE, service, d->serial,
		d->told_live_us != TIME_NONE ? d->told_live_us : engine_due(e, d->started_us, s->grace_us));
}

void deploy_patch_fold(struct engine *e, const struct ev_deploy_patch *ev, int64_t at_us)
{
	uint32_t service;
	struct deploy *d = deploy_find(e, ev->id, &service);
	struct service *s = e->services[service];
	if (ev->aborted && !d->left) {
		d->left = true;
		/* its version is stale from when it was cancelled, not from when that was heard */
		bool told = at_us != TIME_NONE && at_us <= e->now_us;
		d->end_us = MAX(told ? at_us : e->now_us, d->started_us);
		deploy_step(e, service, d, EVENT_CANCELLED, STR("it was cancelled"));
		ledger_rebuild(e, service);
		return;
	}
	if (ev->live_at_us == TIME_NONE || (d->left && d->verdict != VERDICT_SUPERSEDED))
		return;
	d->in_future |= ev->live_at_us > e->now_us;
	/* it is live: a moment that has not come is a clock that is ahead of ours */
	d->told_live_us = d->live_us == TIME_NONE ? ev->live_at_us : MIN(ev->live_at_us, e->now_us);
	if (d->told_live_us <= e->now_us)
		deploy_go_live(e, service, d, d->told_live_us, LIVE_DECLARED);
	else
		deploy_arm(e, service, d);
	s->check_verdict = true;
}
