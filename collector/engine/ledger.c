/* Which version is right. Order comes from the ledger alone: deploys by live_at. A deploy is right in
 * [started_at, live_at) because it is rolling out, and in [live_at, live_at of the next) because it is
 * current: one span, [started_us, end_us). */
#include <stdlib.h>

#include "collector/engine/engine_internal.h"

const struct deploy *ledger_current(const struct service *s)
{
	return s->n_ledger ? s->ledger[s->n_ledger - 1] : NULL;
}

static bool text_matches(enum match_kind kind, struct str seen, struct str right)
{
	seen = str_trim(seen), right = str_trim(right);
	if (str_eq(seen, right))
		return right.n > 0;
	size_t n = MIN(seen.n, right.n);
	return kind == MATCH_PREFIX && n >= PREFIX_MIN && memcmp(seen.p, right.p, n) == 0;
}

struct str deploy_value_at(const struct service *s, const struct deploy *d, uint32_t endpoint)
{
	const struct endpoint *ep = &s->endpoints[endpoint];
	for (size_t i = 0; i < d->n_values; i++)
		if (d->values[i].endpoint == ep->id)
			return str_of(d->values[i].text);
	if (!ep->learned)
		return str_of(d->version);
	for (size_t i = 0; i < d->n_learned; i++)
		if (d->learned[i].endpoint == ep->id)
			return str_of(d->learned[i].text);
	return STR_NONE;
}

static bool deploy_declares(const struct service *s, const struct deploy *d, uint32_t endpoint)
{
	for (size_t i = 0; i < d->n_values; i++)
		if (d->values[i].endpoint == s->endpoints[endpoint].id)
			return true;
	return false;
}

static bool deploy_matches(
	const struct service *s, const struct deploy *d, uint32_t endpoint, struct str text)
{
	enum match_kind kind = s->endpoints[endpoint].match;
	if (text_matches(kind, text, deploy_value_at(s, d, endpoint)))
		return true;
	if (deploy_declares(s, d, endpoint) || s->endpoints[endpoint].learned)
		return false;
	for (size_t i = 0; i < d->n_aliases; i++)
		if (text_matches(kind, text, str_of(d->aliases[i])))
			return true;
	return false;
}

bool value_serves(const struct service *s, const struct value *v, const struct deploy *d)
{
	return deploy_matches(s, d, v->endpoint, names_get(&s->texts, v->text));
}

uint32_t value_get(struct service *s, uint32_t endpoint, uint32_t text)
{
	uint32_t i = index_get(&s->ix_values, key_of_pair(endpoint, text), s->values, value_key);
	if (i != NONE32)
		return i;
	s->values = pool_room(s->values, s->n_values, &s->cap_values, sizeof(*s->values));
	i = (uint32_t)s->n_values++;
	s->values[i] = (struct value){ .endpoint = endpoint, .text = text };
	index_put(&s->ix_values, i, s->values, value_key);
	return i;
}

struct str service_expected(const struct service *s, uint32_t endpoint)
{
	const struct deploy *d = ledger_current(s);
	return d ? deploy_value_at(s, d, endpoint) : STR_NONE;
}

bool endpoint_judges(const struct service *s, uint32_t endpoint)
{
	return !s->endpoints[endpoint].informs && !s->endpoints[endpoint].unchanged;
}

/* -- judging a value -- */

static void value_match(const struct service *s, struct value *v)
{
	v->gen = s->gen;
	v->n_match = 0;
	for (size_t i = s->n_deploys; i-- > 0 && v->n_match < MATCHES_MAX;)
		if (value_serves(s, v, s->deploys[i]))
			v->match[v->n_match++] = s->deploys[i];
	v->serves_tracked = s->tracked && value_serves(s, v, s->tracked);
	v->from_us = INT64_MAX, v->until_us = INT64_MIN; /* nothing judged yet */
}

/* Even numbers for what is live. What was overtaken or aborted before it was live lies between two of them;
 * from when it was aborted it is older than anything; what is rolling out is newer than anything. */
