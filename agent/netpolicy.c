#include "agent/netpolicy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/glob.h"

struct network { /* all as IPv6, IPv4 mapped: one comparison for both */
	unsigned char prefix[16];
	int bits;
};

struct netpolicy {
	struct network *networks;
	size_t n_networks;
	char **hosts;
	size_t n_hosts;
	char **envs;
	size_t n_envs, cap_envs;
	struct route {
		char *from, *to; /* "host:port", host in lower case */
	} * routes;
	size_t n_routes, cap_routes;
	char *proxy, *proxy_host, *proxy_auth;
	bool open;
};

/* The registries of RFC 6890 (IPv4, IPv6 special-purpose addresses) as far as a probe could be led astray by
 * them. */
static const struct {
	const char *network, *says;
} special[] = {
	{ "0.0.0.0/8", "an unspecified address" },
	{ "10.0.0.0/8", "a private address" },
	{ "100.64.0.0/10", "a carrier's private address" },
	{ "127.0.0.0/8", "a loopback address" },
	{ "169.254.0.0/16", "a link-local address, where cloud metadata lives" },
	{ "172.16.0.0/12", "a private address" },
	{ "192.0.0.0/24", "a protocol address" },
	{ "192.0.2.0/24", "a documentation address" },
	{ "192.88.99.0/24", "a relay address" },
	{ "192.168.0.0/16", "a private address" },
	{ "198.18.0.0/15", "a benchmarking address" },
	{ "198.51.100.0/24", "a documentation address" },
	{ "203.0.113.0/24", "a documentation address" },
	{ "224.0.0.0/4", "a multicast address" },
	{ "240.0.0.0/4", "a reserved or broadcast address" },
	{ "::/96", "an unspecified, loopback or v4-compatible address" },
	{ "64:ff9b:1::/48", "a local translation address" },
	{ "100::/64", "a discard address" },
	{ "2001:db8::/32", "a documentation address" },
	{ "3fff::/20", "a documentation address" },
	{ "5f00::/16", "a segment-routing address" },
	{ "fc00::/7", "a private address" },
	{ "fe80::/10", "a link-local address" },
	{ "fec0::/10", "a site-local address" },
	{ "ff00::/8", "a multicast address" },
};
#define SPECIAL_COUNT ARRAY_LEN(special)

static const unsigned char mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void map_v4(const void *v4, unsigned char out[16])
{
	memcpy(out, mapped_prefix, 12);
	memcpy(out + 12, v4, 4);
}

static bool ip_parse(struct str s, unsigned char out[16], bool *ret_v4)
{
	char z[INET6_ADDRSTRLEN];
	unsigned char v4[4];
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = (struct str){ s.p + 1, s.n - 2 };
	if (s.n == 0 || s.n >= sizeof(z) || memchr(s.p, 0, s.n) != NULL)
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	*ret_v4 = inet_pton(AF_INET, z, v4) == 1;
	if (*ret_v4)
		map_v4(v4, out);
	return *ret_v4 || inet_pton(AF_INET6, z, out) == 1;
}

static int network_parse(struct str text, struct network *ret, struct err *err)
{
	struct str address = text, bits = STR_NONE;
	ptrdiff_t slash = str_find(text, '/');
	bool v4;
	if (slash >= 0) {
		address = str_first(text, (size_t)slash);
		bits = str_from(text, (size_t)slash + 1);
	}
	struct network net = { .bits = 128 };
	if (!ip_parse(address, net.prefix, &v4))
		return err_set(err, ERR_SYNTAX,
			"'%.*s' is no network: expected an address like 10.0.0.0/8 or fd00::/8",
			STR_ARG(text));
	if (slash >= 0) {
		int64_t n;
		int limit = v4 ? 32 : 128;
		if (str_to_i64(bits, &n, NULL) < 0 || n < 0 || n > limit)
			return err_set(err, ERR_SYNTAX, "'%.*s': expected 0 to %d bits after the '/'",
				STR_ARG(text), limit);
		net.bits = (int)n + (v4 ? 96 : 0);
	}
	*ret = net;
	return 0;
}

