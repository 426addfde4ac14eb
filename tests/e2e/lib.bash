# Shared by the bats files: bundles, the daemon, runtimes. Each test has a folder of its own ($T), a
# private runtime root and a private socket; teardown ends what it started.
# shellcheck shell=bash disable=SC2016 # jq's variables, not the shell's

: "${WARDER_BUILD:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build}"
REPO=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
DATA=$REPO/tests/data
HOOK=$WARDER_BUILD/warder-hook

setup() {
	T=$(mktemp -d "${TMPDIR:-/tmp}/warder.XXXXXX")
	mkdir "$T/policies"
	cp "$DATA/docker-default.json" "$T/policies/default.json"
	WARDERD_PID=
}

teardown() {
	teardown_warder
}

# What every teardown does, also one of a file's own.
teardown_warder() {
	local id
	for id in $(runc --root "$T/runc" list -q 2>/dev/null); do
		runc --root "$T/runc" delete -f "$id" || true
	done
	stop_warderd || true
	rm -rf "$T"
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails when the time is over
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

# start_warderd OPTIONS...: returns when it is ready
start_warderd() {
	mkfifo "$T/ready"
	"${WARDERD:-$WARDER_BUILD/warderd}" --socket "$T/s" --policies "$T/policies" \
		--events "$T/events" "$@" --ready-fd 8 8<>"$T/ready" 2>>"$T/log" 3>&- &
	WARDERD_PID=$!
	read -r -t 20 <>"$T/ready"
	rm "$T/ready"
}

stop_warderd() {
	[ "$WARDERD_PID" ] || return 0
	kill "$WARDERD_PID" 2>/dev/null
	wait "$WARDERD_PID" 2>/dev/null
	WARDERD_PID=
}

# mkbundle DIR COMMAND...: a busybox container that runs COMMAND; then change it with edit
mkbundle() {
	local dir=$1
	shift
	mkdir -p "$dir/rootfs/"{bin,proc,dev,sys,tmp,etc}
	cp /bin/busybox "$dir/rootfs/bin/busybox"
	"$dir/rootfs/bin/busybox" --install -s "$dir/rootfs/bin"
	local link
	for link in "$dir/rootfs/bin/"*; do
		[ ! -L "$link" ] || ln -sfn /bin/busybox "$link"
	done
	rm -f "$dir/config.json"
	(cd "$dir" && runc spec)
	edit "$dir" '.process.terminal = false | .root.readonly = false | .linux.seccomp = null
		| .process.args = $ARGS.positional' --args -- "$@"
}

# edit DIR FILTER [JQ OPTIONS...]: changes config.json
edit() {
	local dir=$1 filter=$2
	shift 2
	jq "$filter" "$@" <"$dir/config.json" >"$dir/config.new" || return
	mv "$dir/config.new" "$dir/config.json"
}

# hook DIR OPTIONS...: adds our prestart hook
hook() {
	local dir=$1
	shift
	edit "$dir" '.hooks.prestart = [{path: $hook, args: (["warder-hook", "--socket", $sock] + $ARGS.positional)}]' \
		--arg hook "$HOOK" --arg sock "$T/s" --args -- "$@"
}

# caps DIR CAPABILITY...: exactly these, in all sets
caps() {
	local dir=$1
	shift
	edit "$dir" '.process.capabilities = (["bounding", "effective", "permitted"]
		| map({(.): $ARGS.positional}) | add)' --args -- "$@"
}

# policy NAME JQ-EXPRESSION: writes $T/policies/NAME.json
policy() {
	jq -n "$2" >"$T/policies/$1.json"
}

run_runc() {
	runc --root "$T/runc" run -b "$1" "c$RANDOM$RANDOM"
}

# calls [JQ CONDITION]: the call events so far, one a line
calls() {
	jq -c "select(.type == \"call\") | select(${1:-true})" "$T/events"
}

# has_event JQ-CONDITION: is there one?
has_event() {
	[ "$(jq -c "select($1)" "$T/events" 2>/dev/null | head -c 1)" ]
}

# wait_event JQ-CONDITION
wait_event() {
	wait_for 10 has_event "$1"
}

# says TEXT...: does the output of the last `run` hold each? (runc copies stdout and stderr each by
# itself, so their order is chance.)
says() {
	local text
	for text in "$@"; do
		# shellcheck disable=SC2154
		if [[ "$output" != *"$text"* ]]; then
			printf 'no "%s" in: %s\n' "$text" "$output" >&2
			return 1
		fi
	done
}
