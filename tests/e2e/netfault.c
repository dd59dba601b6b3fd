/* netfault - a link between two network namespaces that loses, delays and reorders packets, for kernels without netem.
 *   netfault NEAR FAR PID
 * Makes a TUN device NEAR here and one called FAR in the network namespace of process PID, and carries packets between
 * them. Each line of standard input sets how, both ways, from then on: LOSS_PERCENT DELAY_MS JITTER_MS. A packet waits
 * DELAY_MS and a random part of JITTER_MS, so jitter reorders. Says "ready" once the devices are there. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

#define QUEUE_MAX  20000 /* packets on their way; more are lost, as in a full queue anywhere */
#define PACKET_MAX 2048

struct packet {
	int64_t due_us;
	int to;
	uint16_t n;
	unsigned char bytes[PACKET_MAX];
};

static struct packet *heap[QUEUE_MAX]; /* the one due first on top */
static size_t n_heap;
static unsigned loss_percent;
static int64_t delay_us, jitter_us;
static uint64_t carried, lost;

static NORETURN void die(const char *what)
{
	fprintf(stderr, "netfault: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int tun_open(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		die("/dev/net/tun");
	return fd;
}

static int tun_open_in(const char *name, const char *pid)
{
	char path[64];
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	int there = open(path, O_RDONLY | O_CLOEXEC);
	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		die(path);
	int fd = tun_open(name);
	if (setns(here, CLONE_NEWNET) < 0)
		die("setns back");
	close(here);
	close(there);
	return fd;
}

static void swap(size_t a, size_t b)
{
	struct packet *p = heap[a];
	heap[a] = heap[b];
	heap[b] = p;
}

static void push(struct packet *p)
{
	size_t i = n_heap++;
	for (heap[i] = p; i > 0 && heap[i]->due_us < heap[(i - 1) / 2]->due_us; i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct packet *pop(void)
{
	struct packet *top = heap[0];
	heap[0] = heap[--n_heap];
	for (size_t i = 0, k; (k = 2 * i + 1) < n_heap; i = k) {
		if (k + 1 < n_heap && heap[k + 1]->due_us < heap[k]->due_us)
			k++;
		if (heap[i]->due_us <= heap[k]->due_us)
			break;
		swap(i, k);
	}
	return top;
}

static void take(int from, int to)
{
	static unsigned char bytes[PACKET_MAX];
	ssize_t n;
	while ((n = read(from, bytes, sizeof(bytes))) > 0) {
		if (n_heap == QUEUE_MAX || random_u64() % 100 < loss_percent) {
			lost++;
			continue;
		}
		struct packet *p = mem_new(sizeof(*p));
		p->to = to;
		p->n = (uint16_t)n;
		memcpy(p->bytes, bytes, (size_t)n);
		p->due_us = clock_boot_us() + delay_us + (jitter_us ? (int64_t)(random_u64() % (uint64_t)jitter_us) : 0);
		push(p);
	}
}

static void deliver(int64_t now_us)
{
	while (n_heap > 0 && heap[0]->due_us <= now_us) {
		struct packet *p = pop();
		ssize_t n = write(p->to, p->bytes, p->n);
		carried += n > 0; /* a device that is down takes nothing: lost, as on any line */
		lost += n <= 0;
		free(p);
	}
}

/* False: nobody is there to say anything any more. */
static bool obey(void)
{
	char line[128];
	unsigned loss;
	long delay_ms, jitter_ms;
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
	if (n <= 0)
		return false;
	line[n] = '\0';
	if (sscanf(line, "%u %ld %ld", &loss, &delay_ms, &jitter_ms) != 3 || loss > 100 || delay_ms < 0 || jitter_ms < 0) {
		fprintf(stderr, "netfault: not LOSS_PERCENT DELAY_MS JITTER_MS: %s", line);
		exit(2);
	}
	printf("carried=%llu lost=%llu\n", (unsigned long long)carried, (unsigned long long)lost);
	fflush(stdout);
	loss_percent = loss;
	delay_us = delay_ms * US_PER_MS;
	jitter_us = jitter_ms * US_PER_MS;
	return true;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: netfault NEAR FAR PID\n", stderr);
		return 2;
	}
	int near = tun_open(argv[1]), far = tun_open_in(argv[2], argv[3]);
	puts("ready");
	fflush(stdout);
	for (bool on = true; on;) {
		struct pollfd fds[] = { { .fd = near, .events = POLLIN }, { .fd = far, .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN } };
		int64_t wait_us = n_heap ? heap[0]->due_us - clock_boot_us() : US_PER_S;
		int wait_ms = wait_us <= 0 ? 0 : (int)MIN(wait_us / US_PER_MS + 1, (int64_t)1000);
		if (poll(fds, ARRAY_LEN(fds), wait_ms) < 0 && errno != EINTR)
			die("poll");
		take(near, far);
		take(far, near);
		deliver(clock_boot_us());
		if (fds[2].revents)
			on = obey();
	}
	return 0;
}
