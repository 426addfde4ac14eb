/* SPDX-License-Identifier: Apache-2.0 */
/* lint.c - see lint.h. */
#include "warder/lint.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "warder/own.h"

#define RULES_OF_NAME 64

static const struct {
	const char *code;
	enum lint_level level;
	const char *title;
} rows[] = {
#define X(id, code, level, title) [id] = { code, level, title },
	LINTS(X)
#undef X
};

const char *lint_code(enum lint l)
{
	return rows[l].code;
}

enum lint_level lint_level(enum lint l)
{
	return rows[l].level;
}

const char *lint_title(enum lint l)
{
	return rows[l].title;
}

const char *lint_level_word(enum lint_level l)
{
	static const char *const words[] = { "info", "warn", "error" };

	return words[l];
}

struct linter {
	const struct form_doc *doc;
	struct ruleset rules;
	struct diagrams *d;
	struct clauses *clauses;
	enum arch host;
	lint_fn *fn;
	void *ctx;
	struct err *e;
};

static void find(const struct linter *l, enum lint lint, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void find(const struct linter *l, enum lint lint, const char *path, const char *fmt, ...)
{
	struct lint_finding f = { .lint = lint };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f.text, sizeof f.text, fmt, ap);
	va_end(ap);
	snprintf(f.path, sizeof f.path, "%s", path);
	err_clean(f.text);
	l->fn(l->ctx, &f);
}

static const char *entry_path(int entry, char buf[32])
{
	snprintf(buf, 32, "syscalls[%d]", entry);
	return buf;
}

static struct json_object *entry_of(const struct linter *l, int i)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(l->doc->body, "syscalls", &list);
	return list ? json_object_array_get_idx(list, (size_t)i) : NULL;
}

static int count_entries(const struct linter *l)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(l->doc->body, "syscalls", &list);
	return list ? (int)json_object_array_length(list) : 0;
}

static bool has(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, key, &v) && v;
}

static const struct rule *rule_of(const struct ruleset *r, const char *name)
{
	for (int i = 0; i < r->n_rules; i++)
		if (!strcmp(r->rules[i].name, name))
			return &r->rules[i];
	return NULL;
}

/* --- P001: of which arguments the kernel reads 32 bits (their prototypes in the kernel) --- */

static const struct {
	const char *name;
	uint8_t args; /* a bit each */
} narrow[] = {
	{ "socket", 7 },       { "socketpair", 7 },  { "personality", 1 },
	{ "clone", 1 },        { "setns", 3 },       { "prctl", 1 },
	{ "ioctl", 3 },        { "fcntl", 3 },       { "fcntl64", 3 },
	{ "keyctl", 1 },       { "bpf", 5 },         { "open", 6 },
	{ "openat", 13 },      { "madvise", 4 },     { "futex", 6 },
	{ "setsockopt", 7 },   { "getsockopt", 7 },  { "kill", 3 },
	{ "tgkill", 7 },       { "epoll_ctl", 7 },   { "fchmodat", 5 },
	{ "mknod", 6 },        { "mknodat", 13 },    { "seccomp", 3 },
	{ "memfd_create", 2 }, { "userfaultfd", 1 }, { "io_uring_setup", 1 },
	{ "quotactl", 1 },     { "sendto", 9 },      { "recvfrom", 9 },
	{ "shmctl", 3 },       { "shmget", 5 },      { "semget", 7 },
	{ "msgget", 3 },       { "flock", 3 },       { "getrandom", 4 },
};

static uint64_t is_more(uint64_t left, uint64_t right)
{
	return left != right &&
	       clauses_change(diagram_effect(left), diagram_effect(right)) == CHANGE_MORE;
}

