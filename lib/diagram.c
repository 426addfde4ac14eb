/* SPDX-License-Identifier: Apache-2.0 */
/* diagram.c - see diagram.h. */
#include "warder/diagram.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"

#define LEVELS    384U /* bits of six arguments; a constant stands below them */
#define BITS      64U
#define CACHE     (1U << 15)
#define MAX_ERRNO 4095

struct node {
	uint32_t level;
	uint32_t no, yes; /* the bit is 0, 1; of a constant: its value, low half first */
};

struct remembered { /* one result; a later one may take its place */
	diagram_fn *fn;
	uint32_t a, b, c, result;
};

struct diagrams {
	size_t n, room, limit, n_slots;
	struct node *nodes; /* [0] is no node */
	uint32_t *slots;    /* hash of nodes, open */
	struct remembered *cache;
	int failure; /* errno, positive */
};

struct diagrams *diagrams_new(size_t max_nodes)
{
	struct diagrams *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	*d = (struct diagrams){ .n = 1, .room = 1024, .limit = max_nodes, .n_slots = 4096 };
	d->nodes = calloc(d->room, sizeof *d->nodes);
	d->slots = calloc(d->n_slots, sizeof *d->slots);
	d->cache = calloc(CACHE, sizeof *d->cache);
	if (d->nodes && d->slots && d->cache)
		return d;
	diagrams_free(d);
	return NULL;
}

void diagrams_free(struct diagrams *d)
{
	if (!d)
		return;
	free(d->nodes);
	free(d->slots);
	free(d->cache);
	free(d);
}

int diagrams_check(const struct diagrams *d, struct err *e)
{
	if (d->failure == E2BIG)
		return err_set(e, E2BIG, "the conditions are too many to compare: unknown");
	return d->failure ? err_set(e, d->failure, "compare conditions") : 0;
}

static uint32_t fail(struct diagrams *d, int num)
{
	if (!d->failure)
		d->failure = num;
	return DIAGRAM_NONE;
}

static size_t mix(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t h = a * 0x9e3779b97f4a7c15U ^ b * 0xc2b2ae3d27d4eb4fU ^ c * 0x165667b19e3779f9U;

	return (size_t)(h ^ h >> 29);
}

static uint32_t *slot_of(const struct diagrams *d, const struct node *n)
{
	size_t i = mix(n->level, n->no, n->yes) & (d->n_slots - 1);

	while (d->slots[i] && memcmp(&d->nodes[d->slots[i]], n, sizeof *n) != 0)
		i = (i + 1) & (d->n_slots - 1);
	return &d->slots[i];
}

static bool grow(struct diagrams *d)
{
	uint32_t *slots = calloc(d->n_slots * 2, sizeof *slots);
	struct node *nodes = realloc(d->nodes, d->room * 2 * sizeof *nodes);

	if (nodes) {
		d->nodes = nodes;
		d->room *= 2;
	}
	if (!nodes || !slots) {
		free(slots);
		return false;
	}
	free(d->slots);
	d->slots = slots;
	d->n_slots *= 2;
	for (uint32_t i = 1; i < d->n; i++)
		*slot_of(d, &d->nodes[i]) = i;
	return true;
}

/* The one node of this content. */
static uint32_t intern(struct diagrams *d, const struct node *n)
{
	uint32_t *slot, found;

	if (d->failure)
		return DIAGRAM_NONE;
	if (d->n == d->room && !grow(d))
		return fail(d, ENOMEM);
	slot = slot_of(d, n);
	found = *slot;
	if (found)
		return found;
	if (d->n >= d->limit)
		return fail(d, E2BIG);
	d->nodes[d->n] = *n;
	*slot = (uint32_t)d->n;
	return (uint32_t)d->n++;
}

static uint32_t branch(struct diagrams *d, uint32_t level, uint32_t no, uint32_t yes)
{
	const struct node n = { level, no, yes };

	if (!no || !yes)
		return DIAGRAM_NONE;
	return no == yes ? no : intern(d, &n);
}

