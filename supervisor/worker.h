/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - the process that serves: hand-overs, sessions, decisions.
 *
 * It shares its descriptor table with the keeper (CLONE_FILES) and its sessions' state with the
 * keeper and the scribe (arena.h), and may die at any instant: the next worker goes on from there.
 * One main thread (signals, connections, ended sessions), one short-lived thread for each
 * hand-over, one thread for each session. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "arena.h"
#include "config.h"
#include "policies.h"
#include "session.h"
#include "warder/err.h"

struct member; /* a session and what it holds */
struct handover;

struct worker {
	const struct config *config;
	struct arena *arena;
	struct policies *policies;
	int listener;    /* listener.sock */
	int store;       /* see store.h; -1: none */
	int signals;     /* a signalfd of its own */
	int wake;        /* eventfd: a session or a hand-over has ended */
	bool poll_first; /* see session.h */
	bool stand_in;
	pthread_mutex_t lock;
	struct member *members;     /* under lock */
	struct handover *handovers; /* under lock */
};

struct worker_opts {
	const struct config *config;
	struct arena *arena;
	int listener;
	int store; /* NOTIFY_SOCKET (store.h); -1: none */
	int up;    /* eventfd, told when all sessions are served; -1: nobody asks */
	bool poll_first;
	bool stand_in; /* while the worker is in a pause: no hand-overs, nothing read of callers */
};

/* Takes over the sessions of the worker before it, and serves until
 * SIGTERM. Then no hand-over is taken any more, calls in hand are finished; the listeners stay open
 * and the blocks LIVE: what becomes of them is the keeper's to say. */
int worker_run(const struct worker_opts *o, struct err *e);

/* What a process that enters a container has from the container's own session. */
struct kin {
	bool found;
	uint32_t policy; /* index in the arena */
	enum mode mode;
	struct override overrides[BLOCK_OVERRIDES];
};
/* The container's session, the oldest alive of that id that a native runtime handed over, in the
 * pid namespace of the process that enters (0: not known). false: there is none. */
bool worker_kin(struct worker *w, const char *id, pid_t pid, struct kin *out);

/* What a hand-over knows of a container. */
struct newcomer {
	struct session_start start;
	const struct compiled *compiled; /* held; the session's on success */
	const struct kin *kin;           /* NULL: none */
};

/* Starts a session; takes start.listener on success. From any thread. */
int worker_add(struct worker *w, const struct newcomer *n, struct err *e);

/* Copies what verbs need to know of a living session. -ESRCH: there is none. */
struct member_view {
	uint64_t number;
	uint32_t policy, gate; /* indexes in the arena */
	bool native;
	pid_t init;
	char id[ARENA_TEXT];
};
int worker_look(struct worker *w, uint64_t number, struct member_view *out);
/* All of them: how many are in out, at most max. */
int worker_list(struct worker *w, struct member_view *out, int max);
/* A change of one session, all of it or nothing, from its next call on: its policy to c (held; the
 * session's on success; NULL: as it is), and what change does to the block (NULL: nothing).
 * -ESRCH: there is none; change's own error. */
int worker_change(struct worker *w, uint64_t number, const struct compiled *c,
		  int (*change)(struct block *b, void *ctx), void *ctx);
