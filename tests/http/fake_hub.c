#include "tests/http/fake_hub.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "collector/entry_json.h"

#define ITEMS_MAX 64

struct fake_deploy {
	char id[64], service[64], version[64];
	enum verdict verdict;
	bool aborted;
};
struct fake_purge {
	char id[64], service[64];
	bool completed;
};
struct fake_cell {
	const char *service, *endpoint, *edge, *vendor, *region;
	enum cell_state state;
};
struct fake_agent {
	char name[72], region[72];
	bool revoked;
};
struct engine {
	struct fake_deploy deploys[ITEMS_MAX]; /* oldest first */
	size_t n_deploys;
	struct fake_purge purges[ITEMS_MAX];
	size_t n_purges;
	struct fake_cell cells[ITEMS_MAX];
	size_t n_cells;
	struct fake_agent agents[ITEMS_MAX];
	size_t n_agents;
	int64_t position;
};
struct hub {
	pthread_rwlock_t lock;
	struct engine engine;
	pthread_mutex_t listen_lock;
	void (*on_changes)(void *ctx, const struct change *c, size_t n);
	void *listen_ctx;
	pthread_mutex_t submit_lock;
	pthread_cond_t released;
	bool hold;
	size_t waiting, taken, reloads;
	struct err submit, ready, reload, store;
	bool live;
};
static struct hub world;

struct hub *fake_hub_new(void)
{
	static const struct fake_cell cells[] = {
		{ "blog@staging", "v", "fastly:FRA", "fastly", "eu", CELL_FRESH },
		{ "shop", "api/v?x=1", "cloudfront:NRT12-C1", "cloudfront", "ap", CELL_FRESH },
		{ "shop", "v", "cloudfront:FRA56-P3", "cloudfront", "eu", CELL_FRESH },
		{ "shop", "v", "fastly:FRA", "fastly", "eu", CELL_STALE },
		{ "shop", "v", "self:edge-lhr", "self", "eu", CELL_SILENT },
	};
	memset(&world, 0, sizeof(world));
	pthread_rwlock_init(&world.lock, NULL);
	pthread_mutex_init(&world.listen_lock, NULL);
	pthread_mutex_init(&world.submit_lock, NULL);
	pthread_cond_init(&world.released, NULL);
	memcpy(world.engine.cells, cells, sizeof(cells));
	world.engine.n_cells = ARRAY_LEN(cells);
	world.engine.agents[0] = (struct fake_agent){ .name = "fra-1", .region = "eu" };
	world.engine.agents[1] = (struct fake_agent){ .name = "nrt-1", .region = "ap" };
	world.engine.n_agents = 2;
	world.engine.position = 100;
	world.live = true;
	return &world;
}

struct hub *fake_hub(void)
{
	return &world;
}

void fake_hub_free(void)
{
	pthread_rwlock_destroy(&world.lock);
	pthread_mutex_destroy(&world.listen_lock);
	pthread_mutex_destroy(&world.submit_lock);
	pthread_cond_destroy(&world.released);
	world.live = false;
}

/* ---- moved by hand ---- */

static void put_deploy(const char *id, const char *service, const char *version, enum verdict v)
{
	INVARIANT(world.engine.n_deploys < ITEMS_MAX);
	struct fake_deploy *d = &world.engine.deploys[world.engine.n_deploys++];
	snprintf(d->id, sizeof(d->id), "%s", id);
	snprintf(d->service, sizeof(d->service), "%s", service);
	snprintf(d->version, sizeof(d->version), "%s", version);
	d->verdict = v;
}

void fake_deploy(const char *id, const char *service, const char *version, enum verdict v)
{
	pthread_rwlock_wrlock(&world.lock);
	put_deploy(id, service, version, v);
	pthread_rwlock_unlock(&world.lock);
}

static void tell(const struct change *c)
{
	pthread_mutex_lock(&world.listen_lock);
	if (world.on_changes)
		world.on_changes(world.listen_ctx, c, 1);
	pthread_mutex_unlock(&world.listen_lock);
}

void fake_tell(enum change_kind kind, int64_t position, uint32_t seq, const char *service, const char *json)
{
	struct change c = {
		.kind = kind, .key = { position, seq }, .service = str_of(service), .json = str_of(json)
	};
	tell(&c);
}

