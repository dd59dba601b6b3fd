/* Tables A and B, and what a deploy's own cause is. */
#include "collector/engine/why.h"

#define STALE_AGE_S 1 /* an Age above it: somebody's copy */

#define X(id, name, layer) name,
static const char *const cause_names[] = { CAUSES(X) };
#undef X
#define X(id, name, layer) LAYER_##layer,
static const enum layer cause_layers[] = { CAUSES(X) };
#undef X

const char *cause_name(enum cause c)
{
	return c < CAUSE_COUNT ? cause_names[c] : "none";
}

enum layer cause_layer(enum cause c)
{
	return c < CAUSE_COUNT ? cause_layers[c] : LAYER_EDGE;
}

/* -- the answer in question -- */

static enum cache_status tier_of(uint32_t tiers, uint32_t i)
{
	return (enum cache_status)(tiers >> (3 + 4 * i) & 15);
}

static bool holds(enum cache_status s)
{
	return s == CACHE_HIT || s == CACHE_STALE || s == CACHE_UPDATING || s == CACHE_REVALIDATED;
}

static bool asked_inwards(enum cache_status s)
{
	return s == CACHE_MISS || s == CACHE_EXPIRED || s == CACHE_BYPASS || s == CACHE_DYNAMIC;
}

/* The nearest tier that says it answered from its copy; where the nearest had none and the answer has an age,
 * the one behind. */
static uint8_t holder_of(uint32_t tiers, int32_t age_s)
{
	uint32_t n = tiers & 7;
	for (uint32_t i = 0; i < n; i++)
		if (holds(tier_of(tiers, i)))
			return (uint8_t)i;
	if (age_s <= STALE_AGE_S)
		return NO_HOLDER;
	return n && asked_inwards(tier_of(tiers, 0)) ? 1 : 0;
}

static bool is_error_now(const struct why_view *w, const struct cell *c)
{
	const struct trouble *t = c->trouble;
	if (c->state == CELL_FAILING || c->runs.n == 0)
		return true;
	if (c->state != CELL_MIXED || t == NULL || t->err5_us[1] < w->e->now_us - w->s->window_us)
		return false;
	/* mixed of good answers and errors, unless an older version is among them */
	struct judgement j;
	for (size_t i = 0; i < c->runs.n; i++) {
		const struct run *r = &runs_of(&c->runs)[i];
		if (r->last_us < MAX(w->e->now_us - w->s->window_us, w->d->live_us))
			continue;
		value_look(w->s, r->value, r->last_us, &j);
		if (j.label == LABEL_STALE)
			return false;
	}
	return true;
}

/* The last not-fresh answer of the cell. False: none is known. */
static bool answer_of(const struct why_view *w, const struct cell *c, struct answer *ret)
{
	struct judgement j;
	if (c->runs.n == 0)
		return false;
	const struct run *last = &runs_of(&c->runs)[c->runs.n - 1];
	value_look(w->s, last->value, last->last_us, &j);
	if (j.label != LABEL_FRESH) {
		*ret = (struct answer){ last->last_us, last->value, c->age_s, c->ttl_s, c->tiers };
		return true;
	}
	if (c->trouble && c->trouble->wrong.at_us != TIME_NONE) {
		*ret = c->trouble->wrong;
		return true;
	}
	for (size_t i = c->runs.n; i-- > 0;) {
		const struct run *r = &runs_of(&c->runs)[i];
		value_look(w->s, r->value, r->last_us, &j);
		if (j.label == LABEL_FRESH)
			continue;
		*ret = (struct answer){ r->last_us, r->value, OBS_AGE_NONE, OBS_TTL_NONE, 0 };
		return true;
	}
	return false;
}

/* -- B: it came through -- */

static double old_low(const struct sum *s)
{
	double low, high;
	wilson95(s->old, s->old + s->fresh, &low, &high);
	return low;
}

static double old_high(const struct sum *s)
{
	double low, high;
	wilson95(s->old, s->old + s->fresh, &low, &high);
	return high;
}

static bool all_old(const struct sum *s)
{
	return s->old > 0 && s->fresh == 0;
}

