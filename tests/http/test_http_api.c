/* Every route that reads, as a client meets it: what it answers, and what each kind of mistake is told. */
#include "tests/http/cases.h"

static void reading(void **state)
{
	static const struct api_case cases[] = {
		{ "services are a list", "GET", "/api/v1/services", NULL, NULL, 200,
			"{\"items\":[{\"name\":\"shop\"" },
		{ "a page of services ends with its cursor", "GET", "/api/v1/services?limit=1", NULL, NULL,
			200, "\"next\":\"shop\"}" },
		{ "and the next page begins behind it", "GET", "/api/v1/services?limit=1&cursor=shop", NULL,
			NULL, 200,
			"{\"items\":[{\"name\":\"blog@staging\",\"cells\":{\"fresh\":1}}],\"next\":null}" },
		{ "a cursor of nothing is told so", "GET", "/api/v1/services?cursor=gone", NULL, NULL, 400,
			"\"bad_cursor\"" },
		{ "incidents, newest first", "GET", "/api/v1/incidents", NULL, NULL, 200, "{\"items\":[{\"id\":\"i_2\"" },
		{ "a page of incidents", "GET", "/api/v1/incidents?limit=1", NULL, NULL, 200, "\"next\":\"i_2\"}" },
		{ "incidents that are open", "GET", "/api/v1/incidents?state=open&service=shop", NULL, NULL, 200,
			"\"events_dropped\":0}],\"next\":null}" },
		{ "incidents that are over", "GET", "/api/v1/incidents?state=resolved", NULL, NULL, 200, "{\"items\":[{\"id\":\"i_1\"" },
		{ "a state that no incident has", "GET", "/api/v1/incidents?state=closed", NULL, NULL, 400,
			"state: 'closed' is neither open nor resolved" },
		{ "one incident", "GET", "/api/v1/incidents/i_2", NULL, NULL, 200, "{\"id\":\"i_2\"" },
		{ "no incident of that name", "GET", "/api/v1/incidents/i_9", NULL, NULL, 404, "no incident 'i_9'" },
		{ "the feed says an incident in Statuspage's words", "GET", "/api/v2/incidents.json", NULL, NULL, 200,
			"\"name\":\"shop: v2 is not served everywhere\",\"status\":\"identified\"" },
		{ "its updates newest first, its times with milliseconds", "GET", "/api/v2/incidents.json", NULL, NULL, 200,
			"\"status\":\"identified\",\"body\":\"a \\\"tier\\\" (shield_stale)\",\"incident_id\"" },
		{ "the summary has those that are not resolved", "GET", "/api/v2/summary.json", NULL, NULL, 200,
			"\"impact\":\"major\"" },
		{ "a deploy's history: how its verdict and its cells changed", "GET", "/api/v1/deploys/d_1/history", NULL, NULL, 200,
			"\"transitions_cut\":false}" },
		{ "its verdicts, and no other deploy's", "GET", "/api/v1/deploys/d_1/history", NULL, NULL, 200,
			"\"verdicts\":[{\"at\":\"2026-03-01T10:00:00Z\",\"from\":\"converging\",\"to\":\"failed\",\"reason\":\"1 of 2 \\\"cells\\\"\"}]" },
		{ "no deploy, no history", "GET", "/api/v1/deploys/d_9/history", NULL, NULL, 404, "d_9" },
		{ "a history from after its end", "GET",
			"/api/v1/deploys/d_1/history?from=2026-03-02T10:00:00Z&to=2026-03-01T10:00:00Z", NULL, NULL, 400,
			"from: must be before to" },
		{ "a history of too long a time", "GET",
			"/api/v1/deploys/d_1/history?from=2026-01-01T10:00:00Z&to=2026-03-01T10:00:00Z", NULL, NULL, 400,
			"from: at most 31 days before to" },
		{ "cells, all of them", "GET", "/api/v1/cells", NULL, NULL, 200, "\"self:edge-lhr\"" },
		{ "cells of a service", "GET", "/api/v1/cells?service=blog%40staging", NULL, NULL, 200,
			"{\"items\":[{\"service\":\"blog@staging\",\"endpoint\":\"v\",\"edge\":\"fastly:"
			"FRA\",\"state\":\"fresh\",\"vendor\":\"fastly\"}],"
			"\"next\":null}" },
		{ "a state misspelt", "GET", "/api/v1/cells?state=stal", NULL, NULL, 400,
			"state: 'stal' is no state of a cell; did you mean 'stale'?" },
		{ "a state that is none", "GET", "/api/v1/cells?state=frobnicate", NULL, NULL, 400,
			"is no state of a cell; there are never_seen, silent, moved, failing, fresh," },
		{ "cells by state", "GET", "/api/v1/cells?state=stale", NULL, NULL, 200, "\"fastly:FRA\"" },
		{ "cells by vendor and region", "GET", "/api/v1/cells?vendor=cloudfront&region=ap", NULL,
			NULL, 200, "NRT12-C1" },
		{ "cells by edge and endpoint", "GET",
			"/api/v1/cells?edge=fastly:FRA&endpoint=v&service=shop", NULL, NULL, 200,
			"\"stale\"" },
		{ "a page of cells", "GET", "/api/v1/cells?limit=2", NULL, NULL, 200, "\"next\":\"2\"" },
		{ "its rest", "GET", "/api/v1/cells?limit=3&cursor=2", NULL, NULL, 200, "\"next\":null" },
		{ "a state that is none", "GET", "/api/v1/cells?state=rotten", NULL, NULL, 400,
			"'rotten' is no state" },
		{ "a cursor that is none", "GET", "/api/v1/cells?cursor=x", NULL, NULL, 400,
			"\"bad_cursor\"" },
		{ "a limit of 0", "GET", "/api/v1/cells?limit=0", NULL, NULL, 400, "limit: want 1 to 5000" },
		{ "a limit too large", "GET", "/api/v1/cells?limit=5001", NULL, NULL, 400,
			"limit: want 1 to 5000" },
		{ "a limit that is no number", "GET", "/api/v1/cells?limit=ten", NULL, NULL, 400,
			"got 'ten'" },
		{ "a misspelt filter is not ignored", "GET", "/api/v1/cells?servce=shop", NULL, NULL, 400,
			"unknown parameter 'servce'; known here: service" },
		{ "a parameter given twice", "GET", "/api/v1/cells?service=a&service=b", NULL, NULL, 400,
			"service: given twice" },
		{ "a cell, its edge with a colon as it is", "GET", "/api/v1/cells/v/self:edge-lhr", NULL,
			NULL, 200, "\"silent\"" },
		{ "a cell whose endpoint holds slash and question mark", "GET",
			"/api/v1/cells/api%2Fv%3Fx%3D1/cloudfront%3ANRT12-C1", NULL, NULL, 200, "api/v?x=1" },
		{ "a cell that two services have wants a name", "GET", "/api/v1/cells/v/fastly:FRA", NULL,
			NULL, 400, "name one with ?service=" },
		{ "and gets one", "GET", "/api/v1/cells/v/fastly:FRA?service=shop", NULL, NULL, 200,
			"\"stale\"" },
		{ "no such cell", "GET", "/api/v1/cells/v/nowhere:X", NULL, NULL, 404,
			"no cell of endpoint 'v'" },
		{ "deploys, newest first", "GET", "/api/v1/deploys", NULL, NULL, 200,
			"{\"items\":[{\"id\":\"d_3\"" },
		{ "deploys of a version", "GET", "/api/v1/deploys?service=shop&version=v1", NULL, NULL, 200,
			"{\"items\":[{\"id\":\"d_1\"" },
		{ "a page of deploys", "GET", "/api/v1/deploys?limit=2", NULL, NULL, 200,
			"\"next\":\"d_2\"}" },
		{ "its rest", "GET", "/api/v1/deploys?limit=2&cursor=d_2", NULL, NULL, 200,
			"\"next\":null}" },
		{ "a cursor of no deploy", "GET", "/api/v1/deploys?cursor=d_9", NULL, NULL, 400,
			"\"bad_cursor\"" },
		{ "a deploy", "GET", "/api/v1/deploys/d_2", NULL, NULL, 200, "\"verdict\":\"verified\"" },
		{ "no such deploy", "GET", "/api/v1/deploys/d_9", NULL, NULL, 404, "\"not_found\"" },
		{ "its curves", "GET", "/api/v1/deploys/d_2/propagation", NULL, NULL, 200,
			"{\"id\":\"d_2\",\"points\":[]}" },
		{ "curves of no deploy", "GET", "/api/v1/deploys/d_9/propagation", NULL, NULL, 404,
			"\"not_found\"" },
		{ "cells of a deploy are those of its service", "GET", "/api/v1/deploys/d_3/cells", NULL,
			NULL, 200, "{\"items\":[{\"service\":\"blog@staging\"" },
		{ "and can be filtered", "GET", "/api/v1/deploys/d_1/cells?state=stale", NULL, NULL, 200,
			"\"fastly:FRA\"" },
		{ "cells of no deploy", "GET", "/api/v1/deploys/d_9/cells", NULL, NULL, 404,
			"\"not_found\"" },
		{ "no purges yet", "GET", "/api/v1/purges", NULL, NULL, 200, "{\"items\":[],\"next\":null}" },
		{ "no such purge", "GET", "/api/v1/purges/p_9", NULL, NULL, 404, "\"not_found\"" },
		{ "agents", "GET", "/api/v1/agents", NULL, NULL, 200, "\"fra-1\"" },
		{ "agents by region", "GET", "/api/v1/agents?region=ap", NULL, NULL, 200,
			"{\"items\":[{\"name\":\"nrt-1\"" },
		{ "agents by state", "GET", "/api/v1/agents?state=silent", NULL, NULL, 200,
			"{\"items\":[],\"next\":null}" },
		{ "a wait without its unit", "GET", "/api/v1/deploys/d_2?wait=30", NULL, NULL, 400,
			"want a duration" },
		{ "a wait too long", "GET", "/api/v1/deploys/d_2?wait=6m", NULL, NULL, 400, "at most 5m" },
	};
	(void)state;
	fake_deploy("d_1", "shop", "v1", VERDICT_SUPERSEDED);
	fake_deploy("d_2", "shop", "v2", VERDICT_VERIFIED);
	fake_deploy("d_3", "blog@staging", "b1", VERDICT_FAILED);
	run_cases(cases, ARRAY_LEN(cases));
}

