/* Fetching: lookups, addresses it may not go to, ports that are dead, certificates. */
#include "tests/agent/fetch_fixture.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/fetch_names.h"

static struct http_fake *server, *tls_server;
static struct netpolicy *open_policy;
static char ca_file[] = "/tmp/tidemark-test-ca-XXXXXX";

/* --- names of our own: libcurl's lookups come through here --- */

static pthread_mutex_t lookups_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t lookups_freed = PTHREAD_COND_INITIALIZER;
static int lookups_now, lookups_most, lookups_all;
static bool lookups_hang;

/* "slow.test" and whatever ends so hang until they are freed; "*.test" is 127.0.0.1; everything else does not
 * resolve. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct sockaddr_in *at;
	struct addrinfo *ai;
	struct str name = str_of(node);
	int64_t port = 0;
	(void)pthread_mutex_lock(&lookups_lock);
	lookups_all++;
	lookups_now++;
	lookups_most = MAX(lookups_most, lookups_now);
	while (str_ends(name, "slow.test") && lookups_hang)
		(void)pthread_cond_wait(&lookups_freed, &lookups_lock);
	lookups_now--;
	(void)pthread_mutex_unlock(&lookups_lock);
	if (!str_ends(name, ".test"))
		return EAI_NONAME;
	ai = calloc(1, sizeof(*ai) + sizeof(*at));
	at = (struct sockaddr_in *)(void *)(ai + 1);
	at->sin_family = AF_INET;
	if (str_to_i64(str_of(service), &port, NULL) < 0)
		port = 0; /* no service was asked for */
	at->sin_port = htons((uint16_t)port);
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*ai = (struct addrinfo){ .ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_addr = (struct sockaddr *)at,
		.ai_addrlen = sizeof(*at) };
	*ret = ai;
	return 0;
}

static int lookups_counted(const int *which)
{
	(void)pthread_mutex_lock(&lookups_lock);
	int n = *which;
	(void)pthread_mutex_unlock(&lookups_lock);
	return n;
}

void freeaddrinfo(struct addrinfo *ai)
{
	free(ai);
}

/* --- the server --- */

static bool answer(struct http_fake_conn *c, const char *path, const char *request)
{
	return http_fake_say(
		c, "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\nContent-Length: 16\r\n\r\n{\"version\":\"v7\"}");
}

static int setup(void **state)
{
	int fd = mkstemp(ca_file);
	assert_true(fd >= 0 && write(fd, http_fake_ca_pem, strlen(http_fake_ca_pem)) > 0);
	(void)close(fd);
	server = http_fake_start(answer);
	tls_server = http_fake_start_tls(answer);
	open_policy = netpolicy_new_open();
	return 0;
}

static int teardown(void **state)
{
	http_fake_stop(server);
	http_fake_stop(tls_server);
	netpolicy_free(open_policy);
	(void)unlink(ca_file);
	return 0;
}

/* --- tests --- */

static void private_addresses_are_refused_after_the_lookup(void **state)
{
	struct netpolicy *closed, *listed;
	struct str net = STR("127.0.0.0/8");
	char url[128];
	struct seen s;
	assert_int_equal(netpolicy_new(NULL, 0, NULL, 0, &closed, NULL), 0);
	assert_int_equal(netpolicy_new(&net, 1, NULL, 0, &listed, NULL), 0);
	struct fetch *f = fetch_with(closed, NULL);
	size_t before = http_fake_connections(server);
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/version"),
		.extract = EXTRACT_ETAG };
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_REFUSED, "an address");
	assert_string_equal(s.ip, "127.0.0.1");
	assert_non_null(strstr(s.why, "loopback"));
	assert_non_null(strstr(s.why, "allow_networks"));
	assert_int_equal(s.obs.status, 0);
	assert_string_equal(s.edge, "");
	(void)snprintf(url, sizeof(url), "http://rebound.test:%d/version", http_fake_port(server));
	e.url = str_of(url);
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_REFUSED, "a public-looking name with a private address");
	assert_int_equal(http_fake_connections(server), before); /* not even a handshake */
	fetch_set_policy(f, listed);
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_OK, "listed");
	fetch_set_policy(f, closed); /* and a connection kept from before is no way in */
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_REFUSED, "a kept connection under a new policy");
	fetch_free(f);
	netpolicy_free(closed);
	netpolicy_free(listed);
}

