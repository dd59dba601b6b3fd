#include "collector/ctl/args.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/nearest.h"
#include "base/units.h"

void texts_fini(struct texts *t)
{
	free(t->p);
	*t = (struct texts){ 0 };
}

static void texts_add(struct texts *t, const char *z)
{
	t->p = mem_grow(t->p, &t->cap, t->n + 1, sizeof(*t->p));
	t->p[t->n++] = z;
}

static const char *dashes(const struct opt *o)
{
	return strlen(o->name) == 1 ? "-" : "--";
}

static const struct opt *opt_find(const struct opt *opts, struct str name)
{
	for (; opts != NULL && opts->name != NULL; opts++)
		if (str_is(name, opts->name))
			return opts;
	return NULL;
}

static int opt_unknown(const struct args_spec *spec, struct str name, bool is_long, struct err *err)
{
	const struct opt *const tables[] = { spec->local, spec->global };
	struct nearest near = nearest_to(name);
	for (size_t i = 0; i < ARRAY_LEN(tables) && is_long; i++)
		for (const struct opt *o = tables[i]; o != NULL && o->name != NULL; o++)
			if (strlen(o->name) > 1)
				nearest_try(&near, o->name);
	const char *dash = is_long ? "--" : "-";
	if (near.best != NULL)
		return err_set(err, ERR_SYNTAX, "unknown option %s%.*s; did you mean --%s?", dash,
			STR_ARG(str_first(name, 64)), near.best);
	return err_set(err, ERR_SYNTAX, "unknown option %s%.*s; --help lists those there are", dash,
		STR_ARG(str_first(name, 64)));
}

/* "text|json": is it one of them? */
static bool word_is_one_of(const char *value, const char *words)
{
	struct str rest = str_of(words), one;
	while (str_cut(&rest, '|', &one))
		if (str_is(one, value))
			return true;
	return false;
}

static int time_store(const char *value, struct opt_time *t, struct err *err)
{
	t->given = true;
	t->now = strcmp(value, "now") == 0;
	if (t->now || time_parse(str_of(value), &t->at_us, NULL) == 0)
		return 0;
	return err_set(err, ERR_SYNTAX,
		"'%s' is no time: want now, RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds",
		value);
}

static int opt_store(const struct opt *o, const char *value, char *at, struct err *err)
{
	int rc = 0;
	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)at = true;
		return 0;
	case OPT_LIST:
		texts_add((struct texts *)at, value);
		return 0;
	case OPT_WORD:
		if (!word_is_one_of(value, o->arg))
			rc = err_set(err, ERR_SYNTAX, "'%s' is none of %s", value, o->arg);
		else
			*(const char **)at = value;
		break;
	case OPT_TEXT:
		if (value[0] == '\0')
			rc = err_set(err, ERR_SYNTAX, "its value is empty");
		else
			*(const char **)at = value;
		break;
	case OPT_DURATION:
		rc = duration_parse(str_of(value), (int64_t *)at, err);
		break;
	case OPT_SHARE:
		rc = share_parse(str_of(value), (double *)at, err);
		break;
	case OPT_TIME:
		rc = time_store(value, (struct opt_time *)at, err);
		break;
	}
	if (rc < 0)
		err_add(err, "%s%s", dashes(o), o->name);
	return rc;
}

/* One option, and its value from the next argument where it needs one. */
static int opt_take(const struct args_spec *spec, int argc, char **argv, int *i, struct err *err)
{
	struct str name = str_of(argv[*i]), head;
	const char *value = NULL;
	bool is_long = str_starts(name, "--");
	name = str_from(name, is_long ? 2 : 1);
	if (is_long && str_find(name, '=') > 0) {
		struct str rest = name;
		(void)str_cut(&rest, '=', &head); /* there is one */
		name = head, value = rest.p;
	} else if (!is_long && name.n > 1) {
		value = name.p + 1; /* -ojson */
		name = str_first(name, 1);
	}
	char *out = spec->local_out;
	const struct opt *o = opt_find(spec->local, name);
	if (o == NULL)
		o = opt_find(spec->global, name), out = spec->global_out;
	if (o == NULL || is_long != (strlen(o->name) > 1))
		return opt_unknown(spec, name, is_long, err);
	if (o->kind == OPT_FLAG && value != NULL)
		return err_set(err, ERR_SYNTAX, "%s%s takes no value", dashes(o), o->name);
	if (o->kind != OPT_FLAG && value == NULL) {
		if (*i + 1 >= argc || str_starts(str_of(argv[*i + 1]), "--"))
			return err_set(err, ERR_SYNTAX, "%s%s wants a value: %s", dashes(o), o->name, o->arg);
		value = argv[++*i];
	}
	return opt_store(o, value, out + o->offset, err);
}

int args_parse(const struct args_spec *spec, int argc, char **argv, struct texts *ret_rest, int *ret_used,
	struct err *err)
{
	bool only_positionals = false;
	int rc = 0, i = 0;
	for (; rc == 0 && i < argc; i++) {
		const char *a = argv[i];
		if (!only_positionals && strcmp(a, "--") == 0)
			only_positionals = true;
		else if (!only_positionals && a[0] == '-' && a[1] != '\0')
			rc = opt_take(spec, argc, argv, &i, err);
		else if (spec->stop_at_positional)
			break;
		else
			texts_add(ret_rest, a);
	}
	*ret_used = MIN(i, argc);
	return rc;
}

void args_help(const struct opt *opts, struct buf *out)
{
	for (; opts->name != NULL; opts++) {
		char left[64];
		snprintf(left, sizeof(left), "%s%s%s%s", dashes(opts), opts->name, opts->arg ? " " : "",
			opts->arg ? opts->arg : "");
		buf_addf(out, "  %-24s %s%s\n", left, opts->says,
			opts->kind == OPT_LIST ? " (may be repeated)" : "");
	}
}
