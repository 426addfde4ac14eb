/* SPDX-License-Identifier: Apache-2.0 */
/* cover.c - whether one gate serves another policy: rows, and what is said to be covered tried out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/cover.h"
#include "warder/filter.h"
#include "warder/names.h"
#include "warder/own.h"
#include "warder/policy.h"

struct gate {
	const struct policy *policy;
	struct filter filter;
};

static void compile(const char *text, struct gate *g)
{
	struct filter_opts opts = { 0 };
	struct ruleset rules;
	struct host host;
	struct err e;

	host_init(&host);
	if (policy_parse("p", "p", text, strlen(text), &g->policy, NULL, &e) ||
	    profile_resolve(g->policy->profile, &host, &rules, &e) ||
	    filter_build(g->policy, &rules, &opts, &g->filter, &e))
		fail_msg("%s: %s", e.msg, text);
	ruleset_fini(&rules);
}

static void gate_fini(struct gate *g)
{
	filter_fini(&g->filter);
	policy_free(g->policy);
}

struct found {
	int n, unknown;
	char names[256];
};

static void note(void *ctx, uint32_t audit, uint32_t nr, bool unknown)
{
	struct found *f = ctx;
	enum arch a = names_arch_of_call(audit, (int)nr);
	const char *name = a == ARCH_NONE ? NULL : names_syscall_name(a, (int)nr);

	f->n++;
	f->unknown += unknown;
	if (name && a == names_native_arch() &&
	    strlen(f->names) + strlen(name) + 2 < sizeof f->names)
		sprintf(f->names + strlen(f->names), "%s ", name);
}

static struct found compare(const char *installed, const char *wanted)
{
	struct found f = { 0 };
	struct gate i, w;
	struct err e;

	compile(installed, &i);
	compile(wanted, &w);
	assert_int_equal(cover_check(&i.filter.gate, &w.filter.gate, note, &f, &e), 0);
	gate_fini(&i);
	gate_fini(&w);
	return f;
}

#define OPEN(rules)           "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" rules "]}"
#define CLOSED(rules)         "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[" rules "]}"
#define RULE(name, act, more) "{\"names\":[\"" name "\"],\"action\":\"SCMP_ACT_" act "\"" more "}"
#define DENY(name)            RULE(name, "ERRNO", "")
#define ALLOW(name)           RULE(name, "ALLOW", "")
#define IF(index, op, value) \
	",\"args\":[{\"index\":" index ",\"value\":" value ",\"op\":\"SCMP_CMP_" op "\"}]"
#define MASK(index, mask, value)                                                 \
	",\"args\":[{\"index\":" index ",\"value\":" mask ",\"valueTwo\":" value \
	",\"op\":\"SCMP_CMP_MASKED_EQ\"}]"

static const struct {
	const char *installed, *wanted, *names;
} rows[] = {
	{ OPEN(DENY("mkdir")), OPEN(DENY("mkdir")), "" },
	{ OPEN(DENY("mkdir")), OPEN(RULE("mkdir", "ERRNO", ",\"errnoRet\":13")), "" },
	{ OPEN(DENY("mkdir")), OPEN(""), "" },
	{ OPEN(""), OPEN(DENY("mkdir")), "mkdir " },
	{ OPEN(DENY("mkdir")), OPEN(DENY("mkdir") "," DENY("chmod")), "chmod " },
	{ OPEN(DENY("mkdir")), OPEN(DENY("mkdir") "," RULE("chmod", "KILL_PROCESS", "")),
	  "chmod " },
	{ OPEN(DENY("mkdir")), OPEN(DENY("mkdir") "," RULE("chmod", "LOG", "")), "chmod " },
	{ OPEN(DENY("mkdir")), OPEN(RULE("mkdir", "LOG", "")), "" },
	/* what must stay in the kernel cannot be given from here */
	{ OPEN(DENY("mkdir")), OPEN(RULE("mkdir", "TRAP", "")), "mkdir " },
	{ OPEN(RULE("mkdir", "TRAP", "")), OPEN(RULE("mkdir", "TRAP", "")), "" },
	{ OPEN(RULE("mkdir", "TRAP", "")), OPEN(DENY("mkdir")), "mkdir " },
	/* conditions: the same, narrower, wider, others */
	{ OPEN(RULE("personality", "ERRNO", IF("0", "EQ", "8"))),
	  OPEN(RULE("personality", "ERRNO", IF("0", "EQ", "8"))), "" },
	{ OPEN(DENY("personality")), OPEN(RULE("personality", "ERRNO", IF("0", "EQ", "8"))), "" },
	{ OPEN(RULE("personality", "ERRNO", IF("0", "EQ", "8"))), OPEN(DENY("personality")),
	  "personality " },
	{ OPEN(RULE("personality", "ERRNO", IF("0", "EQ", "8"))),
	  OPEN(RULE("personality", "ERRNO", IF("0", "EQ", "9"))), "personality " },
	{ OPEN(RULE("personality", "ERRNO", IF("0", "GT", "8"))),
	  OPEN(RULE("personality", "ERRNO", IF("0", "GT", "100"))), "" },
	{ OPEN(RULE("personality", "ERRNO", IF("0", "GT", "100"))),
	  OPEN(RULE("personality", "ERRNO", IF("0", "GT", "8"))), "personality " },
	{ OPEN(RULE("personality", "ERRNO", IF("0", "GE", "4294967296"))),
	  OPEN(RULE("personality", "ERRNO", IF("0", "GT", "4294967296"))), "" },
	{ OPEN(RULE("personality", "ERRNO", IF("0", "GT", "4294967296"))),
	  OPEN(RULE("personality", "ERRNO", IF("0", "GE", "4294967296"))), "personality " },
	{ CLOSED(RULE("clone", "ALLOW", MASK("0", "2114060288", "0"))),
	  CLOSED(RULE("clone", "ALLOW", MASK("0", "2114060288", "0"))), "" },
	{ CLOSED(RULE("clone", "ALLOW", MASK("0", "2114060288", "0"))), CLOSED(""), "clone " },
	{ CLOSED(""), CLOSED(RULE("clone", "ALLOW", MASK("0", "2114060288", "0"))), "" },
	{ CLOSED(RULE("clone", "ALLOW", MASK("0", "268435456", "0"))),
	  CLOSED(RULE("clone", "ALLOW", MASK("0", "268435456", "268435456"))), "clone " },
	/* the default */
	{ CLOSED(ALLOW("read") "," ALLOW("mkdir")), CLOSED(ALLOW("mkdir")), "read " },
	{ CLOSED(ALLOW("mkdir")), CLOSED(ALLOW("read") "," ALLOW("mkdir")), "" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct found f = compare(rows[i].installed, rows[i].wanted);

		if (strcmp(f.names, rows[i].names) != 0 || f.unknown)
			fail_msg("row %zu: \"%s\", not \"%s\", %d unknown", i, f.names,
				 rows[i].names, f.unknown);
		assert_int_equal(!f.n, !*rows[i].names);
	}
}

