/* SPDX-License-Identifier: Apache-2.0 */
/* warderd.c - the whole daemon without a container: hand-overs as our hook and as a native runtime
 * make them, peers that misbehave, its end. $WARDER_BUILD: where it is (build). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "warder/ask.h"
#include "warder/event.h"
#include "warder/filter.h"
#include "warder/notify.h"
#include "warder/own.h"
#include "warder/wire.h"

#define SECOND 1000000000ULL
#ifdef WARDER_SANITIZED
#define IDLE_TASKS 5 /* ThreadSanitizer's runtime has a thread of its own */
#else
#define IDLE_TASKS 4 /* ".", "..", the main thread, control.h's */
#endif

static const char policy[] =
	"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"getpgid\"], "
	"\"action\": \"SCMP_ACT_ERRNO\"}], \"warder\": {\"mode\": \"enforce\"}}";

/* --- the daemon --- */

struct daemon {
	char dir[32], socket[64], events[64], log[64];
	pid_t pid;
};

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	auto_file f = NULL;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

static void configure(struct daemon *d)
{
	char text[512];

	strcpy(d->dir, "/tmp/warder-live-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->socket, sizeof d->socket, "%s/listener.sock", d->dir);
	snprintf(d->events, sizeof d->events, "%s/events.json", d->dir);
	snprintf(d->log, sizeof d->log, "%s/log", d->dir);
	snprintf(text, sizeof text,
		 "{\"socket\": \"%s\", \"policies\": \"%s\", \"events\": \"%s\", \"timeout\": "
		 "\"3s\"}",
		 d->socket, d->dir, d->events);
	write_file(d->dir, "config.json", text);
	write_file(d->dir, "default.json", policy);
}

static _Noreturn void run_daemon(const struct daemon *d, int ready)
{
	const char *build = getenv("WARDER_BUILD");
	char program[256];
	char config[64], number[16];
	int log = open(d->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	snprintf(config, sizeof config, "%s/config.json", d->dir);
	snprintf(number, sizeof number, "%d", ready);
	dup2(log, STDERR_FILENO);
	close(log);
	snprintf(program, sizeof program, "%s/warderd", build ? build : "build");
	execl(program, "warderd", "--config", config, "--ready-fd", number, NULL);
	_exit(127);
}

static int setup(void **state)
{
	static struct daemon d;
	int ready[2];
	char c;

	configure(&d);
	assert_int_equal(pipe(ready), 0);
	d.pid = fork();
	if (!d.pid) {
		close(ready[0]);
		run_daemon(&d, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*state = &d;
	return 0;
}

static int daemon_stop(struct daemon *d)
{
	int status;

	kill(d->pid, SIGTERM);
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	d->pid = 0;
	return status;
}

static int teardown(void **state)
{
	static const char *const files[] = { "config.json", "default.json", "events.json", "log" };
	struct daemon *d = *state;
	int status = d->pid ? daemon_stop(d) : 0;
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof path, "%s/%s", d->dir, files[i]);
		unlink(path);
	}
	return rmdir(d->dir) || status; /* the socket is gone, or rmdir fails */
}

static char *read_file(const char *path)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0, len = 0;
	char *text = NULL;
	ssize_t n;

	assert_true(fd >= 0);
	do {
		size = 2 * size + 4096;
		text = realloc(text, size);
		assert_non_null(text);
		while ((n = read(fd, text + len, size - 1 - len)) > 0)
			len += (size_t)n;
	} while (len == size - 1);
	text[len] = 0;
	return text;
}

/* Waits until the log says so. */
static void await_log(const struct daemon *d, const char *words)
{
	const struct timespec nap = { 0, 2000000 };
	uint64_t deadline = wire_deadline(10 * SECOND);

	for (;;) {
		auto_free char *text = read_file(d->log);

		if (strstr(text, words))
			return;
		if (wire_deadline(0) > deadline)
			fail_msg("the log lacks \"%s\":\n%s", words, text);
		nanosleep(&nap, NULL);
	}
}

static size_t entries(pid_t pid, const char *what)
{
	char path[64];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* The daemon's child that shares its descriptor table. 0: not there. */
static pid_t find_worker(const struct daemon *d)
{
	char path[64];
	auto_free char *text = NULL;
	char *p;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)d->pid, (int)d->pid);
	text = read_file(path);
	p = text;
	for (long pid; (pid = strtol(p, &p, 10)) > 0;)
		if (!syscall(SYS_kcmp, d->pid, pid, 2 /* KCMP_FILES */, 0, 0))
			return (pid_t)pid;
	return 0;
}

