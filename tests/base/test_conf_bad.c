/* Configuration: the exact sentence for each kind of mistake, and files made to hurt. */
#include "conf_fixture.h"

/* -- one mistake each -- */

/* clang-format off: one case, one sentence; long strings stay whole, so that they can be searched for */
static const struct {
	const char *says, *text, *want;
} bad[] = {
	{ "a misspelt key names the place and the nearest",
		"name: x\nservices:\n  - name: shop\n    burst:\n      interval: 1s\n    intervall: 5s\n",
		"t.yaml:6:5: unknown key 'intervall' in services[0]; did you mean 'interval'?" },
	{ "at the top there is no place to name", "lisen: {}",
		"t.yaml:1:1: unknown key 'lisen'; did you mean 'listen'?" },
	{ "letters swapped are one mistake", "tsore: x",
		"t.yaml:1:1: unknown key 'tsore'; did you mean 'store'?" },
	{ "a key_file is a key too", "tokn_file: x",
		"t.yaml:1:1: unknown key 'tokn_file'; did you mean 'token_file'?" },
	{ "_file is for secrets only", "store_file: x", "t.yaml:1:1: unknown key 'store_file'" },
	{ "nothing near: what is known", "burst: {zzz: 1}",
		"t.yaml:1:9: unknown key 'zzz' in burst; known are interval, for, max_rate" },
	{ "case counts", "Port: 1", "t.yaml:1:1: unknown key 'Port'; did you mean 'port'?" },
	{ "a second time the same key", "port: 1\nname: x\nport: 2\n",
		"t.yaml:3:1: key 'port' was already given on line 1" },
	{ "also deep down, also quoted", "headers:\n  a: 1\n  'a': 2\n",
		"t.yaml:3:3: key 'a' was already given on line 2" },

	{ "below a bound", "services:\n- name: a\n  interval: 500ms\n",
		"t.yaml:3:13: interval: 500ms is below 1s" },
	{ "above a bound", "spool_max: 2GiB", "t.yaml:1:12: spool_max: 2GiB is above 1GiB" },
	{ "a rate below its bound", "burst: {max_rate: 1/h}", "t.yaml:1:19: max_rate: 1/h is below 1/min" },
	{ "a number above its bound", "weight: 1.6", "t.yaml:1:9: weight: 1.6 is above 1.5" },
	{ "no duration", "burst: {for: fast}",
		"t.yaml:1:14: for: 'fast' is no duration: want a number and a unit, such as 250ms, 30s, 5m, "
		"1h, 7d" },
	{ "a duration without a unit", "burst: {for: 5}",
		"t.yaml:1:14: for: '5' is no duration: want a number and a unit, such as 250ms, 30s, 5m, 1h, "
		"7d" },
	{ "no number", "port: 80a", "t.yaml:1:7: port: '80a' is no whole number" },
	{ "hexadecimal is no number", "port: 0x50", "t.yaml:1:7: port: '0x50' is no whole number" },
	{ "a number over 64 bits", "port: 99999999999999999999",
		"t.yaml:1:7: port: '99999999999999999999' does not fit 64 bits" },
	{ "a share without its sign", "require: 95",
		"t.yaml:1:10: require: '95' is no share: want 95% or 0.95" },
	{ "a share beyond any", "require: 101", "t.yaml:1:10: require: '101' is not between 0% and 100%" },
	{ "not a share", "require: 101%", "t.yaml:1:10: require: '101%' is not between 0% and 100%" },
	{ "not a switch", "open: maybe",
		"t.yaml:1:7: open: 'maybe' is neither on nor off: want true, on, yes or false, off, no" },
	{ "not one of the words", "mode: asks",
		"t.yaml:1:7: mode: 'asks' is none of off, ask, on; did you mean 'ask'?" },
	{ "nor near one", "mode: whenever", "t.yaml:1:7: mode: 'whenever' is none of off, ask, on" },
	{ "a list where a value belongs", "port: [1]",
		"t.yaml:1:7: port: a list is given, a number is wanted" },
	{ "a mapping where text belongs", "name: {a: 1}",
		"t.yaml:1:7: name: a mapping is given, a text is wanted" },
	{ "a value where a mapping belongs", "burst: on",
		"t.yaml:1:8: burst: a single value is given, a mapping is wanted" },
	{ "a list at the top", "- a\n- b\n", "t.yaml:1:1: a list is given, a mapping of keys is wanted" },
	{ "a word at the top", "hello", "t.yaml:1:1: a single value is given, a mapping of keys is wanted" },
	{ "a value in the list of services", "services: [shop]",
		"t.yaml:1:12: a single value is given, a mapping of keys is wanted" },
	{ "a key without a value", "port:\n",
		"t.yaml:1:1: port has no value; leave the line out for the default, 8470" },
	{ "the same without a default", "name:", "t.yaml:1:1: name has no value" },
	{ "what is required", "services:\n  - interval: 5s\n",
		"t.yaml:2:5: name is missing in services[0]: the service" },
	{ "what a mapping requires", "listen: {http: x}",
		"t.yaml:1:9: agents is missing in listen: where agents dial" },

	{ "an alias", "name: &a x\nstore: *a\n",
		"t.yaml:1:7: anchor '&a': anchors are not understood here; write the value out, or quote "
		"it" },
	{ "an alias without its anchor", "store: *a\n",
		"t.yaml:1:8: alias '*a': aliases are not understood here; write the value out, or quote it" },
	{ "an anchor on a mapping", "burst: &b {for: 1s}",
		"t.yaml:1:8: anchor '&b': anchors are not understood here; write the value out, or quote "
		"it" },
	{ "a merge key", "burst:\n  <<: *b\n",
		"t.yaml:2:7: alias '*b': aliases are not understood here; write the value out, or quote it" },
	{ "a tag", "port: !!int 5",
		"t.yaml:1:7: tag 'tag:yaml.org,2002:int': tags are not understood here; quote the value if "
		"it begins with '!'" },
	{ "a tag on a list", "services: !x []",
		"t.yaml:1:11: tag '!x': tags are not understood here; quote the value if it begins with "
		"'!'" },
	{ "the tag without a name", "name: ! x",
		"t.yaml:1:7: tag '!': tags are not understood here; quote the value if it begins with '!'" },
	{ "a second document", "name: x\n---\nname: y\n",
		"t.yaml:2:1: a second document begins here; one file is one document" },
	{ "a list as a key", "? [a, b]\n: 1\n", "t.yaml:1:3: a key must be a word, not a list or mapping" },
	{ "a mapping as a key", "{{a: 1}: 2}", "t.yaml:1:2: a key must be a word, not a list or mapping" },
	{ "no key at all", "name: x\n'': 1", "t.yaml:2:1: a key is empty or holds a NUL character" },

	{ "a tab in the indentation", "burst:\n\tfor: 1s\n",
		"t.yaml:2:1: a tab in the indentation; YAML wants spaces there" },
	{ "a tab after spaces", "burst:\n  \tfor: 1s\n",
		"t.yaml:2:3: a tab in the indentation; YAML wants spaces there" },
	{ "a double quote never closed", "name: x\nstore: \"abc\nport: 1\n",
		"t.yaml:2:8: a quote is opened here and never closed" },
	{ "a single quote never closed", "name: 'abc\n",
		"t.yaml:1:7: a quote is opened here and never closed" },
	{ "an escape that is none", "name: x\nstore: \"a\\qb\"\n",
		"t.yaml:2:10: found unknown escape character, while parsing a quoted scalar that began on "
		"line 2" },
	{ "a list never closed", "services: [a, b\n",
		"t.yaml:1:11: '[' is opened here and not closed before line 2, column 1, where ',' or ']' is "
		"missing" },
	{ "a list never closed, and noticed far from it",
		"services:\n  - name: x\n    tags: [a, b\n    interval: 1s\n",
		"t.yaml:3:11: '[' is opened here and not closed before line 4, column 13, where ',' or ']' "
		"is "
		"missing" },
	{ "a mapping never closed", "burst: {for: 1s\nname: x\n",
		"t.yaml:1:8: '{' is opened here and not closed before line 2, column 5, where ',' or '}' is "
		"missing" },
	{ "indentation that fits nothing", "burst:\n    for: 1s\n  interval: 1s\n",
		"t.yaml:3:3: did not find expected key, while parsing a block mapping that began on line 1" },
	{ "two values in a line", "name: a: b\n",
		"t.yaml:1:8: mapping values are not allowed in this context" },
	{ "a character of YAML's own", "name: @x\n",
		"t.yaml:1:7: found character that cannot start any token, while scanning for the next token "
		"that began on line 1" },
	{ "a NUL written out", "name: \"a\\0b\"", "t.yaml:1:7: a value holds a NUL character" },
	{ "a NUL in a key", "\"a\\0b\": 1", "t.yaml:1:1: a key is empty or holds a NUL character" },
	{ "a control character", "name: a\nstore: b\x01\n",
		"t.yaml:2:9: control characters are not allowed (byte 0x01)" },
	{ "Latin-1", "name: caf\xE9\n", "t.yaml:1:10: incomplete UTF-8 octet sequence" },
	{ "a broken byte after other letters", "# \xC3\xA9\xC3\xA9\nname: \xC3\xA9\xFFx\n",
		"t.yaml:2:8: invalid leading UTF-8 octet (byte 0xff)" },
	{ "an overlong form", "name: \xC0\xAF\n",
		"t.yaml:1:7: invalid length of a UTF-8 sequence (byte 0xc0)" },
	{ "UTF-16 is not guessed at", "\xFF\xFEn", "t.yaml:1:1: invalid leading UTF-8 octet (byte 0xff)" },

	{ "a variable that is not set", "name: x\nstore: ${TM_NOT_SET}\n",
		"t.yaml:2:8: environment variable TM_NOT_SET is not set" },
	{ "a variable without an end", "name: a${TM_A",
		"t.yaml:1:7: '${' must be followed by the name of an environment variable and '}'; write "
		"'$${' for a literal '${'" },
	{ "a variable without a name", "name: ${}",
		"t.yaml:1:7: '${' must be followed by the name of an environment variable and '}'; write "
		"'$${' for a literal '${'" },
	{ "a shell's default is not understood", "name: ${TM_A:-x}",
		"t.yaml:1:7: '${' must be followed by the name of an environment variable and '}'; write "
		"'$${' for a literal '${'" },
	{ "a variable that is not text", "name: ${TM_BYTES}",
		"t.yaml:1:7: environment variable TM_BYTES is not UTF-8" },
	{ "the value of a variable is checked like any other", "port: ${TM_A}",
		"t.yaml:1:7: port: 'alpha' is no whole number" },
	{ "a secret given twice", "token: a\ntoken_file: b\n",
		"t.yaml:2:1: token and token_file are both given; one is enough" },
};
/* clang-format on */

