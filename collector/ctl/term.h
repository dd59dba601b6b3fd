/* term.h - what people see: colours where there is a terminal, tables that fit, bars, times in words. Text
 * from outside is made printable here. Output goes to stdout. */
#ifndef CTL_TERM_H
#define CTL_TERM_H

#include <jansson.h>

#include "base/buf.h"

struct term {
	bool tty, color, utf8;
	size_t width; /* columns that lines are cut to */
};
/* no_color: as the flag says; NO_COLOR and TERM=dumb are heard too. */
void term_init(struct term *t, bool no_color, bool wide);

enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_BAD, STYLE_WARN, STYLE_DIM, STYLE_BOLD };
void term_add(
	const struct term *t, struct buf *b, enum style style, struct str text); /* printable, coloured */
enum style state_style(struct str state);                                        /* of a cell or an agent */
enum style verdict_style(struct str verdict);

size_t text_width(struct str s); /* columns, one per character, colours not counted */
/* At most width columns; what is longer loses its middle to an ellipsis. */
void text_add_cut(const struct term *t, struct buf *b, struct str s, size_t width);
void text_add_bar(const struct term *t, struct buf *b, double share, size_t width);
void text_add_percent(
	struct buf *b, double share); /* "33 %"; never 100 for less than all, nor 0 for more than none */
void text_add_seconds(struct buf *b, double seconds); /* "1m30s", "-" when negative */
/* How long ago, "3s ago"; "-" when time says nothing. */
void text_add_ago(struct buf *b, struct str time, int64_t now_us);

/* A table: headers, then rows of the same number of cells. Columns that may shrink do so until it fits. */
struct table {
	const char *const *headers; /* ends with NULL; a name that begins with '~' may shrink */
	struct table_cell *cells;
	size_t n_cells, cap_cells, n_columns;
};
void table_init(struct table *t, const char *const *headers);
void table_fini(struct table *t);
void table_add(struct table *t, enum style style, struct str text); /* made printable; the next cell */
size_t table_width(const struct table *t);                          /* columns it takes when none shrinks */
void table_print(const struct table *t, const struct term *term, const char *indent, struct buf *out);

void out_flush(struct buf *b); /* writes it to stdout and empties it */
void out_json(const json_t *v);

#endif
