/* The log: two formats, levels, and nobody outside can forge a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

/* Standard error goes to a file of no name while a test looks at it. */
static int real_stderr, captured;
static char text[1 << 20];

static int capture(void **state)
{
	FILE *f = tmpfile();
	captured = f ? dup(fileno(f)) : -1;
	if (f)
		fclose(f);
	real_stderr = dup(STDERR_FILENO);
	clock_test_set(INT64_C(1772359200123456), 0);
	return captured < 0 || real_stderr < 0 || fcntl(captured, F_SETFL, O_APPEND) < 0 ||
	       dup2(captured, STDERR_FILENO) < 0;
}

static const char *what_was_logged(void)
{
	ssize_t n = pread(captured, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(captured, 0), 0);
	return text;
}

static int release(void **state)
{
	clock_test_clear();
	int rc = dup2(real_stderr, STDERR_FILENO) < 0;
	close(real_stderr), close(captured);
	return rc;
}

static void text_is_key_value(void **state)
{
	log_init("tidemark-agent", LOG_INFO, LOG_TEXT);
	log_warn("send_failed", "edge=%s err=\"%s\" kept in spool, retry_ms=%d", "self:fra", "no route", 500);
	assert_string_equal(what_was_logged(),
		"time=2026-03-01T10:00:00.123Z level=warn program=tidemark-agent event=send_failed "
		"edge=self:fra err=\"no route\" kept in spool, retry_ms=500\n");
	log_info("started", "%s", "");
	assert_string_equal(what_was_logged(),
		"time=2026-03-01T10:00:00.123Z level=info program=tidemark-agent event=started\n");
}

static void json_is_an_object_a_line(void **state)
{
	log_init("tidemark-collector", LOG_DEBUG, LOG_JSON);
	log_error("store_failed", "err=\"disk \\ full\" n=%d", 3);
	assert_string_equal(what_was_logged(),
		"{\"time\":\"2026-03-01T10:00:00.123Z\",\"level\":\"error\",\"program\":"
		"\"tidemark-collector\",\"event\":\"store_failed\",\"msg\":\"err=\\\"disk \\\\ full\\\" "
		"n=3\"}\n");
}

