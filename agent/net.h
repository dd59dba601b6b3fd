/* net.h - the connection to the collector: one REQ socket, one dialer, exchanges of one request and one
 * answer. nng is nowhere else. All calls from one thread; wake_fd (an eventfd of the caller's) is written
 * when something happened.
 *
 * nng never resends here: the agent decides what to send again. A lost connection ends its exchanges with
 * ERR_NET. */
#ifndef AGENT_NET_H
#define AGENT_NET_H

#include "agent/agent_conf.h"

/* The file of certificates that a collector's has to be signed by: tls.ca or the system's. NULL: none found.
 */
const char *net_trusted(const struct agent_conf *conf);

struct net;
MUST_USE int net_open(const struct agent_conf *conf, int wake_fd, struct net **ret, struct err *err);
void net_close(struct net *net); /* after all its exchanges were freed. NULL is fine. One at a time is meant
				    to be open */

/* Starts dialing; connections come and go by themselves from then on, until net_hang_up(). */
MUST_USE int net_dial(struct net *net, struct err *err);
void net_hang_up(struct net *net);
/* 0: not connected. Another number for every connection. */
uint64_t net_connection(struct net *net);

struct exchange;
MUST_USE int exchange_new(struct net *net, struct exchange **ret, struct err *err);
void exchange_free(struct exchange *ex); /* gives up what is under way. NULL is fine */
bool exchange_is_free(const struct exchange *ex);
/* Only when free. Copies bytes. */
void exchange_start(struct exchange *ex, struct str bytes, int64_t timeout_us);
/* True once, when the exchange has ended: it is free again. *ret_code is 0 with *ret_reply (borrowed until
 * the next start) and the moment it came, or ERR_TIMEOUT or ERR_NET with a sentence in err. */
bool exchange_take(struct exchange *ex, int *ret_code, struct str *ret_reply, int64_t *ret_received_boot_us,
	struct err *err);
void exchange_cancel(struct exchange *ex); /* it still has to be taken */

#endif
