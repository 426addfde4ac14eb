/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - warder-hook: the OCI hook that brings a container under warderd.
 *
 * One row a stage, one deadline over all of them. Whatever fails, the exit status is 1 with one
 * line on stderr, and the runtime does not start the container. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "install.h"
#include "warder/ask.h"
#include "warder/exempt.h"
#include "warder/failpoint.h"
#include "warder/json.h"
#include "warder/oci.h"
#include "warder/opt.h"
#include "warder/own.h"
#include "warder/wire.h"

#define DEFAULT_SOCKET "/run/warder/listener.sock"

struct hook {
	const char *socket;
	const char *config_file; /* warderd's; NULL: not read */
	const char *policy;      /* NULL: the daemon chooses */
	const char *mode;
	uint64_t timeout; /* ns */
	uint64_t deadline;
	struct warn warn;
	struct oci_state state;
	struct oci_config config;
	struct answer answer;
	struct bpf_prog prog;
	int sock;
	int listener;
	const char *mend; /* what may help when the stage fails */
};

enum { GO_ON = 0, DONE = 1 };

static void warn_line(void *ctx, const char *line)
{
	(void)ctx;
	dprintf(STDERR_FILENO, "warder-hook: warning: %s\n", line);
}

static int remaining_ms(uint64_t deadline)
{
	const uint64_t t = wire_deadline(0);

	return t >= deadline ? 0 : (int)((deadline - t) / 1000000 + 1);
}

/* All of stdin, at most max bytes. */
static int read_stdin(char *buf, size_t max, uint64_t deadline, size_t *len, struct err *e)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	size_t have = 0;
	ssize_t n;

	for (;;) {
		n = poll(&p, 1, remaining_ms(deadline));
		if (n == 0)
			return err_set(e, ETIMEDOUT, "read the container's state from stdin");
		if (n > 0)
			n = read(STDIN_FILENO, buf + have, max + 1 - have);
		if (n < 0 && errno != EINTR)
			return err_set(e, errno, "read the container's state from stdin");
		if (n == 0)
			break;
		have += n > 0 ? (size_t)n : 0;
		if (have > max)
			return err_set(e, E2BIG, "the container's state on stdin");
	}
	*len = have;
	return 0;
}

static int read_state(struct hook *h, struct err *e)
{
	auto_free char *text = malloc(JSON_MAX_SIZE + 1);
	size_t len = 0;
	int r;

	if (!text)
		return err_set(e, ENOMEM, "the container's state");
	r = read_stdin(text, JSON_MAX_SIZE, h->deadline, &len, e);
	if (!r)
		r = oci_state_parse("stdin", text, len, &h->state, e);
	if (r)
		return r;
	if (strcmp(h->state.status, "creating") != 0 && strcmp(h->state.status, "created") != 0)
		return err_set(e, EINVAL, "the container is %s already", h->state.status);
	return install_check(h->state.pid, &h->mend, e);
}

static const char *string_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

/* Of all filters of a task the strictest action wins: these hide a call from ours. */
static bool is_hiding(const char *action)
{
	static const char *const stricter[] = { "SCMP_ACT_ERRNO", "SCMP_ACT_TRAP", "SCMP_ACT_KILL",
						"SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS" };
	size_t i;

	for (i = 0; action && i < ARRAY_LEN(stricter); i++)
		if (strcmp(action, stricter[i]) == 0)
			return true;
	return false;
}

static bool is_notify(const char *action)
{
	return action && strcmp(action, "SCMP_ACT_NOTIFY") == 0;
}

