#!/bin/bash
# The main job on a real container: audit, then enforce, through runc's prestart hook. As root; needs
# nothing set up and leaves nothing behind. $WARDER_BUILD: the build folder.
set -eu
: "${WARDER_BUILD:=$(cd "$(dirname "$0")/.." && pwd)/build}"
repo=$(cd "$(dirname "$0")/.." && pwd)
if [ "$(id -u)" != 0 ]; then
	echo "demo: runc and ptrace need root" >&2
	exit 1
fi
dir=$(mktemp -d /tmp/warder-demo.XXXXXX)
daemon=
finish() {
	runc --root "$dir/runc" delete -f "warder-demo-$$" 2>/dev/null || true # interrupted
	[ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

mkdir -p "$dir/policies" "$dir/bundle/rootfs/"{bin,proc,dev,sys,tmp}
cp "$repo/tests/data/docker-default.json" "$dir/policies/default.json"
cp /bin/busybox "$dir/bundle/rootfs/bin/"
for applet in sh unshare true cat; do
	ln -s busybox "$dir/bundle/rootfs/bin/$applet"
done
# shellcheck disable=SC2016
workload='try() { "$@" >/dev/null 2>/tmp/error && echo "  $* ... works" || echo "  $* ... $(cat /tmp/error)"; }
try unshare -U true
try unshare -Un true
try unshare -Um true'
cd "$dir/bundle"
runc spec
jq --arg hook "$WARDER_BUILD/warder-hook" --arg sock "$dir/sock" --arg work "$workload" '
	.process.terminal = false | .root.readonly = false | .process.args = ["sh", "-c", $work]
	| .hooks.prestart = [{path: $hook, args: ["warder-hook", "--socket", $sock]}]' \
	config.json >config.new
mv config.new config.json

for mode in audit enforce; do
	mkfifo "$dir/ready"
	"$WARDER_BUILD/warderd" --socket "$dir/sock" --policies "$dir/policies" --mode $mode \
		--events "$dir/$mode.json" --ready-fd 8 8<>"$dir/ready" 2>"$dir/log" &
	daemon=$!
	read -r -t 20 <>"$dir/ready" || { cat "$dir/log" >&2 && exit 1; }
	rm "$dir/ready"
	echo
	echo "== $mode: a container under Docker's default profile, started by runc with our prestart hook"
	runc --root "$dir/runc" run "warder-demo-$$"
	kill "$daemon" && wait "$daemon"
	daemon=
	if [ $mode = audit ]; then
		echo "   the profile would have blocked:"
	else
		echo "   the profile blocked:"
	fi
	jq -r 'select(.type == "call") | "     \(.syscall) by \(.comm): \(.verdict) with \(.errno), done: \(.done), answered in \(.latency_ns / 1000 | floor) us"' \
		"$dir/$mode.json"
done
echo
echo "One event, whole:"
jq -c 'select(.type == "call")' "$dir/enforce.json" | head -1
