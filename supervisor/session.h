/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - one listener being served: a thread, its counters, its records.
 *
 * The thread's life: RECV, decide, reply, commit, again. Between RECV and SEND there is no lock, no
 * allocation and no read of the caller, but for the first event of a task after an exec (identity),
 * a kill, and while the container is starting. It ends by itself when the last task of the filter
 * has gone. All that must outlive the thread is in its `struct block` (arena.h): a session made
 * over a dead worker's block first finishes the call that was in its hand.
 *
 * Starting (DESIGN section 4): until the init's thread group makes its first execve or execveat,
 * its calls are the runtime's own and are let through; so are those of processes whose root is
 * still the one the init had at the hand-over, if that was its parent's (createContainer hooks). */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "policies.h"
#include "warder/decide.h"
#include "warder/err.h"
#include "warder/event.h"
#include "warder/policy.h"

#define SESSION_IDENTS 64 /* identities cached; a power of two */

enum record_type { RECORD_CALL = 1, RECORD_IDENTITY };

enum record_flags {
	RECORD_LATE = 1,
	RECORD_NO_IDENTITY = 2,
	RECORD_STARTING = 4,
	RECORD_UNKNOWN = 8, /* the worker died around the answer: it may or may not have arrived */
};

struct record_call {
	struct record head;
	uint64_t time_ns; /* CLOCK_MONOTONIC at RECV */
	uint64_t latency_ns;
	uint64_t seq;
	struct seccomp_data data;
	struct verdict verdict;
	int32_t tid;
	uint8_t ident; /* which of the identities given before */
	uint8_t done;  /* enum done */
	uint8_t mode;  /* enum mode, at the decision */
	uint8_t flags;
};

struct record_identity { /* cut after exe's NUL */
	struct record head;
	uint32_t ident;
	uint32_t unused;
	struct identity identity;
};
#define RECORD_IDENTITY_MIN offsetof(struct record_identity, identity.exe[1])

struct session;

struct session_opts {
	struct arena *arena;
	struct block *block;             /* filled, its listener open; the caller's */
	const struct compiled *compiled; /* of block->policy; must live as long as the session */
	bool poll_first; /* this kernel's RECV does not return when all tasks have gone */
	/* For a worker in a pause: reads nothing of callers but what starting and kills need, and
	 * answers as the policy's "fallback" says. */
	bool stand_in;
	/* From the session's thread, as its last act (the listener is closed); may be NULL. */
	void (*on_end)(void *ctx);
	void *ctx;
};

/* What a new block needs to be served. init 0: no starting phase, and no end of the chain of
 * parents. */
struct session_start {
	const char *id; /* the rest of the texts may be NULL */
	const char *name, *pod, *namespace;
	uint32_t policy; /* index in the arena */
	enum wiring wiring;
	enum mode mode;
	pid_t init; /* 0: not known; with starting, whoever calls first */
	bool starting;
	uint64_t after_ns; /* the policy's fallback_after_ns */
	int listener;
};
void session_fill(struct block *b, const struct session_start *s);

int session_new(const struct session_opts *o, struct session **out, struct err *e);
/* Asks the thread to end: again and again, until session_ended(). */
void session_stop(struct session *s);
/* Ends the thread if it runs, waits for it, frees. keep: the listener stays open and the block
 * LIVE, for the next worker; otherwise the listener is closed and the block ENDED. */
void session_free(struct session *s, bool keep);
/* From its next call on the session decides by c, which must live as long as the session or until
 * the next one is seen (block->seen == block->changes). Returns the one that was set before and
 * never taken: nobody uses it any more; NULL: none. Inside block_change_begin() and _end(). */
const struct compiled *session_set_policy(struct session *s, const struct compiled *c);
/* A live decision about one call, over the policy's; it holds in every mode, and its events say
 * "live". errnum 0: let through. -ENOSPC: BLOCK_OVERRIDES are in use. Inside a change, too. */
int session_override(struct block *b, uint32_t audit_arch, int nr, uint16_t errnum);
/* Lifts it; -ENOENT: there is none. */
int session_lift(struct block *b, uint32_t audit_arch, int nr);
bool session_ended(const struct session *s);
/* By itself: nobody is left to serve. */
bool session_gone(const struct session *s);
struct block *session_block(struct session *s);

/* Does this kernel's RECV return once the last task of a filter has gone (6.11)? Tried in a child.
 */
int session_probe_recv(bool *returns, struct err *e);
