/* What needs no socket, and what is checked by its shape: routes against openapi.yaml, metrics against their
 * grammar, status feeds against recorded ones, our scanner of JSON, escapes in addresses. */
#include <jansson.h>
#include <stdlib.h>
#include <yaml.h>

#include "collector/http/json_scan.h"
#include "collector/http/server.h"
#include "tests/http/fixture.h"

static void scanner(void **state)
{
	static const struct {
		const char *says, *array;
		size_t n;
		const char *last;
	} arrays[] = {
		{ "nothing in it", "[]", 0, "" },
		{ "one", "[1]", 1, "1" },
		{ "all kinds", "[1,\"a\",null,true,{\"x\":[1,2]},[3,[4]],-1.5e3]", 7, "-1.5e3" },
		{ "brackets inside strings are text", "[\"]\",\"[\",\"{\\\"}\"]", 3, "\"{\\\"}\"" },
		{ "blanks", " [ 1 ,\n 2 ] ", 2, "2" },
		{ "no array", "{\"a\":1}", 0, "" },
		{ "cut off", "[1,\"a", 2, "\"a" },
		{ "nothing at all", "", 0, "" },
	};
	static const struct {
		const char *says, *object, *key, *value; /* NULL: not there */
	} members[] = {
		{ "first", "{\"a\":1,\"b\":2}", "a", "1" },
		{ "last", "{\"a\":1,\"b\":\"x\"}", "b", "\"x\"" },
		{ "a member of a member is none of ours", "{\"a\":{\"b\":1}}", "b", NULL },
		{ "behind one that nests", "{\"a\":{\"b\":[1,{}]},\"b\":2}", "b", "2" },
		{ "a value that looks like a key", "{\"a\":\"\\\"b\\\":1\"}", "b", NULL },
		{ "blanks", "{ \"a\" : 1 , \"b\" : [ ] }", "b", "[ ]" },
		{ "an empty object", "{}", "a", NULL },
		{ "no object", "[]", "a", NULL },
		{ "cut off", "{\"a\":", "b", NULL },
		{ "cut off in a key", "{\"a", "a", NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
		struct str item = STR_NONE;
		size_t n = 0;
		for (size_t at = 0; json_next(str_of(arrays[i].array), &at, &item); n++)
			;
		if (n != arrays[i].n || (n && !str_is(item, arrays[i].last)))
			fail_msg("%s: %zu, last '%.*s'", arrays[i].says, n, STR_ARG(item));
	}
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		struct str v = STR_NONE;
		bool found = json_member(str_of(members[i].object), members[i].key, &v);
		if (found != (members[i].value != NULL) || (found && !str_is(v, members[i].value)))
			fail_msg("%s: '%.*s'", members[i].says, STR_ARG(v));
	}
	assert_true(json_raw_is(STR("\"a\\\"b\""), STR("a\"b")));
	assert_false(json_raw_is(STR("\"a\""), STR("b")));
}

static void escapes(void **state)
{
	static const struct {
		const char *text, *plain; /* NULL: refused */
		bool plus;
	} cases[] = {
		{ "", "", false },
		{ "a%2Fb", "a/b", false },
		{ "a%2fb", "a/b", false },
		{ "%41%42", "AB", false },
		{ "a+b", "a+b", false },
		{ "a+b%2B", "a b+", true },
		{ "%C3%A9", "\xc3\xa9", false },
		{ "%", NULL, false },
		{ "%4", NULL, false },
		{ "a%4", NULL, false },
		{ "%4g", NULL, false },
		{ "%00", NULL, false },
		{ "%c3", NULL, false },
		{ "%ff", NULL, false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[32];
		size_t n = strlen(cases[i].text);
		memcpy(text, cases[i].text, n);
		bool ok = percent_decode(text, &n, cases[i].plus);
		if (ok != (cases[i].plain != NULL) ||
			(ok && !str_is((struct str){ text, n }, cases[i].plain)))
			fail_msg("'%s': %d '%.*s'", cases[i].text, ok, (int)n, text);
	}
}

/* ---- openapi.yaml ---- */

struct operation {
	char method[16], path[128], query[256];
	bool open; /* security: [] */
};
static struct operation operations[128];
static size_t n_operations;

static yaml_document_t api;

static yaml_node_t *member(yaml_node_t *map, const char *key)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
		map->type == YAML_MAPPING_NODE && p < map->data.mapping.pairs.top; p++)
		if (strcmp((char *)yaml_document_get_node(&api, p->key)->data.scalar.value, key) == 0)
			return yaml_document_get_node(&api, p->value);
	return NULL;
}

