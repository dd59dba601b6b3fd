/* The agent's main thread: see agent.h for the others. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/prober.h"
#include "agent/uplink.h"
#include "base/clock.h"
#include "base/process.h"

#define EXIT_USAGE 2
#define FLUSH_US   (2 * US_PER_S)
#define DRAIN_US   (5 * US_PER_S)
#define LEAVE_US   US_PER_S
#define STOP_LIMIT_S                                                                                         \
	20 /* the whole of stopping; after it the process ends all the same, what counts is on disk */

static const char usage_text[] =
	"usage: tidemark-agent --config FILE                  probe what is assigned\n"
	"       tidemark-agent --config FILE --config.check   is the file fine?\n"
	"       tidemark-agent probe [OPTION]... URL...       fetch once, say what came\n"
	"       tidemark-agent explain [OPTION]... [FILE...]  what do headers tell?\n"
	"       tidemark-agent --version | --help\n"
	"\n"
	"SIGHUP reads the file again (a bad one changes nothing); SIGTERM sends what is\n"
	"left and ends. probe and explain need no collector, and have a --help of their\n"
	"own.\n";
static const char keys_text[] =
	"\n"
	"FILE is YAML; ${NAME} in it is replaced from the environment; token may be given\n"
	"as token_file: PATH. Its keys:\n"
	"\n";

static int print_help(void)
{
	struct buf out;
	buf_init(&out, 1024 * 1024);
	agent_conf_describe(&out);
	printf("%s%s%.*s", usage_text, keys_text, STR_ARG(buf_str(&out)));
	buf_fini(&out);
	return 0;
}

struct options {
	const char *config;
	bool check, version, help;
};

static int read_options(int argc, char **argv, struct options *ret)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "config.check", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'c')
			ret->config = optarg;
		else if (opt == 'k')
			ret->check = true;
		else if (opt == 'v')
			ret->version = true;
		else if (opt == 'h')
			ret->help = true;
		else
			return -1;
	}
	if (optind < argc)
		fprintf(stderr, "tidemark-agent: '%s' is not expected here\n", argv[optind]);
	return optind < argc ? -1 : 0;
}

/* ---- running ---- */

struct running {
	const char *config_path;
	struct agent_conf *conf;
	struct agent_shared shared;
	struct prober *prober;
	struct uplink *uplink;
	char *assign_path, *addresses_path;
};

static struct spool_limits limits_of(const struct agent_conf *c)
{
	return (struct spool_limits){ .max_bytes = c->spool.max_size, .max_age_us = c->spool.max_age_us };
}

static int open_spool(struct running *r, struct err *err)
{
	struct spool_limits limits = limits_of(r->conf);
	int rc = spool_open(r->conf->spool.dir, &limits, &r->shared.spool, err);
	if (rc != ERR_CORRUPT)
		return rc;
	log_error("spool_damaged", "err=\"%s\" set aside, starting with an empty one", err->text);
	rc = spool_set_aside(r->conf->spool.dir, err);
	return rc < 0 ? rc : spool_open(r->conf->spool.dir, &limits, &r->shared.spool, err);
}

static void load_assignments(struct running *r)
{
	struct assign_set *set;
	struct err err;
	int rc = assign_load(r->assign_path, &set, &err);
	if (rc == 0) {
		log_info("assignments_from_disk", "services=%zu generation=%" PRIu64, set->a.n_services,
			set->a.generation);
		assign_box_put(r->shared.assignments, set);
	} else if (rc != ERR_NOT_FOUND) {
		log_warn("assignments_lost", "err=\"%s\"", err.text);
	}
}

static int start(struct running *r, struct err *err)
{
	struct buf path;
	r->shared.conf = r->conf;
	r->shared.epoch = random_u64();
	r->shared.assignments = assign_box_new();
	buf_init(&path, 4096);
	buf_addf(&path, "%s/assignments", r->conf->spool.dir);
	r->assign_path = buf_take(&path, NULL);
	buf_init(&path, 4096);
	buf_addf(&path, "%s/addresses", r->conf->spool.dir);
	r->shared.addresses_path = r->addresses_path = buf_take(&path, NULL);
	int rc = open_spool(r, err);
	if (rc < 0)
		return rc;
	load_assignments(r);
	rc = prober_start(&r->shared, &r->prober, err);
	if (rc == 0)
		rc = uplink_start(&r->shared, r->assign_path, &r->uplink, err);
	return rc;
}

/* In this order: what was probed goes to the spool, what is spooled to the collector, the rest stays on disk.
 */
