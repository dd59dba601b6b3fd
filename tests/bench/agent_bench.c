/* agent_bench.c - what a probe costs the agent: its whole fetch thread (schedule, fetch, version, edge,
 * sealed batch) against a bare libcurl loop that only fetches and throws away. Same server, same run, in
 * turns; CPU, not wall time. The server is a process of its own, so that its CPU is not counted; the spool is
 * left out, it is another thread's. agent_bench [PROBES]     probes a side and kind; 60000 by default */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/prober.h"
#include "base/clock.h"
#include "base/log.h"

enum { HOSTS = 16, TARGETS = 2000, INFLIGHT = 64, ROUNDS = 9, WARM = 2 * TARGETS, SERVICES = 4 };

static uint16_t ports[HOSTS];

/* --- the server: a process, an epoll loop, always the same answer --- */

static const char reply[] = "HTTP/1.1 200 OK\r\n"
			    "Content-Type: application/json\r\n"
			    "Content-Length: 160\r\n"
			    "Connection: keep-alive\r\n"
			    "Date: Sun, 01 Mar 2026 10:00:00 GMT\r\n"
			    "Last-Modified: Sun, 01 Mar 2026 09:00:00 GMT\r\n"
			    "ETag: \"5e1b0c7a-a0\"\r\n"
			    "Cache-Control: public, max-age=60, s-maxage=3600\r\n"
			    "Server: AmazonS3\r\n"
			    "Vary: Accept-Encoding\r\n"
			    "X-Cache: Hit from cloudfront\r\n"
			    "Via: 1.1 0123456789abcdef0123456789abcdef.cloudfront.net (CloudFront)\r\n"
			    "X-Amz-Cf-Pop: FRA56-P3\r\n"
			    "X-Amz-Cf-Id: abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQR==\r\n"
			    "Age: 125\r\n"
			    "Strict-Transport-Security: max-age=31536000\r\n"
			    "\r\n"
			    "{\"service\":\"shop-api\",\"version\":\"2026.03.01-4711\",\"build\":{\"sha\":"
			    "\"0123456789abcdef0123456789abcdef01234567\","
			    "\"number\":4711},\"region\":\"eu-central-1\",\"ok\":true}   ";

static void serve_one(int epoll, int fd)
{
	char in[8192];
	ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
	if (n <= 0 || send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL) < 0)
		(void)close(fd);
}

static bool is_listener(const int *listeners, int fd)
{
	for (int i = 0; i < HOSTS; i++)
		if (listeners[i] == fd)
			return true;
	return false;
}

static void serve(const int *listeners, int parent)
{
	int epoll = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = parent }, events[256];
	(void)epoll_ctl(epoll, EPOLL_CTL_ADD, parent, &ev);
	for (int i = 0; i < HOSTS; i++) {
		ev.data.fd = listeners[i];
		(void)epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[i], &ev);
	}
	for (;;) {
		int n = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd, conn;
			if (fd == parent)
				_exit(0); /* whoever started us is gone */
			if (!is_listener(listeners, fd)) {
				serve_one(epoll, fd);
				continue;
			}
			while ((conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
				ev.data.fd = conn;
				(void)epoll_ctl(epoll, EPOLL_CTL_ADD, conn, &ev);
			}
		}
	}
}

/* Addresses of their own, so that closed connections do not use up the ports of one pair. */
static pid_t server_start(int *ret_life)
{
	int listeners[HOSTS], life[2];
	INVARIANT(pipe(life) == 0);
	for (int i = 0; i < HOSTS; i++) {
		struct sockaddr_in at = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i) };
		socklen_t n = sizeof(at);
		listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		INVARIANT(listeners[i] >= 0);
		INVARIANT(bind(listeners[i], (struct sockaddr *)&at, n) == 0 &&
			  listen(listeners[i], 1024) == 0);
		INVARIANT(getsockname(listeners[i], (struct sockaddr *)&at, &n) == 0);
		ports[i] = ntohs(at.sin_port);
	}
	pid_t pid = fork();
	INVARIANT(pid >= 0);
	if (pid == 0) {
		(void)close(life[1]);
		serve(listeners, life[0]);
	}
	(void)close(life[0]);
	for (int i = 0; i < HOSTS; i++)
		(void)close(listeners[i]);
	*ret_life = life[1];
	return pid;
}

static void url_of(char *out, size_t n, size_t target)
{
	size_t host = target % HOSTS;
	(void)snprintf(out, n, "http://127.0.0.%zu:%u/%zu/version", host + 1, ports[host], target);
}

/* --- what is measured --- */

static double cpu_us(void)
{
	struct rusage r;
	(void)getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

struct measure {
	double cpu_us;
	uint64_t probes;
	double wall_us;
	long rss_kib;
};

/* --- a bare loop: libcurl's multi interface on epoll as its own examples show it, handles that rotate --- */

struct bare {
	CURLM *multi;
	int epoll;
	long timeout_ms;
	uint64_t bytes;
};

static int bare_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct bare *b = arg;
	struct epoll_event ev = { .events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
					    (what & CURL_POLL_OUT ? EPOLLOUT : 0),
		.data.fd = fd };
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(b->epoll, EPOLL_CTL_DEL, fd, &ev);
		return 0;
	}
	(void)epoll_ctl(b->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
	if (known == NULL)
		(void)curl_multi_assign(b->multi, fd, b);
	return 0;
}

