/* test_explain.c - `tidemark-agent explain`: pasted text and JSON Lines in, JSON or sentences out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/agent.h"
#include "tests/cdn/support.h"

static struct buf said, complained; /* stdout and stderr of the last run */

static void file_take(FILE *f, struct buf *out)
{
	char part[4096];
	size_t n;
	buf_clear(out);
	rewind(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(out, part, n);
	buf_add(out, "", 1); /* so that it can be compared as a C string */
	fclose(f);
}

/* Runs it with this text on stdin; what it prints is in said and complained. */
static int explain(struct str input, char *argument)
{
	FILE *in = tmpfile(), *out = tmpfile(), *errors = tmpfile();
	int old[] = { dup(0), dup(1), dup(2) };
	char name[] = "explain";
	char *argv[] = { name, argument, NULL };
	fwrite(input.p, 1, input.n, in);
	rewind(in);
	fflush(NULL);
	dup2(fileno(in), 0), dup2(fileno(out), 1), dup2(fileno(errors), 2);
	clearerr(stdin);
	fseek(stdin, 0, SEEK_SET);
	int rc = explain_main(argument ? 2 : 1, argv);
	fflush(NULL);
	for (int i = 0; i < 3; i++) {
		dup2(old[i], i);
		close(old[i]);
	}
	fclose(in);
	file_take(out, &said);
	file_take(errors, &complained);
	return rc;
}

#define LONDON    "{\"city\":\"London\",\"country\":\"GB\",\"lat\":51.48,\"lon\":-0.46}"
#define FRANKFURT "{\"city\":\"Frankfurt\",\"country\":\"DE\",\"lat\":50.04,\"lon\":8.56}"
#define CF(pop, place)                                                                                       \
	"{\"vendor\":\"cloudflare\",\"pop\":\"" pop "\",\"iata\":\"" pop "\",\"place\":" place               \
	",\"cache\":\"NONE\",\"tiers\":[{\"tier\":"                                                          \
	"\"edge\",\"status\":\"NONE\",\"node\":\"" pop                                                       \
	"\"}],\"age\":null,\"ttl\":null,\"ttl_source\":null}\n"
#define NONE                                                                                                 \
	"{\"vendor\":\"none\",\"pop\":null,\"iata\":null,\"place\":null,\"cache\":\"UNKNOWN\",\"tiers\":[]," \
	"\"age\":null,"                                                                                      \
	"\"ttl\":null,"                                                                                      \
	"\"ttl_source\":null}\n"

static const struct {
	const char *says, *input, *output, *errors;
} inputs[] = {
	{ "curl -I", "HTTP/2 200 \r\ncf-ray: 1-LHR\r\n\r\n", CF("LHR", LONDON), "" },
	{ "curl -IL: an answer for each",
		"HTTP/1.1 301 Moved\r\nServer: x\r\n\r\nHTTP/1.1 200 OK\r\nCF-Ray: 1-LHR\r\n\r\n",
		NONE CF("LHR", LONDON), "" },
	{ "answers without a blank line between them",
		"HTTP/1.1 301 Moved\nCF-Ray: 1-FRA\nHTTP/1.1 200 OK\nCF-Ray: 1-LHR\n",
		CF("FRA", FRANKFURT) CF("LHR", LONDON), "" },
	{ "curl -i: the body is no header", "HTTP/1.1 200 OK\ncf-ray: 1-LHR\n\ncf-ray: 1-FRA\n\nx: y\n",
		CF("LHR", LONDON), "" },
	{ "curl -v",
		"* Connected to x\n> GET / HTTP/1.1\n> Host: cf-ray\n>\n{ [5 bytes data]\n< HTTP/1.1 200 "
		"OK\n< CF-Ray: 1-LHR\n< \n"
		"<html>\nCF-Ray: 1-FRA\n* Connection left intact\n",
		CF("LHR", LONDON), "" },
	{ "curl -sv 2>&1 of HTTP/2: blank lines without their blank, CRLF, notes between",
		"* [HTTP/2] [1] [:method: HEAD]\r\n> HEAD / HTTP/2\r\n> Host: x\r\n>\r\n*\r\n< HTTP/2 301 "
		"\r\n"
		"* note\r\n< cf-ray: 1-FRA\r\n<\r\n< HTTP/2 200 \r\n< cf-ray: 1-LHR\r\n<\r\n",
		CF("FRA", FRANKFURT) CF("LHR", LONDON), "" },
	{ "curl -vI 2>&1 writes each header twice",
		"< HTTP/2 200 \nHTTP/2 200 \n< cf-ray: 1-LHR\ncf-ray: 1-LHR\n< \n\n", CF("LHR", LONDON), "" },
	{ "curl's meter stands before the first header",
		"  % Total    % Received\n\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- "
		"--:--:--     0* Trying\n\r  0     0    0     0    0     0      0      0 --:--:--  0:00:01 "
		"--:--:--  1.2k< HTTP/1.1 200 OK\n< CF-Ray: 1-LHR\n< \n",
		CF("LHR", LONDON), "" },
	{ "indented as a whole", "    HTTP/1.1 200 OK\n    CF-Ray: 1-LHR\n\n    < div>: 1\n",
		CF("LHR", LONDON), "" },
	{ "curl -v, indented", "  > GET / HTTP/1.1\n  < HTTP/1.1 200 OK\n  < CF-Ray: 1-LHR\n  <\n",
		CF("LHR", LONDON), "" },
	{ "a body that has lines of \"< \" is not of curl -v",
		"HTTP/1.1 301 Moved\nCF-Ray: 1-FRA\n\n< x: y\n\nHTTP/1.1 200 OK\nCF-Ray: 1-LHR\n\n",
		CF("FRA", FRANKFURT) CF("LHR", LONDON), "" },
	{ "a body of JSON is no broken line", "HTTP/1.1 404 Not Found\nCF-Ray: 1-LHR\n\n{\"error\": {\n{}\n",
		CF("LHR", LONDON), "" },
	{ "several runs with their prompts, -v and -I",
		"me@host:~$ curl -v https://a\n< HTTP/2 200\n< cf-ray: 1-FRA\n<\nbody: x\n"
		"me@host:~$ curl -I https://b\nHTTP/2 200\ncf-ray: 1-LHR\n",
		CF("FRA", FRANKFURT) CF("LHR", LONDON), "" },
	{ "junk between answers",
		"see: below\n\nHTTP/1.1 200 OK\nCF-Ray: 1-LHR\n\n-----\nnote: what follows is old\n\n"
		"HTTP/1.1 200 OK\nCF-Ray: 1-FRA\n",
		CF("LHR", LONDON) CF("FRA", FRANKFURT), "" },
	{ "interim answers in curl -v, several of them",
		"< HTTP/1.1 100 Continue\n<\n< HTTP/1.1 103 Early Hints\n< cf-ray: 1-FRA\n<\n< HTTP/1.1 200 "
		"OK\n"
		"< cf-ray: 1-LHR\n<\n",
		CF("LHR", LONDON), "" },
	{ "an answer to CONNECT is a proxy's, whatever it calls itself and says",
		"> CONNECT a:443 HTTP/1.1\n> Host: a:443\n>\n< HTTP/1.1 200 OK\n< Via: 1.1 p (squid/5.7)\n<\n"
		"> GET / HTTP/1.1\n>\n< HTTP/1.1 200 OK\n< cf-ray: 1-LHR\n<\n",
		CF("LHR", LONDON), "" },
	{ "a tunnel with headers",
		"HTTP/1.0 200 Connection Established\nProxy-agent: x\n\nHTTP/2 200\ncf-ray: 1-LHR\n",
		CF("LHR", LONDON), "" },
	{ "a bare 200 before another answer is a tunnel", "HTTP/1.1 200 OK\n\nHTTP/2 200\ncf-ray: 1-LHR\n",
		CF("LHR", LONDON), "" },
	{ "a bare 200 alone is the answer", "HTTP/1.1 200 OK\n\n", NONE, "" },
	{ "interim answers are left out",
		"HTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 200 OK\nCF-Ray: 1-LHR\n", CF("LHR", LONDON),
		"" },
	{ "so is a proxy's tunnel", "HTTP/1.1 200 Connection established\n\nHTTP/1.1 200 OK\nCF-Ray: 1-LHR\n",
		CF("LHR", LONDON), "" },
	{ "headers alone, as browsers copy them", "cf-ray: 1-LHR\nage: x\n", CF("LHR", LONDON), "" },
	{ "two of them, parted by a blank line", "cf-ray: 1-LHR\n\ncf-ray: 1-FRA",
		CF("LHR", LONDON) CF("FRA", FRANKFURT), "" },
	{ "JSON Lines", "{\"headers\":[[\"CF-Ray\",\"1-LHR\"]]}\n\n{\"headers\":[]}\n",
		CF("LHR", LONDON) NONE, "" },
	{ "JSON after text", "cf-ray: 1-LHR\n\n{\"headers\":[[\"CF-Ray\",\"1-FRA\"]]}\n",
		CF("LHR", LONDON) CF("FRA", FRANKFURT), "" },
	{ "a broken line is named, the others are read",
		"{\"headers\":[[\"CF-Ray\",\"1-LHR\"]]}\n{\"headers\":]}\n{\"headers\":[]}\n",
		CF("LHR", LONDON) NONE, "stdin:2: column 12: unexpected token near ']'\n" },
	{ "JSON of another shape", "{\"x\":1}\n", "",
		"stdin:1: want {\"headers\": [[\"name\", \"value\"], ...]}\n" },
	{ "a header of another shape", "{\"headers\":[[\"a\",\"b\"],[\"c\"]]}\n", "",
		"stdin:1: headers[1] is no [\"name\", \"value\"]\n" },
	{ "a broken status line", "HTTP/1.1 OK\nA: b\n\n", "",
		"stdin:1: the status line has no code of three digits\n" },
	{ "nothing to explain", "hello\n", "",
		"stdin:1: no response headers here: paste the output of curl -I, or JSON Lines\n" },
};

static void test_inputs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		int rc = explain(str_of(inputs[i].input), NULL);
		if (strcmp(said.p, inputs[i].output) != 0)
			fail_msg("%s:\n%s", inputs[i].says, said.p);
		if (strcmp(complained.p, inputs[i].errors) != 0)
			fail_msg("%s: %s", inputs[i].says, complained.p);
		if (rc != (inputs[i].errors[0] != '\0'))
			fail_msg("%s: exit %d", inputs[i].says, rc);
	}
}

