/* SPDX-License-Identifier: Apache-2.0 */
/* oci.c - states, hand-overs and config.json: what is accepted, and each refusal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "warder/oci.h"
#include "warder/own.h"

static void test_state(void **state)
{
	const char *text =
		"{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"status\":\"creating\",\"pid\":12,"
		"\"bundle\":\"/b\",\"annotations\":{\"k\":\"v\\u001b\"},\"newer\":1}";
	struct oci_state s;
	struct err e;

	(void)state;
	assert_int_equal(oci_state_parse("stdin", text, strlen(text), &s, &e), 0);
	assert_string_equal(s.id, "c1");
	assert_string_equal(s.status, "creating");
	assert_int_equal(s.pid, 12);
	assert_string_equal(s.bundle, "/b");
	assert_string_equal(oci_annotation(&s, "k"), "v\033");
	assert_null(oci_annotation(&s, "none"));
	oci_state_fini(&s);
}

static void test_state_refusals(void **state)
{
	static const char *const rows[][2] = {
		{ "", "stdin:1:1" },
		{ "[]", "stdin: must be an object" },
		{ "{}", "\"id\" is missing" },
		{ "{\"id\":\"\"}", "id: must have 1 to" },
		{ "{\"id\":7}", "id: must be a string" },
		{ "{\"id\":\"a\\u0000b\"}", "id: holds a NUL character" },
		{ "{\"id\":\"a\",\"pid\":-1}", "pid: is no process id" },
		{ "{\"id\":\"a\",\"pid\":4294967296}", "pid: is no process id" },
		{ "{\"id\":\"a\",\"pid\":\"1\"}", "pid: must be a whole number" },
		{ "{\"id\":\"a\",\"annotations\":[]}", "annotations: must be an object" },
		{ "{\"id\":\"a\",\"annotations\":{\"k\":1}}", "annotations.k: must be a string" },
		{ "{\"id\":\"a\",\"annotations\":{\"io.warder.mode\\u0000x\":\"audit\"}}",
		  "a NUL character in the name \"io.warder.mode\\u0000x\"" },
		{ "{\"id\":\"a\",\"bundle\":{}}", "bundle: must be a string" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_state s = { .pid = 77 };
		struct err e;

		assert_int_equal(oci_state_parse("stdin", rows[i][0], strlen(rows[i][0]), &s, &e),
				 -EINVAL);
		if (!strstr(e.msg, rows[i][1]))
			fail_msg("%s says \"%s\"", rows[i][0], e.msg);
		assert_int_equal(s.pid, 77);
	}
}

static void test_process_state(void **state)
{
	struct oci_state s = {
		.version = "1.0.2", .id = "c\"1", .status = "creating", .pid = 12, .bundle = "/b"
	};
	struct oci_process_state ps;
	struct err e;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(oci_process_state_format(&s, 12, "web", &text, &len, &e), 0);
	assert_int_equal(oci_process_state_parse(text, len, 1, &ps, &e), 0);
	assert_string_equal(ps.state.id, "c\"1");
	assert_string_equal(ps.metadata, "web");
	assert_int_equal(ps.pid, 12);
	assert_int_equal(ps.seccomp_fd_index, 0);
	oci_process_state_fini(&ps);
	assert_int_equal(oci_process_state_parse(text, len, 0, &ps, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "names 1 descriptors, 0 came along"));
	assert_int_equal(oci_process_state_parse(text, len, 2, &ps, &e), -EINVAL);
	free(text);
}

static void test_process_state_refusals(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"pid\":1,\"state\":{\"id\":\"a\"}}", "\"fds\" is missing" },
		{ "{\"fds\":[\"other\"],\"pid\":1,\"state\":{\"id\":\"a\"}}", "no \"seccompFd\"" },
		{ "{\"fds\":[7],\"pid\":1,\"state\":{\"id\":\"a\"}}", "fds[0]: must be a string" },
		{ "{\"fds\":[\"seccompFd\"],\"pid\":1}", "\"state\" is missing" },
		{ "{\"fds\":[\"seccompFd\"],\"state\":{\"id\":\"a\"}}", "\"pid\" is missing or 0" },
		{ "{\"fds\":[\"seccompFd\"],\"pid\":0,\"state\":{\"id\":\"a\",\"status\":"
		  "\"creating\"}}",
		  "\"pid\" is missing or 0" },
		{ "{\"fds\":[\"seccompFd\"],\"pid\":1,\"state\":{}}", "state: \"id\" is missing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_process_state ps;
		struct err e;

		assert_int_equal(oci_process_state_parse(rows[i][0], strlen(rows[i][0]), 1, &ps,
							 &e),
				 -EINVAL);
		if (!strstr(e.msg, rows[i][1]))
			fail_msg("%s says \"%s\"", rows[i][0], e.msg);
	}
}

/* crun 1.8, for what enters a running container */
static void test_process_state_of_crun_exec(void **state)
{
	static const char text[] =
		"{\n \"ociVersion\": \"0.2.0\", \"fds\": [ \"seccompFd\" ], \"pid\": 0,"
		" \"state\": { \"ociVersion\": \"0.2.0\", \"id\": \"p\","
		" \"status\": \"running\", \"pid\": 0, \"bundle\": \".\" } }\n";
	struct oci_process_state ps;
	struct err e;

	(void)state;
	assert_int_equal(oci_process_state_parse(text, strlen(text), 1, &ps, &e), 0);
	assert_int_equal(ps.pid, 0);
	oci_process_state_fini(&ps);
}

