/* batch.h - a struct batch to the sealed bytes that lie in the spool, on the wire and in the store, and back.
 * Sealed = zstd of the Columns message of tidemark.proto. Pure but for memory. */
#ifndef PROTO_BATCH_H
#define PROTO_BATCH_H

#include "base/buf.h"
#include "base/obs.h"
#include "proto/limits.h"

/* Collects results until they are sealed: a dictionary with its index, and rows. One thread. */
struct batch_builder;
struct batch_builder *batch_builder_new(void);
void batch_builder_free(struct batch_builder *b);
void batch_builder_start(struct batch_builder *b, struct str service, uint64_t generation);
/* Index of s in the dictionary, put there when new; 0 for the empty string. Too long or invalid text is cut
 * or mended first (OBS_*_MAX, U+FFFD). Returns 0 and sets *ret_full when the dictionary is at its cap: seal,
 * start anew. */
uint16_t batch_builder_intern(struct batch_builder *b, struct str s, size_t cap, bool *ret_full);
void batch_builder_add(struct batch_builder *b, const struct obs *o);
/* What was collected so far, borrowed until the next call. */
const struct batch *batch_builder_peek(const struct batch_builder *b);

/* Seals b: zstd bytes to out, the unpacked size to *ret_raw_size. agent, region, epoch and number are not
 * among the bytes: the envelope and the connection say them. */
MUST_USE int batch_seal(const struct batch *b, struct buf *out, uint32_t *ret_raw_size, struct err *err);

/* Unseals and checks everything (batch_check). The decoder keeps its memory for the next call; *ret is
 * borrowed from it until then, and from nothing else. agent, region, epoch, number of *ret are left empty for
 * the caller to fill. One thread per decoder. */
struct batch_decoder;
struct batch_decoder *batch_decoder_new(void);
void batch_decoder_free(struct batch_decoder *d);
MUST_USE int batch_unseal(
	struct batch_decoder *d, struct str sealed, uint32_t raw_size, struct batch *ret, struct err *err);
/* All of b in one block of *ret_bytes that borrows from nothing, to be handed to another thread. free(). */
struct batch *batch_copy(const struct batch *b, size_t *ret_bytes);

#endif
