/* The stream and the waits: what arrives, what resumes, and what happens to those who do not read. */
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/http/fixture.h"

#define RING 16 /* events kept, in these tests */

static int setup_small(void **state)
{
	(void)state;
	server_start((struct http_options){
		.limits = { .stream_events = RING, .comment_us = 200 * US_PER_MS, .streams = 80 } });
	return 0;
}

static int stream_open(const char *target, const char *headers, int receive_buffer)
{
	char request[512];
	int fd = client_dial(port);
	if (receive_buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, headers);
	client_send(fd, request);
	return fd;
}

/* Opens and waits for the first words. */
static int stream_ready(const char *target, const char *headers, struct buf *b)
{
	int fd = stream_open(target, headers, 0);
	buf_init(b, 64 * 1024 * 1024);
	if (!client_read_until(fd, b, "retry: 2000\n", CLIENT_WAIT_MS) ||
		!client_read_until(fd, b, "\n\n", CLIENT_WAIT_MS))
		fail_msg("no stream: %s", b->n ? b->p : "");
	return fd;
}

static void stream_close(int fd, struct buf *b)
{
	close(fd);
	buf_fini(b);
}

static void events(void **state)
{
	static const struct {
		enum change_kind kind;
		const char *service, *json, *text;
	} cases[] = {
		{ CHANGE_CELL, "shop", "{\"a\":1}", "event: cell\nid: 101.0\ndata: {\"a\":1}\n\n" },
		{ CHANGE_DEPLOY, "shop", "{\"b\":2}", "event: deploy\nid: 102.1\ndata: {\"b\":2}\n\n" },
		{ CHANGE_PURGE, "shop", "{}", "event: purge\nid: 103.2\ndata: {}\n\n" },
		{ CHANGE_AGENT, "", "{}", "event: agent\nid: 104.3\ndata: {}\n\n" },
		{ CHANGE_SERVICE, "shop", "{}", "event: service\nid: 105.4\ndata: {}\n\n" },
		{ CHANGE_NOTICE, "shop", "{\n}",
			"event: notice\nid: 106.5\ndata: {\ndata: }\n\n" }, /* a line break would end the
									       field */
	};
	struct buf b;
	(void)state;
	int fd = stream_ready("/api/v1/stream", "", &b);
	assert_non_null(strstr(b.p, "Content-Type: text/event-stream\r\n"));
	assert_non_null(strstr(b.p, "Cache-Control: no-store\r\n"));
	assert_non_null(
		strstr(b.p, "id: 100.4294967295\n\n")); /* so that one who was told nothing can resume too */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		fake_tell(cases[i].kind, 101 + (int64_t)i, (uint32_t)i, cases[i].service, cases[i].json);
		if (!client_read_until(fd, &b, cases[i].text, CLIENT_WAIT_MS))
			fail_msg("not told: %s in %s", cases[i].text, b.p);
	}
	stream_close(fd, &b);
}

static void filter(void **state)
{
	struct buf b;
	(void)state;
	int fd = stream_ready("/api/v1/stream?service=shop", "", &b);
	fake_tell(CHANGE_CELL, 101, 0, "blog@staging", "{\"n\":\"not ours\"}");
	fake_tell(CHANGE_AGENT, 102, 0, "", "{\"n\":\"everybody's\"}");
	assert_true(client_read_until(fd, &b, "everybody's", CLIENT_WAIT_MS));
	for (int i = 0; i < 3 * RING; i++) /* what it never wanted makes it no laggard */
		fake_tell(CHANGE_CELL, 103 + i, 0, "blog@staging", "{\"n\":\"not ours\"}");
	fake_tell(CHANGE_CELL, 200, 0, "shop", "{\"n\":\"ours\"}");
	assert_true(client_read_until(fd, &b, "{\"n\":\"ours\"}", CLIENT_WAIT_MS));
	assert_null(strstr(b.p, "not ours"));
	stream_close(fd, &b);
}

