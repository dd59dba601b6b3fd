/* server.c - libmicrohttpd's callbacks, the timer, start and stop. */
#include "collector/http/certificate.h"
#include "collector/http/server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/listen.h"
#include "base/log.h"

#define HTTP_MAGIC    0x477e9b01
#define REQUEST_MAGIC 0x7e900e57
#define TICK_MAX_US   (500 * US_PER_MS)
#define TICK_MIN_US   (10 * US_PER_MS)
#define STATUS_US     US_PER_S /* pause between two looks at the components' status */
#define STOP_US       (5 * US_PER_S)

const int64_t latency_bounds_us[LATENCY_BUCKETS] = { 1000, 5000, 25000, 100000, 500000, 2500000, 10000000,
	60000000 };

void request_suspend(struct request *r)
{
	r->suspended = true;
	MHD_suspend_connection(r->connection);
}

void request_resume(struct request *r)
{
	INVARIANT(r->suspended);
	r->suspended = false;
	MHD_resume_connection(r->connection); /* from here on r is the mhd thread's again */
}

/* ---- one request, in the mhd thread ---- */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct request *r = mem_new(sizeof(*r));
	*r = (struct request){
		.magic = REQUEST_MAGIC,
		.http = OBJ_CAST(struct http, cls, HTTP_MAGIC),
		.connection = connection,
		.started_us = clock_boot_us(),
		.uri = mem_strdup(uri),
	};
	buf_init(&r->body, REQUEST_BODY_MAX);
	buf_init(&r->out, ANSWER_MAX);
	request_read_uri(r);
	return r;
}

static bool type_is_json(struct str type)
{
	struct str first;
	(void)str_cut(&type, ';', &first);
	first = str_trim(first);
	return str_eq_nocase(first, STR("application/json")) ||
	       (str_starts_nocase(first, "application/") && first.n > 5 &&
		       str_eq_nocase(str_from(first, first.n - 5), STR("+json")));
}

/* What can be said once the header is there: all refusals but those about the body. */
static void check_header(struct request *r, const char *method)
{
	route_find(r, method);
	if (r->status || !auth_check(r))
		return;
	if (r->route->flags & ROUTE_BODY) {
		struct str key = request_header(r, "Idempotency-Key");
		if (!type_is_json(request_header(r, "Content-Type")))
			answer_problem(r, 415, "not_json", "send the body as Content-Type: application/json");
		else if (key.n > IDEMPOTENCY_KEY_MAX)
			answer_problem(r, 400, "bad_header", "Idempotency-Key: at most %d bytes",
				IDEMPOTENCY_KEY_MAX);
		else
			snprintf(r->idempotency_key, sizeof(r->idempotency_key), "%.*s", STR_ARG(key));
	}
}

static void answer_body_too_big(struct request *r)
{
	answer_problem(r, 413, "body_too_big", "a body has at most %d KiB", REQUEST_BODY_MAX >> 10);
}

/* An answer that stands before the body came is held back until the client has sent it, as far as that is
 * bearable: one that is cut off while writing often does not read why. */
static enum MHD_Result begin(struct request *r, const char *method)
{
	int64_t length = -1;
	struct str text = request_header(r, "Content-Length");
	if (text.n && str_to_i64(text, &length, NULL) < 0)
		length = INT64_MAX;
	r->conn = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	conns_phase(&r->http->conns, r->conn, CONN_BODY);
	check_header(r, method);
	if (r->status == 0 && length > REQUEST_BODY_MAX)
		answer_body_too_big(r);
	if (r->status && (length > REQUEST_DRAIN_MAX || request_header(r, "Expect").n))
		return request_send(r);
	r->phase = REQUEST_BODY;
	return MHD_YES;
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t *n)
{
	struct http *h = r->http;
	r->body_seen += *n;
	if (r->body_seen > REQUEST_DRAIN_MAX)
		return MHD_NO; /* closes */
	if (r->status == 0 && r->body_seen > REQUEST_BODY_MAX)
		answer_body_too_big(r);
	if (r->status == 0) {
		if (atomic_fetch_add(&h->body_bytes, *n) + *n > BODIES_MAX) {
			atomic_fetch_sub(&h->body_bytes, *n);
			answer_problem(r, 503, "busy", "too many large requests at once");
		} else {
			r->body_counted += *n;
			buf_add(&r->body, data, *n);
		}
	}
	*n = 0;
	return MHD_YES;
}

