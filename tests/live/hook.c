/* SPDX-License-Identifier: Apache-2.0 */
/* hook.c - warder-hook with real runc containers and a supervisor of the test's own.
 *
 * Needs root, runc and busybox-static. $WARDER_HOOK and $WARDER_HOOK_FAIL name the two builds of
 * the hook (default: build/warder-hook, build/fail/warder-hook). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "warder/ask.h"
#include "warder/bpf.h"
#include "warder/inject.h"
#include "warder/notify.h"
#include "warder/oci.h"
#include "warder/own.h"
#include "warder/wire.h"

#define SECOND 1000000000U

/* What the supervisor does with the hook that comes. */
enum how { SERVE, REFUSE, EXEMPT, SILENT, HANGUP, NO_PROGRAM, BAD_PROGRAM, NO_ACK, HANGUP_AFTER };

enum { MAX_SESSIONS = 256, OUT_MAX = 64 * 1024 };

struct super {
	enum how how;
	struct bpf_prog gate;
	char path[PATH_MAX];
	int sock;
	pthread_t thread;
	atomic_bool stop;
	atomic_int asked, handed, calls, hung;
	pthread_t session[MAX_SESSIONS];
	int n_sessions;
};

struct session {
	struct super *super;
	int listener;
};

static char dir[64]; /* bundle, runc's root, socket */
static const char *hook_path;
static const char *hook_fail_path;
static int n_containers;
static struct super *current; /* the running one, for the end of a test that failed */

