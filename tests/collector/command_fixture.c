#include "command_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void ran_fini(struct ran *r)
{
	buf_fini(&r->out);
	buf_fini(&r->err);
}

static int redirect(int fd, const char *path, int flags)
{
	int saved = dup(fd), file = open(path, flags, 0600);
	assert_true(saved >= 0 && file >= 0);
	assert_true(dup2(file, fd) == fd);
	close(file);
	return saved;
}

static void restore(int fd, int saved)
{
	assert_true(dup2(saved, fd) == fd);
	close(saved);
}

static void slurp(const char *path, struct buf *out)
{
	char block[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY);
	buf_init(out, 256 << 20);
	while ((n = read(fd, block, sizeof(block))) > 0)
		buf_add(out, block, (size_t)n);
	close(fd);
}

char *path_in(struct fixture *f, const char *name)
{
	static char paths[4][160];
	static size_t next;
	char *path = paths[next++ % ARRAY_LEN(paths)];
	snprintf(path, sizeof(paths[0]), "%s/%s", f->dir, name);
	return path;
}

/* args: separated by blanks. input: standard input, NULL for none. */
struct ran run(struct fixture *f, int (*command)(int argc, char **argv), const char *args, const char *input)
{
	struct ran ran = { 0 };
	char *argv[16], *text = mem_strdup(args);
	struct str rest = str_of(text), word;
	int argc = 0;
	while (argc < 15 && str_cut(&rest, ' ', &word))
		if (word.n)
			argv[argc++] = str_dup(word);
	argv[argc] = NULL;
	const char *in = path_in(f, "stdin");
	int fd = open(in, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (input)
		assert_int_equal(write(fd, input, strlen(input)), strlen(input));
	close(fd);
	fflush(stdout);
	fflush(stderr);
	int saved_in = redirect(0, in, O_RDONLY);
	int saved_out = redirect(1, path_in(f, "stdout"), O_WRONLY | O_CREAT | O_TRUNC);
	int saved_err = redirect(2, path_in(f, "stderr"), O_WRONLY | O_CREAT | O_TRUNC);
	__fpurge(stdin); /* what an earlier run left unread is not this one's */
	clearerr(stdin);
	ran.status = command(argc, argv);
	fflush(stdout);
	fflush(stderr);
	restore(0, saved_in);
	restore(1, saved_out);
	restore(2, saved_err);
	slurp(path_in(f, "stdout"), &ran.out);
	slurp(path_in(f, "stderr"), &ran.err);
	while (argc > 0)
		free(argv[--argc]);
	free(text);
	return ran;
}

json_t *document(const struct ran *ran)
{
	json_error_t e;
	json_t *root = json_loadb(ran->out.p ? ran->out.p : "", ran->out.n, JSON_REJECT_DUPLICATES, &e);
	if (ran->status != 0 || root == NULL)
		fail_msg("status %d, %s\n%s\n%s", ran->status, e.text, ran->out.p, ran->err.p);
	return root;
}

const char *at(const json_t *root, const char *list, size_t i, const char *key)
{
	const json_t *v = json_object_get(json_array_get(json_object_get(root, list), i), key);
	return json_is_string(v) ? json_string_value(v) : json_is_null(v) ? "null" : "(absent)";
}

void put_file(const char *path, const struct buf *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, b->p, b->n), b->n);
	close(fd);
}
