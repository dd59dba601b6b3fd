/* slowdisk - LD_PRELOAD: a disk that is slow, or turns read-only, as the file SLOWDISK_CONF says, one line read anew at every call:
 *   FSYNC_MS BYTES_PER_S rw|ro
 * fsync and fdatasync take FSYNC_MS longer; writing is bounded to BYTES_PER_S (0: not bounded); with ro, writing, truncating and
 * making files fail with EROFS, as after a remount. Only files below SLOWDISK_DIR. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

struct how {
	long fsync_ms;
	double bytes_per_s;
	bool read_only;
};

static struct how how_now(void)
{
	struct how h = { 0 };
	char line[128] = "", mode[8] = "";
	const char *path = getenv("SLOWDISK_CONF");
	int (*real_open)(const char *, int, ...) = REAL(int (*)(const char *, int, ...), "open");
	int fd = path ? real_open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return h;
	ssize_t n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n > 0 && sscanf(line, "%ld %lf %7s", &h.fsync_ms, &h.bytes_per_s, mode) == 3)
		h.read_only = strcmp(mode, "ro") == 0;
	return h;
}

static bool path_is_ours(const char *path)
{
	const char *dir = getenv("SLOWDISK_DIR");
	return dir && path && strncmp(path, dir, strlen(dir)) == 0 && !strstr(path, "-shm");
}

static bool fd_is_ours(int fd)
{
	char link[64], path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return path_is_ours(path);
}

static void wait_s(double s)
{
	static _Atomic long owed_us; /* what is under a millisecond adds up */
	long us = atomic_fetch_add(&owed_us, (long)(s * 1e6)) + (long)(s * 1e6);
	if (us < 1000)
		return;
	atomic_fetch_sub(&owed_us, us / 1000 * 1000);
	poll(NULL, 0, (int)(us / 1000));
}

/* True: refused, errno says so. */
static bool refused(int fd, size_t bytes)
{
	if (!fd_is_ours(fd))
		return false;
	struct how h = how_now();
	if (h.read_only) {
		errno = EROFS;
		return true;
	}
	if (h.bytes_per_s > 0)
		wait_s((double)bytes / h.bytes_per_s);
	return false;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return refused(fd, n) ? -1 : REAL(ssize_t(*)(int, const void *, size_t, off64_t), "pwrite64")(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return refused(fd, n) ? -1 : REAL(ssize_t(*)(int, const void *, size_t, off_t), "pwrite")(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
	return refused(fd, n) ? -1 : REAL(ssize_t(*)(int, const void *, size_t), "write")(fd, p, n);
}

int ftruncate64(int fd, off64_t n)
{
	return refused(fd, 0) ? -1 : REAL(int (*)(int, off64_t), "ftruncate64")(fd, n);
}

int ftruncate(int fd, off_t n)
{
	return refused(fd, 0) ? -1 : REAL(int (*)(int, off_t), "ftruncate")(fd, n);
}

static int sync_slowly(int fd, const char *name)
{
	if (fd_is_ours(fd))
		wait_s((double)how_now().fsync_ms / 1000);
	return REAL(int (*)(int), name)(fd);
}

int fsync(int fd)
{
	return sync_slowly(fd, "fsync");
}

int fdatasync(int fd)
{
	return sync_slowly(fd, "fdatasync");
}

static bool open_refused(const char *path, int flags)
{
	if (!(flags & O_CREAT) || !path_is_ours(path) || access(path, F_OK) == 0 || !how_now().read_only)
		return false;
	errno = EROFS;
	return true;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, unsigned) : 0;
	va_end(args);
	return open_refused(path, flags) ? -1 : REAL(int (*)(const char *, int, ...), "open")(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, unsigned) : 0;
	va_end(args);
	return open_refused(path, flags) ? -1 : REAL(int (*)(const char *, int, ...), "open64")(path, flags, mode);
}
