/* Sealed batches that mean harm: each is refused with a reason that names the place, or read for what it
 * truly says; never more memory than the caps, never a crash (run under the sanitizers). The Columns here are
 * packed by protobuf-c, so what batch.c reads by hand is held to what protobuf says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

#include "gen.h"
#include "tidemark.pb-c.h"

#define ROWS 4

struct bench {
	struct batch_builder *builder;
	struct batch_decoder *decoder;
	struct gen gen;
	struct buf sealed, raw;
	Tidemark__Columns *columns; /* a good batch of ROWS results */
};

/* Packs raw into one zstd frame that says its size. */
static void pack(struct str raw, struct buf *out)
{
	size_t room = ZSTD_compressBound(raw.n);
	char *p = mem_new(room);
	size_t n = ZSTD_compress(p, room, raw.p, raw.n, 3);
	assert_false(ZSTD_isError(n));
	buf_clear(out);
	buf_add(out, p, n);
	free(p);
}

static void unpack(struct bench *t, uint32_t raw_size)
{
	char *p = mem_new(raw_size);
	assert_int_equal(ZSTD_decompress(p, raw_size, t->sealed.p, t->sealed.n), raw_size);
	buf_clear(&t->raw);
	buf_add(&t->raw, p, raw_size);
	free(p);
}

static int setup(void **state)
{
	struct bench *t = mem_new(sizeof(*t));
	uint32_t raw_size;
	t->builder = batch_builder_new();
	t->decoder = batch_decoder_new();
	t->gen.state = 7;
	buf_init(&t->sealed, 4 << 20);
	buf_init(&t->raw, 64 << 20);
	struct batch b = *gen_real_batch(&t->gen, t->builder, ROWS);
	b.boot_id = 5;
	b.sealed_boot_us = b.obs[ROWS - 1].observed_at_us + 1000;
	b.sealed_wall_us = INT64_C(1764000000123456);
	assert_int_equal(batch_seal(&b, &t->sealed, &raw_size, NULL), 0);
	unpack(t, raw_size);
	t->columns = tidemark__columns__unpack(NULL, t->raw.n, (const uint8_t *)t->raw.p);
	assert_non_null(t->columns);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct bench *t = *state;
	tidemark__columns__free_unpacked(t->columns, NULL);
	batch_builder_free(t->builder);
	batch_decoder_free(t->decoder);
	buf_fini(&t->sealed);
	buf_fini(&t->raw);
	free(t);
	return 0;
}

/* protobuf-c's bytes of t->columns to t->raw. */
static void pack_columns(struct bench *t)
{
	size_t n = tidemark__columns__get_packed_size(t->columns);
	uint8_t *p = mem_new(n);
	tidemark__columns__pack(t->columns, p);
	buf_clear(&t->raw);
	buf_add(&t->raw, p, n);
	free(p);
}

static int unseal_raw(struct bench *t, struct batch *ret, struct err *err)
{
	pack(buf_str(&t->raw), &t->sealed);
	return batch_unseal(t->decoder, buf_str(&t->sealed), (uint32_t)t->raw.n, ret, err);
}

static void test_protobuf_reads_what_we_write_and_we_what_it_writes(void **state)
{
	struct bench *t = *state;
	for (int round = 0; round < 200; round++) {
		struct buf again;
		struct batch out;
		uint32_t raw_size, raw_again;
		struct batch in = *gen_wild_batch(&t->gen, t->builder, 1 + gen_below(&t->gen, 40));
		in.boot_id = gen_u64(&t->gen);
		in.sealed_boot_us = (int64_t)gen_u64(&t->gen) >> gen_below(&t->gen, 60);
		in.sealed_wall_us = (int64_t)gen_u64(&t->gen) >> gen_below(&t->gen, 60);
		buf_clear(&t->sealed);
		assert_int_equal(batch_seal(&in, &t->sealed, &raw_size, NULL), 0);
		unpack(t, raw_size);
		Tidemark__Columns *c = tidemark__columns__unpack(NULL, t->raw.n, (const uint8_t *)t->raw.p);
		assert_non_null(c);
		assert_int_equal(c->n, in.n_obs);
		assert_int_equal(c->n_dict, in.n_dict - 1);
		assert_true(c->sealed_wall_us == in.sealed_wall_us && c->sealed_boot_us == in.sealed_boot_us);
		assert_true(c->boot_id == in.boot_id && c->generation == in.generation);
		for (size_t i = 0; i < in.n_obs; i++)
			assert_int_equal(c->endpoint[i], in.obs[i].endpoint);
		assert_int_equal(c->base.n_unknown_fields, 0);

		struct buf first;
		buf_init(&first, 4 << 20);
		buf_init(&again, 4 << 20);
		buf_add_str(&first, buf_str(&t->sealed));
		Tidemark__Columns *mine = t->columns;
		t->columns = c;
		pack_columns(t);
		t->columns = mine;
		tidemark__columns__free_unpacked(c, NULL);
		assert_int_equal(unseal_raw(t, &out, NULL), 0);
		assert_int_equal(batch_seal(&out, &again, &raw_again, NULL), 0);
		assert_true(str_eq(buf_str(&first), buf_str(&again)));
		buf_fini(&first);
		buf_fini(&again);
	}
}

