/* socket_close.c - see socket_close.h */
#include "collector/socket_close.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"

struct socket_close {
	pthread_t thread;
};

static void *close_main(void *arg)
{
	nng_socket s = { .id = (uint32_t)(uintptr_t)arg };
	(void)nng_close(s); /* fails only where it was closed before */
	return NULL;
}

struct socket_close *socket_close_begin(nng_socket s)
{
	struct socket_close *c = mem_new(sizeof(*c));
	void *id = (void *)(uintptr_t)nng_socket_id(s); /* no memory to outlive us with the thread */
	INVARIANT(pthread_create(&c->thread, NULL, close_main, id) == 0);
	return c;
}

bool socket_close_end(struct socket_close *c, int64_t wait_us)
{
	struct timespec until = clock_deadline(wait_us);
	int rc = pthread_clockjoin_np(c->thread, NULL, CLOCK_MONOTONIC, &until);
	INVARIANT(rc == 0 || rc == ETIMEDOUT);
	if (rc == ETIMEDOUT)
		INVARIANT(pthread_detach(c->thread) == 0);
	free(c);
	return rc == 0;
}
