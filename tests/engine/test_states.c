/* Cell states: what is said of one endpoint at one edge, sentence by sentence. */
#include "tests/engine/scenario.h"

#define SHOP "service shop interval=10s\n-300s deploy v1 live=-300s\n"

static const struct story stories[] = {
	{ "fresh: the current version",
		SHOP "every 10s 0s..30s see a1 fra v1\n"
		     "30s expect cell fra state=fresh version=v1 expected=v1 staleness_s=0 behind=0 "
		     "vendor=cdn pop=fra\n"
		     "30s expect cell fra agents=[\"a1\"] regions=[\"eu\"] cause=null eta=null\n"
		     "30s expect states fra fresh\n" },
	{ "stale: current before; staleness is t - the end of its latest interval, t being when it was seen",
		SHOP "every 10s 0s..100s see a1 fra v1\n"
		     "60s deploy v2 live=75s\n"
		     "105s expect cell fra state=stale version=v1 expected=v2 staleness_s=25 behind=1 "
		     "stale_since=2026-03-01T10:01:15Z\n"
		     "105s expect states fra fresh,stale\n" },
	{ "a cell is stale from the first old answer at or after live_at, not before one came",
		SHOP "every 10s 0s..100s see a1 fra v1\n"
		     "60s deploy v2 live=75s\n"
		     "79s expect cell fra state=fresh version=v1 expected=v2\n"
		     "80s expect cell fra state=stale staleness_s=5\n" },
	{ "stale again after a switch back counts from the same moment: an old copy is as old as it is",
		SHOP "0s deploy v2 live=0s\n"
		     "10s see a1 fra v1\n20s see a1 fra v2\n150s see a1 fra v1\n"
		     "150s expect cell fra staleness_s=150\n" },
	{ "ahead: of a deploy that has not started",
		SHOP "0s see a1 fra v2\n"
		     "1s deploy v2 started=60s live=60s\n"
		     "10s see a1 fra v2\n"
		     "10s expect cell fra state=ahead version=v2 expected=v1 staleness_s=null\n"
		     "60s see a1 fra v2\n"
		     "60s expect cell fra state=fresh\n" },
	{ "unknown: in no entry", SHOP "0s see a1 fra v0\n0s expect cell fra state=unknown version=v0 "
				       "expected=v1 staleness_s=null behind=null\n" },
	{ "without any deploy every version is unknown", "service shop interval=10s\n0s see a1 fra v1\n0s "
							 "expect cell fra state=unknown expected=null\n" },
	{ "silent: none of its agents reported anything for 3 intervals",
		SHOP "every 10s 0s..30s see a1 fra v1\n"
		     "59s expect cell fra state=fresh\n"
		     "60s expect cell fra state=silent version=v1 last_seen=2026-03-01T10:00:30Z "
		     "staleness_s=null\n"
		     "70s see a1 fra v1\n70s expect cell fra state=fresh\n70s expect states fra "
		     "fresh,silent,fresh\n" },
	{ "a burst does not shorten the 3 intervals",
		SHOP "every 1s 0s..30s see a1 fra v1\n59s expect cell fra state=fresh\n60s expect cell fra "
		     "state=silent\n" },
	{ "another agent's reports keep a cell from silence",
		SHOP "every 10s 0s..30s see a1 fra v1\nevery 10s 0s..90s see a2 fra v1\n"
		     "90s expect cell fra state=fresh agents=[\"a2\",\"a1\"]\n100s see a2 fra v1\n"
		     "100s expect cell fra state=fresh agents=[\"a2\"]\n" },
	{ "failures are reports too: they keep a cell from silence",
		SHOP "every 10s 0s..30s see a1 fra v1\nevery 10s 0s..90s see a2 fra v1\nevery 10s 40s..90s "
		     "see a1 fra - fail=timeout\n"
		     "90s expect cell fra agents=[\"a2\",\"a1\"]\n" },
	{ "moved: its agents report this endpoint, from other edges",
		SHOP "every 10s 0s..30s see a1 fra v1\nevery 10s 40s..90s see a1 ams v1\n"
		     "59s expect cell fra state=fresh\n60s expect cell fra state=moved\n90s expect cell ams "
		     "state=fresh\n"
		     "119s expect cell fra state=moved\n120s expect cell fra state=silent\n120s expect cell "
		     "ams state=silent\n" },
	{ "a silent cell has moved once its agent speaks again from elsewhere",
		SHOP "every 10s 0s..30s see a1 fra v1\n60s expect cell fra state=silent\n200s see a1 ams v1\n"
		     "200s expect cell fra state=moved\n200s expect states fra fresh,silent,moved\n" },
	{ "whoever glimpsed a cell long ago is not its agent: the one that fed it fell silent",
		SHOP "0s see a2 fra v1\nevery 10s 10s..400s see a2 ams v1\nevery 10s 0s..300s see a1 fra v1\n"
		     "330s expect cell fra state=silent\n" },
	{ "an agent going to and fro between two edges keeps both",
		SHOP "every 20s 0s..200s see a1 fra v1\nevery 20s 10s..200s see a1 ams v1\n"
		     "200s expect states fra fresh\n200s expect states ams fresh\n" },
	{ "a sequence old old new new is a switch, not a mixture", SHOP
		"every 10s 0s..50s see a1 fra v1\n55s deploy v2 live=55s\nevery 10s 60s..70s see a1 fra v1\n"
		"every 10s 80s..100s see a1 fra v2\n100s expect states fra fresh,stale,fresh\n" },
	{ "mixed: an older version observed after a newer one within the window",
		SHOP "0s deploy v2 live=0s\n10s see a1 fra v2\n20s see a1 fra v1\n"
		     "20s expect cell fra state=mixed version=v1 staleness_s=20 behind=1\n" },
	{ "mixed until the window (5 intervals, at least 60 s) has passed since the older last followed the "
	  "newer",
		SHOP "0s deploy v2 live=0s\n10s see a1 fra v2\n20s see a1 fra v1\nevery 10s 30s..150s see a1 "
		     "fra v2\n"
		     "79s expect cell fra state=mixed\n80s expect cell fra state=fresh\n80s expect states "
		     "fra fresh,mixed,fresh\n" },
	{ "the window is 5 configured intervals where those are longer than 60 s",
		"service shop interval=30s\n0s deploy v2 live=0s\n-300s deploy v1 live=-300s\n"
		"30s see a1 fra v2\n60s see a1 fra v1\nevery 30s 90s..300s see a1 fra v2\n"
		"209s expect cell fra state=mixed\n210s expect cell fra state=fresh\n" },
	{ "always at least the last 3: they are looked at even where they are older than the window",
		"service shop interval=60s\n-300s deploy v1 live=-300s\n0s deploy v2 live=0s\n"
		"0s see a1 fra v2\n10s see a1 fra v1\n170s see a1 fra v1\n320s expect cell fra state=mixed\n"
		"330s see a1 fra v1\n330s expect cell fra state=stale\n" },
	{ "an older version long after a newer one is no mixture, once the last 3 are old", SHOP
		"0s deploy v2 live=0s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 400s..410s see a1 fra v1\n"
		"410s expect cell fra state=mixed\n420s see a1 fra v1\n420s expect cell fra state=stale\n" },
	{ "an unknown version between them does not hide that an older followed a newer",
		SHOP "0s deploy v2 live=0s\n10s see a1 fra v2\n20s see a1 fra vx\n30s see a1 fra v1\n30s "
		     "expect cell fra state=mixed\n" },
	{ "while a deploy rolls out both versions are acceptable, in any order", SHOP
		"0s deploy v2\n10s see a1 fra v2\n20s see a1 fra v1\n30s see a1 fra v2\n40s see a1 fra v1\n"
		"40s expect states fra fresh\n" },
	{ "one 5xx among good answers is passed over", SHOP "every 10s 0s..50s see a1 fra v1\n55s see a1 fra "
							    "- status=503\nevery 10s 60s..90s see a1 fra v1\n"
							    "90s expect states fra fresh\n" },
	{ "mixed: at least two 5xx answers among good ones", SHOP
		"every 10s 0s..100s see a1 fra v1\n25s see a1 fra - status=503\n45s see a1 fra - status=500\n"
		"45s expect cell fra state=mixed version=v1\n84s expect cell fra state=mixed\n85s expect "
		"cell fra state=fresh\n" },
	{ "two 5xx further apart than the window are two times one",
		SHOP "every 10s 0s..200s see a1 fra v1\n25s see a1 fra - status=503\n125s see a1 fra - "
		     "status=503\n"
		     "200s expect states fra fresh\n" },
	{ "4xx answers among good ones make no mixture", SHOP
		"every 10s 0s..100s see a1 fra v1\n25s see a1 fra - status=429\n45s see a1 fra - status=404\n"
		"100s expect states fra fresh\n" },
	{ "transport failures are noise: they break nothing",
		SHOP "every 10s 0s..100s see a1 fra v1\n25s see a1 fra - fail=timeout\n45s see a1 fra - "
		     "fail=reset\n"
		     "46s see a1 fra - fail=reset\n100s expect states fra fresh\n" },
	{ "failing: the last 3 of every agent that reaches it failed",
		SHOP "every 10s 0s..30s see a1 fra v1\nevery 10s 0s..30s see a2 fra v1\n"
		     "every 10s 40s..60s see a1 fra - fail=timeout\n60s expect cell fra state=fresh\n"
		     "every 10s 41s..51s see a2 fra - fail=timeout\n61s see a2 fra - fail=timeout\n"
		     "61s expect cell fra state=failing version=v1\n70s see a2 fra v1\n70s expect cell fra "
		     "state=fresh\n" },
	{ "a failure counts for the edge this agent last reached for this endpoint",
		SHOP "0s see a1 ams v1\n10s see a2 ams v1\n20s see a1 fra v1\nevery 10s 30s..50s see a1 ams "
		     "- fail=connect\n"
		     "50s expect cell fra state=failing\n" },
	{ "HTTP errors make a cell fail as well, and name their edge",
		SHOP "every 10s 0s..30s see a1 fra v1\nevery 10s 40s..60s see a1 fra - status=502\n60s "
		     "expect cell fra state=failing\n" },
	{ "an error that names no edge counts for the edge last reached",
		SHOP "every 10s 0s..30s see a1 fra v1\nevery 10s 40s..60s see a1 - - status=502\n"
		     "60s expect cell fra state=failing\n60s expect nocell -\n" },
	{ "an answer without a version is a failure",
		SHOP "every 10s 0s..30s see a1 fra v1\nevery 10s 40s..60s see a1 fra -\n60s expect cell fra "
		     "state=failing\n" },
	{ "failing goes before mixed", SHOP "every 10s 0s..30s see a1 fra v1\nevery 5s 31s..46s see a1 fra - "
					    "status=502\n46s expect cell fra state=failing\n" },
	{ "a cell that only ever gave errors is never_seen with a version, and failing after three",
		SHOP "every 10s 0s..10s see a1 fra - status=502\n10s expect cell fra state=never_seen "
		     "version=null\n"
		     "20s see a1 fra - status=502\n20s expect cell fra state=failing\n" },
	{ "an agent that moved away does not reach a cell any more: its failures there are over",
		SHOP "every 10s 0s..30s see a1 fra v1\nevery 10s 0s..100s see a2 fra v1\nevery 10s 40s..60s "
		     "see a1 fra - fail=timeout\n"
		     "70s see a1 ams v1\n100s expect states fra fresh\n" },
	{ "a failure before any edge was reached makes no cell", SHOP
		"every 10s 0s..30s see a1 fra - fail=dns\n30s expect nocell fra\n30s expect nocell -\n" },
	{ "an agent none of whose probes gets through anywhere is blind: its cells do not fail, they fall "
	  "silent",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s\n"
		"every 10s 0s..30s see a1 fra v1\nevery 10s 5s..35s see a1 fra v1 ep=w\n"
		"every 10s 40s..100s see a1 fra - fail=timeout\nevery 10s 45s..105s see a1 fra - "
		"fail=timeout ep=w\n"
		"105s expect states fra fresh,silent\n105s expect states fra/w fresh,silent\n105s expect "
		"agent a1 blind=true\n" },
	{ "an agent with one endpoint that fails and one that answers is not blind",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s\n"
		"every 10s 0s..30s see a1 fra v1\nevery 10s 5s..65s see a1 fra v1 ep=w\n"
		"every 10s 40s..60s see a1 fra - fail=timeout\n60s expect cell fra state=failing\n60s expect "
		"agent a1 blind=false\n" },
	{ "three endpoints of four that time out one after the other are no blindness: the fourth gets "
	  "through, and the three fail and stay so",
		"service shop interval=10s endpoints=v,w,x,y\n-300s deploy v1 live=-300s\n"
		"0s see a1 fra v1\n1s see a1 fra v1 ep=w\n2s see a1 fra v1 ep=x\nevery 10s 3s..103s see a1 "
		"fra "
		"v1 ep=y\n"
		"every 10s 10s..100s see a1 fra - fail=timeout\nevery 10s 11s..101s see a1 fra - "
		"fail=timeout "
		"ep=w\nevery 10s 12s..102s see a1 fra - fail=timeout ep=x\n"
		"102s expect agent a1 blind=false\n103s expect states fra fresh,failing\n"
		"103s expect states fra/x fresh,failing\n103s expect states fra/y fresh\n" },
	{ "then the fourth is lost as well: it is blind",
		"service shop interval=10s endpoints=v,w\n"
		"-300s deploy v1 live=-300s\n0s see a1 fra v1\nevery 10s 3s..43s see a1 fra v1 ep=w\n"
		"every 10s 10s..60s see a1 fra - fail=timeout\n40s expect agent a1 blind=false\n"
		"50s expect agent a1 blind=false\n53s see a1 fra - fail=timeout ep=w\n"
		"60s expect agent a1 blind=true\n" },
	{ "a place that is not asked any more keeps nobody from being blind for ever",
		"service shop interval=10s endpoints=v,w,x\n-300s deploy v1 live=-300s\n0s see a1 fra v1\n"
		"1s see a1 fra v1 ep=w\n2s see a1 fra v1 ep=x\nevery 10s 10s..6000s see a1 fra - "
		"fail=timeout\nevery 10s 11s..6001s see a1 fra - fail=timeout ep=w\n"
		"1000s expect agent a1 blind=false\n6001s expect agent a1 blind=true\n" },
	{ "what a blind agent's neighbour sees counts on",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s\n"
		"every 10s 0s..100s see a2 fra v1\nevery 10s 0s..30s see a1 fra v1\n"
		"every 10s 40s..100s see a1 fra - fail=timeout\nevery 10s 45s..105s see a1 fra - "
		"fail=timeout ep=w\n"
		"105s expect states fra fresh\n" },
	{ "origin observations make no cell", SHOP "every 10s 0s..30s see a1 origin v1\n30s expect nocell "
						   "-\n30s expect service shop cells={}\n" },
	{ "two endpoints at one edge are two cells",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s\n"
		"0s see a1 fra v1\n0s see a1 fra v0 ep=w\n0s expect cell fra state=fresh\n0s expect cell "
		"fra/w state=unknown\n" },
	{ "an answer that names no edge is of the edge 'none'",
		SHOP "0s see a1 - v1\n0s expect cell - state=fresh vendor=none pop=null\n" },
	{ "cached_at = observed_at - Age; without an Age it is unknown",
		SHOP "100s see a1 fra v1 cache=hit age=40 ttl=60\n100s expect cell fra "
		     "cached_at=2026-03-01T10:01:00Z age_s=40 "
		     "ttl_s=60 cache=hit eta=null\n"
		     "110s see a1 fra v1\n110s expect cell fra cached_at=null age_s=null ttl_s=null "
		     "cache=null\n" },
	{ "a stale copy whose time to live is told has an ETA",
		SHOP "90s deploy v2 live=90s\n100s see a1 fra v1 cache=hit age=40 ttl=60\n"
		     "100s expect cell fra state=stale eta=2026-03-01T10:02:40Z\n" },
	{ "every tier's word is kept, nearest first", SHOP "0s see a1 fra v1 cache=miss,hit age=5\n0s expect "
							   "cell fra cache=miss tiers=[\"miss\",\"hit\"]\n" },
	{ "the share of each version is over independent draws: every uncached answer is one", SHOP
		"0s deploy v2 live=0s\n1s see a1 fra v1 cache=miss\n2s see a1 fra v2 cache=miss\n3s see a1 "
		"fra v1 cache=miss\n"
		"4s see a1 fra v1 cache=miss\n"
		"4s expect cell fra state=mixed share.draws=4 share.versions.0.version=v1 "
		"share.versions.0.draws=3 "
		"share.versions.0.share=0.75 share.versions.0.low=0.3006 share.versions.0.high=0.9544\n" },
	{ "a cached object is one draw, however often it is seen: same node, cached within 2 s", SHOP
		"0s deploy v2 live=0s\n1s see a1 fra v2 cache=hit age=1 node=n1\n2s see a1 fra v1 cache=hit "
		"age=100 node=n2\n"
		"3s see a1 fra v1 cache=hit age=101 node=n2\n4s see a1 fra v1 cache=hit age=101 node=n2\n"
		"5s see a1 fra v1 cache=hit age=50 node=n2\n6s see a1 fra v1 cache=hit age=100 node=n3\n"
		"6s expect cell fra state=mixed share.draws=4 share.versions.1.version=v1 "
		"share.versions.1.draws=3\n" },
	{ "a share is given for mixed cells only",
		SHOP "0s see a1 fra v1 cache=miss\n0s expect cell fra share=absent\n" },
	{ "a failing cell says why, and since when it has not answered", SHOP
		"0s see a1 fra v1\n10s see a1 fra - fail=timeout\n20s see a1 fra - fail=dns\n20s expect cell "
		"fra "
		"state=fresh error=null\n30s see a1 fra - status=503\n30s expect cell fra state=failing "
		"error.kind=http error.status=503 error.at=2026-03-01T10:00:30Z "
		"error.since=2026-03-01T10:00:10Z\n"
		"40s see a1 fra - fail=reset\n40s expect cell fra error.kind=reset error.status=null "
		"error.since=2026-03-01T10:00:10Z\n"
		"50s see a1 fra v1\n50s expect cell fra state=fresh error=null\n"
		"60s see a1 fra -\n70s see a1 fra -\n80s see a1 fra -\n80s expect cell fra state=failing "
		"error.kind=no_version error.status=200 error.since=2026-03-01T10:01:00Z\n" },
	{ "what one agent could not reach before another was answered is not why the cell fails now",
		SHOP "0s see a1 fra v1\n0s see a2 fra v1\n10s see a1 fra - fail=timeout\n20s see a1 fra - "
		     "fail=timeout\n"
		     "25s see a2 fra v1\n30s see a1 fra - fail=timeout\n31s see a2 fra - fail=timeout\n41s "
		     "see a2 fra - "
		     "fail=timeout\n51s see a2 fra - fail=timeout\n51s expect cell fra state=failing "
		     "error.kind=timeout "
		     "error.since=2026-03-01T10:00:30Z error.at=2026-03-01T10:00:51Z\n" },
	{ "a cell that never gave a version says why",
		SHOP "0s see a1 fra - status=404\n10s see a1 fra - status=404\n"
		     "10s expect cell fra state=never_seen error.kind=http error.status=404 "
		     "error.since=2026-03-01T10:00:00Z\n" },
	{ "errors that a mixed cell is mixed for are said",
		SHOP "0s see a1 fra v1\n10s see a1 fra - status=502\n20s see a1 fra v1\n30s see a1 fra - "
		     "status=500\n"
		     "40s see a1 fra v1\n40s expect cell fra state=mixed error.kind=http error.status=500 "
		     "error.at=2026-03-01T10:00:30Z error.since=null\n" },
	{ "a fresh cell that comes to another version says so, once, though its state stays",
		SHOP "0s see a1 fra v1\n5s deploy v2\n10s see a1 fra v1\nevery 10s 20s..60s see a1 fra v2\n"
		     "60s expect states fra fresh\n60s expect versions fra v2\n"
		     "70s see a1 fra v1 at=15s\n70s expect versions fra v2\n" },
	{ "a mixed cell's changes of version are not said one by one",
		SHOP "0s see a1 fra v1\n5s deploy v2 live=5s\n10s see a1 fra v2\n11s see a1 fra v1\n12s see "
		     "a1 fra v2\n"
		     "13s see a1 fra v1\n13s expect states fra fresh,mixed\n13s expect versions fra v2\n" },
	{ "a removed endpoint's cells go, the others stay",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s\n"
		"0s see a1 fra v1\n0s see a1 fra v1 ep=w\n1s service shop interval=10s endpoints=w\n"
		"1s expect nocell fra\n1s expect cell fra/w state=fresh\n11s see a1 fra v1 ep=w\n11s expect "
		"cell fra/w state=fresh\n" },
	{ "an endpoint with another URL is another endpoint",
		SHOP "0s see a1 fra v1\n1s service shop interval=10s url=/new\n1s expect nocell fra\n" },
	{ "a service that is gone takes everything with it, and may come back",
		SHOP "0s see a1 fra v1\n1s service shop gone\n1s expect nocell fra\n2s see a1 fra v1\n"
		     "3s deploy v2 refused=not_found\n4s service shop interval=10s\n5s see a1 fra v1\n5s "
		     "expect cell fra state=unknown\n" },
	{ "a cell nobody was answered by for a week is forgotten",
		"service shop interval=1h\n-300s deploy v1 live=-300s\n-200s see a1 ams v1\n"
		"every 1h 0s..200h see a1 fra v1\n160h expect cell ams state=moved\n200h expect nocell ams\n"
		"200h expect cell fra state=fresh\n" },
};

int main(void)
{
	return stories_run(stories, ARRAY_LEN(stories));
}
