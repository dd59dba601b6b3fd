/* One batch into cells, routes and agents. Strings are looked up once per dictionary entry; the common case
 * (the same agent, edge and version as last time) touches its route, link and cell, and nothing else. */
#include <stdlib.h>

#include "collector/engine/observe_impl.h"
#include "collector/engine/why.h"

#define NO_EDGE "none" /* no CDN named itself */

struct scratch *scratch_new(void)
{
	return mem_new(sizeof(struct scratch));
}

void scratch_free(struct scratch *x)
{
	free(x);
}

static enum result result_of(const struct obs *o)
{
	if (o->status >= 400)
		return RESULT_HTTP_ERROR;
	if (o->fail == FAIL_OK && o->version)
		return RESULT_GOOD;
	return o->status > 0 ? RESULT_NO_VERSION : RESULT_NO_ANSWER;
}

/* Did the answer come from behind all caches? Where nobody says, only the absence of any CDN is proof. */
static bool came_through(const struct fold *f, const struct obs *o)
{
	bool through = o->n_tiers == 0 && edge_is_bare(batch_str(f->b, o->edge));
	if (obs_is_cached(o))
		return false;
	for (size_t i = 0; i < o->n_tiers; i++)
		switch ((enum cache_status)o->tiers[i]) {
		case CACHE_MISS:
		case CACHE_EXPIRED:
		case CACHE_BYPASS:
		case CACHE_DYNAMIC:
			through = true;
			break;
		case CACHE_NONE:
			break;
		default:
			return false;
		}
	return through;
}

/* -- counts over the last 24 h, in two buckets -- */

static uint16_t bucket_of(int64_t at_us)
{
	return (uint16_t)(at_us / COUNT_BUCKET_US);
}

static void link_add(struct link *l, int64_t at_us)
{
	uint16_t at = bucket_of(at_us), ahead = (uint16_t)(at - l->bucket);
	if (ahead == 0 || ahead > UINT16_MAX / 2) { /* late ones count as if they came now */
		l->n_now += l->n_now < LINK_COUNT_MAX;
		return;
	}
	l->n_before = ahead == 1 ? l->n_now : 0;
	l->n_now = 1;
	l->bucket = at;
}

uint32_t link_count(const struct link *l, int64_t now_us)
{
	uint16_t ahead = (uint16_t)(bucket_of(now_us) - l->bucket);
	return ahead == 0 ? l->n_now + l->n_before : ahead == 1 ? l->n_now : 0;
}

/* -- finding and making -- */

static uint32_t member_get(struct engine *e, struct service *s, uint32_t agent)
{
	uint32_t i = index_get(&s->ix_members, agent, s->members, member_key);
	if (i != NONE32)
		return i;
	s->members = pool_room(s->members, s->n_members, &s->cap_members, sizeof(*s->members));
	i = (uint32_t)s->n_members++;
	s->members[i] = (struct member){ agent, NONE32, false, TIME_NONE, TIME_NONE };
	member_assign(e, s, &s->members[i]);
	index_put(&s->ix_members, i, s->members, member_key);
	return i;
}

static uint32_t route_get(struct service *s, uint32_t endpoint, uint32_t member)
{
	uint32_t i = index_get(&s->ix_routes, key_of_pair(endpoint, member), s->routes, route_key);
	if (i != NONE32)
		return i;
	s->routes = pool_room(s->routes, s->n_routes, &s->cap_routes, sizeof(*s->routes));
	i = (uint32_t)s->n_routes++;
	s->routes[i] = (struct route){ .endpoint = endpoint,
		.member = member,
		.cell = NONE32,
		.link = NONE32,
		.links = NONE32,
		.next_in_member = s->members[member].routes,
		.report_us = TIME_NONE,
		.reached_us = TIME_NONE };
	s->members[member].routes = i;
	index_put(&s->ix_routes, i, s->routes, route_key);
	return i;
}

