/* route.c - who answers what. The rows are the whole truth: matching, 405 with Allow, which scope, which
 * parameters, which thread; a test holds openapi.yaml to them, row by row. */
#include <stdio.h>

#include "collector/http/handlers.h"

/* clang-format off */
const struct route routes[] = {
	{ "GET", "/api/v1/services", SCOPE_READ, 0, RUN_HERE, handle_services, "limit cursor" },
	{ "GET", "/api/v1/cells", SCOPE_READ, 0, RUN_HERE, handle_cells, "service endpoint vendor region state edge why limit cursor" },
	{ "GET", "/api/v1/cells/{endpoint}/{edge}", SCOPE_READ, 0, RUN_HERE, handle_cell, "service" },
	{ "GET", "/api/v1/cells/{endpoint}/{edge}/history", SCOPE_READ, 0, RUN_SQL, handle_history, "service from to limit" },
	{ "GET", "/api/v1/cells/{endpoint}/{edge}/evidence", SCOPE_READ, 0, RUN_SQL, handle_evidence, "service limit" },
	{ "GET", "/api/v1/deploys", SCOPE_READ, 0, RUN_HERE, handle_deploys, "service version limit cursor" },
	{ "POST", "/api/v1/deploys", SCOPE_DEPLOY, ROUTE_BODY, RUN_JOURNAL, handle_deploy_post, "" },
	{ "GET", "/api/v1/deploys/{id}", SCOPE_READ, 0, RUN_HERE, handle_deploy, "wait" },
	{ "PATCH", "/api/v1/deploys/{id}", SCOPE_DEPLOY, ROUTE_BODY, RUN_JOURNAL, handle_deploy_patch, "" },
	{ "GET", "/api/v1/deploys/{id}/propagation", SCOPE_READ, 0, RUN_HERE, handle_propagation, "" },
	{ "GET", "/api/v1/deploys/{id}/cells", SCOPE_READ, 0, RUN_HERE, handle_deploy_cells, "endpoint vendor region state edge why limit cursor" },
	{ "GET", "/api/v1/deploys/{id}/history", SCOPE_READ, 0, RUN_SQL, handle_deploy_history, "from to limit" },
	{ "GET", "/api/v1/purges", SCOPE_READ, 0, RUN_HERE, handle_purges, "service limit cursor" },
	{ "POST", "/api/v1/purges", SCOPE_DEPLOY, ROUTE_BODY, RUN_JOURNAL, handle_purge_post, "" },
	{ "GET", "/api/v1/purges/{id}", SCOPE_READ, 0, RUN_HERE, handle_purge, "" },
	{ "PATCH", "/api/v1/purges/{id}", SCOPE_DEPLOY, ROUTE_BODY, RUN_JOURNAL, handle_purge_patch, "" },
	{ "GET", "/api/v1/incidents", SCOPE_READ, 0, RUN_HERE, handle_incidents, "service state limit cursor" },
	{ "GET", "/api/v1/incidents/{id}", SCOPE_READ, 0, RUN_HERE, handle_incident, "" },
	{ "POST", "/api/v1/events", SCOPE_DEPLOY, ROUTE_BODY, RUN_JOURNAL, handle_event_post, "" },
	{ "GET", "/api/v1/agents", SCOPE_READ, 0, RUN_HERE, handle_agents, "state region limit cursor" },
	{ "POST", "/api/v1/agents", SCOPE_ADMIN, ROUTE_BODY, RUN_JOURNAL, handle_agent_post, "" },
	{ "DELETE", "/api/v1/agents/{name}", SCOPE_ADMIN, 0, RUN_JOURNAL, handle_agent_delete, "" },
	{ "POST", "/api/v1/agents/{name}/rotate", SCOPE_ADMIN, 0, RUN_JOURNAL, handle_agent_rotate, "" },
	{ "GET", "/api/v1/stream", SCOPE_READ, 0, RUN_HERE, handle_stream, "service" },
	{ "GET", "/api/v2/summary.json", SCOPE_READ, ROUTE_STATUS_FEED, RUN_HERE, handle_status_summary, "" },
	{ "GET", "/api/v2/status.json", SCOPE_READ, ROUTE_STATUS_FEED, RUN_HERE, handle_status_status, "" },
	{ "GET", "/api/v2/components.json", SCOPE_READ, ROUTE_STATUS_FEED, RUN_HERE, handle_status_components, "" },
	{ "GET", "/api/v2/incidents.json", SCOPE_READ, ROUTE_STATUS_FEED, RUN_HERE, handle_status_incidents, "" },
	{ "GET", "/metrics", SCOPE_READ, 0, RUN_HERE, handle_metrics, "" },
	{ "GET", "/healthz", 0, ROUTE_ANY_HOST, RUN_HERE, handle_healthy, "" },
	{ "GET", "/-/healthy", 0, ROUTE_ANY_HOST, RUN_HERE, handle_healthy, "" },
	{ "GET", "/readyz", 0, ROUTE_ANY_HOST, RUN_HERE, handle_ready, "" },
	{ "GET", "/-/ready", 0, ROUTE_ANY_HOST, RUN_HERE, handle_ready, "" },
	{ "POST", "/-/reload", SCOPE_ADMIN, 0, RUN_JOURNAL, handle_reload, "" },
	{ "GET", "/openapi.yaml", 0, ROUTE_ANY_HOST, RUN_HERE, handle_openapi, "" },
	{ "GET", "/", 0, ROUTE_ANY_HOST, RUN_HERE, handle_page, "" },
	{ "GET", "/{asset}", 0, ROUTE_ANY_HOST, RUN_HERE, handle_page, "" },
};
/* clang-format on */
const size_t n_routes = ARRAY_LEN(routes);

