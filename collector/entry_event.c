/* entry_event.c - a JSON entry to the event the engine folds. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/entry_impl.h"

struct entry_reader *entry_reader_new(void)
{
	struct entry_reader *r = mem_new(sizeof(*r));
	r->decoder = batch_decoder_new();
	return r;
}

static void endpoints_drop(struct entry_reader *r, struct str service)
{
	for (size_t i = 0; i < r->n_endpoints;) {
		if (!str_is(service, r->endpoints[i].service)) {
			i++;
			continue;
		}
		free(r->endpoints[i].service);
		free(r->endpoints[i].endpoint);
		r->endpoints[i] = r->endpoints[--r->n_endpoints];
	}
}

void entry_reader_free(struct entry_reader *r)
{
	if (r == NULL)
		return;
	entry_forget(r);
	for (size_t i = 0; i < r->n_endpoints; i++) {
		free(r->endpoints[i].service);
		free(r->endpoints[i].endpoint);
	}
	free(r->endpoints);
	batch_decoder_free(r->decoder);
	free(r);
}

static void endpoints_keep(struct entry_reader *r, const struct ev_service *s)
{
	endpoints_drop(r, s->name);
	for (size_t i = 0; i < s->n_endpoints && !s->removed; i++) {
		r->endpoints =
			mem_grow(r->endpoints, &r->cap_endpoints, r->n_endpoints + 1, sizeof(*r->endpoints));
		r->endpoints[r->n_endpoints++] =
			(struct known_endpoint){ str_dup(s->name), str_dup(s->endpoints[i].id) };
	}
}

/* -- services -- */

static const char *const match_names[] = { "exact", "prefix" };

/* How a version is found and compared: "etag", or {"json": "/version", "match": "prefix"}. Only comparing
 * concerns the engine. */
static void read_version(struct fields *f, struct ev_endpoint *ep)
{
	static const char *const learned[] = { "etag", "last_modified", "sha256" };
	static const char *const told[] = { "json", "header", "regex" };
	const json_t *v = json_object_get(f->object, "version");
	struct fields version;
	struct str text = STR_NONE;
	int word = 0;
	if (json_is_string(v)) {
		field_word(f, "version", learned, ARRAY_LEN(learned), &word);
		ep->learned = true;
		return;
	}
	if (!field_object(f, "version", &version))
		return;
	word = ep->match;
	field_word(&version, "match", match_names, ARRAY_LEN(match_names), &word);
	ep->match = word ? MATCH_PREFIX : MATCH_EXACT;
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		text = STR_NONE;
		field_str(&version, told[i], TEXT_MAX, &text);
		if (text.n)
			ep->learned = false;
	}
	for (size_t i = 0; i < ARRAY_LEN(learned); i++) {
		bool on = false;
		field_bool(&version, learned[i], &on);
		ep->learned |= on;
	}
	fields_end(&version);
}

static void read_endpoint(struct fields *f, json_t *member, size_t index, struct ev_endpoint *ep)
{
	struct fields in;
	int match;
	if (!field_member(f, "endpoints", member, index, &in) || !field_required(&in, "id"))
		return;
	field_str(&in, "id", OBS_NAME_MAX, &ep->id);
	field_str(&in, "url", TEXT_MAX, &ep->url);
	read_version(&in, ep);
	match = ep->match;
	field_word(&in, "match", match_names, ARRAY_LEN(match_names), &match);
	ep->match = match ? MATCH_PREFIX : MATCH_EXACT;
	field_bool(&in, "learned", &ep->learned);
	struct fields cdn;
	if (field_object(&in, "cdn", &cdn)) {
		field_str(&cdn, "vendor", OBS_NAME_MAX, &ep->cdn_vendor);
		field_str(&cdn, "zone", OBS_NAME_MAX, &ep->cdn_zone);
		fields_end(&cdn);
	}
	fields_end(&in);
}

