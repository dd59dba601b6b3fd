/* The views: one shape everywhere, pages that join, filters that hold, and names that nobody chose well. */
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

static int64_t position;

static void fold(struct engine *e, struct event ev, int64_t at_s)
{
	struct err err = { 0 };
	ev.position = ++position;
	ev.received_at_us = ev.at_us = START_US + at_s * US_PER_S;
	if (engine_fold(e, &ev, &err) < 0)
		fail_msg("%s", err.text);
}

static void tell_service(struct engine *e, const char *name)
{
	static const struct ev_endpoint endpoints[] = { { STR("v"), STR("https://x/\"v\""), MATCH_EXACT,
								false, STR_NONE, STR_NONE },
		{ STR("w"), STR("https://x/w"), MATCH_EXACT, false, STR_NONE, STR_NONE } };
	fold(e,
		(struct event){ .kind = EV_SERVICE,
			.service = { .name = str_of(name),
				.interval_us = 10 * US_PER_S,
				.endpoints = endpoints,
				.n_endpoints = 2,
				.timeout_us = US_PER_MIN,
				.require = 1,
				.min_coverage = 0.9 } },
		0);
}

static void tell_deploy(
	struct engine *e, const char *service, const char *id, const char *version, int64_t at_s)
{
	static const struct str aliases[] = { { "short", 5 } };
	fold(e,
		(struct event){ .kind = EV_DEPLOY,
			.deploy = { .id = str_of(id),
				.service = str_of(service),
				.version = str_of(version),
				.source = STR("ci"),
				.started_at_us = START_US + at_s * US_PER_S,
				.live_at_us = START_US + at_s * US_PER_S,
				.aliases = aliases,
				.n_aliases = 1 } },
		at_s);
}

static void tell_seen(struct engine *e, const char *service, const char *agent, const char *region,
	const char *endpoint, const char *edge, const char *version, int64_t at_s)
{
	struct str dict[] = { STR_NONE, str_of(endpoint), str_of(edge), str_of(version) };
	struct obs o;
	obs_init(&o);
	o.observed_at_us = START_US + at_s * US_PER_S;
	o.endpoint = 1, o.edge = 2, o.version = 3, o.status = 200;
	struct batch b = { .agent = str_of(agent),
		.region = str_of(region),
		.service = str_of(service),
		.dict = dict,
		.n_dict = 4,
		.obs = &o,
		.n_obs = 1 };
	fold(e, (struct event){ .kind = EV_OBSERVATIONS, .observations = { .batch = &b } }, at_s);
}

static const char *const edges[] = { "x:fra", "x:ams", "y:nrt", "y:\"odd\"", "z", "x:\xc3\xa9t\xc3\xa9" };

static struct engine *world(void)
{
	struct engine *e = engine_new(NULL);
	tell_service(e, "shop");
	tell_service(e, "cart@staging");
	tell_deploy(e, "shop", "d1", "v1", 1);
	tell_deploy(e, "cart@staging", "d2", "v1", 2);
	for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
		tell_seen(e, "shop", "a1", "eu", "v", edges[i], i % 2 ? "v1" : "old", 3);
		tell_seen(e, "shop", "a2", "us", "w", edges[i], "v1", 3);
		tell_seen(e, "cart@staging", "a1", "eu", "v", edges[i], "v1", 3);
	}
	return e;
}

static json_t *parse(const struct buf *b)
{
	json_error_t why;
	json_t *v = json_loadb(b->p, b->n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (v == NULL)
		fail_msg("%s at %d: %s", why.text, why.position, b->p);
	return v;
}

static json_t *cells(const struct engine *e, struct cell_filter f, struct buf *next)
{
	struct buf out;
	struct err err = { 0 };
	buf_init(&out, 1 << 20);
	if (view_cells(e, &f, &out, next, &err) < 0)
		fail_msg("%s", err.text);
	json_t *v = parse(&out);
	buf_fini(&out);
	return v;
}

static const char *text_at(const json_t *v, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(v, i), key));
}

