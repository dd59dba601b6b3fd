#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	if (err != NULL) {
		char text[ERR_TEXT_MAX]; /* the arguments may be the sentence that is there */
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		err->code = code;
		memcpy(err->text, text, strlen(text) + 1);
	}
	return code;
}

void err_add(struct err *err, const char *fmt, ...)
{
	if (err == NULL)
		return;
	char where[ERR_TEXT_MAX], joined[2 * ERR_TEXT_MAX + 2];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	snprintf(joined, sizeof(joined), "%s: %s", where, err->text);
	memcpy(err->text, joined, sizeof(err->text) - 1);
	err->text[sizeof(err->text) - 1] = '\0';
}

const char *err_name(int code)
{
	static const char *const names[] = { "ok", "syntax", "too_big", "nonsense", "io", "not_found", "exists",
		"denied", "busy", "full", "net", "unsupported", "corrupt", "timeout" };
	size_t i = code <= 0 ? (size_t)(0 - (int64_t)code) : SIZE_MAX;
	return i < ARRAY_LEN(names) ? names[i] : "unknown";
}
