/* incidents.c - GET /api/v1/incidents, and the same in the shape of Atlassian Statuspage's public API for the feeds of /api/v2. */
#include <jansson.h>

#include "base/units.h"
#include "collector/http/handlers.h"
#include "collector/http/json_text.h"

#define FEED_MAX 50 /* newest; as Statuspage's own feed has */

static bool read_filter(struct request *r, struct incident_filter *f)
{
	struct str state = request_query(r, "state");
	*f = (struct incident_filter){ .service = request_query(r, "service") };
	f->open = str_is(state, "open"), f->resolved = str_is(state, "resolved");
	if (state.n && !f->open && !f->resolved) {
		answer_problem(r, 400, "bad_parameter", "state: '%.*s' is neither open nor resolved",
			STR_ARG(str_first(state, 64)));
		return false;
	}
	return true;
}

void handle_incidents(struct request *r, struct worker *w)
{
	struct incident_filter f;
	struct buf all;
	(void)w;
	if (!read_filter(r, &f))
		return;
	buf_init(&all, ANSWER_MAX);
	view_incidents(hub_read(r->http->hub), &f, &all);
	hub_read_done(r->http->hub);
	if (buf_failed(&all))
		answer_problem(r, 500, "too_big", "the list does not fit %d MiB", ANSWER_MAX >> 20);
	else
		answer_list(r, buf_str(&all), "id");
	buf_fini(&all);
}

void handle_incident(struct request *r, struct worker *w)
{
	struct err err;
	(void)w;
	int rc = view_incident(hub_read(r->http->hub), request_param(r, "id"), &r->out, &err);
	hub_read_done(r->http->hub);
	if (rc < 0)
		answer_err(r, &err);
	else
		answer_json(r, 200);
}

/* -- Statuspage's words -- */

static void add_time(struct buf *b, const char *key, struct str time)
{
	int64_t at_us;
	buf_add_key(b, key);
	if (time.n && time_parse(time, &at_us, NULL) == 0)
		status_add_millis(b, at_us);
	else
		buf_addf(b, "null");
}

static const char *status_of(const json_t *event)
{
	if (str_is(json_text_of(event, "event"), "resolved"))
		return "resolved";
	return json_text_of(event, "cause").n ? "identified" : "investigating";
}

static void add_update_id(struct buf *b, struct str incident, size_t i)
{
	struct buf name;
	buf_init(&name, 1024);
	buf_addf(&name, "%.*s/%zu", STR_ARG(incident), i);
	status_add_id(b, buf_str(&name));
	buf_fini(&name);
}

static void add_update(struct buf *b, const json_t *incident, size_t i)
{
	const json_t *event = json_array_get(json_object_get(incident, "events"), i);
	struct str at = json_text_of(event, "at"), text = json_text_of(event, "text"), cause = json_text_of(event, "cause");
	struct buf body;
	buf_init(&body, 128 * 1024);
	buf_add_str(&body, text);
	if (cause.n)
		buf_addf(&body, "%s(%.*s)", body.n ? " " : "", STR_ARG(cause));
	buf_addf(b, "{\"id\":");
	add_update_id(b, json_text_of(incident, "id"), i);
	buf_addf(b, ",\"status\":\"%s\",\"body\":", status_of(event));
	buf_add_json(b, buf_str(&body));
	buf_add_key(b, "incident_id");
	status_add_id(b, json_text_of(incident, "id"));
	add_time(b, "created_at", at), add_time(b, "updated_at", at), add_time(b, "display_at", at);
	buf_addf(b, ",\"affected_components\":null,\"deliver_notifications\":true,\"custom_tweet\":null,\"tweet_id\":null}");
	buf_fini(&body);
}

static void add_one(struct buf *b, const json_t *incident, struct str page)
{
	size_t n = json_array_size(json_object_get(incident, "events"));
	buf_addf(b, "{\"id\":");
	status_add_id(b, json_text_of(incident, "id"));
	struct buf name;
	buf_init(&name, 4096);
	buf_addf(&name, "%.*s: %.*s is not served everywhere", STR_ARG(json_text_of(incident, "service")),
		STR_ARG(json_text_of(incident, "version")));
	buf_add_key(b, "name");
	buf_add_json(b, buf_str(&name));
	buf_fini(&name);
	const json_t *last = n ? json_array_get(json_object_get(incident, "events"), n - 1) : NULL;
	buf_addf(b, ",\"status\":\"%s\"", status_of(last));
	add_time(b, "created_at", json_text_of(incident, "opened_at"));
	add_time(b, "updated_at", json_text_of(incident, "updated_at"));
	buf_addf(b, ",\"monitoring_at\":null");
	add_time(b, "resolved_at", json_text_of(incident, "resolved_at"));
	buf_addf(b, ",\"impact\":\"%.*s\",\"shortlink\":null", STR_ARG(json_text_of(incident, "severity")));
	add_time(b, "started_at", json_text_of(incident, "opened_at"));
	buf_add_key(b, "page_id");
	status_add_id(b, page);
	buf_addf(b, ",\"incident_updates\":[");
	for (size_t i = n; i-- > 0;) {
		add_update(b, incident, i);
		if (i)
			buf_add_char(b, ',');
	}
	buf_addf(b, "],\"components\":[]}");
}

void incidents_feed(struct http *h, bool unresolved, struct str page, struct buf *out)
{
	struct incident_filter f = { .open = unresolved };
	struct buf all;
	buf_init(&all, ANSWER_MAX / 2);
	view_incidents(hub_read(h->hub), &f, &all);
	hub_read_done(h->hub);
	json_t *list = buf_failed(&all) ? NULL : json_loadb(all.p, all.n, 0, NULL);
	buf_fini(&all);
	buf_addf(out, ",\"incidents\":[");
	for (size_t i = 0; i < MIN(json_array_size(list), (size_t)FEED_MAX); i++) {
		if (i)
			buf_add_char(out, ',');
		add_one(out, json_array_get(list, i), page);
	}
	buf_add_char(out, ']');
	json_decref(list);
}
