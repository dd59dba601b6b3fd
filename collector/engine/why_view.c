/* Causes as JSON: a cell's "why", and what a deploy says of its own. */
#include "collector/engine/view_internal.h"
#include "collector/engine/why.h"

static void evidence_begin(struct buf *out, const char *kind)
{
	json_comma(out);
	buf_add_char(out, '{');
	json_text(out, "kind", str_of(kind));
}

static void evidence(struct buf *out, const char *kind, const struct buf *text, const char *id)
{
	evidence_begin(out, kind);
	json_text(out, "text", buf_str(text));
	if (id)
		json_text(out, "id", str_of(id));
	buf_add_char(out, '}');
}

static void say_time(struct buf *out, int64_t at_us)
{
	struct buf t;
	buf_init(&t, 64);
	buf_add_json_time(&t, at_us);
	if (t.n > 2)
		buf_add(out, t.p + 1, t.n - 2);
	buf_fini(&t);
}

static void say_tiers(struct buf *out, uint32_t tiers)
{
	for (uint32_t i = 0; i < (tiers & 7); i++)
		buf_addf(out, "%s%s", i ? ", " : "",
			cache_status_name((enum cache_status)(tiers >> (3 + 4 * i) & 15)));
}

static const char *const live_says[] = { "not known", "as declared", "as observed", "assumed: nobody said" };

static void add_answer(const struct cell *c, const struct why *y, struct buf *out)
{
	struct buf t;
	buf_init(&t, 1024);
	buf_addf(&t, "seen ");
	say_time(&t, y->at_us);
	if (c->tiers & 7) {
		buf_addf(&t, "; caches, nearest first: ");
		say_tiers(&t, c->tiers);
	}
	if (c->age_s != OBS_AGE_NONE)
		buf_addf(&t, "; Age %d", c->age_s);
	if (c->ttl_s != OBS_TTL_NONE)
		buf_addf(&t, "; %d s left to live", c->ttl_s);
	evidence(out, "observation", &t, NULL);
	if (y->cached_us != TIME_NONE) {
		buf_clear(&t);
		buf_addf(&t, "the copy was made at ");
		say_time(&t, y->cached_us);
		buf_addf(&t, " or up to a second before");
		evidence(out, "header", &t, NULL);
	}
	buf_fini(&t);
}

static void add_purge(const struct purge *p, bool by_unknown, struct buf *out)
{
	struct buf t;
	buf_init(&t, 8192);
	buf_addf(&t, "%s%s purge%s", p->vendor ? p->vendor : "a", p->vendor ? "" : " CDN's",
		p->soft ? " (soft)" : "");
	for (size_t i = 0; i < p->n_patterns && i < 5; i++)
		buf_addf(&t, "%s%s", i ? ", " : " of ", p->patterns[i]);
	if (p->n_patterns > 5)
		buf_addf(&t, " and %zu more", p->n_patterns - 5);
	if (p->everything)
		buf_addf(&t, " of everything");
	for (size_t i = 0; i < p->n_tags && i < 5; i++)
		buf_addf(&t, "%s%s", i ? ", " : " by tag ", p->tags[i]);
	buf_addf(&t, ", requested ");
	say_time(&t, p->requested_us);
	if (p->completed_us != TIME_NONE) {
		buf_addf(&t, ", completed ");
		say_time(&t, p->completed_us);
	}
	if (by_unknown)
		buf_addf(&t, "; whether it covers this URL cannot be seen from outside");
	evidence(out, "purge", &t, p->id);
	buf_fini(&t);
}

static void add_draws(const struct why_view *w, const struct why *y, struct buf *out)
{
	struct buf t;
	double low, high;
	uint32_t n = y->sum.old + y->sum.fresh;
	if (n + y->sum.errors == 0)
		return;
	buf_init(&t, 1024);
	wilson95(y->sum.old, n, &low, &high);
	buf_addf(&t,
		"%u old and %u new answers from behind the caches, %u errors (%u of them 503); old %.1f-%.1f "
		"%%",
		y->sum.old, y->sum.fresh, y->sum.errors, y->sum.e503, 100 * low, 100 * high);
	evidence(out, "draws", &t, NULL);
	if (w->origin.old + w->origin.fresh + w->origin.errors) {
		buf_clear(&t);
		buf_addf(&t, "on the origin path: %u old, %u new, %u errors", w->origin.old, w->origin.fresh,
			w->origin.errors);
		evidence(out, "draws", &t, NULL);
	}
	buf_fini(&t);
}

