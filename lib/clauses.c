/* SPDX-License-Identifier: Apache-2.0 */
/* clauses.c - see clauses.h. */
#include "warder/clauses.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "warder/own.h"

#define RULES_OF_NAME 256 /* more are taken for "cannot be written" */
/* libseccomp's time doubles with each rule that tests several arguments and shares some with
 * others: rules of our own making keep below what takes it milliseconds. */
#define WIDE_RULES 12
/* A call that every ABI has: rules of names that this libseccomp does not know, or that none of the
 * ABIs has, are compared as if they were for it. */
#define STAND_IN "getpid"

struct clauses {
	struct diagrams *d;
	const struct ruleset *rules;
	struct filter filter;
	const struct bpf_prog *progs; /* that is filter's, or those that are loaded together */
	int n_progs;
	int n_arches;
	enum arch arches[ARCH_COUNT];
	uint32_t *cells[ARCH_COUNT]; /* [CLAUSES_NUMBERS]; 0: not asked yet */
};

static void add_arch(enum arch *list, int *n, enum arch a)
{
	for (int i = 0; i < *n; i++)
		if (list[i] == a)
			return;
	list[(*n)++] = a;
}

/* --- libseccomp 2.5.4 never ends on some few rules that test two arguments (tests/e2e/profile.bats
 * has three): what may be such is compiled in a child with its time counted. --- */

#define ATTEMPT_CPU 40 /* for rules of our own making */

struct compiled { /* shared with the child */
	int rc;
	struct err e;
	struct filter filter;
	struct sock_filter insn[BPF_MAXINSNS];
};

/* Some name with several rules, one of which tests several arguments. */
static bool may_hang(const struct ruleset *r)
{
	for (int i = 0; i < r->n_rules; i++)
		for (int k = 0; r->rules[i].conds.n > 1 && k < r->n_rules; k++)
			if (k != i && !strcmp(r->rules[i].name, r->rules[k].name))
				return true;
	return false;
}

static void compile_in_child(const struct ruleset *r, const struct filter_opts *how, int cpu_ms,
			     struct compiled *c)
{
	const struct itimerval limit = { .it_value = { .tv_usec = cpu_ms * 1000 } };

	signal(SIGPROF, SIG_DFL);
	setitimer(ITIMER_PROF, &limit, NULL);
	c->rc = filter_meaning(r, how, &c->filter, &c->e);
	if (!c->rc)
		memcpy(c->insn, c->filter.meaning.insn, c->filter.meaning.len * sizeof *c->insn);
	_exit(0);
}

static int take_compiled(const struct compiled *c, int status, struct filter *out, struct err *e)
{
	struct sock_filter *insn;

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
		return err_set(e, ETIMEDOUT,
			       "libseccomp does not come to an end with these rules; a runtime "
			       "hangs on them too");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(e, EIO, "compile a profile");
	if (c->rc) {
		*e = c->e;
		return c->rc;
	}
	insn = calloc(c->filter.meaning.len, sizeof *insn);
	if (!insn)
		return err_set(e, ENOMEM, "compile a profile");
	memcpy(insn, c->insn, c->filter.meaning.len * sizeof *insn);
	*out = c->filter;
	out->meaning.insn = insn;
	return 0;
}

static int compile_bounded(const struct ruleset *r, const struct filter_opts *how, int cpu_ms,
			   struct filter *out, struct err *e)
{
	struct compiled *c;
	int status = 0, rc;
	pid_t pid;

	if (!may_hang(r))
		return filter_meaning(r, how, out, e);
	c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		return err_set(e, errno, "compile a profile");
	pid = fork();
	if (!pid)
		compile_in_child(r, how, cpu_ms, c);
	if (pid < 0)
		rc = err_set(e, errno, "fork");
	else if (waitpid(pid, &status, 0) < 0)
		rc = err_set(e, errno, "wait for a child");
	else
		rc = take_compiled(c, status, out, e);
	munmap(c, sizeof *c);
	return rc;
}

