/* lookup.h - every address of a name, by the C library, on a thread of its own for each lookup: it cannot be
 * stopped, and may take as long as the resolver does. Who owns a lookup sees to it that they are few. */
#ifndef AGENT_LOOKUP_H
#define AGENT_LOOKUP_H

#include "agent/addresses.h"

struct lookups;

MUST_USE int lookups_new(struct lookups **ret, struct err *err);
/* Does not wait: threads under way end by themselves. NULL is fine. */
void lookups_free(struct lookups *l);
int lookups_fd(const struct lookups *l); /* readable when one is done */
/* False: no thread could be had. */
bool lookups_start(struct lookups *l, const char *name);
/* One that is done: its name is free()d by the caller. found.n is 0 when it failed. False: none. */
bool lookups_take(struct lookups *l, char **ret_name, struct addresses *ret_found);

#endif
