/* evidence.h - when the raw header block goes along with a result, and what is struck out of it. Pure.
 * At first sight and on a change of version, edge or status; at most once a minute per edge and version of
 * one endpoint. */
#ifndef AGENT_EVIDENCE_H
#define AGENT_EVIDENCE_H

#include "base/buf.h"
#include "base/obs.h"

#define EVIDENCE_EVERY_US US_PER_MIN
#define EVIDENCE_PAIRS_MAX                                                                                   \
	8 /* edge and version, remembered for one endpoint; beyond, the longest unseen is forgotten */

struct evidence {      /* of one endpoint; starts zeroed */
	uint64_t last; /* edge, version and status of the result before; 0: none yet */
	struct {
		uint64_t pair;
		int64_t sent_us;
	} sent[EVIDENCE_PAIRS_MAX];
};

/* now_us: boot-time clock. True: send it, and it is remembered as sent. */
bool evidence_due(struct evidence *e, struct str edge, struct str version, int status, int64_t now_us);

/* The block with the values of cookies and credentials replaced by "[struck out]", at most OBS_EVIDENCE_MAX
 * bytes, cut between two lines. out is emptied first; its cap is at least OBS_EVIDENCE_MAX. */
void evidence_write(struct buf *out, struct str block);

#endif
