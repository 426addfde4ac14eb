/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of filter.c on rulesets and policies made by hand: the two programs and their errors. Rows
 * in policy text are in tests/filter/rows.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "warder/filter.h"
#include "warder/own.h"

#define NOTIFY  SECCOMP_RET_USER_NOTIF
#define ALLOW   SECCOMP_RET_ALLOW
#define ERR(n)  (SECCOMP_RET_ERRNO | (n))
#define KILL    SECCOMP_RET_KILL_THREAD
#define X64     0xc000003eU
#define I386    0x40000003U
#define X32(nr) (0x40000000 | (nr))

static struct rule read_write[] = {
	{ .name = "read", .effect = { ACT_ALLOW, 0 }, .entry = 0 },
	{ .name = "write", .effect = { ACT_ALLOW, 0 }, .entry = 0 },
	{ .name = "no_such_call", .effect = { ACT_ALLOW, 0 }, .entry = 0 },
	{ .name = "mkdir", .effect = { ACT_ERRNO, 1 }, .entry = 1 }, /* the default: newest only */
	{ .name = "getpid", .effect = { ACT_TRAP, 0 }, .entry = 2 },
	{ .name = "getuid", .effect = { ACT_LOG, 0 }, .entry = 3 },
};

static struct ruleset deny(struct rule *rules, int n)
{
	return (struct ruleset){ .fallthrough = { ACT_ERRNO, 1 },
				 .n_arches = 3,
				 .arches = { ARCH_X86_64, ARCH_X86, ARCH_X32 },
				 .n_rules = n,
				 .rules = rules };
}

static uint32_t run(const struct bpf_prog *p, uint32_t arch, int nr)
{
	struct seccomp_data d = { .nr = nr, .arch = arch };

	return bpf_run(p, &d, NULL);
}

static void test_both_programs(void **state)
{
	static const struct {
		uint32_t arch;
		int nr;
		uint32_t meaning, gate;
	} rows[] = {
		{ X64, 0, ALLOW, ALLOW },
		{ X64, 1, ALLOW, ALLOW },
		{ X64, 2, ERR(1), NOTIFY },
		{ X64, 83, ERR(1), NOTIFY },
		{ X64, 102, SECCOMP_RET_LOG, NOTIFY },
		{ X64, 39, SECCOMP_RET_TRAP, SECCOMP_RET_TRAP },
		{ X64, 103, ERR(ENOSYS), NOTIFY },
		{ X64, 450, ERR(ENOSYS), NOTIFY },
		{ X64, 15, ERR(1), ALLOW },
		{ X64, 60, ERR(1), ALLOW },
		{ X64, 231, ERR(ENOSYS), ALLOW },
		{ X64, 219, ERR(ENOSYS), ALLOW },
		{ X64, 59, ERR(1), NOTIFY },
		{ X64, 322, ERR(ENOSYS), NOTIFY },
		{ X64, X32(0), ALLOW, ALLOW },
		{ X64, X32(2), ERR(1), NOTIFY },
		{ X64, X32(513), ERR(ENOSYS), ALLOW },
		{ X64, X32(103), ERR(ENOSYS), NOTIFY },
		{ I386, 3, ALLOW, ALLOW },
		{ I386, 173, ERR(ENOSYS), ALLOW },
		{ I386, 11, ERR(1), NOTIFY },
		{ I386, 39, ERR(1), NOTIFY },
		{ I386, 200, ERR(ENOSYS), NOTIFY },
		{ 0xc00000b7, 0, KILL, NOTIFY },
		{ X64, -1, ERR(ENOSYS), NOTIFY },
	};
	struct ruleset r = deny(read_write, ARRAY_LEN(read_write));
	struct policy p = { 0 };
	struct filter f;
	struct err e;

	(void)state;
	assert_int_equal(filter_build(&p, &r, &(struct filter_opts){ 0 }, &f, &e), 0);
	assert_int_equal(f.newest[ARCH_X86_64], 102);
	assert_int_equal(f.n_arches, 3);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t meaning = run(&f.meaning, rows[i].arch, rows[i].nr);
		uint32_t gate = run(&f.gate, rows[i].arch, rows[i].nr);

		if (meaning != rows[i].meaning || gate != rows[i].gate)
			fail_msg("row %zu: meaning 0x%x gate 0x%x", i, meaning, gate);
	}
	filter_fini(&f);
}

