# What belongs to the runtime's start and what to the workload.
load lib

# A static program that tries unshare(CLONE_NEWUSER) and says what came of it in a file.
try_program() {
	gcc -static -O1 -o "$T/try" -x c - <<-'C'
		#define _GNU_SOURCE
		#include <errno.h>
		#include <sched.h>
		#include <stdio.h>
		#include <string.h>
		int main(int argc, char **argv)
		{
			int r = unshare(CLONE_NEWUSER), e = errno;
			FILE *f = fopen(argv[1], "w");
			if (!f)
				return 9;
			fprintf(f, "%s\n", r ? strerror(e) : "went through");
			return fclose(f) ? 9 : 0;
			(void)argc;
		}
	C
}

@test "a startContainer hook is not let through, a createContainer hook is" {
	try_program
	start_warderd --mode enforce
	mkbundle "$T/b" cat /tmp/start
	cp "$T/try" "$T/b/rootfs/try"
	hook "$T/b"
	edit "$T/b" '.hooks.createContainer = [{path: $prog, args: ["try", $out]}]
		| .hooks.startContainer = [{path: "/try", args: ["try", "/tmp/start"]}]' \
		--arg prog "$T/try" --arg out "$T/create"
	run run_runc "$T/b"
	[ "$status" = 0 ]
	[ "$output" = "Operation not permitted" ]
	[ "$(cat "$T/create")" = "went through" ]
	wait_event '.syscall == "unshare" and .done == "errno" and .exe == "/try"'
}

@test "createRuntime works as prestart does" {
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'unshare -U true || echo denied'
	hook "$T/b"
	edit "$T/b" '.hooks = {createRuntime: .hooks.prestart}'
	run run_runc "$T/b"
	says denied
}

@test "the runtime's own calls make no event, however many are notified" {
	policy all '{defaultAction: "SCMP_ACT_ERRNO"}'
	start_warderd --policy all --mode audit
	mkbundle "$T/b" true
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" = 0 ]
	wait_event '.type == "session_end"'
	[ -z "$(calls '.comm | startswith("runc")' | jq -c 'select(.syscall != "execve")')" ]
	[ "$(calls '.syscall == "execve"' | wc -l)" -ge 1 ]
}

@test "a container whose entry point does not exist fails as without warder" {
	start_warderd --mode enforce
	mkbundle "$T/b" /nowhere
	hook "$T/b"
	run run_runc "$T/b"
	[ "$status" != 0 ]
	says "no such file"
}
