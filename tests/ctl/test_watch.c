/* tidemark watch: a line a change, connections that end and come back, streams that are none. */
#include "ctl_test.h"

#include <jansson.h>

/* clang-format off: one answer, one line; one case, one sentence */
#define STREAM                                                                                               \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: tidemark\nretry: " \
	"10\nid: 1.0\n\n"
#define SERVICES "{\"items\":[{\"name\":\"shop\"}],\"next\":null}"
#define STALE                                                                                                \
	"event: cell\nid: 5.0\ndata: "                                                                       \
	"{\"service\":\"shop\",\"endpoint\":\"/version\",\"edge\":\"self:nrt\",\"state\":\"stale\","         \
	"\"version\":\"v1\",\"staleness_s\":90,\"last_seen\":\"2026-03-01T10:00:00.250Z\"}\n\n"
#define FRESH                                                                                                \
	"event: cell\nid: 6.0\ndata: "                                                                       \
	"{\"service\":\"shop\",\"endpoint\":\"/version\",\"edge\":\"self:nrt\",\"from\":\"stale\","          \
	"\"to\":\"fresh\",\"version\":\"v2\",\"at\":\"2026-03-01T10:00:09Z\"}\n\n"
#define DEPLOY                                                                                               \
	"event: deploy\nid: 7.0\ndata: "                                                                     \
	"{\"id\":\"d_1\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"verified\","                  \
	"\"reason\":\"every observed cell serves "                                                           \
	"it\",\"propagation\":{\"converged_share\":1.0},\"at\":\"2026-03-01T10:00:10Z\"}\n\n"
#define AGENT                                                                                                \
	"event: agent\nid: 8.0\ndata: "                                                                      \
	"{\"name\":\"fra-1\",\"region\":\"eu\",\"state\":\"silent\",\"at\":\"2026-03-01T10:00:11Z\"}\n\n"
#define NOTICE                                                                                               \
	"event: notice\nid: 9.0\ndata: "                                                                     \
	"{\"service\":\"shop\",\"kind\":\"undeclared_deploy\",\"version\":\"v3\","                           \
	"\"text\":\"nobody told of v3\",\"at\":\"2026-03-01T10:00:12Z\"}\n\n"
#define RESET                                                                                                \
	"event: reset\nid: 20.0\ndata: {\"reason\":\"the events since your last one are not kept any "       \
	"more\"}\n\n"
/* clang-format on */

static void one_line_a_change(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	fake_answer(f, "GET", "/api/v1/stream", -1, STREAM STALE FRESH DEPLOY AGENT NOTICE);
	run_client(&r, f, false, NULL, ARGS("watch", "shop", "--events", "5"));
	assert_int_equal(r.code, 0);
	assert_string_equal(r.out.p,
		"2026-03-01T10:00:00Z cell shop /version self:nrt stale, serves v1, stale for 1m30s\n"
		"2026-03-01T10:00:09Z cell shop /version self:nrt stale -> fresh, serves v2\n"
		"2026-03-01T10:00:10Z deploy shop v2 verified, 100 % converged: every observed cell serves "
		"it\n"
		"2026-03-01T10:00:11Z agent fra-1 of eu is silent\n"
		"2026-03-01T10:00:12Z notice shop undeclared_deploy v3: nobody told of v3\n");
	assert_int_equal(fake_count(f, "GET /api/v1/stream?service=shop HTTP/1.1\r\n"), 1);
	assert_int_equal(fake_count(f, "Accept: text/event-stream\r\n"), 1);
	run_fini(&r);
	fake_stop(f);
}

static void json_is_one_object_a_line(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/stream", -1, STREAM STALE DEPLOY);
	run_client(&r, f, false, NULL, ARGS("watch", "-o", "json", "--events", "2"));
	assert_int_equal(r.code, 0);
	struct str rest = buf_str(&r.out), line;
	static const char *const ids[] = { "5.0", "7.0" };
	for (size_t i = 0; i < 2; i++) {
		assert_true(str_cut(&rest, '\n', &line));
		json_t *o = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
		assert_string_equal(json_string_value(json_object_get(o, "id")), ids[i]);
		assert_true(json_is_object(json_object_get(o, "data")));
		json_decref(o);
	}
	run_fini(&r);
	fake_stop(f);
}

