/* tidemark postmortem: a report that reads by itself, whatever the texts in it are. */
#include <unistd.h>

#include "collector/ctl/markdown.h"
#include "collector/ctl/postmortem.h"
#include "tests/ctl/ctl_test.h"

#define CURVE                                                                                                \
	"\"known\":4,\"observed\":4,\"converged\":3,\"converged_share\":0.75,\"t50_s\":[1.5,2],\"t90_s\":null,\"t95_s\":null," \
	"\"t99_s\":null,\"t100_s\":null"
#define DEPLOY                                                                                               \
	"{\"id\":\"d_1\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"failed\",\"reason\":\"1 of 4 observed cells do not serve v2\"," \
	"\"started_at\":\"2026-03-01T10:00:00Z\",\"live_at\":\"2026-03-01T10:00:10.5Z\",\"live_source\":\"declared\","        \
	"\"decided_at\":\"2026-03-01T10:15:10Z\",\"received_at\":\"2026-03-01T10:00:01Z\",\"source\":\"ci\",\"revision\":null," \
	"\"cause\":\"purge_missed_key\",\"causes\":{\"purge_missed_key\":1},\"unexplained\":0,"                               \
	"\"why\":{\"text\":\"purge p_1 was of /a\",\"layer\":\"edge\",\"evidence\":[{\"kind\":\"header\",\"text\":\"Age 14400\"}]," \
	"\"refuted_by\":\"a purge that leaves it\",\"next\":\"purge '/b```'\"},"                                              \
	"\"layers\":{\"edge\":\"fail\",\"shield\":\"not_configured\",\"pods\":\"pass\"},\"layer_evidence\":{\"pods\":\"3 of 3 have v2\"}," \
	"\"propagation\":{" CURVE ",\"by\":{\"vendor\":{\"self\":{" CURVE "}}}},"                                             \
	"\"unobserved\":[{\"endpoint\":\"v\",\"edge\":\"self:gone\"}],"                                                       \
	"\"not_fresh\":[{\"endpoint\":\"v\",\"edge\":\"self:fra\",\"state\":\"stale\",\"version\":\"v1\",\"expected\":\"v2\",\"cause\":\"purge_missed_key\"}]," \
	"\"advisories\":[{\"code\":\"browser_tail\",\"endpoint\":\"v\",\"text\":\"browsers keep it for 60 s\"}],\"next\":[]}"
#define HISTORY                                                                                              \
	"{\"from\":\"2026-03-01T10:00:00Z\",\"to\":\"2026-03-01T11:00:00Z\","                                 \
	"\"verdicts\":[{\"at\":\"2026-03-01T10:15:10Z\",\"from\":\"converging\",\"to\":\"failed\",\"reason\":\"time is up\"}]," \
	"\"transitions\":["                                                                                   \
	"{\"at\":\"2026-03-01T10:00:11Z\",\"endpoint\":\"v\",\"edge\":\"self:fra\",\"from\":\"fresh\",\"to\":\"stale\",\"version\":\"v1\"}," \
	"{\"at\":\"2026-03-01T10:00:12Z\",\"endpoint\":\"v\",\"edge\":\"self:iad\",\"from\":\"fresh\",\"to\":\"stale\",\"version\":\"v1\"}," \
	"{\"at\":\"2026-03-01T10:00:13Z\",\"endpoint\":\"w\",\"edge\":\"self:iad\",\"from\":\"stale\",\"to\":\"fresh\",\"version\":\"v2\"}," \
	"{\"at\":\"2026-03-01T10:50:00Z\",\"endpoint\":\"w\",\"edge\":\"self:iad\",\"from\":\"fresh\",\"to\":\"stale\",\"version\":\"v2\"}]," \
	"\"transitions_cut\":true}"
#define PURGES                                                                                               \
	"{\"items\":[{\"id\":\"p_1\",\"vendor\":\"self\",\"requested_at\":\"2026-03-01T10:00:12Z\",\"completed_at\":\"2026-03-01T10:00:20Z\"," \
	"\"everything\":false,\"patterns\":[\"/a*\"],\"tags\":[]},"                                           \
	"{\"id\":\"p_0\",\"vendor\":\"self\",\"requested_at\":\"2026-02-01T10:00:12Z\",\"patterns\":[\"/long-ago\"]}],\"next\":null}"
