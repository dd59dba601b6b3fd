/* fake_collector.h - the other end of an uplink, on raw REP as the real one is: records what comes, answers
 * what it is told to. One thread of its own. */
#ifndef TESTS_FAKE_COLLECTOR_H
#define TESTS_FAKE_COLLECTOR_H

#include "proto/wire.h"

enum fake_upload {
	FAKE_ACK,
	FAKE_BUSY,
	FAKE_SILENT,
	FAKE_CONFLICT,
	FAKE_REFUSE,
	FAKE_HELLO_FIRST,
	FAKE_REPLACED,
	FAKE_GARBAGE,
	FAKE_ACK_ANOTHER
};
enum fake_hello { FAKE_WELCOME, FAKE_BAD_TOKEN, FAKE_BAD_TOKEN_LONG, FAKE_MUTE };

struct fake_seen { /* one upload, as it came */
	uint64_t epoch, number, connection;
	char body[64]; /* the first of it */
	size_t body_n;
	bool has_offset;
	int64_t clock_offset_us;
	uint64_t lost_results;
	int64_t at_boot_us;
};

#define FAKE_SEEN_MAX 4096
struct fake_counts {
	unsigned hellos, uploads, watches, connections, first_not_hello;
	uint64_t hello_generation, hello_epoch, watch_generation;
	char hello_agent[64], hello_region[64];
	bool token_is_right;
	unsigned leaving; /* Watches that said so */
	uint64_t held_back;
	uint32_t refused;
	char refused_endpoint[64];
};

struct fake;
/* url as nng has it; port 0 is chosen by the system. cert and key (PEM text) for tls+tcp, else NULL. */
struct fake *fake_start(const char *url, const char *cert, const char *key);
void fake_stop(struct fake *f);
const char *fake_url(const struct fake *f); /* with the port that it listens on */
void fake_on_upload(struct fake *f, enum fake_upload how);
void fake_on_hello(struct fake *f, enum fake_hello how);
void fake_ahead_us(struct fake *f, int64_t us);        /* its clock against our boot-time clock */
void fake_assign(struct fake *f, uint64_t generation); /* new assignments: answers a parked Watch at once */
void fake_kick(struct fake *f);                        /* closes every connection */
struct fake_counts fake_counts(struct fake *f);
size_t fake_uploads(struct fake *f, struct fake_seen *ret, size_t room); /* in order of arrival */

#endif
