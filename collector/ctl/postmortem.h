/* postmortem.h - what became of a deploy, as a Markdown report. Pure: JSON as the API tells it in, text out. */
#ifndef CTL_POSTMORTEM_H
#define CTL_POSTMORTEM_H

#include <jansson.h>

#include "base/buf.h"

struct postmortem {
	const json_t *deploy, *history; /* /api/v1/deploys/{id} and its /history */
	const json_t *purges;           /* of the service, any order */
	const json_t *incident;         /* NULL: there was none */
};
/* Times are UTC. What came from outside is escaped: it can be no link, image, HTML or table of its own. */
void postmortem_write(const struct postmortem *p, struct buf *out);

#endif
