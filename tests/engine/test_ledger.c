/* Which version is right, and since when. */
#include "tests/engine/scenario.h"

#define SHOP "service shop interval=10s\n-300s deploy v1 live=-300s\n"

static const struct story stories[] = {
	{ "entry i is current in [live_at_i, live_at_i+1)", SHOP
		"0s deploy v2 live=0s\n60s deploy v3 live=60s\n"
		"61s see a1 fra v1\n61s expect cell fra state=stale staleness_s=61 behind=2 expected=v3\n"
		"62s see a1 ams v2\n62s expect cell ams state=stale staleness_s=2 behind=1\n"
		"63s see a1 nrt v3\n63s expect cell nrt state=fresh\n"
		"63s expect service shop current.version=v3 current.deploy=v3 "
		"current.live_at=2026-03-01T10:01:00Z rolling=null\n" },
	{ "order comes from live_at, not from versions, dates or the order they were told in",
		SHOP "0s deploy v9 live=-10s\n1s deploy v3 live=-20s\n2s see a1 fra v3\n"
		     "2s expect cell fra state=stale expected=v9 staleness_s=12 behind=1\n"
		     "2s expect deploy v3 verdict=superseded live_at=2026-03-01T09:59:40Z\n" },
	{ "a rollback is a new entry with an old version",
		SHOP "0s deploy v2 live=0s\n60s deploy v1 id=back live=60s\n"
		     "61s see a1 fra v1\n61s expect cell fra state=fresh behind=0 staleness_s=0\n"
		     "62s see a1 ams v2\n62s expect cell ams state=stale staleness_s=2 behind=1\n" },
	{ "a version that was right twice is stale since the end of its latest interval",
		SHOP "0s deploy v2 live=0s\n60s deploy v1 id=back live=60s\n120s deploy v3 live=120s\n"
		     "130s see a1 fra v1\n130s expect cell fra state=stale staleness_s=10 behind=1\n" },
	{ "after a rollback, new then old is a switch and old then new is a mixture",
		SHOP "0s deploy v2 live=0s\n60s deploy v1 id=back live=60s\n"
		     "61s see a1 fra v2\n62s see a1 fra v1\n62s expect cell fra state=fresh\n"
		     "63s see a1 fra v2\n63s expect cell fra state=mixed\n" },
	{ "between started_at and live_at its version and the current one are both acceptable",
		SHOP "0s deploy v2\n1s see a1 fra v2\n1s expect cell fra state=fresh expected=v1\n"
		     "2s see a1 ams v1\n2s expect cell ams state=fresh\n"
		     "2s expect deploy v2 verdict=pending live_at=null live_source=null\n"
		     "2s expect service shop current.version=v1 rolling.version=v2 rolling.deploy=v2\n" },
	{ "a live_at that is still to come takes effect when it comes",
		SHOP "0s deploy v2 live=60s\n59s see a1 fra v1\n59s expect cell fra state=fresh\n59s expect "
		     "deploy v2 verdict=pending\n"
		     "60s expect deploy v2 verdict=converging live_source=declared\n"
		     "60s expect deploy v2 advisories.0.code=time_in_future\n"
		     "61s see a1 fra v1\n61s expect cell fra state=stale staleness_s=1\n" },
	{ "an aborted deploy leaves the ledger; its version is stale from then",
		SHOP "0s deploy v2\n10s see a1 fra v2\n20s abort v2\n25s see a1 fra v2\n"
		     "25s expect cell fra state=stale staleness_s=5 behind=0 expected=v1\n"
		     "25s expect deploy v2 verdict=aborted\n26s see a1 fra v1\n26s expect cell fra "
		     "state=fresh\n" },
	{ "an aborted version that comes back among right answers is a mixture",
		SHOP "0s deploy v2\n20s abort v2\n25s see a1 fra v1\n26s see a1 fra v2\n26s expect cell fra "
		     "state=mixed\n" },
	{ "aborted in the middle: who came to it before is stale, who came back is fresh, and neither is "
	  "mixed",
		SHOP
		"-5s see a1 fra v1\n-5s see a2 ams v1\n-5s see a3 nrt v1\n0s deploy v2\n"
		"10s see a1 fra v2\n10s see a2 ams v2\n11s see a3 nrt v1\n20s abort v2\n"
		"20s expect cell fra state=fresh\n"
		"25s see a1 fra v2\n25s expect cell fra state=stale behind=0 expected=v1 staleness_s=5\n"
		"25s see a2 ams v1\n25s expect cell ams state=fresh\n25s see a3 nrt v1\n25s expect cell nrt "
		"state=fresh\n"
		"35s see a1 fra v1\n35s expect cell fra state=fresh\n35s expect states fra "
		"fresh,stale,fresh\n"
		"35s expect states ams fresh\n45s see a1 fra v2\n45s expect cell fra state=mixed\n" },
	{ "aborted while it converged: as before it was live",
		SHOP "-5s see a1 fra v1\n-5s see a2 ams v1\n0s deploy v2 live=0s\n"
		     "10s see a1 fra v2\n10s see a2 ams v1\n10s expect cell ams state=stale\n20s abort v2\n"
		     "20s expect cell ams state=fresh\n25s see a1 fra v2\n25s expect cell fra state=stale "
		     "expected=v1\n"
		     "25s see a2 ams v1\n25s expect states fra fresh,stale\n30s see a1 fra v1\n30s expect "
		     "cell fra "
		     "state=fresh\n" },
	{ "after an abort the next deploy is newer than what was aborted", SHOP
		"-5s see a1 fra v1\n0s deploy v2\n10s see a1 fra v2\n20s abort v2\n25s see a1 fra v2\n"
		"30s deploy v3 live=30s\n31s see a1 fra v3\n31s expect cell fra state=fresh\n"
		"32s deploy v4 live=32s\n33s see a1 fra v3\n33s expect cell fra state=stale behind=1\n" },
	{ "a deploy that is recorded late corrects what was said of answers before",
		SHOP "every 10s 0s..50s see a1 fra v1\n55s deploy v2 started=15s live=15s\n"
		     "55s expect cell fra state=stale staleness_s=35 version=v1\n"
		     "55s expect states fra fresh,stale\n" },
	{ "a version seen before its deploy was recorded is unknown, and known after",
		SHOP "every 10s 0s..20s see a1 fra v2\n20s expect cell fra state=unknown\n25s deploy v2 "
		     "started=-5s live=-5s\n"
		     "25s expect cell fra state=fresh\n25s expect deploy v2 verdict=verified\n" },
	{ "live_at declared by PATCH", SHOP "0s deploy v2\n30s live v2 at=20s\n"
					    "30s expect deploy v2 verdict=converging live_source=declared "
					    "live_at=2026-03-01T10:00:20Z\n" },
	{ "live_at observed: the origin path converged on it (3 answers over 2 intervals, from the first of "
	  "them)",
		"service shop interval=10s origin\n-300s deploy v1 live=-300s\nevery 10s -50s..20s see o1 "
		"origin v1\n"
		"5s deploy v2\nevery 10s 30s..50s see o1 origin v2\n49s expect deploy v2 verdict=pending\n"
		"50s expect deploy v2 verdict=converging live_source=observed "
		"live_at=2026-03-01T10:00:30Z\n" },
	{ "an origin that answers old and new in turn has not converged",
		"service shop interval=10s origin grace=2m\n-300s deploy v1 live=-300s\n"
		"5s deploy v2\nevery 10s 10s..100s see o1 origin v2\nevery 10s 15s..105s see o1 origin v1\n"
		"119s expect deploy v2 verdict=pending\n125s expect deploy v2 verdict=converging "
		"live_source=assumed\n" },
	{ "every endpoint that the origin path probes must have converged; live_at is the last of them",
		"service shop interval=10s origin endpoints=v,w\n-300s deploy v1 live=-300s\n"
		"5s deploy v2\nevery 10s 10s..90s see o1 origin v2\nevery 10s 11s..51s see o1 origin v1 "
		"ep=w\n"
		"every 10s 61s..81s see o1 origin v2 ep=w\n80s expect deploy v2 verdict=pending\n"
		"81s expect deploy v2 live_source=observed live_at=2026-03-01T10:01:01Z\n" },
	{ "without an origin path, uncached draws tell live_at", SHOP
		"5s deploy v2\n10s see a1 fra v1 cache=miss\nevery 10s 20s..40s see a1 fra v2 cache=miss\n"
		"40s expect deploy v2 live_source=observed live_at=2026-03-01T10:00:20Z\n" },
	{ "cached answers do not tell live_at",
		SHOP "5s deploy v2\nevery 10s 20s..200s see a1 fra v2 cache=hit age=5\n200s expect deploy v2 "
		     "verdict=pending\n" },
	{ "with an origin path, uncached draws through edges do not tell live_at",
		"service shop interval=10s origin\n-300s deploy v1 live=-300s\n"
		"5s deploy v2\nevery 10s 20s..200s see a1 fra v2 cache=miss\n200s expect deploy v2 "
		"verdict=pending\n" },
	{ "live_at assumed after rollout_grace: nobody said, nothing showed, so it counts from its start",
		SHOP "0s deploy v2\n299s expect deploy v2 verdict=pending\n"
		     "300s expect deploy v2 verdict=converging live_source=assumed "
		     "live_at=2026-03-01T10:00:00Z\n" },
	{ "a declared live_at overrides an assumed one",
		SHOP "0s deploy v2\n300s expect deploy v2 live_source=assumed\n310s live v2 at=200s\n"
		     "310s expect deploy v2 live_source=declared live_at=2026-03-01T10:03:20Z "
		     "verdict=converging\n" },
	{ "a live_at before started_at moves the start",
		SHOP "100s deploy v2 started=90s live=80s\n"
		     "100s expect deploy v2 started_at=2026-03-01T10:01:20Z live_at=2026-03-01T10:01:20Z\n" },
	{ "aliases: tag, full and short SHA are the same version",
		SHOP "0s deploy v2 live=0s alias=abc1234def,abc1234\n1s see a1 fra abc1234def\n1s expect "
		     "cell fra state=fresh expected=v2\n"
		     "2s see a1 fra abc1234\n2s expect cell fra state=fresh\n3s see a1 fra abc123\n3s expect "
		     "cell fra state=unknown\n" },
	{ "values: what an endpoint serves may have its own spelling",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s\n0s deploy v2 live=0s "
		"value=w:build-2\n"
		"1s see a1 fra build-2 ep=w\n1s expect cell fra/w state=fresh expected=build-2\n"
		"2s see a1 fra v2 ep=w\n2s expect cell fra/w state=unknown\n3s see a1 fra v2\n3s expect cell "
		"fra state=fresh expected=v2\n" },
	{ "values of an endpoint that is not there are refused",
		SHOP "0s deploy v2 value=x:1 refused=not_found\n" },
	{ "prefix: at least 7 characters, either way",
		"service shop interval=10s endpoints=v:prefix\n0s deploy abc1234def live=0s\n"
		"1s see a1 fra abc1234\n1s expect cell fra state=fresh\n2s see a1 ams abc1234def567\n2s "
		"expect cell ams state=fresh\n"
		"3s see a1 nrt abc123\n3s expect cell nrt state=unknown\n4s see a1 lhr abc1235\n4s expect "
		"cell lhr state=unknown\n" },
	{ "exact: a prefix is another version", "service shop interval=10s\n0s deploy abc1234def live=0s\n1s "
						"see a1 fra abc1234\n1s expect cell fra state=unknown\n" },
	{ "a learned value comes from converged origin answers",
		"service shop interval=10s origin endpoints=v,e:learned\n-300s deploy v1 live=-300s\n"
		"every 10s -290s..-10s see o1 origin E1 ep=e\n-5s see a1 fra E1 ep=e\n-5s expect cell fra/e "
		"state=fresh expected=E1\n"
		"0s deploy v2 live=0s\n1s see a1 fra E1 ep=e\n1s expect cell fra/e state=unknown "
		"expected=null\n"
		"every 10s 2s..22s see o1 origin E2 ep=e\n22s expect cell fra/e state=stale expected=E2 "
		"staleness_s=1\n"
		"23s see a1 fra E2 ep=e\n23s expect cell fra/e state=fresh\n" },
	{ "a value learned too early is corrected when the origin comes to agree on another",
		"service shop interval=10s origin endpoints=v,e:learned\n-300s deploy v1 live=-300s\n"
		"every 10s -290s..-10s see o1 origin E1 ep=e\n0s deploy v2 live=0s\nevery 10s 1s..31s see o1 "
		"origin E1 ep=e\n"
		"31s see a1 fra E1 ep=e\n31s expect cell fra/e state=fresh\n31s expect deploy v2 "
		"advisories.0.code=version_unchanged\n"
		"every 10s 40s..60s see o1 origin E2 ep=e\n60s expect cell fra/e state=stale expected=E2\n"
		"60s expect deploy v2 advisories=[]\n" },
	{ "a value from before the deploy is corrected by a better one after the verdict too; who comes "
	  "along "
	  "later does not relapse",
		"service shop interval=10s origin endpoints=v,e:learned\n-300s deploy v1 live=-300s\n"
		"every 10s -290s..-10s see o1 origin E1 ep=e\nevery 10s -290s..-10s see a1 fra v1\n"
		"every 10s -290s..60s see a1 fra E1 ep=e\n0s deploy v2 live=0s\nevery 10s 1s..31s see o1 "
		"origin E1 "
		"ep=e\nevery 10s 1s..91s see a1 fra v2\n"
		"31s expect deploy v2 verdict=verified advisories.0.code=version_unchanged\n"
		"every 10s 40s..90s see o1 origin E2 ep=e\n59s expect cell fra/e state=fresh expected=E1\n"
		"60s expect cell fra/e state=stale expected=E2 behind=1\n60s expect states fra/e "
		"unknown,fresh,unknown,fresh,stale\n"
		"70s see a1 fra E1 ep=e\n71s see a1 fra E1 ep=e\nevery 10s 72s..92s see a1 fra E2 ep=e\n"
		"92s expect cell fra/e state=fresh converged=true\n92s expect verdicts v2 "
		"converging,verified\n"
		"93s see a1 fra E1 ep=e\n94s see a1 fra E1 ep=e\n94s expect verdicts v2 "
		"converging,verified,failed\n" },
	{ "a value of its own is not given up for another after the verdict: that would be a deploy nobody "
	  "told",
		"service shop interval=10s origin endpoints=e:learned\n-300s deploy v1 live=-300s\n"
		"every 10s -290s..-10s see o1 origin E1 ep=e\nevery 10s -290s..-10s see a1 fra E1 ep=e\n"
		"0s deploy v2 live=0s\nevery 10s 1s..31s see o1 origin E2 ep=e\nevery 10s 1s..31s see a1 fra "
		"E2 ep=e\n"
		"31s expect deploy v2 verdict=verified\nevery 10s 41s..101s see o1 origin E3 ep=e\n"
		"101s see a1 fra E2 ep=e\n101s expect cell fra/e state=fresh expected=E2\n" },
	{ "an older value never replaces a newer one, also not before the verdict",
		"service shop interval=10s origin endpoints=e:learned\n-300s deploy v1 live=-300s\n"
		"every 10s -290s..-10s see o1 origin E1 ep=e\n0s deploy v2 live=0s\n"
		"every 10s 1s..31s see o1 origin E2 ep=e\nevery 10s 41s..101s see o1 origin E1 ep=e\n"
		"101s see a1 fra E1 ep=e\n101s expect cell fra/e state=stale expected=E2\n"
		"101s expect deploy v2 verdict=converging\n" },
	{ "what the origin gave before a first deploy started is from before it as well",
		"service shop interval=10s origin endpoints=v,e:learned\nevery 10s -100s..31s see o1 origin "
		"E1 ep=e\n"
		"0s deploy v2 live=0s\nevery 10s 1s..31s see a1 fra v2\nevery 10s 2s..32s see a1 fra E1 "
		"ep=e\n"
		"32s expect deploy v2 verdict=verified\nevery 10s 41s..61s see o1 origin E2 ep=e\n"
		"61s see a1 fra E2 ep=e\n61s expect cell fra/e state=fresh expected=E2\n" },
	{ "while another rolls out nothing is corrected: the new value may be of that one",
		"service shop interval=10s origin endpoints=e:learned\n-300s deploy v1 live=-300s\n"
		"every 10s -290s..-10s see o1 origin E1 ep=e\n0s deploy v2 live=0s\nevery 10s 1s..31s see o1 "
		"origin E1 ep=e\n"
		"35s deploy v3 live=200s\nevery 10s 41s..101s see o1 origin E3 ep=e\n"
		"101s see a1 fra E1 ep=e\n101s expect cell fra/e state=fresh expected=E1\n" },
	{ "a declared value is not learned over",
		"service shop interval=10s origin endpoints=e:learned\n-300s deploy v1 live=-300s "
		"value=e:E1\n"
		"every 10s -290s..-10s see o1 origin E7 ep=e\n-9s see a1 fra E1 ep=e\n-9s expect cell fra/e "
		"state=fresh "
		"expected=E1\n-8s expect states fra/e fresh\n" },
	{ "until it is learned such an endpoint informs and does not judge",
		"service shop interval=10s endpoints=v,e:learned\n-300s deploy v1 live=-300s\nevery 10s "
		"-290s..200s see a1 fra v1\n"
		"every 10s -290s..200s see a1 fra E1 ep=e\n0s deploy v2 live=0s\nevery 10s 1s..41s see a1 "
		"fra v2\n"
		"200s expect cell fra/e state=unknown\n40s expect deploy v2 propagation.known=1 "
		"advisories.0.code=informs_only\n" },
	{ "new etags that the origin agrees on tell live_at too",
		"service shop interval=10s origin endpoints=e:learned\n-300s deploy v1 live=-300s\n"
		"every 10s -290s..10s see o1 origin E1 ep=e\n5s deploy v2\nevery 10s 20s..40s see o1 origin "
		"E2 ep=e\n"
		"40s expect deploy v2 live_source=observed live_at=2026-03-01T10:00:20Z\n" },
	{ "version_unchanged: an endpoint whose right value is the same before and after leaves the "
	  "denominator",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s value=w:same\n"
		"every 10s -290s..60s see a1 fra same ep=w\nevery 10s -290s..0s see a1 fra v1\n"
		"5s deploy v2 live=5s value=w:same\nevery 10s 10s..30s see a1 fra v2\n"
		"30s expect cell fra/w state=fresh\n30s expect deploy v2 verdict=verified "
		"propagation.known=1 "
		"advisories.0.code=version_unchanged advisories.0.endpoint=w advisories.n=1\n" },
	{ "a deploy of the version that is there already proves nothing: it ends inconclusive, and says why",
		SHOP
		"every 10s -290s..1000s see a1 fra v1\n0s deploy v1 id=again live=0s\n"
		"20s expect deploy again verdict=converging version_unchanged=true\n20s expect deploy v1 "
		"version_unchanged=false\n"
		"900s expect deploy again verdict=inconclusive advisories.0.code=version_unchanged "
		"version_unchanged=true propagation.known=0\n"
		"900s expect reason again version_unchanged\n"
		"910s deploy v2 live=910s\n910s expect deploy again version_unchanged=true\n910s expect "
		"deploy v2 "
		"version_unchanged=false\n" },
	{ "which endpoints did not judge a deploy is remembered when the next one is current",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s value=w:same\n"
		"0s deploy v2 live=0s value=w:same\n10s deploy v3 live=10s value=w:other\n"
		"10s expect deploy v2 advisories.0.code=version_unchanged advisories.0.endpoint=w "
		"advisories.n=1\n"
		"10s expect deploy v3 advisories=[]\n" },
	{ "one endpoint that tells the two apart is enough",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s value=w:same\n"
		"0s deploy v2 live=0s value=w:same\n1s expect deploy v2 version_unchanged=false "
		"advisories.0.code=version_unchanged\n"
		"900s expect reason v2 nothing\n" },
	{ "a live deploy is not put off: that is refused; a clock a little ahead means the present, and "
	  "flagged",
		SHOP "0s deploy v2 live=0s\n10s live v2 at=41s refused=nonsense\n"
		     "10s expect deploy v2 live_at=2026-03-01T10:00:00Z advisories=[]\n"
		     "10s live v2 at=40s\n10s expect deploy v2 live_at=2026-03-01T10:00:10Z "
		     "advisories.0.code=time_in_future\n"
		     "20s live v2 at=5s\n20s expect deploy v2 live_at=2026-03-01T10:00:05Z\n" },
	{ "one that is not live yet can be put off",
		SHOP "0s deploy v2 live=30s\n10s live v2 at=600s\n599s expect deploy v2 verdict=pending\n"
		     "600s expect deploy v2 verdict=converging live_at=2026-03-01T10:10:00Z\n" },
	{ "an unknown version at the origin raises an undeclared deploy notice, once",
		SHOP "every 10s 0s..30s see o1 origin v2\n30s expect notices v2\n" },
	{ "uncached at several edges it does too; at one edge, or from a cache, it does not",
		SHOP "0s see a1 fra v2 cache=miss\n1s see a1 fra v2 cache=miss\n2s see a2 ams v2 cache=hit "
		     "age=9\n2s expect notices 0\n"
		     "3s see a2 ams v2 cache=miss\n3s expect notices v2\n" },
	{ "an undeclared version that is accepted afterwards is right from when it began",
		SHOP "every 10s -100s..-10s see a1 fra v1\nevery 10s -100s..-10s see a2 ams v1\n"
		     "every 10s 0s..60s see a1 fra v9\nevery 10s 0s..60s see a2 ams v1\n5s see o1 origin v9\n60s expect notices v9\n"
		     "60s expect cell fra state=unknown\n61s deploy v9 started=0s live=0s\n"
		     "61s expect cell fra state=fresh converged=true\n61s expect cell ams state=stale stale_since=2026-03-01T10:00:00Z\n"
		     "61s expect deploy v9 propagation.converged=1 propagation.known=2\n" },
	{ "two roll-outs at once: both versions are acceptable, the one that goes live last is the right one",
		SHOP "every 10s -100s..-10s see a1 fra v1\n0s deploy v2\n5s deploy v3\n10s see a1 fra v2\n"
		     "10s expect cell fra state=fresh\n20s see a1 fra v3\n20s expect cell fra state=fresh\n"
		     "30s live v2\n30s expect deploy v2 verdict=converging\n30s expect deploy v3 verdict=pending\n"
		     "40s see a1 fra v3\n40s expect cell fra state=fresh\n50s live v3\n50s expect deploy v2 verdict=superseded\n"
		     "60s see a1 fra v2\n60s expect cell fra state=mixed\nevery 10s 70s..150s see a1 fra v3\n"
		     "150s expect deploy v3 verdict=verified\n" },
	{ "a version that a deploy names raises none",
		SHOP "0s deploy v2\nevery 10s 0s..30s see o1 origin v2\n30s expect notices 0\n" },
	{ "a digest names no version: learned endpoints raise none",
		"service shop interval=10s endpoints=v,e:learned\n-300s deploy v1 live=-300s\n0s see o1 "
		"origin E7 ep=e\n0s expect notices 0\n" },
	{ "a deploy of an unknown service is refused", "0s deploy v1 refused=not_found\n" },
	{ "a deploy with an id that is there is refused", SHOP "0s deploy v2 id=v1 refused=exists\n" },
	{ "a patch of an unknown deploy is refused",
		SHOP "0s live v9 refused=not_found\n1s abort v9 refused=not_found\n" },
	{ "what is refused leaves the state as it was, and time has advanced",
		SHOP "0s see a1 fra v1\n30s deploy v2 service=other refused=not_found\n30s expect cell fra "
		     "state=silent\n" },
};

int main(void)
{
	return stories_run(stories, ARRAY_LEN(stories));
}