static pid_t worker_of(const struct daemon *d)
{
	pid_t pid;

	while (!(pid = find_worker(d)))
		sched_yield();
	return pid;
}

/* --- a contained process --- */

struct shared {
	_Atomic int go, done, denied, other, error;
};

struct actor {
	pid_t pid;
	int listener;
	struct shared *sh;
};

static _Noreturn void act(const struct bpf_prog *gate, struct shared *sh, int calls, int to)
{
	struct err e;
	int fd = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    filter_load(gate,
			SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
			&fd, &e) ||
	    write(to, &fd, sizeof fd) != sizeof fd)
		_exit(100);
	while (!sh->go)
		sched_yield();
	close(fd);
	for (int i = 0; i < calls; i++)
		if (syscall(SYS_getpgid, 0) < 0 && errno == EPERM) {
			sh->denied++;
		} else {
			sh->other++;
			sh->error = errno;
		}
	sh->done = 1;
	while (calls > 1 && sh->go != 2) /* many calls: lives on until told */
		sched_yield();
	_exit(0);
}

static struct actor actor_start(const struct bpf_prog *gate, int calls)
{
	int to[2], number, pidfd;
	struct actor a;

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	a.sh = mmap(NULL, sizeof *a.sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(a.sh, MAP_FAILED);
	a.pid = fork();
	if (!a.pid)
		act(gate, a.sh, calls, to[1]);
	close(to[1]);
	assert_int_equal(read(to[0], &number, sizeof number), sizeof number);
	close(to[0]);
	pidfd = pidfd_open(a.pid, 0);
	a.listener = pidfd_getfd(pidfd, number, 0);
	assert_true(a.listener >= 0);
	close(pidfd);
	return a;
}

static void actor_end(struct actor *a)
{
	int status;

	assert_int_equal(waitpid(a->pid, &status, 0), a->pid);
	assert_int_equal(status, 0);
	munmap(a->sh, sizeof *a->sh);
}

/* --- hand-overs --- */

static int dial(const struct daemon *d)
{
	struct err e;
	int sock;

	if (wire_connect(d->socket, wire_deadline(5 * SECOND), &sock, &e))
		fail_msg("%s", e.msg);
	fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) & ~O_NONBLOCK); /* for peers of other kinds */
	return sock;
}

/* Asks as our hook does; gate: bpf_fini(). */
static void ask_gate(int sock, const char *id, struct bpf_prog *gate)
{
	const struct ask ask = { .id = id };
	auto_free char *text = NULL;
	struct wire_msg msg;
	struct answer answer;
	struct err e = { 0 };
	size_t len;

	if (ask_format(&ask, &text, &len, &e) ||
	    wire_send(sock, wire_deadline(5 * SECOND), text, len, NULL, 0, &e) ||
	    wire_recv(sock, wire_deadline(5 * SECOND), &msg, &e) ||
	    answer_parse(msg.text, msg.len, &answer, &e))
		fail_msg("%s", e.msg);
	assert_true(answer.ok);
	assert_string_equal(answer.policy, "default");
	assert_string_equal(answer.mode, "enforce");
	assert_int_equal(msg.n_fds, 1);
	if (ask_get_prog(msg.fds[0], gate, &e))
		fail_msg("%s", e.msg);
	answer_fini(&answer);
	wire_fini(&msg);
}

/* A ContainerProcessState's text; padding: bytes in an annotation. */
static char *state_text(const char *id, pid_t pid, size_t padding, size_t *len)
{
	struct json_object *notes = json_object_new_object();
	auto_free char *pad = malloc(padding + 1);
	struct oci_state s = { .version = "1.0.2",
			       .id = id,
			       .status = "creating",
			       .pid = pid,
			       .bundle = "/nonexistent",
			       .annotations = notes };
	struct err e;
	char *text;

	memset(pad, 'x', padding);
	pad[padding] = 0;
	json_object_object_add(notes, "pad", json_object_new_string(pad));
	if (oci_process_state_format(&s, pid, "", &text, len, &e))
		fail_msg("%s", e.msg);
	json_object_put(notes);
	return text;
}

/* Whole text with all descriptors in one message, or an error: peers that misbehave use it too. */
static void send_raw(int sock, const char *text, size_t len, const int *fds, int n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char *)(uintptr_t)text, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, (size_t)n_fds * sizeof(int));
	}
	n = sendmsg(sock, &m, MSG_NOSIGNAL);
	for (size_t sent = n > 0 ? (size_t)n : len; sent < len; sent += (size_t)n) {
		n = send(sock, text + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			return;
	}
}

