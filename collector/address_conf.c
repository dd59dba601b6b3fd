/* address_conf.c - see collector_conf_parts.h: which of a name's addresses are probed. */
#include <arpa/inet.h>
#include <stdio.h>

#include "collector/collector_conf_parts.h"

#define WANTED "dns, all, or a list of addresses such as [192.0.2.7, '2001:db8::7']"

/* Written as inet_ntop() writes it: "::1" and "0:0::1" are one address. */
static int pin_read(
	struct collector_conf *c, const struct conf_node *n, struct endpoint_conf *ep, struct err *err)
{
	unsigned char bytes[16];
	char text[INET6_ADDRSTRLEN];
	struct str s = conf_scalar(n);
	if (!conf_is_scalar(n) || s.n == 0)
		return conf_error(c->file, n, err, ERR_SYNTAX, "want an IPv4 or IPv6 address");
	int family = str_find(s, ':') >= 0 ? AF_INET6 : AF_INET;
	if (inet_pton(family, s.p, bytes) != 1)
		return conf_error(c->file, n, err, ERR_SYNTAX,
			"'%.*s' is no IPv4 or IPv6 address; a name's own addresses: addresses: all",
			STR_ARG(s));
	INVARIANT(inet_ntop(family, bytes, text, sizeof(text)) != NULL);
	if (ep->ip_version != 0 && (ep->ip_version == 6) != (family == AF_INET6))
		return conf_error(c->file, n, err, ERR_NONSENSE, "%s, and ip is %d: leave one of them out",
			text, ep->ip_version);
	for (size_t i = 0; i < ep->n_pins; i++)
		if (str_is(ep->pins[i], text))
			return conf_error(c->file, n, err, ERR_EXISTS, "%s is listed twice", text);
	ep->pins[ep->n_pins++] = conf_mem_str(c, str_of(text));
	return 0;
}

int addresses_read(
	struct collector_conf *c, const struct conf_node *n, struct endpoint_conf *ep, struct err *err)
{
	size_t listed = conf_list_size(n);
	int rc = 0;
	ep->addresses = ADDRESSES_DNS;
	if (n == NULL)
		return 0;
	if (conf_is_scalar(n)) {
		if (str_is(conf_scalar(n), "all"))
			ep->addresses = ADDRESSES_ALL;
		else if (!str_is(conf_scalar(n), "dns"))
			return conf_error(c->file, n, err, ERR_SYNTAX, "want " WANTED ", got '%.*s'",
				STR_ARG(conf_scalar(n)));
		return 0;
	}
	if (!conf_is_list(n) || listed == 0)
		return conf_error(c->file, n, err, ERR_SYNTAX, "want " WANTED);
	if (listed > ASSIGN_ADDRESSES_MAX)
		return conf_error(c->file, n, err, ERR_TOO_BIG, "%zu addresses, limit is %d", listed,
			ASSIGN_ADDRESSES_MAX);
	ep->pins = conf_mem_new(c, listed * sizeof(*ep->pins));
	for (size_t i = 0; rc == 0 && i < listed; i++)
		rc = pin_read(c, conf_list_at(n, i), ep, err);
	return rc;
}
