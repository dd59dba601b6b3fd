/* rows.c - one recipe a fault: what is broken in this world, and so what is to be told of it. */
#include <stdlib.h>
#include <string.h>

#include "tests/worlds/rows.h"

static int64_t s(int seconds)
{
	return seconds * US_PER_S;
}

/* -- what all worlds share -- */

static void make_edges(struct world *w)
{
	w->n_regions = between(w, 2, REGIONS_MAX);
	w->n_edges = between(w, w->n_regions + 1, 6);
	int first = pick(w, EDGES_MAX);
	for (int i = 0; i < w->n_edges; i++) {
		struct node *n = &w->nodes[i];
		n->cdn = w->cdn;
		n->pop = w->cdn->pops[(first + i) % EDGES_MAX];
		n->region = i % w->n_regions;
		snprintf(n->name, sizeof(n->name), "%s:%s", n->cdn->name, n->pop);
	}
	w->nodes[SHIELD].cdn = w->nodes[HIDDEN].cdn = w->cdn;
}

static void make_agents(struct world *w)
{
	w->n_agents = w->n_edges + between(w, 1, 2);
	for (int i = 0; i < w->n_agents; i++) {
		struct agent *a = &w->agents[i];
		snprintf(a->name, sizeof(a->name), "agent-%d", i + 1);
		a->home = i % w->n_edges;
		a->away = (a->home + w->n_regions) % w->n_edges;
		a->region = w->nodes[a->home].region;
		a->uncertainty_us = between(w, 0, 200) * US_PER_MS;
		a->skew_us = (int64_t)((2 * chance(w) - 1) * (double)a->uncertainty_us);
		a->dwell_us = s(between(w, 40, 90));
		if (i >= w->n_edges && coin(w, 0.4))
			a->moves = coin(w, 0.5) ? FLAPS : GLIMPSES;
	}
}

static void make_pages(struct world *w, bool cached)
{
	static const struct page all[] = {
		{ .id = "v", .path = "/version", .query = "" },
		{ .id = "vj", .path = "/version", .query = "?format=json" },
		{ .id = "build", .path = "/api/build", .query = "" },
		{ .id = "app", .path = "/static/app.js", .query = "?v=3" },
		{ .id = "status", .path = "/status/info", .query = "" },
	};
	w->n_pages = between(w, 2, ENDPOINTS_MAX);
	int first = pick(w, ARRAY_LEN(all));
	for (int i = 0; i < w->n_pages; i++) {
		w->pages[i] = all[(first + i) % (int)ARRAY_LEN(all)];
		w->pages[i].cached = cached;
		w->pages[i].ttl_s = between(w, 4, 24) * 3600;
	}
}

static void base(struct world *w, const char *const *vendors, bool cached)
{
	static const int intervals[] = { 5, 10, 10, 15 };
	int n_vendors = 0;
	while (vendors[n_vendors] != NULL)
		n_vendors++;
	w->cdn = cdn_named(vendors[pick(w, n_vendors)]);
	w->raw_headers = w->cdn->raw && coin(w, 0.4);
	w->ttl_told = coin(w, 0.7);
	w->through_word = coin(w, 0.5)                              ? "miss"
			  : strcmp(w->cdn->name, "cloudflare") == 0 ? "dynamic"
								    : "bypass";
	if (strcmp(w->cdn->name, "cloudfront") == 0 || strcmp(w->cdn->name, "fastly") == 0)
		w->through_word = "miss";
	w->age = AGE_CARRIED;
	w->interval_us = s(intervals[pick(w, ARRAY_LEN(intervals))]);
	w->versions[0] = "v1";
	w->versions[1] = "v2";
	w->versions[2] = "v3";
	w->begin_us = INT64_C(1772359200) * US_PER_S + s(between(w, 0, 86400));
	w->n_rolls = 1;
	struct roll *r = &w->rolls[0];
	*r = (struct roll){ .from = 0, .to = 1 };
	r->started_at_us = w->begin_us + s(between(w, 240, 360));
	r->live_at_us = r->started_at_us + s(between(w, 50, 120));
	w->early_events = coin(w, 0.5);
	w->timeout_us = s(between(w, 240, 360));
	w->end_us = r->live_at_us + w->timeout_us + s(between(w, 40, 90));
	w->fault_at_us = r->live_at_us;
	w->origin_path = coin(w, 0.5);
	w->users_per_s = cached ? 0.05 : 0.01;
	w->timeouts = 0.01;
	w->late = 0.01;
	w->repeated = 0.01;
	make_edges(w);
	make_agents(w);
	make_pages(w, cached);
	w->verdict = "failed";
	w->cause = w->row->name;
	w->variant = w->row->shape;
}

