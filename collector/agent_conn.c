/* agent_conn.c - one connection of the agents' port: TLS, the greeting, then bytes both ways. Nothing is read from one side while the
 * other has not taken what was read before, so a connection holds 16 KiB each way at most, and none while it is quiet. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "collector/agent_port_impl.h"

#define ROUNDS 16 /* of 16 KiB, before others have their turn */

/* SP's: zero, "SP", version 0, the protocol's number, two reserved. RFC: nanomsg sp-tcp-mapping-01; REQ is 48. */
static const char req_greeting[SP_GREETING_BYTES] = { 0, 'S', 'P', 0, 0, 48, 0, 0 };

void side_watch(struct agent_port *p, struct side *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };
	if (s->fd < 0 || s->events == events)
		return;
	INVARIANT(epoll_ctl(p->epoll, EPOLL_CTL_MOD, s->fd, &e) == 0);
	s->events = events;
}

static void side_close(struct side *s)
{
	if (s->fd >= 0)
		close(s->fd); /* epoll forgets it by that */
	s->fd = -1;
	free(s->rest);
	s->rest = NULL;
	s->n_rest = s->at = 0;
}

static void behind_close(struct agent_port *p, struct agent_conn *c)
{
	if (c->local) {
		pthread_mutex_lock(&p->lock);
		p->by_local[c->local] = NULL;
		pthread_mutex_unlock(&p->lock);
		c->local = 0;
	}
	side_close(&c->behind);
}

/* Out of the way of the phase it was in. */
static void phase_leave(struct agent_port *p, struct agent_conn *c)
{
	p->n_queued -= c->phase == CONN_QUEUED;
	p->n_behind -= c->phase == CONN_BEHIND;
	c->place->greeting -= c->phase <= CONN_BEHIND;
}

void agent_conn_kill(struct agent_port *p, struct agent_conn *c)
{
	if (c->phase == CONN_DEAD)
		return;
	phase_leave(p, c);
	c->phase = CONN_DEAD;
	behind_close(p, c);
	tls_session_free(c->tls);
	c->tls = NULL;
	side_close(&c->agent);
	conn_move(c, &p->dead);
}

static void end(struct agent_port *p, struct agent_conn *c)
{
	if (c->phase >= CONN_ENDING)
		return;
	phase_leave(p, c);
	c->phase = CONN_ENDING;
	c->deadline_us = clock_boot_us() + ENDING_US;
	conn_move(c, &p->ending);
}

void agent_conn_turn_away(struct agent_port *p, struct agent_conn *c, const char *why)
{
	char who[LISTEN_TEXT_MAX];
	address_text((const struct sockaddr *)&c->address, who);
	pthread_mutex_lock(&p->lock);
	p->counts.turned_away++;
	pthread_mutex_unlock(&p->lock);
	if (log_within(&p->said, LOG_STRANGERS_PER_S))
		log_warn("handshake_failed", "from=%s why=\"%s\" turned away", who, why);
	end(p, c);
}

/* -- the two sockets -- */

enum { AGAIN = -1, GONE = -2 }; /* instead of a number of bytes; 0 is the end */

static ssize_t side_recv(struct side *s, void *p, size_t n)
{
	if (s == &s->conn->agent && s->conn->tls) {
		ssize_t got = tls_recv(s->conn->tls, p, n);
		return got == TLS_AGAIN ? AGAIN : got == TLS_FAILED ? GONE : got;
	}
	ssize_t got = recv(s->fd, p, n, 0);
	return got >= 0 ? got : errno == EAGAIN || errno == EINTR ? AGAIN : GONE;
}

static ssize_t side_send(struct side *s, const void *p, size_t n)
{
	if (s == &s->conn->agent && s->conn->tls) {
		ssize_t put = tls_send(s->conn->tls, p, n);
		return put == TLS_AGAIN ? AGAIN : put == TLS_FAILED ? GONE : put;
	}
	ssize_t put = send(s->fd, p, n, MSG_NOSIGNAL);
	return put >= 0 ? put : errno == EAGAIN || errno == EINTR ? AGAIN : GONE;
}

/* What it does not take now is kept, and nothing more is read for it until it is gone. */
static bool side_put(struct side *s, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = side_send(s, p, n);
		if (put == GONE)
			return false;
		if (put == AGAIN) {
			s->rest = mem_new(n);
			memcpy(s->rest, p, n);
			s->n_rest = n;
			return true;
		}
		p += put;
		n -= (size_t)put;
	}
	return true;
}

