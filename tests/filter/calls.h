/* SPDX-License-Identifier: Apache-2.0 */
/* calls.h - the calls that a document is tried with: every ABI and number, and for those whose
 * verdict depends on arguments the values around its conditions, in all combinations. */
#pragma once
#include "subject.h"

#define CALLS_NUMBERS 601
#define CALLS_VALUES  64
#define CALLS_VECTORS 4000 /* of one number; above, as many by chance */

/* again: only arguments differ from an earlier call, and the verdict should not depend on them, or
 * not in a new way. */
typedef void calls_fn(void *ctx, const struct seccomp_data *call, bool again);

struct calls_values {
	int n;
	uint64_t v[CALLS_VALUES];
};

struct calls_boundaries {
	struct calls_values of[6];
};

static inline void calls_add(struct calls_values *to, uint64_t v)
{
	for (int i = 0; i < to->n; i++)
		if (to->v[i] == v)
			return;
	if (to->n < CALLS_VALUES)
		to->v[to->n++] = v;
}

static inline void calls_add_around(struct calls_values *to, uint64_t v)
{
	const uint64_t high = 1ULL << 32;

	for (int d = -1; d <= 1; d++)
		calls_add(to, v + (uint64_t)d);
	calls_add(to, v ^ high);
	calls_add(to, v | high << 31);
	calls_add(to, (uint32_t)v);
}

static inline bool calls_add_rule(void *ctx, const struct rule *rule)
{
	struct calls_boundaries *to = ctx;

	for (int i = 0; i < rule->conds.n; i++) {
		const struct cond *c = &rule->conds.c[i];

		calls_add_around(&to->of[c->index], c->value);
		if (c->op != OP_MASKED_EQ)
			continue;
		calls_add_around(&to->of[c->index], c->value2);
		calls_add(&to->of[c->index], ~c->value);
		calls_add(&to->of[c->index], c->value2 | ~c->value);
	}
	return true;
}

static inline void calls_filled(uint32_t arch, int nr, calls_fn *fn, void *ctx)
{
	static const uint64_t fills[] = { 0, UINT32_MAX, UINT64_MAX, 1ULL << 32, 7 };

	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		struct seccomp_data call = { .nr = nr, .arch = arch };

		for (int k = 0; k < 6; k++)
			call.args[k] = fills[i];
		fn(ctx, &call, i > 0);
	}
}

static inline void calls_combined(uint32_t arch, int nr, const struct calls_boundaries *at,
				  calls_fn *fn, void *ctx)
{
	uint64_t total = 1, n, random = 0x9e3779b97f4a7c15ULL;

	for (int k = 0; k < 6; k++)
		if (at->of[k].n && total <= CALLS_VECTORS)
			total *= (uint64_t)at->of[k].n;
	n = total < CALLS_VECTORS ? total : CALLS_VECTORS;
	for (uint64_t i = 0; i < n; i++) {
		struct seccomp_data call = { .nr = nr, .arch = arch };
		uint64_t pick = i;

		for (int k = 0; k < 6; k++) {
			uint64_t room = (uint64_t)at->of[k].n;

			if (!room) {
				call.args[k] = i & 1 ? UINT64_MAX : 0;
				continue;
			}
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			if (total > CALLS_VECTORS)
				pick = random >> 33;
			call.args[k] = at->of[k].v[pick % room];
			pick /= room;
		}
		fn(ctx, &call, i > 500);
	}
}

static inline void calls_of_number(const struct subject *s, enum arch arch, int nr, calls_fn *fn,
				   void *ctx)
{
	struct calls_boundaries at = { 0 };

	calls_filled(names_arch_audit(arch), nr, fn, ctx);
	if (!decide_needs_args(s->d, arch, nr))
		return;
	profile_clauses(&s->r, arch, nr, calls_add_rule, &at);
	for (int k = 0; k < 6; k++)
		if (at.of[k].n) {
			calls_add(&at.of[k], 0);
			calls_add(&at.of[k], UINT64_MAX);
		}
	/* socketcall and ipc */
	for (uint64_t i = 0; arch == ARCH_X86 && (nr == 102 || nr == 117) && i < 26; i++)
		calls_add(&at.of[0], i);
	calls_combined(names_arch_audit(arch), nr, &at, fn, ctx);
}

static inline void calls_all(const struct subject *s, calls_fn *fn, void *ctx)
{
	static const enum arch arches[] = { ARCH_X86_64, ARCH_X86, ARCH_X32 };
	static const int beyond[] = { -1, 1023, 1024, 5000, 0x3fffffff, 0x7fffffff };

	for (size_t a = 0; a < ARRAY_LEN(arches); a++)
		for (int nr = 0; nr < CALLS_NUMBERS; nr++)
			calls_of_number(s, arches[a],
					arches[a] == ARCH_X32 ? (int)NAMES_X32_BIT | nr : nr, fn,
					ctx);
	for (size_t i = 0; i < ARRAY_LEN(beyond); i++) {
		calls_filled(SUBJECT_X64, beyond[i], fn, ctx);
		calls_filled(SUBJECT_I386, beyond[i], fn, ctx);
		calls_filled(0xc00000b7, beyond[i], fn, ctx);
	}
}
