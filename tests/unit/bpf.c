/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of bpf.c: what the checker refuses, what each instruction does, jumps near and far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/audit.h>
#include <string.h>

#include "warder/bpf.h"
#include "warder/own.h"

#define STMT(c, k)         BPF_STMT((c), (k))
#define JUMP(c, k, jt, jf) BPF_JUMP((c), (k), (jt), (jf))
#define RET(k)             BPF_STMT(BPF_RET | BPF_K, (k))
#define LD(off)            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (off))
#define IMM(k)             BPF_STMT(BPF_LD | BPF_IMM, (k))
#define XIMM(k)            BPF_STMT(BPF_LDX | BPF_IMM, (k))
#define ALU(op, src, k)    BPF_STMT(BPF_ALU | (op) | (src), (k))
#define RETA               BPF_STMT(BPF_RET | BPF_A, 0)

#define ROW_MAX 8
struct program {
	struct sock_filter insn[ROW_MAX];
	size_t len;
};
#define PROG(...)                                                                                  \
	{                                                                                          \
		{ __VA_ARGS__ },                                                                   \
			sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter) \
	}

static const struct seccomp_data call = {
	.nr = 7,
	.arch = AUDIT_ARCH_X86_64,
	.instruction_pointer = 0x1111222233334444ULL,
	.args = { 1, 0x500000002ULL, 3, 4, 5, UINT64_MAX },
};

static void test_refused(void **state)
{
	static const struct {
		struct program p;
		const char *why;
	} rows[] = {
		{ PROG(IMM(0)), "no ret" },
		{ PROG(LD(64), RET(0)), "outside" },
		{ PROG(LD(2), RET(0)), "outside" },
		{ PROG(LD(0xfffff000), RET(0)), "outside" },
		{ PROG(STMT(BPF_LD | BPF_H | BPF_ABS, 0), RET(0)), "no instruction" },
		{ PROG(STMT(BPF_LD | BPF_W | BPF_IND, 0), RET(0)), "no instruction" },
		{ PROG(STMT(BPF_LDX | BPF_B | BPF_MSH, 0), RET(0)), "no instruction" },
		{ PROG(ALU(BPF_MOD, BPF_K, 3), RET(0)), "no instruction" },
		{ PROG(STMT(BPF_RET | BPF_X, 0)), "no instruction" },
		{ PROG(ALU(BPF_DIV, BPF_K, 0), RET(0)), "zero" },
		{ PROG(ALU(BPF_LSH, BPF_K, 32), RET(0)), "32" },
		{ PROG(ALU(BPF_RSH, BPF_K, 99), RET(0)), "32" },
		{ PROG(STMT(BPF_ST, 16), RET(0)), "memory word" },
		{ PROG(STMT(BPF_LD | BPF_MEM, 3), RET(0)), "M[3]" },
		{ PROG(STMT(BPF_LDX | BPF_MEM, 0), RET(0)), "M[0]" },
		{ PROG(STMT(BPF_JMP | BPF_JA, 1), RET(0)), "past the end" },
		{ PROG(STMT(BPF_JMP | BPF_JA, 0xffffffff), RET(0)), "past the end" },
		{ PROG(JUMP(BPF_JMP | BPF_JEQ, 0, 1, 0), RET(0)), "past the end" },
		{ PROG(JUMP(BPF_JMP | BPF_JEQ, 0, 0, 1), RET(0)), "past the end" },
		/* stored on one path only */
		{ PROG(JUMP(BPF_JMP | BPF_JEQ, 0, 0, 1), STMT(BPF_ST, 2), STMT(BPF_LD | BPF_MEM, 2),
		       RETA),
		  "M[2]" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sock_filter insn[ROW_MAX];
		struct bpf_prog p = { rows[i].p.len, insn };

		memcpy(insn, rows[i].p.insn, sizeof insn);
		assert_int_equal(bpf_check(&p, &e), -EINVAL);
		if (!strstr(e.msg, rows[i].why))
			fail_msg("row %zu: '%s' does not say '%s'", i, e.msg, rows[i].why);
	}
}

static void test_length(void **state)
{
	static struct sock_filter insn[BPF_MAXINSNS + 1];
	struct bpf_prog p = { .insn = insn };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(insn); i++)
		insn[i] = (struct sock_filter)RET(1);
	assert_int_equal(bpf_check(&p, &e), -EINVAL);
	p.len = BPF_MAXINSNS;
	assert_int_equal(bpf_check(&p, &e), 0);
	p.len++;
	assert_int_equal(bpf_check(&p, &e), -EINVAL);
}

