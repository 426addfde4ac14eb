/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - both forms of a profile, resolved as Docker resolves them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "warder/own.h"
#include "warder/profile.h"

#define SYS_ADMIN (1ULL << 21)

struct loaded {
	struct json_object *doc;
	struct profile *profile;
};

static void load_text(struct loaded *l, const char *text)
{
	struct json_at at = { .file = "t" };
	struct err e = { 0 };

	if (json_parse("t", text, strlen(text), &l->doc, &e))
		fail_msg("%s", e.msg);
	at.v = l->doc;
	if (profile_parse(&at, &l->profile, NULL, &e))
		fail_msg("%s", e.msg);
}

static void load_file(struct loaded *l, const char *path)
{
	struct json_at at = { .file = path };
	struct err e = { 0 };

	if (json_read(path, &l->doc, &e))
		fail_msg("%s", e.msg);
	at.v = l->doc;
	if (profile_parse(&at, &l->profile, NULL, &e))
		fail_msg("%s", e.msg);
}

static void unload(struct loaded *l)
{
	profile_free(l->profile);
	json_object_put(l->doc);
}

static struct ruleset resolve(const struct loaded *l, const struct host *h)
{
	struct ruleset rs;
	struct err e;

	assert_int_equal(profile_resolve(l->profile, h, &rs, &e), 0);
	return rs;
}

static bool count_one(void *ctx, const struct rule *rule)
{
	(void)rule;
	++*(int *)ctx;
	return true;
}

static int clauses(const struct ruleset *rs, const char *name)
{
	int n = 0;

	profile_clauses(rs, ARCH_X86_64, names_syscall(ARCH_X86_64, name), count_one, &n);
	return n;
}

static struct host host(enum arch arch, bool known, uint64_t caps, unsigned major, unsigned minor)
{
	return (struct host){ arch, known, caps, major, minor };
}

/* Which calls Docker's default has on which host. */
static void test_docker(void **state)
{
	static const struct {
		struct host host;
		int mount, bpf, ptrace, clone, arch_prctl, n_arches;
	} rows[] = {
		{ { ARCH_X86_64, true, 0, 6, 1 }, 0, 0, 1, 1, 1, 3 },
		{ { ARCH_X86_64, true, SYS_ADMIN, 6, 1 }, 1, 1, 1, 1, 1, 3 },
		{ { ARCH_X86_64, true, ~0ULL, 6, 1 }, 1, 2, 2, 1, 1, 3 },
		{ { ARCH_X86_64, true, 0, 4, 7 }, 0, 0, 0, 1, 1, 3 },
		{ { ARCH_AARCH64, true, 0, 6, 1 }, 0, 0, 1, 1, 0, 2 },
	};
	struct loaded l;

	(void)state;
	load_file(&l, "tests/data/docker-default.json");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ruleset rs = resolve(&l, &rows[i].host);

		assert_int_equal(rs.fallthrough.act, ACT_ERRNO);
		assert_int_equal(rs.fallthrough.errnum, EPERM);
		assert_int_equal(rs.n_arches, rows[i].n_arches);
		assert_int_equal(clauses(&rs, "mount"), rows[i].mount);
		assert_true((clauses(&rs, "bpf") > 0) == (rows[i].bpf > 0));
		assert_true((clauses(&rs, "ptrace") > 0) == (rows[i].ptrace > 0));
		assert_true(clauses(&rs, "clone") >= rows[i].clone);
		assert_true((clauses(&rs, "arch_prctl") > 0) == (rows[i].arch_prctl > 0));
		assert_true(clauses(&rs, "personality") >= 5);
		assert_true(clauses(&rs, "socket") >= 3);
		ruleset_fini(&rs);
	}
	unload(&l);
}

/* How many rules each default makes where; the figures are another program's, which reads the same
 * documents by moby's rules (PROFILES.md 3.2). */
