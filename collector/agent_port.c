/* agent_port.c - see agent_port.h: who may have a place, for how long, and the thread that all of it happens on. */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "collector/agent_port_impl.h"

#define EVENTS              128
#define ACCEPTS_PER_TURN    64
#define HANDSHAKES_PER_TURN 16 /* each may take a millisecond or more */
#define LISTEN_PAUSE_US     (US_PER_S / 5)
#define STOP_US             US_PER_S
#define FILES_OF_OTHERS     512 /* the store, HTTP and nng's own */
#define FILES_PER_AGENT     3   /* its socket, ours to nng, nng's */

/* -- lists -- */

static void list_remove(struct conn_list *l, struct agent_conn *c)
{
	*(c->prev ? &c->prev->next : &l->first) = c->next;
	*(c->next ? &c->next->prev : &l->last) = c->prev;
	l->n--;
}

void conn_move(struct agent_conn *c, struct conn_list *to)
{
	if (c->list)
		list_remove(c->list, c);
	c->list = to;
	c->next = NULL;
	c->prev = to->last;
	*(to->last ? &to->last->next : &to->first) = c;
	to->last = c;
	to->n++;
}

/* -- places -- */

/* IPv6's lower half is its owner's to choose, so it makes no other address. */
static struct place *place_of(struct agent_port *p, const struct sockaddr *a)
{
	uint64_t key[2] = { 0 };
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;
	if (a->sa_family == AF_INET)
		memcpy(&key[1], &v4->sin_addr, sizeof(v4->sin_addr));
	else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		memcpy(&key[1], &v6->sin6_addr.s6_addr[12], 4);
	else
		memcpy(&key[0], &v6->sin6_addr, sizeof(key[0]));
	struct place **at = &p->places[str_hash((struct str){ (const char *)key, sizeof(key) }) % PLACE_BUCKETS], *found = *at;
	while (found && memcmp(found->key, key, sizeof(key)) != 0)
		found = found->next;
	if (!found) {
		found = mem_new(sizeof(*found));
		memcpy(found->key, key, sizeof(key));
		found->next = *at;
		*at = found;
	}
	return found;
}

static void place_drop_if_empty(struct agent_port *p, struct place *place)
{
	if (place->n > 0)
		return;
	struct place **at = &p->places[str_hash((struct str){ (const char *)place->key, sizeof(place->key) }) % PLACE_BUCKETS];
	while (*at != place)
		at = &(*at)->next;
	*at = place->next;
	free(place);
}

static size_t n_of(const struct agent_port *p)
{
	return p->greeting.n + p->open.n + p->ending.n;
}

/* The address that greets most often at once gives its oldest, if it has more of them than the newcomer's. */
static bool make_room(struct agent_port *p, const struct place *newcomer)
{
	const struct place *most = newcomer;
	struct agent_conn *c;
	for (c = p->greeting.first; c; c = c->next)
		if (c->place->greeting > most->greeting)
			most = c->place;
	if (most->greeting <= newcomer->greeting + 1)
		return false;
	for (c = p->greeting.first; c->place != most; c = c->next)
		;
	agent_conn_kill(p, c);
	return true;
}

static bool may_come(struct agent_port *p, const struct place *place)
{
	bool full = p->greeting.n >= p->limits.greeting || n_of(p) >= p->limits.connections;
	bool made = full && place->n < p->limits.per_address && make_room(p, place);
	bool may = place->n < p->limits.per_address && (!full || made);
	pthread_mutex_lock(&p->lock);
	p->counts.accepted += may;
	p->counts.refused += !may;
	p->counts.crowded_out += made;
	pthread_mutex_unlock(&p->lock);
	return may;
}

/* -- coming and going -- */

static void conn_add(struct agent_port *p, int fd, const struct sockaddr_storage *a)
{
	struct place *place = place_of(p, (const struct sockaddr *)a);
	int one = 1;
	if (!may_come(p, place)) {
		place_drop_if_empty(p, place);
		close(fd);
		return;
	}
	struct agent_conn *c = mem_new(sizeof(*c));
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &c->agent };
	c->agent = (struct side){ .conn = c, .fd = fd, .events = EPOLLIN };
	c->behind = (struct side){ .conn = c, .fd = -1 };
	c->address = *a;
	c->place = place;
	place->n++;
	place->greeting++;
	c->deadline_us = clock_boot_us() + p->limits.greeting_us;
	conn_move(c, &p->greeting);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	c->phase = p->tls ? CONN_TLS : CONN_SP;
	c->tls = p->tls ? tls_session_new(p->tls, fd) : NULL;
	if ((p->tls && !c->tls) || epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		agent_conn_kill(p, c);
}