static void origin_agents(struct world *w)
{
	for (int i = 0; i < w->n_regions; i++) /* the first agents sit in different regions */
		w->agents[i].origin_probes = w->origin_path;
}

static struct purge *purge(struct world *w, int64_t at_us)
{
	struct purge *p = &w->purges[w->n_purges++];
	p->at_us = at_us;
	p->vendor = w->cdn->name;
	p->fastest_s = 3;
	p->slowest_s = w->cdn->window_s < 20 ? 6 : 15;
	if (w->cdn->window_s > 60) /* told when it is through: one need not wait the whole window */
		p->completed_at_us = at_us + s(between(w, 25, 50));
	else if (coin(w, 0.4))
		p->completed_at_us = at_us + s(between(w, 15, 25));
	return p;
}

static struct purge *purge_all(struct world *w, int64_t at_us)
{
	struct purge *p = purge(w, at_us);
	purge_patterns_all(w, p);
	return p;
}

static const char *const any_cdn[] = { "cloudfront", "cloudflare", "fastly", "akamai", "azure-frontdoor",
	"google", "bunny", "self", NULL };

/* -- what the probes must have seen -- */

static bool old_at_the_end(const struct world *w)
{
	for (int e = 0; e < w->n_edges; e++)
		for (int p = 0; p < w->n_pages; p++)
			if (w->seen[e][p].last_is_old && w->seen[e][p].last_at_us > w->end_us - s(40))
				return true;
	return false;
}

static bool old_lately(const struct world *w)
{
	for (int e = 0; e < w->n_edges; e++)
		for (int p = 0; p < w->n_pages; p++)
			if (w->seen[e][p].last_old_us > w->end_us - s(35) && w->seen[e][p].old_answers >= 3)
				return true;
	return false;
}

static bool errors_lately(const struct world *w)
{
	for (int e = 0; e < w->n_edges; e++)
		for (int p = 0; p < w->n_pages; p++)
			if (w->seen[e][p].errors_late >= 2)
				return true;
	return false;
}

static bool behind_was_seen(const struct world *w)
{
	for (int e = 0; e < w->n_edges; e++)
		for (int p = 0; p < w->n_pages; p++)
			if (w->seen[e][p].last_is_old && !w->behind_seen[p])
				return false;
	return old_at_the_end(w);
}

static bool revalidation_was_seen(const struct world *w)
{
	for (int e = 0; e < w->n_edges; e++)
		for (int p = 0; p < w->n_pages; p++)
			if (w->seen[e][p].last_is_old && !w->seen[e][p].saw_revalidation &&
				!w->etag_of_both_seen)
				return false;
	return old_at_the_end(w);
}

static bool all_well(const struct world *w)
{
	int64_t by_us = w->rolls[w->n_rolls - 1].live_at_us + w->timeout_us - 6 * w->interval_us - s(10);
	for (int e = 0; e < w->n_edges; e++)
		for (int p = 0; p < w->n_pages; p++)
			if (w->seen[e][p].last_is_old || w->seen[e][p].last_old_us > by_us)
				return false;
	return true;
}

static bool always(const struct world *w)
{
	return w->n_observations > 0;
}

/* -- A: answers from caches -- */

/* Some edges cannot get through to what is behind them, and serve what they have. */
static void cut_edges_off(struct world *w)
{
	w->fault_at_us = w->rolls[0].started_at_us;
	for (int i = 0; i < w->n_edges; i++)
		w->nodes[i].cannot_fetch = i == 0 || coin(w, 0.4);
}

