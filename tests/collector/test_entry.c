/* Journal entries as JSON: what each line means, that an export means the same as what was stored, and what
 * is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/entry_json.h"
#include "event_text.h"
#include "gen.h"

#define T0 INT64_C(1772359200000000) /* 2026-03-01T10:00:00Z */

static const char service_line[] = "{\"type\":\"service\",\"service\":\"shop\",\"endpoints\":[{\"id\":\"v\","
				   "\"url\":\"https://shop.example/version\"},{\"id\":\"w\"}]}";
static const char other_line[] =
	"{\"type\":\"service\",\"service\":\"other\",\"endpoints\":[{\"id\":\"w\"}]}";

static void tell(struct entry_reader *r, const char *line)
{
	struct event ev;
	struct err err = { 0 };
	if (entry_from_line(r, str_of(line), 1, T0, &ev, &err) < 0)
		fail_msg("%s: %s", line, err.text);
}

/* -- lines -- */

static void each_line_means_what_it_says(void **state)
{
	/* clang-format off */
	static const struct {
		const char *says, *line, *want;
	} cases[] = {
		{ "a service, all defaults", "{\"type\":\"service\",\"service\":\"shop\"}",
			"service shop interval=30000000 origin=0 agents= timeout=900000000 require=1 coverage=0.90000000000000002 "
			"min_agents=1 watch=1800000000 grace=300000000" },
		{ "a service, everything said",
			"{\"type\":\"service\",\"service\":\"shop@production\",\"interval\":\"10s\",\"rollout_grace\":60,\"origin\":{},"
			"\"version\":{\"json\":\"/v\",\"match\":\"prefix\"},\"agents\":[\"a1\",\"a2\"],"
			"\"verify\":{\"timeout\":1.5,\"require\":\"95%\",\"min_coverage\":0.5,\"min_agents\":3,\"watch\":\"1h\"},"
			"\"endpoints\":[{\"id\":\"v\",\"url\":\"https://x/\"},{\"id\":\"e\",\"version\":\"etag\"},"
			"{\"id\":\"x\",\"version\":{\"header\":\"X-V\",\"match\":\"exact\"}},{\"id\":\"s\",\"version\":{\"sha256\":true}}]}",
			"service shop@production interval=10000000 origin=1 agents=a1,a2=  timeout=1500000 require=0.94999999999999996 "
			"coverage=0.5 min_agents=3 watch=3600000000 grace=60000000 [v https://x/ prefix] [e  prefix learned] [x  exact]"
			" [s  prefix learned]" },
		{ "a service that is gone", "{\"type\":\"service\",\"service\":\"shop\",\"removed\":true}",
			"service shop removed interval=30000000 origin=0 agents= timeout=900000000 require=1 "
			"coverage=0.90000000000000002 min_agents=1 watch=1800000000 grace=300000000" },
		{ "a deploy without an id, started when it was told",
			"{\"type\":\"deploy\",\"at\":\"2026-03-01T10:00:00Z\",\"service\":\"shop\",\"version\":\"v2\"}",
			"deploy deploy-1 of shop version v2 started=1772359200000000 live=none " },
		{ "a deploy that was live before it was told",
			"{\"type\":\"deploy\",\"service\":\"shop\",\"version\":\"v2\",\"id\":\"d\",\"live_at\":\"2026-03-01T09:59:00Z\"}",
			"deploy d of shop version v2 started=1772359140000000 live=1772359140000000 " },
		{ "a deploy, everything said",
			"{\"type\":\"deploy\",\"service\":\"shop\",\"version\":\"v2\",\"id\":\"d\",\"started_at\":1772359200000001,"
			"\"live_at\":1772359200000002,\"aliases\":[\"abc\",\"v2.0\"],\"values\":{\"v\":\"2\",\"w\":\"two\"},"
			"\"source\":\"argocd\",\"revision\":\"abc\",\"digest\":\"sha256:1\"}",
			"deploy d of shop version v2 source=argocd revision=abc digest=sha256:1 started=1772359200000001 "
			"live=1772359200000002 abc,v2.0=aliases  [v: 2] [w: two]" },
		{ "a patch that says live", "{\"type\":\"deploy_patch\",\"id\":\"d\",\"live_at\":1772359200000000}",
			"deploy_patch d live=1772359200000000" },
		{ "a patch that aborts; null is not said", "{\"type\":\"deploy_patch\",\"id\":\"d\",\"live_at\":null,\"aborted\":true}",
			"deploy_patch d aborted live=none" },
		{ "a purge", "{\"type\":\"purge\",\"service\":\"shop\",\"vendor\":\"cloudfront\",\"zone\":\"E1\",\"patterns\":[\"/version\",\"/*\"],"
			     "\"tags\":[\"t\"],\"soft\":true,\"source\":\"hook\"}",
			"purge purge-1 of shop vendor=cloudfront zone=E1 source=hook requested=1772359200000000 completed=none "
			"/version,/*=patterns t=tags  soft" },
		{ "a purge of everything, told after it was done",
			"{\"type\":\"purge\",\"id\":\"p\",\"service\":\"shop\",\"everything\":true,\"completed_at\":1772359100000000}",
			"purge p of shop requested=1772359100000000 completed=1772359100000000  everything" },
		{ "a purge that completes", "{\"type\":\"purge_patch\",\"id\":\"p\",\"completed_at\":\"2026-03-01T11:00:00+01:00\"}",
			"purge_patch p completed=1772359200000000" },
		{ "an agent", "{\"type\":\"agent\",\"agent\":\"a1\",\"region\":\"eu\",\"state\":\"drained\",\"software\":\"tidemark-agent 1\","
			      "\"location\":[50.03,-8.57],\"clock_suspect\":true}",
			"agent a1 drained region=eu software=tidemark-agent 1 at 50.030000000000001 -8.5700000000000003 clock_suspect" },
		{ "mesh, kept as told but for our own bookkeeping",
			"{\"type\":\"mesh\",\"position\":7,\"service\":\"shop\",\"routes\":[{\"subset\":\"v2\",\"weight\":90}]}",
			"mesh of shop route subset=v2 weight=90 ready=-1 {\"routes\":[{\"subset\":\"v2\",\"weight\":90}],\"service\":\"shop\",\"type\":\"mesh\"}" },
		{ "a rollout", "{\"type\":\"rollout\",\"service\":\"shop\",\"phase\":\"Progressing\",\"weight\":10,\"more\":1}",
			"rollout of shop phase=Progressing weight=10 since=none {\"more\":1,\"phase\":\"Progressing\",\"service\":\"shop\",\"type\":\"rollout\",\"weight\":10}" },
		{ "pods", "{\"type\":\"pods\",\"service\":\"shop\",\"pods\":[{\"name\":\"p1\",\"ready\":true}]}",
			"pods of shop pod name=p1 ready {\"pods\":[{\"name\":\"p1\",\"ready\":true}],\"service\":\"shop\",\"type\":\"pods\"}" },
		{ "mesh, with all that may be said of a route",
			"{\"routes\":[{\"host\":\"shop-canary\",\"ready\":0,\"subset\":\"v2\",\"version\":\"2\",\"weight\":0.5}],\"service\":\"shop\",\"type\":\"mesh\"}",
			"mesh of shop route subset=v2 version=2 host=shop-canary weight=0.5 ready=0 {\"routes\":[{\"host\":\"shop-canary\",\"ready\":0,\"subset\":\"v2\",\"version\":\"2\","
			"\"weight\":0.5}],\"service\":\"shop\",\"type\":\"mesh\"}" },
		{ "a mesh without a route", "{\"routes\":[],\"service\":\"shop\",\"type\":\"mesh\"}", "mesh of shop {\"routes\":[],\"service\":\"shop\",\"type\":\"mesh\"}" },
		{ "a rollout, with all that may be said of it",
			"{\"controller\":\"flagger\",\"message\":\"m\",\"phase\":\"Waiting\",\"reason\":\"r\",\"revision\":\"abc\",\"service\":\"shop\",\"since\":7,\"type\":\"rollout\","
			"\"version\":\"v2\"}",
			"rollout of shop controller=flagger phase=Waiting reason=r message=m version=v2 revision=abc weight=-1 since=7 {\"controller\":\"flagger\",\"message\":\"m\","
			"\"phase\":\"Waiting\",\"reason\":\"r\",\"revision\":\"abc\",\"service\":\"shop\",\"since\":7,\"type\":\"rollout\",\"version\":\"v2\"}" },
		{ "pods, with all that may be said of one",
			"{\"pods\":[{\"digest\":\"sha256:ab\",\"name\":\"p1\",\"node\":\"n1\",\"ready\":false,\"subset\":\"v2\",\"terminating\":true,\"version\":\"2\"}],"
			"\"service\":\"shop\",\"type\":\"pods\"}",
			"pods of shop pod name=p1 version=2 digest=sha256:ab subset=v2 node=n1 terminating {\"pods\":[{\"digest\":\"sha256:ab\",\"name\":\"p1\",\"node\":\"n1\","
			"\"ready\":false,\"subset\":\"v2\",\"terminating\":true,\"version\":\"2\"}],\"service\":\"shop\",\"type\":\"pods\"}" },
		{ "the collector's first start", "{\"type\":\"collector\"}", "collector down_since=none" },
		{ "the collector was away", "{\"type\":\"collector\",\"down_since\":1}", "collector down_since=1" },
		{ "time", "{\"type\":\"clock\",\"at\":1772359200000000}", "clock" },
		{ "keys of a later version are passed over", "{\"type\":\"clock\",\"phase_of_the_moon\":{\"is\":[\"full\"]}}", "clock" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct entry_reader *r = entry_reader_new();
		struct event ev;
		struct err err = { 0 };
		struct buf got, want;
		buf_init(&got, 10000);
		buf_init(&want, 10000);
		if (entry_from_line(r, str_of(cases[i].line), 5, T0, &ev, &err) < 0)
			fail_msg("%s: %s", cases[i].says, err.text);
		event_text(&ev, &got);
		buf_addf(&want, "%s at=%" PRId64 " received=%" PRId64 " position=5", cases[i].want, T0, T0);
		if (!str_eq(buf_str(&got), buf_str(&want)))
			fail_msg("%s: got\n%s\nwant\n%s", cases[i].says, got.p, want.p);
		buf_fini(&got);
		buf_fini(&want);
		entry_reader_free(r);
	}
}

static void an_observation_says_what_was_seen_or_shows_the_headers(void **state)
{
	/* clang-format off */
	static const struct {
		const char *says, *rest, *want;
	} cases[] = {
		{ "of analysis", "\"path\":\"edge\",\"edge\":\"cloudfront:FRA56-P3\",\"status\":200,\"version\":\"v1\",\"cache\":[\"hit\"],"
				 "\"age_s\":14400,\"ttl_s\":86400,\"etag\":\"\\\"a1\\\"\"",
			"edge=cloudfront:FRA56-P3 version=v1 etag=\"a1\" edge ok 200 flags=0 edge:hit age=14400 ttl=86400 browser_ttl=none"
			" -1/-1/-1/-1/-1" },
		{ "a version alone is a good answer", "\"edge\":\"self:fra\",\"version\":\"v1\"",
			"edge=self:fra version=v1 edge ok 200 flags=0 age=-1 ttl=none browser_ttl=none -1/-1/-1/-1/-1" },
		{ "nothing said is a failure", "\"region\":null", "edge other 0 flags=0 age=-1 ttl=none browser_ttl=none -1/-1/-1/-1/-1" },
		{ "a failure by name", "\"fail\":\"timeout\"", "edge timeout 0 flags=0 age=-1 ttl=none browser_ttl=none -1/-1/-1/-1/-1" },
		{ "a status that is not good", "\"status\":503", "edge http 503 flags=0 age=-1 ttl=none browser_ttl=none -1/-1/-1/-1/-1" },
		{ "a redirect", "\"status\":302", "edge redirect 302 flags=0 age=-1 ttl=none browser_ttl=none -1/-1/-1/-1/-1" },
		{ "no version in it", "\"status\":200", "edge no_version 200 flags=0 age=-1 ttl=none browser_ttl=none -1/-1/-1/-1/-1" },
		{ "every field",
			"\"path\":\"origin\",\"edge\":\"e\",\"node\":\"n\",\"ip\":\"192.0.2.1\",\"status\":200,\"version\":\"v\",\"fail\":\"http\","
			"\"cache\":[\"miss\",\"hit\",\"none\"],\"tiers\":[\"edge\",\"inner\",\"shield\"],\"age_s\":0,\"ttl_s\":-5,\"browser_ttl_s\":7,"
			"\"flags\":[\"reused\",\"burst\",\"cut\"],\"dns_us\":1,\"connect_us\":2,\"tls_us\":3,\"ttfb_us\":4,\"total_us\":5,"
			"\"evidence\":\"HTTP/1.1 200 OK\\r\\n\"",
			"edge=e node=n ip=192.0.2.1 version=v evidence=HTTP/1.1 200 OK\r\n origin http 200 flags=7 edge:miss inner:hit "
			"shield:none age=0 ttl=-5 browser_ttl=7 1/2/3/4/5" },
		{ "headers are read", "\"status\":200,\"version\":\"v1\",\"headers\":[[\"X-Cache\",\"Hit from cloudfront\"],[\"Age\",\"14400\"],"
				      "[\"X-Amz-Cf-Pop\",\"FRA56-P3\"],[\"ETag\",\" \\\"e\\\" \"]]",
			"edge=cloudfront:FRA56-P3 node=FRA56-P3 version=v1 etag=\"e\" edge ok 200 flags=0 edge:hit age=14400 ttl=none "
			"browser_ttl=none -1/-1/-1/-1/-1" },
		{ "what is said outright wins over headers",
			"\"edge\":\"self:x\",\"version\":\"v1\",\"cache\":[\"miss\"],\"age_s\":1,\"headers\":[[\"x-cache\",\"Hit from "
			"cloudfront\"],[\"age\",\"14400\"],[\"x-amz-cf-pop\",\"FRA56-P3\"]]",
			"edge=self:x node=FRA56-P3 version=v1 edge ok 200 flags=0 edge:miss age=1 ttl=none browser_ttl=none "
			"-1/-1/-1/-1/-1" },
		{ "no CDN in front: the machine that answered", "\"ip\":\"192.0.2.7\",\"version\":\"v1\",\"headers\":[[\"server\",\"nginx\"]]",
			"edge=direct:192.0.2.7 ip=192.0.2.7 version=v1 edge ok 200 flags=0 age=-1 ttl=none browser_ttl=none "
			"-1/-1/-1/-1/-1" },
	};
	/* clang-format on */
	struct entry_reader *r = entry_reader_new();
	tell(r, service_line);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char line[2000];
		struct event ev;
		struct err err = { 0 };
		struct buf got, want;
		buf_init(&got, 10000);
		buf_init(&want, 10000);
		snprintf(line, sizeof(line),
			"{\"type\":\"observation\",\"at\":1772359200000000,\"endpoint\":\"v\",\"agent\":"
			"\"a1\",%s}",
			cases[i].rest);
		if (entry_from_line(r, str_of(line), 5, T0, &ev, &err) < 0)
			fail_msg("%s: %s", cases[i].says, err.text);
		assert_int_equal(ev.kind, EV_OBSERVATIONS);
		assert_true(str_is(ev.observations.batch->service, "shop") &&
			    str_is(ev.observations.batch->agent, "a1"));
		obs_text(ev.observations.batch, &ev.observations.batch->obs[0], &got);
		buf_addf(&want, " at=%" PRId64 " endpoint=v %s", T0, cases[i].want);
		if (!str_eq(buf_str(&got), buf_str(&want)))
			fail_msg("%s: got\n%s\nwant\n%s", cases[i].says, got.p, want.p);
		buf_fini(&got);
		buf_fini(&want);
	}
	entry_reader_free(r);
}