/* One container as our hook brings it, from the question to its end. */
static void play_hook(const struct daemon *d, const char *id, int calls)
{
	auto_fd sock = dial(d);
	auto_free char *text = NULL;
	struct bpf_prog gate;
	struct answer answer;
	struct wire_msg msg;
	struct actor a;
	struct err e;
	size_t len;

	ask_gate(sock, id, &gate);
	a = actor_start(&gate, calls);
	bpf_fini(&gate);
	text = state_text(id, a.pid, 0, &len);
	send_raw(sock, text, len, &a.listener, 1);
	close(a.listener);
	if (wire_recv(sock, wire_deadline(5 * SECOND), &msg, &e) ||
	    answer_parse(msg.text, msg.len, &answer, &e))
		fail_msg("%s", e.msg);
	assert_true(answer.ok);
	answer_fini(&answer);
	wire_fini(&msg);
	a.sh->go = 2;
	while (!a.sh->done)
		sched_yield();
	/* init is the caller: starting, until an exec that never comes */
	assert_int_equal(a.sh->other, calls);
	actor_end(&a);
}

/* One that a native runtime brings; its calls are made by a child of init, so they are decided. */
static struct actor start_native(const struct daemon *d, const char *id, size_t padding, int calls)
{
	auto_fd sock = dial(d);
	auto_free char *text = NULL;
	auto_fd ask = dial(d);
	struct bpf_prog gate;
	struct actor a;
	size_t len;

	ask_gate(ask, "only for its gate", &gate);
	a = actor_start(&gate, calls);
	bpf_fini(&gate);
	text = state_text(id, 1, padding, &len); /* another is init: a is not starting */
	send_raw(sock, text, len, &a.listener, 1);
	close(a.listener);
	return a;
}

static void end_native(struct actor *a, int calls)
{
	a->sh->go = 1;
	while (!a->sh->done)
		sched_yield();
	assert_int_equal(a->sh->denied, calls);
	a->sh->go = 2;
	actor_end(a);
}

static void play_native(const struct daemon *d, const char *id, size_t padding, int calls)
{
	struct actor a = start_native(d, id, padding, calls);

	end_native(&a, calls);
}

static void test_hook(void **state)
{
	play_hook(*state, "h1", 3);
	await_log(*state, "container h1: policy default, mode enforce");
}

static const size_t paddings[] = { 0, 5000, 40000, 400000 };

static void test_native(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(paddings); i++)
		play_native(*state, "n1", paddings[i], 10);
}

/* --- peers that misbehave --- */

static int a_listener = -1; /* a real one, whose call nobody makes */

static int kind_pipe(void)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[0]);
	return p[1];
}

static int kind_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int kind_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int kind_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int kind_listener(void)
{
	return dup(a_listener);
}

static const struct {
	const char *what;
	int (*kind)(void);
	int n_fds;
	const char *text; /* NULL: a whole state */
	int cut;          /* bytes left out at its end */
	bool hangs_up;
} bad_peers[] = {
	{ "a pipe", kind_pipe, 1, NULL, 0, false },
	{ "a file", kind_file, 1, NULL, 0, false },
	{ "a socket", kind_socket, 1, NULL, 0, false },
	{ "an epoll", kind_epoll, 1, NULL, 0, false },
	{ "no descriptor", NULL, 0, NULL, 0, false },
	{ "two descriptors", kind_listener, 2, NULL, 0, false },
	{ "nine descriptors", kind_listener, 9, NULL, 0, false },
	{ "half a state, then gone", kind_listener, 1, NULL, 100, true },
	{ "half a state, then silence", kind_listener, 1, NULL, 100, false },
	{ "no JSON", kind_listener, 1, "hello\n", 0, false },
	{ "a number", kind_listener, 1, "17 ", 0, false },
	{ "an empty object", kind_listener, 1, "{}", 0, false },
	{ "two documents", kind_listener, 1, "{}{}", 0, false },
	{ "a NUL", kind_listener, 1, "{\"a\": \"\\u0000\"}", 0, false },
	{ "half a question", NULL, 0, "{\"warder\": 1, \"ask\": {", 0, true },
	{ "an empty question", NULL, 0, "{\"warder\": 1, \"ask\": {}}", 0, false },
	{ "another version", NULL, 0, "{\"warder\": 99, \"ask\": {\"id\": \"x\"}}", 0, false },
};

