/* The agents' port without nng: what stands behind it is a listening socket of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/agent_port.h"

#define PEM(name) TESTS_DIR "/collector/tls/" name
#define WAIT_MS   10000

static const char greeting[8] = { 0, 'S', 'P', 0, 0, 48, 0, 0 };
static const struct agent_port_limits no_limits;

struct rig {
	struct agent_port *port;
	struct tls_server *tls;
	int nng; /* listens where nng would */
};

static int listen_here(uint16_t *ret_port)
{
	struct addrinfo *a;
	struct err err;
	struct sockaddr_in bound;
	socklen_t n = sizeof(bound);
	int fd;
	assert_int_equal(listen_resolve(STR("127.0.0.1:0"), &a, &err), 0);
	assert_int_equal(listen_open(STR("127.0.0.1:0"), a, &fd, &err), 0);
	freeaddrinfo(a);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &n), 0);
	*ret_port = ntohs(bound.sin_port);
	return fd;
}

static struct tls_server_pem pem_of(bool require)
{
	return (struct tls_server_pem){ PEM("collector.pem"), PEM("collector.key"), PEM("ca.pem"), require };
}

static void up(struct rig *r, bool tls, bool require, struct agent_port_limits limits)
{
	struct agent_port_options o = { .listen = STR("127.0.0.1:0"), .limits = limits };
	struct tls_server_pem pem = pem_of(require);
	struct err err = { 0 };
	*r = (struct rig){ 0 };
	r->nng = listen_here(&o.behind);
	if (tls && tls_server_new(&pem, &r->tls, &err) < 0)
		fail_msg("%s", err.text);
	o.tls = r->tls;
	if (agent_port_start(&o, &r->port, &err) < 0)
		fail_msg("%s", err.text);
}

static void down(struct rig *r)
{
	agent_port_stop(r->port);
	tls_server_free(r->tls);
	close(r->nng);
}

static bool readable(int fd, int ms)
{
	struct pollfd f = { .fd = fd, .events = POLLIN };
	return poll(&f, 1, ms) == 1;
}

static int dial_from(const struct rig *r, const char *own)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(agent_port_number(r->port)) }, from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	inet_pton(AF_INET, own, &from.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static int dial(const struct rig *r)
{
	return dial_from(r, "127.0.0.1");
}

/* What nng gets. -1: nobody within that time. */
static int taken(const struct rig *r, int ms)
{
	return readable(r->nng, ms) ? accept(r->nng, NULL, NULL) : -1;
}

static void read_all(int fd, char *p, size_t n)
{
	while (n > 0) {
		assert_true(readable(fd, WAIT_MS));
		ssize_t got = recv(fd, p, n, 0);
		assert_true(got > 0);
		p += got;
		n -= (size_t)got;
	}
}

static bool ends(int fd, int ms)
{
	char c[256];
	ssize_t n = 1;
	while (n > 0 && readable(fd, ms))
		n = recv(fd, c, sizeof(c), 0);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static uint16_t local_port_of_peer(int fd)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&a, &n), 0);
	return ntohs(a.sin_port);
}

static struct agent_port_counts counts(const struct rig *r)
{
	struct agent_port_counts c;
	agent_port_counts(r->port, &c);
	return c;
}

