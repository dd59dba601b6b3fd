/* Every kind of envelope there and back, and what is refused on either side. Hostile bytes are in
 * test_hostile.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gen.h"

/* Encodes, decodes, and encodes what came out: the bytes must be the same. The caller frees *ret. */
static void there_and_back(const struct wire_msg *in, struct wire_msg *ret)
{
	struct buf first, second;
	struct err err;
	buf_init(&first, WIRE_MESSAGE_MAX);
	buf_init(&second, WIRE_MESSAGE_MAX);
	if (wire_encode(in, &first, &err) < 0)
		fail_msg("does not encode: %s", err.text);
	if (wire_decode(buf_str(&first), ret, &err) < 0)
		fail_msg("does not decode: %s", err.text);
	memset(first.p, 0xA5, first.n); /* "bytes may go away after it returned" */
	if (wire_encode(ret, &second, &err) < 0)
		fail_msg("does not encode again: %s", err.text);
	buf_clear(&first);
	assert_int_equal(wire_encode(in, &first, &err), 0);
	assert_true(str_eq(buf_str(&first), buf_str(&second)));
	assert_int_equal(in->kind, ret->kind);
	buf_fini(&first);
	buf_fini(&second);
}

static void test_hello(void **state)
{
	struct wire_msg out, in = { .kind = WIRE_HELLO,
		.hello = { .protocol = PROTOCOL_VERSION,
			.agent = STR("fra-1"),
			.token = STR("\0\1\2\3 thirty-two bytes of token.."),
			.software = STR("tidemark-agent 0.1.0"),
			.region = STR("eu-central"),
			.epoch = UINT64_MAX,
			.boot_id = UINT64_C(0x8000000000000001),
			.generation = 7,
			.latitude = -50.03,
			.longitude = 8.57,
			.sent_boot_us = 123456789,
			.sent_wall_us = INT64_C(1764000000123456) } };
	there_and_back(&in, &out);
	assert_true(str_eq(out.hello.agent, in.hello.agent) && str_eq(out.hello.token, in.hello.token));
	assert_true(
		str_eq(out.hello.software, in.hello.software) && str_eq(out.hello.region, in.hello.region));
	assert_true(out.hello.protocol == in.hello.protocol && out.hello.epoch == in.hello.epoch);
	assert_true(out.hello.boot_id == in.hello.boot_id && out.hello.generation == in.hello.generation);
	assert_true(out.hello.latitude == in.hello.latitude && out.hello.longitude == in.hello.longitude);
	assert_true(out.hello.sent_boot_us == in.hello.sent_boot_us);
	assert_true(out.hello.sent_wall_us == in.hello.sent_wall_us);
	wire_free(&out);
}

static void test_upload(void **state)
{
	struct wire_msg out, in = { .kind = WIRE_UPLOAD,
		.upload = { .epoch = 5,
			.number = UINT64_MAX,
			.raw_size = BATCH_RAW_MAX,
			.body = STR("\x28\xb5\x2f\xfd\0\0\0"),
			.boot_id = 9,
			.has_offset = true,
			.clock_offset_us = INT64_C(-1763999876666666),
			.clock_uncertainty_us = 150,
			.sent_boot_us = 1,
			.sent_wall_us = 2,
			.spool_batches = 3,
			.spool_bytes = 4,
			.lost_results = 5,
			.held_back = 6,
			.lost_from_us = 7,
			.lost_to_us = 8 } };
	there_and_back(&in, &out);
	assert_true(str_eq(out.upload.body, in.upload.body));
	assert_true(out.upload.epoch == 5 && out.upload.number == UINT64_MAX &&
		    out.upload.raw_size == BATCH_RAW_MAX);
	assert_true(out.upload.has_offset && out.upload.clock_offset_us == in.upload.clock_offset_us);
	assert_true(out.upload.clock_uncertainty_us == 150 && out.upload.boot_id == 9);
	assert_true(
		out.upload.spool_batches == 3 && out.upload.spool_bytes == 4 && out.upload.lost_results == 5);
	assert_true(out.upload.held_back == 6 && out.upload.lost_from_us == 7 && out.upload.lost_to_us == 8);
	wire_free(&out);

	in.upload.has_offset = false;
	there_and_back(&in, &out);
	assert_false(out.upload.has_offset); /* not known is not zero */
	wire_free(&out);
}

