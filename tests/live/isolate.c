/* SPDX-License-Identifier: Apache-2.0 */
/* isolate.c - attacks from inside: a child becomes one of warderd's processes, whole, and then does
 * what an attacker in it would; and what it must still be able to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolate.h"
#include "warder/own.h"

#define K   (1U << PROC_KEEPER)
#define W   (1U << PROC_WORKER)
#define T   (1U << PROC_STAND_IN)
#define S   (1U << PROC_SCRIBE)
#define C   (1U << PROC_COURIER)
#define ALL (K | W | T | S | C)

#ifdef WARDER_SANITIZED
#define SANITIZED true
#else
#define SANITIZED false
#endif

static struct {
	char dir[32], inside[64], outside[64];
	pid_t victim; /* of another user, waiting */
	int stdio;
} scene = { .stdio = -1 };

/* --- what an attacker tries: 0, or the errno --- */

static int said(long rc)
{
	return rc < 0 ? errno : 0;
}

static int try_exec(void)
{
	char name[] = "true", *const argv[] = { name, NULL };

	return said(execv("/bin/true", argv));
}

static int try_exec_fd(void)
{
	char name[] = "true", *const argv[] = { name, NULL };
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);

	return said(syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH));
}

static int try_ptrace(void)
{
	return said(ptrace(PTRACE_SEIZE, scene.victim, 0, 0));
}

static int try_write_memory(void)
{
	char c = 0;
	struct iovec here = { &c, 1 }, there = { &scene, 1 };

	return said(process_vm_writev(scene.victim, &here, 1, &there, 1, 0));
}

static int try_read_memory(void)
{
	char c = 0;
	struct iovec here = { &c, 1 }, there = { &scene, 1 };

	return said(process_vm_readv(scene.victim, &here, 1, &there, 1, 0));
}

static int try_steal(void)
{
	int fd = pidfd_open(scene.victim, 0);

	return said(syscall(SYS_pidfd_getfd, fd, 0, 0));
}

static int try_overwrite(void)
{
	return said(open(scene.outside, O_WRONLY | O_CLOEXEC));
}

static int try_append(void)
{
	return said(open(scene.outside, O_WRONLY | O_APPEND | O_CLOEXEC));
}

static int try_empty(void)
{
	return said(open(scene.outside, O_RDONLY | O_TRUNC | O_CLOEXEC));
}

static int try_create(void)
{
	char path[80];

	snprintf(path, sizeof path, "%s.new", scene.outside);
	return said(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static int try_hidden_flags(void)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = { .flags = O_RDWR };

	return said(syscall(SYS_openat2, AT_FDCWD, scene.outside, &how, sizeof how));
}

static int try_rename(void)
{
	char path[80];

	snprintf(path, sizeof path, "%s.moved", scene.outside);
	return said(rename(scene.outside, path));
}

static int try_unlink(void)
{
	return said(unlink(scene.outside));
}

static int try_link(void)
{
	char path[80];

	snprintf(path, sizeof path, "%s.link", scene.outside);
	return said(symlink("/etc/passwd", path));
}

static int try_mkdir(void)
{
	char path[80];

	snprintf(path, sizeof path, "%s.dir", scene.outside);
	return said(mkdir(path, 0700));
}

static int try_setuid_program(void)
{
	return said(chmod(scene.outside, 04755));
}

static int try_own(void)
{
	return said(chown(scene.outside, 1, 1));
}

static int try_memory_of_others(void)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/mem", (int)scene.victim);
	return said(open(path, O_RDWR | O_CLOEXEC));
}

