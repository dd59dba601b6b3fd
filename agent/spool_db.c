#include "agent/spool_db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"

#define SCHEMA_VERSION 1

enum stmt {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_INSERT,
	STMT_DELETE,
	STMT_OLDEST,
	STMT_NEWER,
	STMT_OLDER,
	STMT_LOSE,
	STMT_LOST,
	STMT_COUNT_ROWS,
	STMT_SHRINK,
	STMT_COUNT,
};
#define BATCH_COLUMNS                                                                                        \
	"position, epoch, number, raw_size, n_results, boot_id, sealed_boot_us, sealed_wall_us, body"
static const char *const stmt_sql[STMT_COUNT] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_INSERT] = "INSERT INTO batches(" BATCH_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?)",
	[STMT_DELETE] = "DELETE FROM batches WHERE position = ? RETURNING length(body)",
	[STMT_OLDEST] =
		"SELECT position, n_results, boot_id, sealed_boot_us, sealed_wall_us FROM batches"
		" WHERE position > 0 ORDER BY position LIMIT 1", /* a search: no plan may begin a scan */
	[STMT_NEWER] = "SELECT " BATCH_COLUMNS " FROM batches WHERE position > ? ORDER BY position LIMIT 1",
	[STMT_OLDER] =
		"SELECT " BATCH_COLUMNS " FROM batches WHERE position < ? ORDER BY position DESC LIMIT 1",
	[STMT_LOSE] = "UPDATE lost SET results = ?, from_us = ?, to_us = ?",
	[STMT_LOST] = "SELECT results, from_us, to_us FROM lost",
	[STMT_COUNT_ROWS] =
		"SELECT count(*), ifnull(sum(length(body)), 0), ifnull(max(position), 0) FROM batches",
	[STMT_SHRINK] = "PRAGMA incremental_vacuum(64)",
};

/* auto_vacuum has to come before the first table. EXCLUSIVE: nobody else has business here, and a second
 * agent on the same directory is noticed at once. A corrupt file shows itself at the first of these that
 * reads it. */
static const char open_sql[] =
	"PRAGMA auto_vacuum = INCREMENTAL; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF; PRAGMA journal_size_limit = 4194304;";
static const char create_sql[] = "BEGIN EXCLUSIVE;"
				 "CREATE TABLE IF NOT EXISTS batches(position INTEGER PRIMARY KEY, epoch "
				 "INTEGER NOT NULL, number INTEGER NOT NULL,"
				 " raw_size INTEGER NOT NULL, n_results INTEGER NOT NULL, boot_id INTEGER "
				 "NOT NULL, sealed_boot_us INTEGER NOT NULL,"
				 " sealed_wall_us INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"
				 "CREATE TABLE IF NOT EXISTS lost(results INTEGER NOT NULL, from_us INTEGER "
				 "NOT NULL, to_us INTEGER NOT NULL) STRICT;"
				 "INSERT INTO lost SELECT 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM lost);"
				 "PRAGMA user_version = 1;"
				 "COMMIT;";

struct spool_db {
	sqlite3 *sql;
	sqlite3_stmt *stmt[STMT_COUNT];
	struct spool_count committed, open; /* open: what committed will be */
};

void spool_lost_add(struct spool_lost *l, uint64_t results, int64_t from_us, int64_t to_us)
{
	if (results == 0)
		return;
	l->from_us = l->results ? MIN(l->from_us, from_us) : from_us;
	l->to_us = l->results ? MAX(l->to_us, to_us) : to_us;
	l->results += results;
}

static int db_error(struct spool_db *db, struct err *err, const char *doing)
{
	int rc = sqlite3_errcode(db->sql);
	int code = rc == SQLITE_FULL                             ? ERR_FULL
		   : rc == SQLITE_BUSY || rc == SQLITE_LOCKED    ? ERR_BUSY
		   : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? ERR_CORRUPT
								 : ERR_IO;
	return err_set(err, code, "spool: %s: %s", doing, sqlite3_errmsg(db->sql));
}

/* Runs a statement that gives no row, and makes it ready for the next time. */
static int db_run(struct spool_db *db, enum stmt s, const char *doing, struct err *err)
{
	int rc = sqlite3_step(db->stmt[s]);
	int ret = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : db_error(db, err, doing);
	sqlite3_reset(db->stmt[s]);
	return ret;
}

static int read_state(struct spool_db *db, struct err *err)
{
	sqlite3_stmt *st = db->stmt[STMT_COUNT_ROWS];
	int ret = 0;
	if (sqlite3_step(st) == SQLITE_ROW) {
		db->committed.batches = (uint64_t)sqlite3_column_int64(st, 0);
		db->committed.bytes =
			(uint64_t)sqlite3_column_int64(st, 1) + db->committed.batches * SPOOL_ROW_BYTES;
		db->committed.last_position = sqlite3_column_int64(st, 2);
	} else {
		ret = db_error(db, err, "counting what is there");
	}
	sqlite3_reset(st);
	st = db->stmt[STMT_LOST];
	if (ret == 0 && sqlite3_step(st) == SQLITE_ROW)
		db->committed.lost = (struct spool_lost){ (uint64_t)sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2) };
	else if (ret == 0)
		ret = db_error(db, err, "reading what was lost");
	sqlite3_reset(st);
	return ret;
}

