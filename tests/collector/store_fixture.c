#include "store_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void fixture_start(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	snprintf(f->dir, sizeof(f->dir), "/tmp/tidemark-store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/t.db", f->dir);
}

void fixture_open(struct fixture *f)
{
	struct err err = { 0 };
	if (store_open(f->path, STORE_WRITE, &f->st, &err) < 0)
		fail_msg("does not open: %s", err.text);
}

void fixture_close(struct fixture *f)
{
	store_close(f->st);
	f->st = NULL;
}

void fixture_end(struct fixture *f)
{
	char name[512];
	fixture_close(f);
	DIR *d = opendir(f->dir);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		snprintf(name, sizeof(name), "%s/%s", f->dir, e->d_name);
		unlink(name);
	}
	closedir(d);
	assert_int_equal(rmdir(f->dir), 0);
}

struct store *fixture_reader(struct fixture *f)
{
	struct store *st = NULL;
	struct err err = { 0 };
	if (store_open(f->path, STORE_READ, &st, &err) < 0)
		fail_msg("does not open for reading: %s", err.text);
	return st;
}

struct entry entry_batch(const char *agent, uint64_t number, const char *salt)
{
	static char bytes[4][64];
	static size_t next;
	char *text = bytes[next++ % ARRAY_LEN(bytes)];
	int n = snprintf(text, sizeof(bytes[0]), "batch %s %" PRIu64 " %s", agent, number, salt);
	return (struct entry){
		.kind = ENTRY_BATCH,
		.received_at_us = T0,
		.service = STR("shop"),
		.bytes = { text, (size_t)n },
		.agent = str_of(agent),
		.region = STR("eu"),
		.epoch = UINT64_C(0xfedcba9876543210), /* over INT64_MAX: epochs are drawn from all 64 bits */
		.number = number,
		.raw_size = 1234,
		.clock_offset_us = -5,
		.clock_uncertainty_us = 7,
	};
}

struct entry entry_event(enum entry_kind kind, const char *service, const char *json)
{
	return (struct entry){
		.kind = kind, .received_at_us = T0, .service = str_of(service), .bytes = str_of(json)
	};
}

static int64_t put(struct store *st, struct entry *e, int64_t received_at_us)
{
	struct err err = { 0 };
	bool duplicate = true;
	e->received_at_us = received_at_us;
	int rc = store_begin(st, &err);
	if (rc == 0)
		rc = store_append(st, e, &duplicate, &err);
	if (rc == 0)
		rc = store_commit(st, &err);
	if (rc < 0)
		fail_msg("does not append: %s", err.text);
	assert_false(duplicate);
	return e->position;
}

int64_t put_batch(struct store *st, uint64_t number, int64_t received_at_us)
{
	struct entry e = entry_batch("a1", number, "");
	return put(st, &e, received_at_us);
}

int64_t put_event(struct store *st, enum entry_kind kind, const char *service, int64_t received_at_us)
{
	struct entry e = entry_event(kind, service, "{\"some\":\"json\"}");
	return put(st, &e, received_at_us);
}

void put_snapshot(struct store *st, int64_t position, const char *bytes)
{
	struct err err = { 0 };
	int rc = store_begin(st, &err);
	if (rc == 0)
		rc = store_put_snapshot(st, position, T0, str_of(bytes), &err);
	if (rc == 0)
		rc = store_commit(st, &err);
	if (rc < 0)
		fail_msg("does not keep a snapshot: %s", err.text);
}
