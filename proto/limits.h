/* limits.h - every cap of the wire, in one place. What a peer can choose is bounded here; over it the message
 * is refused with a reason, never cut in silence. Caps of a batch's contents are in base/obs.h, beside the
 * struct they bound. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#define PROTOCOL_VERSION     1
#define WIRE_MESSAGE_MAX     (1024 * 1024)      /* bytes of an Envelope; nng closes a pipe that sends more */
#define WIRE_ARENA_MAX       (16 * 1024 * 1024) /* memory one decoded message may take */
#define WIRE_ARENA_FACTOR    32                 /* and at most this many times its bytes, plus 64 KiB */
#define BATCH_RAW_MAX        (1024 * 1024)      /* bytes of Columns when unpacked */
#define BATCH_PACKED_MAX     (900 * 1024)       /* bytes of its zstd body */
#define HELLO_TOKEN_BYTES    32
#define ASSIGN_SERVICES_MAX  256
#define ASSIGN_ENDPOINTS_MAX 2000 /* in all services of one agent */
#define ASSIGN_ADDRESSES_MAX 64   /* listed for one endpoint */
#define ASSIGN_HEADERS_MAX   32   /* a request */
#define ASSIGN_TEXT_MAX      4096 /* a url, a header value, an expression */
#define SHORTFALL_NAMES_MAX  8    /* refused endpoints told by name */
#define SHORTFALL_WHY_MAX    200  /* bytes of each one's reason */
#define WATCH_PARK_MS        25000
#define WATCH_TIMEOUT_MS     45000 /* an agent gives a parked Watch up after this */
#define HELLO_TIMEOUT_MS     30000 /* a collector that has just come back has many to greet */
#define UPLOAD_TIMEOUT_MS    30000
#define AGENTS_MAX           20000 /* enrolled in one collector */

#endif
