/* The command line: options anywhere, values in three spellings, and what each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/ctl/args.h"

struct local {
	const char *version;
	struct texts aliases;
	int64_t timeout_us;
	double require;
	bool soft;
	struct opt_time at;
};
struct global {
	const char *server, *output;
	bool help;
};
static const struct opt local_opts[] = {
	{ "version", OPT_TEXT, offsetof(struct local, version), "V", "a version" },
	{ "alias", OPT_LIST, offsetof(struct local, aliases), "A", "other names" },
	{ "timeout", OPT_DURATION, offsetof(struct local, timeout_us), "D", "how long" },
	{ "require", OPT_SHARE, offsetof(struct local, require), "SHARE", "how many" },
	{ "soft", OPT_FLAG, offsetof(struct local, soft), NULL, "gently" },
	{ "at", OPT_TIME, offsetof(struct local, at), "T", "when" },
	{ .name = NULL },
};
static const struct opt global_opts[] = {
	{ "server", OPT_TEXT, offsetof(struct global, server), "URL", "where" },
	{ "o", OPT_WORD, offsetof(struct global, output), "text|json", "how" },
	{ "help", OPT_FLAG, offsetof(struct global, help), NULL, "this" },
	{ .name = NULL },
};

struct parsed {
	struct local local;
	struct global global;
	struct texts rest;
	int used, rc;
	struct err err;
};

static void parse(struct parsed *p, bool stop, char **argv)
{
	int argc = 0;
	*p = (struct parsed){ 0 };
	while (argv[argc] != NULL)
		argc++;
	struct args_spec spec = { local_opts, global_opts, &p->local, &p->global, stop };
	p->rc = args_parse(&spec, argc, argv, &p->rest, &p->used, &p->err);
}

static void parsed_fini(struct parsed *p)
{
	texts_fini(&p->local.aliases), texts_fini(&p->rest);
}

#define ARGV(...) ((char *[]){ __VA_ARGS__, NULL })

static void options_stand_anywhere(void **state)
{
	struct parsed p;
	parse(&p, false,
		ARGV("shop", "--version", "v2", "--alias=a=b", "-ojson", "x", "--alias", "-dash",
			"--timeout=1h30m", "--require", "95%", "--soft", "--at", "now", "-", "--", "--help"));
	assert_int_equal(p.rc, 0);
	assert_string_equal(p.local.version, "v2");
	assert_int_equal(p.local.aliases.n, 2);
	assert_string_equal(p.local.aliases.p[0], "a=b");
	assert_string_equal(p.local.aliases.p[1], "-dash"); /* one dash may begin a value */
	assert_string_equal(p.global.output, "json");
	assert_int_equal(p.local.timeout_us, 90 * US_PER_MIN);
	assert_true(p.local.require > 0.949 && p.local.require < 0.951);
	assert_true(p.local.soft && p.local.at.given && p.local.at.now);
	assert_false(p.global.help); /* behind -- nothing is an option */
	assert_int_equal(p.rest.n, 4);
	assert_string_equal(p.rest.p[0], "shop");
	assert_string_equal(p.rest.p[1], "x");
	assert_string_equal(p.rest.p[2], "-");
	assert_string_equal(p.rest.p[3], "--help");
	parsed_fini(&p);

	parse(&p, true, ARGV("--server", "http://x", "verify", "--version", "v"));
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.used, 2); /* the command and what is behind it are for the next round */
	assert_null(p.local.version);
	parsed_fini(&p);

	parse(&p, false, ARGV("--at", "2026-03-01T10:00:00Z", "-o", "text"));
	assert_true(p.rc == 0 && p.local.at.given && !p.local.at.now);
	assert_true(p.local.at.at_us == INT64_C(1772359200000000));
	parsed_fini(&p);
}

static void every_mistake_is_told(void **state)
{
	static const struct {
		const char *says;
		char *argv[4];
		const char *want;
	} cases[] = {
		{ "a letter missing", { "--versio", "v" },
			"unknown option --versio; did you mean --version?" },
		{ "nothing near", { "--zzzzzz" }, "unknown option --zzzzzz; --help lists those there are" },
		{ "an unknown letter", { "-x" }, "unknown option -x; --help lists those there are" },
		{ "a long name with one dash", { "-version", "v" }, "unknown option -v" },
		{ "a letter with two", { "--o", "json" }, "unknown option --o" },
		{ "no value at the end", { "--version" }, "--version wants a value: V" },
		{ "an option where the value belongs", { "--version", "--soft" },
			"--version wants a value: V" },
		{ "an empty value", { "--version", "" }, "--version: its value is empty" },
		{ "the same with =", { "--version=" }, "--version: its value is empty" },
		{ "a value for a flag", { "--soft=yes" }, "--soft takes no value" },
		{ "no such word", { "-o", "xml" }, "-o: 'xml' is none of text|json" },
		{ "half of a word", { "-o", "js" }, "-o: 'js' is none of text|json" },
		{ "no duration", { "--timeout", "15" },
			"--timeout: '15' is no duration: want a number and a unit" },
		{ "no share", { "--require", "101%" }, "--require: '101%' is not between 0% and 100%" },
		{ "no time", { "--at", "yesterday" }, "--at: 'yesterday' is no time: want now, RFC 3339" },
		{ "only dashes and an equals sign", { "--=x" }, "unknown option --=x" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct parsed p;
		char *argv[5] = { 0 };
		memcpy(argv, cases[i].argv, sizeof(cases[i].argv));
		parse(&p, false, argv);
		if (p.rc != ERR_SYNTAX && p.rc != ERR_NONSENSE)
			fail_msg("%s: rc %d", cases[i].says, p.rc);
		if (strncmp(p.err.text, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("%s: '%s'", cases[i].says, p.err.text);
		parsed_fini(&p);
	}
}

static void help_comes_from_the_same_rows(void **state)
{
	struct buf b;
	buf_init(&b, 10000);
	args_help(local_opts, &b);
	assert_non_null(strstr(b.p, "  --version V              a version\n"));
	assert_non_null(strstr(b.p, "  --alias A                other names (may be repeated)\n"));
	assert_non_null(strstr(b.p, "  --soft                   gently\n"));
	buf_clear(&b);
	args_help(global_opts, &b);
	assert_non_null(strstr(b.p, "  -o text|json             how\n"));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(every_mistake_is_told),
		cmocka_unit_test(help_comes_from_the_same_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
