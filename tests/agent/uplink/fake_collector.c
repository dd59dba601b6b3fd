#include "fake_collector.h"

#include <arpa/inet.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/tls/tls.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

#define RETRY_MS 150

struct fake {
	nng_socket socket;
	nng_listener listener;
	nng_tls_config *tls;
	nng_aio *aio;
	char url[128];
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	bool stop;
	enum fake_upload on_upload;
	enum fake_hello on_hello;
	int64_t ahead_us;
	uint64_t generation;
	nng_msg *parked; /* a Watch */
	int64_t parked_us;
	struct fake_counts counts;
	struct fake_seen *seen;
	size_t n_seen;
	int pipes[64]; /* that are connected */
	bool greeted[64];
	uint16_t port;
	struct fake *next_stopped;
};

static struct fake *stopped;

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct fake *f = arg;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < ARRAY_LEN(f->pipes); i++) {
		if (event == NNG_PIPE_EV_ADD_PRE && f->pipes[i] == 0) {
			f->pipes[i] = nng_pipe_id(pipe);
			f->greeted[i] = false;
			f->counts.connections++;
			break;
		}
		if (event == NNG_PIPE_EV_REM_POST && f->pipes[i] == nng_pipe_id(pipe))
			f->pipes[i] = 0;
	}
	pthread_mutex_unlock(&f->lock);
}

/* Answers in the message that asked: its header says to whom. Takes msg. */
static void answer(struct fake *f, nng_msg *msg, const struct wire_msg *m)
{
	struct buf out;
	struct err err;
	buf_init(&out, WIRE_MESSAGE_MAX);
	int rc = wire_encode(m, &out, &err);
	INVARIANT(rc == 0);
	nng_msg_clear(msg);
	INVARIANT(nng_msg_append(msg, out.p, out.n) == 0);
	buf_fini(&out);
	if (nng_sendmsg(f->socket, msg, 0) != 0)
		nng_msg_free(msg);
}

static void deny_for(struct fake *f, nng_msg *msg, enum denial d, uint32_t retry_ms)
{
	struct wire_msg m = { .kind = WIRE_DENIED,
		.denied = { str_of(denial_name(d)), str_of(denial_text(d)), retry_ms } };
	answer(f, msg, &m);
}

static void deny(struct fake *f, nng_msg *msg, enum denial d)
{
	deny_for(f, msg, d, RETRY_MS);
}

static struct wire_clock clock_of(const struct fake *f, int64_t received_us)
{
	return (struct wire_clock){ true, received_us + f->ahead_us, clock_boot_us() + f->ahead_us };
}

static struct assignments assignments_of(uint64_t generation)
{
	static struct assign_endpoint endpoint;
	static struct assign_service service;
	endpoint = (struct assign_endpoint){ .id = STR("v"), .url = STR("http://127.0.0.1/version") };
	service = (struct assign_service){ .name = STR("shop"),
		.endpoints = &endpoint,
		.n_endpoints = 1,
		.interval_ms = 30000,
		.timeout_ms = 1000 };
	return (struct assignments){ .generation = generation, .services = &service, .n_services = 1 };
}

static void answer_watch(struct fake *f, bool unchanged)
{
	struct wire_msg m = { .kind = WIRE_ASSIGNMENTS, .clock = clock_of(f, f->parked_us) };
	m.assignments = assignments_of(f->generation);
	if (unchanged)
		m.assignments = (struct assignments){ .generation = f->generation, .unchanged = true };
	answer(f, f->parked, &m);
	f->parked = NULL;
}

static void on_hello(struct fake *f, nng_msg *msg, const struct wire_hello *h, int64_t now_us)
{
	unsigned char token[HELLO_TOKEN_BYTES] = { 0 };
	struct fake_counts *c = &f->counts;
	c->hellos++;
	c->hello_generation = h->generation;
	c->hello_epoch = h->epoch;
	snprintf(c->hello_agent, sizeof(c->hello_agent), "%.*s", STR_ARG(h->agent));
	snprintf(c->hello_region, sizeof(c->hello_region), "%.*s", STR_ARG(h->region));
	c->token_is_right = h->token.n == sizeof(token) && memcmp(h->token.p, token, sizeof(token)) == 0;
	if (f->on_hello == FAKE_BAD_TOKEN) {
		deny(f, msg, DENIED_BAD_TOKEN);
	} else if (f->on_hello == FAKE_BAD_TOKEN_LONG) {
		deny_for(f, msg, DENIED_BAD_TOKEN, 60000); /* as the real one does */
	} else if (f->on_hello == FAKE_MUTE) {
		nng_msg_free(msg);
	} else {
		struct wire_msg m = { .kind = WIRE_WELCOME,
			.welcome = { PROTOCOL_VERSION, STR("fake 1"), true },
			.clock = clock_of(f, now_us) };
		m.assignments = assignments_of(f->generation);
		m.welcome.has_assignments = h->generation != f->generation;
		answer(f, msg, &m);
	}
}

