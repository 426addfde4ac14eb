# Exempt workloads start whether warderd is there or not; all others only under it.
load lib

# mkworkload NAMESPACE: says how many seccomp filters it has; its hook reads $T/config
mkworkload() {
	mkbundle "$T/b" sh -c 'grep Seccomp_filters /proc/self/status'
	edit "$T/b" '.annotations["io.kubernetes.cri.sandbox-namespace"] = $ns' --arg ns "$1"
	hook "$T/b" --config "$T/config"
}

@test "without warderd: an exempt one starts, another does not" {
	echo '{"exempt": [{"container": "x", "namespace": "kube-system"}, {"namespace": "kube-system"}]}' >"$T/config"
	mkworkload kube-system
	run run_runc "$T/b"
	[ "$status" = 0 ]
	[[ "$output" == Seccomp_filters:*0 ]]
	mkworkload web
	run run_runc "$T/b"
	[ "$status" != 0 ]
	says "is warderd running"
}

@test "with warderd: it leaves an exempt one alone, also when the hook did not read the list" {
	echo '{"exempt": [{"annotations": {"io.example/critical": "yes"}}]}' >"$T/config"
	start_warderd --config "$T/config" --mode enforce
	mkworkload web
	run run_runc "$T/b"
	[[ "$output" == Seccomp_filters:*1 ]]
	edit "$T/b" '.annotations["io.example/critical"] = "no"'
	run run_runc "$T/b"
	[[ "$output" == Seccomp_filters:*1 ]]
	edit "$T/b" '.annotations["io.example/critical"] = "yes" | .hooks.prestart[0].args |= map(select(. != "--config" and . != $c))' \
		--arg c "$T/config"
	run run_runc "$T/b"
	[[ "$output" == Seccomp_filters:*0 ]]
	wait_for 10 grep -q ': exempt$' "$T/log"
}

@test "a list that is wrong, or not there: not started, one line" {
	local bad
	for bad in '' '[]' '{"exempt": {}}' '{"exempt": [{}]}' '{"exempt": [{"names": "x"}]}' '{"exempt": [{"annotations": {}}]}' none; do
		echo "$bad" >"$T/config"
		mkworkload kube-system
		[ "$bad" != none ] || rm "$T/config"
		run run_runc "$T/b"
		echo "$bad: $output"
		[ "$status" != 0 ]
		says "$T/config" "warderd's configuration file"
	done
}
