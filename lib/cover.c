/* SPDX-License-Identifier: Apache-2.0 */
/* cover.c - see cover.h. Jumps go forward only, so one pass in the order of the instructions, with
 * what the accumulator may hold at each, sees every path. */
#include "warder/cover.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "warder/names.h"
#include "warder/own.h"

#define WORDS       (sizeof(struct seccomp_data) / sizeof(uint32_t))
#define HOLDS_MAX   8 /* different contents of the accumulator at one instruction */
#define TESTS_MAX   16384
#define VALUES_MAX  4096
#define COMBINATION (1UL << 16) /* the most calls tried for one number */
#define FULL        0xffffffffU

struct holds { /* the accumulator: a constant, or a word of the call under a mask */
	bool is_word;
	uint8_t word;
	uint32_t value; /* constant, or mask */
};

struct test {
	uint8_t word;
	uint16_t op;
	uint32_t mask, k;
};

struct values {
	size_t n;
	uint32_t v[VALUES_MAX];
	bool inexact;
};

struct tests { /* of one or both programs, each once */
	size_t n;
	struct test t[TESTS_MAX];
};

struct room { /* for classes() */
	struct values bits, one;
};

struct walk {
	const struct bpf_prog *prog;
	struct tests *tests;
	uint32_t known[2]; /* number, architecture: words 0 and 1 */
	bool is_known[2];
	struct spot {
		int n;
		struct holds h[HOLDS_MAX];
	} * spots;
	unsigned acts;
	bool odd; /* something no program of ours does */
};

static int walk_init(struct walk *w, const struct bpf_prog *p, struct tests *tests)
{
	*w = (struct walk){ .prog = p, .tests = tests };
	w->spots = calloc(p->len + 1, sizeof *w->spots);
	return w->spots ? 0 : -ENOMEM;
}

/* What is loaded over, or not looked at any more, does not count. */
static void arrive(struct walk *w, size_t pc, struct holds h)
{
	size_t at = pc < w->prog->len ? pc : w->prog->len;
	struct spot *s = &w->spots[at];

	if (at < w->prog->len && (BPF_CLASS(w->prog->insn[at].code) == BPF_RET ||
				  BPF_CLASS(w->prog->insn[at].code) == BPF_LD))
		h = (struct holds){ 0 };
	for (int i = 0; i < s->n; i++)
		if (s->h[i].is_word == h.is_word && s->h[i].word == h.word &&
		    s->h[i].value == h.value)
			return;
	if (s->n == HOLDS_MAX)
		w->odd = true;
	else
		s->h[s->n++] = h;
}

static void note_test(struct walk *w, const struct sock_filter *f, struct holds h)
{
	struct test t = { h.word, BPF_OP(f->code), h.value, f->k };

	if (t.op == BPF_JSET)
		t = (struct test){ h.word, BPF_JEQ, h.value & f->k, 0 };
	for (size_t i = 0; i < w->tests->n; i++)
		if (w->tests->t[i].word == t.word && w->tests->t[i].op == t.op &&
		    w->tests->t[i].mask == t.mask && w->tests->t[i].k == t.k)
			return;
	if (w->tests->n == TESTS_MAX)
		w->odd = true;
	else
		w->tests->t[w->tests->n++] = t;
}

static void jump(struct walk *w, size_t pc, const struct sock_filter *f, struct holds h)
{
	if (BPF_OP(f->code) == BPF_JA) {
		arrive(w, pc + 1 + f->k, h);
		return;
	}
	w->odd |= BPF_SRC(f->code) != BPF_K;
	if (h.is_word)
		note_test(w, f, h);
	if (h.is_word || bpf_is_taken(f->code, h.value, f->k))
		arrive(w, pc + 1 + f->jt, h);
	if (h.is_word || !bpf_is_taken(f->code, h.value, f->k))
		arrive(w, pc + 1 + f->jf, h);
}

static struct holds load(const struct walk *w, uint32_t offset)
{
	size_t word = offset / sizeof(uint32_t);

	if (word < 2 && w->is_known[word])
		return (struct holds){ .value = w->known[word] };
	return (struct holds){ .is_word = true, .word = (uint8_t)word, .value = FULL };
}

static void give(struct walk *w, uint32_t ret)
{
	int act = names_action_of_ret(ret);

	w->acts |= 1U << (act < 0 ? ACT_KILL_PROCESS : act);
}

static void step(struct walk *w, size_t pc, struct holds h)
{
	const struct sock_filter *f = &w->prog->insn[pc];

	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		arrive(w, pc + 1, load(w, f->k));
		break;
	case BPF_ALU | BPF_AND | BPF_K:
		h.value &= f->k;
		arrive(w, pc + 1, h);
		break;
	case BPF_RET | BPF_K:
		give(w, f->k);
		break;
	default:
		if (BPF_CLASS(f->code) == BPF_JMP)
			jump(w, pc, f, h);
		else
			w->odd = true;
	}
}