static void times_of_a_line(void **state)
{
	static const struct {
		const char *says, *times;
		int64_t at_s, received_s;
	} cases[] = {
		{ "none: the largest so far", "", 100, 100 },
		{ "at, later than that, is when it came", "\"at\":160000000", 160, 160 },
		{ "at, earlier than that: it came late", "\"at\":40000000", 40, 100 },
		{ "received_at is taken", "\"at\":40000000,\"received_at\":130000000", 40, 130 },
		{ "an agent's clock was ahead", "\"at\":150000000,\"received_at\":130000000", 150, 130 },
		{ "received_at never falls", "\"at\":40000000,\"received_at\":50000000", 40, 100 },
		{ "received_at alone", "\"received_at\":130000000", 130, 130 },
		{ "digits in quotes are microseconds too", "\"at\":\"40000000\"", 40, 100 },
	};
	struct entry_reader *r = entry_reader_new();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char line[200];
		struct event ev;
		struct err err = { 0 };
		snprintf(line, sizeof(line), "{\"type\":\"clock\"%s%s}", cases[i].times[0] ? "," : "",
			cases[i].times);
		if (entry_from_line(r, str_of(line), 1, 100 * US_PER_S, &ev, &err) < 0)
			fail_msg("%s: %s", cases[i].says, err.text);
		if (ev.at_us != cases[i].at_s * US_PER_S ||
			ev.received_at_us != cases[i].received_s * US_PER_S)
			fail_msg("%s: at %" PRId64 ", received %" PRId64, cases[i].says, ev.at_us,
				ev.received_at_us);
	}
	entry_reader_free(r);
}

