#include "collector/export.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/known.h"
#include "base/units.h"
#include "collector/collector_conf.h"
#include "collector/derived_json.h"
#include "collector/entry_json.h"
#include "collector/refuse.h"

#define LINES_MAX (256 * 1024 * 1024) /* of one entry: a batch is 500 lines */

static const char usage[] =
	"usage: tidemark-collector export [--config FILE | --store URI] [--from TIME]\n"
	"                                 [--service S] [--transitions]\n"
	"Prints the journal as JSON Lines for replay, oldest first; the last line says\n"
	"how far time has come.\n"
	"  --config FILE  the collector's configuration, for its store\n"
	"  --store URI    sqlite:PATH\n"
	"  --from TIME    without what was observed and received before; services,\n"
	"                 deploys and the like stay\n"
	"  --service S    only this service, and what concerns all of them\n"
	"  --transitions  instead: {\"transitions\",\"verdicts\"} as the live run stored\n"
	"                 them, as replay prints its own\n"
	"exit status: 0 done, 1 the store could not be read whole,\n"
	"or knows no such service, 2 usage\n";

struct export
{
	struct store *store;
	struct entry_reader *reader;
	struct buf out;
	struct str service;
	int64_t from_us; /* TIME_NONE: all */
	uint64_t n_bad;
	bool first;
};

static int put_out(struct export *x)
{
	bool ok = fwrite(x->out.p, 1, x->out.n, stdout) == x->out.n;
	if (!ok && errno != EPIPE)
		fprintf(stderr, "export: cannot write: %s\n", strerror(errno));
	buf_clear(&x->out);
	return ok ? 0 : ERR_IO;
}

static int on_entry(void *ctx, const struct entry *e)
{
	struct export *x = ctx;
	struct err err;
	bool observed = e->kind == ENTRY_BATCH || e->kind == ENTRY_OBSERVATION;
	if (x->service.n && e->service.n && !str_eq(e->service, x->service))
		return 0;
	if (observed && x->from_us != TIME_NONE && e->received_at_us < x->from_us)
		return 0;
	buf_clear(&x->out);
	if (entry_to_lines(x->reader, e, &x->out, &err) < 0) {
		fprintf(stderr, "export: left out: %s\n", err.text);
		x->n_bad++;
		return 0;
	}
	return put_out(x);
}

static int export_journal(struct export *x)
{
	struct err err = { 0 };
	int rc = store_each_entry(x->store, 0, on_entry, x, &err);
	if (rc < 0) {
		if (err.code)
			fprintf(stderr, "export: %s\n", err.text);
		return rc;
	}
	int64_t alive_us = store_alive_at_us(x->store), last_us = store_last_received_us(x->store);
	alive_us = MAX(alive_us, last_us);
	if (alive_us == TIME_NONE)
		return 0; /* a store that never was written to */
	buf_clear(&x->out);
	buf_addf(&x->out, "{\"type\":\"clock\",\"at\":%" PRId64 "}\n", alive_us);
	return put_out(x);
}

/* -- what the live run put out -- */

static int on_transition(void *ctx, const struct transition *t)
{
	struct export *x = ctx;
	if (!x->first)
		buf_add(&x->out, ",\n", 2);
	x->first = false;
	transition_to_json(t, &x->out);
	return put_out(x);
}

static int on_verdict(void *ctx, const struct deploy_change *c)
{
	struct export *x = ctx;
	if (x->service.n && !str_eq(c->service, x->service))
		return 0;
	if (!x->first)
		buf_add(&x->out, ",\n", 2);
	x->first = false;
	verdict_to_json(c, &x->out);
	return put_out(x);
}

static int export_transitions(struct export *x)
{
	struct err err = { 0 };
	int64_t from_us = x->from_us == TIME_NONE ? INT64_MIN : x->from_us;
	x->first = true;
	buf_addf(&x->out, "{\"transitions\":[");
	int rc = store_each_transition(
		x->store, x->service, STR_NONE, STR_NONE, from_us, INT64_MAX, 0, on_transition, x, &err);
	if (rc == 0) {
		x->first = true;
		buf_addf(&x->out, "],\n\"verdicts\":[");
		rc = store_each_verdict(x->store, 0, on_verdict, x, &err);
	}
	if (rc == 0) {
		buf_addf(&x->out, "]}\n");
		rc = put_out(x);
	}
	if (rc < 0 && err.code)
		fprintf(stderr, "export: %s\n", err.text);
	return rc;
}