static void addresses(void **state)
{
	static const struct api_case cases[] = {
		{ "nothing is here", "GET", "/api/v1/nothing", NULL, NULL, 404, "/openapi.yaml" },
		{ "nor here", "POST", "/nothing", NULL, "{}", 404, "no_such_address" },
		{ "a slash at the end is another address", "GET", "/api/v1/cells/", NULL, NULL, 404, NULL },
		{ "two slashes are not one", "GET", "/api//v1/cells", NULL, NULL, 404, NULL },
		{ "no way up", "GET", "/../../etc/passwd", NULL, NULL, 404, NULL },
		{ "nor encoded", "GET", "/%2e%2e/%2e%2e/etc/passwd", NULL, NULL, 404, NULL },
		{ "nor as one segment", "GET", "/..%2f..%2fetc%2fpasswd", NULL, NULL, 404, NULL },
		{ "an empty segment is no endpoint", "GET", "/api/v1/cells//fastly:FRA", NULL, NULL, 404,
			NULL },
		{ "a broken escape in the path", "GET", "/api/v1/cells/%zz/x", NULL, NULL, 400,
			"bad_target" },
		{ "an escape cut short", "GET", "/api/v1/deploys/%4", NULL, NULL, 400, "bad_target" },
		{ "a NUL in the path", "GET", "/api/v1/deploys/a%00b", NULL, NULL, 400, "bad_target" },
		{ "an error names the address as it was sent", "GET", "/api/v1/deploys/..%2f..%2fetc", NULL,
			NULL, 404, "\"instance\":\"/api/v1/deploys/..%2f..%2fetc\"" },
		{ "no UTF-8 in the path", "GET", "/api/v1/deploys/%ff%fe", NULL, NULL, 400, "bad_target" },
		{ "a broken escape in the query", "GET", "/api/v1/cells?service=%", NULL, NULL, 400,
			"bad_target" },
		{ "too many parameters", "GET", "/api/v1/cells?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", NULL, NULL,
			400, "at most 16" },
		{ "the absolute form is understood", "GET", "http://127.0.0.1/api/v1/deploys", NULL, NULL,
			200, "items" },
		{ "a method the address does not have", "DELETE", "/api/v1/cells", NULL, NULL, 405,
			"OPTIONS, GET, HEAD" },
		{ "a method nobody has", "BREW", "/api/v1/deploys", NULL, NULL, 405,
			"OPTIONS, GET, HEAD, POST" },
		{ "PATCH where only POST is", "PATCH", "/api/v1/deploys", NULL, "{}", 405, NULL },
		{ "HEAD where GET is", "HEAD", "/api/v1/deploys", NULL, NULL, 200, NULL },
		{ "HEAD where no GET is", "HEAD", "/-/reload", NULL, NULL, 405, NULL },
		{ "HEAD of the stream ends", "HEAD", "/api/v1/stream", NULL, NULL, 200, NULL },
		{ "OPTIONS of an address", "OPTIONS", "/api/v1/deploys", NULL, NULL, 204, NULL },
		{ "OPTIONS of all", "OPTIONS", "*", NULL, NULL, 204, NULL },
		{ "OPTIONS of nothing", "OPTIONS", "/api/v1/nothing", NULL, NULL, 404, NULL },
	};
	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
	struct answer a = client_do(port, "OPTIONS", "/api/v1/deploys/x", "", NULL);
	assert_string_equal(answer_header(&a, "Allow"), "OPTIONS, GET, HEAD, PATCH");
	answer_fini(&a);
	a = client_do(port, "HEAD", "/api/v1/services", "", NULL);
	struct answer b = get("/api/v1/services");
	char length[32];
	snprintf(length, sizeof(length), "%zu", b.body.n);
	assert_string_equal(answer_header(&a, "Content-Length"), length);
	assert_string_equal(answer_header(&a, "Content-Type"), "application/json");
	answer_fini(&a);
	answer_fini(&b);
}

