/* Propagation of one deploy, and its verdict. */
#include "tests/engine/scenario.h"

#define SHOP "service shop interval=10s\n"
#define THREE                                                                                                \
	"every 10s -100s..-10s see a1 fra v1\nevery 10s -100s..-10s see a2 ams v1\nevery 10s -100s..-10s "   \
	"see a3 nrt v1\n"
#define PAST SHOP "-300s deploy v1 live=-300s\n" THREE

static const struct story stories[] = {
	/* -- convergence -- */
	{ "converged at the first of at least 3 fresh observations that span at least 2 intervals", PAST
		"5s deploy v2 live=5s\n10s see a1 fra v2\n15s see a1 fra v2\n20s see a1 fra v2\n"
		"25s expect cell fra converged=false\n30s see a1 fra v2\n30s expect cell fra converged=true\n"
		"30s expect deploy v2 propagation.converged=1 propagation.t100_s=[0,5]\n" },
	{ "two fresh observations are not three, however far apart",
		PAST "5s deploy v2 live=5s\n10s see a1 fra v2\n35s see a1 fra v2\n35s expect cell fra "
		     "converged=false\n" },
	{ "agents that reach the same edge feed the same cell",
		PAST "5s deploy v2 live=5s\n10s see a1 fra v2\n20s see a2 fra v2\n30s see a3 fra v2\n30s "
		     "expect cell fra converged=true\n" },
	{ "a burst proves nothing faster than 2 configured intervals", PAST
		"5s deploy v2 live=5s\nevery 1s 10s..29s see a1 fra v2\n29s expect cell fra converged=false\n"
		"30s see a1 fra v2\n30s expect cell fra converged=true\n" },
	{ "transport failures neither break nor delay it",
		PAST "5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\n12s see a1 fra - fail=timeout\n"
		     "25s see a1 fra - fail=reset\n30s expect cell fra converged=true\n" },
	{ "an old version before live_at does not count against it",
		PAST "5s deploy v2\n10s see a1 fra v2\n20s see a1 fra v1\n30s see a1 fra v2\n40s see a1 fra "
		     "v2\n45s live v2 at=45s\n"
		     "45s expect cell fra converged=true\n45s expect deploy v2 propagation.t100_s=[0,0]\n" },
	{ "an old version after live_at starts it anew", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..20s see a1 fra v2\n22s see a1 fra v1\nevery 10s "
		"30s..40s see a1 fra v2\n"
		"40s expect cell fra converged=false\n50s see a1 fra v2\n50s expect cell fra converged=true\n"
		"50s expect deploy v2 propagation.t100_s=[17,25]\n" },
	{ "a later not-fresh one takes it back",
		PAST "5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\n30s expect deploy v2 "
		     "propagation.converged=1\n"
		     "40s see a1 fra v1\n40s expect cell fra converged=false\n40s expect deploy v2 "
		     "propagation.converged=0 "
		     "propagation.t50_s=null\n" },
	{ "the second 5xx within the window breaks a run, the first does not", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\n31s see a1 fra - status=503\n31s "
		"expect cell fra converged=true\n"
		"32s see a1 fra - status=503\n32s expect cell fra converged=false\nevery 10s 40s..60s see a1 "
		"fra v2\n"
		"60s expect cell fra converged=true\n60s expect deploy v2 propagation.t100_s=[27,35]\n" },
	{ "a failing cell has not converged", PAST "5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra "
						   "v2\nevery 10s 40s..60s see a1 fra - fail=timeout\n"
						   "60s expect cell fra state=failing converged=false\n" },
	{ "a version of a newer deploy that is rolling out is acceptable: it does not take back", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\n35s deploy v3\n40s see a1 fra v3\n"
		"40s expect cell fra state=fresh converged=true\n" },
	/* -- the denominator -- */
	{ "the denominator is the cells seen in the 24 h before started_at",
		SHOP "-300h deploy v1 live=-300h\n-25h see a1 old v1\n-23h see a1 day v1\n-10s see a1 fra "
		     "v1\n0s deploy v2 live=0s\n"
		     "0s expect deploy v2 propagation.known=2 unobserved.n=2 unobserved.0.edge=cdn:day "
		     "unobserved.1.edge=cdn:fra\n" },
	{ "noted when the deploy is recorded, as of started_at",
		PAST "100s see a9 new v1\n101s deploy v2 started=50s live=50s\n101s expect deploy v2 "
		     "propagation.known=3\n" },
	{ "a deploy that is not live yet has its denominator already, and one that never was keeps the count",
		PAST "0s deploy v2\n0s expect deploy v2 propagation.known=3 propagation.observed=0\n"
		     "10s abort v2\n10s expect deploy v2 propagation.known=3\n" },
	{ "each weighs its share of its agents' observations there: a PoP glimpsed once weighs little",
		SHOP "-300s deploy v1 live=-300s\nevery 1s -100s..-2s see a1 fra v1\n-1s see a1 ams v1\n0s "
		     "deploy v2 live=0s\n"
		     "every 10s 1s..21s see a1 fra v2\n21s expect deploy v2 propagation.known=2 "
		     "propagation.observed=1 "
		     "propagation.coverage=0.99 verdict=verified\n" },
	{ "a cell first seen later counts in the converged share, not in coverage", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams v2\n"
		"every 10s 10s..30s see a3 nrt v2\n12s see a4 new v1\n"
		"30s expect deploy v2 verdict=converging propagation.known=3 propagation.observed=4 "
		"propagation.converged=3 "
		"propagation.converged_share=0.75 propagation.coverage=1\n"
		"every 10s 31s..51s see a4 new v2\n51s expect deploy v2 verdict=verified "
		"propagation.converged_share=1\n" },
	{ "first deploy: the assigned agent x endpoints that have answered since, against all assigned",
		"service shop interval=10s endpoints=v,w assigned=a1,a2 coverage=75%\n0s deploy v1 live=0s\n"
		"every 10s 1s..21s see a1 fra v1\n21s expect deploy v1 propagation.known=0 "
		"propagation.coverage=0.25 verdict=converging\n"
		"every 10s 32s..52s see a1 fra v1 ep=w\n52s expect deploy v1 propagation.coverage=0.5\n"
		"every 10s 63s..83s see a1 fra v1\nevery 10s 63s..83s see a2 ams v1\n83s expect deploy v1 "
		"propagation.coverage=0.75 verdict=verified\n" },
	{ "an agent that asks the origin only is none of them, until it asks an edge",
		"service shop interval=10s origin\n0s deploy v1 live=0s\nevery 10s 1s..41s see o1 origin v1\n"
		"every 10s 2s..22s see a1 fra v1\n22s expect deploy v1 propagation.coverage=1 "
		"verdict=verified\n"
		"30s see o1 ams - fail=timeout\n30s expect deploy v1 propagation.coverage=0.5\n"
		"31s service shop interval=10s origin watch=1h\n31s expect deploy v1 "
		"propagation.coverage=0.5\n"
		"32s see o1 ams v1\n32s expect deploy v1 propagation.coverage=1\n" },
	{ "first deploy where nobody says who is assigned: whoever has reported since",
		"service shop interval=10s endpoints=v,w\n0s deploy v1 live=0s\nevery 10s 1s..21s see a1 fra "
		"v1\n"
		"21s expect deploy v1 propagation.coverage=0.5\nevery 10s 32s..52s see a1 fra v1 ep=w\n"
		"52s expect deploy v1 propagation.coverage=1 verdict=verified\n" },
	{ "a known cell not observed since is unobserved: named, counted against coverage, never counted "
	  "fresh",
		PAST
		"5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams v2\n"
		"40s expect deploy v2 verdict=converging unobserved.n=1 unobserved.0.edge=cdn:nrt "
		"unobserved.0.endpoint=v "
		"propagation.observed=2 propagation.converged=2 propagation.coverage=0.6667\n" },
	{ "an old version between started_at and live_at does not make a cell observed",
		PAST "5s deploy v2\n10s see a1 fra v1\n20s live v2 at=20s\n20s expect deploy v2 "
		     "propagation.observed=0\n" },
	{ "transport failures do not make a cell observed",
		PAST "5s deploy v2 live=5s\n10s see a1 fra - fail=timeout\n10s expect deploy v2 "
		     "propagation.observed=0\n" },
	/* -- curves -- */
	{ "the time to fresh is the interval (last not-fresh, first fresh], and is shown as such", PAST
		"0s deploy v2 live=0s\nevery 10s 10s..40s see a1 fra v1\nevery 10s 50s..70s see a1 fra v2\n"
		"70s expect deploy v2 propagation.t50_s=[40,50] propagation.t100_s=[40,50]\n" },
	{ "T50, T90, T95, T99, T100 with both bounds",
		PAST "0s deploy v2 live=0s\nevery 10s 10s..30s see a1 fra v2\n"
		     "every 10s 11s..31s see a2 ams v1\nevery 10s 41s..61s see a2 ams v2\n"
		     "every 10s 12s..52s see a3 nrt v1\nevery 10s 62s..82s see a3 nrt v2\n"
		     "82s expect deploy v2 verdict=verified propagation.t50_s=[31,41] "
		     "propagation.t90_s=[52,62] propagation.t99_s=[52,62] "
		     "propagation.t100_s=[52,62] propagation.t95_s=[52,62]\n"
		     "82s expect deploy v2 propagation.by.region.eu.t50_s=[31,41] "
		     "propagation.by.vendor.cdn.converged=3 "
		     "propagation.by.endpoint.v.t100_s=[52,62]\n" },
	{ "shares are of what is observed: T90 is not there before 90 % of it has converged", PAST
		"0s deploy v2 live=0s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 11s..31s see a2 ams v2\n"
		"every 10s 12s..32s see a3 nrt v1\n32s expect deploy v2 propagation.t50_s=[0,11] "
		"propagation.t90_s=null\n" },
	{ "fractions of a second widen the interval to whole ones",
		PAST "0s deploy v2 live=0s\n10500ms see a1 fra v1\n20500ms see a1 fra v2\n30500ms see a1 fra "
		     "v2\n40500ms see a1 fra v2\n"
		     "41s expect deploy v2 propagation.t100_s=[10,21]\n" },
	{ "by endpoint, vendor and region",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s\nevery 10s -100s..-10s "
		"see a1 x:fra v1 region=eu\n"
		"every 10s -100s..-10s see a2 y:nrt v1 ep=w region=ap\n0s deploy v2 live=0s\nevery 10s "
		"10s..30s see a1 x:fra v2 region=eu\n"
		"30s expect deploy v2 propagation.by.endpoint.v.converged=1 "
		"propagation.by.endpoint.w.known=1 "
		"propagation.by.endpoint.w.observed=0 propagation.by.vendor.x.converged=1 "
		"propagation.by.vendor.y.converged=0 "
		"propagation.by.region.eu.coverage=1 propagation.by.region.ap.coverage=0\n" },
	/* -- verdicts -- */
	{ "pending, converging, verified",
		PAST "5s deploy v2\n8s live v2\nevery 10s 10s..30s see a1 fra v2\n"
		     "every 10s 10s..30s see a2 ams v2\nevery 10s 10s..30s see a3 nrt v2\n"
		     "30s expect verdicts v2 converging,verified\n"
		     "30s expect deploy v2 verdict=verified decided_at=2026-03-01T10:00:30Z layers.edge=pass "
		     "unexplained=0 not_fresh=[] next=[]\n" },
	{ "what was fresh before live_at counts when it goes live",
		PAST "0s deploy v2\nevery 10s 10s..40s see a1 fra v2\nevery 10s 10s..40s see a2 ams "
		     "v2\nevery 10s 10s..40s see a3 nrt v2\n"
		     "40s expect deploy v2 verdict=pending\n41s live v2\n41s expect deploy v2 "
		     "verdict=verified\n" },
	{ "not before the share of observed cells reaches require",
		"service shop interval=10s require=60%\n-300s deploy v1 live=-300s\n" THREE
		"0s deploy v2 live=0s\n"
		"every 10s 10s..90s see a3 nrt v1\nevery 10s 10s..90s see a1 fra v2\n30s expect deploy v2 "
		"verdict=converging\n"
		"every 10s 40s..60s see a2 ams v2\n59s expect deploy v2 verdict=converging\n60s expect "
		"deploy v2 verdict=verified\n" },
	{ "not before coverage reaches min_coverage",
		"service shop interval=10s coverage=60%\n-300s deploy v1 live=-300s\n" THREE
		"0s deploy v2 live=0s\n"
		"every 10s 10s..90s see a1 fra v2\n39s expect deploy v2 verdict=converging\nevery 10s "
		"40s..60s see a2 ams v2\n"
		"60s expect deploy v2 verdict=verified\n" },
	{ "not before min_agents agents reported within the window",
		"service shop interval=10s agents=2\n-300s deploy v1 live=-300s\nevery 10s -100s..-10s see "
		"a1 fra v1\n0s deploy v2 live=0s\n"
		"every 10s 10s..100s see a1 fra v2\n100s expect deploy v2 verdict=converging\n101s see a2 "
		"fra v2\n"
		"101s expect deploy v2 verdict=verified\n" },
	{ "an agent whose probes get no answer does not report",
		"service shop interval=10s agents=2 timeout=2m\n-300s deploy v1 live=-300s\nevery 10s "
		"-100s..-10s see a1 fra v1\n"
		"0s deploy v2 live=0s\nevery 10s 10s..120s see a1 fra v2\nevery 10s 10s..110s see a2 fra - "
		"fail=timeout\n"
		"120s expect deploy v2 verdict=inconclusive\n" },
	{ "at timeout: failed when a wrong version keeps the share below require", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..905s see a1 fra v2\nevery 10s 11s..905s see a2 ams v2\n"
		"every 10s 12s..905s see a3 nrt v1\n904s expect deploy v2 verdict=converging\n"
		"905s expect deploy v2 verdict=failed not_fresh.n=1 not_fresh.0.edge=cdn:nrt "
		"not_fresh.0.state=stale unexplained=0 "
		"layers.edge=fail layers.mesh=not_configured cause=cached_unknown_age\n"
		"905s expect verdicts v2 converging,failed\n" },
	{ "an unknown version is a wrong version", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..905s see a1 fra v2\nevery 10s 10s..905s see a2 ams v2\n"
		"every 10s 10s..905s see a3 nrt vX\n905s expect deploy v2 verdict=failed\n" },
	{ "a wrong version that does not keep the share below require fails nothing",
		"service shop interval=10s require=60%\n-300s deploy v1 live=-300s\n" THREE
		"0s deploy v2 live=0s\n"
		"every 10s 10s..900s see a1 fra v2\nevery 10s 10s..880s see a3 nrt v1\n885s see a2 ams v2\n"
		"900s expect deploy v2 verdict=inconclusive\n" },
	{ "at timeout: failed when HTTP errors that two agents see keep the share below require",
		PAST "5s deploy v2 live=5s\nevery 10s 10s..905s see a1 fra v2\nevery 10s 10s..905s see a2 "
		     "ams - status=500\n"
		     "every 10s 10s..905s see a3 nrt - status=500\n905s expect deploy v2 verdict=failed\n" },
	{ "HTTP errors that one agent alone sees are no positive evidence", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..905s see a1 fra v2\nevery 10s 10s..905s see a2 ams v2\n"
		"every 10s 10s..905s see a3 nrt - status=500\n905s expect deploy v2 verdict=inconclusive\n" },
	{ "at timeout: inconclusive when only time is missing: fresh, but not yet converged", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..905s see a1 fra v2\nevery 10s 10s..905s see a2 ams v2\n"
		"every 10s 10s..880s see a3 nrt v1\nevery 10s 890s..900s see a3 nrt v2\n905s expect deploy "
		"v2 verdict=inconclusive\n" },
	{ "at timeout: inconclusive when only data is missing", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..905s see a1 fra v2\nevery 10s 10s..905s see a2 ams v2\n"
		"905s expect deploy v2 verdict=inconclusive unobserved.n=1\n" },
	{ "a deploy nobody observed ends inconclusive",
		PAST "5s deploy v2 live=5s\n904s expect deploy v2 verdict=converging\n905s expect deploy v2 "
		     "verdict=inconclusive "
		     "propagation.observed=0 propagation.coverage=0 layers.edge=unknown\n905s expect "
		     "verdicts v2 converging,inconclusive\n" },
	{ "a first deploy nobody observed ends inconclusive",
		SHOP "0s deploy v1 live=0s\n900s expect deploy v1 verdict=inconclusive\n" },
	{ "cells that only fail to answer are missing data",
		PAST "5s deploy v2 live=5s\nevery 10s 10s..905s see a1 fra - fail=timeout\nevery 10s "
		     "10s..905s see a2 ams - fail=timeout\n"
		     "every 10s 10s..905s see a3 nrt - fail=timeout\n905s expect deploy v2 "
		     "verdict=inconclusive propagation.observed=0\n" },
	{ "a mixed cell at timeout is a wrong version seen", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..905s see a1 fra v2\nevery 10s 10s..905s see a2 ams v2\n"
		"every 10s 10s..905s see a3 nrt v2\nevery 20s 15s..905s see a3 nrt v1\n905s expect deploy v2 "
		"verdict=failed\n" },
	{ "the timeout counts from live_at",
		PAST "0s deploy v2\n200s live v2 at=100s\n999s expect deploy v2 verdict=converging\n1000s "
		     "expect deploy v2 verdict=inconclusive\n" },
	{ "an inconclusive verdict is final: later data does not change it",
		PAST "5s deploy v2 live=5s\nevery 10s 910s..950s see a1 fra v2\nevery 10s 910s..950s see a2 "
		     "ams v2\n"
		     "every 10s 910s..950s see a3 nrt v2\n950s expect deploy v2 verdict=inconclusive "
		     "propagation.converged=3\n" },
	{ "superseded: a newer deploy went live first", PAST
		"5s deploy v2 live=5s\n50s deploy v3 live=50s\n50s expect deploy v2 verdict=superseded\n"
		"50s expect deploy v3 verdict=converging\n50s expect verdicts v2 converging,superseded\n" },
	{ "one that never went live is superseded too, and its version is stale from then", PAST
		"5s deploy v2\n10s deploy v3 live=10s\n10s expect deploy v2 verdict=superseded live_at=null\n"
		"15s see a1 fra v2\n15s expect cell fra state=stale staleness_s=5\n" },
	{ "one that starts later is not superseded by one that goes live before it",
		PAST "5s deploy v2\n10s deploy v3\n20s live v2\n20s expect deploy v3 verdict=pending\n20s "
		     "expect deploy v2 verdict=converging\n" },
	{ "a verified deploy stays verified when a newer one goes live", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams v2\n"
		"every 10s 10s..30s see a3 nrt v2\n40s deploy v3 live=40s\n50s see a1 fra v2\n50s see a2 ams "
		"v2\n"
		"50s expect deploy v2 verdict=verified propagation.converged=3 propagation.t100_s=[0,5]\n" },
	{ "aborted before it was live", PAST "5s deploy v2\n10s abort v2\n10s expect verdicts v2 aborted\n" },
	{ "aborted while it converges: the one before is current again",
		PAST "5s deploy v2 live=5s\n10s abort v2\n10s expect deploy v2 verdict=aborted\n20s see a1 "
		     "fra v1\n20s expect cell fra state=fresh "
		     "expected=v1\n" },
	{ "a deploy that was live and is superseded is not aborted: what was right then stays so",
		PAST "5s deploy v2 live=5s\n15s deploy v3 live=15s\n20s abort v2 refused=nonsense\n"
		     "20s expect verdicts v2 converging,superseded\n" },
	{ "a verified deploy is not aborted: going back is a new deploy", PAST
		"5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams v2\n"
		"every 10s 10s..30s see a3 nrt v2\n40s abort v2 refused=nonsense\n" },
/* -- relapse -- */
#define VERIFIED                                                                                             \
	PAST "5s deploy v2 live=5s\nevery 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams v2\n"    \
	     "every 10s 10s..30s see a3 nrt v2\n30s expect deploy v2 verdict=verified\n"
	{ "within watch two not-fresh observations of a cell are a relapse: failed, for good",
		VERIFIED "40s see a1 fra v1\n40s expect deploy v2 verdict=verified\n50s see a1 fra v1\n50s "
			 "expect deploy v2 verdict=failed\n"
			 "every 10s 60s..200s see a1 fra v2\n200s expect deploy v2 verdict=failed "
			 "propagation.converged=3\n"
			 "200s expect verdicts v2 converging,verified,failed\n" },
	{ "one at each of two cells is a relapse",
		VERIFIED "40s see a1 fra v1\n41s see a2 ams v1\n41s expect deploy v2 verdict=failed\n" },
	{ "one at one cell is not", VERIFIED "40s see a1 fra v1\nevery 10s 50s..200s see a1 fra v2\n200s "
					     "expect deploy v2 verdict=verified\n" },
	{ "two of a cell need not follow each other",
		VERIFIED "40s see a1 fra v1\nevery 10s 50s..200s see a1 fra v2\n300s see a1 fra v1\n300s "
			 "expect deploy v2 verdict=failed\n" },
	{ "after watch nothing makes it failed",
		VERIFIED "1831s see a1 fra v1\n1832s see a2 ams v1\n1833s see a1 fra v1\n"
			 "1833s expect deploy v2 verdict=verified\n" },
	{ "a new cell with an old version is a relapse as well",
		VERIFIED "40s see a4 new v1\n50s see a4 new v1\n50s expect deploy v2 verdict=failed\n" },
	{ "what was tolerated when it was verified is no relapse",
		"service shop interval=10s require=60%\n-300s deploy v1 live=-300s\n" THREE
		"0s deploy v2 live=0s\n"
		"every 10s 10s..30s see a1 fra v2\nevery 10s 10s..30s see a2 ams v2\nevery 10s 10s..300s see "
		"a3 nrt v1\n"
		"300s expect deploy v2 verdict=verified\n" },
	{ "transport failures are no relapse", VERIFIED
		"every 10s 40s..100s see a1 fra - fail=timeout\n"
		"every 10s 40s..100s see a2 ams - fail=timeout\n100s expect deploy v2 verdict=verified\n" },
	{ "HTTP errors are one when two agents see them",
		VERIFIED "every 5s 40s..60s see a1 fra - status=500\n60s expect deploy v2 verdict=verified\n"
			 "every 5s 65s..85s see a2 ams - status=500\n85s expect deploy v2 verdict=failed\n" },
	{ "a newer version that rolls out is no relapse",
		VERIFIED "40s deploy v3\n50s see a1 fra v3\n51s see a2 ams v3\n52s see a1 fra v3\n"
			 "52s expect deploy v2 verdict=verified\n" },
	{ "nor is one that is told when it is live already: a relapse that its own first answers made is "
	  "taken back",
		VERIFIED
		"40s see a1 fra v3\n50s see a1 fra v3\n51s see a2 ams v3\n50s expect deploy v2 "
		"verdict=failed\n55s deploy v3 started=35s live=52s\n55s expect deploy v2 "
		"verdict=verified\n55s expect verdicts v2 converging,verified,failed,verified\n"
		"every 10s 60s..90s see a1 fra v3\nevery 10s 60s..90s see a2 ams v3\nevery 10s "
		"60s..90s see a3 nrt v3\n90s expect deploy v3 verdict=verified\n90s expect deploy v2 "
		"verdict=verified\n" },
	{ "but not where an old version was seen as well",
		VERIFIED "40s see a1 fra v1\n45s see a1 fra v3\n55s see a2 ams v3\n55s expect deploy v2 "
			 "verdict=failed\n60s deploy v3 started=35s live=58s\n60s expect deploy v2 "
			 "verdict=failed\n" },
	{ "nor where the new deploy began after it",
		VERIFIED "40s see a1 fra v3\n50s see a1 fra v3\n55s deploy v3 started=52s live=52s\n"
			 "55s expect deploy v2 verdict=failed\n" },
	{ "answers of an endpoint that proves nothing are no relapse",
		"service shop interval=10s endpoints=v,w\n-300s deploy v1 live=-300s value=w:same\nevery 10s "
		"-100s..-10s see a1 fra v1\n"
		"5s deploy v2 live=5s value=w:same\nevery 10s 10s..30s see a1 fra v2\n30s expect deploy v2 "
		"verdict=verified\n"
		"40s see a1 fra other ep=w\n41s see a1 fra other ep=w\n41s expect deploy v2 "
		"verdict=verified\n" },
};

int main(void)
{
	return stories_run(stories, ARRAY_LEN(stories));
}
