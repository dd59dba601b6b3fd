#include "base/cdn/read.h"

/* The words of RFC 9211 and of the vendors that are not our own names already. */
static const struct {
	const char *word;
	enum cache_status status;
} words[] = {
	{ "prerender", CACHE_HIT },
	{ "tcp_hit", CACHE_HIT },
	{ "tcp_mem_hit", CACHE_HIT },
	{ "tcp_ims_hit", CACHE_HIT },
	{ "tcp_negative_hit", CACHE_HIT },
	{ "tcp_miss", CACHE_MISS },
	{ "tcp_remote_hit", CACHE_MISS },
	{ "scarce", CACHE_MISS },
	{ "tcp_refresh_miss", CACHE_EXPIRED },
	{ "refreshhit", CACHE_REVALIDATED },
	{ "tcp_refresh_hit", CACHE_REVALIDATED },
	{ "revalidate", CACHE_REVALIDATED },
	{ "tcp_refresh_fail_hit", CACHE_STALE },
	{ "hitstale", CACHE_STALE },
	{ "grace", CACHE_STALE },
	{ "pass", CACHE_BYPASS },
	{ "ignored", CACHE_BYPASS },
	{ "private_nostore", CACHE_BYPASS },
	{ "config_nocache", CACHE_BYPASS },
	{ "notcacheable", CACHE_BYPASS },
	{ "int", CACHE_GENERATED },
	{ "lambdageneratedresponse", CACHE_GENERATED },
	{ "functiongeneratedresponse", CACHE_GENERATED },
	{ "constructed", CACHE_GENERATED },
	{ "redirect", CACHE_GENERATED },
	{ "tcp_denied", CACHE_ERROR },
	{ "tcp_cookie_deny", CACHE_ERROR },
};

/* Letters, digits and '_': "hit/1079439", "HIT-CLUSTER" and "hit (1)" are told by their first word. */
static struct str word_cut(struct str *s)
{
	size_t i = 0;
	while (i < s->n && ((s->p[i] >= 'a' && s->p[i] <= 'z') || (s->p[i] >= 'A' && s->p[i] <= 'Z') ||
				   (s->p[i] >= '0' && s->p[i] <= '9') || s->p[i] == '_'))
		i++;
	struct str word = str_first(*s, i);
	*s = str_trim(str_from(*s, i));
	return word;
}

enum cache_status cache_word(struct str text)
{
	enum cache_status status;
	struct str rest = str_trim(text), word = word_cut(&rest);
	if (cache_status_from(word, &status)) {
		/* Alibaba says both: "MISS TCP_REFRESH_MISS". */
		if (status == CACHE_MISS && str_eq_nocase(word_cut(&rest), STR("TCP_REFRESH_MISS")))
			return CACHE_EXPIRED;
		return status;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq_nocase(word, str_of(words[i].word)))
			return words[i].status;
	return CACHE_UNKNOWN;
}

static struct str without_port(struct str host)
{
	/* The colons of IPv6 stand in brackets. */
	ptrdiff_t colon = str_rfind(host, ':'), close = str_rfind(host, ']');
	return colon > 0 && colon > close ? str_first(host, (size_t)colon) : host;
}

struct str word_host(struct str text)
{
	struct str word;
	bool next = false;
	while (part_cut(&text, ' ', ENCLOSING_QUOTES, &word)) {
		if (next)
			return without_port(word);
		next = str_eq_nocase(word, STR("from"));
	}
	return STR_NONE;
}

bool word_is_wikimedia(struct str text)
{
	ptrdiff_t space = str_find(text, ' ');
	struct str name = space < 0 ? STR_NONE : str_first(text, (size_t)space);
	if (name.n < 3 || !str_starts_nocase(name, "cp"))
		return false;
	for (size_t i = 2; i < name.n; i++)
		if (name.p[i] < '0' || name.p[i] > '9')
			return false;
	return true;
}

struct via via_parse(struct str member)
{
	struct via v = { STR_NONE, STR_NONE };
	struct str protocol, rest = member;
	if (!str_cut(&rest, ' ', &protocol))
		return v;
	rest = str_trim(rest);
	ptrdiff_t space = str_find(rest, ' ');
	v.host = without_port(space < 0 ? rest : str_first(rest, (size_t)space));
	v.comment = space < 0 ? STR_NONE : str_trim(str_from(rest, (size_t)space));
	if (v.comment.n > 0 && v.comment.p[0] == '(')
		v.comment = str_from(v.comment, 1);
	if (v.comment.n > 0 && v.comment.p[v.comment.n - 1] == ')')
		v.comment.n--;
	return v;
}

