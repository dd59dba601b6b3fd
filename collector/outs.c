/* outs.c - see outs.h */
#include <jansson.h>
#include <stdlib.h>

#include "base/log.h"
#include "collector/outs.h"

#define BLOCK_BYTES    (64 * 1024)
#define TELL_BYTES     (64 * 1024 * 1024)
#define EVIDENCE_BYTES (64 * 1024 * 1024) /* kept until the next group; more comes within ten minutes */
#define PROGRESS_MAX   64 /* open deploys whose curves move; over it the oldest wait for their verdict */

enum out_kind { OUT_TRANSITION, OUT_DEPLOY, OUT_NOTICE, OUT_INCIDENT, OUT_SERVICE, OUT_PURGE, OUT_AGENT };
struct out {
	enum out_kind kind;
	bool is_entry; /* told only: the journal itself has it, or nobody needs it kept */
	int64_t position;
	union {
		struct transition transition;
		struct deploy_change deploy;
		struct notice notice;
		struct str name; /* service or agent */
	};
};
struct block {
	struct block *next;
	size_t n;
	char bytes[BLOCK_BYTES];
};
struct outs {
	struct out *list;
	size_t n, cap, n_told;
	struct cell_evidence *evidence;
	size_t n_evidence, cap_evidence, evidence_bytes;
	struct block *blocks;
	char *progress[PROGRESS_MAX]; /* deploy ids */
	size_t n_progress;
	struct out_key last; /* on the stream */
};

struct outs *outs_new(void)
{
	return mem_new(sizeof(struct outs));
}

