/* store_impl.h - what the files of the SQLite store share: store_migrate.c opens, store_sqlite.c writes,
 * store_prune.c deletes, store_read.c reads. Nobody else includes it. */
#ifndef COLLECTOR_STORE_IMPL_H
#define COLLECTOR_STORE_IMPL_H

#include <sqlite3.h>

#include "collector/store.h"

#define STORE_BUSY_MS          5000
#define STORE_WAL_PAGES        1000 /* after a commit that leaves more, they are moved into the database */
#define STORE_SNAPSHOTS_KEPT   2
#define STORE_IDENTITY_KEPT_US (30 * US_PER_DAY)

enum stmt {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_ROLLBACK,
	STMT_NAME_FIND,
	STMT_NAME_ADD,
	STMT_APPEND,
	STMT_BATCH_BYTES,
	STMT_RANGE_LEFT,
	STMT_RANGE_RIGHT,
	STMT_RANGE_PUT,
	STMT_RANGE_DELETE,
	STMT_RANGE_EXPIRE,
	STMT_META_PUT,
	STMT_META_GET,
	STMT_TRANSITION,
	STMT_VERDICT,
	STMT_SNAPSHOT_PUT,
	STMT_SNAPSHOT_TRIM,
	STMT_SNAPSHOT_GET,
	STMT_COVERED_TO,
	STMT_PRUNE_BATCHES,
	STMT_PRUNE_EVENTS,
	STMT_PRUNE_TRANSITIONS,
	STMT_PRUNE_VERDICTS,
	STMT_DELETE_ENTRY,
	STMT_EVENT_NEEDED,
	STMT_FREE_PAGES,
	STMT_VACUUM,
	STMT_AGENT_PUT,
	STMT_AGENTS,
	STMT_LAST,
	STMT_AT_POSITION,
	STMT_ENTRIES,
	STMT_NEWEST,
	STMT_BATCHES,
	STMT_TRANSITIONS,
	STMT_CELL_TRANSITIONS,
	STMT_VERDICTS,
	STMT_TRANSITION_EVIDENCE,
	STMT_EVIDENCE_PUT,
	STMT_EVIDENCE_OF,
	STMT_EVIDENCE,
	STMT_PRUNE_EVIDENCE,
	STMT_COUNT
};

struct name_entry {
	uint64_t hash;
	int64_t id;
	struct str text; /* owned; p is NULL in a free slot */
};

struct store {
	sqlite3 *db;
	enum store_mode mode;
	char *path;
	int lock_fd; /* -1: none held */
	sqlite3_stmt *stmt[STMT_COUNT];
	bool in_group;
	bool must_close;          /* an fsync failed */
	int wal_pages;            /* in the WAL after the last commit */
	int64_t boot_deadline_us; /* 0: none */
	/* Of the journal, open group included; what they fall back to when the group is lost is beside them.
	 */
	int64_t last_position, last_received_us;
	int64_t safe_position, safe_received_us;
	/* text to id, the writer's; emptied when a group is lost, as it may hold ids that never came to be */
	struct name_entry *names;
	size_t n_names, cap_names;
	/* Where the sweeps of retention are; start anew when a group is lost. */
	int64_t batches_swept_to, events_swept_to, identities_swept_us;
};

/* A statement, ready to be bound; prepared at first use. */
int store_stmt(struct store *st, enum stmt which, sqlite3_stmt **ret, struct err *err);
/* The sentence of what SQLite just said, its ERR_* and, inside a group, the end of that group. */
int store_failed(struct store *st, const char *doing, struct err *err);
/* Runs a statement that returns no row; resets it. */
int store_run(struct store *st, sqlite3_stmt *s, const char *doing, struct err *err);
/* ERR_* when no group is open. */
int store_need_group(const struct store *st, struct err *err);
/* Opens a group when none is open; *ret_own tells who has to commit. */
int store_join_group(struct store *st, bool *ret_own, struct err *err);
/* Id of a name, made when new; the empty name is 0. */
int store_name_id(struct store *st, struct str text, int64_t *ret_id, struct err *err);
/* Without making it: the empty name is 0; *ret_none is set when there is none of that name. */
int store_find_name(struct store *st, struct str text, int64_t *ret_id, bool *ret_none, struct err *err);
void store_forget_names(struct store *st);
/* The file is no longer where it was opened. */
bool store_has_moved(struct store *st);
/* Sets last_position and last_received_us from the file. */
int store_load_last(struct store *st, struct err *err);
/* The last position whose received_at is before at_us; 0: none. Relies on received_at never falling. */
int store_position_before(struct store *st, int64_t at_us, int64_t *ret_position, struct err *err);

void stmt_bind_str(sqlite3_stmt *s, int index, struct str text);
void stmt_bind_blob(sqlite3_stmt *s, int index, struct str bytes);
struct str stmt_str(sqlite3_stmt *s, int column); /* NULL is the empty string */
struct str stmt_blob(sqlite3_stmt *s, int column);

#endif
