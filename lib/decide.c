/* SPDX-License-Identifier: Apache-2.0 */
/* decide.c - see decide.h. */
#include "warder/decide.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "warder/own.h"

#define NUMBERS   1024 /* of each ABI in the table */
#define MAX_ERRNO 4095 /* the kernel cuts to it */
#define WORD_SIZE 32

/* A rule of "warder" or a clause of the profile, at one place where its call arrives. */
struct clause {
	uint32_t audit;
	uint32_t nr;
	uint32_t order; /* rules of "warder" before the profile's, each in document order */
	bool is_rule;
	struct verdict v;
	const struct conds *conds; /* NULL: always */
};

struct cell {
	struct verdict v;
	bool by_args;   /* then v says nothing */
	uint32_t first; /* clauses of this number */
	uint32_t n;
};

struct abi {
	uint32_t audit;
	uint32_t base; /* NAMES_X32_BIT or 0 */
	struct cell cells[NUMBERS];
};

struct decide {
	const struct policy *policy;
	struct bpf_prog meaning; /* a copy */
	struct effect fallthrough;
	bool is_known[ARCH_COUNT];
	uint32_t newest[ARCH_COUNT];
	struct clause *clauses; /* sorted by (audit, nr, order) */
	size_t n_clauses;
	struct conds *conds; /* what the clauses point to */
	size_t n_conds;
	char (*words)[WORD_SIZE]; /* of the reasons from WHY_FIRST on */
	size_t n_words;
	int n_abis;
	struct abi *abis;
};

static bool same_effect(struct verdict v, uint8_t act, uint16_t errnum)
{
	return v.act == act && v.errnum == errnum;
}

static struct verdict verdict_of_effect(struct effect f, size_t why)
{
	bool has_data = f.act == ACT_ERRNO || f.act == ACT_TRACE;

	return (struct verdict){ .act = f.act,
				 .errnum = has_data ? f.errnum : 0,
				 .why = why > UINT16_MAX ? WHY_UNKNOWN : (uint16_t)why };
}

/* The kernel kills the process for an action that it does not know. */
static struct verdict verdict_of_ret(uint32_t ret)
{
	int act = names_action_of_ret(ret);
	struct effect f = { .act = act < 0 ? ACT_KILL_PROCESS : (uint8_t)act,
			    .errnum = (uint16_t)(ret & SECCOMP_RET_DATA) };

	if (f.act == ACT_ERRNO && f.errnum > MAX_ERRNO)
		f.errnum = MAX_ERRNO;
	return verdict_of_effect(f, WHY_UNKNOWN);
}

static int by_number(const void *left, const void *right)
{
	const struct clause *l = left, *r = right;

	if (l->audit != r->audit)
		return l->audit < r->audit ? -1 : 1;
	if (l->nr != r->nr)
		return l->nr < r->nr ? -1 : 1;
	return l->order < r->order ? -1 : l->order > r->order;
}

