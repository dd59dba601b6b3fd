/* What mesh, rollout and pods are told to be, beside a deploy: whose they are, why a rollout stands still,
 * and the sentence of each layer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/engine/layers.h"

/* -- why a rollout does not go on -- */

#define HALT "Halt shop.prod advancement "

static const struct {
	const char *says, *phase, *reason, *message;
	enum stuck_reason want;
} texts[] = {
	{ "a phase alone says nothing", "Progressing", "", "", STUCK_NOT_STUCK },
	{ "nor does its name told again as the reason", "Progressing", "Progressing", "", STUCK_NOT_STUCK },
	{ "nor the message that Flagger has for it", "Progressing", "Progressing",
		"New revision detected, progressing canary analysis.", STUCK_NOT_STUCK },
	{ "Flagger: it promotes", "Promoting", "Promoting",
		"Canary analysis completed, starting primary rolling update.", STUCK_NOT_STUCK },
	{ "Flagger: it finishes", "Finalising", "Finalising",
		"Canary analysis completed, routing all traffic to primary.", STUCK_NOT_STUCK },
	{ "Flagger: the first deploy", "Initializing", "Initializing",
		"New Deployment detected, starting initialization.", STUCK_NOT_STUCK },
	{ "Flagger: a step", "Progressing", "", "Advance shop.prod canary weight 20", STUCK_NOT_STUCK },
	{ "Flagger: it starts", "Progressing", "", "Starting canary analysis for shop.prod",
		STUCK_NOT_STUCK },
	{ "Flagger: it copies", "Promoting", "", "Copying shop.prod template spec to shop-primary.prod",
		STUCK_NOT_STUCK },
	{ "Flagger: the canary gets no traffic", "Progressing", "",
		"Halt advancement no values found for istio metric request-success-rate probably shop.prod "
		"is "
		"not receiving traffic: running query failed: no values found",
		STUCK_NO_TRAFFIC },
	{ "Flagger: the same without the query", "Progressing", "",
		"Halt advancement no values found for istio metric request-duration probably shop.prod is "
		"not "
		"receiving traffic",
		STUCK_NO_TRAFFIC },
	{ "Flagger: a metric of one's own has no values", "Progressing", "",
		"Halt advancement no values found for custom metric: errors: no values found",
		STUCK_METRICS_MISSING },
	{ "Flagger: an inline one", "Progressing", "", "Halt advancement no values found for metric: errors",
		STUCK_METRICS_MISSING },
	{ "the short form of it, as the reason", "Progressing",
		"no values found for metric request-success-rate", "", STUCK_METRICS_MISSING },
	{ "NaN is no value", "Progressing", "", HALT "errors NaN > 1", STUCK_METRICS_MISSING },
	{ "but no NaN is in a name", "Progressing", "",
		"Halt finance.NaNcy advancement success rate 69% < 99%", STUCK_ANALYSIS_FAILING },
	{ "Flagger: Prometheus does not answer", "Progressing", "",
		"Prometheus query failed: running query failed: request failed: Get http://p:9090/: dial "
		"tcp: i/o "
		"timeout",
		STUCK_PROMETHEUS_UNREACHABLE },
	{ "Flagger: nor for a metric of one's own", "Progressing", "",
		"Metric query failed for errors: request failed: EOF", STUCK_PROMETHEUS_UNREACHABLE },
	{ "Flagger: nor at the start (the spelling is theirs)", "Initializing", "",
		"Error checking metric providers: prometheus not avaiable: running query failed",
		STUCK_PROMETHEUS_UNREACHABLE },
	{ "Flagger: too many errors", "Progressing", "", HALT "success rate 69.17% < 99%",
		STUCK_ANALYSIS_FAILING },
	{ "Flagger: too slow", "Progressing", "", HALT "request duration 1.2s > 500ms",
		STUCK_ANALYSIS_FAILING },
	{ "Flagger: a check of somebody's own", "Progressing", "", HALT "external check load-test failed no",
		STUCK_ANALYSIS_FAILING },
	{ "Flagger: such a check that cannot be reached is no Prometheus", "Progressing", "",
		HALT "external check load-test failed Post http://t/: dial tcp: connection refused",
		STUCK_ANALYSIS_FAILING },
	{ "Flagger: a gate before the rollout", "Waiting", "Waiting", "Waiting for approval.",
		STUCK_GATE_CLOSED },
	{ "Flagger: its event", "Waiting", "", HALT "waiting for approval gate", STUCK_GATE_CLOSED },
	{ "Flagger: a gate before the next step", "Progressing", "",
		HALT "waiting for traffic increase approval gate", STUCK_GATE_CLOSED },
	{ "Flagger: a gate before promotion", "Progressing", "", HALT "waiting for promotion approval gate",
		STUCK_GATE_CLOSED },
	{ "Flagger: a phase that waits, and says no more", "WaitingPromotion", "", "", STUCK_GATE_CLOSED },
	{ "Flagger: the canary's pods", "Progressing", "",
		"canary deployment shop.prod not ready: waiting for rollout to finish: 1 out of 2 new "
		"replicas "
		"have been updated",
		STUCK_NOT_READY },
	{ "Flagger: the primary's", "Promoting", "",
		"shop-primary.prod not ready: waiting for rollout to finish: 0 of 2 updated replicas are "
		"available",
		STUCK_NOT_READY },
	{ "Kubernetes: the deadline", "Progressing", "", "deployment \"shop\" exceeded its progress deadline",
		STUCK_NOT_READY },
	{ "Flagger: rolled back for failed checks", "Failed", "",
		"Rolling back shop.prod failed checks threshold reached 5", STUCK_ANALYSIS_FAILING },
	{ "Flagger: rolled back for the deadline", "Failed", "",
		"Rolling back shop.prod progress deadline exceeded shop.prod", STUCK_NOT_READY },
	{ "Flagger: rolled back by hand", "Failed", "", "Rolling back shop.prod manual webhook invoked",
		STUCK_REASON_GIVEN },
	{ "Flagger: its message of a failure", "Failed", "Failed",
		"Canary analysis failed, Deployment scaled to zero.", STUCK_ANALYSIS_FAILING },
	{ "it failed, and says no more", "Failed", "Failed", "", STUCK_GAVE_UP },
	{ "Argo Rollouts: pods on their way", "Progressing", "",
		"updated replicas are still becoming available", STUCK_NOT_STUCK },
	{ "Argo Rollouts: more of them to come", "Progressing", "ReplicaSetUpdated",
		"more replicas need to be updated", STUCK_NOT_STUCK },
	{ "Argo Rollouts: old ones on their way out", "Progressing", "",
		"old replicas are pending termination", STUCK_NOT_STUCK },
	{ "Argo Rollouts: a step that pauses", "Paused", "CanaryPauseStep", "", STUCK_GATE_CLOSED },
	{ "Argo Rollouts: a pause before the switch", "Paused", "", "BlueGreenPause", STUCK_GATE_CLOSED },
	{ "Argo Rollouts: paused for an analysis that cannot say", "Paused", "", "InconclusiveAnalysisRun",
		STUCK_ANALYSIS_FAILING },
	{ "Argo Rollouts: the deadline", "Degraded", "ProgressDeadlineExceeded",
		"ReplicaSet \"shop-6c54\" has timed out progressing.", STUCK_NOT_READY },
	{ "Argo Rollouts: an analysis that failed", "Degraded", "RolloutAborted",
		"Rollout aborted update to revision 2: metric \"success-rate\" assessed Failed due to failed "
		"(2) > "
		"failureLimit (1)",
		STUCK_ANALYSIS_FAILING },
	{ "Argo Rollouts: a provider that does not answer", "Degraded", "RolloutAborted",
		"metric \"success-rate\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit "
		"(4): "
		"dial tcp: lookup prometheus: no such host",
		STUCK_PROMETHEUS_UNREACHABLE },
	{ "Argo Rollouts: a result without a value", "Degraded", "RolloutAborted",
		"metric \"success-rate\" assessed Error: reflect: slice index out of range",
		STUCK_METRICS_MISSING },
	{ "what nobody knows is a reason all the same", "Progressing", "", "the moon is full",
		STUCK_REASON_GIVEN },
	{ "a reason that is known counts more than such a message", "Progressing",
		"no values found for metric", "see the runbook", STUCK_METRICS_MISSING },
	{ "a message that says that it goes on takes no reason back", "Progressing", "CanaryPauseStep",
		"more replicas need to be updated", STUCK_GATE_CLOSED },
	{ "Prometheus in a reason of one's own words", "Progressing", "prometheus unreachable", "",
		STUCK_PROMETHEUS_UNREACHABLE },
};

