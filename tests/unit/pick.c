/* SPDX-License-Identifier: Apache-2.0 */
/* pick.c - which sessions a word means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/client.c"
#include "../../cli/pick.c"

static const char sessions[] = "{\"sessions\":["
			       "{\"session\":1,\"container\":\"web\",\"name\":\"front\"},"
			       "{\"session\":2,\"container\":\"db-a\",\"name\":\"store\"},"
			       "{\"session\":3,\"container\":\"web\",\"name\":\"front\"},"
			       "{\"session\":4,\"container\":\"web-2\"},"
			       "{\"session\":5,\"container\":\"1\"},"
			       "{\"session\":60,\"container\":\"db-b\",\"name\":\"store\"},"
			       "{\"session\":61}]}";

/* "1,3" or "ENOENT" or "ENOTUNIQ". */
static void picked(const char *word, char *out, size_t size, struct err *e)
{
	struct json_object *answer = json_tokener_parse(sessions), *found;
	int r = pick_among(answer, word, &found, e);
	size_t used = 0;

	json_object_put(answer);
	if (r) {
		snprintf(out, size, "%s", strerrorname_np(-r));
		return;
	}
	for (size_t i = 0; i < json_object_array_length(found); i++)
		used += (size_t)snprintf(out + used, size - used, "%s%d", i ? "," : "",
					 (int)client_number(json_object_array_get_idx(found, i),
							    "session"));
	json_object_put(found);
}

static void words(void **state)
{
	static const struct {
		const char *word, *means;
	} rows[] = {
		{ "2", "2" },
		{ "60", "60" },
		{ "6", "ENOENT" },
		{ "web", "1,3" },
		{ "front", "1,3" },
		{ "fro", "1,3" },
		{ "web-", "4" },
		{ "we", "ENOTUNIQ" },
		{ "db", "ENOTUNIQ" },
		{ "store", "ENOTUNIQ" },
		{ "1", "ENOTUNIQ" },
		{ "session:1", "1" },
		{ "container:1", "5" },
		{ "session:9", "ENOENT" },
		{ "session:", "ENOENT" },
		{ "container:we", "ENOENT" },
		{ "nope", "ENOENT" },
	};
	char got[64];
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		picked(rows[i].word, got, sizeof got, &e);
		assert_string_equal(got, rows[i].means);
	}
}

static void nothing_means_nothing(void **state)
{
	char got[64];
	struct err e;

	(void)state;
	picked("", got, sizeof got, &e);
	assert_string_equal(got, "ENOENT");
}

static void candidates_are_listed(void **state)
{
	char got[64];
	struct err e;

	(void)state;
	picked("store", got, sizeof got, &e);
	assert_string_equal(e.msg, "\"store\" may be any of: session:2 db-a (store), session:60 "
				   "db-b (store)");
	assert_int_equal(client_status(&e), CLI_NOT_FOUND);
}

static void refusals(void **state)
{
	static const struct {
		long status;
		int exit;
	} rows[] = { { 200, CLI_OK },
		     { 400, CLI_FAILED },
		     { 404, CLI_NOT_FOUND },
		     { 409, CLI_REFUSED },
		     { 503, CLI_FAILED } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client_reply reply = { rows[i].status,
					      json_tokener_parse("{\"error\":\"it is so\"}") };
		struct err e;
		int r = client_refusal(&reply, &e);

		assert_int_equal(r ? client_status(&e) : CLI_OK, rows[i].exit);
		if (r)
			assert_string_equal(e.msg, "it is so");
		client_reply_fini(&reply);
	}
}

static void members(void **state)
{
	struct json_object *o =
		json_tokener_parse("{\"a\":\"x\",\"n\":7,\"o\":{\"n\":8},\"z\":null,\"l\":[1,2]}");
	size_t n;

	(void)state;
	assert_string_equal(client_text(o, "a"), "x");
	assert_string_equal(client_text(o, "z"), "");
	assert_string_equal(client_text(o, "none"), "");
	assert_int_equal(client_number(o, "n"), 7);
	assert_int_equal(client_number(o, "o.n"), 8);
	assert_int_equal(client_number(o, "o.m"), 0);
	assert_int_equal(client_number(o, "a.n"), 0);
	assert_non_null(client_array(o, "l", &n));
	assert_int_equal(n, 2);
	assert_null(client_array(o, "a", &n));
	assert_int_equal(n, 0);
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(nothing_means_nothing),
		cmocka_unit_test(candidates_are_listed),
		cmocka_unit_test(refusals),
		cmocka_unit_test(members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
