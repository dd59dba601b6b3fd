/* What is sealed comes out as it went in: exactly, but for times (milliseconds) and phases (1/64). And it is
 * small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gen.h"
#include "proto/columns.h"

static void seal_ok(const struct batch *b, struct buf *out, uint32_t *raw_size)
{
	struct err err;
	buf_clear(out);
	if (batch_seal(b, out, raw_size, &err) < 0)
		fail_msg("does not seal: %s", err.text);
}

static void unseal_ok(struct batch_decoder *d, struct buf *sealed, uint32_t raw_size, struct batch *ret)
{
	struct err err;
	if (batch_unseal(d, buf_str(sealed), raw_size, ret, &err) < 0)
		fail_msg("does not unseal: %s", err.text);
}

static void same_text(const struct batch *a, uint16_t i, const struct batch *b, uint16_t k)
{
	assert_true(str_eq(batch_str(a, i), batch_str(b, k)));
}

/* Off by 1/64 at most: under 2 %. */
static void near_phase(int32_t want, int32_t got)
{
	if (want < 64)
		assert_int_equal(MAX(want, -1), got);
	else
		assert_true(llabs((int64_t)want - got) * 64 <= want);
}

static void same_batch(const struct batch *a, const struct batch *b)
{
	assert_true(str_eq(a->service, b->service));
	assert_true(a->generation == b->generation && a->boot_id == b->boot_id);
	assert_true(a->sealed_boot_us == b->sealed_boot_us && a->sealed_wall_us == b->sealed_wall_us);
	assert_int_equal(a->n_obs, b->n_obs);
	assert_int_equal(a->n_dict, b->n_dict);
	for (size_t i = 0; i < a->n_obs; i++) {
		const struct obs *o = &a->obs[i], *p = &b->obs[i];
		assert_true(o->observed_at_us / 1000 * 1000 == p->observed_at_us);
		same_text(a, o->endpoint, b, p->endpoint);
		same_text(a, o->edge, b, p->edge);
		same_text(a, o->node, b, p->node);
		same_text(a, o->ip, b, p->ip);
		same_text(a, o->version, b, p->version);
		same_text(a, o->etag, b, p->etag);
		same_text(a, o->evidence, b, p->evidence);
		assert_int_equal(o->path, p->path);
		assert_int_equal(o->fail, p->fail);
		assert_int_equal(o->flags, p->flags);
		assert_int_equal(o->n_tiers, p->n_tiers);
		assert_memory_equal(o->tiers, p->tiers, o->n_tiers);
		assert_memory_equal(o->tier_kinds, p->tier_kinds, o->n_tiers);
		assert_int_equal(o->status, p->status);
		assert_int_equal(o->age_s, p->age_s);
		assert_int_equal(o->ttl_s, p->ttl_s);
		assert_int_equal(o->browser_ttl_s, p->browser_ttl_s);
		near_phase(o->timing.dns_us, p->timing.dns_us);
		near_phase(o->timing.connect_us, p->timing.connect_us);
		near_phase(o->timing.tls_us, p->timing.tls_us);
		near_phase(o->timing.ttfb_us, p->timing.ttfb_us);
		near_phase(o->timing.total_us, p->timing.total_us);
	}
}

struct bench { /* one of each, for every test */
	struct batch_builder *builder;
	struct batch_decoder *decoder;
	struct buf sealed, again;
	struct gen gen;
};

static int setup(void **state)
{
	struct bench *t = mem_new(sizeof(*t));
	t->builder = batch_builder_new();
	t->decoder = batch_decoder_new();
	buf_init(&t->sealed, BATCH_PACKED_MAX);
	buf_init(&t->again, BATCH_PACKED_MAX);
	t->gen.state = 42;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct bench *t = *state;
	batch_builder_free(t->builder);
	batch_decoder_free(t->decoder);
	buf_fini(&t->sealed);
	buf_fini(&t->again);
	free(t);
	return 0;
}

static void test_wild_batches_survive(void **state)
{
	struct bench *t = *state;
	for (int round = 0; round < 300; round++) {
		size_t n = round < 20 ? (size_t)round + 1 : 1 + gen_below(&t->gen, BATCH_OBS_MAX / 8);
		struct batch in = *gen_wild_batch(&t->gen, t->builder, round == 299 ? BATCH_OBS_MAX / 3 : n),
			     out;
		uint32_t raw_size, raw_again;
		in.boot_id = gen_u64(&t->gen);
		in.sealed_boot_us = (int64_t)gen_u64(&t->gen) >> gen_below(&t->gen, 60);
		in.sealed_wall_us = (int64_t)gen_u64(&t->gen) >> gen_below(&t->gen, 60);
		seal_ok(&in, &t->sealed, &raw_size);
		unseal_ok(t->decoder, &t->sealed, raw_size, &out);
		same_batch(&in, &out);
		/* what was decoded encodes to the same bytes: nothing drifts on the way */
		seal_ok(&out, &t->again, &raw_again);
		assert_int_equal(raw_size, raw_again);
		assert_true(str_eq(buf_str(&t->sealed), buf_str(&t->again)));
	}
}

