/* SPDX-License-Identifier: Apache-2.0 */
/* policy_show.c - warder policy show: the verdict for each system call, and the compiled programs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "warder/own.h"
#include "where.h"

#define NUMBERS 1024 /* of one ABI, at most */

struct show {
	struct where where;
	const char *syscall; /* NULL: all */
	bool json, bpf, meaning;
	enum arch abi;
	struct where_policy policy;
};

struct call { /* one system call of the ABI, as it is decided in enforce */
	int nr;
	const char *name;
	bool by_args;   /* then v says nothing */
	bool in_kernel; /* blocked without asking: no event, no audit */
	bool always;    /* never blocked, whatever the policy says */
	struct verdict v;
};

struct clause { /* what the document says of one call, in its order */
	struct conds conds;
	bool muxed; /* conds is "this call of socketcall or ipc" */
	struct effect effect;
	char why[32];
	const char *name;
};

static bool is_blocked(const struct call *c)
{
	return !c->by_args && c->v.act != ACT_ALLOW && c->v.act != ACT_LOG &&
	       c->v.act != ACT_NOTIFY;
}

static struct call call_of(const struct show *s, int nr, const char *name)
{
	const struct seccomp_data data = { .nr = nr, .arch = names_arch_audit(s->abi) };
	struct call c = { .nr = nr, .name = name };
	bool by_args = false;
	int gate;

	c.by_args = decide_needs_args(s->policy.decide, s->abi, nr);
	c.v = decide(s->policy.decide, &data);
	gate = names_action_of_ret(bpf_run(&s->policy.filter.gate, &data, &by_args));
	c.always = gate == ACT_ALLOW && !by_args && is_blocked(&c);
	if (c.always)
		c.v.act = ACT_ALLOW;
	c.in_kernel = is_blocked(&c) && !by_args && gate != ACT_NOTIFY;
	return c;
}

/* Allowed calls first, then those that are blocked by their effect, then those that depend. */
static uint32_t rank(const struct call *c)
{
	if (c->by_args)
		return UINT32_MAX;
	return (uint32_t)c->v.act << 16 | c->v.errnum;
}

static int by_rank(const void *left, const void *right)
{
	const struct call *l = left, *r = right;

	if (rank(l) != rank(r))
		return rank(l) < rank(r) ? -1 : 1;
	return l->nr < r->nr ? -1 : l->nr > r->nr;
}

static size_t list_calls(const struct show *s, struct call *calls)
{
	int base = s->abi == ARCH_X32 ? (int)NAMES_X32_BIT : 0;
	size_t n = 0;

	for (int i = 0; i < NUMBERS; i++) {
		const char *name = names_syscall_name(s->abi, base + i);

		if (name && (!s->syscall || !strcmp(s->syscall, name)))
			calls[n++] = call_of(s, base + i, name);
	}
	qsort(calls, n, sizeof *calls, by_rank);
	return n;
}

/* Does this name's call arrive at nr? Then where its conditions are. */
static bool arrives(const struct show *s, const char *name, int nr, const struct conds *conds,
		    struct clause *c)
{
	struct filter_site sites[FILTER_SITES];
	int n = filter_sites(s->abi, name, sites);

	for (int i = 0; i < n; i++) {
		if (sites[i].nr != nr || (sites[i].muxed && conds->n))
			continue;
		c->muxed = sites[i].muxed;
		c->name = name;
		c->conds = *conds;
		if (c->muxed)
			c->conds = (struct conds){ .n = 1, .c = { sites[i].index } };
		return true;
	}
	return false;
}

typedef void clause_fn(void *ctx, const struct clause *c);