static void short_ttl(struct world *w, int low_s, int high_s)
{
	for (int i = 0; i < w->n_pages; i++)
		w->pages[i].ttl_s = between(w, low_s, high_s);
}

static void swr(struct world *w)
{
	static const char *const vendors[] = { "cloudflare", "akamai", "self", NULL };
	base(w, vendors, true);
	cut_edges_off(w);
	short_ttl(w, 30, 80);
	origin_agents(w);
}

static void past_ttl(struct world *w)
{
	static const char *const vendors[] = { "fastly", "cloudfront", "bunny", NULL };
	base(w, vendors, true);
	w->ttl_told = true;
	cut_edges_off(w);
	short_ttl(w, 30, 80);
	origin_agents(w);
}

static void soft_purge(struct world *w)
{
	static const char *const vendors[] = { "akamai", "self", NULL };
	base(w, vendors, true);
	cut_edges_off(w);
	purge_all(w, live_at(w) + s(between(w, 8, 20)))->soft = true;
	origin_agents(w);
}

static void missed_pages(struct world *w, struct purge *p)
{
	bool missed[ENDPOINTS_MAX] = { false };
	for (int i = 0; i < w->n_pages; i++)
		missed[i] = coin(w, 0.5);
	int one = pick(w, w->n_pages);
	missed[one] = true;
	for (int i = 0; i < w->n_pages; i++) /* the bare path is covered where it stands in for the other */
		if (strcmp(w->pages[i].id, "v") == 0)
			missed[i] = i == one;
	for (int i = 0; i < w->n_pages; i++)
		if (strcmp(w->pages[i].id, "vj") == 0 && i != one)
			missed[i] = false;
	if (w->cdn->key == KEY_PATH_ONLY) /* one pattern takes both or none */
		for (int i = 0; i < w->n_pages; i++)
			if (strcmp(w->pages[i].path, w->pages[one].path) == 0)
				missed[i] = true;
	if (w->cdn->key == KEY_PATH_ONLY && strcmp(w->pages[one].path, "/version") != 0)
		for (int i = 0; i < w->n_pages; i++)
			if (strcmp(w->pages[i].path, "/version") == 0)
				missed[i] = false;
	purge_patterns_narrow(w, p, missed);
}

static void unknown_age(struct world *w)
{
	static const char *const vendors[] = { "keycdn", "bunny", "google", "cloudflare", "self", NULL };
	base(w, vendors, true);
	w->age = AGE_MUTE;
	if (coin(w, 0.6))
		missed_pages(w, purge(w, live_at(w) + s(between(w, 8, 20))));
	origin_agents(w);
}

static void shield_restarts(struct world *w)
{
	static const char *const vendors[] = { "fastly", "self", NULL };
	base(w, vendors, true);
	w->age = AGE_RESTARTS;
	for (int i = 0; i < w->n_edges; i++)
		w->nodes[i].behind_shield = i == 0 || coin(w, 0.7);
	purge_all(w, live_at(w) + s(between(w, 8, 20)))->spares_shield = true;
	origin_agents(w);
}

static void shield_carries(struct world *w)
{
	static const char *const vendors[] = { "cloudfront", "fastly", "akamai", "azure-frontdoor", "self",
		NULL };
	base(w, vendors, true);
	w->users_per_s = 0.01;
	for (int i = 0; i < w->n_edges; i++)
		w->nodes[i].behind_shield = i == 0 || coin(w, 0.7);
	purge_all(w, live_at(w) + s(between(w, 8, 20)))->spares_shield = true;
	origin_agents(w);
}

static void one_validator(struct world *w)
{
	static const char *const vendors[] = { "cloudfront", "cloudflare", "akamai", "self", NULL };
	base(w, vendors, true);
	w->one_etag = true;
	w->users_per_s = 0.01;
	short_ttl(w, 20, 45);
	origin_agents(w);
}

static void one_validator_purged(struct world *w)
{
	static const char *const vendors[] = { "akamai", "self", NULL };
	base(w, vendors, true);
	w->one_etag = w->soft_asks_first = true;
	w->users_per_s = 0.01;
	w->origin_path = true;
	purge_all(w, live_at(w) + s(between(w, 8, 20)))->soft = true;
	origin_agents(w);
}

