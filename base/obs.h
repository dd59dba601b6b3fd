/* obs.h - what one probe saw, and the batch it travels in: the one shape that agent, wire, journal, engine and replay
 * share. Strings live once in the batch's dictionary; an observation holds indexes, 0 meaning "nothing". Pure.
 *
 * Units: times are microseconds; ages and lifetimes whole seconds, as HTTP tells them. */
#ifndef BASE_OBS_H
#define BASE_OBS_H

#include "base/str.h"

/* Caps of everything a peer can choose; the wire and replay enforce them, nobody behind doubts them. */
#define BATCH_OBS_MAX     500
#define BATCH_DICT_MAX    4096  /* entries, the empty one at index 0 included */
#define BATCH_DICT_BYTES  (512 * 1024)
#define OBS_VERSION_MAX   256   /* bytes of an extracted version; longer ones are cut, with OBS_CUT set */
#define OBS_NAME_MAX      256   /* agent, service, endpoint, region, edge, node, ip */
#define OBS_EVIDENCE_MAX  8192  /* bytes of a raw header block */
#define OBS_TIERS_MAX     6
#define OBS_AGE_NONE      (-1)
#define OBS_TTL_NONE      INT32_MIN /* a ttl may be negative: served past its life */

enum obs_path { PATH_EDGE, PATH_ORIGIN }; /* as a user goes; past the CDN */

/* Normalised cache words (RFC 9211 and the vendors'). The strings are what JSON shows, lower case in the API. */
#define CACHE_STATUSES(X)                                                        \
	X(UNKNOWN, "unknown", "never said")                                      \
	X(HIT, "hit", "answered from its own fresh copy")                        \
	X(MISS, "miss", "had none, asked inwards")                               \
	X(EXPIRED, "expired", "had a stale copy, fetched a whole new one")       \
	X(REVALIDATED, "revalidated", "had a stale copy, was told 304")          \
	X(STALE, "stale", "answered from a copy past its life")                  \
	X(UPDATING, "updating", "answered stale while it fetches")               \
	X(BYPASS, "bypass", "was told not to cache")                             \
	X(DYNAMIC, "dynamic", "never looks this up")                             \
	X(GENERATED, "generated", "made the answer itself")                      \
	X(ERROR, "error", "failed")                                              \
	X(NONE, "none", "was not asked")
#define X(id, name, says) CACHE_##id,
enum cache_status { CACHE_STATUSES(X) CACHE_STATUS_COUNT };
#undef X

/* Why there is no good answer. A failed fetch is an observation too. */
#define OBS_FAILS(X)                                                             \
	X(OK, "ok", "an answer with a version")                                  \
	X(DNS, "dns", "the name did not resolve")                                \
	X(CONNECT, "connect", "no connection")                                   \
	X(TLS, "tls", "no trusted TLS session")                                  \
	X(TIMEOUT, "timeout", "no whole answer in time")                         \
	X(RESET, "reset", "the connection ended early")                          \
	X(PROTOCOL, "protocol", "not HTTP, or broken HTTP")                      \
	X(TOO_BIG, "too_big", "headers or body over their cap")                  \
	X(REFUSED, "refused", "an address this agent may not go to")             \
	X(REDIRECT, "redirect", "redirected where the endpoint does not follow") \
	X(HTTP, "http", "an answer, but not 2xx")                                \
	X(NO_VERSION, "no_version", "an answer without a version in it")         \
	X(OTHER, "other", "anything else")
#define X(id, name, says) FAIL_##id,
enum obs_fail { OBS_FAILS(X) OBS_FAIL_COUNT };
#undef X

enum obs_flags {
	OBS_REUSED = 1 << 0, /* over a kept connection: dns, connect and tls did not happen */
	OBS_BURST = 1 << 1,  /* a probe of a burst */
	OBS_CUT = 1 << 2,    /* the version was longer than OBS_VERSION_MAX */
};
#define OBS_FLAGS_ALL 7

enum tier_kind { TIER_EDGE, TIER_SHIELD, TIER_INNER };

struct obs_timing {
	int32_t dns_us, connect_us, tls_us, ttfb_us, total_us; /* each phase by itself; ttfb and total from the start. -1: did not happen */
};

struct obs {
	int64_t observed_at_us; /* first byte of the answer or the moment of failure; whose clock: see struct batch */
	uint16_t endpoint;      /* never 0 */
	uint16_t edge;          /* "vendor:pop"; 0 when the answer did not say, or there was none */
	uint16_t node, ip;      /* machine as named by the CDN; address that answered */
	uint16_t version;       /* 0: none found */
	uint16_t etag;
	uint16_t evidence;      /* raw header block; 0 on most */
	uint8_t path;           /* enum obs_path */
	uint8_t fail;           /* enum obs_fail */
	uint8_t flags;          /* enum obs_flags */
	uint8_t n_tiers;        /* nearest first; tiers[0] is the edge */
	uint8_t tiers[OBS_TIERS_MAX];      /* enum cache_status */
	uint8_t tier_kinds[OBS_TIERS_MAX]; /* enum tier_kind */
	int16_t status;         /* HTTP status; 0 when there was no answer */
	int32_t age_s;          /* OBS_AGE_NONE: no cache said */
	int32_t ttl_s;          /* remaining, in a shared cache; OBS_TTL_NONE */
	int32_t browser_ttl_s;  /* how long a browser may keep it; OBS_TTL_NONE */
	struct obs_timing timing;
};

/* One service's results, sealed once. Its identity is (agent, epoch, number).
 * Clock: in an agent's batch observed_at_us is the agent's boot-time clock; batch_map_clock() makes it the collector's. */
struct batch {
	struct str agent, region, service;
	uint64_t epoch, number;
	uint64_t boot_id;      /* which boot the boot-time clock belongs to */
	int64_t sealed_boot_us, sealed_wall_us; /* one moment on both of the agent's clocks */
	uint64_t generation;   /* of the assignments these were probed under */
	struct str *dict;      /* dict[0] is empty */
	size_t n_dict;
	struct obs *obs;       /* by observed_at_us is usual, not promised */
	size_t n_obs;
};

const char *cache_status_name(enum cache_status s);
bool cache_status_from(struct str name, enum cache_status *ret);
const char *obs_fail_name(enum obs_fail f);
bool obs_fail_from(struct str name, enum obs_fail *ret);
const char *obs_path_name(enum obs_path p);
const char *tier_kind_name(enum tier_kind k);

void obs_init(struct obs *o); /* everything "not said" */
/* Every index inside the dictionary, every enum known, every count capped: the sentence names the observation and field. */
MUST_USE int batch_check(const struct batch *b, struct err *err);
/* Adds offset to every observed_at_us. */
void batch_map_clock(struct batch *b, int64_t offset_us);
static inline struct str batch_str(const struct batch *b, uint16_t index)
{
	return b->dict[index];
}
/* Did a cache answer from a copy (hit, stale, updating, revalidated) at any tier, or say an Age above 1 s? */
bool obs_is_cached(const struct obs *o);

#endif
