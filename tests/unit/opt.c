/* SPDX-License-Identifier: Apache-2.0 */
/* opt.c - option rows: parsing, durations, messages. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "warder/opt.h"
#include "warder/own.h"

static struct {
	bool flag;
	const char *text;
	uint64_t number, time;
} got;

static const struct opt rows[] = {
	{ "flag", 'f', OPT_FLAG, &got.flag, NULL, "a flag" },
	{ "text", 't', OPT_STR, &got.text, "TEXT", "a text" },
	{ "number", 0, OPT_U64, &got.number, "N", "a number" },
	{ "time", 0, OPT_DURATION, &got.time, "TIME", "a time" },
	{ 0 },
};
static const struct opt_usage usage = { "prog", "ARG", "a test", rows, NULL, false };

static int parse(int *first, struct err *e, int argc, const char **argv)
{
	memset(&got, 0, sizeof got);
	return opt_parse(&usage, argc, (char **)(uintptr_t)argv, first, e);
}

static void test_forms(void **state)
{
	const char *argv[] = { "prog",   "-f", "--text=a b", "--number", "0x10",
			       "--time", "5s", "word",       "-x" };
	int first;
	struct err e;

	(void)state;
	assert_int_equal(parse(&first, &e, ARRAY_LEN(argv), argv), 0);
	assert_true(got.flag);
	assert_string_equal(got.text, "a b");
	assert_int_equal(got.number, 16);
	assert_int_equal(got.time, 5000000000ULL);
	assert_int_equal(first, 7); /* the first word ends the options */
}

static void test_ends(void **state)
{
	const char *dashes[] = { "prog", "-tvalue", "--", "-f" }, *dash[] = { "prog", "-", "-f" };
	int first;
	struct err e;

	(void)state;
	assert_int_equal(parse(&first, &e, ARRAY_LEN(dashes), dashes), 0);
	assert_string_equal(got.text, "value");
	assert_int_equal(first, 3);
	assert_int_equal(parse(&first, &e, ARRAY_LEN(dash), dash), 0);
	assert_int_equal(first, 1);
}

static void test_errors(void **state)
{
	static const struct {
		const char *argv[3];
		const char *says;
	} bad[] = {
		{ { "prog", "--nothing" }, "unknown option \"--nothing\" (see prog --help)" },
		{ { "prog", "-z" }, "unknown option" },
		{ { "prog", "--text" }, "--text needs a value (TEXT)" },
		{ { "prog", "--flag=1" }, "--flag takes no value" },
		{ { "prog", "--number", "-1" }, "--number: \"-1\" is no number" },
		{ { "prog", "--number", "1x" }, "is no number" },
		{ { "prog", "--number", "99999999999999999999" }, "is no number" },
		{ { "prog", "--time", "5" }, "--time: \"5\" is no time" },
	};
	int first;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *argv[3] = { bad[i].argv[0], bad[i].argv[1], bad[i].argv[2] };

		assert_int_equal(parse(&first, &e, argv[2] ? 3 : 2, argv), -EINVAL);
		assert_non_null(strstr(e.msg, bad[i].says));
		assert_true(!got.flag && !got.text && !got.number && !got.time);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = { { "0s", 0 },
		     { "1ns", 1 },
		     { "2us", 2000 },
		     { "200ms", 200000000 },
		     { "3m", 180000000000 },
		     { "1h", 3600000000000 } };
	static const char *const bad[] = { "",
					   "5",
					   "s",
					   "-1s",
					   "1.5s",
					   "5 s",
					   "5S",
					   "1d",
					   "99999999999999999999s",
					   "9999999999999h" };
	uint64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(opt_duration(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	ns = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(opt_duration(bad[i], &ns), -EINVAL);
	assert_int_equal(ns, 7);
}

static void test_help_names_every_option(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	opt_help(&usage, f);
	fclose(f);
	for (const struct opt *o = rows; o->name; o++) {
		assert_non_null(strstr(text, o->name));
		assert_non_null(strstr(text, o->help));
	}
	assert_non_null(strstr(text, "--help"));
	assert_non_null(strstr(text, "usage: prog [OPTIONS] ARG"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_help_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
