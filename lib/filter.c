/* SPDX-License-Identifier: Apache-2.0 */
/* filter.c - see filter.h. */
#include "warder/filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "warder/own.h"

/* From so many rules on runc asks for a binary tree; libseccomp 2.5.4 errs with one of 0 rules. */
#define TREE_RULES 32
/* The direct forms of multiplexed calls are below this on every ABI that has them. */
#define DIRECT_NUMBERS 512

static void release(const scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}
#define auto_ctx __attribute__((cleanup(release))) scmp_filter_ctx

static uint32_t ret_of(struct effect f)
{
	uint32_t ret = names_action_ret((enum act)f.act);

	return f.act == ACT_ERRNO || f.act == ACT_TRACE ? ret | f.errnum : ret;
}

static int add_rule(scmp_filter_ctx ctx, const struct rule *rule, struct err *e)
{
	int nr = seccomp_syscall_resolve_name(rule->name), rc;
	struct scmp_arg_cmp cmp[PROFILE_MAX_ARGS];

	if (nr == __NR_SCMP_ERROR)
		return 0;
	for (int i = 0; i < rule->conds.n; i++) {
		const struct cond *c = &rule->conds.c[i];

		cmp[i] = (struct scmp_arg_cmp){
			.arg = c->index,
			.op = (enum scmp_compare)names_op_token((enum op)c->op),
			.datum_a = c->value,
			.datum_b = c->value2,
		};
	}
	rc = seccomp_rule_add_array(ctx, ret_of(rule->effect), nr, rule->conds.n, cmp);
	if (rc == -ENOMEM)
		return err_set(e, ENOMEM, "libseccomp");
	if (rc < 0)
		return err_set(e, EINVAL, "syscalls[%d] (%s): libseccomp refuses the rule: %s",
			       rule->entry, rule->name, strerror(-rc));
	return 0;
}

static int add_arches(scmp_filter_ctx ctx, const struct ruleset *r, struct err *e)
{
	for (int i = 0; i < r->n_arches; i++) {
		int rc = seccomp_arch_add(ctx, names_arch_token(r->arches[i]));

		if (rc < 0 && rc != -EEXIST)
			return err_set(e, EINVAL,
				       "architecture %s: libseccomp cannot add it here: %s",
				       names_arch_scmp(r->arches[i]), strerror(-rc));
	}
	return 0;
}

static int read_prog(int fd, struct bpf_prog *out, struct err *e)
{
	struct bpf_prog p = { 0 };
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "fstat of the exported program");
	p.len = (size_t)st.st_size / sizeof *p.insn;
	if (p.len > BPF_MAXINSNS)
		return err_set(e, E2BIG, "the profile compiles to %zu instructions", p.len);
	p.insn = malloc((size_t)st.st_size + 1);
	if (!p.insn)
		return err_set(e, ENOMEM, "the exported program");
	if (pread(fd, p.insn, (size_t)st.st_size, 0) != st.st_size)
		rc = err_set(e, EIO, "read the exported program");
	else
		rc = bpf_check(&p, e);
	if (rc < 0)
		bpf_fini(&p);
	else
		*out = p;
	return rc;
}

