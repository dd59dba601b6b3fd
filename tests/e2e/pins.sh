#!/usr/bin/env bash
# pins - five addresses behind one name: `addresses: all` finds each of them and looks at it by itself, so that the one that
# kept an old version is the one shown stale; so does a list of them; and an edge that DNS no longer names is looked at again
# while a burst is on, after a restart of the agent too.
. "$(dirname "$0")/lib.sh"

unshare -m true 2>/dev/null && own='unshare -m' || own='unshare -rm'
$own true 2>/dev/null || {
	say "skip pins: no mount namespace for a hosts file of the agent's own (unshare -rm)"
	exit 0
}

name=edges.pins.test addresses='11 12 13 14 15'
free_port edge_port
edge_serves() { # edge_serves NUMBER VERSION
	mkdir -p "$run/edge/$1"
	printf '{"version":"%s"}\n' "$2" >"$run/edge/$1/.version"
	mv "$run/edge/$1/.version" "$run/edge/$1/version"
}
edge_file() { # nginx, once for all five: each address serves a folder of its own
	local i
	nginx_head pins
	for i in $addresses; do say "server { listen 127.0.0.$i:$edge_port; root $run/edge/$i; add_header Cache-Control no-cache; }"; done
	say '}'
}
hosts() { # hosts NUMBER...: what the name leads to from now on, in the file the agent's namespace has for /etc/hosts
	local i
	say '127.0.0.1 localhost' >"$run/hosts"
	for i; do say "127.0.0.$i $name"; done >>"$run/hosts"
}

mkdir -p "$run/nginx/pins" "$run/log" "$run/pid"
for i in $addresses; do edge_serves "$i" v1; done
edge_file >"$run/nginx/pins/conf"
start nginx-pins nginx -c "$run/nginx/pins/conf"
until_true 20 "the edges answer" curl -fsS "http://127.0.0.15:$edge_port/version"

conf() { # conf ADDRESSES BURST_FOR
	cat >"$run/collector.yaml" <<-C
		listen: {http: "127.0.0.1:$http_port", agents: "tcp://127.0.0.1:$agents_port"}
		store: "sqlite:$run/tidemark.db"
		services:
		  - name: shop
		    interval: 500ms
		    version: {json: /version}
		    verify: {timeout: 20s}
		    burst: {interval: 200ms, for: $2, max_rate: 100/s}
		    addresses: $1
		    endpoints: [{id: v, url: "http://$name:$edge_port/version"}]
	C
}
reloads=0
reloaded() { [ "$(grep -c event=reloaded "$run/log/collector")" -ge $reloads ]; }
reload() {
	reloads=$((reloads + 1))
	kill -HUP "$(cat "$run/pid/collector")"
	until_true 10 "the collector has read its file again" reloaded
}
agent_here() { # agent_here NAME: in a namespace where $run/hosts is /etc/hosts
	mkdir -p "$run/agent/$1"
	tidemark agents enroll "$1" -o json | jq -r .token >"$run/agent/$1/token"
	cat >"$run/agent/$1/agent.yaml" <<-C
		name: $1
		collector: tcp://127.0.0.1:$agents_port
		token_file: token
		spool: {dir: spool}
		allow_networks: [127.0.0.0/8]
	C
	agent_again "$1"
}
agent_again() { # as it was enrolled before
	start "agent-$1" $own sh -c 'mount --bind "$1" /etc/hosts && exec "$2" --config "$3"' sh \
		"$run/hosts" "$bin/agent/tidemark-agent" "$run/agent/$1/agent.yaml"
}
edges_in() { api "/api/v1/cells?service=shop&limit=1000" | jq -r --arg s "$1" '[.items[] | select(.state == $s) | .edge] | sort | join(" ")'; }
edges_in_are() { [ "$(edges_in "$1")" = "$2" ]; }
last_seen() { api "/api/v1/cells?service=shop&limit=1000" | jq -r --arg e "direct:127.0.0.$1" '.items[] | select(.edge == $e) | .version'; }
seen() { [ "$(last_seen "$1")" = "$2" ]; }
all='direct:127.0.0.11 direct:127.0.0.12 direct:127.0.0.13 direct:127.0.0.14 direct:127.0.0.15'
but_13='direct:127.0.0.11 direct:127.0.0.12 direct:127.0.0.14 direct:127.0.0.15'

free_port http_port
free_port agents_port
hosts $addresses
conf all 30s
collector_start
tidemark deploy shop --version v1 --live-at now >/dev/null
agent_here fra-1
until_true 30 "five cells, all fresh" edges_in_are fresh "$all"
say "ok   addresses: all: five addresses, five cells"

for i in 11 12 14 15; do edge_serves "$i" v2; done
tidemark deploy shop --version v2 --live-at now >/dev/null
until_true 20 "the one that kept v1 is stale" edges_in_are stale direct:127.0.0.13
until_true 5 "the others are fresh" edges_in_are fresh "$but_13"
say "ok   the one address that kept the old version is the one shown stale"
edge_serves 13 v2
until_true 20 "all fresh" edges_in_are fresh "$all"

# A list: the same by address, and the name has nothing to say.
hosts
conf "[127.0.0.11, 127.0.0.13]" 30s
edge_serves 13 v1
edge_serves 11 v1
reload
until_true 20 "11 is seen with v1 again" seen 11 v1
until_true 20 "13 is seen with v1 again" seen 13 v1
say "ok   listed addresses are observed though the name resolves no more"

# DNS moves on to one address. The others answered today: a burst looks at them again.
edge_serves 11 v2
edge_serves 13 v2
hosts 11
conf dns 0
reload
for i in 11 12 14 15; do edge_serves "$i" v3; done
until_true 20 "where the name leads is seen" seen 11 v3
equal "an edge DNS no longer names, without a burst" v2 "$(last_seen 12)"
conf dns 30s
reload
tidemark deploy shop --version v3 --live-at now >/dev/null
for i in 12 14 15; do until_true 20 "127.0.0.$i is looked at again" seen "$i" v3; done
equal "and so is the one that kept v2" v2 "$(last_seen 13)"
say "ok   edges that DNS no longer names are looked at again while a burst is on"

# A restart forgets nobody: who answered in the last day is in a file.
stop agent-fra-1
for i in $addresses; do edge_serves "$i" v4; done
agent_again fra-1
tidemark deploy shop --version v4 --live-at now >/dev/null
for i in 12 13 14 15; do until_true 20 "127.0.0.$i is looked at again" seen "$i" v4; done
say "ok   nor does a restart of the agent make it forget them"
