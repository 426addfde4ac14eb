/* SPDX-License-Identifier: Apache-2.0 */
/* inject.c - see inject.h for the theory. */
#include "warder/inject.h"
#include "warder/clock.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/rseq.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "warder/own.h"

/* How a wait for a stop goes: first without sleeping, since a stop takes some 10 us, then with. */
enum {
	SPIN_NS = 300 * 1000,
	NAP_NS = 100 * 1000,
	CLOSE_NS = 1000 * 1000 * 1000,
	VDSO_MAX = 64 * 1024,
	KERNEL_SIGSET = 8
};

/* What the kernel leaves in the result of an interrupted call (include/linux/errno.h). */
enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516 };

enum place {
	RUNNING,    /* not stopped: just seized, or a call is in flight */
	EVENT_STOP, /* where inject_open() found it and inject_close() leaves it */
	CALL_EXIT,  /* behind a call of ours */
	GONE
};

struct inject {
	pid_t tid;
	uint64_t deadline;
	enum place place;
	bool ours;   /* registers or mask are not the target's own */
	uint64_t at; /* address of a system call instruction */
	uint64_t mask;
	struct inject_regs saved;
};

struct waiter {
	void (*fn)(void *ctx);
	void *ctx;
};

int inject_status(pid_t tid, const char *field, char *value, size_t size, struct err *e)
{
	const size_t n = strlen(field);
	auto_free char *line = NULL;
	auto_file f = NULL;
	size_t room = 0;
	char path[40];
	char *p;

	snprintf(path, sizeof path, "/proc/%d/status", tid);
	f = fopen(path, "re");
	if (!f)
		return err_set(e, errno == ENOENT ? ESRCH : errno, "process %d", tid);
	while (getline(&line, &room, f) > 0) {
		if (strncmp(line, field, n) != 0 || line[n] != ':')
			continue;
		for (p = line + n + 1; isspace((unsigned char)*p); p++)
			;
		p[strcspn(p, "\n")] = '\0';
		snprintf(value, size, "%s", p);
		return 0;
	}
	return err_set(e, ferror(f) ? ESRCH : ENODATA, "process %d: no %s in its status", tid,
		       field);
}

/* A bit mask in hexadecimal; all bits where it cannot be read. */
static uint64_t status_mask(pid_t tid, const char *field)
{
	char value[32];
	struct err e;

	return inject_status(tid, field, value, sizeof value, &e) ? UINT64_MAX
								  : strtoull(value, NULL, 16);
}

/* Waits for the next change of state; *status as waitpid(2) gives it. */
static int wait_change(struct inject *in, uint64_t deadline, const struct waiter *w, int *status,
		       struct err *e)
{
	const struct timespec nap = { 0, NAP_NS };
	const uint64_t begin = clock_mono_ns();
	uint64_t t;
	pid_t r;

