/* cmd_agents.c - tidemark agents: who they are, and their tokens. */
#include <stdio.h>

#include "base/clock.h"
#include "base/nearest.h"
#include "base/printable.h"
#include "collector/ctl/ctl.h"

#define TELL_US (30 * US_PER_S)

struct agents_options {
	const char *region;
};
static const struct opt agents_opts[] = {
	{ "region", OPT_TEXT, offsetof(struct agents_options, region), "R", "enroll: where the agent is" },
	{ .name = NULL },
};

/* What is not as it should be with this agent. */
static void add_note(struct buf *b, const json_t *a)
{
	double held_back = json_num(a, "held_back", 0), refused = json_num(a, "refused", 0);
	if (json_is_true(json_object_get(a, "clock_suspect")))
		buf_addf(b, "clock off");
	if (held_back > 0)
		buf_addf(b, "%s%.0f held back", b->n ? ", " : "", held_back);
	if (refused > 0)
		buf_addf(b, "%s%.0f refused", b->n ? ", " : "", refused);
}

/* Endpoints that an agent may not or cannot probe, and why. */
static void add_refusals(struct buf *out, const json_t *agents)
{
	const json_t *a, *r;
	size_t i, j;
	bool any = false;
	json_array_foreach(agents, i, a)
	{
		json_array_foreach(json_object_get(a, "refusals"), j, r)
		{
			buf_addf(out, "%s", any ? "" : "\n");
			any = true;
			buf_add_printable(out, json_text(a, "name"));
			buf_addf(out, " does not probe ");
			buf_add_printable(out, json_text(r, "service"));
			buf_addf(out, " ");
			buf_add_printable(out, json_text(r, "endpoint"));
			buf_addf(out, ": ");
			buf_add_printable(out, json_text(r, "why"));
			buf_addf(out, "\n");
		}
	}
}

static void agents_table(const struct ctl *c, const json_t *agents)
{
	static const char *const headers[] = { "~AGENT", "~REGION", "STATE", "LAST RESULT", "RESULTS",
		"~SOFTWARE", "NOTE", NULL };
	int64_t now_us = clock_wall_us();
	struct table t;
	struct buf out, cell;
	const json_t *a;
	size_t i;
	table_init(&t, headers);
	buf_init(&out, API_ANSWER_MAX), buf_init(&cell, 256);
	json_array_foreach(agents, i, a)
	{
		struct str state = json_text(a, "state");
		table_add(&t, STYLE_PLAIN, json_text(a, "name"));
		table_add(&t, STYLE_PLAIN, json_text(a, "region"));
		table_add(&t, state_style(state), state);
		buf_clear(&cell), text_add_ago(&cell, json_text(a, "last_result"), now_us);
		table_add(&t, STYLE_PLAIN, buf_str(&cell));
		buf_clear(&cell), buf_addf(&cell, "%.0f", json_num(a, "results", 0));
		table_add(&t, STYLE_PLAIN, buf_str(&cell));
		table_add(&t, STYLE_PLAIN, json_text(a, "software"));
		buf_clear(&cell), add_note(&cell, a);
		table_add(&t, STYLE_WARN, buf_str(&cell));
	}
	table_print(&t, &c->term, "", &out);
	add_refusals(&out, agents);
	if (json_array_size(agents) == 0) {
		buf_clear(&out);
		buf_addf(&out, "no agents yet; enroll one: tidemark agents enroll NAME --region REGION\n");
	}
	out_flush(&out);
	table_fini(&t);
	buf_fini(&out), buf_fini(&cell);
}

static int agents_list(struct ctl *c)
{
	json_t *agents = NULL;
	struct err err;
	if (api_list(c->api, "/api/v1/agents", &agents, &err) < 0)
		return ctl_fail(&err);
	if (c->json)
		out_json(agents);
	else
		agents_table(c, agents);
	json_decref(agents);
	return EXIT_OK;
}

static void path_of_agent(struct buf *path, const char *name, const char *what)
{
	buf_addf(path, "/api/v1/agents");
	path_add_segment(path, str_of(name));
	buf_addf(path, "%s", what);
}

/* The token is shown once: alone on stdout, so that it can go into a file; the rest is for the person, on
 * stderr. */
static int token_show(const struct ctl *c, const json_t *answer, const char *name)
{
	struct str token = json_text(answer, "token");
	struct err err;
	if (token.n == 0) {
		(void)err_set(&err, ERR_CORRUPT, "the answer has no token: is it a tidemark collector?");
		return ctl_fail(&err);
	}
	if (c->json) {
		out_json(answer);
		return EXIT_OK;
	}
	struct buf b;
	buf_init(&b, 8192);
	buf_add_printable(&b, token);
	buf_addf(&b, "\n");
	out_flush(&b);
	buf_add_printable(&b, str_of(name));
	fprintf(stderr,
		"This token is shown once. Put it into a file only agent '%s' can read, and name it as "
		"token_file.\n",
		b.p);
	buf_fini(&b);
	return EXIT_OK;
}

