/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c - tests of the lane: commits, the ring's edges, damage, writer against reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../supervisor/lane.h"
#include "warder/own.h"

struct note { /* a record that can be checked: every word is `number` */
	struct record head;
	uint64_t number[];
};

static int setup(void **state)
{
	*state = aligned_alloc(64, sizeof(struct lane));
	memset(*state, 0, sizeof(struct lane));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static bool put(struct lane *l, uint32_t size, uint64_t number)
{
	struct commit *next = lane_begin(l);
	struct note *n = lane_reserve(l, next, 1, size);

	if (n)
		for (uint32_t i = 0; i < (size - sizeof *n) / 8; i++)
			n->number[i] = number;
	lane_add(next, LANE_events, 1);
	lane_add(next, LANE_received, 1);
	lane_add(next, LANE_dropped, !n);
	lane_commit(l);
	return n;
}

/* The next record, freed at once; NULL: none. */
static const struct note *next_note(struct lane *l, bool *broken)
{
	uint64_t words[LANE_N_WORDS], cursor = atomic_load(&l->tail);
	const struct record *r;

	lane_read(l, words);
	r = lane_next(l, words[LANE_head], &cursor, broken);
	lane_free_to(l, cursor);
	return (const struct note *)(const void *)r;
}

/* Reads one record; false: none. What it held is checked before its room is given back. */
static bool get(struct lane *l, uint32_t *size, uint64_t *number)
{
	uint64_t words[LANE_N_WORDS], cursor = atomic_load(&l->tail);
	const struct record *r;
	const struct note *n;
	bool broken = false;

	lane_read(l, words);
	r = lane_next(l, words[LANE_head], &cursor, &broken);
	assert_false(broken);
	if (!r)
		return false;
	n = (const struct note *)(const void *)r;
	assert_int_equal(r->type, 1);
	*size = r->size;
	*number = n->number[0];
	for (uint32_t i = 0; i < (r->size - sizeof *n) / 8; i++)
		assert_int_equal(n->number[i], *number);
	lane_free_to(l, cursor);
	return true;
}

static void test_empty(void **state)
{
	uint64_t words[LANE_N_WORDS];
	bool broken = false;

	lane_read(*state, words);
	for (int w = 0; w < LANE_N_WORDS; w++) {
		assert_int_equal(words[w], 0);
		assert_true(*lane_word_names[w]);
	}
	assert_null(next_note(*state, &broken));
	assert_false(broken);
}

static void test_only_a_commit_counts(void **state)
{
	struct lane *l = *state;
	uint64_t words[LANE_N_WORDS];
	struct commit *next;
	bool broken = false;

	put(l, 16, 1);
	for (int i = 0; i < 3; i++) { /* a writer that dies here has done nothing */
		next = lane_begin(l);
		assert_non_null(lane_reserve(l, next, 1, 64));
		lane_add(next, LANE_denied, 5);
	}
	lane_read(l, words);
	assert_int_equal(words[LANE_denied], 0);
	assert_int_equal(words[LANE_events], 1);
	assert_int_equal(words[LANE_head], 16);
	assert_non_null(next_note(l, &broken));
	assert_null(next_note(l, &broken));
	assert_true(put(l, 16, 2));
	assert_int_equal(next_note(l, &broken)->number[0], 2);
}

static void test_sizes(void **state)
{
	struct lane *l = *state;
	struct commit *next = lane_begin(l);
	struct record *r;

	assert_null(lane_reserve(l, next, 1, LANE_RING / 4 + 1));
	assert_null(lane_reserve(l, next, 1, LANE_RING));
	assert_int_equal(lane_word(next, LANE_head), 0);
	r = lane_reserve(l, next, 7, 9);
	assert_non_null(r);
	assert_int_equal(r->size, 16);
	assert_int_equal(r->type, 7);
	assert_non_null(lane_reserve(l, next, 1, LANE_RING / 4));
	assert_int_equal(lane_word(next, LANE_head), 16 + LANE_RING / 4);
}

static void test_full(void **state)
{
	struct lane *l = *state;
	uint64_t words[LANE_N_WORDS], number;
	uint32_t size;

	for (uint64_t i = 0; i < LANE_RING / 64; i++)
		assert_true(put(l, 64, i));
	assert_false(put(l, 64, 0));
	assert_false(put(l, 8, 0));
	lane_read(l, words);
	assert_int_equal(words[LANE_dropped], 2);
	assert_int_equal(words[LANE_head], LANE_RING);
	assert_true(get(l, &size, &number));
	assert_int_equal(number, 0);
	assert_false(put(l, 72, 0)); /* would need a second place */
	assert_true(put(l, 64, 99));
	for (uint64_t i = 1; i < LANE_RING / 64; i++) {
		assert_true(get(l, &size, &number));
		assert_int_equal(number, i);
	}
	assert_true(get(l, &size, &number));
	assert_int_equal(number, 99);
	assert_false(get(l, &size, &number));
}

/* What goes in comes out, in order, at every alignment to the ring's end. */
static void test_wrap(void **state)
{
	struct lane *l = *state;
	uint64_t in = 0, out = 0, number;
	uint32_t sizes[4096], size;
	unsigned seed = 7;

	for (int round = 0; round < 60000; round++) {
		size = 16 + 8 * ((unsigned)rand_r(&seed) % 300);
		if (in - out < ARRAY_LEN(sizes) && put(l, size, in)) {
			sizes[in++ % ARRAY_LEN(sizes)] = size;
			continue;
		}
		for (unsigned n = (unsigned)rand_r(&seed) % 40 + 1; n && out < in; n--, out++) {
			assert_true(get(l, &size, &number));
			assert_int_equal(number, out);
			assert_int_equal(size, sizes[out % ARRAY_LEN(sizes)]);
		}
	}
	assert_true(in > 20000);
}

static const uint32_t damages[] = { 0, 4, 12, 17, 24, LANE_RING, LANE_RING + 8, UINT32_MAX };

static void test_damage(void **state)
{
	struct lane *l = *state;
	uint64_t number;
	uint32_t size;

	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		struct commit *next = lane_begin(l);
		struct record *r = lane_reserve(l, next, 1, 16);
		bool broken = false;

		assert_non_null(r);
		r->size = damages[i];
		lane_commit(l);
		assert_null(next_note(l, &broken));
		assert_true(broken);
		broken = false;
		assert_null(next_note(l, &broken));
		assert_false(broken);
		assert_true(put(l, 24, 5));
		assert_true(get(l, &size, &number));
		assert_int_equal(number, 5);
	}
}

