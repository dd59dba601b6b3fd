/* metrics.c - GET /metrics in Prometheus' text format 0.0.4. Labels are bounded: services, states, routes. A
 * version appears on an _info gauge only; edges, endpoints and agents never: the API has those. */
#include "base/clock.h"
#include "collector/http/handlers.h"
#include "collector/http/json_scan.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_addf(b, "# HELP tidemark_%s %s\n# TYPE tidemark_%s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed are escaped, as the format says. */
static void label(struct buf *b, const char *name, struct str value)
{
	buf_addf(b, "%s=\"", name);
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		if (c == '\\' || c == '"')
			buf_addf(b, "\\%c", c);
		else if (c == '\n')
			buf_addf(b, "\\n");
		else
			buf_add_char(b, c);
	}
	buf_add_char(b, '"');
}

static void one(struct buf *b, const char *name, const char *type, const char *help, double value)
{
	head(b, name, type, help);
	buf_addf(b, "tidemark_%s %.15g\n", name, value);
}

static void sample_start(struct buf *b, const char *name, struct str service)
{
	buf_addf(b, "tidemark_%s{", name);
	label(b, "service", service);
}

/* A family at a time, as the format wants it: so the services are walked once for each. */
static void service_families(struct buf *b, const struct engine *e)
{
	struct service_counts c;
	size_t n = view_service_count(e);
	head(b, "cells", "gauge", "Cells (endpoint x edge) by state.");
	for (size_t i = 0; i < n; i++) {
		view_service_counts(e, i, &c);
		for (int s = 0; s < CELL_STATE_COUNT; s++) {
			sample_start(b, "cells", c.name);
			buf_addf(b, ",state=\"%s\"} %zu\n", cell_state_name((enum cell_state)s), c.cells[s]);
		}
	}
	head(b, "max_staleness_seconds", "gauge",
		"For how long the stalest cell has been serving a version that was replaced.");
	for (size_t i = 0; i < n; i++) {
		view_service_counts(e, i, &c);
		sample_start(b, "max_staleness_seconds", c.name);
		buf_addf(b, "} %.15g\n", (double)c.max_staleness_us / (double)US_PER_S);
	}
	head(b, "deploy_converged_ratio", "gauge",
		"Share of the observed cells that serve the last deploy, 0 to 1.");
	for (size_t i = 0; i < n; i++) {
		view_service_counts(e, i, &c);
		if (!c.has_deploy || c.converged_share < 0)
			continue;
		sample_start(b, "deploy_converged_ratio", c.name);
		buf_addf(b, "} %.15g\n", c.converged_share);
	}
	head(b, "deploy_verdict", "gauge", "1 for the verdict of the last deploy, 0 for the others.");
	for (size_t i = 0; i < n; i++) {
		view_service_counts(e, i, &c);
		for (int v = 0; c.has_deploy && v < VERDICT_COUNT; v++) {
			sample_start(b, "deploy_verdict", c.name);
			buf_addf(b, ",verdict=\"%s\"} %d\n", verdict_name((enum verdict)v),
				(int)c.verdict == v);
		}
	}
	head(b, "incidents_open", "gauge", "Open incidents by severity.");
	for (size_t i = 0; i < n; i++) {
		view_service_counts(e, i, &c);
		for (int v = 0; v < SEVERITY_COUNT; v++) {
			sample_start(b, "incidents_open", c.name);
			buf_addf(b, ",severity=\"%s\"} %zu\n", severity_name((enum severity)v), c.incidents[v]);
		}
	}
	head(b, "service_version_info", "gauge", "1; the label says which version is the right one now.");
	for (size_t i = 0; i < n; i++) {
		view_service_counts(e, i, &c);
		if (c.version.n == 0)
			continue;
		sample_start(b, "service_version_info", c.name);
		buf_add_char(b, ',');
		label(b, "version", c.version);
		buf_addf(b, "} 1\n");
	}
}

