/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - sessions against the real kernel: children under real filters, real listeners, the
 * events read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../supervisor/journal.h"
#include "../../supervisor/session.h"
#include "warder/names.h"
#include "warder/notify.h"
#include "warder/own.h"

#define WAIT_KILLABLE SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV

static const char policy_text[] =
	"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
	"{\"names\": [\"getpgid\"], \"action\": \"SCMP_ACT_ERRNO\"},"
	"{\"names\": [\"getsid\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 38},"
	"{\"names\": [\"sched_getscheduler\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 133},"
	"{\"names\": [\"sched_get_priority_max\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": "
	"13,"
	" \"args\": [{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}]},"
	"{\"names\": [\"times\"], \"action\": \"SCMP_ACT_LOG\"},"
	"{\"names\": [\"umask\"], \"action\": \"SCMP_ACT_KILL_PROCESS\"},"
	"{\"names\": [\"getpriority\"], \"action\": \"SCMP_ACT_KILL_THREAD\"}],"
	"\"warder\": {\"mode\": \"audit\", \"rules\": ["
	"{\"names\": [\"getresuid\"], \"verdict\": \"deny\", \"errno\": \"EXDEV\","
	" \"message\": \"no asking\"},"
	"{\"names\": [\"getresgid\"], \"verdict\": \"kill\"}]}}";

/* --- the rig: arena, policy, journal; events go to a memfd or where the test says --- */

struct rig {
	struct arena *arena;
	struct policies *policies;
	const struct compiled *compiled;
	struct sinks *sinks;
	struct journal *journal;
	int events;
	int ends; /* eventfd: each session's end adds 1 */
};

static void rig_open(struct rig *r, int events)
{
	const struct policies_key key = { .name = "test" };
	struct journal_opts jo = { 0 };
	struct sink_config config;
	struct sinks_opts so = { .n = 1, .configs = &config };
	struct err e = { 0 };

	memset(r, 0, sizeof *r);
	r->events = events >= 0 ? events : memfd_create("events", MFD_CLOEXEC);
	r->ends = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (arena_new(&r->arena, &e) || policies_new(r->arena, &r->policies, &e) ||
	    policies_add(r->policies, &key, policy_text, strlen(policy_text), &r->compiled, NULL,
			 &e))
		fail_msg("%s", e.msg);
	jo.arena = r->arena;
	jo.policies = r->policies;
	so.arena = r->arena;
	sink_config_init(&config, SINK_file);
	config.fd = r->events;
	if (sinks_open(&so, &r->sinks, &e))
		fail_msg("%s", e.msg);
	jo.sinks = r->sinks;
	if (journal_new(&jo, &r->journal, &e) || journal_start(r->journal, &e))
		fail_msg("%s", e.msg);
}

static void rig_close(struct rig *r)
{
	if (r->journal) {
		journal_finish(r->journal);
		journal_free(r->journal);
		sinks_close(r->sinks);
	}
	policies_put(r->policies, r->compiled);
	policies_free(r->policies);
	arena_unmap(r->arena);
	close(r->ends);
	close(r->events);
}

/* Ends the journal, so that all is written, and reads its lines. */
struct lines {
	size_t n;
	struct event *ev;
	char *text; /* what the events' strings point into */
};

static void lines_parse(struct lines *l, const char *text, size_t len)
{
	size_t used = 0, n = 0;
	struct err e = { 0 };

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	l->ev = calloc(n + 1, sizeof *l->ev);
	l->text = malloc(2 * len + 1);
	for (const char *end, *p = text; p < text + len; p = end + 1, l->n++) {
		size_t size;

		end = memchr(p, '\n', (size_t)(text + len - p));
		assert_non_null(end); /* no line is torn */
		size = (size_t)(end - p) + 1;
		if (event_parse(p, size, &l->ev[l->n], l->text + used, 2 * size, &e))
			fail_msg("%s: %.*s", e.msg, (int)size, p);
		used += 2 * size;
	}
}

static struct lines rig_lines(struct rig *r)
{
	struct lines l = { 0 };
	auto_free char *text = NULL;
	off_t len;

	journal_finish(r->journal);
	journal_free(r->journal);
	sinks_close(r->sinks);
	r->journal = NULL;
	len = lseek(r->events, 0, SEEK_END);
	text = malloc((size_t)len + 1);
	assert_int_equal(pread(r->events, text, (size_t)len, 0), len);
	lines_parse(&l, text, (size_t)len);
	return l;
}

static void lines_free(struct lines *l)
{
	free(l->ev);
	free(l->text);
}

/* The one event of this call; NULL: none. */
static const struct event *find_call(const struct lines *l, const char *syscall, int skip)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->ev[i].type == EVENT_CALL && !strcmp(l->ev[i].syscall, syscall) && !skip--)
			return &l->ev[i];
	return NULL;
}

static size_t count_type(const struct lines *l, enum event_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->ev[i].type == type;
	return n;
}

/* --- actors: children that install the gate, hand over the listener, and then act --- */

struct shared { /* between an actor and its test */
	_Atomic int n;
	int result[64]; /* errno of each call, 0: none */
	_Atomic int pid[8];
	_Atomic int count[4];
};

struct actor {
	pid_t pid;
	int listener, go;
	struct shared *sh;
};

