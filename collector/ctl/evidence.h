/* evidence.h - the headers that edges answered with, and which of them told what, for `tidemark edges
 * --evidence`. */
#ifndef CTL_EVIDENCE_H
#define CTL_EVIDENCE_H

#include "collector/ctl/api.h"
#include "collector/ctl/term.h"

#define EVIDENCE_CELLS_MAX 50 /* one request each */

/* Gives each of the first n_max cells its "evidence" list. */
MUST_USE int evidence_fetch(struct api *a, json_t *cells, size_t n_max, struct err *err);
void evidence_show(const struct term *t, const json_t *cells, size_t n_max, struct buf *out);

#endif
