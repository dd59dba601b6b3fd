/* See layers.h */
#include <stdio.h>

#include "collector/engine/layers.h"

#define UNCHANGED_US (5 * US_PER_MIN)

#define X(id, name) name,
static const char *const layer_names[] = { LAYERS(X) };
#undef X
#define X(id, name, says) name,
static const char *const stuck_names[] = { STUCK_REASONS(X) };
#undef X
#define X(id, name, says) says,
static const char *const stuck_says[] = { STUCK_REASONS(X) };
#undef X

const char *layer_name(enum layer l)
{
	return l < LAYER_COUNT ? layer_names[l] : "unknown";
}

const char *layer_state_name(enum layer_state s)
{
	static const char *const names[] = { "pass", "fail", "unknown", "not_configured" };
	return names[s];
}

const char *stuck_reason_name(enum stuck_reason r)
{
	return r < STUCK_COUNT ? stuck_names[r] : "unknown";
}

/* -- is it this deploy's? -- */

enum whose { WHOSE_NEW, WHOSE_OLD, WHOSE_UNKNOWN };

static bool is_called(const struct deploy *d, struct str word)
{
	if (str_is(word, d->version) || (d->revision && str_is(word, d->revision)))
		return true;
	for (size_t i = 0; i < d->n_aliases; i++)
		if (str_is(word, d->aliases[i]))
			return true;
	return false;
}

/* The hex behind "sha256:", however the image is named before it. */
static struct str digest_hex(struct str digest)
{
	static const struct str mark = { "sha256:", 7 };
	for (size_t i = digest.n; i >= mark.n; i--)
		if (str_eq((struct str){ digest.p + i - mark.n, mark.n }, mark))
			return str_from(digest, i);
	return digest;
}

static enum whose whose(const struct deploy *d, const char *version, const char *digest)
{
	if (digest && d->digest && str_eq(digest_hex(str_of(digest)), digest_hex(str_of(d->digest))))
		return WHOSE_NEW;
	if (version)
		return is_called(d, str_of(version)) ? WHOSE_NEW : WHOSE_OLD;
	return digest && d->digest ? WHOSE_OLD : WHOSE_UNKNOWN;
}

/* A subset without a version is told by its name, where that is a version at all. */
static enum whose whose_subset(const struct service *s, const struct deploy *d, const struct inner_route *r)
{
	if (r->version)
		return whose(d, r->version, NULL);
	if (r->subset == NULL)
		return WHOSE_UNKNOWN;
	if (is_called(d, str_of(r->subset)))
		return WHOSE_NEW;
	for (size_t i = 0; i < s->n_deploys; i++)
		if (is_called(s->deploys[i], str_of(r->subset)))
			return WHOSE_OLD;
	return WHOSE_UNKNOWN;
}

/* What was told before the deploy began says nothing about it. */
static const struct inner *inner_of(const struct service *s, const struct deploy *d, const char *type)
{
	for (size_t i = 0; i < s->n_inner; i++)
		if (str_is(str_of(type), s->inner[i].type))
			return s->inner[i].at_us >= d->started_us ? &s->inner[i] : NULL;
	return NULL;
}

static bool inner_is_there(const struct service *s, const char *type)
{
	for (size_t i = 0; i < s->n_inner; i++)
		if (str_is(str_of(type), s->inner[i].type))
			return true;
	return false;
}

/* -- pods -- */

void pods_facts(
	const struct engine *e, const struct service *s, const struct deploy *d, struct pods_facts *ret)
{
	const struct inner *in = inner_of(s, d, "pods");
	*ret = (struct pods_facts){ .known = in != NULL };
	for (size_t i = 0; in && i < in->n_pods; i++) {
		const struct inner_pod *p = &in->pods[i];
		if (!p->ready || p->terminating)
			continue;
		switch (whose(d, p->version, p->digest)) {
		case WHOSE_NEW:
			ret->fresh++;
			break;
		case WHOSE_OLD:
			if (ret->old < ARRAY_LEN(ret->old_names))
				ret->old_names[ret->old] = p->name;
			ret->old++;
			break;
		case WHOSE_UNKNOWN:
			ret->unknown++;
			break;
		}
	}
}

/* -- mesh -- */

static bool same(const char *a, const char *b)
{
	return a && b && str_eq(str_of(a), str_of(b));
}