static void on_upload(struct fake *f, nng_msg *msg, const struct wire_upload *u, int64_t now_us)
{
	struct wire_msg ack = {
		.kind = WIRE_ACK, .ack = { u->epoch, u->number, STR_NONE }, .clock = clock_of(f, now_us)
	};
	struct wire_msg busy = { .kind = WIRE_BUSY, .busy = { RETRY_MS } };
	f->counts.uploads++;
	INVARIANT(f->n_seen < FAKE_SEEN_MAX);
	struct fake_seen *s = &f->seen[f->n_seen++];
	*s = (struct fake_seen){ .epoch = u->epoch,
		.number = u->number,
		.connection = f->counts.connections,
		.body_n = u->body.n,
		.has_offset = u->has_offset,
		.clock_offset_us = u->clock_offset_us,
		.lost_results = u->lost_results,
		.at_boot_us = now_us };
	memcpy(s->body, u->body.p, MIN(u->body.n, sizeof(s->body)));
	switch (f->on_upload) {
	case FAKE_BUSY:
		answer(f, msg, &busy);
		return;
	case FAKE_SILENT:
		nng_msg_free(msg);
		return;
	case FAKE_CONFLICT:
		deny(f, msg, DENIED_IDENTITY_CONFLICT);
		return;
	case FAKE_HELLO_FIRST:
		f->on_upload = FAKE_ACK; /* once */
		deny(f, msg, DENIED_HELLO_FIRST);
		return;
	case FAKE_REPLACED:
		f->on_upload = FAKE_ACK;
		deny(f, msg, DENIED_REPLACED);
		return;
	case FAKE_GARBAGE:
		f->on_upload = FAKE_ACK;
		nng_msg_clear(msg);
		INVARIANT(nng_msg_append(msg, "\xFF\xFF\xFF", 3) == 0);
		if (nng_sendmsg(f->socket, msg, 0) != 0)
			nng_msg_free(msg);
		return;
	case FAKE_ACK_ANOTHER:
		f->on_upload = FAKE_ACK;
		ack.ack.number++;
		break;
	case FAKE_REFUSE:
		ack.ack.refused = STR("column version: row 1 says too much");
		break;
	case FAKE_ACK:
		break;
	}
	answer(f, msg, &ack);
}

/* Has this connection said Hello? Notes that it has, now. */
static bool greet(struct fake *f, nng_msg *msg, bool says_hello)
{
	int pipe = nng_pipe_id(nng_msg_get_pipe(msg));
	for (size_t i = 0; i < ARRAY_LEN(f->pipes); i++)
		if (f->pipes[i] == pipe)
			return f->greeted[i] |= says_hello;
	return true; /* gone again */
}

static void on_message(struct fake *f, nng_msg *msg)
{
	struct wire_msg m;
	struct err err;
	int64_t now_us = clock_boot_us();
	if (wire_decode((struct str){ nng_msg_body(msg), nng_msg_len(msg) }, &m, &err) < 0) {
		fprintf(stderr, "fake collector: %s\n", err.text);
		abort();
	}
	if (!greet(f, msg, m.kind == WIRE_HELLO))
		f->counts.first_not_hello++;
	if (m.kind == WIRE_HELLO) {
		on_hello(f, msg, &m.hello, now_us);
	} else if (m.kind == WIRE_UPLOAD) {
		on_upload(f, msg, &m.upload, now_us);
	} else {
		INVARIANT(m.kind == WIRE_WATCH);
		f->counts.watches++;
		f->counts.watch_generation = m.watch.generation;
		f->counts.held_back = m.watch.shortfall.held_back;
		f->counts.refused = m.watch.shortfall.refused;
		if (m.watch.shortfall.n_refusals)
			snprintf(f->counts.refused_endpoint, sizeof(f->counts.refused_endpoint), "%.*s",
				STR_ARG(m.watch.shortfall.refusals[0].endpoint));
		if (f->parked)
			nng_msg_free(f->parked);
		f->parked = msg;
		f->parked_us = now_us;
		f->counts.leaving += m.watch.leaving;
		if (m.watch.generation != f->generation)
			answer_watch(f, false);
		else if (m.watch.leaving)
			answer_watch(f, true);
	}
	wire_free(&m);
}

static void *fake_main(void *arg)
{
	struct fake *f = arg;
	for (;;) {
		nng_recv_aio(f->socket, f->aio);
		nng_aio_wait(f->aio);
		int rc = nng_aio_result(f->aio);
		pthread_mutex_lock(&f->lock);
		bool stop = f->stop;
		if (rc == 0)
			on_message(f, nng_aio_get_msg(f->aio));
		pthread_mutex_unlock(&f->lock);
		if (stop || rc == NNG_ECLOSED)
			return NULL;
	}
}

