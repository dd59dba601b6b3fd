/* fake_store.c - entry_json.h and store.h over the fake world. */
#include <jansson.h>
#include <stdlib.h>

#include "collector/entry_json.h"
#include "tests/http/fake_world.h"

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
	int rc = fake_reading(err);
	if (rc < 0 || !str_is(service, "shop") || (edge.n && !str_is(edge, "fastly:FRA")))
		return rc;
	struct transition t = { .key = { 5, 1 },
		.at_us = from_us,
		.service = service,
		.endpoint = endpoint.n ? endpoint : STR("v"),
		.edge = edge.n ? edge : STR("fastly:FRA"),
		.from = CELL_FRESH,
		.to = CELL_STALE,
		.version = STR("v1"),
		.expected = STR("v2") };
	for (size_t i = 0; i < 2 && i < limit && from_us < to_us; i++)
		if ((rc = each(ctx, &t)) != 0)
			return rc;
	return 0;
}

/* Two deploys, of which one is asked for. */
int store_each_verdict(struct store *st, int64_t after, int (*each)(void *ctx, const struct deploy_change *c),
	void *ctx, struct err *err)
{
	INVARIANT(st->deadline_us > 0 && after == 0);
	struct deploy_change c = { .key = { 4, 1 },
		.at_us = INT64_C(1772359200) * US_PER_S,
		.id = STR("d_0"),
		.service = STR("shop"),
		.version = STR("v1"),
		.from = VERDICT_CONVERGING,
		.to = VERDICT_VERIFIED };
	int rc = fake_reading(err);
	if (rc == 0)
		rc = each(ctx, &c);
	c.id = STR("d_1"), c.to = VERDICT_FAILED, c.reason = STR("1 of 2 \"cells\"");
	return rc ? rc : each(ctx, &c);
}

#define ANSWER_OF_FRA                                                                                        \
	"HTTP/1.1 200 OK\r\nX-Served-By: cache-fra-etou8220141-FRA\r\nX-Cache: HIT\r\nAge: 12\r\n"           \
	"Cache-Control: max-age=60\r\nSet-Cookie: [struck out]\r\n"

/* Of the fake transitions each has it. */
int store_transition_evidence(struct store *st, const struct transition *t,
	int (*each)(void *ctx, const struct cell_evidence *ev), void *ctx, struct err *err)
{
	(void)st, (void)err;
	struct cell_evidence ev = { .service = t->service,
		.endpoint = t->endpoint,
		.edge = t->edge,
		.version = t->version,
		.agent = STR("fra-1"),
		.status = 200,
		.at_us = t->at_us,
		.block = STR(ANSWER_OF_FRA) };
	return each(ctx, &ev);
}

int store_each_evidence(struct store *st, struct str service, struct str endpoint, struct str edge,
	size_t limit, int (*each)(void *ctx, const struct cell_evidence *ev), void *ctx, struct err *err)
{
	INVARIANT(st->deadline_us > 0);
	int rc = fake_reading(err);
	struct transition t = {
		.service = service, .endpoint = endpoint, .edge = edge, .version = STR("v1")
	};
	if (rc < 0 || !str_is(service, "shop") || !str_is(edge, "fastly:FRA") || limit == 0)
		return rc;
	return store_transition_evidence(st, &t, each, ctx, err);
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