/* Through the program as through the library: all that is expected of every sample, and beside it only the
 * place, which is told of a PoP or not at all. */
static void test_samples(void **state)
{
	(void)state;
	struct buf input;
	char *line = NULL, part[4096];
	size_t size = 0, n;
	FILE *f = fopen(TESTS_DIR "/cdn/samples.jsonl", "re");
	assert_non_null(f);
	buf_init(&input, 1024 * 1024);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&input, part, n);
	assert_int_equal(explain(buf_str(&input), NULL), 0);
	rewind(f);
	struct str answers = str_of(said.p), answer;
	for (size_t number = 1; getline(&line, &size, f) > 0; number++) {
		json_t *sample = json_loads(line, 0, NULL);
		assert_true(str_cut(&answers, '\n', &answer));
		json_t *is = json_loadb(answer.p, answer.n, 0, NULL);
		const json_t *place = json_object_get(is, "place");
		bool named = json_is_string(json_object_get(is, "pop"));
		if (!place || !(json_is_null(place) ||
				      (named && json_is_string(json_object_get(place, "country")))))
			fail_msg("line %zu, its place: %.*s", number, STR_ARG(answer));
		assert_int_equal(json_object_del(is, "place"), 0);
		if (!json_equal(is, json_object_get(sample, "expect")))
			fail_msg("line %zu: %.*s", number, STR_ARG(answer));
		json_decref(sample);
		json_decref(is);
	}
	assert_int_equal(answers.n, 0);
	free(line);
	fclose(f);
	buf_fini(&input);
}

