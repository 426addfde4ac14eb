# Where events go: files that are rotated, removed and full; stdout, syslog, journald; a webhook.
load lib

# config EVENTS: $T/config with these outputs
config() {
	jq -n "{events: $1, budget: {rate: 1000, burst: 5000}}" >"$T/config"
}

# Processes of a test's own, ended with it.
HELPERS=()
IN=()

teardown() {
	local pid
	for pid in "${HELPERS[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	teardown_warder
}

# elsewhere SCRIPT: a private mount namespace in which SCRIPT has run; its holder is in $holder, and
# warderd will start there
elsewhere() {
	unshare -m bash -c "set -e; $1; touch '$T/held'; exec sleep infinity" >/dev/null 2>&1 3>&- &
	holder=$!
	HELPERS+=("$holder")
	IN=(nsenter -t "$holder" -m)
	wait_for 5 test -e "$T/held"
}

# start OPTIONS...: a warderd that goes by $T/config alone for its events
start() {
	mkfifo "$T/ready"
	"${IN[@]}" "$WARDER_BUILD/warderd" -c "$T/config" --socket "$T/s" --policies "$T/policies" "$@" \
		--ready-fd 8 8<>"$T/ready" >"$T/out" 2>"$T/log" 3>&- &
	WARDERD_PID=$!
	read -r -t 20 <>"$T/ready"
	rm "$T/ready"
}

# container COMMAND...: runs it under the hook
container() {
	mkbundle "$T/b" "$@"
	hook "$T/b"
	run_runc "$T/b"
}

# unshares N: so many denied calls in one container, each with the same arguments
unshares() {
	container sh -c "i=0; while [ \$i -lt $1 ]; do unshare -n true 2>/dev/null; i=\$((i+1)); done"
}

# total FILE...: the calls that its lines stand for
total() {
	cat "$@" | jq -s 'map(select(.type == "call" or .type == "suppressed" or .type == "lost") | .count // 1) | add // 0'
}

# counted: what the sessions have counted that makes an event
counted() {
	cat "$@" | jq -s 'map(select(.type == "session_end") | .audited + .denied + .killed) | add // 0'
}

@test "a bad output is refused with its place, and nothing is started" {
	local row says
	while IFS='|' read -r row says; do
		config "$row"
		run timeout 10 "$WARDER_BUILD/warderd" -c "$T/config" --socket "$T/s"
		echo "$output"
		[ "$status" = 1 ]
		says "$says"
	done <<-'ROWS'
		[]|events: must hold 1 to 8 outputs
		[{"sink":"file"}]|events[0]: a "file" needs "path"
		[{"sink":"stdout"},{"sink":"smoke"}]|events[1].sink: "smoke" is no sink (file, stdout, syslog, journald, webhook)
		[{"sink":"stdout","path":"/x"}]|events[0].path: unknown key of a "stdout"
		[{"path":"/x"}]|events[0]: "sink" is missing
		[{"sink":"file","path":"/x","max_size":"1X"}]|events[0].max_size: "1X" is no size
		[{"sink":"file","path":"/x","max_size":7}]|events[0].max_size: must be from 65536 to
		[{"sink":"file","path":"/x"},{"sink":"file","path":"/x"}]|events: two outputs are the file /x
		[{"sink":"webhook","url":"ftp://x"}]|events[0]: url: "ftp://x" begins with neither https:// nor http://
		[{"sink":"webhook","url":"http://x","token_file":"/nowhere"}]|/nowhere
	ROWS
}

@test "SIGUSR1 after a rename: the old file and the new one add up" {
	config "[{sink: \"file\", path: \"$T/events\"}]"
	start --mode enforce
	unshares 3
	wait_event '.type == "session_end"'
	mv "$T/events" "$T/events.old"
	kill -USR1 "$WARDERD_PID"
	wait_for 5 test -e "$T/events"
	unshares 4
	wait_event '.type == "session_end"'
	stop_warderd
	[ "$(total "$T/events.old")" = 3 ]
	[ "$(total "$T/events")" = 4 ]
	! grep -q removed "$T/log"
}

@test "a removed file is noticed, said, and made anew" {
	config "[{sink: \"file\", path: \"$T/events\"}]"
	start --mode enforce
	unshares 1
	wait_event '.type == "session_end"'
	rm "$T/events"
	unshares 2
	wait_event '.type == "session_end"'
	[ "$(total "$T/events")" = 2 ]
	grep -q 'was removed or renamed; it is opened anew' "$T/log"
}

@test "a full disk beside a good one: counted, said once in the log and in the file when there is room" {
	mkdir "$T/small"
	elsewhere "mount -t tmpfs -o size=64k none '$T/small'; head -c 61440 /dev/zero >'$T/small/ballast'"
	local small=/proc/$holder/root$T/small
	config "[{sink: \"file\", path: \"$T/small/events\"}, {sink: \"file\", path: \"$T/events\"}]"
	start --mode enforce
	container sh -c 'i=0; while [ $i -lt 40 ]; do unshare -n true 2>/dev/null; i=$((i+1)); done'
	wait_event '.type == "session_end"'
	[ "$(total "$T/events")" = 40 ]
	wait_for 5 grep -q 'what is missing is counted' "$T/log"
	rm "$small/ballast"
	unshares 1
	wait_for 5 grep -q 'events are written again' "$T/log"
	[ "$(grep -c 'what is missing is counted' "$T/log")" = 1 ]
	[ "$(total "$small/events")" = 41 ]
	jq -se 'map(select(.type == "lost")) | length > 0 and all(.lines > 0)' "$small/events"
}

