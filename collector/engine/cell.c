/* States of cells: computed from what a cell holds, the ledger and the time; never stored facts of their own.
 */
#include <stdlib.h>

#include "collector/engine/engine_internal.h"

#define X(id, name, says) name,
static const char *const state_names[] = { CELL_STATES(X) };
#undef X

const char *cell_state_name(enum cell_state s)
{
	return s < CELL_STATE_COUNT ? state_names[s] : "unknown";
}

bool cell_state_from(struct str name, enum cell_state *ret)
{
	for (size_t i = 0; i < CELL_STATE_COUNT; i++)
		if (str_is(name, state_names[i])) {
			*ret = (enum cell_state)i;
			return true;
		}
	return false;
}

bool cell_is_not_fresh(const struct cell *c)
{
	switch ((enum cell_state)c->state) {
	case CELL_FAILING:
	case CELL_STALE:
	case CELL_MIXED:
	case CELL_AHEAD:
	case CELL_UNKNOWN:
		return true;
	default:
		return false;
	}
}

struct str edge_vendor(struct str edge)
{
	ptrdiff_t at = str_find(edge, ':');
	return at < 0 ? edge : str_first(edge, (size_t)at);
}

bool edge_is_bare(struct str edge)
{
	return edge.n == 0 || str_is(edge, "none") || str_is(edge_vendor(edge), "direct");
}

struct trouble *cell_trouble(struct cell *c)
{
	if (c->trouble == NULL) {
		c->trouble = mem_new(sizeof(*c->trouble));
		*c->trouble = (struct trouble){
			.err5_us = { TIME_NONE, TIME_NONE },
			.http_error_us = TIME_NONE,
			.http_agents = { NONE32, NONE32 },
			.broke_us = TIME_NONE,
			.error_us = TIME_NONE,
			.error_since_us = TIME_NONE,
			.odd_since_us = TIME_NONE,
			.wrong.at_us = TIME_NONE,
		};
	}
	return c->trouble;
}

void cell_error(struct cell *c, const struct link *l, const struct obs *o, int64_t at_us)
{
	if (c->trouble == NULL && l->fails == 0)
		return;
	struct trouble *t = cell_trouble(c);
	int64_t good_us = c->runs.n ? runs_of(&c->runs)[c->runs.n - 1].last_us : TIME_NONE;
	if (t->error_since_us == TIME_NONE)
		t->error_since_us = l->fails && l->last_us > good_us ? l->last_us : at_us;
	if (at_us < t->error_us)
		return;
	t->error_us = at_us;
	t->error_status = o->status;
	t->error_fail = o->fail;
	if (t->error_fail == FAIL_OK)
		t->error_fail = o->status >= 400 ? FAIL_HTTP : FAIL_NO_VERSION;
}

static bool is_past(const struct engine *e, int64_t base_us, int64_t duration_us)
{
	return base_us == TIME_NONE || engine_due(e, base_us, duration_us) <= e->now_us;
}

/* Did this agent feed the cell in the last window that the cell was fed in? */
static bool link_feeds(const struct service *s, const struct cell *c, const struct link *l)
{
	return l->last_us >= c->report_us - s->window_us;
}

/* Nothing came for 3 intervals: do its agents report this endpoint from other edges, and until when does that
 * hold? */
static enum cell_state quiet_state(
	const struct engine *e, const struct service *s, uint32_t cell, int64_t *ret_due)
{
	const struct cell *c = &s->cells[cell];
	int64_t newest = TIME_NONE;
	for (uint32_t i = c->links; i != NONE32; i = s->links[i].next_in_cell) {
		const struct route *r = &s->routes[s->links[i].route];
		if (link_feeds(s, c, &s->links[i]) && r->cell != cell && r->cell != NONE32)
			newest = MAX(newest, r->report_us);
	}
	*ret_due = INT64_MAX;
	if (is_past(e, newest, SILENT_INTERVALS * s->interval_us))
		return CELL_SILENT;
	*ret_due = engine_due(e, newest, SILENT_INTERVALS * s->interval_us);
	return CELL_MOVED;
}

/* The last 3 of every agent that reaches it failed. A blind agent speaks of itself only. */
static bool is_failing(const struct engine *e, const struct service *s, uint32_t cell)
{
	const struct cell *c = &s->cells[cell];
	bool any = false;
	for (uint32_t i = c->links; i != NONE32; i = s->links[i].next_in_cell) {
		const struct link *l = &s->links[i];
		const struct route *r = &s->routes[l->route];
		if (r->cell != cell || !link_feeds(s, c, l) || e->agents[s->members[r->member].agent].blind)
			continue;
		if (l->fails < FAILING_COUNT)
			return false;
		any = true;
	}
	return any;
}

