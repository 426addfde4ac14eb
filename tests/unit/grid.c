/* SPDX-License-Identifier: Apache-2.0 */
/* grid.c - tables: widths, cutting, hostile cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/grid.c"
#include "../../cli/plain.c"
#include "warder/own.h"

static const struct grid_col columns[] = {
	{ "N", .right = true },
	{ "NAME", .shrinks = true },
	{ .title = "MODE" },
};

static void fill(struct grid *t)
{
	grid_init(t, columns, ARRAY_LEN(columns));
	grid_cell(t, "%d", 7);
	grid_cell(t, "%s", "a-rather-long-name");
	grid_cell(t, "audit");
	grid_cell(t, "%d", 1000);
	grid_cell(t, "\xe6\xbc\xa2\xe5\xad\x97");
	grid_cell(t, "enforce");
}

static char *printed(const struct grid *t, size_t from, size_t to, size_t width)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	grid_print(t, from, to, width, out);
	fclose(out);
	return text;
}

static void whole(void **state)
{
	struct grid t;
	auto_free char *text = NULL;

	(void)state;
	fill(&t);
	text = printed(&t, 0, 99, 0);
	assert_string_equal(text, "   N  NAME                MODE\n"
				  "   7  a-rather-long-name  audit\n"
				  "1000  \xe6\xbc\xa2\xe5\xad\x97                enforce\n");
	grid_fini(&t);
}

static void cut_on_a_narrow_terminal(void **state)
{
	struct grid t;
	auto_free char *text = NULL, *narrowest = NULL;

	(void)state;
	fill(&t);
	text = printed(&t, 0, 0, 27);
	assert_string_equal(text, "   N  NAME          MODE\n"
				  "   7  a-rather-lo~  audit\n");
	narrowest = printed(&t, 0, 0, 1);
	assert_string_equal(narrowest, "   N  NAME      MODE\n"
				       "   7  a-rathe~  audit\n");
	grid_fini(&t);
}

static void some_rows(void **state)
{
	struct grid t;
	auto_free char *text = NULL;

	(void)state;
	fill(&t);
	t.bold = true;
	text = printed(&t, 1, 1, 0);
	assert_string_equal(text, "\033[1m   N  NAME                MODE\033[0m\n"
				  "1000  \xe6\xbc\xa2\xe5\xad\x97                enforce\n");
	grid_fini(&t);
}

static void hostile_cells(void **state)
{
	struct grid t;
	auto_free char *text = NULL;

	(void)state;
	grid_init(&t, columns + 1, 1);
	grid_cell(&t, "%s", "\033]0;title\007\nx");
	text = printed(&t, 0, 0, 0);
	assert_string_equal(text, "NAME\n\\x1b]0;title\\x07\\x0ax\n");
	grid_fini(&t);
}

static void nothing_in_it(void **state)
{
	struct grid t;
	auto_free char *text = NULL;

	(void)state;
	grid_init(&t, columns, ARRAY_LEN(columns));
	text = printed(&t, 0, 99, 10);
	assert_string_equal(text, "N  NAME  MODE\n");
	grid_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),         cmocka_unit_test(cut_on_a_narrow_terminal),
		cmocka_unit_test(some_rows),     cmocka_unit_test(hostile_cells),
		cmocka_unit_test(nothing_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
