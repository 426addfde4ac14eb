/* SPDX-License-Identifier: Apache-2.0 */
/* native.c - what a gate becomes as linux.seccomp: held against the gate, call by call. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "warder/filter.h"
#include "warder/names.h"
#include "warder/native.h"
#include "warder/own.h"

static const char policy[] =
	"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\","
	"\"SCMP_ARCH_X86\"],\"syscalls\":["
	"{\"names\":[\"read\",\"write\",\"clone\",\"uselib\"],\"action\":\"SCMP_ACT_ALLOW\"},"
	"{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
	"\"value\":8,\"op\":\"SCMP_CMP_EQ\"}]},"
	"{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_TRAP\"}],"
	"\"warder\":{\"rules\":[{\"names\":[\"keyctl\"],\"verdict\":\"deny\",\"errno\":\"EACCES\","
	"\"live\":false}]}}";

static const char open_policy[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
				  "[\"mkdir\",\"write\"],\"action\":\"SCMP_ACT_ERRNO\"}]}";

static void compile(const char *text, struct filter *f)
{
	const struct policy *p;
	struct filter_opts o = { 0 };
	struct ruleset rules;
	struct host host;
	struct err e;

	host_init(&host);
	if (policy_parse("p", "p.json", text, strlen(text), &p, NULL, &e) ||
	    profile_resolve(p->profile, &host, &rules, &e) || filter_build(p, &rules, &o, f, &e))
		fail_msg("%s", e.msg);
	ruleset_fini(&rules);
	policy_free(p);
}

static struct json_object *make(const char *text, const char *runtime, const char *own,
				struct json_object **left)
{
	struct native_opts o = { .runtime = native_runtime(runtime),
				 .socket = "/s",
				 .metadata = "p:audit",
				 .own = own ? json_tokener_parse(own) : NULL };
	struct json_object *out = NULL;
	struct filter f;
	struct err e;

	assert_true(!own || o.own);
	compile(text, &f);
	if (native_profile(&f.gate, &o, &out, left, &e))
		fail_msg("%s", e.msg);
	filter_fini(&f);
	json_object_put(o.own);
	return out;
}

static const char *text_of(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

/* The only entry that names a call; NULL: none. */
static struct json_object *entry_of(struct json_object *profile, const char *name)
{
	struct json_object *rules = json_object_object_get(profile, "syscalls"), *found = NULL;

	for (size_t i = 0; i < json_object_array_length(rules); i++) {
		struct json_object *entry = json_object_array_get_idx(rules, i);
		struct json_object *names = json_object_object_get(entry, "names");

		for (size_t k = 0; k < json_object_array_length(names); k++) {
			const char *word =
				json_object_get_string(json_object_array_get_idx(names, k));

			if (strcmp(word, name) != 0)
				continue;
			assert_null(found);
			found = entry;
		}
	}
	return found;
}

static void assert_action(struct json_object *profile, const char *name, const char *action)
{
	struct json_object *entry = entry_of(profile, name);

	if (!entry || strcmp(text_of(entry, "action"), action) != 0)
		fail_msg("%s: %s, not %s", name, entry ? text_of(entry, "action") : "not named",
			 action);
}

static void test_gate_alone(void **state)
{
	struct json_object *left, *p = make(policy, "runc", NULL, &left);

	(void)state;
	assert_string_equal(text_of(p, "defaultAction"), "SCMP_ACT_ERRNO");
	assert_string_equal(text_of(p, "defaultErrnoRet"), "38");
	assert_string_equal(text_of(p, "listenerPath"), "/s");
	assert_string_equal(text_of(p, "listenerMetadata"), "p:audit");
	assert_int_equal(json_object_array_length(json_object_object_get(p, "architectures")), 2);
	assert_action(p, "read", "SCMP_ACT_ALLOW");
	assert_action(p, "rt_sigreturn", "SCMP_ACT_ALLOW");
	assert_action(p, "execve", "SCMP_ACT_NOTIFY");
	assert_action(p, "execveat", "SCMP_ACT_NOTIFY");
	assert_action(p, "mkdir", "SCMP_ACT_NOTIFY");
	assert_action(p, "personality", "SCMP_ACT_NOTIFY"); /* depends on arguments */
	assert_action(p, "ptrace", "SCMP_ACT_TRAP");
	assert_action(p, "keyctl", "SCMP_ACT_ERRNO");
	assert_string_equal(text_of(entry_of(p, "keyctl"), "errnoRet"), "13");
	assert_action(p, "socketcall", "SCMP_ACT_NOTIFY"); /* of x86 alone */
	assert_int_equal(json_object_array_length(left), 0);
	assert_true(native_has_listener(p, NULL));
	assert_true(native_asks_exec(p));
	json_object_put(p);
	json_object_put(left);
}