/* All but the four that are never notified. */
static struct sock_filter notify_all[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
/* Only what a container's start must do: the exec. */
static struct sock_filter notify_exec[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
#define GATE(a) ((struct bpf_prog){ ARRAY_LEN(a), a })

static void *serve(void *arg)
{
	struct session *s = arg;
	struct seccomp_notif n;
	int r;

	while (!s->super->stop) {
		r = notify_poll(s->listener, 50);
		if (r == -EPIPE)
			break;
		if (r != 1 || notify_recv(s->listener, &n))
			continue;
		s->super->calls++;
		notify_continue(s->listener, n.id);
	}
	close(s->listener);
	free(s);
	return NULL;
}

static void say(int sock, const struct answer *a, int fd)
{
	auto_free char *text = NULL;
	struct err e;
	size_t len;

	if (answer_format(a, &text, &len, &e) ||
	    wire_send(sock, wire_deadline(SECOND), text, len, &fd, fd >= 0, &e))
		print_message("supervisor: %s\n", e.msg);
}

/* Until the hook has gone. */
static void wait_gone(struct super *s, int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	char c;

	s->hung++;
	while (!s->stop) {
		if (poll(&p, 1, 20) > 0 && read(sock, &c, 1) <= 0)
			return;
	}
}

static bool answer_ask(struct super *s, int sock)
{
	struct answer a = { .ok = s->how != REFUSE,
			    .error = "policy web: not installed",
			    .policy = "test",
			    .mode = "audit",
			    .exempt = s->how == EXEMPT };
	auto_fd prog = -1;
	struct err e;

	if (s->how == SILENT) {
		wait_gone(s, sock);
		return false;
	}
	if (s->how == BAD_PROGRAM)
		prog = open("/dev/null", O_RDONLY | O_CLOEXEC);
	else if ((s->how == SERVE || s->how >= NO_ACK) && ask_put_prog(&s->gate, &prog, &e))
		print_message("supervisor: %s\n", e.msg);
	if (s->how != HANGUP)
		say(sock, &a, prog);
	return s->how == SERVE || s->how >= NO_ACK;
}

static void take_over(struct super *s, int sock, struct wire_msg *m)
{
	struct session *new = malloc(sizeof *new);
	struct oci_process_state ps;
	struct err e;

	if (oci_process_state_parse(m->text, m->len, m->n_fds, &ps, &e)) {
		print_message("supervisor: %s\n", e.msg);
		free(new);
		return;
	}
	*new = (struct session){ s, take_fd(&m->fds[ps.seccomp_fd_index]) };
	if (!notify_is_listener(new->listener) || strcmp(ps.state.status, "creating") != 0)
		print_message("supervisor: not what a hand-over is\n");
	oci_process_state_fini(&ps);
	s->handed++;
	if (s->how == HANGUP_AFTER) {
		close(new->listener);
		free(new);
		return;
	}
	pthread_create(&s->session[s->n_sessions++], NULL, serve, new);
	if (s->how == NO_ACK)
		wait_gone(s, sock);
	else
		say(sock, &(struct answer){ .ok = true }, -1);
}

static void connection(struct super *s, int sock)
{
	struct wire_msg m = { 0 };
	struct err e;
	bool go_on;

	if (wire_recv(sock, wire_deadline(5U * SECOND), &m, &e))
		return;
	s->asked++;
	go_on = ask_is(m.text, m.len) && answer_ask(s, sock);
	wire_fini(&m);
	memset(&m, 0, sizeof m);
	if (!go_on || wire_recv(sock, wire_deadline(5U * SECOND), &m, &e))
		return;
	take_over(s, sock, &m);
	wire_fini(&m);
}

static void *supervise(void *arg)
{
	struct super *s = arg;
	struct pollfd p = { .fd = s->sock, .events = POLLIN };

	while (!s->stop) {
		if (poll(&p, 1, 20) <= 0)
			continue;
		auto_fd sock = accept4(s->sock, NULL, NULL, SOCK_CLOEXEC);

		if (sock >= 0)
			connection(s, sock);
	}
	return NULL;
}

static struct super *super_start(enum how how, struct bpf_prog gate)
{
	struct super *s = calloc(1, sizeof *s);
	struct err e;

	s->how = how;
	s->gate = gate;
	snprintf(s->path, sizeof s->path, "%s/listener.sock", dir);
	if (wire_listen(s->path, 16, &s->sock, &e))
		fail_msg("%s", e.msg);
	pthread_create(&s->thread, NULL, supervise, s);
	current = s;
	return s;
}

static void super_stop(struct super *s)
{
	void *ret;
	int i;

	s->stop = true;
	pthread_join(s->thread, &ret);
	for (i = 0; i < s->n_sessions; i++)
		pthread_join(s->session[i], &ret);
	close(s->sock);
	unlink(s->path);
	free(s);
	current = NULL;
}

static int stop_left(void **state)
{
	(void)state;
	if (current)
		super_stop(current);
	return 0;
}

/* One program run, its output (both streams), its end. */
struct run {
	int status; /* exit status; -1: killed at the deadline or by a signal */
	uint64_t ns;
	char out[OUT_MAX];
};

static struct run result; /* too large for the stack; each run begins anew */

static void collect(int fd, pid_t pid, uint64_t limit)
{
	const uint64_t begin = wire_deadline(0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool ended = false;
	size_t used = 0;
	int status = 0;
	ssize_t n;

	while (!ended && wire_deadline(0) < begin + limit) {
		ended = waitpid(pid, &status, WNOHANG) == pid;
		while (used < OUT_MAX - 1 && poll(&p, 1, ended ? 0 : 10) > 0) {
			n = read(fd, result.out + used, OUT_MAX - 1 - used);
			if (n <= 0)
				break;
			used += (size_t)n;
		}
	}
	result.ns = wire_deadline(0) - begin;
	result.out[used] = '\0';
	if (!ended) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	result.status = ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run(const char *const argv[], const char *stdin_path, uint64_t limit)
{
	int out[2];
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(open(stdin_path, O_RDWR), STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(out[1]);
	collect(out[0], pid, limit);
	close(out[0]);
}

static void write_file(const char *name, const char *text, size_t len)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static struct json_object *words(const char *const *list)
{
	struct json_object *a = json_object_new_array();

	for (; *list; list++)
		json_object_array_add(a, json_object_new_string(*list));
	return a;
}

struct container {
	const char *script;
	const char *hook;      /* NULL: none */
	const char *stage;     /* NULL: prestart */
	const char *failpoint; /* NULL: none */
	const char *timeout;   /* NULL: 5s */
	const char *seccomp;   /* NULL: none */
	bool userns;
	bool crun;        /* in a mount namespace with cgroup2, which it insists on */
	int hook_seconds; /* the runtime's own limit; 0: none */
};

static void add_hook(struct json_object *config, const struct container *c)
{
	char sock[PATH_MAX], env[128];
	struct json_object *hook = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct json_object *hooks = json_object_new_object();

	snprintf(sock, sizeof sock, "%s/listener.sock", dir);
	snprintf(env, sizeof env, "WARDER_FAILPOINT=%s", c->failpoint ? c->failpoint : "");
	json_object_object_add(hook, "path", json_object_new_string(c->hook));
	json_object_object_add(hook, "args",
			       words((const char *const[]){
				       "warder-hook", "--socket", sock, "--timeout",
				       c->timeout ? c->timeout : "5s", NULL }));
	json_object_object_add(hook, "env", words((const char *const[]){ env, NULL }));
	if (c->hook_seconds)
		json_object_object_add(hook, "timeout", json_object_new_int(c->hook_seconds));
	json_object_array_add(list, hook);
	json_object_object_add(hooks, c->stage ? c->stage : "prestart", list);
	json_object_object_add(config, "hooks", hooks);
}

static struct json_object *id_map(void)
{
	return json_tokener_parse("[{\"containerID\":0,\"hostID\":0,\"size\":65536}]");
}

static void write_bundle(const struct container *c)
{
	struct json_object *config, *process, *linux_part, *list;
	char path[PATH_MAX];
	const char *text;

	snprintf(path, sizeof path, "%s/spec.json", dir);
	config = json_object_from_file(path);
	assert_non_null(config);
	assert_true(json_object_object_get_ex(config, "process", &process));
	assert_true(json_object_object_get_ex(config, "linux", &linux_part));
	json_object_object_add(process, "terminal", json_object_new_boolean(0));
	json_object_object_add(process, "args",
			       words((const char *const[]){ "/bin/busybox", "sh", "-c", c->script,
							    NULL }));
	if (c->hook)
		add_hook(config, c);
	if (c->seccomp)
		json_object_object_add(linux_part, "seccomp", json_tokener_parse(c->seccomp));
	if (c->userns) {
		assert_true(json_object_object_get_ex(linux_part, "namespaces", &list));
		json_object_array_add(list, json_tokener_parse("{\"type\":\"user\"}"));
		json_object_object_add(linux_part, "uidMappings", id_map());
		json_object_object_add(linux_part, "gidMappings", id_map());
	}
	text = json_object_to_json_string(config);
	write_file("config.json", text, strlen(text));
	json_object_put(config);
}

static void runtime(const struct container *c, const char *verb, const char *id)
{
	static const char crun[] = "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup;"
				   "exec crun --cgroup-manager=disabled \"$@\"";
	const char *const enter[] = { "unshare", "-m", "sh", "-c", crun, "crun" };
	const char *argv[16];
	char root[PATH_MAX];
	size_t n = 0;

	if (c->crun)
		for (; n < ARRAY_LEN(enter); n++)
			argv[n] = enter[n];
	else
		argv[n++] = "runc";
	snprintf(root, sizeof root, "%s/root", dir);
	argv[n++] = "--root";
	argv[n++] = root;
	argv[n++] = verb;
	argv[n++] = strcmp(verb, "run") == 0 ? "--bundle" : "-f";
	if (strcmp(verb, "run") == 0)
		argv[n++] = dir;
	argv[n++] = id;
	argv[n] = NULL;
	run(argv, "/dev/null", 15U * (uint64_t)SECOND);
}

static void run_container(const struct container *c)
{
	static struct run kept;
	char id[64];

	write_bundle(c);
	snprintf(id, sizeof id, "warder-test-%d-%d", getpid(), n_containers++);
	runtime(c, "run", id);
	if (result.status >= 0)
		return;
	kept = result;
	runtime(c, "delete", id);
	result = kept;
}

/* The one line of the hook within runc's own message. */
static void assert_refused_with(const char *part)
{
	const char *line = strstr(result.out, "warder-hook: container warder-test-");

	assert_true(result.status > 0);
	if (!line || !strstr(line, part))
		fail_msg("no \"%s\" in: %s", part, result.out);
	assert_null(strstr(line + 1, "warder-hook: container"));
	assert_null(strstr(result.out, "started"));
}

static const char account[] =
	"busybox ls /proc/1/fd /proc/self/fd;"
	"busybox grep -E '^(NoNewPrivs|Cap...|SigBlk|SigIgn|SigCgt|Groups|Uid|Gid|Threads)' "
	"/proc/self/status; busybox ls -R /bin /dev /proc/sys/user; echo started; exit 7";

static void test_same_as_without(void **state)
{
	static const struct {
		const char *stage;
		bool userns, crun;
	} rows[] = {
		{ "prestart", false, false },      { "prestart", true, false },
		{ "createRuntime", false, false }, { "createRuntime", true, false },
		{ "prestart", false, true },       { "createRuntime", false, true },
	};
	struct container c = { .script = account };
	struct super *s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *plain = NULL;

		c.userns = rows[i].userns;
		c.crun = rows[i].crun;
		c.hook = NULL;
		run_container(&c);
		assert_int_equal(result.status, 7);
		plain = strdup(result.out);
		c.stage = rows[i].stage;
		c.hook = hook_path;
		s = super_start(SERVE, GATE(notify_all));
		run_container(&c);
		print_message("  %s, %s%s: %d calls\n", c.crun ? "crun" : "runc", c.stage,
			      c.userns ? ", user namespace" : "", s->calls);
		assert_string_equal(result.out, plain);
		assert_non_null(strstr(result.out, "started"));
		assert_int_equal(result.status, 7);
		assert_int_equal(s->handed, 1);
		assert_true(s->calls > 200);
		super_stop(s);
	}
}

static void test_many(void **state)
{
	const struct container c = { .script = "echo started; exit 3", .hook = hook_path };
	struct super *s = super_start(SERVE, GATE(notify_all));
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		run_container(&c);
		if (result.status != 3)
			fail_msg("round %d: %d: %s", i, result.status, result.out);
	}
	assert_int_equal(s->handed, 20);
	super_stop(s);
}

static void test_exempt(void **state)
{
	const struct container c = { .script = "echo started; exit 3", .hook = hook_path };
	struct super *s = super_start(EXEMPT, GATE(notify_all));

	(void)state;
	run_container(&c);
	assert_int_equal(result.status, 3);
	assert_string_equal(result.out, "started\n");
	assert_int_equal(s->asked, 1);
	assert_int_equal(s->handed, 0);
	super_stop(s);
}

static void test_supervisor_fails(void **state)
{
	static const struct {
		enum how how;
		const char *part;
	} rows[] = {
		{ REFUSE, "policy web: not installed" },
		{ SILENT, "Connection timed out" },
		{ HANGUP, "closed the connection" },
		{ NO_PROGRAM, "0 descriptors" },
		{ BAD_PROGRAM, "" },
		{ NO_ACK, "Connection timed out" },
		{ HANGUP_AFTER, "closed the connection" },
	};
	const struct container c = { .script = "echo started",
				     .hook = hook_path,
				     .timeout = "500ms" };
	struct super *s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		s = super_start(rows[i].how, GATE(notify_all));
		run_container(&c);
		assert_refused_with(rows[i].part);
		assert_true(result.ns < 3U * (uint64_t)SECOND);
		super_stop(s);
	}
}

static void test_supervisor_absent(void **state)
{
	const struct container c = { .script = "echo started", .hook = hook_path };

	(void)state;
	run_container(&c);
	assert_refused_with("is warderd running");
	assert_true(result.ns < 2U * (uint64_t)SECOND);
}

/* There the state's pid is one of the container's pid namespace (runc: 1, crun: 0). */
static void test_wrong_stage(void **state)
{
	struct container c = { .script = "echo started",
			       .hook = hook_path,
			       .stage = "createContainer" };
	struct super *s = super_start(SERVE, GATE(notify_all));

	(void)state;
	run_container(&c);
	assert_refused_with("prestart or createRuntime");
	c.crun = true; /* it does not show the hook's line at this stage */
	run_container(&c);
	assert_true(result.status > 0);
	assert_null(strstr(result.out, "started"));
	assert_int_equal(s->asked, 0);
	super_stop(s);
}

static void test_own_profile(void **state)
{
	static const char *const refused[] = {
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],"
		"\"action\":\"SCMP_ACT_NOTIFY\"}]}",
	};
	struct container c = { .script = "busybox mkdir /x; echo started", .hook = hook_path };
	struct super *s = super_start(SERVE, GATE(notify_all));
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(refused); i++) {
		c.seccomp = refused[i];
		run_container(&c);
		assert_true(result.status > 0);
		assert_null(strstr(result.out, "started"));
	}
	assert_int_equal(s->asked, 0);
	c.seccomp = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],"
		    "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":95}]}";
	run_container(&c);
	assert_non_null(strstr(result.out, "started"));
	assert_non_null(strstr(result.out, "not supported"));
	super_stop(s);
}

