/* Every route as a client meets it: what it answers, and what each kind of mistake is told. */
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
static const char *id_of(const struct answer *a)
{
	static char id[64];
	const char *at = strstr(a->body.p, "\"id\":\"");
	assert_non_null(at);
	snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + 6, "\""), at + 6);
	return id;
}

static void writing(void **state)
{
	char target[128], location[128];
	(void)state;
	struct answer a =
		client_do(port, "POST", "/api/v1/deploys", "", "{\"service\":\"shop\",\"version\":\"v9\"}");
	assert_int_equal(a.status, 201);
	assert_true(answer_says(&a, "\"version\":\"v9\""));
	const char *id = id_of(&a);
	assert_int_equal(strlen(id), 18);
	assert_memory_equal(id, "d_", 2);
	assert_int_equal(strspn(id + 2, "0123456789abcdefghjkmnpqrstvwxyz"), 16);
	snprintf(target, sizeof(target), "/api/v1/deploys/%s", id);
	snprintf(location, sizeof(location), "%s", answer_header(&a, "Location"));
	assert_string_equal(location, target);
	answer_fini(&a);

	a = client_do(port, "PATCH", target, "", "{\"live_at\":\"2026-03-01T10:00:00Z\"}");
	assert_int_equal(a.status, 200);
	assert_true(answer_says(&a, "converging"));
	answer_fini(&a);

	a = client_do(port, "POST", "/api/v1/purges", "", "{\"service\":\"shop\",\"patterns\":[\"/v\"]}");
	assert_int_equal(a.status, 201);
	assert_memory_equal(id_of(&a), "p_", 2);
	snprintf(target, sizeof(target), "/api/v1/purges/%s", id_of(&a));
	assert_string_equal(answer_header(&a, "Location"), target);
	answer_fini(&a);
	a = client_do(port, "PATCH", target, "", "{\"completed_at\":\"2026-03-01T10:00:00Z\"}");
	assert_int_equal(a.status, 200);
	assert_true(answer_says(&a, "\"completed\":true"));
	answer_fini(&a);
	a = get(target);
	assert_int_equal(a.status, 200);
	answer_fini(&a);

	a = client_do(
		port, "POST", "/api/v1/events", "", "{\"type\":\"mesh\",\"service\":\"shop\",\"routes\":[]}");
	assert_int_equal(a.status, 200);
	answer_fini(&a);
	assert_int_equal(fake_submits(), 5);
}

