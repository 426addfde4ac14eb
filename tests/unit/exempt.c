/* SPDX-License-Identifier: Apache-2.0 */
/* exempt.c - lists and workloads as rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "warder/exempt.h"
#include "warder/own.h"

struct row {
	const char *list, *id, *annotations;
	bool exempt;
};

#define NS "\"io.kubernetes.cri.sandbox-namespace\""
static const struct row rows[] = {
	{ "[]", "a", "{}", false },
	{ "[{\"namespace\": \"kube\"}]", "a", "{" NS ": \"kube\"}", true },
	{ "[{\"namespace\": \"kube\"}]", "a", "{" NS ": \"kube2\"}", false },
	{ "[{\"namespace\": \"kube\"}]", "kube", "{}", false },
	{ "[{\"container\": \"a\"}]", "a", NULL, true },
	{ "[{\"container\": \"a\"}]", "ab", "{\"io.container.name\": \"a\"}", true },
	{ "[{\"container\": \"a\", \"namespace\": \"k\"}]", "a", NULL, false },
	{ "[{\"container\": \"b\"}, {\"container\": \"a\"}]", "a", NULL, true },
	{ "[{\"annotations\": {\"x\": \"1\", \"y\": \"2\"}}]", "a", "{\"x\": \"1\"}", false },
	{ "[{\"annotations\": {\"x\": \"1\", \"y\": \"2\"}}]", "a", "{\"y\": \"2\", \"x\": \"1\"}",
	  true },
};

static void test_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_object *doc = NULL, *annotations = NULL;
		struct json_at at = { .file = "list" };
		struct exempt x;
		struct err e;

		assert_int_equal(json_parse("list", rows[i].list, strlen(rows[i].list), &doc, &e),
				 0);
		at.v = doc;
		assert_int_equal(exempt_parse(&at, &x, &e), 0);
		if (rows[i].annotations)
			assert_int_equal(json_parse("a", rows[i].annotations,
						    strlen(rows[i].annotations), &annotations, &e),
					 0);
		assert_int_equal(exempt_match(&x, rows[i].id, annotations), rows[i].exempt);
		json_object_put(annotations);
		json_object_put(doc);
	}
}

static void test_bad(void **state)
{
	static const char *const bad[] = { "{}",
					   "[1]",
					   "[{}]",
					   "[{\"x\": \"1\"}]",
					   "[{\"namespace\": 1}]",
					   "[{\"annotations\": {}}]",
					   "[{\"annotations\": {\"a\": 1}}]",
					   "[{\"annotations\": []}]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct json_at at = { .file = "list" };
		struct json_object *doc = NULL;
		struct exempt x;
		struct err e;

		assert_int_equal(json_parse("list", bad[i], strlen(bad[i]), &doc, &e), 0);
		at.v = doc;
		assert_int_equal(exempt_parse(&at, &x, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "list"));
		json_object_put(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_match),
					    cmocka_unit_test(test_bad) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