static void why_a_rollout_stands_still(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		enum stuck_reason got = stuck_reason_from(
			str_of(texts[i].phase), str_of(texts[i].reason), str_of(texts[i].message));
		if (got != texts[i].want)
			fail_msg("%s: got %s, want %s", texts[i].says, stuck_reason_name(got),
				stuck_reason_name(texts[i].want));
	}
}

/* -- the layers -- */

#define SHA  "4f2d9a7c0b1e5d6f8a9b0c1d2e3f405162738495"
#define MAXN 4

struct rollout_told {
	int at_s, since_s; /* since 0: not told */
	const char *phase, *message, *version, *revision;
	int weight; /* 0: not told */
};
static const struct layer_case {
	const char *says;
	bool rolling_v3; /* v3 has begun, and is not live */
	int now_s;       /* since v2 went live; 0: 60 */
	struct ev_route routes[MAXN];
	struct ev_pod pods[MAXN];
	struct rollout_told rollouts[MAXN];
	const char *mesh, *rollout, *pods_want; /* NULL: not configured */
} cases[] = {
	{ .says = "nothing is told of any" },

	/* -- mesh -- */
	{ .says = "everything goes to the new version",
		.routes = { { .version = STR("v2"), .weight = 100, .ready = -1 } },
		.mesh = "pass: everything goes to v2" },
	{ .says = "one destination gets everything, whatever its weight",
		.routes = { { .version = STR("v2"), .ready = -1 } },
		.mesh = "pass: everything goes to v2" },
	{ .says = "a weight is a share of their sum",
		.routes = { { .version = STR("v2"), .weight = 3, .ready = -1 },
			{ .version = STR("v1"), .weight = 1, .ready = -1 } },
		.mesh = "fail: 25 % still go to v1, and not to v2" },
	{ .says = "a weight of nothing sends nothing",
		.routes = { { .version = STR("v2"), .weight = 100, .ready = -1 },
			{ .version = STR("v1"), .weight = 0, .ready = 0 } },
		.mesh = "pass: everything goes to v2" },
	{ .says = "no weight at all sends nobody knows where",
		.routes = { { .version = STR("v2"), .ready = -1 }, { .version = STR("v1"), .ready = -1 } },
		.mesh = "unknown: of 100 % it is not told which deploy's version they lead to" },
	{ .says = "a subset is called like the version",
		.routes = { { .subset = STR("v2"), .weight = 90, .ready = -1 },
			{ .subset = STR("v1"), .weight = 10, .ready = -1 } },
		.mesh = "fail: 10 % still go to v1, and not to v2" },
	{ .says = "an alias, or the commit cut short, is as good as the version",
		.routes = { { .version = STR("release-2"), .weight = 1, .ready = -1 },
			{ .version = STR("4f2d9a7"), .weight = 1, .ready = -1 },
			{ .version = STR(SHA), .weight = 1, .ready = -1 } },
		.mesh = "pass: everything goes to v2" },
	{ .says = "a version in no entry of the ledger is unknown, and fails nobody",
		.routes = { { .version = STR("1.4"), .weight = 100, .ready = -1 } },
		.mesh = "unknown: of 100 % it is not told which deploy's version they lead to" },
	{ .says = "hosts are no versions: the pods behind them tell",
		.routes = { { .host = STR("shop-primary"), .weight = 60, .ready = -1 },
			{ .host = STR("shop-canary"), .weight = 40, .ready = -1 } },
		.pods = { { .name = STR("p1"),
				  .version = STR("v1"),
				  .subset = STR("shop-primary"),
				  .ready = true },
			{ .name = STR("p2"),
				.version = STR("v2"),
				.subset = STR("shop-canary"),
				.ready = true } },
		.mesh = "fail: 60 % still go to shop-primary, and not to v2",
		.pods_want = "fail: 1 of 2 ready pods run an older version: p1" },
	{ .says = "a route that is told to have no pod leads to nothing",
		.routes = { { .subset = STR("v2"), .weight = 90, .ready = 3 },
			{ .subset = STR("v1"), .weight = 10, .ready = 0 } },
		.mesh = "fail: 10 % go to subset v1, which has no ready pod" },
	{ .says = "so does one without a ready pod among the pods",
		.routes = { { .subset = STR("v2"), .version = STR("v2"), .weight = 90, .ready = -1 },
			{ .subset = STR("v1"), .version = STR("v1"), .weight = 10, .ready = -1 } },
		.pods = { { .name = STR("p1"), .version = STR("v2"), .ready = true },
			{ .name = STR("p2"), .version = STR("v1"), .ready = false },
			{ .name = STR("p3"), .version = STR("v1"), .ready = true, .terminating = true } },
		.mesh = "fail: 10 % go to subset v1, which has no ready pod",
		.pods_want = "pass: all 1 ready pods run v2" },
	{ .says = "pods may bear another of the deploy's names than the route",
		.routes = { { .version = STR("v2"), .weight = 100, .ready = -1 } },
		.pods = { { .name = STR("p1"), .version = STR("4f2d9a7"), .ready = true } },
		.mesh = "pass: everything goes to v2",
		.pods_want = "pass: all 1 ready pods run v2" },
	{ .says = "where route and pods cannot be compared, nothing is dead",
		.routes = { { .version = STR("v2"), .weight = 100, .ready = -1 } },
		.pods = { { .name = STR("p1"), .subset = STR("stable"), .ready = true } },
		.mesh = "pass: everything goes to v2",
		.pods_want = "unknown: of 1 of 1 ready pods it is not told which deploy's version they run" },
	{ .says = "a version that rolls out beside is as acceptable",
		.rolling_v3 = true,
		.routes = { { .version = STR("v2"), .weight = 90, .ready = -1 },
			{ .version = STR("v3"), .weight = 10, .ready = -1 } },
		.mesh = "pass: everything goes to v2" },

	/* -- pods -- */
	{ .says = "pods: an old one serves",
		.pods = { { .name = STR("p1"), .version = STR("v2"), .ready = true },
			{ .name = STR("p2"), .version = STR("v1"), .ready = true } },
		.pods_want = "fail: 1 of 2 ready pods run an older version: p2" },
	{ .says = "pods: one on its way out, or not ready, serves nothing",
		.pods = { { .name = STR("p1"), .version = STR("v2"), .ready = true },
			{ .name = STR("p2"), .version = STR("v1"), .ready = true, .terminating = true },
			{ .name = STR("p3"), .version = STR("v1") } },
		.pods_want = "pass: all 1 ready pods run v2" },
	{ .says = "pods: none is ready",
		.pods = { { .name = STR("p1"), .version = STR("v2") } },
		.pods_want = "unknown: no pod is ready" },
	{ .says = "pods: by image, however it is named before the hash",
		.pods = { { .name = STR("p1"),
				  .digest = STR("docker-pullable://r/shop@sha256:2222"),
				  .ready = true },
			{ .name = STR("p2"), .digest = STR("r/shop@sha256:2222"), .ready = true },
			{ .name = STR("p3"), .digest = STR("sha256:2222"), .ready = true } },
		.pods_want = "pass: all 3 ready pods run v2" },
	{ .says = "pods: another image is another version",
		.pods = { { .name = STR("p1"), .digest = STR("sha256:9999"), .ready = true } },
		.pods_want = "fail: 1 of 1 ready pods run an older version: p1" },
	{ .says = "pods: the old image under the new label is old: a tag can move",
		.pods = { { .name = STR("p1"),
			.version = STR("v2"),
			.digest = STR("sha256:1111"),
			.ready = true } },
		.pods_want = "fail: 1 of 1 ready pods run an older version: p1" },
	{ .says = "pods: an image nobody knows under the new label may be the platform's: not told",
		.pods = { { .name = STR("p1"),
			.version = STR("v2"),
			.digest = STR("sha256:9999"),
			.ready = true } },
		.pods_want =
			"unknown: of 1 of 1 ready pods it is not told which deploy's version they run: v2" },
	{ .says = "pods: a version in no entry of the ledger is named",
		.pods = { { .name = STR("p1"), .version = STR("1.4"), .ready = true },
			{ .name = STR("p2"), .version = STR("v2"), .ready = true } },
		.pods_want =
			"unknown: of 1 of 2 ready pods it is not told which deploy's version they run: 1.4" },
	{ .says = "pods: one that rolls out beside is as acceptable",
		.rolling_v3 = true,
		.pods = { { .name = STR("p1"), .version = STR("v3"), .ready = true } },
		.pods_want = "pass: all 1 ready pods run v2" },

	/* -- rollout -- */
	{ .says = "rollout: done",
		.rollouts = { { .at_s = 10, .phase = "Succeeded" } },
		.rollout = "pass: flagger is done: Succeeded" },
	{ .says = "rollout: Argo's word for it",
		.rollouts = { { .at_s = 10, .phase = "Healthy", .revision = SHA } },
		.rollout = "pass: flagger is done: Healthy" },
	{ .says = "rollout: done with another version",
		.rollouts = { { .at_s = 10, .phase = "Succeeded", .version = "v1" } },
		.rollout = "fail: flagger is done (Succeeded) on v1, not on v2" },
	{ .says = "rollout: it was done before, and has not noticed yet",
		.rollouts = { { .at_s = 10, .since_s = -3600, .phase = "Succeeded" } },
		.rollout = "unknown: flagger was done (Succeeded) before this deploy began, and names no "
			   "version of "
			   "it" },
	{ .says = "rollout: done before, and with this version",
		.rollouts = { { .at_s = 10, .since_s = -3600, .phase = "Succeeded", .version = "v2" } },
		.rollout = "pass: flagger is done: Succeeded" },
	{ .says = "rollout: what is under way is not done",
		.rollouts = { { .at_s = 10, .phase = "Progressing" } },
		.rollout = "fail: flagger is in Progressing" },
	{ .says = "rollout: and its own words are told",
		.rollouts = { { .at_s = 10,
			.phase = "Progressing",
			.message = "Advance shop.prod canary weight 10" } },
		.rollout = "fail: flagger is in Progressing: Advance shop.prod canary weight 10" },
	{ .says = "rollout: a reason is given",
		.rollouts = { { .at_s = 10,
			.phase = "Progressing",
			.message = HALT "success rate 69.17% < 99%" } },
		.rollout = "fail: flagger is in Progressing: its analysis fails: " HALT
			   "success rate 69.17% < 99%" },
	{ .says = "rollout: the same phase for less than 5 minutes",
		.now_s = 309,
		.rollouts = { { .at_s = 10, .phase = "Progressing" },
			{ .at_s = 200, .phase = "Progressing" } },
		.rollout = "fail: flagger is in Progressing" },
	{ .says = "rollout: the same phase for 5 minutes",
		.now_s = 310,
		.rollouts = { { .at_s = 10, .phase = "Progressing" },
			{ .at_s = 200, .phase = "Progressing" } },
		.rollout = "fail: flagger is in Progressing: its phase has not changed for 5 minutes, and no "
			   "reason "
			   "is given" },
	{ .says = "rollout: as long as it says itself",
		.rollouts = { { .at_s = 10, .since_s = -240, .phase = "Progressing" } },
		.rollout = "fail: flagger is in Progressing: its phase has not changed for 5 minutes, and no "
			   "reason "
			   "is given" },
	{ .says = "rollout: another phase starts anew",
		.now_s = 310,
		.rollouts = { { .at_s = 10, .phase = "Progressing" }, { .at_s = 200, .phase = "Promoting" } },
		.rollout = "fail: flagger is in Promoting" },
	{ .says = "rollout: a weight that moves is progress",
		.now_s = 310,
		.rollouts = { { .at_s = 10, .phase = "Progressing", .weight = 10 },
			{ .at_s = 200, .phase = "Progressing", .weight = 20 },
			{ .at_s = 250, .phase = "Progressing", .weight = 20 } },
		.rollout = "fail: flagger is in Progressing" },
	{ .says = "rollout: until it moves no more",
		.now_s = 500,
		.rollouts = { { .at_s = 10, .phase = "Progressing", .weight = 10 },
			{ .at_s = 200, .phase = "Progressing", .weight = 20 },
			{ .at_s = 450, .phase = "Progressing", .weight = 20 } },
		.rollout = "fail: flagger is in Progressing: its phase has not changed for 5 minutes, and no "
			   "reason "
			   "is given" },
	{ .says = "rollout: what comes late replaces nothing newer",
		.rollouts = { { .at_s = 30, .phase = "Succeeded" }, { .at_s = 20, .phase = "Progressing" } },
		.rollout = "pass: flagger is done: Succeeded" },
	{ .says = "rollout: a phase that no controller has tells nothing",
		.rollouts = { { .at_s = 10, .phase = "Meditating" } },
		.rollout = "unknown: flagger is in Meditating" },
};

