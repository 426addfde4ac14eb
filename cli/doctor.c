/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - warder doctor: tries what this host can do; one row each, codes that stay. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cli.h"
#include "inside.h"
#include "probe.h"
#include "warder/json.h"
#include "warder/names.h"
#include "warder/opt.h"
#include "warder/own.h"
#include "warder/wire.h"

#define DEFAULT_SOCKET "/run/warder/listener.sock"
#define OUTPUT_MAX     (64UL * 1024)

enum level { OK, WARN, FAIL };

static const char *const level_words[] = { [OK] = "ok", [WARN] = "warn", [FAIL] = "FAIL" };

struct row {
	const char *code, *what;
	probe_fn *probe;
	const void *arg;    /* NULL: the path of warderd's socket */
	enum level missing; /* what it is when the probe says no */
	const char *cost;   /* what is lost without it, and how to mend it */
};

/* --- runtimes --- */

/* stdout of a program, without a shell; -errno or its exit status. */
static int output_of(const char *const *argv, char *buf, size_t size)
{
	int fds[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	buf[0] = 0;
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 2) < 0 || dup2(fds[1], 1) < 0)
			_exit(126);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(fds[1]);
	while (used < size - 1 && (n = read(fds[0], buf + used, size - 1 - used)) > 0)
		used += (size_t)n;
	buf[used] = 0;
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

/* "runc version 1.1.5+ds1", "podman version 4.3.1", "Docker version 20.10.24, build x": the word
 * that begins with a digit. */
static void version_of(const char *output, char *buf, size_t size)
{
	const char *p = output;

	while (*p && *p != '\n' && !((*p >= '0' && *p <= '9') && p > output && p[-1] == ' '))
		p++;
	snprintf(buf, size, "%.*s", (int)strcspn(p, " ,\n"), p);
	err_clean(buf);
}

static bool member(struct json_object *in, const char *key, struct json_object **out)
{
	return in && json_object_object_get_ex(in, key, out);
}

/* What `RUNTIME features` says: is NOTIFY among its actions, and which libseccomp has it. */
static bool features_notify(const char *text, char *libseccomp, size_t size)
{
	struct json_object *doc = json_tokener_parse(text), *v = NULL, *actions = NULL;
	bool found = false;

	if (member(doc, "annotations", &v) && member(v, "io.github.seccomp.libseccomp.version", &v))
		snprintf(libseccomp, size, "%s", json_object_get_string(v));
	if (member(doc, "linux", &v) && member(v, "seccomp", &v) && member(v, "actions", &actions))
		for (size_t i = 0; i < json_object_array_length(actions); i++)
			found |= !strcmp(json_object_get_string(
						 json_object_array_get_idx(actions, i)),
					 "SCMP_ACT_NOTIFY");
	json_object_put(doc);
	return found;
}

/* arg: the program's name. Not installed is no fault. */
static void probe_engine(struct probe_result *out, const void *arg)
{
	const char *const argv[] = { arg, "--version", NULL };
	char text[4096], version[64];
	int r = output_of(argv, text, sizeof text);

	version_of(text, version, sizeof version);
	out->ok = r == 0 || r == 127;
	if (r)
		snprintf(out->text, sizeof out->text,
			 r == 127 ? "not installed" : "--version fails");
	else
		snprintf(out->text, sizeof out->text, "%s", version);
}

static void probe_runtime(struct probe_result *out, const void *arg)
{
	const char *const argv[] = { arg, "--version", NULL }, *const features[] = { arg,
										     "features",
										     NULL };
	auto_free char *text = calloc(1, OUTPUT_MAX);
	char libseccomp[32] = "";
	bool native;

	probe_engine(out, arg);
	if (!text || !out->ok || !strcmp(out->text, "not installed"))
		return;
	if (!output_of(features, text, OUTPUT_MAX))
		native = features_notify(text, libseccomp, sizeof libseccomp);
	else /* crun before 1.8.6 has no `features` */
		native = !output_of(argv, text, OUTPUT_MAX) && strstr(text, "+SECCOMP");
	snprintf(out->text + strlen(out->text), sizeof out->text - strlen(out->text), "%s%s, %s",
		 *libseccomp ? ", libseccomp " : "", libseccomp,
		 native ? "knows NOTIFY (listenerPath)" : "does not know NOTIFY");
	out->ok = native;
}

