/* See layers.h */
#include <stdio.h>

#include "collector/engine/layers.h"

#define X(id, name) name,
static const char *const layer_names[] = { LAYERS(X) };
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

static bool inner_is_there(const struct service *s, const char *type)
{
	for (size_t i = 0; i < s->n_inner; i++)
		if (str_is(str_of(type), s->inner[i].type))
			return true;
	return false;
}

/* -- the six -- */

#define SAY(l, ...) (void)snprintf((l)->text, sizeof((l)->text), __VA_ARGS__)

/* Names are as long as somebody made them. */
#define NAME_OR(name, other) ((name) ? (name) : (other))

static void say_mesh(const struct deploy *d, const struct mesh_facts *m, struct layers *ret)
{
	if (!m->known)
		return;
	if (m->dead_weight > 0) {
		ret->at[LAYER_MESH].state = LAYER_FAIL;
		SAY(&ret->at[LAYER_MESH], "%.4g %% go to subset %.60s, which has no ready pod",
			m->dead_weight, NAME_OR(m->dead_subset, "without a name"));
	} else if (m->old_weight > 0) {
		ret->at[LAYER_MESH].state = LAYER_FAIL;
		SAY(&ret->at[LAYER_MESH], "%.4g %% still go to %.60s, and not to %.60s", m->old_weight,
			NAME_OR(m->old_subset, "an older version"), d->version);
	} else if (m->unknown_weight > 0 || m->new_weight <= 0) {
		SAY(&ret->at[LAYER_MESH], "of %.4g %% it is not told which deploy's version they lead to",
			m->new_weight <= 0 ? 100.0 : m->unknown_weight);
	} else {
		ret->at[LAYER_MESH].state = LAYER_PASS;
		SAY(&ret->at[LAYER_MESH], "everything goes to %.60s", d->version);
	}
}

static void say_done(
	const struct deploy *d, const struct rollout_facts *r, const char *who, struct layers *ret)
{
	const struct inner *in = r->entry;
	const char *what = NAME_OR(in->version, NAME_OR(in->revision, "another version"));
	if (r->of_other) {
		ret->at[LAYER_ROLLOUT].state = LAYER_FAIL;
		SAY(&ret->at[LAYER_ROLLOUT], "%.60s is done (%.40s) on %.60s, not on %.40s", who, in->phase,
			what, d->version);
	} else if (!r->of_this && in->phase_since_us < d->started_us) {
		/* it has not noticed this one yet, or was done with it before anybody said that it began */
		SAY(&ret->at[LAYER_ROLLOUT],
			"%.60s was done (%.40s) before this deploy began, and names no version of it", who,
			in->phase);
	} else {
		ret->at[LAYER_ROLLOUT].state = LAYER_PASS;
		SAY(&ret->at[LAYER_ROLLOUT], "%.60s is done: %.40s", who, in->phase);
	}
}

static void say_rollout(const struct deploy *d, const struct rollout_facts *r, struct layers *ret)
{
	if (!r->known)
		return;
	const struct inner *in = r->entry;
	const char *who = NAME_OR(in->controller, "the controller");
	const char *phase = NAME_OR(in->phase, "no phase"), *given = rollout_said(in);
	if (r->done) {
		say_done(d, r, who, ret);
		return;
	}
	if (!r->unknown_phase)
		ret->at[LAYER_ROLLOUT].state = LAYER_FAIL;
	if (r->stuck)
		SAY(&ret->at[LAYER_ROLLOUT], "%.60s is in %.40s: %s%s%.100s", who, phase,
			stuck_reason_says(r->stuck_reason), given ? ": " : "", NAME_OR(given, ""));
	else
		SAY(&ret->at[LAYER_ROLLOUT], "%.60s is in %.40s%s%.100s", who, phase, given ? ": " : "",
			NAME_OR(given, ""));
}

static void say_pods(const struct deploy *d, const struct pods_facts *p, struct layers *ret)
{
	struct buf names;
	if (!p->known)
		return;
	uint32_t ready = p->fresh + p->old + p->unknown;
	if (p->old > 0) {
		buf_init(&names, 256);
		for (size_t i = 0; i < ARRAY_LEN(p->old_names) && i < p->old; i++)
			if (p->old_names[i])
				buf_addf(&names, "%s%.30s", names.n ? ", " : ": ", p->old_names[i]);
		ret->at[LAYER_PODS].state = LAYER_FAIL;
		SAY(&ret->at[LAYER_PODS], "%u of %u ready pods run an older version%s", p->old, ready,
			names.n ? names.p : "");
		buf_fini(&names);
	} else if (p->unknown > 0) {
		SAY(&ret->at[LAYER_PODS],
			"of %u of %u ready pods it is not told which deploy's version they run%s%.60s",
			p->unknown, ready, p->unknown_version ? ": " : "", NAME_OR(p->unknown_version, ""));
	} else if (p->fresh == 0) {
		SAY(&ret->at[LAYER_PODS], "no pod is ready");
	} else {
		ret->at[LAYER_PODS].state = LAYER_PASS;
		SAY(&ret->at[LAYER_PODS], "all %u ready pods run %.60s", p->fresh, d->version);
	}
}

/* Of the three that are told: what is told now is of the current deploy. */
static void read_told(
	const struct engine *e, const struct service *s, const struct deploy *d, struct layers *ret)
{
	static const char *const told[] = {
		[LAYER_MESH] = "mesh", [LAYER_ROLLOUT] = "rollout", [LAYER_PODS] = "pods"
	};
	struct mesh_facts mesh;
	struct rollout_facts rollout;
	struct pods_facts pods;
	for (int i = LAYER_MESH; i <= LAYER_PODS; i++)
		ret->at[i].state = inner_is_there(s, told[i]) ? LAYER_UNKNOWN : LAYER_NOT_CONFIGURED;
	if (s->tracked != d)
		return;
	mesh_facts(s, d, &mesh);
	rollout_facts(e, s, d, &rollout);
	pods_facts(s, d, &pods);
	say_mesh(d, &mesh, ret);
	say_rollout(d, &rollout, ret);
	say_pods(d, &pods, ret);
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
	*ret = (struct layers){ .failing = false };
	read_told(e, s, d, ret);
	if (s->tracked == d)
		read_origin(s, d, ret);
	else
		ret->at[LAYER_ORIGIN].state = s->has_origin ? LAYER_UNKNOWN : LAYER_NOT_CONFIGURED;
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
	struct layers l = { .failing = false };
	if (s->n_inner)
		read_told(e, s, d, &l);
	for (int i = LAYER_PODS; i >= LAYER_MESH && s->n_inner; i--)
		if (l.at[i].state == LAYER_FAIL) {
			(void)snprintf(ret_text, n, "%s: %s", layer_name((enum layer)i), l.at[i].text);
			return true;
		}
	return false;
}
