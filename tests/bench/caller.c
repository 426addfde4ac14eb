/* SPDX-License-Identifier: Apache-2.0 */
/* caller.c - callers whose getppid() is notified, timed; a floor or a warderd answers them.
 *
 * Each session is a process with a filter of its own (getppid and execve -> USER_NOTIF); its
 *callers are threads of it. Who answers:
 *
 *	the floor       threads of this program: RECV, SEND, nothing else
 *	--socket PATH   a warderd: each listener is handed over as a native runtime does, and the
 *	                session makes an execve first, so that it is not "starting" any more
 *
 * The sessions stay alive, asleep, while commands are read from stdin: "run MS" lets the active
 *ones call for so long and prints one JSON line. So two of these programs can be measured in turns
 *of milliseconds. Each call has one of --distinct argument tuples and each result is checked. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "warder/bpf.h"
#include "warder/filter.h"
#include "warder/notify.h"
#include "warder/oci.h"
#include "warder/opt.h"
#include "warder/own.h"
#include "warder/wire.h"

#define MAX_SESSIONS 4096
#define MAX_CALLERS  64
#define MAX_SAMPLES  (1U << 20)
#define MAX_MS       60000
#define STACK_SIZE   65536
#define HAND_OVER_NS 60000000000ULL

struct shared { /* between this program and its sessions; what one waits for is a futex */
	_Atomic uint32_t ready, round, done, stop;
	_Atomic uint32_t listeners[MAX_SESSIONS]; /* number in the session, plus 1 */
	_Atomic uint64_t ns, calls, wrong, longest_ns;
	_Atomic uint32_t n_samples;
	uint32_t samples[MAX_SAMPLES]; /* ns of single calls */
};

static struct {
	uint64_t sessions, callers, active, distinct;
	const char *reply, *socket, *policy, *caller_cpu, *server_cpu;
	bool no_sync, samples;
	struct shared *shared;
	pid_t self; /* what the sessions' names begin with; getppid() is not theirs to make */
	pid_t pids[MAX_SESSIONS];
} o = { .sessions = 1, .callers = 1, .distinct = 64, .reply = "errno", .policy = "bench" };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "caller: %s\n", what);
	_exit(1);
}

static _Noreturn void die_errno(const char *what)
{
	perror(what);
	_exit(1);
}

/* Until the word is at least `value`. */
static void wait_for(_Atomic uint32_t *word, uint32_t value)
{
	uint32_t seen;

	while ((seen = atomic_load(word)) < value)
		syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void add_and_wake(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void pin(const char *cpu)
{
	cpu_set_t set;

	if (!cpu)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)atoi(cpu), &set);
	if (sched_setaffinity(0, sizeof set, &set))
		die_errno("sched_setaffinity");
}

static bool wants_errno(void)
{
	return !strcmp(o.reply, "errno");
}

/* One call, the i-th: is its result the one that was asked for? */
static bool call(uint64_t i, bool error)
{
	uint64_t n = i % o.distinct;
	long r = syscall(SYS_getppid, n % 8, n / 8);

	return error ? r == -1 && errno == EPERM : r > 0;
}

static void note_sample(uint64_t ns)
{
	uint32_t n = atomic_fetch_add(&o.shared->n_samples, 1);

	if (n < MAX_SAMPLES)
		o.shared->samples[n] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
	if (ns > atomic_load(&o.shared->longest_ns))
		atomic_store(&o.shared->longest_ns, ns);
}

/* Calls until it is told to stop. */
static void call_on(void)
{
	bool error = wants_errno();
	uint64_t start = now_ns(), last = start, wrong = 0, i = 0;

	do {
		wrong += !call(i++, error);
		if (o.samples) {
			uint64_t now = now_ns();

			note_sample(now - last);
			last = now;
		}
	} while (!atomic_load_explicit(&o.shared->stop, memory_order_relaxed));
	atomic_fetch_add(&o.shared->ns, now_ns() - start);
	atomic_fetch_add(&o.shared->calls, i);
	atomic_fetch_add(&o.shared->wrong, wrong);
}

