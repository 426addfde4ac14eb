/* SPDX-License-Identifier: Apache-2.0 */
/* differential.c - decide() against the interpreter, the gate and the kernel itself.
 *
 * For every document, ABI, number 0..600 and boundary arguments: decide() gives what the program
 * says in the interpreter; the gate notifies exactly what is not allowed, six calls excepted; and
 * the kernel with the program loaded answers the same (probe.h: no call is ever executed). TRACE
 * and NOTIFY look like ALLOW there; calls that are harmless anyhow are made without the backstop to
 * see that they are not let through (ENOSYS without tracer and listener). */
#include <glob.h>
#include <stddef.h>
#include <stdint.h>

#include "calls.h"
#include "probe.h"
#include "subject.h"

#define PROBES_MAX 200000

struct counts {
	size_t compared, made, different;
	size_t documents;
};

struct bench {
	bool sanitized; /* AddressSanitizer outlives neither a killed thread nor a jump out of a
			   handler without calls */
	struct subject s;
	const char *name;
	struct probe *plain, *fatal, *open; /* shared: no kill expected; kill; no backstop */
	size_t n_plain, n_fatal, n_open;
	volatile size_t *cursor;
	struct counts c;
};

static void complain(struct bench *b, const struct seccomp_data *call, const char *what, long want,
		     long got)
{
	if (b->c.different++ < 20)
		printf("# %s: %s: arch 0x%x nr %d args 0x%llx 0x%llx 0x%llx 0x%llx: want 0x%lx, "
		       "got "
		       "0x%lx (%s)\n",
		       b->name, what, call->arch, call->nr, (unsigned long long)call->args[0],
		       (unsigned long long)call->args[1], (unsigned long long)call->args[2],
		       (unsigned long long)call->args[3], want, got,
		       decide_why(b->s.d, decide(b->s.d, call)));
}

static uint64_t verdict_ret(struct verdict v)
{
	return names_action_ret((enum act)v.act) | v.errnum;
}

static bool is_excepted(const struct seccomp_data *call)
{
	const char *name = names_syscall_name(names_arch_of_call(call->arch, call->nr), call->nr);

	for (int i = 0; name && names_never_notified[i]; i++)
		if (strcmp(name, names_never_notified[i]) == 0)
			return true;
	for (int i = 0; name && names_always_notified[i]; i++)
		if (strcmp(name, names_always_notified[i]) == 0)
			return true;
	return false;
}

static uint32_t gate_wants(struct verdict v)
{
	if (v.act == ACT_ALLOW || v.act == ACT_TRAP || v.act == ACT_TRACE)
		return names_action_ret((enum act)v.act);
	return SECCOMP_RET_USER_NOTIF;
}

