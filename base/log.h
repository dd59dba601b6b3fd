/* log.h - structured log to stderr: a fixed event name, then key=value, then what we do about it; or one JSON object a line.
 * Only top loops log; modules return errors. Any thread; a line is written whole. Values with spaces are quoted by the
 * caller ("err=\"%s\""); control characters are escaped here, so that nobody outside can forge a line. Secrets never come here. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/util.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_init(const char *program, enum log_level level, enum log_format format);
bool log_level_from(const char *name, enum log_level *ret);   /* debug, info, warn, error */
bool log_format_from(const char *name, enum log_format *ret); /* text (or logfmt), json */
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(event, ...) log_line(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_line(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_line(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_ERROR, event, __VA_ARGS__)

/* So many lines a second about what a stranger can cause as often as they like; the rest is not said. Static, or zeroed. */
#define LOG_STRANGERS_PER_S 10
struct log_limit {
	_Atomic int64_t second;
	_Atomic int lines;
};
bool log_within(struct log_limit *limit, int per_second);

#endif
