/* When the raw headers go along, and what is struck out of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/evidence.h"

static void when_it_goes_along(void **state)
{
	struct evidence e = { 0 };
	static const struct {
		const char *says, *edge, *version;
		int status, at_s;
		bool due;
	} steps[] = {
		{ "at first sight", "a:1", "v1", 200, 0, true },
		{ "not again", "a:1", "v1", 200, 1, false },
		{ "nor after minutes of the same", "a:1", "v1", 200, 599, false },
		{ "but every ten minutes", "a:1", "v1", 200, 600, true },
		{ "ten minutes from the last", "a:1", "v1", 200, 1199, false },
		{ "another version", "a:1", "v2", 200, 1200, true },
		{ "another edge", "a:2", "v2", 200, 1202, true },
		{ "an edge that answers in turn with another has not changed", "a:1", "v2", 200, 1290,
			false },
		{ "nor has the other", "a:2", "v2", 200, 1291, false },
		{ "back to a version from long ago", "a:1", "v1", 200, 1292, true },
		{ "flapping: a version whose minute is over", "a:1", "v2", 200, 1293, true },
		{ "flapping: the same pair within its minute", "a:1", "v1", 200, 1294, false },
		{ "flapping goes on", "a:1", "v2", 200, 1295, false },
		{ "another status of a pair within its minute", "a:1", "v1", 503, 1296, false },
		{ "which is owed, and goes along when the minute is over", "a:1", "v1", 503, 1352, true },
		{ "no version is a version too", "a:1", "", 200, 1353, true },
		{ "a status that changed, its pair's minute over", "a:1", "", 500, 1413, true },
		{ "and stays", "a:1", "", 500, 1474, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (evidence_due(&e, str_of(steps[i].edge), str_of(steps[i].version), steps[i].status,
			    1000 * US_PER_S + steps[i].at_s * US_PER_S) != steps[i].due)
			fail_msg("%s", steps[i].says);
}

static void what_is_struck_out(void **state)
{
	static const struct {
		const char *says, *block, *want;
	} cases[] = {
		{ "plain headers stay", "HTTP/1.1 200 OK\r\nAge: 5\r\nX-Cache: HIT\r\n\r\n",
			"HTTP/1.1 200 OK\r\nAge: 5\r\nX-Cache: HIT\r\n" },
		{ "cookies", "HTTP/1.1 200 OK\r\nSet-Cookie: id=secret\r\nAge: 5\r\n\r\n",
			"HTTP/1.1 200 OK\r\nSet-Cookie: [struck out]\r\nAge: 5\r\n" },
		{ "in any case, and more than once", "set-COOKIE: a\r\nset-cookie: b\r\n",
			"set-COOKIE: [struck out]\r\nset-cookie: [struck out]\r\n" },
		{ "credentials echoed back", "Authorization: Bearer x\r\nProxy-Authorization: y\r\n",
			"Authorization: [struck out]\r\nProxy-Authorization: [struck out]\r\n" },
		{ "tokens and keys",
			"X-Auth-Token: t\r\nX-Api-Key: k\r\nX-Csrf-Token: c\r\nX-Amz-Security-Token: z\r\n",
			"X-Auth-Token: [struck out]\r\nX-Api-Key: [struck out]\r\nX-Csrf-Token: [struck "
			"out]\r\n"
			"X-Amz-Security-Token: [struck out]\r\n" },
		{ "a secret that goes on in the next line", "Set-Cookie: a\r\n  b=secret\r\nAge: 1\r\n",
			"Set-Cookie: [struck out]\r\nAge: 1\r\n" },
		{ "a name nobody can have looked at",
			"X-"
			"123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
			"567890"
			"123456789012345678901234567890123456789012345678901234567890: v\r\n",
			"X-"
			"123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
			"567890"
			"123456789012345678901234567890123456789012345678901234567890: [struck out]\r\n" },
		{ "a line without a colon", "nonsense\r\nAge: 1\r\n", "nonsense\r\nAge: 1\r\n" },
		{ "nothing", "", "" },
	};
	struct buf out;
	buf_init(&out, OBS_EVIDENCE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		evidence_write(&out, str_of(cases[i].block));
		if (!str_is(buf_str(&out), cases[i].want))
			fail_msg("%s: got '%.*s'", cases[i].says, STR_ARG(buf_str(&out)));
	}
	buf_fini(&out);
}

static void long_blocks_end_between_two_lines(void **state)
{
	struct buf block, out;
	buf_init(&block, 65536);
	buf_init(&out, OBS_EVIDENCE_MAX);
	buf_addf(&block, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 1000; i++)
		buf_addf(&block, "X-Long-%04d: %s\r\n", i, i % 3 ? "value" : "another value");
	evidence_write(&out, buf_str(&block));
	assert_true(out.n <= OBS_EVIDENCE_MAX && out.n > OBS_EVIDENCE_MAX - 40);
	assert_true(str_ends(buf_str(&out), "value\r\n"));
	assert_false(buf_failed(&out));
	buf_fini(&block);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_it_goes_along),
		cmocka_unit_test(what_is_struck_out),
		cmocka_unit_test(long_blocks_end_between_two_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
