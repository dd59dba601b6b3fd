/* wire_impl.h - between wire_encode.c and wire_decode.c only. */
#ifndef PROTO_WIRE_IMPL_H
#define PROTO_WIRE_IMPL_H

#include "proto/wire.h"

/* The same caps for what we send and for what we believe. The sentence names the field. */
MUST_USE int wire_check(const struct wire_msg *m, struct err *err);

#endif