struct fake *fake_start(const char *url, const char *cert, const char *key)
{
	struct fake *f = mem_new(sizeof(*f));
	nng_sockaddr at;
	f->seen = mem_new_array(FAKE_SEEN_MAX, sizeof(*f->seen));
	f->generation = 1;
	pthread_mutex_init(&f->lock, NULL);
	INVARIANT(nng_rep0_open_raw(&f->socket) == 0);
	INVARIANT(nng_pipe_notify(f->socket, NNG_PIPE_EV_ADD_PRE, on_pipe, f) == 0);
	INVARIANT(nng_pipe_notify(f->socket, NNG_PIPE_EV_REM_POST, on_pipe, f) == 0);
	INVARIANT(nng_listener_create(&f->listener, f->socket, url) == 0);
	if (cert) {
		INVARIANT(nng_tls_config_alloc(&f->tls, NNG_TLS_MODE_SERVER) == 0);
		INVARIANT(nng_tls_config_own_cert(f->tls, cert, key, NULL) == 0);
		INVARIANT(nng_listener_set_ptr(f->listener, NNG_OPT_TLS_CONFIG, f->tls) == 0);
	}
	INVARIANT(nng_listener_start(f->listener, 0) == 0);
	INVARIANT(nng_listener_get_addr(f->listener, NNG_OPT_LOCADDR, &at) == 0);
	f->port = ntohs(at.s_in.sa_port);
	snprintf(f->url, sizeof(f->url), "%s://127.0.0.1:%u", cert ? "tls+tcp" : "tcp", f->port);
	INVARIANT(nng_aio_alloc(&f->aio, NULL, NULL) == 0);
	INVARIANT(pthread_create(&f->thread, NULL, fake_main, f) == 0);
	return f;
}

static bool has_pipes(struct fake *f)
{
	bool any = false;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < ARRAY_LEN(f->pipes); i++)
		any |= f->pipes[i] != 0;
	pthread_mutex_unlock(&f->lock);
	return any;
}

/* As if the network cut them. nng 1.5.2 hangs now and then when a connection is closed from this side while
 * it receives, so its sockets are shut down behind its back: to it that is the other side closing. */
static void cut_connections(const struct fake *f)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in here, there;
		socklen_t n_here = sizeof(here), n_there = sizeof(there);
		if (getsockname(fd, (struct sockaddr *)&here, &n_here) == 0 && here.sin_family == AF_INET &&
			ntohs(here.sin_port) == f->port &&
			getpeername(fd, (struct sockaddr *)&there, &n_there) == 0)
			shutdown(fd, SHUT_RDWR);
	}
}

void fake_stop(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_mutex_unlock(&f->lock);
	nng_aio_stop(f->aio);
	pthread_join(f->thread, NULL);
	nng_aio_free(f->aio);
	if (f->parked)
		nng_msg_free(f->parked);
	for (int i = 0; i < 5000 && has_pipes(f); i++) {
		cut_connections(f);
		poll(NULL, 0, 1);
	}
	nng_listener_close(f->listener);
	/* the socket stays open, without a listener: closing it is where nng may hang. on_pipe may still be
	 * told of it, so f stays, too, where the leak checker finds it */
	f->next_stopped = stopped;
	stopped = f;
	free(f->seen);
	f->seen = NULL;
}

const char *fake_url(const struct fake *f)
{
	return f->url;
}

void fake_on_upload(struct fake *f, enum fake_upload how)
{
	pthread_mutex_lock(&f->lock);
	f->on_upload = how;
	pthread_mutex_unlock(&f->lock);
}

void fake_on_hello(struct fake *f, enum fake_hello how)
{
	pthread_mutex_lock(&f->lock);
	f->on_hello = how;
	pthread_mutex_unlock(&f->lock);
}

void fake_ahead_us(struct fake *f, int64_t us)
{
	pthread_mutex_lock(&f->lock);
	f->ahead_us = us;
	pthread_mutex_unlock(&f->lock);
}

void fake_assign(struct fake *f, uint64_t generation)
{
	pthread_mutex_lock(&f->lock);
	f->generation = generation;
	if (f->parked)
		answer_watch(f, false);
	pthread_mutex_unlock(&f->lock);
}

void fake_kick(struct fake *f)
{
	cut_connections(f);
}

struct fake_counts fake_counts(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	struct fake_counts c = f->counts;
	pthread_mutex_unlock(&f->lock);
	return c;
}

size_t fake_uploads(struct fake *f, struct fake_seen *ret, size_t room)
{
	pthread_mutex_lock(&f->lock);
	size_t n = MIN(f->n_seen, room);
	memcpy(ret, f->seen, n * sizeof(*ret));
	pthread_mutex_unlock(&f->lock);
	return n;
}
