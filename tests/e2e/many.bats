# Many containers, and what is left of them.
load lib

fds() { local p n=0; for p in $(pids); do n=$((n + $(ls "/proc/$p/fd" | wc -l))); done; echo $n; }
threads() { local p n=0; for p in $(pids); do n=$((n + $(ls "/proc/$p/task" | wc -l))); done; echo $n; }
pss() { local p; for p in $(pids); do awk '/^Pss:/ {print $2}' "/proc/$p/smaps_rollup"; done | awk '{n += $1} END {print n}'; }
# of all threads; but not of the one in which a sanitizer's runtime naps (warderd's own wait for events, none naps)
ticks() {
	local p t
	for p in $(pids); do
		for t in "/proc/$p/task/"*; do
			[ "${WARDER_SANITIZED-}" ] && grep -q nanosleep "$t/wchan" && continue
			awk '{print $14 + $15}' "$t/stat"
		done
	done | awk '{n += $1} END {print n}'
}
pids() { echo "$WARDERD_PID"; pgrep -P "$WARDERD_PID"; }
same_fds() { [ "$(fds)" = "$1" ] && [ "$(threads)" = "$2" ]; }
all_ended() { [ "$(jq -r 'select(.type == "session_end") | .container' "$T/events" | wc -l)" -ge "$1" ]; }

batch() {
	local i jobs=()
	for i in 1 2 3 4 5; do
		runc --root "$T/runc" run -b "$T/b" "m$1-$i" >"$T/out$i" 2>&1 3>&- &
		jobs+=($!)
	done
	wait "${jobs[@]}"
	for i in 1 2 3 4 5; do
		grep -q denied "$T/out$i" || return 1
	done
}

@test "100 containers, 5 at a time, leave nothing behind; idle, it uses no CPU" {
	start_warderd --mode enforce
	mkbundle "$T/b" sh -c 'unshare -U true || echo denied'
	hook "$T/b"
	batch 0 # what is made once is made
	wait_for 10 all_ended 5
	local n before_fds before_threads before_pss
	before_fds=$(fds) before_threads=$(threads) before_pss=$(pss)
	for n in $(seq 20); do
		batch "$n"
	done
	wait_for 20 all_ended 105
	wait_for 10 same_fds "$before_fds" "$before_threads"
	local after_pss idle
	after_pss=$(pss)
	# 200 ms without work until the journal sleeps; then two seconds must not cost one tick
	sleep 0.5
	idle=$(ticks)
	sleep 2
	idle=$(($(ticks) - idle))
	echo "# figure descriptors $before_fds -> $(fds), threads $before_threads -> $(threads), PSS $before_pss -> $after_pss KiB, idle ticks in 2 s: $idle" >&3
	# a sanitizer keeps what is freed for a while
	[ "${WARDER_SANITIZED-}" ] || [ $((after_pss - before_pss)) -lt 1024 ]
	[ "$idle" = 0 ]
	[ "$(calls '.syscall == "unshare" and .done == "errno"' | wc -l)" = 105 ]
}
