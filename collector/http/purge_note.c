/* purge_note.c - see purge_note.h */
#include "collector/http/purge_note.h"

#include "base/cdn/purge.h"
#include "collector/engine/view.h"
#include "collector/http/json_text.h"

#define SERVICES_MAX  (64 * 1024 * 1024)
#define WARNINGS_MAX  8
#define WORK_MAX      (20 * 1000 * 1000) /* bytes compared, for one purge: what is beyond is not looked at */
#define PATTERN_SHOWN 64

bool purge_patterns_fine(struct request *r, const json_t *purge)
{
	const json_t *v;
	size_t i;
	json_array_foreach(json_object_get(purge, "patterns"), i, v)
	{
		struct str s = json_text(v);
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
		if (str_eq(json_text_of(s, "name"), service))
			return json_object_get(s, "endpoints");
	}
	return NULL;
}

struct met { /* what a pattern came to, over all endpoints */
	bool any;
	unsigned nearness; /* of the one that came nearest */
	struct str url;
	const char *why; /* it missed that one */
};

/* By the vendor's own rules. Once the budget is used up everything meets: no warning is better than a slow answer. */
static struct met pattern_meets(const json_t *endpoints, struct str vendor, struct str pattern, size_t *budget)
{
	struct met met = { 0 };
	const json_t *e;
	size_t i;
	json_array_foreach(endpoints, i, e)
	{
		struct purge_target t = { .url = json_text_of(e, "url") };
		size_t most = pattern.n * t.url.n + 1;
		const char *why = NULL;
		if (most > *budget)
			met.any = true;
		if (met.any)
			break;
		*budget -= most;
		met.any = purge_pattern_matches(vendor, pattern, &t, &why) != PURGE_NO;
		unsigned nearness = purge_pattern_nearness(pattern, &t);
		if (met.why == NULL || nearness > met.nearness) {
			met.why = why;
			met.url = t.url;
			met.nearness = nearness;
		}
	}
	return met;
}

static void warn(struct buf *out, struct str vendor, struct str pattern, const struct met *met, struct str service,
	size_t n_endpoints)
{
	struct buf says;
	buf_init(&says, 16 * 1024);
	buf_addf(&says, "'");
	buf_add_str(&says, pattern.n <= PATTERN_SHOWN ? pattern : str_first(pattern, PATTERN_SHOWN));
	buf_addf(&says, "%s'", pattern.n > PATTERN_SHOWN ? "..." : "");
	if (n_endpoints == 1)
		buf_addf(&says, " does not match the one endpoint of %.*s", STR_ARG(service));
	else
		buf_addf(&says, " matches none of %.*s's %zu endpoints", STR_ARG(service), n_endpoints);
	if (met->why)
		buf_addf(&says, ": %s", met->why);
	buf_addf(&says, "; ");
	purge_pattern_for(vendor, &(struct purge_target){ .url = met->url }, &says);
	buf_addf(&says, " would cover %.*s", STR_ARG(met->url));
	buf_add_json(out, buf_str(&says));
	buf_fini(&says);
}

void purge_add_warnings(struct request *r, const json_t *purge)
{
	struct str service = json_text_of(purge, "service"), vendor = json_text_of(purge, "vendor");
	size_t i, n = 0, budget = WORK_MAX;
	json_t *all = NULL;
	const json_t *v, *endpoints = endpoints_of(r, service, &all);
	struct buf warnings;
	buf_init(&warnings, 256 * 1024);
	json_array_foreach(json_object_get(purge, "patterns"), i, v)
	{
		struct str pattern = json_text(v);
		if (n == WARNINGS_MAX || json_array_size(endpoints) == 0)
			break;
		struct met met = pattern_meets(endpoints, vendor, pattern, &budget);
		if (met.any)
			continue;
		if (n++ > 0)
			buf_add_char(&warnings, ',');
		warn(&warnings, vendor, pattern, &met, service, json_array_size(endpoints));
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
