/* SPDX-License-Identifier: Apache-2.0 */
/* bpf.c - see bpf.h. One row per instruction serves the checker and the printer. */
#include "warder/bpf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "warder/own.h"

/* What an instruction's k means, and so how it is checked and printed. */
enum operand {
	OPD_NONE, /* a or x alone */
	OPD_ABS,  /* offset in struct seccomp_data */
	OPD_LEN,
	OPD_K,
	OPD_DIVISOR,
	OPD_SHIFT,
	OPD_MEM,
	OPD_X,
	OPD_A,
	OPD_JA,
	OPD_JUMP_K,
	OPD_JUMP_X,
};

static const struct row {
	uint16_t code;
	uint8_t operand;
	const char *word;
} rows[] = {
	{ BPF_LD | BPF_W | BPF_ABS, OPD_ABS, "ld" },
	{ BPF_LD | BPF_W | BPF_LEN, OPD_LEN, "ld" },
	{ BPF_LDX | BPF_W | BPF_LEN, OPD_LEN, "ldx" },
	{ BPF_LD | BPF_IMM, OPD_K, "ld" },
	{ BPF_LDX | BPF_IMM, OPD_K, "ldx" },
	{ BPF_LD | BPF_MEM, OPD_MEM, "ld" },
	{ BPF_LDX | BPF_MEM, OPD_MEM, "ldx" },
	{ BPF_ST, OPD_MEM, "st" },
	{ BPF_STX, OPD_MEM, "stx" },
	{ BPF_MISC | BPF_TAX, OPD_NONE, "tax" },
	{ BPF_MISC | BPF_TXA, OPD_NONE, "txa" },
	{ BPF_ALU | BPF_ADD | BPF_K, OPD_K, "add" },
	{ BPF_ALU | BPF_ADD | BPF_X, OPD_X, "add" },
	{ BPF_ALU | BPF_SUB | BPF_K, OPD_K, "sub" },
	{ BPF_ALU | BPF_SUB | BPF_X, OPD_X, "sub" },
	{ BPF_ALU | BPF_MUL | BPF_K, OPD_K, "mul" },
	{ BPF_ALU | BPF_MUL | BPF_X, OPD_X, "mul" },
	{ BPF_ALU | BPF_DIV | BPF_K, OPD_DIVISOR, "div" },
	{ BPF_ALU | BPF_DIV | BPF_X, OPD_X, "div" },
	{ BPF_ALU | BPF_AND | BPF_K, OPD_K, "and" },
	{ BPF_ALU | BPF_AND | BPF_X, OPD_X, "and" },
	{ BPF_ALU | BPF_OR | BPF_K, OPD_K, "or" },
	{ BPF_ALU | BPF_OR | BPF_X, OPD_X, "or" },
	{ BPF_ALU | BPF_XOR | BPF_K, OPD_K, "xor" },
	{ BPF_ALU | BPF_XOR | BPF_X, OPD_X, "xor" },
	{ BPF_ALU | BPF_LSH | BPF_K, OPD_SHIFT, "lsh" },
	{ BPF_ALU | BPF_LSH | BPF_X, OPD_X, "lsh" },
	{ BPF_ALU | BPF_RSH | BPF_K, OPD_SHIFT, "rsh" },
	{ BPF_ALU | BPF_RSH | BPF_X, OPD_X, "rsh" },
	{ BPF_ALU | BPF_NEG, OPD_NONE, "neg" },
	{ BPF_JMP | BPF_JA, OPD_JA, "ja" },
	{ BPF_JMP | BPF_JEQ | BPF_K, OPD_JUMP_K, "jeq" },
	{ BPF_JMP | BPF_JEQ | BPF_X, OPD_JUMP_X, "jeq" },
	{ BPF_JMP | BPF_JGT | BPF_K, OPD_JUMP_K, "jgt" },
	{ BPF_JMP | BPF_JGT | BPF_X, OPD_JUMP_X, "jgt" },
	{ BPF_JMP | BPF_JGE | BPF_K, OPD_JUMP_K, "jge" },
	{ BPF_JMP | BPF_JGE | BPF_X, OPD_JUMP_X, "jge" },
	{ BPF_JMP | BPF_JSET | BPF_K, OPD_JUMP_K, "jset" },
	{ BPF_JMP | BPF_JSET | BPF_X, OPD_JUMP_X, "jset" },
	{ BPF_RET | BPF_K, OPD_K, "ret" },
	{ BPF_RET | BPF_A, OPD_A, "ret" },
};

static const struct row *row_of(uint16_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == code)
			return &rows[i];
	return NULL;
}

void bpf_fini(struct bpf_prog *p)
{
	free(p->insn);
	*p = (struct bpf_prog){ 0 };
}