void fake_verdict(const char *id, enum verdict v)
{
	struct change c = {
		.kind = CHANGE_DEPLOY, .service = STR("shop"), .id = str_of(id), .json = STR("{}")
	};
	pthread_rwlock_wrlock(&world.lock);
	for (size_t i = 0; i < world.engine.n_deploys; i++)
		if (strcmp(world.engine.deploys[i].id, id) == 0)
			world.engine.deploys[i].verdict = v;
	c.key.position = ++world.engine.position;
	pthread_rwlock_unlock(&world.lock);
	tell(&c);
}

void fake_cell_state(size_t i, enum cell_state s)
{
	pthread_rwlock_wrlock(&world.lock);
	world.engine.cells[i].state = s;
	pthread_rwlock_unlock(&world.lock);
}

size_t fake_cell_count(void)
{
	return world.engine.n_cells;
}

void fake_position(int64_t position)
{
	world.engine.position = position;
}

static void set_result(struct err *e, int code, const char *text)
{
	pthread_mutex_lock(&world.submit_lock);
	*e = (struct err){ 0 };
	(void)err_set(e, code, "%s", text);
	pthread_mutex_unlock(&world.submit_lock);
}

static int result_of(const struct err *e, struct err *err)
{
	pthread_mutex_lock(&world.submit_lock);
	int code = e->code;
	if (code && err)
		*err = *e;
	pthread_mutex_unlock(&world.submit_lock);
	return code;
}

void fake_submit_result(int code, const char *text)
{
	set_result(&world.submit, code, text);
}

void fake_ready(int code, const char *text)
{
	set_result(&world.ready, code, text);
}

void fake_reload(int code, const char *text)
{
	set_result(&world.reload, code, text);
}

void fake_store_result(int code, const char *text)
{
	set_result(&world.store, code, text);
}

void fake_submit_hold(bool hold)
{
	pthread_mutex_lock(&world.submit_lock);
	world.hold = hold;
	pthread_cond_broadcast(&world.released);
	pthread_mutex_unlock(&world.submit_lock);
}

static size_t counter(const size_t *n)
{
	pthread_mutex_lock(&world.submit_lock);
	size_t v = *n;
	pthread_mutex_unlock(&world.submit_lock);
	return v;
}

size_t fake_submits_waiting(void)
{
	return counter(&world.waiting);
}

size_t fake_submits(void)
{
	return counter(&world.taken);
}

size_t fake_reloads(void)
{
	return counter(&world.reloads);
}

/* ---- hub.h ---- */

const struct engine *hub_read(struct hub *h)
{
	pthread_rwlock_rdlock(&h->lock);
	return &h->engine;
}

void hub_read_done(struct hub *h)
{
	pthread_rwlock_unlock(&h->lock);
}

const char *change_kind_name(enum change_kind k)
{
#define X(id, name) name,
	static const char *const names[] = { CHANGES(X) };
#undef X
	return names[k];
}

