/* glob.h - patterns with '*', which stands for any run of bytes, none included; everything else is itself.
 * Pure. */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/str.h"

/* At most glob.n * text.n steps. any_case: ASCII letters in either case are the same. */
bool glob_matches(struct str glob, struct str text, bool any_case);

#endif
