/* netpolicy.h - where this agent may go. Addresses are judged when a socket is about to connect, after the
 * name was looked up, so that no DNS answer talks its way round it; host names are judged when an assignment
 * arrives. Pure; read-only once made, so any thread may ask.
 *
 * Without a word from the agent's own configuration, private, loopback, link-local (cloud metadata lives
 * there), multicast, documentation and unspecified addresses are refused, also when an IPv6 address wraps
 * them (v4-mapped, NAT64, 6to4, Teredo). */
#ifndef AGENT_NETPOLICY_H
#define AGENT_NETPOLICY_H

#include "base/str.h"

#define NETPOLICY_RULES_MAX 256

struct sockaddr;
struct netpolicy;

/* networks: "10.0.0.0/8", "fd00::/8", "192.0.2.7" (one address). What they cover is allowed whatever it is.
 * hosts: names with '*' for any run of characters ("*.example.com"); none at all means every host. */
MUST_USE int netpolicy_new(const struct str *networks, size_t n_networks, const struct str *hosts,
	size_t n_hosts, struct netpolicy **ret, struct err *err);
/* The agent's own word on where a name leads from here, as curl's --connect-to: "HOST:PORT:TO_HOST:TO_PORT".
 * Only the last two are used to connect; the URL, Host and server name stay. The address is still judged when
 * it connects. */
MUST_USE int netpolicy_add_route(struct netpolicy *p, struct str rule, struct err *err);
/* "TO_HOST:TO_PORT", borrowed; NULL: as the resolver says. */
const char *netpolicy_route(const struct netpolicy *p, struct str host, int64_t port);
/* By which proxy everything is fetched: "http://HOST:PORT", "https://..." or "socks5h://..."; auth,
 * "USER:PASSWORD", may be none. It is the proxy's address then that is judged when a socket connects: what
 * lies behind it, only the proxy sees. */
MUST_USE int netpolicy_set_proxy(struct netpolicy *p, struct str url, struct str auth, struct err *err);
const char *netpolicy_proxy(const struct netpolicy *p);      /* NULL: none */
const char *netpolicy_proxy_host(const struct netpolicy *p); /* without []; NULL: none */
const char *netpolicy_proxy_auth(const struct netpolicy *p); /* NULL: none */
/* Which variables of the agent's environment may become a header's value. Without this: none, whatever else
 * is allowed. */
MUST_USE int netpolicy_add_env(struct netpolicy *p, struct str name, struct err *err);
bool netpolicy_allows_env(const struct netpolicy *p, struct str name);
struct netpolicy *netpolicy_new_open(
	void); /* every address, every host: a person at a shell, on their own machine */
void netpolicy_free(struct netpolicy *p); /* NULL is fine */

/* False: *ret_why (may be NULL) says what kind of address it is. Other families than IPv4 and IPv6 are
 * refused. */
bool netpolicy_allows_address(const struct netpolicy *p, const struct sockaddr *to, const char **ret_why);
bool netpolicy_allows_host(const struct netpolicy *p, struct str host);
/* The same of an address in text, with or without []; no address at all is refused. */
bool netpolicy_allows_ip(const struct netpolicy *p, struct str ip, const char **ret_why);
/* Where an endpoint says to connect instead ("host:port"): a host that is allowed by name, or an address that
 * allow_networks lists. With no allow_hosts any is, and the address is still judged when it connects. */
bool netpolicy_allows_pin(const struct netpolicy *p, struct str host);
bool host_is_ip(struct str host);         /* IPv4 or IPv6 literal, with or without [] */
bool ip_same(struct str a, struct str b); /* one address, however written; false when either is none */

#endif
