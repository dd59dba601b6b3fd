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

#define TOKEN_PREFIX "tmk_"
#define TOKEN_CHARS  ((TOKEN_BYTES * 8 + 5) / 6) /* base64url, no padding */
static const char token_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const char *token_new(char text[TOKEN_TEXT_MAX])
{
	unsigned char raw[TOKEN_BYTES];
	size_t at = sizeof(TOKEN_PREFIX) - 1;
	uint32_t bits = 0;
	int n_bits = 0;

	random_bytes(raw, sizeof(raw));
	memcpy(text, TOKEN_PREFIX, at);
	for (size_t i = 0; i < sizeof(raw); i++) {
		bits = (bits << 8 | raw[i]) & 0xFFFF; /* what was put out is shifted away */
		n_bits += 8;
		for (; n_bits >= 6; n_bits -= 6)
			text[at++] = token_digits[bits >> (n_bits - 6) & 63];
	}
	text[at++] = token_digits[bits << (6 - n_bits) & 63]; /* 256 bits leave 4 over */
	text[at] = '\0';
	explicit_bzero(raw, sizeof(raw));
	return text;
}

int token_read(struct str text, unsigned char ret[TOKEN_BYTES], struct err *err)
{
	unsigned char raw[TOKEN_BYTES];
	const size_t prefix = sizeof(TOKEN_PREFIX) - 1;
	uint32_t bits = 0;
	int n_bits = 0, rc = 0;
	size_t n = 0;
	text = str_trim(text);
	bool good = str_starts(text, TOKEN_PREFIX) && text.n == prefix + TOKEN_CHARS;
	for (size_t i = prefix; good && i < text.n; i++) {
		const char *at = text.p[i] ? strchr(token_digits, text.p[i]) : NULL;
		good = at != NULL;
		bits = (bits << 6 | (uint32_t)(good ? at - token_digits : 0)) & 0xFFFF;
		n_bits += 6;
		if (good && n_bits >= 8) {
			n_bits -= 8;
			raw[n++] = (unsigned char)(bits >> n_bits);
		}
	}
	if (good)
		memcpy(ret, raw, sizeof(raw));
	else
		rc = err_set(err, ERR_SYNTAX,
			"want a token as `tidemark agents enroll NAME` prints it: " TOKEN_PREFIX
			" and %d letters, digits, '-' and '_'",
			TOKEN_CHARS);
	explicit_bzero(raw, sizeof(raw));
	return rc;
}