static void test_sentences(void **state)
{
	(void)state;
	char human[] = "--human";
	int rc = explain(
		STR("HTTP/2 200\nage: 68309\ncache-control: public, max-age=1296000\nx-amz-cf-pop: BOM50-C1\n"
		    "x-amz-cf-pop: DEL54-C1\nx-cache: Miss from cloudfront\n"),
		human);
	assert_int_equal(rc, 0);
	assert_string_equal(said.p,
		"stdin:1: status 200, cloudfront:DEL54-C1, MISS\n"
		"  The edge belongs to cloudfront, as seen from x-amz-cf-pop: "
		"\"BOM50-C1\", x-amz-cf-pop: \"DEL54-C1\", "
		"x-cache: \"Miss from cloudfront\".\n"
		"  The place is \"DEL54-C1\" (IATA DEL), says x-amz-cf-pop.\n"
		"  That is New Delhi, IN, at 28.56, 77.10.\n"
		"  The edge had none, asked inwards (MISS), says x-cache.\n"
		"  Further in, another cache \"BOM50-C1\" never said (UNKNOWN), says x-amz-cf-pop.\n"
		"  The content was confirmed by the origin 68309 s ago, says age.\n"
		"  Shared caches may keep it for another 1227691 s, by max-age in cache-control.\n"
		"  A browser may use it for 1227691 s without asking.\n");
}

