/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - what this kernel and this process can really do, tried in throw-away children.
 *
 * A probe runs in a child with a process group of its own and a deadline: whatever it meets, the
 * doctor goes on. Nothing dangerous is ever called: the notified call is getppid. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_TEXT 256

struct probe_result {
	bool ok;
	char text[PROBE_TEXT]; /* what was found; one line */
};

/* Fills *out; text is never empty afterwards. arg is the row's. */
typedef void probe_fn(struct probe_result *out, const void *arg);

/* Runs fn in a child. One that does not answer within timeout_ms, or dies, is "not ok" in words. */
void probe_run(probe_fn *fn, const void *arg, int timeout_ms, struct probe_result *out);

probe_fn probe_kernel, probe_actions, probe_listener, probe_continue, probe_sync, probe_killable,
	probe_tsync, probe_pidfd_getfd, probe_ptrace, probe_write, probe_end, probe_repeat,
	probe_cost;
