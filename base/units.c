#include "base/units.h"

#include <stdio.h>
#include <string.h>

/* Days since 1970-01-01 of a proleptic Gregorian date, and back (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t z, int64_t *y, int *m, int *d)
{
	z += 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

/* Takes exactly n digits off the front. */
static bool take_digits(struct str *s, int n, int *ret)
{
	int v = 0;
	if (s->n < (size_t)n)
		return false;
	for (int i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = (struct str){ s->p + n, s->n - (size_t)n };
	*ret = v;
	return true;
}

static bool take_char(struct str *s, const char *one_of)
{
	if (s->n == 0 || strchr(one_of, s->p[0]) == NULL || s->p[0] == '\0')
		return false;
	*s = (struct str){ s->p + 1, s->n - 1 };
	return true;
}

static int days_in_month(int y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[m - 1] + (m == 2 && ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0));
}

static bool civil_valid(int y, int mo, int d, int h, int mi, int sec)
{
	return mo >= 1 && mo <= 12 && d >= 1 && d <= days_in_month(y, mo) && h <= 23 && mi <= 59 && sec <= 60;
}

/* Fraction of a second: at least one digit; what is below a microsecond is cut off. */
static bool take_fraction(struct str *s, int64_t *ret_us)
{
	int64_t us = 0, unit = 100000;
	size_t i = 0;
	for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++, unit /= 10)
		us += (s->p[i] - '0') * unit;
	*s = str_from(*s, i);
	*ret_us = us;
	return i > 0;
}

static bool take_zone(struct str *s, int64_t *ret_offset_s)
{
	int h = 0, m = 0;
	if (take_char(s, "Zz")) {
		*ret_offset_s = 0;
		return true;
	}
	int sign = s->n && s->p[0] == '-' ? -1 : 1;
	if (!take_char(s, "+-") || !take_digits(s, 2, &h) || !take_char(s, ":") || !take_digits(s, 2, &m) ||
		h > 23 || m > 59)
		return false;
	*ret_offset_s = sign * (h * 3600 + m * 60);
	return true;
}

int time_parse(struct str s, int64_t *ret_us, struct err *err)
{
	int y, mo, d, h, mi, sec;
	int64_t frac_us = 0, offset_s = 0;
	struct str r = s;
	if (s.n > 0 && str_find(s, '-') != 4)
		if (str_to_i64(s, ret_us, NULL) == 0)
			return 0;
	if (!take_digits(&r, 4, &y) || !take_char(&r, "-") || !take_digits(&r, 2, &mo) || !take_char(&r, "-") ||
		!take_digits(&r, 2, &d) || !take_char(&r, "Tt ") || !take_digits(&r, 2, &h) ||
		!take_char(&r, ":") || !take_digits(&r, 2, &mi) || !take_char(&r, ":") ||
		!take_digits(&r, 2, &sec) || (take_char(&r, ".") && !take_fraction(&r, &frac_us)) ||
		!take_zone(&r, &offset_s) || r.n != 0 || !civil_valid(y, mo, d, h, mi, sec))
		return err_set(err, ERR_SYNTAX,
			"'%.*s' is no time: want RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds",
			STR_ARG(s));
	int64_t t = days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec - offset_s;
	*ret_us = t * US_PER_S + frac_us;
	return 0;
}

const char *time_format(int64_t at_us, char text[TIME_TEXT_MAX])
{
	int64_t s = at_us / US_PER_S, us = at_us % US_PER_S;
	if (us < 0)
		us += US_PER_S, s--;
	int64_t days = s / 86400, sec = s % 86400, y;
	if (sec < 0)
		sec += 86400, days--;
	int m, d;
	civil_from_days(days, &y, &m, &d);
	if (y < 0 || y > 9999) {
		snprintf(text, TIME_TEXT_MAX, "out of range");
		return text;
	}
	int n = snprintf(text, TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", (int)y, m, d, (int)(sec / 3600),
		(int)(sec / 60 % 60), (int)(sec % 60));
	if (us % 1000 != 0)
		n += snprintf(text + n, TIME_TEXT_MAX - (size_t)n, ".%06d", (int)us);
	else if (us != 0)
		n += snprintf(text + n, TIME_TEXT_MAX - (size_t)n, ".%03d", (int)(us / 1000));
	snprintf(text + n, TIME_TEXT_MAX - (size_t)n, "Z");
	return text;
}