/* Is one group old throughout and the others not, beyond chance? Either every group is of one kind, and there
 * are draws enough to tell; or the intervals lie apart. */
struct groups {
	struct sum rest;
	size_t n_new, n_mixed;
};

static void group_note(struct groups *g, const struct sum *x)
{
	if (x->old + x->fresh == 0)
		return;
	g->n_new += x->old == 0;
	g->n_mixed += x->old > 0 && x->fresh > 0;
	if (x->fresh == 0)
		return; /* old as well: the same fault */
	g->rest.old += x->old, g->rest.fresh += x->fresh;
}

static bool stands_apart(const struct sum *own, const struct groups *g)
{
	if (!all_old(own) || g->n_new == 0)
		return false;
	bool pure = g->n_mixed == 0 && own->old >= 2 && g->rest.fresh >= 2;
	return pure || old_low(own) > old_high(&g->rest);
}

static bool region_is_apart(const struct why_view *w, const struct cell *c)
{
	struct groups g = { 0 };
	const struct region_sum *own = NULL;
	for (size_t i = 0; i < w->n_regions; i++) {
		group_note(&g, &w->regions[i].sum);
		if (w->regions[i].region == c->region)
			own = &w->regions[i];
	}
	/* a new answer past the CDN acquits the region's origin, whatever its edges say */
	return own && own->origin_fresh == 0 && stands_apart(&own->sum, &g);
}

static bool endpoint_is_apart(const struct why_view *w, const struct cell *c)
{
	struct groups g = { 0 };
	for (size_t i = 0; i < w->s->n_endpoints; i++)
		if (i != c->endpoint)
			group_note(&g, &w->of_endpoint[i][PATH_EDGE]);
	struct sum own = w->of_endpoint[c->endpoint][PATH_EDGE];
	return stands_apart(&own, &g);
}

/* By which side fails, and how many agents agree. */
static enum cause why_error(const struct why_view *w, const struct cell *c)
{
	const struct service *s = w->s;
	const struct sum *origin = &w->of_endpoint[c->endpoint][PATH_ORIGIN];
	const struct trouble *t = c->trouble;
	bool answered = t && t->error_status > 0;
	size_t agents = 0, others_well = 0, others_failing = 0;
	for (uint32_t i = c->links; i != NONE32; i = s->links[i].next_in_cell)
		agents += s->links[i].fails > 0;
	for (size_t i = 0; i < s->n_cells; i++) {
		const struct cell *o = &s->cells[i];
		if (o == c || o->endpoint != c->endpoint)
			continue;
		others_failing += o->state == CELL_FAILING || is_error_now(w, o);
		others_well += o->state == CELL_FRESH || o->state == CELL_STALE;
	}
	if (origin->errors > 0 && origin->old + origin->fresh <= origin->errors)
		return CAUSE_ORIGIN_FAILING;
	if (!answered && agents <= 1 && others_well > 0)
		return CAUSE_UNREACHABLE_FROM_AGENT;
	if (origin->old + origin->fresh > 0 && origin->errors == 0)
		return answered || agents > 1 ? CAUSE_EDGE_FAILING : CAUSE_UNREACHABLE_FROM_AGENT;
	if (others_failing > 0)
		return CAUSE_ORIGIN_FAILING;
	if (others_well > 0)
		return CAUSE_EDGE_FAILING;
	return answered || agents > 1 ? CAUSE_ORIGIN_FAILING : CAUSE_UNREACHABLE_FROM_AGENT;
}

