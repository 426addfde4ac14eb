/* SPDX-License-Identifier: Apache-2.0 */
/* doors.c - where warderd listens, and what it leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doors.h"
#include "warder/own.h"

struct rig {
	char dir[64], socket[128];
	struct config config;
	struct doors doors;
};

static int setup(void **state)
{
	static struct rig r;

	*state = &r;
	snprintf(r.dir, sizeof r.dir, "/tmp/doors.XXXXXX");
	if (!mkdtemp(r.dir))
		return -1;
	snprintf(r.socket, sizeof r.socket, "%s/s", r.dir);
	config_init(&r.config);
	r.config.socket = r.socket;
	doors_init(&r.doors);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	doors_close(&r->doors, &r->config, true);
	return rmdir(r->dir); /* nothing is left */
}

static void test_paths(void **state)
{
	struct config c;
	char path[DOOR_PATH_MAX];

	(void)state;
	config_init(&c);
	door_path(&c, DOOR_LISTENER, path);
	assert_string_equal(path, "/run/warder/listener.sock");
	door_path(&c, DOOR_API, path);
	assert_string_equal(path, "/run/warder/api.sock");
	door_path(&c, DOOR_KEEPER, path);
	assert_string_equal(path, "/run/warder/keeper.sock");
	door_path(&c, DOOR_METRICS, path);
	assert_string_equal(path, "");
	c.socket = "s";
	door_path(&c, DOOR_API, path);
	assert_string_equal(path, "api.sock");
	c.api = "/x/y";
	door_path(&c, DOOR_API, path);
	assert_string_equal(path, "/x/y");
	c.api = "none";
	door_path(&c, DOOR_API, path);
	assert_string_equal(path, "");
	for (int i = 0; i < DOOR_COUNT; i++)
		assert_int_equal(door_parse(door_word((enum door)i)), i);
	assert_int_equal(door_parse("state"), -1);
}

static void test_open(void **state)
{
	struct rig *r = *state;
	char path[DOOR_PATH_MAX];
	struct stat st;
	struct err e;
	int again = 0;

	r->config.metrics = "127.0.0.1:0";
	assert_int_equal(doors_open(&r->doors, &r->config, &e), 0);
	for (int i = 0; i < DOOR_COUNT; i++) {
		assert_true(r->doors.fd[i] >= 0);
		door_path(&r->config, (enum door)i, path);
		if (*path) {
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_mode & 0777, 0600);
		}
	}
	again = r->doors.fd[DOOR_API];
	assert_int_equal(doors_open(&r->doors, &r->config, &e), 0);
	assert_int_equal(r->doors.fd[DOOR_API], again);
}

static void test_given(void **state)
{
	struct rig *r = *state;
	struct stat st;
	struct err e;

	r->config.api = "none";
	assert_int_equal(doors_open(&r->doors, &r->config, &e), 0);
	assert_int_equal(r->doors.fd[DOOR_API], -1);
	r->doors.given[DOOR_LISTENER] = true;
	doors_close(&r->doors, &r->config, true);
	assert_int_equal(stat(r->socket, &st), 0);
	assert_int_equal(unlink(r->socket), 0);
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = { "",           ":80",          "127.0.0.1",
					   "127.0.0.1:", "localhost:80", "127.0.0.1:http",
					   "1.2.3.4.5:1" };
	struct rig *r = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		r->config.metrics = bad[i];
		assert_int_equal(doors_open(&r->doors, &r->config, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "is no ADDRESS:PORT"));
	}
	r->config.metrics = "192.0.2.1:9470"; /* nobody's here */
	assert_int_equal(doors_open(&r->doors, &r->config, &e), -EADDRNOTAVAIL);
	r->config.metrics = "[::1]:0";
	r->doors.fd[DOOR_METRICS] = -1;
	assert_int_equal(doors_open(&r->doors, &r->config, &e), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = { T(paths), T(open), T(given), T(bad_addresses) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