static void operations(void **state)
{
	static const struct api_case cases[] = {
		{ "alive", "GET", "/healthz", NULL, NULL, 200, "ok" },
		{ "alive by its other name", "GET", "/-/healthy", NULL, NULL, 200, "ok" },
		{ "ready", "GET", "/readyz", NULL, NULL, 200, "ready" },
		{ "ready by its other name", "GET", "/-/ready", NULL, NULL, 200, "ready" },
		{ "the description", "GET", "/openapi.yaml", NULL, NULL, 200, "openapi: 3.1.0" },
		{ "reload", "POST", "/-/reload", NULL, NULL, 200, "reloaded" },
		{ "the page is not built in", "GET", "/", NULL, NULL, 200, "TIDEMARK_WEB=OFF" },
		{ "nor its files", "GET", "/app.js", NULL, NULL, 404, "no_such_address" },
	};
	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
	assert_int_equal(fake_reloads(), 1);

	fake_ready(ERR_FULL, "the disk is full: results wait with the agents");
	fake_reload(ERR_SYNTAX, "collector.yaml:3:1: unknown key 'servces'");
	static const struct api_case bad[] = {
		{ "not ready says why", "GET", "/readyz", NULL, NULL, 503, "not ready: the disk is full" },
		{ "but alive", "GET", "/healthz", NULL, NULL, 200, "ok" },
		{ "a bad file keeps the old configuration", "POST", "/-/reload", NULL, NULL, 500,
			"collector.yaml:3:1: unknown key" },
	};
	run_cases(bad, ARRAY_LEN(bad));
}

