# warder, the command line: every verb and every option, for real.
load lib
bats_require_minimum_version 1.5.0

MAN=$REPO/man/warder.1
VERBS=("run" "policy check" "policy show" "policy replay" "doctor" "ps" "show" "events" "top" "mode"
	"deny" "allow" "lift" "reload" "completion")

warder() {
	"$WARDER_BUILD/warder" "$@"
}

# As an ordinary user; what it needs must be readable by all.
as_user() {
	setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$T/user" "$@"
}

# good_for_users: a folder that any user may use, with a program that any user may run
good_for_users() {
	mkdir -m 777 "$T/user"
	cp "$WARDER_BUILD/warder" "$T/user/warder"
	chmod 755 "$T" "$T/policies"
}

# options VERB...: the long options of its help
options() {
	# shellcheck disable=SC2068
	warder $@ --help | sed -nE 's/^ +(-., )?(--[a-z-]+).*/\2/p'
}

# The policies of these tests.
mkdir_denied='{defaultAction: "SCMP_ACT_ALLOW", syscalls: [
	{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 122}]}'
all_allowed='{defaultAction: "SCMP_ACT_ALLOW"}'

# --- help ---

@test "each verb has help, an example and a version" {
	local verb
	for verb in "${VERBS[@]}"; do
		# shellcheck disable=SC2086
		run warder $verb --help
		[ "$status" = 0 ]
		says "usage: warder $verb" "--help" "Examples:" "  warder $verb "
		# shellcheck disable=SC2086
		[ "$(warder help $verb)" = "$output" ]
		# shellcheck disable=SC2086
		[[ "$(warder $verb --version)" =~ ^"warder $verb "[0-9]+\.[0-9]+\.[0-9]+$ ]]
	done
	[[ "$(warder --version)" =~ ^"warder "[0-9]+\.[0-9]+\.[0-9]+$ ]]
	[ "$(warder help)" = "$(warder --help)" ]
}

@test "what is called wrongly fails with 2, words on stderr, nothing on stdout" {
	local words
	for words in "" "nonsense" "help nonsense" "policy" "policy nonsense" "policy check" \
		"policy show" "policy show a b" "policy replay a" "doctor word" "doctor --nonsense" \
		"policy check --caps" "policy check --strict=1 a" "policy show --arch vax a" \
		"policy show --kernel six a" "policy show --caps CAP_NONE a" "ps word" "show" "show a b" \
		"events --since yesterday" "events --lines many" "top --interval 1ms" "mode web" "mode web record" \
		"mode --all web audit" "deny web" "deny web nonsense" "deny web mount --errno EMANY" "allow web" \
		"lift web mount mount" "reload word" "completion" "completion tcsh" "show --socket"; do
		# shellcheck disable=SC2086
		run warder $words
		echo "$words: $status"
		[ "$status" = 2 ]
		[ "$output" ]
		# shellcheck disable=SC2086
		[ -z "$(warder $words 2>/dev/null)" ]
	done
}

@test "the manual has each option of the help, and no other" {
	local verb have want
	for verb in "${VERBS[@]}"; do
		have+=$(options "$verb")$'\n'
	done
	want=$(for page in "$MAN" "$REPO/man/warder-control.1"; do
		sed 's/\\-/-/g' "$page" | sed -nE '/^\.SH EXAMPLES/q; s/^\.BR? .*(--[a-z]+).*/\1/p'
	done)
	diff <(sort -u <<<"$have" | grep .) <(sort -u <<<"$want" | grep .)
}

@test "the manual has each code of the doctor" {
	diff <(warder doctor --json | jq -r '.[].code') <(grep -oE '^W0.*	T' "$MAN" | grep -oE 'W[0-9]{3}')
}

# --- policy check ---

@test "policy check: a good policy, one line" {
	policy a "$mkdir_denied + {warder: {mode: \"enforce\", rules: [{names: [\"ptrace\"], verdict: \"kill\"}]}}"
	run warder policy check "$T/policies/a.json"
	[ "$status" = 0 ]
	[[ "$output" =~ ^"$T/policies/a.json: ok: 3 rules, 1 architectures, mode enforce, gate "[0-9]+" instructions"$ ]]
	run warder policy check --quiet "$T/policies/a.json"
	[ "$status" = 0 ]
	[ -z "$output" ]
}