static uint64_t pick(unsigned *seed)
{
	static const uint64_t values[] = { 0,          1,          7,          8,
					   9,          100,        101,        268435456,
					   2114060288, 4294967295, 4294967296, 4294967297,
					   UINT64_MAX };
	uint64_t v = values[(size_t)rand_r(seed) % ARRAY_LEN(values)];

	return rand_r(seed) % 4 ? v : v ^ 1ULL << rand_r(seed) % 64;
}

/* Where nothing was found, no call may be found by trying. */
static void test_tried(void **state)
{
	static const char *const names[] = { "mkdir", "chmod", "personality", "clone", "read" };
	unsigned seed = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gate installed, wanted;

		if (*rows[i].names)
			continue;
		compile(rows[i].installed, &installed);
		compile(rows[i].wanted, &wanted);
		for (int n = 0; n < 5000; n++) {
			const char *name = names[(size_t)n % ARRAY_LEN(names)];
			struct seccomp_data d = { .nr = names_syscall(names_native_arch(), name),
						  .arch = names_arch_audit(names_native_arch()) };
			uint32_t was, is;

			for (int k = 0; k < 6; k++)
				d.args[k] = pick(&seed);
			was = bpf_run(&installed.filter.gate, &d, NULL);
			is = bpf_run(&wanted.filter.gate, &d, NULL);
			assert_true(was == is || names_action_of_ret(was) == ACT_NOTIFY);
		}
		gate_fini(&installed);
		gate_fini(&wanted);
	}
}

