/* SPDX-License-Identifier: Apache-2.0 */
/* clauses.c - random profiles, conditions included: what the algebra says, against the programs
 * that libseccomp makes of them, run on the arguments around every boundary. WARDER_LONG: 100,000
 * pairs of profiles instead of 1,500; the seed is fixed, WARDER_SEED gives another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "warder/clauses.h"
#include "warder/own.h"

#define RULES   6
#define VECTORS 200

static uint64_t seed = 1;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dU;
}

static unsigned pick(unsigned n)
{
	return (unsigned)(next() >> 33) % n;
}

static const char *const names[] = { "socket", "personality", "shmget", "read" };

static uint64_t any_value(void)
{
	static const uint64_t values[] = { 0,
					   1,
					   2,
					   3,
					   7,
					   38,
					   40,
					   0xffffffff,
					   0xfffffffe,
					   0x100000000,
					   0x100000028,
					   0x7e020000,
					   1ULL << 63,
					   UINT64_MAX,
					   UINT64_MAX - 1,
					   0x8000000000000001 };

	return values[pick(ARRAY_LEN(values))];
}

static struct effect any_effect(bool by_default)
{
	static const struct effect effects[] = { { ACT_ALLOW, 0 },        { ACT_ERRNO, EPERM },
						 { ACT_ERRNO, ENOSYS },   { ACT_LOG, 0 },
						 { ACT_KILL_PROCESS, 0 }, { ACT_NOTIFY, 0 },
						 { ACT_TRAP, 0 } };

	if (!by_default && pick(2))
		return effects[0];
	return effects[pick(by_default ? 3 : ARRAY_LEN(effects))];
}

static void any_conds(struct conds *to)
{
	unsigned first = pick(3), n = pick(6) ? pick(4) > 0 : 2; /* several are rarer, and slow */

	for (unsigned i = 0; i < n; i++) {
		struct cond *c = &to->c[to->n++];

		*c = (struct cond){ (uint8_t)(first + i), (uint8_t)pick(OP_COUNT), any_value(), 0 };
		if (c->op == OP_MASKED_EQ) {
			c->value2 = pick(4) ? c->value & any_value() : any_value();
			if (!pick(3))
				c->value = UINT32_MAX;
		}
	}
}

static void any_profile(struct ruleset *r, struct rule *rules)
{
	memset(rules, 0, RULES * sizeof *rules);
	*r = (struct ruleset){ .fallthrough = any_effect(true), .rules = rules };
	r->arches[r->n_arches++] = ARCH_X86_64;
	if (!pick(5))
		r->arches[r->n_arches++] = ARCH_X86;
	r->n_rules = (int)pick(RULES + 1);
	for (int i = 0; i < r->n_rules; i++) {
		rules[i].name = names[pick(ARRAY_LEN(names))];
		rules[i].effect = any_effect(false);
		any_conds(&rules[i].conds);
	}
}

/* Values next to those of the rules, and far ones. */
static void any_call(const struct ruleset *a, const struct ruleset *b, struct seccomp_data *call)
{
	enum arch arch = pick(4) ? ARCH_X86_64 : ARCH_X86;
	const char *name = names[pick(ARRAY_LEN(names))];
	struct filter_site at[FILTER_SITES];
	int n = filter_sites(arch, name, at);

	call->arch = names_arch_audit(arch);
	call->nr = at[pick((unsigned)n)].nr;
	for (int i = 0; i < 6; i++) {
		call->args[i] = any_value() + pick(3) - 1;
		if (!pick(8))
			call->args[i] = next();
	}
	for (int k = 0; k < 2; k++) {
		const struct ruleset *r = k ? a : b;
		const struct rule *rule = r->n_rules ? &r->rules[pick((unsigned)r->n_rules)] : NULL;

		for (int i = 0; rule && i < rule->conds.n; i++) {
			const struct cond *c = &rule->conds.c[i];
			uint64_t v = c->op == OP_MASKED_EQ ? c->value2 : c->value;

			call->args[c->index] = v + (pick(4) ? 0 : pick(3) - 1);
			if (c->op == OP_MASKED_EQ && pick(2))
				call->args[c->index] |= next() & ~c->value;
		}
	}
	for (int i = 0; arch == ARCH_X86 && i < 6; i++)
		call->args[i] &= UINT32_MAX;
}