static void hidden_cache(struct world *w)
{
	base(w, any_cdn, true);
	w->origin_path = true;
	for (int i = 0; i < w->n_edges; i++)
		w->nodes[i].behind_hidden = i == 0 || coin(w, 0.7);
	purge_all(w, live_at(w) + s(between(w, 8, 20)));
	origin_agents(w);
}

static void nobody_purged(struct world *w)
{
	base(w, any_cdn, true);
	origin_agents(w);
}

/* Two CDNs side by side, and only one of them is told. */
static void other_cdn_purged(struct world *w)
{
	static const char *const vendors[] = { "cloudfront", "fastly", "cloudflare", NULL };
	base(w, vendors, true);
	const struct cdn *other = cdn_named(strcmp(w->cdn->name, "fastly") == 0 ? "cloudfront" : "fastly");
	for (int i = 0; i < w->n_edges; i++) {
		struct node *n = &w->nodes[i];
		if (i % 2 == 0)
			continue;
		n->cdn = other;
		n->pop = other->pops[i];
		snprintf(n->name, sizeof(n->name), "%s:%s", other->name, n->pop);
	}
	purge_all(w, live_at(w) + s(between(w, 8, 20)));
	origin_agents(w);
}

static void narrow_purge(struct world *w)
{
	base(w, any_cdn, true);
	missed_pages(w, purge(w, live_at(w) + s(between(w, 8, 20))));
	origin_agents(w);
}

static void early_purge(struct world *w)
{
	base(w, any_cdn, true);
	struct roll *r = last_roll(w);
	w->users_per_s = 0.2;
	r->live_at_us += s(60);
	w->end_us += s(60);
	w->fault_at_us = r->live_at_us;
	purge_all(w, r->started_at_us + s(between(w, -25, 15)));
	origin_agents(w);
}

static void slow_purge(struct world *w)
{
	static const char *const vendors[] = { "cloudfront", "azure-frontdoor", "bunny", NULL };
	base(w, vendors, true);
	struct purge *p = purge(w, live_at(w) + s(between(w, 8, 20)));
	purge_patterns_all(w, p);
	p->completed_at_us = 0;
	p->never_s = 100000;
	p->slowest_s = 60;
	int window_s = w->cdn->window_s > 600 ? 600 : w->cdn->window_s;
	w->end_us = p->at_us + s(between(w, window_s / 2, window_s * 9 / 10));
	if (coin(w, 0.5)) {
		w->timeout_us = s(1200);
		w->verdict = "converging";
	} else {
		w->timeout_us = s(90);
	}
	origin_agents(w);
}

static void sick_edge(struct world *w)
{
	base(w, any_cdn, true);
	w->nodes[pick(w, w->n_edges)].purge_is_lost = true;
	purge_all(w, live_at(w) + s(between(w, 8, 20)));
	origin_agents(w);
}

/* -- B: answers that came through -- */

static void old_everywhere(struct world *w, double share)
{
	for (int r = 0; r < REGIONS_MAX; r++)
		for (int p = 0; p < ENDPOINTS_MAX; p++)
			w->old_share[r][p] = share;
}

static void through(struct world *w)
{
	base(w, any_cdn, false);
	origin_agents(w);
}

static double some_share(struct world *w, int low_percent, int high_percent)
{
	return between(w, low_percent, high_percent) / 100.0;
}

static void dead_subset(struct world *w)
{
	through(w);
	int percent = between(w, 15, 50);
	w->error_share = percent / 100.0;
	w->error_status = 503;
	int how = pick(w, 3);
	w->envoy_errors = how == 2 || coin(w, 0.5);
	if (how == 0)
		mesh_line(w, w->fault_at_us + s(4), 100 - percent, 0);
	if (how == 1)
		mesh_line(w, w->fault_at_us + s(4), 100 - percent, -1);
	if (how == 1 || coin(w, 0.5))
		pods_line(w, w->fault_at_us + s(5), between(w, 2, 5), 0);
}

