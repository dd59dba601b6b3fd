#!/usr/bin/env bash
# resolver - a resolver that answers nothing, in a network of our own: it costs the probes that need it, which say `dns`, and no
# others; and no more than 32 lookups hang at once.
if [ "${1:-}" != inside ]; then
	own='unshare -mn'
	$own true 2>/dev/null || own='unshare -rmn'
	if ! $own true 2>/dev/null || ! command -v ip >/dev/null; then
		echo "skip resolver: no network namespace (unshare -rmn), or no ip(8)"
		exit 0
	fi
	exec $own "$0" inside
fi
. "$(dirname "$0")/lib.sh"
ip link set lo up
# a network that swallows what is sent into it
ip link add void type veth peer name hole 2>/dev/null || {
	say "skip resolver: no veth in this kernel"
	exit 0
}
ip addr add 192.0.2.2/24 dev void
ip link set void up
ip link set hole up
ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev void
say 'nameserver 192.0.2.1' 'options timeout:5 attempts:2' >"$run/resolv.conf"
say '127.0.0.1 localhost known.test' >"$run/hosts"
mount --bind "$run/resolv.conf" /etc/resolv.conf
mount --bind "$run/hosts" /etc/hosts

free_port edge_port
mkdir -p "$run/nginx/edge" "$run/log" "$run/pid" "$run/www"
printf '{"version":"v1"}\n' >"$run/www/version"
{
	nginx_head edge
	say "server { listen 127.0.0.1:$edge_port; root $run/www; add_header Cache-Control no-cache; }" '}'
} >"$run/nginx/edge/conf"
start nginx-edge nginx -c "$run/nginx/edge/conf"
until_true 20 "the edge answers" curl -fsS "http://127.0.0.1:$edge_port/version"

free_port http_port
free_port agents_port
{
	cat <<-C
		listen: {http: "127.0.0.1:$http_port", agents: "tcp://127.0.0.1:$agents_port"}
		store: "sqlite:$run/tidemark.db"
		services:
		  - name: shop
		    interval: 1s
		    timeout: 900ms
		    version: {json: /version}
		    endpoints:
		      - {id: by-address, url: "http://127.0.0.1:$edge_port/version"}
		      - {id: by-hosts, url: "http://known.test:$edge_port/version"}
	C
	for i in $(seq 60); do say "      - {id: lost$i, url: \"http://lost$i.test:$edge_port/version\"}"; done
} >"$run/collector.yaml"
collector_start
mkdir -p "$run/agent/fra-1"
tidemark agents enroll fra-1 -o json | jq -r .token >"$run/agent/fra-1/token"
cat >"$run/agent/fra-1/agent.yaml" <<-C
	name: fra-1
	collector: tcp://127.0.0.1:$agents_port
	token_file: token
	spool: {dir: spool}
	allow_networks: [127.0.0.0/8]
C
tidemark deploy shop --version v1 --live-at now >/dev/null
start agent-fra-1 "$bin/agent/tidemark-agent" --config "$run/agent/fra-1/agent.yaml"
ago() { # ago ENDPOINT: seconds since it was last seen
	api "/api/v1/cells?service=shop&endpoint=$1" | jq '[.items[] | .last_seen | sub("\\.[0-9]+Z"; "Z") | fromdate] | (now - (max // 0)) | floor'
}
lately() { [ "$(ago "$1")" -le 5 ]; }
until_true 30 "what has an address is probed" lately by-address
threads=0 late=0 over=$((SECONDS + 12))
two_rounds_hang() { # looked at as often as until_true asks
	local n
	n=$(ls "/proc/$(cat "$run/pid/agent-fra-1")/task" | wc -l)
	[ "$n" -le $threads ] || threads=$n
	lately by-address || late=$((late + 1))
	[ $SECONDS -ge $over ]
}
until_true 30 "two rounds of lookups have hung" two_rounds_hang
equal "looks at by-address that came late while 60 names hang" 0 $late
until_true 60 "a name that /etc/hosts knows has its turn among those that hang" lately by-hosts
say "ok   so does a name that needs no resolver"
[ $threads -le 44 ] || die "$threads threads: more than 32 lookups at once"
say "ok   at most $threads threads, 32 of them lookups"
"$bin/agent/tidemark-agent" probe --timeout 1s "http://lost1.test:$edge_port/version" >"$run/out" && die "a lost name was found"
grep -q 'error    dns: ' "$run/out" || die "not told as dns: $(cat "$run/out")"
say "ok   the lost ones are told as dns: $(sed -n 's/^ *error *//p' "$run/out")"
