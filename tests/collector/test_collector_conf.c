/* collector.yaml: what it comes to, and the exact sentence for each mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/collector_conf.h"

static struct collector_conf *read_fine(const char *text)
{
	struct collector_conf *c = NULL;
	struct err err = { 0 };
	if (collector_conf_parse(str_of(text), "c.yaml", &c, &err) < 0)
		fail_msg("%s\nin:\n%s", err.text, text);
	return c;
}

#define ONE                                                                                                  \
	"services:\n- name: shop\n  version: {json: /version}\n  endpoints:\n  - url: "                      \
	"https://a.example/version\n"
#define PEM(name) TESTS_DIR "/collector/tls/" name
#define TOKEN "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* clang-format off: one case, one sentence */
static const struct {
	const char *says, *text, *want;
} bad[] = {
	{ "a misspelt key", "listen: {htp: x}\n",
		"c.yaml:1:10: unknown key 'htp' in listen; did you mean 'http'?" },
	{ "plain tcp beyond loopback", "listen: {agents: tcp://0.0.0.0:8471}\n",
		"c.yaml:1:18: plain tcp:// beyond loopback would carry agents' tokens in the clear: use "
		"tls+tcp://, or say insecure: true" },
	{ "a name is not loopback just because it begins like it",
		"listen: {agents: tcp://127.example.com:1}\n",
		"c.yaml:1:18: plain tcp:// beyond loopback would carry agents' tokens in the clear: use "
		"tls+tcp://, or say insecure: true" },
	{ "a name that may be any machine's",
		"insecure: true\nlisten: {agents: 'tcp://collector.example.com:8471'}\n",
		"c.yaml:2:18: want an address of this machine, such as 127.0.0.1, 0.0.0.0 or [::1], or localhost; "
		"got 'collector.example.com'" },
	{ "such a name for the API",
		"listen: {http: 'collector.example.com:8470'}\nhttp: {tokens: [{name: a, scopes: [read], "
		"token: tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]}\n",
		"c.yaml:1:16: want an address of this machine, such as 127.0.0.1, 0.0.0.0 or [::1], or localhost; "
		"got 'collector.example.com'" },
	{ "brackets around what is no IPv6", "listen: {http: '[127.0.0.1]:8470'}\n",
		"c.yaml:1:16: without http.tokens the API listens on loopback only, got '[127.0.0.1]:8470'" },
	{ "an unknown transport", "listen: {agents: ws://127.0.0.1:1}\n",
		"c.yaml:1:18: want tls+tcp://ADDRESS:PORT, got 'ws://127.0.0.1:1'" },
	{ "no port", "listen: {agents: tcp://127.0.0.1}\n",
		"c.yaml:1:18: want ADDRESS:PORT, got '127.0.0.1'" },
	{ "a port that is none", "listen: {http: 127.0.0.1:70000}\n",
		"c.yaml:1:16: want ADDRESS:PORT, got '127.0.0.1:70000'" },
	{ "IPv6 without brackets", "listen: {http: '::1:80'}\n",
		"c.yaml:1:16: want ADDRESS:PORT, got '::1:80'" },
	{ "TLS without a certificate", "listen: {agents: tls+tcp://0.0.0.0:1}\n",
		"c.yaml:1:18: tls+tcp:// needs tls.cert and tls.key" },
	{ "asking for certificates without saying whose", "tls: {require_agent_cert: on}\n",
		"c.yaml:1:6: require_agent_cert needs tls.ca" },
	{ "an open API without tokens", "listen: {http: 0.0.0.0:8470}\n",
		"c.yaml:1:16: without http.tokens the API listens on loopback only, got '0.0.0.0:8470'" },
	{ "a certificate that is not there", "http: {tls: {cert: /nowhere.pem, key: /nowhere.key}}\n",
		"c.yaml:1:20: cannot read /nowhere.pem: No such file or directory" },
	{ "a certificate without its key", "http: {tls: {cert: a.pem}}\n",
		"c.yaml:1:13: cert and key go together, key is missing" },
	{ "a key without its certificate", "tls: {key: a.key}\n",
		"c.yaml:1:6: cert and key go together, cert is missing" },
	{ "a certificate that is none", "tls: {cert: " PEM("make.sh") ", key: " PEM("agent.key") "}\n",
		"c.yaml:1:13: no certificate in " PEM("make.sh") ": X509 - The CRT/CRL/CSR format is invalid, e.g. different "
		"type expected" },
	{ "a key of another", "http:\n  tls:\n    cert: " PEM("agent.pem") "\n    key: " PEM("collector.key") "\n",
		"c.yaml:4:10: the key in " PEM("collector.key") " is not that of the certificate in " PEM("agent.pem") },
	{ "a folder where authorities belong", "tls: {ca: /etc}\n",
		"c.yaml:1:11: cannot read /etc: Is a directory" },
	{ "a store of a kind nobody knows", "store: mysql://db/x\n", "c.yaml:1:8: want sqlite:PATH, got 'mysql://db/x'" },
	{ "a short token", "http: {tokens: [{name: ci, scopes: [deploy], token: abc}]}\n",
		"c.yaml:1:17: token of 'ci' is shorter than 16 characters: it could be guessed" },
	{ "a scope that is none", "http: {tokens: [{name: ci, scopes: [root], token: 0123456789abcdef}]}\n",
		"c.yaml:1:37: unknown scope 'root', want read, deploy or admin" },
	{ "no scopes", "http: {tokens: [{name: ci, scopes: [], token: 0123456789abcdef}]}\n",
		"c.yaml:1:36: want a list of read, deploy, admin" },
	{ "one token for two",
		"http:\n  tokens:\n  - {name: a, scopes: [read], token: 0123456789abcdef}\n"
		"  - {name: b, scopes: [admin], token: 0123456789abcdef}\n",
		"c.yaml:4:5: 'b' has the same token as 'a'" },
	{ "a store that is not built in", "store: postgresql://db/tidemark\n",
		"c.yaml:1:8: PostgreSQL is not built in, want sqlite:PATH" },
	{ "no path", "store: 'sqlite:'\n", "c.yaml:1:8: want sqlite:PATH" },
	{ "keeping nothing", "retention: {observations: 10s}\n",
		"c.yaml:1:27: observations: 10s is below 1m" },
	{ "a log level that is none", "log: {level: loud}\n",
		"c.yaml:1:14: level: 'loud' is none of debug, info, warn, error" },
	{ "an agent's token that is none", "agents: [{name: a, token: secret}]\n",
		"c.yaml:1:10: token of 'a': want a token as `tidemark agents enroll NAME` prints it: tmk_ and 43 "
		"letters, digits, '-' and '_'" },
	{ "an agent's name for two",
		"agents:\n- {name: a, token: " TOKEN "}\n- {name: a, token: " TOKEN "}\n",
		"c.yaml:3:3: two agents are called 'a'" },
	{ "an agent's name with a space", "agents: [{name: a b, token: " TOKEN "}]\n",
		"c.yaml:1:10: 'a b' is no agent's name: want 1 to 64 letters, digits, '.', '_', '-', a "
		"letter or digit first" },
	{ "a service without endpoints", "services: [{name: a, endpoints: []}]\n",
		"c.yaml:1:33: want a list of endpoints, at least one" },
	{ "a service with a blank", "services: [{name: a b, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:12: 'a b' is no service's name: want 1 to 64 letters, digits, '.', '_', '-', a "
		"letter or digit first" },
	{ "an @ is what tells environments", "services: [{name: a@b, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:12: 'a@b' is no service's name: want 1 to 64 letters, digits, '.', '_', '-', a "
		"letter or digit first" },
	{ "nobody says where the version is", "services: [{name: a, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:34: nobody says where the version is in the answer: add version, such as {json: "
		"/version}" },
	{ "two ways to find it",
		"services: [{name: a, version: {json: /v, header: X}, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:31: want exactly one of json, header, regex, etag, last_modified, sha256" },
	{ "a word that is no way", "services: [{name: a, version: body, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:31: want etag, last_modified, sha256, or {json: /pointer}, {header: Name}, {regex: "
		"'(...)'}" },
	{ "a pointer that is none",
		"services: [{name: a, version: {json: version}, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:31: want a JSON pointer, such as /version, got 'version'" },
	{ "a regex without a group",
		"services: [{name: a, version: {regex: 'v[0-9]+'}, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:31: want a group '( )' around the version" },
	{ "a regex that is none",
		"services: [{name: a, version: {regex: '('}, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:31: not a regular expression: the expression at byte 2: a '(' without its ')'" },
	{ "two services of one name",
		ONE "- name: shop\n  version: etag\n  endpoints: [{url: 'http://a/'}]\n",
		"c.yaml:6:3: two services are called 'shop'" },
	{ "two endpoints that would be called the same", ONE "  - url: https://b.example/version\n",
		"c.yaml:6:5: two endpoints of 'shop' would be called 'version': give each an id of its own" },
	{ "variants that are no list",
		"services: [{name: a, version: etag, variants: {br: {}}, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:47: want a list of variants, such as [{name: br, headers: {Accept-Encoding: br}}]" },
	{ "a variant without a name",
		"services: [{name: a, version: etag, endpoints: [{url: 'http://a/', variants: [{headers: {A: b}}]}]}]\n",
		"c.yaml:1:79: name is missing in services[0].endpoints[0].variants[0]: what follows the endpoint's id "
		"and a dot: version.br" },
	{ "a variant's name that cannot be part of a url",
		"services: [{name: a, version: etag, variants: [{name: a/b}], endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:48: 'a/b' is no variant's name: want 1 to 64 letters, digits, '.', '_', '-', a letter or "
		"digit first" },
	{ "two variants of one name",
		"services: [{name: a, version: etag, variants: [{name: b}, {name: b}], endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:59: two endpoints of 'a' would be called 'root.b': give each a name of its own" },
	{ "a variant that is called as an endpoint is",
		"services: [{name: a, version: etag, endpoints: [{url: 'http://a/', id: x.b}, {url: 'http://a/y', id: x, "
		"variants: [{name: b}]}]}]\n",
		"c.yaml:1:116: two endpoints of 'a' would be called 'x.b': give each a name of its own" },
	{ "a misspelt key of a variant",
		"services: [{name: a, version: etag, variants: [{name: b, header: {A: b}}], endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:58: unknown key 'header' in services[0].variants[0]; did you mean 'headers'?" },
	{ "not http", "services: [{name: a, version: etag, endpoints: [{url: 'ftp://a/'}]}]\n",
		"c.yaml:1:55: want http:// or https://, got 'ftp://a/'" },
	{ "no host", "services: [{name: a, version: etag, endpoints: [{url: 'http:///x'}]}]\n",
		"c.yaml:1:55: no host in 'http:///x'" },
	{ "a password in the url",
		"services: [{name: a, version: etag, endpoints: [{url: 'http://u:p@a/'}]}]\n",
		"c.yaml:1:55: no user or password in a url: use headers" },
	{ "a fragment", "services: [{name: a, version: etag, endpoints: [{url: 'http://a/#x'}]}]\n",
		"c.yaml:1:55: a fragment (#...) is never sent: leave it out" },
	{ "a blank in the url", "services: [{name: a, version: etag, endpoints: [{url: 'http://a/b c'}]}]\n",
		"c.yaml:1:55: spaces, control characters and non-ASCII must be %-encoded in a url" },
	{ "an id that cannot be part of a url",
		"services: [{name: a, version: etag, endpoints: [{url: 'http://a/', id: a/b}]}]\n",
		"c.yaml:1:49: 'a/b' is no id: want 1 to 64 letters, digits, '.', '_', '-', a letter or digit "
		"first" },
	{ "a header that would be two",
		"services: [{name: a, version: etag, headers: {X: \"a\\r\\nY: b\"}, endpoints: [{url: "
		"'http://a/'}]}]\n",
		"c.yaml:1:50: control characters in a header" },
	{ "an origin without an address",
		"services: [{name: a, version: etag, origin: {}, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:45: want connect_to: HOST:PORT" },
	{ "an origin without a port",
		"services: [{name: a, version: etag, origin: {connect_to: 10.0.0.5}, endpoints: [{url: "
		"'http://a/'}]}]\n",
		"c.yaml:1:58: want HOST:PORT, got '10.0.0.5'" },
	{ "a name where addresses are wanted",
		"services: [{name: a, version: etag, addresses: [a.example], endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:49: 'a.example' is no IPv4 or IPv6 address; a name's own addresses: addresses: all" },
	{ "a word that is none",
		"services: [{name: a, version: etag, addresses: al, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:48: want dns, all, or a list of addresses such as [192.0.2.7, '2001:db8::7'], got 'al'" },
	{ "no address at all",
		"services: [{name: a, version: etag, addresses: [], endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:48: want dns, all, or a list of addresses such as [192.0.2.7, '2001:db8::7']" },
	{ "one address, twice",
		"services: [{name: a, version: etag, addresses: ['::1', '0::1'], endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:56: ::1 is listed twice" },
	{ "an address of the other kind",
		"services: [{name: a, version: etag, ip: 6, addresses: [192.0.2.7], endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:56: 192.0.2.7, and ip is 6: leave one of them out" },
	{ "from nobody",
		"services: [{name: a, version: etag, from: {regions: []}, endpoints: [{url: "
		"'http://a/'}]}]\n",
		"c.yaml:1:43: from names nobody: leave it out for all agents" },
	{ "an interval too short",
		"services: [{name: a, version: etag, interval: 10ms, endpoints: [{url: 'http://a/'}]}]\n",
		"c.yaml:1:47: interval: 10ms is below 100ms" },
	{ "a rollback nobody would do",
		"services: [{name: a, version: etag, verify: {rollback: on}, endpoints: [{url: "
		"'http://a/'}]}]\n",
		"c.yaml:1:56: rollback triggers are not built in, want off" },
};
/* clang-format on */