int clauses_new(struct diagrams *d, const struct ruleset *r, const struct clauses_opts *o,
		struct clauses **out, struct err *e)
{
	const struct filter_opts how = { .like_crun = !o->tail };
	struct clauses *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return err_set(e, ENOMEM, "compile a profile");
	c->d = d;
	c->rules = r;
	rc = compile_bounded(r, &how, o->cpu_ms ? o->cpu_ms : CLAUSES_CPU, &c->filter, e);
	if (rc) {
		free(c);
		return rc;
	}
	c->progs = &c->filter.meaning;
	c->n_progs = 1;
	add_arch(c->arches, &c->n_arches, o->host);
	for (int i = 0; i < r->n_arches; i++)
		add_arch(c->arches, &c->n_arches, r->arches[i]);
	*out = c;
	return 0;
}

void clauses_free(struct clauses *c)
{
	if (!c)
		return;
	filter_fini(&c->filter);
	for (int i = 0; i < ARCH_COUNT; i++)
		free(c->cells[i]);
	free(c);
}

int clauses_arches(const struct clauses *c, enum arch out[ARCH_COUNT])
{
	memcpy(out, c->arches, sizeof c->arches);
	return c->n_arches;
}

bool clauses_has_arch(const struct clauses *c, enum arch a)
{
	for (int i = 0; i < c->n_arches; i++)
		if (c->arches[i] == a)
			return true;
	return false;
}

const struct filter *clauses_filter(const struct clauses *c)
{
	return &c->filter;
}

const struct ruleset *clauses_rules(const struct clauses *c)
{
	return c->rules;
}

static uint32_t base_of(enum arch a)
{
	return a == ARCH_X32 ? NAMES_X32_BIT : 0;
}

#define AUDIT_64BIT 0x80000000U /* __AUDIT_ARCH_64BIT */

/* What all programs together do with a number. */
static int meaning_of(const struct clauses *c, enum arch a, int nr, uint32_t *out, struct err *e)
{
	uint32_t audit = names_arch_audit(a), sum = DIAGRAM_NONE, one = DIAGRAM_NONE;

	for (int i = 0; i < c->n_progs; i++) {
		int rc = diagram_of_bpf(c->d, &c->progs[i], audit, nr, &one, e);

		if (rc)
			return rc;
		sum = i ? diagram_apply(c->d, clauses_stricter, sum, one) : one;
	}
	*out = audit & AUDIT_64BIT ? sum : diagram_narrow(c->d, sum);
	return *out ? 0 : diagrams_check(c->d, e);
}

int clauses_of(struct clauses *c, enum arch a, int nr, uint32_t *out, struct err *e)
{
	uint32_t *row = c->cells[a], *cell;
	int rc;

	if (!row)
		row = c->cells[a] = calloc(CLAUSES_NUMBERS, sizeof *row);
	if (!row)
		return err_set(e, ENOMEM, "compare profiles");
	cell = &row[(uint32_t)nr - base_of(a)];
	if (!*cell) {
		rc = meaning_of(c, a, nr, cell, e);
		if (rc)
			return rc;
	}
	*out = *cell;
	return 0;
}

static uint64_t is_let_live(uint64_t left, uint64_t right)
{
	(void)right;
	return diagram_effect(left).act < ACT_KILL_THREAD;
}

/* Is there a call of this ABI that does not kill? */
static int is_served(struct clauses *c, enum arch a, bool *yes, struct err *e)
{
	uint64_t args[6];
	uint32_t f = DIAGRAM_NONE;

	*yes = false;
	for (int nr = 0; !*yes && nr < CLAUSES_NUMBERS; nr++) {
		int rc = clauses_of(c, a, (int)(base_of(a) | (uint32_t)nr), &f, e);

		if (rc)
			return rc;
		*yes = diagram_example(c->d, diagram_apply(c->d, is_let_live, f, f), args);
	}
	return 0;
}