static void bad_lines_name_the_place(void **state)
{
	/* clang-format off */
	static const struct {
		const char *line, *want;
	} cases[] = {
		/* JSON itself */
		{ "", "not JSON: at byte 0: '[' or '{' expected near end of file" },
		{ "{\"type\":\"clock\"", "not JSON: at byte 15: '}' expected near end of file" },
		{ "{\"type\":\"clock\"} {}", "not JSON: at byte 18: end of file expected near '{'" },
		{ "[1]", "want a JSON object" },
		{ "{\"type\":\"clock\",\"at\":1,\"at\":2}", "not JSON: at byte 27: duplicate object key near '\"at\"'" },
		{ "{\"type\":\"clock\",\"x\":\"\\u0000\"}", "not JSON: at byte 28: \\u0000 is not allowed in text" },
		{ "{\"type\":\"clock\",\"x\":\"\xff\"}", "not JSON: at byte 21: unable to decode byte 0xff near '\"'" },
		{ "{\"type\":\"clock\",\"x\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", "JSON is nested deeper than 16 levels" },
		{ "{\"type\":\"clock\",\"at\":99999999999999999999}",
			"not JSON: at byte 41: too big integer near '99999999999999999999'" },
		/* what it is */
		{ "{}", "\"type\": missing" },
		{ "{\"type\":5}", "\"type\": want text" },
		{ "{\"type\":\"batch\"}", "\"type\": want one of service, deploy, deploy_patch, purge, purge_patch, observation, mesh, "
					  "rollout, pods, agent, collector, clock; got \"batch\"" },
		/* fields */
		{ "{\"type\":\"clock\",\"at\":\"yesterday\"}",
			"clock: \"at\": want a time (RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds), got \"yesterday\"" },
		{ "{\"type\":\"clock\",\"at\":1772359200.5}",
			"clock: \"at\": want a time (RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds), got 1.77236e+09" },
		{ "{\"type\":\"clock\",\"at\":-86400000001}", "clock: \"at\": is not between 1970 and 9999" },
		{ "{\"type\":\"clock\",\"position\":0}",
			"clock: \"position\": want a whole number from 1 to 9223372036854775807, got 0" },
		{ "{\"type\":\"service\"}", "service: \"service\": missing" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"interval\":\"fast\"}",
			"service: \"interval\": want a duration (\"30s\", \"15m\", or a number of seconds), got \"fast\"" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"interval\":0}", "service: \"interval\": is under 100ms" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"endpoints\":{}}", "service: \"endpoints\": want a list, got an object" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"endpoints\":[{\"id\":\"a\"},{\"url\":\"u\"}]}",
			"service: \"endpoints/1/id\": missing" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"endpoints\":[{\"id\":\"a\"},{\"id\":\"a\"}]}",
			"service: \"endpoints\": two have the id 'a'" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"endpoints\":[{\"id\":\"a\",\"url\":false}]}",
			"service: \"endpoints/0/url\": want text, got false" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"endpoints\":[{\"id\":\"a\",\"version\":{\"match\":\"fuzzy\"}}]}",
			"service: \"endpoints/0/version/match\": want one of exact, prefix; got \"fuzzy\"" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"verify\":{\"require\":95}}",
			"service: \"verify/require\": want a share (\"95%\" or 0.95), got 95" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"verify\":{\"min_agents\":-1}}",
			"service: \"verify/min_agents\": want a whole number from 0 to 1000000, got -1" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"agents\":[\"a\",\"\"]}", "service: \"agents/1\": want text, got \"\"" },
		{ "{\"type\":\"service\",\"service\":\"s\",\"origin\":1}", "service: \"origin\": want true, false or an object, got 1" },
		{ "{\"type\":\"deploy\",\"service\":\"s\"}", "deploy: \"version\": missing" },
		{ "{\"type\":\"deploy\",\"service\":\"s\",\"version\":\"\"}", "deploy: \"version\": is empty" },
		{ "{\"type\":\"deploy\",\"service\":\"s\",\"version\":\" \\t\"}", "deploy: \"version\": is blank" },
		{ "{\"type\":\"deploy\",\"service\":\"s\",\"version\":2}", "deploy: \"version\": want text, got 2" },
		{ "{\"type\":\"deploy\",\"service\":\"s\",\"version\":\"2\",\"started_at\":5,\"live_at\":4}",
			"deploy: \"live_at\": is before started_at" },
		{ "{\"type\":\"deploy\",\"service\":\"s\",\"version\":\"2\",\"values\":{\"a/b\":1}}",
			"deploy: \"values/a~1b\": want text, got 1" },
		{ "{\"type\":\"deploy_patch\",\"id\":\"d\"}",
			"deploy_patch: says nothing: want \"live_at\", or \"aborted\": true" },
		{ "{\"type\":\"purge\",\"service\":\"s\"}",
			"purge: does not say what was purged: want \"patterns\", \"tags\", or \"everything\": true" },
		{ "{\"type\":\"purge\",\"service\":\"s\",\"everything\":true,\"requested_at\":5,\"completed_at\":4}",
			"purge: \"completed_at\": is before requested_at" },
		{ "{\"type\":\"purge_patch\",\"id\":\"p\"}", "purge_patch: \"completed_at\": missing" },
		{ "{\"type\":\"agent\",\"agent\":\"a\",\"state\":\"bored\"}",
			"agent: \"state\": want one of connected, disconnected, drained, revoked, enrolled; got \"bored\"" },
		{ "{\"type\":\"agent\",\"agent\":\"a\",\"location\":[91,0]}",
			"agent: \"location\": want [latitude, longitude] in degrees, got a list" },
		{ "{\"type\":\"mesh\",\"service\":\"s\",\"routes\":[{\"weight\":-1}]}",
			"mesh: \"routes/0/weight\": want a number from 0 to 1000000, got -1" },
		{ "{\"type\":\"mesh\",\"service\":\"s\",\"routes\":[{},{\"weight\":1e300}]}",
			"mesh: \"routes/1/weight\": want a number from 0 to 1000000, got 1e+300" },
		{ "{\"type\":\"mesh\",\"service\":\"s\",\"routes\":[{\"weight\":\"90\"}]}",
			"mesh: \"routes/0/weight\": want a number from 0 to 1000000, got \"90\"" },
		{ "{\"type\":\"mesh\",\"service\":\"s\",\"routes\":[{\"ready\":-1}]}",
			"mesh: \"routes/0/ready\": want a whole number from 0 to 1000000, got -1" },
		{ "{\"type\":\"mesh\",\"service\":\"s\",\"routes\":[{\"ready\":true}]}",
			"mesh: \"routes/0/ready\": want a whole number, got true" },
		{ "{\"type\":\"mesh\",\"service\":\"s\",\"routes\":{}}",
			"mesh: \"routes\": want a list, got an object" },
		{ "{\"type\":\"mesh\",\"service\":\"s\"}",
			"mesh: \"routes\": missing" },
		{ "{\"type\":\"mesh\",\"routes\":[]}",
			"mesh: \"service\": missing" },
		{ "{\"type\":\"mesh\",\"service\":\"s\",\"routes\":[{\"subset\":[\"v1\"]}]}",
			"mesh: \"routes/0/subset\": want text, got a list" },
		{ "{\"type\":\"rollout\",\"service\":\"s\"}",
			"rollout: \"phase\": missing" },
		{ "{\"type\":\"rollout\",\"service\":\"s\",\"phase\":\"\"}",
			"rollout: \"phase\": is empty" },
		{ "{\"type\":\"rollout\",\"service\":\"s\",\"phase\":\"P\",\"weight\":-5}",
			"rollout: \"weight\": want a number from 0 to 1000000, got -5" },
		{ "{\"type\":\"rollout\",\"service\":\"s\",\"phase\":\"P\",\"since\":\"yesterday\"}",
			"rollout: \"since\": want a time (RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds), got \"yesterday\"" },
		{ "{\"type\":\"rollout\",\"service\":\"s\",\"phase\":\"P\",\"since\":-9000000000000000000}",
			"rollout: \"since\": is not between 1970 and 9999" },
		{ "{\"type\":\"pods\",\"service\":\"s\"}",
			"pods: \"pods\": missing" },
		{ "{\"type\":\"pods\",\"service\":\"s\",\"pods\":[3]}",
			"pods: \"pods/0\": want an object, got 3" },
		{ "{\"type\":\"pods\",\"service\":\"s\",\"pods\":[{\"ready\":1}]}",
			"pods: \"pods/0/ready\": want true or false, got 1" },
		{ "{\"type\":\"collector\",\"down_since\":{}}",
			"collector: \"down_since\": want a time (RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds), got an object" },
		/* observations */
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"age_s\":\"x\"}",
			"observation: \"age_s\": want a whole number, got \"x\"" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"age_s\":3000000000}",
			"observation: \"age_s\": want a whole number from -1 to 2147483647, got 3000000000" },
		{ "{\"type\":\"observation\",\"agent\":\"a\"}", "observation: \"endpoint\": missing" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\"}", "observation: \"agent\": missing" },
		{ "{\"type\":\"observation\",\"endpoint\":\"x\",\"agent\":\"a\"}",
			"observation: \"service\": missing, and no service told so far has an endpoint 'x'" },
		{ "{\"type\":\"observation\",\"endpoint\":\"w\",\"agent\":\"a\"}",
			"observation: \"service\": missing, and both 'shop' and 'other' have an endpoint 'w'" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"cache\":[\"hit\",\"maybe\"]}",
			"observation: \"cache/1\": want a cache word (hit, miss, stale, ...), got \"maybe\"" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"cache\":\"hit\"}",
			"observation: \"cache\": want a list, got \"hit\"" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"cache\":[\"hit\",\"hit\",\"hit\",\"hit\",\"hit\",\"hit\",\"hit\"]}",
			"observation: \"cache\": has 7 tiers, limit is 6" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"cache\":[\"hit\"],\"tiers\":[]}",
			"observation: \"tiers\": has 0 members, \"cache\" has 1" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"flags\":[\"x\"]}",
			"observation: \"flags/0\": want reused, burst or cut, got \"x\"" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"headers\":[[\"a\",\"b\"],[\"c\"]]}",
			"observation: \"headers/1\": want [name, value], got a list" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"epoch\":\"12G\"}",
			"observation: \"epoch\": want hexadecimal digits, got \"12G\"" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"status\":1000}",
			"observation: \"status\": want a whole number from 0 to 999, got 1000" },
		{ "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"path\":\"shortcut\"}",
			"observation: \"path\": want one of edge, origin; got \"shortcut\"" },
	};
	/* clang-format on */
	struct entry_reader *r = entry_reader_new();
	tell(r, service_line);
	tell(r, other_line);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct event ev = { .position = 99 };
		struct err err = { 0 };
		int rc = entry_from_line(r, str_of(cases[i].line), 1, T0, &ev, &err);
		if (rc >= 0)
			fail_msg("%s: is taken", cases[i].line);
		if (strcmp(err.text, cases[i].want) != 0)
			fail_msg("%s: got\n%s\nwant\n%s", cases[i].line, err.text, cases[i].want);
		assert_int_equal(ev.position, 99); /* untouched */
		assert_int_equal(err.code, rc);
	}
	entry_reader_free(r);
}

