/* SPDX-License-Identifier: Apache-2.0 */
/* cli.c - warder as its users call it: exit statuses, what is on stdout and stderr, the real
 * kernel under `run` and `doctor`. $WARDER_BUILD: where the program is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <json-c/json.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "warder/filter.h"
#include "warder/notify.h"
#include "warder/own.h"

#define WORDS 16

static const char policy_text[] =
	"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
	"{\"names\": [\"mkdir\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 13},"
	"{\"names\": [\"umask\"], \"action\": \"SCMP_ACT_KILL_PROCESS\"},"
	"{\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": ["
	"{\"index\": 0, \"value\": 8, \"op\": \"SCMP_CMP_EQ\"}]}],"
	"\"warder\": {\"rules\": [{\"names\": [\"rmdir\"], \"verdict\": \"deny\","
	" \"errno\": \"EXDEV\", \"live\": false}]}}";

static const char *const files[][2] = {
	{ "p.json", policy_text },
	{ "noexec.json",
	  "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"execve\"],"
	  "\"action\": \"SCMP_ACT_ERRNO\"}]}" },
	{ "sandbox.json",
	  "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"ptrace\","
	  "\"process_vm_writev\", \"pidfd_getfd\"], \"action\": \"SCMP_ACT_ERRNO\"}]}" },
	{ "strict.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"whatever\": 1}" },
	{ "bad.json", "{\"defaultAction\": \"SCMP_ACT_ALOW\"}" },
	{ "events",
	  "{\"time\":\"2026-11-24T12:00:00.000000000Z\",\"type\":\"call\",\"seq\":1,"
	  "\"syscall\":\"mkdir\",\"nr\":83,\"arch\":\"x86_64\",\"args\":[\"0x0\",\"0x0\",\"0x0\","
	  "\"0x0\",\"0x0\",\"0x0\"],\"verdict\":\"deny\",\"asked\":\"errno\",\"done\":\"errno\","
	  "\"errno\":\"EPERM\",\"rule\":\"default\",\"pid\":1,\"comm\":\"x\",\"count\":3}\n" },
};

static char program[PATH_MAX + 16];

static int set_up(void **state)
{
	static char dir[] = "/tmp/warder-cli-XXXXXX";
	const char *build = getenv("WARDER_BUILD");

	unsetenv("WARDER_POLICY");
	if (!realpath(build ? build : "build", program) || !mkdtemp(dir) || chmod(dir, 0777) ||
	    chdir(dir))
		return -1;
	strcat(program, "/warder");
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		FILE *f = fopen(files[i][0], "w");

		if (!f || fputs(files[i][1], f) < 0 || fclose(f))
			return -1;
	}
	*state = dir;
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
	return chdir("/") || system(command);
}

/* --- one call of the program --- */

struct called {
	int status; /* as of wait(2) */
	char out[65536], err[16384];
};

#define NOBODY     65534
#define OLD_KERNEL 1 /* root, on a kernel that lacks what came after 5.7 */

/* WAIT_KILLABLE_RECV and SYNC_WAKE_UP are refused as an older kernel does, and its version says
 * that RECV may block for ever. */
static void pretend_old_kernel(void)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_seccomp, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 5, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
	};
	const struct bpf_prog prog = { ARRAY_LEN(insn), insn };
	struct err e;

	if (personality(UNAME26) < 0 || filter_load(&prog, 0, NULL, &e))
		_exit(99);
}

static void become(uid_t who)
{
	if (who == OLD_KERNEL)
		pretend_old_kernel();
	else if (who && !geteuid() && (setgroups(0, NULL) || setgid(who) || setuid(who)))
		_exit(99);
}

static pid_t start(const char *const *words, uid_t who, int out, int err)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	become(who);
	if (dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(99);
	execvp(strcmp(words[0], "warder") ? words[0] : program, (char *const *)(uintptr_t)words);
	_exit(98);
}

static void slurp(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = 0;
	close(fd);
}

static void call(struct called *c, uid_t who, const char *const *words)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	pid_t pid = start(words, who, out, err);

	assert_int_equal(waitpid(pid, &c->status, 0), pid);
	slurp(out, c->out, sizeof c->out);
	slurp(err, c->err, sizeof c->err);
}

struct row {
	const char *words[WORDS];
	int status;
	const char *out, *err; /* must be in there; NULL: anything; "": nothing */
	uid_t who;             /* 0: as the test */
};

static bool fits(const char *text, const char *want)
{
	return !want || (*want ? strstr(text, want) != NULL : !*text);
}

