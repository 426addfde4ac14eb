/* SPDX-License-Identifier: Apache-2.0 */
/* interp.c - the interpreter against the kernel: random programs, random calls.
 *
 * Each program is of random instructions that bpf_check() accepts and returns ERRNO n; the call is
 * made under it, and the errno is what bpf_run() says. Programs that bpf_check() refuses are shown
 * to the kernel too: it must refuse them. No call is executed: every RET is an ERRNO, also the
 * backstop's (probe.h). */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "probe.h"
#include "warder/own.h"

#define PROGRAMS 1500
#define CALLS    20
#define LENGTH   48

struct bench {
	uint64_t random;
	struct probe *probes;
	volatile size_t *cursor;
	size_t calls, refused, different;
};

static uint32_t pick(struct bench *b, uint32_t below)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (uint32_t)(b->random >> 20) % below;
}

/* Words that meet each other often enough for both branches to be taken. */
static uint32_t word(struct bench *b)
{
	static const uint32_t words[] = { 0,  1,  2,          3,          7,          16,        31,
					  32, 39, 0x7fffffff, 0x80000000, 0xffffffff, 0xc000003e };

	return pick(b, 4) ? words[pick(b, ARRAY_LEN(words))] : pick(b, UINT32_MAX);
}

static const uint16_t codes[] = {
	BPF_LD | BPF_W | BPF_ABS,
	BPF_LD | BPF_W | BPF_ABS,
	BPF_LD | BPF_W | BPF_LEN,
	BPF_LDX | BPF_W | BPF_LEN,
	BPF_LD | BPF_IMM,
	BPF_LDX | BPF_IMM,
	BPF_LD | BPF_MEM,
	BPF_LDX | BPF_MEM,
	BPF_ST,
	BPF_ST,
	BPF_STX,
	BPF_STX,
	BPF_MISC | BPF_TAX,
	BPF_MISC | BPF_TXA,
	BPF_ALU | BPF_ADD | BPF_K,
	BPF_ALU | BPF_ADD | BPF_X,
	BPF_ALU | BPF_SUB | BPF_K,
	BPF_ALU | BPF_SUB | BPF_X,
	BPF_ALU | BPF_MUL | BPF_K,
	BPF_ALU | BPF_MUL | BPF_X,
	BPF_ALU | BPF_DIV | BPF_K,
	BPF_ALU | BPF_DIV | BPF_X,
	BPF_ALU | BPF_AND | BPF_K,
	BPF_ALU | BPF_AND | BPF_X,
	BPF_ALU | BPF_OR | BPF_K,
	BPF_ALU | BPF_OR | BPF_X,
	BPF_ALU | BPF_XOR | BPF_K,
	BPF_ALU | BPF_XOR | BPF_X,
	BPF_ALU | BPF_LSH | BPF_K,
	BPF_ALU | BPF_LSH | BPF_X,
	BPF_ALU | BPF_RSH | BPF_K,
	BPF_ALU | BPF_RSH | BPF_X,
	BPF_ALU | BPF_NEG,
	BPF_JMP | BPF_JA,
	BPF_JMP | BPF_JEQ | BPF_K,
	BPF_JMP | BPF_JEQ | BPF_X,
	BPF_JMP | BPF_JGT | BPF_K,
	BPF_JMP | BPF_JGT | BPF_X,
	BPF_JMP | BPF_JGE | BPF_K,
	BPF_JMP | BPF_JGE | BPF_X,
	BPF_JMP | BPF_JSET | BPF_K,
	BPF_JMP | BPF_JSET | BPF_X,
	BPF_ALU | BPF_MOD | BPF_K,
	BPF_LD | BPF_H | BPF_ABS,
};

static struct sock_filter random_insn(struct bench *b, uint32_t left)
{
	struct sock_filter f = { .code = codes[pick(b, ARRAY_LEN(codes))], .k = word(b) };

	/* what no program may hold comes seldom */
	if (f.code == (BPF_ALU | BPF_MOD | BPF_K) || f.code == (BPF_LD | BPF_H | BPF_ABS))
		f.code = pick(b, 50) ? BPF_MISC | BPF_TAX : f.code;
	if (f.code == (BPF_LD | BPF_W | BPF_ABS))
		f.k = pick(b, 200) ? 4 * pick(b, 16) : pick(b, 80);
	if (BPF_MODE(f.code) == BPF_MEM || BPF_CLASS(f.code) == BPF_ST ||
	    BPF_CLASS(f.code) == BPF_STX)
		f.k = pick(b, 400) ? pick(b, 3) : 15 + pick(b, 3);
	if (f.code == (BPF_ALU | BPF_LSH | BPF_K) || f.code == (BPF_ALU | BPF_RSH | BPF_K))
		f.k = pick(b, 200) ? pick(b, 32) : 32;
	if (f.code == (BPF_ALU | BPF_DIV | BPF_K) && pick(b, 200))
		f.k |= 1;
	if (BPF_CLASS(f.code) != BPF_JMP)
		return f;
	if (BPF_OP(f.code) == BPF_JA)
		f.k = pick(b, left + (pick(b, 100) == 0));
	f.jt = (uint8_t)pick(b, left + (pick(b, 200) == 0));
	f.jf = (uint8_t)pick(b, left < 6 ? left : 6);
	return f;
}