uint32_t diagram_const(struct diagrams *d, uint64_t value)
{
	const struct node n = { LEVELS, (uint32_t)value, (uint32_t)(value >> 32) };

	return intern(d, &n);
}

static uint64_t value_of(const struct node *n)
{
	return (uint64_t)n->yes << 32 | n->no;
}

bool diagram_is_const(const struct diagrams *d, uint32_t f, uint64_t *value)
{
	if (!f || d->nodes[f].level != LEVELS)
		return false;
	*value = value_of(&d->nodes[f]);
	return true;
}

static uint32_t level_of(const struct diagrams *d, uint32_t f)
{
	return d->nodes[f].level;
}

/* The part of f for one value of the bit at this level, which is f's own or above it. */
static uint32_t part(const struct diagrams *d, uint32_t f, uint32_t level, bool bit)
{
	const struct node *n = &d->nodes[f];

	if (n->level != level)
		return f;
	return bit ? n->yes : n->no;
}

static struct remembered *remembered(struct diagrams *d, diagram_fn *fn, uint32_t a, uint32_t b,
				     uint32_t c)
{
	size_t h = mix((uint64_t)(uintptr_t)fn << 20 ^ a, b, c);

	return &d->cache[h & (CACHE - 1)];
}

static bool is_about(const struct remembered *r, diagram_fn *fn, uint32_t a, uint32_t b, uint32_t c)
{
	return r->result && r->fn == fn && r->a == a && r->b == b && r->c == c;
}

uint32_t diagram_apply(struct diagrams *d, diagram_fn *fn, uint32_t a, uint32_t b)
{
	struct remembered *r;
	uint32_t level, no, yes, result;

	if (!a || !b || d->failure)
		return DIAGRAM_NONE;
	r = remembered(d, fn, a, b, 0);
	if (is_about(r, fn, a, b, 0))
		return r->result;
	level = level_of(d, a) < level_of(d, b) ? level_of(d, a) : level_of(d, b);
	if (level == LEVELS) {
		result = diagram_const(d, fn(value_of(&d->nodes[a]), value_of(&d->nodes[b])));
	} else {
		no = diagram_apply(d, fn, part(d, a, level, false), part(d, b, level, false));
		yes = diagram_apply(d, fn, part(d, a, level, true), part(d, b, level, true));
		result = branch(d, level, no, yes);
	}
	*r = (struct remembered){ fn, a, b, 0, result };
	return result;
}

static uint32_t fold(struct diagrams *d, diagram_fn *fn, uint32_t f)
{
	struct remembered *r;
	uint32_t no, yes, result;

	if (!f || d->failure || level_of(d, f) == LEVELS)
		return f;
	r = remembered(d, fn, f, f, 1);
	if (is_about(r, fn, f, f, 1))
		return r->result;
	no = fold(d, fn, d->nodes[f].no);
	yes = fold(d, fn, d->nodes[f].yes);
	result = diagram_apply(d, fn, no, yes);
	*r = (struct remembered){ fn, f, f, 1, result };
	return result;
}

uint64_t diagram_fold(struct diagrams *d, diagram_fn *fn, uint32_t f)
{
	return value_of(&d->nodes[fold(d, fn, f)]);
}

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t n = a < b ? a : b;

	return n < c ? n : c;
}

/* Where `only` (0 or 1 everywhere) is 1: f; elsewhere: g. */
static uint32_t choose(struct diagrams *d, uint32_t only, uint32_t f, uint32_t g)
{
	struct remembered *r;
	uint32_t level, no, yes, result;
	uint64_t value;

	if (!only || !f || !g || d->failure)
		return DIAGRAM_NONE;
	if (f == g)
		return f;
	if (diagram_is_const(d, only, &value))
		return value ? f : g;
	r = remembered(d, NULL, only, f, g);
	if (is_about(r, NULL, only, f, g))
		return r->result;
	level = least(level_of(d, only), level_of(d, f), level_of(d, g));
	no = choose(d, part(d, only, level, false), part(d, f, level, false),
		    part(d, g, level, false));
	yes = choose(d, part(d, only, level, true), part(d, f, level, true),
		     part(d, g, level, true));
	result = branch(d, level, no, yes);
	*r = (struct remembered){ NULL, only, f, g, result };
	return result;
}

