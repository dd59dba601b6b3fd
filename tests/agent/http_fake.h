/* http_fake.h - a small HTTP server for tests: plain sockets, a thread a connection, port 0 on 127.0.0.1.
 * What it answers is the test's own function, called once a request; that function writes bytes, so that it
 * can also write wrong ones. */
#ifndef TESTS_AGENT_HTTP_FAKE_H
#define TESTS_AGENT_HTTP_FAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct http_fake;
struct http_fake_conn {
	int fd;
	struct http_fake *server;
	void *tls; /* of a server that speaks TLS */
};

/* request is the whole header block, NUL-terminated. False: close the connection. */
typedef bool http_fake_fn(struct http_fake_conn *c, const char *path, const char *request);

struct http_fake *http_fake_start(http_fake_fn *answer);
/* With the test certificate that mbedTLS brings along, for "localhost". */
struct http_fake *http_fake_start_tls(http_fake_fn *answer);
extern const char *const http_fake_ca_pem; /* what signed it */
void http_fake_stop(struct http_fake *s);  /* closes every connection, joins every thread */
int http_fake_port(const struct http_fake *s);
size_t http_fake_connections(struct http_fake *s); /* accepted so far */
size_t http_fake_requests(struct http_fake *s);
/* Of the last request: its header block. n bytes with the NUL. */
void http_fake_last(struct http_fake *s, char *out, size_t n);

bool http_fake_send(struct http_fake_conn *c, const void *p, size_t n); /* false: the other side is gone */
bool http_fake_say(struct http_fake_conn *c, const char *text);
/* Waits until the client closes, or the server is stopped, or timeout_ms. True: it is over. */
bool http_fake_wait_gone(struct http_fake_conn *c, int timeout_ms);
void http_fake_reset(struct http_fake_conn *c); /* the next close sends a RST */
/* Bytes to and fro between client and 127.0.0.1:port, until one of them is gone. Does not close client. */
void http_fake_tunnel(int client, int port);

#endif
