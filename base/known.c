/* known.c - see known.h */
#include "base/known.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"

struct known known_start(struct str word)
{
	return (struct known){ .word = word };
}

void known_add(struct known *k, struct str name)
{
	for (size_t i = 0; i < k->n; i++)
		if (str_is(name, k->names[i]))
			return;
	k->names = mem_grow(k->names, &k->cap, k->n + 1, sizeof(*k->names));
	k->names[k->n++] = str_dup(name);
	k->found = k->found || str_eq(name, k->word);
}

/* shop, where there is only shop@production: its environment was forgotten. */
static const char *with_environment(const struct known *k)
{
	const char *best = NULL;
	for (size_t i = 0; i < k->n; i++) {
		struct str name = str_of(k->names[i]);
		if (name.n <= k->word.n || name.p[k->word.n] != '@' ||
			!str_eq(str_first(name, k->word.n), k->word))
			continue;
		if (best != NULL)
			return NULL; /* several: all are listed */
		best = name.p;
	}
	return best;
}

const char *known_says(const struct known *k, char *text, size_t n)
{
	struct nearest near = nearest_to(k->word);
	for (size_t i = 0; i < k->n; i++)
		nearest_try(&near, k->names[i]);
	const char *best = near.best ? near.best : with_environment(k);
	if (best != NULL) {
		snprintf(text, n, "; did you mean '%s'?", best);
		return text;
	}
	snprintf(text, n, "; there %s", k->n > 1 ? "are " : k->n == 1 ? "is only " : "is none");
	for (size_t i = 0; i < k->n && i < KNOWN_LISTED_MAX; i++) {
		size_t used = strlen(text);
		snprintf(text + used, n - used, "%s%s", i ? ", " : "", k->names[i]);
	}
	size_t used = strlen(text);
	if (k->n > KNOWN_LISTED_MAX)
		snprintf(text + used, n - used, " and %zu more", k->n - KNOWN_LISTED_MAX);
	return text;
}

void known_end(struct known *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->names[i]);
	free(k->names);
	*k = (struct known){ 0 };
}
