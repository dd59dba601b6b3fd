/* agent.yaml: what is read, and what is refused, with the place and what would be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/agent_conf.h"
#include "temp_dir.h"

#define TOKEN     "tmk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" /* bytes 0, 1, 2 ... 31 */
#define PEM(name) TESTS_DIR "/collector/tls/" name
#define LEAST     "name: a\ncollector: tcp://127.0.0.1:8471\ntoken: " TOKEN "\n"

#define TLS "name: a\ncollector: tls+tcp://c:1\ntoken: " TOKEN "\n"

static struct agent_conf *parse_ok(const char *text)
{
	struct agent_conf *c;
	struct err err;
	if (agent_conf_parse(str_of(text), "agent.yaml", &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static void test_the_least_there_must_be(void **state)
{
	struct agent_conf *c = parse_ok(LEAST);
	assert_string_equal(c->name, "a");
	assert_string_equal(c->region, "");
	assert_string_equal(c->collector, "tcp://127.0.0.1:8471");
	assert_string_equal(c->host, "127.0.0.1");
	assert_false(c->use_tls);
	assert_string_equal(c->spool.dir, "/var/lib/tidemark-agent");
	assert_true(c->spool.max_size == 256 << 20 && c->spool.max_age_us == 72 * US_PER_H);
	assert_true(c->max_rate == 200 && c->max_rate_per_host == 50 && c->max_inflight == 256);
	assert_true(c->n_allow_networks == 0 && c->n_allow_hosts == 0 && c->n_allow_env == 0 &&
		    c->user_agent == NULL);
	assert_true(c->log.level == LOG_INFO && c->log.format == LOG_TEXT && !c->insecure);
	assert_true(c->latitude == 0 && c->longitude == 0 && c->reconnect_max_us == US_PER_MIN);
	for (int i = 0; i < HELLO_TOKEN_BYTES; i++)
		assert_int_equal(c->token_bytes[i], i);
	agent_conf_free(c);
	agent_conf_free(NULL);
}

static void test_everything_there_can_be(void **state)
{
	const char *dir = temp_dir_new();
	char text[20000], path[4096];
	temp_file_write(dir, "token", TOKEN "\n", strlen(TOKEN) + 1);
	snprintf(path, sizeof(path), "%s", dir);
	snprintf(text, sizeof(text),
		"name: fra-1\nregion: eu-central\nlocation: [50.03, -8.57]\ncollector: "
		"tls+tcp://[2001:db8::7]:8471\n"
		"tls: {ca: " PEM("ca.pem") ", cert: " PEM("agent.pem") ", key: " PEM(
			"agent.key") ", server_name: "
				     "collector.example.com}\n"
				     "token_file: %s/token\nspool: {dir: %s/spool, max_size: 10MiB, max_age: "
				     "2h}\n"
				     "allow_networks: [10.0.0.0/8, 'fd00::/8', 192.0.2.7]\nallow_hosts: "
				     "['*.example.com', "
				     "api.example.org]\nallow_env: [SHOP_KEY, _2]\n"
				     "max_rate: 5/s\nmax_rate_per_host: 60/min\nmax_inflight: 7\nuser_agent: "
				     "me/1\nreconnect_max: "
				     "5s\ninsecure: on\n"
				     "log: {level: debug, format: json}\n",
		path, path);
	struct agent_conf *c = parse_ok(text);
	assert_string_equal(c->region, "eu-central");
	assert_true(c->latitude == 50.03 && c->longitude == -8.57 && c->use_tls && c->insecure);
	assert_string_equal(c->host, "2001:db8::7");
	assert_string_equal(c->tls.server_name, "collector.example.com");
	assert_non_null(strstr(c->tls.ca, "/ca.pem"));
	assert_true(c->token_bytes[31] == 31 && c->spool.max_size == 10 << 20 &&
		    c->spool.max_age_us == 2 * US_PER_H);
	assert_int_equal(c->n_allow_networks, 3);
	assert_string_equal(c->allow_networks[1], "fd00::/8");
	assert_int_equal(c->n_allow_hosts, 2);
	assert_string_equal(c->allow_hosts[0], "*.example.com");
	assert_int_equal(c->n_allow_env, 2);
	assert_string_equal(c->allow_env[0], "SHOP_KEY");
	assert_string_equal(c->allow_env[1], "_2");
	assert_true(c->max_rate == 5 && c->max_rate_per_host == 1 && c->max_inflight == 7);
	assert_true(c->reconnect_max_us == 5 * US_PER_S && c->log.level == LOG_DEBUG &&
		    c->log.format == LOG_JSON);
	assert_string_equal(c->user_agent, "me/1");
	agent_conf_free(c);
	temp_dir_remove(dir);
}

static void test_paths_are_from_the_folder_of_the_file(void **state)
{
	static const char text[] =
		TLS "tls: {ca: ca.pem, cert: own/agent.pem, key: own/agent.key}\nspool: {dir: spool}\n";
	const char *dir = temp_dir_new();
	char path[4096], want[4096];
	struct agent_conf *c;
	struct err err;
	temp_file_write(dir, "agent.yaml", text, strlen(text));
	snprintf(path, sizeof(path), "%s/own", dir);
	assert_int_equal(symlink(TESTS_DIR "/collector/tls", path), 0);
	snprintf(path, sizeof(path), "%s/ca.pem", dir);
	assert_int_equal(symlink(PEM("ca.pem"), path), 0);
	snprintf(path, sizeof(path), "%s/agent.yaml", dir);
	if (agent_conf_load(path, &c, &err) < 0)
		fail_msg("%s", err.text);
	snprintf(want, sizeof(want), "%s/own/agent.key", dir);
	assert_string_equal(c->tls.key, want);
	snprintf(want, sizeof(want), "%s/spool", dir);
	assert_string_equal(c->spool.dir, want);
	assert_string_equal(conf_warnings(c->file), "");
	agent_conf_free(c);
	temp_dir_remove(dir);
}

static void test_a_certificate_that_expired_is_a_warning(void **state)
{
	struct agent_conf *c =
		parse_ok(TLS "tls:\n  cert: " PEM("expired.pem") "\n  key: " PEM("expired.key") "\n");
	assert_ptr_equal(strstr(conf_warnings(c->file),
				 "agent.yaml:5:9: the certificate in " PEM("expired.pem") " expired on 20"),
		conf_warnings(c->file));
	agent_conf_free(c);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *says, *text, *error;
	} cases[] = {
		{ "no name", "collector: tcp://127.0.0.1:1\ntoken: " TOKEN "\n", "name" },
		{ "an empty name", "name: ''\ncollector: tcp://127.0.0.1:1\ntoken: " TOKEN "\n",
			"agent.yaml:1:" },
		{ "no collector", "name: a\ntoken: " TOKEN "\n", "collector" },
		{ "no token", "name: a\ncollector: tcp://127.0.0.1:1\n", "token" },
		{ "a misspelled key", LEAST "max_rat: 1/s\n", "agent.yaml:4:1: " },
		{ "and what it was meant to be", LEAST "max_rat: 1/s\n", "max_rate" },
		{ "a token that is none", "name: a\ncollector: tcp://127.0.0.1:1\ntoken: swordfish\n",
			"tmk_ and 43" },
		{ "a token one short",
			"name: a\ncollector: tcp://127.0.0.1:1\ntoken: "
			"tmk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh\n",
			"tmk_ and 43" },
		{ "a token with odd signs",
			"name: a\ncollector: tcp://127.0.0.1:1\ntoken: "
			"tmk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH+8\n",
			"tmk_ and 43" },
		{ "plain tcp beyond loopback", "name: a\ncollector: tcp://192.0.2.1:1\ntoken: " TOKEN "\n",
			"agent.yaml:2:12: tcp:// beyond loopback" },
		{ "a name that only looks like loopback",
			"name: a\ncollector: tcp://localhost.example.com:1\ntoken: " TOKEN "\n",
			"beyond loopback" },
		{ "an address that only looks like loopback",
			"name: a\ncollector: tcp://127.example.com:1\ntoken: " TOKEN "\n",
			"beyond loopback" },
		{ "no port", "name: a\ncollector: tls+tcp://collector\ntoken: " TOKEN "\n", "HOST:PORT" },
		{ "a port that is none", "name: a\ncollector: tls+tcp://collector:99999\ntoken: " TOKEN "\n",
			"HOST:PORT" },
		{ "no host", "name: a\ncollector: tls+tcp://:8471\ntoken: " TOKEN "\n", "HOST:PORT" },
		{ "another scheme", "name: a\ncollector: https://collector:8471\ntoken: " TOKEN "\n",
			"tls+tcp://HOST:PORT" },
		{ "tls without a tls address", LEAST "tls: {server_name: x}\n", "tls is set" },
		{ "a certificate without its key",
			"name: a\ncollector: tls+tcp://c:1\ntls: {cert: /etc/hostname}\ntoken: " TOKEN "\n",
			"go together" },
		{ "a CA that is not there", TLS "tls: {ca: /no/ca.pem}\n",
			"agent.yaml:4:11: cannot read /no/ca.pem" },
		{ "a CA that is none", TLS "tls: {ca: /etc/hostname}\n",
			"agent.yaml:4:11: no certificate in /etc/hostname" },
		{ "a key that is none",
			TLS "tls:\n  cert: " PEM("agent.pem") "\n  key: " PEM("agent.pem") "\n",
			"agent.yaml:6:8: no key in " },
		{ "a key of another certificate",
			TLS "tls:\n  cert: " PEM("agent.pem") "\n  key: " PEM("expired.key") "\n",
			"agent.yaml:6:8: the key in " PEM(
				"expired.key") " is not that of the certificate in " },
		{ "a network with bits too many", LEAST "allow_networks: [10.0.0.0/33]\n",
			"agent.yaml:4:18: " },
		{ "a network that is a name", LEAST "allow_networks: [intranet]\n",
			"a network like 10.0.0.0/8" },
		{ "a network where a list belongs", LEAST "allow_networks: 10.0.0.0/8\n", "list of" },
		{ "a host that is a URL", LEAST "allow_hosts: ['https://example.com/']\n",
			"a host name like" },
		{ "a pattern where a variable's name belongs", LEAST "allow_env: ['*']\n",
			"agent.yaml:4:13: want the name of a variable like SHOP_KEY, got '*'" },
		{ "a name no shell would set", LEAST "allow_env: [1A]\n", "agent.yaml:4:13: " },
		{ "a proxy without a port", LEAST "probe_proxy: http://proxy.test\n", "agent.yaml:4:14: " },
		{ "a proxy that looks names up here", LEAST "probe_proxy: socks5://proxy.test:1080\n",
			"socks5h://" },
		{ "a password in its URL", LEAST "probe_proxy: http://u:p@proxy.test:3128\n",
			"probe_proxy_auth" },
		{ "a password without a user",
			LEAST "probe_proxy: http://proxy.test:3128\nprobe_proxy_auth: p\n", "USER:PASSWORD" },
		{ "a password for no proxy", LEAST "probe_proxy_auth: 'u:p'\n", "agent.yaml:4:19: " },
		{ "an empty name of a variable", LEAST "allow_env: ['']\n", "agent.yaml:4:13: " },
		{ "one variable where a list belongs", LEAST "allow_env: SHOP_KEY\n",
			"agent.yaml:4:12: want a list of" },
		{ "a location off the map", LEAST "location: [91, 0]\n", "agent.yaml:4:12: want a latitude" },
		{ "half a location", LEAST "location: [50.03]\n", "[latitude, longitude]" },
		{ "a location in words", LEAST "location: [50, east]\n",
			"agent.yaml:4:16: want a longitude" },
		{ "a rate without its unit", LEAST "max_rate: 5\n", "agent.yaml:4:11: " },
		{ "no probe at all at once", LEAST "max_inflight: 0\n", "agent.yaml:4:15: " },
		{ "a spool too small to work", LEAST "spool: {max_size: 10KiB}\n", "max_size" },
		{ "a spool for a second", LEAST "spool: {max_age: 1s}\n", "max_age" },
		{ "a name no collector would enroll",
			"name: a b\ncollector: tcp://127.0.0.1:1\ntoken: " TOKEN "\n",
			"agent.yaml:1:7: 'a b' is no name: want 1 to 64 letters" },
		{ "an empty name", "name: ''\ncollector: tcp://127.0.0.1:1\ntoken: " TOKEN "\n",
			"agent.yaml:1:7: '' is no name" },
		{ "a region no API would take", LEAST "region: eu/west\n",
			"agent.yaml:4:9: 'eu/west' is no region" },
		{ "a log level that is none", LEAST "log: {level: loud}\n", "loud" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct agent_conf *c = NULL;
		struct err err;
		int rc = agent_conf_parse(str_of(cases[i].text), "agent.yaml", &c, &err);
		if (rc == 0 || c != NULL)
			fail_msg("%s: accepted", cases[i].says);
		if (strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s: got '%s'", cases[i].says, err.text);
		assert_null(strstr(err.text, "swordfish")); /* secrets are not shown, wrong ones neither */
	}
}

static void test_the_reference_names_every_key(void **state)
{
	static const char *const keys[] = { "name", "region", "location", "collector", "tls.ca", "tls.cert",
		"tls.key", "tls.server_name", "token", "spool.dir", "spool.max_size", "spool.max_age",
		"allow_networks", "allow_hosts", "allow_env", "probe_proxy", "probe_proxy_auth", "max_rate",
		"max_rate_per_host", "max_inflight", "user_agent", "reconnect_max", "insecure", "log.level",
		"log.format" };
	struct buf out;
	buf_init(&out, 1 << 20);
	agent_conf_describe(&out);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (out.p == NULL || strstr(out.p, keys[i]) == NULL)
			fail_msg("%s is not in the reference", keys[i]);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_least_there_must_be),
		cmocka_unit_test(test_everything_there_can_be),
		cmocka_unit_test(test_paths_are_from_the_folder_of_the_file),
		cmocka_unit_test(test_a_certificate_that_expired_is_a_warning),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_the_reference_names_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