@test "stdout whose reader has stopped holds up neither containers nor the file" {
	config "[{sink: \"stdout\", queue: \"64K\"}, {sink: \"file\", path: \"$T/events\"}]"
	mkfifo "$T/out"
	exec 7<>"$T/out"
	start --mode enforce
	unshares 400
	wait_event '.type == "session_end"'
	[ "$(total "$T/events")" = 400 ]
	stop_warderd
	exec 7>&-
	[ "$(counted "$T/events")" = 400 ]
}

# journal: what stands for systemd's, in $T/journal
journal() {
	nsenter -t "$holder" -m python3 - "$T" <<-'PY' >/dev/null 2>&1 3>&- &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind("/run/systemd/journal/socket")
		out = open(sys.argv[1] + "/journal", "wb", 0)
		while True:
		    out.write(s.recv(65536) + b"\n")
	PY
	HELPERS+=($!)
	wait_for 5 test -e "$T/journal"
}

@test "journald gets each line" {
	elsewhere "mount -t tmpfs none /run; mkdir -p /run/systemd/journal"
	journal
	config "[{sink: \"journald\"}, {sink: \"file\", path: \"$T/events\"}]"
	start --mode enforce
	unshares 3
	wait_event '.type == "session_end"'
	wait_for 5 grep -q '"type":"session_end"' "$T/journal"
	grep -q '^WARDER_EVENT=1' "$T/journal"
	grep -q '^PRIORITY=4' "$T/journal"
	[ "$(sed -n 's/^MESSAGE=//p' "$T/journal" | jq -s 'map(select(.type == "call") | .count // 1) | add')" = 3 ]
}

@test "syslog gets each line" {
	elsewhere "mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9"
	nsenter -t "$holder" -m python3 - "$T" <<-'PY' >/dev/null 2>&1 3>&- &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind("/dev/log")
		out = open(sys.argv[1] + "/syslog", "wb", 0)
		while True:
		    out.write(s.recv(65536) + b"\n")
	PY
	HELPERS+=($!)
	wait_for 5 test -e "$T/syslog"
	config "[{sink: \"syslog\"}, {sink: \"file\", path: \"$T/events\"}]"
	start --mode enforce
	unshares 3
	wait_event '.type == "session_end"'
	wait_for 5 grep -q '"type":"session_end"' "$T/syslog"
	grep -q '^<28>.*warderd\[[0-9]*\]: {.*"done":"errno"' "$T/syslog"
}

# webhook ANSWERS...: a server on $port that answers so (the last one for ever) and keeps what it got
webhook() {
	python3 - "$T" "$@" <<-'PY' >/dev/null 2>&1 3>&- &
		import http.server, sys
		folder, answers = sys.argv[1], [int(a) for a in sys.argv[2:]]
		class Handler(http.server.BaseHTTPRequestHandler):
		    def do_POST(self):
		        body = self.rfile.read(int(self.headers["Content-Length"]))
		        answer = answers.pop(0) if len(answers) > 1 else answers[0]
		        open(folder + f"/got.{answer}", "ab").write(body)
		        open(folder + "/heads", "a").write(str(self.headers))
		        self.send_response(answer)
		        self.end_headers()
		    def log_message(self, *args):
		        pass
		server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
		open(folder + "/port.new", "w").write(str(server.server_port))
		import os
		os.rename(folder + "/port.new", folder + "/port")
		server.serve_forever()
	PY
	HELPERS+=($!)
	wait_for 10 test -s "$T/port"
	port=$(cat "$T/port")
}

@test "a webhook gets each line, after answers that ask to try again; its courier has nothing" {
	local courier
	webhook 503 429 200
	echo secret >"$T/token"
	config "[{sink: \"webhook\", url: \"http://127.0.0.1:$port/x\", token_file: \"$T/token\"}, {sink: \"file\", path: \"$T/events\"}]"
	start --mode enforce
	unshares 5
	wait_event '.type == "session_end"'
	wait_for 10 grep -qs session_end "$T/got.200" || { cat "$T/log" "$T/heads" >&2; ls "$T" >&2; false; }
	grep -q 'Authorization: Bearer secret' "$T/heads"
	grep -qi 'content-type: application/x-ndjson' "$T/heads"
	courier=$(pgrep -P "$(pgrep -P "$WARDERD_PID" warderd-scribe)" warderd-courier)
	[ "$(awk '/^CapEff/ {print $2}' "/proc/$courier/status")" = 0000000000000000 ]
	[ "$(awk '/^Seccomp:/ {print $2}' "/proc/$courier/status")" = 2 ]
	[ -z "$(find "/proc/$courier/fd" -type l ! -lname /dev/null ! -lname 'socket:*' ! -lname 'anon_inode:\[eventpoll\]')" ]
	stop_warderd
	[ "$(total "$T/got.200")" = 5 ]
	grep -q 'webhook .*the server answers 503' "$T/log"
	grep -q 'events are written again' "$T/log"
}

@test "a webhook that is not there, and one that refuses, hold up nothing" {
	webhook 400
	config "[{sink: \"webhook\", url: \"http://127.0.0.1:1/\"}, {sink: \"webhook\", url: \"http://127.0.0.1:$port/\"},
		{sink: \"file\", path: \"$T/events\"}]"
	start --mode enforce
	unshares 20
	wait_event '.type == "session_end"'
	[ "$(total "$T/events")" = 20 ]
	wait_for 10 grep -q 'the server answers 400' "$T/log"
	wait_for 10 grep -q 'webhook http://127.0.0.1:1/: events cannot be written' "$T/log"
	stop_warderd
	grep -q 'lines are missing in it at the end' "$T/log"
}
