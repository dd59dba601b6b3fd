/* A sealed batch. Bytes that begin like zstd are taken as sealed; others as columns, which are packed first,
 * because no fuzzer guesses its way through a compressor. */
#include <stdlib.h>
#include <zstd.h>

#include "fuzz.h"
#include "proto/batch.h"

static void unseal(struct batch_decoder *d, struct str sealed, uint32_t raw_size)
{
	struct batch b, again;
	struct buf first, second;
	struct err err = { 0 };
	uint32_t n;
	if (batch_unseal(d, sealed, raw_size, &b, &err) < 0) {
		INVARIANT(err.text[0] != '\0');
		return;
	}
	buf_init(&first, BATCH_PACKED_MAX);
	buf_init(&second, BATCH_PACKED_MAX);
	INVARIANT(batch_seal(&b, &first, &n, &err) == 0);
	INVARIANT(batch_unseal(d, buf_str(&first), n, &again, &err) == 0);
	INVARIANT(batch_seal(&again, &second, &n, &err) == 0);
	INVARIANT(str_eq(buf_str(&first), buf_str(&second)));
	buf_fini(&first);
	buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct batch_decoder *d;
	if (d == NULL)
		d = batch_decoder_new(); /* kept, as the collector keeps its own */
	unsigned long long says = ZSTD_getFrameContentSize(data, n);
	if (says != ZSTD_CONTENTSIZE_ERROR) {
		unseal(d, fuzz_str(data, n), (uint32_t)says);
		return 0;
	}
	char *packed = malloc(ZSTD_compressBound(n));
	INVARIANT(packed != NULL);
	size_t len = ZSTD_compress(packed, ZSTD_compressBound(n), data, n, 1);
	INVARIANT(!ZSTD_isError(len));
	unseal(d, (struct str){ packed, len }, (uint32_t)n);
	free(packed);
	return 0;
}
