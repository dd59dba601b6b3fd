/* upkeep.h - tidemark-collector check, backup and restore. What main() returns. */
#ifndef COLLECTOR_UPKEEP_H
#define COLLECTOR_UPKEEP_H

int check_main(int argc, char **argv);
int backup_main(int argc, char **argv);
int restore_main(int argc, char **argv);

#endif
