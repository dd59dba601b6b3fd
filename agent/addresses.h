/* addresses.h - which addresses names have: what the last lookup found (for `addresses: all`), and which have
 * answered in the last day, so that an edge does not go out of sight because DNS moved on. Pure: time is an
 * argument (boot-time clock). One thread. */
#ifndef AGENT_ADDRESSES_H
#define AGENT_ADDRESSES_H

#include "base/buf.h"

#define ADDRESSES_FOUND_MAX   32 /* of one name; a longer answer is cut, smallest addresses first */
#define ADDRESSES_LEARNED_MAX 16 /* of one name; the one that answered longest ago goes first */
#define ADDRESSES_NAMES_MAX   4096
#define ADDRESSES_LEARNED_US  US_PER_DAY
#define ADDRESSES_LOOK_MIN_US (5 * US_PER_S)
#define ADDRESSES_LOOK_MAX_US US_PER_MIN /* getaddrinfo() does not tell for how long an answer is good */
#define ADDRESS_TEXT_MAX      46         /* INET6_ADDRSTRLEN */

struct addresses { /* of one name: written by inet_ntop(), in order of their text, each once */
	char ip[ADDRESSES_FOUND_MAX][ADDRESS_TEXT_MAX];
	size_t n;
};
void addresses_add(struct addresses *a, const char *ip); /* full: left out */
bool addresses_have(const struct addresses *a, struct str ip);
bool address_is_version(const char *ip, int version); /* 4, 6; 0: either */

struct address_book;
struct address_book *address_book_new(void);
void address_book_free(struct address_book *b); /* NULL is fine */

/* Between the two every name that is to be looked up is said, and how often; those not said any more are no
 * longer looked up. */
void address_book_begin(struct address_book *b);
void address_book_want(struct address_book *b, struct str name, int64_t every_us);
void address_book_end(struct address_book *b, int64_t now_us);

/* A name whose time has come, which is under way until address_book_found() or _put_off(); NULL: none. */
const char *address_book_due(struct address_book *b, int64_t now_us);
int64_t address_book_next_us(const struct address_book *b); /* when to ask; INT64_MAX: never */
void address_book_put_off(struct address_book *b, struct str name, int64_t until_us);
/* n 0: the lookup failed; what was found before is kept for a day. True: the answer differs from the one
 * before. */
bool address_book_found(
	struct address_book *b, struct str name, const struct addresses *found, int64_t now_us);
/* ip answered for name. True: it was not known to. */
bool address_book_answered(struct address_book *b, struct str name, struct str ip, int64_t now_us);

/* What the last good lookup found. False: the last one failed, or there was none. */
bool address_book_get(
	const struct address_book *b, struct str name, int ip_version, int64_t now_us, struct addresses *ret);
/* Who answered in the last day and is not in `but`. */
void address_book_learned(const struct address_book *b, struct str name, int ip_version,
	const struct addresses *but, int64_t now_us, struct addresses *ret);

/* What has answered, as a text to keep over a restart: one line a pair of name and address, with when it last
 * did (Unix seconds, by the wall clock, which goes on while the machine is off). */
#define ADDRESSES_FILE_MAX (24 * 1024 * 1024)
void address_book_write(const struct address_book *b, int64_t now_us, int64_t wall_us, struct buf *out);
/* Into a new book. ERR_CORRUPT: text is not of address_book_write(), and nothing of it was taken. What is
 * older than a day is left out; a time to come counts as now. */
MUST_USE int address_book_read(
	struct address_book *b, struct str text, int64_t now_us, int64_t wall_us, struct err *err);

#endif
