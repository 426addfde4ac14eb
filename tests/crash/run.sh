#!/bin/bash
# The crash test: the worker is killed between every pair of stores of a call's life (failpoints), and at
# random instants, and the daemon is replaced, while a container's threads make calls whose results are checked.
#
#	run.sh RANDOM_KILLS KILLS_AT_EACH_FAILPOINT REPLACEMENTS
#
# Compared for each container: its own count, the session's counters, the events (each number once).
# Ends with "kills=N replaced=N calls=N wrong=N hung=N lost=N doubled=N", before it the kills per state of
# the call in hand; fails unless the last four are 0 and all replacements were made.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${WARDER_BUILD:=$PWD/build}"
random_kills=${1:-60} each=${2:-50} replacements=${3:-3}
dir=$(mktemp -d /dev/shm/warder-crash.XXXXXX)
daemon='' id=crash$$
# shellcheck disable=SC2046 # one word each
finish() {
	kill $(jobs -rp) 2>/dev/null
	wait
	runc --root "$dir/runc" delete -f "$id" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
kills=0 replaced=0 calls=0 wrong=0 hung=0 lost=0 doubled=0 received=0 decided=0 sent=0 slowest=0

mkdir -p "$dir/policies" "$dir/b/rootfs/"{proc,dev,sys,tmp}
gcc -O2 -static -pthread -o "$dir/b/rootfs/work" tests/crash/work.c || exit 1
jq -n '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["getpgid"], action: "SCMP_ACT_LOG"}],
	warder: {mode: "enforce", rules: [range(16) | {names: ["getppid"], args: [{index: 0, value: ., op: "SCMP_CMP_EQ"}],
	verdict: "deny", errno: (. + 1)}]}}' >"$dir/policies/default.json"
(cd "$dir/b" && runc spec)

# start_daemon PROGRAM FAILPOINT [OPTIONS]: in the background, its pid in $daemon
start_daemon() {
	WARDER_FAILPOINT=$2 "$1" --socket "$dir/s" --policies "$dir/policies" --events "$dir/events" \
		"${@:3}" --ready-fd 8 8<>"$dir/ready" 9>&- 2>>"$dir/log" &
	daemon=$!
}

# The daemon started last says that it is ready.
ready() { read -r -t 20 -u 9; }

# start_container THREADS CALLS: in the background, its pid in $container
start_container() {
	jq --arg sock "$dir/s" --arg hook "$WARDER_BUILD/warder-hook" '.process.terminal = false | .linux.seccomp = null
		| .process.args = ["/work"] + $ARGS.positional
		| .hooks.prestart = [{path: $hook, args: ["warder-hook", "--socket", $sock]}]' \
		--args "$1" "$2" <"$dir/b/config.json" >"$dir/b/new"
	mv "$dir/b/new" "$dir/b/config.json"
	timeout 900 runc --root "$dir/runc" run -b "$dir/b" "$id" >"$dir/out" 2>&1 9>&- &
	container=$!
}

runs() { jobs -rp | grep -qx "$1"; }

# field NAME: from the workload's line
field() { sed -nE "s/.*\b$1=([0-9]+).*/\1/p" "$dir/out"; }

# total REGEX NUMBER: the sum of a number over the events that match (1 where it is not said)
total() {
	awk -v re="$1" -v key="\"$2\":" '$0 ~ re { i = index($0, key); n += i ? substr($0, i + length(key)) + 0 : 1 } END { print n + 0 }' "$dir/events"
}

# differs WHAT A B: counts as lost what A has and B has not, or the other way round
differs() {
	[ "$2" = "$3" ] && return
	lost=$((lost + ($2 > $3 ? $2 - $3 : $3 - $2)))
	echo "$1: $3 of $2"
}

# account: after the container's end and the daemon's
account() {
	local d a events hand n
	wait "$container" || { cat "$dir/out" "$dir/log" && hung=$((hung + 1)); }
	kill "$daemon" && wait "$daemon"
	daemon=
	d=$(field denied) a=$(field allowed)
	calls=$((calls + d + a)) wrong=$((wrong + $(field wrong))) hung=$((hung + $(field hung)))
	n=$(field slowest_ms)
	[ "$n" -le "$slowest" ] || slowest=$n
	differs "counted" "$d" "$(total '"type":"session_end"' denied)"
	events=$(total '"type":"call"' count)
	events=$((events + $(total '"type":"(lost|suppressed)"' count)))
	differs "events" $((d + a)) "$events"
	doubled=$((doubled + $(grep -aoE '"type":"call","seq":[0-9]+' "$dir/events" | sort -S 1G | uniq -d | wc -l)))
	doubled=$((doubled + $(grep -c '"type":"session_start"' "$dir/events") - 1))
	kills=$((kills + $(grep -c 'the worker .* was killed by signal 9' "$dir/log")))
	replaced=$((replaced + $(grep -c 'replaced: another warderd goes on' "$dir/log")))
	for hand in received decided sent; do
		declare -g "$hand=$((${!hand} + $(sed -nE "s/.*calls in its hand.* ([0-9]+) $hand.*/\1/p" "$dir/log" | awk '{n += $1} END {print n + 0}')))"
	done
	cat "$dir/out"
	rm -f "$dir/events" "$dir/log"
}

mkfifo "$dir/ready"
exec 9<>"$dir/ready"
for point in slot.received slot.decided slot.answered slot.sent slot.committed slot.free; do
	start_daemon "$WARDER_BUILD/fail/warderd" "$point=kill"
	ready
	start_container 1 "$each"
	printf '%-15s ' "$point"
	account
done

# While a replacement is under way, the workers of both daemons are shot at.
start_daemon "$WARDER_BUILD/warderd" ""
ready
start_container 4 0
printf '%-15s ' random
# A hook whose worker is killed under it fails closed: the shooting starts with the container's calls.
until grep -q '"type":"call"' "$dir/events" || ! runs "$container"; do sleep 0.05; done
shot=0 old='' replacements_begun=0
while [ $shot -lt "$random_kills" ] && runs "$container"; do
	for worker in $(pgrep -P "$daemon${old:+,$old}" warderd-worker); do
		kill -9 "$worker" 2>/dev/null && shot=$((shot + 1))
	done
	if [ "$old" ] && ! runs "$daemon"; then
		echo "a replacement failed" && tail -3 "$dir/log"
		daemon=$old old=
	elif [ "$old" ] && ! runs "$old"; then
		ready
		old=
	elif [ -z "$old" ] && [ $((shot * (replacements + 1))) -ge $((random_kills * (replacements_begun + 1))) ] &&
		[ $((replacements_begun += 1)) -le "$replacements" ]; then
		old=$daemon
		start_daemon "$WARDER_BUILD/warderd" "" --replace
	fi
	sleep "0.0$((RANDOM % 5))$((RANDOM % 10))"
done
[ -z "$old" ] || wait "$old"
touch "$dir/b/rootfs/tmp/stop"
account
echo "slowest call: $slowest ms"
echo "calls in hand at the kills: received=$received decided=$decided sent=$sent"
echo "kills=$kills replaced=$replaced calls=$calls wrong=$wrong hung=$hung lost=$lost doubled=$doubled"
[ $((wrong + hung + lost + doubled)) = 0 ] && [ "$replaced" -ge "$replacements" ]
