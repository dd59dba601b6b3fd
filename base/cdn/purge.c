/* purge.c - see purge.h. One row a vendor; what the rows mean stands beside their fields. Sources: CloudFront
 * "Invalidating files" and "Specifying the files to invalidate"; Cloudflare "Purge cache" and "Cache keys";
 * Fastly "Purging"; Akamai Fast Purge v3; Google Cloud CDN "Cache invalidation overview"; Azure Front Door
 * "Cache purging"; Netlify and Vercel "Caching"; Bunny "Purge cache"; Tencent EdgeOne "Cache purge"; Alibaba
 * Cloud CDN "Refresh and prefetch". */
#include "base/cdn/purge.h"

#include "base/glob.h"

enum star {
	STAR_LITERAL,     /* no wildcards at all */
	STAR_LAST,        /* as the last character only */
	STAR_AFTER_SLASH, /* as the last character, behind a slash */
	STAR_ANY,         /* by the site's own rules: anywhere */
};
enum query {
	QUERY_COUNTS,  /* part of the key: the pattern must carry it */
	QUERY_IGNORED, /* all variants go with the path */
};

struct rules {
	const char *vendor;
	enum star star;
	enum query query;
	bool any_case;  /* paths too */
	bool directory; /* a trailing '/' covers all below */
	bool prefix;    /* "host/path" without a scheme covers all below (Cloudflare's prefixes) */
	bool paths;     /* patterns name no host, and may leave out the first '/' */
	bool scheme;    /* http and https are two keys */
	bool regex;     /* patterns may be regular expressions: what looks like one is not judged */
	int64_t window_us;
};

#define SELF_WINDOW_US  (10 * US_PER_S)
#define OTHER_WINDOW_US (5 * US_PER_MIN)

static const struct rules table[] = {
	{ "cloudfront", STAR_LAST, QUERY_COUNTS, .paths = true, .window_us = 15 * US_PER_MIN },
	{ "cloudflare", STAR_LITERAL, QUERY_COUNTS, .prefix = true, .scheme = true,
		.window_us = 30 * US_PER_S },
	{ "fastly", STAR_LITERAL, QUERY_COUNTS, .window_us = 30 * US_PER_S },
	{ "akamai", STAR_LITERAL, QUERY_COUNTS, .window_us = 30 * US_PER_S },
	{ "google", STAR_AFTER_SLASH, QUERY_IGNORED, .window_us = 60 * US_PER_S },
	{ "azure", STAR_AFTER_SLASH, QUERY_IGNORED, .any_case = true, .window_us = 10 * US_PER_MIN },
	{ "vercel", STAR_LITERAL, QUERY_COUNTS, .window_us = OTHER_WINDOW_US },
	{ "netlify", STAR_LITERAL, QUERY_COUNTS, .window_us = OTHER_WINDOW_US },
	{ "bunny", STAR_LAST, QUERY_COUNTS, .directory = true, .window_us = OTHER_WINDOW_US },
	{ "jsdelivr", STAR_LITERAL, QUERY_IGNORED, .window_us = OTHER_WINDOW_US },
	{ "tencent", STAR_LITERAL, QUERY_COUNTS, .directory = true, .window_us = 5 * US_PER_MIN },
	{ "edgeone", STAR_LITERAL, QUERY_COUNTS, .directory = true, .window_us = 5 * US_PER_MIN },
	{ "alibaba", STAR_LITERAL, QUERY_COUNTS, .directory = true, .regex = true,
		.window_us = OTHER_WINDOW_US },
	/* caches that anybody runs: PURGE or ban as the site's configuration has it, local to each node */
	{ "self", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "none", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "generic", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "nginx", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "varnish", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "ats", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "squid", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "haproxy", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "envoy", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
	{ "souin", STAR_ANY, QUERY_COUNTS, .regex = true, .window_us = SELF_WINDOW_US },
};
static const struct rules others = { "", STAR_ANY, QUERY_COUNTS, .directory = false,
	.window_us = OTHER_WINDOW_US };

static const struct rules *rules_of(struct str vendor)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (purge_same_vendor(vendor, str_of(table[i].vendor)))
			return &table[i];
	return &others;
}

static bool is_product_of(struct str product, struct str vendor)
{
	return product.n > vendor.n && product.p[vendor.n] == '-' &&
	       str_eq_nocase(str_first(product, vendor.n), vendor);
}

bool purge_same_vendor(struct str a, struct str b)
{
	return str_eq_nocase(a, b) || is_product_of(a, b) || is_product_of(b, a);
}

int64_t purge_window_us(struct str vendor)
{
	return rules_of(vendor)->window_us;
}

/* -- URLs and patterns in parts -- */

struct parts {
	struct str scheme, host, path, query, target; /* target: path and query */
};

/* A path, with its query or without, where no host is meant. */
static struct parts split_target(struct str s)
{
	struct parts p = { .target = s, .path = s };
	ptrdiff_t query = str_find(s, '?');
	if (query >= 0) {
		p.path = str_first(s, (size_t)query);
		p.query = str_from(s, (size_t)query);
	}
	return p;
}

