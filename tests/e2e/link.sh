#!/usr/bin/env bash
# link - what a network does to agents, in network namespaces with veth: cut for 20 s; half-open (what agents send arrives, what is
# answered does not) for 20 s; then packets that are lost (30 %), late (2 s each way) and out of order, for 10 s each. Meanwhile a deploy
# comes and goes around; after it the newest state shows within seconds, every batch is there once, and the cells are right.
#   ./tests/e2e/link.sh [SECONDS]      how long each fault lasts; 20 by default
if [ "${1:-}" != inside ]; then
	own='unshare -mn'
	$own true 2>/dev/null || own='unshare -rmn'
	if ! $own true 2>/dev/null || ! command -v ip >/dev/null; then
		echo "skip link: no network namespace (unshare -rmn), or no ip(8)"
		exit 0
	fi
	exec $own "$0" inside "$@"
fi
shift
. "$(dirname "$0")/lib.sh"
lasts=${1:-20}
ip link set lo up
# the agents' side is a namespace of its own, held by a process in it
unshare -n sleep infinity &
holder=$!
ended() {
	local rc=$?
	kill $holder 2>/dev/null || true
	cleanup $rc
}
trap ended EXIT
far() { nsenter -t $holder -n "$@"; }
own_namespace() { [ "$(readlink /proc/$holder/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
until_true 5 "a namespace for the agents" own_namespace
ip link add near0 type veth peer name far0 2>/dev/null || {
	say "skip link: no veth in this kernel"
	exit 0
}
ip link set far0 netns $holder
ip addr add 10.9.0.1/24 dev near0
ip link set near0 up
far ip link set lo up
far ip addr add 10.9.0.2/24 dev far0
far ip link set far0 up

# the caches are the agents' neighbours; the collector is at the other end
start_near=$(declare -f start)
eval "${start_near/start ()/start_near ()}"
start() {
	local name=$1
	shift
	if [ "$name" = collector ]; then start_near "$name" "$@"; else start_near "$name" nsenter -t $holder -n "$@"; fi
}
at_edges() { # at_edges COMMAND...: of edges.sh, whose curl asks there
	curl() { far curl "$@"; }
	"$@"
	unset -f curl
}
edges_ports
at_edges edges_start v1
world_conf 10 500ms $((lasts * 6 + 300))s
sed -i '1s#agents: "tcp://127.0.0.1:#agents: "tcp://10.9.0.1:#' "$run/collector.yaml"
say "insecure: on" >>"$run/collector.yaml"
collector_start
for n in fra nrt; do
	agent_conf "$n"
	sed -i "s#^collector: .*#collector: tcp://10.9.0.1:$agents_port\ninsecure: on#" "$run/agent/$n/agent.yaml"
	agent_start "$n"
done
paths=$(for i in $(seq 0 9); do say "/version?i=$i"; done)
serve() { # serve VERSION: at the origin and, after a purge of every copy, at the edges
	local n
	for n in $instances; do origin_serves "$n" "$1"; done
	for n in ord fra nrt; do at_edges edge_purge "$n" $paths; done
}
say "agents and caches in one network, the collector in another"
tidemark deploy shop --version v1 --live-at now >/dev/null
until_true 30 "v1 verified" verdict_is v1 verified

# fault NAME WITHIN BREAK HEAL VERSION: what is served changes while the link is broken
serves() { [ "$(api '/api/v1/cells?limit=1000' | jq -c '[.items[].version] | unique')" = "[\"$1\"]" ]; }
fault() {
	local within=$2 version=$5 since
	[ "$lasts" -le 60 ] || within=90 # a backlog has piled up
	say "$1 for $lasts s"
	eval "$3"
	since=$SECONDS
	serve "$version"
	tidemark deploy shop --version "$version" --live-at now >/dev/null
	gone_by() { [ $((SECONDS - since)) -ge "$lasts" ]; }
	until_true $((lasts + 10)) "the time to pass" gone_by
	serves "$version" && die "$version was seen through a link that is broken"
	eval "$4"
	since=$(date +%s.%N)
	until_true 120 "the newest state" serves "$version"
	took=$(jq -n --argjson a "$since" --argjson b "$(date +%s.%N)" '($b - $a) * 10 | floor / 10')
	say "     the newest state shows $took s after healing"
	jq -en --argjson t "$took" --argjson most $within '$t <= $most' >/dev/null || die "later than $within s"
	until_true 60 "$version verified" verdict_is "$version" verified
	say "ok   $version verified"
}
fault "cut" 5 'ip link set near0 down' 'ip link set near0 up' v2
fault "half-open: answers are lost" 5 'ip route add blackhole 10.9.0.2/32' 'ip route del blackhole 10.9.0.2/32' v3

# This kernel may have no netem: packets go through a program instead, the same connections as before.
bad_link() { # bad_link WHAT LOSS_PERCENT DELAY_MS JITTER_MS VERSION
	local what=$1 version=$5 since
	say "$what for $bad_lasts s"
	say "$2 $3 $4" >&9
	ip route add 10.9.0.2/32 dev near1 src 10.9.0.1
	far ip route add 10.9.0.1/32 dev far1 src 10.9.0.2
	since=$SECONDS
	serve "$version"
	tidemark deploy shop --version "$version" --live-at now >/dev/null
	gone_by() { [ $((SECONDS - since)) -ge "$bad_lasts" ]; }
	until_true $((bad_lasts + 10)) "the time to pass" gone_by
	if serves "$version"; then came='came through meanwhile'; else came='did not come through'; fi
	ip route del 10.9.0.2/32 dev near1
	far ip route del 10.9.0.1/32 dev far1
	say "0 0 0" >&9
	since=$(date +%s.%N)
	until_true 120 "the newest state" serves "$version"
	took=$(jq -n --argjson a "$since" --argjson b "$(date +%s.%N)" '($b - $a) * 10 | floor / 10')
	say "     the newest state $came; it shows $took s after healing"
	jq -en --argjson t "$took" --argjson most "$within" '$t <= $most' >/dev/null || die "later than $within s"
	until_true 60 "$version verified" verdict_is "$version" verified
	say "ok   $version verified; packets: $(tail -1 "$run/log/netfault")"
}
bad_lasts=$(((lasts + 1) / 2)) within=10 # a connection may have been lost to it, and another be on its way
[ "$lasts" -le 60 ] || within=90
mkfifo "$run/netfault.in"
start_near netfault sh -c 'exec "$0" near1 far1 "$1" <"$2"' "$bin/tests/e2e/netfault" $holder "$run/netfault.in"
exec 9>"$run/netfault.in"
netfault_ready() { grep -q ready "$run/log/netfault" || ! runs "$(cat "$run/pid/netfault")"; }
until_true 10 "the link of packets" netfault_ready
if grep -q ready "$run/log/netfault"; then
	sysctl -qw net.ipv4.conf.all.rp_filter=0 2>/dev/null || true
	ip addr add 10.8.0.1/32 dev near1
	ip link set near1 up
	far ip addr add 10.8.0.2/32 dev far1
	far ip link set far1 up
	bad_link "packets out of order" 0 20 200 v4
	bad_link "30 % of the packets lost" 30 5 0 v5
	bad_link "2 s on the way, each way" 0 2000 0 v6
else
	say "skip: no TUN device here ($(tail -1 "$run/log/netfault"))"
fi

two_agents_drain
stop collector
equal "batches that came twice and were kept twice" "" "$(sql 'select 1 from journal where agent_id is not null group by agent_id, epoch, number having count(*) > 1')"
equal "epochs with holes" "" "$(sql 'select epoch from journal where agent_id is not null group by agent_id, epoch
	having count(*) <> max(number) or min(number) <> 1')"
