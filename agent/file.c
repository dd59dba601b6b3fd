#include "agent/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int file_read(const char *path, struct buf *out, struct err *err)
{
	char block[16384];
	ssize_t n = 0;
	int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot read %s: %s", path,
			strerror(errno));
	while (!buf_failed(out) && ((n = read(fd, block, sizeof(block))) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0)
			buf_add(out, block, (size_t)n);
	if (buf_failed(out))
		rc = err_set(err, ERR_TOO_BIG, "%s has over %zu bytes", path, out->cap);
	else if (n < 0)
		rc = err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	close(fd);
	return rc;
}

static int write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		s = str_from(s, (size_t)n);
	}
	return 0;
}

/* The rename is on disk only when the directory is. */
static int sync_dir_of(const char *path)
{
	ptrdiff_t slash = str_rfind(str_of(path), '/');
	char *dir = str_dup(slash < 0 ? STR(".") : str_first(str_of(path), (size_t)MAX(slash, 1)));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);
	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

int file_replace(const char *path, struct str bytes, struct err *err)
{
	struct buf temp;
	int rc = 0, fd;
	buf_init(&temp, 4096);
	buf_addf(&temp, "%s.new", path);
	INVARIANT(!buf_failed(&temp));
	fd = open(temp.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, bytes) < 0 || fsync(fd) < 0 || rename(temp.p, path) < 0 ||
		sync_dir_of(path) < 0) {
		rc = err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
		(void)unlink(temp.p); /* half a file helps nobody */
	}
	if (fd >= 0)
		close(fd);
	buf_fini(&temp);
	return rc;
}
