# The verbs that talk to a running warderd: real containers, a real terminal (tmux), real shells.
load lib
bats_require_minimum_version 1.5.0

setup_file() {
	export LC_ALL=C.UTF-8
}

warder() {
	WARDER_API=$T/api.sock "$WARDER_BUILD/warder" "$@"
}

# start ID COMMANDS [JQ CHANGE]: a container that says it is ready, runs COMMANDS each time it is told
# to (go), and stays (a writer that still has the fifo open when it is opened again is no word)
start() {
	mkbundle "$T/$1" sh -c "mkfifo /tmp/go; while :; do read x </tmp/go || continue; $2; echo done >>/tmp/done; done"
	hook "$T/$1"
	[ -z "${3-}" ] || edit "$T/$1" "$3"
	runc --root "$T/runc" run -d -b "$T/$1" "$1" >"$T/$1.out" 2>&1 3>&-
	wait_for 10 [ -p "$T/$1/rootfs/tmp/go" ]
}

# go ID: the container's commands, once; returns when they have run
go() {
	local before
	before=$(cat "$T/$1/rootfs/tmp/done" 2>/dev/null | wc -l)
	timeout 10 sh -c 'echo x >"$1"' sh "$T/$1/rootfs/tmp/go"
	wait_for 10 eval '[ "$(cat "$T/'"$1"'/rootfs/tmp/done" 2>/dev/null | wc -l)" -gt '"$before"' ]'
}

# number ID: the first session of a container
number() {
	warder ps --json --container "$1" | jq '.sessions[0].session'
}

teardown() {
	tmux -S "$T/tmux" kill-server 2>/dev/null || true
	teardown_warder
}

# --- who is there ---

@test "without a warderd every verb says so and exits with 5" {
	local words
	for words in ps "show 1" events "events -f" "top --once" "mode 1 audit" "mode --all audit" "deny 1 mount" \
		"allow 1 mount" "lift 1 mount" reload; do
		# shellcheck disable=SC2086
		run warder $words
		echo "$words: $status $output"
		[ "$status" = 5 ]
		says "cannot reach warderd at $T/api.sock: No such file or directory"
	done
	run "$WARDER_BUILD/warder" ps --socket "$T/other"
	[ "$status" = 5 ]
	says "$T/other"
}

@test "a warderd that does not answer is not waited for longer than --timeout" {
	python3 - "$T/api.sock" 3>&- <<-'PY' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen()
		c = s.accept()[0]
		while c.recv(65536):
		    pass
	PY
	wait_for 10 [ -S "$T/api.sock" ]
	run warder ps --timeout 200ms
	[ "$status" = 5 ]
	says "did not answer within 200 ms"
	wait $!
}

@test "ps: one line a session, filters, JSON; a pipe gets everything" {
	start_warderd --mode audit
	run warder ps
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 1 ]
	start web 'unshare -U true'
	start a-container-with-a-name-that-no-narrow-terminal-has-room-for true '.annotations = {
		"io.kubernetes.cri.container-name": "shop", "io.kubernetes.cri.sandbox-name": "pod-1",
		"io.kubernetes.cri.sandbox-namespace": "prod", "io.warder.mode": "enforce"}'
	go web
	run warder ps
	echo "$output"
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 3 ]
	[[ "${lines[0]}" =~ ^SESSION\ +CONTAINER\ +NAME\ +POD\ +POLICY\ +MODE\ +WIRING\ +INIT\ +AGE\ +RECEIVED\ +DENIED\ +AUDITED$ ]]
	[[ "${lines[1]}" =~ web\ +-\ +-\ +default\ +audit\ +hook\ +[0-9]+\ +[0-9]+s\ +[0-9]+\ +0\ +1$ ]]
	says a-container-with-a-name-that-no-narrow-terminal-has-room-for "prod/pod-1"
	[ "$(warder ps --json | jq -r '.sessions[].container' | head -1)" = web ]
	[ "$(warder ps -q | wc -l)" = 2 ]
	[ "$(warder ps -q --container web)" = "$(number web)" ]
	[ "$(warder ps --mode enforce -q)" = "$(warder ps -q --namespace prod)" ]
	[ "$(warder ps -q --pod pod-1)" = "$(warder ps -q --mode enforce)" ]
	[ -z "$(warder ps -q --pod none)" ]
}

