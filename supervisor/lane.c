/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c - see lane.h. */
#include "lane.h"

#include <stddef.h>

#define X(name, help) #name,
const char *const lane_word_names[LANE_N_WORDS] = { LANE_WORDS(X) };
#undef X

static struct record *at(struct lane *l, uint64_t pos)
{
	return (struct record *)(void *)&l->ring[pos & (LANE_RING - 1)];
}

struct commit *lane_begin(struct lane *l)
{
	uint64_t current = atomic_load_explicit(&l->current, memory_order_relaxed);
	struct commit *next = &l->commit[(current + 1) & 1];

	/* A reader that sees one of these stores also sees the lane_commit() before them, and looks
	 * again. */
	atomic_thread_fence(memory_order_release);
	for (int w = 0; w < LANE_N_WORDS; w++)
		atomic_store_explicit(&next->word[w],
				      lane_word(&l->commit[current & 1], (enum lane_word)w),
				      memory_order_relaxed);
	return next;
}

void *lane_reserve(struct lane *l, struct commit *next, uint32_t type, uint32_t size)
{
	uint64_t head = lane_word(next, LANE_head);
	uint64_t tail = atomic_load_explicit(&l->tail, memory_order_acquire);
	uint32_t to_end = LANE_RING - (uint32_t)(head & (LANE_RING - 1));
	uint32_t filler = 0;
	struct record *r;

	size = (size + 7U) & ~7U;
	if (size > to_end)
		filler = to_end;
	if (size > LANE_RING / 4 || head - tail + filler + size > LANE_RING)
		return NULL;
	if (filler) {
		r = at(l, head);
		r->size = filler;
		r->type = LANE_FILLER;
	}
	r = at(l, head + filler);
	r->size = size;
	r->type = type;
	lane_add(next, LANE_head, filler + size);
	return r;
}

void lane_commit(struct lane *l)
{
	uint64_t current = atomic_load_explicit(&l->current, memory_order_relaxed);

	atomic_store_explicit(&l->current, current + 1, memory_order_release);
}

/* The half that is current is not written to: if it still is after the copy, the copy is whole. */
void lane_read(const struct lane *l, uint64_t out[LANE_N_WORDS])
{
	uint64_t before, after = atomic_load_explicit(&l->current, memory_order_acquire);

	do {
		before = after;
		for (int w = 0; w < LANE_N_WORDS; w++)
			out[w] = lane_word(&l->commit[before & 1], (enum lane_word)w);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&l->current, memory_order_acquire);
	} while (before != after);
}

const struct record *lane_peek(struct lane *l, bool *broken)
{
	uint64_t words[LANE_N_WORDS], head;

	lane_read(l, words);
	head = words[LANE_head];
	for (;;) {
		uint64_t tail = atomic_load_explicit(&l->tail, memory_order_relaxed);
		uint32_t to_end = LANE_RING - (uint32_t)(tail & (LANE_RING - 1));
		const struct record *r = at(l, tail);

		if (head == tail)
			return NULL;
		if (head - tail > LANE_RING || r->size < sizeof *r || r->size % 8 ||
		    r->size > head - tail || r->size > to_end) {
			*broken = true;
			atomic_store_explicit(&l->tail, head, memory_order_release);
			return NULL;
		}
		if (r->type != LANE_FILLER)
			return r;
		lane_next(l, r);
	}
}

void lane_next(struct lane *l, const struct record *r)
{
	uint64_t tail = atomic_load_explicit(&l->tail, memory_order_relaxed);

	atomic_store_explicit(&l->tail, tail + r->size, memory_order_release);
}
