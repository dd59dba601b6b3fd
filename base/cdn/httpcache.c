/* httpcache.c - what HTTP itself says of age and lifetime: RFC 9111 (Age, Cache-Control, Expires), RFC 9211
 * (Cache-Status), RFC 9213 (targeted fields). */
#include "base/cdn/read.h"
#include "base/units.h"

bool delta_seconds(struct str s, int64_t *ret_s)
{
	int64_t v = 0;
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - (unsigned)'0';
		if (d > 9)
			return false;
		v = v > (INT64_MAX - (int64_t)d) / 10 ? INT64_MAX : v * 10 + (int64_t)d;
	}
	*ret_s = v;
	return true;
}

/* The argument of a directive, as a token or as a quoted string: both are to be understood (RFC 9111, 5.2).
 */
static struct str argument_of(struct str s)
{
	if (s.n > 0 && s.p[0] == '"') {
		ptrdiff_t end = str_find(str_from(s, 1), '"');
		return end < 0 ? STR_NONE : str_first(str_from(s, 1), (size_t)end);
	}
	return token_of(s);
}

/* A lifetime that is no whole number counts as stale; of two, the first counts (RFC 9111, 4.2.1). */
static void lifetime_set(bool *has, int64_t *seconds, bool has_argument, struct str argument)
{
	if (*has)
		return;
	*has = true;
	*seconds = 0;
	if (has_argument)
		(void)delta_seconds(argument_of(argument), seconds);
}

static void directive_read(struct str member, struct cache_control *cc)
{
	/* The name ends where no token can go on: "no-cache max-age=0" is no-cache. */
	struct str name = token_of(member), rest = str_from(member, name.n);
	bool has_argument = rest.n > 0 && rest.p[0] == '=';
	struct str argument = has_argument ? str_from(rest, 1) : STR_NONE;
	if (str_eq_nocase(name, STR("no-store")))
		cc->no_store = cc->no_store || !has_argument;
	else if (str_eq_nocase(name, STR("no-cache")))
		cc->no_cache = cc->no_cache || !has_argument;
	else if (str_eq_nocase(name, STR("private")))
		cc->is_private = cc->is_private || !has_argument;
	else if (str_eq_nocase(name, STR("max-age")))
		lifetime_set(&cc->has_max_age, &cc->max_age_s, has_argument, argument);
	else if (str_eq_nocase(name, STR("s-maxage")))
		lifetime_set(&cc->has_s_maxage, &cc->s_maxage_s, has_argument, argument);
}

void cache_control_read(const struct headers *h, struct cache_control *ret)
{
	struct cache_control cc = { .present = false };
	struct str line, member;
	for (size_t at = 0; headers_next_line(h, STR("cache-control"), &at, &line);) {
		cc.present = true;
		while (part_cut(&line, ',', ENCLOSING_QUOTES, &member))
			directive_read(member, &cc);
	}
	*ret = cc;
}

/* One "key" or "key=value" of a Cache-Status member. False: no parameter of RFC 9211. */
static bool cache_status_parameter(struct str text, struct cache_status_member *m)
{
	struct str key = token_of(text), value = str_from(text, key.n);
	bool has_value = value.n > 0 && value.p[0] == '=';
	value = has_value ? str_trim(str_from(value, 1)) : STR_NONE;
	if (str_eq_nocase(key, STR("hit"))) {
		m->hit = !str_is(value, "?0");
	} else if (str_eq_nocase(key, STR("fwd"))) {
		m->fwd = argument_of(value);
	} else if (str_eq_nocase(key, STR("fwd-status"))) {
		(void)delta_seconds(token_of(value), &m->fwd_status);
	} else if (str_eq_nocase(key, STR("ttl"))) {
		bool negative = value.n > 0 && value.p[0] == '-';
		int64_t s;
		if (delta_seconds(token_of(negative ? str_from(value, 1) : value), &s)) {
			m->has_ttl = true;
			m->ttl_s = negative ? -s : s;
		}
	} else {
		return str_eq_nocase(key, STR("stored")) || str_eq_nocase(key, STR("collapsed")) ||
		       str_eq_nocase(key, STR("key")) || str_eq_nocase(key, STR("detail"));
	}
	return true;
}

static struct str unquoted(struct str s)
{
	return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? (struct str){ s.p + 1, s.n - 2 } : s;
}

