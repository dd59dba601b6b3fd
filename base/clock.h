/* clock.h - the three clocks, settable in tests. Wall time is for showing and joining, boot time for
 * subtracting (it goes on through suspend); the two never meet in one expression. Microseconds. Any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <time.h>

#include "base/util.h"

int64_t clock_wall_us(void);
int64_t clock_boot_us(void);
uint64_t clock_boot_id(
	void); /* the same until the machine restarts: a hash of /proc/sys/kernel/random/boot_id */
uint64_t random_u64(void); /* getrandom(2) */
void random_bytes(void *p, size_t n);

/* So much from now, at most a day, on CLOCK_MONOTONIC: for pthread_cond_timedwait() and the like. Never
 * settable. */
struct timespec clock_deadline(int64_t us);

/* Tests only: from now on both clocks stand still and move by clock_test_advance(). */
void clock_test_set(int64_t wall_us, int64_t boot_us);
void clock_test_advance(int64_t us);
void clock_test_clear(void);

#endif
