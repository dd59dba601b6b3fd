/* why.h - causes as people read them: of a deploy at the end of `verify`, of each cell for `edges --why`. */
#ifndef CTL_WHY_H
#define CTL_WHY_H

#include "collector/ctl/term.h"

/* "why": text, evidence, what would refute it; wrapped to the terminal. Nothing where why is null. */
void why_show(const struct term *t, const json_t *why, const char *indent, struct buf *out);
/* "cause  purge_missed_key: 4 of 6 cells", "layers  edge fail, shield pass, ...", then why_show(). deploy: as
 * the API tells it. Nothing where it names no cause. */
void why_show_deploy(const struct term *t, const json_t *deploy, struct buf *out);
/* Each not-fresh cell with its cause, for `edges --why`. */
void why_show_cells(const struct term *t, const json_t *cells, struct buf *out);

#endif
