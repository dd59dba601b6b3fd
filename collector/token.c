/* token.c - see token.h */
#include "collector/token.h"

#define TOKEN_PREFIX "tmk_"
#define TOKEN_CHARS  43 /* base64url of 32 bytes, no padding */

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int token_hash_text(struct str text, struct sha256 *ret, struct err *err)
{
	unsigned char bytes[HELLO_TOKEN_BYTES];
	uint32_t bits = 0;
	size_t n_bits = 0, n = 0;
	text = str_trim(text);
	if (!str_starts(text, TOKEN_PREFIX) || text.n != sizeof(TOKEN_PREFIX) - 1 + TOKEN_CHARS)
		return err_set(err, ERR_SYNTAX,
			"want a token as `tidemark agents enroll` prints it: tmk_ and %d characters",
			TOKEN_CHARS);
	for (size_t i = sizeof(TOKEN_PREFIX) - 1; i < text.n; i++) {
		int d = digit_of(text.p[i]);
		if (d < 0)
			return err_set(err, ERR_SYNTAX, "a token has letters, digits, '-' and '_' only");
		bits = bits << 6 | (uint32_t)d;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			bytes[n++] = (unsigned char)(bits >> n_bits);
		}
	}
	INVARIANT(n == HELLO_TOKEN_BYTES);
	*ret = sha256_of((struct str){ (const char *)bytes, n });
	return 0;
}

bool token_hash_bytes(struct str bytes, struct sha256 *ret)
{
	if (bytes.n != HELLO_TOKEN_BYTES)
		return false;
	*ret = sha256_of(bytes);
	return true;
}
