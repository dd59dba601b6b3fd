/* event.h - what the engine is told: journal entries after decoding. Strings are borrowed for the call. Pure.
 * Times are microseconds on the collector's clock, TIME_NONE when not said. */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include "base/obs.h"

enum match_kind { MATCH_EXACT, MATCH_PREFIX };

struct ev_endpoint {
	struct str id, url;
	enum match_kind match;
	bool learned; /* etag, last_modified, sha256: the right value is learned from converged origin answers
		       */
	struct str cdn_vendor, cdn_zone; /* whose purges concern it; empty: by the vendor that answers */
};

/* A service's configuration; told again whenever it changes. What is not in it any more is dropped. */
struct ev_service {
	struct str name; /* "shop" or "shop@production" */
	bool removed;
	int64_t interval_us; /* configured pause between two probes of an endpoint */
	const struct ev_endpoint *endpoints;
	size_t n_endpoints;
	bool has_origin; /* an origin path is probed */
	const struct str
		*agents; /* assigned to it: the denominator of a first deploy. May be empty in replay */
	size_t n_agents;
	int64_t timeout_us; /* verify.timeout */
	double require, min_coverage;
	int64_t min_agents;
	int64_t watch_us; /* a relapse within it makes verified into failed */
	int64_t rollout_grace_us;
	int64_t alert_after_us; /* a cell not fresh for so long opens an incident; 0: none does */
};

struct ev_value {
	struct str endpoint, value;
};
struct ev_deploy {
	struct str id, service, version, source, revision, digest;
	int64_t started_at_us, live_at_us; /* live_at TIME_NONE: nobody says yet */
	const struct str *aliases;
	size_t n_aliases;
	const struct ev_value *values;
	size_t n_values;
};
struct ev_deploy_patch { /* PATCH of a deploy: fields that are TIME_NONE / false stay as they are */
	struct str id;
	int64_t live_at_us;
	bool aborted;
};
struct ev_purge {
	struct str id, service, vendor, zone, source;
	int64_t requested_at_us, completed_at_us;
	const struct str *patterns;
	size_t n_patterns;
	const struct str *tags;
	size_t n_tags;
	bool soft, everything;
};
struct ev_purge_patch {
	struct str id;
	int64_t completed_at_us;
};
struct ev_observations {
	const struct batch *batch;    /* times already on the collector's clock */
	int64_t clock_uncertainty_us; /* half the round trip of the exchange they were mapped by */
};
/* connected, disconnected, drained: told by connections; enrolled: it has a token, and never came. The rest
 * of an agent's state follows from time. Snapshots have these numbers. */
enum agent_told {
	AGENT_CONNECTED,
	AGENT_DISCONNECTED,
	AGENT_DRAINED,
	AGENT_REVOKED,
	AGENT_ENROLLED,
	AGENT_TOLD_COUNT
};
struct ev_agent {
	struct str agent, region, software;
	enum agent_told state;
	bool has_location, clock_suspect;
	double latitude, longitude;
};
#define EV_WEIGHT_MAX 1000000
struct ev_route {
	struct str subset, version, host;
	double weight; /* 0 to EV_WEIGHT_MAX */
	int ready;     /* pods; -1: not told */
};
struct ev_pod {
	struct str name, version, digest, subset, node;
	bool ready, terminating;
};
struct ev_inner { /* mesh, rollout or pods, as it is from now on: for the layers of analysis.md section 8 */
	struct str service, type, json; /* json: as told */
	const struct ev_route *routes;
	size_t n_routes;
	const struct ev_pod *pods;
	size_t n_pods;
	struct str controller, phase, reason, message, version, revision;
	double weight;    /* of the rollout; -1: not told */
	int64_t since_us; /* when it came into this phase; TIME_NONE: not told */
};
struct ev_collector { /* the collector started: it was down since then, and that time counts against nobody */
	int64_t down_since_us; /* TIME_NONE: first start */
};

enum event_kind {
	EV_SERVICE,
	EV_DEPLOY,
	EV_DEPLOY_PATCH,
	EV_PURGE,
	EV_PURGE_PATCH,
	EV_OBSERVATIONS,
	EV_AGENT,
	EV_INNER,
	EV_COLLECTOR,
	EV_CLOCK, /* nothing happened, but time has come this far */
};

struct event {
	enum event_kind kind;
	int64_t position;       /* in the journal; rises from entry to entry */
	int64_t received_at_us; /* never falls from entry to entry */
	int64_t at_us;          /* as told */
	union {
		struct ev_service service;
		struct ev_deploy deploy;
		struct ev_deploy_patch deploy_patch;
		struct ev_purge purge;
		struct ev_purge_patch purge_patch;
		struct ev_observations observations;
		struct ev_agent agent;
		struct ev_inner inner;
		struct ev_collector collector;
	};
};

#endif