static void not_rolled_out(struct world *w)
{
	through(w);
	old_everywhere(w, 1);
	if (coin(w, 0.5))
		pods_line(w, live_at(w) + s(5), 0, between(w, 2, 5));
}

static void not_rolled_out_cached(struct world *w)
{
	static const char *const vendors[] = { "cloudfront", "cloudflare", "fastly", "self", NULL };
	base(w, vendors, true);
	w->asks_anew = true;
	short_ttl(w, 12, 25);
	old_everywhere(w, 1);
	origin_agents(w);
}

static void old_region(struct world *w)
{
	through(w);
	int region = pick(w, w->n_regions);
	for (int p = 0; p < ENDPOINTS_MAX; p++)
		w->old_share[region][p] = 1;
}

static void old_page(struct world *w)
{
	through(w);
	int page = pick(w, w->n_pages);
	for (int r = 0; r < REGIONS_MAX; r++)
		w->old_share[r][page] = 1;
}

static void mute_cache(struct world *w)
{
	base(w, any_cdn, false);
	w->origin_path = true;
	for (int i = 0; i < w->n_edges; i++)
		w->nodes[i].behind_hidden = i == 0 || coin(w, 0.7);
	origin_agents(w);
}

static void stuck(struct world *w)
{
	static const char *const reasons[] = {
		"Halt advancement no values found for istio metric request-success-rate probably "
		"shop.prod is not receiving traffic: running query failed: no values found",
		"Prometheus query failed: running query failed: request failed: Get "
		"\\\"http://prometheus:9090\\\": dial tcp: connect: connection refused",
		"Halt shop.prod advancement success rate 69.17% < 99%",
		"Halt shop.prod advancement waiting for traffic increase approval gate",
		"canary deployment shop.prod not ready: waiting for rollout to finish: 1 out of 2 new "
		"replicas have been updated",
		"",
	};
	through(w);
	int percent = between(w, 5, 50);
	old_everywhere(w, 1 - percent / 100.0);
	struct roll *r = last_roll(w);
	const char *reason = reasons[pick(w, ARRAY_LEN(reasons))];
	mesh_line(w, r->live_at_us + s(2), percent, 2);
	rollout_line(w, r->live_at_us + s(3), "Progressing", r->started_at_us + s(5), percent, reason);
	/* The controller goes on saying the same. */
	for (int64_t t = r->live_at_us + s(63); t < w->end_us; t += s(60))
		rollout_line(w, t, "Progressing", r->started_at_us + s(5), percent, reason);
	if (coin(w, 0.5))
		pods_line(w, r->live_at_us + s(5), 2, 2);
	if (reason[0] == '\0') /* silent for 5 minutes is what tells */
		w->end_us = w->end_us > r->started_at_us + s(400) ? w->end_us : r->started_at_us + s(400);
}

static void residual(struct world *w)
{
	through(w);
	int percent = between(w, 10, 45);
	old_everywhere(w, percent / 100.0);
	mesh_line(w, live_at(w) + s(2), 100 - percent, 2);
	if (coin(w, 0.5))
		rollout_line(w, live_at(w) + s(3), "Succeeded", live_at(w), 0, "");
	if (coin(w, 0.5))
		pods_line(w, live_at(w) + s(5), 3, 2);
}

static void old_pods(struct world *w)
{
	through(w);
	int old = between(w, 1, 2), fresh = between(w, 2, 4);
	old_everywhere(w, old / (double)(old + fresh));
	pods_line(w, live_at(w) + s(5), fresh, old);
	pods_line(w, live_at(w) + s(125), fresh, old);
}

static void split(struct world *w)
{
	through(w);
	old_everywhere(w, some_share(w, 12, 60));
}

static void split_cached(struct world *w)
{
	static const char *const vendors[] = { "cloudfront", "cloudflare", "fastly", "self", NULL };
	base(w, vendors, true);
	w->asks_anew = true;
	short_ttl(w, 12, 25);
	old_everywhere(w, some_share(w, 30, 60));
	origin_agents(w);
}

