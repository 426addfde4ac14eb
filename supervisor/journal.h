/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - turns the records of all sessions into event lines, off the hot path.
 *
 * It runs in a process of its own (the scribe) or, for `warder run`, in a thread. It naps
 * JOURNAL_NAP_MS at a time while there is something to do and sleeps on a futex when there has been
 * nothing for JOURNAL_IDLE_MS, so a session wakes it at most once per quiet time and an idle daemon
 * uses no CPU. A line that cannot be written is counted, said once on the log, and said in the
 * events themselves ("lost", with count) when writing works again. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "policies.h"
#include "warder/err.h"
#include "warder/event.h"

#define JOURNAL_NAP_MS  5
#define JOURNAL_IDLE_MS 200

struct journal;

struct journal_opts {
	struct arena *arena;
	struct policies *policies; /* this process's: for the words of verdicts */
	int fd;                    /* lines go here (borrowed); -1: nowhere */
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
