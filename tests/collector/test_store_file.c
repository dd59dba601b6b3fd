/* Whose file is it, and in which state: one writer, many readers, nobody else's file. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store_fixture.h"

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

static void a_second_writer_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;
	struct err err = { 0 };
	char want[256], link[160];
	fixture_open(f);
	assert_int_equal(store_open(f->path, STORE_WRITE, &second, &err), ERR_BUSY);
	snprintf(want, sizeof(want),
		"another collector (process %d) writes to '%s': stop it, or give this one a store of its own",
		(int)getpid(), f->path);
	assert_string_equal(err.text, want);
	snprintf(link, sizeof(link), "%s/link.db", f->dir);
	assert_int_equal(symlink(f->path, link), 0);
	assert_int_equal(store_open(link, STORE_WRITE, &second, &err), ERR_BUSY); /* by any of its names */
	assert_null(second);
	store_close(fixture_reader(f)); /* readers are welcome, and their leaving changes nothing */
	fixture_close(f);
	fixture_open(f);
}

static void exec_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t ask_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int64_t v = sqlite3_column_int64(s, 0);
	assert_int_equal(sqlite3_finalize(s), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return v;
}

/* Schema 2 added evidence and nothing else: without it, the file is what the first version wrote. */
static void a_filled_store_of_schema_1_is_upgraded_and_keeps_everything(void **state)
{
	struct fixture *f = *state;
	fixture_open(f);
	for (uint64_t n = 1; n <= 20; n++)
		(void)put_batch(f->st, n, T0 + (int64_t)n * US_PER_S);
	int64_t last = put_event(f->st, ENTRY_DEPLOY, "shop", T0 + 30 * US_PER_S);
	put_snapshot(f->st, last, "what was folded");
	fixture_close(f);
	exec_sql(f->path, "INSERT INTO transitions VALUES(7, 1, 1, 0, 1, 1, 1, 'fresh', 'stale', 'v1', 'v2');"
			  "DROP TRIGGER transition_gone; DROP TABLE transition_evidence; DROP TABLE evidence;"
			  "PRAGMA user_version = 1");
	int64_t bytes = ask_sql(f->path, "SELECT sum(length(bytes)) FROM journal");

	struct store *reader = NULL;
	struct err err = { 0 };
	assert_true(store_open(f->path, STORE_READ, &reader, &err) < 0); /* readers change nothing */
	assert_int_equal(ask_sql(f->path, "PRAGMA user_version"), 1);

	fixture_open(f);
	int64_t position = put_batch(f->st, 21, T0 + 60 * US_PER_S);
	fixture_close(f);
	assert_true(position > last); /* it goes on where it was */
	assert_int_equal(ask_sql(f->path, "PRAGMA user_version"), 2);
	assert_int_equal(ask_sql(f->path, "SELECT count(*) FROM journal"), 22);
	assert_int_equal(
		ask_sql(f->path, "SELECT sum(length(bytes)) FROM journal WHERE number IS NOT 21"), bytes);
	assert_int_equal(ask_sql(f->path, "SELECT count(*) FROM snapshots"), 1);
	assert_int_equal(ask_sql(f->path, "SELECT count(*) FROM transitions"), 1);
	assert_int_equal(ask_sql(f->path, "SELECT count(*) FROM evidence"), 0);
}

static void write_file(const char *path, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void refused(struct fixture *f, enum store_mode mode, int rc, const char *says)
{
	struct store *st = NULL;
	struct err err = { 0 };
	assert_int_equal(store_open(f->path, mode, &st, &err), rc);
	assert_null(st);
	if (strstr(err.text, says) == NULL)
		fail_msg("'%s' does not say '%s'", err.text, says);
}

static void files_that_are_not_ours_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store *st = NULL;
	struct err err = { 0 };
	char garbage[4096];
	refused(f, STORE_READ, ERR_NOT_FOUND, "No such file or directory");

	memset(garbage, 'x', sizeof(garbage));
	write_file(f->path, garbage, sizeof(garbage));
	refused(f, STORE_WRITE, ERR_CORRUPT, "is damaged or no database");
	refused(f, STORE_WRITE, ERR_CORRUPT, "move it away: agents send again what their spools still hold");
	refused(f, STORE_READ, ERR_CORRUPT, "is damaged or no database");

	unlink(f->path);
	exec_sql(f->path, "CREATE TABLE songs(title)");
	refused(f, STORE_WRITE, ERR_CORRUPT,
		"is a database of another program: give tidemark a path of its own");
	unlink(f->path);
	exec_sql(f->path, "PRAGMA application_id=42; PRAGMA user_version=1");
	refused(f, STORE_WRITE, ERR_CORRUPT, "another program");

	unlink(f->path);
	fixture_open(f);
	fixture_close(f);
	exec_sql(f->path, "PRAGMA user_version=99");
	refused(f, STORE_WRITE, ERR_UNSUPPORTED, "was written by a newer tidemark (schema 99,");
	refused(f, STORE_READ, ERR_UNSUPPORTED, "was written by a newer tidemark (schema 99,");

	assert_int_equal(store_open("postgresql://db/tidemark", STORE_WRITE, &st, &err), ERR_UNSUPPORTED);
	assert_int_equal(store_open("sqlite:", STORE_WRITE, &st, &err), ERR_NONSENSE);
	assert_int_equal(store_open("/nonexistent/t.db", STORE_WRITE, &st, &err), ERR_IO);
	assert_string_equal(err.text, "cannot create '/nonexistent/t.db': No such file or directory");
	assert_int_equal(store_open(f->dir, STORE_WRITE, &st, &err), ERR_IO);
}

