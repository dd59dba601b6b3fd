/* pattern.h - regular expressions whose time is bounded: the text's length times the expression's size,
 * whatever either looks like. The C library's take seconds for an honest ".*version: (.+)" over one long
 * line, and a probe must never hold up the others. (Thompson's construction; R. Cox, "Regular Expression
 * Matching: the Virtual Machine Approach", 2009.) Pure.
 *
 * Known: . [set] [^set] [[:alpha:]] \d \w \s \D \W \S, \n \t and escaped punctuation, ^ and $ at lines' ends,
 * (...) (?:...) |
 * * + ? {n} {n,} {n,m}, and a ? behind these for as few as possible. Of several matches the leftmost counts,
 * and there the first alternative, as in Perl. Bytes, not characters; '.' is any byte but a line's end. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include "base/str.h"

#define PATTERN_BYTES_MAX 512
#define PATTERN_STEPS_MAX 512 /* of the compiled program: repeats are unrolled */

struct pattern;

/* ERR_SYNTAX: the sentence has the position. ERR_TOO_BIG, ERR_UNSUPPORTED likewise. */
MUST_USE int pattern_new(struct str expression, struct pattern **ret, struct err *err);
void pattern_free(struct pattern *p); /* NULL is fine */
/* What the first group captured, or the whole match where there is no group. False: no match, or the group
 * took no part. */
bool pattern_search(const struct pattern *p, struct str text, struct str *ret);
bool pattern_has_group(const struct pattern *p);

#endif