static bool network_has(const struct network *net, const unsigned char ip[16])
{
	size_t whole = (size_t)net->bits / 8;
	int rest = net->bits % 8;
	if (memcmp(net->prefix, ip, whole) != 0)
		return false;
	return rest == 0 || ((net->prefix[whole] ^ ip[whole]) >> (8 - rest)) == 0;
}

static struct network special_networks[SPECIAL_COUNT];

/* The table is parsed once, before any thread: by the loader, so that asking stays read-only. */
__attribute__((constructor)) static void special_init(void)
{
	for (size_t i = 0; i < SPECIAL_COUNT; i++)
		INVARIANT(network_parse(str_of(special[i].network), &special_networks[i], NULL) == 0);
}

static void hosts_copy(struct netpolicy *p, const struct str *hosts, size_t n)
{
	p->hosts = mem_new_array(n, sizeof(*p->hosts));
	for (size_t i = 0; i < n; i++)
		p->hosts[p->n_hosts++] = str_dup(hosts[i]);
}

int netpolicy_new(const struct str *networks, size_t n_networks, const struct str *hosts, size_t n_hosts,
	struct netpolicy **ret, struct err *err)
{
	struct netpolicy *p = mem_new(sizeof(*p));
	int rc = 0;
	if (n_networks > NETPOLICY_RULES_MAX || n_hosts > NETPOLICY_RULES_MAX)
		rc = err_set(err, ERR_TOO_BIG, "%zu networks and %zu hosts, limit is %d each", n_networks,
			n_hosts, NETPOLICY_RULES_MAX);
	if (rc == 0)
		p->networks = mem_new_array(n_networks, sizeof(*p->networks));
	for (size_t i = 0; rc == 0 && i < n_networks; i++) {
		rc = network_parse(str_trim(networks[i]), &p->networks[i], err);
		p->n_networks = i + 1;
	}
	for (size_t i = 0; rc == 0 && i < n_hosts; i++)
		if (hosts[i].n == 0)
			rc = err_set(err, ERR_SYNTAX, "an empty host name");
	if (rc < 0) {
		netpolicy_free(p);
		return rc;
	}
	hosts_copy(p, hosts, n_hosts);
	*ret = p;
	return 0;
}

