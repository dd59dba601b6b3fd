/* replay.h - `tidemark-collector replay`: JSON Lines in, one JSON document out. The same reader and the same
 * engine as the live collector; reads no clock. */
#ifndef COLLECTOR_REPLAY_H
#define COLLECTOR_REPLAY_H

/* argv[0] is "replay". Exit status: 0; 1 a line was bad, or a file unreadable; 2 usage. */
int replay_main(int argc, char **argv);

#endif
