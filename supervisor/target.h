/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - what /proc tells of a caller.
 *
 * Everything read here is only true while the notification is pending: the caller re-checks its id
 * (notify_valid) afterwards. The names are the container's own text: data, escaped where printed.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#define TARGET_PARENTS 16
#define TARGET_EXE_MAX 512

struct identity {
	pid_t pid, tid;       /* tgid and tid as this host sees them */
	pid_t ns_pid, ns_tid; /* in the innermost pid namespace; 0: unknown */
	uid_t uid;            /* effective */
	gid_t gid;
	uint64_t start_time; /* of the thread, clock ticks since boot (proc(5), stat field 22) */
	int32_t n_parents;
	pid_t parents[TARGET_PARENTS]; /* parent first, up to `init` */
	char comm[16];
	char exe[TARGET_EXE_MAX]; /* "" where it cannot be read */
};

/* 0 or -errno (-ESRCH: gone). The chain of parents ends at init, at pid 1, or when it is full. */
int target_identity(pid_t tid, pid_t init, struct identity *out);

/* The thread's group; -ESRCH when it is gone. */
pid_t target_tgid(pid_t tid);

/* When the thread started, as struct identity has it. */
int target_start_time(pid_t tid, uint64_t *out);

/* The threads of a process: how many are in out now (at most max), or -errno. */
int target_threads(pid_t tgid, pid_t *out, int max);

/* The root directory of a task. */
struct target_root {
	dev_t dev;
	ino_t ino;
};
int target_root(pid_t tid, struct target_root *out);
