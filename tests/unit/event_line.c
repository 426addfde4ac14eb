/* SPDX-License-Identifier: Apache-2.0 */
/* event_line.c - one event for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/event_line.c"
#include "../../cli/plain.c"
#include "warder/own.h"

#define HEAD "{\"time\":\"2026-11-24T12:46:36.918806925Z\",\"container\":\"web\","
#define CALL                                                                            \
	HEAD "\"type\":\"call\",\"syscall\":\"unshare\",\"nr\":272,\"args\":[\"0x10\"," \
	     "\"0x0\",\"0x0\",\"0x0\",\"0x0\",\"0x0\"],\"pid\":6,"
#define ARGS "unshare(0x10, 0x0, 0x0, 0x0, 0x0, 0x0)"

static void lines(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ CALL "\"verdict\":\"deny\",\"done\":\"errno\",\"errno\":\"EPERM\",\"comm\":"
		       "\"sh\",\"exe\":\"/bin/sh\",\"rule\":\"default\",\"message\":\"no\"}",
		  "12:46:36.918  web  denied EPERM  " ARGS "  sh[6] /bin/sh  default: no" },
		{ CALL "\"verdict\":\"deny\",\"done\":\"continue\",\"errno\":\"EPERM\",\"comm\":"
		       "\"sh\",\"count\":12}",
		  "12:46:36.918  web  would be denied EPERM  " ARGS "  sh[6]  x12" },
		{ CALL "\"verdict\":\"kill\",\"done\":\"continue\",\"comm\":\"sh\"}",
		  "12:46:36.918  web  would be killed  " ARGS "  sh[6]" },
		{ CALL "\"verdict\":\"kill\",\"done\":\"kill_process\",\"outcome\":\"unknown\"}",
		  "12:46:36.918  web  killed  " ARGS "  ?[6] (the answer may not have arrived)" },
		{ CALL "\"verdict\":\"allow\",\"done\":\"continue\",\"comm\":\"\\u001b[2J\"}",
		  "12:46:36.918  web  let through  " ARGS "  \\x1b[2J[6]" },
		{ HEAD "\"type\":\"session_start\",\"policy\":\"default\",\"mode\":\"audit\"}",
		  "12:46:36.918  web  starts  policy default, audit" },
		{ HEAD "\"type\":\"session_end\",\"received\":3,\"denied\":2}",
		  "12:46:36.918  web  ends  received 3 denied 2" },
		{ HEAD "\"type\":\"lost\",\"count\":5}",
		  "12:46:36.918  web  lost: events that are not shown  x5" },
	};
	char buf[EVENT_LINE_TEXT];

	(void)state;
	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(event_line(rows[i].in, strlen(rows[i].in), buf, sizeof buf));
		assert_string_equal(buf, rows[i].out);
	}
}

static void no_events(void **state)
{
	static const char *const rows[] = { "", "{", "[]", HEAD "\"type\":\"of the future\"}" };
	char buf[EVENT_LINE_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_false(event_line(rows[i], strlen(rows[i]), buf, sizeof buf));
}

static void cut(void **state)
{
	const char *line = HEAD "\"type\":\"session_start\",\"policy\":\"default\"}";
	char buf[24];

	(void)state;
	assert_true(event_line(line, strlen(line), buf, sizeof buf));
	assert_int_equal(strlen(buf), sizeof buf - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(no_events),
		cmocka_unit_test(cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