int netpolicy_add_route(struct netpolicy *p, struct str rule, struct err *err)
{
	/* four parts from the right, as a host in [] has colons of its own */
	struct str rest = rule, part[4];
	bool good = rule.n > 0 && rule.n < 1024;
	for (int i = 3; good && i >= 0; i--) {
		ptrdiff_t colon = str_rfind(rest, ':'), bracket = str_rfind(rest, '[');
		if (rest.n > 0 && rest.p[rest.n - 1] == ']')
			colon = bracket - 1;
		good = i == 0 || colon > 0;
		part[i] = i == 0 ? rest : str_from(rest, (size_t)colon + 1);
		rest = str_first(rest, good && i > 0 ? (size_t)colon : 0);
		int64_t port = 1;
		if (good && i % 2 == 1)
			good = str_to_i64(part[i], &port, NULL) == 0 && port >= 1 && port <= 65535;
		else
			good = good && part[i].n > 0;
	}
	if (!good)
		return err_set(
			err, ERR_SYNTAX, "connect_to '%.*s': want HOST:PORT:TO_HOST:TO_PORT", STR_ARG(rule));
	if (p->n_routes == NETPOLICY_RULES_MAX)
		return err_set(err, ERR_TOO_BIG, "over %d entries in connect_to", NETPOLICY_RULES_MAX);
	p->routes = mem_grow(p->routes, &p->cap_routes, p->n_routes + 1, sizeof(*p->routes));
	struct route *r = &p->routes[p->n_routes++];
	r->from = str_dup((struct str){ part[0].p, part[0].n + 1 + part[1].n });
	for (char *c = r->from; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	r->to = str_dup((struct str){ part[2].p, part[2].n + 1 + part[3].n });
	return 0;
}

const char *netpolicy_route(const struct netpolicy *p, struct str host, int64_t port)
{
	char from[512];
	int n = snprintf(from, sizeof(from), "%.*s:%" PRId64, STR_ARG(host), port);
	for (size_t i = 0; i < p->n_routes; i++)
		if (str_eq_nocase((struct str){ from, (size_t)MIN(n, (int)sizeof(from) - 1) },
			    str_of(p->routes[i].from)))
			return p->routes[i].to;
	return NULL;
}

static struct str host_plain(struct str host)
{
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		return (struct str){ host.p + 1, host.n - 2 };
	if (host.n > 1 && host.p[host.n - 1] == '.') /* the root's dot names the same host */
		host.n--;
	return host;
}

int netpolicy_set_proxy(struct netpolicy *p, struct str url, struct str auth, struct err *err)
{
	static const char *const schemes[] = { "http://", "https://", "socks5h://" };
	struct str rest = STR_NONE, host;
	int64_t port = 0;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_starts(url, schemes[i]))
			rest = str_from(url, strlen(schemes[i]));
	if (str_find(rest, '@') >= 0) /* it would be shown wherever the proxy is */
		return err_set(err, ERR_SYNTAX, "user and password do not belong into the proxy's URL");
	ptrdiff_t colon = str_rfind(rest, ':');
	host = host_plain(str_first(rest, (size_t)MAX(colon, (ptrdiff_t)0)));
	bool good = url.n < 1024 && colon > 0 && host.n > 0 && str_find(host, '/') < 0 &&
		    str_find(host, ' ') < 0 && (str_find(host, ':') < 0 || rest.p[0] == '[') &&
		    str_to_i64(str_from(rest, (size_t)colon + 1), &port, NULL) == 0 && port >= 1 &&
		    port <= 65535;
	if (!good)
		return err_set(err, ERR_SYNTAX,
			"'%.*s' is no proxy: want http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT",
			STR_ARG(url));
	if (auth.n > 0 && str_find(auth, ':') < 1)
		return err_set(err, ERR_SYNTAX, "the proxy's user and password: want USER:PASSWORD");
	p->proxy = str_dup(url);
	p->proxy_host = str_dup(host);
	p->proxy_auth = auth.n > 0 ? str_dup(auth) : NULL;
	return 0;
}

const char *netpolicy_proxy(const struct netpolicy *p)
{
	return p->proxy;
}

const char *netpolicy_proxy_host(const struct netpolicy *p)
{
	return p->proxy_host;
}

const char *netpolicy_proxy_auth(const struct netpolicy *p)
{
	return p->proxy_auth;
}

int netpolicy_add_env(struct netpolicy *p, struct str name, struct err *err)
{
	if (name.n == 0)
		return err_set(err, ERR_SYNTAX, "allow_env: an empty name");
	if (p->n_envs == NETPOLICY_RULES_MAX)
		return err_set(err, ERR_TOO_BIG, "over %d entries in allow_env", NETPOLICY_RULES_MAX);
	p->envs = mem_grow(p->envs, &p->cap_envs, p->n_envs + 1, sizeof(*p->envs));
	p->envs[p->n_envs++] = str_dup(name);
	return 0;
}

bool netpolicy_allows_env(const struct netpolicy *p, struct str name)
{
	for (size_t i = 0; i < p->n_envs; i++)
		if (str_is(name, p->envs[i]))
			return true;
	return false;
}

struct netpolicy *netpolicy_new_open(void)
{
	struct netpolicy *p = mem_new(sizeof(*p));
	p->open = true;
	return p;
}

