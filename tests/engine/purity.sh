#!/bin/sh
# purity.sh ALLOW NM LIBRARY... - what the libraries need from outside themselves must be on the list. A clock, a file, a socket
# or a thread would show up here.
set -eu
allow=$1 nm=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$nm" --undefined-only --format=just-symbols "$@" 2>/dev/null | grep -Ev '^$|:$' | sed 's/@.*//' | sort -u >"$tmp/needs"
"$nm" --defined-only --format=just-symbols "$@" 2>/dev/null | grep -Ev '^$|:$' | sort -u >"$tmp/has"
[ -s "$tmp/needs" ] && [ -s "$tmp/has" ] || { echo "nm said nothing about: $*" >&2; exit 1; }
grep -qx engine_fold "$tmp/has" || { echo "the engine is not among: $*" >&2; exit 1; }
# what instrumentation adds is not ours
comm -23 "$tmp/needs" "$tmp/has" |
	grep -Ev '^(__asan_|__ubsan_|__tsan_|__sanitizer_|__sancov_|__llvm_|__gcov_|__start___sancov|__stop___sancov|_GLOBAL_OFFSET_TABLE_)' >"$tmp/outside" || true
sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$allow" | sort -u >"$tmp/allowed"
comm -23 "$tmp/outside" "$tmp/allowed" >"$tmp/bad"
if [ -s "$tmp/bad" ]; then
	echo "the engine is not pure: it needs" >&2
	cat "$tmp/bad" >&2
	exit 1
fi
echo "pure: needs $(wc -l <"$tmp/outside") functions, all on the list"