@test "ps, show: the sessions of exec stand below their container's" {
	start_warderd --mode enforce
	mkbundle "$T/e1" sh -c 'mkfifo /tmp/go; read x </tmp/go'
	edit "$T/e1" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $s,
		syscalls: [{names: ["unshare"], action: "SCMP_ACT_NOTIFY"}]}' --arg s "$T/s"
	runc --root "$T/runc" run -d -b "$T/e1" e1 >/dev/null 2>&1 3>&-
	wait_for 10 [ -p "$T/e1/rootfs/tmp/go" ]
	start web true
	runc --root "$T/runc" exec -d e1 sh -c 'mkfifo /tmp/go2; read x </tmp/go2' 3>&-
	wait_for 10 [ -p "$T/e1/rootfs/tmp/go2" ]
	run warder ps
	[ "$(awk '{print $2}' <<<"$output" | xargs)" = "CONTAINER e1 e1 web" ]
	run warder show e1
	[ "$(grep -c '^session ' <<<"$output")" = 2 ]
	[ "$(warder show --json e1 | jq -c '[.sessions[].wiring]')" = '["native","native"]' ]
}

@test "show: by number, id, name, or how they begin; what is ambiguous is listed" {
	start_warderd --mode audit
	start web true '.annotations = {"io.kubernetes.cri.container-name": "front"}'
	start web2 true
	start db true
	local n
	n=$(number db)
	run warder show db
	[ "$status" = 0 ]
	says "container   db" "policy      default" "mode        audit" "  received "
	[ "$(warder show "$n" | head -2)" = "$(head -2 <<<"$output")" ]
	[ "$(warder show "session:$n" | head -2)" = "$(head -2 <<<"$output")" ]
	[ "$(warder show d --json | jq '.sessions[].session')" = "$n" ]
	[ "$(warder show fro --json | jq -r '.sessions[].container')" = web ]
	[ "$(warder show web --json | jq -r '.sessions[].container')" = web ]
	run warder show we
	[ "$status" = 3 ]
	says '"we" may be any of: session:' " web (front)" " web2"
	run warder show nobody
	[ "$status" = 3 ]
	says '"nobody"' "see warder ps"
}

@test "ps, show: a hostile name does nothing to a terminal" {
	start_warderd --mode audit
	start web true '.annotations = {"io.kubernetes.cri.container-name": "\u001b[31mred\u009b2J\u202e\u0007"}'
	local verb
	for verb in ps "show web" "ps --json" "show --json web"; do
		WARDER_API=$T/api.sock script -qec "stty cols 200; $WARDER_BUILD/warder $verb" /dev/null >"$T/typescript" </dev/null 3>&-
		echo "$verb"
		cat -v "$T/typescript"
		# The terminal's own: bold, and the ends of lines.
		sed -E 's/\x1b\[[01]m//g; s/\r//g' "$T/typescript" >"$T/rest"
		[ -z "$(LC_ALL=C grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae' "$T/rest")" ]
		grep -qF red "$T/rest"
	done
	run warder ps
	says '\x1b[31mred'
}

# --- top ---

pane() {
	tmux -S "$T/tmux" "$@"
}

shows() {
	pane capture-pane -p | grep -qE "$1"
}

# terminal COLUMNS ROWS: a shell in a real terminal
terminal() {
	PS1='$ ' ENV='' pane -f /dev/null new-session -d -x "$1" -y "$2" "env WARDER_API=$T/api.sock sh" 3>&-
	wait_for 10 shows '[$#]'
}

type_in() {
	pane send-keys "$@"
}

# The shell's own screen, with cursor and echo.
is_restored() {
	[ "$(pane display-message -p '#{alternate_on} #{cursor_flag} #{wrap_flag}')" = "0 1 1" ]
}

@test "top: a screen that follows, with keys and resizing; the terminal is given back" {
	start_warderd --mode audit
	start web 'unshare -U true'
	start db true
	terminal 100 24
	type_in "$WARDER_BUILD/warder top -i 100ms" Enter
	wait_for 10 shows '^warder top .*: 2 sessions, [0-9]+ calls/s'
	shows '^ +SESSION +CONTAINER|^SESSION +CONTAINER'
	shows ' web +default +audit'
	[ "$(pane display-message -p '#{alternate_on} #{cursor_flag}')" = "1 0" ]
	type_in s
	wait_for 10 shows 'sorted by denied/s'
	pane resize-window -x 60 -y 8
	wait_for 10 eval '[ "$(pane capture-pane -p | awk "length > 60 || NR > 8" | wc -l)" = 0 ]'
	wait_for 10 shows '^warder top'
	type_in Down q # at once: both are taken
	wait_for 10 is_restored
	pane resize-window -x 100 -y 24
	type_in 'stty -a | grep -oE " -?(icanon|echo) "' Enter
	wait_for 10 shows '^ ?echo|^ echo'
	wait_for 10 shows '^ ?icanon'
	! shows '^ -(echo|icanon)'
}

