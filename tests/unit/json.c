/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - what is refused and where, the path in each message, numbers that are never rounded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "warder/json.h"
#include "warder/own.h"

static int parse(const char *text, struct json_object **doc, struct err *e)
{
	return json_parse("f", text, strlen(text), doc, e);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "f:1:1: " },
		{ "   ", "f:1:4: " },
		{ "{", "f:1:2: " },
		{ "{\"a\":1,}", "f:1:8: " },
		{ "[1,]", "f:1:4: " },
		{ "{\n\"a\": 1,\n  b: 2}", "f:3:3: " },
		{ "{} {}", "f:1:4: unexpected character" },
		{ "{}x", "f:1:3: unexpected character" },
		{ "\"\xff\"", "utf-8" },
		{ "/**/{}", "f:1:1: " },
		{ "NaN", "f:1:1: unexpected character" },
		{ "[-Infinity]", "f:1:3: unexpected character" },
		{ "[1,\v2]", "f:1:4: unexpected character" },
		{ "TRUE", "f:1:" },
		{ "18446744073709551616", "f:1:1: a number does not fit in 64 bits" },
		{ "[-9223372036854775809]", "f:1:3: a number does not fit in 64 bits" },
		{ "{\"a\":\n100000000000000000000}", "f:2:1: a number does not fit" },
		{ "{'a':1}", "f:1:2: unexpected character" },
		{ "['\"', 99999999999999999999]", "f:1:2: unexpected character" },
		{ "{\"a\":1,\"a\":2}", "f:1:8: duplicate member \"a\"" },
		{ "{\"a\":null,\n \"b\":{},\n \"a\" \t\n:[]}", "f:3:2: duplicate member \"a\"" },
		{ "{\"a\":1,\"\\u0061\":2}", "f:1:8: duplicate member \"\\u0061\"" },
		{ "[{\"x\":{\"y\":1,\"z\":{\"y\":1},\"y\":2}}]", "f:1:26: duplicate member \"y\"" },
		{ "{\"a\\u0000x\":1}", "f:1:2: a NUL character in the name \"a\\u0000x\"" },
		{ "{\"\\u0000\":1}", "f:1:2: a NUL character in the name" },
		{ "[{\"b\":{\"a\" :1, \"a\\u0000\"\n:2}}]", "f:1:16: a NUL character in the name" },
		{ "{\"\":1,\"\":2}", "f:1:7: duplicate member \"\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_object *doc = (void *)&doc;
		struct err e = { 0 };

		if (parse(rows[i].text, &doc, &e) != -EINVAL || !strstr(e.msg, rows[i].says))
			fail_msg("%s\n  says \"%s\"\n  not  \"%s\"", rows[i].text, e.msg,
				 rows[i].says);
		assert_ptr_equal(doc, &doc);
	}
}

static void test_accepted(void **state)
{
	static const char *const rows[] = {
		"{}",
		" [] \n",
		"5",
		"-5",
		"\"a\"",
		"true",
		"null",
		"18446744073709551615",
		"-9223372036854775808",
		"[100000000000000000000.5, 1e300, 184467440737095516160e1, 1E+2]",
		"[0.100000000000000000000, -0.99999999999999999999]",
		"\"100000000000000000000\"",
		"{\"\\\"99999999999999999999\":\"it's \\\\\"}",
		"[{\"a\":1},{\"a\":2}]",
		"{\"a\":{\"a\":{\"a\":\"a\"}},\"b\":\"a\"}",
		"{\"a\":[\"a\",\"a\"],\"A\":1}",
		"{\"\\\\u0000\":\"a\\u0000\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_object *doc;
		struct err e;

		if (parse(rows[i], &doc, &e))
			fail_msg("%s: %s", rows[i], e.msg);
		json_object_put(doc);
	}
}

/* n levels of [ or of {"a": */
static int parse_nested(const char *level, size_t n, struct err *e)
{
	auto_free char *text = calloc(2 * n + 1, strlen(level) + 1);
	struct json_object *doc;
	int r;

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		strcat(text, level);
	strcat(text, "1");
	for (size_t i = 0; i < n; i++)
		strcat(text, *level == '[' ? "]" : "}");
	r = parse(text, &doc, e);
	if (!r)
		json_object_put(doc);
	return r;
}

