/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - tests of warderd's configuration and of who may choose what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../supervisor/config.h"
#include "warder/own.h"

static int load(const char *text, struct config *c, struct err *e)
{
	char path[] = "/tmp/warder-config-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	r = config_load(path, c, e);
	if (r)
		assert_non_null(strstr(e->msg, path));
	unlink(path);
	return r;
}

static void test_defaults(void **state)
{
	struct config c;
	struct err e;

	(void)state;
	config_init(&c);
	for (int i = 0; i < 2; i++) { /* an empty object changes nothing */
		assert_string_equal(c.socket, "/run/warder/listener.sock");
		assert_string_equal(c.policies, "/etc/warder/policies");
		assert_string_equal(c.policy, "default");
		assert_int_equal(c.n_sinks, 1);
		assert_int_equal(c.sinks[0].type, SINK_file);
		assert_string_equal(c.sinks[0].path, "/var/log/warder/events.json");
		assert_int_equal(c.mode, -1);
		assert_int_equal(c.timeout_ns, 5000000000);
		assert_int_equal(c.n_policies + c.n_modes, 0);
		assert_int_equal(load("{}", &c, &e), 0);
	}
	config_fini(&c);
}

static void test_all_keys(void **state)
{
	struct config c;
	struct err e;

	(void)state;
	config_init(&c);
	assert_int_equal(load("{\"socket\": \"/a\", \"policies\": \"/b\", \"policy\": \"web\", "
			      "\"mode\": \"enforce\", \"events\": \"-\", \"timeout\": \"250ms\", "
			      "\"annotations\": {\"policy\": [\"web\", \"db-1.2\"], "
			      "\"mode\": [\"audit\", \"record\"]}}",
			      &c, &e),
			 0);
	assert_string_equal(c.socket, "/a");
	assert_string_equal(c.policies, "/b");
	assert_string_equal(c.policy, "web");
	assert_int_equal(c.sinks[0].type, SINK_stdout);
	assert_int_equal(c.mode, MODE_ENFORCE);
	assert_int_equal(c.timeout_ns, 250000000);
	assert_int_equal(c.n_policies, 2);
	assert_string_equal(c.allow_policy[1], "db-1.2");
	assert_int_equal(c.n_modes, 2);
	assert_int_equal(c.allow_mode[0], MODE_AUDIT);
	config_fini(&c);
}

static const struct {
	const char *text, *says;
} refused[] = {
	{ "", "" },
	{ "[]", "" },
	{ "{", "" },
	{ "null", "" },
	{ "{} x", "" },
	{ "{\"sockets\": \"/a\"}", "sockets: unknown key" },
	{ "{\"socket\": 1}", "socket" },
	{ "{\"socket\": null}", "socket" },
	{ "{\"policy\": \"../etc/shadow\"}", "no policy name" },
	{ "{\"policy\": \"\"}", "no policy name" },
	{ "{\"policy\": \".hidden\"}", "no policy name" },
	{ "{\"mode\": \"off\"}", "\"off\" is no mode" },
	{ "{\"mode\": 1}", "mode" },
	{ "{\"timeout\": \"0s\"}", "timeout: must be more than 0" },
	{ "{\"timeout\": 5}", "timeout" },
	{ "{\"timeout\": \"soon\"}", "timeout" },
	{ "{\"annotations\": []}", "annotations" },
	{ "{\"annotations\": {\"modes\": []}}", "annotations.modes: unknown key" },
	{ "{\"annotations\": {\"policy\": \"web\"}}", "annotations.policy" },
	{ "{\"annotations\": {\"policy\": [\"a\", \"b/c\"]}}", "annotations.policy[1]" },
	{ "{\"annotations\": {\"mode\": [\"audit\", \"none\"]}}", "annotations.mode[1]" },
	{ "{\"annotations\": {\"mode\": [null]}}", "annotations.mode[0]" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct config c, before;
		struct err e = { 0 };

		config_init(&c);
		before = c;
		assert_int_equal(load(refused[i].text, &c, &e), -EINVAL);
		assert_memory_equal(&c, &before, sizeof c);
		if (!strstr(e.msg, refused[i].says))
			fail_msg("%s: \"%s\" lacks \"%s\"", refused[i].text, e.msg,
				 refused[i].says);
	}
}

