/* store_fixture.h - a store in a directory of its own, and entries to put into it. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "collector/store.h"

#define T0 INT64_C(1772359200000000) /* 2026-03-01T10:00:00Z */

struct fixture {
	char dir[64], path[128];
	struct store *st; /* the writer */
};

void fixture_start(struct fixture *f); /* an empty directory, nothing open */
void fixture_open(struct fixture *f);  /* opens the writer, which must work */
void fixture_close(struct fixture *f);
void fixture_end(struct fixture *f); /* closes, and removes the directory */
struct store *fixture_reader(struct fixture *f);

/* A batch of agent "a1" unless said otherwise; its bytes are made up, and different for each number and salt.
 */
struct entry entry_batch(const char *agent, uint64_t number, const char *salt);
struct entry entry_event(enum entry_kind kind, const char *service, const char *json);
/* In a group of their own, at a received_at. The position is given back. */
int64_t put_batch(struct store *st, uint64_t number, int64_t received_at_us);
int64_t put_event(struct store *st, enum entry_kind kind, const char *service, int64_t received_at_us);
void put_snapshot(struct store *st, int64_t position, const char *bytes);

#endif