static void cells_are_in_order(void **state)
{
	(void)state;
	struct engine *e = world();
	json_t *all = cells(e, (struct cell_filter){ 0 }, NULL);
	assert_int_equal(json_array_size(all), 3 * ARRAY_LEN(edges));
	for (size_t i = 1; i < json_array_size(all); i++) {
		int by = strcmp(text_at(all, i - 1, "service"), text_at(all, i, "service"));
		by = by ? by : strcmp(text_at(all, i - 1, "endpoint"), text_at(all, i, "endpoint"));
		by = by ? by : strcmp(text_at(all, i - 1, "edge"), text_at(all, i, "edge"));
		assert_true(by < 0);
	}
	json_decref(all);
	engine_free(e);
}

static void filters_hold(void **state)
{
	(void)state;
	static const struct {
		const char *says;
		struct cell_filter f;
		size_t n;
	} cases[] = {
		{ "of one service", { .service = STR("shop") }, 12 },
		{ "of an unknown service", { .service = STR("nothing") }, 0 },
		{ "of one endpoint", { .endpoint = STR("w") }, 6 },
		{ "of an unknown endpoint", { .endpoint = STR("u") }, 0 },
		{ "of one vendor", { .vendor = STR("x") }, 9 },
		{ "of a vendor that is all of an edge's name", { .vendor = STR("z") }, 3 },
		{ "of one region", { .region = STR("us") }, 6 },
		{ "of one edge", { .edge = STR("x:fra") }, 3 },
		{ "of one state", { .state = STR("unknown") }, 3 },
		{ "of all of these",
			{ .service = STR("shop"),
				.endpoint = STR("v"),
				.vendor = STR("x"),
				.state = STR("fresh") },
			2 },
	};
	struct engine *e = world();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *got = cells(e, cases[i].f, NULL);
		if (json_array_size(got) != cases[i].n)
			fail_msg("%s: %zu, not %zu", cases[i].says, json_array_size(got), cases[i].n);
		json_decref(got);
	}
	engine_free(e);
}

static void pages_join_to_the_whole(void **state)
{
	(void)state;
	struct engine *e = world();
	json_t *all = cells(e, (struct cell_filter){ 0 }, NULL);
	for (size_t limit = 1; limit <= json_array_size(all) + 1; limit++) {
		struct buf cursor, next;
		size_t at = 0, pages = 0;
		buf_init(&cursor, 1024), buf_init(&next, 1024);
		do {
			json_t *page = cells(
				e, (struct cell_filter){ .limit = limit, .after = buf_str(&cursor) }, &next);
			assert_true(json_array_size(page) <= limit);
			for (size_t i = 0; i < json_array_size(page); i++, at++)
				assert_true(json_equal(json_array_get(page, i), json_array_get(all, at)));
			json_decref(page);
			buf_clear(&cursor);
			buf_add_str(&cursor, buf_str(&next));
			assert_true(++pages < 50);
		} while (next.n);
		assert_int_equal(at, json_array_size(all));
		assert_int_equal(pages, (at + limit - 1) / limit);
		buf_fini(&cursor), buf_fini(&next);
	}
	json_decref(all);
	engine_free(e);
}

static void what_is_no_filter_is_refused(void **state)
{
	(void)state;
	static const struct {
		struct cell_filter f;
		int code;
	} cases[] = {
		{ { .state = STR("fresher") }, ERR_NONSENSE },
		{ { .after = STR("nonsense") }, ERR_SYNTAX },
		{ { .after = STR("1.2") }, ERR_SYNTAX },
		{ { .after = STR("1.2.3.4") }, ERR_SYNTAX },
		{ { .after = STR("1.2.99999999") }, ERR_SYNTAX },
		{ { .after = STR("1.2.-1") }, ERR_SYNTAX },
	};
	struct engine *e = world();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out;
		struct err err = { 0 };
		buf_init(&out, 1 << 20);
		assert_int_equal(view_cells(e, &cases[i].f, &out, NULL, &err), cases[i].code);
		assert_true(err.text[0]);
		buf_fini(&out);
	}
	engine_free(e);
}