static int check_upper_bits_of(const struct linter *l, const char *name, int arg, enum arch a)
{
	const struct cond low = { (uint8_t)arg, OP_MASKED_EQ, 0xffffffff00000000U, 0 };
	const struct rule *rule = rule_of(&l->rules, name);
	int nr = names_syscall(a, name), rc;
	uint64_t args[6];
	char path[32];
	uint32_t f;

	if (nr < 0 || !rule)
		return 0;
	rc = clauses_of(l->clauses, a, nr, &f, l->e);
	if (rc)
		return rc;
	if (!diagram_example(l->d, diagram_apply(l->d, is_more, diagram_fix(l->d, f, &low), f),
			     args))
		return diagrams_check(l->d, l->e);
	find(l, LINT_UPPER_BITS, entry_path(rule->entry, path),
	     "%s: the kernel reads 32 bits of argument %d, the filter compares 64: 0x%" PRIx64
	     " gets past the conditions and then means 0x%" PRIx32
	     "; use SCMP_CMP_MASKED_EQ with mask 0xffffffff",
	     name, arg, args[arg], (uint32_t)args[arg]);
	return 0;
}

static int check_upper_bits(const struct linter *l)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(narrow); i++)
		for (int arg = 0; !rc && arg < 6; arg++)
			if (narrow[i].args >> arg & 1)
				rc = check_upper_bits_of(l, narrow[i].name, arg, l->host);
	return rc;
}

/* --- P002, P003: what the filter is without the rule --- */

static int without(const struct linter *l, const struct rule *out, struct clauses **c)
{
	auto_free struct rule *rules = calloc(RULES_OF_NAME, sizeof *rules);
	const struct clauses_opts o = { .host = l->host };
	struct ruleset r = l->rules;

	if (!rules)
		return err_set(l->e, ENOMEM, "look for dead rules");
	r.rules = rules;
	r.n_rules = 0;
	for (int i = 0; i < l->rules.n_rules && r.n_rules < RULES_OF_NAME; i++)
		if (&l->rules.rules[i] != out && !strcmp(l->rules.rules[i].name, out->name))
			rules[r.n_rules++] = l->rules.rules[i];
	return clauses_new(l->d, &r, &o, c, l->e);
}

/* Is there a call that meets the rule's conditions and gets another answer? */
static bool is_overruled(const struct linter *l, const struct rule *rule, uint32_t f)
{
	uint32_t where = diagram_const(l->d, 1), none = diagram_const(l->d, 0);
	uint64_t args[6];

	for (int i = 0; i < rule->conds.n; i++)
		where = diagram_cond(l->d, &rule->conds.c[i], where, none);
	return diagram_example(l->d, where, args) &&
	       diagram_at(l->d, f, args) != diagram_value(rule->effect);
}

static int check_dead_rule(const struct linter *l, const struct rule *rule, int nr)
{
	struct clauses *c = NULL;
	uint32_t with = 0, less = 0;
	char path[32];
	int rc = without(l, rule, &c);

	if (rc == -EINVAL || rc == -ETIMEDOUT)
		return 0;
	if (!rc)
		rc = clauses_of(l->clauses, l->host, nr, &with, l->e);
	if (!rc)
		rc = clauses_of(c, l->host, nr, &less, l->e);
	clauses_free(c);
	if (rc || with != less)
		return rc;
	if (is_overruled(l, rule, with))
		find(l, LINT_DROPPED, entry_path(rule->entry, path),
		     "%s: another rule for the call wins and libseccomp ignores this one without a "
		     "word; write conditions that exclude each other",
		     rule->name);
	else
		find(l, LINT_DEAD, entry_path(rule->entry, path),
		     "%s: without the rule the profile means the same", rule->name);
	return diagrams_check(l->d, l->e);
}

static int check_dead(const struct linter *l)
{
	int rc = 0;

	for (int i = 0; !rc && i < l->rules.n_rules; i++) {
		const struct rule *rule = &l->rules.rules[i];
		bool alone = true;
		int nr = names_syscall(l->host, rule->name);

		for (int k = 0; alone && k < l->rules.n_rules; k++)
			alone = k == i || strcmp(l->rules.rules[k].name, rule->name) != 0;
		if (nr < 0 ||
		    (alone && diagram_value(rule->effect) != diagram_value(l->rules.fallthrough)))
			continue;
		rc = check_dead_rule(l, rule, nr);
	}
	return rc;
}

/* --- P004, P005, P008, P009, P012: the text --- */

