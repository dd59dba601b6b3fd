/* export.h - `tidemark-collector export`: the journal of a store as replay's JSON Lines. Reads only; may run
 * beside the collector. */
#ifndef COLLECTOR_EXPORT_H
#define COLLECTOR_EXPORT_H

/* argv[0] is "export". Exit status: 0; 1 it could not be read whole; 2 usage. */
int export_main(int argc, char **argv);

#endif
