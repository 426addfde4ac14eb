/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - the choice of the wake-up, against callers and machines made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/pace.h"

#define FIRST ((uint64_t)PACE_FIRST * PACE_STRETCH)

struct machine {
	uint64_t sync_ns, other_ns; /* a call */
	int callers;
	uint64_t now, changes;
};

static void run(struct pace *p, struct machine *m, uint64_t calls)
{
	for (uint64_t i = 0; i < calls; i++) {
		m->now += p->sync ? m->sync_ns : m->other_ns;
		if (!pace_call(p, 100 + (pid_t)(i % (uint64_t)m->callers)))
			continue;
		m->changes += pace_turn(p, m->now);
	}
}

static void test_one_caller(void **state)
{
	struct machine m = { 2000, 20000, 1, 0, 0 };
	struct pace p;

	(void)state;
	pace_init(&p);
	run(&p, &m, 100 * FIRST);
	assert_true(p.sync);
	assert_int_equal(m.changes, 0); /* not even tried */
}

/* Several callers on a machine where each way is better: found, and held to. */
static void test_several(void **state)
{
	struct machine fast = { 2000, 5800, 8, 0, 0 }, slow = { 7200, 5600, 8, 0, 0 };
	struct pace p;

	(void)state;
	pace_init(&p);
	run(&p, &fast, 40 * FIRST);
	assert_true(p.steady);
	pace_init(&p);
	run(&p, &slow, 2 * FIRST);
	assert_false(p.steady);
	run(&p, &slow, 40 * FIRST);
	assert_false(p.steady);
}

/* What trials cost where they find nothing better. */
static void test_cost(void **state)
{
	struct machine m = { 2000, 26000, 8, 0, 0 };
	struct pace p;

	(void)state;
	pace_init(&p);
	run(&p, &m, 100 * FIRST);
	assert_true(p.steady);
	assert_true(m.now * 100 < 100 * FIRST * m.sync_ns * 101); /* less than one percent */
}

static void test_changes(void **state)
{
	struct machine m = { 7200, 5600, 8, 0, 0 };
	struct pace p;

	(void)state;
	pace_init(&p);
	run(&p, &m, 2 * FIRST);
	assert_false(p.steady);
	m.callers = 1; /* the others have gone: sync at the next look */
	run(&p, &m, 2 * PACE_STRETCH);
	assert_true(p.steady);
	m.callers = 8;
	run(&p, &m, 600 * FIRST);
	assert_false(p.steady);
	m.sync_ns = 2000; /* the other load on the machine has gone */
	run(&p, &m, 600 * FIRST);
	assert_true(p.steady);
}

static void test_small_difference(void **state)
{
	struct machine m = { 6000, 5600, 8, 0, 0 };
	struct pace p;

	(void)state;
	pace_init(&p);
	run(&p, &m, 100 * FIRST);
	assert_true(p.steady);
}

static void test_idle(void **state)
{
	struct machine m = { 3000000, 2000000, 3, 0, 0 };
	struct pace p;

	(void)state;
	pace_init(&p);
	run(&p, &m, 20 * FIRST);
	assert_true(p.steady);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_caller), cmocka_unit_test(test_several),
		cmocka_unit_test(test_cost),       cmocka_unit_test(test_changes),
		cmocka_unit_test(test_idle),       cmocka_unit_test(test_small_difference),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