static void names_that_do_not_resolve_and_ports_that_are_dead(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	struct seen s;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	char url[128];
	struct assign_endpoint e = { .url = STR("http://nonexistent.invalid/"), .extract = EXTRACT_ETAG };
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_DNS, "nonexistent.invalid");
	assert_string_equal(s.ip, "");
	assert_int_equal(s.obs.timing.connect_us, -1);
	assert_int_equal(s.obs.timing.ttfb_us, -1);
	assert_true(s.obs.timing.total_us >= 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, never listening */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(at.sin_port));
	e.url = str_of(url);
	fetch_one(f, &e, 5000, &s);
	assert_fail(s, FAIL_CONNECT, "a dead port");
	assert_string_equal(s.ip, "127.0.0.1");
	(void)close(fd);
	fetch_free(f);
}

static void lookups_are_timed_and_done_again_for_fresh_connections(void **state)
{
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128];
	struct seen s;
	struct assign_endpoint e = { .url = str_of(url), .extract = EXTRACT_ETAG, .fresh_connection = true };
	(void)snprintf(url, sizeof(url), "http://name.test:%d/version", http_fake_port(server));
	e.url = str_of(url);
	for (int i = 0; i < 3; i++) {
		int before = lookups_counted(&lookups_all);
		fetch_one(f, &e, 5000, &s);
		assert_fail(s, FAIL_OK, "by name");
		assert_int_equal(lookups_counted(&lookups_all) - before, 1);
		assert_true(s.obs.timing.dns_us >= 0);
	}
	fetch_free(f);
}

static void a_hanging_resolver_holds_up_nobody_else(void **state)
{
	enum { N = 80 };
	static struct seen slow[N];
	struct fetch *f = fetch_with(open_policy, NULL);
	char url[128], name[64], other_url[64], new_url[64];
	struct seen s;
	(void)snprintf(name, sizeof(name), "http://kept.test:%d/version", http_fake_port(server));
	fetch_one(f, &(struct assign_endpoint){ .url = str_of(name), .extract = EXTRACT_ETAG }, 5000, &s);
	assert_fail(s, FAIL_OK, "while the resolver answers");
	struct assign_endpoint other = {
		.url = str_of(other_url), .extract = EXTRACT_ETAG, .fresh_connection = true
	};
	(void)snprintf(other_url, sizeof(other_url), "http://other.test:%d/version", http_fake_port(server));
	other.url = str_of(other_url);
	fetch_one(f, &other, 5000, &s);
	assert_fail(s, FAIL_OK, "another name, while its resolver answers");
	(void)pthread_mutex_lock(&lookups_lock);
	lookups_hang = true;
	lookups_most = 0;
	(void)pthread_mutex_unlock(&lookups_lock);
	memset(slow, 0, sizeof(slow));
	for (int i = 0; i < N; i++) {
		(void)snprintf(name, sizeof(name), "http://n%d.slow.test/", i);
		struct assign_endpoint e = { .url = str_of(name), .extract = EXTRACT_ETAG };
		struct target *t = target_of(&e, 1500);
		fetch_start(f, t, false, &slow[i]);
		target_unref(t);
	}
	assert_int_equal(fetch_inflight(f), N);
	(void)snprintf(new_url, sizeof(new_url), "http://new.test:%d/version", http_fake_port(server));
	struct assign_endpoint e = { .url = url_of(url, sizeof(url), server, "/version"),
		.extract = EXTRACT_ETAG };
	fetch_one(f, &e, 1000, &s); /* within its own second */
	assert_fail(s, FAIL_OK, "an address needs no resolver");
	for (int i = 0; i < 20; i++) { /* at its own rate, however many hang */
		fetch_one(f, &other, 500, &s);
		assert_fail(s, FAIL_OK, "a name whose own resolver answers");
	}
	for (int i = 0; i < N; i++) {
		turn_until(f, &slow[i]);
		assert_fail(slow[i], FAIL_DNS, "a lookup that hangs, or waits for one");
		assert_in_range(slow[i].obs.timing.total_us, 1400 * US_PER_MS,
			4000 * US_PER_MS); /* not as long as the lookup */
	}
	fetch_one(f, &(struct assign_endpoint){ .url = str_of(new_url), .extract = EXTRACT_ETAG }, 500, &s);
	assert_fail(s, FAIL_OK, "a name never tried before, once those that hang are known");
	assert_int_equal(lookups_counted(&lookups_most),
		FETCH_UNKNOWN_MAX + 1); /* those given up still count: no threads without end */
	(void)snprintf(name, sizeof(name), "http://kept.test:%d/version", http_fake_port(server));
	struct assign_endpoint named = { .url = str_of(name), .extract = EXTRACT_ETAG };
	fetch_one(f, &named, 500, &s);
	assert_fail(s, FAIL_OK, "a connection kept from before needs no lookup, hanging resolver or not");
	assert_int_equal(s.obs.flags & OBS_REUSED, OBS_REUSED);
	(void)pthread_mutex_lock(&lookups_lock);
	lookups_hang = false;
	(void)pthread_cond_broadcast(&lookups_freed);
	(void)pthread_mutex_unlock(&lookups_lock);
	fetch_free(f);
	for (int done = 0; !done;) { /* threads that were left alone end by themselves */
		(void)pthread_mutex_lock(&lookups_lock);
		done = lookups_now == 0;
		(void)pthread_mutex_unlock(&lookups_lock);
		(void)poll(NULL, 0, 1);
	}
}