/* The runtime loads its own profile after us. */
static int check_profile(struct hook *h, struct err *e)
{
	struct json_object *profile = h->config.seccomp;
	const char *action = string_of(profile, "defaultAction");
	const char *path = string_of(profile, "listenerPath");
	bool notify = is_notify(action) || (path && *path);
	bool hiding = is_hiding(action);
	struct json_object *rules = NULL;
	size_t i, n = 0;

	if (json_object_object_get_ex(profile, "syscalls", &rules) &&
	    json_object_is_type(rules, json_type_array))
		n = json_object_array_length(rules);
	for (i = 0; i < n; i++) {
		action = string_of(json_object_array_get_idx(rules, i), "action");
		notify |= is_notify(action);
		hiding |= is_hiding(action);
	}
	h->mend = "use either the hook or listenerPath";
	if (notify)
		return err_set(e, EINVAL, "the profile in config.json has a listener of its own");
	if (hiding)
		warn_say(&h->warn,
			 "container %s: what the profile in config.json blocks is hidden "
			 "from warder (set it unconfined to see all)",
			 h->state.id);
	return 0;
}

/* Read here too, so that exempt workloads start while warderd is away. The rest of the document is
 * warderd's business. */
static int check_exempt(struct hook *h, struct err *e)
{
	struct json_object *doc = NULL;
	struct json_at at = { .file = h->config_file }, key;
	struct exempt x = { 0 };
	int r;

	if (!h->config_file)
		return GO_ON;
	r = json_read(h->config_file, &doc, e);
	at.v = doc;
	if (!r)
		r = json_is_object(&at, e);
	if (!r && json_child(&at, "exempt", &key))
		r = exempt_parse(&key, &x, e);
	if (!r && exempt_match(&x, h->state.id, h->state.annotations))
		r = DONE;
	json_object_put(doc);
	return r;
}

static int read_config(struct hook *h, struct err *e)
{
	int r;

	r = oci_config_read(h->state.bundle, &h->config, e);
	if (r || !json_object_is_type(h->config.seccomp, json_type_object))
		return r;
	return check_profile(h, e);
}

static int connect_daemon(struct hook *h, struct err *e)
{
	int r;

	r = wire_connect(h->socket, h->deadline, &h->sock, e);
	return r ? err_wrap(e, "warderd") : 0;
}

/* The daemon's next word; ok false is an error. *m is empty on failure. */
static int receive(struct hook *h, struct wire_msg *m, struct answer *a, struct err *e)
{
	struct wire_msg got = { 0 };
	int r;

	r = wire_recv(h->sock, h->deadline, &got, e);
	if (r == -ENODATA)
		r = err_set(e, EPROTO, "it closed the connection");
	if (r)
		return err_wrap(e, "warderd");
	r = answer_parse(got.text, got.len, a, e);
	if (!r && !a->ok)
		r = err_set(e, EINVAL, "%s", a->error);
	if (r) {
		wire_fini(&got);
		return err_wrap(e, "warderd");
	}
	*m = got;
	return 0;
}

static int ask_daemon(struct hook *h, struct err *e)
{
	const struct ask a = {
		.id = h->state.id,
		.annotations = h->state.annotations,
		.caps_known = h->config.caps_known,
		.caps = h->config.bounding,
		.policy = h->policy,
		.mode = h->mode,
	};
	struct wire_msg m = { 0 };
	auto_free char *text = NULL;
	size_t len = 0;
	int r;

	r = ask_format(&a, &text, &len, e);
	if (!r)
		r = wire_send(h->sock, h->deadline, text, len, NULL, 0, e);
	if (!r)
		r = receive(h, &m, &h->answer, e);
	if (r)
		return r;
	if (h->answer.exempt)
		r = DONE;
	else if (m.n_fds != 1)
		r = err_set(e, EPROTO, "warderd sent %d descriptors, not one program", m.n_fds);
	else
		r = ask_get_prog(m.fds[0], &h->prog, e);
	wire_fini(&m);
	if (!r)
		FAILPOINT("hook.asked");
	return r;
}

static int install(struct hook *h, struct err *e)
{
	return install_filter(h->state.pid, &h->prog, h->deadline, &h->warn, &h->listener, &h->mend,
			      e);
}