static void each_clause(const struct show *s, int nr, clause_fn *fn, void *ctx)
{
	const struct policy *p = s->policy.policy;
	const struct ruleset *r = &s->policy.rules;
	struct clause c;

	for (int i = 0; i < p->n_rules; i++)
		for (int k = 0; k < p->rules[i].n_names; k++) {
			if (!arrives(s, p->rules[i].names[k], nr, &p->rules[i].conds, &c))
				continue;
			c.effect = p->rules[i].effect;
			snprintf(c.why, sizeof c.why, "warder.rules[%d]", i);
			fn(ctx, &c);
		}
	for (int i = 0; i < r->n_rules; i++) {
		if (!arrives(s, r->rules[i].name, nr, &r->rules[i].conds, &c))
			continue;
		c.effect = r->rules[i].effect;
		snprintf(c.why, sizeof c.why, "syscalls[%d]", r->rules[i].entry);
		fn(ctx, &c);
	}
}

/* --- for people --- */

static void print_cond(const struct cond *c)
{
	static const char *const signs[] = { [OP_NE] = "!=", [OP_LT] = "<",  [OP_LE] = "<=",
					     [OP_EQ] = "==", [OP_GE] = ">=", [OP_GT] = ">" };

	if (c->op == OP_MASKED_EQ)
		printf("(A%u & 0x%" PRIx64 ") == 0x%" PRIx64, c->index, c->value, c->value2);
	else
		printf("A%u %s 0x%" PRIx64, c->index, signs[c->op], c->value);
}

static void print_clause(void *ctx, const struct clause *c)
{
	char effect[WHERE_EFFECT_MAX];
	bool *always = ctx;

	printf("         ");
	for (int i = 0; i < c->conds.n; i++) {
		printf("%s", i ? " and " : "");
		print_cond(&c->conds.c[i]);
	}
	if (c->muxed)
		printf(" (%s)", c->name);
	printf("%s -> %s  (%s)\n", c->conds.n ? "" : "always",
	       where_effect(c->effect.act, c->effect.errnum, effect, sizeof effect), c->why);
	*always |= !c->conds.n;
}

static void print_clauses(const struct show *s, int nr)
{
	const struct effect otherwise = s->policy.rules.fallthrough;
	char effect[WHERE_EFFECT_MAX];
	bool always = false;

	each_clause(s, nr, print_clause, &always);
	if (!always)
		printf("         otherwise -> %s  (default)\n",
		       where_effect(otherwise.act, otherwise.errnum, effect, sizeof effect));
}

static const char *verdict_text(const struct call *c, char *buf, size_t size)
{
	if (c->by_args) {
		snprintf(buf, size, "by arguments");
		return buf;
	}
	return where_effect(c->v.act, c->v.errnum, buf, size);
}

static const char *why_text(const struct show *s, const struct call *c)
{
	if (c->always)
		return "always";
	return c->by_args ? "" : decide_why(s->policy.decide, c->v);
}

static void print_call(const struct show *s, const struct call *c)
{
	char verdict[WHERE_EFFECT_MAX];
	int nr = s->abi == ARCH_X32 ? c->nr & ~(int)NAMES_X32_BIT : c->nr;
	const char *message = c->by_args ? NULL : decide_message(s->policy.decide, c->v);

	verdict_text(c, verdict, sizeof verdict);
	if (c->by_args)
		printf("%5d  %-26s %s\n", nr, c->name, verdict);
	else
		printf("%5d  %-26s %-18s %s%s%s%s\n", nr, c->name, verdict, why_text(s, c),
		       c->in_kernel ? " (in the kernel: no event)" : "", message ? ": " : "",
		       message ? message : "");
	if (c->by_args || s->syscall)
		print_clauses(s, c->nr);
}

static void print_header(const struct show *s)
{
	const struct where_policy *p = &s->policy;

	printf("policy %s: mode %s, default %s\n", p->policy->name, mode_word(p->policy->mode),
	       where_effect(p->rules.fallthrough.act, p->rules.fallthrough.errnum,
			    (char[WHERE_EFFECT_MAX]){ 0 }, WHERE_EFFECT_MAX));
	printf("for %s, kernel %u.%u, capabilities %s\n", names_arch_docker_name(s->abi),
	       p->host.kernel_major, p->host.kernel_minor,
	       s->where.caps ? s->where.caps : WHERE_CAPS);
}

