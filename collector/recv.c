/* recv.c - see recv.h */
#include <arpa/inet.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/agent_port.h"
#include "collector/clockmap.h"
#include "collector/recv.h"
#include "collector/socket_close.h"
#include "proto/batch.h"

#define UPLOAD_MAGIC   0x75706c64
#define RECV_BUFFER    64   /* messages between nng's threads and ours; each may have a mebibyte */
#define SEND_BUFFER    256  /* answers are small */
#define BEHIND_URL     "tcp://127.0.0.1:0" /* the agents' port stands in front of it */
#define BUSY_QUEUE_MS  500  /* the queue is full: soon again */
#define BUSY_STORE_MS  2000 /* the disk refuses: not so soon */
#define BUSY_DRAIN_MS  5000
#define DEAD_EVERY_US  (5 * US_PER_S)
#define CLOSE_WAIT_US  US_PER_S

struct recv {
	struct recv_options o;
	nng_socket socket;
	nng_listener listener;
	char address[300];
	pthread_t threads[RECV_THREADS];
	size_t n_threads;
	struct tls_server *tls; /* NULL: plain */
	_Atomic(struct agent_port *) port; /* nng is there first */
	atomic_bool draining;
	atomic_uint_fast64_t refused, busy, denied;
	struct log_limit log_limit;
	int64_t next_dead_us;
};

struct upload { /* one batch on its way through the writer */
	struct work work;
	uint32_t magic;
	struct recv *recv;
	nng_msg *msg;
	struct wire_msg wire; /* the sealed bytes are its */
	int64_t received_us;
};

struct receiver { /* a thread's own */
	struct recv *recv;
	struct batch_decoder *decoder;
};

static const uint32_t retry_ms[DENIAL_COUNT] = {
	[DENIED_HELLO_FIRST] = 100,
	[DENIED_BAD_TOKEN] = 60000,
	[DENIED_UNKNOWN_AGENT] = 60000,
	[DENIED_REVOKED] = 600000,
	[DENIED_REPLACED] = 60000, /* two of one name: let them not chase each other */
	[DENIED_IDENTITY_CONFLICT] = 60000,
	[DENIED_PROTOCOL] = 600000,
	[DENIED_MALFORMED] = 10000,
};

/* -- answers -- */

/* Turns the request into its answer: the header, which says where it goes, stays. Sending hands over to the
 * pipe's queue and never waits for the peer; to one who has left it succeeds, and goes nowhere. */
static void answer(struct recv *r, nng_msg *msg, const struct wire_msg *m)
{
	struct buf out;
	struct err err = { 0 };
	buf_init(&out, WIRE_MESSAGE_MAX);
	int rc = wire_encode(m, &out, &err);
	if (rc < 0) {
		static const struct wire_msg later = { .kind = WIRE_BUSY, .busy = { 60000 } };
		log_error(
			"answer_too_big", "err=\"%s\" told the agent to come later; give it less", err.text);
		buf_clear(&out);
		rc = wire_encode(&later, &out, &err);
		INVARIANT(rc == 0);
	}
	nng_msg_clear(msg);
	if (nng_msg_append(msg, out.p, out.n) != 0 || nng_sendmsg(r->socket, msg, 0) != 0)
		nng_msg_free(msg); /* closing: the agent asks again */
	buf_fini(&out);
}

static void answer_denied(struct recv *r, nng_msg *msg, enum denial d)
{
	struct wire_msg m = { .kind = WIRE_DENIED,
		.denied = { str_of(denial_name(d)), str_of(denial_text(d)), retry_ms[d] } };
	atomic_fetch_add(&r->denied, 1);
	answer(r, msg, &m);
}

void recv_deny(struct recv *r, void *msg, enum denial why)
{
	if (msg)
		answer_denied(r, msg, why);
}

