/* cmd_incidents.c - tidemark incidents: what somebody has to look at. */
#include <stdio.h>

#include "base/clock.h"
#include "base/printable.h"
#include "collector/ctl/ctl.h"

struct incidents_options {
	const char *state;
};
static const struct opt incidents_opts[] = {
	{ "state", OPT_WORD, offsetof(struct incidents_options, state), "open|resolved|all", "default: open" },
	{ .name = NULL },
};

static enum style severity_style(struct str severity, bool open)
{
	if (!open)
		return STYLE_DIM;
	return str_is(severity, "minor") ? STYLE_WARN : STYLE_BAD;
}

static void incidents_table(const struct ctl *c, const json_t *incidents, bool all, struct buf *out)
{
	static const char *const all_headers[] = { "INCIDENT", "~SERVICE", "~VERSION", "SEVERITY", "OPENED", "~CAUSE", "STATE",
		NULL };
	static const char *const headers[] = { "INCIDENT", "~SERVICE", "~VERSION", "SEVERITY", "OPENED", "CELLS", "~CAUSE", NULL };
	int64_t now_us = clock_wall_us();
	struct table t;
	struct buf cell;
	const json_t *in;
	size_t i;
	table_init(&t, all ? all_headers : headers);
	buf_init(&cell, 256);
	json_array_foreach(incidents, i, in)
	{
		struct str state = json_text(in, "state"), severity = json_text(in, "severity"), cause = json_text(in, "cause");
		bool open = str_is(state, "open");
		table_add(&t, STYLE_PLAIN, json_text(in, "id"));
		table_add(&t, STYLE_BOLD, json_text(in, "service"));
		table_add(&t, STYLE_PLAIN, json_text(in, "version"));
		table_add(&t, severity_style(severity, open), severity);
		buf_clear(&cell), text_add_ago(&cell, json_text(in, "opened_at"), now_us);
		table_add(&t, STYLE_PLAIN, buf_str(&cell));
		buf_clear(&cell);
		buf_addf(&cell, "%.0f/%.0f", json_num(in, open ? "not_fresh" : "worst", 0), json_num(in, "cells", 0));
		if (!all)
			table_add(&t, STYLE_PLAIN, buf_str(&cell));
		table_add(&t, STYLE_PLAIN, cause.n ? cause : STR("-"));
		if (all)
			table_add(&t, open ? STYLE_BAD : STYLE_GOOD, state);
	}
	table_print(&t, &c->term, "", out);
	table_fini(&t);
	buf_fini(&cell);
}

static int incidents_run(struct ctl *c, void *options, const struct texts *args)
{
	const struct incidents_options *o = options;
	const char *service = args->n ? args->p[0] : NULL, *state = o->state ? o->state : "open";
	json_t *incidents = NULL;
	struct buf path, out;
	struct err err;
	int code = service ? ctl_find_service(c, service, NULL) : EXIT_OK;
	if (code != EXIT_OK)
		return code;
	buf_init(&path, 16 * 1024);
	buf_addf(&path, "/api/v1/incidents?limit=1000");
	path_add_query(&path, "service", str_of(service));
	if (strcmp(state, "all") != 0)
		path_add_query(&path, "state", str_of(state));
	int rc = buf_failed(&path) ? err_set(&err, ERR_SYNTAX, "incidents: the service's name is too long")
				   : api_list(c->api, path.p, &incidents, &err);
	buf_fini(&path);
	if (rc < 0)
		return ctl_fail(&err);
	if (c->json) {
		out_json(incidents);
	} else {
		buf_init(&out, API_ANSWER_MAX);
		if (json_array_size(incidents) == 0)
			buf_addf(&out, "no %sincidents\n", strcmp(state, "all") == 0 ? "" : strcmp(state, "open") == 0 ? "open " : "resolved ");
		else
			incidents_table(c, incidents, strcmp(state, "all") == 0, &out);
		out_flush(&out);
		buf_fini(&out);
	}
	json_decref(incidents);
	return EXIT_OK;
}

const struct command cmd_incidents = {
	.name = "incidents",
	.usage = "[SERVICE] [--state open|resolved|all]",
	.says = "what somebody has to look at, and what somebody had to",
	.opts = incidents_opts,
	.size = sizeof(struct incidents_options),
	.max_args = 1,
	.run = incidents_run,
	.more = "CELLS is how many are not fresh of those that say something; of a resolved one, at its worst.\n",
};
