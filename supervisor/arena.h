/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - the memory that outlives a worker.
 *
 * One memfd, mapped by keeper, worker and scribe, and by the next warderd (state.h). It holds no
 * pointer: descriptors are numbers in the table that keeper and worker share, policies are texts.
 * Whoever reads what another process wrote checks it first. A member that is added here, in lane.h
 * or in a record gets its row in state.c.
 *
 * A block's life: FREE -> (worker fills it) -> LIVE -> (its listener is closed) ENDED -> (the
 * journal has read all of it) GONE -> FREE. The store of the state is the last of each step. Pages
 * are only used once touched; a freed block gives them back. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fold.h"
#include "lane.h"
#include "target.h"
#include "warder/err.h"
#include "warder/policy.h"

#define ARENA_SESSIONS 4096
#define ARENA_POLICIES 64
#define ARENA_TEXT     256
#define ARENA_REQUESTS 16
#define ARENA_REPLY    (32UL * 1024)

#define BLOCK_OVERRIDES 32

/* warderd's processes. */
enum proc { PROC_KEEPER, PROC_WORKER, PROC_SCRIBE, PROC_STAND_IN, PROC_COURIER, PROC_COUNT };

enum wiring { WIRING_HOOK, WIRING_NATIVE }; /* whose filter is installed: ours, the runtime's */

/* A live decision about one call of one session, over its policy's. */
struct override {
	_Atomic uint64_t call;  /* audit architecture << 32 | number */
	_Atomic uint32_t value; /* 0: unused; else OVERRIDE_USED | errno (0: let through) */
};
#define OVERRIDE_USED (1U << 31)

enum block_state { BLOCK_FREE, BLOCK_LIVE, BLOCK_ENDED, BLOCK_GONE };

struct block {
	_Atomic uint32_t state;
	int32_t listener;          /* in the shared table; -1: closed */
	_Atomic uint32_t policy;   /* decides: its index in the arena's policies */
	uint32_t gate;             /* the policy whose filter is installed (WIRING_HOOK) */
	uint32_t wiring;           /* enum wiring */
	_Atomic uint64_t policies; /* bit mask: those that this block still needs, see below */
	int32_t init;              /* host pid of the container's init */
	_Atomic uint32_t mode;     /* whoever stores it changes the very next call's answer */
	_Atomic uint32_t changes;  /* of policy and overrides; odd: one is under way */
	_Atomic uint32_t seen;     /* the value of `changes` that the session goes by */
	struct override overrides[BLOCK_OVERRIDES];
	_Atomic uint32_t starting; /* the init has not exec'd yet */
	uint32_t has_start_root;
	uint64_t after_ns; /* the policy's fallback: a call that waits longer is not served */
	uint64_t start_ns; /* CLOCK_REALTIME */
	uint64_t number;   /* of the session, from 1: none is ever used again */
	struct target_root start_root; /* what the init's root was at the hand-over */
	char id[ARENA_TEXT], name[ARENA_TEXT], pod[ARENA_TEXT], namespace[ARENA_TEXT];
	struct book books[2]; /* the journal's */
	struct lane lane;
	struct fold folds[FOLD_COUNT][2];
} __attribute__((aligned(4096)));

/* Changing a block's policy or overrides: one writer at a time, in the session's process. Between
 * begin and end its calls wait (so: a few stores, nothing else). From end on they are decided anew.
 * A policy's bit in `policies` is set by the writer after `policy` and cleared by the reader when
 * `seen` says that no further record will rest on it and all before are read. */
void block_change_begin(struct block *b);
void block_change_end(struct block *b);

struct policy_text {
	_Atomic uint32_t used;
	uint32_t generation; /* counts the texts that were here */
	char name[POLICY_NAME_MAX];
	uint32_t caps_known, notify_all;
	uint64_t caps;
	uint64_t len;
	char text[JSON_MAX_SIZE] __attribute__((aligned(4096)));
};

/* What the API asks of the worker: control.h says who owns it when. */
struct request {
	_Atomic uint32_t state; /* enum request_state */
	uint32_t verb;          /* enum request_verb */
	uint64_t session;       /* block.number; 0: all */
	uint32_t flags, arch;
	int32_t nr, errnum;
	int32_t result; /* 0 or -errno */
	uint32_t mode;
	uint64_t asked_ns; /* CLOCK_MONOTONIC */
	char text[ARENA_TEXT];
	char message[768];       /* why not */
	char reply[ARENA_REPLY]; /* the verb's own answer, a text */
};

#define ARENA_SINKS 8
#define BATCH_SIZE  (64U * 1024)
#define BATCH_LINES 512

struct batch_line {
	uint64_t end;   /* of the line, in text */
	uint64_t calls; /* that it stands for */
};

/* Event lines on their way out. They are true, together with all books and sums of the same pass,
 * once arena.pass has come so far: journal.h. */
struct batch {
	uint64_t pass;
	uint32_t used, n;
	uint64_t calls; /* that all lines stand for */
	struct batch_line line[BATCH_LINES];
	char text[BATCH_SIZE];
};