static void test_run(void **state)
{
	static const struct {
		struct program p;
		uint32_t want;
		bool saw_args;
	} rows[] = {
		{ PROG(RET(5)), 5, false },
		{ PROG(LD(0), RETA), 7, false },
		{ PROG(LD(4), RETA), AUDIT_ARCH_X86_64, false },
		{ PROG(LD(8), RETA), 0x33334444, true },
		{ PROG(LD(16), RETA), 1, true },
		{ PROG(LD(24), RETA), 2, true },
		{ PROG(LD(28), RETA), 5, true },
		{ PROG(LD(60), RETA), UINT32_MAX, true },
		{ PROG(STMT(BPF_LD | BPF_W | BPF_LEN, 0), RETA), 64, false },
		{ PROG(STMT(BPF_LDX | BPF_W | BPF_LEN, 0), STMT(BPF_MISC | BPF_TXA, 0), RETA), 64,
		  false },
		{ PROG(IMM(9), STMT(BPF_ST, 15), IMM(0), STMT(BPF_LD | BPF_MEM, 15), RETA), 9,
		  false },
		{ PROG(XIMM(9), STMT(BPF_STX, 1), XIMM(0), STMT(BPF_LDX | BPF_MEM, 1),
		       STMT(BPF_MISC | BPF_TXA, 0), RETA),
		  9, false },
		{ PROG(IMM(4), STMT(BPF_MISC | BPF_TAX, 0), IMM(0), STMT(BPF_MISC | BPF_TXA, 0),
		       RETA),
		  4, false },
		{ PROG(IMM(6), ALU(BPF_ADD, BPF_K, UINT32_MAX), RETA), 5, false },
		{ PROG(IMM(6), XIMM(4), ALU(BPF_ADD, BPF_X, 0), RETA), 10, false },
		{ PROG(IMM(6), ALU(BPF_SUB, BPF_K, 7), RETA), UINT32_MAX, false },
		{ PROG(IMM(6), XIMM(4), ALU(BPF_SUB, BPF_X, 0), RETA), 2, false },
		{ PROG(IMM(6), ALU(BPF_MUL, BPF_K, 7), RETA), 42, false },
		{ PROG(IMM(6), XIMM(4), ALU(BPF_MUL, BPF_X, 0), RETA), 24, false },
		{ PROG(IMM(17), ALU(BPF_DIV, BPF_K, 5), RETA), 3, false },
		{ PROG(IMM(17), XIMM(4), ALU(BPF_DIV, BPF_X, 0), RETA), 4, false },
		{ PROG(IMM(17), XIMM(0), ALU(BPF_DIV, BPF_X, 0), RET(9)), 0, false },
		{ PROG(IMM(6), ALU(BPF_AND, BPF_K, 3), RETA), 2, false },
		{ PROG(IMM(6), XIMM(12), ALU(BPF_AND, BPF_X, 0), RETA), 4, false },
		{ PROG(IMM(6), ALU(BPF_OR, BPF_K, 3), RETA), 7, false },
		{ PROG(IMM(6), XIMM(12), ALU(BPF_OR, BPF_X, 0), RETA), 14, false },
		{ PROG(IMM(6), ALU(BPF_XOR, BPF_K, 3), RETA), 5, false },
		{ PROG(IMM(6), XIMM(12), ALU(BPF_XOR, BPF_X, 0), RETA), 10, false },
		{ PROG(IMM(6), ALU(BPF_LSH, BPF_K, 31), RETA), 0, false },
		{ PROG(IMM(6), XIMM(33), ALU(BPF_LSH, BPF_X, 0), RETA), 12, false },
		{ PROG(IMM(6), ALU(BPF_RSH, BPF_K, 1), RETA), 3, false },
		{ PROG(IMM(6), XIMM(34), ALU(BPF_RSH, BPF_X, 0), RETA), 1, false },
		{ PROG(IMM(1), ALU(BPF_NEG, 0, 0), RETA), UINT32_MAX, false },
		{ PROG(STMT(BPF_JMP | BPF_JA, 1), RET(1), RET(2)), 2, false },
		{ PROG(IMM(5), JUMP(BPF_JMP | BPF_JEQ, 5, 0, 1), RET(1), RET(2)), 1, false },
		{ PROG(IMM(5), XIMM(6), JUMP(BPF_JMP | BPF_JEQ | BPF_X, 5, 0, 1), RET(1), RET(2)),
		  2, false },
		{ PROG(IMM(5), JUMP(BPF_JMP | BPF_JGT, 5, 0, 1), RET(1), RET(2)), 2, false },
		{ PROG(IMM(5), XIMM(4), JUMP(BPF_JMP | BPF_JGT | BPF_X, 9, 0, 1), RET(1), RET(2)),
		  1, false },
		{ PROG(IMM(5), JUMP(BPF_JMP | BPF_JGE, 5, 0, 1), RET(1), RET(2)), 1, false },
		{ PROG(IMM(5), XIMM(6), JUMP(BPF_JMP | BPF_JGE | BPF_X, 0, 0, 1), RET(1), RET(2)),
		  2, false },
		{ PROG(IMM(5), JUMP(BPF_JMP | BPF_JSET, 4, 0, 1), RET(1), RET(2)), 1, false },
		{ PROG(IMM(5), XIMM(2), JUMP(BPF_JMP | BPF_JSET | BPF_X, 4, 0, 1), RET(1), RET(2)),
		  2, false },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sock_filter insn[ROW_MAX];
		struct bpf_prog p = { rows[i].p.len, insn };
		bool saw = false;
		uint32_t got;

		memcpy(insn, rows[i].p.insn, sizeof insn);
		assert_int_equal(bpf_check(&p, &e), 0);
		got = bpf_run(&p, &call, &saw);
		if (got != rows[i].want || saw != rows[i].saw_args)
			fail_msg("row %zu: 0x%x saw_args %d", i, got, saw);
		assert_int_equal(bpf_run(&p, &call, NULL), got);
	}
}

