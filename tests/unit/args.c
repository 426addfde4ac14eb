/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - command lines as engines give them, in the spellings of runc, crun and youki. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "args.h"
#include "warder/own.h"

#define MAX_WORDS 24

static void read_line(const char *line, char *buf, struct args *out)
{
	char *argv[MAX_WORDS], *save = NULL;
	int n = 0;

	strcpy(buf, line);
	for (char *word = strtok_r(buf, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	args_read(n, argv, out);
}

static void assert_text(const char *line, const char *got, const char *want)
{
	if (!got != !want || (got && strcmp(got, want) != 0))
		fail_msg("%s: %s, not %s", line, got ? got : "nothing", want ? want : "nothing");
}

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		enum args_kind kind;
		const char *bundle, *id, *log;
	} rows[] = {
		/* containerd's shim, Docker's, conmon (podman, CRI-O), crun, youki, by hand */
		{ "--root /run/x --log /b/log.json --log-format json create --bundle /b --pid-file "
		  "/b/init.pid c1",
		  ARGS_START, "/b", "c1", "/b/log.json" },
		{ "--root /r --log /l --log-format json --systemd-cgroup create --bundle /b "
		  "--pid-file p --console-socket s --no-pivot --no-new-keyring --preserve-fds 3 c1",
		  ARGS_START, "/b", "c1", "/l" },
		{ "--cgroup-manager=disabled --log-level error --rootless=true create -b /b c1",
		  ARGS_START, "/b", "c1", NULL },
		{ "-r /r -l /l run -p pid -b/b c1", ARGS_START, "/b", "c1", "/l" },
		{ "run c1 --bundle=/b", ARGS_START, "/b", "c1", NULL },
		{ "run -db /b c1", ARGS_START, "/b", "c1", NULL },
		{ "run -d -bundle /b c1", ARGS_START, "/b", "c1", NULL },
		{ "run -b=/b -- -c1", ARGS_START, "/b", "-c1", NULL },
		{ "--debug run c1", ARGS_START, NULL, "c1", NULL },
		{ "create --bundle", ARGS_START, NULL, NULL, NULL },
		{ "create", ARGS_START, NULL, NULL, NULL },
		/* not ours */
		{ "--root create state c1", ARGS_OTHER, NULL, NULL, NULL },
		{ "--root /r exec --process p.json c1 run create", ARGS_OTHER, NULL, NULL, NULL },
		{ "delete --force create", ARGS_OTHER, NULL, NULL, NULL },
		{ "--version", ARGS_OTHER, NULL, NULL, NULL },
		{ "", ARGS_OTHER, NULL, NULL, NULL },
		{ "novel c1", ARGS_OTHER, NULL, NULL, NULL },
		/* what may be a create */
		{ "--novel value create -b /b c1", ARGS_UNCLEAR, NULL, NULL, NULL },
		{ "-z create -b /b c1", ARGS_UNCLEAR, NULL, NULL, NULL },
		{ "create -zb /b c1", ARGS_UNCLEAR, "", NULL, NULL },
	};
	char buf[512];
	struct args a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		read_line(rows[i].line, buf, &a);
		if (a.kind != rows[i].kind)
			fail_msg("%s: kind %d, not %d", rows[i].line, a.kind, rows[i].kind);
		if (a.kind == ARGS_UNCLEAR)
			assert_non_null(a.unclear);
		if (a.kind != ARGS_START)
			continue;
		assert_text(rows[i].line, a.bundle, rows[i].bundle);
		assert_text(rows[i].line, a.id, rows[i].id);
		assert_text(rows[i].line, a.log, rows[i].log);
	}
}

static void test_log_and_config(void **state)
{
	char buf[512];
	struct args a;

	(void)state;
	read_line("--log-format=json create c", buf, &a);
	assert_true(a.log_json);
	read_line("--log-format text create c", buf, &a);
	assert_false(a.log_json);
	read_line("run -f other.json c", buf, &a);
	assert_string_equal(a.config, "other.json");
	assert_string_equal(a.command, "run");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_log_and_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
