/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - an arena from another process, written over at random: (where, 2 bytes; byte) again and
 * again, on the pages of its head, of a policy, of two blocks.
 *
 * Must hold: state_check() refuses it with words, or every index and text in it is in its bounds.
 */
#include "fuzz.h"
#include "state.h"
#include "warder/own.h"

#define PAGE 4096U

static struct arena *a;
static unsigned char *pages[4], clean[4][PAGE];

static void prepare(void)
{
	struct err e;
	int fd;

	MUST(!state_new(&a, &fd, &e));
	strcpy(a->policies[0].name, "web");
	strcpy(a->policies[0].text, "{}");
	a->policies[0].len = 2;
	atomic_store(&a->policies[0].used, 1);
	for (int i = 0; i < 2; i++) {
		struct block *b = arena_take(a);

		b->listener = -1;
		b->number = (uint64_t)i + 1;
		arena_publish(b);
	}
	MUST(!state_check(a, &e));
	pages[0] = (unsigned char *)a;
	pages[1] = (unsigned char *)&a->policies[0];
	pages[2] = (unsigned char *)&a->blocks[0];
	pages[3] = (unsigned char *)&a->blocks[1];
	for (int i = 0; i < 4; i++)
		memcpy(clean[i], pages[i], PAGE);
}

static void look(void)
{
	uint32_t high = atomic_load(&a->high);

	MUST(high <= ARENA_SESSIONS);
	for (uint32_t i = 0; i < high && i < 2; i++) {
		const struct block *b = &a->blocks[i];

		if (atomic_load(&b->state) == BLOCK_FREE)
			continue;
		MUST(atomic_load(&b->state) <= BLOCK_ENDED);
		MUST(atomic_load(&b->policy) < ARENA_POLICIES && b->gate < ARENA_POLICIES);
		MUST(memchr(b->id, 0, sizeof b->id) && memchr(b->pod, 0, sizeof b->pod));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e;
	int r;

	if (!a)
		prepare();
	for (size_t i = 0; i + 3 <= size; i += 3) {
		unsigned at = data[i] | (unsigned)data[i + 1] << 8;

		pages[at >> 12 & 3][at & (PAGE - 1)] = data[i + 2];
	}
	r = state_check(a, &e);
	if (r) {
		must_say(r, &e);
	} else {
		look();
	}
	for (int i = 0; i < 4; i++)
		memcpy(pages[i], clean[i], PAGE);
	return 0;
}
