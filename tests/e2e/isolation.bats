# Each process of a running warderd has what it needs and nothing else, and stands what a container makes up.
load lib

# members: keeper, worker, scribe, ... of the running warderd, one pid a line
members() {
	echo "$WARDERD_PID"
	pgrep -P "$WARDERD_PID"
}

# field PID NAME: of /proc/PID/status
field() {
	awk -v name="$2:" '$1 == name {print $2}' "/proc/$1/status" 2>/dev/null
}

# member NAME: the pid of that process of warderd
member() {
	pgrep -P "$WARDERD_PID" -x "$1"
}

is_isolated() {
	local pid=$1 name
	for name in CapInh CapBnd CapAmb; do
		[ "$(field "$pid" $name)" = 0000000000000000 ] || return 1
	done
	[ "$(field "$pid" NoNewPrivs)" = 1 ]
	[ "$(field "$pid" Seccomp)" = 2 ]
}

# the capabilities of a worker: DAC_READ_SEARCH (2), KILL (5), SYS_PTRACE (19)
WORKER_CAPS=0000000000080024

@test "keeper, worker and scribe have their capabilities and filters, also after a crash" {
	local pid _
	start_warderd
	for _ in 1 2; do
		wait_for 10 member warderd-scribe
		wait_for 10 member warderd-worker
		wait_for 10 is_isolated "$(member warderd-worker)"
		wait_for 10 is_isolated "$(member warderd-scribe)"
		for pid in $(members); do
			is_isolated "$pid"
		done
		[ "$(field "$WARDERD_PID" CapEff)" = 0000000000000000 ]
		[ "$(field "$WARDERD_PID" Seccomp_filters)" = 1 ]
		[ "$(field "$(member warderd-worker)" CapEff)" = $WORKER_CAPS ]
		[ "$(field "$(member warderd-worker)" CapPrm)" = $WORKER_CAPS ]
		[ "$(field "$(member warderd-worker)" Seccomp_filters)" = 2 ]
		[ "$(field "$(member warderd-scribe)" CapPrm)" = 0000000000000000 ]
		[ "$(field "$(member warderd-scribe)" Seccomp_filters)" = 2 ]
		pid=$(member warderd-worker)
		kill -9 "$pid" "$(member warderd-scribe)"
		wait_for 10 eval "! kill -0 $pid 2>/dev/null"
	done
	stop_warderd
	[ "$(grep -c "no row of isolate.c" "$T/log")" = 0 ]
}

# Kills the worker if it is there: has it come to a pause of seconds? (One that has done nothing pauses
# longer each time.)
pauses() {
	local pid
	! grep -qE "the worker starts again in [0-9]{4} ms" "$T/log" || return 0
	! pid=$(member warderd-worker) || kill -9 "$pid"
	return 1
}

@test "the stand-in has no more than the worker" {
	policy default '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["unshare"], action: "SCMP_ACT_ERRNO"}],
		warder: {mode: "enforce"}}'
	mkbundle "$T/b" sh -c 'mkfifo /tmp/go; read -r _ </tmp/go; unshare -U true; echo $?'
	hook "$T/b"
	start_warderd
	run_runc "$T/b" >"$T/out" 2>&1 3>&- &
	wait_event '.type == "session_start"'
	wait_for 10 test -p "$T/b/rootfs/tmp/go" # from here on it makes no call
	local pid
	wait_for 20 pauses
	wait_for 5 member warderd-standin
	pid=$(member warderd-standin)
	wait_for 1 is_isolated "$pid"
	[ "$(field "$pid" CapEff)" = 0000000000080020 ]
	echo >"$T/b/rootfs/tmp/go"
	wait $!
	grep -q 1 "$T/out"
}

