#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/printable.h"
#include "base/units.h"

#define LOG_TEXT_MAX 4096                     /* bytes of one message; the rest is cut, and says so */
#define LOG_LINE_MAX (6 * LOG_TEXT_MAX + 512) /* every byte of it escaped */

static char program_name[32] = "tidemark";
static _Atomic enum log_level log_min = LOG_INFO;
static _Atomic enum log_format log_shape = LOG_TEXT;
static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_init(const char *program, enum log_level level, enum log_format format)
{
	snprintf(program_name, sizeof(program_name), "%s", program);
	atomic_store(&log_min, level);
	atomic_store(&log_shape, format);
}

bool log_level_from(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (str_is(str_of(name), level_names[i])) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_format_from(const char *name, enum log_format *ret)
{
	struct str s = str_of(name);
	if (!str_is(s, "text") && !str_is(s, "logfmt") && !str_is(s, "json"))
		return false;
	*ret = str_is(s, "json") ? LOG_JSON : LOG_TEXT;
	return true;
}

static void line_write(const struct buf *b)
{
	size_t at = 0;
	while (at < b->n) {
		ssize_t n = write(STDERR_FILENO, b->p + at, b->n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody is left to be told */
		at += (size_t)n;
	}
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	if (level < atomic_load(&log_min))
		return;

	int saved_errno = errno;
	char text[LOG_TEXT_MAX], when[TIME_TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	struct str message = { text, n < 0 ? 0 : MIN((size_t)n, sizeof(text) - 1) };
	const char *cut = n >= (int)sizeof(text) ? " ... cut" : "";

	struct buf line;
	buf_init(&line, LOG_LINE_MAX);
	int64_t now_us = clock_wall_us();
	time_format(now_us - now_us % US_PER_MS, when);
	if (atomic_load(&log_shape) == LOG_JSON) {
		struct buf escaped;
		buf_init(&escaped, LOG_LINE_MAX);
		buf_addf(&escaped, "%.*s%s", STR_ARG(message), cut);
		buf_addf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"program\":", when, level_names[level]);
		buf_add_json(&line, str_of(program_name));
		buf_addf(&line, ",\"event\":");
		buf_add_json(&line, str_of(event));
		buf_addf(&line, ",\"msg\":");
		buf_add_json(&line, buf_str(&escaped));
		buf_addf(&line, "}\n");
		buf_fini(&escaped);
	} else {
		buf_addf(&line, "time=%s level=%s program=%s event=", when, level_names[level], program_name);
		buf_add_printable(&line, str_of(event));
		if (message.n > 0)
			buf_add_char(&line, ' ');
		buf_add_printable(&line, message);
		buf_addf(&line, "%s\n", cut);
	}
	line_write(&line);
	buf_fini(&line);
	errno = saved_errno;
}

bool log_within(struct log_limit *limit, int per_second)
{
	int64_t second = clock_boot_us() / US_PER_S;
	if (atomic_exchange(&limit->second, second) != second)
		atomic_store(&limit->lines, 0);
	return atomic_fetch_add(&limit->lines, 1) < per_second;
}
