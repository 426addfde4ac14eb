# warderd under systemd: readiness, watchdog, sockets, and the store that outlives all of its processes.
load lib

teardown() {
	if [ "${SYSTEMD-}" ]; then
		kill_all 15
		exec 9>&-
		wait "$SYSTEMD" || true
	fi
	teardown_warder
}

# systemd OPTIONS...: one that runs warderd with these; order starts by `tell start`
systemd() {
	mkfifo "$T/orders"
	python3 "$REPO/tests/e2e/systemd.py" "$T" -- "$WARDER_BUILD/warderd" --socket "$T/s" --policies "$T/policies" \
		--events "$T/events" "$@" <"$T/orders" 2>>"$T/log" 3>&- &
	SYSTEMD=$!
	exec 9>"$T/orders"
}

tell() {
	echo "$1" >&9
}

heard() {
	[ "$(cat "$T/messages" 2>/dev/null | grep -c "$1")" -ge "${2:-1}" ]
}

# kill_all SIGNAL: every process of warderd
kill_all() {
	local pid keeper
	keeper=$(<"$T/pid")
	kill -STOP "$keeper"
	for pid in $(pgrep -P "$keeper") "$keeper"; do
		kill "-$1" "$pid"
	done
	kill -CONT "$keeper" 2>/dev/null || true
	wait_for 10 gone "$keeper"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# A container that makes checked calls until its file /tmp/stop is there; $RUNC.
start_checking() {
	policy p '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["getpgid"], action: "SCMP_ACT_LOG"}],
		warder: {mode: "enforce", rules: [range(16) | {names: ["getppid"], args: [{index: 0, value: ., op: "SCMP_CMP_EQ"}],
		verdict: "deny", errno: (. + 1)}]}}'
	systemd --policy p
	tell start
	wait_for 10 heard READY=1
	mkbundle "$T/b" /work 2 0
	gcc -O2 -static -pthread -o "$T/b/rootfs/work" "$REPO/tests/crash/work.c"
	hook "$T/b"
	runc --root "$T/runc" run -b "$T/b" "s$$" >"$T/out" 2>&1 </dev/null 3>&- 9>&- &
	RUNC=$!
	wait_event '.type == "call"'
}

field() { sed -nE "s/.*\b$1=([0-9]+).*/\1/p" "$T/out"; }

# What the container counted, the session counted and the events say is one.
same_counts() {
	local d
	touch "$T/b/rootfs/tmp/stop"
	wait "$RUNC"
	cat "$T/out"
	[ "$(field wrong)" = 0 ]
	[ "$(field hung)" = 0 ]
	ended() { grep -q '"type":"session_end"' "$T/events"; }
	wait_for 20 ended
	d=$(field denied)
	[ "$(jq -Rn '[inputs | fromjson? | select(.type == "session_end")][0].denied' "$T/events")" = "$d" ]
	# A scribe that is killed may write a line twice, or a part of one: each event counts once.
	[ "$(grep -aE '^\{.*"type":"(call|lost|suppressed)".*\}$' "$T/events" | awk '
		{ key = match($0, /"seq":[0-9]+/) ? substr($0, RSTART, RLENGTH) : NR }
		!(key in seen) { seen[key]; n += match($0, /"count":[0-9]+/) ? substr($0, RSTART + 8) : 1 }
		END { print n + 0 }')" = $((d + $(field allowed))) ]
}

@test "ready, watchdog, sockets from systemd, stopping" {
	systemd --mode enforce
	tell sockets
	tell start
	wait_for 10 heard 'READY=1 MAINPID='
	wait_for 10 heard WATCHDOG=1 3
	heard 'FDNAME=state'
	mkbundle "$T/b" sh -c 'unshare -U true || echo denied'
	hook "$T/b"
	run run_runc "$T/b"
	says denied
	wait_for 10 heard 'FDSTORE=1 FDNAME=session-1$'
	wait_for 10 heard 'FDSTOREREMOVE=1 FDNAME=session-1$'
	kill "$(<"$T/pid")"
	wait_for 10 heard STOPPING=1
	wait_for 10 gone "$(<"$T/pid")"
	[ -S "$T/s" ] # systemd's, not ours to remove
}

@test "the worker killed: the watchdog goes on when there is another" {
	local n
	systemd --mode enforce
	tell start
	wait_for 10 heard WATCHDOG=1
	kill -STOP "$(<"$T/pid")"
	kill -KILL "$(pgrep -P "$(<"$T/pid")" warderd-worker)"
	kill -CONT "$(<"$T/pid")"
	n=$(grep -c WATCHDOG=1 "$T/messages")
	wait_for 10 heard WATCHDOG=1 $((n + 3))
}

@test "every process killed at once: the next start goes on, nothing is wrong, or lost" {
	local n
	start_checking
	for _ in 1 2; do
		kill_all KILL
		n=$(grep -c READY=1 "$T/messages")
		tell start
		wait_for 10 heard READY=1 $((n + 1))
		n=$(wc -l <"$T/events")
		more() { [ "$(wc -l <"$T/events")" -gt "$n" ]; }
		wait_for 10 more
	done
	same_counts
	grep -q '1 sessions inherited' "$T/log"
}

@test "a restart: the listeners stay in the store, and the container goes on" {
	start_checking
	kill "$(<"$T/pid")"
	wait_for 10 gone "$(<"$T/pid")"
	grep -q "stay in systemd's store" "$T/log"
	tell start
	wait_for 10 heard READY=1 2
	same_counts
}
