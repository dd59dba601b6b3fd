/* evidence.c - GET /api/v1/cells/{endpoint}/{edge}/evidence: the headers a cell's edge answered with, and
 * which of them told what. The store keeps the block alone; its meaning is read here, by what is known today.
 */
#include "base/cdn/cdn.h"
#include "base/clock.h"
#include "collector/http/handlers.h"

#define EVIDENCE_DEFAULT 8
#define EVIDENCE_MAX     100

static void tell_key(struct buf *b, const char *what, const char *header)
{
	buf_addf(b, "%s{\"what\":\"%s\",\"header\":", b->p[b->n - 1] == '[' ? "" : ",", what);
	buf_add_json_or_null(b, str_of(header));
	buf_addf(b, ",\"value\":");
}

/* Of ttl_source: the header that the rule reads. */
static const char *ttl_header(const char *source)
{
	return !source                               ? NULL
	       : strcmp(source, "cache-status") == 0 ? "cache-status"
	       : strcmp(source, "expires") == 0      ? "expires"
						     : "cache-control";
}

static void add_told(struct buf *b, const struct headers *h)
{
	struct edge_info e;
	cdn_read(h, NULL, &e);
	buf_addf(b, ",\"vendor\":");
	buf_add_json(b, e.vendor);
	buf_addf(b, ",\"told\":[");
	if (e.pop.n > 0 && e.pop_source) {
		tell_key(b, "pop", e.pop_source);
		buf_add_json(b, e.pop);
		buf_add_char(b, '}');
	}
	if (e.n_tiers > 0 && e.cache_source) {
		tell_key(b, "cache", e.cache_source);
		buf_add_json(b, str_of(cache_status_name(e.cache)));
		buf_add_char(b, '}');
	}
	if (e.age_s != OBS_AGE_NONE) {
		tell_key(b, "age_s", e.age_source ? e.age_source : "age");
		buf_addf(b, "%" PRId64 "}", e.age_s);
	}
	if (e.ttl_source) {
		tell_key(b, "ttl_s", ttl_header(e.ttl_source));
		if (e.ttl_s == CDN_TTL_NONE)
			buf_addf(b, "null,\"because\":\"%s\"}", e.ttl_source);
		else
			buf_addf(b, "%" PRId64 ",\"because\":\"%s\"}", e.ttl_s, e.ttl_source);
	}
	if (e.targeted_source && e.targeted_ttl_s != CDN_TTL_NONE) {
		tell_key(b, "cdn_ttl_s", e.targeted_source);
		buf_addf(b, "%" PRId64 "}", e.targeted_ttl_s);
	}
	buf_add_char(b, ']');
}

void add_evidence(struct buf *b, const struct cell_evidence *ev)
{
	struct header room[HEADERS_MAX];
	struct headers h;
	struct str rest = ev->block, line;
	size_t n = 0;
	int status = 0;
	buf_addf(b, "{\"at\":");
	buf_add_json_time(b, ev->at_us);
	buf_addf(b, ",\"agent\":");
	buf_add_json_or_null(b, ev->agent);
	buf_addf(b, ",\"version\":");
	buf_add_json_or_null(b, ev->version);
	buf_addf(b, ",\"status\":%d", ev->status);
	if (headers_parse(ev->block, room, ARRAY_LEN(room), &h, &status, NULL) == 0)
		add_told(b, &h);
	else
		buf_addf(b, ",\"vendor\":null,\"told\":[]");
	buf_addf(b, ",\"headers\":[");
	while (str_cut(&rest, '\n', &line)) {
		line = str_trim(line);
		if (line.n == 0)
			continue;
		if (n++)
			buf_add_char(b, ',');
		buf_add_json(b, line);
	}
	buf_addf(b, "]}");
}

struct evidence_answer {
	struct buf *list;
	size_t n;
};

static int on_evidence(void *ctx, const struct cell_evidence *ev)
{
	struct evidence_answer *a = ctx;
	if (a->n++)
		buf_add_char(a->list, ',');
	add_evidence(a->list, ev);
	return 0;
}

static int read_evidence(struct request *r, struct worker *w, struct str service, size_t limit,
	struct evidence_answer *a, struct err *err)
{
	struct store *st = NULL;
	int rc = worker_store(w, &st, err);
	if (rc < 0)
		return rc;
	store_set_deadline(st, clock_boot_us() + r->http->limits.sql_us);
	rc = store_each_evidence(st, service, request_param(r, "endpoint"), request_param(r, "edge"), limit,
		on_evidence, a, err);
	if (rc < 0)
		worker_drop_store(w);
	return rc;
}

void handle_evidence(struct request *r, struct worker *w)
{
	struct buf service, list;
	struct evidence_answer a = { .list = &list };
	struct err err;
	size_t limit;
	if (!request_query_limit(r, EVIDENCE_DEFAULT, EVIDENCE_MAX, &limit))
		return;
	buf_init(&service, 2 * OBS_NAME_MAX);
	buf_init(&list, ANSWER_MAX / 2);
	if (cell_service(r, &service)) {
		int rc = read_evidence(r, w, buf_str(&service), limit, &a, &err);
		if (rc == ERR_TIMEOUT) {
			answer_problem(r, 503, "timeout", "reading took too long; try again");
		} else if (rc < 0 || (a.n == 0 && !cell_is_known(r, buf_str(&service), &err))) {
			answer_err(r, &err);
		} else {
			buf_addf(&r->out, "{\"service\":");
			buf_add_json(&r->out, buf_str(&service));
			buf_add_key(&r->out, "endpoint");
			buf_add_json(&r->out, request_param(r, "endpoint"));
			buf_add_key(&r->out, "edge");
			buf_add_json(&r->out, request_param(r, "edge"));
			buf_addf(&r->out, ",\"evidence\":[");
			buf_add_str(&r->out, buf_str(&list));
			buf_addf(&r->out, "]}\n");
			answer_json(r, 200);
		}
	}
	buf_fini(&list);
	buf_fini(&service);
}
