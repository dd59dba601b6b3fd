/* shortfall.h - which endpoints this agent does not probe though it was asked to, for the uplink to tell: how
 * many, and the first of them by name. The fetch thread writes, the uplink's reads. All zeros is a fine
 * start. */
#ifndef AGENT_SHORTFALL_H
#define AGENT_SHORTFALL_H

#include <pthread.h>

#include "base/obs.h"
#include "proto/wire.h"

struct shortfall_name {
	char service[OBS_NAME_MAX + 1], endpoint[OBS_NAME_MAX + 1], why[SHORTFALL_WHY_MAX + 1];
};
struct shortfall {
	uint64_t version; /* another number for every change; 0: nothing was assigned yet */
	uint32_t refused;
	size_t n;
	struct shortfall_name names[SHORTFALL_NAMES_MAX];
};
struct shortfall_box {
	pthread_mutex_t lock;
	struct shortfall now;
	bool watched;
	int watch_fd; /* an eventfd, written for every change while watched */
};

void shortfall_add(struct shortfall *s, struct str service, struct str endpoint, const char *why);
void shortfall_put(struct shortfall_box *box, struct shortfall *s); /* gives *s its version */
/* fd: an eventfd of who wants to hear of changes at once; -1: nobody any more, and none is written after. */
void shortfall_watch(struct shortfall_box *box, int fd);
void shortfall_get(struct shortfall_box *box, struct shortfall *ret);
/* As the wire has it; borrows s. */
void shortfall_wire(const struct shortfall *s, uint64_t held_back, struct wire_shortfall *ret);

#endif
