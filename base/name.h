/* name.h - what may be called what: one rule for agents, regions, services, environments and endpoints, in
 * the API and in both configurations. Names travel in URLs, file names, logs and shells. Pure. */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include "base/obs.h"

#define NAME_BYTES_MAX 64
#define NAME_RULE      "1 to 64 letters, digits, '.', '_', '-', a letter or digit first"

bool name_is_fine(struct str name);

/* Of the environment: letters, digits and '_', no digit first; at most OBS_NAME_MAX bytes. */
bool name_is_variable(struct str name);

#endif