/* Only its address counts: it says in the cache what was remembered. */
static uint64_t narrowed(uint64_t left, uint64_t right)
{
	return left ^ right;
}

uint32_t diagram_narrow(struct diagrams *d, uint32_t f)
{
	uint32_t level = f ? level_of(d, f) : LEVELS, no, result;
	struct remembered *r;

	if (!f || level == LEVELS)
		return f;
	if (level % BITS < BITS / 2)
		return diagram_narrow(d, d->nodes[f].no);
	r = remembered(d, narrowed, f, f, 0);
	if (is_about(r, narrowed, f, f, 0))
		return r->result;
	no = diagram_narrow(d, d->nodes[f].no);
	result = branch(d, level, no, diagram_narrow(d, d->nodes[f].yes));
	*r = (struct remembered){ narrowed, f, f, 0, result };
	return result;
}

uint64_t diagram_at(const struct diagrams *d, uint32_t f, const uint64_t args[6])
{
	const struct node *n = &d->nodes[f];

	while (n->level < LEVELS) {
		uint64_t arg = args[n->level / BITS];

		n = &d->nodes[arg >> (BITS - 1 - n->level % BITS) & 1 ? n->yes : n->no];
	}
	return value_of(n);
}

static bool find_example(const struct diagrams *d, uint32_t f, uint64_t args[6])
{
	const struct node *n = &d->nodes[f];
	uint64_t bit;

	if (n->level == LEVELS)
		return value_of(n) != 0;
	if (find_example(d, n->no, args))
		return true;
	bit = 1ULL << (BITS - 1 - n->level % BITS);
	args[n->level / BITS] |= bit;
	if (find_example(d, n->yes, args))
		return true;
	args[n->level / BITS] &= ~bit;
	return false;
}

/* Equal parts are one node: only a constant 0 has no example, so the search turns back once. */
bool diagram_example(const struct diagrams *d, uint32_t f, uint64_t args[6])
{
	memset(args, 0, 6 * sizeof *args);
	return f && find_example(d, f, args);
}

/* --- comparisons: `bits` bits from level on, 1 where they compare so --- */

enum compare { CMP_EQ, CMP_GT, CMP_GE };

struct field {
	uint32_t level; /* of its highest bit */
	uint32_t bits;
	uint64_t mask; /* bits that count; the others are taken as 0 */
};

static uint32_t compare(struct diagrams *d, struct field x, enum compare how, uint64_t k)
{
	uint32_t none = diagram_const(d, 0), all = diagram_const(d, 1);
	uint32_t f = how == CMP_GT ? none : all, above = how == CMP_EQ ? none : all;

	for (uint32_t i = 0; i < x.bits; i++) {
		bool in_k = k >> i & 1;
		uint32_t no = in_k ? none : f, yes = in_k ? f : above;

		f = x.mask >> i & 1 ? branch(d, x.level + x.bits - 1 - i, no, yes) : no;
	}
	return f;
}

static const struct {
	enum compare how;
	bool turned;
} compares[OP_COUNT] = {
	[OP_NE] = { CMP_EQ, true },         [OP_LT] = { CMP_GE, true },
	[OP_LE] = { CMP_GT, true },         [OP_EQ] = { CMP_EQ, false },
	[OP_GE] = { CMP_GE, false },        [OP_GT] = { CMP_GT, false },
	[OP_MASKED_EQ] = { CMP_EQ, false },
};

