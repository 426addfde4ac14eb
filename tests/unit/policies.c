/* SPDX-License-Identifier: Apache-2.0 */
/* policies.c - tests of the table of policies: sharing, forgetting, damage, another process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../supervisor/policies.h"
#include "warder/names.h"
#include "warder/own.h"

static const char allow[] = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}";
static const char deny[] = "{\"defaultAction\": \"SCMP_ACT_ERRNO\"}";

struct rig {
	struct arena *arena;
	struct policies *p;
};

static int setup(void **state)
{
	static struct rig r;
	struct err e;

	if (arena_new(&r.arena, &e) || policies_new(r.arena, &r.p, &e))
		return -1;
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	policies_free(r->p);
	arena_unmap(r->arena);
	return 0;
}

static int add(struct policies *p, const struct policies_key *key, const char *text,
	       const struct compiled **c)
{
	struct err e;

	return policies_add(p, key, text, strlen(text), c, NULL, &e);
}

static void test_shared(void **state)
{
	static const struct policies_key keys[] = {
		{ .name = "a" },
		{ .name = "b" },
		{ .name = "a", .notify_all = true },
		{ .name = "a", .caps_known = true },
		{ .name = "a", .caps_known = true, .caps = 1 },
	};
	const struct compiled *c[ARRAY_LEN(keys)], *again;
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		assert_int_equal(add(r->p, &keys[i], allow, &c[i]), 0);
		assert_int_equal(add(r->p, &keys[i], allow, &again), 0);
		assert_ptr_equal(again, c[i]);
		policies_put(r->p, again);
		for (size_t k = 0; k < i; k++)
			assert_ptr_not_equal(c[i], c[k]);
	}
	assert_int_equal(add(r->p, &keys[0], deny, &again), 0);
	assert_ptr_not_equal(again, c[0]);
	policies_put(r->p, again);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		policies_put(r->p, c[i]);
	policies_put(r->p, NULL);
}

static const char *const refused[] = { "", "{", "[]", "{}", "{\"defaultAction\": \"NONE\"}" };

static void test_refused(void **state)
{
	const struct policies_key key = { .name = "a" };
	const struct compiled *held, *c = NULL;
	struct rig *r = *state;

	assert_int_equal(add(r->p, &key, allow, &held), 0);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_true(add(r->p, &key, refused[i], &c) < 0);
		assert_null(c);
	}
	for (uint32_t i = 0, used = 0; i < ARENA_POLICIES; i++)
		assert_true((used += r->arena->policies[i].used) == 1);
	assert_string_equal(held->policy->name, "a");
	policies_put(r->p, held);
}

static void test_too_big(void **state)
{
	const struct policies_key key = { .name = "a" };
	const struct compiled *c = NULL;
	struct rig *r = *state;
	auto_free char *text = malloc(JSON_MAX_SIZE + 1);
	struct err e;

	memset(text, ' ', JSON_MAX_SIZE + 1);
	memcpy(text, allow, strlen(allow));
	assert_int_equal(policies_add(r->p, &key, text, JSON_MAX_SIZE, &c, NULL, &e), -E2BIG);
	assert_int_equal(policies_add(r->p, &key, text, JSON_MAX_SIZE - 1, &c, NULL, &e), 0);
	policies_put(r->p, c);
}

static void name_of(int i, struct policies_key *key, char name[8])
{
	snprintf(name, 8, "p%d", i);
	*key = (struct policies_key){ .name = name };
}

/* All places held: no room. One let go: it is the one to be forgotten, unless a block needs it. */
static void test_full(void **state)
{
	const struct compiled *c[ARENA_POLICIES + 1];
	struct policies_key key;
	struct rig *r = *state;
	struct block *b = arena_take(r->arena);
	char name[8];

	for (int i = 0; i < ARENA_POLICIES; i++) {
		name_of(i, &key, name);
		assert_int_equal(add(r->p, &key, allow, &c[i]), 0);
	}
	name_of(ARENA_POLICIES, &key, name);
	assert_int_equal(add(r->p, &key, allow, &c[ARENA_POLICIES]), -ENOSPC);
	policies_put(r->p, c[5]);
	b->policies = 1ULL << c[5]->index; /* a session that has ended is still being read */
	atomic_store(&b->state, BLOCK_ENDED);
	assert_int_equal(add(r->p, &key, allow, &c[ARENA_POLICIES]), -ENOSPC);
	arena_give(b);
	assert_int_equal(add(r->p, &key, allow, &c[ARENA_POLICIES]), 0);
	assert_int_equal(c[ARENA_POLICIES]->index, 5);
	assert_string_equal(c[ARENA_POLICIES]->policy->name, name);
	for (int i = 0; i <= ARENA_POLICIES; i++)
		if (i != 5)
			policies_put(r->p, c[i]);
}