static void forget(struct outs *o)
{
	for (struct block *b = o->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	o->blocks = NULL;
	o->n = o->n_told = 0;
	o->n_evidence = o->evidence_bytes = 0;
}

void outs_free(struct outs *o)
{
	if (!o)
		return;
	forget(o);
	for (size_t i = 0; i < o->n_progress; i++)
		free(o->progress[i]);
	free(o->list);
	free(o->evidence);
	free(o);
}

/* What the engine and the entries lend is theirs after the call; these are short. */
static void keep(struct outs *o, struct str *s)
{
	if (s->n == 0 || s->n > BLOCK_BYTES) {
		*s = STR_NONE;
		return;
	}
	if (!o->blocks || o->blocks->n + s->n > BLOCK_BYTES) {
		struct block *b = mem_new(sizeof(*b));
		b->next = o->blocks;
		o->blocks = b;
	}
	char *p = o->blocks->bytes + o->blocks->n;
	memcpy(p, s->p, s->n);
	o->blocks->n += s->n;
	s->p = p;
}

static struct out *out_add(struct outs *o, enum out_kind kind, int64_t position)
{
	o->list = mem_grow(o->list, &o->cap, o->n + 1, sizeof(*o->list));
	struct out *out = &o->list[o->n++];
	*out = (struct out){ .kind = kind, .position = position };
	return out;
}

static void on_transition(void *ctx, const struct transition *t)
{
	struct outs *o = ctx;
	struct out *out = out_add(o, OUT_TRANSITION, t->key.position);
	out->transition = *t;
	keep(o, &out->transition.service);
	keep(o, &out->transition.endpoint);
	keep(o, &out->transition.edge);
	keep(o, &out->transition.version);
	keep(o, &out->transition.expected);
}

/* Watchers hear of it as of a transition; there is nothing to store. */
static void on_version(void *ctx, const struct transition *t)
{
	struct outs *o = ctx;
	on_transition(o, t);
	o->list[o->n - 1].is_entry = true;
}

static void on_deploy(void *ctx, const struct deploy_change *c)
{
	struct outs *o = ctx;
	struct out *out = out_add(o, OUT_DEPLOY, c->key.position);
	out->deploy = *c;
	keep(o, &out->deploy.id);
	keep(o, &out->deploy.service);
	keep(o, &out->deploy.version);
	keep(o, &out->deploy.reason);
}

static void on_notice(void *ctx, const struct notice *n)
{
	struct outs *o = ctx;
	struct out *out = out_add(o, OUT_NOTICE, n->key.position);
	out->notice = *n;
	keep(o, &out->notice.service);
	keep(o, &out->notice.kind);
	keep(o, &out->notice.version);
	keep(o, &out->notice.text);
}

static void on_progress(void *ctx, struct str deploy_id)
{
	struct outs *o = ctx;
	for (size_t i = 0; i < o->n_progress; i++)
		if (str_is(deploy_id, o->progress[i]))
			return;
	if (o->n_progress < PROGRESS_MAX)
		o->progress[o->n_progress++] = str_dup(deploy_id);
}

/* The state is in the engine, and in its snapshots. */
static void on_incident(void *ctx, const struct incident_change *c)
{
	struct outs *o = ctx;
	struct out *out = out_add(o, OUT_INCIDENT, c->key.position);
	out->name = c->deploy;
	out->is_entry = true;
	keep(o, &out->name);
}

struct engine_sink outs_sink(struct outs *o)
{
	return (struct engine_sink){ o, on_transition, on_deploy, on_notice, on_version, on_progress, on_incident };
}

void outs_evidence(struct outs *o, const struct event *ev)
{
	if (ev->kind != EV_OBSERVATIONS)
		return;
	const struct batch *b = ev->observations.batch;
	for (size_t i = 0; i < b->n_obs; i++) {
		const struct obs *s = &b->obs[i];
		if (s->evidence == 0 || s->edge == 0 || s->path != PATH_EDGE)
			continue;
		struct cell_evidence one = { .service = b->service,
			.endpoint = batch_str(b, s->endpoint),
			.edge = batch_str(b, s->edge),
			.version = batch_str(b, s->version),
			.agent = b->agent,
			.block = batch_str(b, s->evidence),
			.status = s->status,
			.at_us = s->observed_at_us };
		if (o->evidence_bytes + one.block.n > EVIDENCE_BYTES) {
			log_warn("evidence_cut",
				"service=%.*s more headers at once than fit %d bytes; agents send them again",
				STR_ARG(b->service), EVIDENCE_BYTES);
			return;
		}
		struct str *all[] = { &one.service, &one.endpoint, &one.edge, &one.version, &one.agent,
			&one.block };
		for (size_t k = 0; k < ARRAY_LEN(all); k++)
			keep(o, all[k]);
		o->evidence_bytes += one.block.n;
		o->evidence =
			mem_grow(o->evidence, &o->cap_evidence, o->n_evidence + 1, sizeof(*o->evidence));
		o->evidence[o->n_evidence++] = one;
	}
}

void outs_entry(struct outs *o, const struct event *ev)
{
	struct out *out;
	switch (ev->kind) {
	case EV_OBSERVATIONS:
		outs_evidence(o, ev);
		return;
	case EV_DEPLOY:
		out = out_add(o, OUT_DEPLOY, ev->position);
		out->deploy.id = ev->deploy.id;
		out->deploy.service = ev->deploy.service;
		keep(o, &out->deploy.id);
		keep(o, &out->deploy.service);
		break;
	case EV_DEPLOY_PATCH:
		out = out_add(o, OUT_DEPLOY, ev->position);
		out->deploy.id = ev->deploy_patch.id;
		keep(o, &out->deploy.id);
		break;
	case EV_PURGE:
		out = out_add(o, OUT_PURGE, ev->position);
		out->name = ev->purge.id;
		keep(o, &out->name);
		break;
	case EV_PURGE_PATCH:
		out = out_add(o, OUT_PURGE, ev->position);
		out->name = ev->purge_patch.id;
		keep(o, &out->name);
		break;
	case EV_AGENT:
		out = out_add(o, OUT_AGENT, ev->position);
		out->name = ev->agent.agent;
		keep(o, &out->name);
		break;
	case EV_SERVICE:
		out = out_add(o, OUT_SERVICE, ev->position);
		out->name = ev->service.name;
		keep(o, &out->name);
		break;
	default:
		return;
	}
	out->is_entry = true;
}

/* -- into the store -- */

size_t outs_unstored(const struct outs *o)
{
	size_t n = o->n_evidence;
	for (size_t i = 0; i < o->n; i++)
		n += !o->list[i].is_entry && o->list[i].kind != OUT_NOTICE;
	return n;
}

int outs_store(struct outs *o, struct store *st, struct err *err)
{
	int rc = 0;
	/* Before the transitions, which take what belongs to them from it. */
	for (size_t i = 0; i < o->n_evidence && rc == 0; i++)
		rc = store_put_evidence(st, &o->evidence[i], err);
	for (size_t i = 0; i < o->n && rc == 0; i++) {
		if (o->list[i].is_entry)
			continue;
		if (o->list[i].kind == OUT_TRANSITION)
			rc = store_put_transition(st, &o->list[i].transition, err);
		else if (o->list[i].kind == OUT_DEPLOY)
			rc = store_put_verdict(st, &o->list[i].deploy, err);
	}
	return rc;
}

void outs_stored(struct outs *o)
{
	INVARIANT(o->n_told == o->n); /* telling follows each fold, storing the next group */
	forget(o);
}

/* -- to the listener -- */

struct telling {
	struct outs *o;
	const struct engine *e;
	struct buf json;
	struct change *changes;
	size_t *ends; /* of each change's JSON: the buffer still moves */
	size_t n, cap, cap_ends;
	json_t *agents, *services, *purges; /* views, made when first needed */
};

/* Rises from change to change, also where timers fire between two entries; Last-Event-ID is compared by it.
 */
static struct out_key next_key(struct outs *o, int64_t position)
{
	if (position > o->last.position)
		o->last = (struct out_key){ position, 0 };
	else
		o->last.seq++;
	return o->last;
}

static void change_add(
	struct telling *t, enum change_kind kind, int64_t position, struct str service, struct str id)
{
	if (buf_failed(&t->json))
		return;
	t->changes = mem_grow(t->changes, &t->cap, t->n + 1, sizeof(*t->changes));
	t->ends = mem_grow(t->ends, &t->cap_ends, t->n + 1, sizeof(*t->ends));
	t->ends[t->n] = t->json.n;
	t->changes[t->n++] = (struct change){
		.kind = kind, .key = next_key(t->o, position), .service = service, .id = id
	};
}

static json_t *view_parsed(struct telling *t, enum out_kind kind)
{
	json_t **at = kind == OUT_AGENT ? &t->agents : kind == OUT_SERVICE ? &t->services : &t->purges;
	if (*at)
		return *at;
	struct buf text;
	buf_init(&text, TELL_BYTES);
	if (kind == OUT_AGENT)
		view_agents(t->e, &text);
	else if (kind == OUT_SERVICE)
		view_services(t->e, &text);
	else
		view_purges(t->e, STR_NONE, 0, &text);
	*at = json_loadb(text.p ? text.p : "[]", text.p ? text.n : 2, 0, NULL);
	INVARIANT(*at || buf_failed(&text)); /* our own writer's JSON */
	if (!*at)
		*at = json_array();
	buf_fini(&text);
	return *at;
}

/* One object out of a list view, the one that is called name. */
static void tell_named(struct telling *t, const struct out *out, enum change_kind kind)
{
	const char *key = out->kind == OUT_PURGE ? "id" : "name";
	size_t i;
	json_t *object;
	json_array_foreach(view_parsed(t, out->kind), i, object)
	{
		json_t *value = json_object_get(object, key), *service = json_object_get(object, "service");
		if (!json_is_string(value) ||
			!str_eq((struct str){ json_string_value(value), json_string_length(value) },
				out->name))
			continue;
		char *text = json_dumps(object, JSON_COMPACT);
		INVARIANT(text);
		buf_add(&t->json, text, strlen(text));
		free(text);
		change_add(t, kind, out->position,
			kind == CHANGE_SERVICE    ? out->name
			: json_is_string(service) ? str_of(json_string_value(service))
						  : STR_NONE,
			STR_NONE);
		return;
	}
}

static void tell_notice(struct telling *t, const struct notice *n)
{
	struct buf *b = &t->json;
	buf_add_char(b, '{');
	buf_add_key(b, "at"), buf_add_json_time(b, n->at_us);
	buf_add_key(b, "service"), buf_add_json(b, n->service);
	buf_add_key(b, "kind"), buf_add_json(b, n->kind);
	buf_add_key(b, "version"), buf_add_json(b, n->version);
	buf_add_key(b, "text"), buf_add_json(b, n->text);
	buf_add_char(b, '}');
	change_add(t, CHANGE_NOTICE, n->key.position, n->service, STR_NONE);
}

/* A patch and a curve that moved do not say whose deploy it is; what was just written does. */
static struct str service_of(struct telling *t, size_t start)
{
	json_t *object = json_loadb(t->json.p + start, t->json.n - start, 0, NULL),
	       *service = json_object_get(object, "service");
	struct str s = STR_NONE;
	if (json_is_string(service)) {
		s = (struct str){ json_string_value(service), json_string_length(service) };
		keep(t->o, &s);
	}
	json_decref(object);
	return s;
}

static void tell_deploy(struct telling *t, struct str id, struct str service, int64_t position)
{
	size_t start = t->json.n;
	if (view_deploy(t->e, id, &t->json, NULL) < 0) {
		if (!buf_failed(&t->json))
			t->json.n = start;
		return;
	}
	if (service.n == 0 && !buf_failed(&t->json))
		service = service_of(t, start);
	change_add(t, CHANGE_DEPLOY, position, service, id);
}

static void tell_incident(struct telling *t, struct str deploy, int64_t position)
{
	size_t start = t->json.n;
	if (view_incident(t->e, deploy, &t->json, NULL) < 0) {
		if (!buf_failed(&t->json))
			t->json.n = start;
		return;
	}
	change_add(t, CHANGE_INCIDENT, position, service_of(t, start), STR_NONE);
}

static void tell_cell(struct telling *t, const struct transition *c)
{
	size_t start = t->json.n;
	if (view_cell(t->e, c->service, c->endpoint, c->edge, &t->json, NULL) < 0) {
		if (!buf_failed(&t->json))
			t->json.n = start; /* dropped since: the service's own change says so */
		return;
	}
	change_add(t, CHANGE_CELL, c->key.position, c->service, STR_NONE);
}

static bool same_subject(const struct out *a, const struct out *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case OUT_TRANSITION:
		return str_eq(a->transition.edge, b->transition.edge) &&
		       str_eq(a->transition.endpoint, b->transition.endpoint) &&
		       str_eq(a->transition.service, b->transition.service);
	case OUT_DEPLOY:
		return str_eq(a->deploy.id, b->deploy.id);
	case OUT_NOTICE:
		return false;
	default:
		return str_eq(a->name, b->name);
	}
}