int filter_export(void *ctx, struct bpf_prog *out, struct err *e)
{
	auto_fd fd = memfd_create("warder-filter", MFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_set(e, errno, "memfd_create");
	rc = seccomp_export_bpf(ctx, fd);
	if (rc < 0)
		return err_set(e, rc, "seccomp_export_bpf");
	return read_prog(fd, out, e);
}

static int compile(const struct ruleset *r, struct bpf_prog *out, struct err *e)
{
	auto_ctx ctx = seccomp_init(ret_of(r->fallthrough));
	int rc;

	if (!ctx)
		return err_set(e, EINVAL, "libseccomp refuses %s as the default action",
			       names_action_scmp((enum act)r->fallthrough.act));
	rc = add_arches(ctx, r, e);
	if (rc < 0)
		return rc;
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (r->n_rules > TREE_RULES)
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (int i = 0; i < r->n_rules; i++) {
		if (ret_of(r->rules[i].effect) == ret_of(r->fallthrough))
			continue;
		rc = add_rule(ctx, &r->rules[i], e);
		if (rc < 0)
			return rc;
	}
	return filter_export(ctx, out, e);
}

/* runc's patchbpf: no tail where the default lets calls through, none for an architecture that the
 * document does not list, and every name counts, also of rules that were skipped. */
static void find_newest(const struct ruleset *r, uint32_t newest[ARCH_COUNT])
{
	uint8_t act = r->fallthrough.act;

	if (act == ACT_ALLOW || act == ACT_LOG || act == ACT_TRACE)
		return;
	for (int i = 0; i < r->n_arches; i++) {
		int most = 0;

		for (int k = 0; k < r->n_rules; k++) {
			int nr = names_syscall(r->arches[i], r->rules[k].name);

			if (nr > most)
				most = nr;
		}
		newest[r->arches[i]] = (uint32_t)most;
	}
}

static bool is_x32(enum arch a)
{
	return a == ARCH_X32;
}

/* "number > newest -> ENOSYS" for one architecture; A holds its AUDIT_ARCH on every way out. */
static void put_tail(struct bpf_asm *a, enum arch arch, uint32_t newest, int enosys)
{
	int other = bpf_asm_label(a), mode = bpf_asm_label(a);

	bpf_asm_jump(a, BPF_JEQ, names_arch_audit(arch), 0, other);
	bpf_asm_load(a, offsetof(struct seccomp_data, nr));
	if (names_arch_audit(arch) == names_arch_audit(ARCH_X32))
		bpf_asm_jump(a, BPF_JSET, NAMES_X32_BIT, is_x32(arch) ? 0 : mode,
			     is_x32(arch) ? mode : 0);
	bpf_asm_jump(a, BPF_JGT, newest, enosys, 0);
	bpf_asm_here(a, mode);
	bpf_asm_load(a, offsetof(struct seccomp_data, arch));
	bpf_asm_here(a, other);
}

static int put_tails_before(struct filter *f, struct err *e)
{
	struct bpf_asm *a = bpf_asm_new();
	struct bpf_prog p;
	int enosys, body, rc;

	if (!a)
		return err_set(e, ENOMEM, "assemble");
	enosys = bpf_asm_label(a);
	body = bpf_asm_label(a);
	bpf_asm_load(a, offsetof(struct seccomp_data, arch));
	for (int i = 0; i < ARCH_COUNT; i++)
		if (f->newest[i])
			put_tail(a, (enum arch)i, f->newest[i], enosys);
	bpf_asm_goto(a, body);
	bpf_asm_here(a, enosys);
	bpf_asm_ret(a, SECCOMP_RET_ERRNO | ENOSYS);
	bpf_asm_here(a, body);
	bpf_asm_append(a, &f->meaning);
	rc = bpf_asm_end(a, &p, e);
	if (rc < 0)
		return rc;
	bpf_fini(&f->meaning);
	f->meaning = p;
	return 0;
}

static bool has_tail(const struct filter *f)
{
	for (int i = 0; i < ARCH_COUNT; i++)
		if (f->newest[i])
			return true;
	return false;
}

static int build_meaning(const struct ruleset *r, const struct filter_opts *o, struct filter *f,
			 struct err *e)
{
	int rc = compile(r, &f->meaning, e);

	if (rc < 0 || o->like_crun)
		return rc;
	find_newest(r, f->newest);
	return has_tail(f) ? put_tails_before(f, e) : 0;
}

static void list_arches(const struct ruleset *r, struct filter *f)
{
	bool seen[ARCH_COUNT] = { 0 };

	f->arches[f->n_arches++] = names_native_arch();
	seen[f->arches[0]] = true;
	for (int i = 0; i < r->n_arches; i++) {
		if (!seen[r->arches[i]])
			f->arches[f->n_arches++] = r->arches[i];
		seen[r->arches[i]] = true;
	}
}

/* libseccomp's number of a call that an ABI multiplexes: -100 - index for socketcall, -200 - index
 * for ipc (seccomp.h, __PNR_socket and following). */
static bool is_muxed(enum arch a, const char *name, struct filter_site *out)
{
	int pseudo = -seccomp_syscall_resolve_name_arch(names_arch_token(a), name);
	bool is_ipc = pseudo > 200;

	if (pseudo <= 100 || pseudo >= 300 || (pseudo > 120 && !is_ipc))
		return false;
	out->nr = names_syscall(a, is_ipc ? "ipc" : "socketcall");
	out->muxed = true;
	/* ipc keeps a version in the upper half (ipc(2), ipc/syscall.c) */
	out->index = (struct cond){ .op = OP_MASKED_EQ,
				    .value = is_ipc ? 0xffff : UINT32_MAX,
				    .value2 = (uint64_t)pseudo % 100 };
	return out->nr >= 0;
}

/* The number of a name that libseccomp resolves to a pseudo number. */
static int direct_number(enum arch a, const char *name)
{
	for (int nr = 0; nr < DIRECT_NUMBERS; nr++) {
		const char *word = names_syscall_name(a, nr);

		if (word && strcmp(word, name) == 0)
			return nr;
	}
	return -1;
}

int filter_sites(enum arch a, const char *name, struct filter_site out[FILTER_SITES])
{
	int n = 0, nr = names_syscall(a, name);

	if (nr < 0 && is_muxed(a, name, &out[n])) {
		n++;
		nr = direct_number(a, name);
	}
	if (nr >= 0)
		out[n++] = (struct filter_site){ .nr = nr };
	return n;
}

/* One claim on a number, in order of precedence: if the conditions hold, return ret. */
struct claim {
	uint32_t audit;
	uint32_t nr;
	uint32_t order;
	uint32_t ret;
	struct conds conds;
};

struct claims {
	size_t n;
	struct claim *v;
};

static void free_claims(struct claims *c)
{
	free(c->v);
}

/* The numbers from start up to the next segment's go to one label. */
struct segment {
	uint32_t start;
	int label;
};

struct gate {
	struct bpf_asm *a;
	struct claims claims;
	int body;    /* label: no claim holds */
	int *labels; /* per claim that begins a number: where its code stands; 0: none yet */
	struct segment *segments; /* room for two per claim and one */
};

static void add_claim(struct claims *c, enum arch a, const char *name, const struct conds *conds,
		      uint32_t ret)
{
	struct filter_site sites[FILTER_SITES];
	int n = filter_sites(a, name, sites);

	for (int i = 0; i < n; i++) {
		struct claim *to = &c->v[c->n];

		if (sites[i].muxed && conds && conds->n)
			continue;
		*to = (struct claim){ .audit = names_arch_audit(a),
				      .nr = (uint32_t)sites[i].nr,
				      .order = (uint32_t)c->n,
				      .ret = ret };
		if (conds)
			to->conds = *conds;
		if (sites[i].muxed) {
			to->conds.n = 1;
			to->conds.c[0] = sites[i].index;
		}
		c->n++;
	}
}

static uint32_t ret_of_rule(const struct policy_rule *rule)
{
	if (rule->effect.act == ACT_ALLOW || (rule->effect.act == ACT_ERRNO && !rule->live))
		return ret_of(rule->effect);
	return SECCOMP_RET_USER_NOTIF;
}

static void claim_arch(struct claims *c, enum arch a, const struct policy *p, bool notify_all)
{
	for (const char *const *name = names_never_notified; *name; name++)
		add_claim(c, a, *name, NULL, SECCOMP_RET_ALLOW);
	for (const char *const *name = names_always_notified; *name; name++)
		add_claim(c, a, *name, NULL, SECCOMP_RET_USER_NOTIF);
	if (notify_all) {
		for (int i = 0; i < p->n_record_skip; i++)
			add_claim(c, a, p->record_skip[i], NULL, SECCOMP_RET_ALLOW);
		return;
	}
	for (int i = 0; i < p->n_rules; i++)
		for (int k = 0; k < p->rules[i].n_names; k++)
			add_claim(c, a, p->rules[i].names[k], &p->rules[i].conds,
				  ret_of_rule(&p->rules[i]));
}

static int by_number(const void *left, const void *right)
{
	const struct claim *l = left, *r = right;

	if (l->audit != r->audit)
		return l->audit < r->audit ? -1 : 1;
	if (l->nr != r->nr)
		return l->nr < r->nr ? -1 : 1;
	return l->order < r->order ? -1 : 1;
}

static size_t count_names(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static int collect(const struct policy *p, const struct filter *f, bool notify_all,
		   struct claims *out, struct err *e)
{
	size_t names = count_names(names_never_notified) + count_names(names_always_notified);

	names += (size_t)p->n_record_skip;
	for (int i = 0; i < p->n_rules; i++)
		names += (size_t)p->rules[i].n_names;
	out->v = calloc(names * (size_t)f->n_arches * FILTER_SITES, sizeof *out->v);
	if (!out->v)
		return err_set(e, ENOMEM, "the gate's rules");
	for (int i = 0; i < f->n_arches; i++)
		claim_arch(out, f->arches[i], p, notify_all);
	qsort(out->v, out->n, sizeof *out->v, by_number);
	return 0;
}

#define HALF(index, high)                                                              \
	((uint32_t)(offsetof(struct seccomp_data, args) + (index) * sizeof(uint64_t) + \
		    (((high) != 0) == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)      \
			     ? sizeof(uint32_t)                                        \
			     : 0)))

/* To `yes` if the argument is greater (low_op JGE: or equal), to `no` otherwise. */
static void put_greater(struct bpf_asm *a, const struct cond *c, uint16_t low_op, int yes, int no)
{
	uint32_t high = (uint32_t)(c->value >> 32);

	bpf_asm_load(a, HALF(c->index, true));
	bpf_asm_jump(a, BPF_JGT, high, yes, 0);
	bpf_asm_jump(a, BPF_JEQ, high, 0, no);
	bpf_asm_load(a, HALF(c->index, false));
	bpf_asm_jump(a, low_op, (uint32_t)c->value, yes, no);
}

static void put_half(struct bpf_asm *a, const struct cond *c, bool high, uint32_t mask)
{
	bpf_asm_load(a, HALF(c->index, high));
	if (mask != UINT32_MAX)
		bpf_asm_and(a, mask);
}

static void put_equal(struct bpf_asm *a, const struct cond *c, uint64_t mask, uint64_t value,
		      int yes, int no)
{
	put_half(a, c, true, (uint32_t)(mask >> 32));
	bpf_asm_jump(a, BPF_JEQ, (uint32_t)(value >> 32), 0, no);
	put_half(a, c, false, (uint32_t)mask);
	bpf_asm_jump(a, BPF_JEQ, (uint32_t)value, yes, no);
}

/* Goes on behind if the condition holds, to `no` otherwise. */
static void put_cond(struct bpf_asm *a, const struct cond *c, int no)
{
	int yes = bpf_asm_label(a);

	switch ((enum op)c->op) {
	case OP_EQ:
		put_equal(a, c, UINT64_MAX, c->value, yes, no);
		break;
	case OP_NE:
		put_equal(a, c, UINT64_MAX, c->value, no, yes);
		break;
	case OP_MASKED_EQ:
		put_equal(a, c, c->value, c->value2, yes, no);
		break;
	case OP_GT:
		put_greater(a, c, BPF_JGT, yes, no);
		break;
	case OP_GE:
		put_greater(a, c, BPF_JGE, yes, no);
		break;
	case OP_LE:
		put_greater(a, c, BPF_JGT, no, yes);
		break;
	case OP_LT:
	case OP_COUNT:
		put_greater(a, c, BPF_JGE, no, yes);
		break;
	}
	bpf_asm_here(a, yes);
}

static bool same_number(const struct claim *l, const struct claim *r)
{
	return l->audit == r->audit && l->nr == r->nr;
}

/* The claims on one number: the first whose conditions hold returns. */
static void put_number(struct gate *g, size_t first)
{
	const struct claim *c = &g->claims.v[first];

	for (size_t i = first; i < g->claims.n && same_number(c, &g->claims.v[i]); i++) {
		const struct claim *it = &g->claims.v[i];
		int next = bpf_asm_label(g->a);

		for (int k = 0; k < it->conds.n; k++)
			put_cond(g->a, &it->conds.c[k], next);
		bpf_asm_ret(g->a, it->ret);
		bpf_asm_here(g->a, next);
		if (!it->conds.n)
			return;
	}
	bpf_asm_goto(g->a, g->body);
}

/* Where the claims that begin at `first` stand. Unconditional ones with one result share a RET. */
static int label_of(struct gate *g, size_t first)
{
	const struct claim *c = &g->claims.v[first];

	for (size_t i = 0; i < first && !c->conds.n; i++)
		if (g->labels[i] && !g->claims.v[i].conds.n && g->claims.v[i].ret == c->ret)
			return g->labels[i];
	g->labels[first] = bpf_asm_label(g->a);
	return g->labels[first];
}

static void add_segment(struct gate *g, size_t *n, uint32_t start, int label)
{
	if (*n && g->segments[*n - 1].start == start)
		(*n)--;
	if (*n && g->segments[*n - 1].label == label)
		return;
	g->segments[(*n)++] = (struct segment){ start, label };
}

/* Binary search among segments first..last with the number in A. */
static void put_tree(struct gate *g, size_t first, size_t last)
{
	size_t mid = (first + last + 1) / 2;
	int yes, no = 0;

	if (first == last)
		return bpf_asm_goto(g->a, g->segments[first].label);
	yes = mid == last ? g->segments[last].label : bpf_asm_label(g->a);
	if (first == mid - 1)
		no = g->segments[first].label;
	bpf_asm_jump(g->a, BPF_JGE, g->segments[mid].start, yes, no);
	if (first < mid - 1)
		put_tree(g, first, mid - 1);
	if (mid < last) {
		bpf_asm_here(g->a, yes);
		put_tree(g, mid, last);
	}
}

/* The search for one AUDIT_ARCH, whose claims begin at first. Returns where the next's begin. A
 * holds the AUDIT_ARCH before and, if it is another, behind. */
static size_t put_arch(struct gate *g, size_t first)
{
	const struct claim *v = g->claims.v;
	int other = bpf_asm_label(g->a);
	size_t n = 0, i;

	bpf_asm_jump(g->a, BPF_JEQ, v[first].audit, 0, other);
	bpf_asm_load(g->a, offsetof(struct seccomp_data, nr));
	add_segment(g, &n, 0, g->body);
	for (i = first; i < g->claims.n && v[i].audit == v[first].audit; i++) {
		if (i > first && same_number(&v[i - 1], &v[i]))
			continue;
		add_segment(g, &n, v[i].nr, label_of(g, i));
		add_segment(g, &n, v[i].nr + 1, g->body);
	}
	put_tree(g, 0, n - 1);
	bpf_asm_here(g->a, other);
	return i;
}

static bool is_answered(uint32_t ret)
{
	int act = names_action_of_ret(ret);

	return act != ACT_ALLOW && act != ACT_TRAP && act != ACT_TRACE;
}

static int put_body(struct gate *g, const struct bpf_prog *meaning, bool notify_all, struct err *e)
{
	auto_free struct sock_filter *insn = NULL;

	bpf_asm_here(g->a, g->body);
	if (notify_all) {
		bpf_asm_ret(g->a, SECCOMP_RET_USER_NOTIF);
		return 0;
	}
	insn = calloc(meaning->len, sizeof *insn);
	if (!insn)
		return err_set(e, ENOMEM, "the gate");
	memcpy(insn, meaning->insn, meaning->len * sizeof *insn);
	for (size_t i = 0; i < meaning->len; i++)
		if (insn[i].code == (BPF_RET | BPF_K) && is_answered(insn[i].k))
			insn[i].k = SECCOMP_RET_USER_NOTIF;
	bpf_asm_append(g->a, &(struct bpf_prog){ meaning->len, insn });
	return 0;
}

static int put_gate(struct gate *g, const struct bpf_prog *meaning, bool notify_all, struct err *e)
{
	g->body = bpf_asm_label(g->a);
	bpf_asm_load(g->a, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < g->claims.n;)
		i = put_arch(g, i);
	bpf_asm_goto(g->a, g->body);
	for (size_t i = 0; i < g->claims.n; i++) {
		if (!g->labels[i])
			continue;
		bpf_asm_here(g->a, g->labels[i]);
		put_number(g, i);
	}
	return put_body(g, meaning, notify_all, e);
}

static int build_gate(const struct policy *p, struct filter *f, bool notify_all, struct err *e)
{
	__attribute__((cleanup(free_claims))) struct claims claims = { 0 };
	auto_free int *labels = NULL;
	auto_free struct segment *segments = NULL;
	struct err sunk;
	struct gate g;
	int rc = collect(p, f, notify_all, &claims, e);

	if (rc < 0)
		return rc;
	labels = calloc(claims.n, sizeof *labels);
	segments = calloc(claims.n * 2 + 1, sizeof *segments);
	g = (struct gate){
		.a = bpf_asm_new(), .claims = claims, .labels = labels, .segments = segments
	};
	if (!g.a)
		return err_set(e, ENOMEM, "assemble");
	rc = labels && segments ? put_gate(&g, &f->meaning, notify_all, e)
				: err_set(e, ENOMEM, "the gate");
	if (rc < 0) {
		if (!bpf_asm_end(g.a, &f->gate, &sunk))
			bpf_fini(&f->gate);
		return rc;
	}
	return bpf_asm_end(g.a, &f->gate, e);
}

int filter_meaning(const struct ruleset *r, const struct filter_opts *o, struct filter *out,
		   struct err *e)
{
	struct filter f = { 0 };
	int rc;

	list_arches(r, &f);
	rc = build_meaning(r, o, &f, e);
	if (rc < 0)
		filter_fini(&f);
	else
		*out = f;
	return rc;
}

int filter_build(const struct policy *p, const struct ruleset *r, const struct filter_opts *o,
		 struct filter *out, struct err *e)
{
	struct filter f;
	int rc = filter_meaning(r, o, &f, e);

	if (rc)
		return rc;
	rc = build_gate(p, &f, o->notify_all, e);
	if (rc < 0)
		filter_fini(&f);
	else
		*out = f;
	return rc;
}

void filter_fini(struct filter *f)
{
	bpf_fini(&f->meaning);
	bpf_fini(&f->gate);
}

int filter_load(const struct bpf_prog *p, unsigned flags, int *listener, struct err *e)
{
	struct sock_fprog prog = { .len = (unsigned short)p->len, .filter = p->insn };
	long rc = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);

	if (rc < 0)
		return err_set(e, errno, "load the seccomp filter");
	if (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER && listener)
		*listener = (int)rc;
	else if (rc > 0)
		return err_set(e, ESRCH, "thread %ld has a filter of its own", rc);
	return 0;
}
