/* place_json.h - where a PoP is, as `probe` and `explain` print it. Pure. */
#ifndef AGENT_PLACE_JSON_H
#define AGENT_PLACE_JSON_H

#include "base/buf.h"

/* "place": {"city", "country", "lat", "lon"}, or null where no table knows the PoP; city is null where only
 * the country is known. */
void place_add_json(struct buf *out, struct str vendor, struct str pop);

#endif
