/* why.h - why a cell is not fresh, and why a deploy is not: tables A (the answer came from a cache) and B (it
 * came through) of the analysis, worked out from what the engine holds when somebody asks. Nothing here
 * changes the engine. */
#ifndef ENGINE_WHY_H
#define ENGINE_WHY_H

#include "collector/engine/engine_internal.h"
#include "collector/engine/layers.h"

/* id, name, layer. The order breaks ties between a deploy's causes. */
#define CAUSES(X)                                                                                            \
	X(NONE, "none", EDGE)                                                                                \
	X(SHIELD_STALE, "shield_stale", SHIELD)                                                              \
	X(PURGE_MISSED_KEY, "purge_missed_key", EDGE)                                                        \
	X(PURGED_TOO_EARLY, "purged_too_early", EDGE)                                                        \
	X(PURGE_PROPAGATING, "purge_propagating", EDGE)                                                      \
	X(PURGE_INEFFECTIVE, "purge_ineffective", EDGE)                                                      \
	X(VALIDATOR_UNCHANGED, "validator_unchanged", ORIGIN)                                                \
	X(TTL_WAIT, "ttl_wait", EDGE)                                                                        \
	X(STALE_PAST_TTL, "stale_past_ttl", EDGE)                                                            \
	X(SOFT_PURGE_SERVING, "soft_purge_serving", EDGE)                                                    \
	X(DEAD_SUBSET, "dead_subset", MESH)                                                                  \
	X(NOT_ROLLED_OUT, "not_rolled_out", ORIGIN)                                                          \
	X(REGIONAL_ORIGIN_STALE, "regional_origin_stale", ORIGIN)                                            \
	X(BEHAVIOR_SPLIT, "behavior_split", ORIGIN)                                                          \
	X(ROLLOUT_STUCK, "rollout_stuck", ROLLOUT)                                                           \
	X(CANARY_RESIDUAL, "canary_residual", MESH)                                                          \
	X(OLD_PODS_SERVING, "old_pods_serving", PODS)                                                        \
	X(SPLIT_TRAFFIC, "split_traffic", ORIGIN)                                                            \
	X(REFILLED_STALE, "refilled_stale", SHIELD)                                                          \
	X(ORIGIN_FAILING, "origin_failing", ORIGIN)                                                          \
	X(EDGE_FAILING, "edge_failing", EDGE)                                                                \
	X(UNREACHABLE_FROM_AGENT, "unreachable_from_agent", EDGE)                                            \
	X(CACHED_UNKNOWN_AGE, "cached_unknown_age", EDGE)
#define X(id, name, layer) CAUSE_##id,
enum cause { CAUSES(X) CAUSE_COUNT };
#undef X
_Static_assert(CAUSE_COUNT <= DEPLOY_CAUSES_MAX, "a deploy has no room for them");
const char *cause_name(enum cause c);
enum layer cause_layer(enum cause c);

/* How many draws gave what: one uncached answer is one draw. */
struct sum {
	uint32_t old, fresh, e503, errors; /* errors: 5xx, 503 among them */
};
struct region_sum {
	uint32_t region;       /* name */
	uint32_t origin_fresh; /* new answers past the CDN, asked from there */
	struct sum sum;        /* of the edge path */
};

/* What one answer of a service needs, made once for all of its cells. */
struct why_view {
	const struct engine *e;
	const struct service *s;
	const struct deploy *d;       /* the current one; NULL: nothing can be said */
	struct sum edge, origin;      /* since live_at, of the last 15 minutes */
	struct sum (*of_endpoint)[2]; /* by endpoint, and enum obs_path */
	struct region_sum *regions;
	size_t n_regions, cap_regions;
	uint32_t edges_503[2]; /* two different ones that gave a 503, NONE32 */
	bool envoy_503;        /* some of them Envoy's own */
	uint32_t old_since_503;
	struct mesh_facts mesh;
	struct rollout_facts rollout;
	struct pods_facts pods;
};
void why_open(const struct engine *e, const struct service *s, struct why_view *ret);
void why_close(struct why_view *w);

struct why {
	enum cause cause, also;           /* also: where an interval straddles two rows; CAUSE_NONE */
	int64_t at_us;                    /* of the observation this is about */
	int64_t cached_us;                /* latest; the earliest is a second before it. TIME_NONE */
	int64_t eta_us;                   /* TIME_NONE */
	uint8_t holder;                   /* index of the tier whose copy it is; NO_HOLDER */
	bool filled_by_probe, by_unknown; /* by_unknown: the purge matches by a tag or a rule we cannot see */
	const struct purge *purge;        /* m, or the nearest that missed */
	const char *pattern;              /* of it: the one that covers, or came nearest */
	const char *miss;                 /* why it missed */
	struct sum sum;                   /* draws it rests on */
};
#define NO_HOLDER 255
/* False: the cell is fresh, or cannot be asked. */
bool why_cell(const struct why_view *w, const struct cell *c, struct why *ret);
/* Table B for one cell; also what A5 asks. */
enum cause why_through(const struct why_view *w, const struct cell *c, bool error, struct sum *ret);

struct why_deploy {
	enum cause cause;
	uint32_t causes[CAUSE_COUNT]; /* cells */
	uint32_t not_fresh, unexplained;
	struct why why;           /* of the cell that shows it best */
	const struct cell *shown; /* that cell; NULL: none */
	struct layers_seen seen;
};
/* From the cells as they are now. */
void why_of_deploy(const struct why_view *w, struct why_deploy *ret);

/* draws of answers that came through, and errors (why_draws.c) */
void drawlog_add(struct service *s, uint32_t endpoint, uint32_t region, uint8_t path, uint32_t value,
	int16_t status, bool envoy, uint32_t edge, int64_t at_us);
void drawlogs_free(struct service *s);
uint64_t drawlog_key(const void *pool, uint32_t i);
/* Does this purge cover the endpoint? (why_purge.c) */
enum purge_match purge_covers(const struct service *s, const struct purge *p, uint32_t endpoint);
void purge_match_all(struct service *s, struct purge *p); /* once, when it or the endpoints are new */
const struct purge *purge_last_matching(const struct why_view *w, const struct cell *c, int64_t before_us,
	size_t *ret_concern, const struct purge **ret_missed);

/* JSON: "why" of a cell, and "cause" to "layers" of a deploy (why_text.c, why_view.c) */
void why_add(const struct why_view *w, const struct cell *c, const struct why *y, struct buf *out);
void why_text(const struct why_view *w, const struct cell *c, const struct why *y, struct buf *out);
void why_next(const struct why_view *w, const struct cell *c, const struct why *y, struct buf *out);
const char *why_refuted_by(enum cause c);
void why_deploy_add(const struct why_view *w, const struct deploy *d, struct buf *out);

#endif
