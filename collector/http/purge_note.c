/* purge_note.c - see purge_note.h */
#include "collector/http/purge_note.h"

#include "base/glob.h"
#include "collector/engine/view.h"

#define SERVICES_MAX  (64 * 1024 * 1024)
#define WARNINGS_MAX  8
#define WORK_MAX      (20 * 1000 * 1000) /* bytes compared, for one purge: what is beyond is not looked at */
#define PATTERN_SHOWN 64

static struct str text_of(const json_t *v)
{
	return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) } : STR_NONE;
}

/* Once the budget is used up everything meets: no warning is better than a slow answer. */
static bool glob_meets(struct str glob, struct str text, size_t *budget)
{
	size_t most = glob.n * text.n + 1;
	if (most > *budget)
		return true;
	*budget -= most;
	return glob_matches(glob, text, false);
}

bool purge_pattern_meets(struct str pattern, struct str url, size_t *budget)
{
	ptrdiff_t scheme = str_find(url, ':');
	struct str bare = scheme > 0 ? str_from(url, (size_t)scheme + 3) : url;
	ptrdiff_t slash = str_find(bare, '/');
	struct str target = slash >= 0 ? str_from(bare, (size_t)slash) : STR("/");
	ptrdiff_t query = str_find(target, '?');
	struct str path = query >= 0 ? str_first(target, (size_t)query) : target;
	bool meets = glob_meets(pattern, target, budget) || glob_meets(pattern, path, budget);
	if (!meets && !str_starts(pattern, "/"))
		meets = glob_meets(pattern, url, budget) || glob_meets(pattern, bare, budget);
	return meets;
}

bool purge_patterns_fine(struct request *r, const json_t *purge)
{
	const json_t *v;
	size_t i;
	json_array_foreach(json_object_get(purge, "patterns"), i, v)
	{
		struct str s = text_of(v);
		for (size_t k = 0; k < s.n; k++) {
			unsigned char c = (unsigned char)s.p[k];
			if (c > ' ' && c != 0x7f && c != '#')
				continue;
			answer_problem(r, 422, "invalid",
				"/patterns/%zu: holds %s, which no URL that is asked for does", i,
				c == ' '   ? "a blank"
				: c == '#' ? "'#'"
					   : "a control character");
			return false;
		}
	}
	return true;
}

/* The endpoints of this service, as view_services() tells them; borrowed from *ret_all, which is the
 * caller's. */
static const json_t *endpoints_of(struct request *r, struct str service, json_t **ret_all)
{
	struct buf all;
	const json_t *s;
	size_t i;
	buf_init(&all, SERVICES_MAX);
	view_services(hub_read(r->http->hub), &all);
	hub_read_done(r->http->hub);
	*ret_all = buf_failed(&all) ? NULL : json_loadb(all.p, all.n, 0, NULL);
	buf_fini(&all);
	json_array_foreach(*ret_all, i, s)
	{
		if (str_eq(text_of(json_object_get(s, "name")), service))
			return json_object_get(s, "endpoints");
	}
	return NULL;
}

static bool meets_any(const json_t *endpoints, struct str pattern, bool slash_optional, size_t *budget)
{
	const json_t *e;
	struct buf rooted;
	bool meets = false;
	size_t i;
	buf_init(&rooted, pattern.n + 2);
	if (slash_optional && !str_starts(pattern, "/"))
		buf_addf(&rooted, "/%.*s", STR_ARG(pattern));
	json_array_foreach(endpoints, i, e)
	{
		struct str url = text_of(json_object_get(e, "url"));
		meets = meets || purge_pattern_meets(pattern, url, budget) ||
			(rooted.n > 0 && purge_pattern_meets(buf_str(&rooted), url, budget));
	}
	buf_fini(&rooted);
	return meets;
}

static void warn(struct buf *out, struct str pattern, struct str service, size_t n_endpoints)
{
	struct buf says;
	bool whole = str_starts(pattern, "/") || str_starts(pattern, "*") || str_find(pattern, '/') > 0;
	buf_init(&says, 1024);
	buf_addf(&says, "'");
	buf_add_str(&says, pattern.n <= PATTERN_SHOWN ? pattern : str_first(pattern, PATTERN_SHOWN));
	buf_addf(&says, "%s'", pattern.n > PATTERN_SHOWN ? "..." : "");
	if (n_endpoints == 1)
		buf_addf(&says, " does not match the one endpoint of %.*s", STR_ARG(service));
	else
		buf_addf(&says, " matches none of %.*s's %zu endpoints", STR_ARG(service), n_endpoints);
	buf_addf(&says, "%s", whole ? "" : "; a pattern begins with / or *, or is a whole URL");
	buf_add_json(out, buf_str(&says));
	buf_fini(&says);
}

void purge_add_warnings(struct request *r, const json_t *purge)
{
	struct str service = text_of(json_object_get(purge, "service"));
	/* CloudFront takes a path without its leading slash too. */
	bool slash_optional = str_is(text_of(json_object_get(purge, "vendor")), "cloudfront");
	size_t i, n = 0, budget = WORK_MAX;
	json_t *all = NULL;
	const json_t *v, *endpoints = endpoints_of(r, service, &all);
	struct buf warnings;
	buf_init(&warnings, 64 * 1024);
	json_array_foreach(json_object_get(purge, "patterns"), i, v)
	{
		struct str pattern = text_of(v);
		if (n == WARNINGS_MAX || json_array_size(endpoints) == 0)
			break;
		if (meets_any(endpoints, pattern, slash_optional, &budget))
			continue;
		if (n++ > 0)
			buf_add_char(&warnings, ',');
		warn(&warnings, pattern, service, json_array_size(endpoints));
	}
	if (n > 0 && !buf_failed(&warnings) && str_ends(buf_str(&r->out), "}")) {
		r->out.n--;
		buf_addf(&r->out, ",\"warnings\":[");
		buf_add_str(&r->out, buf_str(&warnings));
		buf_addf(&r->out, "]}");
	}
	buf_fini(&warnings);
	json_decref(all);
}
