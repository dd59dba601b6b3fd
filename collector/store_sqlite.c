/* store_sqlite.c - the writer: groups, batch identities, what is derived from the journal. */
#include <errno.h>
#include <stdlib.h>

#include "collector/store_impl.h"

/* ?1, ?2 ... are numbered where the order matters to the binder. */
static const char *const stmt_sql[STMT_COUNT] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE", /* a read upgraded to a write may meet SQLITE_BUSY_SNAPSHOT */
	[STMT_COMMIT] = "COMMIT",
	[STMT_ROLLBACK] = "ROLLBACK",
	[STMT_NAME_FIND] = "SELECT id FROM names WHERE text = ?",
	[STMT_NAME_ADD] = "INSERT INTO names(text) VALUES(?)",
	[STMT_APPEND] =
		"INSERT INTO journal(position, received_at_us, kind, service_id, agent_id, region_id, epoch, "
		"number,"
		" raw_size, clock_offset_us, clock_uncertainty_us, bytes) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"
		" ON CONFLICT(agent_id, epoch, number) WHERE agent_id IS NOT NULL DO NOTHING",
	[STMT_BATCH_BYTES] = "SELECT bytes FROM journal WHERE agent_id = ? AND epoch = ? AND number = ?",
	[STMT_RANGE_LEFT] =
		"SELECT first, last FROM batch_ranges WHERE agent_id = ? AND epoch = ? AND first <= ?"
		" ORDER BY first DESC LIMIT 1",
	[STMT_RANGE_RIGHT] = "SELECT last FROM batch_ranges WHERE agent_id = ? AND epoch = ? AND first = ?",
	[STMT_RANGE_PUT] = "INSERT INTO batch_ranges(agent_id, epoch, first, last, received_at_us) "
			   "VALUES(?1,?2,?3,?4,?5)"
			   " ON CONFLICT DO UPDATE SET last = ?4, received_at_us = max(received_at_us, ?5)",
	[STMT_RANGE_DELETE] = "DELETE FROM batch_ranges WHERE agent_id = ? AND epoch = ? AND first = ?",
	[STMT_RANGE_EXPIRE] = "DELETE FROM batch_ranges WHERE received_at_us < ?",
	[STMT_META_PUT] = "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
	[STMT_META_GET] = "SELECT value FROM meta WHERE key = ?",
	[STMT_TRANSITION] = "INSERT OR IGNORE INTO transitions(position, seq, at_us, late, service_id, "
			    "endpoint_id, edge_id,"
			    " was, now, version, expected) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
	[STMT_VERDICT] = "INSERT OR IGNORE INTO verdicts(position, seq, at_us, deploy, service_id, version, "
			 "was, now, reason)"
			 " VALUES(?,?,?,?,?,?,?,?,?)",
	[STMT_SNAPSHOT_PUT] = "INSERT OR REPLACE INTO snapshots(position, at_us, bytes) VALUES(?,?,?)",
	[STMT_SNAPSHOT_TRIM] = "DELETE FROM snapshots WHERE position NOT IN"
			       " (SELECT position FROM snapshots ORDER BY position DESC LIMIT ?)",
	[STMT_SNAPSHOT_GET] = "SELECT position, bytes FROM snapshots ORDER BY position DESC LIMIT 1 OFFSET ?",
	[STMT_COVERED_TO] = "SELECT position FROM snapshots ORDER BY position DESC LIMIT 1 OFFSET ?",
	[STMT_PRUNE_BATCHES] =
		"SELECT position, agent_id, epoch, number, received_at_us FROM journal"
		" WHERE position > ? AND position <= ? AND agent_id IS NOT NULL ORDER BY position LIMIT ?",
	[STMT_PRUNE_EVENTS] =
		"SELECT position, kind, service_id FROM journal"
		" WHERE position > ? AND position <= ? AND agent_id IS NULL ORDER BY position LIMIT ?",
	[STMT_PRUNE_TRANSITIONS] =
		"DELETE FROM transitions WHERE (position, seq) IN (SELECT position, seq FROM"
		" (SELECT position, seq, at_us FROM transitions WHERE position <= ? ORDER BY position LIMIT "
		"?) WHERE at_us < ?)",
	[STMT_PRUNE_VERDICTS] = "DELETE FROM verdicts WHERE (position, seq) IN (SELECT position, seq FROM"
				" (SELECT position, seq, at_us FROM verdicts WHERE position <= ? ORDER BY "
				"position LIMIT ?) WHERE at_us < ?)",
	[STMT_DELETE_ENTRY] = "DELETE FROM journal WHERE position = ?",
	[STMT_EVENT_NEEDED] = "SELECT count(*) FROM (SELECT 1 FROM journal WHERE service_id = ? AND kind = ? "
			      "AND position > ?"
			      " LIMIT 2)",
	[STMT_FREE_PAGES] = "PRAGMA freelist_count",
	[STMT_VACUUM] = "PRAGMA incremental_vacuum(256)",
	[STMT_AGENT_PUT] =
		"INSERT OR REPLACE INTO agents(name, region, token, token_old, revoked, enrolled_at_us)"
		" VALUES(?,?,?,?,?,?)",
	[STMT_AGENTS] =
		"SELECT name, region, token, token_old, revoked, enrolled_at_us FROM agents ORDER BY name",
	[STMT_LAST] = "SELECT position, received_at_us FROM journal ORDER BY position DESC LIMIT 1",
	[STMT_AT_POSITION] =
		"SELECT position, received_at_us FROM journal WHERE position >= ? ORDER BY position LIMIT 1",
