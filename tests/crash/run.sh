#!/bin/bash
# The crash test: the worker is killed between every pair of stores of a call's life (failpoints), and at
# random instants, while a container's threads make calls whose results are checked.
#
#	run.sh RANDOM_KILLS KILLS_AT_EACH_FAILPOINT
#
# Compared for each container: its own count, the session's counters, the events (each number once).
# Ends with "kills=N replaced=N calls=N wrong=N hung=N lost=N doubled=N", before it the kills per state of
# the call in hand; fails unless the last four are 0.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${WARDER_BUILD:=$PWD/build}"
random_kills=${1:-60} each=${2:-50}
dir=$(mktemp -d /dev/shm/warder-crash.XXXXXX)
daemon=
finish() {
	[ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null
	runc --root "$dir/runc" delete -f crash 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
kills=0 calls=0 wrong=0 hung=0 lost=0 doubled=0 received=0 decided=0 sent=0

mkdir -p "$dir/policies" "$dir/b/rootfs/"{proc,dev,sys,tmp}
gcc -O2 -static -pthread -o "$dir/b/rootfs/work" tests/crash/work.c || exit 1
jq -n '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["getpgid"], action: "SCMP_ACT_LOG"}],
	warder: {mode: "enforce", rules: [range(16) | {names: ["getppid"], args: [{index: 0, value: ., op: "SCMP_CMP_EQ"}],
	verdict: "deny", errno: (. + 1)}]}}' >"$dir/policies/default.json"
(cd "$dir/b" && runc spec)

# start_daemon PROGRAM [FAILPOINT]
start_daemon() {
	mkfifo "$dir/ready"
	WARDER_FAILPOINT=${2-} "$1" --socket "$dir/s" --policies "$dir/policies" --events "$dir/events" \
		--ready-fd 8 8<>"$dir/ready" 2>"$dir/log" &
	daemon=$!
	read -r -t 20 <>"$dir/ready"
	rm "$dir/ready"
}

# start_container THREADS CALLS: in the background, its pid in $container
start_container() {
	jq --arg sock "$dir/s" --arg hook "$WARDER_BUILD/warder-hook" '.process.terminal = false | .linux.seccomp = null
		| .process.args = ["/work"] + $ARGS.positional
		| .hooks.prestart = [{path: $hook, args: ["warder-hook", "--socket", $sock]}]' \
		--args "$1" "$2" <"$dir/b/config.json" >"$dir/b/new"
	mv "$dir/b/new" "$dir/b/config.json"
	timeout 900 runc --root "$dir/runc" run -b "$dir/b" crash >"$dir/out" 2>&1 &
	container=$!
}

# field NAME: from the workload's line
field() { sed -nE "s/.*\b$1=([0-9]+).*/\1/p" "$dir/out"; }

# account: after the container's end and the daemon's
account() {
	local d a counted events said seqs hand
	wait "$container" || { cat "$dir/out" "$dir/log" && hung=$((hung + 1)); }
	kill "$daemon" && wait "$daemon"
	daemon=
	d=$(field denied) a=$(field allowed)
	calls=$((calls + d + a)) wrong=$((wrong + $(field wrong))) hung=$((hung + $(field hung)))
	counted=$(sed -nE 's/.*"type":"session_end".*"denied":([0-9]+).*/\1/p' "$dir/events" | awk '{n += $1} END {print n + 0}')
	events=$(grep -c '"type":"call".*"syscall":"getppid"' "$dir/events")
	said=$(jq -s 'map(select(.type == "lost") | .count) | add // 0' <(grep '"type":"lost"' "$dir/events"))
	seqs=$(sed -nE 's/.*"type":"call","seq":([0-9]+).*/\1/p' "$dir/events" | sort -n | uniq -d | wc -l)
	doubled=$((doubled + seqs))
	[ "$counted" = "$d" ] || { lost=$((lost + (d > counted ? d - counted : counted - d))) && echo "counted $counted of $d"; }
	events=$((events + $(grep -c '"type":"call".*"syscall":"getpgid"' "$dir/events") + said))
	[ "$events" = $((d + a)) ] || { lost=$((lost + (d + a > events ? d + a - events : events - d - a))) && echo "events $events of $((d + a))"; }
	kills=$((kills + $(grep -c 'the worker .* was killed by signal 9' "$dir/log")))
	for hand in received decided sent; do
		declare -g "$hand=$((${!hand} + $(sed -nE "s/.*calls in its hand.* ([0-9]+) $hand.*/\1/p" "$dir/log" | awk '{n += $1} END {print n + 0}')))"
	done
	cat "$dir/out"
	rm -f "$dir/events"
}

for point in slot.received slot.decided slot.answered slot.sent slot.committed slot.free; do
	start_daemon "$WARDER_BUILD/fail/warderd" "$point=kill"
	start_container 1 "$each"
	printf '%-15s ' "$point"
	account
done

start_daemon "$WARDER_BUILD/warderd"
start_container 4 $((random_kills * 1500))
printf '%-15s ' random
done_kills=0
while [ $done_kills -lt "$random_kills" ] && kill -0 "$container" 2>/dev/null; do
	worker=$(pgrep -P "$daemon" warderd-worker)
	if [ "$worker" ] && kill -9 "$worker" 2>/dev/null; then
		done_kills=$((done_kills + 1))
	fi
	sleep "0.0$((RANDOM % 5 + 1))$((RANDOM % 10))"
done
account
echo "calls in hand at the kills: received=$received decided=$decided sent=$sent"
echo "kills=$kills replaced=0 calls=$calls wrong=$wrong hung=$hung lost=$lost doubled=$doubled"
[ $((wrong + hung + lost + doubled)) = 0 ]