int clauses_of_programs(struct diagrams *d, const struct bpf_prog *progs, int n, enum arch host,
			struct clauses **out, struct err *e)
{
	static const enum arch others[] = { ARCH_X86_64, ARCH_X86, ARCH_X32, ARCH_AARCH64,
					    ARCH_ARM };
	struct clauses *c = calloc(1, sizeof *c);
	int rc = 0;

	if (!c)
		return err_set(e, ENOMEM, "look at filters");
	c->d = d;
	c->progs = progs;
	c->n_progs = n;
	add_arch(c->arches, &c->n_arches, host);
	for (size_t i = 0; !rc && i < ARRAY_LEN(others); i++) {
		bool yes = false;

		rc = is_served(c, others[i], &yes, e);
		if (!rc && yes)
			add_arch(c->arches, &c->n_arches, others[i]);
	}
	if (rc)
		clauses_free(c);
	else
		*out = c;
	return rc;
}

/* --- the order of answers --- */

uint64_t clauses_weaker(uint64_t left, uint64_t right)
{
	return diagram_effect(right).act < diagram_effect(left).act ? right : left;
}

uint64_t clauses_stricter(uint64_t left, uint64_t right)
{
	return diagram_effect(right).act > diagram_effect(left).act ? right : left;
}

static diagram_fn *fn_of(enum clauses_how how)
{
	return how == CLAUSES_UNION ? clauses_weaker : clauses_stricter;
}

/* --- join --- */

struct site { /* where calls of the name in hand arrive, and what they should get there */
	enum arch arch;
	int nr;
	bool muxed; /* the number is shared: calls with this index are the name's */
	struct cond index;
	uint32_t wanted;
};

struct named { /* one name of the result */
	const char *name;
	int n;
	struct rule *rules; /* heap; without names */
	bool forced;        /* its rules are the safe answer */
};

struct join {
	struct diagrams *d;
	struct clauses *const *in;
	int n_in;
	enum clauses_how how;
	const struct warn *loss;
	uint64_t fallthrough;
	enum arch host;
	int n_arches;
	enum arch arches[ARCH_COUNT];
	size_t n_names;
	struct named *names; /* sorted */
	/* the name in hand */
	int n_sites;
	struct site sites[ARCH_COUNT * FILTER_SITES];
};

static int by_text(const void *left, const void *right)
{
	return strcmp(((const struct named *)left)->name, ((const struct named *)right)->name);
}

static int list_names(struct join *j, struct err *e)
{
	size_t total = 0, n = 0;

	for (int i = 0; i < j->n_in; i++)
		total += (size_t)j->in[i]->rules->n_rules;
	j->names = calloc(total + 1, sizeof *j->names);
	if (!j->names)
		return err_set(e, ENOMEM, "join profiles");
	for (int i = 0; i < j->n_in; i++)
		for (int k = 0; k < j->in[i]->rules->n_rules; k++)
			j->names[j->n_names++].name = j->in[i]->rules->rules[k].name;
	qsort(j->names, j->n_names, sizeof *j->names, by_text);
	for (size_t i = 0; i < j->n_names; i++)
		if (!n || strcmp(j->names[n - 1].name, j->names[i].name) != 0)
			j->names[n++].name = j->names[i].name;
	j->n_names = n;
	return 0;
}

static void join_arches(struct join *j)
{
	for (int i = 0; i < j->n_in; i++) {
		const struct clauses *c = j->in[i];

		for (int k = 0; k < c->n_arches; k++) {
			bool all = true;

			for (int o = 0; o < j->n_in; o++)
				all &= clauses_has_arch(j->in[o], c->arches[k]);
			if (all || j->how == CLAUSES_UNION)
				add_arch(j->arches, &j->n_arches, c->arches[k]);
		}
	}
	j->host = j->in[0]->arches[0];
}

static void join_fallthrough(struct join *j)
{
	j->fallthrough = diagram_value(j->in[0]->rules->fallthrough);
	for (int i = 1; i < j->n_in; i++)
		j->fallthrough =
			fn_of(j->how)(j->fallthrough, diagram_value(j->in[i]->rules->fallthrough));
}

