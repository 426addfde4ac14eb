/* SPDX-License-Identifier: Apache-2.0 */
/* inject.c - calls injected into real processes, which must not notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "warder/inject.h"
#include "warder/own.h"

#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN true /* its vfork is a fork, and its handlers wait until a blocked call ends */
#else
#define UNDER_TSAN false
#endif

enum { ROUNDS = 200, MS = 1000 * 1000, SHORT_MS = 400, SLACK_MS = 300 };

/* Seen by the target and by us. */
struct shared {
	atomic_int futex;
	atomic_int stop;
	atomic_int hits;  /* signal handlers that ran */
	atomic_long good; /* rounds of work with the right result */
	atomic_long bad;
	atomic_int visits; /* counted while the target is stopped */
	atomic_int done;
	long result;
	int error;
	uint64_t ns;
};

static struct shared *sh; /* a signal handler of the target needs it */

struct target {
	pid_t pid;
	int pipe[2]; /* [0] is the target's */
	int sock[2];
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static uint64_t soon(void)
{
	return now() + 5000000000U;
}

static long block_read(struct target *t)
{
	char c;

	return read(t->pipe[0], &c, 1);
}

static long block_poll(struct target *t)
{
	struct pollfd p = { .fd = t->pipe[0], .events = POLLIN };

	return poll(&p, 1, -1);
}

static long block_epoll(struct target *t)
{
	struct epoll_event ev = { .events = EPOLLIN };
	const int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, t->pipe[0], &ev);
	return epoll_wait(ep, &ev, 1, -1);
}

