# The API: what it answers, what it changes in running containers, and that nobody who abuses it
# disturbs one.
load lib

# api METHOD PATH [BODY]: sets $status (of HTTP) and $output (the body)
api() {
	local body=()
	[ $# -lt 3 ] || body=(--data-binary "$3")
	output=$(curl -sS -m 10 --unix-socket "$T/api.sock" -X "$1" -w '%{http_code}' "${body[@]}" "http://warder$2")
	status=${output##*$'\n'}
	output=${output%$'\n'*}
}

# A container that calls mkdir(2) on demand: each line into $T/in gives one in $T/out, the errno.
start_caller() {
	mkbundle "$T/b" sh -c 'while read -r x; do mkdir /tmp/x 2>&1 | grep -o "[A-Z][a-z]* .*" || echo made; rmdir /tmp/x 2>/dev/null; done'
	hook "$T/b"
	mkfifo "$T/in" "$T/out"
	runc --root "$T/runc" run -b "$T/b" caller <"$T/in" >"$T/out" 3>&- &
	exec 5>"$T/in" 6<"$T/out"
}

call_once() {
	echo >&5
	read -r -t 10 answer <&6
}

deny_mkdir='{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: $n}]}'

mkdir_policy() {
	jq -n --argjson n "$2" "$deny_mkdir" >"$T/policies/$1.json"
}

@test "health, sessions, one session; what is not there is said" {
	start_warderd --mode audit
	api GET /v1/health
	[ "$status" = 200 ]
	[ "$(jq -r '.status, .sessions' <<<"$output" | tr '\n' ' ')" = "ok 0 " ]
	kill -0 "$(jq .keeper <<<"$output")" "$(jq .worker <<<"$output")" "$(jq .scribe <<<"$output")"
	start_caller
	call_once
	api GET '/v1/sessions?container=caller'
	[ "$(jq -r '.sessions[] | [.session, .container, .policy, .mode, .wiring, .starting] | join(" ")' <<<"$output")" = \
		"1 caller default audit hook false" ]
	api GET '/v1/sessions?mode=enforce'
	[ "$output" = '{"sessions":[]}' ]
	api GET /v1/sessions/1
	[ "$(jq -r .container <<<"$output")" = caller ]
	[ "$(jq .counters.received <<<"$output")" -gt 0 ]
	api GET /v1/sessions/2
	[ "$status" = 404 ]
	api DELETE /v1/sessions
	[ "$status" = 405 ]
	api GET '/v1/sessions?containr=x'
	[ "$status" = 400 ]
	says containr
	api PUT /v1/mode '{"mode": "audit", "forse": true}'
	[ "$status" = 400 ]
	says forse
	api PUT /v1/mode "$(head -c 70000 /dev/zero | tr '\0' ' ')"
	[ "$status" = 413 ]
}

@test "a mode holds from the very next call on; audit needs no worker" {
	mkdir_policy default 95
	start_warderd --mode audit
	start_caller
	call_once
	[ "$answer" = made ]
	api PUT /v1/sessions/1/mode '{"mode": "enforce"}'
	[ "$status" = 200 ]
	[ "$(jq -r .mode <<<"$output")" = enforce ]
	call_once
	[[ "$answer" == *"not supported" ]]
	api GET /v1/health
	kill -STOP "$(jq .worker <<<"$output")"
	api PUT /v1/mode '{"mode": "audit"}'
	[ "$output" = '{"changed":1,"refused":[]}' ]
	api GET /v1/health
	kill -CONT "$(jq .worker <<<"$output")"
	call_once
	[ "$answer" = made ]
	api PUT /v1/mode '{"mode": "enforce"}'
	[ "$output" = '{"changed":1,"refused":[]}' ]
	call_once
	[[ "$answer" == *"not supported" ]]
	api PUT /v1/sessions/1/mode '{"mode": "record"}'
	[ "$status" = 409 ]
}

@test "a policy is replaced where the installed filter allows it, else the calls are named" {
	mkdir_policy default 95
	mkdir_policy other 13
	policy more '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["mkdir", "mkdirat", "chmod"], action: "SCMP_ACT_ERRNO"}]}'
	start_warderd --mode enforce
	start_caller
	call_once
	[[ "$answer" == *"not supported" ]]
	api PUT /v1/sessions/1/policy '{"policy": "other"}'
	[ "$status" = 200 ]
	[ "$(jq -r .policy <<<"$output")" = other ]
	call_once
	[[ "$answer" == "Permission denied" ]]
	api PUT /v1/sessions/1/policy '{"policy": "more"}'
	[ "$status" = 409 ]
	[ "$(jq -c .syscalls <<<"$output")" = '["chmod","chmod (x86)","chmod (x32)"]' ] ||
		[ "$(jq -c .syscalls <<<"$output")" = '["chmod"]' ]
	says "restart"
	api PUT /v1/sessions/1/policy '{"policy": "none"}'
	[ "$status" = 404 ]
	api PUT /v1/sessions/1/policy '{"policy": "../x"}'
	[ "$status" = 400 ]
	call_once
	[[ "$answer" == "Permission denied" ]]
	wait_event '.policy == "other" and .errno == "EACCES"'
}

@test "one call is denied, allowed, and left to the policy again" {
	mkdir_policy default 95
	start_warderd --mode audit
	start_caller
	call_once
	[ "$answer" = made ]
	api PUT /v1/sessions/1/syscalls/mkdir '{"verdict": "deny", "errno": "ENOSPC"}'
	[ "$status" = 200 ]
	[ "$(jq -r '.overrides[0] | [.syscall, .arch, .verdict, .errno] | join(" ")' <<<"$output")" = \
		"mkdir x86_64 deny ENOSPC" ]
	call_once
	[[ "$answer" == "No space left"* ]]
	api PUT /v1/sessions/1/mode '{"mode": "enforce"}'
	api PUT /v1/sessions/1/syscalls/mkdir '{"verdict": "allow"}'
	call_once
	[ "$answer" = made ]
	api DELETE /v1/sessions/1/syscalls/mkdir
	[ "$(jq -c .overrides <<<"$output")" = "[]" ]
	call_once
	[[ "$answer" == *"not supported" ]]
	api PUT /v1/sessions/1/syscalls/chmod '{"verdict": "deny"}'
	[ "$status" = 409 ]
	says "allowed in the kernel"
	api PUT /v1/sessions/1/syscalls/nosuch '{"verdict": "deny"}'
	[ "$status" = 400 ]
	api PUT /v1/sessions/1/syscalls/mkdir '{"verdict": "maybe"}'
	[ "$status" = 400 ]
	wait_event '.rule == "live" and .errno == "ENOSPC"'
}

@test "reload: changed files replace, bad ones change nothing and say where" {
	mkdir_policy default 95
	start_warderd --mode enforce
	start_caller
	call_once
	api POST /v1/reload
	[ "$output" = '{"policies":[{"policy":"default","result":"unchanged","sessions":1}]}' ]
	mkdir_policy default 13
	api POST /v1/reload
	[ "$output" = '{"policies":[{"policy":"default","result":"replaced","sessions":1}]}' ]
	call_once
	[[ "$answer" == "Permission denied" ]]
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "NO"}]}' >"$T/policies/default.json"
	api POST /v1/reload
	[ "$(jq -r '.policies[0].result' <<<"$output")" = refused ]
	says 'default.json: syscalls[0].action'
	grep -q 'default.json: syscalls\[0\].action' "$T/log"
	call_once
	[[ "$answer" == "Permission denied" ]]
	mkdir_policy default 95
	kill -HUP "$WARDERD_PID"
	wait_for 10 eval '[ "$(grep -c "reload: policy default replaced" "$T/log")" = 2 ]'
	call_once
	[[ "$answer" == *"not supported" ]]
}

@test "events: the recent ones, then live ones, filtered" {
	mkdir_policy default 95
	start_warderd --mode enforce
	start_caller
	call_once
	wait_event '.syscall == "mkdir"'
	api GET '/v1/events?syscall=mkdir&verdict=deny'
	[ "$(jq -r .errno <<<"$output" | head -1)" = EOPNOTSUPP ]
	curl -sSN --unix-socket "$T/api.sock" 'http://warder/v1/events?follow=1&type=call&syscall=mkdir&container=caller' >"$T/live" 3>&- &
	local reader=$!
	wait_for 5 grep -q mkdir "$T/live"
	local before
	before=$(grep -c . "$T/live")
	call_once
	wait_for 5 eval '[ "$(grep -c . "$T/live")" -gt '"$before"' ]'
	kill $reader
	api GET '/v1/events?verdict=nonsense'
	[ "$status" = 400 ]
	api GET '/v1/events?follow=maybe'
	[ "$status" = 400 ]
}