/* --- this process, and warderd --- */

static void probe_caps(struct probe_result *out, const void *arg)
{
	static const int needed[] = { CAP_SYS_PTRACE, CAP_KILL };
	cap_t caps = cap_get_proc();
	cap_flag_value_t value;
	size_t used = 0;

	(void)arg;
	out->ok = true;
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		value = CAP_CLEAR;
		if (caps)
			cap_get_flag(caps, needed[i], CAP_EFFECTIVE, &value);
		if (value == CAP_SET)
			continue;
		used += (size_t)snprintf(out->text + used, sizeof out->text - used, "%s%s",
					 out->ok ? "missing: " : ", ", names_cap_name(needed[i]));
		out->ok = false;
	}
	cap_free(caps);
	if (out->ok)
		snprintf(out->text, sizeof out->text, "all there");
}

static void probe_socket(struct probe_result *out, const void *arg)
{
	struct ucred peer;
	auto_fd sock = -1;
	struct err e;
	int r = wire_connect(arg, wire_deadline(1000000000), &sock, &e);

	if (!r)
		r = wire_peer(sock, &peer, &e);
	out->ok = !r;
	if (r)
		snprintf(out->text, sizeof out->text, "%.200s", e.msg);
	else
		snprintf(out->text, sizeof out->text, "%.150s answers (pid %d, uid %u)",
			 (const char *)arg, (int)peer.pid, (unsigned)peer.uid);
}

/* --- the rows --- */

static const struct row rows[] = {
	{ "W001", "kernel", probe_kernel, NULL, FAIL, "Warder needs Linux 5.7 or later" },
	{ "W002", "user notification", probe_actions, NULL, FAIL,
	  "nothing works; the kernel needs CONFIG_SECCOMP_FILTER" },
	{ "W003", "listener", probe_listener, NULL, FAIL,
	  "no call can be watched; is this a sandbox that forbids seccomp(2)?" },
	{ "W004", "continue", probe_continue, NULL, FAIL,
	  "audit and record cannot let calls through; Linux 5.5 has it" },
	{ "W005", "sync wake-up", probe_sync, NULL, WARN,
	  "each watched call costs 3 to 7 times as much; Linux 6.6 has it" },
	{ "W006", "wait killable", probe_killable, NULL, WARN,
	  "signals make programs (Go above all) repeat watched calls; Linux 5.19 has it" },
	{ "W007", "tsync with listener", probe_tsync, NULL, FAIL,
	  "the hook cannot cover a runtime with threads (runc); Linux 5.7 has it" },
	{ "W008", "pidfd_getfd", probe_pidfd_getfd, NULL, FAIL,
	  "the hook cannot take the listener; Linux 5.6 has it, a sandbox may forbid it" },
	{ "W009", "ptrace", probe_ptrace, NULL, FAIL,
	  "the hook cannot install a filter (use listenerPath); allow ptrace, set "
	  "kernel.yama.ptrace_scope below 3" },
	{ "W010", "process_vm_writev", probe_write, NULL, FAIL,
	  "the hook cannot install a filter (use listenerPath); the kernel needs "
	  "CONFIG_CROSS_MEMORY_ATTACH" },
	{ "W011", "end of a container", probe_end, NULL, FAIL,
	  "warderd does not notice that a container has ended" },
	{ "W012", "signals", probe_repeat, NULL, WARN,
	  "watched calls may be counted more than once" },
	{ "W013", "one watched call", probe_cost, NULL, WARN, "its cost is not known" },
	{ "W020", "runc", probe_runtime, "runc", WARN,
	  "listenerPath does not work with it; the hook does" },
	{ "W021", "crun", probe_runtime, "crun", WARN,
	  "listenerPath does not work with it; the hook does" },
	{ "W022", "containerd", probe_engine, "containerd", WARN, "it cannot be asked" },
	{ "W023", "podman", probe_engine, "podman", WARN, "it cannot be asked" },
	{ "W024", "dockerd", probe_engine, "dockerd", WARN, "it cannot be asked" },
	{ "W030", "warderd", probe_socket, NULL, WARN,
	  "containers with the hook do not start; start warderd, or see --socket" },
	{ "W031", "capabilities", probe_caps, NULL, WARN,
	  "hook and daemon cannot run as this user; `warder run` can" },
	{ "W040", "warderd capabilities", inside_caps, NULL, FAIL,
	  "whoever takes over that process has them; was warderd changed, or is it an older one?" },
	{ "W041", "warderd no_new_privs", inside_privs, NULL, FAIL,
	  "whoever takes over that process may gain privileges by running a program" },
	{ "W042", "warderd filters", inside_filters, NULL, FAIL,
	  "whoever takes over that process may make any system call" },
	{ "W043", "warderd network", inside_network, NULL, WARN,
	  "that process should have none; who opened it?" },
};
#define TIMEOUT_MS 5000

