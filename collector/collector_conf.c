/* collector_conf.c - see collector_conf.h: the top of the file; services are in service_conf.c. */
#include <arpa/inet.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/name.h"
#include "base/pem.h"
#include "collector/collector_conf_parts.h"
#include "collector/token.h"

struct listen_part {
	char *http, *agents;
};
struct tls_part {
	char *ca, *cert, *key;
	bool require_agent_cert;
};
struct http_part {
	const struct conf_node *tokens;
	bool open_status;
	struct tls_part tls;
};
struct status_part {
	char *name, *url;
	bool incidents;
};
struct log_part {
	int level, format;
};
struct top {
	struct listen_part listen;
	struct tls_part tls;
	char *store;
	struct http_part http;
	struct status_part status;
	struct store_retention retention;
	struct log_part log;
	const struct conf_node *services, *agents;
	bool insecure;
};
struct token_part {
	char *name, *token;
	const struct conf_node *scopes;
};
struct agent_part {
	char *name, *region, *token;
};

static const char *const level_words[] = { "debug", "info", "warn", "error", NULL }; /* as enum log_level */
static const char *const format_words[] = { "text", "json", NULL };                  /* as enum log_format */

#define AT(part, member, kind) .key = #member, .type = kind, .offset = offsetof(struct part, member)
#define END                    .key = NULL
/* clang-format off */
static const struct conf_field listen_fields[] = {
	{ AT(listen_part, http, CONF_STR), .dflt = "127.0.0.1:8470", .says = "address of the API and the page" },
	{ AT(listen_part, agents, CONF_STR), .dflt = "tcp://127.0.0.1:8471",
	  .says = "where agents dial: tls+tcp://ADDRESS:PORT, or tcp:// on loopback" },
	{ END },
};
static const struct conf_field tls_fields[] = {
	{ AT(tls_part, ca, CONF_PATH), .says = "PEM file of who signs agents' certificates" },
	{ AT(tls_part, cert, CONF_PATH), .says = "PEM file of the certificate shown to agents" },
	{ AT(tls_part, key, CONF_PATH), .says = "PEM file of its key" },
	{ AT(tls_part, require_agent_cert, CONF_BOOL), .dflt = "off", .says = "refuse agents without a certificate signed by ca" },
	{ END },
};
static const struct conf_field http_tls_fields[] = {
	{ AT(tls_part, cert, CONF_PATH), .says = "PEM file: the API speaks HTTPS" },
	{ AT(tls_part, key, CONF_PATH), .says = "PEM file of its key" },
	{ END },
};
static const struct conf_field http_fields[] = {
	{ AT(http_part, tokens, CONF_NODE),
	  .says = "list of {name, scopes: [read, deploy, admin], token or token_file}; none: loopback only" },
	{ AT(http_part, open_status, CONF_BOOL), .dflt = "off", .says = "status feeds need no token" },
	{ AT(http_part, tls, CONF_MAP), .sub = http_tls_fields, .says = "HTTPS without a proxy in front" },
	{ END },
};
static const struct conf_field status_fields[] = {
	{ AT(status_part, name, CONF_STR), .dflt = "tidemark", .says = "the name in the status feeds" },
	{ AT(status_part, url, CONF_STR), .says = "its public address; default: the listen address" },
	{ AT(status_part, incidents, CONF_BOOL), .dflt = "on", .says = "incidents are in the feeds; off: drafts, the API alone has them" },
	{ END },
};
static const struct conf_field retention_fields[] = {
	{ .key = "observations", .type = CONF_DURATION, .offset = offsetof(struct store_retention, observations_us),
	  .min = "1m", .max = "90d", .dflt = "48h", .says = "how long results are kept as they came" },
	{ .key = "events", .type = CONF_DURATION, .offset = offsetof(struct store_retention, events_us),
	  .min = "1h", .max = "3650d", .dflt = "30d", .says = "how long deploys, purges and the like are kept" },
	{ .key = "transitions", .type = CONF_DURATION, .offset = offsetof(struct store_retention, transitions_us),
	  .min = "1h", .max = "3650d", .dflt = "30d", .says = "how long changes of state are kept" },
	{ END },
};
static const struct conf_field log_fields[] = {
	{ AT(log_part, level, CONF_ENUM), .words = level_words, .dflt = "info", .says = "the least of what is logged" },
	{ AT(log_part, format, CONF_ENUM), .words = format_words, .dflt = "text", .says = "key=value lines or JSON objects, on stderr" },
	{ END },
};
static const struct conf_field top_fields[] = {
	{ AT(top, listen, CONF_MAP), .sub = listen_fields, .says = "addresses" },
	{ AT(top, tls, CONF_MAP), .sub = tls_fields, .says = "for agents' connections" },
	{ AT(top, store, CONF_STR), .dflt = "sqlite:tidemark.db", .says = "the journal: sqlite:PATH, from this file's folder" },
	{ AT(top, http, CONF_MAP), .sub = http_fields, .says = "the API" },
	{ AT(top, status, CONF_MAP), .sub = status_fields, .says = "status feeds" },
	{ AT(top, retention, CONF_MAP), .sub = retention_fields, .says = "how long things are kept" },
	{ AT(top, log, CONF_MAP), .sub = log_fields, .says = "logging" },
	{ AT(top, services, CONF_NODE), .says = "list of services, see services[]" },
	{ AT(top, agents, CONF_NODE),
	  .says = "list of {name, region, token or token_file}: a static fleet, beside those enrolled over the API" },
	{ AT(top, insecure, CONF_BOOL), .dflt = "off",
	  .says = "plain tcp:// for agents beyond loopback: their tokens travel in the clear" },
	{ END },
};
static const struct conf_field token_fields[] = {
	{ AT(token_part, name, CONF_STR), .required = true, .says = "who holds it" },
	{ AT(token_part, scopes, CONF_NODE), .required = true, .says = "list of read, deploy, admin" },
	{ AT(token_part, token, CONF_SECRET), .required = true, .says = "the bearer token" },
	{ END },
};
static const struct conf_field agent_fields[] = {
	{ AT(agent_part, name, CONF_STR), .required = true, .says = "as in the agent's own file" },
	{ AT(agent_part, region, CONF_STR), .dflt = "", .says = "what from.regions matches" },
	{ AT(agent_part, token, CONF_SECRET), .required = true, .says = "the agent's token" },
	{ END },
};
/* clang-format on */

