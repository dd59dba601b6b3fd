/* Which purges concern a cell, and which of them cover its endpoint. */
#include <stdlib.h>

#include "collector/engine/why.h"

#define BEFORE_DEPLOY_US US_PER_H

static enum purge_match match_now(const struct service *s, const struct purge *p, uint32_t endpoint)
{
	struct purge_target t = { .url = str_of(s->endpoints[endpoint].url) };
	if (p->everything)
		return PURGE_YES;
	for (size_t i = 0; i < p->n_patterns; i++) {
		const char *why;
		enum purge_match m =
			purge_pattern_matches(str_of(p->vendor), str_of(p->patterns[i]), &t, &why);
		if (m != PURGE_NO)
			return m;
	}
	/* by tag, or nobody said what: it may have been meant */
	return p->n_tags || p->n_patterns == 0 ? PURGE_UNKNOWN : PURGE_NO;
}

void purge_match_all(struct service *s, struct purge *p)
{
	free(p->covers);
	p->covers = mem_new_array(MAX(s->n_endpoints, (size_t)1), 1);
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		p->covers[i] = (uint8_t)match_now(s, p, i);
}

enum purge_match purge_covers(const struct service *s, const struct purge *p, uint32_t endpoint)
{
	return p->covers ? (enum purge_match)p->covers[endpoint] : match_now(s, p, endpoint);
}

/* Caches that anybody runs are one family: who purges nginx may say nginx, self, or the name it gave them. */
static bool is_self_run(struct str vendor)
{
	static const char *const family[] = { "self", "none", "generic", "nginx", "varnish", "ats",
		"trafficserver", "squid", "haproxy", "envoy", "istio", "souin", "caddy" };
	for (size_t i = 0; i < ARRAY_LEN(family); i++)
		if (str_eq_nocase(vendor, str_of(family[i])))
			return true;
	return false;
}

static bool concerns(const struct why_view *w, const struct purge *p, const struct cell *c)
{
	const struct endpoint *ep = &w->s->endpoints[c->endpoint];
	struct str vendor = edge_vendor(names_get(&w->e->names, c->edge)), of = str_of(p->vendor);
	if (p->zone && ep->cdn_zone && !str_eq(str_of(p->zone), str_of(ep->cdn_zone)))
		return false;
	if (of.n == 0 || purge_same_vendor(of, vendor) || (is_self_run(of) && is_self_run(vendor)))
		return true;
	return ep->cdn_vendor && purge_same_vendor(of, str_of(ep->cdn_vendor));
}

/* From when on a purge belongs to this deploy: its start, or up to an hour earlier, but not before the deploy
 * before it was settled. */
static int64_t purges_from(const struct why_view *w)
{
	const struct deploy *before = NULL;
	for (size_t i = 0; i < w->s->n_ledger && w->s->ledger[i] != w->d; i++)
		before = w->s->ledger[i];
	int64_t from_us = w->d->started_us - BEFORE_DEPLOY_US;
	if (before && before->decided_us == TIME_NONE)
		return w->d->started_us;
	if (before)
		from_us = MAX(from_us, before->decided_us + 1);
	return MIN(from_us, w->d->started_us);
}

static bool is_later(const struct purge *a, const struct purge *b)
{
	return b == NULL || a->requested_us >= b->requested_us;
}

/* m: the last that covers the endpoint. ret_missed: the last that does not, where none does. */
const struct purge *purge_last_matching(const struct why_view *w, const struct cell *c, int64_t before_us,
	size_t *ret_concern, const struct purge **ret_missed)
{
	const struct purge *m = NULL;
	int64_t from_us = purges_from(w);
	*ret_concern = 0;
	*ret_missed = NULL;
	for (size_t i = 0; i < w->s->n_purges; i++) {
		const struct purge *p = &w->s->purges[i];
		if (p->requested_us > before_us || p->requested_us < from_us || !concerns(w, p, c))
			continue;
		++*ret_concern;
		if (purge_covers(w->s, p, c->endpoint) != PURGE_NO) {
			if (is_later(p, m))
				m = p;
		} else if (is_later(p, *ret_missed)) {
			*ret_missed = p;
		}
	}
	return m;
}