static void check_or(const struct linter *l, struct json_object *entry, int i)
{
	struct json_object *list = NULL, *index = NULL;
	unsigned seen = 0;
	char path[64];

	json_object_object_get_ex(entry, "args", &list);
	for (size_t k = 0; list && k < json_object_array_length(list); k++) {
		json_object_object_get_ex(json_object_array_get_idx(list, k), "index", &index);
		snprintf(path, sizeof path, "syscalls[%d].args[%zu]", i, k);
		if (index && seen >> json_object_get_int(index) & 1)
			find(l, LINT_OR, path,
			     "argument %d is tested twice: runc and crun make a rule of each "
			     "condition, any of which is enough",
			     json_object_get_int(index));
		if (index)
			seen |= 1U << json_object_get_int(index);
	}
}

static void check_names(const struct linter *l, struct json_object *entry, int i)
{
	struct json_object *list = NULL;
	char path[64];

	json_object_object_get_ex(entry, "names", &list);
	for (size_t k = 0; list && k < json_object_array_length(list); k++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, k));

		snprintf(path, sizeof path, "syscalls[%d].names[%zu]", i, k);
		if (names_syscall(ARCH_NONE, name) < 0)
			find(l, LINT_UNKNOWN_NAME, path,
			     "\"%s\": no rule is made of it (runc: silently; crun: a warning)",
			     name);
	}
}

static bool has_min_kernel(struct json_object *entry)
{
	struct json_object *when = NULL;

	return (json_object_object_get_ex(entry, "includes", &when) && has(when, "minKernel")) ||
	       (json_object_object_get_ex(entry, "excludes", &when) && has(when, "minKernel"));
}

static void check_keys(const struct linter *l, struct json_object *entry, int i)
{
	char path[32];

	entry_path(i, path);
	if (has_min_kernel(entry))
		find(l, LINT_IGNORED, path, "minKernel: Podman and CRI-O ignore it");
	if (has(entry, "errno"))
		find(l, LINT_IGNORED, path,
		     "errno as a word: Docker, containerd and the runtimes ignore it; use "
		     "errnoRet");
}

static void check_containerd(const struct linter *l)
{
	int first = -1, n = 0;
	char path[32];

	for (int i = 0; i < count_entries(l); i++) {
		if (!has(entry_of(l, i), "includes") && !has(entry_of(l, i), "excludes"))
			continue;
		first = n++ ? first : i;
	}
	if (n)
		find(l, LINT_CONTAINERD, entry_path(first, path),
		     "%d entries, from this one on, have conditions on the host that then do not "
		     "count: they hold always; decide them first (warder profile convert -f oci)",
		     n);
}

static void check_text(const struct linter *l)
{
	check_containerd(l);
	for (int i = 0; i < count_entries(l); i++) {
		check_or(l, entry_of(l, i), i);
		check_names(l, entry_of(l, i), i);
		check_keys(l, entry_of(l, i), i);
	}
	if (has(l->doc->body, "defaultErrno"))
		find(l, LINT_IGNORED, "defaultErrno",
		     "Docker, containerd and the runtimes ignore it; use defaultErrnoRet");
}

/* --- P006, P007, P013, P014, P015: the document as runtimes take it --- */

static const struct {
	const char *name;
	enum lint lint;
	const char *text;
} notify_calls[] = {
	{ "write", LINT_REFUSED, "runc refuses SCMP_ACT_NOTIFY for write" },
	{ "sendmsg", LINT_HANGS, "crun has hung on SCMP_ACT_NOTIFY for sendmsg" },
	{ "fcntl", LINT_HANGS, "runc has hung on SCMP_ACT_NOTIFY for fcntl" },
};

static void check_notify(const struct linter *l, const struct profile_facts *f)
{
	char path[32];

	if (l->rules.fallthrough.act == ACT_NOTIFY)
		find(l, LINT_REFUSED, "defaultAction",
		     "runc refuses SCMP_ACT_NOTIFY as the default");
	for (int i = 0; i < l->rules.n_rules; i++)
		for (size_t k = 0; k < ARRAY_LEN(notify_calls); k++)
			if (l->rules.rules[i].effect.act == ACT_NOTIFY &&
			    !strcmp(l->rules.rules[i].name, notify_calls[k].name))
				find(l, notify_calls[k].lint,
				     entry_path(l->rules.rules[i].entry, path), "%s",
				     notify_calls[k].text);
	if (f->has_notify && !f->listener_path)
		find(l, LINT_LISTENER, "listenerPath",
		     "is missing: runc refuses the profile, under crun each such call is ENOSYS");
}

