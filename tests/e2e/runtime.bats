# warder-runtime: in front of runc and crun, as an engine calls it.
load lib

W=$WARDER_BUILD/warder-runtime

# wrapped ARGUMENTS...: warder-runtime in front of runc, with this test's socket and root
wrapped() {
	"$W" --warder-socket "$T/s" --root "$T/runc" "$@"
}

# in_crun COMMANDS: a shell in which `wrapped` has crun behind it (which refuses hybrid cgroups)
in_crun() {
	unshare -m bash -c '
		umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup
		wrapped() { "$2" --warder-socket "$1/s" --warder-runtime crun --root "$1/crun" --cgroup-manager=disabled "${@:3}"; }
		T=$1 W=$2
		w() { wrapped "$T" "$W" "$@"; }
		eval "$3"' bash "$T" "$W" "$1" 3>&-
}

# same: is config.json as it was saved by `keep`, and nothing beside it?
keep() {
	cp "$T/b/config.json" "$T/before"
}
same() {
	cmp "$T/before" "$T/b/config.json"
	[ "$(ls "$T/b")" = "$(printf 'config.json\nrootfs')" ]
}

# refused TEXT...: nothing started or changed; one line of ours says each text
refused() {
	[ "$status" = 1 ]
	[ "$(grep -c . <<<"$output")" = 1 ]
	says "warder-runtime: " "$@"
	same
	[ -z "$(runc --root "$T/runc" list -q)" ]
}

@test "audit lists the calls, enforce denies them" {
	mkbundle "$T/b" sh -c 'unshare -U echo went; mkdir /tmp/a && echo made'
	start_warderd --mode audit
	run wrapped run -b "$T/b" r1
	[ "$status" = 0 ]
	says went made
	wait_event '.syscall == "unshare" and .done == "continue" and .verdict == "deny"'
	stop_warderd
	rm -r "$T/b/rootfs/tmp/a"
	start_warderd --mode enforce
	run wrapped run -b "$T/b" r2
	says "Operation not permitted" made
	[[ "$output" != *went* ]]
	wait_event '.syscall == "unshare" and .errno == "EPERM" and .done == "errno"'
	[ -z "$(calls '.syscall == "mkdir"')" ]
}

@test "it becomes the runtime: exit status, output, signals; other commands need nobody" {
	start_warderd
	mkbundle "$T/b" sh -c 'trap "echo got; exit 7" TERM; echo up; while :; do sleep 0.05; done'
	"$W" --warder-socket "$T/s" --root "$T/runc" run -b "$T/b" r1 >"$T/out" 2>&1 3>&- &
	local pid=$!
	wait_for 10 grep -q up "$T/out"
	[ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$(command -v runc)")" ]
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 7 ]
	grep got "$T/out"
	stop_warderd
	[ "$(wrapped --version)" = "$(runc --version)" ]
	[ "$(wrapped list -q)" = "" ]
	run wrapped state none
	[ "$status" = 1 ]
	says "does not exist"
}

@test "what runc exec starts is covered, in a session of its own" {
	start_warderd --mode enforce
	mkbundle "$T/b" sleep 60
	wrapped run -d -b "$T/b" r1 >/dev/null 2>&1 3>&-
	run wrapped exec r1 sh -c 'unshare -U true || echo denied'
	says denied
	run runc --root "$T/runc" exec r1 unshare -U true
	[ "$status" != 0 ]
	wait_for 10 eval '[ "$(jq -c "select(.type == \"session_end\")" "$T/events" | wc -l)" = 2 ]'
	[ "$(calls '.syscall == "unshare" and .done == "errno" and .container == "r1"' | wc -l)" = 2 ]
	wrapped delete -f r1
	wait_for 10 eval '[ "$(jq -c "select(.type == \"session_end\")" "$T/events" | wc -l)" = 3 ]'
}

