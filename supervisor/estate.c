/* SPDX-License-Identifier: Apache-2.0 */
/* estate.c - see estate.h. */
#include "estate.h"

#include <unistd.h>

#include "log.h"
#include "warder/own.h"

void estate_init(struct estate *s)
{
	*s = (struct estate){ .memory = -1 };
	doors_init(&s->doors);
	for (int i = 0; i < ARENA_SESSIONS; i++)
		s->listeners[i] = -1;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void estate_close(struct estate *s)
{
	close_one(&s->memory);
	for (int i = 0; i < DOOR_COUNT; i++)
		close_one(&s->doors.fd[i]);
	for (int i = 0; i < ARENA_SESSIONS; i++)
		close_one(&s->listeners[i]);
}

static uint32_t limit(const struct arena *a)
{
	uint32_t high = atomic_load(&a->high);

	return high < ARENA_SESSIONS ? high : ARENA_SESSIONS;
}

void estate_note(struct estate *s, const struct arena *a)
{
	uint32_t high = limit(a);

	for (uint32_t i = 0; i < ARENA_SESSIONS; i++) {
		bool live = i < high && atomic_load(&a->blocks[i].state) == BLOCK_LIVE;

		s->listeners[i] = live ? a->blocks[i].listener : -1;
		s->numbers[i] = live ? a->blocks[i].number : 0;
	}
}

int estate_settle(struct estate *s, struct arena *a)
{
	uint32_t high = limit(a);
	int n = 0;

	for (uint32_t i = 0; i < ARENA_SESSIONS; i++) {
		struct block *b = &a->blocks[i];
		bool live = i < high && atomic_load(&b->state) == BLOCK_LIVE;

		if (live && s->listeners[i] >= 0 && s->numbers[i] == b->number) {
			b->listener = take_fd(&s->listeners[i]);
			n++;
			continue;
		}
		close_one(&s->listeners[i]);
		if (!live)
			continue;
		log_say("the listener of container %s did not come along: its calls fail with "
			"ENOSYS",
			b->id);
		b->listener = -1;
		atomic_store(&b->state, BLOCK_ENDED);
	}
	return n;
}
