/* refuse.c - see refuse.h */
#include "collector/refuse.h"

#include <stdio.h>

#include "base/nearest.h"

void refuse_argument(const char *who, struct str arg, const char *near)
{
	if (near != NULL)
		fprintf(stderr, "%s: unknown argument '%.*s'; did you mean '%s'?\n", who, STR_ARG(arg), near);
	else
		fprintf(stderr, "%s: unknown argument '%.*s'; --help shows what there is\n", who,
			STR_ARG(arg));
}

static const char *option_of(int value, const struct option *options)
{
	for (; options->name != NULL; options++)
		if (options->val == value)
			return options->name;
	return NULL;
}

void refuse_option(const char *who, int answer, char **argv, const struct option *options)
{
	const char *known = optopt ? option_of(optopt, options) : NULL;
	if (known != NULL && answer == ':') {
		fprintf(stderr, "%s: a value is missing behind '--%s'; --help shows what there is\n", who,
			known);
	} else if (known != NULL) {
		fprintf(stderr, "%s: '--%s' takes no value\n", who, known);
	} else if (optopt != 0) {
		char letter[] = { '-', (char)optopt, '\0' };
		refuse_argument(who, str_of(letter), NULL);
	} else {
		struct str rest = str_of(argv[optind - 1]), arg = STR_NONE;
		char best[80];
		(void)str_cut(&rest, '=', &arg);
		struct nearest near = nearest_to(str_from(arg, 2));
		for (; options->name != NULL; options++)
			nearest_try(&near, options->name);
		if (near.best != NULL)
			(void)snprintf(best, sizeof(best), "--%s", near.best);
		refuse_argument(who, arg, near.best ? best : NULL);
	}
}
