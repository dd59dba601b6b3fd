/* sha256.h - digests, HMAC-free: token hashes, body hashes, batch fingerprints. mbedTLS inside (no crypto of our own). */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/str.h"

#define SHA256_BYTES 32
#define SHA256_HEX   65 /* with the NUL */
struct sha256 {
	unsigned char b[SHA256_BYTES];
};
struct sha256 sha256_of(struct str s);
const char *sha256_hex(const struct sha256 *h, char text[SHA256_HEX]);
bool bytes_eq_constant_time(const void *a, const void *b, size_t n);
/* Tokens as people handle them: "tmk_" + base64url of 32 random bytes. */
#define TOKEN_TEXT_MAX 64
#define TOKEN_BYTES    32
const char *token_new(char text[TOKEN_TEXT_MAX]);
/* The bytes a token's text stands for; space around it does no harm. The sentence never repeats the text. */
MUST_USE int token_read(struct str text, unsigned char ret[TOKEN_BYTES], struct err *err);

#endif