static uint32_t cell_get(struct fold *f, const struct seen *o, uint32_t edge)
{
	struct service *s = f->s;
	uint32_t i = index_get(&s->ix_cells, key_of_pair(o->endpoint, edge), s->cells, cell_key);
	if (i != NONE32)
		return i;
	s->cells = pool_room(s->cells, s->n_cells, &s->cap_cells, sizeof(*s->cells));
	i = (uint32_t)s->n_cells++;
	struct cell *c = &s->cells[i];
	*c = (struct cell){ .endpoint = o->endpoint,
		.edge = edge,
		.links = NONE32,
		.region = f->e->agents[f->agent].region,
		.state = CELL_NEVER_SEEN,
		.report_us = TIME_NONE,
		.seen_us = TIME_NONE,
		.first_seen_us = o->at_us,
		.armed_us = INT64_MAX,
		.age_s = OBS_AGE_NONE,
		.ttl_s = OBS_TTL_NONE,
		.weight = WEIGHT_ONE };
	runs_init(&c->runs);
	s->n_state[CELL_NEVER_SEEN]++;
	index_put(&s->ix_cells, i, s->cells, cell_key);
	return i;
}

static bool route_is_full(const struct service *s, const struct route *r)
{
	size_t n = 0;
	for (uint32_t i = r->links; i != NONE32 && n < LINKS_PER_ROUTE_MAX; i = s->links[i].next_in_route)
		n++;
	return n >= LINKS_PER_ROUTE_MAX;
}

/* NONE32: this agent names more edges than anybody has. */
static uint32_t link_get(struct service *s, uint32_t route, uint32_t cell, int64_t at_us)
{
	struct route *r = &s->routes[route];
	size_t n = 0;
	for (uint32_t i = r->links; i != NONE32; i = s->links[i].next_in_route, n++)
		if (s->links[i].cell == cell)
			return i;
	if (n >= LINKS_PER_ROUTE_MAX)
		return NONE32;
	s->links = pool_room(s->links, s->n_links, &s->cap_links, sizeof(*s->links));
	uint32_t i = (uint32_t)s->n_links++;
	s->links[i] = (struct link){ .cell = cell,
		.route = route,
		.next_in_cell = s->cells[cell].links,
		.next_in_route = r->links,
		.last_us = TIME_NONE,
		.bucket = bucket_of(at_us) };
	s->cells[cell].links = i;
	r->links = i;
	return i;
}

static uint32_t seen_value(struct fold *f, const struct seen *o)
{
	struct scratch *x = f->e->scratch;
	uint16_t v = o->o->version;
	if (x->value[v] != UNSEEN && x->value_endpoint[v] == o->endpoint)
		return x->value[v];
	if (x->text[v] == UNSEEN)
		x->text[v] = names_put(&f->s->texts, str_trim(batch_str(f->b, v)));
	x->value[v] = value_get(f->s, o->endpoint, x->text[v]);
	x->value_endpoint[v] = o->endpoint;
	return x->value[v];
}

/* -- agents -- */

#define PLACE_GONE_COUNT 1000 /* failures in a row; as a time, near an hour */

enum { FAILED_HERE = 1, FAILED_ELSEWHERE = 2 };

/* Blind: three in a row got no answer, nothing came through in between, and among them are the place that
 * answered last and another one. Three dead places beside one that answers are no blindness, in whatever
 * order they are asked; where an agent has one place only, the place is as likely to be at fault. A place
 * that is not asked any more stands in the way for a while only. */
static void agent_note(struct fold *f, const struct seen *o)
{
	struct agent *a = &f->e->agents[f->agent];
	struct member *m = &f->s->members[f->member];
	uint64_t place = ((uint64_t)f->service << 33 | (uint64_t)o->endpoint << 1 | o->o->path) + 1;
	const struct deploy *current = f->s->tracked;
	if (current && f->s->n_assigned == 0 && m->routes != NONE32 && m->report_us < current->started_us &&
		o->at_us >= current->started_us)
		f->s->tracked->n_assigned++;
	a->results++;
	m->report_us = MAX(m->report_us, o->at_us);
	if (o->result != RESULT_NO_ANSWER)
		m->through_us =
			f->e->now_us; /* when it reported, however late: that may complete a verdict */
	if (o->at_us < a->report_us)
		return;
	a->report_us = o->at_us;
	if (o->result != RESULT_NO_ANSWER) {
		a->streak = 0, a->failed = 0;
		a->place = place;
		a->blind = false;
		return;
	}
	if (a->place == 0 || a->streak == PLACE_GONE_COUNT)
		a->place = place, a->failed = 0, a->streak = MIN(a->streak, (uint32_t)FAILING_COUNT);
	a->failed |= a->place == place ? FAILED_HERE : FAILED_ELSEWHERE;
	a->streak++;
	a->blind = a->streak >= FAILING_COUNT && a->failed == (FAILED_HERE | FAILED_ELSEWHERE);
}