enum cause why_through(const struct why_view *w, const struct cell *c, bool error, struct sum *ret)
{
	struct sum all = w->edge;
	all.old += w->origin.old, all.fresh += w->origin.fresh;
	all.e503 += w->origin.e503, all.errors += w->origin.errors;
	*ret = all;
	bool pods_old = !w->pods.known || w->pods.fresh == 0;
	bool spread = all.fresh > 0 || c->state == CELL_MIXED || w->edges_503[1] != NONE32;
	/* where the mesh says so itself, old answers from before the subset died do not hide it */
	bool no_old = error || all.old == 0 || w->mesh.dead_weight > 0;
	if (all.e503 > 0 && spread && w->old_since_503 == 0 && no_old &&
		(w->mesh.dead_weight > 0 || w->envoy_503))
		return CAUSE_DEAD_SUBSET;
	if (error)
		return why_error(w, c);
	if (all.fresh == 0 && pods_old)
		return CAUSE_NOT_ROLLED_OUT;
	if (region_is_apart(w, c)) {
		for (size_t i = 0; i < w->n_regions; i++)
			if (w->regions[i].region == c->region)
				*ret = w->regions[i].sum;
		return CAUSE_REGIONAL_ORIGIN_STALE;
	}
	if (endpoint_is_apart(w, c)) {
		*ret = w->of_endpoint[c->endpoint][PATH_EDGE];
		return CAUSE_BEHAVIOR_SPLIT;
	}
	if (w->origin.old + w->origin.fresh > 0 && old_low(&w->edge) > old_high(&w->origin)) {
		*ret = w->edge;
		return CAUSE_REFILLED_STALE;
	}
	if (w->mesh.known && w->mesh.old_weight > 0)
		return w->rollout.known && w->rollout.stuck ? CAUSE_ROLLOUT_STUCK : CAUSE_CANARY_RESIDUAL;
	if (w->pods.known && w->pods.old > 0)
		return CAUSE_OLD_PODS_SERVING;
	return CAUSE_SPLIT_TRAFFIC;
}

/* -- A: it came from a cache -- */

/* A copy's birth lies between a second before and here; which rows does that straddle? */
static bool straddles(int64_t cached_us, int64_t line_us)
{
	return line_us != TIME_NONE && cached_us - US_PER_S < line_us && line_us <= cached_us;
}

static bool one_etag(const struct service *s, const struct cell *c, uint32_t value)
{
	const struct value *old = &s->values[value];
	for (int path = 0; path < 2; path++) {
		bool any = false, same = false;
		if (old->etag[path] == 0)
			continue;
		for (size_t i = 0; i < s->n_values; i++) {
			const struct value *v = &s->values[i];
			struct judgement j;
			if (v->endpoint != c->endpoint || i == value || v->etag[path] == 0)
				continue;
			value_look(s, (uint32_t)i, INT64_MAX - 1, &j);
			if (j.label != LABEL_FRESH)
				continue;
			any = true;
			same |= v->etag[path] == old->etag[path];
		}
		if (any)
			return same; /* what the origin path says is the better proof */
	}
	return false;
}

/* Is the origin not all fresh? By its own path where that was asked. */
static bool origin_is_old(const struct why_view *w, const struct cell *c)
{
	const struct sum *of = w->of_endpoint[c->endpoint];
	if (of[PATH_ORIGIN].old + of[PATH_ORIGIN].fresh > 0)
		return of[PATH_ORIGIN].old > 0;
	if (w->origin.old + w->origin.fresh > 0)
		return w->origin.old > 0;
	return of[PATH_EDGE].old + of[PATH_EDGE].fresh > 0 ? of[PATH_EDGE].old > 0 : w->edge.old > 0;
}

/* Did a tier behind the holder answer from its copy when the holder's was made? It may have restarted the
 * Age. */
static bool held_behind(uint32_t tiers, uint8_t holder)
{
	for (uint32_t i = holder + 1u; i < (tiers & 7); i++)
		if (holds(tier_of(tiers, i)))
			return true;
	return false;
}

static enum cause after_live(
	const struct why_view *w, const struct cell *c, const struct answer *o, struct why *y)
{
	if (y->holder > 0 || held_behind(o->tiers, y->holder))
		return CAUSE_SHIELD_STALE;
	if ((c->flags & CELL_REVALIDATED) || one_etag(w->s, c, o->value))
		return CAUSE_VALIDATOR_UNCHANGED;
	if (origin_is_old(w, c))
		return why_through(w, c, false, &y->sum);
	return CAUSE_REFILLED_STALE;
}