/* The rule that instruction pc breaks by itself, or NULL. left: instructions after it. */
static const char *broken_rule(const struct sock_filter *f, size_t left)
{
	const struct row *row = row_of(f->code);

	if (!row)
		return "no instruction of seccomp's";
	switch ((enum operand)row->operand) {
	case OPD_ABS:
		return f->k % 4 || f->k >= sizeof(struct seccomp_data)
			       ? "loads from outside of seccomp_data"
			       : NULL;
	case OPD_DIVISOR:
		return f->k ? NULL : "divides by zero";
	case OPD_SHIFT:
		return f->k < 32 ? NULL : "shifts by 32 or more";
	case OPD_MEM:
		return f->k < BPF_MEMWORDS ? NULL : "uses a memory word that does not exist";
	case OPD_JA:
		return f->k < left ? NULL : "jumps past the end";
	case OPD_JUMP_K:
	case OPD_JUMP_X:
		return f->jt < left && f->jf < left ? NULL : "jumps past the end";
	case OPD_NONE:
	case OPD_LEN:
	case OPD_K:
	case OPD_X:
	case OPD_A:
		break;
	}
	return NULL;
}

/* Memory words must be stored on every path before they are loaded. seen[pc]: the words stored on
 * all the jumps to pc. Like the kernel, a RET counts as falling through. */
static int check_memory(const struct bpf_prog *p, struct err *e)
{
	uint16_t seen[BPF_MAXINSNS];
	uint16_t now = 0;

	memset(seen, 0xff, sizeof seen);
	for (size_t pc = 0; pc < p->len; pc++) {
		const struct sock_filter *f = &p->insn[pc];
		uint16_t bit = (uint16_t)(1U << (f->k % BPF_MEMWORDS));

		now &= seen[pc];
		if (f->code == BPF_ST || f->code == BPF_STX)
			now |= bit;
		if ((f->code == (BPF_LD | BPF_MEM) || f->code == (BPF_LDX | BPF_MEM)) &&
		    !(now & bit))
			return err_set(e, EINVAL, "instruction %zu loads M[%u] before it is stored",
				       pc, f->k);
		if (BPF_CLASS(f->code) != BPF_JMP)
			continue;
		if (BPF_OP(f->code) == BPF_JA) {
			seen[pc + 1 + f->k] &= now;
		} else {
			seen[pc + 1 + f->jt] &= now;
			seen[pc + 1 + f->jf] &= now;
		}
		now = UINT16_MAX;
	}
	return 0;
}

int bpf_check(const struct bpf_prog *p, struct err *e)
{
	if (!p->len || p->len > BPF_MAXINSNS)
		return err_set(e, EINVAL, "a program has 1 to %d instructions, this one %zu",
			       BPF_MAXINSNS, p->len);
	for (size_t pc = 0; pc < p->len; pc++) {
		const char *why = broken_rule(&p->insn[pc], p->len - pc - 1);

		if (why)
			return err_set(e, EINVAL, "instruction %zu (code 0x%x, k 0x%x) %s", pc,
				       p->insn[pc].code, p->insn[pc].k, why);
	}
	if (BPF_CLASS(p->insn[p->len - 1].code) != BPF_RET)
		return err_set(e, EINVAL, "the last instruction, %zu, is no ret", p->len - 1);
	return check_memory(p, e);
}

/* false: division by zero, which ends the program with 0. */
static bool alu(uint16_t code, uint32_t *a, uint32_t v)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		*a += v;
		break;
	case BPF_SUB:
		*a -= v;
		break;
	case BPF_MUL:
		*a *= v;
		break;
	case BPF_DIV:
		if (!v)
			return false;
		*a /= v;
		break;
	case BPF_AND:
		*a &= v;
		break;
	case BPF_OR:
		*a |= v;
		break;
	case BPF_XOR:
		*a ^= v;
		break;
	case BPF_LSH:
		*a <<= v & 31;
		break;
	case BPF_RSH:
		*a >>= v & 31;
		break;
	default:
		*a = -*a;
	}
	return true;
}

bool bpf_is_taken(uint16_t code, uint32_t a, uint32_t v)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == v;
	case BPF_JGT:
		return a > v;
	case BPF_JGE:
		return a >= v;
	default:
		return a & v;
	}
}

struct machine {
	const struct seccomp_data *call;
	bool *saw_args;
	uint32_t mem[BPF_MEMWORDS];
};

static uint32_t load(const struct machine *m, const struct sock_filter *f)
{
	uint32_t word;

	switch (BPF_MODE(f->code)) {
	case BPF_ABS:
		if (f->k >= offsetof(struct seccomp_data, instruction_pointer) && m->saw_args)
			*m->saw_args = true;
		memcpy(&word, (const char *)m->call + f->k, sizeof word);
		return word;
	case BPF_LEN:
		return sizeof *m->call;
	case BPF_MEM:
		return m->mem[f->k];
	default:
		return f->k;
	}
}