/* Every path; adds to the tests. */
static void walk(struct walk *w)
{
	w->acts = 0;
	w->odd = false;
	memset(w->spots, 0, (w->prog->len + 1) * sizeof *w->spots);
	arrive(w, 0, (struct holds){ 0 });
	for (size_t pc = 0; pc < w->prog->len && !w->odd; pc++)
		for (int i = 0; i < w->spots[pc].n; i++)
			step(w, pc, w->spots[pc].h[i]);
}

static void walk_call(struct walk *w, uint32_t audit, uint32_t nr)
{
	w->known[0] = nr;
	w->known[1] = audit;
	w->is_known[0] = w->is_known[1] = true;
	walk(w);
}

static void add(struct values *to, uint32_t v)
{
	for (size_t i = 0; i < to->n; i++)
		if (to->v[i] == v)
			return;
	if (to->n == VALUES_MAX)
		to->inexact = true;
	else
		to->v[to->n++] = v;
}

/* One value of each class that comparisons of the bits under one mask make: each that is asked for,
 * and its neighbours by a bit. */
static void add_masked(struct values *to, const struct test *t)
{
	add(to, t->k & t->mask);
	for (uint32_t bit = 1; bit; bit <<= 1)
		if (t->mask & bit)
			add(to, (t->k ^ bit) & t->mask);
	to->inexact |= t->op != BPF_JEQ;
}

static void collect_mask(const struct tests *tests, uint8_t word, uint32_t mask, struct values *to)
{
	to->n = 0;
	to->inexact = false;
	for (size_t i = 0; i < tests->n; i++)
		if (tests->t[i].word == word && tests->t[i].mask == mask)
			add_masked(to, &tests->t[i]);
}

/* Each value so far with each of those under the next mask. */
static void multiply(struct values *to, const struct values *by)
{
	size_t n = to->n;

	to->inexact |= by->inexact || n * by->n > VALUES_MAX;
	for (size_t i = 0; i < n && !to->inexact; i++)
		for (size_t k = 0; k < by->n; k++)
			add(to, to->v[i] | by->v[k]);
}

static bool is_first_of_mask(const struct tests *tests, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (tests->t[i].word == tests->t[index].word &&
		    tests->t[i].mask == tests->t[index].mask)
			return false;
	return true;
}

/* The least value from `low` on whose bits under mask are `bits`; false: there is none. */
static bool next_with(uint32_t low, uint32_t mask, uint32_t bits, uint32_t *out)
{
	if ((low & mask) == bits) {
		*out = low;
		return true;
	}
	for (int i = 0; i < 32; i++) { /* above bit i as low is, bit i greater, below the least */
		uint32_t bit = 1U << i, above = i == 31 ? 0 : FULL << (i + 1);

		if ((low & bit) || (low & above & mask) != (bits & above) ||
		    ((mask & bit) && !(bits & bit)))
			continue;
		*out = (low & above) | bit | (bits & (bit - 1));
		return true;
	}
	return false;
}

static void add_from(struct values *to, uint32_t low, uint32_t mask, const struct values *bits)
{
	uint32_t v;

	for (size_t i = 0; i < bits->n; i++)
		if (next_with(low, mask, bits->v[i], &v))
			add(to, v);
}

/* One value of each class that the tests make of a word. Whole words are compared with constants,
 * which cuts the numbers into ranges; in each, every combination of the masked bits that comes at
 * all comes first somewhere. Masks that overlap are too much for this. */
static void classes(const struct tests *tests, uint8_t word, struct values *out, struct room *room)
{
	struct values *bits = &room->bits;
	uint32_t seen = 0;

	*bits = (struct values){ .n = 1 };
	for (size_t i = 0; i < tests->n; i++) {
		uint32_t mask = tests->t[i].mask;

		if (tests->t[i].word != word || mask == FULL || !is_first_of_mask(tests, i))
			continue;
		bits->inexact |= (seen & mask) != 0;
		seen |= mask;
		collect_mask(tests, word, mask, &room->one);
		multiply(bits, &room->one);
	}
	out->n = 0;
	out->inexact = bits->inexact;
	add_from(out, 0, seen, bits);
	for (size_t i = 0; i < tests->n; i++) {
		if (tests->t[i].word != word || tests->t[i].mask != FULL)
			continue;
		add_from(out, tests->t[i].k, seen, bits);
		if (tests->t[i].k != FULL)
			add_from(out, tests->t[i].k + 1, seen, bits);
	}
}

struct pair { /* two programs, and room to work */
	struct walk installed, wanted;
	struct tests tests;
	struct values words[WORDS];
	struct room room;
};

static bool serves(uint32_t installed, uint32_t wanted)
{
	int act = names_action_of_ret(wanted);

	if (names_action_of_ret(installed) == ACT_NOTIFY)
		return act != ACT_TRAP && act != ACT_TRACE;
	return installed == wanted;
}