static void a_pin_reaches_its_address_over_kept_connections_too(void **state)
{
	static const char *const pins[] = { "127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2" };
	struct fetch *f = fetch_with(open_policy, NULL);
	struct netpolicy *closed;
	char url[128];
	struct seen s;
	assert_int_equal(netpolicy_new(NULL, 0, NULL, 0, &closed, NULL), 0);
	(void)snprintf(url, sizeof(url), "http://pinned.test:%d/version", http_fake_port(server));
	size_t lookups = (size_t)lookups_counted(&lookups_all);
	for (size_t i = 0; i < ARRAY_LEN(pins); i++) {
		struct assign_endpoint e = {
			.url = str_of(url), .extract = EXTRACT_ETAG, .address = str_of(pins[i])
		};
		fetch_one(f, &e, 5000, &s);
		if (i % 2 ==
			1) { /* the server listens on 127.0.0.1 alone: the other must not answer for it */
			assert_fail(s, FAIL_CONNECT, "a pin where nobody listens");
		} else {
			assert_fail(s, FAIL_OK, "a pin");
			assert_int_equal((s.obs.flags & OBS_REUSED) != 0, i > 0);
		}
		assert_string_equal(s.ip, pins[i]);
	}
	assert_int_equal(lookups_counted(&lookups_all), lookups); /* the name is not asked for */
	char request[1024];
	http_fake_last(server, request, sizeof(request));
	assert_non_null(strstr(request, "Host: pinned.test:"));
	fetch_set_policy(f, closed);
	fetch_one(f,
		&(struct assign_endpoint){
			.url = str_of(url), .extract = EXTRACT_ETAG, .address = STR("127.0.0.1") },
		5000, &s);
	assert_fail(s, FAIL_REFUSED, "a pin goes where the policy lets it, kept connection or not");
	fetch_free(f);
	netpolicy_free(closed);
}

static void tls_is_verified(void **state)
{
	struct fetch *trusting = fetch_with(open_policy, ca_file), *plain = fetch_with(open_policy, NULL);
	char url[128], to[64];
	struct seen s;
	struct assign_endpoint e = { .url = str_of(url),
		.extract = EXTRACT_JSON,
		.extract_arg = STR("/version"),
		.fresh_connection = true,
		.connect_to = str_of(to) };
	(void)snprintf(to, sizeof(to), "127.0.0.1:%d", http_fake_port(tls_server));
	(void)snprintf(url, sizeof(url), "https://localhost/version");
	e.url = str_of(url);
	e.connect_to = str_of(to);
	fetch_one(trusting, &e, 8000, &s);
	assert_fail(s, FAIL_OK, "the right name, a known signer");
	assert_string_equal(s.version, "v7");
	assert_true(s.obs.timing.tls_us > 0);
	fetch_one(plain, &e, 8000, &s);
	assert_fail(s, FAIL_TLS, "an unknown signer");
	assert_int_equal(s.obs.timing.connect_us, -1); /* libcurl 7.88 forgets these; not 0 us */
	assert_int_equal(s.obs.timing.tls_us, -1);
	assert_true(s.obs.timing.total_us > 0);
	assert_string_equal(s.ip, "127.0.0.1");
	(void)snprintf(url, sizeof(url), "https://www.example.com/version");
	e.url = str_of(url);
	fetch_one(trusting, &e, 8000, &s);
	assert_fail(s, FAIL_TLS, "another name's certificate");
	e.url = url_of(url, sizeof(url), tls_server, "/version"); /* http to a TLS port */
	e.connect_to = STR_NONE;
	fetch_one(trusting, &e, 3000, &s);
	assert_true(s.obs.fail != FAIL_OK);
	fetch_free(trusting);
	fetch_free(plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_addresses_are_refused_after_the_lookup),
		cmocka_unit_test(names_that_do_not_resolve_and_ports_that_are_dead),
		cmocka_unit_test(lookups_are_timed_and_done_again_for_fresh_connections),
		cmocka_unit_test(a_hanging_resolver_holds_up_nobody_else),
		cmocka_unit_test(a_pin_reaches_its_address_over_kept_connections_too),
		cmocka_unit_test(tls_is_verified),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
