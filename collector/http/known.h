/* known.h - names in a request that nobody here goes by: which one was meant? Said by the API, so that every
 * client gets it. */
#ifndef HTTP_KNOWN_H
#define HTTP_KNOWN_H

#include "collector/http/server.h"

/* Each answers r with a problem and returns false when there is no such thing. What a body names: 422, with a
 * pointer; what the query names: 400. An empty name is fine. */
bool body_service_known(struct request *r, struct str name);
/* A vendor of base/cdn, "self", or whatever an edge of this service goes by. */
bool body_vendor_known(struct request *r, struct str service, struct str vendor);
bool query_state_known(struct request *r, struct str state);

#endif