static long block_recv_timed(struct target *t)
{
	const struct timeval limit = { 60, 0 };
	char c;

	setsockopt(t->sock[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return recv(t->sock[0], &c, 1, 0);
}

static long block_futex(struct target *t)
{
	(void)t;
	return syscall(SYS_futex, &sh->futex, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static long block_sigwait(struct target *t)
{
	const struct timespec limit = { 60, 0 };
	sigset_t set;

	(void)t;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigtimedwait(&set, NULL, &limit);
}

static long block_semop(struct target *t)
{
	struct sembuf take = { 0, -1, 0 };

	return semtimedop(t->sock[1], &take, 1, &(struct timespec){ 60, 0 });
}

static long wait_nanosleep(struct target *t)
{
	(void)t;
	return nanosleep(&(struct timespec){ 0, SHORT_MS * MS }, NULL);
}

static long wait_poll(struct target *t)
{
	struct pollfd p = { .fd = t->pipe[0], .events = POLLIN };

	return poll(&p, 1, SHORT_MS);
}

static long wait_futex(struct target *t)
{
	const struct timespec limit = { 0, SHORT_MS * MS };

	(void)t;
	return syscall(SYS_futex, &sh->futex, FUTEX_WAIT, 0, &limit, NULL, 0);
}

static void release_byte(struct target *t)
{
	assert_int_equal(write(t->pipe[1], "x", 1), 1);
}

static void release_sock(struct target *t)
{
	assert_int_equal(write(t->sock[1], "x", 1), 1);
}

static void release_futex(struct target *t)
{
	(void)t;
	sh->futex = 1;
	syscall(SYS_futex, &sh->futex, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void release_signal(struct target *t)
{
	assert_int_equal(kill(t->pid, SIGUSR2), 0);
}

static void release_sem(struct target *t)
{
	struct sembuf give = { 0, 1, 0 };

	assert_int_equal(semop(t->sock[1], &give, 1), 0);
}

static void target_start(struct target *t, long (*fn)(struct target *t))
{
	uint64_t begin;

	memset(sh, 0, sizeof *sh);
	assert_int_equal(pipe2(t->pipe, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, t->sock), 0);
	if (fn == block_semop)
		t->sock[1] = semget(IPC_PRIVATE, 1, 0600);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	begin = now();
	sh->result = fn(t);
	sh->error = errno;
	sh->ns = now() - begin;
	sh->done = 1;
	_exit(0);
}

static void target_end(struct target *t)
{
	int status;

	kill(t->pid, SIGKILL);
	waitpid(t->pid, &status, 0);
	close(t->pipe[0]);
	close(t->pipe[1]);
	close(t->sock[0]);
	if (semctl(t->sock[1], 0, IPC_RMID) < 0)
		close(t->sock[1]);
}

/* Until the target is blocked in a system call: /proc/PID/syscall then begins with a number. */
static void wait_blocked(pid_t pid)
{
	const uint64_t deadline = soon();
	char path[40], state[32];
	struct err e;
	long nr;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/syscall", pid);
	for (;;) {
		nr = -1;
		f = fopen(path, "re");
		if (f && fscanf(f, "%ld", &nr) != 1)
			nr = -1;
		if (f)
			fclose(f);
		if (nr >= 0 && !inject_status(pid, "State", state, sizeof state, &e) &&
		    strchr("SD", state[0]))
			return;
		assert_true(now() < deadline);
		sched_yield();
	}
}

static void wait_true(const atomic_int *flag)
{
	const uint64_t deadline = soon();

	while (!*flag) {
		assert_true(now() < deadline);
		usleep(200);
	}
}

static long do_call(struct inject *in, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	const uint64_t args[6] = { a, b, c, d, UINT64_MAX, 0 };
	long ret = 0;
	struct err e;

	if (inject_call(in, nr, args, &ret, NULL, NULL, &e))
		fail_msg("%s", e.msg);
	return ret;
}

/* What an installation does there. Returns the ns from seize to detach. */
static uint64_t visit(pid_t tid, pid_t tgid)
{
	static const char text[] = "not the stack";
	const uint64_t begin = now();
	char back[sizeof text] = "";
	struct inject *in = NULL;
	struct err e;
	long page;
	int r;

	r = inject_open(tid, soon(), &in, &e);
	if (r)
		fail_msg("%s", e.msg);
	sh->visits++;
	page = do_call(in, SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	assert_true(page > 0);
	assert_int_equal(inject_write(in, (uint64_t)page, text, sizeof text, &e), 0);
	assert_int_equal(inject_read(in, (uint64_t)page, back, sizeof back, &e), 0);
	assert_string_equal(back, text);
	assert_int_equal(do_call(in, SYS_getpid, 0, 0, 0, 0), tgid);
	assert_int_equal(do_call(in, SYS_munmap, (uint64_t)page, 4096, 0, 0), 0);
	assert_int_equal(do_call(in, SYS_close, 1000, 0, 0, 0), -EBADF);
	r = inject_close(in, &e);
	if (r)
		fail_msg("%s", e.msg);
	return now() - begin;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_times(const char *what, uint64_t *ns, size_t n)
{
	qsort(ns, n, sizeof *ns, by_value);
	print_message("  %s: seize to detach, 5 calls: median %llu us, 99%% %llu us\n", what,
		      (unsigned long long)ns[n / 2] / 1000,
		      (unsigned long long)ns[n * 99 / 100] / 1000);
}

static void test_blocked_calls_go_on(void **state)
{
	static const struct {
		const char *name;
		long (*block)(struct target *t);
		void (*release)(struct target *t);
		long result;
	} rows[] = {
		{ "read", block_read, release_byte, 1 },
		{ "poll", block_poll, release_byte, 1 },
		{ "epoll_wait", block_epoll, release_byte, 1 },
		{ "recv with a timeout", block_recv_timed, release_sock, 1 },
		{ "futex", block_futex, release_futex, 0 },
		{ "sigtimedwait", block_sigwait, release_signal, SIGUSR2 },
		{ "semtimedop", block_semop, release_sem, 0 },
	};
	uint64_t ns[ROUNDS];
	struct target t;
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		target_start(&t, rows[i].block);
		for (k = 0; k < ROUNDS; k++) {
			wait_blocked(t.pid);
			assert_false(sh->done);
			ns[k] = visit(t.pid, t.pid);
		}
		wait_blocked(t.pid);
		rows[i].release(&t);
		wait_true(&sh->done);
		if (sh->result != rows[i].result)
			fail_msg("%s: %ld, errno %d", rows[i].name, sh->result, sh->error);
		print_times(rows[i].name, ns, ROUNDS);
		target_end(&t);
	}
}

static void test_timed_calls_keep_their_time(void **state)
{
	static const struct {
		const char *name;
		long (*wait)(struct target *t);
		long result;
		int error;
	} rows[] = {
		{ "nanosleep", wait_nanosleep, 0, 0 },
		{ "poll", wait_poll, 0, 0 },
		{ "futex", wait_futex, -1, ETIMEDOUT },
	};
	struct target t;
	uint64_t ms;
	size_t i;
	int visits;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		target_start(&t, rows[i].wait);
		wait_blocked(t.pid);
		for (visits = 0; !sh->done && visits < 20; visits++)
			visit(t.pid, t.pid);
		wait_true(&sh->done);
		ms = sh->ns / MS;
		if (sh->result != rows[i].result || (sh->result < 0 && sh->error != rows[i].error))
			fail_msg("%s: %ld, errno %d", rows[i].name, sh->result, sh->error);
		assert_in_range(ms, SHORT_MS, SHORT_MS + SLACK_MS);
		target_end(&t);
	}
}

static void on_signal(int sig)
{
	(void)sig;
	sh->hits++;
}

static void fast_timer(void)
{
	const struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	const struct itimerval often = { { 0, 100 }, { 0, 100 } };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* Integers, floating point and system calls; each round has one right result. */
static int work_is_right(struct target *t)
{
	uint64_t h = 1469598103934665603U;
	double d = 1.0;
	char c = 'a';
	int i;

	for (i = 0; i < 2000; i++) {
		h = (h ^ (uint64_t)i) * 1099511628211U;
		d = d * 1.0000001 + 1e-9;
	}
	if (write(t->sock[0], &c, 1) != 1 || read(t->sock[1], &c, 1) != 1 || c != 'a')
		return 0;
	return h == 0xe0a88f94ada6d843U && d > 1.00020 && d < 1.00021;
}

static long work_under_timer(struct target *t)
{
	fast_timer();
	while (!sh->stop)
		if (work_is_right(t))
			sh->good++;
		else
			sh->bad++;
	return 0;
}

static void test_working_under_a_timer(void **state)
{
	uint64_t ns[ROUNDS];
	struct target t;
	size_t k;
	long before;

	(void)state;
	target_start(&t, work_under_timer);
	wait_true(&sh->hits);
	for (k = 0; k < ROUNDS; k++) {
		before = sh->good;
		ns[k] = visit(t.pid, t.pid);
		while (sh->good + sh->bad == before)
			sched_yield();
	}
	sh->stop = 1;
	wait_true(&sh->done);
	assert_int_equal(sh->bad, 0);
	print_message("  %ld rounds of work, %d signals\n", (long)sh->good, sh->hits);
	print_times("working, 100 us timer", ns, ROUNDS);
	target_end(&t);
}

static long read_under_timer(struct target *t)
{
	char c;

	fast_timer();
	return read(t->pipe[0], &c, 1);
}

static void test_blocked_under_a_timer(void **state)
{
	struct target t;
	size_t k;

	(void)state;
	if (UNDER_TSAN)
		return;
	target_start(&t, read_under_timer);
	wait_true(&sh->hits);
	for (k = 0; k < ROUNDS; k++)
		visit(t.pid, t.pid);
	assert_false(sh->done);
	release_byte(&t);
	wait_true(&sh->done);
	assert_int_equal(sh->result, 1);
	target_end(&t);
}

static void *thread_work(void *arg)
{
	while (!sh->stop)
		if (work_is_right(arg))
			sh->good++;
		else
			sh->bad++;
	return NULL;
}

static long threads(struct target *t)
{
	pthread_t id[4];
	long failed = 0;
	void *ret;
	size_t i;

	fast_timer();
	for (i = 0; i < ARRAY_LEN(id); i++)
		failed += pthread_create(&id[i], NULL, thread_work, t) != 0;
	for (i = 0; i < ARRAY_LEN(id); i++)
		failed += pthread_join(id[i], &ret) != 0;
	return failed;
}

static void test_many_threads(void **state)
{
	uint64_t ns[ROUNDS];
	struct target t;
	size_t k;

	(void)state;
	target_start(&t, threads);
	wait_true(&sh->hits);
	for (k = 0; k < ROUNDS; k++)
		ns[k] = visit(t.pid, t.pid);
	sh->stop = 1;
	wait_true(&sh->done);
	assert_int_equal(sh->result, 0);
	assert_int_equal(sh->bad, 0);
	assert_true(sh->good > 0);
	print_times("leader of 5 threads, 100 us timer", ns, ROUNDS);
	target_end(&t);
}

#ifdef __x86_64__
/* One restartable sequence that takes a while; true when it was not aborted. */
static bool sequence(void)
{
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	int whole = 1;

	asm volatile(".pushsection __rseq_cs, \"aw\"\n"
		     ".balign 32\n"
		     "3: .long 0, 0\n"
		     ".quad 1f, 2f - 1f, 4f\n"
		     ".popsection\n"
		     "leaq 3b(%%rip), %%rax\n"
		     "movq %%rax, %[cs]\n"
		     "1: movl $50000, %%eax\n"
		     "5: decl %%eax\n"
		     "jnz 5b\n"
		     "2: jmp 6f\n"
		     ".byte 0x0f, 0xb9, 0x3d\n" /* ud1, then the signature */
		     ".long 0x53053053\n"
		     "4: movl $0, %[whole]\n"
		     "6:\n"
		     : [cs] "=m"(area->rseq_cs), [whole] "+m"(whole)
		     :
		     : "rax", "cc", "memory");
	return whole;
}

static long sequences(struct target *t)
{
	int visits;

	(void)t;
	while (!sh->stop) {
		visits = sh->visits;
		if (!sequence())
			sh->hits++;
		else if (visits == sh->visits)
			sh->good++;
		else
			sh->bad++;
	}
	return 0;
}

/* A visit within a sequence aborts it; a visit between reading the counter and the sequence's first
 * instruction looks like one within that did not, so a few of these are let pass. */
static void test_restartable_sequences(void **state)
{
	struct target t;
	size_t k;
	long before;

	(void)state;
	target_start(&t, sequences);
	for (k = 0; k < ROUNDS; k++) {
		before = sh->good;
		while (sh->good == before)
			sched_yield();
		visit(t.pid, t.pid);
	}
	sh->stop = 1;
	wait_true(&sh->done);
	print_message("  sequences: %ld whole, %d aborted, %ld in doubt\n", (long)sh->good,
		      sh->hits, (long)sh->bad);
	assert_true(sh->hits > ROUNDS / 4);
	assert_true(sh->bad < ROUNDS / 20);
	target_end(&t);
}
#endif

/* maps, the signal lines of status, and the list of descriptors, as one text. */
static void snapshot(pid_t pid, char *buf, size_t size)
{
	static const char *const fields[] = { "SigBlk", "SigIgn", "SigCgt",  "SigPnd",
					      "ShdPnd", "FDSize", "Threads", "TracerPid" };
	char path[64];
	struct dirent *d;
	struct err e;
	size_t used, i;
	FILE *f;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	used = fread(buf, 1, size / 2, f);
	fclose(f);
	for (i = 0; i < ARRAY_LEN(fields); i++) {
		assert_int_equal(inject_status(pid, fields[i], buf + used, 64, &e), 0);
		used += strlen(buf + used);
	}
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir)))
		used += (size_t)snprintf(buf + used, size - used, " %s", d->d_name);
	closedir(dir);
}

static long handlers(struct target *t)
{
	const struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGTRAP, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	signal(SIGHUP, SIG_IGN);
	return block_read(t);
}

static void test_leaves_no_trace(void **state)
{
	static char before[64 * 1024], after[64 * 1024];
	struct target t;

	(void)state;
	target_start(&t, handlers);
	wait_blocked(t.pid);
	snapshot(t.pid, before, sizeof before);
	visit(t.pid, t.pid);
	wait_blocked(t.pid);
	snapshot(t.pid, after, sizeof after);
	assert_string_equal(before, after);
	target_end(&t);
}

static struct inject *open_ok(pid_t pid)
{
	struct inject *in = NULL;
	struct err e;

	if (inject_open(pid, soon(), &in, &e))
		fail_msg("%s", e.msg);
	return in;
}

static void test_signals_meanwhile(void **state)
{
	static const int signals[] = { SIGUSR1, SIGTRAP };
	struct inject *in;
	struct target t;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(signals); i++) {
		target_start(&t, handlers);
		wait_blocked(t.pid);
		in = open_ok(t.pid);
		kill(t.pid, signals[i]);
		assert_int_equal(do_call(in, SYS_getpid, 0, 0, 0, 0), t.pid);
		assert_int_equal(sh->hits, 0);
		assert_int_equal(inject_close(in, &e), 0);
		wait_true(&sh->done);
		assert_int_equal(sh->hits, 1);
		assert_int_equal(sh->result, -1);
		assert_int_equal(sh->error, EINTR);
		target_end(&t);
	}
}

static void test_stopped_meanwhile(void **state)
{
	struct inject *in;
	struct target t;
	struct err e;
	int status;

	(void)state;
	target_start(&t, block_read);
	wait_blocked(t.pid);
	in = open_ok(t.pid);
	kill(t.pid, SIGSTOP);
	assert_int_equal(do_call(in, SYS_getpid, 0, 0, 0, 0), t.pid);
	assert_int_equal(do_call(in, SYS_getpid, 0, 0, 0, 0), t.pid);
	assert_int_equal(inject_close(in, &e), 0);
	assert_int_equal(waitpid(t.pid, &status, WUNTRACED), t.pid);
	assert_true(WIFSTOPPED(status));
	kill(t.pid, SIGCONT);
	release_byte(&t);
	wait_true(&sh->done);
	assert_int_equal(sh->result, 1);
	target_end(&t);
}

static void test_killed_meanwhile(void **state)
{
	const uint64_t none[6] = { 0 };
	struct inject *in;
	struct target t;
	struct err e;
	long ret = 77;

	(void)state;
	target_start(&t, block_read);
	wait_blocked(t.pid);
	in = open_ok(t.pid);
	kill(t.pid, SIGKILL);
	assert_int_equal(inject_call(in, SYS_getpid, none, &ret, NULL, NULL, &e), -ESRCH);
	assert_int_equal(ret, 77);
	assert_int_equal(inject_close(in, &e), -ESRCH);
	target_end(&t);
}

/* A call that does not end: the deadline holds, and the target's own call goes on afterwards. */
static void test_deadline(void **state)
{
	const struct timespec minute = { 60, 0 };
	struct inject *in = NULL;
	struct target t;
	struct err e;
	long ret = 77;
	long page;

	(void)state;
	target_start(&t, block_read);
	wait_blocked(t.pid);
	assert_int_equal(inject_open(t.pid, now() + 100 * MS, &in, &e), 0);
	page = do_call(in, SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	assert_int_equal(inject_write(in, (uint64_t)page, &minute, sizeof minute, &e), 0);
	assert_int_equal(inject_call(in, SYS_nanosleep, (uint64_t[6]){ (uint64_t)page }, &ret, NULL,
				     NULL, &e),
			 -ETIMEDOUT);
	assert_int_equal(ret, 77);
	assert_int_equal(inject_close(in, &e), 0);
	wait_blocked(t.pid);
	release_byte(&t);
	wait_true(&sh->done);
	assert_int_equal(sh->result, 1);
	target_end(&t);
}

static long vfork_parent(struct target *t)
{
	const pid_t child = vfork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		block_read(t);
		_exit(0);
	}
	return child > 0;
}

static long traced(struct target *t)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	return block_read(t);
}

/* pause() for ever, as a 32-bit program. */
static long other_architecture(struct target *t)
{
	static const struct {
		Elf32_Ehdr head;
		Elf32_Phdr load;
		unsigned char code[9]; /* mov $29, %eax; int $0x80; jmp back */
	} file = {
		.head = { .e_ident = ELFMAG "\1\1\1",
			  .e_type = ET_EXEC,
			  .e_machine = EM_386,
			  .e_version = EV_CURRENT,
			  .e_entry = 0x8048000 + sizeof file.head + sizeof file.load,
			  .e_phoff = sizeof file.head,
			  .e_ehsize = sizeof file.head,
			  .e_phentsize = sizeof file.load,
			  .e_phnum = 1 },
		.load = { .p_type = PT_LOAD,
			  .p_vaddr = 0x8048000,
			  .p_filesz = sizeof file,
			  .p_memsz = sizeof file,
			  .p_flags = PF_R | PF_X,
			  .p_align = 0x1000 },
		.code = { 0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7 },
	};
	const int fd = (int)syscall(SYS_memfd_create, "i386", 0);
	char *const argv[] = { (char *)(uintptr_t) "i386", NULL };

	(void)t;
	if (write(fd, &file, sizeof file) != (ssize_t)sizeof file)
		return -1;
	return fexecve(fd, argv, argv + 1);
}

static long stop_self(struct target *t)
{
	raise(SIGSTOP);
	return block_read(t);
}

static long end(struct target *t)
{
	(void)t;
	_exit(0);
}

static void wait_state(pid_t pid, char want)
{
	const uint64_t deadline = soon();
	char state[32];
	struct err e;

	do {
		assert_true(now() < deadline);
		assert_int_equal(inject_status(pid, "State", state, sizeof state, &e), 0);
		sched_yield();
	} while (state[0] != want);
}

/* Until it is the 32-bit program: that one has no libc mapped. */
static void wait_other(pid_t pid)
{
	const uint64_t deadline = soon();
	char path[40], link[64];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	do {
		assert_true(now() < deadline);
		sched_yield();
		n = readlink(path, link, sizeof link - 1);
		link[n > 0 ? n : 0] = '\0';
	} while (!strstr(link, "memfd:"));
	wait_state(pid, 'S');
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		long (*fn)(struct target *t);
		char wait; /* for this state; 0: for another program */
		int error;
	} rows[] = {
		{ "vfork parent", vfork_parent, 'D', EBUSY },
		{ "stopped", stop_self, 'T', EBUSY },
		{ "ended", end, 'Z', ESRCH },
		{ "traced", traced, 'S', EPERM },
#ifdef __x86_64__
		{ "i386 program", other_architecture, '\0', ENOTSUP },
#endif
	};
	struct inject *in = NULL;
	struct target t;
	struct err e;
	size_t i;
	int r;

	(void)state;
	for (i = UNDER_TSAN ? 1 : 0; i < ARRAY_LEN(rows); i++) {
		target_start(&t, rows[i].fn);
		if (rows[i].wait)
			wait_state(t.pid, rows[i].wait);
		else
			wait_other(t.pid);
		r = inject_open(t.pid, now() + 300 * MS, &in, &e);
		if (r != -rows[i].error)
			fail_msg("%s: %d (%s)", rows[i].name, r, r ? e.msg : "");
		assert_null(in);
		target_end(&t);
	}
	assert_int_equal(inject_open(0x3ffffffe, soon(), &in, &e), -ESRCH);
}

/* A tracer that is killed takes the target along, whichever call it was at. */
static void test_tracer_killed(void **state)
{
	struct target t;
	pid_t tracer;
	int status;
	struct err e;

	(void)state;
	target_start(&t, block_read);
	wait_blocked(t.pid);
	tracer = fork();
	if (tracer == 0) {
		struct inject *in = NULL;

		if (inject_open(t.pid, soon(), &in, &e))
			_exit(1);
		do_call(in, SYS_getpid, 0, 0, 0, 0);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(tracer, &status, 0), tracer);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	target_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocked_calls_go_on),
		cmocka_unit_test(test_timed_calls_keep_their_time),
		cmocka_unit_test(test_working_under_a_timer),
		cmocka_unit_test(test_blocked_under_a_timer),
		cmocka_unit_test(test_many_threads),
#ifdef __x86_64__
		cmocka_unit_test(test_restartable_sequences),
#endif
		cmocka_unit_test(test_leaves_no_trace),
		cmocka_unit_test(test_signals_meanwhile),
		cmocka_unit_test(test_stopped_meanwhile),
		cmocka_unit_test(test_killed_meanwhile),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_tracer_killed),
	};

	sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("live/inject", tests, NULL, NULL);
}
