/* service_conf.c - see collector_conf.h: the list of services. */
#include <ctype.h>
#include <stdio.h>

#include "base/name.h"
#include "base/pattern.h"
#include "collector/assign_out.h"
#include "collector/collector_conf_parts.h"

enum connection_word { CONNECTION_UNSAID, CONNECTION_FRESH, CONNECTION_REUSED };
static const char *const connection_words[] = { "as_service", "fresh", "reused", NULL };
enum ip_word { IP_UNSAID, IP_ANY, IP_4, IP_6, IP_BOTH };
static const char *const ip_words[] = { "as_service", "any", "4", "6", "both", NULL };

struct cdn_part {
	char *vendor, *zone;
};
struct probe_part { /* what a service says for all its endpoints, and an endpoint for itself */
	const struct conf_node *version, *headers, *addresses, *variants;
	int connection, ip;
	int64_t redirects, max_body; /* -1 and 0: not said */
	char *pop_header;
	struct cdn_part cdn;
};
struct endpoint_part {
	char *url, *id;
	struct probe_part probe;
};
struct origin_part {
	char *connect_to;
	const struct conf_node *from;
};
struct burst_part {
	int64_t interval, for_us;
	double max_rate;
};
struct verify_part {
	int64_t timeout, watch, rollout_grace, alert_after, min_agents;
	double require, min_coverage;
	bool rollback;
};
struct service_part {
	char *name, *environment;
	int64_t interval, timeout;
	struct burst_part burst;
	const struct conf_node *from, *endpoints;
	struct origin_part origin;
	struct probe_part probe;
	struct verify_part verify;
};
struct version_part {
	char *json, *header, *regex;
	bool etag, last_modified, sha256;
	int match;
};
struct header_part {
	char *agent_env;
};
struct from_part {
	const struct conf_node *regions, *agents;
};

static const char *const match_words[] = { "exact", "prefix", NULL }; /* as enum match_kind */

#define AT(part, member, kind)        .key = #member, .type = kind, .offset = offsetof(struct part, member)
#define IN(part, member, name_, kind) .key = name_, .type = kind, .offset = offsetof(struct part, member)
#define END                           .key = NULL
/* clang-format off */
static const struct conf_field cdn_fields[] = {
	{ AT(cdn_part, vendor, CONF_STR), .says = "whose purges concern it; default: as seen" },
	{ AT(cdn_part, zone, CONF_STR), .says = "zone or distribution" },
	{ END },
};
#define PROBE_FIELDS(part)                                                                                   \
	{ IN(part, probe.version, "version", CONF_NODE),                                                     \
	  .says = "{json: /pointer}, {header: Name}, {regex: '(...)'}, or etag, last_modified, sha256; match: exact or prefix" }, \
	{ IN(part, probe.headers, "headers", CONF_NODE), .says = "request headers, name: value, or name: {agent_env: NAME}" },           \
	{ IN(part, probe.connection, "connection", CONF_ENUM), .words = connection_words, .dflt = "as_service", \
	  .says = "a fresh connection for each probe (the default), or a kept one" },                        \
	{ IN(part, probe.ip, "ip", CONF_ENUM), .words = ip_words, .dflt = "as_service",                      \
	  .says = "IP version: 4, 6, both (each probed by itself) or any (the default)" },                   \
	{ IN(part, probe.variants, "variants", CONF_NODE),                                                   \
	  .says = "an endpoint for each way to ask: [{name: br, headers: {Accept-Encoding: br}}, ...]" },    \
	{ IN(part, probe.addresses, "addresses", CONF_NODE),                                                 \
	  .says = "dns (the default: as users go), all (every address of the name, each by itself), or a list of addresses" }, \
	{ IN(part, probe.redirects, "redirects", CONF_INT), .min = "-1", .max = "5", .dflt = "-1",           \
	  .says = "redirects to follow on the same host; default none" },                                    \
	{ IN(part, probe.max_body, "max_body", CONF_SIZE), .max = "8MiB", .dflt = "0",                       \
	  .says = "largest answer; default 256KiB" },                                                        \
	{ IN(part, probe.pop_header, "pop_header", CONF_STR), .says = "response header that names the edge" }, \
	{ IN(part, probe.cdn, "cdn", CONF_MAP), .sub = cdn_fields, .says = "what is known of the CDN" }
