/* SPDX-License-Identifier: Apache-2.0 */
/* bpf.h - classic BPF as seccomp uses it: an interpreter, an assembler with labels, a printer.
 *
 * The interpreter accepts exactly what the kernel's seccomp_check_filter() and bpf_check_classic()
 * accept (net/core/filter.c, kernel/seccomp.c): bpf_check() says why not; bpf_run() may only be
 * given a checked program. */
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warder/err.h"

struct bpf_prog {
	size_t len;               /* instructions, 1..BPF_MAXINSNS (4096) */
	struct sock_filter *insn; /* heap */
};

void bpf_fini(struct bpf_prog *p);

/* 0, or EINVAL naming the instruction and the rule it breaks. */
int bpf_check(const struct bpf_prog *p, struct err *e);

/* The program's return value for this call. *saw_args (may be NULL): set to true when an
 * instruction loaded from instruction_pointer or args, i.e. when the result may depend on more than
 * (arch, nr); never set to false. No allocation, no recursion. */
uint32_t bpf_run(const struct bpf_prog *p, const struct seccomp_data *call, bool *saw_args);

/* Of a conditional jump: is it taken, when the accumulator is a and the operand v? */
bool bpf_is_taken(uint16_t code, uint32_t a, uint32_t v);

/* Assembler. Code is emitted in order; labels are forward only. Jumps of more than 255 instructions
 * become BPF_JA. Any failure (memory, BPF_MAXINSNS) is kept and returned by bpf_asm_end(). */
struct bpf_asm;
struct bpf_asm *bpf_asm_new(void); /* NULL: ENOMEM */
int bpf_asm_label(struct bpf_asm *a);
void bpf_asm_here(struct bpf_asm *a, int label);
void bpf_asm_load(struct bpf_asm *a, uint32_t offset); /* A = word at offset of seccomp_data */
void bpf_asm_and(struct bpf_asm *a, uint32_t k);
/* BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET; a label of 0 means "go on with the next instruction". */
void bpf_asm_jump(struct bpf_asm *a, uint16_t op, uint32_t k, int yes, int no);
void bpf_asm_goto(struct bpf_asm *a, int label);
void bpf_asm_ret(struct bpf_asm *a, uint32_t k);
void bpf_asm_append(struct bpf_asm *a,
		    const struct bpf_prog *p); /* its jumps are relative: verbatim */
/* Ends and frees the assembler, even on failure. out: bpf_fini(). Checks the result. */
int bpf_asm_end(struct bpf_asm *a, struct bpf_prog *out, struct err *e);

/* "  12: jeq #0x3b true 4 false 0" into buf; returns buf. */
const char *bpf_format(const struct sock_filter *insn, size_t index, char *buf, size_t size);