static void test_short_answers(void **state)
{
	struct wire_msg out, watch = { .kind = WIRE_WATCH,
		.watch = { .generation = 77, .boot_id = 88, .sent_boot_us = 99 } };
	there_and_back(&watch, &out);
	assert_true(out.watch.generation == 77 && out.watch.boot_id == 88 && out.watch.sent_boot_us == 99);
	assert_false(out.watch.leaving || out.watch.shortfall.there);
	wire_free(&out);

	struct wire_msg denied = { .kind = WIRE_DENIED,
		.denied = { STR("revoked"), STR("this agent was revoked"), 60000 } };
	there_and_back(&denied, &out);
	assert_true(
		str_is(out.denied.reason, "revoked") && str_is(out.denied.text, "this agent was revoked"));
	assert_int_equal(out.denied.retry_after_ms, 60000);
	wire_free(&out);

	struct wire_msg ack = { .kind = WIRE_ACK, .ack = { 1, 2, STR("no") }, .clock = { true, 10, 20 } };
	there_and_back(&ack, &out);
	assert_true(out.ack.epoch == 1 && out.ack.number == 2 && str_is(out.ack.refused, "no"));
	assert_true(out.clock.there && out.clock.received_us == 10 && out.clock.sent_us == 20);
	wire_free(&out);

	struct wire_msg busy = { .kind = WIRE_BUSY, .busy = { 250 } };
	there_and_back(&busy, &out);
	assert_int_equal(out.busy.retry_after_ms, 250);
	assert_false(out.clock.there);
	wire_free(&out);
}

static void test_what_an_agent_does_not_do(void **state)
{
	struct wire_msg out, in = { .kind = WIRE_WATCH,
		.watch = { .generation = 1,
			.leaving = true,
			.shortfall = { .there = true,
				.held_back = 5000000000,
				.refused = 900,
				.refusals = { { STR("shop"), STR("version"), STR("not among allow_hosts") },
					{ STR("pay"), STR("root"), STR("") } },
				.n_refusals = 2 } } };
	there_and_back(&in, &out);
	const struct wire_shortfall *s = &out.watch.shortfall;
	assert_true(out.watch.leaving && s->there && s->held_back == 5000000000 && s->refused == 900);
	assert_int_equal(s->n_refusals, 2);
	assert_true(str_is(s->refusals[0].service, "shop") && str_is(s->refusals[0].endpoint, "version"));
	assert_true(str_is(s->refusals[0].why, "not among allow_hosts") &&
		    str_is(s->refusals[1].endpoint, "root"));
	wire_free(&out);

	struct buf bytes;
	struct err err;
	buf_init(&bytes, WIRE_MESSAGE_MAX);
	in.watch.shortfall.n_refusals = SHORTFALL_NAMES_MAX + 1;
	assert_int_equal(wire_encode(&in, &bytes, &err), ERR_TOO_BIG);
	in.watch.shortfall.n_refusals = 1;
	in.watch.shortfall.refusals[0].endpoint = STR("");
	assert_int_equal(wire_encode(&in, &bytes, &err), ERR_NONSENSE);
	buf_fini(&bytes);
}

static struct assignments sample_assignments(void)
{
	static struct assign_header headers[] = { { STR("Accept-Encoding"), STR("br"), STR_NONE },
		{ STR("X-Secret"), STR(""), STR("SHOP_KEY") } };
	static struct assign_endpoint shop[] = {
		{ .id = STR("version"),
			.url = STR("https://api.example.com/version?a=1"),
			.extract = EXTRACT_JSON,
			.extract_arg = STR("/version"),
			.headers = headers,
			.n_headers = 2,
			.redirects = 2,
			.max_body = 65536,
			.pop_header = STR("x-pop"),
			.pop_vendor = STR("self"),
			.address = STR("2001:db8::7") },
		{ .id = STR("origin:version"),
			.url = STR("https://api.example.com/version"),
			.extract = EXTRACT_SHA256,
			.connect_to = STR("10.0.0.5:443"),
			.path = 1,
			.fresh_connection = true,
			.addresses = ADDRESSES_ALL,
			.ip_version = 6 },
	};
	static struct assign_service services[] = {
		{ STR("shop@production"), shop, 2, 30000, 10000, 1000, 900000 },
		{ STR("empty"), NULL, 0, 60000, 5000, 0, 0 },
	};
	return (struct assignments){ .generation = UINT64_C(1) << 63, .services = services, .n_services = 2 };
}