static bool take_month(struct str *s, int *ret)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int i = 0; i < 12; i++) {
		if (str_eq(str_first(*s, 3), (struct str){ names + 3 * i, 3 })) {
			*s = str_from(*s, 3);
			*ret = i + 1;
			return true;
		}
	}
	return false;
}

static bool take_clock(struct str *s, int *h, int *mi, int *sec)
{
	return take_digits(s, 2, h) && take_char(s, ":") && take_digits(s, 2, mi) && take_char(s, ":") &&
	       take_digits(s, 2, sec);
}

int time_parse_http(struct str s, int64_t *ret_us)
{
	int y = 0, mo = 0, d = 0, h = 0, mi = 0, sec = 0;
	struct str r = str_trim(s), day;
	bool ok;
	ptrdiff_t comma = str_find(r, ',');
	if (comma > 0) { /* "Sun, 06 Nov 1994 08:49:37 GMT" or "Sunday, 06-Nov-94 08:49:37 GMT" */
		r = str_trim(str_from(r, (size_t)comma + 1));
		ok = take_digits(&r, 2, &d) && take_char(&r, " -") && take_month(&r, &mo) && take_char(&r, " -");
		if (ok && take_digits(&r, 4, &y)) {
			/* four digits: IMF-fixdate */
		} else if (ok && take_digits(&r, 2, &y)) {
			y += y < 70 ? 2000 : 1900;
		} else {
			ok = false;
		}
		ok = ok && take_char(&r, " ") && take_clock(&r, &h, &mi, &sec) && str_is(str_trim(r), "GMT");
	} else { /* asctime: "Sun Nov  6 08:49:37 1994" */
		ok = str_cut(&r, ' ', &day) && take_month(&r, &mo) && take_char(&r, " ");
		if (ok && take_char(&r, " "))
			ok = take_digits(&r, 1, &d);
		else
			ok = ok && take_digits(&r, 2, &d);
		ok = ok && take_char(&r, " ") && take_clock(&r, &h, &mi, &sec) && take_char(&r, " ") &&
		     take_digits(&r, 4, &y) && r.n == 0;
	}
	if (!ok || !civil_valid(y, mo, d, h, mi, sec))
		return ERR_SYNTAX;
	*ret_us = (days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec) * US_PER_S;
	return 0;
}

/* A run of digits with an optional fraction; *ret_scaled is in millionths. Cut from the front. */
static bool take_number(struct str *s, int64_t *ret_whole, int64_t *ret_micro)
{
	int64_t v = 0, micro = 0;
	size_t i = 0;
	for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		if (v > INT64_C(1000000000000))
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	if (i == 0)
		return false;
	*s = str_from(*s, i);
	if (take_char(s, ".") && !take_fraction(s, &micro))
		return false;
	*ret_whole = v, *ret_micro = micro;
	return true;
}

static struct str take_letters(struct str *s)
{
	size_t i = 0;
	while (i < s->n && ((s->p[i] | 32) >= 'a' && (s->p[i] | 32) <= 'z'))
		i++;
	struct str word = str_first(*s, i);
	*s = str_from(*s, i);
	return word;
}

int duration_parse(struct str s, int64_t *ret_us, struct err *err)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = { { "us", 1 }, { "ms", US_PER_MS }, { "s", US_PER_S }, { "m", US_PER_MIN }, { "min", US_PER_MIN },
		{ "h", US_PER_H }, { "d", US_PER_DAY }, { "w", 7 * US_PER_DAY } };
	int64_t total = 0;
	struct str r = s;
	if (str_is(s, "0")) {
		*ret_us = 0;
		return 0;
	}
	while (r.n > 0) {
		int64_t whole, micro, unit_us = 0;
		if (!take_number(&r, &whole, &micro))
			goto bad;
		struct str unit = take_letters(&r);
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (str_is(unit, units[i].unit))
				unit_us = units[i].us;
		if (unit_us == 0)
			goto bad;
		if (whole > 36500 * US_PER_DAY / unit_us)
			return err_set(err, ERR_TOO_BIG, "'%.*s' is longer than a hundred years", STR_ARG(s));
		total += whole * unit_us + micro * (unit_us / 1000) / 1000;
		if (total > 36500 * US_PER_DAY)
			return err_set(err, ERR_TOO_BIG, "'%.*s' is longer than a hundred years", STR_ARG(s));
	}
	if (s.n == 0)
		goto bad;
	*ret_us = total;
	return 0;