static void listener_watch(struct agent_port *p, bool on)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &p->listener };
	if (p->listening == on)
		return;
	INVARIANT(epoll_ctl(p->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, p->listener, &e) == 0);
	p->listening = on;
}

static void accept_some(struct agent_port *p)
{
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage a = { 0 };
		socklen_t n = sizeof(a);
		int fd = accept4(p->listener, (struct sockaddr *)&a, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			conn_add(p, fd, &a);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			if (log_within(&p->said, LOG_STRANGERS_PER_S))
				log_error("agents_not_accepted", "err=\"%s\" trying again; raise LimitNOFILE", strerror(errno));
			listener_watch(p, false);
			p->listen_again_us = clock_boot_us() + LISTEN_PAUSE_US;
			return;
		} /* else: this one went away again, perhaps there are others */
	}
}

static void bury(struct agent_port *p)
{
	for (struct agent_conn *c = p->dead.first, *next; c; c = next) {
		next = c->next;
		c->place->n--;
		place_drop_if_empty(p, c->place);
		free(c);
	}
	p->dead = (struct conn_list){ 0 };
}

/* Silence is nothing to be told of; half a greeting is. */
static void expire(struct agent_port *p, int64_t now_us)
{
	while (p->greeting.first && p->greeting.first->deadline_us <= now_us) {
		struct agent_conn *c = p->greeting.first;
		if (c->spoke)
			agent_conn_turn_away(p, c, "it does not come to the end of its greeting");
		agent_conn_kill(p, c);
	}
	while (p->ending.first && p->ending.first->deadline_us <= now_us)
		agent_conn_kill(p, p->ending.first);
	if (!p->listening && p->listener >= 0 && now_us >= p->listen_again_us)
		listener_watch(p, true);
}

static void dial_queued(struct agent_port *p)
{
	struct agent_conn *c = p->greeting.first, *next;
	for (; c && p->n_queued > 0 && p->n_behind < BEHIND_MAX; c = next) {
		next = c->next;
		if (c->phase == CONN_QUEUED)
			agent_conn_dial(p, c);
	}
}

static int wait_ms(const struct agent_port *p, int64_t now_us)
{
	int64_t due_us = INT64_MAX;
	if (p->greeting.first)
		due_us = MIN(due_us, p->greeting.first->deadline_us);
	if (p->ending.first)
		due_us = MIN(due_us, p->ending.first->deadline_us);
	if (!p->listening && p->listener >= 0)
		due_us = MIN(due_us, p->listen_again_us);
	if (p->stop_us)
		due_us = MIN(due_us, p->stop_us);
	return due_us == INT64_MAX ? -1 : due_us <= now_us ? 0 : (int)MIN((due_us - now_us) / US_PER_MS + 1, INT64_C(60000));
}

static void stop_begin(struct agent_port *p)
{
	p->stop_us = clock_boot_us() + STOP_US;
	listener_watch(p, false);
	close(p->listener);
	p->listener = -1;
	while (p->greeting.first)
		agent_conn_kill(p, p->greeting.first);
}

