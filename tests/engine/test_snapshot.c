/* Snapshots of an earlier format still load, and mean the same: an upgrade must not need the whole journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/engine/view.h"

/* Written by the engine of snapshot version 1 after told_the_same(). */
static const unsigned char version_1[] = {
	/* clang-format off */
	0x74, 0x69, 0x64, 0x65, 0x6d, 0x61, 0x72, 0x6b, 0x20, 0x73, 0x6e, 0x61, 0x70, 0x73, 0x68, 0x6f,
	0x74, 0x20, 0x31, 0x0a, 0xc0, 0xa3, 0x86, 0x01, 0x06, 0x02, 0x02, 0x00, 0x00, 0x0c, 0x08, 0x73,
	0x68, 0x6f, 0x70, 0x0e, 0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x0a, 0x61, 0x6d, 0x73, 0x2d,
	0x31, 0x04, 0x65, 0x75, 0x0a, 0x66, 0x72, 0x61, 0x2d, 0x31, 0x10, 0x73, 0x65, 0x6c, 0x66, 0x3a,
	0x66, 0x72, 0x61, 0x04, 0x06, 0x08, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x80, 0x9f, 0x49, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x08,
	0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
	0x80, 0x89, 0x7a, 0x01, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x80, 0xda, 0xc4, 0x09, 0x80,
	0x9c, 0x9c, 0x39, 0x80, 0xa4, 0xa7, 0xda, 0x06, 0x80, 0xc8, 0xce, 0xb4, 0x0d, 0x80, 0x8c, 0x8d,
	0x9e, 0x02, 0x02, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xf8, 0x3f, 0xcd, 0x99, 0xb3, 0xe6,
	0xcc, 0x99, 0xb3, 0xf6, 0x3f, 0x00, 0x80, 0x40, 0xc0, 0x84, 0xf8, 0xdd, 0x83, 0x05, 0x00, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x04, 0x76, 0x31, 0x04, 0x12, 0x68, 0x74, 0x74, 0x70, 0x3a,
	0x2f, 0x2f, 0x61, 0x2f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, 0x02, 0x80, 0x89, 0x7a,
	0xc0, 0xa3, 0x86, 0x01, 0x00, 0x00, 0x00, 0x00, 0x80, 0x89, 0x7a, 0x80, 0x89, 0x7a, 0x00, 0x0c,
	0x08, 0x02, 0x80, 0x89, 0x7a, 0x80, 0x89, 0x7a, 0x00, 0x02, 0x00, 0x10, 0x00, 0x00, 0x80, 0x89,
	0x7a, 0x80, 0x89, 0x7a, 0x80, 0x89, 0x7a, 0x80, 0x97, 0xc8, 0x1d, 0x01, 0xff, 0xff, 0xff, 0xff,
	0x0f, 0x00, 0x80, 0x89, 0x7a, 0x00, 0x00, 0x00, 0x00, 0x80, 0x89, 0x7a, 0xce, 0x86, 0xe5, 0xf2,
	0x02, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x71, 0xf6, 0xd5, 0x4c,
	0x1e, 0x1f, 0x68, 0xf8,
	/* clang-format on */
};

/* A service with one endpoint, an agent that was revoked, and one of which nothing was ever told but a
 * result. */
