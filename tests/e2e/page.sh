#!/usr/bin/env bash
# page - the page of a real collector shows what real agents see, live, in Chromium.
. "$(dirname "$0")/lib.sh"
[ -d "$top/web/node_modules/playwright-core" ] || (cd "$top/web" && npm ci --no-audit --no-fund --loglevel=error)
edges_ports
edges_start v1
world_conf 2 1s 60s
collector_start
for n in fra nrt; do
	agent_conf "$n"
	agent_start "$n"
done
tidemark deploy shop --version v1 --live-at now >/dev/null
until_true 30 "all fresh" cells_in_are fresh 4
NODE_PATH=$top/web/node_modules node "$top/tests/page/live.mjs" "http://127.0.0.1:$http_port/" "$run" &
watcher=$!
until_true 30 "the page shows four fresh cells" test -e "$run/page.fresh" || { wait $watcher; exit 1; }
for n in $instances; do origin_serves "$n" v2; done
tidemark deploy shop --version v2 --live-at now >/dev/null
edge_purge fra '/version?i=0' '/version?i=1'
edge_purge nrt '/version?i=0'
wait $watcher