/* Where the edge is: by a table, by the vendor's own word, or not at all. */
static void test_the_place_in_words(void **state)
{
	(void)state;
	static const struct {
		const char *headers, *says;
	} cases[] = {
		{ "server: cloudflare\ncf-ray: 9a74d8542989b239-QWJ\n",
			"  That is Americana, BR, at -22.74, -47.33.\n" },
		{ "server: cloudflare\ncf-ray: 9a74d8542989b239-QQQ\n", "  No table says where that is.\n" },
		{ "akamai-cache-status: Hit from child\nakamai-request-bc: "
		  "[a=23.44.214.23,b=3276195011,c=g,n=SG__SINGAPORE,o=20940]\n",
			"  The edge is in \"SINGAPORE\", \"SG\", says the vendor.\n" },
	};
	char human[] = "--human";
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf text;
		buf_init(&text, 1024);
		buf_addf(&text, "HTTP/2 200\n%s", cases[i].headers);
		assert_int_equal(explain(buf_str(&text), human), 0);
		if (strstr(said.p, cases[i].says) == NULL)
			fail_msg("want '%s' in: %s", cases[i].says, said.p);
		buf_fini(&text);
	}
}

static void test_help_and_wrong_usage(void **state)
{
	(void)state;
	char help[] = "--help", wrong[] = "--colour", missing[] = "/nonexistent/headers";
	assert_int_equal(explain(STR(""), help), 0);
	assert_true(str_starts(str_of(said.p), "usage: tidemark-agent explain"));
	assert_int_equal(explain(STR(""), wrong), 2);
	assert_int_equal(explain(STR(""), missing), 1);
	assert_string_equal(complained.p, "/nonexistent/headers:0: cannot open: No such file or directory\n");
}

static int bufs_init(void **state)
{
	(void)state;
	buf_init(&said, 1024 * 1024);
	buf_init(&complained, 1024 * 1024);
	return 0;
}

static int bufs_fini(void **state)
{
	(void)state;
	buf_fini(&said);
	buf_fini(&complained);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_the_place_in_words),
		cmocka_unit_test(test_help_and_wrong_usage),
	};
	return cmocka_run_group_tests_name("explain", tests, bufs_init, bufs_fini);
}