static void test_each_mistake_is_named_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct collector_conf *c = NULL;
		struct err err = { 0 };
		if (collector_conf_parse(str_of(bad[i].text), "c.yaml", &c, &err) == 0)
			fail_msg("%s: was taken", bad[i].says);
		if (strcmp(err.text, bad[i].want) != 0)
			fail_msg("%s:\n  got  %s\n  want %s", bad[i].says, err.text, bad[i].want);
		assert_null(c);
	}
}

static void test_an_empty_file_has_every_default(void **state)
{
	(void)state;
	struct collector_conf *c = read_fine("");
	assert_string_equal(c->listen_http, "127.0.0.1:8470");
	assert_string_equal(c->listen_agents, "tcp://127.0.0.1:8471");
	assert_string_equal(c->store, "sqlite:tidemark.db");
	assert_string_equal(c->status_name, "tidemark");
	assert_int_equal(c->retention.observations_us, 48 * US_PER_H);
	assert_int_equal(c->retention.events_us, 30 * US_PER_DAY);
	assert_int_equal(c->n_services, 0);
	assert_false(c->open_status || c->insecure);
	collector_conf_unref(c);
}

static void test_paths_are_from_the_folder_of_the_file(void **state)
{
	static const struct {
		const char *says, *text, *store;
	} cases[] = {
		{ "the default is beside the file", "", "sqlite:%s/tidemark.db" },
		{ "a relative one too", "store: sqlite:data/t.db\n", "sqlite:%s/data/t.db" },
		{ "with the scheme left out", "store: t.db\n", "sqlite:%s/t.db" },
		{ "a whole one stays", "store: sqlite:/srv/t.db\n", "sqlite:/srv/t.db" },
		{ "certificates are looked for there",
			"tls: {cert: pem/collector.pem, key: pem/collector.key, ca: pem/ca.pem}\n"
			"http: {tls: {cert: pem/expired.pem, key: pem/expired.key}}\n",
			"sqlite:%s/tidemark.db" },
	};
	char dir[] = "/tmp/tidemark-conf.XXXXXX", path[100], pem[100], want[100];
	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/c.yaml", dir);
	(void)snprintf(pem, sizeof(pem), "%s/pem", dir);
	assert_int_equal(symlink(TESTS_DIR "/collector/tls", pem), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct collector_conf *c;
		struct err err = { 0 };
		FILE *f = fopen(path, "we");
		assert_non_null(f);
		assert_true(fputs(cases[i].text, f) >= 0 && fclose(f) == 0);
		if (collector_conf_load(path, &c, &err) < 0)
			fail_msg("%s: %s", cases[i].says, err.text);
		(void)snprintf(want, sizeof(want), cases[i].store, dir);
		if (strcmp(c->store, want) != 0)
			fail_msg("%s: got %s, want %s", cases[i].says, c->store, want);
		if (c->http_cert)
			assert_non_null(strstr(conf_warnings(c->file), "/c.yaml:2:20: the certificate in "));
		collector_conf_unref(c);
	}
	(void)unlink(path);
	(void)unlink(pem);
	assert_int_equal(rmdir(dir), 0);
}