static void read_endpoints(struct fields *f, struct ev_service *s)
{
	struct ev_endpoint every = { 0 };
	read_version(f, &every);
	const json_t *list = field_list(f, "endpoints");
	size_t n = json_array_size(list);
	if (n > ASSIGN_ENDPOINTS_MAX) {
		field_fail(
			f, "endpoints", ERR_TOO_BIG, "has %zu members, limit is %d", n, ASSIGN_ENDPOINTS_MAX);
		return;
	}
	struct ev_endpoint *endpoints = entry_mem(f->r, n, sizeof(*endpoints));
	for (size_t i = 0; i < n && !fields_failed(f); i++) {
		endpoints[i] = every;
		read_endpoint(f, json_array_get(list, i), i, &endpoints[i]);
		for (size_t j = 0; j < i; j++)
			if (str_eq(endpoints[i].id, endpoints[j].id))
				field_fail(f, "endpoints", ERR_NONSENSE, "two have the id '%.*s'",
					STR_ARG(endpoints[i].id));
	}
	s->endpoints = endpoints;
	s->n_endpoints = n;
}

static void read_verify(struct fields *f, struct ev_service *s)
{
	struct fields in;
	if (!field_object(f, "verify", &in))
		return;
	field_duration(&in, "timeout", US_PER_S, &s->timeout_us);
	field_duration(&in, "watch", 0, &s->watch_us);
	field_duration(&in, "alert_after", 0, &s->alert_after_us);
	field_share(&in, "require", &s->require);
	field_share(&in, "min_coverage", &s->min_coverage);
	field_int(&in, "min_agents", 0, 1000000, &s->min_agents);
	fields_end(&in);
}

static void read_service(struct fields *f, struct event *ev)
{
	struct ev_service *s = &ev->service;
	ev->kind = EV_SERVICE;
	*s = (struct ev_service){
		.interval_us = 30 * US_PER_S,
		.timeout_us = 15 * US_PER_MIN,
		.require = 1,
		.min_coverage = 0.9,
		.min_agents = 1,
		.watch_us = 30 * US_PER_MIN,
		.rollout_grace_us = 5 * US_PER_MIN,
		.alert_after_us = 5 * US_PER_MIN,
	};
	field_required(f, "service");
	field_str(f, "service", OBS_NAME_MAX, &s->name);
	field_bool(f, "removed", &s->removed);
	field_duration(f, "interval", 100 * US_PER_MS, &s->interval_us);
	field_duration(f, "rollout_grace", 0, &s->rollout_grace_us);
	read_endpoints(f, s);
	read_verify(f, s);
	field_texts(f, "agents", OBS_NAME_MAX, &s->agents, &s->n_agents);
	const json_t *origin = field_get(f, "origin");
	if (json_is_boolean(origin) || json_is_object(origin))
		s->has_origin = !json_is_false(origin);
	else if (origin != NULL)
		field_want(f, "origin", "true, false or an object", origin);
	if (!fields_failed(f))
		endpoints_keep(f->r, s);
}

/* -- deploys and purges -- */

static void read_values(struct fields *f, struct ev_deploy *d)
{
	struct fields in;
	const char *key;
	json_t *value;
	size_t n = 0;
	if (!field_object(f, "values", &in))
		return;
	if (json_object_size(in.object) > ENTRY_ITEMS_MAX) {
		field_fail(f, "values", ERR_TOO_BIG, "has %zu members, limit is %d",
			json_object_size(in.object), ENTRY_ITEMS_MAX);
		return;
	}
	struct ev_value *values = entry_mem(f->r, json_object_size(in.object), sizeof(*values));
	json_object_foreach(in.object, key, value)
	{
		if (!json_is_string(value) || json_string_length(value) == 0)
			field_want(&in, key, "text", value);
		else if (json_string_length(value) > OBS_VERSION_MAX)
			field_fail(&in, key, ERR_TOO_BIG, "has %zu bytes, limit is %d",
				json_string_length(value), OBS_VERSION_MAX);
		values[n++] = (struct ev_value){ str_of(key), json_borrow(value) };
	}
	d->values = values;
	d->n_values = n;
}

/* "deploy-3" for the third line of its kind that came without an id of its own. */
static struct str fresh_id(struct entry_reader *r, const char *kind, int64_t number)
{
	int n = snprintf(r->id_text, sizeof(r->id_text), "%s-%" PRId64, kind, number);
	return (struct str){ r->id_text, (size_t)n };
}