static void origin_fails(struct world *w)
{
	static const int statuses[] = { 500, 502, 504 };
	through(w);
	w->error_share = coin(w, 0.5) ? 1 : some_share(w, 40, 80);
	w->error_status = statuses[pick(w, ARRAY_LEN(statuses))];
}

static void edge_fails(struct world *w)
{
	static const int statuses[] = { 500, 502, 503 };
	through(w);
	w->fault_at_us = w->rolls[0].started_at_us + s(10);
	int e = w->agents[w->n_agents - 1].home;
	w->agents[w->n_agents - 1].moves = STAYS;
	w->nodes[e].error_status = statuses[pick(w, ARRAY_LEN(statuses))];
	w->error_word = coin(w, 0.5);
}

static void unreachable(struct world *w)
{
	through(w);
	w->n_edges = w->n_edges < 4 ? w->n_edges : 4;
	w->n_agents = w->n_edges; /* alone at its edge: nobody else can say */
	w->fault_at_us = w->rolls[0].started_at_us;
	for (int i = 0; i < w->n_agents; i++)
		w->agents[i].moves = STAYS;
	w->agents[pick(w, w->n_agents)].cannot_reach_own_host = true;
	/* One endpoint it still reaches, so it is not blind; and what it misses is more than coverage may
	 * lack. */
	for (int i = 1; i < w->n_pages; i++)
		w->pages[i].own_host = true;
	w->verdict = "inconclusive";
}

/* -- healthy, and merely blind -- */

static void healthy(struct world *w, bool cached)
{
	base(w, any_cdn, cached);
	origin_agents(w);
	w->verdict = "verified";
	w->cause = NULL;
}

static void healthy_purge(struct world *w)
{
	healthy(w, true);
	purge_all(w, live_at(w) + s(between(w, 3, 30)));
	if (coin(w, 0.3)) /* an agent that sees nothing for a while, before anything happens */
		w->agents[w->n_agents - 1].blind_for_a_while = true;
}

static void healthy_ttl(struct world *w)
{
	healthy(w, true);
	short_ttl(w, 20, 90);
}

static void healthy_uncached(struct world *w)
{
	healthy(w, false);
}

static void healthy_slow_purge(struct world *w)
{
	static const char *const vendors[] = { "cloudfront", "azure-frontdoor", "bunny", NULL };
	base(w, vendors, true);
	w->verdict = "verified";
	w->cause = NULL;
	w->timeout_us = s(600);
	w->end_us = live_at(w) + s(640);
	struct purge *p = purge(w, live_at(w) + s(between(w, 8, 20)));
	purge_patterns_all(w, p);
	p->completed_at_us = 0;
	p->fastest_s = 60;
	p->slowest_s = w->cdn->window_s < 400 ? w->cdn->window_s * 9 / 10 : 400;
	origin_agents(w);
}

static void healthy_soft_purge(struct world *w)
{
	static const char *const vendors[] = { "fastly", "akamai", "self", NULL };
	base(w, vendors, true);
	w->verdict = "verified";
	w->cause = NULL;
	purge_all(w, live_at(w) + s(between(w, 8, 20)))->soft = true;
	origin_agents(w);
}

/* A second roll-out behind the first. */
static void then(struct world *w, int to, int after_s)
{
	struct roll *r = &w->rolls[w->n_rolls], *before = &w->rolls[w->n_rolls - 1];
	w->n_rolls++;
	w->early_events = true; /* or the first would seem to relapse while the second is on its way */
	*r = (struct roll){ .from = before->to, .to = to };
	r->started_at_us = before->live_at_us + s(after_s);
	r->live_at_us = r->started_at_us + s(between(w, 40, 60));
	w->end_us = r->live_at_us + w->timeout_us + s(60);
	w->fault_at_us = r->live_at_us;
}

static void healthy_rollback(struct world *w)
{
	bool cached = coin(w, 0.5);
	healthy(w, cached);
	w->other[0] = "verified";
	if (cached)
		purge_all(w, live_at(w) + s(5));
	then(w, 0, 240);
	if (cached)
		purge_all(w, live_at(w) + s(5));
}