static uint64_t run(const struct clauses *c, const struct seccomp_data *call)
{
	uint32_t ret = bpf_run(&clauses_filter(c)->meaning, call, NULL);
	struct effect f = { .act = (uint8_t)names_action_of_ret(ret), .errnum = (uint16_t)ret };

	return diagram_value(f);
}

struct pair {
	struct diagrams *d;
	struct rule rules[2][RULES];
	struct ruleset r[2];
	struct clauses *c[2];
};

static const struct clauses_opts here = { .host = ARCH_X86_64, .cpu_ms = 40 };

static bool make(struct pair *p)
{
	struct err e;

	p->d = diagrams_new(DIAGRAM_NODES);
	for (int i = 0; i < 2; i++) {
		any_profile(&p->r[i], p->rules[i]);
		if (clauses_new(p->d, &p->r[i], &here, &p->c[i], &e))
			return false; /* libseccomp refuses some */
	}
	return true;
}

static void drop(struct pair *p)
{
	clauses_free(p->c[0]);
	clauses_free(p->c[1]);
	diagrams_free(p->d);
}

static void count(void *ctx, const char *line)
{
	(void)line;
	++*(unsigned *)ctx;
}

static size_t cases, wrong, losses, mixed, joins;

static void print_rules(const char *what, const struct ruleset *r)
{
	printf("# %s: default %d/%d, %d arches\n", what, r->fallthrough.act, r->fallthrough.errnum,
	       r->n_arches);
	for (int i = 0; i < r->n_rules; i++) {
		printf("#   %s -> %d/%d", r->rules[i].name, r->rules[i].effect.act,
		       r->rules[i].effect.errnum);
		for (int k = 0; k < r->rules[i].conds.n; k++)
			printf(" A%d %s 0x%lx 0x%lx", r->rules[i].conds.c[k].index,
			       names_op_scmp(r->rules[i].conds.c[k].op),
			       r->rules[i].conds.c[k].value, r->rules[i].conds.c[k].value2);
		printf("\n");
	}
}

static void complain(const struct pair *p, const struct ruleset *got, const char *what,
		     const struct seccomp_data *call)
{
	if (wrong++ > 3)
		return;
	printf("# %s: arch 0x%x nr %d args 0x%llx 0x%llx 0x%llx\n", what, call->arch, call->nr,
	       (unsigned long long)call->args[0], (unsigned long long)call->args[1],
	       (unsigned long long)call->args[2]);
	print_rules("left", &p->r[0]);
	print_rules("right", &p->r[1]);
	if (got)
		print_rules("result", got);
}

/* The result of a join, compiled by itself: exact, or, where a loss was said, on the safe side. */
static void check_join(struct pair *p, enum clauses_how how)
{
	diagram_fn *fn = how == CLAUSES_UNION ? clauses_weaker : clauses_stricter;
	unsigned said = 0;
	const struct warn w = { count, &said };
	struct clauses *c;
	struct ruleset r;
	struct err e;

	if (clauses_join(p->d, p->c, 2, how, &r, &w, &e)) {
		assert_true(e.num == E2BIG || e.num == ENOTSUP);
		losses++;
		return;
	}
	joins++;
	if (p->r[0].n_arches == p->r[1].n_arches)
		losses += said > 0;
	else
		mixed += said > 0;
	if (clauses_new(p->d, &r, &here, &c, &e))
		fail_msg("%s", e.msg);
	for (int i = 0; i < VECTORS; i++) {
		struct seccomp_data call = { 0 };
		uint64_t want, got;

		any_call(&p->r[0], &p->r[1], &call);
		want = fn(run(p->c[0], &call), run(p->c[1], &call));
		got = run(c, &call);
		cases++;
		/* a thread's or the process's death, where libseccomp kills for the ABI */
		if (!clauses_has_arch(c, names_arch_of_call(call.arch, call.nr)))
			want = diagram_effect(want).act >= ACT_KILL_THREAD ? got : want;
		if (got != want && (!said || fn(got, want) != got))
			complain(p, &r, how == CLAUSES_UNION ? "union" : "intersection", &call);
	}
	clauses_free(c);
	ruleset_fini(&r);
}

