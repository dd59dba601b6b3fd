#include "agent/target.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define TARGET_MAGIC   0x7a670b01u
#define ACCEPT_DEFAULT "gzip, br"

static bool is_token(struct str s)
{
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
		if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return true;
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	return false;
}

static int header_add(struct target *t, struct str name, struct str value, struct err *err)
{
	/* these say how the message is framed: an endpoint that sets them would talk past the next request */
	static const char *const framing[] = { "content-length", "transfer-encoding", "connection", "upgrade",
		"te", "trailer", "expect" };
	char *line;
	size_t n = name.n + value.n + 4;
	if (!is_token(name) || has_control(value))
		return err_set(err, ERR_SYNTAX, "header '%.*s': its name or value is not one HTTP allows",
			STR_ARG(name));
	for (size_t i = 0; i < ARRAY_LEN(framing); i++)
		if (str_eq_nocase(name, str_of(framing[i])))
			return err_set(err, ERR_DENIED,
				"header '%.*s' cannot be set: the agent frames its own requests",
				STR_ARG(name));
	line = mem_new(n);
	value = str_trim(value);
	/* libcurl's own spelling: "Name:" would leave the header out, "Name;" sends it empty */
	(void)snprintf(line, n, value.n ? "%.*s: %.*s" : "%.*s;%.*s", STR_ARG(name), STR_ARG(value));
	struct curl_slist *more = curl_slist_append(t->headers, line);
	free(line);
	INVARIANT(more != NULL); /* out of memory */
	t->headers = more;
	return 0;
}

static bool names(const struct assign_endpoint *e, const char *name)
{
	for (size_t i = 0; i < e->n_headers; i++)
		if (str_eq_nocase(e->headers[i].name, str_of(name)))
			return true;
	return false;
}

/* The value, or what it stands for here. */
static int header_value(
	const struct assign_header *h, const struct netpolicy *policy, struct str *ret, struct err *err)
{
	char name[OBS_NAME_MAX + 1];
	*ret = h->value;
	if (h->agent_env.n == 0)
		return 0;
	if (!netpolicy_allows_env(policy, h->agent_env))
		return err_set(err, ERR_DENIED, "header '%.*s': %.*s is not among this agent's allow_env",
			STR_ARG(h->name), STR_ARG(h->agent_env));
	(void)snprintf(name, sizeof(name), "%.*s", STR_ARG(h->agent_env)); /* the wire caps it */
	const char *value = getenv(name);
	if (value == NULL || *value == '\0')
		return err_set(err, ERR_NOT_FOUND,
			"header '%.*s': %s is not set in this agent's environment: set it and restart the "
			"agent",
			STR_ARG(h->name), name);
	*ret = str_of(value);
	return 0;
}

static int headers_make(struct target *t, const struct assign_endpoint *e, const struct netpolicy *policy,
	const char *user_agent, struct err *err)
{
	int rc = 0;
	if (e->n_headers > ASSIGN_HEADERS_MAX)
		return err_set(
			err, ERR_TOO_BIG, "%zu headers, limit is %d", e->n_headers, ASSIGN_HEADERS_MAX);
	for (size_t i = 0; rc == 0 && i < e->n_headers; i++) {
		struct str value;
		rc = header_value(&e->headers[i], policy, &value, err);
		if (rc == 0)
			rc = header_add(t, e->headers[i].name, value, err);
	}
	if (rc == 0 && !names(e, "accept-encoding"))
		rc = header_add(t, STR("Accept-Encoding"), STR(ACCEPT_DEFAULT), err);
	if (rc == 0 && !names(e, "user-agent"))
		rc = header_add(t, STR("User-Agent"), str_of(user_agent), err);
	return rc;
}

static void lower(char *z)
{
	for (; *z; z++)
		if (*z >= 'A' && *z <= 'Z')
			*z = (char)(*z + 32);
}

static int url_make(struct target *t, struct str url, const struct netpolicy *policy, struct err *err)
{
	CURLU *u = curl_url();
	char *part = NULL;
	int rc = 0;
	INVARIANT(u != NULL);
	t->url = str_dup(url);
	CURLUcode code = has_control(url) || url.n > ASSIGN_TEXT_MAX
				 ? CURLUE_MALFORMED_INPUT
				 : curl_url_set(u, CURLUPART_URL, t->url, 0);
	if (code == CURLUE_UNSUPPORTED_SCHEME || (code == CURLUE_OK && !str_starts_nocase(url, "http://") &&
							 !str_starts_nocase(url, "https://")))
		rc = err_set(err, ERR_DENIED, "'%s' is neither http:// nor https://", t->url);
	else if (code != CURLUE_OK)
		rc = err_set(err, ERR_SYNTAX, "'%.200s' is no URL: %s", t->url, curl_url_strerror(code));
	if (rc == 0 && curl_url_get(u, CURLUPART_USER, &part, 0) == CURLUE_OK) {
		rc = err_set(err, ERR_DENIED, "credentials in a URL: write them as a header");
		curl_free(part);
	}
	if (rc == 0) {
		INVARIANT(curl_url_get(u, CURLUPART_HOST, &part, 0) == CURLUE_OK);
		t->host = mem_strdup(part);
		lower(t->host);
		curl_free(part);
		INVARIANT(curl_url_get(u, CURLUPART_PORT, &part, CURLU_DEFAULT_PORT) == CURLUE_OK);
		if (str_to_i64(str_of(part), &t->port, NULL) < 0)
			rc = err_set(err, ERR_SYNTAX, "'%.200s': port %s", t->url, part);
		curl_free(part);
		if (!netpolicy_allows_host(policy, str_of(t->host)))
			rc = err_set(
				err, ERR_DENIED, "host %s is not among this agent's allow_hosts", t->host);
	}
	t->parsed = u;
	return rc;
}