@test "crun behind: run and exec, and what enters goes by the container's annotation" {
	policy strict '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "write"], action: "SCMP_ACT_ERRNO", errnoRet: 30}]}'
	echo '{"annotations": {"policy": ["strict"]}}' >"$T/config"
	start_warderd --config "$T/config" --mode enforce
	mkbundle "$T/b" sleep 60
	edit "$T/b" 'del(.linux.resources) | .mounts |= map(select(.type != "cgroup")) | .annotations["io.warder.policy"] = "strict"'
	run in_crun 'w run -d -b "$T/b" k1 </dev/null >/dev/null 2>&1; w exec k1 mkdir /tmp/x; echo "status $?"; w delete -f k1'
	says "status 1"
	wait_event '.syscall == "mkdir" and .policy == "strict" and .errno == "EROFS"'
	has_event '.syscall == "write" and .policy == "strict"'
	wait_for 10 eval '[ "$(jq -c "select(.type == \"session_end\")" "$T/events" | wc -l)" = 2 ]'
}

@test "a second run edits the first section anew; the original stays beside it" {
	start_warderd --mode enforce
	mkbundle "$T/b" true
	edit "$T/b" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["ptrace"], action: "SCMP_ACT_ERRNO"}]}'
	chmod 640 "$T/b/config.json"
	keep
	wrapped run -b "$T/b" r1
	cp "$T/b/config.json" "$T/first"
	wrapped run -b "$T/b" r2
	cmp "$T/first" "$T/b/config.json"
	[ "$(stat -c %a "$T/b/config.json")" = 640 ]
	edit "$T/b" '.process.args = ["echo", "else"]'
	run wrapped run -b "$T/b" r3
	says else
	jq --slurpfile side "$T/b/config.json.warder" '.linux.seccomp = $side[0].original | .process.args = ["true"]' \
		"$T/b/config.json" | jq -S . | diff - <(jq -S . "$T/before")
	edit "$T/b" '.linux.seccomp = null'
	wrapped run -b "$T/b" r4
	[ "$(jq -c .original "$T/b/config.json.warder")" = null ]
	[ "$(ls "$T/b")" = "$(printf 'config.json\nconfig.json.warder\nrootfs')" ]
}

@test "what the bundle's own profile denies stays denied in the kernel, unless it is replaced" {
	start_warderd --mode audit
	mkbundle "$T/b" sh -c 'mkdir /tmp/a; unshare -U echo went'
	edit "$T/b" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["mkdir", "mount"], action: "SCMP_ACT_ERRNO", errnoRet: 30}]}'
	run wrapped run -b "$T/b" r1
	says "Read-only file system" went
	wait_event '.syscall == "unshare"'
	[ -z "$(calls '.syscall == "mkdir"')" ]
	echo '{"profile": "replace"}' >"$T/runtime.json"
	run "$W" --warder-config="$T/runtime.json" --warder-socket="$T/s" --root "$T/runc" run -b "$T/b" r2
	says went
	[[ "$output" != *"Read-only"* ]]
}

@test "an engine's default profile keeps its conditions, and the policy's calls are asked about" {
	start_warderd --mode enforce
	policy few '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "personality"], action: "SCMP_ACT_ERRNO", errnoRet: 13}]}'
	mkbundle "$T/b" true
	edit "$T/b" '.linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], syscalls: [
		{names: ["mkdir", "read", "clone"], action: "SCMP_ACT_ALLOW"},
		{names: ["personality"], action: "SCMP_ACT_ALLOW", args: [{index: 0, value: 8, op: "SCMP_CMP_EQ"}]},
		{names: ["keyctl"], action: "SCMP_ACT_KILL"}]}'
	run wrapped --warder-check run -b "$T/b" r1
	[ "$status" = 0 ] || run "$W" --warder-socket "$T/s" --warder-policy few --warder-check run -b "$T/b" r1
	[ "$status" = 0 ]
	jq -e '.defaultAction == "SCMP_ACT_ERRNO" and .architectures == ["SCMP_ARCH_X86_64"]
		and .listenerMetadata == "few:enforce"
		and ([.syscalls[] | select(.names[] == "read")] == [{names: ["read", "clone"], action: "SCMP_ACT_ALLOW"}])
		and ([.syscalls[] | select(.names[] == "mkdir") | .action] == ["SCMP_ACT_NOTIFY"])
		and ([.syscalls[] | select(.names[] == "personality")] | length == 1 and .[0].action == "SCMP_ACT_NOTIFY" and .[0].args[0].value == 8)
		and ([.syscalls[] | select(.names[] == "keyctl") | .action] == ["SCMP_ACT_KILL"])' <<<"$output"
}