static const struct conf_field endpoint_fields[] = {
	{ AT(endpoint_part, url, CONF_STR), .required = true, .says = "exactly what is fetched" },
	{ AT(endpoint_part, id, CONF_STR), .says = "its name; default: from path and query" },
	PROBE_FIELDS(endpoint_part),
	{ END },
};
static const struct conf_field from_fields[] = {
	{ AT(from_part, regions, CONF_NODE), .says = "patterns of regions: [eu-*, us-*]" },
	{ AT(from_part, agents, CONF_NODE), .says = "patterns of agents' names" },
	{ END },
};
static const struct conf_field origin_fields[] = {
	{ AT(origin_part, connect_to, CONF_STR), .says = "HOST:PORT of the origin, past the CDN; Host and SNI are kept" },
	{ AT(origin_part, from, CONF_NODE), .says = "which agents go there; default: the service's" },
	{ END },
};
static const struct conf_field burst_fields[] = {
	{ AT(burst_part, interval, CONF_DURATION), .min = "100ms", .max = "1h", .dflt = "1s", .says = "pause between probes around a deploy or purge" },
	{ IN(burst_part, for_us, "for", CONF_DURATION), .min = "0", .max = "24h", .dflt = "15m", .says = "how long at most; 0: no bursts" },
	{ AT(burst_part, max_rate, CONF_RATE), .min = "0.1/s", .dflt = "20/s", .says = "of all agents together" },
	{ END },
};
static const struct conf_field verify_fields[] = {
	{ AT(verify_part, timeout, CONF_DURATION), .min = "1s", .max = "7d", .dflt = "15m", .says = "from live to the verdict at the latest" },
	{ AT(verify_part, require, CONF_SHARE), .dflt = "100%", .says = "share of observed cells that must have converged" },
	{ AT(verify_part, min_coverage, CONF_SHARE), .dflt = "90%", .says = "share of known cells that must have been observed" },
	{ AT(verify_part, min_agents, CONF_INT), .min = "1", .max = "20000", .dflt = "1", .says = "agents that must have reported" },
	{ AT(verify_part, watch, CONF_DURATION), .min = "0", .max = "7d", .dflt = "30m", .says = "a relapse within it fails a verified deploy" },
	{ AT(verify_part, rollout_grace, CONF_DURATION), .min = "0", .max = "1d", .dflt = "5m", .says = "a deploy nobody calls live is assumed live after it" },
	{ AT(verify_part, alert_after, CONF_DURATION), .min = "0", .max = "7d", .dflt = "5m", .says = "a cell not fresh for so long opens an incident; 0: none does" },
	{ AT(verify_part, rollback, CONF_BOOL), .dflt = "off", .says = "trigger a rollback on failure" },
	{ END },
};
static const struct conf_field service_fields[] = {
	{ AT(service_part, name, CONF_STR), .required = true, .says = "what is deployed as one version" },
	{ AT(service_part, environment, CONF_STR), .says = "the service is called name@environment" },
	{ AT(service_part, interval, CONF_DURATION), .min = "100ms", .max = "1h", .dflt = "30s", .says = "pause between two probes of an endpoint" },
	{ AT(service_part, timeout, CONF_DURATION), .min = "100ms", .max = "2m", .dflt = "10s", .says = "of one probe" },
	{ AT(service_part, burst, CONF_MAP), .sub = burst_fields, .says = "more probes around a deploy or purge" },
	{ AT(service_part, from, CONF_NODE), .says = "which agents: {regions: [...], agents: [...]}; default all" },
	{ AT(service_part, endpoints, CONF_NODE), .required = true, .says = "list of endpoints" },
	{ AT(service_part, origin, CONF_MAP), .sub = origin_fields, .says = "probes past the CDN" },
	PROBE_FIELDS(service_part),
	{ AT(service_part, verify, CONF_MAP), .sub = verify_fields, .says = "what a deploy must reach" },
	{ END },
};
static const struct conf_field version_fields[] = {
	{ AT(version_part, json, CONF_STR), .says = "JSON pointer (RFC 6901) into the body" },
	{ AT(version_part, header, CONF_STR), .says = "a response header" },
	{ AT(version_part, regex, CONF_STR), .says = "regular expression over the body; its first group counts" },
	{ AT(version_part, etag, CONF_BOOL), .dflt = "off", .says = "the ETag" },
	{ AT(version_part, last_modified, CONF_BOOL), .dflt = "off", .says = "Last-Modified" },
	{ AT(version_part, sha256, CONF_BOOL), .dflt = "off", .says = "hash of the body" },
	{ AT(version_part, match, CONF_ENUM), .words = match_words, .dflt = "exact", .says = "how it is compared with a deploy's" },
	{ END },
};
static const struct conf_field header_fields[] = {
	{ AT(header_part, agent_env, CONF_STR), .required = true, .says = "variable of the agent's own environment that has the value" },
	{ END },
};
/* clang-format on */