static const char *const steps[] = { "asked",     "seized",  "mapped",   "written",
				     "installed", "fetched", "unmapped", "closed",
				     "detached",  "sent",    "acked" };

static void fail_at(struct container *c, const char *step, const char *how, struct bpf_prog gate)
{
	struct super *s = super_start(SERVE, gate);
	char failpoint[64];

	snprintf(failpoint, sizeof failpoint, "hook.%s=%s", step, how);
	c->failpoint = failpoint;
	run_container(c);
	if (result.status <= 0 || strstr(result.out, "started") || !strstr(result.out, "hook"))
		fail_msg("%s: %d: %s", failpoint, result.status, result.out);
	assert_true(result.ns < 5U * (uint64_t)SECOND);
	print_message("  %s, %s at %s: aborted after %llu ms\n", c->crun ? "crun" : "runc", how,
		      step, (unsigned long long)result.ns / 1000000);
	super_stop(s);
}

/* The hook dies at each step: the container does not start, and nothing hangs. */
static void test_killed_at_each_step(void **state)
{
	struct container c = { .script = "echo started", .hook = hook_fail_path };
	size_t i;

	(void)state;
	if (access(hook_fail_path, X_OK) < 0)
		fail_msg("%s: build it with -DWARDER_FAILPOINTS", hook_fail_path);
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		c.crun = false;
		fail_at(&c, steps[i], "kill", GATE(notify_all));
		fail_at(&c, steps[i], "kill", GATE(notify_exec));
		c.crun = true;
		fail_at(&c, steps[i], "kill", GATE(notify_all));
	}
}

