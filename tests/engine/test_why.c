/* Why a cell is not fresh: each row of tables A and B, in the order that decides, and what lies on their
 * lines. */
#include "tests/engine/scenario.h"

#define SHOP   "service shop interval=10s timeout=5m\n-2h deploy v1 live=-2h\n"
#define LIVE   "0s deploy v2 live=0s\n"
#define CF     "cloudfront:FRA56-P3"
#define FASTLY "fastly:FRA"
#define BEFORE "every 10s -100s..-10s see a1 " CF " v1 cache=hit age=3600 ttl=80000\n"
/* v2 deployed, a copy of the time before it still there */
#define OLD(more)             SHOP BEFORE LIVE "every 10s 10s..100s see a1 " CF " v1 cache=hit " more "\n"
#define CAUSE(at, name, more) at " expect cell " CF " state=stale cause=" name " " more "\n"
/* uncached, old and new in turn */
#define MIXED                                                                                                \
	SHOP "every 10s -100s..-10s see a1 fra v1 cache=miss\n" LIVE                                         \
	     "every 10s 10s..100s see a1 fra v1 cache=miss\n"                                                \
	     "every 10s 15s..105s see a1 fra v2 cache=miss\n"
/* what is told of the deploy at its deadline */
#define TOLD(name, layer) "300s expect deploy v2 cause=" name " why.layer=" layer "\n"