/* -- from -- */

static int patterns_read(struct collector_conf *c, const struct conf_node *list, struct str **ret,
	size_t *ret_n, struct err *err)
{
	size_t n = conf_list_size(list);
	if (list && !conf_is_list(list))
		return conf_error(
			c->file, list, err, ERR_SYNTAX, "want a list of patterns, such as [eu-*, us-*]");
	*ret = conf_mem_new(c, (n + 1) * sizeof(**ret));
	for (size_t i = 0; i < n; i++) {
		const struct conf_node *item = conf_list_at(list, i);
		if (!conf_is_scalar(item) || conf_scalar(item).n == 0 || conf_scalar(item).n > OBS_NAME_MAX)
			return conf_error(c->file, item, err, ERR_SYNTAX, "want a pattern, such as eu-*");
		(*ret)[i] = conf_mem_str(c, conf_scalar(item));
	}
	*ret_n = n;
	return 0;
}

static int from_read(
	struct collector_conf *c, const struct conf_node *map, struct from_conf *ret, struct err *err)
{
	struct from_part part = { 0 };
	if (!map)
		return 0;
	int rc = conf_read(c->file, map, from_fields, &part, err);
	if (rc == 0)
		rc = patterns_read(c, part.regions, &ret->regions, &ret->n_regions, err);
	if (rc == 0)
		rc = patterns_read(c, part.agents, &ret->agents, &ret->n_agents, err);
	if (rc == 0 && ret->n_regions == 0 && ret->n_agents == 0)
		return conf_error(
			c->file, map, err, ERR_NONSENSE, "from names nobody: leave it out for all agents");
	return rc;
}

/* -- version -- */

static int regex_check(
	struct collector_conf *c, const struct conf_node *at, const char *text, struct err *err)
{
	struct pattern *p;
	struct err why;
	if (pattern_new(str_of(text), &p, &why) < 0) /* as the agents read it */
		return conf_error(c->file, at, err, ERR_SYNTAX, "not a regular expression: %s", why.text);
	bool grouped = pattern_has_group(p);
	pattern_free(p);
	if (!grouped)
		return conf_error(c->file, at, err, ERR_NONSENSE, "want a group '( )' around the version");
	return 0;
}

static int version_check(
	struct collector_conf *c, const struct conf_node *at, const struct extract_conf *v, struct err *err)
{
	if (v->arg.n > ASSIGN_TEXT_MAX)
		return conf_error(c->file, at, err, ERR_TOO_BIG, "longer than %d bytes", ASSIGN_TEXT_MAX);
	switch (v->kind) {
	case EXTRACT_JSON:
		if (v->arg.n > 0 && v->arg.p[0] != '/')
			return conf_error(c->file, at, err, ERR_SYNTAX,
				"want a JSON pointer, such as /version, got '%.*s'", STR_ARG(v->arg));
		return 0;
	case EXTRACT_HEADER:
		for (size_t i = 0; i < v->arg.n; i++)
			if (!isgraph((unsigned char)v->arg.p[i]) || v->arg.p[i] == ':')
				return conf_error(c->file, at, err, ERR_SYNTAX,
					"not the name of a header: '%.*s'", STR_ARG(v->arg));
		return v->arg.n > 0 ? 0
				    : conf_error(c->file, at, err, ERR_SYNTAX, "want the name of a header");
	case EXTRACT_REGEX:
		return regex_check(c, at, v->arg.p, err);
	default:
		return 0;
	}
}