/* What all inputs together say of one number. */
static int wanted(struct join *j, enum arch a, int nr, uint32_t *out, struct err *e)
{
	uint32_t sum = DIAGRAM_NONE, one = DIAGRAM_NONE;
	int rc;

	for (int i = 0; i < j->n_in; i++) {
		rc = clauses_of(j->in[i], a, nr, &one, e);
		if (rc)
			return rc;
		sum = i ? diagram_apply(j->d, fn_of(j->how), sum, one) : one;
	}
	*out = sum;
	return sum ? 0 : diagrams_check(j->d, e);
}

static uint32_t own_part(struct join *j, const struct site *s, uint32_t f)
{
	return s->muxed ? diagram_fix(j->d, f, &s->index) : f;
}

static int find_sites(struct join *j, const char *name, struct err *e)
{
	struct filter_site at[FILTER_SITES];
	int rc;

	j->n_sites = 0;
	for (int i = 0; i < j->n_arches; i++) {
		int n = filter_sites(j->arches[i], name, at);

		for (int k = 0; k < n; k++) {
			struct site *s = &j->sites[j->n_sites++];

			*s = (struct site){ j->arches[i], at[k].nr, at[k].muxed, at[k].index, 0 };
			rc = wanted(j, s->arch, s->nr, &s->wanted, e);
			if (rc)
				return rc;
			s->wanted = own_part(j, s, s->wanted);
		}
	}
	return diagrams_check(j->d, e);
}

/* The rules of one name in a ruleset, under another name. */
static int pick_rules(const struct ruleset *from, const char *name, const char *as,
		      struct rule *out, int room)
{
	int n = 0;

	for (int i = 0; i < from->n_rules && n < room; i++)
		if (!strcmp(from->rules[i].name, name)) {
			out[n] = from->rules[i];
			out[n++].name = as;
		}
	return n;
}

static int compile_alone(struct diagrams *d, struct ruleset *r, enum arch host,
			 struct clauses **out, struct err *e)
{
	const struct clauses_opts o = { .host = host, .cpu_ms = ATTEMPT_CPU };

	return clauses_new(d, r, &o, out, e);
}

/* One site for a name that no ABI has: each input's rules for it, as if they were STAND_IN's. */
static int stand_in_site(struct join *j, const char *name, struct err *e)
{
	struct site *s = &j->sites[0];
	uint32_t sum = DIAGRAM_NONE;

	*s = (struct site){ .arch = j->host, .nr = names_syscall(j->host, STAND_IN) };
	for (int i = 0; i < j->n_in; i++) {
		auto_free struct rule *rules = calloc(RULES_OF_NAME, sizeof *rules);
		struct ruleset mini = { .fallthrough = j->in[i]->rules->fallthrough,
					.rules = rules };
		struct clauses *c = NULL;
		uint32_t one = DIAGRAM_NONE;
		int rc;

		if (!rules)
			return err_set(e, ENOMEM, "join profiles");
		mini.n_rules = pick_rules(j->in[i]->rules, name, STAND_IN, rules, RULES_OF_NAME);
		mini.arches[mini.n_arches++] = j->host;
		rc = compile_alone(j->d, &mini, j->host, &c, e);
		if (!rc)
			rc = clauses_of(c, s->arch, s->nr, &one, e);
		clauses_free(c);
		if (rc)
			return rc;
		sum = i ? diagram_apply(j->d, fn_of(j->how), sum, one) : one;
	}
	s->wanted = sum;
	j->n_sites = 1;
	return diagrams_check(j->d, e);
}

/* Rules for the name in hand, under try. */
struct attempt {
	int n;
	struct rule rules[RULES_OF_NAME];
};

