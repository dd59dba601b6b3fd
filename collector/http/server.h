/* server.h - the inside of collector/http, shared by its files only: one request on its way through the
 * server.
 *
 *   mhd thread     server.c takes it in, request.c reads it, route.c finds who answers, auth.c says whether
 * they may mhd thread     routes that answer from memory run here, under hub_read(), rendered into r->out
 * first worker         routes that may block: the connection is suspended, work.c runs the handler, then it
 * is resumed mhd thread     request_send() turns r->status, r->type and r->out into the answer
 *
 * Locks, outermost first: waits or stream, then conns. hub_read() is taken with none of them held. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/log.h"
#include "collector/entry_json.h"
#include "collector/http/http.h"

#define REQUEST_PARAMS_MAX  3
#define REQUEST_QUERY_MAX   16
#define REQUEST_HEADERS_MAX 6
#define REQUEST_BODY_MAX    (1024 * 1024)
#define REQUEST_DRAIN_MAX   (8 * 1024 * 1024)  /* over it, what is too big is not read to its end any more */
#define BODIES_MAX          (64 * 1024 * 1024) /* of all requests together */
#define ANSWER_MAX          (64 * 1024 * 1024)
#define WAIT_MAX_US         (5 * US_PER_MIN)
#define IDEMPOTENCY_KEY_MAX 255

struct request;
struct worker;

/* ---- routes ---- */
enum route_run { RUN_HERE, RUN_JOURNAL, RUN_SQL }; /* in the mhd thread, or in a worker of that pool */
enum route_flags {
	ROUTE_STATUS_FEED = 1, /* open_status opens it */
	ROUTE_BODY = 2,        /* wants a JSON body */
	ROUTE_ANY_HOST = 4,    /* tells nothing about anybody: no check of Host */
};
struct route {
	const char *method;  /* GET answers HEAD too */
	const char *pattern; /* "/api/v1/deploys/{id}": a {param} is one segment, percent-decoded after the
				split */
	unsigned scope;      /* 0: open */
	unsigned flags;
	enum route_run run;
	void (*handle)(struct request *r, struct worker *w); /* w is NULL in the mhd thread */
	const char *query; /* names of the parameters it takes, separated by spaces */
};
extern const struct route routes[];
extern const size_t n_routes;
/* Sets r->route and r->params, or answers 404, 405, OPTIONS. */
void route_find(struct request *r, const char *method);

/* ---- one request ---- */
enum request_phase {
	REQUEST_NEW,
	REQUEST_BODY,
	REQUEST_READY,
	REQUEST_WORKING,
	REQUEST_WAITING,
	REQUEST_DONE
};
struct pair {
	struct str name, value;
};
struct answer_header {
	const char *name;
	char *value; /* owned */
};
struct conn;
struct request {
	uint32_t magic;
	enum request_phase phase;
	struct http *http;
	struct MHD_Connection *connection;
	struct conn *conn;
	int64_t started_us; /* boot clock */
	char *uri;          /* as it was sent */
	char *text;         /* decoded copies, which path, params and query point into */
	bool bad_uri, head, suspended;
	struct str path;
	const struct route *route;
	struct pair params[REQUEST_PARAMS_MAX], query[REQUEST_QUERY_MAX];
	size_t n_params, n_query;
	struct buf body;
	size_t body_seen, body_counted;
	char who[64]; /* name of the token; "" without */
	char idempotency_key[IDEMPOTENCY_KEY_MAX + 1];
	/* the answer */
	int status; /* 0: none yet */
	const char *type;
	const char *static_body; /* instead of out, for what lives as long as the program */
	size_t static_n;
	struct buf out;
	struct answer_header headers[REQUEST_HEADERS_MAX];
	size_t n_headers;
	struct MHD_Response *response; /* instead of all that: a stream */
	/* parked in waits, or queued for a worker */
	struct request *next, *prev;
	int64_t wait_until_us;
	struct str wait_id;
};

