/* json_find.h - one value of a JSON document, by JSON pointer (RFC 6901), without building the document.
 * Numbers keep their spelling: a build called 1.10 is not 1.1, and one of 20 digits is not rounded. The whole
 * document must be well-formed (RFC 8259); of a repeated name the last counts, as in browsers. Pure; memory
 * is the caller's. */
#ifndef AGENT_JSON_FIND_H
#define AGENT_JSON_FIND_H

#include "base/str.h"

#define JSON_FIND_DEPTH_MAX 128

enum json_kind {
	JSON_KIND_NONE,
	JSON_KIND_STRING,
	JSON_KIND_NUMBER,
	JSON_KIND_BOOL,
	JSON_KIND_NULL,
	JSON_KIND_OBJECT,
	JSON_KIND_ARRAY
};

struct json_value {
	enum json_kind kind; /* NONE: nothing there */
	struct str raw;      /* as spelled; a string without its quotes, escapes still in it */
};

/* "" or "/a/0/b~1c": ERR_SYNTAX when it is no pointer. */
MUST_USE int json_pointer_check(struct str pointer, struct err *err);
/* ERR_SYNTAX: no JSON, the sentence has the byte's offset. ERR_TOO_BIG: nested too deep. */
MUST_USE int json_find(struct str document, struct str pointer, struct json_value *ret, struct err *err);
/* Undoes the escapes of a string's raw into out, at most cap bytes, no NUL behind: the length. More than cap
 * is left out. Lone surrogates become U+FFFD. */
size_t json_unescape(struct str raw, char *out, size_t cap);

#endif
