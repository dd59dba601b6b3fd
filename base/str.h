/* str.h - a borrowed piece of text with a length; never NUL-terminated by promise. Pure. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <string.h>

#include "base/err.h"

struct str {
	const char *p; /* may be NULL when n is 0 */
	size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_ARG(s)   (int)(s).n, (s).p ? (s).p : "" /* for "%.*s" */
#define STR_NONE     ((struct str){ NULL, 0 })

static inline struct str str_of(const char *z) /* NULL gives the empty string */
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
	return str_eq(a, str_of(z));
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII only, as HTTP field names are */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, const char *prefix);
bool str_starts_nocase(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
bool str_contains_nocase(struct str s, const char *what);
struct str str_trim(struct str s);                 /* spaces and tabs, CR and LF, both ends */
struct str str_from(struct str s, size_t at);      /* the rest; empty when at is past the end */
struct str str_first(struct str s, size_t n);
ptrdiff_t str_find(struct str s, char c);          /* -1: not there */
ptrdiff_t str_rfind(struct str s, char c);
/* Cuts at the first c: what is before goes to *ret_head, *s keeps the rest. False when s is used up. */
bool str_cut(struct str *s, char c, struct str *ret_head);
bool str_is_utf8(struct str s);                    /* well-formed, no NUL */
uint64_t str_hash(struct str s);                   /* FNV-1a 64: stable across machines and versions */
/* Whole string, no sign but '-', no space; ERR_SYNTAX or ERR_TOO_BIG. */
MUST_USE int str_to_i64(struct str s, int64_t *ret, struct err *err);
MUST_USE int str_to_double(struct str s, double *ret, struct err *err);
/* A NUL-terminated copy; free() it. */
MUST_USE char *str_dup(struct str s);

#endif
