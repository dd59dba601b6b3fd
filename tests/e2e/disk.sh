#!/usr/bin/env bash
# disk - the collector's disk is full: a tmpfs of its own in a mount namespace. It stays up, says so on /readyz and in its metrics, acknowledges
# nothing and goes on by itself when there is room; every batch is there once. Then a disk that is full from the start.
if [ "${1:-}" != inside ]; then
	own='unshare -m'
	$own true 2>/dev/null || own='unshare -rm'
	if ! $own true 2>/dev/null; then
		echo "skip disk: no mount namespace (unshare -rm)"
		exit 0
	fi
	exec $own "$0" inside
fi
. "$(dirname "$0")/lib.sh"
mkdir -p "$run/disk"
mount -t tmpfs -o size=16m tidemark "$run/disk" || {
	say "skip disk: no tmpfs here"
	exit 0
}
ended() {
	local rc=$?
	stop_all
	umount -l "$run/disk" 2>/dev/null || true
	cleanup $rc
}
trap ended EXIT
edges_ports
edges_start v1
world_conf 50 500ms 300s
sed -i "s#^store: .*#store: \"sqlite:$run/disk/tidemark.db\"#" "$run/collector.yaml"
sql() { sqlite3 "file:$run/disk/tidemark.db?mode=ro" "$@"; }
collector_start
two_agents_on_v1

status() { curl -s -o "$run/out" -w '%{http_code}' --max-time 10 "http://127.0.0.1:$http_port$1"; }
not_ready() { [ "$(status /readyz)" = 503 ]; }
left() { sed -n 's/.*left_in_spool=\([0-9]*\).*/\1/p' "$run/log/agent-$1" | tail -1; }
spooled() { sqlite3 "$run/agent/$1/spool/spool.db" 'select count(*) from batches'; }
dd if=/dev/zero of="$run/disk/filler" bs=4k 2>/dev/null || true # until nothing fits
until_true 60 "it says that it takes nothing" not_ready
say "ok   /readyz: $(cat "$run/out")"
equal "/healthz" 200 "$(status /healthz)"
equal "cells are told as they were" 100 "$(cells_in fresh)"
[ "$(metric commit_errors_total)" -ge 1 ] || die "no failed commit in the metrics"
stop agent-fra
[ "$(left fra)" -gt 0 ] || die "an agent that stops holds nothing of what was not acknowledged"
say "ok   an agent that stops keeps $(left fra) batches"
agent_start fra
rc=0
tidemark deploy shop --version v2 --live-at now >/dev/null 2>"$run/out" || rc=$?
[ $rc -ne 0 ] || die "a deploy was taken that is nowhere"
say "ok   a deploy is refused: $(cat "$run/out")"
rm "$run/disk/filler"
until_true 60 "it goes on by itself" ready
for n in $instances; do origin_serves "$n" v2; done
tidemark deploy shop --version v2 --live-at now >/dev/null
equal "deploys" 'v2 v1' "$(api /api/v1/deploys | jq -r '[.items[].version] | join(" ")')"
for n in fra nrt; do stop "agent-$n"; done
for n in fra nrt; do equal "spool of $n after its drain" 0 "$(spooled "$n")"; done
equal "results that agents lost" 0 "$(metric agent_lost_results_total)"
stop collector
equal "epochs with holes" "" "$(sql 'select epoch from journal where agent_id is not null group by agent_id, epoch
	having count(*) <> max(number) or min(number) <> 1')"
"$bin/collector/tidemark-collector" check --config "$run/collector.yaml" >"$run/out"
say "ok   $(sed 's/.*: sound/sound/' "$run/out")"

say "a start on a full disk"
dd if=/dev/zero of="$run/disk/filler" bs=4k 2>/dev/null || true
start collector "$bin/collector/tidemark-collector" --config "$run/collector.yaml"
gone() { ! runs "$(cat "$run/pid/collector")"; }
says_so() { gone || not_ready; }
until_true 60 "it says so" says_so
say "ok   $(if gone; then grep -o 'start_failed.*' "$run/log/collector" | tail -1; else cat "$run/out"; fi)"
stop collector
rm "$run/disk/filler"
collector_start
equal "deploys after it" 'v2 v1' "$(api /api/v1/deploys | jq -r '[.items[].version] | join(" ")')"
stop collector
umount "$run/disk"