static int on_entry(void *ctx, const struct entry *e)
{
	return 0;
}

static void a_damaged_page_is_an_error_and_no_answer(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	bool duplicate;
	char zeros[4096] = { 0 };
	fixture_open(f);
	assert_int_equal(store_begin(f->st, &err), 0);
	for (uint64_t i = 1; i <= 900; i++) {
		struct entry e = entry_batch("a1", i, "");
		assert_int_equal(store_append(f->st, &e, &duplicate, &err), 0);
	}
	assert_int_equal(store_commit(f->st, &err), 0);
	fixture_close(f);
	struct stat meta;
	assert_int_equal(stat(f->path, &meta), 0);
	int fd = open(f->path, O_WRONLY);
	for (off_t at = 16 * 4096; at < meta.st_size; at += 4096)
		assert_int_equal(pwrite(fd, zeros, sizeof(zeros), at), sizeof(zeros));
	close(fd);
	struct store *r = NULL;
	int rc = store_open(f->path, STORE_READ, &r, &err);
	if (rc == 0)
		rc = store_each_entry(r, 0, on_entry, NULL, &err);
	assert_int_equal(rc, ERR_CORRUPT);
	assert_non_null(strstr(err.text, ".recover"));
	store_close(r);
}

static int64_t pragma(struct fixture *f, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int64_t v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return v;
}

static void the_file_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	struct stat meta;
	fixture_open(f);
	assert_int_equal(pragma(f, "PRAGMA application_id"), 0x7469646d);
	assert_int_equal(pragma(f, "PRAGMA auto_vacuum"), 2); /* incremental: it can shrink again */
	assert_int_equal(pragma(f, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
	assert_int_equal(
		pragma(f, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
			  " AND NOT strict AND name NOT LIKE 'sqlite%'"),
		0);
	assert_int_equal(stat(f->path, &meta), 0);
	assert_int_equal(meta.st_mode & 07, 0); /* hashes of tokens are in it */
}

/* A file left behind by a process that died while it made it. */
static void an_empty_or_half_made_file_is_a_new_store(void **state)
{
	struct fixture *f = *state;
	write_file(f->path, "", 0);
	fixture_open(f);
	put_batch(f->st, 1, T0);
	fixture_close(f);
	unlink(f->path);
	exec_sql(f->path,
		"PRAGMA auto_vacuum=2; PRAGMA journal_mode=WAL; BEGIN; CREATE TABLE names(id); ROLLBACK");
	fixture_open(f);
	put_batch(f->st, 1, T0);
}

static void readers_cannot_write(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	fixture_open(f);
	struct store *r = fixture_reader(f);
	struct agent_record a = { .name = STR("a") };
	pid_t child = fork();
	if (child == 0) { /* a writing call on a reader is a bug, and ends the process */
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(3);
		int rc = store_put_agent(r, &a, &err);
		_exit(rc < 0 ? 0 : 4);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	store_close(r);
	assert_int_equal(store_count(f->st, "agents"), 0);
}

static void a_file_moved_away_takes_nothing_until_it_is_back(void **state)
{
	struct fixture *f = *state;
	char aside[160];
	struct err err = { 0 };
	bool duplicate;
	(void)snprintf(aside, sizeof(aside), "%s.aside", f->path);
	fixture_open(f);
	assert_int_equal(put_batch(f->st, 1, 1000), 1);
	for (int replaced = 0; replaced < 2; replaced++) {
		struct entry e = entry_batch("a1", (uint64_t)replaced + 2, "");
		e.received_at_us = 2000;
		assert_int_equal(rename(f->path, aside), 0);
		if (replaced) { /* by an older copy, say */
			int fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
			assert_true(fd >= 0 && close(fd) == 0);
		}
		assert_int_equal(store_begin(f->st, &err), 0);
		assert_int_equal(store_append(f->st, &e, &duplicate, &err), 0);
		assert_int_equal(store_commit(f->st, &err), ERR_IO);
		assert_non_null(strstr(err.text, "moved, deleted or replaced; put it back, or restart"));
		assert_int_equal(store_last_position(f->st), replaced + 1);
		assert_int_equal(rename(aside, f->path), 0);
		assert_int_equal(put_batch(f->st, (uint64_t)replaced + 2, 3000), replaced + 2);
	}
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(store_count(f->st, "batches"), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_second_writer_is_refused),
		TEST(files_that_are_not_ours_are_refused),
		TEST(a_damaged_page_is_an_error_and_no_answer),
		TEST(the_file_says_what_it_is),
		TEST(an_empty_or_half_made_file_is_a_new_store),
		TEST(readers_cannot_write),
		TEST(a_filled_store_of_schema_1_is_upgraded_and_keeps_everything),
		TEST(a_file_moved_away_takes_nothing_until_it_is_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
