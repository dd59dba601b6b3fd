#include "gen.h"

#include <stdio.h>

static uint16_t wild_text(struct gen *g, struct batch_builder *b, size_t cap)
{
	char text[OBS_EVIDENCE_MAX];
	bool full = false;
	size_t n = gen_often(g, 20) ? cap : gen_below(g, 12);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('!' + gen_below(g, 90));
	return batch_builder_intern(b, (struct str){ text, n }, cap, &full);
}

static int32_t wild_i32(struct gen *g, int32_t none)
{
	static const int32_t edges[] = { 0, 1, -1, 63, 64, 65, 127, 128, 1000000, INT32_MAX - 1, INT32_MAX };
	switch (gen_below(g, 3)) {
	case 0:
		return none;
	case 1:
		return edges[gen_below(g, ARRAY_LEN(edges))];
	default:
		return (int32_t)(gen_u64(g) & INT32_MAX) >> gen_below(g, 31);
	}
}

const struct batch *gen_wild_batch(struct gen *g, struct batch_builder *b, size_t n_obs)
{
	batch_builder_start(b, STR("shop@production"), gen_u64(g) >> gen_below(g, 64));
	for (size_t i = 0; i < n_obs; i++) {
		struct obs o;
		obs_init(&o);
		bool full = false;
		char id[32];
		int n = snprintf(id, sizeof(id), "e%u", (unsigned)gen_below(g, 7));
		o.endpoint = batch_builder_intern(b, (struct str){ id, (size_t)n }, OBS_NAME_MAX, &full);
		o.observed_at_us =
			(int64_t)(gen_u64(g) >> gen_below(g, 40) >> 8) % (INT64_C(253402300799) * US_PER_S);
		o.edge = wild_text(g, b, OBS_NAME_MAX);
		o.node = wild_text(g, b, OBS_NAME_MAX);
		o.ip = wild_text(g, b, OBS_NAME_MAX);
		o.version = wild_text(g, b, OBS_VERSION_MAX);
		o.etag = wild_text(g, b, OBS_NAME_MAX);
		if (gen_often(g, 3))
			o.evidence = wild_text(g, b, OBS_EVIDENCE_MAX);
		o.path = (uint8_t)gen_below(g, 2);
		o.fail = (uint8_t)gen_below(g, OBS_FAIL_COUNT);
		o.flags = (uint8_t)gen_below(g, OBS_FLAGS_ALL + 1);
		o.n_tiers = (uint8_t)gen_below(g, OBS_TIERS_MAX + 1);
		for (size_t k = 0; k < o.n_tiers; k++) {
			o.tiers[k] = (uint8_t)gen_below(g, CACHE_STATUS_COUNT);
			o.tier_kinds[k] = (uint8_t)gen_below(g, TIER_INNER + 1);
		}
		o.status = (int16_t)gen_below(g, 1000);
		o.age_s = wild_i32(g, OBS_AGE_NONE);
		o.ttl_s = gen_often(g, 20) ? OBS_TTL_NONE + 1 : wild_i32(g, OBS_TTL_NONE);
		o.browser_ttl_s = wild_i32(g, OBS_TTL_NONE);
		int32_t *phase[] = { &o.timing.dns_us, &o.timing.connect_us, &o.timing.tls_us,
			&o.timing.ttfb_us, &o.timing.total_us };
		for (size_t k = 0; k < ARRAY_LEN(phase); k++)
			*phase[k] = wild_i32(g, -1);
		batch_builder_add(b, &o);
	}
	return batch_builder_peek(b);
}

static uint16_t numbered(struct batch_builder *b, const char *format, unsigned a, unsigned c)
{
	char text[128];
	bool full = false;
	int n = snprintf(text, sizeof(text), format, a, c);
	return batch_builder_intern(b, (struct str){ text, (size_t)n }, OBS_NAME_MAX, &full);
}

/* A time around `around`, spread the way networks spread them: some much longer, none much shorter. */
static int32_t real_time(struct gen *g, int32_t around)
{
	int64_t us = around + (int64_t)gen_below(g, (uint64_t)around / 4);
	return (int32_t)(gen_often(g, 5) ? us * (2 + (int64_t)gen_below(g, 8)) : us);
}

const struct batch *gen_real_batch(struct gen *g, struct batch_builder *b, size_t n_obs)
{
	enum { ENDPOINTS = 20 };
	int64_t at = INT64_C(86400) * US_PER_S;
	batch_builder_start(b, STR("shop@production"), 1700000000123456);
	for (size_t i = 0; i < n_obs; i++) {
		struct obs o;
		obs_init(&o);
		unsigned endpoint = (unsigned)gen_below(g, ENDPOINTS), edge = endpoint % 2;
		unsigned node = (unsigned)gen_below(g, 8);
		at += (int64_t)gen_below(g, 2000);
		o.observed_at_us = at;
		o.endpoint = numbered(b, "v%u-resource-%u", endpoint % 3, endpoint);
		o.edge = numbered(b, edge ? "fastly:FRA" : "cloudfront:FRA56-P%u", 3, 0);
		o.node = numbered(b, "cache-fra-eddf82300%02u-FRA", node, 0);
		o.ip = numbered(b, "151.101.%u.%u", 1 + edge, 91 + node % 4);
		o.version = numbered(b, "9f2c1d%02u7b", endpoint % 2, 0);
		o.etag = numbered(b, "\"5e2f-%08x\"", 0xabcd0000u + endpoint * 77, 0);
		o.flags = OBS_REUSED;
		o.n_tiers = 2;
		o.tiers[0] = gen_often(g, 90) ? CACHE_HIT : CACHE_MISS;
		o.tiers[1] = CACHE_HIT;
		o.tier_kinds[1] = TIER_SHIELD;
		o.status = 200;
		o.age_s = (int32_t)(gen_below(g, 40) + endpoint * 211);
		o.ttl_s = 86400 - o.age_s;
		o.browser_ttl_s = 60;
		if (gen_often(g, 10)) {
			o.flags = 0;
			o.timing.dns_us = real_time(g, 700);
			o.timing.connect_us = real_time(g, 9000);
			o.timing.tls_us = real_time(g, 21000);
		}
		o.timing.ttfb_us = real_time(g, 11000);
		o.timing.total_us = o.timing.ttfb_us + real_time(g, 40);
		batch_builder_add(b, &o);
	}
	return batch_builder_peek(b);
}