static void check_document(const struct linter *l)
{
	struct profile_facts f;

	profile_facts(l->doc->profile, &f);
	check_notify(l, &f);
	if (f.flags)
		find(l, LINT_REFUSED, "flags", "runc before 1.1.6 refuses every flag");
	if (l->rules.fallthrough.act == ACT_ALLOW || l->rules.fallthrough.act == ACT_LOG)
		find(l, LINT_DENY_LIST, "defaultAction",
		     "a call that the next kernel brings is allowed; list what is needed instead");
	if (f.flags & SECCOMP_FILTER_FLAG_SPEC_ALLOW)
		find(l, LINT_SPECULATION, "flags", "SECCOMP_FILTER_FLAG_SPEC_ALLOW is asked for");
}

/* --- P010, P011, P012: what can be done with what is allowed --- */

static bool lets_through(const struct linter *l, enum arch a, const char *name)
{
	int nr = names_syscall(a, name);
	uint64_t args[6];
	uint32_t f;

	return nr >= 0 && !clauses_of(l->clauses, a, nr, &f, l->e) &&
	       diagram_example(l->d,
			       diagram_apply(l->d, is_more,
					     diagram_const(l->d, diagram_value((struct effect){
									 ACT_ERRNO, 1 })),
					     f),
			       args);
}

static bool is_by_args(const struct linter *l, const char *name)
{
	for (int i = 0; i < l->rules.n_rules; i++)
		if (!strcmp(l->rules.rules[i].name, name) && l->rules.rules[i].conds.n)
			return true;
	return false;
}

/* A call whose conditions the other one does not have. */
static const struct {
	const char *name, *other, *why;
	bool x86_only;
} ways[] = {
	{ "clone", "clone3", "clone3 takes the flags from memory, where no filter sees them",
	  false },
	{ "socket", "socketcall", "socketcall takes the arguments from memory", true },
	{ "socketpair", "socketcall", "socketcall takes the arguments from memory", true },
	{ "shmget", "ipc", "ipc is the same call on x86", true },
	{ "open", "openat2", "openat2 takes the flags from memory", false },
	{ "openat", "openat2", "openat2 takes the flags from memory", false },
};

static const struct {
	const char *name, *why;
} dangers[] = {
	{ "bpf", "loads programs into the kernel" },
	{ "perf_event_open", "reads other processes' work, and has had many holes" },
	{ "userfaultfd", "stops the kernel in the middle of a copy: the tool of most exploits" },
	{ "ptrace", "takes over other processes" },
	{ "process_vm_writev", "writes into other processes" },
	{ "pidfd_getfd", "takes other processes' descriptors" },
	{ "kexec_load", "replaces the kernel" },
	{ "kexec_file_load", "replaces the kernel" },
	{ "init_module", "loads code into the kernel" },
	{ "finit_module", "loads code into the kernel" },
	{ "delete_module", "unloads code from the kernel" },
	{ "mount", "changes what paths mean" },
	{ "umount2", "changes what paths mean" },
	{ "move_mount", "changes what paths mean" },
	{ "fsopen", "changes what paths mean" },
	{ "pivot_root", "changes what paths mean" },
	{ "open_by_handle_at", "opens files outside of the container (shocker)" },
	{ "setns", "enters other namespaces" },
	{ "unshare", "makes user namespaces, in which all capabilities are had" },
	{ "keyctl", "keys are not in a namespace" },
	{ "add_key", "keys are not in a namespace" },
	{ "request_key", "keys are not in a namespace" },
	{ "reboot", "stops the machine" },
	{ "swapon", "administers the machine" },
	{ "acct", "administers the machine" },
	{ "settimeofday", "time is not in a namespace" },
	{ "clock_settime", "time is not in a namespace" },
	{ "iopl", "talks to devices" },
	{ "ioperm", "talks to devices" },
	{ "quotactl", "administers file systems" },
	{ "vm86", "has had many holes" },
	{ "modify_ldt", "has had many holes" },
};

