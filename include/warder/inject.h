/* SPDX-License-Identifier: Apache-2.0 */
/* inject.h - system calls run in another process (ptrace(2)).
 *
 * Order matters here; this is the theory (DESIGN section 4; each care was seen to break without
 * it):
 *  - PTRACE_SEIZE + PTRACE_INTERRUPT; only PTRACE_EVENT_STOP counts as the stop: a group-stop is
 *    refused (EBUSY), any other stop is delivered on and the wait repeated (every stop clears a
 *    pending interrupt, so it is asked for anew).
 *  - All signals are blocked in the target (PTRACE_SETSIGMASK) before the first call and the mask
 *    restored last, so that no handler runs on our registers.
 *  - A call runs by setting the registers at an existing system call instruction (before pc, or in
 *    the vDSO) and PTRACE_SYSCALL up to the call's exit. Not PTRACE_SINGLESTEP: its SIGTRAP is a
 *    forced signal, which resets the target's handler when it is blocked. No text and no stack of
 *    the target is ever written; scratch memory is mapped there and unmapped again.
 *  - inject_close() brings the target to a PTRACE_EVENT_STOP again, the very place in the kernel
 *    where it was first stopped, restores registers and mask exactly and detaches: a system call
 *    that the stop interrupted is then restarted by the kernel itself. Calls that answer EINTR to
 *    any wake-up (epoll_wait, a recv with a timeout, ...) are rewound and repeated, with their full
 *    timeout, unless a signal is waiting.
 *  - A target inside a restartable sequence (rseq(2)) is sent to its abort address, as the kernel
 *    does when it preempts one: put back in the middle, it would end a sequence that was broken.
 *  - PTRACE_O_EXITKILL is set while the registers or the mask are ours: a tracer that dies then
 *    takes the target with it. Without it the target would go on with our registers, which mostly,
 *    but not surely, kills it. Before and after, a dying tracer leaves the target unharmed.
 * Refused, target untouched: a traced process (EPERM), a vfork parent, a group-stopped task (both
 * EBUSY), a task of another architecture than ours (ENOTSUP), a kernel thread (EPERM).
 * Deadlines: absolute CLOCK_MONOTONIC ns; -ETIMEDOUT. Must be used from one thread (ptrace's
 * rule). */
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
 * While the call is pending, on_wait (may be NULL) is called again and again (a notified call is
 * answered there by its caller); it must not block for long. */
int inject_call(struct inject *in, long nr, const uint64_t args[6], long *ret,
		void (*on_wait)(void *ctx), void *ctx, struct err *e);

/* process_vm_writev / process_vm_readv, whole or error. */
int inject_write(struct inject *in, uint64_t addr, const void *buf, size_t len, struct err *e);
int inject_read(struct inject *in, uint64_t addr, void *buf, size_t len, struct err *e);

/* Restores and detaches; frees. Safe after any failure, with NULL, and when the target has died
 * (-ESRCH). A call still in flight is interrupted; one second is given for that, whatever the
 * deadline was. */
int inject_close(struct inject *in, struct err *e);

/* The value of one field of /proc/TID/status ("Seccomp"), without white space around it. */
int inject_status(pid_t tid, const char *field, char *value, size_t size, struct err *e);

/* inject_<arch>.c: all that depends on the processor. */
struct inject_regs { /* as PTRACE_GETREGSET NT_PRSTATUS fills it */
	unsigned char raw[512] __attribute__((aligned(16)));
	size_t len;
};
extern const char *const inject_arch_name;
extern const size_t inject_arch_regs_len; /* a task of another architecture has another */
uint64_t inject_arch_pc(const struct inject_regs *r);
void inject_arch_set_pc(struct inject_regs *r, uint64_t pc);
/* Is there a system call instruction that ends at pc? (bytes: the 8 before pc) */
bool inject_arch_is_syscall(const unsigned char *before_pc);
extern const unsigned char inject_arch_syscall[]; /* to search for in the vDSO */
extern const size_t inject_arch_syscall_len;
/* Registers for a call at the instruction at `at`, without triggering a restart. */
void inject_arch_set_call(struct inject_regs *r, uint64_t at, long nr, const uint64_t args[6]);
long inject_arch_result(const struct inject_regs *r);
/* Where r stands behind a call that the stop alone made return EINTR: back to before that call.
 * Only valid when the instruction before pc is a system call. */
void inject_arch_rewind(struct inject_regs *r);
/* Called at a system call's entry stop: the call is left out. 0 or -errno. */
int inject_arch_skip(pid_t tid);