static void tell(struct engine *e, struct event ev, int64_t at_us)
{
	struct err err = { 0 };
	ev.position = engine_position(e) + 1;
	ev.received_at_us = MAX(at_us, engine_now_us(e));
	ev.at_us = at_us;
	if (engine_fold(e, &ev, &err) < 0)
		fail_msg("%s", err.text);
}

#define LIVE_US (INT64_C(100000) * US_PER_S)

static struct engine *shop(bool rolling_v3)
{
	static const struct ev_endpoint v = { .id = STR("v"), .url = STR("https://shop.example/v") };
	static const struct str alias = STR("release-2");
	struct engine *e = engine_new(NULL);
	tell(e,
		(struct event){ .kind = EV_SERVICE,
			.service = { .name = STR("shop"),
				.interval_us = 10 * US_PER_S,
				.endpoints = &v,
				.n_endpoints = 1,
				.timeout_us = 15 * US_PER_MIN,
				.rollout_grace_us = US_PER_H,
				.require = 1,
				.min_coverage = 0.9 } },
		LIVE_US - US_PER_H);
	tell(e,
		(struct event){ .kind = EV_DEPLOY,
			.deploy = { .id = STR("d1"),
				.service = STR("shop"),
				.version = STR("v1"),
				.digest = STR("sha256:1111"),
				.started_at_us = LIVE_US - US_PER_H,
				.live_at_us = LIVE_US - US_PER_H } },
		LIVE_US - US_PER_H);
	tell(e,
		(struct event){ .kind = EV_DEPLOY,
			.deploy = { .id = STR("d2"),
				.service = STR("shop"),
				.version = STR("v2"),
				.revision = STR(SHA),
				.digest = STR("r/shop@sha256:2222"),
				.aliases = &alias,
				.n_aliases = 1,
				.started_at_us = LIVE_US,
				.live_at_us = LIVE_US } },
		LIVE_US);
	if (rolling_v3)
		tell(e,
			(struct event){ .kind = EV_DEPLOY,
				.deploy = { .id = STR("d3"),
					.service = STR("shop"),
					.version = STR("v3"),
					.started_at_us = LIVE_US + US_PER_S,
					.live_at_us = TIME_NONE } },
			LIVE_US + US_PER_S);
	return e;
}

