/* test_headers.c - a raw block into headers, and lists out of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/cdn/read.h"
#include "tests/cdn/support.h"

#define BLOCK(literal) literal, sizeof(literal) - 1

static const struct {
	const char *says, *block;
	size_t block_n;
	int rc, status;
	const char *headers; /* "name=value|name=value" */
} blocks[] = {
	{ "a response as HTTP/1.1 sends it", BLOCK("HTTP/1.1 200 OK\r\nAge: 5\r\nETag: \"a\"\r\n\r\n"), 0,
		200, "Age=5|ETag=\"a\"" },
	{ "HTTP/2 as curl shows it: no reason phrase", BLOCK("HTTP/2 204\r\nage: 5\r\n\r\n"), 0, 204,
		"age=5" },
	{ "line feeds alone will do", BLOCK("HTTP/1.1 404 Not Found\nAge: 5\n\n"), 0, 404, "Age=5" },
	{ "cut off in the middle of a line: what is there counts", BLOCK("HTTP/1.1 200 OK\r\nAge: 5\r\nX-Ca"),
		0, 200, "Age=5" },
	{ "no status line: status 0", BLOCK("age: 5\nvary: a"), 0, 0, "age=5|vary=a" },
	{ "values are trimmed, and may be empty", BLOCK("HTTP/1.1 200 OK\r\nA:  x y \t\r\nB:\r\nC: \r\n\r\n"),
		0, 200, "A=x y|B=|C=" },
	{ "a space before the colon is dropped (RFC 9112, 5.1)", BLOCK("HTTP/1.1 200 OK\r\nA : 1\r\n"), 0,
		200, "A=1" },
	{ "lines that are no header are left out",
		BLOCK("HTTP/1.1 200 OK\r\nno colon\r\n: no name\r\nbad name: 1\r\nGood: 2\r\n"), 0, 200,
		"Good=2" },
	{ "a folded line belongs to the line before (RFC 9112, 5.2)",
		BLOCK("HTTP/1.1 200 OK\r\nA: 1,\r\n\t2\r\nB: 3\r\n"), 0, 200, "A=1,\r\n\t2|B=3" },
	{ "a line folded behind an empty value", BLOCK("HTTP/1.1 200 OK\r\nA:\r\n 2\r\n"), 0, 200, "A=2" },
	{ "a fold behind a line that was left out goes with it",
		BLOCK("HTTP/1.1 200 OK\r\nA: 1\r\njunk\r\n 2\r\n"), 0, 200, "A=1" },
	{ "the first empty line ends it", BLOCK("HTTP/1.1 200 OK\r\nA: 1\r\n\r\nB: 2\r\n"), 0, 200, "A=1" },
	{ "empty lines in front are skipped", BLOCK("\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\n"), 0, 200, "A=1" },
	{ "nothing at all", BLOCK(""), ERR_SYNTAX, 0, NULL },
	{ "only junk", BLOCK("<html>\n"), ERR_SYNTAX, 0, NULL },
	{ "a status line without a code", BLOCK("HTTP/1.1\r\nA: 1\r\n"), ERR_SYNTAX, 0, NULL },
	{ "a code of four digits", BLOCK("HTTP/1.1 2000 OK\r\n"), ERR_SYNTAX, 0, NULL },
	{ "a code below 100", BLOCK("HTTP/1.1 099 OK\r\n"), ERR_SYNTAX, 0, NULL },
	{ "a negative code", BLOCK("HTTP/1.1 -20 OK\r\n"), ERR_SYNTAX, 0, NULL },
	{ "a NUL byte in a value", BLOCK("HTTP/1.1 200 OK\r\nA: 1\0002\r\n"), ERR_SYNTAX, 0, NULL },
	{ "a NUL byte in the status line", BLOCK("HTTP/1.1 200 O\0K\r\nA: 1\r\n"), ERR_SYNTAX, 0, NULL },
};

static void test_blocks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		struct header room[4];
		struct headers h = { 0 };
		int status = -1;
		struct err err = { 0 };
		struct buf text;
		int rc = headers_parse(
			(struct str){ blocks[i].block, blocks[i].block_n }, room, 4, &h, &status, &err);
		if (rc != blocks[i].rc)
			fail_msg("%s: returned %d (%s)", blocks[i].says, rc, err.text);
		if (rc < 0) {
			assert_true(err.text[0] != '\0' && status == -1 && h.h == NULL);
			continue;
		}
		buf_init(&text, 4096);
		for (size_t j = 0; j < h.n; j++)
			buf_addf(&text, "%s%.*s=%.*s", j ? "|" : "", STR_ARG(h.h[j].name),
				STR_ARG(h.h[j].value));
		if (status != blocks[i].status || !str_is(buf_str(&text), blocks[i].headers))
			fail_msg("%s: status %d, %s", blocks[i].says, status, text.p ? text.p : "no headers");
		buf_fini(&text);
	}
}

static void test_no_bytes_at_all(void **state)
{
	(void)state;
	struct header room[1];
	struct headers h = { 0 };
	int status = 0;
	assert_int_equal(headers_parse(STR_NONE, room, 1, &h, &status, NULL), ERR_SYNTAX);
}

