/* agent_conf.h - agent.yaml. Read once at start and on SIGHUP; read-only in between. */
#ifndef AGENT_CONF_H
#define AGENT_CONF_H

#include "agent/spool.h"
#include "base/conf.h"
#include "base/log.h"
#include "proto/limits.h"

struct agent_tls {
	char *ca, *cert, *key; /* files; ca NULL: the system's */
	char *server_name;     /* NULL: the host of collector */
};
struct agent_spool {
	char *dir;
	int64_t max_size, max_age_us;
};
struct agent_log {
	int level, format; /* enum log_level, enum log_format */
};

struct agent_conf {
	char *name, *region;
	double latitude, longitude; /* both 0: not told */
	char *collector;            /* tls+tcp://host:port or tcp://host:port */
	char *host;                 /* of collector, without [] */
	bool use_tls;
	struct agent_tls tls;
	char *token; /* as enrolled: "tmk_..." */
	unsigned char token_bytes[HELLO_TOKEN_BYTES];
	struct agent_spool spool;
	const char *
		*allow_networks; /* checked: private and loopback addresses that may be probed all the same */
	size_t n_allow_networks;
	const char **allow_hosts; /* host names, "*.example.com" for subdomains; none: any host */
	size_t n_allow_hosts;
	const char **allow_env; /* variables of our environment that a collector may have sent; none: none */
	size_t n_allow_env;
	const char **connect_to; /* "HOST:PORT:TO_HOST:TO_PORT": where a name leads from here */
	size_t n_connect_to;
	char *probe_proxy;                  /* NULL: none */
	char *probe_proxy_auth;             /* "USER:PASSWORD"; NULL: none */
	double max_rate, max_rate_per_host; /* probes per second */
	int64_t max_inflight;
	char *user_agent; /* NULL: AGENT_USER_AGENT */
	int64_t reconnect_max_us;
	bool insecure; /* plain tcp:// beyond loopback */
	struct agent_log log;
	/* below: agent_conf.c's */
	struct conf *file;
	const struct conf_node *location_node, *networks_node, *hosts_node, *env_node, *routes_node;
};

MUST_USE int agent_conf_load(const char *path, struct agent_conf **ret, struct err *err);
/* name is what errors call the file. */
MUST_USE int agent_conf_parse(struct str text, const char *name, struct agent_conf **ret, struct err *err);
void agent_conf_free(struct agent_conf *c); /* NULL is fine */
/* The reference of every key, for --help. */
void agent_conf_describe(struct buf *out);

#endif
