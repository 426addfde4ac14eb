/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - the descriptor table that keeper, worker and stand-in share.
 *
 * What a killed worker had open stays open. The keeper closes it before it starts the next one:
 * then it is alone in the table, so nothing can be opened or closed meanwhile. It goes by its own
 * list, and by the arena's sessions. */
#pragma once
#include "arena.h"
#include "warder/err.h"

#define TABLE_OWN 64

struct table { /* the keeper's own descriptors */
	int n;
	int fds[TABLE_OWN];
};

/* All that is open now but `except` and the standard ones: somebody had it open for us. */
int table_note(struct table *t, int except, struct err *e);
int table_add(struct table *t, int fd, struct err *e); /* -1: nothing to do */
void table_remove(struct table *t, int fd);
/* Closes what is neither the keeper's nor a session's. Says so of a listener. */
int table_tidy(const struct table *t, const struct arena *a, struct err *e);
