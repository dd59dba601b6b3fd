/* refuse.h - arguments that no program here takes: said in one way, with the one that may be meant. */
#ifndef COLLECTOR_REFUSE_H
#define COLLECTOR_REFUSE_H

#include <getopt.h>

#include "base/str.h"

/* near: what was meant, or NULL. */
void refuse_argument(const char *who, struct str arg, const char *near);
/* What getopt_long() took for '?' or ':' (short options beginning with ':', long ones with values over 255
 * but for those that have a letter too). */
void refuse_option(const char *who, int answer, char **argv, const struct option *options);

#endif