/* Does a ready pod stand behind this route? Where neither the route nor any pod says, it is taken to. */
static bool is_dead(const struct inner_route *r, const struct inner *pods)
{
	bool told = false;
	if (r->ready >= 0)
		return r->ready == 0;
	if (pods == NULL || (r->subset == NULL && r->version == NULL))
		return false;
	for (size_t i = 0; i < pods->n_pods; i++) {
		const struct inner_pod *p = &pods->pods[i];
		bool fits = r->version && p->version
				    ? same(r->version, p->version)
				    : same(r->subset, p->subset) || same(r->subset, p->version);
		told |= p->version || p->subset;
		if (fits && p->ready && !p->terminating)
			return false;
	}
	return told || pods->n_pods == 0;
}

void mesh_facts(
	const struct engine *e, const struct service *s, const struct deploy *d, struct mesh_facts *ret)
{
	const struct inner *in = inner_of(s, d, "mesh"), *pods = inner_of(s, d, "pods");
	double sum = 0;
	*ret = (struct mesh_facts){ .known = in != NULL };
	for (size_t i = 0; in && i < in->n_routes; i++)
		sum += in->routes[i].weight;
	for (size_t i = 0; in && i < in->n_routes; i++) {
		const struct inner_route *r = &in->routes[i];
		/* one destination gets everything, whatever its weight */
		double share = in->n_routes == 1 ? 100 : sum > 0 ? 100 * r->weight / sum : 0;
		if (share <= 0)
			continue;
		if (is_dead(r, pods)) {
			ret->dead_weight += share;
			ret->dead_subset = r->subset ? r->subset : r->version;
		}
		switch (whose_subset(s, d, r)) {
		case WHOSE_NEW:
			ret->new_weight += share;
			break;
		case WHOSE_OLD:
			ret->old_weight += share;
			break;
		case WHOSE_UNKNOWN:
			ret->unknown_weight += share;
			break;
		}
	}
}

/* -- rollout -- */

static const struct {
	const char *has;
	enum stuck_reason reason;
} stuck_texts[] = {
	/* in this order: "running query failed: no values found" is of missing values */
	{ "not receiving traffic", STUCK_NO_TRAFFIC },
	{ "no values found", STUCK_METRICS_MISSING },
	{ "no metric", STUCK_METRICS_MISSING },
	{ "NaN", STUCK_METRICS_MISSING },
	{ "prometheus not avai", STUCK_PROMETHEUS_UNREACHABLE }, /* Flagger's own spelling follows */
	{ "query failed", STUCK_PROMETHEUS_UNREACHABLE },
	{ "metric providers", STUCK_PROMETHEUS_UNREACHABLE },
	{ "request failed", STUCK_PROMETHEUS_UNREACHABLE },
	{ "connection refused", STUCK_PROMETHEUS_UNREACHABLE },
	{ "no such host", STUCK_PROMETHEUS_UNREACHABLE },
	{ "waiting for approval", STUCK_GATE_CLOSED },
	{ "waiting for promotion approval", STUCK_GATE_CLOSED },
	{ "waiting for traffic increase approval", STUCK_GATE_CLOSED },
	{ "CanaryPauseStep", STUCK_GATE_CLOSED },
	{ "BlueGreenPause", STUCK_GATE_CLOSED },
	{ "not ready", STUCK_NOT_READY },
	{ "progress deadline", STUCK_NOT_READY },
	{ "ProgressDeadlineExceeded", STUCK_NOT_READY },
	{ "waiting for rollout to finish", STUCK_NOT_READY },
	{ "external check", STUCK_ANALYSIS_FAILING },
	{ "success rate", STUCK_ANALYSIS_FAILING },
	{ "request duration", STUCK_ANALYSIS_FAILING },
	{ "failed checks threshold", STUCK_ANALYSIS_FAILING },
	{ "InconclusiveAnalysisRun", STUCK_ANALYSIS_FAILING },
	{ "analysis", STUCK_ANALYSIS_FAILING },
	{ "Halt", STUCK_ANALYSIS_FAILING },
	{ "Rolling back", STUCK_ANALYSIS_FAILING },
};

static bool phase_in(struct str phase, const char *const *list)
{
	for (; *list; list++)
		if (str_eq_nocase(phase, str_of(*list)))
			return true;
	return false;
}

static const char *const done_phases[] = { "Succeeded", "Initialized", "Healthy", "Promoted", "Completed",
	NULL };
static const char *const failed_phases[] = { "Failed", "Degraded", "Aborted", "Error", NULL };
static const char *const gate_phases[] = { "Waiting", "WaitingPromotion", "Paused", NULL };
/* What controllers say of their own phase while all goes well. */
static const char *const phases[] = { "Progressing", "Initializing", "Promoting", "Finalising", "Terminating",
	NULL };

