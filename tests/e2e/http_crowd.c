/* http_crowd - those who do not mean well, in numbers, against one HTTP server:
 *   http_crowd PORT CONNECTIONS STREAMS [HEADER...]
 * Keeps CONNECTIONS connections open from 100 addresses (127.0.1.1 and up, streams 127.0.2.1), a third of them dripping a header, a third a body,
 * a third saying nothing or nonsense, and STREAMS readers of /api/v1/stream that never read. What the server closes is opened
 * again. HEADER is sent with each request, for who needs a token. Every second one line: how many are open, how many were
 * opened. Until SIGTERM. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/str.h"
#include "base/util.h"

#define ADDRESSES   100
#define DRIP_US     (2 * US_PER_S)
#define DIALS_PER_S 2000 /* more would be a flood of packets, which is another layer's to stop */

enum kind { HEADER, BODY, MUTE, NONSENSE, STREAM };
struct one {
	int fd; /* -1: closed */
	enum kind kind;
	bool begun;
	int64_t drip_at_us;
};

static volatile sig_atomic_t over;
static const char *extra = "";
static uint64_t dialed;

static size_t number_of(const char *text)
{
	int64_t n;
	if (str_to_i64(str_of(text), &n, NULL) < 0 || n < 0) {
		fprintf(stderr, "http_crowd: not a number: %s\n", text);
		exit(2);
	}
	return (size_t)n;
}

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

static void dial(struct one *o, size_t i, int port, int epoll)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl((o->kind == STREAM ? 0x7f000201u : 0x7f000101u) + (uint32_t)(i % ADDRESSES)) };
	int one = 1, small = 4096;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* the port is chosen at connect: as many as there are to each destination */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = i };
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
		(connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) ||
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		close(fd);
		return;
	}
	o->fd = fd;
	o->begun = false;
	o->drip_at_us = clock_boot_us() + (int64_t)(random_u64() % (uint64_t)DRIP_US);
	dialed++;
}

static void say(struct one *o, const char *text)
{
	if (send(o->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOTCONN) {
		close(o->fd);
		o->fd = -1;
	}
}

static void begin(struct one *o)
{
	char text[1024];
	o->begun = true;
	switch (o->kind) {
	case HEADER:
		say(o, "GET /api/v1/cells HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
		break;
	case BODY:
		snprintf(text, sizeof(text),
			"POST /api/v1/deploys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%sContent-Length: 90000\r\n\r\n{", extra);
		say(o, text);
		break;
	case STREAM:
		snprintf(text, sizeof(text), "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n%s\r\n", extra);
		say(o, text);
		break;
	case NONSENSE:
		say(o, "\x16\x03\x01\x02 GET /../../etc/passwd HTTP/9.9\r\n\r\n");
		break;
	case MUTE:
		break;
	}
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fputs("usage: http_crowd PORT CONNECTIONS STREAMS [HEADER]\n", stderr);
		return 2;
	}
	int port = (int)number_of(argv[1]);
	size_t n_crowd = number_of(argv[2]), n_streams = number_of(argv[3]), n = n_crowd + n_streams;
	char line[512];
	if (argc > 4) {
		snprintf(line, sizeof(line), "%s\r\n", argv[4]);
		extra = line;
	}
	if (process_open_files() < n + 64)
		fprintf(stderr, "http_crowd: RLIMIT_NOFILE is below %zu\n", n + 64);
	signal(SIGTERM, on_term);
	struct one *all = mem_new_array(n, sizeof(*all));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < n; i++)
		all[i] = (struct one){ .fd = -1, .kind = i >= n_crowd ? STREAM : i % 10 == 9 ? NONSENSE : (enum kind)(i % 3) };
	int64_t next_word_us = clock_boot_us() + US_PER_S, dial_at_us = clock_boot_us();
	for (size_t turn = 0; !over; turn++) {
		static struct epoll_event evs[1024];
		int got = epoll_wait(epoll, evs, ARRAY_LEN(evs), 10);
		for (int k = 0; k < got; k++) {
			struct one *o = &all[evs[k].data.u64];
			if (o->fd >= 0 && (evs[k].events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))) {
				close(o->fd);
				o->fd = -1;
			} else if (o->fd >= 0 && !o->begun && (evs[k].events & EPOLLOUT)) {
				begin(o);
			}
		}
		int64_t now_us = clock_boot_us();
		size_t open = 0;
		dial_at_us = MAX(dial_at_us, now_us - US_PER_S / 10);
		for (size_t k = 0; k < n; k++) {
			size_t i = (k + turn * 997) % n;
			struct one *o = &all[i];
			if (o->fd < 0 && dial_at_us <= now_us) {
				dial_at_us += US_PER_S / DIALS_PER_S;
				dial(o, i, port, epoll);
			} else if (o->fd >= 0 && o->begun && now_us >= o->drip_at_us && (o->kind == HEADER || o->kind == BODY)) {
				o->drip_at_us = now_us + DRIP_US;
				say(o, " ");
			}
			open += o->fd >= 0;
		}
		if (now_us >= next_word_us) {
			printf("open=%zu opened=%llu\n", open, (unsigned long long)dialed);
			fflush(stdout);
			next_word_us = now_us + US_PER_S;
		}
	}
	return 0;
}
