/* units.h - times, durations, sizes, rates and shares as people write them. Pure: no clock is asked. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/str.h"

#define TIME_TEXT_MAX 40

/* RFC 3339 ("2026-03-01T10:00:00.25Z", offsets understood, 'T' or space) or epoch microseconds as digits. Microseconds since the epoch, UTC. */
MUST_USE int time_parse(struct str s, int64_t *ret_us, struct err *err);
/* RFC 3339, UTC, exact: no fraction, .mmm or .uuuuuu. Returns text. Years outside 0000..9999 are shown as "out of range". */
const char *time_format(int64_t at_us, char text[TIME_TEXT_MAX]);
/* IMF-fixdate, rfc850 and asctime forms of HTTP dates (RFC 9110, 5.6.7). */
MUST_USE int time_parse_http(struct str s, int64_t *ret_us);

/* "250ms", "30s", "5m", "1h30m", "7d": a unit is required, except for 0. */
MUST_USE int duration_parse(struct str s, int64_t *ret_us, struct err *err);
/* The same back, short: "1h30m", "250ms", "0s". Returns text. */
const char *duration_format(int64_t us, char text[TIME_TEXT_MAX]);
/* "512", "64KiB", "256MiB", "1GiB", also kB MB GB (powers of 1000). Bytes. */
MUST_USE int size_parse(struct str s, int64_t *ret_bytes, struct err *err);
/* "20/s", "300/min", "1000/h": per second. */
MUST_USE int rate_parse(struct str s, double *ret_per_s, struct err *err);
/* "95%" or "0.95": 0 to 1. */
MUST_USE int share_parse(struct str s, double *ret, struct err *err);

#endif
