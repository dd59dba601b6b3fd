/* token.h - an agent's token: people handle it as "tmk_" + base64url of 32 bytes, the wire carries the 32
 * bytes, and the store keeps their SHA-256. Pure. */
#ifndef COLLECTOR_TOKEN_H
#define COLLECTOR_TOKEN_H

#include "base/sha256.h"
#include "proto/limits.h"

/* The hash of what a token's text stands for. The sentence never repeats the text. */
MUST_USE int token_hash_text(struct str text, struct sha256 *ret, struct err *err);
/* The hash of what came over the wire; false when it cannot be a token. */
bool token_hash_bytes(struct str bytes, struct sha256 *ret);

#endif
