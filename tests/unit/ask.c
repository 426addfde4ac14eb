/* SPDX-License-Identifier: Apache-2.0 */
/* ask.c - question, answer and the sealed program. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "warder/ask.h"
#include "warder/own.h"

static void test_ask(void **state)
{
	struct json_object *notes = json_object_new_object();
	struct ask a = { .id = "c1",
			 .policy = "web",
			 .caps_known = true,
			 .caps = 0xa80425fb,
			 .annotations = notes },
		   b;
	struct err e;
	char *text;
	size_t len;

	(void)state;
	json_object_object_add(notes, "k", json_object_new_string("v"));
	assert_int_equal(ask_format(&a, &text, &len, &e), 0);
	assert_true(ask_is(text, len));
	assert_int_equal(ask_parse(text, len, &b, &e), 0);
	assert_string_equal(b.id, "c1");
	assert_string_equal(b.policy, "web");
	assert_null(b.mode);
	assert_true(b.caps_known);
	assert_int_equal(b.caps, a.caps);
	assert_int_equal(json_object_object_length(b.annotations), 1);
	ask_fini(&b);
	free(text);
	json_object_put(notes);
	assert_false(ask_is("{\"fds\":[]}", 10));
	assert_false(ask_is("x", 1));
}

static void test_ask_refusals(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"ask\":{\"id\":\"a\"}}", "\"warder\" is missing" },
		{ "{\"warder\":2,\"ask\":{\"id\":\"a\"}}", "warder: version 2, this one speaks 1" },
		{ "{\"warder\":1}", "\"ask\" is missing" },
		{ "{\"warder\":1,\"ask\":{}}", "ask: \"id\" is missing" },
		{ "{\"warder\":1,\"ask\":{\"id\":\"\"}}", "ask.id: must have" },
		{ "{\"warder\":1,\"ask\":{\"id\":\"a\",\"bounding\":\"12\"}}",
		  "ask.bounding: must be 16 hexadecimal" },
		{ "{\"warder\":1,\"ask\":{\"id\":\"a\",\"bounding\":\"-000000000000001\"}}",
		  "16 hexadecimal" },
		{ "{\"warder\":1,\"ask\":{\"id\":\"a\",\"bounding\":\"0x00000000000001\"}}",
		  "16 hexadecimal" },
		{ "{\"warder\":1,\"ask\":{\"id\":\"a\",\"annotations\":{\"k\":[]}}}",
		  "annotations.k: must be a string" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ask a;
		struct err e;

		assert_int_equal(ask_parse(rows[i][0], strlen(rows[i][0]), &a, &e), -EINVAL);
		if (!strstr(e.msg, rows[i][1]))
			fail_msg("%s says \"%s\"", rows[i][0], e.msg);
	}
}

static void test_answer(void **state)
{
	struct answer good = { .ok = true, .policy = "p", .mode = "audit", .syscalls_all = true },
		      bad = { .error = "no" }, b;
	struct err e;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(answer_format(&good, &text, &len, &e), 0);
	assert_int_equal(answer_parse(text, len, &b, &e), 0);
	assert_true(b.ok && b.syscalls_all && !b.exempt);
	assert_string_equal(b.mode, "audit");
	answer_fini(&b);
	free(text);
	assert_int_equal(answer_format(&bad, &text, &len, &e), 0);
	assert_int_equal(answer_parse(text, len, &b, &e), 0);
	assert_false(b.ok);
	assert_string_equal(b.error, "no");
	answer_fini(&b);
	free(text);
	assert_int_equal(answer_parse("{\"warder\":1,\"ok\":false}", 23, &b, &e), -EINVAL);
	assert_int_equal(answer_parse("{\"warder\":1}", 12, &b, &e), -EINVAL);
}

static void test_program(void **state)
{
	struct sock_filter insn[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct bpf_prog p = { 1, insn }, back;
	struct err e;
	int fd;

	(void)state;
	assert_int_equal(ask_put_prog(&p, &fd, &e), 0);
	assert_int_equal(write(fd, "x", 1), -1); /* sealed */
	assert_int_equal(ask_get_prog(fd, &back, &e), 0);
	assert_int_equal(back.len, 1);
	assert_int_equal(back.insn[0].k, SECCOMP_RET_ALLOW);
	bpf_fini(&back);
	close(fd);
}

/* vm.memfd_noexec=1 makes the kernel add a seal of its own to every memfd. */
static void test_program_sealed_further(void **state)
{
	static const int more[] = { F_SEAL_FUTURE_WRITE, 0x20 /* F_SEAL_EXEC, Linux 6.3 */ };
	struct sock_filter insn = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct bpf_prog back;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		auto_fd fd = memfd_create("test", MFD_ALLOW_SEALING);

		assert_int_equal(write(fd, &insn, sizeof insn), sizeof insn);
		if (fcntl(fd, F_ADD_SEALS, more[i])) /* not on this kernel */
			continue;
		assert_int_equal(fcntl(fd, F_ADD_SEALS,
				       F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
				 0);
		assert_int_equal(ask_get_prog(fd, &back, &e), 0);
		bpf_fini(&back);
	}
}

static void test_bad_programs(void **state)
{
	static const struct {
		size_t size;
		int seals;
		const char *says;
	} rows[] = {
		{ 8, 0, "not in sealed memory" },
		{ 8, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, "not in sealed memory" },
		{ 0, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
		  "a program of 0 bytes" },
		{ 7, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
		  "a program of 7 bytes" },
		{ 8 * 4097, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
		  "a program of" },
		{ 8, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, "instruction" },
	};
	struct bpf_prog p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_fd fd = memfd_create("test", MFD_ALLOW_SEALING);

		assert_int_equal(ftruncate(fd, (off_t)rows[i].size), 0);
		if (rows[i].seals)
			assert_int_equal(fcntl(fd, F_ADD_SEALS, rows[i].seals), 0);
		assert_true(ask_get_prog(fd, &p, &e) < 0);
		if (!strstr(e.msg, rows[i].says))
			fail_msg("row %zu says \"%s\"", i, e.msg);
	}
	assert_true(ask_get_prog(0, &p, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ask),
		cmocka_unit_test(test_ask_refusals),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_program_sealed_further),
		cmocka_unit_test(test_bad_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