	for (;;) {
		r = waitpid(in->tid, status, __WALL | WNOHANG);
		if (r < 0) {
			in->place = GONE;
			return err_set(e, ESRCH, "process %d", in->tid);
		}
		if (r > 0)
			break;
		t = clock_mono_ns();
		if (t >= deadline)
			return err_set(e, ETIMEDOUT, "process %d does not stop", in->tid);
		if (w && w->fn)
			w->fn(w->ctx);
		if (t - begin < SPIN_NS)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
	if (!WIFSTOPPED(*status)) {
		in->place = GONE;
		return err_set(e, ESRCH, "process %d has ended", in->tid);
	}
	return 0;
}

static bool is_event_stop(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP;
}

static bool is_call_stop(int status)
{
	return WSTOPSIG(status) == (SIGTRAP | 0x80);
}

/* The signal to deliver when going on from this stop. */
static int stop_signal(int status)
{
	return status >> 16 || is_call_stop(status) ? 0 : WSTOPSIG(status);
}

/* An error of ptrace(2) on a task that was stopped means that it was killed. */
static int traced_err(struct inject *in, struct err *e, const char *what)
{
	const int num = errno;

	if (num == ESRCH)
		in->place = GONE;
	return err_set(e, num, "%s of process %d", what, in->tid);
}

static int resume(struct inject *in, enum __ptrace_request how, int sig, struct err *e)
{
	if (ptrace(how, in->tid, 0L, (long)sig) < 0)
		return traced_err(in, e, "resume");
	in->place = RUNNING;
	return 0;
}

static int regs_get(struct inject *in, struct inject_regs *r, struct err *e)
{
	struct iovec iov = { r->raw, sizeof r->raw };

	if (ptrace(PTRACE_GETREGSET, in->tid, NT_PRSTATUS, &iov) < 0)
		return traced_err(in, e, "read registers");
	r->len = iov.iov_len;
	return 0;
}

static int regs_set(struct inject *in, struct inject_regs *r, struct err *e)
{
	struct iovec iov = { r->raw, r->len };

	if (ptrace(PTRACE_SETREGSET, in->tid, NT_PRSTATUS, &iov) < 0)
		return traced_err(in, e, "write registers");
	return 0;
}

static int mask_set(struct inject *in, uint64_t mask, struct err *e)
{
	if (ptrace(PTRACE_SETSIGMASK, in->tid, (long)KERNEL_SIGSET, &mask) < 0)
		return traced_err(in, e, "write signal mask");
	return 0;
}

static int options_set(struct inject *in, long options, struct err *e)
{
	if (ptrace(PTRACE_SETOPTIONS, in->tid, 0L, options) < 0)
		return traced_err(in, e, "set ptrace options");
	return 0;
}

/* A parent waiting in vfork does not stop before its child goes on. */
static bool is_vfork_parent(pid_t tid)
{
	static const long forks[] = {
#ifdef SYS_vfork
		SYS_vfork,
#endif
		SYS_clone, SYS_clone3
	};
	auto_file f = NULL;
	char path[40];
	long nr = -1;
	size_t i;

	snprintf(path, sizeof path, "/proc/%d/syscall", tid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%ld", &nr) != 1)
		return false;
	for (i = 0; i < ARRAY_LEN(forks); i++)
		if (nr == forks[i])
			return true;
	return false;
}

static int check_before(pid_t tid, struct err *e)
{
	char value[64];
	int r;

	r = inject_status(tid, "State", value, sizeof value, e);
	if (r)
		return r;
	if (strchr("ZX", value[0]))
		return err_set(e, ESRCH, "process %d has ended", tid);
	if (value[0] == 'T')
		return err_set(e, EBUSY, "process %d is stopped by a signal", tid);
	if (value[0] == 'D' && is_vfork_parent(tid))
		return err_set(e, EBUSY, "process %d waits in vfork", tid);
	r = inject_status(tid, "TracerPid", value, sizeof value, e);
	if (r)
		return r;
	if (strcmp(value, "0") != 0)
		return err_set(e, EPERM, "process %d is traced by process %s already", tid, value);
	return 0;
}

/* Every stop clears a pending interrupt, so it is asked for again before each resume. */
static int interrupt(struct inject *in, struct err *e)
{
	if (ptrace(PTRACE_INTERRUPT, in->tid, 0L, 0L) < 0)
		return traced_err(in, e, "interrupt");
	return 0;
}

static int first_stop(struct inject *in, struct err *e)
{
	int status;
	int r;

	for (;;) {
		r = interrupt(in, e);
		if (!r)
			r = wait_change(in, in->deadline, NULL, &status, e);
		if (r)
			return r;
		if (is_event_stop(status))
			break;
		r = resume(in, PTRACE_CONT, stop_signal(status), e);
		if (r)
			return r;
	}
	in->place = EVENT_STOP;
	if (WSTOPSIG(status) != SIGTRAP)
		return err_set(e, EBUSY, "process %d is stopped by a signal", in->tid);
	return 0;
}

static int find_in_vdso(struct inject *in, struct err *e)
{
	auto_free unsigned char *text = NULL;
	auto_free char *line = NULL;
	auto_file f = NULL;
	uint64_t from = 0, to = 0;
	unsigned char *hit;
	size_t room = 0;
	char path[40];
	int r;

	snprintf(path, sizeof path, "/proc/%d/maps", in->tid);
	f = fopen(path, "re");
	while (f && getline(&line, &room, f) > 0)
		if (strstr(line, "[vdso]") && sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2)
			break;
	if (!f || to <= from || to - from > VDSO_MAX)
		return err_set(e, ENOTSUP, "process %d has no vDSO", in->tid);
	text = malloc(to - from);
	if (!text)
		return err_set(e, ENOMEM, "copy of the vDSO");
	r = inject_read(in, from, text, to - from, e);
	if (r)
		return r;
	hit = memmem(text, to - from, inject_arch_syscall, inject_arch_syscall_len);
	if (!hit)
		return err_set(e, ENOTSUP, "process %d: no call instruction in its vDSO", in->tid);
	in->at = from + (uint64_t)(hit - text);
	return 0;
}

/* A place to call from; and the interrupted call is made repeatable. */
static int find_call(struct inject *in, struct err *e)
{
	const uint64_t pc = inject_arch_pc(&in->saved);
	unsigned char before[8];
	uint64_t pending;
	struct err ignored;

	if (inject_read(in, pc - sizeof before, before, sizeof before, &ignored) ||
	    !inject_arch_is_syscall(before))
		return find_in_vdso(in, e);
	in->at = pc - inject_arch_syscall_len;
	pending = status_mask(in->tid, "SigPnd") | status_mask(in->tid, "ShdPnd");
	if (!(pending & ~status_mask(in->tid, "SigBlk")))
		inject_arch_rewind(&in->saved);
	return 0;
}

/* A kernel without rseq, or one that does not tell (before 5.13), has none to leave. */
static void leave_rseq(struct inject *in)
{
	struct __ptrace_rseq_configuration conf;
	struct rseq_cs cs;
	struct err ignored;
	uint64_t at = 0;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, in->tid, sizeof conf, &conf) < 0 ||
	    !conf.rseq_abi_pointer)
		return;
	if (inject_read(in, conf.rseq_abi_pointer + offsetof(struct rseq, rseq_cs), &at, sizeof at,
			&ignored) ||
	    !at || inject_read(in, at, &cs, sizeof cs, &ignored))
		return;
	if (inject_arch_pc(&in->saved) - cs.start_ip < cs.post_commit_offset)
		inject_arch_set_pc(&in->saved, cs.abort_ip);
}