enum stuck_reason stuck_reason_from(struct str phase, struct str text)
{
	bool says_phase = phase_in(text, phases) || phase_in(text, done_phases) ||
			  phase_in(text, failed_phases) || phase_in(text, gate_phases);
	for (size_t i = 0; i < ARRAY_LEN(stuck_texts) && !says_phase; i++)
		if (str_contains_nocase(text, stuck_texts[i].has))
			return stuck_texts[i].reason;
	if (phase_in(phase, gate_phases))
		return STUCK_GATE_CLOSED;
	if (phase_in(phase, failed_phases))
		return STUCK_ANALYSIS_FAILING;
	return text.n && !says_phase ? STUCK_REASON_GIVEN : STUCK_NOT_STUCK;
}

void rollout_facts(
	const struct engine *e, const struct service *s, const struct deploy *d, struct rollout_facts *ret)
{
	const struct inner *in = inner_of(s, d, "rollout");
	*ret = (struct rollout_facts){ .known = in != NULL, .entry = in };
	if (in == NULL)
		return;
	struct str phase = str_of(in->phase), reason = str_of(in->reason), message = str_of(in->message);
	ret->done = phase_in(phase, done_phases);
	ret->failed = phase_in(phase, failed_phases);
	if (ret->done)
		return;
	ret->stuck_reason = stuck_reason_from(phase, message);
	if (reason.n && (ret->stuck_reason == STUCK_NOT_STUCK || ret->stuck_reason == STUCK_REASON_GIVEN ||
				message.n == 0)) {
		enum stuck_reason by = stuck_reason_from(phase, reason);
		ret->stuck_reason = by != STUCK_NOT_STUCK ? by : ret->stuck_reason;
	}
	if (ret->stuck_reason == STUCK_NOT_STUCK && e->now_us - in->phase_since_us >= UNCHANGED_US)
		ret->stuck_reason = STUCK_CONTROLLER_SILENT;
	ret->stuck = ret->stuck_reason != STUCK_NOT_STUCK;
}

/* -- the six -- */

#define SAY(l, ...) (void)snprintf((l)->text, sizeof((l)->text), __VA_ARGS__)

static void read_mesh(
	const struct engine *e, const struct service *s, const struct deploy *d, struct layers *ret)
{
	struct mesh_facts m;
	mesh_facts(e, s, d, &m);
	if (!m.known)
		return;
	if (m.dead_weight > 0) {
		ret->at[LAYER_MESH].state = LAYER_FAIL;
		SAY(&ret->at[LAYER_MESH], "%.4g %% go to subset %s, which has no ready pod", m.dead_weight,
			m.dead_subset);
	} else if (m.old_weight > 0) {
		ret->at[LAYER_MESH].state = LAYER_FAIL;
		SAY(&ret->at[LAYER_MESH], "%.4g %% go to another version than %s", m.old_weight, d->version);
	} else if (m.unknown_weight > 0 || m.new_weight <= 0) {
		SAY(&ret->at[LAYER_MESH], "of %.4g %% it is not told which version they lead to",
			m.new_weight <= 0 ? 100.0 : m.unknown_weight);
	} else {
		ret->at[LAYER_MESH].state = LAYER_PASS;
		SAY(&ret->at[LAYER_MESH], "everything goes to %s", d->version);
	}
}

static void read_rollout(
	const struct engine *e, const struct service *s, const struct deploy *d, struct layers *ret)
{
	struct rollout_facts r;
	rollout_facts(e, s, d, &r);
	if (!r.known)
		return;
	const struct inner *in = r.entry;
	const char *who = in->controller ? in->controller : "the controller";
	if (r.done) {
		bool other = in->version && !is_called(d, str_of(in->version));
		ret->at[LAYER_ROLLOUT].state = other ? LAYER_FAIL : LAYER_PASS;
		if (other)
			SAY(&ret->at[LAYER_ROLLOUT], "%s is done (%s) on %s", who, in->phase, in->version);
		else
			SAY(&ret->at[LAYER_ROLLOUT], "%s is done: %s", who, in->phase);
		return;
	}
	ret->at[LAYER_ROLLOUT].state = LAYER_FAIL;
	const char *given = in->message ? in->message : in->reason;
	if (r.stuck)
		SAY(&ret->at[LAYER_ROLLOUT], "%s is in %s: %s%s%.100s", who, in->phase,
			stuck_says[r.stuck_reason], given ? ": " : "", given ? given : "");
	else
		SAY(&ret->at[LAYER_ROLLOUT], "%s is in %s", who, in->phase);
}