static void add_layer_text(const struct layers *l, enum layer at, struct buf *out)
{
	struct buf t;
	if (l->at[at].text[0] == '\0')
		return;
	buf_init(&t, 1024);
	buf_addf(&t, "%s", l->at[at].text);
	evidence(out, layer_name(at), &t, NULL);
	buf_fini(&t);
}

static void add_evidence(const struct why_view *w, const struct cell *c, const struct why *y, struct buf *out)
{
	struct buf t;
	struct layers l;
	struct layers_seen nothing = { 0 };
	buf_add_key(out, "evidence");
	buf_add_char(out, '[');
	add_answer(c, y, out);
	if (y->purge)
		add_purge(y->purge, y->by_unknown, out);
	add_draws(w, y, out);
	enum layer at = cause_layer(y->cause);
	if (at == LAYER_MESH || at == LAYER_ROLLOUT || at == LAYER_PODS) {
		layers_read(w->e, w->s, w->d, &nothing, &l);
		add_layer_text(&l, at, out);
		if (at == LAYER_ROLLOUT)
			add_layer_text(&l, LAYER_MESH, out);
	}
	buf_init(&t, 1024);
	buf_addf(&t, "%s live ", w->d->version);
	say_time(&t, w->d->live_us);
	buf_addf(&t, ", %s", live_says[w->d->live_source]);
	evidence(out, "deploy", &t, w->d->id);
	buf_fini(&t);
	buf_add_char(out, ']');
}

/* -- the nearest fresh sibling: same edge, another endpoint; else the same endpoint at another edge -- */

static const struct cell *sibling_of(const struct why_view *w, const struct cell *c)
{
	const struct cell *other_edge = NULL;
	for (size_t i = 0; i < w->s->n_order; i++) {
		const struct cell *o = &w->s->cells[w->s->order[i]];
		if (o == c || o->state != CELL_FRESH)
			continue;
		if (o->edge == c->edge)
			return o;
		if (o->endpoint == c->endpoint && other_edge == NULL)
			other_edge = o;
	}
	return other_edge;
}

static void add_differs(struct buf *out, const char *what, const char *here, const char *there)
{
	if (str_eq(str_of(here), str_of(there)))
		return;
	json_comma(out);
	buf_add_char(out, '{');
	json_text(out, "what", str_of(what));
	json_text(out, "here", str_of(here));
	json_text(out, "there", str_of(there));
	buf_add_char(out, '}');
}

static void say_number(struct buf *out, int32_t x, int32_t none)
{
	if (x == none)
		buf_addf(out, "not told");
	else
		buf_addf(out, "%d", x);
}

static const char *text_of(struct buf *b)
{
	return b->n ? b->p : "";
}

static void add_sibling(const struct why_view *w, const struct cell *c, struct buf *out)
{
	const struct cell *o = sibling_of(w, c);
	buf_add_key(out, "sibling");
	if (o == NULL) {
		buf_addf(out, "null");
		return;
	}
	struct buf a[3], b[3];
	for (size_t i = 0; i < 3; i++)
		buf_init(&a[i], 256), buf_init(&b[i], 256);
	say_tiers(&a[0], c->tiers), say_tiers(&b[0], o->tiers);
	say_number(&a[1], c->age_s, OBS_AGE_NONE), say_number(&b[1], o->age_s, OBS_AGE_NONE);
	say_number(&a[2], c->ttl_s, OBS_TTL_NONE), say_number(&b[2], o->ttl_s, OBS_TTL_NONE);
	buf_add_char(out, '{');
	json_text(out, "endpoint", names_get(&w->e->names, w->s->endpoints[o->endpoint].id));
	json_text(out, "edge", names_get(&w->e->names, o->edge));
	json_text_or_null(out, "version",
		o->runs.n ? names_get(&w->s->texts, w->s->values[runs_of(&o->runs)[o->runs.n - 1].value].text)
			  : STR_NONE);
	buf_add_key(out, "differs");
	buf_add_char(out, '[');
	add_differs(out, "caches", text_of(&a[0]), text_of(&b[0]));
	add_differs(out, "Age", text_of(&a[1]), text_of(&b[1]));
	add_differs(out, "ttl", text_of(&a[2]), text_of(&b[2]));
	buf_addf(out, "]}");
	for (size_t i = 0; i < 3; i++)
		buf_fini(&a[i]), buf_fini(&b[i]);
}

