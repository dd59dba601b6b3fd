/* collector_conf.h - collector.yaml, read and checked whole. Read-only once loaded, shared by count: whoever
 * holds a reference may read it from any thread, and a reload never pulls it from under anybody. Errors name
 * the place: `collector.yaml:12:5: ...`. Durations are microseconds. */
#ifndef COLLECTOR_CONF_H
#define COLLECTOR_CONF_H

#include "base/conf.h"
#include "base/sha256.h"
#include "collector/engine/event.h"
#include "collector/http/http.h"
#include "proto/wire.h"

#define CONF_TOKENS_MAX 64

struct extract_conf { /* how a version is found in an answer, and compared */
	enum extract_kind kind;
	struct str arg; /* pointer, header name or expression; empty for etag, last_modified, sha256 */
	enum match_kind match;
};

struct endpoint_conf {
	struct str id; /* as written, or derived from path and query */
	struct str url;
	struct extract_conf version;
	struct assign_header *headers; /* the service's, then its own */
	size_t n_headers;
	bool fresh_connection;
	uint32_t redirects, max_body;
	int ip_version; /* 4, 6, 0: as the resolver says */
	bool ip_both;   /* IPv4 and IPv6, each by itself */
	enum assign_addresses addresses;
	struct str *pins; /* addresses that are probed instead, each by itself; none: see addresses */
	size_t n_pins;
	struct str cdn_vendor, cdn_zone, pop_header;
};

struct from_conf {           /* which agents; both lists empty: all */
	struct str *regions; /* shell patterns; NUL-terminated behind n */
	struct str *agents;  /* the same for names */
	size_t n_regions, n_agents;
};

struct service_conf {
	struct str name; /* "shop" or "shop@production" */
	struct endpoint_conf *endpoints;
	size_t n_endpoints;
	int64_t interval_us, probe_timeout_us;
	struct {
		int64_t interval_us, for_us;
		double max_rate; /* probes per second of all agents together */
	} burst;
	struct from_conf from;
	bool has_origin;
	struct str origin_connect_to;
	struct from_conf origin_from; /* the service's own when not said */
	struct {
		int64_t timeout_us, watch_us, rollout_grace_us, alert_after_us;
		double require, min_coverage;
		int64_t min_agents;
	} verify;
};

struct agent_conf_entry { /* an agent of a static fleet; the others are enrolled over the API */
	struct str name, region;
	struct sha256 token; /* of its 32 bytes */
};

struct collector_conf {
	struct str path;
	char *listen_http, *listen_agents;
	struct {
		char *ca, *cert, *key; /* file names; NULL when not said */
		bool require_agent_cert;
	} tls;
	char *store;
	struct http_token *http_tokens;
	size_t n_http_tokens;
	bool open_status;
	char *http_cert, *http_key;     /* PEM text; NULL: plain HTTP */
	bool status_incidents;
	char *status_name, *status_url; /* url NULL: not said */
	struct store_retention retention;
	int log_level, log_format; /* enum log_level, enum log_format */
	bool insecure;
	struct service_conf *services;
	size_t n_services;
	struct agent_conf_entry *agents;
	size_t n_agents;
	/* below: collector_conf.c's */
	struct conf *file;
	struct conf_mem *mem;
	_Atomic int refs;
};

/* Both give one reference. */
MUST_USE int collector_conf_load(const char *path, struct collector_conf **ret, struct err *err);
/* name is what errors call the file; files it names are looked up as they stand there. */
MUST_USE int collector_conf_parse(
	struct str text, const char *name, struct collector_conf **ret, struct err *err);
struct collector_conf *collector_conf_ref(struct collector_conf *c);
void collector_conf_unref(struct collector_conf *c); /* NULL is fine */
/* NULL: not configured. */
const struct service_conf *collector_conf_service(const struct collector_conf *c, struct str name);
/* The reference of every key, for --help. */
void collector_conf_describe(struct buf *out);

/* "/version?format=json" -> "version-format-json", "/" -> "root". url is checked. */
void endpoint_id_from_url(struct str url, struct buf *out);
bool from_matches(const struct from_conf *f, struct str agent, struct str region);

#endif