static void levels_below_are_silent(void **state)
{
	static const struct {
		const char *name;
		enum log_level level;
		int lines;
	} cases[] = { { "debug", LOG_DEBUG, 4 }, { "info", LOG_INFO, 3 }, { "warn", LOG_WARN, 2 },
		{ "error", LOG_ERROR, 1 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum log_level level = LOG_DEBUG;
		assert_true(log_level_from(cases[i].name, &level));
		assert_int_equal(level, cases[i].level);
		log_init("t", level, LOG_TEXT);
		log_debug("a", "x"), log_info("b", "x"), log_warn("c", "x"), log_error("d", "x");
		int lines = 0;
		for (const char *p = what_was_logged(); *p; p++)
			lines += *p == '\n';
		assert_int_equal(lines, cases[i].lines);
	}
	enum log_level level = LOG_WARN;
	enum log_format format = LOG_TEXT;
	assert_false(log_level_from("warning", &level) || log_level_from("", &level));
	assert_int_equal(level, LOG_WARN);
	assert_true(log_format_from("json", &format) && format == LOG_JSON);
	assert_true(log_format_from("text", &format) && format == LOG_TEXT);
	assert_true(log_format_from("logfmt", &format) && format == LOG_TEXT);
	assert_false(log_format_from("xml", &format));
}

static void nobody_outside_can_forge_a_line(void **state)
{
	static const struct {
		const char *says, *in, *text, *json;
	} cases[] = {
		{ "a line end", "a\ntime=now level=error", "a\\ntime=now level=error",
			"a\\ntime=now level=error" },
		{ "a carriage return", "a\rb", "a\\x0db", "a\\u000db" },
		{ "a tab", "a\tb", "a\\tb", "a\\u0009b" },
		{ "a colour, or worse, for the terminal", "\033[2Jx", "\\x1b[2Jx", "\\u001b[2Jx" },
		{ "a bell and a DEL", "\a\x7f", "\\x07\\x7f", "\\u0007\x7f" },
		{ "a control character of two bytes",
			"\xC2\x9B"
			"2J",
			"\\xc2\\x9b2J",
			"\xC2\x9B"
			"2J" },
		{ "a line end of Unicode", "a\xE2\x80\xA8z", "a\\xe2\\x80\\xa8z", "a\xE2\x80\xA8z" },
		{ "what turns the writing around", "a\xE2\x80\xAEz", "a\\xe2\\x80\\xaez", "a\xE2\x80\xAEz" },
		{ "bytes that are no text", "a\xFF\xC3", "a\\xff\\xc3", "a\xEF\xBF\xBD\xEF\xBF\xBD" },
		{ "other languages stay readable", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
			"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80" },
		{ "percent signs are not formats", "%s%n", "%s%n", "%s%n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char want[256];
		log_init("t", LOG_INFO, LOG_TEXT);
		log_info("e", "v=%s", cases[i].in);
		snprintf(want, sizeof(want),
			"time=2026-03-01T10:00:00.123Z level=info program=t event=e v=%s\n", cases[i].text);
		if (strcmp(what_was_logged(), want) != 0)
			fail_msg("%s: %s", cases[i].says, text);
		log_init("t", LOG_INFO, LOG_JSON);
		log_info("e", "%s", cases[i].in);
		snprintf(want, sizeof(want),
			"{\"time\":\"2026-03-01T10:00:00.123Z\",\"level\":\"info\",\"program\":\"t\","
			"\"event\":\"e\",\"msg\":\"%s\"}\n",
			cases[i].json);
		if (strcmp(what_was_logged(), want) != 0)
			fail_msg("%s: %s", cases[i].says, text);
	}
}

static void a_long_message_is_cut_and_says_so(void **state)
{
	static char big[20000];
	memset(big, '\001', sizeof(big) - 1); /* the worst: four or six characters for each */
	for (int json = 0; json < 2; json++) {
		log_init("t", LOG_INFO, json ? LOG_JSON : LOG_TEXT);
		log_info("e", "%s", big);
		const char *line = what_was_logged();
		size_t n = strlen(line);
		assert_true(n < 30000 && line[n - 1] == '\n' && strchr(line, '\n') == line + n - 1);
		assert_non_null(strstr(line, " ... cut"));
	}
}

static void *log_much(void *arg)
{
	char pad[400];
	memset(pad, *(const char *)arg, sizeof(pad) - 1);
	pad[sizeof(pad) - 1] = '\0';
	for (int i = 0; i < 200; i++)
		log_info("e", "%s", pad);
	return NULL;
}

static void lines_of_threads_stay_whole(void **state)
{
	pthread_t threads[4];
	char letters[] = "abcd";
	log_init("t", LOG_INFO, LOG_TEXT);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_much, &letters[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	struct str rest = str_of(what_was_logged()), line;
	int lines = 0;
	while (str_cut(&rest, '\n', &line) && line.n > 0) {
		assert_true(str_starts(line, "time=2026") && line.n > 399);
		for (size_t i = line.n - 399; i < line.n; i++)
			assert_int_equal(line.p[i], line.p[line.n - 1]);
		lines++;
	}
	assert_int_equal(lines, 800);
}

/* However often it is asked within a second. The second may turn once in between. */
static void strangers_fill_no_log(void **state)
{
	struct log_limit limit = { 0 };
	int n = 0;
	(void)state;
	for (int i = 0; i < 10000; i++)
		n += log_within(&limit, LOG_STRANGERS_PER_S);
	assert_true(n >= LOG_STRANGERS_PER_S && n % LOG_STRANGERS_PER_S == 0 && n <= 5 * LOG_STRANGERS_PER_S);
	limit.second--; /* the next one */
	assert_true(log_within(&limit, LOG_STRANGERS_PER_S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_is_key_value, capture, release),
		cmocka_unit_test_setup_teardown(json_is_an_object_a_line, capture, release),
		cmocka_unit_test_setup_teardown(levels_below_are_silent, capture, release),
		cmocka_unit_test_setup_teardown(nobody_outside_can_forge_a_line, capture, release),
		cmocka_unit_test_setup_teardown(a_long_message_is_cut_and_says_so, capture, release),
		cmocka_unit_test_setup_teardown(lines_of_threads_stay_whole, capture, release),
		cmocka_unit_test(strangers_fill_no_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
