# Every example, as written: the ```sh blocks of its README, one script, from the top of the repository.
load lib

follow() {
	sed -n '/^```sh$/,/^```$/{/^```/!p}' "$REPO/oci-examples/$1/README.md" >"$T/script"
	(cd "$REPO" && TMPDIR=$T timeout 120 bash -eu -m -o pipefail "$T/script" 2>&1 8>&- 3>&-)
}

left_behind() { pgrep -f "$T/tmp" || ls -d "$T"/tmp.* 2>/dev/null; }

example() {
	[ "$WARDER_BUILD" = "$REPO/build" ] || [ -e "$REPO/build" ] || ln -s "$WARDER_BUILD" "$REPO/build"
	run follow "$1"
	echo "$output"
	[ "$status" = 0 ]
	says "default.json: ok" made unshared "mkdir: deny with EROFS, done: continue" \
		"unshare: deny with EPERM, done: continue" "Read-only file system" "Operation not permitted" \
		"mkdir: deny with EROFS, done: errno" "unshare: deny with EPERM, done: errno"
	run left_behind
	[ -z "$output" ]
}

@test "oci-examples/runc-hook" {
	example runc-hook
}

@test "oci-examples/runc-native" {
	example runc-native
}

@test "every example has a test" {
	local dir
	for dir in "$REPO"/oci-examples/*/; do
		grep -q "example $(basename "$dir")\$" "$BATS_TEST_DIRNAME/examples.bats"
	done
}
