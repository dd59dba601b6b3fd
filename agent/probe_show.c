/* probe_show.c - an answer as text for a person, as one line of many addresses, or as JSON. */
#include <stdio.h>

#include "agent/place_json.h"
#include "agent/probe.h"
#include "base/clock.h"
#include "base/places.h"
#include "base/printable.h"
#include "base/units.h"

static const char *cure(const struct probe_result *r, enum obs_fail fail)
{
	switch (fail) {
	case FAIL_OK:
		return "";
	case FAIL_DNS:
		return "check the name, and this machine's resolver (getent hosts NAME)";
	case FAIL_CONNECT:
		return "nothing listens there, or a firewall is in between";
	case FAIL_TLS:
		return "the server's certificate: its name, its dates, its chain; for a signer of your own "
		       "use --ca FILE";
	case FAIL_TIMEOUT:
		return "raise --timeout, or find out which phase is slow";
	case FAIL_RESET:
		return "the server, or something in between, hung up: its log knows why";
	case FAIL_PROTOCOL:
		return "what answers there does not speak HTTP, or not well";
	case FAIL_TOO_BIG:
		return "probe a smaller document: a version endpoint is meant to be small";
	case FAIL_REFUSED:
		return "leave out --public-only; an agent needs the network in its allow_networks";
	case FAIL_REDIRECT:
		return "probe the address it points to, or use --redirects 1 when that is on the same host";
	case FAIL_HTTP:
		return "the path, or what the server wants to be told (-H 'Authorization: ...')";
	case FAIL_NO_VERSION:
		return r->p->asked ? "look at the body; see --help for the ways to find a version"
				   : "say where it is: --json POINTER, --header NAME, --regex EXPRESSION, "
				     "--etag or --sha256";
	case FAIL_OTHER:
	case OBS_FAIL_COUNT:
		break;
	}
	return "try the same with curl -v";
}

static void add_ms(struct buf *out, const char *name, int32_t us)
{
	if (us >= 0)
		buf_addf(out, ", %s %.1f", name, us / 1000.0);
}

static void add_line(struct buf *out, const char *name)
{
	buf_addf(out, "%s  %-9s", out->n ? "\n" : "", name);
}

static void text_cache(struct buf *out, const struct answer *a)
{
	char text[TIME_TEXT_MAX];
	if (a->obs.n_tiers > 0) {
		add_line(out, "cache");
		for (size_t i = 0; i < a->obs.n_tiers; i++) {
			buf_addf(out, "%s%s %s", i ? ", " : "",
				tier_kind_name((enum tier_kind)a->obs.tier_kinds[i]),
				cache_status_name((enum cache_status)a->obs.tiers[i]));
			if (a->cdn.tiers[i].node.n > 0) {
				buf_addf(out, " (");
				buf_add_printable(out, a->cdn.tiers[i].node);
				buf_addf(out, ")");
			}
		}
	}
	if (a->obs.age_s != OBS_AGE_NONE) {
		add_line(out, "age");
		buf_addf(out, "%s", duration_format(a->obs.age_s * US_PER_S, text));
		if (a->cdn.age_source)
			buf_addf(out, " (by %s)", a->cdn.age_source);
	}
	if (a->obs.ttl_s != OBS_TTL_NONE) {
		add_line(out, "ttl");
		buf_addf(out, "%s left in shared caches", duration_format(a->obs.ttl_s * US_PER_S, text));
		if (a->cdn.ttl_source)
			buf_addf(out, " (by %s)", a->cdn.ttl_source);
	}
	if (a->obs.browser_ttl_s != OBS_TTL_NONE) {
		add_line(out, "browser");
		buf_addf(out, "may keep it for %s", duration_format(a->obs.browser_ttl_s * US_PER_S, text));
	}
}

static void text_render(struct probe_result *r, const struct answer *a)
{
	struct buf *out = &r->out;
	const struct obs_timing *t = &a->obs.timing;
	enum obs_fail fail = (enum obs_fail)a->obs.fail;
	buf_add_printable(out, str_of(r->url));
	add_line(out, "version");
	if (a->version.n > 0)
		buf_add_printable(out, a->version);
	else
		buf_addf(out, "none");
	if (a->obs.flags & OBS_CUT)
		buf_addf(out, " (cut at %d bytes)", OBS_VERSION_MAX);
	add_line(out, "status");
	if (a->obs.status)
		buf_addf(out, "%d", a->obs.status);
	else
		buf_addf(out, "no answer");
	buf_addf(out, "; %.1f ms", t->total_us / 1000.0);
	add_ms(out, "lookup", t->dns_us);
	add_ms(out, "connect", t->connect_us);
	add_ms(out, "tls", t->tls_us);
	add_ms(out, "first byte after", t->ttfb_us);
	if (a->edge.n > 0) {
		add_line(out, "edge");
		buf_add_printable(out, a->edge);
		struct place p;
		if (place_of_edge(a->edge, &p))
			buf_addf(out, " (%.*s%s%s)", STR_ARG(p.city), p.city.n > 0 ? ", " : "", p.country);
		else if (a->cdn.iata[0])
			buf_addf(out, " (%s)", a->cdn.iata);
	}
	if (a->ip.n > 0) {
		add_line(out, "address");
		buf_add_printable(out, a->ip);
	}
	if (a->obs.status)
		text_cache(out, a);
	if (fail != FAIL_OK) {
		add_line(out, "error");
		buf_addf(out, "%s: ", obs_fail_name(fail));
		buf_add_printable(out, str_of(a->why.text));
		add_line(out, "");
		buf_addf(out, "%s", cure(r, fail));
	}
	buf_addf(out, "\n");
}

