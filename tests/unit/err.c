/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - messages are one printable line, whatever they are made of. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "warder/err.h"

static void test_words(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_set(&e, ENOENT, "open %s", "/x"), -ENOENT);
	assert_string_equal(e.msg, "open /x: No such file or directory");
	assert_int_equal(err_wrap(&e, "policy %s", "web"), -ENOENT);
	assert_string_equal(e.msg, "policy web: open /x: No such file or directory");
	assert_int_equal(err_set(&e, -EPERM, "no."), -EPERM);
	assert_string_equal(e.msg, "no.");
	assert_int_equal(err_set(&e, EINVAL, "bad word"), -EINVAL);
	assert_string_equal(e.msg, "bad word");
	assert_int_equal(err_set(&e, 0, "?"), -EINVAL);
}

static void test_long(void **state)
{
	char text[2000];
	struct err e;

	(void)state;
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = 0;
	err_set(&e, ENOENT, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	assert_string_equal(e.msg + sizeof e.msg - 4, "...");
	err_wrap(&e, "%s", text);
	assert_string_equal(e.msg + sizeof e.msg - 4, "...");
}

static void test_clean(void **state)
{
	static const char *const rows[][2] = {
		{ "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\033[31m\n\t\x7f", "?[31m???" },
		{ "\xc2\x9b"
		  "31m",
		  "??31m" },                    /* C1 */
		{ "\xe2\x80\xae", "???" },      /* right-to-left override */
		{ "\xe2\x80\xa8", "???" },      /* line separator */
		{ "\xed\xa0\x80", "???" },      /* surrogate */
		{ "\xc0\xaf", "??" },           /* overlong */
		{ "\xe0\x80\xaf", "???" },      /* overlong */
		{ "\xf4\x90\x80\x80", "????" }, /* beyond U+10FFFF */
		{ "\xe2\x82", "??" },           /* cut */
		{ "\xff", "?" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		strcpy(buf, rows[i][0]);
		err_clean(buf);
		assert_string_equal(buf, rows[i][1]);
	}
}

static void keep(void *ctx, const char *line)
{
	strcpy(ctx, line);
}

static void test_warn(void **state)
{
	char line[1024] = "";
	struct warn w = { keep, line };

	(void)state;
	warn_say(&w, "a\n%d", 1);
	assert_string_equal(line, "a?1");
	warn_say(NULL, "nobody");
	warn_say(&(struct warn){ NULL, NULL }, "nobody");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_warn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
