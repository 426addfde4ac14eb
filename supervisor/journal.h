/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - the thread that turns records into event lines, off the hot path.
 *
 * It naps JOURNAL_NAP_MS at a time while there is something to do and sleeps on a futex when there
 * has been nothing for JOURNAL_IDLE_MS, so a session wakes it at most once per quiet time and an
 * idle daemon uses no CPU. A line that cannot be written is counted, said once on the log, and said
 * in the events themselves ("lost", with count) when writing works again. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warder/decide.h"
#include "warder/err.h"
#include "warder/event.h"

#define JOURNAL_NAP_MS  5
#define JOURNAL_IDLE_MS 200

struct journal;
struct block;

struct journal_opts {
	int fd; /* lines go here (borrowed); -1: nowhere */
	/* Also called for each event, with its line; may be NULL. */
	void (*on_event)(void *ctx, const struct event *ev, const char *line, size_t len);
	/* One line for the log, when writing fails or works again; may be NULL. */
	void (*on_trouble)(void *ctx, const char *line);
	void *ctx;
};

int journal_new(const struct journal_opts *o, struct journal **out, struct err *e);
/* Everything recorded so far is written; sessions that are not at their end are let go. */
void journal_free(struct journal *j);

/* From now on reads the block's ring. decide: for the words of its verdicts. release(ctx) is called
 * when RECORD_END has been read: the journal touches neither again. */
int journal_add(struct journal *j, struct block *b, const struct decide *decide,
		void (*release)(void *ctx), void *ctx, struct err *e);

/* From a session, after a record. */
void journal_wake(struct journal *j);

/* Returns when everything recorded before the call is written. */
void journal_flush(struct journal *j);

uint64_t journal_lost(const struct journal *j); /* lines that could not be written */
