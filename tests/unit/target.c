/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - tests of what is read of a task in /proc, on real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../supervisor/target.h"
#include "warder/own.h"

/* A child that has run prepare() and then waits to be ended. */
struct child {
	pid_t pid;
	int ready; /* reads one byte: the child's errno of prepare() */
};

static struct child child_start(int (*prepare)(void))
{
	struct child c;
	char error;
	int to[2];

	assert_int_equal(pipe(to), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (!c.pid) {
		error = (char)(prepare && prepare() ? errno : 0);
		if (write(to[1], &error, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(to[0], &error, 1), 1);
	assert_int_equal(error, 0);
	close(to[0]);
	close(to[1]);
	return c;
}

static void child_end(struct child c)
{
	kill(c.pid, SIGKILL);
	assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
}

static void test_self(void **state)
{
	char exe[TARGET_EXE_MAX] = "";
	struct identity id;

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
	assert_int_equal(target_identity(getpid(), 0, &id), 0);
	assert_int_equal(id.pid, getpid());
	assert_int_equal(id.tid, getpid());
	assert_int_equal(id.uid, geteuid());
	assert_int_equal(id.gid, getegid());
	assert_true(id.ns_pid > 0 && id.ns_tid > 0);
	assert_true(id.start_time > 0);
	assert_string_equal(id.exe, exe);
	assert_true(id.n_parents >= 1);
	assert_int_equal(id.parents[0], getppid());
	assert_int_equal(target_tgid(getpid()), getpid());
}

static const char *const comms[] = { "plain",    "a) R 1 2 (b",     ")",           "((((", "a b\nc",
				     "Tgid:\t1", "fifteen bytes..", "\x01\x7f\xff" };

static void test_comm(void **state)
{
	char before[16];

	(void)state;
	prctl(PR_GET_NAME, before);
	for (size_t i = 0; i < ARRAY_LEN(comms); i++) {
		struct identity id;

		prctl(PR_SET_NAME, comms[i]);
		assert_int_equal(target_identity(getpid(), 0, &id), 0);
		assert_string_equal(id.comm, comms[i]);
		assert_int_equal(id.parents[0], getppid());
		assert_int_equal(id.pid, getpid());
		assert_true(id.start_time > 0);
	}
	prctl(PR_SET_NAME, before);
}

static void *thread_identity(void *arg)
{
	struct identity *id = arg;

	prctl(PR_SET_NAME, "a thread");
	assert_int_equal(target_identity(gettid(), 0, id), 0);
	assert_int_equal(id->tid, gettid());
	assert_int_equal(target_tgid(gettid()), getpid());
	return NULL;
}

static void test_thread(void **state)
{
	struct identity id;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, thread_identity, &id), 0);
	pthread_join(t, NULL);
	assert_int_equal(id.pid, getpid());
	assert_int_not_equal(id.tid, getpid());
	assert_string_equal(id.comm, "a thread");
	assert_int_equal(id.parents[0], getppid());
	assert_int_equal(target_tgid(id.tid), -ESRCH);
}

/* A chain of forks; the last writes its pid; each waits until its parent is killed. */
static _Noreturn void descend(int depth, int to)
{
	pid_t self;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (depth-- && !fork())
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	self = getpid();
	if (depth < 0 && write(to, &self, sizeof self) != sizeof self)
		_exit(1);
	for (;;)
		pause();
}

static const struct {
	int depth, parents;
} chains[] = { { 0, 0 },
	       { 1, 1 },
	       { 3, 3 },
	       { TARGET_PARENTS, TARGET_PARENTS },
	       { TARGET_PARENTS + 4, TARGET_PARENTS } };

static void test_parents(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		struct identity id;
		pid_t first, last;
		int to[2];

		assert_int_equal(pipe(to), 0);
		first = fork();
		if (!first)
			descend(chains[i].depth, to[1]);
		assert_int_equal(read(to[0], &last, sizeof last), sizeof last);
		assert_int_equal(target_identity(last, first, &id), 0);
		assert_int_equal(id.n_parents, chains[i].parents);
		if (chains[i].depth && chains[i].depth <= TARGET_PARENTS)
			assert_int_equal(id.parents[id.n_parents - 1], first);
		child_end((struct child){ .pid = first });
		close(to[0]);
		close(to[1]);
	}
}

