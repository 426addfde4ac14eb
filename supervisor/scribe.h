/* SPDX-License-Identifier: Apache-2.0 */
/* scribe.h - the process that writes: events, from the arena to their sinks.
 *
 * It does not share the descriptor table of keeper and worker (locks and files of a killed sharer
 * would survive it). When it dies, a new one goes on: in a file no line is lost or doubled, other
 * sinks may get some twice (journal.h, sink.h). */
#pragma once
#include "arena.h"
#include "config.h"
#include "warder/err.h"

struct scribe_opts {
	struct arena *arena;
	const struct config *config;
	int api, metrics; /* listening sockets, the scribe's from now on; -1: none */
};

/* Until SIGTERM; then everything recorded so far is written. SIGUSR1: event files are opened anew.
 */
int scribe_run(const struct scribe_opts *o, struct err *e);
/* Can the sinks be opened? So that warderd refuses to start rather than losing all. */
int scribe_check(const struct config *c, struct err *e);