static struct engine *told_the_same(void)
{
	static const struct ev_endpoint endpoint = { .id = STR("version"), .url = STR("http://a/") };
	struct engine *e = engine_new(NULL);
	struct str dict[] = { STR_NONE, STR("version"), STR("self:fra"), STR("v1") };
	struct obs o;
	struct err err;
	obs_init(&o);
	o.observed_at_us = US_PER_S;
	o.endpoint = 1, o.edge = 2, o.version = 3, o.status = 200;
	struct batch b = { .agent = STR("fra-1"),
		.region = STR("eu"),
		.service = STR("shop"),
		.epoch = 1,
		.number = 1,
		.dict = dict,
		.n_dict = ARRAY_LEN(dict),
		.obs = &o,
		.n_obs = 1 };
	const struct event events[] = {
		{ .kind = EV_SERVICE,
			.received_at_us = 500 * US_PER_MS,
			.service = { .name = STR("shop"),
				.interval_us = 10 * US_PER_S,
				.endpoints = &endpoint,
				.n_endpoints = 1,
				.timeout_us = 15 * US_PER_MIN,
				.require = 1,
				.min_coverage = 0.9,
				.min_agents = 1,
				.watch_us = 30 * US_PER_MIN,
				.rollout_grace_us = 5 * US_PER_MIN,
				.alert_after_us = 5 * US_PER_MIN } },
		{ .kind = EV_AGENT,
			.received_at_us = 600 * US_PER_MS,
			.agent = { .agent = STR("ams-1"), .region = STR("eu"), .state = AGENT_REVOKED } },
		{ .kind = EV_OBSERVATIONS, .received_at_us = 1100 * US_PER_MS, .observations = { &b, 0 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		struct event ev = events[i];
		ev.position = (int64_t)i + 1;
		ev.at_us = ev.received_at_us;
		if (engine_fold(e, &ev, &err) < 0)
			fail_msg("%s", err.text);
	}
	return e;
}

/* Written by the engine of snapshot version 3 after inner_told_the_same(). */
static const unsigned char version_3[] = {
	/* clang-format off */
	0x74, 0x69, 0x64, 0x65, 0x6d, 0x61, 0x72, 0x6b, 0x20, 0x73, 0x6e, 0x61, 0x70, 0x73, 0x68, 0x6f, 0x74, 0x20, 0x33, 0x0a,
	0x80, 0xa4, 0xe8, 0x03, 0x08, 0x00, 0x02, 0x00, 0x00, 0x04, 0x08, 0x73, 0x68, 0x6f, 0x70, 0x0e, 0x76, 0x65, 0x72, 0x73,
	0x69, 0x6f, 0x6e, 0x00, 0x02, 0x02, 0x00, 0x80, 0xda, 0xc4, 0x09, 0x80, 0x9c, 0x9c, 0x39, 0x80, 0xa4, 0xa7, 0xda, 0x06,
	0x80, 0xc8, 0xce, 0xb4, 0x0d, 0x80, 0x8c, 0x8d, 0x9e, 0x02, 0x02, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xf8, 0x3f,
	0xcd, 0x99, 0xb3, 0xe6, 0xcc, 0x99, 0xb3, 0xf6, 0x3f, 0x00, 0x80, 0x40, 0x80, 0x89, 0xb5, 0xde, 0x83, 0x05, 0x00, 0x02,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x12, 0x68, 0x74, 0x74, 0x70, 0x3a, 0x2f, 0x2f, 0x61, 0x2f, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06,
	0x08, 0x6d, 0x65, 0x73, 0x68, 0x04, 0x7b, 0x7d, 0x80, 0x92, 0xf4, 0x01, 0x80, 0x92, 0xf4, 0x01, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x04, 0x04, 0x76, 0x32, 0x04, 0x76, 0x32, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xa0, 0xab, 0x40, 0x01, 0x04, 0x76,
	0x31, 0x04, 0x76, 0x31, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x92, 0x40, 0x00, 0x00, 0x0e, 0x72, 0x6f, 0x6c, 0x6c,
	0x6f, 0x75, 0x74, 0x04, 0x7b, 0x7d, 0x80, 0x9b, 0xee, 0x02, 0x80, 0x89, 0x7a, 0x0e, 0x66, 0x6c, 0x61, 0x67, 0x67, 0x65,
	0x72, 0x16, 0x50, 0x72, 0x6f, 0x67, 0x72, 0x65, 0x73, 0x73, 0x69, 0x6e, 0x67, 0x02, 0x72, 0x02, 0x6d, 0x04, 0x76, 0x32,
	0x00, 0x00, 0x08, 0x70, 0x6f, 0x64, 0x73, 0x04, 0x7b, 0x7d, 0x80, 0xa4, 0xe8, 0x03, 0x80, 0xa4, 0xe8, 0x03, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x02, 0x04, 0x70, 0x31, 0x04, 0x76, 0x32, 0x12, 0x73, 0x68, 0x61, 0x32, 0x35, 0x36, 0x3a, 0x61,
	0x62, 0x04, 0x76, 0x32, 0x02, 0x00, 0x00, 0x3f, 0x46, 0xd7, 0xc7, 0xa7, 0xbd, 0x40, 0xa7,
	/* clang-format on */
};

/* A service, and what its mesh, its rollout and its pods were told to be. */
static struct engine *inner_told_the_same(void)
{
	static const struct ev_endpoint endpoint = { .id = STR("version"), .url = STR("http://a/") };
	static const struct ev_route routes[] = { { STR("v2"), STR("v2"), STR_NONE, 90, -1 },
		{ STR("v1"), STR("v1"), STR_NONE, 10, 0 } };
	static const struct ev_pod pods[] = { { .name = STR("p1"),
		.version = STR("v2"),
		.digest = STR("sha256:ab"),
		.subset = STR("v2"),
		.ready = true } };
	const struct event events[] = {
		{ .kind = EV_SERVICE,
			.service = { .name = STR("shop"),
				.interval_us = 10 * US_PER_S,
				.endpoints = &endpoint,
				.n_endpoints = 1,
				.timeout_us = 15 * US_PER_MIN,
				.require = 1,
				.min_coverage = 0.9,
				.min_agents = 1,
				.watch_us = 30 * US_PER_MIN,
				.rollout_grace_us = 5 * US_PER_MIN,
				.alert_after_us = 5 * US_PER_MIN } },
		{ .kind = EV_INNER,
			.inner = { .service = STR("shop"),
				.type = STR("mesh"),
				.json = STR("{}"),
				.routes = routes,
				.n_routes = ARRAY_LEN(routes),
				.weight = -1,
				.since_us = TIME_NONE } },
		{ .kind = EV_INNER,
			.inner = { .service = STR("shop"),
				.type = STR("rollout"),
				.json = STR("{}"),
				.controller = STR("flagger"),
				.phase = STR("Progressing"),
				.reason = STR("r"),
				.message = STR("m"),
				.version = STR("v2"),
				.weight = -1, /* was not kept then */
				.since_us = US_PER_S } },
		{ .kind = EV_INNER,
			.inner = { .service = STR("shop"),
				.type = STR("pods"),
				.json = STR("{}"),
				.pods = pods,
				.n_pods = ARRAY_LEN(pods),
				.weight = -1,
				.since_us = TIME_NONE } },
	};
	struct engine *e = engine_new(NULL);
	struct err err;
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		struct event ev = events[i];
		ev.position = (int64_t)i + 1;
		ev.received_at_us = ev.at_us = (int64_t)(i + 1) * US_PER_S;
		if (engine_fold(e, &ev, &err) < 0)
			fail_msg("%s", err.text);
	}
	return e;
}

/* Of an agent it once told where its failures began, and tells what answered last now: the next answer sets
 * both. */
static void one_more_answer(struct engine *e)
{
	struct str dict[] = { STR_NONE, STR("version"), STR("self:fra"), STR("v1") };
	struct obs o;
	struct err err;
	obs_init(&o);
	o.observed_at_us = 30 * US_PER_S;
	o.endpoint = 1, o.edge = 2, o.version = 3, o.status = 200;
	struct batch b = { .agent = STR("fra-1"),
		.region = STR("eu"),
		.service = STR("shop"),
		.epoch = 1,
		.number = 2,
		.dict = dict,
		.n_dict = ARRAY_LEN(dict),
		.obs = &o,
		.n_obs = 1 };
	struct event ev = { .kind = EV_OBSERVATIONS,
		.position = 100,
		.received_at_us = 30 * US_PER_S,
		.at_us = 30 * US_PER_S,
		.observations = { &b, 0 } };
	if (engine_fold(e, &ev, &err) < 0)
		fail_msg("%s", err.text);
}

static void assert_loads_as(const unsigned char *bytes, size_t n, struct engine *e)
{
	struct engine *loaded;
	struct buf want, got;
	struct err err;
	buf_init(&want, 64 * 1024), buf_init(&got, 64 * 1024);
	if (engine_load((struct str){ (const char *)bytes, n }, NULL, &loaded, &err) < 0)
		fail_msg("%s", err.text);
	one_more_answer(e), one_more_answer(loaded);
	engine_save(e, &want);
	engine_save(loaded, &got);
	assert_true(str_starts(buf_str(&want), "tidemark snapshot 5\n"));
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
	buf_fini(&want), buf_fini(&got);
	engine_free(e), engine_free(loaded);
}

/* "Nothing was told" of an agent had the number that "it is enrolled" has now. */
static void a_snapshot_of_version_1_is_the_state_that_wrote_it(void **state)
{
	(void)state;
	assert_loads_as(version_1, sizeof(version_1), told_the_same());
}

static void a_snapshot_of_version_3_is_the_state_that_wrote_it(void **state)
{
	(void)state;
	assert_loads_as(version_3, sizeof(version_3), inner_told_the_same());
}

/* Each fails, and none is ever right: their incidents stay open, and the oldest go all the same. */
static void more_failed_deploys_than_are_remembered_still_load(void **state)
{
	static const struct ev_endpoint endpoint = { .id = STR("version"), .url = STR("http://a/") };
	struct engine *e = engine_new(NULL), *loaded;
	struct str dict[] = { STR_NONE, STR("version"), STR("self:fra"), STR("v0") };
	struct buf bytes, incidents;
	struct err err;
	int64_t position = 0;
	(void)state;
	struct event service = { .kind = EV_SERVICE,
		.position = ++position,
		.received_at_us = US_PER_S,
		.service = { .name = STR("shop"), .interval_us = US_PER_S, .endpoints = &endpoint, .n_endpoints = 1,
			.timeout_us = 5 * US_PER_S, .require = 1, .min_coverage = 0.9, .min_agents = 1 } };
	if (engine_fold(e, &service, &err) < 0)
		fail_msg("%s", err.text);
	for (int i = 1; i <= 700; i++) {
		int64_t at_us = 100 * US_PER_S + i * 10 * US_PER_S;
		char name[16];
		snprintf(name, sizeof(name), "v%d", i);
		struct event deploy = { .kind = EV_DEPLOY,
			.position = ++position,
			.received_at_us = at_us,
			.deploy = { .id = str_of(name), .service = STR("shop"), .version = str_of(name), .started_at_us = at_us, .live_at_us = at_us } };
		struct obs o;
		obs_init(&o);
		o.observed_at_us = at_us + US_PER_S;
		o.endpoint = 1, o.edge = 2, o.version = 3, o.status = 200;
		struct batch b = { .agent = STR("fra-1"), .service = STR("shop"), .epoch = 1, .number = (uint64_t)i, .dict = dict,
			.n_dict = ARRAY_LEN(dict), .obs = &o, .n_obs = 1 };
		struct event seen = { .kind = EV_OBSERVATIONS, .position = ++position, .received_at_us = at_us + US_PER_S, .observations = { &b, 0 } };
		if (engine_fold(e, &deploy, &err) < 0 || engine_fold(e, &seen, &err) < 0)
			fail_msg("%s", err.text);
		engine_advance(e, at_us + 6 * US_PER_S);
	}
	buf_init(&bytes, 1 << 24), buf_init(&incidents, 1 << 26);
	view_incidents(e, &(struct incident_filter){ .open = true }, &incidents);
	assert_non_null(strstr(incidents.p, "\"deploy\":\"v700\""));
	assert_non_null(strstr(incidents.p, "\"deploy\":\"v300\""));
	assert_null(strstr(incidents.p, "\"deploy\":\"v100\""));
	engine_save(e, &bytes);
	if (engine_load(buf_str(&bytes), NULL, &loaded, &err) < 0)
		fail_msg("%s", err.text);
	buf_fini(&bytes), buf_fini(&incidents);
	engine_free(e), engine_free(loaded);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_of_version_1_is_the_state_that_wrote_it),
		cmocka_unit_test(a_snapshot_of_version_3_is_the_state_that_wrote_it),
		cmocka_unit_test(more_failed_deploys_than_are_remembered_still_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
