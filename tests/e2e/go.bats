# A Go program with heavy preemption.
load lib

go_bundle() {
	(cd "$BATS_TEST_DIRNAME/go" && GO111MODULE=off GOCACHE="$T/gocache" GOFLAGS="" CGO_ENABLED=0 go build -o "$T/prog" main.go)
	mkbundle "$T/b" /prog
	cp "$T/prog" "$T/b/rootfs/prog"
	hook "$T/b"
}

@test "under notify-all it ends normally" {
	policy all '{defaultAction: "SCMP_ACT_ERRNO"}'
	start_warderd --policy all --mode audit
	go_bundle
	run timeout 120 runc --root "$T/runc" run -b "$T/b" g1
	[ "$status" = 0 ]
	[ "$output" = "made 8000 bad 0" ]
}

@test "calls that never block are received exactly once each" {
	policy one '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["personality"], action: "SCMP_ACT_LOG"}]}'
	start_warderd --policy one --mode enforce
	go_bundle
	run timeout 120 runc --root "$T/runc" run -b "$T/b" g1
	[ "$output" = "made 8000 bad 0" ]
	wait_event '.type == "session_end"'
	local n lost
	n=$(calls '.syscall == "personality"' | jq -s 'map(.count // 1) | add')
	lost=$(jq -s 'map(select(.type == "lost") | .count) | add // 0' "$T/events")
	echo "# figure 8000 calls made, $n events, $lost said to be lost" >&3
	[ $((n + lost)) = 8000 ]
}
