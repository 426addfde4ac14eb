# The verdicts of "warder" rules, and where an effect cannot be the kernel's.
load lib

rules() {
	policy p "{defaultAction: \"SCMP_ACT_ALLOW\", warder: {mode: \"enforce\", rules: $1}}"
}

@test "deny with an errno, a message and arguments" {
	rules '[{names: ["chmod"], args: [{index: 1, value: 493, op: "SCMP_CMP_EQ"}], verdict: "deny", errno: "EROFS", message: "not 755"}]'
	start_warderd --policy p
	mkbundle "$T/b" sh -c 'chmod 700 /tmp && echo a; chmod 755 /tmp || echo b'
	hook "$T/b"
	run run_runc "$T/b"
	says "a" "Read-only file system" "b"
	wait_event '.syscall == "chmod" and .errno == "EROFS" and .message == "not 755" and .rule == "warder.rules[0]"'
}

@test "kill ends the process, and nothing else; the event says what was done" {
	rules '[{names: ["mkdir"], verdict: "kill", message: "caught"}]'
	start_warderd --policy p
	mkbundle "$T/b" sh -c 'sleep 5 & (mkdir /tmp/a); echo status=$?; kill $! && echo sibling lives'
	hook "$T/b"
	run run_runc "$T/b"
	says "status=137" "sibling lives"
	wait_event '.syscall == "mkdir" and .verdict == "kill" and .asked == "kill_process" and .done == "kill_process"'
}

@test "kill_thread of a profile kills the process and says so" {
	policy p '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_KILL_THREAD"}]}'
	start_warderd --policy p --mode enforce
	mkbundle "$T/b" sh -c '(mkdir /tmp/a); echo status=$?'
	hook "$T/b"
	run run_runc "$T/b"
	says "status=137"
	wait_event '.asked == "kill_thread" and .done == "kill_process"'
}

@test "audit lets a kill through and says what enforce would do" {
	rules '[{names: ["mkdir"], verdict: "kill"}]'
	start_warderd --policy p --mode audit
	mkbundle "$T/b" sh -c 'mkdir /tmp/a && echo made'
	hook "$T/b"
	run run_runc "$T/b"
	[ "$output" = made ]
	wait_event '.verdict == "kill" and .done == "continue" and .mode == "audit"'
}

@test "allow comes before the profile" {
	policy p '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO"}],
		warder: {mode: "enforce", rules: [{names: ["mkdir"], verdict: "allow"}]}}'
	start_warderd --policy p
	mkbundle "$T/b" sh -c 'mkdir /tmp/a && echo made'
	hook "$T/b"
	run run_runc "$T/b"
	[ "$output" = made ]
}

@test "a denial that is not live stays in the kernel: no event, also in audit" {
	rules '[{names: ["mkdir"], verdict: "deny", errno: "EROFS", live: false}]'
	start_warderd --policy p --mode audit
	mkbundle "$T/b" sh -c 'mkdir /tmp/a; unshare -U true; echo end'
	hook "$T/b"
	run run_runc "$T/b"
	says "Read-only file system" "end"
	wait_event '.type == "session_end"'
	[ -z "$(calls)" ]
}

@test "log and notify let through with an event" {
	policy p '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_LOG"}, {names: ["rmdir"], action: "SCMP_ACT_NOTIFY"}]}'
	start_warderd --policy p --mode enforce
	mkbundle "$T/b" sh -c 'mkdir /tmp/a && rmdir /tmp/a && echo both'
	hook "$T/b"
	run run_runc "$T/b"
	[ "$output" = both ]
	wait_event '.syscall == "mkdir" and .asked == "log" and .verdict == "allow" and .done == "continue"'
	wait_event '.syscall == "rmdir" and .asked == "notify" and .done == "continue"'
}

@test "trap and trace stay in the kernel" {
	policy p '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_TRAP"}, {names: ["rmdir"], action: "SCMP_ACT_TRACE"}]}'
	start_warderd --policy p --mode audit
	mkbundle "$T/b" sh -c '(mkdir /tmp/a); echo status=$?; rmdir /tmp; echo end'
	hook "$T/b"
	run run_runc "$T/b"
	says "status=159" "Function not implemented" "end"
	wait_event '.type == "session_end"'
	[ -z "$(calls)" ]
}
