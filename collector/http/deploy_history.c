/* deploy_history.c - GET /api/v1/deploys/{id}/history: what became of a deploy, for who reads of it later: the
 * changes of its verdict, and of the cells of its service meanwhile. SQL in a worker, read-only, with a
 * deadline. */
#include "base/clock.h"
#include "base/units.h"
#include "collector/http/handlers.h"
#include "collector/http/json_scan.h"

#define TRANSITIONS_DEFAULT 1000
#define TRANSITIONS_MAX     5000
#define RANGE_MAX_US        (31 * US_PER_DAY)
#define AFTER_VERDICT_US    US_PER_H /* a relapse counts for half an hour */

struct deploy_history {
	struct str id;
	int64_t from_us, to_us;
	size_t limit, n_transitions, n_verdicts;
	struct buf *transitions, *verdicts;
};

static int on_transition(void *ctx, const struct transition *t)
{
	struct deploy_history *h = ctx;
	struct buf *b = h->transitions;
	if (h->n_transitions++ == h->limit) /* one more than fits: there are more */
		return 0;
	buf_addf(b, "%s{\"at\":", h->n_transitions > 1 ? "," : "");
	buf_add_json_time(b, t->at_us);
	buf_add_key(b, "endpoint");
	buf_add_json(b, t->endpoint);
	buf_add_key(b, "edge");
	buf_add_json(b, t->edge);
	buf_addf(b, ",\"from\":\"%s\",\"to\":\"%s\"", cell_state_name(t->from), cell_state_name(t->to));
	buf_add_key(b, "version");
	buf_add_json_or_null(b, t->version);
	buf_add_key(b, "expected");
	buf_add_json_or_null(b, t->expected);
	buf_addf(b, ",\"late\":%s,\"id\":\"%" PRId64 ".%" PRIu32 "\"}", t->late ? "true" : "false",
		t->key.position, t->key.seq);
	return 0;
}

static int on_verdict(void *ctx, const struct deploy_change *c)
{
	struct deploy_history *h = ctx;
	struct buf *b = h->verdicts;
	if (!str_eq(c->id, h->id))
		return 0;
	buf_addf(b, "%s{\"at\":", h->n_verdicts++ ? "," : "");
	buf_add_json_time(b, c->at_us);
	buf_addf(b, ",\"from\":\"%s\",\"to\":\"%s\"", verdict_name(c->from), verdict_name(c->to));
	buf_add_key(b, "reason");
	buf_add_json_or_null(b, c->reason);
	buf_add_char(b, '}');
	return 0;
}

static int64_t member_time(struct str object, const char *key)
{
	struct str raw;
	int64_t us = TIME_NONE;
	if (json_member(object, key, &raw) && raw.n > 2 &&
		time_parse(str_first(str_from(raw, 1), raw.n - 2), &us, NULL) < 0)
		return TIME_NONE;
	return us;
}

/* Where nothing is said: from its beginning to an hour after its verdict, or now. */
static bool read_range(struct request *r, struct str deploy, struct deploy_history *h)
{
	int64_t started_us = member_time(deploy, "started_at"), decided_us = member_time(deploy, "decided_at"),
		now_us = clock_wall_us();
	if (started_us == TIME_NONE)
		started_us = now_us;
	if (!request_query_time(r, "from", started_us, &h->from_us))
		return false;
	int64_t to_us = decided_us == TIME_NONE ? now_us : MIN(now_us, decided_us + AFTER_VERDICT_US);
	to_us = MAX(MIN(to_us + 1, h->from_us + RANGE_MAX_US), h->from_us + 1);
	if (!request_query_time(r, "to", to_us, &h->to_us) ||
		!request_query_limit(r, TRANSITIONS_DEFAULT, TRANSITIONS_MAX, &h->limit))
		return false;
	if (h->from_us >= h->to_us) {
		answer_problem(r, 400, "bad_parameter", "from: must be before to");
		return false;
	}
	if (h->to_us - h->from_us > RANGE_MAX_US) {
		answer_problem(r, 400, "bad_parameter", "from: at most 31 days before to");
		return false;
	}
	return true;
}

static int read_store(
	struct request *r, struct worker *w, struct deploy_history *h, struct str service, struct err *err)
{
	struct store *st = NULL;
	int rc = worker_store(w, &st, err);
	if (rc < 0)
		return rc;
	store_set_deadline(st, clock_boot_us() + r->http->limits.sql_us);
	rc = store_each_verdict(st, 0, on_verdict, h, err);
	if (rc == 0)
		rc = store_each_transition(st, service, STR_NONE, STR_NONE, h->from_us, h->to_us, h->limit + 1,
			on_transition, h, err);
	if (rc < 0)
		worker_drop_store(w);
	return rc;
}

static void write_answer(struct request *r, const struct deploy_history *h, struct str service)
{
	struct buf *b = &r->out;
	buf_addf(b, "{\"id\":");
	buf_add_json(b, h->id);
	buf_add_key(b, "service");
	buf_add_json(b, service);
	buf_add_key(b, "from");
	buf_add_json_time(b, h->from_us);
	buf_add_key(b, "to");
	buf_add_json_time(b, h->to_us);
	buf_addf(b, ",\"verdicts\":[");
	buf_add_str(b, buf_str(h->verdicts));
	buf_addf(b, "],\"transitions\":[");
	buf_add_str(b, buf_str(h->transitions));
	buf_addf(b, "],\"transitions_cut\":%s}\n", h->n_transitions > h->limit ? "true" : "false");
	answer_json(r, 200);
}

void handle_deploy_history(struct request *r, struct worker *w)
{
	struct buf deploy, transitions, verdicts;
	struct deploy_history h = {
		.id = request_param(r, "id"), .transitions = &transitions, .verdicts = &verdicts
	};
	struct str raw;
	struct err err;
	buf_init(&deploy, ANSWER_MAX);
	buf_init(&transitions, ANSWER_MAX / 2);
	buf_init(&verdicts, 1024 * 1024);
	int rc = view_deploy(hub_read(r->http->hub), h.id, &deploy, &err);
	hub_read_done(r->http->hub);
	if (rc < 0) {
		answer_err(r, &err);
	} else if (read_range(r, buf_str(&deploy), &h)) {
		/* names of services hold nothing that JSON escapes */
		struct str service = json_member(buf_str(&deploy), "service", &raw) && raw.n > 2
					     ? str_first(str_from(raw, 1), raw.n - 2)
					     : STR_NONE;
		rc = read_store(r, w, &h, service, &err);
		if (rc == ERR_TIMEOUT)
			answer_problem(r, 503, "timeout",
				"reading took too long; ask for a shorter time (from, to)");
		else if (rc < 0)
			answer_err(r, &err);
		else
			write_answer(r, &h, service);
	}
	buf_fini(&verdicts);
	buf_fini(&transitions);
	buf_fini(&deploy);
}
