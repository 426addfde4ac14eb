/* SPDX-License-Identifier: Apache-2.0 */
/* seen.h - the calls that a recording holds, and the profile that allows them.
 *
 * Kept by ABI and name, so that a 32-bit or x32 number never becomes another call's name. A call
 * that only ever failed with ENOSYS is a probe: the program did without it, and the profile does
 * not allow it unless it is asked for. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warder/err.h"
#include "warder/names.h"
#include "warder/profile.h"

#define SEEN_NAME 48

enum seen_result { SEEN_UNKNOWN, SEEN_DONE, SEEN_ENOSYS };

struct seen_call {
	enum arch arch;
	char name[SEEN_NAME];
	uint64_t n, n_enosys, n_open; /* n_open: begun, end not seen */
};

struct seen {
	size_t n, room;
	struct seen_call *calls;
	uint64_t lines, odd;     /* odd: lines that are none of the recording's */
	uint64_t lost;           /* signs that calls are missing */
	uint64_t nameless;       /* numbers that have no name, so no place in a profile */
	char first_nameless[96]; /* words for the first of them */
};

void seen_fini(struct seen *s);
/* name: of system calls only ([a-z0-9_]); false: out of memory, or it is none. */
bool seen_add(struct seen *s, enum arch a, const char *name, size_t len, uint64_t n,
	      enum seen_result r);
/* The end of a call that was added with SEEN_UNKNOWN. */
void seen_end(struct seen *s, enum arch a, const char *name, size_t len, enum seen_result r);
/* By number. */
bool seen_add_number(struct seen *s, enum arch a, int nr, enum seen_result r);
bool seen_is_probe(const struct seen_call *c);

/* *out: one entry, sorted; default ERRNO EPERM. EINVAL: nothing was seen. */
int seen_rules(const struct seen *s, bool with_probes, struct ruleset *out, struct err *e);

/* --- readers: a line at a time, without its newline; false: out of memory --- */

/* Text of strace(1), whatever options it ran with. */
struct strace_task {
	long pid; /* 0: lines without one */
	enum arch arch;
};
struct strace_reader {
	struct seen *to;
	size_t n_tasks;
	struct strace_task *tasks;
	bool in_table; /* of -c, -C */
	enum arch table_arch;
};
bool strace_line(struct strace_reader *r, char *line);
void strace_fini(struct strace_reader *r);

/* Records of the audit log (type=SECCOMP) and of dmesg (type=1326), always by their arch=. */
struct audit_reader {
	struct seen *to;
	const char *comm; /* only of this command; NULL: of all */
};
bool audit_line(struct audit_reader *r, char *line);
