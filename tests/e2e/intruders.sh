#!/usr/bin/env bash
# intruders - who is not let in: agents without a token, with another's, with a revoked one, without TLS, with no certificate, an expired
# one or a stranger's; a collector that is not who it should be; two agents of one name; API requests without the scope they need.
# Each is refused and told of in the log, once, and nothing changes.
. "$(dirname "$0")/lib.sh"
edges_ports
edges_start v1
pem=$run/pem
mkdir -p "$pem"
authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$pem/$1.key" -out "$pem/$1.pem" -days 30 -subj "/CN=$1" 2>/dev/null; }
certificate() { # certificate NAME CA [COMMAND...]: for localhost, signed by CA; COMMAND sets another time
	local name=$1 ca=$2
	shift 2
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$pem/$name.key" -out "$pem/$name.csr" -subj "/CN=$name" 2>/dev/null
	"$@" openssl x509 -req -in "$pem/$name.csr" -CA "$pem/$ca.pem" -CAkey "$pem/$ca.key" -CAcreateserial -days 7 -out "$pem/$name.pem" \
		-extfile <(say 'subjectAltName=DNS:localhost') 2>/dev/null
}
authority ca
authority stranger
certificate collector ca
certificate agent ca
certificate expired ca faketime -f -30d
certificate outsider stranger

world_conf 2 1s 30s
secret() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
read_token=$(secret) admin_token=$(secret)
sed -i "1s#agents: \"tcp://#agents: \"tls+tcp://#" "$run/collector.yaml"
cat >>"$run/collector.yaml" <<C
tls: {cert: $pem/collector.pem, key: $pem/collector.key, ca: $pem/ca.pem, require_agent_cert: on}
http:
  tokens:
    - {name: wall, scopes: [read], token: $read_token}
    - {name: ops, scopes: [admin], token: $admin_token}
C
export TIDEMARK_TOKEN=$admin_token
api() { curl -fsS --max-time 10 -H "Authorization: Bearer $admin_token" "http://127.0.0.1:$http_port$1"; }
collector_start
honest() { # honest EDGE: enrolled, with all it takes
	local n=$1
	agent_conf "$n"
	sed -i "s#^collector: .*#collector: tls+tcp://localhost:$agents_port\ntls: {ca: $pem/ca.pem, cert: $pem/agent.pem, key: $pem/agent.key}#" \
		"$run/agent/$n/agent.yaml"
}
for n in fra lhr; do
	honest "$n"
	agent_start "$n"
done
tidemark deploy shop --version v1 --live-at now >/dev/null
until_true 30 "v1 verified" verdict_is v1 verified
say "ok   agents with their token, their certificate and the right name"
honest nrt # enrolled, and not there yet

# What there is: the cells, and who is believed to have seen anything. Times move on, so they are left out.
state() {
	api '/api/v1/cells?limit=1000' | jq -c '[.items[] | [.endpoint, .edge, .state, .version]] | sort'
	api /api/v1/deploys | jq -c '[.items[] | [.id, .verdict]]'
	sql 'select distinct n.text from journal j join names n on n.id = j.agent_id order by 1'
}
state >"$run/before"
collector_says() { grep -c -- "$1" "$run/log/collector" || true; }
told_once() { # told_once WHAT PATTERN: once, and no more after everything else has been tried
	until_true 15 "the collector's log says: $2" grep -q -- "$2" "$run/log/collector"
	once+=("$2")
	say "ok   $1: $(grep -o -- "$2.*" "$run/log/collector" | head -1 | cut -c1-110)"
}
once=()
intruder() { # intruder NAME: like fra's file, with a spool of its own; sed commands follow
	local name=$1
	shift
	mkdir -p "$run/agent/$name"
	sed -e "s#spool: .*#spool: {dir: $run/agent/$name/spool}#" "$@" "$run/agent/fra/agent.yaml" >"$run/agent/$name/agent.yaml"
	agent_start "$name"
}
agent_says() { grep -q -- "$2" "$run/log/agent-$1"; }

intruder nobody -e 's#^name: .*#name: nobody-1#'
told_once "a name that nobody enrolled" 'agent_denied agent="nobody-1" reason=unknown_agent'
intruder thief -e 's#^name: .*#name: nrt-1#'
told_once "another agent's name" 'agent_denied agent="nrt-1" reason=bad_token'
tidemark agents enroll gone-1 --region eu >"$run/gone.token" 2>/dev/null
tidemark agents revoke gone-1 >/dev/null
intruder gone -e 's#^name: .*#name: gone-1#' -e "s#^token_file: .*#token_file: $run/gone.token#"
told_once "a revoked token" 'agent_denied agent="gone-1" reason=revoked'

: >"$run/empty"
mkdir -p "$run/agent/mute"
sed -e "s#^token_file: .*#token_file: $run/empty#" "$run/agent/fra/agent.yaml" >"$run/agent/mute/agent.yaml"
rc=0
"$bin/agent/tidemark-agent" --config "$run/agent/mute/agent.yaml" >"$run/out" 2>&1 || rc=$?
[ $rc -ne 0 ] || die "an agent without a token starts"
say "ok   no token: $(head -1 "$run/out" | cut -c1-110)"