static void read_deploy(struct fields *f, struct event *ev)
{
	struct ev_deploy *d = &ev->deploy;
	ev->kind = EV_DEPLOY;
	*d = (struct ev_deploy){ .started_at_us = TIME_NONE, .live_at_us = TIME_NONE };
	field_required(f, "service");
	field_required(f, "version");
	field_str(f, "id", OBS_NAME_MAX, &d->id);
	field_str(f, "service", OBS_NAME_MAX, &d->service);
	field_str(f, "version", OBS_VERSION_MAX, &d->version);
	field_str(f, "source", TEXT_MAX, &d->source);
	field_str(f, "revision", OBS_VERSION_MAX, &d->revision);
	field_str(f, "digest", OBS_VERSION_MAX, &d->digest);
	field_time(f, "started_at", &d->started_at_us);
	field_time(f, "live_at", &d->live_at_us);
	field_texts(f, "aliases", OBS_VERSION_MAX, &d->aliases, &d->n_aliases);
	read_values(f, d);
	if (d->version.n && str_trim(d->version).n == 0) /* nothing an edge serves would ever be it */
		field_fail(f, "version", ERR_NONSENSE, "is blank");
	if (d->started_at_us == TIME_NONE)
		d->started_at_us = d->live_at_us == TIME_NONE ? ev->at_us : MIN(ev->at_us, d->live_at_us);
	else if (d->live_at_us != TIME_NONE && d->live_at_us < d->started_at_us)
		field_fail(f, "live_at", ERR_NONSENSE, "is before started_at");
	f->r->n_deploys++;
	if (d->id.n == 0)
		d->id = fresh_id(f->r, "deploy", f->r->n_deploys);
}

static void read_deploy_patch(struct fields *f, struct event *ev)
{
	struct ev_deploy_patch *p = &ev->deploy_patch;
	ev->kind = EV_DEPLOY_PATCH;
	*p = (struct ev_deploy_patch){ .live_at_us = TIME_NONE };
	field_required(f, "id");
	field_str(f, "id", OBS_NAME_MAX, &p->id);
	field_time(f, "live_at", &p->live_at_us);
	field_bool(f, "aborted", &p->aborted);
	if (p->live_at_us == TIME_NONE && !p->aborted)
		field_fail(f, NULL, ERR_NONSENSE, "says nothing: want \"live_at\", or \"aborted\": true");
}

static void read_purge(struct fields *f, struct event *ev)
{
	struct ev_purge *p = &ev->purge;
	ev->kind = EV_PURGE;
	*p = (struct ev_purge){ .requested_at_us = ev->at_us, .completed_at_us = TIME_NONE };
	field_required(f, "service");
	field_str(f, "id", OBS_NAME_MAX, &p->id);
	field_str(f, "service", OBS_NAME_MAX, &p->service);
	field_str(f, "vendor", OBS_NAME_MAX, &p->vendor);
	field_str(f, "zone", OBS_NAME_MAX, &p->zone);
	field_str(f, "source", TEXT_MAX, &p->source);
	field_time(f, "completed_at", &p->completed_at_us);
	if (p->completed_at_us != TIME_NONE)
		p->requested_at_us = MIN(p->requested_at_us, p->completed_at_us);
	field_time(f, "requested_at", &p->requested_at_us);
	field_texts(f, "patterns", TEXT_MAX, &p->patterns, &p->n_patterns);
	field_texts(f, "tags", TEXT_MAX, &p->tags, &p->n_tags);
	field_bool(f, "soft", &p->soft);
	field_bool(f, "everything", &p->everything);
	if (p->completed_at_us != TIME_NONE && p->completed_at_us < p->requested_at_us)
		field_fail(f, "completed_at", ERR_NONSENSE, "is before requested_at");
	if (p->n_patterns == 0 && p->n_tags == 0 && !p->everything)
		field_fail(f, NULL, ERR_NONSENSE,
			"does not say what was purged: want \"patterns\", \"tags\", or \"everything\": true");
	f->r->n_purges++;
	if (p->id.n == 0)
		p->id = fresh_id(f->r, "purge", f->r->n_purges);
}

