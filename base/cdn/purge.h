/* purge.h - does a purge cover a URL, by its vendor's own rules? Pure and allocation-free. Sources: the
 * vendors' documents as named in each vendor's file. A vendor's rules stand in cdn/VENDOR_purge.c, or in its
 * reader's file where they are a few lines. */
#ifndef BASE_CDN_PURGE_H
#define BASE_CDN_PURGE_H

#include "base/buf.h"

enum purge_match {
	PURGE_NO,
	PURGE_YES,
	PURGE_UNKNOWN, /* by tag, surrogate key or rules of the site's own: counts as yes, and is said */
};

/* What is asked for. url: absolute, as the endpoint's configuration has it. origin: of the request header
 * Origin, empty without one; accept_encoding likewise: they are part of some keys. */
struct purge_target {
	struct str url, origin, accept_encoding;
};

/* pattern: as it was sent to the vendor. ret_why: when PURGE_NO, one clause that says why it missed
 * ("CloudFront takes
 * '*' only as the last character"), a constant. Unknown vendors: the generic rules (exact, trailing '*', host
 * optional). */
enum purge_match purge_pattern_matches(
	struct str vendor, struct str pattern, const struct purge_target *t, const char **ret_why);
/* The pattern that would have covered it, as one would send it to that vendor; also what purges its query
 * variants. */
void purge_pattern_for(struct str vendor, const struct purge_target *t, struct buf *out);
/* The same CDN, where one may be named with its product: "azure" and "azure-frontdoor". */
bool purge_same_vendor(struct str a, struct str b);
/* How near a miss this was, 0..1000: the longest common beginning counts; to name the nearest of several. */
unsigned purge_pattern_nearness(struct str pattern, const struct purge_target *t);
/* How long a purge may take to reach every edge, microseconds. */
int64_t purge_window_us(struct str vendor);
/* One command that sends such a purge ("aws cloudfront create-invalidation --distribution-id E2X --paths
 * '/a*'"). zone empty: a word in capitals stands for it. */
void purge_command(struct str vendor, struct str zone, struct str pattern, struct buf *out);

#endif
