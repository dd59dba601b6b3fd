#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"

void buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){ .cap = MIN(cap, SIZE_MAX / 2) }; /* so that n + 1 never wraps */
}

void buf_fini(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .cap = b->cap };
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p)
		b->p[0] = '\0';
}

/* Room for n more and the NUL; false when the cap forbids it. */
static bool buf_reserve(struct buf *b, size_t n)
{
	if (b->failed || n > b->cap - b->n) {
		b->failed = true;
		return false;
	}
	size_t need = b->n + n + 1;
	if (need > b->size)
		b->p = mem_grow(b->p, &b->size, MAX(need, (size_t)64), 1);
	return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n))
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	INVARIANT(n >= 0);
	if ((size_t)n < sizeof(small)) {
		buf_add(b, small, (size_t)n);
	} else if (buf_reserve(b, (size_t)n)) {
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

/* Length of the well-formed UTF-8 character at p, 0 when there is none. */
static size_t utf8_char(const char *p, size_t n)
{
	for (size_t len = 1; len <= 4 && len <= n; len++)
		if (str_is_utf8((struct str){ p, len }))
			return len;
	return 0;
}

void buf_add_json(struct buf *b, struct str s)
{
	buf_add_char(b, '"');
	size_t i = 0, from = 0;
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
			i++;
			continue;
		}
		size_t len = c >= 0x80 ? utf8_char(s.p + i, s.n - i) : 0;
		if (len) {
			i += len;
			continue;
		}
		buf_add(b, s.p + from, i - from);
		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c == '\n')
			buf_addf(b, "\\n");
		else if (c >= 0x80)
			buf_addf(b, "\xEF\xBF\xBD");
		else
			buf_addf(b, "\\u%04x", c);
		from = ++i;
	}
	if (s.n > from)
		buf_add(b, s.p + from, s.n - from);
	buf_add_char(b, '"');
}

void buf_add_key(struct buf *b, const char *name)
{
	char last = b->n ? b->p[b->n - 1] : '{';
	if (last != '{' && last != '[' && last != ',' && last != ':' && last != '\n')
		buf_add_char(b, ',');
	buf_addf(b, "\"%s\":", name);
}

void buf_add_json_or_null(struct buf *b, struct str s)
{
	if (s.n)
		buf_add_json(b, s);
	else
		buf_add(b, "null", 4);
}

void buf_add_json_time(struct buf *b, int64_t at_us)
{
	char text[TIME_TEXT_MAX];
	if (at_us == TIME_NONE)
		buf_add(b, "null", 4);
	else
		buf_addf(b, "\"%s\"", time_format(at_us, text));
}

void buf_add_seconds(struct buf *b, int64_t us)
{
	char text[32];
	const char *sign = us < 0 ? "-" : "";
	uint64_t abs_us = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
	if (abs_us % (uint64_t)US_PER_S == 0) {
		buf_addf(b, "%s%" PRIu64, sign, abs_us / (uint64_t)US_PER_S);
		return;
	}
	int n = snprintf(text, sizeof(text), "%s%" PRIu64 ".%06" PRIu64, sign, abs_us / (uint64_t)US_PER_S,
		abs_us % (uint64_t)US_PER_S);
	while (n > 0 && text[n - 1] == '0')
		n--;
	buf_add(b, text, (size_t)n);
}

bool buf_failed(const struct buf *b)
{
	return b->failed;
}

struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

char *buf_take(struct buf *b, size_t *ret_n)
{
	char *p = b->p ? b->p : mem_new(1);
	if (ret_n)
		*ret_n = b->n;
	*b = (struct buf){ .cap = b->cap };
	return p;
}