struct part {
	void (*body)(struct shared *sh);
	int (*prepare)(void); /* before the filter; may be NULL */
	unsigned flags;
};

static _Noreturn void act(const struct rig *r, const struct part *part, struct shared *sh, int to,
			  int go)
{
	struct err e;
	int fd = -1;
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (part->prepare && part->prepare())
		_exit(101);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    filter_load(&r->compiled->filter.gate, SECCOMP_FILTER_FLAG_NEW_LISTENER | part->flags,
			&fd, &e))
		_exit(102);
	if (write(to, &fd, sizeof fd) != sizeof fd || read(go, &c, 1) != 1)
		_exit(103);
	close(fd);
	close(go);
	part->body(sh);
	_exit(0);
}

static struct actor actor_start(const struct rig *r, const struct part *part)
{
	int to[2], go[2], number, pidfd;
	struct actor a;

	assert_int_equal(pipe2(to, O_CLOEXEC) | pipe2(go, O_CLOEXEC), 0);
	a.sh = mmap(NULL, sizeof *a.sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(a.sh, MAP_FAILED);
	a.pid = fork();
	assert_true(a.pid >= 0);
	if (!a.pid) {
		close(go[1]);
		act(r, part, a.sh, to[1], go[0]);
	}
	close(to[1]);
	close(go[0]);
	assert_int_equal(read(to[0], &number, sizeof number), sizeof number);
	close(to[0]);
	pidfd = pidfd_open(a.pid, 0);
	a.listener = pidfd_getfd(pidfd, number, 0);
	assert_true(a.listener >= 0);
	close(pidfd);
	a.go = go[1];
	return a;
}

static void actor_go(struct actor *a)
{
	assert_int_equal(write(a->go, "", 1), 1);
	close(a->go);
}

/* Its wait status; frees. */
static int actor_end(struct actor *a)
{
	int status;

	assert_int_equal(waitpid(a->pid, &status, 0), a->pid);
	munmap(a->sh, sizeof *a->sh);
	return status;
}

static void on_end(void *ctx)
{
	eventfd_write(((struct rig *)ctx)->ends, 1);
}

static struct session *serve_block(struct rig *r, struct block *b)
{
	struct session_opts o = {
		.arena = r->arena, .block = b, .compiled = r->compiled, .on_end = on_end, .ctx = r
	};
	struct session *s;
	struct err e;

	if (session_new(&o, &s, &e))
		fail_msg("%s", e.msg);
	return s;
}

static struct session *serve(struct rig *r, const struct actor *a, enum mode mode, bool starting)
{
	const struct session_start start = { .id = "c1",
					     .name = "web",
					     .pod = "pod \"1\"",
					     .policy = r->compiled->index,
					     .mode = mode,
					     .init = a->pid,
					     .starting = starting,
					     .listener = a->listener };
	struct block *b = arena_take(r->arena);

	assert_non_null(b);
	session_fill(b, &start);
	arena_publish(b);
	arena_mark(r->arena, b);
	return serve_block(r, b);
}

static void words_of(struct session *s, uint64_t words[LANE_N_WORDS])
{
	lane_read(&session_block(s)->lane, words);
	assert_int_equal(words[LANE_seq], words[LANE_received]);
	assert_int_equal(words[LANE_received], words[LANE_allowed] + words[LANE_audited] +
						       words[LANE_denied] + words[LANE_killed] +
						       words[LANE_starting] + words[LANE_stale]);
}

/* Waits until n sessions have ended by themselves. */
static void await_ends(struct rig *r, uint64_t n)
{
	struct pollfd p = { r->ends, POLLIN, 0 };
	eventfd_t got;

	for (uint64_t seen = 0; seen < n; seen += got) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		assert_int_equal(eventfd_read(r->ends, &got), 0);
	}
}

/* Acts, is served until the last task is gone, and gives the counters. */
static int play(struct rig *r, const struct part *part, enum mode mode, bool starting,
		struct shared *sh, uint64_t words[LANE_N_WORDS], pid_t *pid)
{
	struct actor a = actor_start(r, part);
	struct session *s = serve(r, &a, mode, starting);
	int status;

	if (pid)
		*pid = a.pid;
	actor_go(&a);
	await_ends(r, 1);
	assert_true(session_ended(s));
	memcpy(sh, a.sh, sizeof *sh);
	status = actor_end(&a);
	words_of(s, words);
	session_free(s, false);
	return status;
}

/* --- what actors do --- */

static void try_call(struct shared *sh, long nr, long arg)
{
	long ret = syscall(nr, arg, 0, 0, 0, 0, 0);

	sh->result[sh->n++] = ret < 0 ? errno : 0;
}

static const struct {
	long nr, arg;
	const char *name, *rule, *message, *error, *asked;
	int error_number;
} denials[] = {
	{ SYS_getpgid, 0, "getpgid", "syscalls[0]", NULL, "EPERM", "errno", EPERM },
	{ SYS_getsid, 0, "getsid", "syscalls[1]", NULL, "ENOSYS", "errno", ENOSYS },
	{ SYS_sched_getscheduler, 0, "sched_getscheduler", "syscalls[2]", NULL, "EHWPOISON",
	  "errno", EHWPOISON },
	{ SYS_sched_get_priority_max, 1, "sched_get_priority_max", "syscalls[3]", NULL, "EACCES",
	  "errno", EACCES },
	{ SYS_getresuid, 0, "getresuid", "warder.rules[0]", "no asking", "EXDEV", "errno", EXDEV },
};