@test "an image's row names policy and mode; an annotation goes before it" {
	policy web '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 30}]}'
	echo '{"annotations": {"policy": ["default"]}}' >"$T/config"
	start_warderd --config "$T/config" --mode audit
	jq -n --arg s "$T/s" '{runtime: "runc", like: "runc", socket: $s, timeout: "5s", policy: "default",
		images: [{match: "*/web:*", policy: "web", mode: "enforce"}]}' >"$T/runtime.json"
	mkbundle "$T/b" mkdir /tmp/a
	edit "$T/b" '.annotations["io.kubernetes.cri.image-name"] = "docker.io/acme/web:1"'
	run "$W" --warder-config "$T/runtime.json" --root "$T/runc" run -b "$T/b" r1
	says "Read-only file system"
	wait_event '.syscall == "mkdir" and .policy == "web" and .mode == "enforce"'
	edit "$T/b" '.annotations["io.warder.policy"] = "default"'
	"$W" --warder-config "$T/runtime.json" --root "$T/runc" run -b "$T/b" r2
}

@test "refused with one line, nothing half-made: what the container asks for" {
	local row
	start_warderd --mode enforce
	mkbundle "$T/b" true
	for row in '../../etc/shadow' 'other' $'x\e[31m' ''; do
		edit "$T/b" '.annotations["io.warder.policy"] = $p' --arg p "$row"
		keep
		run wrapped run -b "$T/b" r1
		refused "annotation io.warder.policy"
		[[ "$output" != *$'\e'* ]]
	done
	edit "$T/b" '.annotations = {"io.warder.mode": "audit"}'
	keep
	run wrapped run -b "$T/b" r1
	refused "annotation io.warder.mode"
}

@test "refused with one line, nothing half-made: the bundle, the command line, the runtime behind" {
	start_warderd --mode enforce
	mkbundle "$T/b" true
	keep
	run wrapped --warder-policy ../x run -b "$T/b" r1
	[ "$status" = 1 ]
	run "$W" --warder-policy=../x --root "$T/runc" run -b "$T/b" r1
	refused "no policy name"
	run "$W" --warder-socket "$T/s" --warder-policy absent --root "$T/runc" run -b "$T/b" r1
	refused absent
	run "$W" --warder-runtime none --root "$T/runc" run -b "$T/b" r1
	refused '"none", is not in PATH'
	run "$W" --warder-runtime /no/runc --root "$T/runc" run -b "$T/b" r1
	refused "/no/runc" "No such file"
	run "$W" --warder-runtime "$W" --root "$T/runc" run -b "$T/b" r1
	refused "warder-runtime itself"
	run "$W" --warder-socket "$T/none" --root "$T/runc" run -b "$T/b" r1
	refused "is warderd running"
	run wrapped --novel value create -b "$T/b" r1
	refused "cannot tell what"
	run wrapped run -b "$T/nowhere" r1
	refused "No such file"
	printf '#!no-such-interpreter\n' >"$T/broken"
	chmod +x "$T/broken"
	run "$W" --warder-socket "$T/s" --warder-runtime "$T/broken" --root "$T/runc" run -b "$T/b" r1
	[ "$status" = 1 ]
	says "exec $T/broken"
	cmp "$T/before" "$T/b/config.json"
}