uint32_t diagram_cond(struct diagrams *d, const struct cond *c, uint32_t yes, uint32_t no)
{
	bool masked = c->op == OP_MASKED_EQ, turned = compares[c->op].turned;
	const struct field x = { c->index * BITS, BITS, masked ? c->value : UINT64_MAX };
	uint32_t f = compare(d, x, compares[c->op].how, masked ? c->value2 : c->value);

	return turned ? choose(d, f, no, yes) : choose(d, f, yes, no);
}

static uint64_t fixed(uint64_t left, uint64_t right)
{
	return left - right;
}

/* known: the condition's own diagram, for the cache. */
static uint32_t fix(struct diagrams *d, uint32_t f, const struct cond *c, uint32_t known)
{
	uint32_t level = f ? level_of(d, f) : LEVELS, no, result;
	struct remembered *r;
	uint64_t bit;

	if (!f || level / BITS > c->index)
		return f;
	bit = 1ULL << (BITS - 1 - level % BITS);
	if (level / BITS == c->index && c->value & bit)
		return fix(d, part(d, f, level, c->value2 & bit), c, known);
	r = remembered(d, fixed, f, known, 1);
	if (is_about(r, fixed, f, known, 1))
		return r->result;
	no = fix(d, d->nodes[f].no, c, known);
	result = branch(d, level, no, fix(d, d->nodes[f].yes, c, known));
	*r = (struct remembered){ fixed, f, known, 1, result };
	return result;
}

uint32_t diagram_fix(struct diagrams *d, uint32_t f, const struct cond *c)
{
	return fix(d, f, c, diagram_cond(d, c, diagram_const(d, 1), diagram_const(d, 0)));
}

/* --- filters --- */

uint64_t diagram_value(struct effect f)
{
	bool has_data = f.act == ACT_ERRNO || f.act == ACT_TRACE;

	return (uint64_t)f.act << 16 | (has_data ? f.errnum : 0);
}

struct effect diagram_effect(uint64_t value)
{
	return (struct effect){ .act = (uint8_t)(value >> 16), .errnum = (uint16_t)value };
}

/* The kernel kills the process for an action that it does not know, and cuts an errno. */
static uint64_t value_of_ret(uint32_t ret)
{
	int act = names_action_of_ret(ret);
	struct effect f = { .act = act < 0 ? ACT_KILL_PROCESS : (uint8_t)act,
			    .errnum = (uint16_t)(ret & SECCOMP_RET_DATA) };

	if (f.act == ACT_ERRNO && f.errnum > MAX_ERRNO)
		f.errnum = MAX_ERRNO;
	return diagram_value(f);
}

struct accumulator {
	bool is_arg;
	uint32_t k;     /* a constant; of an argument the mask */
	uint32_t level; /* of an argument's half */
};

struct seen { /* the diagram of what follows a jump that tests an argument */
	size_t pc;
	struct accumulator a;
	uint32_t f;
};

struct walk {
	struct diagrams *d;
	const struct bpf_prog *p;
	uint32_t audit, nr;
	struct seen *seen;
	size_t n_seen, room;
	struct err *e;
};

static uint32_t walk_from(struct walk *w, size_t pc, struct accumulator a);

static uint32_t not_understood(struct walk *w, size_t pc)
{
	char line[96];

	err_set(w->e, ENOTSUP,
		"the filter does what is not understood here, so its meaning is "
		"unknown:%s.",
		bpf_format(&w->p->insn[pc], pc, line, sizeof line));
	return DIAGRAM_NONE;
}

static bool same(const struct accumulator *a, const struct accumulator *b)
{
	return a->is_arg == b->is_arg && a->k == b->k && a->level == b->level;
}

static bool remember(struct walk *w, const struct seen *s)
{
	if (w->n_seen == w->room) {
		size_t room = w->room ? w->room * 2 : 64;
		struct seen *grown = realloc(w->seen, room * sizeof *grown);

		if (!grown)
			return false;
		w->seen = grown;
		w->room = room;
	}
	w->seen[w->n_seen++] = *s;
	return true;
}

