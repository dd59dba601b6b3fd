/* store_upkeep.c - the store as a whole: is it sound, and a copy of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/store_impl.h"

#define COMPLAINTS_MAX 20

int store_check(struct store *st, void (*each)(void *ctx, struct str complaint), void *ctx, struct err *err)
{
	sqlite3_stmt *s = NULL;
	char sql[64];
	int n = 0, code;
	snprintf(sql, sizeof(sql), "PRAGMA integrity_check(%d)", COMPLAINTS_MAX);
	if (sqlite3_prepare_v2(st->db, sql, -1, &s, NULL) != SQLITE_OK)
		return store_failed(st, "check it", err);
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		struct str says = stmt_str(s, 0);
		if (str_is(says, "ok"))
			continue;
		each(ctx, says);
		n++;
	}
	int rc = code == SQLITE_DONE ? 0 : store_failed(st, "check it", err);
	sqlite3_finalize(s);
	if (rc == 0 && n > 0)
		rc = err_set(err, ERR_CORRUPT,
			"'%s' is damaged. Restore a backup (tidemark-collector restore), or rescue what can be read (sqlite3 '%s' "
			".recover | sqlite3 NEW)",
			st->path, st->path);
	return rc;
}

static int sync_path(const char *path, int flags, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC);
	bool failed = fd < 0 || fsync(fd) < 0;
	int why = errno;
	if (fd >= 0)
		close(fd);
	return failed ? err_set(err, ERR_IO, "cannot sync '%s': %s", path, strerror(why)) : 0;
}

/* The name as it is on disk too: the file first, then its folder. */
static int sync_both(const char *path, struct err *err)
{
	int rc = sync_path(path, O_RDONLY, err);
	struct str whole = str_of(path);
	ptrdiff_t slash = str_rfind(whole, '/');
	char *folder = slash < 0 ? mem_strdup(".") : slash == 0 ? mem_strdup("/") : str_dup(str_first(whole, (size_t)slash));
	if (rc == 0)
		rc = sync_path(folder, O_RDONLY | O_DIRECTORY, err);
	free(folder);
	return rc;
}

/* One step: the copy is of one moment, whoever writes meanwhile; in small steps a busy writer would make it begin anew for ever. */
static int copy_all(struct store *st, const char *to, struct err *err)
{
	sqlite3 *copy = NULL;
	int rc = 0, fd = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640); /* hashes of tokens are in it */
	if (fd < 0)
		return err_set(err, errno == EEXIST ? ERR_EXISTS : ERR_IO, "cannot write '%s': %s", to, strerror(errno));
	close(fd);
	sqlite3_backup *b = sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK
				    ? sqlite3_backup_init(copy, "main", st->db, "main")
				    : NULL;
	int code = b ? sqlite3_backup_step(b, -1) : sqlite3_errcode(copy);
	if (b)
		sqlite3_backup_finish(b);
	if (code != SQLITE_DONE)
		rc = err_set(err, (code & 0xff) == SQLITE_FULL ? ERR_FULL : ERR_IO, "cannot copy '%s' to '%s': %s", st->path, to,
			sqlite3_errstr(code));
	/* one file, not three */
	if (rc == 0 && sqlite3_exec(copy, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
		rc = err_set(err, ERR_IO, "cannot finish '%s': %s", to, sqlite3_errmsg(copy));
	sqlite3_close(copy);
	return rc;
}

int store_backup(struct store *st, const char *to, struct err *err)
{
	struct buf part;
	struct stat there;
	if (stat(to, &there) == 0)
		return err_set(err, ERR_EXISTS, "'%s' is there already, and is not written over", to);
	buf_init(&part, 8192);
	buf_addf(&part, "%s.part", to);
	int rc = buf_failed(&part) ? err_set(err, ERR_TOO_BIG, "'%s' is too long a name", to) : copy_all(st, part.p, err);
	if (rc == 0)
		rc = sync_path(part.p, O_RDONLY, err);
	if (rc == 0 && link(part.p, to) < 0) /* never over another one */
		rc = err_set(err, ERR_IO, "cannot call '%s' '%s': %s", part.p, to, strerror(errno));
	if (rc != ERR_EXISTS && part.p)
		unlink(part.p);
	if (rc == 0)
		rc = sync_both(to, err);
	buf_fini(&part);
	return rc;
}