/* An older version followed a newer one within the window, or among the last three. Old...old new...new is
 * a switch. */
static bool is_mixed_version(struct engine *e, struct service *s, const struct cell *c, int64_t *ret_due)
{
	const struct run *v = runs_of(&c->runs);
	uint64_t behind = 0; /* observations from the run on */
	for (size_t j = c->runs.n; j-- > 1;) {
		struct judgement older, newer = { .rank = -1 };
		bool in_window = !is_past(e, v[j].first_us, s->window_us);
		behind += v[j].n;
		if (!in_window && behind >= 3)
			return false;
		value_judge(s, v[j].value, v[j].last_us, &older);
		/* of a deploy that was aborted since: when the switch to it was made, it was the newer one */
		if (older.rank == 0) {
			struct judgement then;
			value_judge(s, v[j].value, v[j].first_us, &then);
			older.rank = then.rank;
		}
		for (size_t i = j; i-- > 0 && newer.rank < 0;) {
			value_judge(s, v[i].value, v[i].last_us, &newer);
			in_window = in_window && v[j].first_us - v[i].last_us <= s->window_us;
		}
		if (older.label != LABEL_STALE || older.rank < 0 || newer.rank <= older.rank ||
			(!in_window && behind >= 3))
			continue;
		if (in_window)
			*ret_due = MIN(*ret_due, engine_due(e, v[j].first_us, s->window_us));
		return true;
	}
	return false;
}

bool cell_mixes_versions(struct engine *e, struct service *s, const struct cell *c)
{
	int64_t due = INT64_MAX;
	return is_mixed_version(e, s, c, &due);
}

/* At least two 5xx among good answers within the window. */
static bool is_mixed_errors(
	const struct engine *e, const struct service *s, const struct cell *c, int64_t *ret_due)
{
	const struct trouble *t = c->trouble;
	if (t == NULL || c->runs.n == 0 || is_past(e, t->err5_us[1], s->window_us))
		return false;
	int64_t good_us = runs_of(&c->runs)[c->runs.n - 1].last_us;
	if (is_past(e, good_us, s->window_us))
		return false;
	*ret_due = MIN(*ret_due, engine_due(e, MIN(t->err5_us[1], good_us), s->window_us));
	return true;
}

static enum cell_state state_of(struct engine *e, struct service *s, uint32_t cell, int64_t *ret_due)
{
	static const enum cell_state of_label[] = { CELL_FRESH, CELL_STALE, CELL_AHEAD, CELL_UNKNOWN };
	const struct cell *c = &s->cells[cell];
	if (is_past(e, c->report_us, SILENT_INTERVALS * s->interval_us))
		return quiet_state(e, s, cell, ret_due);
	*ret_due = engine_due(e, c->report_us, SILENT_INTERVALS * s->interval_us);
	if (is_failing(e, s, cell))
		return CELL_FAILING;
	if (c->runs.n == 0)
		return CELL_NEVER_SEEN; /* it answered, but never with a version */
	if (is_mixed_version(e, s, c, ret_due) || is_mixed_errors(e, s, c, ret_due))
		return CELL_MIXED;
	struct judgement j;
	const struct run *last = &runs_of(&c->runs)[c->runs.n - 1];
	value_judge(s, last->value, last->last_us, &j);
	return of_label[j.label];
}

static struct transition transition_of(
	const struct engine *e, const struct service *s, const struct cell *c, int64_t at_us, bool late)
{
	struct transition t = {
		.key.position = e->position,
		.at_us = at_us,
		.late = late,
		.service = service_name(e, s),
		.endpoint = names_get(&e->names, s->endpoints[c->endpoint].id),
		.edge = names_get(&e->names, c->edge),
		.from = (enum cell_state)c->state,
		.to = (enum cell_state)c->state,
		.expected = service_expected(s, c->endpoint),
	};
	if (c->runs.n)
		t.version = names_get(&s->texts, s->values[runs_of(&c->runs)[c->runs.n - 1].value].text);
	return t;
}

void cell_tell_version(
	struct engine *e, const struct service *s, const struct cell *c, int64_t at_us, bool late)
{
	struct transition t = transition_of(e, s, c, at_us, late);
	if (e->sink.on_version)
		e->sink.on_version(e->sink.ctx, &t);
}

