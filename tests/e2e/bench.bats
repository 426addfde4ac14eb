# The benchmark is whole: it runs, each answer and count is right, each figure is documented. No speed is asserted.
load lib

@test "make bench, short: right answers, counts that add up, nothing left behind" {
	"$REPO/tests/bench/run" "$WARDER_BUILD" --quick >"$T/out" 2>&1 || { cat "$T/out" && false; }
	jq -e '.deny_floor_ratio > 0 and .audit_floor_ratio > 0 and .rss_kib_per_session > 0 and .hook_ms != null' \
		"$WARDER_BUILD/bench-quick.json"
	jq -e 'all(.[]; type == "number" or type == "string")' "$WARDER_BUILD/bench-quick.json"
	grep -q 'fill="#ffffff"' "$WARDER_BUILD/bench-quick.svg"
	python3 -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' "$WARDER_BUILD/bench-quick.svg"
}

@test "each key of bench.json stands in tests/bench/README.md, and no other" {
	[ -e "$WARDER_BUILD/bench-quick.json" ]
	run python3 - "$WARDER_BUILD/bench-quick.json" "$REPO/tests/bench/README.md" <<-'PY'
		import json, re, sys
		text = open(sys.argv[2]).read()
		words = {w: list(v.split(", ")) for w, v in re.findall(r"^\| ([A-Z]+) \| (.*) \|$", text, re.M)}
		patterns = [p for row in re.findall(r"^\| (`.*?`) \|", text, re.M) for p in re.findall(r"`(\w+)`", row)]
		def expression(pattern):
		    for word in sorted(words, key=len, reverse=True):
		        pattern = pattern.replace(word, "(" + "|".join(words[word]) + ")")
		    return pattern.replace("RATIO", "[a-z0-9_]+_ratio") + "$"
		keys = list(json.load(open(sys.argv[1])))
		for key in keys:
		    if not any(re.match(expression(p), key) for p in patterns):
		        print("undocumented", key)
		for p in patterns:
		    if not any(re.match(expression(p), key) for key in keys):
		        print("gone", p)
		print("compared", len(keys) > 100, len(patterns) > 40)
	PY
	echo "$output"
	[ "$output" = "compared True True" ]
}

@test "the benchmark, interrupted, leaves no process, folder or container" {
	"$REPO/tests/bench/run" "$WARDER_BUILD" --only hook >"$T/out" 2>&1 3>&- &
	local pid=$! folder
	wait_for 20 grep -q kernel "$T/out"
	folder=$(tr '\0' '\n' <"/proc/$(pgrep -P $pid)/cmdline" | tail -1)
	[ -d "$folder" ]
	kill $pid
	wait $pid || true
	[ ! -e "$folder" ]
	[ -z "$(find /sys/fs/cgroup -name "${folder##*/}-*")" ]
	! pgrep -f "$folder"
}