static void answer_busy(struct recv *r, nng_msg *msg, uint32_t ms)
{
	struct wire_msg m = { .kind = WIRE_BUSY, .busy = { ms } };
	atomic_fetch_add(&r->busy, 1);
	answer(r, msg, &m);
}

static struct wire_clock clock_of(int64_t received_us)
{
	return (struct wire_clock){ true, received_us, clock_wall_us() };
}

static void answer_ack(
	struct recv *r, nng_msg *msg, const struct wire_upload *u, int64_t received_us, struct str refused)
{
	struct wire_msg m = { .kind = WIRE_ACK, .ack = { u->epoch, u->number, refused } };
	m.clock = clock_of(received_us);
	answer(r, msg, &m);
}

static void answer_assignments(
	struct recv *r, nng_msg *msg, const struct assignments *a, bool changed, int64_t received_us)
{
	struct wire_msg m = { .kind = WIRE_ASSIGNMENTS };
	if (changed)
		m.assignments = *a;
	else
		m.assignments = (struct assignments){ .generation = a->generation, .unchanged = true };
	m.clock = clock_of(received_us);
	answer(r, msg, &m);
}

/* Anybody can make us refuse things as fast as they like; the log does not have to repeat all of it. */
static bool may_log(struct recv *r)
{
	return log_within(&r->log_limit, LOG_STRANGERS_PER_S);
}

/* Where the agent is that speaks on this connection. False: it is none of our port's. */
static bool peer_of(struct recv *r, nng_pipe p, char ret[LISTEN_TEXT_MAX])
{
	nng_sockaddr a;
	struct agent_port *port = atomic_load(&r->port);
	(void)snprintf(ret, LISTEN_TEXT_MAX, "?");
	return port && nng_pipe_get_addr(p, NNG_OPT_REMADDR, &a) == 0 && a.s_family == NNG_AF_INET &&
	       agent_port_peer(port, ntohs(a.s_in.sa_port), ret);
}

/* -- messages -- */

static void handle_hello(
	struct recv *r, nng_msg *msg, uint32_t pipe, const struct wire_hello *h, int64_t received_us)
{
	struct fleet_agent agent;
	struct collector_conf *conf;
	struct assign_out out;
	void *replaced;
	char from[LISTEN_TEXT_MAX];
	(void)peer_of(r, nng_msg_get_pipe(msg), from);
	enum denial d = fleet_hello(r->o.fleet, pipe, h, received_us, clock_boot_us(), &agent, &replaced);
	recv_deny(r, replaced, DENIED_REPLACED);
	if (d != DENIAL_COUNT) {
		if (may_log(r))
			log_warn("agent_denied", "agent=\"%.*s\" reason=%s from=%s retry_ms=%" PRIu32,
				STR_ARG(h->agent), denial_name(d), from, retry_ms[d]);
		answer_denied(r, msg, d);
		return;
	}
	r->o.fleet_changed(r->o.ctx);
	r->o.assign(r->o.ctx, &agent, &out, &conf);
	struct wire_msg m = { .kind = WIRE_WELCOME,
		.welcome = { PROTOCOL_VERSION, STR("tidemark-collector " TIDEMARK_VERSION),
			h->generation != out.a.generation } };
	if (m.welcome.has_assignments)
		m.assignments = out.a;
	m.clock = clock_of(received_us);
	answer(r, msg, &m);
	log_info("agent_connected", "agent=%.*s region=%.*s from=%s software=\"%.*s\" pipe=%" PRIu32,
		STR_ARG(agent.name), STR_ARG(agent.region), from, STR_ARG(h->software), pipe);
	assign_out_fini(&out);
	collector_conf_unref(conf);
}