static const char *const rings[] = { "io_uring_setup", "io_uring_enter", "io_uring_register" };

static void path_of(const struct linter *l, const char *name, char path[32])
{
	const struct rule *rule = rule_of(&l->rules, name);

	if (rule)
		entry_path(rule->entry, path);
	else
		snprintf(path, 32, "defaultAction");
}

/* The entry that allows it has a comment, or asks for a capability. */
static bool has_reason(const struct linter *l, const char *name)
{
	for (int i = 0; i < l->rules.n_rules; i++) {
		struct json_object *entry = entry_of(l, l->rules.rules[i].entry), *when = NULL;

		if (strcmp(l->rules.rules[i].name, name) != 0)
			continue;
		if (has(entry, "comment") &&
		    *json_object_get_string(json_object_object_get(entry, "comment")))
			return true;
		if (json_object_object_get_ex(entry, "includes", &when) && has(when, "caps"))
			return true;
	}
	return false;
}

static void check_powers(const struct linter *l)
{
	bool x86 = clauses_has_arch(l->clauses, ARCH_X86);
	char path[32];

	for (size_t i = 0; i < ARRAY_LEN(rings); i++)
		if (lets_through(l, l->host, rings[i])) {
			path_of(l, rings[i], path);
			find(l, LINT_IO_URING, path,
			     "%s: what a ring does (open, connect, rename, ...) is no system call: "
			     "no "
			     "filter and no listener sees it",
			     rings[i]);
		}
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		enum arch a = ways[i].x86_only ? ARCH_X86 : l->host;

		if ((ways[i].x86_only && !x86) || !is_by_args(l, ways[i].name) ||
		    !lets_through(l, a, ways[i].other))
			continue;
		path_of(l, ways[i].name, path);
		find(l, LINT_OTHER_WAY, path,
		     "the conditions on %s do not hold for %s, which is "
		     "allowed: %s",
		     ways[i].name, ways[i].other, ways[i].why);
	}
	for (size_t i = 0; i < ARRAY_LEN(dangers); i++)
		if (lets_through(l, l->host, dangers[i].name) && !has_reason(l, dangers[i].name)) {
			path_of(l, dangers[i].name, path);
			find(l, LINT_DANGEROUS, path, "%s %s; say why in \"comment\"",
			     dangers[i].name, dangers[i].why);
		}
}

/* --- all --- */

static int lint_compiled(struct linter *l)
{
	int rc = check_upper_bits(l);

	if (!rc)
		rc = check_dead(l);
	check_text(l);
	check_document(l);
	if (!rc)
		check_powers(l);
	return rc ? rc : diagrams_check(l->d, l->e);
}

static int lint_resolved(struct linter *l)
{
	const struct clauses_opts o = { .host = l->host };
	int rc = clauses_new(l->d, &l->rules, &o, &l->clauses, l->e);

	if (rc == -EINVAL || rc == -ETIMEDOUT) {
		find(l, rc == -EINVAL ? LINT_REFUSED : LINT_HANGS, "", "%s", l->e->msg);
		check_text(l);
		check_document(l);
		return 0;
	}
	if (!rc)
		rc = lint_compiled(l);
	clauses_free(l->clauses);
	return rc;
}

int lint_document(const struct form_doc *doc, const struct host *h, lint_fn *fn, void *ctx,
		  struct err *e)
{
	struct linter l = { .doc = doc, .host = h->arch, .fn = fn, .ctx = ctx, .e = e };
	int rc = profile_resolve(doc->profile, h, &l.rules, e);

	if (rc)
		return rc;
	l.d = diagrams_new(DIAGRAM_NODES);
	rc = l.d ? lint_resolved(&l) : err_set(e, ENOMEM, "lint a profile");
	diagrams_free(l.d);
	ruleset_fini(&l.rules);
	return rc;
}