static int version_read(
	struct collector_conf *c, const struct conf_node *n, struct extract_conf *ret, struct err *err)
{
	static const char *const words[] = { [EXTRACT_JSON] = "json",
		[EXTRACT_HEADER] = "header",
		[EXTRACT_REGEX] = "regex",
		[EXTRACT_ETAG] = "etag",
		[EXTRACT_LAST_MODIFIED] = "last_modified",
		[EXTRACT_SHA256] = "sha256" };
	struct version_part part = { 0 };
	int n_said = 0;
	if (conf_is_scalar(n)) {
		for (int k = EXTRACT_ETAG; k < EXTRACT_COUNT; k++) {
			if (str_is(conf_scalar(n), words[k])) {
				*ret = (struct extract_conf){ .kind = (enum extract_kind)k };
				return 0;
			}
		}
		return conf_error(c->file, n, err, ERR_SYNTAX,
			"want etag, last_modified, sha256, or {json: /pointer}, {header: Name}, {regex: "
			"'(...)'}");
	}
	int rc = conf_read(c->file, n, version_fields, &part, err);
	if (rc < 0)
		return rc;
	const struct {
		bool said;
		const char *arg;
	} said[EXTRACT_COUNT] = {
		[EXTRACT_JSON] = { part.json != NULL, part.json },
		[EXTRACT_HEADER] = { part.header != NULL, part.header },
		[EXTRACT_REGEX] = { part.regex != NULL, part.regex },
		[EXTRACT_ETAG] = { part.etag, NULL },
		[EXTRACT_LAST_MODIFIED] = { part.last_modified, NULL },
		[EXTRACT_SHA256] = { part.sha256, NULL },
	};
	for (int k = 0; k < EXTRACT_COUNT; k++) {
		if (said[k].said) {
			*ret = (struct extract_conf){ (enum extract_kind)k, str_of(said[k].arg),
				(enum match_kind)part.match };
			n_said++;
		}
	}
	if (n_said != 1)
		return conf_error(c->file, n, err, ERR_NONSENSE,
			"want exactly one of json, header, regex, etag, last_modified, sha256");
	return version_check(c, n, ret, err);
}

/* -- endpoints -- */

/* {agent_env: NAME}: what must not travel, each agent has in its own environment. */
static int header_ref_read(
	struct collector_conf *c, const struct conf_node *n, struct header_part *ret, struct err *err)
{
	int rc = conf_read(c->file, n, header_fields, ret, err);
	if (rc < 0)
		return rc;
	return name_is_variable(str_of(ret->agent_env))
		       ? 0
		       : conf_error(c->file, n, err, ERR_SYNTAX,
				 "want {agent_env: NAME}, a variable of the agents' environment");
}

int headers_read(
	struct collector_conf *c, const struct conf_node *map, struct endpoint_conf *ep, struct err *err)
{
	if (map && !conf_is_map(map))
		return conf_error(c->file, map, err, ERR_SYNTAX, "want a mapping of name: value");
	for (size_t i = 0; map && i < conf_map_size(map); i++) {
		struct str name, value;
		const struct conf_node *n;
		size_t at = 0;
		conf_map_at(map, i, &name, &n);
		struct header_part from = { 0 };
		int rc = conf_is_scalar(n) ? 0 : header_ref_read(c, n, &from, err);
		if (rc < 0)
			return rc;
		value = conf_is_scalar(n) ? conf_scalar(n) : STR_NONE;
		if (name.n == 0 || name.n > OBS_NAME_MAX || value.n > ASSIGN_TEXT_MAX)
			return conf_error(c->file, n, err, ERR_TOO_BIG, "header '%.*s' is empty or too long",
				STR_ARG(name));
		for (size_t k = 0; k < name.n; k++)
			if (!isgraph((unsigned char)name.p[k]) || name.p[k] == ':')
				return conf_error(c->file, n, err, ERR_SYNTAX, "'%.*s' is no header's name",
					STR_ARG(name));
		for (size_t k = 0; k < value.n; k++)
			if (iscntrl((unsigned char)value.p[k]) && value.p[k] != '\t')
				return conf_error(
					c->file, n, err, ERR_SYNTAX, "control characters in a header");
		while (at < ep->n_headers && !str_eq_nocase(ep->headers[at].name, name))
			at++;
		if (at == ASSIGN_HEADERS_MAX)
			return conf_error(
				c->file, n, err, ERR_TOO_BIG, "over %d headers", ASSIGN_HEADERS_MAX);
		ep->headers[at] = (struct assign_header){ name, value, str_of(from.agent_env) };
		ep->n_headers = MAX(ep->n_headers, at + 1);
	}
	return 0;
}