/* ---- one thing wrong at a time ---- */

typedef void spoil(Tidemark__Columns *c);

#define SPOIL(name, what)                                                                                    \
	static void name(Tidemark__Columns *c)                                                               \
	{                                                                                                    \
		what;                                                                                        \
	}
static uint64_t big_column[BATCH_OBS_MAX + 10];
static uint64_t *rows_of(uint64_t v)
{
	for (size_t i = 0; i < ARRAY_LEN(big_column); i++)
		big_column[i] = v;
	return big_column;
}
#define SET_COLUMN(c, name, v) ((c)->name = rows_of(v), (c)->n_##name = ROWS)

SPOIL(no_rows, c->n = 0)
SPOIL(no_n, c->has_n = false)
SPOIL(too_many_rows, c->n = BATCH_OBS_MAX + 1; c->n_endpoint = BATCH_OBS_MAX + 1; c->endpoint = rows_of(1))
SPOIL(four_billion_rows, c->n = UINT32_MAX)
SPOIL(one_row_more, c->n = ROWS + 1)
SPOIL(one_row_less, c->n = ROWS - 1)
SPOIL(no_service, c->has_service = false)
SPOIL(service_with_nul, c->service.data = (uint8_t *)"a\0b"; c->service.len = 3)
SPOIL(service_not_utf8, c->service.data = (uint8_t *)"\xC0\xAF"; c->service.len = 2)
SPOIL(no_endpoint, c->n_endpoint = 0)
SPOIL(endpoint_zero, SET_COLUMN(c, endpoint, 0))
SPOIL(endpoint_outside, SET_COLUMN(c, endpoint, c->n_dict + 1))
SPOIL(endpoint_far_outside, SET_COLUMN(c, endpoint, UINT64_MAX))
SPOIL(endpoint_wraps_16_bits, SET_COLUMN(c, endpoint, 65537))
SPOIL(edge_outside, SET_COLUMN(c, edge, c->n_dict + 2))
SPOIL(edge_wraps_16_bits, SET_COLUMN(c, edge, 65538))
SPOIL(node_outside, SET_COLUMN(c, node, c->n_dict + 2))
SPOIL(ip_outside, SET_COLUMN(c, ip, c->n_dict + 2))
SPOIL(version_outside, SET_COLUMN(c, version, c->n_dict + 2))
SPOIL(etag_outside, SET_COLUMN(c, etag, c->n_dict + 2))
SPOIL(evidence_outside, SET_COLUMN(c, evidence, c->n_dict + 1))
SPOIL(path_of_the_future, SET_COLUMN(c, path, PATH_ORIGIN + 2))
SPOIL(fail_of_the_future, SET_COLUMN(c, fail, OBS_FAIL_COUNT + 1))
SPOIL(flags_of_the_future, SET_COLUMN(c, flags, OBS_FLAGS_ALL + 2))
SPOIL(status_1000, SET_COLUMN(c, status, 1001))
SPOIL(status_huge, SET_COLUMN(c, status, UINT64_MAX))
SPOIL(tier_status_unknown, SET_COLUMN(c, tiers, 1 + 1 + CACHE_STATUS_COUNT))
SPOIL(tier_kind_unknown, SET_COLUMN(c, tiers, 1 + 1 + 16 * 3))
SPOIL(tier_hole, SET_COLUMN(c, tiers, 1 + (1 << 6)))
SPOIL(seven_tiers, SET_COLUMN(c, tiers, 1 + (UINT64_C(1) << 36)))
SPOIL(age_too_big, SET_COLUMN(c, age_s, 1 + UINT64_C(0x80000001)))
SPOIL(ttl_too_big, SET_COLUMN(c, ttl_s, 1 + (UINT64_C(1) << 34)))
SPOIL(ttl_huge, SET_COLUMN(c, ttl_s, UINT64_MAX))
SPOIL(browser_ttl_too_small, SET_COLUMN(c, browser_ttl_s, 2 + (UINT64_C(1) << 33)))
SPOIL(dns_too_long, SET_COLUMN(c, dns, 866))
SPOIL(connect_too_long, SET_COLUMN(c, connect, UINT64_MAX))
SPOIL(tls_too_long, SET_COLUMN(c, tls, 866))
SPOIL(ttfb_too_long, SET_COLUMN(c, ttfb, 1u << 20))
SPOIL(total_too_short, c->total = (int64_t *)rows_of((uint64_t)-800); c->n_total = ROWS)
SPOIL(total_too_long, c->total = (int64_t *)rows_of(864); c->n_total = ROWS)
SPOIL(total_huge, c->total = (int64_t *)rows_of((uint64_t)INT64_MAX); c->n_total = ROWS)
SPOIL(time_overflows, c->at_ms = (int64_t *)rows_of((uint64_t)INT64_MAX); c->n_at_ms = ROWS)
SPOIL(time_before_all, c->at_ms = (int64_t *)rows_of((uint64_t)INT64_MIN); c->n_at_ms = ROWS)
SPOIL(sealed_at_the_end_of_time, c->sealed_boot_us = INT64_MAX)
SPOIL(dict_with_nul, c->dict[0].data = (uint8_t *)"v\0001"; c->dict[0].len = 3)
SPOIL(dict_not_utf8, c->dict[0].data = (uint8_t *)"\xED\xA0\x80"; c->dict[0].len = 3)

