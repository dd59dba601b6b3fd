/* What a rollout controller was told to do, beside one deploy: phases and texts of Flagger 1.44 and of Argo
 * Rollouts. See layers.h */
#include "collector/engine/layers.h"

#define UNCHANGED_US (5 * US_PER_MIN)

#define X(id, name, says) name,
static const char *const stuck_names[] = { STUCK_REASONS(X) };
#undef X
#define X(id, name, says) says,
static const char *const stuck_texts_of[] = { STUCK_REASONS(X) };
#undef X

const char *stuck_reason_name(enum stuck_reason r)
{
	return r < STUCK_COUNT ? stuck_names[r] : "unknown";
}

const char *stuck_reason_says(enum stuck_reason r)
{
	return r < STUCK_COUNT ? stuck_texts_of[r] : "";
}

/* The first row that holds. What is told more exactly stands above what is told less so: "no values found ...
 * probably shop.prod is not receiving traffic: running query failed: no values found" is of missing traffic,
 * and a hook that cannot be reached is no Prometheus. */
static const struct {
	const char *has, *and; /* and: NULL, or another part */
	enum stuck_reason reason;
} texts[] = {
	{ "waiting for approval", NULL, STUCK_GATE_CLOSED },
	{ "waiting for promotion approval", NULL, STUCK_GATE_CLOSED },
	{ "waiting for traffic increase approval", NULL, STUCK_GATE_CLOSED },
	{ "external check", NULL, STUCK_ANALYSIS_FAILING },
	{ "pre-rollout check", "failed", STUCK_ANALYSIS_FAILING },
	{ "not receiving traffic", NULL, STUCK_NO_TRAFFIC },
	{ "no traffic", NULL, STUCK_NO_TRAFFIC },
	{ "no values found", NULL, STUCK_METRICS_MISSING },
	{ "no metric", NULL, STUCK_METRICS_MISSING },
	{ "metric", "missing", STUCK_METRICS_MISSING },
	{ "metric", "no value", STUCK_METRICS_MISSING },
	{ "slice index out of range", NULL, STUCK_METRICS_MISSING },   /* Argo: result[0] of no result */
	{ "prometheus not avai", NULL, STUCK_PROMETHEUS_UNREACHABLE }, /* Flagger's own spelling follows */
	{ "query failed", NULL, STUCK_PROMETHEUS_UNREACHABLE },
	{ "checking metric providers", NULL, STUCK_PROMETHEUS_UNREACHABLE },
	{ "prometheus", "reach", STUCK_PROMETHEUS_UNREACHABLE },
	{ "prometheus", "unavailable", STUCK_PROMETHEUS_UNREACHABLE },
	{ "prometheus", "refused", STUCK_PROMETHEUS_UNREACHABLE },
	{ "prometheus", "timeout", STUCK_PROMETHEUS_UNREACHABLE },
	{ "prometheus", "down", STUCK_PROMETHEUS_UNREACHABLE },
	{ "request failed", NULL, STUCK_PROMETHEUS_UNREACHABLE },
	{ "connection refused", NULL, STUCK_PROMETHEUS_UNREACHABLE },
	{ "no such host", NULL, STUCK_PROMETHEUS_UNREACHABLE },
	{ "i/o timeout", NULL, STUCK_PROMETHEUS_UNREACHABLE },
	{ "CanaryPauseStep", NULL, STUCK_GATE_CLOSED },
	{ "BlueGreenPause", NULL, STUCK_GATE_CLOSED },
	{ "manually paused", NULL, STUCK_GATE_CLOSED },
	{ "not ready", NULL, STUCK_NOT_READY },
	{ "progress deadline", NULL, STUCK_NOT_READY },
	{ "ProgressDeadlineExceeded", NULL, STUCK_NOT_READY },
	{ "timed out progressing", NULL, STUCK_NOT_READY },
	{ "waiting for rollout to finish", NULL, STUCK_NOT_READY },
	{ "success rate", "<", STUCK_ANALYSIS_FAILING },
	{ "request duration", ">", STUCK_ANALYSIS_FAILING },
	{ "failed checks threshold", NULL, STUCK_ANALYSIS_FAILING },
	{ "InconclusiveAnalysisRun", NULL, STUCK_ANALYSIS_FAILING },
	{ "assessed", "fail", STUCK_ANALYSIS_FAILING },
	{ "assessed", "error", STUCK_ANALYSIS_FAILING },
	{ "analysis", "fail", STUCK_ANALYSIS_FAILING },
	{ "manual webhook", NULL, STUCK_REASON_GIVEN },
	{ "Halt ", NULL, STUCK_ANALYSIS_FAILING },
	/* what they say while all goes well */
	{ "New revision detected", NULL, STUCK_NOT_STUCK },
	{ "detected, starting initialization", NULL, STUCK_NOT_STUCK },
	{ "Initialization done", NULL, STUCK_NOT_STUCK },
	{ "initialization completed", NULL, STUCK_NOT_STUCK },
	{ "metrics providers are available", NULL, STUCK_NOT_STUCK },
	{ "Starting canary analysis", NULL, STUCK_NOT_STUCK },
	{ "Canary analysis completed", NULL, STUCK_NOT_STUCK },
	{ "Pre-rollout check", "passed", STUCK_NOT_STUCK },
	{ "Confirm-rollout check", "passed", STUCK_NOT_STUCK },
	{ "Advance ", "weight", STUCK_NOT_STUCK },
	{ "Advance ", "iteration", STUCK_NOT_STUCK },
	{ "Copying ", "template spec", STUCK_NOT_STUCK },
	{ "Routing all traffic", NULL, STUCK_NOT_STUCK },
	{ "Promotion completed", NULL, STUCK_NOT_STUCK },
	{ "more replicas need to be updated", NULL, STUCK_NOT_STUCK },
	{ "replicas are still becoming available", NULL, STUCK_NOT_STUCK },
	{ "old replicas are pending termination", NULL, STUCK_NOT_STUCK },
	{ "active service cutover pending", NULL, STUCK_NOT_STUCK },
	{ "waiting for analysis to complete", NULL, STUCK_NOT_STUCK },
	{ "waiting for all steps to complete", NULL, STUCK_NOT_STUCK },
	{ "waiting for rollout spec update", NULL, STUCK_NOT_STUCK },
	{ "rollout is restarting", NULL, STUCK_NOT_STUCK },
	{ "is progressing", NULL, STUCK_NOT_STUCK },
	{ "NewReplicaSet", NULL, STUCK_NOT_STUCK },
	{ "FoundNewReplicaSet", NULL, STUCK_NOT_STUCK },
	{ "ReplicaSetUpdated", NULL, STUCK_NOT_STUCK },
};

