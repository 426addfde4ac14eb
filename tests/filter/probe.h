/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - ask the kernel what a seccomp program does with a call, without the call taking place.
 *
 * A child loads a backstop that answers every call with ERRNO 4095, then the program. Of equal
 * actions the kernel takes the newest filter's, of others the strictest: the program's ERRNO, TRAP
 * and KILL show, and whatever it lets through ends at the backstop. So nothing is ever executed.
 * Calls that should kill are made by a thread of the child, which tells KILL_THREAD from
 * KILL_PROCESS. A child ends by an illegal instruction, since every call is blocked. */
#pragma once
#include <errno.h>
#include <linux/audit.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "warder/bpf.h"

#define PROBE_BACKSTOP 4095
#define PROBE_COOKIE   0x77617264

enum outcome { OUT_NONE, OUT_RETURNED, OUT_TRAPPED, OUT_THREAD_KILLED, OUT_PROCESS_KILLED };

struct probe {
	struct seccomp_data call; /* arch: x86_64 (x32 by bit 30) or i386 (int $0x80) */
	int outcome;
	long value; /* OUT_RETURNED: rax; OUT_TRAPPED: the number that the signal names */
};

struct probe_run {
	const struct bpf_prog *program;
	bool backstop;
	struct probe *probes; /* shared memory */
	size_t n;
	volatile size_t *cursor; /* shared memory: the probe that is being made */
};

static __thread sigjmp_buf probe_trap;
static __thread volatile long probe_trap_nr;

static inline void *probe_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline long probe_call64(long nr, const uint64_t a[6])
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	long rax = nr;

	__asm__ volatile("syscall"
			 : "+a"(rax)
			 : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return rax;
}

static inline long probe_call32(long nr, const uint64_t a[6])
{
	register uint64_t six __asm__("r12") = (uint32_t)a[5];
	long rax = nr;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "push %%rbp\n\t"
			 "mov %%r12, %%rbp\n\t"
			 "int $0x80\n\t"
			 "pop %%rbp\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : "+a"(rax)
			 : "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4]), "r"(six)
			 : "r8", "r9", "r10", "r11", "memory", "cc");
	return (int)rax;
}

static inline void probe_on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	probe_trap_nr = info->si_syscall;
	siglongjmp(probe_trap, 1);
}

static inline void probe_make(struct probe *p)
{
	const struct seccomp_data call = p->call;
	uint64_t args[6];

	memcpy(args, call.args, sizeof args);
	if (sigsetjmp(probe_trap, 0)) {
		p->value = probe_trap_nr;
		p->outcome = OUT_TRAPPED;
		return;
	}
	p->value = call.arch == AUDIT_ARCH_I386 ? probe_call32(call.nr, args)
						: probe_call64(call.nr, args);
	p->outcome = OUT_RETURNED;
}

static inline long probe_load(struct sock_fprog *prog)
{
	return probe_call64(__NR_seccomp, (uint64_t[6]){ SECCOMP_SET_MODE_FILTER, 0,
							 (uintptr_t)prog, 0, 0, PROBE_COOKIE });
}

static inline bool probe_enter(const struct probe_run *r)
{
	struct sock_filter only[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_seccomp, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROBE_COOKIE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | PROBE_BACKSTOP),
	};
	struct sock_fprog backstop = { sizeof only / sizeof only[0], only };
	struct sock_fprog prog = { (unsigned short)r->program->len, r->program->insn };

	return (!r->backstop || probe_load(&backstop) == 0) && probe_load(&prog) == 0;
}

static inline _Noreturn void probe_end(void)
{
	for (;;)
		__asm__ volatile("ud2");
}

static inline void probe_child_setup(void)
{
	struct sigaction sa = { .sa_sigaction = probe_on_trap,
				.sa_flags = SA_SIGINFO | SA_NODEFER };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	sigaction(SIGSYS, &sa, NULL);
	/* a sanitizer's own handlers make calls, which all fail here */
	signal(SIGILL, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
}

static inline _Noreturn void probe_child(const struct probe_run *r)
{
	probe_child_setup();
	if (!probe_enter(r))
		_exit(99);
	while (*r->cursor < r->n) {
		probe_make(&r->probes[*r->cursor]);
		++*r->cursor;
	}
	probe_end();
}

static inline void *probe_thread(void *arg)
{
	const struct probe_run *r = arg;

	if (!probe_enter(r))
		_exit(99);
	probe_make(&r->probes[*r->cursor]);
	++*r->cursor;
	probe_end();
}

/* Each probe by a thread of its own, in the hope that it is killed. */
static inline _Noreturn void probe_child_threads(struct probe_run *r)
{
	probe_child_setup();
	for (; *r->cursor < r->n; ++*r->cursor) {
		pthread_t t;

		if (pthread_create(&t, NULL, probe_thread, r) || pthread_join(t, NULL))
			_exit(98);
		r->probes[*r->cursor].outcome = OUT_THREAD_KILLED;
	}
	_exit(0);
}

/* Makes all probes; children that are killed are replaced. false: the probing itself failed. */
static inline bool probe_all(struct probe_run *r, bool threads)
{
	*r->cursor = 0;
	while (*r->cursor < r->n) {
		int status;
		pid_t pid = fork();

		if (!pid && threads)
			probe_child_threads(r);
		if (!pid)
			probe_child(r);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || WIFEXITED(status))
			return pid > 0 && *r->cursor == r->n;
		if (WTERMSIG(status) != SIGSYS && WTERMSIG(status) != SIGILL)
			return false;
		if (WTERMSIG(status) == SIGSYS)
			r->probes[*r->cursor].outcome = OUT_PROCESS_KILLED;
		if (*r->cursor < r->n && r->probes[*r->cursor].outcome != OUT_RETURNED)
			++*r->cursor;
	}
	return true;
}
