/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - turns the records of all sessions into event lines, off the hot path.
 *
 * It runs in a process of its own (the scribe) or, for `warder run`, in a thread. It looks at the
 * sessions that say they have something (arena_mark), naps JOURNAL_NAP_MS at a time while there is
 * something to do, less when a ring is half full, and sleeps on a futex when there has been nothing
 * for JOURNAL_IDLE_MS, or until a fold is due: an idle daemon uses no CPU.
 *
 * It may be killed at any instant: nothing is lost or doubled. A pass copies the books of the
 * sessions it looks at (fold.h) and the sums into their other halves, works on these, and puts
 * lines into the arena's batch. Then ONE store, of arena.pass, makes all of it true. Then the sinks
 * get the batch (sink.h), and last the records' room is given back. A new journal that finds the
 * pass at P ignores what carries P + 1; the sinks see whether they have the batch of P.
 *
 * So, for every session: calls recorded = the sum of "count" over its lines, with those of
 * "suppressed" and "lost". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "fold.h"
#include "policies.h"
#include "sink.h"
#include "stream.h"
#include "warder/err.h"
#include "warder/event.h"

#define JOURNAL_NAP_MS  5
#define JOURNAL_IDLE_MS 200

struct journal;

struct journal_opts {
	struct arena *arena;
	struct policies *policies; /* this process's: for the words of verdicts */
	struct budget budget;      /* of lines, for each session */
	struct sinks *sinks;       /* lines go here (borrowed); NULL: nowhere */
	struct stream *stream;     /* and here; NULL: not */
	/* Also called for each event, with its line; may be NULL. */
	void (*on_event)(void *ctx, const struct event *ev, const char *line, size_t len);
	/* One line for the log, when writing fails or works again; may be NULL. */
	void (*on_trouble)(void *ctx, const char *line);
	void *ctx;
};

int journal_new(const struct journal_opts *o, struct journal **out, struct err *e);
/* Works until journal_stop(), then reads what is left and returns. In the scribe: its main loop. */
void journal_run(struct journal *j);
void journal_stop(struct journal *j); /* from any thread or a signal handler */
void journal_free(struct journal *j); /* after journal_run() has returned */

/* The same with a thread: started, then stopped and joined after the last record. */
int journal_start(struct journal *j, struct err *e);
void journal_finish(struct journal *j);
