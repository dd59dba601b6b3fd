#include "collector/ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/nearest.h"
#include "base/printable.h"

static void complain(const char *sentence)
{
	struct buf b;
	buf_init(&b, 8192);
	buf_addf(&b, "tidemark: ");
	buf_add_printable(&b, str_of(sentence));
	fprintf(stderr, "%s\n", b.p);
	buf_fini(&b);
}

int ctl_fail(const struct err *err)
{
	complain(err->text);
	return err->code == ERR_NET || err->code == ERR_BUSY || err->code == ERR_CORRUPT ? EXIT_UNREACHABLE
	       : err->code == ERR_SYNTAX                                                 ? EXIT_USAGE
											 : EXIT_FAILED;
}

int ctl_usage(const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	complain(text);
	return EXIT_USAGE;
}

int ctl_find_service(struct ctl *c, const char *name, json_t **ret)
{
	json_t *services = NULL, *s;
	struct err err;
	struct buf known;
	struct nearest near = nearest_to(str_of(name));
	size_t i;
	bool found = false;
	if (api_list(c->api, "/api/v1/services", &services, &err) < 0)
		return ctl_fail(&err);
	buf_init(&known, 512);
	json_array_foreach(services, i, s)
	{
		struct str one = json_text(s, "name");
		if (str_is(one, name) && !found && ret != NULL)
			*ret = json_incref(s);
		found = found || str_is(one, name);
		if (one.n)
			nearest_try(&near, one.p);
		buf_addf(&known, "%s%.*s", known.n ? ", " : "", STR_ARG(one));
	}
	if (!found && near.best != NULL)
		(void)ctl_usage("the collector watches no service '%s'; did you mean '%s'?", name, near.best);
	else if (!found)
		(void)ctl_usage("the collector watches no service '%s'; it watches %s", name,
			known.n ? known.p : "none: its configuration names them");
	buf_fini(&known);
	json_decref(services);
	return found ? EXIT_OK : EXIT_USAGE;
}

void key_new(char text[40])
{
	snprintf(text, 40, "tidemark-%016" PRIx64, random_u64());
}
