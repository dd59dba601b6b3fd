/* main.c - tidemark-collector: options, signals, start and stop. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/process.h"
#include "collector/export.h"
#include "collector/hub_run.h"
#include "collector/refuse.h"
#include "collector/replay.h"
#include "collector/upkeep.h"

#define PROGRAM "tidemark-collector"
#define DRAIN_LIMIT_S                                                                                        \
	60 /* a hung disk or library must not keep a stopped collector alive: what counts is on disk */
#define DEFAULT_CONFIG "/etc/tidemark/collector.yaml"

enum exit_status { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	const char *config;
	bool check, help, version;
};

static void print_help(void)
{
	struct buf keys;
	buf_init(&keys, 256 * 1024);
	collector_conf_describe(&keys);
	printf("usage: " PROGRAM " [--config FILE] [--config.check]\n"
	       "       " PROGRAM " replay [--at TIME] [--transitions] FILE...\n"
	       "       " PROGRAM " export --config FILE | --store sqlite:PATH\n"
	       "       " PROGRAM " check --config FILE | --store sqlite:PATH\n"
	       "       " PROGRAM " backup --config FILE | --store sqlite:PATH TO\n"
	       "       " PROGRAM " restore --config FILE | --store sqlite:PATH FROM\n"
	       "\n"
	       "Collects what agents see of every edge and says how far each deploy has come.\n"
	       "\n"
	       "  --config FILE    what to watch, where to listen\n"
	       "                   (default " DEFAULT_CONFIG ")\n"
	       "  --config.check   read the file, say what is wrong with it, and end\n"
	       "  --version        print the version\n"
	       "  --help           this\n"
	       "\n"
	       "SIGHUP or POST /-/reload reads the file again; SIGTERM stops taking results,\n"
	       "commits, and ends. ${NAME} in the file is replaced from the environment; secrets\n"
	       "may be given as KEY_file: PATH.\n"
	       "\n"
	       "%.*s",
		STR_ARG(buf_str(&keys)));
	buf_fini(&keys);
}

static int refuse(struct str arg)
{
	static const char *const known[] = { "--config", "--config.check", "--version", "--help", "replay",
		"export", "check", "backup", "restore" };
	struct nearest near = nearest_to(arg);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		nearest_try(&near, known[i]);
	if (str_is(arg, "--config"))
		fprintf(stderr,
			PROGRAM ": a file is missing behind '--config'; --help shows what there is\n");
	else
		refuse_argument(PROGRAM, arg, near.best);
	return EXIT_USAGE;
}

static int options_read(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		struct str arg = str_of(argv[i]);
		if (str_is(arg, "--config") && i + 1 < argc) {
			o->config = argv[++i];
		} else if (str_starts(arg, "--config=")) {
			o->config = argv[i] + strlen("--config=");
		} else if (str_is(arg, "--config.check")) {
			o->check = true;
		} else if (str_is(arg, "--help") || str_is(arg, "-h")) {
			o->help = true;
		} else if (str_is(arg, "--version")) {
			o->version = true;
		} else {
			return refuse(arg);
		}
	}
	return EXIT_FINE;
}

/* -- running -- */

struct running {
	struct hub *hub;
	struct http *http;
};

static struct http_options http_options_of(const struct collector_conf *c)
{
	return (struct http_options){
		.listen = str_of(c->listen_http),
		.tokens = c->http_tokens,
		.n_tokens = c->n_http_tokens,
		.open_status = c->open_status,
		.page_title = str_of(c->status_name),
		.page_url = str_of(c->status_url),
		.draft_incidents = !c->status_incidents,
		.tls_cert = c->http_cert,
		.tls_key = c->http_key,
	};
}

static void on_reload(void *ctx, const struct collector_conf *c)
{
	struct running *r = ctx;
	struct http_options o = http_options_of(c);
	log_init(PROGRAM, (enum log_level)c->log_level, (enum log_format)c->log_format);
	conf_warnings_log(c->file);
	http_set_options(r->http, &o);
}

static int start(struct running *r, struct collector_conf *c, struct err *err)
{
	struct http_options o = http_options_of(c);
	int rc = hub_start(c, &r->hub, err);
	if (rc == 0)
		rc = http_start(r->hub, &o, &r->http, err);
	if (rc < 0)
		return rc;
	hub_on_reload(r->hub, on_reload, r);
	struct str host = str_first(o.listen, (size_t)str_rfind(o.listen, ':'));
	log_info("listening", "http=%.*s:%d agents=%s store=%s services=%zu version=" TIDEMARK_VERSION,
		STR_ARG(host), http_port(r->http), hub_agents_address(r->hub), c->store, c->n_services);
	return 0;
}

static void stop(struct running *r)
{
	if (r->hub)
		hub_on_reload(r->hub, NULL, NULL);
	http_stop(r->http);
	hub_stop(r->hub);
}

static int run(struct collector_conf *c)
{
	struct running r = { 0 };
	struct err err = { 0 };
	sigset_t set;
	int sig = 0, status = EXIT_FINE;
	/* Blocked before any thread is made, so that signals come to this one, here. */
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (start(&r, c, &err) < 0) {
		log_error("start_failed", "err=\"%s\"", err.text);
		status = EXIT_FAILED;
	}
	while (status == EXIT_FINE && sig != SIGINT && sig != SIGTERM) {
		if (sigwait(&set, &sig) == 0 && sig == SIGHUP)
			(void)hub_reload(
				r.hub, NULL); /* it has said what is wrong, and the old one goes on */
	}
	if (status == EXIT_FINE)
		log_info(
			"stopping", "signal=%s taking nothing more, committing what is here", strsignal(sig));
	alarm(DRAIN_LIMIT_S);
	stop(&r);
	alarm(0);
	if (status == EXIT_FINE)
		log_info("stopped", "everything acknowledged is on disk");
	return status;
}

int main(int argc, char **argv)
{
	struct options o = { .config = DEFAULT_CONFIG };
	struct collector_conf *c;
	struct err err = { 0 };
	process_harden();
	process_open_files();
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = { { "replay", replay_main }, { "export", export_main }, { "check", check_main },
		{ "backup", backup_main }, { "restore", restore_main } };
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	int status = options_read(argc, argv, &o);
	if (status != EXIT_FINE)
		return status;
	if (o.help) {
		print_help();
		return EXIT_FINE;
	}
	if (o.version) {
		printf(PROGRAM " " TIDEMARK_VERSION "\n");
		return EXIT_FINE;
	}
	if (collector_conf_load(o.config, &c, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILED;
	}
	if (o.check) {
		conf_warnings_print(c->file);
		printf("%s: fine, %zu service%s\n", o.config, c->n_services, c->n_services == 1 ? "" : "s");
	} else {
		log_init(PROGRAM, (enum log_level)c->log_level, (enum log_format)c->log_format);
		conf_warnings_log(c->file);
		status = run(c);
	}
	collector_conf_unref(c);
	return status;
}