static void body_denials(struct shared *sh)
{
	for (size_t i = 0; i < ARRAY_LEN(denials); i++)
		try_call(sh, denials[i].nr, denials[i].arg);
	try_call(sh, SYS_sched_get_priority_max, 0); /* other argument: allowed */
	try_call(sh, SYS_times, 0);                  /* logged: allowed, with an event */
}

static void check_denial_event(const struct event *ev, size_t i, pid_t pid, enum mode mode)
{
	assert_non_null(ev);
	assert_string_equal(ev->verdict, "deny");
	assert_string_equal(ev->asked, denials[i].asked);
	assert_string_equal(ev->error, denials[i].error);
	assert_string_equal(ev->rule, denials[i].rule);
	if (denials[i].message)
		assert_string_equal(ev->message, denials[i].message);
	assert_int_equal(ev->done, mode == MODE_ENFORCE ? DONE_ERRNO : DONE_CONTINUE);
	assert_string_equal(ev->mode, mode_word(mode));
	assert_int_equal(ev->pid, pid);
	assert_int_equal(ev->tid, pid);
	assert_int_equal(ev->nr, denials[i].nr);
	assert_int_equal(ev->args[0], denials[i].arg);
	assert_int_equal(ev->uid, geteuid());
	assert_false(ev->identity_late);
	assert_string_equal(ev->container, "c1");
	assert_string_equal(ev->name, "web");
	assert_string_equal(ev->pod, "pod \"1\"");
	assert_string_equal(ev->policy, "test");
	assert_true(ev->latency_ns > 0 && ev->latency_ns < 5000000000);
}

static void check_denials(enum mode mode)
{
	const struct part part = { body_denials, NULL, WAIT_KILLABLE };
	uint64_t words[LANE_N_WORDS], last = 0;
	struct shared sh;
	struct lines l;
	struct rig r;
	pid_t pid;

	rig_open(&r, -1);
	assert_int_equal(play(&r, &part, mode, false, &sh, words, &pid), 0);
	for (size_t i = 0; i < ARRAY_LEN(denials); i++) {
		bool passes = mode != MODE_ENFORCE;

		/* getresuid(0, ...) that is let through faults: it did reach the kernel */
		assert_int_equal(sh.result[i], !passes ? denials[i].error_number
					       : denials[i].nr == SYS_getresuid ? EFAULT
										: 0);
	}
	assert_int_equal(sh.result[ARRAY_LEN(denials)], 0);
	assert_int_equal(words[mode == MODE_ENFORCE ? LANE_denied : LANE_audited],
			 ARRAY_LEN(denials));
	assert_int_equal(words[LANE_events], ARRAY_LEN(denials) + 1);
	assert_int_equal(words[LANE_stale], 0);
	l = rig_lines(&r);
	assert_int_equal(l.n, ARRAY_LEN(denials) + 3);
	assert_int_equal(l.ev[0].type, EVENT_SESSION_START);
	assert_int_equal(l.ev[l.n - 1].type, EVENT_SESSION_END);
	for (size_t i = 0; i < ARRAY_LEN(denials); i++)
		check_denial_event(find_call(&l, denials[i].name, 0), i, pid, mode);
	assert_string_equal(find_call(&l, "times", 0)->verdict, "allow");
	assert_int_equal(find_call(&l, "times", 0)->done, DONE_CONTINUE);
	for (size_t i = 1; i < l.n - 1; i++)
		assert_int_equal(l.ev[i].seq, ++last);
	lines_free(&l);
	rig_close(&r);
}

static void test_enforce(void **state)
{
	(void)state;
	check_denials(MODE_ENFORCE);
}

static void test_audit(void **state)
{
	(void)state;
	check_denials(MODE_AUDIT);
}

/* Each victim is a process of its own; the actor must outlive them all. */
static const struct {
	long nr;
	const char *name, *asked;
} kills[] = { { SYS_umask, "umask", "kill_process" },
	      { SYS_getpriority, "getpriority", "kill_thread" },
	      { SYS_getresgid, "getresgid", "kill_process" } };

static void *call_in_thread(void *arg)
{
	struct shared *sh = arg;

	sh->pid[3] = gettid();
	return (void *)syscall(sh->count[0], 0, 0, 0);
}

static void body_kills(struct shared *sh)
{
	for (size_t i = 0; i < ARRAY_LEN(kills); i++) {
		int status = 0;
		pid_t pid = fork();
		pthread_t t;

		if (!pid && i == 1) { /* from a thread: all of its process goes */
			sh->count[0] = (int)kills[i].nr;
			pthread_create(&t, NULL, call_in_thread, sh);
			pause();
		}
		if (!pid) {
			syscall(kills[i].nr, 0, 0, 0);
			_exit(7);
		}
		sh->pid[i] = pid;
		waitpid(pid, &status, 0);
		sh->result[i] = WIFSIGNALED(status) ? WTERMSIG(status) : -status;
	}
	sh->n = 99;
}

