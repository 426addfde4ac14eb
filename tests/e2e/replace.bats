# One warderd takes over from another: sockets, listeners, calls in hand, counters and records go along.
load lib

# replace OPTIONS...: starts the next warderd; returns when it is ready
replace() {
	local old=$WARDERD_PID
	start_warderd --replace "$@" || { cat "$T/log"; return 1; }
	wait "$old" || { echo "status $?"; cat "$T/log"; return 1; }
}

# start_counting OPTIONS: a container that makes a denied call at each line of its fifo /go and says how often it was refused.
start_counting() {
	policy p '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO", errnoRet: 95}]}'
	start_warderd --policy p --mode enforce "$@"
	mkbundle "$T/b" sh -c 'i=0; while read x <&5 && [ "$x" = go ]; do chmod 700 /tmp 2>/dev/null || i=$((i + 1)); echo $i >/done; done; echo over $i'
	mkfifo "$T/b/rootfs/go"
	mkfifo "$T/b/rootfs/done"
	edit "$T/b" '.process.args[2] = "exec 5<>/go; " + .process.args[2]'
	hook "$T/b"
	runc --root "$T/runc" run -b "$T/b" c1 >"$T/out" 2>&1 </dev/null 3>&- &
	RUNC=$!
	exec 6<>"$T/b/rootfs/go" 7<>"$T/b/rootfs/done"
}

# again N: one more call, refused for the Nth time
again() {
	local n
	echo go >&6
	read -r -t 20 n <&7
	[ "$n" = "$1" ]
}

# finish N: the container ends with N calls refused, and so say its events
finish() {
	echo end >&6
	wait "$RUNC"
	[ "$(<"$T/out")" = "over $1" ]
	wait_event '.type == "session_end"'
	[ "$(jq -c 'select(.type == "session_end") | .denied' "$T/events")" = "$1" ]
	[ "$(calls '.errno == "EOPNOTSUPP"' | jq .seq | sort -n | uniq | wc -l)" = "$1" ]
	[ "$(jq -c 'select(.type == "session_start")' "$T/events" | wc -l)" = 1 ]
}

@test "the next warderd goes on with a running container, and with new ones" {
	start_counting
	again 1
	replace --policy p --mode enforce
	again 2
	replace --policy p --mode enforce
	again 3
	finish 3
	mkbundle "$T/b2" sh -c 'chmod 700 /tmp 2>/dev/null || echo refused'
	hook "$T/b2"
	run run_runc "$T/b2"
	[ "$output" = refused ]
}

# fails WHO POINT HOW: the next (or the old) warderd dies or stops at a point of the replacement
fails() {
	WARDER_FAILPOINT=$1=$2 "$WARDER_BUILD/fail/warderd" --socket "$T/s" --policies "$T/policies" --events "$T/events" \
		--policy p --mode enforce --replace 2>"$T/log2" 3>&- &
	NEXT=$!
}

@test "the next one dies before, or after, it may serve: the old one goes on, nothing is lost" {
	local point n=1
	start_counting
	again 1
	for point in replace.attached replace.ready replace.going replace.serving; do
		fails "$point" kill
		wait "$NEXT" || true
		n=$((n + 1))
		again $n
		wait_for 10 grep -q "this warderd goes on" "$T/log"
		: >"$T/log"
	done
	replace --policy p --mode enforce
	again $((n + 1))
	finish $((n + 1))
}

@test "the next one stops: the old one waits, goes on, and the next one never serves" {
	start_counting --timeout 1s
	again 1
	fails replace.going stop
	wait_for 10 grep -q 'the replacement failed, this warderd goes on: wait for the other warderd' "$T/log"
	again 2
	wait "$NEXT" || [ $? = 137 ]
	: >"$T/log"
	fails replace.attached stop
	wait_for 10 grep -q 'the replacement failed, this warderd goes on: wait for the other warderd' "$T/log"
	kill -CONT "$NEXT"
	again 3
	wait "$NEXT" || [ $? = 1 ]
	grep -q 'the other warderd refuses: wait for the other warderd: Connection timed out' "$T/log2"
	again 4
	finish 4
}

@test "the old one dies in the middle: the next one goes on" {
	local point n=1
	for point in replace.given replace.served; do
		WARDERD=$WARDER_BUILD/fail/warderd WARDER_FAILPOINT=$point=kill start_counting
		again 1
		start_warderd --policy p --mode enforce --replace
		again 2
		finish 2
		stop_warderd
		rm -rf "$T/b" "$T/events" "$T/s"
	done
}
