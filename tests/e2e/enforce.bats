# Enforce: blocked calls fail as the profile says.
load lib

@test "enforce denies with the profile's errno" {
	policy p '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95},
		{names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO"}]}'
	start_warderd --policy p --mode enforce
	mkbundle "$T/b" sh -c 'mkdir /tmp/x; chmod 700 /tmp; echo end'
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 0 ]
	says "Operation not supported" "Operation not permitted" "end"
	wait_event '.type == "session_end"'
	[ "$(calls | jq -r '[.syscall, .done, .errno, .rule] | join(" ")' | tr '\n' ,)" = \
		"mkdir errno EOPNOTSUPP syscalls[0],chmod errno EPERM syscalls[1]," ]
}

@test "the entry point's very first blocked call is denied (Docker's default profile)" {
	gcc -static -nostdlib -O1 -o "$T/first" -x c - <<-'C'
		static long call(long n, long a, long b, long c)
		{
			long r;
			__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
			return r;
		}
		void _start(void)
		{
			long r = call(272, 0x10000000, 0, 0); /* unshare(CLONE_NEWUSER) */
			call(231, r == -1 ? 42 : 43, 0, 0);
		}
	C
	start_warderd --mode enforce
	mkbundle "$T/b" /first
	cp "$T/first" "$T/b/rootfs/first"
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 42 ]
	wait_event '.syscall == "unshare" and .done == "errno" and .seq == 1'
}

@test "capabilities in the container's bounding set open the profile's conditions" {
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'mount -t tmpfs none /tmp && echo mounted'
	caps "$T/b" CAP_SYS_ADMIN
	hook "$T/b"
	run run_runc "$T/b"
	[ "$output" = mounted ]
	caps "$T/b" CAP_CHOWN
	run run_runc "$T/b"
	[ "$status" != 0 ]
	wait_event '.syscall == "mount" and .done == "errno"'
}

@test "32-bit calls of a 64-bit program fall under the profile" {
	gcc -static -nostdlib -O1 -o "$T/old" -x c - <<-'C'
		void _start(void)
		{
			long r;
			__asm__ volatile("int $0x80" : "=a"(r) : "a"(310), "b"(0x10000000) : "memory"); /* unshare */
			__asm__ volatile("int $0x80" : : "a"(1), "b"((int)r == -1 ? 42 : 43));
			__builtin_unreachable();
		}
	C
	start_warderd --mode enforce
	mkbundle "$T/b" /old
	cp "$T/old" "$T/b/rootfs/old"
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 42 ]
	wait_event '.syscall == "unshare" and .arch == "x86" and .nr == 310'
}

@test "with a user namespace" {
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'id -u; unshare -n true || echo denied'
	edit "$T/b" '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}]
		| .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 1000}]
		| .mounts |= map(select(.type != "cgroup" and .type != "mqueue" and .destination != "/sys"))'
	chown -R 100000:100000 "$T/b/rootfs"
	chmod 755 "$T" "$T/b"
	hook "$T/b"
	run run_runc "$T/b"
	says "0" "denied"
	wait_event '.syscall == "unshare" and .uid == 100000'
}

@test "annotations choose an installed policy and tighten the mode" {
	policy strict '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 13}]}'
	jq -n --arg t "$T" '{annotations: {policy: ["strict"]}, mode: "audit"}' >"$T/config"
	start_warderd --config "$T/config"
	mkbundle "$T/b" mkdir /tmp/x
	hook "$T/b"
	edit "$T/b" '.annotations = {"io.warder.policy": "strict", "io.warder.mode": "enforce"}'
	run run_runc "$T/b"
	[ "$status" = 1 ]
	says "Permission denied"
	wait_event '.policy == "strict" and .mode == "enforce" and .errno == "EACCES"'
}

@test "an annotation cannot loosen the mode or name what is not listed" {
	local value
	start_warderd --mode enforce
	mkbundle "$T/b" true
	hook "$T/b"
	edit "$T/b" '.annotations = {"io.warder.mode": "audit"}'
	run run_runc "$T/b"
	[ "$status" != 0 ]
	says "io.warder.mode" "administrator"
	for value in default ../../etc/shadow /etc/shadow "" "a b"; do
		edit "$T/b" '.annotations = {"io.warder.policy": $v}' --arg v "$value"
		run run_runc "$T/b"
		[ "$status" != 0 ]
		says "io.warder.policy"
	done
}