#define ENTRY_COLUMNS                                                                                        \
	"SELECT j.position, j.received_at_us, j.kind, s.text, a.text, r.text, j.epoch, j.number, "           \
	"j.raw_size,"                                                                                        \
	" j.clock_offset_us, j.clock_uncertainty_us, j.bytes FROM journal j LEFT JOIN names s ON s.id = "    \
	"j.service_id"                                                                                       \
	" LEFT JOIN names a ON a.id = j.agent_id LEFT JOIN names r ON r.id = j.region_id"
	[STMT_ENTRIES] = ENTRY_COLUMNS " WHERE j.position > ? ORDER BY j.position LIMIT ?",
	/* One seek for each name, instead of a walk over the index of every batch there is. */
	[STMT_NEWEST] = ENTRY_COLUMNS
	" WHERE j.position IN (SELECT (SELECT max(position) FROM journal WHERE service_id = n.id"
	" AND kind = ?3) FROM names n) AND j.position > ?1 ORDER BY j.position LIMIT ?2",
	[STMT_BATCHES] = ENTRY_COLUMNS " WHERE j.position > ?1 AND j.position <= ?3 AND j.kind = ?4"
				       " AND j.service_id = (SELECT id FROM names WHERE text = ?5)"
				       " ORDER BY j.position LIMIT ?2",
/* Two: with an OR in it SQLite would walk the table even where one cell is asked for. */
#define TRANSITION_COLUMNS                                                                                   \
	"SELECT t.position, t.seq, t.at_us, t.late, s.text, e.text, g.text, t.was, t.now, t.version, "       \
	"t.expected"                                                                                         \
	" FROM transitions t LEFT JOIN names s ON s.id = t.service_id LEFT JOIN names e ON e.id = "          \
	"t.endpoint_id"                                                                                      \
	" LEFT JOIN names g ON g.id = t.edge_id WHERE t.at_us >= ?4 AND t.at_us < ?5 AND "
