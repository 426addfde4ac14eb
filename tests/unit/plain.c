/* SPDX-License-Identifier: Apache-2.0 */
/* plain.c - text of others, made fit for a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/plain.c"
#include "warder/own.h"

static void texts(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "web-1", "web-1" },
		{ "\033[2J", "\\x1b[2J" },
		{ "a\nb\tc\177", "a\\x0ab\\x09c\\x7f" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xc2\x9b"
		  "31m",
		  "\\xc2\\x9b31m" },                   /* C1: CSI in one character */
		{ "\xe2\x80\xae", "\\xe2\\x80\\xae" }, /* right-to-left override */
		{ "\xff\xfe", "\\xff\\xfe" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(plain_text(rows[i].in, buf, sizeof buf), rows[i].out);
}

static void cut_at_whole_characters(void **state)
{
	char buf[6];

	(void)state;
	assert_string_equal(plain_text("abcdefgh", buf, sizeof buf), "abcde");
	assert_string_equal(plain_text("abcd\xc3\xa9", buf, sizeof buf), "abcd");
	assert_string_equal(plain_text("ab\033x", buf, sizeof buf), "ab");
}

static char *json_of(const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *to = open_memstream(&out, &size);

	plain_json_text(text, strlen(text), to);
	fclose(to);
	return out;
}

static void json(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "{\n \"a\": 1\n}", "{\n \"a\": 1\n}" },
		{ "\"\xc3\xa9\177\"", "\"\xc3\xa9\\u007f\"" },
		{ "\"\xc2\x9b\"", "\"\\u009b\"" },
		{ "\"\xe2\x80\xae\"", "\"\\u202e\"" },
		{ "\"\xff\"", "\"\\u00ff\"" },
		{ "\"\xf5\x80\x80\x80\"", "\"\\u00f5\\u0080\\u0080\\u0080\"" },
		{ "\xc2", "\\u00c2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *out = json_of(rows[i].in);

		assert_string_equal(out, rows[i].out);
	}
}

static void widths_of_texts(void **state)
{
	(void)state;
	assert_int_equal(plain_width("abc", 3), 3);
	assert_int_equal(plain_width("\xc3\xa9", 2), 1);
	assert_int_equal(plain_width("\xe6\xbc\xa2\xe5\xad\x97", 6), 4); /* two wide ones */
	assert_int_equal(plain_width("e\xcc\x81", 3), 1);                /* combining accent */
	assert_int_equal(plain_width("\xf0\x9f\x90\xb3", 4), 2);
	assert_int_equal(plain_fit("\xe6\xbc\xa2\xe5\xad\x97", 3), 3);
	assert_int_equal(plain_fit("abc", 2), 2);
	assert_int_equal(plain_fit("abc", 9), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(cut_at_whole_characters),
		cmocka_unit_test(json),
		cmocka_unit_test(widths_of_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