static void what_does_not_fit_is_an_error(void **state)
{
	(void)state;
	struct engine *e = world();
	struct cell_filter f = { 0 };
	struct buf small;
	buf_init(&small, 100);
	assert_int_equal(view_cells(e, &f, &small, NULL, NULL), ERR_TOO_BIG);
	buf_clear(&small);
	assert_int_equal(view_deploy(e, STR("d1"), &small, NULL), ERR_TOO_BIG);
	buf_fini(&small);
	engine_free(e);
}

static void what_is_not_there_is_not_found(void **state)
{
	(void)state;
	struct engine *e = world();
	struct buf out;
	enum verdict v;
	buf_init(&out, 1 << 20);
	assert_int_equal(view_cell(e, STR("shop"), STR("v"), STR("x:gru"), &out, NULL), ERR_NOT_FOUND);
	assert_int_equal(view_cell(e, STR("shop"), STR("u"), STR("x:fra"), &out, NULL), ERR_NOT_FOUND);
	assert_int_equal(view_cell(e, STR("none"), STR("v"), STR("x:fra"), &out, NULL), ERR_NOT_FOUND);
	assert_int_equal(view_deploy(e, STR("d9"), &out, NULL), ERR_NOT_FOUND);
	assert_int_equal(view_propagation(e, STR("d9"), &out, NULL), ERR_NOT_FOUND);
	assert_int_equal(view_verdict(e, STR("d9"), &v, NULL), ERR_NOT_FOUND);
	assert_int_equal(view_verdict(e, STR("d1"), &v, NULL), 0);
	assert_int_equal(v, VERDICT_CONVERGING);
	buf_fini(&out);
	engine_free(e);
}

static size_t deploys(const struct engine *e, struct str service, struct str version, struct str after,
	size_t limit, struct buf *next, char first[16])
{
	struct buf out;
	buf_init(&out, 1 << 20);
	view_deploys(e, service, version, after, limit, &out, next);
	json_t *v = parse(&out);
	size_t n = json_array_size(v);
	snprintf(first, 16, "%s", n ? text_at(v, 0, "id") : "");
	json_decref(v);
	buf_fini(&out);
	return n;
}

static void deploys_are_listed_newest_first(void **state)
{
	(void)state;
	struct engine *e = world();
	struct buf next;
	char first[16];
	buf_init(&next, 1024);
	tell_deploy(e, "shop", "d3", "v2", 10);
	assert_int_equal(deploys(e, STR_NONE, STR_NONE, STR_NONE, 0, &next, first), 3);
	assert_string_equal(first, "d3");
	assert_int_equal(next.n, 0);
	assert_int_equal(deploys(e, STR("shop"), STR_NONE, STR_NONE, 0, &next, first), 2);
	assert_int_equal(deploys(e, STR("shop"), STR("v1"), STR_NONE, 0, &next, first), 1);
	assert_string_equal(first, "d1");
	assert_int_equal(deploys(e, STR("shop"), STR("short"), STR_NONE, 0, &next, first),
		2); /* an alias is a name too */
	assert_int_equal(deploys(e, STR("shop"), STR("v7"), STR_NONE, 0, &next, first), 0);
	assert_int_equal(deploys(e, STR_NONE, STR_NONE, STR_NONE, 2, &next, first), 2);
	assert_string_equal(next.p, "d2");
	assert_int_equal(deploys(e, STR_NONE, STR_NONE, STR("d2"), 2, &next, first), 1);
	assert_string_equal(first, "d1");
	assert_int_equal(next.n, 0);
	buf_fini(&next);
	engine_free(e);
}

