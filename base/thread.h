/* thread.h - threads that hear no signals: those are the main thread's. Threads that they, or libraries on
 * them, start hear none either. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

#include "base/util.h"

/* 0 or errno. ret NULL: nobody will join it, it is gone when run() returns. */
MUST_USE int thread_start(void *(*run)(void *arg), void *arg, pthread_t *ret);

#endif