@test "top: a signal ends it as it should, and the terminal is given back; stopped and continued too" {
	start_warderd --mode audit
	terminal 80 24
	local row
	for row in TERM:143 HUP:129 QUIT:131 USR1:138 INT:; do
		type_in clear Enter
		wait_for 10 eval '! shows status='
		type_in "$WARDER_BUILD/warder top; echo status=\$?" Enter
		wait_for 10 shows '^warder top'
		kill -s "${row%:*}" "$(pgrep -P "$(pane display-message -p '#{pane_pid}')")"
		# An interactive shell drops the rest of a line whose command was interrupted.
		[ "${row%:*}" = INT ] || wait_for 10 shows "^status=${row#*:}"
		wait_for 10 is_restored
	done
	type_in "$WARDER_BUILD/warder top" Enter
	wait_for 10 shows '^warder top'
	type_in C-z
	wait_for 10 is_restored
	type_in fg Enter
	wait_for 10 shows '^warder top'
	type_in q
	wait_for 10 is_restored
}

@test "top: --once and --json for scripts; no terminal, no screen" {
	start_warderd --mode audit
	start web true
	run warder top --once -i 100ms
	[ "$status" = 0 ]
	[[ "${lines[0]}" =~ ^"warder top "[0-9:]+": 1 session, "[0-9]+" calls/s: 0 denied/s, 0 audited/s" ]]
	says "SESSION  CONTAINER" "RECEIVED/s" web
	[ "$(warder top --once --json -i 100ms | jq -r '.sessions[0] | [.container, .mode, (.received_per_s | type)] | join(" ")')" = \
		"web audit number" ]
	run warder top </dev/null
	[ "$status" = 1 ]
	says "no terminal" "--once"
}

# --- completion ---