static int check_version(struct spool_db *db, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int64_t version = -1;
	if (sqlite3_prepare_v2(db->sql, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
		sqlite3_step(st) == SQLITE_ROW)
		version = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	if (version < 0)
		return db_error(db, err, "opening");
	if (version > SCHEMA_VERSION)
		return err_set(err, ERR_UNSUPPORTED,
			"spool: written by a newer tidemark-agent (schema %" PRId64 ", this one knows %d)",
			version, SCHEMA_VERSION);
	return 0;
}

static int db_prepare(struct spool_db *db, struct err *err)
{
	if (sqlite3_exec(db->sql, open_sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_error(db, err, "opening");
	int rc = check_version(db, err);
	if (rc < 0)
		return rc;
	if (sqlite3_exec(db->sql, create_sql, NULL, NULL, NULL) != SQLITE_OK) {
		rc = db_error(db, err, "making its tables");
		spool_db_rollback(db);
		return rc;
	}
	for (unsigned i = 0; i < STMT_COUNT; i++)
		if (sqlite3_prepare_v3(db->sql, stmt_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->stmt[i],
			    NULL) != SQLITE_OK)
			return db_error(db, err, "preparing");
	return read_state(db, err);
}

int spool_db_open(const char *dir, struct spool_db **ret, struct err *err)
{
	struct spool_db *db = mem_new(sizeof(*db));
	struct buf path;
	int rc = 0;
	buf_init(&path, 4096);
	buf_addf(&path, "%s/spool.db", dir);
	if (buf_failed(&path)) {
		rc = err_set(err, ERR_TOO_BIG, "spool: the name of the directory is too long");
		goto out;
	}
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		rc = err_set(err, ERR_IO, "spool: cannot make %s: %s", dir, strerror(errno));
		goto out;
	}
	if (sqlite3_open_v2(path.p, &db->sql,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
		rc = db_prepare(db, err);
	else
		rc = db_error(db, err, "opening");
	if (rc == ERR_BUSY)
		err_set(err, rc, "spool: %s is in use by another process: one spool.dir for each agent",
			path.p);
	else if (rc < 0)
		err_add(err, "%s", path.p);
out:
	buf_fini(&path);
	if (rc < 0)
		spool_db_close(db);
	else
		*ret = db;
	return rc;
}

void spool_db_close(struct spool_db *db)
{
	if (db == NULL)
		return;
	for (unsigned i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(db->stmt[i]);
	sqlite3_close(db->sql);
	free(db);
}

struct spool_count spool_db_count(const struct spool_db *db)
{
	return db->committed;
}

int spool_db_begin(struct spool_db *db, struct err *err)
{
	db->open = db->committed;
	return db_run(db, STMT_BEGIN, "begin", err);
}

void spool_db_rollback(struct spool_db *db)
{
	/* SQLite has rolled back by itself after some errors, a full disk among them */
	if (!sqlite3_get_autocommit(db->sql))
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

int spool_db_commit(struct spool_db *db, struct err *err)
{
	int rc = db_run(db, STMT_COMMIT, "commit", err);
	if (rc == 0)
		db->committed = db->open;
	return rc;
}

int spool_db_insert(struct spool_db *db, const struct spool_batch *b, struct err *err)
{
	sqlite3_stmt *st = db->stmt[STMT_INSERT];
	sqlite3_bind_int64(st, 1, b->position);
	sqlite3_bind_int64(st, 2, (int64_t)b->epoch);
	sqlite3_bind_int64(st, 3, (int64_t)b->number);
	sqlite3_bind_int64(st, 4, b->raw_size);
	sqlite3_bind_int64(st, 5, b->n_results);
	sqlite3_bind_int64(st, 6, (int64_t)b->boot_id);
	sqlite3_bind_int64(st, 7, b->sealed_boot_us);
	sqlite3_bind_int64(st, 8, b->sealed_wall_us);
	sqlite3_bind_blob64(st, 9, b->body.p ? b->body.p : "", b->body.n, SQLITE_STATIC);
	int rc = db_run(db, STMT_INSERT, "adding a batch", err);
	sqlite3_clear_bindings(st);
	if (rc == 0) {
		db->open.batches++;
		db->open.bytes += b->body.n + SPOOL_ROW_BYTES;
		db->open.last_position = MAX(db->open.last_position, b->position);
	}
	return rc;
}

int spool_db_delete(struct spool_db *db, int64_t position, struct err *err)
{
	sqlite3_stmt *st = db->stmt[STMT_DELETE];
	sqlite3_bind_int64(st, 1, position);
	int rc = sqlite3_step(st), ret = 0;
	if (rc == SQLITE_ROW) { /* RETURNING gives its rows after the work is done */
		db->open.batches--;
		db->open.bytes -= (uint64_t)sqlite3_column_int64(st, 0) + SPOOL_ROW_BYTES;
	} else if (rc != SQLITE_DONE) {
		ret = db_error(db, err, "deleting a batch");
	}
	sqlite3_reset(st);
	return ret;
}

int spool_db_lose(struct spool_db *db, const struct spool_lost *lost, struct err *err)
{
	struct spool_lost all = db->open.lost;
	sqlite3_stmt *st = db->stmt[STMT_LOSE];
	if (lost->results == 0)
		return 0;
	spool_lost_add(&all, lost->results, lost->from_us, lost->to_us);
	sqlite3_bind_int64(st, 1, (int64_t)all.results);
	sqlite3_bind_int64(st, 2, all.from_us);
	sqlite3_bind_int64(st, 3, all.to_us);
	int rc = db_run(db, STMT_LOSE, "counting what is lost", err);
	if (rc == 0)
		db->open.lost = all;
	return rc;
}

/* By the boot-time clock where it is the same boot: a wall clock that was set must not make everything old at
 * once. */
static int64_t batch_age_us(uint64_t boot_id, int64_t sealed_boot_us, int64_t sealed_wall_us)
{
	return boot_id == clock_boot_id() ? clock_boot_us() - sealed_boot_us
					  : clock_wall_us() - sealed_wall_us;
}

int spool_db_trim(struct spool_db *db, const struct spool_limits *limits, struct err *err)
{
	struct spool_lost lost = { 0 };
	sqlite3_stmt *st = db->stmt[STMT_OLDEST];
	int rc = 0;
	while (rc == 0) {
		int step = sqlite3_step(st);
		if (step == SQLITE_DONE) {
			sqlite3_reset(st);
			break;
		}
		if (step != SQLITE_ROW) {
			rc = db_error(db, err, "looking for the oldest");
			sqlite3_reset(st);
			break;
		}
		int64_t position = sqlite3_column_int64(st, 0), wall_us = sqlite3_column_int64(st, 4);
		uint64_t results = (uint64_t)sqlite3_column_int64(st, 1);
		int64_t age_us = batch_age_us(
			(uint64_t)sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3), wall_us);
		sqlite3_reset(st);
		if (db->open.bytes <= (uint64_t)limits->max_bytes && age_us <= limits->max_age_us)
			break;
		rc = spool_db_delete(db, position, err);
		spool_lost_add(&lost, results, wall_us, wall_us);
	}
	return rc < 0 ? rc : spool_db_lose(db, &lost, err);
}

int spool_db_next(struct spool_db *db, enum spool_way way, int64_t position, struct spool_batch *ret,
	struct buf *body, struct err *err)
{
	sqlite3_stmt *st = db->stmt[way == SPOOL_NEWER ? STMT_NEWER : STMT_OLDER];
	sqlite3_bind_int64(st, 1, position);
	int step = sqlite3_step(st), rc = 0;
	if (step == SQLITE_ROW) {
		struct spool_batch b = {
			.position = sqlite3_column_int64(st, 0),
			.epoch = (uint64_t)sqlite3_column_int64(st, 1),
			.number = (uint64_t)sqlite3_column_int64(st, 2),
			.raw_size = (uint32_t)sqlite3_column_int64(st, 3),
			.n_results = (uint32_t)sqlite3_column_int64(st, 4),
			.boot_id = (uint64_t)sqlite3_column_int64(st, 5),
			.sealed_boot_us = sqlite3_column_int64(st, 6),
			.sealed_wall_us = sqlite3_column_int64(st, 7),
		};
		const void *blob = sqlite3_column_blob(st, 8);
		buf_clear(body);
		buf_add(body, blob, (size_t)sqlite3_column_bytes(st, 8));
		b.body = buf_str(body);
		if (buf_failed(body))
			rc = err_set(
				err, ERR_CORRUPT, "spool: a batch of %d bytes", sqlite3_column_bytes(st, 8));
		else
			*ret = b;
	} else {
		rc = step == SQLITE_DONE ? err_set(err, ERR_NOT_FOUND, "spool: nothing there")
					 : db_error(db, err, "reading a batch");
	}
	sqlite3_reset(st);
	return rc;
}

void spool_db_shrink(struct spool_db *db)
{
	while (sqlite3_step(db->stmt[STMT_SHRINK]) == SQLITE_ROW)
		;
	sqlite3_reset(db->stmt[STMT_SHRINK]);
}

const char *spool_db_test_sql(size_t i)
{
	return i < STMT_COUNT ? stmt_sql[i] : NULL;
}

int64_t spool_db_test_steps(struct spool_db *db)
{
	int64_t steps = 0;
	for (unsigned i = 0; i < STMT_COUNT; i++)
		steps += sqlite3_stmt_status(db->stmt[i], SQLITE_STMTSTATUS_VM_STEP, 1);
	return steps;
}