/* A hook that hangs is ended by the runtime's own limit for it. */
static void test_hung_at_each_step(void **state)
{
	struct container c = { .script = "echo started",
			       .hook = hook_fail_path,
			       .hook_seconds = 1 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(steps); i++)
		fail_at(&c, steps[i], "stop", GATE(notify_all));
}

/* The hook alone, on a process of ours. */
static void run_hook(pid_t pid, const char *status, const char *mode)
{
	char state[PATH_MAX], sock[PATH_MAX], text[PATH_MAX + 256];

	snprintf(text, sizeof text,
		 "{\"ociVersion\":\"1.0.2\",\"id\":\"warder-test-alone\",\"status\":\"%s\","
		 "\"pid\":%d,\"bundle\":\"%s\"}",
		 status, pid, dir);
	write_file("state.json", text, strlen(text));
	snprintf(state, sizeof state, "%s/state.json", dir);
	snprintf(sock, sizeof sock, "%s/listener.sock", dir);
	run((const char *const[]){ hook_path, "--socket", sock, "--mode", mode, NULL }, state,
	    10U * (uint64_t)SECOND);
}

static pid_t start(void (*before)(void))
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		before();
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user id clears it */
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void as_it_is(void)
{
}

static void powerless(void)
{
	if (setgid(65534) || setuid(65534) || prctl(PR_SET_DUMPABLE, 1))
		_exit(1);
}

