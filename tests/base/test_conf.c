/* Configuration: what good files say, and what stands in other files. */
#include "conf_fixture.h"

/* -- good files -- */

static void everything_is_read(void **state)
{
	struct conf *c = NULL;
	struct top t;
	struct err err;
	const char *text = "# a comment\n"
			   "name: 'fra-1'\n"
			   "store: \"sqlite:/var/lib/\\u00e9.db\"\n"
			   "listen: {http: '[::1]:0', agents: tls+tcp://0.0.0.0:8471}\n"
			   "token: tmk_secret\n"
			   "open: YES\n"
			   "port: 80\n"
			   "spool_max: 1MiB\n"
			   "weight: -0.25\n"
			   "require: 99.5%\n"
			   "mode: on\n"
			   "burst:\n"
			   "  interval: 250ms\n"
			   "  max_rate: 120/min\n"
			   "services:\n"
			   "  - name: shop\n"
			   "    interval: 1m30s\n"
			   "  - name: pay\n"
			   "headers: {Accept-Encoding: br, X-Two: \"a: b\"}\n";
	assert_int_equal(read_top(str_of(text), "t.yaml", &c, &t, &err), 0);
	assert_string_equal(t.name, "fra-1");
	assert_string_equal(t.store, "sqlite:/var/lib/\xC3\xA9.db");
	assert_string_equal(t.listen.http, "[::1]:0");
	assert_string_equal(t.listen.agents, "tls+tcp://0.0.0.0:8471");
	assert_string_equal(t.token, "tmk_secret");
	assert_null(t.password);
	assert_true(t.open);
	assert_int_equal(t.port, 80);
	assert_int_equal(t.spool_max, 1024 * 1024);
	assert_true(t.weight == -0.25);
	assert_true(t.require > 0.99499 && t.require < 0.99501);
	assert_int_equal(t.mode, MODE_ON);
	assert_int_equal(t.burst.interval_us, 250 * US_PER_MS);
	assert_int_equal(t.burst.for_us, 15 * US_PER_MIN);
	assert_true(t.burst.max_rate == 2.0);

	assert_true(conf_is_list(t.services));
	assert_int_equal(conf_list_size(t.services), 2);
	struct service s = { 0 };
	assert_int_equal(conf_read(c, conf_list_at(t.services, 0), service_fields, &s, &err), 0);
	assert_string_equal(s.name, "shop");
	assert_int_equal(s.interval_us, 90 * US_PER_S);
	assert_int_equal(s.burst.interval_us, US_PER_S); /* a default inside a mapping that is absent */

	struct str key;
	const struct conf_node *value;
	assert_true(conf_is_map(t.headers) && conf_map_size(t.headers) == 2);
	conf_map_at(t.headers, 1, &key, &value);
	assert_true(str_is(key, "X-Two"));
	assert_true(conf_is_scalar(value) && str_is(conf_scalar(value), "a: b"));
	assert_string_equal(conf_scalar(value).p, "a: b");
	conf_free(c);
}

static void an_empty_file_is_all_defaults(void **state)
{
	static const char *const texts[] = { "", "\n\n", "# nothing\n", "---\n", "---\n...\n", "{}",
		"\xEF\xBB\xBF# mark\n", "services:\nheaders:\nlisten:\nburst:\n" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct conf *c = NULL;
		struct top t;
		struct err err = { 0 };
		if (read_top(str_of(texts[i]), "t.yaml", &c, &t, &err) < 0)
			fail_msg("'%s': %s", texts[i], err.text);
		assert_string_equal(t.store, "sqlite:tidemark.db");
		assert_string_equal(t.listen.http, "127.0.0.1:8470");
		assert_null(t.listen.agents); /* required, but only of who writes `listen:` */
		assert_null(t.name);
		assert_null(t.services);
		assert_int_equal(t.port, 8470);
		assert_int_equal(t.mode, MODE_ASK);
		assert_int_equal(t.burst.interval_us, US_PER_S);
		assert_true(t.require == 1.0);
		assert_false(t.open);
		conf_free(c);
	}
}