static void misbehave(const struct daemon *d, size_t i)
{
	auto_fd sock = dial(d);
	auto_free char *state = state_text("bad", 1, 0, &(size_t){ 0 });
	const char *text = bad_peers[i].text ? bad_peers[i].text : state;
	int fds[16];
	char buf[4096];

	for (int k = 0; k < bad_peers[i].n_fds; k++)
		fds[k] = bad_peers[i].kind();
	send_raw(sock, text, strlen(text) - (size_t)bad_peers[i].cut, fds, bad_peers[i].n_fds);
	for (int k = 0; k < bad_peers[i].n_fds; k++)
		close(fds[k]);
	if (bad_peers[i].hangs_up)
		return;
	while (read(sock, buf, sizeof buf) > 0) /* until it hangs up on us */
		continue;
}

static void test_bad_peers(void **state)
{
	struct daemon *d = *state;
	struct bpf_prog gate;
	auto_fd sock = dial(d);
	pid_t worker = worker_of(d);
	auto_free char *log = NULL;
	struct actor a;
	size_t fds, lines = 0;

	ask_gate(sock, "only for its gate", &gate);
	a = actor_start(&gate, 0);
	a_listener = a.listener;
	bpf_fini(&gate);
	play_native(d, "before", 0, 5);
	fds = entries(worker, "fd");
	for (size_t i = 0; i < ARRAY_LEN(bad_peers); i++) {
		misbehave(d, i);
		play_native(d, "meanwhile", 0, 5);
	}
	for (uint64_t end = wire_deadline(5 * SECOND); entries(worker, "fd") > fds;)
		assert_true(wire_deadline(0) < end);
	assert_int_equal(worker_of(d), worker); /* it has not died of it */
	log = read_file(d->log);
	for (char *p = log; (p = strstr(p, " refused: ")); p++)
		lines++;
	assert_true(lines >= ARRAY_LEN(bad_peers));
	close(a.listener);
	a.sh->go = 2;
	actor_end(&a);
}

/* Clients that say nothing hold up nobody, and are hung up on. */
static void test_silent(void **state)
{
	struct daemon *d = *state;
	int silent[40];
	char c;

	for (size_t i = 0; i < ARRAY_LEN(silent); i++)
		silent[i] = dial(d);
	for (int i = 0; i < 5; i++)
		play_native(d, "meanwhile", 0, 5);
	for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
		struct pollfd p = { silent[i], POLLIN, 0 };

		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_equal(read(silent[i], &c, 1), 0);
		close(silent[i]);
	}
}

static void test_many(void **state)
{
	struct daemon *d = *state;
	pid_t worker = worker_of(d);
	uint64_t end;
	size_t fds, threads;

	play_native(d, "first", 0, 1);
	while (entries(worker, "task") > IDLE_TASKS)
		sched_yield();
	fds = entries(worker, "fd");
	threads = entries(worker, "task");
	for (int i = 0; i < 100; i++) {
		play_native(d, "many", 0, 5);
		play_hook(d, "many", 1);
	}
	end = wire_deadline(5 * SECOND);
	while (entries(worker, "fd") > fds || entries(worker, "task") > threads)
		assert_true(wire_deadline(0) < end);
	print_message("200 sessions: %zu descriptors, %zu threads before and after\n", fds - 2,
		      threads - 2);
}

/* --- its end --- */

struct counts {
	size_t calls /* by their counts */, starts, ends, lost;
};

static struct counts count_events(const struct daemon *d)
{
	auto_free char *text = read_file(d->events);
	struct counts n = { 0 };

	for (char *end, *p = text; (end = strchr(p, '\n')); p = end + 1) {
		static char strings[EVENT_LINE_MAX];
		struct event ev;
		struct err e;

		if (event_parse(p, (size_t)(end - p) + 1, &ev, strings, sizeof strings, &e))
			fail_msg("%s: %.*s", e.msg, (int)(end - p), p);
		n.calls += ev.type == EVENT_CALL || ev.type == EVENT_SUPPRESSED ? ev.count : 0;
		n.starts += ev.type == EVENT_SESSION_START;
		n.ends += ev.type == EVENT_SESSION_END;
		n.lost += ev.type == EVENT_LOST ? ev.count : 0;
	}
	return n;
}

static void test_term(void **state)
{
	struct daemon *d = *state;
	struct actor a = start_native(d, "last", 0, 4000);
	struct counts n;
	struct stat st;

	a.sh->go = 1;
	while (!a.sh->done)
		sched_yield();
	assert_int_equal(a.sh->denied, 4000);
	assert_int_equal(daemon_stop(d), 0);
	assert_int_equal(stat(d->socket, &st), -1);
	n = count_events(d);
	assert_int_equal(n.calls + n.lost, 4000);
	assert_int_equal(n.starts, 1);
	assert_int_equal(n.ends, 1);
	a.sh->go = 2;
	actor_end(&a);
}

/* The worker is killed again and again while a container calls: every call gets its answer, and
 * the events count each once. */
