/* evidence.h - when the raw header block goes along with a result, and what is struck out of it. Pure.
 * At first sight of an edge and version, when what this edge answers (version, status) changed since, and
 * every ten minutes; at most once a minute per edge and version of one endpoint. */
#ifndef AGENT_EVIDENCE_H
#define AGENT_EVIDENCE_H

#include "base/buf.h"
#include "base/obs.h"

#define EVIDENCE_CHANGED_US US_PER_MIN
#define EVIDENCE_AGAIN_US   (10 * US_PER_MIN)
#define EVIDENCE_PAIRS_MAX  16 /* remembered for one endpoint; beyond, the longest unsent is forgotten */

struct evidence_pair {       /* an edge and a version */
	uint64_t pair, edge; /* hashes; pair 0: a free place */
	int status;
	bool is_last; /* the last that went along from this edge */
	int64_t sent_us;
};
struct evidence { /* of one endpoint; starts zeroed */
	struct evidence_pair pairs[EVIDENCE_PAIRS_MAX];
};

/* now_us: boot-time clock. True: send it, and it is remembered as sent. */
bool evidence_due(struct evidence *e, struct str edge, struct str version, int status, int64_t now_us);

/* The block with the values of cookies and credentials replaced by "[struck out]", at most OBS_EVIDENCE_MAX
 * bytes, cut between two lines. out is emptied first; its cap is at least OBS_EVIDENCE_MAX. */
void evidence_write(struct buf *out, struct str block);

#endif