static int agents_enroll(struct ctl *c, const char *name, const char *region)
{
	json_t *answer = NULL, *body = json_object();
	struct err err;
	json_object_set_new(body, "name", json_string(name));
	if (region != NULL)
		json_object_set_new(body, "region", json_string(region));
	int rc = api_call(c->api, "POST", "/api/v1/agents", body, NULL, TELL_US, &answer, &err);
	int code = rc < 0 ? ctl_fail(&err) : token_show(c, answer, name);
	if (rc == ERR_EXISTS) {
		struct buf b;
		buf_init(&b, 8192);
		buf_add_printable(&b, str_of(name));
		fprintf(stderr, "A new token beside the old: tidemark agents rotate %s\n", b.p);
		buf_fini(&b);
	}
	json_decref(answer);
	json_decref(body);
	return code;
}

static int agents_rotate(struct ctl *c, const char *name)
{
	json_t *answer = NULL;
	struct buf path;
	struct err err;
	buf_init(&path, 4096);
	path_of_agent(&path, name, "/rotate");
	int rc = buf_failed(&path) ? err_set(&err, ERR_SYNTAX, "agents: the name is too long")
				   : api_call(c->api, "POST", path.p, NULL, NULL, TELL_US, &answer, &err);
	int code = rc < 0 ? ctl_fail(&err) : token_show(c, answer, name);
	json_decref(answer);
	buf_fini(&path);
	return code;
}

static int agents_revoke(struct ctl *c, const char *name)
{
	struct buf path, out;
	struct err err;
	buf_init(&path, 4096), buf_init(&out, 4096);
	path_of_agent(&path, name, "");
	int rc = buf_failed(&path) ? err_set(&err, ERR_SYNTAX, "agents: the name is too long")
				   : api_call(c->api, "DELETE", path.p, NULL, NULL, TELL_US, NULL, &err);
	if (rc == 0 && c->json) {
		buf_addf(&out, "{\"name\":");
		buf_add_json(&out, str_of(name));
		buf_addf(&out, ",\"state\":\"revoked\"}\n");
	} else if (rc == 0) {
		buf_addf(&out, "agent '");
		buf_add_printable(&out, str_of(name));
		buf_addf(&out, "' is revoked: its tokens are worth nothing from now on\n");
	}
	out_flush(&out);
	buf_fini(&path), buf_fini(&out);
	return rc < 0 ? ctl_fail(&err) : EXIT_OK;
}

static int agents_run(struct ctl *c, void *options, const struct texts *args)
{
	static const char *const verbs[] = { "list", "enroll", "rotate", "revoke" };
	const struct agents_options *o = options;
	const char *verb = args->n > 0 ? args->p[0] : "list", *name = args->n > 1 ? args->p[1] : NULL;
	bool list = strcmp(verb, "list") == 0, enroll = strcmp(verb, "enroll") == 0;
	struct nearest near = nearest_to(str_of(verb));
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		known = known || strcmp(verb, verbs[i]) == 0;
		nearest_try(&near, verbs[i]);
	}
	if (!known)
		return ctl_usage("agents: '%s' is none of list, enroll, rotate, revoke%s%s%s", verb,
			near.best ? "; did you mean '" : "", near.best ? near.best : "",
			near.best ? "'?" : "");
	if (list != (name == NULL))
		return ctl_usage("agents: %s %s", verb, list ? "takes no name" : "wants the agent's NAME");
	if (o->region != NULL && !enroll)
		return ctl_usage("agents: --region is for enroll");
	if (!str_is_utf8(str_of(name)) || !str_is_utf8(str_of(o->region)))
		return ctl_usage("agents: the command line is not UTF-8");
	if (list)
		return agents_list(c);
	if (enroll)
		return agents_enroll(c, name, o->region);
	return strcmp(verb, "rotate") == 0 ? agents_rotate(c, name) : agents_revoke(c, name);
}

const struct command cmd_agents = {
	.name = "agents",
	.usage = "[list | enroll NAME [--region R] | rotate NAME | revoke NAME]",
	.says = "list agents, give and take their tokens",
	.opts = agents_opts,
	.size = sizeof(struct agents_options),
	.max_args = 2,
	.run = agents_run,
	.more = "enroll and rotate print the new token, once. After rotate the old token is good until the "
		"next one.\n",
};
