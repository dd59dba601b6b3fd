/* Observations: the words, the empty one, and every way a batch can lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/obs.h"

/* A batch of two good observations; each case spoils one thing. */
struct sample {
	struct batch batch;
	struct str dict[6];
	struct obs obs[2];
};

static void sample_init(struct sample *s)
{
	*s = (struct sample){ .dict = { STR_NONE, STR("v"), STR("self:fra"), STR("v1"), STR("\"etag\""),
				      STR("10.0.0.1") } };
	for (size_t i = 0; i < 2; i++) {
		obs_init(&s->obs[i]);
		s->obs[i].observed_at_us = 1000 * US_PER_S;
		s->obs[i].endpoint = 1, s->obs[i].edge = 2, s->obs[i].version = 3, s->obs[i].etag = 4,
		s->obs[i].ip = 5;
		s->obs[i].status = 200, s->obs[i].n_tiers = 1, s->obs[i].tiers[0] = CACHE_HIT;
	}
	s->batch = (struct batch){ .agent = STR("fra-1"),
		.region = STR("eu"),
		.service = STR("shop"),
		.epoch = 1,
		.number = 1,
		.dict = s->dict,
		.n_dict = ARRAY_LEN(s->dict),
		.obs = s->obs,
		.n_obs = 2 };
}

static void a_good_batch_passes(void **state)
{
	struct sample s;
	struct err err = { 0 };
	sample_init(&s);
	assert_int_equal(batch_check(&s.batch, &err), 0);
	s.batch.region = STR_NONE, s.batch.agent = STR_NONE; /* the connection says who it is */
	assert_int_equal(batch_check(&s.batch, &err), 0);
	obs_init(&s.obs[1]); /* a failure says next to nothing */
	s.obs[1].endpoint = 1, s.obs[1].fail = FAIL_TIMEOUT;
	assert_int_equal(batch_check(&s.batch, &err), 0);
}

static char big[OBS_EVIDENCE_MAX + 2];

static void lie_no_obs(struct sample *s)
{
	s->batch.n_obs = 0;
}
static void lie_many_obs(struct sample *s)
{
	s->batch.n_obs = BATCH_OBS_MAX + 1;
}
static void lie_no_dict(struct sample *s)
{
	s->batch.n_dict = 0;
}
static void lie_many_dict(struct sample *s)
{
	s->batch.n_dict = BATCH_DICT_MAX + 1;
}
static void lie_first_not_empty(struct sample *s)
{
	s->dict[0] = STR("x");
}
static void lie_no_service(struct sample *s)
{
	s->batch.service = STR_NONE;
}
static void lie_long_service(struct sample *s)
{
	s->batch.service = (struct str){ big, OBS_NAME_MAX + 1 };
}
static void lie_long_region(struct sample *s)
{
	s->batch.region = (struct str){ big, OBS_NAME_MAX + 1 };
}
static void lie_service_bytes(struct sample *s)
{
	s->batch.service = STR("a\xFF");
}
static void lie_agent_bytes(struct sample *s)
{
	s->batch.agent = STR("a\nb\xFF");
}
static void lie_utf8(struct sample *s)
{
	s->dict[3] = STR("v\xC3");
}
static void lie_nul(struct sample *s)
{
	s->dict[3] = STR("v\0x");
}
static void lie_no_endpoint(struct sample *s)
{
	s->obs[1].endpoint = 0;
}
static void lie_empty_endpoint(struct sample *s)
{
	s->dict[1] = STR_NONE;
}
static void lie_edge_index(struct sample *s)
{
	s->obs[1].edge = 6;
}
static void lie_evidence_index(struct sample *s)
{
	s->obs[0].evidence = UINT16_MAX;
}
static void lie_long_version(struct sample *s)
{
	s->dict[3] = (struct str){ big, OBS_VERSION_MAX + 1 };
}
static void lie_long_evidence(struct sample *s)
{
	s->dict[5] = (struct str){ big, OBS_EVIDENCE_MAX + 1 };
	s->obs[0].ip = 0, s->obs[1].ip = 0, s->obs[1].evidence = 5;
}
static void lie_path(struct sample *s)
{
	s->obs[0].path = 2;
}
static void lie_fail(struct sample *s)
{
	s->obs[0].fail = OBS_FAIL_COUNT;
}
static void lie_flags(struct sample *s)
{
	s->obs[0].flags = 8;
}
static void lie_many_tiers(struct sample *s)
{
	s->obs[1].n_tiers = OBS_TIERS_MAX + 1;
}
static void lie_tier(struct sample *s)
{
	s->obs[1].tiers[0] = CACHE_STATUS_COUNT;
}
static void lie_tier_kind(struct sample *s)
{
	s->obs[1].tier_kinds[0] = TIER_INNER + 1;
}
static void lie_status(struct sample *s)
{
	s->obs[0].status = -1;
}
static void lie_status_big(struct sample *s)
{
	s->obs[0].status = 1000;
}
static void lie_age(struct sample *s)
{
	s->obs[0].age_s = -2;
}
static void lie_time(struct sample *s)
{
	s->obs[0].observed_at_us = INT64_MAX;
}
static void lie_time_past(struct sample *s)
{
	s->obs[0].observed_at_us = INT64_MIN;
}
static void lie_timing(struct sample *s)
{
	s->obs[0].timing.ttfb_us = -2;
}
static void lie_dict_bytes(struct sample *s)
{
	static struct str dict[80];
	dict[1] = STR("v");
	for (size_t i = 2; i < ARRAY_LEN(dict); i++)
		dict[i] = (struct str){ big, OBS_EVIDENCE_MAX };
	s->batch.dict = dict, s->batch.n_dict = ARRAY_LEN(dict);
	s->obs[0] = s->obs[1];
	for (size_t i = 0; i < 2; i++)
		s->obs[i].edge = s->obs[i].version = s->obs[i].etag = s->obs[i].ip = 0;
}