static bool load(const struct walk *w, const struct sock_filter *f, struct accumulator *a)
{
	const size_t args = offsetof(struct seccomp_data, args);
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	uint32_t half;

	*a = (struct accumulator){ 0 };
	if (f->code == (BPF_LD | BPF_IMM))
		a->k = f->k;
	else if (f->code == (BPF_LD | BPF_W | BPF_LEN))
		a->k = sizeof(struct seccomp_data);
	else if (f->code != (BPF_LD | BPF_W | BPF_ABS))
		return false;
	else if (f->k == offsetof(struct seccomp_data, nr))
		a->k = w->nr;
	else if (f->k == offsetof(struct seccomp_data, arch))
		a->k = w->audit;
	else if (f->k < args)
		return false;
	else {
		half = (uint32_t)(f->k - args) / 4;
		a->is_arg = true;
		a->k = UINT32_MAX;
		a->level = half / 2 * BITS + ((half % 2 == 1) == little ? 0 : BITS / 2);
	}
	return true;
}

/* What the jump tests, as a diagram of 0 and 1. */
static uint32_t tested(struct walk *w, const struct sock_filter *f, const struct accumulator *a)
{
	struct field x = { a->level, BITS / 2, a->k };
	uint32_t zero;

	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return compare(w->d, x, CMP_EQ, f->k);
	case BPF_JGT:
		return compare(w->d, x, CMP_GT, f->k);
	case BPF_JGE:
		return compare(w->d, x, CMP_GE, f->k);
	default:
		x.mask &= f->k;
		zero = compare(w->d, x, CMP_EQ, 0);
		return choose(w->d, zero, diagram_const(w->d, 0), diagram_const(w->d, 1));
	}
}

static uint32_t jump_on_arg(struct walk *w, size_t pc, const struct accumulator *a)
{
	const struct sock_filter *f = &w->p->insn[pc];
	struct seen s = { pc, *a, 0 };
	uint32_t yes, no;

	for (size_t i = 0; i < w->n_seen; i++)
		if (w->seen[i].pc == pc && same(&w->seen[i].a, a))
			return w->seen[i].f;
	yes = walk_from(w, pc + 1 + f->jt, *a);
	no = yes ? walk_from(w, pc + 1 + f->jf, *a) : DIAGRAM_NONE;
	s.f = choose(w->d, tested(w, f, a), yes, no);
	return remember(w, &s) ? s.f : fail(w->d, ENOMEM);
}

static uint32_t walk_from(struct walk *w, size_t pc, struct accumulator a)
{
	for (;; pc++) {
		const struct sock_filter *f = &w->p->insn[pc];

		if (f->code == (BPF_ALU | BPF_AND | BPF_K)) {
			a.k &= f->k;
		} else if (BPF_CLASS(f->code) == BPF_LD) {
			if (!load(w, f, &a))
				return not_understood(w, pc);
		} else if (f->code == (BPF_RET | BPF_K)) {
			return diagram_const(w->d, value_of_ret(f->k));
		} else if (f->code == (BPF_JMP | BPF_JA)) {
			pc += f->k;
		} else if (BPF_CLASS(f->code) != BPF_JMP || BPF_SRC(f->code) == BPF_X) {
			return not_understood(w, pc);
		} else if (a.is_arg) {
			return jump_on_arg(w, pc, &a);
		} else {
			pc += bpf_is_taken(f->code, a.k, f->k) ? f->jt : f->jf;
		}
	}
}

int diagram_of_bpf(struct diagrams *d, const struct bpf_prog *p, uint32_t audit, int nr,
		   uint32_t *out, struct err *e)
{
	struct walk w = { .d = d, .p = p, .audit = audit, .nr = (uint32_t)nr, .e = e };
	uint32_t f;

	e->num = 0;
	f = walk_from(&w, 0, (struct accumulator){ 0 });
	free(w.seen);
	if (f) {
		*out = f;
		return 0;
	}
	return e->num ? -e->num : diagrams_check(d, e);
}

/* --- regions: back from bits to comparisons --- */