static void each_mistake_has_its_sentence(void **state)
{
	setenv("TM_BYTES", "\xFF", 1), setenv("TM_A", "alpha", 1), unsetenv("TM_NOT_SET");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct conf *c = NULL;
		struct top t;
		struct err err = { 0 };
		if (read_top(str_of(bad[i].text), "t.yaml", &c, &t, &err) == 0)
			fail_msg("%s: was accepted", bad[i].says);
		if (strncmp(err.text, bad[i].want, strlen(bad[i].want)) != 0)
			fail_msg("%s:\n got  %s\n want %s", bad[i].says, err.text, bad[i].want);
	}
}

static void a_secret_that_is_missing_names_both_ways(void **state)
{
	static const struct conf_field fields[] = {
		{ "token", CONF_SECRET, .says = "who we are", .required = true },
		{ .key = NULL },
	};
	struct conf *c = NULL;
	struct err err = { 0 };
	char *token = NULL;
	assert_int_equal(conf_parse(STR("{}"), "t.yaml", &c, &err), 0);
	assert_int_equal(conf_read(c, conf_root(c), fields, &token, &err), ERR_NOT_FOUND);
	assert_string_equal(err.text, "t.yaml:1:1: token (or its _file) is missing: who we are");
	conf_free(c);
}

