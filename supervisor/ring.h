/* SPDX-License-Identifier: Apache-2.0 */
/* ring.h - records from one writer to one reader, through shared memory, without a lock.
 *
 * The writer is a session's thread, in the hot path; the reader is the journal, which may be
 * another process. A record is whole or absent: ring_commit() is one store (head, release order). A
 * full ring refuses the record; the writer counts it. Records lie contiguously, 8-byte aligned; one
 * that would wrap is preceded by filler. The reader treats what it finds as hostile: lengths are
 * checked. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#define RING_SIZE (128U * 1024) /* bytes of records; a power of two */

struct ring {
	_Alignas(64) _Atomic uint64_t head; /* bytes ever written; the writer's */
	_Alignas(64) _Atomic uint64_t tail; /* bytes ever read; the reader's */
	_Alignas(64) unsigned char data[RING_SIZE];
};

struct ring_head {
	uint32_t size; /* whole record with this header, a multiple of 8 */
	uint32_t type; /* RING_FILLER or the user's, from 1 */
};
#define RING_FILLER 0U

/* Room for a record of `size` bytes (header included; at most RING_SIZE / 4), NULL if there is
 * none. It becomes visible with ring_commit(), which must get the same size. */
void *ring_reserve(struct ring *r, uint32_t type, uint32_t size);
void ring_commit(struct ring *r, uint32_t size);

/* The oldest record, NULL if there is none (or the ring is damaged, then it is emptied and *broken
 * set). It stays until ring_next(). */
const struct ring_head *ring_peek(struct ring *r, int *broken);
void ring_next(struct ring *r, const struct ring_head *h);