static void healthy_overtaken(struct world *w)
{
	healthy(w, false);
	w->rolls[0].live_at_us = w->rolls[0].started_at_us + s(40);
	then(w, 2, 1);
	w->rolls[1].live_at_us = w->rolls[1].started_at_us + s(25);
}

static void healthy_aborted(struct world *w)
{
	healthy(w, false);
	last_roll(w)->abandoned = true;
	w->verdict = "aborted";
}

static void nobody_looks(struct world *w)
{
	healthy(w, false);
	w->verdict = "inconclusive";
	for (int i = 0; i < w->n_agents; i++) {
		w->agents[i].moves = STAYS;
		if (w->agents[i].home % 2 == 0)
			w->agents[i].dies_at_us = w->rolls[0].started_at_us;
	}
}

const struct row rows[] = {
	{ "stale_past_ttl", "edges cut off say stale or updating", swr, old_at_the_end },
	{ "stale_past_ttl", "edges cut off say hit, long after the TTL", past_ttl, old_at_the_end },
	{ "soft_purge_serving", "soft purge, edges cut off", soft_purge, old_at_the_end },
	{ "cached_unknown_age", "a CDN that says no Age", unknown_age, old_at_the_end },
	{ "shield_stale", "shield spared, Age restarts", shield_restarts, old_at_the_end },
	{ "shield_stale", "shield spared, Age carried", shield_carries, behind_was_seen },
	{ "validator_unchanged", "short TTL, one ETag", one_validator, revalidation_was_seen },
	{ "validator_unchanged", "soft purge, one ETag", one_validator_purged, revalidation_was_seen },
	{ "refilled_stale", "a mute cache behind caching edges", hidden_cache, old_at_the_end },
	{ "refilled_stale", "a mute cache behind edges that cache nothing", mute_cache, old_at_the_end },
	{ "ttl_wait", "nobody purged", nobody_purged, old_at_the_end },
	{ "ttl_wait", "only the other CDN was purged", other_cdn_purged, old_at_the_end },
	{ "purge_missed_key", "narrow purge", narrow_purge, old_at_the_end },
	{ "purged_too_early", "users filled it again before live", early_purge, old_at_the_end },
	{ "purge_propagating", "in the vendor's window", slow_purge, old_at_the_end },
	{ "purge_ineffective", "one edge never heard of it", sick_edge, old_at_the_end },
	{ "dead_subset", "a weight to nothing", dead_subset, errors_lately },
	{ "not_rolled_out", "uncached", not_rolled_out, old_at_the_end },
	{ "not_rolled_out", "through short-lived copies", not_rolled_out_cached, old_at_the_end },
	{ "regional_origin_stale", "one region's origin", old_region, old_at_the_end },
	{ "behavior_split", "one endpoint's origin", old_page, old_at_the_end },
	{ "rollout_stuck", "Flagger in Progressing", stuck, old_lately },
	{ "canary_residual", "a weight to the old subset", residual, old_lately },
	{ "old_pods_serving", "old pods behind the service", old_pods, old_lately },
	{ "split_traffic", "nothing known inside", split, old_lately },
	{ "split_traffic", "through short-lived copies", split_cached, old_lately },
	{ "origin_failing", "errors everywhere", origin_fails, errors_lately },
	{ "edge_failing", "errors at one edge", edge_fails, errors_lately },
	{ "unreachable_from_agent", "timeouts of one agent", unreachable, always },
	{ "healthy", "purged", healthy_purge, all_well },
	{ "healthy", "copies expire", healthy_ttl, all_well },
	{ "healthy", "uncached", healthy_uncached, all_well },
	{ "healthy", "slow purge in its window", healthy_slow_purge, all_well },
	{ "healthy", "soft purge", healthy_soft_purge, all_well },
	{ "healthy", "rolled back", healthy_rollback, all_well },
	{ "healthy", "overtaken by the next", healthy_overtaken, all_well },
	{ "healthy", "aborted", healthy_aborted, always },
	{ "no_data", "half of the agents died", nobody_looks, always },
};
const size_t n_rows = ARRAY_LEN(rows);