static void test_rule_counts(void **state)
{
	static const struct {
		struct host host;
		int docker, podman, n_arches;
	} rows[] = {
		{ { ARCH_X86_64, true, 0, 6, 1 }, 376, 441, 3 },
		{ { ARCH_X86_64, true, SYS_ADMIN, 6, 1 }, 400, 439, 3 },
		{ { ARCH_X86_64, true, ~0ULL, 6, 1 }, 427, 438, 3 },
		{ { ARCH_X86_64, true, 0, 4, 7 }, 373, 441, 3 },
		{ { ARCH_AARCH64, true, 0, 6, 1 }, 380, 445, 2 },
		{ { ARCH_X86_64, false, 0, 6, 1 }, 429, 467, 3 },
	};
	struct loaded docker, podman;

	(void)state;
	load_file(&docker, "tests/data/docker-default.json");
	load_file(&podman, "tests/data/podman-default.json");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ruleset d = resolve(&docker, &rows[i].host);
		struct ruleset p = resolve(&podman, &rows[i].host);

		assert_int_equal(d.n_rules, rows[i].docker);
		assert_int_equal(p.n_rules, rows[i].podman);
		assert_int_equal(d.n_arches, rows[i].n_arches);
		assert_int_equal(p.n_arches, rows[i].n_arches);
		ruleset_fini(&d);
		ruleset_fini(&p);
	}
	unload(&docker);
	unload(&podman);
}

static void test_podman(void **state)
{
	struct host h = host(ARCH_X86_64, true, 0, 6, 1);
	struct ruleset rs;
	struct loaded l;

	(void)state;
	load_file(&l, "tests/data/podman-default.json");
	rs = resolve(&l, &h);
	assert_int_equal(rs.fallthrough.errnum, ENOSYS);
	assert_true(clauses(&rs, "mount") > 0);
	ruleset_fini(&rs);
	unload(&l);
}

#define ENTRY(rest) "{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ALLOW\"," rest "}"