@test "policy check: Docker's and Podman's profiles are policies" {
	run warder policy check "$DATA/docker-default.json" "$DATA/podman-default.json"
	[ "$status" = 0 ]
	says "docker-default.json: ok: 377 rules, 3 architectures, mode audit" \
		"podman-default.json: ok: 438 rules, 3 architectures, mode audit"
}

@test "policy check: a warning names the place; with --strict it fails" {
	policy a "$all_allowed + {nonsense: 1}"
	run warder policy check "$T/policies/a.json"
	[ "$status" = 0 ]
	says "$T/policies/a.json: nonsense: " "ok: " ", 1 warning"
	run warder policy check --strict "$T/policies/a.json"
	[ "$status" = 1 ]
	says "not ok: "
}

@test "policy check: an error names file, place and reason; the other files are checked" {
	policy bad '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["read"], action: "SCMP_ACT_ERRNO",
		args: [{index: 6, value: 0, op: "SCMP_CMP_EQ"}]}]}'
	policy good "$all_allowed"
	echo '{"defaultAction":' >"$T/policies/cut.json"
	run warder policy check "$T/policies/"{bad,cut,good,none}.json "$T"
	[ "$status" = 1 ]
	says "$T/policies/bad.json: syscalls[0].args[0].index: " "$T/policies/cut.json:" \
		"$T/policies/good.json: ok" "$T/policies/none.json: No such file" "$T is no regular file"
}

@test "policy check: actions whose effect is another are said, used ones only" {
	run warder policy check -q "$DATA/differential/every-action.json"
	[ -z "$output" ]
	run warder policy check "$DATA/differential/every-action.json"
	[ "$status" = 0 ]
	says "note: SCMP_ACT_KILL_THREAD: in enforce, " "note: SCMP_ACT_TRAP" "note: SCMP_ACT_TRACE"
	policy a "$mkdir_denied + {warder: {rules: [{names: [\"ptrace\"], verdict: \"kill\"}]}}"
	run warder policy check "$T/policies/a.json"
	[ "$status" = 0 ]
	[[ "$output" != *note* ]]
}

@test "policy check: what only some capabilities bring in is compiled too" {
	policy a '{defaultAction: "SCMP_ACT_ERRNO", syscalls: [
		{names: ["uname"], action: "SCMP_ACT_KILL_THREAD", includes: {caps: ["CAP_SYS_ADMIN"]}}]}'
	run warder policy check "$T/policies/a.json"
	[ "$status" = 0 ]
	says KILL_THREAD
	run warder policy check --caps none "$T/policies/a.json"
	[ "$status" = 0 ]
	[[ "$output" != *KILL_THREAD* ]]
}

# --- policy show ---

# verdict OPTIONS...: of the one call asked for
verdict() {
	warder policy show --json "$@" 2>/dev/null | jq -r '.syscalls[0] | [.nr, .verdict, .errno // "-", .why // "-"] | join(" ")'
}

@test "policy show: each call has a verdict and a reason" {
	policy a "$mkdir_denied"
	run warder policy show "$T/policies/a.json"
	[ "$status" = 0 ]
	says "policy a: mode audit, default allow" "   83  mkdir                      errno EDQUOT       syscalls[0]"
	local n
	n=$(grep -cE '^ +[0-9]+  [a-z_]' <<<"$output")
	says "$n calls: $((n - 2)) allow, 2 errno EDQUOT; numbers without a name: allow"
}

@test "policy show: --json has what the table has" {
	warder policy show "$DATA/docker-default.json" >"$T/table"
	warder policy show --json "$DATA/docker-default.json" >"$T/json"
	diff <(grep -E '^ +[0-9]+  [a-z_]' "$T/table" | awk '{print $1, $2, $3}') \
		<(jq -r '.syscalls[] | "\(.nr) \(.name) \(if .verdict == "by_args" then "by" else .verdict end)"' "$T/json")
	[ "$(jq -c '[.policy, .mode, .arch, .caps, .default, .enosys_above > 400, .gate_instructions > 500]' "$T/json")" = \
		'["docker-default","audit","amd64","default",{"verdict":"errno","errno":"EPERM"},true,true]' ]
}