static void cell_transition(
	struct engine *e, uint32_t service, struct cell *c, enum cell_state to, int64_t at_us, bool late)
{
	struct service *s = e->services[service];
	struct transition t = transition_of(e, s, c, at_us, late);
	s->n_state[t.from]--;
	s->n_state[to]++;
	c->state = (uint8_t)to;
	s->progress = true;
	t.key = engine_next_key(e);
	t.to = to;
	if (e->sink.on_transition)
		e->sink.on_transition(e->sink.ctx, &t);
	incident_cell(e, service, c, at_us);
}

void cell_refresh(struct engine *e, uint32_t service, uint32_t cell, int64_t at_us, bool late)
{
	struct service *s = e->services[service];
	struct cell *c = &s->cells[cell];
	int64_t due = INT64_MAX;
	enum cell_state state = state_of(e, s, cell, &due);
	if (state == CELL_FAILING && c->state != CELL_FAILING) {
		cell_trouble(c)->broken = true;
		c->trouble->broke_us = MAX(c->trouble->broke_us, c->report_us);
	}
	if (state != c->state)
		cell_transition(e, service, c, state, at_us, late);
	if (due < c->armed_us) {
		c->armed_us = due;
		timer_push(e, TIMER_CELL, service, cell, due);
	}
	progress_refresh(e, s, cell);
}

void cells_refresh(struct engine *e, uint32_t service, int64_t at_us)
{
	for (uint32_t i = 0; i < e->services[service]->n_cells; i++)
		cell_refresh(e, service, i, at_us, false);
}

/* A quiet cell gives back what only a troubled one needs. */
static void cell_tidy(struct engine *e, struct service *s, struct cell *c)
{
	struct trouble *t = c->trouble;
	int64_t keep_us = e->now_us - MAX(2 * s->window_us, US_PER_H);
	if (s->tracked)
		keep_us = MIN(keep_us, s->tracked->started_us);
	struct run *v = runs_at(&c->runs);
	size_t old = 0;
	while (c->runs.n - old > 2 && v[old].last_us < keep_us)
		old++;
	if (old) {
		memmove(v, v + old, (c->runs.n - old) * sizeof(*v));
		c->runs.n = (uint8_t)(c->runs.n - old);
	}
	if (c->runs.n <= 2 && c->runs.cap > 2) {
		struct run *heap = c->runs.heap;
		struct run two[2] = { heap[0], c->runs.n > 1 ? heap[1] : (struct run){ 0 } };
		free(heap);
		memcpy(c->runs.in, two, sizeof(two));
		c->runs.cap = 2;
	}
	if (t == NULL || c->state != CELL_FRESH || t->broken || t->error_since_us != TIME_NONE ||
		!is_past(e, t->err5_us[0], s->window_us) || !is_past(e, t->http_error_us, s->window_us))
		return;
	if (t->draws && c->runs.n > 1 && !is_past(e, runs_of(&c->runs)[c->runs.n - 1].first_us, s->window_us))
		return;
	draws_free(t->draws);
	free(t);
	c->trouble = NULL;
}

void cell_timer(struct engine *e, uint32_t service, uint32_t cell)
{
	struct service *s = e->services[service];
	INVARIANT(cell < s->n_cells);
	struct cell *c = &s->cells[cell];
	if (c->armed_us > e->now_us)
		return; /* one that was overtaken by an earlier */
	c->armed_us = INT64_MAX;
	int64_t quiet_us = engine_due(e, c->report_us, SILENT_INTERVALS * s->interval_us);
	if (c->state == CELL_FRESH && c->trouble == NULL && c->runs.cap <= 2 && quiet_us > e->now_us) {
		/* reports came since: nothing else about it depends on time */
		c->armed_us = quiet_us;
		timer_push(e, TIMER_CELL, service, cell, quiet_us);
		return;
	}
	cell_refresh(e, service, cell, e->now_us, false);
	cell_tidy(e, s, c);
}

void agent_went_blind(struct engine *e, uint32_t agent, int64_t at_us, bool late)
{
	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		uint32_t m = s->removed ? NONE32 : index_get(&s->ix_members, agent, s->members, member_key);
		for (uint32_t r = m == NONE32 ? NONE32 : s->members[m].routes; r != NONE32;
			r = s->routes[r].next_in_member)
			if (s->routes[r].cell != NONE32)
				cell_refresh(e, i, s->routes[r].cell, at_us, late);
	}
}
