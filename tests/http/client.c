#include "tests/http/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t client_now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void answer_fini(struct answer *a)
{
	buf_fini(&a->head);
	buf_fini(&a->body);
}

const char *answer_header(const struct answer *a, const char *name)
{
	static char value[1024];
	struct str head = buf_str(&a->head), line, key;
	while (str_cut(&head, '\n', &line))
		if (str_cut(&line, ':', &key) && str_eq_nocase(key, str_of(name))) {
			line = str_trim(line);
			snprintf(value, sizeof(value), "%.*s", STR_ARG(line));
			return value;
		}
	return "";
}

bool answer_says(const struct answer *a, const char *text)
{
	return a->body.n && strstr(a->body.p, text) != NULL;
}

int client_dial_from(int port, const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	INVARIANT(fd >= 0 && inet_pton(AF_INET, address, &from.sin_addr) == 1);
	INVARIANT(bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0);
	INVARIANT(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

int client_dial(int port)
{
	return client_dial_from(port, "127.0.0.1");
}

void client_send_n(int fd, const void *p, size_t n)
{
	const char *at = p;
	while (n > 0) {
		ssize_t k = send(fd, at, n, MSG_NOSIGNAL);
		if (k <= 0)
			return;
		at += k;
		n -= (size_t)k;
	}
}

void client_send(int fd, const char *text)
{
	client_send_n(fd, text, strlen(text));
}

/* One read of at most n bytes before the deadline; 0: end, -1: time over. */
static ssize_t read_some(int fd, void *p, size_t n, int64_t until_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left = until_ms - client_now_ms();
	if (left < 0 || poll(&pfd, 1, (int)left) <= 0)
		return -1;
	ssize_t k = recv(fd, p, n, 0);
	return k < 0 ? 0 : k; /* a reset is an end */
}

/* Byte by byte, so that nothing of the next answer is taken: tests are small. */
static bool read_until_blank_line(int fd, struct buf *head, int64_t until_ms, bool *closed)
{
	char c;
	while (head->n < 4 || memcmp(head->p + head->n - 4, "\r\n\r\n", 4) != 0) {
		ssize_t k = read_some(fd, &c, 1, until_ms);
		if (k <= 0) {
			*closed = k == 0;
			return false;
		}
		buf_add_char(head, c);
	}
	return true;
}

static bool read_n(int fd, struct buf *b, size_t n, int64_t until_ms, bool *closed)
{
	char part[4096];
	while (n > 0) {
		ssize_t k = read_some(fd, part, MIN(n, sizeof(part)), until_ms);
		if (k <= 0) {
			*closed = k == 0;
			return false;
		}
		buf_add(b, part, (size_t)k);
		n -= (size_t)k;
	}
	return true;
}

static void read_chunks(int fd, struct answer *a, int64_t until_ms)
{
	for (;;) {
		struct buf line;
		char c = 0;
		size_t size = 0;
		buf_init(&line, 64);
		while (c != '\n' && read_some(fd, &c, 1, until_ms) == 1)
			buf_add_char(&line, c);
		char *end = line.p;
		if (line.n >= 3)
			size = strtoull(line.p, &end, 16);
		bool ok = end != line.p;
		buf_fini(&line);
		struct buf crlf;
		buf_init(&crlf, 2);
		ok = ok && read_n(fd, &a->body, size, until_ms, &a->closed) &&
		     read_n(fd, &crlf, 2, until_ms, &a->closed);
		buf_fini(&crlf);
		if (!ok || size == 0)
			return;
	}
}

struct answer client_read(int fd, bool head)
{
	struct answer a = { 0 };
	int64_t until_ms = client_now_ms() + CLIENT_WAIT_MS, length = 0, status = 0;
	buf_init(&a.head, 1024 * 1024);
	buf_init(&a.body, 64 * 1024 * 1024);
	do {
		buf_clear(&a.head);
		if (!read_until_blank_line(fd, &a.head, until_ms, &a.closed))
			return a;
	} while (str_starts(buf_str(&a.head), "HTTP/1.1 100"));
	if (!str_starts(buf_str(&a.head), "HTTP/1.1 ") ||
		str_to_i64((struct str){ a.head.p + 9, 3 }, &status, NULL) < 0)
		return a;
	a.status = (int)status;
	if (head || a.status == 204 || a.status == 304)
		return a;
	if (strcmp(answer_header(&a, "Transfer-Encoding"), "chunked") == 0)
		read_chunks(fd, &a, until_ms);
	else if (str_to_i64(str_of(answer_header(&a, "Content-Length")), &length, NULL) == 0)
		(void)read_n(fd, &a.body, (size_t)length, until_ms, &a.closed);
	return a;
}

struct answer client_do(
	int port, const char *method, const char *target, const char *headers, const char *body)
{
	struct buf b;
	int fd = client_dial(port);
	buf_init(&b, 64 * 1024 * 1024);
	buf_addf(&b, "%s %s HTTP/1.1\r\n", method, target);
	if (!str_contains_nocase(str_of(headers), "Host:"))
		buf_addf(&b, "Host: 127.0.0.1:%d\r\n", port);
	buf_add_str(&b, str_of(headers));
	if (body) {
		if (!str_contains_nocase(str_of(headers), "Content-Type:"))
			buf_addf(&b, "Content-Type: application/json\r\n");
		buf_addf(&b, "Content-Length: %zu\r\n", strlen(body));
	}
	buf_addf(&b, "\r\n");
	if (body)
		buf_add_str(&b, str_of(body));
	client_send_n(fd, b.p, b.n);
	struct answer a = client_read(fd, strcmp(method, "HEAD") == 0);
	buf_fini(&b);
	close(fd);
	return a;
}

bool client_read_until(int fd, struct buf *b, const char *text, int ms)
{
	int64_t until_ms = client_now_ms() + ms;
	char part[4096];
	while (b->n == 0 || strstr(b->p, text) == NULL) {
		ssize_t k = read_some(fd, part, sizeof(part), until_ms);
		if (k <= 0)
			return false;
		buf_add(b, part, (size_t)k);
	}
	return true;
}

bool client_sees_end(int fd, int ms)
{
	int64_t until_ms = client_now_ms() + ms;
	char part[4096];
	for (;;) {
		ssize_t k = read_some(fd, part, sizeof(part), until_ms);
		if (k <= 0)
			return k == 0;
	}
}