static void filtered(void)
{
	struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog prog = { ARRAY_LEN(allow), allow };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		_exit(1);
}

static void *filtered_thread(void *ready)
{
	filtered();
	atomic_store((atomic_int *)ready, 1);
	for (;;)
		pause();
	return NULL;
}

static void thread_filtered(void)
{
	static atomic_int ready;
	pthread_t t;

	pthread_create(&t, NULL, filtered_thread, &ready);
	while (!ready)
		sched_yield();
}

static void test_targets_refused(void **state)
{
	static const struct {
		void (*before)(void);
		const char *part;
	} rows[] = {
		{ powerless, "Permission denied (it has neither CAP_SYS_ADMIN" },
		{ filtered, "has a seccomp filter already" },
		{ thread_filtered, "one of its threads has a seccomp filter" },
	};
	const struct container c = { .script = "true" };
	struct super *s = super_start(SERVE, GATE(notify_all));
	const pid_t wrong[] = { 0, 1, getpid() };
	size_t i;
	pid_t pid;

	(void)state;
	write_bundle(&c);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		pid = start(rows[i].before);
		run_hook(pid, "creating", "audit");
		assert_int_equal(result.status, 1);
		if (!strstr(result.out, rows[i].part))
			fail_msg("no \"%s\" in: %s", rows[i].part, result.out);
		assert_ptr_equal(strchr(result.out, '\n'), result.out + strlen(result.out) - 1);
		assert_int_equal(kill(pid, 0), 0);
		end(pid);
	}
	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		run_hook(wrong[i], "creating", "audit");
		assert_int_equal(result.status, 1);
		assert_non_null(strstr(result.out, "prestart or createRuntime"));
	}
	run_hook(pid, "creating", "audit");
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.out, "No such process"));
	run_hook(getppid(), "running", "audit");
	assert_non_null(strstr(result.out, "running already"));
	assert_int_equal(s->handed, 0);
	super_stop(s);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_times(const char *what, uint64_t *ns, size_t n)
{
	qsort(ns, n, sizeof *ns, by_value);
	print_message("  %s: the whole hook takes %llu us (median), %llu us (worst)\n", what,
		      (unsigned long long)ns[n / 2] / 1000, (unsigned long long)ns[n - 1] / 1000);
}

