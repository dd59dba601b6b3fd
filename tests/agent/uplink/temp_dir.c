#include "temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *temp_dir_new(void)
{
	const char *base = getenv("TMPDIR");
	char *dir = mem_new(4096);
	snprintf(dir, 4096, "%s/tidemark-test-XXXXXX", base ? base : "/tmp");
	INVARIANT(mkdtemp(dir) != NULL);
	return dir;
}

static void remove_all(int fd)
{
	DIR *d = fdopendir(fd);
	INVARIANT(d != NULL);
	for (struct dirent *e; (e = readdir(d));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) < 0) {
			int sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY);
			if (sub >= 0)
				remove_all(sub);
			unlinkat(fd, e->d_name, AT_REMOVEDIR);
		}
	}
	closedir(d);
}

void temp_dir_remove(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	if (fd >= 0)
		remove_all(fd);
	rmdir(dir);
	free((void *)(uintptr_t)dir);
}

bool temp_file_exists(const char *dir, const char *name_prefix)
{
	DIR *d = opendir(dir);
	bool found = false;
	INVARIANT(d != NULL);
	for (struct dirent *e; (e = readdir(d));)
		found |= strncmp(e->d_name, name_prefix, strlen(name_prefix)) == 0;
	closedir(d);
	return found;
}

void temp_file_write(const char *dir, const char *name, const void *p, size_t n)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	INVARIANT(f != NULL && fwrite(p, 1, n, f) == n && fclose(f) == 0);
}

void temp_wait_ms(int ms)
{
	poll(NULL, 0, ms);
}