bool via_is_ats(const struct via *v)
{
	return text_has(v->comment, "TrafficServer");
}

/* The copy was over: what became of it, by what the server inwards said. A shortened code that leaves it out
 * says no more than that. */
static enum cache_status ats_stale_status(char server)
{
	switch (server) {
	case 'N':
		return CACHE_REVALIDATED;
	case 'E': /* no answer there */
	case ' ': /* not asked */
		return CACHE_STALE;
	default:
		return CACHE_EXPIRED;
	}
}

/* "[cRs f ]" or "[uScRs f p eN:t cCHp s ]": pairs of a field in lower case and its value. 'c' is the cache
 * lookup, 's' the server; the second c, behind the colon, is the detail we do not need. A space is a value
 * too, so nothing is trimmed here. */
bool via_ats_status(const struct via *v, enum cache_status *ret)
{
	ptrdiff_t open = str_find(v->comment, '[');
	struct str code = open < 0 ? STR_NONE : str_from(v->comment, (size_t)open + 1);
	char lookup = '\0', server = '\0';
	for (size_t i = 0; i + 1 < code.n && code.p[i] != ']' && code.p[i] != ':'; i += 2) {
		if (code.p[i] == 'c')
			lookup = code.p[i + 1];
		else if (code.p[i] == 's')
			server = code.p[i + 1];
	}
	switch (lookup) {
	case '\0':
		return false;
	case 'H':
	case 'R':
		*ret = CACHE_HIT;
		return true;
	case 'M':
	case 'A':
		*ret = CACHE_MISS;
		return true;
	case 'S':
		*ret = ats_stale_status(server);
		return true;
	case ' ':
		*ret = CACHE_BYPASS;
		return true;
	default:
		*ret = CACHE_UNKNOWN;
		return true;
	}
}

bool warned_stale(const struct headers *h, const char *agent)
{
	struct str line;
	for (size_t at = 0; headers_next_line(h, STR("warning"), &at, &line);)
		if ((str_starts(line, "110 ") || str_starts(line, "111 ")) && text_has(line, agent))
			return true;
	return false;
}

static bool name_is_clean(struct str s)
{
	bool ascii = true;
	if (s.n == 0 || s.n > CDN_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c == 0x7f)
			return false;
		ascii = ascii && c < 0x80;
	}
	return ascii || str_is_utf8(s);
}

void pop_set(struct edge_info *e, struct str pop, const char *source)
{
	pop = str_trim(pop);
	if (!name_is_clean(pop))
		return;
	e->pop = pop;
	e->pop_source = source;
}

void tier_add(struct edge_info *e, enum tier_kind kind, enum cache_status status, struct str node)
{
	if (e->n_tiers == OBS_TIERS_MAX)
		return; /* nearest first, so what is furthest away is lost */
	e->tiers[e->n_tiers++] = (struct tier){ kind, status, name_is_clean(node) ? node : STR_NONE, NULL };
}

void tiers_tell(struct edge_info *e, size_t from, const char *source)
{
	for (size_t i = from; i < e->n_tiers; i++)
		if (e->tiers[i].source == NULL)
			e->tiers[i].source = source;
}

void tier_add_word(struct edge_info *e, enum tier_kind kind, struct str word, struct str node)
{
	tier_add(e, kind, cache_word(word), node);
	if (str_eq_nocase(token_of(word), STR("TCP_REMOTE_HIT")))
		tier_add(e, kind == TIER_INNER ? TIER_INNER : TIER_SHIELD, CACHE_HIT, STR_NONE);
}

void edge_from_word(const struct headers *h, struct edge_info *e, const char *name, enum cache_status silent,
	struct str node)
{
	struct str word;
	if (!headers_get_last(h, name, &word) || word.n == 0) {
		tier_add(e, TIER_EDGE, silent, node);
		return;
	}
	e->cache_source = name;
	tier_add_word(e, TIER_EDGE, word, node);
}

