/* SPDX-License-Identifier: Apache-2.0 */
/* install.c - see install.h.
 *
 * The order is the point: each step is one row below. From the moment the filter is loaded any call
 * of any thread may be notified, also those that we run there; serve() answers while ours are in
 * flight. Outside of that, notifications stay pending for the daemon: what is received here is
 * answered here, at once. */
#include "install.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "warder/failpoint.h"
#include "warder/inject.h"
#include "warder/notify.h"
#include "warder/own.h"

enum { TICK_US = 2000, SERVE_MAX = 64, PAGE = 4096, MAX_ERRNO = 4095 };

struct install {
	pid_t pid;
	const struct bpf_prog *prog;
	uint64_t deadline;
	const struct warn *warn;
	const char **mend;
	struct inject *in;
	uint64_t scratch; /* 0: not mapped */
	size_t size;
	long there;   /* the listener's number in the target */
	int listener; /* ours; -1 before it was fetched */
};

static bool is_own_ancestor(pid_t pid)
{
	char parent[16];
	struct err e;
	pid_t up;

	for (up = getpid(); up > 0; up = (pid_t)atol(parent))
		if (up == pid)
			return true;
		else if (inject_status(up, "PPid", parent, sizeof parent, &e))
			break;
	return false;
}

int install_check(pid_t pid, const char **mend, struct err *e)
{
	char mode[8];
	int r;

	*mend = "use warder-hook as a prestart or createRuntime hook";
	if (pid <= 1)
		return err_set(e, EINVAL, "process id %d is not a container's init seen from here",
			       pid);
	if (is_own_ancestor(pid))
		return err_set(e, EINVAL, "process %d is the hook or one of its parents", pid);
	r = inject_status(pid, "Seccomp", mode, sizeof mode, e);
	if (r)
		return r;
	if (strcmp(mode, "0") != 0)
		return err_set(e, EBUSY, "process %d has a seccomp filter already", pid);
	return 0;
}

static int call(struct install *i, long nr, const uint64_t args[6], void (*on_wait)(void *),
		long *ret, struct err *e)
{
	return inject_call(i->in, nr, args, ret, on_wait, i, e);
}

/* Another thread's notification may vanish between poll and receive, which then waits for the next:
 * the ticking SIGALRM ends that with EINTR. */
static void serve(void *ctx)
{
	const struct install *i = ctx;
	struct seccomp_notif n;
	int k;

	for (k = 0; k < SERVE_MAX && notify_poll(i->listener, 0) == 1; k++)
		if (notify_recv(i->listener, &n) == 0)
			notify_continue(i->listener, n.id);
}

static void on_tick(int sig)
{
	(void)sig;
}