/* Does libseccomp make of them what is wanted at every site? */
static int is_exact(struct join *j, const char *name, struct attempt *t, bool *yes, struct err *e)
{
	struct ruleset mini = { .fallthrough = diagram_effect(j->fallthrough),
				.n_arches = j->n_arches,
				.n_rules = t->n,
				.rules = t->rules };
	struct clauses *c = NULL;
	uint32_t got = DIAGRAM_NONE;
	int rc;

	*yes = false;
	memcpy(mini.arches, j->arches, sizeof mini.arches);
	for (int i = 0; i < t->n; i++)
		t->rules[i].name = name;
	rc = compile_alone(j->d, &mini, j->host, &c, e);
	if (rc == -EINVAL || rc == -ETIMEDOUT) /* rules that libseccomp cannot take are none */
		return 0;
	for (int i = 0; !rc && i < j->n_sites; i++) {
		rc = clauses_of(c, j->sites[i].arch, j->sites[i].nr, &got, e);
		*yes = !rc && own_part(j, &j->sites[i], got) == j->sites[i].wanted;
		if (!*yes)
			break;
	}
	clauses_free(c);
	return rc ? rc : diagrams_check(j->d, e);
}

static bool add_region(void *ctx, const struct conds *where, uint64_t value)
{
	struct attempt *t = ctx;

	if (t->n == RULES_OF_NAME || (t->n >= WIDE_RULES && where->n > 1))
		return false;
	t->rules[t->n++] = (struct rule){ .effect = diagram_effect(value), .conds = *where };
	return true;
}

static const struct site *plain_site(const struct join *j)
{
	for (int i = 0; i < j->n_sites; i++)
		if (!j->sites[i].muxed)
			return &j->sites[i];
	return NULL;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
	if (diagram_value(a->effect) != diagram_value(b->effect) || a->conds.n != b->conds.n)
		return false;
	for (int i = 0; i < a->conds.n; i++) {
		const struct cond *x = &a->conds.c[i], *y = &b->conds.c[i];

		if (x->index != y->index || x->op != y->op || x->value != y->value ||
		    x->value2 != y->value2)
			return false;
	}
	return true;
}

/* The inputs' own rules, first those of one of them alone, then of all. */
static void attempt_inputs(struct join *j, const char *name, int which, struct attempt *t)
{
	t->n = 0;
	for (int i = 0; i < j->n_in; i++) {
		int from = t->n, to = from;

		if (which != i && which != j->n_in)
			continue;
		t->n += pick_rules(j->in[i]->rules, name, name, t->rules + from,
				   RULES_OF_NAME - from);
		for (int k = from; k < t->n; k++) {
			bool is_new = diagram_value(t->rules[k].effect) != j->fallthrough;

			for (int o = 0; is_new && o < to; o++)
				is_new = !same_rule(&t->rules[o], &t->rules[k]);
			if (is_new)
				t->rules[to++] = t->rules[k];
		}
		t->n = to;
	}
}

static void attempt_regions(struct join *j, struct attempt *t)
{
	const struct site *s = plain_site(j);

	t->n = 0;
	if (!s || !diagram_regions(j->d, s->wanted, j->fallthrough, add_region, t))
		t->n = 0;
}

/* The safe answer without conditions: of all that is wanted somewhere the weakest (union) or the
 * strictest (intersection). */
static uint64_t safe_value(struct join *j)
{
	uint64_t sum = diagram_fold(j->d, fn_of(j->how), j->sites[0].wanted);

	for (int i = 1; i < j->n_sites; i++)
		sum = fn_of(j->how)(sum, diagram_fold(j->d, fn_of(j->how), j->sites[i].wanted));
	return sum;
}

static void attempt_constant(const struct join *j, uint64_t value, struct attempt *t)
{
	t->n = value != j->fallthrough;
	t->rules[0] = (struct rule){ .effect = diagram_effect(value) };
}

static bool is_one_constant(const struct join *j, uint64_t *value)
{
	for (int i = 1; i < j->n_sites; i++)
		if (j->sites[i].wanted != j->sites[0].wanted)
			return false;
	return diagram_is_const(j->d, j->sites[0].wanted, value);
}