static bool side_flush(struct side *s)
{
	while (s->n_rest > 0) {
		ssize_t put = side_send(s, s->rest + s->at, s->n_rest);
		if (put == AGAIN)
			return true;
		if (put == GONE)
			return false;
		s->at += (size_t)put;
		s->n_rest -= (size_t)put;
	}
	free(s->rest);
	s->rest = NULL;
	s->at = 0;
	return true;
}

/* -- both ways -- */

/* False: one of them is gone. */
static bool pump(struct agent_port *p, struct side *from, struct side *to)
{
	struct agent_conn *c = from->conn;
	bool pending = false;
	for (int i = 0; (i < ROUNDS || pending) && to->n_rest == 0; i++) {
		ssize_t n = side_recv(from, p->scratch, sizeof(p->scratch));
		if (n == AGAIN)
			return true;
		if (n <= 0 || !side_put(to, p->scratch, (size_t)n))
			return false;
		pending = from == &c->agent && c->tls && tls_pending(c->tls);
	}
	return true;
}

static void watch_both(struct agent_port *p, struct agent_conn *c)
{
	struct side *a = &c->agent, *b = &c->behind;
	side_watch(p, a, (b->n_rest == 0 ? EPOLLIN : 0u) | (a->n_rest > 0 ? EPOLLOUT : 0u));
	side_watch(p, b, (a->n_rest == 0 ? EPOLLIN : 0u) | (b->n_rest > 0 ? EPOLLOUT : 0u));
}

static void step_open(struct agent_port *p, struct agent_conn *c)
{
	if (side_flush(&c->agent) && side_flush(&c->behind) && pump(p, &c->agent, &c->behind) && pump(p, &c->behind, &c->agent))
		watch_both(p, c);
	else
		end(p, c);
}

/* First what is on its way, to both; then our end; then the agent's is waited for: with anything unread in it, a close would take from
 * the agent what it has not read yet, why it was refused among it. */
static void step_ending(struct agent_port *p, struct agent_conn *c)
{
	if (c->behind.fd >= 0 && (!side_flush(&c->behind) || c->behind.n_rest == 0))
		behind_close(p, c);
	else
		side_watch(p, &c->behind, EPOLLOUT);
	if (c->behind.fd < 0 && c->agent.fd < 0)
		agent_conn_kill(p, c);
	if (c->agent.fd < 0)
		return;
	if (!c->shut && !side_flush(&c->agent)) {
		agent_conn_kill(p, c);
		return;
	}
	if (!c->shut && c->agent.n_rest == 0) {
		if (c->tls)
			tls_bye(c->tls);
		(void)shutdown(c->agent.fd, SHUT_WR); /* it may be gone */
		c->shut = true;
	}
	side_watch(p, &c->agent, c->shut ? EPOLLIN : EPOLLOUT);
	for (int i = 0; c->shut && i < ROUNDS; i++) {
		ssize_t n = recv(c->agent.fd, p->scratch, sizeof(p->scratch), 0);
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		side_close(&c->agent);
		if (c->behind.fd < 0)
			agent_conn_kill(p, c);
		return;
	}
}

/* -- coming up -- */

void agent_conn_dial(struct agent_port *p, struct agent_conn *c)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, nng = own;
	socklen_t n = sizeof(own);
	nng.sin_port = htons(p->behind);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.ptr = &c->behind };
	/* bound before it is connected, so that its number is known before nng can ask whose it is */
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 || getsockname(fd, (struct sockaddr *)&own, &n) < 0 ||
		epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		if (log_within(&p->said, LOG_STRANGERS_PER_S))
			log_error("agents_not_served", "err=\"no connection on loopback: %s\" the agent comes again", strerror(errno));
		if (fd >= 0)
			close(fd);
		agent_conn_kill(p, c);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p->n_queued--;
	p->n_behind++;
	c->phase = CONN_BEHIND;
	c->behind.fd = fd;
	c->behind.events = e.events;
	c->local = ntohs(own.sin_port);
	pthread_mutex_lock(&p->lock);
	p->by_local[c->local] = c;
	pthread_mutex_unlock(&p->lock);
	if (connect(fd, (struct sockaddr *)&nng, sizeof(nng)) < 0 && errno != EINPROGRESS) {
		end(p, c);
		return;
	}
	c->behind.rest = mem_new(c->n_head);
	memcpy(c->behind.rest, c->head, c->n_head);
	c->behind.n_rest = c->n_head;
}

