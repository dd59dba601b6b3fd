# lib.sh - a collector and agents on the demo's real caches, for the end-to-end tests. Sourced.
# TIDEMARK_BIN: where the programs are (default: build/dev).
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$top/deploy/lib/common.sh"
. "$top/deploy/demo.d/edges.sh"
bin=${TIDEMARK_BIN:-$top/build/dev}
[ -x "$bin/collector/tidemark-collector" ] || build dev
scratch=$(mktemp -d "${TMPDIR:-/tmp}/tidemark-e2e.XXXXXX")
run=$scratch
cleanup() { # cleanup [STATUS]
	local rc=${1:-$?}
	trap '' INT TERM
	stop_all
	[ $rc -eq 0 ] || tail -n 15 "$run"/log/collector "$run"/log/agent-* 2>/dev/null || true
	rm -rf "$scratch"
	exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT TERM

same() { # same WHAT FILE FILE
	diff -u "$2" "$3" >"$run/diff" || {
		head -60 "$run/diff"
		die "not the same: $1"
	}
	say "ok   $1"
}
equal() { # equal WHAT WANTED GOT
	[ "$2" = "$3" ] || die "$1: expected $2, got $3"
	say "ok   $1: $3"
}

tidemark() { "$bin/collector/ctl/tidemark" --server "http://127.0.0.1:$http_port" "$@"; }
api() { curl -fsS --max-time 10 "http://127.0.0.1:$http_port$1"; }
ready() { api /readyz; }
sql() { sqlite3 "file:$run/tidemark.db?mode=ro" "$@"; }

# world ENDPOINTS INTERVAL VERIFY_TIMEOUT: writes the configuration of a collector that watches that many keys of the edges.
world_conf() {
	local i
	free_port http_port
	free_port agents_port
	{
		say "listen: {http: \"127.0.0.1:$http_port\", agents: \"tcp://127.0.0.1:$agents_port\"}"
		say "store: \"sqlite:$run/tidemark.db\"" "services:" "  - name: shop" "    interval: $2" "    timeout: 5s"
		say "    version: {json: /version}" "    burst: {interval: $2, for: 1m, max_rate: 2000/s}" "    pop_header: X-Pop"
		say "    verify: {timeout: $3}" "    endpoints:"
		for ((i = 0; i < $1; i++)); do say "      - {id: v$i, url: \"http://$demo_host/version?i=$i\"}"; done
	} >"$run/collector.yaml"
}
collector_start() {
	start collector "$bin/collector/tidemark-collector" --config "$run/collector.yaml"
	until_true 30 "the collector is ready" ready
}
agent_conf() { # agent_conf EDGE: enrolls NAME-1 and writes its file
	mkdir -p "$run/agent/$1"
	tidemark agents enroll "$1-1" --region "${region_of[$1]}" -o json | jq -r .token >"$run/agent/$1/token"
	cat >"$run/agent/$1/agent.yaml" <<C
name: $1-1
region: ${region_of[$1]}
collector: tcp://127.0.0.1:$agents_port
token_file: $run/agent/$1/token
spool: {dir: $run/agent/$1/spool}
allow_networks: [127.0.0.0/8]
connect_to: ["$demo_host:80:127.0.0.1:${port_of[$1]}"]
max_rate: 5000/s
max_rate_per_host: 5000/s
C
}
agent_start() { start "agent-$1" "$bin/agent/tidemark-agent" --config "$run/agent/$1/agent.yaml"; }

results() { api /api/v1/agents | jq '[.items[].results] | add // 0'; }
results_reach() { [ "$(results)" -ge "$1" ]; }
metric() { api /metrics | sed -n "s/^tidemark_$1 //p"; }
peak_mib() { echo $(($(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(cat "$run/pid/collector")/status") / 1024)); } # the collector's memory, at the most
# two agents in two regions, and the first version everywhere
two_agents_on_v1() {
	local n
	for n in fra nrt; do
		agent_conf "$n"
		agent_start "$n"
	done
	tidemark deploy shop --version v1 --live-at now >/dev/null
	until_true 30 "v1 verified" verdict_is v1 verified
}
# they stop in order, and nothing is left
two_agents_drain() {
	local n
	for n in fra nrt; do stop "agent-$n"; done
	for n in fra nrt; do
		equal "spool of $n after its drain" 0 "$(sqlite3 "$run/agent/$n/spool/spool.db" 'select count(*) from batches')"
	done
	equal "results that agents lost" 0 "$(metric agent_lost_results_total)"
}
deploy_id() { api "/api/v1/deploys?service=shop&version=$1" | jq -r '.items[0].id // empty'; }
verdict() { api "/api/v1/deploys/$(deploy_id "$1")" | jq -r .verdict; }
verdict_is() { [ "$(verdict "$1")" = "$2" ]; }
cells_in() { api '/api/v1/cells?limit=1000' | jq --arg s "$1" '[.items[] | select(.state == $s)] | length'; }
cells_in_are() { [ "$(cells_in "$1")" = "$2" ]; }