static uint64_t subject_hash(const struct out *out)
{
	switch (out->kind) {
	case OUT_TRANSITION:
		return str_hash(out->transition.edge) * 31 + str_hash(out->transition.endpoint) * 7 +
		       str_hash(out->transition.service);
	case OUT_DEPLOY:
		return str_hash(out->deploy.id);
	case OUT_NOTICE:
		return str_hash(out->notice.version);
	default:
		return str_hash(out->name) + out->kind;
	}
}

/* Which of them is the last word on its subject: only that one is told, as what is told is the state of now.
 */
static void mark_last(const struct out *list, size_t n, bool *is_last)
{
	size_t size = 1;
	while (size < 2 * n + 1)
		size *= 2;
	size_t *table = mem_new_array(size, sizeof(*table)); /* index + 1 */
	for (size_t i = n; i-- > 0;) {
		size_t at = subject_hash(&list[i]) & (size - 1);
		while (table[at] && !same_subject(&list[table[at] - 1], &list[i]))
			at = (at + 1) & (size - 1);
		is_last[i] = table[at] == 0;
		if (is_last[i])
			table[at] = i + 1;
	}
	free(table);
}

static void telling_end(struct telling *t, changes_fn tell, void *ctx)
{
	size_t start = 0;
	if (buf_failed(&t->json))
		log_warn("changes_cut",
			"n=%zu more news at once than fits %d bytes; the rest shows with its next change",
			t->n, TELL_BYTES);
	for (size_t i = 0; i < t->n; i++) {
		t->changes[i].json = (struct str){ t->json.p + start, t->ends[i] - start };
		start = t->ends[i];
	}
	if (t->n > 0)
		tell(ctx, t->changes, t->n);
	json_decref(t->agents);
	json_decref(t->services);
	json_decref(t->purges);
	free(t->changes);
	free(t->ends);
	buf_fini(&t->json);
}

