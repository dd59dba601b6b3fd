/* Agents over tls+tcp://: who proves what to whom. The certificates are made by tls/make.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "world.h"

#define PEM(name) TESTS_DIR "/collector/tls/" name

static void restart_with(struct world *w, const char *tls)
{
	char listen[1024];
	(void)snprintf(listen, sizeof(listen),
		"listen: {http: '127.0.0.1:0', agents: 'tls+tcp://127.0.0.1:0'}\n"
		"tls: {cert: '" PEM("collector.pem") "', key: '" PEM("collector.key") "', ca: '" PEM(
			"ca.pem") "'%s}\n",
		tls);
	hub_stop(w->hub);
	w->hub = NULL;
	world_conf(w, WORLD_SERVICE, listen);
	world_up(w);
	assert_non_null(strstr(hub_agents_address(w->hub), "tls+tcp://127.0.0.1:"));
}

#define REFUSED_MS 1500 /* who is refused gets no answer: this long is waited for none */

static bool is_welcome_within(
	int ms, struct world *w, const char *ca, const char *cert, const char *key, const char *server_name)
{
	struct client *c = client_dial_tls(hub_agents_address(w->hub), ca, cert, key, server_name);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	client_send(c, 0, &m);
	bool welcome = client_finish(c, 0, ms, &answer);
	if (welcome) {
		assert_int_equal(answer.kind, WIRE_WELCOME);
		wire_free(&answer);
		world_upload(c, 0, 3, 1, 1, &answer); /* a batch goes through as well */
		assert_int_equal(answer.kind, WIRE_ACK);
		wire_free(&answer);
	}
	client_hang_up(c);
	return welcome;
}

static void test_the_agent_proves_the_collector(void **state)
{
	struct world *w = *state;
	restart_with(w, "");
	assert_true(is_welcome_within(CLIENT_WAIT_MS, w, PEM("ca.pem"), NULL, NULL, "localhost"));
	assert_false(is_welcome_within(REFUSED_MS, w, PEM("stranger-ca.pem"), NULL, NULL, "localhost"));
	assert_false(is_welcome_within(REFUSED_MS, w, PEM("ca.pem"), NULL, NULL, "elsewhere.example"));
}

static void test_the_collector_asks_for_a_certificate(void **state)
{
	struct world *w = *state;
	restart_with(w, ", require_agent_cert: on");
	assert_false(is_welcome_within(REFUSED_MS, w, PEM("ca.pem"), NULL, NULL, "localhost"));
	assert_true(is_welcome_within(
		CLIENT_WAIT_MS, w, PEM("ca.pem"), PEM("agent.pem"), PEM("agent.key"), "localhost"));
}

static void test_a_certificate_is_read_again_on_reload(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };
	restart_with(w, "");
	for (int i = 0; i < 3; i++)
		if (hub_reload(w->hub, &err) < 0)
			fail_msg("%s", err.text);
	assert_true(is_welcome_within(CLIENT_WAIT_MS, w, PEM("ca.pem"), NULL, NULL, "localhost"));
}

static void test_a_key_that_does_not_fit_says_so(void **state)
{
	struct world *w = *state;
	struct collector_conf *c;
	struct err err = { 0 };
	hub_stop(w->hub);
	w->hub = NULL;
	world_conf(w, WORLD_SERVICE,
		"listen: {agents: 'tls+tcp://127.0.0.1:0'}\ntls: {cert: '" PEM(
			"collector.pem") "', key: '" PEM("agent.key") "'}\n");
	assert_true(collector_conf_load(w->conf, &c, &err) < 0);
	assert_non_null(strstr(err.text,
		"the key in " PEM("agent.key") " is not that of the certificate in " PEM("collector.pem")));
	/* and on reload what was in force stays so */
	restart_with(w, "");
	world_conf(w, WORLD_SERVICE,
		"listen: {agents: 'tls+tcp://127.0.0.1:0'}\ntls: {cert: '" PEM(
			"collector.pem") "', key: '" PEM("agent.key") "'}\n");
	assert_int_equal(hub_reload(w->hub, &err), ERR_NONSENSE);
	assert_true(is_welcome_within(CLIENT_WAIT_MS, w, PEM("ca.pem"), NULL, NULL, "localhost"));
}

int main(void)
{
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_start, world_end)
	static const struct CMUnitTest tests[] = {
		WORLD(test_the_agent_proves_the_collector),
		WORLD(test_the_collector_asks_for_a_certificate),
		WORLD(test_a_certificate_is_read_again_on_reload),
		WORLD(test_a_key_that_does_not_fit_says_so),
	};
	log_init("test_hub_tls", LOG_ERROR, LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
