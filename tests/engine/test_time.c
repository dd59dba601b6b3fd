/* Late data, out of order, told twice; time when the collector was down. */
#include "tests/engine/scenario.h"

#define SHOP "service shop interval=10s\n-300s deploy v1 live=-300s\n"
#define PAST SHOP "every 10s -100s..-10s see a1 fra v1\nevery 10s -100s..-10s see a2 ams v1\n"

static const struct story stories[] = {
	{ "late data (over 60 s) corrects history: the first fresh answer moves the curve",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..30s see a2 ams v2\n100s see a1 fra v2\n110s see "
		     "a1 fra v2\n120s see a1 fra v2\n"
		     "120s expect deploy v2 propagation.t100_s=[0,100]\n130s see a1 fra v2 at=40s\n"
		     "130s expect deploy v2 propagation.t100_s=[0,40]\n" },
	{ "late data may complete an open verdict",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..30s see a2 ams v2\n30s expect deploy v2 "
		     "verdict=converging\n"
		     "200s see a1 fra v2 at=10s\n201s see a1 fra v2 at=20s\n202s see a1 fra v2 at=30s\n202s "
		     "expect deploy v2 verdict=verified\n" },
	{ "late data may make it fail at the deadline",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..900s see a2 ams v2\n800s see a1 fra v1 "
		     "at=700s\n900s expect deploy v2 verdict=failed\n" },
	{ "late data makes no relapse",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams "
		     "v2\n30s expect deploy v2 verdict=verified\n"
		     "200s see a1 fra v1 at=100s\n201s see a2 ams v1 at=110s\n202s see a1 fra v1 "
		     "at=120s\n202s expect deploy v2 verdict=verified\n" },
	{ "late data raises no notice",
		SHOP "100s see o1 origin v9 at=39s\n100s expect notices 0\n101s see o1 origin v8 at=41s\n"
		     "101s expect notices v8\n" },
	{ "late data corrects first and last seen",
		SHOP "100s see a1 fra v1\n200s see a1 fra v1 at=50s\n200s expect cell fra "
		     "first_seen=2026-03-01T10:00:50Z "
		     "last_seen=2026-03-01T10:01:40Z\n" },
	{ "the newest answer says what a cell serves, whenever it comes",
		SHOP "0s deploy v2 live=0s\n10s see a1 fra v1\n30s see a1 fra v2\n31s see a1 fra v1 "
		     "at=20s\n31s expect cell fra state=fresh version=v2\n"
		     "31s expect states fra stale,fresh\n" },
	{ "an old answer that comes late and lies between new ones was a mixture",
		SHOP "0s deploy v2 live=0s\nevery 5s 10s..40s see a1 fra v2\n41s see a1 fra v1 at=22s\n41s "
		     "expect cell fra state=mixed\n"
		     "82s expect cell fra state=silent\n" },
	{ "an old answer that comes late takes a convergence back",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..30s see a1 fra v2\n30s expect cell fra "
		     "converged=true\n31s see a1 fra v1 at=25s\n"
		     "31s expect cell fra converged=false\n" },
	{ "a result told twice counts once",
		PAST "0s deploy v2 live=0s\n10s see a1 fra v2\n11s see a1 fra v2 at=10s\n30s see a1 fra "
		     "v2\n31s see a1 fra v2 at=30s\n"
		     "32s see a1 fra v2 at=10s\n32s expect cell fra converged=false\n40s see a1 fra v2\n40s "
		     "expect cell fra converged=true\n" },
	{ "two results of one moment that differ are two",
		PAST "0s deploy v2 live=0s\n10s see a1 fra v2 node=n1\n10s see a1 fra v2 node=n2\n30s see a1 "
		     "fra v2 node=n1\n"
		     "30s expect cell fra converged=true\n" },
	{ "a failure told twice counts once",
		SHOP "0s see a1 fra v1\n10s see a1 fra - fail=timeout\n11s see a1 fra - fail=timeout "
		     "at=10s\n20s see a1 fra - fail=timeout\n"
		     "20s expect cell fra state=fresh\n" },
	{ "an older failure that comes late does not count after a newer answer",
		SHOP "0s see a1 fra v1\n10s see a1 fra - fail=timeout\n20s see a1 fra - fail=timeout\n30s "
		     "see a1 fra v1\n"
		     "31s see a1 fra - fail=timeout at=25s\n31s expect cell fra state=fresh\n" },
	{ "an older answer that comes late does not move an agent back to the edge it left",
		SHOP "0s see a1 fra v1\n20s see a1 ams v1\n21s see a1 fra v1 at=10s\nevery 10s 30s..50s see "
		     "a1 ams - fail=timeout\n"
		     "50s expect cell ams state=failing\n" },
	{ "an answer from the future counts as now",
		SHOP "10s see a1 fra v1 at=500s\n10s expect cell fra last_seen=2026-03-01T10:00:10Z\n" },
	{ "time when the collector was down is no silence",
		SHOP "every 10s 0s..30s see a1 fra v1\n635s down 35s\n635s expect cell fra state=fresh\n659s "
		     "expect cell fra state=fresh\n"
		     "660s expect cell fra state=silent\n660s expect states fra fresh,silent\n" },
	{ "what was due before it went down happened before it went down", SHOP
		"every 10s 0s..30s see a1 fra v1\n700s down 100s\n700s expect states fra fresh,silent\n" },
	{ "time when the collector was down counts against no deadline",
		PAST "0s deploy v2 live=0s\n700s down 100s\n900s expect deploy v2 verdict=converging\n1499s "
		     "expect deploy v2 verdict=converging\n"
		     "1500s expect deploy v2 verdict=inconclusive\n" },
	{ "a deadline before it went down is met before it went down",
		PAST "0s deploy v2 live=0s\n2000s down 1000s\n2000s expect deploy v2 verdict=inconclusive "
		     "decided_at=2026-03-01T10:15:00Z\n" },
	{ "nor against the grace of a rollout",
		PAST "0s deploy v2\n700s down 100s\n899s expect deploy v2 verdict=pending\n900s expect "
		     "deploy v2 live_source=assumed "
		     "live_at=2026-03-01T10:00:00Z\n" },
	{ "but a live_at that was declared is a fact, not a deadline",
		PAST "0s deploy v2 live=200s\n700s down 100s\n701s see a1 fra v1\n701s expect deploy v2 "
		     "verdict=converging live_at=2026-03-01T10:03:20Z\n"
		     "701s expect cell fra state=stale staleness_s=501\n" },
	{ "data that waited for the collector is not late",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams "
		     "v2\n30s expect deploy v2 verdict=verified\n"
		     "600s down 40s\n601s see a1 fra v1 at=300s\n602s see a1 fra v1 at=310s\n602s expect "
		     "deploy v2 verdict=failed\n" },
	{ "nor does it shorten watch",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams "
		     "v2\n3700s down 100s\n"
		     "4000s see a1 fra v1\n4001s see a2 ams v1\n4001s expect deploy v2 verdict=failed\n" },
	{ "a mixture lasts longer by the time the collector was down",
		SHOP "0s deploy v2 live=0s\n10s see a1 fra v2\n20s see a1 fra v1\nevery 5s 25s..40s see a1 "
		     "fra v2\n545s down 45s\n"
		     "546s see a1 fra v2\nevery 5s 550s..600s see a1 fra v2\n579s expect cell fra "
		     "state=mixed\n580s expect cell fra state=fresh\n" },
	{ "agents: connected, late, silent as time goes on",
		SHOP "0s agent a1 connected\n0s expect agent a1 state=never_seen connected=true\n10s see a1 "
		     "fra v1\n10s expect agent a1 state=connected "
		     "results=1 last_result=2026-03-01T10:00:10Z\n30s expect agent a1 state=late\n40s expect "
		     "agent a1 state=silent\n"
		     "41s agent a1 drained\n41s expect agent a1 state=drained\n42s see a1 fra v1\n42s expect "
		     "agent a1 state=connected\n"
		     "43s agent a1 revoked\n43s expect agent a1 state=revoked\n" },
};

int main(void)
{
	return stories_run(stories, ARRAY_LEN(stories));
}
