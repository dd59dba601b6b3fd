/* token.c - see token.h */
#include "collector/token.h"

_Static_assert(TOKEN_BYTES == HELLO_TOKEN_BYTES, "a token travels as the bytes its text stands for");

int token_hash_text(struct str text, struct sha256 *ret, struct err *err)
{
	unsigned char bytes[TOKEN_BYTES];
	int rc = token_read(text, bytes, err);
	if (rc == 0)
		*ret = sha256_of((struct str){ (const char *)bytes, sizeof(bytes) });
	explicit_bzero(bytes, sizeof(bytes));
	return rc;
}

bool token_hash_bytes(struct str bytes, struct sha256 *ret)
{
	if (bytes.n != HELLO_TOKEN_BYTES)
		return false;
	*ret = sha256_of(bytes);
	return true;
}