static void environment_is_put_in(void **state)
{
	static const struct {
		const char *says, *text, *want;
	} cases[] = {
		{ "a whole value", "name: ${TM_A}", "alpha" },
		{ "a part of one, twice", "name: x-${TM_A}.${TM_A}-y", "x-alpha.alpha-y" },
		{ "also in quotes", "name: '${TM_A}'", "alpha" },
		{ "$${ is a literal ${", "name: $${TM_A}", "${TM_A}" },
		{ "a dollar alone is a dollar", "name: $5 and $TM_A", "$5 and $TM_A" },
		{ "what comes in is text, never YAML", "name: ${TM_YAML}", "a: [1, *x]\nport: 9" },
		{ "nor is it expanded again", "name: ${TM_DOLLAR}", "${TM_A}" },
		{ "an empty variable is an empty value, not a missing one", "name: ${TM_EMPTY}", "" },
	};
	setenv("TM_A", "alpha", 1), setenv("TM_EMPTY", "", 1), setenv("TM_DOLLAR", "${TM_A}", 1);
	setenv("TM_YAML", "a: [1, *x]\nport: 9", 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *c = NULL;
		struct top t;
		struct err err = { 0 };
		if (read_top(str_of(cases[i].text), "t.yaml", &c, &t, &err) < 0)
			fail_msg("%s: %s", cases[i].says, err.text);
		if (strcmp(t.name, cases[i].want) != 0)
			fail_msg("%s: got '%s'", cases[i].says, t.name);
		conf_free(c);
	}
}

/* -- files on disk -- */

static char dir[] = "/tmp/tidemark-conf-XXXXXX";

static int dir_make(void **state)
{
	return mkdtemp(dir) == NULL;
}

static int dir_remove(void **state)
{
	static const char *const names[] = { "c.yaml", "s.token" };
	char path[128];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path); /* not every test made every file */
	}
	return rmdir(dir);
}

static void file_write(const char *name, struct str text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

static void secrets_come_from_files(void **state)
{
	char path[128], want[512];
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	static const struct {
		const char *says;
		struct str bytes;
		const char *token, *error; /* the error after the place; %s is the folder */
	} cases[] = {
		{ "the first line, its end trimmed", { "tmk_abc\n", 8 }, "tmk_abc", NULL },
		{ "without an end", { "tmk_abc", 7 }, "tmk_abc", NULL },
		{ "with a DOS end and more lines", { "tmk_abc\r\nother\n", 15 }, "tmk_abc", NULL },
		{ "spaces belong to it", { " a b \n", 6 }, " a b ", NULL },
		{ "an empty file", { "", 0 }, NULL, "token_file: the first line of %s/s.token is empty" },
		{ "an empty first line", { "\nabc\n", 5 }, NULL,
			"token_file: the first line of %s/s.token is empty" },
		{ "bytes that are no text", { "a\0b", 3 }, NULL,
			"token_file: the first line of %s/s.token is not text" },
	};
	file_write("c.yaml", STR("name: x\ntoken_file: s.token\n")); /* relative to the file, not to where we
									were started */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *c = NULL;
		struct top t = { 0 };
		struct err err = { 0 };
		file_write("s.token", cases[i].bytes);
		assert_int_equal(conf_load(path, &c, &err), 0);
		int rc = conf_read(c, conf_root(c), top_fields, &t, &err);
		if (cases[i].token != NULL && (rc < 0 || strcmp(t.token, cases[i].token) != 0))
			fail_msg("%s: got '%s', %s", cases[i].says, t.token ? t.token : "nothing", err.text);
		if (cases[i].error != NULL) {
			char tail[256];
			struct str after = str_of(cases[i].error), before;
			str_cut(&after, '%', &before);
			snprintf(tail, sizeof(tail), "%.*s%s%.*s", STR_ARG(before), dir,
				STR_ARG(str_from(after, 1)));
			snprintf(want, sizeof(want), "%s:2:13: %s", path, tail);
			if (rc == 0 || strcmp(err.text, want) != 0)
				fail_msg("%s:\n got  %s\n want %s", cases[i].says, err.text, want);
		}
		conf_free(c);
	}
}