/* Numbers that libseccomp has no name for. */
static void print_others(const struct show *s)
{
	const struct effect f = s->policy.rules.fallthrough;
	uint32_t newest = s->policy.filter.newest[s->abi] & ~NAMES_X32_BIT;
	char effect[WHERE_EFFECT_MAX];

	printf("numbers without a name: %s", where_effect(f.act, f.errnum, effect, sizeof effect));
	if (newest)
		printf("; above %u: errno ENOSYS", newest);
	printf("\n");
}

static void print_text(const struct show *s, const struct call *calls, size_t n)
{
	char verdict[WHERE_EFFECT_MAX];
	size_t group = 0;

	print_header(s);
	printf("\n   NR  NAME                       VERDICT            WHY\n");
	for (size_t i = 0; i < n; i++)
		print_call(s, &calls[i]);
	if (s->syscall)
		return;
	printf("\n%zu calls:", n);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && rank(&calls[i]) == rank(&calls[i + 1]))
			continue;
		printf("%s %zu %s", group ? "," : "", i + 1 - group,
		       verdict_text(&calls[i], verdict, sizeof verdict));
		group = i + 1;
	}
	printf("; ");
	print_others(s);
}

/* --- for programs --- */

static void put(struct json_object *o, const char *key, struct json_object *v)
{
	json_object_object_add(o, key, v);
}

static struct json_object *text(const char *s)
{
	return json_object_new_string(s);
}

static struct json_object *number(int64_t n)
{
	return json_object_new_int64(n);
}

static struct json_object *hex(uint64_t n)
{
	char buf[20];

	snprintf(buf, sizeof buf, "0x%" PRIx64, n);
	return text(buf);
}

static void put_effect(struct json_object *o, uint8_t act, uint16_t errnum)
{
	const char *name = names_errno_name(errnum);

	put(o, "verdict", text(names_action_word((enum act)act)));
	if (act == ACT_ERRNO)
		put(o, "errno", name ? text(name) : number(errnum));
}

static void put_clause(void *ctx, const struct clause *c)
{
	struct json_object *o = json_object_new_object(), *args = json_object_new_array();

	for (int i = 0; i < c->conds.n; i++) {
		const struct cond *cond = &c->conds.c[i];
		struct json_object *arg = json_object_new_object();

		put(arg, "index", number(cond->index));
		put(arg, "op", text(names_op_scmp((enum op)cond->op)));
		put(arg, "value", hex(cond->value));
		if (cond->op == OP_MASKED_EQ)
			put(arg, "valueTwo", hex(cond->value2));
		json_object_array_add(args, arg);
	}
	put(o, "args", args);
	put_effect(o, c->effect.act, c->effect.errnum);
	put(o, "why", text(c->why));
	json_object_array_add(ctx, o);
}

static struct json_object *call_object(const struct show *s, const struct call *c)
{
	struct json_object *o = json_object_new_object(), *clauses;

	put(o, "nr", number(c->nr));
	put(o, "name", text(c->name));
	if (c->by_args) {
		put(o, "verdict", text("by_args"));
	} else {
		put_effect(o, c->v.act, c->v.errnum);
		put(o, "why", text(why_text(s, c)));
	}
	if (c->in_kernel)
		put(o, "in_kernel", json_object_new_boolean(true));
	if (c->by_args || s->syscall) {
		clauses = json_object_new_array();
		each_clause(s, c->nr, put_clause, clauses);
		put(o, "clauses", clauses);
	}
	return o;
}

