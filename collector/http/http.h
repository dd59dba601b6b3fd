/* http.h - the collector's HTTP server: API, stream, page, status feeds, metrics. libmicrohttpd on epoll, one thread, with a
 * table of absolute deadlines (MHD's own timeout is inactivity only). */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "collector/hub.h"

/* One list: scopes of bearer tokens. A token may hold several; admin includes deploy, deploy includes read. */
enum http_scope { SCOPE_READ = 1, SCOPE_DEPLOY = 2, SCOPE_ADMIN = 4 };
struct http_token {
	struct str name;
	struct sha256 hash; /* of the token's text */
	unsigned scopes;
};
struct http_options {
	struct str listen;        /* "127.0.0.1:8470", "[::1]:0"; port 0 picks one, see http_port */
	const struct http_token *tokens; /* none: only a loopback listen address is allowed */
	size_t n_tokens;
	bool open_status;         /* status feeds without a token */
	struct str page_title;    /* "name" of the status page */
	const char *tls_cert, *tls_key; /* PEM text, NULL: plain HTTP */
};
struct http;
/* options are copied. */
MUST_USE int http_start(struct hub *h, const struct http_options *options, struct http **ret, struct err *err);
void http_stop(struct http *http); /* answers waiting requests first; NULL is fine */
int http_port(const struct http *http);
/* After a reload: tokens and open_status change at once, the listen address needs a restart. */
void http_set_options(struct http *http, const struct http_options *options);

#endif