static void read_purge_patch(struct fields *f, struct event *ev)
{
	struct ev_purge_patch *p = &ev->purge_patch;
	ev->kind = EV_PURGE_PATCH;
	*p = (struct ev_purge_patch){ .completed_at_us = TIME_NONE };
	field_required(f, "id");
	field_required(f, "completed_at");
	field_str(f, "id", OBS_NAME_MAX, &p->id);
	field_time(f, "completed_at", &p->completed_at_us);
}

/* -- agents, the collector, time -- */

static void read_agent(struct fields *f, struct event *ev)
{
	static const char *const states[] = { "connected", "disconnected", "drained", "revoked", "enrolled" };
	struct ev_agent *a = &ev->agent;
	int state = AGENT_CONNECTED;
	ev->kind = EV_AGENT;
	*a = (struct ev_agent){ 0 };
	field_required(f, "agent");
	field_str(f, "agent", OBS_NAME_MAX, &a->agent);
	field_str(f, "region", OBS_NAME_MAX, &a->region);
	field_str(f, "software", OBS_NAME_MAX, &a->software);
	field_word(f, "state", states, ARRAY_LEN(states), &state);
	a->state = (enum agent_told)state;
	field_bool(f, "clock_suspect", &a->clock_suspect);
	const json_t *at = field_list(f, "location");
	if (at == NULL)
		return;
	const json_t *latitude = json_array_get(at, 0), *longitude = json_array_get(at, 1);
	a->has_location = true;
	a->latitude = json_number_value(latitude);
	a->longitude = json_number_value(longitude);
	if (json_array_size(at) != 2 || !json_is_number(latitude) || !json_is_number(longitude) ||
		a->latitude < -90 || a->latitude > 90 || a->longitude < -180 || a->longitude > 180)
		field_want(f, "location", "[latitude, longitude] in degrees", at);
}

static void read_collector(struct fields *f, struct event *ev)
{
	ev->kind = EV_COLLECTOR;
	ev->collector.down_since_us = TIME_NONE;
	field_time(f, "down_since", &ev->collector.down_since_us);
}

static void read_clock(struct fields *f, struct event *ev)
{
	ev->kind = EV_CLOCK;
}

/* -- all of them -- */

static void (*const readers[ENTRY_KIND_COUNT])(struct fields *f, struct event *ev) = {
	[ENTRY_SERVICE] = read_service,
	[ENTRY_DEPLOY] = read_deploy,
	[ENTRY_DEPLOY_PATCH] = read_deploy_patch,
	[ENTRY_PURGE] = read_purge,
	[ENTRY_PURGE_PATCH] = read_purge_patch,
	[ENTRY_AGENT] = read_agent,
	[ENTRY_MESH] = entry_read_mesh,
	[ENTRY_ROLLOUT] = entry_read_rollout,
	[ENTRY_PODS] = entry_read_pods,
	[ENTRY_COLLECTOR] = read_collector,
	[ENTRY_CLOCK] = read_clock,
	[ENTRY_OBSERVATION] = obs_read_fields,
};

int entry_read_event(
	struct entry_reader *r, enum entry_kind kind, bool body, struct event *ev, struct err *err)
{
	int rc = 0;
	struct fields f = { .r = r, .object = r->root, .err = err, .rc = &rc };
	struct str ignored;
	f.type = body ? NULL : entry_kind_name(kind);
	/* known to everything, read before */
	field_str(&f, "type", OBS_NAME_MAX, &ignored);
	field_get(&f, "at");
	readers[kind](&f, ev);
	fields_end(&f);
	return rc;
}

