/* replay DIR - runs every file of a corpus through the target, in the order of their names. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "fuzz.h"

static int is_input(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void run_file(const char *path)
{
	struct buf bytes;
	char block[65536];
	size_t n;
	FILE *f = fopen(path, "rb");
	INVARIANT(f != NULL);
	buf_init(&bytes, 16 * 1024 * 1024);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_add(&bytes, block, n);
	fclose(f);
	INVARIANT(!buf_failed(&bytes));
	/* exactly as large as it is, so that reading behind its end is noticed */
	uint8_t *exact = malloc(bytes.n ? bytes.n : 1);
	INVARIANT(exact != NULL);
	if (bytes.n)
		memcpy(exact, bytes.p, bytes.n);
	LLVMFuzzerTestOneInput(exact, bytes.n);
	free(exact);
	buf_fini(&bytes);
}

int main(int argc, char **argv)
{
	struct dirent **names;
	if (argc != 2) {
		fprintf(stderr, "usage: replay DIR\n");
		return 2;
	}
	int n = scandir(argv[1], &names, is_input, alphasort);
	if (n <= 0) {
		fprintf(stderr, "%s: no inputs there\n", argv[1]);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", argv[1], names[i]->d_name);
		fprintf(stderr, "%s\n", path); /* the last one named is the one that crashed */
		run_file(path);
		free(names[i]);
	}
	free(names);
	printf("%d inputs\n", n);
	return 0;
}
