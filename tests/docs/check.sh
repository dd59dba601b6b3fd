#!/usr/bin/env bash
# check.sh - README and docs say what the programs do: every key with type, range and default, every option of every command,
# every metric; links lead somewhere, examples of configuration load, journal lines replay.
#   ./tests/docs/check.sh [BUILD]                 BUILD: folder with the programs; default build/dev
#   UPDATE_DOCS=1 ./tests/docs/check.sh [BUILD]   rewrites the tables of keys; review the diff
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$top/build/dev}
build=$(cd "$build" && pwd) || exit 2
cd "$top" || exit 2
agent=$build/agent/tidemark-agent collector=$build/collector/tidemark-collector client=$build/collector/ctl/tidemark
for program in "$agent" "$collector" "$client"; do
	[ -x "$program" ] || {
		echo "$program is not built" >&2
		exit 2
	}
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
wrong=0
complain() {
	printf '%s\n' "$*"
	wrong=$((wrong + 1))
}
pages='README.md docs/agent.md docs/collector.md docs/replay.md docs/tidemark.md docs/words.md'

# -- keys: the table between the two comments is what --help prints, as Markdown ------------------------------------

keys_table() { # keys_table PROGRAM: "key: type, default D" or "key: type, required", and below it, indented, what it is for
	printf '\n| key | type | default | meaning |\n|---|---|---|---|\n'
	"$1" --help | awk '
		function row() {
			if (says == "") return
			gsub(/[|<>*]/, "\\\\&", says)
			printf "| `%s` | %s | %s | %s |\n", key, type, dflt, says
			n++
		}
		/^    [^ ]/ && key != "" { says = says (says == "" ? "" : " ") substr($0, 5); next }
		{ row(); key = says = "" }
		match($0, /^[a-z][][a-z0-9_.]*: /) {
			key = substr($0, 1, RLENGTH - 2); type = substr($0, RLENGTH + 1); dflt = "-"
			if (sub(/, required$/, "", type)) dflt = "required"
			else if (match(type, /, default .*$/)) {
				dflt = substr(type, RSTART + 10); type = substr(type, 1, RSTART - 1)
				if (dflt != "empty") dflt = "`" dflt "`"
			}
		}
		END { row(); exit n < 20 }'
	local rc=$?
	echo
	return $rc
}