static void same_assignments(const struct assignments *a, const struct assignments *b)
{
	assert_true(a->generation == b->generation && a->n_services == b->n_services);
	const struct assign_service *s = &b->services[0];
	assert_true(
		str_is(s->name, "shop@production") && s->n_endpoints == 2 && b->services[1].n_endpoints == 0);
	assert_true(s->interval_ms == 30000 && s->timeout_ms == 10000);
	assert_true(s->burst_interval_ms == 1000 && s->burst_left_ms == 900000 &&
		    b->services[1].burst_left_ms == 0);
	const struct assign_endpoint *e = s->endpoints;
	assert_true(str_is(e[0].id, "version") && str_is(e[0].url, "https://api.example.com/version?a=1"));
	assert_true(e[0].extract == EXTRACT_JSON && str_is(e[0].extract_arg, "/version"));
	assert_true(
		e[0].n_headers == 2 && str_is(e[0].headers[0].value, "br") && e[0].headers[1].value.n == 0);
	assert_true(e[0].headers[0].agent_env.n == 0 && str_is(e[0].headers[1].agent_env, "SHOP_KEY"));
	assert_true(
		e[0].redirects == 2 && e[0].max_body == 65536 && e[0].path == 0 && !e[0].fresh_connection);
	assert_true(str_is(e[0].pop_header, "x-pop") && str_is(e[0].pop_vendor, "self"));
	assert_true(
		e[1].extract == EXTRACT_SHA256 && str_is(e[1].connect_to, "10.0.0.5:443") && e[1].path == 1);
	assert_true(e[1].fresh_connection && e[1].ip_version == 6 && e[1].n_headers == 0);
	assert_true(str_is(e[0].address, "2001:db8::7") && e[0].addresses == ADDRESSES_DNS);
	assert_true(e[1].address.n == 0 && e[1].addresses == ADDRESSES_ALL);
}

static void test_assignments(void **state)
{
	struct wire_msg out, in = { .kind = WIRE_ASSIGNMENTS, .clock = { true, 1, 2 } };
	in.assignments = sample_assignments();
	there_and_back(&in, &out);
	same_assignments(&in.assignments, &out.assignments);
	assert_true(out.clock.there && !out.assignments.unchanged);
	wire_free(&out);

	in.assignments = (struct assignments){ .generation = 4, .unchanged = true };
	there_and_back(&in, &out);
	assert_true(out.assignments.unchanged && out.assignments.generation == 4 &&
		    out.assignments.n_services == 0);
	wire_free(&out);
}

static void test_welcome(void **state)
{
	struct wire_msg out, in = { .kind = WIRE_WELCOME,
		.welcome = { 1, STR("tidemark-collector 0.1.0"), true },
		.clock = { true, 5, 6 } };
	in.assignments = sample_assignments();
	there_and_back(&in, &out);
	assert_true(out.welcome.has_assignments && str_is(out.welcome.software, "tidemark-collector 0.1.0"));
	same_assignments(&in.assignments, &out.assignments);
	wire_free(&out);

	in.welcome.has_assignments = false;
	there_and_back(&in, &out);
	assert_false(out.welcome.has_assignments); /* the agent's are current */
	wire_free(&out);
}

