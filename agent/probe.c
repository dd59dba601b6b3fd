/* probe.c - `tidemark-agent probe URL...`: fetches once, as the agent would, and prints what it saw. */
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/fetch.h"
#include "agent/probe.h"

#define PROBE_RESULTS_MAX (PROBE_URLS_MAX * ADDRESSES_FOUND_MAX)
#define OUT_BYTES_MAX     (16 * 1024 * 1024)

static void on_done(void *arg, void *user, const struct answer *a)
{
	struct probe *p = arg;
	struct probe_result *r = user;
	r->failed = a->obs.fail != FAIL_OK && (a->obs.fail != FAIL_NO_VERSION || p->asked);
	probe_show(r, a);
	p->left--;
}

/* Of the URL's name; none when that is an address, or does not resolve: the fetch says so. */
static void addresses_of(
	const struct probe *p, const char *url, const struct netpolicy *policy, struct addresses *ret)
{
	struct assign_endpoint e = p->endpoint;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct target *t;
	char ip[ADDRESS_TEXT_MAX];
	ret->n = 0;
	e.url = str_of(url);
	if (target_new(&e, p->timeout_ms, policy, AGENT_USER_AGENT, &t, NULL) < 0)
		return;
	if (t->named && getaddrinfo(t->connect_host, NULL, &hints, &found) == 0)
		for (const struct addrinfo *a = found; a; a = a->ai_next)
			if (getnameinfo(a->ai_addr, a->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST) ==
					0 &&
				address_is_version(ip, e.ip_version))
				addresses_add(ret, ip);
	target_unref(t);
	if (found)
		freeaddrinfo(found);
}

/* For each URL, or each address of it. Returns how many. */
static size_t results_make(struct probe *p, char **urls, size_t n_urls, const struct netpolicy *policy,
	struct probe_result *results)
{
	size_t n = 0;
	for (size_t i = 0; i < n_urls; i++) {
		struct addresses at = { .n = 0 };
		if (p->resolve_all)
			addresses_of(p, urls[i], policy, &at);
		for (size_t k = 0; k < MAX(at.n, (size_t)1); k++) {
			struct probe_result *r = &results[n++];
			*r = (struct probe_result){ .p = p, .url = urls[i] };
			if (at.n > 0)
				(void)snprintf(r->address, sizeof(r->address), "%s", at.ip[k]);
			buf_init(&r->out, OUT_BYTES_MAX);
		}
	}
	return n;
}

static int start_all(struct probe *p, struct fetch *f, const struct netpolicy *policy,
	struct probe_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct target *t;
		struct err err;
		p->endpoint.url = str_of(results[i].url);
		if (p->resolve_all)
			p->endpoint.address = str_of(results[i].address);
		if (target_new(&p->endpoint, p->timeout_ms, policy, AGENT_USER_AGENT, &t, &err) < 0) {
			fprintf(stderr, "tidemark-agent probe: %s%s\n", err.text,
				strstr(results[i].url, "://") ? "" : " (did you mean https://...?)");
			return 2;
		}
		p->left++;
		fetch_start(f, t, false, &results[i]);
		target_unref(t);
	}
	return 0;
}

int probe_main(int argc, char **argv)
{
	static struct probe_result results[PROBE_RESULTS_MAX];
	struct probe p;
	struct netpolicy *policy = NULL;
	struct fetch *f = NULL;
	struct err err;
	int status = probe_options_read(&p, argc, argv);
	if (status > 0)
		return status - 1;
	(void)signal(SIGPIPE, SIG_IGN);
	if (p.public_only)
		INVARIANT(netpolicy_new(NULL, 0, NULL, 0, &policy, &err) == 0);
	else
		policy = netpolicy_new_open();
	if (p.proxy && netpolicy_set_proxy(policy, str_of(p.proxy), str_of(p.proxy_user), &err) < 0) {
		fprintf(stderr, "tidemark-agent probe: --proxy: %s%s\n", err.text,
			strchr(p.proxy, '@') ? ": say them with --proxy-user" : "");
		netpolicy_free(policy);
		return 2;
	}
	size_t n = results_make(&p, argv + optind, (size_t)(argc - optind), policy, results);
	struct fetch_conf conf = { .policy = policy, .ca_file = p.ca_file, .done = on_done, .arg = &p };
	if (fetch_new(&conf, &f, &err) < 0) {
		fprintf(stderr, "tidemark-agent probe: %s\n", err.text);
		status = 1;
	} else {
		status = start_all(&p, f, policy, results, n);
	}
	while (status == 0 && p.left > 0)
		fetch_turn(f, -1);
	for (size_t i = 0; i < n; i++) {
		if (status != 2)
			fwrite(results[i].out.p, 1, results[i].out.n, stdout);
		if (status == 0 && results[i].failed)
			status = 1;
		buf_fini(&results[i].out);
	}
	if (fflush(stdout) != 0)
		status = 1;
	fetch_free(f);
	netpolicy_free(policy);
	return status;
}
