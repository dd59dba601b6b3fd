/* Versions found in answers: pointers, headers, expressions, digests; and what hostile answers do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>

#include "agent/extract.h"
#include "agent/json_find.h"

static bool run(enum extract_kind kind, struct str arg, const char *block, struct str body,
	struct extracted *ret, struct err *err)
{
	struct header room[HEADERS_MAX];
	struct headers h = { .h = room };
	struct extractor *x = NULL;
	int status;
	char *owned = str_dup(body);
	if (extractor_new(kind, arg, &x, err) < 0)
		fail_msg("%.*s: %s", STR_ARG(arg), err->text);
	assert_int_equal(headers_parse(str_of(block), room, HEADERS_MAX, &h, &status, err), 0);
	bool found = extract(x, &h, (struct str){ owned, body.n }, ret, err);
	extractor_free(x);
	free(owned);
	return found;
}

static void json_pointers(void **state)
{
	static const struct {
		const char *says, *pointer, *body, *want; /* want NULL: no version */
	} cases[] = {
		{ "a member", "/version", "{\"version\":\"v2\"}", "v2" },
		{ "a nested one", "/build/sha", "{\"build\":{\"sha\":\"abc\"},\"sha\":\"no\"}", "abc" },
		{ "not one of that name elsewhere", "/sha", "{\"build\":{\"sha\":\"abc\"}}", NULL },
		{ "an array's element", "/0/v", "[{\"v\":\"a\"},{\"v\":\"b\"}]", "a" },
		{ "another", "/1/v", "[{\"v\":\"a\"},{\"v\":\"b\"}]", "b" },
		{ "past the end", "/2/v", "[{\"v\":\"a\"},{\"v\":\"b\"}]", NULL },
		{ "no leading zeros in an index", "/01", "[\"a\",\"b\"]", NULL },
		{ "'-' is the element after the last, which is none", "/-", "[\"a\"]", NULL },
		{ "a digit may name a member", "/0", "{\"0\":\"a\"}", "a" },
		{ "the whole document", "", "\"v2\"", "v2" },
		{ "a document that is a number", "", " 42 ", "42" },
		{ "a slash in a name", "/a~1b", "{\"a/b\":\"v\"}", "v" },
		{ "a tilde in a name", "/a~0b", "{\"a~b\":\"v\"}", "v" },
		{ "~01 is ~1, not a slash", "/~01", "{\"~1\":\"v\"}", "v" },
		{ "an empty name", "/", "{\"\":\"v\"}", "v" },
		{ "an escaped name", "/version", "{\"\\u0076ersion\":\"v\"}", "v" },
		{ "a name beyond the basic plane", "/\xF0\x9F\x8D\x8C", "{\"\\ud83c\\udf4c\":\"v\"}", "v" },
		{ "an integer", "/v", "{\"v\":20260301}", "20260301" },
		{ "an integer beyond 64 bits keeps its digits", "/v",
			"{\"v\":123456789012345678901234567890}", "123456789012345678901234567890" },
		{ "1.10 is not 1.1", "/v", "{\"v\":1.10}", "1.10" },
		{ "an exponent as spelled", "/v", "{\"v\":1e3}", "1e3" },
		{ "true", "/v", "{\"v\":true}", "true" },
		{ "false", "/v", "{\"v\":false}", "false" },
		{ "null is none", "/v", "{\"v\":null}", NULL },
		{ "an object is none", "/v", "{\"v\":{\"x\":1}}", NULL },
		{ "an array is none", "/v", "{\"v\":[1]}", NULL },
		{ "the empty string is none", "/v", "{\"v\":\"\"}", NULL },
		{ "blanks are none", "/v", "{\"v\":\" \\n \"}", NULL },
		{ "trimmed", "/v", "{\"v\":\"  v2\\n\"}", "v2" },
		{ "escapes undone", "/v", "{\"v\":\"a\\\"b\\\\c\\/d\\u00e9\"}", "a\"b\\c/d\xC3\xA9" },
		{ "a surrogate pair", "/v", "{\"v\":\"\\ud83c\\udf4c\"}", "\xF0\x9F\x8D\x8C" },
		{ "half a surrogate pair is mended", "/v", "{\"v\":\"x\\ud83cy\"}", "x\xEF\xBF\xBDy" },
		{ "an escaped NUL is mended", "/v", "{\"v\":\"a\\u0000b\"}",
			"a\xEF\xBF\xBD"
			"b" },
		{ "bytes that are no UTF-8 are mended", "/v",
			"{\"v\":\"a\xFF\xFE"
			"b\"}",
			"a\xEF\xBF\xBD\xEF\xBF\xBD"
			"b" },
		{ "of two, the last", "/v", "{\"v\":\"a\",\"v\":\"b\"}", "b" },
		{ "of two, the last, also when it is another thing", "/v/x",
			"{\"v\":{\"x\":\"a\"},\"v\":{\"y\":1}}", NULL },
		{ "a byte order mark", "/v", "\xEF\xBB\xBF{\"v\":\"a\"}", "a" },
		{ "a page is no JSON", "/v", "<html>oops</html>", NULL },
		{ "nothing", "/v", "", NULL },
		{ "cut in the middle", "/v", "{\"v\":\"a\",\"w\":", NULL },
		{ "a comma too many", "/v", "{\"v\":\"a\",}", NULL },
		{ "two documents", "/v", "{\"v\":\"a\"}{}", NULL },
		{ "a bare word", "/v", "{\"v\":yes}", NULL },
		{ "a control character in a string", "/v", "{\"v\":\"a\nb\"}", NULL },
		{ "a leading zero", "/v", "{\"v\":012}", NULL },
		{ "an escape that JSON has not", "/v", "{\"v\":\"\\x41\"}", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct extracted got;
		struct err err = { 0 };
		bool found = run(EXTRACT_JSON, str_of(cases[i].pointer), "HTTP/1.1 200 OK\r\n\r\n",
			str_of(cases[i].body), &got, &err);
		if (found != (cases[i].want != NULL) || (found && strcmp(got.text, cases[i].want) != 0))
			fail_msg("%s: got %s", cases[i].says, found ? got.text : err.text);
		if (!found && err.text[0] == '\0')
			fail_msg("%s: no reason is given", cases[i].says);
	}
}

