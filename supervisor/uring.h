/* SPDX-License-Identifier: Apache-2.0 */
/* uring.h - which tasks of a container hold an io_uring.
 *
 * What goes through a ring makes no system call, and a ring that exists outlives enforcement
 * (DESIGN section 5). A task is the container's if it is in the init's pid namespace, in its
 * cgroup, or descends from it (the first two only where they are not the host's own). It holds a
 * ring if a descriptor of any of its threads is one, if one is mapped (its descriptor may be
 * closed), or if the kernel works for it (threads of io_uring's own). */
#pragma once
#include <sys/types.h>

#include "warder/err.h"

struct uring_task {
	pid_t pid;
	char comm[16]; /* the container's own text */
};

/* Up to max tasks are in out; *n says how many there are. Errors: those of reading /proc; ESRCH:
 * the init is gone. */
int uring_find(pid_t init, struct uring_task *out, int max, int *n, struct err *e);
