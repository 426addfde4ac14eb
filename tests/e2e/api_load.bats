# The API under load: policies swapped below a container that checks every result, clients that mean
# no good, tasks that enforcement does not reach.
load lib

api() {
	local body=()
	[ $# -lt 3 ] || body=(--data-binary "$3")
	output=$(curl -sS -m 20 --unix-socket "$T/api.sock" -X "$1" -w '%{http_code}' "${body[@]}" "http://warder$2")
	status=${output##*$'\n'}
	output=${output%$'\n'*}
}

mkdir_policy() {
	jq -n --argjson n "$2" '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: $n}]}' >"$T/policies/$1.json"
}

# A container whose program calls mkdir(2) without end, checks each result against /want (swap.py) and
# says at the end: how many, how many wrong, the longest in ms.
start_checker() {
	mkbundle "$T/b" /check
	gcc -static -O1 -o "$T/b/rootfs/check" -x c - <<-'C'
		#include <errno.h>
		#include <fcntl.h>
		#include <stdint.h>
		#include <stdio.h>
		#include <sys/mman.h>
		#include <sys/stat.h>
		#include <time.h>
		static int64_t now(void)
		{
			struct timespec t;
			clock_gettime(CLOCK_MONOTONIC, &t);
			return t.tv_sec * 1000000000LL + t.tv_nsec;
		}
		int main(void)
		{
			volatile uint32_t *want = mmap(0, 4096, PROT_READ, MAP_SHARED, open("/want", O_RDONLY), 0);
			long n = 0, wrong = 0, seen[2] = { 0, 0 };
			int64_t longest = 0;
			puts("ready");
			fflush(stdout);
			while (!want[1]) {
				uint32_t before = want[0], after;
				int64_t start = now();
				int r = mkdir("/tmp/x", 0700), e = r ? errno : 0;
				int64_t took = now() - start;
				after = want[0];
				longest = took > longest ? took : longest;
				wrong += e != EACCES && e != EOPNOTSUPP;
				wrong += before && before == after && e != (int)(before & 0xffff);
				seen[e == EACCES]++;
				n++;
			}
			printf("%ld calls, %ld wrong, %ld and %ld, %ld ms\n", n, wrong, seen[0], seen[1], (long)(longest / 1000000));
			return 0;
		}
	C
	head -c 4096 /dev/zero >"$T/b/rootfs/want"
	hook "$T/b"
	runc --root "$T/runc" run -b "$T/b" checker >"$T/out" 2>&1 3>&- &
	CHECKER=$!
	wait_for 10 grep -q ready "$T/out"
}

# Stops it and sets $n, $wrong, $first, $second, $longest.
end_checker() {
	printf '\1' | dd of="$T/b/rootfs/want" bs=1 seek=4 conv=notrunc status=none
	wait $CHECKER
	cat "$T/out"
	read -r n wrong first second longest < <(grep calls "$T/out" | tr -dc '0-9 \n' | tr -s ' ')
}

@test "policies are swapped and reloaded under load: 0 wrong verdicts" {
	mkdir_policy p13 13
	mkdir_policy p95 95
	start_warderd --policy p95 --mode enforce
	start_checker
	python3 "$REPO/tests/e2e/swap.py" "$T/api.sock" "$T/b/rootfs/want" "$T/policies" 60
	end_checker
	[ "$wrong" = 0 ]
	[ "$n" -gt 1000 ]
	[ "$first" -gt 0 ]
	[ "$second" -gt 0 ]
}

@test "clients of api.sock that mean no good disturb no container" {
	local kind pids=()
	mkdir_policy default 95
	start_warderd --mode enforce --metrics 127.0.0.1:0
	start_checker
	for kind in drip malformed many stopped; do
		python3 "$REPO/tests/e2e/abuse.py" "$T/api.sock" "$kind" 3>&- 2>"$T/$kind" &
		pids+=($!)
		[ "$kind" = drip ] || wait $! || { cat "$T/$kind" && false; }
	done
	wait "${pids[0]}" || { cat "$T/drip" && false; }
	wait_for 10 eval 'api GET /v1/health && [ "$status" = 200 ]'
	[ "$(jq .restarts <<<"$output")" = 0 ]
	end_checker
	[ "$wrong" = 0 ]
	[ "$second" = 0 ]
	[ "$longest" -lt 1000 ]
	! grep -q 'scribe.*\(killed\|ended\)' "$T/log"
}

@test "another user is turned away before anything is read" {
	start_warderd
	chmod 711 "$T"
	chmod 666 "$T/api.sock"
	run setpriv --reuid 65534 --regid 65534 --clear-groups curl -sS -i --unix-socket "$T/api.sock" http://warder/v1/health
	says "403 Forbidden" "only root"
	api GET /v1/health
	[ "$status" = 200 ]
}

@test "over TCP there are metrics and health, and nothing else" {
	local port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	start_warderd --metrics "127.0.0.1:$port"
	curl -sS -D "$T/head" "http://127.0.0.1:$port/metrics" >"$T/metrics"
	grep -qi '^content-type: application/openmetrics-text; version=1.0.0' "$T/head"
	python3 "$REPO/tests/openmetrics.py" <"$T/metrics"
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/v1/health")" = 200 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/v1/sessions")" = 404 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' -X PUT -d '{"mode":"audit"}' "http://127.0.0.1:$port/v1/mode")" = 404 ]
}

@test "counters go on when a session ends and a worker dies" {
	local before
	mkdir_policy default 95
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'for i in 1 2 3 4 5; do mkdir /tmp/x; done'
	hook "$T/b"
	run run_runc "$T/b"
	wait_event '.type == "session_end"'
	curl -sS --unix-socket "$T/api.sock" http://warder/metrics >"$T/metrics"
	python3 "$REPO/tests/openmetrics.py" <"$T/metrics"
	before=$(grep 'warder_notifications_total{verdict="denied"}' "$T/metrics" | cut -d' ' -f2)
	[ "$before" -ge 5 ]
	[ "$(grep warder_reply_latency_seconds_count "$T/metrics" | cut -d' ' -f2)" -ge 5 ]
	api GET /v1/health
	kill -KILL "$(jq .worker <<<"$output")"
	wait_for 10 eval 'api GET /v1/health && [ "$(jq .restarts <<<"$output")" = 1 ]'
	run run_runc "$T/b"
	wait_for 10 eval '[ "$(grep -c session_end "$T/events")" = 2 ]'
	curl -sS --unix-socket "$T/api.sock" http://warder/metrics >"$T/metrics"
	[ "$(grep 'warder_notifications_total{verdict="denied"}' "$T/metrics" | cut -d' ' -f2)" -ge $((before + 5)) ]
	grep -q '^warder_worker_restarts_total 1$' "$T/metrics"
}

@test "enforce names the tasks that hold an io_uring, open or only mapped, unless forced" {
	local how
	start_warderd --mode audit --policy open
	policy open '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["unshare"], action: "SCMP_ACT_ERRNO"}]}'
	for how in open mapped; do
		mkbundle "$T/$how" sh -c "/ring $how & wait"
		gcc -static -O1 -o "$T/$how/rootfs/ring" -x c - <<-'C'
			#include <linux/io_uring.h>
			#include <stdio.h>
			#include <string.h>
			#include <sys/mman.h>
			#include <sys/prctl.h>
			#include <sys/syscall.h>
			#include <unistd.h>
			int main(int argc, char **argv)
			{
				struct io_uring_params p = { 0 };
				int fd = syscall(__NR_io_uring_setup, 4, &p);
				prctl(PR_SET_NAME, "ri\33ng");
				if (argc > 1 && !strcmp(argv[1], "mapped")) {
					mmap(0, 4096, PROT_READ, MAP_SHARED, fd, IORING_OFF_SQ_RING);
					close(fd);
				}
				printf("ready %d\n", fd);
				fflush(stdout);
				pause();
				return 0;
			}
		C
		hook "$T/$how"
		runc --root "$T/runc" run -b "$T/$how" "$how" >"$T/out.$how" 2>&1 3>&- &
		wait_for 10 grep -q 'ready [0-9]' "$T/out.$how"
		api GET "/v1/sessions?container=$how"
		local n
		n=$(jq '.sessions[0].session' <<<"$output")
		api PUT "/v1/sessions/$n/mode" '{"mode": "enforce"}'
		echo "$output"
		[ "$status" = 409 ]
		[ "$(jq -c '.tasks[].comm' <<<"$output")" = '"ri\u001bng"' ]
		[ "$(tr -d '\0' <"/proc/$(jq '.tasks[0].pid' <<<"$output")/comm" | head -c 2)" = ri ]
		api GET "/v1/sessions/$n"
		[ "$(jq -r .mode <<<"$output")" = audit ]
		api PUT "/v1/sessions/$n/mode" '{"mode": "enforce", "force": true}'
		[ "$(jq -r .mode <<<"$output")" = enforce ]
		api PUT /v1/mode '{"mode": "audit"}'
	done
	api PUT /v1/mode '{"mode": "enforce"}'
	[ "$status" = 409 ]
	[ "$(jq '.refused | length' <<<"$output")" = 2 ]
}