static void test_oldest_goes(void **state)
{
	const struct compiled *c;
	struct policies_key key;
	struct rig *r = *state;
	char name[8];

	for (int i = 0; i < ARENA_POLICIES; i++) {
		name_of(i, &key, name);
		assert_int_equal(add(r->p, &key, allow, &c), 0);
		policies_put(r->p, c);
	}
	name_of(0, &key, name);
	assert_int_equal(add(r->p, &key, allow, &c), 0);
	policies_put(r->p, c);
	name_of(ARENA_POLICIES, &key, name);
	assert_int_equal(add(r->p, &key, deny, &c), 0);
	assert_int_equal(c->index, 1);
	policies_put(r->p, c);
}

/* The scribe's side, and the next worker's: the same meaning from the text alone. */
static void test_other_process(void **state)
{
	const struct policies_key key = { .name = "a" };
	struct seccomp_data call = { .nr = 0, .arch = names_arch_audit(names_native_arch()) };
	const struct compiled *mine, *its, *none = NULL;
	struct policies *other;
	struct rig *r = *state;
	struct err e;

	assert_int_equal(policies_new(r->arena, &other, &e), 0);
	assert_int_equal(add(r->p, &key, deny, &mine), 0);
	assert_int_equal(policies_at(other, mine->index, &its, &e), 0);
	assert_string_equal(its->policy->name, "a");
	assert_int_equal(decide(its->decide, &call).act, ACT_ERRNO);
	assert_int_equal(decide(its->decide, &call).act, decide(mine->decide, &call).act);
	policies_put(other, its);
	assert_int_equal(policies_at(other, ARENA_POLICIES, &none, &e), -EINVAL);
	assert_int_equal(policies_at(other, UINT32_MAX, &none, &e), -EINVAL);
	assert_int_equal(policies_at(other, mine->index + 1, &none, &e), -EINVAL);
	r->arena->policies[mine->index].generation++;
	r->arena->policies[mine->index].len = JSON_MAX_SIZE;
	assert_int_equal(policies_at(other, mine->index, &none, &e), -EINVAL);
	r->arena->policies[mine->index].len = 10;
	assert_true(policies_at(other, mine->index, &none, &e) < 0);
	memset(r->arena->policies[mine->index].name, 'x', POLICY_NAME_MAX);
	assert_int_equal(policies_at(other, mine->index, &none, &e), -EINVAL);
	assert_null(none);
	policies_put(r->p, mine);
	policies_free(other);
}

static void write_file(const char *path, const char *text)
{
	auto_file f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/warder-policies-XXXXXX", path[64];
	const struct policies_key key = { .name = "web" }, bad = { .name = "../web" };
	const struct compiled *c[3], *none = NULL;
	struct rig *r = *state;
	struct err e;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/web.json", dir);
	assert_int_equal(policies_load(r->p, dir, &key, &none, NULL, &e), -ENOENT);
	write_file(path, allow);
	assert_int_equal(policies_load(r->p, dir, &bad, &none, NULL, &e), -EINVAL);
	assert_int_equal(policies_load(r->p, dir, &key, &c[0], NULL, &e), 0);
	assert_int_equal(policies_load(r->p, dir, &key, &c[1], NULL, &e), 0);
	assert_ptr_equal(c[0], c[1]);
	write_file(path, deny); /* those that run keep what they have */
	assert_int_equal(policies_load(r->p, dir, &key, &c[2], NULL, &e), 0);
	assert_ptr_not_equal(c[0], c[2]);
	write_file(path, "{");
	assert_int_equal(policies_load(r->p, dir, &key, &none, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "web"));
	assert_null(none);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		policies_put(r->p, c[i]);
	unlink(path);
	rmdir(dir);
}

static void *add_often(void *arg)
{
	struct rig *r = arg;
	struct policies_key key;
	char name[8];

	for (int i = 0; i < 400; i++) {
		const struct compiled *c = NULL;

		name_of(i % 80, &key, name);
		assert_int_equal(add(r->p, &key, i % 3 ? allow : deny, &c), 0);
		assert_string_equal(c->policy->name, name);
		policies_put(r->p, c);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[4];

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, add_often, *state), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_shared), TEST(test_refused),     TEST(test_too_big),
		TEST(test_full),   TEST(test_oldest_goes), TEST(test_other_process),
		TEST(test_files),  TEST(test_threads),
	};

	names_init();
	return cmocka_run_group_tests_name("policies", tests, NULL, NULL);
}
