/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - see probe.h. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "warder/bpf.h"
#include "warder/filter.h"
#include "warder/notify.h"
#include "warder/own.h"

#define NEW_LISTENER SECCOMP_FILTER_FLAG_NEW_LISTENER
#define KILLABLE     SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define MARK         85 /* an errno that getppid never gives by itself */

static void say(struct probe_result *out, bool ok, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct probe_result *out, bool ok, const char *fmt, ...)
{
	va_list ap;

	out->ok = ok;
	va_start(ap, fmt);
	vsnprintf(out->text, sizeof out->text, fmt, ap);
	va_end(ap);
}

/* --- the frame: a child, its answer, its deadline --- */

static void child(probe_fn *fn, const void *arg, int to)
{
	struct probe_result result = { .text = "no finding" };

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn(&result, arg);
	_exit(write(to, &result, sizeof result) != sizeof result);
}

static void end_child(pid_t pid, int *status)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
}

static void answer(int from, int timeout_ms, struct probe_result *out)
{
	struct pollfd p = { .fd = from, .events = POLLIN };
	struct probe_result result;
	int n = poll(&p, 1, timeout_ms);

	if (n == 0)
		say(out, false, "no answer within %d ms", timeout_ms);
	else if (n < 0 || read(from, &result, sizeof result) != sizeof result)
		say(out, false, "the probe died");
	else
		*out = result;
}

void probe_run(probe_fn *fn, const void *arg, int timeout_ms, struct probe_result *out)
{
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		say(out, false, "pipe: %s", strerror(errno));
		return;
	}
	pid = fork();
	if (pid < 0) {
		say(out, false, "fork: %s", strerror(errno));
	} else if (!pid) {
		child(fn, arg, fds[1]);
	} else {
		setpgid(pid, pid);
		close(fds[1]);
		fds[1] = -1;
		answer(fds[0], timeout_ms, out);
		end_child(pid, &status);
	}
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
}

/* --- a target: a process under a filter that notifies getppid --- */

struct shared {               /* with the target */
	_Atomic int listener; /* or -errno */
	_Atomic int result;   /* what the target has to say */
	_Atomic long calls;   /* how many it shall make */
};

struct target {
	pid_t pid;
	int listener;
	struct shared *shared;
};

static int load_gate(unsigned long flags)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct bpf_prog prog = { ARRAY_LEN(insn), insn };
	struct err e;
	int fd = -1, r;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	r = filter_load(&prog, (unsigned)flags, &fd, &e);
	return r ? r : fd;
}

/* The target shares our descriptors, so its listener is ours. It runs fn and exits. */
static int target_start(struct target *t, unsigned long flags, void (*fn)(struct shared *),
			long calls)
{
	int go[2], r;
	char c;

	t->shared = mmap(NULL, sizeof *t->shared, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->shared == MAP_FAILED || pipe2(go, O_CLOEXEC))
		return -errno;
	atomic_store(&t->shared->calls, calls);
	t->pid = (pid_t)syscall(__NR_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!t->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		r = load_gate(flags | NEW_LISTENER);
		atomic_store(&t->shared->listener, r);
		if (write(go[1], "", 1) != 1 || r < 0)
			_exit(1);
		fn(t->shared);
		_exit(0);
	}
	if (t->pid < 0 || read(go[0], &c, 1) != 1)
		return -errno;
	t->listener = atomic_load(&t->shared->listener);
	return t->listener < 0 ? t->listener : 0;
}

static void call_once(struct shared *s)
{
	errno = 0;
	atomic_store(&s->result, syscall(__NR_getppid) < 0 ? errno : 0);
}

static void do_nothing(struct shared *s)
{
	(void)s;
}

/* r: 0 or -errno of what was tried. */
static void tell(struct probe_result *out, int r)
{
	say(out, !r, "%s%s", r ? strerror(-r) : "works",
	    r == -EBUSY ? " (this process runs under a listener already)" : "");
}

/* --- the probes --- */

