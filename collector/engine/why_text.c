/* Causes in words: a sentence, the evidence, what would refute it, one command to run next. */
#include "collector/engine/view_internal.h"
#include "collector/engine/why.h"

static struct str vendor_of(const struct why_view *w, const struct cell *c)
{
	return edge_vendor(names_get(&w->e->names, c->edge));
}

static struct purge_target target_of(const struct why_view *w, const struct cell *c)
{
	return (struct purge_target){ .url = str_of(w->s->endpoints[c->endpoint].url) };
}

static void add_at(struct buf *out, int64_t at_us)
{
	struct buf quoted;
	buf_init(&quoted, 64);
	buf_add_json_time(&quoted, at_us);
	if (quoted.n > 2)
		buf_add(out, quoted.p + 1, quoted.n - 2);
	buf_fini(&quoted);
}

static void add_quoted(struct buf *out, struct str s) /* for a shell */
{
	buf_add_char(out, '\'');
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\'')
			buf_addf(out, "'\\''");
		else
			buf_add_char(out, s.p[i]);
	buf_add_char(out, '\'');
}

static void add_share(struct buf *out, const struct sum *s)
{
	double low, high;
	uint32_t n = s->old + s->fresh;
	if (n == 0) {
		buf_addf(out, "no answer from behind the caches was seen since it is live");
		return;
	}
	wilson95(s->old, n, &low, &high);
	buf_addf(out,
		"%u of %u answers from behind the caches are old (%.0f %%, 95 %% interval %.0f-%.0f %%)",
		s->old, n, 100.0 * s->old / n, 100 * low, 100 * high);
}

/* What was purged, and what would have covered it. */
static void add_missed(const struct why_view *w, const struct cell *c, const struct why *y, struct buf *out)
{
	struct purge_target t = target_of(w, c);
	struct str vendor = y->purge->vendor ? str_of(y->purge->vendor) : vendor_of(w, c);
	const char *nearest = NULL, *miss = NULL, *why;
	unsigned best = 0;
	struct buf would;
	buf_init(&would, 16 * 1024);
	for (size_t i = 0; i < y->purge->n_patterns; i++) {
		unsigned near = purge_pattern_nearness(str_of(y->purge->patterns[i]), &t);
		if (nearest && near <= best)
			continue;
		best = near;
		nearest = y->purge->patterns[i];
		why = NULL;
		(void)purge_pattern_matches(vendor, str_of(nearest), &t, &why);
		miss = why;
	}
	purge_pattern_for(vendor, &t, &would);
	buf_addf(out, "purge %s was of %s, which does not cover %.*s%s%s; %.*s would have", y->purge->id,
		nearest ? nearest : "something else", STR_ARG(t.url), miss ? ": " : "", miss ? miss : "",
		STR_ARG(buf_str(&would)));
	buf_fini(&would);
}