/* A reader that dies between reading and freeing leaves everything to the next one. */
static void test_reader_restart(void **state)
{
	struct lane *l = *state;
	uint64_t words[LANE_N_WORDS], cursor = 0, number;
	bool broken = false;
	uint32_t size;

	for (uint64_t i = 0; i < 10; i++)
		put(l, 64, i);
	lane_read(l, words);
	while (lane_next(l, words[LANE_head], &cursor, &broken))
		continue;
	assert_int_equal(cursor, words[LANE_head]);
	for (uint64_t i = 0; i < 10; i++) {
		assert_true(get(l, &size, &number));
		assert_int_equal(number, i);
	}
	assert_false(get(l, &size, &number));
}

static void test_damaged_head(void **state)
{
	struct lane *l = *state;
	struct commit *next = lane_begin(l);
	bool broken = false;

	lane_add(next, LANE_head, LANE_RING + 8);
	lane_commit(l);
	assert_null(next_note(l, &broken));
	assert_true(broken);
	assert_true(put(l, 16, 5));
	broken = false;
	assert_non_null(next_note(l, &broken));
}

#define ROUNDS 300000

static void *write_many(void *arg)
{
	for (uint64_t i = 1; i <= ROUNDS; i++)
		put(arg, 16 + 8 * (uint32_t)(i % 9), i);
	return NULL;
}

/* Every record is read whole and in order, or counted as dropped; every look at the counters is
 * one commit's. */
static void test_threads(void **state)
{
	struct lane *l = *state;
	uint64_t words[LANE_N_WORDS], read = 0, last = 0, number;
	uint32_t size;
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_many, l), 0);
	do {
		lane_read(l, words);
		assert_int_equal(words[LANE_events], words[LANE_received]);
		while (get(l, &size, &number)) {
			assert_true(number > last);
			assert_int_equal(size, 16 + 8 * (number % 9));
			last = number;
			read++;
		}
	} while (words[LANE_events] < ROUNDS);
	pthread_join(writer, NULL);
	lane_read(l, words);
	while (get(l, &size, &number))
		read++;
	assert_int_equal(read + words[LANE_dropped], ROUNDS);
}

/* Heads that somebody else has written: no room, and nothing is written anywhere. */
static void test_no_sense(void **state)
{
	static const uint64_t heads[] = { LANE_RING + 8ULL, 1ULL << 63, UINT64_MAX - 7 };
	struct lane *l = *state;

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		struct commit *next = lane_begin(l);

		atomic_store(&next->word[LANE_head], heads[i]);
		assert_int_equal(lane_room(l, next), 0);
		assert_null(lane_reserve(l, next, 1, 16));
		assert_int_equal(lane_word(next, LANE_head), heads[i]);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_empty),          TEST(test_only_a_commit_counts),
		TEST(test_sizes),          TEST(test_full),
		TEST(test_wrap),           TEST(test_damage),
		TEST(test_damaged_head),   TEST(test_threads),
		TEST(test_reader_restart), TEST(test_no_sense),
	};

	return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
