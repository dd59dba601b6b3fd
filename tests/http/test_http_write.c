/* Deploys, purges and agents as a client tells of them: what is taken, what is refused and why, and what a
 * repeat comes to. */
#include "tests/http/cases.h"

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
			",\"warnings\":[\"'version' matches none of shop's 3 endpoints: " },
		{ "CloudFront takes '*' only at the end: what the engine will say of it is said now",
			"\"vendor\":\"cloudfront\",\"patterns\":[\"/v*n\"]", "'/v*n' matches none of shop's 3 endpoints: '*' is a wildcard as the last character only; " },
		{ "Fastly's query is part of the key", "\"vendor\":\"fastly\",\"patterns\":[\"/version?x=1\"]",
			"'/version?x=1' matches none of shop's 3 endpoints: " },
		{ "what would have covered it is said", "\"vendor\":\"cloudfront\",\"patterns\":[\"/version/\"]",
			" would cover https://shop.example/version\"]}" },
		{ "a path of something else", "\"patterns\":[\"/version\",\"/img/*\"]",
			",\"warnings\":[\"'/img/*' matches none of shop's 3 endpoints: it names another path; " },
		{ "each by itself", "\"patterns\":[\"/a\",\"/b\"]",
			"\",\"'/b' matches none of shop's 3 endpoints: " },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writing, setup, teardown),
		cmocka_unit_test_setup_teardown(writing_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vendor_is_one_we_can_read_or_have_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_pattern_that_meets_no_endpoint_is_noted_with_a_warning, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_decided_is_not_aborted, setup, teardown),
		cmocka_unit_test_setup_teardown(agents, setup, teardown),
		cmocka_unit_test_setup_teardown(idempotency, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