static void test_the_file_of_the_manual_reads_as_it_says(void **state)
{
	(void)state;
	struct collector_conf *c =
		read_fine("listen: {http: 127.0.0.1:8470, agents: tcp://127.0.0.1:0}\n"
			  "store: sqlite:/var/lib/tidemark/tidemark.db\n"
			  "http:\n"
			  "  tokens: [{name: ci, scopes: [read, deploy], token: 0123456789abcdef}]\n"
			  "agents: [{name: fra-1, region: eu-central, token: " TOKEN "}]\n"
			  "services:\n"
			  "  - name: shop-api\n"
			  "    environment: production\n"
			  "    version: {json: /version}\n"
			  "    interval: 30s\n"
			  "    headers: {Accept: '*/*', X-A: outer}\n"
			  "    burst: {interval: 1s, for: 15m, max_rate: 20/s}\n"
			  "    from: {regions: [eu-*, us-*]}\n"
			  "    endpoints:\n"
			  "      - url: https://api.example.com/version\n"
			  "      - url: https://api.example.com/version?format=json\n"
			  "      - url: https://api.example.com/static/build.json\n"
			  "        version: {json: /build/sha, match: prefix}\n"
			  "        headers: {Accept-Encoding: br, x-a: inner}\n"
			  "        connection: reused\n"
			  "        cdn: {vendor: cloudfront, zone: E2EXAMPLE}\n"
			  "    origin: {connect_to: 10.0.0.5:443, from: {agents: [inside-1]}}\n"
			  "    verify: {timeout: 15m, require: 100%, min_coverage: 90%, rollback: off}\n");
	assert_int_equal(c->n_services, 1);
	const struct service_conf *s = &c->services[0];
	assert_true(str_is(s->name, "shop-api@production"));
	assert_ptr_equal(collector_conf_service(c, STR("shop-api@production")), s);
	assert_null(collector_conf_service(c, STR("shop-api")));
	assert_int_equal(s->n_endpoints, 3);
	assert_true(str_is(s->endpoints[0].id, "version"));
	assert_true(str_is(s->endpoints[1].id, "version-format-json"));
	assert_true(str_is(s->endpoints[2].id, "static-build-json"));
	assert_int_equal(s->endpoints[0].version.match, MATCH_EXACT);
	assert_int_equal(s->endpoints[2].version.match, MATCH_PREFIX);
	assert_true(str_is(s->endpoints[2].version.arg, "/build/sha"));
	assert_true(s->endpoints[0].fresh_connection && !s->endpoints[2].fresh_connection);
	/* an endpoint's own header takes the place of the service's, whatever its case */
	assert_int_equal(s->endpoints[0].n_headers, 2);
	assert_int_equal(s->endpoints[2].n_headers, 3);
	assert_true(str_is(s->endpoints[2].headers[1].name, "x-a") &&
		    str_is(s->endpoints[2].headers[1].value, "inner"));
	assert_true(str_is(s->endpoints[2].cdn_vendor, "cloudfront") &&
		    str_is(s->endpoints[2].cdn_zone, "E2EXAMPLE"));
	assert_true(s->has_origin && str_is(s->origin_connect_to, "10.0.0.5:443"));
	assert_true(from_matches(&s->from, STR("x"), STR("eu-central")) &&
		    !from_matches(&s->from, STR("x"), STR("ap-1")));
	assert_true(from_matches(&s->origin_from, STR("inside-1"), STR("ap-1")));
	assert_false(from_matches(&s->origin_from, STR("x"), STR("eu-central")));
	assert_true(s->verify.require == 1.0 && s->verify.min_coverage == 0.9);
	assert_int_equal(c->http_tokens[0].scopes, SCOPE_READ | SCOPE_DEPLOY);
	assert_int_equal(c->n_agents, 1);
	collector_conf_unref(c);
}