static struct parts split(struct str text)
{
	struct parts p = { 0 };
	ptrdiff_t colon = str_find(text, ':');
	if (colon > 0 && str_starts(str_from(text, (size_t)colon), "://")) {
		p.scheme = str_first(text, (size_t)colon);
		text = str_from(text, (size_t)colon + 3);
	}
	if (!str_starts(text, "/") && !str_starts(text, "*") && !str_starts(text, "?")) {
		ptrdiff_t slash = str_find(text, '/'), mark = str_find(text, '?');
		size_t end = slash >= 0 ? (size_t)slash : mark >= 0 ? (size_t)mark : text.n;
		p.host = str_first(text, end);
		text = str_from(text, end);
	}
	struct parts target = split_target(text);
	target.scheme = p.scheme, target.host = p.host;
	return target;
}

static struct parts split_url(struct str url)
{
	struct parts p = split(url);
	ptrdiff_t hash = str_find(p.target, '#'); /* never sent */
	if (hash >= 0)
		p.target = str_first(p.target, (size_t)hash);
	ptrdiff_t mark = str_find(p.target, '?');
	p.path = mark < 0 ? p.target : str_first(p.target, (size_t)mark);
	p.query = mark < 0 ? STR_NONE : str_from(p.target, (size_t)mark);
	if (p.path.n == 0) {
		p.path = STR("/");
		if (p.query.n == 0)
			p.target = p.path;
	}
	return p;
}

static bool same(struct str a, struct str b, bool any_case)
{
	return any_case ? str_eq_nocase(a, b) : str_eq(a, b);
}

static bool begins(struct str s, struct str with, bool any_case)
{
	return s.n >= with.n && same(str_first(s, with.n), with, any_case);
}

static bool looks_like_regex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '^' || s.p[i] == '$' || s.p[i] == '(' || s.p[i] == '[' || s.p[i] == '|' ||
			s.p[i] == '\\' ||
			(s.p[i] == '.' && i + 1 < s.n && (s.p[i + 1] == '*' || s.p[i + 1] == '+')))
			return true;
	return false;
}

/* -- does it cover? -- */

static enum purge_match path_matches(
	const struct rules *r, const struct parts *pattern, const struct parts *url, const char **ret_why)
{
	bool counts = r->query == QUERY_COUNTS;
	struct str want = r->query == QUERY_IGNORED ? pattern->path : pattern->target;
	struct str have = counts || pattern->query.n ? url->target : url->path;
	if (r->query == QUERY_IGNORED)
		have = url->path;
	if (url->query.n && str_is(url->path, "/") && !str_starts(have, "/"))
		have = url->query; /* "https://host?x": no path was said */
	bool last = want.n && want.p[want.n - 1] == '*';
	bool after_slash = want.n >= 2 && last && want.p[want.n - 2] == '/';
	bool covers;
	switch (r->star) {
	case STAR_ANY:
		covers = glob_matches(want, have, r->any_case);
		break;
	case STAR_LAST:
		covers = last ? begins(have, str_first(want, want.n - 1), r->any_case)
			      : same(want, have, r->any_case);
		break;
	case STAR_AFTER_SLASH:
		covers = after_slash ? begins(have, str_first(want, want.n - 1), r->any_case)
				     : same(want, have, r->any_case);
		break;
	default:
		covers = same(want, have, r->any_case);
		break;
	}
	if (!covers && r->directory && want.n && want.p[want.n - 1] == '/')
		covers = begins(have, want, r->any_case);
	if (covers)
		return PURGE_YES;
	if (counts && url->query.n && pattern->query.n == 0 && same(want, url->path, r->any_case))
		*ret_why = "the query string is part of the cache key, and the pattern has none";
	else if (same(want, have, true))
		*ret_why = "upper and lower case are two keys";
	else if (r->star == STAR_LITERAL && str_find(want, '*') >= 0)
		*ret_why = "this CDN takes no wildcards here";
	else if (r->star == STAR_LAST && str_find(want, '*') >= 0 && !last)
		*ret_why = "'*' is a wildcard as the last character only";
	else if (r->star == STAR_AFTER_SLASH && last && !after_slash)
		*ret_why = "'*' is a wildcard behind a slash only";
	else
		*ret_why = "it names another path";
	return PURGE_NO;
}

