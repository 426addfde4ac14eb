/* SPDX-License-Identifier: Apache-2.0 */
/* behind.c - warder-runtime's configuration: what is accepted, each refusal, whose policy. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "behind.h"
#include "warder/own.h"

static char file[] = "/tmp/warder-behind.XXXXXX";

static int load(const char *text, struct behind *b, struct err *e)
{
	auto_file f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fflush(f);
	return behind_load(file, b, e);
}

static void test_refusals(void **state)
{
	static const char *const rows[][2] = {
		{ "[]", "must be an object" },
		{ "{\"runtme\":\"runc\"}", "runtme: unknown key" },
		{ "{\"runtime\":7}", "runtime: must be a string" },
		{ "{\"like\":\"docker\"}", "like: \"docker\" is not known (runc, crun, youki)" },
		{ "{\"policy\":\"../x\"}", "policy: \"../x\" is no policy name" },
		{ "{\"mode\":\"off\"}", "mode: \"off\" is no mode" },
		{ "{\"profile\":\"merge\"}", "profile: \"merge\" is neither keep nor replace" },
		{ "{\"timeout\":\"0s\"}", "timeout: must be more than 0" },
		{ "{\"timeout\":\"soon\"}", "timeout: \"soon\" is no time" },
		{ "{\"images\":{}}", "images: must be an array" },
		{ "{\"images\":[7]}", "images[0]: must be an object" },
		{ "{\"images\":[{\"policy\":\"a\"}]}", "images[0]: \"match\" is missing" },
		{ "{\"images\":[{\"match\":\"*\",\"name\":\"a\"}]}",
		  "images[0].name: unknown key" },
		{ "{\"images\":[{\"match\":\"*\",\"policy\":\"a/b\"}]}",
		  "images[0].policy: \"a/b\" is no policy name" },
		{ "{\"images\":[{\"match\":\"*\",\"mode\":\"x\"}]}",
		  "images[0].mode: \"x\" is no mode" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct behind b = { .runtime = "before" };
		struct err e;

		assert_int_equal(load(rows[i][0], &b, &e), -EINVAL);
		if (!strstr(e.msg, rows[i][1]))
			fail_msg("%s says \"%s\"", rows[i][0], e.msg);
		assert_string_equal(b.runtime, "before");
	}
}

static void test_choice(void **state)
{
	static const struct {
		const char *annotations, *policy, *mode;
	} rows[] = {
		{ "{}", "base", "audit" },
		{ "{\"io.kubernetes.cri.image-name\":\"docker.io/library/nginx:1\"}", "web",
		  "enforce" },
		{ "{\"io.kubernetes.cri-o.ImageName\":\"x/db\"}", "base", "record" },
		{ "{\"org.opencontainers.image.ref.name\":\"other\"}", "base", "audit" },
	};
	struct behind b = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(load("{\"policy\":\"base\",\"mode\":\"audit\",\"images\":["
			      "{\"match\":\"*/nginx:*\",\"policy\":\"web\",\"mode\":\"enforce\"},"
			      "{\"match\":\"x/*\",\"mode\":\"record\"}]}",
			      &b, &e),
			 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_object *notes = json_tokener_parse(rows[i].annotations);
		const char *policy = NULL, *mode = NULL;

		behind_choose(&b, notes, &policy, &mode);
		assert_string_equal(policy, rows[i].policy);
		assert_string_equal(mode, rows[i].mode);
		json_object_put(notes);
	}
	behind_fini(&b);
}

static void test_find(void **state)
{
	struct behind b;
	struct err e;
	char *path;

	(void)state;
	behind_init(&b);
	assert_string_equal(behind_limits(&b)->name, "runc");
	b.runtime = "sh";
	setenv("PATH", "/nowhere::/bin", 1);
	assert_int_equal(behind_find(&b, &path, &e), 0);
	assert_string_equal(path, "/bin/sh");
	free(path);
	setenv("PATH", "", 1);
	assert_int_equal(behind_find(&b, &path, &e), 0);
	free(path);
	b.runtime = "./sh";
	assert_int_equal(behind_find(&b, &path, &e), -EINVAL);
	b.runtime = "/bin";
	assert_int_equal(behind_find(&b, &path, &e), -EACCES);
	b.runtime = "/opt/crun";
	assert_int_equal(behind_find(&b, &path, &e), -ENOENT);
	assert_string_equal(behind_limits(&b)->name, "crun");
	b.like = "youki";
	assert_string_equal(behind_limits(&b)->name, "youki");
}

static int make_file(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
