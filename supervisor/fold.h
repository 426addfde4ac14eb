/* SPDX-License-Identifier: Apache-2.0 */
/* fold.h - many events, few lines: what the journal keeps of a session between two lines.
 *
 * The first of identical calls is a line at once; those that follow within FOLD_WINDOW_NS are one
 * line with their count at its end. A session has a budget of lines (a token bucket); a call over
 * it is counted by its kind (arch, number, verdict, outcome), for about 30 ns, and each kind is one
 * "suppressed" line at the end of FOLD_PERIOD_NS and of the session. A table that is full folds
 * coarser: identical calls by kind, kinds all together. Nothing is dropped: over a session's lines
 * the counts add up.
 *
 * A book lies in the arena, in two halves: the journal works on a copy and all copies become true
 * with one store (arena.pass), together with the lines that were made of them (journal.h). Like all
 * that is in there it may have been written to by others: every index is bounded where it is used.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "warder/decide.h"

#define FOLD_WINDOW_NS 1000000000ULL
#define FOLD_PERIOD_NS 10000000000ULL

#define FOLD_SAME    128 /* identical calls */
#define FOLD_KINDS   32  /* kinds, the last of them for all that have no place */
#define FOLD_COUNT   (FOLD_SAME + FOLD_KINDS)
#define FOLD_BUCKETS 256 /* a power of two; a byte each holds an index + 1 */

#define FOLD_REST (FOLD_COUNT - 1) /* the fold of kinds that have no place */

struct fold_key { /* no padding: it is hashed and compared as words */
	uint64_t args[6];
	uint32_t arch;
	int32_t nr;
	struct verdict verdict;
	uint64_t who; /* a hash of the caller's identity; 0: unknown */
	int32_t tid;
	uint8_t ident, done, mode, flags;
};

struct fold {
	struct fold_key key;
	uint64_t count;                    /* calls in it that are in no line */
	uint64_t seq, time_ns, latency_ns; /* of the last of them */
};

struct book {
	uint64_t pass;             /* it is true once arena.pass has come so far */
	uint64_t cursor;           /* records up to here are in it or in a line */
	uint64_t dropped;          /* of the session's, how many are in a line */
	uint32_t announced, ended; /* "session_start" and "session_end" are in a line */
	uint64_t window_ns,
		period_ns;          /* when same ones and kinds become lines; 0: there are none */
	uint64_t tokens, filled_ns; /* the budget: billionths of a line, as of then */
	uint32_t n_same, n_kinds;
	uint8_t bucket[FOLD_BUCKETS];
};

struct budget {
	uint64_t rate, burst; /* lines per second, lines at once; rate 0: no limit */
};

/* A book and the half of its folds that goes with it. */
struct folds {
	struct book *book;
	struct fold (*pairs)[2];
	int half;
};

static inline struct fold *fold_at(const struct folds *f, uint32_t i)
{
	return &f->pairs[i][f->half];
}

/* Makes `to` (the other half) a copy of `from`. */
void fold_copy(const struct folds *to, const struct folds *from);
/* Makes it an empty one. Both leave its pass alone. */
void fold_clear(const struct folds *f);

/* The fold of calls identical to this one; NULL: none yet. */
struct fold *fold_find_same(const struct folds *f, const struct fold_key *key);
/* A new one, after its first call became a line; NULL: no place, its next call is a line too. */
struct fold *fold_new_same(const struct folds *f, const struct fold_key *key, uint64_t now_ns);
/* Where calls of this kind are counted; always one. */
struct fold *fold_kind(const struct folds *f, const struct fold_key *key, uint64_t now_ns);
/* All of them are in lines: none is left. */
void fold_drop_same(const struct folds *f);
void fold_drop_kinds(const struct folds *f);

/* May the session have one more line? */
bool fold_pay(struct book *b, const struct budget *budget, uint64_t now_ns);
/* The next moment something is to become a line; UINT64_MAX: none. */
uint64_t fold_due_ns(const struct book *b);
