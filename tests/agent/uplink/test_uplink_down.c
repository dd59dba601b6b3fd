/* An uplink that finds no collector, or not one it trusts: nothing goes out, and the log says why. */
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include <mbedtls/certs.h>

#include "agent/file.h"
#include "agent/uplink_impl.h"
#include "uplink_world.h"

/* ---- TLS ---- */

static void test_tls(void **state)
{
	const char *dir = temp_dir_new();
	char more[8192], ca[4096];
	/* the certificate for "localhost" that mbedTLS brings along, and who signed it */
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	temp_file_write(dir, "ca.pem", mbedtls_test_cas_pem, strlen(mbedtls_test_cas_pem));
	const struct {
		const char *says, *server_name, *ca;
		bool up;
	} cases[] = {
		{ "the right name, a known signer", "localhost", ca, true },
		{ "another name", "collector.example.com", ca, false },
		{ "no name given: that of the address, which the certificate has not", NULL, ca, false },
		{ "an unknown signer", "localhost", NULL, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(more, sizeof(more), "tls:\n  %s%s\n  %s%s\n", cases[i].ca ? "ca: " : "",
			cases[i].ca ? cases[i].ca : "", cases[i].server_name ? "server_name: " : "",
			cases[i].server_name ? cases[i].server_name : "");
		struct world *w = world_new(mbedtls_test_srv_crt, mbedtls_test_srv_key, more);
		start_uplink(w);
		put(w);
		if (cases[i].up) {
			WAIT_FOR(cases[i].says, stats_of(w).acknowledged == 1);
		} else {
			for (int ms = 0; ms < 700 && stats_of(w).state != UPLINK_HELLO; ms++)
				temp_wait_ms(1);
			if (stats_of(w).sent || fake_counts(w->fake).hellos)
				fail_msg("%s: the token went out", cases[i].says);
			assert_int_equal(spooled(w), 1);
		}
		void *done = w;
		teardown(&done);
	}
	temp_dir_remove(dir);
}

/* ---- why ---- */

/* Somebody on loopback who sends these bytes and waits. */
struct stranger {
	int fd, port;
	const char *says;
	pthread_t thread;
};

static void *stranger_main(void *arg)
{
	struct stranger *st = arg;
	char ignored[512];
	int fd = accept(st->fd, NULL, NULL);
	if (fd < 0)
		return NULL;
	if (write(fd, st->says, strlen(st->says)) >= 0)
		while (read(fd, ignored, sizeof(ignored)) > 0)
			;
	close(fd);
	return NULL;
}

static void stranger_start(struct stranger *st, const char *says)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	st->says = says;
	st->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(st->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(st->fd, 1), 0);
	assert_int_equal(getsockname(st->fd, (struct sockaddr *)&at, &n), 0);
	st->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&st->thread, NULL, stranger_main, st), 0);
}

static void stranger_stop(struct stranger *st)
{
	shutdown(st->fd, SHUT_RDWR);
	pthread_join(st->thread, NULL);
	close(st->fd);
}

static void expect_look(const char *says, const struct agent_conf *c, enum reach want, const char *words)
{
	struct err why = { 0 };
	enum reach got = reach_look(c, &why);
	if (got != want || !strstr(why.text, words))
		fail_msg("%s: %s: %s", says, reach_name(got), why.text);
	assert_true(strlen(reach_cure(got)) > 0);
}

