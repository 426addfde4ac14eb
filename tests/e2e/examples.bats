# oci-examples/*: the commands of each README, line by line, as a reader gives them. /etc, /run, /var and
# /usr/local are the machine's own under a layer that goes away with the test.
load lib

# follow EXAMPLE: runs the sh blocks of its README in one shell; each line of its text blocks must come out
follow() {
	local readme=$REPO/oci-examples/$1/README.md line checked=0
	{
		echo 'set -e'
		awk '/^```sh$/ {on = 1; next} /^```/ {on = 0} on' "$readme"
	} >"$T/commands"
	mkdir "$T/layer"
	run timeout -s KILL 100 unshare --kill-child --mount --pid --fork --mount-proc bash -c '
		mount -t tmpfs none "$1/layer"
		for dir in /etc /run /var /usr/local; do
			mkdir -p "$1/layer$dir/"{up,work}
			mount -t overlay -o "lowerdir=$dir,upperdir=$1/layer$dir/up,workdir=$1/layer$dir/work" none "$dir"
		done
		cd "$2" && PATH=/usr/local/sbin:/usr/local/bin:$PATH BUILD=$3 bash "$1/commands" 3>&-' \
		bash "$T" "$REPO" "$WARDER_BUILD" 3>&-
	echo "$output"
	[ "$status" = 0 ]
	while read -r line; do
		says "$line"
		checked=$((checked + 1))
	done < <(awk '/^```text$/ {on = 1; next} /^```/ {on = 0} on' "$readme")
	[ "$checked" -ge 2 ]
	[ ! -e /usr/local/libexec/warder ]
}

@test "runc-hook" {
	follow runc-hook
}

@test "runc-native" {
	follow runc-native
}

@test "crun-hook" {
	follow crun-hook
}

@test "crun-native" {
	follow crun-native
}

@test "podman-hooks" {
	follow podman-hooks
}

@test "podman-native" {
	follow podman-native
}

@test "containerd-ctr" {
	follow containerd-ctr
}

@test "docker-runtime" {
	follow docker-runtime
}

@test "each example is tested, and its files are good" {
	local dir
	for dir in "$REPO"/oci-examples/*/; do
		grep -q "follow $(basename "$dir")\$" "$BATS_TEST_FILENAME"
		cat "$dir"/*.json | jq . >/dev/null
		"$WARDER_BUILD/warder" policy check --strict "$dir/policy.json"
	done
}
