#include "base/sha256.h"

#include <mbedtls/constant_time.h>
#include <mbedtls/sha256.h>

#include "base/clock.h"

struct sha256 sha256_of(struct str s)
{
	struct sha256 h;
	const unsigned char *p = s.n ? (const unsigned char *)s.p : (const unsigned char *)"";
	INVARIANT(mbedtls_sha256_ret(p, s.n, h.b, 0) == 0);
	return h;
}

const char *sha256_hex(const struct sha256 *h, char text[SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		text[2 * i] = digits[h->b[i] >> 4];
		text[2 * i + 1] = digits[h->b[i] & 15];
	}
	text[2 * SHA256_BYTES] = '\0';
	return text;
}

bool bytes_eq_constant_time(const void *a, const void *b, size_t n)
{
	return mbedtls_ct_memcmp(a, b, n) == 0;
}

#define TOKEN_BYTES 32

const char *token_new(char text[TOKEN_TEXT_MAX])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char raw[TOKEN_BYTES];
	size_t at = 4;
	uint32_t bits = 0;
	int n_bits = 0;

	random_bytes(raw, sizeof(raw));
	memcpy(text, "tmk_", at);
	for (size_t i = 0; i < sizeof(raw); i++) {
		bits = (bits << 8 | raw[i]) & 0xFFFF; /* what was put out is shifted away */
		n_bits += 8;
		for (; n_bits >= 6; n_bits -= 6)
			text[at++] = digits[bits >> (n_bits - 6) & 63];
	}
	text[at++] = digits[bits << (6 - n_bits) & 63]; /* 256 bits leave 4 over */
	text[at] = '\0';
	explicit_bzero(raw, sizeof(raw));
	return text;
}
