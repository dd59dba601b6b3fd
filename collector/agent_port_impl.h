/* agent_port_impl.h - shared by agent_port.c (who may have a place: accepting, limits, deadlines) and agent_conn.c (one connection: what
 * it says, both ways). All of it is the port's thread's, except what stands under the lock. */
#ifndef COLLECTOR_AGENT_PORT_IMPL_H
#define COLLECTOR_AGENT_PORT_IMPL_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "collector/agent_port.h"

#define SP_GREETING_BYTES 8
#define BEHIND_MAX        64 /* dialled to nng and not greeted by it yet: half of what its backlog holds */
#define ENDING_US         (2 * US_PER_S)

enum conn_phase {
	CONN_TLS,    /* handshake */
	CONN_SP,     /* its first eight bytes */
	CONN_QUEUED, /* for a place among BEHIND_MAX */
	CONN_BEHIND, /* nng is to greet */
	CONN_OPEN,
	CONN_ENDING, /* what is on its way goes out, then its end is waited for, so that nothing of it is lost */
	CONN_DEAD,   /* freed at the end of the turn */
};

struct side { /* one of a connection's two sockets, and what is still to be written to it */
	struct agent_conn *conn;
	int fd; /* -1: none */
	uint32_t events; /* what epoll watches */
	char *rest;
	size_t n_rest, at;
};

struct agent_conn {
	struct side agent, behind;
	struct tls_session *tls;
	enum conn_phase phase;
	bool shut, spoke; /* our end is sent; the agent said anything at all */
	int64_t deadline_us;
	struct agent_conn *prev, *next; /* of its list */
	struct conn_list *list;
	struct sockaddr_storage address;
	struct place *place;
	uint16_t local; /* our end of the connection to nng */
	char head[SP_GREETING_BYTES];
	size_t n_head;
};

struct conn_list { /* the oldest first */
	struct agent_conn *first, *last;
	size_t n;
};

struct place { /* an address, and what it holds */
	uint64_t key[2];
	size_t n, greeting;
	struct place *next;
};
#define PLACE_BUCKETS 4096

struct agent_port {
	struct agent_port_limits limits;
	struct tls_server *tls;
	uint16_t number, behind;
	int epoll, listener, wake;
	bool listening; /* the listener is watched */
	int64_t listen_again_us, stop_us;
	atomic_bool stopping;
	pthread_t thread;
	struct conn_list greeting, open, ending, dead;
	size_t n_queued, n_behind, handshakes_left; /* of this turn */
	struct place *places[PLACE_BUCKETS];
	struct log_limit said;
	char scratch[16 * 1024];
	pthread_mutex_t lock; /* of what follows */
	struct agent_conn *by_local[65536];
	struct agent_port_counts counts;
};

/* -- agent_conn.c -- */
/* The socket has events, or none that matter: goes on as far as it goes. */
void agent_conn_step(struct agent_port *p, struct side *s, uint32_t events);
void agent_conn_dial(struct agent_port *p, struct agent_conn *c); /* of a CONN_QUEUED */
void agent_conn_kill(struct agent_port *p, struct agent_conn *c);
void agent_conn_turn_away(struct agent_port *p, struct agent_conn *c, const char *why);
void side_watch(struct agent_port *p, struct side *s, uint32_t events);

/* -- agent_port.c -- */
void conn_move(struct agent_conn *c, struct conn_list *to);

#endif