static int32_t deploy_rank(const struct service *s, const struct deploy *d, int64_t at_us)
{
	int32_t rank = 0;
	if (d->left && d->verdict != VERDICT_SUPERSEDED && at_us >= d->end_us)
		return 0;
	for (size_t i = 0; i < s->n_ledger; i++) {
		if (s->ledger[i] == d)
			return 2 * (int32_t)i + 2;
		rank += 2 * (s->ledger[i]->live_us < d->end_us);
	}
	return d->left ? rank + 1 : rank + 2 + (int32_t)(d->serial % 1000000);
}

static void span_cut(struct value *v, int64_t at_us, int64_t line_us)
{
	if (line_us == TIME_NONE)
		return;
	if (line_us <= at_us)
		v->from_us = MAX(v->from_us, line_us);
	else
		v->until_us = MIN(v->until_us, line_us);
}

static void value_judge_at(const struct service *s, struct value *v, int64_t at_us)
{
	const struct deploy *right = NULL, *before = NULL, *ahead = NULL;
	v->from_us = INT64_MIN, v->until_us = INT64_MAX;
	for (size_t i = 0; i < v->n_match; i++) {
		const struct deploy *d = v->match[i];
		span_cut(v, at_us, d->started_us), span_cut(v, at_us, d->end_us);
		if (at_us < d->started_us)
			ahead = d;
		else if (at_us >= d->end_us)
			before = before == NULL || d->end_us > before->end_us ? d : before;
		else if (right == NULL)
			right = d;
	}
	const struct deploy *in_force = right ? right : before ? before : ahead;
	v->behind = 0;
	for (size_t i = 0; i < s->n_ledger; i++) {
		span_cut(v, at_us, s->ledger[i]->live_us);
		if (before && !right && s->ledger[i]->live_us >= before->end_us &&
			s->ledger[i]->live_us <= at_us)
			v->behind++;
	}
	v->label = right ? LABEL_FRESH : before ? LABEL_STALE : ahead ? LABEL_AHEAD : LABEL_UNKNOWN;
	v->stale_since_us = v->label == LABEL_STALE ? before->end_us : TIME_NONE;
	v->rank = in_force ? deploy_rank(s, in_force, at_us) : -1;
	if (s->endpoints[v->endpoint].informs) {
		v->label = LABEL_UNKNOWN;
		v->stale_since_us = TIME_NONE;
		v->rank = -1;
	}
}

static void value_say(const struct service *s, struct value *v, int64_t at_us, struct judgement *ret)
{
	if (v->gen != s->gen)
		value_match(s, v);
	if (at_us < v->from_us || at_us >= v->until_us)
		value_judge_at(s, v, at_us);
	*ret = (struct judgement){ v->label, v->stale_since_us, v->behind, v->rank };
}

void value_judge(struct service *s, uint32_t value, int64_t at_us, struct judgement *ret)
{
	value_say(s, &s->values[value], at_us, ret);
}

void value_look(const struct service *s, uint32_t value, int64_t at_us, struct judgement *ret)
{
	struct value copy = s->values[value];
	value_say(s, &copy, at_us, ret);
}

bool value_serves_tracked(struct service *s, uint32_t value)
{
	struct value *v = &s->values[value];
	if (v->gen != s->gen)
		value_match(s, v);
	return v->serves_tracked;
}

/* -- building it -- */

static bool deploy_before(const struct deploy *a, const struct deploy *b)
{
	if (a->live_us != b->live_us)
		return a->live_us < b->live_us;
	return a->started_us != b->started_us ? a->started_us < b->started_us : a->serial < b->serial;
}

static void ledger_sort(struct service *s)
{
	s->n_ledger = 0;
	for (size_t i = 0; i < s->n_deploys; i++) {
		struct deploy *d = s->deploys[i];
		if (d->left)
			continue;
		d->end_us = INT64_MAX;
		if (d->live_us == TIME_NONE)
			continue;
		s->ledger = mem_grow(s->ledger, &s->cap_ledger, s->n_ledger + 1, sizeof(struct deploy *));
		size_t at = s->n_ledger++;
		for (; at > 0 && deploy_before(d, s->ledger[at - 1]); at--)
			s->ledger[at] = s->ledger[at - 1];
		s->ledger[at] = d;
	}
	for (size_t i = 0; i + 1 < s->n_ledger; i++)
		s->ledger[i]->end_us = s->ledger[i + 1]->live_us;
}