static void test_kill(void **state)
{
	const struct part part = { body_kills, NULL, WAIT_KILLABLE };
	uint64_t words[LANE_N_WORDS];
	struct shared sh;
	struct lines l;
	struct rig r;
	pid_t pid;

	(void)state;
	rig_open(&r, -1);
	assert_int_equal(play(&r, &part, MODE_ENFORCE, false, &sh, words, &pid), 0);
	assert_int_equal(sh.n, 99);
	assert_int_equal(words[LANE_killed], ARRAY_LEN(kills));
	l = rig_lines(&r);
	assert_int_equal(count_type(&l, EVENT_CALL), ARRAY_LEN(kills));
	for (size_t i = 0; i < ARRAY_LEN(kills); i++) {
		const struct event *ev = find_call(&l, kills[i].name, 0);

		assert_int_equal(sh.result[i], SIGKILL);
		assert_non_null(ev);
		assert_string_equal(ev->verdict, "kill");
		assert_string_equal(ev->asked, kills[i].asked);
		assert_int_equal(ev->done, DONE_KILL_PROCESS);
		assert_int_equal(ev->pid, sh.pid[i]);
		assert_int_equal(ev->tid, i == 1 ? sh.pid[3] : sh.pid[i]);
		assert_int_equal(ev->n_parents, 1);
		assert_int_equal(ev->parents[0], pid);
	}
	lines_free(&l);
	rig_close(&r);
}

static void body_kill_in_audit(struct shared *sh)
{
	try_call(sh, SYS_umask, 022);
	try_call(sh, SYS_getpriority, 0);
}

static void test_kill_in_audit(void **state)
{
	const struct part part = { body_kill_in_audit, NULL, WAIT_KILLABLE };
	uint64_t words[LANE_N_WORDS];
	struct shared sh;
	struct lines l;
	struct rig r;

	(void)state;
	rig_open(&r, -1);
	assert_int_equal(play(&r, &part, MODE_AUDIT, false, &sh, words, NULL), 0);
	assert_int_equal(sh.result[0] | sh.result[1], 0);
	assert_int_equal(words[LANE_audited], 2);
	l = rig_lines(&r);
	assert_string_equal(find_call(&l, "umask", 0)->verdict, "kill");
	assert_int_equal(find_call(&l, "umask", 0)->done, DONE_CONTINUE);
	lines_free(&l);
	rig_close(&r);
}

/* --- starting --- */

static int other_root(void)
{
	return chroot("/proc");
}

