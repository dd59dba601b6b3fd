/* Envelopes that mean harm: refused with a reason that names the field, or read for what they truly say;
 * never more memory than the caps, never a crash (run under the sanitizers). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gen.h"
#include "proto/arena.h"
#include "tidemark.pb-c.h"

static void add_varint(struct buf *b, uint64_t v)
{
	while (v >= 0x80) {
		buf_add_char(b, (char)(v | 0x80));
		v >>= 7;
	}
	buf_add_char(b, (char)v);
}

static void wrap(struct buf *b, unsigned field, struct buf *in)
{
	add_varint(b, field << 3 | 2);
	add_varint(b, in->n);
	buf_add_str(b, buf_str(in));
}

/* n times an empty submessage of that field: two bytes each. */
static void many_empty(struct buf *b, unsigned field, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_add_char(b, (char)(field << 3 | 2));
		buf_add_char(b, 0);
	}
}

enum { IN_ASSIGNMENTS = 20, SERVICES = 3, ENDPOINTS = 2, HEADERS = 3 };

static void test_a_mebibyte_of_empty_messages(void **state)
{
	static const struct {
		const char *says;
		unsigned wraps[3], n_wraps, field; /* outermost first, below Envelope.assignments */
	} cases[] = {
		{ "services", { 0 }, 0, SERVICES },
		{ "endpoints of one service", { SERVICES }, 1, ENDPOINTS },
		{ "headers of one endpoint", { SERVICES, ENDPOINTS }, 2, HEADERS },
		{ "clocks, each over the last", { 0 }, 0, 4 },
		{ "fields nobody knows", { 0 }, 0, 15 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf in, out;
		struct wire_msg m = { .kind = WIRE_NONE };
		struct err err = { 0 };
		struct arena arena;
		buf_init(&in, 4 << 20);
		buf_init(&out, 4 << 20);
		many_empty(&in, cases[i].field, (WIRE_MESSAGE_MAX - 40) / 2);
		for (unsigned k = cases[i].n_wraps; k > 0; k--) {
			wrap(&out, cases[i].wraps[k - 1], &in);
			struct buf swap = in;
			in = out, out = swap;
			buf_clear(&out);
		}
		wrap(&out, IN_ASSIGNMENTS, &in);
		assert_true(out.n <= WIRE_MESSAGE_MAX);
		int rc = wire_decode(buf_str(&out), &m, &err);
		if (cases[i].field != 4 && cases[i].field != 15 && (rc != ERR_TOO_BIG || m.arena != NULL))
			fail_msg("%s: got %d '%s'", cases[i].says, rc, err.text);
		if (rc == 0)
			wire_free(&m);

		/* the same bytes through the same kind of arena: it never holds more than its cap */
		arena_init(&arena, WIRE_ARENA_MAX);
		(void)tidemark__envelope__unpack(&arena.pb, out.n, (const uint8_t *)out.p);
		assert_true(arena.high_water <= WIRE_ARENA_MAX);
		arena_fini(&arena);
		buf_fini(&in);
		buf_fini(&out);
	}
}

/* A small message may not even take the arena's cap: memory is bounded by what was sent. */
static void test_memory_follows_the_message(void **state)
{
	struct buf in, out;
	struct wire_msg m;
	struct err err = { 0 };
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	many_empty(&in, SERVICES, 20000);
	wrap(&out, IN_ASSIGNMENTS, &in);
	assert_int_equal(wire_decode(buf_str(&out), &m, &err), ERR_TOO_BIG);
	assert_non_null(strstr(err.text, "in memory"));
	buf_fini(&in);
	buf_fini(&out);
}

static void test_hostile_envelopes(void **state)
{
	static const struct {
		const char *says;
		struct str bytes;
		int code;
		const char *names;
	} cases[] = {
		{ "nothing", { "", 0 }, ERR_UNSUPPORTED, "no known kind" },
		{ "a kind of the future", { "\xA2\x06\x00", 3 }, ERR_UNSUPPORTED, "no known kind" },
		{ "text", { "GET / HTTP/1.1\r\n\r\n", 18 }, ERR_SYNTAX, "no Envelope" },
		{ "a submessage that claims 2 GiB", { "\x0A\xFF\xFF\xFF\xFF\x07", 6 }, ERR_SYNTAX,
			"no Envelope" },
		{ "a body that claims 4 GiB", { "\x12\x07\x22\xFF\xFF\xFF\xFF\x0F\x00", 9 }, ERR_SYNTAX,
			"no Envelope" },
		{ "an empty Hello", { "\x0A\x00", 2 }, ERR_NONSENSE, "hello.agent is missing" },
		{ "an empty Upload", { "\x12\x00", 2 }, ERR_NONSENSE, "upload.body is missing" },
		{ "an agent's name with a NUL",
			{ "\x0A\x05\x12\x03"
			  "a\0b",
				7 },
			ERR_SYNTAX, "hello.agent is not UTF-8" },
		{ "a region that is not UTF-8",
			{ "\x0A\x07\x12\x01"
			  "a\x32\x02\xC3\x28",
				9 },
			ERR_SYNTAX, "hello.region" },
		{ "an agent told as a number", { "\x0A\x02\x10\x01", 4 }, ERR_SYNTAX, "no Envelope" },
		{ "Hello and then Upload in one: the last counts",
			{ "\x0A\x03\x12\x01"
			  "a\x12\x00",
				7 },
			ERR_NONSENSE, "upload.body" },
		{ "a latitude that is no number",
			{ "\x0A\x0C\x12\x01"
			  "a\x39\0\0\0\0\0\0\xF8\x7F",
				14 },
			ERR_NONSENSE, "latitude" },
		{ "an endpoint whose path only its low byte makes good",
			{ "\xA2\x01\x17\x1A\x15\x0A\x01s\x12\x0E\x0A\x01"
			  "e\x12\x01u\x38\x80\x80\x80\x80\x01\x20\x00\x18\x01",
				26 },
			ERR_UNSUPPORTED, "path" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wire_msg m = { .kind = WIRE_BUSY };
		struct err err = { 0 };
		int rc = wire_decode(cases[i].bytes, &m, &err);
		if (rc != cases[i].code || strstr(err.text, cases[i].names) == NULL)
			fail_msg("%s: got %d '%s'", cases[i].says, rc, err.text);
		assert_true(m.kind == WIRE_BUSY && m.arena == NULL);
	}
	char *big = mem_new(WIRE_MESSAGE_MAX + 1);
	struct wire_msg m;
	struct err err;
	assert_int_equal(wire_decode((struct str){ big, WIRE_MESSAGE_MAX + 1 }, &m, &err), ERR_TOO_BIG);
	free(big);
}

/* One good message of every kind. */
static void good_messages(struct buf *bytes, size_t *n)
{
	static struct assign_header header = { .name = STR("a"), .value = STR("b") };
	static struct assign_endpoint endpoint = {
		.id = STR("e"), .url = STR("http://e/"), .headers = &header, .n_headers = 1
	};
	static struct assign_service service = { .name = STR("s"),
		.endpoints = &endpoint,
		.n_endpoints = 1,
		.interval_ms = 1,
		.burst_left_ms = 5 };
	struct assignments a = { .generation = 3, .services = &service, .n_services = 1 };
	const struct wire_msg all[] = {
		{ .kind = WIRE_HELLO,
			.hello = { .agent = STR("a"),
				.token = STR("t"),
				.region = STR("r"),
				.latitude = 1 } },
		{ .kind = WIRE_UPLOAD,
			.upload = { .body = STR("body"),
				.raw_size = 9,
				.has_offset = true,
				.lost_results = 1 } },
		{ .kind = WIRE_WATCH, .watch = { .generation = 1, .boot_id = 2, .sent_boot_us = 3 } },
		{ .kind = WIRE_WELCOME,
			.welcome = { 1, STR("s"), true },
			.clock = { true, 1, 2 },
			.assignments = a },
		{ .kind = WIRE_DENIED, .denied = { STR("revoked"), STR("text"), 7 } },
		{ .kind = WIRE_ACK, .ack = { 1, 2, STR("no") }, .clock = { true, 1, 2 } },
		{ .kind = WIRE_BUSY, .busy = { 1 } },
		{ .kind = WIRE_ASSIGNMENTS, .clock = { true, 1, 2 }, .assignments = a },
	};
	*n = ARRAY_LEN(all);
	for (size_t i = 0; i < *n; i++) {
		struct err err;
		buf_init(&bytes[i], WIRE_MESSAGE_MAX);
		if (wire_encode(&all[i], &bytes[i], &err) < 0)
			fail_msg("%zu: %s", i, err.text);
	}
}

static void decode_and_maybe_encode(struct str bytes, struct buf *again)
{
	struct wire_msg m;
	struct err err = { 0 };
	if (wire_decode(bytes, &m, &err) < 0) {
		assert_true(err.text[0] != '\0');
		return;
	}
	buf_clear(again);
	if (wire_encode(&m, again, &err) < 0) /* what decodes encodes */
		fail_msg("decoded, but does not encode: %s", err.text);
	wire_free(&m);
}

static void test_envelopes_cut_flipped_and_mixed(void **state)
{
	struct gen gen = { 7 };
	struct buf bytes[8], again;
	size_t n;
	good_messages(bytes, &n);
	buf_init(&again, WIRE_MESSAGE_MAX);
	for (size_t i = 0; i < n; i++) {
		char *p = bytes[i].p;
		for (size_t k = 0; k < bytes[i].n;
			k++) { /* cut; a heap copy, so that reading behind it is noticed */
			char *cut = mem_new(k);
			memcpy(cut, p, k);
			decode_and_maybe_encode((struct str){ cut, k }, &again);
			free(cut);
		}
		for (size_t k = 0; k < bytes[i].n * 8; k++) {
			p[k / 8] = (char)(p[k / 8] ^ (1 << k % 8));
			decode_and_maybe_encode(buf_str(&bytes[i]), &again);
			p[k / 8] = (char)(p[k / 8] ^ (1 << k % 8));
		}
		for (int k = 0; k < 3000; k++) {
			char mixed[256];
			size_t len = MIN(bytes[i].n, sizeof(mixed));
			memcpy(mixed, p, len);
			for (int m = 0; m < 4; m++)
				mixed[gen_below(&gen, len)] = (char)gen_u64(&gen);
			decode_and_maybe_encode((struct str){ mixed, len }, &again);
		}
	}
	for (size_t i = 0; i < n; i++)
		buf_fini(&bytes[i]);
	buf_fini(&again);
}

/* ---- arena ---- */

static void test_the_arena_keeps_its_cap(void **state)
{
	struct arena a;
	arena_init(&a, 100000);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_true(a.exceeded);
	arena_reset(&a);
	assert_null(arena_array(&a, SIZE_MAX / 8, 16)); /* would overflow to something small */
	arena_reset(&a);
	assert_null(arena_array(&a, 3, SIZE_MAX / 2));
	for (int round = 0; round < 3; round++) {
		size_t n = 0;
		arena_reset(&a);
		assert_false(a.exceeded);
		for (char *p; (p = arena_alloc(&a, 1 + n % 700)); n++) {
			assert_int_equal((uintptr_t)p % 16, 0);
			memset(p, 0x5A, 1 + n % 700);
		}
		assert_true(n > 250);
		assert_true(a.exceeded && a.high_water <= 100000);
		assert_null(arena_alloc(&a, 1)); /* failed stays failed until the reset */
	}
	char *zeroed = (arena_reset(&a), arena_array(&a, 10, 10));
	for (int i = 0; i < 100; i++)
		assert_int_equal(zeroed[i], 0);
	assert_non_null(arena_alloc(&a, 0));
	struct str s;
	assert_true(arena_copy(&a, STR("text"), &s) && str_is(s, "text") && s.p[4] == '\0');
	assert_false(arena_copy(&a, (struct str){ "x", 100000 }, &s));
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_mebibyte_of_empty_messages),
		cmocka_unit_test(test_memory_follows_the_message),
		cmocka_unit_test(test_hostile_envelopes),
		cmocka_unit_test(test_envelopes_cut_flipped_and_mixed),
		cmocka_unit_test(test_the_arena_keeps_its_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