static char long_text[BATCH_DICT_BYTES + 1];
SPOIL(name_too_long, c->dict[0].data = (uint8_t *)long_text; c->dict[0].len = OBS_NAME_MAX + 1)
SPOIL(dict_too_big, c->dict[0].data = (uint8_t *)long_text; c->dict[0].len = BATCH_DICT_BYTES + 1)

static ProtobufCBinaryData many_entries[BATCH_DICT_MAX + 10];
static void too_many_entries(Tidemark__Columns *c)
{
	for (size_t i = 0; i < ARRAY_LEN(many_entries); i++)
		many_entries[i] = c->dict[0];
	c->dict = many_entries;
	c->n_dict = BATCH_DICT_MAX;
}

static void test_one_thing_wrong(void **state)
{
	static const struct {
		const char *says;
		spoil *spoil;
		const char *names;
	} cases[] = {
		{ "no rows", no_rows, "n is 0" },
		{ "nobody says how many rows", no_n, "n is 0" },
		{ "too many rows", too_many_rows, "n is 501" },
		{ "four billion rows, claimed", four_billion_rows, "n is 4294967295" },
		{ "one row more than the columns have", one_row_more, "column endpoint: ends at row 4 of 5" },
		{ "one row less than the columns have", one_row_less, "column endpoint: more than 3 rows" },
		{ "no service", no_service, "service" },
		{ "a service with a NUL", service_with_nul, "service" },
		{ "a service that is not UTF-8", service_not_utf8, "service" },
		{ "no endpoint column", no_endpoint, "column endpoint" },
		{ "endpoint: nothing", endpoint_zero, "endpoint" },
		{ "endpoint: behind the dictionary's end", endpoint_outside, "endpoint" },
		{ "endpoint: far behind it", endpoint_far_outside, "column endpoint: row 0" },
		{ "endpoint: one that 16 bits would make good", endpoint_wraps_16_bits,
			"column endpoint: row 0" },
		{ "edge outside", edge_outside, "edge" },
		{ "edge: one that 16 bits would make good", edge_wraps_16_bits, "column edge: row 0" },
		{ "node outside", node_outside, "node" },
		{ "ip outside", ip_outside, "ip" },
		{ "version outside", version_outside, "version" },
		{ "etag outside", etag_outside, "etag" },
		{ "evidence outside", evidence_outside, "evidence" },
		{ "a path nobody knows", path_of_the_future, "column path: row 0" },
		{ "a failure nobody knows", fail_of_the_future, "column fail: row 0" },
		{ "a flag nobody knows", flags_of_the_future, "column flags: row 0" },
		{ "status 1000", status_1000, "column status: row 0 says 1000, largest is 999" },
		{ "a status beyond all", status_huge, "column status: row 0" },
		{ "a tier's status nobody knows", tier_status_unknown, "column tiers: row 0: tier 0" },
		{ "a tier's kind nobody knows", tier_kind_unknown, "column tiers: row 0: tier 0" },
		{ "a tier missing before another", tier_hole, "column tiers: row 0: tier 0" },
		{ "seven tiers", seven_tiers, "column tiers: row 0" },
		{ "an age beyond 68 years", age_too_big, "column age_s: row 0" },
		{ "a ttl beyond its bits", ttl_too_big, "column ttl_s: row 0" },
		{ "a ttl beyond all", ttl_huge, "column ttl_s: row 0" },
		{ "a browser ttl below its bits", browser_ttl_too_small, "column browser_ttl_s: row 0" },
		{ "dns took an hour", dns_too_long, "column dns: row 0" },
		{ "connect took for ever", connect_too_long, "column connect: row 0" },
		{ "tls took an hour", tls_too_long, "column tls: row 0" },
		{ "the first byte took an hour", ttfb_too_long, "column ttfb: row 0" },
		{ "in all less than nothing", total_too_short, "column total: row 0" },
		{ "in all more than an hour", total_too_long, "column total: row 0" },
		{ "in all for ever", total_huge, "column total: row 0" },
		{ "a time that overflows", time_overflows, "column at_ms: row 0" },
		{ "a time before all", time_before_all, "column at_ms: row 0" },
		{ "sealed at the end of time", sealed_at_the_end_of_time, "column at_ms: row 0" },
		{ "a NUL in the dictionary", dict_with_nul, "dictionary entry 1" },
		{ "no UTF-8 in the dictionary", dict_not_utf8, "dictionary entry 1" },
		{ "a name too long", name_too_long, "257 bytes" },
		{ "a dictionary too big", dict_too_big, "column dict: over" },
		{ "a dictionary of too many entries", too_many_entries, "column dict: over 4095 entries" },
	};
	struct bench *t = *state;
	memset(long_text, 'x', sizeof(long_text));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Tidemark__Columns copy = *t->columns, *good = t->columns;
		ProtobufCBinaryData first = good->dict[0];
		struct batch out = { .n_obs = 77 };
		struct err err = { 0 };
		cases[i].spoil(&copy);
		t->columns = &copy;
		pack_columns(t);
		t->columns = good;
		good->dict[0] = first;
		int rc = unseal_raw(t, &out, &err);
		if (rc == 0 || strstr(err.text, cases[i].names) == NULL)
			fail_msg("%s: got %d '%s'", cases[i].says, rc, err.text);
		assert_int_equal(out.n_obs, 77); /* untouched */
	}
	pack_columns(t); /* and what they were made from is good */
	assert_int_equal(unseal_raw(t, &(struct batch){ 0 }, NULL), 0);
}