static struct ev_inner inner(const char *type)
{
	return (struct ev_inner){ .service = STR("shop"),
		.type = str_of(type),
		.json = STR("{}"),
		.weight = -1,
		.since_us = TIME_NONE };
}

static void tell_inner(struct engine *e, const struct layer_case *c)
{
	struct ev_inner mesh = inner("mesh"), pods = inner("pods");
	mesh.routes = c->routes, pods.pods = c->pods;
	while (mesh.n_routes < MAXN &&
		(c->routes[mesh.n_routes].subset.n || c->routes[mesh.n_routes].version.n ||
			c->routes[mesh.n_routes].host.n))
		mesh.n_routes++;
	while (pods.n_pods < MAXN && c->pods[pods.n_pods].name.n)
		pods.n_pods++;
	if (mesh.n_routes)
		tell(e, (struct event){ .kind = EV_INNER, .inner = mesh }, LIVE_US + 5 * US_PER_S);
	if (pods.n_pods)
		tell(e, (struct event){ .kind = EV_INNER, .inner = pods }, LIVE_US + 5 * US_PER_S);
	for (size_t i = 0; i < MAXN && c->rollouts[i].phase; i++) {
		const struct rollout_told *r = &c->rollouts[i];
		struct ev_inner in = inner("rollout");
		in.controller = STR("flagger");
		in.phase = str_of(r->phase), in.message = str_of(r->message);
		in.version = str_of(r->version), in.revision = str_of(r->revision);
		in.weight = r->weight ? r->weight : -1;
		in.since_us = r->since_s ? LIVE_US + r->since_s * US_PER_S : TIME_NONE;
		tell(e, (struct event){ .kind = EV_INNER, .inner = in }, LIVE_US + r->at_s * US_PER_S);
	}
}