static void writing_wrong(void **state)
{
	static const struct api_case cases[] = {
		{ "no JSON at all", "POST", "/api/v1/deploys", NULL, "hello", 400, "line 1, column " },
		{ "the place of the error is told", "POST", "/api/v1/deploys", NULL,
			"{\n \"service\": tru\n}", 400, "line 2, column 15" },
		{ "an empty body", "POST", "/api/v1/deploys", NULL, "", 400, "not JSON" },
		{ "a list", "POST", "/api/v1/deploys", NULL, "[]", 400, "not an object" },
		{ "what is no JSON is a mistake of syntax", "POST", "/api/v1/deploys", NULL, "{\"a\"}", 400,
			"\"code\":\"syntax\"" },
		{ "a NUL in text, in our own words", "POST", "/api/v1/deploys", NULL,
			"{\"service\":\"shop\",\"version\":\"a\\u0000b\"}", 400,
			": \\\\u0000 is not allowed in text\"" },
		{ "a wrong type is JSON, and wrong", "POST", "/api/v1/deploys", NULL,
			"{\"service\":\"shop\",\"version\":7}", 422, "\"code\":\"invalid\"" },
		{ "so is one that is missing", "POST", "/api/v1/deploys", NULL, "{\"service\":\"shop\"}", 422,
			"\"code\":\"invalid\"" },
		{ "a key twice", "POST", "/api/v1/deploys", NULL, "{\"service\":\"a\",\"service\":\"b\"}",
			400, "duplicate" },
		{ "something behind it", "POST", "/api/v1/deploys", NULL, "{} {}", 400,
			"end of file expected" },
		{ "a field that is missing is pointed at", "POST", "/api/v1/deploys", NULL,
			"{\"service\":\"shop\"}", 422, "\"pointer\":\"/version\"" },
		{ "a service that is not there", "POST", "/api/v1/deploys", NULL,
			"{\"service\":\"x\",\"version\":\"1\"}", 422,
			"no service 'x' is watched here; there are shop, "
			"blog@staging\",\"pointer\":\"/service\"" },
		{ "a service misspelt", "POST", "/api/v1/deploys", NULL,
			"{\"service\":\"shpo\",\"version\":\"1\"}", 422,
			"\"code\":\"unknown_service\",\"detail\":\"/service: no service 'shpo' is watched "
			"here; did "
			"you mean 'shop'?\"" },
		{ "a service without its environment", "POST", "/api/v1/purges", NULL,
			"{\"service\":\"blog\",\"everything\":true}", 422, "did you mean 'blog@staging'?" },
		{ "an event of a service misspelt", "POST", "/api/v1/events", NULL,
			"{\"type\":\"mesh\",\"service\":\"shopp\",\"routes\":[]}", 422,
			"did you mean 'shop'?" },
		{ "a vendor misspelt", "POST", "/api/v1/purges", NULL,
			"{\"service\":\"shop\",\"vendor\":\"cloudfornt\",\"everything\":true}", 422,
			"/vendor: no edge goes by 'cloudfornt'; did you mean 'cloudfront'?" },
		{ "a vendor nobody knows", "POST", "/api/v1/purges", NULL,
			"{\"service\":\"shop\",\"vendor\":\"frobnicate\",\"everything\":true}", 422,
			"\"code\":\"unknown_vendor\",\"detail\":\"/vendor: no edge goes by 'frobnicate'; "
			"there are "
			"self, cloudflare" },
		{ "a pattern that no URL ever meets", "POST", "/api/v1/purges", NULL,
			"{\"service\":\"shop\",\"patterns\":[\"/ok\",\"/a b\"]}", 422,
			"\"code\":\"invalid\",\"detail\":\"/patterns/1: holds a blank, which no URL that is "
			"asked for does\"" },
		{ "nor one with a line's end", "POST", "/api/v1/purges", NULL,
			"{\"service\":\"shop\",\"patterns\":[\"/a\\n\"]}", 422, "a control character" },
		{ "nor one with a fragment", "POST", "/api/v1/purges", NULL,
			"{\"service\":\"shop\",\"patterns\":[\"/a#b\"]}", 422, "'#'" },
		{ "none is no vendor to purge", "POST", "/api/v1/purges", NULL,
			"{\"service\":\"shop\",\"vendor\":\"none\",\"everything\":true}", 422,
			"unknown_vendor" },
		{ "a patch of no deploy", "PATCH", "/api/v1/deploys/d_9", NULL, "{}", 404,
			"no deploy has the id 'd_9'" },
		{ "a patch of no purge", "PATCH", "/api/v1/purges/p_9", NULL, "{}", 404,
			"no purge has the id 'p_9'" },
		{ "a patch that is no JSON", "PATCH", "/api/v1/deploys/d_9", NULL, "{", 400, "line 1" },
		{ "a form is no JSON", "POST", "/api/v1/deploys",
			"Content-Type: application/x-www-form-urlencoded\r\n", "a=b", 415,
			"application/json" },
		{ "a charset does not matter", "POST", "/api/v1/deploys",
			"Content-Type: application/json; charset=utf-8\r\n", "[]", 400, NULL },
		{ "a flavour of JSON is JSON", "POST", "/api/v1/deploys",
			"Content-Type: application/cloudevents+json\r\n", "[]", 400, NULL },
		{ "an event of no type", "POST", "/api/v1/events", NULL, "{}", 422, "\"pointer\":\"/type\"" },
		{ "an event of a type that is no event", "POST", "/api/v1/events", NULL,
			"{\"type\":\"deploy\"}", 422, "got 'deploy'" },
		{ "an agent without a name", "POST", "/api/v1/agents", NULL, "{}", 422, "/name: is missing" },
		{ "an agent with a name for a shell", "POST", "/api/v1/agents", NULL, "{\"name\":\"a;b\"}",
			422, "\"pointer\":\"/name\"" },
		{ "an agent with something unknown", "POST", "/api/v1/agents", NULL,
			"{\"name\":\"a\",\"rgion\":\"b\"}", 422, "/rgion: unknown" },
		{ "an agent that is there", "POST", "/api/v1/agents", NULL, "{\"name\":\"fra-1\"}", 409,
			"enrolled already" },
		{ "no agent to rotate", "POST", "/api/v1/agents/nobody/rotate", NULL, NULL, 404,
			"no agent is called 'nobody'" },
		{ "no agent to revoke", "DELETE", "/api/v1/agents/nobody", NULL, NULL, 404,
			"no agent is called 'nobody'" },
	};
	static const struct {
		int code, status;
	} refusals[] = { { ERR_NONSENSE, 422 }, { ERR_EXISTS, 409 }, { ERR_FULL, 503 }, { ERR_IO, 503 },
		{ ERR_TIMEOUT, 503 } };
	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
	assert_int_equal(fake_submits(), 0);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		fake_submit_result(refusals[i].code, "because");
		struct answer a = client_do(
			port, "POST", "/api/v1/deploys", "", "{\"service\":\"shop\",\"version\":\"1\"}");
		assert_int_equal(a.status, refusals[i].status);
		assert_true(answer_says(&a, "because"));
		assert_string_equal(answer_header(&a, "Retry-After"), refusals[i].status == 503 ? "1" : "");
		answer_fini(&a);
	}
}

