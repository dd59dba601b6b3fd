/* agent_port.h - where agents dial. It takes connections, ends their TLS, and hands what they say on to nng, which listens on loopback
 * behind it. nng 1.5.2 would do it alone, but its TLS greets nobody any more after some thousand handshakes that were begun and
 * abandoned, does not say of whom it turned away who it was and why, and knows no limit. So nng hears of a connection when its TLS is
 * done and it has greeted as an agent does. One thread; calls from any. */
#ifndef COLLECTOR_AGENT_PORT_H
#define COLLECTOR_AGENT_PORT_H

#include "base/listen.h"
#include "collector/tls_server.h"

struct agent_port_limits { /* 0: the default, in brackets */
	size_t connections; /* in all (16384, or what the open files allow) */
	size_t per_address; /* (4096: a fleet may stand behind one NAT); of IPv6, a /64 is one address */
	size_t greeting;    /* that are not through TLS and nng's greeting yet (2048) */
	int64_t greeting_us; /* from accepting on (30 s: links of seconds a round trip, and lost packets) */
};
struct agent_port_options {
	struct str listen;      /* HOST:PORT */
	struct tls_server *tls; /* borrowed; NULL: plain */
	uint16_t behind;        /* where nng listens on 127.0.0.1 */
	struct agent_port_limits limits;
};

struct agent_port;
MUST_USE int agent_port_start(const struct agent_port_options *o, struct agent_port **ret, struct err *err);
uint16_t agent_port_number(const struct agent_port *p);
/* Takes nobody any more, gives what is under way a second, and ends. NULL is fine. */
void agent_port_stop(struct agent_port *p);
/* A connection that nng has from 127.0.0.1:local is whose? False: not one of ours, so somebody on this machine went around us. */
bool agent_port_peer(struct agent_port *p, uint16_t local, char ret[LISTEN_TEXT_MAX]);

struct agent_port_counts {
	size_t connections, greeting;
	uint64_t accepted, turned_away; /* turned away: spoke, but not as an agent of ours */
	uint64_t refused, crowded_out;  /* over a limit: the newcomer; one that was there for a newcomer */
};
void agent_port_counts(struct agent_port *p, struct agent_port_counts *ret);

#endif
