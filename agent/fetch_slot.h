/* fetch_slot.h - one libcurl handle, what it is fetching and what has come so far. Private to fetch*.c. */
#ifndef AGENT_FETCH_SLOT_H
#define AGENT_FETCH_SLOT_H

#include <netinet/in.h>

#include "agent/fetch_loop.h"
#include "agent/fetch_names.h"
#include "base/buf.h"

struct fetch_env { /* what all slots of one fetch share */
	struct loop loop;
	const struct netpolicy *policy;
	uint32_t policy_number; /* counts the policies there were */
	bool recheck;           /* the policy changed: kept connections were made under another */
	const char *ca_file;
	struct fetch_names names; /* lookups under way, and those left alone that may still be */
};

struct slot {
	uint32_t magic;
	struct fetch_env *env;
	CURL *easy;
	struct slot *next_free, *next_all;
	struct target *t; /* NULL: free */
	void *user;
	bool burst;
	int64_t began_us;                     /* monotonic */
	int64_t first_boot_us, first_wall_us; /* first byte of the answer; 0: none yet */
	bool looking_up;                      /* counted in env->names */
	bool postponed;                       /* would have been one lookup too many: to be started again */
	bool looked_up, opened, sent, too_big, whole_block;
	int block_status;
	size_t header_bytes, header_lines, body_bytes;
	bool by_proxy;           /* as the policy was when it started */
	const char *refused_why; /* kind of address that was refused last */
	uint32_t hops;
	uint32_t set_policy_number;
	bool set, set_fresh; /* which options the handle has from the fetch before */
	int set_ip_version;
	struct obs_timing before; /* of redirects followed */
	struct buf headers, body;
	struct sockaddr_in6 tried; /* or an IPv4 one; AF_UNSPEC: none yet */
	char ip[INET6_ADDRSTRLEN];
	char error[CURL_ERROR_SIZE];
	char why[256];
};
#define SLOT_MAGIC 0x51070a11u

struct slot *slot_new(struct fetch_env *env);
void slot_free(struct slot *s);
/* Starts (or, after a redirect, goes on) with url; s->t and its like are set. Forgets what had come before.
 */
void slot_go(struct slot *s, const char *url, int32_t timeout_ms);
/* libcurl is done with it. Afterwards nothing is under way. */
void slot_stop(struct slot *s);
/* The redirect that has come, when it may be followed: free() it. NULL: there is none. */
char *slot_redirect(const struct slot *s);
void slot_timing(const struct slot *s, struct obs_timing *ret);
/* What it came to. The strings are borrowed from the slot. */
void slot_transfer(struct slot *s, CURLcode code, struct transfer *ret);

#endif