enum purge_match purge_pattern_matches(
	struct str vendor, struct str pattern, const struct purge_target *t, const char **ret_why)
{
	const struct rules *r = rules_of(vendor);
	const char *why = NULL;
	struct parts p = split(pattern), u = split_url(t->url);
	enum purge_match m;
	if (ret_why == NULL)
		ret_why = &why;
	*ret_why = "it names another path";
	if (pattern.n == 0)
		return PURGE_NO;
	if (r->regex && looks_like_regex(pattern))
		return PURGE_UNKNOWN;
	if (r->paths && p.scheme.n == 0 && !str_starts(pattern, "/") && str_starts(u.path, "/")) {
		p = split_target(pattern);
		u.target = str_from(u.target, 1), u.path = str_from(u.path, 1);
	}
	if (p.host.n && !str_eq_nocase(p.host, u.host)) {
		*ret_why = "it names another host";
		return PURGE_NO;
	}
	if (p.scheme.n && r->scheme && !str_eq_nocase(p.scheme, u.scheme)) {
		*ret_why = "http and https are two keys";
		return PURGE_NO;
	}
	if (p.host.n && p.scheme.n == 0 && p.target.n == 0)
		return PURGE_YES; /* a whole host */
	if (p.path.n == 0 && p.query.n == 0)
		p.path = p.target = STR("/");
	if (r->prefix && p.host.n && p.scheme.n == 0) {
		bool whole = begins(u.target, p.target, false) &&
			     (u.target.n == p.target.n || p.target.p[p.target.n - 1] == '/' ||
				     u.target.p[p.target.n] == '/' || u.target.p[p.target.n] == '?');
		*ret_why = "the prefix does not begin it";
		return whole ? PURGE_YES : PURGE_NO;
	}
	m = path_matches(r, &p, &u, ret_why);
	if (m == PURGE_YES && r->scheme && t->origin.n) {
		*ret_why = "copies made for a request with Origin have a key of their own";
		return PURGE_NO;
	}
	return m;
}

/* -- what would have -- */

void purge_pattern_for(struct str vendor, const struct purge_target *t, struct buf *out)
{
	const struct rules *r = rules_of(vendor);
	struct parts u = split_url(t->url);
	if (r->query == QUERY_IGNORED) {
		buf_add_str(out, u.path);
	} else if (r->star == STAR_LAST && r->query == QUERY_COUNTS) {
		buf_add_str(out, u.path);
		if (u.query.n)
			buf_add_char(out, '*');
	} else {
		buf_add_str(out, t->url);
	}
}

unsigned purge_pattern_nearness(struct str pattern, const struct purge_target *t)
{
	struct parts p = split(pattern), u = split_url(t->url);
	size_t n = 0;
	if (p.host.n && !str_eq_nocase(p.host, u.host))
		return 0;
	while (n < p.target.n && n < u.target.n && p.target.p[n] == u.target.p[n])
		n++;
	return (unsigned)(1000 * n / MAX(MAX(p.target.n, u.target.n), (size_t)1));
}

/* -- a command -- */

static void add_quoted(struct buf *out, struct str s)
{
	buf_add_char(out, '\'');
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\'')
			buf_addf(out, "'\\''");
		else
			buf_add_char(out, s.p[i]);
	buf_add_char(out, '\'');
}

/* %Z the zone, %P the pattern; both quoted for a shell. */
static const struct {
	const char *vendor, *zone, *command;
} commands[] = {
	{ "cloudfront", "DISTRIBUTION_ID",
		"aws cloudfront create-invalidation --distribution-id %Z --paths %P" },
	{ "cloudflare", "ZONE_ID",
		"jq -n --arg u %P '{files: [$u]}' | curl -X POST -H \"Authorization: Bearer "
		"$CLOUDFLARE_API_TOKEN\" --json @- "
		"https://api.cloudflare.com/client/v4/zones/%Z/purge_cache" },
	{ "fastly", "", "curl -X PURGE %P" },
	{ "akamai", "", "akamai purge invalidate %P" },
	{ "google", "URL_MAP", "gcloud compute url-maps invalidate-cdn-cache %Z --path %P" },
	{ "azure", "ENDPOINT",
		"az afd endpoint purge --endpoint-name %Z --content-paths %P --profile-name \"$PROFILE\" "
		"--resource-group "
		"\"$GROUP\"" },
	{ "vercel", "", "vercel cache purge --type cdn" },
	{ "netlify", "SITE_ID",
		"jq -n --arg s %Z '{site_id: $s}' | curl -X POST -H \"Authorization: Bearer $NETLIFY_TOKEN\" "
		"--json @- "
		"https://api.netlify.com/api/v1/purge" },
	{ "bunny", "",
		"curl -X POST -H \"AccessKey: $BUNNY_API_KEY\" -G --data-urlencode url=%P "
		"https://api.bunny.net/purge" },
};

void purge_command(struct str vendor, struct str zone, struct str pattern, struct buf *out)
{
	const char *command = "curl -X PURGE %P", *stand_in = "";
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (purge_same_vendor(vendor, str_of(commands[i].vendor)))
			command = commands[i].command, stand_in = commands[i].zone;
	for (; *command; command++) {
		if (command[0] == '%' && command[1] == 'P') {
			add_quoted(out, pattern);
			command++;
		} else if (command[0] == '%' && command[1] == 'Z') {
			if (zone.n)
				add_quoted(out, zone);
			else
				buf_addf(out, "%s", stand_in);
			command++;
		} else {
			buf_add_char(out, *command);
		}
	}
}
