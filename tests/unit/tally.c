/* SPDX-License-Identifier: Apache-2.0 */
/* tally.c - counting equal rows, and the table made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/tally.c"

static char *printed(struct tally *t, const char *header)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	tally_print(t, header, to);
	fclose(to);
	return text;
}

static void table(void **state)
{
	struct tally t = { 0 };
	auto_free char *text = NULL;

	(void)state;
	tally_add(&t, "mount\tEPERM", "sh", 1);
	tally_add(&t, "unshare\tEPERM", "a", 2);
	tally_add(&t, "unshare\tEPERM", "bc", 1);
	tally_add(&t, "unshare\tEPERM", "a", 1);
	tally_add(&t, "mount\tENOSYS", NULL, 1);
	text = printed(&t, "CALLS\tSYSCALL\tERROR\tBY");
	assert_string_equal(text, "   CALLS  SYSCALL  ERROR   BY\n"
				  "       4  unshare  EPERM   a, bc\n"
				  "       1  mount    ENOSYS  \n"
				  "       1  mount    EPERM   sh\n");
	assert_int_equal(t.total, 6);
	tally_fini(&t);
}

static void hostile_names(void **state)
{
	struct tally t = { 0 };
	char name[64];

	(void)state;
	tally_add(&t, "x", "a,b\tc\n\033[31m", 1);
	assert_string_equal(t.rows[0].who, "a_b_c??[31m");
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "name%d", i);
		tally_add(&t, "x", name, 1);
	}
	assert_int_equal(t.n_rows, 1);
	assert_int_equal(t.rows[0].n, 1001);
	assert_string_equal(t.rows[0].who + strlen(t.rows[0].who) - 5, ", ...");
	tally_fini(&t);
}

static void names_within_names(void **state)
{
	struct tally t = { 0 };

	(void)state;
	tally_add(&t, "x", "bash", 1);
	tally_add(&t, "x", "sh", 1);
	tally_add(&t, "x", "", 1);
	assert_string_equal(t.rows[0].who, "bash, sh");
	tally_fini(&t);
}

static void too_many_rows(void **state)
{
	struct tally t = { 0 };
	auto_free char *text = NULL;
	char row[TALLY_TEXT * 2];

	(void)state;
	for (int i = 0; i < TALLY_MAX + 10; i++) {
		snprintf(row, sizeof row, "%d", i);
		tally_add(&t, row, NULL, 1);
	}
	assert_int_equal(t.n_rows, TALLY_MAX);
	assert_int_equal(t.others, 10);
	text = printed(&t, "N\tNUMBER");
	assert_non_null(strstr(text, "      10  others\n"));
	tally_fini(&t);
}

static void long_rows(void **state)
{
	struct tally t = { 0 };
	char row[TALLY_TEXT * 2];

	(void)state;
	memset(row, 'x', sizeof row - 1);
	row[sizeof row - 1] = 0;
	tally_add(&t, row, NULL, 1);
	tally_add(&t, row, NULL, 1);
	assert_int_equal(t.n_rows, 1);
	assert_int_equal(strlen(t.rows[0].text), TALLY_TEXT - 1);
	tally_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table),
					    cmocka_unit_test(hostile_names),
					    cmocka_unit_test(names_within_names),
					    cmocka_unit_test(too_many_rows),
					    cmocka_unit_test(long_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
