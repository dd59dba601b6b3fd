/* api_read.c - what is answered from memory: the engine's views, rendered under the read lock into a buffer
 * first. */
#include "base/clock.h"
#include "collector/http/handlers.h"
#include "collector/http/json_scan.h"
#include "collector/http/known.h"

#define LIST_BYTES_MAX ANSWER_MAX

typedef void view_fn(const struct engine *e, struct buf *out);

/* The whole array, then one page of it: these lists are as long as the configuration, not as the journal. */
static void answer_view(struct request *r, view_fn *view, const char *key)
{
	struct buf all;
	buf_init(&all, LIST_BYTES_MAX);
	view(hub_read(r->http->hub), &all);
	hub_read_done(r->http->hub);
	if (buf_failed(&all))
		answer_problem(r, 500, "too_big", "the list does not fit %d MiB", LIST_BYTES_MAX >> 20);
	else
		answer_list(r, buf_str(&all), key);
	buf_fini(&all);
}

void handle_services(struct request *r, struct worker *w)
{
	(void)w;
	answer_view(r, view_services, "name");
}

void handle_agents(struct request *r, struct worker *w)
{
	struct buf all, out;
	struct str item, name;
	(void)w;
	buf_init(&all, LIST_BYTES_MAX), buf_init(&out, LIST_BYTES_MAX);
	view_agents(hub_read(r->http->hub), &all);
	hub_read_done(r->http->hub);
	buf_add_char(&out, '[');
	for (size_t at = 0, n = 0; !buf_failed(&all) && json_next(buf_str(&all), &at, &item); n++) {
		buf_addf(&out, "%s", n ? "," : "");
		buf_add_str(&out, str_first(item, item.n - 1)); /* its '}' comes below */
		if (json_member(item, "name", &name))           /* names need no escapes: quotes off */
			hub_agent_shortfall(r->http->hub,
				str_first(str_from(name, 1), name.n > 2 ? name.n - 2 : 0), &out);
		buf_add_char(&out, '}');
	}
	buf_add_char(&out, ']');
	if (buf_failed(&all) || buf_failed(&out))
		answer_problem(r, 500, "too_big", "the list does not fit %d MiB", LIST_BYTES_MAX >> 20);
	else
		answer_list(r, buf_str(&out), "name");
	buf_fini(&all), buf_fini(&out);
}

static void all_purges(const struct engine *e, struct buf *out)
{
	view_purges(e, STR_NONE, 0, out);
}

void handle_purges(struct request *r, struct worker *w)
{
	(void)w;
	answer_view(r, all_purges, "id");
}

bool purge_find(struct http *h, struct str id, struct buf *ret_object, struct err *err)
{
	struct buf all;
	struct str item, raw;
	bool found = false;
	buf_init(&all, LIST_BYTES_MAX);
	view_purges(hub_read(h->hub), STR_NONE, 0, &all);
	hub_read_done(h->hub);
	for (size_t at = 0; !found && json_next(buf_str(&all), &at, &item);)
		if (json_member(item, "id", &raw) && json_raw_is(raw, id)) {
			buf_add_str(ret_object, item);
			found = true;
		}
	buf_fini(&all);
	if (!found)
		(void)err_set(err, ERR_NOT_FOUND, "no purge has the id '%.*s'", STR_ARG(str_first(id, 64)));
	return found;
}

void handle_purge(struct request *r, struct worker *w)
{
	struct err err;
	(void)w;
	if (purge_find(r->http, request_param(r, "id"), &r->out, &err))
		answer_json(r, 200);
	else
		answer_err(r, &err);
}

/* {"items":[..],"next":cursor}, from views that page by themselves. */
static void finish_page(struct request *r, struct buf *next)
{
	buf_addf(&r->out, ",\"next\":");
	buf_add_json_or_null(&r->out, buf_str(next));
	buf_addf(&r->out, "}\n");
	answer_json(r, 200);
}

static void answer_cells(struct request *r, struct str service)
{
	struct cell_filter f = {
		.service = service,
		.endpoint = request_query(r, "endpoint"),
		.vendor = request_query(r, "vendor"),
		.region = request_query(r, "region"),
		.state = request_query(r, "state"),
		.edge = request_query(r, "edge"),
		.after = request_query(r, "cursor"),
	};
	struct buf next;
	struct err err;
	if (!request_query_limit(r, 500, 5000, &f.limit) || !request_query_flag(r, "why", &f.why))
		return;
	if (!query_state_known(r, f.state))
		return;
	buf_init(&next, 1024);
	buf_addf(&r->out, "{\"items\":");
	int rc = view_cells(hub_read(r->http->hub), &f, &r->out, &next, &err);
	hub_read_done(r->http->hub);
	if (rc < 0)
		answer_problem(r, 400, "bad_cursor", "cursor: %s", err.text);
	else
		finish_page(r, &next);
	buf_fini(&next);
}

void handle_cells(struct request *r, struct worker *w)
{
	(void)w;
	answer_cells(r, request_query(r, "service"));
}

void handle_cell(struct request *r, struct worker *w)
{
	struct buf service;
	struct err err;
	(void)w;
	buf_init(&service, 2 * OBS_NAME_MAX);
	if (cell_service(r, &service)) {
		int rc = view_cell(hub_read(r->http->hub), buf_str(&service), request_param(r, "endpoint"),
			request_param(r, "edge"), &r->out, &err);
		hub_read_done(r->http->hub);
		if (rc < 0)
			answer_err(r, &err);
		else
			answer_json(r, 200);
	}
	buf_fini(&service);
}

