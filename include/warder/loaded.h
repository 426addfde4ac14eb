/* SPDX-License-Identifier: Apache-2.0 */
/* loaded.h - the seccomp filters of a running task (PTRACE_SECCOMP_GET_FILTER).
 *
 * The task is stopped for the time of the reading (seized, never attached: no signal is sent) and
 * goes on as it was; a tracer that dies leaves it unharmed. Needs CAP_SYS_ADMIN and no seccomp
 * filter of our own. Filters are numbered from the newest. */
#pragma once
#include <sys/types.h>

#include "warder/bpf.h"
#include "warder/err.h"

#define LOADED_MAX 128

struct loaded {
	int n;
	struct bpf_prog prog[LOADED_MAX];
};

/* Errors: ESRCH, EPERM (also: traced by another), EACCES, ENOMEM, E2BIG. No filter at all is n 0.
 * *out: loaded_fini(). */
int loaded_read(pid_t tid, struct loaded *out, struct err *e);
void loaded_fini(struct loaded *l);
