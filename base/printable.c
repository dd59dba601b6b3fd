#include "base/printable.h"

/* U+2028 to U+202E and U+2066 to U+2069: line ends, and overrides that show text other than it is. */
static bool is_treacherous(const unsigned char *p)
{
	if (p[0] != 0xE2)
		return false;
	return (p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE) ||
	       (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9);
}

/* The length of the printable character at the start of s; 0: there is none. */
static size_t printable(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	if (p[0] < 0x20 || p[0] == 0x7F || n > s.n || !str_is_utf8(str_first(s, n)))
		return 0;
	if (p[0] == 0xC2 && p[1] < 0xA0) /* C1: some terminals obey them */
		return 0;
	return n == 3 && is_treacherous(p) ? 0 : n;
}

void buf_add_printable(struct buf *b, struct str s)
{
	while (s.n > 0) {
		size_t n = printable(s);
		if (n > 0)
			buf_add(b, s.p, n);
		else if (s.p[0] == '\n')
			buf_add_str(b, STR("\\n"));
		else if (s.p[0] == '\t')
			buf_add_str(b, STR("\\t"));
		else
			buf_addf(b, "\\x%02x", (unsigned)(unsigned char)s.p[0]);
		s = str_from(s, n > 0 ? n : 1);
	}
}
