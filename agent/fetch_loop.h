/* fetch_loop.h - epoll under libcurl: which sockets it wants to hear of, and when it wants to be called.
 * Private to fetch*.c. */
#ifndef AGENT_FETCH_LOOP_H
#define AGENT_FETCH_LOOP_H

#include <curl/curl.h>

#include "agent/fetch.h"

struct watched {                /* by file descriptor */
	uint32_t wanted, known; /* EPOLLIN, EPOLLOUT: by libcurl; by the kernel */
	bool ours;              /* opened by loop_open(), so we hear when it is closed */
};

struct loop {
	int epoll;
	CURLM *multi;
	int64_t due_us; /* monotonic; LOOP_NEVER: libcurl waits for no time */
	struct watched *fds;
	size_t n_fds;
	struct {
		int fd;
		void (*ready)(void *arg);
		void *arg;
	} watches[FETCH_WATCHES_MAX];
	size_t n_watches;
};
#define LOOP_NEVER INT64_MAX

MUST_USE int loop_init(struct loop *l, struct err *err);
void loop_fini(struct loop *l);
/* socket(2) and close(2) for libcurl: -1 as they do. */
int loop_open(struct loop *l, int family, int type, int protocol);
int loop_close(struct loop *l, int fd);
MUST_USE int loop_watch(struct loop *l, int fd, void (*ready)(void *arg), void *arg, struct err *err);
/* Calls libcurl if its time has come, whatever the sockets say. */
void loop_kick(struct loop *l);
/* Waits for sockets, libcurl's timer, or wait_us (negative: no end), and calls libcurl. */
void loop_wait(struct loop *l, int64_t wait_us);
int64_t loop_now_us(void); /* monotonic; not settable by tests: libcurl's own clock is not either */

#endif
