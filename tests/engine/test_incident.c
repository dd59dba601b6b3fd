/* Incidents: when somebody has to look, how broad it is, and when it is over. */
#include "tests/engine/scenario.h"

#define SHOP "service shop interval=10s timeout=2m watch=1m\n"
#define TEN(from, to, version)                                                                               \
	"every 10s " from ".." to " see a1 c1 " version "\nevery 10s " from ".." to " see a1 c2 " version    \
	"\nevery 10s " from ".." to " see a1 c3 " version "\nevery 10s " from ".." to " see a1 c4 " version  \
	"\nevery 10s " from ".." to " see a2 c5 " version " region=us\nevery 10s " from ".." to              \
	" see a2 c6 " version " region=us\nevery 10s " from ".." to " see a2 c7 " version                    \
	" region=us\nevery 10s " from ".." to " see a2 c8 " version " region=us\nevery 10s " from ".." to    \
	" see a2 c9 " version " region=us\n"
#define PAST SHOP "-300s deploy v1 live=-300s\n" TEN("-100s", "-10s", "v1") "every 10s -100s..-10s see a1 c0 v1\n"
#define V2_LIVE PAST "0s deploy v2 live=0s\n" TEN("10s", "110s", "v2")

static const struct story stories[] = {
	{ "a deploy that fails opens one, with the cause and how broad it is",
		V2_LIVE "every 10s 10s..110s see a1 c0 v1 cache=hit age=500 ttl=3600\n119s expect incidents v2\n"
			"120s expect deploy v2 verdict=failed\n"
			"120s expect incident v2 state=open severity=major not_fresh=1 cells=10 cause=ttl_wait "
			"layer=edge opened_at=2026-03-01T10:02:00Z resolved_at=null events.n=1 events.0.event=opened\n" },
	{ "less than a tenth of the cells is minor",
		V2_LIVE "every 10s 10s..110s see a1 c0 v1\nevery 10s 10s..110s see a1 c10 v2\n"
			"120s expect incident v2 severity=minor not_fresh=1 cells=11\n" },
	{ "a region half of whose cells are wrong counts as one that is broken: one of two regions is critical",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..110s see a1 c1 v2\nevery 10s 10s..110s see a1 c2 v2\n"
		     "every 10s 10s..110s see a1 c3 v2\nevery 10s 10s..110s see a1 c4 v2\nevery 10s 10s..110s see a1 c0 v2\n"
		     "every 10s 10s..110s see a2 c5 v1 region=us\nevery 10s 10s..110s see a2 c6 v2 region=us\n"
		     "120s expect incident v2 severity=critical not_fresh=1 cells=7\n" },
	{ "it is resolved when what failed has come right, however late; and it says so once",
		V2_LIVE "every 10s 10s..110s see a1 c0 v1\n" TEN("120s", "240s", "v2")
			"every 10s 120s..240s see a1 c0 v2\n240s expect deploy v2 verdict=failed\n"
			"240s expect incident v2 state=resolved not_fresh=0 worst=1\n240s expect incidents v2 opened,resolved\n" },
	{ "a cell that turns old on day two opens one after alert_after and three observations",
		V2_LIVE "every 10s 10s..110s see a1 c0 v2\n" TEN("120s", "1000s", "v2")
			"every 10s 120s..490s see a1 c0 v2\nevery 10s 500s..1000s see a1 c0 v1\n"
			"500s expect deploy v2 verdict=verified\n799s expect incidents v2\n"
			"800s expect incidents v2 opened\n800s expect incident v2 severity=major not_fresh=1\n"
			"1000s expect deploy v2 verdict=verified\n" },
	{ "alert_after is the service's own, and 0 leaves only deploys that fail",
		"service shop interval=10s timeout=2m watch=1m alert=0s\n-300s deploy v1 live=-300s\n"
		"every 10s -290s..300s see a1 fra v1\n300s expect deploy v1 verdict=verified\n"
		"every 10s 310s..2000s see a1 fra v0\n2000s expect cell fra state=unknown\n2000s expect incidents v1\n" },
	{ "two observations are not three, however long ago",
		"service shop interval=120s timeout=10m watch=1m alert=1m\n-3000s deploy v1 live=-3000s\n"
		"every 120s -2880s..0s see a1 fra v1\n0s expect deploy v1 verdict=verified\n"
		"120s see a1 fra v0\n240s see a1 fra v0\n359s expect incidents v1\n360s see a1 fra v0\n"
		"480s see a1 fra v0\n480s expect incidents v1 opened\n" },
	{ "a cell that is right again in time opens none",
		V2_LIVE "every 10s 10s..110s see a1 c0 v2\n" TEN("120s", "1000s", "v2")
			"every 10s 120s..490s see a1 c0 v2\nevery 10s 500s..780s see a1 c0 v1\n"
			"every 10s 790s..1000s see a1 c0 v2\n1000s expect incidents v2\n" },
	{ "while a deploy still has time to come along, nothing is opened",
		"service shop interval=10s timeout=15m\n-300s deploy v1 live=-300s\nevery 10s -100s..-10s see a1 fra v1\n"
		"0s deploy v2 live=0s\nevery 10s 10s..800s see a1 fra v1\n800s expect deploy v2 verdict=converging\n"
		"800s expect incidents v2\n" },
	{ "frequent deploys do not hide a stale one: what was wrong before this deploy, and for longer than one may take",
		"service shop interval=10s timeout=10m\n-300s deploy v1 live=-300s\nevery 10s -100s..-10s see a1 fra v1\n"
		"0s deploy v2 live=0s\n240s deploy v3 live=240s\n480s deploy v4 live=480s\nevery 10s 10s..700s see a1 fra v1\n"
		"599s expect incidents v4\n610s expect incidents v4 opened\n610s expect deploy v4 verdict=converging\n"
		"610s expect incidents v2\n" },
	{ "also where the next deploy comes after alert_after: what is stale stays so, and nothing changes about the cell",
		"service shop interval=10s timeout=15m\n-300s deploy v1 live=-300s\nevery 10s -100s..-10s see a1 fra v1\n"
		"0s deploy v2 live=0s\n400s deploy v3 live=400s\n800s deploy v4 live=800s\nevery 10s 10s..1000s see a1 fra v1\n"
		"890s expect incidents v4\n910s expect incidents v4 opened\n910s expect deploy v4 verdict=converging\n" },
	{ "a cell that a verified deploy tolerates is told all the same, once nobody waits for it",
		"service shop interval=10s timeout=15m require=50% watch=1m\n-300s deploy v1 live=-300s\n"
		"every 10s -100s..-10s see a1 fra v1\nevery 10s -100s..-10s see a2 ams v1\nevery 10s -100s..-10s see a3 nrt v1\n"
		"0s deploy v2 live=0s\nevery 10s 10s..1000s see a1 fra v2\nevery 10s 10s..1000s see a2 ams v2\n"
		"every 10s 10s..1000s see a3 nrt v1\n100s expect deploy v2 verdict=verified\n290s expect incidents v2\n"
		"310s expect incidents v2 opened\n310s expect incident v2 severity=major not_fresh=1 cells=3\n" },
	{ "and one of a deploy that ends inconclusive after alert_after",
		"service shop interval=10s timeout=15m agents=2\n-300s deploy v1 live=-300s\nevery 10s -100s..-10s see a1 fra v1\n"
		"0s deploy v2 live=0s\nevery 10s 10s..800s see a1 fra v2\nevery 10s 810s..1000s see a1 fra - fail=timeout\n"
		"800s expect incidents v2\n900s expect deploy v2 verdict=inconclusive\n" },
	{ "it escalates when it becomes broader, and never the other way",
		V2_LIVE "every 10s 10s..110s see a1 c0 v1\n" TEN("120s", "190s", "v2") TEN("200s", "400s", "v1")
			"every 10s 120s..400s see a1 c0 v1\n120s expect incident v2 severity=major\n"
			"300s expect incidents v2 opened,escalated\n300s expect incident v2 severity=critical worst=10\n"
			"every 10s 410s..500s see a1 c1 v2\n500s expect incident v2 severity=critical\n" },
	{ "rolled back and the rollback verified: what failed is resolved by it",
		V2_LIVE "every 10s 10s..110s see a1 c0 v1\n120s expect incidents v2 opened\n"
			"130s deploy v1 id=back live=130s\n" TEN("140s", "240s", "v1") "every 10s 140s..240s see a1 c0 v1\n"
			"240s expect deploy back verdict=verified\n240s expect incidents v2 opened,resolved\n"
			"240s expect incidents back\n" },
	{ "superseded by one that fails too, both stay open; by one that verifies, both are resolved",
		V2_LIVE "every 10s 10s..110s see a1 c0 v1\n130s deploy v3 live=130s\n" TEN("140s", "260s", "v3")
			"every 10s 140s..260s see a1 c0 v1\n260s expect deploy v3 verdict=failed\n"
			"260s expect incident v2 state=open\n260s expect incident v3 state=open\n"
			"270s deploy v4 live=270s\n" TEN("280s", "340s", "v4") "every 10s 280s..340s see a1 c0 v4\n"
			"340s expect incident v2 state=resolved\n340s expect incident v3 state=resolved\n" },
	{ "it comes back: the same one is reopened",
		V2_LIVE "every 10s 10s..110s see a1 c0 v1\n" TEN("120s", "900s", "v2")
			"every 10s 120s..300s see a1 c0 v2\n300s expect incidents v2 opened,resolved\n"
			"every 10s 310s..900s see a1 c0 v1\n609s expect incidents v2 opened,resolved\n"
			"620s expect incidents v2 opened,resolved,reopened\n620s expect incident v2 state=open resolved_at=null\n" },
	{ "a stale cell that nobody is answered by any more resolves nothing",
		V2_LIVE "every 10s 10s..110s see a1 c0 v1\n" TEN("120s", "900s", "v2")
			"900s expect cell c0 state=moved\n900s expect incident v2 state=open\n" },
	{ "a deploy that failed by a layer behind the caches is not over while that layer fails",
		V2_LIVE "every 10s 10s..110s see a1 c0 v2\n5s pods v2 v1\n" TEN("120s", "400s", "v2")
			"every 10s 120s..400s see a1 c0 v2\n120s expect deploy v2 verdict=failed\n"
			"120s expect incident v2 state=open severity=minor not_fresh=0\n300s expect incident v2 state=open\n"
			"310s pods v2 v2\n330s expect incidents v2 opened,resolved\n" },
	{ "errors count like old versions",
		"service shop interval=10s timeout=2m watch=1m\n-300s deploy v1 live=-300s\nevery 10s -100s..200s see a1 fra v1\n"
		"every 10s 210s..600s see a1 fra - status=503\n600s expect cell fra state=failing\n"
		"600s expect incident v1 state=open cause=origin_failing severity=critical\n" },
	{ "the time the collector was down counts against nobody",
		V2_LIVE "every 10s 10s..110s see a1 c0 v2\n" TEN("120s", "500s", "v2")
			"every 10s 120s..490s see a1 c0 v2\n500s see a1 c0 v1\n2000s down 510s\n"
			"2000s expect incidents v2\n" TEN("2010s", "2300s", "v2") "every 10s 2010s..2300s see a1 c0 v1\n"
			"2270s expect incidents v2\n2300s expect incidents v2 opened\n" },
};

/* Of more events than are kept the first and the newest stay. */
static void add_flapping(struct buf *text)
{
	buf_addf(text, "service shop interval=1s timeout=1m watch=0s alert=5s\n-60s deploy v1 live=-60s\n"
		       "every 1s -50s..-1s see a1 fra v1\n");
	for (int i = 0; i < 20; i++)
		buf_addf(text, "every 1s %ds..%ds see a1 fra v0\nevery 1s %ds..%ds see a1 fra v1\n", 200 * i, 200 * i + 20,
			200 * i + 21, 200 * i + 199);
	buf_addf(text, "3999s expect incident v1 state=resolved events.n=32 events_dropped=8 events.0.event=opened "
		       "events.31.event=resolved\n");
}

int main(void)
{
	struct story all[ARRAY_LEN(stories) + 1];
	struct buf text;
	buf_init(&text, 64 * 1024);
	add_flapping(&text);
	memcpy(all, stories, sizeof(stories));
	all[ARRAY_LEN(stories)] = (struct story){ "of many events the first and the newest are kept, the others counted", text.p };
	int rc = stories_run(all, ARRAY_LEN(all));
	buf_fini(&text);
	return rc;
}