static int keep_attempt(struct named *to, const struct attempt *t, struct err *e)
{
	free(to->rules);
	to->n = t->n;
	to->rules = calloc((size_t)t->n + 1, sizeof *to->rules);
	if (!to->rules)
		return err_set(e, ENOMEM, "join profiles");
	memcpy(to->rules, t->rules, (size_t)t->n * sizeof *t->rules);
	return 0;
}

static const char *direction(const struct join *j)
{
	return j->how == CLAUSES_UNION ? "more" : "less";
}

/* Of the ways to write it that are exact, the one with the fewest rules. */
static int choose_rules(struct join *j, struct named *to, const char *compile_as, struct err *e)
{
	auto_free struct attempt *t = calloc(1, sizeof *t), *best = calloc(1, sizeof *best);
	bool yes, found = false;
	int rc;

	if (!t || !best)
		return err_set(e, ENOMEM, "join profiles");
	for (int which = 0; which <= j->n_in + 1; which++) {
		if (which <= j->n_in)
			attempt_inputs(j, to->name, which, t);
		else
			attempt_regions(j, t);
		if (found && t->n >= best->n)
			continue;
		rc = is_exact(j, compile_as, t, &yes, e);
		if (rc)
			return rc;
		if (yes)
			*best = *t;
		found |= yes;
	}
	if (!found) {
		warn_say(j->loss,
			 "%s: no list of rules says it exactly for every architecture: %s is "
			 "allowed than asked",
			 to->name, direction(j));
		attempt_constant(j, safe_value(j), best);
		to->forced = true;
	}
	return keep_attempt(to, best, e);
}

static int write_name(struct join *j, struct named *to, struct err *e)
{
	const char *compile_as = to->name;
	struct attempt t = { 0 };
	uint64_t value;
	int rc = find_sites(j, to->name, e);

	if (!rc && !j->n_sites) {
		compile_as = STAND_IN;
		rc = stand_in_site(j, to->name, e);
	}
	if (rc)
		return rc;
	if (!is_one_constant(j, &value))
		return choose_rules(j, to, compile_as, e);
	attempt_constant(j, value, &t);
	return keep_attempt(to, &t, e);
}

/* --- the whole: names with equal rules become one entry --- */

static int compare_conds(const struct cond *x, const struct cond *y)
{
	const uint64_t left[] = { x->index, x->op, x->value, x->value2 };
	const uint64_t right[] = { y->index, y->op, y->value, y->value2 };

	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}

static int compare_rules(const struct named *a, const struct named *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	for (int i = 0; i < a->n; i++) {
		const struct rule *x = &a->rules[i], *y = &b->rules[i];
		uint64_t left = diagram_value(x->effect), right = diagram_value(y->effect);
		int order = (left > right) - (left < right);

		if (!order)
			order = (x->conds.n > y->conds.n) - (x->conds.n < y->conds.n);
		for (int k = 0; !order && k < x->conds.n; k++)
			order = compare_conds(&x->conds.c[k], &y->conds.c[k]);
		if (order)
			return order;
	}
	return 0;
}

static int by_rules(const void *left, const void *right)
{
	const struct named *l = left, *r = right;
	int order = compare_rules(l, r);

	return order ? order : strcmp(l->name, r->name);
}

static void put_names(const struct join *j, const struct named *sorted, struct ruleset *out)
{
	char *at = out->pool;
	int entry = -1;

	for (size_t i = 0; i < j->n_names; i++) {
		size_t len = strlen(sorted[i].name) + 1;

		if (!sorted[i].n)
			continue;
		if (entry < 0 || compare_rules(&sorted[i - 1], &sorted[i]) != 0)
			entry++;
		memcpy(at, sorted[i].name, len);
		for (int k = 0; k < sorted[i].n; k++) {
			struct rule *r = &out->rules[out->n_rules++];

			*r = sorted[i].rules[k];
			r->name = at;
			r->entry = entry;
		}
		at += len;
	}
}