/* errno of getpgid() in a child, after prepare(). */
static int in_child(int (*prepare)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		if (prepare && prepare())
			_exit(200);
		_exit(syscall(SYS_getpgid, 0) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 201;
}

/* The program that this test execs: itself, as "called". Its exit status is the errno it got. */
static int called_main(void)
{
	int mine = syscall(SYS_getpgid, 0) < 0 ? errno : 0;

	return mine == in_child(NULL) ? mine : 202;
}

static void body_starting(struct shared *sh)
{
	char *argv[] = { (char[]){ "called" }, NULL };

	try_call(sh, SYS_getpgid, 0);
	sh->result[sh->n++] = in_child(NULL);
	sh->result[sh->n++] = geteuid() ? EPERM : in_child(other_root);
	try_call(sh, SYS_getsid, 0);
	execv("/proc/self/exe", argv);
}

static void test_starting(void **state)
{
	const struct part part = { body_starting, NULL, WAIT_KILLABLE };
	uint64_t words[LANE_N_WORDS];
	struct shared sh;
	struct lines l;
	struct rig r;
	int status;

	(void)state;
	rig_open(&r, -1);
	status = play(&r, &part, MODE_ENFORCE, true, &sh, words, NULL);
	assert_int_equal(sh.result[0], 0);     /* the init itself */
	assert_int_equal(sh.result[1], 0);     /* a createContainer hook */
	assert_int_equal(sh.result[2], EPERM); /* a startContainer hook */
	assert_int_equal(sh.result[3], 0);     /* the init, still before its exec */
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
	assert_int_equal(words[LANE_starting], 3);
	assert_int_equal(words[LANE_denied], geteuid() ? 2 : 3);
	l = rig_lines(&r);
	assert_int_equal(count_type(&l, EVENT_CALL), words[LANE_denied]);
	lines_free(&l);
	rig_close(&r);
}

static void body_native(struct shared *sh)
{
	try_call(sh, SYS_getpgid, 0);
	sh->result[sh->n++] = in_child(NULL);
}

/* A native runtime hands over when the init is in the container's root: nobody there is outside. */
static void test_starting_native(void **state)
{
	const struct part part = { body_native, other_root, WAIT_KILLABLE };
	uint64_t words[LANE_N_WORDS];
	struct shared sh;
	struct rig r;

	(void)state;
	if (geteuid())
		skip();
	rig_open(&r, -1);
	assert_int_equal(play(&r, &part, MODE_ENFORCE, true, &sh, words, NULL), 0);
	assert_int_equal(sh.result[0], 0);
	assert_int_equal(sh.result[1], EPERM);
	rig_close(&r);
}

/* --- identity --- */

static char other_program[64]; /* a copy of this program under another name */

static int copy_self(void **state)
{
	char buf[65536];
	auto_fd from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to;
	ssize_t n;

	(void)state;
	snprintf(other_program, sizeof other_program, "/tmp/warder-session-%d", (int)getpid());
	to = open(other_program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	while ((n = read(from, buf, sizeof buf)) > 0)
		if (write(to, buf, (size_t)n) != n)
			return -1;
	return close(to);
}

static int remove_copy(void **state)
{
	(void)state;
	return unlink(other_program);
}

static void exec_other(void)
{
	char *argv[] = { (char[]){ "called" }, NULL };

	execv(other_program, argv);
	_exit(203);
}

static void body_identity(struct shared *sh)
{
	pid_t pid;

	prctl(PR_SET_NAME, "first");
	try_call(sh, SYS_getsid, 0);
	pid = fork();
	if (!pid) {
		sh->pid[0] = getpid();
		try_call(sh, SYS_getsid, 0);
		prctl(PR_SET_NAME, "second");
		exec_other();
	}
	waitpid(pid, NULL, 0);
}

static void test_identity(void **state)
{
	const struct part part = { body_identity, NULL, WAIT_KILLABLE };
	uint64_t words[LANE_N_WORDS];
	const struct event *ev;
	char exe[512] = "";
	struct shared sh;
	struct lines l;
	struct rig r;
	pid_t pid;

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
	rig_open(&r, -1);
	assert_int_equal(play(&r, &part, MODE_AUDIT, false, &sh, words, &pid), 0);
	l = rig_lines(&r);
	ev = find_call(&l, "getsid", 0);
	assert_int_equal(ev->pid, pid);
	assert_int_equal(ev->n_parents, 0);
	assert_string_equal(ev->comm, "first");
	assert_string_equal(ev->exe, exe);
	ev = find_call(&l, "getsid", 1); /* right after fork */
	assert_int_equal(ev->pid, sh.pid[0]);
	assert_int_equal(ev->parents[0], pid);
	assert_string_equal(ev->comm, "first");
	ev = find_call(&l, "getpgid", 0); /* after exec */
	assert_int_equal(ev->pid, sh.pid[0]);
	assert_string_equal(ev->exe, other_program);
	assert_memory_equal(ev->comm, strrchr(other_program, '/') + 1, 15);
	assert_false(ev->identity_late);
	lines_free(&l);
	rig_close(&r);
}

/* Both run side by side without any runtime's knowledge: a sanitizer's may hang in a thread that is
 * made after a fork of a threaded process. */
#define ALONE __attribute__((no_sanitize("thread", "address", "undefined")))

ALONE static int exec_in_thread(void *arg)
{
	struct shared *sh = arg;

	sh->pid[1] = (pid_t)syscall(SYS_gettid);
	syscall(SYS_getsid, 0);
	exec_other();
	return 1;
}

/* A thread that execs takes over the leader's number, while the leader makes calls to the last. */
ALONE static void body_thread_exec(struct shared *sh)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	pid_t pid = fork();

	if (!pid) {
		sh->pid[0] = getpid();
		clone(exec_in_thread, stack + sizeof stack,
		      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, sh);
		for (;;) { /* not so often that the ring fills up */
			syscall(SYS_sched_getscheduler, 0);
			for (volatile int i = 0; i < 20000; i++)
				continue;
		}
	}
	waitpid(pid, NULL, 0);
}

static void test_thread_exec(void **state)
{
	const struct part part = { body_thread_exec, NULL, WAIT_KILLABLE };

	(void)state;
	for (int i = 0; i < 6; i++) {
		uint64_t words[LANE_N_WORDS];
		const struct event *ev;
		struct shared sh;
		struct lines l;
		struct rig r;

		rig_open(&r, -1);
		assert_int_equal(play(&r, &part, MODE_AUDIT, false, &sh, words, NULL), 0);
		l = rig_lines(&r);
		ev = find_call(&l, "getsid", 0);
		assert_int_equal(ev->pid, sh.pid[0]);
		assert_int_equal(ev->tid, sh.pid[1]);
		ev = find_call(&l, "getpgid", 0);
		assert_non_null(ev);
		assert_int_equal(ev->pid, sh.pid[0]);
		assert_int_equal(ev->tid, sh.pid[0]);
		assert_string_equal(ev->exe, other_program);
		lines_free(&l);
		rig_close(&r);
	}
}

/* --- live changes --- */

/* One getpgid() each time the test counts up. */
static void body_steps(struct shared *sh)
{
	for (int i = 1; i <= sh->count[2]; i++) {
		while (sh->count[1] < i)
			sched_yield();
		try_call(sh, SYS_getpgid, 0);
		sh->count[3] = i; /* after its result, which sh->n is not */
	}
}

static int step(struct actor *a)
{
	int n = ++a->sh->count[1];

	while (a->sh->count[3] < n)
		sched_yield();
	return a->sh->result[n - 1];
}

static void change(struct block *b, int errnum)
{
	block_change_begin(b);
	if (errnum < 0)
		assert_int_equal(session_lift(b, AUDIT_ARCH_X86_64, SYS_getpgid), 0);
	else
		assert_int_equal(session_override(b, AUDIT_ARCH_X86_64, SYS_getpgid,
						  (uint16_t)errnum),
				 0);
	block_change_end(b);
}

/* Mode, live decisions and policy: each holds from the very next call on. */
static void test_changes(void **state)
{
	static const char other[] =
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": "
		"[\"getpgid\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 71}]}";
	const struct policies_key key = { .name = "other" };
	const struct part part = { body_steps, NULL, WAIT_KILLABLE };
	const struct compiled *c;
	const struct event *ev;
	struct actor a;
	struct lines l;
	struct block *b;
	struct session *s;
	struct rig r;
	struct err e;

	(void)state;
	rig_open(&r, -1);
	assert_int_equal(policies_add(r.policies, &key, other, strlen(other), &c, NULL, &e), 0);
	a = actor_start(&r, &part);
	s = serve(&r, &a, MODE_AUDIT, false);
	b = session_block(s);
	a.sh->count[2] = 8;
	actor_go(&a);
	assert_int_equal(step(&a), 0);
	atomic_store(&b->mode, MODE_ENFORCE);
	assert_int_equal(step(&a), EPERM);
	change(b, ENOTTY);
	assert_int_equal(step(&a), ENOTTY);
	atomic_store(&b->mode, MODE_AUDIT); /* a live denial holds in every mode */
	assert_int_equal(step(&a), ENOTTY);
	change(b, 0);
	atomic_store(&b->mode, MODE_ENFORCE);
	assert_int_equal(step(&a), 0);
	change(b, -1);
	assert_int_equal(step(&a), EPERM);
	block_change_begin(b);
	assert_null(session_set_policy(s, c));
	block_change_end(b);
	assert_int_equal(step(&a), EPROTO);
	assert_int_equal(atomic_load(&b->seen), atomic_load(&b->changes));
	assert_int_equal(step(&a), EPROTO);
	await_ends(&r, 1);
	assert_int_equal(actor_end(&a), 0);
	session_free(s, false);
	l = rig_lines(&r);
	ev = find_call(&l, "getpgid", 3);
	assert_string_equal(ev->rule, "live");
	assert_string_equal(ev->error, "ENOTTY");
	assert_string_equal(ev->verdict, "deny");
	ev = find_call(&l, "getpgid", 4);
	assert_string_equal(ev->rule, "live");
	assert_string_equal(ev->verdict, "allow");
	assert_string_equal(find_call(&l, "getpgid", 5)->policy, "other");
	assert_string_equal(find_call(&l, "getpgid", 6)->policy, "test"); /* as one before it */
	lines_free(&l);
	policies_put(r.policies, c);
	rig_close(&r);
}

static void test_overrides_full(void **state)
{
	struct arena *arena;
	struct block *b;
	struct err e;

	(void)state;
	assert_int_equal(arena_new(&arena, &e), 0);
	b = arena_take(arena);
	for (int i = 0; i < BLOCK_OVERRIDES; i++)
		assert_int_equal(session_override(b, AUDIT_ARCH_X86_64, i, EPERM), 0);
	assert_int_equal(session_override(b, AUDIT_ARCH_I386, 0, EPERM), -ENOSPC);
	assert_int_equal(session_override(b, AUDIT_ARCH_X86_64, 3, 0), 0); /* there already */
	assert_int_equal(session_lift(b, AUDIT_ARCH_I386, 0), -ENOENT);
	assert_int_equal(session_lift(b, AUDIT_ARCH_X86_64, 3), 0);
	assert_int_equal(session_override(b, AUDIT_ARCH_I386, 0, EPERM), 0);
	arena_unmap(arena);
}

/* --- callers that go --- */

static void body_killed(struct shared *sh)
{
	unsigned seed = 1;

	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();

		if (!pid)
			for (;;) {
				syscall(SYS_getpgid, 0);
				sh->count[0]++;
			}
		for (int before = sh->count[0]; sh->count[0] == before;)
			sched_yield();
		for (volatile int spin = rand_r(&seed) % 20000; spin; spin--)
			;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	try_call(sh, SYS_getpgid, 0);
}

static size_t entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_killed_callers(void **state)
{
	static const unsigned flags[] = { WAIT_KILLABLE, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		const struct part part = { body_killed, NULL, flags[i] };
		size_t fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
		uint64_t words[LANE_N_WORDS];
		struct shared sh;
		struct lines l;
		struct rig r;
		uint64_t lost = 0, calls = 0;

		rig_open(&r, -1);
		assert_int_equal(play(&r, &part, MODE_ENFORCE, false, &sh, words, NULL), 0);
		assert_int_equal(sh.result[0], EPERM);
		assert_true(words[LANE_denied] > (uint64_t)sh.count[0]);
		print_message("%llu received, %llu of them from callers that were gone\n",
			      (unsigned long long)words[LANE_received],
			      (unsigned long long)words[LANE_stale]);
		l = rig_lines(&r);
		for (size_t k = 0; k < l.n; k++) {
			lost += l.ev[k].type == EVENT_LOST ? l.ev[k].count : 0;
			calls += l.ev[k].type == EVENT_CALL ? l.ev[k].count : 0;
		}
		assert_int_equal(calls + lost, words[LANE_events]);
		assert_int_equal(lost, words[LANE_dropped]);
		lines_free(&l);
		rig_close(&r);
		assert_int_equal(entries("/proc/self/fd"), fds);
		assert_int_equal(entries("/proc/self/task"), threads);
	}
}

static void ignore_alarm(int sig)
{
	(void)sig;
}

static void body_interrupted(struct shared *sh)
{
	struct sigaction sa = { .sa_handler = ignore_alarm };
	struct itimerval once = { .it_value = { .tv_usec = 20000 } };
	struct itimerval often = { { 0, 150 }, { 0, 150 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
	try_call(sh, SYS_getpgid, 0); /* nobody serves yet */
	sh->pid[0] = getpid();
	try_call(sh, SYS_getpgid, 0);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 5000; i++) {
		int error = syscall(SYS_getpgid, 0) < 0 ? errno : 0;

		sh->count[error == EPERM ? 0 : error == EINTR ? 1 : 2]++;
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	try_call(sh, SYS_getpgid, 0);
}

static void test_interrupted(void **state)
{
	const struct part part = { body_interrupted, NULL, 0 };
	uint64_t words[LANE_N_WORDS];
	struct session *s;
	struct actor a;
	struct rig r;

	(void)state;
	rig_open(&r, -1);
	a = actor_start(&r, &part);
	actor_go(&a);
	while (!a.sh->pid[0])
		sched_yield();
	s = serve(&r, &a, MODE_ENFORCE, false);
	await_ends(&r, 1);
	words_of(s, words);
	assert_int_equal(a.sh->result[0], EINTR);
	assert_int_equal(a.sh->result[2], EPERM);
	assert_int_equal(a.sh->count[2], 0);
	assert_int_equal(a.sh->count[0] + a.sh->count[1], 5000);
	/* an answer that the signal overtook counts as given */
	assert_true(words[LANE_denied] >= (uint64_t)a.sh->count[0] + 1);
	assert_true(words[LANE_received] <= 5002);
	print_message("%d answered, %d interrupted, %llu stale\n", a.sh->count[0], a.sh->count[1],
		      (unsigned long long)words[LANE_stale]);
	assert_int_equal(actor_end(&a), 0);
	session_free(s, false);
	rig_close(&r);
}

/* --- a session's end --- */

static void body_wait(struct shared *sh)
{
	try_call(sh, SYS_getpgid, 0);
	while (!sh->count[0])
		usleep(1000);
	try_call(sh, SYS_getpgid, 0);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void await_call(const struct actor *a)
{
	while (!a->sh->n)
		sched_yield();
}

/* Idle, and after the last task has gone, there is no CPU time; then nothing is left. */
static void test_end(void **state)
{
	const struct part part = { body_wait, NULL, WAIT_KILLABLE };
	const struct timespec window = { 0, 400000000 };
	size_t fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
	struct session *s;
	struct actor a;
	struct rig r;
	uint64_t idle;

	(void)state;
	rig_open(&r, -1);
	a = actor_start(&r, &part);
	s = serve(&r, &a, MODE_ENFORCE, false);
	actor_go(&a);
	await_call(&a);
	nanosleep(&window, NULL); /* the journal falls asleep meanwhile */
	idle = cpu_ns();
	nanosleep(&window, NULL);
	assert_true(cpu_ns() - idle < 10000000);
	assert_false(session_ended(s));
	kill(a.pid, SIGKILL);
	await_ends(&r, 1);
	actor_end(&a);
	nanosleep(&window, NULL);
	idle = cpu_ns();
	nanosleep(&window, NULL);
	assert_true(cpu_ns() - idle < 10000000);
	session_free(s, false);
	rig_close(&r);
	assert_int_equal(entries("/proc/self/fd"), fds);
	assert_int_equal(entries("/proc/self/task"), threads);
}

/* Finished while blocked in RECV, with the tasks alive: calls then fail with ENOSYS. */
static void test_finish(void **state)
{
	const struct part part = { body_wait, NULL, WAIT_KILLABLE };
	struct session *s;
	struct actor a;
	struct rig r;

	(void)state;
	rig_open(&r, -1);
	a = actor_start(&r, &part);
	s = serve(&r, &a, MODE_ENFORCE, false);
	actor_go(&a);
	await_call(&a);
	session_free(s, false);
	a.sh->count[0] = 1;
	while (a.sh->n < 2)
		sched_yield();
	assert_int_equal(a.sh->result[0], EPERM);
	assert_int_equal(a.sh->result[1], ENOSYS);
	assert_int_equal(actor_end(&a), 0);
	rig_close(&r);
}

/* A second session over the same block goes on; counters too. Also started with every signal
 * blocked. */
static void test_hand_on(void **state)
{
	const struct part part = { body_wait, NULL, WAIT_KILLABLE };
	uint64_t words[LANE_N_WORDS];
	struct session *s;
	struct block *b;
	sigset_t all, before;
	struct actor a;
	struct lines l;
	struct rig r;

	(void)state;
	rig_open(&r, -1);
	a = actor_start(&r, &part);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	s = serve(&r, &a, MODE_ENFORCE, false);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	actor_go(&a);
	await_call(&a);
	b = session_block(s);
	session_free(s, true);
	await_ends(&r, 1);
	assert_int_equal(atomic_load(&b->state), BLOCK_LIVE);
	a.sh->count[0] = 1;
	s = serve_block(&r, b);
	await_ends(&r, 1);
	assert_int_equal(a.sh->result[0], EPERM);
	assert_int_equal(a.sh->result[1], EPERM);
	assert_int_equal(actor_end(&a), 0);
	words_of(s, words);
	assert_int_equal(words[LANE_denied], 2);
	session_free(s, false);
	l = rig_lines(&r);
	assert_int_equal(count_type(&l, EVENT_CALL), 2);
	assert_int_equal(count_type(&l, EVENT_SESSION_START), 1);
	assert_int_equal(count_type(&l, EVENT_SESSION_END), 1);
	lines_free(&l);
	rig_close(&r);
}

/* --- many --- */

#define MANY  32
#define CALLS 300

static void body_many(struct shared *sh)
{
	for (int i = 0; i < CALLS; i++)
		sh->count[0] += syscall(SYS_getpgid, 0) < 0 && errno == EPERM;
}

static void test_many(void **state)
{
	const struct part part = { body_many, NULL, WAIT_KILLABLE };
	struct session *s[MANY];
	struct actor a[MANY];
	uint64_t total = 0;
	struct lines l;
	struct rig r;

	(void)state;
	rig_open(&r, -1);
	for (int i = 0; i < MANY; i++) {
		a[i] = actor_start(&r, &part);
		s[i] = serve(&r, &a[i], MODE_ENFORCE, false);
	}
	for (int i = 0; i < MANY; i++)
		actor_go(&a[i]);
	await_ends(&r, MANY);
	for (int i = 0; i < MANY; i++) {
		uint64_t words[LANE_N_WORDS];

		words_of(s[i], words);
		assert_int_equal(words[LANE_denied], CALLS);
		assert_int_equal(a[i].sh->count[0], CALLS);
		assert_int_equal(actor_end(&a[i]), 0);
		session_free(s[i], false);
	}
	l = rig_lines(&r);
	for (size_t i = 0; i < l.n; i++)
		total += event_calls(&l.ev[i]);
	assert_int_equal(total, MANY * CALLS);
	assert_int_equal(count_type(&l, EVENT_SESSION_END), MANY);
	lines_free(&l);
	rig_close(&r);
}

/* Nobody reads the events: callers are answered all the same, and once somebody does, the lines
 * account for each call. */
#define FLOOD 6000

static void body_flood(struct shared *sh)
{
	for (int i = 0; i < FLOOD; i++)
		sh->count[0] += syscall(SYS_getpgid, 0) < 0 && errno == EPERM;
}

struct reading {
	int fd;
	size_t len;
	char *text;
};

static void *read_all(void *arg)
{
	struct reading *s = arg;
	ssize_t n;

	do {
		s->text = realloc(s->text, s->len + 65536);
		n = read(s->fd, s->text + s->len, 65536);
		s->len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	return NULL;
}

static void test_ring_full(void **state)
{
	const struct part part = { body_flood, NULL, WAIT_KILLABLE };
	uint64_t words[LANE_N_WORDS], calls = 0, lost = 0;
	struct reading sink = { 0 };
	struct lines l = { 0 };
	struct session *s;
	struct actor a;
	pthread_t t;
	struct rig r;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	rig_open(&r, p[1]);
	a = actor_start(&r, &part);
	s = serve(&r, &a, MODE_ENFORCE, false);
	actor_go(&a);
	await_ends(&r, 1);
	assert_int_equal(a.sh->count[0], FLOOD);
	assert_int_equal(actor_end(&a), 0);
	words_of(s, words);
	assert_int_equal(words[LANE_denied], FLOOD);
	assert_int_equal(words[LANE_events], FLOOD);
	session_free(s, false);
	sink.fd = p[0];
	assert_int_equal(pthread_create(&t, NULL, read_all, &sink), 0);
	rig_close(&r); /* closes the pipe's writing end */
	pthread_join(t, NULL);
	lines_parse(&l, sink.text, sink.len);
	for (size_t i = 0; i < l.n; i++) {
		calls += l.ev[i].type == EVENT_CALL ? l.ev[i].count : 0;
		lost += l.ev[i].type == EVENT_LOST ? l.ev[i].count : 0;
	}
	assert_int_equal(lost, words[LANE_dropped]);
	assert_int_equal(calls + lost, FLOOD);
	assert_int_equal(count_type(&l, EVENT_SESSION_END), 1);
	lines_free(&l);
	free(sink.text);
	close(p[0]);
}

static void test_probe(void **state)
{
	bool returns = false;
	struct err e;

	(void)state;
	assert_int_equal(session_probe_recv(&returns, &e), 0);
	print_message("RECV %s when the last task has gone\n", returns ? "returns" : "blocks");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_enforce),
		cmocka_unit_test(test_audit),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_kill_in_audit),
		cmocka_unit_test(test_starting),
		cmocka_unit_test(test_starting_native),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_thread_exec),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_overrides_full),
		cmocka_unit_test(test_killed_callers),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_hand_on),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_ring_full),
	};

	if (argc > 0 && !strcmp(argv[0], "called"))
		return called_main();
	alarm(240);
	names_init();
	return cmocka_run_group_tests_name("session", tests, copy_self, remove_copy);
}