static int url_check(struct collector_conf *c, const struct conf_node *at, struct str url, struct err *err)
{
	struct str rest = url;
	if (url.n > ASSIGN_TEXT_MAX)
		return conf_error(c->file, at, err, ERR_TOO_BIG, "url has %zu bytes, limit is %d", url.n,
			ASSIGN_TEXT_MAX);
	for (size_t i = 0; i < url.n; i++)
		if (!isgraph((unsigned char)url.p[i]))
			return conf_error(c->file, at, err, ERR_SYNTAX,
				"spaces, control characters and non-ASCII must be %%-encoded in a url");
	if (str_starts_nocase(url, "https://"))
		rest = str_from(url, strlen("https://"));
	else if (str_starts_nocase(url, "http://"))
		rest = str_from(url, strlen("http://"));
	else
		return conf_error(
			c->file, at, err, ERR_SYNTAX, "want http:// or https://, got '%.*s'", STR_ARG(url));
	size_t host = 0;
	while (host < rest.n && !strchr("/?#", rest.p[host]))
		host++;
	if (host == 0)
		return conf_error(c->file, at, err, ERR_SYNTAX, "no host in '%.*s'", STR_ARG(url));
	if (str_find(str_first(rest, host), '@') >= 0)
		return conf_error(c->file, at, err, ERR_DENIED, "no user or password in a url: use headers");
	if (str_find(url, '#') >= 0)
		return conf_error(
			c->file, at, err, ERR_SYNTAX, "a fragment (#...) is never sent: leave it out");
	return 0;
}

void endpoint_id_from_url(struct str url, struct buf *out)
{
	ptrdiff_t scheme = str_find(url, ':');
	struct str rest = str_from(url, scheme < 0 ? 0 : (size_t)scheme + 3);
	size_t at = 0, start = out->n;
	while (at < rest.n && rest.p[at] != '/' && rest.p[at] != '?')
		at++;
	for (; at < rest.n; at++) {
		char ch = rest.p[at];
		if (isalnum((unsigned char)ch) || ch == '_')
			buf_add_char(out, ch);
		else if (out->n > start && out->p[out->n - 1] != '-')
			buf_add_char(out, '-');
	}
	while (out->n > start && out->p[out->n - 1] == '-')
		out->p[--out->n] = '\0';
	if (out->n == start)
		buf_add_str(out, STR("root"));
}

static int id_read(struct collector_conf *c, const struct conf_node *at, const struct endpoint_part *part,
	const struct service_conf *s, struct endpoint_conf *ep, struct err *err)
{
	if (part->id) {
		ep->id = str_of(part->id);
		if (!name_is_fine(ep->id))
			return conf_error(
				c->file, at, err, ERR_SYNTAX, "'%s' is no id: want " NAME_RULE, part->id);
	} else {
		struct buf id;
		buf_init(&id, ENDPOINT_ID_MAX);
		endpoint_id_from_url(ep->url, &id);
		bool failed = buf_failed(&id);
		if (!failed)
			ep->id = conf_mem_str(c, buf_str(&id));
		buf_fini(&id);
		if (failed)
			return conf_error(c->file, at, err, ERR_TOO_BIG,
				"this url is too long to be a name: give the endpoint an id");
	}
	for (const struct endpoint_conf *other = s->endpoints; other < ep; other++)
		if (str_eq(other->id, ep->id))
			return conf_error(c->file, at, err, ERR_EXISTS,
				"two endpoints of '%.*s' would be called '%.*s': give each an id of its own",
				STR_ARG(s->name), STR_ARG(ep->id));
	return 0;
}

static const char *said(const char *own, const char *inherited)
{
	return own ? own : inherited;
}

/* `variants: []` has none of the service's. */
static const struct conf_node *variants_of(
	const struct conf_node *endpoint, const struct service_part *service)
{
	const struct conf_node *own = conf_map_get(endpoint, "variants");
	return own ? own : service->probe.variants;
}

