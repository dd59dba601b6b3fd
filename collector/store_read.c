/* store_read.c - reading: by pages that are copied before they are handed on, so that a slow caller never
 * holds a read transaction open (the WAL could not shrink below it). */
#include <stdlib.h>

#include "collector/store_impl.h"
#include "proto/batch.h"

#define PAGE_ENTRIES 256
#define PAGE_BYTES   (1024 * 1024) /* one more entry may go over it */

int store_load_last(struct store *st, struct err *err)
{
	sqlite3_stmt *s = NULL;
	st->last_position = 0;
	st->last_received_us = TIME_NONE;
	int rc = store_stmt(st, STMT_LAST, &s, err);
	if (rc < 0)
		return rc;
	int code = sqlite3_step(s);
	if (code == SQLITE_ROW) {
		st->last_position = sqlite3_column_int64(s, 0);
		st->last_received_us = sqlite3_column_int64(s, 1);
	} else if (code != SQLITE_DONE) {
		return store_failed(st, "read its last entry", err);
	}
	sqlite3_reset(s);
	/* Retention may have emptied the journal; positions go on behind the newest snapshot all the same. */
	rc = store_stmt(st, STMT_COVERED_TO, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int(s, 1, 0);
	code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		st->last_position = MAX(st->last_position, sqlite3_column_int64(s, 0));
	else if (code != SQLITE_DONE)
		return store_failed(st, "read its last snapshot", err);
	sqlite3_reset(s);
	return 0;
}

/* A writer knows; a reader asks, as somebody else may have written. On failure what was known last stays. */
static void look_again(struct store *st)
{
	int64_t position = st->last_position, received_us = st->last_received_us;
	if (st->mode == STORE_READ && store_load_last(st, NULL) < 0) {
		st->last_position = position;
		st->last_received_us = received_us;
	}
}

int64_t store_last_position(struct store *st)
{
	look_again(st);
	return st->last_position;
}

int64_t store_last_received_us(struct store *st)
{
	look_again(st);
	return st->last_received_us;
}

int64_t store_alive_at_us(struct store *st)
{
	sqlite3_stmt *s = NULL;
	if (store_stmt(st, STMT_META_GET, &s, NULL) < 0)
		return TIME_NONE;
	stmt_bind_str(s, 1, STR("alive_at_us"));
	int64_t at_us = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : TIME_NONE;
	sqlite3_reset(s);
	return at_us;
}

int store_snapshot_nth(
	struct store *st, size_t nth, struct buf *ret_bytes, int64_t *ret_position, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_SNAPSHOT_GET, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, (int64_t)MIN(nth, (size_t)STORE_SNAPSHOTS_KEPT));
	int code = sqlite3_step(s);
	if (code == SQLITE_ROW) {
		buf_clear(ret_bytes);
		buf_add_str(ret_bytes, stmt_blob(s, 1));
		if (buf_failed(ret_bytes))
			rc = err_set(err, ERR_TOO_BIG, "a snapshot of %zu bytes does not fit %zu",
				stmt_blob(s, 1).n, ret_bytes->cap);
		else
			*ret_position = sqlite3_column_int64(s, 0);
	} else if (code == SQLITE_DONE) {
		rc = err_set(err, ERR_NOT_FOUND, "no snapshot");
	} else {
		return store_failed(st, "read a snapshot", err);
	}
	sqlite3_reset(s);
	return rc;
}

int store_snapshot(struct store *st, struct buf *ret_bytes, int64_t *ret_position, struct err *err)
{
	return store_snapshot_nth(st, 0, ret_bytes, ret_position, err);
}

/* -- entries -- */

/* Copies of entries; their strings follow one another in bytes and are pointed to once it no longer grows. */
struct page {
	struct entry entries[PAGE_ENTRIES];
	size_t n;
	struct buf bytes;
};

static struct str page_keep(struct page *p, struct str s)
{
	buf_add_str(&p->bytes, s);
	return (struct str){ NULL, s.n };
}

static void page_point(struct page *p)
{
	const char *at = p->bytes.p;
	for (size_t i = 0; i < p->n; i++) {
		struct entry *e = &p->entries[i];
		struct str *all[] = { &e->service, &e->agent, &e->region, &e->bytes };
		for (size_t j = 0; j < ARRAY_LEN(all); j++) {
			if (all[j]->n == 0)
				continue;
			all[j]->p = at;
			at += all[j]->n;
		}
	}
}