/* The kernel's cache of calls that are always allowed holds if no argument is read for them. */
static void test_gate_reads_no_arguments(void **state)
{
	const char *names[] = { "openat" };
	struct policy_rule rule = { .n_names = 1,
				    .names = names,
				    .effect = { ACT_ERRNO, 1 },
				    .live = true,
				    .conds = { .n = 1, .c = { { 0, OP_EQ, 5, 0 } } } };
	struct policy p = { .n_rules = 1, .rules = &rule };
	struct ruleset r = deny(read_write, ARRAY_LEN(read_write));
	struct filter f;
	struct err e;

	(void)state;
	assert_int_equal(filter_build(&p, &r, &(struct filter_opts){ 0 }, &f, &e), 0);
	for (int nr = 0; nr < 600; nr++) {
		struct seccomp_data d = { .nr = nr, .arch = X64 };
		bool saw = false;

		bpf_run(&f.gate, &d, &saw);
		assert_int_equal(saw, nr == 257);
	}
	filter_fini(&f);
}

static void test_no_tail(void **state)
{
	static const struct {
		struct effect fallthrough;
		int n_arches;
		bool like_crun;
		uint32_t want;
	} rows[] = {
		{ { ACT_ERRNO, 1 }, 1, false, ERR(ENOSYS) },
		{ { ACT_ERRNO, 38 }, 1, false, ERR(ENOSYS) },
		{ { ACT_KILL_PROCESS, 0 }, 1, false, ERR(ENOSYS) },
		{ { ACT_KILL_THREAD, 0 }, 1, false, ERR(ENOSYS) },
		{ { ACT_TRAP, 0 }, 1, false, ERR(ENOSYS) },
		{ { ACT_NOTIFY, 0 }, 1, false, ERR(ENOSYS) },
		{ { ACT_ERRNO, 1 }, 1, true, ERR(1) },
		{ { ACT_ERRNO, 1 }, 0, false, ERR(1) },
		{ { ACT_TRACE, 7 }, 1, false, SECCOMP_RET_TRACE | 7 },
		{ { ACT_LOG, 0 }, 1, false, SECCOMP_RET_LOG },
		{ { ACT_ALLOW, 0 }, 1, false, ALLOW },
	};
	struct policy p = { 0 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ruleset r = deny(read_write, 2);
		struct filter f;

		r.fallthrough = rows[i].fallthrough;
		r.n_arches = rows[i].n_arches;
		if (filter_build(&p, &r, &(struct filter_opts){ .like_crun = rows[i].like_crun },
				 &f, &e))
			fail_msg("row %zu: %s", i, e.msg);
		if (run(&f.meaning, X64, 500) != rows[i].want)
			fail_msg("row %zu: 0x%x", i, run(&f.meaning, X64, 500));
		filter_fini(&f);
	}
}

static void test_record(void **state)
{
	static const char *const skip[] = { "getpid", "execve" };
	struct policy p = { .mode = MODE_RECORD, .n_record_skip = 2, .record_skip = skip };
	struct ruleset r = deny(read_write, ARRAY_LEN(read_write));
	struct filter f;
	struct err e;

	(void)state;
	assert_int_equal(filter_build(&p, &r, &(struct filter_opts){ .notify_all = true }, &f, &e),
			 0);
	for (int nr = 0; nr < 600; nr++) {
		bool stays = nr == 15 || nr == 60 || nr == 231 || nr == 219 || nr == 39;

		assert_int_equal(run(&f.gate, X64, nr), stays ? ALLOW : NOTIFY);
	}
	assert_int_equal(run(&f.gate, I386, 20), ALLOW);
	assert_int_equal(run(&f.gate, I386, 3), NOTIFY);
	assert_int_equal(run(&f.gate, 0xc00000b7, 3), NOTIFY);
	filter_fini(&f);
}

