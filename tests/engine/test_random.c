/* Random journals: folded straight, with a save and a load at every k-th entry, and with time creeping on in
 * between, they must put out the same and end the same. And bytes that are no snapshot must be refused,
 * whatever they are. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "collector/engine/view.h"

#define START_US INT64_C(1772359200000000)
#define ENTRIES  400
#define JOURNALS 10
#define BATCH    20

/* -- a journal from a seed -- */

struct journal {
	uint64_t dice;
	int64_t now_us, up_to_us;
	int64_t position;
	uint32_t n_deploys;
	char text[16][32];
	struct str dict[64];
	struct obs obs[BATCH];
	struct batch batch;
	struct ev_endpoint endpoints[4];
	struct ev_value value;
	struct event ev;
};

static uint32_t roll(struct journal *j, uint32_t n)
{
	j->dice ^= j->dice << 13, j->dice ^= j->dice >> 7, j->dice ^= j->dice << 17;
	return (uint32_t)((j->dice >> 11) % n);
}

static struct str say(struct journal *j, size_t at, const char *what, uint32_t i)
{
	snprintf(j->text[at], sizeof(j->text[at]), "%s%u", what, i);
	return str_of(j->text[at]);
}

static void make_service(struct journal *j)
{
	static const char *const ids[] = { "v", "w", "p", "e" };
	uint32_t n = 1 + roll(j, 4);
	for (uint32_t i = 0; i < n; i++)
		j->endpoints[i] =
			(struct ev_endpoint){ str_of(ids[i]), say(j, i, "https://x/", roll(j, 20) == 0),
				i == 2 ? MATCH_PREFIX : MATCH_EXACT, i == 3, STR_NONE, STR_NONE };
	j->ev.kind = EV_SERVICE;
	j->ev.service = (struct ev_service){
		.name = say(j, 10, "shop", roll(j, 2)),
		.removed = roll(j, 40) == 0,
		.interval_us = (1 + (int64_t)roll(j, 3)) * 5 * US_PER_S,
		.endpoints = j->endpoints,
		.n_endpoints = n,
		.has_origin = roll(j, 2),
		.timeout_us = (int64_t)(60 + roll(j, 600)) * US_PER_S,
		.require = roll(j, 2) ? 1 : 0.6,
		.min_coverage = roll(j, 2) ? 0.9 : 0.3,
		.min_agents = roll(j, 3),
		.watch_us = 5 * US_PER_MIN,
		.rollout_grace_us = (int64_t)roll(j, 120) * US_PER_S,
		.alert_after_us = (int64_t)roll(j, 90) * US_PER_S,
	};
}

static void make_deploy(struct journal *j)
{
	int64_t started = j->now_us - (int64_t)roll(j, 60) * US_PER_S;
	j->value = (struct ev_value){ STR("v"), say(j, 3, "v", roll(j, 5)) };
	j->ev.kind = EV_DEPLOY;
	j->ev.deploy = (struct ev_deploy){
		.id = say(j, 0, "d", j->n_deploys++),
		.service = say(j, 1, "shop", roll(j, 2)),
		.version = say(j, 2, roll(j, 3) ? "v" : "1234567", roll(j, 5)),
		.started_at_us = started,
		.live_at_us = roll(j, 2) ? TIME_NONE : started + (int64_t)roll(j, 90) * US_PER_S,
		.values = &j->value,
		.n_values = roll(j, 8) == 0,
	};
}

static void make_patch(struct journal *j)
{
	j->ev.kind = EV_DEPLOY_PATCH;
	j->ev.deploy_patch = (struct ev_deploy_patch){
		.id = say(j, 0, "d", roll(j, j->n_deploys + 1)),
		.live_at_us = roll(j, 3) ? j->now_us - (int64_t)roll(j, 30) * US_PER_S : TIME_NONE,
		.aborted = roll(j, 4) == 0,
	};
}