#define EVENTUALLY(cond)                                             \
	do {                                                         \
		int64_t until_us = clock_boot_us() + 10 * US_PER_S;  \
		while (!(cond) && clock_boot_us() < until_us)        \
			(void)poll(NULL, 0, 2);                      \
		if (!(cond))                                         \
			fail_msg("still not so after 10 s: %s", #cond); \
	} while (0)

/* -- a TLS agent -- */

struct tls_client {
	gnutls_session_t s;
	gnutls_certificate_credentials_t c;
	int fd;
};

/* The handshake's result. */
static int tls_dial(const struct rig *r, struct tls_client *t, const char *cert, const char *key)
{
	int rc;
	t->fd = dial(r);
	assert_int_equal(gnutls_certificate_allocate_credentials(&t->c), 0);
	assert_true(gnutls_certificate_set_x509_trust_file(t->c, PEM("ca.pem"), GNUTLS_X509_FMT_PEM) > 0);
	if (cert)
		assert_int_equal(gnutls_certificate_set_x509_key_file(t->c, cert, key, GNUTLS_X509_FMT_PEM), 0);
	assert_int_equal(gnutls_init(&t->s, GNUTLS_CLIENT), 0);
	/* as nng's agents do; in 1.3 a client hears only afterwards that it is refused */
	assert_int_equal(gnutls_priority_set_direct(t->s, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL), 0);
	assert_int_equal(gnutls_credentials_set(t->s, GNUTLS_CRD_CERTIFICATE, t->c), 0);
	gnutls_session_set_verify_cert(t->s, "localhost", 0);
	gnutls_transport_set_int(t->s, t->fd);
	gnutls_handshake_set_timeout(t->s, WAIT_MS);
	do {
		rc = gnutls_handshake(t->s);
	} while (rc < 0 && !gnutls_error_is_fatal(rc));
	return rc;
}

static void tls_hang_up(struct tls_client *t)
{
	gnutls_deinit(t->s);
	gnutls_certificate_free_credentials(t->c);
	close(t->fd);
}

/* -- the specification -- */

static void test_a_connection_is_handed_on_once_it_greets(void **state)
{
	struct rig r;
	char got[8], who[LISTEN_TEXT_MAX];
	(void)state;
	up(&r, false, false, no_limits);
	int agent = dial(&r);
	assert_int_equal(taken(&r, 50), -1);
	assert_int_equal(send(agent, greeting, 8, 0), 8);
	int nng = taken(&r, WAIT_MS);
	assert_true(nng >= 0);
	read_all(nng, got, 8);
	assert_memory_equal(got, greeting, 8);
	assert_true(agent_port_peer(r.port, local_port_of_peer(nng), who));
	assert_memory_equal(who, "127.0.0.1:", 10);
	assert_int_equal(send(nng, "greeting", 8, 0), 8);
	read_all(agent, got, 8);
	assert_memory_equal(got, "greeting", 8);
	close(agent);
	assert_true(ends(nng, WAIT_MS));
	EVENTUALLY(counts(&r).connections == 0);
	assert_false(agent_port_peer(r.port, local_port_of_peer(nng), who));
	close(nng);
	down(&r);
}

static void test_who_goes_around_it_is_not_known(void **state)
{
	struct rig r;
	char who[LISTEN_TEXT_MAX];
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	(void)state;
	up(&r, false, false, no_limits);
	assert_int_equal(getsockname(r.nng, (struct sockaddr *)&a, &n), 0);
	int stranger = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(stranger, (struct sockaddr *)&a, n), 0);
	int nng = taken(&r, WAIT_MS);
	assert_false(agent_port_peer(r.port, local_port_of_peer(nng), who));
	close(nng);
	close(stranger);
	down(&r);
}

#define MUCH (8u * 1024 * 1024)

static void *drip_out(void *arg)
{
	int fd = *(int *)arg;
	char *all = malloc(MUCH);
	for (size_t i = 0; i < MUCH; i++)
		all[i] = (char)(i * 2654435761u >> 13);
	for (size_t at = 0; at < MUCH;) {
		ssize_t put = send(fd, all + at, MUCH - at, MSG_NOSIGNAL);
		if (put <= 0)
			break;
		at += (size_t)put;
	}
	free(all);
	return NULL;
}

static void expect_much(char *got, ssize_t (*get)(void *ctx, char *p, size_t n), void *ctx)
{
	for (size_t at = 0; at < MUCH;) {
		if (at == 0)
			(void)poll(NULL, 0, 100); /* everything in between is full by now */
		ssize_t n = get(ctx, got + at, MIN((size_t)100000, MUCH - at));
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++, at++)
			if (got[at] != (char)(at * 2654435761u >> 13))
				fail_msg("byte %zu is another", at);
	}
}

static ssize_t get_plain(void *ctx, char *p, size_t n)
{
	int fd = *(int *)ctx;
	return readable(fd, WAIT_MS) ? recv(fd, p, n, 0) : -1;
}

static ssize_t get_tls(void *ctx, char *p, size_t n)
{
	ssize_t got;
	do {
		got = gnutls_record_recv(ctx, p, n);
	} while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
	return got;
}

static void *drip_tls(void *arg)
{
	char *all = malloc(MUCH);
	for (size_t i = 0; i < MUCH; i++)
		all[i] = (char)(i * 2654435761u >> 13);
	for (size_t at = 0; at < MUCH;) {
		ssize_t put = gnutls_record_send(arg, all + at, MUCH - at);
		if (put <= 0)
			break;
		at += (size_t)put;
	}
	free(all);
	return NULL;
}

