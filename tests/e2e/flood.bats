# A container that makes denied calls at full speed from 8 threads: no disk is filled, no count lost,
# whoever is killed meanwhile.
load lib

# flood THREADS CALLS: tests/crash/work.c in a container; its own counts are in $T/work
flood() {
	mkdir -p "$T/b/rootfs/"{proc,dev,sys,tmp}
	gcc -O2 -static -pthread -o "$T/b/rootfs/work" "$REPO/tests/crash/work.c"
	(cd "$T/b" && runc spec)
	edit "$T/b" '.process.terminal = false | .linux.seccomp = null | .process.args = ["/work"] + $ARGS.positional' --args "$@"
	hook "$T/b"
	run_runc "$T/b" >"$T/work" 2>&1
}

policy_for_flood() {
	policy default '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["getpgid"], action: "SCMP_ACT_LOG"}],
		warder: {mode: "enforce", rules: [range(16) | {names: ["getppid"], args: [{index: 0, value: ., op: "SCMP_CMP_EQ"}],
		verdict: "deny", errno: (. + 1)}]}}'
}

# field NAME: of the workload's line
field() {
	sed -nE "s/.*\b$1=([0-9]+).*/\1/p" "$T/work"
}

# sum KIND...: the calls that lines of these types stand for
sum() {
	jq -s --args 'map(select(.type | IN($ARGS.positional[])) | .count // 1) | add // 0' "$@" <"$T/events"
}

# accounts: the container's own count, the session's counters and the events agree
accounts() {
	local calls=$(($(field denied) + $(field allowed)))
	wait_event '.type == "session_end"'
	[ "$(field wrong)" = 0 ]
	[ "$(jq 'select(.type == "session_end") | .denied' "$T/events")" = "$(field denied)" ]
	[ "$(sum call suppressed lost)" = "$calls" ]
	[ "$(jq 'select(.type == "call") | .seq' "$T/events" | sort | uniq -d | wc -l)" = 0 ]
	[ "$(jq -c 'select(.type == "session_start" or .type == "session_end")' "$T/events" | wc -l)" = 2 ]
}

@test "a flood is a few lines, and every call is counted" {
	policy_for_flood
	start_warderd
	flood 8 40000
	accounts
	[ "$(wc -l <"$T/events")" -lt 3000 ]
	[ "$(sum suppressed)" -gt 0 ] || [ "$(jq 'select(.count > 100) | .count' "$T/events" | head -c 1)" ]
	echo "# figure $(field denied) denied calls of a flood: $(wc -l <"$T/events") lines, $(sum lost) calls only as lost" >&3
}

@test "the scribe killed again and again in a flood: nothing lost, nothing doubled" {
	local kills=0 scribe running
	policy_for_flood
	start_warderd
	flood 8 40000 &
	running=$!
	wait_event '.type == "call"'
	while kill -0 "$running" 2>/dev/null && [ $kills -lt 40 ]; do
		scribe=$(pgrep -P "$WARDERD_PID" warderd-scribe) || continue
		kill -9 "$scribe" 2>/dev/null && kills=$((kills + 1))
		sleep "0.0$((RANDOM % 9 + 1))"
	done
	wait "$running"
	accounts
	echo "# figure $kills deaths of the scribe" >&3
}

@test "the scribe killed between each two steps of a pass, then replaced: nothing lost, nothing doubled" {
	local point old
	policy_for_flood
	for point in journal.prepared journal.committed sink.given sink.intended sink.written sink.settled \
		journal.given journal.settled journal.counted; do
		echo "$point"
		WARDERD=$WARDER_BUILD/fail/warderd WARDER_FAILPOINT=$point=kill start_warderd
		old=$WARDERD_PID
		flood 2 300
		wait_for 10 grep -q 'the scribe .* was killed by signal 9' "$T/log"
		start_warderd --replace
		wait "$old" || true
		accounts || { cat "$T/work" "$T/log" && false; }
		stop_warderd
		rm -rf "$T/b" "$T/events"
	done
}
