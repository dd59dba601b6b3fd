#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	if (err != NULL) {
		va_list ap;
		va_start(ap, fmt);
		err->code = code;
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
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
	size_t i = code <= 0 ? (size_t)-code : 0;
	return i < ARRAY_LEN(names) ? names[i] : "unknown";
}