/* Since m, was a miss of this endpoint and vendor answered from behind with a copy older than m? */
static bool behind_is_old(const struct why_view *w, const struct cell *c, const struct purge *m)
{
	const struct endpoint *ep = &w->s->endpoints[c->endpoint];
	struct str vendor = edge_vendor(names_get(&w->e->names, c->edge));
	for (size_t i = 0; i < ep->n_behind; i++) {
		const struct behind *b = &ep->behind[i];
		if (b->at_us >= m->requested_us && b->cached_us < m->requested_us &&
			str_eq(edge_vendor(names_get(&w->e->names, b->edge)), vendor))
			return true;
	}
	return false;
}

static int64_t window_end(const struct purge *m, struct str vendor)
{
	int64_t end_us = m->requested_us + purge_window_us(m->vendor ? str_of(m->vendor) : vendor);
	if (m->completed_us != TIME_NONE)
		end_us = MIN(end_us, m->completed_us + US_PER_MIN);
	return end_us;
}

static enum cause before_live(const struct why_view *w, const struct cell *c, const struct answer *o,
	const struct purge *m, size_t n, const struct purge *missed, struct why *y)
{
	struct str vendor = edge_vendor(names_get(&w->e->names, c->edge));
	if (o->ttl_s != OBS_TTL_NONE && o->ttl_s > 0)
		y->eta_us = o->at_us + o->ttl_s * US_PER_S;
	if (n == 0)
		return o->ttl_s != OBS_TTL_NONE && o->ttl_s <= 0 ? CAUSE_STALE_PAST_TTL : CAUSE_TTL_WAIT;
	if (m == NULL) {
		y->purge = missed;
		return CAUSE_PURGE_MISSED_KEY;
	}
	y->purge = m;
	y->by_unknown = purge_covers(w->s, m, c->endpoint) == PURGE_UNKNOWN;
	if (y->cached_us >= m->requested_us) {
		int64_t fill_us = c->fill_s * US_PER_S;
		y->filled_by_probe = c->fill_s && fill_us >= y->cached_us - 2 * US_PER_S &&
				     fill_us <= y->cached_us + 2 * US_PER_S;
		if (straddles(y->cached_us, m->requested_us))
			y->also = o->at_us <= window_end(m, vendor) ? CAUSE_PURGE_PROPAGATING
								    : CAUSE_PURGE_INEFFECTIVE;
		return CAUSE_PURGED_TOO_EARLY;
	}
	if (o->at_us <= window_end(m, vendor)) {
		int64_t end_us = window_end(m, vendor);
		y->eta_us = y->eta_us == TIME_NONE ? end_us : MIN(y->eta_us, end_us);
		return CAUSE_PURGE_PROPAGATING;
	}
	if (y->holder > 0 || behind_is_old(w, c, m))
		return CAUSE_SHIELD_STALE;
	return CAUSE_PURGE_INEFFECTIVE;
}

static void why_cached(const struct why_view *w, const struct cell *c, const struct answer *o, struct why *y)
{
	size_t n;
	const struct purge *missed, *m = purge_last_matching(w, c, o->at_us, &n, &missed);
	for (uint32_t i = 0; i < (o->tiers & 7); i++)
		if (tier_of(o->tiers, i) == CACHE_STALE || tier_of(o->tiers, i) == CACHE_UPDATING) {
			y->purge = m;
			y->cause = m && m->soft ? CAUSE_SOFT_PURGE_SERVING : CAUSE_STALE_PAST_TTL;
			return;
		}
	bool revalidated = y->holder < (o->tiers & 7) && tier_of(o->tiers, y->holder) == CACHE_REVALIDATED;
	if (o->age_s != OBS_AGE_NONE)
		y->cached_us = o->at_us - o->age_s * US_PER_S;
	else if (revalidated)
		y->cached_us = o->at_us; /* a 304 made it new just now */
	if (y->cached_us == TIME_NONE) {
		y->cause = CAUSE_CACHED_UNKNOWN_AGE;
		return;
	}
	if (y->cached_us >= w->d->live_us) {
		y->cause = after_live(w, c, o, y);
		if (straddles(y->cached_us, w->d->live_us)) {
			struct why other = *y;
			y->also = before_live(w, c, o, m, n, missed, &other);
		}
		return;
	}
	y->cause = before_live(w, c, o, m, n, missed, y);
}