static void curves_rise_to_the_share_that_converged(void **state)
{
	(void)state;
	struct engine *e = engine_new(NULL);
	tell_service(e, "shop");
	tell_deploy(e, "shop", "d1", "v1", 0);
	for (int t = 10; t <= 30; t += 10)
		for (size_t i = 0; i < 4; i++)
			tell_seen(e, "shop", "a1", "eu", "v", edges[i],
				i == 3 || (i == 2 && t == 10) ? "old" : "v1", t);
	tell_seen(e, "shop", "a1", "eu", "v", edges[2], "v1", 40);
	struct buf out;
	buf_init(&out, 1 << 20);
	assert_int_equal(view_propagation(e, STR("d1"), &out, NULL), 0);
	/* two cells fresh from the first look, one between 10 and 20 s, one never */
	assert_string_equal(out.p, "{\"id\":\"d1\",\"points\":[{\"t_s\":0,\"earliest\":0.5,\"latest\":0},"
				   "{\"t_s\":10,\"earliest\":0.75,\"latest\":0.5},{\"t_s\":20,\"earliest\":0."
				   "75,\"latest\":0.75}]}");
	buf_fini(&out);
	engine_free(e);
}

static void services_are_counted(void **state)
{
	(void)state;
	struct engine *e = world();
	struct service_counts c;
	assert_int_equal(view_service_count(e), 2);
	for (size_t i = 0; i < 2; i++) {
		size_t sum = 0;
		view_service_counts(e, i, &c);
		for (size_t s = 0; s < CELL_STATE_COUNT; s++)
			sum += c.cells[s];
		assert_int_equal(sum, str_is(c.name, "shop") ? 12 : 6);
		assert_true(c.has_deploy && c.verdict == VERDICT_CONVERGING && str_is(c.version, "v1"));
		assert_true(c.converged_share == 0);
	}
	tell_deploy(e, "shop", "d3", "v2", 10);
	tell_seen(e, "shop", "a1", "eu", "v", "x:fra", "v1", 25);
	for (size_t i = 0; i < 2; i++) {
		view_service_counts(e, i, &c);
		assert_int_equal(c.max_staleness_us, str_is(c.name, "shop") ? 15 * US_PER_S : 0);
	}
	fold(e, (struct event){ .kind = EV_SERVICE, .service = { .name = STR("shop"), .removed = true } },
		30);
	assert_int_equal(view_service_count(e), 1);
	view_service_counts(e, 0, &c);
	assert_true(str_is(c.name, "cart@staging"));
	engine_free(e);
}

static void purges_and_agents_are_as_told(void **state)
{
	(void)state;
	struct engine *e = world();
	static const struct str patterns[] = { { "/v*", 3 }, { "/\"w\"", 4 } };
	fold(e,
		(struct event){ .kind = EV_PURGE,
			.purge = { .id = STR("p1"),
				.service = STR("shop"),
				.vendor = STR("x"),
				.requested_at_us = START_US,
				.completed_at_us = TIME_NONE,
				.patterns = patterns,
				.n_patterns = 2 } },
		4);
	fold(e,
		(struct event){ .kind = EV_PURGE,
			.purge = { .id = STR("p2"),
				.service = STR("shop"),
				.everything = true,
				.soft = true,
				.requested_at_us = START_US + US_PER_H,
				.completed_at_us = TIME_NONE } },
		5);
	fold(e,
		(struct event){
			.kind = EV_PURGE_PATCH, .purge_patch = { STR("p1"), START_US + 5 * US_PER_S } },
		6);
	fold(e,
		(struct event){ .kind = EV_AGENT,
			.agent = { .agent = STR("a1"),
				.region = STR("eu"),
				.software = STR("t/1"),
				.state = AGENT_CONNECTED,
				.has_location = true,
				.latitude = 50.03,
				.longitude = 8.57,
				.clock_suspect = true } },
		6);
	struct buf out;
	buf_init(&out, 1 << 20);
	view_purges(e, STR("shop"), 0, &out);
	json_t *v = parse(&out);
	assert_int_equal(json_array_size(v), 2);
	assert_string_equal(text_at(v, 0, "id"),
		"p2"); /* newest first; one from the future counts as now, and is marked */
	assert_string_equal(text_at(v, 0, "requested_at"), "2026-03-01T10:00:05Z");
	assert_true(json_is_true(json_object_get(json_array_get(v, 0), "in_future")));
	assert_string_equal(text_at(v, 1, "completed_at"), "2026-03-01T10:00:05Z");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json_array_get(v, 1), "patterns"), 1)),
		"/\"w\"");
	json_decref(v);
	buf_clear(&out);
	view_purges(e, STR("cart@staging"), 0, &out);
	assert_string_equal(out.p, "[]");
	buf_clear(&out);
	view_agents(e, &out);
	v = parse(&out);
	assert_int_equal(json_array_size(v), 2);
	assert_string_equal(text_at(v, 0, "name"), "a1");
	assert_string_equal(text_at(v, 0, "software"), "t/1");
	assert_true(json_number_value(json_array_get(json_object_get(json_array_get(v, 0), "location"), 0)) ==
		    50.03);
	assert_true(json_is_null(json_object_get(json_array_get(v, 1), "location")));
	json_decref(v);
	buf_fini(&out);
	engine_free(e);
}