static void assert_layer(const struct layer_case *c, const struct layers *l, enum layer at, const char *want)
{
	char got[300];
	(void)snprintf(got, sizeof(got), "%s: %s", layer_state_name(l->at[at].state), l->at[at].text);
	if (strcmp(got, want ? want : "not_configured: ") != 0)
		fail_msg("%s: %s is\n%s\nwant\n%s", c->says, layer_name(at), got,
			want ? want : "not configured");
}

/* Straight, and with a save and a load after everything told. */
static void each_layer_says_what_it_is(void **state)
{
	static const struct layers_seen nothing;
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		const struct layer_case *c = &cases[i / 2];
		struct engine *e = shop(c->rolling_v3), *again;
		struct layers l;
		struct err err = { 0 };
		tell_inner(e, c);
		if (i % 2) {
			struct buf b;
			buf_init(&b, 1 << 20);
			engine_save(e, &b);
			if (engine_load(buf_str(&b), NULL, &again, &err) < 0)
				fail_msg("%s: %s", c->says, err.text);
			engine_free(e), buf_fini(&b);
			e = again;
		}
		engine_advance(e, LIVE_US + (c->now_s ? c->now_s : 60) * US_PER_S);
		const struct service *s = e->services[0];
		layers_read(e, s, s->tracked, &nothing, &l);
		assert_layer(c, &l, LAYER_MESH, c->mesh);
		assert_layer(c, &l, LAYER_ROLLOUT, c->rollout);
		assert_layer(c, &l, LAYER_PODS, c->pods_want);
		engine_free(e);
	}
}

