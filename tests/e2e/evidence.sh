#!/usr/bin/env bash
# evidence - the headers an edge answered with travel at first sight and when the version changes, without what is secret in them;
# the API, `tidemark edges --evidence` and the history's transitions show them, after a restart of the collector too.
. "$(dirname "$0")/lib.sh"
edges_ports
secret=opensesame
# each edge gives a cookie away with every answer, as edges do
eval "plain_$(declare -f nginx_edge_conf)"
nginx_edge_conf() { plain_nginx_edge_conf "$@" | sed "s/add_header X-Pop/add_header Set-Cookie \"session=$secret; Path=\/\" always; &/"; }
eval "plain_$(declare -f varnish_edge_vcl)"
varnish_edge_vcl() { plain_varnish_edge_vcl "$@" | sed "s/set resp.http.X-Pop/set resp.http.Set-Cookie = \"session=$secret; Path=\/\"; &/"; }

for n in $instances; do origin_serves "$n" v1; done
origin_conf | start_nginx origin
until_true 10 "the origin" answers "$origin_port"
for n in fra lhr; do start_edge "$n"; done
for n in fra lhr; do until_true 20 "edge $n" answers "${port_of[$n]}"; done
curl -fsS -o /dev/null -D "$run/head" -H "Host: $demo_host" "http://127.0.0.1:${port_of[fra]}/version"
grep -q "$secret" "$run/head" || die "the edge gives no cookie away: nothing would be tested"
world_conf 1 500ms 6s
collector_start
tidemark deploy shop --version v1 --live-at now >/dev/null
for n in fra lhr; do
	agent_conf "$n"
	agent_start "$n"
done

evidence() { api "/api/v1/cells/v0/self:$1/evidence?service=shop"; }
versions() { evidence "$1" | jq -r '[.evidence[].version] | unique | join(" ")'; }
versions_are() { [ "$(versions "$1")" = "$2" ]; }
no_secret() { # no_secret WHAT FILE
	! grep -q "$secret" "$2" || die "$1 shows a cookie's value: $(grep -m1 "$secret" "$2")"
	grep -qi 'set-cookie: \[struck out\]' "$2" || die "$1 does not say that there was a cookie: $(head -c 2000 "$2")"
}
# said EDGE VERSION: the newest block with this version, as the edge wrote it
said() {
	local n=$1 v=$2 own other
	own=$([ "$n" = lhr ] && echo X-Varnish || echo X-Cache-Status) other=$([ "$n" = lhr ] && echo X-Cache-Status || echo X-Varnish)
	evidence "$n" | jq -e --arg v "$v" --arg own "$own" --arg other "$other" --arg pop "X-Pop: $n" --arg agent "$n-1" '
		[.evidence[] | select(.version == $v)][0]
		| .agent == $agent and .status == 200
		and any(.headers[]; startswith("HTTP/1.1 200"))
		and any(.headers[]; ascii_downcase == ($pop | ascii_downcase))
		and any(.headers[]; startswith($own + ": "))
		and all(.headers[]; startswith($other + ": ") | not)
		and any(.headers[]; test("^cache-control: public, max-age=600"; "i"))
		and any(.told[]; .what == "cache" and .header == "cache-status")
		and any(.told[]; .what == "ttl_s" and .because == "max-age")' >/dev/null
}
# shows WHEN VERSION...: what is to be seen of both edges, everywhere
shows() {
	local when=$1 n v
	shift
	for n in fra lhr; do
		for v; do said "$n" "$v" || die "$when: $n, $v: $(evidence "$n")"; done
		evidence "$n" >"$run/out"
		no_secret "$when: the API" "$run/out"
		tidemark edges shop --edge "self:$n" --evidence >"$run/out"
		no_secret "$when: tidemark edges --evidence" "$run/out"
		for v; do grep -q "seen by $n-1, status 200, version $v\$" "$run/out" || die "$when: no $v in: $(cat "$run/out")"; done
		grep -qi "^ *x-pop: $n" "$run/out" || die "$when: the edge's own header is missing: $(cat "$run/out")"
		grep -qi '^ *cache-control: .*<- ttl_s [0-9]* (max-age)' "$run/out" || die "$when: ttl is not explained: $(cat "$run/out")"
		tidemark edges shop --edge "self:$n" --evidence -o json >"$run/json"
		no_secret "$when: tidemark edges --evidence -o json" "$run/json"
		evidence "$n" | jq -S '[.evidence[] | {at, version, headers}]' >"$run/of-api"
		jq -S '[.. | .evidence? // empty | .[] | {at, version, headers}]' "$run/json" >"$run/of-ctl"
		same "$when: $n: the API and tidemark edges --evidence agree" "$run/of-api" "$run/of-ctl"
	done
}
# transition EDGE VERSION: its evidence is of the version the cell came to
transition() {
	api "/api/v1/cells/v0/self:$1/history?service=shop" >"$run/out"
	jq -e --arg v "$2" --arg pop "x-pop: $1" '
		[.transitions[] | select(.version == $v and .evidence != null) | .evidence]
		| length > 0 and all(.[]; .version == $v and any(.headers[]; ascii_downcase == $pop))' "$run/out" >/dev/null
}

for n in fra lhr; do until_true 15 "$n is seen" versions_are "$n" v1; done
shows "at first sight" v1

for n in $instances; do origin_serves "$n" v2; done
tidemark deploy shop --version v2 --live-at now >/dev/null
until_true 15 "the old copies are stale" cells_in_are stale 2
for n in fra lhr; do edge_purge "$n" "/version?i=0"; done
for n in fra lhr; do until_true 15 "$n is seen with v2" versions_are "$n" "v1 v2"; done
shows "after a change" v1 v2
for n in fra lhr; do
	until_true 10 "the transition of $n carries its headers" transition "$n" v2
	no_secret "the history" "$run/out"
done
say "ok   a transition carries the headers that made it"

for n in fra lhr; do stop "agent-$n"; done
for n in fra lhr; do evidence "$n" >"$run/before-$n"; done
sqlite3 "$run/tidemark.db" 'pragma wal_checkpoint' >/dev/null
! grep -aq "$secret" "$run"/tidemark.db* || die "the store has the cookie's value"
stop collector
collector_start
for n in fra lhr; do
	evidence "$n" >"$run/after"
	same "$n: the same evidence after a restart" "$run/before-$n" "$run/after"
	transition "$n" v2 || die "after a restart the transition of $n has lost its headers: $(cat "$run/out")"
done
shows "after a restart" v1 v2
