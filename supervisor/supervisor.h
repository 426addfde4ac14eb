/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor.h - the daemon: what all its threads share, and its main loop.
 *
 * One main thread (signals, connections, ended sessions), one short-lived thread for each
 * hand-over, one thread for each session, one for the journal. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "config.h"
#include "journal.h"
#include "policies.h"
#include "session.h"
#include "warder/err.h"

struct member; /* a session and what it holds */
struct handover;

struct supervisor {
	const struct config *config;
	struct policies *policies;
	struct journal *journal;
	int events;      /* the event file */
	int listener;    /* listener.sock */
	int wake;        /* eventfd: a session or a hand-over has ended */
	bool poll_first; /* see session.h */
	pthread_mutex_t lock;
	struct member *members;     /* under lock */
	struct handover *handovers; /* under lock */
	_Atomic bool stop;
};

/* Opens everything; nothing is served yet. */
int supervisor_open(struct supervisor *sv, const struct config *c, struct err *e);
/* Serves until SIGTERM or SIGINT (which must be blocked), then ends what it started: hand-overs,
 * sessions, journal. */
int supervisor_run(struct supervisor *sv, struct err *e);
void supervisor_close(struct supervisor *sv);

/* What the caller of a hand-over knows of a container. */
struct newcomer {
	const char *id, *name, *pod, *namespace;
	const char *policy;              /* the name of `compiled` */
	const struct compiled *compiled; /* one reference is taken over on success */
	enum mode mode;
	pid_t init;
};

/* Starts a session; takes the listener on success. From any thread. */
int supervisor_add(struct supervisor *sv, const struct newcomer *n, int listener, struct err *e);