static void a_lost_connection_goes_on_where_it_was(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/stream", -1,
		STREAM STALE "event: cell\ndata: {\"half"); /* cut in an event */
	fake_answer(f, "GET", "/api/v1/stream", 0, "");     /* nobody there */
	fake_answer(f, "GET", "/api/v1/stream", 503,
		"{\"title\":\"Service Unavailable\",\"detail\":\"starting\"}");
	fake_answer(f, "GET", "/api/v1/stream", -1, STREAM FRESH RESET);
	run_client(&r, f, false, NULL, ARGS("watch", "--events", "3"));
	if (r.code != 0)
		fail_msg("exit %d: %s", r.code, r.err.p);
	must_contain("before", r.out.p, "stale for 1m30s\n");
	must_contain("after", r.out.p, "stale -> fresh");
	must_contain("what is not kept is told", r.out.p,
		" reset: the events since your last one are not kept any more\n");
	must_not_contain("half an event is none", r.out.p, "half");
	must_contain(
		"that it is tried again is told", r.err.p, "the stream ended; connecting again in 10 ms\n");
	assert_int_equal(fake_count(f, "Last-Event-ID: 5.0\r\n"), 3);
	assert_int_equal(fake_count(f, "GET /api/v1/stream"), 4);
	run_fini(&r);
	fake_stop(f);
}

static void an_end_can_be_set(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/stream", -1, STREAM); /* ends, again and again, and brings nothing */
	run_client(&r, f, false, NULL, ARGS("watch", "--for", "200ms"));
	assert_int_equal(r.code, 0);
	assert_string_equal(r.out.p, "");
	run_fini(&r);
	fake_stop(f);
}

static void what_is_no_stream_is_said(void **state)
{
	static const struct {
		const char *says;
		int status;
		const char *body, *want;
		int code;
	} bad[] = {
		{ "JSON", 200, "{}", "something that is no stream", 5 },
		{ "no such address", 404, "{\"title\":\"Not Found\",\"detail\":\"nothing is here\"}",
			"Not Found: nothing is here (HTTP 404)", 1 },
		{ "no token", 401, "{\"title\":\"Unauthorized\",\"detail\":\"a token is wanted\"}",
			"Unauthorized: a token is wanted", 1 },
		{ "too many", 503, "{\"title\":\"Service Unavailable\",\"detail\":\"64 streams are open\"}",
			"64 streams are open", 5 },
		{ "a redirect", 302, "", "a redirect", 5 },
		{ "nothing", 0, "", "cannot reach", 5 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct fake *f = fake_start();
		struct run r;
		fake_answer(f, "GET", "/api/v1/stream", bad[i].status, bad[i].body);
		run_client(&r, f, false, NULL, ARGS("watch", "--for", "20s"));
		if (r.code != bad[i].code)
			fail_msg("%s: exit %d\n%s%s", bad[i].says, r.code, r.out.p, r.err.p);
		must_contain(bad[i].says, r.err.p, bad[i].want);
		run_fini(&r);
		fake_stop(f);
	}
}

static void events_that_make_no_sense_are_survived(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/stream", -1,
		STREAM "event: cell\ndata: {not json\n\nevent: cell\ndata: [1,2]\n\nevent: cell\ndata: "
		       "{\"staleness_s\":1e300,\"edge\":7}\n\n"
		       "event: \033[31mred\ndata: {\"text\":\"a\\nb\\u001b[2J\"}\n\nevent: deploy\ndata: "
		       "7\n\ndata: \xFF\xFE\n\n");
	run_client(&r, f, false, NULL, ARGS("watch", "--events", "6"));
	assert_int_equal(r.code, 0);
	must_not_contain("no escape", r.out.p, "\033");
	must_contain("a type is only text", r.out.p, "\\x1b[31mred: a\\nb\\x1b[2J\n");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("watch", "--events", "6", "-o", "json"));
	assert_int_equal(r.code, 0);
	struct str rest = buf_str(&r.out), line;
	int n = 0;
	for (; str_cut(&rest, '\n', &line) && line.n > 0; n++) {
		json_t *o = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
		if (o == NULL)
			fail_msg("not JSON: %.*s", STR_ARG(line));
		json_decref(o);
	}
	assert_int_equal(n, 6);
	run_fini(&r);
	fake_stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_a_change),
		cmocka_unit_test(json_is_one_object_a_line),
		cmocka_unit_test(a_lost_connection_goes_on_where_it_was),
		cmocka_unit_test(an_end_can_be_set),
		cmocka_unit_test(what_is_no_stream_is_said),
		cmocka_unit_test(events_that_make_no_sense_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
