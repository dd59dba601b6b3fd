/* support.h - headers from text, and answers as text, for the tests of base/cdn. */
#ifndef TESTS_CDN_SUPPORT_H
#define TESTS_CDN_SUPPORT_H

#include "base/buf.h"
#include "base/cdn/cdn.h"

struct case_headers {
	struct header room[HEADERS_MAX];
	struct headers h;
};

/* "name: value\nname: value": borrows text. Fails the test when it does not parse. */
void headers_from(const char *text, struct case_headers *ret);
void edge_read(const char *text, struct case_headers *room, struct edge_info *ret);
/* "vendor=fastly pop=FRA ..." and a line "tier edge HIT node" for each tier. */
void edge_print(const struct edge_info *e, const char *line_prefix, struct buf *out);
/* The tiers alone: "edge:HIT:cache-fra-FRA shield:MISS:-" */
void tiers_print(const struct edge_info *e, struct buf *out);

#endif