static void test_each_call_is_asked_about_where_the_gate_does(void **state)
{
	struct json_object *left, *p = make(policy, "runc", NULL, &left);
	struct filter f;
	int asked = 0;

	(void)state;
	compile(policy, &f);
	for (int nr = 0; nr < 500; nr++) {
		const struct seccomp_data call = { .arch = names_arch_audit(ARCH_X86_64),
						   .nr = nr };
		const char *name = names_syscall_name(ARCH_X86_64, nr);

		if (!name || bpf_run(&f.gate, &call, NULL) != SECCOMP_RET_USER_NOTIF)
			continue;
		assert_action(p, name, "SCMP_ACT_NOTIFY");
		asked++;
	}
	assert_true(asked > 300);
	filter_fini(&f);
	json_object_put(p);
	json_object_put(left);
}

static void test_what_a_runtime_refuses_is_left_out(void **state)
{
	struct json_object *left, *p = make(open_policy, "runc", NULL, &left);

	(void)state;
	assert_string_equal(text_of(p, "defaultAction"), "SCMP_ACT_ALLOW");
	assert_string_equal(json_object_to_json_string(left), "[ \"write\" ]");
	assert_null(entry_of(p, "write"));
	json_object_put(p);
	json_object_put(left);
	p = make(open_policy, "something-new", NULL, &left);
	assert_int_equal(json_object_array_length(left), 1);
	json_object_put(p);
	json_object_put(left);
	p = make(open_policy, "crun", NULL, &left);
	assert_action(p, "write", "SCMP_ACT_NOTIFY");
	assert_int_equal(json_object_array_length(left), 0);
	json_object_put(p);
	json_object_put(left);
}

static void test_own_that_allows(void **state)
{
	static const char own[] =
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[],\"syscalls\":["
		"{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,"
		"\"value\":8,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_KILL\"}]}";
	struct json_object *left, *p = make(open_policy, "crun", own, &left);

	(void)state;
	assert_action(p, "mkdir", "SCMP_ACT_ERRNO");
	assert_string_equal(json_object_to_json_string(left), "[ \"mkdir\" ]");
	assert_action(p, "mount", "SCMP_ACT_KILL");
	assert_action(p, "write", "SCMP_ACT_NOTIFY");
	assert_action(p, "execve", "SCMP_ACT_NOTIFY");
	assert_non_null(json_object_object_get(p, "flags"));
	json_object_put(p);
	json_object_put(left);
}

static void test_own_is_checked(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"syscalls\":{}}", "syscalls: must be an array" },
		{ "{\"syscalls\":[7]}", "syscalls[0]: must be an object" },
	};
	struct native_opts o = { .runtime = native_runtime("runc"), .socket = "", .metadata = "" };
	struct json_object *out = NULL, *left = NULL;
	struct filter f;
	struct err e;

	(void)state;
	compile(policy, &f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		o.own = json_tokener_parse(rows[i][0]);
		assert_int_equal(native_profile(&f.gate, &o, &out, &left, &e), -EINVAL);
		assert_non_null(strstr(e.msg, rows[i][1]));
		assert_null(out);
		json_object_put(o.own);
	}
	filter_fini(&f);
}

static void test_listener(void **state)
{
	static const struct {
		const char *text;
		bool listener, exec;
	} rows[] = {
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", false, false },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", true, true },
		{ "{\"listenerPath\":\"/x\"}", true, false },
		{ "{\"listenerPath\":\"\"}", false, false },
		{ "{\"syscalls\":[{\"names\":[\"execve\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}", true,
		  false },
		{ "{\"syscalls\":[{\"names\":[\"execve\",\"execveat\"],\"action\":\"SCMP_ACT_"
		  "NOTIFY\"}]}",
		  true, true },
		{ "{\"syscalls\":[{\"names\":[\"execve\",\"execveat\"],\"action\":\"SCMP_ACT_"
		  "NOTIFY\","
		  "\"args\":[{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		  true, false },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"syscalls\":[{\"names\":[\"execve\"],"
		  "\"action\":\"SCMP_ACT_ALLOW\"}]}",
		  true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_object *profile = json_tokener_parse(rows[i].text);

		if (native_has_listener(profile, NULL) != rows[i].listener ||
		    native_asks_exec(profile) != rows[i].exec)
			fail_msg("%s", rows[i].text);
		json_object_put(profile);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate_alone),
		cmocka_unit_test(test_each_call_is_asked_about_where_the_gate_does),
		cmocka_unit_test(test_what_a_runtime_refuses_is_left_out),
		cmocka_unit_test(test_own_that_allows),
		cmocka_unit_test(test_own_is_checked),
		cmocka_unit_test(test_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
