#include "collector/ctl/term.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/printable.h"
#include "base/units.h"

#define WIDTH_MIN 40
#define WIDTH_MAX 1000

static bool locale_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *v = getenv(names[i]);
		if (v != NULL && v[0] != '\0')
			return str_contains_nocase(str_of(v), "utf-8") ||
			       str_contains_nocase(str_of(v), "utf8");
	}
	return false;
}

void term_init(struct term *t, bool no_color, bool wide)
{
	struct winsize size;
	const char *kind = getenv("TERM"), *columns = getenv("COLUMNS"), *plain = getenv("NO_COLOR");
	int64_t n = 80;
	*t = (struct term){ .tty = isatty(STDOUT_FILENO) == 1 && kind != NULL && strcmp(kind, "dumb") != 0 };
	t->color = t->tty && !no_color && (plain == NULL || plain[0] == '\0');
	t->utf8 = locale_is_utf8();
	if (t->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		n = size.ws_col;
	else if (columns == NULL || str_to_i64(str_of(columns), &n, NULL) < 0)
		n = 80;
	t->width = wide ? WIDTH_MAX : (size_t)MIN(MAX(n, WIDTH_MIN), WIDTH_MAX);
}

void term_add(const struct term *t, struct buf *b, enum style style, struct str text)
{
	static const char *const codes[] = { "", "\033[32m", "\033[31m", "\033[33m", "\033[2m", "\033[1m" };
	bool colored = t->color && style != STYLE_PLAIN && text.n > 0;
	if (colored)
		buf_addf(b, "%s", codes[style]);
	buf_add_printable(b, text);
	if (colored)
		buf_addf(b, "\033[0m");
}

static enum style style_of(
	struct str word, const char *const *good, const char *const *bad, const char *const *warn)
{
	const char *const *const lists[] = { good, bad, warn };
	static const enum style styles[] = { STYLE_GOOD, STYLE_BAD, STYLE_WARN };
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (size_t k = 0; lists[i][k] != NULL; k++)
			if (str_is(word, lists[i][k]))
				return styles[i];
	return STYLE_DIM;
}

enum style state_style(struct str state)
{
	static const char *const good[] = { "fresh", "connected", NULL },
				 *const bad[] = { "stale", "failing", "revoked", NULL },
				 *const warn[] = { "mixed", "unknown", "ahead", "late", "silent", NULL };
	return style_of(state, good, bad, warn);
}

enum style verdict_style(struct str verdict)
{
	static const char *const good[] = { "verified", NULL }, *const bad[] = { "failed", NULL },
				 *const warn[] = { "inconclusive", "aborted", "superseded", NULL };
	return style_of(verdict, good, bad, warn);
}

/* -- pieces of text -- */

static bool begins_char(char c)
{
	return ((unsigned char)c & 0xC0) != 0x80;
}

size_t text_width(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += begins_char(s.p[i]);
	return n;
}

/* The first n characters. */
static struct str text_head(struct str s, size_t n)
{
	size_t i = 0;
	for (; i < s.n; i++)
		if (begins_char(s.p[i]) && n-- == 0)
			break;
	return str_first(s, i);
}

void text_add_cut(const struct term *t, struct buf *b, struct str s, size_t width)
{
	const char *dots = t->utf8 ? "\xE2\x80\xA6" : "..";
	size_t have = text_width(s), n_dots = t->utf8 ? 1 : 2;
	if (have <= width) {
		buf_add_str(b, s);
	} else if (width <= n_dots) {
		buf_add_str(b, text_head(s, width));
	} else {
		size_t tail = (width - n_dots) / 2, head = width - n_dots - tail;
		buf_add_str(b, text_head(s, head));
		buf_addf(b, "%s", dots);
		buf_add_str(b, str_from(s, text_head(s, have - tail).n));
	}
}

void text_add_bar(const struct term *t, struct buf *b, double share, size_t width)
{
	size_t full = share <= 0 ? 0 : MIN((size_t)(share * (double)width), width);
	buf_add_char(b, '[');
	for (size_t i = 0; i < width; i++)
		buf_addf(b, "%s",
			t->utf8 ? (i < full ? "\xE2\x96\x88" : "\xE2\x96\x91") : (i < full ? "#" : "."));
	buf_add_char(b, ']');
}

void text_add_percent(struct buf *b, double share)
{
	if (share < 0 || isnan(share)) {
		buf_addf(b, "-");
		return;
	}
	double percent = floor(share * 100 + 1e-9);
	if (percent < 1 && share > 0)
		buf_addf(b, "<1 %%");
	else
		buf_addf(b, "%.0f %%", percent);
}

void text_add_seconds(struct buf *b, double seconds)
{
	char text[TIME_TEXT_MAX];
	if (!(seconds >= 0) || seconds > 3e9)
		buf_addf(b, "-");
	else if (seconds < 10 && seconds != floor(seconds))
		buf_addf(b, "%.1fs", seconds);
	else
		buf_addf(b, "%s", duration_format((int64_t)seconds * US_PER_S, text));
}

void text_add_ago(struct buf *b, struct str time, int64_t now_us)
{
	int64_t at_us;
	if (time_parse(time, &at_us, NULL) < 0) {
		buf_addf(b, "-");
		return;
	}
	int64_t s = MAX(
		(now_us - at_us) / US_PER_S, INT64_C(0)); /* two machines' clocks: a little future is now */
	int64_t unit = s < 120 ? 1 : s < 7200 ? 60 : s < 172800 ? 3600 : 86400;
	buf_addf(b, "%" PRId64 "%s ago", s / unit,
		unit == 1      ? "s"
		: unit == 60   ? "m"
		: unit == 3600 ? "h"
			       : "d");
}

/* -- tables -- */

struct table_cell {
	char *text;
	enum style style;
};

void table_init(struct table *t, const char *const *headers)
{
	*t = (struct table){ .headers = headers };
	while (headers[t->n_columns] != NULL)
		t->n_columns++;
	INVARIANT(t->n_columns <= 16);
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){ 0 };
}

