/* Where an agent may go: every kind of address, and the names a collector may ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "agent/netpolicy.h"

static struct netpolicy *policy(const char *network, const char *host)
{
	struct netpolicy *p = NULL;
	struct err err = { 0 };
	struct str n = str_of(network), h = str_of(host);
	if (netpolicy_new(&n, network != NULL, &h, host != NULL, &p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static bool allows(const struct netpolicy *p, const char *ip, const char **why)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
		return netpolicy_allows_address(p, (struct sockaddr *)&v4, why);
	assert_int_equal(inet_pton(AF_INET6, ip, &v6.sin6_addr), 1);
	return netpolicy_allows_address(p, (struct sockaddr *)&v6, why);
}

static void addresses(void **state)
{
	static const struct {
		const char *says, *listed, *ip;
		bool ok;
	} cases[] = {
		{ "a public address", NULL, "1.1.1.1", true },
		{ "a public IPv6 address", NULL, "2606:4700:4700::1111", true },
		{ "loopback", NULL, "127.0.0.1", false },
		{ "all of loopback", NULL, "127.255.255.254", false },
		{ "10/8", NULL, "10.0.0.5", false },
		{ "just below 10/8", NULL, "9.255.255.255", true },
		{ "just above 10/8", NULL, "11.0.0.0", true },
		{ "172.16/12 from its first", NULL, "172.16.0.0", false },
		{ "172.16/12 to its last", NULL, "172.31.255.255", false },
		{ "behind 172.16/12", NULL, "172.32.0.0", true },
		{ "192.168/16", NULL, "192.168.1.1", false },
		{ "a carrier's NAT", NULL, "100.64.0.1", false },
		{ "behind the carrier's NAT", NULL, "100.128.0.1", true },
		{ "cloud metadata", NULL, "169.254.169.254", false },
		{ "unspecified, which Linux connects to itself", NULL, "0.0.0.0", false },
		{ "multicast", NULL, "224.0.0.251", false },
		{ "broadcast", NULL, "255.255.255.255", false },
		{ "documentation", NULL, "203.0.113.9", false },
		{ "IPv6 loopback", NULL, "::1", false },
		{ "IPv6 unspecified", NULL, "::", false },
		{ "IPv6 link-local", NULL, "fe80::1", false },
		{ "the end of IPv6 link-local", NULL, "febf:ffff::1", false },
		{ "IPv6 private", NULL, "fd12:3456::1", false },
		{ "AWS metadata on IPv6 is private too", NULL, "fd00:ec2::254", false },
		{ "IPv6 multicast", NULL, "ff02::1", false },
		{ "IPv6 documentation", NULL, "2001:db8::1", false },
		{ "loopback in a v4-mapped coat", NULL, "::ffff:127.0.0.1", false },
		{ "metadata in a v4-mapped coat", NULL, "::ffff:169.254.169.254", false },
		{ "a public one in a v4-mapped coat", NULL, "::ffff:1.1.1.1", true },
		{ "loopback in the old v4-compatible coat", NULL, "::127.0.0.1", false },
		{ "metadata through NAT64", NULL, "64:ff9b::169.254.169.254", false },
		{ "a public one through NAT64", NULL, "64:ff9b::1.1.1.1", true },
		{ "a local NAT64 prefix", NULL, "64:ff9b:1::1.1.1.1", false },
		{ "private through 6to4", NULL, "2002:0a00:0005::1", false },
		{ "private through Teredo, where it is inverted", NULL,
			"2001:0:4136:e378:8000:63bf:f5ff:fffa", false },
		{ "listed: the network", "10.0.0.0/8", "10.0.0.5", true },
		{ "listed: another stays refused", "10.0.0.0/8", "192.168.0.1", false },
		{ "listed: one address", "10.0.0.5", "10.0.0.5", true },
		{ "listed: not its neighbour", "10.0.0.5", "10.0.0.6", false },
		{ "listed: a network whose bits end inside a byte", "10.0.0.0/9", "10.127.0.1", true },
		{ "listed: just past it", "10.0.0.0/9", "10.128.0.1", false },
		{ "listed: v4 also when it comes mapped", "127.0.0.0/8", "::ffff:127.0.0.1", true },
		{ "listed: v4 also through NAT64", "10.0.0.0/8", "64:ff9b::10.0.0.5", true },
		{ "listed: IPv6", "fd00::/8", "fd12::1", true },
		{ "listed: all of IPv4 is not IPv6", "0.0.0.0/0", "::1", false },
		{ "listed: all of IPv4", "0.0.0.0/0", "127.0.0.1", true },
		{ "listed: everything", "::/0", "127.0.0.1", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *why = NULL;
		struct netpolicy *p = policy(cases[i].listed, NULL);
		bool ok = allows(p, cases[i].ip, &why);
		if (ok != cases[i].ok)
			fail_msg("%s: %s was %s", cases[i].says, cases[i].ip, ok ? "allowed" : "refused");
		if (!ok && (why == NULL || strlen(why) < 5))
			fail_msg("%s: no reason is given", cases[i].says);
		netpolicy_free(p);
	}
}

static void other_families_are_refused_and_open_is_open(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct netpolicy *closed = policy(NULL, NULL), *open = netpolicy_new_open();
	const char *why = NULL;
	assert_false(netpolicy_allows_address(closed, (struct sockaddr *)&un, &why));
	assert_non_null(why);
	assert_false(netpolicy_allows_address(open, (struct sockaddr *)&un, NULL));
	assert_true(allows(open, "127.0.0.1", NULL));
	assert_true(allows(open, "169.254.169.254", NULL));
	assert_true(netpolicy_allows_host(open, STR("anything")));
	netpolicy_free(closed);
	netpolicy_free(open);
}

static void networks_that_do_not_parse(void **state)
{
	static const struct {
		const char *says, *network;
	} cases[] = {
		{ "a word", "private" },
		{ "nothing", "" },
		{ "too many bits", "10.0.0.0/33" },
		{ "too many bits of IPv6", "fd00::/129" },
		{ "negative bits", "10.0.0.0/-1" },
		{ "no bits", "10.0.0.0/" },
		{ "a mask", "10.0.0.0/255.0.0.0" },
		{ "half an address", "10.0/8" },
		{ "a port", "10.0.0.1:80" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str n = str_of(cases[i].network);
		struct netpolicy *p = NULL;
		struct err err = { 0 };
		if (netpolicy_new(&n, 1, NULL, 0, &p, &err) != ERR_SYNTAX || p != NULL || err.text[0] == '\0')
			fail_msg("%s: '%s' was taken", cases[i].says, cases[i].network);
	}
}

static void hosts(void **state)
{
	static const struct {
		const char *says, *glob, *host;
		bool ok;
	} cases[] = {
		{ "none listed: every host", NULL, "example.com", true },
		{ "an empty host is none", NULL, "", false },
		{ "the very name", "example.com", "example.com", true },
		{ "in any case", "Example.COM", "eXample.com", true },
		{ "the root's dot names the same", "example.com", "example.com.", true },
		{ "another name", "example.com", "example.org", false },
		{ "not what only ends the same", "example.com", "badexample.com", false },
		{ "not what only begins the same", "example.com", "example.com.evil.test", false },
		{ "a subdomain", "*.example.com", "api.example.com", true },
		{ "a deep one", "*.example.com", "a.b.example.com", true },
		{ "a subdomain's pattern is not the domain", "*.example.com", "example.com", false },
		{ "nor its look-alike", "*.example.com", "badexample.com", false },
		{ "a star in the middle", "api-*.example.com", "api-eu.example.com", true },
		{ "two stars", "*.eu-*.example.com", "a.eu-1.example.com", true },
		{ "a star takes nothing too", "api*.example.com", "api.example.com", true },
		{ "every host", "*", "example.com", true },
		{ "IPv6 with and without brackets", "::1", "[::1]", true },
		{ "stars that would take a naive matcher for ever", "*a*a*a*a*a*a*a*a*a*b",
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netpolicy *p = policy(NULL, cases[i].glob);
		if (netpolicy_allows_host(p, str_of(cases[i].host)) != cases[i].ok)
			fail_msg("%s: '%s' with '%s'", cases[i].says, cases[i].host,
				cases[i].glob ? cases[i].glob : "(none)");
		netpolicy_free(p);
	}
}

static void pins(void **state)
{
	struct netpolicy *p = policy("10.0.0.0/8", "*.example.com"), *any = policy(NULL, NULL);
	assert_true(netpolicy_allows_pin(p, STR("10.0.0.5")));           /* an address that is listed */
	assert_true(netpolicy_allows_pin(p, STR("origin.example.com"))); /* a name that is allowed */
	assert_false(netpolicy_allows_pin(p, STR("192.0.2.1")));         /* neither */
	assert_false(netpolicy_allows_pin(p, STR("evil.test")));
	assert_true(netpolicy_allows_pin(any, STR("1.1.1.1"))); /* judged again when it connects */
	netpolicy_free(p);
	netpolicy_free(any);
}

