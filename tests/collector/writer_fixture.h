/* writer_fixture.h - the writer on a real store with a fake engine, and works whose end can be waited for. */
#ifndef TESTS_WRITER_FIXTURE_H
#define TESTS_WRITER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/entry_json.h"
#include "collector/writer.h"
#include "fake_engine.h"
#include "faulty_vfs.h"
#include "store_fixture.h"
#include "wire_client.h"

#define EVENTUALLY(cond)                                                                                     \
	do {                                                                                                 \
		int64_t until_us = clock_boot_us() + 20 * US_PER_S;                                          \
		while (!(cond) && clock_boot_us() < until_us)                                                \
			pause_ms(1);                                                                         \
		if (!(cond))                                                                                 \
			fail_msg("still not so after 20 s: %s", #cond);                                      \
	} while (0)

struct order { /* one work, and what became of it */
	struct work work;
	atomic_bool done;
	int rc;
	bool duplicate;
	struct err err;
	int64_t received_at_us;
	char *bytes;
	atomic_bool *told; /* also set when it was stored; may be shared with another process */
};

/* All batches are sealed at one moment: the same number is the same bytes, in every process. Before the
 * first. */
void writer_fixture_begin(const char *program);
struct order *order_batch(uint64_t number, uint64_t salt);
/* The same, and unsealed by who pushes it, as recv does. */
struct order *order_batch_unsealed(uint64_t number, uint64_t salt);
struct order *order_entry(enum entry_kind kind, const char *json);
void order_free(struct order *o);

struct writer *writer_up(struct fixture *f, const struct writer_options *like);
void push(struct writer *w, struct order *o);
int push_and_wait(struct writer *w, struct order *o);
int64_t stored(struct fixture *f, const char *what);
struct fake_state state_of(struct writer *w);

int set_up(void **state);
int tear_down(void **state);
#define DISK(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