/* From here on the target is not its own: it dies if we do. */
static int take_over(struct inject *in, struct err *e)
{
	int r;

	r = regs_get(in, &in->saved, e);
	if (r)
		return r;
	if (in->saved.len != inject_arch_regs_len)
		return err_set(e, ENOTSUP, "process %d is not a %s program", in->tid,
			       inject_arch_name);
	r = find_call(in, e);
	if (r)
		return r;
	leave_rseq(in);
	if (ptrace(PTRACE_GETSIGMASK, in->tid, (long)KERNEL_SIGSET, &in->mask) < 0)
		return traced_err(in, e, "read signal mask");
	r = options_set(in, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL, e);
	if (r)
		return r;
	in->ours = true;
	return mask_set(in, UINT64_MAX, e);
}

int inject_open(pid_t tid, uint64_t deadline, struct inject **out, struct err *e)
{
	struct inject *in;
	struct err ignored;
	int r;

	r = check_before(tid, e);
	if (r)
		return r;
	in = calloc(1, sizeof *in);
	if (!in)
		return err_set(e, ENOMEM, "process %d", tid);
	in->tid = tid;
	in->deadline = deadline;
	if (ptrace(PTRACE_SEIZE, tid, 0L, (long)PTRACE_O_TRACESYSGOOD) < 0) {
		r = err_set(e, errno, "attach to process %d", tid);
		free(in);
		return r;
	}
	r = first_stop(in, e);
	if (!r)
		r = take_over(in, e);
	if (r) {
		inject_close(in, &ignored);
		return r;
	}
	*out = in;
	return 0;
}

static bool is_restart(long result)
{
	return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
	       result == -ERESTART_RESTARTBLOCK;
}

/* At a stop within a call: 1 at its exit, 0 at its entry. */
static int at_exit(struct inject *in, struct err *e)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, in->tid, sizeof info, &info) < 0)
		return traced_err(in, e, "read the call");
	return info.op == PTRACE_SYSCALL_INFO_EXIT;
}