/* Takes p->msg. Between deciding that there is nothing to tell and parking, things may change: then again. */
static void tell_or_park(struct recv *r, const struct fleet_parked *p)
{
	enum fleet_parking how;
	do {
		struct collector_conf *conf;
		struct assign_out out;
		enum denial why = DENIAL_COUNT;
		void *old = NULL;
		uint64_t pushes = fleet_pushes(r->o.fleet);
		r->o.assign(r->o.ctx, &p->agent, &out, &conf);
		if (p->generation != out.a.generation) {
			how = PARKING_HELD;
			answer_assignments(r, p->msg, &out.a, true, p->received_us);
		} else {
			how = fleet_park(r->o.fleet, p, pushes, &old, &why);
		}
		if (how == PARKING_DENIED)
			answer_denied(r, p->msg, why);
		else if (how == PARKING_GONE)
			nng_msg_free(p->msg);
		if (old)
			nng_msg_free(old); /* the agent gave that Watch up */
		assign_out_fini(&out);
		collector_conf_unref(conf);
	} while (how == PARKING_STALE);
}

static void handle_watch(struct recv *r, nng_msg *msg, uint32_t pipe, const struct fleet_agent *agent,
	const struct wire_msg *m, int64_t received_us)
{
	uint64_t generation = m->watch.generation;
	if (fleet_watch(r->o.fleet, pipe, m->watch.leaving, &m->watch.shortfall))
		r->o.fleet_changed(r->o.ctx);
	if (m->watch.leaving) {
		struct assignments same = { .generation = generation };
		log_info("agent_leaving", "agent=%.*s it stops in order", STR_ARG(agent->name));
		answer_assignments(r, msg, &same, false, received_us);
		return;
	}
	struct fleet_parked p = { pipe, *agent, msg, generation, received_us,
		clock_boot_us() + WATCH_PARK_MS * US_PER_MS };
	tell_or_park(r, &p);
}

static void upload_free(struct upload *up)
{
	wire_free(&up->wire);
	free(up->work.batch);
	free(up);
}

static void upload_done(struct work *w, int rc, bool duplicate, const struct err *err)
{
	struct upload *up = (struct upload *)w;
	INVARIANT(up->magic == UPLOAD_MAGIC);
	struct recv *r = up->recv;
	if (rc == 0)
		answer_ack(r, up->msg, &up->wire.upload, up->received_us, STR_NONE);
	else if (rc == ERR_EXISTS)
		answer_denied(r, up->msg, DENIED_IDENTITY_CONFLICT);
	else
		answer_busy(r, up->msg, BUSY_STORE_MS);
	upload_free(up);
}

/* Takes *m; the batch is copied out of the decoder. */
static struct upload *upload_new(struct recv *r, nng_msg *msg, const struct wire_msg *m,
	const struct batch *batch, const struct fleet_agent *agent, const struct clockmap *map,
	int64_t received_us)
{
	struct upload *up = mem_new(sizeof(*up));
	const struct wire_upload *u = &m->upload;
	up->magic = UPLOAD_MAGIC;
	up->recv = r;
	up->msg = msg;
	up->wire = *m;
	up->received_us = received_us;
	up->work.kind = WORK_ENTRY;
	up->work.done = upload_done;
	up->work.n_results = (uint32_t)batch->n_obs;
	up->work.batch = batch_copy(batch, &up->work.batch_bytes);
	up->work.entry = (struct entry){ .kind = ENTRY_BATCH,
		.service = up->work.batch->service,
		.bytes = u->body,
		.agent = agent->name,
		.region = agent->region,
		.epoch = u->epoch,
		.number = u->number,
		.raw_size = u->raw_size,
		.clock_offset_us = map->offset_us,
		.clock_uncertainty_us = map->uncertainty_us };
	return up;
}

/* What is wrong for good is acknowledged as refused: kept by its agent it would come again for ever. */
static void refuse_upload(struct recv *r, nng_msg *msg, const struct wire_upload *u,
	const struct fleet_agent *agent, int64_t received_us, const char *why)
{
	atomic_fetch_add(&r->refused, 1);
	if (may_log(r))
		log_warn("batch_refused", "agent=%.*s number=%" PRIu64 " err=\"%s\" dropped for good",
			STR_ARG(agent->name), u->number, why);
	answer_ack(r, msg, u, received_us, str_of(why));
}