static void read_pods(
	const struct engine *e, const struct service *s, const struct deploy *d, struct layers *ret)
{
	struct pods_facts p;
	pods_facts(e, s, d, &p);
	if (!p.known)
		return;
	if (p.old > 0) {
		ret->at[LAYER_PODS].state = LAYER_FAIL;
		SAY(&ret->at[LAYER_PODS], "%u of %u ready pods run another version%s%.60s", p.old,
			p.old + p.fresh + p.unknown, p.old_names[0] ? ": " : "",
			p.old_names[0] ? p.old_names[0] : "");
	} else if (p.unknown > 0 || p.fresh == 0) {
		SAY(&ret->at[LAYER_PODS], "%u ready pods, of %u of them the version is not told",
			p.fresh + p.unknown, p.unknown);
	} else {
		ret->at[LAYER_PODS].state = LAYER_PASS;
		SAY(&ret->at[LAYER_PODS], "all %u ready pods run %s", p.fresh, d->version);
	}
}

/* What its own path answered last, by endpoint. */
static void read_origin(const struct service *s, const struct deploy *d, struct layers *ret)
{
	size_t asked = 0, fresh = 0;
	for (uint32_t i = 0; i < s->n_endpoints; i++) {
		const struct runs *r = &s->endpoints[i].origin;
		struct judgement j;
		if (r->n == 0 || runs_of(r)[r->n - 1].last_us < d->live_us || !endpoint_judges(s, i))
			continue;
		asked++;
		value_look(s, runs_of(r)[r->n - 1].value, runs_of(r)[r->n - 1].last_us, &j);
		fresh += j.label == LABEL_FRESH;
	}
	if (asked == 0) {
		ret->at[LAYER_ORIGIN].state = s->has_origin ? LAYER_UNKNOWN : LAYER_NOT_CONFIGURED;
		return;
	}
	ret->at[LAYER_ORIGIN].state = fresh == asked ? LAYER_PASS : LAYER_FAIL;
	SAY(&ret->at[LAYER_ORIGIN], "%zu of %zu endpoints answer %s past the CDN", fresh, asked, d->version);
}

static void read_caches(
	const struct service *s, const struct deploy *d, const struct layers_seen *seen, struct layers *ret)
{
	bool shield = seen->n_cells[LAYER_SHIELD] > 0;
	for (size_t i = 0; i < s->n_cells && !shield; i++)
		shield = (s->cells[i].tiers & 7) > 1;
	bool asked = d->live_us != TIME_NONE && d->curves[0].observed > 0;
	ret->at[LAYER_EDGE].state = !asked ? LAYER_UNKNOWN : LAYER_PASS;
	ret->at[LAYER_SHIELD].state = !shield ? LAYER_NOT_CONFIGURED : ret->at[LAYER_EDGE].state;
	for (int i = LAYER_EDGE; i <= LAYER_PODS; i++)
		if (seen->n_cells[i] > 0 && asked) {
			ret->at[i].state = LAYER_FAIL;
			if (ret->at[i].text[0] == '\0')
				SAY(&ret->at[i], "%u cell%s not fresh with a cause that lies here",
					seen->n_cells[i], seen->n_cells[i] == 1 ? " is" : "s are");
		}
}

void layers_read(const struct engine *e, const struct service *s, const struct deploy *d,
	const struct layers_seen *seen, struct layers *ret)
{
	static const char *const told[] = {
		[LAYER_MESH] = "mesh", [LAYER_ROLLOUT] = "rollout", [LAYER_PODS] = "pods"
	};
	*ret = (struct layers){ .failing = false };
	for (int i = LAYER_MESH; i <= LAYER_PODS; i++)
		ret->at[i].state = inner_is_there(s, told[i]) ? LAYER_UNKNOWN : LAYER_NOT_CONFIGURED;
	if (s->tracked == d) { /* what is told now is of the current deploy */
		read_mesh(e, s, d, ret);
		read_rollout(e, s, d, ret);
		read_pods(e, s, d, ret);
		read_origin(s, d, ret);
	} else {
		ret->at[LAYER_ORIGIN].state = s->has_origin ? LAYER_UNKNOWN : LAYER_NOT_CONFIGURED;
	}
	read_caches(s, d, seen, ret);
	for (int i = 0; i < LAYER_COUNT; i++)
		if (ret->at[i].state == LAYER_FAIL) {
			ret->failing = true;
			ret->innermost = (enum layer)i;
		}
}

bool layers_fail(
	const struct engine *e, const struct service *s, const struct deploy *d, char *ret_text, size_t n)
{
	static const struct layers_seen nothing;
	struct layers l;
	layers_read(e, s, d, &nothing, &l);
	for (int i = LAYER_PODS; i >= LAYER_MESH; i--)
		if (l.at[i].state == LAYER_FAIL) {
			(void)snprintf(ret_text, n, "%s: %s", layer_name((enum layer)i), l.at[i].text);
			return true;
		}
	return false;
}
