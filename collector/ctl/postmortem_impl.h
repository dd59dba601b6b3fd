/* postmortem_impl.h - what postmortem.c and postmortem_timeline.c share. */
#ifndef CTL_POSTMORTEM_IMPL_H
#define CTL_POSTMORTEM_IMPL_H

#include "base/units.h"
#include "collector/ctl/api.h"
#include "collector/ctl/markdown.h"
#include "collector/ctl/postmortem.h"
#include "collector/ctl/term.h"

int64_t postmortem_time_of(const json_t *object, const char *key); /* TIME_NONE: not said */
void postmortem_add_time(struct buf *out, int64_t at_us);          /* 2026-03-01 10:00:33 */
void postmortem_add_span(struct buf *out, int64_t us);             /* 1m30s */
/* When all was said of this deploy, and a minute; INT64_MAX: it still goes on. */
int64_t postmortem_end(const struct postmortem *p);
void postmortem_timeline(const struct postmortem *p, struct buf *out); /* the section */

#endif
