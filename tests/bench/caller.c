/* SPDX-License-Identifier: Apache-2.0 */
/* caller.c - callers whose getppid() is notified, timed; the floor or a warderd answers them.
 *
 *	caller [options]          prints one JSON line
 *
 * Each session is a process that installs a filter of its own (getppid -> USER_NOTIF); its callers
 *are threads of it. Who answers: floor           threads of this program: RECV, SEND, nothing else
 *(--reply errno|continue,
 *	                --sync 0|1, --servers N a session)
 *	--socket PATH   a warderd: each listener is handed over as a native runtime does, and the
 *session makes an execve first, so that it is not "starting" any more Each call has one of 64
 *argument tuples, so nothing can be coalesced; each result is checked. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/filter.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
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
#include "warder/own.h"
#include "warder/wire.h"

#define MAX_CALLERS 64

struct shared { /* between the parent and all sessions */
	_Atomic int ready, go, done, wrong;
	_Atomic uint64_t ns, calls;
	_Atomic int fds[4096];
};

static struct {
	long calls, sessions, callers, servers, active, hold, sync, pin;
	const char *reply, *socket, *policy;
	struct shared *shared;
} o = { .calls = 20000,
	.sessions = 1,
	.callers = 1,
	.servers = 1,
	.sync = 1,
	.reply = "errno",
	.policy = "bench" };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

static void wait_until(_Atomic int *word, int value)
{
	const struct timespec nap = { 0, 200000 };

	while (atomic_load(word) < value)
		nanosleep(&nap, NULL);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

/* The timed loop of one caller. */
static void *call(void *arg)
{
	bool wants_error = !strcmp(o.reply, "errno");
	uint64_t start, ns;
	long wrong = 0, i;

	(void)arg;
	if (o.pin)
		pin(0);
	wait_until(&o.shared->go, 1);
	start = now_ns();
	for (i = 0; i < o.calls; i++) {
		long r = syscall(SYS_getppid, i % 8, i / 8 % 8);

		wrong += wants_error ? r != -1 || errno != EPERM : r <= 0;
	}
	ns = now_ns() - start;
	atomic_fetch_add(&o.shared->ns, ns);
	atomic_fetch_add(&o.shared->calls, (uint64_t)o.calls);
	atomic_fetch_add(&o.shared->wrong, (int)wrong);
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
	struct err e;
	int fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (filter_load(&prog,
			SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
			&fd, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
	return fd;
}

static void hand_over(int fd, int index)
{
	char id[32];
	struct oci_state s = { .id = id, .status = "creating", .pid = getpid(), .bundle = "/" };
	struct err e;
	size_t len;
	char *text;
	int sock;

	snprintf(id, sizeof id, "bench-%d-%d", (int)getpid(), index);
	if (oci_process_state_format(&s, getpid(), o.policy, &text, &len, &e) ||
	    wire_connect(o.socket, wire_deadline(20000000000ULL), &sock, &e) ||
	    wire_send(sock, wire_deadline(20000000000ULL), text, len, &fd, 1, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
	free(text);
	close(sock);
}

/* Ends warderd's "starting" phase: a failing execve is received, and that is all it takes. */
static void end_start(void)
{
	char *none[] = { NULL };

	execve("/nowhere", none, none);
}

static void session(int index)
{
	pthread_t threads[MAX_CALLERS];
	int fd = install();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (o.socket) {
		hand_over(fd, index);
		close(fd);
		end_start();
	} else {
		atomic_store(&o.shared->fds[index], fd + 1); /* the parent pulls it */
	}
	atomic_fetch_add(&o.shared->ready, 1);
	if (index < o.active) {
		for (long i = 0; i < o.callers; i++)
			if (pthread_create(&threads[i], NULL, call, NULL))
				die("pthread_create");
		for (long i = 0; i < o.callers; i++)
			pthread_join(threads[i], NULL);
		atomic_fetch_add(&o.shared->done, 1);
	}
	for (;;)
		pause(); /* idle, until the parent ends it */
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	bool error = !strcmp(o.reply, "errno");
	struct seccomp_notif n;

	if (o.pin)
		pin(0);
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

static void start_floor(pid_t pid, int index)
{
	pthread_attr_t attr;
	int pidfd, fd;

	wait_until(&o.shared->fds[index], 1);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, atomic_load(&o.shared->fds[index]) - 1, 0);
	if (fd < 0)
		die("pidfd_getfd");
	close(pidfd);
	notify_set_sync(fd, o.sync);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (long i = 0; i < o.servers; i++) {
		pthread_t t;

		if (pthread_create(&t, &attr, serve, (void *)(intptr_t)fd))
			die("pthread_create");
	}
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "calls", 1, 0, 'n' },   { "sessions", 1, 0, 's' }, { "callers", 1, 0, 'c' },
		{ "servers", 1, 0, 'v' }, { "active", 1, 0, 'a' },   { "hold", 1, 0, 'h' },
		{ "sync", 1, 0, 'y' },    { "pin", 1, 0, 'p' },      { "reply", 1, 0, 'r' },
		{ "socket", 1, 0, 'S' },  { "policy", 1, 0, 'P' },   { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		long n = optarg ? atol(optarg) : 0;

		switch (c) {
		case 'n':
			o.calls = n;
			break;
		case 's':
			o.sessions = n;
			break;
		case 'c':
			o.callers = n;
			break;
		case 'v':
			o.servers = n;
			break;
		case 'a':
			o.active = n;
			break;
		case 'h':
			o.hold = n;
			break;
		case 'y':
			o.sync = n;
			break;
		case 'p':
			o.pin = n;
			break;
		case 'r':
			o.reply = optarg;
			break;
		case 'S':
			o.socket = optarg;
			break;
		case 'P':
			o.policy = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (!o.active)
		o.active = o.sessions;
	if (o.sessions > 4096 || o.callers > MAX_CALLERS)
		exit(2);
}

int main(int argc, char **argv)
{
	static pid_t pids[4096];
	uint64_t start, ns;

	parse(argc, argv);
	o.shared = mmap(NULL, sizeof *o.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	for (int i = 0; i < o.sessions; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			session(i);
		pids[i] = pid;
		if (!o.socket)
			start_floor(pid, i);
	}
	wait_until(&o.shared->ready, (int)o.sessions);
	if (o.hold) { /* the sessions are alive and idle: the caller of this program looks at them
		       */
		printf("ready\n");
		fflush(stdout);
		getchar();
	}
	start = now_ns();
	atomic_store(&o.shared->go, 1);
	wait_until(&o.shared->done, (int)o.active);
	ns = now_ns() - start;
	for (long i = 0; i < o.sessions; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		continue;
	printf("{\"us\":%.4f,\"calls_per_s\":%.0f,\"calls\":%llu,\"wrong\":%d}\n",
	       (double)atomic_load(&o.shared->ns) / (double)atomic_load(&o.shared->calls) / 1000,
	       (double)atomic_load(&o.shared->calls) / ((double)ns / 1e9),
	       (unsigned long long)atomic_load(&o.shared->calls), atomic_load(&o.shared->wrong));
	return atomic_load(&o.shared->wrong) != 0;
}
