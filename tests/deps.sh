#!/bin/bash
# Installs the Debian packages that are missing, by purpose.
#
#	deps.sh [-q] PURPOSE...        (build, demo, test, lint, bench)
set -eu
declare -A packages=(
	[build]="gcc libc6-dev make pkg-config libseccomp-dev libjson-c-dev libcap-dev libmicrohttpd-dev
		libcurl4-openssl-dev libyaml-dev libsystemd-dev"
	[demo]="runc busybox-static jq"
	[test]="runc crun podman containerd docker.io umoci busybox-static jq bats libcmocka-dev golang-go util-linux procps iproute2 python3 systemd logrotate
		libcap2-bin curl strace tmux zsh fish clang libclang-rt-14-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross man-db"
	[lint]="clang-tidy clang-format cppcheck shellcheck"
	[bench]="runc crun busybox-static libcmocka-dev util-linux iproute2 python3 strace redis-tools"
)
quiet=
if [ "${1-}" = -q ]; then
	quiet=1
	shift
fi
missing=()
for purpose in "$@"; do
	for package in ${packages[$purpose]}; do
		[ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done
done
if [ ${#missing[@]} = 0 ]; then
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "deps.sh: missing packages, and only root can install them: ${missing[*]}" >&2
	exit 1
fi
[ "$quiet" ] || echo "installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
{
	apt-get install -y --no-install-recommends "${missing[@]}" ||
		{ apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; }
} >"$log" 2>&1 || {
	cat "$log" >&2
	exit 1
}
