/* Fetching through a SOCKS 5 proxy (RFC 1928, RFC 1929): names are the proxy's to look up, what it will not
 * do is told. */
#include "tests/agent/fetch_fixture.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http_fake *server, *tls_server;
static char ca_file[] = "/tmp/tidemark-test-ca-XXXXXX";

static bool answer(struct http_fake_conn *c, const char *path, const char *request)
{
	return http_fake_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"version\":\"v7\"}");
}

/* --- the proxy: one connection at a time --- */

static struct {
	int fd, port;
	pthread_t thread;
	const char *user, *password; /* NULL: nobody is asked */
	pthread_mutex_t lock;
	char asked[300]; /* under lock: "name HOST:PORT" or "address IP:PORT" of the last request */
	int n_asked;
} socks = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool take(int fd, void *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

static bool give(int fd, const char *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool take_text(int fd, char *text)
{
	unsigned char n;
	if (!take(fd, &n, 1) || !take(fd, text, n))
		return false;
	text[n] = '\0';
	return true;
}

static bool let_in(int fd)
{
	unsigned char head[2], methods[255];
	char user[256], password[256];
	if (!take(fd, head, 2) || head[0] != 5 || !take(fd, methods, head[1]))
		return false;
	if (socks.user == NULL)
		return give(fd, "\5\0", 2);
	if (memchr(methods, 2, head[1]) == NULL)
		return give(fd, "\5\xff", 2) && false;
	if (!give(fd, "\5\2", 2) || !take(fd, head, 1) || !take_text(fd, user) || !take_text(fd, password))
		return false;
	bool right = strcmp(user, socks.user) == 0 && strcmp(password, socks.password) == 0;
	return give(fd, right ? "\1\0" : "\1\1", 2) && right;
}

static void serve(int fd)
{
	unsigned char head[4], port[2], ip[16];
	char name[256] = "", text[INET6_ADDRSTRLEN] = "";
	if (!let_in(fd) || !take(fd, head, 4))
		return;
	if (head[3] == 3 ? !take_text(fd, name) : !take(fd, ip, head[3] == 4 ? 16 : 4))
		return;
	if (head[3] != 3)
		(void)inet_ntop(head[3] == 4 ? AF_INET6 : AF_INET, ip, text, sizeof(text));
	if (!take(fd, port, 2))
		return;
	int number = port[0] << 8 | port[1];
	(void)pthread_mutex_lock(&socks.lock);
	(void)snprintf(socks.asked, sizeof(socks.asked), "%s %s:%d", head[3] == 3 ? "name" : "address",
		head[3] == 3 ? name : text, number);
	socks.n_asked++;
	(void)pthread_mutex_unlock(&socks.lock);
	if (strcmp(name, "no.test") == 0)
		(void)give(fd, "\5\2\0\1\0\0\0\0\0\0", 10); /* not allowed by ruleset */
	else if (strcmp(name, "lost.test") == 0)
		(void)give(fd, "\5\4\0\1\0\0\0\0\0\0", 10); /* host unreachable */
	else if (strcmp(name, "mute.test") != 0 && give(fd, "\5\0\0\1\0\0\0\0\0\0", 10))
		http_fake_tunnel(fd, http_fake_port(number == 443 ? tls_server : server));
}

static void *socks_thread(void *arg)
{
	for (int fd; (fd = accept4(socks.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0; (void)close(fd))
		serve(fd);
	return NULL;
}

/* --- the tests --- */

static struct netpolicy *by_socks(const char *auth)
{
	struct str net = STR("127.0.0.0/8");
	struct netpolicy *p = NULL;
	struct err err;
	char url[64];
	(void)snprintf(url, sizeof(url), "socks5h://127.0.0.1:%d", socks.port);
	assert_int_equal(netpolicy_new(&net, 1, NULL, 0, &p, &err), 0);
	if (netpolicy_set_proxy(p, str_of(url), str_of(auth), &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static void get(const struct netpolicy *p, const char *url, const char *pin, struct seen *s)
{
	struct assign_endpoint e = { .url = str_of(url),
		.extract = EXTRACT_JSON,
		.extract_arg = STR("/version"),
		.address = str_of(pin) };
	struct fetch *f = fetch_with(p, ca_file);
	struct target *t = NULL;
	struct err err;
	if (target_new(&e, 3000, p, "tidemark-agent/test", &t, &err) < 0)
		fail_msg("%s", err.text);
	memset(s, 0, sizeof(*s));
	fetch_start(f, t, false, s);
	target_unref(t);
	turn_until(f, s);
	fetch_free(f);
}

static void assert_asked(const char *want)
{
	(void)pthread_mutex_lock(&socks.lock);
	assert_string_equal(socks.asked, want);
	(void)pthread_mutex_unlock(&socks.lock);
}

static void the_proxy_gets_the_name_and_looks_it_up(void **state)
{
	struct netpolicy *p = by_socks(NULL);
	struct seen s;
	get(p, "http://shop.example/version", NULL, &s);
	assert_fail(s, FAIL_OK, "a name that nobody here could look up");
	assert_string_equal(s.version, "v7");
	assert_string_equal(s.ip, ""); /* whose address that is, nobody here knows */
	assert_asked("name shop.example:80");
	get(p, "https://localhost/version", NULL, &s);
	assert_fail(s, FAIL_OK, "TLS through it");
	assert_asked("name localhost:443");
	netpolicy_free(p);
}

static void a_pin_goes_to_its_address(void **state)
{
	struct netpolicy *p = by_socks(NULL);
	struct seen s;
	get(p, "http://shop.example/version", "1.1.1.7", &s);
	assert_fail(s, FAIL_OK, "an IPv4 address");
	assert_string_equal(s.ip, "1.1.1.7");
	if (strcmp(socks.asked, "name 1.1.1.7:80") != 0) /* as a literal or as an address: both mean it */
		assert_asked("address 1.1.1.7:80");
	netpolicy_free(p);
}

static void what_it_will_not_do_is_told(void **state)
{
	static const struct {
		const char *says, *url;
		enum obs_fail fail;
	} cases[] = {
		{ "its rules forbid it", "http://no.test/", FAIL_CONNECT },
		{ "it cannot reach it", "http://lost.test/", FAIL_CONNECT },
	};
	struct netpolicy *p = by_socks(NULL);
	struct seen s;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		get(p, cases[i].url, NULL, &s);
		assert_fail(s, cases[i].fail, cases[i].says);
		assert_int_equal(s.obs.status, 0);
		assert_string_equal(s.ip, "");
	}
	get(p, "http://mute.test/", NULL, &s);
	assert_true(s.obs.fail != FAIL_OK && s.obs.status == 0); /* it hung up in the middle */
	netpolicy_free(p);
}

static void a_password_is_asked_for_and_checked(void **state)
{
	struct netpolicy *none = by_socks(NULL), *wrong = by_socks("u:p"), *right = by_socks("u:p:q");
	struct seen s;
	socks.user = "u", socks.password = "p:q";
	int before = socks.n_asked;
	get(none, "http://shop.example/version", NULL, &s);
	assert_fail(s, FAIL_CONNECT, "none given");
	get(wrong, "http://shop.example/version", NULL, &s);
	assert_fail(s, FAIL_CONNECT, "a wrong one");
	assert_int_equal(socks.n_asked, before);
	get(right, "http://shop.example/version", NULL, &s);
	assert_fail(s, FAIL_OK, "the right one, which has a colon");
	socks.user = NULL;
	netpolicy_free(none), netpolicy_free(wrong), netpolicy_free(right);
}

static int setup(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = mkstemp(ca_file);
	assert_true(fd >= 0 && write(fd, http_fake_ca_pem, strlen(http_fake_ca_pem)) > 0);
	(void)close(fd);
	server = http_fake_start(answer);
	tls_server = http_fake_start_tls(answer);
	socks.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(socks.fd >= 0 && bind(socks.fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	assert_true(listen(socks.fd, 8) == 0 && getsockname(socks.fd, (struct sockaddr *)&at, &n) == 0);
	socks.port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&socks.thread, NULL, socks_thread, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)shutdown(socks.fd, SHUT_RDWR);
	(void)pthread_join(socks.thread, NULL);
	(void)close(socks.fd);
	http_fake_stop(server);
	http_fake_stop(tls_server);
	(void)unlink(ca_file);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_proxy_gets_the_name_and_looks_it_up),
		cmocka_unit_test(a_pin_goes_to_its_address),
		cmocka_unit_test(what_it_will_not_do_is_told),
		cmocka_unit_test(a_password_is_asked_for_and_checked),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