static void a_secret_file_must_be_there_and_small(void **state)
{
	char path[128], want[512];
	struct conf *c = NULL;
	struct top t = { 0 };
	struct err err = { 0 };
	struct buf b;
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	file_write("c.yaml", STR("token_file: /nowhere/at/all\n"));
	assert_int_equal(conf_load(path, &c, &err), 0);
	assert_int_equal(conf_read(c, conf_root(c), top_fields, &t, &err), ERR_NOT_FOUND);
	snprintf(want, sizeof(want),
		"%s:1:13: token_file: /nowhere/at/all cannot be opened: No such file or directory", path);
	assert_string_equal(err.text, want);
	conf_free(c);

	buf_init(&b, 100000);
	repeat(&b, "x", 100000);
	file_write("s.token", buf_str(&b));
	file_write("c.yaml", STR("token_file: s.token\n"));
	assert_int_equal(conf_load(path, &c, &err), 0);
	assert_int_equal(conf_read(c, conf_root(c), top_fields, &t, &err), ERR_TOO_BIG);
	assert_non_null(strstr(err.text, "is over 4096 bytes"));
	conf_free(c);
	buf_fini(&b);
}

static void files_that_cannot_be_read_say_why(void **state)
{
	char path[128], want[256];
	struct conf *c = NULL;
	struct err err = { 0 };
	assert_int_equal(conf_load("/nowhere/c.yaml", &c, &err), ERR_NOT_FOUND);
	assert_string_equal(err.text, "/nowhere/c.yaml: cannot be opened: No such file or directory");
	assert_int_equal(conf_load(dir, &c, &err), ERR_IO);
	snprintf(want, sizeof(want), "%s: cannot be read: Is a directory", dir);
	assert_string_equal(err.text, want);

	struct buf b;
	buf_init(&b, 2 * (size_t)CONF_FILE_MAX);
	repeat(&b, "# 0123456789abc\n", CONF_FILE_MAX / 16 + 1);
	file_write("c.yaml", buf_str(&b));
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	assert_int_equal(conf_load(path, &c, &err), ERR_TOO_BIG);
	buf_fini(&b);
}

static void paths_mean_the_folder_of_the_file(void **state)
{
	char path[128], want[256];
	struct conf *c = NULL;
	struct err err = { 0 };
	file_write("c.yaml", STR(""));
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	assert_int_equal(conf_load(path, &c, &err), 0);
	snprintf(want, sizeof(want), "%s/tls/ca.pem", dir);
	assert_string_equal(conf_path(c, "tls/ca.pem"), want);
	assert_string_equal(conf_path(c, "/etc/ca.pem"), "/etc/ca.pem");
	conf_free(c);
	assert_int_equal(conf_parse(STR(""), "some/name", &c, &err), 0); /* no file, so no folder */
	assert_string_equal(conf_path(c, "ca.pem"), "ca.pem");
	conf_free(c);
}

static void the_reference_comes_from_the_same_rows(void **state)
{
	struct buf b;
	buf_init(&b, 65536);
	conf_describe(top_fields, "", &b);
	/* clang-format off */
	static const char *const want[] = {
		"name: text\n    who we are\n",
		"listen.http: text, default 127.0.0.1:8470\n    where the API listens\n",
		"listen.agents: text, required\n    where agents dial\n",
		"token[_file]: secret\n    proves who we are\n",
		"port: number 1 to 65535, default 8470\n    a port\n",
		"mode: off, ask, on, default ask\n    what to do\n",
		"burst.interval: duration 100ms to 1m, default 1s\n    pause in a burst\n",
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (strstr(b.p, want[i]) == NULL)
			fail_msg("'%s' is not in\n%s", want[i], b.p);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read),
		cmocka_unit_test(an_empty_file_is_all_defaults),
		cmocka_unit_test(environment_is_put_in),
		cmocka_unit_test(secrets_come_from_files),
		cmocka_unit_test(a_secret_file_must_be_there_and_small),
		cmocka_unit_test(files_that_cannot_be_read_say_why),
		cmocka_unit_test(paths_mean_the_folder_of_the_file),
		cmocka_unit_test(the_reference_comes_from_the_same_rows),
	};
	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