bool why_cell(const struct why_view *w, const struct cell *c, struct why *ret)
{
	struct answer o;
	*ret = (struct why){
		.at_us = TIME_NONE, .cached_us = TIME_NONE, .eta_us = TIME_NONE, .holder = NO_HOLDER
	};
	if (w->d == NULL || !endpoint_judges(w->s, c->endpoint))
		return false;
	bool is_new = c->state == CELL_NEVER_SEEN && c->trouble && c->trouble->error_us != TIME_NONE;
	if (c->state != CELL_STALE && c->state != CELL_MIXED && c->state != CELL_UNKNOWN &&
		c->state != CELL_FAILING && !is_new)
		return false;
	if (is_error_now(w, c)) {
		ret->at_us = c->trouble ? c->trouble->error_us : c->report_us;
		ret->cause = why_through(w, c, true, &ret->sum);
		return true;
	}
	if (!answer_of(w, c, &o))
		return false;
	ret->at_us = o.at_us;
	ret->holder = holder_of(o.tiers, o.age_s);
	uint32_t n = o.tiers & 7;
	/* somebody stands in front of the origin: then no word of a cache is no proof that there is none */
	bool silent = n > 0 || !edge_is_bare(names_get(&w->e->names, c->edge));
	for (uint32_t i = 0; i < n; i++)
		silent &= tier_of(o.tiers, i) == CACHE_UNKNOWN;
	if (ret->holder != NO_HOLDER)
		why_cached(w, c, &o, ret);
	else if (silent) /* a CDN answered, and says nothing of its copy */
		ret->cause = CAUSE_CACHED_UNKNOWN_AGE;
	else
		ret->cause = why_through(w, c, false, &ret->sum);
	return true;
}

/* -- a deploy -- */

static enum cause of_layers(const struct why_view *w, const struct layers *l)
{
	if (l->at[LAYER_MESH].state == LAYER_FAIL && w->mesh.dead_weight > 0)
		return CAUSE_DEAD_SUBSET;
	if (l->at[LAYER_ROLLOUT].state == LAYER_FAIL && w->rollout.stuck)
		return CAUSE_ROLLOUT_STUCK;
	if (l->at[LAYER_MESH].state == LAYER_FAIL)
		return CAUSE_CANARY_RESIDUAL;
	if (l->at[LAYER_PODS].state == LAYER_FAIL)
		return CAUSE_OLD_PODS_SERVING;
	/* a rollout that goes on is late at the deadline, and nothing before */
	return l->at[LAYER_ROLLOUT].state == LAYER_FAIL &&
			       engine_due(w->e, w->d->live_us, w->s->timeout_us) <= w->e->now_us
		       ? CAUSE_ROLLOUT_STUCK
		       : CAUSE_NONE;
}

void why_of_deploy(const struct why_view *w, struct why_deploy *ret)
{
	struct why y;
	struct layers layers;
	*ret = (struct why_deploy){ .cause = CAUSE_NONE };
	for (size_t i = 0; w->d && i < w->s->n_cells; i++)
		if (why_cell(w, &w->s->cells[i], &y)) {
			ret->not_fresh++;
			ret->causes[y.cause]++;
		}
	for (size_t i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
		if (ret->causes[i] > (ret->cause == CAUSE_NONE ? 0 : ret->causes[ret->cause]))
			ret->cause = (enum cause)i;
	for (size_t i = 0; w->d && i < CAUSE_COUNT; i++)
		ret->seen.n_cells[cause_layer((enum cause)i)] += ret->causes[i];
	ret->unexplained = ret->not_fresh - ret->causes[ret->cause];
	for (size_t i = 0; ret->cause != CAUSE_NONE && i < w->s->n_order && ret->shown == NULL; i++) {
		const struct cell *c = &w->s->cells[w->s->order[i]];
		if (why_cell(w, c, &y) && y.cause == ret->cause)
			ret->why = y, ret->shown = c;
	}
	if (w->d && ret->not_fresh == 0) {
		layers_read(w->e, w->s, w->d, &ret->seen, &layers);
		ret->cause = of_layers(w, &layers);
	}
}