static void endpoints_judge(struct service *s)
{
	const struct deploy *d = ledger_current(s),
			    *before = s->n_ledger > 1 ? s->ledger[s->n_ledger - 2] : NULL;
	for (uint32_t i = 0; i < s->n_endpoints; i++) {
		struct endpoint *ep = &s->endpoints[i];
		struct str now = d ? deploy_value_at(s, d, i) : STR_NONE;
		ep->informs = ep->learned && now.n == 0;
		ep->unchanged = before && now.n && deploy_matches(s, before, i, now);
	}
}

void ledger_derive(struct service *s)
{
	ledger_sort(s);
	if (++s->gen == 0)
		s->gen = 1;
	endpoints_judge(s);
}

void ledger_rebuild(struct engine *e, uint32_t service)
{
	struct service *s = e->services[service];
	if (s->tracked)
		progress_note_advisories(s);
	ledger_derive(s);
	struct deploy *current = s->n_ledger ? s->ledger[s->n_ledger - 1] : NULL;
	struct deploy *track = current && !current->retired ? current : NULL;
	if (s->tracked != track) {
		if (s->tracked)
			progress_retire(e, s, s->tracked);
		s->tracked = track;
		if (track)
			progress_start(e, service, track);
	} else if (track) {
		progress_restart(e, service);
	}
	cells_refresh(e, service, e->now_us);
	s->check_verdict = true;
}

/* -- what the origin and uncached answers teach -- */

/* The newest unbroken run of answers that `same` accepts: has it converged? Its first goes to *ret_us. */
static bool tail_converged(const struct service *s, const struct runs *r, int64_t since_us,
	bool (*same)(const struct service *s, const struct value *v, const void *arg), const void *arg,
	int64_t *ret_us)
{
	int64_t first = TIME_NONE, last = TIME_NONE;
	uint64_t n = 0;
	for (size_t i = r->n; i-- > 0;) {
		const struct run *run = &runs_of(r)[i];
		if (!same(s, &s->values[run->value], arg) || run->last_us < since_us)
			break;
		last = last == TIME_NONE ? run->last_us : last;
		first = MAX(run->first_us, since_us);
		n += run_count_from(run, since_us);
		if (run->first_us < since_us || run->after_break)
			break;
	}
	if (n < CONVERGED_COUNT || last - first < CONVERGED_INTERVALS * s->interval_us)
		return false;
	*ret_us = first;
	return true;
}

static bool same_deploy(const struct service *s, const struct value *v, const void *arg)
{
	return value_serves(s, v, arg);
}

static bool same_text(const struct service *s, const struct value *v, const void *arg)
{
	return v->text == *(const uint32_t *)arg;
}

static const struct run *runs_last(const struct runs *r)
{
	return r->n ? &runs_of(r)[r->n - 1] : NULL;
}

static struct deploy_value *learned_at(struct deploy *d, uint32_t endpoint)
{
	for (size_t i = 0; i < d->n_learned; i++)
		if (d->learned[i].endpoint == endpoint)
			return &d->learned[i];
	d->learned = mem_grow(d->learned, &d->cap_learned, d->n_learned + 1, sizeof(*d->learned));
	d->learned[d->n_learned] = (struct deploy_value){ endpoint, NULL };
	return &d->learned[d->n_learned++];
}

/* Was it there before d: the value of a deploy before it, or what the origin gave before d started? */
static bool is_older_value(
	const struct service *s, const struct deploy *d, uint32_t endpoint, struct str text)
{
	const struct runs *r = &s->endpoints[endpoint].origin;
	for (size_t i = 0; i < s->n_ledger && s->ledger[i] != d; i++)
		if (str_eq(deploy_value_at(s, s->ledger[i], endpoint), text))
			return true;
	for (size_t i = 0; i < r->n; i++)
		if (runs_of(r)[i].first_us < d->started_us &&
			str_eq(names_get(&s->texts, s->values[runs_of(r)[i].value].text), text))
			return true;
	return false;
}

