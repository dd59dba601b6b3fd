/* inner.c - chains of caches that are read the same way under any vendor: X-Cache with the names beside it,
 * Cache-Status, X-Varnish, Via of Apache Traffic Server. A hop is a tier when it tells a status. */
#include "base/cdn/read.h"

/* The names that stand beside the words of X-Cache, both aligned from the right. CloudFront's words are
 * counted apart: it has its own list of pops, and stands anywhere in a stacked chain. */
struct names {
	struct list served_by, cf_pops;
	size_t served, cf; /* how many are taken */
};

static void names_read(const struct headers *h, struct names *ret)
{
	ret->served = ret->cf = 0;
	list_read(h, "x-served-by", ENCLOSING_QUOTES, &ret->served_by);
	if (!is_fastly_node(list_nearest(&ret->served_by, 0)))
		ret->served_by.n = 0; /* somebody else's X-Served-By names no caches */
	list_read(h, "x-amz-cf-pop", ENCLOSING_QUOTES, &ret->cf_pops);
}

static struct str name_of_word(struct names *names, struct str word)
{
	if (text_has(word, "from cloudfront"))
		return list_nearest(&names->cf_pops, names->cf++);
	struct str name = list_nearest(&names->served_by, names->served++);
	if (name.n == 0)
		name = akamai_host(word);
	return name.n > 0 ? name : word_host(word);
}

static enum tier_kind next_kind(const struct edge_info *e)
{
	return e->n_tiers == 0 ? TIER_EDGE : TIER_INNER;
}

/* "cp1065 frontend hit (3756)": the first word behind the name that is a cache word. */
static void wikimedia_add(struct edge_info *e, struct str word)
{
	enum cache_status status = CACHE_UNKNOWN;
	struct str name, rest = word, part;
	(void)part_cut(&rest, ' ', ENCLOSING_QUOTES, &name); /* there is one: word_is_wikimedia() */
	while (status == CACHE_UNKNOWN && part_cut(&rest, ' ', ENCLOSING_QUOTES, &part))
		status = cache_word(part);
	tier_add(e, next_kind(e), status, name);
}

static bool squid_had_a_copy(const struct list *lookups, struct str host, bool *ret_had)
{
	for (size_t i = 0; host.n > 0 && i < lookups->n; i++) {
		struct str lookup = list_nearest(lookups, i);
		if (!str_eq(word_host(lookup), host))
			continue;
		*ret_had = cache_word(lookup) == CACHE_HIT;
		return true;
	}
	return false;
}

bool x_cache_is_squids(const struct headers *h, const struct list *words)
{
	struct list lookups;
	bool had;
	list_read(h, "x-cache-lookup", ENCLOSING_ALL, &lookups);
	return words->n > 0 && squid_had_a_copy(&lookups, word_host(list_nearest(words, 0)), &had);
}

/* Squid says HIT or MISS and no more. That it had a copy and fetched all the same, the lookup tells; that the
 * copy it used is over, Warning. A page it made of an error is no copy. */
static enum cache_status squid_status(
	const struct headers *h, const struct list *lookups, struct str word, bool *warned)
{
	enum cache_status status = cache_word(word);
	struct str error;
	bool had;
	if (!squid_had_a_copy(lookups, word_host(word), &had))
		return status;
	if (status == CACHE_MISS && had && !headers_get(h, "x-squid-error", &error))
		return CACHE_EXPIRED;
	if (status == CACHE_HIT && *warned) {
		*warned = false; /* of Squids in a row, the first that used its copy is the one */
		return CACHE_STALE;
	}
	return status;
}

bool x_cache_read(const struct headers *h, struct edge_info *e, const struct list *words, size_t skip)
{
	struct names names;
	struct list lookups;
	e->used |= USED_X_CACHE;
	if (skip >= words->n)
		return false;
	names_read(h, &names);
	list_read(h, "x-cache-lookup", ENCLOSING_ALL, &lookups);
	bool warned = lookups.n > 0 && warned_stale(h, "squid");
	size_t from = e->n_tiers;
	if (from == 0)
		e->cache_source = "x-cache";
	for (size_t i = skip; i < words->n; i++) {
		struct str word = list_nearest(words, i);
		if (word_is_wikimedia(word))
			wikimedia_add(e, word);
		else if (lookups.n > 0)
			tier_add(e, next_kind(e), squid_status(h, &lookups, word, &warned),
				name_of_word(&names, word));
		else
			tier_add_word(e, next_kind(e), word, name_of_word(&names, word));
	}
	tiers_tell(e, from, "x-cache");
	return true;
}