/* Memory words 0..2 are stored at the start, most of the time. The end turns A into one of 4,000
 * errnos: RET A with the action put in by AND and OR. */
static size_t random_program(struct bench *b, struct sock_filter *insn)
{
	static const struct sock_filter end[] = {
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 11),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_MEM, 3),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x7ff),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	size_t n = 0, body = 4 + pick(b, LENGTH);

	for (uint32_t i = 0; i < 3 && pick(b, 40); i++)
		insn[n++] = (struct sock_filter)BPF_STMT(BPF_STX, i);
	for (size_t i = 0; i < body; i++)
		insn[n++] = random_insn(b, (uint32_t)(body - i));
	for (size_t i = 0; i < ARRAY_LEN(end); i++)
		insn[n++] = end[i];
	return n;
}

/* Is it loaded? In a child; the program is first checked by the kernel as a whole. */
static bool kernel_accepts(const struct bpf_prog *p)
{
	struct sock_fprog prog = { (unsigned short)p->len, p->insn };
	int status;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		if (probe_load(&prog) == 0)
			probe_end();
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid && !WIFEXITED(status);
}

static void compare(struct bench *b, const struct bpf_prog *p)
{
	struct probe_run r = {
		.program = p, .backstop = true, .probes = b->probes, .n = CALLS, .cursor = b->cursor
	};

	for (size_t i = 0; i < CALLS; i++) {
		struct seccomp_data call = { .nr = (int)pick(b, 330), .arch = AUDIT_ARCH_X86_64 };

		if (pick(b, 3) == 0)
			call.arch = AUDIT_ARCH_I386;
		for (int k = 0; k < 6; k++)
			call.args[k] =
				word(b) |
				(call.arch == AUDIT_ARCH_X86_64 ? (uint64_t)word(b) << 32 : 0);
		b->probes[i] = (struct probe){ .call = call };
	}
	if (!probe_all(&r, false)) {
		puts("# the probes could not be made");
		b->different++;
		return;
	}
	for (size_t i = 0; i < CALLS; i++) {
		const struct probe *got = &b->probes[i];
		uint32_t ret = bpf_run(p, &got->call, NULL);
		bool killed = got->outcome == OUT_PROCESS_KILLED;

		b->calls++;
		/* a division by zero ends with 0, KILL_THREAD */
		if (ret ? killed || got->value != -(long)(ret & SECCOMP_RET_DATA) : !killed)
			b->different++;
	}
}

/* A program that reads the instruction pointer cannot be foreseen. */
static bool reads_ip(const struct bpf_prog *p)
{
	for (size_t i = 0; i < p->len; i++)
		if (p->insn[i].code == (BPF_LD | BPF_W | BPF_ABS) &&
		    (p->insn[i].k == 8 || p->insn[i].k == 12))
			return true;
	return false;
}

int main(void)
{
	struct bench b = { .random = 0x2545f4914f6cdd1dULL };
	size_t programs = 0;
	bool failed;

	setvbuf(stdout, NULL, _IONBF, 0);
	b.probes = probe_shared(CALLS * sizeof *b.probes);
	b.cursor = probe_shared(sizeof *b.cursor);
	if (!b.probes || !b.cursor)
		return 1;
	while (programs < PROGRAMS) {
		struct sock_filter insn[LENGTH + 16];
		struct bpf_prog p = { .insn = insn };
		struct err e;

		p.len = random_program(&b, insn);
		if (reads_ip(&p))
			continue;
		if (bpf_check(&p, &e)) {
			b.refused++;
			if (kernel_accepts(&p)) {
				printf("# the kernel accepts what bpf_check() refuses: %s\n",
				       e.msg);
				b.different++;
			}
			continue;
		}
		programs++;
		compare(&b, &p);
	}
	failed = b.different || b.calls < 20000;
	printf("%sok 1 - programs run as in the kernel\n1..1\n# figure interp: %zu programs, %zu "
	       "calls "
	       "compared with the kernel, %zu programs refused by both, %zu different\n",
	       failed ? "not " : "", programs, b.calls, b.refused, b.different);
	return failed;
}