static int hand_over(struct hook *h, struct err *e)
{
	struct oci_state state = h->state;
	struct wire_msg m = { 0 };
	struct answer ack = { 0 };
	auto_free char *text = NULL;
	size_t len = 0;
	int r;

	state.status = "creating";
	r = oci_process_state_format(&state, state.pid, "", &text, &len, e);
	if (!r)
		r = wire_send(h->sock, h->deadline, text, len, &h->listener, 1, e);
	if (r)
		return r;
	FAILPOINT("hook.sent");
	r = receive(h, &m, &ack, e);
	wire_fini(&m);
	answer_fini(&ack);
	if (!r)
		FAILPOINT("hook.acked");
	return r;
}

static const struct {
	int (*run)(struct hook *h, struct err *e);
	const char *mend;
} stages[] = {
	{ read_state, "the runtime gives it; see the OCI runtime specification, State" },
	{ check_exempt, "--config is warderd's configuration file" },
	{ read_config, "the hook reads config.json of the container's bundle" },
	{ connect_daemon, "is warderd running, and is --socket its listener.sock?" },
	{ ask_daemon, "see warderd's log" },
	{ install, "see warder doctor" },
	{ hand_over, "see warderd's log" },
};

static int run(struct hook *h)
{
	struct err e = { 0 };
	int r = GO_ON;
	size_t i;

	h->deadline = wire_deadline(h->timeout);
	for (i = 0; i < ARRAY_LEN(stages) && r == GO_ON; i++) {
		h->mend = stages[i].mend;
		r = stages[i].run(h, &e);
	}
	if (r >= 0)
		return EXIT_SUCCESS;
	if (h->state.id)
		err_wrap(&e, "container %s", h->state.id);
	dprintf(STDERR_FILENO, "warder-hook: %s (%s)\n", e.msg, h->mend);
	return EXIT_FAILURE;
}

static int check_options(const struct hook *h, int words, struct err *e)
{
	if (words)
		return err_set(e, EINVAL, "words after the options");
	if (h->mode && strcmp(h->mode, "audit") != 0 && strcmp(h->mode, "enforce") != 0)
		return err_set(e, EINVAL, "--mode %s: neither audit nor enforce", h->mode);
	return 0;
}

static void hook_fini(struct hook *h)
{
	if (h->listener >= 0)
		close(h->listener);
	if (h->sock >= 0)
		close(h->sock);
	bpf_fini(&h->prog);
	answer_fini(&h->answer);
	oci_config_fini(&h->config);
	oci_state_fini(&h->state);
}

int main(int argc, char **argv)
{
	struct hook h = {
		.socket = DEFAULT_SOCKET,
		.timeout = 5000000000U,
		.warn = { warn_line, NULL },
		.sock = -1,
		.listener = -1,
	};
	const struct opt rows[] = {
		{ "socket", 0, OPT_STR, &h.socket, "PATH",
		  "warderd's listener socket (default " DEFAULT_SOCKET ")" },
		{ "config", 0, OPT_STR, &h.config_file, "FILE",
		  "warderd's configuration, for its exempt workloads (default: not read)" },
		{ "policy", 0, OPT_STR, &h.policy, "NAME",
		  "an installed policy (default: the daemon's choice)" },
		{ "mode", 0, OPT_STR, &h.mode, "MODE",
		  "audit or enforce (default: the daemon's choice)" },
		{ "timeout", 0, OPT_DURATION, &h.timeout, "DURATION",
		  "for everything together (default 5s)" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder-hook",
		.args = "<STATE",
		.purpose =
			"OCI hook (prestart, createRuntime): brings the container under warderd.",
		.rows = rows,
		.tail = "Exit status: 0 when the container is watched or exempt, 1 when it must "
			"not "
			"start.\n",
	};
	struct err e;
	int first = 0;
	int r;

	r = opt_parse(&usage, argc, argv, &first, &e);
	if (!r)
		r = check_options(&h, argc - first, &e);
	if (r < 0)
		dprintf(STDERR_FILENO, "warder-hook: %s (try --help)\n", e.msg);
	if (r)
		return r > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	signal(SIGPIPE, SIG_IGN);
	r = run(&h);
	hook_fini(&h);
	return r;
}
