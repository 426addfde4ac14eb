#!/bin/bash
# Runs tests and counts: cmocka programs and bats files, each speaking TAP; "corpus" replays the
# fuzzers' corpora. Prints what failed in full and ends with "N passed, N failed".
# A skipped test counts as failed. $WARDER_BUILD: the build folder. $WARDER_REPORTS: a folder in which a file means
# that some process failed (sanitizers write there): the test that ran then has failed.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${WARDER_BUILD:=$PWD/build}"
export WARDER_BUILD
passed=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# count NAME STATUS: reads the TAP in $out
count() {
	local name=$1 status=$2 ok not_ok skip planned
	ok=$(grep -c '^ok ' "$out")
	skip=$(grep -ciE '^ok .*# skip' "$out")
	not_ok=$(grep -c '^not ok ' "$out")
	planned=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$out" | awk '{n += $1} END {print n + 0}')
	ok=$((ok - skip)) not_ok=$((not_ok + skip))
	if [ $((ok + not_ok)) -lt "$planned" ]; then
		not_ok=$((planned - ok))
	fi
	if [ "$status" != 0 ] && [ "$not_ok" = 0 ] || [ $((ok + not_ok)) = 0 ]; then
		not_ok=$((not_ok + 1))
	fi
	passed=$((passed + ok)) failed=$((failed + not_ok))
	if [ "$not_ok" = 0 ]; then
		printf '%-40s %4d passed\n' "$name" "$ok"
		grep -E '^# *figure' "$out" | sed 's/^# *figure/   /'
	else
		printf '%-40s %4d passed, %d FAILED (exit %s)\n' "$name" "$ok" "$not_ok" "$status"
		cat "$out"
	fi
}

run_one() {
	case $1 in
	corpus)
		for target in "$WARDER_BUILD"/tests/corpus/*; do
			[ -x "$target" ] || continue
			"$target" tests/fuzz/corpus/"${target##*/}"/* >"$out" 2>&1
			count "corpus/${target##*/}" $?
		done
		;;
	*.bats)
		timeout 900 bats --tap "$1" >"$out" 2>&1 </dev/null
		count "$1" $?
		;;
	*)
		CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 300 "$1" >"$out" 2>&1 </dev/null
		count "${1#"$WARDER_BUILD"/}" $?
		;;
	esac
}

# A report may be of a process that the test took for killed, or did not wait for.
count_reports() {
	local report
	for report in "$WARDER_REPORTS"/*; do
		[ -s "$report" ] || continue
		failed=$((failed + 1))
		printf '%-40s a report, FAILED:\n' "$1"
		head -60 "$report"
		rm "$report"
	done
}

for test in "$@"; do
	run_one "$test"
	[ -z "${WARDER_REPORTS-}" ] || count_reports "$test"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