static int assemble(const struct join *j, struct ruleset *out, struct err *e)
{
	auto_free struct named *sorted = calloc(j->n_names + 1, sizeof *sorted);
	size_t rules = 1, bytes = 1;
	struct ruleset r = { .fallthrough = diagram_effect(j->fallthrough),
			     .n_arches = j->n_arches };

	for (size_t i = 0; i < j->n_names; i++) {
		rules += (size_t)j->names[i].n;
		bytes += strlen(j->names[i].name) + 1;
	}
	memcpy(r.arches, j->arches, sizeof r.arches);
	r.rules = calloc(rules, sizeof *r.rules);
	r.pool = calloc(bytes, 1);
	if (!sorted || !r.rules || !r.pool) {
		ruleset_fini(&r);
		return err_set(e, ENOMEM, "join profiles");
	}
	for (size_t i = 0; i < j->n_names; i++)
		sorted[i] = j->names[i];
	qsort(sorted, j->n_names, sizeof *sorted, by_rules);
	put_names(j, sorted, &r);
	*out = r;
	return 0;
}

/* --- the proof: the result, compiled, against what was wanted --- */

static struct named *find_name(struct join *j, const char *name)
{
	struct named key = { .name = name };

	return name ? bsearch(&key, j->names, j->n_names, sizeof key, by_text) : NULL;
}

/* The whole differs where a name alone did not: rules of several names meet at one number
 * (socketcall, ipc). Then that number's own name gets the safe answer. */
static int force(struct join *j, enum arch a, int nr, struct err *e)
{
	const char *word = names_syscall_name(a, nr);
	struct named *n = find_name(j, word);
	struct attempt t = { 0 };
	int rc;

	if (!n || n->forced)
		return err_set(e, ENOTSUP,
			       "%s on %s: no document holds what the profiles say together.",
			       word ? word : "an unknown call", names_arch_docker_name(a));
	rc = find_sites(j, word, e);
	if (rc)
		return rc;
	attempt_constant(j, safe_value(j), &t);
	n->forced = true;
	return keep_attempt(n, &t, e);
}

/* Is every difference on the safe side? */
static bool is_safe(struct join *j, uint32_t got, uint32_t want)
{
	return diagram_apply(j->d, fn_of(j->how), got, want) == got;
}

static int prove_number(struct join *j, struct clauses *c, enum arch a, int nr, bool *again,
			struct err *e)
{
	uint32_t got = DIAGRAM_NONE, want = DIAGRAM_NONE;
	int rc = clauses_of(c, a, nr, &got, e);

	if (!rc)
		rc = wanted(j, a, nr, &want, e);
	if (rc || got == want)
		return rc;
	if (!is_safe(j, got, want)) {
		*again = true;
		return force(j, a, nr, e);
	}
	if (!find_name(j, names_syscall_name(a, nr)) ||
	    !find_name(j, names_syscall_name(a, nr))->forced)
		warn_say(j->loss, "%s on %s: %s is allowed than asked", names_syscall_name(a, nr),
			 names_arch_docker_name(a), direction(j));
	return diagrams_check(j->d, e);
}

static int prove(struct join *j, const struct ruleset *r, bool *again, struct err *e)
{
	struct clauses *c = NULL;
	const struct clauses_opts o = { .host = j->host };
	int rc = clauses_new(j->d, r, &o, &c, e);

	*again = false;
	for (int i = 0; !rc && i < j->n_arches; i++)
		for (int nr = 0; !rc && nr < CLAUSES_NUMBERS; nr++)
			rc = prove_number(j, c, j->arches[i],
					  (int)(base_of(j->arches[i]) | (uint32_t)nr), again, e);
	clauses_free(c);
	return rc;
}

static void free_names(struct join *j)
{
	for (size_t i = 0; i < j->n_names; i++)
		free(j->names[i].rules);
	free(j->names);
}