static void test_limits(void **state)
{
	static char text[JSON_MAX_SIZE + 1];
	static const char *const levels[] = { "[", "{\"a\":" };
	struct json_object *doc;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		assert_int_equal(parse_nested(levels[i], JSON_MAX_DEPTH - 1, &e), 0);
		assert_int_equal(parse_nested(levels[i], JSON_MAX_DEPTH, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "nesting too deep"));
	}
	memset(text, ' ', sizeof text);
	text[0] = '7';
	assert_int_equal(json_parse("f", text, JSON_MAX_SIZE, &doc, &e), 0);
	json_object_put(doc);
	assert_int_equal(json_parse("f", text, JSON_MAX_SIZE + 1, &doc, &e), -E2BIG);
	assert_int_equal(json_parse("f", "{}\0", 3, &doc, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "holds a NUL byte"));
}

/* As many members as fit in a document: one look at each, or this would take minutes. */
static void test_many_members(void **state)
{
	static char text[JSON_MAX_SIZE];
	struct json_object *doc;
	size_t n = 0;
	struct err e;

	(void)state;
	for (int i = 0; n < sizeof text - 32; i++)
		n += (size_t)sprintf(text + n, "%c\"%d\":0", i ? ',' : '{', i);
	text[n++] = '}';
	assert_int_equal(json_parse("f", text, n, &doc, &e), 0);
	assert_true(json_object_object_length(doc) > 80000);
	json_object_put(doc);
}

static void test_path(void **state)
{
	struct json_at root = { .file = "f" }, list, entry, args, arg, op, none = { 0 };
	struct json_object *doc;
	char buf[64], small[8];
	struct err e;

	(void)state;
	assert_int_equal(parse("{\"list\":[0,{\"args\":[{\"op\":1}]}],\"n\":null}", &doc, &e), 0);
	root.v = doc;
	assert_true(json_child(&root, "list", &list));
	entry = json_item(&list, 1);
	assert_true(json_child(&entry, "args", &args));
	arg = json_item(&args, 0);
	assert_true(json_child(&arg, "op", &op));
	assert_string_equal(json_path(&op, buf, sizeof buf), "f: list[1].args[0].op");
	assert_string_equal(json_path(&op, small, sizeof small), "f: list");
	assert_string_equal(json_path(&root, buf, sizeof buf), "f");
	assert_int_equal(json_err(&op, &e, "no %s", "good"), -EINVAL);
	assert_string_equal(e.msg, "f: list[1].args[0].op: no good");
	assert_false(json_child(&root, "n", &none));
	assert_false(json_child(&root, "absent", &none));
	assert_null(none.up);
	json_object_put(doc);
}

static int read_array(const struct json_at *at, uint64_t *out, struct err *e)
{
	int len = (int)*out, r = json_array(at, &len, e);

	*out = (uint64_t)len;
	return r;
}

static int read_object(const struct json_at *at, uint64_t *out, struct err *e)
{
	(void)out;
	return json_is_object(at, e);
}

static int read_str(const struct json_at *at, uint64_t *out, struct err *e)
{
	const char *text = "untouch";
	int r = json_str(at, &text, e);

	*out = strlen(text);
	return r;
}

static int read_i64(const struct json_at *at, uint64_t *out, struct err *e)
{
	return json_i64(at, (int64_t *)out, e);
}

static int read_flag(const struct json_at *at, uint64_t *out, struct err *e)
{
	bool flag = true;
	int r = json_flag(at, &flag, e);

	*out = r ? *out : flag;
	return r;
}

#define UNTOUCHED 7