static void test_lists_end(void **state)
{
	char text[4096] = "{\"annotations\": {\"mode\": [\"audit\"";
	struct config c;
	struct err e;

	(void)state;
	config_init(&c);
	for (int i = 0; i < CONFIG_LIST; i++)
		strcat(text, ", \"audit\"");
	strcat(text, "]}}");
	assert_int_equal(load(text, &c, &e), -EINVAL);
	assert_int_equal(c.n_modes, 0);
	assert_int_equal(config_load("/nonexistent/warder.json", &c, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "/nonexistent/warder.json"));
}

static const struct {
	struct choice want;
	int result;
	const char *name;
} policies[] = {
	{ { 0 }, 0, "default" },
	{ { .policy = "hooks" }, 0, "hooks" },
	{ { .policy = "../x" }, -EINVAL, NULL },
	{ { .policy = "" }, -EINVAL, NULL },
	{ { .annotated_policy = "web" }, 0, "web" },
	{ { .policy = "hooks", .annotated_policy = "web" }, 0, "web" },
	{ { .annotated_policy = "other" }, -EPERM, NULL },
	{ { .annotated_policy = "default" }, -EPERM, NULL },
	{ { .annotated_policy = "../../etc/shadow" }, -EINVAL, NULL },
	{ { .annotated_policy = "" }, -EINVAL, NULL },
};

static void test_choose_policy(void **state)
{
	struct config c;

	(void)state;
	config_init(&c);
	c.allow_policy[c.n_policies++] = "db";
	c.allow_policy[c.n_policies++] = "web";
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		const char *name = NULL;
		struct err e;

		assert_int_equal(config_choose_policy(&c, &policies[i].want, &name, &e),
				 policies[i].result);
		if (policies[i].name)
			assert_string_equal(name, policies[i].name);
		else
			assert_null(name);
	}
}

enum { OWN = -1, NONE = -2 };

static const struct {
	int configured; /* enum mode or OWN */
	enum mode own;
	struct choice want;
	bool audit_listed;
	int result;
	int mode; /* NONE: untouched */
} modes[] = {
	{ OWN, MODE_AUDIT, { 0 }, false, 0, MODE_AUDIT },
	{ OWN, MODE_ENFORCE, { 0 }, false, 0, MODE_ENFORCE },
	{ MODE_AUDIT, MODE_ENFORCE, { 0 }, false, 0, MODE_AUDIT },
	{ MODE_ENFORCE, MODE_AUDIT, { 0 }, false, 0, MODE_ENFORCE },
	{ MODE_ENFORCE, MODE_AUDIT, { .mode = "record" }, false, 0, MODE_RECORD },
	{ OWN, MODE_AUDIT, { .mode = "off" }, false, -EINVAL, NONE },
	{ OWN, MODE_AUDIT, { .annotated_mode = "enforce" }, false, 0, MODE_ENFORCE },
	{ OWN, MODE_RECORD, { .annotated_mode = "enforce" }, false, 0, MODE_ENFORCE },
	{ OWN, MODE_AUDIT, { .annotated_mode = "audit" }, false, 0, MODE_AUDIT },
	{ OWN, MODE_ENFORCE, { .annotated_mode = "audit" }, false, -EPERM, NONE },
	{ OWN, MODE_ENFORCE, { .annotated_mode = "audit" }, true, 0, MODE_AUDIT },
	{ OWN, MODE_ENFORCE, { .annotated_mode = "record" }, true, -EPERM, NONE },
	{ OWN, MODE_AUDIT, { .annotated_mode = "record" }, false, -EPERM, NONE },
	{ OWN, MODE_AUDIT, { .mode = "enforce", .annotated_mode = "audit" }, false, -EPERM, NONE },
	{ OWN, MODE_AUDIT, { .annotated_mode = "" }, false, -EINVAL, NONE },
	{ OWN, MODE_AUDIT, { .annotated_mode = "Enforce" }, false, -EINVAL, NONE },
};

static void test_choose_mode(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		enum mode mode = (enum mode)NONE;
		struct config c;
		struct err e;

		config_init(&c);
		c.mode = modes[i].configured;
		if (modes[i].audit_listed)
			c.allow_mode[c.n_modes++] = MODE_AUDIT;
		assert_int_equal(config_choose_mode(&c, &modes[i].want, modes[i].own, &mode, &e),
				 modes[i].result);
		assert_int_equal((int)mode, modes[i].mode);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_refused),       cmocka_unit_test(test_lists_end),
		cmocka_unit_test(test_choose_policy), cmocka_unit_test(test_choose_mode),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
