/* SPDX-License-Identifier: Apache-2.0 */
/* pace.h - which wake-up serves a session faster, found as it runs.
 *
 * With SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (Linux 6.6) the kernel wakes the other side on the CPU of
 * the one that wakes it: best by far for one caller, which cannot run meanwhile anyway (1.8 us a
 * call against 10 to 26). With several callers in one container it may hold on one CPU what could
 * use two; which is better then depends on the machine (138,000 against 177,000 calls a second on
 * one, 500,000 against 170,000 on another). So it is tried: a session starts with it; after
 * PACE_FIRST stretches and then ever more rarely, PACE_CHUNK calls are timed each way, some times
 * over, and the other way is taken if it is at least a tenth faster. Only one caller: no trial,
 * sync. A chunk in which nobody called for a while says nothing and ends the trial.
 *
 * Pure but for what the caller does with the answer; one per serving thread, no lock. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PACE_CHUNK   64U
#define PACE_STRETCH 1024U /* calls between two looks at how many callers there are */
#define PACE_FIRST   16U   /* stretches to the first trial */
#define PACE_MAX     (PACE_FIRST << 8)
#define PACE_ROUNDS  4         /* chunks each way in a trial */
#define PACE_IDLE    200000ULL /* ns a call: slower than any way of waking */

struct pace {
	uint32_t left;     /* calls until pace_turn() */
	bool sync;         /* how it is now */
	bool steady;       /* what it goes back to after a trial */
	uint8_t chunks;    /* of a trial that are done; 0: none is under way */
	bool several;      /* callers in this stretch of calls */
	pid_t last;        /* the caller before */
	uint32_t interval; /* stretches between two trials */
	uint32_t due;      /* stretches to the next one */
	uint64_t start_ns; /* of the chunk */
	uint64_t ns[2];    /* spent in chunks without and with sync */
};

void pace_init(struct pace *p);

/* A call by tid was served. True: pace_turn() is due. */
static inline bool pace_call(struct pace *p, pid_t tid)
{
	p->several |= tid != p->last;
	p->last = tid;
	return !--p->left;
}

/* Takes the time; true: p->sync has changed, the listener's flag is to be set. */
bool pace_turn(struct pace *p, uint64_t now_ns);