@test "warder doctor shows it, and what is off" {
	start_warderd
	wait_for 10 member warderd-scribe
	wait_for 10 is_isolated "$(member warderd-scribe)"
	wait_for 10 is_isolated "$(member warderd-worker)"
	run "$WARDER_BUILD/warder" doctor --socket "$T/s"
	[ "$status" = 0 ]
	says "ok   W040  warderd capabilities: keeper (pid $WARDERD_PID) none" \
		"worker (pid $(member warderd-worker)) CAP_DAC_READ_SEARCH CAP_KILL CAP_SYS_PTRACE" \
		"scribe (pid $(member warderd-scribe)) none" \
		"ok   W041  warderd no_new_privs: set in 3 processes" \
		"ok   W042  warderd filters: on in 3 processes" "ok   W043  warderd network: no internet sockets"
	stop_warderd
	run "$WARDER_BUILD/warder" doctor --socket "$T/s"
	says "ok   W040  warderd capabilities: no warderd to look at"

	cat >"$T/fake" <<-'P'
		import ctypes, socket, sys
		ctypes.CDLL(None).prctl(15, b"warderd", 0, 0, 0)
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen()
		u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		u.bind(("127.0.0.1", 0))
		print("ready", flush=True)
		sys.stdin.read()
	P
	mkfifo "$T/in"
	python3 "$T/fake" "$T/fake.sock" <"$T/in" >"$T/ready" 3>&- &
	WARDERD_PID=$!
	exec 7>"$T/in"
	wait_for 10 grep -q ready "$T/ready"
	run "$WARDER_BUILD/warder" doctor --socket "$T/fake.sock"
	exec 7>&-
	[ "$status" = 1 ]
	says "FAIL W040  warderd capabilities: keeper (pid $WARDERD_PID) has CAP_" \
		"FAIL W041  warderd no_new_privs: keeper (pid $WARDERD_PID) without" \
		"FAIL W042  warderd filters: keeper (pid $WARDERD_PID): mode 0" \
		"warn W043  warderd network: keeper (pid $WARDERD_PID) holds 1 internet sockets"
}

@test "names, paths and parents that a container makes up harm nobody" {
	cat >"$T/odd.c" <<-'C'
		#define _GNU_SOURCE
		#include <sched.h>
		#include <stdio.h>
		#include <string.h>
		#include <sys/prctl.h>
		#include <sys/stat.h>
		#include <sys/wait.h>
		#include <unistd.h>
		static const char *const names[] = {"a) R 1 1 1", "\n\033[2J\"\\", "((((", "))))", " ", "\xff\xfe\x80", "", "Tgid:\t1\nUid:\t0"};
		int main(int argc, char **argv)
		{
			int depth = argc > 1 ? argv[1][0] - 'A' : 0;
			char dir[201], next[2] = {(char)('A' + depth + 1), 0};
			for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
				if (fork()) { /* a new one each: identities are kept for a moment */
					wait(NULL);
					continue;
				}
				prctl(PR_SET_NAME, names[i]);
				unshare(CLONE_NEWUSER);
				_exit(0);
			}
			if (depth == 15)
				return 0;
			memset(dir, depth % 2 ? '"' : '\n', 200), dir[200] = 0; /* exe gets longer than is kept */
			if (mkdir(dir, 0755) || link("/odd", "x") + chdir(dir) > 1)
				return 1;
			link("/odd", "odd");
			if (!fork()) {
				execl("odd", "odd", next, NULL);
				_exit(2);
			}
			wait(NULL);
			return 0;
		}
	C
	gcc -O2 -static -o "$T/odd" "$T/odd.c"
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'cd /tmp && /odd'
	cp "$T/odd" "$T/b/rootfs/odd"
	hook "$T/b"
	wait_for 10 member warderd-scribe
	local worker scribe
	worker=$(member warderd-worker) scribe=$(member warderd-scribe)
	run run_runc "$T/b"
	[ "$status" = 0 ]
	wait_event '.type == "session_end"'
	[ "$(member warderd-worker) $(member warderd-scribe)" = "$worker $scribe" ]
	jq -es 'all(type == "object")' "$T/events" >/dev/null
	[ "$(jq -s 'map(select(.syscall == "unshare") | .count // 1) | add' "$T/events")" = 128 ]
	[ "$(calls '.syscall == "unshare" and (.exe | length) > 90' | head -c 1)" ]
	[ "$(jq -s '[.[] | select(.syscall == "unshare") | .comm] | unique | length' "$T/events")" -ge 7 ]
	[ "$(calls '.syscall == "unshare" and .uid != 0' | head -c 1)" = "" ]
	[ "$(grep -c $'\033' "$T/events" "$T/log" | grep -vc ':0')" = 0 ]
}