static int join(struct join *j, struct ruleset *out, struct err *e)
{
	bool again = true;
	int rc = list_names(j, e);

	join_fallthrough(j);
	join_arches(j);
	for (size_t i = 0; !rc && i < j->n_names; i++)
		rc = write_name(j, &j->names[i], e);
	while (!rc && again) {
		struct ruleset r;

		rc = assemble(j, &r, e);
		if (rc)
			break;
		rc = prove(j, &r, &again, e);
		if (rc || again)
			ruleset_fini(&r);
		else
			*out = r;
	}
	return rc;
}

int clauses_join(struct diagrams *d, struct clauses *const *in, int n, enum clauses_how how,
		 struct ruleset *out, const struct warn *loss, struct err *e)
{
	struct join j = { .d = d, .in = in, .n_in = n, .how = how, .loss = loss };
	int rc = join(&j, out, e);

	free_names(&j);
	return rc;
}

/* --- differences --- */

/* Lets through; asks somebody; does not. */
static int level_of(struct effect f)
{
	if (f.act == ACT_ALLOW || f.act == ACT_LOG)
		return 0;
	return f.act == ACT_TRACE || f.act == ACT_NOTIFY ? 1 : 2;
}

enum clauses_change clauses_change(struct effect from, struct effect to)
{
	int left = level_of(from), right = level_of(to);

	if (diagram_value(from) == diagram_value(to))
		return CHANGE_NONE;
	if (left != right)
		return left < right ? CHANGE_LESS : CHANGE_MORE;
	return left == 1 && from.act != to.act ? CHANGE_UNKNOWN : CHANGE_OTHER;
}

uint64_t clauses_pair(uint64_t left, uint64_t right)
{
	return left == right ? CLAUSES_SAME : left << 32 | right;
}

struct effect clauses_pair_from(uint64_t pair)
{
	return diagram_effect(pair >> 32);
}

struct effect clauses_pair_to(uint64_t pair)
{
	return diagram_effect(pair & UINT32_MAX);
}

static int difference_at(struct diagrams *d, struct clauses *from, struct clauses *to,
			 struct clauses_difference *x, bool *differs, struct err *e)
{
	uint32_t left, right;
	int rc = clauses_of(from, x->arch, x->nr, &left, e);

	if (!rc)
		rc = clauses_of(to, x->arch, x->nr, &right, e);
	if (rc)
		return rc;
	*differs = left != right;
	x->pair = diagram_apply(d, clauses_pair, left, right);
	return diagrams_check(d, e);
}

static int differences_of_arch(struct diagrams *d, struct clauses *from, struct clauses *to,
			       enum arch a, clauses_difference_fn *fn, void *ctx, struct err *e)
{
	struct clauses_difference x = { .arch = a, .nr = -1 };
	bool differs;
	int rc;

	if (clauses_has_arch(from, a) != clauses_has_arch(to, a)) {
		x.pair = diagram_const(d, CLAUSES_SAME);
		return fn(ctx, &x) ? 0 : 1;
	}
	for (int i = 0; i < CLAUSES_NUMBERS; i++) {
		x.nr = (int)(base_of(a) | (uint32_t)i);
		x.name = names_syscall_name(a, x.nr);
		if (!x.name)
			continue;
		rc = difference_at(d, from, to, &x, &differs, e);
		if (rc)
			return rc;
		if (differs && !fn(ctx, &x))
			return 1;
	}
	return 0;
}

int clauses_differences(struct diagrams *d, struct clauses *from, struct clauses *to,
			clauses_difference_fn *fn, void *ctx, struct err *e)
{
	enum arch arches[2 * ARCH_COUNT];
	int n = 0, rc = 0;

	for (int i = 0; i < from->n_arches; i++)
		add_arch(arches, &n, from->arches[i]);
	for (int i = 0; i < to->n_arches; i++)
		add_arch(arches, &n, to->arches[i]);
	for (int i = 0; !rc && i < n; i++)
		rc = differences_of_arch(d, from, to, arches[i], fn, ctx, e);
	return rc < 0 ? rc : 0;
}
