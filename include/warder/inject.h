/* SPDX-License-Identifier: Apache-2.0 */
/* inject.h - system calls run in another process (ptrace(2)).
 *
 * Order matters here; this is the theory (DESIGN section 4; each care was seen to break without
 * it):
 *  - PTRACE_SEIZE + PTRACE_INTERRUPT; only PTRACE_EVENT_STOP counts as the stop: a group-stop is
 *    refused (EBUSY), any other stop is delivered on and the wait repeated.
 *  - All signals are blocked in the target (PTRACE_SETSIGMASK) before the first call and the mask
 *    restored last, so that no handler runs on our registers.
 *  - A call runs by setting the registers at an existing `syscall` instruction (before pc, or in
 * the vDSO) and stepping once. No text and no stack of the target is ever written; scratch memory
 * is mapped there and unmapped again.
 *  - inject_close() restores registers and mask exactly and detaches; a system call that the stop
 *    interrupted restarts by itself (orig_rax kept), or is rewound where the kernel would return
 * EINTR.
 *  - A tracer that dies kills the target (PTRACE_O_EXITKILL is *not* set: an unfinished start then
 *    fails closed at the runtime, not by us). The window is kept short.
 * Refused, target untouched: a traced process (EPERM), a vfork parent, a group-stopped task, a task
 * of another architecture than ours, a kernel thread. Deadlines: absolute CLOCK_MONOTONIC ns;
 * -ETIMEDOUT. Must be used from one thread (ptrace's rule). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "warder/err.h"

struct inject;

/* Seizes and stops tid, prepares it for calls. Errors: ESRCH, EPERM, EBUSY, ETIMEDOUT, ENOTSUP. */
int inject_open(pid_t tid, uint64_t deadline, struct inject **out, struct err *e);

/* Runs one call in the target; *ret is the kernel's raw result (-4095..-1 is an errno). A return of
 * non-zero means the target could not be driven, not that the call failed.
 * While the call is pending, on_wait (may be NULL) is called about every millisecond (a notified
 * call is answered there by its caller). */
int inject_call(struct inject *in, long nr, const uint64_t args[6], long *ret,
		void (*on_wait)(void *ctx), void *ctx, struct err *e);

/* process_vm_writev / process_vm_readv, whole or error. */
int inject_write(struct inject *in, uint64_t addr, const void *buf, size_t len, struct err *e);
int inject_read(struct inject *in, uint64_t addr, void *buf, size_t len, struct err *e);

/* Restores and detaches; frees. Safe after any failure, with NULL, and when the target has died. */
int inject_close(struct inject *in, struct err *e);

/* inject_<arch>.c: all that depends on the processor. */
struct inject_regs { /* as PTRACE_GETREGSET NT_PRSTATUS fills it, plus what must be saved beside */
	unsigned char raw[512] __attribute__((aligned(16)));
	size_t len;
};
extern const char *const inject_arch_name;
uint64_t inject_arch_pc(const struct inject_regs *r);
/* Is there a system call instruction that ends at pc? (bytes: the 8 before pc) */
bool inject_arch_is_syscall(const unsigned char *before_pc);
extern const unsigned char inject_arch_syscall[]; /* to search for in the vDSO */
extern const size_t inject_arch_syscall_len;
/* Registers for a call at the instruction at `at`, without triggering a restart. */
void inject_arch_set_call(struct inject_regs *r, uint64_t at, long nr, const uint64_t args[6]);
long inject_arch_result(const struct inject_regs *r);