/* An endpoint's id is unique within its service; where only one service has such a cell, nobody needs to name
 * it. */
bool cell_service(struct request *r, struct buf *ret)
{
	struct cell_filter f = {
		.endpoint = request_param(r, "endpoint"), .edge = request_param(r, "edge"), .limit = 2
	};
	struct str named = request_query(r, "service"), item, raw;
	struct buf cells, next;
	struct err err;
	size_t n = 0;
	if (named.n) {
		buf_add_str(ret, named);
		return true;
	}
	buf_init(&cells, 1024 * 1024);
	buf_init(&next, 1024);
	int rc = view_cells(hub_read(r->http->hub), &f, &cells, &next, &err);
	hub_read_done(r->http->hub);
	for (size_t at = 0; rc == 0 && json_next(buf_str(&cells), &at, &item);)
		if (json_member(item, "service", &raw) && n++ == 0)
			buf_add(ret, raw.p + 1,
				raw.n - 2); /* names of services hold nothing that JSON escapes */
	buf_fini(&cells);
	buf_fini(&next);
	if (rc < 0)
		answer_err(r, &err);
	else if (n == 0)
		answer_problem(r, 404, "not_found", "no cell of endpoint '%.*s' and edge '%.*s'",
			STR_ARG(str_first(f.endpoint, 128)), STR_ARG(str_first(f.edge, 128)));
	else if (n > 1)
		answer_problem(r, 400, "bad_parameter",
			"service: several services have such a cell; name one with ?service=");
	return rc == 0 && n == 1;
}

void handle_deploys(struct request *r, struct worker *w)
{
	size_t limit;
	struct buf next;
	struct str after = request_query(r, "cursor");
	enum verdict v;
	(void)w;
	if (!request_query_limit(r, 50, 500, &limit))
		return;
	const struct engine *e = hub_read(r->http->hub);
	if (after.n && view_verdict(e, after, &v, NULL) < 0) {
		hub_read_done(r->http->hub);
		answer_problem(r, 400, "bad_cursor", "cursor: no deploy has this id; start anew");
		return;
	}
	buf_init(&next, 1024);
	buf_addf(&r->out, "{\"items\":");
	view_deploys(
		e, request_query(r, "service"), request_query(r, "version"), after, limit, &r->out, &next);
	hub_read_done(r->http->hub);
	finish_page(r, &next);
	buf_fini(&next);
}

bool deploy_service(struct http *h, struct str id, struct buf *ret_service, struct err *err)
{
	struct buf deploy;
	struct str raw;
	buf_init(&deploy, ANSWER_MAX);
	int rc = view_deploy(hub_read(h->hub), id, &deploy, err);
	hub_read_done(h->hub);
	if (rc == 0 && json_member(buf_str(&deploy), "service", &raw) && raw.n > 2)
		buf_add(ret_service, raw.p + 1, raw.n - 2);
	buf_fini(&deploy);
	return rc == 0;
}

/* Answers at once when the verdict stands or nobody wants to wait; else parks, and comes here again when
 * something changed. */
void handle_deploy(struct request *r, struct worker *w)
{
	struct http *h = r->http;
	struct str id = request_param(r, "id");
	int64_t wait_us;
	struct err err;
	(void)w;
	if (!request_query_duration(r, "wait", WAIT_MAX_US, &wait_us))
		return;
	if (r->phase != REQUEST_WAITING)
		r->wait_until_us = r->started_us + wait_us;
	r->wait_id = id;
	for (;;) {
		uint64_t generation = waits_generation(&h->waits);
		enum verdict v = VERDICT_PENDING;
		const struct engine *e = hub_read(h->hub);
		int rc = view_verdict(e, id, &v, &err);
		bool wait = rc == 0 && !verdict_is_final(v) && !r->head && clock_boot_us() < r->wait_until_us;
		if (rc == 0 && !wait)
			rc = view_deploy(e, id, &r->out, &err);
		hub_read_done(h->hub);
		if (rc < 0) {
			answer_err(r, &err);
			return;
		}
		if (!wait) {
			answer_json(r, 200);
			return;
		}
		switch (waits_park(&h->waits, r, generation)) {
		case PARKED:
			http_wake_timer(h);
			return;
		case PARK_CHANGED:
			continue;
		case PARK_STOPPING:
			r->wait_until_us = INT64_MIN; /* answer with what is so now */
			continue;
		case PARK_FULL:
			answer_problem(r, 503, "too_many_waits",
				"%zu requests are waiting, which is the limit", h->waits.n_max);
			return;
		}
	}
}

void handle_propagation(struct request *r, struct worker *w)
{
	struct err err;
	(void)w;
	int rc = view_propagation(hub_read(r->http->hub), request_param(r, "id"), &r->out, &err);
	hub_read_done(r->http->hub);
	if (rc < 0)
		answer_err(r, &err);
	else
		answer_json(r, 200);
}

void handle_deploy_cells(struct request *r, struct worker *w)
{
	struct buf service;
	struct err err;
	(void)w;
	buf_init(&service, 2 * OBS_NAME_MAX);
	if (deploy_service(r->http, request_param(r, "id"), &service, &err))
		answer_cells(r, buf_str(&service));
	else
		answer_err(r, &err);
	buf_fini(&service);
}
