/* SPDX-License-Identifier: Apache-2.0 */
/* where.c - the options that say where a policy is resolved, and the words of effects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/capability.h>

#include "../../cli/where.c"

#define BIT(cap) (UINT64_C(1) << (cap))

static void caps(void **state)
{
	static const struct {
		const char *list;
		bool ok;
		uint64_t set;
	} rows[] = {
		{ "none", true, 0 },
		{ "all", true, UINT64_MAX },
		{ "default", true, 0xa80425fbU }, /* as `docker run` shows it in CapBnd */
		{ "CAP_KILL", true, BIT(CAP_KILL) },
		{ "cap_kill,SYS_ADMIN", true, BIT(CAP_KILL) | BIT(CAP_SYS_ADMIN) },
		{ "", false, 0 },
		{ "CAP_KILL,", false, 0 },
		{ "CAP_NONSENSE", false, 0 },
		{ "all,CAP_KILL", false, 0 },
		{ "CAP_KILL CAP_CHOWN", false, 0 },
		{ "CAP_0123456789012345678901234567890123456789012345678901234567890123456789",
		  false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t set = 99;
		struct err e = { 0 };
		int r = where_caps(rows[i].list, &set, &e);

		if (r != (rows[i].ok ? 0 : -EINVAL) || set != (rows[i].ok ? rows[i].set : 99))
			fail_msg("\"%s\": %d %s, %#jx", rows[i].list, r, e.msg, (uintmax_t)set);
	}
}

static void hosts(void **state)
{
	static const struct {
		struct where where;
		bool ok;
		enum arch machine, abi;
		unsigned major, minor;
	} rows[] = {
		{ { "amd64", "none", "5.4" }, true, ARCH_X86_64, ARCH_X86_64, 5, 4 },
		{ { "x86_64", NULL, "5.4" }, true, ARCH_X86_64, ARCH_X86_64, 5, 4 },
		{ { "SCMP_ARCH_X86", NULL, "6.18" }, true, ARCH_X86_64, ARCH_X86, 6, 18 },
		{ { "x32", NULL, "6.18" }, true, ARCH_X86_64, ARCH_X32, 6, 18 },
		{ { "arm64", NULL, "6.18" }, true, ARCH_AARCH64, ARCH_AARCH64, 6, 18 },
		{ { "riscv64", NULL, "6.18" }, true, ARCH_RISCV64, ARCH_RISCV64, 6, 18 },
		{ { "vax", NULL, NULL }, false, 0, 0, 0, 0 },
		{ { "", NULL, NULL }, false, 0, 0, 0, 0 },
		{ { NULL, NULL, "6" }, false, 0, 0, 0, 0 },
		{ { NULL, NULL, "6.1.2" }, false, 0, 0, 0, 0 },
		{ { NULL, NULL, "six" }, false, 0, 0, 0, 0 },
		{ { NULL, "x", NULL }, false, 0, 0, 0, 0 },
	};

	(void)state;
	if (names_native_arch() != ARCH_X86_64)
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct host h = { 0 };
		enum arch abi = ARCH_NONE;
		struct err e = { 0 };
		int r = where_host(&rows[i].where, &h, &abi, &e);

		assert_int_equal(r, rows[i].ok ? 0 : -EINVAL);
		if (r)
			continue;
		assert_int_equal(h.arch, rows[i].machine);
		assert_int_equal(abi, rows[i].abi);
		assert_int_equal(h.kernel_major, rows[i].major);
		assert_int_equal(h.kernel_minor, rows[i].minor);
		assert_true(h.caps_known);
	}
}

static void effects(void **state)
{
	static const struct {
		uint8_t act;
		uint16_t num;
		const char *text;
	} rows[] = {
		{ ACT_ALLOW, 0, "allow" },
		{ ACT_ERRNO, EPERM, "errno EPERM" },
		{ ACT_ERRNO, 0, "errno 0" },
		{ ACT_ERRNO, 4095, "errno 4095" },
		{ ACT_TRACE, 0, "trace" },
		{ ACT_TRACE, 7, "trace 7" },
		{ ACT_KILL_THREAD, 0, "kill_thread" },
		{ ACT_COUNT, 0, "unknown" },
	};
	char buf[WHERE_EFFECT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(where_effect(rows[i].act, rows[i].num, buf, sizeof buf),
				    rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(caps), cmocka_unit_test(hosts),
					    cmocka_unit_test(effects) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
