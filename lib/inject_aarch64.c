/* SPDX-License-Identifier: Apache-2.0 */
/* inject_aarch64.c - the registers of aarch64 for inject.h.
 *
 * Untested: it compiles, but has not run on an arm64 kernel yet.
 * Here the kernel prepares a restart *before* the stop: pc then points at the svc itself, x0 holds
 * the first argument again, and NT_ARM_SYSTEM_CALL is -1 already. So "the instruction before pc is
 * svc" is false for a call that will restart, an svc of the vDSO is used for ours, and putting the
 * registers back repeats the call. What restarts through restart_syscall on other machines
 * (nanosleep, poll, a timed futex with a relative time) starts anew, with its full time. */
#include <asm/ptrace.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "warder/inject.h"

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

enum { REG_NR = 8 }; /* x8 */

const char *const inject_arch_name = "aarch64";
const size_t inject_arch_regs_len = sizeof(struct user_pt_regs);
const unsigned char inject_arch_syscall[] = { 0x01, 0x00, 0x00, 0xd4 }; /* svc #0 */
const size_t inject_arch_syscall_len = sizeof inject_arch_syscall;

static struct user_pt_regs load(const struct inject_regs *r)
{
	struct user_pt_regs u;

	memcpy(&u, r->raw, sizeof u);
	return u;
}

uint64_t inject_arch_pc(const struct inject_regs *r)
{
	return load(r).pc;
}

void inject_arch_set_pc(struct inject_regs *r, uint64_t pc)
{
	struct user_pt_regs u = load(r);

	u.pc = pc;
	memcpy(r->raw, &u, sizeof u);
}

bool inject_arch_is_syscall(const unsigned char *before_pc)
{
	return memcmp(before_pc + 4, inject_arch_syscall, sizeof inject_arch_syscall) == 0;
}

void inject_arch_set_call(struct inject_regs *r, uint64_t at, long nr, const uint64_t args[6])
{
	struct user_pt_regs u = load(r);

	u.pc = at;
	u.regs[REG_NR] = (uint64_t)nr;
	memcpy(u.regs, args, 6 * sizeof args[0]);
	memcpy(r->raw, &u, sizeof u);
}

long inject_arch_result(const struct inject_regs *r)
{
	return (long)load(r).regs[0];
}

/* x0 was overwritten by the result and the kernel does not tell the argument that stood there:
 * such a call returns its EINTR. */
void inject_arch_rewind(struct inject_regs *r)
{
	(void)r;
}

int inject_arch_skip(pid_t tid)
{
	int nr = -1;
	struct iovec iov = { &nr, sizeof nr };

	return ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &iov) < 0 ? -errno : 0;
}