static enum MHD_Result run(struct request *r)
{
	struct http *h = r->http;
	if (r->status == 0 && r->route->run == RUN_HERE) {
		r->route->handle(r, NULL);
	} else if (r->status == 0) {
		struct pool *p = r->route->run == RUN_SQL ? &h->sql : &h->journal;
		if (!pool_submit(p, r))
			answer_problem(r, 503, "busy", "too many requests of this kind are waiting already");
	}
	if (r->phase == REQUEST_WORKING || (r->phase == REQUEST_WAITING && r->status == 0))
		return MHD_YES; /* suspended */
	return request_send(r);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *n_data, void **con_cls)
{
	struct request *r = OBJ_CAST(struct request, *con_cls, REQUEST_MAGIC);
	(void)cls, (void)connection, (void)url, (void)version;
	switch (r->phase) {
	case REQUEST_NEW:
		return begin(r, method);
	case REQUEST_BODY:
		if (*n_data)
			return take_body(r, data, n_data);
		r->phase = REQUEST_READY;
		conns_phase(&r->http->conns, r->conn, CONN_BUSY);
		return run(r);
	case REQUEST_WAITING:
		return run(r);
	case REQUEST_WORKING:
		return request_send(r);
	case REQUEST_READY:
	case REQUEST_DONE:
		break;
	}
	INVARIANT(!"libmicrohttpd comes back to a request that was answered");
	return MHD_NO;
}

static void on_completed(
	void *cls, struct MHD_Connection *connection, void **con_cls, enum MHD_RequestTerminationCode toe)
{
	struct http *h = OBJ_CAST(struct http, cls, HTTP_MAGIC);
	struct request *r = *con_cls;
	(void)connection, (void)toe;
	if (r == NULL)
		return;
	if (r->conn)
		conns_phase(&h->conns, r->conn, CONN_IDLE);
	request_free(r);
	*con_cls = NULL;
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t n)
{
	struct http *h = OBJ_CAST(struct http, cls, HTTP_MAGIC);
	(void)n;
	return conns_may_accept(&h->conns, address) ? MHD_YES : MHD_NO;
}