/* Same number of segments, literals equal byte for byte; params[] borrow the raw segments. */
static bool pattern_matches(const char *pattern, struct str path, struct pair *params, size_t *ret_n)
{
	struct str want = str_of(pattern), want_piece, piece;
	size_t n = 0;
	for (;;) {
		bool more = str_cut(&want, '/', &want_piece), has = str_cut(&path, '/', &piece);
		if (more != has)
			return false;
		if (!more)
			break;
		if (str_starts(want_piece, "{")) {
			INVARIANT(n < REQUEST_PARAMS_MAX);
			if (piece.n == 0)
				return false;
			params[n++] = (struct pair){ { want_piece.p + 1, want_piece.n - 2 }, piece };
		} else if (!str_eq(want_piece, piece)) {
			return false;
		}
	}
	*ret_n = n;
	return true;
}

static bool decode_params(struct request *r)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (!percent_decode((char *)(uintptr_t)r->params[i].value.p, &r->params[i].value.n, false))
			return false;
	return true;
}

static bool takes_query(const struct route *route, struct str name)
{
	struct str names = str_of(route->query), one;
	while (str_cut(&names, ' ', &one))
		if (one.n && str_eq(one, name))
			return true;
	return false;
}

/* A misspelt filter would otherwise match everything and look like an answer. */
static bool check_query(struct request *r)
{
	for (size_t i = 0; i < r->n_query; i++) {
		struct str name = r->query[i].name;
		if (!takes_query(r->route, name)) {
			answer_problem(r, 400, "unknown_parameter",
				"unknown parameter '%.*s'; known here: %s", STR_ARG(str_first(name, 64)),
				r->route->query[0] ? r->route->query : "none");
			return false;
		}
		for (size_t k = 0; k < i; k++)
			if (str_eq(r->query[k].name, name)) {
				answer_problem(r, 400, "bad_parameter", "%.*s: given twice", STR_ARG(name));
				return false;
			}
	}
	return true;
}

static void answer_methods(struct request *r, const char *allow, const char *method)
{
	request_add_header(r, "Allow", "%s", allow);
	if (strcmp(method, "OPTIONS") == 0)
		r->status = 204;
	else
		answer_problem(r, 405, "method_not_allowed", "this address answers %s", allow);
}

void route_find(struct request *r, const char *method)
{
	char allow[128] = "OPTIONS";
	bool path_known = str_is(r->path, "*");
	r->head = strcmp(method, "HEAD") == 0;
	if (r->bad_uri) {
		answer_problem(r, 400, "bad_target",
			"the address does not parse: want %%XX escapes of UTF-8 text, at most %d parameters",
			REQUEST_QUERY_MAX);
		return;
	}
	for (size_t i = 0; i < n_routes; i++) {
		struct pair params[REQUEST_PARAMS_MAX];
		size_t n = 0, used = strlen(allow);
		if (!pattern_matches(routes[i].pattern, r->path, params, &n))
			continue;
		if (strcmp(routes[i].pattern, "/{asset}") == 0 && asset_find(r->path) == NULL)
			continue; /* so that what is not there is 404 for every method */
		path_known = true;
		bool is_get = strcmp(routes[i].method, "GET") == 0;
		snprintf(allow + used, sizeof(allow) - used, ", %s", is_get ? "GET, HEAD" : routes[i].method);
		if (strcmp(routes[i].method, method) != 0 && !(r->head && is_get))
			continue;
		r->route = &routes[i];
		r->n_params = n;
		memcpy(r->params, params, sizeof(params));
		if (!decode_params(r))
			answer_problem(r, 400, "bad_target", "the path has an escape that is not UTF-8 text");
		else
			(void)check_query(r); /* it answered */
		return;
	}
	if (!path_known)
		answer_problem(r, 404, "no_such_address", "nothing is here; /openapi.yaml lists what is");
	else
		answer_methods(r, allow, method);
}
