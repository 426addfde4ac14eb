# What `make install` puts where: complete, gone after `make uninstall`, and each file good for the program that
# reads it.
load lib

installed() {
	make -s -C "$REPO" BUILD="$WARDER_BUILD" prefix="$T/usr" sysconfdir="$T/etc" "$1" 3>&-
}

@test "install is complete, uninstall leaves nothing" {
	local file
	installed install
	for file in usr/bin/warder usr/sbin/warderd usr/sbin/warder-runtime usr/libexec/warder/warder-hook \
		usr/share/man/man8/warder-runtime.8 usr/share/warder/policies/{docker,podman,restricted}.json \
		usr/lib/systemd/system/warderd.{service,socket} usr/lib/tmpfiles.d/warder.conf etc/logrotate.d/warder; do
		echo "$file"
		[ -s "$T/$file" ]
	done
	[ "$("$T/usr/sbin/warder-runtime" --warder-version)" = "warder-runtime $("$T/usr/bin/warder" --version | cut -d' ' -f2)" ]
	installed uninstall
	run find "$T/usr" "$T/etc" -not -type d
	[ "$output" = "" ]
	run find "$T/usr" -name 'warder*'
	[ "$output" = "" ]
}

@test "systemd takes the units, tmpfiles and logrotate theirs" {
	installed install
	SYSTEMD_UNIT_PATH=$T/usr/lib/systemd/system: run systemd-analyze verify --man=no \
		"$T/usr/lib/systemd/system/warderd.service" "$T/usr/lib/systemd/system/warderd.socket"
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" != *"$T"* ]]
	mkdir "$T/root"
	systemd-tmpfiles --create --root="$T/root" "$T/usr/lib/tmpfiles.d/warder.conf"
	[ "$(stat -c %a "$T/root/run/warder")" = 700 ]
	sed "s|/var/log/warder|$T/log.d|" "$T/etc/logrotate.d/warder" >"$T/rotate.conf"
	mkdir -m 700 "$T/log.d"
	echo '{}' >"$T/log.d/events.json"
	logrotate -s "$T/rotate.state" -f "$T/rotate.conf"
	[ -e "$T/log.d/events.json.1" ]
}

@test "the installed policies are good, and the configuration is taken" {
	local name
	"$WARDER_BUILD/warder" policy check "$REPO"/packaging/policies/*.json
	cmp "$REPO/packaging/policies/docker.json" "$DATA/docker-default.json"
	cmp "$REPO/packaging/policies/podman.json" "$DATA/podman-default.json"
	for name in docker podman restricted; do
		[ "$(jq -r '.warder.mode // "audit"' "$REPO/packaging/policies/$name.json")" = audit ]
	done
	start_warderd --config "$REPO/packaging/warderd.json"
	mkbundle "$T/b" sh -c 'unshare -U true; ls / >/dev/null; echo done'
	cp "$REPO/packaging/policies/restricted.json" "$T/policies/"
	hook "$T/b" --policy restricted --mode enforce
	run run_runc "$T/b"
	says "Operation not permitted" "done"
}
