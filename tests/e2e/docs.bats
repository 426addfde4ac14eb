# What is documented is there, and what is there is documented. (warder.1 is held against the verbs in
# cli.bats, warder-events.7 against the rows of event.c in unit/event.c.)
load lib

cd "$REPO" || exit 1

# page FILE: its text, one word or option as it is typed
page() {
	man --warnings=w -l "$1" 2>"$T/warnings" | col -bx
	[ ! -s "$T/warnings" ] || { cat "$T/warnings" >&2 && return 1; }
}

# keys FILE: the keys that a parser's rows of names accept, one a line
keys() {
	awk '/ keys\[\] = \{/ {on = 1} on; /;/ {on = 0}' "$1" | grep -oE '"[A-Za-z_]+"' | tr -d '"' | sort -u
}

@test "the manual pages are well-formed" {
	local file
	for file in man/*.[1578]; do
		echo "$file"
		page "$file" >/dev/null
		grep -q '^\.SH NAME' "$file"
	done
}

@test "warderd(8), warder-hook(8), warder-runtime(8) have the options of --help, long and short, and no others" {
	local program
	for program in warderd warder-hook; do
		echo "$program"
		diff <("$WARDER_BUILD/$program" --help | grep -oE '^ +(-., )?--[a-z-]+' | tr -d ' ' | sort) \
			<(page man/$program.8 | grep -oE '^ +(-., )?--[a-z-]+' | tr -d ' ' | sort)
	done
	diff <("$WARDER_BUILD/warder-runtime" --warder-help | grep -oE '^ +--[a-z-]+' | tr -d ' ' | sort) \
		<(page man/warder-runtime.8 | grep -oE '^ +--warder-[a-z-]+' | tr -d ' ' | sort -u)
}

@test "warder-policy(5) has each key of a policy, warderd(8) each of the configuration" {
	local key
	page man/warder-policy.5 >"$T/policy"
	for key in $(keys lib/policy.c); do
		echo "$key"
		grep -qw "$key" "$T/policy"
	done
	[ "$(keys lib/policy.c | wc -l)" -gt 10 ]
	page man/warderd.8 >"$T/warderd"
	for key in $(keys supervisor/config.c); do
		echo "$key"
		grep -qw "$key" "$T/warderd"
	done
	[ "$(keys supervisor/config.c | wc -l)" -ge 7 ]
	page man/warder-runtime.8 >"$T/runtime"
	for key in $(keys hook/behind.c) images match profile; do
		echo "$key"
		grep -qw "$key" "$T/runtime"
	done
}

@test "warder-policy(5) names each action whose effect differs" {
	local action
	page man/warder-policy.5 >"$T/policy"
	"$WARDER_BUILD/warder" policy check "$DATA/differential/every-action.json" >"$T/notes" 2>&1
	for action in $(grep -oE 'note: SCMP_ACT_[A-Z_]+' "$T/notes" | cut -d' ' -f2); do
		echo "$action"
		grep -q "$action" "$T/policy"
	done
	[ "$(grep -c note: "$T/notes")" -ge 3 ]
}

@test "the policies in README and warder-policy(5) are good" {
	# shellcheck disable=SC2016
	sed -n '/^```json$/,/^```$/p' README.md | grep -v '^```' | sed -n '/^{ "defaultAction"/,/^$/p' |
		sed 's/\[ \.\.\. \]/[]/' | sed '/^{"time"/,$d' >"$T/readme.json"
	sed -n '/^\.EX/,/^\.EE/p' man/warder-policy.5 | grep -v '^\.' >"$T/page.json"
	"$WARDER_BUILD/warder" policy check --strict "$T/readme.json" "$T/page.json"
}

@test "the event in README reads back" {
	local field
	grep -E '^\{"time"' README.md >"$T/event"
	for field in $(jq -r 'keys[]' "$T/event"); do
		grep -q "{ \"$field\"\|\"$field\"" lib/event.c
	done
	[ "$(jq -r .type "$T/event")" = call ]
}

@test "the files and targets that README and CONTRIBUTING name are there" {
	local word
	for word in $(grep -ohE '`[A-Za-z_.-]+/[A-Za-z0-9_./*-]*`|man/[a-z.-]+[0-9]' README.md CONTRIBUTING.md | tr -d '`' | grep -vE 'NAME|/X[./]'); do
		echo "$word"
		compgen -G "$word" >/dev/null
	done
	for word in $(grep -ohE '(^|`)make [a-z-]+' README.md CONTRIBUTING.md | cut -d' ' -f2 | sort -u); do
		echo "make $word"
		grep -qE "^$word:" Makefile
	done
}

@test "every target of make help says what it does; each file says its licence" {
	local file
	make help | awk 'NF < 2 {exit 1}'
	[ "$(make help | wc -l)" -gt 20 ]
	for file in $(git ls-files '*.c' '*.h'); do
		echo "$file"
		head -1 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0'
	done
}

@test "every member of the shared memory is in the layout of state.c" {
	run python3 - <<-'PY'
		import re, sys
		rows = set(re.findall(r"FIELD\((\w+), (\w+)\)", open("supervisor/state.c").read()))
		for file in ("arena.h", "fold.h", "lane.h", "session.h"):
		    text = re.sub(r"/\*.*?\*/", "", open("supervisor/" + file).read(), flags=re.S)
		    for name, body in re.findall(r"^struct (\w+) \{(.*?)^\}", text, re.S | re.M):
		        if name in ("arena_head", "budget", "folds") or file == "session.h" and not name.startswith("record"):
		            continue
		        for member in re.findall(r"(\w+)(?:\[[^;,]*\])*\s*(?:__attribute__\(\(.*?\)\)\s*)?[;,]", body):
		            print("member" if (name, member) in rows else "missing", name, member)
	PY
	echo "$output"
	says "member block lane"
	[[ "$output" != *missing* ]]
}
