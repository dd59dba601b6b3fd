/* world.c - the simulation: who asks whom, what is kept where, who sees what. */
#include <stdarg.h>
#include <stdlib.h>

#include "tests/worlds/world.h"

/* -- chance -- */

static uint64_t next(uint64_t *s) /* splitmix64 */
{
	uint64_t z = (*s += UINT64_C(0x9E3779B97F4A7C15));
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

double chance(struct world *w)
{
	return (double)(next(&w->rng) >> 11) / 9007199254740992.0;
}

int pick(struct world *w, int n)
{
	return (int)(next(&w->rng) % (uint64_t)n);
}

int between(struct world *w, int low, int high)
{
	return low + pick(w, high - low + 1);
}

bool coin(struct world *w, double p)
{
	return chance(w) < p;
}

/* -- the origin -- */

struct roll *last_roll(struct world *w)
{
	return &w->rolls[w->n_rolls - 1];
}

int64_t live_at(const struct world *w)
{
	return w->rolls[w->n_rolls - 1].live_at_us;
}

/* Its machines switch one by one, and the last of them some seconds before anybody says that it is live. */
static int origin_version(struct world *w, int region, int page, int64_t now)
{
	static const int64_t margin = 6 * US_PER_S;
	int v = 0;
	for (int i = 0; i < w->n_rolls; i++) {
		const struct roll *r = &w->rolls[i];
		int64_t first = r->started_at_us + margin, last = r->live_at_us - margin;
		v = r->from;
		if (now < first)
			break;
		double old = i == w->n_rolls - 1 ? w->old_share[region][page] : 0;
		if (old > 0 && coin(w, old))
			break;
		if (now >= last)
			v = r->abandoned ? r->from : r->to;
		else if (chance(w) * (double)(last - first) < (double)(now - first))
			v = r->to;
		if (now < last)
			break;
	}
	return v;
}

static struct answer origin_answer(struct world *w, int region, int page, int64_t now)
{
	struct answer a = { .status = 200, .age_us = -1 };
	if (w->error_share > 0 && now >= w->fault_at_us && coin(w, w->error_share)) {
		a.status = w->error_status;
		a.envoy = w->envoy_errors;
		return a;
	}
	a.version = origin_version(w, region, page, now);
	a.has_ttl = w->pages[page].cached;
	a.ttl_us = (int64_t)w->pages[page].ttl_s * US_PER_S;
	return a;
}

/* -- caches -- */

static struct answer node_answer(struct world *w, int n, int region, int page, int64_t now);

static struct answer ask_behind(struct world *w, int n, int region, int page, int64_t now)
{
	const struct node *node = &w->nodes[n];
	if (n < EDGES_MAX && node->behind_shield)
		return node_answer(w, SHIELD, region, page, now);
	if (n != HIDDEN && node->behind_hidden)
		return node_answer(w, HIDDEN, region, page, now);
	return origin_answer(w, region, page, now);
}

static struct answer from_copy(const struct world *w, struct copy *c, const char *word, int64_t now)
{
	struct answer a = { .status = 200, .version = c->version, .words = { word }, .n_words = 1 };
	a.age_us = w->age == AGE_MUTE ? -1 : now - c->age_from_us;
	a.has_ttl = true;
	a.ttl_us = c->expires_at_us - now;
	if (w->cdn->history && c->history != NULL)
		a.words[a.n_words++] = c->history;
	return a;
}

/* Takes an answer from behind into the copy, and says it on. */
static struct answer fill(struct world *w, int n, int page, struct answer got, const char *word, int64_t now)
{
	struct copy *c = &w->nodes[n].copies[page];
	struct answer a = got;
	int64_t lifetime_us = (int64_t)w->pages[page].ttl_s * US_PER_S;
	bool carried = got.age_us >= 0 && w->age == AGE_CARRIED && n != HIDDEN;
	*c = (struct copy){ .there = true, .version = got.version, .filled_at_us = now };
	c->age_from_us = carried ? now - got.age_us : now;
	c->expires_at_us = (carried ? c->age_from_us : now) + lifetime_us;
	c->history = got.n_words > 0 ? got.words[0] : NULL;
	a.words[0] = word;
	a.n_words = 1;
	if (got.n_words > 0 && w->cdn->inner_words)
		a.words[a.n_words++] = got.words[0];
	a.age_us = carried ? got.age_us : -1;
	if (got.n_words > 0 && !carried && w->age != AGE_MUTE)
		a.age_us = 0;
	a.ttl_us = c->expires_at_us - now;
	return a;
}

static struct answer cache_answer(struct world *w, int n, int region, int page, int64_t now)
{
	struct node *node = &w->nodes[n];
	struct copy *c = &node->copies[page];
	struct answer a;
	if (!w->pages[page].cached && n != HIDDEN) {
		a = ask_behind(w, n, region, page, now);
		a.words[0] = w->through_word;
		a.n_words = 1;
		a.age_us = -1;
		a.has_ttl = false;
		return a;
	}
	if (c->there && !c->soft && now < c->expires_at_us)
		return from_copy(w, c, "hit", now);
	bool cut_off = node->cannot_fetch && now >= w->fault_at_us;
	if (c->there && cut_off) /* stale-while-revalidate and stale-if-error: it keeps what it has */
		return from_copy(
			w, c, w->cdn->has_stale_word ? (coin(w, 0.5) ? "stale" : "updating") : "hit", now);
	if (cut_off)
		return (struct answer){ .status = 502, .age_us = -1 };
	if (c->there && c->soft && !w->soft_asks_first) { /* once more the old one, while the new one is
							     fetched behind our back */
		a = from_copy(w, c, w->cdn->has_stale_word ? "stale" : "hit", now);
		struct answer got = ask_behind(w, n, region, page, now);
		if (got.status == 200)
			fill(w, n, page, got, "miss", now);
		return a;
	}
	a = ask_behind(w, n, region, page, now);
	if (a.status != 200) {
		a.words[0] = "miss";
		a.n_words = 1;
		return a;
	}
	bool same = w->one_etag || a.version == c->version;
	if (c->there && same && !w->asks_anew && a.n_words == 0) { /* 304: it keeps its body */
		int version = c->version;
		a.version = version;
		a = fill(w, n, page, a, "revalidated", now);
		c->revalidated = true;
		a.age_us = w->age == AGE_MUTE ? -1 : 0;
		return a;
	}
	return fill(w, n, page, a, c->there && !w->asks_anew ? "expired" : "miss", now);
}

/* The mute cache says nothing of itself, not even the age of what it has. */
static struct answer node_answer(struct world *w, int n, int region, int page, int64_t now)
{
	struct answer a = cache_answer(w, n, region, page, now);
	if (n == HIDDEN) {
		a.n_words = 0;
		a.age_us = -1;
	}
	return a;
}

static void purge_arrives(struct world *w, int n, const struct purge *p)
{
	for (int i = 0; i < w->n_pages; i++) {
		struct copy *c = &w->nodes[n].copies[i];
		if (p->covers[i] && c->there && p->soft) {
			c->soft = true;
			c->expires_at_us = w->now_us < c->expires_at_us ? w->now_us : c->expires_at_us;
		}
		if (p->covers[i] && !p->soft)
			c->there = false;
	}
}

/* -- what happens when -- */

enum kind { USER, PROBE, ORIGIN_PROBE, PURGE_ARRIVES };
struct happening {
	int64_t at_us;
	enum kind kind;
	int a, b;
};
struct agenda {
	struct happening *all;
	size_t n, cap;
};

static void happens(struct agenda *g, int64_t at_us, enum kind kind, int a, int b)
{
	if (g->n == g->cap) {
		g->cap = g->cap ? 2 * g->cap : 4096;
		g->all = realloc(g->all, g->cap * sizeof(*g->all));
		if (g->all == NULL)
			abort();
	}
	g->all[g->n++] = (struct happening){ at_us, kind, a, b };
}

static int by_time(const void *pa, const void *pb)
{
	const struct happening *a = pa, *b = pb;
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return a->a != b->a ? (a->a < b->a ? -1 : 1) : (a->b > b->b) - (a->b < b->b);
}

static void plan_users(struct world *w, struct agenda *g)
{
	for (int e = 0; e < w->n_edges; e++) {
		for (int p = 0; p < w->n_pages; p++) {
			double t = 0, end = (double)(w->end_us - w->begin_us) / US_PER_S;
			for (;;) {
				t += 1.8 * chance(w) / w->users_per_s + 0.01;
				if (t >= end || !w->pages[p].cached)
					break;
				happens(g, w->begin_us + (int64_t)(t * US_PER_S), USER, e, p);
			}
		}
	}
}

static void plan_probes(struct world *w, struct agenda *g)
{
	for (int a = 0; a < w->n_agents; a++) {
		for (int p = 0; p < w->n_pages; p++) {
			int64_t phase = (int64_t)(chance(w) * (double)w->interval_us);
			for (int64_t t = w->begin_us + phase; t < w->end_us; t += w->interval_us) {
				int64_t jitter = (int64_t)(chance(w) * 400000);
				happens(g, t + jitter, PROBE, a, p);
				if (w->agents[a].origin_probes)
					happens(g, t + jitter + 50000, ORIGIN_PROBE, a, p);
			}
		}
	}
}

static void plan_purges(struct world *w, struct agenda *g)
{
	for (int i = 0; i < w->n_purges; i++) {
		struct purge *p = &w->purges[i];
		for (int n = 0; n < w->n_edges; n++) {
			int after_s = between(w, p->fastest_s, p->slowest_s);
			if (w->nodes[n].purge_is_lost || strcmp(w->nodes[n].cdn->name, p->vendor) != 0)
				continue;
			if (p->never_s > 0 && (n == 0 || coin(w, 0.4)))
				after_s = p->never_s;
			happens(g, p->at_us + after_s * US_PER_S, PURGE_ARRIVES, n, i);
		}
		if (!p->spares_shield)
			happens(g, p->at_us + US_PER_S / 2, PURGE_ARRIVES, SHIELD, i);
		struct buf b;
		buf_init(&b, 4096);
		buf_addf(&b, "{\"type\":\"purge\",\"at\":");
		buf_add_json_time(&b, p->at_us);
		buf_addf(&b, ",\"service\":\"shop\",\"id\":\"purge-%d\",\"vendor\":\"%s\",%s%s}", i + 1,
			p->vendor, p->patterns, p->soft ? ",\"soft\":true" : "");
		world_line(w, p->at_us + US_PER_S / 5, "%s", b.p);
		buf_clear(&b);
		if (p->completed_at_us > 0) {
			buf_addf(&b, "{\"type\":\"purge_patch\",\"at\":");
			buf_add_json_time(&b, p->completed_at_us);
			buf_addf(&b, ",\"id\":\"purge-%d\",\"completed_at\":", i + 1);
			buf_add_json_time(&b, p->completed_at_us);
			world_line(w, p->completed_at_us, "%s}", b.p);
		}
		buf_fini(&b);
	}
}

/* -- probes -- */

static int edge_of(const struct world *w, const struct agent *a)
{
	int64_t since = w->now_us - w->begin_us;
	if (a->moves == GLIMPSES) /* once, long before anything */
		return since > 90 * US_PER_S && since < 125 * US_PER_S ? a->away : a->home;
	if (a->moves == FLAPS)
		return since / a->dwell_us % 2 ? a->away : a->home;
	return a->home;
}

static void remember(struct world *w, int edge, int page, const struct answer *a)
{
	struct seen_cell *s = &w->seen[edge][page];
	const struct roll *r = last_roll(w);
	if (w->now_us < r->live_at_us)
		return;
	s->last_at_us = w->now_us;
	s->last_word = a->n_words > 0 ? a->words[0] : "";
	s->last_is_old = a->status == 200 && a->version != r->to;
	if (s->last_is_old) {
		s->old_answers++;
		s->last_old_us = w->now_us;
		s->last_cached_at_us = a->age_us >= 0 ? w->now_us - a->age_us : 0;
	} else if (a->status == 200) {
		s->last_good_us = w->now_us;
	}
	if (a->status != 200 && w->now_us > w->end_us - 50 * US_PER_S)
		s->errors_late++;
	if (a->n_words > 0 && strcmp(a->words[0], "revalidated") == 0)
		s->saw_revalidation = true;
	if (a->n_words > 0 && strcmp(a->words[0], "miss") == 0 && a->age_us > 2 * US_PER_S &&
		w->n_purges > 0 && w->now_us > w->purges[0].at_us &&
		w->now_us - a->age_us < w->purges[0].at_us)
		w->behind_seen[page] = true;
}

static bool blind(const struct world *w, const struct agent *a)
{
	return a->blind_for_a_while && w->now_us > w->begin_us + 60 * US_PER_S &&
	       w->now_us < w->begin_us + 120 * US_PER_S;
}

static void probe(struct world *w, int agent, int page)
{
	const struct agent *a = &w->agents[agent];
	int e = edge_of(w, a);
	struct answer ans = { .status = 0, .age_us = -1 };
	if (a->dies_at_us > 0 && w->now_us > a->dies_at_us)
		return;
	bool cut_off = a->cannot_reach_own_host && w->pages[page].own_host && w->now_us > w->fault_at_us;
	if (cut_off || blind(w, a) || coin(w, w->timeouts)) {
		observation_line(w, a, page, false, &w->nodes[e], w->now_us + 5 * US_PER_S, &ans);
		return;
	}
	if (w->nodes[e].error_status > 0 && w->now_us >= w->fault_at_us) {
		ans.status = w->nodes[e].error_status;
		if (w->error_word) {
			ans.words[0] = "error";
			ans.n_words = 1;
		}
	} else {
		ans = node_answer(w, e, w->nodes[e].region, page, w->now_us);
	}
	remember(w, e, page, &ans);
	observation_line(w, a, page, false, &w->nodes[e], w->now_us, &ans);
}

static void origin_probe(struct world *w, int agent, int page)
{
	const struct agent *a = &w->agents[agent];
	struct answer ans = { .status = 0, .age_us = -1 };
	int64_t at = w->now_us;
	if (a->dies_at_us > 0 && w->now_us > a->dies_at_us)
		return;
	if (blind(w, a) || coin(w, w->timeouts))
		at += 5 * US_PER_S;
	else
		ans = origin_answer(w, a->region, page, w->now_us);
	ans.has_ttl = false;
	if (ans.status == 200)
		w->origin_seen[ans.version == last_roll(w)->to]++;
	w->etag_of_both_seen = w->one_etag && w->origin_seen[0] > 0 && w->origin_seen[1] > 0;
	observation_line(w, a, page, true, NULL, at, &ans);
}

/* -- the story -- */

/* Copies as a day of users left them; the young page's ones expire and fill again before anything happens. */
static void warm_up(struct world *w)
{
	for (int n = 0; n < NODES_MAX; n++) {
		for (int p = 0; p < w->n_pages; p++) {
			struct copy *c = &w->nodes[n].copies[p];
			int64_t ttl = (int64_t)w->pages[p].ttl_s;
			int64_t age = (int64_t)between(w, 0, (int)(ttl < 14400 ? ttl : 14400) - 1);
			if (!w->pages[p].cached && n != HIDDEN)
				continue;
			*c = (struct copy){ .there = true, .age_from_us = w->begin_us - age * US_PER_S };
			c->filled_at_us = c->age_from_us;
			c->expires_at_us = c->age_from_us + ttl * US_PER_S;
			c->history = n < EDGES_MAX && w->nodes[n].behind_shield ? "miss" : NULL;
			c->version = w->rolls[0].from;
		}
	}
}

void world_line(struct world *w, int64_t at_us, const char *fmt, ...)
{
	va_list ap;
	if (w->n_lines == w->cap_lines) {
		w->cap_lines = w->cap_lines ? 2 * w->cap_lines : 1024;
		w->lines = realloc(w->lines, w->cap_lines * sizeof(*w->lines));
		if (w->lines == NULL)
			abort();
	}
	char *text = NULL;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	w->lines[w->n_lines] = (struct line){ at_us, w->n_lines, text };
	w->n_lines++;
}

static void add_time(struct buf *b, const char *key, int64_t at_us)
{
	buf_addf(b, ",\"%s\":", key);
	buf_add_json_time(b, at_us);
}

static void service_line(struct world *w)
{
	struct buf b;
	buf_init(&b, 8192);
	buf_addf(&b, "{\"type\":\"service\"");
	add_time(&b, "at", w->begin_us - US_PER_S);
	buf_addf(&b,
		",\"service\":\"shop\",\"interval\":\"%ds\",\"verify\":{\"timeout\":\"%ds\"},\"origin\":%s",
		(int)(w->interval_us / US_PER_S), (int)(w->timeout_us / US_PER_S),
		w->origin_path ? "true" : "false");
	for (int i = 0; i < w->n_pages; i++) {
		const struct page *p = &w->pages[i];
		buf_addf(&b, "%s{\"id\":\"%s\",\"url\":\"https://%s%s%s\"}", i ? "," : ",\"endpoints\":[",
			p->id, p->own_host ? "api.shop.example" : "shop.example", p->path, p->query);
	}
	world_line(w, w->begin_us - US_PER_S, "%s]}", b.p);
	buf_clear(&b);
	int64_t day_before = w->begin_us - 6 * 3600 * US_PER_S;
	buf_addf(&b, "{\"type\":\"deploy\",\"service\":\"shop\",\"id\":\"d0\",\"version\":\"%s\"",
		w->versions[0]);
	add_time(&b, "at", w->begin_us - US_PER_S / 2);
	add_time(&b, "started_at", day_before - 60 * US_PER_S);
	add_time(&b, "live_at", day_before);
	world_line(w, w->begin_us - US_PER_S / 2, "%s}", b.p);
	buf_fini(&b);
}

static void deploy_lines(struct world *w)
{
	struct buf b;
	buf_init(&b, 8192);
	for (int i = 0; i < w->n_rolls; i++) {
		const struct roll *r = &w->rolls[i];
		int64_t told_us = w->early_events || r->abandoned ? r->started_at_us : r->live_at_us;
		buf_clear(&b);
		buf_addf(&b, "{\"type\":\"deploy\",\"service\":\"shop\",\"id\":\"d%d\",\"version\":\"%s\"",
			i + 1, w->versions[r->to]);
		add_time(&b, "at", told_us);
		add_time(&b, "started_at", r->started_at_us);
		if (told_us == r->live_at_us)
			add_time(&b, "live_at", r->live_at_us);
		world_line(w, told_us, "%s}", b.p);
		if (told_us == r->live_at_us || r->told_live_at_us < 0)
			continue;
		buf_clear(&b);
		buf_addf(&b, "{\"type\":\"deploy_patch\",\"id\":\"d%d\"", i + 1);
		add_time(&b, "at", r->live_at_us);
		if (r->abandoned)
			buf_addf(&b, ",\"aborted\":true");
		else
			add_time(&b, "live_at", r->live_at_us);
		world_line(w, r->live_at_us, "%s}", b.p);
	}
	buf_fini(&b);
}

static void run(struct world *w)
{
	struct agenda g = { 0 };
	service_line(w);
	deploy_lines(w);
	warm_up(w);
	plan_purges(w, &g);
	plan_users(w, &g);
	plan_probes(w, &g);
	qsort(g.all, g.n, sizeof(*g.all), by_time);
	for (size_t i = 0; i < g.n; i++) {
		const struct happening *h = &g.all[i];
		w->now_us = h->at_us;
		switch (h->kind) {
		case USER:
			(void)node_answer(w, h->a, w->nodes[h->a].region, h->b, h->at_us);
			break;
		case PROBE:
			probe(w, h->a, h->b);
			break;
		case ORIGIN_PROBE:
			origin_probe(w, h->a, h->b);
			break;
		case PURGE_ARRIVES:
			purge_arrives(w, h->a, &w->purges[h->b]);
			break;
		}
	}
	free(g.all);
}

void world_make(struct world *w, const struct row *row, uint64_t seed)
{
	for (int attempt = 0; attempt < 60; attempt++) {
		*w = (struct world){ .rng = seed * 1000003 + (uint64_t)attempt * 7919, .row = row };
		row->make(w);
		run(w);
		if (row->telling(w))
			return;
		world_fini(w);
	}
	fprintf(stderr, "worlds: nobody could tell %s (%s) with seed %llu\n", row->name, row->shape,
		(unsigned long long)seed);
	exit(1);
}

void world_fini(struct world *w)
{
	for (size_t i = 0; i < w->n_lines; i++)
		free(w->lines[i].text);
	free(w->lines);
	w->lines = NULL;
	w->n_lines = w->cap_lines = 0;
}