static void test_eight_mebibytes_each_way_to_slow_readers(void **state)
{
	struct rig r;
	struct tls_client t;
	char got[8];
	pthread_t writer;
	char *all = malloc(MUCH);
	(void)state;
	up(&r, true, false, no_limits);
	assert_int_equal(tls_dial(&r, &t, NULL, NULL), 0);
	assert_int_equal(gnutls_record_send(t.s, greeting, 8), 8);
	int nng = taken(&r, WAIT_MS);
	read_all(nng, got, 8);
	assert_int_equal(send(nng, "greeting", 8, 0), 8);
	assert_int_equal(get_tls(t.s, got, 8), 8);
	assert_int_equal(pthread_create(&writer, NULL, drip_out, &nng), 0);
	expect_much(all, get_tls, t.s);
	pthread_join(writer, NULL);
	assert_int_equal(pthread_create(&writer, NULL, drip_tls, t.s), 0);
	expect_much(all, get_plain, &nng);
	pthread_join(writer, NULL);
	/* the last words of one who hangs up at once arrive */
	assert_int_equal(send(nng, "farewell", 8, 0), 8);
	close(nng);
	assert_int_equal(get_tls(t.s, got, 8), 8);
	assert_memory_equal(got, "farewell", 8);
	assert_int_equal(get_tls(t.s, got, 8), 0);
	tls_hang_up(&t);
	free(all);
	EVENTUALLY(counts(&r).connections == 0);
	down(&r);
}

static void test_another_protocol_is_turned_away(void **state)
{
	static const char *const said[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n" };
	struct rig r;
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		up(&r, tls, false, no_limits);
		for (size_t i = 0; i < ARRAY_LEN(said); i++) {
			int fd = dial(&r);
			assert_true(send(fd, said[i], strlen(said[i]), 0) > 0);
			assert_true(ends(fd, WAIT_MS));
			close(fd);
		}
		assert_int_equal(counts(&r).turned_away, 2);
		/* and one that only looks whether somebody is there is nobody's matter */
		close(dial(&r));
		EVENTUALLY(counts(&r).connections == 0);
		assert_int_equal(counts(&r).turned_away, 2);
		assert_int_equal(taken(&r, 0), -1);
		down(&r);
	}
}

static void test_certificates_are_asked_for_and_believed_if_signed(void **state)
{
	struct rig r;
	struct tls_client t;
	(void)state;
	up(&r, true, true, no_limits);
	assert_int_equal(tls_dial(&r, &t, PEM("agent.pem"), PEM("agent.key")), 0);
	tls_hang_up(&t);
	assert_int_equal(tls_dial(&r, &t, NULL, NULL), GNUTLS_E_FATAL_ALERT_RECEIVED);
	tls_hang_up(&t);
	assert_int_equal(tls_dial(&r, &t, PEM("expired.pem"), PEM("expired.key")), GNUTLS_E_FATAL_ALERT_RECEIVED);
	tls_hang_up(&t);
	EVENTUALLY(counts(&r).turned_away == 2);
	down(&r);
}

static void test_certificates_change_as_often_as_one_likes(void **state)
{
	struct rig r;
	struct tls_client t, first;
	struct tls_server_pem pem = pem_of(false), wrong = { PEM("collector.pem"), PEM("agent.key"), NULL, false };
	struct err err;
	char got[8];
	(void)state;
	up(&r, true, false, no_limits);
	assert_int_equal(tls_dial(&r, &first, NULL, NULL), 0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(tls_server_set(r.tls, &pem, &err), 0);
	assert_true(tls_server_set(r.tls, &wrong, &err) < 0);
	assert_non_null(strstr(err.text, "do not fit together"));
	assert_int_equal(tls_dial(&r, &t, NULL, NULL), 0);
	tls_hang_up(&t);
	/* and who was there before goes on */
	assert_int_equal(gnutls_record_send(first.s, greeting, 8), 8);
	int nng = taken(&r, WAIT_MS);
	read_all(nng, got, 8);
	close(nng);
	tls_hang_up(&first);
	down(&r);
}

static void test_half_a_greeting_has_a_deadline(void **state)
{
	struct rig r;
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		up(&r, tls, false, (struct agent_port_limits){ .greeting_us = US_PER_S / 5 });
		int silent = dial(&r), half = dial(&r);
		assert_int_equal(send(half, tls ? "\x16\x03\x01" : greeting, 3, 0), 3);
		assert_true(ends(silent, WAIT_MS));
		assert_true(ends(half, WAIT_MS));
		assert_int_equal(counts(&r).turned_away, 1);
		close(silent);
		close(half);
		down(&r);
	}
}

