/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c - see lane.h. */
#include "lane.h"

#include <stddef.h>

#define X(name, help) #name,
const char *const lane_word_names[LANE_N_WORDS] = { LANE_WORDS(X) };
#undef X

static const struct record *at(const struct lane *l, uint64_t pos)
{
	return (const struct record *)(const void *)&l->ring[pos & (LANE_RING - 1)];
}

static struct record *put(struct lane *l, uint64_t pos, uint32_t type, uint32_t size)
{
	struct record *r = (struct record *)(void *)&l->ring[pos & (LANE_RING - 1)];

	r->size = size;
	r->type = type;
	return r;
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
	uint32_t to_end = LANE_RING - (uint32_t)(head & (LANE_RING - 1));
	uint32_t filler = 0;

	size = (size + 7U) & ~7U;
	if (size > to_end)
		filler = to_end;
	if (size > LANE_RING / 4 || filler + size > lane_room(l, next))
		return NULL;
	if (filler)
		put(l, head, LANE_FILLER, filler);
	lane_add(next, LANE_head, filler + size);
	return put(l, head + filler, type, size);
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

const struct record *lane_next(const struct lane *l, uint64_t head, uint64_t *cursor, bool *broken)
{
	while (*cursor != head) {
		const struct record *r = at(l, *cursor);
		uint32_t size =
			*(const volatile uint32_t *)&r->size; /* once: the check must hold */
		uint32_t to_end = LANE_RING - (uint32_t)(*cursor & (LANE_RING - 1));

		if (head - *cursor > LANE_RING || size < sizeof *r || size % 8 ||
		    size > head - *cursor || size > to_end) {
			*broken = true;
			*cursor = head;
			return NULL;
		}
		*cursor += size;
		if (r->type != LANE_FILLER)
			return r;
	}
	return NULL;
}
