#!/usr/bin/env bash
# upkeep - a backup taken while agents write is sound; what happens after it is undone by its restore, and agents go on.
. "$(dirname "$0")/lib.sh"
collector() { "$bin/collector/tidemark-collector" "$@"; }
edges_ports
edges_start v1
world_conf 20 500ms 6s
collector_start
two_agents_on_v1
until_true 30 "200 results" results_reach 200
collector backup --config "$run/collector.yaml" "$run/backup.db" >"$run/out"
say "ok   a backup while agents write: $(cat "$run/out")"
collector check --store "$run/backup.db" >"$run/out"
say "ok   $(sed 's/.*: sound/sound/' "$run/out")"
collector check --config "$run/collector.yaml" >"$run/out"
say "ok   so is the one that is written to"
rc=0
collector restore --config "$run/collector.yaml" "$run/backup.db" 2>"$run/out" || rc=$?
equal "restore while it runs" 1 $rc
for n in $instances; do origin_serves "$n" v2; done
tidemark deploy shop --version v2 --live-at now >/dev/null
equal "deploys" 2 "$(api /api/v1/deploys | jq '.items | length')"
stop collector KILL
collector restore --config "$run/collector.yaml" "$run/backup.db" >"$run/out"
say "ok   $(tail -1 "$run/out")"
collector_start
equal "deploys of the backup" v1 "$(api /api/v1/deploys | jq -r '[.items[].version] | join(" ")')"
before=$(results)
until_true 60 "agents go on" results_reach $((before + 200))
collector check --config "$run/collector.yaml" >/dev/null
say "ok   and it is sound"