static uint16_t word(struct journal *j, uint16_t from, uint32_t n)
{
	return (uint16_t)(from + roll(j, n));
}

/* Words of the dictionary: 1-4 endpoints, 5-12 edges, 13-19 versions, 20-22 nodes, 23 an endpoint nobody
 * knows. */
static void make_dict(struct journal *j)
{
	static const char *const words[] = { "", "v", "w", "p", "e", "x:fra", "x:ams", "y:nrt", "y:lhr",
		"x:iad", "z", "x:sin", "y:gru", "v0", "v1", "v2", "v3", "v4", "12345670", "1234567", "n1",
		"n2", "n3", "other" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		j->dict[i] = str_of(words[i]);
	j->batch.dict = j->dict;
	j->batch.n_dict = ARRAY_LEN(words);
}

static void make_obs(struct journal *j, struct obs *o)
{
	obs_init(o);
	o->observed_at_us =
		j->now_us - (int64_t)roll(j, roll(j, 10) ? 3 : 200) * US_PER_S + (roll(j, 50) == 0 ? 9 : 0);
	o->endpoint = roll(j, 40) ? word(j, 1, 4) : 23;
	o->edge = roll(j, 10) ? word(j, 5, 8) : 0;
	o->version = roll(j, 3) ? word(j, 14, 2) : word(j, 13, 7);
	o->node = word(j, 20, 3);
	o->path = roll(j, 6) == 0 ? PATH_ORIGIN : PATH_EDGE;
	o->status = 200;
	o->age_s = roll(j, 2) ? (int32_t)roll(j, 100) : OBS_AGE_NONE;
	o->ttl_s = roll(j, 2) ? (int32_t)roll(j, 100) : OBS_TTL_NONE;
	o->n_tiers = (uint8_t)roll(j, 3);
	for (size_t i = 0; i < o->n_tiers; i++)
		o->tiers[i] = (uint8_t)roll(j, CACHE_STATUS_COUNT);
	if (roll(j, 8) == 0) {
		static const struct {
			int16_t status;
			uint8_t fail;
		} bad[] = { { 503, FAIL_HTTP }, { 404, FAIL_HTTP }, { 0, FAIL_TIMEOUT }, { 0, FAIL_DNS },
			{ 200, FAIL_NO_VERSION } };
		uint32_t i = roll(j, ARRAY_LEN(bad));
		o->status = bad[i].status, o->fail = bad[i].fail, o->version = 0;
	}
}

static void make_batch(struct journal *j)
{
	make_dict(j);
	j->batch.agent = say(j, 0, "a", roll(j, 6));
	j->batch.region = say(j, 1, "r", (uint32_t)(j->text[0][1] - '0') % 3);
	j->batch.service = say(j, 2, "shop", roll(j, 2));
	j->batch.obs = j->obs;
	j->batch.n_obs = 1 + roll(j, BATCH);
	for (size_t i = 0; i < j->batch.n_obs; i++)
		make_obs(j, &j->obs[i]);
	if (roll(j, 6) == 0 && j->batch.n_obs > 1)
		j->obs[0] = j->obs[1]; /* told twice */
	if (roll(j, 10) == 0)          /* its network is gone */
		for (size_t i = 0; i < j->batch.n_obs; i++)
			j->obs[i].status = 0, j->obs[i].fail = FAIL_TIMEOUT,
			j->obs[i].version = j->obs[i].edge = 0;
	j->ev.kind = EV_OBSERVATIONS;
	j->ev.observations = (struct ev_observations){ &j->batch, 0 };
}

static void make_other(struct journal *j)
{
	switch (roll(j, 5)) {
	case 0:
		j->ev.kind = EV_COLLECTOR;
		j->ev.collector.down_since_us = j->now_us;
		j->now_us += (int64_t)roll(j, 600) * US_PER_S;
		j->ev.received_at_us = j->now_us;
		break;
	case 1:
		j->ev.kind = EV_AGENT;
		j->ev.agent = (struct ev_agent){ .agent = say(j, 0, "a", roll(j, 7)),
			.state = (enum agent_told)roll(j, AGENT_TOLD_COUNT) };
		break;
	case 2:
		j->ev.kind = EV_PURGE;
		j->ev.purge = (struct ev_purge){ .id = say(j, 0, "p", roll(j, 50)),
			.service = say(j, 1, "shop", roll(j, 3)),
			.requested_at_us = j->now_us,
			.completed_at_us = TIME_NONE };
		break;
	case 3:
		j->ev.kind = EV_INNER;
		j->ev.inner = (struct ev_inner){ .service = say(j, 1, "shop", roll(j, 2)),
			.type = STR("mesh"),
			.json = STR("{\"routes\":[]}"),
			.since_us = TIME_NONE };
		break;
	default:
		j->ev.kind = EV_CLOCK;
	}
}

static const struct event *journal_next(struct journal *j)
{
	uint32_t what = j->position < 2 ? 0 : roll(j, 100);
	j->up_to_us = j->now_us; /* time may creep up to the next entry, but not past a moment when the
				    collector goes down */
	j->now_us += (int64_t)roll(j, what < 3 ? 600 : 6) * US_PER_S + roll(j, 2);
	j->ev = (struct event){ .position = ++j->position, .received_at_us = j->now_us, .at_us = j->now_us };
	j->up_to_us = j->now_us;
	if (what < 3)
		make_service(j);
	else if (what < 9)
		make_deploy(j);
	else if (what < 15)
		make_patch(j);
	else if (what < 25)
		make_other(j);
	else
		make_batch(j);
	return &j->ev;
}

/* -- folding it -- */

struct world {
	struct engine *e;
	struct engine_sink sink;
	struct buf outs;
};

static void on_transition(void *ctx, const struct transition *t)
{
	struct world *w = ctx;
	assert_int_not_equal(t->from, t->to);
	buf_addf(&w->outs, "%" PRId64 ".%u %" PRId64 " %.*s %.*s %.*s %d>%d %d %.*s %.*s\n", t->key.position,
		t->key.seq, t->at_us, STR_ARG(t->service), STR_ARG(t->endpoint), STR_ARG(t->edge), t->from,
		t->to, t->late, STR_ARG(t->version), STR_ARG(t->expected));
}

static void on_deploy(void *ctx, const struct deploy_change *c)
{
	struct world *w = ctx;
	assert_int_not_equal(c->from, c->to);
	buf_addf(&w->outs, "%" PRId64 ".%u %" PRId64 " deploy %.*s %d>%d %.*s\n", c->key.position, c->key.seq,
		c->at_us, STR_ARG(c->id), c->from, c->to, STR_ARG(c->reason));
}

static void on_notice(void *ctx, const struct notice *n)
{
	struct world *w = ctx;
	buf_addf(&w->outs, "%" PRId64 ".%u %" PRId64 " notice %.*s\n", n->key.position, n->key.seq, n->at_us,
		STR_ARG(n->text));
}

static void on_incident(void *ctx, const struct incident_change *c)
{
	struct world *w = ctx;
	buf_addf(&w->outs, "%" PRId64 ".%u %" PRId64 " incident %.*s %d %d %u/%u %.*s\n", c->key.position, c->key.seq,
		c->at_us, STR_ARG(c->deploy), c->event, c->severity, c->not_fresh, c->cells, STR_ARG(c->text));
}

static void world_reload(struct world *w)
{
	struct buf bytes, before, after;
	struct engine *loaded = NULL;
	struct err err = { 0 };
	buf_init(&bytes, 1 << 26), buf_init(&before, 1 << 26), buf_init(&after, 1 << 26);
	engine_save(w->e, &bytes);
	if (engine_load(buf_str(&bytes), &w->sink, &loaded, &err) < 0)
		fail_msg("%s", err.text);
	view_all(w->e, &before);
	view_all(loaded, &after);
	assert_string_equal(before.p, after.p);
	engine_free(w->e);
	w->e = loaded;
	buf_fini(&bytes), buf_fini(&before), buf_fini(&after);
}

static void check_view(const char *text)
{
	json_error_t why;
	json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, &why), *deploy;
	size_t i;
	if (all == NULL)
		fail_msg("%s in %s", why.text, text);
	json_array_foreach(json_object_get(all, "deploys"), i, deploy)
	{
		const json_t *p = json_object_get(deploy, "propagation");
		double share = json_number_value(json_object_get(p, "converged_share"));
		double coverage = json_number_value(json_object_get(p, "coverage"));
		assert_true(share >= 0 && share <= 1 && coverage >= 0 && coverage <= 1);
		assert_true(json_integer_value(json_object_get(p, "converged")) <=
			    json_integer_value(json_object_get(p, "observed")));
	}
	json_decref(all);
}

