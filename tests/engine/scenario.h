/* scenario.h - stories about the engine, as text. Time is moved by hand; every story is folded straight, with
 * a save and a load before every entry, and with time creeping on between entries, and must say the same each
 * time.
 *
 *   service shop interval=10s endpoints=v,w:prefix,e:learned [timeout= require= coverage= agents= watch=
 * grace= origin assigned=a1,a2 cdn= cdnzone= gone] TIME deploy V [id= started= live= alias= value=EP:TEXT
 * service= refused=CODE] (service: alert= as well)    TIME live ID [at=]   TIME abort ID TIME see AGENT EDGE VERSION [ep= at= status=
 * fail= cache=hit,miss age= ttl= browser= etag= head= node= region= service=] TIME see AGENT origin VERSION
 * ... every STEP FROM..TO see
 * ... TIME down FROM        the collector comes up, and was down since then TIME purge ID [PATTERN] [vendor=
 * zone= completed= tag= soft everything]   TIME mesh VERSION:WEIGHT[:READY] ...   TIME rollout PHASE
 * [reason=with_blanks since=]   TIME pods VERSION[:unready|:terminating] ...   TIME agent NAME STATE TIME
 * expect cell EDGE[/EP] key=value...     TIME expect deploy ID key=value...    TIME expect service|agent NAME
 * ... TIME expect states EDGE[/EP] a,b,c          every state the cell went to TIME expect versions EDGE[/EP]
 * a,b  every version it came to serve while its state stayed TIME expect reason ID WORD          the
 * verdict's reason begins so TIME expect verdicts ID a,b TIME expect notices N   TIME expect incident ID key=value...   TIME expect incidents ID opened,resolved                       TIME
 * expect nocell EDGE[/EP]
 *
 * A line without a time is at the one before, the first 30 days before. TIME is "90s", "2m", "-1h": since
 * 2026-03-01T10:00:00Z. An edge without ':' is "cdn:EDGE"; '-' is none. Lines are sorted by time, those of
 * one moment stay in their order; received_at is TIME, observed_at too unless at= says else. */
#ifndef TESTS_ENGINE_SCENARIO_H
#define TESTS_ENGINE_SCENARIO_H

#include "collector/engine/view.h"

struct story {
	const char *says; /* the sentence it shows */
	const char *text;
};
/* Runs every story as one cmocka test each; returns what main() returns. */
int stories_run(const struct story *stories, size_t n);

#endif