/* Lenient, because the caches are: keys without quotes (Souin), "hit" beside "fwd", and a comma where a
 * semicolon belongs
 * (`"Netlify Edge"; hit, fwd=stale`): a member that is "key=value" of a known key goes on with the member
 * before. */
bool cache_status_next(const struct headers *h, size_t *at, struct cache_status_member *ret)
{
	struct cache_status_member m = { .name = STR_NONE };
	struct str member, part, first;
	if (!headers_next_member(h, "cache-status", at, &member))
		return false;
	if (part_cut(&member, ';', ENCLOSING_QUOTES, &part))
		m.name = unquoted(part);
	do {
		while (part_cut(&member, ';', ENCLOSING_QUOTES, &part))
			(void)cache_status_parameter(part, &m); /* unknown ones are left out */
		size_t peek = *at;
		struct cache_status_member probe = m;
		if (!headers_next_member(h, "cache-status", &peek, &member))
			break;
		first = str_first(member, part_end(member, ';', ENCLOSING_QUOTES));
		if (str_find(first, '=') <= 0 || !cache_status_parameter(str_trim(first), &probe))
			break;
		*at = peek;
	} while (true);
	*ret = m;
	return true;
}

enum cache_status cache_status_word(const struct cache_status_member *m)
{
	bool stale = str_eq_nocase(m->fwd, STR("stale"));
	if (m->hit)
		return stale || (m->has_ttl && m->ttl_s < 0) ? CACHE_STALE : CACHE_HIT;
	if (m->fwd.n == 0)
		return cache_word(
			m->name); /* "Cache-Status: HIT", as people write it who only know nginx's variable */
	if (str_eq_nocase(m->fwd, STR("bypass")))
		return CACHE_BYPASS;
	if (stale)
		return m->fwd_status == 304 ? CACHE_REVALIDATED : CACHE_EXPIRED;
	return CACHE_MISS;
}

void age_read(const struct headers *h, struct edge_info *e)
{
	static const char *const names[] = { "age", "x-age" };
	struct str value, first;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		/* Of a list the first member counts; what is no number is ignored (RFC 9111, 5.1). */
		if (!headers_get(h, names[i], &value) || !str_cut(&value, ',', &first) ||
			!delta_seconds(str_trim(first), &e->age_s))
			continue;
		e->age_source = i > 0 ? names[i] : NULL;
		return;
	}
	int64_t date_us, since_us;
	if (!headers_get(h, "x-cached-since", &value) || str_find(value, '-') != 4 ||
		time_parse(value, &since_us, NULL) < 0 || !headers_get(h, "date", &value) ||
		time_parse_http(value, &date_us) < 0)
		return;
	e->age_s = MAX(0, (date_us - since_us) / US_PER_S);
	e->age_source = "x-cached-since";
}

/* Expires - Date, at least 0; an Expires that cannot be read lies in the past (RFC 9111, 5.3). */
static bool expires_lifetime(const struct headers *h, int64_t *ret_s)
{
	struct str expires, date;
	int64_t expires_us, date_us;
	if (!headers_get(h, "expires", &expires) || !headers_get(h, "date", &date) ||
		time_parse_http(date, &date_us) < 0)
		return false;
	*ret_s = time_parse_http(expires, &expires_us) < 0 ? 0 : MAX(0, (expires_us - date_us) / US_PER_S);
	return true;
}

/* Remaining life in a shared cache, by the first rule that applies. */
static void shared_ttl(
	const struct headers *h, const struct vendor *v, const struct cache_control *cc, struct edge_info *e)
{
	struct cache_status_member m = { .name = STR_NONE };
	int64_t age_s = MAX(e->age_s, 0), lifetime_s;
	for (size_t at = 0; cache_status_next(h, &at, &m);)
		continue;
	if (m.has_ttl) {
		e->ttl_s = m.ttl_s;
		e->ttl_source = "cache-status";
	} else if (cc->present && v != NULL && v->hides_lifetime) {
		e->ttl_source = "rewritten-by-cdn";
	} else if (cc->no_store || cc->is_private) {
		e->ttl_source = "no-store/private";
	} else if (cc->no_cache) {
		e->ttl_s = 0;
		e->ttl_source = "no-cache";
	} else if (cc->has_s_maxage || cc->has_max_age) {
		e->ttl_s = (cc->has_s_maxage ? cc->s_maxage_s : cc->max_age_s) - age_s;
		e->ttl_source = cc->has_s_maxage ? "s-maxage" : "max-age";
	} else if (expires_lifetime(h, &lifetime_s)) {
		e->ttl_s = lifetime_s - age_s;
		e->ttl_source = "expires";
	}
}

