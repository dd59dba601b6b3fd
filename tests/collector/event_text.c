#include "event_text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void text(struct buf *out, const char *name, struct str s)
{
	if (s.n)
		buf_addf(out, " %s=%.*s", name, STR_ARG(s));
}

static void number(struct buf *out, const char *name, int64_t v)
{
	if (v == TIME_NONE)
		buf_addf(out, " %s=none", name);
	else
		buf_addf(out, " %s=%" PRId64, name, v);
}

static void texts(struct buf *out, const char *name, const struct str *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%s%.*s", i ? "," : "", STR_ARG(s[i]));
	if (n)
		buf_addf(out, "=%s ", name);
}

void obs_text(const struct batch *b, const struct obs *o, struct buf *out)
{
	number(out, "at", o->observed_at_us);
	text(out, "endpoint", batch_str(b, o->endpoint));
	text(out, "edge", batch_str(b, o->edge));
	text(out, "node", batch_str(b, o->node));
	text(out, "ip", batch_str(b, o->ip));
	text(out, "version", batch_str(b, o->version));
	text(out, "etag", batch_str(b, o->etag));
	text(out, "evidence", batch_str(b, o->evidence));
	buf_addf(out, " %s %s %d flags=%u", obs_path_name((enum obs_path)o->path),
		obs_fail_name((enum obs_fail)o->fail), o->status, o->flags);
	for (size_t i = 0; i < o->n_tiers; i++)
		buf_addf(out, " %s:%s", tier_kind_name((enum tier_kind)o->tier_kinds[i]),
			cache_status_name((enum cache_status)o->tiers[i]));
	buf_addf(out, " age=%d", o->age_s);
	number(out, "ttl", o->ttl_s == OBS_TTL_NONE ? TIME_NONE : o->ttl_s);
	number(out, "browser_ttl", o->browser_ttl_s == OBS_TTL_NONE ? TIME_NONE : o->browser_ttl_s);
	buf_addf(out, " %d/%d/%d/%d/%d", o->timing.dns_us, o->timing.connect_us, o->timing.tls_us,
		o->timing.ttfb_us, o->timing.total_us);
}

static void service_text(const struct ev_service *s, struct buf *out)
{
	buf_addf(out, "service %.*s%s interval=%" PRId64 " origin=%d agents=", STR_ARG(s->name),
		s->removed ? " removed" : "", s->interval_us, s->has_origin);
	texts(out, "", s->agents, s->n_agents);
	buf_addf(out,
		" timeout=%" PRId64 " require=%.17g coverage=%.17g min_agents=%" PRId64 " watch=%" PRId64
		" grace=%" PRId64,
		s->timeout_us, s->require, s->min_coverage, s->min_agents, s->watch_us, s->rollout_grace_us);
	for (size_t i = 0; i < s->n_endpoints; i++)
		buf_addf(out, " [%.*s %.*s %s%s]", STR_ARG(s->endpoints[i].id), STR_ARG(s->endpoints[i].url),
			s->endpoints[i].match == MATCH_PREFIX ? "prefix" : "exact",
			s->endpoints[i].learned ? " learned" : "");
}

static void deploy_text(const struct ev_deploy *d, struct buf *out)
{
	buf_addf(out, "deploy %.*s of %.*s version %.*s", STR_ARG(d->id), STR_ARG(d->service),
		STR_ARG(d->version));
	text(out, "source", d->source);
	text(out, "revision", d->revision);
	text(out, "digest", d->digest);
	number(out, "started", d->started_at_us);
	number(out, "live", d->live_at_us);
	buf_addf(out, " ");
	texts(out, "aliases", d->aliases, d->n_aliases);
	for (size_t i = 0; i < d->n_values; i++)
		buf_addf(out, " [%.*s: %.*s]", STR_ARG(d->values[i].endpoint), STR_ARG(d->values[i].value));
}

static void purge_text(const struct ev_purge *p, struct buf *out)
{
	buf_addf(out, "purge %.*s of %.*s", STR_ARG(p->id), STR_ARG(p->service));
	text(out, "vendor", p->vendor);
	text(out, "zone", p->zone);
	text(out, "source", p->source);
	number(out, "requested", p->requested_at_us);
	number(out, "completed", p->completed_at_us);
	buf_addf(out, " ");
	texts(out, "patterns", p->patterns, p->n_patterns);
	texts(out, "tags", p->tags, p->n_tags);
	buf_addf(out, "%s%s", p->soft ? " soft" : "", p->everything ? " everything" : "");
}

static void observations_text(const struct ev_observations *o, struct buf *out)
{
	const struct batch *b = o->batch;
	buf_addf(out, "observations of %.*s by %.*s in %.*s %016" PRIx64 ":%" PRIu64 " uncertainty=%" PRId64,
		STR_ARG(b->service), STR_ARG(b->agent), STR_ARG(b->region), b->epoch, b->number,
		o->clock_uncertainty_us);
	for (size_t i = 0; i < b->n_obs; i++) {
		buf_addf(out, "\n");
		obs_text(b, &b->obs[i], out);
	}
}