static void test_alone(void **state)
{
	struct super *s = super_start(SERVE, GATE(notify_all));
	const struct container c = { .script = "true" };
	uint64_t ns[20];
	char mode[8];
	struct err e;
	pid_t pid;
	size_t i;

	(void)state;
	write_bundle(&c);
	for (i = 0; i < ARRAY_LEN(ns); i++) {
		pid = start(as_it_is);
		run_hook(pid, "created", "enforce");
		if (result.status)
			fail_msg("%s", result.out);
		assert_string_equal(result.out, "");
		assert_int_equal(inject_status(pid, "Seccomp", mode, sizeof mode, &e), 0);
		assert_string_equal(mode, "2");
		ns[i] = result.ns;
		end(pid);
	}
	super_stop(s);
	print_times("an idle process", ns, ARRAY_LEN(ns));
}

/* Of a process with busy threads: what they counted, shared with us. */
static struct {
	atomic_long good, bad;
} * busy;

static void on_alarm(int sig)
{
	(void)sig;
}

static void *busy_thread(void *arg)
{
	const pid_t parent = getppid();
	const pid_t self = getpid();

	for (;;)
		if (syscall(SYS_getppid) == parent && syscall(SYS_getpgid, 0) >= 0 &&
		    syscall(SYS_getpid) == self)
			busy->good++;
		else
			busy->bad++;
	return arg;
}

static void many_busy_threads(void)
{
	const struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	const struct itimerval often = { { 0, 500 }, { 0, 500 } };
	pthread_t t;
	int i;

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < 4; i++)
		pthread_create(&t, NULL, busy_thread, NULL);
}

/* Every call of 5 threads is notified while the hook is at work there; none is lost. */
static void test_busy_threads(void **state)
{
	const struct container c = { .script = "true" };
	struct super *s = super_start(SERVE, GATE(notify_all));
	uint64_t ns[20];
	long before;
	size_t i;
	pid_t pid;

	(void)state;
	write_bundle(&c);
	for (i = 0; i < ARRAY_LEN(ns); i++) {
		memset(busy, 0, sizeof *busy);
		pid = start(many_busy_threads);
		run_hook(pid, "created", "enforce");
		if (result.status)
			fail_msg("round %zu: %s", i, result.out);
		ns[i] = result.ns;
		before = busy->good;
		while (busy->good < before + 100)
			assert_int_equal(kill(pid, 0), 0);
		assert_int_equal(busy->bad, 0);
		end(pid);
	}
	assert_int_equal(s->handed, ARRAY_LEN(ns));
	super_stop(s);
	print_times("5 busy threads", ns, ARRAY_LEN(ns));
}