static void page_add(struct page *p, sqlite3_stmt *s)
{
	struct entry *e = &p->entries[p->n++];
	*e = (struct entry){
		.position = sqlite3_column_int64(s, 0),
		.received_at_us = sqlite3_column_int64(s, 1),
		.kind = (enum entry_kind)sqlite3_column_int(s, 2),
		.epoch = (uint64_t)sqlite3_column_int64(s, 6),
		.number = (uint64_t)sqlite3_column_int64(s, 7),
		.raw_size = (uint32_t)sqlite3_column_int64(s, 8),
		.clock_offset_us = sqlite3_column_int64(s, 9),
		.clock_uncertainty_us = sqlite3_column_int64(s, 10),
	};
	e->service = page_keep(p, stmt_str(s, 3));
	e->agent = page_keep(p, stmt_str(s, 4));
	e->region = page_keep(p, stmt_str(s, 5));
	e->bytes = page_keep(p, stmt_blob(s, 11));
}

/* Fills the page from a bound statement and ends its read transaction. */
static int page_read(struct store *st, sqlite3_stmt *s, struct page *p, bool *ret_last, struct err *err)
{
	int code;
	p->n = 0;
	buf_clear(&p->bytes);
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		if (sqlite3_column_int(s, 2) < 0 || sqlite3_column_int(s, 2) >= ENTRY_KIND_COUNT) {
			int64_t position = sqlite3_column_int64(s, 0);
			sqlite3_reset(s);
			return err_set(err, ERR_UNSUPPORTED,
				"entry %" PRId64 " of '%s' is of a kind this version does not know", position,
				st->path);
		}
		page_add(p, s);
		if (p->n == PAGE_ENTRIES || p->bytes.n >= PAGE_BYTES)
			break;
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return store_failed(st, "read the journal", err);
	sqlite3_reset(s);
	*ret_last = code == SQLITE_DONE;
	page_point(p);
	return 0;
}

struct walk {
	enum stmt which;
	int64_t after, to;
	struct str service;
	enum entry_kind kind;
};

static int walk_page(struct store *st, const struct walk *w, struct page *p, bool *ret_last, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, w->which, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, w->after);
	sqlite3_bind_int(s, 2, PAGE_ENTRIES);
	if (w->which == STMT_BATCHES) {
		sqlite3_bind_int64(s, 3, w->to);
		sqlite3_bind_int(s, 4, ENTRY_BATCH);
		stmt_bind_str(s, 5, w->service);
	}
	if (w->which == STMT_NEWEST)
		sqlite3_bind_int(s, 3, (int)w->kind);
	rc = page_read(st, s, p, ret_last, err);
	sqlite3_clear_bindings(s);
	return rc;
}

static int walk_entries(struct store *st, struct walk w, int (*each)(void *ctx, const struct entry *e),
	void *ctx, struct err *err)
{
	struct page *p = mem_new(sizeof(*p));
	bool last = false;
	int rc = 0;
	buf_init(&p->bytes, SIZE_MAX / 2);
	while (rc == 0 && !last) {
		rc = walk_page(st, &w, p, &last, err);
		for (size_t i = 0; i < p->n && rc == 0; i++) {
			w.after = p->entries[i].position;
			rc = each(ctx, &p->entries[i]);
		}
	}
	buf_fini(&p->bytes);
	free(p);
	return rc;
}

int store_each_entry(struct store *st, int64_t after, int (*each)(void *ctx, const struct entry *e),
	void *ctx, struct err *err)
{
	return walk_entries(st, (struct walk){ .which = STMT_ENTRIES, .after = after }, each, ctx, err);
}

int store_each_newest(struct store *st, enum entry_kind kind, int (*each)(void *ctx, const struct entry *e),
	void *ctx, struct err *err)
{
	return walk_entries(st, (struct walk){ .which = STMT_NEWEST, .kind = kind }, each, ctx, err);
}

int store_each_batch(struct store *st, struct str service, int64_t from_us, int64_t to_us,
	int (*each)(void *ctx, const struct entry *e), void *ctx, struct err *err)
{
	struct walk w = { .which = STMT_BATCHES, .service = service };
	int rc = store_position_before(st, from_us, &w.after, err);
	if (rc == 0)
		rc = store_position_before(st, to_us, &w.to, err);
	return rc == 0 ? walk_entries(st, w, each, ctx, err) : rc;
}

