# Audit: blocked calls succeed, and each is an event.
load lib

@test "audit lets a blocked call through and lists it" {
	start_warderd --mode audit
	mkbundle "$T/b" sh -c 'unshare -U true && echo went through'
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 0 ]
	[ "$output" = "went through" ]
	wait_event '.type == "session_end"'
	[ "$(calls '.syscall == "unshare"' | jq -r '[.verdict, .asked, .done, .errno, .mode, .comm, .exe, .rule] | join(" ")')" = \
		"deny errno continue EPERM audit unshare /bin/busybox default" ]
}

@test "an event says who called, as host and container see it" {
	start_warderd --mode audit
	mkbundle "$T/b" sh -c 'unshare -U true; exit 7'
	hook "$T/b"
	edit "$T/b" '.annotations = {"io.kubernetes.cri.container-name": "web\u001b[31m", "io.kubernetes.cri.sandbox-name": "pod-1", "io.kubernetes.cri.sandbox-namespace": "prod"}'
	run run_runc "$T/b"
	[ "$status" = 7 ]
	wait_event '.type == "session_end"'
	local call
	call=$(calls '.syscall == "unshare"')
	[ "$(jq -r '[.pod, .namespace, .uid, .gid, .arch, .nr, .policy] | join(" ")' <<<"$call")" = "pod-1 prod 0 0 x86_64 272 default" ]
	[ "$(jq -r '.args[0]' <<<"$call")" = 0x10000000 ]
	[ "$(jq '.ns_pid > 1 and .pid > .ns_pid and .tid == .pid and (.parents | length) >= 1 and .latency_ns > 0' <<<"$call")" = true ]
	grep -q '"name":"web\\u001b\[31m"' "$T/events"
	[ "$(grep -c $'\033' "$T/events")" = 0 ]
}

@test "allowed calls make no event" {
	start_warderd --mode audit
	mkbundle "$T/b" ls -l /
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 0 ]
	wait_event '.type == "session_end"'
	[ -z "$(calls)" ]
}
