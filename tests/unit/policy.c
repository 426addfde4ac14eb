/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - the compiler's messages, one row each, and what is accepted. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "warder/own.h"
#include "warder/policy.h"

#define D           "{\"defaultAction\":\"SCMP_ACT_ALLOW\","
#define W(text)     D "\"warder\":{" text "}}"
#define RULE(text)  W("\"rules\":[{" text "}]")
#define ENTRY(text) D "\"syscalls\":[{" text "}]}"
#define DENY        "\"names\":[\"mkdir\"],\"verdict\":\"deny\""
#define ONE(args)   DENY ",\"args\":[" args "]"
#define EQ1         "{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}"
#define EQ2         "{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}"
#define ALLOW       "\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ALLOW\""

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "f.json:1:1:" },
	{ "[]", "f.json: must be an object" },
	{ "{\"a\":1} x", "f.json:1:9: unexpected character" },
	{ "{}", "\"defaultAction\" is missing" },
	{ "{\"defaultAction\":5}", "f.json: defaultAction: must be a string" },
	{ "{\"defaultAction\":\"SCMP_ACT_NONE\"}",
	  "defaultAction: unknown action \"SCMP_ACT_NONE\"" },
	{ D "\"defaultErrnoRet\":1}", "defaultErrnoRet: SCMP_ACT_ALLOW takes no errno" },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"defaultErrno\":"
	  "\"ENOSYS\"}",
	  "defaultErrno: is not what \"defaultErrnoRet\" says (1)" },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096}",
	  "an errno is at most 4095" },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"EWHAT\"}",
	  "unknown errno \"EWHAT\"" },
	{ D "\"architectures\":[\"SCMP_ARCH_Z80\"]}",
	  "architectures[0]: unknown architecture \"SCMP_ARCH_Z80\"" },
	{ D "\"architectures\":[\"SCMP_ARCH_X86\"],\"archMap\":[{\"architecture\":\"SCMP_ARCH_"
	    "X86\"}]}",
	  "archMap: and \"architectures\" cannot both be given" },
	{ D "\"archMap\":[{}]}", "archMap[0]: \"architecture\" is missing" },
	{ D "\"flags\":[\"SECCOMP_FILTER_FLAG_FAST\"]}", "flags[0]: unknown flag" },
	{ D "\"listenerMetadata\":\"x\"}", "listenerMetadata: needs \"listenerPath\"" },
	{ D "\"syscalls\":{}}", "syscalls: must be an array" },
	{ ENTRY("\"action\":\"SCMP_ACT_ALLOW\""), "syscalls[0]: no system call is named" },
	{ ENTRY("\"names\":[],\"action\":\"SCMP_ACT_ALLOW\""),
	  "syscalls[0].names: no system call" },
	{ ENTRY("\"names\":[\"\"],\"action\":\"SCMP_ACT_ALLOW\""),
	  "syscalls[0].names[0]: is empty" },
	{ ENTRY("\"names\":[\"a\"],\"name\":\"b\",\"action\":\"SCMP_ACT_ALLOW\""),
	  "syscalls[0].name: and \"names\" cannot both be given" },
	{ ENTRY("\"names\":[\"mkdir\"]"), "syscalls[0]: \"action\" is missing" },
	{ ENTRY(ALLOW ",\"errnoRet\":1"), "syscalls[0].errnoRet: SCMP_ACT_ALLOW takes no errno" },
	{ ENTRY(ALLOW ",\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\",\"value\":1}]"),
	  "syscalls[0].args[0].index: is above 5" },
	{ ENTRY(ALLOW ",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_IS\"}]"),
	  "syscalls[0].args[0].op: unknown comparison \"SCMP_CMP_IS\"" },
	{ ENTRY(ALLOW ",\"args\":[{\"op\":\"SCMP_CMP_EQ\"}]"), "\"index\" and \"op\" are needed" },
	{ ENTRY(ALLOW ",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":-1}]"),
	  "syscalls[0].args[0].value: must be 0 or more" },
	{ ENTRY(ALLOW ",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":1.5}]"),
	  "value: must be a whole number" },
	{ ENTRY(ALLOW
		",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":18446744073709551616}]"),
	  "f.json:1:" },
	{ ENTRY(ALLOW ",\"includes\":[]"), "syscalls[0].includes: must be an object" },
	{ ENTRY(ALLOW ",\"includes\":{\"minKernel\":\"4.8.1\"}"),
	  "syscalls[0].includes.minKernel: \"4.8.1\" is no kernel version" },
	{ D "\"warder\":[]}", "warder: must be an object" },
	{ W("\"mode\":\"watch\""), "warder.mode: unknown mode \"watch\"" },
	{ W("\"rules\":{}"), "warder.rules: must be an array" },
	{ RULE("\"verdict\":\"deny\""), "warder.rules[0]: no system call is named" },
	{ RULE("\"names\":[\"mkdir\"]"), "warder.rules[0]: \"verdict\" is missing" },
	{ RULE("\"names\":[\"mkdir\"],\"verdict\":\"stop\""), "verdict: unknown verdict \"stop\"" },
	{ RULE("\"names\":[\"makedir\"],\"verdict\":\"deny\""),
	  "warder.rules[0]: unknown system call \"makedir\"" },
	{ RULE("\"names\":[\"exit_group\"],\"verdict\":\"deny\""),
	  "\"exit_group\" is never notified" },
	{ RULE("\"names\":[\"execve\"],\"verdict\":\"deny\",\"live\":false"),
	  "\"execve\" is always notified" },
	{ RULE("\"names\":[\"mkdir\"],\"verdict\":\"kill\",\"errno\":\"EPERM\""),
	  "warder.rules[0].errno: only a \"deny\" has an errno" },
	{ RULE("\"names\":[\"mkdir\"],\"verdict\":\"kill\",\"live\":false"),
	  "warder.rules[0].live: only a \"deny\" can stay in the kernel" },
	{ RULE(DENY ",\"errno\":\"ENOPE\""), "errno: \"ENOPE\" is no errno" },
	{ RULE(DENY ",\"errno\":0"), "errno: \"0\" is no errno" },
	{ RULE(DENY ",\"errno\":4096"), "errno: \"4096\" is no errno" },
	{ W("\"rules\":[{" DENY "},{\"names\":[\"rmdir\",\"mkdir\"],\"verdict\":\"kill\"}]"),
	  "warder.rules[1]: can never match for one of its calls; previous definition here: "
	  "f.json: warder.rules[0]" },
	{ W("\"rules\":[{" ONE(EQ1) "},{" ONE(EQ1) "}]"), "warder.rules[1]: can never match" },
	{ W("\"rules\":[{" ONE(EQ1) "},{" ONE(EQ2 "," EQ1) "}]"),
	  "warder.rules[1]: can never match" },
	{ RULE("\"names\":[\"mkdir\",\"rmdir\",\"mkdir\"],\"verdict\":\"deny\""),
	  "warder.rules[0]: \"mkdir\" is named twice" },
	{ RULE(DENY ",\"args\":[" EQ1 "," EQ1 "," EQ1 "," EQ1 "," EQ1 "," EQ1 "," EQ1 "]"),
	  "warder.rules[0].args: more than 6 conditions" },
	{ RULE(DENY ",\"live\":1"), "warder.rules[0].live: must be true or false" },
	{ RULE(DENY ",\"errno\":true"), "warder.rules[0].errno: must be a string" },
	{ RULE(DENY ",\"message\":1"), "warder.rules[0].message: must be a string" },
	{ RULE("\"names\":[\"restart_syscall\"],\"verdict\":\"allow\""),
	  "\"restart_syscall\" is never notified" },
	{ RULE("\"names\":[\"rt_sigreturn\"],\"verdict\":\"kill\""),
	  "\"rt_sigreturn\" is never notified" },
	{ RULE("\"names\":[\"exit\"],\"verdict\":\"kill\""), "\"exit\" is never notified" },
	{ W("\"mode\":\"audit\",\"mode\":\"enforce\""), "f.json:1:" },
	{ W("\"mode\":\"audit\",\"mode\":\"enforce\""), "duplicate member \"mode\"" },
	{ W("\"fallback\":[]"), "warder.fallback: must be an object" },
	{ W("\"recordSkip\":[\"execveat\"]"),
	  "warder.recordSkip[0]: \"execveat\" is always notified" },
	{ W("\"description\":1"), "warder.description: must be a string" },
	{ W("\"fallback\":{\"after\":\"soon\"}"), "warder.fallback.after: \"soon\" is no time" },
	{ W("\"fallback\":{\"after\":\"0s\"}"), "warder.fallback.after: must be more than 0" },
	{ W("\"fallback\":{\"verdict\":\"maybe\"}"), "warder.fallback.verdict: unknown verdict" },
	{ W("\"recordSkip\":[\"execve\"]"), "warder.recordSkip[0]: \"execve\" is always notified" },
	{ W("\"recordSkip\":[\"nocall\"]"), "warder.recordSkip[0]: unknown system call" },
};