/* ---- the message around the columns ---- */

static void test_odd_fields(void **state)
{
	static const struct {
		const char *says;
		struct str bytes;  /* put behind a good message */
		const char *names; /* NULL: it is ignored */
	} cases[] = {
		{ "an unknown number", { "\xE8\x07\x05", 3 }, NULL },
		{ "an unknown text",
			{ "\xEA\x07\x03"
			  "abc",
				6 },
			NULL },
		{ "an unknown fixed64",
			{ "\xE9\x07"
			  "12345678",
				10 },
			NULL },
		{ "an unknown fixed32",
			{ "\xED\x07"
			  "1234",
				6 },
			NULL },
		{ "a field far away", { "\x98\xF7\x9D\x9F\xFF\xFF\xFF\xFF\x01\x01", 10 }, NULL },
		{ "a column a second time", { "\x4A\x04\1\1\1\1", 6 }, "column endpoint: there twice" },
		{ "a column that is not packed", { "\x48\x01", 2 }, "column endpoint: not packed" },
		{ "a group", { "\x53\x54", 2 }, "no whole field" },
		{ "a group's end", { "\x54", 1 }, "no whole field" },
		{ "field number 0", { "\x00\x01", 2 }, "field number 0" },
		{ "a text that claims 4 GiB", { "\x0A\xFF\xFF\xFF\xFF\x0F", 6 }, "no whole field" },
		{ "a text that claims all there is", { "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11 },
			"no whole field" },
		{ "a number of eleven bytes", { "\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12 },
			"no whole field" },
		{ "a number over 64 bits", { "\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11 },
			"no whole field" },
		{ "n as text", { "\x32\x01\x04", 3 }, "field 6 has wire type 2, want 0" },
		{ "service as a number", { "\x08\x01", 2 }, "field 1 has wire type 0, want 2" },
		{ "boot_id as a number", { "\x18\x01", 2 }, "field 3 has wire type 0, want 1" },
	};
	struct bench *t = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct batch out;
		struct err err = { 0 };
		pack_columns(t);
		buf_add_str(&t->raw, cases[i].bytes);
		int rc = unseal_raw(t, &out, &err);
		bool good = cases[i].names ? rc < 0 && strstr(err.text, cases[i].names)
					   : rc == 0 && out.n_obs == ROWS;
		if (!good)
			fail_msg("%s: got %d '%s'", cases[i].says, rc, err.text);
	}
}

static void test_cut_at_every_byte(void **state)
{
	struct bench *t = *state;
	struct batch out;
	struct err err;
	pack_columns(t);
	struct buf whole;
	buf_init(&whole, 1 << 20);
	buf_add_str(&whole, buf_str(&t->raw));
	for (size_t n = 0; n < whole.n; n++) {
		t->raw.n = n;
		/* cut between two columns it is a batch that says less; anywhere else it is refused */
		if (unseal_raw(t, &out, &err) < 0)
			continue;
		Tidemark__Columns *c = tidemark__columns__unpack(NULL, n, (const uint8_t *)whole.p);
		assert_non_null(c);
		tidemark__columns__free_unpacked(c, NULL);
	}
	pack(buf_str(&whole), &t->sealed);
	for (size_t n = 0; n < t->sealed.n; n++) {
		struct str cut = { t->sealed.p, n };
		if (batch_unseal(t->decoder, cut, (uint32_t)whole.n, &out, &err) == 0)
			fail_msg("the first %zu of %zu bytes were taken for all of it", n, t->sealed.n);
		assert_true(err.text[0] != '\0');
	}
	buf_fini(&whole);
}

static void test_every_bit_flipped(void **state)
{
	struct bench *t = *state;
	struct buf again;
	uint32_t raw_size;
	buf_init(&again, 1 << 20);
	pack_columns(t);
	for (size_t i = 0; i < t->raw.n * 8; i++) {
		struct batch out;
		t->raw.p[i / 8] = (char)(t->raw.p[i / 8] ^ (1 << i % 8));
		if (unseal_raw(t, &out, NULL) == 0) { /* what decodes encodes */
			buf_clear(&again);
			assert_int_equal(batch_seal(&out, &again, &raw_size, NULL), 0);
		}
		t->raw.p[i / 8] = (char)(t->raw.p[i / 8] ^ (1 << i % 8));
	}
	buf_fini(&again);
}

/* ---- zstd ---- */

static void frame_without_size(struct str raw, struct buf *out)
{
	char *p = mem_new(ZSTD_compressBound(raw.n));
	ZSTD_CCtx *z = ZSTD_createCCtx();
	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0)));
	size_t n = ZSTD_compress2(z, p, ZSTD_compressBound(raw.n), raw.p, raw.n);
	assert_false(ZSTD_isError(n));
	buf_clear(out);
	buf_add(out, p, n);
	ZSTD_freeCCtx(z);
	free(p);
}

