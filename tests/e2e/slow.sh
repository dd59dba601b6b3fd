#!/usr/bin/env bash
# slow - the collector's disk is slow, hangs, turns read-only, and takes a third of what agents send (a library between the collector and its
# files): what is acknowledged is durable, /readyz says what is wrong, memory stays bounded, the newest state wins, nothing is lost.
#   ./tests/e2e/slow.sh [SECONDS]      how long the overload lasts; 10 by default
. "$(dirname "$0")/lib.sh"
lasts=${1:-10}
sim=$bin/tests/e2e/fleet_sim
n_sims=20
edges_ports
edges_start v1
world_conf 20 500ms 300s
sed -i "s|^    interval: 500ms|    from: {agents: [fra-1, nrt-1]}\n&|" "$run/collector.yaml" # the load is nobody that it waits for
{
	say "  - name: load" "    interval: 60s" "    version: {json: /version}" "    from: {agents: [sim-0]}" \
		"    endpoints: [{id: version, url: \"http://$demo_host/version\"}]" "agents:"
	"$sim" --conf 0 $n_sims
} >>"$run/collector.yaml"
disk() { # disk FSYNC_MS BYTES_PER_S rw|ro
	say "$*" >"$run/.disk" && mv "$run/.disk" "$run/disk"
}
disk 0 0 rw
collector_start() {
	start collector env LD_PRELOAD="$bin/tests/e2e/slowdisk.so" SLOWDISK_CONF="$run/disk" SLOWDISK_DIR="$run/tidemark.db" \
		"$bin/collector/tidemark-collector" --config "$run/collector.yaml"
	until_true 60 "the collector is ready" ready
}
collector_start
two_agents_on_v1
status() { curl -s -o "$run/out" -w '%{http_code}' --max-time 10 "http://127.0.0.1:$http_port$1"; }
serve() { # serve VERSION: at the origin and, after a purge of every copy, at the edges
	local n i
	for n in $instances; do origin_serves "$n" "$1"; done
	for n in ord fra nrt; do for i in $(seq 0 19); do edge_purge "$n" "/version?i=$i"; done; done
}
serves() { [ "$(api '/api/v1/cells?service=shop&limit=1000' | jq -c '[.items[].version] | unique')" = "[\"$1\"]" ]; }

say "every fsync takes 2 s"
disk 2000 0 rw
slow_is_said() { api /readyz | grep -q '^slow: '; }
until_true 20 "/readyz says so" slow_is_said
say "ok   /readyz: $(api /readyz | tr '\n' ' ')"
serve v2
tidemark deploy shop --version v2 --live-at now >/dev/null
until_true 60 "v2 shows all the same" serves v2
for i in 1 2 3; do
	pause 0.$((RANDOM % 9 + 1))
	stop collector KILL
	collector_start
done
until_true 60 "v2 verified after three kills" verdict_is v2 verified
say "ok   v2 verified after three kills in the middle of it"

say "the disk does not answer"
disk 20000 0 rw
hangs() { [ "$(status /readyz)" = 503 ] && grep -q 'has not answered' "$run/out"; }
until_true 40 "/readyz says so" hangs
say "ok   /readyz: $(cat "$run/out")"
equal "and what is known is told meanwhile" 200 "$(status '/api/v1/cells?limit=1000')"
disk 0 0 rw
until_true 60 "it goes on by itself" ready

say "a read-only disk"
disk 0 0 ro
not_ready() { [ "$(status /readyz)" = 503 ]; }
until_true 30 "/readyz says so" not_ready
say "ok   /readyz: $(cat "$run/out")"
rc=0
tidemark deploy shop --version nowhere --live-at now >/dev/null 2>"$run/out" || rc=$?
[ $rc -ne 0 ] || die "a deploy was taken that is nowhere"
say "ok   a deploy is refused: $(cat "$run/out")"
disk 0 0 rw
until_true 60 "it goes on by itself" ready

say "more comes in than the disk takes, for $lasts s"
disk 20 200000 rw
before=$(peak_mib)
mkdir "$run/spools"
start sims "$sim" 0 $n_sims "tcp://127.0.0.1:$agents_port" - "$run/spools" 50 200 load
field() { tail -1 "$run/log/sims" | sed -n "s/.*$1=\([0-9]*\).*/\1/p"; }
sims_up() { [ "$(field connected)" = $n_sims ]; }
until_true 30 "they are there" sims_up
began=$SECONDS put=$(field put) left=$(field left)
serve v3
tidemark deploy shop --version v3 --live-at now >/dev/null
until_true 60 "the newest state shows in spite of it" serves v3
say "     v3 shows after $((SECONDS - began)) s"
over() { [ $((SECONDS - began)) -ge "$lasts" ]; }
until_true $((lasts + 10)) "the time to pass" over
put=$(($(field put) - put)) left=$(($(field left) - left)) took=$((SECONDS - began))
say "     $((put / took)) batches/s came in, $(((put - left) / took))/s were taken; busy answers: $(metric messages_busy_total)"
[ $put -ge $((2 * (put - left))) ] || die "that is not twice what it takes"
say "ok   at least twice what the disk takes"
kill -TERM "$(cat "$run/pid/sims")"
disk 0 0 rw
done_all() { tail -1 "$run/log/sims" | grep -q '^done '; }
until_true 200 "the backlog is in" done_all
tail -1 "$run/log/sims" | grep -q 'left=0 refused=0 lost=0' || die "sims: $(tail -1 "$run/log/sims")"
until_true 60 "v3 verified" verdict_is v3 verified
serves v3 || die "late results turned a cell back"
after=$(peak_mib)
[ $((after - before)) -le 200 ] || die "memory grew from $before to $after MiB"
say "ok   memory: $before MiB before, $after MiB at the most"

two_agents_drain
stop collector
equal "batches of the load, of $(field put) that were put" "$(field put)" \
	"$(sql "select count(*) from journal j join names n on n.id = j.agent_id where n.text like 'sim-%'")"
equal "epochs with holes" "" "$(sql 'select epoch from journal where agent_id is not null group by agent_id, epoch
	having count(*) <> max(number) or min(number) <> 1')"