static void stop(struct running *r)
{
	struct err err;
	struct spool_stats s = { 0 };
	prober_stop(r->prober);
	if (r->shared.spool && spool_flush(r->shared.spool, FLUSH_US, &err) < 0)
		log_error("spool_not_flushed",
			"err=\"%s\" what is in memory only is sent if the collector answers, else lost",
			err.text);
	if (r->uplink) {
		(void)uplink_drain(r->uplink, DRAIN_US); /* what is left, the spool says below */
		(void)uplink_leave(r->uplink, LEAVE_US); /* else the collector notices by itself */
	}
	uplink_stop(r->uplink);
	if (r->shared.spool)
		spool_stats(r->shared.spool, &s);
	spool_close(r->shared.spool);
	assign_box_free(r->shared.assignments);
	if (r->shared.spool)
		log_info(
			"stopped", "all_sent=%s left_in_spool=%" PRIu64, s.batches ? "no" : "yes", s.batches);
	agent_conf_free(r->conf);
	free(r->assign_path);
	free(r->addresses_path);
}

/* A file that is no good, or asks for what a running agent cannot do, changes nothing. */
static int reload(struct running *r, struct err *err)
{
	struct agent_conf *fresh, *old = r->conf;
	int rc = agent_conf_load(r->config_path, &fresh, err);
	if (rc < 0)
		return rc;
	if (strcmp(fresh->spool.dir, old->spool.dir) != 0 || strcmp(fresh->name, old->name) != 0)
		rc = err_set(err, ERR_UNSUPPORTED, "%s: name and spool.dir change with a restart only",
			r->config_path);
	if (rc == 0)
		rc = prober_reload(r->prober, fresh, err);
	if (rc < 0) {
		agent_conf_free(fresh);
		return rc;
	}
	/* always anew: certificates are replaced under their old names */
	uplink_stop(r->uplink);
	r->uplink = NULL;
	r->shared.conf = fresh;
	rc = uplink_start(&r->shared, r->assign_path, &r->uplink, err);
	if (rc < 0) {
		struct err again = { 0 };
		r->shared.conf = old;
		if (prober_reload(r->prober, old, &again) < 0 ||
			uplink_start(&r->shared, r->assign_path, &r->uplink, &again) < 0)
			log_error("reload_stuck",
				"err=\"%s\" probing goes on, results stay in the spool; restart the agent",
				again.text);
		agent_conf_free(fresh);
		return rc;
	}
	struct spool_limits limits = limits_of(fresh);
	spool_set_limits(r->shared.spool, &limits);
	log_init("tidemark-agent", (enum log_level)fresh->log.level, (enum log_format)fresh->log.format);
	conf_warnings_log(fresh->file);
	r->conf = fresh;
	agent_conf_free(old);
	return 0;
}

static void on_stop_limit(int sig)
{
	static const char text[] =
		"tidemark-agent: stopping took too long; ending now, the spool is on disk\n";
	(void)sig;
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)n; /* nothing left to tell it to */
	_exit(EXIT_FAILURE);
}

/* Waits for signals until one says stop. */
static void serve(struct running *r, const sigset_t *signals)
{
	int sig;
	while ((sig = sigwaitinfo(signals, NULL)) != SIGTERM && sig != SIGINT) {
		struct err err;
		if (sig != SIGHUP)
			continue;
		if (reload(r, &err) < 0)
			log_error(
				"reload_failed", "err=\"%s\" the old configuration stays in force", err.text);
		else
			log_info("reloaded", "config=%s", r->config_path);
	}
	log_info("stopping", "signal=%s sending what is left", sig == SIGTERM ? "SIGTERM" : "SIGINT");
}

static int run(const char *path, struct agent_conf *conf)
{
	struct running r = { .config_path = path, .conf = conf };
	struct err err;
	sigset_t signals;
	/* before any thread is made, so that all of them inherit it */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(0077); /* spool and assignments may hold what only this agent should read */
	signal(SIGALRM, on_stop_limit);
	log_init("tidemark-agent", (enum log_level)conf->log.level, (enum log_format)conf->log.format);

	conf_warnings_log(conf->file);
	int rc = start(&r, &err);
	if (rc < 0) {
		log_error("start_failed", "err=\"%s\"", err.text);
	} else {
		log_info("started", "version=%s name=%s region=%s collector=%s epoch=%016" PRIx64,
			TIDEMARK_VERSION, conf->name, conf->region, conf->collector, r.shared.epoch);
		serve(&r, &signals);
	}
	alarm(STOP_LIMIT_S);
	stop(&r);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct agent_conf *conf;
	struct err err;
	process_harden();
	process_open_files();
	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return probe_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "explain") == 0)
		return explain_main(argc - 1, argv + 1);
	if (read_options(argc, argv, &o) < 0 || (!o.config && !o.version && !o.help)) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	if (o.help)
		return print_help();
	if (o.version) {
		printf("tidemark-agent %s\n", TIDEMARK_VERSION);
		return EXIT_SUCCESS;
	}
	if (agent_conf_load(o.config, &conf, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	if (o.check) {
		conf_warnings_print(conf->file);
		printf("%s: good\n", o.config);
		agent_conf_free(conf);
		return EXIT_SUCCESS;
	}
	return run(o.config, conf);
}
