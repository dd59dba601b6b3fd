#include "agent/agent_conf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/netpolicy.h"
#include "base/name.h"
#include "base/obs.h"
#include "base/sha256.h"

#define LIST_MAX 256 /* allow_networks, allow_hosts, allow_env, connect_to */

_Static_assert(TOKEN_BYTES == HELLO_TOKEN_BYTES, "a token travels as the bytes its text stands for");

static const char *const level_words[] = { "debug", "info", "warn", "error", NULL }; /* as enum log_level */
static const char *const format_words[] = { "text", "json", NULL };                  /* as enum log_format */

#define AT(member, kind)       .type = kind, .offset = offsetof(struct agent_conf, member)
#define IN(part, member, kind) .type = kind, .offset = offsetof(struct part, member)
#define END                    .key = NULL
/* clang-format off */
static const struct conf_field tls_fields[] = {
	{ .key = "ca", IN(agent_tls, ca, CONF_PATH), .says = "PEM file of who signs the collector's certificate; default: the system's" },
	{ .key = "cert", IN(agent_tls, cert, CONF_PATH), .says = "PEM file of the agent's certificate, where the collector asks for one" },
	{ .key = "key", IN(agent_tls, key, CONF_PATH), .says = "PEM file of its key" },
	{ .key = "server_name", IN(agent_tls, server_name, CONF_STR),
	  .says = "name the certificate has to have; default: the host of collector" },
	{ END },
};
static const struct conf_field spool_fields[] = {
	{ .key = "dir", IN(agent_spool, dir, CONF_PATH), .dflt = "/var/lib/tidemark-agent", .says = "directory of this agent alone" },
	{ .key = "max_size", IN(agent_spool, max_size, CONF_SIZE), .min = "1MiB", .max = "64GiB", .dflt = "256MiB",
	  .says = "over it the oldest batches are lost, and counted" },
	{ .key = "max_age", IN(agent_spool, max_age_us, CONF_DURATION), .min = "1m", .max = "365d", .dflt = "72h",
	  .says = "older batches are lost, and counted" },
	{ END },
};
static const struct conf_field log_fields[] = {
	{ .key = "level", IN(agent_log, level, CONF_ENUM), .words = level_words, .dflt = "info", .says = "the least of what is logged" },
	{ .key = "format", IN(agent_log, format, CONF_ENUM), .words = format_words, .dflt = "text",
	  .says = "key=value lines or JSON objects, on stderr" },
	{ END },
};
static const struct conf_field fields[] = {
	{ .key = "name", AT(name, CONF_STR), .required = true, .says = "as enrolled on the collector" },
	{ .key = "region", AT(region, CONF_STR), .dflt = "", .says = "what a service's from.regions is matched with" },
	{ .key = "location", AT(location_node, CONF_NODE), .says = "[latitude, longitude], for the map" },
	{ .key = "collector", AT(collector, CONF_STR), .required = true,
	  .says = "tls+tcp://HOST:PORT; tcp:// on loopback, or with insecure" },
	{ .key = "tls", AT(tls, CONF_MAP), .sub = tls_fields, .says = "trust between agent and collector" },
	{ .key = "token", AT(token, CONF_SECRET), .required = true, .says = "as `tidemark agents enroll NAME` printed it" },
	{ .key = "spool", AT(spool, CONF_MAP), .sub = spool_fields, .says = "results on disk until the collector has them" },
	{ .key = "allow_networks", AT(networks_node, CONF_NODE),
	  .says = "list of networks (10.0.0.0/8): private and loopback addresses that may be probed all the same" },
	{ .key = "allow_hosts", AT(hosts_node, CONF_NODE),
	  .says = "list of host names (*.example.com) the collector may ask for; default: any" },
	{ .key = "allow_env", AT(env_node, CONF_NODE),
	  .says = "list of this agent's environment variables that a service's {agent_env: NAME} may send; default: none" },
	{ .key = "connect_to", AT(routes_node, CONF_NODE),
	  .says = "list of HOST:PORT:TO_HOST:TO_PORT, as curl's --connect-to: where a name leads from here" },
	{ .key = "probe_proxy", AT(probe_proxy, CONF_STR),
	  .says = "proxy that every probe goes through: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT; default: none" },
	{ .key = "probe_proxy_auth", AT(probe_proxy_auth, CONF_SECRET), .says = "USER:PASSWORD for it" },
	{ .key = "max_rate", AT(max_rate, CONF_RATE), .min = "1/min", .max = "100000/s", .dflt = "200/s",
	  .says = "probes, all together" },
	{ .key = "max_rate_per_host", AT(max_rate_per_host, CONF_RATE), .min = "1/min", .max = "100000/s", .dflt = "50/s",
	  .says = "probes of one host" },
	{ .key = "max_inflight", AT(max_inflight, CONF_INT), .min = "1", .max = "20000", .dflt = "256",
	  .says = "probes at the same time" },
	{ .key = "user_agent", AT(user_agent, CONF_STR), .says = "header of every probe; default: tidemark-agent/VERSION" },
	{ .key = "reconnect_max", AT(reconnect_max_us, CONF_DURATION), .min = "1s", .max = "10m", .dflt = "60s",
	  .says = "longest pause between two attempts to reach the collector" },
	{ .key = "insecure", AT(insecure, CONF_BOOL), .dflt = "off",
	  .says = "allow tcp:// beyond loopback: the token travels in the clear" },
	{ .key = "log", AT(log, CONF_MAP), .sub = log_fields, .says = "logging" },
	{ END },
};
/* clang-format on */

