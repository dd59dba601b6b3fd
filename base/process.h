/* process.h - what a long-running program asks of the kernel for itself. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "base/util.h"

/* No core file and no ptrace by others of this user (prctl(2), PR_SET_DUMPABLE): tokens and keys are in memory. No
 * program it may start gains privileges (PR_SET_NO_NEW_PRIVS). TIDEMARK_CORE=on in the environment keeps core files, for
 * whoever looks for a fault. */
void process_harden(void);

/* As many open files as the kernel lets us have (RLIMIT_NOFILE, the soft limit raised to the hard one): each agent and each
 * reader takes one. Returns how many. */
uint64_t process_open_files(void);

#endif
