# A runtime that hands the listener over by itself (linux.seccomp.listenerPath), without our hook.
load lib

native() {
	edit "$1" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $s,
		syscalls: [{names: ["mkdir", "unshare"], action: "SCMP_ACT_NOTIFY"}]}' --arg s "$T/s"
}

@test "runc hands over; warderd decides by the default policy" {
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'mkdir /tmp/a && echo made; unshare -U true || echo denied'
	native "$T/b"
	run run_runc "$T/b"
	[ "$status" = 0 ]
	says made denied
	wait_event '.syscall == "unshare" and .done == "errno"'
}

@test "listenerMetadata names the policy" {
	policy other '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 30}]}'
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'mkdir /tmp/a; unshare -U true && echo went'
	native "$T/b"
	edit "$T/b" '.linux.seccomp.listenerMetadata = "other"'
	run run_runc "$T/b"
	says "Read-only file system" went
	wait_event '.syscall == "mkdir" and .policy == "other" and .errno == "EROFS"'
}

@test "what runc exec starts is covered too, in a session of its own" {
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'while [ ! -e /tmp/end ]; do sleep 0.1; done'
	native "$T/b"
	runc --root "$T/runc" run -d -b "$T/b" e1 >/dev/null 2>&1 3>&-
	run runc --root "$T/runc" exec e1 sh -c 'unshare -U true || echo denied; touch /tmp/end'
	says denied
	wait_for 10 eval '[ "$(jq -c "select(.type == \"session_end\")" "$T/events" | wc -l)" = 2 ]'
}

@test "crun hands over in its own way" {
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'unshare -U true || echo denied'
	native "$T/b"
	edit "$T/b" 'del(.linux.resources) | .mounts |= map(select(.type != "cgroup"))'
	run unshare -m sh -c 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
		exec crun --root "$1/crun" --cgroup-manager=disabled run -b "$1/b" c1' sh "$T"
	[ "$status" = 0 ]
	says denied
	wait_event '.syscall == "unshare" and .done == "errno"'
}

@test "a profile that does not ask about exec is gone by from the first call" {
	start_warderd --mode enforce
	mkbundle "$T/b" unshare -U echo went
	native "$T/b"
	run run_runc "$T/b"
	[ "$status" != 0 ]
	says "Operation not permitted"
}

@test "crun exec is taken too, though crun says nothing of it" {
	start_warderd --mode enforce
	mkbundle "$T/b" sleep 60
	native "$T/b"
	edit "$T/b" 'del(.linux.resources) | .mounts |= map(select(.type != "cgroup"))'
	run unshare -m sh -c 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
		c="crun --root $1/crun --cgroup-manager=disabled"
		$c run -d -b "$1/b" c1 </dev/null >/dev/null 2>&1
		$c exec c1 unshare -U true; echo "status $?"; $c delete -f c1' sh "$T"
	says "status 1" "Operation not permitted"
	wait_event '.syscall == "unshare" and .done == "errno"'
}

@test "a hook refuses a container whose own profile has a listener" {
	start_warderd --mode enforce
	mkbundle "$T/b" true
	native "$T/b"
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" != 0 ]
	says warder-hook listener
}