void why_text(const struct why_view *w, const struct cell *c, const struct why *y, struct buf *out)
{
	struct str vendor = vendor_of(w, c);
	switch (y->cause) {
	case CAUSE_STALE_PAST_TTL:
		buf_addf(out, "the cache answers from a copy past its life: stale-while-revalidate, "
			      "stale-if-error or a failing fetch from the origin keeps it");
		break;
	case CAUSE_SOFT_PURGE_SERVING:
		buf_addf(out,
			"purge %s was a soft one: it marked the copy stale, and the cache still answers with "
			"it while it fetches",
			y->purge->id);
		break;
	case CAUSE_CACHED_UNKNOWN_AGE:
		buf_addf(out, "a cache answers, and does not say how old its copy is: an Age header (or "
			      "Cache-Status) "
			      "would tell");
		break;
	case CAUSE_SHIELD_STALE:
		buf_addf(out, "a tier behind this edge still has the old copy and hands it on%s",
			y->purge ? ": the purge did not reach it" : "");
		break;
	case CAUSE_VALIDATOR_UNCHANGED:
		buf_addf(out,
			"the cache asked the origin and was told 304 Not Modified: the validator (ETag or "
			"Last-Modified) did not change with the version");
		break;
	case CAUSE_REFILLED_STALE:
		buf_addf(out,
			"filled after the new version was live, with the old one: something between edge and "
			"origin answers old, another cache or another behaviour's origin");
		break;
	case CAUSE_TTL_WAIT:
		buf_addf(out, "nobody purged it: the edge keeps its copy from before the deploy until its "
			      "life is over");
		break;
	case CAUSE_PURGE_MISSED_KEY:
		add_missed(w, c, y, out);
		break;
	case CAUSE_PURGED_TOO_EARLY:
		buf_addf(out, "purged at ");
		add_at(out, y->purge->requested_us);
		buf_addf(out, ", before the new version was live at ");
		add_at(out, w->d->live_us);
		buf_addf(out, ": the edge filled itself with the old one again%s",
			y->filled_by_probe ? ", and it was our own probe that made it" : "");
		break;
	case CAUSE_PURGE_PROPAGATING:
		buf_addf(out, "purge %s may still be on its way: %.*s takes up to %" PRId64 " s",
			y->purge->id, STR_ARG(vendor),
			purge_window_us(y->purge->vendor ? str_of(y->purge->vendor) : vendor) / US_PER_S);
		break;
	case CAUSE_PURGE_INEFFECTIVE:
		buf_addf(out,
			"the copy survived purge %s: another zone or distribution, a Vary variant, or a sick "
			"edge",
			y->purge->id);
		break;
	case CAUSE_DEAD_SUBSET:
		if (w->mesh.dead_weight > 0)
			buf_addf(out,
				"the mesh sends %.0f %% to a subset without a ready pod: %u of %u answers "
				"are 503",
				w->mesh.dead_weight, y->sum.e503, y->sum.e503 + y->sum.fresh + y->sum.old);
		else
			buf_addf(out,
				"Envoy itself answers 503: a route leads to nothing; %u of %u answers are "
				"503",
				y->sum.e503, y->sum.e503 + y->sum.fresh + y->sum.old);
		break;
	case CAUSE_NOT_ROLLED_OUT:
		buf_addf(out, "the deploy says it is done, and nothing serves it: ");
		add_share(out, &y->sum);
		break;
	case CAUSE_REGIONAL_ORIGIN_STALE:
		buf_addf(out, "the origin of region %.*s was not deployed: ",
			STR_ARG(names_get(&w->e->names, c->region)));
		add_share(out, &y->sum);
		break;
	case CAUSE_BEHAVIOR_SPLIT:
		buf_addf(out, "this path's origin was not deployed: ");
		add_share(out, &y->sum);
		break;
	case CAUSE_ROLLOUT_STUCK:
		buf_addf(out,
			"the rollout is stuck (%s), and the mesh still sends %.0f %% to the old version",
			stuck_reason_name(w->rollout.stuck_reason), w->mesh.old_weight);
		break;
	case CAUSE_CANARY_RESIDUAL:
		buf_addf(out, "the mesh still sends %.0f %% to the old version: ", w->mesh.old_weight);
		add_share(out, &y->sum);
		break;
	case CAUSE_OLD_PODS_SERVING:
		buf_addf(out, "%u pod%s of the old version still serve%s: ", w->pods.old,
			w->pods.old == 1 ? "" : "s", w->pods.old == 1 ? "s" : "");
		add_share(out, &y->sum);
		break;
	case CAUSE_SPLIT_TRAFFIC:
		add_share(out, &y->sum);
		buf_addf(out, ": some of the origin serves the old version");
		break;
	case CAUSE_ORIGIN_FAILING:
		buf_addf(out, "the origin fails: several edges, or its own path, say so");
		break;
	case CAUSE_EDGE_FAILING:
		buf_addf(out, "this edge fails while others answer for the same URL");
		break;
	case CAUSE_UNREACHABLE_FROM_AGENT:
		buf_addf(out, "only one agent cannot reach it: its own network is the likelier fault");
		break;
	default:
		break;
	}
}

