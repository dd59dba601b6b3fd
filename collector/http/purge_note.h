/* purge_note.h - what a purge's patterns mean to the endpoints we watch. Whether somebody purged is not ours
 * to doubt: a pattern that meets no endpoint is taken, with a warning; one that no URL can ever meet is
 * refused. */
#ifndef HTTP_PURGE_NOTE_H
#define HTTP_PURGE_NOTE_H

#include <jansson.h>

#include "collector/http/server.h"

/* '*' stands for anything. One beginning with '/' or '*' is held against path and query (and path alone), any
 * other against the whole URL, with and without its scheme. *budget is spent by work done; at 0 everything
 * matches. */
bool purge_pattern_meets(struct str pattern, struct str url, size_t *budget);
/* Answers 422 and returns false where a pattern of this purge holds what no URL does. */
bool purge_patterns_fine(struct request *r, const json_t *purge);
/* Adds "warnings" to the purge that r->out holds, a sentence for each pattern that meets no endpoint. */
void purge_add_warnings(struct request *r, const json_t *purge);

#endif