static const char *scalar(yaml_node_t *n)
{
	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

/* Names of the query parameters of an operation, references followed. */
static void read_parameters(yaml_node_t *op, struct operation *o)
{
	yaml_node_t *list = member(op, "parameters"),
		    *all = member(member(yaml_document_get_root_node(&api), "components"), "parameters");
	for (yaml_node_item_t *i = list ? list->data.sequence.items.start : NULL;
		list && i < list->data.sequence.items.top; i++) {
		yaml_node_t *p = yaml_document_get_node(&api, *i);
		const char *ref = scalar(member(p, "$ref"));
		if (ref[0]) {
			p = member(all, strrchr(ref, '/') + 1);
			assert_non_null(p);
		}
		if (strcmp(scalar(member(p, "in")), "query") == 0)
			snprintf(o->query + strlen(o->query), sizeof(o->query) - strlen(o->query), "%s%s",
				o->query[0] ? " " : "", scalar(member(p, "name")));
	}
}

static void read_openapi(void)
{
	static const char *const methods[] = { "get", "post", "patch", "delete", "put" };
	yaml_parser_t parser;
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_string(&parser, openapi_start, (size_t)(openapi_end - openapi_start));
	assert_true(yaml_parser_load(&parser, &api));
	yaml_parser_delete(&parser);
	yaml_node_t *paths = member(yaml_document_get_root_node(&api), "paths");
	n_operations = 0;
	for (yaml_node_pair_t *p = paths->data.mapping.pairs.start; p < paths->data.mapping.pairs.top; p++)
		for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
			yaml_node_t *op = member(yaml_document_get_node(&api, p->value), methods[i]);
			if (!op)
				continue;
			struct operation *o = &operations[n_operations++];
			memset(o, 0, sizeof(*o));
			snprintf(
				o->path, sizeof(o->path), "%s", scalar(yaml_document_get_node(&api, p->key)));
			for (size_t k = 0; methods[i][k]; k++)
				o->method[k] = (char)(methods[i][k] - 32);
			o->open = member(op, "security") != NULL;
			read_parameters(op, o);
		}
	yaml_document_delete(&api);
}