@test "policy show: the clauses of a call that its arguments decide, in order" {
	run warder policy show -s personality "$DATA/docker-default.json"
	[ "$status" = 0 ]
	says "by arguments
         A0 == 0x0 -> allow  (syscalls[5])
         A0 == 0x8 -> allow  (syscalls[6])" "otherwise -> errno EPERM  (default)"
	run warder policy show -s nonsense "$DATA/docker-default.json"
	[ "$status" = 1 ]
	says '"nonsense" is no system call of amd64'
}

@test "policy show: --caps, --arch and --kernel say where" {
	local docker=$DATA/docker-default.json
	[ "$(verdict -s mount "$docker")" = "165 errno EPERM default" ]
	[ "$(verdict -s mount --caps none "$docker")" = "165 errno EPERM default" ]
	[[ "$(verdict -s mount --caps CAP_SYS_ADMIN "$docker")" == "165 allow - syscalls["* ]]
	[[ "$(verdict -s mount --caps kill,sys_admin "$docker")" == "165 allow - syscalls["* ]]
	[[ "$(verdict -s mount --caps all --arch x86 "$docker")" == "21 allow - syscalls["* ]]
	[[ "$(verdict -s mount --caps all -a SCMP_ARCH_AARCH64 "$docker")" == "40 allow - syscalls["* ]]
	[[ "$(verdict -s ptrace --kernel 4.8 "$docker")" == "101 allow - syscalls["* ]]
	[ "$(verdict -s ptrace --kernel 4.7 "$docker")" = "101 errno EPERM default" ]
}

@test "policy show: for another machine its architecture is there unasked, a sub-architecture is not" {
	policy a "$mkdir_denied"
	[ "$(verdict -s mkdir --arch arm "$T/policies/a.json")" = "39 errno EDQUOT syscalls[0]" ]
	[ "$(verdict -s mkdirat --arch arm64 "$T/policies/a.json")" = "34 errno EDQUOT syscalls[0]" ]
	[ "$(verdict -s mkdir --arch x86 "$T/policies/a.json")" = "39 kill_thread - bad architecture" ]
}

@test "policy show: what stays in the kernel and what is never blocked is said" {
	policy a '{defaultAction: "SCMP_ACT_ERRNO", warder: {rules: [
		{names: ["uname"], verdict: "deny", errno: "EXDEV", live: false},
		{names: ["ptrace"], verdict: "kill", message: "no debuggers"}]}}'
	run warder policy show "$T/policies/a.json"
	says "uname                      errno EXDEV        warder.rules[0] (in the kernel: no event)" \
		"ptrace                     kill_process       warder.rules[1]: no debuggers" \
		"exit_group                 allow              always"
}

