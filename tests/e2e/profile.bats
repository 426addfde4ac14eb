# warder profile: every verb and every option, on real documents.
# shellcheck disable=SC2154 # bats sets stderr
load lib
bats_require_minimum_version 1.5.0

MAN=$REPO/man/warder-profile.1
DOCKER=$DATA/docker-default.json
PODMAN=$DATA/podman-default.json

profile() {
	"$WARDER_BUILD/warder" profile "$@"
}

verbs() {
	profile --help | sed -n '/^Verbs:/,/^$/p' | awk 'NR > 1 && NF {print $1}'
}

# write NAME FILTER: a document, as jq writes it
write() {
	jq -n "$2" >"$T/$1.json"
}

allow() {
	jq -cn '{names: $ARGS.positional, action: "SCMP_ACT_ALLOW"}' --args "$@"
}

denied='{defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64"]}'

# with RULE...: a document that denies but for these rules
with() {
	jq -n "$denied + {syscalls: \$ARGS.positional}" --jsonargs "$@"
}

# --- help and manual ---

@test "each verb has help, an example, a version and a place in the manual" {
	local verb
	[ "$(verbs | wc -l)" -ge 5 ]
	for verb in $(verbs); do
		echo "$verb"
		run profile "$verb" --help
		[ "$status" = 0 ]
		says "usage: warder profile $verb" "Examples:" "  warder profile $verb "
		[[ "$(profile "$verb" --version)" =~ ^"warder profile $verb "[0-9] ]]
		grep -q "^\.SY \"warder profile $verb\"" "$MAN"
	done
}

@test "the manual has each option of the help, and no other" {
	local verb have='' want
	for verb in $(verbs); do
		have+=$(profile "$verb" --help | sed -nE 's/^ +(-., )?(--[a-z0-9-]+).*/\2/p' | grep -vE -- '--(help|version)')$'\n'
	done
	want=$(sed 's/\\-/-/g' "$MAN" | sed -n '/^\.SH OPTIONS/,/^\.SH "EXIT/p' | sed -nE 's/^\.BR? .*(--[a-z0-9-]+).*/\1/p')
	diff <(sort -u <<<"$have" | grep .) <(sort -u <<<"$want" | grep .)
}

@test "what is called wrongly fails with 2, words on stderr, nothing on stdout" {
	local words
	for words in "" "nonsense" "merge" "intersect" "diff a" "covers a" "convert" "convert a b" "merge --format toml a" \
		"merge --caps CAP_NONE a" "diff --nonsense a b"; do
		# shellcheck disable=SC2086
		run profile $words
		echo "$words: $status"
		[ "$status" = 2 ]
		[ "$output" ]
		# shellcheck disable=SC2086
		[ -z "$(profile $words 2>/dev/null)" ]
	done
}

# --- merge, intersect ---

@test "merge and intersect of conditions: neither narrower nor wider" {
	with '{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}' >"$T/a.json"
	with '{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":1,"op":"SCMP_CMP_EQ"}]}' >"$T/b.json"
	profile merge -o "$T/or.json" "$T/a.json" "$T/b.json"
	profile intersect -o "$T/and.json" "$T/a.json" "$T/b.json"
	for file in a b and; do
		profile covers "$T/or.json" "$T/$file.json"
	done
	profile covers "$T/a.json" "$T/and.json"
	run profile covers "$T/and.json" "$T/a.json"
	[ "$status" = 1 ]
	says "amd64 socket(0x1, 0x0, 0x0, 0x0, 0x0, 0x0): allow, but errno EPERM"
	[ "$(jq -c '[.syscalls[].args | length]' "$T/and.json")" = "[2]" ]
	[ "$(jq -c '[.syscalls[].args | length]' "$T/or.json")" = "[1,1]" ]
}

@test "an intersection with Docker's default keeps its conditions (socket, personality)" {
	with "$(allow socket personality read)" >"$T/a.json"
	profile intersect -o "$T/and.json" "$DOCKER" "$T/a.json" 2>/dev/null
	profile covers -q "$DOCKER" "$T/and.json"
	profile covers -q "$T/a.json" "$T/and.json"
	[ "$(jq -c '[.syscalls[] | select(.names == ["socket"]) | .args[0].value]' "$T/and.json")" = "[38,39,40]" ]
	run profile diff "$DOCKER" "$T/and.json"
	[[ "$output" != *" socket "*" amd64 "* ]]
}

