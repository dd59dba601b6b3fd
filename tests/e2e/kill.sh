#!/usr/bin/env bash
# kill - kill -9 of the collector in the middle of 20,000 results, and of an agent: the collector holds every batch the agents'
# spools had taken, each once, and the same cells, causes, incidents and verdicts as a run without kills.
#   ./tests/e2e/kill.sh [ROUNDS]      kills of the collector, and as many of agents; 3 by default
. "$(dirname "$0")/lib.sh"
rounds=${1:-3}
agents='fra iad nrt sin'
n_endpoints=100

batches() { sql 'select count(*) from journal where agent_id is not null'; }
batches_reach() { [ "$(batches)" -ge "$1" ]; }

kill9() { # kill9 NAME: and gone
	stop "$1" KILL
}

# What an agent's spool holds on disk, as "agent epoch number" lines. Its process must be gone.
spooled() { # spooled EDGE
	sqlite3 "$run/agent/$1/spool/spool.db" "select '$1-1 ' || epoch || ' ' || number from batches"
}
held() { sql "select n.text || ' ' || j.epoch || ' ' || j.number from journal j join names n on n.id = j.agent_id"; }

incident_of_two() { [ "$(api '/api/v1/incidents?state=open' | jq -r '.items[0].not_fresh')" = 2 ]; }

play() { # play RUN KILLS
	local n i more
	run=$scratch/$1
	mkdir -p "$run"
	edges_ports
	edges_start v1
	world_conf $n_endpoints 1s 12s
	collector_start
	: >"$run/spooled"
	for n in $agents; do
		agent_conf "$n"
		agent_start "$n"
	done
	tidemark deploy shop --version v1 --live-at now >/dev/null
	until_true 60 "v1 verified" verdict_is v1 verified
	for n in $instances; do origin_serves "$n" v2; done
	tidemark deploy shop --version v2 --live-at now >/dev/null
	for n in ord $agents; do
		for ((i = 0; i < n_endpoints; i++)); do
			# two keys of one edge are forgotten: that is what both runs must find
			[ "$n" = nrt ] && [ $i -ge 98 ] && continue
			edge_purge "$n" "/version?i=$i"
		done
	done
	if [ "$2" = kills ]; then
		for ((i = 1; i <= rounds; i++)); do
			more=$(($(batches) + 1 + RANDOM % 16))
			until_true 20 "more batches" batches_reach $more
			kill9 collector
			if [ $((i % 3)) -eq 2 ] || [ "$rounds" -gt 3 ]; then
				n=$(cut -d ' ' -f $((1 + RANDOM % 4)) <<<"$agents")
				kill9 "agent-$n"
				spooled "$n" >>"$run/spooled"
				agent_start "$n"
			fi
			collector_start
		done
		kill9 agent-sin
		spooled sin >>"$run/spooled"
		agent_start sin
	fi
	until_true 90 "v2 failed" verdict_is v2 failed
	until_true 60 "only the two forgotten keys are stale" cells_in_are stale 2
	until_true 60 "all others are fresh" cells_in_are fresh $((4 * n_endpoints - 2))
	until_true 90 "20,000 results" results_reach 20000
	for id in $(api '/api/v1/deploys' | jq -r '.items[].id'); do
		api "/api/v1/deploys/$id" | jq -r '[.version, .cause, .why.layer, (.causes | tojson)] | @tsv'
	done >"$run/causes"
	until_true 60 "an incident of two cells" incident_of_two
	api '/api/v1/incidents' | jq -r '.items[] | [.service, .version, .state, .severity, .cause, .not_fresh] | @tsv' >"$run/incidents"
	for n in $agents; do
		stop "agent-$n"
		equal "spool of $n after its drain" 0 "$(spooled "$n" | wc -l)"
	done
	api '/api/v1/cells?limit=1000' | jq -r '.items[] | [.endpoint, .edge, .state, .version, .expected] | @tsv' | sort >"$run/cells"
	api '/api/v1/deploys' | jq -r '.items[] | [.service, .version, .verdict] | @tsv' >"$run/verdicts"
	say "     $1: $(results) results; $(cat "$run/incidents")"
	stop collector
	held | sort >"$run/held"
	equal "$1: every batch once" "" "$(uniq -d "$run/held")"
	# numbers of an epoch start at 1; a hole would be a batch that was taken and is not there
	equal "$1: epochs with holes" "" "$(sql 'select epoch from journal where agent_id is not null group by agent_id, epoch
		having count(*) <> max(number) or min(number) <> 1')"
	sort -u "$run/spooled" >"$run/spooled.sorted" # one may lie there at several kills
	equal "$1: spooled before a kill and not held" "" "$(comm -23 "$run/spooled.sorted" "$run/held")"
	say "     $1: $(wc -l <"$run/held") batches, of which $(wc -l <"$run/spooled") lay in a spool when its agent was killed"
	stop_all
}

say "a run without kills"
play calm none
say "the same with $rounds kills of the collector, and of agents"
play killed kills
same "cells" "$scratch/calm/cells" "$scratch/killed/cells"
same "causes" "$scratch/calm/causes" "$scratch/killed/causes"
same "incidents" "$scratch/calm/incidents" "$scratch/killed/incidents"
same "verdicts" "$scratch/calm/verdicts" "$scratch/killed/verdicts"
