/* tidemark incidents: what is asked for, and how it is shown. */
#include "tests/ctl/ctl_test.h"
#include "tests/ctl/lists.h"

#define OPEN                                                                                                 \
	"{\"items\":[{\"id\":\"i_06h0m2bqrht2hnxk\",\"service\":\"shop\",\"deploy\":\"d_06h0m2bqrht2hnxk\",\"version\":\"v2\\u001b[31m\"," \
	"\"state\":\"open\",\"severity\":\"major\",\"opened_at\":\"2026-03-01T10:00:00Z\",\"cause\":\"purge_missed_key\","                \
	"\"not_fresh\":4,\"worst\":6,\"cells\":18}],\"next\":null}"

static void what_is_open_is_asked_for_and_shown(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/incidents", 200, OPEN);
	run_client(&r, f, false, NULL, ARGS("incidents", "--wide"));
	assert_int_equal(r.code, 0);
	must_contain("the columns", r.out.p, "INCIDENT            SERVICE  VERSION");
	must_contain("how many of how many", r.out.p, "4/18");
	must_contain("the cause", r.out.p, "purge_missed_key");
	must_not_contain("no colour of somebody else's", r.out.p, "\033");
	must_contain("open ones by default", fake_requests(f), "state=open");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("incidents", "--state", "all", "-o", "json"));
	must_contain("as the API has it", r.out.p, "\"worst\": 6");
	assert_int_equal(fake_count(f, "state=open"), 1);
	run_fini(&r);
	fake_stop(f);
}

static void none_is_said_so(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	fake_answer(f, "GET", "/api/v1/incidents", 200, "{\"items\":[],\"next\":null}");
	fake_answer(f, "GET", "/api/v1/services", 200, SERVICES);
	run_client(&r, f, false, NULL, ARGS("incidents", "shop"));
	assert_string_equal(r.out.p, "no open incidents\n");
	must_contain("of that service", fake_requests(f), "service=shop");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("incidents", "--state", "all"));
	assert_string_equal(r.out.p, "no incidents\n");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("incidents", "shpo"));
	assert_int_equal(r.code, 2);
	must_contain("a service that nobody watches", r.err.p, "did you mean 'shop'?");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("incidents", "--state", "closed"));
	assert_int_equal(r.code, 2);
	run_fini(&r);
	fake_stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_open_is_asked_for_and_shown),
		cmocka_unit_test(none_is_said_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
