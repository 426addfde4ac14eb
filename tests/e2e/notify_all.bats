# A policy that notifies every system call: the container must not notice.
load lib

# /proc changes by itself (its listing fails where a process has just gone): it is walked, not compared; in /dev
# the times differ.
inspect='ls -lR / >/dev/null 2>&1; ls -lR /bin; ls -R /dev /etc /tmp; ls /proc/self/fd; grep -E "^(NoNewPrivs|Cap|Groups|Uid)" /proc/self/status; exit 3'

@test "output, exit code, NoNewPrivs, capabilities and descriptors are as without warder" {
	policy all '{defaultAction: "SCMP_ACT_ERRNO"}'
	start_warderd --policy all --mode audit
	mkbundle "$T/b" sh -c "$inspect"
	edit "$T/b" '.process.noNewPrivileges = false'
	run run_runc "$T/b"
	[ "$status" = 3 ]
	local plain=$output
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 3 ]
	diff <(echo "$plain") <(echo "$output")
	edit "$T/b" 'del(.hooks) | .process.noNewPrivileges = true'
	run run_runc "$T/b"
	plain=$output
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 3 ]
	diff <(echo "$plain") <(echo "$output")
}

@test "ls -lR / with every call notified" {
	policy all '{defaultAction: "SCMP_ACT_ERRNO"}'
	start_warderd --policy all --mode audit
	mkbundle "$T/b" sh -c 'ls -lR / >/tmp/list 2>/tmp/errors; echo $?; wc -l </tmp/list'
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 0 ]
	[ "${lines[1]}" -gt 1000 ]
	wait_event '.type == "session_end"'
	has_event '.syscall == "write"'
	has_event '.syscall == "close"'
	has_event '.syscall == "mmap"'
}

@test "an image of many calls under enforce: allowed by name, all notified by the runtime's filter (native)" {
	start_warderd --mode audit
	mkbundle "$T/b" sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); true | cat; done; echo $i'
	edit "$T/b" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $s, syscalls: [{names: ["read", "dup2", "close", "wait4", "pipe", "pipe2"], action: "SCMP_ACT_NOTIFY"}]}' --arg s "$T/s"
	run run_runc "$T/b"
	[ "$status" = 0 ]
	[ "$output" = 300 ]
}