/* How far an output has come, in two halves: sink.h. */
struct sink_state {
	uint64_t given, queued;          /* the last pass it was offered, and the last it took */
	uint64_t lines, calls;           /* ever offered */
	uint64_t out_lines, out_calls;   /* of these: written, or lost */
	uint64_t lost_lines, lost_calls; /* that it will never have */
	uint64_t said_lines, said_calls; /* of these, how many its own "lost" events tell */
	uint64_t intent;                 /* the pass that is being written; 0: none */
	uint64_t intent_lines, intent_calls;
	uint64_t dev, ino, offset, len;  /* where to, how much with the head */
	uint64_t head_lines, head_calls; /* what the "lost" event says that goes before it */
};

struct sink_mark {
	uint64_t key;             /* a hash of what it is, so that another does not go on with it */
	_Atomic uint64_t current; /* its lowest bit: which half is true */
	struct sink_state half[2];
};

#define LATENCY_BUCKETS \
	24 /* [i]: calls answered within 2^(i+10) ns, 1 us to 8.6 s; the last: all */

/* What the records of all sessions add up to. Two halves; the lowest bit of arena.pass says which
 * is true. */
struct sums {
	uint64_t latency[LATENCY_BUCKETS]; /* not cumulative */
	uint64_t latency_ns;
	uint64_t lines;      /* of events made */
	uint64_t folded;     /* calls that are in a line with others */
	uint64_t suppressed; /* calls that were over their session's budget of lines */
	uint64_t dropped;    /* calls whose records did not fit in memory */
};

/* Counters of the sessions that have ended: two halves, `number` the last session in it. A block
 * with that number is about to be freed: its counters are in here already. */
struct totals {
	uint64_t number, sessions;
	uint64_t word[LANE_N_WORDS];
};

/* What the journal does, so that the sessions know when to wake it. */
enum work {
	WORK_SLEEPS, /* wake it for any record */
	WORK_RUNS,
	WORK_NAPS, /* wake it when a ring is half full */
};

struct arena_head { /* what it is, in every version the same; see state.h */
	char magic[8];
	uint32_t version, unused;
	uint64_t layout; /* a hash of all sizes and offsets */
	uint64_t size;
};

struct arena {
	struct arena_head head;
	_Atomic uint32_t work;      /* futex: enum work */
	_Atomic uint32_t high;      /* blocks at and above were never used */
	_Atomic uint64_t restarts;  /* of the worker */
	_Atomic uint64_t handovers; /* ever taken */
	_Atomic uint32_t readers;   /* counts the journals: a new one knows no identities */
	_Atomic uint64_t lost;      /* event lines that could not be written */
	_Atomic uint64_t dirty[ARENA_SESSIONS / 64]; /* a bit a block: the journal should look */
	_Atomic int32_t pids[PROC_COUNT];            /* 0: does not run */
	_Atomic uint64_t pass; /* of the journal: what carries this number or a lower one is true */
	struct sums sums[2];
	struct sink_mark marks[ARENA_SINKS];
	struct batch batch;
	_Atomic uint64_t totals_current; /* its lowest bit: which half is true */
	struct totals totals[2];
	_Atomic uint32_t asked;    /* futex: counts requests; the worker waits for a change */
	_Atomic uint32_t answered; /* futex: counts answers */
	struct request requests[ARENA_REQUESTS];
	struct policy_text policies[ARENA_POLICIES];
	struct block blocks[ARENA_SESSIONS];
};

/* A new, empty one; child processes share it. *fd: its memfd, which can neither shrink nor grow. */
int arena_create(struct arena **out, int *fd, struct err *e);
int arena_new(struct arena **out, struct err *e); /* without the descriptor */
/* Maps one of exactly this size; its content is not looked at. */
int arena_map(int fd, struct arena **out, struct err *e);
void arena_unmap(struct arena *a);

/* One block, its memory zeroed, not yet LIVE: NULL when all are taken. Callers hold one lock. */
struct block *arena_take(struct arena *a);
/* LIVE, after everything else in it is valid. */
void arena_publish(struct block *b);
/* Back to FREE, zeroed; its pages go. */
void arena_give(struct block *b);

/* To the journal: there is work. Cheap when it is awake. */
void arena_wake(struct arena *a);
/* The same, and that it is in this block. Cheap when that is known. A nap ends early if the block's
 * ring is half full. */
void arena_mark(struct arena *a, const struct block *b);
/* Even if it naps. */
void arena_hurry(struct arena *a);
/* The journal's: sets work to `how` (WORK_SLEEPS, WORK_NAPS), calls look() once more unless it is
 * NULL, and waits until it is woken or ns have passed (UINT64_MAX: for ever), unless look() found
 * something. */
void arena_sleep(struct arena *a, enum work how, uint64_t ns, bool (*look)(void *ctx), void *ctx);

/* The journal's: into the half that the next store of `pass` makes true. */
void sums_write(struct arena *a, const struct sums *s);
/* The sums as they are now, whole. */
void sums_read(const struct arena *a, struct sums *out);