/* "id" of a body, in a static buffer. */
static void history(void **state)
{
	static const struct api_case cases[] = {
		{ "transitions and results of a cell", "GET",
			"/api/v1/cells/v/fastly:FRA/"
			"history?service=shop&from=2026-03-01T10:00:00Z&to=2026-03-01T10:00:10Z",
			NULL, NULL, 200,
			"\"transitions\":[{\"at\":\"2026-03-01T10:00:00Z\",\"from\":\"fresh\",\"to\":"
			"\"stale\",\"version\":\"v1\","
			"\"expected\":\"v2\",\"late\":false,\"id\":\"5.1\",\"evidence\":{\"at\":\"2026-03-"
			"01T10:00:00Z\","
			"\"agent\":\"fra-1\",\"version\":\"v1\",\"status\":200,\"vendor\":\"fastly\","
			"\"told\":[" },
		{ "an answer with what its cache said", "GET",
			"/api/v1/cells/v/fastly:FRA/"
			"history?service=shop&from=2026-03-01T10:00:00Z&to=2026-03-01T10:00:10Z",
			NULL, NULL, 200,
			"\"agent\":\"fra-1\",\"region\":\"eu\",\"result\":\"ok\",\"status\":200,\"version\":"
			"\"v1\",\"node\":null,\"ip\":null,"
			"\"cache\":[\"hit\"],\"age_s\":12,\"ttl_s\":null,\"total_s\":null" },
		{ "a failure counts for the edge its agent reached last", "GET",
			"/api/v1/cells/v/fastly:FRA/"
			"history?service=shop&from=2026-03-01T10:00:00Z&to=2026-03-01T10:00:10Z",
			NULL, NULL, 200, "\"result\":\"timeout\",\"status\":0" },
		{ "the newest results are kept", "GET",
			"/api/v1/cells/v/fastly:FRA/"
			"history?service=shop&from=2026-03-01T10:00:00Z&to=2026-03-01T10:00:10Z&limit=1",
			NULL, NULL, 200, "\"results\":[{\"at\":\"2026-03-01T10:00:03.000002Z\"" },
		{ "and it is said that some are not", "GET",
			"/api/v1/cells/v/fastly:FRA/"
			"history?service=shop&from=2026-03-01T10:00:00Z&to=2026-03-01T10:00:10Z&limit=1",
			NULL, NULL, 200, "\"results_cut\":true" },
		{ "an offset with a plain plus", "GET",
			"/api/v1/cells/v/self:edge-lhr/"
			"history?from=2026-03-01T12:00:00+02:00&to=2026-03-01T10:00:10Z",
			NULL, NULL, 200, "\"from\":\"2026-03-01T10:00:00Z\"" },
		{ "epoch microseconds", "GET", "/api/v1/cells/v/self:edge-lhr/history?from=1&to=1000001",
			NULL, NULL, 200, "\"to\":\"1970-01-01T00:00:01.000001Z\"" },
		{ "the last hour when nothing is said", "GET", "/api/v1/cells/v/self:edge-lhr/history", NULL,
			NULL, 200, "\"results_cut\":false" },
		{ "a time that is none", "GET", "/api/v1/cells/v/self:edge-lhr/history?from=yesterday", NULL,
			NULL, 400, "got 'yesterday'" },
		{ "an end before its beginning", "GET", "/api/v1/cells/v/self:edge-lhr/history?from=2&to=1",
			NULL, NULL, 400, "before to" },
		{ "too much at once", "GET", "/api/v1/cells/v/self:edge-lhr/history?from=1&to=9000000000000",
			NULL, NULL, 400, "31 days" },
		{ "two services have it", "GET", "/api/v1/cells/v/fastly:FRA/history", NULL, NULL, 400,
			"?service=" },
		{ "no such cell", "GET", "/api/v1/cells/v/fastly:QQQ/history", NULL, NULL, 404, NULL },
		{ "no such cell of a named service", "GET", "/api/v1/cells/w/fastly:QQQ/history?service=shop",
			NULL, NULL, 404, NULL },
		{ "a limit too large", "GET", "/api/v1/cells/v/self:edge-lhr/history?limit=5001", NULL, NULL,
			400, "1 to 5000" },
	};
	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
	fake_store_result(ERR_TIMEOUT, "interrupted");
	struct answer a = get("/api/v1/cells/v/self:edge-lhr/history");
	assert_int_equal(a.status, 503);
	assert_true(answer_says(&a, "ask for a shorter time"));
	answer_fini(&a);
}

