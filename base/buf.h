/* buf.h - owned, growing bytes, capped from birth. It keeps its first error: add freely, ask once at the end. Pure. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
	char *p;     /* NUL-terminated while not failed; NULL when nothing was ever added */
	size_t n;    /* without the NUL */
	size_t size; /* allocated */
	size_t cap;  /* n never exceeds it */
	bool failed; /* the cap was hit: what is there is a prefix */
};

void buf_init(struct buf *b, size_t cap);
void buf_fini(struct buf *b);                  /* may be called on a zeroed buf, and twice */
void buf_clear(struct buf *b);                 /* empty again, memory kept, error forgotten */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A JSON string with its quotes; invalid UTF-8 becomes U+FFFD. The only way a string enters JSON. */
void buf_add_json(struct buf *b, struct str s);
/* "name": or ,"name": - the comma is put where one is needed. */
void buf_add_key(struct buf *b, const char *name);
void buf_add_json_or_null(struct buf *b, struct str s); /* the empty string is null */
/* RFC 3339, UTC, as short as it can be exactly: seconds, milli- or microseconds. TIME_NONE is null. Quoted. */
void buf_add_json_time(struct buf *b, int64_t at_us);
/* Seconds with as many decimals as needed, at most 6: 14400, 0.25. */
void buf_add_seconds(struct buf *b, int64_t us);
bool buf_failed(const struct buf *b);
struct str buf_str(const struct buf *b);       /* borrowed until the next change */
char *buf_take(struct buf *b, size_t *ret_n);  /* the bytes are the caller's, the buf is empty; ret_n may be NULL */

#endif
