# rounds.sh - one thing goes wrong at a time, and tidemark has to name it. Sourced by deploy/demo; its world is edges.sh's.
# Needs beside that: http_port, api, chapter, expect, deploy_says, cells_are, tidemark.

purge_all() { # the copies of shop, the shield's first
	local n
	for n in ord $edge_names; do edge_purge "$n" /version '/version?format=json' /static/build.json; done
}
ask_all() { # users: every path at every edge
	local n p
	for n in $edge_names; do
		for p in /version '/version?format=json' /static/build.json; do edge_version "$n" "$p" >/dev/null; done
	done
}
tell() { # tell: one object of type mesh, rollout or pods, on stdin
	curl -fsS --max-time 10 -o /dev/null -H 'Content-Type: application/json' --data-binary @- "http://127.0.0.1:$http_port/api/v1/events"
}
started() { # started SERVICE VERSION: tells of a deploy that is not live yet, and says its id
	tidemark deploy "$1" --version "$2" --source demo >/dev/null
	api "/api/v1/deploys?service=$1&version=$2&limit=1" | jq -r '.items[0].id'
}
# named SERVICE VERSION CAUSE CELLS: what tidemark says when it has seen enough, all of it from one answer
causes_are() {
	said=$(deploy_says "$2" '[.cause, .causes[.cause // ""] // 0, .why.text] | @tsv' "$1")
	[ "$(cut -f 1,2 <<<"$said")" = "$3	$4" ]
}
named() {
	local said
	until_true 30 "the cause is $3" causes_are "$@" || true
	expect "the cause of what is wrong with $1 $2" "$3" "$(cut -f 1 <<<"$said")"
	expect "cells it explains" "$4" "$(cut -f 2 <<<"$said")"
	say "     $(cut -f 3 <<<"$said")"
}
# share_holds SERVICE VERSION PERCENT: is it inside the interval that the sentence gives?
share_holds() {
	local text low high
	text=$(deploy_says "$2" .why.text "$1")
	low=$(sed -n 's/.*95 % interval \([0-9]*\)[-0-9]* %.*/\1/p' <<<"$text")
	high=$(sed -n 's/.*95 % interval [0-9]*-\([0-9]*\) %.*/\1/p' <<<"$text")
	[ -n "$low" ] && [ -n "$high" ] && [ "$low" -le "$3" ] && [ "$3" -le "$high" ]
}
share() { # share SERVICE VERSION PERCENT
	until_true 20 "the interval holds $3 %" share_holds "$@" && rc=0 || rc=1
	expect "the interval of the share holds the true $3 %" 0 $rc
}

# -- checkout: no cache keeps it, so it is what stands behind the caches that shows ----------------------------------

round_split_traffic() {
	local n
	chapter "checkout v2: one instance of three keeps v1" "Its answers are kept by no cache. Nothing is known of pods or routes yet."
	for n in a b; do origin_checks_out "$n" v2; done
	tidemark deploy checkout --version v2 --live-at now --source demo >/dev/null
	named checkout v2 split_traffic 6
	share checkout v2 33
}

round_old_pods() {
	chapter "The same, and now the pods are told" "Three are ready behind the service; one of them has v1."
	tell <<-E
		{"type": "pods", "service": "checkout", "pods": [{"name": "checkout-a", "ready": true, "version": "v2"},
		  {"name": "checkout-b", "ready": true, "version": "v2"}, {"name": "checkout-c", "ready": true, "version": "v1"}]}
	E
	named checkout v2 old_pods_serving 6
	share checkout v2 33
}

round_dead_subset() {
	chapter "The old pod goes, and a third of the route still leads there" "Every pod is new now. Users get 503s."
	origin_checks_out c gone
	tell <<-E
		{"type": "pods", "service": "checkout", "pods": [{"name": "checkout-a", "ready": true, "version": "v2"},
		  {"name": "checkout-b", "ready": true, "version": "v2"}]}
	E
	tell <<-E
		{"type": "mesh", "service": "checkout", "routes": [{"subset": "v2", "version": "v2", "weight": 67, "ready": 2},
		  {"subset": "v1", "version": "v1", "weight": 33, "ready": 0}]}
	E
	named checkout v2 dead_subset 6
}

round_healed() {
	chapter "The route is mended" "All of it leads to v2. The cells are fresh when no error is left in their window of a minute."
	origin_checks_out c v2
	tell <<-E
		{"type": "mesh", "service": "checkout", "routes": [{"subset": "v2", "version": "v2", "weight": 100, "ready": 3}]}
	E
}

# -- shop: what caches do --------------------------------------------------------------------------------------------

round_purged_too_early() {
	local id n
	chapter "v3: the edges are purged before it is live" "Users come in between, and every edge fills itself with v2 once more."
	id=$(started shop v3)
	purge_all
	tidemark purge shop --vendor self '/*' --completed >/dev/null
	pause 3
	ask_all
	pause 3
	for n in $instances; do origin_serves "$n" v3; done
	tidemark deploy --live "$id" >/dev/null
	# of an nginx copy nobody knows when it was made: it tells no Age
	named shop v3 purged_too_early 12
	purge_all
	tidemark purge shop --vendor self '/*' --completed >/dev/null
	until_true 30 "v3 everywhere" cells_are fresh 18 || true
	expect "cells that serve v3 after a purge in time" 18 "$(cells fresh)"
}

round_shield_stale() {
	local n
	chapter "v4: the edges are purged, the shield is not" "iad and sfo ask ord, and ord still has v3."
	for n in $instances; do origin_serves "$n" v4; done
	tidemark deploy shop --version v4 --live-at now --source demo >/dev/null
	pause 3
	for n in $edge_names; do edge_purge "$n" /version '/version?format=json' /static/build.json; done
	tidemark purge shop --vendor self '/*' --completed >/dev/null
	until_true 30 "what does not ask ord serves v4" cells_are fresh 12 || true
	named shop v4 shield_stale 6
	expect "cells that serve v4" 12 "$(cells fresh)"
	purge_all
	tidemark purge shop --vendor self '/*' --completed >/dev/null
	until_true 30 "v4 everywhere" cells_are fresh 18 || true
	expect "cells that serve v4 once the shield is purged" 18 "$(cells fresh)"
}

round_validator_unchanged() {
	local n
	chapter "docs v2: new bytes under an old ETag" "Its copies live for 2 s; then the edges ask, and the origin says 304."
	for n in $instances; do origin_stamps "$n" v2 2026-01-01T00:00:00Z; done
	tidemark deploy docs --version v2 --live-at now --source demo >/dev/null
	named docs v2 validator_unchanged 2
	say "  the next build stamps its files with its own time"
	for n in $instances; do origin_stamps "$n" v2 "$(date -u +%Y-%m-%dT%H:%M:%SZ)"; done
}