static void agent_family(struct buf *b, struct str agents)
{
	static const char *const states[] = { "connected", "late", "silent", "never_seen", "drained",
		"revoked" };
	size_t counts[ARRAY_LEN(states)] = { 0 };
	struct str item, raw;
	for (size_t at = 0; json_next(agents, &at, &item);)
		for (size_t i = 0; json_member(item, "state", &raw) && i < ARRAY_LEN(states); i++)
			counts[i] += json_raw_is(raw, str_of(states[i]));
	head(b, "agents", "gauge", "Enrolled agents by state.");
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		buf_addf(b, "tidemark_agents{state=\"%s\"} %zu\n", states[i], counts[i]);
}

static void hub_families(struct buf *b, struct hub *hub)
{
	struct hub_stats s;
	hub_stats(hub, &s);
	one(b, "start_time_seconds", "gauge", "When this collector started, since the epoch.",
		(double)s.started_at_us / 1e6);
	one(b, "journal_entries_total", "counter", "Entries appended to the journal.", (double)s.entries);
	one(b, "journal_position", "gauge", "Position of the journal's last entry.",
		(double)s.journal_position);
	one(b, "batches_total", "counter", "Batches taken from agents.", (double)s.batches);
	one(b, "batch_duplicates_total", "counter", "Batches that came again and were not counted twice.",
		(double)s.duplicates);
	one(b, "batch_conflicts_total", "counter", "Batches that came again with other contents.",
		(double)s.conflicts);
	one(b, "results_total", "counter", "Results of probes in the batches taken.", (double)s.results);
	one(b, "messages_refused_total", "counter", "Messages from agents that did not pass the checks.",
		(double)s.refused_messages);
	one(b, "messages_busy_total", "counter", "Messages answered Busy because the queue was full.",
		(double)s.busy_answers);
	one(b, "agents_denied_total", "counter", "Agents turned away.", (double)s.denied);
	one(b, "agent_handshakes_failed_total", "counter",
		"Peers turned away before a message: by TLS, or of another protocol.", (double)s.handshakes_failed);
	one(b, "agent_connections", "gauge", "Connections of the agents' port now, greeted or not.", (double)s.agent_connections);
	one(b, "agent_connections_refused_total", "counter", "Connections of the agents' port that were over a limit.",
		(double)s.agent_connections_refused);
	one(b, "agent_connections_crowded_out_total", "counter",
		"Connections that had not greeted yet and went for a newcomer of an address with fewer.",
		(double)s.agent_connections_crowded_out);
	one(b, "agents_connected", "gauge", "Agents connected now.", (double)s.agents_connected);
	one(b, "agent_lost_results_total", "counter", "Results that agents' spools had to drop.",
		(double)s.agent_lost_results);
	one(b, "agent_held_back_total", "counter", "Probes that agents' own caps held back.",
		(double)s.agent_held_back);
	one(b, "agent_refused_endpoints", "gauge", "Endpoints that agents are asked for and do not probe.",
		(double)s.agent_refused);
	one(b, "commits_total", "counter", "Group commits of the journal.", (double)s.commits);
	one(b, "commit_errors_total", "counter", "Group commits that failed.", (double)s.commit_errors);
	one(b, "commit_last_seconds", "gauge", "How long the last commit took.",
		(double)s.commit_last_us / 1e6);
	one(b, "commit_max_seconds", "gauge", "How long the slowest commit since start took.",
		(double)s.commit_max_us / 1e6);
	one(b, "queue_batches", "gauge", "Batches waiting for the writer.", (double)s.queue_batches);
	one(b, "queue_bytes", "gauge", "Bytes of these batches.", (double)s.queue_bytes);
	one(b, "snapshots_total", "counter", "Snapshots of the engine written.", (double)s.snapshots);
	if (s.last_snapshot_at_us > 0)
		one(b, "last_snapshot_timestamp_seconds", "gauge",
			"When the last snapshot was written, since the epoch.",
			(double)s.last_snapshot_at_us / 1e6);
	one(b, "store_disk_bytes", "gauge", "Bytes of the database and its log on disk.",
		(double)s.disk_bytes);
	one(b, "config_last_reload_successful", "gauge",
		"Whether the last reload of the configuration worked.", s.last_reload_ok);
	if (s.last_reload_at_us > 0)
		one(b, "config_last_reload_timestamp_seconds", "gauge",
			"When the configuration was last reloaded, since the epoch.",
			(double)s.last_reload_at_us / 1e6);
}