static void put(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_json(struct json_object *list, const struct row *row, enum level level,
		     const struct probe_result *found)
{
	struct json_object *o = json_object_new_object();

	put(o, "code", row->code);
	put(o, "level", level_words[level]);
	put(o, "what", row->what);
	put(o, "finding", found->text);
	if (level != OK)
		put(o, "cost", row->cost);
	json_object_array_add(list, o);
}

static void print_row(const struct row *row, enum level level, const struct probe_result *found)
{
	printf("%-4s %s  %s: %s%s%s\n", level_words[level], row->code, row->what, found->text,
	       level == OK ? "" : " - ", level == OK ? "" : row->cost);
	fflush(stdout);
}

static enum level examine(const struct row *row, const char *socket, struct json_object *list)
{
	struct probe_result found;
	enum level level;

	probe_run(row->probe, row->arg ? row->arg : socket, TIMEOUT_MS, &found);
	level = found.ok ? OK : row->missing;
	if (list)
		add_json(list, row, level, &found);
	else
		print_row(row, level, &found);
	return level;
}

static enum level examine_all(const char *socket, bool json)
{
	struct json_object *list = json ? json_object_new_array() : NULL;
	enum level worst = OK;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum level level = examine(&rows[i], socket, list);

		worst = level > worst ? level : worst;
	}
	if (json)
		printf("%s\n",
		       json_object_to_json_string_ext(list,
						      JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(list);
	return worst;
}

int cli_doctor(int argc, char **argv)
{
	const char *socket = DEFAULT_SOCKET;
	bool json = false;
	const struct opt options[] = {
		{ "json", 'j', OPT_FLAG, &json, NULL, "for programs" },
		{ "socket", 's', OPT_STR, &socket, "PATH",
		  "warderd's listener socket (default " DEFAULT_SOCKET ")" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder doctor",
		.args = "",
		.purpose = "Try what this host can do for Warder, and say what is missing.",
		.rows = options,
		.tail = "Each line: ok, warn or FAIL, a code that never changes (warder(1) lists\n"
			"them), what was tried, what was found, what it costs. Nothing is "
			"changed:\n"
			"all is tried in children that end.\n"
			"Exit status: 0 no FAIL, 1 some FAIL, 2 usage.\n"
			"\n"
			"Examples:\n"
			"  warder doctor\n"
			"  warder doctor --json | jq '.[] | select(.level != \"ok\")'\n",
	};
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && first != argc)
		r = err_set(&e, EINVAL, "words after the options (see %s --help)", usage.program);
	if (r)
		return cli_usage(usage.program, r, &e);
	return examine_all(socket, json) == FAIL ? CLI_FAILED : CLI_OK;
}
