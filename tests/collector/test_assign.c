/* Which agent probes what and how often, how its clock is mapped, what a token's text stands for. All pure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/assign_out.h"
#include "collector/burst.h"
#include "collector/clockmap.h"
#include "collector/token.h"

#define T0 INT64_C(1772359200000000) /* 2026-03-01T10:00:00Z */

static struct collector_conf *conf_of(const char *text)
{
	struct collector_conf *c;
	struct err err;
	if (collector_conf_parse(str_of(text), "c.yaml", &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

/* -- who gets what -- */

static const char fleet_text[] =
	"services:\n"
	"- name: everywhere\n  version: etag\n  endpoints: [{url: 'https://a.example/v'}]\n"
	"- name: europe\n  version: {json: /v, match: prefix}\n  from: {regions: ['eu-*']}\n"
	"  endpoints: [{url: 'https://b.example/v'}, {url: 'https://b.example/w'}]\n"
	"- name: inside\n  version: etag\n  from: {agents: ['fra-*']}\n"
	"  endpoints: [{url: 'https://c.example/v'}]\n"
	"  origin: {connect_to: '10.0.0.5:443', from: {agents: [in-1]}}\n";

static void test_a_secret_header_travels_as_a_name_only(void **state)
{
	struct collector_conf *c = conf_of("services:\n- name: shop\n  version: etag\n  headers: {X-Plain: "
					   "v, Authorization: {agent_env: SHOP_KEY}}\n"
					   "  endpoints: [{url: 'https://a.example/v'}]\n");
	struct assign_out with, without;
	(void)state;
	assign_out_init(&with, c, NULL, T0, STR("fra-1"), STR("eu"));
	const struct assign_header *h = with.a.services[0].endpoints[0].headers;
	assert_true(str_is(h[0].value, "v") && h[0].agent_env.n == 0);
	assert_true(str_is(h[1].name, "Authorization") && h[1].value.n == 0 &&
		    str_is(h[1].agent_env, "SHOP_KEY"));
	c->services[0].endpoints[0].headers[1].agent_env = STR("SHOP_KEY_2");
	assign_out_init(&without, c, NULL, T0, STR("fra-1"), STR("eu"));
	assert_true(with.a.generation != without.a.generation); /* agents hear of another name */
	assign_out_fini(&with);
	assign_out_fini(&without);
	collector_conf_unref(c);

	static const char *const bad[] = { "{agent_env: 'A B'}", "{agent_env: 1A}", "{agent_env: ''}", "{}",
		"{env: A}", "[A]" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[512];
		struct err err;
		snprintf(text, sizeof(text),
			"services:\n- name: shop\n  version: etag\n  headers: {X: %s}\n  endpoints: [{url: "
			"'https://a.example/v'}]\n",
			bad[i]);
		if (collector_conf_parse(str_of(text), "c.yaml", &c, &err) == 0)
			fail_msg("taken: %s", bad[i]);
	}
}

static void test_regions_and_names_say_who_probes_what(void **state)
{
	static const struct {
		const char *says, *agent, *region, *want; /* service/endpoint, origin probes with an o */
	} cases[] = {
		{ "nothing matches but what is for all", "nrt-1", "ap-northeast", "everywhere/v " },
		{ "a region pattern", "lhr-1", "eu-west", "everywhere/v europe/v europe/w " },
		{ "a region and a name", "fra-1", "eu-central", "everywhere/v europe/v europe/w inside/v " },
		{ "an agent that only goes past the CDN", "in-1", "us-east", "everywhere/v inside/v-o " },
		{ "a pattern matches the whole name", "afra-1", "us-east", "everywhere/v " },
		{ "an agent without a region", "x", "", "everywhere/v " },
	};
	struct collector_conf *c = conf_of(fleet_text);
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct assign_out o;
		struct buf got;
		buf_init(&got, 1024);
		buf_add_str(&got, STR(""));
		assign_out_init(&o, c, NULL, T0, str_of(cases[i].agent), str_of(cases[i].region));
		for (size_t s = 0; s < o.a.n_services; s++)
			for (size_t e = 0; e < o.a.services[s].n_endpoints; e++) {
				const struct assign_endpoint *ep = &o.a.services[s].endpoints[e];
				bool origin = ep->path == PATH_ORIGIN;
				buf_addf(&got, "%.*s/%.*s%s ", STR_ARG(o.a.services[s].name), STR_ARG(ep->id),
					origin ? "-o" : "");
				assert_true(str_eq(ep->connect_to, origin ? STR("10.0.0.5:443") : STR("")));
			}
		if (!str_is(buf_str(&got), cases[i].want))
			fail_msg("%s: got '%s', want '%s'", cases[i].says, got.p, cases[i].want);
		buf_fini(&got);
		assign_out_fini(&o);
	}
	collector_conf_unref(c);
}

static void test_each_way_to_an_edge_is_an_endpoint(void **state)
{
#define W(service, endpoint)                                                                                 \
	"services:\n- name: s\n  version: etag\n" service                                                    \
	"  endpoints: [{url: 'https://a.example/v'" endpoint "}]\n"
	static const struct {
		const char *says, *text, *want; /* address/ip_version, a: all, o: past the CDN */
	} cases[] = {
		{ "as users go", W("", ""), "/0 " },
		{ "every address, found by the agent", W("  addresses: all\n", ""), "/0a " },
		{ "listed ones, each by itself", W("  addresses: [192.0.2.1, '2001:DB8:0::1']\n", ""),
			"192.0.2.1/0 2001:db8::1/0 " },
		{ "an endpoint's own word", W("  addresses: [192.0.2.1]\n", ", addresses: dns"), "/0 " },
		{ "IPv4 and IPv6 apart", W("  ip: both\n", ""), "/4 /6 " },
		{ "an endpoint's own word", W("  ip: both\n", ", ip: 6"), "/6 " },
		{ "every address of IPv4", W("  addresses: all\n  ip: 4\n", ""), "/4a " },
		{ "every address of either", W("  addresses: all\n  ip: both\n", ""), "/4a /6a " },
		{ "listed is listed", W("  addresses: [192.0.2.1]\n  ip: both\n", ""), "192.0.2.1/0 " },
		{ "past the CDN there is one place",
			W("  addresses: [192.0.2.1, 192.0.2.2]\n  origin: {connect_to: 'o:1'}\n", ""),
			"192.0.2.1/0 192.0.2.2/0 o/0 " },
		{ "past the CDN, by IPv4 and by IPv6",
			W("  addresses: all\n  ip: both\n  origin: {connect_to: 'o:1'}\n", ""),
			"/4a /6a o/4 o/6 " },
	};
#undef W
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct collector_conf *c = conf_of(cases[i].text);
		struct assign_out o;
		struct buf got;
		buf_init(&got, 1024);
		assign_out_init(&o, c, NULL, T0, STR("fra-1"), STR("eu"));
		for (size_t e = 0; e < o.a.services[0].n_endpoints; e++) {
			const struct assign_endpoint *ep = &o.a.services[0].endpoints[e];
			buf_addf(&got, "%s%.*s/%d%s ", ep->path == PATH_ORIGIN ? "o" : "",
				STR_ARG(ep->address), ep->ip_version,
				ep->addresses == ADDRESSES_ALL ? "a" : "");
			assert_true(str_is(ep->connect_to, ep->path == PATH_ORIGIN ? "o:1" : ""));
		}
		if (!str_is(buf_str(&got), cases[i].want))
			fail_msg("%s: got '%s', want '%s'", cases[i].says, got.p, cases[i].want);
		assert_int_equal(
			assign_count(&c->services[0], STR("fra-1"), STR("eu")), o.a.services[0].n_endpoints);
		buf_fini(&got);
		assign_out_fini(&o);
		collector_conf_unref(c);
	}
}

static void test_an_endpoint_carries_what_it_needs(void **state)
{
	struct collector_conf *c = conf_of("services:\n- name: s\n  interval: 7s\n  timeout: 3s\n  "
					   "pop_header: X-Pop\n  cdn: {vendor: self}\n"
					   "  headers: {Accept: a}\n  endpoints:\n"
					   "  - {url: 'https://a.example/v', version: {header: X-V}, "
					   "connection: reused, redirects: 2, max_body: 1MiB, ip: 6}\n"
					   "  - {url: 'https://a.example/w', version: {regex: 'v(.*)'}}\n");
	struct assign_out o;
	(void)state;
	assign_out_init(&o, c, NULL, T0, STR("a"), STR(""));
	assert_int_equal(o.a.n_services, 1);
	assert_int_equal(o.a.services[0].interval_ms, 7000);
	assert_int_equal(o.a.services[0].timeout_ms, 3000);
	const struct assign_endpoint *v = &o.a.services[0].endpoints[0], *w = &o.a.services[0].endpoints[1];
	assert_int_equal(v->extract, EXTRACT_HEADER);
	assert_true(str_is(v->extract_arg, "X-V") && str_is(v->pop_header, "X-Pop") &&
		    str_is(v->pop_vendor, "self"));
	assert_true(v->n_headers == 1 && str_is(v->headers[0].value, "a"));
	assert_false(v->fresh_connection);
	assert_int_equal(v->redirects, 2);
	assert_int_equal(v->max_body, 1024 * 1024);
	assert_int_equal(v->ip_version, 6);
	assert_int_equal(w->extract, EXTRACT_REGEX);
	assert_true(
		w->fresh_connection && w->redirects == 0 && w->ip_version == 0 && w->max_body == 256 * 1024);
	assign_out_fini(&o);
	collector_conf_unref(c);
}

static uint64_t generation_of(
	const char *text, const struct assign_burst *bursts, int64_t now_us, const char *agent)
{
	struct collector_conf *c = conf_of(text);
	struct assign_out o;
	assign_out_init(&o, c, bursts, now_us, str_of(agent), STR(""));
	uint64_t generation = o.a.generation;
	assign_out_fini(&o);
	collector_conf_unref(c);
	return generation;
}

static void test_the_generation_changes_when_the_set_does(void **state)
{
#define S(extra, ep)                                                                                         \
	"services:\n- name: s\n  version: etag\n" extra "  endpoints: [{url: 'https://a.example/v'" ep "}]"  \
	"\n"
	static const struct {
		const char *says, *text;
		bool same;
	} cases[] = {
		{ "read again", S("", ""), true },
		{ "what only the collector needs", S("  verify: {timeout: 1m}\n", ""), true },
		{ "a burst that is not on", S("  burst: {interval: 2s}\n", ""), true },
		{ "who else probes it", S("  from: {agents: [fra-1, fra-2]}\n", ""), true },
		{ "the interval", S("  interval: 31s\n", ""), false },
		{ "a header", S("", ", headers: {A: b}"), false },
		{ "a header's value", S("", ", headers: {A: c}"), false },
		{ "the connection", S("", ", connection: reused"), false },
		{ "the way the version is found", S("", ", version: sha256"), false },
		{ "the id", S("", ", id: other"), false },
		{ "an origin", S("  origin: {connect_to: 'o:1'}\n", ""), false },
		{ "as the resolver says, said", S("  addresses: dns\n", ", ip: any"), true },
		{ "every address", S("", ", addresses: all"), false },
		{ "a listed address", S("", ", addresses: [192.0.2.1]"), false },
		{ "IPv4 and IPv6 apart", S("", ", ip: both"), false },
	};
	(void)state;
	uint64_t base = generation_of(cases[0].text, NULL, T0, "fra-1");
	assert_true(base != 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if ((generation_of(cases[i].text, NULL, T0, "fra-1") == base) != cases[i].same)
			fail_msg("%s: %s", cases[i].says, cases[i].same ? "changed it" : "did not change it");
	/* a burst: on and off and how often are told, what is left of it passes by itself */
	struct assign_burst on = { 1000, T0 + 60 * US_PER_S }, slower = { 2000, T0 + 60 * US_PER_S };
	uint64_t burst = generation_of(cases[0].text, &on, T0, "fra-1");
	assert_true(burst != base);
	assert_true(burst == generation_of(cases[0].text, &on, T0 + 30 * US_PER_S, "fra-1"));
	assert_true(burst != generation_of(cases[0].text, &slower, T0, "fra-1"));
	assert_true(base == generation_of(cases[0].text, &on, T0 + 60 * US_PER_S, "fra-1"));
	/* nothing to do is a set too, and not "none yet" */
	assert_true(generation_of(S("  from: {agents: [other]}\n", ""), NULL, T0, "fra-1") != 0);
}

/* -- bursts -- */

static void test_max_rate_is_divided_over_all_probes(void **state)
{
	static const struct {
		const char *says, *burst;
		size_t n_probes;
		uint32_t at_least_ms, at_most_ms;
		enum burst_pace pace;
	} cases[] = {
		{ "few agents: as often as configured", "{interval: 1s, max_rate: 20/s}", 20, 1000, 1000,
			BURST_FULL },
		{ "nobody there", "{interval: 1s, max_rate: 20/s}", 0, 1000, 1000, BURST_FULL },
		{ "five times too many: five times slower, rounded up", "{interval: 1s, max_rate: 20/s}", 100,
			5000, 5500, BURST_FULL },
		{ "one more agent does not change it", "{interval: 1s, max_rate: 20/s}", 101, 5000, 5560,
			BURST_FULL },
		{ "slower than usual would be no burst", "{interval: 1s, max_rate: 20/s}", 600, 0, 0,
			BURST_FULL },
		{ "before it is live: ten times slower", "{interval: 1s, max_rate: 20/s}", 20, 10000, 10000,
			BURST_GENTLE },
		{ "and all together under a tenth of max_rate", "{interval: 1s, max_rate: 20/s}", 50, 25000,
			27500, BURST_GENTLE },
		{ "as slow as usual is none", "{interval: 3s, max_rate: 20/s}", 1, 0, 0, BURST_GENTLE },
		{ "no burst", "{interval: 1s, max_rate: 20/s}", 1, 0, 0, BURST_NONE },
		{ "a burst as slow as usual is none", "{interval: 30s, max_rate: 20/s}", 1, 0, 0,
			BURST_FULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];
		(void)snprintf(text, sizeof(text), S("  interval: 30s\n  burst: %s\n", ""), cases[i].burst);
		struct collector_conf *c = conf_of(text);
		uint32_t ms = burst_interval_ms(&c->services[0], cases[i].pace, cases[i].n_probes);
		if (ms < cases[i].at_least_ms || ms > cases[i].at_most_ms)
			fail_msg("%s: %u ms", cases[i].says, ms);
		if (ms > 0 && (double)cases[i].n_probes / ms * 1000 > c->services[0].burst.max_rate)
			fail_msg("%s: over max_rate", cases[i].says);
		collector_conf_unref(c);
	}
}

#define MIN_US (60 * US_PER_S)

static void test_which_burst_is_on(void **state)
{
	const struct {
		const char *says;
		struct burst_facts facts;
		enum burst_pace pace;
		int64_t until_us, next_us;
	} cases[] = {
		{ "nothing ever happened", { .purged_at_us = TIME_NONE }, BURST_NONE, 0, INT64_MAX },
		{ "a deploy nobody calls live yet: gently, from its start",
			{ true, VERDICT_PENDING, T0 - MIN_US, TIME_NONE, TIME_NONE, false }, BURST_GENTLE,
			T0 + 14 * MIN_US, INT64_MAX },
		{ "a deploy whose live_at is still to come: gently until then",
			{ true, VERDICT_PENDING, T0 - MIN_US, T0 + MIN_US, TIME_NONE, false }, BURST_GENTLE,
			T0 + 14 * MIN_US, T0 + MIN_US },
		{ "also when it is purged meanwhile, from the purge",
			{ true, VERDICT_PENDING, T0 - MIN_US, T0 + MIN_US, T0 - US_PER_S, false },
			BURST_GENTLE, T0 + 15 * MIN_US - US_PER_S, T0 + MIN_US },
		{ "pending for too long",
			{ true, VERDICT_PENDING, T0 - 15 * MIN_US, TIME_NONE, TIME_NONE, false }, BURST_NONE,
			0, INT64_MAX },
		{ "live", { true, VERDICT_CONVERGING, T0 - 5 * MIN_US, T0 - MIN_US, TIME_NONE, false },
			BURST_FULL, T0 + 14 * MIN_US, INT64_MAX },
		{ "live since a moment ago: at full rate now",
			{ true, VERDICT_PENDING, T0 - 5 * MIN_US, T0, TIME_NONE, false }, BURST_FULL,
			T0 + 15 * MIN_US, INT64_MAX },
		{ "live, and purged since: it lasts from the purge",
			{ true, VERDICT_CONVERGING, T0 - 5 * MIN_US, T0 - 5 * MIN_US, T0 - MIN_US, false },
			BURST_FULL, T0 + 14 * MIN_US, INT64_MAX },
		{ "verified: over", { true, VERDICT_VERIFIED, T0 - MIN_US, T0 - MIN_US, TIME_NONE, true },
			BURST_NONE, 0, INT64_MAX },
		{ "failed: over", { true, VERDICT_FAILED, T0 - MIN_US, T0 - MIN_US, TIME_NONE, false },
			BURST_NONE, 0, INT64_MAX },
		{ "live for too long",
			{ true, VERDICT_CONVERGING, T0 - 20 * MIN_US, T0 - 15 * MIN_US, TIME_NONE, false },
			BURST_NONE, 0, INT64_MAX },
		{ "failed, then purged: while a cell is not fresh",
			{ true, VERDICT_FAILED, T0 - 9 * MIN_US, T0 - 9 * MIN_US, T0 - MIN_US, false },
			BURST_FULL, T0 + 14 * MIN_US, INT64_MAX },
		{ "and not longer",
			{ true, VERDICT_FAILED, T0 - 9 * MIN_US, T0 - 9 * MIN_US, T0 - MIN_US, true },
			BURST_NONE, 0, INT64_MAX },
		{ "just purged: what is fresh may still turn",
			{ true, VERDICT_VERIFIED, T0 - 9 * MIN_US, T0 - 9 * MIN_US, T0 - US_PER_S, true },
			BURST_FULL, T0 + 15 * MIN_US - US_PER_S, INT64_MAX },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t until_us = 0, next_us = 0;
		enum burst_pace pace = burst_pace_at(&cases[i].facts, 15 * MIN_US, T0, &until_us, &next_us);
		if (pace != cases[i].pace || (pace != BURST_NONE && until_us != cases[i].until_us) ||
			next_us != cases[i].next_us)
			fail_msg("%s: pace=%d until=%+" PRId64 " next=%+" PRId64, cases[i].says, pace,
				(until_us - T0) / US_PER_S,
				next_us == INT64_MAX ? INT64_MAX : (next_us - T0) / US_PER_S);
		/* for: 0 turns them off */
		assert_int_equal(burst_pace_at(&cases[i].facts, 0, T0, &until_us, &next_us), BURST_NONE);
	}
}

/* -- clocks -- */

#define BOOT (500 * US_PER_S)
#define OFF  (T0 - BOOT) /* the true offset when boot time BOOT is T0 */

static void test_how_an_agents_clock_is_mapped(void **state)
{
	const struct {
		const char *says;
		struct wire_upload u;
		uint64_t batch_boot;
		int64_t sealed_boot_us, sealed_wall_us, observed_us, received_us;
		int64_t want_us; /* of the observation */
		int64_t uncertainty_us;
		bool suspect;
	} cases[] = {
		{ "the agent's own reckoning counts",
			{ .boot_id = 1,
				.has_offset = true,
				.clock_offset_us = OFF,
				.clock_uncertainty_us = 4000,
				.sent_boot_us = BOOT,
				.sent_wall_us = T0 },
			1, BOOT, T0, BOOT - US_PER_S, T0 + 20000, T0 - US_PER_S, 4000, false },
		{ "whatever its wall clock says, which is marked",
			{ .boot_id = 1,
				.has_offset = true,
				.clock_offset_us = OFF,
				.clock_uncertainty_us = 4000,
				.sent_boot_us = BOOT,
				.sent_wall_us = T0 + US_PER_H },
			1, BOOT, T0 + US_PER_H, BOOT - US_PER_S, T0 + 20000, T0 - US_PER_S, 4000, true },
		{ "two seconds off is not yet suspect",
			{ .boot_id = 1,
				.has_offset = true,
				.clock_offset_us = OFF,
				.sent_boot_us = BOOT,
				.sent_wall_us = T0 - 2 * US_PER_S },
			1, BOOT, T0, BOOT, T0 + 20000, T0, 0, false },
		{ "before any exchange the trip of this message stands in",
			{ .boot_id = 1, .sent_boot_us = BOOT, .sent_wall_us = T0 }, 1, BOOT, T0,
			BOOT - US_PER_S, T0 + 20000, T0 - US_PER_S + 20000, 500 * US_PER_MS, false },
		{ "a reckoning that cannot be: the trip as well",
			{ .boot_id = 1,
				.has_offset = true,
				.clock_offset_us = OFF + US_PER_H,
				.sent_boot_us = BOOT,
				.sent_wall_us = T0 },
			1, BOOT, T0, BOOT - US_PER_S, T0 + 20000, T0 - US_PER_S + 20000, 500 * US_PER_MS,
			false },
		{ "a batch of an earlier boot: its own two clocks",
			{ .boot_id = 2,
				.has_offset = true,
				.clock_offset_us = OFF,
				.sent_boot_us = BOOT,
				.sent_wall_us = T0 },
			1, 9000 * US_PER_S, T0 - US_PER_H, 8999 * US_PER_S, T0 + 20000,
			T0 - US_PER_H - US_PER_S, 500 * US_PER_MS, false },
		{ "corrected by how wrong the wall clock is, which adds to the doubt",
			{ .boot_id = 2,
				.has_offset = true,
				.clock_offset_us = OFF,
				.sent_boot_us = BOOT,
				.sent_wall_us = T0 + 10 * US_PER_S },
			1, 9000 * US_PER_S, T0 - US_PER_H, 8999 * US_PER_S, T0 + 20000,
			T0 - US_PER_H - 11 * US_PER_S, 500 * US_PER_MS + 10 * US_PER_S, true },
		{ "nothing is seen after it was received",
			{ .boot_id = 1,
				.has_offset = true,
				.clock_offset_us = OFF,
				.clock_uncertainty_us = 4000,
				.sent_boot_us = BOOT,
				.sent_wall_us = T0 },
			1, BOOT, T0, BOOT + US_PER_MIN, T0 + 20000, T0 + 20000, 4000 + US_PER_MIN - 20000,
			false },
		{ "an agent that says nothing of its clocks", { .boot_id = 1 }, 1, BOOT, T0, BOOT - US_PER_S,
			T0 + 20000, T0 - US_PER_S, 500 * US_PER_MS, false },
		{ "nonsense is pulled back to now", { .boot_id = 2 }, 1, BOOT, INT64_MAX / 2, BOOT, T0, T0, 0,
			false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct obs o;
		struct clockmap map;
		obs_init(&o);
		o.observed_at_us = cases[i].observed_us;
		struct batch b = { .boot_id = cases[i].batch_boot,
			.sealed_boot_us = cases[i].sealed_boot_us,
			.sealed_wall_us = cases[i].sealed_wall_us,
			.obs = &o,
			.n_obs = 1 };
		clockmap_of(&cases[i].u, &b, cases[i].received_us, &map);
		int64_t got_us = o.observed_at_us + map.offset_us;
		if (got_us != cases[i].want_us || map.suspect != cases[i].suspect ||
			(cases[i].uncertainty_us && map.uncertainty_us != cases[i].uncertainty_us))
			fail_msg("%s: %+" PRId64 " us beside what is right, uncertainty %" PRId64
				 ", suspect %d",
				cases[i].says, got_us - cases[i].want_us, map.uncertainty_us, map.suspect);
	}
}

/* -- tokens -- */

static void test_a_tokens_text_and_its_bytes_hash_alike(void **state)
{
	struct sha256 by_text, by_bytes;
	struct err err;
	unsigned char zeros[HELLO_TOKEN_BYTES] = { 0 };
	char token[TOKEN_TEXT_MAX];
	(void)state;
	assert_int_equal(
		token_hash_text(STR("tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &by_text, &err), 0);
	assert_true(token_hash_bytes((struct str){ (const char *)zeros, sizeof(zeros) }, &by_bytes));
	assert_memory_equal(&by_text, &by_bytes, sizeof(by_text));
	for (int i = 0; i < 100; i++)
		assert_int_equal(token_hash_text(str_of(token_new(token)), &by_text, &err), 0);
	static const struct {
		const char *says, *text;
	} bad[] = {
		{ "nothing", "" },
		{ "another program's", "ghp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "one character short", "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "one too long", "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "a character of the other base64", "tmk_AAAAAAAAAAAAAAAAAAAA+AAAAAAAAAAAAAAAAAAAAAA" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (token_hash_text(str_of(bad[i].text), &by_text, &err) == 0)
			fail_msg("%s: was taken", bad[i].says);
	assert_false(token_hash_bytes((struct str){ (const char *)zeros, 31 }, &by_bytes));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_secret_header_travels_as_a_name_only),
		cmocka_unit_test(test_regions_and_names_say_who_probes_what),
		cmocka_unit_test(test_each_way_to_an_edge_is_an_endpoint),
		cmocka_unit_test(test_an_endpoint_carries_what_it_needs),
		cmocka_unit_test(test_the_generation_changes_when_the_set_does),
		cmocka_unit_test(test_max_rate_is_divided_over_all_probes),
		cmocka_unit_test(test_which_burst_is_on),
		cmocka_unit_test(test_how_an_agents_clock_is_mapped),
		cmocka_unit_test(test_a_tokens_text_and_its_bytes_hash_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