static int try_internet(void)
{
	return said(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_internet6(void)
{
	return said(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int try_packets(void)
{
	return said(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int try_engine(void) /* as to docker.sock, which gives whoever is uid 0 the host */
{
	return said(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_root(void)
{
	return said(setresuid(0, 0, 0));
}

static int try_nobody(void)
{
	return said(setuid(65534));
}

static int try_caps(void)
{
	cap_t caps = cap_from_text("all=ep");
	int r = said(cap_set_proc(caps));

	cap_free(caps);
	return r;
}

static int try_mount(void)
{
	return said(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int try_bpf(void)
{
	return said(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_perf(void)
{
	return said(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
}

static int try_module(void)
{
	return said(syscall(SYS_finit_module, 0, "", 0));
}

static int try_kexec(void)
{
	return said(syscall(SYS_kexec_file_load, 0, 0, 0, "", 0));
}

static int try_reboot(void)
{
	return said(syscall(SYS_reboot, 0, 0, 0, NULL)); /* wrong magic */
}

static int try_uring(void)
{
	return said(syscall(SYS_io_uring_setup, 1, NULL));
}

static int try_namespace(void)
{
	return said(unshare(CLONE_NEWUSER));
}

static int try_clone_namespace(void)
{
	return said(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int try_fork(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(0);
	return said(pid);
}

static int try_chroot(void)
{
	return said(chroot("/tmp"));
}

static int try_handle(void)
{
	return said(syscall(SYS_open_by_handle_at, 0, NULL, 0));
}

static int try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int try_code_later(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return said(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int try_type(void) /* into the administrator's terminal */
{
	return said(ioctl(scene.stdio, TIOCSTI, "x"));
}

/* Its standard streams, as where warderd is started from a shell. */
static void get_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	signal(SIGHUP, SIG_IGN); /* of the terminal that the session's leader leaves */
	setsid();
	if (master < 0 || grantpt(master) || unlockpt(master))
		_exit(200);
	scene.stdio = open(ptsname(master), O_RDWR | O_CLOEXEC);
	if (scene.stdio < 0 || ioctl(scene.stdio, TIOCSTI, "x"))
		_exit(200);
}

static int try_kill(void)
{
	return said(kill(scene.victim, 0));
}

static int try_limits(void)
{
	return said(syscall(SYS_prlimit64, scene.victim, 7, &(uint64_t[2]){ 0, 0 }, NULL));
}

static int try_unknown(void)
{
	return said(syscall(SYS_getpriority, 0, 0));
}

enum fate { DEAD = -1, DONE };

static const struct attack {
	const char *what;
	int (*attack)(void);
	unsigned dies;    /* these processes are killed for it */
	unsigned succeed; /* these may; all others get an errno and go on */
	bool runtime;     /* a sanitizer's runtime does so itself */
} attacks[] = {
	{ "run a program", try_exec, ALL, 0, false },
	{ "run a program it holds", try_exec_fd, ALL, 0, false },
	{ "trace", try_ptrace, ALL, 0, false },
	{ "overwrite a file", try_overwrite, W | T | C, K, true },
	{ "append to a file", try_append, W | T | C, K, true },
	{ "empty a file", try_empty, W | T | C, K, true },
	{ "make a file", try_create, W | T | C, K, true },
	{ "open another's memory", try_memory_of_others, W | T | C, 0, true },
	{ "fork", try_fork, 0, K, false },
	{ "map code", try_code, 0, 0, true },
	{ "make code of data", try_code_later, 0, 0, true },
	{ "signal a process of another user", try_kill, W | T | C, 0, false },
	{ "limit another", try_limits, 0, 0, true },
	{ "clone into a namespace", try_clone_namespace, 0, 0, false },
	{ "write another's memory", try_write_memory, ALL, 0, false },
	{ "read another's memory", try_read_memory, ALL, 0, false },
	{ "take another's descriptor", try_steal, ALL, 0, false },
	{ "open with flags in memory", try_hidden_flags, 0, 0, false },
	{ "move a file", try_rename, W | T | C, K, false },
	{ "remove a file", try_unlink, W | T | C, K, false },
	{ "make a symbolic link", try_link, 0, 0, false },
	{ "make a folder", try_mkdir, 0, 0, false },
	{ "make a set-user-id program", try_setuid_program, ALL, 0, false },
	{ "give a file away", try_own, ALL, 0, false },
	{ "open an internet socket", try_internet, W | T, C, false },
	{ "open an internet socket (6)", try_internet6, W | T, C, false },
	{ "read the network", try_packets, W | T, 0, false },
	{ "talk to a container engine", try_engine, W | T, 0, false },
	{ "become root", try_root, ALL, 0, false },
	{ "become nobody", try_nobody, ALL, 0, false },
	{ "get capabilities", try_caps, 0, 0, false },
	{ "mount", try_mount, ALL, 0, false },
	{ "load BPF", try_bpf, ALL, 0, false },
	{ "measure", try_perf, ALL, 0, false },
	{ "load a module", try_module, ALL, 0, false },
	{ "load a kernel", try_kexec, ALL, 0, false },
	{ "reboot", try_reboot, ALL, 0, false },
	{ "make an io_uring", try_uring, ALL, 0, false },
	{ "make a namespace", try_namespace, ALL, 0, false },
	{ "change the root", try_chroot, ALL, 0, false },
	{ "open by handle", try_handle, ALL, 0, false },
	{ "type", try_type, 0, K, false },
	{ "make a call nobody thought of", try_unknown, 0, 0, false },
};

/* --- the scene --- */

/* As in life: its parents' isolation first. */
static int become(enum proc p, struct err *e)
{
	const char *const writable[] = { scene.inside, NULL };
	int r = p == PROC_KEEPER ? 0 : become(isolate_parent(p), e);

	return r ? r : isolate_enter(p, p == PROC_SCRIBE ? writable : NULL, e);
}

static void become_or_exit(enum proc p)
{
	const struct isolate_opts o = { .webhook = p == PROC_COURIER };
	struct err e;
	int r = isolate_prepare(&o, &e);

	if (!r)
		r = become(p, &e);
	if (r) {
		dprintf(STDOUT_FILENO, "%s: %s\n", isolate_name(p), e.msg);
		_exit(200);
	}
}

/* fn in a child that has become p: DEAD (by SIGSYS), or what it said. */
static int in_process(enum proc p, int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		if (!getenv("SHOW"))
			dup2(null,
			     STDERR_FILENO); /* the log of unknown calls is looked at elsewhere */
		get_terminal();
		become_or_exit(p);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return DEAD;
	if (!WIFEXITED(status))
		fail_msg("%s: status 0x%x", isolate_name(p), status);
	assert_int_not_equal(WEXITSTATUS(status), 200);
	return WEXITSTATUS(status);
}

static void make_file(const char *path)
{
	auto_fd fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(scene.dir, "/tmp/warder-isolate-XXXXXX");
	assert_non_null(mkdtemp(scene.dir));
	snprintf(scene.inside, sizeof scene.inside, "%s/in", scene.dir);
	assert_int_equal(mkdir(scene.inside, 0700), 0);
	snprintf(scene.inside, sizeof scene.inside, "%s/in/events", scene.dir);
	snprintf(scene.outside, sizeof scene.outside, "%s/precious", scene.dir);
	make_file(scene.inside);
	make_file(scene.outside);
	scene.victim = fork();
	if (!scene.victim) {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1); /* /proc/PID is its user's, as after an exec */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(scene.victim, NULL, WUNTRACED), scene.victim);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "in/events", "in/events.1",  "in",
					     "precious",  "precious.new", "precious.moved" };

	(void)state;
	kill(scene.victim, SIGKILL);
	waitpid(scene.victim, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[80];

		snprintf(path, sizeof path, "%s/%s", scene.dir, names[i]);
		remove(path);
	}
	return rmdir(scene.dir);
}

static void test_attacks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++)
		for (unsigned p = 0; p < PROC_COUNT && !(SANITIZED && attacks[i].runtime); p++) {
			const struct attack *a = &attacks[i];
			int said_what = in_process((enum proc)p, a->attack),
			    want = a->dies & 1U << p ? DEAD : DONE;
			bool refused = want == DONE && !(a->succeed & 1U << p);

			if (refused ? said_what <= 0 : said_what != want)
				fail_msg("%s: %s: %s", isolate_name((enum proc)p), a->what,
					 said_what == DEAD   ? "killed"
					 : said_what == DONE ? "done"
							     : strerror(said_what));
			if (a->succeed & K) /* the keeper has moved or removed it */
				make_file(scene.outside);
		}
}

/* --- what they must be able to do --- */

static void *thread(void *arg)
{
	return arg;
}

static int need_threads(void)
{
	pthread_t t;
	void *result = NULL;

	for (int i = 0; i < 20; i++)
		if (pthread_create(&t, NULL, thread, &scene) || pthread_join(t, &result))
			return 1;
	return result == &scene ? 0 : 1;
}

static int need_memory(void)
{
	for (size_t size = 16; size < (64UL << 20); size *= 4) {
		char *p = malloc(size);

		if (!p)
			return 1;
		memset(p, 1, size);
		p = realloc(p, size * 2);
		free(p);
	}
	return 0;
}

static int need_proc(void)
{
	char path[48], exe[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)scene.victim);
	if (readlink(path, exe, sizeof exe) < 0)
		return errno;
	snprintf(path, sizeof path, "/proc/%d/root", (int)scene.victim);
	return said(stat(path, &st));
}

static int need_descriptors(void) /* of the task of another user */
{
	char path[48], file[64];

	snprintf(path, sizeof path, "/proc/%d/fd/0", (int)scene.victim);
	return said(readlink(path, file, sizeof file));
}

static int need_kill(void)
{
	auto_fd fd = pidfd_open(scene.victim, 0);

	return said(pidfd_send_signal(fd, 0, NULL, 0));
}

static int need_events(void) /* append, make, move, empty, remove */
{
	char path[80];
	auto_fd fd = open(scene.inside, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0 || write(fd, "{}\n", 3) != 3 || fsync(fd))
		return errno;
	snprintf(path, sizeof path, "%s.1", scene.inside);
	if (rename(scene.inside, path) || unlink(path))
		return errno;
	make_file(scene.inside);
	return said(open(scene.inside, O_RDWR | O_TRUNC | O_CLOEXEC));
}

static int need_syslog(void)
{
	return said(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int need_child(void)
{
	int status = 1;
	pid_t pid = fork();

	if (!pid) {
		struct err e;

		_exit(isolate_enter(PROC_WORKER, NULL, &e) ? 1 : 0);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status;
}

static const struct {
	const char *what;
	int (*need)(void);
	unsigned who; /* the others get an errno */
} needs[] = {
	{ "threads", need_threads, W | T | S | C | K },
	{ "memory", need_memory, ALL },
	{ "a caller's program and root", need_proc, W | T },
	{ "a caller's descriptors", need_descriptors, W },
	{ "to kill a caller", need_kill, W | T },
	{ "to write and rotate events", need_events, S | K },
	{ "a socket for syslog", need_syslog, S | K },
	{ "to start and isolate a worker", need_child, K },
};

static void test_needs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		for (unsigned p = 0; p < PROC_COUNT; p++) {
			int said_what = in_process((enum proc)p, needs[i].need);

			if (!(needs[i].who & 1U << p) != !!said_what)
				fail_msg("%s: %s: %d (%s)", isolate_name((enum proc)p),
					 needs[i].what, said_what, strerror(said_what));
		}
}

/* --- what the kernel says of it --- */

static int look(void)
{
	static const char *const lines[] = { "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
					     "CapInh:\t0000000000000000\n",
					     "CapBnd:\t0000000000000000\n",
					     "CapAmb:\t0000000000000000\n" };
	char text[4096];
	auto_fd fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr(text, lines[i]))
			return 1 + (int)i;
	return 0;
}

static void test_status(void **state)
{
	(void)state;
	for (unsigned p = 0; p < PROC_COUNT; p++)
		assert_int_equal(in_process((enum proc)p, look), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_needs),
		cmocka_unit_test(test_status),
	};

	alarm(120);
	return cmocka_run_group_tests_name("isolate", tests, setup, teardown);
}