static void resume(void **state)
{
	static const struct {
		const char *says, *last_id, *first, *not ;
	} cases[] = {
		{ "behind the last one seen", "104.0", "id: 105.0\n", "id: 104.0\n" },
		{ "between two ids", "104.7", "id: 105.0\n", "id: 104.0\n" },
		{ "from the start of this server", "100.4294967295", "id: 101.0\n", "reset" },
		{ "an id from before this server", "99.0", "event: reset\n", "event: cell" },
		{ "an id of an entry that this server did not fold", "100.3", "event: reset\n",
			"event: cell" },
		{ "an id from the future", "900.0", "event: reset\n", "event: cell" },
		{ "an id that is none", "abc", "event: reset\n", "event: cell" },
		{ "an id with a sign", "-1.0", "event: reset\n", "event: cell" },
		{ "an id too large", "1.99999999999", "event: reset\n", "event: cell" },
	};
	(void)state;
	for (int i = 1; i <= 8; i++)
		fake_tell(CHANGE_CELL, 100 + i, 0, "shop", "{}");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;
		char header[64];
		snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", cases[i].last_id);
		int fd = stream_ready("/api/v1/stream", header, &b);
		if (!client_read_until(fd, &b, cases[i].first, CLIENT_WAIT_MS) || strstr(b.p, cases[i].not ))
			fail_msg("%s: %s", cases[i].says, b.p);
		stream_close(fd, &b);
	}
	struct buf b; /* one that has seen all waits for the next */
	int fd = stream_ready("/api/v1/stream", "Last-Event-ID: 108.0\r\n", &b);
	fake_tell(CHANGE_CELL, 109, 0, "shop", "{}");
	assert_true(client_read_until(fd, &b, "id: 109.0\n", CLIENT_WAIT_MS));
	assert_null(strstr(b.p, "id: 108.0\n"));
	stream_close(fd, &b);
}

static void too_old(void **state)
{
	struct buf b;
	(void)state;
	for (int i = 1; i <= RING + 4; i++)
		fake_tell(CHANGE_CELL, 100 + i, 0, "shop", "{}");
	int fd = stream_ready("/api/v1/stream", "Last-Event-ID: 104.0\r\n", &b); /* 105 is the oldest kept */
	assert_true(client_read_until(fd, &b, "id: 105.0\n", CLIENT_WAIT_MS));
	assert_null(strstr(b.p, "reset"));
	stream_close(fd, &b);
	fd = stream_ready("/api/v1/stream", "Last-Event-ID: 103.0\r\n", &b);
	assert_non_null(strstr(b.p, "event: reset\nid: 120.0\ndata: {"));
	fake_tell(CHANGE_CELL, 121, 0, "shop", "{}");
	assert_true(client_read_until(fd, &b, "id: 121.0\n", CLIENT_WAIT_MS)); /* and it goes on from there */
	stream_close(fd, &b);
}

static void comments(void **state)
{
	struct buf b;
	(void)state;
	int fd = stream_ready("/api/v1/stream", "", &b);
	buf_clear(&b);
	assert_true(client_read_until(fd, &b, ": still here\n\n", CLIENT_WAIT_MS));
	buf_clear(&b);
	assert_true(client_read_until(fd, &b, ": still here\n\n", CLIENT_WAIT_MS));
	stream_close(fd, &b);
}

static double metric(const char *name)
{
	double v = -1;
	struct answer a = get("/metrics");
	char line[128];
	snprintf(line, sizeof(line), "\n%s ", name);
	const char *at = a.body.n ? strstr(a.body.p, line) : NULL;
	if (at)
		v = strtod(at + strlen(line), NULL);
	answer_fini(&a);
	return v;
}

