/* SPDX-License-Identifier: Apache-2.0 */
/* filter.h - policy -> BPF.
 *
 * Two programs come from one compilation:
 *
 * meaning: the profile as runc would load it, libseccomp's program for the ruleset behind runc's
 * ENOSYS tail (numbers newer than the profile's newest). This is what decide() reads, so decide and
 * kernel agree by construction.
 *
 * gate: what is installed. A short prologue of our own, then `meaning` with each RET that Warder
 * answers (ERRNO, KILL_*, LOG, NOTIFY, bad architecture) replaced by RET USER_NOTIF. ALLOW, TRAP
 * and TRACE stay as they are. The set of notified calls so is exactly the set of calls that are not
 * allowed. The prologue:
 *   rt_sigreturn, restart_syscall, exit, exit_group   ALLOW  (DESIGN section 4)
 *   execve, execveat                                  USER_NOTIF
 *   each rule of "warder"    its verdict if it can be had without asking (allow; deny with "live":
 *                            false), USER_NOTIF otherwise; conditions are tested in BPF, in order,
 *                            the first match wins
 * With notify_all (record) the gate notifies everything but the four and recordSkip. The prologue
 * reads arguments only for calls whose rules do, so the kernel's per-call ALLOW cache holds for all
 * others.
 *
 * Numbers unknown to libseccomp follow the profile (ENOSYS tail, then default). libseccomp: binary
 * tree (SCMP_FLTATR_CTL_OPTIMIZE 2) where there are more than 32 rules; a rule whose effect equals
 * the default is skipped, as runc does; a name unknown to libseccomp is skipped (profile_parse
 * warned). Compiling Docker's profile for 3 ABIs takes about 13 ms: cache it. */
#pragma once
#include <stdbool.h>

#include "warder/bpf.h"
#include "warder/err.h"
#include "warder/policy.h"

struct filter {
	struct bpf_prog meaning;
	struct bpf_prog gate;
	int n_arches; /* the native one first, then those of the profile */
	enum arch arches[ARCH_COUNT];
	uint32_t newest[ARCH_COUNT]; /* of each enum arch: greater numbers get ENOSYS; 0: no tail */
};

struct filter_opts {
	bool notify_all; /* record */
	bool like_crun;  /* no ENOSYS tail */
};

/* r: the policy's profile resolved for where it will run. Errors: EINVAL (libseccomp refused a
 * rule: names entry and call), E2BIG (more than BPF_MAXINSNS), ENOMEM. */
int filter_build(const struct policy *p, const struct ruleset *r, const struct filter_opts *o,
		 struct filter *out, struct err *e);
/* Only the meaning, without a policy: gate stays empty. */
int filter_meaning(const struct ruleset *r, const struct filter_opts *o, struct filter *out,
		   struct err *e);
void filter_fini(struct filter *f);

/* The program of a libseccomp context (scmp_filter_ctx), checked; the caller's to free. */
int filter_export(void *ctx, struct bpf_prog *out, struct err *e);

/* seccomp(SECCOMP_SET_MODE_FILTER) on the calling thread: flags are SECCOMP_FILTER_FLAG_*.
 * *listener (may be NULL) gets the descriptor with NEW_LISTENER. Needs CAP_SYS_ADMIN or
 * no_new_privs. */
int filter_load(const struct bpf_prog *p, unsigned flags, int *listener, struct err *e);

/* Where a call of this name arrives: at its own number, and on ABIs that have them at socketcall or
 * ipc with the call's index in argument 0 (its own arguments then lie in memory: a rule with
 * conditions cannot be held there). */
#define FILTER_SITES 2
struct filter_site {
	int nr;
	bool muxed;
	struct cond index; /* muxed */
};
int filter_sites(enum arch a, const char *name, struct filter_site out[FILTER_SITES]);