/* nng's greeting goes to the agent, and with it the connection is an open one. */
static void step_behind(struct agent_port *p, struct agent_conn *c)
{
	ssize_t n = side_flush(&c->behind) ? side_recv(&c->behind, p->scratch, sizeof(p->scratch)) : GONE;
	if (n == AGAIN) {
		side_watch(p, &c->behind, EPOLLIN | (c->behind.n_rest > 0 ? EPOLLOUT : 0u));
	} else if (n <= 0 || !side_put(&c->agent, p->scratch, (size_t)n)) {
		end(p, c);
	} else {
		phase_leave(p, c);
		c->phase = CONN_OPEN;
		conn_move(c, &p->open);
		step_open(p, c);
	}
}

static void say_what_it_speaks(const struct agent_conn *c, struct err *why)
{
	static const char *const methods[] = { "GET ", "POST", "HEAD", "PUT ", "OPTI", "PRI " };
	struct str head = { c->head, c->n_head };
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (!str_starts(head, methods[i]))
			continue;
		(void)err_set(why, ERR_SYNTAX, "it speaks HTTP: the API is on another port");
		return;
	}
	if (!c->tls && c->head[0] == 0x16 && c->head[1] == 3)
		(void)err_set(why, ERR_SYNTAX, "it speaks TLS, and listen.agents is without");
	else
		(void)err_set(why, ERR_SYNTAX, "it does not greet as an agent does");
}

static void step_sp(struct agent_port *p, struct agent_conn *c)
{
	struct err why = { 0 };
	while (c->n_head < sizeof(c->head)) {
		ssize_t n = side_recv(&c->agent, c->head + c->n_head, sizeof(c->head) - c->n_head);
		if (n == AGAIN) {
			side_watch(p, &c->agent, EPOLLIN);
			return;
		}
		if (n <= 0) { /* whoever only looks whether somebody is there ends here */
			end(p, c);
			return;
		}
		c->spoke = true;
		c->n_head += (size_t)n;
	}
	if (memcmp(c->head, req_greeting, sizeof(c->head)) != 0) {
		say_what_it_speaks(c, &why);
		agent_conn_turn_away(p, c, why.text);
		return;
	}
	c->phase = CONN_QUEUED;
	p->n_queued++;
	side_watch(p, &c->agent, 0);
}

static void step_tls(struct agent_port *p, struct agent_conn *c)
{
	struct err why = { 0 };
	char first;
	if (!c->spoke) {
		ssize_t n = recv(c->agent.fd, &first, 1, MSG_PEEK);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) { /* it only looked whether somebody is there */
			agent_conn_kill(p, c);
			return;
		}
		c->spoke = true;
	}
	if (p->handshakes_left == 0) /* the next turn tells of it again: others are served in between */
		return;
	p->handshakes_left--;
	int rc = tls_handshake(c->tls, &why);
	if (rc == TLS_AGAIN) {
		side_watch(p, &c->agent, tls_wants_write(c->tls) ? EPOLLOUT : EPOLLIN);
	} else if (rc < 0) {
		agent_conn_turn_away(p, c, why.text);
	} else {
		c->phase = CONN_SP;
		step_sp(p, c);
	}
}

void agent_conn_step(struct agent_port *p, struct side *s, uint32_t events)
{
	struct agent_conn *c = s->conn;
	bool gone = events & (EPOLLERR | EPOLLHUP);
	if (c->phase == CONN_QUEUED && gone)
		agent_conn_kill(p, c);
	else if (c->phase == CONN_BEHIND && s == &c->agent && gone)
		end(p, c);
	else if (c->phase == CONN_OPEN && gone && c->agent.n_rest + c->behind.n_rest > 0)
		end(p, c); /* what waits for the other side is not read now, and epoll would tell of it for ever */
	else if (c->phase == CONN_TLS)
		step_tls(p, c);
	else if (c->phase == CONN_SP)
		step_sp(p, c);
	else if (c->phase == CONN_BEHIND && s == &c->behind)
		step_behind(p, c);
	else if (c->phase == CONN_OPEN)
		step_open(p, c);
	if (c->phase == CONN_ENDING)
		step_ending(p, c);
}
