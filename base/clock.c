#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

static atomic_bool test_on;
static atomic_int_least64_t test_wall_us, test_boot_us;

static int64_t read_clock(clockid_t id)
{
	struct timespec t;
	INVARIANT(clock_gettime(id, &t) == 0);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
	return atomic_load(&test_on) ? atomic_load(&test_wall_us) : read_clock(CLOCK_REALTIME);
}

int64_t clock_boot_us(void)
{
	return atomic_load(&test_on) ? atomic_load(&test_boot_us) : read_clock(CLOCK_BOOTTIME);
}

static pthread_once_t boot_id_once = PTHREAD_ONCE_INIT;
static uint64_t boot_id;

static void boot_id_read(void)
{
	char text[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (fd >= 0)
		close(fd);
	/* Without /proc every start counts as a boot: the clock offset is then learned anew, which is safe.
	 */
	boot_id = n > 0 ? str_hash((struct str){ text, (size_t)n }) : random_u64();
}

uint64_t clock_boot_id(void)
{
	INVARIANT(pthread_once(&boot_id_once, boot_id_read) == 0);
	return boot_id;
}

void random_bytes(void *p, size_t n)
{
	unsigned char *at = p;
	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		INVARIANT(got > 0); /* it blocks until the kernel has entropy; it does not fail */
		at += got, n -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t v;
	random_bytes(&v, sizeof(v));
	return v;
}

void clock_test_set(int64_t wall_us, int64_t boot_us)
{
	atomic_store(&test_wall_us, wall_us);
	atomic_store(&test_boot_us, boot_us);
	atomic_store(&test_on, true);
}

void clock_test_advance(int64_t us)
{
	INVARIANT(atomic_load(&test_on));
	atomic_fetch_add(&test_wall_us, us);
	atomic_fetch_add(&test_boot_us, us);
}

void clock_test_clear(void)
{
	atomic_store(&test_on, false);
}

struct timespec clock_deadline(int64_t us)
{
	struct timespec at;
	(void)clock_gettime(CLOCK_MONOTONIC, &at); /* cannot fail for this clock */
	int64_t ns = at.tv_nsec + MAX(us, 0) % US_PER_S * 1000;
	at.tv_sec += MIN(MAX(us, 0), US_PER_DAY) / US_PER_S + ns / 1000000000;
	at.tv_nsec = ns % 1000000000;
	return at;
}
