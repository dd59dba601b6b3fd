#!/usr/bin/env bash
# crowd - thousands of HTTP connections from a hundred addresses that drip headers and bodies, say nothing or nonsense, and 64 readers of the
# stream that never read; whoever else asks is answered meanwhile, a deploy is taken, and memory stays bounded.
#   ./tests/e2e/crowd.sh [CONNECTIONS [SECONDS]]      2000 and 10 by default; the slowest answer is told, and over 1 s it fails
. "$(dirname "$0")/lib.sh"
connections=${1:-2000} lasts=${2:-10}
edges_ports
edges_start v1
world_conf 10 1s 60s
collector_start
two_agents_on_v1
before=$(peak_mib)

start readers "$bin/tests/e2e/http_crowd" "$http_port" 0 64
until_true 20 "64 readers of the stream" eval '[ "$(metric sse_readers)" = 64 ]'
start crowd "$bin/tests/e2e/http_crowd" "$http_port" "$connections" 0
opened() { [ "$(tail -1 "$run/log/crowd" | sed -n 's/.*opened=//p')" -ge "$connections" ]; }
until_true 60 "$connections connections" opened
say "$(tail -1 "$run/log/crowd"), of which the server has $(api /metrics | awk '/^tidemark_http_connections[{]/ {n += $2} END {print n}')"

: >"$run/times"
ask() { curl -fsS -o "$run/out" -w '%{time_total}\n' --max-time 10 "http://127.0.0.1:$http_port$1" >>"$run/times" || die "no answer to $1"; }
for n in $instances; do origin_serves "$n" v2; done
tidemark deploy shop --version v2 --live-at now >/dev/null
for n in ord fra nrt; do for i in $(seq 0 9); do edge_purge "$n" "/version?i=$i"; done; done
until_at=$((SECONDS + lasts))
while [ $SECONDS -lt $until_at ]; do
	for path in /healthz '/api/v1/cells?limit=1000' /api/v1/deploys /metrics /api/v1/incidents; do ask "$path"; done
	pause 0.05
done
until_true 30 "v2 verified, told by agents meanwhile" verdict_is v2 verified
say "ok   a deploy came and was verified meanwhile"
slowest=$(sort -n "$run/times" | tail -1)
say "     $(wc -l <"$run/times") answers, the slowest in $slowest s; $(tail -1 "$run/log/crowd")"
say "     crowded out: $(metric http_connections_crowded_out_total), refused: $(metric http_connections_refused_total)," \
	"    over their time: $(api /metrics | awk '/^tidemark_http_deadlines_missed_total/ {n += $2} END {print n}')"
awk -v s="$slowest" 'BEGIN {exit !(s <= 1)}' || die "an answer took $slowest s"
say "ok   every answer within 1 s"
after=$(peak_mib)
[ $((after - before)) -le 256 ] || die "memory grew from $before to $after MiB"
say "ok   memory: $before MiB before, $after MiB at the most"
equal "readers of the stream, still" 64 "$(metric sse_readers)"
stop crowd
stop readers
gone() { [ "$(api /metrics | awk '/^tidemark_http_connections[{]/ {n += $2} END {print n}')" -le 4 ]; }
until_true 30 "their connections are gone" gone
say "ok   and then they are gone"
