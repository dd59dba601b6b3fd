/* target.h - one endpoint, checked and made ready to be fetched again and again: what libcurl wants as
 * strings and lists, the compiled extraction. Read-only once made; counted, by one thread. */
#ifndef AGENT_TARGET_H
#define AGENT_TARGET_H

#include "agent/extract.h"
#include "agent/netpolicy.h"
#include "base/obs.h"

#define TARGET_BODY_DEFAULT    (1024 * 1024) /* bytes, decoded; when the endpoint does not say */
#define TARGET_BODY_MAX        (16 * 1024 * 1024)
#define TARGET_REDIRECTS_MAX   5
#define TARGET_TIMEOUT_DEFAULT 10000 /* ms */
#define TARGET_TIMEOUT_MIN     100
#define TARGET_TIMEOUT_MAX     120000

struct curl_slist;
struct Curl_URL;

struct target {
	uint32_t magic;
	int refs;
	char *url;
	struct Curl_URL *parsed;       /* the same, taken apart once and not with every fetch */
	struct curl_slist *headers;    /* with our own User-Agent, unless one is configured */
	struct curl_slist *connect_to; /* NULL: where the URL says */
	char *host;                    /* the URL's, lower case */
	int64_t port;                  /* the URL's, or its scheme's */
	char *connect_host;            /* whose address is looked up, unless there is a proxy */
	uint64_t lookup_hash;          /* of what is looked up */
	char *pin;                     /* the address that is meant, and no other; NULL: any */
	char *name;      /* at the edge: the name whose addresses these are; NULL: not by name */
	char *rate_host; /* probes with the same share a rate */
	struct extractor *extractor;
	char *pop_header, *pop_vendor;
	struct cdn_options cdn; /* borrows the two above */
	enum obs_path path;
	bool fresh;   /* a new connection for every probe */
	bool named;   /* connect_host, or the proxy, is no address: there will be a lookup */
	bool proxied; /* who answers is the proxy's to choose: no address is known but a pin */
	int ip_version;
	uint32_t redirects;
	size_t max_body;
	int32_t timeout_ms;
};

/* ERR_DENIED: policy says no. ERR_SYNTAX and others: it cannot be fetched; the sentence says why and what
 * would help. */
MUST_USE int target_new(const struct assign_endpoint *e, uint32_t timeout_ms, const struct netpolicy *policy,
	const char *user_agent, struct target **ret, struct err *err);
struct target *target_ref(struct target *t);
void target_unref(struct target *t); /* NULL is fine */

/* May a redirect from `from` to `to` be followed? Only to the same host, over the same scheme and port or
 * from http up to https on their usual ports: the endpoint's own headers, secrets among them, go along. */
bool target_may_redirect(const char *from, const char *to);

#endif