static void test_config(void **state)
{
	static const struct {
		const char *text;
		bool known, nnp, seccomp;
		uint64_t caps;
	} rows[] = {
		{ "{}", false, false, false, 0 },
		{ "{\"process\":{}}", true, false, false, 0 },
		{ "{\"process\":{\"noNewPrivileges\":true,\"capabilities\":{\"effective\":[\"CAP_"
		  "CHOWN\"]}}}",
		  true, true, false, 0 },
		{ "{\"process\":{\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\","
		  "\"CAP_FUTURE\"]}}}",
		  true, false, false, 1 | 1 << 21 },
		{ "{\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}}}", false, false,
		  true, 0 },
		{ "{\"linux\":{\"seccomp\":null}}", false, false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_config c;
		struct err e;

		assert_int_equal(oci_config_parse("c", rows[i].text, strlen(rows[i].text), &c, &e),
				 0);
		assert_int_equal(c.caps_known, rows[i].known);
		assert_int_equal(c.no_new_privs, rows[i].nnp);
		assert_int_equal(c.seccomp != NULL, rows[i].seccomp);
		assert_int_equal(c.bounding, rows[i].caps);
		oci_config_fini(&c);
	}
}

static void test_config_refusals(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"process\":[]}", "process: must be an object" },
		{ "{\"process\":{\"capabilities\":{\"bounding\":[1]}}}",
		  "process.capabilities.bounding[0]: must be a string" },
		{ "{\"linux\":7}", "linux: must be an object" },
		{ "{\"linux\":{\"seccomp\":[]}}", "linux.seccomp: must be an object" },
		{ "{\"process\":{\"noNewPrivileges\":1}}",
		  "process.noNewPrivileges: must be true or false" },
	};
	struct oci_config c;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(oci_config_parse("c", rows[i][0], strlen(rows[i][0]), &c, &e),
				 -EINVAL);
		if (!strstr(e.msg, rows[i][1]))
			fail_msg("%s says \"%s\"", rows[i][0], e.msg);
	}
	assert_int_equal(oci_config_read("relative", &c, &e), -EINVAL);
	assert_int_equal(oci_config_read("/nowhere", &c, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_state_refusals),
		cmocka_unit_test(test_process_state),
		cmocka_unit_test(test_process_state_refusals),
		cmocka_unit_test(test_process_state_of_crun_exec),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