static void everything_is_one_document(void **state)
{
	(void)state;
	struct engine *e = world();
	struct buf out;
	buf_init(&out, 1 << 20);
	view_all(e, &out);
	json_t *v = parse(&out);
	assert_string_equal(json_string_value(json_object_get(v, "at")), "2026-03-01T10:00:03Z");
	assert_int_equal(json_array_size(json_object_get(v, "deploys")), 2);
	assert_string_equal(text_at(json_object_get(v, "deploys"), 0, "id"), "d1");
	assert_int_equal(json_array_size(json_object_get(v, "cells")), 18);
	assert_int_equal(json_array_size(json_object_get(v, "services")), 2);
	json_decref(v);
	buf_fini(&out);
	engine_free(e);
}

/* The oldest settled deploys are forgotten, and then their versions are unknown. */
static void deploys_are_capped(void **state)
{
	(void)state;
	struct engine *e = world(), *loaded = NULL;
	struct buf bytes, next;
	char id[16], first[16];
	struct err err;
	for (int i = 0; i < 700; i++) {
		snprintf(id, sizeof(id), "n%d", i);
		tell_deploy(e, "shop", id, id, 10 + i);
	}
	tell_seen(e, "shop", "a1", "eu", "v", "x:fra", "n699", 720);
	buf_init(&bytes, 1 << 26), buf_init(&next, 1024);
	assert_int_equal(deploys(e, STR("shop"), STR_NONE, STR_NONE, 0, &next, first), 500);
	assert_string_equal(first, "n699");
	enum verdict v;
	assert_int_equal(view_verdict(e, STR("n3"), &v, NULL), ERR_NOT_FOUND);
	assert_int_equal(view_verdict(e, STR("n250"), &v, NULL), 0);
	assert_int_equal(v, VERDICT_SUPERSEDED);
	engine_save(e, &bytes);
	assert_int_equal(engine_load(buf_str(&bytes), NULL, &loaded, &err), 0);
	assert_int_equal(deploys(loaded, STR("shop"), STR_NONE, STR_NONE, 0, &next, first), 500);
	buf_fini(&bytes), buf_fini(&next);
	engine_free(e), engine_free(loaded);
}

