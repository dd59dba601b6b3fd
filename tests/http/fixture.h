/* fixture.h - a server over the fake hub on port 0, for each test its own. */
#ifndef TESTS_HTTP_FIXTURE_H
#define TESTS_HTTP_FIXTURE_H

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/http/client.h"
#include "tests/http/fake_hub.h"

static struct http *server;
static int port;

static inline void server_start(struct http_options o)
{
	struct err err = { 0 };
	if (o.listen.n == 0)
		o.listen = STR("127.0.0.1:0");
	if (http_start(fake_hub_new(), &o, &server, &err) < 0)
		fail_msg("the server does not start: %s", err.text);
	port = http_port(server);
}

static inline int setup(void **state)
{
	(void)state;
	server_start((struct http_options){ 0 });
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	fake_submit_hold(false);
	http_stop(server);
	server = NULL;
	fake_hub_free();
	return 0;
}

static inline struct answer get(const char *target)
{
	return client_do(port, "GET", target, "", NULL);
}

/* Until cond holds or 10 s are over. */
#define EVENTUALLY(cond)                                                                                     \
	do {                                                                                                 \
		int64_t until_ms_ = client_now_ms() + CLIENT_WAIT_MS;                                        \
		while (!(cond) && client_now_ms() < until_ms_)                                               \
			poll(NULL, 0, 2);                                                                       \
		assert_true(cond);                                                                           \
	} while (0)

#endif
