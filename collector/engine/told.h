/* told.h - what a service was told of purges and inner layers, and what is noted for causes. Part of the
 * engine's memory.
 */
#ifndef ENGINE_TOLD_H
#define ENGINE_TOLD_H

#include "collector/engine/event.h"

#define PURGES_MAX       500 /* a service */
#define BEHIND_MAX       16
#define INNER_JSON_MAX   (256 * 1024)
#define INNER_ROUTES_MAX 256
#define INNER_PODS_MAX   5000

struct purge {
	char *id, *vendor, *zone, *source;
	int64_t recorded_us, requested_us, completed_us;
	char **patterns, **tags;
	size_t n_patterns, n_tags;
	bool soft, everything, in_future;
	uint8_t *covers; /* enum purge_match, by endpoint */
};
struct drawn { /* like draws of a few seconds */
	int64_t first_us, last_us;
	uint32_t value; /* NONE32: a 5xx */
	uint32_t n;
	uint32_t edge; /* of errors; else 0 */
	int16_t status;
	bool envoy; /* Envoy made this error itself */
};
struct drawlog { /* endpoint x region x path */
	uint32_t endpoint, region;
	uint8_t path;
	struct drawn *v;
	size_t n, cap;
	int64_t newest_us;
};

struct inner_route {
	char *subset, *version, *host; /* subset: the host where no subset was told */
	double weight;
	int ready; /* pods; -1: not told */
};
struct inner_pod {
	char *name, *version, *digest, *subset, *node;
	bool ready, terminating;
};
struct inner { /* the last that was told of one type */
	char *type, *json;
	int64_t at_us;
	struct inner_route *routes;
	size_t n_routes;
	struct inner_pod *pods;
	size_t n_pods;
	char *controller, *phase, *reason, *message, *version, *revision;
	double weight;          /* -1: not told */
	int64_t phase_since_us; /* as told, or when this phase was told first */
	int64_t moved_us;       /* when the weight was told to be another one; TIME_NONE: not in this phase */
};

struct behind { /* the nearest tier had none, and one behind it answered from its copy */
	uint32_t edge;
	int64_t at_us, cached_us;
};

#endif