static void inner_text(struct buf *out, const struct ev_inner *in)
{
	buf_addf(out, "%.*s of %.*s", STR_ARG(in->type), STR_ARG(in->service));
	for (size_t i = 0; i < in->n_routes; i++) {
		const struct ev_route *r = &in->routes[i];
		buf_addf(out, " route");
		text(out, "subset", r->subset), text(out, "version", r->version), text(out, "host", r->host);
		buf_addf(out, " weight=%.17g ready=%d", r->weight, r->ready);
	}
	for (size_t i = 0; i < in->n_pods; i++) {
		const struct ev_pod *p = &in->pods[i];
		buf_addf(out, " pod");
		text(out, "name", p->name), text(out, "version", p->version), text(out, "digest", p->digest);
		text(out, "subset", p->subset), text(out, "node", p->node);
		buf_addf(out, "%s%s", p->ready ? " ready" : "", p->terminating ? " terminating" : "");
	}
	text(out, "controller", in->controller), text(out, "phase", in->phase),
		text(out, "reason", in->reason);
	text(out, "message", in->message), text(out, "version", in->version);
	text(out, "revision", in->revision);
	if (in->phase.n) {
		buf_addf(out, " weight=%.17g", in->weight);
		number(out, "since", in->since_us);
	}
	buf_addf(out, " %.*s", STR_ARG(in->json));
}

void event_text(const struct event *ev, struct buf *out)
{
	static const char *const told[] = { "connected", "disconnected", "drained", "revoked", "enrolled" };
	switch (ev->kind) {
	case EV_SERVICE:
		service_text(&ev->service, out);
		break;
	case EV_DEPLOY:
		deploy_text(&ev->deploy, out);
		break;
	case EV_DEPLOY_PATCH:
		buf_addf(out, "deploy_patch %.*s%s", STR_ARG(ev->deploy_patch.id),
			ev->deploy_patch.aborted ? " aborted" : "");
		number(out, "live", ev->deploy_patch.live_at_us);
		break;
	case EV_PURGE:
		purge_text(&ev->purge, out);
		break;
	case EV_PURGE_PATCH:
		buf_addf(out, "purge_patch %.*s", STR_ARG(ev->purge_patch.id));
		number(out, "completed", ev->purge_patch.completed_at_us);
		break;
	case EV_OBSERVATIONS:
		observations_text(&ev->observations, out);
		break;
	case EV_AGENT:
		buf_addf(out, "agent %.*s %s", STR_ARG(ev->agent.agent), told[ev->agent.state]);
		text(out, "region", ev->agent.region);
		text(out, "software", ev->agent.software);
		if (ev->agent.has_location)
			buf_addf(out, " at %.17g %.17g", ev->agent.latitude, ev->agent.longitude);
		buf_addf(out, "%s", ev->agent.clock_suspect ? " clock_suspect" : "");
		break;
	case EV_INNER:
		inner_text(out, &ev->inner);
		break;
	case EV_COLLECTOR:
		buf_addf(out, "collector");
		number(out, "down_since", ev->collector.down_since_us);
		break;
	case EV_CLOCK:
		buf_addf(out, "clock");
		break;
	}
	number(out, "at", ev->at_us);
	number(out, "received", ev->received_at_us);
	number(out, "position", ev->position);
}

void survives_an_export(struct entry_reader *r, const struct entry *e, const char *says)
{
	struct entry_reader *back = entry_reader_new();
	struct event ev;
	struct err err = { 0 };
	struct buf lines, want, got;
	buf_init(&lines, 100000);
	buf_init(&want, 100000);
	buf_init(&got, 100000);
	if (entry_to_event(r, e, &ev, &err) < 0)
		fail_msg("%s: %s", says, err.text);
	event_text(&ev, &want);
	if (entry_to_lines(r, e, &lines, &err) < 0)
		fail_msg("%s: %s", says, err.text);
	struct str line, rest = buf_str(&lines);
	assert_true(str_cut(&rest, '\n', &line) && rest.n == 0);
	if (entry_from_line(back, line, 1, TIME_NONE, &ev, &err) < 0)
		fail_msg("%s: %s", says, err.text);
	assert_int_equal(entry_line_position(back), e->position);
	ev.position = entry_line_position(back);
	event_text(&ev, &got);
	if (!str_eq(buf_str(&got), buf_str(&want)))
		fail_msg("%s: stored\n%s\nreplayed\n%s", says, want.p, got.p);
	buf_fini(&lines);
	buf_fini(&want);
	buf_fini(&got);
	entry_reader_free(back);
}
