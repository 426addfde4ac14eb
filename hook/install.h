/* SPDX-License-Identifier: Apache-2.0 */
/* install.h - puts a filter into the process of a container that is being created (DESIGN 4).
 *
 * After a failure the target runs on as it was, with one exception that cannot be undone: a filter
 * that was loaded stays, and without its listener every notified call fails with ENOSYS. The
 * runtime then ends the container, since the hook fails. A hook that is killed in the middle takes
 * the target with it (inject.h). */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "warder/bpf.h"
#include "warder/err.h"

/* Refuses what cannot be a container's init on this side of its pid namespace: 0, 1, ourselves, our
 * ancestors; and a process that has a seccomp filter or has ended. *mend: what may help. */
int install_check(pid_t pid, const char **mend, struct err *e);

/* Loads prog for all threads of pid; the listener, owned by the caller, is nowhere else then.
 * deadline: absolute CLOCK_MONOTONIC ns. *mend is set on failure. */
int install_filter(pid_t pid, const struct bpf_prog *prog, uint64_t deadline, const struct warn *w,
		   int *listener, const char **mend, struct err *e);
