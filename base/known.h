/* known.h - is this name one of those there are, and if not, which one was meant? Pure. */
#ifndef BASE_KNOWN_H
#define BASE_KNOWN_H

#include "base/nearest.h"

#define KNOWN_LISTED_MAX 12 /* names in one sentence */

struct known {
	struct str word;
	bool found;
	char **names; /* copies */
	size_t n, cap;
};
struct known known_start(struct str word);        /* borrows word */
void known_add(struct known *k, struct str name); /* one that is there; twice is once */
/* "; did you mean 'shop'?", or which ones there are: "; there are blog, shop", "; there is none". Into text,
 * cut at n; returns text. */
const char *known_says(const struct known *k, char *text, size_t n);
void known_end(struct known *k);

#endif