/* At s->endpoints[s->n_endpoints], where there is room for all its variants. */
static int endpoint_read(struct collector_conf *c, const struct conf_node *n, struct service_conf *s,
	const struct service_part *service, struct err *err)
{
	struct endpoint_conf *ep = &s->endpoints[s->n_endpoints];
	struct endpoint_part part = { 0 };
	const struct probe_part *outer = &service->probe, *own = &part.probe;
	int rc = conf_read(c->file, n, endpoint_fields, &part, err);
	if (rc < 0)
		return rc;
	ep->url = str_of(part.url);
	rc = url_check(c, conf_map_get(n, "url"), ep->url, err);
	if (rc == 0)
		rc = id_read(c, n, &part, s, ep, err);
	if (rc < 0)
		return rc;
	const struct conf_node *version = own->version ? own->version : outer->version;
	if (!version)
		return conf_error(c->file, n, err, ERR_SYNTAX,
			"nobody says where the version is in the answer: add version, such as {json: "
			"/version}");
	rc = version_read(c, version, &ep->version, err);
	ep->headers = conf_mem_new(c, ASSIGN_HEADERS_MAX * sizeof(*ep->headers));
	if (rc == 0)
		rc = headers_read(c, outer->headers, ep, err);
	if (rc == 0)
		rc = headers_read(c, own->headers, ep, err);
	int connection = own->connection ? own->connection : outer->connection;
	int ip = own->ip ? own->ip : outer->ip;
	int64_t redirects = own->redirects >= 0 ? own->redirects : outer->redirects;
	int64_t max_body = own->max_body > 0 ? own->max_body : outer->max_body;
	ep->fresh_connection = connection != CONNECTION_REUSED;
	ep->ip_version = ip == IP_4 ? 4 : ip == IP_6 ? 6 : 0;
	ep->ip_both = ip == IP_BOTH;
	if (rc == 0)
		rc = addresses_read(c, own->addresses ? own->addresses : outer->addresses, ep, err);
	ep->redirects = redirects > 0 ? (uint32_t)redirects : 0;
	ep->max_body = max_body > 0 ? (uint32_t)max_body : 256 * 1024;
	ep->cdn_vendor = str_of(said(own->cdn.vendor, outer->cdn.vendor));
	ep->cdn_zone = str_of(said(own->cdn.zone, outer->cdn.zone));
	ep->pop_header = str_of(said(own->pop_header, outer->pop_header));
	return rc == 0 ? variants_expand(c, variants_of(n, service), s, err) : rc;
}

/* -- services -- */

static int service_name_read(struct collector_conf *c, const struct conf_node *n,
	const struct service_part *part, struct service_conf *s, struct err *err)
{
	char name[2 * OBS_NAME_MAX];
	if (!name_is_fine(str_of(part->name)))
		return conf_error(c->file, n, err, ERR_SYNTAX, "'%s' is no service's name: want " NAME_RULE,
			part->name);
	if (part->environment && !name_is_fine(str_of(part->environment)))
		return conf_error(c->file, n, err, ERR_SYNTAX,
			"'%s' is no environment's name: want " NAME_RULE, part->environment);
	(void)snprintf(name, sizeof(name), "%s%s%s", part->name, part->environment ? "@" : "",
		part->environment ? part->environment : ""); /* fits: both were measured */
	s->name = conf_mem_str(c, str_of(name));
	for (const struct service_conf *other = c->services; other < s; other++)
		if (str_eq(other->name, s->name))
			return conf_error(c->file, n, err, ERR_EXISTS, "two services are called '%s'", name);
	return 0;
}

static int origin_read(struct collector_conf *c, const struct conf_node *n, const struct service_part *part,
	struct service_conf *s, struct err *err)
{
	const struct conf_node *at = conf_map_get(n, "origin");
	int64_t port;
	if (!at)
		return 0;
	if (!part->origin.connect_to)
		return conf_error(c->file, at, err, ERR_SYNTAX, "want connect_to: HOST:PORT");
	s->has_origin = true;
	s->origin_connect_to = str_of(part->origin.connect_to);
	ptrdiff_t colon = str_rfind(s->origin_connect_to, ':');
	if (colon <= 0 || str_to_i64(str_from(s->origin_connect_to, (size_t)colon + 1), &port, NULL) < 0 ||
		port < 1 || port > 65535)
		return conf_error(c->file, conf_map_get(at, "connect_to"), err, ERR_SYNTAX,
			"want HOST:PORT, got '%s'", part->origin.connect_to);
	s->origin_from = s->from;
	return from_read(c, part->origin.from, &s->origin_from, err);
}