static void test_a_copy_outlives_its_decoder(void **state)
{
	struct bench *t = *state;
	for (size_t n = 1; n < 100; n += 7) {
		struct batch in = *gen_wild_batch(&t->gen, t->builder, n), out;
		struct batch_decoder *d = batch_decoder_new();
		uint32_t raw_size;
		size_t bytes = 0, text = 0;
		seal_ok(&in, &t->sealed, &raw_size);
		unseal_ok(d, &t->sealed, raw_size, &out);
		out.agent = STR("fra-1");
		out.region = STR("eu");
		struct batch *copy = batch_copy(&out, &bytes);
		batch_decoder_free(d);
		same_batch(&in, copy);
		assert_true(str_is(copy->agent, "fra-1") && str_is(copy->region, "eu"));
		for (size_t i = 0; i < in.n_dict; i++)
			text += in.dict[i].n;
		assert_true(bytes >= sizeof(in) + n * sizeof(struct obs) + text);
		free(copy);
	}
}

static void test_nothing_said_stays_nothing_said(void **state)
{
	struct bench *t = *state;
	struct batch in, out;
	struct obs o;
	bool full = false;
	uint32_t raw_size;
	batch_builder_start(t->builder, STR("s"), 0);
	obs_init(&o);
	o.endpoint = batch_builder_intern(t->builder, STR("e"), OBS_NAME_MAX, &full);
	batch_builder_add(t->builder, &o);
	batch_builder_add(t->builder, &o);
	in = *batch_builder_peek(t->builder);
	seal_ok(&in, &t->sealed, &raw_size);
	unseal_ok(t->decoder, &t->sealed, raw_size, &out);
	same_batch(&in, &out);
	assert_int_equal(out.obs[1].age_s, OBS_AGE_NONE);
	assert_int_equal(out.obs[1].ttl_s, OBS_TTL_NONE);
	assert_int_equal(out.obs[1].timing.total_us, -1);
	assert_true(raw_size < 40); /* columns that say nothing are not sent */
}

static void test_phases_are_near(void **state)
{
	int32_t last = -1;
	uint64_t last_code = 0;
	for (int64_t us = 0; us <= INT32_MAX; us += 1 + us / 777) {
		uint64_t code = phase_code((int32_t)us);
		int32_t back = phase_us(code);
		near_phase((int32_t)us, back);
		assert_true(code <= PHASE_CODE_MAX && code >= last_code && back >= last);
		assert_true(phase_code(back) == code);
		last = back, last_code = code;
	}
	assert_int_equal(phase_us(phase_code(-1)), -1);
	assert_int_equal(phase_us(phase_code(INT32_MAX)), INT32_MAX);
	assert_int_equal(phase_code(INT32_MAX), PHASE_CODE_MAX);
}

