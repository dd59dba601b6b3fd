/* What causes are told from, noted while observations come: which answers came from behind all caches, what
 * stood behind a miss, how a copy came to be. */
#include "collector/engine/observe_impl.h"
#include "collector/engine/why.h"

uint64_t observe_word_hash(const struct fold *f, uint16_t word)
{
	struct scratch *x = f->e->scratch;
	if (word && x->hash[word] == 0)
		x->hash[word] = str_hash(batch_str(f->b, word)) | 1;
	return word ? x->hash[word] : 0;
}

/* An error that Envoy made itself has Envoy's name and no time spent at an upstream. */
static bool is_envoys_own(const struct fold *f, const struct obs *o)
{
	struct str head = batch_str(f->b, o->evidence);
	if (head.n == 0)
		return str_starts(batch_str(f->b, o->edge), "envoy");
	return str_contains_nocase(head, "envoy") &&
	       !str_contains_nocase(head, "x-envoy-upstream-service-time");
}

/* What tells the causes of wrong answers that came through: which versions, and which errors, came from
 * behind all caches. */
void note_draw(struct fold *f, const struct seen *o)
{
	const struct obs *ob = o->o;
	uint32_t region = f->e->agents[f->agent].region;
	if (f->s->tracked == NULL)
		return;
	if (o->result == RESULT_GOOD) {
		uint64_t etag = batch_str(f->b, ob->etag).n ? observe_word_hash(f, ob->etag) : 0;
		if (etag)
			f->s->values[o->value].etag[ob->path] = (uint32_t)(etag ^ etag >> 32) | 1;
		drawlog_add(f->s, o->endpoint, region, ob->path, o->value, 0, false, 0, o->at_us);
	} else if (o->result == RESULT_HTTP_ERROR && ob->status >= 500 && !obs_is_cached(ob)) {
		uint32_t edge = ob->edge ? names_put(&f->e->names, batch_str(f->b, ob->edge)) : 0;
		drawlog_add(f->s, o->endpoint, region, ob->path, NONE32, ob->status, is_envoys_own(f, ob),
			edge, o->at_us);
	}
}

uint32_t tiers_of(const struct obs *o)
{
	uint32_t tiers = o->n_tiers;
	for (size_t i = 0; i < o->n_tiers; i++)
		tiers |= (uint32_t)o->tiers[i] << (3 + 4 * i);
	return tiers;
}

/* How the copy came to be, as far as we saw: by our own miss, or kept by a 304. */
void cell_fill(struct cell *c, const struct obs *o, int64_t at_us)
{
	bool revalidated = false;
	for (size_t i = 0; i < o->n_tiers; i++)
		revalidated |= o->tiers[i] == CACHE_REVALIDATED;
	if (revalidated)
		c->flags |= CELL_REVALIDATED;
	if (o->n_tiers == 0 || (o->tiers[0] != CACHE_MISS && o->tiers[0] != CACHE_EXPIRED))
		return;
	c->fill_s = (uint32_t)(at_us / US_PER_S);
	if (!revalidated)
		c->flags &= (uint8_t)~CELL_REVALIDATED;
}

/* The nearest tier had none, and one behind it answered from its copy. */
void note_behind(struct fold *f, const struct seen *o, uint32_t edge)
{
	const struct obs *ob = o->o;
	struct endpoint *ep = &f->s->endpoints[o->endpoint];
	if (ob->n_tiers == 0 || (ob->tiers[0] != CACHE_MISS && ob->tiers[0] != CACHE_EXPIRED) ||
		ob->age_s == OBS_AGE_NONE || !obs_is_cached(ob))
		return;
	struct behind b = { edge, o->at_us, o->at_us - ob->age_s * US_PER_S };
	for (size_t i = 0; i < ep->n_behind; i++)
		if (ep->behind[i].edge == edge && b.cached_us - ep->behind[i].cached_us <= SAME_OBJECT_US &&
			ep->behind[i].cached_us - b.cached_us <= SAME_OBJECT_US) {
			ep->behind[i].at_us = MAX(ep->behind[i].at_us, b.at_us);
			return;
		}
	if (ep->n_behind < BEHIND_MAX) {
		ep->behind = mem_grow(ep->behind, &ep->cap_behind, ep->n_behind + 1, sizeof(b));
		ep->behind[ep->n_behind++] = b;
		return;
	}
	ep->behind[ep->next_behind] = b;
	ep->next_behind = (ep->next_behind + 1) % BEHIND_MAX;
}

/* The newest answer that was not fresh: what the cause of a mixed cell is told from. */
void note_wrong(struct fold *f, struct trouble *t, const struct seen *o)
{
	struct judgement j;
	if (o->at_us < t->wrong.at_us)
		return;
	value_judge(f->s, o->value, o->at_us, &j);
	if (j.label != LABEL_FRESH)
		t->wrong = (struct answer){ o->at_us, o->value, o->o->age_s, o->o->ttl_s, tiers_of(o->o) };
}