/* All combinations of the words' values. *unknown: it is not known. */
static bool try_all(struct pair *p, uint32_t audit, uint32_t nr, bool *unknown)
{
	size_t at[WORDS] = { 0 }, total = 1;
	uint32_t call[WORDS] = { 0 };
	struct seccomp_data d;

	for (size_t i = 2; i < WORDS; i++) {
		classes(&p->tests, (uint8_t)i, &p->words[i], &p->room);
		*unknown |= p->words[i].inexact;
		total *= p->words[i].n;
		if (*unknown || total > COMBINATION) {
			*unknown = true;
			return false;
		}
	}
	call[0] = nr;
	call[1] = audit;
	for (size_t n = 0; n < total; n++) {
		for (size_t i = 2, left = n; i < WORDS; left /= p->words[i].n, i++) {
			at[i] = left % p->words[i].n;
			call[i] = p->words[i].v[at[i]];
		}
		memcpy(&d, call, sizeof d);
		if (!serves(bpf_run(p->installed.prog, &d, NULL),
			    bpf_run(p->wanted.prog, &d, NULL)))
			return false;
	}
	return true;
}

static bool covers(struct pair *p, uint32_t audit, uint32_t nr, bool *unknown)
{
	const unsigned in_kernel = 1U << ACT_TRAP | 1U << ACT_TRACE;
	const struct seccomp_data d = { .nr = (int)nr, .arch = audit };
	bool by_args = false;
	uint32_t installed = bpf_run(p->installed.prog, &d, &by_args);
	uint32_t wanted = bpf_run(p->wanted.prog, &d, &by_args);

	*unknown = false;
	if (!by_args)
		return serves(installed, wanted);
	p->tests.n = 0;
	walk_call(&p->installed, audit, nr);
	walk_call(&p->wanted, audit, nr);
	*unknown = p->installed.odd || p->wanted.odd;
	if (*unknown)
		return false;
	if (p->installed.acts == 1U << ACT_NOTIFY && !(p->wanted.acts & in_kernel))
		return true;
	return try_all(p, audit, nr, unknown);
}

/* The numbers (word 0) or architectures (word 1) that either program tells apart. */
static void told_apart(struct pair *p, uint8_t word, struct values *out)
{
	p->tests.n = 0;
	walk(&p->installed);
	walk(&p->wanted);
	classes(&p->tests, word, out, &p->room);
	out->inexact |= p->installed.odd || p->wanted.odd;
}

static void fix_arch(struct walk *w, uint32_t audit)
{
	w->is_known[0] = false;
	w->is_known[1] = true;
	w->known[1] = audit;
}

/* For each architecture, its numbers. */
static void check(struct pair *p, void (*fn)(void *, uint32_t, uint32_t, bool), void *ctx)
{
	struct values *archs = &p->words[1], *numbers = &p->words[0];
	bool unknown;

	told_apart(p, 1, archs);
	if (archs->inexact)
		fn(ctx, 0, 0, true);
	for (size_t a = 0; a < archs->n; a++) {
		fix_arch(&p->installed, archs->v[a]);
		fix_arch(&p->wanted, archs->v[a]);
		told_apart(p, 0, numbers);
		if (numbers->inexact)
			fn(ctx, archs->v[a], 0, true);
		for (size_t n = 0; n < numbers->n; n++)
			if (!covers(p, archs->v[a], numbers->v[n], &unknown))
				fn(ctx, archs->v[a], numbers->v[n], unknown);
	}
}

int cover_check(const struct bpf_prog *installed, const struct bpf_prog *wanted,
		void (*fn)(void *ctx, uint32_t audit, uint32_t nr, bool unknown), void *ctx,
		struct err *e)
{
	struct pair *p = calloc(1, sizeof *p);
	int r = p ? walk_init(&p->installed, installed, &p->tests) : -ENOMEM;

	if (!r)
		r = walk_init(&p->wanted, wanted, &p->tests);
	if (!r)
		check(p, fn, ctx);
	if (p) {
		free(p->installed.spots);
		free(p->wanted.spots);
	}
	free(p);
	return r ? err_set(e, ENOMEM, "compare two filters") : 0;
}

int cover_actions(const struct bpf_prog *p, uint32_t audit, uint32_t nr, unsigned *acts,
		  struct err *e)
{
	struct tests *tests = calloc(1, sizeof *tests);
	struct walk w;
	int r = 0;

	if (!tests || walk_init(&w, p, tests)) {
		free(tests);
		return err_set(e, ENOMEM, "look at a filter");
	}
	walk_call(&w, audit, nr);
	if (w.odd)
		r = err_set(e, ENOTSUP, "the filter is of a kind that is not known.");
	else
		*acts = w.acts;
	free(w.spots);
	free(tests);
	return r;
}
