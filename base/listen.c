/* listen.c - see listen.h */
#include "base/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096 /* the kernel bounds it (net.core.somaxconn); over it a SYN is lost, and comes again after 1 s */

int listen_resolve(struct str address, struct addrinfo **ret, struct err *err)
{
	ptrdiff_t colon = str_rfind(address, ':');
	if (colon < 0)
		return err_set(err, ERR_SYNTAX, "listen address '%.*s' has no port", STR_ARG(address));
	struct str host = str_first(address, (size_t)colon), port = str_from(address, (size_t)colon + 1);
	if (str_starts(host, "[") && str_ends(host, "]"))
		host = (struct str){ host.p + 1, host.n - 2 };
	char *h = str_dup(host), *p = str_dup(port);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	int rc = port.n ? getaddrinfo(host.n ? h : NULL, p, &hints, ret) : EAI_NONAME;
	free(h);
	free(p);
	return rc == 0 ? 0 : err_set(err, ERR_SYNTAX, "listen address '%.*s': %s", STR_ARG(address), gai_strerror(rc));
}

int listen_open(struct str address, const struct addrinfo *a, int *ret_fd, struct err *err)
{
	int one = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, ERR_IO, "no socket for %.*s: %s", STR_ARG(address), strerror(errno));
	/* a restart must not wait for TIME_WAIT */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		int rc = err_set(err, ERR_IO, "cannot listen on %.*s: %s", STR_ARG(address), strerror(errno));
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

void address_text(const struct sockaddr *a, char ret[LISTEN_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";
	bool six = a->sa_family == AF_INET6;
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;
	if (six && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		(void)inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof(host));
		(void)snprintf(ret, LISTEN_TEXT_MAX, "%s:%d", host, ntohs(v6->sin6_port));
	} else if (six) {
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		(void)snprintf(ret, LISTEN_TEXT_MAX, "[%s]:%d", host, ntohs(v6->sin6_port));
	} else {
		(void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		(void)snprintf(ret, LISTEN_TEXT_MAX, "%s:%d", host, ntohs(v4->sin_port));
	}
}
