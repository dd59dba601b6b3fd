/* auth.c - who may do what. Bearer tokens (RFC 6750) with scopes, compared as hashes in constant time.
 * Without any token the server is for this machine only, and then a browser on it is the danger: a page from
 * elsewhere may aim its requests at us (CSRF), or name our address as its own (DNS rebinding). Host and
 * Origin tell. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "collector/http/server.h"

void settings_set(struct settings *s, const struct http_options *o)
{
	*s = (struct settings){
		.n_tokens = o->n_tokens,
		.open_status = o->open_status,
		.draft_incidents = o->draft_incidents,
		.page_title = str_dup(o->page_title.n ? o->page_title : STR("tidemark")),
		.page_url = str_dup(o->page_url),
	};
	s->tokens = mem_new_array(o->n_tokens, sizeof(*s->tokens));
	for (size_t i = 0; i < o->n_tokens; i++) {
		s->tokens[i] = o->tokens[i];
		s->tokens[i].name = (struct str){ str_dup(o->tokens[i].name), o->tokens[i].name.n };
	}
}

void settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n_tokens; i++)
		free((char *)(uintptr_t)s->tokens[i].name.p);
	free(s->tokens);
	free(s->page_title);
	free(s->page_url);
	*s = (struct settings){ 0 };
}

bool address_is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
	if (a->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
	return false;
}

static unsigned scopes_held(unsigned scopes)
{
	if (scopes & SCOPE_ADMIN)
		scopes |= SCOPE_DEPLOY;
	if (scopes & SCOPE_DEPLOY)
		scopes |= SCOPE_READ;
	return scopes;
}

static const char *scope_name(unsigned scope)
{
	return scope == SCOPE_ADMIN ? "admin" : scope == SCOPE_DEPLOY ? "deploy" : "read";
}

/* Looks at every token, whichever fits. The settings lock is held. */
static const struct http_token *token_find(const struct settings *s, struct str text)
{
	struct sha256 hash = sha256_of(text);
	const struct http_token *found = NULL;
	for (size_t i = 0; i < s->n_tokens; i++)
		if (bytes_eq_constant_time(hash.b, s->tokens[i].hash.b, sizeof(hash.b)))
			found = &s->tokens[i];
	return found;
}

/* Anybody can be refused as often as they like; the log does not have to repeat all of it. */
static void log_denied(struct request *r, const char *why)
{
	char from[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr *a = (const struct sockaddr *)&r->conn->address;
	if (!log_within(&r->http->denied, LOG_STRANGERS_PER_S))
		return;
	if (a->sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, from, sizeof(from));
	else if (a->sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, from, sizeof(from));
	log_warn("request_denied", "from=%s token=%s method=%s route=%s why=\"%s\"", from, r->who[0] ? r->who : "none",
		r->route->method, r->route->pattern, why);
}

static bool answer_401(struct request *r, const char *error, const char *detail)
{
	request_add_header(r, "WWW-Authenticate", "Bearer realm=\"tidemark\", scope=\"%s\"%s",
		scope_name(r->route->scope), error);
	answer_problem(r, 401, "unauthorized", "%s", detail);
	log_denied(r, detail);
	return false;
}

static bool check_token(struct request *r, const struct settings *s)
{
	struct str header = request_header(r, "Authorization");
	if (header.n == 0)
		return answer_401(r, "", "send Authorization: Bearer and a token");
	if (!str_starts_nocase(header, "Bearer "))
		return answer_401(r, "", "the Authorization header is not of the Bearer scheme");
	const struct http_token *t = token_find(s, str_trim(str_from(header, strlen("Bearer "))));
	if (t == NULL)
		return answer_401(r, ", error=\"invalid_token\"", "this token is not known here");
	snprintf(r->who, sizeof(r->who), "%.*s", STR_ARG(t->name));
	if ((scopes_held(t->scopes) & r->route->scope) == r->route->scope)
		return true;
	request_add_header(r, "WWW-Authenticate",
		"Bearer realm=\"tidemark\", scope=\"%s\", error=\"insufficient_scope\"",
		scope_name(r->route->scope));
	answer_problem(
		r, 403, "insufficient_scope", "this needs a token of scope %s", scope_name(r->route->scope));
	log_denied(r, "its scope does not reach");
	return false;
}

bool auth_check(struct request *r)
{
	struct http *h = r->http;
	bool ok = true;
	if (r->route->scope == 0)
		return true;
	pthread_rwlock_rdlock(&h->settings_lock);
	const struct settings *s = &h->settings;
	if (s->open_status && (r->route->flags & ROUTE_STATUS_FEED)) {
		/* anybody's, also from other pages: that is what status feeds are for */
		request_add_header(r, "Access-Control-Allow-Origin", "*");
	} else if (s->n_tokens > 0) {
		ok = check_token(r, s);
	} else if (!h->loopback) {
		answer_problem(r, 403, "no_token_configured",
			"no token is configured, and this address is not of this machine only");
		ok = false;
	} else {
		ok = auth_check_host(r);
	}
	pthread_rwlock_unlock(&h->settings_lock);
	return ok;
}

/* Is the name in a Host header one that only this machine answers to? */
static bool host_is_local(struct str host)
{
	char text[64];
	struct in_addr v4;
	struct in6_addr v6;
	if (str_starts(host, "[")) {
		ptrdiff_t end = str_find(host, ']');
		if (end < 0)
			return false;
		snprintf(text, sizeof(text), "%.*s", (int)end - 1, host.p + 1);
		return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
	}
	ptrdiff_t colon = str_find(host, ':');
	if (colon >= 0)
		host = str_first(host, (size_t)colon);
	if (str_eq_nocase(host, STR("localhost")))
		return true;
	snprintf(text, sizeof(text), "%.*s", STR_ARG(host));
	return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

bool auth_check_host(struct request *r)
{
	struct str host = request_header(r, "Host"), origin = request_header(r, "Origin");
	if (host.n && !host_is_local(host)) {
		answer_problem(r, 421, "foreign_host",
			"without tokens this server answers to localhost, 127.0.0.1 and [::1] only, not to "
			"'%.*s'",
			STR_ARG(str_first(host, 128)));
		log_denied(r, "a foreign Host, and no token is configured");
		return false;
	}
	if (strcmp(r->route->method, "GET") == 0)
		return true; /* other pages may send it, but not read what comes back */
	struct str site = request_header(r, "Sec-Fetch-Site");
	if (origin.n) {
		ptrdiff_t at = str_find(origin, '/');
		struct str from = at >= 0 ? str_from(origin, (size_t)at + 2) : STR_NONE;
		if (from.n && host.n && str_eq_nocase(from, host))
			return true;
	} else if (site.n == 0 || str_is(site, "same-origin") || str_is(site, "none")) {
		return true;
	}
	answer_problem(r, 403, "foreign_origin", "a page of another origin may not write here");
	log_denied(r, "a page of another origin");
	return false;
}
