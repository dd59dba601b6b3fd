/* agent.h - threads of tidemark-agent, and what they share. The agent never listens on a port.
 *
 *   main    reads the configuration, starts and stops the rest, waits for signals (SIGHUP reloads, SIGTERM
 * drains) fetch   libcurl's multi interface on epoll: schedule, fetch, parse; seals results into batches
 * (fetch.h) spool   commits sealed batches to disk in groups (spool.h) uplink  owns the nng socket: Hello,
 * upload of what is spooled, Watch (uplink.h); nng has threads of its own below it
 *
 * Handed over: batches fetch -> spool -> uplink; assignments uplink -> fetch (assign.h); configuration main
 * -> the others, before they start or between two calls of theirs. Counters below are only ever added to.
 * Nothing is dropped in silence. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/agent_conf.h"
#include "agent/assign.h"
#include "agent/shortfall.h"
#include "agent/spool.h"

#define AGENT_USER_AGENT "tidemark-agent/" TIDEMARK_VERSION

struct agent_shared {
	const struct agent_conf *conf;
	struct spool *spool;
	struct assign_box *assignments;
	const char *addresses_path; /* where it keeps who answered for which name; NULL: nowhere */
	uint64_t epoch;             /* drawn at random at every start; batches are numbered from 1 in it */
	_Atomic uint64_t held_back; /* probes our own caps held back since start; fetch adds */
	struct shortfall_box shortfall;
};

/* The subcommands; argv[0] is the subcommand's name. Return the exit status. */
int probe_main(int argc, char **argv);
int explain_main(int argc, char **argv);

#endif
