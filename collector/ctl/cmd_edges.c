/* cmd_edges.c - tidemark edges: what each edge serves. */
#include "base/known.h"
#include "collector/ctl/cells.h"
#include "collector/ctl/ctl.h"
#include "collector/ctl/evidence.h"
#include "collector/ctl/why.h"
#include "collector/engine/engine.h" /* the names of states */

struct edges_options {
	const char *state, *endpoint, *vendor, *region, *edge;
	bool evidence, why;
};
static const struct opt edges_opts[] = {
	{ "state", OPT_TEXT, offsetof(struct edges_options, state), "S",
		"fresh, stale, mixed, failing, silent, unknown, ..." },
	{ "endpoint", OPT_TEXT, offsetof(struct edges_options, endpoint), "E", "only this endpoint" },
	{ "vendor", OPT_TEXT, offsetof(struct edges_options, vendor), "V", "only this vendor's edges" },
	{ "region", OPT_TEXT, offsetof(struct edges_options, region), "R",
		"only what agents of this region reach" },
	{ "edge", OPT_TEXT, offsetof(struct edges_options, edge), "VENDOR:POP", "only this edge" },
	{ "evidence", OPT_FLAG, offsetof(struct edges_options, evidence), NULL,
		"also the headers each edge answered with, and what they told" },
	{ "why", OPT_FLAG, offsetof(struct edges_options, why), NULL,
		"also why each cell that is not fresh is not, with its evidence" },
	{ .name = NULL },
};

/* -- filters nothing goes by: which was meant? -- */

static bool found_or_said(struct known *k, const char *what, const char *given)
{
	char says[768];
	bool found = k->found;
	if (!found)
		(void)ctl_usage("edges: no %s '%s'%s", what, given, known_says(k, says, sizeof(says)));
	known_end(k);
	return found;
}

static bool state_check(const char *state)
{
#define X(id, name, says) name,
	static const char *const states[] = { CELL_STATES(X) };
#undef X
	struct known k = known_start(str_of(state));
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		known_add(&k, str_of(states[i]));
	return found_or_said(&k, "state", state);
}

static bool endpoint_check(const json_t *services, const char *service, const char *endpoint)
{
	struct known k = known_start(str_of(endpoint));
	const json_t *s, *e;
	size_t i, j;
	json_array_foreach(services, i, s)
	{
		if (service != NULL && !str_is(json_text(s, "name"), service))
			continue;
		json_array_foreach(json_object_get(s, "endpoints"), j, e) known_add(&k, json_text(e, "id"));
	}
	return found_or_said(&k, "endpoint", endpoint);
}

/* By what objects of a list say themselves. */
static bool member_check(const json_t *list, const char *member, const char *what, const char *given)
{
	struct known k = known_start(str_of(given));
	const json_t *item;
	size_t i;
	json_array_foreach(list, i, item)
	{
		struct str name = json_text(item, member);
		if (name.n > 0)
			known_add(&k, name);
	}
	return found_or_said(&k, what, given);
}

/* Nothing was found: does each filter name something there is? */
static int filters_check(struct ctl *c, const struct edges_options *o, const char *service)
{
	json_t *services = NULL, *agents = NULL, *cells = NULL;
	struct buf path;
	struct err err;
	int code = service ? ctl_find_service(c, service, NULL) : EXIT_OK;
	if (code != EXIT_OK)
		return code;
	buf_init(&path, 4096);
	buf_addf(&path, "/api/v1/cells?limit=1000");
	path_add_query(&path, "service", str_of(service));
	int rc = o->endpoint ? api_list(c->api, "/api/v1/services", &services, &err) : 0;
	if (rc == 0 && o->region)
		rc = api_list(c->api, "/api/v1/agents", &agents, &err);
	if (rc == 0 && (o->vendor || o->edge))
		rc = buf_failed(&path) ? err_set(&err, ERR_SYNTAX, "edges: the name is too long")
				       : api_list(c->api, path.p, &cells, &err);
	if (rc < 0)
		code = ctl_fail(&err);
	else if ((o->endpoint && !endpoint_check(services, service, o->endpoint)) ||
		 (o->region && !member_check(agents, "region", "agent's region is", o->region)) ||
		 (o->vendor && !member_check(cells, "vendor", "edge seen so far is of vendor", o->vendor)) ||
		 (o->edge && !member_check(cells, "edge", "edge was seen so far by the name", o->edge)))
		code = EXIT_USAGE;
	json_decref(services), json_decref(agents), json_decref(cells);
	buf_fini(&path);
	return code;
}

static int edges_run(struct ctl *c, void *options, const struct texts *args)
{
	const struct edges_options *o = options;
	const char *service = args->n ? args->p[0] : NULL;
	json_t *cells = NULL;
	struct buf path, out;
	struct err err;
	bool filtered = o->state || o->endpoint || o->vendor || o->region || o->edge;
	if (o->state != NULL && !state_check(o->state))
		return EXIT_USAGE;
	buf_init(&path, 60 * 1024);
	buf_addf(&path, "/api/v1/cells?limit=1000");
	path_add_query(&path, "service", str_of(service));
	path_add_query(&path, "state", str_of(o->state));
	path_add_query(&path, "endpoint", str_of(o->endpoint));
	path_add_query(&path, "vendor", str_of(o->vendor));
	path_add_query(&path, "region", str_of(o->region));
	path_add_query(&path, "edge", str_of(o->edge));
	if (o->why)
		path_add_query(&path, "why", STR("true"));
	int rc = buf_failed(&path) ? err_set(&err, ERR_SYNTAX, "edges: what is asked for is too long")
				   : api_list(c->api, path.p, &cells, &err);
	buf_fini(&path);
	if (rc < 0)
		return ctl_fail(&err);
	int code = EXIT_OK;
	if (json_array_size(cells) == 0)
		code = filters_check(c, o, service);
	if (code == EXIT_OK && o->evidence &&
		(rc = evidence_fetch(c->api, cells, EVIDENCE_CELLS_MAX, &err)) < 0)
		code = ctl_fail(&err);
	if (code == EXIT_OK && c->json) {
		out_json(cells);
	} else if (code == EXIT_OK) {
		buf_init(&out, API_ANSWER_MAX);
		if (json_array_size(cells) == 0)
			buf_addf(&out, "%s\n",
				filtered ? "no cell is like that"
					 : "no cells yet: no agent has reported a result");
		else
			cells_table(&c->term, cells, SIZE_MAX, "", &out);
		if (o->why)
			why_show_cells(&c->term, cells, &out);
		if (o->evidence)
			evidence_show(&c->term, cells, EVIDENCE_CELLS_MAX, &out);
		out_flush(&out);
		buf_fini(&out);
	}
	json_decref(cells);
	return code;
}

const struct command cmd_edges = {
	.name = "edges",
	.usage = "[SERVICE] [OPTIONS]",
	.says = "what each edge serves for each endpoint",
	.opts = edges_opts,
	.size = sizeof(struct edges_options),
	.max_args = 1,
	.run = edges_run,
	.more = "FOR is how long the edge has served an old version; AGE is what its cache says of its "
		"copy.\n",
};