@test "Docker's and Podman's defaults: the union covers both, both cover the intersection, to the byte the same twice" {
	profile merge "$DOCKER" "$PODMAN" >"$T/or.json" 2>/dev/null
	profile intersect "$DOCKER" "$PODMAN" >"$T/and.json" 2>/dev/null
	for file in "$DOCKER" "$PODMAN"; do
		profile covers -q "$T/or.json" "$file"
		profile covers -q "$file" "$T/and.json"
	done
	cmp <(profile merge "$DOCKER" "$PODMAN" 2>/dev/null) "$T/or.json"
	run profile diff "$T/or.json" <(profile merge "$T/or.json" "$T/and.json")
	[ "$status" = 1 ] # a fifo is no regular file
	profile merge -o "$T/again.json" "$T/or.json" "$T/and.json"
	profile diff "$T/or.json" "$T/again.json"
	"$WARDER_BUILD/warder" policy check "$T/or.json" "$T/and.json"
}

@test "ABIs: only common ones stay in an intersection; a union says where it is wider" {
	with "$(allow read mkdir)" >"$T/a.json"
	jq '.architectures += ["SCMP_ARCH_X86"] | .syscalls[0].names = ["read"]' "$T/a.json" >"$T/b.json"
	profile intersect -o "$T/and.json" "$T/a.json" "$T/b.json"
	[ "$(jq -c .architectures "$T/and.json")" = '["SCMP_ARCH_X86_64"]' ]
	run --separate-stderr profile merge -o "$T/or.json" "$T/a.json" "$T/b.json"
	[ "$status" = 0 ]
	[[ "$stderr" == *"mkdir: no list of rules says it exactly for every architecture: more is allowed than asked"* ]]
	profile covers "$T/or.json" "$T/a.json"
	profile covers "$T/or.json" "$T/b.json"
}

@test "rules on which libseccomp hangs are unknown, and say so" {
	with '{"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":2,"value":2,"op":"SCMP_CMP_GE"}]}' \
		'{"names":["personality"],"action":"SCMP_ACT_LOG","args":[{"index":1,"value":1,"op":"SCMP_CMP_LT"},{"index":2,"value":2,"op":"SCMP_CMP_GE"}]}' \
		'{"names":["personality"],"action":"SCMP_ACT_LOG","args":[{"index":1,"value":1,"op":"SCMP_CMP_LT"},{"index":2,"value":4294967296,"op":"SCMP_CMP_LT"}]}' >"$T/a.json"
	run profile diff "$T/a.json" "$DOCKER"
	[ "$status" = 3 ]
	says "$T/a.json: libseccomp does not come to an end with these rules; a runtime hangs on them too"
}

@test "names that this libseccomp does not know are kept as the algebra has it" {
	with "$(allow read new_call other_call)" >"$T/a.json"
	with "$(allow write new_call)" >"$T/b.json"
	[ "$(profile intersect "$T/a.json" "$T/b.json" 2>/dev/null | jq -c '[.syscalls[].names]')" = '[["new_call"]]' ]
	[ "$(profile merge "$T/a.json" "$T/b.json" 2>/dev/null | jq -c '[.syscalls[].names]')" = '[["new_call","other_call","read","write"]]' ]
}

@test "an output file is written whole or not at all" {
	with "$(allow read)" >"$T/a.json"
	echo old >"$T/out.json"
	run profile merge -o "$T/out.json" "$T/a.json" "$T/none.json"
	[ "$status" = 1 ]
	says "$T/none.json: No such file"
	[ "$(cat "$T/out.json")" = old ]
	run profile merge -o "$T/none/out.json" "$T/a.json"
	[ "$status" = 1 ]
	profile merge -o "$T/out.json" "$T/a.json"
	[ "$(jq -r '.syscalls[0].names[0]' "$T/out.json")" = read ]
}

