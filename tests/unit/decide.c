/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of decide.c: verdict, reason and message of calls under one policy, inside and outside of
 * the table. That verdicts equal the kernel's is held by tests/filter/differential.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "warder/decide.h"
#include "warder/own.h"

#define X64     0xc000003eU
#define I386    0x40000003U
#define X32(nr) (0x40000000 | (nr))

static const char text[] =
	"{ \"defaultAction\": \"SCMP_ACT_ERRNO\","
	"  \"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"],"
	"  \"syscalls\": ["
	"  { \"names\": [\"read\", \"write\", \"openat2\", \"ioctl\"], \"action\": "
	"\"SCMP_ACT_ALLOW\" },"
	"  { \"names\": [\"personality\"], \"action\": \"SCMP_ACT_ALLOW\","
	"    \"args\": [{ \"index\": 0, \"value\": 8, \"op\": \"SCMP_CMP_EQ\" }] },"
	"  { \"names\": [\"personality\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 13,"
	"    \"args\": [{ \"index\": 0, \"value\": 4294967295, \"op\": \"SCMP_CMP_GT\" }] },"
	"  { \"names\": [\"mkdir\"], \"action\": \"SCMP_ACT_KILL\" },"
	"  { \"names\": [\"socket\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 97 },"
	"  { \"names\": [\"chroot\"], \"action\": \"SCMP_ACT_TRACE\", \"errnoRet\": 7 } ],"
	"  \"warder\": { \"rules\": ["
	"  { \"names\": [\"ptrace\"], \"verdict\": \"kill\", \"message\": \"debugger\" },"
	"  { \"names\": [\"ioctl\"], \"verdict\": \"deny\", \"errno\": \"ENOTTY\", \"args\":"
	"    [{ \"index\": 1, \"value\": 21522, \"op\": \"SCMP_CMP_EQ\" }] },"
	"  { \"names\": [\"bind\"], \"verdict\": \"allow\" } ] } }";

struct fixture {
	const struct policy *p;
	struct ruleset r;
	struct filter f;
	struct decide *d;
};

static int setup(void **state)
{
	static struct fixture x;
	struct host h = { .arch = ARCH_X86_64, .kernel_major = 6, .kernel_minor = 1 };
	struct err e;

	if (policy_parse("t", "t.json", text, sizeof text - 1, &x.p, &(struct warn){ 0 }, &e) ||
	    profile_resolve(x.p->profile, &h, &x.r, &e) ||
	    filter_build(x.p, &x.r, &(struct filter_opts){ 0 }, &x.f, &e) ||
	    decide_new(x.p, &x.r, &x.f, &x.d, &e)) {
		print_error("%s\n", e.msg);
		return -1;
	}
	ruleset_fini(&x.r);
	filter_fini(&x.f);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	decide_free(x->d);
	policy_free(x->p);
	return 0;
}

static void test_rows(void **state)
{
	static const struct {
		uint32_t arch;
		int nr;
		uint64_t arg[2];
		uint8_t act;
		uint16_t errnum;
		const char *why, *message;
	} rows[] = {
		{ X64, 0, { 0 }, ACT_ALLOW, 0, "syscalls[0]", NULL },
		{ X64, 2, { 0 }, ACT_ERRNO, 1, "default", NULL },
		{ X64, 135, { 8 }, ACT_ALLOW, 0, "syscalls[1]", NULL },
		{ X64, 135, { 9 }, ACT_ERRNO, 1, "default", NULL },
		{ X64, 135, { 1ULL << 40 }, ACT_ERRNO, 13, "syscalls[2]", NULL },
		{ X64, 83, { 0 }, ACT_KILL_THREAD, 0, "syscalls[3]", NULL },
		{ X64, 41, { 0 }, ACT_ERRNO, 97, "syscalls[4]", NULL },
		{ X64, 161, { 0 }, ACT_TRACE, 7, "syscalls[5]", NULL },
		{ X64, 101, { 0 }, ACT_KILL_PROCESS, 0, "warder.rules[0]", "debugger" },
		{ X64, 16, { 0, 21522 }, ACT_ERRNO, 25, "warder.rules[1]", NULL },
		{ X64, 16, { 0, 21523 }, ACT_ALLOW, 0, "syscalls[0]", NULL },
		{ X64, 437, { 0 }, ACT_ALLOW, 0, "syscalls[0]", NULL },
		{ X64, 438, { 0 }, ACT_ERRNO, 38, "newer than the profile", NULL },
		{ X64, 1500, { 0 }, ACT_ERRNO, 38, "newer than the profile", NULL },
		{ X64, -1, { 0 }, ACT_ERRNO, 1, "default", NULL }, /* has the bit of x32 */
		{ X64, X32(0), { 0 }, ACT_KILL_THREAD, 0, "bad architecture", NULL },
		{ 0xc00000b7, 0, { 0 }, ACT_KILL_THREAD, 0, "bad architecture", NULL },
		{ 0x12345678, 0, { 0 }, ACT_KILL_THREAD, 0, "bad architecture", NULL },
		{ I386, 3, { 0 }, ACT_ALLOW, 0, "syscalls[0]", NULL },
		{ I386, 26, { 0 }, ACT_KILL_PROCESS, 0, "warder.rules[0]", "debugger" },
		{ I386, 359, { 0 }, ACT_ERRNO, 97, "syscalls[4]", NULL },
		{ I386, 102, { 1 }, ACT_ERRNO, 97, "syscalls[4]", NULL }, /* socketcall(socket) */
		{ I386, 102, { 2 }, ACT_ALLOW, 0, "warder.rules[2]", NULL }, /* bind */
		{ I386, 102, { 3 }, ACT_ERRNO, 1, "default", NULL },
		{ I386, 361, { 0 }, ACT_ALLOW, 0, "warder.rules[2]", NULL },
	};
	const struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct seccomp_data call = { .arch = rows[i].arch,
						   .nr = rows[i].nr,
						   .args = { rows[i].arg[0], rows[i].arg[1] } };
		struct verdict v = decide(x->d, &call);
		const char *message = decide_message(x->d, v);

		if (v.act != rows[i].act || v.errnum != rows[i].errnum ||
		    strcmp(decide_why(x->d, v), rows[i].why) != 0)
			fail_msg("row %zu: act %d errno %d why %s", i, v.act, v.errnum,
				 decide_why(x->d, v));
		if ((message != NULL) != (rows[i].message != NULL) ||
		    (message && strcmp(message, rows[i].message) != 0))
			fail_msg("row %zu: message %s", i, message ? message : "(none)");
	}
}

static void test_needs_args(void **state)
{
	static const struct {
		enum arch arch;
		int nr;
		bool want;
	} rows[] = {
		{ ARCH_X86_64, 0, false },  { ARCH_X86_64, 135, true },
		{ ARCH_X86_64, 16, true },  { ARCH_X86_64, 101, false },
		{ ARCH_X86, 102, true },    { ARCH_X86, 54, true },
		{ ARCH_X86, 4, false },     { ARCH_X86_64, 5000, false },
		{ ARCH_AARCH64, 1, false },
	};
	const struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (decide_needs_args(x->d, rows[i].arch, rows[i].nr) != rows[i].want)
			fail_msg("row %zu", i);
}

static void test_why_is_never_null(void **state)
{
	const struct fixture *x = *state;

	for (unsigned why = 0; why <= UINT16_MAX; why++)
		assert_non_null(decide_why(x->d, (struct verdict){ .why = (uint16_t)why }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_needs_args),
		cmocka_unit_test(test_why_is_never_null),
	};

	return cmocka_run_group_tests_name("decide", tests, setup, teardown);
}
