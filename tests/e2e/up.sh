#!/usr/bin/env bash
# up - ./deploy/up with a URL and nothing else: the version's place is found, the edge shows, Ctrl-C ends it, a second start goes on.
. "$(dirname "$0")/lib.sh"
edges_ports
edges_start v1
url="http://127.0.0.1:${port_of[fra]}/version"
up_start() {
	TIDEMARK_HOME=$run/home TIDEMARK_BIN=$bin setsid "$top/deploy/up" "$@" >"$run/up" 2>&1 &
	up=$!
	until_true 60 "up says so" grep -q '^Up\.' "$run/up" || { cat "$run/up"; exit 1; }
	http_port=$(sed -n 's#^Up.*http://127.0.0.1:\([0-9]*\)/.*#\1#p' "$run/up")
}
up_stop() {
	kill -TERM "$up"
	until_true 20 "up is down" bash -c "! kill -0 $up"
	wait "$up" || true
}
up_start "$url"
grep -q 'version by {json: /version}' "$run/up" || die "it did not find the version: $(cat "$run/up")"
shown() { api /api/v1/cells | jq -e '.items[0].version == "v1"'; }
until_true 30 "its cell" shown
say "ok   one cell: $(api /api/v1/cells | jq -c '.items[0] | [.service, .endpoint, .edge, .state, .version]')"
up_stop
equal "processes left" 0 "$(pgrep -f "$run/home" | wc -l)"
up_start
until_true 30 "its cell, again" shown
say "ok   the second start goes on from what was kept"
up_stop
