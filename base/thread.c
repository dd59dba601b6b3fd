/* thread.c - see thread.h */
#include "base/thread.h"

#include <signal.h>

int thread_start(void *(*run)(void *arg), void *arg, pthread_t *ret)
{
	sigset_t all, before;
	pthread_t thread;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(ret ? ret : &thread, NULL, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0 && ret == NULL)
		INVARIANT(pthread_detach(thread) == 0);
	return rc;
}
