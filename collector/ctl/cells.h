/* cells.h - cells as people read them: the table of edges and of what is not fresh. */
#ifndef CTL_CELLS_H
#define CTL_CELLS_H

#include "collector/ctl/term.h"

/* At most n_max rows, then "... and N more". A column that says the same everywhere (the service) is left
 * out. */
void cells_table(
	const struct term *t, const json_t *cells, size_t n_max, const char *indent, struct buf *out);

#endif
