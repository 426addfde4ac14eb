/* SPDX-License-Identifier: Apache-2.0 */
/* estate.h - what one warderd leaves to the next: the state, the doors, the listeners.
 *
 * It comes over keeper.sock (replace.h) or out of systemd's descriptor store (store.h). In the
 * arena descriptors are numbers of one process's table: estate_settle() writes this process's own
 * there. Whoever hands over keeps an estate too: its way back if the next one fails. */
#pragma once
#include <stdint.h>

#include "arena.h"
#include "doors.h"
#include "warder/err.h"

struct estate {
	int memory; /* the arena's descriptor; -1: none */
	struct doors doors;
	int listeners[ARENA_SESSIONS];    /* by the block's place; -1: none */
	uint64_t numbers[ARENA_SESSIONS]; /* of the sessions they belong to */
};

void estate_init(struct estate *s);
void estate_close(struct estate *s); /* what has not been taken out */

/* Notes the arena's sessions, as long as their numbers are this process's. */
void estate_note(struct estate *s, const struct arena *a);
/* The arena's sessions are served with s->listeners from now on. One whose listener is not there
 * is ENDED; a listener whose session is gone is closed. Returns how many live. */
int estate_settle(struct estate *s, struct arena *a);