void agent_conf_describe(struct buf *out)
{
	conf_describe(fields, "", out);
}

/* ---- what tables cannot say ---- */

static const struct conf_node *node_of(const struct agent_conf *c, const char *key)
{
	const struct conf_node *root = conf_root(c->file), *value;
	struct str k;
	for (size_t i = 0; i < conf_map_size(root); i++) {
		conf_map_at(root, i, &k, &value);
		if (str_is(k, key))
			return value;
	}
	return root;
}

static int read_location(struct agent_conf *c, struct err *err)
{
	const struct conf_node *n = c->location_node;
	double at[2];
	static const double limits[] = { 90, 180 };
	if (n == NULL)
		return 0;
	if (!conf_is_list(n) || conf_list_size(n) != 2)
		return conf_error(
			c->file, n, err, ERR_SYNTAX, "want [latitude, longitude], like [50.03, 8.57]");
	for (size_t i = 0; i < 2; i++) {
		const struct conf_node *item = conf_list_at(n, i);
		if (str_to_double(conf_scalar(item), &at[i], NULL) < 0 ||
			!(at[i] >= -limits[i] && at[i] <= limits[i]))
			return conf_error(c->file, item, err, ERR_SYNTAX, "want a %s, -%g to %g, got '%.*s'",
				i ? "longitude" : "latitude", limits[i], limits[i],
				STR_ARG(conf_scalar(item)));
	}
	c->latitude = at[0];
	c->longitude = at[1];
	return 0;
}

static bool is_network(struct str s)
{
	unsigned char address[16];
	char text[64];
	struct str rest = s, head;
	int64_t bits = 0;
	if (!str_cut(&rest, '/', &head) || head.n == 0 || head.n >= sizeof(text))
		return false;
	memcpy(text, head.p, head.n);
	text[head.n] = '\0';
	int most = inet_pton(AF_INET, text, address) == 1    ? 32
		   : inet_pton(AF_INET6, text, address) == 1 ? 128
							     : -1;
	if (rest.p == NULL)
		return most > 0;
	return str_to_i64(rest, &bits, NULL) == 0 && bits >= 0 && bits <= most;
}

static bool is_host_glob(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr("/: \t@", s.p[i]) != NULL)
			return false;
	return s.n > 0;
}

static bool is_route(struct str s)
{
	struct netpolicy *p = netpolicy_new_open();
	bool good = netpolicy_add_route(p, s, NULL) == 0;
	netpolicy_free(p);
	return good;
}

static int read_list(struct agent_conf *c, const struct conf_node *n, bool (*good)(struct str),
	const char *want, const char ***ret, size_t *ret_n, struct err *err)
{
	if (n == NULL)
		return 0;
	if (!conf_is_list(n))
		return conf_error(c->file, n, err, ERR_SYNTAX, "want a list of %s", want);
	if (conf_list_size(n) > LIST_MAX)
		return conf_error(c->file, n, err, ERR_TOO_BIG, "%zu entries, limit is %d", conf_list_size(n),
			LIST_MAX);
	*ret = mem_new_array(conf_list_size(n), sizeof(**ret));
	for (size_t i = 0; i < conf_list_size(n); i++) {
		const struct conf_node *item = conf_list_at(n, i);
		if (!conf_is_scalar(item) || !good(conf_scalar(item)))
			return conf_error(c->file, item, err, ERR_SYNTAX, "want %s, got '%.*s'", want,
				STR_ARG(conf_scalar(item)));
		(*ret)[(*ret_n)++] = conf_scalar(item).p;
	}
	return 0;
}

static int read_token(struct agent_conf *c, struct err *err)
{
	struct err why = { 0 };
	int rc = token_read(str_of(c->token), c->token_bytes, &why);
	return rc < 0 ? conf_error(c->file, conf_root(c->file), err, rc, "token: %s", why.text) : 0;
}

/* HOST of SCHEME://HOST:PORT, without []. False when it is no such thing. */
static bool url_host(struct str url, const char *scheme, struct str *ret_host)
{
	int64_t port;
	if (!str_starts(url, scheme))
		return false;
	struct str rest = str_from(url, strlen(scheme));
	ptrdiff_t colon = str_rfind(rest, ':');
	if (colon <= 0 || str_to_i64(str_from(rest, (size_t)colon + 1), &port, NULL) < 0 || port < 1 ||
		port > 65535)
		return false;
	struct str host = str_first(rest, (size_t)colon);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct str){ host.p + 1, host.n - 2 };
	else if (str_find(host, ':') >= 0)
		return false;
	*ret_host = host;
	return host.n > 0 && str_find(host, '/') < 0;
}