/* What is refused, and by what name. */
static void entries_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	static const struct ev_endpoint twice[] = { { STR("v"), STR("u"), MATCH_EXACT, false, STR_NONE,
							    STR_NONE },
		{ STR("v"), STR("u2"), MATCH_EXACT, false, STR_NONE, STR_NONE } };
	static const struct ev_endpoint nameless[] = { { STR_NONE, STR("u"), MATCH_EXACT, false, STR_NONE,
		STR_NONE } };
	const struct {
		const char *says;
		struct event ev;
		int code;
	} cases[] = {
		{ "a service without a name", { .kind = EV_SERVICE, .service = { .interval_us = 1 } },
			ERR_NONSENSE },
		{ "a service without an interval", { .kind = EV_SERVICE, .service = { .name = STR("s") } },
			ERR_NONSENSE },
		{ "a share over 1",
			{ .kind = EV_SERVICE,
				.service = { .name = STR("s"), .interval_us = 1, .require = 2 } },
			ERR_NONSENSE },
		{ "two endpoints of one id",
			{ .kind = EV_SERVICE,
				.service = { .name = STR("s"),
					.interval_us = 1,
					.endpoints = twice,
					.n_endpoints = 2 } },
			ERR_EXISTS },
		{ "an endpoint without an id",
			{ .kind = EV_SERVICE,
				.service = { .name = STR("s"),
					.interval_us = 1,
					.endpoints = nameless,
					.n_endpoints = 1 } },
			ERR_NONSENSE },
		{ "a deploy without a version",
			{ .kind = EV_DEPLOY,
				.deploy = { .id = STR("d"),
					.service = STR("shop"),
					.started_at_us = TIME_NONE,
					.live_at_us = TIME_NONE } },
			ERR_NONSENSE },
		{ "a deploy out of all time",
			{ .kind = EV_DEPLOY,
				.deploy = { .id = STR("d"),
					.service = STR("shop"),
					.version = STR("v"),
					.started_at_us = INT64_MAX,
					.live_at_us = TIME_NONE } },
			ERR_NONSENSE },
		{ "a purge of an unknown service",
			{ .kind = EV_PURGE, .purge = { .id = STR("p"), .service = STR("no") } },
			ERR_NOT_FOUND },
		{ "a purge without an id", { .kind = EV_PURGE, .purge = { .service = STR("shop") } },
			ERR_NONSENSE },
		{ "a purge out of all time",
			{ .kind = EV_PURGE,
				.purge = { .id = STR("p"),
					.service = STR("shop"),
					.requested_at_us = INT64_MAX } },
			ERR_NONSENSE },
		{ "a patch of an unknown purge",
			{ .kind = EV_PURGE_PATCH, .purge_patch = { .id = STR("p") } }, ERR_NOT_FOUND },
		{ "an agent without a name", { .kind = EV_AGENT }, ERR_NONSENSE },
		{ "an inner layer of an unknown service",
			{ .kind = EV_INNER,
				.inner = { .service = STR("no"), .type = STR("mesh"), .json = STR("{}") } },
			ERR_NOT_FOUND },
		{ "an inner layer that is none",
			{ .kind = EV_INNER,
				.inner = { .service = STR("shop"),
					.type = STR("cloud"),
					.json = STR("{}") } },
			ERR_NONSENSE },
		{ "a kind that is none", { .kind = (enum event_kind)99 }, ERR_UNSUPPORTED },
	};
	struct engine *e = world();
	struct buf before, after;
	buf_init(&before, 1 << 20), buf_init(&after, 1 << 20);
	view_all(e, &before);
	int64_t was = engine_position(e);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct event ev = cases[i].ev;
		struct err err = { 0 };
		ev.position = was + 1;
		ev.received_at_us = engine_now_us(e);
		int rc = engine_would_accept(e, &ev, NULL);
		if (rc != cases[i].code || engine_fold(e, &ev, &err) != cases[i].code || err.text[0] == '\0')
			fail_msg("%s: %s, not %s", cases[i].says, err_name(rc), err_name(cases[i].code));
	}
	struct event never = { .kind = EV_CLOCK, .position = was + 1, .received_at_us = INT64_MAX };
	assert_int_equal(engine_fold(e, &never, NULL), ERR_NONSENSE);
	view_all(e, &after);
	assert_string_equal(before.p, after.p);
	assert_int_equal(engine_position(e), was);
	buf_fini(&before), buf_fini(&after);
	engine_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_are_in_order),
		cmocka_unit_test(filters_hold),
		cmocka_unit_test(pages_join_to_the_whole),
		cmocka_unit_test(what_is_no_filter_is_refused),
		cmocka_unit_test(what_does_not_fit_is_an_error),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(deploys_are_listed_newest_first),
		cmocka_unit_test(curves_rise_to_the_share_that_converged),
		cmocka_unit_test(services_are_counted),
		cmocka_unit_test(purges_and_agents_are_as_told),
		cmocka_unit_test(deploys_are_capped),
		cmocka_unit_test(everything_is_one_document),
		cmocka_unit_test(entries_that_make_no_sense_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
