/* history.c - GET /api/v1/cells/{endpoint}/{edge}/history: transitions and single results of one cell from
 * the store. SQL in a worker, read-only, with a deadline. A failed probe names no edge: it counts for the one
 * its agent last reached for this endpoint (as in the engine), as far as the results read here can tell. */
#include <stdlib.h>

#include "base/clock.h"
#include "collector/http/handlers.h"

#define HISTORY_DEFAULT_US US_PER_H
#define HISTORY_RANGE_MAX  (31 * US_PER_DAY)
#define HISTORY_LATE_US    US_PER_H /* results that arrived up to so long after `to` are read too */
#define RESULTS_MAX        5000
#define EVIDENCE_BYTES_MAX (ANSWER_MAX / 4) /* in one answer; transitions after that come without */
#define AGENTS_SEEN_MAX    4096

struct seen { /* was this agent last answered by our edge? */
	uint64_t agent;
	bool here;
};
struct history {
	struct entry_reader *reader;
	struct str endpoint, edge;
	int64_t from_us, to_us;
	size_t limit;
	/* the newest `limit` results, each a rendered object */
	struct buf *ring;
	size_t n_kept, oldest;
	bool cut;
	struct seen *agents;
	size_t n_agents, cap_agents;
	struct store *store; /* while it is read */
	struct buf *transitions;
	size_t n_transitions;
};

static struct seen *agent_seen(struct history *h, struct str agent)
{
	uint64_t id = str_hash(agent);
	for (size_t i = 0; i < h->n_agents; i++)
		if (h->agents[i].agent == id)
			return &h->agents[i];
	if (h->n_agents == AGENTS_SEEN_MAX)
		return NULL;
	h->agents = mem_grow(h->agents, &h->cap_agents, h->n_agents + 1, sizeof(*h->agents));
	h->agents[h->n_agents] = (struct seen){ .agent = id };
	return &h->agents[h->n_agents++];
}

static void render_result(struct buf *b, const struct batch *batch, const struct obs *o)
{
	buf_clear(b);
	buf_addf(b, "{\"at\":");
	buf_add_json_time(b, o->observed_at_us);
	buf_add_key(b, "agent");
	buf_add_json(b, batch->agent);
	buf_add_key(b, "region");
	buf_add_json_or_null(b, batch->region);
	buf_add_key(b, "result");
	buf_add_json(b, str_of(obs_fail_name((enum obs_fail)o->fail)));
	buf_addf(b, ",\"status\":%d", o->status);
	buf_add_key(b, "version");
	buf_add_json_or_null(b, batch_str(batch, o->version));
	buf_add_key(b, "node");
	buf_add_json_or_null(b, batch_str(batch, o->node));
	buf_add_key(b, "ip");
	buf_add_json_or_null(b, batch_str(batch, o->ip));
	buf_addf(b, ",\"cache\":[");
	for (size_t i = 0; i < o->n_tiers; i++) {
		if (i)
			buf_add_char(b, ',');
		buf_add_json(b, str_of(cache_status_name((enum cache_status)o->tiers[i])));
	}
	buf_addf(b, "],\"age_s\":");
	if (o->age_s == OBS_AGE_NONE)
		buf_addf(b, "null");
	else
		buf_addf(b, "%" PRId32, o->age_s);
	buf_add_key(b, "ttl_s");
	if (o->ttl_s == OBS_TTL_NONE)
		buf_addf(b, "null");
	else
		buf_addf(b, "%" PRId32, o->ttl_s);
	buf_add_key(b, "total_s");
	if (o->timing.total_us < 0)
		buf_addf(b, "null");
	else
		buf_add_seconds(b, o->timing.total_us);
	buf_add_char(b, '}');
}

static void keep(struct history *h, const struct batch *batch, const struct obs *o)
{
	struct buf *slot;
	if (h->n_kept < h->limit) {
		slot = &h->ring[h->n_kept++];
	} else {
		slot = &h->ring[h->oldest];
		h->oldest = (h->oldest + 1) % h->limit;
		h->cut = true;
	}
	render_result(slot, batch, o);
}

static void read_batch(struct history *h, const struct batch *batch)
{
	struct seen *seen = agent_seen(h, batch->agent);
	for (size_t i = 0; i < batch->n_obs; i++) {
		const struct obs *o = &batch->obs[i];
		if (o->path != PATH_EDGE || !str_eq(batch_str(batch, o->endpoint), h->endpoint))
			continue;
		bool here = o->edge ? str_eq(batch_str(batch, o->edge), h->edge) : seen && seen->here;
		if (seen)
			seen->here = here;
		if (here && o->observed_at_us >= h->from_us && o->observed_at_us < h->to_us)
			keep(h, batch, o);
	}
}

static int on_batch(void *ctx, const struct entry *e)
{
	struct history *h = ctx;
	struct event ev;
	/* one that does not decode any more was counted when it came; the others still tell */
	if (entry_to_event(h->reader, e, &ev, NULL) == 0 && ev.kind == EV_OBSERVATIONS)
		read_batch(h, ev.observations.batch);
	return 0;
}

static int on_evidence(void *ctx, const struct cell_evidence *ev)
{
	struct buf *b = ctx;
	buf_addf(b, ",\"evidence\":");
	add_evidence(b, ev);
	return 0;
}

