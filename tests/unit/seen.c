/* SPDX-License-Identifier: Apache-2.0 */
/* seen.c - recordings of strace (tests/data/strace, made by its record.sh) and records of the audit
 * log: whatever the options, the same calls of the same ABIs; damage adds nothing. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "warder/own.h"
#include "warder/seen.h"

#define DIR "tests/data/strace/"

static void read_into(struct seen *s, const char *path, long cut)
{
	struct strace_reader r = { .to = s };
	auto_file from = fopen(path, "re");
	auto_free char *line = NULL;
	size_t room = 0;
	ssize_t n;

	assert_non_null(from);
	while ((n = getline(&line, &room, from)) >= 0) {
		line[strcspn(line, "\n")] = 0;
		if (cut && n > cut)
			line[cut] = 0;
		assert_true(strace_line(&r, line));
	}
	strace_fini(&r);
}

static const struct seen_call *find(const struct seen *s, enum arch a, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->calls[i].arch == a && !strcmp(s->calls[i].name, name))
			return &s->calls[i];
	return NULL;
}

/* Every name of a is in b, and the other way round. */
static void same_names(const struct seen *a, const struct seen *b, const char *what)
{
	struct ruleset x, y;
	struct err e;

	assert_int_equal(seen_rules(a, true, &x, &e), 0);
	assert_int_equal(seen_rules(b, true, &y, &e), 0);
	for (int i = 0; i < x.n_rules || i < y.n_rules; i++)
		if (i >= x.n_rules || i >= y.n_rules ||
		    strcmp(x.rules[i].name, y.rules[i].name) != 0)
			fail_msg("%s: %s, %s", what, i < x.n_rules ? x.rules[i].name : "nothing",
				 i < y.n_rules ? y.rules[i].name : "nothing");
	ruleset_fini(&x);
	ruleset_fini(&y);
}

static void test_options(void **state)
{
	static const char *const files[] = {
		"time",        "microseconds", "epoch",    "relative", "number", "pointer",
		"descriptors", "sockets",      "commands", "raw",      "hex",    "stack-like",
		"decoded",     "bpf",          "table",    "stderr",   "both",
	};
	struct seen plain = { 0 };

	(void)state;
	read_into(&plain, DIR "plain.txt", 0);
	assert_true(plain.n > 25);
	assert_int_equal(plain.odd, 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct seen s = { 0 };
		char path[96];

		snprintf(path, sizeof path, DIR "%s.txt", files[i]);
		read_into(&s, path, 0);
		same_names(&plain, &s, files[i]);
		seen_fini(&s);
	}
	seen_fini(&plain);
}

static void test_a_file_for_each_process(void **state)
{
	struct seen plain = { 0 }, all = { 0 };
	glob_t g;

	(void)state;
	assert_int_equal(glob(DIR "ff.*.txt", 0, NULL, &g), 0);
	assert_true(g.gl_pathc >= 4);
	for (size_t i = 0; i < g.gl_pathc; i++)
		read_into(&all, g.gl_pathv[i], 0);
	read_into(&plain, DIR "plain.txt", 0);
	same_names(&plain, &all, "-ff");
	globfree(&g);
	seen_fini(&plain);
	seen_fini(&all);
}

/* The 32-bit program: told by a message, by the numbers, by the table's title. */
static void test_abi(void **state)
{
	static const char *const files[] = { "stderr", "both", "number", "stack-like", "table" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct seen s = { 0 };
		char path[96];

		snprintf(path, sizeof path, DIR "%s.txt", files[i]);
		read_into(&s, path, 0);
		if (!find(&s, ARCH_X86, "getpid") || !find(&s, ARCH_X86, "getuid"))
			fail_msg("%s", files[i]);
		assert_null(find(&s, ARCH_X86, "openat"));
		assert_non_null(find(&s, ARCH_X86_64, "openat"));
		seen_fini(&s);
	}
}

/* A recording cut in every line, anywhere: no call that was not made. */
static void test_damaged(void **state)
{
	struct seen plain = { 0 };

	(void)state;
	read_into(&plain, DIR "plain.txt", 0);
	for (long cut = 1; cut < 120; cut++) {
		struct seen s = { 0 };

		read_into(&s, DIR "plain.txt", cut);
		for (size_t i = 0; i < s.n; i++)
			if (!find(&plain, s.calls[i].arch, s.calls[i].name))
				fail_msg("cut at %ld: %s", cut, s.calls[i].name);
		seen_fini(&s);
	}
	seen_fini(&plain);
}