/* A jump over n instructions in both directions, for n around the limit of a short jump. */
static void test_far_jumps(void **state)
{
	static const int lengths[] = { 0, 1, 253, 254, 255, 256, 257, 600, 2000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths) * 3; i++) {
		struct bpf_asm *a = bpf_asm_new();
		struct bpf_prog p;
		struct err e;
		int yes = bpf_asm_label(a), no = bpf_asm_label(a), n = lengths[i / 3];
		struct seccomp_data c = call;

		bpf_asm_load(a, 0);
		bpf_asm_jump(a, BPF_JEQ, 7, i % 3 == 1 ? 0 : yes, i % 3 == 0 ? 0 : no);
		bpf_asm_ret(a, 3);
		for (int k = 0; k < n; k++)
			bpf_asm_and(a, UINT32_MAX);
		bpf_asm_here(a, yes);
		bpf_asm_ret(a, 1);
		for (int k = 0; k < n / 2; k++)
			bpf_asm_and(a, UINT32_MAX);
		bpf_asm_here(a, no);
		bpf_asm_ret(a, 2);
		assert_int_equal(bpf_asm_end(a, &p, &e), 0);
		assert_int_equal(bpf_run(&p, &c, NULL), i % 3 == 1 ? 3 : 1);
		c.nr = 8;
		assert_int_equal(bpf_run(&p, &c, NULL), i % 3 == 0 ? 3 : 2);
		bpf_fini(&p);
	}
}

static void test_append_and_goto(void **state)
{
	struct sock_filter insn[] = { JUMP(BPF_JMP | BPF_JEQ, 7, 1, 0), RET(1), RET(2) };
	struct bpf_prog tail = { ARRAY_LEN(insn), insn }, p;
	struct bpf_asm *a = bpf_asm_new();
	int over = bpf_asm_label(a);
	struct err e;

	(void)state;
	bpf_asm_load(a, 0);
	bpf_asm_goto(a, over);
	bpf_asm_ret(a, 9);
	bpf_asm_here(a, over);
	bpf_asm_append(a, &tail);
	assert_int_equal(bpf_asm_end(a, &p, &e), 0);
	assert_int_equal(p.len, 6);
	assert_int_equal(bpf_run(&p, &call, NULL), 2);
	bpf_fini(&p);
}