#define EXITS  64  /* different continuations of one argument; more: each path for itself */
#define PIECES 512 /* comparisons that make up one set of values */

#define STEPS (1U << 18)

struct pieces { /* a set of values of one argument */
	int n;
	bool too_many;
	struct cond c[PIECES];
};

static void add_piece(struct pieces *p, const struct cond *c)
{
	if (p->n == PIECES)
		p->too_many = true;
	else
		p->c[p->n++] = *c;
}

/* Each path through the set's bits: (value & mask) == wanted. */
static void add_cubes(const struct diagrams *d, uint32_t set, uint32_t arg, struct cond *c,
		      struct pieces *p)
{
	const struct node *n = &d->nodes[set];
	uint64_t bit;

	if (p->too_many)
		return;
	if (n->level == LEVELS) {
		struct cond exact = *c;

		if (exact.value == UINT64_MAX)
			exact = (struct cond){ c->index, OP_EQ, c->value2, 0 };
		if (value_of(n))
			add_piece(p, &exact);
		return;
	}
	bit = 1ULL << (BITS - 1 - n->level % BITS);
	c->value |= bit;
	add_cubes(d, n->no, arg, c, p);
	c->value2 |= bit;
	add_cubes(d, n->yes, arg, c, p);
	c->value &= ~bit;
	c->value2 &= ~bit;
}

static void list_cubes(const struct diagrams *d, uint32_t set, uint32_t arg, struct pieces *p)
{
	struct cond c = { (uint8_t)arg, OP_MASKED_EQ, 0, 0 };

	p->n = 0;
	p->too_many = false;
	add_cubes(d, set, arg, &c, p);
}

/* The last value of those that the set begins with (up: the first of those that it ends with); it
 * does begin (end) with some. Searched is the first (last) value that is not in the set. */
static uint64_t edge(const struct diagrams *d, uint32_t set, uint32_t arg, bool up)
{
	uint64_t x = 0, value;

	for (uint32_t i = 0; i < BITS; i++) {
		uint32_t near = part(d, set, arg * BITS + i, up);
		bool whole = diagram_is_const(d, near, &value) && value;

		set = whole ? part(d, set, arg * BITS + i, !up) : near;
		if (whole != up)
			x |= 1ULL << (BITS - 1 - i);
	}
	return up ? x + 1 : x - 1;
}

static uint64_t both(uint64_t left, uint64_t right)
{
	return left && right;
}

/* Takes 0..c or c..max off the set as one comparison, if it begins or ends there. */
static uint32_t peel(struct diagrams *d, uint32_t set, uint32_t arg, bool up, struct pieces *p)
{
	struct cond c = { (uint8_t)arg, up ? OP_GE : OP_LE, 0, 0 };
	uint64_t at[6];
	uint32_t rest;

	memset(at, up ? 0xff : 0, sizeof at);
	if (!set || !diagram_at(d, set, at))
		return set;
	c.value = edge(d, set, arg, up);
	rest = diagram_cond(d, &c, diagram_const(d, 0), diagram_const(d, 1));
	if (c.value == at[arg])
		c.op = OP_EQ;
	add_piece(p, &c);
	return diagram_apply(d, both, set, rest);
}

/* Everything but one value. */
static bool is_all_but_one(struct diagrams *d, uint32_t set, uint32_t arg, struct pieces *p)
{
	uint32_t rest = choose(d, set, diagram_const(d, 0), diagram_const(d, 1));

	if (!rest)
		return false;
	list_cubes(d, rest, arg, p);
	if (p->n != 1 || p->c[0].op != OP_EQ)
		return false;
	p->c[0].op = OP_NE;
	return true;
}