/* -- a service that is not there is no empty journal -- */

static int on_named(void *ctx, const struct entry *e)
{
	struct known *k = ctx;
	if (e->service.n > 0)
		known_add(k, e->service);
	return k->found; /* 1 ends the walk: a service's first entry is near the beginning */
}

static int service_check(struct export *x)
{
	char says[768];
	struct err err = { 0 };
	struct known k = known_start(x->service);
	int rc = store_each_entry(x->store, 0, on_named, &k, &err);
	if (rc < 0)
		fprintf(stderr, "export: %s\n", err.text);
	else if (!k.found)
		fprintf(stderr, "export: the journal knows no service '%.*s'%s\n", STR_ARG(x->service),
			known_says(&k, says, sizeof(says)));
	bool found = k.found;
	known_end(&k);
	return rc < 0 ? rc : found ? 0 : ERR_NOT_FOUND;
}

static int export_run(struct export *x, const char *uri, bool transitions)
{
	struct err err = { 0 };
	int rc = store_open(uri, STORE_READ, &x->store, &err);
	if (rc < 0) {
		fprintf(stderr, "export: %s\n", err.text);
		return 1;
	}
	buf_init(&x->out, LINES_MAX);
	x->reader = entry_reader_new();
	if (x->service.n > 0)
		rc = service_check(x);
	if (rc == 0)
		rc = transitions ? export_transitions(x) : export_journal(x);
	if (rc == 0 && fflush(stdout) != 0)
		rc = ERR_IO;
	entry_reader_free(x->reader);
	buf_fini(&x->out);
	store_close(x->store);
	return rc < 0 || x->n_bad > 0 ? 1 : 0;
}

/* The store's address, from the configuration where that is given; free() it. NULL: said why. */
static char *find_store(const char *config, const char *uri)
{
	struct collector_conf *conf = NULL;
	struct err err = { 0 };
	if (uri != NULL)
		return mem_strdup(uri);
	if (collector_conf_load(config, &conf, &err) < 0) {
		fprintf(stderr, "export: %s\n", err.text);
		return NULL;
	}
	char *found = mem_strdup(conf->store);
	collector_conf_unref(conf);
	return found;
}

int export_main(int argc, char **argv)
{
	enum { OPT_CONFIG = 256, OPT_STORE, OPT_FROM, OPT_SERVICE, OPT_TRANSITIONS };
	static const struct option options[] = { { "config", required_argument, NULL, OPT_CONFIG },
		{ "store", required_argument, NULL, OPT_STORE },
		{ "from", required_argument, NULL, OPT_FROM },
		{ "service", required_argument, NULL, OPT_SERVICE },
		{ "transitions", no_argument, NULL, OPT_TRANSITIONS }, { "help", no_argument, NULL, 'h' },
		{ 0 } };
	struct export x = { .from_us = TIME_NONE };
	struct err err = { 0 };
	const char *config = NULL, *uri = NULL;
	bool transitions = false;
	int c;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (c) {
		case OPT_CONFIG:
			config = optarg;
			break;
		case OPT_STORE:
			uri = optarg;
			break;
		case OPT_SERVICE:
			x.service = str_of(optarg);
			break;
		case OPT_TRANSITIONS:
			transitions = true;
			break;
		case OPT_FROM:
			if (time_parse(str_of(optarg), &x.from_us, &err) < 0) {
				fprintf(stderr, "export: --from: %s\n", err.text);
				return 2;
			}
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			refuse_option("export", c, argv, options);
			return 2;
		}
	}
	if (optind < argc || (config == NULL) == (uri == NULL)) {
		fprintf(stderr, "export: want one of --config FILE and --store URI, and nothing besides\n%s",
			usage);
		return 2;
	}
	char *found = find_store(config, uri);
	int status = found ? export_run(&x, found, transitions) : 1;
	free(found);
	return status;
}