#define TRANSITION_ORDER " ORDER BY t.at_us, t.position, t.seq LIMIT ?6"
	[STMT_TRANSITIONS] =
		TRANSITION_COLUMNS "(?1 = 0 OR t.service_id = ?1) AND (?2 = 0 OR t.endpoint_id = ?2)"
				   " AND (?3 = 0 OR t.edge_id = ?3)" TRANSITION_ORDER,
	[STMT_CELL_TRANSITIONS] = TRANSITION_COLUMNS
	"t.service_id = ?1 AND t.endpoint_id = ?2 AND t.edge_id = ?3" TRANSITION_ORDER,
	/* Of what its cell answered, the newest block with that version; of one that fails, with an error. */
	[STMT_TRANSITION_EVIDENCE] =
		"INSERT OR IGNORE INTO transition_evidence(position, seq, at_us, agent_id, version, status, "
		"block)"
		" SELECT ?1, ?2, at_us, agent_id, version, status, block FROM evidence WHERE service_id = ?3"
		" AND endpoint_id = ?4 AND edge_id = ?5 AND (?6 AND status >= 400 OR NOT ?6 AND version = ?7)"
		" ORDER BY at_us DESC LIMIT 1",
	[STMT_EVIDENCE_PUT] =
		"INSERT INTO evidence(service_id, endpoint_id, edge_id, version, status, at_us, "
		"agent_id, block) VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT(service_id, endpoint_id, "
		"edge_id, version, status) DO UPDATE SET at_us = ?6, agent_id = ?7, block = ?8"
		" WHERE at_us <= ?6",
	[STMT_EVIDENCE_OF] = "SELECT t.at_us, a.text, t.version, t.status, t.block FROM transition_evidence t"
			     " LEFT JOIN names a ON a.id = t.agent_id WHERE t.position = ? AND t.seq = ?",
	[STMT_EVIDENCE] =
		"SELECT v.at_us, a.text, v.version, v.status, v.block FROM evidence v"
		" LEFT JOIN names a ON a.id = v.agent_id WHERE v.service_id = ? AND v.endpoint_id = ?"
		" AND v.edge_id = ? ORDER BY v.at_us DESC, v.version, v.status LIMIT ?",
	[STMT_PRUNE_EVIDENCE] = "DELETE FROM evidence WHERE id IN"
				" (SELECT id FROM evidence WHERE at_us < ? ORDER BY at_us LIMIT ?)",
	[STMT_VERDICTS] =
		"SELECT v.position, v.seq, v.at_us, v.deploy, s.text, v.version, v.was, v.now, v.reason"
		" FROM verdicts v LEFT JOIN names s ON s.id = v.service_id WHERE v.position > ?"
		" ORDER BY v.position, v.seq",
};

int store_stmt(struct store *st, enum stmt which, sqlite3_stmt **ret, struct err *err)
{
	if (st->stmt[which] == NULL &&
		sqlite3_prepare_v3(st->db, stmt_sql[which], -1, SQLITE_PREPARE_PERSISTENT, &st->stmt[which],
			NULL) != SQLITE_OK)
		return store_failed(st, "prepare a statement for it", err);
	*ret = st->stmt[which];
	return 0;
}

