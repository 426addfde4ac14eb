/* SPDX-License-Identifier: Apache-2.0 */
/* lane.h - what one serving thread leaves in shared memory: the call in its hand, its counters, its
 * records. Nothing is lost or doubled if the thread dies between any two of its stores.
 *
 * One writer (the thread), one reader (the journal, maybe in another process), no lock. Everything
 * a call changes is prepared in the half of `commit` that is not current: counters, sequence, the
 * ring's new head. lane_commit() makes it true with ONE store. Whoever finds a dead writer's lane
 * sees the last commit whole; the slot tells how far the call after it had come (DESIGN section 7).
 * Records lie in the ring contiguously, 8-byte aligned; one that would wrap is preceded by filler.
 * A full ring refuses a record: the writer counts it. The reader treats what it finds as hostile.
 */
#pragma once
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "warder/decide.h"

#define LANE_RING (128U * 1024) /* bytes of records; a power of two */

/* The words of a commit; all but the first two are counters, exact, written by the lane's thread
 * alone. */
#define LANE_WORDS(X)                                                             \
	X(seq, "calls served")                                                    \
	X(head, "bytes of records ever written")                                  \
	X(received, "notifications received")                                     \
	X(allowed, "answered: go on, the policy allows it")                       \
	X(audited, "answered: go on, the policy would have blocked it")           \
	X(denied, "answered with the policy's errno")                             \
	X(killed, "caller killed")                                                \
	X(starting, "the runtime's own calls before the first exec, let through") \
	X(stale, "caller gone or interrupted before the answer")                  \
	X(events, "events recorded or dropped; an event's own number")            \
	X(dropped, "events not written because the reader was behind")

#define X(name, help) LANE_##name,
enum lane_word { LANE_WORDS(X) LANE_N_WORDS };
#undef X
extern const char *const lane_word_names[LANE_N_WORDS];

/* The call in the thread's hand. */
enum slot_state {
	SLOT_FREE,    /* nothing, or, if notif.id is set, received a moment ago */
	SLOT_DECIDED, /* verdict and the rest are valid; the answer may or may not have been sent */
	SLOT_SENT,    /* answered, `done` is valid; not committed unless seq <= commit's */
};

struct slot {
	_Atomic uint32_t state;
	uint8_t done;  /* enum done */
	uint8_t flags; /* enum record_flags */
	uint8_t mode;  /* enum mode, at the decision */
	uint8_t ident; /* where the reader keeps the caller's identity */
	uint64_t seq;  /* this call's number: commit.seq + 1 */
	uint64_t time_ns;
	struct verdict verdict;
	struct seccomp_notif notif; /* RECV writes here */
};

struct commit {
	_Atomic uint64_t word[LANE_N_WORDS];
};

struct lane {
	struct slot slot;
	_Alignas(64) struct commit commit[2];
	_Alignas(64) _Atomic uint64_t current; /* its lowest bit: which half is true */
	_Alignas(64) _Atomic uint64_t tail;    /* bytes of records ever read; the reader's */
	_Alignas(64) unsigned char ring[LANE_RING];
};

struct record {        /* each record begins so */
	uint32_t size; /* whole, a multiple of 8 */
	uint32_t type; /* LANE_FILLER or the user's, from 1 */
};
#define LANE_FILLER 0U

/* Writer: begin, count and reserve as needed, commit. What was begun and not committed never was.
 */
struct commit *lane_begin(struct lane *l);
static inline uint64_t lane_word(const struct commit *c, enum lane_word w)
{
	return atomic_load_explicit(&c->word[w], memory_order_relaxed);
}
static inline void lane_add(struct commit *next, enum lane_word w, uint64_t n)
{
	atomic_store_explicit(&next->word[w], lane_word(next, w) + n, memory_order_relaxed);
}
/* Room for a record of `size` bytes (at most LANE_RING / 4), its header filled; NULL: none. */
void *lane_reserve(struct lane *l, struct commit *next, uint32_t type, uint32_t size);
void lane_commit(struct lane *l);

/* The writer: bytes that are free; a record may need as much again, as filler. 0 where the places
 * make no sense. */
static inline uint64_t lane_room(const struct lane *l, const struct commit *c)
{
	uint64_t used =
		lane_word(c, LANE_head) - atomic_load_explicit(&l->tail, memory_order_acquire);

	return used < LANE_RING ? LANE_RING - used : 0;
}
/* The writer: should the reader be told to hurry? */
static inline bool lane_half_full(const struct lane *l)
{
	uint64_t current = atomic_load_explicit(&l->current, memory_order_relaxed);

	return lane_room(l, &l->commit[current & 1]) < LANE_RING / 2;
}

/* Anyone: the last commit, whole. */
void lane_read(const struct lane *l, uint64_t out[LANE_N_WORDS]);

/* Reader: the next record from *cursor on, below head (a word of lane_read()); NULL: none (or the
 * ring is damaged: then *cursor is head and *broken set). *cursor moves past it. */
const struct record *lane_next(const struct lane *l, uint64_t head, uint64_t *cursor, bool *broken);
/* Of the record that lane_next() just gave, as it was checked (the writer may not change it under
 * us). */
static inline uint32_t lane_size(const struct lane *l, const struct record *r, uint64_t cursor)
{
	uint32_t end = (uint32_t)(cursor & (LANE_RING - 1));

	return (end ? end : LANE_RING) - (uint32_t)((const unsigned char *)r - l->ring);
}
/* Everything before cursor is dealt with: its room is the writer's again. */
static inline void lane_free_to(struct lane *l, uint64_t cursor)
{
	atomic_store_explicit(&l->tail, cursor, memory_order_release);
}
