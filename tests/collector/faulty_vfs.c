#include "faulty_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct faulty_file { /* the system's own file follows */
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs faulty;
static _Atomic int countdown; /* a test sets them while a thread of the collector writes */
static _Atomic unsigned counted;
static _Atomic bool fired;
static _Atomic int64_t left = -1;

void fault_after(int k, unsigned kinds)
{
	countdown = k;
	counted = kinds;
	fired = false;
}

bool fault_fired(void)
{
	return fired;
}

void disk_left(int64_t bytes)
{
	left = bytes;
}

static bool fails(enum fault kind)
{
	if (countdown == 0 || !(counted & kind) || --countdown > 0)
		return false;
	fired = true;
	return true;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct faulty_file *)f)->real;
}

static int on_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int on_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return fails(FAULT_READ) ? SQLITE_IOERR_READ : real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int on_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	sqlite3_int64 size = 0;
	if (fails(FAULT_WRITE))
		return SQLITE_IOERR_WRITE;
	if (left >= 0) {
		real_of(f)->pMethods->xFileSize(real_of(f), &size);
		if (at + n > size && at + n - size > left) {
			fired = true;
			return SQLITE_FULL;
		}
		left -= at + n > size ? at + n - size : 0;
	}
	return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int on_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return fails(FAULT_TRUNCATE) ? SQLITE_IOERR_TRUNCATE
				     : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int on_sync(sqlite3_file *f, int flags)
{
	return fails(FAULT_SYNC) ? SQLITE_IOERR_FSYNC : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int on_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int on_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int on_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int on_check_lock(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int on_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int on_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int on_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int on_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	return fails(FAULT_SHM) ? SQLITE_IOERR_SHMMAP
				: real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, ret);
}

static int on_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int on_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2, /* without memory mapping: every read is counted */
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check_lock,
	.xFileControl = on_control,
	.xSectorSize = on_sector,
	.xDeviceCharacteristics = on_device,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct faulty_file *file = (struct faulty_file *)f;
	file->base.pMethods = NULL;
	if (fails(FAULT_OPEN))
		return SQLITE_CANTOPEN;
	file->real = (sqlite3_file *)(file + 1);
	int code = real_vfs->xOpen(real_vfs, name, file->real, flags, ret_flags);
	if (file->real->pMethods)
		file->base.pMethods = &methods;
	return code;
}

void faulty_vfs_register(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	faulty = *real_vfs;
	faulty.zName = "faulty";
	faulty.pNext = NULL;
	faulty.szOsFile = (int)sizeof(struct faulty_file) + real_vfs->szOsFile;
	faulty.xOpen = on_open;
	sqlite3_vfs_register(&faulty, 1);
}
