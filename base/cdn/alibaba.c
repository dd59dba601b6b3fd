/* alibaba.c - Source: Alibaba Cloud CDN documentation, "X-Cache" and "Via"; recorded answers. Via holds,
 * origin-first, the machines of each site as "cache7.cn1247[0,1,200-0,H]": timings, status, and a letter on
 * the one that looked (H hit, M miss, C checked). Sites that begin with l2 are the second tier.
 * X-Swift-CacheTime and Ali-Swift-Global-Savetime are the vendor's own clocks: neither is Age or a lifetime
 * by HTTP's rules. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("eagleid", NULL), MARK("ali-swift-", NULL), MARK("x-swift-", NULL),
	MARKS_END };

struct site {
	struct str name, node;
	enum cache_status status; /* by letter */
};

static bool member_parse(struct str member, struct site *ret)
{
	ptrdiff_t open = str_find(member, '['), dot = str_find(member, '.');
	if (open <= 0 || dot <= 0 || dot > open || str_find(str_first(member, (size_t)open), ' ') >= 0)
		return false;
	struct str inside = str_from(member, (size_t)open + 1);
	ptrdiff_t close = str_find(inside, ']'), comma;
	inside = close < 0 ? inside : str_first(inside, (size_t)close);
	comma = str_rfind(inside, ',');
	struct str letter = str_trim(comma < 0 ? inside : str_from(inside, (size_t)comma + 1));
	ret->node = str_first(member, (size_t)open);
	ret->name = str_from(ret->node, (size_t)dot + 1);
	ret->status = str_is(letter, "H")   ? CACHE_HIT
		      : str_is(letter, "M") ? CACHE_MISS
		      : str_is(letter, "C") ? CACHE_REVALIDATED
					    : CACHE_UNKNOWN;
	return ret->name.n > 0;
}

/* Sites, and caches of Apache Traffic Server behind them, nearest first. */
static void chain_read(const struct headers *h, struct edge_info *e, struct str edge_word)
{
	struct list via;
	struct site one, last = { STR_NONE, STR_NONE, CACHE_UNKNOWN };
	list_read(h, "via", ENCLOSING_ALL, &via);
	e->used |= USED_VIA;
	for (size_t i = 0; i < via.n; i++) {
		enum cache_status status;
		struct str member = list_nearest(&via, i);
		struct via v = via_parse(member);
		if (via_is_ats(&v)) {
			if (e->n_tiers > 0 && via_ats_status(&v, &status))
				tier_add(e, TIER_INNER, status, v.host);
			continue;
		}
		if (!member_parse(member, &one))
			continue;
		if (str_eq(one.name, last.name)) { /* another machine of the site we are in */
			struct tier *t = &e->tiers[e->n_tiers - 1];
			if (t->status == CACHE_UNKNOWN && !(e->n_tiers == 1 && edge_word.n > 0))
				t->status = one.status;
			continue;
		}
		if (e->n_tiers == OBS_TIERS_MAX)
			return;
		if (e->n_tiers == 0) {
			pop_set(e, one.name, "via");
			tier_add(
				e, TIER_EDGE, edge_word.n > 0 ? cache_word(edge_word) : one.status, one.node);
		} else {
			tier_add(e, str_starts(one.name, "l2") ? TIER_SHIELD : TIER_INNER, one.status,
				one.node);
		}
		last = one;
	}
}

static void alibaba_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	if (words.n > 0)
		e->cache_source = "x-cache";
	chain_read(h, e, list_nearest(&words, 0));
	tiers_tell(e, 1, "via");
	if (e->n_tiers == 0)
		tier_add_word(e, TIER_EDGE, list_nearest(&words, 0), STR_NONE);
	x_cache_read(h, e, &words, 1);
	if (e->cache_source == NULL && e->tiers[0].status != CACHE_UNKNOWN)
		e->cache_source = "via";
}

const struct vendor vendor_alibaba = { .name = "alibaba", .marks = marks, .read = alibaba_read };