static void test_builder_mends_and_cuts_text(void **state)
{
	struct bench *t = *state;
	static const struct {
		const char *says;
		struct str in, out;
		size_t cap;
	} cases[] = {
		{ "plain text stays", { "v1.2.3", 6 }, { "v1.2.3", 6 }, OBS_VERSION_MAX },
		{ "too long is cut", { "abcdef", 6 }, { "abcd", 4 }, 4 },
		{ "never inside a character", { "abc\xC3\xA9", 5 }, { "abc", 3 }, 4 },
		{ "what is not UTF-8 is replaced",
			{ "a\xFF"
			  "b",
				3 },
			{ "a\xEF\xBF\xBD"
			  "b",
				5 },
			OBS_NAME_MAX },
		{ "a NUL is replaced", { "a\0b", 3 },
			{ "a\xEF\xBF\xBD"
			  "b",
				5 },
			OBS_NAME_MAX },
		{ "half a character at the end is replaced", { "a\xE2\x82", 3 },
			{ "a\xEF\xBF\xBD\xEF\xBF\xBD", 7 }, OBS_NAME_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool full = false;
		batch_builder_start(t->builder, STR("s"), 1);
		uint16_t at = batch_builder_intern(t->builder, cases[i].in, cases[i].cap, &full);
		struct str got = batch_str(batch_builder_peek(t->builder), at);
		if (!str_eq(got, cases[i].out))
			fail_msg("%s: got '%.*s'", cases[i].says, STR_ARG(got));
		assert_int_equal(batch_builder_intern(t->builder, cases[i].in, cases[i].cap, &full), at);
		assert_false(full);
	}
	bool full = false;
	assert_int_equal(batch_builder_intern(t->builder, STR_NONE, 10, &full), 0);
	assert_false(full);
}

static void test_builder_says_when_the_dictionary_is_full(void **state)
{
	struct bench *t = *state;
	bool full = false;
	char text[32];
	unsigned n = 0;
	batch_builder_start(t->builder, STR("s"), 1);
	while (!full) {
		int len = snprintf(text, sizeof(text), "%u", n++);
		batch_builder_intern(t->builder, (struct str){ text, (size_t)len }, OBS_NAME_MAX, &full);
	}
	assert_int_equal(n, BATCH_DICT_MAX); /* 4095 and the empty one went in */
	assert_int_equal(batch_builder_peek(t->builder)->n_dict, BATCH_DICT_MAX);
	full = false;
	assert_int_not_equal(batch_builder_intern(t->builder, STR("77"), OBS_NAME_MAX, &full), 0);
	assert_false(full); /* what is there is still found */

	char block[OBS_EVIDENCE_MAX];
	size_t bytes = 0;
	memset(block, 'x', sizeof(block));
	batch_builder_start(t->builder, STR("s"), 1);
	for (full = false; !full; bytes += sizeof(block)) {
		block[0] = (char)('0' + bytes / sizeof(block) % 64);
		block[1] = (char)('0' + bytes / sizeof(block) / 64);
		batch_builder_intern(
			t->builder, (struct str){ block, sizeof(block) }, OBS_EVIDENCE_MAX, &full);
	}
	assert_int_equal(bytes, BATCH_DICT_BYTES + sizeof(block));
}

static void test_the_largest_batch_fits(void **state)
{
	struct bench *t = *state;
	struct obs o;
	uint32_t raw_size;
	struct batch in, out;
	batch_builder_start(t->builder, STR("s"), UINT64_MAX);
	for (size_t i = 0; i < BATCH_OBS_MAX; i++) {
		char noise[1000];
		bool full = false;
		obs_init(&o);
		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (char)(32 + gen_below(&t->gen, 95));
		o.endpoint = batch_builder_intern(t->builder, STR("e"), OBS_NAME_MAX, &full);
		o.evidence = batch_builder_intern(
			t->builder, (struct str){ noise, sizeof(noise) }, OBS_EVIDENCE_MAX, &full);
		o.observed_at_us = (int64_t)(gen_u64(&t->gen) >> 8);
		assert_false(full);
		batch_builder_add(t->builder, &o);
	}
	in = *batch_builder_peek(t->builder);
	seal_ok(&in, &t->sealed, &raw_size);
	unseal_ok(t->decoder, &t->sealed, raw_size, &out);
	same_batch(&in, &out);
}

static void test_what_is_sealed_is_checked(void **state)
{
	struct bench *t = *state;
	struct err err;
	uint32_t raw_size = 77;
	batch_builder_start(t->builder, STR("s"), 1);
	assert_int_equal(
		batch_seal(batch_builder_peek(t->builder), &t->sealed, &raw_size, &err), ERR_TOO_BIG);
	struct batch b = *gen_real_batch(&t->gen, t->builder, 3);
	struct obs *o = &b.obs[1];
	o->version = (uint16_t)b.n_dict;
	assert_int_equal(batch_seal(&b, &t->sealed, &raw_size, &err), ERR_NONSENSE);
	assert_non_null(strstr(err.text, "observation 1: version"));
	assert_int_equal(raw_size, 77);
	assert_int_equal(t->sealed.n, 0);
}

static void test_batches_are_small(void **state)
{
	struct bench *t = *state;
	static const struct {
		size_t n;
		double most; /* bytes a result */
	} cases[] = { { 500, 20 }, { 50, 40 }, { 3, 120 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t raw_size;
		struct batch b = *gen_real_batch(&t->gen, t->builder, cases[i].n);
		b.boot_id = gen_u64(&t->gen);
		b.sealed_boot_us = b.obs[b.n_obs - 1].observed_at_us + 12345;
		b.sealed_wall_us = INT64_C(1764000000123456);
		seal_ok(&b, &t->sealed, &raw_size);
		double each = (double)t->sealed.n / (double)cases[i].n;
		printf("%zu results: %.1f bytes each, %.1f unpacked\n", cases[i].n, each,
			(double)raw_size / (double)cases[i].n);
		assert_true(each <= cases[i].most);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wild_batches_survive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_copy_outlives_its_decoder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_said_stays_nothing_said, setup, teardown),
		cmocka_unit_test(test_phases_are_near),
		cmocka_unit_test_setup_teardown(test_builder_mends_and_cuts_text, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_builder_says_when_the_dictionary_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_largest_batch_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_sealed_is_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batches_are_small, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
