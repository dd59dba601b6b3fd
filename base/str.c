#include "base/str.h"

#include <stdlib.h>

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = MIN(a.n, b.n);
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.n >= n && (n == 0 || memcmp(s.p, prefix, n) == 0);
}

bool str_starts_nocase(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.n >= n && str_eq_nocase(str_first(s, n), str_of(prefix));
}

bool str_ends(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);
	return s.n >= n && (n == 0 || memcmp(s.p + s.n - n, suffix, n) == 0);
}

bool str_contains_nocase(struct str s, const char *what)
{
	size_t n = strlen(what);
	for (size_t i = 0; n > 0 && i + n <= s.n; i++)
		if (str_eq_nocase((struct str){ s.p + i, n }, str_of(what)))
			return true;
	return n == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s.p++, s.n--;
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str str_from(struct str s, size_t at)
{
	return at >= s.n ? STR_NONE : (struct str){ s.p + at, s.n - at };
}

struct str str_first(struct str s, size_t n)
{
	return (struct str){ s.p, MIN(n, s.n) };
}

ptrdiff_t str_find(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? at - s.p : -1;
}

ptrdiff_t str_rfind(struct str s, char c)
{
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == c)
			return (ptrdiff_t)i - 1;
	return -1;
}

bool str_cut(struct str *s, char c, struct str *ret_head)
{
	if (s->p == NULL)
		return false;
	ptrdiff_t at = str_find(*s, c);
	if (at < 0) {
		*ret_head = *s;
		*s = STR_NONE;
	} else {
		*ret_head = str_first(*s, (size_t)at);
		*s = (struct str){ s->p + at + 1, s->n - (size_t)at - 1 };
	}
	return true;
}

bool str_is_utf8(struct str s)
{
	if (s.n == 0) /* NULL + 0 is undefined in C */
		return true;
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;
	while (p < end) {
		unsigned c = *p++;
		int more;
		uint32_t u;
		if (c == 0)
			return false;
		if (c < 0x80)
			continue;
		if (c >= 0xC2 && c <= 0xDF)
			more = 1, u = c & 0x1F;
		else if (c >= 0xE0 && c <= 0xEF)
			more = 2, u = c & 0x0F;
		else if (c >= 0xF0 && c <= 0xF4)
			more = 3, u = c & 0x07;
		else
			return false;
		if (end - p < more)
			return false;
		for (int i = 0; i < more; i++) {
			if ((*p & 0xC0) != 0x80)
				return false;
			u = u << 6 | (*p++ & 0x3F);
		}
		if ((more == 2 && (u < 0x800 || (u >= 0xD800 && u <= 0xDFFF))) ||
			(more == 3 && (u < 0x10000 || u > 0x10FFFF)))
			return false;
	}
	return true;
}

uint64_t str_hash(struct str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

int str_to_i64(struct str s, int64_t *ret, struct err *err)
{
	struct str digits = s;
	bool negative = digits.n > 0 && digits.p[0] == '-';
	if (negative)
		digits = str_from(digits, 1);
	if (digits.n == 0)
		return err_set(err, ERR_SYNTAX, "'%.*s' is no whole number", STR_ARG(s));
	uint64_t v = 0, limit = negative ? UINT64_C(9223372036854775808) : INT64_MAX;
	for (size_t i = 0; i < digits.n; i++) {
		unsigned d = (unsigned char)digits.p[i] - (unsigned)'0';
		if (d > 9)
			return err_set(err, ERR_SYNTAX, "'%.*s' is no whole number", STR_ARG(s));
		if (v > (limit - d) / 10)
			return err_set(err, ERR_TOO_BIG, "'%.*s' does not fit 64 bits", STR_ARG(s));
		v = v * 10 + d;
	}
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int str_to_double(struct str s, double *ret, struct err *err)
{
	char z[64], *end = NULL;
	bool ok = s.n > 0 && s.n < sizeof(z) && s.p[0] != '+';
	for (size_t i = 0; ok && i < s.n; i++) /* strtod would also take 0x1p3, inf and nan */
		ok = (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] && strchr("+-.eE", s.p[i]) != NULL);
	if (!ok)
		return err_set(err, ERR_SYNTAX, "'%.*s' is no number", STR_ARG(s));
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	double v = strtod(z, &end);
	if (end != z + s.n || v != v || v > 1e300 || v < -1e300)
		return err_set(err, ERR_SYNTAX, "'%.*s' is no number", STR_ARG(s));
	*ret = v;
	return 0;
}

char *str_dup(struct str s)
{
	char *z = mem_new(s.n + 1);
	if (s.n)
		memcpy(z, s.p, s.n);
	return z;
}