/* Takes *m. */
static void handle_upload(struct receiver *rx, nng_msg *msg, uint32_t pipe, struct wire_msg *m,
	const struct fleet_agent *agent, int64_t received_us)
{
	struct recv *r = rx->recv;
	const struct wire_upload *u = &m->upload;
	struct clockmap map;
	struct batch batch;
	struct err err = { 0 };
	if (atomic_load(&r->draining)) {
		answer_busy(r, msg, BUSY_DRAIN_MS);
		goto out;
	}
	int rc = u->number <= INT64_MAX
			 ? 0
			 : err_set(&err, ERR_NONSENSE, "number %" PRIu64 " is out of range", u->number);
	if (rc == 0)
		rc = batch_unseal(rx->decoder, u->body, u->raw_size, &batch, &err);
	if (rc == 0 && (batch.service.n == 0 || batch.service.n > OBS_NAME_MAX))
		rc = err_set(&err, ERR_NONSENSE, "a batch without a service");
	if (rc < 0) {
		refuse_upload(r, msg, u, agent, received_us, err.text);
		goto out;
	}
	clockmap_of(u, &batch, received_us, &map);
	if (fleet_upload(r->o.fleet, pipe, u, map.suspect))
		r->o.fleet_changed(r->o.ctx);
	struct upload *up = upload_new(r, msg, m, &batch, agent, &map, received_us);
	rc = writer_push(r->o.writer, &up->work, &err);
	if (rc == 0)
		return;
	upload_free(up);
	answer_busy(r, msg, rc == ERR_BUSY ? BUSY_QUEUE_MS : BUSY_STORE_MS);
	return;
out:
	wire_free(m);
}

static void handle_message(struct receiver *rx, nng_msg *msg)
{
	struct recv *r = rx->recv;
	int64_t received_us = clock_wall_us();
	uint32_t pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(msg));
	struct str bytes = { nng_msg_body(msg), nng_msg_len(msg) };
	struct fleet_agent agent;
	struct wire_msg m;
	struct err err = { 0 };
	enum denial d = DENIED_MALFORMED;
	int rc = wire_decode(bytes, &m, &err);
	if (rc == 0 && m.kind == WIRE_HELLO) {
		handle_hello(r, msg, pipe, &m.hello, received_us);
		wire_free(&m);
		return;
	}
	if (rc == 0 && (m.kind == WIRE_UPLOAD || m.kind == WIRE_WATCH))
		d = fleet_message(r->o.fleet, pipe, clock_boot_us(), &agent);
	if (d == DENIAL_COUNT && m.kind == WIRE_UPLOAD) {
		handle_upload(rx, msg, pipe, &m, &agent, received_us);
		return;
	}
	if (d == DENIAL_COUNT) {
		handle_watch(r, msg, pipe, &agent, &m, received_us);
	} else {
		char from[LISTEN_TEXT_MAX];
		(void)peer_of(r, nng_msg_get_pipe(msg), from);
		atomic_fetch_add(&r->refused, d == DENIED_MALFORMED);
		if (may_log(r))
			log_warn("message_denied", "from=%s pipe=%" PRIu32 " bytes=%zu reason=%s err=\"%s\"", from, pipe,
				bytes.n, denial_name(d), rc < 0 ? err.text : "");
		answer_denied(r, msg, d);
	}
	if (rc == 0)
		wire_free(&m);
}

static void *receiver_main(void *arg)
{
	struct receiver rx = { .recv = arg, .decoder = batch_decoder_new() };
	for (;;) {
		nng_msg *msg;
		int rc = nng_recvmsg(rx.recv->socket, &msg, 0);
		if (rc == NNG_ECLOSED)
			break;
		if (rc == 0)
			handle_message(&rx, msg);
		else if (may_log(rx.recv))
			log_warn("recv_failed", "err=\"%s\" going on", nng_strerror(rc));
	}
	batch_decoder_free(rx.decoder);
	return NULL;
}

