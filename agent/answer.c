#include "agent/answer.h"

#include <stdio.h>

/* No header names the place. At a network's edge that is how it is; at a cache one runs oneself, or none at
 * all, the machine is the place: caches of one make must not all fall into one cell. Unknown makes and none
 * share a name, because a cache that only now and then says a word must not become another edge each time. */
static void name_by_address(struct answer *a)
{
	static const struct {
		const char *vendor, *shown;
	} self_run[] = {
		{ "none", "direct" },
		{ "generic", "direct" },
		{ "varnish", "varnish" },
		{ "squid", "squid" },
		{ "ats", "ats" },
		{ "souin", "souin" },
		{ "envoy", "envoy" },
	};
	for (size_t i = 0; i < ARRAY_LEN(self_run); i++)
		if (str_is(a->cdn.vendor, self_run[i].vendor)) {
			int n = snprintf(a->edge_text, sizeof(a->edge_text), "%s:%.*s", self_run[i].shown,
				STR_ARG(a->ip));
			a->edge = (struct str){ a->edge_text, MIN((size_t)n, sizeof(a->edge_text) - 1) };
		}
}

static void read_edge(struct answer *a, const struct target *t, const struct headers *h)
{
	struct obs *o = &a->obs;
	cdn_read(h, &t->cdn, &a->cdn);
	a->edge = str_of(cdn_edge_name(&a->cdn, a->edge_text, sizeof(a->edge_text)));
	if (a->ip.n > 0 && a->cdn.pop.n == 0)
		name_by_address(a);
	cdn_fill_obs(&a->cdn, o);
	if (o->n_tiers > 0)
		a->node = a->cdn.tiers[0].node;
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void fail(struct answer *a, enum obs_fail f, const char *text)
{
	a->obs.fail = (uint8_t)f;
	(void)err_set(&a->why, ERR_NET, "%s", text);
}

static void judge(
	struct answer *a, const struct target *t, const struct transfer *tr, const struct headers *h)
{
	struct str where;
	int status = a->obs.status;
	if (is_redirect(status)) {
		bool told = headers_get(h, "location", &where);
		a->obs.fail = FAIL_REDIRECT;
		(void)err_set(&a->why, ERR_NET, "status %d to %.*s: not followed", status,
			told ? (int)MIN(where.n, 300) : 9, told ? where.p : "(nowhere)");
	} else if (status < 200 || status > 299) {
		a->obs.fail = FAIL_HTTP;
		(void)err_set(&a->why, ERR_NET, "status %d", status);
	} else if (extract(t->extractor, h, tr->body, &a->extracted, &a->why)) {
		a->version = (struct str){ a->extracted.text, a->extracted.n };
		if (a->extracted.cut)
			a->obs.flags |= OBS_CUT;
	} else {
		a->obs.fail = FAIL_NO_VERSION;
	}
}

void answer_read(struct answer *a, const struct target *t, const struct transfer *tr)
{
	struct header room[HEADERS_MAX];
	struct headers h = { .h = room, .received_at_us = tr->observed_wall_us };
	int status = 0;
	obs_init(&a->obs);
	a->obs.observed_at_us = tr->observed_boot_us;
	a->obs.path = (uint8_t)t->path;
	a->obs.timing = tr->timing;
	a->obs.flags = (uint8_t)((tr->reused ? OBS_REUSED : 0) | (tr->burst ? OBS_BURST : 0));
	a->edge = a->node = a->version = a->etag = STR_NONE;
	a->ip = tr->ip;
	a->headers = tr->headers;
	a->why.code = 0;
	a->why.text[0] = '\0';
	a->cdn.vendor = STR_NONE;
	a->cdn.n_tiers = 0;

	/* Another edge than the one that was meant has nothing to say about this one. */
	if (t->pin && tr->fail == FAIL_OK && tr->ip.n > 0 && !ip_same(str_of(t->pin), tr->ip)) {
		a->obs.fail = FAIL_OTHER;
		a->headers = STR_NONE;
		(void)err_set(&a->why, ERR_NET, "%.*s answered, %s was meant", STR_ARG(tr->ip), t->pin);
		return;
	}
	if (tr->headers.n > 0 &&
		headers_parse(tr->headers, room, ARRAY_LEN(room), &h, &status, &a->why) == 0) {
		h.received_at_us = tr->observed_wall_us;
		a->obs.status = (int16_t)status;
		if (!headers_get(&h, "etag", &a->etag))
			a->etag = STR_NONE;
		read_edge(a, t, &h);
	} else if (tr->fail == FAIL_OK) {
		a->obs.fail = FAIL_PROTOCOL;
		if (a->why.text[0] == '\0') /* else headers_parse() said why */
			(void)err_set(&a->why, ERR_SYNTAX, "an answer without headers");
		return;
	}
	if (tr->fail != FAIL_OK)
		fail(a, tr->fail, tr->why ? tr->why : obs_fail_name(tr->fail));
	else
		judge(a, t, tr, &h);
}