static void *port_main(void *arg)
{
	struct agent_port *p = arg;
	struct epoll_event events[EVENTS];
	eventfd_t told;
	while (!p->stop_us || (n_of(p) > 0 && clock_boot_us() < p->stop_us)) {
		int n = epoll_wait(p->epoll, events, EVENTS, wait_ms(p, clock_boot_us()));
		INVARIANT(n >= 0 || errno == EINTR);
		p->handshakes_left = HANDSHAKES_PER_TURN;
		for (int i = 0; i < n; i++) {
			void *whose = events[i].data.ptr;
			if (whose == &p->listener)
				accept_some(p);
			else if (whose == &p->wake)
				(void)eventfd_read(p->wake, &told);
			else if (((struct side *)whose)->conn->phase != CONN_DEAD)
				agent_conn_step(p, whose, events[i].events);
		}
		dial_queued(p);
		expire(p, clock_boot_us());
		if (atomic_load(&p->stopping) && !p->stop_us)
			stop_begin(p);
		bury(p);
		pthread_mutex_lock(&p->lock);
		p->counts.connections = n_of(p);
		p->counts.greeting = p->greeting.n;
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

/* -- up and down -- */

static size_t connections_by_files(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur < 2 * FILES_OF_OTHERS)
		return FILES_OF_OTHERS / FILES_PER_AGENT;
	return (size_t)((l.rlim_cur - FILES_OF_OTHERS) / FILES_PER_AGENT);
}

static struct agent_port_limits with_defaults(const struct agent_port_limits *l)
{
	return (struct agent_port_limits){ .connections = l->connections ? l->connections : MIN((size_t)16384, connections_by_files()),
		.per_address = l->per_address ? l->per_address : 4096,
		.greeting = l->greeting ? l->greeting : 2048,
		.greeting_us = l->greeting_us ? l->greeting_us : 30 * US_PER_S };
}

static void port_free(struct agent_port *p)
{
	while (p->greeting.first)
		agent_conn_kill(p, p->greeting.first);
	while (p->open.first)
		agent_conn_kill(p, p->open.first);
	while (p->ending.first)
		agent_conn_kill(p, p->ending.first);
	bury(p);
	if (p->listener >= 0)
		close(p->listener);
	if (p->wake >= 0)
		close(p->wake);
	if (p->epoll >= 0)
		close(p->epoll);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static int port_open(struct agent_port *p, struct str listen, struct err *err)
{
	struct addrinfo *a = NULL;
	struct sockaddr_storage bound = { 0 };
	socklen_t n = sizeof(bound);
	int rc = listen_resolve(listen, &a, err);
	if (rc < 0)
		return rc;
	rc = listen_open(listen, a, &p->listener, err);
	freeaddrinfo(a);
	if (rc < 0)
		return rc;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &p->wake };
	if (p->epoll < 0 || p->wake < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->wake, &e) < 0 ||
		getsockname(p->listener, (struct sockaddr *)&bound, &n) < 0)
		return err_set(err, ERR_IO, "cannot listen on %.*s: %s", STR_ARG(listen), strerror(errno));
	p->number = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						      : ((struct sockaddr_in *)&bound)->sin_port);
	listener_watch(p, true);
	return 0;
}

int agent_port_start(const struct agent_port_options *o, struct agent_port **ret, struct err *err)
{
	struct agent_port *p = mem_new(sizeof(*p));
	p->limits = with_defaults(&o->limits);
	p->tls = o->tls;
	p->behind = o->behind;
	p->epoll = p->listener = p->wake = -1;
	pthread_mutex_init(&p->lock, NULL);
	int rc = port_open(p, o->listen, err), no = 0;
	if (rc == 0 && (no = thread_start(port_main, p, &p->thread)) != 0)
		rc = err_set(err, ERR_IO, "no thread for the agents' port: %s", strerror(no));
	if (rc == 0)
		*ret = p;
	else
		port_free(p);
	return rc;
}

uint16_t agent_port_number(const struct agent_port *p)
{
	return p->number;
}

void agent_port_stop(struct agent_port *p)
{
	if (!p)
		return;
	atomic_store(&p->stopping, true);
	INVARIANT(eventfd_write(p->wake, 1) == 0);
	INVARIANT(pthread_join(p->thread, NULL) == 0);
	port_free(p);
}

bool agent_port_peer(struct agent_port *p, uint16_t local, char ret[LISTEN_TEXT_MAX])
{
	pthread_mutex_lock(&p->lock);
	const struct agent_conn *c = p->by_local[local];
	if (c)
		address_text((const struct sockaddr *)&c->address, ret);
	pthread_mutex_unlock(&p->lock);
	return c != NULL;
}

void agent_port_counts(struct agent_port *p, struct agent_port_counts *ret)
{
	pthread_mutex_lock(&p->lock);
	*ret = p->counts;
	pthread_mutex_unlock(&p->lock);
}
