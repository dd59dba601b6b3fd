/* Times, durations, sizes, rates and shares as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/units.h"

static void rfc3339_and_epoch_microseconds(void **state)
{
	static const struct {
		const char *says, *text;
		bool ok;
		int64_t want;
	} cases[] = {
		{ "the epoch", "1970-01-01T00:00:00Z", true, 0 },
		{ "a date we know", "2026-03-01T10:00:00Z", true, INT64_C(1772359200000000) },
		{ "a fraction", "1970-01-01T00:00:00.25Z", true, 250000 },
		{ "down to a microsecond", "1970-01-01T00:00:00.000001Z", true, 1 },
		{ "what is smaller is cut off", "1970-01-01T00:00:00.0000019Z", true, 1 },
		{ "before the epoch", "1969-12-31T23:59:59.5Z", true, -500000 },
		{ "an offset", "1970-01-01T02:00:00+02:00", true, 0 },
		{ "and westwards", "1969-12-31T16:30:00-07:30", true, 0 },
		{ "a space for the T, as the RFC allows", "1970-01-01 00:00:01Z", true, 1000000 },
		{ "lower case", "1970-01-01t00:00:01z", true, 1000000 },
		{ "a leap day", "2024-02-29T00:00:00Z", true, INT64_C(1709164800000000) },
		{ "a leap second is the next second", "2016-12-31T23:59:60Z", true,
			INT64_C(1483228800000000) },
		{ "the last year", "9999-12-31T23:59:59.999999Z", true, INT64_C(253402300799999999) },
		{ "the first", "0000-01-01T00:00:00Z", true, INT64_C(-62167219200000000) },
		{ "epoch microseconds", "1772359200000000", true, INT64_C(1772359200000000) },
		{ "zero", "0", true, 0 },
		{ "negative ones", "-5", true, -5 },
		{ "nothing", "", false, 0 },
		{ "a word", "now", false, 0 },
		{ "a date alone", "2026-03-01", false, 0 },
		{ "no zone", "2026-03-01T10:00:00", false, 0 },
		{ "half a zone", "2026-03-01T10:00:00+02", false, 0 },
		{ "a zone past a day", "2026-03-01T10:00:00+24:00", false, 0 },
		{ "a point without a fraction", "2026-03-01T10:00:00.Z", false, 0 },
		{ "month 13", "2026-13-01T10:00:00Z", false, 0 },
		{ "month 0", "2026-00-01T10:00:00Z", false, 0 },
		{ "29 February of a common year", "2026-02-29T10:00:00Z", false, 0 },
		{ "29 February of 1900", "1900-02-29T10:00:00Z", false, 0 },
		{ "hour 24", "2026-03-01T24:00:00Z", false, 0 },
		{ "second 61", "2026-03-01T10:00:61Z", false, 0 },
		{ "something behind", "2026-03-01T10:00:00Zx", false, 0 },
		{ "a space before", " 2026-03-01T10:00:00Z", false, 0 },
		{ "a sign in the year", "-026-03-01T10:00:00Z", false, 0 },
		{ "microseconds past 64 bits", "99999999999999999999", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t us = 77;
		struct err err = { 0 };
		int rc = time_parse(str_of(cases[i].text), &us, &err);
		if ((rc == 0) != cases[i].ok || us != (rc == 0 ? cases[i].want : 77))
			fail_msg("%s: '%s' gives rc %d, %" PRId64, cases[i].says, cases[i].text, rc, us);
		if (rc < 0 && strstr(err.text, "want RFC 3339") == NULL)
			fail_msg("%s: the sentence is '%s'", cases[i].says, err.text);
	}
	int64_t us;
	assert_true(time_parse(STR("1970-01-01T00:00:00Z\0"), &us, NULL) < 0);
	assert_true(time_parse(STR_NONE, &us, NULL) < 0);
}

static void times_go_there_and_back(void **state)
{
	static const int64_t times[] = { 0, 1, -1, 999, 1000, 999999, -999999, INT64_C(1772359200000000),
		INT64_C(253402300799999999), INT64_C(-62167219200000000), INT64_C(951782400000000) };
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		char text[TIME_TEXT_MAX];
		int64_t back = 0;
		assert_int_equal(time_parse(str_of(time_format(times[i], text)), &back, NULL), 0);
		assert_true(back == times[i]);
	}
	for (int64_t day = -719528; day < 2932897;
		day += 97) { /* years 0000 to 9999, a step that meets every date */
		char text[TIME_TEXT_MAX];
		int64_t back = 0;
		assert_int_equal(time_parse(str_of(time_format(day * US_PER_DAY, text)), &back, NULL), 0);
		assert_true(back == day * US_PER_DAY);
	}
}

