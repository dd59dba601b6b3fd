#!/usr/bin/env bash
# clock - agents whose wall clocks are 6 h ahead and 6 h behind (libfaketime), and one that is set forward by an hour while it runs: how long a cell
# has been stale is told as by agents whose clocks are right, and who is off is said.
. "$(dirname "$0")/lib.sh"
lib=$(ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null | head -1)
[ -n "$lib" ] || {
	say "skip clock: no libfaketime"
	exit 0
}
edges_ports
edges_start v1
world_conf 2 1s 300s
collector_start
# its wall clock is what the file says; what counts time since boot is left alone
agent_off() { # agent_off EDGE OFFSET
	say "$2" >"$run/offset-$1"
	start "agent-$1" env LD_PRELOAD="$lib" FAKETIME_TIMESTAMP_FILE="$run/offset-$1" FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1 \
		"$bin/agent/tidemark-agent" --config "$run/agent/$1/agent.yaml"
}
for n in fra iad nrt sin; do agent_conf "$n"; done
agent_off fra +6h
agent_off iad -6h
agent_off nrt +0s
agent_start sin
tidemark deploy shop --version v1 --live-at now >/dev/null
until_true 40 "v1 verified" verdict_is v1 verified
say "ok   v1 verified by agents whose clocks are 6 h apart"
suspects() { api /api/v1/agents | jq -r '[.items[] | select(.clock_suspect) | .name] | sort | join(" ")'; }
suspects_are() { [ "$(suspects)" = "$1" ]; }
until_true 20 "who is off is said" suspects_are 'fra-1 iad-1'
say "ok   clock_suspect: $(suspects)"
for n in $instances; do origin_serves "$n" v2; done
live_at=$(date +%s.%N)
tidemark deploy shop --version v2 --live-at now >/dev/null
until_true 20 "all are stale" cells_in_are stale 8
off_by() { # the worst of all cells: what passed since live_at, and what is told
	api '/api/v1/cells?state=stale' | jq --argjson live "$live_at" '[.items[] | (.last_seen | sub("\\.(?<f>[0-9]+)Z"; "Z") | fromdate) as $seen
		| ($seen - $live - .staleness_s) | fabs] | max'
}
near() { jq -en --argjson a "$(off_by)" '$a <= 2' >/dev/null; }      # last_seen is cut to whole seconds here
lately() { api '/api/v1/cells?state=stale' | jq -e --argjson now "$(date +%s)" '[.items[] | .last_seen | sub("\\.[0-9]+Z"; "Z") | fromdate
	| ($now - .) | fabs] | max <= 4' >/dev/null; }
until_true 20 "all were seen just now, by the collector's clock" lately
near || die "staleness is off by $(off_by) s"
say "ok   staleness of every cell is right"
say "the clock of nrt-1 is set forward by an hour"
say +1h >"$run/offset-nrt"
steps_over() { lately && near && [ "$(cells_in stale)" = 8 ]; }
over=$((SECONDS + 8))
for_a_while() { steps_over || late=$((late + 1)); [ $SECONDS -ge $over ]; }
late=0
until_true 30 "eight seconds" for_a_while
[ "$late" -le 2 ] || die "its results were off $late times"
say "ok   its results stay where they belong"