static void *caller_main(void *arg)
{
	(void)arg;
	pin(o.caller_cpu);
	for (uint32_t round = 1;; round++) {
		wait_for(&o.shared->round, round);
		call_on();
		add_and_wake(&o.shared->done);
	}
	return NULL;
}

static int install(void)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct bpf_prog prog = { ARRAY_LEN(insn), insn };
	uint32_t flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	struct err e;
	int fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (filter_load(&prog, flags, &fd, &e))
		die(e.msg);
	return fd;
}

static void hand_over(int fd, uint64_t index)
{
	char id[48];
	struct oci_state s = { .id = id, .status = "creating", .pid = getpid(), .bundle = "/" };
	uint64_t deadline = wire_deadline(HAND_OVER_NS);
	auto_free char *text = NULL;
	auto_fd sock = -1;
	struct err e;
	size_t len;

	snprintf(id, sizeof id, "bench-%d-%" PRIu64, (int)o.self, index);
	if (oci_process_state_format(&s, getpid(), o.policy, &text, &len, &e) ||
	    wire_connect(o.socket, deadline, &sock, &e) ||
	    wire_send(sock, deadline, text, len, &fd, 1, &e))
		die(e.msg);
}

/* Ends warderd's "starting" phase: a failing execve is received, and that is all it takes. */
static void end_start(void)
{
	char *none[] = { NULL };

	execve("/nowhere", none, none);
}