static void test_refused(void **state)
{
	static struct rule twice[] = {
		{ .name = "openat",
		  .effect = { ACT_ALLOW, 0 },
		  .conds = { .n = 2, .c = { { 1, OP_EQ, 1, 0 }, { 1, OP_EQ, 2, 0 } } },
		  .entry = 3 },
	};
	struct ruleset r = deny(twice, 1);
	struct policy p = { 0 };
	struct filter f = { .n_arches = 77 };
	struct err e;

	(void)state;
	assert_int_equal(filter_build(&p, &r, &(struct filter_opts){ 0 }, &f, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "syscalls[3] (openat)"));
	r = deny(read_write, 1);
	r.arches[0] = ARCH_S390X;
	assert_int_equal(filter_build(&p, &r, &(struct filter_opts){ 0 }, &f, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "SCMP_ARCH_S390X"));
	assert_int_equal(f.n_arches, 77);
}

/* A rule that is so long that the gate cannot be held. */
static void test_too_long(void **state)
{
	enum { RULES = 600 };
	static struct policy_rule rules[RULES];
	const char *names[] = { "openat" };
	struct policy p = { .n_rules = RULES, .rules = rules };
	struct ruleset r = deny(read_write, 2);
	struct filter f;
	struct err e;

	(void)state;
	for (int i = 0; i < RULES; i++)
		rules[i] =
			(struct policy_rule){ .n_names = 1,
					      .names = names,
					      .effect = { ACT_ERRNO, 1 },
					      .conds = { .n = 1,
							 .c = { { 0, OP_EQ, (uint64_t)i, 0 } } } };
	assert_int_equal(filter_build(&p, &r, &(struct filter_opts){ 0 }, &f, &e), -E2BIG);
}

static void test_sites(void **state)
{
	static const struct {
		enum arch arch;
		const char *name;
		int n, nr[2];
		uint64_t index;
	} rows[] = {
		{ ARCH_X86_64, "socket", 1, { 41 }, 0 },
		{ ARCH_X86, "socket", 2, { 102, 359 }, 1 },
		{ ARCH_X86, "recvmmsg", 2, { 102, 337 }, 19 },
		{ ARCH_X86, "accept", 1, { 102 }, 5 },
		{ ARCH_X86, "semop", 1, { 117 }, 1 },
		{ ARCH_X86, "msgget", 2, { 117, 399 }, 13 },
		{ ARCH_X86, "read", 1, { 3 }, 0 },
		{ ARCH_X86_64, "socketcall", 0, { 0 }, 0 },
		{ ARCH_X32, "read", 1, { X32(0) }, 0 },
		{ ARCH_X86_64, "no_such_call", 0, { 0 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct filter_site s[FILTER_SITES];
		int n = filter_sites(rows[i].arch, rows[i].name, s);

		if (n != rows[i].n)
			fail_msg("row %zu: %d sites", i, n);
		for (int k = 0; k < n; k++)
			assert_int_equal(s[k].nr, rows[i].nr[k]);
		if (rows[i].index)
			assert_int_equal(s[0].index.value2, rows[i].index);
	}
}

/* Loads the meaning in a child for real: getppid is denied with errno 33. */
static int child_with_filter(void)
{
	static struct rule rules[] = { { .name = "getppid", .effect = { ACT_ERRNO, 33 } } };
	struct ruleset r = { .fallthrough = { ACT_ALLOW, 0 }, .n_rules = 1, .rules = rules };
	struct policy p = { 0 };
	struct filter f;
	struct err e;

	if (filter_build(&p, &r, &(struct filter_opts){ 0 }, &f, &e))
		return 1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_load(&f.meaning, 0, NULL, &e))
		return 2;
	filter_fini(&f);
	errno = 0;
	if (syscall(__NR_getppid) != -1)
		return 3;
	return errno;
}

static void test_load(void **state)
{
	struct bpf_prog bad = { 0 };
	int status;
	pid_t pid;
	struct err e;

	(void)state;
	assert_int_equal(filter_load(&bad, 0, NULL, &e), -EINVAL);
	pid = fork();
	if (!pid)
		_exit(child_with_filter());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 33);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_programs),
		cmocka_unit_test(test_gate_reads_no_arguments),
		cmocka_unit_test(test_no_tail),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_sites),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