check_keys() { # check_keys PROGRAM PAGE
	local name=${1##*/}
	if ! keys_table "$1" >"$tmp/keys"; then
		complain "$name --help prints no table of keys any more: mend keys_table in $0"
		return
	fi
	awk -v from="<!-- keys: $name -->" -v to='<!-- end of keys -->' -v table="$tmp/keys" '
		$0 == to { inside = 0 }
		!inside { print }
		$0 == from { inside = 1; found++; while ((getline line < table) > 0) print line }
		END { exit found != 1 }' "$2" >"$tmp/page" || complain "$2: no place for the keys of $name"
	if [ "${UPDATE_DOCS:-}" ]; then
		cat "$tmp/page" >"$2"
	elif ! diff -u "$2" "$tmp/page" >"$tmp/diff"; then
		complain "$2: the keys are not those of $name --help (UPDATE_DOCS=1 $0 rewrites them):"
		sed -n '3,40p' "$tmp/diff"
	fi
}

# A row twice in one table, by its first cell: of a page, or of what a program prints.
doubled_rows() { # doubled_rows FILE
	awk '!/^\|/ { delete seen; next }
		{ split($0, cell, "|"); if (cell[2] ~ /`/ && seen[cell[2]]++ == 1) print FILENAME ":" FNR ":" cell[2] "stands there twice" }' "$1"
}
check_keys "$collector" docs/collector.md
check_keys "$agent" docs/agent.md
for page in $pages; do doubled_rows "$page"; done >"$tmp/doubled"
while read -r line; do complain "$line"; done <"$tmp/doubled"
sed 's/^| `store` .*/&\n&/' docs/collector.md >"$tmp/page" # this check is one that can fail
[ "$(doubled_rows "$tmp/page" | wc -l)" -eq 1 ] || complain "a doubled row of a table is not seen any more: mend doubled_rows in $0"

# -- help fits a terminal --------------------------------------------------------------------------------------------

narrow() { # narrow COMMAND...
	"$@" --help | awk -v what="${1##*/}${2:+ $2}" 'length($0) > 80 { print what " --help: over 80 columns: " $0 }' >>"$tmp/wide"
}
narrow "$agent"
narrow "$agent" probe
narrow "$agent" explain
narrow "$collector"
narrow "$collector" export
narrow "$collector" replay
narrow "$client"
for command in $("$client" --help | awk '/^options of/ { exit } /^  [a-z]+ / { print $1 }'); do narrow "$client" "$command"; done
while read -r line; do complain "$line"; done <"$tmp/wide"

# -- options: what a command's help names stands in its section, and the page names no other ------------------------

options_in() { # options as --long or -x, one a line, of what is on stdin
	grep -oE '(^|[^A-Za-z0-9_-])--?[A-Za-z0-9][A-Za-z0-9.-]*' | sed -E 's/^[^-]//; s/[.-]+$//' |
		grep -E '^(--[a-z][a-z0-9-]+(\.[a-z]+)?|-[A-Za-z46])$' | sort -u
}

section() { # section PAGE HEADING: from it to the next heading of its level or above
	awk -v want="$2" '
		/^```/ { code = !code }
		!code && /^#+ / { level = length($1); name = substr($0, level + 2)
			if (inside && level <= depth) inside = 0
			if (name == want) { inside = 1; depth = level; found = 1 } }
		inside
		END { exit !found }' "$1"
}

check_options() { # check_options PAGE HEADING COMMAND...: its help without what every command has
	local page=$1 heading=$2 option
	shift 2
	section "$page" "$heading" >"$tmp/section" || complain "$page: no section '$heading'"
	"$@" --help | sed '/^options of every command:/,$d' | options_in >"$tmp/options"
	[ "$heading" != Synopsis ] || cat "$page" >"$tmp/section"
	while read -r option; do
		grep -qE -- "(^|[^A-Za-z0-9_-])$option([^A-Za-z0-9_-]|\$)" "$tmp/section" ||
			complain "$page, $heading: $option of '${1##*/} ${*:2}' is missing"
	done <"$tmp/options"
	cat "$tmp/options" >>"$tmp/all.$(basename "$page")"
}
check_options docs/collector.md Synopsis "$collector"
check_options docs/collector.md export "$collector" export
check_options docs/collector.md replay "$collector" replay
check_options docs/agent.md Synopsis "$agent"
check_options docs/agent.md probe "$agent" probe
check_options docs/agent.md explain "$agent" explain
for command in $("$client" --help | awk '/^options of/ { exit } /^  [a-z]+ / { print $1 }'); do
	check_options docs/tidemark.md "$command" "$client" "$command"
	commands="${commands:-} $command"
done
[ "$(wc -w <<<"${commands:-}")" -ge 7 ] || complain "tidemark --help lists no commands any more: mend $0"
section docs/tidemark.md 'Options of every command' >"$tmp/section"
"$client" --help | options_in >"$tmp/options"
while read -r option; do
	grep -qE -- "\`$option[ \`]" "$tmp/section" || complain "docs/tidemark.md: $option of every command is missing"
done <"$tmp/options"

cat "$tmp"/all.* "$tmp/options" | sort -u >"$tmp/known"
printf '%s\n' -I -i -v -h --help -sI --replay >>"$tmp/known" # curl's, and getopt's own
for page in docs/agent.md docs/collector.md docs/tidemark.md docs/replay.md; do
	sed -n '/^```/,/^```/p; s/`[^`]*`/\n&\n/gp' "$page" | grep -v '^<!--' | grep -vE '^ *(#|curl|cmake)' | options_in |
		while read -r option; do
			grep -qxF -- "$option" "$tmp/known" || echo "$page: $option is no option of any program"
		done
done >"$tmp/unknown"
while read -r line; do complain "$line"; done <"$tmp/unknown"

# -- metrics: those of the page are those of the program -------------------------------------------------------------

grep -oE '(one|head)\(b, "[a-z0-9_]+"' collector/http/*.c | sed 's/.*"\(.*\)"/tidemark_\1/' | sort -u >"$tmp/metrics"
grep -oE '\btidemark_[a-z0-9_]+' docs/collector.md | sort -u >"$tmp/told"
[ "$(wc -l <"$tmp/metrics")" -ge 30 ] || complain "collector/http names its metrics in another way now: mend $0"
for name in $(comm -23 "$tmp/metrics" "$tmp/told"); do complain "docs/collector.md: metric $name is missing"; done
for name in $(comm -13 "$tmp/metrics" "$tmp/told"); do complain "docs/collector.md: there is no metric $name"; done

# -- links: files and headings ---------------------------------------------------------------------------------------

anchors() { # as GitHub makes them: lower case, punctuation gone, blanks to dashes
	awk '/^```/ { code = !code } !code && /^#+ /' "$1" | sed -E 's/^#+ //' | tr '[:upper:]' '[:lower:]' |
		sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}
for page in $pages $(git ls-files '*/README.md' 2>/dev/null); do
	for link in $(awk '/^```/ { code = !code } !code' "$page" | grep -oE '\]\([^)]+\)' | sed 's/^](//; s/)$//'); do
		case $link in *://* | mailto:*) continue ;; esac
		file=${link%%#*}
		if [ -z "$file" ]; then file=$page; else file=$(dirname "$page")/$file; fi
		[ -e "$file" ] || { complain "$page: $link leads nowhere"; continue; }
		case $link in *'#'*) anchors "$file" | grep -qxF -- "${link##*#}" || complain "$page: $link: no such heading" ;; esac
	done
done

# -- examples of configuration ---------------------------------------------------------------------------------------

examples() { # examples PAGE: ```yaml blocks to $tmp/example.N
	awk -v to="$tmp/example." '
		/^```/ && inside { inside = 0; close(file); next }
		inside { print > file }
		/^```yaml/ { inside = 1; file = to (++n) }' "$1"
}
new_token() { printf 'tmk_%s\n' "$(head -c 32 /dev/urandom | base64 -w0 | tr '+/' '-_' | tr -d '=')"; }
WALL_TOKEN=$(new_token)
export WALL_TOKEN
loaded=0
for page in docs/agent.md docs/collector.md; do
	rm -f "$tmp"/example.*
	examples "$page"
	for file in "$tmp"/example.*; do
		[ -f "$file" ] || continue
		sed -i "s#/etc/tidemark#$tmp#g; s#/var/lib#$tmp#g" "$file"
		for named in $(grep -oE "$tmp/[A-Za-z0-9_.-]+\.(token|pem|key)" "$file"); do
			case $named in
			*.token) new_token >"$named" ;;
			*.key) cp tests/collector/tls/collector.key "$named" ;;
			*) cp tests/collector/tls/collector.pem "$named" ;;
			esac
		done
		case $(head -1 "$file") in
		'# collector.yaml') program=$collector ;;
		'# agent.yaml') program=$agent ;;
		*) complain "$page: a yaml block begins with neither '# collector.yaml' nor '# agent.yaml'"; continue ;;
		esac
		"$program" --config "$file" --config.check >"$tmp/out" 2>&1 ||
			complain "$page: an example is refused: $(sed "s#$tmp/##g" "$tmp/out")"
		loaded=$((loaded + 1))
	done