static void every_lie_is_named(void **state)
{
	static const struct {
		const char *says;
		void (*lie)(struct sample *s);
		int code;
		const char *want;
	} cases[] = {
		{ "nothing in it", lie_no_obs, ERR_TOO_BIG, "0 observations in a batch" },
		{ "too much in it", lie_many_obs, ERR_TOO_BIG, "501 observations in a batch, 1 to 500" },
		{ "no dictionary", lie_no_dict, ERR_NONSENSE, "dictionary of 0 entries" },
		{ "a dictionary too long", lie_many_dict, ERR_NONSENSE, "dictionary of 4097 entries" },
		{ "a dictionary whose nothing is something", lie_first_not_empty, ERR_NONSENSE,
			"the first of them empty" },
		{ "a dictionary too large", lie_dict_bytes, ERR_TOO_BIG, "dictionary of over 524288 bytes" },
		{ "no service", lie_no_service, ERR_NONSENSE, "service" },
		{ "a service's name too long", lie_long_service, ERR_NONSENSE, "over 256 bytes" },
		{ "a region's name too long", lie_long_region, ERR_NONSENSE, "over 256 bytes" },
		{ "a service that is no text", lie_service_bytes, ERR_SYNTAX, "service is not UTF-8" },
		{ "an agent that is no text", lie_agent_bytes, ERR_SYNTAX, "agent is not UTF-8" },
		{ "a string cut in a character", lie_utf8, ERR_SYNTAX, "dictionary entry 3 is not UTF-8" },
		{ "a string with a NUL", lie_nul, ERR_SYNTAX, "dictionary entry 3 is not UTF-8" },
		{ "no endpoint", lie_no_endpoint, ERR_NONSENSE, "observation 1: no endpoint" },
		{ "an endpoint without a name", lie_empty_endpoint, ERR_NONSENSE,
			"observation 0: no endpoint" },
		{ "an index one past the end", lie_edge_index, ERR_NONSENSE,
			"observation 1: edge 6 is outside the dictionary of 6" },
		{ "an index far past the end", lie_evidence_index, ERR_NONSENSE,
			"observation 0: evidence 65535 is outside" },
		{ "a version too long", lie_long_version, ERR_TOO_BIG,
			"observation 0: version has 257 bytes, limit is 256" },
		{ "evidence too long", lie_long_evidence, ERR_TOO_BIG,
			"observation 1: evidence has 8193 bytes, limit is 8192" },
		{ "a third path", lie_path, ERR_NONSENSE, "observation 0: path 2" },
		{ "a failure nobody knows", lie_fail, ERR_NONSENSE, "observation 0: " },
		{ "a flag nobody knows", lie_flags, ERR_NONSENSE, "flags 8" },
		{ "more tiers than there is room for", lie_many_tiers, ERR_TOO_BIG,
			"observation 1: 7 tiers, limit is 6" },
		{ "a cache status nobody knows", lie_tier, ERR_NONSENSE, "observation 1: tier 0" },
		{ "a kind of tier nobody knows", lie_tier_kind, ERR_NONSENSE, "observation 1: tier 0" },
		{ "a negative status", lie_status, ERR_NONSENSE, "observation 0: status -1" },
		{ "a status of four digits", lie_status_big, ERR_NONSENSE, "observation 0: status 1000" },
		{ "an age below 'none'", lie_age, ERR_NONSENSE, "observation 0: age -2" },
		{ "the end of time", lie_time, ERR_NONSENSE, "observation 0: time 9223372036854775807" },
		{ "the beginning of time", lie_time_past, ERR_NONSENSE,
			"observation 0: time -9223372036854775808" },
		{ "a phase that took less than nothing", lie_timing, ERR_NONSENSE, "observation 0: a phase" },
	};
	memset(big, 'x', sizeof(big) - 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sample s;
		struct err err = { 0 };
		sample_init(&s);
		cases[i].lie(&s);
		int rc = batch_check(&s.batch, &err);
		if (rc != cases[i].code || err.code != rc || strstr(err.text, cases[i].want) == NULL)
			fail_msg("%s: rc %d, '%s'", cases[i].says, rc, err.text);
		assert_int_equal(batch_check(&s.batch, NULL), rc);
	}
}