int entry_kind_of_root(struct entry_reader *r, enum entry_kind *ret, struct err *err)
{
	const json_t *type = json_object_get(r->root, "type");
	if (!json_is_string(type))
		return err_set(err, ERR_SYNTAX, "\"type\": %s", type ? "want text" : "missing");
	if (!entry_kind_from(json_borrow(type), ret) || readers[*ret] == NULL)
		return err_set(err, ERR_SYNTAX,
			"\"type\": want one of service, deploy, deploy_patch, purge, purge_patch, "
			"observation, mesh, rollout, "
			"pods, agent, collector, clock; got \"%.*s\"",
			(int)MIN(json_string_length(type), 40), json_string_value(type));
	return 0;
}

/* "at", "received_at" and "position", which every entry may have. */
static int read_common(struct entry_reader *r, const char *type, int64_t *at_us, int64_t *received_us,
	int64_t *position, struct err *err)
{
	int rc = 0;
	struct fields f = { .r = r, .object = r->root, .type = type, .err = err, .rc = &rc };
	field_time(&f, "at", at_us);
	field_time(&f, "received_at", received_us);
	field_int(&f, "position", 1, INT64_MAX, position);
	return rc;
}

int entry_from_line(struct entry_reader *r, struct str line, int64_t position, int64_t default_received_us,
	struct event *ret, struct err *err)
{
	enum entry_kind kind;
	int64_t at_us = TIME_NONE, received_us = TIME_NONE, line_position = 0;
	int rc = entry_parse(r, line, err);
	if (rc == 0)
		rc = entry_kind_of_root(r, &kind, err);
	if (rc == 0)
		rc = read_common(r, entry_kind_name(kind), &at_us, &received_us, &line_position, err);
	if (rc < 0)
		return rc;
	if (received_us == TIME_NONE)
		received_us = at_us;
	struct event ev = { .position = position };
	ev.received_at_us = MAX(received_us, default_received_us);
	ev.at_us = at_us == TIME_NONE ? ev.received_at_us : at_us;
	rc = entry_read_event(r, kind, false, &ev, err);
	if (rc < 0)
		return rc;
	r->line_position = line_position;
	*ret = ev;
	return 0;
}

int64_t entry_line_position(const struct entry_reader *r)
{
	return r->line_position;
}

void entry_batch_event(const struct entry *e, struct batch *b, struct event *ret)
{
	b->agent = e->agent;
	b->region = e->region;
	b->epoch = e->epoch;
	b->number = e->number;
	batch_map_clock(b, e->clock_offset_us);
	*ret = (struct event){
		.kind = EV_OBSERVATIONS,
		.position = e->position,
		.received_at_us = e->received_at_us,
		.at_us = e->received_at_us,
		.observations = { b, e->clock_uncertainty_us },
	};
}

static int unseal(struct entry_reader *r, const struct entry *e, struct event *ret, struct err *err)
{
	int rc = batch_unseal(r->decoder, e->bytes, e->raw_size, &r->batch, err);
	if (rc < 0) {
		err_add(err, "entry %" PRId64 ": batch %" PRIu64 " of '%.*s'", e->position, e->number,
			STR_ARG(e->agent));
		return rc;
	}
	entry_batch_event(e, &r->batch, ret);
	return 0;
}

int entry_to_event(struct entry_reader *r, const struct entry *e, struct event *ret, struct err *err)
{
	if (e->kind == ENTRY_BATCH)
		return unseal(r, e, ret, err);
	int64_t at_us = TIME_NONE, ignored = 0;
	INVARIANT(e->kind < ENTRY_KIND_COUNT);
	int rc = entry_parse(r, e->bytes, err);
	if (rc == 0)
		rc = read_common(r, entry_kind_name(e->kind), &at_us, &ignored, &ignored, err);
	struct event ev = { .position = e->position, .received_at_us = e->received_at_us };
	ev.at_us = at_us == TIME_NONE ? e->received_at_us : at_us;
	if (rc == 0 && e->kind == ENTRY_OBSERVATION && e->service.n && !json_object_get(r->root, "service"))
		json_object_set_new(r->root, "service", json_stringn(e->service.p, e->service.n));
	if (rc == 0)
		rc = entry_read_event(r, e->kind, false, &ev, err);
	if (rc < 0) {
		err_add(err, "entry %" PRId64, e->position);
		return rc;
	}
	*ret = ev;
	return 0;
}