static void evidence(void **state)
{
	static const char url[] = "/api/v1/cells/v/fastly:FRA/evidence?service=shop";
	static const struct api_case cases[] = {
		{ "the headers, a line each", "GET", url, NULL, NULL, 200,
			"\"headers\":[\"HTTP/1.1 200 OK\",\"X-Served-By: "
			"cache-fra-etou8220141-FRA\",\"X-Cache: "
			"HIT\",\"Age: 12\",\"Cache-Control: max-age=60\",\"Set-Cookie: [struck out]\"]}]}" },
		{ "and what each told", "GET", url, NULL, NULL, 200,
			"\"vendor\":\"fastly\",\"told\":["
			"{\"what\":\"pop\",\"header\":\"x-served-by\",\"value\":\"FRA\"},"
			"{\"what\":\"cache\",\"header\":\"x-cache\",\"value\":\"hit\"},"
			"{\"what\":\"age_s\",\"header\":\"age\",\"value\":12},"
			"{\"what\":\"ttl_s\",\"header\":\"cache-control\",\"value\":48,\"because\":\"max-"
			"age\"}]" },
		{ "a cell without any", "GET", "/api/v1/cells/v/self:edge-lhr/evidence", NULL, NULL, 200,
			"\"edge\":\"self:edge-lhr\",\"evidence\":[]}" },
		{ "no such cell", "GET", "/api/v1/cells/v/fastly:QQQ/evidence", NULL, NULL, 404, NULL },
		{ "two services have it", "GET", "/api/v1/cells/v/fastly:FRA/evidence", NULL, NULL, 400,
			"?service=" },
		{ "a limit too large", "GET", "/api/v1/cells/v/fastly:FRA/evidence?limit=101", NULL, NULL,
			400, "1 to 100" },
	};
	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
	fake_store_result(ERR_TIMEOUT, "interrupted");
	struct answer a = get(url);
	assert_int_equal(a.status, 503);
	answer_fini(&a);
}

static void headers_of_all_answers(void **state)
{
	static const char *const targets[] = { "/", "/api/v1/services", "/metrics", "/nothing",
		"/openapi.yaml" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		struct answer a = get(targets[i]);
		assert_string_equal(answer_header(&a, "X-Content-Type-Options"), "nosniff");
		assert_string_equal(answer_header(&a, "Referrer-Policy"), "no-referrer");
		assert_non_null(strstr(answer_header(&a, "Content-Security-Policy"), "default-src 'none'"));
		assert_non_null(
			strstr(answer_header(&a, "Content-Security-Policy"), "frame-ancestors 'none'"));
		answer_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reading, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(operations, setup, teardown),
		cmocka_unit_test_setup_teardown(history, setup, teardown),
		cmocka_unit_test_setup_teardown(evidence, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_of_all_answers, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