/* -- pipes -- */

/* ADD_PRE and not _POST: messages may be there before _POST is told. Must not wait, nor close anything but this one. Who on this
 * machine dials nng itself would go around TLS and its limits. */
static void pipe_added(nng_pipe p, nng_pipe_ev ev, void *arg)
{
	struct recv *r = arg;
	char from[LISTEN_TEXT_MAX];
	(void)ev;
	if (!peer_of(r, p, from)) {
		(void)nng_pipe_close(p);
		return;
	}
	fleet_pipe_added(r->o.fleet, (uint32_t)nng_pipe_id(p), clock_boot_us());
}

static void pipe_gone(nng_pipe p, nng_pipe_ev ev, void *arg)
{
	struct recv *r = arg;
	(void)ev;
	nng_msg *parked = fleet_pipe_gone(r->o.fleet, (uint32_t)nng_pipe_id(p));
	if (parked)
		nng_msg_free(parked);
	r->o.fleet_changed(r->o.ctx);
}

void recv_push(struct recv *r)
{
	struct fleet_parked *list;
	size_t n = fleet_take_parked(r->o.fleet, &list);
	for (size_t i = 0; i < n; i++)
		tell_or_park(r, &list[i]);
	free(list);
}

int64_t recv_tick(struct recv *r)
{
	struct fleet_parked p;
	int64_t now_us = clock_boot_us();
	while (fleet_take_due(r->o.fleet, now_us, &p)) {
		struct assignments same = { .generation = p.generation };
		answer_assignments(r, p.msg, &same, false, p.received_us);
	}
	if (now_us >= r->next_dead_us) {
		uint32_t pipe;
		void *parked;
		while (fleet_take_dead(r->o.fleet, now_us, &pipe, &parked)) {
			if (parked)
				nng_msg_free(parked);
			log_info("pipe_silent", "pipe=%" PRIu32 " closed", pipe);
			(void)nng_pipe_close(
				(nng_pipe){ .id = pipe }); /* it may have closed by itself meanwhile */
			r->o.fleet_changed(r->o.ctx);
		}
		r->next_dead_us = now_us + DEAD_EVERY_US;
	}
	return MIN(fleet_next_deadline(r->o.fleet), r->next_dead_us);
}

/* -- coming up and going down -- */

static int nng_failed(int rc, const char *what, const char *address, struct err *err)
{
	return rc == 0 ? 0 : err_set(err, ERR_NET, "%s %s: %s", what, address, nng_strerror(rc));
}

static int tls_set(struct recv *r, const struct collector_conf *c, struct err *err)
{
	struct tls_server_pem pem = { c->tls.cert, c->tls.key, c->tls.ca, c->tls.require_agent_cert };
	return r->tls ? tls_server_set(r->tls, &pem, err) : tls_server_new(&pem, &r->tls, err);
}

int recv_set_tls(struct recv *r, const struct collector_conf *c, struct err *err)
{
	return r->tls ? tls_set(r, c, err) : 0; /* whether there is TLS at all stands in listen.agents, which wants a restart */
}

static int port_start(struct recv *r, int behind, struct err *err)
{
	const struct collector_conf *c = r->o.conf;
	struct str url = str_of(c->listen_agents);
	struct agent_port *port = NULL;
	struct agent_port_options o = { .behind = (uint16_t)behind };
	bool is_tls = str_starts(url, "tls+tcp://");
	int rc = is_tls ? tls_set(r, c, err) : 0;
	o.tls = r->tls;
	o.listen = str_from(url, (size_t)str_rfind(url, '/') + 1);
	if (rc == 0)
		rc = agent_port_start(&o, &port, err);
	if (rc < 0)
		return rc;
	atomic_store(&r->port, port);
	struct str base = str_first(url, (size_t)str_rfind(url, ':'));
	(void)snprintf(r->address, sizeof(r->address), "%.*s:%d", STR_ARG(base), agent_port_number(port)); /* for people; cut if absurd */
	return 0;
}