static void add_said(struct buf *out, const char *key, const struct buf *text)
{
	json_text(out, key, buf_str(text));
}

void why_add(const struct why_view *w, const struct cell *c, const struct why *y, struct buf *out)
{
	struct buf t;
	buf_init(&t, 64 * 1024);
	buf_add_char(out, '{');
	json_text(out, "cause", str_of(cause_name(y->cause)));
	buf_add_key(out, "also");
	buf_add_char(out, '[');
	if (y->also != CAUSE_NONE && y->also != y->cause)
		buf_add_json(out, str_of(cause_name(y->also)));
	buf_add_char(out, ']');
	json_text(out, "layer", str_of(layer_name(cause_layer(y->cause))));
	why_text(w, c, y, &t);
	add_said(out, "text", &t);
	add_evidence(w, c, y, out);
	buf_add_key(out, "remarks");
	buf_addf(out, y->filled_by_probe ? "[\"filled_by_probe\"]" : "[]");
	add_sibling(w, c, out);
	json_text(out, "refuted_by", str_of(why_refuted_by(y->cause)));
	buf_clear(&t);
	why_next(w, c, y, &t);
	add_said(out, "next", &t);
	json_time(out, "eta", y->eta_us);
	buf_add_char(out, '}');
	buf_fini(&t);
}

/* -- a deploy -- */

static void add_why_of_deploy(const struct why_view *w, const struct why_deploy *y, struct buf *out)
{
	struct buf t;
	buf_add_key(out, "why");
	if (y->shown == NULL) {
		buf_addf(out, "null");
		return;
	}
	buf_init(&t, 64 * 1024);
	buf_add_char(out, '{');
	why_text(w, y->shown, &y->why, &t);
	add_said(out, "text", &t);
	json_text(out, "layer", str_of(layer_name(cause_layer(y->cause))));
	add_evidence(w, y->shown, &y->why, out);
	json_text(out, "refuted_by", str_of(why_refuted_by(y->cause)));
	buf_clear(&t);
	why_next(w, y->shown, &y->why, &t);
	add_said(out, "next", &t);
	buf_add_char(out, '}');
	buf_fini(&t);
}

static void add_layers(const struct layers *l, struct buf *out)
{
	buf_add_key(out, "layers");
	buf_add_char(out, '{');
	for (int i = 0; i < LAYER_COUNT; i++)
		json_text(out, layer_name((enum layer)i), str_of(layer_state_name(l->at[i].state)));
	buf_add_char(out, '}');
	buf_add_key(out, "layer_evidence");
	buf_add_char(out, '{');
	for (int i = 0; i < LAYER_COUNT; i++)
		if (l->at[i].text[0])
			json_text(out, layer_name((enum layer)i), str_of(l->at[i].text));
	buf_add_char(out, '}');
	json_text_or_null(out, "innermost", l->failing ? str_of(layer_name(l->innermost)) : STR_NONE);
}

/* The current deploy from its cells as they are; one that was overtaken, or came right after its verdict,
 * from what was noted when that was said. */
void why_deploy_add(const struct why_view *w, const struct deploy *d, struct buf *out)
{
	struct why_deploy y = { .cause = CAUSE_NONE };
	struct layers l;
	bool current = w->d == d;
	if (current)
		why_of_deploy(w, &y);
	if (y.cause == CAUSE_NONE && d->cause != CAUSE_NONE) {
		y.cause = (enum cause)d->cause;
		memcpy(y.causes, d->causes, sizeof(y.causes));
		y.not_fresh = d->n_not_fresh_then;
		y.unexplained = y.not_fresh - MIN(y.not_fresh, d->causes[d->cause]);
	}
	json_text_or_null(out, "cause", y.cause == CAUSE_NONE ? STR_NONE : str_of(cause_name(y.cause)));
	buf_add_key(out, "causes");
	buf_add_char(out, '{');
	for (size_t i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
		if (y.causes[i])
			json_count(out, cause_name((enum cause)i), y.causes[i]);
	buf_add_char(out, '}');
	json_count(out, "unexplained", y.unexplained);
	add_why_of_deploy(w, &y, out);
	layers_read(w->e, w->s, d, &y.seen, &l);
	add_layers(&l, out);
}