uint32_t bpf_run(const struct bpf_prog *p, const struct seccomp_data *call, bool *saw_args)
{
	struct machine m = { .call = call, .saw_args = saw_args };
	uint32_t a = 0, x = 0;

	for (const struct sock_filter *f = p->insn;; f++) {
		uint32_t v = BPF_SRC(f->code) == BPF_X ? x : f->k;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			a = load(&m, f);
			break;
		case BPF_LDX:
			x = load(&m, f);
			break;
		case BPF_ST:
			m.mem[f->k] = a;
			break;
		case BPF_STX:
			m.mem[f->k] = x;
			break;
		case BPF_ALU:
			if (!alu(f->code, &a, v))
				return 0;
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				f += f->k;
			else
				f += bpf_is_taken(f->code, a, v) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
		}
	}
}

/* One instruction as written; yes and no are labels, 0 for the next instruction. A jump whose
 * target lies further than 255 gets a JA of its own right behind it (far_yes, far_no). */
struct item {
	struct sock_filter insn;
	bool labelled; /* false: verbatim */
	bool far_yes, far_no;
	int yes, no;
};

struct bpf_asm {
	int failure; /* the first one, positive */
	const char *why;
	struct item *items;
	size_t n_items, room;
	size_t *labels; /* label i is before item labels[i]; label 0 is not used */
	int n_labels;
};

#define NOWHERE SIZE_MAX

static void fail(struct bpf_asm *a, int num, const char *why)
{
	if (!a->failure) {
		a->failure = num;
		a->why = why;
	}
}

struct bpf_asm *bpf_asm_new(void)
{
	struct bpf_asm *a = calloc(1, sizeof *a);

	if (a)
		a->n_labels = 1;
	return a;
}

int bpf_asm_label(struct bpf_asm *a)
{
	size_t *grown = realloc(a->labels, ((size_t)a->n_labels + 1) * sizeof *grown);

	if (!grown) {
		fail(a, ENOMEM, "labels");
		return 0;
	}
	a->labels = grown;
	a->labels[a->n_labels] = NOWHERE;
	return a->n_labels++;
}

void bpf_asm_here(struct bpf_asm *a, int label)
{
	if (label <= 0 || label >= a->n_labels || a->labels[label] != NOWHERE)
		return fail(a, EINVAL, "a label that is unknown or has a place already");
	a->labels[label] = a->n_items;
}

static void add(struct bpf_asm *a, const struct item *it)
{
	if (a->n_items == BPF_MAXINSNS)
		return fail(a, E2BIG, "the program");
	if (a->n_items == a->room) {
		size_t room = a->room ? a->room * 2 : 64;
		struct item *grown = realloc(a->items, room * sizeof *grown);

		if (!grown)
			return fail(a, ENOMEM, "instructions");
		a->items = grown;
		a->room = room;
	}
	a->items[a->n_items++] = *it;
}

static void add_plain(struct bpf_asm *a, uint16_t code, uint32_t k)
{
	add(a, &(struct item){ .insn = { .code = code, .k = k } });
}

void bpf_asm_load(struct bpf_asm *a, uint32_t offset)
{
	add_plain(a, BPF_LD | BPF_W | BPF_ABS, offset);
}

void bpf_asm_and(struct bpf_asm *a, uint32_t k)
{
	add_plain(a, BPF_ALU | BPF_AND | BPF_K, k);
}

void bpf_asm_ret(struct bpf_asm *a, uint32_t k)
{
	add_plain(a, BPF_RET | BPF_K, k);
}

void bpf_asm_jump(struct bpf_asm *a, uint16_t op, uint32_t k, int yes, int no)
{
	if (yes < 0 || yes >= a->n_labels || no < 0 || no >= a->n_labels ||
	    (yes && a->labels[yes] != NOWHERE) || (no && a->labels[no] != NOWHERE))
		return fail(a, EINVAL, "a jump to a label that is unknown or behind");
	add(a, &(struct item){ .insn = { .code = (uint16_t)(BPF_JMP | op | BPF_K), .k = k },
			       .labelled = true,
			       .yes = yes,
			       .no = no });
}

void bpf_asm_goto(struct bpf_asm *a, int label)
{
	bpf_asm_jump(a, BPF_JA, 0, label, 0);
}

void bpf_asm_append(struct bpf_asm *a, const struct bpf_prog *p)
{
	for (size_t i = 0; i < p->len; i++)
		add(a, &(struct item){ .insn = p->insn[i] });
}

static size_t item_size(const struct item *it)
{
	return 1 + (size_t)it->far_yes + (size_t)it->far_no;
}

