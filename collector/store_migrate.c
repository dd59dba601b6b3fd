/* store_migrate.c - opens the file: whose it is, which version, and its way to the present one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "collector/store_impl.h"

#define APPLICATION_ID 0x7469646d /* "tidm" */

/* Numbered from 1 and only ever added. Names of services, agents, regions, endpoints and edges are kept once,
 * in names: a batch of three results would else be mostly its agent's name. journal.bytes is last, so that
 * walking over the other columns does not read the pages a large batch overflows into. journal.kind is enum
 * entry_kind. journal_batch keeps the identity of batches whose data is here; batch_ranges of those whose
 * data was pruned. */
static const char *const migrations[] = {
	"CREATE TABLE names(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE journal("
	" position INTEGER PRIMARY KEY, received_at_us INTEGER NOT NULL, kind INTEGER NOT NULL, service_id "
	"INTEGER NOT NULL,"
	" agent_id INTEGER, region_id INTEGER, epoch INTEGER, number INTEGER, raw_size INTEGER, "
	"clock_offset_us INTEGER,"
	" clock_uncertainty_us INTEGER, bytes BLOB NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX journal_batch ON journal(agent_id, epoch, number) WHERE agent_id IS NOT NULL;"
	"CREATE INDEX journal_service ON journal(service_id, kind);"
	"CREATE TABLE batch_ranges("
	" agent_id INTEGER NOT NULL, epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
	" received_at_us INTEGER NOT NULL, PRIMARY KEY(agent_id, epoch, first)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE transitions("
	" position INTEGER NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, late INTEGER NOT NULL,"
	" service_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, edge_id INTEGER NOT NULL, was TEXT NOT "
	"NULL,"
	" now TEXT NOT NULL, version TEXT NOT NULL, expected TEXT NOT NULL, PRIMARY KEY(position, seq)) "
	"STRICT, WITHOUT ROWID;"
	"CREATE INDEX transitions_cell ON transitions(service_id, endpoint_id, edge_id, at_us);"
	"CREATE TABLE verdicts("
	" position INTEGER NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, deploy TEXT NOT NULL,"
	" service_id INTEGER NOT NULL, version TEXT NOT NULL, was TEXT NOT NULL, now TEXT NOT NULL, reason "
	"TEXT NOT NULL,"
	" PRIMARY KEY(position, seq)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE snapshots(position INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, bytes BLOB NOT NULL) "
	"STRICT;"
	"CREATE TABLE agents("
	" name TEXT PRIMARY KEY, region TEXT NOT NULL, token BLOB NOT NULL, token_old BLOB, revoked INTEGER "
	"NOT NULL,"
	" enrolled_at_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
	/* 2: headers as they came. Of a cell the newest of each version and status; of a transition its own.
	 */
	"CREATE TABLE evidence("
	" id INTEGER PRIMARY KEY, service_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, edge_id INTEGER "
	"NOT NULL, version TEXT NOT NULL, status INTEGER NOT NULL, at_us INTEGER NOT NULL, agent_id INTEGER "
	"NOT NULL, block BLOB NOT NULL, UNIQUE(service_id, endpoint_id, edge_id, version, status)) STRICT;"
	"CREATE INDEX evidence_at ON evidence(at_us);"
	"CREATE TABLE transition_evidence("
	" position INTEGER NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, agent_id INTEGER NOT NULL,"
	" version TEXT NOT NULL, status INTEGER NOT NULL, block BLOB NOT NULL, PRIMARY KEY(position, seq)) "
	"STRICT;"
	"CREATE TRIGGER transition_gone AFTER DELETE ON transitions BEGIN"
	" DELETE FROM transition_evidence WHERE position = old.position AND seq = old.seq; END;",
};
#define SCHEMA_VERSION ((int)ARRAY_LEN(migrations))

