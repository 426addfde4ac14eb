/* SPDX-License-Identifier: Apache-2.0 */
/* inject_x86_64.c - the registers of x86_64 (and x32) for inject.h.
 *
 * At the stop an interrupted call shows as orig_rax >= 0 with -ERESTART* in rax; the kernel acts on
 * it when the task leaves the stop, so putting both back is all a restart needs. orig_rax = -1
 * means "not in a call". */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "warder/inject.h"
#include "warder/own.h"

const char *const inject_arch_name = "x86_64";
const size_t inject_arch_regs_len = sizeof(struct user_regs_struct);
const unsigned char inject_arch_syscall[] = { 0x0f, 0x05 };
const size_t inject_arch_syscall_len = sizeof inject_arch_syscall;

/* Calls that answer EINTR to any wake-up, and that have done nothing when they do. */
static const long eintr_calls[] = {
	SYS_read,           SYS_write,        SYS_readv,         SYS_writev,
	SYS_recvfrom,       SYS_recvmsg,      SYS_recvmmsg,      SYS_sendto,
	SYS_sendmsg,        SYS_sendmmsg,     SYS_accept,        SYS_accept4,
	SYS_epoll_wait,     SYS_epoll_pwait,  SYS_epoll_pwait2,  SYS_semop,
	SYS_semtimedop,     SYS_io_getevents, SYS_io_pgetevents, SYS_rt_sigtimedwait,
	SYS_io_uring_enter,
};

static struct user_regs_struct load(const struct inject_regs *r)
{
	struct user_regs_struct u;

	memcpy(&u, r->raw, sizeof u);
	return u;
}

static void store(struct inject_regs *r, const struct user_regs_struct *u)
{
	memcpy(r->raw, u, sizeof *u);
}

uint64_t inject_arch_pc(const struct inject_regs *r)
{
	return load(r).rip;
}

void inject_arch_set_pc(struct inject_regs *r, uint64_t pc)
{
	struct user_regs_struct u = load(r);

	u.rip = pc;
	store(r, &u);
}

bool inject_arch_is_syscall(const unsigned char *before_pc)
{
	return memcmp(before_pc + 6, inject_arch_syscall, sizeof inject_arch_syscall) == 0;
}

void inject_arch_set_call(struct inject_regs *r, uint64_t at, long nr, const uint64_t args[6])
{
	struct user_regs_struct u = load(r);

	u.rip = at;
	u.rax = (uint64_t)nr;
	u.orig_rax = (uint64_t)-1;
	u.rdi = args[0];
	u.rsi = args[1];
	u.rdx = args[2];
	u.r10 = args[3];
	u.r8 = args[4];
	u.r9 = args[5];
	store(r, &u);
}

long inject_arch_result(const struct inject_regs *r)
{
	return (long)load(r).rax;
}

void inject_arch_rewind(struct inject_regs *r)
{
	struct user_regs_struct u = load(r);
	size_t i;

	if ((long)u.rax != -EINTR)
		return;
	for (i = 0; i < ARRAY_LEN(eintr_calls); i++) {
		if ((long)u.orig_rax != eintr_calls[i])
			continue;
		u.rip -= inject_arch_syscall_len;
		u.rax = u.orig_rax;
		u.orig_rax = (uint64_t)-1;
		store(r, &u);
		return;
	}
}

int inject_arch_skip(pid_t tid)
{
	const size_t at = offsetof(struct user, regs.orig_rax);

	return ptrace(PTRACE_POKEUSER, tid, at, -1L) < 0 ? -errno : 0;
}