/* -- there and back -- */

static void json_entries_survive_an_export(void **state)
{
	/* clang-format off */
	static const struct {
		enum entry_kind kind;
		const char *json;
	} cases[] = {
		{ ENTRY_SERVICE, "{\"type\":\"service\",\"service\":\"shop\",\"interval\":0.25,\"verify\":{\"require\":0.999999999},\"agents\":[\"a\"],"
				 "\"endpoints\":[{\"id\":\"v\",\"url\":\"https://x/\",\"cdn\":{\"vendor\":\"fastly\"}}]}" },
		{ ENTRY_DEPLOY, "{\"type\":\"deploy\",\"id\":\"d\",\"at\":\"2026-03-01T10:00:00.123456Z\",\"service\":\"shop\",\"version\":\"\\\"v\\n2\"}" },
		{ ENTRY_DEPLOY, "{\"id\":\"d\",\"service\":\"shop\",\"version\":\"v2\",\"clamped\":[\"live_at\"],\"live_at\":5}" },
		{ ENTRY_DEPLOY_PATCH, "{\"id\":\"d\",\"live_at\":1772359200000001}" },
		{ ENTRY_PURGE, "{\"id\":\"p\",\"service\":\"shop\",\"tags\":[\"a\"],\"requested_at\":1772359200000001}" },
		{ ENTRY_PURGE_PATCH, "{\"id\":\"p\",\"completed_at\":1772359200000001}" },
		{ ENTRY_AGENT, "{\"agent\":\"a\",\"state\":\"revoked\",\"location\":[50.03,8.57]}" },
		{ ENTRY_MESH, "{\"service\":\"shop\",\"type\":\"mesh\",\"at\":1,\"routes\":[{\"weight\":33.3}]}" },
		{ ENTRY_ROLLOUT, "{\"type\":\"rollout\",\"service\":\"shop\",\"phase\":\"P\",\"since\":\"2026-03-01T10:00:00Z\"}" },
		{ ENTRY_PODS, "{\"type\":\"pods\",\"service\":\"shop\",\"pods\":[]}" },
		{ ENTRY_COLLECTOR, "{\"type\":\"collector\",\"at\":1772359200000000,\"down_since\":1772359100000000}" },
		{ ENTRY_CLOCK, "{\"type\":\"clock\"}" },
		{ ENTRY_OBSERVATION, "{\"type\":\"observation\",\"service\":\"shop\",\"endpoint\":\"v\",\"agent\":\"a\",\"at\":5,\"version\":\"v1\"}" },
	};
	/* clang-format on */
	struct entry_reader *r = entry_reader_new();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct entry e = { .position = 40 + (int64_t)i,
			.received_at_us = T0 + 3,
			.kind = cases[i].kind,
			.service = STR("shop"),
			.bytes = str_of(cases[i].json) };
		survives_an_export(r, &e, cases[i].json);
	}
	entry_reader_free(r);
}