/* every: a save and a load at every k-th entry; 0: never. creep: engine_advance() in between. */
static void play(uint64_t seed, int every, bool creep, struct buf *outs, struct buf *view)
{
	struct journal *j = mem_new(sizeof(*j));
	struct world w = { 0 };
	uint64_t other = seed * 977 + 1;
	j->dice = seed;
	j->now_us = START_US;
	buf_init(&w.outs, 1 << 26);
	w.sink = (struct engine_sink){ &w, on_transition, on_deploy, on_notice, NULL, NULL, on_incident };
	w.e = engine_new(&w.sink);
	for (int i = 0; i < ENTRIES; i++) {
		const struct event *ev = journal_next(j);
		int64_t now = engine_now_us(w.e);
		for (int k = 0; creep && k < 2 && now > 0 && j->up_to_us > now; k++) {
			other ^= other << 13, other ^= other >> 7, other ^= other << 17;
			now += (int64_t)(other % (uint64_t)(j->up_to_us - now + 1));
			engine_advance(w.e, now);
			assert_true(engine_next_due_us(w.e) > now);
		}
		struct err err;
		int accept = engine_would_accept(w.e, ev, NULL), rc = engine_fold(w.e, ev, &err);
		if (ev->kind == EV_OBSERVATIONS)
			assert_int_equal(rc, 0);
		if (rc == 0)
			assert_int_equal(engine_position(w.e), ev->position);
		assert_true((accept == 0) == (rc == 0));
		if (every && i % every == every - 1)
			world_reload(&w);
	}
	engine_advance(w.e, j->now_us + 40 * US_PER_MIN);
	view_all(w.e, view);
	*outs = w.outs;
	engine_free(w.e);
	free(j);
}