static void test_the_address_that_holds_most_gives_way(void **state)
{
	struct rig r;
	int many[4];
	(void)state;
	up(&r, false, false, (struct agent_port_limits){ .greeting = 4, .per_address = 5 });
	for (size_t i = 0; i < 4; i++)
		many[i] = dial_from(&r, "127.0.0.2");
	EVENTUALLY(counts(&r).greeting == 4);
	int fifth = dial_from(&r, "127.0.0.2"); /* has as many as itself */
	assert_true(ends(fifth, WAIT_MS));
	int other = dial_from(&r, "127.0.0.3");
	assert_true(ends(many[0], WAIT_MS)); /* the oldest of them */
	assert_int_equal(send(other, greeting, 8, 0), 8);
	int nng = taken(&r, WAIT_MS);
	assert_true(nng >= 0);
	assert_int_equal(counts(&r).crowded_out, 1);
	assert_int_equal(counts(&r).refused, 1);
	for (size_t i = 0; i < 4; i++)
		close(many[i]);
	close(fifth);
	close(other);
	close(nng);
	down(&r);
}

static void test_an_address_has_a_share_of_its_own(void **state)
{
	struct rig r;
	(void)state;
	up(&r, false, false, (struct agent_port_limits){ .per_address = 2 });
	int a = dial(&r), b = dial(&r), c = dial(&r), d = dial_from(&r, "127.0.0.9");
	assert_true(ends(c, WAIT_MS));
	assert_int_equal(send(d, greeting, 8, 0), 8);
	int nng = taken(&r, WAIT_MS);
	assert_true(nng >= 0);
	assert_int_equal(counts(&r).refused, 1);
	close(a);
	close(b);
	close(c);
	close(d);
	close(nng);
	down(&r);
}

/* Who has greeted is not put out for a newcomer. */
static void test_with_every_place_taken_the_newcomer_is_refused(void **state)
{
	struct rig r;
	char got[8];
	(void)state;
	up(&r, false, false, (struct agent_port_limits){ .connections = 1 });
	int there = dial(&r);
	assert_int_equal(send(there, greeting, 8, 0), 8);
	int nng = taken(&r, WAIT_MS);
	read_all(nng, got, 8);
	assert_int_equal(send(nng, "greeting", 8, 0), 8);
	read_all(there, got, 8);
	int late = dial_from(&r, "127.0.0.7");
	assert_true(ends(late, WAIT_MS));
	assert_int_equal(counts(&r).refused, 1);
	assert_int_equal(send(there, "and more", 8, 0), 8);
	read_all(nng, got, 8);
	assert_memory_equal(got, "and more", 8);
	close(there);
	close(late);
	close(nng);
	down(&r);
}

/* As many as stopped nng's own TLS for good; over in seconds. */
static void test_thousands_of_abandoned_handshakes_do_no_harm(void **state)
{
	struct rig r;
	struct tls_client t;
	static const unsigned char hello[] = { 0x16, 3, 1, 0, 60, 1, 0, 0, 56, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
		19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0, 0, 11, 0, 10, 0, 4, 0, 2, 0, 23, 0,
		0, 0 };
	(void)state;
	up(&r, true, false, no_limits);
	for (int i = 0; i < 4000; i++) {
		int fd = dial(&r);
		(void)!send(fd, hello, sizeof(hello), MSG_NOSIGNAL);
		close(fd);
	}
	assert_int_equal(tls_dial(&r, &t, NULL, NULL), 0);
	assert_int_equal(gnutls_record_send(t.s, greeting, 8), 8);
	int nng = taken(&r, WAIT_MS);
	assert_true(nng >= 0);
	tls_hang_up(&t);
	close(nng);
	EVENTUALLY(counts(&r).connections == 0);
	down(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_connection_is_handed_on_once_it_greets),
		cmocka_unit_test(test_who_goes_around_it_is_not_known),
		cmocka_unit_test(test_eight_mebibytes_each_way_to_slow_readers),
		cmocka_unit_test(test_another_protocol_is_turned_away),
		cmocka_unit_test(test_certificates_are_asked_for_and_believed_if_signed),
		cmocka_unit_test(test_certificates_change_as_often_as_one_likes),
		cmocka_unit_test(test_half_a_greeting_has_a_deadline),
		cmocka_unit_test(test_the_address_that_holds_most_gives_way),
		cmocka_unit_test(test_an_address_has_a_share_of_its_own),
		cmocka_unit_test(test_with_every_place_taken_the_newcomer_is_refused),
		cmocka_unit_test(test_thousands_of_abandoned_handshakes_do_no_harm),
	};
	log_init("test_agent_port", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