/* Each reader of a value, given values of its own kind and of others. */
static void test_values(void **state)
{
	static const struct {
		int (*read)(const struct json_at *at, uint64_t *out, struct err *e);
		const char *text, *says; /* says NULL: accepted */
		uint64_t value;
	} rows[] = {
		{ read_object, "{}", NULL, UNTOUCHED },
		{ read_object, "[]", "f: must be an object", 0 },
		{ read_array, "[1,2]", NULL, 2 },
		{ read_array, "{}", "must be an array", 0 },
		{ read_str, "\"abc\"", NULL, 3 },
		{ read_str, "5", "must be a string", 0 },
		{ read_str, "\"a\\u0000b\"", "holds a NUL character", 0 },
		{ json_u64, "0", NULL, 0 },
		{ json_u64, "9223372036854775808", NULL, 1ULL << 63 },
		{ json_u64, "18446744073709551615", NULL, UINT64_MAX },
		{ json_u64, "-1", "must be 0 or more", 0 },
		{ json_u64, "1.0", "must be a whole number", 0 },
		{ json_u64, "1e3", "must be a whole number", 0 },
		{ json_u64, "\"1\"", "must be a whole number", 0 },
		{ json_u64, "true", "must be a whole number", 0 },
		{ read_i64, "-9223372036854775808", NULL, 1ULL << 63 },
		{ read_i64, "9223372036854775807", NULL, INT64_MAX },
		{ read_i64, "-1", NULL, UINT64_MAX },
		{ read_i64, "9223372036854775808", "must be less than", 0 },
		{ read_i64, "[]", "must be a whole number", 0 },
		{ read_flag, "true", NULL, 1 },
		{ read_flag, "false", NULL, 0 },
		{ read_flag, "1", "must be true or false", 0 },
		{ json_duration, "\"200ms\"", NULL, 200000000 },
		{ json_duration, "\"5\"", "\"5\" is no time", 0 },
		{ json_duration, "5", "must be a string", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t want = rows[i].says ? UNTOUCHED : rows[i].value, got = UNTOUCHED;
		struct json_at at = { .file = "f" };
		struct err e = { 0 };
		int r;

		assert_int_equal(parse(rows[i].text, &at.v, &e), 0);
		r = rows[i].read(&at, &got, &e);
		if (r != (rows[i].says ? -EINVAL : 0) || got != want ||
		    (r && !strstr(e.msg, rows[i].says)))
			fail_msg("row %zu: %s: %d \"%s\", value %llu", i, rows[i].text, r, e.msg,
				 (unsigned long long)got);
		json_object_put(at.v);
	}
}

static void keep(void *ctx, const char *line)
{
	strcat(strcat(ctx, line), "\n");
}

static void test_known(void **state)
{
	static const char *const keys[] = { "a", "b", NULL };
	struct json_at at = { .file = "f" };
	char lines[256] = "";
	struct warn w = { keep, lines };
	struct err e;

	(void)state;
	assert_int_equal(parse("{\"a\":1,\"c\":null,\"b\":2,\"d\\n\":3}", &at.v, &e), 0);
	json_known(&at, keys, &w);
	assert_string_equal(lines, "f: c: unknown key, ignored\nf: d?: unknown key, ignored\n");
	json_object_put(at.v);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/warder-json.XXXXXX", path[64];
	auto_free char *text = NULL;
	struct json_object *doc;
	struct err e;
	size_t len;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/f", dir);
	assert_int_equal(json_read(path, &doc, &e), -ENOENT);
	assert_non_null(strstr(e.msg, path));
	assert_int_equal(json_read(dir, &doc, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "is no regular file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(json_read(path, &doc, &e), -EINVAL); /* and does not block */
	assert_int_equal(unlink(path), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("{\n  \"a\": }", f);
	fclose(f);
	assert_int_equal(json_read(path, &doc, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "/f:2:8: "));
	assert_int_equal(json_slurp_path(path, &text, &len, &e), 0);
	assert_int_equal(len, 10);
	assert_string_equal(text, "{\n  \"a\": }");
	assert_int_equal(truncate(path, JSON_MAX_SIZE + 1), 0);
	assert_int_equal(json_read(path, &doc, &e), -E2BIG);
	assert_non_null(strstr(e.msg, "more than 1048576 bytes"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_add(void **state)
{
	struct json_object *to = json_object_new_object();

	(void)state;
	assert_true(json_add(to, "a", json_object_new_int(1)));
	assert_false(json_add(to, "b", NULL));
	assert_int_equal(json_object_object_length(to), 1);
	json_object_put(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_limits),  cmocka_unit_test(test_many_members),
		cmocka_unit_test(test_path),    cmocka_unit_test(test_values),
		cmocka_unit_test(test_known),   cmocka_unit_test(test_files),
		cmocka_unit_test(test_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