static void those_who_leave(void **state)
{
	int fds[20];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		struct buf b;
		fds[i] = stream_ready("/api/v1/stream", "", &b);
		buf_fini(&b);
	}
	assert_true(metric("tidemark_sse_readers") == 20);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	EVENTUALLY(metric("tidemark_sse_readers") == 0); /* found out by the comments */
}

static char *big_json(size_t n)
{
	char *json = mem_new(n + 3);
	memset(json, 'x', n + 2);
	json[0] = json[n + 1] = '"';
	return json;
}

/* 64 readers that take nothing; one that reads, and everybody else, are served as if they were not there. */
static void stuck_readers(void **state)
{
	int stuck[64];
	struct buf b;
	char *json = big_json(64 * 1024);
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stuck); i++)
		stuck[i] = stream_open("/api/v1/stream", "", 4096);
	EVENTUALLY(metric("tidemark_sse_readers") == 64);
	int fd = stream_ready("/api/v1/stream", "", &b);
	for (int i = 1; i <= 4 * RING; i++) {
		char id[32];
		fake_tell(CHANGE_CELL, 100 + i, 0, "shop", json);
		snprintf(id, sizeof(id), "id: %d.0\n", 100 + i);
		assert_true(client_read_until(fd, &b, id, CLIENT_WAIT_MS));
		buf_clear(&b);
		if (i % 8 == 0) {
			int64_t before_ms = client_now_ms();
			struct answer a = get("/api/v1/cells");
			assert_int_equal(a.status, 200);
			assert_true(client_now_ms() - before_ms < 2000);
			answer_fini(&a);
		}
	}
	EVENTUALLY(metric("tidemark_sse_readers") == 1);
	assert_true(metric("tidemark_sse_readers_dropped_total") == 64);
	for (size_t i = 0; i < ARRAY_LEN(stuck); i++) {
		assert_true(client_sees_end(stuck[i], CLIENT_WAIT_MS));
		close(stuck[i]);
	}
	/* whoever was cut resumes where it was, or is told that it cannot */
	struct buf again;
	int back = stream_ready("/api/v1/stream", "Last-Event-ID: 101.0\r\n", &again);
	assert_non_null(strstr(again.p, "event: reset"));
	stream_close(back, &again);
	stream_close(fd, &b);
	free(json);
}

static void too_many_streams(void **state)
{
	int fds[80];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = stream_open("/api/v1/stream", "", 0);
	EVENTUALLY(metric("tidemark_sse_readers") == 80);
	struct answer a = get("/api/v1/stream");
	assert_int_equal(a.status, 503);
	assert_true(answer_says(&a, "too_many_streams"));
	answer_fini(&a);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

static void bad_filter(void **state)
{
	(void)state;
	struct answer a = get("/api/v1/stream?servce=shop");
	assert_int_equal(a.status, 400);
	answer_fini(&a);
}

/* ---- waits ---- */

static int wait_open(const char *target)
{
	char request[256];
	int fd = client_dial(port);
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	client_send(fd, request);
	return fd;
}

static void wait_for_verdict(void **state)
{
	(void)state;
	fake_deploy("d_1", "shop", "v1", VERDICT_PENDING);
	fake_deploy("d_2", "shop", "v2", VERDICT_PENDING);
	int fd = wait_open("/api/v1/deploys/d_1?wait=60s");
	EVENTUALLY(metric("tidemark_http_waiting") == 1);
	fake_verdict("d_2", VERDICT_VERIFIED);   /* not his */
	fake_verdict("d_1", VERDICT_CONVERGING); /* no verdict yet */
	EVENTUALLY(metric("tidemark_http_waiting") == 1);
	fake_verdict("d_1", VERDICT_FAILED);
	struct answer a = client_read(fd, false);
	assert_int_equal(a.status, 200);
	assert_true(answer_says(&a, "\"verdict\":\"failed\""));
	answer_fini(&a);
	close(fd);
}

static void wait_is_over(void **state)
{
	static const struct {
		const char *says, *target;
		int least_ms, most_ms;
		const char *contains;
	} cases[] = {
		{ "the time is over: the verdict as it is", "/api/v1/deploys/d_1?wait=300ms", 300, 2000,
			"converging" },
		{ "a verdict that stands is answered at once", "/api/v1/deploys/d_2?wait=60s", 0, 2000,
			"verified" },
		{ "a wait of nothing", "/api/v1/deploys/d_1?wait=0", 0, 2000, "converging" },
		{ "a deploy that is not there", "/api/v1/deploys/d_9?wait=60s", 0, 2000, "not_found" },
	};
	(void)state;
	fake_deploy("d_1", "shop", "v1", VERDICT_CONVERGING);
	fake_deploy("d_2", "shop", "v2", VERDICT_VERIFIED);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t start_ms = client_now_ms();
		struct answer a = get(cases[i].target);
		int64_t took_ms = client_now_ms() - start_ms;
		if (!answer_says(&a, cases[i].contains) || took_ms < cases[i].least_ms ||
			took_ms > cases[i].most_ms)
			fail_msg("%s: %d after %d ms", cases[i].says, a.status, (int)took_ms);
		answer_fini(&a);
	}
}