static int service_read(
	struct collector_conf *c, const struct conf_node *n, struct service_conf *s, struct err *err)
{
	struct service_part part = { 0 };
	int rc = conf_read(c->file, n, service_fields, &part, err);
	if (rc == 0)
		rc = service_name_read(c, n, &part, s, err);
	if (rc < 0)
		return rc;
	if (part.verify.rollback)
		return conf_error(c->file, conf_map_get(conf_map_get(n, "verify"), "rollback"), err,
			ERR_UNSUPPORTED, "rollback triggers are not built in, want off");
	s->interval_us = part.interval;
	s->probe_timeout_us = part.timeout;
	s->burst.interval_us = part.burst.interval;
	s->burst.for_us = part.burst.for_us;
	s->burst.max_rate = part.burst.max_rate;
	s->verify.timeout_us = part.verify.timeout;
	s->verify.watch_us = part.verify.watch;
	s->verify.rollout_grace_us = part.verify.rollout_grace;
	s->verify.alert_after_us = part.verify.alert_after;
	s->verify.require = part.verify.require;
	s->verify.min_coverage = part.verify.min_coverage;
	s->verify.min_agents = part.verify.min_agents;
	rc = from_read(c, part.from, &s->from, err);
	if (rc == 0)
		rc = origin_read(c, n, &part, s, err);
	if (rc < 0)
		return rc;
	size_t n_said = conf_list_size(part.endpoints), n_all = 0;
	if (!conf_is_list(part.endpoints) || n_said == 0)
		return conf_error(
			c->file, part.endpoints, err, ERR_SYNTAX, "want a list of endpoints, at least one");
	for (size_t i = 0; i < n_said; i++)
		n_all += variants_count(variants_of(conf_list_at(part.endpoints, i), &part));
	if (n_all > ASSIGN_ENDPOINTS_MAX)
		return conf_error(c->file, part.endpoints, err, ERR_TOO_BIG,
			"%zu endpoints, their variants included: limit is %d", n_all, ASSIGN_ENDPOINTS_MAX);
	s->endpoints = conf_mem_new(c, n_all * sizeof(*s->endpoints));
	for (size_t i = 0; i < n_said && rc == 0; i++)
		rc = endpoint_read(c, conf_list_at(part.endpoints, i), s, &part, err);
	return rc;
}

int services_read(struct collector_conf *c, const struct conf_node *list, struct err *err)
{
	size_t n = conf_list_size(list), n_assigned = 0;
	if (list && !conf_is_list(list))
		return conf_error(c->file, list, err, ERR_SYNTAX, "want a list of services");
	if (n > ASSIGN_SERVICES_MAX)
		return conf_error(
			c->file, list, err, ERR_TOO_BIG, "%zu services, limit is %d", n, ASSIGN_SERVICES_MAX);
	c->services = conf_mem_new(c, (n + 1) * sizeof(*c->services));
	for (size_t i = 0; i < n; i++) {
		struct service_conf *s = &c->services[i];
		int rc = service_read(c, conf_list_at(list, i), s, err);
		if (rc < 0)
			return rc;
		c->n_services++;
		n_assigned += assign_count_all(s);
	}
	if (n_assigned > ASSIGN_ENDPOINTS_MAX)
		return conf_error(c->file, list, err, ERR_TOO_BIG,
			"%zu endpoints, those past the CDN and each address included: one agent takes %d",
			n_assigned, ASSIGN_ENDPOINTS_MAX);
	return 0;
}

void services_describe(struct buf *out)
{
	conf_describe(service_fields, "services[]", out);
	conf_describe(version_fields, "services[].version", out);
	conf_describe(from_fields, "services[].from", out);
	conf_describe(endpoint_fields, "services[].endpoints[]", out);
	variants_describe(out);
}