void probe_kernel(struct probe_result *out, const void *arg)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	(void)arg;
	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	say(out, major > 5 || (major == 5 && minor >= 7), "Linux %.64s, %.32s", u.release,
	    u.machine);
}

void probe_actions(struct probe_result *out, const void *arg)
{
	static const char path[] = "/proc/sys/kernel/seccomp/actions_avail";
	auto_file f = fopen(path, "re");
	char line[256] = "";

	(void)arg;
	if (!f || !fgets(line, sizeof line, f)) {
		say(out, false, "%s: %s", path, strerror(errno));
		return;
	}
	line[strcspn(line, "\n")] = 0;
	say(out, strstr(line, "user_notif"), "%.200s", line);
}

/* One notified getppid: answered with an errno, or let through. */
static void try_call(struct probe_result *out, bool go_on)
{
	struct seccomp_notif n;
	struct target t = { 0 };
	int r = target_start(&t, 0, call_once, 1), got;

	if (r) {
		tell(out, r);
		return;
	}
	r = notify_recv(t.listener, &n);
	if (!r)
		r = go_on ? notify_continue(t.listener, n.id)
			  : notify_reply(t.listener, n.id, MARK, 0);
	if (r) {
		tell(out, r);
		return;
	}
	waitpid(t.pid, NULL, 0);
	got = atomic_load(&t.shared->result);
	say(out, got == (go_on ? 0 : MARK), "%s",
	    got == (go_on ? 0 : MARK) ? "works" : "the answer did not arrive");
}

void probe_listener(struct probe_result *out, const void *arg)
{
	int r = notify_check_sizes();

	(void)arg;
	if (r)
		say(out, false, "SECCOMP_GET_NOTIF_SIZES: %s", strerror(-r));
	else
		try_call(out, false);
}

void probe_continue(struct probe_result *out, const void *arg)
{
	(void)arg;
	try_call(out, true);
}

void probe_sync(struct probe_result *out, const void *arg)
{
	struct target t = { 0 };
	int r = target_start(&t, 0, do_nothing, 0);

	(void)arg;
	if (!r)
		r = notify_set_sync(t.listener, true);
	tell(out, r);
}

void probe_killable(struct probe_result *out, const void *arg)
{
	struct target t = { 0 };
	int r = target_start(&t, KILLABLE, do_nothing, 0);

	(void)arg;
	tell(out, r);
}

void probe_tsync(struct probe_result *out, const void *arg)
{
	struct target t = { 0 };
	int r = target_start(&t, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
			     do_nothing, 0);

	(void)arg;
	tell(out, r);
}

/* A child that waits, so that something can be done to it. */
static pid_t start_idle(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

void probe_pidfd_getfd(struct probe_result *out, const void *arg)
{
	pid_t pid = start_idle();
	int pidfd = pidfd_open(pid, 0), fd = pidfd < 0 ? -1 : pidfd_getfd(pidfd, 2, 0);

	(void)arg;
	say(out, fd >= 0, "%s", fd >= 0 ? "works" : strerror(errno));
}

static int yama_scope(void)
{
	auto_file f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;

	return f && fscanf(f, "%d", &scope) == 1 ? scope : -1;
}

void probe_ptrace(struct probe_result *out, const void *arg)
{
	pid_t pid = start_idle();
	int status, scope = yama_scope();
	bool ok = !ptrace(PTRACE_SEIZE, pid, 0, 0) && !ptrace(PTRACE_INTERRUPT, pid, 0, 0) &&
		  waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);
	const char *why = ok ? "works" : strerror(errno);

	(void)arg;
	if (scope < 0)
		say(out, ok, "%s", why);
	else
		say(out, ok, "%s (kernel.yama.ptrace_scope is %d)", why, scope);
}