static struct bpf_asm *with_label_twice(void)
{
	struct bpf_asm *a = bpf_asm_new();
	int l = bpf_asm_label(a);

	bpf_asm_here(a, l);
	bpf_asm_here(a, l);
	bpf_asm_ret(a, 0);
	return a;
}

static struct bpf_asm *with_jump_back(void)
{
	struct bpf_asm *a = bpf_asm_new();
	int l = bpf_asm_label(a);

	bpf_asm_here(a, l);
	bpf_asm_goto(a, l);
	bpf_asm_ret(a, 0);
	return a;
}

static struct bpf_asm *with_open_label(void)
{
	struct bpf_asm *a = bpf_asm_new();

	bpf_asm_goto(a, bpf_asm_label(a));
	bpf_asm_ret(a, 0);
	return a;
}

static struct bpf_asm *with_strange_label(void)
{
	struct bpf_asm *a = bpf_asm_new();

	bpf_asm_jump(a, BPF_JEQ, 0, 3, 0);
	bpf_asm_ret(a, 0);
	return a;
}

static struct bpf_asm *with_label_at_end(void)
{
	struct bpf_asm *a = bpf_asm_new();
	int l = bpf_asm_label(a);

	bpf_asm_goto(a, l);
	bpf_asm_ret(a, 0);
	bpf_asm_here(a, l);
	return a;
}

static struct bpf_asm *with_too_many(void)
{
	struct bpf_asm *a = bpf_asm_new();

	for (int i = 0; i <= BPF_MAXINSNS; i++)
		bpf_asm_ret(a, 0);
	return a;
}

static struct bpf_asm *with_too_many_far(void)
{
	struct bpf_asm *a = bpf_asm_new();
	int l = bpf_asm_label(a);

	for (int i = 0; i < BPF_MAXINSNS - 1; i++)
		bpf_asm_jump(a, BPF_JEQ, 0, l, 0);
	bpf_asm_here(a, l);
	bpf_asm_ret(a, 0);
	return a;
}

static void test_asm_failures(void **state)
{
	static const struct {
		struct bpf_asm *(*make)(void);
		int num;
	} rows[] = {
		{ with_label_twice, EINVAL },  { with_jump_back, EINVAL },
		{ with_open_label, EINVAL },   { with_strange_label, EINVAL },
		{ with_label_at_end, EINVAL }, { with_too_many, E2BIG },
		{ with_too_many_far, E2BIG },  { bpf_asm_new, EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bpf_prog p = { .len = 77 };
		struct err e;

		assert_int_equal(bpf_asm_end(rows[i].make(), &p, &e), -rows[i].num);
		assert_int_equal(p.len, 77);
	}
}

static void test_format(void **state)
{
	static const struct {
		struct sock_filter insn;
		const char *text;
	} rows[] = {
		{ JUMP(BPF_JMP | BPF_JEQ, 59, 3, 0), "   1: jeq #0x3b true 5 false 2" },
		{ JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1), "   1: jgt x true 2 false 3" },
		{ STMT(BPF_JMP | BPF_JA, 4), "   1: ja 6" },
		{ LD(16), "   1: ld [16]" },
		{ STMT(BPF_LD | BPF_W | BPF_LEN, 0), "   1: ld len" },
		{ STMT(BPF_STX, 3), "   1: stx M[3]" },
		{ ALU(BPF_LSH, BPF_K, 3), "   1: lsh #3" },
		{ ALU(BPF_DIV, BPF_X, 3), "   1: div x" },
		{ STMT(BPF_MISC | BPF_TAX, 0), "   1: tax" },
		{ RET(0x7fff0000), "   1: ret #0x7fff0000" },
		{ RETA, "   1: ret a" },
		{ STMT(0xffff, 2), "   1: ??? 0xffff 0 0 0x2" },
	};
	char buf[96], small[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(bpf_format(&rows[i].insn, 1, buf, sizeof buf), rows[i].text);
	assert_string_equal(bpf_format(&rows[0].insn, 1, small, sizeof small), "   1:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_far_jumps),
		cmocka_unit_test(test_append_and_goto),
		cmocka_unit_test(test_asm_failures),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests_name("bpf", tests, NULL, NULL);
}