static void test_gone(void **state)
{
	struct child c = child_start(NULL);
	struct target_root root;
	struct identity id;

	(void)state;
	child_end(c);
	assert_int_equal(target_identity(c.pid, 0, &id), -ESRCH);
	assert_int_equal(target_tgid(c.pid), -ESRCH);
	assert_true(target_root(c.pid, &root) < 0);
}

static void test_zombie(void **state)
{
	struct child c = child_start(NULL);
	struct identity id;
	siginfo_t info;

	(void)state;
	kill(c.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(target_identity(c.pid, 0, &id), 0);
	assert_int_equal(id.pid, c.pid);
	assert_string_equal(id.exe, "");
	waitpid(c.pid, NULL, 0);
}

static int other_user(void)
{
	return setegid(4321) || seteuid(1234);
}

static int other_root(void)
{
	return chroot("/proc");
}

static void need_root(void)
{
	if (geteuid())
		skip();
}

/* Lists of every length up to about 4 KiB: the numbers behind them are right or unknown. */
static bool right_with_groups(void)
{
	gid_t groups[400], last = 1;
	struct identity id;

	for (unsigned i = 0; i < ARRAY_LEN(groups); i++)
		groups[i] = 1000000000U + i;
	for (size_t n = 1; n < ARRAY_LEN(groups); n++) {
		last = last < 1000000000U ? last * 10 : 1;
		groups[n - 1] = last;
		if (setgroups(n, groups) || target_identity(getpid(), 0, &id) ||
		    id.pid != getpid() || (id.ns_pid && id.ns_pid != getpid()) ||
		    (id.ns_tid && id.ns_tid != getpid()))
			return false;
		groups[n - 1] = 1000000000U + (gid_t)n;
	}
	return true;
}

static void test_groups(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	need_root();
	pid = fork();
	if (!pid)
		_exit(right_with_groups() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_user(void **state)
{
	struct identity id;
	struct child c;

	(void)state;
	need_root();
	c = child_start(other_user);
	assert_int_equal(target_identity(c.pid, 0, &id), 0);
	assert_int_equal(id.uid, 1234);
	assert_int_equal(id.gid, 4321);
	child_end(c);
}

static void test_root(void **state)
{
	struct target_root mine, its;
	struct child c;

	(void)state;
	need_root();
	c = child_start(NULL);
	assert_int_equal(target_root(getpid(), &mine), 0);
	assert_int_equal(target_root(c.pid, &its), 0);
	assert_true(mine.dev == its.dev && mine.ino == its.ino);
	child_end(c);
	c = child_start(other_root);
	assert_int_equal(target_root(c.pid, &its), 0);
	assert_true(mine.dev != its.dev || mine.ino != its.ino);
	child_end(c);
}

/* In a pid namespace of its own the child is number 1 there and another here. */
static void test_namespace(void **state)
{
	struct identity id;
	pid_t middle;
	int status;

	(void)state;
	need_root();
	middle = fork();
	if (!middle) {
		struct child c;

		if (unshare(CLONE_NEWPID))
			_exit(1);
		c = child_start(NULL);
		if (target_identity(c.pid, c.pid, &id) || id.pid != c.pid || id.ns_pid != 1 ||
		    id.ns_tid != 1 || id.n_parents)
			_exit(2);
		child_end(c);
		_exit(0);
	}
	assert_int_equal(waitpid(middle, &status, 0), middle);
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self),   cmocka_unit_test(test_comm),
		cmocka_unit_test(test_thread), cmocka_unit_test(test_parents),
		cmocka_unit_test(test_gone),   cmocka_unit_test(test_zombie),
		cmocka_unit_test(test_groups), cmocka_unit_test(test_user),
		cmocka_unit_test(test_root),   cmocka_unit_test(test_namespace),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
