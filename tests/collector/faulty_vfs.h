/* faulty_vfs.h - the system's files under SQLite, failing on demand. Becomes the default VFS of this process.
 */
#ifndef TESTS_FAULTY_VFS_H
#define TESTS_FAULTY_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
	FAULT_OPEN = 1,
	FAULT_READ = 2,
	FAULT_WRITE = 4,
	FAULT_SYNC = 8,
	FAULT_TRUNCATE = 16,
	FAULT_SHM = 32,
	FAULT_ANY = 63,
};

void faulty_vfs_register(void);
/* From now on the k-th of these calls fails, once; 0: none. With the code that the system's own would give.
 */
void fault_after(int k, unsigned kinds);
bool fault_fired(void);
/* The disk has this many bytes left; writes past the files' present ends use them up. -1: as many as there
 * are. */
void disk_left(int64_t bytes);

#endif
