/* SPDX-License-Identifier: Apache-2.0 */
/* event.h - one JSON line per thing that happened.
 *
 * The rows are the format: name, type, member. They write, they read back, and warder-events(7) is
 * held against them. Text of the container's (comm, exe, id, name, pod) is escaped: valid UTF-8
 * stays, every other byte, C0, DEL and C1 become \u00XX of the byte (0x80..0xff as U+0080..U+00FF),
 * so a line is one line on every terminal. Characters that turn a terminal's text round or end a
 * line (err_printable()) are escaped byte by byte too. Written by hand, not by json-c: one event is
 * one call denied, and the formatter is in the way of a flood (about 1 us against 10). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warder/err.h"

#define EVENT_TEXT_MAX 512   /* bytes of one text member as written; longer ones end in "..." */
#define EVENT_PARENTS  16    /* entries of the ppid chain */
#define EVENT_LINE_MAX 10240 /* every text at its longest fits */

enum event_type {
	EVENT_CALL,
	EVENT_SESSION_START,
	EVENT_SESSION_END,
	EVENT_LOST,
	EVENT_SUPPRESSED, /* calls of one kind, over the session's budget of lines */
	EVENT_TYPES
};
/* "call", "session_start", "session_end", "lost", "suppressed" */
const char *event_type_word(uint8_t type);
int event_type_of(const char *word); /* enum event_type; -1: none */

/* What Warder did, as it really happened. */
enum done { DONE_NONE, DONE_CONTINUE, DONE_ERRNO, DONE_KILL_PROCESS, DONE_GONE, DONE_COUNT };
/* "none", "continue", "errno", "kill_process", "gone" (the caller died or was interrupted first) */

/* The session's counters, in its "session_end". */
#define EVENT_COUNTERS(X) \
	X(received)       \
	X(allowed)        \
	X(audited)        \
	X(denied)         \
	X(killed)         \
	X(starting)       \
	X(stale)          \
	X(dropped)

struct event {
	uint8_t type;
	uint64_t time_ns; /* CLOCK_REALTIME; printed "2026-11-24T11:30:00.123456789Z" */
	uint64_t seq;     /* of the event in its session, from 1; a gap is an event dropped */
	const char *container, *name, *pod, *namespace, *policy, *mode; /* NULL: not printed */
	int32_t pid, tid;       /* as this host sees them (tgid, tid) */
	int32_t ns_pid, ns_tid; /* as the container sees them; 0: unknown */
	int32_t uid, gid;       /* effective, host's view; -1: unknown */
	int n_parents;
	int32_t parents[EVENT_PARENTS]; /* host pids: parent, ..., up to the container's init */
	const char *comm, *exe;
	bool identity_late;  /* comm, exe, parents were read after the caller may have gone on */
	const char *syscall; /* NULL: no name; nr is always there */
	int32_t nr;
	const char *arch;    /* "x86_64", "x86", "x32", ... or "0x..." */
	uint64_t args[6];    /* printed as hexadecimal strings: JSON numbers are not 64-bit safe */
	const char *verdict; /* "allow", "deny", "kill": what the policy says in enforce */
	const char *asked;   /* the action of the profile: "errno", "kill_thread", "log", ... */
	uint8_t done;        /* enum done */
	const char *error;   /* "EPERM": the policy's errno; NULL: none */
	const char *rule;    /* "default", "syscalls[3]", "warder.rules[0]" */
	const char *message; /* of the rule; NULL: none */
	const char *phase;   /* "starting": the runtime's own calls; NULL: not printed */
	bool unknown;        /* "outcome":"unknown": the worker died around the answer */
	uint64_t latency_ns; /* from receive to reply */
#define X(counter) uint64_t counter;
	EVENT_COUNTERS(X)
#undef X
	uint64_t lines; /* of a "lost" of a sink or a reader: how many lines are missing */
	uint64_t count; /* how many calls this line stands for; 1 is not printed */
};

/* How many calls a line stands for: 0 for a session's start and end. Over all lines of a session,
 * these add up to its counters. */
uint64_t event_calls(const struct event *ev);

/* Writes one line with its newline. Returns its length, 0 if it did not fit in size (never with
 * EVENT_LINE_MAX). */
size_t event_format(const struct event *ev, char *buf, size_t size);

/* Reads a line back. text (caller's, EVENT_LINE_MAX) holds the strings. Unknown members are ignored
 * (newer writers); a wrong type or a bad number is EINVAL with the member's name. */
int event_parse(const char *line, size_t len, struct event *out, char *text, size_t text_size,
		struct err *e);

/* The rows' names, for documents and tests; NULL-terminated. */
extern const char *const event_fields[];
