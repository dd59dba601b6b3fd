/* name.h - what may be called what: one rule for agents, regions, services, environments and endpoints, in
 * the API and in both configurations. Names travel in URLs, file names, logs and shells. Pure. */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include "base/str.h"

#define NAME_BYTES_MAX 64
#define NAME_RULE      "1 to 64 letters, digits, '.', '_', '-', a letter or digit first"

bool name_is_fine(struct str name);

#endif
