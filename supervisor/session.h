/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - one listener being served: a thread, its counters, its records.
 *
 * The thread's life: RECV, decide, reply, record, again. Between RECV and SEND there is no lock, no
 * allocation and no read of the caller, but for the first event of a task after an exec (identity),
 * a kill, and while the container is starting. It ends by itself when the last task of the filter
 * has gone. What must outlive the thread, and what others read, lies in `struct block`, which holds
 * no pointer.
 *
 * Starting (DESIGN section 4): until the init's thread group makes its first execve or execveat,
 * its calls are the runtime's own and are let through; so are those of processes whose root is
 * still the one the init had at the hand-over, if that was its parent's (createContainer hooks). */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lane.h"
#include "target.h"
#include "warder/decide.h"
#include "warder/err.h"
#include "warder/event.h"
#include "warder/policy.h"

#define SESSION_IDENTS 64 /* identities cached; a power of two */
#define SESSION_TEXT   256

/* The session in shared memory: what the reader of its events sees. */
struct block {
	char id[SESSION_TEXT], name[SESSION_TEXT], pod[SESSION_TEXT], namespace[SESSION_TEXT];
	char policy[POLICY_NAME_MAX];
	int32_t init; /* host pid of the container's init */
	_Atomic uint32_t mode;
	_Atomic bool ended; /* set after the last record */
	struct lane lane;
};

enum record_type { RECORD_CALL = 1, RECORD_IDENTITY };

enum record_flags { RECORD_LATE = 1, RECORD_NO_IDENTITY = 2, RECORD_STARTING = 4 };

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

struct record_identity {
	struct record head;
	uint32_t ident;
	uint32_t unused;
	struct identity identity;
};

struct journal;
struct session;

struct session_opts {
	const char *id; /* container's; the rest may be NULL */
	const char *name, *pod, *namespace, *policy;
	pid_t init; /* 0: none (then there is no starting phase and no chain's end) */
	bool starting;
	enum mode mode;
	const struct decide *decide; /* must live until on_free */
	bool poll_first;         /* this kernel's RECV does not return when all tasks have gone */
	bool no_sync;            /* leave SYNC_WAKE_UP off */
	struct journal *journal; /* NULL: no records */
	/* From the session's thread, as its last act (the listener is closed); may be NULL. */
	void (*on_end)(void *ctx);
	/* Once, from whoever lets go of the session last: free what decide rests on; may be NULL.
	 */
	void (*on_free)(void *ctx);
	void *ctx;
};

/* Takes the listener on success. */
int session_start(const struct session_opts *o, int listener, struct session **out, struct err *e);
/* Ends the thread if it runs, waits for it, lets go. The rest lives until the journal has read the
 * records. Exactly once. */
void session_finish(struct session *s);
bool session_ended(const struct session *s);

struct block *session_block(struct session *s);
const struct decide *session_decide(const struct session *s);
void session_set_mode(struct session *s, enum mode m); /* holds from the next decision on */

/* Does this kernel's RECV return once the last task of a filter has gone (6.11)? Tried in a child.
 */
int session_probe_recv(bool *returns, struct err *e);
