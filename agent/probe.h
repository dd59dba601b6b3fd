/* probe.h - the parts of `tidemark-agent probe`: what was asked (probe_options.c), fetching (probe.c) and
 * what to say about it (probe_show.c). One thread; private to these files. */
#ifndef AGENT_PROBE_H
#define AGENT_PROBE_H

#include "agent/addresses.h"
#include "agent/answer.h"
#include "agent/target.h"
#include "base/buf.h"

#define PROBE_URLS_MAX 64

struct probe {
	struct assign_endpoint endpoint; /* all but the URL */
	struct assign_header headers[ASSIGN_HEADERS_MAX];
	const char *ca_file;
	const char *proxy, *proxy_user; /* NULL: none */
	uint32_t timeout_ms;
	bool asked, public_only, json, resolve_all;
	size_t left;
};

struct probe_result { /* of one URL */
	struct probe *p;
	const char *url;
	char address[ADDRESS_TEXT_MAX]; /* of --resolve-all; else empty */
	struct buf out;
	bool failed;
};

/* 0: go on, optind is at the first URL; otherwise end with this status, less 1. */
int probe_options_read(struct probe *p, int argc, char **argv);
/* Writes the answer into r->out, as the options want it. */
void probe_show(struct probe_result *r, const struct answer *a);

#endif