# --- diff ---

@test "diff: more, less, other, by arguments; the same meaning is no difference" {
	with "$(allow read write)" '{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2,"op":"SCMP_CMP_LE"}]}' >"$T/a.json"
	with "$(allow read mkdir)" '{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_LT"}]}' \
		'{"names":["ptrace"],"action":"SCMP_ACT_ERRNO","errnoRet":38}' >"$T/b.json"
	run profile diff "$T/a.json" "$T/b.json"
	[ "$status" = 1 ]
	[ "$(tr -s ' ' <<<"$output")" = "+ mkdir amd64 errno EPERM -> allow
~ ptrace amd64 errno EPERM -> errno ENOSYS
- socket amd64 allow -> errno EPERM where A0 == 0x1
- socket amd64 allow -> errno EPERM where A0 == 0x2
- write amd64 allow -> errno EPERM" ]
	profile diff --json "$T/a.json" "$T/b.json" | jq -e '.syscalls | map(.syscall) == ["mkdir", "ptrace", "socket", "write"]'
	with "$(allow read)" "$(allow write)" '{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":3,"op":"SCMP_CMP_LT"}]}' >"$T/c.json"
	run profile diff "$T/a.json" "$T/c.json"
	[ "$status" = 0 ]
	[ -z "$output" ]
}

@test "diff and covers: another listener, another default, another ABI" {
	write a '{defaultAction: "SCMP_ACT_ERRNO", syscalls: [{names: ["ptrace"], action: "SCMP_ACT_NOTIFY"}]}'
	write b '{defaultAction: "SCMP_ACT_ERRNO", syscalls: [{names: ["ptrace"], action: "SCMP_ACT_TRACE"}]}'
	run profile covers "$T/a.json" "$T/b.json"
	[ "$status" = 3 ]
	says "may or may not cover"
	write c '{defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]}'
	run profile covers "$T/a.json" "$T/c.json"
	[ "$status" = 1 ]
	says "x86: $T/a.json has no rules for it: every call is killed" "calls that no profile names: "
	run profile diff "$T/a.json" "$T/c.json"
	says "+ calls of x86: killed by the first" "+ calls that no profile names: errno EPERM -> allow"
	profile covers "$T/c.json" "$T/a.json"
}

# --- convert ---

@test "Docker -> OCI -> Docker, -> SeccompProfile and back: the same verdicts for each set of capabilities" {
	local caps
	for caps in none default all CAP_SYS_ADMIN CAP_SYS_PTRACE,CAP_BPF; do
		echo "$caps"
		profile convert --caps "$caps" -o "$T/oci.json" "$DOCKER" 2>/dev/null
		profile convert --caps "$caps" -f docker -o "$T/docker.json" "$T/oci.json" 2>/dev/null
		profile convert --caps "$caps" -f spo -o "$T/spo.yaml" "$DOCKER" 2>/dev/null
		profile convert -o "$T/back.json" "$T/spo.yaml" 2>/dev/null
		for file in oci.json docker.json spo.yaml back.json; do
			profile diff --caps "$caps" "$DOCKER" "$T/$file" 2>/dev/null
		done
	done
}

@test "Docker -> Podman -> Docker: conditions stay; minKernel is decided and said" {
	local caps
	run --separate-stderr profile convert -f podman -o "$T/podman.json" "$DOCKER"
	[[ "$stderr" == *"minKernel: podman ignores it; decided for Linux "*": kept"* ]]
	profile convert -f docker -o "$T/docker.json" "$T/podman.json" 2>/dev/null
	for caps in none default all; do
		profile diff --caps "$caps" "$DOCKER" "$T/docker.json" 2>/dev/null
		profile diff --caps "$caps" --arch arm64 "$DOCKER" "$T/docker.json" 2>/dev/null
	done
	profile convert -f docker -o "$T/p.json" "$PODMAN" 2>/dev/null
	[ "$(jq '[.. | objects | select(has("errno") or has("defaultErrno"))] | length' "$T/p.json")" = 0 ]
	profile diff "$PODMAN" "$T/p.json" 2>/dev/null
}

@test "convert says what a form cannot hold; --strict fails for it" {
	run --separate-stderr profile convert --strict -f spo "$PODMAN"
	[ "$status" = 1 ]
	[[ "$stderr" == *"defaultErrnoRet: cannot be held: spo gives EPERM where it was ENOSYS (38)"* ]]
	[[ "$stderr" == *"includes, excludes: cannot be held by spo: decided for amd64"* ]]
	# jq's numbers have 53 bits
	with '{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":7,"op":"SCMP_CMP_EQ"}]}' >"$T/7.json"
	sed 's/: 7,/: 18446744073709551615,/' "$T/7.json" >"$T/a.json"
	run --separate-stderr profile convert -f spo "$T/a.json"
	[ "$status" = 0 ]
	[[ "$stderr" == *"syscalls[0] (socket): a rule is left out: spo cannot hold a value above 2^63-1; less is allowed"* ]]
	sed 's/SCMP_ACT_ERRNO/x/; s/SCMP_ACT_ALLOW/SCMP_ACT_ERRNO/; s/"x"/"SCMP_ACT_ALLOW"/' "$T/a.json" >"$T/b.json"
	run profile convert -f spo "$T/b.json"
	[ "$status" = 1 ]
	says "without the rule more would be allowed"
	with "$(allow read)" >"$T/c.json"
	profile convert --strict -f docker "$T/c.json"
}

@test "a SeccompProfile is read from YAML and JSON, a profile from config.json" {
	cat >"$T/sp.yaml" <<-'Y'
		apiVersion: security-profiles-operator.x-k8s.io/v1beta1
		kind: SeccompProfile
		metadata: {name: web, namespace: x}
		spec:
		  defaultAction: SCMP_ACT_ERRNO
		  architectures: [SCMP_ARCH_X86_64]
		  syscalls:
		  - action: SCMP_ACT_ALLOW
		    names: [read, "write"]
		  - {action: SCMP_ACT_ERRNO, names: [ptrace], errnoRet: 0}
	Y
	profile convert -f spo -o "$T/out.yaml" "$T/sp.yaml"
	grep -q '^  name: web$' "$T/out.yaml"
	with "$(allow read write)" >"$T/a.json"
	profile diff "$T/sp.yaml" "$T/a.json"
	jq -n --slurpfile p "$T/a.json" '{ociVersion: "1.0.2", linux: {seccomp: $p[0]}}' >"$T/config.json"
	profile diff "$T/config.json" "$T/a.json"
	profile convert - <"$T/config.json" | cmp - <(profile convert "$T/a.json")
	python3 -c 'import json,sys; print(json.dumps({"apiVersion": "security-profiles-operator.x-k8s.io/v1", "kind": "SeccompProfile", "spec": json.load(open(sys.argv[1]))}))' "$T/a.json" >"$T/sp.json"
	profile diff "$T/sp.json" "$T/a.json"
}

@test "YAML that could mean two things, or too much, is refused with its place" {
	local row
	for row in 'a: &x 1\nb: *x|aliases' 'a: 1\na: 2|twice' 'a: !!str 1|tags' 'a: 99999999999999999999|64 bits' 'a: [|' '---\na: 1\n---\nb: 2|several'; do
		printf '%b\n' "${row%|*}" >"$T/x.yaml"
		run profile convert "$T/x.yaml"
		echo "$row: $output"
		[ "$status" = 1 ]
		says "$T/x.yaml:" "${row##*|}"
	done
	echo 'kind: Pod' >"$T/x.yaml"
	run profile convert "$T/x.yaml"
	says "kind: is no SeccompProfile"
}

# --- from-strace, from-audit ---

@test "from-strace: the profile of a recording lets the same command run, enforced" {
	strace -f -o "$T/trace" /bin/busybox sh -c "echo a | /bin/busybox cat; /bin/busybox mkdir $T/x"
	run --separate-stderr profile from-strace -o "$T/a.json" "$T/trace"
	[ "$status" = 0 ]
	[[ "$stderr" =~ [0-9]+" lines, "[0-9]+" calls, "[0-9]+" different" ]]
	rmdir "$T/x"
	"$WARDER_BUILD/warder" run -q -p "$T/a.json" -m enforce -- /bin/busybox sh -c "echo a | /bin/busybox cat; /bin/busybox mkdir $T/x"
	[ -d "$T/x" ]
	jq '.syscalls[0].names -= ["mkdir"]' "$T/a.json" >"$T/b.json"
	run "$WARDER_BUILD/warder" run -p "$T/b.json" -m enforce -- /bin/busybox mkdir "$T/y"
	[ "$status" = 1 ]
	says "blocked 1 of " "mkdir"
}

@test "from-strace: the corpus, forms, probes, damage" {
	local names
	names=$(profile from-strace -q "$DATA/strace/plain.txt" | jq -c '.syscalls[0].names')
	[ "$(profile from-strace -q "$DATA"/strace/ff.*.txt | jq -c '.syscalls[0].names')" = "$names" ]
	[ "$(profile from-strace -q - <"$DATA/strace/table.txt" | jq -c '.syscalls[0].names')" = "$names" ]
	[ "$(profile from-strace -q "$DATA/strace/stderr.txt" | jq -c .architectures)" = '["SCMP_ARCH_X86_64","SCMP_ARCH_X86"]' ]
	profile from-strace -q -f spo --name web -o "$T/web.yaml" "$DATA/strace/plain.txt"
	profile convert "$T/web.yaml" | jq -e '.syscalls[0].names | index("brk")'
	run profile from-strace "$DATA/strace/plain.txt"
	says "call number 1023 (0x3ff) of amd64 has no name here"
	printf 'read(0) = 0\nrseq(1) = -1 ENOSYS (Function not implemented)\nnonsense\n' >"$T/t"
	run --separate-stderr profile from-strace "$T/t"
	[ "$(jq -c '.syscalls[0].names' <<<"$output")" = '["read"]' ]
	[[ "$stderr" == *"rseq and others like it always failed with ENOSYS: left out"* ]]
	[[ "$stderr" == *"1 lines are none of the recording's"* ]]
	[ "$(profile from-strace -q --probes "$T/t" | jq -c '.syscalls[0].names')" = '["read","rseq"]' ]
	: >"$T/empty"
	run profile from-strace "$T/empty"
	[ "$status" = 1 ]
	says "no system call is in it"
}

@test "from-audit: by arch, by command; losses are said" {
	cat >"$T/log" <<-'L'
		type=SECCOMP msg=audit(1.2:3): pid=7 comm="web" exe="/x" sig=0 arch=c000003e syscall=41 compat=0 code=0x7ffc0000
		[ 1.0] audit: type=1326 audit(1.2:4): pid=7 comm="web" arch=40000003 syscall=41 compat=1 code=0x50001
		type=SECCOMP msg=audit(1.2:5): pid=7 comm="other" arch=c000003e syscall=59 code=0x7ffc0000
		kauditd_printk_skb: 4711 callbacks suppressed
	L
	run --separate-stderr profile from-audit --comm web "$T/log"
	[ "$(jq -c '[.architectures, .syscalls[0].names]' <<<"$output")" = '[["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],["dup","socket"]]' ]
	[[ "$stderr" == *"records were lost: the profile may lack calls"* ]]
	[ "$(profile from-audit -q - <"$T/log" | jq -c '.syscalls[0].names')" = '["dup","execve","socket"]' ]
}

# --- lint: the traps, each by its code ---

# codes FILE...: of the errors and warnings that lint finds
codes() {
	profile lint --json "$@" | jq -r '[.[].code] | unique | join(" ")'
}

arg() {
	printf '{"index":%s,"op":"SCMP_CMP_%s","value":%s%s}' "$1" "$2" "$3" "${4:+,\"valueTwo\":$4}"
}

@test "lint: Docker's default lets socket(0x100000026) past; the masked form does not" {
	run profile lint "$DOCKER"
	[ "$status" = 1 ]
	says "syscalls[2]: P001 error: " "socket: the kernel reads 32 bits of argument 0" "0x100000026 gets past the conditions and then means 0x26" \
		"P008 warn: " "P011 error: " "socketcall"
	with "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[$(arg 0 MASKED_EQ 4294967295 2)]}" >"$T/a.json"
	profile lint "$T/a.json"
	[ "$(codes "$T/a.json")" = "" ]
	with "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[$(arg 0 NE 40)]}" >"$T/b.json"
	[ "$(codes "$T/b.json")" = P001 ]
}

@test "lint: rules that libseccomp drops, rules that change nothing" {
	with "$(allow read)" '{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":5}' >"$T/a.json"
	run profile lint "$T/a.json"
	[ "$status" = 1 ]
	says "syscalls[1]: P002 error: libseccomp drops a rule"
	with "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5,\"args\":[$(arg 0 EQ 8)]}" "$(allow personality)" >"$T/b.json"
	run profile lint "$T/b.json"
	says "syscalls[0]: P002 error: libseccomp drops a rule"
	with "$(allow read write)" "$(allow read)" '{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}' >"$T/c.json"
	run profile lint "$T/c.json"
	[ "$status" = 0 ]
	says "syscalls[1]: P003 warn: a rule changes nothing: read" "syscalls[2]: P003 warn: a rule changes nothing: mkdir"
	run profile lint --strict "$T/c.json"
	[ "$status" = 1 ]
}

@test "lint: the same index twice is OR" {
	with "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[$(arg 1 MASKED_EQ 1 1),$(arg 1 MASKED_EQ 2 2)]}" >"$T/a.json"
	run profile lint "$T/a.json"
	[ "$status" = 1 ]
	says "syscalls[0].args[1]: P004 error: " "any of which is enough"
}

@test "lint: what runtimes refuse, ignore or hang on" {
	with '{"names":["write","sendmsg","fcntl"],"action":"SCMP_ACT_NOTIFY"}' "$(allow no_such_call)" >"$T/a.json"
	[ "$(codes "$T/a.json")" = "P005 P006 P007 P014" ]
	write b '{defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"], syscalls: [{names: ["bpf", "io_uring_setup"], action: "SCMP_ACT_ERRNO"}]}'
	[[ "$(codes "$T/b.json")" == "P006 P010 P012 P013 P015" ]]
	write c '{defaultAction: "SCMP_ACT_ERRNO", defaultErrno: "EPERM", syscalls: [{names: ["read"], action: "SCMP_ACT_ALLOW", includes: {minKernel: "4.8"}}]}'
	[ "$(codes "$T/c.json")" = "P008 P009" ]
	with "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[$(arg 2 GE 2)]}" \
		"{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[$(arg 1 LT 1),$(arg 2 GE 2)]}" \
		"{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[$(arg 1 LT 1),$(arg 2 LT 4294967296)]}" >"$T/d.json"
	[ "$(codes "$T/d.json")" = P007 ]
}

@test "lint: io_uring, ways round, dangerous calls without a reason" {
	with "$(allow io_uring_enter)" "$(allow bpf)" "$(allow clone3)" \
		"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[$(arg 0 MASKED_EQ 2114060288 0)]}" >"$T/a.json"
	run profile lint "$T/a.json"
	[ "$status" = 1 ]
	says "P010 error" "no filter and no listener sees it" "P011 error" "clone3 takes the flags from memory" "syscalls[1]: P012 warn" "bpf loads programs"
	jq '.syscalls[1].comment = "the tracer"' "$T/a.json" >"$T/b.json"
	[ "$(codes "$T/b.json")" = "P010 P011" ]
}

@test "lint: the manual has each code with its level and title" {
	local code
	for code in $(grep -oE '"P[0-9]{3}", LINT_[A-Z]+' "$REPO/include/warder/lint.h" | sed -E 's/"(.*)", LINT_(.*)/\1:\L\2/'); do
		echo "$code"
		grep -q "^${code%:*}	${code#*:}	" "$MAN"
	done
	[ "$(grep -cE '^P[0-9]{3}	' "$MAN")" = "$(grep -cE '"P[0-9]{3}"' "$REPO/include/warder/lint.h")" ]
}

# --- loaded ---

@test "loaded: what runc loaded is the profile; a profile that is another is told by call" {
	# without the newest calls, so that runc has some to answer with ENOSYS
	jq 'del(.syscalls[].names[] | select(test("^(cachestat|fchmodat2|map_shadow_stack|futex_.*|mseal|.*xattrat|.*mount|uretprobe|lsm_.*)$")))
		| del(.syscalls[] | select(.names == []))' "$DOCKER" >"$T/docker.json"
	profile convert --caps CAP_KILL,CAP_NET_BIND_SERVICE,CAP_AUDIT_WRITE -o "$T/oci.json" "$T/docker.json" 2>/dev/null
	mkbundle "$T/b" sh -c 'echo up >/dev/null; exec sleep 1000'
	edit "$T/b" '.linux.seccomp = $p[0]' --slurpfile p "$T/oci.json"
	runc --root "$T/runc" run -d --pid-file "$T/pid" -b "$T/b" one 3>&- </dev/null >/dev/null 2>&1
	pid=$(cat "$T/pid")
	is_sleep() {
		[ "$(cat "/proc/$pid/comm")" = sleep ] || [ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = "sleep 1000 " ]
	}
	wait_for 10 is_sleep
	run profile loaded "$pid" "$T/oci.json"
	echo "$output"
	[ "$status" = 0 ]
	says "process $pid has 1 filter"
	profile loaded "$pid" "$T/docker.json"
	jq '(.syscalls[] | select(.names | index("mkdir")) | .names) -= ["mkdir"]' "$T/oci.json" >"$T/less.json"
	run profile loaded "$pid" "$T/less.json"
	[ "$status" = 1 ]
	says "+ mkdir " "errno EPERM -> allow"
	[ "$(profile loaded --json "$pid" "$T/less.json" 2>/dev/null | jq -c '[.syscalls[].syscall]')" = '["mkdir"]' ]
	run profile loaded --crun "$pid" "$T/oci.json"
	[ "$status" = 1 ]
	says "errno EPERM -> errno ENOSYS"
	run profile loaded --caps all "$pid" "$T/docker.json"
	[ "$status" = 1 ]
	says "- bpf "
	grep -q '^State:.*S' "/proc/$pid/status"
}

@test "loaded: several filters together; none; no such process" {
	with "$(allow read)" >"$T/a.json"
	run profile loaded $$ "$T/a.json"
	[ "$status" = 1 ]
	says "process $$ has no seccomp filter"
	run profile loaded 999999999 "$T/a.json"
	[ "$status" = 1 ]
	says "process 999999999: No such process"
	run profile loaded x "$T/a.json"
	[ "$status" = 2 ]
	write all '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 5}]}'
	write two '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["rmdir"], action: "SCMP_ACT_ERRNO", errnoRet: 7}]}'
	profile intersect -o "$T/both.json" "$T/all.json" "$T/two.json"
	coproc P { exec python3 -; } <<-'PY'
		import ctypes, time
		libc = ctypes.CDLL(None, use_errno=True)
		libc.prctl(38, 1, 0, 0, 0)
		class Filter(ctypes.Structure):
		    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
		class Prog(ctypes.Structure):
		    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
		def load(nr, err):
		    # nr -> errno, everything else allowed; other ABIs are killed, as libseccomp does
		    rows = [(0x20, 0, 0, 4), (0x15, 0, 6, 0xc000003e), (0x20, 0, 0, 0), (0x35, 0, 1, 0x40000000), (0x15, 0, 3, 0xffffffff),
		            (0x15, 0, 1, nr), (0x06, 0, 0, 0x50000 | err), (0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0)]
		    prog = Prog(len(rows), (Filter * len(rows))(*[Filter(*r) for r in rows]))
		    assert libc.prctl(22, 2, ctypes.byref(prog), 0, 0) == 0
		load(83, 5)
		load(84, 7)
		print("loaded", flush=True)
		time.sleep(1000)
	PY
	read -r -u "${P[0]}"
	[ "$REPLY" = loaded ]
	run profile loaded "$P_PID" "$T/both.json"
	kill "$P_PID"
	echo "$output"
	says "process $P_PID has 2 filters"
	[ "$status" = 0 ]
}
