#!/usr/bin/env bash
# replay - `export | replay` of a live run gives the same verdicts, cells and transitions as the live run gave.
. "$(dirname "$0")/lib.sh"
edges_ports
edges_start v1
world_conf 6 1s 8s
collector_start
for n in fra lhr nrt; do
	agent_conf "$n"
	agent_start "$n"
done
tidemark deploy shop --version v1 --live-at now >/dev/null
until_true 40 "v1 verified" verdict_is v1 verified
for n in $instances; do origin_serves "$n" v2; done
tidemark deploy shop --version v2 >/dev/null
tidemark deploy --live "$(deploy_id v2)" >/dev/null
tidemark purge shop --vendor self '/version?i=0' --completed >/dev/null
for n in fra lhr nrt; do edge_purge "$n" '/version?i=0' '/version?i=1'; done
until_true 40 "v2 failed" verdict_is v2 failed
# a restart in the middle, and an agent that dies
stop collector KILL
collector_start
stop agent-lhr KILL
until_true 20 "its cells are silent" cells_in_are silent 6

live() {
	api '/api/v1/cells?limit=1000' | jq -S '.items | sort_by(.endpoint, .edge)' >"$run/live.cells"
	api '/api/v1/deploys' | jq -S '[.items[] | {id, service, version, verdict, reason, live_at, decided_at}] | sort_by(.id)' >"$run/live.deploys"
}
# The journal moves on while we look at it: stop what moves it first.
for n in fra nrt; do stop "agent-$n"; done
until_true 30 "all cells are silent" cells_in_are silent 18
live
stop collector # drains: the last mark of time is on disk
"$bin/collector/tidemark-collector" export --store "sqlite:$run/tidemark.db" >"$run/journal.jsonl"
"$bin/collector/tidemark-collector" replay --transitions "$run/journal.jsonl" >"$run/replay.json"
say "     $(wc -l <"$run/journal.jsonl") lines"
jq -S '.cells | sort_by(.endpoint, .edge)' "$run/replay.json" >"$run/replay.cells"
jq -S '[.deploys[] | {id, service, version, verdict, reason, live_at, decided_at}] | sort_by(.id)' "$run/replay.json" >"$run/replay.deploys"
same "cells" "$run/live.cells" "$run/replay.cells"
same "deploys and verdicts" "$run/live.deploys" "$run/replay.deploys"
sql "select e.text, g.text, t.was, t.now, t.version, t.at_us from transitions t join names e on e.id = t.endpoint_id
	join names g on g.id = t.edge_id order by t.position, t.seq" | sort >"$run/live.transitions"
jq -r '.transitions[] | [.endpoint, .edge, .from, .to, .version // "", .at_us] | map(tostring) | join("|")' "$run/replay.json" |
	sort >"$run/replay.transitions"
[ -s "$run/live.transitions" ] || die "the live run left no transitions"
same "transitions ($(wc -l <"$run/live.transitions"))" "$run/live.transitions" "$run/replay.transitions"