/* -- memory that lives as long as the configuration -- */

struct conf_mem {
	struct conf_mem *next;
	max_align_t bytes[];
};

void *conf_mem_new(struct collector_conf *c, size_t size)
{
	struct conf_mem *m = mem_new(sizeof(*m) + size);
	m->next = c->mem;
	c->mem = m;
	return m->bytes;
}

struct str conf_mem_str(struct collector_conf *c, struct str s)
{
	char *p = conf_mem_new(c, s.n + 1);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

const struct conf_node *conf_map_get(const struct conf_node *map, const char *key)
{
	for (size_t i = 0; map && i < conf_map_size(map); i++) {
		struct str k;
		const struct conf_node *value;
		conf_map_at(map, i, &k, &value);
		if (str_is(k, key))
			return value;
	}
	return NULL;
}

/* -- lists of the top -- */

static int scopes_read(struct collector_conf *c, const struct conf_node *list, unsigned *ret, struct err *err)
{
	unsigned scopes = 0;
	if (!conf_is_list(list) || conf_list_size(list) == 0)
		return conf_error(c->file, list, err, ERR_SYNTAX, "want a list of read, deploy, admin");
	for (size_t i = 0; i < conf_list_size(list); i++) {
		const struct conf_node *n = conf_list_at(list, i);
		struct str word = conf_is_scalar(n) ? conf_scalar(n) : STR_NONE;
		if (str_is(word, "read"))
			scopes |= SCOPE_READ;
		else if (str_is(word, "deploy"))
			scopes |= SCOPE_DEPLOY;
		else if (str_is(word, "admin"))
			scopes |= SCOPE_ADMIN;
		else
			return conf_error(c->file, n, err, ERR_SYNTAX,
				"unknown scope '%.*s', want read, deploy or admin", STR_ARG(word));
	}
	*ret = scopes;
	return 0;
}

static int tokens_read(struct collector_conf *c, const struct conf_node *list, struct err *err)
{
	size_t n = conf_list_size(list);
	if (list && !conf_is_list(list))
		return conf_error(c->file, list, err, ERR_SYNTAX, "want a list of tokens");
	if (n > CONF_TOKENS_MAX)
		return conf_error(
			c->file, list, err, ERR_TOO_BIG, "%zu tokens, limit is %d", n, CONF_TOKENS_MAX);
	c->http_tokens = conf_mem_new(c, (n + 1) * sizeof(*c->http_tokens));
	for (size_t i = 0; i < n; i++) {
		const struct conf_node *node = conf_list_at(list, i);
		struct http_token *t = &c->http_tokens[i];
		struct token_part part = { 0 };
		int rc = conf_read(c->file, node, token_fields, &part, err);
		if (rc == 0)
			rc = scopes_read(c, part.scopes, &t->scopes, err);
		if (rc < 0)
			return rc;
		t->name = str_of(part.name);
		if (strlen(part.token) < 16)
			return conf_error(c->file, node, err, ERR_NONSENSE,
				"token of '%s' is shorter than 16 characters: it could be guessed",
				part.name);
		t->hash = sha256_of(str_of(part.token));
		for (size_t k = 0; k < i; k++)
			if (memcmp(&c->http_tokens[k].hash, &t->hash, sizeof(t->hash)) == 0)
				return conf_error(c->file, node, err, ERR_EXISTS,
					"'%s' has the same token as '%.*s'", part.name,
					STR_ARG(c->http_tokens[k].name));
		c->n_http_tokens++;
	}
	return 0;
}

static int agents_read(struct collector_conf *c, const struct conf_node *list, struct err *err)
{
	size_t n = conf_list_size(list);
	if (list && !conf_is_list(list))
		return conf_error(c->file, list, err, ERR_SYNTAX, "want a list of agents");
	if (n > AGENTS_MAX)
		return conf_error(c->file, list, err, ERR_TOO_BIG, "%zu agents, limit is %d", n, AGENTS_MAX);
	c->agents = conf_mem_new(c, (n + 1) * sizeof(*c->agents));
	for (size_t i = 0; i < n; i++) {
		const struct conf_node *node = conf_list_at(list, i);
		struct agent_conf_entry *a = &c->agents[i];
		struct agent_part part = { 0 };
		struct err why;
		int rc = conf_read(c->file, node, agent_fields, &part, err);
		if (rc < 0)
			return rc;
		a->name = str_of(part.name);
		a->region = str_of(part.region);
		if (!name_is_fine(a->name))
			return conf_error(c->file, node, err, ERR_SYNTAX,
				"'%s' is no agent's name: want " NAME_RULE, part.name);
		if (a->region.n > 0 && !name_is_fine(a->region))
			return conf_error(c->file, node, err, ERR_SYNTAX,
				"'%s' is no region: want " NAME_RULE, part.region);
		rc = token_hash_text(str_of(part.token), &a->token, &why);
		if (rc < 0)
			return conf_error(c->file, node, err, rc, "token of '%s': %s", part.name, why.text);
		for (size_t k = 0; k < i; k++)
			if (str_eq(c->agents[k].name, a->name))
				return conf_error(c->file, node, err, ERR_EXISTS,
					"two agents are called '%s'", part.name);
		c->n_agents++;
	}
	return 0;
}

/* -- addresses -- */

enum host { HOST_NAME, HOST_ADDRESS, HOST_LOOPBACK };

static enum host host_kind(struct str host)
{
	char text[64];
	struct in_addr v4;
	struct in6_addr v6;
	bool bracketed = host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (str_is(host, "localhost"))
		return HOST_LOOPBACK;
	if (bracketed)
		host = (struct str){ host.p + 1, host.n - 2 };
	if (host.n == 0 || host.n >= sizeof(text))
		return HOST_NAME;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (!bracketed && inet_pton(AF_INET, text, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127 ? HOST_LOOPBACK : HOST_ADDRESS;
	if (bracketed && inet_pton(AF_INET6, text, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) ? HOST_LOOPBACK : HOST_ADDRESS;
	return HOST_NAME;
}

static bool host_is_loopback(struct str host)
{
	return host_kind(host) == HOST_LOOPBACK;
}

/* Here, with its place, and not by whoever resolves it at the start: a name may stand for other machines, or
 * for none. */
static int host_check(
	const struct collector_conf *c, const struct conf_node *at, struct str host, struct err *err)
{
	if (host_kind(host) != HOST_NAME)
		return 0;
	return conf_error(c->file, at, err, ERR_SYNTAX,
		"want an address of this machine, such as 127.0.0.1, 0.0.0.0 or [::1], or localhost; got "
		"'%.*s'",
		STR_ARG(host));
}

/* host:port, [v6]:port; the host may be empty or '*' only where nng or HTTP know it, so it is required here
 */
static bool address_is_fine(struct str address, struct str *ret_host)
{
	ptrdiff_t colon = str_rfind(address, ':');
	int64_t port;
	if (colon <= 0 || str_to_i64(str_from(address, (size_t)colon + 1), &port, NULL) < 0 || port < 0 ||
		port > 65535)
		return false;
	*ret_host = str_first(address, (size_t)colon);
	return ret_host->p[0] == '[' ? ret_host->p[ret_host->n - 1] == ']' : str_find(*ret_host, ':') < 0;
}

static int addresses_check(struct collector_conf *c, const struct conf_node *root, struct err *err)
{
	const struct conf_node *listen = conf_map_get(root, "listen");
	const struct conf_node *at_agents = conf_map_get(listen, "agents"),
			       *at_http = conf_map_get(listen, "http");
	struct str agents = str_of(c->listen_agents), host;
	bool is_tls = str_starts(agents, "tls+tcp://");
	at_agents = at_agents ? at_agents : root;
	at_http = at_http ? at_http : root;
	if (!is_tls && !str_starts(agents, "tcp://"))
		return conf_error(c->file, at_agents, err, ERR_SYNTAX,
			"want tls+tcp://ADDRESS:PORT, got '%s'", c->listen_agents);
	agents = str_from(agents, strlen(is_tls ? "tls+tcp://" : "tcp://"));
	if (!address_is_fine(agents, &host))
		return conf_error(c->file, at_agents, err, ERR_SYNTAX, "want ADDRESS:PORT, got '%.*s'",
			STR_ARG(agents));
	if (!is_tls && !c->insecure && !host_is_loopback(host))
		return conf_error(c->file, at_agents, err, ERR_DENIED,
			"plain tcp:// beyond loopback would carry agents' tokens in the clear: use "
			"tls+tcp://, or say insecure: true");
	if (is_tls && !c->tls.cert && !c->tls.key)
		return conf_error(
			c->file, at_agents, err, ERR_NONSENSE, "tls+tcp:// needs tls.cert and tls.key");
	if (host_check(c, at_agents, host, err) < 0)
		return err->code;
	if (c->tls.require_agent_cert && !c->tls.ca)
		return conf_error(c->file, conf_map_get(root, "tls"), err, ERR_NONSENSE,
			"require_agent_cert needs tls.ca");
	if (!address_is_fine(str_of(c->listen_http), &host))
		return conf_error(
			c->file, at_http, err, ERR_SYNTAX, "want ADDRESS:PORT, got '%s'", c->listen_http);
	if (c->n_http_tokens == 0 && !host_is_loopback(host))
		return conf_error(c->file, at_http, err, ERR_DENIED,
			"without http.tokens the API listens on loopback only, got '%s'", c->listen_http);
	return host_check(c, at_http, host, err);
}

static int pem_read(
	struct collector_conf *c, const struct conf_node *at, const char *path, char **ret, struct err *err)
{
	struct buf text;
	struct err why = { 0 };
	buf_init(&text, PEM_MAX);
	int rc = pem_file_read(path, &text, &why);
	if (rc == 0)
		*ret = (char *)conf_mem_str(c, buf_str(&text)).p;
	else
		rc = conf_error(c->file, at, err, rc, "%s", why.text);
	buf_fini(&text);
	return rc;
}

/* The API's TLS is GnuTLS, which knows kinds of keys (Ed25519) that mbedTLS does not: those it judges itself.
 */
static int http_tls_read(
	struct collector_conf *c, const struct conf_node *at, const struct tls_part *tls, struct err *err)
{
	int rc = conf_check_tls(c->file, at, NULL, tls->cert, tls->key, err);
	if (rc == ERR_UNSUPPORTED)
		rc = 0;
	if (rc == 0 && tls->cert)
		rc = pem_read(c, at, tls->cert, &c->http_cert, err);
	if (rc == 0 && tls->key)
		rc = pem_read(c, at, tls->key, &c->http_key, err);
	return rc;
}

/* sqlite:PATH, the path made whole; sqlite: may be left out. */
static int store_read(struct collector_conf *c, const struct conf_node *root, struct err *err)
{
	const struct conf_node *at = conf_map_get(root, "store");
	struct str uri = str_of(c->store);
	if (str_starts(uri, "postgresql:") || str_starts(uri, "postgres:"))
		return conf_error(
			c->file, at, err, ERR_UNSUPPORTED, "PostgreSQL is not built in, want sqlite:PATH");
	if (uri.n == 0 || str_is(uri, "sqlite:"))
		return conf_error(c->file, at ? at : root, err, ERR_SYNTAX, "want sqlite:PATH");
	if (!str_starts(uri, "sqlite:") && strstr(c->store, "://"))
		return conf_error(c->file, at, err, ERR_UNSUPPORTED, "want sqlite:PATH, got '%s'", c->store);
	const char *path = c->store + (str_starts(uri, "sqlite:") ? strlen("sqlite:") : 0);
	struct str whole = str_of(conf_path(c->file, path));
	char *text = conf_mem_new(c, strlen("sqlite:") + whole.n + 1);
	(void)snprintf(text, strlen("sqlite:") + whole.n + 1, "sqlite:%s", whole.p);
	c->store = text;
	return 0;
}

static int conf_fill(struct collector_conf *c, struct err *err)
{
	const struct conf_node *root = conf_root(c->file);
	struct top top = { 0 };
	int rc = conf_read(c->file, root, top_fields, &top, err);
	if (rc < 0)
		return rc;
	c->listen_http = top.listen.http;
	c->listen_agents = top.listen.agents;
	c->tls.ca = top.tls.ca;
	c->tls.cert = top.tls.cert;
	c->tls.key = top.tls.key;
	c->tls.require_agent_cert = top.tls.require_agent_cert;
	c->store = top.store;
	c->open_status = top.http.open_status;
	c->status_name = top.status.name;
	c->status_url = top.status.url;
	c->status_incidents = top.status.incidents;
	c->retention = top.retention;
	c->log_level = top.log.level;
	c->log_format = top.log.format;
	c->insecure = top.insecure;
	const struct conf_node *http = conf_map_get(root, "http");
	rc = store_read(c, root, err);
	if (rc == 0)
		rc = tokens_read(c, top.http.tokens, err);
	if (rc == 0)
		rc = addresses_check(c, root, err);
	if (rc == 0)
		rc = conf_check_tls(
			c->file, conf_map_get(root, "tls"), c->tls.ca, c->tls.cert, c->tls.key, err);
	if (rc == 0)
		rc = http_tls_read(c, conf_map_get(http, "tls"), &top.http.tls, err);
	if (rc == 0)
		rc = agents_read(c, top.agents, err);
	if (rc == 0)
		rc = services_read(c, top.services, err);
	return rc;
}

static int conf_finish(struct conf *file, struct str path, struct collector_conf **ret, struct err *err)
{
	struct collector_conf *c = mem_new(sizeof(*c));
	atomic_init(&c->refs, 1);
	c->file = file;
	c->path = conf_mem_str(c, path);
	int rc = conf_fill(c, err);
	if (rc < 0)
		collector_conf_unref(c);
	else
		*ret = c;
	return rc;
}

int collector_conf_load(const char *path, struct collector_conf **ret, struct err *err)
{
	struct conf *file;
	int rc = conf_load(path, &file, err);
	return rc < 0 ? rc : conf_finish(file, str_of(path), ret, err);
}

int collector_conf_parse(struct str text, const char *name, struct collector_conf **ret, struct err *err)
{
	struct conf *file;
	int rc = conf_parse(text, name, &file, err);
	return rc < 0 ? rc : conf_finish(file, str_of(name), ret, err);
}

struct collector_conf *collector_conf_ref(struct collector_conf *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void collector_conf_unref(struct collector_conf *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	conf_free(c->file);
	for (struct conf_mem *m = c->mem, *next; m; m = next) {
		next = m->next;
		free(m);
	}
	free(c);
}

const struct service_conf *collector_conf_service(const struct collector_conf *c, struct str name)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (str_eq(c->services[i].name, name))
			return &c->services[i];
	return NULL;
}

static bool any_matches(const struct str *patterns, size_t n, struct str what)
{
	char text[OBS_NAME_MAX + 1];
	if (what.n > OBS_NAME_MAX)
		return false;
	if (what.n > 0)
		memcpy(text, what.p, what.n);
	text[what.n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (fnmatch(patterns[i].p, text, 0) == 0)
			return true;
	return false;
}

bool from_matches(const struct from_conf *f, struct str agent, struct str region)
{
	if (f->n_regions == 0 && f->n_agents == 0)
		return true;
	return any_matches(f->regions, f->n_regions, region) || any_matches(f->agents, f->n_agents, agent);
}

void collector_conf_describe(struct buf *out)
{
	conf_describe(top_fields, "", out);
	conf_describe(token_fields, "http.tokens[]", out);
	conf_describe(agent_fields, "agents[]", out);
	services_describe(out);
}