@test "refused with one line, nothing half-made: profiles" {
	start_warderd --mode enforce
	policy quiet '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["write"], action: "SCMP_ACT_ERRNO"}]}'
	mkbundle "$T/b" true
	edit "$T/b" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/run/else.sock", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}'
	keep
	run wrapped run -b "$T/b" r1
	refused "listener of its own (/run/else.sock)"
	edit "$T/b" '.linux.seccomp = null'
	keep
	run "$W" --warder-socket "$T/s" --warder-policy quiet --root "$T/runc" run -b "$T/b" r1
	refused 'policy quiet blocks ["write"], which runc'
	run "$W" --warder-socket "$T/s" --warder-policy quiet --warder-mode audit --root "$T/runc" run -b "$T/b" r1
	[ "$status" = 0 ]
	says 'let through unseen'
}

@test "exempt workloads start as they are, with and without warderd" {
	echo '{"exempt": [{"namespace": "kube-system"}]}' >"$T/config"
	jq -n --arg c "$T/config" --arg s "$T/s" '{config: $c, socket: $s}' >"$T/runtime.json"
	mkbundle "$T/b" echo up
	edit "$T/b" '.annotations["io.kubernetes.cri.sandbox-namespace"] = "kube-system"'
	keep
	run "$W" --warder-config "$T/runtime.json" --root "$T/runc" run -b "$T/b" r1
	says up
	same
	start_warderd --config "$T/config"
	echo '{}' >"$T/nothing"
	jq -n --arg c "$T/nothing" --arg s "$T/s" '{config: $c, socket: $s}' >"$T/runtime.json"
	run "$W" --warder-config "$T/runtime.json" --root "$T/runc" run -b "$T/b" r2
	says up
	same
	echo '{"exempt": 7}' >"$T/nothing"
	run "$W" --warder-config "$T/runtime.json" --root "$T/runc" run -b "$T/b" r3
	refused "exempt"
}

@test "a listener that is ours already is left alone" {
	start_warderd --mode enforce
	mkbundle "$T/b" mkdir /tmp/a
	policy other '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 30}]}'
	edit "$T/b" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $s, listenerMetadata: "other",
		syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}' --arg s "$T/s"
	keep
	run wrapped run -b "$T/b" r1
	says "Read-only file system"
	same
}

@test "an engine finds what failed in its log; a container's stderr is its own" {
	start_warderd --mode enforce
	mkbundle "$T/b" true
	edit "$T/b" '.annotations["io.warder.policy"] = "no\"such\nthing"'
	run wrapped --log "$T/engine.log" --log-format json run -b "$T/b" r1
	[ "$status" = 1 ]
	[ "$(jq -r 'select(.level == "error") | .msg' "$T/engine.log" | grep -c 'warder-runtime: .*io.warder.policy')" = 1 ]
	jq -e '.time | test("^20[0-9-]+T[0-9:]+Z$")' "$T/engine.log"
	policy quiet '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["write"], action: "SCMP_ACT_ERRNO"}]}'
	edit "$T/b" 'del(.annotations)'
	run "$W" --warder-socket "$T/s" --warder-policy quiet --warder-mode audit --root "$T/runc" --log "$T/text.log" run --bundle="$T/b" r1
	[ "$status" = 0 ]
	[ "$output" = "" ]
	grep -E '^time="[^"]+" level=warning msg="warder-runtime: container r1: .*unseen"$' "$T/text.log"
}

@test "recording through runc sees all but write" {
	start_warderd --mode record
	mkbundle "$T/b" mkdir /tmp/a
	run wrapped --log "$T/engine.log" run -b "$T/b" r1
	[ "$status" = 0 ]
	grep 'let through unseen' "$T/engine.log" | grep -q '\[\\"write\\"\]'
}