/* -- the origin path -- */

static void observe_origin(struct fold *f, struct seen *o)
{
	if (o->result != RESULT_GOOD) {
		note_draw(f, o);
		return;
	}
	o->value = seen_value(f, o);
	note_draw(f, o);
	(void)runs_add(&f->s->endpoints[o->endpoint].origin, o->value, o->at_us, false);
	f->s->check_live = true;
	if (!o->late)
		notice_undeclared(f->e, f->s, o->value, o->at_us, true, 0);
}

/* -- the edge path -- */

/* The same result told twice counts once. Two results of one moment may differ in anything else: an endpoint
 * with several addresses is asked at each of them. */
static bool seen_before(const struct fold *f, struct link *l, const struct seen *o)
{
	const struct obs *ob = o->o;
	uint64_t h = (uint64_t)o->at_us * UINT64_C(0x9e3779b97f4a7c15) ^ observe_word_hash(f, ob->version);
	h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9) ^ observe_word_hash(f, ob->node) * 3 ^
	    observe_word_hash(f, ob->ip) * 5;
	h ^= (uint64_t)(uint16_t)ob->status << 40 ^ (uint64_t)ob->fail << 32 ^ (uint32_t)ob->age_s;
	uint32_t mark = (uint32_t)(h ^ h >> 32) | 1; /* 0 marks an empty place */
	for (size_t i = 0; i < ARRAY_LEN(l->recent); i++)
		if (l->recent[i] == mark && o->at_us <= l->last_us)
			return true;
	memmove(l->recent + 1, l->recent, sizeof(l->recent) - sizeof(l->recent[0]));
	l->recent[0] = mark;
	return false;
}

/* Which cell is it about? An answer names its edge; a failure is of the edge last reached. False: none. */
static bool seen_cell(struct fold *f, struct seen *o)
{
	struct service *s = f->s;
	struct route *r = &s->routes[o->route];
	bool names_edge =
		batch_str(f->b, o->o->edge).n > 0 || (o->result != RESULT_NO_ANSWER && r->cell == NONE32);
	if (o->result != RESULT_GOOD && !names_edge) {
		o->cell = r->cell, o->link = r->link;
		return o->cell != NONE32;
	}
	struct scratch *x = f->e->scratch;
	uint16_t k = o->o->edge;
	if (x->edge[k] == UNSEEN) {
		struct str edge = batch_str(f->b, k);
		x->edge[k] = names_put(&f->e->names, edge.n ? edge : STR(NO_EDGE));
	}
	if (r->cell != NONE32 && s->cells[r->cell].edge == x->edge[k]) {
		o->cell = r->cell, o->link = r->link;
		return true;
	}
	if (index_get(&s->ix_cells, key_of_pair(o->endpoint, x->edge[k]), s->cells, cell_key) == NONE32 &&
		route_is_full(s, r))
		return false;
	o->cell = cell_get(f, o, x->edge[k]);
	o->link = link_get(s, o->route, o->cell, o->at_us);
	return o->link != NONE32;
}

static void route_note(struct fold *f, const struct seen *o)
{
	struct service *s = f->s;
	struct route *r = &s->routes[o->route];
	if (o->result == RESULT_NO_ANSWER)
		return;
	struct link *l = &s->links[o->link];
	link_add(l, o->at_us);
	if (o->at_us < r->reached_us)
		return;
	struct deploy *d = s->tracked;
	if (d && r->reached_us < d->started_us && o->at_us >= d->started_us &&
		s->members[f->member].assigned && endpoint_judges(s, o->endpoint)) {
		d->n_answered++;
		s->check_verdict = true;
	}
	r->reached_us = o->at_us;
	r->cell = o->cell, r->link = o->link;
}