/* A damaged or foreign entry is an error with its position, never a crash. */
static void bad_entries_name_their_position(void **state)
{
	/* clang-format off */
	static const struct {
		enum entry_kind kind;
		const char *bytes, *want;
	} cases[] = {
		{ ENTRY_DEPLOY, "{", "entry 7: not JSON: at byte 1: string or '}' expected near end of file" },
		{ ENTRY_DEPLOY, "{\"service\":\"s\"}", "entry 7: deploy: \"version\": missing" },
		{ ENTRY_BATCH, "not zstd", "entry 7: batch 3 of 'a1': " },
	};
	/* clang-format on */
	struct entry_reader *r = entry_reader_new();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct entry e = { .position = 7,
			.kind = cases[i].kind,
			.bytes = str_of(cases[i].bytes),
			.agent = STR("a1"),
			.number = 3,
			.raw_size = 100 };
		struct event ev;
		struct buf out;
		struct err err = { 0 };
		buf_init(&out, 1000);
		assert_true(entry_to_event(r, &e, &ev, &err) < 0);
		if (!str_starts(str_of(err.text), cases[i].want))
			fail_msg("got\n%s\nwant\n%s", err.text, cases[i].want);
		assert_true(entry_to_lines(r, &e, &out, &err) < 0);
		assert_int_equal(out.n, 0);
		buf_fini(&out);
	}
	entry_reader_free(r);
}

