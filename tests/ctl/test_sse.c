/* Server-Sent Events: what the standard says, however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/ctl/sse.h"

static struct buf told;
static int wanted;

static bool note(void *ctx, const struct sse_event *e)
{
	buf_addf(&told, "<%.*s|%.*s|%.*s>", STR_ARG(e->type), STR_ARG(e->data), STR_ARG(e->id));
	return --wanted != 0;
}

static const struct {
	const char *says, *bytes, *want;
} cases[] = {
	{ "one event", "event: cell\nid: 5.0\ndata: {}\n\n", "<cell|{}|5.0>" },
	{ "without a type it is a message", "data: x\n\n", "<message|x|>" },
	{ "the space behind the colon is optional, one is taken", "data:x\n\ndata:  y\n\n",
		"<message|x|><message| y|>" },
	{ "data over several lines", "data: a\ndata: b\ndata:\n\n", "<message|a\nb\n|>" },
	{ "comments say nothing", ": tidemark\n\n: still here\ndata: x\n\n", "<message|x|>" },
	{ "the id stays for those that have none", "id: 1\ndata: a\n\ndata: b\n\n",
		"<message|a|1><message|b|1>" },
	{ "an id without data is remembered, and no event", "id: 7.2\n\ndata: x\n\n", "<message|x|7.2>" },
	{ "an empty id forgets", "id: 1\n\nid:\ndata: x\n\n", "<message|x|>" },
	{ "an id that cannot be a header is none", "id: 1\nid: a b\nid: c\x7f\ndata: x\n\n",
		"<message|x|1>" },
	{ "DOS line ends", "event: a\r\ndata: x\r\n\r\ndata: y\r\n\r\n", "<a|x|><message|y|>" },
	{ "old Mac line ends", "data: x\r\rdata: y\r\r", "<message|x|><message|y|>" },
	{ "a field without a colon", "data\n\n", "<message||>" },
	{ "unknown fields are passed over", "foo: bar\ndata: x\n\n", "<message|x|>" },
	{ "what is not ended is not told", "data: x\n", "" },
	{ "a type without data is forgotten", "event: a\n\ndata: x\n\n", "<message|x|>" },
	{ "nothing at all", "\n\n\n", "" },
};

static void events_are_read_however_they_are_cut(void **state)
{
	buf_init(&told, 65536);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = strlen(cases[i].bytes);
		for (size_t step = 1; step <= n; step++) {
			struct sse s;
			sse_init(&s, note, NULL);
			buf_clear(&told);
			for (size_t at = 0; at < n; at += step)
				assert_true(
					sse_feed(&s, (struct str){ cases[i].bytes + at, MIN(step, n - at) }));
			if (!str_is(buf_str(&told), cases[i].want))
				fail_msg("%s, %zu bytes a piece: %.*s", cases[i].says, step,
					STR_ARG(buf_str(&told)));
			sse_fini(&s);
		}
	}
	buf_fini(&told);
}

static void a_new_connection_keeps_only_the_id(void **state)
{
	struct sse s;
	buf_init(&told, 65536);
	sse_init(&s, note, NULL);
	assert_true(sse_feed(&s, STR("id: 3.1\ndata: x\n\nevent: half\ndata: lo")));
	sse_restart(&s);
	assert_true(sse_feed(&s, STR("st\n\ndata: y\n\n")));
	assert_string_equal(told.p, "<message|x|3.1><message|y|3.1>");
	sse_fini(&s);
	buf_fini(&told);
}

static void the_pause_is_the_servers_within_reason(void **state)
{
	static const struct {
		const char *bytes;
		int64_t want_us;
	} pauses[] = { { "retry: 2000\n", 2 * US_PER_S }, { "retry: 0\n", 0 },
		{ "retry: 99999999\n", 60 * US_PER_S }, { "retry: soon\n", -1 }, { "retry: -5\n", -1 },
		{ "", -1 } };
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		struct sse s;
		sse_init(&s, note, NULL);
		assert_true(sse_feed(&s, str_of(pauses[i].bytes)));
		assert_true(s.retry_us == pauses[i].want_us);
		sse_fini(&s);
	}
}

static void the_reader_may_end_it(void **state)
{
	struct sse s;
	buf_init(&told, 65536);
	sse_init(&s, note, NULL);
	wanted = 2;
	assert_false(sse_feed(&s, STR("data: a\n\ndata: b\n\ndata: c\n\n")));
	assert_string_equal(told.p, "<message|a|><message|b|>");
	wanted = 0;
	sse_fini(&s);
	buf_fini(&told);
}

static void nothing_grows_without_end(void **state)
{
	static char big[65536];
	struct sse s;
	memset(big, 'x', sizeof(big));
	for (int in_lines = 0; in_lines < 2; in_lines++) {
		size_t fed = 0;
		sse_init(&s, note, NULL);
		assert_true(sse_feed(&s, STR("data: ")));
		if (in_lines)
			memcpy(big + sizeof(big) - 7, "\ndata: ", 7);
		while (sse_feed(&s, (struct str){ big, sizeof(big) }))
			assert_true((fed += sizeof(big)) < 2 * (size_t)SSE_EVENT_MAX);
		sse_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_read_however_they_are_cut),
		cmocka_unit_test(a_new_connection_keeps_only_the_id),
		cmocka_unit_test(the_pause_is_the_servers_within_reason),
		cmocka_unit_test(the_reader_may_end_it),
		cmocka_unit_test(nothing_grows_without_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
