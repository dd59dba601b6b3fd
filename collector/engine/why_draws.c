/* Answers that came through, and errors, per endpoint, region and path: in buckets of a few seconds, for the
 * last 15 minutes. What is old is decided when somebody asks, because the ledger may learn of a deploy
 * afterwards. */
#include <stdlib.h>

#include "collector/engine/why.h"

#define DRAWN_BUCKET_US (10 * US_PER_S)
#define DRAWN_KEEP_US   (16 * US_PER_MIN)
#define DRAWN_MAX       512
#define LOOK_BACK       8

uint64_t drawlog_key(const void *pool, uint32_t i)
{
	const struct drawlog *l = (const struct drawlog *)pool + i;
	return key_of_pair(l->endpoint << 1 | l->path, l->region);
}

static struct drawlog *drawlog_get(struct service *s, uint32_t endpoint, uint32_t region, uint8_t path)
{
	uint64_t key = key_of_pair(endpoint << 1 | path, region);
	uint32_t i = index_get(&s->ix_drawlogs, key, s->drawlogs, drawlog_key);
	if (i == NONE32) {
		s->drawlogs = pool_room(s->drawlogs, s->n_drawlogs, &s->cap_drawlogs, sizeof(*s->drawlogs));
		i = (uint32_t)s->n_drawlogs++;
		s->drawlogs[i] = (struct drawlog){ .endpoint = endpoint, .region = region, .path = path };
		index_put(&s->ix_drawlogs, i, s->drawlogs, drawlog_key);
	}
	return &s->drawlogs[i];
}

static void drawlog_prune(struct drawlog *l, int64_t now_us)
{
	size_t n = 0;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].last_us > now_us - DRAWN_KEEP_US)
			l->v[n++] = l->v[i];
	if (n == DRAWN_MAX)
		memmove(l->v, l->v + 1, --n * sizeof(*l->v));
	l->n = n;
}

void drawlog_add(struct service *s, uint32_t endpoint, uint32_t region, uint8_t path, uint32_t value,
	int16_t status, bool envoy, uint32_t edge, int64_t at_us)
{
	struct drawlog *l = drawlog_get(s, endpoint, region, path);
	uint32_t of_edge = value == NONE32 ? edge : 0;
	for (size_t i = l->n; i-- > 0 && i + LOOK_BACK >= l->n;) {
		struct drawn *x = &l->v[i];
		if (x->value != value || x->status != status || x->edge != of_edge || x->envoy != envoy ||
			at_us < x->first_us - DRAWN_BUCKET_US || at_us > x->first_us + DRAWN_BUCKET_US)
			continue;
		x->first_us = MIN(x->first_us, at_us);
		x->last_us = MAX(x->last_us, at_us);
		x->n++;
		return;
	}
	l->newest_us = MAX(l->newest_us, at_us);
	if (l->n == DRAWN_MAX || (l->n && l->n == l->cap))
		drawlog_prune(l, l->newest_us);
	l->v = mem_grow(l->v, &l->cap, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct drawn){ at_us, at_us, value, 1, of_edge, status, envoy };
}

void drawlogs_free(struct service *s)
{
	for (size_t i = 0; i < s->n_drawlogs; i++)
		free(s->drawlogs[i].v);
	free(s->drawlogs);
	index_fini(&s->ix_drawlogs);
}

/* -- sums, for one answer -- */

static void sum_add(struct sum *to, const struct sum *x)
{
	to->old += x->old, to->fresh += x->fresh, to->e503 += x->e503, to->errors += x->errors;
}

static struct region_sum *region_get(struct why_view *w, uint32_t region)
{
	for (size_t i = 0; i < w->n_regions; i++)
		if (w->regions[i].region == region)
			return &w->regions[i];
	w->regions = mem_grow(w->regions, &w->cap_regions, w->n_regions + 1, sizeof(*w->regions));
	w->regions[w->n_regions] = (struct region_sum){ .region = region };
	return &w->regions[w->n_regions++];
}