static void many_waits(void **state)
{
	int fds[80];
	(void)state;
	fake_deploy("d_1", "shop", "v1", VERDICT_CONVERGING);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = wait_open("/api/v1/deploys/d_1?wait=60s");
	EVENTUALLY(metric("tidemark_http_waiting") == 80);
	struct answer a = get("/api/v1/deploys/d_1?wait=60s");
	assert_int_equal(a.status, 503);
	answer_fini(&a);
	close(fds[79]); /* one leaves without a word */
	fake_verdict("d_1", VERDICT_VERIFIED);
	for (size_t i = 0; i < ARRAY_LEN(fds) - 1; i++) {
		a = client_read(fds[i], false);
		assert_true(answer_says(&a, "verified"));
		answer_fini(&a);
		close(fds[i]);
	}
	EVENTUALLY(metric("tidemark_http_waiting") == 0);
}

static void stop_answers_first(void **state)
{
	struct buf b;
	(void)state;
	setup_small(NULL);
	fake_deploy("d_1", "shop", "v1", VERDICT_CONVERGING);
	int waiting = wait_open("/api/v1/deploys/d_1?wait=60s"),
	    stream = stream_ready("/api/v1/stream", "", &b);
	EVENTUALLY(metric("tidemark_http_waiting") == 1);
	http_stop(server);
	server = NULL;
	struct answer a = client_read(waiting, false);
	assert_int_equal(a.status, 200);
	assert_true(answer_says(&a, "converging"));
	answer_fini(&a);
	assert_true(client_read_until(
		stream, &b, "\r\n0\r\n", CLIENT_WAIT_MS)); /* the last chunk: a proper end */
	close(waiting);
	stream_close(stream, &b);
	fake_hub_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(events, setup_small, teardown),
		cmocka_unit_test_setup_teardown(filter, setup_small, teardown),
		cmocka_unit_test_setup_teardown(resume, setup_small, teardown),
		cmocka_unit_test_setup_teardown(too_old, setup_small, teardown),
		cmocka_unit_test_setup_teardown(comments, setup_small, teardown),
		cmocka_unit_test_setup_teardown(those_who_leave, setup_small, teardown),
		cmocka_unit_test_setup_teardown(stuck_readers, setup_small, teardown),
		cmocka_unit_test_setup_teardown(too_many_streams, setup_small, teardown),
		cmocka_unit_test_setup_teardown(bad_filter, setup_small, teardown),
		cmocka_unit_test_setup_teardown(wait_for_verdict, setup_small, teardown),
		cmocka_unit_test_setup_teardown(wait_is_over, setup_small, teardown),
		cmocka_unit_test_setup_teardown(many_waits, setup_small, teardown),
		cmocka_unit_test(stop_answers_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
