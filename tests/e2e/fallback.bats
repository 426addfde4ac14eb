# A worker that dies of its work (here: whenever it looks at who called), again and again.
load lib

dying() {
	policy p "$1"
	WARDERD=$WARDER_BUILD/fail/warderd WARDER_FAILPOINT=session.identify=exit start_warderd --policy p
	mkbundle "$T/b" sh -c 'i=0; ok=0; no=0; while [ $i -lt 10 ]; do i=$((i + 1)); (umask 0; chmod 700 /tmp) 2>/dev/null && ok=$((ok + 1)) || no=$((no + 1)); sleep 0.05; done; echo ok=$ok no=$no'
	hook "$T/b"
	run timeout 60 runc --root "$T/runc" run -b "$T/b" "f$RANDOM"
	grep -q 'the worker starts again in' "$T/log"
}

deny='defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO", errnoRet: 95}]'

@test "enforce goes on giving the profile's own answer" {
	dying "{$deny, warder: {mode: \"enforce\"}}"
	[ "$output" = "ok=0 no=10" ]
	wait_event '.type == "session_end" and .denied == 10'
	[ "$(calls '.errno == "EOPNOTSUPP" and .done == "errno"' | wc -l)" = 10 ]
}

@test "audit goes on letting through" {
	dying "{$deny, warder: {mode: \"audit\"}}"
	[ "$output" = "ok=10 no=0" ]
	wait_event '.type == "session_end" and .audited == 10'
}

@test "fallback deny" {
	dying "{$deny, warder: {mode: \"audit\", fallback: {verdict: \"deny\"}}}"
	says no=
	wait_event '.type == "session_end" and .denied > 0'
}

@test "fallback allow" {
	dying "{$deny, warder: {mode: \"enforce\", fallback: {verdict: \"allow\"}}}"
	says ok=
	wait_event '.type == "session_end" and .audited > 0'
}

@test "a worker that the kernel kills for want of memory: calls go on being answered" {
	local group
	group=/sys/fs/cgroup/memory$(sed -nE 's/.*:memory:(.*)/\1/p' /proc/self/cgroup)/warder-$$
	mkdir "$group"
	echo 64M >"$group/memory.limit_in_bytes"
	policy p "{$deny, warder: {mode: \"enforce\"}}"
	WARDERD=$WARDER_BUILD/fail/warderd WARDER_FAILPOINT=session.identify=eat start_warderd --policy p
	for pid in $(pgrep -P "$WARDERD_PID") "$WARDERD_PID"; do
		echo "$pid" >"$group/cgroup.procs"
	done
	mkbundle "$T/b" sh -c 'i=0; no=0; while [ $i -lt 5 ]; do i=$((i + 1)); chmod 700 /tmp 2>/dev/null || no=$((no + 1)); done; echo no=$no'
	hook "$T/b"
	run timeout 60 runc --root "$T/runc" run -b "$T/b" "o$RANDOM"
	[ "$output" = no=5 ]
	wait_event '.type == "session_end" and .denied == 5'
	grep -q 'the worker .* was killed by signal 9' "$T/log"
	[ "$(sed -n 's/^oom_kill //p' "$group/memory.oom_control")" -ge 1 ]
	stop_warderd
	rmdir "$group"
}