void stmt_bind_str(sqlite3_stmt *s, int index, struct str text)
{
	sqlite3_bind_text64(s, index, text.n ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

void stmt_bind_blob(sqlite3_stmt *s, int index, struct str bytes)
{
	sqlite3_bind_blob64(s, index, bytes.n ? bytes.p : "", bytes.n, SQLITE_STATIC);
}

struct str stmt_str(sqlite3_stmt *s, int column)
{
	const unsigned char *p = sqlite3_column_text(s, column);
	return (struct str){ (const char *)p, p ? (size_t)sqlite3_column_bytes(s, column) : 0 };
}

struct str stmt_blob(sqlite3_stmt *s, int column)
{
	const void *p = sqlite3_column_blob(s, column);
	return (struct str){ p, p ? (size_t)sqlite3_column_bytes(s, column) : 0 };
}

/* ENOSPC comes as SQLITE_FULL, a used up quota as a failed write. */
static bool is_full(sqlite3 *db, int code)
{
	return (code & 0xff) == SQLITE_FULL ||
	       (code == SQLITE_IOERR_WRITE && sqlite3_system_errno(db) == EDQUOT);
}

int store_failed(struct store *st, const char *doing, struct err *err)
{
	int code = st->db ? sqlite3_extended_errcode(st->db) : SQLITE_NOMEM;
	const char *says = st->db ? sqlite3_errmsg(st->db) : "out of memory";
	int rc;
	if (is_full(st->db, code))
		rc = err_set(err, ERR_FULL, "no space left for '%s': cannot %s", st->path, doing);
	else if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
		rc = err_set(err, ERR_CORRUPT,
			"'%s' is damaged or no database (%s). Stop the collector and keep a copy, then "
			"restore a backup (tidemark-collector restore), rescue what can be read "
			"(sqlite3 '%s' .recover | sqlite3 NEW), or move it away: agents send again what their "
			"spools still hold",
			st->path, says, st->path);
	else if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
		rc = err_set(err, ERR_BUSY, "another program holds '%s': cannot %s", st->path, doing);
	else if ((code & 0xff) == SQLITE_INTERRUPT)
		rc = err_set(err, ERR_TIMEOUT, "reading '%s' took too long", st->path);
	else
		rc = err_set(
			err, ERR_IO, "'%s': cannot %s: %s (SQLite code %d)", st->path, doing, says, code);
	if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
		st->must_close = true; /* the kernel may have dropped the pages: a second fsync would succeed
					  and lie */
	store_rollback(st);
	return rc;
}

bool store_must_close(const struct store *st)
{
	return st->must_close;
}

int store_run(struct store *st, sqlite3_stmt *s, const char *doing, struct err *err)
{
	int code = sqlite3_step(s);
	int rc = code == SQLITE_DONE ? 0 : store_failed(st, doing, err);
	sqlite3_reset(s);
	sqlite3_clear_bindings(s); /* what is bound is borrowed */
	return rc;
}

/* -- groups -- */

int store_begin(struct store *st, struct err *err)
{
	INVARIANT(st->mode == STORE_WRITE);
	if (st->in_group)
		return err_set(err, ERR_NONSENSE, "a group is open already");
	if (st->must_close)
		return err_set(err, ERR_IO,
			"'%s': an fsync failed; nothing more is written until it is opened anew", st->path);
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_BEGIN, &s, err);
	if (rc == 0)
		rc = store_run(st, s, "begin a group", err);
	if (rc == 0)
		st->in_group = true;
	return rc;
}

int store_need_group(const struct store *st, struct err *err)
{
	return st->in_group ? 0
			    : err_set(err, ERR_IO,
				      "no group is open: an earlier failure ended it, nothing was kept");
}

int store_join_group(struct store *st, bool *ret_own, struct err *err)
{
	*ret_own = !st->in_group;
	return st->in_group ? 0 : store_begin(st, err);
}

bool store_has_moved(struct store *st)
{
	int moved = 0;
	return sqlite3_file_control(st->db, NULL, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

/* Writing goes on into a file that nobody will find again, without any error of the system: deleted by hand,
 * or replaced by a backup. What is open is of no use then; the same file put back is. */
static int check_place(struct store *st, struct err *err)
{
	if (!store_has_moved(st))
		return 0;
	store_rollback(st);
	return err_set(err, ERR_IO,
		"'%s' is not the file any more that was opened: it was moved, deleted or replaced; put it "
		"back, or "
		"restart the collector to go on with what is there",
		st->path);
}

int store_commit(struct store *st, struct err *err)
{
	int rc = store_need_group(st, err);
	if (rc == 0)
		rc = check_place(st, err);
	if (rc < 0)
		return rc;
	sqlite3_stmt *s = NULL;
	rc = store_stmt(st, STMT_COMMIT, &s, err);
	if (rc == 0)
		rc = store_run(st, s, "commit", err);
	if (rc < 0)
		return rc;
	st->in_group = false;
	st->safe_position = st->last_position;
	st->safe_received_us = st->last_received_us;
	if (st->wal_pages >= STORE_WAL_PAGES) {
		/* Not SQLite's own automatic one: that hides a failing fsync. The group itself is safe
		 * whatever comes of it. */
		st->wal_pages = 0;
		if (sqlite3_wal_checkpoint_v2(st->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) !=
			SQLITE_OK)
			(void)store_failed(st, "move the WAL into it", NULL);
	}
	return 0;
}

void store_rollback(struct store *st)
{
	if (st->db == NULL)
		return;
	for (size_t i = 0; i < STMT_COUNT; i++)
		if (i != STMT_ROLLBACK)
			sqlite3_reset(st->stmt[i]);
	/* After SQLITE_FULL and the like SQLite has rolled back by itself; asking again is an error then. */
	if (!sqlite3_get_autocommit(st->db))
		sqlite3_exec(st->db, stmt_sql[STMT_ROLLBACK], NULL, NULL, NULL);
	if (!st->in_group)
		return;
	st->in_group = false;
	st->last_position = st->safe_position;
	st->last_received_us = st->safe_received_us;
	st->batches_swept_to = st->events_swept_to = st->identities_swept_us = 0;
	store_forget_names(st);
}

/* -- names -- */

void store_forget_names(struct store *st)
{
	for (size_t i = 0; i < st->cap_names; i++) {
		free((char *)st->names[i].text.p);
		st->names[i] = (struct name_entry){ 0 };
	}
	st->n_names = 0;
}

static struct name_entry *name_slot(struct name_entry *names, size_t cap, uint64_t hash, struct str text)
{
	size_t i = hash & (cap - 1);
	while (names[i].text.p != NULL && !(names[i].hash == hash && str_eq(names[i].text, text)))
		i = (i + 1) & (cap - 1);
	return &names[i];
}

static void name_remember(struct store *st, struct str text, int64_t id)
{
	if (2 * (st->n_names + 1) > st->cap_names) {
		size_t cap = MAX(st->cap_names * 2, (size_t)64);
		struct name_entry *grown = mem_new_array(cap, sizeof(*grown));
		for (size_t i = 0; i < st->cap_names; i++)
			if (st->names[i].text.p != NULL)
				*name_slot(grown, cap, st->names[i].hash, st->names[i].text) = st->names[i];
		free(st->names);
		st->names = grown;
		st->cap_names = cap;
	}
	uint64_t hash = str_hash(text);
	*name_slot(st->names, st->cap_names, hash, text) =
		(struct name_entry){ .hash = hash, .id = id, .text = { str_dup(text), text.n } };
	st->n_names++;
}

int store_name_id(struct store *st, struct str text, int64_t *ret_id, struct err *err)
{
	if (text.n == 0) {
		*ret_id = 0;
		return 0;
	}
	if (st->n_names > 0) {
		const struct name_entry *known = name_slot(st->names, st->cap_names, str_hash(text), text);
		if (known->text.p != NULL) {
			*ret_id = known->id;
			return 0;
		}
	}
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_NAME_FIND, &s, err);
	if (rc < 0)
		return rc;
	stmt_bind_str(s, 1, text);
	int code = sqlite3_step(s);
	int64_t id = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return store_failed(st, "read a name", err);
	sqlite3_reset(s);
	if (code == SQLITE_DONE) {
		rc = store_stmt(st, STMT_NAME_ADD, &s, err);
		if (rc < 0)
			return rc;
		stmt_bind_str(s, 1, text);
		rc = store_run(st, s, "keep a name", err);
		id = sqlite3_last_insert_rowid(st->db);
	}
	if (rc == 0) {
		name_remember(st, text, id);
		*ret_id = id;
	}
	return rc;
}

/* -- the journal -- */

/* Was this number pruned already? Its bytes are gone, so it passes for the same batch. */
static int batch_was_pruned(
	struct store *st, int64_t agent_id, const struct entry *e, bool *ret, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_RANGE_LEFT, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, agent_id);
	sqlite3_bind_int64(s, 2, (int64_t)e->epoch);
	sqlite3_bind_int64(s, 3, (int64_t)e->number);
	int code = sqlite3_step(s);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return store_failed(st, "look a batch up", err);
	*ret = code == SQLITE_ROW && sqlite3_column_int64(s, 1) >= (int64_t)e->number;
	sqlite3_reset(s);
	return 0;
}

/* The number is taken: by the same bytes, or by others (a cloned machine, a restored disk)? */
static int batch_compare(struct store *st, int64_t agent_id, const struct entry *e, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_BATCH_BYTES, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, agent_id);
	sqlite3_bind_int64(s, 2, (int64_t)e->epoch);
	sqlite3_bind_int64(s, 3, (int64_t)e->number);
	if (sqlite3_step(s) != SQLITE_ROW)
		return store_failed(st, "read a batch", err);
	if (!str_eq(stmt_blob(s, 0), e->bytes))
		rc = err_set(err, ERR_EXISTS,
			"agent '%.*s' sent batch %" PRIu64 " of epoch %016" PRIx64
			" again with other contents: is its machine a copy of another, or its disk restored?",
			STR_ARG(e->agent), e->number, e->epoch);
	sqlite3_reset(s);
	return rc;
}