/* One line: of many addresses the odd one out is what is looked for. */
static void line_render(struct probe_result *r, const struct answer *a)
{
	struct buf *out = &r->out;
	buf_addf(out, "%-39s  ", r->address);
	buf_add_printable(out, a->version.n > 0 ? a->version : STR("none"));
	buf_addf(out, "  ");
	buf_add_printable(out, a->edge.n > 0 ? a->edge : STR("-"));
	if (a->obs.n_tiers > 0)
		buf_addf(out, "  %s", cache_status_name((enum cache_status)a->obs.tiers[0]));
	if (a->obs.age_s != OBS_AGE_NONE)
		buf_addf(out, "  age %" PRId32 "s", a->obs.age_s);
	if (a->obs.fail != FAIL_OK) {
		buf_addf(out, "  %s: ", obs_fail_name((enum obs_fail)a->obs.fail));
		buf_add_printable(out, str_of(a->why.text));
	}
	buf_addf(out, "\n");
}

static void json_number(struct buf *out, const char *key, int64_t v, bool known)
{
	buf_add_key(out, key);
	if (known)
		buf_addf(out, "%" PRId64, v);
	else
		buf_addf(out, "null");
}

static void json_text(struct buf *out, const char *key, struct str s)
{
	buf_add_key(out, key);
	buf_add_json_or_null(out, s);
}

static void json_headers(struct buf *out, const struct answer *a)
{
	struct header room[HEADERS_MAX];
	struct headers h = { .h = room };
	int status;
	buf_add_key(out, "headers");
	buf_addf(out, "[");
	if (a->headers.n > 0 && headers_parse(a->headers, room, HEADERS_MAX, &h, &status, NULL) == 0)
		for (size_t i = 0; i < h.n; i++) {
			buf_addf(out, "%s[", i ? "," : "");
			buf_add_json(out, h.h[i].name);
			buf_addf(out, ",");
			buf_add_json(out, h.h[i].value);
			buf_addf(out, "]");
		}
	buf_addf(out, "]");
}

static void json_cache(struct buf *out, const struct answer *a)
{
	json_text(out, "vendor", a->cdn.vendor);
	json_text(out, "pop", a->obs.status ? a->cdn.pop : STR_NONE);
	json_text(out, "iata", a->obs.status ? str_of(a->cdn.iata) : STR_NONE);
	place_add_json(out, a->cdn.vendor, a->obs.status ? a->cdn.pop : STR_NONE);
	buf_add_key(out, "tiers");
	buf_addf(out, "[");
	for (size_t i = 0; i < a->obs.n_tiers; i++) {
		buf_addf(out, "%s{", i ? "," : "");
		json_text(out, "kind", str_of(tier_kind_name((enum tier_kind)a->obs.tier_kinds[i])));
		json_text(out, "status", str_of(cache_status_name((enum cache_status)a->obs.tiers[i])));
		json_text(out, "node", a->cdn.tiers[i].node);
		buf_addf(out, "}");
	}
	buf_addf(out, "]");
	json_number(out, "age_s", a->obs.age_s, a->obs.age_s != OBS_AGE_NONE);
	json_number(out, "ttl_s", a->obs.ttl_s, a->obs.ttl_s != OBS_TTL_NONE);
	json_number(out, "browser_ttl_s", a->obs.browser_ttl_s, a->obs.browser_ttl_s != OBS_TTL_NONE);
}

static void json_render(struct probe_result *r, const struct answer *a)
{
	struct buf *out = &r->out;
	const struct obs_timing *t = &a->obs.timing;
	const struct {
		const char *key;
		int32_t us;
	} phases[] = { { "dns", t->dns_us }, { "connect", t->connect_us }, { "tls", t->tls_us },
		{ "ttfb", t->ttfb_us }, { "total", t->total_us } };
	buf_addf(out, "{");
	json_text(out, "url", str_of(r->url));
	buf_add_key(out, "at");
	buf_add_json_time(out, clock_wall_us() - (clock_boot_us() - a->obs.observed_at_us));
	json_text(out, "result", str_of(obs_fail_name((enum obs_fail)a->obs.fail)));
	json_text(out, "error", str_of(a->obs.fail == FAIL_OK ? NULL : a->why.text));
	json_text(out, "cure", str_of(cure(r, (enum obs_fail)a->obs.fail)));
	json_number(out, "status", a->obs.status, a->obs.status != 0);
	json_text(out, "version", a->version);
	json_text(out, "etag", a->etag);
	json_text(out, "edge", a->edge);
	json_text(out, "node", a->node);
	json_text(out, "ip", a->ip);
	json_cache(out, a);
	buf_add_key(out, "timing_us");
	buf_addf(out, "{");
	for (size_t i = 0; i < ARRAY_LEN(phases); i++)
		json_number(out, phases[i].key, phases[i].us, phases[i].us >= 0);
	buf_addf(out, "}");
	json_headers(out, a);
	buf_addf(out, "}\n");
}

void probe_show(struct probe_result *r, const struct answer *a)
{
	if (r->p->json)
		json_render(r, a);
	else if (r->address[0])
		line_render(r, a);
	else
		text_render(r, a);
}
