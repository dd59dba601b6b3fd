/* socket_close.c - see socket_close.h */
#include "collector/socket_close.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"

/* Whoever of the two is done with it last frees it. The end is waited for by a condition, not pthread_clockjoin_np(), which
 * ThreadSanitizer takes no note of. */
struct socket_close {
	nng_socket socket;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool closed, left;
};

static void close_free(struct socket_close *c)
{
	pthread_cond_destroy(&c->cond);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void *close_main(void *arg)
{
	struct socket_close *c = arg;
	(void)nng_close(c->socket); /* fails only where it was closed before */
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	bool left = c->left;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
	if (left)
		close_free(c);
	return NULL;
}

struct socket_close *socket_close_begin(nng_socket s)
{
	struct socket_close *c = mem_new(sizeof(*c));
	pthread_condattr_t attr;
	c->socket = s;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &attr);
	pthread_condattr_destroy(&attr);
	INVARIANT(pthread_create(&c->thread, NULL, close_main, c) == 0);
	return c;
}

bool socket_close_end(struct socket_close *c, int64_t wait_us)
{
	struct timespec until = clock_deadline(wait_us);
	pthread_t thread = c->thread;
	int rc = 0;
	pthread_mutex_lock(&c->lock);
	while (!c->closed && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&c->cond, &c->lock, &until);
	bool closed = c->closed;
	c->left = !closed;
	pthread_mutex_unlock(&c->lock);
	INVARIANT((closed ? pthread_join(thread, NULL) : pthread_detach(thread)) == 0);
	if (closed)
		close_free(c);
	return closed;
}