static void refused(struct bench *t, const char *says, uint32_t raw_size, const char *names)
{
	struct batch out;
	struct err err = { 0 };
	int rc = batch_unseal(t->decoder, buf_str(&t->sealed), raw_size, &out, &err);
	if (rc == 0 || strstr(err.text, names) == NULL)
		fail_msg("%s: got %d '%s'", says, rc, err.text);
}

static void test_zstd_bombs(void **state)
{
	struct bench *t = *state;
	struct buf good;
	buf_init(&good, 1 << 20);
	pack_columns(t);
	pack(buf_str(&t->raw), &good);
	uint32_t raw_size = (uint32_t)t->raw.n;
#define SEALED(s) (buf_clear(&t->sealed), buf_add_str(&t->sealed, (s)))

	SEALED(buf_str(&good));
	refused(t, "raw_size one less", raw_size - 1, "raw_size");
	refused(t, "raw_size one more", raw_size + 1, "raw_size");
	refused(t, "raw_size 0", 0, "raw_size");
	refused(t, "raw_size 4 GiB", UINT32_MAX, "raw_size");
	refused(t, "raw_size just over its cap", BATCH_RAW_MAX + 1, "raw_size");
	SEALED(STR(""));
	refused(t, "no bytes", raw_size, "not zstd");
	SEALED(STR("PK\3\4 this is no zstd"));
	refused(t, "another format", raw_size, "not zstd");
	SEALED(buf_str(&good));
	buf_add_str(&t->sealed, buf_str(&good));
	refused(t, "two frames", raw_size, "exactly one");
	refused(t, "two frames and both sizes", 2 * raw_size, "raw_size");
	SEALED(buf_str(&good));
	buf_add_char(&t->sealed, 'x');
	refused(t, "a byte behind the frame", raw_size, "exactly one");
	SEALED(STR("\x50\x2A\x4D\x18\x04\x00\x00\x00"
		   "skip"));
	refused(t, "a frame to be skipped", 0, "");
	buf_add_str(&t->sealed, buf_str(&good));
	refused(t, "one to be skipped before the good one", raw_size, "");
	frame_without_size(buf_str(&t->raw), &t->sealed);
	refused(t, "a frame that does not say its size", raw_size, "does not say its size");

	/* a real bomb: 64 MiB of zeros in a few kilobytes */
	char *zeros = mem_new(64 << 20);
	pack((struct str){ zeros, 64 << 20 }, &t->sealed);
	assert_true(t->sealed.n < BATCH_PACKED_MAX);
	refused(t, "a bomb that says how big it is", 64 << 20, "raw_size");
	refused(t, "a bomb that says it is small", 1000, "raw_size");
	frame_without_size((struct str){ zeros, 64 << 20 }, &t->sealed);
	refused(t, "a bomb that says nothing", 1000, "does not say its size");

	/* the frame's own size field lies: 4 bytes at 5, behind magic and descriptor, when not all in one
	 * segment */
	pack((struct str){ zeros, 100000 }, &t->sealed);
	int64_t at = -1;
	for (size_t i = 4; i < 12 && at < 0; i++)
		if (memcmp(t->sealed.p + i, "\xA0\x86\x01\x00", 4) == 0)
			at = (int64_t)i;
	assert_true(at > 0);
	memcpy(t->sealed.p + at, "\xE8\x03\x00\x00", 4);
	refused(t, "a frame that says 1000 and has 100000", 1000, "body");
	memcpy(t->sealed.p + at, "\x00\x00\x10\x00", 4);
	refused(t, "a frame that says 1 MiB and has 100000", 1 << 20, "body");

	/* too big as it is */
	struct buf big;
	buf_init(&big, 2 << 20);
	for (size_t i = 0; i <= BATCH_PACKED_MAX; i++)
		buf_add_char(&big, (char)gen_u64(&t->gen));
	SEALED(buf_str(&big));
	refused(t, "more sealed bytes than the cap", 1000, "limit is");
	buf_fini(&big);
	free(zeros);
	buf_fini(&good);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_protobuf_reads_what_we_write_and_we_what_it_writes),
		TEST(test_one_thing_wrong),
		TEST(test_odd_fields),
		TEST(test_cut_at_every_byte),
		TEST(test_every_bit_flipped),
		TEST(test_zstd_bombs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
