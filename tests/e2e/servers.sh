#!/usr/bin/env bash
# servers.sh - the caches of Debian's packages as edges, alone and in front of a shield of another make: what each answer says
# of hit, miss, expired, stale and revalidated copies is told right from the headers the make sends by itself. Installs them.
#   servers.sh --record DIR   also writes what was seen as cases for tests/cdn/golden, a file for each vendor
. "$(dirname "$0")/lib.sh"
. "$top/tests/e2e/servers.d/start.sh"
need_packages $server_packages curl jq
record=
[ "${1:-}" != --record ] || record=$(mkdir -p "$2" && cd "$2" && pwd)

server nginx nginx shop
server nginx-said nginx shop
server varnish varnish shop
server varnish-nograce varnish shop
server ats ats shop
server ats-said ats shop
server ats-full ats shop
server squid squid shop
server haproxy haproxy shop
server caddy caddy shop
alone=$servers
server nginx-varnish nginx varnish-nograce
server nginx-said-varnish nginx varnish-nograce
server nginx-said-squid nginx squid
server varnish-ats varnish ats-full
server varnish-nginx varnish nginx-said
server varnish-squid varnish squid
server squid-nginx squid nginx-said
server squid-varnish squid varnish-nograce
server haproxy-varnish haproxy varnish-nograce
server ats-squid ats squid
server ats-said-squid ats squid
server caddy-varnish caddy varnish-nograce
server caddy-squid caddy squid
chains=${servers#"$alone"}

get() { # get SERVER PATH: makes copies
	got() { curl -sSf -o /dev/null --max-time 5 -H "Host: $demo_host" "http://127.0.0.1:${server_port[$1]}/$2"; }
	until_true 10 "$1 answers $2" got "$1" "$2"
}

# fetched SERVER PATH. Squid is asked again when what is behind it dropped the connection: nothing was kept of that.
fetched() {
	local answer n
	for n in 1 2 3; do
		answer=$("$bin/agent/tidemark-agent" probe -o json --connect-to "127.0.0.1:${server_port[$1]}" "http://$demo_host/$2") || true
		jq -e '.headers[]? | select(.[0] == "X-Squid-Error" and (.[1] | startswith("ERR_READ_ERROR")))' <<<"$answer" >/dev/null || break
	done
	say "$answer"
}

# told SERVER PATH VENDOR TIERS AGE SENTENCE: TIERS nearest first, "edge:hit inner:miss", or none; AGE from-to, or - for not said.
# The ttl is always what the answer grants less its age.
cases=0 wrong=0
told() {
	local answer is age ttl granted=null from=${5%-*} to=${5#*-} ok=1
	case $2 in long/*) granted=600 ;; secret/*) ;; *) granted=3 ;; esac
	answer=$(fetched "$1" "$2")
	is=$(jq -r '"\(.vendor // "none") \([.tiers[] | "\(.kind):\(.status)"] | join(" ") | if . == "" then "none" else . end)"' <<<"$answer")
	read -r age ttl < <(jq -r '"\(.age_s) \(.ttl_s)"' <<<"$answer") || age=null # no answer at all
	[ "$is" = "$3 $4" ] || ok=
	if [ "$5" = - ]; then
		[ "$age" = null ] || ok=
	else
		[ "$age" != null ] && [ "$age" -ge "$from" ] && [ "$age" -le "$to" ] || ok=
	fi
	[ $granted = null ] || granted=$((granted - (${age/null/0})))
	[ "$(jq .status <<<"$answer")" = 200 ] || granted=$ttl # an error's own lifetime, if any
	[ "$ttl" = "$granted" ] || ok=
	cases=$((cases + 1))
	if [ -n "$ok" ]; then
		say "ok   $1: $6: $is, age $age, ttl $ttl"
	else
		wrong=$((wrong + 1))
		say "BAD  $1: $6" "     expected $3 $4, age $5, ttl $granted" "     told     $is, age $age, ttl $ttl"
		jq -r '.headers[] | "     | \(.[0]): \(.[1])"' <<<"$answer"
	fi
	[ -z "$record" ] || record_case "$1" "$6" "$answer" "$3"
}

version_of() { dpkg-query -W -f '${Version}' "${1/ats/trafficserver}" 2>/dev/null; }
record_case() { # record_case SERVER SENTENCE ANSWER VENDOR
	local source n=$1
	source="tests/e2e/servers.sh, Debian 12: ${make_of[$n]} $(version_of "${make_of[$n]}")"
	while n=${inner_of[$n]} && [ "$n" != shop ]; do
		source="$source, in front of ${make_of[$n]} $(version_of "${make_of[$n]}")"
	done
	{
		say '' "## $1: $2" "source: $source"
		jq -r '.headers[] | select(.[0] | test("^(content-|etag|last-modified|vary|mime-)"; "i") | not) | "> \(.[0]): \(.[1])"' <<<"$3"
	} >>"$record/$4.txt"
}

# -- the copies -----------------------------------------------------------------------------------------------------
for n in $servers; do
	origin_has v1 "long/hit-$n" "long/miss-$n" "long/shield-$n" "brief/same-$n" "brief/other-$n" "gone/$n" "sick/$n" "late/$n" "secret/$n"
done
servers_start

for n in $chains; do
	get "${inner_of[$n]}" "long/shield-$n"
	for path in "long/hit-$n" "brief/same-$n" "brief/other-$n" "gone/$n"; do get "$n" "$path"; done
done
for n in $alone; do
	for path in "brief/same-$n" "brief/other-$n" "gone/$n" "sick/$n" "late/$n"; do get "$n" "$path"; done
done
copied_s=$SECONDS
over() { [ $((SECONDS - copied_s)) -ge 5 ]; } # whole seconds, rounded either way
. "$top/tests/e2e/servers.d/fresh.sh"
for n in $servers; do origin_has "another" "brief/other-$n"; done
touch "$run/origin/down"
until_true 10 "the brief copies are over" over
. "$top/tests/e2e/servers.d/over.sh"
. "$top/tests/e2e/servers.d/chains.sh"

say "$cases answers of ${#make_of[@]} servers, $wrong told wrong"
[ $wrong -eq 0 ]