static void test_insecure_and_tokens_open_what_is_closed_by_default(void **state)
{
	(void)state;
	collector_conf_unref(read_fine("insecure: true\nlisten: {agents: tcp://0.0.0.0:0}\n"));
	collector_conf_unref(
		read_fine("listen: {http: 0.0.0.0:0}\nhttp: {tokens: [{name: a, scopes: [read], token: "
			  "0123456789abcdef}]}\n"));
	collector_conf_unref(read_fine("listen: {http: '[::1]:0', agents: 'tcp://[::1]:0'}\n"));
	collector_conf_unref(read_fine("listen: {http: 'localhost:0', agents: 'tcp://localhost:0'}\n"));
}

static void test_endpoint_ids_come_from_path_and_query(void **state)
{
	static const struct {
		const char *says, *url, *id;
	} cases[] = {
		{ "a path", "https://a.example/version", "version" },
		{ "path and query", "https://a.example/version?format=json", "version-format-json" },
		{ "the root", "https://a.example/", "root" },
		{ "no path at all", "https://a.example", "root" },
		{ "a query only", "https://a.example/?v", "v" },
		{ "many separators are one", "https://a.example/a//b/?x=&y=1", "a-b-x-y-1" },
		{ "case and underscores stay", "https://a.example/Api/v_1.json", "Api-v_1-json" },
		{ "a port is not part of it", "http://a.example:8080/x", "x" },
		{ "percent signs separate", "http://a.example/a%20b", "a-20b" },
		{ "nothing but separators", "http://a.example/---", "root" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf id;
		buf_init(&id, 128);
		endpoint_id_from_url(str_of(cases[i].url), &id);
		if (!str_is(buf_str(&id), cases[i].id))
			fail_msg("%s: got '%s', want '%s'", cases[i].says, id.p, cases[i].id);
		buf_fini(&id);
	}
}

/* "ID name=value ...;" of every endpoint */
static void say_endpoints(const struct service_conf *s, struct buf *out)
{
	for (size_t i = 0; i < s->n_endpoints; i++) {
		const struct endpoint_conf *ep = &s->endpoints[i];
		buf_addf(out, "%.*s %.*s", STR_ARG(ep->id), STR_ARG(ep->url));
		for (size_t k = 0; k < ep->n_headers; k++)
			buf_addf(out, " %.*s=%.*s", STR_ARG(ep->headers[k].name),
				STR_ARG(ep->headers[k].value));
		buf_addf(out, ";");
	}
}

static void test_each_variant_is_an_endpoint_of_its_own(void **state)
{
	static const struct {
		const char *says, *text, *want;
	} cases[] = {
		{ "a service's variants hold for each endpoint",
			"services: [{name: a, version: etag, variants: [{name: br, headers: {Accept-Encoding: br}}, "
			"{name: plain}], endpoints: [{url: 'http://a/v'}, {url: 'http://a/w'}]}]\n",
			"v.br http://a/v Accept-Encoding=br;v.plain http://a/v;"
			"w.br http://a/w Accept-Encoding=br;w.plain http://a/w;" },
		{ "an endpoint's own instead",
			"services: [{name: a, version: etag, variants: [{name: br}], endpoints: [{url: 'http://a/v', "
			"variants: [{name: app, headers: {Origin: 'https://app.example', User-Agent: phone}}]}]}]\n",
			"v.app http://a/v Origin=https://app.example User-Agent=phone;" },
		{ "or none",
			"services: [{name: a, version: etag, variants: [{name: br}], endpoints: [{url: 'http://a/v', "
			"variants: []}]}]\n",
			"v http://a/v;" },
		{ "its headers beside the endpoint's, and instead of those of the same name",
			"services: [{name: a, version: etag, headers: {X-Team: core, accept-encoding: gzip}, endpoints: "
			"[{url: 'http://a/v', id: version, variants: [{name: br, headers: {Accept-Encoding: br}}, "
			"{name: gz}]}]}]\n",
			"version.br http://a/v X-Team=core Accept-Encoding=br;"
			"version.gz http://a/v X-Team=core accept-encoding=gzip;" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct collector_conf *c = read_fine(cases[i].text);
		struct buf got;
		buf_init(&got, 4096);
		say_endpoints(&c->services[0], &got);
		if (!str_is(buf_str(&got), cases[i].want))
			fail_msg("%s: got %s", cases[i].says, got.p);
		buf_fini(&got);
		collector_conf_unref(c);
	}
}

static void test_the_reference_names_every_key_once(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 1024 * 1024);
	collector_conf_describe(&out);
	assert_false(buf_failed(&out));
	static const char *const keys[] = { "listen.http", "tls.require_agent_cert", "retention.observations",
		"services[].burst.max_rate", "services[].version.json", "services[].endpoints[].url",
		"http.tokens[].token", "agents[].region" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strstr(out.p, keys[i]))
			fail_msg("%s is not in the reference:\n%s", keys[i], out.p);
	struct str rest = buf_str(&out);
	for (struct str line; str_cut(&rest, '\n', &line);)
		if (line.n > 80)
			fail_msg("wider than a terminal: %.*s", STR_ARG(line));
	buf_fini(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_mistake_is_named_with_its_place),
		cmocka_unit_test(test_an_empty_file_has_every_default),
		cmocka_unit_test(test_paths_are_from_the_folder_of_the_file),
		cmocka_unit_test(test_the_file_of_the_manual_reads_as_it_says),
		cmocka_unit_test(test_insecure_and_tokens_open_what_is_closed_by_default),
		cmocka_unit_test(test_endpoint_ids_come_from_path_and_query),
		cmocka_unit_test(test_each_variant_is_an_endpoint_of_its_own),
		cmocka_unit_test(test_the_reference_names_every_key_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