bad:
	return err_set(err, ERR_SYNTAX, "'%.*s' is no duration: want a number and a unit, such as 250ms, 30s, 5m, 1h, 7d",
		STR_ARG(s));
}

const char *duration_format(int64_t us, char text[TIME_TEXT_MAX])
{
	static const struct {
		const char *unit;
		uint64_t us;
	} units[] = { { "d", US_PER_DAY }, { "h", US_PER_H }, { "m", US_PER_MIN }, { "s", US_PER_S }, { "ms", US_PER_MS },
		{ "us", 1 } };
	int n = 0, parts = 0;
	uint64_t left = us < 0 ? 0 - (uint64_t)us : (uint64_t)us; /* INT64_MIN has no opposite */
	text[0] = '\0';
	if (us < 0)
		text[n++] = '-';
	for (size_t i = 0; i < ARRAY_LEN(units) && left > 0; i++) {
		if (left < units[i].us)
			continue;
		n += snprintf(text + n, TIME_TEXT_MAX - (size_t)n, "%" PRIu64 "%s", left / units[i].us, units[i].unit);
		left %= units[i].us;
		if (++parts == 3)
			break;
	}
	if (parts == 0)
		snprintf(text, TIME_TEXT_MAX, "0s");
	return text;
}

int size_parse(struct str s, int64_t *ret_bytes, struct err *err)
{
	static const struct {
		const char *unit;
		int64_t bytes;
	} units[] = { { "", 1 }, { "B", 1 }, { "KiB", INT64_C(1) << 10 }, { "MiB", INT64_C(1) << 20 },
		{ "GiB", INT64_C(1) << 30 }, { "TiB", INT64_C(1) << 40 }, { "kB", 1000 }, { "MB", 1000000 },
		{ "GB", 1000000000 }, { "TB", INT64_C(1000000000000) } };
	int64_t whole, micro;
	struct str r = s;
	if (take_number(&r, &whole, &micro)) {
		for (size_t i = 0; i < ARRAY_LEN(units); i++) {
			if (!str_is(r, units[i].unit))
				continue;
			if (whole > INT64_MAX / 2 / units[i].bytes)
				return err_set(err, ERR_TOO_BIG, "'%.*s' is too large a size", STR_ARG(s));
			*ret_bytes = whole * units[i].bytes + (int64_t)((double)micro * (double)units[i].bytes / 1e6);
			return 0;
		}
	}
	return err_set(err, ERR_SYNTAX, "'%.*s' is no size: want bytes, or a number with KiB, MiB, GiB", STR_ARG(s));
}

int rate_parse(struct str s, double *ret_per_s, struct err *err)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "/s", 1 }, { "/sec", 1 }, { "/m", 60 }, { "/min", 60 }, { "/h", 3600 } };
	int64_t whole, micro;
	struct str r = s;
	if (take_number(&r, &whole, &micro))
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (str_is(r, units[i].unit)) {
				*ret_per_s = ((double)whole + (double)micro / 1e6) / units[i].seconds;
				return 0;
			}
	return err_set(err, ERR_SYNTAX, "'%.*s' is no rate: want a number a second or minute, such as 20/s, 300/min",
		STR_ARG(s));
}

int share_parse(struct str s, double *ret, struct err *err)
{
	double v = 0;
	bool percent = str_ends(s, "%");
	struct str digits = percent ? str_first(s, s.n - 1) : s;
	if (str_to_double(digits, &v, NULL) < 0)
		return err_set(err, ERR_SYNTAX, "'%.*s' is no share: want 95%% or 0.95", STR_ARG(s));
	v = percent ? v / 100 : v;
	if (!percent && v > 1 && v <= 100) /* a percent sign left out */
		return err_set(err, ERR_NONSENSE, "'%.*s' is no share: want %.6g%% or %.6g", STR_ARG(s), v, v / 100);
	if (v < 0 || v > 1)
		return err_set(err, ERR_NONSENSE, "'%.*s' is not between 0%% and 100%%", STR_ARG(s));
	*ret = v;
	return 0;
}