static bool is_harmless(const struct seccomp_data *call)
{
	static const char *const names[] = { "getpid", "getuid",  "getgid", "geteuid", "getegid",
					     "gettid", "getppid", "umask",  NULL };
	const char *name = names_syscall_name(ARCH_X86_64, call->nr);

	for (int i = 0; name && names[i]; i++)
		if (call->arch == SUBJECT_X64 && strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool is_fatal(uint8_t act)
{
	return act == ACT_KILL_THREAD || act == ACT_KILL_PROCESS;
}

static void add_probe(struct probe *to, size_t *n, const struct seccomp_data *call)
{
	if (*n < PROBES_MAX)
		to[(*n)++] = (struct probe){ .call = *call };
}

/* uretprobe and uprobe: Linux lets them past every filter (since 6.14 and 6.18) and raises SIGILL
 * when they are not made by its own trampoline. */
static bool is_past_filters(const struct seccomp_data *call)
{
	return call->arch == SUBJECT_X64 && (call->nr == 335 || call->nr == 336);
}

/* A call that decide() and the program agree on: to be made in the kernel as well, if it can be.
 * A call that kills costs a thread: where arguments do not matter, it is made once. */
static void plan_probe(struct bench *b, const struct seccomp_data *call, uint8_t act, bool again)
{
	bool is_i386 = call->arch == SUBJECT_I386;

	for (int i = 0; i < 6; i++)
		if (is_i386 && call->args[i] >> 32)
			return;
	if (is_past_filters(call) || (b->sanitized && act == ACT_TRAP) ||
	    (!is_i386 && call->arch != SUBJECT_X64) || call->nr == -1)
		return;
	if (is_fatal(act)) {
		if (!again && !b->sanitized)
			add_probe(b->fatal, &b->n_fatal, call);
		return;
	}
	add_probe(b->plain, &b->n_plain, call);
	if ((act == ACT_TRACE || act == ACT_NOTIFY) && is_harmless(call))
		add_probe(b->open, &b->n_open, call);
}

/* A call that kills costs a thread: those that only vary arguments are left out (again). */
static void compare(void *ctx, const struct seccomp_data *call, bool again)
{
	struct bench *b = ctx;
	struct verdict v = decide(b->s.d, call);
	uint32_t ret = bpf_run(&b->s.f.meaning, call, NULL);
	uint32_t gate = bpf_run(&b->s.f.gate, call, NULL);
	uint32_t act = gate & SECCOMP_RET_ACTION_FULL;

	b->c.compared++;
	if (verdict_ret(v) != ret) {
		complain(b, call, "decide and program", ret, (long)verdict_ret(v));
		return;
	}
	if (act != gate_wants(v) && !is_excepted(call))
		complain(b, call, "gate", gate_wants(v), gate);
	plan_probe(b, call, v.act, again);
}

static void check_probe(struct bench *b, const struct probe *p, long let_through)
{
	struct verdict v = decide(b->s.d, &p->call);
	int outcome = OUT_RETURNED;
	long value = let_through;

	if (v.act == ACT_ERRNO)
		value = -(long)v.errnum;
	if (v.act == ACT_TRAP)
		outcome = OUT_TRAPPED;
	if (v.act == ACT_KILL_THREAD)
		outcome = OUT_THREAD_KILLED;
	if (v.act == ACT_KILL_PROCESS)
		outcome = OUT_PROCESS_KILLED;
	if (v.act == ACT_TRAP)
		value = p->call.nr;
	b->c.made++;
	if (p->outcome != outcome)
		complain(b, &p->call, "kernel's outcome", outcome, p->outcome);
	else if (!is_fatal(v.act) && p->value != value)
		complain(b, &p->call, "kernel's answer", value, p->value);
}

static void probe_list(struct bench *b, struct probe *list, size_t n, bool threads, bool backstop)
{
	struct probe_run r = { .program = &b->s.f.meaning,
			       .backstop = backstop,
			       .probes = list,
			       .n = n,
			       .cursor = b->cursor };

	if (n == PROBES_MAX || !probe_all(&r, threads)) {
		printf("# %s: the probes could not be made (%zu of %zu)\n", b->name, *b->cursor, n);
		b->c.different++;
		return;
	}
	for (size_t i = 0; i < n; i++)
		check_probe(b, &list[i], backstop ? -PROBE_BACKSTOP : -ENOSYS);
}

static void run_document(struct bench *b, const char *path, uint64_t caps, struct counts *total)
{
	struct err e;

	b->c = (struct counts){ 0 };
	b->n_plain = b->n_fatal = b->n_open = 0;
	b->name = strrchr(path, '/') + 1;
	if (subject_load(&b->s, path, caps, &e)) {
		printf("not ok %zu - %s\n", ++total->documents, e.msg);
		total->different++;
		return;
	}
	calls_all(&b->s, compare, b);
	probe_list(b, b->plain, b->n_plain, false, true);
	probe_list(b, b->fatal, b->n_fatal, true, true);
	probe_list(b, b->open, b->n_open, false, false);
	printf("%sok %zu - %s, %zu calls, %zu in the kernel, %zu different\n",
	       b->c.different ? "not " : "", ++total->documents, b->name, b->c.compared, b->c.made,
	       b->c.different);
	total->compared += b->c.compared;
	total->made += b->c.made;
	total->different += b->c.different;
	subject_fini(&b->s);
}

int main(void)
{
	struct bench b = { .sanitized = getenv("WARDER_SANITIZED") };
	struct counts total = { 0 };
	glob_t g;

	setvbuf(stdout, NULL, _IONBF, 0);
	b.plain = probe_shared(PROBES_MAX * sizeof *b.plain);
	b.fatal = probe_shared(PROBES_MAX * sizeof *b.fatal);
	b.open = probe_shared(PROBES_MAX * sizeof *b.open);
	b.cursor = probe_shared(sizeof *b.cursor);
	if (!b.plain || !b.fatal || !b.open || !b.cursor ||
	    glob("tests/data/differential/*.json", 0, NULL, &g)) {
		fputs("differential: run it in the repository's root\n", stderr);
		return 1;
	}
	run_document(&b, "tests/data/docker-default.json", SUBJECT_CAPS, &total);
	run_document(&b, "tests/data/docker-default.json", SUBJECT_ALL_CAPS, &total);
	run_document(&b, "tests/data/podman-default.json", SUBJECT_CAPS, &total);
	run_document(&b, "tests/data/podman-default.json", SUBJECT_ALL_CAPS, &total);
	for (size_t i = 0; i < g.gl_pathc; i++)
		run_document(&b, g.gl_pathv[i], SUBJECT_CAPS, &total);
	globfree(&g);
	printf("1..%zu\n# figure differential: %zu documents, %zu (document, abi, call, arguments) "
	       "compared, %zu of them in the kernel, %zu different\n",
	       total.documents, total.documents, total.compared, total.made, total.different);
	return total.different || total.documents < 24;
}