static int listen_start(struct recv *r, struct err *err)
{
	const char *url = BEHIND_URL;
	int port = 0;
	int rc = nng_failed(nng_rep0_open_raw(&r->socket), "socket for", url, err);
	if (rc < 0)
		return rc;
	/* Without buffers each message and each answer is a switch between two threads, there and back. */
	rc = nng_failed(nng_socket_set_int(r->socket, NNG_OPT_RECVBUF, RECV_BUFFER), "buffer for", url, err);
	if (rc == 0)
		rc = nng_failed(
			nng_socket_set_int(r->socket, NNG_OPT_SENDBUF, SEND_BUFFER), "buffer for", url, err);
	if (rc == 0)
		rc = nng_failed(nng_pipe_notify(r->socket, NNG_PIPE_EV_ADD_PRE, pipe_added, r), "socket for",
			url, err);
	if (rc == 0)
		rc = nng_failed(nng_pipe_notify(r->socket, NNG_PIPE_EV_REM_POST, pipe_gone, r), "socket for",
			url, err);
	if (rc == 0)
		rc = nng_failed(
			nng_listener_create(&r->listener, r->socket, url), "cannot listen on", url, err);
	/* its default is no limit at all; the header with the request's number comes on top of the Envelope
	 */
	if (rc == 0)
		rc = nng_failed(nng_listener_set_size(r->listener, NNG_OPT_RECVMAXSZ, WIRE_MESSAGE_MAX + 64),
			"limit for", url, err);
	if (rc == 0)
		rc = nng_failed(nng_listener_start(r->listener, 0), "cannot listen on", url, err);
	if (rc == 0)
		rc = nng_failed(nng_listener_get_int(r->listener, NNG_OPT_TCP_BOUND_PORT, &port), "port of",
			url, err);
	return rc == 0 ? port_start(r, port, err) : rc;
}

int recv_start(const struct recv_options *o, struct recv **ret, struct err *err)
{
	struct recv *r = mem_new(sizeof(*r));
	r->o = *o;
	r->socket = (nng_socket)NNG_SOCKET_INITIALIZER;
	int rc = listen_start(r, err);
	r->o.conf = NULL;
	if (rc < 0) {
		recv_stop(r);
		return rc;
	}
	for (; r->n_threads < RECV_THREADS; r->n_threads++)
		INVARIANT(pthread_create(&r->threads[r->n_threads], NULL, receiver_main, r) == 0);
	*ret = r;
	return 0;
}

const char *recv_address(const struct recv *r)
{
	return r->address;
}

void recv_drain(struct recv *r)
{
	atomic_store(&r->draining, true);
}

/* nng calls back under its own lock, so once it was told otherwise none of ours runs any more. */
static void close_socket(struct recv *r)
{
	(void)nng_pipe_notify(r->socket, NNG_PIPE_EV_ADD_PRE, NULL, NULL);
	(void)nng_pipe_notify(r->socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
	struct socket_close *c = socket_close_begin(r->socket);
	for (size_t i = 0; i < r->n_threads; i++)
		INVARIANT(pthread_join(r->threads[i], NULL) == 0);
	(void)socket_close_end(c, CLOSE_WAIT_US); /* nothing of ours is its any more */
}

void recv_stop(struct recv *r)
{
	if (!r)
		return;
	if (nng_socket_id(r->socket) > 0)
		close_socket(r);
	agent_port_stop(r->port);
	tls_server_free(r->tls);
	free(r);
}

void recv_counts(struct recv *r, struct recv_counts *ret)
{
	*ret = (struct recv_counts){ atomic_load(&r->refused), atomic_load(&r->busy), atomic_load(&r->denied), { 0 } };
	agent_port_counts(r->port, &ret->port);
}
