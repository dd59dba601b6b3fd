/* services.h - tells the journal what is configured: an entry for each service, when it differs from the one
 * before. */
#ifndef COLLECTOR_SERVICES_H
#define COLLECTOR_SERVICES_H

#include "collector/fleet.h"
#include "collector/writer.h"

/* What the journal's last word on each service is. One thread at a time. */
struct services;
struct services *services_new(void);
void services_free(struct services *s);
MUST_USE int services_load(struct services *s, struct store *st, struct err *err);
/* Hands the writer an entry for each service that is new, differs or is gone. */
void services_tell(struct services *s, const struct collector_conf *c, struct fleet *f, struct writer *w);

/* The entry of one service; agents: names of those that probe it through the CDN. */
void service_entry(const struct service_conf *s, const struct str *agents, size_t n_agents, struct buf *out);

#endif
