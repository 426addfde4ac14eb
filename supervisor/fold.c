/* SPDX-License-Identifier: Apache-2.0 */
/* fold.c - see fold.h. */
#include "fold.h"

#include <stddef.h>
#include <string.h>

#define TOKEN 1000000000ULL /* one line */

_Static_assert(sizeof(struct fold_key) == 80, "no padding");
_Static_assert(FOLD_COUNT < 255 && FOLD_COUNT * 3 < FOLD_BUCKETS * 2, "a byte holds an index");

static uint32_t hash(const struct fold_key *key)
{
	uint64_t words[sizeof *key / 8], h = 0x9e3779b97f4a7c15ULL;

	memcpy(words, key, sizeof words);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		h = (h ^ words[i]) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	return (uint32_t)h;
}

/* What calls of one kind have in common. */
static struct fold_key kind_of(const struct fold_key *key)
{
	struct fold_key kind = { .arch = key->arch,
				 .nr = key->nr,
				 .verdict = key->verdict,
				 .done = key->done,
				 .mode = key->mode };

	return kind;
}

/* *slot: the empty bucket where it would go; FOLD_BUCKETS: none (somebody damaged the book). */
static struct fold *find(const struct folds *f, const struct fold_key *key, bool kind,
			 uint32_t *slot)
{
	const struct book *b = f->book;
	uint32_t i = hash(key);

	for (uint32_t steps = 0; steps < FOLD_BUCKETS; steps++, i++) {
		uint32_t n = b->bucket[i % FOLD_BUCKETS];

		if (!n) {
			*slot = i % FOLD_BUCKETS;
			return NULL;
		}
		if (n <= FOLD_COUNT && (n > FOLD_SAME) == kind &&
		    !memcmp(&fold_at(f, n - 1)->key, key, sizeof *key))
			return fold_at(f, n - 1);
	}
	*slot = FOLD_BUCKETS;
	return NULL;
}

static struct fold *put(const struct folds *f, const struct fold_key *key, uint32_t n,
			uint32_t slot)
{
	struct fold *fold = fold_at(f, n);

	*fold = (struct fold){ .key = *key };
	if (slot < FOLD_BUCKETS)
		f->book->bucket[slot] = (uint8_t)(n + 1);
	return fold;
}

struct fold *fold_find_same(const struct folds *f, const struct fold_key *key)
{
	uint32_t slot;

	return f->book->n_same ? find(f, key, false, &slot) : NULL;
}

struct fold *fold_new_same(const struct folds *f, const struct fold_key *key, uint64_t now_ns)
{
	struct book *b = f->book;
	uint32_t slot;

	if (b->n_same >= FOLD_SAME || find(f, key, false, &slot))
		return NULL;
	if (!b->window_ns)
		b->window_ns = now_ns + FOLD_WINDOW_NS;
	return put(f, key, b->n_same++, slot);
}

struct fold *fold_kind(const struct folds *f, const struct fold_key *key, uint64_t now_ns)
{
	struct fold_key kind = kind_of(key);
	struct book *b = f->book;
	uint32_t slot;
	struct fold *fold = find(f, &kind, true, &slot);

	if (fold)
		return fold;
	if (!b->period_ns)
		b->period_ns = now_ns + FOLD_PERIOD_NS;
	if (b->n_kinds + 1 < FOLD_KINDS)
		return put(f, &kind, FOLD_SAME + b->n_kinds++, slot);
	fold = fold_at(f, FOLD_REST);
	if (b->n_kinds < FOLD_KINDS) {
		*fold = (struct fold){ .key = { .nr = -1, .mode = key->mode } };
		b->n_kinds = FOLD_KINDS;
	}
	return fold;
}

static uint32_t at_most(uint32_t n, uint32_t max)
{
	return n < max ? n : max;
}

/* The buckets of what is left. */
static void index_again(const struct folds *f)
{
	struct book *b = f->book;
	uint32_t slot = FOLD_BUCKETS, kinds = at_most(b->n_kinds, FOLD_KINDS - 1);

	memset(b->bucket, 0, sizeof b->bucket);
	for (uint32_t i = 0; i < at_most(b->n_same, FOLD_SAME); i++)
		if (!find(f, &fold_at(f, i)->key, false, &slot) && slot < FOLD_BUCKETS)
			b->bucket[slot] = (uint8_t)(i + 1);
	for (uint32_t i = FOLD_SAME; i < FOLD_SAME + kinds; i++)
		if (!find(f, &fold_at(f, i)->key, true, &slot) && slot < FOLD_BUCKETS)
			b->bucket[slot] = (uint8_t)(i + 1);
}

void fold_drop_same(const struct folds *f)
{
	f->book->n_same = 0;
	f->book->window_ns = 0;
	index_again(f);
}

void fold_drop_kinds(const struct folds *f)
{
	f->book->n_kinds = 0;
	f->book->period_ns = 0;
	index_again(f);
}

#define AFTER_PASS (offsetof(struct book, pass) + sizeof(uint64_t))

void fold_clear(const struct folds *f)
{
	memset((char *)f->book + AFTER_PASS, 0, sizeof *f->book - AFTER_PASS);
}

void fold_copy(const struct folds *to, const struct folds *from)
{
	const size_t skip = AFTER_PASS;

	memcpy((char *)to->book + skip, (const char *)from->book + skip, sizeof *to->book - skip);
	to->book->n_same = at_most(from->book->n_same, FOLD_SAME);
	to->book->n_kinds = at_most(from->book->n_kinds, FOLD_KINDS);
	for (uint32_t i = 0; i < to->book->n_same; i++)
		*fold_at(to, i) = *fold_at(from, i);
	for (uint32_t i = 0; i < to->book->n_kinds; i++)
		*fold_at(to, FOLD_SAME + i) = *fold_at(from, FOLD_SAME + i);
}

bool fold_pay(struct book *b, const struct budget *budget, uint64_t now_ns)
{
	uint64_t full = budget->burst * TOKEN, passed = now_ns - b->filled_ns;

	if (!budget->rate)
		return true;
	if (!b->filled_ns || now_ns < b->filled_ns || passed > full / budget->rate)
		b->tokens = full;
	else
		b->tokens += passed * budget->rate;
	if (b->tokens > full)
		b->tokens = full;
	b->filled_ns = now_ns;
	if (b->tokens < TOKEN)
		return false;
	b->tokens -= TOKEN;
	return true;
}

uint64_t fold_due_ns(const struct book *b)
{
	uint64_t due = UINT64_MAX;

	if (b->window_ns)
		due = b->window_ns;
	if (b->period_ns && b->period_ns < due)
		due = b->period_ns;
	return due;
}
