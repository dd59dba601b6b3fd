#!/usr/bin/env bash
# worlds - the short form of tests/worlds/run: every kind of fault at least twice, told by replay with its right cause.
# TIDEMARK_BIN: where the programs are (default: build/dev).
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/deploy/lib/common.sh"
[ -x "${TIDEMARK_BIN:-$top/build/dev}/tests/worlds/worlds" ] || build dev
exec timeout 300 "$top/tests/worlds/run" --n 88
