/* Why it is not fresh, as people read it. */
#include "tests/ctl/ctl_test.h"
#include "tests/ctl/lists.h"

#define WHY                                                                                                  \
	"{\"cause\":\"purge_missed_key\",\"also\":[],\"layer\":\"edge\",\"text\":\"purge p1 was of "         \
	"/version, which does "                                                                              \
	"not cover https://shop.example/version?format=json\\u001b[31m: the query string is part of the "    \
	"key\","                                                                                             \
	"\"evidence\":[{\"kind\":\"observation\",\"text\":\"seen 2026-03-01T10:00:00Z; Age 4590\"},"         \
	"{\"kind\":\"purge\",\"text\":\"cloudfront purge of /version\",\"id\":\"p1\"}],\"remarks\":[],"      \
	"\"sibling\":{\"endpoint\":\"plain\",\"edge\":\"cloudfront:FRA56-P3\",\"version\":\"v2\","           \
	"\"differs\":[{\"what\":"                                                                            \
	"\"Age\",\"here\":\"4590\",\"there\":\"20\"}]},\"refuted_by\":\"a purge of exactly this URL that "   \
	"leaves it\","                                                                                       \
	"\"next\":\"aws cloudfront create-invalidation --distribution-id E1 --paths "                        \
	"'/version*'\",\"eta\":null}"

static void edges_say_why(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/cells", 200,
		"{\"items\":[{\"service\":\"shop\",\"endpoint\":\"json\",\"edge\":\"cloudfront:FRA56-P3\","
		"\"vendor\":"
		"\"cloudfront\",\"state\":\"stale\",\"version\":\"v1\",\"expected\":\"v2\",\"cause\":\"purge_"
		"missed_key\","
		"\"why\":" WHY
		"},{\"service\":\"shop\",\"endpoint\":\"plain\",\"edge\":\"cloudfront:FRA56-P3\",\"state\":"
		"\"fresh\",\"version\":\"v2\",\"expected\":\"v2\",\"cause\":null,\"why\":null}],\"next\":"
		"null}");
	run_client(&r, f, true, NULL, ARGS("--no-color", "edges", "shop", "--why"));
	assert_int_equal(r.code, 0);
	must_contain("its cause", r.out.p, "cause     purge_missed_key");
	must_contain("the evidence", r.out.p, "cloudfront purge of /version");
	must_contain("what stands beside it", r.out.p, "Age: 4590 here, 20 there");
	must_contain("what would refute it", r.out.p, "refuted   a purge of exactly this URL");
	must_contain("one command", r.out.p, "next      aws cloudfront create-invalidation");
	must_contain("hostile text is spelled out", r.out.p, "\\x1b[31m");
	run_fini(&r);
	fake_stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(edges_say_why) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