static void test_lines(void **state)
{
	static const struct {
		const char *text;
		enum arch arch;
		const char *name; /* NULL: no call */
		bool probe;
	} rows[] = {
		{ "read(3, \"\", 1) = 0", ARCH_X86_64, "read", false },
		{ "rseq(0x7f, 0x20, 0, 0x5) = -1 ENOSYS (Function not implemented)", ARCH_X86_64,
		  "rseq", true },
		{ "write(1, \") = -1 ENOSYS\", 3) = 3", ARCH_X86_64, "write", false },
		{ "exit_group(0) = ?", ARCH_X86_64, "exit_group", false },
		{ "[pid 12] [ 39] getpid() = 12", ARCH_X86_64, "getpid", false },
		{ "[ 20] getpid() = 12", ARCH_X86, "getpid", false },
		{ "12<a> b> 10:00:00.1 getpid() = 12", ARCH_X86_64, NULL, false },
		{ "syscall_0x27(0, 0) = 1", ARCH_X86_64, "getpid", false },
		{ "--- SIGCHLD {si_signo=SIGCHLD} ---", ARCH_X86_64, NULL, false },
		{ "+++ killed by SIGSYS +++", ARCH_X86_64, NULL, false },
		{ " > /lib/libc.so(read+0x1) [0x1]", ARCH_X86_64, NULL, false },
		{ "restart_syscall(<... resuming interrupted read ...>) = 0", ARCH_X86_64,
		  "restart_syscall", false },
		{ "<... futex resumed>) = 0", ARCH_X86_64, "futex", false },
		{ "nonsense(", ARCH_X86_64, NULL, false },
		{ "Hello (world) = 3", ARCH_X86_64, NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen s = { 0 };
		struct strace_reader r = { .to = &s };
		char line[128];

		snprintf(line, sizeof line, "%s", rows[i].text);
		assert_true(strace_line(&r, line));
		if (!rows[i].name ? s.n : !find(&s, rows[i].arch, rows[i].name))
			fail_msg("%s", rows[i].text);
		if (rows[i].name)
			assert_int_equal(seen_is_probe(&s.calls[0]), rows[i].probe);
		strace_fini(&r);
		seen_fini(&s);
	}
}

/* What was begun and ends with ENOSYS is a probe; what never ends is none. */
static void test_two_halves(void **state)
{
	char begun[] = "7 statx(1 <unfinished ...>",
	     ended[] = "7 <... statx resumed>) = -1 ENOSYS (x)";
	struct seen s = { 0 };
	struct strace_reader r = { .to = &s };
	struct ruleset rules;
	struct err e;

	(void)state;
	strace_line(&r, begun);
	assert_false(seen_is_probe(&s.calls[0]));
	strace_line(&r, ended);
	assert_int_equal(s.calls[0].n, 1);
	assert_true(seen_is_probe(&s.calls[0]));
	assert_int_equal(seen_rules(&s, false, &rules, &e), 0);
	assert_int_equal(rules.n_rules, 0);
	ruleset_fini(&rules);
	strace_fini(&r);
	seen_fini(&s);
}

static void test_audit(void **state)
{
	static const struct {
		const char *text;
		enum arch arch;
		const char *name;
		uint64_t odd, lost;
	} rows[] = {
		{ "type=SECCOMP msg=audit(1.2:3): auid=0 pid=7 comm=\"web\" exe=\"/x\" sig=0 "
		  "arch=c000003e syscall=41 compat=0 ip=0x1 code=0x7ffc0000",
		  ARCH_X86_64, "socket", 0, 0 },
		{ "[ 1.0] audit: type=1326 audit(1.2:4): pid=7 comm=\"web\" arch=40000003 "
		  "syscall=41 compat=1 code=0x50001",
		  ARCH_X86, "dup", 0, 0 },
		{ "type=SECCOMP msg=audit(1:5): comm=\"web\" arch=c000003e syscall=1073741825 "
		  "code=0",
		  ARCH_X32, "write", 0, 0 },
		{ "type=SECCOMP msg=audit(1:6): comm=web arch=x86_64 syscall=unshare code=allow",
		  ARCH_X86_64, "unshare", 0, 0 },
		{ "type=SECCOMP msg=audit(1:7): comm=\"web\" syscall=41 code=0", ARCH_X86_64, NULL,
		  1, 0 },
		{ "type=SECCOMP msg=audit(1:8): comm=\"other\" arch=c000003e syscall=41",
		  ARCH_X86_64, NULL, 0, 0 },
		{ "kauditd_printk_skb: 4711 callbacks suppressed", ARCH_X86_64, NULL, 0, 1 },
		{ "type=SYSCALL msg=audit(1:9): arch=c000003e syscall=59 comm=\"web\"", ARCH_X86_64,
		  NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen s = { 0 };
		struct audit_reader r = { .to = &s, .comm = "web" };
		char line[256];

		snprintf(line, sizeof line, "%s", rows[i].text);
		assert_true(audit_line(&r, line));
		if (!rows[i].name ? s.n : !find(&s, rows[i].arch, rows[i].name))
			fail_msg("%s", rows[i].text);
		assert_int_equal(s.odd, rows[i].odd);
		assert_int_equal(s.lost, rows[i].lost);
		seen_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options), cmocka_unit_test(test_a_file_for_each_process),
		cmocka_unit_test(test_abi),     cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_lines),   cmocka_unit_test(test_two_halves),
		cmocka_unit_test(test_audit),
	};

	names_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