/* May what the origin agrees on replace what was learned before? Until the verdict it may correct itself. A
 * value from before the deploy is only held until there is a better one, verdict or not: a live_at that was
 * told too early must not make the old value right for good. It never replaces a newer one. */
static bool may_relearn(
	const struct service *s, const struct deploy *d, uint32_t endpoint, struct str right, struct str seen)
{
	for (size_t i = 0; i < s->n_deploys; i++)
		if (s->deploys[i]->verdict == VERDICT_PENDING)
			return false; /* it may be of what rolls out */
	return !is_older_value(s, d, endpoint, seen) &&
	       (d->verdict == VERDICT_CONVERGING || is_older_value(s, d, endpoint, right));
}

/* The verdict was given without this endpoint: who comes along later does not relapse. */
static void endpoint_tolerate(struct service *s, uint32_t endpoint)
{
	for (size_t i = 0; i < s->n_cells; i++)
		if (s->cells[i].endpoint == endpoint)
			s->cells[i].flags |= CELL_TOLERATED;
}

/* What the origin agrees on since the current deploy went live is its value. */
bool ledger_learn(struct service *s)
{
	struct deploy *d = s->n_ledger ? s->ledger[s->n_ledger - 1] : NULL;
	bool learned = false;
	for (uint32_t i = 0; d && i < s->n_endpoints; i++) {
		const struct endpoint *ep = &s->endpoints[i];
		const struct run *last = runs_last(&ep->origin);
		int64_t first;
		if (!ep->learned || last == NULL || deploy_declares(s, d, i))
			continue;
		uint32_t text = s->values[last->value].text;
		struct str seen = names_get(&s->texts, text), right = deploy_value_at(s, d, i);
		if (str_eq(seen, right) ||
			!tail_converged(s, &ep->origin, d->live_us, same_text, &text, &first) ||
			(right.n && !may_relearn(s, d, i, right, seen)))
			continue;
		if (d->verdict == VERDICT_VERIFIED)
			endpoint_tolerate(s, i);
		struct deploy_value *v = learned_at(d, ep->id);
		free(v->text);
		v->text = str_dup(seen);
		learned = true;
	}
	return learned;
}

/* Did all of the origin come to serve d? *ret_us: since when. */
bool ledger_observed_live(const struct service *s, const struct deploy *d, int64_t *ret_us)
{
	const struct deploy *current = ledger_current(s);
	int64_t live = TIME_NONE;
	bool origin = s->has_origin;
	for (size_t i = 0; i < s->n_endpoints; i++)
		origin |= runs_last(&s->endpoints[i].origin) != NULL &&
			  runs_last(&s->endpoints[i].origin)->last_us >= d->started_us;
	for (uint32_t i = 0; i < s->n_endpoints; i++) {
		const struct runs *r = origin ? &s->endpoints[i].origin : &s->endpoints[i].through;
		const struct run *last = runs_last(r);
		struct str right = deploy_value_at(s, d, i),
			   old = current ? deploy_value_at(s, current, i) : STR_NONE;
		int64_t first;
		if (last == NULL || last->last_us < d->started_us)
			continue;
		if (right.n == 0) { /* to be learned: anything new that the origin agrees on, where the old is
				       known */
			uint32_t text = s->values[last->value].text;
			if (!origin || old.n == 0)
				continue;
			if (str_eq(names_get(&s->texts, text), old) ||
				!tail_converged(s, r, d->started_us, same_text, &text, &first))
				return false;
		} else if (current && deploy_matches(s, current, i, right)) {
			continue; /* the same before and after: it tells nothing */
		} else if (!tail_converged(s, r, d->started_us, same_deploy, d, &first)) {
			return false;
		}
		live = live == TIME_NONE ? first : MAX(live, first);
	}
	if (live == TIME_NONE)
		return false;
	*ret_us = live;
	return true;
}