void outs_tell(struct outs *o, const struct engine *e, changes_fn tell, void *ctx)
{
	size_t n = o->n - o->n_told;
	if (!tell || n == 0) {
		o->n_told = o->n;
		return;
	}
	const struct out *list = o->list + o->n_told;
	o->n_told = o->n;
	struct telling t = { .o = o, .e = e };
	bool *is_last = mem_new_array(n, sizeof(*is_last));
	buf_init(&t.json, TELL_BYTES);
	mark_last(list, n, is_last);
	for (size_t i = 0; i < n && !buf_failed(&t.json); i++) {
		if (!is_last[i])
			continue;
		switch (list[i].kind) {
		case OUT_TRANSITION:
			tell_cell(&t, &list[i].transition);
			break;
		case OUT_DEPLOY:
			tell_deploy(&t, list[i].deploy.id, list[i].deploy.service, list[i].position);
			break;
		case OUT_NOTICE:
			tell_notice(&t, &list[i].notice);
			break;
		case OUT_INCIDENT:
			tell_incident(&t, list[i].name, list[i].position);
			break;
		case OUT_SERVICE:
			tell_named(&t, &list[i], CHANGE_SERVICE);
			break;
		case OUT_PURGE:
			tell_named(&t, &list[i], CHANGE_PURGE);
			break;
		case OUT_AGENT:
			tell_named(&t, &list[i], CHANGE_AGENT);
			break;
		}
	}
	free(is_last);
	telling_end(&t, tell, ctx);
}

bool outs_progress(const struct outs *o)
{
	return o->n_progress > 0;
}

void outs_tell_progress(struct outs *o, const struct engine *e, changes_fn tell, void *ctx)
{
	struct telling t = { .o = o, .e = e };
	if (tell) {
		buf_init(&t.json, TELL_BYTES);
		for (size_t i = 0; i < o->n_progress; i++)
			tell_deploy(&t, str_of(o->progress[i]), STR_NONE, engine_position(e));
		telling_end(&t, tell, ctx);
	}
	for (size_t i = 0; i < o->n_progress; i++)
		free(o->progress[i]);
	o->n_progress = 0;
}
