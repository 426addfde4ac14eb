/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - the doctor's frame: probes that hang, die, leave children or say nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/probe.c"

static void hang(struct probe_result *out, const void *arg)
{
	(void)out;
	(void)arg;
	for (;;)
		pause();
}

static void die(struct probe_result *out, const void *arg)
{
	(void)out;
	(void)arg;
	raise(SIGKILL);
}

static void say_nothing(struct probe_result *out, const void *arg)
{
	(void)out;
	(void)arg;
}

static void give_arg(struct probe_result *out, const void *arg)
{
	say(out, true, "%s", (const char *)arg);
}

/* Leaves a notified call that nobody answers, and a child with the descriptor in arg. */
static void leave_waiting(struct probe_result *out, const void *arg)
{
	struct target t = { 0 };
	int r = target_start(&t, 0, call_once, 1);

	(void)arg;
	if (!fork())
		hang(out, arg);
	tell(out, r);
}

static void frame(void **state)
{
	static const struct {
		probe_fn *fn;
		int timeout;
		bool ok;
		const char *text;
	} rows[] = {
		{ hang, 50, false, "no answer within 50 ms" },
		{ die, 5000, false, "the probe died" },
		{ say_nothing, 5000, false, "no finding" },
		{ give_arg, 5000, true, "the argument" },
		{ leave_waiting, 5000, true, "works" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct probe_result found = { 0 };

		probe_run(rows[i].fn, "the argument", rows[i].timeout, &found);
		assert_string_equal(found.text, rows[i].text);
		assert_int_equal(found.ok, rows[i].ok);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
}

/* Everything that a probe started is gone: they all held the pipe's end. */
static void nothing_stays(void **state)
{
	struct probe_result found;
	int fds[2];
	char c;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	probe_run(leave_waiting, NULL, 5000, &found);
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(frame),
					    cmocka_unit_test(nothing_stays) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