static void a_vendor_is_one_we_can_read_or_have_seen(void **state)
{
	static const char *const fine[] = { "cloudfront", "varnish", "self", "hauscdn" };
	(void)state;
	fake_add_cell("shop", "v", "hauscdn:a", "hauscdn");
	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		char body[128];
		snprintf(body, sizeof(body), "{\"service\":\"shop\",\"vendor\":\"%s\",\"everything\":true}",
			fine[i]);
		struct answer a = client_do(port, "POST", "/api/v1/purges", "", body);
		if (a.status != 201)
			fail_msg("%s: %d %s", fine[i], a.status, a.body.p);
		answer_fini(&a);
	}
}

static void a_pattern_that_meets_no_endpoint_is_noted_with_a_warning(void **state)
{
	static const struct {
		const char *says, *purge, *want; /* NULL: no warning */
	} cases[] = {
		{ "the path itself", "\"patterns\":[\"/version\"]", NULL },
		{ "with its query", "\"patterns\":[\"/version?format=json\"]", NULL },
		{ "a wildcard at its end", "\"patterns\":[\"/ver*\"]", NULL },
		{ "a wildcard inside", "\"patterns\":[\"/v*n\"]", NULL },
		{ "two wildcards", "\"patterns\":[\"*sio*json\"]", NULL },
		{ "a bare host's root", "\"patterns\":[\"/\"]", NULL },
		{ "a whole URL", "\"patterns\":[\"https://shop.example/version\"]", NULL },
		{ "a URL without its scheme", "\"patterns\":[\"shop.example/*\"]", NULL },
		{ "CloudFront needs no slash", "\"vendor\":\"cloudfront\",\"patterns\":[\"version\"]", NULL },
		{ "others do", "\"vendor\":\"fastly\",\"patterns\":[\"version\"]",
			",\"warnings\":[\"'version' matches none of shop's 3 endpoints; a pattern begins "
			"with / or *, "
			"or is a whole URL\"]}" },
		{ "a path of something else", "\"patterns\":[\"/version\",\"/img/*\"]",
			",\"warnings\":[\"'/img/*' matches none of shop's 3 endpoints\"]}" },
		{ "each by itself", "\"patterns\":[\"/a\",\"/b\"]",
			"[\"'/a' matches none of shop's 3 endpoints\",\"'/b' matches none of shop's 3 "
			"endpoints\"]" },
		{ "a tag is no pattern", "\"tags\":[\"nopath\"]", NULL },
		{ "everything needs none", "\"everything\":true", NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char body[256];
		snprintf(body, sizeof(body), "{\"service\":\"shop\",%s}", cases[i].purge);
		struct answer a = client_do(port, "POST", "/api/v1/purges", "", body);
		bool fine = cases[i].want ? answer_says(&a, cases[i].want) : !answer_says(&a, "warnings");
		if (a.status != 201 || !fine)
			fail_msg("%s: %d %s", cases[i].says, a.status, a.body.p);
		answer_fini(&a);
	}
	/* a service whose endpoints are not known yet cannot be held against any */
	struct answer a = client_do(
		port, "POST", "/api/v1/purges", "", "{\"service\":\"blog@staging\",\"patterns\":[\"/a\"]}");
	assert_int_equal(a.status, 201);
	assert_false(answer_says(&a, "warnings"));
	answer_fini(&a);
}

static void what_is_decided_is_not_aborted(void **state)
{
	static const struct {
		enum verdict verdict;
		int status;
	} cases[] = { { VERDICT_PENDING, 200 }, { VERDICT_CONVERGING, 200 }, { VERDICT_ABORTED, 200 },
		{ VERDICT_VERIFIED, 409 }, { VERDICT_FAILED, 409 }, { VERDICT_INCONCLUSIVE, 409 },
		{ VERDICT_SUPERSEDED, 409 } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char id[16], target[64], want[64];
		snprintf(id, sizeof(id), "d_%zu", 100 + i);
		snprintf(target, sizeof(target), "/api/v1/deploys/%s", id);
		snprintf(want, sizeof(want), "deploy '%s' is %s", id, verdict_name(cases[i].verdict));
		fake_deploy(id, "shop", "v1", cases[i].verdict);
		struct answer a = client_do(port, "PATCH", target, "", "{\"aborted\":true}");
		if (a.status != cases[i].status || (a.status == 409) != answer_says(&a, want))
			fail_msg("%s: %d %s", want, a.status, a.body.p);
		answer_fini(&a);
	}
	assert_int_equal(fake_submits(), 3);
	struct answer a = client_do(port, "PATCH", "/api/v1/deploys/d_104", "", "{\"aborted\":false}");
	assert_false(answer_says(&a, "decided"));
	answer_fini(&a);
}

static void agents(void **state)
{
	(void)state;
	struct answer a =
		client_do(port, "POST", "/api/v1/agents", "", "{\"name\":\"lhr-1\",\"region\":\"eu-west\"}");
	assert_int_equal(a.status, 201);
	assert_string_equal(
		a.body.p, "{\"name\":\"lhr-1\",\"region\":\"eu-west\",\"token\":\"tmk_first\"}\n");
	assert_string_equal(answer_header(&a, "Location"), "/api/v1/agents/lhr-1");
	assert_string_equal(answer_header(&a, "Cache-Control"), "no-store");
	answer_fini(&a);
	a = client_do(port, "POST", "/api/v1/agents/lhr-1/rotate", "", NULL);
	assert_int_equal(a.status, 200);
	assert_true(answer_says(&a, "tmk_second"));
	answer_fini(&a);
	a = client_do(port, "DELETE", "/api/v1/agents/lhr-1", "", NULL);
	assert_int_equal(a.status, 204);
	answer_fini(&a);
	a = get("/api/v1/agents?state=revoked");
	assert_true(answer_says(&a, "lhr-1"));
	answer_fini(&a);
}

static void idempotency(void **state)
{
	static const char body[] = "{\"service\":\"shop\",\"version\":\"v9\"}";
	(void)state;
	struct answer first = client_do(port, "POST", "/api/v1/deploys", "Idempotency-Key: abc\r\n", body);
	assert_int_equal(first.status, 201);
	struct answer again = client_do(port, "POST", "/api/v1/deploys", "Idempotency-Key: abc\r\n", body);
	assert_int_equal(again.status, 201);
	assert_string_equal(first.body.p, again.body.p);
	assert_string_equal(answer_header(&again, "Idempotency-Replayed"), "true");
	assert_memory_equal(answer_header(&again, "Location"), "/api/v1/deploys/d_", 18);
	assert_int_equal(fake_submits(), 1);
	answer_fini(&first);
	answer_fini(&again);

	struct answer other = client_do(port, "POST", "/api/v1/deploys", "Idempotency-Key: abc\r\n",
		"{\"service\":\"shop\",\"version\":\"v8\"}");
	assert_int_equal(other.status, 422);
	assert_true(answer_says(&other, "idempotency_key_reused"));
	answer_fini(&other);
	other = client_do(
		port, "POST", "/api/v1/purges", "Idempotency-Key: abc\r\n", "{\"service\":\"shop\"}");
	assert_int_equal(other.status, 201); /* another address, another key */
	answer_fini(&other);

	fake_submit_result(ERR_FULL, "no space");
	other = client_do(port, "POST", "/api/v1/deploys", "Idempotency-Key: def\r\n", body);
	assert_int_equal(other.status, 503);
	answer_fini(&other);
	fake_submit_result(0, "");
	other = client_do(port, "POST", "/api/v1/deploys", "Idempotency-Key: def\r\n", body);
	assert_int_equal(other.status, 201); /* what failed may be tried again */
	assert_string_equal(answer_header(&other, "Idempotency-Replayed"), "");
	answer_fini(&other);

	fake_submit_lost(true); /* taken, but nobody was told: the next try must find it, not make another */
	other = client_do(port, "POST", "/api/v1/deploys", "Idempotency-Key: lost\r\n", body);
	assert_int_equal(other.status, 503);
	answer_fini(&other);
	fake_submit_lost(false);
	size_t made = fake_submits();
	other = client_do(port, "POST", "/api/v1/deploys", "Idempotency-Key: lost\r\n", body);
	assert_int_equal(other.status, 201);
	assert_int_equal(fake_submits(), made);
	answer_fini(&other);

	fake_submit_hold(true);
	int fd = client_dial(port);
	char request[512];
	snprintf(request, sizeof(request),
		"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: ghi\r\nContent-Type: "
		"application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	client_send(fd, request);
	EVENTUALLY(fake_submits_waiting() == 1);
	other = client_do(port, "POST", "/api/v1/deploys", "Idempotency-Key: ghi\r\n", body);
	assert_int_equal(other.status, 409); /* the first is still under way */
	answer_fini(&other);
	fake_submit_hold(false);
	other = client_read(fd, false);
	assert_int_equal(other.status, 201);
	answer_fini(&other);
	close(fd);

	char key[400];
	memset(key, 'k', sizeof(key));
	snprintf(request, sizeof(request), "Idempotency-Key: %.300s\r\n", key);
	other = client_do(port, "POST", "/api/v1/deploys", request, body);
	assert_int_equal(other.status, 400);
	answer_fini(&other);
}

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
		cmocka_unit_test_setup_teardown(writing, setup, teardown),
		cmocka_unit_test_setup_teardown(writing_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vendor_is_one_we_can_read_or_have_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_pattern_that_meets_no_endpoint_is_noted_with_a_warning, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_decided_is_not_aborted, setup, teardown),
		cmocka_unit_test_setup_teardown(agents, setup, teardown),
		cmocka_unit_test_setup_teardown(idempotency, setup, teardown),
		cmocka_unit_test_setup_teardown(history, setup, teardown),
		cmocka_unit_test_setup_teardown(evidence, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_of_all_answers, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
