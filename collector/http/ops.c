/* ops.c - health, readiness, reload, the API's description, and the page. */
#include "collector/http/handlers.h"

#define SLOW_COMMIT_US US_PER_S
#define TEXT_TYPE "text/plain; charset=utf-8"

void handle_healthy(struct request *r, struct worker *w)
{
	(void)w;
	answer_text(r, 200, TEXT_TYPE, "ok\n");
}

/* A slow disk takes everything, late: who looks at a fleet that lags is told. */
static void answer_ready(struct request *r)
{
	struct hub_stats s;
	hub_stats(r->http->hub, &s);
	if (s.commit_last_us >= SLOW_COMMIT_US)
		answer_text(r, 200, TEXT_TYPE, "ready\nslow: the last commit took the disk %.1f s\n", (double)s.commit_last_us / US_PER_S);
	else
		answer_text(r, 200, TEXT_TYPE, "ready\n");
}

void handle_ready(struct request *r, struct worker *w)
{
	struct err err;
	(void)w;
	if (atomic_load(&r->http->stopping))
		answer_text(r, 503, TEXT_TYPE, "not ready: shutting down\n");
	else if (hub_ready(r->http->hub, &err) < 0)
		answer_text(r, 503, TEXT_TYPE, "not ready: %s\n", err.text);
	else
		answer_ready(r);
}

void handle_reload(struct request *r, struct worker *w)
{
	struct err err;
	(void)w;
	if (hub_reload(r->http->hub, &err) < 0)
		answer_problem(r, 500, "reload_failed", "the old configuration stays: %s", err.text);
	else
		answer_text(r, 200, TEXT_TYPE, "reloaded\n");
}

void handle_openapi(struct request *r, struct worker *w)
{
	(void)w;
	r->status = 200;
	r->type = "application/yaml";
	r->static_body = (const char *)openapi_start;
	r->static_n = (size_t)(openapi_end - openapi_start);
}

const struct asset *asset_find(struct str path)
{
	for (size_t i = 0; i < n_assets; i++)
		if (str_is(path, assets[i].path))
			return &assets[i];
	return NULL;
}

/* "W/\"x\", \"y\"" or "*": does it name ours? */
static bool etag_matches(struct str header, const char *etag)
{
	struct str one;
	while (str_cut(&header, ',', &one)) {
		one = str_trim(one);
		if (str_starts(one, "W/"))
			one = str_from(one, 2);
		if (str_is(one, etag) || str_is(one, "*"))
			return true;
	}
	return false;
}

void handle_page(struct request *r, struct worker *w)
{
	const struct asset *a = asset_find(str_is(r->path, "/") ? STR("/index.html") : r->path);
	(void)w;
	if (a == NULL) { /* "/" only: route_find() lets no other name come here */
		answer_text(r, 200, TEXT_TYPE,
			"tidemark " TIDEMARK_VERSION
			"\n\nThis collector was built without its page (TIDEMARK_WEB=OFF).\n"
			"The API is at /api/v1/ and described at /openapi.yaml; metrics are at /metrics.\n");
		return;
	}
	request_add_header(r, "ETag", "%s", a->etag);
	request_add_header(r, "Cache-Control",
		"no-cache"); /* kept, but asked about: names do not change with contents */
	r->type = a->type;
	if (etag_matches(request_header(r, "If-None-Match"), a->etag)) {
		r->status = 304;
		r->static_body = "";
		return;
	}
	r->status = 200;
	r->static_body = (const char *)a->start;
	r->static_n = (size_t)(a->end - a->start);
}
