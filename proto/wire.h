/* wire.h - Envelopes to structs and back. Bytes are hostile until wire_decode() returned 0; after that nobody
 * doubts them. Pure but for memory. Decoded strings live in the message's arena until wire_free(). */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "base/buf.h"
#include "proto/limits.h"

enum wire_kind {
	WIRE_NONE,
	WIRE_HELLO,
	WIRE_UPLOAD,
	WIRE_WATCH,
	WIRE_WELCOME,
	WIRE_DENIED,
	WIRE_ACK,
	WIRE_BUSY,
	WIRE_ASSIGNMENTS,
};

/* Why an agent is refused; the strings are on the wire and in the log. */
#define DENIALS(X)                                                                                           \
	X(HELLO_FIRST, "hello_first", "say Hello on this connection before anything else")                   \
	X(BAD_TOKEN, "bad_token", "the token is not this agent's: enroll it again, or check token_file")     \
	X(UNKNOWN_AGENT, "unknown_agent", "no such agent: `tidemark agents enroll NAME` on the collector")   \
	X(REVOKED, "revoked", "this agent was revoked")                                                      \
	X(REPLACED, "replaced", "a newer connection of this agent took over")                                \
	X(IDENTITY_CONFLICT, "identity_conflict",                                                            \
		"this batch number came with other bytes before: a cloned machine or a restored disk")       \
	X(PROTOCOL, "protocol", "this protocol version is not spoken here")                                  \
	X(MALFORMED, "malformed", "the message does not decode")
#define X(id, name, says) DENIED_##id,
enum denial { DENIALS(X) DENIAL_COUNT };
#undef X
const char *denial_name(enum denial d);
const char *denial_text(enum denial d);

enum extract_kind { /* how a version is found in an answer */
	EXTRACT_JSON,
	EXTRACT_HEADER,
	EXTRACT_REGEX,
	EXTRACT_ETAG,
	EXTRACT_LAST_MODIFIED,
	EXTRACT_SHA256,
	EXTRACT_COUNT,
};

struct assign_header {
	struct str name, value;
	struct str agent_env; /* not empty: the value is this variable's, in the agent's own environment */
};
enum assign_addresses {
	ADDRESSES_DNS, /* as the resolver says, anew for each fresh connection: as users do */
	ADDRESSES_ALL, /* every address the name has, each probed by itself; the agent looks them up */
	ADDRESSES_COUNT,
};
struct assign_endpoint {
	struct str id, url, extract_arg, connect_to, pop_header, pop_vendor;
	struct str address; /* not empty: this edge and no other, on the URL's port */
	enum assign_addresses addresses;
	struct assign_header *headers;
	size_t n_headers;
	enum extract_kind extract;
	uint8_t path; /* enum obs_path */
	bool fresh_connection;
	uint32_t redirects, max_body;
	int ip_version; /* 4, 6, 0 */
};
struct assign_service {
	struct str name;
	struct assign_endpoint *endpoints;
	size_t n_endpoints;
	uint32_t interval_ms, timeout_ms;
	uint32_t burst_interval_ms, burst_left_ms; /* 0: no burst */
};
struct assignments {
	uint64_t generation;
	bool unchanged;
	struct assign_service *services;
	size_t n_services;
};

struct wire_clock {
	bool there;
	int64_t received_us, sent_us;
};

struct wire_hello {
	uint32_t protocol;
	struct str agent, token, software, region;
	uint64_t epoch, boot_id, generation;
	double latitude, longitude; /* both 0: not told */
	int64_t sent_boot_us, sent_wall_us;
};
struct wire_upload {
	uint64_t epoch, number;
	uint32_t raw_size;
	struct str body;
	uint64_t boot_id;
	bool has_offset;
	int64_t clock_offset_us;
	uint64_t clock_uncertainty_us;
	int64_t sent_boot_us, sent_wall_us;
	uint64_t spool_batches, spool_bytes, lost_results, held_back;
	int64_t lost_from_us, lost_to_us;
};
struct wire_refusal {
	struct str service, endpoint, why;
};
struct wire_shortfall { /* what an agent does not do of what it was asked for */
	bool there;
	uint64_t held_back;
	uint32_t refused;
	struct wire_refusal refusals[SHORTFALL_NAMES_MAX]; /* the first of them */
	size_t n_refusals;
};
struct wire_msg {
	enum wire_kind kind;
	union {
		struct wire_hello hello;
		struct wire_upload upload;
		struct {
			uint64_t generation, boot_id;
			int64_t sent_boot_us;
			bool leaving;
			struct wire_shortfall shortfall;
		} watch;
		struct {
			uint32_t protocol;
			struct str software;
			bool has_assignments;
		} welcome;
		struct {
			struct str reason, text;
			uint32_t retry_after_ms;
		} denied;
		struct {
			uint64_t epoch, number;
			struct str refused; /* empty: stored */
		} ack;
		struct {
			uint32_t retry_after_ms;
		} busy;
	};
	struct wire_clock clock;        /* of Welcome, Ack and Assignments */
	struct assignments assignments; /* of Assignments, and of Welcome when has_assignments */
	void *arena;                    /* wire.c's */
};

/* Adds the encoded envelope to out (whose cap should be WIRE_MESSAGE_MAX). ERR_TOO_BIG when it does not fit.
 */
MUST_USE int wire_encode(const struct wire_msg *msg, struct buf *out, struct err *err);
/* bytes may go away after it returned. On failure *ret is untouched and nothing is kept. */
MUST_USE int wire_decode(struct str bytes, struct wire_msg *ret, struct err *err);
void wire_free(struct wire_msg *msg);

#endif