static int bare_on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	((struct bare *)arg)->timeout_ms = timeout_ms;
	return 0;
}

static size_t bare_on_body(char *p, size_t size, size_t n, void *arg)
{
	((struct bare *)arg)->bytes += size * n;
	return size * n;
}

static CURL *bare_handle(struct bare *b, bool fresh)
{
	CURL *e = curl_easy_init();
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip, br");
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, "bare/0.1.0");
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 10000L);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, bare_on_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, b);
	(void)curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, (long)fresh);
	(void)curl_easy_setopt(e, CURLOPT_FORBID_REUSE, (long)fresh);
	return e;
}

static void bare_run(uint64_t probes, bool fresh, struct measure *ret)
{
	static char urls[TARGETS][64];
	struct bare b = { .timeout_ms = -1 };
	struct epoll_event events[64];
	int running, left;
	uint64_t started = 0, done = 0;
	int64_t began = 0;
	double cpu = 0;
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	b.multi = curl_multi_init();
	b.epoll = epoll_create1(0);
	(void)curl_multi_setopt(b.multi, CURLMOPT_SOCKETFUNCTION, bare_on_socket);
	(void)curl_multi_setopt(b.multi, CURLMOPT_SOCKETDATA, &b);
	(void)curl_multi_setopt(b.multi, CURLMOPT_TIMERFUNCTION, bare_on_timer);
	(void)curl_multi_setopt(b.multi, CURLMOPT_TIMERDATA, &b);
	(void)curl_multi_setopt(b.multi, CURLMOPT_MAXCONNECTS, 4096L);
	for (size_t i = 0; i < TARGETS; i++)
		url_of(urls[i], sizeof(urls[i]), i);
	for (; started < INFLIGHT; started++) {
		CURL *e = bare_handle(&b, fresh);
		(void)curl_easy_setopt(e, CURLOPT_URL, urls[started % TARGETS]);
		(void)curl_multi_add_handle(b.multi, e);
	}
	while (done < probes + WARM) {
		int n = epoll_wait(b.epoll, events, 64, (int)b.timeout_ms);
		if (b.timeout_ms == 0 || n == 0) {
			b.timeout_ms = -1;
			(void)curl_multi_socket_action(b.multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		for (int i = 0; i < n; i++)
			(void)curl_multi_socket_action(b.multi, events[i].data.fd,
				(events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
					(events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
					(events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0),
				&running);
		for (CURLMsg *m; (m = curl_multi_info_read(b.multi, &left)) != NULL;) {
			CURL *e = m->easy_handle;
			INVARIANT(m->data.result == CURLE_OK);
			if (++done == WARM) {
				cpu = cpu_us();
				began = clock_boot_us();
			}
			(void)curl_multi_remove_handle(b.multi, e);
			(void)curl_easy_setopt(e, CURLOPT_URL, urls[started++ % TARGETS]);
			(void)curl_multi_add_handle(b.multi, e);
		}
	}
	*ret = (struct measure){ cpu_us() - cpu, done - WARM, (double)(clock_boot_us() - began), 0 };
	INVARIANT(b.bytes >= done * 160);
}

/* --- the agent --- */

static _Atomic uint64_t spooled_bytes, spooled_results;

int spool_put(struct spool *sp, const struct spool_batch *b, struct err *err)
{
	atomic_fetch_add(&spooled_bytes, b->body.n);
	atomic_fetch_add(&spooled_results, b->n_results);
	return 0;
}

static void pause_ms(long ms)
{
	(void)poll(NULL, 0, (int)ms);
}

static struct assign_set *assignments(bool fresh)
{
	static char urls[TARGETS][64], ids[TARGETS][16], names[SERVICES][16];
	static struct assign_endpoint endpoints[TARGETS];
	static struct assign_service services[SERVICES];
	for (size_t i = 0; i < TARGETS; i++) {
		url_of(urls[i], sizeof(urls[i]), i);
		(void)snprintf(ids[i], sizeof(ids[i]), "e%zu", i);
		endpoints[i] = (struct assign_endpoint){ .id = str_of(ids[i]),
			.url = str_of(urls[i]),
			.extract = EXTRACT_JSON,
			.extract_arg = STR("/version"),
			.fresh_connection = fresh };
	}
	for (size_t i = 0; i < SERVICES; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "service-%zu", i);
		services[i] = (struct assign_service){ .name = str_of(names[i]),
			.endpoints = endpoints + i * (TARGETS / SERVICES),
			.n_endpoints = TARGETS / SERVICES,
			.interval_ms = 1,
			.timeout_ms = 10000 };
	}
	struct assignments a = { .generation = 1, .services = services, .n_services = SERVICES };
	return assign_set_new(&a, clock_boot_us());
}

static void agent_run(uint64_t probes, bool fresh, struct measure *ret)
{
	static const char *loopback[] = { "127.0.0.0/8" };
	struct agent_conf conf = { .name = (char *)(uintptr_t) "bench",
		.allow_networks = loopback,
		.n_allow_networks = 1,
		.max_inflight = INFLIGHT };
	struct agent_shared shared = { .conf = &conf, .assignments = assign_box_new(), .epoch = 1 };
	struct prober_stats stats;
	struct prober *p;
	struct err err;
	log_init("bench", LOG_ERROR, LOG_TEXT);
	if (prober_start(&shared, &p, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	assign_box_put(shared.assignments, assignments(fresh));
	/* Past first sight of every target, which has its headers sent along, and until there is always one
	 * waiting, as in the bare loop. */
	for (prober_stats(p, &stats); stats.finished < 2 * TARGETS || stats.held_back < 1000;
		prober_stats(p, &stats))
		pause_ms(5);
	uint64_t from = stats.finished;
	double cpu = cpu_us();
	int64_t began = clock_boot_us();
	for (; stats.finished - from < probes; prober_stats(p, &stats))
		pause_ms(5);
	*ret = (struct measure){ cpu_us() - cpu, stats.finished - from, (double)(clock_boot_us() - began),
		0 };
	prober_stop(p);
	INVARIANT(stats.failed == 0 && atomic_load(&spooled_results) >= stats.results);
	assign_box_free(shared.assignments);
}

/* --- pairs --- */

static struct measure measure(void (*run)(uint64_t, bool, struct measure *), uint64_t probes, bool fresh)
{
	struct measure m = { 0 };
	int back[2], status;
	INVARIANT(pipe(back) == 0);
	pid_t pid = fork();
	INVARIANT(pid >= 0);
	if (pid == 0) {
		struct rusage r;
		run(probes, fresh, &m);
		(void)getrusage(RUSAGE_SELF, &r);
		m.rss_kib = r.ru_maxrss;
		INVARIANT(write(back[1], &m, sizeof(m)) == sizeof(m));
		_exit(0);
	}
	(void)close(back[1]);
	ssize_t n = read(back[0], &m, sizeof(m));
	(void)close(back[0]);
	INVARIANT(waitpid(pid, &status, 0) == pid && n == sizeof(m));
	if (getenv("AGENT_BENCH_VERBOSE"))
		printf("  %s: %.1f us CPU, %.0f probes per second\n", run == bare_run ? "bare " : "agent",
			m.cpu_us / (double)m.probes, (double)m.probes / m.wall_us * 1e6);
	return m;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

static double per_probe(const struct measure *m)
{
	return m->cpu_us / (double)m->probes;
}

static void pairs(const char *kind, uint64_t probes, bool fresh)
{
	double ratio[ROUNDS], agent[ROUNDS], bare[ROUNDS];
	long rss = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct measure a, b;
		if (i % 2 == 0) {
			a = measure(agent_run, probes / ROUNDS, fresh);
			b = measure(bare_run, probes / ROUNDS, fresh);
		} else {
			b = measure(bare_run, probes / ROUNDS, fresh);
			a = measure(agent_run, probes / ROUNDS, fresh);
		}
		agent[i] = per_probe(&a);
		bare[i] = per_probe(&b);
		ratio[i] = agent[i] / bare[i];
		rss = MAX(rss, a.rss_kib);
	}
	double r = median(ratio), lo = ratio[0], hi = ratio[ROUNDS - 1];
	printf("%-22s agent %6.1f us  bare %6.1f us  ratio %.2f (%.2f to %.2f; target at most 1.10)  agent's "
	       "memory %.1f MB\n",
		kind, median(agent), median(bare), r, lo, hi, (double)rss / 1024);
}

int main(int argc, char **argv)
{
	int64_t probes = 60000;
	int life, status;
	struct err err;
	if (argc > 1 && (argc == 3 || argc > 4 || str_to_i64(str_of(argv[1]), &probes, &err) < 0 ||
				probes < ROUNDS)) {
		fprintf(stderr, "usage: agent_bench [PROBES [agent|bare kept|fresh]]\n");
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	pid_t server = server_start(&life);
	(void)fcntl(life, F_SETFD, FD_CLOEXEC);
	if (argc == 4) {
		struct measure m;
		(strcmp(argv[2], "agent") == 0 ? agent_run : bare_run)(
			(uint64_t)probes, strcmp(argv[3], "fresh") == 0, &m);
		printf("%.1f us CPU, %" PRIu64 " probes, %.0f per second\n", per_probe(&m), m.probes,
			(double)m.probes / m.wall_us * 1e6);
	} else {
		printf("CPU per probe, %d targets, %d under way, %d pairs in turns, %" PRId64
		       " probes a side:\n",
			TARGETS, INFLIGHT, ROUNDS, probes);
		pairs("HTTP, connection kept", (uint64_t)probes, false);
		pairs("HTTP, new connection", (uint64_t)probes, true);
	}
	(void)close(life);
	(void)kill(server, SIGTERM);
	return waitpid(server, &status, 0) == server ? 0 : 1;
}