# complete_bash WORD...: the candidates of bash for the last, as its completion gives them
complete_bash() {
	WARDER_API=$T/api.sock PATH=$WARDER_BUILD:$PATH bash --norc -c '. <(warder completion bash)
		COMP_WORDS=(warder "$@") COMP_CWORD=$#
		_warder && printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

@test "completion: bash completes verbs, options, values, sessions and containers" {
	[ "$(complete_bash po)" = policy ]
	[ "$(complete_bash policy '' | grep -v ^- | xargs)" = "check show replay" ]
	[ "$(complete_bash help policy ch)" = check ]
	[ "$(complete_bash ps --na)" = --namespace ]
	[ "$(complete_bash ps --mode en)" = enforce ]
	[ "$(complete_bash ps --mode = en)" = enforce ]
	[ "$(complete_bash mode --all '' | xargs)" = "audit enforce" ]
	[ "$(complete_bash deny web unsha)" = unshare ]
	[ "$(complete_bash completion z)" = zsh ]
	touch "$T/a policy.json"
	[ "$(complete_bash policy check "$T/a p")" = "$T/a policy.json" ]
	complete_bash run -- tru | grep -qx true
	[ -z "$(complete_bash show '')" ] # no warderd: nothing, and no message
	start_warderd --mode audit
	start web true '.annotations = {"io.kubernetes.cri.container-name": "$(touch evil) front"}'
	[ "$(complete_bash show '' | xargs)" = "$(number web) web" ]
	[ "$(complete_bash mode w)" = web ]
	[ "$(complete_bash ps --container '')" = web ]
	[ "$(complete_bash mode web au)" = audit ]
}

@test "completion: every verb and every option of the help, and no other" {
	local verb
	for verb in $(warder --options | cut -f2); do
		[ "$(complete_bash "$verb" | grep -cx -- "$verb")" = 1 ]
		warder "$verb" --options | grep -q '^verb' && continue
		echo "$verb"
		diff <(complete_bash "$verb" "-" | sort) \
			<(warder "$verb" --help | sed -nE 's/^ +(-., )?(--[a-z-]+).*/\2/p' | sort)
	done
}

@test "completion: fish and zsh complete with it" {
	start_warderd --mode audit
	start web true
	export WARDER_API=$T/api.sock PATH=$WARDER_BUILD:$PATH HOME=$T
	warder completion fish >"$T/warder.fish"
	fish --no-execute "$T/warder.fish"
	[ "$(fish --no-config -c "source $T/warder.fish; complete -C 'warder mode web en'" | cut -f1)" = enforce ]
	[ "$(fish --no-config -c "source $T/warder.fish; complete -C 'warder show '" | cut -f1 | xargs)" = "$(number web) web" ]
	fish --no-config -c "source $T/warder.fish; complete -C 'warder policy check /etc/pass'" | grep -q ^/etc/passwd
	warder completion zsh >"$T/_warder"
	zsh -n "$T/_warder"
	[ "$(zsh -f -c ". $T/_warder; _describe() { print -l \$found }; words=(warder mode web en) CURRENT=4; _warder")" = "enforce:" ]
	[ "$(zsh -f -c ". $T/_warder; _files() { echo files }; words=(warder policy check x) CURRENT=4; _warder")" = files ]
}

@test "mode: audit to enforce and back, on the very next call" {
	start_warderd --mode audit
	start web 'unshare -U true && echo went >>/tmp/log || echo denied >>/tmp/log'
	go web
	run warder mode web enforce
	[ "$status" = 0 ]
	[ "$output" = "session $(number web) (web): audit -> enforce" ]
	go web
	[ "$(warder mode --json web audit | jq -r '.sessions[0].mode')" = audit ]
	go web
	[ "$(xargs <"$T/web/rootfs/tmp/log")" = "went denied went" ]
	run warder mode web audit
	says "audit already"
}

@test "mode --all audit: the break-glass of a node" {
	start_warderd --mode enforce
	start web 'unshare -U true && echo went >>/tmp/log'
	start db 'unshare -U true && echo went >>/tmp/log'
	run warder mode --all audit
	[ "$status" = 0 ]
	[ "$output" = "2 sessions switched to audit" ]
	go web
	go db
	[ "$(cat "$T/web/rootfs/tmp/log" "$T/db/rootfs/tmp/log" | xargs)" = "went went" ]
}

@test "deny, allow, lift: one call of a running container" {
	start_warderd --mode enforce
	start web 'unshare -U true 2>>/tmp/log && echo went >>/tmp/log'
	warder allow web unshare
	go web
	warder lift web unshare
	go web
	warder deny web unshare --errno ENOSPC
	go web
	run warder show web
	says "overrides   unshare deny ENOSPC (x86_64)"
	[ "$(grep -c went "$T/web/rootfs/tmp/log")" = 1 ]
	[[ "$(sed -n 2p "$T/web/rootfs/tmp/log")" == *"Operation not permitted" ]]
	[[ "$(sed -n 3p "$T/web/rootfs/tmp/log")" == *"No space left on device" ]]
	run warder deny web getpid # the filter allows it in the kernel
	[ "$status" = 4 ]
}

@test "reload: a bad policy changes nothing and is said" {
	start_warderd --mode audit
	start web true
	run warder reload
	[ "$status" = 0 ]
	[[ "${lines[1]}" =~ ^default\ +unchanged\ +1$ ]]
	echo nonsense >"$T/policies/default.json"
	run warder reload
	[ "$status" = 1 ]
	says "default.json" refused
}

@test "events: filters, a line for people, JSON; hostile names do nothing to a terminal" {
	policy default '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["chdir", "mount"], action: "SCMP_ACT_ERRNO"}]}'
	start_warderd --mode audit
	mkbundle "$T/b" sh -c "exec -a sh '/bin/e"$'\033'"[31mvil' -c 'cd /tmp; mount x y'"
	cp /bin/busybox "$T/b/rootfs/bin/e"$'\033'"[31mvil"
	hook "$T/b"
	run run_runc "$T/b"
	wait_event '.type == "session_end"'
	run warder events --type call --syscall mount
	[ "$status" = 0 ]
	says "would be denied EPERM" "mount("
	warder events >"$T/out"
	cat "$T/out"
	[ "$(LC_ALL=C grep -c $'\033' "$T/out")" = 0 ]
	grep 'chdir(' "$T/out" | grep -qF 'e\x1b[31mvil['
	[ "$(warder events --json --syscall chdir -n 1 | jq -r .syscall)" = chdir ]
	[ -z "$(warder events --since 2099-01-01)" ]
}

@test "events -f: goes on over a restart, says so, prints nothing twice" {
	start_warderd --mode audit
	WARDER_API=$T/api.sock "$WARDER_BUILD/warder" events -f --json >"$T/followed" 2>"$T/said" 3>&- &
	local pid=$!
	mkbundle "$T/b" unshare -U true
	hook "$T/b"
	run_runc "$T/b"
	wait_for 10 grep -q '"session_end"' "$T/followed"
	stop_warderd
	wait_for 10 grep -q 'warderd has gone' "$T/said"
	start_warderd --mode audit
	wait_for 10 grep -q 'connected again' "$T/said"
	run_runc "$T/b"
	wait_for 10 eval '[ "$(grep -c session_end "$T/followed")" = 2 ]'
	kill $pid
	[ "$(sort "$T/followed" | uniq -d | wc -l)" = 0 ]
}