static void tick(bool on)
{
	const struct sigaction wake = { .sa_handler = on_tick };
	const struct timeval period = { 0, on ? TICK_US : 0 };
	const struct itimerval timer = { period, period };

	sigaction(SIGALRM, &wake, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static int seize(struct install *i, struct err *e)
{
	int r;

	r = inject_open(i->pid, i->deadline, &i->in, e);
	if (r == -EPERM)
		*i->mend = "the hook needs to be root or to have CAP_SYS_PTRACE, and no debugger";
	return r;
}

static int map(struct install *i, struct err *e)
{
	const size_t need = sizeof(struct sock_fprog) + i->prog->len * sizeof *i->prog->insn;
	const uint64_t args[6] = { [1] = (need + PAGE - 1) / PAGE * PAGE,
				   [2] = PROT_READ | PROT_WRITE,
				   [3] = MAP_PRIVATE | MAP_ANONYMOUS,
				   [4] = UINT64_MAX };
	long ret = 0;
	int r;

	r = call(i, SYS_mmap, args, NULL, &ret, e);
	if (r)
		return r;
	if (ret < 0 && ret >= -MAX_ERRNO)
		return err_set(e, (int)-ret, "map %zu bytes in process %d", need, i->pid);
	i->scratch = (uint64_t)ret;
	i->size = args[1];
	return 0;
}

static int put(struct install *i, struct err *e)
{
	const uint64_t text = i->scratch + sizeof(struct sock_fprog);
	const struct sock_fprog head = {
		.len = (unsigned short)i->prog->len,
		.filter = (struct sock_filter *)(uintptr_t)text,
	};
	int r;

	r = inject_write(i->in, i->scratch, &head, sizeof head, e);
	if (r)
		return r;
	return inject_write(i->in, text, i->prog->insn, i->prog->len * sizeof *i->prog->insn, e);
}

static int refused(struct install *i, int num, struct err *e)
{
	static const struct {
		int num;
		const char *mend;
	} rows[] = {
		{ EACCES, "it has neither CAP_SYS_ADMIN in its user namespace nor no_new_privs" },
		{ EBUSY, "it has a filter with a listener already: nested or native wiring" },
		{ ESRCH, "one of its threads has a seccomp filter of its own" },
		{ ENOMEM, "it has too many filters, or memory is short" },
		{ EINVAL, "Linux 5.7 or later is needed" },
	};
	size_t k;

	for (k = 0; k < ARRAY_LEN(rows); k++)
		if (rows[k].num == num)
			*i->mend = rows[k].mend;
	return err_set(e, num, "load the filter in process %d", i->pid);
}

static int load(struct install *i, struct err *e)
{
	const uint64_t flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
			       SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	uint64_t args[6] = { SECCOMP_SET_MODE_FILTER,
			     flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, i->scratch };
	long ret = 0;
	int r;

	r = call(i, SYS_seccomp, args, NULL, &ret, e);
	if (!r && ret == -EINVAL) {
		args[1] = flags;
		r = call(i, SYS_seccomp, args, NULL, &ret, e);
		if (!r && ret >= 0)
			warn_say(i->warn, "this kernel lacks WAIT_KILLABLE_RECV (Linux 5.19): "
					  "signals may make a program repeat a notified call");
	}
	if (r)
		return r;
	if (ret < 0)
		return refused(i, (int)-ret, e);
	i->there = ret;
	return 0;
}

static int fetch(struct install *i, struct err *e)
{
	auto_fd pidfd = (int)syscall(SYS_pidfd_open, i->pid, 0);
	int fd;

	if (pidfd < 0)
		return err_set(e, errno, "open process %d", i->pid);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)i->there, 0);
	if (fd < 0)
		return err_set(e, errno, "take the listener from process %d", i->pid);
	i->listener = fd;
	if (!notify_is_listener(fd))
		return err_set(e, EPROTO, "descriptor %ld of process %d is no listener", i->there,
			       i->pid);
	tick(true);
	return 0;
}

static int unmap(struct install *i, struct err *e)
{
	const uint64_t args[6] = { i->scratch, i->size };
	long ret = 0;
	int r;

	r = call(i, SYS_munmap, args, i->listener < 0 ? NULL : serve, &ret, e);
	if (!r && ret)
		r = err_set(e, (int)-ret, "unmap scratch memory of process %d", i->pid);
	i->scratch = 0;
	return r;
}

static int close_there(struct install *i, struct err *e)
{
	const uint64_t args[6] = { (uint64_t)i->there };
	long ret = 0;
	int r;

	r = call(i, SYS_close, args, serve, &ret, e);
	if (!r && ret)
		r = err_set(e, (int)-ret, "close the listener in process %d", i->pid);
	return r;
}

static int detach(struct install *i, struct err *e)
{
	return inject_close(take_ptr(i->in), e);
}

static const struct {
	int (*run)(struct install *i, struct err *e);
	const char *name;
} steps[] = {
	{ seize, "hook.seized" },       { map, "hook.mapped" },      { put, "hook.written" },
	{ load, "hook.installed" },     { fetch, "hook.fetched" },   { unmap, "hook.unmapped" },
	{ close_there, "hook.closed" }, { detach, "hook.detached" },
};

/* What can be undone is; *e keeps the first failure. */
static void undo(struct install *i)
{
	struct err ignored;

	if (i->in && i->scratch && i->there < 0)
		unmap(i, &ignored);
	inject_close(i->in, &ignored);
	if (i->listener >= 0)
		close(i->listener);
}

int install_filter(pid_t pid, const struct bpf_prog *prog, uint64_t deadline, const struct warn *w,
		   int *listener, const char **mend, struct err *e)
{
	struct install i = {
		.pid = pid,
		.prog = prog,
		.deadline = deadline,
		.warn = w,
		.mend = mend,
		.there = -1,
		.listener = -1,
	};
	size_t k;
	int r = 0;

	*mend = "try again; if it stays so, see warder doctor";
	for (k = 0; k < ARRAY_LEN(steps) && !r; k++) {
		r = steps[k].run(&i, e);
		if (!r)
			FAILPOINT(steps[k].name);
	}
	tick(false);
	if (r)
		undo(&i);
	else
		*listener = i.listener;
	return r;
}
