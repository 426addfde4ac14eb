# The worker killed at every point of a call's life, and at random. `make crash-test` does it 1,000 times.
load lib

@test "no call is wrong, hung, lost or doubled, whenever the worker dies" {
	run timeout 300 "$REPO/tests/crash/run.sh" 30 50 2
	echo "# figure ${lines[-3]}; ${lines[-2]}; ${lines[-1]}" >&3
	echo "$output"
	[ "$status" = 0 ]
	says "wrong=0 hung=0 lost=0 doubled=0"
}
