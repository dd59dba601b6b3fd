#!/usr/bin/env bash
# stale - an edge that keeps an old copy is shown stale with the right staleness_s (within one interval), and fresh after its
# purge; and a deploy nobody observed ends inconclusive.
. "$(dirname "$0")/lib.sh"
edges_ports
edges_start v1
world_conf 2 1s 6s
collector_start

say "nobody looks: no agent is there"
tidemark deploy shop --version v1 --live-at now >/dev/null
rc=0
tidemark verify shop --version v1 --timeout 30s >"$run/out" || rc=$?
equal "verify exits" 3 $rc
equal "verdict" inconclusive "$(verdict v1)"
equal "cells that are fresh without data" 0 "$(cells_in fresh)"

for n in fra nrt; do
	agent_conf "$n"
	agent_start "$n"
done
until_true 30 "all fresh" cells_in_are fresh 4
for n in $instances; do origin_serves "$n" v2; done
live_at=$(date +%s.%N)
tidemark deploy shop --version v2 --live-at now >/dev/null
edge_purge nrt '/version?i=0' '/version?i=1'
edge_purge fra '/version?i=0'
one_stale() { [ "$(api '/api/v1/cells?state=stale' | jq -c '[.items[] | .endpoint, .edge]')" = '["v1","self:fra"]' ]; }
until_true 20 "one stale, the one that was not purged" one_stale
until_true 5 "three fresh" cells_in_are fresh 3
cell() { api '/api/v1/cells?state=stale' | jq -c '.items[0]'; }
c=$(cell)
equal "the stale cell" '["v1","self:fra","v1","v2",1]' "$(jq -c '[.endpoint, .edge, .version, .expected, .behind]' <<<"$c")"
# staleness_s is what passed between live_at and the last look at it: told within one interval (1 s) of the truth
now=$(date +%s.%N)
off=$(jq -n --argjson s "$(jq .staleness_s <<<"$(cell)")" --argjson live "$live_at" --argjson now "$now" '($now - $live - $s) | fabs')
jq -en --argjson off "$off" '$off <= 1.5' >/dev/null || die "staleness_s is off by $off s"
say "ok   staleness_s is off by $off s at an interval of 1 s"
edge_purge fra '/version?i=1'
until_true 10 "fresh after its purge" cells_in_are fresh 4
say "ok   fresh after its purge"
