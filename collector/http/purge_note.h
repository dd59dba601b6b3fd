/* purge_note.h - what a purge's patterns mean to the endpoints we watch. Whether somebody purged is not ours
 * to doubt: a pattern that meets no endpoint is taken, with a warning; one that no URL can ever meet is
 * refused. */
#ifndef HTTP_PURGE_NOTE_H
#define HTTP_PURGE_NOTE_H

#include <jansson.h>

#include "collector/http/server.h"

/* Answers 422 and returns false where a pattern of this purge holds what no URL does. */
bool purge_patterns_fine(struct request *r, const json_t *purge);
/* Adds "warnings" to the purge that r->out holds, a sentence for each pattern that by its vendor's rules (base/cdn/purge.h)
 * covers no endpoint. */
void purge_add_warnings(struct request *r, const json_t *purge);

#endif