void probe_write(struct probe_result *out, const void *arg)
{
	static long word;
	long value = 7;
	struct iovec from = { &value, sizeof value }, to = { &word, sizeof word };
	bool ok = process_vm_writev(start_idle(), &from, 1, &to, 1, 0) == sizeof value;

	(void)arg;
	say(out, ok, "%s", ok ? "works" : strerror(errno));
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* The alarm only ends a RECV that blocks for ever. */
void probe_end(struct probe_result *out, const void *arg)
{
	const struct sigaction sa = { .sa_handler = on_alarm };
	struct seccomp_notif n;
	struct target t = { 0 };
	int r = target_start(&t, 0, do_nothing, 0);
	bool hup, enoent;

	(void)arg;
	if (r) {
		tell(out, r);
		return;
	}
	waitpid(t.pid, NULL, 0);
	hup = notify_poll(t.listener, 1000) == -EPIPE;
	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	enoent = notify_recv(t.listener, &n) == -ENOENT;
	say(out, hup || enoent, "%s",
	    enoent ? "RECV returns"
	    : hup  ? "RECV blocks, POLLHUP comes: each call costs a poll more"
		   : "neither RECV nor poll tell");
}

static void call_often(struct shared *s)
{
	const struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	long calls = atomic_load(&s->calls);

	sigaction(SIGUSR1, &sa, NULL);
	for (long i = 0; i < calls; i++)
		syscall(__NR_getppid);
}

/* Answers until the target has gone; returns how many calls were received. */
static long serve_and_signal(const struct target *t)
{
	struct seccomp_notif n;
	long received = 0;
	int r;

	for (;;) {
		r = notify_poll(t->listener, -1);
		if (r < 0 && r != -EINTR)
			return received;
		if (r < 0 || notify_recv(t->listener, &n))
			continue;
		received++;
		kill(t->pid, SIGUSR1);
		notify_reply(t->listener, n.id, 0, 1);
	}
}

/* A signal while the answer is on its way: is the call made again? */
void probe_repeat(struct probe_result *out, const void *arg)
{
	const long calls = 2000;
	struct target t = { 0 };
	bool killable = true;
	long received;
	int r = target_start(&t, KILLABLE, call_often, calls);

	(void)arg;
	if (r == -EINVAL) {
		killable = false;
		r = target_start(&t, 0, call_often, calls);
	}
	if (r) {
		tell(out, r);
		return;
	}
	received = serve_and_signal(&t);
	say(out, received == calls, "%ld signalled calls were received %ld times%s", calls,
	    received, killable ? "" : " (without WAIT_KILLABLE_RECV)");
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Microseconds for one call, received and answered; negative: -errno. */
static double ping_pong(bool sync, long calls)
{
	struct seccomp_notif n;
	struct target t = { 0 };
	int r = target_start(&t, 0, call_often, calls);
	double start;

	if (!r && sync)
		r = notify_set_sync(t.listener, true);
	if (r)
		return r;
	start = now_us();
	for (long i = 0; i < calls; i++) {
		r = notify_recv(t.listener, &n);
		if (!r)
			r = notify_reply(t.listener, n.id, 0, 1);
		if (r)
			return r;
	}
	return (now_us() - start) / (double)calls;
}

static int by_value(const void *left, const void *right)
{
	const double *l = left, *r = right;

	return *l < *r ? -1 : *l > *r;
}

static double median_cost(bool sync)
{
	double us[5];

	for (size_t i = 0; i < ARRAY_LEN(us); i++) {
		us[i] = ping_pong(sync, 4000);
		if (us[i] < 0)
			return us[i];
	}
	qsort(us, ARRAY_LEN(us), sizeof *us, by_value);
	return us[ARRAY_LEN(us) / 2];
}

void probe_cost(struct probe_result *out, const void *arg)
{
	double plain = median_cost(false), sync = median_cost(true);

	(void)arg;
	if (plain < 0)
		say(out, false, "cannot be measured: %s", strerror((int)-plain));
	else if (sync < 0)
		say(out, true, "%.1f us (median of 5 x 4,000 calls)", plain);
	else
		say(out, true,
		    "%.1f us with SYNC_WAKE_UP, %.1f us without (medians of 5 x 4,000 calls)", sync,
		    plain);
}
