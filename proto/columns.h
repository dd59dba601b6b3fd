/* columns.h - what batch_seal.c and batch_open.c agree on: the columns, their numbers on the wire, and the
 * codes of values. */
#ifndef PROTO_COLUMNS_H
#define PROTO_COLUMNS_H

#include "base/obs.h"

/* Field numbers of message Columns. */
enum {
	F_SERVICE = 1,
	F_GENERATION,
	F_BOOT_ID,
	F_SEALED_BOOT_US,
	F_SEALED_WALL_US,
	F_N,
	F_DICT,
	F_COLUMNS,
};

/* id, name in errors, predicted by the row before with the same endpoint, largest code. In the order of the
 * field numbers, which is the order on the wire; age stands before what is counted from it, ttfb before
 * total. */
#define INDEX_MAX (BATCH_DICT_MAX - 1)
#define COLUMNS(X)                                                                                           \
	X(AT, "at_ms", false, UINT64_MAX)                                                                    \
	X(ENDPOINT, "endpoint", false, INDEX_MAX)                                                            \
	X(EDGE, "edge", true, INDEX_MAX)                                                                     \
	X(NODE, "node", true, INDEX_MAX)                                                                     \
	X(IP, "ip", true, INDEX_MAX)                                                                         \
	X(VERSION, "version", true, INDEX_MAX)                                                               \
	X(ETAG, "etag", true, INDEX_MAX)                                                                     \
	X(EVIDENCE, "evidence", false, INDEX_MAX)                                                            \
	X(PATH, "path", true, PATH_ORIGIN)                                                                   \
	X(FAIL, "fail", true, OBS_FAIL_COUNT - 1)                                                            \
	X(FLAGS, "flags", true, OBS_FLAGS_ALL)                                                               \
	X(STATUS, "status", true, 999)                                                                       \
	X(TIERS, "tiers", true, (UINT64_C(1) << (6 * OBS_TIERS_MAX)) - 1)                                    \
	X(AGE, "age_s", true, (uint64_t)INT32_MAX + 1)                                                       \
	X(TTL, "ttl_s", true, UINT64_C(1) << 34)                                                             \
	X(BROWSER_TTL, "browser_ttl_s", true, UINT64_C(1) << 34)                                             \
	X(DNS, "dns", false, PHASE_CODE_MAX)                                                                 \
	X(CONNECT, "connect", false, PHASE_CODE_MAX)                                                         \
	X(TLS, "tls", false, PHASE_CODE_MAX)                                                                 \
	X(TTFB, "ttfb", false, PHASE_CODE_MAX)                                                               \
	X(TOTAL, "total", false, 2 * PHASE_CODE_MAX)
#define X(id, name, predicted, max) COL_##id,
enum column { COLUMNS(X) COLUMN_COUNT };
#undef X

static inline uint64_t zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t u)
{
	return (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
}

/* A phase's time: 0 did not happen, exact below 64 us, then 32 steps an octave (rounding is off by 1/64 at
 * most). */
#define PHASE_CODE_MAX 865
static inline uint64_t phase_code(int32_t us)
{
	if (us < 64)
		return us < 0 ? 0 : (uint64_t)us + 1;
	unsigned shift = 26u - (unsigned)__builtin_clz((unsigned)us); /* leaves 32..63 */
	unsigned m = ((unsigned)us + (1u << (shift - 1))) >>
		     shift; /* 64: the first of the next octave, and its code is */
	return 65 + (shift - 1) * 32 + (m - 32);
}

static inline int32_t phase_us(uint64_t code)
{
	if (code < 65)
		return (int32_t)code - 1;
	uint64_t us = (32 + (code - 65) % 32) << ((code - 65) / 32 + 1);
	return us > INT32_MAX ? INT32_MAX : (int32_t)us;
}

/* 6 bits a tier, the nearest lowest: 1 + status + 16 * kind. */
_Static_assert(
	CACHE_STATUS_COUNT <= 16 && OBS_TIERS_MAX * 6 < 64, "a tier fits its 6 bits, all of them a number");

/* ttl is counted from when the copy was made: it does not change while the copy grows old. */
static inline uint64_t ttl_code(int32_t ttl_s, int32_t age_s)
{
	return ttl_s == OBS_TTL_NONE ? 0 : 1 + zigzag((int64_t)ttl_s + MAX(age_s, 0));
}

#endif
