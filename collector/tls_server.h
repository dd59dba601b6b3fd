/* tls_server.h - the collector's side of agents' TLS (GnuTLS; TLS 1.2 and 1.3). Non-blocking: who calls waits for the socket. The
 * certificate can be replaced while connections are open; each keeps the one that it began with. A tls_server may be changed from any
 * thread, a session belongs to one. */
#ifndef COLLECTOR_TLS_SERVER_H
#define COLLECTOR_TLS_SERVER_H

#include <sys/types.h>

#include "base/buf.h"

struct tls_server;
struct tls_server_pem { /* paths; NULL where there is none */
	const char *cert, *key, *ca;
	bool require_cert; /* who shows none that ca signed is refused */
};
MUST_USE int tls_server_new(const struct tls_server_pem *pem, struct tls_server **ret, struct err *err);
/* For handshakes to come. On failure the one before stays. */
MUST_USE int tls_server_set(struct tls_server *t, const struct tls_server_pem *pem, struct err *err);
void tls_server_free(struct tls_server *t); /* when no session is left; NULL is fine */

struct tls_session;
enum { TLS_AGAIN = -1, TLS_FAILED = -2 }; /* instead of a number of bytes */
/* fd stays the caller's. NULL: no memory for it, or no random numbers. */
struct tls_session *tls_session_new(struct tls_server *t, int fd);
void tls_session_free(struct tls_session *s); /* NULL is fine */
/* 0: done. TLS_FAILED: why is said, and the peer has been told, as far as its protocol goes. */
int tls_handshake(struct tls_session *s, struct err *err);
bool tls_wants_write(const struct tls_session *s); /* what it waits for, after TLS_AGAIN */
/* 0: the peer is done. */
ssize_t tls_recv(struct tls_session *s, void *p, size_t n);
bool tls_pending(const struct tls_session *s); /* there is more to receive that no poll will tell of */
/* After TLS_AGAIN: the same bytes again. */
ssize_t tls_send(struct tls_session *s, const void *p, size_t n);
void tls_bye(struct tls_session *s); /* nothing more comes from us */

#endif
