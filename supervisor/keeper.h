/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.h - the process that stays: it holds the listeners and the arena, and starts the others.
 *
 *	keeper --clone(CLONE_FILES)--> worker     serves; may die at any instant
 *	       --fork----------------> scribe     writes events
 *	       --clone(CLONE_FILES)--> stand-in   answers while the worker is in a pause
 *
 * A listener lives as long as somebody holds it, and an answer may come from anybody who knows the
 * id: so when the worker dies, the keeper starts another in the same descriptor table and with the
 * same arena, and no caller notices. One that was killed at work starts again at once; one that
 *dies by itself or without having done anything starts with growing pauses. Meanwhile a stand-in
 *(the same code, which takes no hand-over and reads nothing that only describes callers) answers as
 *the policy's "fallback" says. A worker that is alive but silent (a call waits, and nothing has
 *moved for the policy's fallback "after") is killed, and so dead. When the keeper dies, the others
 *end too; notified calls then fail with ENOSYS. */
#pragma once
#include <stdbool.h>

#include "config.h"
#include "warder/err.h"

struct keeper_opts {
	const struct config *config;
	int ready_fd; /* gets a newline when ready; -1: none */
	bool replace; /* the running warderd, if there is one (replace.h) */
};

/* Opens everything, says ready, runs until SIGTERM, SIGINT or its replacement. */
int keeper_run(const struct keeper_opts *o, struct err *e);