void hub_listen(struct hub *h, void (*on_changes)(void *ctx, const struct change *c, size_t n), void *ctx)
{
	pthread_mutex_lock(&h->listen_lock);
	h->on_changes = on_changes;
	h->listen_ctx = ctx;
	pthread_mutex_unlock(&h->listen_lock);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

/* What the engine would do with the entry. */
static int apply(struct hub *h, enum entry_kind kind, const json_t *o, struct err *err)
{
	struct engine *e = &h->engine;
	const char *service = text_of(o, "service"), *id = text_of(o, "id");
	bool known = strcmp(service, "shop") == 0 || strcmp(service, "blog@staging") == 0;
	if (kind != ENTRY_DEPLOY_PATCH && kind != ENTRY_PURGE_PATCH && !known)
		return err_set(err, ERR_NOT_FOUND, "no service is called '%s'", service);
	if (kind == ENTRY_DEPLOY) {
		put_deploy(id, service, text_of(o, "version"), VERDICT_PENDING);
	} else if (kind == ENTRY_PURGE) {
		struct fake_purge *p = &e->purges[e->n_purges++];
		snprintf(p->id, sizeof(p->id), "%s", id);
		snprintf(p->service, sizeof(p->service), "%s", service);
	}
	for (size_t i = 0; kind == ENTRY_DEPLOY_PATCH && i < e->n_deploys; i++)
		if (strcmp(e->deploys[i].id, id) == 0)
			e->deploys[i].verdict = json_is_true(json_object_get(o, "aborted"))
							? VERDICT_ABORTED
							: VERDICT_CONVERGING;
	for (size_t i = 0; kind == ENTRY_PURGE_PATCH && i < e->n_purges; i++)
		if (strcmp(e->purges[i].id, id) == 0)
			e->purges[i].completed = true;
	e->position++;
	return 0;
}

int hub_submit(struct hub *h, enum entry_kind kind, struct str service, struct str json, int64_t timeout_us,
	struct err *err)
{
	(void)timeout_us;
	pthread_mutex_lock(&h->submit_lock);
	h->waiting++;
	while (h->hold)
		pthread_cond_wait(&h->released, &h->submit_lock);
	h->waiting--;
	pthread_mutex_unlock(&h->submit_lock);
	int rc = result_of(&h->submit, err);
	if (rc < 0)
		return rc;
	json_t *o = json_loadb(json.p, json.n, 0, NULL);
	INVARIANT(o != NULL);
	const char *of = text_of(o, "service");
	INVARIANT(of[0] == '\0' || str_is(service, of));
	pthread_rwlock_wrlock(&h->lock);
	rc = apply(h, kind, o, err);
	struct change c = { .kind = CHANGE_DEPLOY,
		.key = { h->engine.position, 0 },
		.service = service,
		.id = str_of(text_of(o, "id")),
		.json = json };
	pthread_rwlock_unlock(&h->lock);
	if (rc == 0) {
		pthread_mutex_lock(&h->submit_lock);
		h->taken++;
		pthread_mutex_unlock(&h->submit_lock);
		tell(&c);
	}
	json_decref(o);
	return rc;
}

static struct fake_agent *find_agent(struct hub *h, struct str name)
{
	for (size_t i = 0; i < h->engine.n_agents; i++)
		if (str_is(name, h->engine.agents[i].name) && !h->engine.agents[i].revoked)
			return &h->engine.agents[i];
	return NULL;
}

int hub_agent_enroll(
	struct hub *h, struct str name, struct str region, char token[TOKEN_TEXT_MAX], struct err *err)
{
	int rc = 0;
	pthread_rwlock_wrlock(&h->lock);
	if (find_agent(h, name)) {
		rc = err_set(err, ERR_EXISTS, "an agent called '%.*s' is enrolled already", STR_ARG(name));
	} else {
		struct fake_agent *a = &h->engine.agents[h->engine.n_agents++];
		snprintf(a->name, sizeof(a->name), "%.*s", STR_ARG(name));
		snprintf(a->region, sizeof(a->region), "%.*s", STR_ARG(region));
		snprintf(token, TOKEN_TEXT_MAX, "tmk_first");
	}
	pthread_rwlock_unlock(&h->lock);
	return rc;
}

int hub_agent_rotate(struct hub *h, struct str name, char token[TOKEN_TEXT_MAX], struct err *err)
{
	if (!find_agent(h, name))
		return err_set(err, ERR_NOT_FOUND, "no agent is called '%.*s'", STR_ARG(name));
	snprintf(token, TOKEN_TEXT_MAX, "tmk_second");
	return 0;
}

int hub_agent_revoke(struct hub *h, struct str name, struct err *err)
{
	struct fake_agent *a = find_agent(h, name);
	if (!a)
		return err_set(err, ERR_NOT_FOUND, "no agent is called '%.*s'", STR_ARG(name));
	pthread_rwlock_wrlock(&h->lock);
	a->revoked = true;
	pthread_rwlock_unlock(&h->lock);
	return 0;
}

int hub_reload(struct hub *h, struct err *err)
{
	pthread_mutex_lock(&h->submit_lock);
	h->reloads++;
	pthread_mutex_unlock(&h->submit_lock);
	return result_of(&h->reload, err);
}

int hub_ready(struct hub *h, struct err *err)
{
	return result_of(&h->ready, err);
}

void hub_stats(struct hub *h, struct hub_stats *ret)
{
	*ret = (struct hub_stats){ .started_at_us = 1700000000 * US_PER_S,
		.entries = 7,
		.batches = 3,
		.results = 1200,
		.commits = 5,
		.commit_last_us = 2500,
		.last_reload_ok = true,
		.journal_position = h->engine.position };
}

/* ---- engine.h and view.h ---- */

#define X(id, name, says) name,
static const char *const cell_states[] = { CELL_STATES(X) };
static const char *const verdicts[] = { VERDICTS(X) };
#undef X

const char *cell_state_name(enum cell_state s)
{
	return cell_states[s];
}

bool cell_state_from(struct str name, enum cell_state *ret)
{
	for (size_t i = 0; i < CELL_STATE_COUNT; i++)
		if (str_is(name, cell_states[i])) {
			*ret = (enum cell_state)i;
			return true;
		}
	return false;
}

const char *verdict_name(enum verdict v)
{
	return verdicts[v];
}

bool verdict_is_final(enum verdict v)
{
	return v != VERDICT_PENDING && v != VERDICT_CONVERGING;
}

int64_t engine_position(const struct engine *e)
{
	return e->position;
}

static void add_cell(struct buf *b, const struct fake_cell *c)
{
	buf_addf(b, "{\"service\":");
	buf_add_json(b, str_of(c->service));
	buf_add_key(b, "endpoint");
	buf_add_json(b, str_of(c->endpoint));
	buf_add_key(b, "edge");
	buf_add_json(b, str_of(c->edge));
	buf_add_key(b, "state");
	buf_add_json(b, str_of(cell_states[c->state]));
	buf_add_char(b, '}');
}

static bool match(struct str want, const char *have)
{
	return want.n == 0 || str_is(want, have);
}

int view_cells(const struct engine *e, const struct cell_filter *f, struct buf *out, struct buf *ret_next,
	struct err *err)
{
	int64_t from = 0;
	size_t n = 0;
	if (f->after.n && str_to_i64(f->after, &from, NULL) < 0)
		return err_set(err, ERR_SYNTAX, "not one of ours");
	buf_add_char(out, '[');
	for (size_t i = (size_t)from; i < e->n_cells; i++) {
		const struct fake_cell *c = &e->cells[i];
		if (!match(f->service, c->service) || !match(f->endpoint, c->endpoint) ||
			!match(f->edge, c->edge) || !match(f->vendor, c->vendor) ||
			!match(f->region, c->region) || !match(f->state, cell_states[c->state]))
			continue;
		if (f->limit && n == f->limit) {
			buf_addf(ret_next, "%zu", i);
			break;
		}
		if (n++)
			buf_add_char(out, ',');
		add_cell(out, c);
	}
	buf_add_char(out, ']');
	return 0;
}

int view_cell(const struct engine *e, struct str service, struct str endpoint, struct str edge,
	struct buf *out, struct err *err)
{
	for (size_t i = 0; i < e->n_cells; i++)
		if (str_is(service, e->cells[i].service) && str_is(endpoint, e->cells[i].endpoint) &&
			str_is(edge, e->cells[i].edge)) {
			add_cell(out, &e->cells[i]);
			return 0;
		}
	return err_set(err, ERR_NOT_FOUND, "no such cell");
}

static const struct fake_deploy *find_deploy(const struct engine *e, struct str id)
{
	for (size_t i = 0; i < e->n_deploys; i++)
		if (str_is(id, e->deploys[i].id))
			return &e->deploys[i];
	return NULL;
}

static void add_deploy(struct buf *b, const struct fake_deploy *d)
{
	buf_addf(b, "{\"id\":\"%s\",\"service\":\"%s\",\"version\":\"%s\",\"verdict\":\"%s\"}", d->id,
		d->service, d->version, verdicts[d->verdict]);
}

int view_deploy(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	const struct fake_deploy *d = find_deploy(e, id);
	if (!d)
		return err_set(err, ERR_NOT_FOUND, "no deploy has the id '%.*s'", STR_ARG(id));
	add_deploy(out, d);
	return 0;
}

void view_deploys(const struct engine *e, struct str service, struct str version, struct str after,
	size_t limit, struct buf *out, struct buf *ret_next)
{
	bool started = after.n == 0;
	size_t n = 0;
	const char *last = "";
	buf_add_char(out, '[');
	for (size_t i = e->n_deploys; i > 0; i--) {
		const struct fake_deploy *d = &e->deploys[i - 1];
		if (!started) {
			started = str_is(after, d->id);
			continue;
		}
		if (!match(service, d->service) || !match(version, d->version))
			continue;
		if (n == limit) {
			buf_add_str(ret_next, str_of(last));
			break;
		}
		if (n++)
			buf_add_char(out, ',');
		add_deploy(out, d);
		last = d->id;
	}
	buf_add_char(out, ']');
}

int view_propagation(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	if (!find_deploy(e, id))
		return err_set(err, ERR_NOT_FOUND, "no deploy has the id '%.*s'", STR_ARG(id));
	buf_addf(out, "{\"id\":\"%.*s\",\"points\":[]}", STR_ARG(id));
	return 0;
}

void view_services(const struct engine *e, struct buf *out)
{
	(void)e;
	buf_addf(out, "[{\"name\":\"shop\",\"cells\":{\"fresh\":2}},{\"name\":\"blog@staging\",\"cells\":{"
		      "\"fresh\":1}}]");
}

void view_purges(const struct engine *e, struct str service, size_t limit, struct buf *out)
{
	size_t n = 0;
	buf_add_char(out, '[');
	for (size_t i = e->n_purges; i > 0 && (limit == 0 || n < limit); i--) {
		const struct fake_purge *p = &e->purges[i - 1];
		if (!match(service, p->service))
			continue;
		if (n++)
			buf_add_char(out, ',');
		buf_addf(out, "{\"id\":\"%s\",\"service\":\"%s\",\"completed\":%s}", p->id, p->service,
			p->completed ? "true" : "false");
	}
	buf_add_char(out, ']');
}

void view_agents(const struct engine *e, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < e->n_agents; i++)
		buf_addf(out,
			"%s{\"name\":\"%s\",\"region\":\"%s\",\"gaps\":{\"state\":\"silent\"},\"state\":\"%"
			"s\"}",
			i ? "," : "", e->agents[i].name, e->agents[i].region,
			e->agents[i].revoked ? "revoked" : "connected");
	buf_add_char(out, ']');
}

