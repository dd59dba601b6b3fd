/* cmd_status.c - tidemark status: how things are. */
#include <stdio.h>

#include "base/clock.h"
#include "base/printable.h"
#include "collector/ctl/ctl.h"

/* -- status -- */

static void add_count(struct table *t, double n, enum style style)
{
	char text[32];
	snprintf(text, sizeof(text), "%.0f", n);
	table_add(t, n > 0 ? style : STYLE_DIM, str_of(text));
}

static double cells_other(const json_t *cells)
{
	const char *state;
	json_t *n;
	double sum = 0;
	json_object_foreach((json_t *)(uintptr_t)cells, state, n) /* jansson's macro wants it without const */
	{
		if (strcmp(state, "fresh") != 0 && strcmp(state, "stale") != 0 && json_is_number(n))
			sum += json_number_value(n);
	}
	return sum;
}

/* The newest deploy's, which need not be of the version that is right now: then it says of which. */
static void add_verdict(struct buf *b, struct str of, struct str version, struct str verdict)
{
	if (verdict.n > 0 && of.n > 0 && !str_eq(of, version))
		buf_addf(b, "%.*s ", STR_ARG(of));
	buf_add_str(b, verdict.n ? verdict : STR("-"));
}

static void services_table(const struct ctl *c, const json_t *services, struct buf *out)
{
	static const char *const headers[] = { "~SERVICE", "~VERSION", "LIVE", "~VERDICT", "FRESH", "STALE",
		"OTHER", "AGENTS", NULL };
	int64_t now_us = clock_wall_us();
	struct table t;
	struct buf cell;
	const json_t *s;
	size_t i;
	table_init(&t, headers);
	buf_init(&cell, 256);
	json_array_foreach(services, i, s)
	{
		const json_t *current = json_object_get(s, "current"), *cells = json_object_get(s, "cells");
		struct str version = json_text(current, "version"), verdict = json_text(s, "verdict");
		table_add(&t, STYLE_BOLD, json_text(s, "name"));
		table_add(&t, STYLE_PLAIN, version.n ? version : STR("-"));
		buf_clear(&cell), text_add_ago(&cell, json_text(current, "live_at"), now_us);
		table_add(&t, STYLE_PLAIN, buf_str(&cell));
		buf_clear(&cell), add_verdict(&cell, json_text(s, "verdict_version"), version, verdict);
		table_add(&t, verdict_style(verdict), buf_str(&cell));
		add_count(&t, json_num(cells, "fresh", 0), STYLE_GOOD);
		add_count(&t, json_num(cells, "stale", 0), STYLE_BAD);
		add_count(&t, cells_other(cells), STYLE_WARN);
		add_count(&t, json_num(s, "agents", 0), STYLE_PLAIN);
	}
	if (json_array_size(services) == 0)
		buf_addf(out, "no services: the collector's configuration names them\n");
	else
		table_print(&t, &c->term, "", out);
	table_fini(&t);
	buf_fini(&cell);
}

static double share_of(const json_t *deploy)
{
	const json_t *p = json_object_get(deploy, "propagation");
	return json_num(p, "converged_share", json_num(deploy, "converged_share", -1));
}

static void deploys_table(const struct ctl *c, const json_t *deploys, struct buf *out)
{
	static const char *const headers[] = { "DEPLOY", "~SERVICE", "~VERSION", "VERDICT", "CONVERGED",
		"STARTED", NULL };
	int64_t now_us = clock_wall_us();
	struct table t;
	struct buf cell;
	const json_t *d;
	size_t i;
	table_init(&t, headers);
	buf_init(&cell, 256);
	json_array_foreach(deploys, i, d)
	{
		struct str verdict = json_text(d, "verdict");
		table_add(&t, STYLE_PLAIN, json_text(d, "id"));
		table_add(&t, STYLE_PLAIN, json_text(d, "service"));
		table_add(&t, STYLE_PLAIN, json_text(d, "version"));
		table_add(&t, verdict_style(verdict), verdict);
		buf_clear(&cell), text_add_percent(&cell, share_of(d));
		table_add(&t, STYLE_PLAIN, buf_str(&cell));
		buf_clear(&cell), text_add_ago(&cell, json_text(d, "started_at"), now_us);
		table_add(&t, STYLE_PLAIN, buf_str(&cell));
	}
	if (json_array_size(deploys) > 0) {
		buf_addf(out, "\n");
		table_print(&t, &c->term, "", out);
	}
	table_fini(&t);
	buf_fini(&cell);
}