static void times_are_as_short_as_they_can_be(void **state)
{
	static const struct {
		int64_t us;
		const char *want;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 250000, "1970-01-01T00:00:00.250Z" },
		{ 250001, "1970-01-01T00:00:00.250001Z" },
		{ INT64_C(253402300800000000), "out of range" },
		{ INT64_C(-62167219200000001), "out of range" },
		{ INT64_MAX, "out of range" },
		{ INT64_MIN, "out of range" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[TIME_TEXT_MAX];
		assert_string_equal(time_format(cases[i].us, text), cases[i].want);
	}
}

static void http_dates(void **state)
{
	static const struct {
		const char *says, *text;
		bool ok;
		int64_t want_s;
	} cases[] = {
		{ "IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", true, 784111777 },
		{ "rfc850", "Sunday, 06-Nov-94 08:49:37 GMT", true, 784111777 },
		{ "asctime", "Sun Nov  6 08:49:37 1994", true, 784111777 },
		{ "asctime, two digits", "Wed Nov 16 08:49:37 1994", true, 784975777 },
		{ "white space around", "  Sun, 06 Nov 1994 08:49:37 GMT\r\n", true, 784111777 },
		{ "two digits of this century", "Sunday, 01-Mar-26 10:00:00 GMT", true, 1772359200 },
		{ "the day's name is not looked at", "Foo, 06 Nov 1994 08:49:37 GMT", true, 784111777 },
		{ "another zone", "Sun, 06 Nov 1994 08:49:37 CET", false, 0 },
		{ "no zone", "Sun, 06 Nov 1994 08:49:37", false, 0 },
		{ "Expires: 0", "0", false, 0 },
		{ "Expires: -1", "-1", false, 0 },
		{ "nothing", "", false, 0 },
		{ "a comma alone", ",", false, 0 },
		{ "a name alone", "Sun,", false, 0 },
		{ "a month in lower case", "Sun, 06 nov 1994 08:49:37 GMT", false, 0 },
		{ "day 31 of November", "Sun, 31 Nov 1994 08:49:37 GMT", false, 0 },
		{ "hour 25", "Sun, 06 Nov 1994 25:49:37 GMT", false, 0 },
		{ "RFC 3339 is none", "1994-11-06T08:49:37Z", false, 0 },
		{ "cut in the month", "Sun, 06 No", false, 0 },
		{ "cut in the year", "Sun, 06 Nov 199", false, 0 },
		{ "asctime, cut", "Sun Nov  6 08:49", false, 0 },
		{ "asctime and more", "Sun Nov  6 08:49:37 1994 GMT", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t us = 77;
		int rc = time_parse_http(str_of(cases[i].text), &us);
		if ((rc == 0) != cases[i].ok || us != (rc == 0 ? cases[i].want_s * US_PER_S : 77))
			fail_msg("%s: '%s' gives rc %d, %" PRId64, cases[i].says, cases[i].text, rc, us);
	}
	int64_t us;
	assert_true(time_parse_http(STR_NONE, &us) < 0);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t want;
	} cases[] = {
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "250ms", 0, 250 * US_PER_MS },
		{ "7us", 0, 7 },
		{ "30s", 0, 30 * US_PER_S },
		{ "5m", 0, 5 * US_PER_MIN },
		{ "5min", 0, 5 * US_PER_MIN },
		{ "1h30m", 0, 90 * US_PER_MIN },
		{ "7d", 0, 7 * US_PER_DAY },
		{ "2w", 0, 14 * US_PER_DAY },
		{ "1.5h", 0, 90 * US_PER_MIN },
		{ "0.25s", 0, 250 * US_PER_MS },
		{ "0.5ms", 0, 500 },
		{ "36500d", 0, 36500 * US_PER_DAY },
		{ "", ERR_SYNTAX, 0 },
		{ "5", ERR_SYNTAX, 0 },
		{ "s", ERR_SYNTAX, 0 },
		{ "-5s", ERR_SYNTAX, 0 },
		{ "5 s", ERR_SYNTAX, 0 },
		{ "5S", ERR_SYNTAX, 0 },
		{ "5s ", ERR_SYNTAX, 0 },
		{ "5sec", ERR_SYNTAX, 0 },
		{ "5s3", ERR_SYNTAX, 0 },
		{ "5.s", ERR_SYNTAX, 0 },
		{ "1h-5m", ERR_SYNTAX, 0 },
		{ "36501d", ERR_TOO_BIG, 0 },
		{ "36500d1us", ERR_TOO_BIG, 0 },
		{ "36500.1d", ERR_TOO_BIG, 0 },
		{ "99999999999999999999s", ERR_SYNTAX, 0 },
		{ "1000000000000w", ERR_TOO_BIG, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t us = 77;
		int rc = duration_parse(str_of(cases[i].text), &us, NULL);
		if (rc != cases[i].rc || us != (rc == 0 ? cases[i].want : 77))
			fail_msg("'%s' gives rc %d, %" PRId64, cases[i].text, rc, us);
	}
	int64_t us;
	assert_true(duration_parse(STR_NONE, &us, NULL) < 0);
	assert_true(duration_parse(STR("5s\0"), &us, NULL) < 0);
}