static void headers_and_bodies(void **state)
{
#define BLOCK                                                                                                \
	"HTTP/1.1 200 OK\r\nX-Version:  v7 \r\nETag: W/\"a-1\"\r\nLast-Modified: Sun, 01 Mar 2026 10:00:00 " \
	"GMT\r\n\r\n"
	static const struct {
		const char *says;
		enum extract_kind kind;
		const char *arg, *body, *want;
	} cases[] = {
		{ "a header, trimmed, its name in any case", EXTRACT_HEADER, "x-version", "", "v7" },
		{ "a header that is not there", EXTRACT_HEADER, "X-Build", "", NULL },
		{ "the ETag as it is, weak or not", EXTRACT_ETAG, "", "", "W/\"a-1\"" },
		{ "Last-Modified", EXTRACT_LAST_MODIFIED, "", "", "Sun, 01 Mar 2026 10:00:00 GMT" },
		{ "the digest of a body", EXTRACT_SHA256, "", "abc",
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "the digest of an empty body", EXTRACT_SHA256, "", "",
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "a capture", EXTRACT_REGEX, "build: ([0-9a-f]+)", "x\nbuild: 12ab\n", "12ab" },
		{ "without a capture the whole match", EXTRACT_REGEX, "v[0-9]+", "at v12 now", "v12" },
		{ "the first of several captures", EXTRACT_REGEX, "(v|r)([0-9]+)", "r12", "r" },
		{ "lines are lines", EXTRACT_REGEX, "^version=(.*)$", "a=1\nversion=v3\nb=2\n", "v3" },
		{ "no match", EXTRACT_REGEX, "build: ([0-9]+)", "nothing here", NULL },
		{ "a capture that took no part", EXTRACT_REGEX, "x(y)?z", "xz", NULL },
		{ "an empty capture", EXTRACT_REGEX, "v=([0-9]*)", "v=", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct extracted got;
		struct err err = { 0 };
		bool found =
			run(cases[i].kind, str_of(cases[i].arg), BLOCK, str_of(cases[i].body), &got, &err);
		if (found != (cases[i].want != NULL) || (found && strcmp(got.text, cases[i].want) != 0))
			fail_msg("%s: got %s", cases[i].says, found ? got.text : err.text);
	}
}

static void a_nul_hides_nothing_from_an_expression(void **state)
{
	struct extracted got;
	struct err err;
	assert_true(run(
		EXTRACT_REGEX, STR("v=([0-9]+)"), "HTTP/1.1 200 OK\r\n\r\n", STR("a\0b v=12\0"), &got, &err));
	assert_string_equal(got.text, "12");
	assert_true(run(
		EXTRACT_REGEX, STR("v=([^;]+);"), "HTTP/1.1 200 OK\r\n\r\n", STR("v=1\0002;"), &got, &err));
	assert_string_equal(got.text, "1\xEF\xBF\xBD"
				      "2");
}

static void long_versions_are_cut_at_a_character(void **state)
{
	static char body[10 * 1024 * 1024];
	struct extracted got;
	struct err err;
	for (size_t i = 0; i + 1 < sizeof(body); i += 2)
		memcpy(body + i, "\xC3\xA9", 2);
	body[0] = body[sizeof(body) - 1] = '"';
	body[1] = 'x'; /* so that the cut would fall inside a character */
	assert_true(run(EXTRACT_JSON, STR(""), "HTTP/1.1 200 OK\r\n\r\n", (struct str){ body, sizeof(body) },
		&got, &err));
	assert_true(got.cut);
	assert_int_equal(got.n, OBS_VERSION_MAX - 1);
	assert_true(str_is_utf8((struct str){ got.text, got.n }));
	memset(body, 'y', sizeof(body));
	body[0] = body[OBS_VERSION_MAX + 1] = '"';
	assert_true(run(EXTRACT_JSON, STR(""), "HTTP/1.1 200 OK\r\n\r\n",
		(struct str){ body, OBS_VERSION_MAX + 2 }, &got, &err));
	assert_false(got.cut); /* exactly as long as may be */
	assert_int_equal(got.n, OBS_VERSION_MAX);
}

static void extractors_that_cannot_be(void **state)
{
	static const struct {
		const char *says;
		enum extract_kind kind;
		const char *arg;
	} cases[] = {
		{ "a pointer without its slash", EXTRACT_JSON, "version" },
		{ "a bare tilde", EXTRACT_JSON, "/a~2" },
		{ "a tilde at the end", EXTRACT_JSON, "/a~" },
		{ "no header name", EXTRACT_HEADER, "" },
		{ "a header name with a colon", EXTRACT_HEADER, "X-Version:" },
		{ "a header name with a line break", EXTRACT_HEADER, "X\r\nY" },
		{ "an expression that does not compile", EXTRACT_REGEX, "(" },
		{ "no expression", EXTRACT_REGEX, "" },
		{ "an expression that grows without bounds", EXTRACT_REGEX, "((a{1,255}){1,255}){1,255}" },
		{ "a kind from the future", (enum extract_kind)17, "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct extractor *x = NULL;
		struct err err = { 0 };
		if (extractor_new(cases[i].kind, str_of(cases[i].arg), &x, &err) >= 0 || x != NULL ||
			err.text[0] == '\0')
			fail_msg("%s was taken", cases[i].says);
	}
}

static void deep_nesting_ends_with_a_reason(void **state)
{
	static char body[200000];
	struct json_value v;
	struct err err = { 0 };
	memset(body, '[', sizeof(body));
	assert_int_equal(json_find((struct str){ body, sizeof(body) }, STR("/0"), &v, &err), ERR_TOO_BIG);
	for (size_t i = 0; i < sizeof(body) - 5; i += 5)
		memcpy(body + i, "{\"a\":", 5);
	assert_int_equal(json_find((struct str){ body, sizeof(body) }, STR("/a"), &v, &err), ERR_TOO_BIG);
}

/* The same question to jansson: what is well-formed for one is for the other. */
static void agrees_with_jansson(void **state)
{
	static const char alphabet[] = "{}[]:,\"\"ab01.-e+\\utrefalsn \n\t";
	uint64_t seed = 42;
	size_t good = 0;
	for (int round = 0; round < 400000; round++) {
		char text[24];
		size_t n = 0;
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		size_t len = 1 + (seed >> 33) % 12;
		uint64_t r = seed;
		while (n < len) {
			r = r * UINT64_C(6364136223846793005) + 1442695040888963407u;
			text[n++] = alphabet[(r >> 33) % (sizeof(alphabet) - 1)];
		}
		struct json_value v;
		json_t *j = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		bool ok = json_find((struct str){ text, n }, STR(""), &v, NULL) == 0;
		/* jansson has no number beyond 64 bits or a double's range, and no lone surrogate: these we
		 * take */
		bool wide = ok && memchr(text, 'e', n) != NULL && j == NULL;
		if (ok != (j != NULL) && !wide)
			fail_msg("'%.*s' is %s here", (int)n, text, ok ? "good" : "bad");
		good += j != NULL;
		json_decref(j);
	}
	assert_true(good > 1000);
}

static void mending(void **state)
{
	char out[16];
	bool cut;
	assert_int_equal(text_mend(STR(" a\0b "), out, 8, &cut), 5);
	assert_string_equal(out, "a\xEF\xBF\xBD"
				 "b");
	assert_false(cut);
	assert_int_equal(text_mend(STR("\xED\xA0\x80"), out, 15, &cut), 9); /* a surrogate in UTF-8 is none */
	assert_int_equal(text_mend(STR("\xC0\x80"), out, 15, &cut), 6);     /* nor is an overlong NUL */
	assert_int_equal(text_mend(STR("\xE2\x82"), out, 15, &cut), 6);     /* nor half a character */
	assert_int_equal(text_mend(STR("abc\xFF"), out, 5, &cut), 3);       /* no room for the mend */
	assert_true(cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_pointers),
		cmocka_unit_test(headers_and_bodies),
		cmocka_unit_test(a_nul_hides_nothing_from_an_expression),
		cmocka_unit_test(long_versions_are_cut_at_a_character),
		cmocka_unit_test(extractors_that_cannot_be),
		cmocka_unit_test(deep_nesting_ends_with_a_reason),
		cmocka_unit_test(agrees_with_jansson),
		cmocka_unit_test(mending),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