void netpolicy_free(struct netpolicy *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_hosts; i++)
		free(p->hosts[i]);
	for (size_t i = 0; i < p->n_routes; i++) {
		free(p->routes[i].from);
		free(p->routes[i].to);
	}
	for (size_t i = 0; i < p->n_envs; i++)
		free(p->envs[i]);
	if (p->proxy_auth)
		explicit_bzero(p->proxy_auth, strlen(p->proxy_auth));
	free(p->proxy_auth);
	free(p->proxy_host);
	free(p->proxy);
	free(p->envs);
	free(p->routes);
	free(p->hosts);
	free(p->networks);
	free(p);
}

static bool is_listed(const struct netpolicy *p, const unsigned char ip[16])
{
	for (size_t i = 0; i < p->n_networks; i++)
		if (network_has(&p->networks[i], ip))
			return true;
	return false;
}

/* An IPv4 address inside an IPv6 one goes where the IPv4 one goes. */
static bool unwrap(const unsigned char ip[16], unsigned char out[16])
{
	static const unsigned char nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	unsigned char v4[4];
	if (memcmp(ip, nat64, 12) == 0) {
		map_v4(ip + 12, out);
		return true;
	}
	if (ip[0] == 0x20 && ip[1] == 0x02) { /* 6to4, RFC 3056 */
		map_v4(ip + 2, out);
		return true;
	}
	if (ip[0] == 0x20 && ip[1] == 0x01 && ip[2] == 0 &&
		ip[3] == 0) { /* Teredo, RFC 4380: the client, inverted */
		for (int i = 0; i < 4; i++)
			v4[i] = (unsigned char)~ip[12 + i];
		map_v4(v4, out);
		return true;
	}
	return false;
}

static const char *special_of(const unsigned char ip[16])
{
	for (size_t i = 0; i < SPECIAL_COUNT; i++)
		if (network_has(&special_networks[i], ip))
			return special[i].says;
	return NULL;
}

bool netpolicy_allows_address(const struct netpolicy *p, const struct sockaddr *to, const char **ret_why)
{
	unsigned char ip[16], inner[16];
	const char *why;
	if (to->sa_family == AF_INET) {
		map_v4(&((const struct sockaddr_in *)(const void *)to)->sin_addr, ip);
	} else if (to->sa_family == AF_INET6) {
		memcpy(ip, &((const struct sockaddr_in6 *)(const void *)to)->sin6_addr, 16);
	} else {
		if (ret_why)
			*ret_why = "neither an IPv4 nor an IPv6 address";
		return false;
	}
	if (p->open || is_listed(p, ip))
		return true;
	why = special_of(ip);
	if (why == NULL && unwrap(ip, inner)) {
		if (is_listed(p, inner))
			return true;
		why = special_of(inner);
	}
	if (why && ret_why)
		*ret_why = why;
	return why == NULL;
}

bool netpolicy_allows_host(const struct netpolicy *p, struct str host)
{
	host = host_plain(host);
	if (host.n == 0)
		return false;
	for (size_t i = 0; i < p->n_hosts; i++)
		if (glob_matches(host_plain(str_of(p->hosts[i])), host, true))
			return true;
	return p->n_hosts == 0;
}

bool netpolicy_allows_ip(const struct netpolicy *p, struct str ip, const char **ret_why)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	bool v4;
	if (!ip_parse(ip, at.sin6_addr.s6_addr, &v4)) {
		if (ret_why)
			*ret_why = "no address";
		return false;
	}
	return netpolicy_allows_address(p, (const struct sockaddr *)&at, ret_why);
}

bool netpolicy_allows_pin(const struct netpolicy *p, struct str host)
{
	unsigned char ip[16];
	bool v4;
	return netpolicy_allows_host(p, host) || (ip_parse(host, ip, &v4) && is_listed(p, ip));
}

bool ip_same(struct str a, struct str b)
{
	unsigned char x[16], y[16];
	bool v4;
	return ip_parse(a, x, &v4) && ip_parse(b, y, &v4) && memcmp(x, y, 16) == 0;
}

bool host_is_ip(struct str host)
{
	unsigned char ip[16];
	bool v4;
	return ip_parse(host, ip, &v4);
}