static void durations_written_out(void **state)
{
	static const struct {
		int64_t us;
		const char *want;
	} cases[] = {
		{ 0, "0s" },
		{ 1, "1us" },
		{ 250 * US_PER_MS, "250ms" },
		{ 90 * US_PER_MIN, "1h30m" },
		{ 7 * US_PER_DAY, "7d" },
		{ US_PER_H + US_PER_S, "1h1s" },
		{ US_PER_DAY + US_PER_H + US_PER_MIN + US_PER_S, "1d1h1m" }, /* three parts are enough */
		{ -90 * US_PER_S, "-1m30s" },
		{ INT64_MAX, "106751991d4h54s" },
		{ INT64_MIN, "-106751991d4h54s" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[TIME_TEXT_MAX];
		assert_string_equal(duration_format(cases[i].us, text), cases[i].want);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t want;
	} cases[] = {
		{ "0", 0, 0 },
		{ "512", 0, 512 },
		{ "512B", 0, 512 },
		{ "64KiB", 0, 65536 },
		{ "1.5MiB", 0, 1572864 },
		{ "256MiB", 0, INT64_C(256) << 20 },
		{ "1GiB", 0, INT64_C(1) << 30 },
		{ "2TiB", 0, INT64_C(2) << 40 },
		{ "1kB", 0, 1000 },
		{ "1MB", 0, 1000000 },
		{ "3GB", 0, INT64_C(3000000000) },
		{ "1000000000000TiB", ERR_TOO_BIG, 0 },
		{ "", ERR_SYNTAX, 0 },
		{ "KiB", ERR_SYNTAX, 0 },
		{ "-1", ERR_SYNTAX, 0 },
		{ "1 KiB", ERR_SYNTAX, 0 },
		{ "1kib", ERR_SYNTAX, 0 },
		{ "1K", ERR_SYNTAX, 0 },
		{ "1KiBx", ERR_SYNTAX, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t v = 77;
		int rc = size_parse(str_of(cases[i].text), &v, NULL);
		if (rc != cases[i].rc || v != (rc == 0 ? cases[i].want : 77))
			fail_msg("'%s' gives rc %d, %" PRId64, cases[i].text, rc, v);
	}
}

static void rates_and_shares(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		double want;
	} rates[] = {
		{ "20/s", true, 20 },
		{ "0.5/s", true, 0.5 },
		{ "300/min", true, 5 },
		{ "300/m", true, 5 },
		{ "3600/h", true, 1 },
		{ "20", false, 0 },
		{ "/s", false, 0 },
		{ "20/", false, 0 },
		{ "-1/s", false, 0 },
		{ "20/d", false, 0 },
		{ "20 /s", false, 0 },
	};
	static const struct {
		const char *text;
		bool ok;
		double want;
	} shares[] = {
		{ "95%", true, 0.95 },
		{ "0.95", true, 0.95 },
		{ "0", true, 0 },
		{ "1", true, 1 },
		{ "100%", true, 1 },
		{ "12.5%", true, 0.125 },
		{ "101%", false, 0 },
		{ "1.01", false, 0 },
		{ "-1%", false, 0 },
		{ "%", false, 0 },
		{ "", false, 0 },
		{ "nan%", false, 0 },
		{ "95 %", false, 0 },
		{ "95%%", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		double v = 77;
		int rc = rate_parse(str_of(rates[i].text), &v, NULL);
		if ((rc == 0) != rates[i].ok || v != (rc == 0 ? rates[i].want : 77))
			fail_msg("'%s' gives rc %d, %g", rates[i].text, rc, v);
	}
	for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
		double v = 77;
		int rc = share_parse(str_of(shares[i].text), &v, NULL);
		if ((rc == 0) != shares[i].ok || v != (rc == 0 ? shares[i].want : 77))
			fail_msg("'%s' gives rc %d, %g", shares[i].text, rc, v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3339_and_epoch_microseconds),
		cmocka_unit_test(times_go_there_and_back),
		cmocka_unit_test(times_are_as_short_as_they_can_be),
		cmocka_unit_test(http_dates),
		cmocka_unit_test(durations),
		cmocka_unit_test(durations_written_out),
		cmocka_unit_test(sizes),
		cmocka_unit_test(rates_and_shares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
