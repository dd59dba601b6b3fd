/* fake_collector.h - a collector that plays canned answers, and a way to run `tidemark` against it, through
 * pipes or on a terminal. For the tests of the client. */
#ifndef TESTS_FAKE_COLLECTOR_H
#define TESTS_FAKE_COLLECTOR_H

#include "base/buf.h"

struct fake;
struct fake *fake_start(void); /* on 127.0.0.1 and a port of the system's choice, in a thread of its own */
void fake_stop(struct fake *f);
const char *fake_url(const struct fake *f);

/* The next answer to METHOD and a path (the query is not looked at; "*" is any). Answers are played in order,
 * the last one again and again. A status of 0 closes the connection without a word; -1 sends body as it is,
 * headers and all. */
void fake_answer(struct fake *f, const char *method, const char *path, int status, const char *body);
/* Every request so far: "METHOD target\nheader: value\n...\n\nbody\n--\n". Borrowed until the next call. */
const char *fake_requests(struct fake *f);
size_t fake_count(struct fake *f, const char *what); /* how often it stands in there */
/* Has this exact body been sent there? */
bool fake_got_body(struct fake *f, const char *method, const char *target, const char *body);

struct run {
	struct buf out, err; /* on a terminal both are in out */
	int code;            /* exit code; 128 + signal */
};
/* args: NULL-terminated, without the program's name; TIDEMARK_SERVER is f, where there is one. env:
 * "NAME=value", NULL-terminated, may be NULL. */
void run_client(
	struct run *r, const struct fake *f, bool tty, const char *const *env, const char *const *args);
void run_fini(struct run *r);

#endif
