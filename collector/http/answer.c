/* answer.c - the shapes of answers: JSON, text, problem documents (RFC 9457), lists in pages; and how they go
 * out. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "collector/http/json_scan.h"
#include "collector/http/server.h"

#define JSON_TYPE    "application/json"
#define PROBLEM_TYPE "application/problem+json"

void answer_json(struct request *r, int status)
{
	if (buf_failed(&r->out)) {
		answer_problem(r, 500, "too_big",
			"the answer does not fit %d MiB; ask for fewer items (limit)", ANSWER_MAX >> 20);
		return;
	}
	r->status = status;
	r->type = JSON_TYPE;
}

void answer_text(struct request *r, int status, const char *type, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(&r->out);
	buf_add_str(&r->out, str_of(text));
	r->status = status;
	r->type = type;
}

static const char *status_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

/* "/live_at: want a time" names its place in the body as a JSON pointer first. */
static struct str pointer_of(struct str detail)
{
	ptrdiff_t colon = str_find(detail, ':');
	if (!str_starts(detail, "/") || colon < 0 || str_find(str_first(detail, (size_t)colon), ' ') >= 0)
		return STR_NONE;
	return str_first(detail, (size_t)colon);
}

void answer_problem(struct request *r, int status, const char *code, const char *fmt, ...)
{
	char detail[2 * ERR_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	buf_clear(&r->out);
	buf_addf(&r->out,
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\",\"detail\":",
		status_title(status), status, code);
	buf_add_json(&r->out, str_of(detail));
	struct str pointer = pointer_of(str_of(detail));
	if (pointer.n) {
		buf_add_key(&r->out, "pointer");
		buf_add_json(&r->out, pointer);
	}
	if (r->path.n) { /* as it was sent: what the path was matched from is decoded in place */
		buf_add_key(&r->out, "instance");
		buf_add_json(&r->out, (struct str){ r->uri + (r->path.p - r->text), r->path.n });
	}
	buf_addf(&r->out, "}\n");
	r->status = status;
	r->type = PROBLEM_TYPE;
	r->static_body = NULL;
	if (status == 503)
		request_add_header(r, "Retry-After", "1");
}

void answer_err(struct request *r, const struct err *err)
{
	int status = 500;
	switch (err->code) {
	case ERR_SYNTAX:
		status = 400;
		break;
	case ERR_TOO_BIG:
	case ERR_NONSENSE:
	case ERR_UNSUPPORTED:
		status = 422;
		break;
	case ERR_NOT_FOUND:
		status = 404;
		break;
	case ERR_EXISTS:
		status = 409;
		break;
	case ERR_DENIED:
		status = 403;
		break;
	case ERR_BUSY:
	case ERR_FULL:
	case ERR_IO:
	case ERR_TIMEOUT:
		status = 503; /* nothing was written: try again */
		break;
	default:
		break;
	}
	answer_problem(
		r, status, err->code == ERR_NONSENSE ? "invalid" : err_name(err->code), "%s", err->text);
}

static bool passes_filters(const struct request *r, struct str item)
{
	for (size_t i = 0; i < r->n_query; i++) {
		char name[32];
		struct str q = r->query[i].name, raw;
		if (str_is(q, "limit") || str_is(q, "cursor"))
			continue;
		snprintf(name, sizeof(name), "%.*s", STR_ARG(q));
		if (!json_member(item, name, &raw) || !json_raw_is(raw, r->query[i].value))
			return false;
	}
	return true;
}

/* A cursor is the key of the last item of the page before; where that item is gone, the page after it is not
 * known. */
void answer_list(struct request *r, struct str array, const char *key)
{
	size_t at = 0, n = 0, limit;
	struct str item, raw, last = STR_NONE, cursor = request_query(r, "cursor");
	bool started = cursor.n == 0, more = false;
	if (!request_query_limit(r, 200, 1000, &limit))
		return;
	buf_clear(&r->out);
	buf_addf(&r->out, "{\"items\":[");
	while (json_next(array, &at, &item)) {
		if (!started) {
			started = json_member(item, key, &raw) && json_raw_is(raw, cursor);
			continue;
		}
		if (!passes_filters(r, item))
			continue;
		more = n == limit;
		if (more)
			break;
		if (n++)
			buf_add_char(&r->out, ',');
		buf_add_str(&r->out, item);
		INVARIANT(json_member(item, key, &last));
	}
	if (!started) {
		answer_problem(r, 400, "bad_cursor",
			"cursor: what it points at is not in the list any more; start anew");
		return;
	}
	buf_addf(&r->out, "],\"next\":");
	buf_add_str(&r->out, more ? last : STR("null"));
	buf_addf(&r->out, "}\n");
	answer_json(r, 200);
}

#define PAGE_CSP                                                                                             \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "   \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define DATA_CSP "default-src 'none'; frame-ancestors 'none'"

static void add(struct MHD_Response *resp, const char *name, const char *value)
{
	INVARIANT(MHD_add_response_header(resp, name, value) == MHD_YES); /* ours, and checked: no CR or LF */
}

static void add_headers(struct request *r, struct MHD_Response *resp)
{
	bool cached = false;
	for (size_t i = 0; i < r->n_headers; i++) {
		add(resp, r->headers[i].name, r->headers[i].value);
		cached = cached || strcmp(r->headers[i].name, "Cache-Control") == 0;
	}
	if (r->type)
		add(resp, "Content-Type", r->type);
	if (!cached)
		add(resp, "Cache-Control", "no-store");
	add(resp, "Content-Security-Policy",
		r->type && str_starts(str_of(r->type), "text/html") ? PAGE_CSP : DATA_CSP);
	add(resp, "X-Content-Type-Options", "nosniff");
	add(resp, "Referrer-Policy", "no-referrer");
	/* With read access and no token, pages of others must not read us by embedding us. */
	if (!r->route || !(r->route->flags & ROUTE_STATUS_FEED))
		add(resp, "Cross-Origin-Resource-Policy", "same-origin");
}

enum MHD_Result request_send(struct request *r)
{
	struct http *h = r->http;
	struct MHD_Response *resp = r->response;
	r->response = NULL;
	r->phase = REQUEST_DONE;
	INVARIANT(r->status != 0);
	bool stream = resp != NULL;
	if (resp == NULL && r->static_body) {
		resp = MHD_create_response_from_buffer(
			r->static_n, (void *)(uintptr_t)r->static_body, MHD_RESPMEM_PERSISTENT);
	} else if (resp == NULL) {
		size_t n;
		char *body = buf_take(&r->out, &n);
		resp = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
	}
	INVARIANT(resp != NULL);
	add_headers(r, resp);
	size_t row = r->route ? (size_t)(r->route - routes) : n_routes;
	atomic_fetch_add(&h->answers[row * 6 + (size_t)r->status / 100], 1);
	if (!stream) {
		int64_t us = clock_boot_us() - r->started_us;
		size_t b = 0;
		while (b < LATENCY_BUCKETS && us > latency_bounds_us[b])
			b++;
		atomic_fetch_add(&h->latency[b], 1);
		atomic_fetch_add(&h->latency_sum_us, (uint64_t)MAX(us, 0));
	}
	conns_phase(&h->conns, r->conn, stream ? CONN_STREAM : CONN_SEND);
	enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)r->status, resp);
	MHD_destroy_response(resp);
	return result;
}