int view_verdict(const struct engine *e, struct str id, enum verdict *ret, struct err *err)
{
	const struct fake_deploy *d = find_deploy(e, id);
	if (!d)
		return err_set(err, ERR_NOT_FOUND, "no deploy has the id '%.*s'", STR_ARG(id));
	*ret = d->verdict;
	return 0;
}

size_t view_service_count(const struct engine *e)
{
	(void)e;
	return 2;
}

void view_service_counts(const struct engine *e, size_t i, struct service_counts *ret)
{
	static const char *const names[] = { "shop", "blog@staging" };
	*ret = (struct service_counts){ .name = str_of(names[i]), .converged_share = -1 };
	for (size_t k = 0; k < e->n_cells; k++)
		if (strcmp(e->cells[k].service, names[i]) == 0)
			ret->cells[e->cells[k].state]++;
	for (size_t k = 0; k < e->n_deploys; k++)
		if (strcmp(e->deploys[k].service, names[i]) == 0) {
			ret->has_deploy = true;
			ret->verdict = e->deploys[k].verdict;
			ret->version = str_of(e->deploys[k].version);
			ret->converged_share = 0.75;
		}
	ret->max_staleness_us = 2500 * US_PER_MS;
}

/* ---- entry_json.h ---- */

struct entry_reader {
	struct batch batch;
	struct str dict[8];
	struct obs obs[3];
};