static void every_result_of_a_batch_survives_an_export(void **state)
{
	struct gen g = { 20260301 };
	struct batch_builder *b = batch_builder_new();
	struct entry_reader *r = entry_reader_new(), *back = entry_reader_new();
	struct buf sealed, lines, want, got;
	buf_init(&sealed, 1 << 20);
	buf_init(&lines, 64 << 20);
	buf_init(&want, 1 << 20);
	buf_init(&got, 1 << 20);
	for (int round = 0; round < 60; round++) {
		struct err err = { 0 };
		struct event ev, from_line;
		const struct batch *batch =
			round % 2 ? gen_wild_batch(&g, b, 1 + gen_below(&g, 40)) : gen_real_batch(&g, b, 100);
		struct entry e = { .position = round + 1,
			.received_at_us = T0 + round,
			.kind = ENTRY_BATCH,
			.service = batch->service,
			.agent = STR("a \"1\""),
			.region = STR("eu"),
			.epoch = gen_u64(&g),
			.number = gen_below(&g, 1 << 20),
			.clock_offset_us =
				round % 2 ? -(int64_t)gen_below(&g, 1000) : (int64_t)gen_below(&g, 1000),
			.clock_uncertainty_us = (int64_t)gen_below(&g, 5000) };
		buf_clear(&sealed);
		buf_clear(&lines);
		if (batch_seal(batch, &sealed, &e.raw_size, &err) < 0)
			fail_msg("%s", err.text);
		e.bytes = buf_str(&sealed);
		assert_int_equal(entry_to_lines(r, &e, &lines, &err), 0);
		assert_int_equal(entry_to_event(r, &e, &ev, &err), 0);
		const struct batch *stored = ev.observations.batch;
		struct str rest = buf_str(&lines), line;
		for (size_t i = 0; i < stored->n_obs; i++) {
			assert_true(str_cut(&rest, '\n', &line));
			if (entry_from_line(back, line, 1, TIME_NONE, &from_line, &err) < 0)
				fail_msg("%.*s: %s", STR_ARG(line), err.text);
			const struct batch *replayed = from_line.observations.batch;
			buf_clear(&want);
			buf_clear(&got);
			obs_text(stored, &stored->obs[i], &want);
			obs_text(replayed, &replayed->obs[0], &got);
			if (!str_eq(buf_str(&got), buf_str(&want)))
				fail_msg("stored\n%s\nreplayed\n%s", want.p, got.p);
			assert_true(str_eq(replayed->service, stored->service) &&
				    str_eq(replayed->agent, e.agent) && str_eq(replayed->region, e.region));
			assert_true(replayed->epoch == e.epoch && replayed->number == e.number);
			assert_true(from_line.received_at_us == e.received_at_us &&
				    entry_line_position(back) == e.position);
			assert_true(from_line.observations.clock_uncertainty_us == e.clock_uncertainty_us);
		}
		assert_int_equal(rest.n, 0);
	}
	buf_fini(&sealed);
	buf_fini(&lines);
	buf_fini(&want);
	buf_fini(&got);
	entry_reader_free(r);
	entry_reader_free(back);
	batch_builder_free(b);
}