static bool phase_in(struct str phase, const char *const *list)
{
	for (; *list; list++)
		if (str_eq_nocase(phase, str_of(*list)))
			return true;
	return false;
}

static const char *const done_phases[] = { "Succeeded", "Initialized", "Healthy", "Promoted", "Completed",
	"Complete", NULL };
static const char *const failed_phases[] = { "Failed", "Degraded", "Aborted", "Error", NULL };
static const char *const gate_phases[] = { "Waiting", "WaitingPromotion", "Paused", NULL };
static const char *const phases[] = { "Progressing", "Initializing", "Promoting", "Finalising", "Terminating",
	"Terminated", NULL };

/* A condition's reason is often its phase once more, which gives none. */
static bool is_phase(struct str text)
{
	return phase_in(text, phases) || phase_in(text, done_phases) || phase_in(text, failed_phases) ||
	       phase_in(text, gate_phases);
}

static bool is_of_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* NaN counts as no value; within a name it is none. */
static bool says_nan(struct str text)
{
	for (size_t i = 0; i + 3 <= text.n; i++)
		if (memcmp(text.p + i, "NaN", 3) == 0 && (i == 0 || !is_of_word(text.p[i - 1])) &&
			(i + 3 == text.n || !is_of_word(text.p[i + 3])))
			return true;
	return false;
}

static enum stuck_reason reason_of_text(struct str text)
{
	enum stuck_reason r = STUCK_REASON_GIVEN;
	if (text.n == 0 || is_phase(text))
		return STUCK_NOT_STUCK;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_contains_nocase(text, texts[i].has) &&
			(texts[i].and == NULL || str_contains_nocase(text, texts[i].and))) {
			r = texts[i].reason;
			break;
		}
	return (r == STUCK_ANALYSIS_FAILING || r == STUCK_REASON_GIVEN) && says_nan(text)
		       ? STUCK_METRICS_MISSING
		       : r;
}

enum stuck_reason stuck_reason_from(struct str phase, struct str reason, struct str message)
{
	/* the message says more than the reason, which is often one word */
	enum stuck_reason r = reason_of_text(message), short_one = reason_of_text(reason);
	if (r == STUCK_NOT_STUCK || (r == STUCK_REASON_GIVEN && short_one != STUCK_NOT_STUCK))
		r = short_one;
	if (r != STUCK_NOT_STUCK && r != STUCK_REASON_GIVEN)
		return r;
	if (phase_in(phase, gate_phases))
		return STUCK_GATE_CLOSED;
	return r == STUCK_NOT_STUCK && phase_in(phase, failed_phases) ? STUCK_GAVE_UP : r;
}

const char *rollout_said(const struct inner *in)
{
	if (in->message && !is_phase(str_of(in->message)))
		return in->message;
	return in->reason && !is_phase(str_of(in->reason)) ? in->reason : NULL;
}

void rollout_facts(
	const struct engine *e, const struct service *s, const struct deploy *d, struct rollout_facts *ret)
{
	const struct inner *in = layers_inner(s, d, "rollout");
	*ret = (struct rollout_facts){ .known = in != NULL, .entry = in };
	if (in == NULL)
		return;
	struct str phase = str_of(in->phase);
	bool other = false;
	ret->of_this = layers_is_of(s, d, in->version, &other);
	if (!ret->of_this && !other)
		ret->of_this = layers_is_of(s, d, in->revision, &other);
	ret->of_other = !ret->of_this && other;
	ret->done = phase_in(phase, done_phases);
	ret->failed = phase_in(phase, failed_phases);
	ret->paused = phase_in(phase, gate_phases);
	ret->unknown_phase = !is_phase(phase);
	/* a weight that moves is progress too, in whatever phase */
	ret->unchanged_since_us = MAX(in->phase_since_us, in->moved_us);
	if (ret->done)
		return;
	ret->stuck_reason = stuck_reason_from(phase, str_of(in->reason), str_of(in->message));
	if (ret->stuck_reason == STUCK_NOT_STUCK && e->now_us - ret->unchanged_since_us >= UNCHANGED_US)
		ret->stuck_reason = STUCK_CONTROLLER_SILENT;
	ret->stuck = ret->stuck_reason != STUCK_NOT_STUCK;
}