/* at[i]: where item i begins; at[n_items] is the program's length. */
static void place(const struct bpf_asm *a, size_t *at)
{
	at[0] = 0;
	for (size_t i = 0; i < a->n_items; i++)
		at[i + 1] = at[i] + item_size(&a->items[i]);
}

/* Instructions between the item's own place and its target. */
static size_t distance(const struct bpf_asm *a, const size_t *at, size_t i, int label)
{
	return at[label ? a->labels[label] : i + 1] - at[i] - 1;
}

static bool is_ja(const struct item *it)
{
	return BPF_OP(it->insn.code) == BPF_JA;
}

/* Marks the jumps that need a JA; each mark may push other targets out of reach. */
static bool widen(struct bpf_asm *a, const size_t *at)
{
	bool changed = false;

	for (size_t i = 0; i < a->n_items; i++) {
		struct item *it = &a->items[i];

		if (!it->labelled || is_ja(it))
			continue;
		if (!it->far_yes && distance(a, at, i, it->yes) > UINT8_MAX)
			changed = it->far_yes = true;
		if (!it->far_no && distance(a, at, i, it->no) > UINT8_MAX)
			changed = it->far_no = true;
	}
	return changed;
}

/* Writes item i at out: the jump, then the JA of its yes and of its no where they are far. */
static void emit(const struct bpf_asm *a, const size_t *at, size_t i, struct sock_filter *out)
{
	const struct item *it = &a->items[i];
	size_t yes, no, n = 1;

	out[0] = it->insn;
	if (!it->labelled)
		return;
	yes = distance(a, at, i, it->yes);
	no = distance(a, at, i, it->no);
	if (is_ja(it)) {
		out[0].k = (uint32_t)yes;
		return;
	}
	if (it->far_yes) {
		out[n] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(yes - n));
		yes = n++ - 1;
	}
	if (it->far_no) {
		out[n] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(no - n));
		no = n - 1;
	}
	out[0].jt = (uint8_t)yes;
	out[0].jf = (uint8_t)no;
}

static int assemble(struct bpf_asm *a, struct bpf_prog *out, struct err *e)
{
	auto_free size_t *at = calloc(a->n_items + 1, sizeof *at);
	struct bpf_prog p;
	int rc;

	if (!at)
		return err_set(e, ENOMEM, "assemble");
	do
		place(a, at);
	while (widen(a, at));
	p.len = at[a->n_items];
	if (p.len > BPF_MAXINSNS)
		return err_set(e, E2BIG, "the program has %zu instructions", p.len);
	p.insn = calloc(p.len + 1, sizeof *p.insn);
	if (!p.insn)
		return err_set(e, ENOMEM, "assemble");
	for (size_t i = 0; i < a->n_items; i++)
		emit(a, at, i, p.insn + at[i]);
	rc = bpf_check(&p, e);
	if (rc < 0)
		bpf_fini(&p);
	else
		*out = p;
	return rc;
}

int bpf_asm_end(struct bpf_asm *a, struct bpf_prog *out, struct err *e)
{
	int rc;

	for (int i = 1; i < a->n_labels; i++)
		if (a->labels[i] == NOWHERE)
			fail(a, EINVAL, "a label without a place");
	rc = a->failure ? err_set(e, a->failure, "assemble: %s", a->why) : assemble(a, out, e);
	free(a->items);
	free(a->labels);
	free(a);
	return rc;
}

const char *bpf_format(const struct sock_filter *f, size_t index, char *buf, size_t size)
{
	static const char *const formats[] = {
		[OPD_NONE] = "",      [OPD_ABS] = " [%u]",      [OPD_LEN] = " len",
		[OPD_K] = " #0x%x",   [OPD_DIVISOR] = " #0x%x", [OPD_SHIFT] = " #%u",
		[OPD_MEM] = " M[%u]", [OPD_X] = " x",           [OPD_A] = " a",
		[OPD_JA] = "",        [OPD_JUMP_K] = " #0x%x",  [OPD_JUMP_X] = " x",
	};
	const struct row *row = row_of(f->code);
	char operand[32] = "", target[48] = "";

	if (!row) {
		snprintf(buf, size, "%4zu: ??? 0x%x %u %u 0x%x", index, f->code, f->jt, f->jf,
			 f->k);
		return buf;
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(operand, sizeof operand, formats[row->operand], f->k);
#pragma GCC diagnostic pop
	if (row->operand == OPD_JA)
		snprintf(target, sizeof target, " %zu", index + 1 + f->k);
	else if (BPF_CLASS(f->code) == BPF_JMP)
		snprintf(target, sizeof target, " true %zu false %zu", index + 1 + f->jt,
			 index + 1 + f->jf);
	snprintf(buf, size, "%4zu: %s%s%s", index, row->word, operand, target);
	return buf;
}