/* One entry under one condition: does it hold? */
static void test_conditions(void **state)
{
	static const struct {
		const char *entry;
		struct host host;
		bool holds;
	} rows[] = {
		{ ENTRY("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_CHOWN\"]}"),
		  { ARCH_X86_64, true, SYS_ADMIN, 6, 1 },
		  false },
		{ ENTRY("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_CHOWN\"]}"),
		  { ARCH_X86_64, true, SYS_ADMIN | 1, 6, 1 },
		  true },
		{ ENTRY("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"),
		  { ARCH_X86_64, false, 0, 6, 1 },
		  true },
		{ ENTRY("\"includes\":{\"caps\":[\"CAP_MAGIC\"]}"),
		  { ARCH_X86_64, true, ~0ULL, 6, 1 },
		  false },
		{ ENTRY("\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_CHOWN\"]}"),
		  { ARCH_X86_64, true, 1, 6, 1 },
		  false },
		{ ENTRY("\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"),
		  { ARCH_X86_64, true, 1, 6, 1 },
		  true },
		{ ENTRY("\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"),
		  { ARCH_X86_64, false, ~0ULL, 6, 1 },
		  true },
		{ ENTRY("\"includes\":{\"arches\":[\"amd64\"]}"),
		  { ARCH_X86_64, true, 0, 6, 1 },
		  true },
		{ ENTRY("\"includes\":{\"arches\":[\"arm64\"]}"),
		  { ARCH_X86_64, true, 0, 6, 1 },
		  false },
		{ ENTRY("\"excludes\":{\"arches\":[\"amd64\"]}"),
		  { ARCH_X86_64, true, 0, 6, 1 },
		  false },
		{ ENTRY("\"includes\":{\"arches\":[]}"), { ARCH_X86_64, true, 0, 6, 1 }, true },
		{ ENTRY("\"includes\":{\"minKernel\":\"4.8\"}"),
		  { ARCH_X86_64, true, 0, 4, 8 },
		  true },
		{ ENTRY("\"includes\":{\"minKernel\":\"4.8\"}"),
		  { ARCH_X86_64, true, 0, 4, 7 },
		  false },
		{ ENTRY("\"includes\":{\"minKernel\":\"4.8\"}"),
		  { ARCH_X86_64, true, 0, 3, 19 },
		  false },
		{ ENTRY("\"excludes\":{\"minKernel\":\"4.8\"}"),
		  { ARCH_X86_64, true, 0, 5, 0 },
		  false },
		{ ENTRY("\"excludes\":{\"minKernel\":\"4.8\"}"),
		  { ARCH_X86_64, true, 0, 4, 7 },
		  true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text = NULL;
		struct ruleset rs;
		struct loaded l;

		assert_true(asprintf(&text,
				     "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[%s]}",
				     rows[i].entry) > 0);
		load_text(&l, text);
		rs = resolve(&l, &rows[i].host);
		if ((rs.n_rules == 1) != rows[i].holds)
			fail_msg("row %zu: %s", i, rows[i].entry);
		ruleset_fini(&rs);
		unload(&l);
	}
}

/* AND of different arguments stays one rule; the same argument twice becomes two (runc, crun). */
static void test_same_index_twice(void **state)
{
	struct host h = host(ARCH_X86_64, true, 0, 6, 1);
	struct ruleset rs;
	struct loaded l;

	(void)state;
	load_text(&l, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
		      "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		      "{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":1},{\"index\":1,\"op\":\"SCMP_"
		      "CMP_EQ\",\"value\":2}]},"
		      "{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		      "{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":1},{\"index\":0,\"op\":\"SCMP_"
		      "CMP_EQ\",\"value\":2}]}]}");
	rs = resolve(&l, &h);
	assert_int_equal(rs.n_rules, 3);
	assert_int_equal(rs.rules[0].conds.n, 2);
	assert_int_equal(rs.rules[1].conds.n, 1);
	assert_int_equal(rs.rules[2].conds.c[0].value, 2);
	assert_int_equal(rs.rules[2].entry, 1);
	ruleset_fini(&rs);
	unload(&l);
}

static void test_comparisons(void **state)
{
	static const struct {
		struct cond c;
		uint64_t arg;
		bool match;
	} rows[] = {
		{ { 0, OP_EQ, 5, 0 }, 5, true },
		{ { 0, OP_EQ, 5, 0 }, 0x100000005, false },
		{ { 0, OP_NE, 5, 0 }, 0x100000005, true },
		{ { 0, OP_LT, 5, 0 }, 4, true },
		{ { 0, OP_LT, 5, 0 }, 5, false },
		{ { 0, OP_LE, 5, 0 }, 5, true },
		{ { 0, OP_GT, 5, 0 }, UINT64_MAX, true },
		{ { 0, OP_GT, 5, 0 }, 5, false },
		{ { 0, OP_GE, 5, 0 }, 5, true },
		{ { 0, OP_MASKED_EQ, 0xffffffff, 40 }, 0x100000028, true },
		{ { 0, OP_MASKED_EQ, 0xf, 1 }, 2, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conds c = { 1, { rows[i].c } };
		uint64_t args[6] = { rows[i].arg };

		assert_int_equal(conds_match(&c, args), rows[i].match);
	}
	assert_true(conds_match(&(struct conds){ 0 }, (uint64_t[6]){ 0 }));
}

static void test_facts(void **state)
{
	struct profile_facts f;
	struct loaded l;

	(void)state;
	load_text(&l, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/"
		      "s\",\"listenerMetadata\":\"m\","
		      "\"flags\":[],\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_"
		      "NOTIFY\"}]}");
	profile_facts(l.profile, &f);
	assert_string_equal(f.listener_path, "/s");
	assert_string_equal(f.listener_metadata, "m");
	assert_true(f.has_notify && f.has_flags && !f.flags);
	assert_int_equal(f.n_entries, 1);
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_podman),
		cmocka_unit_test(test_rule_counts),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_same_index_twice),
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
