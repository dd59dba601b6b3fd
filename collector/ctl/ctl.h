/* ctl.h - the client `tidemark`: commands against the collector's HTTP API. One thread, no state on disk. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "collector/ctl/api.h"
#include "collector/ctl/args.h"
#include "collector/ctl/term.h"

enum exit_code { /* scripts rely on them */
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* verify: a wrong version is served; others: the collector refused */
	EXIT_USAGE = 2,
	EXIT_INCONCLUSIVE = 3, /* verify: data or time is missing, or no such deploy was announced */
	EXIT_SUPERSEDED = 4,   /* verify: superseded or aborted */
	EXIT_UNREACHABLE = 5,  /* no collector there, or none that makes sense */
};

struct ctl {
	/* as given */
	const char *server, *token_file, *ca, *output;
	bool no_color, wide, help, version;
	/* made of it */
	bool json;
	struct api *api;
	struct term term;
};

struct command {
	const char *name, *usage, *says;
	const struct opt *opts;
	size_t size; /* of the struct that opts fill */
	size_t min_args, max_args;
	int (*run)(struct ctl *c, void *options, const struct texts *args);
	void (*defaults)(void *options); /* may be NULL */
	void (*fini)(void *options);     /* may be NULL */
	const char *more;                /* the end of its help; may be NULL */
};
extern const struct command cmd_deploy, cmd_purge, cmd_verify, cmd_status, cmd_edges, cmd_agents, cmd_watch, cmd_incidents, cmd_postmortem;

/* Prints "tidemark: sentence" on stderr; the exit code that goes with an api error. */
int ctl_fail(const struct err *err);
/* The same for what is wrong with the command line. */
int ctl_usage(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A service of this name? Else prints which there are and returns an exit code. *ret (may be NULL) is the
 * caller's. */
int ctl_find_service(struct ctl *c, const char *name, json_t **ret);
void key_new(char text[40]); /* an Idempotency-Key */

#endif