static void on_connection(
	void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode toe)
{
	struct http *h = OBJ_CAST(struct http, cls, HTTP_MAGIC);
	if (toe == MHD_CONNECTION_NOTIFY_STARTED) {
		int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		*context = conns_add(&h->conns, fd,
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
	} else if (*context) {
		conns_remove(&h->conns, *context);
		*context = NULL;
	}
}

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
{
	char text[512];
	(void)cls;
	vsnprintf(text, sizeof(text), fmt, ap);
	log_debug("http_library", "says=\"%.*s\"", (int)strcspn(text, "\n"), text);
}

/* ---- the timer ---- */

void http_wake_timer(struct http *h)
{
	pthread_mutex_lock(&h->timer_lock);
	pthread_cond_signal(&h->timer_wake);
	pthread_mutex_unlock(&h->timer_lock);
}

static int64_t tick_us(const struct http_limits *l)
{
	int64_t least = MIN(MIN(l->header_us, l->body_us), MIN(l->idle_us, l->send_us));
	return MAX(TICK_MIN_US, MIN(TICK_MAX_US, MIN(least, l->comment_us) / 8));
}

static void sleep_until_signal(struct http *h, int64_t us)
{
	struct timespec ts = clock_deadline(us);
	pthread_mutex_lock(&h->timer_lock);
	if (!h->timer_stop)
		pthread_cond_timedwait(&h->timer_wake, &h->timer_lock, &ts);
	pthread_mutex_unlock(&h->timer_lock);
}

static bool timer_stopped(struct http *h)
{
	pthread_mutex_lock(&h->timer_lock);
	bool stop = h->timer_stop;
	pthread_mutex_unlock(&h->timer_lock);
	return stop;
}

static void *timer_run(void *arg)
{
	struct http *h = OBJ_CAST(struct http, arg, HTTP_MAGIC);
	int64_t tick = tick_us(&h->limits), status_due_us = 0;
	while (!timer_stopped(h)) {
		int64_t now_us = clock_boot_us();
		conns_expire(&h->conns, now_us);
		stream_tick(&h->stream, now_us);
		int64_t wait_due_us = waits_expire(&h->waits, now_us);
		if (now_us >= status_due_us) {
			components_refresh(h->components, h->hub, clock_wall_us());
			status_due_us = now_us + STATUS_US;
		}
		int64_t pause_us = wait_due_us == INT64_MAX ? tick : MIN(tick, wait_due_us - now_us);
		sleep_until_signal(h, MAX(pause_us, US_PER_MS));
	}
	return NULL;
}

static int timer_start(struct http *h, struct err *err)
{
	pthread_condattr_t attr;
	pthread_mutex_init(&h->timer_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->timer_wake, &attr);
	pthread_condattr_destroy(&attr);
	int rc = pthread_create(&h->timer, NULL, timer_run, h);
	if (rc != 0)
		return err_set(err, ERR_IO, "no thread for HTTP deadlines: %s", strerror(rc));
	h->timer_on = true;
	return 0;
}

static void timer_end(struct http *h)
{
	if (!h->timer_on)
		return;
	pthread_mutex_lock(&h->timer_lock);
	h->timer_stop = true;
	pthread_cond_signal(&h->timer_wake);
	pthread_mutex_unlock(&h->timer_lock);
	pthread_join(h->timer, NULL);
	h->timer_on = false;
}

/* ---- start and stop ---- */

static void on_changes(void *ctx, const struct change *c, size_t n)
{
	struct http *h = OBJ_CAST(struct http, ctx, HTTP_MAGIC);
	stream_tell(&h->stream, c, n);
	waits_changed(&h->waits, c, n);
}

static struct http_limits limits_with_defaults(const struct http_limits *l)
{
	struct http_limits r = *l;
	r.header_us = r.header_us ? r.header_us : 10 * US_PER_S;
	r.body_us = r.body_us ? r.body_us : 30 * US_PER_S;
	r.idle_us = r.idle_us ? r.idle_us : US_PER_MIN;
	r.send_us = r.send_us ? r.send_us : 2 * US_PER_MIN;
	r.comment_us = r.comment_us ? r.comment_us : 15 * US_PER_S;
	r.sql_us = r.sql_us ? r.sql_us : 5 * US_PER_S;
	r.submit_us = r.submit_us ? r.submit_us : 10 * US_PER_S;
	r.connections = r.connections ? r.connections : 1024;
	r.per_address = r.per_address ? r.per_address : 256;
	r.streams = r.streams ? r.streams : 256;
	r.stream_events = r.stream_events ? r.stream_events : 8192;
	r.stream_bytes = r.stream_bytes ? r.stream_bytes : 8 * 1024 * 1024;
	r.header_bytes = r.header_bytes ? r.header_bytes : 32 * 1024;
	return r;
}

static void note_address(struct http *h, int fd, const char *scheme)
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof(a);
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "0";
	int64_t number = 0;
	if (getsockname(fd, (struct sockaddr *)&a, &n) == 0)
		(void)getnameinfo((struct sockaddr *)&a, n, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV);
	INVARIANT(str_to_i64(str_of(port), &number, NULL) == 0); /* numeric, by NI_NUMERICSERV */
	h->port = (int)number;
	h->loopback = address_is_loopback((struct sockaddr *)&a);
	snprintf(h->listen_url, sizeof(h->listen_url),
		a.ss_family == AF_INET6 ? "%s://[%.60s]:%d" : "%s://%.60s:%d", scheme, host, h->port);
}

static int daemon_start(struct http *h, const struct http_options *o, int fd, struct err *err)
{
	unsigned flags =
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, certificate_callback() },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1" },
		{ MHD_OPTION_END, 0, NULL },
	};
	if (o->tls_cert) {
		flags |= MHD_USE_TLS;
	} else {
		tls[0].option = MHD_OPTION_END;
	}
	/* The library counts idle seconds only; our table has the deadlines, so its own is the last resort.
	 */
	h->daemon = MHD_start_daemon(flags, 0, on_accept, h, on_request, h, MHD_OPTION_EXTERNAL_LOGGER,
		on_mhd_log, h, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, h->limits.header_bytes, MHD_OPTION_CONNECTION_LIMIT,
		h->limits.connections + CONNS_CLOSING_MAX + 1, MHD_OPTION_CONNECTION_TIMEOUT, 150u, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (h->daemon == NULL)
		return err_set(err, ERR_IO, "the HTTP server does not start");
	return 0;
}