void table_add(struct table *t, enum style style, struct str text)
{
	struct buf b;
	buf_init(&b, 4096);
	buf_add_printable(&b, text);
	t->cells = mem_grow(t->cells, &t->cap_cells, t->n_cells + 1, sizeof(*t->cells));
	t->cells[t->n_cells++] = (struct table_cell){ buf_take(&b, NULL), style };
}

static bool header_shrinks(const char *header)
{
	return header[0] == '~';
}

static struct str header_text(const char *header)
{
	return str_of(header + header_shrinks(header));
}

static void widths_want(const struct table *t, size_t *widths)
{
	size_t n = t->n_columns;
	for (size_t i = 0; i < n; i++)
		widths[i] = header_text(t->headers[i]).n;
	for (size_t i = 0; i < t->n_cells; i++)
		widths[i % n] = MAX(widths[i % n], text_width(str_of(t->cells[i].text)));
}

size_t table_width(const struct table *t)
{
	size_t widths[16], sum = 2 * (t->n_columns - 1);
	widths_want(t, widths);
	for (size_t i = 0; i < t->n_columns; i++)
		sum += widths[i];
	return sum;
}

/* Takes a column at a time off the widest that may shrink, down to its header or 8. */
static void widths_fit(const struct table *t, size_t *widths, size_t room)
{
	for (;;) {
		size_t sum = 2 * (t->n_columns - 1), widest = t->n_columns;
		for (size_t i = 0; i < t->n_columns; i++) {
			sum += widths[i];
			size_t least = MAX(header_text(t->headers[i]).n, (size_t)8);
			if (header_shrinks(t->headers[i]) && widths[i] > least &&
				(widest == t->n_columns || widths[i] > widths[widest]))
				widest = i;
		}
		if (sum <= room || widest == t->n_columns)
			return;
		widths[widest]--;
	}
}

static void cell_print(
	const struct term *term, struct buf *out, struct str text, enum style style, size_t width, bool last)
{
	struct buf cut;
	buf_init(&cut, 8192);
	text_add_cut(term, &cut, text, width);
	term_add(term, out, style, buf_str(&cut));
	for (size_t i = text_width(buf_str(&cut)); !last && i < width + 2; i++)
		buf_add_char(out, ' ');
	buf_fini(&cut);
}

/* What nobody reads: blanks before a line's end, of an empty last column or a narrow one. */
static void line_end(struct buf *out)
{
	while (out->n > 0 && out->p[out->n - 1] == ' ')
		out->n--;
	buf_addf(out, "\n");
}

void table_print(const struct table *t, const struct term *term, const char *indent, struct buf *out)
{
	size_t widths[16], n = t->n_columns, pad = strlen(indent);
	INVARIANT(t->n_cells % n == 0);
	widths_want(t, widths);
	widths_fit(t, widths, term->width > pad ? term->width - pad : 0);
	buf_addf(out, "%s", indent);
	for (size_t i = 0; i < n; i++)
		cell_print(term, out, header_text(t->headers[i]), STYLE_BOLD, widths[i], i + 1 == n);
	line_end(out);
	for (size_t i = 0; i < t->n_cells; i++) {
		if (i % n == 0)
			buf_addf(out, "%s", indent);
		cell_print(term, out, str_of(t->cells[i].text), t->cells[i].style, widths[i % n],
			i % n == n - 1);
		if (i % n == n - 1)
			line_end(out);
	}
}

void out_flush(struct buf *b)
{
	if (b->n > 0)
		fwrite(b->p, 1, b->n, stdout);
	fflush(stdout);
	buf_clear(b);
}

void out_json(const json_t *v)
{
	(void)json_dumpf(
		v, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15)); /* a broken pipe ends us by signal */
	fputc('\n', stdout);
	fflush(stdout);
}
