/* worlds.c - `worlds make N SEED DIR` writes N worlds as DIR/NNNN.jsonl with their truth beside them; `worlds
 * judge N DIR` compares DIR/NNNN.out, which replay wrote, with the truth. tests/worlds/run does all of it. */
#include <stdlib.h>
#include <string.h>

#include "tests/worlds/world.h"

static FILE *create(const char *dir, int number, const char *what)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%04d.%s", dir, number, what);
	FILE *f = fopen(path, "w");
	if (f == NULL) {
		perror(path);
		exit(1);
	}
	return f;
}

/* Every row has its turn, so that few worlds show all of them. */
static int make(int n, uint64_t seed, const char *dir)
{
	struct world *w = malloc(sizeof(*w));
	size_t observations = 0;
	if (w == NULL)
		abort();
	for (int i = 0; i < n; i++) {
		world_make(w, &rows[(size_t)i % n_rows], seed * 100003 + (uint64_t)i);
		FILE *lines = create(dir, i, "jsonl"), *truth = create(dir, i, "truth");
		world_write_lines(w, lines);
		world_write_truth(w, truth);
		if (fclose(lines) != 0 || fclose(truth) != 0) {
			perror(dir);
			exit(1);
		}
		observations += w->n_observations;
		world_fini(w);
	}
	printf("%d worlds of %zu kinds, %zu observations\n", n, n_rows, observations);
	free(w);
	return 0;
}

static bool number(const char *text, int64_t max, int64_t *ret)
{
	return str_to_i64(str_of(text), ret, NULL) == 0 && *ret >= 0 && *ret <= max;
}

int main(int argc, char **argv)
{
	int64_t n = 0, seed = 0;
	if (argc == 5 && strcmp(argv[1], "make") == 0 && number(argv[2], 9999, &n) &&
		number(argv[3], INT32_MAX, &seed))
		return make((int)n, (uint64_t)seed, argv[4]);
	if (argc == 4 && strcmp(argv[1], "judge") == 0 && number(argv[2], 9999, &n))
		return judge(argv[3], (int)n);
	fprintf(stderr, "usage: worlds make N SEED DIR | worlds judge N DIR\n");
	return 2;
}