static int on_transition(void *ctx, const struct transition *t)
{
	struct history *h = ctx;
	struct buf *b = h->transitions;
	if (h->n_transitions++)
		buf_add_char(b, ',');
	buf_addf(b, "{\"at\":");
	buf_add_json_time(b, t->at_us);
	buf_addf(b, ",\"from\":\"%s\",\"to\":\"%s\"", cell_state_name(t->from), cell_state_name(t->to));
	buf_add_key(b, "version");
	buf_add_json_or_null(b, t->version);
	buf_add_key(b, "expected");
	buf_add_json_or_null(b, t->expected);
	buf_addf(b, ",\"late\":%s,\"id\":\"%" PRId64 ".%" PRIu32 "\"", t->late ? "true" : "false",
		t->key.position, t->key.seq);
	size_t before = b->n;
	struct err err;
	int rc = b->n < EVIDENCE_BYTES_MAX ? store_transition_evidence(h->store, t, on_evidence, b, &err) : 0;
	if (b->n == before)
		buf_addf(b, ",\"evidence\":null");
	buf_add_char(b, '}');
	return rc;
}

static int read_history(
	struct request *r, struct worker *w, struct history *h, struct str service, struct err *err)
{
	struct store *st = NULL;
	int rc = worker_store(w, &st, err);
	if (rc < 0)
		return rc;
	h->store = st;
	store_set_deadline(st, clock_boot_us() + r->http->limits.sql_us);
	rc = store_each_transition(
		st, service, h->endpoint, h->edge, h->from_us, h->to_us, h->limit, on_transition, h, err);
	if (rc == 0)
		rc = store_each_batch(st, service, h->from_us, h->to_us + HISTORY_LATE_US, on_batch, h, err);
	if (rc < 0)
		worker_drop_store(w);
	return rc;
}

static void write_history(struct request *r, const struct history *h, struct str service)
{
	struct buf *b = &r->out;
	buf_addf(b, "{\"service\":");
	buf_add_json(b, service);
	buf_add_key(b, "endpoint");
	buf_add_json(b, h->endpoint);
	buf_add_key(b, "edge");
	buf_add_json(b, h->edge);
	buf_add_key(b, "from");
	buf_add_json_time(b, h->from_us);
	buf_add_key(b, "to");
	buf_add_json_time(b, h->to_us);
	buf_addf(b, ",\"transitions\":[");
	buf_add_str(b, buf_str(h->transitions));
	buf_addf(
		b, "],\"transitions_cut\":%s,\"results\":[", h->n_transitions >= h->limit ? "true" : "false");
	for (size_t i = 0; i < h->n_kept; i++) {
		if (i)
			buf_add_char(b, ',');
		buf_add_str(b, buf_str(&h->ring[(h->oldest + i) % h->n_kept]));
	}
	buf_addf(b, "],\"results_cut\":%s}\n", h->cut ? "true" : "false");
	answer_json(r, 200);
}

bool cell_is_known(struct request *r, struct str service, struct err *err)
{
	struct buf cell;
	buf_init(&cell, 1024 * 1024);
	int rc = view_cell(hub_read(r->http->hub), service, request_param(r, "endpoint"),
		request_param(r, "edge"), &cell, err);
	hub_read_done(r->http->hub);
	buf_fini(&cell);
	return rc == 0;
}

static bool read_range(struct request *r, struct history *h)
{
	int64_t now_us = clock_wall_us();
	if (!request_query_time(r, "to", now_us, &h->to_us) ||
		!request_query_time(r, "from", h->to_us - HISTORY_DEFAULT_US, &h->from_us) ||
		!request_query_limit(r, 1000, RESULTS_MAX, &h->limit))
		return false;
	if (h->from_us >= h->to_us) {
		answer_problem(r, 400, "bad_parameter", "from: must be before to");
		return false;
	}
	if (h->to_us - h->from_us > HISTORY_RANGE_MAX) {
		answer_problem(r, 400, "bad_parameter", "from: at most 31 days before to");
		return false;
	}
	return true;
}

void handle_history(struct request *r, struct worker *w)
{
	struct history h = { .reader = w->reader,
		.endpoint = request_param(r, "endpoint"),
		.edge = request_param(r, "edge") };
	struct buf service, transitions;
	struct err err;
	if (!read_range(r, &h))
		return;
	buf_init(&service, 2 * OBS_NAME_MAX);
	buf_init(&transitions, ANSWER_MAX / 2);
	h.transitions = &transitions;
	h.ring = mem_new_array(h.limit, sizeof(*h.ring));
	for (size_t i = 0; i < h.limit; i++)
		buf_init(&h.ring[i], 16 * 1024);
	if (cell_service(r, &service)) {
		int rc = read_history(r, w, &h, buf_str(&service), &err);
		if (rc == ERR_TIMEOUT)
			answer_problem(r, 503, "timeout",
				"reading took too long; ask for a shorter time (from, to)");
		else if (rc < 0)
			answer_err(r, &err);
		else if (h.n_transitions + h.n_kept > 0 || cell_is_known(r, buf_str(&service), &err))
			write_history(r, &h, buf_str(&service));
		else
			answer_err(r, &err);
	}
	for (size_t i = 0; i < h.limit; i++)
		buf_fini(&h.ring[i]);
	free(h.ring);
	free(h.agents);
	buf_fini(&transitions);
	buf_fini(&service);
}
