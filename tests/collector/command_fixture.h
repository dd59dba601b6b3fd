/* command_fixture.h - a command's main() run in this process: what went in, what it printed, how it ended. */
#ifndef TESTS_COMMAND_FIXTURE_H
#define TESTS_COMMAND_FIXTURE_H

#include <jansson.h>

#include "store_fixture.h"

struct ran {
	int status;
	struct buf out, err;
};
/* args: argv[0] and on, separated by blanks. input: standard input, NULL for none. */
struct ran run(struct fixture *f, int (*command)(int argc, char **argv), const char *args, const char *input);
void ran_fini(struct ran *r);

/* A file in the fixture's directory; good for four calls. */
char *path_in(struct fixture *f, const char *name);
void put_file(const char *path, const struct buf *b);

/* What it printed, which must be JSON, with status 0. json_decref() it. */
json_t *document(const struct ran *ran);
/* root[list][i][key] as text; "(absent)" and "null" where that is what it is. */
const char *at(const json_t *root, const char *list, size_t i, const char *key);

#endif