static void cell_facts(struct cell *c, const struct obs *o, int64_t at_us)
{
	c->age_s = o->age_s, c->ttl_s = o->ttl_s;
	c->tiers = tiers_of(o);
	if (o->n_tiers && o->tiers[0] != CACHE_HIT)
		cell_fill(c, o, at_us);
}

static void cell_http_error(struct fold *f, struct cell *c, const struct seen *o)
{
	struct trouble *t = cell_trouble(c);
	t->http_error_us = MAX(t->http_error_us, o->at_us);
	if (t->http_agents[0] == NONE32)
		t->http_agents[0] = f->agent;
	else if (t->http_agents[0] != f->agent)
		t->http_agents[1] = f->agent;
	if (o->o->status < 500)
		return;
	if (o->at_us >= t->err5_us[0]) {
		t->err5_us[1] = t->err5_us[0];
		t->err5_us[0] = o->at_us;
	} else {
		t->err5_us[1] = MAX(t->err5_us[1], o->at_us);
	}
	draws_seed(c, o->at_us - f->s->window_us);
	draws_add(c, NONE32, o->at_us, true, 0, TIME_NONE);
	/* one 5xx among good answers is passed over; the second within the window breaks the run */
	bool newest = c->runs.n == 0 || o->at_us >= runs_of(&c->runs)[c->runs.n - 1].last_us;
	if (newest && t->err5_us[1] != TIME_NONE && t->err5_us[0] - t->err5_us[1] <= f->s->window_us) {
		t->broken = true;
		t->broke_us = MAX(t->broke_us, o->at_us);
	}
}

/* From a newer version to an older one? */
static bool falls_back(struct fold *f, const struct run *last, const struct seen *o)
{
	struct judgement before, now;
	value_judge(f->s, last->value, last->last_us, &before);
	value_judge(f->s, o->value, o->at_us, &now);
	return now.rank < before.rank;
}

static void cell_good(struct fold *f, struct cell *c, struct seen *o)
{
	const struct obs *ob = o->o;
	struct run *last = c->runs.n ? &runs_at(&c->runs)[c->runs.n - 1] : NULL;
	struct trouble *t = c->trouble;
	bool newest = last == NULL || o->at_us >= last->last_us;
	if (last && last->value != o->value && newest && falls_back(f, last, o))
		draws_seed(c, o->at_us - f->s->window_us);
	bool broken = t && t->broken && newest && o->at_us >= t->broke_us;
	if (broken)
		t->broken = false;
	if (t && o->at_us >= t->error_us)
		t->error_since_us = TIME_NONE;
	(void)runs_add(&c->runs, o->value, o->at_us, broken);
	if (c->trouble && c->trouble->draws) {
		uint64_t node = observe_word_hash(f, ob->node);
		int64_t cached_at = ob->age_s == OBS_AGE_NONE ? TIME_NONE : o->at_us - ob->age_s * US_PER_S;
		draws_add(c, o->value, o->at_us, o->through, node, cached_at);
	}
	if (c->trouble)
		note_wrong(f, c->trouble, o);
	if (newest)
		cell_facts(c, ob, o->at_us);
}

/* Is this what the cell said last time, with nothing else going on? Then only times and counts move. */
static bool cell_repeats(struct fold *f, struct cell *c, const struct link *l, const struct seen *o)
{
	struct service *s = f->s;
	const struct deploy *d = s->tracked;
	if (o->result != RESULT_GOOD || c->trouble || l->fails || o->late || c->runs.n == 0)
		return false;
	struct run *last = &runs_at(&c->runs)[c->runs.n - 1];
	if (last->value != o->value || o->at_us < last->last_us)
		return false;
	struct judgement j;
	value_judge(s, o->value, o->at_us, &j);
	bool settled;
	if (c->state == CELL_FRESH && j.label == LABEL_FRESH)
		settled = d == NULL || (c->flags & CELL_CONVERGED) || !endpoint_judges(s, c->endpoint);
	else if (c->state == CELL_STALE && j.label == LABEL_STALE)
		settled = d == NULL || !endpoint_judges(s, c->endpoint) ||
			  ((c->flags & CELL_WRONG) && d->verdict != VERDICT_VERIFIED);
	else
		return false;
	if (!settled)
		return false;
	last->last_us = o->at_us;
	last->n++;
	cell_facts(c, o->o, o->at_us);
	return true;
}

