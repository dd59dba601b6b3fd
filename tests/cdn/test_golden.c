/* test_golden.c - every vendor's recorded headers with the answer beside them. UPDATE_GOLDEN=1 rewrites the
 * answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/cdn/support.h"

#define FILE_BYTES_MAX (256 * 1024)

static void file_load(const char *path, struct buf *out)
{
	char part[4096];
	size_t n;
	FILE *f = fopen(path, "re");
	if (f == NULL)
		fail_msg("no recorded headers: %s", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(out, part, n);
	fclose(f);
	assert_false(buf_failed(out));
}

static void file_store(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(b->p, 1, b->n, f), b->n);
	assert_int_equal(fclose(f), 0);
}

/* A case ends where the next title or the file does. Its answers go where the first of them stood, behind its
 * headers. */
static void case_end(struct buf *headers, const char *vendor, struct buf *out, size_t *n_cases)
{
	struct case_headers room;
	struct edge_info e;
	if (headers->n == 0)
		return;
	edge_read(headers->p, &room, &e);
	if (!str_is(e.vendor, vendor))
		fail_msg("%s: a case is read as %.*s:\n%s", vendor, STR_ARG(e.vendor), headers->p);
	edge_print(&e, "< ", out);
	buf_clear(headers);
	++*n_cases;
}

/* The file as it ought to be: the same, with the answers written anew. */
static void golden_write(struct str text, const char *vendor, struct buf *out, size_t *n_cases)
{
	struct buf headers;
	struct str line;
	buf_init(&headers, FILE_BYTES_MAX);
	while (text.n > 0 && str_cut(&text, '\n', &line)) {
		if (str_starts(line, "< "))
			continue;
		if (!str_starts(line, "> ")) {
			case_end(&headers, vendor, out, n_cases);
		} else {
			buf_add_str(&headers, str_from(line, 2));
			buf_add_char(&headers, '\n');
		}
		buf_add_str(out, line);
		buf_add_char(out, '\n');
	}
	case_end(&headers, vendor, out, n_cases);
	buf_fini(&headers);
}

static void show_difference(const char *path, struct str is, struct str want)
{
	struct str a = STR_NONE, b = STR_NONE, title = STR_NONE;
	while (str_cut(&is, '\n', &a) && str_cut(&want, '\n', &b)) {
		if (str_starts(a, "## "))
			title = a;
		if (!str_eq(a, b))
			break;
	}
	fail_msg("%s\n  %.*s\n  file: %.*s\n  read: %.*s", path, STR_ARG(title), STR_ARG(a), STR_ARG(b));
}

static void test_every_vendor_reads_its_recorded_headers(void **state)
{
	(void)state;
	const struct vendor *v;
	for (size_t i = 0; (v = cdn_vendor_at(i)) != NULL; i++) {
		char path[512];
		struct buf is, want;
		size_t n_cases = 0;
		snprintf(path, sizeof(path), "%s/cdn/golden/%s.txt", TESTS_DIR, v->name);
		buf_init(&is, FILE_BYTES_MAX);
		buf_init(&want, FILE_BYTES_MAX);
		file_load(path, &is);
		golden_write(buf_str(&is), v->name, &want, &n_cases);
		assert_false(buf_failed(&want));
		if (n_cases == 0)
			fail_msg("%s holds no case", path);
		if (!str_eq(buf_str(&is), buf_str(&want))) {
			if (getenv("UPDATE_GOLDEN"))
				file_store(path, &want);
			else
				show_difference(path, buf_str(&is), buf_str(&want));
		}
		buf_fini(&is);
		buf_fini(&want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_vendor_reads_its_recorded_headers) };
	return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