static void print_json(const struct show *s, const struct call *calls, size_t n)
{
	const struct where_policy *p = &s->policy;
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct json_object *otherwise = json_object_new_object();
	char kernel[24];

	snprintf(kernel, sizeof kernel, "%u.%u", p->host.kernel_major, p->host.kernel_minor);
	put(o, "policy", text(p->policy->name));
	put(o, "mode", text(mode_word(p->policy->mode)));
	put(o, "arch", text(names_arch_docker_name(s->abi)));
	put(o, "kernel", text(kernel));
	put(o, "caps", text(s->where.caps ? s->where.caps : WHERE_CAPS));
	put(o, "gate_instructions", number((int64_t)p->filter.gate.len));
	put_effect(otherwise, p->rules.fallthrough.act, p->rules.fallthrough.errnum);
	put(o, "default", otherwise);
	if (p->filter.newest[s->abi])
		put(o, "enosys_above", number(p->filter.newest[s->abi]));
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, call_object(s, &calls[i]));
	put(o, "syscalls", list);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/* --- the programs --- */

static void print_program(const char *title, const struct bpf_prog *p)
{
	char line[128];

	printf("%s: %zu instructions\n", title, p->len);
	for (size_t i = 0; i < p->len; i++)
		printf("%s\n", bpf_format(&p->insn[i], i, line, sizeof line));
}

static int show(const struct show *s, struct err *e)
{
	auto_free struct call *calls = calloc(NUMBERS, sizeof *calls);
	size_t n;

	if (!calls)
		return err_set(e, ENOMEM, "list the system calls");
	if (s->bpf)
		print_program("gate", &s->policy.filter.gate);
	if (s->meaning)
		print_program("meaning", &s->policy.filter.meaning);
	if (s->bpf || s->meaning)
		return 0;
	n = list_calls(s, calls);
	if (!n)
		return err_set(e, EINVAL, "--syscall: \"%s\" is no system call of %s", s->syscall,
			       names_arch_docker_name(s->abi));
	(s->json ? print_json : print_text)(s, calls, n);
	return 0;
}

static int show_file(struct show *s, const char *file, const struct host *host, struct err *e)
{
	struct where_warnings warnings = { .program = "warder policy show", .file = file };
	const struct warn warn = { where_count_warning, &warnings };
	const struct policy *p;
	int r = policy_load(file, &p, &warn, e);

	if (r)
		return r;
	where_say_warnings(&warnings);
	r = where_compile(p, host, &s->policy, e);
	if (r)
		err_wrap(e, "%s", file);
	else
		r = show(s, e);
	where_fini(&s->policy);
	policy_free(p);
	return r;
}

int cli_policy_show(int argc, char **argv)
{
	struct show s = { 0 };
	const struct opt rows[] = {
		{ "syscall", 's', OPT_STR, &s.syscall, "NAME", "this call only, with its clauses" },
		{ "json", 'j', OPT_FLAG, &s.json, NULL, "for programs" },
		{ "bpf", 0, OPT_FLAG, &s.bpf, NULL,
		  "print the gate (the filter that is installed) instead" },
		{ "meaning", 0, OPT_FLAG, &s.meaning, NULL,
		  "print the profile as runc would load it instead" },
		WHERE_OPTS(&s.where),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder policy show",
		.args = "FILE",
		.purpose = "Show what a policy means: the verdict in enforce for each system call.",
		.rows = rows,
		.tail = "Where the arguments decide, the document's clauses follow in their "
			"order;\n"
			"A0 is the first argument. Where several of a profile's clauses match,\n"
			"libseccomp's order holds, not the document's; a rule of \"warder\" comes\n"
			"before them all, the first match wins.\n"
			"\n"
			"Examples:\n"
			"  warder policy show --caps CAP_NET_ADMIN web.json\n"
			"  warder policy show --syscall clone web.json\n"
			"  warder policy show --bpf --arch arm64 web.json\n",
	};
	struct host host;
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && argc - first != 1)
		r = err_set(&e, EINVAL, "one FILE is needed, last (see %s --help)", usage.program);
	if (!r)
		r = where_host(&s.where, &host, &s.abi, &e);
	if (r)
		return cli_usage(usage.program, r, &e);
	if (!show_file(&s, argv[first], &host, &e))
		return CLI_OK;
	fprintf(stderr, "%s: %s\n", usage.program, e.msg);
	return CLI_FAILED;
}