static void cell_relapse(struct fold *f, struct cell *c, const struct seen *o)
{
	const struct deploy *d = f->s->tracked;
	struct judgement j;
	if (d == NULL || d->verdict != VERDICT_VERIFIED || o->late || o->at_us < d->decided_us)
		return;
	if (o->result == RESULT_GOOD) {
		value_judge(f->s, o->value, o->at_us, &j);
		if (j.label != LABEL_FRESH)
			deploy_relapse(f->e, f->service, c, false, f->agent);
	} else if (o->result == RESULT_HTTP_ERROR && c->trouble && c->trouble->broken) {
		deploy_relapse(f->e, f->service, c, true, f->agent);
	}
}

static uint32_t newest_value(const struct cell *c)
{
	return c->runs.n ? runs_of(&c->runs)[c->runs.n - 1].value : NONE32;
}

static void cell_observe(struct fold *f, struct cell *c, struct seen *o)
{
	uint32_t was_value = newest_value(c);
	uint8_t was_state = c->state;
	if (o->result == RESULT_GOOD)
		cell_good(f, c, o);
	else if (o->result == RESULT_HTTP_ERROR)
		cell_http_error(f, c, o);
	cell_relapse(f, c, o);
	cell_refresh(f->e, f->service, o->cell, o->at_us, o->late);
	/* a mixed cell changes with every other answer: its share tells more */
	if (newest_value(c) != was_value && c->state == was_state && c->state != CELL_MIXED)
		cell_tell_version(f->e, f->s, c, o->at_us, o->late);
}

/* The agent speaks again after a pause, or from elsewhere: cells it fed before may have moved. */
static void route_refresh_others(struct fold *f, const struct seen *o)
{
	struct service *s = f->s;
	for (uint32_t i = s->routes[o->route].links; i != NONE32; i = s->links[i].next_in_route)
		if (s->links[i].cell != o->cell)
			cell_refresh(f->e, f->service, s->links[i].cell, o->at_us, o->late);
}

static void observe_edge(struct fold *f, struct seen *o)
{
	struct engine *e = f->e;
	struct service *s = f->s;
	bool blind = o->result == RESULT_NO_ANSWER && e->agents[f->agent].blind;
	bool first = s->members[f->member].routes == NONE32;
	o->route = route_get(s, o->endpoint, f->member);
	struct route *r = &s->routes[o->route];
	/* who asked the origin alone is one of those that judge edges from now on */
	if (first && s->tracked && s->n_assigned == 0 &&
		s->members[f->member].report_us >= s->tracked->started_us)
		s->tracked->n_assigned++;
	if (blind)
		return; /* it speaks of itself only */
	uint32_t was = r->cell;
	bool paused = r->report_us != TIME_NONE &&
		      engine_due(e, r->report_us, SILENT_INTERVALS * s->interval_us) <= e->now_us;
	if (!seen_cell(f, o)) {
		r->report_us = MAX(r->report_us, o->at_us);
		e->dropped += o->result != RESULT_NO_ANSWER;
		return;
	}
	struct cell *c = &s->cells[o->cell];
	struct link *l = &s->links[o->link];
	if (seen_before(f, l, o))
		return;
	r = &s->routes[o->route];
	r->report_us = MAX(r->report_us, o->at_us);
	c->report_us = MAX(c->report_us, o->at_us);
	if (o->result != RESULT_NO_ANSWER) {
		c->seen_us = MAX(c->seen_us, o->at_us);
		c->first_seen_us = MIN(c->first_seen_us, o->at_us);
	}
	if (o->result == RESULT_GOOD) {
		o->value = seen_value(f, o);
		if (o->o->browser_ttl_s > 0)
			s->endpoints[o->endpoint].browser_us = MAX(s->endpoints[o->endpoint].browser_us,
				o->at_us + o->o->browser_ttl_s * US_PER_S);
		note_behind(f, o, c->edge);
		if (o->through) {
			note_draw(f, o);
			(void)runs_add(&s->endpoints[o->endpoint].through, o->value, o->at_us, false);
			s->check_live = true;
			if (!o->late)
				notice_undeclared(e, s, o->value, o->at_us, false, c->edge);
		}
	}
	if (o->result == RESULT_HTTP_ERROR)
		note_draw(f, o);
	route_note(f, o);
	bool repeats = cell_repeats(f, c, l, o);
	if (o->at_us >= l->last_us) {
		if (o->result != RESULT_GOOD)
			cell_error(c, l, o->o, o->at_us);
		l->last_us = o->at_us;
		l->fails = o->result == RESULT_GOOD ? 0 : MIN(l->fails + 1u, FAILING_COUNT) & 3;
	}
	if (!repeats)
		cell_observe(f, c, o);
	if (paused || (was != NONE32 && was != o->cell))
		route_refresh_others(f, o);
}