/* What we may not send, because nobody would take it. */
static void test_caps(void **state)
{
	static char big[WIRE_MESSAGE_MAX];
	memset(big, 'x', sizeof(big));
	struct assign_header *many_headers = mem_new_array(ASSIGN_HEADERS_MAX + 1, sizeof(*many_headers));
	struct assign_endpoint *many_endpoints =
		mem_new_array(ASSIGN_ENDPOINTS_MAX + 1, sizeof(*many_endpoints));
	struct assign_service *many_services = mem_new_array(ASSIGN_SERVICES_MAX + 1, sizeof(*many_services));
	for (size_t i = 0; i <= ASSIGN_HEADERS_MAX; i++)
		many_headers[i] = (struct assign_header){ .name = STR("h"), .value = STR("v") };
	for (size_t i = 0; i <= ASSIGN_ENDPOINTS_MAX; i++)
		many_endpoints[i] = (struct assign_endpoint){ .id = STR("e"), .url = STR("http://e/") };
	for (size_t i = 0; i <= ASSIGN_SERVICES_MAX; i++)
		many_services[i] = (struct assign_service){ .name = STR("s"), .interval_ms = 1 };

#define HELLO(...)                                                                                           \
	{                                                                                                    \
		.kind = WIRE_HELLO, .hello = { __VA_ARGS__ }                                                 \
	}
#define UPLOAD(...)                                                                                          \
	{                                                                                                    \
		.kind = WIRE_UPLOAD, .upload = { __VA_ARGS__ }                                               \
	}
#define ENDPOINT(...)                                                                                        \
	{                                                                                                    \
		.kind = WIRE_ASSIGNMENTS, .assignments = {                                                   \
			.n_services = 1,                                                                     \
			.services = &(struct assign_service){ .name = STR("s"),                              \
				.interval_ms = 1,                                                            \
				.n_endpoints = 1,                                                            \
				.endpoints = &(struct assign_endpoint){ __VA_ARGS__ } }                      \
		}                                                                                            \
	}
	const struct {
		const char *says;
		struct wire_msg msg;
		int code;
		const char *field;
	} cases[] = {
		{ "no kind", { .kind = WIRE_NONE }, ERR_UNSUPPORTED, "kind" },
		{ "an agent without a name", { .kind = WIRE_HELLO }, ERR_NONSENSE, "hello.agent" },
		{ "a name too long", HELLO(.agent = { big, OBS_NAME_MAX + 1 }), ERR_TOO_BIG, "hello.agent" },
		{ "a name with a NUL", HELLO(.agent = STR("a\0b")), ERR_SYNTAX, "hello.agent" },
		{ "a region that is not UTF-8", HELLO(.agent = STR("a"), .region = STR("\xC0\x80")),
			ERR_SYNTAX, "hello.region" },
		{ "a token too long", HELLO(.agent = STR("a"), .token = { big, HELLO_TOKEN_BYTES + 1 }),
			ERR_TOO_BIG, "hello.token" },
		{ "a latitude off the map", HELLO(.agent = STR("a"), .latitude = 90.1), ERR_NONSENSE,
			"latitude" },
		{ "a longitude that is no number", HELLO(.agent = STR("a"), .longitude = __builtin_nan("")),
			ERR_NONSENSE, "longitude" },
		{ "a time at the end of time", HELLO(.agent = STR("a"), .sent_boot_us = INT64_MAX),
			ERR_NONSENSE, "sent_boot_us" },
		{ "no body", UPLOAD(.raw_size = 1, .body = STR("")), ERR_NONSENSE, "upload.body" },
		{ "a body too big", UPLOAD(.raw_size = 1, .body = { big, BATCH_PACKED_MAX + 1 }), ERR_TOO_BIG,
			"upload.body" },
		{ "a raw size too big", UPLOAD(.body = STR("b"), .raw_size = BATCH_RAW_MAX + 1), ERR_TOO_BIG,
			"raw_size" },
		{ "a raw size of nothing", UPLOAD(.body = STR("b"), .raw_size = 0), ERR_TOO_BIG, "raw_size" },
		{ "an offset that would overflow",
			UPLOAD(.body = STR("b"), .raw_size = 1, .clock_offset_us = INT64_MIN), ERR_NONSENSE,
			"clock_offset_us" },
		{ "an endless uncertainty",
			UPLOAD(.body = STR("b"), .raw_size = 1, .clock_uncertainty_us = UINT64_MAX),
			ERR_NONSENSE, "uncertainty" },
		{ "a url too long", ENDPOINT(.id = STR("e"), .url = { big, ASSIGN_TEXT_MAX + 1 }),
			ERR_TOO_BIG, "service 0: endpoint 0: url" },
		{ "no url", ENDPOINT(.id = STR("e"), .url = STR("")), ERR_NONSENSE, "url" },
		{ "no id", ENDPOINT(.url = STR("http://e/"), .id = STR("")), ERR_NONSENSE, "id" },
		{ "an extraction of the future",
			ENDPOINT(.id = STR("e"), .url = STR("http://e/"), .extract = EXTRACT_COUNT),
			ERR_UNSUPPORTED, "extract" },
		{ "a path of the future", ENDPOINT(.id = STR("e"), .url = STR("http://e/"), .path = 2),
			ERR_UNSUPPORTED, "path" },
		{ "IPv5", ENDPOINT(.id = STR("e"), .url = STR("http://e/"), .ip_version = 5), ERR_NONSENSE,
			"ip_version" },
		{ "addresses of a later version",
			ENDPOINT(.id = STR("e"), .url = STR("http://e/"), .addresses = ADDRESSES_COUNT),
			ERR_UNSUPPORTED, "addresses" },
		{ "two words on where to connect",
			ENDPOINT(.id = STR("e"), .url = STR("http://e/"), .address = STR("192.0.2.1"),
				.connect_to = STR("o:1")),
			ERR_NONSENSE, "address" },
		{ "too many headers",
			ENDPOINT(.id = STR("e"), .url = STR("http://e/"), .headers = many_headers,
				.n_headers = ASSIGN_HEADERS_MAX + 1),
			ERR_TOO_BIG, "headers" },
		{ "too many services",
			{ .kind = WIRE_ASSIGNMENTS,
				.assignments = { .services = many_services,
					.n_services = ASSIGN_SERVICES_MAX + 1 } },
			ERR_TOO_BIG, "services" },
		{ "too many endpoints",
			{ .kind = WIRE_ASSIGNMENTS,
				.assignments = { .n_services = 1,
					.services = &(struct assign_service){ .name = STR("s"),
						.interval_ms = 1,
						.endpoints = many_endpoints,
						.n_endpoints = ASSIGN_ENDPOINTS_MAX + 1 } } },
			ERR_TOO_BIG, "endpoints" },
		{ "a service without an interval",
			{ .kind = WIRE_ASSIGNMENTS,
				.assignments = { .n_services = 1,
					.services = &(struct assign_service){ .name = STR("s") } } },
			ERR_NONSENSE, "interval_ms" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out;
		struct err err;
		buf_init(&out, WIRE_MESSAGE_MAX);
		int rc = wire_encode(&cases[i].msg, &out, &err);
		if (rc != cases[i].code || strstr(err.text, cases[i].field) == NULL)
			fail_msg("%s: got %d '%s'", cases[i].says, rc, rc ? err.text : "");
		assert_int_equal(out.n, 0);
		buf_fini(&out);
	}
	free(many_headers);
	free(many_endpoints);
	free(many_services);
}

static void test_too_big_in_all(void **state)
{
	static char text[ASSIGN_TEXT_MAX];
	struct assign_endpoint *endpoints = mem_new_array(ASSIGN_ENDPOINTS_MAX, sizeof(*endpoints));
	struct assign_service service = { .name = STR("s"),
		.interval_ms = 1,
		.endpoints = endpoints,
		.n_endpoints = ASSIGN_ENDPOINTS_MAX };
	struct wire_msg m = { .kind = WIRE_ASSIGNMENTS,
		.assignments = { .services = &service, .n_services = 1 } };
	struct buf out;
	struct err err;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < ASSIGN_ENDPOINTS_MAX; i++)
		endpoints[i] = (struct assign_endpoint){ .id = STR("e"), .url = { text, sizeof(text) } };
	buf_init(&out, 16 * WIRE_MESSAGE_MAX);
	assert_int_equal(wire_encode(&m, &out, &err), ERR_TOO_BIG);
	buf_fini(&out);
	free(endpoints);
}

static void test_denials_have_names_and_cures(void **state)
{
	for (enum denial d = 0; d < DENIAL_COUNT; d++)
		assert_true(strlen(denial_name(d)) > 3 && strlen(denial_text(d)) > 10);
	assert_string_equal(denial_name(DENIED_HELLO_FIRST), "hello_first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_short_answers),
		cmocka_unit_test(test_what_an_agent_does_not_do),
		cmocka_unit_test(test_assignments),
		cmocka_unit_test(test_welcome),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_too_big_in_all),
		cmocka_unit_test(test_denials_have_names_and_cures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