static void test_what_stands_in_the_way_has_a_name(void **state)
{
	const char *dir = temp_dir_new();
	char more[4096];
	struct stranger st;
	(void)state;
	temp_file_write(dir, "ca.pem", mbedtls_test_cas_pem, strlen(mbedtls_test_cas_pem));
	const struct {
		const char *says, *url; /* %d: a stranger's port; NULL: a collector's address */
		bool tls;               /* the collector's */
		const char *server_name;
		bool known;        /* who signed is known */
		const char *hears; /* from a stranger */
		enum reach want;
		const char *words;
	} cases[] = {
		{ "all is well without TLS", NULL, false, NULL, true, NULL, REACH_OK, "as it should" },
		{ "all is well with TLS", NULL, true, "localhost", true, NULL, REACH_OK, "as it should" },
		{ "another name in the certificate", NULL, true, "collector.example.com", true, NULL,
			REACH_WRONG_NAME, "not for collector.example.com" },
		{ "somebody unknown signed it", NULL, true, "localhost", false, NULL, REACH_UNTRUSTED,
			"not trusted" },
		{ "nobody listens", "tcp://127.0.0.1:1", false, NULL, true, NULL, REACH_REFUSED,
			"Connection refused" },
		{ "no such name", "tcp://collector.invalid:8471", false, NULL, true, NULL, REACH_DNS,
			"collector.invalid" },
		{ "a web server", "tcp://127.0.0.1:%d", false, NULL, true, "HTTP/1.1 400 no\r\n\r\n",
			REACH_NOT_A_COLLECTOR, "no collector" },
		{ "TLS wanted where none is spoken", "tls+tcp://127.0.0.1:%d", false, NULL, true,
			"HTTP/1.1 400 no\r\n\r\n", REACH_NO_TLS, "TLS" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake *fake = NULL;
		char url[128];
		if (cases[i].hears)
			stranger_start(&st, cases[i].hears);
		if (cases[i].url == NULL)
			fake = fake_start(cases[i].tls ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0",
				cases[i].tls ? mbedtls_test_srv_crt : NULL, mbedtls_test_srv_key);
		if (cases[i].hears)
			snprintf(url, sizeof(url), "%s://127.0.0.1:%d",
				str_starts(str_of(cases[i].url), "tls") ? "tls+tcp" : "tcp", st.port);
		else
			snprintf(url, sizeof(url), "%s", cases[i].url ? cases[i].url : fake_url(fake));
		bool secure = str_starts(str_of(url), "tls"), known = secure && cases[i].known;
		snprintf(more, sizeof(more), "%s%s%s%s%s%s\n", secure ? "tls:\n" : "", known ? "  ca: " : "",
			known ? dir : "", known ? "/ca.pem\n" : "",
			cases[i].server_name ? "  server_name: " : "",
			cases[i].server_name ? cases[i].server_name : "");
		if (str_starts(str_of(url), "tcp://collector"))
			snprintf(more, sizeof(more), "insecure: on\n");
		struct agent_conf *c = conf_for(url, dir, more);
		expect_look(cases[i].says, c, cases[i].want, cases[i].words);
		agent_conf_free(c);
		if (fake) {
			assert_int_equal(fake_counts(fake).hellos, 0);
			fake_stop(fake);
		}
		if (cases[i].hears)
			stranger_stop(&st);
	}
	temp_dir_remove(dir);
}

/* What needs files of its own, or a listener that is full. */
static void test_certificates_out_of_time_and_files_that_went(void **state)
{
	const char *dir = temp_dir_new(), *pem = TESTS_DIR "/collector/tls/expired.pem";
	struct buf cert, key;
	char more[4096], ca[4096];
	(void)state;
	buf_init(&cert, 65536);
	buf_init(&key, 65536);
	assert_int_equal(file_read(pem, &cert, NULL), 0);
	assert_int_equal(file_read(TESTS_DIR "/collector/tls/expired.key", &key, NULL), 0);
	buf_add_char(&cert, '\0');
	buf_add_char(&key, '\0');
	struct fake *fake = fake_start("tls+tcp://127.0.0.1:0", cert.p, key.p);
	snprintf(more, sizeof(more), "tls: {ca: %s, server_name: expired}\n", pem);
	struct agent_conf *c = conf_for(fake_url(fake), dir, more);
	expect_look("the collector's certificate is out of time", c, REACH_EXPIRED, "expired on 20");
	agent_conf_free(c);

	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	temp_file_write(dir, "ca.pem", mbedtls_test_cas_pem, strlen(mbedtls_test_cas_pem));
	snprintf(more, sizeof(more), "tls: {ca: %s}\n", ca);
	c = conf_for(fake_url(fake), dir, more);
	assert_int_equal(unlink(ca), 0); /* after it was read and found good */
	expect_look("the file of who is trusted is gone", c, REACH_OWN_FILES, ca);
	assert_int_equal(fake_counts(fake).hellos, 0);
	agent_conf_free(c);
	fake_stop(fake);
	buf_fini(&cert);
	buf_fini(&key);
	temp_dir_remove(dir);
}

static void test_who_never_connected_says_why_within_seconds(void **state)
{
	struct world *w = *state;
	char url[128];
	snprintf(url, sizeof(url), "%s", fake_url(w->fake));
	fake_stop(w->fake);
	w->fake = NULL;
	start_uplink(w);
	WAIT_FOR("a word about it", stats_of(w).down_told == 1);
	assert_string_equal(stats_of(w).down_reason, "refused");
	w->fake = fake_start(url, NULL, NULL);
	wait_up(w);
	assert_string_equal(stats_of(w).down_reason, "");
}

static void test_who_is_turned_away_is_told_so_again(void **state)
{
	struct world *w = *state;
	fake_on_hello(w->fake, FAKE_BAD_TOKEN_LONG);
	start_uplink(w);
	WAIT_FOR("a word about it", stats_of(w).down_told == 1);
	assert_string_equal(stats_of(w).down_reason, "bad_token");
}

/* However the connection went: a cut, or silence that ended it. */
static void test_the_time_down_counts_from_the_loss(void **state)
{
	struct world *w = *state;
	uplink_test_lost(3 * US_PER_S);
	start_uplink(w);
	wait_up(w);
	temp_wait_ms(1500);
	int64_t lost_us = clock_boot_us();
	fake_stop(w->fake);
	w->fake = NULL;
	WAIT_FOR("a word about it", stats_of(w).down_told == 1);
	int64_t most_us = clock_boot_us() - lost_us;
	assert_in_range(stats_of(w).down_for_us, US_PER_S, most_us);
	assert_true(stats_of(w).state != UPLINK_UP);
}

static void test_the_log_gets_quieter_but_never_falls_silent(void **state)
{
	static const int64_t want_s[] = { 10, 30, 90, 270, 600, 600 };
	int64_t pause_us = 0;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(want_s); i++) {
		pause_us = down_pause_after(pause_us);
		assert_int_equal(pause_us, want_s[i] * US_PER_S);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_what_stands_in_the_way_has_a_name),
		cmocka_unit_test(test_certificates_out_of_time_and_files_that_went),
		TEST(test_who_never_connected_says_why_within_seconds),
		TEST(test_who_is_turned_away_is_told_so_again),
		TEST(test_the_time_down_counts_from_the_loss),
		cmocka_unit_test(test_the_log_gets_quieter_but_never_falls_silent),
	};
	log_init("test", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