/* A browser knows max-age and Expires, counts Age itself, and no stand-in for it. */
static void browser_ttl(const struct headers *h, const struct cache_control *cc, struct edge_info *e)
{
	int64_t lifetime_s, age_s = e->age_source ? 0 : MAX(e->age_s, 0);
	if (cc->no_store || cc->no_cache)
		e->browser_ttl_s = 0;
	else if (cc->has_max_age)
		e->browser_ttl_s = MAX(cc->max_age_s - age_s, 0);
	else if (expires_lifetime(h, &lifetime_s))
		e->browser_ttl_s = MAX(lifetime_s - age_s, 0);
}

/* A field of RFC 9213 is a Dictionary: strict, and the last of two counts. False: invalid or empty, the next
 * field's turn. */
static bool targeted_parse(const struct headers *h, const char *name, struct cache_control *ret)
{
	struct cache_control cc = { .present = false };
	struct str member;
	for (size_t at = 0; headers_next_member(h, name, &at, &member);) {
		struct str item = str_first(member, part_end(member, ';', ENCLOSING_QUOTES));
		struct str key = token_of(item), rest = str_from(item, key.n);
		bool has_argument = rest.n > 0 && rest.p[0] == '=', off = str_is(rest, "=?0");
		struct str argument = has_argument ? str_from(rest, 1) : STR_NONE;
		if (key.n == 0 || (rest.n > 0 && (!has_argument || argument.n == 0)))
			return false;
		cc.present = true;
		if (str_is(key, "no-store"))
			cc.no_store = !off;
		else if (str_is(key, "no-cache"))
			cc.no_cache = !off;
		else if (str_is(key, "private"))
			cc.is_private = !off;
		else if (str_is(key, "max-age"))
			cc.has_max_age = delta_seconds(argument, &cc.max_age_s);
		else if (str_is(key, "s-maxage"))
			cc.has_s_maxage = delta_seconds(argument, &cc.s_maxage_s);
	}
	*ret = cc;
	return cc.present;
}

/* Mostly there is none, and that costs nothing to know. */
static bool may_have_targeted(const struct headers *h)
{
	return headers_may_have(h, STR("cdn-cache-control")) ||
	       headers_may_have(h, STR("cloudflare-cdn-cache-control")) ||
	       headers_may_have(h, STR("netlify-cdn-cache-control")) ||
	       headers_may_have(h, STR("vercel-cdn-cache-control")) ||
	       headers_may_have(h, STR("akamai-cache-control"));
}

static void targeted_ttl(const struct headers *h, struct edge_info *e)
{
	/* Each vendor's target list, in its order. CDN-Cache-Control is passed on and so can be seen. */
	static const struct {
		const char *vendor, *name;
	} fields[] = {
		{ "cloudflare", "cloudflare-cdn-cache-control" },
		{ "cloudflare", "cdn-cache-control" },
		{ "netlify", "netlify-cdn-cache-control" },
		{ "netlify", "cdn-cache-control" },
		{ "vercel", "vercel-cdn-cache-control" },
		{ "vercel", "cdn-cache-control" },
		{ "akamai", "akamai-cache-control" },
		{ "akamai", "cdn-cache-control" },
	};
	struct cache_control cc;
	if (!may_have_targeted(h))
		return;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!str_is(e->vendor, fields[i].vendor) || !targeted_parse(h, fields[i].name, &cc))
			continue;
		e->targeted_source = fields[i].name;
		if (cc.no_store || cc.no_cache || cc.is_private)
			e->targeted_ttl_s = 0; /* they make max-age inoperative */
		else if (cc.has_s_maxage || cc.has_max_age)
			e->targeted_ttl_s =
				(cc.has_s_maxage ? cc.s_maxage_s : cc.max_age_s) - MAX(e->age_s, 0);
		return;
	}
}

void ttl_read(const struct headers *h, const struct vendor *v, struct edge_info *e)
{
	struct cache_control cc;
	cache_control_read(h, &cc);
	shared_ttl(h, v, &cc, e);
	browser_ttl(h, &cc, e);
	targeted_ttl(h, e);
}