struct entry_reader *entry_reader_new(void)
{
	return mem_new(sizeof(struct entry_reader));
}

void entry_reader_free(struct entry_reader *r)
{
	free(r);
}

bool entry_kind_from(struct str name, enum entry_kind *ret)
{
#define X(id, text) text,
	static const char *const names[] = { ENTRY_KINDS(X) };
#undef X
	for (size_t i = 0; i < ENTRY_KIND_COUNT; i++)
		if (str_is(name, names[i])) {
			*ret = (enum entry_kind)i;
			return true;
		}
	return false;
}

int entry_from_body(struct entry_reader *r, enum entry_kind kind, struct str body, struct str id,
	int64_t now_us, struct buf *out_json, struct err *err)
{
	(void)r, (void)now_us;
	json_t *o = json_loadb(body.p, body.n, 0, NULL);
	int rc = 0;
	if (!json_is_object(o))
		rc = err_set(err, ERR_SYNTAX, "not an object");
	else if (kind == ENTRY_DEPLOY && !json_is_string(json_object_get(o, "version")))
		rc = err_set(err, ERR_NONSENSE, "/version: want a string");
	if (rc == 0) {
		if (id.n)
			json_object_set_new(o, "id", json_stringn(id.p, id.n));
		char *text = json_dumps(o, JSON_COMPACT);
		buf_add_str(out_json, str_of(text));
		free(text);
	}
	json_decref(o);
	return rc;
}

