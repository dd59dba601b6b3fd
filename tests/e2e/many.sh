#!/usr/bin/env bash
# many - a fleet over TLS loses its collector (kill -9) and comes back, all at once: real uplinks and spools, in two processes. All are back in
# 120 s, memory stays bounded, every batch is in the store once.
#   ./tests/e2e/many.sh [AGENTS]      50 by default
. "$(dirname "$0")/lib.sh"
n_agents=${1:-50}
sim=$bin/tests/e2e/fleet_sim
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$run/key.pem" -out "$run/cert.pem" -days 7 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost 2>/dev/null
free_port http_port
free_port agents_port
{
	say "listen: {http: \"127.0.0.1:$http_port\", agents: \"tls+tcp://127.0.0.1:$agents_port\"}" \
		"tls: {cert: $run/cert.pem, key: $run/key.pem}" "store: \"sqlite:$run/tidemark.db\"" \
		"services:" "  - name: shop" "    interval: 60s" "    version: {json: /version}" \
		"    endpoints: [{id: version, url: \"http://$demo_host/version\"}]" "agents:"
	"$sim" --conf 0 "$n_agents"
} >"$run/collector.yaml"
connected_are() { [ "$(metric agents_connected)" = "$1" ]; }
collector_start
half=$((n_agents / 2))
mkdir "$run/spools"
# 2,000 spools that fsync are not what is measured
mount_ok=''
[ "$(id -u)" -ne 0 ] || [ ! -d /dev/shm ] || mount_ok=$(mktemp -d /dev/shm/tidemark-e2e.XXXXXX)
spools=${mount_ok:-$run/spools}
ended() {
	local rc=$?
	stop_all
	[ -z "$mount_ok" ] || rm -rf "$mount_ok"
	cleanup $rc
}
trap ended EXIT
began=$SECONDS
start sims-a "$sim" 0 $half "tls+tcp://localhost:$agents_port" "$run/cert.pem" "$spools" 5000 10 shop
start sims-b "$sim" $half $((n_agents - half)) "tls+tcp://localhost:$agents_port" "$run/cert.pem" "$spools" 5000 10 shop
until_true 120 "$n_agents agents" connected_are "$n_agents"
say "ok   $n_agents agents are there after $((SECONDS - began)) s"
some() { [ "$(metric results_total)" -ge $((n_agents * 10)) ]; }
until_true 60 "results of each" some
stop collector KILL
# what it was is missed by all of them, and they dial into nothing
noticed() { tail -1 "$run/log/sims-a" | grep -q 'connected=0 ' && tail -1 "$run/log/sims-b" | grep -q 'connected=0 '; }
until_true 60 "all have noticed" noticed
began=$(date +%s.%N)
collector_start
until_true 120 "all $n_agents are back" connected_are "$n_agents"
say "ok   all are back $(jq -n --argjson a "$began" --argjson b "$(date +%s.%N)" '($b - $a) * 10 | floor / 10') s after it was started again"
left_none() { tail -1 "$run/log/sims-a" | grep -qE 'left=[0-9]{1,3} ' && tail -1 "$run/log/sims-b" | grep -qE 'left=[0-9]{1,3} '; }
until_true 120 "the backlog is small" left_none
say "     peak memory of the collector: $(peak_mib) MiB"
[ "$(peak_mib)" -le 600 ] || die "that is more than 600 MiB"
ends() { ! runs "$(cat "$run/pid/$1")"; }
for s in a b; do kill -TERM "$(cat "$run/pid/sims-$s")"; done
for s in a b; do
	until_true 200 "sims-$s have nothing left" ends sims-$s
	tail -1 "$run/log/sims-$s" | grep -q 'done .*left=0 refused=0 lost=0' || die "sims-$s: $(tail -1 "$run/log/sims-$s")"
done
put=$(cat "$run"/log/sims-? | sed -n 's/^done .*put=\([0-9]*\).*/\1/p' | jq -s add)
equal "batches in the store, of $put that were put" "$put" "$(sql 'select count(*) from journal where agent_id is not null')"
equal "batches that came twice and were kept twice" "" "$(sql 'select 1 from journal where agent_id is not null group by agent_id, epoch, number having count(*) > 1')"
say "     $(cat "$run"/log/sims-? | sed -n 's/^done .*\(connections=.*\)/\1/p' | paste -sd ' ')"