/* Index of the first clause of (audit, nr), or of where it would stand. */
static size_t find_clauses(const struct decide *d, uint32_t audit, uint32_t nr)
{
	const struct clause key = { .audit = audit, .nr = nr };
	size_t low = 0, high = d->n_clauses;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (by_number(&d->clauses[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* call NULL: nothing is known of the arguments. */
static bool holds(const struct clause *c, const struct seccomp_data *call)
{
	uint64_t args[PROFILE_MAX_ARGS];

	if (!c->conds || !call)
		return !c->conds;
	memcpy(args, call->args, sizeof args);
	return conds_match(c->conds, args);
}

static uint16_t why_of(const struct decide *d, const struct cell *cell, uint32_t audit, uint32_t nr,
		       const struct seccomp_data *call)
{
	enum arch arch = names_arch_of_call(audit, (int)nr);
	struct verdict v = cell->v;

	if (arch != ARCH_NONE && d->newest[arch] && nr > d->newest[arch])
		return WHY_ENOSYS_TAIL;
	if ((arch == ARCH_NONE || !d->is_known[arch]) && v.act == ACT_KILL_THREAD)
		return WHY_BAD_ARCH;
	for (size_t i = cell->first; i < cell->first + cell->n; i++) {
		const struct clause *c = &d->clauses[i];

		if (!c->is_rule && same_effect(v, c->v.act, c->v.errnum) && holds(c, call))
			return c->v.why;
	}
	if (same_effect(v, d->fallthrough.act, d->fallthrough.errnum))
		return WHY_DEFAULT;
	return WHY_UNKNOWN;
}

/* All that can be known of a call without its arguments. */
static struct cell cell_of(const struct decide *d, uint32_t audit, uint32_t nr)
{
	const struct seccomp_data call = { .nr = (int)nr, .arch = audit };
	size_t first = find_clauses(d, audit, nr), end = first;
	struct cell cell;

	while (end < d->n_clauses && d->clauses[end].audit == audit && d->clauses[end].nr == nr)
		end++;
	cell = (struct cell){ .first = (uint32_t)first, .n = (uint32_t)(end - first) };
	if (cell.n && d->clauses[first].is_rule) {
		cell.v = d->clauses[first].v;
		cell.by_args = d->clauses[first].conds;
		return cell;
	}
	cell.v = verdict_of_ret(bpf_run(&d->meaning, &call, &cell.by_args));
	if (!cell.by_args)
		cell.v.why = why_of(d, &cell, audit, nr, NULL);
	return cell;
}

static struct verdict decide_by_args(const struct decide *d, struct cell cell,
				     const struct seccomp_data *call)
{
	for (size_t i = cell.first; i < cell.first + cell.n && d->clauses[i].is_rule; i++)
		if (holds(&d->clauses[i], call))
			return d->clauses[i].v;
	cell.v = verdict_of_ret(bpf_run(&d->meaning, call, NULL));
	cell.v.why = why_of(d, &cell, call->arch, (uint32_t)call->nr, call);
	return cell.v;
}

static const struct cell *in_table(const struct decide *d, uint32_t audit, uint32_t nr)
{
	for (int i = 0; i < d->n_abis; i++)
		if (d->abis[i].audit == audit && nr - d->abis[i].base < NUMBERS)
			return &d->abis[i].cells[nr - d->abis[i].base];
	return NULL;
}

struct verdict decide(const struct decide *d, const struct seccomp_data *call)
{
	const struct cell *cell = in_table(d, call->arch, (uint32_t)call->nr);
	struct cell outside;

	if (!cell) {
		outside = cell_of(d, call->arch, (uint32_t)call->nr);
		cell = &outside;
	}
	return cell->by_args ? decide_by_args(d, *cell, call) : cell->v;
}

bool decide_needs_args(const struct decide *d, enum arch a, int nr)
{
	const struct cell *cell = in_table(d, names_arch_audit(a), (uint32_t)nr);

	return cell ? cell->by_args : cell_of(d, names_arch_audit(a), (uint32_t)nr).by_args;
}

static bool is_worded(const struct decide *d, struct verdict v)
{
	return v.why >= WHY_FIRST && v.why - WHY_FIRST < (int)d->n_words;
}

const char *decide_why(const struct decide *d, struct verdict v)
{
	static const char *const words[] = {
		[WHY_DEFAULT] = "default",
		[WHY_ENOSYS_TAIL] = "newer than the profile",
		[WHY_BAD_ARCH] = "bad architecture",
		[WHY_UNKNOWN] = "profile",
		[WHY_LIVE] = "live",
	};

	if (v.why < WHY_FIRST)
		return words[v.why];
	return is_worded(d, v) ? d->words[v.why - WHY_FIRST] : words[WHY_UNKNOWN];
}

const char *decide_message(const struct decide *d, struct verdict v)
{
	int rule = v.why - WHY_FIRST;

	return rule >= 0 && rule < d->policy->n_rules ? d->policy->rules[rule].message : NULL;
}

/* Of a multiplexed call only the index can be tested, so a clause with conditions is left out. */
static void add_clause(struct decide *d, enum arch a, const char *name, const struct clause *like)
{
	struct filter_site sites[FILTER_SITES];
	int n = filter_sites(a, name, sites);

	for (int i = 0; i < n; i++) {
		struct clause *c = &d->clauses[d->n_clauses];

		if (sites[i].muxed && like->conds)
			continue;
		*c = *like;
		c->audit = names_arch_audit(a);
		c->nr = (uint32_t)sites[i].nr;
		c->order = (uint32_t)d->n_clauses++;
		if (!sites[i].muxed)
			continue;
		d->conds[d->n_conds] = (struct conds){ .n = 1, .c = { sites[i].index } };
		c->conds = &d->conds[d->n_conds++];
	}
}

static const struct conds *keep_conds(struct decide *d, const struct conds *conds)
{
	if (!conds->n)
		return NULL;
	d->conds[d->n_conds] = *conds;
	return &d->conds[d->n_conds++];
}

static void add_clauses(struct decide *d, const struct policy *p, const struct ruleset *r,
			const struct filter *f)
{
	for (int i = 0; i < p->n_rules; i++) {
		const struct policy_rule *rule = &p->rules[i];
		struct clause c = { .is_rule = true,
				    .v = verdict_of_effect(rule->effect, WHY_FIRST + (size_t)i),
				    .conds = keep_conds(d, &rule->conds) };

		for (int k = 0; k < rule->n_names; k++)
			for (int a = 0; a < f->n_arches; a++)
				add_clause(d, f->arches[a], rule->names[k], &c);
	}
	for (int i = 0; i < r->n_rules; i++) {
		const struct rule *rule = &r->rules[i];
		size_t why = WHY_FIRST + (size_t)p->n_rules + (size_t)rule->entry;
		struct clause c = { .v = verdict_of_effect(rule->effect, why),
				    .conds = keep_conds(d, &rule->conds) };

		for (int a = 0; a < f->n_arches; a++)
			add_clause(d, f->arches[a], rule->name, &c);
	}
	qsort(d->clauses, d->n_clauses, sizeof *d->clauses, by_number);
}

static size_t count_names(const struct policy *p, const struct ruleset *r)
{
	size_t n = (size_t)r->n_rules;

	for (int i = 0; i < p->n_rules; i++)
		n += (size_t)p->rules[i].n_names;
	return n;
}

static int count_entries(const struct ruleset *r)
{
	int n = 0;

	for (int i = 0; i < r->n_rules; i++)
		if (r->rules[i].entry >= n)
			n = r->rules[i].entry + 1;
	return n;
}

static void put_words(struct decide *d, const struct policy *p)
{
	for (size_t i = 0; i < d->n_words; i++) {
		bool is_rule = i < (size_t)p->n_rules;

		snprintf(d->words[i], sizeof d->words[i],
			 is_rule ? "warder.rules[%zu]" : "syscalls[%zu]",
			 is_rule ? i : i - (size_t)p->n_rules);
	}
}

static bool allocate(struct decide *d, const struct policy *p, const struct ruleset *r,
		     const struct filter *f)
{
	size_t sites = count_names(p, r) * (size_t)f->n_arches * FILTER_SITES;

	d->n_words = (size_t)p->n_rules + (size_t)count_entries(r);
	d->words = calloc(d->n_words + 1, sizeof *d->words);
	d->clauses = calloc(sites + 1, sizeof *d->clauses);
	d->conds = calloc(sites + (size_t)(p->n_rules + r->n_rules) + 1, sizeof *d->conds);
	d->abis = calloc((size_t)f->n_arches, sizeof *d->abis);
	d->meaning.insn = calloc(f->meaning.len, sizeof *d->meaning.insn);
	return d->words && d->clauses && d->conds && d->abis && d->meaning.insn;
}

static void fill_table(struct decide *d, const struct filter *f)
{
	d->n_abis = f->n_arches;
	for (int i = 0; i < f->n_arches; i++) {
		struct abi *abi = &d->abis[i];

		abi->audit = names_arch_audit(f->arches[i]);
		abi->base = f->arches[i] == ARCH_X32 ? NAMES_X32_BIT : 0;
		for (uint32_t k = 0; k < NUMBERS; k++)
			abi->cells[k] = cell_of(d, abi->audit, abi->base | k);
	}
}

int decide_new(const struct policy *p, const struct ruleset *r, const struct filter *f,
	       struct decide **out, struct err *e)
{
	struct decide *d = calloc(1, sizeof *d);

	if (!d || !allocate(d, p, r, f)) {
		decide_free(d);
		return err_set(e, ENOMEM, "the table of verdicts");
	}
	d->policy = p;
	d->fallthrough = r->fallthrough;
	d->meaning.len = f->meaning.len;
	memcpy(d->meaning.insn, f->meaning.insn, f->meaning.len * sizeof *f->meaning.insn);
	memcpy(d->newest, f->newest, sizeof d->newest);
	for (int i = 0; i < f->n_arches; i++)
		d->is_known[f->arches[i]] = true;
	put_words(d, p);
	add_clauses(d, p, r, f);
	fill_table(d, f);
	*out = d;
	return 0;
}

void decide_free(struct decide *d)
{
	if (!d)
		return;
	bpf_fini(&d->meaning);
	free(d->words);
	free(d->clauses);
	free(d->conds);
	free(d->abis);
	free(d);
}