/* The set as few comparisons: ranges at the ends and masks between, or masks alone. */
static void list_pieces(struct diagrams *d, uint32_t set, uint32_t arg, struct pieces p[2])
{
	struct cond c = { (uint8_t)arg, OP_MASKED_EQ, 0, 0 };
	struct pieces *peeled = &p[1];
	uint32_t rest;

	if (is_all_but_one(d, set, arg, p))
		return;
	list_cubes(d, set, arg, p);
	if (p->n == 1 && !p->too_many)
		return;
	rest = peel(d, set, arg, false, peeled);
	rest = peel(d, rest, arg, true, peeled);
	if (!rest)
		return;
	add_cubes(d, rest, arg, &c, peeled);
	if (!peeled->too_many && (p->too_many || peeled->n < p->n))
		*p = *peeled;
}

/* What f goes on with behind argument arg. */
struct exits {
	uint32_t n, arg, steps;
	bool too_many;
	uint32_t f[EXITS];
};

static void find_exits(const struct diagrams *d, uint32_t f, struct exits *x)
{
	uint32_t i = 0;

	x->too_many |= x->steps++ == STEPS;
	if (x->too_many)
		return;
	if (level_of(d, f) / BITS == x->arg) {
		find_exits(d, d->nodes[f].no, x);
		find_exits(d, d->nodes[f].yes, x);
		return;
	}
	while (i < x->n && x->f[i] != f)
		i++;
	if (i == EXITS)
		x->too_many = true;
	else if (i == x->n)
		x->f[x->n++] = f;
}

static uint64_t set_of_exit(uint64_t left, uint64_t right)
{
	return left ^ right;
}

/* The values of the argument with which f goes on as `exit`: 1 there, 0 elsewhere. */
static uint32_t set_of(struct diagrams *d, uint32_t f, uint32_t exit, uint32_t arg)
{
	struct remembered *r = remembered(d, set_of_exit, f, exit, arg);
	uint32_t no, result;

	if (f == exit || level_of(d, f) / BITS != arg)
		return diagram_const(d, f == exit);
	if (is_about(r, set_of_exit, f, exit, arg))
		return r->result;
	no = set_of(d, d->nodes[f].no, exit, arg);
	result = branch(d, level_of(d, f), no, set_of(d, d->nodes[f].yes, exit, arg));
	*r = (struct remembered){ set_of_exit, f, exit, arg, result };
	return result;
}

struct regions {
	uint32_t steps;
	uint64_t skip;
	diagram_region_fn *fn;
	void *ctx;
	struct conds where;
};

static bool walk_regions(struct diagrams *d, uint32_t f, struct regions *r);

static bool walk_exit(struct diagrams *d, uint32_t f, uint32_t exit, uint32_t arg,
		      struct regions *r)
{
	auto_free struct pieces *p = calloc(2, sizeof *p);
	uint32_t set = set_of(d, f, exit, arg);
	bool more;

	if (!p || !set) {
		fail(d, ENOMEM);
		return false;
	}
	list_pieces(d, set, arg, p);
	more = !p->too_many;
	for (int i = 0; more && i < p->n; i++) {
		more = r->steps++ < PIECES * 8;
		r->where.c[r->where.n++] = p->c[i];
		more = more && walk_regions(d, exit, r);
		r->where.n--;
	}
	return more && !d->failure;
}

static bool walk_regions(struct diagrams *d, uint32_t f, struct regions *r)
{
	struct exits x = { .arg = level_of(d, f) / BITS };
	bool more = true;
	uint64_t value;

	if (diagram_is_const(d, f, &value))
		return value == r->skip || r->fn(r->ctx, &r->where, value);
	find_exits(d, f, &x);
	more = !x.too_many;
	for (uint32_t i = 0; more && !d->failure && i < x.n; i++) {
		if (diagram_is_const(d, x.f[i], &value) && value == r->skip)
			continue;
		more = walk_exit(d, f, x.f[i], x.arg, r);
	}
	return more && !d->failure;
}

bool diagram_regions(struct diagrams *d, uint32_t f, uint64_t skip, diagram_region_fn *fn,
		     void *ctx)
{
	struct regions r = { .skip = skip, .fn = fn, .ctx = ctx };

	return f && walk_regions(d, f, &r);
}