# What TLS refuses: the agent says why, the collector who and why.
failed() { api /metrics | sed -n 's/^tidemark_agent_handshakes_failed_total //p'; }
failed_more() { [ "$(failed)" -gt "$before" ]; }
refused_by_tls() { # refused_by_tls WHAT NAME PATTERN WHY SED...: WHY is the collector's
	local what=$1 name=$2 pattern=$3 why=$4
	shift 4
	before=$(failed)
	intruder "$name" "$@"
	until_true 20 "the agent's log says: $pattern" agent_says "$name" "$pattern"
	until_true 20 "counted: $what" failed_more
	grep -qE "handshake_failed from=127.0.0.1:[0-9]+ why=\"$why" "$run/log/collector" || die "the collector does not say who, and $why: $(grep handshake_failed "$run/log/collector")"
	say "ok   $what: $(grep -o -- 'reason=.*cure=' "$run/log/agent-$name" | head -1 | cut -c1-100)"
	stop "agent-$name" KILL
}
refused_by_tls "plain to the TLS port" plain 'uplink_still_down' 'it does not speak TLS' -e 's#tls+tcp://localhost#tcp://127.0.0.1#' -e '/^tls:/d'
refused_by_tls "no certificate" bare 'uplink_still_down' 'it shows no certificate' -e 's#, cert: .*#}#'
refused_by_tls "an expired certificate" old 'uplink_still_down' 'The certificate is NOT trusted.*expired' -e "s#agent\.pem#expired.pem#; s#agent\.key#expired.key#"
refused_by_tls "a stranger's certificate" outsider 'uplink_still_down' 'The certificate is NOT trusted.*unknown' -e "s#agent\.pem#outsider.pem#; s#agent\.key#outsider.key#"
refused_by_tls "a collector of another name" misled 'reason=.*name' 'it (broke the handshake off|went away during the handshake)' -e "s#tls: {#tls: {server_name: elsewhere.example, #"
refused_by_tls "a collector that a stranger vouches for" fooled 'uplink_still_down' 'it (broke the handshake off|went away during the handshake)' -e "s#ca: $pem/ca.pem#ca: $pem/stranger.pem#"

# nng listens on loopback behind the agents' port; who is on this machine and dials it there would go around TLS and its certificates.
inner=$(ss -Hltnp | grep "pid=$(cat "$run/pid/collector")," | awk '{print $4}' | sed -n 's/^127\.0\.0\.1://p' | grep -vx -e "$http_port" -e "$agents_port")
intruder around -e "s#tls+tcp://localhost:$agents_port#tcp://127.0.0.1:$inner#" -e '/^tls:/d'
until_true 20 "the agent is not let in" agent_says around 'uplink_still_down'
! agent_says around 'uplink_up' || die "an agent got in at 127.0.0.1:$inner, without TLS"
say "ok   around TLS, at 127.0.0.1:$inner: $(grep -o -- 'reason=.*cure=' "$run/log/agent-around" | head -1 | cut -c1-100)"
stop agent-around KILL

# Two of one name: the newest is believed, the older one told.
intruder twin -e 's#x#x#'
until_true 15 "the older one is told" agent_says fra 'denied .*reason=replaced'
uploads() { sql 'select count(*) from journal where agent_id is not null'; }
many=$(uploads)
more() { [ "$(uploads)" -gt "$many" ]; }
until_true 15 "the newer one goes on" more
say "ok   Hello of an agent that is connected: $(grep -o 'reason=replaced.*' "$run/log/agent-fra" | head -1 | cut -c1-110)"
stop agent-twin

status() { curl -s -o "$run/out" -w '%{http_code}' --max-time 10 "$@"; }
write() { status "$@" -X POST -H 'Content-Type: application/json' -d '{"service":"shop","version":"evil"}' "http://127.0.0.1:$http_port/api/v1/deploys"; }
equal "a write without a token" 401 "$(write)"
told_once "no token" 'request_denied from=127.0.0.1 token=none method=POST route=/api/v1/deploys why="send Authorization'
equal "a write with a token nobody has" 401 "$(write -H 'Authorization: Bearer swordfish')"
told_once "an unknown token" 'request_denied from=127.0.0.1 token=none method=POST route=/api/v1/deploys why="this token is not known'
equal "a write with a read token" 403 "$(write -H "Authorization: Bearer $read_token")"
told_once "a read token on a write" 'request_denied from=127.0.0.1 token=wall method=POST route=/api/v1/deploys why="its scope'
equal "enrolling with a read token" 403 "$(status -X POST -H "Authorization: Bearer $read_token" -H 'Content-Type: application/json' \
	-d '{"name":"mine-1","region":"eu"}' "http://127.0.0.1:$http_port/api/v1/agents")"
equal "and its own right" 200 "$(status -H "Authorization: Bearer $read_token" "http://127.0.0.1:$http_port/api/v1/cells")"

for pattern in "${once[@]}"; do
	[ "$(collector_says "$pattern")" = 1 ] || die "told $(collector_says "$pattern") times: $pattern"
done
say "ok   each of them is in the log once"
for n in nobody thief gone; do stop "agent-$n" KILL; done
state >"$run/after"
same "what there is" "$run/before" "$run/after"
for s in "$read_token" "$admin_token" "$(cat "$run/gone.token")" "$(cat "$run/agent/fra/token")"; do
	! grep -rqF -- "$s" "$run/log" || die "a token is in a log"
	for f in /metrics /api/v1/agents /api/v1/services; do ! api $f | grep -qF -- "$s" || die "a token is in $f"; done
done
say "ok   no token in a log, in metrics, in an answer"