/* CONNECT_TO and not RESOLVE: only this is part of what makes a kept connection the right one. */
static void pin(struct target *t, struct str to)
{
	char line[ASSIGN_TEXT_MAX + 8];
	(void)snprintf(line, sizeof(line), "::%.*s", STR_ARG(to));
	t->connect_to = curl_slist_append(NULL, line);
	INVARIANT(t->connect_to != NULL); /* out of memory */
	t->connect_host = str_dup(str_first(to, (size_t)str_rfind(to, ':')));
	lower(t->connect_host);
}

/* The edge that is meant: of the collector's choice, on the URL's port; or found by the agent among the
 * addresses of the name (e->addresses says so), on the port that name is gone to. */
static int address_make(
	struct target *t, const struct assign_endpoint *e, const struct netpolicy *policy, struct err *err)
{
	bool found_here = e->addresses == ADDRESSES_ALL;
	const char *route = found_here ? netpolicy_route(policy, str_of(t->host), t->port) : NULL;
	struct str to = str_of(route), ip = e->address;
	char line[2 * OBS_NAME_MAX];
	if (!host_is_ip(ip) || ip.p[0] == '[')
		return err_set(
			err, ERR_SYNTAX, "address '%.*s': expected an IPv4 or IPv6 address", STR_ARG(ip));
	if (!found_here && !netpolicy_allows_pin(policy, ip))
		return err_set(err, ERR_DENIED,
			"address %.*s is neither among this agent's allow_hosts nor in its allow_networks",
			STR_ARG(ip));
	int n = snprintf(line, sizeof(line), "%s%.*s%s:%.*s", str_find(ip, ':') < 0 ? "" : "[", STR_ARG(ip),
		str_find(ip, ':') < 0 ? "" : "]",
		STR_ARG(route ? str_from(to, (size_t)str_rfind(to, ':') + 1) : STR_NONE));
	pin(t, (struct str){ line, (size_t)n }); /* without a port: the URL's */
	t->pin = str_dup(ip);
	t->ip_version = 0; /* the address says it */
	return 0;
}

/* "host:port" or "[v6]:port", of the collector's; else the agent's own word on where this name leads; else
 * the URL's. */
static int connect_to_make(struct target *t, struct str to, const struct netpolicy *policy, struct err *err)
{
	ptrdiff_t colon = str_rfind(to, ':');
	struct str host = colon < 0 ? to : str_first(to, (size_t)colon);
	struct str port = colon < 0 ? STR_NONE : str_from(to, (size_t)colon + 1);
	const char *route = to.n ? NULL : netpolicy_route(policy, str_of(t->host), t->port);
	int64_t n;
	if (route) {
		pin(t, str_of(route)); /* checked when it was read */
		return 0;
	}
	if (to.n == 0) {
		t->connect_host = mem_strdup(t->host);
		return 0;
	}
	if (to.n > ASSIGN_TEXT_MAX || host.n == 0 || has_control(to) || str_find(to, ' ') >= 0 ||
		str_to_i64(port, &n, NULL) < 0 || n < 1 || n > 65535 ||
		(str_find(host, ':') >= 0 && host.p[0] != '['))
		return err_set(
			err, ERR_SYNTAX, "connect_to '%.*s': expected HOST:PORT or [IPv6]:PORT", STR_ARG(to));
	if (!netpolicy_allows_pin(policy, host))
		return err_set(err, ERR_DENIED,
			"connect_to %.*s is neither among this agent's allow_hosts nor in its allow_networks",
			STR_ARG(to));
	pin(t, to);
	return 0;
}

/* Where the edges of a name are gone to by address, the name is what is spared. */
static void name_make(struct target *t, const struct assign_endpoint *e, const struct netpolicy *policy)
{
	const char *route = netpolicy_route(policy, str_of(t->host), t->port);
	struct str name = str_of(t->host);
	if (route)
		name = str_first(str_of(route), (size_t)str_rfind(str_of(route), ':'));
	bool by_name = t->path == PATH_EDGE && e->connect_to.n == 0 && !host_is_ip(name) &&
		       (t->pin == NULL || e->addresses == ADDRESSES_ALL);
	if (by_name) {
		t->name = str_dup(name);
		lower(t->name);
	}
	t->rate_host = mem_strdup(t->name ? t->name : t->pin ? t->host : t->connect_host);
}

