/* Those who do not mean well, or write their own HTTP: nobody holds a place for ever, nobody takes memory
 * without bound, and everybody else is answered meanwhile. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/http/fixture.h"

static int setup_short(void **state)
{
	(void)state;
	server_start((struct http_options){ .limits = { .header_us = 400 * US_PER_MS,
						    .body_us = 400 * US_PER_MS,
						    .idle_us = 600 * US_PER_MS,
						    .send_us = 400 * US_PER_MS } });
	return 0;
}

static int setup_few(void **state)
{
	(void)state;
	server_start((struct http_options){ .limits = { .connections = 64, .per_address = 8 } });
	return 0;
}

/* Is the connection still open after so long, when the client drips a byte now and then? */
static int drip_until_end(int fd, const char *drip, int most_ms)
{
	int64_t start_ms = client_now_ms();
	while (client_now_ms() - start_ms < most_ms) {
		client_send(fd, drip);
		if (client_sees_end(fd, 50))
			return (int)(client_now_ms() - start_ms);
	}
	return -1;
}

static void expect_alive(void)
{
	struct answer a = get("/api/v1/services");
	assert_int_equal(a.status, 200);
	answer_fini(&a);
}

static void slow_ones(void **state)
{
	static const struct {
		const char *says, *first, *drip;
	} cases[] = {
		{ "says nothing", "", "" },
		{ "half a request line", "GET /api/v1", "" },
		{ "drips a header", "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "a" },
		{ "drips header lines", "GET / HTTP/1.1\r\nHost: localhost\r\n", "a: b\r\n" },
		{ "drips a body",
			"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
			"application/json\r\nContent-Length: 900\r\n\r\n{",
			" " },
		{ "drips a chunked body",
			"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
			"application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
			"1\r\n \r\n" },
		{ "drips a body nobody asked for",
			"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n", " " },
		{ "keeps alive and says nothing more", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"" },
		{ "keeps alive and drips the next header",
			"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nX: ", "a" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd = client_dial(port);
		client_send(fd, cases[i].first);
		int took_ms = drip_until_end(fd, cases[i].drip, 5000);
		if (took_ms < 300 || took_ms > 2500)
			fail_msg("%s: ended after %d ms", cases[i].says, took_ms);
		close(fd);
	}
	expect_alive();
}

/* What was asked for is sent, but never taken: the answer is larger than all buffers. */
static void slow_reader(void **state)
{
	(void)state;
	int fd = client_dial(port), small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < 400; i++) /* pipelined: what is answered stays in the way of the next */
		client_send(fd, "GET /openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n");
	struct pollfd pfd = { .fd = fd };
	EVENTUALLY(poll(&pfd, 1, 0) >= 0 && (pfd.revents & (POLLERR | POLLHUP)));
	close(fd);
	expect_alive();
}

static void large_ones(void **state)
{
	size_t big = 200 * 1024;
	char *text = mem_new(big + 1);
	(void)state;
	memset(text, 'a', big);
	struct buf b;
	buf_init(&b, 64 * 1024 * 1024);
	buf_addf(&b, "GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", text);
	int fd = client_dial(port);
	client_send_n(fd, b.p, b.n);
	struct answer a = client_read(fd, false);
	assert_true(a.status == 431 || a.status == 0); /* a reset may overtake the answer */
	answer_fini(&a);
	close(fd);

	buf_clear(&b);
	buf_addf(&b, "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", text);
	fd = client_dial(port);
	client_send_n(fd, b.p, b.n);
	a = client_read(fd, false);
	assert_true(a.status == 414 || a.status == 431 || a.status == 0);
	answer_fini(&a);
	close(fd);
	free(text);
	buf_fini(&b);
	expect_alive();
}

static char *spaces(size_t n)
{
	char *body = mem_new(n + 1);
	memset(body, ' ', n);
	return body;
}

static void large_bodies(void **state)
{
	char *body = spaces(2 * 1024 * 1024);
	(void)state;
	struct answer a = client_do(port, "POST", "/api/v1/deploys", "", body);
	assert_int_equal(a.status, 413);
	assert_true(answer_says(&a, "at most 1024 KiB"));
	answer_fini(&a);
	body[1024 * 1024] = '\0'; /* exactly what is allowed is read */
	a = client_do(port, "POST", "/api/v1/deploys", "", body);
	assert_int_equal(a.status, 400);
	answer_fini(&a);
	free(body);

	int fd = client_dial(port); /* announced, and far too large: told before a byte of it */
	client_send(fd,
		"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		"Content-Length: 99999999999\r\n\r\n");
	a = client_read(fd, false);
	assert_int_equal(a.status, 413);
	assert_true(client_sees_end(fd, CLIENT_WAIT_MS));
	answer_fini(&a);
	close(fd);

	fd = client_dial(port); /* a client that asks first is told before it sends */
	client_send(fd, "POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
			"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n");
	a = client_read(fd, false);
	assert_int_equal(a.status, 415);
	answer_fini(&a);
	close(fd);

	fd = client_dial(port); /* not announced: chunks without end */
	client_send(fd,
		"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		"Transfer-Encoding: chunked\r\n\r\n");
	char *chunk = spaces(0x10000);
	for (int i = 0; i < 200; i++) {
		client_send(fd, "10000\r\n");
		client_send_n(fd, chunk, 0x10000);
		client_send(fd, "\r\n");
	}
	assert_true(client_sees_end(fd, CLIENT_WAIT_MS));
	close(fd);
	free(chunk);

	fd = client_dial(port); /* chunks that end: told at the end */
	client_send(fd,
		"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		"Transfer-Encoding: chunked\r\n\r\n7\r\n{\"servi\r\n3\r\nce\"\r\n2\r\n:}\r\n0\r\n\r\n");
	a = client_read(fd, false);
	assert_int_equal(a.status, 400);
	assert_true(answer_says(&a, "line 1, column"));
	answer_fini(&a);
	close(fd);
	expect_alive();
}

static void broken_http(void **state)
{
	static const struct {
		const char *says, *bytes;
		int status; /* 0: the connection ends */
	} cases[] = {
		{ "no HTTP at all", "\x16\x03\x01\x02\x01\r\n\r\n", 0 },
		{ "HTTP 1.1 without a Host", "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "a header without its colon", "GET / HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n",
			400 },
		{ "a length that is none",
			"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400 },
		{ "a negative length",
			"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "a chunk size that is none",
			"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
			"chunked\r\n\r\nxyz\r\n",
			400 },
		{ "a version nobody speaks", "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 505 },
		{ "an old version", "GET /healthz HTTP/1.0\r\n\r\n", 200 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd = client_dial(port);
		client_send(fd, cases[i].bytes);
		struct answer a = client_read(fd, false);
		if (a.status != cases[i].status || (a.status == 0 && !a.closed))
			fail_msg("%s: want %d, got %d", cases[i].says, cases[i].status, a.status);
		answer_fini(&a);
		close(fd);
	}
	expect_alive();
}

static void pipelining(void **state)
{
	(void)state;
	int fd = client_dial(port);
	client_send(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
			"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
			"application/json\r\nContent-Length: 34\r\n\r\n"
			"{\"service\":\"shop\",\"version\":\"v77\"}"
			"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
			"\x01\x02\x03 garbage \xff\xfe\r\n\r\n");
	static const int want[] = { 200, 201, 404 };
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct answer a = client_read(fd, false);
		assert_int_equal(a.status, want[i]);
		answer_fini(&a);
	}
	assert_true(client_sees_end(fd, CLIENT_WAIT_MS)); /* what is behind them is no request */
	close(fd);
	expect_alive();
}

/* Bytes from a generator with a fixed seed, in front of and behind a beginning that parses. */
static void noise(void **state)
{
	static const char *const starts[] = { "", "GET ", "GET / HTTP/1.1\r\n",
		"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", "GET /api/v1/cells?",
		"GET /api/v1/cells/", "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " };
	uint64_t x = 88172645463325252u;
	(void)state;
	for (int round = 0; round < 300; round++) {
		char bytes[256];
		int fd = client_dial(port);
		for (size_t i = 0; i < sizeof(bytes); i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			bytes[i] = (char)x;
		}
		client_send(fd, starts[(size_t)round % ARRAY_LEN(starts)]);
		client_send_n(fd, bytes, sizeof(bytes));
		client_send(fd, "\r\n\r\n");
		close(fd);
	}
	expect_alive();
}

/* Every place is taken, by eight who hold eight each and ask for nothing: one of another address is answered at once,
 * and who holds fewest keeps what it has. */
static void a_crowd_makes_room(void **state)
{
	int fds[64], small[4];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(small); i++)
		small[i] = client_dial_from(port, "127.0.0.99");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		char from[32];
		(void)snprintf(from, sizeof(from), "127.0.0.%zu", 10 + i / 8);
		fds[i] = client_dial_from(port, from);
	}
	for (int i = 0; i < 50; i++)
		expect_alive();
	for (size_t i = 0; i < ARRAY_LEN(small); i++)
		assert_false(client_sees_end(small[i], 0));
	size_t ended = 0;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		ended += client_sees_end(fds[i], 0);
	assert_true(ended >= 4 && ended < 64);
	struct answer a = get("/metrics");
	assert_true(answer_says(&a, "tidemark_http_connections_crowded_out_total"));
	assert_false(answer_says(&a, "tidemark_http_connections_crowded_out_total 0"));
	answer_fini(&a);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	for (size_t i = 0; i < ARRAY_LEN(small); i++)
		close(small[i]);
}

static void limits_per_address(void **state)
{
	int fds[8];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = client_dial(port);
	int fd = client_dial(port);
	assert_true(client_sees_end(fd, CLIENT_WAIT_MS)); /* the ninth of one address */
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	struct answer a = { 0 };
	do {
		answer_fini(&a);
		a = get("/healthz");
	} while (a.status != 200); /* as soon as they are gone; the test's own time limit ends it otherwise */
	answer_fini(&a);
}

static void journal_is_busy(void **state)
{
	int fds[100];
	(void)state;
	fake_submit_hold(true);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client_dial(port);
		client_send(fds[i], "POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
				    "application/json\r\nContent-Length: 33\r\n\r\n"
				    "{\"service\":\"shop\",\"version\":\"v1\"}");
	}
	EVENTUALLY(fake_submits_waiting() == 4);
	expect_alive(); /* reading does not wait for writing */
	struct answer h = get("/api/v1/cells/v/self:edge-lhr/history");
	assert_int_equal(h.status, 200); /* nor does a history */
	answer_fini(&h);
	fake_submit_result(ERR_BUSY, "enough");
	fake_submit_hold(false);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		struct answer a = client_read(fds[i], false);
		assert_int_equal(a.status, 503);
		answer_fini(&a);
		close(fds[i]);
	}
}

/* Stopped in the middle of everything: requests half sent, a journal that takes its time, streams, waits. */
static void stop_under_load(void **state)
{
	int fds[40];
	static const char *const requests[] = {
		"GET /api/v1/str",
		"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /api/v1/deploys/d_1?wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		("POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		 "Content-Length: 33\r\n\r\n{\"service\":\"shop\",\"version\":\"v1\"}"),
		"GET /api/v1/cells/v/self:edge-lhr/history HTTP/1.1\r\nHost: localhost\r\n\r\n",
	};
	(void)state;
	setup(NULL);
	fake_deploy("d_1", "shop", "v1", VERDICT_CONVERGING);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = client_dial(port);
		client_send(fds[i], requests[i % ARRAY_LEN(requests)]);
	}
	expect_alive();
	http_stop(server);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		assert_true(client_sees_end(fds[i], CLIENT_WAIT_MS));
		close(fds[i]);
	}
	fake_hub_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(slow_ones, setup_short, teardown),
		cmocka_unit_test_setup_teardown(slow_reader, setup_short, teardown),
		cmocka_unit_test_setup_teardown(large_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(large_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_http, setup, teardown),
		cmocka_unit_test_setup_teardown(pipelining, setup, teardown),
		cmocka_unit_test_setup_teardown(noise, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_per_address, setup_few, teardown),
		cmocka_unit_test_setup_teardown(a_crowd_makes_room, setup_few, teardown),
		cmocka_unit_test_setup_teardown(journal_is_busy, setup, teardown),
		cmocka_unit_test(stop_under_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