#define INCIDENT                                                                                             \
	"{\"id\":\"i_1\",\"severity\":\"major\",\"state\":\"resolved\",\"opened_at\":\"2026-03-01T10:15:10Z\","         \
	"\"resolved_at\":\"2026-03-01T10:35:10Z\",\"worst\":1,\"cells\":4,\"cause\":\"purge_missed_key\",\"events\":["  \
	"{\"at\":\"2026-03-01T10:15:10Z\",\"event\":\"opened\",\"severity\":\"major\",\"cause\":\"purge_missed_key\",\"not_fresh\":1,"  \
	"\"cells\":4,\"text\":\"purge p_1 was of /a\"},"                                                      \
	"{\"at\":\"2026-03-01T10:35:10Z\",\"event\":\"resolved\",\"severity\":\"major\",\"cause\":\"purge_missed_key\",\"not_fresh\":0,"  \
	"\"cells\":4,\"text\":\"every observed cell serves v2\"}]}"

static void told(struct fake *f, bool incident)
{
	fake_answer(f, "GET", "/api/v1/deploys/d_1", 200, DEPLOY);
	fake_answer(f, "GET", "/api/v1/deploys/d_1/history", 200, HISTORY);
	fake_answer(f, "GET", "/api/v1/purges", 200, PURGES);
	if (incident)
		fake_answer(f, "GET", "/api/v1/incidents/d_1", 200, INCIDENT);
}

static void timeline_propagation_and_causes(void **state)
{
	static const char *const lines[] = {
		"# Postmortem: shop v2\n",
		"| verdict | **failed**: 1 of 4 observed cells do not serve v2 |\n",
		"| live | 2026-03-01 10:00:10, declared |\n",
		"| decided | 2026-03-01 10:15:10, 14m59s after it was live |\n",
		"| incident | major, opened 2026-03-01 10:15:10, resolved 2026-03-01 10:35:10, 20m later; at worst 1 of 4 cells |\n",
		"| 2026-03-01 10:00:00 | -10s | the deploy started |\n",
		"| 2026-03-01 10:00:01 | -9.5s | tidemark was told of it |\n",
		"| 2026-03-01 10:00:10 | +0s | **live** (declared) |\n",
		" | 2 cells from fresh to stale, serving v1: v at self:fra, v at self:iad |\n",
		" | 1 cell from stale to fresh, serving v2: w at self:iad |\n",
		" | purge p\\_1 at self of /a\\* |\n",
		" | incident **resolved** (major), purge\\_missed\\_key |\n",
		"More changes of cells followed than fit here",
		"| all cells | 4 | 4 | 3 | 1.5s to 2s | not reached | not reached |\n| vendor self | 4 |",
		"Not observed since it started, 1 known before: v at self:gone.\n",
		"**purge\\_missed\\_key**: purge p\\_1 was of /a\n\n- Age 14400\n- It would be refuted by a purge that leaves it.\n",
		"- 2026-03-01 10:15:10, opened: purge p\\_1 was of /a\n",
		"| purge\\_missed\\_key | 1 |\n",
		"| edge | fail |  |\n| pods | pass | 3 of 3 have v2 |\n",
		"| v | self:fra | stale | v1 | v2 | purge\\_missed\\_key |\n",
		"## To be known\n\n- v: browsers keep it for 60 s\n",
		"## Next\n\n````sh\npurge '/b```'\n````\n",
	};
	struct fake *f = fake_start();
	struct run r;
	told(f, true);
	run_client(&r, f, false, NULL, ARGS("postmortem", "d_1"));
	assert_int_equal(r.code, 0);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		must_contain("in the report", r.out.p, lines[i]);
	must_not_contain("a purge of last month", r.out.p, "long-ago");
	must_not_contain("what came when all was over", r.out.p, "10:50:00");
	run_fini(&r);
	fake_stop(f);
}

static void an_incident_names_its_deploy(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	told(f, false);
	fake_answer(f, "GET", "/api/v1/incidents/i_1", 200, "{\"id\":\"i_1\",\"deploy\":\"d_1\",\"opened_at\":\"2026-03-01T10:15:10Z\"}");
	run_client(&r, f, false, NULL, ARGS("postmortem", "i_1"));
	assert_int_equal(r.code, 0);
	must_contain("its deploy", r.out.p, "# Postmortem: shop v2\n");
	must_contain("its state", r.out.p, "**still open**");
	run_fini(&r);
	fake_stop(f);
}