@test "policy show: --bpf is the gate, --meaning the profile" {
	local n
	policy a "$mkdir_denied"
	run warder policy show --bpf "$T/policies/a.json"
	[ "$status" = 0 ]
	n=$((${#lines[@]} - 1))
	[ "${lines[0]}" = "gate: $n instructions" ]
	[ "${lines[1]}" = "   0: ld [4]" ]
	says "ret #0x7fc00000"
	run warder policy show --meaning "$T/policies/a.json"
	[ "$status" = 0 ]
	[[ "${lines[0]}" == "meaning: "* ]]
	says "ret #0x5007a"
	[[ "$output" != *0x7fc00000* ]]
}

# --- policy replay ---

@test "policy replay: the policy that made the events differs nowhere, another does" {
	policy a "$mkdir_denied"
	policy b "$all_allowed"
	warder run -q -p "$T/policies/a.json" -e "$T/ev" -- sh -c "mkdir $T/x; mkdir $T/y"
	run warder policy replay "$T/policies/a.json" "$T/ev"
	[ "$status" = 0 ]
	[ "$output" = "2 calls, 0 decided differently" ]
	run warder policy replay "$T/policies/b.json" - <"$T/ev"
	[ "$status" = 1 ]
	says "2  mkdir    x86_64  errno EDQUOT  syscalls[0]  allow  default  mkdir" "2 calls, 2 decided differently"
}

@test "policy replay: lines that are none are named and counted" {
	policy a "$all_allowed"
	printf '{"type":"call"\n\nnonsense\n' >"$T/ev"
	run warder policy replay "$T/policies/a.json" "$T/ev"
	[ "$status" = 1 ]
	says "$T/ev:1: " "$T/ev:3: " "lines not understood"
	run warder policy replay "$T/policies/a.json" "$T/none"
	[ "$status" = 1 ]
	says "$T/none: No such file"
}

@test "policy replay: --caps, --arch and --kernel say where" {
	local docker=$DATA/docker-default.json
	warder run -q -p "$docker" --caps default -e "$T/ev" -- unshare -U true
	run warder policy replay "$docker" "$T/ev"
	[ "$status" = 0 ]
	run warder policy replay --caps CAP_SYS_ADMIN "$docker" "$T/ev"
	[ "$status" = 1 ]
	run warder policy replay --arch amd64 --kernel 6.1 "$docker" "$T/ev"
	[ "$status" = 0 ]
}

# --- run ---

@test "run: audit lets through and lists" {
	policy a "$mkdir_denied"
	run warder run --policy "$T/policies/a.json" -- sh -c "mkdir $T/x && mkdir $T/y; exit 3"
	[ "$status" = 3 ]
	says "policy a, audit: would have blocked 2 of " "2  mkdir    errno EDQUOT  let through  syscalls[0]  mkdir"
	[ -d "$T/y" ]
}

@test "run: enforce blocks with the profile's errno, and lists" {
	policy a "$mkdir_denied"
	run warder run -p "$T/policies/a.json" --mode enforce -- mkdir "$T/x"
	[ "$status" = 1 ]
	says "Disk quota exceeded" "policy a, enforce: blocked 1 of " "1  mkdir    errno EDQUOT  refused  syscalls[0]  mkdir"
	[ ! -d "$T/x" ]
}

@test "run: the policy's own mode; a rule that kills" {
	policy a "$all_allowed"' + {warder: {mode: "enforce", rules: [
		{names: ["mkdir"], verdict: "kill", message: "no folders"}]}}'
	run warder run -p "$T/policies/a.json" -e "$T/ev" mkdir "$T/x"
	[ "$status" = 137 ]
	says "1  mkdir    kill_process  killed  warder.rules[0]  mkdir"
	[ "$(jq -r 'select(.type == "call") | [.done, .message, .exe] | join(" ")' "$T/ev")" = "kill_process no folders $(realpath "$(command -v mkdir)")" ]
}

@test "run: record watches every call and lets it through" {
	policy a '{defaultAction: "SCMP_ACT_ERRNO"}'
	run warder run -p "$T/policies/a.json" -m record -- ls -lR "$REPO/lib"
	[ "$status" = 0 ]
	says "policy a, record: would have blocked "
	[ "$(warder run -q -p "$T/policies/a.json" -m record -- ls -lR "$REPO/lib")" = "$(ls -lR "$REPO/lib")" ]
}

@test "run: a policy that notifies every call, also write and close" {
	policy a '{defaultAction: "SCMP_ACT_ERRNO"}'
	diff <(warder run -q -p "$T/policies/a.json" -- sh -c 'ls -lR /etc; echo to stderr >&2' 2>&1) \
		<(sh -c 'ls -lR /etc; echo to stderr >&2' 2>&1)
}