static void openapi_says_what_routes_do(void **state)
{
	int wrong = 0;
	(void)state;
	read_openapi();
	assert_int_equal(n_operations, n_routes);
	for (size_t i = 0; i < n_routes; i++) {
		const struct operation *o = NULL;
		for (size_t k = 0; k < n_operations; k++)
			if (strcmp(operations[k].path, routes[i].pattern) == 0 &&
				strcmp(operations[k].method, routes[i].method) == 0)
				o = &operations[k];
		if (!o || strcmp(o->query, routes[i].query) != 0 || o->open != (routes[i].scope == 0)) {
			print_error("%s %s: %s\n", routes[i].method, routes[i].pattern,
				o ? o->query : "is not in openapi.yaml");
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* Every $ref points at something. */
static void openapi_references(void **state)
{
	(void)state;
	char *text =
		str_dup((struct str){ (const char *)openapi_start, (size_t)(openapi_end - openapi_start) });
	size_t n = 0;
	for (char *at = text; (at = strstr(at, "\"#/components/")) != NULL; n++) {
		char kind[32], name[64], heading[72];
		assert_int_equal(sscanf(at, "\"#/components/%31[a-z]/%63[A-Za-z]\"", kind, name), 2);
		snprintf(heading, sizeof(heading), "\n    %s:", name);
		if (!strstr(text, heading))
			fail_msg("nothing is at %s/%s", kind, name);
		at++;
	}
	assert_true(n > 50);
	free(text);
}

/* ---- metrics: the grammar of the text format, line by line, as promtool sees it ---- */

static size_t name_length(const char *p)
{
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789");
	return n && !(p[0] >= '0' && p[0] <= '9') ? n : 0;
}

/* {name="value",...}; NULL when it does not parse. */
static const char *skip_labels(const char *p)
{
	if (*p != '{')
		return p;
	for (p++; *p != '}';) {
		size_t n = name_length(p);
		if (!n || p[n] != '=' || p[n + 1] != '"')
			return NULL;
		for (p += n + 2; *p != '"'; p++) {
			if (*p == '\\' && !strchr("\\\"n", p[1]))
				return NULL;
			p += *p == '\\';
			if (*p == '\0')
				return NULL;
		}
		p++;
		if (*p == ',')
			p++;
		else if (*p != '}')
			return NULL;
	}
	return p + 1;
}

struct family {
	char name[128], type[16];
};
static struct family families[128];
static size_t n_families;
static char seen[1024][256];
static size_t n_seen;

static void check_comment(const char *line)
{
	struct family f;
	if (sscanf(line, "# TYPE %127s %15s", f.name, f.type) == 2) {
		for (size_t i = 0; i < n_families; i++)
			if (strcmp(families[i].name, f.name) == 0)
				fail_msg("a second TYPE of %s", f.name);
		if (strcmp(f.type, "counter") != 0 && strcmp(f.type, "gauge") != 0 &&
			strcmp(f.type, "histogram") != 0)
			fail_msg("no such type: %s", line);
		bool total = strlen(f.name) > 6 && strcmp(f.name + strlen(f.name) - 6, "_total") == 0;
		if (total != (strcmp(f.type, "counter") == 0))
			fail_msg("only counters end in _total: %s", line);
		families[n_families++] = f;
	} else if (sscanf(line, "# HELP %127s", f.name) != 1) {
		fail_msg("neither HELP nor TYPE: %s", line);
	}
}

static void check_sample(const char *line)
{
	char *end, key[256];
	size_t n = name_length(line);
	const char *p = n ? skip_labels(line + n) : NULL;
	if (!p || *p != ' ') {
		fail_msg("no sample: %s", line);
		return;
	}
	(void)strtod(p + 1, &end);
	if (end == p + 1 || *end != '\0')
		fail_msg("no value: %s", line);
	assert_true(n_families > 0);
	const struct family *f = &families[n_families - 1];
	size_t base = strlen(f->name);
	bool suffix = strcmp(f->type, "histogram") == 0 &&
		      (strncmp(line + base, "_bucket", 7) == 0 || strncmp(line + base, "_sum", 4) == 0 ||
			      strncmp(line + base, "_count", 6) == 0);
	if (strncmp(line, f->name, base) != 0 || (n != base && !suffix))
		fail_msg("a sample outside its family: %s", line);
	assert_memory_equal(line, "tidemark_", 9);
	snprintf(key, sizeof(key), "%.*s", (int)(p - line), line);
	for (size_t i = 0; i < n_seen; i++)
		if (strcmp(seen[i], key) == 0)
			fail_msg("twice: %s", key);
	snprintf(seen[n_seen++], sizeof(seen[0]), "%s", key);
}

static void metrics_grammar(void **state)
{
	static const char *const want[] = {
		"tidemark_cells{service=\"shop\",state=\"fresh\"} 2",
		"tidemark_cells{service=\"shop\",state=\"stale\"} 1",
		"tidemark_cells{service=\"shop\",state=\"failing\"} 0",
		"tidemark_max_staleness_seconds{service=\"shop\"} 2.5",
		"tidemark_deploy_converged_ratio{service=\"shop\"} 0.75",
		"tidemark_deploy_verdict{service=\"shop\",verdict=\"failed\"} 1",
		"tidemark_deploy_verdict{service=\"shop\",verdict=\"verified\"} 0",
		"tidemark_service_version_info{service=\"shop\",version=\"v\\\"1\\\\\"} 1",
		"tidemark_agents{state=\"connected\"} 2",
		"tidemark_agents{state=\"silent\"} 0",
		"tidemark_ready 1",
		"tidemark_results_total 1200",
		"tidemark_commit_last_seconds 0.0025",
		"tidemark_config_last_reload_successful 1",
		"tidemark_http_requests_total{route=\"/api/v1/cells\",method=\"GET\",code=\"2xx\"} 1",
		"tidemark_http_requests_total{route=\"none\",method=\"any\",code=\"4xx\"} 1",
		"tidemark_http_connections{phase=\"busy\"} 1",
	};
	(void)state;
	fake_deploy("d_1", "shop", "v\"1\\", VERDICT_FAILED);
	struct answer a = get("/api/v1/cells");
	answer_fini(&a);
	a = get("/nothing");
	answer_fini(&a);
	a = get("/metrics");
	assert_int_equal(a.status, 200);
	assert_string_equal(answer_header(&a, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
	assert_int_equal(a.body.p[a.body.n - 1], '\n');
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		char line[256];
		snprintf(line, sizeof(line), "\n%s\n", want[i]);
		if (!strstr(a.body.p, line))
			fail_msg("missing: %s in\n%s", want[i], a.body.p);
	}
	assert_true(answer_says(&a, "tidemark_build_info{version=\"" TIDEMARK_VERSION "\"} 1\n"));
	n_families = n_seen = 0;
	for (char *line = a.body.p, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		if (line[0] == '#')
			check_comment(line);
		else
			check_sample(line);
	}
	assert_true(n_families > 30 && n_seen > 60);
	answer_fini(&a);
}

/* ---- status feeds ---- */

/* Every key of the recorded one is in ours with the same type (null fits all), and we add none. */
static void same_shape(const json_t *want, const json_t *have, const char *where)
{
	const char *key;
	json_t *value;
	char place[256];
	if (json_is_null(want) || json_is_null(have))
		return;
	bool same =
		json_typeof(want) == json_typeof(have) || (json_is_boolean(want) && json_is_boolean(have));
	if (!same)
		fail_msg("%s: another type", where);
	if (json_is_array(want) && json_array_size(want) && json_array_size(have))
		for (size_t i = 0; i < json_array_size(have); i++)
			same_shape(json_array_get(want, 0), json_array_get(have, i), where);
	if (!json_is_object(want))
		return;
	json_object_foreach((json_t *)(uintptr_t)want, key, value)
	{
		snprintf(place, sizeof(place), "%s/%s", where, key);
		if (!json_object_get(have, key))
			fail_msg("%s is missing", place);
		same_shape(value, json_object_get(have, key), place);
	}
	json_object_foreach((json_t *)(uintptr_t)have, key, value) if (!json_object_get(want, key))
		fail_msg("%s/%s is not Statuspage's", where, key);
}

static void statuspage_shape(void **state)
{
	static const char *const feeds[][2] = {
		{ "summary", "summary" },
		{ "status", "status" },
		{ "components", "components" },
		{ "incidents", "incidents" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(feeds); i++) {
		char target[64], file[512];
		snprintf(target, sizeof(target), "/api/v2/%s.json", feeds[i][0]);
		snprintf(file, sizeof(file), "%s/http/fixtures/statuspage-%s.json", TESTS_DIR, feeds[i][1]);
		json_t *want = json_load_file(file, 0, NULL);
		assert_non_null(want);
		struct answer a = get(target);
		json_t *have = json_loadb(a.body.p, a.body.n, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(have);
		same_shape(want, have, feeds[i][0]);
		json_decref(want);
		json_decref(have);
		answer_fini(&a);
	}
}

static void component_rule(void **state)
{
	/* states of shop's four cells, and the verdict of its last deploy */
	static const struct {
		const char *says;
		enum cell_state cells[4];
		enum verdict verdict;
		const char *status, *indicator;
	} cases[] = {
		{ "all fresh", { CELL_FRESH, CELL_FRESH, CELL_FRESH, CELL_FRESH }, VERDICT_VERIFIED,
			"operational", "none" },
		{ "nothing known is not green", { CELL_NEVER_SEEN, CELL_SILENT, CELL_MOVED, CELL_SILENT },
			VERDICT_VERIFIED, "degraded_performance", "minor" },
		{ "half of what was seen is silent", { CELL_FRESH, CELL_SILENT, CELL_FRESH, CELL_SILENT },
			VERDICT_VERIFIED, "degraded_performance", "minor" },
		{ "a quarter silent", { CELL_FRESH, CELL_FRESH, CELL_FRESH, CELL_SILENT }, VERDICT_VERIFIED,
			"operational", "none" },
		{ "moved cells are nobody's trouble", { CELL_FRESH, CELL_MOVED, CELL_MOVED, CELL_MOVED },
			VERDICT_VERIFIED, "operational", "none" },
		{ "one stale after a failed deploy", { CELL_FRESH, CELL_FRESH, CELL_FRESH, CELL_STALE },
			VERDICT_FAILED, "degraded_performance", "minor" },
		{ "stale while converging is expected", { CELL_STALE, CELL_STALE, CELL_STALE, CELL_MIXED },
			VERDICT_CONVERGING, "operational", "none" },
		{ "half stale after a failed deploy", { CELL_FRESH, CELL_FRESH, CELL_MIXED, CELL_STALE },
			VERDICT_FAILED, "partial_outage", "major" },
		{ "a quarter failing", { CELL_FRESH, CELL_FRESH, CELL_FRESH, CELL_FAILING }, VERDICT_VERIFIED,
			"partial_outage", "major" },
		{ "failing counts while converging", { CELL_FRESH, CELL_FRESH, CELL_FAILING, CELL_FAILING },
			VERDICT_CONVERGING, "major_outage", "critical" },
		{ "all failing", { CELL_FAILING, CELL_FAILING, CELL_FAILING, CELL_FAILING }, VERDICT_VERIFIED,
			"major_outage", "critical" },
		{ "a version nobody declared works", { CELL_UNKNOWN, CELL_AHEAD, CELL_FRESH, CELL_FRESH },
			VERDICT_VERIFIED, "operational", "none" },
	};
	(void)state;
	fake_deploy("d_1", "shop", "v1", VERDICT_VERIFIED);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char want[128];
		for (size_t k = 0; k < 4; k++)
			fake_cell_state(k + 1, cases[i].cells[k]); /* the first cell is blog@staging's */
		fake_verdict("d_1", cases[i].verdict);
		struct answer a = get("/api/v2/components.json");
		snprintf(want, sizeof(want), "\"name\":\"shop\",\"status\":\"%s\"", cases[i].status);
		if (!answer_says(&a, want))
			fail_msg("%s: %s", cases[i].says, a.body.p);
		answer_fini(&a);
		a = get("/api/v2/status.json");
		snprintf(want, sizeof(want), "\"indicator\":\"%s\"", cases[i].indicator);
		if (!answer_says(&a, want))
			fail_msg("%s: %s", cases[i].says, a.body.p);
		answer_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scanner),
		cmocka_unit_test(escapes),
		cmocka_unit_test(openapi_says_what_routes_do),
		cmocka_unit_test(openapi_references),
		cmocka_unit_test_setup_teardown(metrics_grammar, setup, teardown),
		cmocka_unit_test_setup_teardown(statuspage_shape, setup, teardown),
		cmocka_unit_test_setup_teardown(component_rule, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