static int check_options(struct http *h, const struct http_options *o, struct err *err)
{
	if (!h->loopback && o->n_tokens == 0)
		return err_set(err, ERR_DENIED,
			"without any token the API listens on loopback only, not on %.*s: configure a token, "
			"or 127.0.0.1",
			STR_ARG(o->listen));
	if (!o->tls_cert != !o->tls_key)
		return err_set(err, ERR_NONSENSE, "TLS needs both a certificate and a key");
	if (o->tls_cert && (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES ||
				   MHD_is_feature_supported(MHD_FEATURE_HTTPS_CERT_CALLBACK) != MHD_YES))
		return err_set(err, ERR_UNSUPPORTED, "this libmicrohttpd was built without TLS, or with too little of it");
	h->tls = o->tls_cert != NULL;
	return o->tls_cert ? certificate_set(o->tls_cert, o->tls_key, err) : 0;
}

int http_start(struct hub *hub, const struct http_options *o, struct http **ret, struct err *err)
{
	struct addrinfo *a = NULL;
	int fd = -1, rc = listen_resolve(o->listen, &a, err);
	if (rc < 0)
		return rc;
	INVARIANT(a != NULL);
	struct http *h = mem_new(sizeof(*h));
	h->magic = HTTP_MAGIC;
	h->hub = hub;
	h->limits = limits_with_defaults(&o->limits);
	h->loopback = address_is_loopback(a->ai_addr);
	pthread_rwlock_init(&h->settings_lock, NULL);
	settings_set(&h->settings, o);
	conns_init(&h->conns, &h->limits);
	waits_init(&h->waits, h->limits.streams);
	int64_t position = engine_position(hub_read(hub));
	hub_read_done(hub);
	stream_init(&h->stream, &h->limits, &h->conns, position);
	h->idem = idem_new();
	h->components = components_new();
	h->answers = mem_new_array((n_routes + 1) * 6, sizeof(*h->answers));
	rc = check_options(h, o, err);
	if (rc == 0)
		rc = listen_open(o->listen, a, &fd, err);
	freeaddrinfo(a);
	if (rc == 0)
		note_address(h, fd, o->tls_cert ? "https" : "http");
	if (rc == 0)
		rc = pool_start(&h->journal, h, 4, err);
	if (rc == 0)
		rc = pool_start(&h->sql, h, 2, err);
	if (rc == 0)
		rc = timer_start(h, err);
	bool given = rc == 0; /* the library closes it, also where it does not start */
	if (rc == 0)
		rc = daemon_start(h, o, fd, err);
	if (rc == 0)
		hub_listen(hub, on_changes, h);
	if (rc < 0) {
		if (!given && fd >= 0)
			close(fd);
		http_stop(h);
		return rc;
	}
	*ret = h;
	return 0;
}

/* Everything suspended must be running again before the library stops, and should get its answer out. */
static void wait_for_answers(struct http *h)
{
	int64_t until_us = clock_boot_us() + STOP_US;
	struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	while (conns_at_work(&h->conns) > 0 && clock_boot_us() < until_us)
		nanosleep(&pause, NULL);
}

void http_stop(struct http *http)
{
	if (http == NULL)
		return;
	struct http *h = OBJ_CAST(struct http, http, HTTP_MAGIC);
	atomic_store(&h->stopping, true);
	hub_listen(h->hub, NULL, NULL);
	int fd = h->daemon ? MHD_quiesce_daemon(h->daemon) : -1;
	waits_stop(&h->waits);
	pool_stop(&h->journal);
	pool_stop(&h->sql);
	stream_stop(&h->stream);
	if (h->daemon) {
		wait_for_answers(h);
		MHD_stop_daemon(h->daemon);
	}
	if (fd >= 0)
		close(fd);
	timer_end(h);
	pool_fini(&h->journal);
	pool_fini(&h->sql);
	stream_fini(&h->stream);
	waits_fini(&h->waits);
	conns_fini(&h->conns);
	certificate_clear();
	settings_fini(&h->settings);
	pthread_rwlock_destroy(&h->settings_lock);
	idem_free(h->idem);
	components_free(h->components);
	free(h->answers);
	free(h);
}

int http_port(const struct http *http)
{
	return http->port;
}

void http_set_options(struct http *http, const struct http_options *options)
{
	struct http *h = OBJ_CAST(struct http, http, HTTP_MAGIC);
	struct settings fresh, old;
	settings_set(&fresh, options);
	pthread_rwlock_wrlock(&h->settings_lock);
	old = h->settings;
	h->settings = fresh;
	pthread_rwlock_unlock(&h->settings_lock);
	settings_fini(&old);
	struct err err;
	if (!h->tls || !options->tls_cert || !options->tls_key)
		return; /* on or off is for a restart */
	if (certificate_set(options->tls_cert, options->tls_key, &err) < 0)
		log_error("certificate_refused", "err=\"%s\" the one before stays", err.text);
}
