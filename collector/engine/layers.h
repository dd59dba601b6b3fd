/* layers.h - what lies behind the caches, as it was told: mesh, rollout, pods; and which layer is wrong.
 * Words and rules of the analysis, section 8; Flagger's phases and texts are those of its 1.44, Argo
 * Rollouts' those of its status. */
#ifndef ENGINE_LAYERS_H
#define ENGINE_LAYERS_H

#include "collector/engine/engine_internal.h"

#define LAYERS(X)                                                                                            \
	X(EDGE, "edge")                                                                                      \
	X(SHIELD, "shield") X(ORIGIN, "origin") X(MESH, "mesh") X(ROLLOUT, "rollout") X(PODS, "pods")
#define X(id, name) LAYER_##id,
enum layer { LAYERS(X) LAYER_COUNT }; /* from the user inward */
#undef X
const char *layer_name(enum layer l);

enum layer_state {
	LAYER_PASS,
	LAYER_FAIL,
	LAYER_UNKNOWN, /* asked, no answer that tells */
	LAYER_NOT_CONFIGURED,
};
const char *layer_state_name(enum layer_state s);

/* Percent of what the mesh sends; known: an entry came since the deploy started. */
struct mesh_facts {
	bool known;
	double new_weight, old_weight, unknown_weight;
	double dead_weight;                   /* to subsets without a ready pod */
	const char *dead_subset, *old_subset; /* the heaviest of them; NULL: none */
};

#define STUCK_REASONS(X)                                                                                     \
	X(NOT_STUCK, "not_stuck", "it goes on")                                                              \
	X(METRICS_MISSING, "metrics_missing", "its analysis finds no metric values")                         \
	X(PROMETHEUS_UNREACHABLE, "prometheus_unreachable", "its metrics provider is out of reach")          \
	X(ANALYSIS_FAILING, "analysis_failing", "its analysis fails")                                        \
	X(GATE_CLOSED, "gate_closed", "it waits for an approval")                                            \
	X(NO_TRAFFIC, "no_traffic", "the canary receives no traffic to be judged by")                        \
	X(NOT_READY, "not_ready", "its pods do not become ready")                                            \
	X(GAVE_UP, "gave_up", "it gave up, and does not say why")                                            \
	X(REASON_GIVEN, "reason_given", "the controller gave a reason of its own")                           \
	X(CONTROLLER_SILENT, "controller_silent",                                                            \
		"its phase has not changed for 5 minutes, and no reason is given")
#define X(id, name, says) STUCK_##id,
enum stuck_reason { STUCK_REASONS(X) STUCK_COUNT };
#undef X
const char *stuck_reason_name(enum stuck_reason r);
const char *stuck_reason_says(enum stuck_reason r);
/* Why a rollout in this phase, with what is said beside it, does not go on; STUCK_NOT_STUCK where nothing
 * says that it does not. */
enum stuck_reason stuck_reason_from(struct str phase, struct str reason, struct str message);
/* What the controller says beyond its phase; NULL: nothing. */
const char *rollout_said(const struct inner *in);

struct rollout_facts {
	bool known, done, failed;
	bool paused;            /* it waits for somebody */
	bool unknown_phase;     /* it is in one that no controller has */
	bool of_this, of_other; /* by the version or revision it names; neither: it names none we know */
	bool stuck; /* not progressing: a reason is given, or its phase and weight are the same for 5 minutes
		     */
	enum stuck_reason stuck_reason;
	int64_t unchanged_since_us;
	const struct inner *entry;
};
struct pods_facts { /* ready and not terminating */
	bool known;
	uint32_t fresh, old, unknown;
	const char *old_names[5];
	const char *unknown_version; /* that no deploy names; NULL: not told */
};
/* The entry of that type, if it was told since the deploy began. */
const struct inner *layers_inner(const struct service *s, const struct deploy *d, const char *type);
/* Is a version, or a revision, this deploy's by any of its names? ret_other: it is an older one's. */
bool layers_is_of(const struct service *s, const struct deploy *d, const char *version, bool *ret_other);
void mesh_facts(const struct service *s, const struct deploy *d, struct mesh_facts *ret);
void rollout_facts(
	const struct engine *e, const struct service *s, const struct deploy *d, struct rollout_facts *ret);
void pods_facts(const struct service *s, const struct deploy *d, struct pods_facts *ret);

struct layers_seen { /* of the cells: by the layer their cause lies in */
	uint32_t n_cells[LAYER_COUNT];
};
struct layers {
	struct {
		enum layer_state state;
		char text[240]; /* one sentence; may be empty */
	} at[LAYER_COUNT];
	bool failing;
	enum layer innermost; /* that fails: where to look */
};
void layers_read(const struct engine *e, const struct service *s, const struct deploy *d,
	const struct layers_seen *seen, struct layers *ret);
/* Does mesh, rollout or pods stand against this deploy? ret_text: its sentence. That follows from what was
 * told and from the ledger alone, so that nobody need ask again before either changes. */
bool layers_fail(
	const struct engine *e, const struct service *s, const struct deploy *d, char *ret_text, size_t n);

#endif
