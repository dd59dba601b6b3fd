/* A cell says where its edge is: what its code means, else a hint that is marked as one, else nothing. */
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

static void fold(struct engine *e, struct event ev)
{
	struct err err = { 0 };
	ev.position = ++position;
	ev.received_at_us = ev.at_us = START_US + position * US_PER_S;
	if (engine_fold(e, &ev, &err) < 0)
		fail_msg("%s", err.text);
}

static void tell_agent(struct engine *e, const char *name, bool located, double latitude, double longitude)
{
	fold(e, (struct event){ .kind = EV_AGENT,
			.agent = { .agent = str_of(name),
				.region = STR("r"),
				.has_location = located,
				.latitude = latitude,
				.longitude = longitude } });
}

static void tell_seen(struct engine *e, const char *agent, const char *edge)
{
	struct str dict[] = { STR_NONE, STR("v"), str_of(edge), STR("1") };
	struct obs o;
	obs_init(&o);
	o.observed_at_us = START_US + (position + 1) * US_PER_S;
	o.endpoint = 1, o.edge = 2, o.version = 3, o.status = 200;
	struct batch b = { .agent = str_of(agent),
		.region = STR("r"),
		.service = STR("shop"),
		.dict = dict,
		.n_dict = 4,
		.obs = &o,
		.n_obs = 1 };
	fold(e, (struct event){ .kind = EV_OBSERVATIONS, .observations = { .batch = &b } });
}

static struct engine *world(void)
{
	static const struct ev_endpoint v = { STR("v"), STR("https://x/v"), MATCH_EXACT, false, STR_NONE,
		STR_NONE };
	struct engine *e = engine_new(NULL);
	position = 0;
	fold(e, (struct event){ .kind = EV_SERVICE,
			.service = { .name = STR("shop"),
				.interval_us = 10 * US_PER_S,
				.endpoints = &v,
				.n_endpoints = 1,
				.timeout_us = US_PER_MIN,
				.require = 1,
				.min_coverage = 0.9 } });
	tell_agent(e, "berlin", true, 52.52, 13.4);
	tell_agent(e, "potsdam", true, 52.4, 13.06);
	tell_agent(e, "tokyo", true, 35.68, 139.69);
	tell_agent(e, "somewhere", false, 0, 0);
	return e;
}

static const struct {
	const char *says, *edge, *agents[2], *place;
} cases[] = {
	{ "a code that is in a table is a place, wherever the agent is", "cloudfront:FRA56-P4", { "tokyo" },
		"{\"city\":\"Frankfurt\",\"country\":\"DE\",\"lat\":50.04,\"lon\":8.56,\"from\":"
		"\"header\"}" },
	{ "a code that is in none stays unknown; the agent's place is a hint", "cloudfront:QQQ50",
		{ "berlin" },
		"{\"city\":null,\"country\":null,\"lat\":52.52,\"lon\":13.40,\"from\":\"agent\"}" },
	{ "so it is for one's own caches", "self:edge-1", { "tokyo" },
		"{\"city\":null,\"country\":null,\"lat\":35.68,\"lon\":139.69,\"from\":\"agent\"}" },
	{ "and for an edge without a PoP", "netlify", { "tokyo" },
		"{\"city\":null,\"country\":null,\"lat\":35.68,\"lon\":139.69,\"from\":\"agent\"}" },
	{ "agents of one city agree: the last that came tells", "self:edge-1", { "berlin", "potsdam" },
		"{\"city\":null,\"country\":null,\"lat\":52.40,\"lon\":13.06,\"from\":\"agent\"}" },
	{ "agents far apart give no hint", "netlify", { "berlin", "tokyo" }, "null" },
	{ "nor does one that is not told where it is", "netlify", { "somewhere" }, "null" },
};

static void a_cell_says_where_its_edge_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct engine *e = world();
		struct buf out, want;
		buf_init(&out, 1 << 16);
		buf_init(&want, 1 << 10);
		for (size_t k = 0; k < ARRAY_LEN(cases[i].agents) && cases[i].agents[k]; k++)
			tell_seen(e, cases[i].agents[k], cases[i].edge);
		assert_int_equal(view_cell(e, STR("shop"), STR("v"), str_of(cases[i].edge), &out, NULL), 0);
		buf_addf(&want, "\"place\":%s,", cases[i].place);
		if (strstr(out.p, want.p) == NULL) {
			const char *at = strstr(out.p, "\"place\"");
			fail_msg("%s: %.120s", cases[i].says, at ? at : "no place");
		}
		buf_fini(&out);
		buf_fini(&want);
		engine_free(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_cell_says_where_its_edge_is) };
	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
