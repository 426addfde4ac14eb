/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - every row both ways. */
#include <errno.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <seccomp.h>

#include "warder/names.h"
#include "warder/own.h"

static void test_actions(void **state)
{
	static const struct {
		uint32_t kernel, libseccomp;
	} rets[ACT_COUNT] = {
		[ACT_ALLOW] = { SECCOMP_RET_ALLOW, SCMP_ACT_ALLOW },
		[ACT_LOG] = { SECCOMP_RET_LOG, SCMP_ACT_LOG },
		[ACT_TRACE] = { SECCOMP_RET_TRACE, SCMP_ACT_TRACE(0) },
		[ACT_NOTIFY] = { SECCOMP_RET_USER_NOTIF, SCMP_ACT_NOTIFY },
		[ACT_ERRNO] = { SECCOMP_RET_ERRNO, SCMP_ACT_ERRNO(0) },
		[ACT_TRAP] = { SECCOMP_RET_TRAP, SCMP_ACT_TRAP },
		[ACT_KILL_THREAD] = { SECCOMP_RET_KILL_THREAD, SCMP_ACT_KILL_THREAD },
		[ACT_KILL_PROCESS] = { SECCOMP_RET_KILL_PROCESS, SCMP_ACT_KILL_PROCESS },
	};

	(void)state;
	for (int a = 0; a < ACT_COUNT; a++) {
		assert_int_equal(names_action(names_action_scmp((enum act)a)), a);
		assert_int_equal(names_action_by_word(names_action_word((enum act)a)), a);
		assert_int_equal(names_action_of_ret(names_action_ret((enum act)a) | 0x1234), a);
	}
	assert_int_equal(names_action("SCMP_ACT_KILL"), ACT_KILL_THREAD);
	assert_int_equal(names_action("allow"), -1);
	assert_int_equal(names_action_by_word("SCMP_ACT_ALLOW"), -1);
	assert_int_equal(names_action_of_ret(0x12340000), -1);
	for (size_t i = 0; i < ARRAY_LEN(rets); i++) {
		assert_int_equal(names_action_ret((enum act)i), rets[i].kernel);
		assert_int_equal(names_action_ret((enum act)i), rets[i].libseccomp);
	}
}

static void test_ops(void **state)
{
	(void)state;
	for (int o = 0; o < OP_COUNT; o++)
		assert_int_equal(names_op(names_op_scmp((enum op)o)), o);
	assert_int_equal(names_op_token(OP_MASKED_EQ), SCMP_CMP_MASKED_EQ);
	assert_int_equal(names_op("EQ"), -1);
}

/* Our rows against libseccomp's own table. */
static void test_arches(void **state)
{
	(void)state;
	for (int a = 0; a < ARCH_COUNT; a++) {
		const char *scmp = names_arch_scmp((enum arch)a);
		char lower[32] = "";

		for (size_t i = strlen("SCMP_ARCH_"), k = 0; scmp[i] && k < sizeof lower - 1; i++)
			lower[k++] =
				scmp[i] >= 'A' && scmp[i] <= 'Z' ? (char)(scmp[i] + 32) : scmp[i];
		assert_int_equal(names_arch_token((enum arch)a), seccomp_arch_resolve_name(lower));
		assert_int_equal(names_arch(scmp), a);
		assert_int_equal(names_arch_docker(names_arch_docker_name((enum arch)a)), a);
	}
	assert_int_equal(names_arch("SCMP_ARCH_ARM64"), ARCH_NONE);
	assert_int_equal(names_arch_of_call(0xc000003e, 5), ARCH_X86_64);
	assert_int_equal(names_arch_of_call(0xc000003e, 0x40000005), ARCH_X32);
	assert_int_equal(names_arch_of_call(0x40000003, 5), ARCH_X86);
	assert_int_equal(names_arch_of_call(0x12345678, 5), ARCH_NONE);
	assert_null(names_arch_scmp(ARCH_NONE));
}

static void test_errnos(void **state)
{
	(void)state;
	assert_int_equal(names_errno("EPERM"), EPERM);
	assert_int_equal(names_errno("38"), 38);
	assert_int_equal(names_errno("EWHAT"), -1);
	assert_int_equal(names_errno("4096"), -1);
	assert_int_equal(names_errno("1x"), -1);
	assert_string_equal(names_errno_name(ENOSYS), "ENOSYS");
	assert_null(names_errno_name(4000));
}

static void test_caps(void **state)
{
	(void)state;
	assert_int_equal(names_cap("CAP_SYS_ADMIN"), 21);
	assert_int_equal(names_cap("cap_chown"), 0);
	assert_int_equal(names_cap("SYS_ADMIN"), -1);
	assert_int_equal(names_cap("CAP_MAGIC"), -1);
	assert_int_equal(names_cap("CAP_KILL CAP_CHOWN"), -1);
	assert_int_equal(names_cap("CAP_KILL,"), -1);
	assert_string_equal(names_cap_name(21), "CAP_SYS_ADMIN");
	assert_null(names_cap_name(63));
	assert_null(names_cap_name(-1));
}

static void test_calls(void **state)
{
	(void)state;
	assert_int_equal(names_syscall(ARCH_X86_64, "mkdir"), 83);
	assert_int_equal(names_syscall(ARCH_X86, "mkdir"), 39);
	assert_int_equal(names_syscall(ARCH_X32, "mkdir"), (int)(NAMES_X32_BIT | 83));
	assert_int_equal(names_syscall(ARCH_AARCH64, "mkdir"), -1);
	assert_int_equal(names_syscall(ARCH_NONE, "mkdir"), 0);
	assert_int_equal(names_syscall(ARCH_NONE, "makedir"), -1);
	assert_string_equal(names_syscall_name(ARCH_X86_64, 83), "mkdir");
	assert_string_equal(names_syscall_name(ARCH_X32, (int)(NAMES_X32_BIT | 83)), "mkdir");
	assert_string_equal(names_syscall_name(ARCH_X86, 39), "mkdir");
	assert_null(names_syscall_name(ARCH_X86_64, 1000));
	assert_null(names_syscall_name(ARCH_X86_64, -1));
	assert_null(names_syscall_name(ARCH_X86_64, 5000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_actions), cmocka_unit_test(test_ops),
		cmocka_unit_test(test_arches),  cmocka_unit_test(test_errnos),
		cmocka_unit_test(test_caps),    cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
