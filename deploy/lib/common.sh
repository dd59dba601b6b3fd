# common.sh - what deploy/demo, deploy/up and tests/run share: packages, build, processes that are stopped by pid.
# Sourced, not run. Needs: top (the checkout's root).

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') red=$(printf '\033[31m') green=$(printf '\033[32m') plain=$(printf '\033[0m')
else
	bold='' dim='' red='' green='' plain=''
fi

say() { printf "%s\n" "$@"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

build_packages='build-essential cmake ninja-build pkg-config libnng-dev libmbedtls-dev libprotobuf-c-dev protobuf-c-compiler
	protobuf-compiler libcurl4-openssl-dev libsqlite3-dev libmicrohttpd-dev libgnutls28-dev libjansson-dev libyaml-dev libzstd-dev'
edge_packages='nginx-light varnish curl jq procps'

# Installs what is missing of the packages named; says what it does, and what to run where it may not.
need_packages() {
	local missing='' p
	for p in "$@"; do
		case $p in
		nodejs | npm) command -v "${p/nodejs/node}" >/dev/null && continue ;;
		esac
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
	done
	[ -n "$missing" ] || return 0
	local sudo=''
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "packages are missing; as root run: apt-get install$missing"
		sudo=sudo
	fi
	say "installing packages:$missing"
	# A package's own service has no business starting here: we start what we need, on ports of our own.
	local policy=/usr/sbin/policy-rc.d made=''
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null && $sudo chmod +x $policy && made=1
	fi
	local log rc=0
	log=$(mktemp)
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing" \
		>"$log" 2>&1 || rc=$?
	[ -z "$made" ] || $sudo rm -f $policy
	if [ $rc -ne 0 ]; then
		tail -20 "$log" >&2
		rm -f "$log"
		die "apt-get could not install:$missing"
	fi
	rm -f "$log"
}

# build PRESET [CMAKE ARGS...]: configure once, build what changed. Quiet unless it fails.
build() {
	local preset=$1 log
	shift
	log=$(mktemp)
	if ! (cd "$top" && cmake --preset "$preset" "$@" && cmake --build --preset "$preset") >"$log" 2>&1; then
		tail -60 "$log" >&2
		rm -f "$log"
		die "the build failed (cmake --preset $preset)"
	fi
	rm -f "$log"
}

# -- processes: each leaves its pid and its log in $run -------------------------------------------------------------

# start NAME COMMAND...: in the background, output to $run/log/NAME.
start() {
	local name=$1
	shift
	mkdir -p "$run/pid" "$run/log"
	"$@" >>"$run/log/$name" 2>&1 &
	echo $! >"$run/pid/$name"
}

# Is it still at work? One that has ended but was not waited for yet is not: inside a trap, bash does not reap.
runs() {
	local pid comm state rest
	{ read -r pid comm state rest <"/proc/$1/stat"; } 2>/dev/null && [ "$state" != Z ]
}

# stop NAME [SIGNAL]: by pid, and waits until it is gone (10 s, then SIGKILL).
stop() {
	local file=$run/pid/$1 pid i=0
	[ -f "$file" ] || return 0
	pid=$(cat "$file")
	rm -f "$file"
	kill -"${2:-TERM}" "$pid" 2>/dev/null || return 0
	while runs "$pid"; do
		i=$((i + 1))
		[ $i -le 200 ] || kill -KILL "$pid" 2>/dev/null
		pause 0.05
	done
	wait "$pid" 2>/dev/null || true
}

stop_all() {
	local f
	[ -d "$run/pid" ] || return 0
	# agents first, so that nobody reports the end of the others as an outage
	for f in "$run"/pid/agent-* "$run"/pid/*; do
		[ -f "$f" ] && stop "${f##*/}"
	done
	return 0
}

# A wait of part of a second, without a process.
exec {pause_fd}<> <(:)
pause() { read -r -t "$1" -u $pause_fd || true; }

# until_true SECONDS WHAT COMMAND...: polls; on the deadline says what did not come true.
until_true() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || {
			printf '%s: waited in vain for: %s\n' "${0##*/}" "$what" >&2
			return 1
		}
		pause 0.1
	done
}

# free_port VARIABLE: a port below the ephemeral range that nobody listens on; each call gives another one.
next_port=$((18000 + $$ % 600 * 20)) # runs side by side keep out of each other's way
free_port() {
	local p
	while :; do
		next_port=$((next_port + 1))
		p=$(printf ':%04X 00000000:0000 0A' $next_port)
		grep -qsi -- "$p" /proc/net/tcp && continue
		grep -qsi -- "$(printf ':%04X 0\\{32\\}:0000 0A' $next_port)" /proc/net/tcp6 && continue
		break
	done
	printf -v "$1" '%d' $next_port
}