static _Noreturn void session_main(uint64_t index)
{
	pthread_t thread;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = install();
	if (o.socket) {
		hand_over(fd, index);
		close(fd);
		end_start();
	} else {
		atomic_store(&o.shared->listeners[index], (uint32_t)fd + 1);
		syscall(SYS_futex, &o.shared->listeners[index], FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	for (uint64_t i = 0; index < o.active && i < o.callers; i++)
		if (pthread_create(&thread, NULL, caller_main, NULL))
			die_errno("pthread_create");
	add_and_wake(&o.shared->ready);
	for (;;)
		pause(); /* until this program ends it */
}

/* The floor: the least that any supervisor must do. */
static void *serve(void *arg)
{
	int fd = *(int *)arg;
	bool error = wants_errno();
	struct seccomp_notif n;

	free(arg);
	pin(o.server_cpu);
	for (;;) {
		int r = notify_recv(fd, &n);

		if (r == -ENOENT && notify_poll(fd, 0) == -EPIPE)
			return NULL;
		if (r)
			continue;
		if (error && n.data.nr == SYS_getppid)
			notify_reply(fd, n.id, EPERM, 0);
		else
			notify_continue(fd, n.id);
	}
}

static void start_floor(pid_t pid, uint64_t index)
{
	auto_fd pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int *fd = malloc(sizeof *fd);
	pthread_attr_t attr;
	pthread_t t;

	wait_for(&o.shared->listeners[index], 1);
	if (!fd)
		die("no memory");
	*fd = (int)syscall(SYS_pidfd_getfd, pidfd, atomic_load(&o.shared->listeners[index]) - 1, 0);
	if (*fd < 0)
		die_errno("pidfd_getfd");
	notify_set_sync(*fd, !o.no_sync);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (pthread_create(&t, &attr, serve, fd))
		die_errno("pthread_create");
	pthread_detach(t);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_result(uint64_t ns)
{
	struct shared *s = o.shared;
	double calls = (double)atomic_load(&s->calls);
	uint32_t n = atomic_load(&s->n_samples);

	printf("{\"us\":%.4f,\"calls_per_s\":%.1f,\"calls\":%.0f,\"wrong\":%" PRIu64,
	       (double)atomic_load(&s->ns) / calls / 1e3, calls / ((double)ns / 1e9), calls,
	       atomic_load(&s->wrong));
	if (n > MAX_SAMPLES)
		n = MAX_SAMPLES;
	if (n) {
		qsort(s->samples, n, sizeof s->samples[0], by_size);
		printf(",\"p50_us\":%.3f,\"p99_us\":%.3f,\"longest_us\":%.3f",
		       s->samples[n / 2] / 1e3, s->samples[n - 1 - n / 100] / 1e3,
		       (double)atomic_load(&s->longest_ns) / 1e3);
	}
	printf("}\n");
	fflush(stdout);
}

/* One round: the active sessions call for so many milliseconds. */
static void run(uint64_t ms)
{
	struct shared *s = o.shared;
	struct timespec time = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	uint64_t start;

	s->ns = s->calls = s->wrong = s->longest_ns = 0;
	s->n_samples = s->done = s->stop = 0;
	start = now_ns();
	add_and_wake(&s->round);
	nanosleep(&time, NULL);
	atomic_store(&s->stop, 1);
	wait_for(&s->done, (uint32_t)(o.active * o.callers));
	print_result(now_ns() - start);
}

static void parse(int argc, char **argv)
{
	const struct opt rows[] = {
		{ "socket", 0, OPT_STR, &o.socket, "PATH",
		  "a warderd answers (default: the floor)" },
		{ "policy", 0, OPT_STR, &o.policy, "NAME", "there (default bench)" },
		{ "sessions", 0, OPT_U64, &o.sessions, "N", "processes with a filter (default 1)" },
		{ "callers", 0, OPT_U64, &o.callers, "N", "threads of each (default 1)" },
		{ "active", 0, OPT_U64, &o.active, "N", "sessions that call (default: all)" },
		{ "distinct", 0, OPT_U64, &o.distinct, "N", "argument tuples (default 64)" },
		{ "reply", 0, OPT_STR, &o.reply, "WORD", "errno (default) or continue" },
		{ "samples", 0, OPT_FLAG, &o.samples, NULL, "time each call by itself" },
		{ "no-sync", 0, OPT_FLAG, &o.no_sync, NULL, "the floor without SYNC_WAKE_UP" },
		{ "caller-cpu", 0, OPT_STR, &o.caller_cpu, "N", "pin the callers" },
		{ "server-cpu", 0, OPT_STR, &o.server_cpu, "N", "pin the floor" },
		{ 0 },
	};
	const struct opt_usage usage = { .program = "caller",
					 .args = "",
					 .purpose = "callers whose calls are notified",
					 .rows = rows };
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (r > 0)
		exit(0);
	if (r)
		die(e.msg);
	if (!o.active)
		o.active = o.sessions;
	if (!o.sessions || o.sessions > MAX_SESSIONS || !o.callers || o.callers > MAX_CALLERS ||
	    !o.distinct || o.active > o.sessions)
		die("too many or too few sessions, callers or tuples");
}

/* A session never ends by itself: it has said why. */
static void on_child(int sig)
{
	(void)sig;
	_exit(1);
}

static void start_sessions(void)
{
	signal(SIGCHLD, on_child);
	o.self = getpid();
	o.shared = mmap(NULL, sizeof *o.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (o.shared == MAP_FAILED)
		die_errno("mmap");
	for (uint64_t i = 0; i < o.sessions; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die_errno("fork");
		if (!pid)
			session_main(i);
		o.pids[i] = pid;
	}
	for (uint64_t i = 0; !o.socket && i < o.sessions; i++)
		start_floor(o.pids[i], i);
	wait_for(&o.shared->ready, (uint32_t)o.sessions);
}

int main(int argc, char **argv)
{
	char line[64];
	const struct sched_param first = { .sched_priority = 1 };

	parse(argc, argv);
	start_sessions();
	sched_setscheduler(0, SCHED_FIFO, &first); /* to stop a thousand callers in time */
	printf("{\"ready\":%" PRIu64 "}\n", o.sessions);
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		uint64_t ms = strncmp(line, "run ", 4) ? 0 : strtoull(line + 4, NULL, 10);

		if (!ms || ms > MAX_MS)
			die("commands: run MS");
		run(ms);
	}
	signal(SIGCHLD, SIG_DFL);
	for (uint64_t i = 0; i < o.sessions; i++)
		kill(o.pids[i], SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		continue;
	return 0;
}
