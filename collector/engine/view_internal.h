/* view_internal.h - what the view files share: small JSON helpers, and pieces that appear in more than one
 * document. */
#ifndef ENGINE_VIEW_INTERNAL_H
#define ENGINE_VIEW_INTERNAL_H

#include "collector/engine/engine_internal.h"
#include "collector/engine/view.h"
#include "collector/engine/why.h"

void json_text(struct buf *out, const char *key,
	struct str s); /* jansson, in the same program, has a json_string() */
void json_text_or_null(struct buf *out, const char *key, struct str s);
void json_time(struct buf *out, const char *key, int64_t at_us);
void json_seconds(struct buf *out, const char *key, int64_t us); /* TIME_NONE: null */
void json_count(struct buf *out, const char *key, uint64_t n);
void json_bool(struct buf *out, const char *key, bool yes);
void json_share(struct buf *out, const char *key, double share);
void json_comma(struct buf *out); /* before a member of a list, where one is needed */

/* w is of the cell's service; with_why: the whole of it, not the cause's name alone. */
void view_cell_object(const struct why_view *w, const struct cell *c, bool with_why, struct buf *out);
void view_cell_place(const struct engine *e, const struct service *s, const struct cell *c, struct buf *out);
void view_every_cell(const struct engine *e, struct buf *out);
/* Indexes of services by name; free() them. *ret_n: how many. */
uint32_t *services_by_name(const struct engine *e, size_t *ret_n);
const struct deploy *service_last_deploy(const struct service *s); /* the newest by started_at; NULL: none */
const struct deploy *service_rolling(const struct service *s);
void view_deploy_object(const struct engine *e, uint32_t service, const struct deploy *d, struct buf *out);
void view_deploy_summary(const struct engine *e, uint32_t service, const struct deploy *d, struct buf *out);

#endif
