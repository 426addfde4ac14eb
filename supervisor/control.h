/* SPDX-License-Identifier: Apache-2.0 */
/* control.h - what the API (in the scribe) and the keeper ask of the worker.
 *
 * The mailbox is arena.requests; a request's life:
 *
 *	FREE -(asker, compare and swap)-> FILLING -(asker; asked++, futex wake)-> ASKED
 *	     -(worker, when done; answered++, futex wake)-> DONE -(asker)-> FREE
 *
 * A worker that dies leaves ASKED requests to the next one, which does them again from the start:
 * every verb is idempotent. An asker that died leaves FILLING or DONE ones: the next scribe frees
 * them when it starts (the keeper's own ask for no answer, REQUEST_NO_ANSWER: the worker frees
 * them). What is in a request is as hostile as the rest of the arena: texts are terminated and
 * numbers in their bounds, or it is answered with -EINVAL. */
#pragma once

enum request_state { REQUEST_FREE, REQUEST_FILLING, REQUEST_ASKED, REQUEST_DONE };

enum request_verb {
	REQUEST_MODE,     /* session, mode, flags FORCE; reply: the tasks that hold io_uring */
	REQUEST_POLICY,   /* session, text: the policy's name; reply: calls that stay open */
	REQUEST_OVERRIDE, /* session, arch, nr, errnum (0: let through) */
	REQUEST_LIFT,     /* session, arch, nr */
	REQUEST_RELOAD,   /* reply: a line for each policy */
	REQUEST_VERBS
};

enum request_flags { REQUEST_FORCE = 1, REQUEST_NO_ANSWER = 2 };
