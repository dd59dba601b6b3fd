/* args.h - command lines by tables: the same rows parse, complain and print --help. Options may come after
 * positionals. Pure. */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include "base/buf.h"

struct texts { /* borrowed from argv */
	const char **p;
	size_t n, cap;
};
void texts_fini(struct texts *t);

enum opt_kind {
	OPT_FLAG,     /* bool */
	OPT_TEXT,     /* const char * */
	OPT_LIST,     /* struct texts: may be given again and again */
	OPT_DURATION, /* int64_t: microseconds */
	OPT_SHARE,    /* double */
	OPT_WORD,     /* const char *: one of arg, which reads "text|json" */
	OPT_TIME,     /* struct opt_time */
};
struct opt_time {
	bool given, now;
	int64_t at_us;
};
struct opt {
	const char *name; /* without dashes; one letter means -x */
	enum opt_kind kind;
	size_t offset;   /* in the struct that is filled */
	const char *arg; /* what help calls its value */
	const char *says;
};

/* Both tables end with a NULL name; local is looked at first. *_out are zeroed or hold the defaults.
 * Positionals go to ret_rest. stop_at_positional: leave argv from the first positional on to the next call;
 * *ret_used says how far it came. */
struct args_spec {
	const struct opt *local, *global;
	void *local_out, *global_out;
	bool stop_at_positional;
};
MUST_USE int args_parse(const struct args_spec *spec, int argc, char **argv, struct texts *ret_rest,
	int *ret_used, struct err *err);
#define ARGS_HELP_COLUMN 27 /* where the sentences begin */
void args_help(const struct opt *opts, struct buf *out);

#endif