/* Masks that overlap on one argument: not told, so not covered. */
static void test_unknown(void **state)
{
	struct found f = compare(OPEN(RULE("clone", "ERRNO", MASK("0", "3", "1"))),
				 OPEN(RULE("clone", "ERRNO", MASK("0", "6", "2"))));

	(void)state;
	assert_string_equal(f.names, "clone ");
	assert_true(f.unknown > 0);
}

static char *read_default(void)
{
	char *text;
	size_t len;
	struct err e;

	if (json_slurp_path("tests/data/docker-default.json", &text, &len, &e))
		fail_msg("%s", e.msg);
	return text;
}

static void test_docker(void **state)
{
	auto_free char *text = read_default();
	struct found f = compare(text, text);

	(void)state;
	assert_int_equal(f.n, 0);
	f = compare(text, CLOSED(ALLOW("read")));
	assert_true(f.n > 300 && !f.unknown);
	f = compare(CLOSED(""), text);
	assert_int_equal(f.n, 0);
}

static void test_actions(void **state)
{
	const uint32_t audit = names_arch_audit(names_native_arch());
	static const struct {
		const char *text, *name;
		unsigned acts;
	} calls[] = {
		{ OPEN(DENY("mkdir")), "mkdir", 1U << ACT_NOTIFY },
		{ OPEN(DENY("mkdir")), "chmod", 1U << ACT_ALLOW },
		{ OPEN(DENY("mkdir")), "exit_group", 1U << ACT_ALLOW },
		{ OPEN(DENY("mkdir")), "execve", 1U << ACT_NOTIFY },
		{ OPEN(RULE("mkdir", "TRAP", "")), "mkdir", 1U << ACT_TRAP },
		{ OPEN(RULE("mkdir", "ERRNO", IF("1", "EQ", "8"))), "mkdir",
		  1U << ACT_NOTIFY | 1U << ACT_ALLOW },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		int nr = names_syscall(names_native_arch(), calls[i].name);
		unsigned acts = 0;
		struct gate g;
		struct err e;

		compile(calls[i].text, &g);
		assert_int_equal(cover_actions(&g.filter.gate, audit, (uint32_t)nr, &acts, &e), 0);
		assert_int_equal(acts, calls[i].acts);
		gate_fini(&g);
	}
}

/* A program that does what none of ours does is not guessed about. */
static void test_odd(void **state)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct bpf_prog p = { ARRAY_LEN(insn), insn };
	struct found f = { 0 };
	unsigned acts = 77;
	struct err e;

	(void)state;
	assert_int_equal(cover_actions(&p, 0, 0, &acts, &e), -ENOTSUP);
	assert_int_equal(acts, 77);
	assert_int_equal(cover_check(&p, &p, note, &f, &e), 0);
	assert_true(f.n && f.unknown);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),    cmocka_unit_test(test_tried),
		cmocka_unit_test(test_unknown), cmocka_unit_test(test_docker),
		cmocka_unit_test(test_actions), cmocka_unit_test(test_odd),
	};

	names_init();
	return cmocka_run_group_tests_name("cover", tests, NULL, NULL);
}
