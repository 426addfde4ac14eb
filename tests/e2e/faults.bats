# What goes wrong: nothing hangs, no container starts unwatched, and warderd serves the next one.
load lib

PEER=$REPO/tests/e2e/peer.py

teardown() {
	if [ "${PEER_PID-}" ]; then
		kill "$PEER_PID" && wait "$PEER_PID" || true
	fi
	signal_warderd CONT || true
	teardown_warder
}

# peer HOW: plays a supervisor that misbehaves, at $T/s
peer() {
	mkfifo "$T/peer"
	python3 "$PEER" "$1" "$T/s" >"$T/peer" 3>&- &
	PEER_PID=$!
	read -r -t 20 <"$T/peer"
}

warderd_pids() {
	echo "$WARDERD_PID"
	pgrep -P "$WARDERD_PID"
}

worker() {
	pgrep -P "$WARDERD_PID" warderd-worker
}

# signal_warderd NAME: to all its processes
signal_warderd() {
	local pid
	[ "$WARDERD_PID" ] || return 0
	for pid in $(warderd_pids); do
		kill -s "$1" "$pid"
	done
}

# The container of most tests: says "started", and has one call that the default profile denies.
mkvictim() {
	mkbundle "$T/b" sh -c 'echo started; unshare -U true || echo denied'
	hook "$T/b" "$@"
}

# aborts [SECONDS]: does the runtime refuse to start the container, with one line of the hook's, in time?
aborts() {
	local start=$SECONDS
	run run_runc "$T/b"
	echo "$status: $output"
	[ "$status" != 0 ]
	[[ "$output" != *started* ]]
	[ "$(grep -c '^warder-hook: \|[^a-z/]warder-hook: ' <<<"$output")" = 1 ]
	[ $((SECONDS - start)) -le "${1:-5}" ]
	[ -z "$(runc --root "$T/runc" list -q)" ]
}

# still_serves: a container like any other, right after
still_serves() {
	mkvictim
	run run_runc "$T/b"
	[ "$status" = 0 ]
	says started denied
}

# A container that waits for a line in its fifo /go and then calls umask, a shell builtin. detached
start_waiting() {
	policy umask '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]}'
	start_warderd --policy umask --mode enforce
	mkbundle "$T/b" sh -c 'read x </go; umask 077; echo over >/result'
	mkfifo "$T/b/rootfs/go"
	hook "$T/b"
	runc --root "$T/runc" run -d -b "$T/b" --pid-file "$T/pid" w1 >/dev/null 2>&1 </dev/null 3>&-
	CONTAINER_PID=$(<"$T/pid")
}