static void the_same_whatever_happens_in_between(void **state)
{
	(void)state;
	size_t said = 0;
	for (uint64_t seed = 1; seed <= JOURNALS; seed++) {
		const struct {
			int every;
			bool creep;
		} ways[] = { { 0, false }, { 1 + (int)(seed % 7), false }, { 0, true }, { 13, true } };
		struct buf outs[4], views[4];
		for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
			buf_init(&views[i], 1 << 26);
			play(seed, ways[i].every, ways[i].creep, &outs[i], &views[i]);
			if (!str_eq(buf_str(&outs[i]), buf_str(&outs[0])) ||
				!str_eq(buf_str(&views[i]), buf_str(&views[0]))) {
				print_error("seed %" PRIu64 ", way %zu\n", seed, i);
				assert_string_equal(outs[i].p, outs[0].p);
				assert_string_equal(views[i].p, views[0].p);
			}
		}
		check_view(views[0].p);
		said += outs[0].n;
		for (size_t i = 0; i < ARRAY_LEN(ways); i++)
			buf_fini(&outs[i]), buf_fini(&views[i]);
	}
	assert_true(said > JOURNALS * 10000); /* journals in which nothing happens prove nothing */
}

/* -- snapshots that are none -- */

static struct str snapshot_of(uint64_t seed, struct buf *bytes)
{
	struct journal *j = mem_new(sizeof(*j));
	struct engine *e = engine_new(NULL);
	j->dice = seed;
	j->now_us = START_US;
	for (int i = 0; i < 120; i++)
		(void)!engine_fold(e, journal_next(j), NULL);
	engine_save(e, bytes);
	engine_free(e);
	free(j);
	return buf_str(bytes);
}

