/* conf_fixture.h - a configuration like the collector's, for the tests of conf. */
#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"

/* -- a configuration like the collector's -- */

enum mode { MODE_OFF, MODE_ASK, MODE_ON };
static const char *const mode_words[] = { "off", "ask", "on", NULL };

struct burst {
	int64_t interval_us, for_us;
	double max_rate;
};
struct listen {
	char *http, *agents;
};
struct top {
	char *name, *store;
	struct listen listen;
	char *token, *password;
	bool open;
	int64_t port, spool_max;
	double weight, require;
	int mode;
	struct burst burst;
	const struct conf_node *services, *headers;
};
struct service {
	char *name;
	int64_t interval_us;
	struct burst burst;
};

static const struct conf_field burst_fields[] = {
	{ "interval", CONF_DURATION, offsetof(struct burst, interval_us), "100ms", "1m", "1s",
		.says = "pause in a burst" },
	{ "for", CONF_DURATION, offsetof(struct burst, for_us), NULL, NULL, "15m",
		.says = "how long a burst lasts" },
	{ "max_rate", CONF_RATE, offsetof(struct burst, max_rate), "1/min", "1000/s", "20/s",
		.says = "probes of the whole fleet" },
	{ .key = NULL },
};
static const struct conf_field listen_fields[] = {
	{ "http", CONF_STR, offsetof(struct listen, http), .dflt = "127.0.0.1:8470",
		.says = "where the API listens" },
	{ "agents", CONF_STR, offsetof(struct listen, agents), .says = "where agents dial",
		.required = true },
	{ .key = NULL },
};
static const struct conf_field top_fields[] = {
	{ "name", CONF_STR, offsetof(struct top, name), .says = "who we are" },
	{ "store", CONF_STR, offsetof(struct top, store), .dflt = "sqlite:tidemark.db",
		.says = "where the journal is" },
	{ "listen", CONF_MAP, offsetof(struct top, listen), .sub = listen_fields },
	{ "token", CONF_SECRET, offsetof(struct top, token), .says = "proves who we are" },
	{ "password", CONF_SECRET, .offset = offsetof(struct top, password) },
	{ "open", CONF_BOOL, offsetof(struct top, open), .dflt = "off" },
	{ "port", CONF_INT, offsetof(struct top, port), "1", "65535", "8470", .says = "a port" },
	{ "spool_max", CONF_SIZE, offsetof(struct top, spool_max), "64KiB", "1GiB", "256MiB",
		.says = "disk" },
	{ "weight", CONF_DOUBLE, offsetof(struct top, weight), "-1", "1.5", "0.5", .says = "weight" },
	{ "require", CONF_SHARE, offsetof(struct top, require), .dflt = "100%" },
	{ "mode", CONF_ENUM, offsetof(struct top, mode), .dflt = "ask", .words = mode_words,
		.says = "what to do" },
	{ "burst", CONF_MAP, offsetof(struct top, burst), .sub = burst_fields },
	{ "services", CONF_NODE, offsetof(struct top, services), .says = "what is watched" },
	{ "headers", CONF_NODE, .offset = offsetof(struct top, headers) },
	{ .key = NULL },
};
static const struct conf_field service_fields[] = {
	{ "name", CONF_STR, offsetof(struct service, name), .required = true, .says = "the service" },
	{ "interval", CONF_DURATION, offsetof(struct service, interval_us), "1s", "1h", "30s",
		.says = "pause between two probes" },
	{ "burst", CONF_MAP, offsetof(struct service, burst), .sub = burst_fields },
	{ .key = NULL },
};

static inline int read_top(
	struct str text, const char *name, struct conf **ret_conf, struct top *top, struct err *err)
{
	struct conf *c = NULL;
	int rc = conf_parse(text, name, &c, err);
	*top = (struct top){ 0 };
	if (rc == 0)
		rc = conf_read(c, conf_root(c), top_fields, top, err);
	for (size_t i = 0; rc == 0 && i < conf_list_size(top->services); i++) {
		struct service s = { 0 };
		rc = conf_read(c, conf_list_at(top->services, i), service_fields, &s, err);
	}
	if (rc < 0)
		conf_free(c);
	else
		*ret_conf = c;
	return rc;
}

static inline void repeat(struct buf *b, const char *what, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_add_str(b, str_of(what));
}

#endif