/* Innermost: where to look. */
static void the_innermost_that_fails_is_named(void **state)
{
	static const struct ev_route routes[] = { { .version = STR("v1"), .weight = 1, .ready = -1 } };
	static const struct ev_pod pods[] = { { .name = STR("p"), .version = STR("v1"), .ready = true } };
	struct layers_seen seen = { { 0 } };
	struct layers l;
	char text[320];
	(void)state;
	struct engine *e = shop(false);
	const struct service *s = e->services[0];
	layers_read(e, s, s->tracked, &seen, &l);
	assert_false(l.failing || layers_fail(e, s, s->tracked, text, sizeof(text)));
	struct ev_inner in = inner("mesh");
	in.routes = routes, in.n_routes = 1;
	tell(e, (struct event){ .kind = EV_INNER, .inner = in }, LIVE_US + US_PER_S);
	layers_read(e, s, s->tracked, &seen, &l);
	assert_true(l.failing && l.innermost == LAYER_MESH);
	assert_true(layers_fail(e, s, s->tracked, text, sizeof(text)));
	assert_string_equal(text, "mesh: 100 % still go to v1, and not to v2");
	in = inner("pods");
	in.pods = pods, in.n_pods = 1;
	tell(e, (struct event){ .kind = EV_INNER, .inner = in }, LIVE_US + US_PER_S);
	layers_read(e, s, s->tracked, &seen, &l);
	assert_true(l.failing && l.innermost == LAYER_PODS);
	/* of a deploy that is not the current one nothing is said now */
	layers_read(e, s, s->deploys[0], &seen, &l);
	assert_false(l.failing);
	assert_int_equal(l.at[LAYER_PODS].state, LAYER_UNKNOWN);
	engine_free(e);
}