static void test_worker_dies(void **state)
{
	struct daemon *d = *state;
	struct actor a = start_native(d, "steady", 0, 60000);
	struct counts n;
	int deaths = 0;

	a.sh->go = 1;
	while (!a.sh->denied)
		sched_yield();
	while (deaths < 4 && !a.sh->done) {
		pid_t worker = worker_of(d);
		int before = a.sh->denied;

		kill(worker, SIGKILL);
		deaths++;
		while (!a.sh->done && (worker_of(d) == worker || a.sh->denied < before + 1000))
			sched_yield();
	}
	while (!a.sh->done)
		sched_yield();
	print_message("%d deaths: %d calls denied, %d otherwise\n", deaths, a.sh->denied,
		      a.sh->other);
	assert_int_equal(a.sh->denied, 60000);
	a.sh->go = 2;
	actor_end(&a);
	assert_int_equal(daemon_stop(d), 0);
	n = count_events(d);
	assert_int_equal(n.calls + n.lost, 60000);
	assert_int_equal(n.starts, 1);
	assert_int_equal(n.ends, 1);
}

/* --- a worker gone mad --- */

/* The daemon's shared memory, as a worker has it. */
static struct arena *arena_of(const struct daemon *d)
{
	struct arena *a = NULL;
	char path[320], link[64];
	struct dirent *entry;
	struct err e;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)d->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (!a && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);

		link[n > 0 ? n : 0] = 0;
		if (strcmp(link, "/memfd:warder (deleted)") != 0)
			continue;
		snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)d->pid, entry->d_name);
		auto_fd fd = open(path, O_RDWR | O_CLOEXEC);

		if (arena_map(fd, &a, &e))
			fail_msg("%s", e.msg);
	}
	closedir(dir);
	assert_non_null(a);
	return a;
}

static struct block *live_block(struct arena *a)
{
	for (uint32_t i = 0; i < ARENA_SESSIONS; i++)
		if (atomic_load(&a->blocks[i].state) == BLOCK_LIVE)
			return &a->blocks[i];
	fail_msg("no session");
	return NULL;
}

static uint64_t chance(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* What a worker may write to and others read, but for what would only make its own calls wait. */
static void scribble(struct arena *a, struct block *b, int round)
{
	const struct {
		void *at;
		size_t size;
	} places[] = {
		{ b->lane.ring, sizeof b->lane.ring },
		{ b->id, offsetof(struct block, lane) - offsetof(struct block, id) },
		{ b->lane.commit, sizeof b->lane.commit },
		{ b->folds, sizeof b->folds },
		{ a->requests, sizeof a->requests },
		{ &a->sums, sizeof a->sums },
		{ a->marks, sizeof a->marks },
		{ &a->batch, sizeof a->batch },
		{ &a->totals, sizeof a->totals },
	};
	size_t which = (size_t)round % ARRAY_LEN(places);
	unsigned char *at = places[which].at;

	for (size_t n = which ? 32 : 4096; n; n--)
		at[chance() % places[which].size] = (unsigned char)(chance() >> 8);
}

/* Whatever it writes, those who read it do not die of it, and there is a worker for the next. */
static void test_mad_worker(void **state)
{
	static const char *const deaths[] = {
		"signal 11",       "signal 6", "signal 7", "signal 4", "forbidden system call",
		"AddressSanitizer"
	};
	struct daemon *d = *state;
	struct actor a = start_native(d, "mad", 0, 100000000);
	struct arena *arena = arena_of(d);
	auto_free char *log = NULL;
	struct block *b;
	pid_t scribe;

	a.sh->go = 1;
	while (!a.sh->denied)
		sched_yield();
	b = live_block(arena);
	scribe = atomic_load(&arena->pids[PROC_SCRIBE]);
	for (int round = 0; round < 2000; round++) {
		scribble(arena, b, round);
		usleep(100);
	}
	kill(a.pid, SIGKILL);
	waitpid(a.pid, NULL, 0);
	log = read_file(d->log);
	for (size_t i = 0; i < ARRAY_LEN(deaths); i++)
		if (strstr(log, deaths[i]))
			fail_msg("%s", log);
	assert_int_equal(kill(scribe, 0), 0);
	assert_int_equal(kill(d->pid, 0), 0);
	arena_unmap(arena);
	close(a.listener);
	munmap(a.sh, sizeof *a.sh);
	print_message("%s", log);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_hook), TEST(test_native), TEST(test_bad_peers),   TEST(test_silent),
		TEST(test_many), TEST(test_term),   TEST(test_worker_dies), TEST(test_mad_worker),
	};

	alarm(240);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("warderd", tests, NULL, NULL);
}
