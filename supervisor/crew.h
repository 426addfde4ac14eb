/* SPDX-License-Identifier: Apache-2.0 */
/* crew.h - the keeper's children: started, watched, started again, ended.
 *
 * A child that was killed from outside while it did its work starts again at once; one that dies by
 * itself or without having done anything starts with growing pauses. In the worker's pause the
 * stand-in serves; never both. arena.pids always says who runs. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "config.h"
#include "doors.h"
#include "table.h"

struct child {
	const char *name, *comm;
	enum proc proc;
	pid_t pid; /* 0: not running */
	bool held; /* not to be started yet */
	uint64_t started_ns, start_at_ns, pause_ns;
	uint64_t progress; /* at its last death */
};

struct crew {
	const struct config *config;
	struct arena *arena;
	const struct doors *doors;
	const struct table *table;
	int store; /* NOTIFY_SOCKET; -1: none */
	int up;    /* eventfd: a worker has begun to serve */
	bool poll_first, stopping;
	struct child worker, scribe, stand_in;
	uint64_t died_ns; /* the last worker; 0: none since one began to serve */
};

void crew_init(struct crew *crew);
int crew_start(struct crew *crew, struct child *c); /* 0 or -errno, said on the log */
/* Who should run and does not. */
void crew_start_due(struct crew *crew);
/* Takes those that have died. */
void crew_reap(struct crew *crew);
/* SIGTERM and wait; SIGKILL for one that does not end (stopped, stuck, writing to a pipe nobody
 * reads). */
void crew_end(struct crew *crew, struct child *c);
/* After the workers' end: calls that one of them died over are answered and counted. */
void crew_finish(struct crew *crew);
/* The worker serves: how long that took is said if there was one before. */
void crew_is_up(struct crew *crew);
/* How long until somebody is due, in ms; -1: nobody will be. */
int crew_patience(const struct crew *crew);
bool crew_has_sessions(const struct crew *crew);