/* The engine bounds what it is told itself: what it cannot save it must not take. */
static void what_makes_no_sense_is_refused(void **state)
{
	static const double weights[] = { -0.5, 1e300, EV_WEIGHT_MAX * 2.0, (double)INFINITY, (double)NAN };
	struct err err;
	(void)state;
	struct engine *e = shop(false);
	for (size_t i = 0; i < 2 * ARRAY_LEN(weights); i++) {
		double w = weights[i / 2];
		struct ev_route route = { .version = STR("v2"), .weight = w, .ready = -1 };
		struct ev_inner in = inner(i % 2 ? "mesh" : "rollout");
		if (i % 2)
			in.routes = &route, in.n_routes = 1;
		else
			in.phase = STR("Progressing"), in.weight = w;
		struct event ev = { .kind = EV_INNER, .position = 9, .received_at_us = LIVE_US, .inner = in };
		assert_int_equal(engine_fold(e, &ev, &err), ERR_NONSENSE);
	}
	struct ev_inner in = inner("rollout");
	in.since_us = INT64_MAX - 1;
	struct event ev = { .kind = EV_INNER, .position = 9, .received_at_us = LIVE_US, .inner = in };
	assert_int_equal(engine_fold(e, &ev, &err), ERR_NONSENSE);
	engine_free(e);
}

