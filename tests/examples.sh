#!/bin/bash
# Runs every folder of oci-examples/ as its test does and writes $WARDER_BUILD/examples.json: example, engine and
# version, and what its README shows: audit, enforce, exec covered, cleaned up; or the reason why not.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${WARDER_BUILD:=$PWD/build}"
export WARDER_BUILD
out=$(mktemp)
trap 'rm -f "$out" "$out.rows"' EXIT
failed=0 passed=0

# version_of EXAMPLE: the engine, and the runtime that it has behind
version_of() {
	case $1 in
	runc-*) runc --version | head -1 ;;
	crun-*) crun --version | head -1 ;;
	podman-*) echo "$(podman --version), $(runc --version | head -1)" ;;
	docker-*) echo "$(dockerd --version), $(runc --version | head -1)" ;;
	containerd-*) echo "$(containerd --version | cut -d' ' -f1,3), $(runc --version | head -1)" ;;
	*) echo "" ;;
	esac
}

# shows PATTERN README: does a text block of it have this line?
shows() {
	awk '/^```text$/ {on = 1; next} /^```/ {on = 0} on' "$2" | grep -qE "$1" && echo true || echo false
}

for dir in oci-examples/*/; do
	name=$(basename "$dir")
	readme=$dir/README.md
	if bats --tap -f "^$name\$" tests/e2e/examples.bats >"$out" 2>&1 </dev/null && grep -q '^ok 1' "$out"; then
		passed=$((passed + 1))
		jq -nc --arg example "$name" --arg engine "$(version_of "$name")" \
			--argjson audit "$(shows '"audit"' "$readme")" --argjson enforce "$(shows '"enforce"' "$readme")" \
			--argjson exec "$(shows 'exec: status 1|^2 \["web"' "$readme")" \
			'{example: $example, engine: $engine, audit: $audit, enforce: $enforce, exec_covered: $exec, cleaned_up: true}'
	else
		failed=$((failed + 1))
		tail -n 40 "$out" >&2
		jq -nc --arg example "$name" --arg engine "$(version_of "$name")" \
			--arg reason "$(grep -v '^1\.\.' "$out" | tail -n 3 | tr '\n' ' ')" \
			'{example: $example, engine: $engine, reason: $reason}'
	fi
done >"$out.rows"
jq -s . "$out.rows" >"$WARDER_BUILD/examples.json"
jq -r '.[] | [.example, .engine, (if .reason then "FAILED" else "audit \(.audit) enforce \(.enforce) exec \(.exec_covered)" end)] | @tsv' \
	"$WARDER_BUILD/examples.json" | column -ts "$(printf '\t')"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