/* The entry at or after a position; position 0 when there is none. */
static int entry_at(
	struct store *st, int64_t position, int64_t *ret_position, int64_t *ret_received_us, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_AT_POSITION, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, position);
	int code = sqlite3_step(s);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return store_failed(st, "read the journal", err);
	*ret_position = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	*ret_received_us = code == SQLITE_ROW ? sqlite3_column_int64(s, 1) : INT64_MAX;
	sqlite3_reset(s);
	return 0;
}

/* received_at rises with position, so halving does without an index on it. */
int store_position_before(struct store *st, int64_t at_us, int64_t *ret_position, struct err *err)
{
	int64_t low = 0, high = store_last_position(st); /* low: before at_us for sure; above high: not */
	while (low < high) {
		int64_t middle = low + (high - low + 1) / 2, position = 0, received_us = 0;
		int rc = entry_at(st, middle, &position, &received_us, err);
		if (rc < 0)
			return rc;
		if (position != 0 && position <= high && received_us < at_us)
			low = position;
		else
			high = middle - 1;
	}
	*ret_position = low;
	return 0;
}

/* -- what is derived -- */

int store_find_name(struct store *st, struct str text, int64_t *ret_id, bool *ret_none, struct err *err)
{
	sqlite3_stmt *s = NULL;
	*ret_id = 0;
	if (text.n == 0)
		return 0;
	int rc = store_stmt(st, STMT_NAME_FIND, &s, err);
	if (rc < 0)
		return rc;
	stmt_bind_str(s, 1, text);
	int code = sqlite3_step(s);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return store_failed(st, "read a name", err);
	*ret_none |= code == SQLITE_DONE;
	*ret_id = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return 0;
}

static struct transition transition_of(sqlite3_stmt *s)
{
	struct transition t = {
		.key = { sqlite3_column_int64(s, 0), (uint32_t)sqlite3_column_int64(s, 1) },
		.at_us = sqlite3_column_int64(s, 2),
		.late = sqlite3_column_int(s, 3) != 0,
		.service = stmt_str(s, 4),
		.endpoint = stmt_str(s, 5),
		.edge = stmt_str(s, 6),
		.from = CELL_UNKNOWN,
		.to = CELL_UNKNOWN,
		.version = stmt_str(s, 9),
		.expected = stmt_str(s, 10),
	};
	/* A word this version does not know stays "unknown": history of another version may be shown so. */
	(void)cell_state_from(stmt_str(s, 7), &t.from);
	(void)cell_state_from(stmt_str(s, 8), &t.to);
	return t;
}

int store_each_transition(struct store *st, struct str service, struct str endpoint, struct str edge,
	int64_t from_us, int64_t to_us, size_t limit, int (*each)(void *ctx, const struct transition *t),
	void *ctx, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int64_t ids[3];
	const struct str names[] = { service, endpoint, edge };
	bool none = false;
	int code, rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(ids) && rc == 0; i++)
		rc = store_find_name(st, names[i], &ids[i], &none, err);
	if (rc < 0 || none)
		return rc;
	bool cell = ids[0] != 0 && ids[1] != 0 && ids[2] != 0;
	rc = store_stmt(st, cell ? STMT_CELL_TRANSITIONS : STMT_TRANSITIONS, &s, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		sqlite3_bind_int64(s, (int)i + 1, ids[i]);
	sqlite3_bind_int64(s, 4, from_us);
	sqlite3_bind_int64(s, 5, to_us);
	sqlite3_bind_int64(s, 6, limit ? (int64_t)MIN(limit, (size_t)INT64_MAX) : -1);
	while ((code = sqlite3_step(s)) == SQLITE_ROW && rc == 0) {
		struct transition t = transition_of(s);
		rc = each(ctx, &t);
	}
	if (rc == 0 && code != SQLITE_DONE)
		return store_failed(st, "read transitions", err);
	sqlite3_reset(s);
	return rc;
}

static enum verdict verdict_of(struct str name)
{
	for (int v = 0; v < VERDICT_COUNT; v++)
		if (str_is(name, verdict_name((enum verdict)v)))
			return (enum verdict)v;
	return VERDICT_INCONCLUSIVE;
}