const char *why_refuted_by(enum cause c)
{
	static const char *const says[CAUSE_COUNT] = {
		[CAUSE_SHIELD_STALE] = "a miss at this edge that is answered with the new version",
		[CAUSE_PURGE_MISSED_KEY] = "a purge of exactly this URL that leaves the old copy in place",
		[CAUSE_PURGED_TOO_EARLY] = "a copy made before the purge was asked for",
		[CAUSE_PURGE_PROPAGATING] = "the old copy after the window is over",
		[CAUSE_PURGE_INEFFECTIVE] = "another purge of the same URL that removes it",
		[CAUSE_VALIDATOR_UNCHANGED] = "another ETag from the origin for the new version",
		[CAUSE_TTL_WAIT] = "a purge of this URL that was not told to tidemark",
		[CAUSE_STALE_PAST_TTL] = "an answer within its life that is still old",
		[CAUSE_SOFT_PURGE_SERVING] = "the same copy on a second request a few seconds later",
		[CAUSE_DEAD_SUBSET] =
			"503s that carry x-envoy-upstream-service-time: the application made them",
		[CAUSE_NOT_ROLLED_OUT] = "one answer of the new version from behind the caches",
		[CAUSE_REGIONAL_ORIGIN_STALE] = "a new answer from behind the caches in this region",
		[CAUSE_BEHAVIOR_SPLIT] = "a new answer from behind the caches for this path",
		[CAUSE_ROLLOUT_STUCK] = "the controller's next phase",
		[CAUSE_CANARY_RESIDUAL] = "routes that send everything to the new version",
		[CAUSE_OLD_PODS_SERVING] = "only pods of the new version behind the service",
		[CAUSE_SPLIT_TRAFFIC] = "the origin path answering with the new version only",
		[CAUSE_REFILLED_STALE] = "the origin path answering with the old version",
		[CAUSE_ORIGIN_FAILING] = "good answers on the origin path while edges fail",
		[CAUSE_EDGE_FAILING] = "failures on the origin path",
		[CAUSE_UNREACHABLE_FROM_AGENT] = "a second agent that fails there too",
		[CAUSE_CACHED_UNKNOWN_AGE] = "an answer that tells its age",
	};
	return c < CAUSE_COUNT && says[c] ? says[c] : "";
}

void why_next(const struct why_view *w, const struct cell *c, const struct why *y, struct buf *out)
{
	struct str vendor = vendor_of(w, c), name = service_name(w->e, w->s);
	const struct endpoint *ep = &w->s->endpoints[c->endpoint];
	struct purge_target t = target_of(w, c);
	struct buf pattern;
	buf_init(&pattern, 16 * 1024);
	switch (y->cause) {
	case CAUSE_TTL_WAIT:
	case CAUSE_PURGE_MISSED_KEY:
	case CAUSE_PURGED_TOO_EARLY:
	case CAUSE_PURGE_INEFFECTIVE:
	case CAUSE_SHIELD_STALE:
	case CAUSE_SOFT_PURGE_SERVING:
	case CAUSE_STALE_PAST_TTL:
		if (ep->cdn_vendor)
			vendor = str_of(ep->cdn_vendor);
		purge_pattern_for(vendor, &t, &pattern);
		purge_command(vendor, str_of(ep->cdn_zone), buf_str(&pattern), out);
		break;
	case CAUSE_PURGE_PROPAGATING:
		buf_addf(out, "tidemark verify %.*s --version %s", STR_ARG(name), w->d->version);
		break;
	case CAUSE_VALIDATOR_UNCHANGED:
	case CAUSE_CACHED_UNKNOWN_AGE:
	case CAUSE_REFILLED_STALE:
	case CAUSE_ORIGIN_FAILING:
	case CAUSE_EDGE_FAILING:
	case CAUSE_UNREACHABLE_FROM_AGENT:
	case CAUSE_BEHAVIOR_SPLIT:
	case CAUSE_REGIONAL_ORIGIN_STALE:
		buf_addf(out, "tidemark-agent probe ");
		add_quoted(out, t.url);
		break;
	case CAUSE_DEAD_SUBSET:
	case CAUSE_CANARY_RESIDUAL:
		buf_addf(out, "kubectl get virtualservice,destinationrule,httproute -A -o wide");
		break;
	case CAUSE_ROLLOUT_STUCK:
		buf_addf(out, "kubectl describe canary -A");
		break;
	case CAUSE_OLD_PODS_SERVING:
	case CAUSE_NOT_ROLLED_OUT:
	case CAUSE_SPLIT_TRAFFIC:
		buf_addf(out, "kubectl get pods -A -o wide --show-labels");
		break;
	default:
		break;
	}
	buf_fini(&pattern);
}