static void most_deploys_have_no_incident(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	told(f, false);
	run_client(&r, f, false, NULL, ARGS("postmortem", "d_1"));
	assert_int_equal(r.code, 0);
	must_not_contain("none", r.out.p, "| incident |");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("postmortem", "d_1", "-o", "json"));
	must_contain("what it is made of", r.out.p, "\"transitions_cut\": true");
	run_fini(&r);
	fake_stop(f);
}

static void a_file_is_written_or_it_is_said_why_not(void **state)
{
	char path[64];
	struct fake *f = fake_start();
	struct run r;
	told(f, false);
	snprintf(path, sizeof(path), "/tmp/tidemark-postmortem.%d.md", (int)getpid());
	run_client(&r, f, false, NULL, ARGS("postmortem", "d_1", "--file", path));
	assert_int_equal(r.code, 0);
	assert_int_equal(r.out.n, 0);
	assert_int_equal(access(path, R_OK), 0);
	unlink(path);
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("postmortem", "d_1", "--file", "/nowhere/report.md"));
	assert_int_equal(r.code, 1);
	must_contain("the place", r.err.p, "--file /nowhere/report.md: No such file");
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("postmortem", "d_1", "--file", "/dev/full"));
	assert_int_equal(r.code, 1);
	run_fini(&r);
	fake_stop(f);
}

static void no_such_deploy(void **state)
{
	struct fake *f = fake_start();
	struct run r;
	run_client(&r, f, false, NULL, ARGS("postmortem", "d_9"));
	assert_int_equal(r.code, 1);
	run_fini(&r);
	run_client(&r, f, false, NULL, ARGS("postmortem"));
	assert_int_equal(r.code, 2);
	run_fini(&r);
	fake_stop(f);
}

static void no_text_is_markup(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "v1.2-rc", "v1.2-rc" },
		{ "a|b", "a\\|b" },
		{ "[x](http://evil)", "\\[x\\]\\(http&#58;//evil\\)" },
		{ "![x](y)", "\\!\\[x\\]\\(y\\)" },
		{ "<img src=x onerror=y>", "&lt;img src=x onerror=y\\>" },
		{ "&lt;", "&amp;lt;" },
		{ "`*_~#", "\\`\\*\\_\\~\\#" },
		{ "back\\slash", "back\\\\slash" },
		{ "two\nlines\n# heading", "two\\\\nlines\\\\n\\# heading" },
		{ "\033[31mred", "\\\\x1b\\[31mred" },
		{ "@everyone", "&#64;everyone" },
		{ "www.evil.example", "www&#46;evil.example" },
		{ "\xff\xfe", "\\\\xff\\\\xfe" },
		{ "Zürich 東京", "Zürich 東京" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out;
		buf_init(&out, 4096);
		md_add(&out, str_of(cases[i].text));
		assert_string_equal(out.p, cases[i].want);
		buf_fini(&out);
	}
}

/* What answers may be anything. */
static void objects_that_say_nothing(void **state)
{
	static const char *const texts[] = { "{}", "{\"propagation\":3,\"causes\":[],\"not_fresh\":{},\"live_at\":5}",
		"{\"transitions\":[1,null,{}],\"verdicts\":[{}],\"events\":[{}],\"unobserved\":[{}]}" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *v = json_loads(texts[i], 0, NULL);
		struct buf out;
		buf_init(&out, 1 << 20);
		postmortem_write(&(struct postmortem){ v, v, v, v }, &out);
		assert_false(buf_failed(&out));
		buf_fini(&out);
		json_decref(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timeline_propagation_and_causes),
		cmocka_unit_test(an_incident_names_its_deploy),
		cmocka_unit_test(most_deploys_have_no_incident),
		cmocka_unit_test(a_file_is_written_or_it_is_said_why_not),
		cmocka_unit_test(no_such_deploy),
		cmocka_unit_test(no_text_is_markup),
		cmocka_unit_test(objects_that_say_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
