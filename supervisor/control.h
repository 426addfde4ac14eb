/* SPDX-License-Identifier: Apache-2.0 */
/* control.h - what the API (in the scribe) and the keeper ask of the worker.
 *
 * The mailbox is arena.requests; who owns a request is its state:
 *
 *	FREE     nobody
 *	FILLING  the asker, which took it by compare and swap from FREE
 *	ASKED    nobody: whoever swaps it first: the worker to WORKING, or the asker, tired of
 *		 waiting, to FREE: then it never happened
 *	WORKING  the worker; done, it swaps to DONE and wakes the askers
 *	DONE     the asker, which reads the answer and stores FREE
 *	LEFT     the worker; nobody waits any more (the asker swapped it from WORKING), the worker
 *		 finishes it and stores FREE
 *
 * A worker that dies leaves ASKED, WORKING and LEFT requests to the next one, which does them from
 * the start: every verb says what shall be, not what shall change, so twice is once. An asker that
 * dies leaves FILLING, ASKED, WORKING or DONE ones: the next scribe, before it asks, frees what is
 * its own and nobody's, and turns WORKING to LEFT. The keeper fills in and asks without waiting
 * (REQUEST_NO_ANSWER): the worker frees that, and the next scribe leaves it alone. What is in a
 * request is as hostile as the rest of the arena: texts are cut where they must end and numbers
 * checked, or it is answered with -EINVAL. */
#pragma once
#include <stdint.h>

#include "arena.h"
#include "warder/err.h"

enum request_state {
	REQUEST_FREE,
	REQUEST_FILLING,
	REQUEST_ASKED,
	REQUEST_WORKING,
	REQUEST_DONE,
	REQUEST_LEFT
};

enum request_verb {
	REQUEST_MODE,   /* session, mode, flags FORCE; reply: {"tasks":[...]} that hold io_uring */
	REQUEST_POLICY, /* session, text: the policy's name; reply: {"syscalls":[...]} in the way */
	REQUEST_OVERRIDE, /* session, text: the call, arch (REQUEST_ALL_ARCHES), errnum (0: allow)
			   */
	REQUEST_LIFT,     /* session, text, arch */
	REQUEST_RELOAD,   /* reply: {"policies":[...]} */
	REQUEST_VERBS
};

enum request_flags { REQUEST_FORCE = 1, REQUEST_NO_ANSWER = 2 };

#define REQUEST_ALL_ARCHES UINT32_MAX /* in place of an enum arch */
#define REQUEST_WAIT_NS    5000000000ULL

/* What is asked; see struct request. */
struct control_ask {
	enum request_verb verb;
	uint64_t session;
	uint32_t flags, arch, mode;
	int32_t errnum;
	const char *text; /* NULL: none */
};

/* In the scribe, before its first control_ask(): takes back what a scribe before it left. */
void control_reclaim(struct arena *a);
/* Asks, and waits for the answer. reply: "" or JSON, also on failure. Errors: the worker's own;
 * EAGAIN: no room in the mailbox; ETIMEDOUT: no worker has answered in wait_ns (whether it will
 * still be done is said). */
int control_ask(struct arena *a, const struct control_ask *q, uint64_t wait_ns,
		char reply[ARENA_REPLY], struct err *e);

/* In the worker: a thread that does what is asked, one after the other; fn fills q->reply. */
struct control;
typedef int control_fn(void *ctx, struct request *q, struct err *e);
int control_start(struct arena *a, control_fn *fn, void *ctx, struct control **out, struct err *e);
void control_stop(struct control *c); /* what is being done is finished; NULL: nothing */