done
[ $loaded -ge 3 ] || complain "only $loaded examples of configuration were found"

# -- journal lines ---------------------------------------------------------------------------------------------------

sed -n '/^```json/,/^```/{/^```/d;p}' docs/replay.md >"$tmp/journal"
[ -s "$tmp/journal" ] || complain "docs/replay.md: no journal lines"
"$collector" replay "$tmp/journal" >"$tmp/out" 2>&1 || complain "docs/replay.md: $(sed "s#$tmp/##g" "$tmp/out")"

# -- openapi.yaml: its schemas have the keys that the engine's answers have, both ways ------------------------------

schema_keys() { # schema_keys NAME
	awk -v want="    $1:" '/^    [^ ]/ { inside = $0 == want } inside && match($0, /^        [a-z_0-9]+:/) {
		print substr($0, 9, RLENGTH - 9) }' collector/http/openapi.yaml | sort -u
}

check_schema() { # check_schema NAME LIST [KEY...]: of replay's answer; KEYs are there only at times
	jq -r ".$2[] | keys[]" "$tmp/out" | sort -u >"$tmp/served"
	schema_keys "$1" >"$tmp/schema"
	[ -s "$tmp/served" ] || complain "docs/replay.md: its journal makes no $2: nothing to hold openapi.yaml to"
	for key in $(comm -23 "$tmp/served" "$tmp/schema"); do complain "openapi.yaml: $1 lacks $key, which is served"; done
	printf '%s\n' "${@:3}" | sort - "$tmp/served" >"$tmp/may"
	for key in $(comm -13 "$tmp/may" "$tmp/schema"); do complain "openapi.yaml: $1 has $key, which is not served"; done
}
check_schema Cell cells share why
check_schema Deploy deploys
check_schema Service services

# -- README: folders and packages ------------------------------------------------------------------------------------

for folder in $(git ls-files 2>/dev/null | grep / | grep -v '^\.' | cut -d/ -f1 | sort -u); do
	grep -q "^| \`$folder/\`" README.md || complain "README.md: folder $folder/ is not in the table"
done
for folder in $(grep -oE '^\| `[a-z/]+/`' README.md | tr -d '|` '); do
	[ -d "$folder" ] || complain "README.md: there is no folder $folder"
done
. deploy/lib/common.sh
for package in $build_packages nodejs npm $edge_packages $(sed -n 's/^need_packages//p' tests/run | tr ' ' '\n' | grep -v '[$"]'); do
	tr -s '\n\` ' ' ' <README.md | grep -qE "[ \`]$package[ ,.]" || complain "README.md: package $package is not named"
done

[ $wrong -eq 0 ] || {
	echo "$wrong wrong"
	exit 1
}
echo "docs: keys, options, metrics, links and $loaded examples agree with the programs"