static void check_rows(const struct row *rows, size_t n)
{
	auto_free struct called *c = calloc(1, sizeof *c);

	for (size_t i = 0; i < n; i++) {
		call(c, rows[i].who, rows[i].words);
		if (!WIFEXITED(c->status) || WEXITSTATUS(c->status) != rows[i].status ||
		    !fits(c->out, rows[i].out) || !fits(c->err, rows[i].err))
			fail_msg("row %zu (%s %s): status %#x\nstdout: %s\nstderr: %s", i,
				 rows[i].words[1], rows[i].words[2] ? rows[i].words[2] : "",
				 c->status, c->out, c->err);
	}
}

/* --- the tests --- */

static void verbs(void **state)
{
	static const struct row rows[] = {
		{ { "warder" }, 2, "", "usage: warder VERB", 0 },
		{ { "warder", "--help" }, 0, "Verbs:", "", 0 },
		{ { "warder", "help" }, 0, "doctor", "", 0 },
		{ { "warder", "--version" }, 0, "warder ", "", 0 },
		{ { "warder", "help", "run" }, 0, "usage: warder run", "", 0 },
		{ { "warder", "help", "policy" }, 0, "usage: warder policy VERB", "", 0 },
		{ { "warder", "help", "policy", "show" }, 0, "usage: warder policy show", "", 0 },
		{ { "warder", "nonsense" }, 2, "", "\"nonsense\" is no verb", 0 },
		{ { "warder", "policy", "nonsense" }, 2, "", "\"nonsense\" is no verb", 0 },
		{ { "warder", "doctor", "x" }, 2, "", "words after", 0 },
		{ { "warder", "run", "--nonsense" }, 125, "", "unknown option", 0 },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

static void policies(void **state)
{
	static const struct row rows[] = {
		{ { "warder", "policy", "check", "p.json" },
		  0,
		  "p.json: ok: 4 rules",
		  "note: ",
		  0 },
		{ { "warder", "policy", "check", "-q", "p.json" }, 0, "", "", 0 },
		{ { "warder", "policy", "check", "strict.json" }, 0, "1 warning\n", "whatever", 0 },
		{ { "warder", "policy", "check", "--strict", "strict.json" },
		  1,
		  "not ok",
		  NULL,
		  0 },
		{ { "warder", "policy", "check", "p.json", "bad.json" },
		  1,
		  "p.json: ok",
		  "bad.json: defaultAction",
		  0 },
		{ { "warder", "policy", "check", "none.json" }, 1, "", "none.json", 0 },
		{ { "warder", "policy", "check" }, 2, "", "no FILE", 0 },
		{ { "warder", "policy", "check", "--caps", "X", "p.json" }, 2, "", "--caps", 0 },
		{ { "warder", "policy", "show", "p.json" }, 0, "errno EACCES", "", 0 },
		{ { "warder", "policy", "show", "p.json" }, 0, "(in the kernel: no event)", "", 0 },
		{ { "warder", "policy", "show", "-s", "personality", "p.json" },
		  0,
		  "A0 == 0x8 -> errno EPERM  (syscalls[2])",
		  "",
		  0 },
		{ { "warder", "policy", "show", "-s", "nonsense", "p.json" },
		  1,
		  "",
		  "nonsense",
		  0 },
		{ { "warder", "policy", "show", "--bpf", "p.json" }, 0, "gate: ", "", 0 },
		{ { "warder", "policy", "show", "--meaning", "p.json" }, 0, "meaning: ", "", 0 },
		{ { "warder", "policy", "show", "--arch", "vax", "p.json" }, 2, "", "--arch", 0 },
		{ { "warder", "policy", "show" }, 2, "", "FILE", 0 },
		{ { "warder", "policy", "replay", "p.json", "events" },
		  1,
		  "3 calls, 3 decided differently",
		  "",
		  0 },
		{ { "warder", "policy", "replay", "p.json", "p.json" },
		  1,
		  "lines not understood",
		  "p.json:1: ",
		  0 },
		{ { "warder", "policy", "replay", "p.json", "/dev/null" }, 0, "0 calls", "", 0 },
		{ { "warder", "policy", "replay", "p.json", "none" }, 1, "", "open none", 0 },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

#define RUN      "warder", "run", "-p", "p.json"
#define SH(text) "--", "sh", "-c", text

static void runs(void **state)
{
	static const struct row rows[] = {
		{ { RUN, SH("echo hi; exit 3") }, 3, "hi\n", "would have blocked 0", 0 },
		{ { RUN, "-q", SH("mkdir d1 && rm -rf d1") }, 0, "", "", 0 },
		{ { RUN, SH("mkdir d2 && rm -rf d2") },
		  0,
		  "",
		  "mkdir    errno EACCES  let through",
		  0 },
		{ { RUN, "-m", "enforce", SH("mkdir d3") }, 1, "", "refused", 0 },
		{ { RUN, "-m", "enforce", SH("umask 0") }, 137, "", "killed", 0 },
		{ { RUN, "-m", "record", SH("echo hi") }, 0, "hi\n", "record", 0 },
		{ { RUN, "-m", "nonsense", SH("echo hi") }, 125, "", "--mode", 0 },
		{ { RUN, "-e", "-", SH("mkdir d4; rm -rf d4") },
		  0,
		  "",
		  "\"syscall\":\"mkdir\"",
		  0 },
		{ { RUN, "-e", "/nonexistent/e", SH("echo hi") }, 125, "", "/nonexistent/e", 0 },
		{ { RUN, SH("kill -TERM $$") }, 143, "", NULL, 0 },
		{ { RUN, "--", "/nonexistent/command" }, 127, "", "No such file", 0 },
		{ { RUN, "--", "/etc/passwd" }, 126, "", "Permission denied", 0 },
		{ { RUN }, 125, "", "no CMD", 0 },
		{ { "warder", "run", "-p", "noexec.json", "-m", "enforce", "echo", "hi" },
		  126,
		  "",
		  "forbid execve",
		  0 },
		{ { "warder", "run", "-p", "bad.json", "true" },
		  125,
		  "",
		  "bad.json: defaultAction",
		  0 },
		{ { "warder", "run", "-p", "none.json", "true" }, 125, "", "none.json", 0 },
		{ { RUN, "-m", "enforce", SH("id -u; mkdir d5") },
		  1,
		  "65534\n",
		  "no_new_privs",
		  NOBODY },
		{ { RUN, "-m", "enforce", SH("echo hi; mkdir d8") },
		  1,
		  "hi\n",
		  "refused",
		  OLD_KERNEL },
		{ { RUN, SH("grep NoNewPrivs /proc/self/status") }, 0, "\t1", NULL, NOBODY },
	};

	(void)state;
	check_rows(rows, ARRAY_LEN(rows));
}

/* By name from the environment; without one, a clear refusal (unless the host has a default). */
static void policy_from_environment(void **state)
{
	static const char *const words[] = { "warder", "run", "sh", "-c", "mkdir d7; rm -rf d7",
					     NULL };
	auto_free struct called *c = calloc(1, sizeof *c);

	(void)state;
	if (access("/etc/warder/policies/default.json", F_OK)) {
		call(c, 0, words);
		assert_int_equal(WEXITSTATUS(c->status), 125);
		assert_non_null(strstr(c->err, "no policy: give --policy FILE"));
	}
	setenv("WARDER_POLICY", "p.json", 1);
	call(c, 0, words);
	unsetenv("WARDER_POLICY");
	assert_int_equal(c->status, 0);
	assert_non_null(strstr(c->err, "policy p, audit: would have blocked 1 of"));
}

/* The command's output through a pipe: waits for its end-of-file. */
static void read_all(int fd, char *buf, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used < size - 1 && (n = read(fd, buf + used, size - 1 - used)) > 0)
		used += (size_t)n;
	buf[used] = 0;
}

/* What the command leaves running is served to its end; the exit status is still the command's. */
static void descendants(void **state)
{
	static const char *const words[] = {
		RUN,
		"-q",
		"-m",
		"enforce",
		SH("(read x; mkdir d6 2>/dev/null || echo refused) <fifo & exit 4"),
		NULL
	};
	char text[64];
	int out[2], status, fifo;
	pid_t pid;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = start(words, 0, out[1], 2);
	close(out[1]);
	fifo = open("fifo", O_WRONLY | O_CLOEXEC);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(write(fifo, "\n", 1), 1);
	close(fifo);
	read_all(out[0], text, sizeof text);
	assert_string_equal(text, "refused\n");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 4);
	close(out[0]);
}

static void signals_are_passed_on(void **state)
{
	static const char *const words[] = {
		RUN, "-q", SH("trap 'echo got; exit 7' TERM; echo ready; while :; do read x; done"),
		NULL
	};
	char text[64];
	int out[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = start(words, 0, out[1], 2);
	close(out[1]);
	assert_int_equal(read(out[0], text, 6), 6);
	kill(pid, SIGTERM);
	read_all(out[0], text, sizeof text);
	assert_string_equal(text, "got\n");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	close(out[0]);
}

/* The command has the descriptors, signal mask and dispositions that it would have without us. */
static void nothing_leaks(void **state)
{
	static const char show[] = "ls /proc/self/fd | wc -l; grep -E '^(SigBlk|SigIgn)' "
				   "/proc/self/status; cat /proc/self/oom_score_adj";
	static const char *const words[] = { RUN, "-q", SH(show), NULL };
	static const char *const plain[] = { "sh", "-c", show, NULL };
	auto_free struct called *with = calloc(1, sizeof *with), *without = calloc(1, sizeof *with);

	(void)state;
	call(without, 0, plain);
	call(with, 0, words);
	assert_string_equal(with->out, without->out);
}

static struct json_object *parsed(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	assert_non_null(o);
	return o;
}

static const char *string(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static void show_for_programs(void **state)
{
	static const char *const words[] = { "warder", "policy", "show", "-j", "p.json", NULL };
	auto_free struct called *c = calloc(1, sizeof *c);
	struct json_object *doc, *list, *o;
	int seen = 0;

	(void)state;
	call(c, 0, words);
	doc = parsed(c->out);
	list = json_object_object_get(doc, "syscalls");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		if (!strcmp(string(o, "name"), "mkdir")) {
			assert_string_equal(string(o, "errno"), "EACCES");
			seen++;
		} else if (!strcmp(string(o, "name"), "personality")) {
			assert_string_equal(string(o, "verdict"), "by_args");
			seen++;
		} else if (!strcmp(string(o, "name"), "rmdir")) {
			assert_string_equal(string(o, "in_kernel"), "true");
			seen++;
		}
	}
	assert_int_equal(seen, 3);
	json_object_put(doc);
}

/* Every row is there, with a code of its own; as an ordinary user too. */
static void doctor(void **state)
{
	static const char *const words[] = { "warder", "doctor", "--json", NULL };
	auto_free struct called *c = calloc(1, sizeof *c);
	static const uid_t users[] = { 0, NOBODY };
	struct json_object *list, *o;

	(void)state;
	for (size_t u = 0; u < ARRAY_LEN(users); u++) {
		call(c, users[u], words);
		if (c->status)
			fail_msg("status %#x: %s %s", c->status, c->out, c->err);
		list = parsed(c->out);
		assert_true(json_object_array_length(list) > 15);
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			o = json_object_array_get_idx(list, i);
			assert_true(strlen(string(o, "finding")) > 0);
			assert_int_equal(string(o, "code")[0], 'W');
			if (i)
				assert_true(strcmp(string(o, "code"),
						   string(json_object_array_get_idx(list, i - 1),
							  "code")) > 0);
		}
		json_object_put(list);
	}
}

/* Under a filter that forbids what it tries, the doctor says so, and ends. */
static void doctor_in_a_sandbox(void **state)
{
	static const char *const lines[] = {
		"FAIL W003  listener: ", "under a listener already",
		"FAIL W008  pidfd_getfd: Operation not permitted",
		"FAIL W009  ptrace: Operation not permitted",
		"FAIL W010  process_vm_writev: Operation not permitted"
	};
	const char *const words[] = { "warder", "run",     "-q",    "-p",     "sandbox.json",
				      "-m",     "enforce", program, "doctor", NULL };
	auto_free struct called *c = calloc(1, sizeof *c);
	const char *given = getenv("LSAN_OPTIONS");
	auto_free char *before = NULL;

	(void)state;
	if (given)
		before = strdup(given);
	setenv("LSAN_OPTIONS", "detect_leaks=0", 1); /* it would trace the program in there */
	call(c, 0, words);
	setenv("LSAN_OPTIONS", before ? before : "", 1);
	assert_int_equal(WEXITSTATUS(c->status), 1);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr(c->out, lines[i]))
			fail_msg("not in there: %s\n%s", lines[i], c->out);
}

static void doctor_on_an_old_kernel(void **state)
{
	static const char *const lines[] = { "FAIL W001  kernel: Linux 2.6.", "ok   W003  listener",
					     "warn W005  sync wake-up: Invalid argument",
					     "warn W006  wait killable: Invalid argument",
					     "(without WAIT_KILLABLE_RECV)" };
	static const char *const words[] = { "warder", "doctor", NULL };
	auto_free struct called *c = calloc(1, sizeof *c);

	(void)state;
	call(c, OLD_KERNEL, words);
	assert_int_equal(WEXITSTATUS(c->status), 1);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr(c->out, lines[i]))
			fail_msg("not in there: %s\n%s", lines[i], c->out);
}

/* One filter chain has one listener. */
static void not_within_itself(void **state)
{
	const char *const words[] = { "warder", "run", "-q",     "-p",   "p.json", program,
				      "run",    "-p",  "p.json", "true", NULL };
	auto_free struct called *c = calloc(1, sizeof *c);

	(void)state;
	call(c, 0, words);
	assert_int_equal(WEXITSTATUS(c->status), 125);
	assert_non_null(strstr(c->err, "under a listener already"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs),
		cmocka_unit_test(policies),
		cmocka_unit_test(runs),
		cmocka_unit_test(policy_from_environment),
		cmocka_unit_test(descendants),
		cmocka_unit_test(signals_are_passed_on),
		cmocka_unit_test(nothing_leaks),
		cmocka_unit_test(show_for_programs),
		cmocka_unit_test(doctor),
		cmocka_unit_test(doctor_in_a_sandbox),
		cmocka_unit_test(doctor_on_an_old_kernel),
		cmocka_unit_test(not_within_itself),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