bool cache_status_read(const struct headers *h, struct edge_info *e, const char *own_prefix)
{
	struct cache_status_member all[LIST_MAX], m;
	size_t n = 0, from = e->n_tiers;
	e->used |= USED_CACHE_STATUS;
	for (size_t at = 0; cache_status_next(h, &at, &m);)
		all[n++ % LIST_MAX] = m;
	for (size_t i = 0; i < MIN(n, LIST_MAX); i++) {
		const struct cache_status_member *near = &all[(n - 1 - i) % LIST_MAX];
		bool own = own_prefix && str_starts_nocase(near->name, own_prefix);
		if (e->n_tiers == 0)
			e->cache_source = "cache-status";
		tier_add(e,
			e->n_tiers == 0 ? TIER_EDGE
			: own           ? TIER_SHIELD
					: TIER_INNER,
			cache_status_word(near), STR_NONE);
	}
	tiers_tell(e, from, "cache-status");
	return n > 0;
}

/* "2067884606,378331597 378078226": a group for each Varnish, one id for what it fetched, two for what it
 * had. */
bool x_varnish_read(const struct headers *h, struct edge_info *e)
{
	struct list groups;
	size_t from = e->n_tiers;
	e->used |= USED_X_VARNISH;
	list_read(h, "x-varnish", ENCLOSING_QUOTES, &groups);
	for (size_t i = 0; i < groups.n; i++) {
		bool two = str_find(list_nearest(&groups, i), ' ') >= 0;
		if (e->n_tiers == 0)
			e->cache_source = "x-varnish";
		tier_add(e, next_kind(e), two ? CACHE_HIT : CACHE_MISS, STR_NONE);
	}
	tiers_tell(e, from, "x-varnish");
	return groups.n > 0;
}

bool plain_words_read(const struct headers *h, struct edge_info *e)
{
	static const char *const names[] = { "x-cache-status", "x-proxy-cache" };
	struct list words;
	size_t from = e->n_tiers;
	e->used |= USED_PLAIN;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		list_read(h, names[i], ENCLOSING_QUOTES, &words);
		if (words.n == 0)
			continue;
		if (e->n_tiers == 0)
			e->cache_source = names[i];
		for (size_t j = 0; j < words.n; j++) {
			struct str word = list_nearest(&words, j);
			tier_add_word(e, next_kind(e), word, word_host(word));
		}
		tiers_tell(e, from, names[i]);
		return true;
	}
	return false;
}

bool via_ats_read(const struct headers *h, struct edge_info *e)
{
	struct list members;
	size_t from = e->n_tiers;
	bool found = false;
	e->used |= USED_VIA;
	list_read(h, "via", ENCLOSING_ALL, &members);
	for (size_t i = 0; i < members.n; i++) {
		enum cache_status status;
		struct via v = via_parse(list_nearest(&members, i));
		if (!via_is_ats(&v) || !via_ats_status(&v, &status))
			continue;
		if (e->n_tiers == 0)
			e->cache_source = "via";
		tier_add(e, next_kind(e), status, v.host);
		found = true;
	}
	tiers_tell(e, from, "via");
	return found;
}

struct str vercel_pop(const struct headers *h)
{
	struct str id;
	ptrdiff_t colon = headers_get(h, "x-vercel-id", &id) ? str_find(id, ':') : -1;
	return colon > 0 ? str_first(id, (size_t)colon) : STR_NONE;
}

struct str wikimedia_pop(const struct headers *h)
{
	struct list words;
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	for (size_t i = 0; i < words.n; i++) {
		struct str word = list_nearest(&words, i);
		if (word_is_wikimedia(word))
			return str_first(word, (size_t)str_find(word, ' '));
	}
	return STR_NONE;
}

/* Headers of one vendor that hold one word; the vendor that is the edge has read its own already. */
static void vendor_words_read(const struct headers *h, struct edge_info *e)
{
	static const char *const names[] = { "x-vercel-cache", "cdn-cache", "x-sucuri-cache",
		"eo-cache-status", "x-77-cache" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str word;
		size_t from = e->n_tiers;
		if (e->cache_source && strcmp(e->cache_source, names[i]) == 0)
			continue;
		if (headers_get_last(h, names[i], &word) && word.n > 0)
			tier_add_word(e, TIER_INNER, word, i == 0 ? vercel_pop(h) : STR_NONE);
		tiers_tell(e, from, names[i]);
	}
}

void inner_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	vendor_words_read(h, e);
	if (!(e->used & USED_CACHE_STATUS))
		cache_status_read(h, e, NULL);
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	if (!(e->used & USED_X_CACHE))
		x_cache_read(h, e, &words, 0);
	/* Beside X-Cache these two mostly tell of the same caches once more. */
	if (!(e->used & USED_PLAIN) && words.n == 0)
		plain_words_read(h, e);
	if (!(e->used & USED_X_VARNISH) && words.n == 0)
		x_varnish_read(h, e);
	if (!(e->used & USED_VIA))
		via_ats_read(h, e);
}