static int insert_entry(struct store *st, const struct entry *e, int64_t service_id, int64_t agent_id,
	int64_t region_id, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_APPEND, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, e->position);
	sqlite3_bind_int64(s, 2, e->received_at_us);
	sqlite3_bind_int(s, 3, (int)e->kind);
	sqlite3_bind_int64(s, 4, service_id);
	if (e->kind == ENTRY_BATCH) {
		sqlite3_bind_int64(s, 5, agent_id);
		sqlite3_bind_int64(s, 6, region_id);
		sqlite3_bind_int64(s, 7, (int64_t)e->epoch);
		sqlite3_bind_int64(s, 8, (int64_t)e->number);
		sqlite3_bind_int64(s, 9, e->raw_size);
		sqlite3_bind_int64(s, 10, e->clock_offset_us);
		sqlite3_bind_int64(s, 11, e->clock_uncertainty_us);
	}
	stmt_bind_blob(s, 12, e->bytes);
	return store_run(st, s, "append", err);
}

int store_append(struct store *st, struct entry *e, bool *ret_duplicate, struct err *err)
{
	int64_t service_id = 0, agent_id = 0, region_id = 0;
	bool pruned = false;
	int rc = store_need_group(st, err);
	if (rc == 0 && e->kind == ENTRY_BATCH && (e->agent.n == 0 || e->number > INT64_MAX)) {
		store_rollback(st);
		return err_set(
			err, ERR_NONSENSE, "a batch without an agent, or with number %" PRIu64, e->number);
	}
	if (rc == 0)
		rc = store_name_id(st, e->service, &service_id, err);
	if (rc == 0 && e->kind == ENTRY_BATCH) {
		rc = store_name_id(st, e->agent, &agent_id, err);
		if (rc == 0)
			rc = store_name_id(st, e->region, &region_id, err);
		if (rc == 0)
			rc = batch_was_pruned(st, agent_id, e, &pruned, err);
	}
	if (rc < 0)
		return rc;
	if (pruned) {
		*ret_duplicate = true;
		return 0;
	}
	struct entry put = *e;
	put.position = st->last_position + 1;
	put.received_at_us = MAX(e->received_at_us, st->last_received_us);
	rc = insert_entry(st, &put, service_id, agent_id, region_id, err);
	if (rc < 0)
		return rc;
	if (sqlite3_changes(st->db) == 0) {
		rc = batch_compare(st, agent_id, e, err);
		if (rc == 0)
			*ret_duplicate = true;
		return rc;
	}
	e->position = st->last_position = put.position;
	e->received_at_us = st->last_received_us = put.received_at_us;
	*ret_duplicate = false;
	return 0;
}