/* Until a stop at the exit of a call that will not be restarted. */
static int run_call(struct inject *in, const struct waiter *w, struct inject_regs *regs,
		    struct err *e)
{
	int status = 0;
	int r;

	for (;;) {
		r = resume(in, PTRACE_SYSCALL, stop_signal(status), e);
		if (!r)
			r = wait_change(in, in->deadline, w, &status, e);
		if (r)
			return r;
		if (!is_call_stop(status))
			continue;
		r = at_exit(in, e);
		if (r < 0)
			return r;
		if (!r)
			continue;
		in->place = CALL_EXIT;
		r = regs_get(in, regs, e);
		if (r || !is_restart(inject_arch_result(regs)))
			return r;
	}
}

int inject_call(struct inject *in, long nr, const uint64_t args[6], long *ret,
		void (*on_wait)(void *ctx), void *ctx, struct err *e)
{
	const struct waiter w = { on_wait, ctx };
	struct inject_regs regs = in->saved;
	int r;

	if (in->place != EVENT_STOP && in->place != CALL_EXIT)
		return err_set(e, ESRCH, "process %d is not stopped", in->tid);
	inject_arch_set_call(&regs, in->at, nr, args);
	r = regs_set(in, &regs, e);
	if (!r)
		r = run_call(in, &w, &regs, e);
	if (r)
		return r;
	*ret = inject_arch_result(&regs);
	return 0;
}

int inject_write(struct inject *in, uint64_t addr, const void *buf, size_t len, struct err *e)
{
	const struct iovec here = { (void *)(uintptr_t)buf, len };
	const struct iovec there = { (void *)(uintptr_t)addr, len };
	const ssize_t n = process_vm_writev(in->tid, &here, 1, &there, 1, 0);

	if (n != (ssize_t)len)
		return err_set(e, n < 0 ? errno : EFAULT, "write memory of process %d", in->tid);
	return 0;
}

int inject_read(struct inject *in, uint64_t addr, void *buf, size_t len, struct err *e)
{
	const struct iovec here = { buf, len };
	const struct iovec there = { (void *)(uintptr_t)addr, len };
	const ssize_t n = process_vm_readv(in->tid, &here, 1, &there, 1, 0);

	if (n != (ssize_t)len)
		return err_set(e, n < 0 ? errno : EFAULT, "read memory of process %d", in->tid);
	return 0;
}

/* Wherever it is, to an event stop; a call about to begin is left out. */
static int last_stop(struct inject *in, struct err *e)
{
	const uint64_t deadline = clock_mono_ns() + CLOSE_NS;
	int status = 0;
	int r;

	while (in->place != EVENT_STOP) {
		r = interrupt(in, e);
		if (!r && in->place == CALL_EXIT)
			r = resume(in, PTRACE_CONT, stop_signal(status), e);
		if (!r)
			r = wait_change(in, deadline, NULL, &status, e);
		if (r)
			return r;
		in->place = is_event_stop(status) ? EVENT_STOP : CALL_EXIT;
		if (!is_call_stop(status))
			continue;
		r = at_exit(in, e);
		if (!r)
			r = inject_arch_skip(in->tid);
		if (r < 0)
			return r;
	}
	return 0;
}

static int give_back(struct inject *in, struct err *e)
{
	int r;

	if (in->place == GONE)
		return err_set(e, ESRCH, "process %d has ended", in->tid);
	r = last_stop(in, e);
	if (!r && in->ours)
		r = regs_set(in, &in->saved, e);
	if (!r && in->ours)
		r = mask_set(in, in->mask, e);
	if (!r && in->ours)
		r = options_set(in, PTRACE_O_TRACESYSGOOD, e);
	if (!r && ptrace(PTRACE_DETACH, in->tid, 0L, 0L) < 0)
		r = traced_err(in, e, "detach");
	return r;
}

int inject_close(struct inject *in, struct err *e)
{
	int r;

	if (!in)
		return 0;
	r = give_back(in, e);
	free(in);
	return r;
}