static const struct story stories[] = {
	/* -- A: from a cache -- */
	{ "A1: a tier says stale, or updating",
		SHOP BEFORE LIVE "10s see a1 " CF " v1 cache=stale age=90000 ttl=-5\n10s expect cell " CF
				 " cause=stale_past_ttl\n"
				 "20s see a1 " CF " v1 cache=updating age=90000\n20s expect cell " CF
				 " cause=stale_past_ttl\n" },
	{ "A1: a tier behind the edge may say it",
		SHOP BEFORE LIVE "10s see a1 " CF " v1 cache=miss,stale age=9\n10s expect cell " CF
				 " cause=stale_past_ttl\n" },
	{ "A1: after a soft purge that covers it, that is what keeps it", SHOP BEFORE LIVE
		"5s purge p1 /v vendor=cloudfront soft\n10s see a1 " CF " v1 cache=stale age=9000\n"
		"10s expect cell " CF " cause=soft_purge_serving why.evidence.1.id=p1\n" },
	{ "A1: but not after one that was asked for later", SHOP BEFORE LIVE
		"10s see a1 " CF " v1 cache=stale age=9000\n15s purge p1 /v vendor=cloudfront soft\n"
		"15s expect cell " CF " cause=stale_past_ttl\n" },
	{ "A2: no cache says an age", OLD("") CAUSE("100s", "cached_unknown_age", "cached_at=null") },
	{ "A2: nobody says anything about a cache, but somebody stands in front",
		SHOP "every 10s -100s..-10s see a1 " CF " v1\n" LIVE "10s see a1 " CF " v1\n"
		     "10s expect cell " CF " cause=cached_unknown_age\n" },
	{ "A3: filled after the new version was live, by a tier behind the edge",
		SHOP BEFORE LIVE "60s see a1 " CF " v1 cache=miss,hit age=30\n60s expect cell " CF
				 " cause=shield_stale why.layer=shield\n" },
	{ "A3: the nearest tier says miss, and there is an age: the copy is of the one behind",
		SHOP BEFORE LIVE "60s see a1 " CF " v1 cache=miss age=30\n60s expect cell " CF
				 " cause=shield_stale\n" },
	{ "A3: the edge repeats that its copy came from a copy behind it, which restarted the age",
		SHOP BEFORE LIVE "60s see a1 " CF " v1 cache=hit,hit age=30\n60s expect cell " CF
				 " cause=shield_stale\n" },
	{ "A4: the last fill seen was a 304", SHOP BEFORE LIVE
		"60s see a1 " CF " v1 cache=revalidated age=0\n70s see a1 " CF " v1 cache=hit age=10\n"
		"70s expect cell " CF " cause=validator_unchanged why.layer=origin\n" },
	{ "A4: a fill by a whole answer since then is another matter", SHOP BEFORE LIVE
		"60s see a1 " CF " v1 cache=revalidated age=0\n70s see a1 " CF " v1 cache=miss age=0\n"
		"80s see a1 " CF " v2 cache=miss age=0\n90s see a1 " CF " v1 cache=hit age=10\n"
		"90s expect cell " CF " cause=split_traffic\n" },
	{ "A4: the origin gave both versions one ETag",
		"service shop interval=10s origin\n-2h deploy v1 live=-2h\n"
		"-50s see o1 origin v1 etag=e1 region=dc\n" BEFORE LIVE
		"20s see o1 origin v2 etag=e1 region=dc\n"
		"60s see a1 " CF " v1 cache=hit age=30\n60s expect cell " CF " cause=validator_unchanged\n" },
	{ "A4: two versions with two ETags are no such case",
		"service shop interval=10s origin\n-2h deploy v1 live=-2h\n"
		"-50s see o1 origin v1 etag=e1 region=dc\n" BEFORE LIVE
		"20s see o1 origin v2 etag=e2 region=dc\n"
		"60s see a1 " CF " v1 cache=hit age=30\n60s expect cell " CF " cause=refilled_stale\n" },
	{ "A4 comes before A5: a 304 explains it, also while the origin is not all fresh",
		"service shop interval=10s origin\n-2h deploy v1 live=-2h\n" BEFORE LIVE
		"every 10s 5s..65s see o1 origin v2 region=dc\nevery 10s 6s..66s see o1 origin v1 region=dc\n"
		"60s see a1 " CF " v1 cache=revalidated age=0\n70s see a1 " CF " v1 cache=hit age=10\n70s expect cell " CF
		" cause=validator_unchanged\n" },
	{ "A5: the origin is not all fresh: the cache only repeats what it gave",
		"service shop interval=10s origin\n-2h deploy v1 live=-2h\n" BEFORE LIVE
		"every 10s 5s..55s see o1 origin v2 region=dc\nevery 10s 6s..56s see o1 origin v1 region=dc\n"
		"60s see a1 " CF " v1 cache=hit age=30\n60s expect cell " CF
		" cause=split_traffic why.layer=origin\n" },
	{ "A6: filled after the new version was live, and the origin gives only the new one",
		"service shop interval=10s origin\n-2h deploy v1 live=-2h\n" BEFORE LIVE
		"every 10s 5s..55s see o1 origin v2 region=dc\n60s see a1 " CF " v1 cache=hit age=30\n"
		"60s expect cell " CF " cause=refilled_stale\n" },
	{ "A7: nobody purged, and its life is not over",
		OLD("age=4000 ttl=600") CAUSE("100s", "ttl_wait", "eta=2026-03-01T10:11:40Z why.also=[]") },
	{ "A7: nobody purged, and no lifetime is told: no time to wait for",
		OLD("age=4000") CAUSE("100s", "ttl_wait", "eta=null") },
	{ "A8: nobody purged, and its life is over",
		OLD("age=4000 ttl=-10") CAUSE("100s", "stale_past_ttl", "") },
	{ "A9: none of the purges covers this URL",
		SHOP BEFORE LIVE "5s purge p1 /other vendor=cloudfront\nevery 10s 10s..1000s see a1 " CF
				 " v1 cache=hit age=4000 ttl=600\n" CAUSE(
					 "1000s", "purge_missed_key", "why.evidence.2.id=p1") },
	{ "A9: a purge of another vendor's concerns nobody here",
		SHOP BEFORE LIVE "5s purge p1 /v vendor=fastly\nevery 10s 10s..100s see a1 " CF
				 " v1 cache=hit age=4000 ttl=600\n" CAUSE("100s", "ttl_wait", "") },
	{ "A9: a purge of another zone than the endpoint's concerns it no more",
		"service shop interval=10s cdn=cloudfront cdnzone=E1\n-2h deploy v1 live=-2h\n" BEFORE LIVE
		"5s purge p1 /v vendor=cloudfront zone=E2\nevery 10s 10s..100s see a1 " CF
		" v1 cache=hit age=4000 ttl=600\n" CAUSE("100s", "ttl_wait", "") },
	{ "A10: purged before the new version was live, the edge filled itself with the old one",
		SHOP BEFORE "-60s deploy v2\n-50s purge p1 /v vendor=cloudfront\n0s live v2\n"
			    "every 10s 10s..1000s see a1 " CF
			    " v1 cache=hit age=1020\n" CAUSE("1000s", "purged_too_early", "why.remarks=[]") },
	{ "A10: and our own miss filled it", SHOP BEFORE
		"-60s deploy v2\n-50s purge p1 /v vendor=cloudfront\n-45s see a1 " CF
		" v1 cache=miss age=0\n0s live v2\n100s see a1 " CF " v1 cache=hit age=145\n" CAUSE(
			"100s", "purged_too_early", "why.remarks.0=filled_by_probe") },
	{ "A11: within the vendor's window it may still be on its way", SHOP BEFORE LIVE
		"5s purge p1 /v vendor=cloudfront\nevery 10s 10s..200s see a1 " CF
		" v1 cache=hit age=4000\n" CAUSE("200s", "purge_propagating", "eta=2026-03-01T10:15:05Z") },
	{ "A11: over 60 s after the vendor said completed it is over", SHOP BEFORE LIVE
		"5s purge p1 /v vendor=cloudfront completed=4s\nevery 10s 10s..200s see a1 " CF
		" v1 cache=hit age=4000\n" CAUSE("200s", "purge_ineffective", "") },
	{ "A11: another vendor's window is shorter", SHOP
		"every 10s -100s..-10s see a1 " FASTLY " v1 cache=hit age=3600\n" LIVE
		"5s purge p1 /v vendor=fastly\nevery 10s 10s..50s see a1 " FASTLY " v1 cache=hit age=4000\n"
		"30s expect cell " FASTLY " cause=purge_propagating\n50s expect cell " FASTLY
		" cause=purge_ineffective\n" },
	{ "A12: the copy is of a tier behind the edge: the purge did not reach it",
		SHOP BEFORE LIVE "5s purge p1 /v vendor=cloudfront completed=6s\n100s see a1 " CF
				 " v1 cache=miss,hit age=4000\n"
				 "100s expect cell " CF " cause=shield_stale\n" },
	{ "A12: a miss at another edge of the vendor was answered from behind with a copy older than the "
	  "purge",
		SHOP BEFORE LIVE
		"5s purge p1 /v vendor=cloudfront completed=6s\n90s see a1 cloudfront:IAD89-P1 v1 "
		"cache=miss,hit age=4000\n100s see a1 " CF " v1 cache=hit,hit age=4000\n100s expect cell " CF
		" cause=shield_stale\n" },
	{ "A13: a copy that survived a purge that covers it", SHOP BEFORE LIVE
		"5s purge p1 /v vendor=cloudfront completed=6s\n"
		"100s see a1 " CF " v1 cache=hit age=4000\n" CAUSE("100s", "purge_ineffective", "") },
	{ "a purge by tag may have been meant, and is said to be", SHOP BEFORE LIVE
		"5s purge p1 tag=api vendor=cloudfront\n20s see a1 " CF
		" v1 cache=hit age=4000\n" CAUSE("20s", "purge_propagating", "why.evidence.2.kind=purge") },
	{ "a purge up to an hour before the deploy counts, one of two hours before does not",
		SHOP BEFORE "-50m purge p1 /other vendor=cloudfront\n" LIVE "20s see a1 " CF
			    " v1 cache=hit age=4000\n" CAUSE("20s", "purge_missed_key", "") },
	{ "a purge before the deploy before was settled was that one's",
		"service shop interval=10s timeout=5m\n-2h deploy v0 live=-2h\n-20m deploy v1 live=-20m\n"
		"-1195s purge p1 /other vendor=cloudfront\nevery 10s -1180s..-10s see a1 " CF
		" v1 cache=hit age=100 ttl=600\n" LIVE "20s see a1 " CF
		" v1 cache=hit age=4000 ttl=600\n" CAUSE("20s", "ttl_wait", "") },
	{ "a copy made within the second in which the version went live: both rows are named", SHOP BEFORE
		"0s deploy v2 live=500ms\n60s see a1 " CF
		" v1 cache=hit age=59 ttl=600\n" CAUSE("60s", "refilled_stale", "why.also.0=ttl_wait") },

	/* -- B: it came through -- */
	{ "B2: every draw is old", SHOP BEFORE LIVE
		"every 10s 10s..100s see a1 " CF
		" v1 cache=miss age=0\n" CAUSE("100s", "not_rolled_out", "why.layer=origin") },
	{ "B3: every draw is old in one region only", SHOP BEFORE LIVE
		"every 10s 10s..100s see a1 " CF " v1 cache=miss\nevery 10s 10s..100s see a2 "
		"cloudfront:IAD89-P1 v2 cache=miss region=us\n" CAUSE("100s", "regional_origin_stale", "") },
	{ "B3: every draw is old at one endpoint only",
		"service shop interval=10s endpoints=v,w\n-2h deploy v1 live=-2h\n" BEFORE LIVE
		"every 10s 10s..100s see a1 " CF " v1 cache=miss\nevery 10s 10s..100s see a1 " CF
		" v2 cache=miss ep=w\n" CAUSE("100s", "behavior_split", "") },
	{ "B4: old through the edges, new on the origin path",
		"service shop interval=10s origin\n-2h deploy v1 live=-2h\n" BEFORE LIVE
		"every 10s 10s..200s see a1 " CF
		" v1 cache=miss\nevery 10s 10s..200s see o1 origin v2 region=dc\n" CAUSE(
			"200s", "refilled_stale", "") },
	{ "B4, not B3: one region's edges answer old, and past the CDN that region's origin answers new",
		"service shop interval=10s origin\n-2h deploy v1 live=-2h\n" BEFORE
		"every 10s -100s..-10s see a2 cloudfront:IAD89-P1 v1 region=us\n" LIVE
		"every 10s 10s..200s see a1 " CF " v1 cache=miss\nevery 10s 12s..202s see a1 origin v2\n"
		"every 10s 15s..205s see a2 cloudfront:IAD89-P1 v2 cache=miss region=us\n" CAUSE(
			"205s", "refilled_stale", "") },
	{ "B8: some draws old, and nothing is known of what lies behind", SHOP BEFORE LIVE
		"every 10s 10s..100s see a1 " CF " v1 cache=miss\nevery 10s 15s..105s see a1 " CF
		" v2 cache=miss\n105s expect cell " CF " state=mixed cause=split_traffic\n" },
	{ "B8: where no cache stands, every answer came through",
		SHOP "every 10s -100s..-10s see a1 direct:10.0.0.1 v1\n" LIVE
		     "every 10s 10s..100s see a1 direct:10.0.0.1 v1\n"
		     "every 10s 15s..105s see a1 direct:10.0.0.1 v2\n105s expect cell direct:10.0.0.1 "
		     "cause=split_traffic\n" },
	{ "B9: errors at every edge: the origin fails", SHOP BEFORE
		"every 10s -100s..-10s see a2 cloudfront:IAD89-P1 v1 cache=hit age=3600\n" LIVE
		"every 10s 10s..60s see a1 " CF " - status=500 cache=miss\n"
		"every 10s 10s..60s see a2 cloudfront:IAD89-P1 - status=500 cache=miss\n60s expect cell " CF
		" state=failing cause=origin_failing\n" },
	{ "B9: errors at one edge, good answers at another: the edge fails", SHOP BEFORE
		"every 10s -100s..-10s see a2 cloudfront:IAD89-P1 v1 cache=hit age=3600\n" LIVE
		"every 10s 10s..60s see a1 " CF " - status=500 cache=error\n"
		"every 10s 10s..60s see a2 cloudfront:IAD89-P1 v2 cache=hit age=1\n60s expect cell " CF
		" state=failing cause=edge_failing\n" },
	{ "B9: one agent alone gets no answer where others do", SHOP BEFORE
		"every 10s -100s..-10s see a2 cloudfront:IAD89-P1 v1 cache=hit age=3600\n" LIVE
		"every 10s 10s..60s see a1 " CF " - fail=timeout\n"
		"every 10s 10s..60s see a2 cloudfront:IAD89-P1 v2 cache=hit age=1\n60s expect cell " CF
		" state=failing cause=unreachable_from_agent\n" },
	{ "B1: Envoy's own 503s among good answers, and no old version", SHOP
		"every 10s -100s..-10s see a1 fra v1\n" LIVE "every 10s 10s..100s see a1 fra v2\n"
		"every 10s 15s..105s see a1 fra - status=503 head=server:istio-envoy\n105s expect cell fra "
		"state=mixed cause=dead_subset why.layer=mesh\n" },
	{ "B1: a route with a weight to a subset without a ready pod, 503s, and no old version since",
		MIXED "200s mesh v2:90 v1:10\n200s pods v2 v1:terminating\nevery 10s 205s..300s see a1 fra - "
		      "status=503\nevery 10s 210s..300s see a1 fra v2\n300s expect cell fra state=mixed "
		      "cause=dead_subset\n300s expect deploy v2 layers.mesh=fail cause=dead_subset\n" },
	{ "B1: the old pods went a moment ago: their answers of before do not hide that the route leads to "
	  "nothing",
		MIXED "101s mesh v2:67:2 v1:33:0\nevery 10s 110s..150s see a1 fra - status=503\nevery 10s "
		      "115s..155s "
		      "see a1 fra v2 cache=miss\n155s expect cell fra state=mixed cause=dead_subset\n" },
	{ "B1: without a mesh to say so, errors of the origin",
		MIXED "every 10s 205s..300s see a1 fra - status=503\nevery 10s 210s..300s see a1 fra "
		      "v2\n300s expect cell fra "
		      "state=mixed cause=origin_failing\n" },
	{ "B5: some draws old, a weight to the old version, and the controller gives a reason",
		MIXED "100s mesh v2:50 v1:50\n100s rollout Progressing since=0s "
		      "reason=no_values_found_for_metric_request-success-rate\n105s expect cell fra "
		      "cause=rollout_stuck "
		      "why.layer=rollout\n105s expect deploy v2 cause=rollout_stuck innermost=rollout "
		      "layers.rollout=fail\n" },
	{ "B5: or its phase has not changed for 5 minutes", SHOP
		"every 10s -100s..-10s see a1 fra v1\n" LIVE "every 10s 10s..500s see a1 fra v1 cache=miss\n"
		"every 10s 15s..505s see a1 fra v2 cache=miss\n20s mesh v2:50 v1:50\n20s rollout "
		"Progressing\n200s rollout Progressing\n"
		"300s expect cell fra cause=canary_residual\n330s expect cell fra cause=rollout_stuck\n" },
	{ "B6: some draws old, and a weight to the old version", MIXED
		"100s mesh v2:90 v1:10\n105s expect cell fra "
		"cause=canary_residual\n105s expect deploy v2 innermost=mesh layers.pods=not_configured\n" },
	{ "B6: a rollout that is done is not stuck", MIXED "100s mesh v2:90 v1:10\n100s rollout Succeeded\n"
							   "105s expect cell fra cause=canary_residual\n" },
	{ "B7: some draws old, and old pods behind the service", MIXED
		"100s mesh v2:100\n100s pods v2 v2 v1\n105s expect "
		"cell fra cause=old_pods_serving\n105s expect deploy v2 innermost=pods layers.mesh=pass\n" },
	{ "B7: an old pod that is on its way out, or not ready, serves nothing", MIXED
		"100s pods v2 v2 v1:terminating v1:unready\n105s expect cell fra cause=split_traffic\n" },
	{ "B2: every draw old, and the pods all old",
		SHOP BEFORE LIVE "5s pods v1 v1\nevery 10s 10s..100s see a1 " CF
				 " v1 cache=miss\n" CAUSE("100s", "not_rolled_out", "") },
	{ "B2: every draw old while new pods stand there is another matter",
		SHOP BEFORE LIVE "5s pods v2 v1\nevery 10s 10s..100s see a1 " CF
				 " v1 cache=miss\n" CAUSE("100s", "old_pods_serving", "") },
	{ "what was told of the mesh before the deploy says nothing about it",
		SHOP "every 10s -100s..-10s see a1 fra v1\n-50s mesh v1:100\n" LIVE
		     "every 10s 10s..100s see a1 fra v2\n"
		     "100s expect deploy v2 verdict=verified layers.mesh=unknown\n" },
	{ "a layer that fails keeps a deploy from being verified, and is its cause",
		SHOP "every 10s -100s..-10s see a1 fra v1\n" LIVE
		     "5s mesh v2:90 v1:10\nevery 10s 10s..400s see a1 fra v2\n"
		     "100s expect deploy v2 verdict=converging cause=canary_residual\n300s expect deploy v2 "
		     "verdict=failed "
		     "cause=canary_residual unexplained=0 innermost=mesh\n" },
	{ "and one that comes right lets it pass",
		SHOP "every 10s -100s..-10s see a1 fra v1\n" LIVE
		     "5s mesh v2:90 v1:10\nevery 10s 10s..400s see a1 fra v2\n"
		     "200s mesh v2:100\n200s expect deploy v2 verdict=verified cause=null layers.mesh=pass "
		     "innermost=null\n" },

	{ "the story: every pod is new, the rollout synced, and users see the old version; five rounds",
		"service shop interval=60s timeout=3h endpoints=v,w,x\n-2h deploy v1 live=-2h\n"
		"every 60s -600s..-60s see a1 " CF
		" v1 cache=hit age=3600 ep=v\nevery 60s -600s..-60s see a1 " CF
		" v1 cache=hit age=3600 ep=w\nevery 60s -600s..-60s see a1 " CF " v1 cache=dynamic ep=x\n"
		"0s deploy v2 live=0s\n0s pods v2 v2\n"
		/* a narrow invalidation: one path is new, the other serves a copy four hours old */
		"5s purge p1 /v vendor=cloudfront completed=6s\nevery 60s 60s..1800s see a1 " CF
		" v2 cache=hit age=30 ep=v\nevery 60s 60s..1800s see a1 " CF
		" v1 cache=hit age=14400 ttl=72000 ep=w\n"
		"every 60s 60s..1800s see a1 " CF " v2 cache=dynamic ep=x\n1800s expect cell " CF
		"/w state=stale cause=purge_missed_key why.layer=edge why.sibling.endpoint=v "
		"why.sibling.version=v2\n"
		"1800s expect deploy v2 cause=purge_missed_key causes.purge_missed_key=1 unexplained=0 "
		"layers.edge=fail "
		"layers.pods=pass innermost=edge\n"
		/* the right one follows; but a canary was left at 90/10, with the old version alive */
		"1805s purge p2 /w vendor=cloudfront completed=1806s\n1810s pods v2 v2 v1\n1810s mesh v2:90 "
		"v1:10\n"
		"every 60s 1860s..6600s see a1 " CF
		" v2 cache=hit age=30 ep=v\nevery 60s 1860s..6600s see a1 " CF
		" v2 cache=hit age=30 ep=w\nevery 20s 1860s..2760s see a1 " CF " v2 cache=dynamic ep=x\n"
		"every 180s 1870s..2770s see a1 " CF " v1 cache=dynamic ep=x\n2770s expect cell " CF
		"/x state=mixed cause=canary_residual\n2770s expect deploy v2 cause=canary_residual "
		"causes.canary_residual=1 "
		"layers.edge=pass layers.mesh=fail layers.pods=fail\n"
		/* then the old version's pods are gone, and the weight is not */
		"2780s pods v2 v2\nevery 20s 2780s..3680s see a1 " CF " v2 cache=dynamic ep=x\n"
		"every 120s 2790s..3690s see a1 " CF " - cache=dynamic status=503 ep=x\n3690s expect cell " CF
		"/x state=mixed cause=dead_subset why.layer=mesh\n3690s expect deploy v2 cause=dead_subset "
		"innermost=mesh "
		"layers.pods=pass\n"
		/* the controller is started again, and sits in Progressing for lack of metric values */
		"3700s pods v2 v1\n3700s mesh v2:50 v1:50\n3700s rollout Progressing since=3700s "
		"reason=no_values_found_for_metric_request-success-rate\nevery 20s 3700s..4700s see a1 " CF
		" v2 cache=dynamic ep=x\nevery 20s 3710s..4710s see a1 " CF
		" v1 cache=dynamic ep=x\n4710s expect cell " CF
		"/x state=mixed cause=rollout_stuck\n4710s expect deploy v2 cause=rollout_stuck "
		"layers.rollout=fail\n"
		/* all clear */
		"4720s pods v2 v2\n4720s mesh v2:100\n4720s rollout Succeeded\nevery 20s 4720s..6600s see "
		"a1 " CF " v2 cache=dynamic ep=x\n6600s expect deploy v2 verdict=verified cause=null "
		"causes={} unexplained=0 "
		"innermost=null layers.mesh=pass layers.rollout=pass layers.pods=pass\n" },

	/* -- the deploy's own -- */
	{ "a deploy's cause explains most of its cells, and says how many it does not",
		"service shop interval=10s timeout=5m endpoints=v,w,x\n-2h deploy v1 live=-2h\n" LIVE
		"5s purge p1 /other vendor=cloudfront\n"
		"every 10s 10s..300s see a1 " CF " v1 cache=hit age=4000\n"
		"every 10s 10s..300s see a1 " CF " v1 cache=hit age=4000 ep=w\n"
		"every 10s 10s..300s see a1 " CF " v1 cache=hit ep=x\n"
		"300s expect deploy v2 verdict=failed cause=purge_missed_key causes.purge_missed_key=2 "
		"causes.cached_unknown_age=1 unexplained=1\n" TOLD("purge_missed_key", "edge") },
	{ "what explained a failure stays said after the last cell came right", SHOP LIVE
		"every 10s 10s..300s see a1 " CF " v1 cache=hit age=4000 ttl=600\n"
		"300s expect deploy v2 verdict=failed cause=ttl_wait\n"
		"every 10s 310s..400s see a1 " CF " v2 cache=hit age=4\n400s expect cell " CF
		" state=fresh cause=null why=null\n400s expect deploy v2 verdict=failed cause=ttl_wait "
		"causes.ttl_wait=1 unexplained=0\n" },
	{ "a healthy deploy has none",
		SHOP BEFORE LIVE "every 10s 10s..100s see a1 " CF
				 " v2 cache=hit age=5\n100s expect deploy v2 verdict=verified cause=null "
				 "causes={} unexplained=0 why=null\n" },
	{ "what a browser may keep is told", SHOP BEFORE LIVE
		"every 10s 10s..100s see a1 " CF
		" v2 cache=hit age=5 browser=600\n100s expect deploy v2 advisories.0.code=browser_tail\n" },
};

int main(void)
{
	return stories_run(stories, sizeof(stories) / sizeof(stories[0]));
}
