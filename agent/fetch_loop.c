#include "agent/fetch_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 64

int64_t loop_now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static struct watched *watched_at(struct loop *l, int fd)
{
	INVARIANT(fd >= 0);
	l->fds = mem_grow(l->fds, &l->n_fds, (size_t)fd + 1, sizeof(*l->fds));
	return &l->fds[fd];
}

static void tell_kernel(struct loop *l, struct watched *w, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };
	int op = events == 0 ? EPOLL_CTL_DEL : w->known == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (w->known == events)
		return;
	/* Failure means that the descriptor was closed under us or is no socket: libcurl's own time limit
	 * ends the transfer. */
	if (epoll_ctl(l->epoll, op, fd, &ev) < 0 && errno == EEXIST)
		(void)epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &ev);
	w->known = events;
}

/* A kept connection is wanted, unwanted and wanted again with every probe. The kernel is only told when an
 * answer to the last question would disturb: two system calls less a probe. Descriptors that libcurl closes
 * without our hearing of it (those of its lookup threads) are told at once, since the next of that number
 * would be another. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct loop *l = arg;
	struct watched *w = watched_at(l, fd);
	w->wanted = (what & CURL_POLL_REMOVE)
			    ? 0
			    : (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (w->wanted != 0 || !w->ours)
		tell_kernel(l, w, fd, w->wanted);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct loop *l = arg;
	l->due_us = timeout_ms < 0    ? LOOP_NEVER
		    : timeout_ms == 0 ? 0
				      : loop_now_us() + timeout_ms * US_PER_MS;
	return 0;
}

int loop_init(struct loop *l, struct err *err)
{
	*l = (struct loop){ .due_us = LOOP_NEVER };
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return err_set(err, ERR_IO, "no epoll: %s", strerror(errno));
	l->multi = curl_multi_init();
	INVARIANT(l->multi != NULL); /* out of memory */
	(void)curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
	(void)curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
	return 0;
}

void loop_fini(struct loop *l)
{
	if (l->multi)
		(void)curl_multi_cleanup(l->multi);
	if (l->epoll >= 0)
		(void)close(l->epoll);
	free(l->fds);
}

int loop_open(struct loop *l, int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd >= 0)
		*watched_at(l, fd) = (struct watched){ .ours = true };
	return fd;
}

int loop_close(struct loop *l, int fd)
{
	*watched_at(l, fd) = (struct watched){ 0 }; /* the kernel forgets it by itself */
	return close(fd);
}

int loop_watch(struct loop *l, int fd, void (*ready)(void *arg), void *arg, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
	INVARIANT(l->n_watches < FETCH_WATCHES_MAX);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_set(err, ERR_IO, "descriptor %d cannot be watched: %s", fd, strerror(errno));
	l->watches[l->n_watches].fd = fd;
	l->watches[l->n_watches].ready = ready;
	l->watches[l->n_watches++].arg = arg;
	return 0;
}

void loop_kick(struct loop *l)
{
	int running;
	if (l->due_us == LOOP_NEVER || (l->due_us > 0 && l->due_us > loop_now_us()))
		return;
	l->due_us = LOOP_NEVER; /* libcurl sets the next one from within */
	(void)curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void on_event(struct loop *l, const struct epoll_event *ev)
{
	int fd = ev->data.fd, running;
	for (size_t i = 0; i < l->n_watches; i++)
		if (l->watches[i].fd == fd) {
			l->watches[i].ready(l->watches[i].arg);
			return;
		}
	struct watched *w = watched_at(l, fd);
	if (w->wanted == 0) { /* an idle kept connection spoke up or was closed: libcurl looks when it wants
				 it again */
		tell_kernel(l, w, fd, 0);
		return;
	}
	int bits = (ev->events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP) ? CURL_CSELECT_IN : 0) |
		   (ev->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (ev->events & EPOLLERR ? CURL_CSELECT_ERR : 0);
	(void)curl_multi_socket_action(l->multi, fd, bits, &running);
}

void loop_wait(struct loop *l, int64_t wait_us)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int64_t wait = wait_us < 0 ? LOOP_NEVER : wait_us;
	if (l->due_us != LOOP_NEVER)
		wait = MIN(wait, l->due_us == 0 ? 0 : MAX(l->due_us - loop_now_us(), (int64_t)0));
	/* Rounded up: a turn too early would find nothing due and spin. Milliseconds are enough; a timerfd
	 * would cost one more system call for every time libcurl changes its mind, which it does several
	 * times a transfer. */
	int ms = wait == LOOP_NEVER ? -1 : (int)MIN((wait + US_PER_MS - 1) / US_PER_MS, INT64_C(60000));
	int n = epoll_wait(l->epoll, events, EVENTS_PER_WAIT, ms);
	for (int i = 0; i < n; i++)
		on_event(l, &events[i]);
	loop_kick(l);
}
