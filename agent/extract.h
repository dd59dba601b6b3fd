/* extract.h - finds the version in an answer: by JSON pointer, header, expression, ETag, Last-Modified or
 * digest of the body. Pure. An extractor is read-only once made. The answer's bytes are hostile; what comes
 * out is trimmed, well-formed UTF-8 without NUL (what was not is U+FFFD) and at most OBS_VERSION_MAX bytes.
 */
#ifndef AGENT_EXTRACT_H
#define AGENT_EXTRACT_H

#include "base/cdn/cdn.h"
#include "proto/wire.h"

#define EXTRACT_REGEX_BODY_MAX                                                                               \
	(512 * 1024) /* an expression looks at so much of a body: see pattern.h for what it knows */

struct extractor;

/* arg is the pointer ("" is the whole document), the header's name or the expression; the other kinds take
 * none. */
MUST_USE int extractor_new(enum extract_kind kind, struct str arg, struct extractor **ret, struct err *err);
void extractor_free(struct extractor *x); /* NULL is fine */
bool extractor_needs_body(const struct extractor *x);

struct extracted {
	size_t n;
	bool cut; /* there was more */
	char text[OBS_VERSION_MAX + 1];
};
/* body.p[body.n] must be a NUL. False: no version in it, and the sentence says what is there instead. */
bool extract(const struct extractor *x, const struct headers *h, struct str body, struct extracted *ret,
	struct err *err);

/* s, trimmed, as well-formed UTF-8 without NUL, into out (cap bytes and a NUL behind): the length. Never half
 * a character. */
size_t text_mend(struct str s, char *out, size_t cap, bool *ret_cut);

const char *extract_kind_name(
	enum extract_kind k); /* "json", "header", "regex", "etag", "last_modified", "sha256" */

#endif