static int parse(const char *text, const struct policy **p, const struct warn *w, struct err *e)
{
	return policy_parse(NULL, "f.json", text, strlen(text), p, w, e);
}

static void test_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct policy *p = (const void *)&bad;
		struct err e = { 0 };

		if (parse(bad[i].text, &p, NULL, &e) != -EINVAL || !strstr(e.msg, bad[i].says))
			fail_msg("%s\n  says \"%s\"\n  not  \"%s\"", bad[i].text, e.msg,
				 bad[i].says);
		assert_ptr_equal(p, &bad); /* no partial result */
	}
}

struct lines {
	int n;
	char text[4096];
};

static void keep(void *ctx, const char *line)
{
	struct lines *l = ctx;

	l->n++;
	strncat(l->text, line, sizeof l->text - strlen(l->text) - 2);
	strcat(l->text, "\n");
}

static void test_warnings(void **state)
{
	static const char *const rows[][2] = {
		{ D "\"frobnicate\":1}", "f.json: frobnicate: unknown key, ignored" },
		{ ENTRY("\"names\":[\"mkdri\"],\"action\":\"SCMP_ACT_ALLOW\""),
		  "syscalls[0]: unknown system call \"mkdri\": has no effect" },
		{ ENTRY(ALLOW ",\"includes\":{\"caps\":[\"CAP_MAGIC\"]}"),
		  "syscalls[0].includes.caps[0]: unknown capability \"CAP_MAGIC\"" },
		{ ENTRY(ALLOW ",\"excludes\":{\"arches\":[\"vax\"]}"),
		  "syscalls[0].excludes.arches[0]: unknown architecture \"vax\"" },
		{ D "\"architectures\":[\"SCMP_ARCH_M68K\"]}", "libseccomp here does not know it" },
		{ W("\"mod\":\"audit\""), "warder.mod: unknown key" },
		{ RULE(DENY ",\"erno\":1"), "warder.rules[0].erno: unknown key" },
		{ W("\"fallback\":{\"verdit\":\"deny\"}"),
		  "warder.fallback.verdit: unknown key, ignored" },
		{ W("\"mode\":\"enforce\",\"fallback\":{\"verdict\":\"allow\"}"),
		  "needs the administrator's yes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lines l = { 0 };
		struct warn w = { keep, &l };
		const struct policy *p;
		struct err e;

		assert_int_equal(parse(rows[i][0], &p, &w, &e), 0);
		if (l.n != 1 || !strstr(l.text, rows[i][1]))
			fail_msg("%s\n  warns \"%s\"\n  not \"%s\"", rows[i][0], l.text,
				 rows[i][1]);
		policy_free(p);
	}
}

static void test_values(void **state)
{
	const struct policy *p;
	struct err e;

	(void)state;
	assert_int_equal(
		parse(W("\"mode\":\"enforce\",\"description\":\"d\","
			"\"rules\":[{" DENY ",\"errno\":\"EROFS\",\"live\":false},"
			"{\"names\":[\"rmdir\",\"ptrace\"],\"verdict\":\"kill\",\"message\":\"m\"},"
			"{\"name\":\"keyctl\",\"verdict\":\"allow\",\"args\":[{\"index\":0,"
			"\"value\":18446744073709551615,\"op\":\"SCMP_CMP_EQ\"}]},"
			"{\"names\":[\"keyctl\"],\"verdict\":\"deny\"}],"
			"\"fallback\":{\"after\":\"2s\",\"verdict\":\"deny\"},"
			"\"recordSkip\":[\"getpid\"]"),
		      &p, NULL, &e),
		0);
	assert_string_equal(p->name, "f");
	assert_int_equal(p->mode, MODE_ENFORCE);
	assert_string_equal(p->description, "d");
	assert_int_equal(p->n_rules, 4);
	assert_int_equal(p->rules[0].effect.errnum, EROFS);
	assert_false(p->rules[0].live);
	assert_int_equal(p->rules[1].effect.act, ACT_KILL_PROCESS);
	assert_string_equal(p->rules[1].message, "m");
	assert_int_equal(p->rules[2].conds.c[0].value, UINT64_MAX);
	assert_int_equal(p->rules[3].effect.errnum, EPERM);
	assert_int_equal(p->fallback, FALLBACK_DENY);
	assert_int_equal(p->fallback_after_ns, 2000000000ULL);
	assert_int_equal(p->n_record_skip, 1);
	policy_free(p);
}

static void test_defaults(void **state)
{
	const struct policy *p;
	struct err e;

	(void)state;
	assert_int_equal(parse("{\"defaultAction\":\"SCMP_ACT_ERRNO\"}", &p, NULL, &e), 0);
	assert_int_equal(p->mode, MODE_AUDIT);
	assert_int_equal(p->fallback, FALLBACK_BY_MODE);
	assert_int_equal(p->fallback_after_ns, 5000000000ULL);
	assert_true(p->n_record_skip > 10);
	policy_free(p);
}

static void test_names(void **state)
{
	static const char *const good[] = { "a", "web-1.2_x", "0" };
	static const char *const wrong[] = {
		"", ".x", "-x", "a/b", "../x", "a b", "a\n", "\xc3\xa9"
	};
	char longest[POLICY_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(policy_name_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(policy_name_ok(wrong[i]));
	memset(longest, 'a', sizeof longest);
	longest[POLICY_NAME_MAX] = 0;
	assert_false(policy_name_ok(longest));
	longest[POLICY_NAME_MAX - 1] = 0;
	assert_true(policy_name_ok(longest));
}

static void put(const char *dir, const char *name, const char *text, size_t len)
{
	auto_free char *path = NULL;
	auto_fd fd = -1;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/warder-policy.XXXXXX", path[64];
	static char big[JSON_MAX_SIZE + 10];
	const struct policy *p;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	put(dir, "good.json", D "\"syscalls\":[]}", strlen(D "\"syscalls\":[]}"));
	put(dir, "empty.json", "", 0);
	put(dir, "binary.json", "\0\1\377", 3);
	memset(big, ' ', sizeof big);
	put(dir, "big.json", big, sizeof big);
	memset(big, '[', 100000);
	put(dir, "deep.json", big, 100000);
	snprintf(path, sizeof path, "%s/folder.json", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/out.json", dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof path, "%s/in.json", dir);
	assert_int_equal(symlink("good.json", path), 0);

	assert_int_equal(policy_load_named(dir, "good", &p, NULL, &e), 0);
	policy_free(p);
	assert_int_equal(policy_load_named(dir, "in", &p, NULL, &e), 0);
	policy_free(p);
	assert_int_equal(policy_load_named(dir, "missing", &p, NULL, &e), -ENOENT);
	assert_int_equal(policy_load_named(dir, "../good", &p, NULL, &e), -EINVAL);
	assert_int_equal(policy_load_named(dir, "out", &p, NULL, &e), -EXDEV);
	assert_int_equal(policy_load_named(dir, "folder", &p, NULL, &e), -EINVAL);
	assert_int_equal(policy_load_named(dir, "empty", &p, NULL, &e), -EINVAL);
	assert_int_equal(policy_load_named(dir, "binary", &p, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "NUL"));
	assert_int_equal(policy_load_named(dir, "deep", &p, NULL, &e), -EINVAL);
	assert_int_equal(policy_load_named(dir, "big", &p, NULL, &e), -E2BIG);
	snprintf(path, sizeof path, "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
}

static void test_effect_notes(void **state)
{
	(void)state;
	assert_null(policy_effect_note(ACT_ERRNO));
	assert_null(policy_effect_note(ACT_ALLOW));
	for (int a = 0; a < ACT_COUNT; a++)
		if (a != ACT_ERRNO && a != ACT_ALLOW)
			assert_non_null(policy_effect_note((enum act)a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),     cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_values),       cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_names),        cmocka_unit_test(test_files),
		cmocka_unit_test(test_effect_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
