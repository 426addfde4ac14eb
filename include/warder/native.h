/* SPDX-License-Identifier: Apache-2.0 */
/* native.h - a gate as the linux.seccomp of a runtime that hands its listener over by itself.
 *
 * The runtime makes a filter of names and actions, so the gate (filter.h) is read by running it: a
 * call that it lets through whatever its arguments is ALLOW, one that it asks about for any
 * arguments is NOTIFY, what stays in the kernel (TRAP, TRACE, "live": false) stays. Two things are
 * coarser than the gate: a call whose verdict depends on arguments, or differs between the policy's
 * ABIs, is asked about always (warderd lets through what is allowed); numbers that libseccomp does
 * not know get ENOSYS where the runtime takes no NOTIFY as default action. An ABI that the policy
 * does not list is killed by the kernel.
 *
 * What the runtime refuses or hangs on is a row of NATIVE_RUNTIMES: 368 calls were tried with run
 * and exec of runc 1.1.5 and crun 1.8.1. */
#pragma once
#include <stdbool.h>

#include "warder/bpf.h"
#include "warder/err.h"
#include "warder/json.h"

struct native_runtime {
	const char *name;
	bool asks_by_default;       /* takes NOTIFY as the default action */
	const char *const *refuses; /* calls that it does not take NOTIFY for; NULL-terminated */
};
/* The row of that name; one that is not known is taken as the strictest. */
const struct native_runtime *native_runtime(const char *name);
bool native_runtime_known(const char *name);

struct native_opts {
	const struct native_runtime *runtime;
	const char *socket, *metadata;
	/* A profile of the bundle's own, without listener: what it denies it goes on denying in the
	 * kernel, and of what it allows the gate's calls are asked about. NULL: the gate alone. */
	struct json_object *own;
};

/* Has this linux.seccomp a listener of its own: NOTIFY, or listenerPath? *path (may be NULL) is the
 * latter, NULL when absent; borrowed. */
bool native_has_listener(struct json_object *profile, const char **path);
/* Does it hand over each execve and execveat? Then its listener sees the program begin. */
bool native_asks_exec(struct json_object *profile);

/* *out: the new linux.seccomp; *left: names that the gate asks about and the runtime cannot, an
 * array, often empty: these are let through. Both are owned by the caller. Errors: EINVAL (own is
 * no profile), ENOMEM. */
int native_profile(const struct bpf_prog *gate, const struct native_opts *o,
		   struct json_object **out, struct json_object **left, struct err *e);