/* Every count that a teller can choose has a cap, and says so. */
static void lists_of_inner_layers_are_bounded(void **state)
{
	static const struct {
		const char *type, *key;
		int max;
		const char *want;
	} cases[] = {
		{ "mesh", "routes", 256, "mesh: \"routes\": has 257 members, limit is 256" },
		{ "pods", "pods", 5000, "pods: \"pods\": has 5001 members, limit is 5000" },
	};
	(void)state;
	struct entry_reader *r = entry_reader_new();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (int more = 0; more < 2; more++) {
			struct buf line;
			struct event ev;
			struct err err = { 0 };
			buf_init(&line, 64 * 1024);
			buf_addf(&line, "{\"type\":\"%s\",\"service\":\"s\",\"%s\":[{}", cases[i].type,
				cases[i].key);
			for (int n = 1; n < cases[i].max + more; n++)
				buf_addf(&line, ",{}");
			buf_addf(&line, "]}");
			int rc = entry_from_line(r, buf_str(&line), 1, T0, &ev, &err);
			assert_int_equal(rc, more ? ERR_TOO_BIG : 0);
			if (more)
				assert_string_equal(err.text, cases[i].want);
			buf_fini(&line);
		}
	entry_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_means_what_it_says),
		cmocka_unit_test(an_observation_says_what_was_seen_or_shows_the_headers),
		cmocka_unit_test(times_of_a_line),
		cmocka_unit_test(bad_lines_name_the_place),
		cmocka_unit_test(lists_of_inner_layers_are_bounded),
		cmocka_unit_test(json_entries_survive_an_export),
		cmocka_unit_test(bad_entries_name_their_position),
		cmocka_unit_test(every_result_of_a_batch_survives_an_export),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