static void seal(char *p, size_t n) /* so that what lies behind the checksum is tested as well */
{
	uint64_t sum = str_hash((struct str){ p, n - 8 });
	for (size_t i = 0; i < 8; i++)
		p[n - 8 + i] = (char)(sum >> (8 * i));
}

static void broken_bytes_are_refused(void **state)
{
	(void)state;
	struct buf bytes;
	struct engine *e = NULL;
	struct err err;
	buf_init(&bytes, 1 << 26);
	struct str good = snapshot_of(3, &bytes);
	assert_int_equal(engine_load(good, NULL, &e, &err), 0);
	engine_free(e);
	e = NULL;
	for (size_t n = 0; n < good.n; n += 1 + n / 50) {
		assert_int_equal(engine_load(str_first(good, n), NULL, &e, &err), ERR_CORRUPT);
		assert_null(e);
	}
	for (size_t i = 0; i < good.n; i += 1 + good.n / 500) {
		char *copy = str_dup(good);
		copy[i] ^= 0x20;
		assert_true(engine_load((struct str){ copy, good.n }, NULL, &e, &err) < 0);
		free(copy);
	}
	char *other = str_dup(good);
	char *version = memchr(other, '\n', good.n);
	assert_non_null(version);
	version[-1]++;
	seal(other, good.n);
	assert_int_equal(engine_load((struct str){ other, good.n }, NULL, &e, &err), ERR_UNSUPPORTED);
	free(other);
	buf_fini(&bytes);
}

/* Bytes with a right checksum that say anything at all: refused, or an engine that goes on without a crash.
 */
static void hostile_bytes_do_no_harm(void **state)
{
	(void)state;
	struct buf bytes;
	uint64_t dice = 88172645463325252u;
	size_t loaded = 0;
	buf_init(&bytes, 1 << 26);
	struct str good = snapshot_of(5, &bytes);
	for (int round = 0; round < 1000; round++) {
		char *copy = str_dup(good);
		struct engine *e = NULL;
		size_t n = good.n;
		for (int k = 0; k <= round % 3; k++) {
			dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
			copy[20 + dice % (n - 28)] = (char)(dice >> 40 & 1 ? dice >> 32 : 0xff);
		}
		if (round % 10 == 0)
			n = 28 + (size_t)(dice >> 20) % (n - 28);
		seal(copy, n);
		if (engine_load((struct str){ copy, n }, NULL, &e, NULL) == 0) {
			struct journal *j = mem_new(sizeof(*j));
			struct buf view;
			buf_init(&view, 1 << 26);
			j->dice = (uint64_t)round + 1;
			j->position = 1000;
			j->now_us = MIN(MAX(engine_now_us(e), START_US), START_US * 10);
			for (int i = 0; i < 20; i++)
				(void)!engine_fold(e, journal_next(j), NULL);
			engine_advance(e, j->now_us + 3 * US_PER_H);
			view_all(e, &view);
			loaded++;
			buf_fini(&view);
			engine_free(e);
			free(j);
		}
		free(copy);
	}
	assert_true(loaded > 100); /* else nothing behind the checks was tried */
	buf_fini(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_whatever_happens_in_between),
		cmocka_unit_test(broken_bytes_are_refused),
		cmocka_unit_test(hostile_bytes_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
