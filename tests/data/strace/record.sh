#!/bin/bash
# Records the corpus anew, here: one small workload under strace with each of these options. The
# workload has processes that wait for each other (unfinished and resumed calls), a 32-bit program
# and a call without a name. Needs gcc (no 32-bit libc), strace, busybox-static.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/p32.c" <<'C'
static long call(long nr, long a)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(0), "d"(0) : "memory");
	return ret;
}

void _start(void)
{
	call(20, 0);      /* getpid */
	call(24, 0);      /* getuid, 16 bits */
	call(0x3ff, 0);   /* nobody */
	call(1, 0);       /* exit */
}
C
gcc -m32 -O1 -nostdlib -static -fno-pie -no-pie -fcf-protection=none -o "$work/p32" "$work/p32.c"
workload() {
	rm -rf "$work/y"
	(cd "$work" && exec "$@" /bin/busybox sh -c 'echo a | /bin/busybox cat >x; /bin/busybox mkdir y; ./p32; exit 0') >/dev/null
}
while read -r name options; do
	# shellcheck disable=SC2086 # words
	workload strace $options -o "$work/out" 2>"$work/err" || true
	mv "$work/out" "$name.txt"
done <<'LIST'
plain -f
time -f -t
microseconds -f -tt -T
epoch -f -ttt
relative -f -r
number -f -n
pointer -f -i
descriptors -f -y
sockets -f -yy -s 100
commands -f -Y
raw -f -e raw=all
hex -f -x -v -X verbose
stack-like -f -n -i -tt
decoded -f -e abbrev=none --decode-pids=comm
bpf -f --seccomp-bpf -e trace=all
table -f -c
LIST
workload strace -f 2>stderr.txt || true
workload strace -f -C 2>both.txt || true
workload strace -ff -o "$work/ff" 2>/dev/null || true
i=0
for file in $(printf '%s\n' "$work"/ff.* | sort -t. -k3 -n); do
	mv "$file" "ff.$((i += 1)).txt"
done
# paths of this run mean nothing
sed -i "s|$work|/tmp/w|g" ./*.txt
