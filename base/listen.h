/* listen.h - a TCP socket that listens, ours and not a library's, for its errors: address in use, permission, each with its sentence. */
#ifndef BASE_LISTEN_H
#define BASE_LISTEN_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

struct addrinfo;
/* "127.0.0.1:8470", "[::1]:0", "localhost:8470", ":8470". freeaddrinfo() the list, which has at least one member. */
MUST_USE int listen_resolve(struct str address, struct addrinfo **ret, struct err *err);
/* Non-blocking, closed on exec. address is for the sentence only. */
MUST_USE int listen_open(struct str address, const struct addrinfo *a, int *ret_fd, struct err *err);
/* Where it is bound, as "ADDRESS:PORT", IPv6 in brackets; port 0 became a port. */
#define LISTEN_TEXT_MAX 64
void address_text(const struct sockaddr *a, char ret[LISTEN_TEXT_MAX]);

#endif