/* -- the batch -- */

static uint16_t *batch_order(const struct batch *b, struct scratch *x)
{
	bool sorted = true;
	for (size_t i = 0; i < b->n_obs; i++) {
		x->order[i] = (uint16_t)i;
		sorted &= i == 0 || b->obs[i - 1].observed_at_us <= b->obs[i].observed_at_us;
	}
	for (size_t width = 1; !sorted && width < b->n_obs; width *= 2) {
		for (size_t from = 0; from < b->n_obs; from += 2 * width) {
			size_t i = from, mid = MIN(from + width, b->n_obs), j = mid,
			       end = MIN(from + 2 * width, b->n_obs);
			for (size_t at = from; at < end; at++)
				x->spare[at] =
					j >= end || (i < mid && b->obs[x->order[i]].observed_at_us <=
									b->obs[x->order[j]].observed_at_us)
						? x->order[i++]
						: x->order[j++];
		}
		memcpy(x->order, x->spare, b->n_obs * sizeof(*x->order));
	}
	return x->order;
}

static void observe_one(struct fold *f, const struct obs *ob)
{
	struct engine *e = f->e;
	struct scratch *x = e->scratch;
	/* a moment that has not come is a clock that is off */
	struct seen o = { .o = ob, .at_us = MIN(ob->observed_at_us, e->now_us), .result = result_of(ob) };
	if (x->endpoint[ob->endpoint] == UNSEEN)
		x->endpoint[ob->endpoint] = endpoint_find(e, f->s, batch_str(f->b, ob->endpoint));
	o.endpoint = x->endpoint[ob->endpoint];
	if (o.endpoint == NONE32) {
		e->dropped++;
		return;
	}
	o.late = e->now_us - o.at_us > LATE_US && engine_elapsed(e, o.at_us, e->now_us) > LATE_US;
	o.through = ob->path == PATH_EDGE && came_through(f, ob);
	agent_note(f, &o);
	if (ob->path == PATH_ORIGIN)
		observe_origin(f, &o);
	else
		observe_edge(f, &o);
	if (e->agents[f->agent].blind != f->was_blind) {
		f->was_blind = !f->was_blind;
		agent_went_blind(e, f->agent, o.at_us, o.late);
	}
}

void observe_fold(struct engine *e, const struct ev_observations *ev)
{
	const struct batch *b = ev->batch;
	struct fold f = { .e = e, .b = b };
	f.s = service_find(e, b->service, &f.service);
	if (f.s == NULL) {
		e->dropped += b->n_obs;
		return;
	}
	if (f.s->n_values > f.s->sweep_values_at)
		service_sweep(e, f.service, false);
	INVARIANT(b->n_dict <= BATCH_DICT_MAX && b->n_obs <= BATCH_OBS_MAX);
	struct scratch *x = e->scratch;
	for (size_t i = 0; i < b->n_dict; i++)
		x->endpoint[i] = x->edge[i] = x->text[i] = x->value[i] = UNSEEN, x->hash[i] = 0;
	f.agent = agent_get(e, b->agent);
	if (b->region.n)
		e->agents[f.agent].region = names_put(&e->names, b->region);
	f.member = member_get(e, f.s, f.agent);
	f.was_blind = e->agents[f.agent].blind;
	const uint16_t *order = batch_order(b, x);
	for (size_t i = 0; i < b->n_obs; i++)
		observe_one(&f, &b->obs[order[i]]);
}