static void test_more_headers_than_room_are_refused(void **state)
{
	(void)state;
	struct header room[2];
	struct headers h = { 0 };
	int status = 0;
	struct err err;
	assert_int_equal(headers_parse(STR("HTTP/1.1 200 OK\nA: 1\nB: 2\n"), room, 2, &h, &status, &err), 0);
	assert_int_equal(h.n, 2);
	assert_int_equal(
		headers_parse(STR("HTTP/1.1 200 OK\nA: 1\nB: 2\nC: 3\n"), room, 2, &h, &status, &err),
		ERR_TOO_BIG);
	assert_string_equal(err.text, "line 4: more than 2 headers");
}

static void test_lookup_is_by_name_in_any_case(void **state)
{
	(void)state;
	struct case_headers c;
	struct str v;
	headers_from("X-Cache: a\nAGE: 1\nx-cache: b\nX-Cache-Hits: 3", &c);
	assert_true(headers_get(&c.h, "x-cache", &v) && str_is(v, "a"));
	assert_true(headers_get_last(&c.h, "X-CACHE", &v) && str_is(v, "b"));
	assert_true(headers_get(&c.h, "age", &v) && str_is(v, "1"));
	assert_false(headers_get(&c.h, "x-cache-", &v));
	assert_false(headers_get_last(&c.h, "x", &v));
}

static const struct {
	const char *says, *headers, *members;
} lists[] = {
	{ "one line", "V: a, b,c", "a|b|c" },
	{ "all lines of the name in order, others between them", "V: a\nW: x\nv: b, c\nV: d", "a|b|c|d" },
	{ "empty members are left out", "V: ,a,, b ,\nV: ,\nV:\nV: c", "a|b|c" },
	{ "a comma in quotes is text", "V: \"a, b\", c", "\"a, b\"|c" },
	{ "an escaped quote does not end the quotes", "V: \"a\\\", b\", c", "\"a\\\", b\"|c" },
	{ "a quote that never closes runs to the end of its line, not further", "V: a, \"b, c\nV: d",
		"a|\"b, c|d" },
	{ "a backslash at the very end", "V: a, \"b\\\nV: d", "a|\"b\\|d" },
	{ "no such header", "W: a", "" },
};

static void test_members(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct case_headers c;
		struct str member;
		struct buf text;
		buf_init(&text, 4096);
		headers_from(lists[i].headers, &c);
		for (size_t at = 0; headers_next_member(&c.h, "V", &at, &member);)
			buf_addf(&text, "%s%.*s", text.n ? "|" : "", STR_ARG(member));
		if (!str_is(buf_str(&text), lists[i].members))
			fail_msg("%s: %s", lists[i].says, text.p);
		buf_fini(&text);
	}
}

static void test_lists_keep_the_nearest_members(void **state)
{
	(void)state;
	struct case_headers c;
	struct list l;
	struct buf text;
	buf_init(&text, 4096);
	buf_addf(&text, "V: ");
	for (int i = 1; i <= 40; i++)
		buf_addf(&text, i == 25 ? "m%d\nV: " : "m%d, ", i);
	headers_from(text.p, &c);
	list_read(&c.h, "v", ENCLOSING_QUOTES, &l);
	assert_int_equal(l.n, LIST_MAX);
	assert_true(str_is(list_nearest(&l, 0), "m40") && str_is(list_nearest(&l, LIST_MAX - 1), "m25"));
	assert_int_equal(list_nearest(&l, LIST_MAX).n, 0);
	headers_from("Via: 1.1 a (x, y), c.d[1,2,H], 1.1 b", &c);
	list_read(&c.h, "via", ENCLOSING_ALL, &l);
	assert_int_equal(l.n, 3);
	assert_true(str_is(list_nearest(&l, 1), "c.d[1,2,H]") && str_is(list_nearest(&l, 2), "1.1 a (x, y)"));
	buf_fini(&text);
}

/* The index counts lines in a byte: what stands at its end, and past it, is found all the same. */
static void test_look_ups_in_many_lines(void **state)
{
	(void)state;
	static const size_t counts[] = { 1, 255, 256, 257, 400 };
	struct header room[400];
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct headers h = { .h = room, .n = counts[i], .received_at_us = TIME_NONE };
		struct str value;
		for (size_t k = 0; k < h.n; k++)
			room[k] = (struct header){ STR("x-filler"), STR("0") };
		room[0] = (struct header){ STR("Age"), STR("1") };
		room[h.n - 1] = (struct header){ STR("Age"), STR("2") };
		headers_index(&h);
		assert_true(headers_get_last(&h, "age", &value));
		assert_true(str_is(value, "2"));
		assert_true(headers_get(&h, "age", &value));
		assert_true(str_is(value, h.n > 1 ? "1" : "2"));
		assert_false(headers_get(&h, "via", &value));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_no_bytes_at_all),
		cmocka_unit_test(test_more_headers_than_room_are_refused),
		cmocka_unit_test(test_lookup_is_by_name_in_any_case),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_lists_keep_the_nearest_members),
		cmocka_unit_test(test_look_ups_in_many_lines),
	};
	return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