int store_each_verdict(struct store *st, int64_t after, int (*each)(void *ctx, const struct deploy_change *c),
	void *ctx, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int code, rc = store_stmt(st, STMT_VERDICTS, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, after);
	while ((code = sqlite3_step(s)) == SQLITE_ROW && rc == 0) {
		struct deploy_change c = {
			.key = { sqlite3_column_int64(s, 0), (uint32_t)sqlite3_column_int64(s, 1) },
			.at_us = sqlite3_column_int64(s, 2),
			.id = stmt_str(s, 3),
			.service = stmt_str(s, 4),
			.version = stmt_str(s, 5),
			.from = verdict_of(stmt_str(s, 6)),
			.to = verdict_of(stmt_str(s, 7)),
			.reason = stmt_str(s, 8),
		};
		rc = each(ctx, &c);
	}
	if (rc == 0 && code != SQLITE_DONE)
		return store_failed(st, "read verdicts", err);
	sqlite3_reset(s);
	return rc;
}

static bool sha256_read(struct str bytes, struct sha256 *ret)
{
	if (bytes.n != SHA256_BYTES)
		return false;
	memcpy(ret->b, bytes.p, SHA256_BYTES);
	return true;
}

int store_each_agent(
	struct store *st, int (*each)(void *ctx, const struct agent_record *a), void *ctx, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int code, rc = store_stmt(st, STMT_AGENTS, &s, err);
	if (rc < 0)
		return rc;
	while ((code = sqlite3_step(s)) == SQLITE_ROW && rc == 0) {
		struct agent_record a = {
			.name = stmt_str(s, 0),
			.region = stmt_str(s, 1),
			.has_old = sqlite3_column_type(s, 3) != SQLITE_NULL,
			.revoked = sqlite3_column_int(s, 4) != 0,
			.enrolled_at_us = sqlite3_column_int64(s, 5),
		};
		if (!sha256_read(stmt_blob(s, 2), &a.token) ||
			(a.has_old && !sha256_read(stmt_blob(s, 3), &a.token_old)))
			rc = err_set(err, ERR_CORRUPT,
				"'%s': the token of agent '%.*s' is no hash: revoke and enroll it anew",
				st->path, STR_ARG(a.name));
		else
			rc = each(ctx, &a);
	}
	if (rc == 0 && code != SQLITE_DONE)
		return store_failed(st, "read agents", err);
	sqlite3_reset(s);
	return rc;
}

/* -- counting -- */

struct result_count {
	struct batch_decoder *decoder;
	int64_t n;
};

static int count_results(void *ctx, const struct entry *e)
{
	struct result_count *count = ctx;
	struct batch b;
	if (e->kind != ENTRY_BATCH)
		return 0;
	if (batch_unseal(count->decoder, e->bytes, e->raw_size, &b, NULL) < 0)
		return ERR_CORRUPT;
	count->n += (int64_t)b.n_obs;
	return 0;
}

int64_t store_count(struct store *st, const char *what)
{
	static const struct {
		const char *what, *sql;
	} queries[] = {
		{ "entries", "SELECT count(*) FROM journal" },
		{ "batches", "SELECT count(*) FROM journal WHERE agent_id IS NOT NULL" },
		{ "transitions", "SELECT count(*) FROM transitions" },
		{ "verdicts", "SELECT count(*) FROM verdicts" },
		{ "snapshots", "SELECT count(*) FROM snapshots" },
		{ "agents", "SELECT count(*) FROM agents" },
		{ "evidence", "SELECT count(*) FROM evidence" },
		{ "transition_evidence", "SELECT count(*) FROM transition_evidence" },
		{ "ranges", "SELECT count(*) FROM batch_ranges" },
	};
	if (str_is(str_of(what), "results")) {
		struct result_count count = { .decoder = batch_decoder_new() };
		int rc = store_each_entry(st, 0, count_results, &count, NULL);
		batch_decoder_free(count.decoder);
		return rc < 0 ? -1 : count.n;
	}
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		sqlite3_stmt *s = NULL;
		if (!str_is(str_of(what), queries[i].what))
			continue;
		int64_t n = -1;
		if (sqlite3_prepare_v2(st->db, queries[i].sql, -1, &s, NULL) == SQLITE_OK &&
			sqlite3_step(s) == SQLITE_ROW)
			n = sqlite3_column_int64(s, 0);
		sqlite3_finalize(s);
		return n;
	}
	return -1;
}
