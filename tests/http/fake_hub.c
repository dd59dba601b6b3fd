#include "tests/http/fake_world.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "collector/entry_json.h"

struct hub {
	pthread_rwlock_t lock;
	struct engine engine;
	pthread_mutex_t listen_lock;
	void (*on_changes)(void *ctx, const struct change *c, size_t n);
	void *listen_ctx;
	pthread_mutex_t submit_lock;
	pthread_cond_t released;
	bool hold, lost;
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

void fake_add_cell(const char *service, const char *endpoint, const char *edge, const char *vendor)
{
	pthread_rwlock_wrlock(&world.lock);
	INVARIANT(world.engine.n_cells < ITEMS_MAX);
	world.engine.cells[world.engine.n_cells++] = (struct fake_cell){ .service = service,
		.endpoint = endpoint,
		.edge = edge,
		.vendor = vendor,
		.region = "eu",
		.state = CELL_FRESH };
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

void fake_submit_lost(bool lost)
{
	pthread_mutex_lock(&world.submit_lock);
	world.lost = lost;
	pthread_mutex_unlock(&world.submit_lock);
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
	for (size_t i = 0; kind == ENTRY_DEPLOY && i < e->n_deploys; i++)
		if (strcmp(e->deploys[i].id, id) == 0)
			return err_set(err, ERR_EXISTS, "deploy '%s' is there already", id);
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
		bool lost = h->lost;
		pthread_mutex_unlock(&h->submit_lock);
		tell(&c);
		if (lost)
			rc = err_set(err, ERR_TIMEOUT, "the disk takes long; it may still be written");
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

void hub_agent_shortfall(struct hub *h, struct str name, struct buf *out)
{
	buf_addf(out, ",\"held_back\":3,\"refused\":0,\"refusals\":[]");
}

int fake_reading(struct err *err)
{
	return result_of(&world.store, err);
}
