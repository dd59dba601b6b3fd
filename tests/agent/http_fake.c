#include "tests/agent/http_fake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/certs.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

#define CONNECTIONS_MAX 512
#define REQUEST_MAX     65536

struct http_fake {
	int listener, port;
	http_fake_fn *answer;
	pthread_t acceptor;
	pthread_t threads[CONNECTIONS_MAX];
	int fds[CONNECTIONS_MAX]; /* -1: closed */
	size_t n;
	atomic_size_t requests;
	pthread_mutex_t lock;
	char last[REQUEST_MAX];
	bool tls;
	mbedtls_ssl_config ssl;
	mbedtls_x509_crt cert;
	mbedtls_pk_context key;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
};

struct start {
	struct http_fake *s;
	size_t at;
	int fd;
};

const char *const http_fake_ca_pem = mbedtls_test_cas_pem;

static ssize_t conn_read(struct http_fake_conn *c, char *p, size_t n)
{
	if (c->tls == NULL)
		return recv(c->fd, p, n, 0);
	return mbedtls_ssl_read(c->tls, (unsigned char *)p, n);
}

bool http_fake_send(struct http_fake_conn *c, const void *p, size_t n)
{
	const char *at = p;
	while (n > 0) {
		ssize_t sent = c->tls ? (ssize_t)mbedtls_ssl_write(c->tls, (const unsigned char *)at, n)
				      : send(c->fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

bool http_fake_say(struct http_fake_conn *c, const char *text)
{
	return http_fake_send(c, text, strlen(text));
}

bool http_fake_wait_gone(struct http_fake_conn *c, int timeout_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN | POLLRDHUP };
	return poll(&p, 1, timeout_ms) > 0;
}

void http_fake_reset(struct http_fake_conn *c)
{
	struct linger now = { 1, 0 };
	INVARIANT(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
}

/* One header block, a byte at a time: nothing behind it is swallowed. */
static bool read_request(struct http_fake_conn *c, char *out)
{
	size_t n = 0;
	while (n + 1 < REQUEST_MAX) {
		if (conn_read(c, out + n, 1) != 1)
			return false;
		out[++n] = '\0';
		if (n >= 4 && memcmp(out + n - 4, "\r\n\r\n", 4) == 0)
			return true;
	}
	return false;
}

static void converse(struct http_fake *s, struct http_fake_conn *c)
{
	char *request = malloc(REQUEST_MAX);
	INVARIANT(request != NULL);
	while (read_request(c, request)) {
		char path[1024] = "";
		(void)sscanf(request, "%*s %1023s", path);
		(void)pthread_mutex_lock(&s->lock);
		(void)snprintf(s->last, sizeof(s->last), "%s", request);
		(void)pthread_mutex_unlock(&s->lock);
		atomic_fetch_add(&s->requests, 1);
		if (!s->answer(c, path, request))
			break;
	}
	free(request);
}

static void *connection(void *arg)
{
	struct start *st = arg;
	struct http_fake *s = st->s;
	struct http_fake_conn c = { .fd = st->fd, .server = s };
	mbedtls_ssl_context tls;
	mbedtls_net_context net = { st->fd };
	if (s->tls) {
		mbedtls_ssl_init(&tls);
		INVARIANT(mbedtls_ssl_setup(&tls, &s->ssl) == 0);
		mbedtls_ssl_set_bio(&tls, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
		c.tls = &tls;
		if (mbedtls_ssl_handshake(&tls) == 0)
			converse(s, &c);
		mbedtls_ssl_free(&tls);
	} else {
		converse(s, &c);
	}
	(void)pthread_mutex_lock(&s->lock);
	(void)close(st->fd);
	s->fds[st->at] = -1;
	(void)pthread_mutex_unlock(&s->lock);
	free(st);
	return NULL;
}

static void *acceptor(void *arg)
{
	struct http_fake *s = arg;
	for (;;) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0)
			return NULL; /* shut down */
		(void)pthread_mutex_lock(&s->lock);
		INVARIANT(s->n < CONNECTIONS_MAX);
		struct start *st = mem_new(sizeof(*st));
		*st = (struct start){ s, s->n, fd };
		s->fds[s->n] = fd;
		INVARIANT(pthread_create(&s->threads[s->n], NULL, connection, st) == 0);
		s->n++;
		(void)pthread_mutex_unlock(&s->lock);
	}
}

/* mbedTLS 2.28 keeps its random generator apart from locks: handshakes of several threads go one by one. */
static pthread_mutex_t random_lock = PTHREAD_MUTEX_INITIALIZER;

static int random_locked(void *arg, unsigned char *out, size_t n)
{
	(void)pthread_mutex_lock(&random_lock);
	int rc = mbedtls_ctr_drbg_random(arg, out, n);
	(void)pthread_mutex_unlock(&random_lock);
	return rc;
}

static void tls_setup(struct http_fake *s)
{
	mbedtls_ssl_config_init(&s->ssl);
	mbedtls_x509_crt_init(&s->cert);
	mbedtls_pk_init(&s->key);
	mbedtls_entropy_init(&s->entropy);
	mbedtls_ctr_drbg_init(&s->random);
	INVARIANT(mbedtls_ctr_drbg_seed(&s->random, mbedtls_entropy_func, &s->entropy, NULL, 0) == 0);
	INVARIANT(mbedtls_x509_crt_parse(&s->cert, (const unsigned char *)mbedtls_test_srv_crt,
			  mbedtls_test_srv_crt_len) == 0);
	INVARIANT(mbedtls_pk_parse_key(&s->key, (const unsigned char *)mbedtls_test_srv_key,
			  mbedtls_test_srv_key_len, NULL, 0) == 0);
	INVARIANT(mbedtls_ssl_config_defaults(&s->ssl, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
			  MBEDTLS_SSL_PRESET_DEFAULT) == 0);
	mbedtls_ssl_conf_rng(&s->ssl, random_locked, &s->random);
	INVARIANT(mbedtls_ssl_conf_own_cert(&s->ssl, &s->cert, &s->key) == 0);
}

static struct http_fake *server_start(http_fake_fn *answer, bool tls)
{
	struct http_fake *s = mem_new(sizeof(*s));
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	s->answer = answer;
	s->tls = tls;
	if (tls)
		tls_setup(s);
	(void)pthread_mutex_init(&s->lock, NULL);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	INVARIANT(s->listener >= 0 && bind(s->listener, (struct sockaddr *)&at, sizeof(at)) == 0);
	INVARIANT(listen(s->listener, 512) == 0 && getsockname(s->listener, (struct sockaddr *)&at, &n) == 0);
	s->port = ntohs(at.sin_port);
	INVARIANT(pthread_create(&s->acceptor, NULL, acceptor, s) == 0);
	return s;
}

struct http_fake *http_fake_start(http_fake_fn *answer)
{
	return server_start(answer, false);
}

struct http_fake *http_fake_start_tls(http_fake_fn *answer)
{
	return server_start(answer, true);
}

void http_fake_stop(struct http_fake *s)
{
	if (s == NULL)
		return;
	(void)shutdown(s->listener, SHUT_RDWR);
	(void)pthread_join(s->acceptor, NULL);
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n; i++)
		if (s->fds[i] >= 0)
			(void)shutdown(s->fds[i], SHUT_RDWR);
	(void)pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < s->n; i++)
		(void)pthread_join(s->threads[i], NULL);
	(void)close(s->listener);
	if (s->tls) {
		mbedtls_ssl_config_free(&s->ssl);
		mbedtls_x509_crt_free(&s->cert);
		mbedtls_pk_free(&s->key);
		mbedtls_ctr_drbg_free(&s->random);
		mbedtls_entropy_free(&s->entropy);
	}
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

int http_fake_port(const struct http_fake *s)
{
	return s->port;
}

size_t http_fake_connections(struct http_fake *s)
{
	(void)pthread_mutex_lock(&s->lock);
	size_t n = s->n;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

size_t http_fake_requests(struct http_fake *s)
{
	return atomic_load(&s->requests);
}

void http_fake_last(struct http_fake *s, char *out, size_t n)
{
	(void)pthread_mutex_lock(&s->lock);
	(void)snprintf(out, n, "%s", s->last);
	(void)pthread_mutex_unlock(&s->lock);
}

static bool pass_on(int from, int to)
{
	char bytes[4096];
	ssize_t n = recv(from, bytes, sizeof(bytes), 0);
	for (ssize_t at = 0, sent; at < n; at += sent)
		if ((sent = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL)) <= 0)
			return false;
	return n > 0;
}

void http_fake_tunnel(int client, int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool open = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	while (open) {
		struct pollfd p[2] = { { .fd = client, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
		if (poll(p, 2, -1) < 0)
			break;
		if (p[0].revents)
			open = pass_on(client, fd);
		if (open && p[1].revents)
			open = pass_on(fd, client);
	}
	if (fd >= 0)
		(void)close(fd);
}