/* "127.example.com" is not: only what is written as an address counts. */
static bool is_loopback(struct str host)
{
	unsigned char address[4];
	char text[INET_ADDRSTRLEN];
	if (str_eq_nocase(host, STR("localhost")) || str_is(host, "::1"))
		return true;
	snprintf(text, sizeof(text), "%.*s", STR_ARG(host));
	return host.n < sizeof(text) && inet_pton(AF_INET, text, address) == 1 && address[0] == 127;
}

static int read_collector(struct agent_conf *c, struct err *err)
{
	struct str host;
	const struct conf_node *n = node_of(c, "collector");
	if (url_host(str_of(c->collector), "tls+tcp://", &host)) {
		c->host = str_dup(host);
		c->use_tls = true;
	} else if (url_host(str_of(c->collector), "tcp://", &host)) {
		c->host = str_dup(host);
		if (!is_loopback(host) && !c->insecure)
			return conf_error(c->file, n, err, ERR_DENIED,
				"tcp:// beyond loopback sends the token in the clear: want tls+tcp://, or "
				"insecure: true");
	} else {
		return conf_error(c->file, n, err, ERR_SYNTAX,
			"want tls+tcp://HOST:PORT or tcp://HOST:PORT, got '%s'", c->collector);
	}
	if (!c->use_tls && (c->tls.ca || c->tls.cert || c->tls.key || c->tls.server_name))
		return conf_error(c->file, node_of(c, "tls"), err, ERR_NONSENSE,
			"tls is set, but collector is no tls+tcp:// address");
	return conf_check_tls(c->file, node_of(c, "tls"), c->tls.ca, c->tls.cert, c->tls.key, err);
}

static int read_names(struct agent_conf *c, struct err *err)
{
	const struct {
		const char *key, *value;
	} names[] = { { "name", c->name }, { "region", c->region } };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if ((i == 0 || names[i].value[0] != '\0') && !name_is_fine(str_of(names[i].value)))
			return conf_error(c->file, node_of(c, names[i].key), err, ERR_SYNTAX,
				"'%s' is no %s: want " NAME_RULE, names[i].value, names[i].key);
	return 0;
}

static int read_proxy(struct agent_conf *c, struct err *err)
{
	struct netpolicy *p = netpolicy_new_open();
	struct err why = { 0 };
	int rc = 0;
	if (c->probe_proxy)
		rc = netpolicy_set_proxy(p, str_of(c->probe_proxy), str_of(c->probe_proxy_auth), &why);
	netpolicy_free(p);
	if (rc < 0)
		return conf_error(c->file, node_of(c, "probe_proxy"), err, rc, "probe_proxy: %s%s", why.text,
			strchr(c->probe_proxy, '@') ? ": write them as probe_proxy_auth" : "");
	if (c->probe_proxy_auth && !c->probe_proxy)
		return conf_error(c->file, node_of(c, "probe_proxy_auth"), err, ERR_NONSENSE,
			"probe_proxy_auth is set, but there is no probe_proxy");
	return 0;
}

static int finish(struct conf *file, struct agent_conf **ret, struct err *err)
{
	struct agent_conf *c = mem_new(sizeof(*c));
	c->file = file;
	int rc = conf_read(file, conf_root(file), fields, c, err);
	if (rc == 0)
		rc = read_names(c, err);
	if (rc == 0)
		rc = read_location(c, err);
	if (rc == 0)
		rc = read_collector(c, err);
	if (rc == 0)
		rc = read_token(c, err);
	if (rc == 0)
		rc = read_proxy(c, err);
	if (rc == 0)
		rc = read_list(c, c->networks_node, is_network, "a network like 10.0.0.0/8",
			&c->allow_networks, &c->n_allow_networks, err);
	if (rc == 0)
		rc = read_list(c, c->hosts_node, is_host_glob,
			"a host name like api.example.com or *.example.com", &c->allow_hosts,
			&c->n_allow_hosts, err);
	if (rc == 0)
		rc = read_list(c, c->env_node, name_is_variable, "the name of a variable like SHOP_KEY",
			&c->allow_env, &c->n_allow_env, err);
	if (rc == 0)
		rc = read_list(c, c->routes_node, is_route,
			"HOST:PORT:TO_HOST:TO_PORT, as curl's --connect-to", &c->connect_to, &c->n_connect_to,
			err);
	if (rc < 0)
		agent_conf_free(c);
	else
		*ret = c;
	return rc;
}

int agent_conf_load(const char *path, struct agent_conf **ret, struct err *err)
{
	struct conf *file;
	int rc = conf_load(path, &file, err);
	return rc < 0 ? rc : finish(file, ret, err);
}

int agent_conf_parse(struct str text, const char *name, struct agent_conf **ret, struct err *err)
{
	struct conf *file;
	int rc = conf_parse(text, name, &file, err);
	return rc < 0 ? rc : finish(file, ret, err);
}

void agent_conf_free(struct agent_conf *c)
{
	if (c == NULL)
		return;
	explicit_bzero(c->token_bytes, sizeof(c->token_bytes));
	free(c->host);
	free(c->allow_networks);
	free(c->allow_hosts);
	free(c->allow_env);
	free(c->connect_to);
	conf_free(c->file);
	free(c);
}