static void agents_line(const struct ctl *c, const json_t *agents, struct buf *out)
{
	size_t i, connected = 0, named = 0;
	const json_t *a;
	json_array_foreach(agents, i, a) connected += str_is(json_text(a, "state"), "connected");
	buf_addf(out, "\nagents: %zu of %zu connected", connected, json_array_size(agents));
	json_array_foreach(agents, i, a)
	{
		struct str state = json_text(a, "state");
		if (str_is(state, "connected") || str_is(state, "revoked") || ++named > 5)
			continue;
		buf_addf(out, "%s", named == 1 ? "; " : ", ");
		buf_add_printable(out, json_text(a, "name"));
		buf_addf(out, " ");
		term_add(&c->term, out, state_style(state), state);
	}
	if (named > 5)
		buf_addf(out, " and %zu more", named - 5);
	buf_addf(out, "\n");
}

/* What concerns one service of a list, or all of it. */
static json_t *only(json_t *list, const char *member, const char *name)
{
	json_t *kept = json_array(), *item;
	size_t i;
	json_array_foreach(list, i, item)
	{
		if (name == NULL || str_is(json_text(item, member), name))
			json_array_append(kept, item);
	}
	json_decref(list);
	return kept;
}

static int newest_deploys(struct ctl *c, const char *service, json_t **ret, struct err *err)
{
	struct buf path;
	json_t *page = NULL;
	buf_init(&path, 8192);
	buf_addf(&path, "/api/v1/deploys?limit=5");
	path_add_query(&path, "service", str_of(service));
	int rc = buf_failed(&path) ? err_set(err, ERR_SYNTAX, "the name is too long")
				   : api_get(c->api, path.p, &page, err);
	buf_fini(&path);
	if (rc == 0 && !json_is_array(json_object_get(page, "items")))
		rc = err_set(
			err, ERR_CORRUPT, "the answer is no list of deploys: is it a tidemark collector?");
	if (rc == 0)
		*ret = json_incref(json_object_get(page, "items"));
	json_decref(page);
	return rc;
}

static int status_run(struct ctl *c, void *options, const struct texts *args)
{
	const char *name = args->n ? args->p[0] : NULL;
	json_t *services = NULL, *deploys = NULL, *agents = NULL;
	struct err err;
	int code = EXIT_OK;
	(void)options;
	int rc = api_list(c->api, "/api/v1/services", &services, &err);
	if (rc == 0)
		rc = newest_deploys(c, name, &deploys, &err);
	if (rc == 0)
		rc = api_list(c->api, "/api/v1/agents", &agents, &err);
	if (rc == 0)
		services = only(services, "name", name);
	if (rc < 0) {
		code = ctl_fail(&err);
	} else if (name != NULL && json_array_size(services) == 0) {
		code = ctl_find_service(c, name, NULL);
	} else if (c->json) {
		json_t *all = json_pack(
			"{s:O,s:O,s:O}", "services", services, "deploys", deploys, "agents", agents);
		out_json(all);
		json_decref(all);
	} else {
		struct buf out;
		buf_init(&out, API_ANSWER_MAX);
		services_table(c, services, &out);
		deploys_table(c, deploys, &out);
		agents_line(c, agents, &out);
		out_flush(&out);
		buf_fini(&out);
	}
	json_decref(services);
	json_decref(deploys);
	json_decref(agents);
	return code;
}

static const struct opt no_opts[] = { { .name = NULL } };

const struct command cmd_status = {
	.name = "status",
	.usage = "[SERVICE]",
	.says = "services, their last deploys, and the agents",
	.opts = no_opts,
	.size = 1,
	.max_args = 1,
	.run = status_run,
};