static void test_bad_input(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "\xff\xfe", "{\"id\":\"../..\"}" };
	static char large[2 * 1024 * 1024];
	char path[PATH_MAX];
	size_t i;

	(void)state;
	snprintf(path, sizeof path, "%s/state.json", dir);
	for (i = 0; i <= ARRAY_LEN(texts); i++) {
		memset(large, ' ', sizeof large);
		if (i < ARRAY_LEN(texts))
			write_file("state.json", texts[i], strlen(texts[i]));
		else
			write_file("state.json", large, sizeof large);
		run((const char *const[]){ hook_path, NULL }, path, 5U * (uint64_t)SECOND);
		assert_int_equal(result.status, 1);
		assert_int_equal(strncmp(result.out, "warder-hook: ", 13), 0);
		assert_ptr_equal(strchr(result.out, '\n'), result.out + strlen(result.out) - 1);
	}
}

/* stdin that never ends: opened for reading and writing, a fifo gives nothing and no end. */
static void test_stdin_hangs(void **state)
{
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	run((const char *const[]){ hook_path, "--timeout", "200ms", NULL }, path,
	    5U * (uint64_t)SECOND);
	unlink(path);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.out, "stdin"));
	assert_true(result.ns < SECOND);
}

static void test_options(void **state)
{
	static const struct {
		const char *arg, *value;
		int status;
		const char *part;
	} rows[] = {
		{ "--help", NULL, 0, "--socket" },
		{ "--version", NULL, 0, "" },
		{ "--mode", "record", 1, "neither audit nor enforce" },
		{ "--nonsense", NULL, 1, "nonsense" },
		{ "--timeout", "soon", 1, "timeout" },
		{ "words", NULL, 1, "words" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		run((const char *const[]){ hook_path, rows[i].arg, rows[i].value, NULL },
		    "/dev/null", 5U * (uint64_t)SECOND);
		assert_int_equal(result.status, rows[i].status);
		if (!strstr(result.out, rows[i].part))
			fail_msg("%s: %s", rows[i].arg, result.out);
	}
}

static int group_setup(void **state)
{
	char cmd[512];

	(void)state;
	strcpy(dir, "/tmp/warder-live-hook.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	busy = mmap(NULL, sizeof *busy, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (busy == MAP_FAILED)
		return -1;
	snprintf(cmd, sizeof cmd,
		 "cd %s && chmod 755 . && mkdir -p rootfs/bin rootfs/proc rootfs/dev rootfs/sys && "
		 "cp /bin/busybox rootfs/bin/ && chmod -R go+rX rootfs && runc spec && "
		 "mv config.json spec.json",
		 dir);
	return system(cmd);
}

static int group_teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

static const char *absolute(const char *variable, const char *fallback)
{
	const char *path = getenv(variable);
	char *real = realpath(path ? path : fallback, NULL);

	return real ? real : fallback;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_options, stop_left),
		cmocka_unit_test_teardown(test_bad_input, stop_left),
		cmocka_unit_test_teardown(test_stdin_hangs, stop_left),
		cmocka_unit_test_teardown(test_alone, stop_left),
		cmocka_unit_test_teardown(test_busy_threads, stop_left),
		cmocka_unit_test_teardown(test_targets_refused, stop_left),
		cmocka_unit_test_teardown(test_same_as_without, stop_left),
		cmocka_unit_test_teardown(test_many, stop_left),
		cmocka_unit_test_teardown(test_exempt, stop_left),
		cmocka_unit_test_teardown(test_supervisor_fails, stop_left),
		cmocka_unit_test_teardown(test_supervisor_absent, stop_left),
		cmocka_unit_test_teardown(test_wrong_stage, stop_left),
		cmocka_unit_test_teardown(test_own_profile, stop_left),
		cmocka_unit_test_teardown(test_killed_at_each_step, stop_left),
		cmocka_unit_test_teardown(test_hung_at_each_step, stop_left),
	};

	hook_path = absolute("WARDER_HOOK", "build/warder-hook");
	hook_fail_path = absolute("WARDER_HOOK_FAIL", "build/fail/warder-hook");
	return cmocka_run_group_tests_name("live/hook", tests, group_setup, group_teardown);
}
