#!/usr/bin/env bash
# fleet - what the collector says of its agents, and they of it: enrolled and never seen, drained, or killed and missed; a wrong port
# with its cure; an endpoint that an agent's own file refuses; a variable of its environment that it lets go, or not.
. "$(dirname "$0")/lib.sh"
edges_ports
edges_start v1
world_conf 1 1s 6s
say "      - {id: far, url: \"http://elsewhere.test/version\"}" \
	"      - {id: key, url: \"http://echo.test/version\", headers: {X-Fleet-Key: {agent_env: FLEET_KEY}}}" \
	>>"$run/collector.yaml"
collector_start
export FLEET_KEY=swordfish

agent() { api /api/v1/agents | jq -c --arg n "$1-1" '.items[] | select(.name == $n)'; }
state_is() { [ "$(agent "$1" | jq -r .state)" = "$2" ]; }
refuses() { [ "$(agent "$1" | jq -c '[.refusals[]?.endpoint] | sort')" = "$2" ]; }
for n in fra iad nrt; do agent_conf "$n"; done
# an origin whose version is the header it was sent: what reached it shows in the cell
free_port echo_port
mkdir -p "$run/nginx/echo"
cat >"$run/nginx/echo/nginx.conf" <<C
daemon off; worker_processes 1; pid $run/nginx/echo/pid; error_log $run/log/echo.error warn;
events {}
http {
	access_log off; client_body_temp_path $run/nginx/echo/b; proxy_temp_path $run/nginx/echo/p;
	fastcgi_temp_path $run/nginx/echo/f; uwsgi_temp_path $run/nginx/echo/u; scgi_temp_path $run/nginx/echo/s;
	server { listen 127.0.0.1:$echo_port; location / { return 200 '{"version":"got-\$http_x_fleet_key"}'; } }
}
C
start echo nginx -p "$run/nginx/echo" -c "$run/nginx/echo/nginx.conf" -e "$run/log/echo.error"
for n in fra iad; do
	sed -i "s#^connect_to: .*#connect_to: [\"$demo_host:80:127.0.0.1:${port_of[$n]}\", \"echo.test:80:127.0.0.1:$echo_port\"]#" \
		"$run/agent/$n/agent.yaml"
	say "allow_hosts: [\"$demo_host\", echo.test]" >>"$run/agent/$n/agent.yaml"
done
say "allow_env: [FLEET_KEY]" >>"$run/agent/fra/agent.yaml"

equal "enrolled and not started" never_seen "$(agent nrt | jq -r .state)"
agent_start fra
agent_start iad
until_true 10 "fra is there" state_is fra connected
until_true 10 "iad is there" state_is iad connected
until_true 5 "fra refuses one host" refuses fra '["far"]'
until_true 5 "iad refuses it, and to send its variable" refuses iad '["far","key"]'
tidemark agents >"$run/out" 2>&1
grep -q 'allow_hosts' "$run/out" || die "tidemark agents does not say why: $(cat "$run/out")"
say "ok   tidemark agents says what is refused, and why"
equal "/metrics counts them" "tidemark_agent_refused_endpoints 3" "$(api /metrics | grep '^tidemark_agent_refused_endpoints ')"
sent() { [ "$(api '/api/v1/cells?limit=100' | jq -r '[.items[] | select(.endpoint == "key") | .version] | unique | join(" ")')" = "$1" ]; }
until_true 10 "the variable reached the origin" sent got-swordfish
say "ok   the variable reached the origin, from the agent that lets it go, and no request came without it"

stop agent-fra
until_true 5 "an agent that is stopped is drained" state_is fra drained
stop agent-iad KILL
gone() { agent iad | jq -e '.connected == false and (.state == "late" or .state == "silent")'; }
until_true 10 "an agent that is killed is told apart: it is missed" gone
say "ok   stopped is drained, killed is missed"

free_port nobody
sed -i "s#^collector: .*#collector: tcp://127.0.0.1:$nobody#" "$run/agent/nrt/agent.yaml"
agent_start nrt
told() { grep -q 'uplink_still_down.*reason=refused.*cure="[^"]*listen.agents' "$run/log/agent-nrt"; }
until_true 5 "a wrong port is told with its cure" told
equal "and its agent is still" never_seen "$(agent nrt | jq -r .state)"