int store_mark_alive(struct store *st, int64_t now_us, struct err *err)
{
	int rc = store_need_group(st, err);
	sqlite3_stmt *s = NULL;
	if (rc == 0)
		rc = store_stmt(st, STMT_META_PUT, &s, err);
	if (rc < 0)
		return rc;
	stmt_bind_str(s, 1, STR("alive_at_us"));
	sqlite3_bind_int64(s, 2, now_us);
	return store_run(st, s, "note the time", err);
}

int store_put_snapshot(struct store *st, int64_t position, int64_t now_us, struct str bytes, struct err *err)
{
	int rc = store_need_group(st, err);
	if (rc == 0 && position > st->last_position)
		return err_set(err, ERR_NONSENSE,
			"a snapshot at %" PRId64 ", and the journal ends at %" PRId64, position,
			st->last_position);
	sqlite3_stmt *s = NULL;
	if (rc == 0)
		rc = store_stmt(st, STMT_SNAPSHOT_PUT, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, position);
	sqlite3_bind_int64(s, 2, now_us);
	stmt_bind_blob(s, 3, bytes);
	rc = store_run(st, s, "keep a snapshot", err);
	if (rc == 0)
		rc = store_stmt(st, STMT_SNAPSHOT_TRIM, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int(s, 1, STORE_SNAPSHOTS_KEPT);
	return store_run(st, s, "drop an old snapshot", err);
}

int store_put_agent(struct store *st, const struct agent_record *a, struct err *err)
{
	bool own = false;
	int rc = store_join_group(st, &own, err);
	sqlite3_stmt *s = NULL;
	if (rc == 0)
		rc = store_stmt(st, STMT_AGENT_PUT, &s, err);
	if (rc < 0)
		return rc;
	stmt_bind_str(s, 1, a->name);
	stmt_bind_str(s, 2, a->region);
	stmt_bind_blob(s, 3, (struct str){ (const char *)a->token.b, SHA256_BYTES });
	if (a->has_old)
		stmt_bind_blob(s, 4, (struct str){ (const char *)a->token_old.b, SHA256_BYTES });
	sqlite3_bind_int(s, 5, a->revoked);
	sqlite3_bind_int64(s, 6, a->enrolled_at_us);
	rc = store_run(st, s, "keep an agent", err);
	return rc == 0 && own ? store_commit(st, err) : rc;
}

/* A busy reader keeps frames in the WAL; the next time moves them. Waiting would stop the writer for its
 * sake. */
int store_checkpoint(struct store *st, struct err *err)
{
	INVARIANT(st->mode == STORE_WRITE && !st->in_group);
	sqlite3_busy_timeout(st->db, 0);
	int code = sqlite3_wal_checkpoint_v2(st->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(st->db, STORE_BUSY_MS);
	return code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY
		       ? 0
		       : store_failed(st, "move the WAL into it", err);
}