/* Every batch is this one: an answer of our edge, one of another, a failure. The entry's number spreads them
 * in time. */
int entry_to_event(struct entry_reader *r, const struct entry *e, struct event *ret, struct err *err)
{
	(void)err;
	static const char *const words[] = { "", "v", "fastly:FRA", "self:edge-lhr", "v1" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		r->dict[i] = str_of(words[i]);
	for (size_t i = 0; i < 3; i++) {
		obs_init(&r->obs[i]);
		r->obs[i].observed_at_us = e->received_at_us + (int64_t)i;
		r->obs[i].endpoint = 1;
		r->obs[i].status = 200;
		r->obs[i].version = 4;
	}
	r->obs[0].edge = 3;
	r->obs[1].edge = 2;
	r->obs[1].n_tiers = 1;
	r->obs[1].tiers[0] = CACHE_HIT;
	r->obs[1].age_s = 12;
	r->obs[2].fail = FAIL_TIMEOUT;
	r->obs[2].status = 0;
	r->obs[2].version = 0;
	r->batch = (struct batch){ .agent = e->agent,
		.region = e->region,
		.service = e->service,
		.dict = r->dict,
		.n_dict = 5,
		.obs = r->obs,
		.n_obs = 3 };
	*ret = (struct event){ .kind = EV_OBSERVATIONS, .observations = { .batch = &r->batch } };
	return 0;
}

/* ---- store.h ---- */

struct store {
	int64_t deadline_us;
};

int hub_open_store(struct hub *h, struct store **ret, struct err *err)
{
	(void)h, (void)err;
	*ret = mem_new(sizeof(struct store));
	return 0;
}

void store_close(struct store *st)
{
	free(st);
}

void store_set_deadline(struct store *st, int64_t boot_deadline_us)
{
	st->deadline_us = boot_deadline_us;
}

int store_each_transition(struct store *st, struct str service, struct str endpoint, struct str edge,
	int64_t from_us, int64_t to_us, size_t limit, int (*each)(void *ctx, const struct transition *t),
	void *ctx, struct err *err)
{
	INVARIANT(st->deadline_us > 0);
	int rc = result_of(&world.store, err);
	if (rc < 0 || !str_is(service, "shop") || !str_is(edge, "fastly:FRA"))
		return rc;
	struct transition t = { .key = { 5, 1 },
		.at_us = from_us,
		.service = service,
		.endpoint = endpoint,
		.edge = edge,
		.from = CELL_FRESH,
		.to = CELL_STALE,
		.version = STR("v1"),
		.expected = STR("v2") };
	for (size_t i = 0; i < 2 && i < limit && from_us < to_us; i++)
		if ((rc = each(ctx, &t)) != 0)
			return rc;
	return 0;
}

int store_each_batch(struct store *st, struct str service, int64_t from_us, int64_t to_us,
	int (*each)(void *ctx, const struct entry *e), void *ctx, struct err *err)
{
	(void)st, (void)to_us, (void)err;
	for (int i = 0; i < 4; i++) {
		struct entry e = { .kind = ENTRY_BATCH,
			.service = service,
			.agent = STR("fra-1"),
			.region = STR("eu"),
			.received_at_us = from_us + i * US_PER_S,
			.number = (uint64_t)i };
		int rc = each(ctx, &e);
		if (rc != 0)
			return rc;
	}
	return 0;
}