# The container has made the call and nobody has received it.
pending() {
	grep -q '^95 ' "/proc/$CONTAINER_PID/syscall"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

stopped() {
	[ "$(awk '/^State:/ {print $2}' "/proc/$1/status")" = T ]
}

# --- no supervisor ---

@test "no supervisor: the container is not started, and one line says so" {
	mkvictim
	aborts
	says "$T/s: No such file or directory" "is warderd running"
}

@test "a dead supervisor's socket: likewise" {
	start_warderd
	kill -KILL "$WARDERD_PID"
	wait "$WARDERD_PID" || true
	WARDERD_PID=
	[ -S "$T/s" ]
	mkvictim
	aborts
	says "Connection refused"
	start_warderd --mode enforce
	still_serves
}

@test "a supervisor that never accepts: the hook gives up in time" {
	peer hang
	mkvictim --timeout 1s
	aborts 3
	says "timed out"
}

@test "a supervisor that accepts and says nothing: likewise" {
	peer mute
	mkvictim --timeout 1s
	aborts 3
	says "timed out"
}

@test "a supervisor that is stopped: likewise; it goes on when continued" {
	start_warderd --mode enforce
	mkvictim --timeout 1s
	signal_warderd STOP
	aborts 3
	signal_warderd CONT
	still_serves
}

# --- the hook dies ---

@test "a hook killed at each step: the container does not start, warderd serves the next" {
	local step
	start_warderd --mode enforce
	[ "$("$HOOK" --version)" = "$("$WARDER_BUILD/fail/warder-hook" --version)" ]
	for step in $(grep -ohE 'hook\.[a-z]+"' "$REPO"/hook/*.c | tr -d '"' | sort); do
		mkvictim
		edit "$T/b" '.hooks.prestart[0] |= (.path = $fail | .env = ["WARDER_FAILPOINT=" + $step + "=kill"])' \
			--arg fail "$WARDER_BUILD/fail/warder-hook" --arg step "$step"
		run timeout 20 runc --root "$T/runc" run -b "$T/b" "k-${step#hook.}"
		echo "$step: $status: $output"
		[ "$status" != 0 ]
		[ "$status" != 124 ]
		[[ "$output" != *started* ]]
		still_serves
	done
	[ "$step" = hook.written ]
}

# --- the caller dies ---

@test "a caller killed while its call is pending: the session ends, warderd serves the next" {
	start_waiting
	kill -STOP "$(worker)"
	wait_for 10 stopped "$(worker)"
	echo >"$T/b/rootfs/go"
	wait_for 10 pending
	kill -KILL "$CONTAINER_PID"
	wait_for 10 gone "$CONTAINER_PID"
	kill -CONT "$(worker)"
	wait_event '.type == "session_end"'
	[ ! -e "$T/b/rootfs/result" ]
	stop_warderd
	start_warderd --mode enforce
	still_serves
}

# --- the supervisor dies ---

@test "the worker killed while a call is pending: the next one answers it" {
	local old
	start_waiting
	old=$(worker)
	kill -STOP "$old"
	wait_for 10 stopped "$old"
	echo >"$T/b/rootfs/go"
	wait_for 10 pending
	kill -KILL "$old"
	wait_event '.syscall == "umask" and .done == "errno" and .errno == "ENOSYS"'
	wait_event '.type == "session_end"'
	[ "$(<"$T/b/rootfs/result")" = over ]
	[ "$(worker)" != "$old" ]
	[ "$(calls '.syscall == "umask"' | wc -l)" = 3 ] # what the shell makes of one "umask 077"
	[ -z "$(calls | jq .seq | sort | uniq -d)" ]
}

@test "the keeper killed: its children go, the container's calls fail and it goes on, a new warderd takes over" {
	local pid pids
	start_waiting
	pids=$(warderd_pids)
	kill -KILL "$WARDERD_PID"
	wait "$WARDERD_PID" || true
	WARDERD_PID=
	for pid in $pids; do
		wait_for 10 gone "$pid"
	done
	echo >"$T/b/rootfs/go"
	wait_for 10 gone "$CONTAINER_PID"
	[ "$(<"$T/b/rootfs/result")" = over ]
	start_warderd --mode enforce
	still_serves
}

@test "a second warderd does not take the socket of a live one" {
	start_warderd --mode enforce
	run timeout 10 "$WARDER_BUILD/warderd" --socket "$T/s" --policies "$T/policies" --events "$T/other"
	[ "$status" = 1 ]
	says "$T/s"
	still_serves
}

# --- hand-overs ---

@test "malformed, oversized, truncated, descriptor-less and -laden hand-overs: refused, nothing left" {
	local what before worker
	start_warderd --mode enforce --timeout 2s
	still_serves
	wait_event '.type == "session_end"'
	fds() { ls "/proc/$(worker)/fd" | wc -l; }
	same() { [ "$(fds)" = "$1" ]; }
	worker=$(worker)
	before=$(fds)
	for what in $(python3 "$PEER" whats); do
		echo "$what"
		python3 "$PEER" send "$T/s" "$what"
	done
	refused() { [ "$(grep -c ' refused: ' "$T/log")" -ge "$(python3 "$PEER" whats | wc -l)" ]; }
	wait_for 10 refused
	wait_for 10 same "$before"
	[ "$(worker)" = "$worker" ]
	still_serves
}

# --- policies ---

@test "a policy missing, a folder, a link out, a fifo, empty, binary, too deep, 10 MB: not started, one line" {
	local bad=$T/policies/bad.json what
	start_warderd --policy bad --mode enforce
	mkvictim
	for what in missing folder link fifo empty binary cut deep wide big; do
		case $what in
		missing) : ;;
		folder) mkdir "$bad" ;;
		link) ln -s /etc/shadow "$bad" ;;
		fifo) mkfifo "$bad" ;;
		empty) : >"$bad" ;;
		binary) head -c 4096 /bin/busybox >"$bad" ;;
		cut) head -c 1000 "$DATA/docker-default.json" >"$bad" ;;
		deep) printf '[%.0s' {1..20000} >"$bad" ;;
		wide) jq -n '[range(100000)]' >"$bad" ;;
		big) jq -cn '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [range(100000) | {names: ["read", "write"], action: "SCMP_ACT_ALLOW"}]} | .comment = "x" * 4000000' >"$bad" ;;
		esac
		echo "$what"
		aborts
		says "bad.json"
		! grep -q root: <<<"$output"
		rm -rf "$bad"
	done
	cp "$DATA/docker-default.json" "$bad"
	still_serves
}

@test "a policy that turns bad changes nothing for who runs; one that turns good is taken" {
	start_waiting
	echo '{' >"$T/policies/umask.json"
	echo >"$T/b/rootfs/go"
	wait_event '.syscall == "umask" and .done == "errno"'
	wait_event '.type == "session_end"'
	wait_for 10 runc --root "$T/runc" delete w1
	mkvictim
	aborts
	cp "$DATA/docker-default.json" "$T/policies/umask.json"
	still_serves
}

@test "an unreadable policy folder, an impossible events file: warderd says so" {
	run timeout 10 "$WARDER_BUILD/warderd" --socket "$T/s" --policies "$T/policies" --events "$T/none/events"
	[ "$status" = 1 ]
	says "$T/none/events"
	start_warderd --policies "$T/none" --mode enforce
	mkvictim
	aborts
	says "$T/none"
}

@test "events that cannot be written: said in the log, decisions go on" {
	start_warderd --mode enforce --events /dev/full
	still_serves
	wait_for 10 grep -q 'No space left' "$T/log"
	still_serves
}