static int exec(struct store *st, const char *sql, struct err *err)
{
	return sqlite3_exec(st->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
									: store_failed(st, "prepare it", err);
}

/* The single integer a query gives. */
static int ask(struct store *st, const char *sql, int64_t *ret, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = 0;
	if (sqlite3_prepare_v2(st->db, sql, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
		rc = store_failed(st, "read it", err);
	else
		*ret = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rc;
}

/* A second collector on the same file would fold and answer beside us, each believing it is alone. The lock
 * is beside the database, because SQLite's own locks are per process and an flock on its file may meet them
 * on NFS. */
static int lock_writer(struct store *st, struct err *err)
{
	char name[4096], pid[32];
	snprintf(name, sizeof(name), "%s.lock", st->path);
	st->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (st->lock_fd < 0)
		return err_set(err, ERR_IO, "cannot open '%s': %s", name, strerror(errno));
	if (flock(st->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		int code = errno;
		ssize_t n = read(st->lock_fd, pid, sizeof(pid) - 1);
		struct str who = str_trim((struct str){ pid, n > 0 ? (size_t)n : 0 });
		close(st->lock_fd);
		st->lock_fd = -1;
		if (code != EWOULDBLOCK)
			return err_set(err, ERR_IO, "cannot lock '%s': %s", name, strerror(code));
		return err_set(err, ERR_BUSY,
			"another collector (process %.*s) writes to '%s': stop it, or give this one a store "
			"of its own",
			STR_ARG(who), st->path);
	}
	int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	/* Only for the sentence above; the lock is held whether or not this succeeds. */
	if (ftruncate(st->lock_fd, 0) < 0 || pwrite(st->lock_fd, pid, (size_t)n, 0) < 0)
		return 0;
	return 0;
}

/* Makes the file when it is missing, and its one true name: two spellings of one file must meet in one lock.
 */
static int find_file(struct store *st, struct str path, struct err *err)
{
	struct stat meta;
	st->path = str_dup(path);
	if (stat(st->path, &meta) < 0) {
		if (errno != ENOENT || st->mode == STORE_READ)
			return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open '%s': %s",
				st->path, strerror(errno));
		/* It holds hashes of tokens and who probes what: nobody's business. SQLite's other files take
		 * its mode. */
		int fd = open(st->path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
		if (fd < 0)
			return err_set(err, ERR_IO, "cannot create '%s': %s", st->path, strerror(errno));
		close(fd);
	} else if (!S_ISREG(meta.st_mode)) {
		return err_set(err, ERR_IO, "'%s' is no file", st->path);
	}
	char *real = realpath(st->path, NULL);
	if (real != NULL) {
		free(st->path);
		st->path = real;
	}
	return 0;
}

static int open_database(struct store *st, struct err *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		    (st->mode == STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
	if (sqlite3_open_v2(st->path, &st->db, flags, NULL) != SQLITE_OK)
		return store_failed(st, "open it", err);
	sqlite3_busy_timeout(st->db, STORE_BUSY_MS);
	sqlite3_db_config(st->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	sqlite3_db_config(st->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
	if (st->mode == STORE_READ)
		sqlite3_db_config(st->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	return 0;
}

/* Refuses what is not ours; *ret_version is 0 for a new file. */
static int check_owner(struct store *st, int64_t *ret_version, struct err *err)
{
	int64_t id = 0, version = 0, n_tables = 0;
	int rc = ask(st, "SELECT count(*) FROM sqlite_schema", &n_tables, err);
	if (rc == 0)
		rc = ask(st, "PRAGMA application_id", &id, err);
	if (rc == 0)
		rc = ask(st, "PRAGMA user_version", &version, err);
	if (rc < 0)
		return rc;
	if (id != APPLICATION_ID && (n_tables > 0 || id != 0 || version != 0))
		return err_set(err, ERR_CORRUPT,
			"'%s' is a database of another program: give tidemark a path of its own", st->path);
	if (version > SCHEMA_VERSION)
		return err_set(err, ERR_UNSUPPORTED,
			"'%s' was written by a newer tidemark (schema %" PRId64
			", this one knows up to %d): run that version, or another file",
			st->path, version, SCHEMA_VERSION);
	if (st->mode == STORE_READ && version < SCHEMA_VERSION)
		return err_set(err, ERR_UNSUPPORTED,
			"'%s' has the older schema %" PRId64
			": start the collector once, it brings the file to %d",
			st->path, version, SCHEMA_VERSION);
	*ret_version = version;
	return 0;
}

static int migrate(struct store *st, int64_t version, struct err *err)
{
	char pragma[96];
	for (; version < SCHEMA_VERSION; version++) {
		snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
			APPLICATION_ID, (int)version + 1);
		int rc = exec(st, "BEGIN IMMEDIATE", err);
		if (rc == 0)
			rc = exec(st, migrations[version], err);
		if (rc == 0)
			rc = exec(st, pragma, err);
		if (rc == 0)
			rc = exec(st, "COMMIT", err);
		if (rc < 0) {
			err_add(err, "schema %d", (int)version + 1);
			return rc; /* closing rolls back: the file stays at the version it had */
		}
	}
	return 0;
}

/* Where the file system cannot do WAL, SQLite goes on without it and says so in a row only. */
static int check_wal(struct store *st, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = 0;
	if (sqlite3_prepare_v2(st->db, "PRAGMA journal_mode", -1, &s, NULL) != SQLITE_OK ||
		sqlite3_step(s) != SQLITE_ROW)
		rc = store_failed(st, "read it", err);
	else if (!str_is(stmt_str(s, 0), "wal"))
		rc = err_set(err, ERR_IO,
			"'%s' lies on a file system that cannot keep a WAL: use a local disk", st->path);
	sqlite3_finalize(s);
	return rc;
}

static int set_up_writer(struct store *st, struct err *err)
{
	int64_t version = 0;
	int rc = check_owner(st, &version, err);
	/* auto_vacuum counts only before the first table; secure_delete is on in Debian and would write every
	 * freed page */
	if (rc == 0)
		rc = exec(st,
			"PRAGMA auto_vacuum=INCREMENTAL; PRAGMA secure_delete=OFF; PRAGMA journal_mode=WAL;"
			"PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864; PRAGMA "
			"cache_size=-8192;"
			"PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=0;",
			err);
	if (rc == 0)
		rc = check_wal(st, err);
	return rc == 0 ? migrate(st, version, err) : rc;
}

static int set_up_reader(struct store *st, struct err *err)
{
	int64_t version = 0;
	int rc = check_owner(st, &version, err);
	return rc == 0 ? exec(st,
				 "PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-2048;"
				 "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON;",
				 err)
		       : rc;
}

static int on_wal(void *arg, sqlite3 *db, const char *schema, int pages)
{
	((struct store *)arg)->wal_pages = pages;
	return SQLITE_OK;
}

static int past_deadline(void *arg)
{
	const struct store *st = arg;
	return st->boot_deadline_us != 0 && clock_boot_us() >= st->boot_deadline_us;
}

int store_open(const char *uri, enum store_mode mode, struct store **ret, struct err *err)
{
	struct str path = str_of(uri);
	int rc = 0;
	if (str_starts(path, "sqlite:"))
		path = str_from(path, strlen("sqlite:"));
	else if (str_find(path, ':') > 0 && str_find(path, '/') == str_find(path, ':') + 1)
		return err_set(err, ERR_UNSUPPORTED,
			"'%s': this build stores in SQLite only: want sqlite:PATH", uri);
	if (path.n == 0 || path.n > 4000)
		return err_set(err, ERR_NONSENSE, "'%s' is no store: want sqlite:PATH", uri);

	struct store *st = mem_new(sizeof(*st));
	*st = (struct store){ .mode = mode, .lock_fd = -1 };
	rc = find_file(st, path, err);
	if (rc == 0 && mode == STORE_WRITE)
		rc = lock_writer(st, err);
	if (rc == 0)
		rc = open_database(st, err);
	if (rc == 0)
		rc = mode == STORE_WRITE ? set_up_writer(st, err) : set_up_reader(st, err);
	if (rc == 0)
		rc = store_load_last(st, err);
	if (rc == 0) {
		st->safe_position = st->last_position;
		st->safe_received_us = st->last_received_us;
		if (mode == STORE_READ)
			sqlite3_progress_handler(st->db, 1000, past_deadline, st);
		else
			sqlite3_wal_hook(
				st->db, on_wal, st); /* after the pragma, which sets a hook of its own */
		*ret = st;
	} else {
		store_close(st);
	}
	return rc;
}

void store_close(struct store *st)
{
	if (st == NULL)
		return;
	store_rollback(st);
	if (st->db &&
		store_has_moved(st)) /* the last to close removes the WAL by its name: it may be another's */
		sqlite3_db_config(st->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	for (size_t i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(st->stmt[i]);
	INVARIANT(sqlite3_close(st->db) == SQLITE_OK);
	store_forget_names(st);
	free(st->names);
	if (st->lock_fd >= 0)
		close(st->lock_fd); /* the file stays: removing it would let two lock two different ones */
	free(st->path);
	free(st);
}

void store_set_deadline(struct store *st, int64_t boot_deadline_us)
{
	st->boot_deadline_us = boot_deadline_us;
}

int64_t store_disk_bytes(struct store *st)
{
	static const char *const endings[] = { "", "-wal" };
	char name[4096];
	int64_t bytes = 0;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		struct stat meta;
		snprintf(name, sizeof(name), "%s%s", st->path, endings[i]);
		if (stat(name, &meta) == 0)
			bytes += (int64_t)meta.st_size;
	}
	return bytes;
}
