/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c - see ring.h. */
#include "ring.h"

#include <stddef.h>

static uint32_t round8(uint32_t size)
{
	return (size + 7U) & ~7U;
}

static struct ring_head *at(struct ring *r, uint64_t pos)
{
	return (struct ring_head *)(void *)&r->data[pos & (RING_SIZE - 1)];
}

void *ring_reserve(struct ring *r, uint32_t type, uint32_t size)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint32_t to_end = RING_SIZE - (uint32_t)(head & (RING_SIZE - 1));
	uint32_t filler = 0;
	struct ring_head *h;

	size = round8(size);
	if (size > to_end)
		filler = to_end;
	if (size > RING_SIZE / 4 || head - tail + filler + size > RING_SIZE)
		return NULL;
	if (filler) {
		h = at(r, head);
		h->size = filler;
		h->type = RING_FILLER;
		head += filler;
		atomic_store_explicit(&r->head, head, memory_order_release);
	}
	h = at(r, head);
	h->size = size;
	h->type = type;
	return h;
}

void ring_commit(struct ring *r, uint32_t size)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + round8(size), memory_order_release);
}

const struct ring_head *ring_peek(struct ring *r, int *broken)
{
	for (;;) {
		uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
		uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
		const struct ring_head *h = at(r, tail);
		uint32_t to_end = RING_SIZE - (uint32_t)(tail & (RING_SIZE - 1));

		if (head == tail)
			return NULL;
		if (head - tail > RING_SIZE || h->size < sizeof *h || h->size % 8 ||
		    h->size > head - tail || h->size > to_end) {
			*broken = 1;
			atomic_store_explicit(&r->tail, head, memory_order_release);
			return NULL;
		}
		if (h->type != RING_FILLER)
			return h;
		ring_next(r, h);
	}
}

void ring_next(struct ring *r, const struct ring_head *h)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + h->size, memory_order_release);
}