static void request_family(struct buf *b, struct http *h)
{
	head(b, "http_requests_total", "counter", "Requests answered, by route and class of status.");
	for (size_t i = 0; i <= n_routes; i++)
		for (size_t c = 1; c <= 5; c++) {
			uint64_t n = atomic_load(&h->answers[i * 6 + c]);
			if (n)
				buf_addf(b,
					"tidemark_http_requests_total{route=\"%s\",method=\"%s\",code=\"%"
					"zuxx\"} %" PRIu64 "\n",
					i < n_routes ? routes[i].pattern : "none",
					i < n_routes ? routes[i].method : "any", c, n);
		}
	head(b, "http_request_duration_seconds", "histogram",
		"From a request's header to its answer; streams left out.");
	uint64_t sum = 0;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		sum += atomic_load(&h->latency[i]);
		buf_addf(b, "tidemark_http_request_duration_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
			(double)latency_bounds_us[i] / 1e6, sum);
	}
	sum += atomic_load(&h->latency[LATENCY_BUCKETS]);
	buf_addf(b, "tidemark_http_request_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", sum);
	buf_addf(b, "tidemark_http_request_duration_seconds_sum %.15g\n",
		(double)atomic_load(&h->latency_sum_us) / 1e6);
	buf_addf(b, "tidemark_http_request_duration_seconds_count %" PRIu64 "\n", sum);
}

static void http_families(struct buf *b, struct http *h)
{
	static const char *const phases[CONN_PHASE_COUNT] = { "header", "body", "busy", "send", "stream",
		"idle" };
	struct conns *c = &h->conns;
	struct stream *s = &h->stream;
	request_family(b, h);
	pthread_mutex_lock(&c->lock);
	head(b, "http_connections", "gauge", "Open connections by what they are doing.");
	for (size_t i = 0; i < CONN_PHASE_COUNT; i++)
		buf_addf(b, "tidemark_http_connections{phase=\"%s\"} %zu\n", phases[i], c->per_phase[i]);
	head(b, "http_deadlines_missed_total", "counter", "Connections cut because their time was over.");
	for (size_t i = 0; i < CONN_PHASE_COUNT; i++)
		buf_addf(b, "tidemark_http_deadlines_missed_total{phase=\"%s\"} %" PRIu64 "\n", phases[i],
			c->expired[i]);
	one(b, "http_connections_total", "counter", "Connections accepted.", (double)c->accepted);
	one(b, "http_connections_refused_total", "counter", "Connections over the limits.",
		(double)c->refused);
	one(b, "http_connections_crowded_out_total", "counter",
		"Connections that asked for nothing and made room for another address.", (double)c->crowded_out);
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_lock(&s->lock);
	one(b, "sse_readers", "gauge", "Streams open now.", (double)s->n_readers);
	one(b, "sse_events_total", "counter", "Events told on the stream.", (double)s->told);
	one(b, "sse_readers_dropped_total", "counter",
		"Streams cut because their reader lagged too far behind.", (double)s->dropped);
	one(b, "sse_resets_total", "counter", "Readers that had to start anew.", (double)s->resets);
	one(b, "sse_buffer_bytes", "gauge", "Bytes of events kept for resuming.", (double)s->bytes);
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&h->waits.lock);
	one(b, "http_waiting", "gauge", "Requests waiting for a verdict.", (double)h->waits.n);
	pthread_mutex_unlock(&h->waits.lock);
}

void handle_metrics(struct request *r, struct worker *w)
{
	struct http *h = r->http;
	struct buf agents, *b = &r->out;
	(void)w;
	buf_init(&agents, ANSWER_MAX);
	head(b, "build_info", "gauge", "1; the label says which tidemark this is.");
	buf_addf(b, "tidemark_build_info{version=\"%s\"} 1\n", TIDEMARK_VERSION);
	const struct engine *e = hub_read(h->hub);
	service_families(b, e);
	view_agents(e, &agents);
	hub_read_done(h->hub);
	agent_family(b, buf_str(&agents));
	buf_fini(&agents);
	one(b, "ready", "gauge", "Whether everything needed to take results works.",
		hub_ready(h->hub, NULL) == 0);
	hub_families(b, h->hub);
	http_families(b, h);
	answer_json(r, 200); /* for its check of the size */
	if (r->status == 200)
		r->type = METRICS_TYPE;
}