/* How many of it lie in the span; they are taken to be evenly spaced. */
static uint32_t drawn_since(const struct drawn *x, int64_t from_us)
{
	if (x->first_us >= from_us)
		return x->n;
	if (x->last_us < from_us)
		return 0;
	struct run r = { .first_us = x->first_us, .last_us = x->last_us, .n = x->n };
	return run_count_from(&r, from_us);
}

static bool drawn_is_old(const struct why_view *w, const struct drawn *x, bool *ret_fresh)
{
	struct judgement j;
	value_look(w->s, x->value, x->last_us, &j);
	*ret_fresh = j.label == LABEL_FRESH;
	return j.label == LABEL_STALE || j.label == LABEL_UNKNOWN;
}

static void note_503(struct why_view *w, const struct drawn *x)
{
	w->envoy_503 |= x->envoy;
	if (w->edges_503[0] == NONE32)
		w->edges_503[0] = x->edge;
	else if (w->edges_503[0] != x->edge)
		w->edges_503[1] = x->edge;
}

static void sum_log(struct why_view *w, const struct drawlog *l, int64_t from_us, int64_t *first_503_us)
{
	struct sum sum = { 0 };
	bool fresh;
	for (size_t i = 0; i < l->n; i++) {
		const struct drawn *x = &l->v[i];
		uint32_t n = drawn_since(x, from_us);
		if (n == 0)
			continue;
		if (x->value == NONE32) {
			sum.errors += n;
			if (x->status != 503)
				continue;
			sum.e503 += n;
			*first_503_us = MIN(*first_503_us, x->first_us);
			note_503(w, x);
		} else if (drawn_is_old(w, x, &fresh)) {
			sum.old += n;
		} else if (fresh) {
			sum.fresh += n;
		}
	}
	sum_add(&w->of_endpoint[l->endpoint][l->path], &sum);
	sum_add(l->path == PATH_ORIGIN ? &w->origin : &w->edge, &sum);
	struct region_sum *region = region_get(w, l->region);
	if (l->path == PATH_EDGE)
		sum_add(&region->sum, &sum);
	else
		region->origin_fresh += sum.fresh;
}

/* Old answers after the first 503: before it, the subset that is dead now was alive. */
static void sum_old_since(struct why_view *w, int64_t from_us)
{
	bool fresh;
	for (size_t i = 0; i < w->s->n_drawlogs; i++) {
		const struct drawlog *l = &w->s->drawlogs[i];
		for (size_t k = 0; k < l->n; k++)
			if (l->v[k].value != NONE32 && l->v[k].first_us > from_us &&
				endpoint_judges(w->s, l->endpoint) && drawn_is_old(w, &l->v[k], &fresh))
				w->old_since_503 += l->v[k].n;
	}
}

void why_open(const struct engine *e, const struct service *s, struct why_view *ret)
{
	*ret = (struct why_view){ .e = e, .s = s, .d = s->tracked, .edges_503 = { NONE32, NONE32 } };
	if (s->tracked == NULL)
		return;
	int64_t newest_us = TIME_NONE, first_503_us = INT64_MAX;
	ret->of_endpoint = mem_new_array(s->n_endpoints, sizeof(*ret->of_endpoint));
	for (size_t i = 0; i < s->n_drawlogs; i++)
		newest_us = MAX(newest_us, s->drawlogs[i].newest_us);
	int64_t from_us =
		newest_us == TIME_NONE ? ret->d->live_us : MAX(ret->d->live_us, newest_us - 15 * US_PER_MIN);
	for (size_t i = 0; i < s->n_drawlogs; i++)
		if (endpoint_judges(s, s->drawlogs[i].endpoint))
			sum_log(ret, &s->drawlogs[i], from_us, &first_503_us);
	if (first_503_us != INT64_MAX)
		sum_old_since(ret, first_503_us);
	mesh_facts(s, ret->d, &ret->mesh);
	rollout_facts(e, s, ret->d, &ret->rollout);
	pods_facts(s, ret->d, &ret->pods);
}

void why_close(struct why_view *w)
{
	free(w->of_endpoint);
	free(w->regions);
}