/* Names are as long as somebody made them. */
static void long_names_fit(void **state)
{
	static const struct layers_seen nothing;
	char name[4096], text[64];
	struct layers l;
	(void)state;
	memset(name, 'x', sizeof(name));
	struct str word = { name, sizeof(name) };
	struct ev_route routes[] = { { .subset = word, .version = STR("v1"), .weight = 1, .ready = 0 } };
	struct ev_pod pods[] = { { .name = word, .version = STR("v1"), .ready = true },
		{ .name = word, .version = STR("v1"), .ready = true } };
	struct engine *e = shop(false);
	struct ev_inner mesh = inner("mesh"), rollout = inner("rollout"), p = inner("pods");
	mesh.routes = routes, mesh.n_routes = 1;
	p.pods = pods, p.n_pods = 2;
	rollout.controller = rollout.phase = rollout.message = word;
	tell(e, (struct event){ .kind = EV_INNER, .inner = mesh }, LIVE_US + US_PER_S);
	tell(e, (struct event){ .kind = EV_INNER, .inner = rollout }, LIVE_US + US_PER_S);
	tell(e, (struct event){ .kind = EV_INNER, .inner = p }, LIVE_US + US_PER_S);
	const struct service *s = e->services[0];
	layers_read(e, s, s->tracked, &nothing, &l);
	for (int i = LAYER_MESH; i <= LAYER_PODS; i++)
		assert_true(strlen(l.at[i].text) < sizeof(l.at[i].text));
	assert_int_equal(l.at[LAYER_MESH].state, LAYER_FAIL);
	assert_int_equal(l.at[LAYER_PODS].state, LAYER_FAIL);
	assert_true(layers_fail(e, s, s->tracked, text, sizeof(text)));
	engine_free(e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_a_rollout_stands_still),
		cmocka_unit_test(each_layer_says_what_it_is),
		cmocka_unit_test(the_innermost_that_fails_is_named),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(long_names_fit),
	};
	return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
