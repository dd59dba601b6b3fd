/* fetch_fixture.h - one fetch from a fake server, with its answer kept for the assertions. */
#ifndef TESTS_AGENT_FETCH_FIXTURE_H
#define TESTS_AGENT_FETCH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/fetch.h"
#include "base/clock.h"
#include "tests/agent/http_fake.h"

struct seen { /* an answer, copied */
	bool done;
	int order; /* of its end among all */
	struct obs obs;
	char version[OBS_VERSION_MAX + 1], edge[OBS_NAME_MAX + 1], ip[64], etag[OBS_NAME_MAX + 1],
		why[ERR_TEXT_MAX];
	char headers[4096];
};

static int seen_count;

static inline void copy_text(char *out, size_t n, struct str s)
{
	(void)snprintf(out, n, "%.*s", STR_ARG(s));
}

static inline void on_seen(void *arg, void *user, const struct answer *a)
{
	struct seen *s = user;
	assert_false(s->done); /* once each */
	s->done = true;
	s->order = ++seen_count;
	s->obs = a->obs;
	copy_text(s->version, sizeof(s->version), a->version);
	copy_text(s->edge, sizeof(s->edge), a->edge);
	copy_text(s->ip, sizeof(s->ip), a->ip);
	copy_text(s->etag, sizeof(s->etag), a->etag);
	copy_text(s->headers, sizeof(s->headers), a->headers);
	copy_text(s->why, sizeof(s->why), str_of(a->why.text));
}

static inline struct fetch *fetch_with(const struct netpolicy *p, const char *ca_file)
{
	struct fetch *f = NULL;
	struct err err;
	struct fetch_conf conf = { .policy = p, .ca_file = ca_file, .done = on_seen };
	if (fetch_new(&conf, &f, &err) < 0)
		fail_msg("%s", err.text);
	return f;
}

static inline struct target *target_of(const struct assign_endpoint *e, uint32_t timeout_ms)
{
	struct netpolicy *open = netpolicy_new_open();
	struct target *t = NULL;
	struct err err;
	assert_int_equal(netpolicy_add_env(open, STR("TIDEMARK_TEST_SECRET"), NULL), 0);
	if (target_new(e, timeout_ms, open, "tidemark-agent/test", &t, &err) < 0)
		fail_msg("%s", err.text);
	netpolicy_free(open);
	return t;
}

/* Turns until s is done; fails after 20 s. */
static inline void turn_until(struct fetch *f, const struct seen *s)
{
	int64_t deadline = clock_boot_us() + 20 * US_PER_S;
	while (!s->done) {
		fetch_turn(f, 100 * US_PER_MS);
		if (clock_boot_us() > deadline)
			fail_msg("no end after 20 s");
	}
}

static inline void fetch_one(
	struct fetch *f, const struct assign_endpoint *e, uint32_t timeout_ms, struct seen *s)
{
	struct target *t = target_of(e, timeout_ms);
	memset(s, 0, sizeof(*s));
	fetch_start(f, t, false, s);
	target_unref(t); /* the fetch has its own */
	turn_until(f, s);
}

static inline struct str url_of(char *text, size_t n, const struct http_fake *s, const char *path)
{
	(void)snprintf(text, n, "http://127.0.0.1:%d%s", http_fake_port(s), path);
	return str_of(text);
}

/* On failure says what came instead. */
#define assert_fail(s, want, says)                                                                           \
	do {                                                                                                 \
		if ((s).obs.fail != (want))                                                                  \
			fail_msg("%s: %s (%s) instead of %s", says, obs_fail_name((s).obs.fail), (s).why,    \
				obs_fail_name(want));                                                        \
	} while (0)

#endif