struct str scratch_add(struct edge_info *e, struct str text)
{
	if (text.n > sizeof(e->scratch) - e->scratch_n)
		return STR_NONE;
	char *at = e->scratch + e->scratch_n;
	if (text.n)
		memcpy(at, text.p, text.n);
	e->scratch_n += text.n;
	return (struct str){ at, text.n };
}

bool is_fastly_node(struct str name) /* ^cache-[A-Za-z0-9-]+-[A-Z]{3}$ */
{
	if (name.n < sizeof("cache-x-FRA") - 1 || !str_starts(name, "cache-") || name.p[name.n - 4] != '-')
		return false;
	for (size_t i = 6; i < name.n - 4; i++)
		if (!((name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= 'A' && name.p[i] <= 'Z') ||
			    (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '-'))
			return false;
	for (size_t i = name.n - 3; i < name.n; i++)
		if (name.p[i] < 'A' || name.p[i] > 'Z')
			return false;
	return true;
}

/* Machines are called after their address: a23-62-155-202.deploy.static.akamaitechnologies.com */
struct str akamai_host(struct str text)
{
	struct str host = word_host(text), label = host;
	ptrdiff_t dot = str_find(host, '.');
	if (dot >= 0)
		label = str_first(host, (size_t)dot);
	int dashes = 0, digits = 0; /* digits of the number we are in */
	if (label.n < 2 || (label.p[0] != 'a' && label.p[0] != 'A'))
		return STR_NONE;
	for (size_t i = 1; i < label.n; i++) {
		if (label.p[i] == '-' && digits > 0)
			dashes++, digits = 0;
		else if (label.p[i] >= '0' && label.p[i] <= '9' && digits < 3)
			digits++;
		else
			return STR_NONE;
	}
	return dashes == 3 && digits > 0 ? label : STR_NONE;
}

static enum software software_of_via(const struct via *v)
{
	if (str_eq_nocase(v->host, STR("google")))
		return SOFTWARE_GOOGLE;
	if (via_is_ats(v))
		return SOFTWARE_ATS;
	if (text_has(v->comment, "squid"))
		return SOFTWARE_SQUID;
	if (str_starts_nocase(v->host, "varnish") || text_has(v->comment, "varnish"))
		return SOFTWARE_VARNISH;
	if (str_eq_nocase(v->host, STR("envoy")))
		return SOFTWARE_ENVOY;
	return SOFTWARE_NONE;
}

static enum software software_of_server(struct str server)
{
	struct str word = word_cut(&server);
	if (str_eq_nocase(word, STR("ATS")) || str_eq_nocase(word, STR("ApacheTrafficServer")))
		return SOFTWARE_ATS;
	if (str_eq_nocase(word, STR("squid")))
		return SOFTWARE_SQUID;
	if (str_eq_nocase(word, STR("Varnish")))
		return SOFTWARE_VARNISH;
	if (str_eq_nocase(word, STR("envoy")) ||
		(str_eq_nocase(word, STR("istio")) && str_starts_nocase(server, "-envoy")))
		return SOFTWARE_ENVOY;
	return SOFTWARE_NONE;
}

enum software software_named(const struct headers *h)
{
	static const struct mark envoy[] = { MARK("x-envoy-", NULL), MARKS_END };
	struct list via;
	struct str value;
	enum software found = SOFTWARE_NONE;
	list_read(h, "via", ENCLOSING_ALL, &via);
	for (size_t i = 0; i < via.n; i++) {
		struct via member = via_parse(list_nearest(&via, i));
		if (str_eq_nocase(member.host, STR("Caddy")))
			continue; /* a proxy without a cache: who is behind it counts */
		found = software_of_via(&member);
		break;
	}
	if (found == SOFTWARE_NONE && headers_get(h, "server", &value))
		found = software_of_server(value);
	if (found != SOFTWARE_NONE)
		return found;
	struct cache_status_member m;
	for (size_t at = 0; cache_status_next(h, &at, &m);)
		if (str_starts_nocase(m.name, "Souin"))
			return SOFTWARE_SOUIN;
	if (headers_get(h, "x-varnish", &value))
		return SOFTWARE_VARNISH;
	return headers_match(h, envoy) ? SOFTWARE_ENVOY : SOFTWARE_NONE;
}