static void where_a_name_leads_from_here(void **state)
{
	static const struct {
		const char *says, *rule, *host;
		int port;
		const char *to; /* NULL: as the resolver says; "-": the rule does not parse */
	} cases[] = {
		{ "host and port", "www.example.com:443:10.0.0.5:8443", "www.example.com", 443,
			"10.0.0.5:8443" },
		{ "in any case", "WWW.example.com:443:edge.test:8443", "www.EXAMPLE.com", 443,
			"edge.test:8443" },
		{ "another port is another place", "www.example.com:443:10.0.0.5:8443", "www.example.com", 80,
			NULL },
		{ "another host", "www.example.com:443:10.0.0.5:8443", "api.example.com", 443, NULL },
		{ "to IPv6", "www.example.com:80:[::1]:8080", "www.example.com", 80, "[::1]:8080" },
		{ "from IPv6", "[2001:db8::1]:80:edge.test:8080", "[2001:db8::1]", 80, "edge.test:8080" },
		{ "three parts", "www.example.com:443:10.0.0.5", "www.example.com", 443, "-" },
		{ "no host", ":443:10.0.0.5:8443", "", 443, "-" },
		{ "no target", "www.example.com:443::8443", "www.example.com", 443, "-" },
		{ "a port beyond", "www.example.com:443:10.0.0.5:70000", "www.example.com", 443, "-" },
		{ "a word for a port", "www.example.com:https:10.0.0.5:8443", "www.example.com", 443, "-" },
		{ "nothing", "", "", 443, "-" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netpolicy *p = policy(NULL, NULL);
		struct err err = { 0 };
		int rc = netpolicy_add_route(p, str_of(cases[i].rule), &err);
		const char *to = rc < 0 ? "-" : netpolicy_route(p, str_of(cases[i].host), cases[i].port);
		if ((to == NULL) != (cases[i].to == NULL) || (to && strcmp(to, cases[i].to) != 0))
			fail_msg("%s: %s", cases[i].says, to ? to : "(none)");
		netpolicy_free(p);
	}
}

static void ip_literals(void **state)
{
	assert_true(host_is_ip(STR("127.0.0.1")));
	assert_true(host_is_ip(STR("[2001:db8::1]")));
	assert_true(host_is_ip(STR("::1")));
	assert_false(host_is_ip(STR("localhost")));
	assert_false(host_is_ip(STR("1.2.3")));
	assert_false(host_is_ip(STR("")));
	assert_false(host_is_ip((struct str){ "1.1.1.1\0x", 9 }));
}

static void routes(void **state)
{
	static const struct {
		const char *says, *rule, *host, *to;
		int port;
	} cases[] = {
		{ "host and port are what is looked for", "shop.test:80:127.0.0.1:8080", "shop.test",
			"127.0.0.1:8080", 80 },
		{ "the host in any case", "Shop.TEST:80:127.0.0.1:8080", "shop.test", "127.0.0.1:8080", 80 },
		{ "another port is not meant", "shop.test:80:127.0.0.1:8080", "shop.test", NULL, 443 },
		{ "another host is not meant", "shop.test:80:127.0.0.1:8080", "api.shop.test", NULL, 80 },
		{ "IPv6 on the right", "shop.test:443:[::1]:8443", "shop.test", "[::1]:8443", 443 },
		{ "IPv6 on the left", "[2001:db8::1]:443:edge.test:443", "[2001:db8::1]", "edge.test:443",
			443 },
	};
	static const char *const bad[] = { "", ":", ":::", "shop.test:80", "shop.test:80:127.0.0.1",
		"shop.test:80:127.0.0.1:", "shop.test:0:127.0.0.1:80", "shop.test:80:127.0.0.1:65536",
		":80:127.0.0.1:80", "shop.test:80::80", "shop.test:x:127.0.0.1:80", "]", "[]:::" };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netpolicy *p = policy(NULL, NULL);
		assert_int_equal(netpolicy_add_route(p, str_of(cases[i].rule), NULL), 0);
		const char *to = netpolicy_route(p, str_of(cases[i].host), cases[i].port);
		if ((to == NULL) != (cases[i].to == NULL) || (to && strcmp(to, cases[i].to) != 0))
			fail_msg("%s: got %s", cases[i].says, to ? to : "nothing");
		netpolicy_free(p);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct netpolicy *p = policy(NULL, NULL);
		struct err err;
		if (netpolicy_add_route(p, str_of(bad[i]), &err) != ERR_SYNTAX)
			fail_msg("'%s' was taken for a route", bad[i]);
		netpolicy_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(routes),
		cmocka_unit_test(other_families_are_refused_and_open_is_open),
		cmocka_unit_test(networks_that_do_not_parse),
		cmocka_unit_test(hosts),
		cmocka_unit_test(pins),
		cmocka_unit_test(where_a_name_leads_from_here),
		cmocka_unit_test(ip_literals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