static void words_go_there_and_back(void **state)
{
	for (int i = 0; i < CACHE_STATUS_COUNT; i++) {
		enum cache_status s = CACHE_STATUS_COUNT;
		assert_true(cache_status_from(str_of(cache_status_name((enum cache_status)i)), &s));
		assert_int_equal(s, i);
	}
	for (int i = 0; i < OBS_FAIL_COUNT; i++) {
		enum obs_fail f = OBS_FAIL_COUNT;
		assert_true(obs_fail_from(str_of(obs_fail_name((enum obs_fail)i)), &f));
		assert_int_equal(f, i);
	}
	enum cache_status s = CACHE_HIT;
	enum obs_fail f = FAIL_DNS;
	assert_true(cache_status_from(STR("HIT"), &s)); /* caches shout */
	assert_false(cache_status_from(STR("hits"), &s) || cache_status_from(STR(""), &s));
	assert_false(obs_fail_from(STR("dn"), &f) || obs_fail_from(STR(""), &f));
	assert_int_equal(s, CACHE_HIT);
	assert_int_equal(f, FAIL_DNS);
	assert_string_equal(cache_status_name((enum cache_status)99), "unknown");
	assert_string_equal(obs_fail_name((enum obs_fail)99), "other");
	assert_string_equal(obs_path_name(PATH_EDGE), "edge");
	assert_string_equal(obs_path_name(PATH_ORIGIN), "origin");
	assert_string_equal(tier_kind_name(TIER_SHIELD), "shield");
	assert_string_equal(tier_kind_name((enum tier_kind)9), "inner");
}

static void cached_or_not(void **state)
{
	static const struct {
		const char *says;
		uint8_t tiers[3], n;
		int32_t age_s;
		bool want;
	} cases[] = {
		{ "a hit", { CACHE_HIT }, 1, OBS_AGE_NONE, true },
		{ "a hit behind a miss", { CACHE_MISS, CACHE_HIT }, 2, OBS_AGE_NONE, true },
		{ "stale while it fetches", { CACHE_UPDATING }, 1, OBS_AGE_NONE, true },
		{ "past its life", { CACHE_STALE }, 1, OBS_AGE_NONE, true },
		{ "told 304", { CACHE_REVALIDATED }, 1, 0, true },
		{ "a miss all the way", { CACHE_MISS, CACHE_MISS }, 2, 0, false },
		{ "an expired copy that was fetched anew", { CACHE_EXPIRED }, 1, OBS_AGE_NONE, false },
		{ "a bypass", { CACHE_BYPASS, CACHE_DYNAMIC }, 2, OBS_AGE_NONE, false },
		{ "nothing said, but an age", { 0 }, 0, 2, true },
		{ "an age of one second is rounding", { CACHE_MISS }, 1, 1, false },
		{ "nothing said at all", { 0 }, 0, OBS_AGE_NONE, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct obs o;
		obs_init(&o);
		o.n_tiers = cases[i].n, o.age_s = cases[i].age_s;
		memcpy(o.tiers, cases[i].tiers, sizeof(cases[i].tiers));
		if (obs_is_cached(&o) != cases[i].want)
			fail_msg("%s", cases[i].says);
	}
}

static void clocks_are_mapped(void **state)
{
	struct sample s;
	sample_init(&s);
	s.obs[1].observed_at_us = 5;
	batch_map_clock(&s.batch, -7);
	assert_true(s.obs[0].observed_at_us == 1000 * US_PER_S - 7);
	assert_true(s.obs[1].observed_at_us == -2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_batch_passes),
		cmocka_unit_test(every_lie_is_named),
		cmocka_unit_test(words_go_there_and_back),
		cmocka_unit_test(cached_or_not),
		cmocka_unit_test(clocks_are_mapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
