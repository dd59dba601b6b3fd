#!/usr/bin/env bash
# replay_cases - journals written by hand, and what the rules say of them (tests/engine/replay/cases): ledger, cell states,
# propagation, verdicts, late data. No collector runs, nothing listens.
. "$(dirname "$0")/lib.sh"
cases=$top/tests/engine/replay
tab=$(printf '\t')
name='' says='' bad=0 n=0 asked=0

as_of() { # as_of TIME|end: prints what replay prints
	local at=()
	[ "$1" = end ] || at=(--at "$1")
	"$bin/collector/tidemark-collector" replay --transitions "${at[@]}" "$cases/$name.jsonl"
}

while IFS= read -r line; do
	case $line in
	'' | '#'*) ;;
	"$tab"*)
		IFS=$tab read -r at expression <<<"${line#"$tab"}"
		asked=$((asked + 1))
		as_of "$at" >"$scratch/out" 2>"$scratch/err" || die "$name: $(cat "$scratch/err")"
		jq -e "[$expression] | length > 0 and all" "$scratch/out" >"$scratch/jq" 2>&1 && continue
		bad=$((bad + 1))
		say "$name: $says" "     as of $at, not so: $expression" "     $(cat "$scratch/jq")"
		jq -c '(.cells[] | del(.agents, .regions)), (.deploys[] | {id, verdict, reason, live_at, propagation})' "$scratch/out"
		;;
	*)
		name=${line%%:*} says=${line#*: } n=$((n + 1))
		[ -f "$cases/$name.jsonl" ] || die "no $name.jsonl"
		;;
	esac
done <"$cases/cases"
for f in "$cases"/*.jsonl; do
	grep -q "^$(basename "$f" .jsonl): " "$cases/cases" || die "nothing is expected of $(basename "$f")"
done
[ $bad -eq 0 ] || die "$bad of $asked expectations are not met"
say "ok   $n journals, $asked expectations"