struct str request_param(const struct request *r, const char *name); /* {name} of the pattern */
struct str request_query(const struct request *r, const char *name); /* empty when absent */
bool request_has_query(const struct request *r, const char *name);
struct str request_header(const struct request *r, const char *name); /* mhd thread only */
/* Each answers 400 itself and returns false when the text is wrong; absent gives dflt. */
/* true or false, false where it is not said; else it has answered. */
bool request_query_flag(struct request *r, const char *name, bool *ret);
bool request_query_limit(struct request *r, size_t dflt, size_t max, size_t *ret);
bool request_query_time(struct request *r, const char *name, int64_t dflt_us, int64_t *ret_us);
bool request_query_duration(struct request *r, const char *name, int64_t max_us, int64_t *ret_us);
void request_read_uri(struct request *r); /* r->uri to path and query; sets bad_uri */
bool percent_decode(
	char *text, size_t *n, bool plus_is_space); /* in place; false: not %XX, NUL or not UTF-8 */
enum MHD_Result request_send(struct request *r);
void request_add_header(struct request *r, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void request_free(struct request *r);

/* ---- answers ---- */
void answer_json(struct request *r, int status); /* r->out holds it; too big becomes a 500 */
void answer_text(struct request *r, int status, const char *type, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* RFC 9457. code is a word for machines; detail a sentence for people. */
void answer_problem(struct request *r, int status, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The problem that fits an ERR_* of the engine, hub or store. */
void answer_err(struct request *r, const struct err *err);
/* {"items":[...],"next":...} from a rendered array: filters, cursor (the key of the last item) and limit
 * applied. */
void answer_list(struct request *r, struct str array, const char *key);

/* ---- auth.c ---- */
bool auth_check(struct request *r);      /* answers 401 or 403 and returns false */
bool auth_check_host(struct request *r); /* DNS rebinding and CSRF, where no token protects */
bool address_is_loopback(const struct sockaddr *a);
struct settings { /* what a reload may change; read under http->settings_lock */
	struct http_token *tokens;
	size_t n_tokens;
	bool open_status, draft_incidents;
	char *page_title, *page_url;
};
void settings_set(struct settings *s, const struct http_options *o);
void settings_fini(struct settings *s);

/* ---- conn.c: connections and their absolute deadlines ---- */
enum conn_phase { CONN_HEADER, CONN_BODY, CONN_BUSY, CONN_SEND, CONN_STREAM, CONN_IDLE, CONN_PHASE_COUNT };
struct conn {
	uint32_t magic;
	enum conn_phase phase;
	int fd;
	int64_t deadline_us; /* boot clock; INT64_MAX: none */
	bool killed;
	struct sockaddr_storage address;
	struct conn *next, *prev;
};
#define CONNS_CLOSING_MAX 256 /* shut down and not gone yet: on top of limits.connections */
struct conns {
	pthread_mutex_t lock;
	struct conn *list;
	size_t n, n_killed, per_phase[CONN_PHASE_COUNT]; /* n_killed of n: shut down, and not gone yet */
	uint64_t expired[CONN_PHASE_COUNT], refused, accepted, crowded_out;
	struct http_limits limits;
};
void conns_init(struct conns *c, const struct http_limits *limits);
void conns_fini(struct conns *c);
bool conns_may_accept(struct conns *c, const struct sockaddr *address);
struct conn *conns_add(struct conns *c, int fd, const struct sockaddr *address);
void conns_remove(struct conns *c, struct conn *conn);
void conns_phase(struct conns *c, struct conn *conn, enum conn_phase phase);
void conns_kill(struct conns *c, struct conn *conn); /* its thread finds the connection closed */
void conns_expire(struct conns *c, int64_t now_us);
size_t conns_at_work(struct conns *c); /* in body, busy or send */

/* ---- work.c ---- */
struct worker {
	struct http *http;
	pthread_t thread;
	struct pool *pool;
	struct entry_reader *reader;
	struct store *store; /* opened when first asked for */
};
struct pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct request *first, *last;
	size_t n_queued, n_queued_max;
	bool stopping;
	struct worker *workers;
	size_t n_workers;
	uint64_t refused;
};
MUST_USE int pool_start(struct pool *p, struct http *http, size_t n_workers, struct err *err);
void pool_stop(struct pool *p); /* finishes what is queued and takes no more */
void pool_fini(struct pool *p); /* when nobody can submit any more */
/* Suspends the connection and queues; false when the queue is full (then nothing has happened). */
bool pool_submit(struct pool *p, struct request *r);
MUST_USE int worker_store(struct worker *w, struct store **ret, struct err *err);
void worker_drop_store(struct worker *w); /* after an error: opened anew next time */

/* ---- wait.c: ?wait= ---- */
struct waits {
	pthread_mutex_t lock;
	struct request *parked;
	size_t n, n_max;
	uint64_t generation; /* of changes of deploys */
	bool stopping;
};
void waits_init(struct waits *w, size_t n_max);
void waits_fini(struct waits *w);
uint64_t waits_generation(struct waits *w);
enum park { PARKED, PARK_CHANGED, PARK_FULL, PARK_STOPPING };
/* Suspends r unless something changed since generation was read. */
enum park waits_park(struct waits *w, struct request *r, uint64_t generation);
void waits_changed(struct waits *w, const struct change *c, size_t n);
int64_t waits_expire(struct waits *w, int64_t now_us); /* resumes; returns when the next is due */
void waits_stop(struct waits *w);

/* ---- sse.c ---- */
struct reader;
struct event_slot {
	struct out_key key;
	char *service;
	char *text; /* as it goes over the wire */
	size_t n;
};
struct stream {
	pthread_mutex_t lock;
	struct event_slot *ring;
	size_t n_ring, bytes, bytes_max;
	uint64_t first, next;       /* slots [first, next) are there */
	struct out_key floor, head; /* everything after floor is in the ring; head is the last told */
	struct reader *readers;
	size_t n_readers, n_readers_max;
	uint64_t told, dropped, resets;
	int64_t comment_us;
	bool stopping;
	struct conns *conns;
};
void stream_init(struct stream *s, const struct http_limits *l, struct conns *conns, int64_t position);
void stream_fini(struct stream *s);
void stream_tell(struct stream *s, const struct change *c, size_t n);
void stream_tick(struct stream *s, int64_t now_us);
void stream_stop(struct stream *s);
void handle_stream(struct request *r, struct worker *w);

/* ---- idem.c: Idempotency-Key ---- */
#define ID_TEXT_MAX 20 /* "d_" and 16 characters */
enum idem { IDEM_NEW, IDEM_AGAIN, IDEM_REPLAYED, IDEM_CONFLICT, IDEM_RUNNING };
struct idem_table;
struct idem_table *idem_new(void);
void idem_free(struct idem_table *t);
/* id: of what is to be made. IDEM_NEW: the caller makes it and calls idem_end. IDEM_AGAIN: likewise, but an
 * earlier try ended without an answer from the journal; id is that one's now, so that it cannot be made
 * twice. The others have answered r. */
enum idem idem_begin(struct idem_table *t, struct request *r, int64_t now_us, char id[ID_TEXT_MAX]);
void idem_end(struct idem_table *t, struct request *r); /* r is answered */

/* ---- status.c ---- */
struct components;
struct components *components_new(void);
void components_free(struct components *c);
void components_refresh(struct components *c, struct hub *h, int64_t now_us);

/* ---- the server ---- */
#define LATENCY_BUCKETS 8
struct http {
	uint32_t magic;
	struct hub *hub;
	struct MHD_Daemon *daemon;
	bool loopback; /* the listen address */
	bool tls;
	char listen_url[96];
	int port;
	struct http_limits limits;
	pthread_rwlock_t settings_lock;
	struct settings settings;
	struct conns conns;
	struct pool journal, sql;
	struct waits waits;
	struct stream stream;
	struct idem_table *idem;
	struct components *components;
	pthread_t timer;
	pthread_mutex_t timer_lock;
	pthread_cond_t timer_wake;
	bool timer_on, timer_stop;
	atomic_bool stopping;
	atomic_size_t body_bytes;
	struct log_limit denied; /* what the log says of refused requests */
	_Atomic uint64_t *answers; /* [route][class of status 1..5], the last row: no route */
	_Atomic uint64_t latency[LATENCY_BUCKETS + 1], latency_sum_us;
};
extern const int64_t latency_bounds_us[LATENCY_BUCKETS];
void http_wake_timer(struct http *h);
/* Suspends in one breath with marking it, under the lock that whoever resumes takes first. */
void request_suspend(struct request *r);
void request_resume(struct request *r);

/* ---- embedded ---- */
struct asset {
	const char *path; /* "/app.js" */
	const char *type, *etag;
	const unsigned char *start, *end;
};
extern const struct asset assets[]; /* the page; empty without it */
extern const size_t n_assets;
const struct asset *asset_find(struct str path); /* NULL: no such file */
extern const unsigned char openapi_start[], openapi_end[];

#endif