static void a_raw_nul_is_refused(void **state)
{
	struct conf *c = NULL;
	struct err err;
	assert_true(conf_parse(STR("name: a\0b\n"), "t.yaml", &c, &err) < 0);
	assert_string_equal(err.text, "t.yaml:1:8: control characters are not allowed (byte 0x00)");
	assert_true(conf_parse(STR("\0"), "t.yaml", &c, &err) < 0);
}

static void a_null_err_is_fine(void **state)
{
	struct conf *c = NULL;
	struct top t;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(read_top(str_of(bad[i].text), "t.yaml", &c, &t, NULL) < 0);
}

/* -- files made to hurt -- */

static void big_and_deep_is_refused_at_once(void **state)
{
	static const struct {
		const char *says, *head, *what;
		size_t times;
		const char *want;
	} cases[] = {
		{ "nested lists", "", "[", 200000, "t.yaml:1:17: nested deeper than 16 levels" },
		{ "nested mappings", "", "{a: ", 200000, "t.yaml:1:65: nested deeper than 16 levels" },
		{ "nested lists in a block", "", "- ", 200000, "t.yaml:1:33: nested deeper than 16 levels" },
		{ "explicit keys in explicit keys", "", "? ", 200000,
			"t.yaml:1:3: a key must be a word, not a list or mapping" },
		{ "closed more often than opened", "", "]", 200000,
			"t.yaml:1:1: did not find expected node content, while parsing a block node that "
			"began on line 1" },
		{ "a bomb of aliases", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "d: [*c,*c]\n", 1000,
			"t.yaml:1:4: anchor '&a'" },
		{ "more values than anybody has", "services:\n", "- \n", 300000,
			"t.yaml:250000:2: more than 250000 values" },
		{ "more keys than anybody has", "headers:\n ? a", "\n ? b", 300000,
			"t.yaml:250000:2: more than 250000 values" },
		{ "a file over its cap", "#", "0123456789abcdef", CONF_FILE_MAX / 16 + 1,
			"t.yaml: over 4194304 bytes" },
		{ "many documents", "", "---\n", 100000, "t.yaml:2:1: a second document begins here" },
		{ "a quote that never ends", "name: \"", "0123456789abcdef", CONF_FILE_MAX / 16 - 1,
			"t.yaml:1:7: a quote is opened here and never closed" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *c = NULL;
		struct err err = { 0 };
		struct buf b;
		buf_init(&b, 2 * (size_t)CONF_FILE_MAX);
		buf_add_str(&b, str_of(cases[i].head));
		repeat(&b, cases[i].what, cases[i].times);
		assert_false(buf_failed(&b));
		if (conf_parse(buf_str(&b), "t.yaml", &c, &err) == 0)
			fail_msg("%s: was accepted", cases[i].says);
		if (strncmp(err.text, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("%s:\n got  %s\n want %s", cases[i].says, err.text, cases[i].want);
		buf_fini(&b);
	}
}

static void long_names_fit_into_errors(void **state)
{
	struct conf *c = NULL;
	struct top t;
	struct err err = { 0 };
	struct buf b;
	buf_init(&b, CONF_FILE_MAX);
	repeat(&b, "x", 1000);
	buf_addf(&b, ": 1\n");
	assert_true(read_top(buf_str(&b), "t.yaml", &c, &t, &err) < 0);
	assert_non_null(strstr(err.text, "t.yaml:1:1: "));
	assert_true(strlen(err.text) < ERR_TEXT_MAX);
	buf_clear(&b);
	buf_addf(&b, "port: ");
	repeat(&b, "9", 100000);
	assert_true(read_top(buf_str(&b), "t.yaml", &c, &t, &err) < 0);
	assert_non_null(strstr(err.text, "t.yaml:1:7: port: '999"));
	buf_fini(&b);
}

static void variables_cannot_blow_up_memory(void **state)
{
	struct conf *c = NULL;
	struct err err = { 0 };
	struct buf b, big;
	buf_init(&b, CONF_FILE_MAX), buf_init(&big, 100000);
	repeat(&big, "x", 100000);
	setenv("TM_BIG", big.p, 1);
	repeat(&b, "- ${TM_BIG}\n", 10000);
	assert_int_equal(conf_parse(buf_str(&b), "t.yaml", &c, &err), ERR_TOO_BIG);
	assert_string_equal(err.text, "t.yaml:42:3: environment variables bring in over 4194304 bytes");
	unsetenv("TM_BIG");
	buf_fini(&b), buf_fini(&big);
}

static void every_prefix_and_every_flipped_byte_is_survived(void **state)
{
	static const char text[] =
		"name: 'x'\nlisten: {http: \"a\\x41b\", agents: [1, 2]}\nservices:\n  - name: |\n      shop\n"
		"    burst: {for: 1s}\nheaders:\n  ? a\n  : ${TM_A}\n# end\n";
	struct conf *c = NULL;
	struct top t;
	struct err err;
	char bytes[sizeof(text)];
	setenv("TM_A", "alpha", 1);
	for (size_t n = 0; n < sizeof(text); n++)
		if (read_top((struct str){ text, n }, "t.yaml", &c, &t, &err) == 0)
			conf_free(c);
	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		for (int v = 0; v < 256; v += 3) {
			memcpy(bytes, text, sizeof(text));
			bytes[at] = (char)v;
			if (read_top((struct str){ bytes, sizeof(text) - 1 }, "t.yaml", &c, &t, &err) == 0)
				conf_free(c);
			else
				assert_non_null(strstr(err.text, "t.yaml:"));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_has_its_sentence),
		cmocka_unit_test(a_secret_that_is_missing_names_both_ways),
		cmocka_unit_test(a_raw_nul_is_refused),
		cmocka_unit_test(a_null_err_is_fine),
		cmocka_unit_test(big_and_deep_is_refused_at_once),
		cmocka_unit_test(long_names_fit_into_errors),
		cmocka_unit_test(variables_cannot_blow_up_memory),
		cmocka_unit_test(every_prefix_and_every_flipped_byte_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
