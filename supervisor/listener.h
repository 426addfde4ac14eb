/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - hand-overs on listener.sock: our hook's (ask.h) and a native runtime's.
 *
 * Each connection has a thread and a deadline of its own, so a silent or slow peer holds up nobody;
 * when LISTENER_MAX of them are open, the next wait in the kernel's queue. Peers must be root or
 * the user warderd runs as. Whatever is not exactly a hand-over is refused with one line on the
 * log, its descriptors closed; a connection without a byte means nothing (crun makes one). */
#pragma once
#include <stdbool.h>

struct worker;

#define LISTENER_MAX 64

bool listener_full(struct worker *w);
void listener_accept(struct worker *w);
void listener_reap(struct worker *w); /* joins the threads that have ended */
void listener_stop(struct worker *w); /* ends all connections, waits for their threads */
