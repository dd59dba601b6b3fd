/* reach.h - why does no connection to the collector come about? nng dials on and tells nobody what stood in
 * the way, so this goes the same way once more by hand: name, connection, TLS, the greeting of nng's
 * protocol. It sends no token, and nothing the collector counts as a connection. */
#ifndef AGENT_REACH_H
#define AGENT_REACH_H

#include "agent/agent_conf.h"

#define REACH_TIMEOUT_US (10 * US_PER_S) /* for all of it; the lookup has the resolver's own, and comes on top */

enum reach_depth {
	REACH_ALL,     /* name, connection, TLS, greeting: costs the collector a handshake */
	REACH_CONNECT, /* name and connection: costs it next to nothing */
};

#define REACHES(X)                                                                                           \
	X(OK, "ok", "it can be reached by now; dialing on")                                                  \
	X(DNS, "dns", "check the host in `collector`, and this machine's resolver")                          \
	X(REFUSED, "refused", "is the collector running, and is this its listen.agents port?")               \
	X(TIMED_OUT, "timed_out", "a firewall, or a wrong address: let this machine reach that port")        \
	X(NO_ROUTE, "no_route", "check this machine's network and the address in `collector`")               \
	X(NOT_A_COLLECTOR, "not_a_collector",                                                                \
		"want the port of the collector's listen.agents, not the one of its API")                    \
	X(NO_TLS, "no_tls", "want tcp:// where the collector listens without TLS, or another port")          \
	X(UNTRUSTED, "cert_untrusted", "set tls.ca to the certificate that signed the collector's")          \
	X(WRONG_NAME, "cert_wrong_name", "set tls.server_name to a name the certificate has")                \
	X(EXPIRED, "cert_expired", "renew the collector's certificate; is this machine's clock right?")      \
	X(NOT_YET, "cert_not_yet_valid", "is this machine's clock right, and the collector's certificate?")  \
	X(TLS, "tls_failed", "where the collector asks for a certificate, set tls.cert and tls.key")         \
	X(OWN_FILES, "own_files", "check tls.ca, tls.cert and tls.key")
#define X(id, name, cure) REACH_##id,
enum reach { REACHES(X) REACH_COUNT };
#undef X
const char *reach_name(enum reach r);
const char *reach_cure(enum reach r);

/* Blocks. All of it. *ret_why: what was found, for a person. */
enum reach reach_look(const struct agent_conf *conf, struct err *ret_why);

/* The same on a thread of its own: the resolver may take its time, and a reload does not wait for it. conf is
 * borrowed for the call. wake_fd becomes readable when it is done; it may be closed before that. NULL: no
 * thread could be had. timeout_us: as REACH_TIMEOUT_US. */
struct reach_job;
struct reach_job *reach_start(
	const struct agent_conf *conf, enum reach_depth depth, int64_t timeout_us, int wake_fd);
bool reach_take(struct reach_job *job, enum reach *ret, struct err *ret_why); /* false: not done yet */
void reach_drop(struct reach_job *job);                                       /* done or not; NULL is fine */

#endif