/* The socket goes to the proxy, so an address that is written down is judged here and not when it connects.
 */
static int proxied_check(const struct target *t, const struct netpolicy *policy, struct err *err)
{
	const char *why;
	if (host_is_ip(str_of(t->connect_host)) &&
		!netpolicy_allows_ip(policy, str_of(t->connect_host), &why))
		return err_set(
			err, ERR_DENIED, "%s is %s; allow_networks does not list it", t->connect_host, why);
	if (t->ip_version != 0)
		return err_set(err, ERR_UNSUPPORTED,
			"ip: %d cannot be asked of probe_proxy, which looks names up by itself: list "
			"addresses",
			t->ip_version);
	return 0;
}

int target_new(const struct assign_endpoint *e, uint32_t timeout_ms, const struct netpolicy *policy,
	const char *user_agent, struct target **ret, struct err *err)
{
	struct target *t = mem_new(sizeof(*t));
	int rc;
	t->magic = TARGET_MAGIC;
	t->refs = 1;
	t->path = e->path == PATH_ORIGIN ? PATH_ORIGIN : PATH_EDGE;
	t->fresh = e->fresh_connection;
	t->ip_version = e->ip_version;
	t->redirects = MIN(e->redirects, (uint32_t)TARGET_REDIRECTS_MAX);
	t->max_body = e->max_body ? MIN(e->max_body, (uint32_t)TARGET_BODY_MAX) : TARGET_BODY_DEFAULT;
	t->timeout_ms = timeout_ms ? (int32_t)MIN(MAX(timeout_ms, (uint32_t)TARGET_TIMEOUT_MIN),
					     (uint32_t)TARGET_TIMEOUT_MAX)
				   : TARGET_TIMEOUT_DEFAULT;
	t->pop_header = str_dup(e->pop_header);
	t->pop_vendor = str_dup(e->pop_vendor);
	t->cdn = (struct cdn_options){ str_of(t->pop_header), str_of(t->pop_vendor) };
	rc = url_make(t, e->url, policy, err);
	if (rc == 0 && e->address.n > 0)
		rc = address_make(t, e, policy, err);
	else if (rc == 0)
		rc = connect_to_make(t, e->connect_to, policy, err);
	t->proxied = netpolicy_proxy(policy) != NULL;
	if (rc == 0 && t->proxied)
		rc = proxied_check(t, policy, err);
	if (rc == 0)
		rc = headers_make(t, e, policy, user_agent, err);
	if (rc == 0)
		rc = extractor_new(e->extract, e->extract_arg, &t->extractor, err);
	if (rc < 0) {
		target_unref(t);
		return rc;
	}
	struct str looked_up = str_of(t->proxied ? netpolicy_proxy_host(policy) : t->connect_host);
	t->named = !host_is_ip(looked_up);
	t->lookup_hash = str_hash(looked_up);
	name_make(t, e, policy);
	*ret = t;
	return 0;
}

struct target *target_ref(struct target *t)
{
	INVARIANT(t->magic == TARGET_MAGIC && t->refs > 0);
	t->refs++;
	return t;
}

void target_unref(struct target *t)
{
	if (t == NULL)
		return;
	INVARIANT(t->magic == TARGET_MAGIC && t->refs > 0);
	if (--t->refs > 0)
		return;
	curl_url_cleanup(t->parsed);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->connect_to);
	extractor_free(t->extractor);
	free(t->url);
	free(t->host);
	free(t->connect_host);
	free(t->pin);
	free(t->name);
	free(t->rate_host);
	free(t->pop_header);
	free(t->pop_vendor);
	t->magic = 0;
	free(t);
}

struct place {
	char *scheme, *host, *port;
};

static bool place_read(const char *url, struct place *ret)
{
	CURLU *u = curl_url();
	bool ok;
	*ret = (struct place){ 0 };
	INVARIANT(u != NULL);
	ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
	curl_url_cleanup(u);
	return ok;
}

static void place_fini(struct place *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
}

bool target_may_redirect(const char *from, const char *to)
{
	struct place a, b;
	bool ok = place_read(from, &a), also = place_read(to, &b);
	if (ok && also) {
		bool same = strcmp(a.scheme, b.scheme) == 0 && strcmp(a.port, b.port) == 0;
		bool up = strcmp(a.scheme, "http") == 0 && strcmp(b.scheme, "https") == 0 &&
			  strcmp(a.port, "80") == 0 && strcmp(b.port, "443") == 0;
		ok = str_eq_nocase(str_of(a.host), str_of(b.host)) && (same || up);
	}
	place_fini(&a);
	place_fini(&b);
	return ok && also;
}