struct seen {
	struct pair *p;
	const struct seccomp_data *call;
	uint64_t pair; /* what the differences say of the call */
};

static bool look(void *ctx, const struct clauses_difference *x)
{
	struct seen *s = ctx;
	uint64_t args[6];

	if (x->nr < 0 || names_arch_audit(x->arch) != s->call->arch || x->nr != s->call->nr)
		return true;
	memcpy(args, s->call->args, sizeof args);
	s->pair = diagram_at(s->p->d, x->pair, args);
	return true;
}

/* Every call is answered differently exactly where the differences say so. */
static void check_differences(struct pair *p)
{
	struct err e;

	for (int i = 0; i < 4; i++) {
		struct seccomp_data call = { 0 };
		struct seen s = { p, &call, CLAUSES_SAME };

		do
			any_call(&p->r[0], &p->r[1], &call);
		while (call.arch != names_arch_audit(ARCH_X86_64));
		assert_int_equal(clauses_differences(p->d, p->c[0], p->c[1], look, &s, &e), 0);
		cases++;
		if (s.pair != clauses_pair(run(p->c[0], &call), run(p->c[1], &call)))
			complain(p, NULL, "differences", &call);
	}
}

struct cut { /* regions of one diagram */
	const uint64_t *args;
	int hits;
	uint64_t value;
};

static bool cut(void *ctx, const struct conds *where, uint64_t value)
{
	struct cut *c = ctx;

	if (conds_match(where, c->args)) {
		c->hits++;
		c->value = value;
	}
	return true;
}

/* The diagram is the program; its regions do not overlap and say the same. */
static void check_diagram(struct pair *p)
{
	for (int i = 0; i < 8; i++) {
		struct seccomp_data call = { 0 };
		struct cut found = { .hits = 0 };
		uint64_t args[6];
		struct err e;
		uint32_t f;

		any_call(&p->r[0], &p->r[0], &call);
		memcpy(args, call.args, sizeof args);
		found.args = args;
		if (clauses_of(p->c[0], names_arch_of_call(call.arch, call.nr), call.nr, &f, &e))
			fail_msg("%s", e.msg);
		cases++;
		if (diagram_at(p->d, f, args) != run(p->c[0], &call))
			complain(p, NULL, "diagram", &call);
		if (!diagram_regions(p->d, f, UINT64_MAX, cut, &found))
			continue;
		if (found.hits != 1 || found.value != run(p->c[0], &call))
			complain(p, NULL, "regions", &call);
	}
}

static void test_random_profiles(void **state)
{
	size_t n = getenv("WARDER_LONG") ? 10000 : 260;

	(void)state;
	if (getenv("WARDER_SEED"))
		seed = strtoull(getenv("WARDER_SEED"), NULL, 0);
	for (size_t i = 0; i < n; i++) {
		struct pair p = { 0 };

		if (make(&p)) {
			check_diagram(&p);
			check_join(&p, CLAUSES_UNION);
			check_join(&p, CLAUSES_INTERSECTION);
			check_differences(&p);
		}
		drop(&p);
	}
	printf("# figure algebra: %zu pairs of random profiles, %zu cases, %zu wrong; %zu joins, "
	       "%zu "
	       "with a stated loss\n",
	       n, cases, wrong, joins, losses);
	assert_int_equal(wrong, 0);
	assert_true(cases > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_profiles),
	};

	names_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
