/* client.h - a small HTTP client over a real socket, that can also misbehave. Every read has a deadline. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include "base/buf.h"

#define CLIENT_WAIT_MS 10000

struct answer {
	int status;      /* 0: the connection ended, or the time was over, before an answer */
	struct buf head; /* status line and fields */
	struct buf body; /* chunks put together */
	bool closed;     /* the server ended the connection */
};
void answer_fini(struct answer *a);
/* Value of a header field, "" when absent; borrowed from a static buffer until the next call. */
const char *answer_header(const struct answer *a, const char *name);
bool answer_says(const struct answer *a, const char *text); /* in the body */

int client_dial(int port);
int client_dial_from(int port, const char *address); /* from this one of ours, 127.0.0.x */
void client_send(int fd, const char *text); /* what the other side does not take any more is lost */
void client_send_n(int fd, const void *p, size_t n);
/* Reads one answer. head: the request was HEAD. */
struct answer client_read(int fd, bool head);
/* One request on its own connection. headers: "Name: value\r\n..." or "". body NULL: none. */
struct answer client_do(
	int port, const char *method, const char *target, const char *headers, const char *body);
/* Reads into b until it holds text; false when the time is over or the connection ended. */
bool client_read_until(int fd, struct buf *b, const char *text, int ms);
/* True when the server ends the connection within the time, whatever it sends before. */
bool client_sees_end(int fd, int ms);
int64_t client_now_ms(void);

#endif
