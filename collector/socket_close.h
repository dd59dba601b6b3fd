/* socket_close.h - nng_close() that comes back.
 *
 * In nng 1.5.2 closing a socket whose peers come or go in the same moment now and then waits for ever (their
 * issues 1498 and 1543, mended in later versions). By then everything is closed: the listener, the
 * connections, whoever waited for a message. Only the waiting for the last of it does not end. */
#ifndef COLLECTOR_SOCKET_CLOSE_H
#define COLLECTOR_SOCKET_CLOSE_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>

/* A close under way. Receivers on the socket get NNG_ECLOSED at once. */
struct socket_close;
struct socket_close *socket_close_begin(nng_socket s);
/* Waits at most that long. False: it is still not over, and what the socket was given (callbacks' arguments,
 * TLS configurations) must stay as it is. Frees c in either case. */
bool socket_close_end(struct socket_close *c, int64_t wait_us);

#endif
