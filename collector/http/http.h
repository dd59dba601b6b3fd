/* http.h - the collector's HTTP server: API, stream, page, status feeds, metrics. libmicrohttpd on epoll, one
 * thread, with a table of absolute deadlines (MHD's own timeout is inactivity only).
 *
 * Threads of this module: mhd (reads, answers from memory), timer (deadlines, waits, keep-alive comments),
 * and two small pools of workers: what may block (the journal, credentials, reload) and what runs SQL. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "collector/hub.h"

/* One list: scopes of bearer tokens. A token may hold several; admin includes deploy, deploy includes read.
 */
enum http_scope { SCOPE_READ = 1, SCOPE_DEPLOY = 2, SCOPE_ADMIN = 4 };
struct http_token {
	struct str name;
	struct sha256 hash; /* of the token's text */
	unsigned scopes;
};
/* What a peer may take of us. 0 means the default in brackets. */
struct http_limits {
	int64_t header_us;    /* from the connection to the end of the first request's header [10 s] */
	int64_t body_us;      /* from there to the end of the body [30 s] */
	int64_t idle_us;      /* from an answer to the end of the next request's header [60 s] */
	int64_t send_us;      /* for taking an answer that is no stream [120 s] */
	int64_t comment_us;   /* pause between two comments on a quiet stream [15 s] */
	int64_t sql_us;       /* for reading a history [5 s] */
	int64_t submit_us;    /* for the journal to take an entry [10 s] */
	unsigned connections; /* in all [1024] */
	unsigned per_address; /* [256] */
	unsigned streams;     /* of these at most so many streams [256]; waits likewise */
	size_t stream_events; /* kept for Last-Event-ID, and how far a reader may lag [8192] */
	size_t stream_bytes;  /* of these events [8 MiB] */
	size_t header_bytes;  /* of one request [32 KiB] */
};
struct http_options {
	struct str listen;               /* "127.0.0.1:8470", "[::1]:0"; port 0 picks one, see http_port */
	const struct http_token *tokens; /* none: only a loopback listen address is allowed */
	size_t n_tokens;
	bool open_status;               /* status feeds without a token */
	struct str page_title;          /* "name" of the status page; empty: "tidemark" */
	struct str page_url;            /* "url" of the status page; empty: the listen address */
	bool draft_incidents;           /* not in the status feeds */
	const char *tls_cert, *tls_key; /* PEM text, NULL: plain HTTP */
	struct http_limits limits;
};
struct http;
/* options are copied. */
MUST_USE int http_start(
	struct hub *h, const struct http_options *options, struct http **ret, struct err *err);
void http_stop(struct http *http); /* answers waiting requests first; NULL is fine */
int http_port(const struct http *http);
/* After a reload: tokens, open_status, page_title, page_url and the certificate change at once; the rest needs a restart.
 * Without any token on an address that is not loopback, everything that needs a scope is refused. */
void http_set_options(struct http *http, const struct http_options *options);

#endif
