/* err.h - the one error idiom: a function returns 0 or a negative ERR_*, and collects a sentence for a person.
 * A NULL err is fine everywhere. On failure ret_* arguments are untouched. Pure. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/util.h"

enum {
	ERR_SYNTAX = -1,      /* the bytes do not parse */
	ERR_TOO_BIG = -2,     /* over a named cap */
	ERR_NONSENSE = -3,    /* parses, but cannot be true */
	ERR_IO = -4,          /* the system said no; the sentence has its reason */
	ERR_NOT_FOUND = -5,
	ERR_EXISTS = -6,      /* already there, and different */
	ERR_DENIED = -7,      /* not allowed, or not who they say */
	ERR_BUSY = -8,        /* try again later */
	ERR_FULL = -9,        /* no space; nothing was written */
	ERR_NET = -10,        /* the other side could not be reached, or fell silent */
	ERR_UNSUPPORTED = -11,/* well-formed, but from another version or not built in */
	ERR_CORRUPT = -12,    /* our own file is damaged */
	ERR_TIMEOUT = -13,
};

#define ERR_TEXT_MAX 512
struct err {
	int code;
	char text[ERR_TEXT_MAX];
};

/* Sets the sentence and returns code, so that `return err_set(...)` is the whole error path. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "where: " in front of the sentence that is there. */
void err_add(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "syntax", "too_big", ...: for logs and metrics labels. */
const char *err_name(int code);

#endif
