/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - see arena.h. */
#include "arena.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "warder/own.h"

#define PAGE 4096UL

int arena_map(int fd, struct arena **out, struct err *e)
{
	const int want = F_SEAL_SHRINK | F_SEAL_GROW;
	struct arena *a;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & want) != want)
		return err_set(e, EINVAL, "the state is no memory whose size is sealed");
	if (fstat(fd, &st))
		return err_set(e, errno, "look at the state");
	if (st.st_size != sizeof *a)
		return err_set(e, EINVAL, "the state is of %lld bytes, not %zu",
			       (long long)st.st_size, sizeof *a);
	a = mmap(NULL, sizeof *a, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (a == MAP_FAILED)
		return err_set(e, errno, "map the shared memory");
	*out = a;
	return 0;
}

int arena_create(struct arena **out, int *fd, struct err *e)
{
	auto_fd mem = memfd_create("warder", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (mem < 0 || ftruncate(mem, sizeof **out) ||
	    fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return err_set(e, errno, "make the shared memory");
	r = arena_map(mem, out, e);
	if (r)
		return r;
	atomic_store(&(*out)->work, 1);
	*fd = take_fd(&mem);
	return 0;
}

int arena_new(struct arena **out, struct err *e)
{
	auto_fd fd = -1;

	return arena_create(out, &fd, e);
}

void arena_unmap(struct arena *a)
{
	if (a)
		munmap(a, sizeof *a);
}

struct block *arena_take(struct arena *a)
{
	for (uint32_t i = 0; i < ARENA_SESSIONS; i++) {
		if (atomic_load(&a->blocks[i].state) != BLOCK_FREE)
			continue;
		if (i >= atomic_load(&a->high))
			atomic_store(&a->high, i + 1);
		return &a->blocks[i];
	}
	return NULL;
}

void arena_publish(struct block *b)
{
	atomic_store(&b->state, BLOCK_LIVE);
}

/* MADV_REMOVE gives the pages back: they read as zeros. The state, in the first page, is
 * last: until then nobody else takes the block. GONE says to the next journal that this one died
 * in here. */
void arena_give(struct block *b)
{
	char *rest = (char *)b + PAGE;

	atomic_store(&b->state, BLOCK_GONE);
	if (madvise(rest, sizeof *b - PAGE, MADV_REMOVE))
		memset(rest, 0, sizeof *b - PAGE);
	memset((char *)b + sizeof b->state, 0, PAGE - sizeof b->state);
	atomic_store(&b->state, BLOCK_FREE);
}

void block_change_begin(struct block *b)
{
	atomic_fetch_or(&b->changes, 1);
}

void block_change_end(struct block *b)
{
	atomic_store(&b->changes, (atomic_load(&b->changes) | 1) + 1);
}

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *t)
{
	return syscall(SYS_futex, word, op, value, t, NULL, 0);
}

/* Wakes the journal if it sleeps; if it naps, too, when there is hurry. */
static void wake(struct arena *a, bool hurry)
{
	uint32_t work = atomic_load_explicit(&a->work, memory_order_relaxed);

	if (work == WORK_RUNS || (work == WORK_NAPS && !hurry))
		return;
	if (atomic_exchange(&a->work, WORK_RUNS) != WORK_RUNS)
		futex(&a->work, FUTEX_WAKE, 1, NULL);
}

void arena_wake(struct arena *a)
{
	atomic_thread_fence(memory_order_seq_cst); /* what was done before the look at `work` */
	wake(a, false);
}

void arena_hurry(struct arena *a)
{
	atomic_thread_fence(memory_order_seq_cst);
	wake(a, true);
}

void arena_mark(struct arena *a, const struct block *b)
{
	size_t index = (size_t)(b - a->blocks);
	_Atomic uint64_t *word = &a->dirty[index / 64];
	uint64_t bit = 1ULL << index % 64;

	atomic_thread_fence(memory_order_seq_cst); /* the record before the looks at both */
	if (!(atomic_load_explicit(word, memory_order_relaxed) & bit))
		atomic_fetch_or(word, bit);
	wake(a, lane_half_full(&b->lane));
}

void arena_sleep(struct arena *a, enum work how, uint64_t ns, bool (*look)(void *ctx), void *ctx)
{
	const struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	atomic_store(&a->work, how);
	atomic_thread_fence(memory_order_seq_cst);
	if (!look || !look(ctx))
		futex(&a->work, FUTEX_WAIT, how, ns == UINT64_MAX ? NULL : &t);
	atomic_store(&a->work, WORK_RUNS);
}

#define SUMS_WORDS (sizeof(struct sums) / sizeof(uint64_t))
_Static_assert(sizeof(struct sums) % sizeof(uint64_t) == 0, "words only");

/* Word by word: whoever reads just now takes it again once `pass` has changed. */
void sums_write(struct arena *a, const struct sums *s)
{
	uint64_t *to = (uint64_t *)&a->sums[(atomic_load(&a->pass) + 1) & 1];
	const uint64_t *from = (const uint64_t *)s;

	for (size_t i = 0; i < SUMS_WORDS; i++)
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
}

/* The half that is true is not written to before the next store of `pass`. */
void sums_read(const struct arena *a, struct sums *out)
{
	uint64_t before, after = atomic_load_explicit(&a->pass, memory_order_acquire);
	uint64_t *to = (uint64_t *)out;

	do {
		const uint64_t *from = (const uint64_t *)&a->sums[after & 1];

		before = after;
		for (size_t i = 0; i < SUMS_WORDS; i++)
			to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&a->pass, memory_order_acquire);
	} while (before != after);
}