@test "run: --events appends one object a line; - is stderr" {
	policy a "$mkdir_denied"
	warder run -q -p "$T/policies/a.json" --events "$T/ev" -- mkdir "$T/x"
	[ "$(stat -c %a "$T/ev")" = 600 ]
	run warder run -q -p "$T/policies/a.json" -e "$T/ev" -m enforce -- mkdir "$T/y"
	[ "$(jq -r '[.type, .mode, .syscall // "-", .done // "-"] | join(" ")' "$T/ev")" = "session_start audit - -
call audit mkdir continue
session_end audit - -
session_start enforce - -
call enforce mkdir errno
session_end enforce - -" ]
	[ "$(warder run -p "$T/policies/a.json" -e - -- mkdir "$T/z" 2>&1 >/dev/null | jq -r .type | paste -sd' ')" = \
		"session_start call session_end" ]
}

@test "run: events that cannot be written are said, the command goes on" {
	policy a "$mkdir_denied"
	run warder run -p "$T/policies/a.json" -e /dev/full -- sh -c "mkdir $T/x && echo went on"
	[ "$status" = 0 ]
	says "went on" "events cannot be written" "No space left on device"
	run warder run -p "$T/policies/a.json" -e "$T/none/ev" -- mkdir "$T/y"
	[ "$status" = 125 ]
	[ ! -d "$T/y" ]
}

@test "run: --quiet adds nothing" {
	policy a "$mkdir_denied"
	run warder run --quiet -p "$T/policies/a.json" -- sh -c "mkdir $T/x; echo out; echo err >&2"
	[ "$status" = 0 ]
	[ "$(sort <<<"$output" | paste -sd' ')" = "err out" ]
}

@test "run: exit statuses" {
	local t
	policy a "$all_allowed"
	export WARDER_POLICY=$T/policies/a.json
	: >"$T/file"
	for t in "0 true" "7 sh -c exit\ 7" "127 $T/none" "127 no-such-command" "126 $T/file" "126 $T" \
		"143 sh -c kill\ -TERM\ \$\$" "137 sh -c kill\ -KILL\ \$\$" "125 --nonsense" "125" \
		"125 -m nonsense true" "125 -p $T/none true" "125 --caps CAP_NONE true" "0 --help"; do
		eval "set -- ${t//\$\$/\\\$\\\$}"
		local want=$1
		shift
		run "-$want" warder run "$@"
		echo "$want: $status: $*: $output"
		[ "$status" = "$want" ]
	done
}

@test "run: what cannot be started is said" {
	policy a "$all_allowed + {syscalls: [{names: [\"execve\"], action: \"SCMP_ACT_ERRNO\"}]}"
	run -127 warder run -p "$T/policies/a.json" "$T/none"
	says "$T/none: No such file or directory"
	run warder run -p "$T/policies/a.json" -m enforce true
	[ "$status" = 126 ]
	says "true: Operation not permitted" "does the policy forbid execve?"
}

@test "run: the policy from --policy, the environment, or a message" {
	policy a "$all_allowed"
	policy b "$all_allowed"
	export WARDER_POLICY=$T/policies/a.json
	run warder run true
	says "policy a, audit"
	run warder run -p "$T/policies/b.json" true
	says "policy b, audit"
	unset WARDER_POLICY
	[ -e /etc/warder/policies/default.json ] || {
		run warder run true
		[ "$status" = 125 ]
		says "--policy" "WARDER_POLICY" "/etc/warder/policies/default.json"
	}
}

@test "run: --caps resolves the policy for a container's capabilities" {
	local docker=$DATA/docker-default.json
	run warder run -p "$docker" -m enforce -- unshare -U true
	[ "$status" = 0 ]
	run warder run -p "$docker" -m enforce --caps default -- unshare -U true
	[ "$status" = 1 ]
	says "1  unshare  errno EPERM  refused  default"
}

@test "run: an ordinary user, with no_new_privs, and told so" {
	good_for_users
	policy a "$mkdir_denied"
	run as_user "$T/user/warder" run -p "$T/policies/a.json" -m enforce -- \
		sh -c "id -u; grep NoNewPrivs /proc/self/status; mkdir $T/user/x"
	[ "$status" = 1 ]
	says 65534 "NoNewPrivs:	1" "no_new_privs is set" "Disk quota exceeded" "policy a, enforce: blocked 1 of"
	run as_user "$T/user/warder" run -q -p "$T/policies/a.json" mkdir "$T/user/x"
	[ "$status" = 0 ]
	[ -z "$output" ]
}

@test "run: the command has stdin, descriptors and status as without" {
	policy a "$all_allowed"
	export WARDER_POLICY=$T/policies/a.json
	[ "$(echo hello | warder run -q -m record cat)" = hello ]
	local look='ls /proc/self/fd; ulimit -n; umask; grep -E "^(NoNewPrivs|Cap|Sig[BIC]|Shd)" /proc/self/status'
	sh -c "$look" 5<"$MAN" 7<"$MAN" >"$T/without"
	warder run -q -m record -- sh -c "$look" 5<"$MAN" 7<"$MAN" >"$T/with"
	diff "$T/without" "$T/with"
}

@test "run: signals are passed on" {
	local sig status
	policy a "$all_allowed"
	for sig in TERM INT HUP QUIT USR1; do
		mkfifo "$T/ready" "$T/never"
		# In the background a shell lets INT and QUIT be ignored: env undoes that.
		env --default-signal=INT,QUIT "$WARDER_BUILD/warder" run -q -p "$T/policies/a.json" -- \
			bash -c "trap 'echo $sig >$T/got; exit 9' $sig; echo >$T/ready; for i in {1..20}; do read -rt 1 <>$T/never; done" 3>&- &
		read -rt 20 <>"$T/ready"
		kill -s "$sig" $!
		status=0
		wait $! || status=$?
		[ "$status" = 9 ]
		[ "$(cat "$T/got")" = "$sig" ]
		rm "$T/ready" "$T/never" "$T/got"
	done
}

@test "run: what is ignored stays ignored" {
	policy a "$all_allowed"
	run bash -c "trap '' HUP; $WARDER_BUILD/warder run -q -p $T/policies/a.json -- sh -c 'kill -HUP \$PPID; kill -HUP \$\$; echo alive'"
	[ "$status" = 0 ]
	[ "$output" = alive ]
}

@test "run: what the command leaves running is served to its end" {
	policy a "$mkdir_denied"
	mkfifo "$T/go"
	"$WARDER_BUILD/warder" run -p "$T/policies/a.json" -- \
		bash -c "(read -rt 20 x <>$T/go; mkdir $T/late) & exit 5" 2>"$T/err" 3>&- &
	local pid=$!
	wait_for 10 grep -q 'waiting for what it left running' "$T/err"
	echo >"$T/go"
	local status=0
	wait $pid || status=$?
	[ "$status" = 5 ]
	[ -d "$T/late" ]
	grep -q '1  mkdir' "$T/err"
}

@test "run: when warder is killed, watched calls fail, nothing is let through" {
	policy a "$mkdir_denied"
	mkfifo "$T/ready" "$T/go" "$T/end"
	"$WARDER_BUILD/warder" run -q -p "$T/policies/a.json" -- \
		bash -c "echo >$T/ready; read -rt 20 x <>$T/go; mkdir $T/x 2>$T/err; echo >$T/end" 3>&- &
	read -rt 20 <>"$T/ready"
	kill -KILL $!
	local status=0
	wait $! || status=$?
	[ "$status" = 137 ]
	echo >"$T/go"
	read -rt 20 <>"$T/end"
	[ ! -d "$T/x" ]
	grep -q 'Function not implemented' "$T/err"
}

@test "run: not within itself" {
	policy a "$all_allowed"
	export WARDER_POLICY=$T/policies/a.json
	run warder run -q "$WARDER_BUILD/warder" run true
	[ "$status" = 125 ]
	says "listener"
}

# --- doctor ---

@test "doctor: every row, one line; no FAIL here" {
	run warder doctor
	[ "$status" = 0 ]
	[ "${#lines[@]}" -ge 18 ]
	local line
	for line in "${lines[@]}"; do
		[[ "$line" =~ ^(ok\ \ |warn)\ W[0-9]{3}\ \ [a-z_\ -]+:\ .+ ]]
	done
	says "W003  listener: works" "W020  runc: $(runc --version | sed -n '1s/.* //p')"
	[[ "$output" =~ "W013  one watched call: "[0-9]+\.[0-9]" us" ]]
}

@test "doctor: --json has what the lines have" {
	run warder doctor --json
	[ "$status" = 0 ]
	[ "$(jq -r 'map(select(.code and .what and .finding and (.level == "ok" or .cost))) | length' <<<"$output")" = \
		"$(warder doctor | wc -l)" ]
}

@test "doctor: --socket asks a warderd" {
	run warder doctor --socket "$T/s"
	says "warn W030  warderd: "
	start_warderd
	run warder doctor --socket "$T/s"
	says "ok   W030  warderd: $T/s answers (pid "
}

@test "doctor: as an ordinary user it says what is missing" {
	good_for_users
	run as_user "$T/user/warder" doctor
	[ "$status" = 0 ]
	says "ok   W003" "warn W031  capabilities: missing: CAP_SYS_PTRACE"
}

@test "doctor: where a sandbox forbids seccomp(2) it FAILs, with cost and mending" {
	policy a "$all_allowed + {syscalls: [{names: [\"seccomp\"], action: \"SCMP_ACT_ERRNO\"}]}"
	run warder run -q -m enforce -p "$T/policies/a.json" "$WARDER_BUILD/warder" doctor
	[ "$status" = 1 ]
	says "FAIL W003  listener: " "is this a sandbox that forbids seccomp(2)?" "ok   W009"
}
