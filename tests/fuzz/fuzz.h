/* fuzz.h - what every target promises: any bytes, no crash, bounded memory; and what decodes encodes to the
 * same again. A target is one file with LLVMFuzzerTestOneInput(). With libFuzzer (TIDEMARK_FUZZ) it looks for
 * new inputs; without, replay.c runs the corpus through it as an ordinary test, so that an input that once
 * crashed never does again. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline struct str fuzz_str(const uint8_t *data, size_t n)
{
	return (struct str){ (const char *)data, n };
}

#endif
