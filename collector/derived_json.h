/* derived_json.h - transitions and verdicts as JSON: what replay derives and what a live run stored, in one
 * shape. */
#ifndef COLLECTOR_DERIVED_JSON_H
#define COLLECTOR_DERIVED_JSON_H

#include "base/buf.h"
#include "collector/engine/engine.h"

/* {"position","seq","at","at_us","late","service","endpoint","edge","from","to","version","expected"} */
void transition_to_json(const struct transition *t, struct buf *out);
/* {"position","seq","at","at_us","id","service","version","from","to","reason"} */
void verdict_to_json(const struct deploy_change *c, struct buf *out);
/* {"position","seq","at","at_us","service","kind","version","text"} */
void notice_to_json(const struct notice *n, struct buf *out);

#endif
